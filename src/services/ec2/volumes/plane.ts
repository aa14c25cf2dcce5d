/**
 * Volumes and snapshots against their planes: the bytes of rows, and the disks that a machine is to see. Rows decide; everything here can run again after a crash.
 */
import type { Context } from '../../../kernel/context.ts';
import type { Reconciler } from '../../../kernel/service.ts';
import type { MachineDisk, MachineStatus } from '../../../planes/machines/types.ts';
import type { DiskSpec } from '../../../planes/volumes/types.ts';
import { type InstanceRow, Instances } from '../instances/state.ts';
import { instanceTypes } from '../instances/type-catalogue.ts';
import { ec2Arn } from '../tags.ts';
import { volumesOf } from './attachments.ts';
import { beginOptimizing } from './modifications.ts';
import { forgetSecret, isKeyUsable, secretOf } from './encryption.ts';
import { localDisksOf } from './instance-store.ts';
import { type Attachment, Snapshots, type VolumeRow, Volumes } from './state.ts';
import { performanceOf } from './volume-types.ts';

const gib = 1024 ** 3;

/** The plane's spec of a volume's disk. */
function diskSpec(ctx: Context, row: VolumeRow): DiskSpec {
  const secret = secretOf(ctx, row.encryption);
  const origin =
    row.snapshotId === undefined || row.pending !== 'creating'
      ? undefined
      : { key: row.snapshotId, secret: row.originSealed === undefined ? undefined : secretOf(ctx, { sealed: row.originSealed }) };
  return { key: row.id, sizeBytes: row.sizeGiB * gib, secret, origin };
}

/** Names of a disk in the guest: NVMe by position on Nitro, with links as udev rules of images make them; Xen names elsewhere. */
function namesOf(device: string, slot: number, nitro: boolean, serial: string): Pick<MachineDisk, 'name' | 'links'> {
  const asked = device.replace(/^\/dev\//, '');
  const tail = asked.replace(/^(sd|xvd|hd)/, '');
  const twins = [`sd${tail}`, `xvd${tail}`];
  if (!nitro) return { name: `xvd${tail}`, links: [...new Set([asked, ...twins])].filter((name) => name !== `xvd${tail}`) };
  return {
    name: `nvme${slot}n1`,
    links: [...new Set([asked, ...twins]), `disk/by-id/nvme-${serial}`],
  };
}

/**
 * The key that the machines plane needs for an instance's root volume; undefined when it is not encrypted. Throws KeyUnusable when the KMS key does not work.
 */
export async function rootSecretOf(ctx: Context, instance: InstanceRow): Promise<Uint8Array | undefined> {
  const encryption = (await ctx.table(Volumes).get(instance.rootVolume.id))?.encryption;
  if (encryption === undefined) return undefined;
  if (!(await isKeyUsable(ctx, encryption))) throw new KeyUnusable(`The KMS key of ${instance.rootVolume.id} is not usable.`);
  return secretOf(ctx, encryption);
}

/** A volume under a key that no longer works: the instance cannot have it. */
export class KeyUnusable extends Error {}

/**
 * The disks that the machine of a running instance is to see; opens them. Those being detached are left out, so that the plane takes them away. Throws KeyUnusable when an encrypted
 * one's key is disabled and the disk is not open already.
 */
export async function disksOf(ctx: Context, instance: InstanceRow): Promise<MachineDisk[]> {
  const volumes = ctx.part('volumes');
  if (volumes.unavailable !== undefined) return [];
  const nitro = instanceTypes.get(instance.type)?.nitro === true;
  const disks: MachineDisk[] = [];
  for (const { row, attachment } of await volumesOf(ctx, instance.id)) {
    if (attachment.state === 'detaching' || attachment.state === 'busy') continue;
    const open = volumes.openDisks().find(({ key }) => key === row.id);
    if (open === undefined && row.encryption !== undefined && !(await isKeyUsable(ctx, row.encryption)))
      throw new KeyUnusable(`The KMS key of ${row.id} is not usable.`);
    const { device, number } = open ?? (await volumes.openDisk(diskSpec(ctx, row)));
    const limits = row.stalledSince === undefined ? performanceOf(row, nitro) : { bytesPerSecond: 0, operationsPerSecond: 0 };
    const serial = `Amazon_Elastic_Block_Store_${row.id.replace('-', '')}`;
    disks.push({ device, number, ...namesOf(attachment.device, attachment.slot, nitro, serial), limits });
  }
  for (const local of localDisksOf(instance)) {
    const { device, number } = await volumes.openDisk({ key: local.key, sizeBytes: local.sizeBytes }, { quick: true });
    disks.push({ device, number, name: local.name, links: local.links });
  }
  return disks;
}

/** Takes mounted volumes that are detached by force away from a machine, before the rest. */
export async function dropForced(ctx: Context, instance: InstanceRow): Promise<void> {
  for (const { row, attachment } of await volumesOf(ctx, instance.id)) {
    const open = ctx
      .part('volumes')
      .openDisks()
      .find(({ key }) => key === row.id);
    if (attachment.force === true && open !== undefined) await ctx.part('machines').dropDisk(instance.id, open.number);
  }
}

/** After the machine was brought in line: attachments are what they are there. `status` is undefined when no machine runs. */
export async function settleDisks(ctx: Context, instance: InstanceRow, status: MachineStatus | undefined): Promise<void> {
  const volumes = ctx.part('volumes');
  const busy = new Set(status?.busyDisks ?? []);
  const isBusy = (row: VolumeRow): boolean => {
    const open = volumes.openDisks().find(({ key }) => key === row.id);
    return open !== undefined && busy.has(open.number);
  };
  const known = await volumesOf(ctx, instance.id);
  if (known.every(({ attachment }) => attachment.state === 'attached')) return;
  for (const { row, attachment } of known) {
    if (attachment.state === 'attached') continue;
    const to = attachment.state === 'attaching' ? 'attached' : isBusy(row) ? 'busy' : undefined;
    if (to === undefined && (row.attachments?.length ?? 0) === 1) await volumes.closeDisk(row.id);
    await ctx.transact(async (tx) => {
      await tx.table(Volumes).update([row.id], (latest) => {
        const next = moved(latest, instance.id, attachment.state, to);
        return next.length === 0
          ? { ...latest, attachments: [], encryption: forgetSecret(latest.encryption) }
          : { ...latest, attachments: next };
      });
    });
  }
}

/** The attachments with the one of an instance moved on, unless it changed meanwhile. */
function moved(row: VolumeRow, instanceId: string, from: Attachment['state'], to: Attachment['state'] | undefined): Attachment[] {
  return (row.attachments ?? []).flatMap((one) => {
    if (one.instanceId !== instanceId || one.state !== from) return [one];
    return to === undefined ? [] : [{ ...one, state: to }];
  });
}

/** The machine is off: its disks are closed, and local ones are gone for good ("Instance store … lost when the instance stops"). */
export async function closeDisks(ctx: Context, instance: InstanceRow): Promise<void> {
  const volumes = ctx.part('volumes');
  await settleDisks(ctx, instance, undefined);
  for (const { row } of await volumesOf(ctx, instance.id)) {
    const others = (row.attachments ?? []).filter(({ instanceId }) => instanceId !== instance.id);
    const up = await Promise.all(
      others.map(async ({ instanceId }) => (await ctx.table(Instances).get(instanceId))?.state === 'running'),
    );
    if (!up.includes(true)) await volumes.closeDisk(row.id);
  }
  await loseLocalDisks(ctx, instance);
}

/** Deletes the local disks of an instance that stopped or whose host failed. Safe to repeat. */
export async function loseLocalDisks(ctx: Context, instance: InstanceRow): Promise<void> {
  for (const { key } of localDisksOf(instance)) await ctx.part('volumes').removeDisk(key);
}

async function announce(ctx: Context, row: VolumeRow, event: string, result: string): Promise<void> {
  await ctx.transact(async (tx) => {
    await tx.emit({
      source: 'aws.ec2',
      detailType: 'EBS Volume Notification',
      detail: { result, cause: '', event, 'request-id': '' },
      resources: [ec2Arn(ctx, 'volume', row.id)],
    });
  });
}

async function makeVolume(ctx: Context, row: VolumeRow): Promise<void> {
  const volumes = ctx.part('volumes');
  let failure: string | undefined;
  if (volumes.unavailable === undefined && row.root !== true) {
    try {
      await volumes.ensureDisk(diskSpec(ctx, row));
    } catch (error) {
      failure = (error as Error).message;
    }
  }
  await ctx.transact(async (tx) => {
    await tx.table(Volumes).update([row.id], (latest) => ({
      ...latest,
      pending: undefined,
      failure,
      originSealed: undefined,
      encryption: (latest.attachments?.length ?? 0) === 0 ? forgetSecret(latest.encryption) : latest.encryption,
    }));
    for (const { instanceId } of row.attachments ?? []) tx.hint('machines', instanceId);
  });
  await announce(ctx, row, 'createVolume', failure === undefined ? 'available' : 'failed');
}

async function growVolume(ctx: Context, row: VolumeRow): Promise<void> {
  const volumes = ctx.part('volumes');
  const sizeBytes = (row.modification?.target.sizeGiB ?? row.sizeGiB) * gib;
  let failure: string | undefined;
  try {
    // One that is not open takes its size, and its key, when it is opened.
    await volumes.growOpenDisk(row.id, sizeBytes);
  } catch (error) {
    failure = (error as Error).message;
  }
  await beginOptimizing(ctx, row.id, failure);
}

/** Makes the bytes of new volumes, and deletes those of volumes that have no row any more. */
export const volumes: Reconciler = {
  async keys(ctx) {
    const rows = await ctx.everywhere(Volumes);
    const known = new Set(rows.map(({ row }) => row.id));
    const local = new Set((await ctx.everywhere(Instances)).flatMap(({ row }) => localDisksOf(row).map(({ key }) => key)));
    const held = [...(await ctx.part('machines').volumes()), ...(await ctx.part('volumes').disks())];
    return [
      ...rows
        .filter(({ row }) => row.pending !== undefined || row.modification?.state === 'modifying')
        .map(({ scope, row }) => ({ ...scope, key: row.id })),
      ...held.filter((key) => !known.has(key) && !local.has(key)).map((key) => ({ account: '', region: '', key })),
    ];
  },

  async run({ key }, ctx) {
    const found = (await ctx.everywhere(Volumes)).find(({ row }) => row.id === key);
    if (found?.row.pending === 'creating') return makeVolume(ctx.inScope(found.scope), found.row);
    if (found?.row.modification?.state === 'modifying') return growVolume(ctx.inScope(found.scope), found.row);
    if (found !== undefined) return;
    const machines = ctx.part('machines');
    if (machines.unavailable === undefined) await machines.removeVolume(key);
    await ctx.part('volumes').removeDisk(key);
  },
};

/** Takes the bytes of pending snapshots, and deletes those of snapshots that are gone. */
export const snapshots: Reconciler = {
  async keys(ctx) {
    const rows = await ctx.everywhere(Snapshots);
    const known = new Set(rows.map(({ row }) => row.id));
    const strays = (await ctx.part('volumes').copies()).filter((key) => !known.has(key));
    return [
      ...rows.filter(({ row }) => row.state === 'pending').map(({ scope, row }) => ({ ...scope, key: row.id })),
      ...strays.map((key) => ({ account: '', region: '', key })),
    ];
  },

  async run({ key }, ctx) {
    const found = (await ctx.everywhere(Snapshots)).find(({ row }) => row.id === key);
    if (found?.row.state === 'pending') return takeSnapshot(ctx.inScope(found.scope), key);
    if (found !== undefined) return;
    await ctx.part('volumes').removeCopy(key);
    // A copy of a root volume's snapshot shares its layers.
    const shared = (await ctx.everywhere(Snapshots)).some(({ row }) => row.rootImage === key);
    if (!shared && ctx.part('machines').unavailable === undefined) await ctx.part('machines').removeImage(key);
  },
};

async function takeSnapshot(ctx: Context, id: string): Promise<void> {
  const row = (await ctx.table(Snapshots).get(id))!;
  const [planes, machines] = [ctx.part('volumes'), ctx.part('machines')];
  const secret = secretOf(ctx, row.encryption);
  let bytes = 0;
  let failure: string | undefined;
  try {
    if (row.rootImage === id && machines.unavailable === undefined) await machines.freeze(row.volumeId, id, secret);
    else if (row.rootImage === undefined && planes.unavailable === undefined && row.source?.kind === 'volume') {
      const volume = await ctx.table(Volumes).get(row.source.id);
      // Deleted in the moment between: there is nothing left to copy.
      if (volume === undefined) throw new Error('The volume was deleted before its bytes were copied.');
      bytes = await planes.copyDisk({ key: volume.id, sizeBytes: volume.sizeGiB * gib, secret }, { key: id, secret });
    } else if (row.rootImage === undefined && planes.unavailable === undefined && row.source !== undefined) {
      const from = row.sourceSealed === undefined ? undefined : secretOf(ctx, { sealed: row.sourceSealed });
      bytes = await planes.copyCopy({ key: row.source.id, secret: from }, { key: id, secret });
    }
  } catch (error) {
    failure = (error as Error).message;
  }
  await ctx.transact(async (tx) => {
    await tx.table(Snapshots).update([id], (latest) => ({
      ...latest,
      state: failure === undefined ? 'completed' : 'error',
      failure,
      completed: ctx.clock.now(),
      source: undefined,
      sourceSealed: undefined,
      encryption: forgetSecret(latest.encryption),
      bytes,
    }));
    await tx.emit({
      source: 'aws.ec2',
      detailType: 'EBS Snapshot Notification',
      detail: {
        event: 'createSnapshot',
        result: failure === undefined ? 'succeeded' : 'failed',
        snapshot_id: ec2Arn(ctx, 'snapshot', id),
      },
      resources: [ec2Arn(ctx, 'snapshot', id)],
    });
  });
}
