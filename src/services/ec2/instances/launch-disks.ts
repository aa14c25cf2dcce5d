/** The disks of a launch: its root, data volumes and local disks, from block device mappings ("Block device mappings for volumes on Amazon EC2 instances"). */
import type { BlockDeviceMapping } from '@aws-sdk/client-ec2';
import type { Context, Transaction } from '../../../kernel/context.ts';
import { AwsError, parameterNotImplemented } from '../../../kernel/errors.ts';
import { invalidParameterValue } from '../errors.ts';
import { mappingsOf } from '../images/describe.ts';
import type { UsableImage } from '../images/find.ts';
import type { TagMap } from '../vpc/state.ts';
import { checkDevice, requireDisks, volumesMaxOf } from '../volumes/attachments.ts';
import { planEncryption } from '../volumes/encryption.ts';
import { addVolume, askOfMapping, type NewVolume, planVolume } from '../volumes/new-volume.ts';
import type { Encryption } from '../volumes/state.ts';
import { checkShape, volumeTypeOf, type VolumeShape, volumeTypes } from '../volumes/volume-types.ts';
import type { InstanceRow } from './state.ts';
import type { InstanceTypeInfo } from './type-catalogue.ts';

export interface DiskPlan {
  root: { shape: VolumeShape; deleteOnTermination: boolean; encryption: Encryption | undefined };
  data: readonly { device: string; deleteOnTermination: boolean; volume: NewVolume }[];
  local: readonly { index: number; device: string }[];
}

function invalidMapping(message: string): AwsError {
  return new AwsError('InvalidBlockDeviceMapping', message);
}

async function planRoot(ctx: Context, mapping: BlockDeviceMapping | undefined, image: UsableImage): Promise<DiskPlan['root']> {
  if (mapping !== undefined && (mapping.VirtualName !== undefined || mapping.NoDevice !== undefined || mapping.Ebs === undefined))
    throw invalidParameterValue(`The root device ${mapping.DeviceName} must be an EBS volume.`);
  const ask = askOfMapping(mapping?.Ebs ?? {});
  if (ask.SnapshotId !== undefined)
    throw parameterNotImplemented('RunInstances', 'BlockDeviceMappings.Ebs.SnapshotId of the root device');
  const type = volumeTypeOf(ask.VolumeType, image.rootType);
  if (!volumeTypes[type].boot)
    throw invalidMapping(`Volume type ${type} cannot be used as the boot volume ${image.rootDeviceName}.`);
  const sizeGiB = ask.Size ?? image.rootSizeGiB;
  if (sizeGiB < image.rootSizeGiB) {
    throw invalidMapping(
      `Volume of size ${sizeGiB}GB is smaller than snapshot '${image.id}', expect size >= ${image.rootSizeGiB}GB`,
    );
  }
  const shape = checkShape({ sizeGiB, type, iops: ask.Iops, throughput: ask.Throughput });
  const encryption = await planEncryption(ctx, {
    encrypted: ask.Encrypted,
    keyId: ask.KmsKeyId,
    origin: { encryption: image.rootEncryption },
  });
  // The layers of the image are read as they are, so they and what is written above them are under one key.
  if (image.rootEncryption !== undefined && encryption?.keyArn !== image.rootEncryption.keyArn)
    throw parameterNotImplemented(
      'RunInstances',
      'BlockDeviceMappings.Ebs.KmsKeyId of a root device whose image has another key',
    );
  return { shape, encryption, deleteOnTermination: mapping?.Ebs?.DeleteOnTermination ?? image.rootDeleteOnTermination };
}

/** The mappings of the request, after those of the image, which they override by device name and leave out with NoDevice. */
function withImageVolumes(given: readonly BlockDeviceMapping[], image: UsableImage): BlockDeviceMapping[] {
  const own = mappingsOf(image).filter(({ DeviceName }) => DeviceName !== image.rootDeviceName);
  const kept = own.filter(({ DeviceName }) => !given.some((one) => one.DeviceName === DeviceName));
  return [
    ...kept.map((mapping) => ({ ...mapping, Ebs: { ...mapping.Ebs, Encrypted: undefined } })),
    ...given.map((mapping) => {
      const base = own.find(({ DeviceName }) => DeviceName === mapping.DeviceName)?.Ebs;
      if (base === undefined || mapping.Ebs === undefined) return mapping;
      return { ...mapping, Ebs: { ...base, Encrypted: undefined, ...mapping.Ebs } };
    }),
  ];
}

/** Checks the mappings of a launch. Throws InvalidBlockDeviceMapping, and what CreateVolume throws. */
export async function planDisks(
  mappings: readonly BlockDeviceMapping[] | undefined,
  image: UsableImage,
  type: InstanceTypeInfo,
  ctx: Context,
): Promise<DiskPlan> {
  const seen = new Set<string>();
  const data: DiskPlan['data'][number][] = [];
  const local: DiskPlan['local'][number][] = [];
  let root: BlockDeviceMapping | undefined;
  for (const mapping of withImageVolumes(mappings ?? [], image)) {
    const device = mapping.DeviceName ?? '';
    if (device === '') throw new AwsError('MissingParameter', 'The request must contain the parameter deviceName');
    if (seen.has(device)) throw invalidMapping(`Duplicate device name: ${device}`);
    seen.add(device);
    if (device === image.rootDeviceName) {
      root = mapping;
      continue;
    }
    if (mapping.NoDevice !== undefined) continue;
    checkDevice(device);
    if (mapping.VirtualName !== undefined) {
      const index = /^ephemeral(\d{1,2})$/.exec(mapping.VirtualName)?.[1];
      if (index === undefined) throw invalidMapping(`Invalid virtual device name: ${mapping.VirtualName}`);
      // NVMe disks come without a mapping, and a mapping beyond what the type has is ignored, as in AWS ("Instance store volumes").
      local.push({ index: Number(index), device });
      continue;
    }
    if (mapping.Ebs === undefined) throw invalidMapping(`The mapping of ${device} must have ebs, virtualName or noDevice.`);
    const volume = await planVolume(ctx, askOfMapping(mapping.Ebs), 'gp3');
    data.push({ device, deleteOnTermination: mapping.Ebs.DeleteOnTermination ?? true, volume });
  }
  if (data.length > 0) requireDisks(ctx);
  if (data.length + 1 > volumesMaxOf(type.name, 1))
    throw new AwsError(
      'AttachmentLimitExceeded',
      `The instance type ${type.name} takes at most ${volumesMaxOf(type.name, 1)} volumes.`,
    );
  return { root: await planRoot(ctx, root, image), data, local };
}

/** Writes the data volumes of one instance of a launch. */
export async function addDisks(
  tx: Transaction,
  ctx: Context,
  plan: DiskPlan,
  instance: InstanceRow,
  tags: TagMap,
): Promise<void> {
  for (const [index, { device, deleteOnTermination, volume }] of plan.data.entries()) {
    await addVolume(tx, ctx, volume, {
      zone: instance.zone,
      tags,
      attachments: [
        { instanceId: instance.id, device, slot: index + 1, deleteOnTermination, attachedAt: ctx.now, state: 'attaching' },
      ],
    });
  }
}
