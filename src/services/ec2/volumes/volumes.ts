/** EBS volumes: create, describe, delete, and their status ("Amazon EBS volumes"). */
import type { EC2, Volume, VolumeAttachment } from '@aws-sdk/client-ec2';
import type { Context } from '../../../kernel/context.ts';
import { AwsError, parameterNotImplemented } from '../../../kernel/errors.ts';
import type { AuthorisationsOf, HandlersOf } from '../../../kernel/service.ts';
import { applyFilters } from '../filters.ts';
import { type InstanceRow, Instances } from '../instances/state.ts';
import { requireRow, rowsByIds } from '../lookup.ts';
import { meterVolume } from '../metering/metering.ts';
import { page } from '../paging.ts';
import { checkTagged, describeTags, ec2Arn, requestTagConditions, tagsFor } from '../tags.ts';
import { addVolume, planVolume, volumeZone } from './new-volume.ts';
import { type VolumeRow, Volumes } from './state.ts';
import { shownIops } from './volume-types.ts';

/** State of a volume as the API shows it; `holder` is the instance of a root volume. */
export function stateOf(row: VolumeRow, holder: InstanceRow | undefined): NonNullable<Volume['State']> {
  if (row.failure !== undefined) return 'error';
  if (row.pending !== undefined) return row.pending;
  return holder !== undefined || (row.attachments ?? []).length > 0 ? 'in-use' : 'available';
}

function attachmentsOf(row: VolumeRow, holder: InstanceRow | undefined): VolumeAttachment[] {
  const root =
    holder === undefined
      ? []
      : [
          {
            VolumeId: row.id,
            InstanceId: holder.id,
            Device: holder.rootDeviceName,
            State: 'attached' as const,
            AttachTime: new Date(holder.rootVolume.attachedAt),
            DeleteOnTermination: holder.rootVolume.deleteOnTermination,
          },
        ];
  return [
    ...root,
    ...(row.attachments ?? []).map((attachment) => ({
      VolumeId: row.id,
      InstanceId: attachment.instanceId,
      Device: attachment.device,
      State: attachment.state,
      AttachTime: new Date(attachment.attachedAt),
      DeleteOnTermination: attachment.deleteOnTermination,
    })),
  ];
}

/** A volume as the API shows it. */
function describeVolume(row: VolumeRow, holder: InstanceRow | undefined): Volume {
  const iops = shownIops(row);
  return {
    VolumeId: row.id,
    Size: row.sizeGiB,
    VolumeType: row.type,
    ...(iops === undefined ? {} : { Iops: iops }),
    ...(row.throughput === undefined ? {} : { Throughput: row.throughput }),
    AvailabilityZone: row.zone,
    CreateTime: new Date(row.created),
    State: stateOf(row, holder),
    Encrypted: row.encryption !== undefined,
    ...(row.encryption === undefined ? {} : { KmsKeyId: row.encryption.keyArn }),
    MultiAttachEnabled: row.multiAttach === true,
    SnapshotId: row.snapshotId ?? '',
    ...(row.fastRestored === true ? { FastRestored: true } : {}),
    Attachments: attachmentsOf(row, holder),
    Tags: describeTags(row.tags),
  };
}

/** The instance whose root the volume is. */
async function holderOf(ctx: Pick<Context, 'table'>, row: VolumeRow): Promise<InstanceRow | undefined> {
  return row.instanceId === undefined ? undefined : ctx.table(Instances).get(row.instanceId);
}

/** A volume joined with what shows it. */
async function shownVolumes(ctx: Context, ids: readonly string[] | undefined) {
  return Promise.all(
    (await rowsByIds(ctx, Volumes, 'volume', ids)).map(async (row) => {
      const holder = await holderOf(ctx, row);
      return { ...row, holder, shown: describeVolume(row, holder) };
    }),
  );
}

export const volumeHandlers: HandlersOf<EC2> = {
  /** Throws MissingParameter, InvalidZone.NotFound, InvalidParameterValue, InvalidParameterCombination, InvalidSnapshot.NotFound. */
  async CreateVolume(input, ctx) {
    for (const name of ['OutpostArn', 'VolumeInitializationRate', 'Operator'] as const)
      if (input[name] !== undefined) throw parameterNotImplemented('CreateVolume', name);
    const zone = volumeZone(ctx, input);
    const tags = tagsFor('volume', input.TagSpecifications);
    const plan = await planVolume(ctx, input);
    const row = await ctx.transact(async (tx) => {
      const [earlier] =
        input.ClientToken === undefined ? [] : await tx.table(Volumes).byIndex('byClientToken', [input.ClientToken]);
      return earlier ?? addVolume(tx, ctx, plan, { zone, tags, clientToken: input.ClientToken });
    });
    const { Attachments: _none, ...shown } = describeVolume(row, undefined);
    return shown;
  },

  async DescribeVolumes(input, ctx) {
    const rows = await shownVolumes(ctx, input.VolumeIds);
    const attached = (read: (attachment: VolumeAttachment) => string | boolean | undefined) => (row: (typeof rows)[number]) =>
      (row.shown.Attachments ?? []).map((attachment) => String(read(attachment)));
    const passing = applyFilters(rows, input.Filters, {
      'volume-id': (row) => row.id,
      'volume-type': (row) => row.type,
      size: (row) => row.sizeGiB,
      status: (row) => row.shown.State,
      'availability-zone': (row) => row.zone,
      encrypted: (row) => row.encryption !== undefined,
      'multi-attach-enabled': (row) => row.multiAttach === true,
      'fast-restored': (row) => row.fastRestored === true,
      'snapshot-id': (row) => row.snapshotId,
      'create-time': (row) => new Date(row.created).toISOString(),
      'attachment.attach-time': attached((one) => one.AttachTime?.toISOString()),
      'attachment.instance-id': attached((one) => one.InstanceId),
      'attachment.device': attached((one) => one.Device),
      'attachment.delete-on-termination': attached((one) => one.DeleteOnTermination),
      'attachment.status': attached((one) => one.State),
    });
    const found = page('DescribeVolumes', passing, (row) => row.id, input, { ids: input.VolumeIds });
    return { Volumes: found.rows.map((row) => row.shown), NextToken: found.nextToken };
  },

  /** Throws VolumeInUse while an instance holds it, IncorrectState while it is being made. */
  async DeleteVolume(input, ctx) {
    await ctx.transact(async (tx) => {
      const row = await requireRow(tx, Volumes, 'volume', input.VolumeId);
      const holder = row.instanceId ?? row.attachments?.[0]?.instanceId;
      if (holder !== undefined) throw new AwsError('VolumeInUse', `Volume ${row.id} is currently attached to ${holder}`);
      if (row.pending === 'creating') throw new AwsError('IncorrectState', `Volume '${row.id}' is in the 'creating' state.`);
      await meterVolume(tx, ctx, row);
      await tx.table(Volumes).delete(row.id);
      tx.hint('volumes', row.id);
    });
    return {};
  },

  /** `impaired` while I/O stands still, with the event and the action that AWS shows ("Monitor the status of your volumes"). */
  async DescribeVolumeStatus(input, ctx) {
    const rows = (await shownVolumes(ctx, input.VolumeIds)).filter((row) => row.pending === undefined);
    const statusOf = (row: VolumeRow): 'ok' | 'impaired' => (row.stalledSince === undefined ? 'ok' : 'impaired');
    const passing = applyFilters(rows, input.Filters, {
      'volume-status.status': statusOf,
      'volume-status.details-name': () => ['io-enabled', 'io-performance'],
      'volume-status.details-status': (row) => [row.stalledSince === undefined ? 'passed' : 'failed'],
      'availability-zone': (row) => row.zone,
      'event.event-type': (row) => (row.stalledSince === undefined ? undefined : 'io-performance:stalled'),
    });
    const found = page('DescribeVolumeStatus', passing, (row) => row.id, input, { ids: input.VolumeIds });
    return {
      VolumeStatuses: found.rows.map((row) => {
        const stalled = row.stalledSince !== undefined;
        const provisioned = row.type === 'io1' || row.type === 'io2' || row.type === 'gp3';
        return {
          VolumeId: row.id,
          AvailabilityZone: row.zone,
          VolumeStatus: {
            Status: statusOf(row),
            Details: [
              { Name: 'io-enabled' as const, Status: 'passed' },
              { Name: 'io-performance' as const, Status: stalled ? 'stalled' : provisioned ? 'normal' : 'not-applicable' },
            ],
          },
          Actions: [],
          Events:
            row.stalledSince === undefined
              ? []
              : [
                  {
                    EventId: `evol-${row.id.slice('vol-'.length)}`,
                    EventType: 'io-performance:stalled',
                    Description: 'I/O operations of the volume are stalled',
                    NotBefore: new Date(row.stalledSince),
                  },
                ],
          AttachmentStatuses: (row.shown.Attachments ?? []).map(({ InstanceId }) => ({
            InstanceId,
            IoPerformance: stalled ? 'stalled' : provisioned ? 'normal' : 'not-applicable',
          })),
        };
      }),
      NextToken: found.nextToken,
    };
  },

  async DescribeVolumeAttribute(input, ctx) {
    const row = await requireRow(ctx, Volumes, 'volume', input.VolumeId);
    if (input.Attribute === 'autoEnableIO') return { VolumeId: row.id, AutoEnableIO: { Value: row.autoEnableIo === true } };
    if (input.Attribute === 'productCodes') return { VolumeId: row.id, ProductCodes: [] };
    throw new AwsError('InvalidParameterValue', `Invalid value '${input.Attribute ?? ''}' for attribute.`);
  },

  async ModifyVolumeAttribute(input, ctx) {
    const value = input.AutoEnableIO?.Value;
    if (value === undefined) throw new AwsError('MissingParameter', 'The request must contain the parameter AutoEnableIO');
    await ctx.transact(async (tx) => {
      const row = await requireRow(tx, Volumes, 'volume', input.VolumeId);
      await tx.table(Volumes).put({ ...row, autoEnableIo: value });
    });
    return {};
  },
};

const onVolume = async (input: { VolumeId?: string | undefined }, ctx: Context) => checkTagged([input.VolumeId ?? ''], ctx);

export const volumeAuthorisations: AuthorisationsOf<EC2> = {
  CreateVolume: (input, ctx) => [
    {
      resource: ec2Arn(ctx, 'volume', '*'),
      conditions: {
        ...requestTagConditions(input.TagSpecifications?.flatMap(({ Tags = [] }) => Tags)),
        'ec2:AvailabilityZone': input.AvailabilityZone,
        'ec2:Encrypted': String(input.Encrypted === true),
        'ec2:VolumeSize': input.Size === undefined ? undefined : String(input.Size),
        'ec2:VolumeType': input.VolumeType ?? 'gp2',
        'ec2:VolumeIops': input.Iops === undefined ? undefined : String(input.Iops),
        'ec2:VolumeThroughput': input.Throughput === undefined ? undefined : String(input.Throughput),
      },
    },
  ],
  DeleteVolume: onVolume,
  DescribeVolumeAttribute: onVolume,
  ModifyVolumeAttribute: onVolume,
};
