/** Scaling activities: what a group did and why, as DescribeScalingActivities tells it, with the events and notifications that go with them. */
import type { Activity, AutoScaling, ScalingActivityStatusCode } from '@aws-sdk/client-auto-scaling';
import type { Context, Transaction } from '../../kernel/context.ts';
import { parameterNotImplemented } from '../../kernel/errors.ts';
import type { HandlersOf } from '../../kernel/service.ts';
import { pageFor } from './lists.ts';
import { announceActivity } from './notices.ts';
import { Activities, type ActivityRow, type GroupRow, Groups, type MemberRow, type Whereabouts } from './state.ts';

/** Days for which activities are kept (DescribeScalingActivities: "the past six weeks"). */
const keptMillis = 42 * 86_400_000;

/** Time as the words of a cause have it: `2026-11-21T04:20:00Z`. */
export function stamp(at: number): string {
  return `${new Date(at).toISOString().slice(0, 19)}Z`;
}

const inPool = ({ state }: Pick<MemberRow, 'state'>) => state.startsWith('Warmed:');

/** From where to where a member goes that is coming ("Warm pool event types and patterns"). */
export function wayIn(member: Pick<MemberRow, 'state' | 'moving'>): readonly [Whereabouts, Whereabouts] {
  return [member.moving === 'fromPool' ? 'WarmPool' : 'EC2', inPool(member) ? 'WarmPool' : 'AutoScalingGroup'];
}

/** From where to where a member goes that is leaving. */
export function wayOut(member: Pick<MemberRow, 'state' | 'moving'>): readonly [Whereabouts, Whereabouts] {
  if (member.moving === 'toPool') return ['AutoScalingGroup', 'WarmPool'];
  return [inPool(member) ? 'WarmPool' : 'AutoScalingGroup', 'EC2'];
}

/** Writes the beginning of an activity; returns its row. `details` names subnet and zone as AWS's JSON does. */
export async function beginActivity(
  tx: Transaction,
  ctx: Context,
  group: GroupRow,
  given: Pick<ActivityRow, 'description' | 'cause' | 'status'> & {
    member: Pick<MemberRow, 'zone' | 'subnetId' | 'state' | 'moving'>;
    /** From where to where; told by the member when not given. */
    way?: readonly [Whereabouts, Whereabouts];
  },
): Promise<ActivityRow> {
  const { member, way, ...rest } = given;
  const [origin, destination] = way ?? (rest.description.startsWith('Launching') ? wayIn(member) : wayOut(member));
  const row: ActivityRow = {
    id: ctx.uuid(),
    group: group.name,
    groupArn: group.arn,
    start: ctx.now,
    progress: rest.status === 'PreInService' ? 30 : 50,
    details: JSON.stringify({ 'Subnet ID': member.subnetId, 'Availability Zone': member.zone }),
    origin,
    destination,
    ...rest,
  };
  await tx.table(Activities).put(row);
  return row;
}

/** Ends an activity and announces it on the bus and to the group's topics. `id` undefined or forgotten: nothing happens. */
export async function endActivity(
  tx: Transaction,
  ctx: Context,
  id: string | undefined,
  status: Extract<ScalingActivityStatusCode, 'Successful' | 'Failed' | 'Cancelled'>,
  more: { message?: string; description?: string; instanceId?: string | undefined } = {},
): Promise<void> {
  const row = id === undefined ? undefined : await tx.table(Activities).firstByIndex('byId', [id]);
  if (row === undefined || row.end !== undefined) return;
  const ended: ActivityRow = {
    ...row,
    end: ctx.now,
    status,
    progress: 100,
    message: more.message,
    description: more.description ?? row.description,
  };
  await tx.table(Activities).put(ended);
  await announceActivity(tx, ctx, ended, more.instanceId);
}

/** Changes what an activity under way says. */
export async function updateActivity(tx: Transaction, id: string | undefined, change: Partial<ActivityRow>): Promise<void> {
  const row = id === undefined ? undefined : await tx.table(Activities).firstByIndex('byId', [id]);
  if (row !== undefined) await tx.table(Activities).put({ ...row, ...change });
}

export function describeActivity(row: ActivityRow): Activity {
  return {
    ActivityId: row.id,
    AutoScalingGroupName: row.group,
    AutoScalingGroupARN: row.groupArn,
    Description: row.description,
    Cause: row.cause,
    StartTime: new Date(row.start),
    EndTime: row.end === undefined ? undefined : new Date(row.end),
    StatusCode: row.status,
    StatusMessage: row.message,
    Progress: row.progress,
    Details: row.details,
    AutoScalingGroupState: row.deleted ? 'Deleted' : undefined,
  };
}

export const activityHandlers: HandlersOf<AutoScaling> = {
  /** Newest first. Those of deleted groups only when asked for. */
  async DescribeScalingActivities(input, ctx) {
    if (input.Filters?.length) throw parameterNotImplemented('DescribeScalingActivities', 'Filters');
    const { AutoScalingGroupName: name, ActivityIds: ids } = input;
    const known = new Set((await ctx.table(Groups).list()).map((group) => group.arn));
    const rows = (await ctx.table(Activities).list(name === undefined ? {} : { prefix: [name] }))
      .filter((row) => row.start > ctx.now - keptMillis)
      .map((row) => (known.has(row.groupArn) ? row : { ...row, deleted: true }))
      .filter((row) => input.IncludeDeletedGroups === true || row.deleted !== true)
      .filter((row) => ids === undefined || ids.length === 0 || ids.includes(row.id))
      .sort((a, b) => b.start - a.start);
    const page = pageFor('activities', rows, (row) => [-row.start, row.group, row.id], input, 100);
    return { Activities: page.items.map(describeActivity), NextToken: page.nextToken };
  },
};
