/** Attaching and detaching volumes, also while the instance runs ("Attach an Amazon EBS volume to an instance"). */
import type { EC2, VolumeAttachment } from '@aws-sdk/client-ec2';
import type { Context, Transaction } from '../../../kernel/context.ts';
import { AwsError, notImplemented } from '../../../kernel/errors.ts';
import type { AuthorisationsOf, HandlersOf } from '../../../kernel/service.ts';
import { invalidParameterValue, missingParameter } from '../errors.ts';
import { type InstanceRow, Instances } from '../instances/state.ts';
import { instanceTypes } from '../instances/type-catalogue.ts';
import { Interfaces } from '../interfaces/state.ts';
import { requireRow } from '../lookup.ts';
import { meterVolume } from '../metering/metering.ts';
import { checkTagged } from '../tags.ts';
import { forgetSecret, unseal } from './encryption.ts';
import { type Attachment, type VolumeRow, Volumes } from './state.ts';
import { stateOf } from './volumes.ts';

/** "Device names on Linux instances". */
const devicePattern = /^(\/dev\/)?(sd[a-z]([1-9]|1[0-5])?|xvd[a-z]|xvd[b-d][a-z]|hd[a-z]([1-9]|1[0-5])?)$/;
/** Attachments of a Nitro instance, shared by volumes, interfaces and NVMe disks; of others, volumes alone ("Amazon EBS volume limits"). */
const nitroAttachmentsMax = 28;
const xenVolumesMax = 40;
/** Of one Multi-Attach volume. */
const multiAttachMax = 16;

/** Checks the form of a device name. Throws InvalidParameterValue. */
export function checkDevice(device: string): string {
  if (!devicePattern.test(device))
    throw invalidParameterValue(`Value (${device}) for parameter device is invalid. ${device} is not a valid EBS device name.`);
  return device;
}

/** Data volumes on an instance, in order of slot. */
export async function volumesOf(
  source: Pick<Context | Transaction, 'table'>,
  instanceId: string,
): Promise<{ row: VolumeRow; attachment: Attachment }[]> {
  return (await source.table(Volumes).byIndex('byInstance', [instanceId]))
    .flatMap((row) => {
      const attachment = row.attachments?.find((one) => one.instanceId === instanceId);
      return attachment === undefined ? [] : [{ row, attachment }];
    })
    .sort((a, b) => a.attachment.slot - b.attachment.slot);
}

/** Volumes (root included) that may be on an instance of this type with this many interfaces. */
export function volumesMaxOf(type: string, interfaces: number): number {
  const info = instanceTypes.get(type);
  if (info?.nitro !== true) return xenVolumesMax;
  return nitroAttachmentsMax - interfaces - (info.disks?.nvme === true ? info.disks.count : 0);
}

/** `sdf`, `xvdf`: names that mean the same place. */
function place(device: string): string {
  return device.replace(/^\/dev\//, '').replace(/^(sd|xvd|hd)/, '');
}

async function checkPlace(tx: Transaction, instance: InstanceRow, device: string): Promise<number> {
  const others = await volumesOf(tx, instance.id);
  const taken = [instance.rootDeviceName, ...others.map(({ attachment }) => attachment.device)];
  if (taken.some((one) => place(one) === place(device)))
    throw invalidParameterValue(`Invalid value '${device}' for unixDevice. Attachment point ${device} is already in use`);
  const interfaces = await tx.table(Interfaces).byIndex('byInstance', [instance.id]);
  const max = volumesMaxOf(instance.type, interfaces.length);
  if (others.length + 1 >= max) {
    throw new AwsError(
      'AttachmentLimitExceeded',
      `The instance '${instance.id}' has reached its limit of ${max} attached volumes for the instance type ${instance.type}.`,
    );
  }
  const slots = new Set(others.map(({ attachment }) => attachment.slot));
  let slot = 1;
  while (slots.has(slot)) slot += 1;
  return slot;
}

function checkShared(row: VolumeRow, instance: InstanceRow): void {
  const attachments = row.attachments ?? [];
  if (attachments.length === 0) return;
  if (row.multiAttach !== true || attachments.some(({ instanceId }) => instanceId === instance.id))
    throw new AwsError('VolumeInUse', `${row.id} is already attached to an instance`);
  if (attachments.length >= multiAttachMax) {
    throw new AwsError(
      'AttachmentLimitExceeded',
      `The volume '${row.id}' has reached its limit of ${multiAttachMax} attached instances.`,
    );
  }
}

/** Throws Unsupported where instances run but the host gives them no disks besides their root: an attachment would be one in name only. */
export function requireDisks(ctx: Context): void {
  const refusal = ctx.part('volumes').unavailable;
  if (ctx.part('machines').unavailable === undefined && refusal !== undefined)
    throw new AwsError('Unsupported', `Volumes cannot be attached on this host. ${refusal}`);
}

/** Writes an attachment of a volume that exists, after all checks. */
async function attach(tx: Transaction, ctx: Context, volumeId: string, instanceId: string, device: string): Promise<Attachment> {
  const row = await requireRow(tx, Volumes, 'volume', volumeId);
  const instance = await requireRow(tx, Instances, 'instance', instanceId);
  if (row.instanceId !== undefined) throw new AwsError('VolumeInUse', `${row.id} is already attached to an instance`);
  checkShared(row, instance);
  const state = stateOf(row, undefined);
  if (state !== 'available' && state !== 'in-use')
    throw new AwsError('IncorrectState', `Volume '${row.id}' is in the '${state}' state.`);
  if (instance.state !== 'running' && instance.state !== 'stopped')
    throw new AwsError('IncorrectState', `Instance '${instance.id}' is not 'running'.`);
  if (row.zone !== instance.zone) {
    throw new AwsError(
      'InvalidVolume.ZoneMismatch',
      `The volume '${row.id}' is not in the same availability zone as instance '${instance.id}'`,
    );
  }
  if (row.multiAttach === true && instanceTypes.get(instance.type)?.nitro !== true) {
    throw new AwsError(
      'UnsupportedOperation',
      `Multi-Attach enabled volumes can be attached only to instances built on the Nitro System; ${instance.type} is not.`,
    );
  }
  requireDisks(ctx);
  const slot = await checkPlace(tx, instance, device);
  // Bytes of root volumes are layers of the machines plane, which no other machine can see as a disk.
  if (row.root === true) throw notImplemented('ec2', 'AttachVolume of what was a root volume');
  const attachment: Attachment = {
    instanceId,
    device,
    slot,
    deleteOnTermination: false,
    attachedAt: ctx.now,
    state: 'attaching',
  };
  await tx.table(Volumes).put({ ...row, attachments: [...(row.attachments ?? []), attachment] });
  tx.hint('machines', instanceId);
  return attachment;
}

/** The instance has ended: data volumes are deleted or stay, each as its flag says. */
export async function releaseVolumes(tx: Transaction, ctx: Context, instanceId: string): Promise<void> {
  for (const { row, attachment } of await volumesOf(tx, instanceId)) {
    const attachments = (row.attachments ?? []).filter((one) => one !== attachment);
    if (attachment.deleteOnTermination && attachments.length === 0) {
      await meterVolume(tx, ctx, row);
      await tx.table(Volumes).delete(row.id);
    } else {
      const encryption = attachments.length === 0 ? forgetSecret(row.encryption) : row.encryption;
      await tx.table(Volumes).put({ ...row, attachments, encryption });
    }
    tx.hint('volumes', row.id);
  }
}

function describeAttachment(
  volumeId: string,
  { device, instanceId, state, attachedAt, deleteOnTermination }: Attachment,
): VolumeAttachment {
  return {
    VolumeId: volumeId,
    InstanceId: instanceId,
    Device: device,
    State: state,
    AttachTime: new Date(attachedAt),
    DeleteOnTermination: deleteOnTermination,
  };
}

export const attachmentHandlers: HandlersOf<EC2> = {
  /** The node appears in the guest while it runs. Throws VolumeInUse, IncorrectState, InvalidVolume.ZoneMismatch, AttachmentLimitExceeded, InvalidKmsKey.InvalidState. */
  async AttachVolume(input, ctx) {
    const { VolumeId: volumeId = '', InstanceId: instanceId = '' } = input;
    if (input.Device === undefined) throw missingParameter('device');
    const device = checkDevice(input.Device);
    const before = await requireRow(ctx, Volumes, 'volume', volumeId);
    const encryption = before.encryption === undefined ? undefined : await unseal(ctx, before.encryption);
    const attachment = await ctx.transact(async (tx) => {
      const made = await attach(tx, ctx, volumeId, instanceId, device);
      await tx.table(Volumes).update([volumeId], (row) => ({ ...row, encryption }));
      return made;
    });
    return describeAttachment(volumeId, attachment);
  },

  /**
   * Mounted volumes stay `busy` until they are unmounted, or with `Force` are torn out. Throws IncorrectState for one that is not attached, OperationNotPermitted for
   * the root of an instance that is not stopped.
   */
  async DetachVolume(input, ctx) {
    const attachment = await ctx.transact(async (tx) => {
      const row = await requireRow(tx, Volumes, 'volume', input.VolumeId);
      if (row.instanceId !== undefined)
        throw new AwsError('OperationNotPermitted', `Unable to detach root volume '${row.id}' from instance '${row.instanceId}'`);
      const attachments = row.attachments ?? [];
      if (attachments.length === 0)
        throw new AwsError('IncorrectState', `Volume '${row.id}' is in the '${stateOf(row, undefined)}' state.`);
      if (attachments.length > 1 && input.InstanceId === undefined)
        throw invalidParameterValue(`The volume '${row.id}' is attached to several instances; InstanceId is required.`);
      const found = attachments.find(
        (one) =>
          (input.InstanceId === undefined || one.instanceId === input.InstanceId) &&
          (input.Device === undefined || one.device === input.Device),
      );
      if (found === undefined) {
        throw new AwsError(
          'InvalidAttachment.NotFound',
          `The volume '${row.id}' is not attached to instance '${input.InstanceId ?? ''}' as device '${input.Device ?? ''}'.`,
        );
      }
      const changed: Attachment = { ...found, state: 'detaching', force: input.Force === true || found.force };
      await tx.table(Volumes).put({ ...row, attachments: attachments.map((one) => (one === found ? changed : one)) });
      tx.hint('machines', found.instanceId);
      return changed;
    });
    return describeAttachment(input.VolumeId ?? '', attachment);
  },
};

export const attachmentAuthorisations: AuthorisationsOf<EC2> = {
  AttachVolume: (input, ctx) => checkTagged([input.VolumeId ?? '', input.InstanceId ?? ''], ctx),
  DetachVolume: (input, ctx) =>
    checkTagged([input.VolumeId ?? '', ...(input.InstanceId === undefined ? [] : [input.InstanceId])], ctx),
};
