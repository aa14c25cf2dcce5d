/** New volumes: by CreateVolume, and by a launch's block device mappings. */
import type { CreateVolumeRequest, EbsBlockDevice } from '@aws-sdk/client-ec2';
import { findZone } from '../../../base/regions.ts';
import type { Context, Transaction } from '../../../kernel/context.ts';
import { AwsError } from '../../../kernel/errors.ts';
import { invalidParameterCombination, invalidParameterValue, missingParameter } from '../errors.ts';
import { meterToday } from '../metering/metering.ts';
import { planEncryption, unseal } from './encryption.ts';
import { usableSnapshot } from './snapshot-lookup.ts';
import { type Encryption, type SnapshotRow, type VolumeRow, Volumes } from './state.ts';
import { checkShape, type VolumeShape, volumeTypeOf, volumeTypes } from './volume-types.ts';

export interface NewVolume {
  shape: VolumeShape;
  encryption: Encryption | undefined;
  snapshot: SnapshotRow | undefined;
  /** The snapshot's data key, sealed. */
  originSealed: string | undefined;
  multiAttach: boolean;
}

/** What both ways of asking have in common. */
export interface VolumeAsk {
  Size?: number | undefined;
  VolumeType?: string | undefined;
  Iops?: number | undefined;
  Throughput?: number | undefined;
  SnapshotId?: string | undefined;
  Encrypted?: boolean | undefined;
  KmsKeyId?: string | undefined;
  MultiAttachEnabled?: boolean | undefined;
}

/** Checks what is asked for a new volume. Throws EC2's errors in AWS's order; asks KMS for a data key last. */
export async function planVolume(ctx: Context, ask: VolumeAsk, preset: 'gp2' | 'gp3' = 'gp2'): Promise<NewVolume> {
  const type = volumeTypeOf(ask.VolumeType, preset);
  const snapshot = ask.SnapshotId === undefined || ask.SnapshotId === '' ? undefined : await usableSnapshot(ctx, ask.SnapshotId);
  if (ask.Size === undefined && snapshot === undefined) throw missingParameter('size/snapshot');
  const sizeGiB = ask.Size ?? snapshot?.sizeGiB ?? 0;
  if (snapshot !== undefined && sizeGiB < snapshot.sizeGiB) {
    throw new AwsError(
      'InvalidParameterValue',
      `The requested volume size ${sizeGiB} is smaller than the snapshot size ${snapshot.sizeGiB}.`,
    );
  }
  const shape = checkShape({ sizeGiB, type, iops: ask.Iops, throughput: ask.Throughput });
  const multiAttach = ask.MultiAttachEnabled === true;
  if (multiAttach && !volumeTypes[type].multiAttach)
    throw invalidParameterCombination(
      `Multi-Attach is not supported for volume type ${type}. It is supported for io1 and io2 volumes only.`,
    );
  const encryption = await planEncryption(ctx, { encrypted: ask.Encrypted, keyId: ask.KmsKeyId, origin: snapshot });
  const originSealed = snapshot?.encryption === undefined ? undefined : (await unseal(ctx, snapshot.encryption)).sealed;
  return { shape, encryption, snapshot, originSealed, multiAttach };
}

/** The zone of a new volume. Throws MissingParameter, InvalidZone.NotFound. */
export function volumeZone(ctx: Context, { AvailabilityZone: name, AvailabilityZoneId: id }: CreateVolumeRequest): string {
  const given = name ?? id;
  if (given === undefined) throw missingParameter('AvailabilityZone');
  const zone = findZone(given);
  if (zone === undefined || zone.region !== ctx.region || (name !== undefined && zone.name !== name))
    throw new AwsError('InvalidZone.NotFound', `The zone '${given}' does not exist.`);
  return zone.name;
}

/** Writes the row of a planned volume; its bytes follow by reconciliation. */
export async function addVolume(
  tx: Transaction,
  ctx: Context,
  plan: NewVolume,
  more: Pick<VolumeRow, 'zone' | 'tags'> & Partial<VolumeRow>,
): Promise<VolumeRow> {
  const restored = plan.snapshot?.fastRestores.find(({ zone, state }) => zone === more.zone && state === 'enabled');
  const row: VolumeRow = {
    id: ctx.id('volume'),
    ...plan.shape,
    created: ctx.now,
    pending: 'creating',
    snapshotId: plan.snapshot?.id,
    root: plan.snapshot?.rootImage === undefined ? undefined : true,
    fastRestored: restored === undefined ? undefined : true,
    encryption: plan.encryption,
    originSealed: plan.originSealed,
    multiAttach: plan.multiAttach || undefined,
    ...more,
  };
  await tx.table(Volumes).put(row);
  await meterToday(tx, ctx);
  tx.hint('volumes', row.id);
  return row;
}

/** A mapping's `Ebs` member as the common form. Throws for what only CreateVolume takes. */
export function askOfMapping(ebs: EbsBlockDevice): VolumeAsk {
  const { VolumeSize, DeleteOnTermination: _flag, ...rest } = ebs;
  const known = new Set(['VolumeType', 'Iops', 'Throughput', 'SnapshotId', 'Encrypted', 'KmsKeyId']);
  const other = Object.entries(rest).find(([name, value]) => value !== undefined && !known.has(name));
  if (other !== undefined)
    throw invalidParameterValue(`The parameter BlockDeviceMappings.Ebs.${other[0]} is not supported here.`);
  return { ...rest, Size: VolumeSize };
}
