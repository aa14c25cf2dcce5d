/**
 * Instance types as data: families with their sizes, from "Amazon EC2 instance types" and "Maximum IP addresses per network interface". A family's
 * sizes scale vCPUs and memory together, so only what breaks the rule is spelled out.
 */
export interface InstanceTypeInfo {
  name: string;
  vcpus: number;
  memoryMiB: number;
  architecture: 'x86_64' | 'arm64';
  burstable: boolean;
  currentGeneration: boolean;
  /** Nitro hypervisor, as against Xen. */
  nitro: boolean;
  interfacesMax: number;
  addressesPerInterfaceMax: number;
  networkPerformance: string;
  /** Local disks of the host. */
  disks?: { count: number; sizeGiB: number; type: 'hdd' | 'ssd'; nvme: boolean } | undefined;
  gpus?: { count: number; name: string; manufacturer: string; memoryMiB: number } | undefined;
}

interface Size {
  vcpus: number;
  memoryGiB: number;
  interfaces: number;
  addresses: number;
  network: string;
}

/** Sizes of a Nitro family: vCPUs double from large (2) on; network cards and their addresses by size. */
const nitroSizes: readonly (readonly [string, vcpus: number, interfaces: number, addresses: number, network: string])[] = [
  ['medium', 1, 2, 4, 'Up to 10 Gigabit'],
  ['large', 2, 3, 10, 'Up to 10 Gigabit'],
  ['xlarge', 4, 4, 15, 'Up to 10 Gigabit'],
  ['2xlarge', 8, 4, 15, 'Up to 10 Gigabit'],
  ['4xlarge', 16, 8, 30, 'Up to 10 Gigabit'],
  ['8xlarge', 32, 8, 30, '10 Gigabit'],
  ['12xlarge', 48, 8, 30, '12 Gigabit'],
  ['16xlarge', 64, 15, 50, '20 Gigabit'],
  ['24xlarge', 96, 15, 50, '25 Gigabit'],
];

const burstSizes: readonly (readonly [string, vcpus: number, memoryGiB: number, interfaces: number, addresses: number])[] = [
  ['nano', 2, 0.5, 2, 2],
  ['micro', 2, 1, 2, 2],
  ['small', 2, 2, 3, 4],
  ['medium', 2, 4, 3, 6],
  ['large', 2, 8, 3, 12],
  ['xlarge', 4, 16, 4, 15],
  ['2xlarge', 8, 32, 4, 15],
];

/** t2 differs: one vCPU up to small, and other cards. */
const t2Sizes: typeof burstSizes = [
  ['nano', 1, 0.5, 2, 2],
  ['micro', 1, 1, 2, 2],
  ['small', 1, 2, 3, 4],
  ['medium', 2, 4, 3, 6],
  ['large', 2, 8, 3, 12],
  ['xlarge', 4, 16, 3, 15],
  ['2xlarge', 8, 32, 3, 15],
];

const large = ['large', 'xlarge', '2xlarge', '4xlarge'];
const upTo24 = [...large, '8xlarge', '12xlarge', '16xlarge', '24xlarge'];

interface Family {
  name: string;
  gibPerVcpu: number;
  sizes: readonly string[];
  architecture?: 'arm64';
}

const families: readonly Family[] = [
  { name: 'm5', gibPerVcpu: 4, sizes: upTo24 },
  { name: 'm6i', gibPerVcpu: 4, sizes: upTo24 },
  { name: 'm7i', gibPerVcpu: 4, sizes: upTo24 },
  { name: 'm6g', gibPerVcpu: 4, sizes: ['medium', ...large, '8xlarge', '12xlarge', '16xlarge'], architecture: 'arm64' },
  { name: 'm7g', gibPerVcpu: 4, sizes: ['medium', ...large, '8xlarge', '12xlarge', '16xlarge'], architecture: 'arm64' },
  { name: 'c6i', gibPerVcpu: 2, sizes: upTo24 },
  { name: 'c7i', gibPerVcpu: 2, sizes: upTo24 },
  { name: 'c6g', gibPerVcpu: 2, sizes: ['medium', ...large, '8xlarge', '12xlarge', '16xlarge'], architecture: 'arm64' },
  { name: 'r5', gibPerVcpu: 8, sizes: upTo24 },
  { name: 'r6i', gibPerVcpu: 8, sizes: upTo24 },
  { name: 'r6g', gibPerVcpu: 8, sizes: ['medium', ...large, '8xlarge', '12xlarge', '16xlarge'], architecture: 'arm64' },
];

function nitroType(family: Family, size: string): InstanceTypeInfo {
  const [, vcpus, interfaces, addresses, network] = nitroSizes.find(([name]) => name === size)!;
  return type(
    `${family.name}.${size}`,
    { vcpus, memoryGiB: vcpus * family.gibPerVcpu, interfaces, addresses, network },
    { architecture: family.architecture ?? 'x86_64' },
  );
}

function type(name: string, size: Size, more: Partial<InstanceTypeInfo> = {}): InstanceTypeInfo {
  return {
    name,
    vcpus: size.vcpus,
    memoryMiB: Math.round(size.memoryGiB * 1024),
    architecture: 'x86_64',
    burstable: false,
    currentGeneration: true,
    nitro: true,
    interfacesMax: size.interfaces,
    addressesPerInterfaceMax: size.addresses,
    networkPerformance: size.network,
    ...more,
  };
}

function burstTypes(family: string, sizes: typeof burstSizes, more: Partial<InstanceTypeInfo>): InstanceTypeInfo[] {
  return sizes.map(([size, vcpus, memoryGiB, interfaces, addresses]) => {
    const network = more.nitro === false ? 'Low to Moderate' : 'Up to 5 Gigabit';
    return type(`${family}.${size}`, { vcpus, memoryGiB, interfaces, addresses, network }, { burstable: true, ...more });
  });
}

const gbps = (text: string, vcpus: number, memoryGiB: number, interfaces: number, addresses: number): Size => ({
  vcpus,
  memoryGiB,
  interfaces,
  addresses,
  network: text,
});

/** Types whose sizes follow no simple rule. */
const others: readonly InstanceTypeInfo[] = [
  // The type that a launch gets when it names none ("RunInstances", InstanceType).
  type('m1.small', gbps('Low', 1, 1.7, 2, 4), { nitro: false, currentGeneration: false }),
  type('c5.large', gbps('Up to 10 Gigabit', 2, 4, 3, 10)),
  type('c5.xlarge', gbps('Up to 10 Gigabit', 4, 8, 4, 15)),
  type('c5.2xlarge', gbps('Up to 10 Gigabit', 8, 16, 4, 15)),
  type('c5.4xlarge', gbps('Up to 10 Gigabit', 16, 32, 8, 30)),
  type('c5.9xlarge', gbps('12 Gigabit', 36, 72, 8, 30)),
  type('c5.18xlarge', gbps('25 Gigabit', 72, 144, 15, 50)),
  type('c5n.large', gbps('Up to 25 Gigabit', 2, 5.25, 3, 10)),
  type('c5n.xlarge', gbps('Up to 25 Gigabit', 4, 10.5, 4, 15)),
  type('c5n.2xlarge', gbps('Up to 25 Gigabit', 8, 21, 4, 15)),
  type('c5n.18xlarge', gbps('100 Gigabit', 72, 192, 15, 50)),
  type('x1.16xlarge', gbps('High', 64, 976, 8, 30), {
    nitro: false,
    disks: { count: 1, sizeGiB: 1920, type: 'ssd', nvme: false },
  }),
  type('x1.32xlarge', gbps('High', 128, 1952, 8, 30), {
    nitro: false,
    disks: { count: 2, sizeGiB: 1920, type: 'ssd', nvme: false },
  }),
  type('i3.large', gbps('Up to 10 Gigabit', 2, 15.25, 3, 10), {
    nitro: false,
    disks: { count: 1, sizeGiB: 475, type: 'ssd', nvme: true },
  }),
  type('i3.xlarge', gbps('Up to 10 Gigabit', 4, 30.5, 4, 15), {
    nitro: false,
    disks: { count: 1, sizeGiB: 950, type: 'ssd', nvme: true },
  }),
  type('d2.xlarge', gbps('Moderate', 4, 30.5, 4, 15), {
    nitro: false,
    disks: { count: 3, sizeGiB: 2048, type: 'hdd', nvme: false },
  }),
  type('h1.2xlarge', gbps('Up to 10 Gigabit', 8, 32, 4, 15), {
    nitro: false,
    disks: { count: 1, sizeGiB: 2000, type: 'hdd', nvme: false },
  }),
  type('g4dn.xlarge', gbps('Up to 25 Gigabit', 4, 16, 3, 10), {
    disks: { count: 1, sizeGiB: 125, type: 'ssd', nvme: true },
    gpus: { count: 1, name: 'T4', manufacturer: 'NVIDIA', memoryMiB: 16_384 },
  }),
  type('p3.2xlarge', gbps('Up to 10 Gigabit', 8, 61, 4, 15), {
    nitro: false,
    gpus: { count: 1, name: 'V100', manufacturer: 'NVIDIA', memoryMiB: 16_384 },
  }),
];

/** All types, by name. */
export const instanceTypes: ReadonlyMap<string, InstanceTypeInfo> = new Map(
  [
    ...burstTypes('t2', t2Sizes, { nitro: false }),
    ...burstTypes('t3', burstSizes, {}),
    ...burstTypes('t3a', burstSizes, {}),
    ...burstTypes('t4g', burstSizes, { architecture: 'arm64' }),
    ...families.flatMap((family) => family.sizes.map((size) => nitroType(family, size))),
    ...others,
  ].map((info) => [info.name, info]),
);
