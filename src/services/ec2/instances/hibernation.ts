/**
 * Hibernation: an instance stops with its memory kept, and goes on from there at its next start ("Hibernate your Amazon EC2 instance"). The machine stands
 * still, frozen, as long as Pilvi runs; after that, or after 60 days, a start is a plain boot, which is what AWS falls back to as well.
 */
import type { Millis } from '../../../base/clock.ts';
import type { Context } from '../../../kernel/context.ts';
import { AwsError } from '../../../kernel/errors.ts';
import { invalidParameterCombination } from '../errors.ts';
import type { UsableImage } from '../images/find.ts';
import { volumesOf } from '../volumes/attachments.ts';
import { rootSecretOf } from '../volumes/plane.ts';
import { type InstanceRow, Instances } from './state.ts';
import { type InstanceTypeInfo, instanceTypes } from './type-catalogue.ts';

/** Memory of Linux instances must be less, that of Windows at most this much ("Instance RAM size"). */
const memoryMiBMax = 150 * 1024;
const windowsMemoryMiBMax = 16 * 1024;
/** "We do not support keeping an instance hibernated for more than 60 days." */
const keptMillisMax = 60 * 24 * 3_600_000;
const gib = 1024 ** 3;
const mib = 1024 ** 2;

/** StateReason of an instance that was asked to hibernate. */
export const hibernated = {
  code: 'Client.UserInitiatedHibernate',
  message: 'Client.UserInitiatedHibernate: User initiated hibernate',
} as const;

/** StateReason of an instance that was asked to stop or terminate. */
export const shutDown = {
  code: 'Client.UserInitiatedShutdown',
  message: 'Client.UserInitiatedShutdown: User initiated shutdown',
} as const;

/** Families that hibernate, with less than 150 GiB of memory, never bare metal ("Prerequisites for EC2 instance hibernation"). */
export function canHibernate(type: InstanceTypeInfo): boolean {
  const family = type.name.split('.')[0] ?? '';
  return (
    /^(c3|c4|c5d?|c6[agi]d?|c7[agi]d?|i3|m3|m4|m5[ad]?|m6[agi]d?|m7[agi]d?|r3|r4|r5[ad]?|t2|t3a?|t4g)$/.test(family) &&
    !type.bareMetal &&
    type.memoryMiB < memoryMiBMax
  );
}

function unsupported(message: string): AwsError {
  return new AwsError('UnsupportedHibernationConfiguration', message);
}

/** Throws UnsupportedHibernationConfiguration for a launch that asks for hibernation with a type or a root volume that cannot have it. */
export function checkHibernation(
  type: InstanceTypeInfo,
  image: Pick<UsableImage, 'platform' | 'instanceStore'>,
  root: { encryption?: unknown },
): void {
  if (!canHibernate(type)) throw unsupported(`The instance type ${type.name} does not support hibernation.`);
  if (image.platform === 'windows' && type.memoryMiB > windowsMemoryMiBMax)
    throw unsupported(
      `The instance type ${type.name} does not support hibernation of Windows: it has more than 16 GiB of memory.`,
    );
  if (image.instanceStore === true)
    throw unsupported('The root device must be an EBS volume for an instance that is configured for hibernation.');
  if (root.encryption === undefined)
    throw unsupported('The root volume must be encrypted for an instance that is configured for hibernation.');
}

/** Throws UnsupportedHibernationConfiguration for an instance that was not launched for it. */
export function checkCanHibernate(row: InstanceRow): void {
  if (row.hibernation === true) return;
  throw unsupported(`The instance can't be hibernated because it was not configured at launch for hibernation: ${row.id}`);
}

/** "You can't change the instance type or size of an instance when hibernation is enabled." */
export function typeIsFixed(id: string): AwsError {
  return invalidParameterCombination(`The instance type of '${id}' cannot be changed because it is configured for hibernation.`);
}

/** What a start does to a hibernated instance: memory that was kept too long is given up, by another boot. */
export function resumed(row: InstanceRow, now: Millis): Pick<InstanceRow, 'hibernatedAt' | 'bootNumber'> {
  const expired = row.hibernatedAt !== undefined && now - row.hibernatedAt > keptMillisMax;
  return { hibernatedAt: undefined, bootNumber: expired ? row.bootNumber + 1 : row.bootNumber };
}

/**
 * The row, still hibernating or not any more: where the host cannot freeze, where the root volume has no room for the memory, and when a volume is to be
 * detached, a normal shutdown happens ("If the instance cannot hibernate successfully, a normal shutdown occurs", StopInstances).
 */
export async function keepHibernation(ctx: Context, row: InstanceRow): Promise<InstanceRow> {
  if (row.hibernatedAt === undefined) return row;
  const machines = ctx.part('machines');
  const settled = (await volumesOf(ctx, row.id)).every(({ attachment }) => attachment.state === 'attached');
  if (machines.unavailable === undefined && machines.freezingUnavailable === undefined && settled && (await hasRoom(ctx, row)))
    return row;
  return ctx.transact(async (tx) => {
    const latest = await tx.table(Instances).get(row.id);
    if (latest?.intent !== 'stopped') return { ...row, hibernatedAt: undefined };
    const plain = { ...latest, hibernatedAt: undefined, stateReason: shutDown };
    await tx.table(Instances).put(plain);
    return plain;
  });
}

/** Whether the root volume could take up all memory beside what was written to it. Asked once, when it stops. */
async function hasRoom(ctx: Context, row: InstanceRow): Promise<boolean> {
  if (row.state !== 'stopping') return true;
  const secret = await rootSecretOf(ctx, row).catch(() => undefined);
  const used = await ctx.part('machines').volumeBytes(row.rootVolume.id, secret);
  return used + instanceTypes.get(row.type)!.memoryMiB * mib <= row.rootVolume.sizeGiB * gib;
}
