/** EBS volumes as far as they are built: instances' root volumes can be seen, and deleted when they outlived their instance (EC2-036). */
import type { EC2, Volume } from '@aws-sdk/client-ec2';
import type { Context } from '../../../kernel/context.ts';
import { AwsError } from '../../../kernel/errors.ts';
import type { AuthorisationsOf, HandlersOf, Reconciler } from '../../../kernel/service.ts';
import { applyFilters } from '../filters.ts';
import { type InstanceRow, Instances } from '../instances/state.ts';
import { requireRow, rowsByIds } from '../lookup.ts';
import { page } from '../paging.ts';
import { checkTagged, describeTags } from '../tags.ts';
import { type VolumeRow, Volumes } from './state.ts';

/** Baseline of gp3 ("General Purpose SSD volumes"); gp2 has 3 IOPS per GiB, at least 100, at most 16,000. */
const gp3 = { iops: 3000, throughput: 125 } as const;

function performance({ type, sizeGiB }: VolumeRow): { Iops?: number; Throughput?: number } {
  if (type === 'gp3') return { Iops: gp3.iops, Throughput: gp3.throughput };
  return type === 'gp2' ? { Iops: Math.min(16_000, Math.max(100, 3 * sizeGiB)) } : {};
}

function describeVolume(row: VolumeRow, holder: InstanceRow | undefined): Volume {
  return {
    VolumeId: row.id,
    Size: row.sizeGiB,
    VolumeType: row.type,
    ...performance(row),
    AvailabilityZone: row.zone,
    CreateTime: new Date(row.created),
    State: holder === undefined ? 'available' : 'in-use',
    Encrypted: false,
    MultiAttachEnabled: false,
    SnapshotId: '',
    Attachments:
      holder === undefined
        ? []
        : [
            {
              VolumeId: row.id,
              InstanceId: holder.id,
              Device: holder.rootDeviceName,
              State: 'attached',
              AttachTime: new Date(holder.rootVolume.attachedAt),
              DeleteOnTermination: holder.rootVolume.deleteOnTermination,
            },
          ],
    Tags: describeTags(row.tags),
  };
}

async function holderOf(ctx: Context, row: VolumeRow): Promise<InstanceRow | undefined> {
  return row.instanceId === undefined ? undefined : ctx.table(Instances).get(row.instanceId);
}

export const volumeHandlers: HandlersOf<EC2> = {
  async DescribeVolumes(input, ctx) {
    const rows = await Promise.all(
      (await rowsByIds(ctx, Volumes, 'volume', input.VolumeIds)).map(async (row) => {
        const holder = await holderOf(ctx, row);
        return { ...row, holder, shown: describeVolume(row, holder) };
      }),
    );
    const passing = applyFilters(rows, input.Filters, {
      'volume-id': (row) => row.id,
      'volume-type': (row) => row.type,
      size: (row) => row.sizeGiB,
      status: (row) => row.shown.State,
      'availability-zone': (row) => row.zone,
      encrypted: () => false,
      'multi-attach-enabled': () => false,
      'snapshot-id': () => undefined,
      'create-time': (row) => new Date(row.created).toISOString(),
      'attachment.instance-id': (row) => row.holder?.id,
      'attachment.device': (row) => row.holder?.rootDeviceName,
      'attachment.delete-on-termination': (row) => row.holder?.rootVolume.deleteOnTermination,
      'attachment.status': (row) => (row.holder === undefined ? undefined : 'attached'),
    });
    const found = page('DescribeVolumes', passing, (row) => row.id, input, { ids: input.VolumeIds });
    return { Volumes: found.rows.map((row) => row.shown), NextToken: found.nextToken };
  },

  /** Throws VolumeInUse while an instance holds it. */
  async DeleteVolume(input, ctx) {
    await ctx.transact(async (tx) => {
      const row = await requireRow(tx, Volumes, 'volume', input.VolumeId);
      if (row.instanceId !== undefined)
        throw new AwsError('VolumeInUse', `Volume ${row.id} is currently attached to ${row.instanceId}`);
      await tx.table(Volumes).delete(row.id);
      tx.hint('volumes', row.id);
    });
    return {};
  },
};

export const volumeAuthorisations: AuthorisationsOf<EC2> = {
  DeleteVolume: (input, ctx) => checkTagged([input.VolumeId ?? ''], ctx),
};

/** Deletes the bytes of volumes that have no row any more. */
export const volumes: Reconciler = {
  async keys(ctx) {
    const known = new Set((await ctx.everywhere(Volumes)).map(({ row }) => row.id));
    const held = await ctx.part('machines').volumes();
    return held.filter((key) => !known.has(key)).map((key) => ({ account: '', region: '', key }));
  },

  async run({ key }, ctx) {
    const machines = ctx.part('machines');
    if (machines.unavailable !== undefined) return;
    if (!(await ctx.everywhere(Volumes)).some(({ row }) => row.id === key)) await machines.removeVolume(key);
  },
};
