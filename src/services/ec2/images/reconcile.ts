/**
 * Makes pending images real: takes snapshots of all volumes of the instance, once the machine is down if it was to be rebooted for it, and waits
 * until their bytes are taken; a copy waits for the copies of its snapshots.
 */
import type { Context } from '../../../kernel/context.ts';
import type { Reconciler } from '../../../kernel/service.ts';
import { type InstanceRow, Instances } from '../instances/state.ts';
import { volumesOf } from '../volumes/attachments.ts';
import { forgetSecret } from '../volumes/encryption.ts';
import { addSnapshot, encryptionForSnapshot, untilTaken } from '../volumes/snapshots.ts';
import { Snapshots, type VolumeRow, Volumes } from '../volumes/state.ts';
import { writeImage } from './own.ts';
import { type ImageRow, Images, type ImageVolume } from './state.ts';

async function settleImage(ctx: Context, row: ImageRow, outcome: Partial<ImageRow>): Promise<void> {
  await ctx.transact(async (tx) => {
    const latest = await tx.table(Images).get(row.id);
    if (latest?.state === 'pending') await writeImage(tx, ctx, { ...latest, ...outcome, pendingFrom: undefined });
    const instanceId = row.pendingFrom?.instanceId;
    if (instanceId === undefined) return;
    const instance = await tx.table(Instances).get(instanceId);
    if (instance?.heldFor !== row.id) return;
    await tx.table(Instances).put({ ...instance, heldFor: undefined });
    tx.hint('machines', instanceId);
  });
}

/** Adds the snapshots of an image and writes them into it, once. */
async function addSnapshots(ctx: Context, row: ImageRow, instance: InstanceRow): Promise<ImageRow> {
  const root = await ctx.table(Volumes).get(instance.rootVolume.id);
  if (root === undefined) throw new Error(`The root volume of ${instance.id} has no row.`);
  const data = await volumesOf(ctx, instance.id);
  const keys = new Map(
    await Promise.all(
      [root, ...data.map((one) => one.row)].map(async (volume) => [volume.id, await encryptionForSnapshot(ctx, volume)] as const),
    ),
  );
  return ctx.transact(async (tx) => {
    const latest = await tx.table(Images).get(row.id);
    if (latest === undefined || latest.rootSnapshotId !== undefined) return latest ?? row;
    const take = (volume: VolumeRow) =>
      addSnapshot(tx, ctx, volume, {
        description: `Created by CreateImage(${instance.id}) for ${row.id}`,
        tags: {},
        encryption: keys.get(volume.id),
      });
    const rootSnapshot = await take(root);
    const volumes: ImageVolume[] = [];
    for (const { row: volume, attachment } of data) {
      volumes.push({
        device: attachment.device,
        snapshotId: (await take(volume)).id,
        sizeGiB: volume.sizeGiB,
        type: volume.type,
        iops: volume.iops,
        throughput: volume.throughput,
        encrypted: volume.encryption !== undefined,
        deleteOnTermination: attachment.deleteOnTermination,
      });
    }
    const made: ImageRow = {
      ...latest,
      rootSnapshotId: rootSnapshot.id,
      rootEncryption: forgetSecret(rootSnapshot.encryption),
      planeImage: rootSnapshot.rootImage ?? rootSnapshot.id,
      volumes,
    };
    await writeImage(tx, ctx, made);
    return made;
  });
}

async function settleSnapshots(ctx: Context, row: ImageRow): Promise<void> {
  const ids = [row.rootSnapshotId, ...row.volumes.map(({ snapshotId }) => snapshotId)].filter((id) => id !== undefined);
  await untilTaken(ctx, ids);
  const taken = await Promise.all(ids.map((id) => ctx.table(Snapshots).get(id)));
  const failed = taken.find((snapshot) => snapshot === undefined || snapshot.state === 'error');
  if (failed !== undefined || taken.includes(undefined)) {
    await settleImage(ctx, row, { state: 'failed', stateReason: `A snapshot failed: ${failed?.failure ?? 'it was deleted'}` });
  } else if (taken.every((snapshot) => snapshot?.state === 'completed')) await settleImage(ctx, row, { state: 'available' });
  // The bytes of large volumes take longer than one look; this is tried again like a failure, which it is not yet.
  else throw new Error(`The snapshots of ${row.id} are not taken yet.`);
}

async function make(ctx: Context, row: ImageRow): Promise<void> {
  const { pendingFrom: from } = row;
  if (from === undefined) return settleSnapshots(ctx, row);
  const instance = await ctx.table(Instances).get(from.instanceId);
  if (instance === undefined || instance.intent === 'terminated') {
    await settleImage(ctx, row, { state: 'failed', stateReason: `The instance ${from.instanceId} is gone.` });
    return;
  }
  const machines = ctx.part('machines');
  // The machine reconciler takes it down first and hints again.
  if (
    instance.heldFor === row.id &&
    machines.unavailable === undefined &&
    (await machines.status(instance.id))?.state === 'running'
  )
    return;
  await settleSnapshots(ctx, row.rootSnapshotId === undefined ? await addSnapshots(ctx, row, instance) : row);
}

/** Keys are ids of images. */
export const images: Reconciler = {
  async keys(ctx) {
    const pending = (await ctx.everywhere(Images)).filter(({ row }) => row.state === 'pending');
    return pending.map(({ scope, row }) => ({ ...scope, key: row.id }));
  },

  async run({ key }, ctx) {
    const row = await ctx.table(Images).get(key);
    if (row?.state === 'pending') await make(ctx, row);
  },
};
