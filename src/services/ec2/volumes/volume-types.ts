/** Volume types and their bounds, as data, and the checks of CreateVolume and ModifyVolume against them ("Amazon EBS volume types"). */
import type { AwsError } from '../../../kernel/errors.ts';
import { invalidParameterCombination, invalidParameterValue, missingParameter } from '../errors.ts';

export type VolumeType = 'gp2' | 'gp3' | 'io1' | 'io2' | 'st1' | 'sc1' | 'standard';

interface TypeRules {
  sizeGiBMin: number;
  sizeGiBMax: number;
  /** Provisioned I/O operations per second; absent: they follow the size, and Iops is refused. */
  iops?: { min: number; max: number; perGiBMax: number; preset?: number };
  /** Provisioned MiB per second. */
  throughput?: { min: number; max: number; perIopsMax: number; preset: number };
  /** Can hold the root. */
  boot: boolean;
  multiAttach: boolean;
}

export const volumeTypes: Readonly<Record<VolumeType, TypeRules>> = {
  gp2: { sizeGiBMin: 1, sizeGiBMax: 16_384, boot: true, multiAttach: false },
  gp3: {
    sizeGiBMin: 1,
    sizeGiBMax: 65_536,
    iops: { min: 3000, max: 80_000, perGiBMax: 500, preset: 3000 },
    throughput: { min: 125, max: 2000, perIopsMax: 0.25, preset: 125 },
    boot: true,
    multiAttach: false,
  },
  io1: { sizeGiBMin: 4, sizeGiBMax: 16_384, iops: { min: 100, max: 64_000, perGiBMax: 50 }, boot: true, multiAttach: true },
  io2: { sizeGiBMin: 4, sizeGiBMax: 65_536, iops: { min: 100, max: 256_000, perGiBMax: 1000 }, boot: true, multiAttach: true },
  st1: { sizeGiBMin: 125, sizeGiBMax: 16_384, boot: false, multiAttach: false },
  sc1: { sizeGiBMin: 125, sizeGiBMax: 16_384, boot: false, multiAttach: false },
  standard: { sizeGiBMin: 1, sizeGiBMax: 1024, boot: true, multiAttach: false },
};

/** What a volume is asked to be. */
export interface VolumeShape {
  sizeGiB: number;
  type: VolumeType;
  /** Provisioned; absent where they follow the size. */
  iops?: number | undefined;
  throughput?: number | undefined;
}

/** The type of this name. Throws InvalidParameterValue for one that does not exist. */
export function volumeTypeOf(name: string | undefined, preset: VolumeType): VolumeType {
  if (name === undefined || name === '') return preset;
  if (Object.hasOwn(volumeTypes, name)) return name as VolumeType;
  throw invalidParameterValue(`Unknown volume type: ${name}`);
}

function outOfRange(what: string, value: number, type: VolumeType, bound: string): AwsError {
  return invalidParameterValue(`Volume ${what} of ${value} is ${bound} for volume type ${type}.`);
}

/** Checks size, IOPS and throughput of a new or changed volume, and fills in what the type presets. Throws in the order in which AWS looks. */
export function checkShape(asked: {
  sizeGiB: number;
  type: VolumeType;
  iops?: number | undefined;
  throughput?: number | undefined;
}): VolumeShape {
  const { sizeGiB, type } = asked;
  const rules = volumeTypes[type];
  if (sizeGiB < rules.sizeGiBMin) throw outOfRange('size', sizeGiB, type, `too small; minimum is ${rules.sizeGiBMin} GiB`);
  if (sizeGiB > rules.sizeGiBMax) throw outOfRange('size', sizeGiB, type, `too large; maximum is ${rules.sizeGiBMax} GiB`);
  const iops = checkIops(asked, rules);
  const throughput = checkThroughput(asked, rules, iops ?? 0);
  return { sizeGiB, type, iops, throughput };
}

function checkIops({ sizeGiB, type, iops }: Parameters<typeof checkShape>[0], { iops: rules }: TypeRules): number | undefined {
  if (rules === undefined) {
    if (iops !== undefined) throw invalidParameterCombination(`The parameter iops is not supported for ${type} volumes.`);
    return undefined;
  }
  if (iops === undefined) {
    if (rules.preset === undefined) throw missingParameter('iops');
    return rules.preset;
  }
  if (iops < rules.min) throw outOfRange('iops', iops, type, `too low; minimum is ${rules.min}`);
  if (iops > rules.max) throw outOfRange('iops', iops, type, `too high; maximum is ${rules.max}`);
  // The baseline comes with any size; only what is asked beyond it has to fit the ratio.
  if (iops > Math.max(rules.preset ?? 0, rules.perGiBMax * sizeGiB))
    throw invalidParameterCombination(
      `Iops to volume size ratio of ${ratio(iops / sizeGiB)} is too high; maximum is ${rules.perGiBMax}`,
    );
  return iops;
}

function checkThroughput(
  { type, throughput }: Parameters<typeof checkShape>[0],
  { throughput: rules }: TypeRules,
  iops: number,
): number | undefined {
  if (rules === undefined) {
    if (throughput !== undefined)
      throw invalidParameterCombination(`The parameter throughput is not supported for ${type} volumes.`);
    return undefined;
  }
  if (throughput === undefined) return rules.preset;
  if (throughput < rules.min) throw outOfRange('throughput', throughput, type, `too low; minimum is ${rules.min} MiB/s`);
  if (throughput > rules.max) throw outOfRange('throughput', throughput, type, `too high; maximum is ${rules.max} MiB/s`);
  if (throughput > iops * rules.perIopsMax)
    throw invalidParameterCombination(
      `Throughput (MiBps) to iops ratio of ${ratio(throughput / iops)} is too high; maximum is ${rules.perIopsMax} MiBps per iops`,
    );
  return throughput;
}

function ratio(value: number): string {
  return value.toFixed(6);
}

/** IOPS as DescribeVolumes shows them: provisioned, or following the size for gp2 (3 per GiB, 100 to 16,000); none for magnetic and HDD types. */
export function shownIops({ type, sizeGiB, iops }: VolumeShape): number | undefined {
  if (type === 'gp2') return Math.min(16_000, Math.max(100, 3 * sizeGiB));
  return iops;
}

const mib = 1024 ** 2;
/** Requests that the kernel makes of one MiB: 128 segments of a page each go into one. */
const piecesPerMib = 2;
/** Of instances that are not built on Nitro ("io1 … 32,000 IOPS at most"). */
const xenIopsMax = 32_000;

/**
 * What the volume may do on an instance: its peak, because bursts (gp2 under 1 TiB up to 3,000 IOPS; st1 and sc1 by size) are not counted down here. HDD types
 * count an operation per MiB, which the kernel hands on in two.
 */
export function performanceOf(
  { type, sizeGiB, iops, throughput }: VolumeShape,
  nitro: boolean,
): { bytesPerSecond: number; operationsPerSecond: number } {
  const tib = sizeGiB / 1024;
  switch (type) {
    case 'gp2':
      return {
        operationsPerSecond: Math.min(16_000, Math.max(3000, 3 * sizeGiB)),
        bytesPerSecond: (sizeGiB <= 170 ? 128 : 250) * mib,
      };
    case 'gp3':
      return { operationsPerSecond: iops ?? 3000, bytesPerSecond: (throughput ?? 125) * mib };
    case 'io1':
    case 'io2': {
      const operationsPerSecond = nitro ? (iops ?? 100) : Math.min(xenIopsMax, iops ?? 100);
      const max = type === 'io1' ? 1000 : 4000;
      return { operationsPerSecond, bytesPerSecond: Math.min(max * mib, operationsPerSecond * 256 * 1024) };
    }
    case 'st1':
      return { operationsPerSecond: 500 * piecesPerMib, bytesPerSecond: Math.min(500, 250 * tib) * mib };
    case 'sc1':
      return { operationsPerSecond: 250 * piecesPerMib, bytesPerSecond: Math.min(250, 80 * tib) * mib };
    case 'standard':
      return { operationsPerSecond: 200, bytesPerSecond: 90 * mib };
  }
}
