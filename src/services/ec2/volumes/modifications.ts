/** Elastic Volumes: size, type and performance change while the volume is used ("Modify an EBS volume using Elastic Volumes"). */
import type { EC2, VolumeModification } from '@aws-sdk/client-ec2';
import type { Context } from '../../../kernel/context.ts';
import { AwsError, parameterNotImplemented } from '../../../kernel/errors.ts';
import type { AuthorisationsOf, HandlersOf, Task } from '../../../kernel/service.ts';
import { invalidParameterValue } from '../errors.ts';
import { applyFilters } from '../filters.ts';
import { requireRow, rowsByIds } from '../lookup.ts';
import { meterVolume } from '../metering/metering.ts';
import { page } from '../paging.ts';
import { checkTagged } from '../tags.ts';
import { type Modification, type VolumeRow, Volumes } from './state.ts';
import { checkShape, type VolumeShape, volumeTypeOf, volumeTypes } from './volume-types.ts';
import { stateOf } from './volumes.ts';

/** "You must wait at least 6 hours … between modifications to the same volume." */
const pauseMillis = 6 * 3_600_000;
/** A change of a small volume is through in some minutes; optimizing "can take from a few minutes to a few hours". Cloud time per GiB, within these bounds. */
const optimizingMillisPerGiB = 1_000;
const optimizingMillisMin = 5_000;
const optimizingMillisMax = 24 * 3_600_000;

function shapeOf({ sizeGiB, type, iops, throughput }: VolumeRow): VolumeShape {
  return { sizeGiB, type, iops, throughput };
}

/** The shape asked for: what is not named stays, as far as the type has it. */
function targetShape(row: VolumeRow, input: Parameters<NonNullable<HandlersOf<EC2>['ModifyVolume']>>[0]): VolumeShape {
  const type = volumeTypeOf(input.VolumeType, row.type);
  const sizeGiB = input.Size ?? row.sizeGiB;
  if (sizeGiB < row.sizeGiB)
    throw invalidParameterValue(
      `New size cannot be smaller than existing size. Existing size: ${row.sizeGiB} GiB, requested size: ${sizeGiB} GiB.`,
    );
  const rules = volumeTypes[type];
  const kept = type === row.type || rules.iops?.preset === undefined;
  const iops = input.Iops ?? (rules.iops !== undefined && kept ? row.iops : undefined);
  const throughput = input.Throughput ?? (rules.throughput !== undefined && type === row.type ? row.throughput : undefined);
  return checkShape({ sizeGiB, type, iops, throughput });
}

function checkModifiable(row: VolumeRow, ctx: Context): void {
  const state = stateOf(row, undefined);
  if (row.instanceId === undefined && state !== 'available' && state !== 'in-use')
    throw new AwsError('IncorrectState', `Volume '${row.id}' is in the '${state}' state.`);
  const last = row.modification;
  if (last === undefined) return;
  if (last.state === 'modifying' || last.state === 'optimizing') {
    throw new AwsError(
      'IncorrectModificationState',
      `Volume ${row.id} is currently in modification state ${last.state}. Wait until it is completed.`,
    );
  }
  if (ctx.now < (last.ended ?? last.started) + pauseMillis) {
    throw new AwsError(
      'VolumeModificationRateExceeded',
      `You've reached the maximum modification rate per volume limit. Wait at least 6 hours between modifications per EBS volume.`,
    );
  }
}

function describeModification(
  row: VolumeRow,
  { state, progress, started, ended, original, target, message }: Modification,
): VolumeModification {
  return {
    VolumeId: row.id,
    ModificationState: state,
    StatusMessage: message,
    Progress: progress,
    StartTime: new Date(started),
    ...(ended === undefined ? {} : { EndTime: new Date(ended) }),
    OriginalSize: original.sizeGiB,
    OriginalVolumeType: original.type,
    OriginalIops: original.iops,
    OriginalThroughput: original.throughput,
    OriginalMultiAttachEnabled: row.multiAttach === true,
    TargetSize: target.sizeGiB,
    TargetVolumeType: target.type,
    TargetIops: target.iops,
    TargetThroughput: target.throughput,
    TargetMultiAttachEnabled: row.multiAttach === true,
  };
}

export const modificationHandlers: HandlersOf<EC2> = {
  /**
   * The new size is there at once, and so is the new performance; the volume then is `optimizing` for a while. Throws InvalidParameterValue to shrink,
   * IncorrectModificationState, VolumeModificationRateExceeded.
   */
  async ModifyVolume(input, ctx) {
    if (input.MultiAttachEnabled !== undefined) throw parameterNotImplemented('ModifyVolume', 'MultiAttachEnabled');
    const row = await ctx.transact(async (tx) => {
      const before = await requireRow(tx, Volumes, 'volume', input.VolumeId);
      checkModifiable(before, ctx);
      const target = targetShape(before, input);
      const modification: Modification = { state: 'modifying', progress: 0, started: ctx.now, original: shapeOf(before), target };
      const after: VolumeRow = { ...before, modification };
      await tx.table(Volumes).put(after);
      tx.hint('volumes', before.id);
      return after;
    });
    return { VolumeModification: describeModification(row, row.modification!) };
  },

  /** Throws InvalidVolumeModification.NotFound for a volume named that was never modified. */
  async DescribeVolumesModifications(input, ctx) {
    const rows = (await rowsByIds(ctx, Volumes, 'volume', input.VolumeIds)).flatMap((row) =>
      row.modification === undefined ? [] : [{ ...row, last: row.modification }],
    );
    const missing = (input.VolumeIds ?? []).find((id) => !rows.some((row) => row.id === id));
    if (missing !== undefined)
      throw new AwsError('InvalidVolumeModification.NotFound', `Modification for volume '${missing}' does not exist.`);
    const passing = applyFilters(rows, input.Filters, {
      'volume-id': (row) => row.id,
      'modification-state': (row) => row.last.state,
      'start-time': (row) => new Date(row.last.started).toISOString(),
      'original-size': (row) => row.last.original.sizeGiB,
      'original-volume-type': (row) => row.last.original.type,
      'original-iops': (row) => row.last.original.iops,
      'target-size': (row) => row.last.target.sizeGiB,
      'target-volume-type': (row) => row.last.target.type,
      'target-iops': (row) => row.last.target.iops,
      'multi-attach-enabled': (row) => row.multiAttach === true,
    });
    const found = page('DescribeVolumesModifications', passing, (row) => row.id, input, { ids: input.VolumeIds });
    return { VolumesModifications: found.rows.map((row) => describeModification(row, row.last)), NextToken: found.nextToken };
  },
};

/** The bytes have the new size: the row takes the new shape, and optimizing begins. `failure` is why they have not. Run by the reconciler of volumes. */
export async function beginOptimizing(ctx: Context, id: string, failure: string | undefined): Promise<void> {
  await ctx.transact(async (tx) => {
    const row = await tx.table(Volumes).get(id);
    if (row?.modification?.state !== 'modifying') return;
    const { target } = row.modification;
    if (failure !== undefined) {
      const modification: Modification = { ...row.modification, state: 'failed', ended: ctx.now, message: failure };
      await tx.table(Volumes).put({ ...row, modification });
      return;
    }
    await meterVolume(tx, ctx, row);
    const modification: Modification = { ...row.modification, state: 'optimizing', progress: 1 };
    await tx.table(Volumes).put({ ...row, ...target, countedUntil: ctx.now, modification });
    const millis = Math.min(optimizingMillisMax, Math.max(optimizingMillisMin, target.sizeGiB * optimizingMillisPerGiB));
    await tx.schedule({ task: 'endVolumeModification', key: id, due: ctx.now + millis });
    for (const { instanceId } of row.attachments ?? []) tx.hint('machines', instanceId);
  });
}

export const endVolumeModification: Task = async (job, ctx) => {
  await ctx.transact(async (tx) => {
    const row = await tx.table(Volumes).get(job.key);
    if (row?.modification?.state !== 'optimizing') return;
    const modification: Modification = { ...row.modification, state: 'completed', progress: 100, ended: job.due };
    await tx.table(Volumes).put({ ...row, modification });
  });
};

export const modificationAuthorisations: AuthorisationsOf<EC2> = {
  ModifyVolume: (input, ctx) => checkTagged([input.VolumeId ?? ''], ctx),
};
