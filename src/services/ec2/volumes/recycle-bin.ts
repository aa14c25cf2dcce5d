/** Deleted snapshots that a retention rule keeps ("Recycle Bin"). The rules are the service rbin's. */
import type { EC2, SnapshotRecycleBinInfo } from '@aws-sdk/client-ec2';
import type { Context } from '../../../kernel/context.ts';
import type { AuthorisationsOf, HandlersOf, Task } from '../../../kernel/service.ts';
import type { RbinApi } from '../../rbin/api.ts';
import { notFound } from '../errors.ts';
import { requireRow } from '../lookup.ts';
import { meterSnapshotEnd } from '../metering/metering.ts';
import { page } from '../paging.ts';
import { checkTagged } from '../tags.ts';
import { type SnapshotRow, Snapshots } from './state.ts';

/** How long a snapshot that is deleted now stays in the bin; undefined when no rule keeps it. */
export async function recycle(ctx: Context, row: SnapshotRow): Promise<SnapshotRow['recycled']> {
  const rbin = await ctx.internal<RbinApi>('rbin');
  const millis = await rbin.retentionMillis(ctx, 'EBS_SNAPSHOT', row.tags);
  return millis === undefined ? undefined : { entered: ctx.now, exits: ctx.now + millis };
}

/** The period is over: deleted for good. */
export const emptyRecycleBin: Task = async (job, ctx) => {
  await ctx.transact(async (tx) => {
    const row = await tx.table(Snapshots).get(job.key);
    if (row?.recycled === undefined || row.recycled.exits > job.due) return;
    await meterSnapshotEnd(tx, ctx, row, job.due);
    await tx.table(Snapshots).delete(row.id);
    for (const key of new Set([row.id, row.rootImage ?? row.id])) tx.hint('snapshots', key);
  });
};

export const recycleBinHandlers: HandlersOf<EC2> = {
  async ListSnapshotsInRecycleBin(input, ctx) {
    const wanted = input.SnapshotIds ?? [];
    const rows = (await ctx.table(Snapshots).list()).filter(
      (row) => row.recycled !== undefined && (wanted.length === 0 || wanted.includes(row.id)),
    );
    const missing = wanted.find((id) => !rows.some((row) => row.id === id));
    if (missing !== undefined) throw notFound('snapshot', missing);
    const found = page('ListSnapshotsInRecycleBin', rows, (row) => row.id, input, { ids: input.SnapshotIds });
    return {
      Snapshots: found.rows.map(
        (row): SnapshotRecycleBinInfo => ({
          SnapshotId: row.id,
          RecycleBinEnterTime: new Date(row.recycled?.entered ?? 0),
          RecycleBinExitTime: new Date(row.recycled?.exits ?? 0),
          Description: row.description,
          VolumeId: row.volumeId,
        }),
      ),
      NextToken: found.nextToken,
    };
  },

  /** Throws InvalidSnapshot.NotFound for one that is not in the bin. */
  async RestoreSnapshotFromRecycleBin(input, ctx) {
    const row = await ctx.transact(async (tx) => {
      const found = await requireRow(tx, Snapshots, 'snapshot', input.SnapshotId);
      if (found.recycled === undefined) throw notFound('snapshot', found.id);
      const restored = { ...found, recycled: undefined };
      await tx.table(Snapshots).put(restored);
      await tx.unschedule('emptyRecycleBin', found.id);
      return restored;
    });
    return {
      SnapshotId: row.id,
      OutpostArn: undefined,
      Description: row.description,
      Encrypted: row.encryption !== undefined,
      OwnerId: ctx.account,
      Progress: '100%',
      StartTime: new Date(row.started),
      State: row.state,
      VolumeId: row.volumeId,
      VolumeSize: row.sizeGiB,
      SseType: row.encryption === undefined ? 'none' : 'sse-kms',
    };
  },
};

export const recycleBinAuthorisations: AuthorisationsOf<EC2> = {
  RestoreSnapshotFromRecycleBin: (input, ctx) => checkTagged([input.SnapshotId ?? ''], ctx),
};
