/** Network and volume bandwidth of the generations of instance types, by size ("Amazon EC2 instance types", network and EBS specifications). */

export interface Generation {
  /** Network by size; a size that is not named has that of the next smaller one. */
  network: Readonly<Record<string, string>>;
  /** Volumes by size: baseline and greatest Mbps, baseline and greatest IOPS. */
  ebs?: Readonly<Record<string, readonly [mbps: number, mbpsMax: number, iops: number, iopsMax: number]>>;
}

/** Network of a generation: what its small sizes have, and where more begins. */
export const upTo = (large: string, more: Readonly<Record<string, string>>) => ({ medium: large, ...more });

export const g5: Generation = {
  network: upTo('Up to 10 Gigabit', {
    '8xlarge': '10 Gigabit',
    '12xlarge': '12 Gigabit',
    '16xlarge': '20 Gigabit',
    '24xlarge': '25 Gigabit',
  }),
  ebs: {
    large: [650, 4750, 3600, 18750],
    xlarge: [1150, 4750, 6000, 18750],
    '2xlarge': [2300, 4750, 12000, 18750],
    '4xlarge': [4750, 4750, 18750, 18750],
    '8xlarge': [6800, 6800, 30000, 30000],
    '12xlarge': [9500, 9500, 40000, 40000],
    '16xlarge': [13600, 13600, 60000, 60000],
    '24xlarge': [19000, 19000, 80000, 80000],
    metal: [19000, 19000, 80000, 80000],
  },
};
export const g5a: Generation = {
  network: upTo('Up to 10 Gigabit', { '12xlarge': '10 Gigabit', '16xlarge': '12 Gigabit', '24xlarge': '20 Gigabit' }),
};
export const g5n: Generation = {
  network: upTo('Up to 25 Gigabit', {
    '8xlarge': '25 Gigabit',
    '9xlarge': '50 Gigabit',
    '12xlarge': '50 Gigabit',
    '16xlarge': '75 Gigabit',
    '18xlarge': '100 Gigabit',
    '24xlarge': '100 Gigabit',
  }),
};
export const c5: Generation = {
  network: upTo('Up to 10 Gigabit', { '9xlarge': '12 Gigabit', '18xlarge': '25 Gigabit' }),
  ebs: {
    large: [650, 4750, 4000, 20000],
    xlarge: [1150, 4750, 6000, 20000],
    '2xlarge': [2300, 4750, 10000, 20000],
    '4xlarge': [4750, 4750, 20000, 20000],
    '9xlarge': [9500, 9500, 40000, 40000],
    '12xlarge': [9500, 9500, 40000, 40000],
    '18xlarge': [19000, 19000, 80000, 80000],
    '24xlarge': [19000, 19000, 80000, 80000],
    metal: [19000, 19000, 80000, 80000],
  },
};
export const g6: Generation = {
  network: upTo('Up to 12.5 Gigabit', {
    '8xlarge': '12.5 Gigabit',
    '12xlarge': '18.75 Gigabit',
    '16xlarge': '25 Gigabit',
    '24xlarge': '37.5 Gigabit',
    '32xlarge': '50 Gigabit',
  }),
  ebs: {
    large: [650, 10000, 3600, 40000],
    xlarge: [1250, 10000, 6000, 40000],
    '2xlarge': [2500, 10000, 12000, 40000],
    '4xlarge': [5000, 10000, 20000, 40000],
    '8xlarge': [10000, 10000, 40000, 40000],
    '12xlarge': [15000, 15000, 60000, 60000],
    '16xlarge': [20000, 20000, 80000, 80000],
    '24xlarge': [30000, 30000, 120000, 120000],
    '32xlarge': [40000, 40000, 160000, 160000],
    '48xlarge': [40000, 40000, 160000, 160000],
    metal: [40000, 40000, 160000, 160000],
  },
};
export const g7: Generation = { network: { ...g6.network, 'metal-24xl': '37.5 Gigabit', 'metal-48xl': '50 Gigabit' } };
export const g6g: Generation = {
  network: upTo('Up to 10 Gigabit', { '8xlarge': '12 Gigabit', '12xlarge': '20 Gigabit', '16xlarge': '25 Gigabit' }),
  ebs: {
    medium: [315, 4750, 2500, 20000],
    large: [630, 4750, 3600, 20000],
    xlarge: [1188, 4750, 6000, 20000],
    '2xlarge': [2375, 4750, 12000, 20000],
    '4xlarge': [4750, 4750, 20000, 20000],
    '8xlarge': [9500, 9500, 40000, 40000],
    '12xlarge': [14250, 14250, 50000, 50000],
    '16xlarge': [19000, 19000, 80000, 80000],
    metal: [19000, 19000, 80000, 80000],
  },
};
export const g7g: Generation = {
  network: upTo('Up to 12.5 Gigabit', {
    '8xlarge': '15 Gigabit',
    '12xlarge': '22.5 Gigabit',
    '16xlarge': '30 Gigabit',
    '24xlarge': '40 Gigabit',
    '48xlarge': '50 Gigabit',
    'metal-24xl': '40 Gigabit',
    'metal-48xl': '50 Gigabit',
  }),
};
export const old: Generation = { network: upTo('Moderate', { xlarge: 'High' }) };
export const gen4: Generation = {
  network: upTo('Moderate', { xlarge: 'High', '8xlarge': '10 Gigabit', '10xlarge': '10 Gigabit', '16xlarge': '25 Gigabit' }),
};
export const r4: Generation = { network: upTo('Up to 10 Gigabit', { '8xlarge': '10 Gigabit', '16xlarge': '25 Gigabit' }) };
export const fast: Generation = {
  network: upTo('Up to 25 Gigabit', {
    '6xlarge': '25 Gigabit',
    '8xlarge': '25 Gigabit',
    '12xlarge': '50 Gigabit',
    '16xlarge': '50 Gigabit',
    '24xlarge': '100 Gigabit',
    '32xlarge': '100 Gigabit',
    '48xlarge': '100 Gigabit',
  }),
};
export const highMemory: Generation = {
  network: upTo('High', { '16xlarge': '10 Gigabit', '32xlarge': '25 Gigabit', '56xlarge': '100 Gigabit' }),
};
