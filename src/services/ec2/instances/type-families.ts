/**
 * Families of instance types as data, from "Amazon EC2 instance types" (specifications of each group). Sizes of a family scale vCPUs, memory and
 * cards together; a family says its memory per vCPU, its generation's network and volumes, and what breaks the rule.
 */

import {
  c5,
  fast,
  g5,
  g5a,
  g5n,
  g6,
  g6g,
  g7,
  g7g,
  gen4,
  type Generation,
  highMemory,
  old,
  r4,
  upTo,
} from './type-generations.ts';

/** Local disks of one size: how many, of how many GB. */
export type DiskSize = readonly [count: number, sizeGb: number];

export interface Family {
  name: string;
  gibPerVcpu: number;
  generation: Generation;
  sizes: readonly string[];
  maker: 'Intel' | 'AMD' | 'AWS';
  ghz: number;
  /** One unless told: threads that share a core. */
  threads?: 1 | 2;
  xen?: boolean;
  previous?: boolean;
  burstable?: boolean;
  disks?: Readonly<Record<string, DiskSize>>;
  diskType?: 'hdd' | 'ssd';
  /** Disks that are not NVMe devices. */
  plainDisks?: boolean;
  /** vCPUs, and memory in GiB, of sizes that break the rule. */
  special?: Readonly<Record<string, readonly [vcpus: number, memoryGib: number]>>;
  /** Interfaces, and addresses of each, where they break the rule. */
  cards?: Readonly<Record<string, readonly [interfaces: number, addresses: number]>>;
  gpus?: { name: string; memoryMiB: number; counts: Readonly<Record<string, number>> };
}

/** vCPUs of sizes by name. */
export const sizeVcpus: Readonly<Record<string, number>> = {
  ...{ medium: 1, large: 2, xlarge: 4, '2xlarge': 8, '3xlarge': 12, '4xlarge': 16, '6xlarge': 24, '8xlarge': 32, '9xlarge': 36 },
  ...{ '12xlarge': 48, '16xlarge': 64, '18xlarge': 72, '24xlarge': 96, '32xlarge': 128, '48xlarge': 192 },
  ...{ 'metal-24xl': 96, 'metal-48xl': 192 },
};

/** Cards and addresses of each, from this number of vCPUs on ("Maximum IP addresses per network interface"). */
export const nitroCards: readonly (readonly [vcpus: number, interfaces: number, addresses: number])[] = [
  [64, 15, 50],
  [16, 8, 30],
  [4, 4, 15],
  [2, 3, 10],
  [1, 2, 4],
];

const to4 = ['large', 'xlarge', '2xlarge', '4xlarge'];
const to16 = [...to4, '8xlarge', '12xlarge', '16xlarge'];
const to24 = [...to16, '24xlarge'];
const graviton = ['medium', ...to16];

const disks5: Readonly<Record<string, DiskSize>> = {
  ...{ large: [1, 75], xlarge: [1, 150], '2xlarge': [1, 300], '4xlarge': [2, 300], '8xlarge': [2, 600] },
  ...{ '12xlarge': [2, 900], '16xlarge': [4, 600], '24xlarge': [4, 900], metal: [4, 900] },
};
const disksC5: Readonly<Record<string, DiskSize>> = {
  ...{ large: [1, 50], xlarge: [1, 100], '2xlarge': [1, 200], '4xlarge': [1, 400], '9xlarge': [1, 900] },
  ...{ '12xlarge': [2, 900], '18xlarge': [2, 900], '24xlarge': [4, 900], metal: [4, 900] },
};
const disks6: Readonly<Record<string, DiskSize>> = {
  ...{ medium: [1, 59], large: [1, 118], xlarge: [1, 237], '2xlarge': [1, 474], '4xlarge': [1, 950], '8xlarge': [1, 1900] },
  ...{ '12xlarge': [2, 1425], '16xlarge': [2, 1900], '24xlarge': [4, 1425], '32xlarge': [4, 1900] },
};

const intel = (
  name: string,
  gibPerVcpu: number,
  generation: Generation,
  sizes: readonly string[],
  ghz: number,
  more: Partial<Family> = {},
): Family => ({
  name,
  gibPerVcpu,
  generation,
  sizes,
  maker: 'Intel',
  ghz,
  threads: 2,
  ...more,
});
const amd: typeof intel = (name, gib, generation, sizes, ghz, more = {}) =>
  intel(name, gib, generation, sizes, ghz, { maker: 'AMD', ...more });
const arm: typeof intel = (name, gib, generation, sizes, ghz, more = {}) =>
  intel(name, gib, generation, sizes, ghz, { maker: 'AWS', threads: 1, ...more });

/** The three groups that share their generations: m with 4 GiB per vCPU, c with 2, r with 8. */
const ratios = [
  ['m', 4],
  ['c', 2],
  ['r', 8],
] as const;
const generalFamilies: readonly Family[] = ratios.flatMap(([letter, gib]) => [
  ...(letter === 'c'
    ? []
    : [
        intel(`${letter}5`, gib, g5, [...to24, 'metal'], 3.1, { special: { metal: [96, 96 * gib] } }),
        intel(`${letter}5d`, gib, g5, [...to24, 'metal'], 3.1, { special: { metal: [96, 96 * gib] }, disks: disks5 }),
        intel(`${letter}5n`, gib, g5n, to24, 3.1),
        amd(`${letter}5a`, gib, g5a, to24, 2.5),
      ]),
  intel(`${letter}6i`, gib, g6, [...to24, '32xlarge', 'metal'], 3.5, { special: { metal: [128, 128 * gib] } }),
  intel(`${letter}6id`, gib, g6, [...to24, '32xlarge', 'metal'], 3.5, {
    special: { metal: [128, 128 * gib] },
    disks: { ...disks6, metal: [4, 1900] },
  }),
  amd(`${letter}6a`, gib, g6, [...to24, '32xlarge', '48xlarge', 'metal'], 3.6, { special: { metal: [192, 192 * gib] } }),
  arm(`${letter}6g`, gib, g6g, [...graviton, 'metal'], 2.5, { special: { metal: [64, 64 * gib] } }),
  arm(`${letter}6gd`, gib, g6g, [...graviton, 'metal'], 2.5, {
    special: { metal: [64, 64 * gib] },
    disks: { ...disks6, metal: [2, 1900] },
  }),
  intel(`${letter}7i`, gib, g7, [...to24, '48xlarge', 'metal-24xl', 'metal-48xl'], 3.2),
  amd(`${letter}7a`, gib, g7, ['medium', ...to24, '32xlarge', '48xlarge', 'metal-48xl'], 3.7, { threads: 1 }),
  arm(`${letter}7g`, gib, g7g, [...graviton, 'metal'], 2.6, { special: { metal: [64, 64 * gib] } }),
  arm(`${letter}7gd`, gib, g7g, [...graviton, 'metal'], 2.6, {
    special: { metal: [64, 64 * gib] },
    disks: { ...disks6, metal: [2, 1900] },
  }),
  arm(`${letter}8g`, gib, g7g, [...graviton, '24xlarge', '48xlarge', 'metal-24xl', 'metal-48xl'], 2.8),
]);

const c5Sizes = [...to4, '9xlarge', '12xlarge', '18xlarge', '24xlarge', 'metal'];
const computeFamilies: readonly Family[] = [
  intel('c5', 2, c5, c5Sizes, 3.4, { special: { metal: [96, 192] } }),
  intel('c5d', 2, c5, c5Sizes, 3.4, { special: { metal: [96, 192] }, disks: disksC5 }),
  amd('c5a', 2, g5, to24, 3.3),
  intel('c5n', 2.625, g5n, [...to4, '9xlarge', '18xlarge', 'metal'], 3.4, {
    special: { '9xlarge': [36, 96], '18xlarge': [72, 192], metal: [72, 192] },
  }),
  intel('m7i-flex', 4, g7, [...to4, '8xlarge'], 3.2),
  intel('c7i-flex', 2, g7, [...to4, '8xlarge'], 3.2),
];

const memoryFamilies: readonly Family[] = [
  intel('x1', 15.25, highMemory, ['16xlarge', '32xlarge'], 2.3, {
    xen: true,
    disks: { '16xlarge': [1, 1920], '32xlarge': [2, 1920] },
    plainDisks: true,
    cards: { '16xlarge': [8, 30], '32xlarge': [8, 30] },
  }),
  intel('x1e', 30.5, highMemory, ['xlarge', '2xlarge', '4xlarge', '8xlarge', '16xlarge', '32xlarge'], 2.3, {
    xen: true,
    plainDisks: true,
    disks: {
      xlarge: [1, 120],
      '2xlarge': [1, 240],
      '4xlarge': [1, 480],
      '8xlarge': [1, 960],
      '16xlarge': [1, 1920],
      '32xlarge': [2, 1920],
    },
    cards: { xlarge: [3, 10], '4xlarge': [4, 15], '8xlarge': [4, 15], '16xlarge': [8, 30], '32xlarge': [8, 30] },
  }),
  intel('x2idn', 16, fast, ['16xlarge', '24xlarge', '32xlarge'], 3.5, {
    disks: { '16xlarge': [1, 1900], '24xlarge': [2, 1425], '32xlarge': [2, 1900] },
  }),
  intel('x2iedn', 32, fast, ['xlarge', '2xlarge', '4xlarge', '8xlarge', '16xlarge', '24xlarge', '32xlarge'], 3.5, {
    disks: {
      xlarge: [1, 118],
      '2xlarge': [1, 237],
      '4xlarge': [1, 475],
      '8xlarge': [1, 950],
      '16xlarge': [1, 1900],
      '24xlarge': [2, 1425],
      '32xlarge': [2, 1900],
    },
  }),
  arm('x2gd', 16, g6g, graviton, 2.5, { disks: { ...disks6, '4xlarge': [1, 950] } }),
  intel('z1d', 8, fast, ['large', 'xlarge', '2xlarge', '3xlarge', '6xlarge', '12xlarge'], 4, {
    disks: {
      large: [1, 75],
      xlarge: [1, 150],
      '2xlarge': [1, 300],
      '3xlarge': [1, 450],
      '6xlarge': [1, 900],
      '12xlarge': [2, 900],
    },
  }),
  intel('u-6tb1', 0, highMemory, ['56xlarge', '112xlarge'], 2.1, {
    special: { '56xlarge': [224, 6144], '112xlarge': [448, 6144] },
  }),
  intel('u-12tb1', 0, highMemory, ['112xlarge'], 2.1, { special: { '112xlarge': [448, 12_288] } }),
  intel('u-24tb1', 0, highMemory, ['112xlarge'], 2.7, { special: { '112xlarge': [448, 24_576] } }),
];

const storageFamilies: readonly Family[] = [
  intel(
    'i3',
    7.625,
    { network: upTo('Up to 10 Gigabit', { '8xlarge': '10 Gigabit', '16xlarge': '25 Gigabit' }) },
    [...to4, '8xlarge', '16xlarge'],
    2.3,
    {
      xen: true,
      disks: {
        large: [1, 475],
        xlarge: [1, 950],
        '2xlarge': [1, 1900],
        '4xlarge': [2, 1900],
        '8xlarge': [4, 1900],
        '16xlarge': [8, 1900],
      },
    },
  ),
  intel('i3en', 8, fast, ['large', 'xlarge', '2xlarge', '3xlarge', '6xlarge', '12xlarge', '24xlarge'], 3.1, {
    disks: {
      large: [1, 1250],
      xlarge: [1, 2500],
      '2xlarge': [2, 2500],
      '3xlarge': [1, 7500],
      '6xlarge': [2, 7500],
      '12xlarge': [4, 7500],
      '24xlarge': [8, 7500],
    },
  }),
  intel(
    'i4i',
    8,
    {
      network: upTo('Up to 10 Gigabit', {
        '2xlarge': 'Up to 12 Gigabit',
        '4xlarge': 'Up to 25 Gigabit',
        '8xlarge': '18.75 Gigabit',
        '16xlarge': '37.5 Gigabit',
        '32xlarge': '75 Gigabit',
      }),
    },
    [...to4, '8xlarge', '16xlarge', '32xlarge'],
    3.5,
    {
      disks: {
        large: [1, 468],
        xlarge: [1, 937],
        '2xlarge': [1, 1875],
        '4xlarge': [1, 3750],
        '8xlarge': [2, 3750],
        '16xlarge': [4, 3750],
        '32xlarge': [8, 3750],
      },
    },
  ),
  arm('i4g', 8, g6g, [...to4, '8xlarge', '16xlarge'], 2.5, {
    disks: {
      large: [1, 468],
      xlarge: [1, 937],
      '2xlarge': [1, 1875],
      '4xlarge': [1, 3750],
      '8xlarge': [2, 3750],
      '16xlarge': [4, 3750],
    },
  }),
  intel('d2', 7.625, gen4, ['xlarge', '2xlarge', '4xlarge', '8xlarge'], 2.4, {
    xen: true,
    plainDisks: true,
    diskType: 'hdd',
    special: { '8xlarge': [36, 244] },
    disks: { xlarge: [3, 2048], '2xlarge': [6, 2048], '4xlarge': [12, 2048], '8xlarge': [24, 2048] },
  }),
  intel(
    'd3',
    8,
    { network: upTo('Up to 15 Gigabit', { '8xlarge': '25 Gigabit' }) },
    ['xlarge', '2xlarge', '4xlarge', '8xlarge'],
    3.1,
    {
      diskType: 'hdd',
      disks: { xlarge: [3, 1980], '2xlarge': [6, 1980], '4xlarge': [12, 1980], '8xlarge': [24, 1980] },
    },
  ),
  intel('h1', 4, r4, ['2xlarge', '4xlarge', '8xlarge', '16xlarge'], 2.3, {
    xen: true,
    plainDisks: true,
    diskType: 'hdd',
    disks: { '2xlarge': [1, 2000], '4xlarge': [2, 2000], '8xlarge': [4, 2000], '16xlarge': [8, 2000] },
  }),
];

const acceleratedFamilies: readonly Family[] = [
  intel('g4dn', 4, fast, ['xlarge', '2xlarge', '4xlarge', '8xlarge', '12xlarge', '16xlarge', 'metal'], 2.5, {
    special: { metal: [96, 384] },
    disks: {
      xlarge: [1, 125],
      '2xlarge': [1, 225],
      '4xlarge': [1, 225],
      '8xlarge': [1, 900],
      '12xlarge': [1, 900],
      '16xlarge': [1, 900],
      metal: [2, 900],
    },
    gpus: { name: 'T4', memoryMiB: 16_384, counts: { '12xlarge': 4, metal: 8 } },
    cards: { xlarge: [3, 10], '2xlarge': [3, 10], '4xlarge': [3, 10], '8xlarge': [4, 15] },
  }),
  amd('g5', 4, fast, ['xlarge', '2xlarge', '4xlarge', '8xlarge', '12xlarge', '16xlarge', '24xlarge', '48xlarge'], 3.3, {
    disks: {
      xlarge: [1, 250],
      '2xlarge': [1, 450],
      '4xlarge': [1, 600],
      '8xlarge': [1, 900],
      '12xlarge': [1, 3800],
      '16xlarge': [1, 1900],
      '24xlarge': [1, 3800],
      '48xlarge': [2, 3800],
    },
    gpus: { name: 'A10G', memoryMiB: 24_576, counts: { '12xlarge': 4, '24xlarge': 4, '48xlarge': 8 } },
  }),
  amd('g6', 4, fast, ['xlarge', '2xlarge', '4xlarge', '8xlarge', '12xlarge', '16xlarge', '24xlarge', '48xlarge'], 3.4, {
    disks: {
      xlarge: [1, 250],
      '2xlarge': [1, 450],
      '4xlarge': [1, 600],
      '8xlarge': [2, 450],
      '12xlarge': [4, 940],
      '16xlarge': [2, 940],
      '24xlarge': [4, 940],
      '48xlarge': [8, 940],
    },
    gpus: { name: 'L4', memoryMiB: 22_888, counts: { '12xlarge': 4, '24xlarge': 4, '48xlarge': 8 } },
  }),
  intel('p3', 7.625, r4, ['2xlarge', '8xlarge', '16xlarge'], 2.7, {
    xen: true,
    gpus: { name: 'V100', memoryMiB: 16_384, counts: { '8xlarge': 4, '16xlarge': 8 } },
    cards: { '16xlarge': [8, 30] },
  }),
  intel('p3dn', 8, fast, ['24xlarge'], 3.1, {
    disks: { '24xlarge': [2, 900] },
    gpus: { name: 'V100', memoryMiB: 32_768, counts: { '24xlarge': 8 } },
  }),
  intel('p4d', 12, { network: { medium: '4x 100 Gigabit' } }, ['24xlarge'], 3, {
    disks: { '24xlarge': [8, 1000] },
    gpus: { name: 'A100', memoryMiB: 40_960, counts: { '24xlarge': 8 } },
  }),
  amd('p5', 0, { network: { medium: '3200 Gigabit' } }, ['48xlarge'], 3.6, {
    special: { '48xlarge': [192, 2048] },
    disks: { '48xlarge': [8, 3840] },
    gpus: { name: 'H100', memoryMiB: 81_920, counts: { '48xlarge': 8 } },
  }),
  intel('trn1', 4, fast, ['2xlarge', '32xlarge'], 3.5, { disks: { '2xlarge': [1, 474], '32xlarge': [4, 1900] } }),
  intel('inf1', 2, fast, ['xlarge', '2xlarge', '6xlarge', '24xlarge'], 3.1),
  amd('inf2', 4, fast, ['xlarge', '8xlarge', '24xlarge', '48xlarge'], 3.4),
];

const olderFamilies: readonly Family[] = [
  intel('m4', 4, gen4, ['large', 'xlarge', '2xlarge', '4xlarge', '10xlarge', '16xlarge'], 2.3, {
    xen: true,
    special: { '10xlarge': [40, 160] },
    cards: { large: [2, 10], '10xlarge': [8, 30], '16xlarge': [8, 30] },
  }),
  intel('c4', 1.875, gen4, ['large', 'xlarge', '2xlarge', '4xlarge', '8xlarge'], 2.9, {
    xen: true,
    special: { '8xlarge': [36, 60] },
  }),
  intel('r4', 7.625, r4, [...to4, '8xlarge', '16xlarge'], 2.3, { xen: true }),
  intel('m3', 3.75, old, ['medium', 'large', 'xlarge', '2xlarge'], 2.5, {
    xen: true,
    previous: true,
    plainDisks: true,
    disks: { medium: [1, 4], large: [1, 32], xlarge: [2, 40], '2xlarge': [2, 80] },
    cards: { medium: [2, 6], '2xlarge': [4, 30] },
  }),
  intel('c3', 1.875, old, [...to4, '8xlarge'], 2.8, {
    xen: true,
    previous: true,
    plainDisks: true,
    disks: { large: [2, 16], xlarge: [2, 40], '2xlarge': [2, 80], '4xlarge': [2, 160], '8xlarge': [2, 320] },
  }),
  intel('r3', 7.625, old, [...to4, '8xlarge'], 2.5, {
    xen: true,
    previous: true,
    plainDisks: true,
    special: { large: [2, 15] },
    disks: { large: [1, 32], xlarge: [1, 80], '2xlarge': [1, 160], '4xlarge': [1, 320], '8xlarge': [2, 320] },
  }),
  // The type that a launch gets when it names none ("RunInstances", InstanceType).
  intel('m1', 1.7, { network: { medium: 'Low' } }, ['small'], 2.5, {
    xen: true,
    previous: true,
    plainDisks: true,
    threads: 1,
    diskType: 'hdd',
    special: { small: [1, 1.7] },
    disks: { small: [1, 160] },
    cards: { small: [2, 4] },
  }),
  arm('a1', 2, { network: { medium: 'Up to 10 Gigabit' } }, ['medium', ...to4], 2.3),
];

const burst: Generation = { network: { nano: 'Up to 5 Gigabit' } };
const burstSizes = ['nano', 'micro', 'small', 'medium', 'large', 'xlarge', '2xlarge'];
const burstSpecial = {
  nano: [2, 0.5],
  micro: [2, 1],
  small: [2, 2],
  medium: [2, 4],
  large: [2, 8],
  xlarge: [4, 16],
  '2xlarge': [8, 32],
} as const;
const burstCards = { nano: [2, 2], micro: [2, 2], small: [3, 4], medium: [3, 6], large: [3, 12] } as const;
const burstFamilies: readonly Family[] = [
  intel('t2', 4, { network: { nano: 'Low to Moderate', xlarge: 'Moderate' } }, burstSizes, 2.3, {
    xen: true,
    threads: 1,
    burstable: true,
    special: { ...burstSpecial, nano: [1, 0.5], micro: [1, 1], small: [1, 2] },
    cards: { ...burstCards, xlarge: [3, 15], '2xlarge': [3, 15] },
  }),
  intel('t3', 4, burst, burstSizes, 2.5, { burstable: true, special: burstSpecial, cards: burstCards }),
  amd('t3a', 4, burst, burstSizes, 2.2, { burstable: true, special: burstSpecial, cards: burstCards }),
  arm('t4g', 4, burst, burstSizes, 2.5, { burstable: true, special: burstSpecial, cards: burstCards }),
];

/** Every family, in no order that matters. */
export const families: readonly Family[] = [
  ...burstFamilies,
  ...generalFamilies,
  ...computeFamilies,
  ...memoryFamilies,
  ...storageFamilies,
  ...acceleratedFamilies,
  ...olderFamilies,
];
