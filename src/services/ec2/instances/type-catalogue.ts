/** Instance types by name, put together from their families. */
import { type Family, families, nitroCards, sizeVcpus } from './type-families.ts';

export interface InstanceTypeInfo {
  name: string;
  vcpus: number;
  threadsPerCore: 1 | 2;
  memoryMiB: number;
  architecture: 'x86_64' | 'arm64';
  processor: { manufacturer: string; ghz: number };
  burstable: boolean;
  bareMetal: boolean;
  currentGeneration: boolean;
  /** Nitro hypervisor, as against Xen. */
  nitro: boolean;
  interfacesMax: number;
  addressesPerInterfaceMax: number;
  networkPerformance: string;
  /** Dedicated bandwidth to volumes; absent where the catalogue does not know it. */
  ebs?: { mbps: number; mbpsMax: number; iops: number; iopsMax: number } | undefined;
  /** Local disks of the host. */
  disks?: { count: number; sizeGiB: number; type: 'hdd' | 'ssd'; nvme: boolean } | undefined;
  gpus?: { count: number; name: string; manufacturer: string; memoryMiB: number } | undefined;
}

const sizeOrder = [...['nano', 'micro', 'small'], ...Object.keys(sizeVcpus), ...['10xlarge', '56xlarge', '112xlarge', 'metal']];

/** What the size has, or the next smaller one that is named; bare metal has what the largest has. */
function bySize(size: string, values: Readonly<Record<string, string>>): string {
  const order = (name: string): number => sizeVcpus[name] ?? sizeOrder.indexOf(name) / 100;
  const exact = values[size];
  if (exact !== undefined) return exact;
  const named = Object.keys(values).sort((a, b) => order(a) - order(b));
  const smaller = size.startsWith('metal') ? named : named.filter((name) => order(name) <= order(size));
  return values[smaller.at(-1) ?? named[0] ?? ''] ?? '';
}

function cardsOf(family: Family, size: string, vcpus: number): readonly [interfaces: number, addresses: number] {
  const own = family.cards?.[size];
  if (own !== undefined) return own;
  const [, interfaces, addresses] = nitroCards.find(([from]) => vcpus >= from) ?? [0, 2, 2];
  return [interfaces, addresses];
}

function makeType(family: Family, size: string): InstanceTypeInfo {
  const [vcpus, memoryGib] = family.special?.[size] ?? [sizeVcpus[size] ?? 0, (sizeVcpus[size] ?? 0) * family.gibPerVcpu];
  const [interfacesMax, addressesPerInterfaceMax] = cardsOf(family, size, vcpus);
  const disk = family.disks?.[size];
  const ebs = family.generation.ebs?.[size];
  const { gpus } = family;
  return {
    name: `${family.name}.${size}`,
    vcpus,
    threadsPerCore: vcpus < 2 ? 1 : (family.threads ?? 1),
    memoryMiB: Math.round(memoryGib * 1024),
    architecture: family.maker === 'AWS' ? 'arm64' : 'x86_64',
    processor: { manufacturer: family.maker, ghz: family.ghz },
    burstable: family.burstable === true,
    bareMetal: size.startsWith('metal'),
    currentGeneration: family.previous !== true,
    nitro: family.xen !== true,
    interfacesMax,
    addressesPerInterfaceMax,
    networkPerformance: bySize(size, family.generation.network),
    ebs: ebs === undefined ? undefined : { mbps: ebs[0], mbpsMax: ebs[1], iops: ebs[2], iopsMax: ebs[3] },
    disks:
      disk === undefined
        ? undefined
        : { count: disk[0], sizeGiB: disk[1], type: family.diskType ?? 'ssd', nvme: family.plainDisks !== true },
    gpus:
      gpus === undefined
        ? undefined
        : { count: gpus.counts[size] ?? 1, name: gpus.name, manufacturer: 'NVIDIA', memoryMiB: gpus.memoryMiB },
  };
}

/** All types, by name. */
export const instanceTypes: ReadonlyMap<string, InstanceTypeInfo> = new Map(
  families.flatMap((family) => family.sizes.map((size) => makeType(family, size))).map((info) => [info.name, info]),
);
