/**
 * Carries the instances of a group's warm pool along, as part of the group's reconciliation: into the pool (launched, hooks, then stopped, hibernated or
 * left running), out of it at a scale-out, back at a scale-in when the pool takes them back, and to their end when there are too many.
 * Source: Auto Scaling User Guide, "Use lifecycle hooks with a warm pool".
 */
import type { LifecycleState } from '@aws-sdk/client-auto-scaling';
import type { Context } from '../../kernel/context.ts';
import { AwsError } from '../../kernel/errors.ts';
import { beginActivity, endActivity, stamp, updateActivity } from './activities.ts';
import { zoneForLaunch } from './choose.ts';
import { beginHooks } from './hooks.ts';
import { avoidZone, newMember } from './launch.ts';
import { inWarmPool } from './members.ts';
import type { Sight } from './observe.ts';
import { type GroupRow, Groups, type MemberRow, Members } from './state.ts';
import { advanceTerminating, drained, endMember, step } from './steps.ts';
import { poolSize } from './warm-pools.ts';

const readyStates: readonly LifecycleState[] = ['Warmed:Stopped', 'Warmed:Running', 'Warmed:Hibernated'];

/** Whether a member waits in the pool to be put in service. */
export function isReady(member: MemberRow | undefined): boolean {
  return member !== undefined && readyStates.includes(member.state) && member.healthy;
}

/** Members that make up the pool: those that are not on their way out. */
function poolOf(members: readonly MemberRow[]): readonly MemberRow[] {
  return members.filter((member) => inWarmPool(member) && !member.state.includes('Terminating'));
}

/** Starts an instance that leaves the pool; one that cannot be started ends, and another takes its place. */
export async function wake(ctx: Context, group: GroupRow, member: MemberRow): Promise<void> {
  try {
    await ctx.call('ec2').startInstances({ InstanceIds: [member.instanceId ?? ''] });
  } catch (error) {
    if (!(error instanceof AwsError)) throw error;
    await ctx.transact((tx) => avoidZone(tx, ctx, group.name, member.zone));
    await endMember(ctx, group, member, taken(ctx, `as it could not be started: ${error.message}`), 'abandoned');
  }
}

function taken(ctx: Context, why: string): string {
  return `At ${stamp(ctx.now)} an instance was taken out of service ${why}.`;
}

/** Whether a member that a scale-in chose goes back to the pool instead of ending. */
export async function hasRoomInPool(ctx: Context, group: GroupRow, { healthy }: MemberRow): Promise<boolean> {
  if (group.warmPool?.reuse !== true || !healthy) return false;
  const members = await ctx.table(Members).list({ prefix: [group.name] });
  return poolOf(members).length < poolSize(group);
}

/** Begins the way back: drained and past the hooks of terminations like any that leaves, then stopped as the pool wants it. */
export async function returnToPool(ctx: Context, group: GroupRow, member: MemberRow, cause: string): Promise<void> {
  await step(ctx, member, async (row, tx) => {
    await endActivity(tx, ctx, row.activity, 'Cancelled', { instanceId: row.instanceId });
    const activity = await beginActivity(tx, ctx, group, {
      description: `Returning EC2 instance to warm pool: ${row.instanceId}`,
      cause,
      status: 'InProgress',
      member: { ...row, moving: 'toPool' },
    });
    return {
      ...row,
      state: 'Warmed:Pending',
      moving: 'toPool',
      activity: activity.id,
      actions: undefined,
      inService: undefined,
      policy: undefined,
    };
  });
}

/** Stops what has passed its hooks, if the pool wants that, and settles it once EC2 says so. */
async function settle(ctx: Context, group: GroupRow, member: MemberRow, sight: Sight): Promise<void> {
  const poolState = group.warmPool?.poolState ?? 'Stopped';
  if (poolState !== 'Running' && sight.state === 'running') {
    const { instanceId = '' } = member;
    try {
      await ctx.call('ec2').stopInstances({ InstanceIds: [instanceId], Hibernate: poolState === 'Hibernated' });
    } catch (error) {
      if (!(error instanceof AwsError)) throw error;
      await ctx.transact((tx) => avoidZone(tx, ctx, group.name, member.zone));
      await endMember(ctx, group, member, taken(ctx, `as it could not be stopped: ${error.message}`), 'abandoned');
    }
    return;
  }
  if (sight.state !== (poolState === 'Running' ? 'running' : 'stopped')) return;
  await step(ctx, member, async (row, tx) => {
    await endActivity(tx, ctx, row.activity, 'Successful', { instanceId: row.instanceId });
    return { ...row, state: `Warmed:${poolState}` as const, activity: undefined, actions: undefined, moving: undefined };
  });
}

/** Into the pool: hooks of launches for what is new, of terminations for what comes back. */
async function advancePending(ctx: Context, group: GroupRow, member: MemberRow, sight: Sight): Promise<void> {
  if (member.state === 'Warmed:Pending') {
    if (member.moving === 'toPool' ? !(await drained(ctx, member)) : sight.state !== 'running') return;
    await step(ctx, member, async (row, tx) => {
      const transition = row.moving === 'toPool' ? 'autoscaling:EC2_INSTANCE_TERMINATING' : 'autoscaling:EC2_INSTANCE_LAUNCHING';
      const actions = await beginHooks(tx, ctx, row, transition);
      if (actions.length > 0) await updateActivity(tx, row.activity, { status: 'MidLifecycleAction', progress: 40 });
      return { ...row, actions, registered: [], state: actions.length > 0 ? 'Warmed:Pending:Wait' : 'Warmed:Pending:Proceed' };
    });
    return;
  }
  if (member.state === 'Warmed:Pending:Wait') {
    const results = (member.actions ?? []).map(({ result }) => result);
    if (results.includes('ABANDON'))
      return endMember(ctx, group, member, taken(ctx, 'in response to a lifecycle action that was abandoned'), 'abandoned');
    if (!results.includes(undefined)) await step(ctx, member, (row) => ({ ...row, state: 'Warmed:Pending:Proceed' }));
    return;
  }
  await settle(ctx, group, member, sight);
}

/** One step of a member of the pool: in, out, or replaced when its instance is not as the pool left it ("Health checks for instances in a warm pool"). */
export async function advanceWarmed(ctx: Context, group: GroupRow, member: MemberRow, sight: Sight): Promise<void> {
  if (member.state.startsWith('Warmed:Terminating')) return advanceTerminating(ctx, group, member, sight);
  if (sight.state === 'terminated' || sight.state === 'shutting-down')
    return endMember(
      ctx,
      group,
      member,
      taken(ctx, 'in response to an EC2 health check indicating it has been terminated or stopped'),
      'ill',
    );
  if (member.state.startsWith('Warmed:Pending')) return advancePending(ctx, group, member, sight);
  if (group.suspended.includes('HealthCheck') || group.suspended.includes('ReplaceUnhealthy')) return;
  if (!member.healthy) return endMember(ctx, group, member, taken(ctx, 'in response to a user health-check'), 'ill');
  const expected = member.state === 'Warmed:Running' ? 'running' : 'stopped';
  if (sight.state !== expected)
    return endMember(ctx, group, member, taken(ctx, `in response to an EC2 health check: it is ${sight.state}`), 'ill');
  if (sight.impaired)
    return endMember(ctx, group, member, taken(ctx, 'in response to EC2 instance status checks failure'), 'ill');
}

async function launchIntoPool(ctx: Context, group: GroupRow, pool: readonly MemberRow[], wanted: number): Promise<void> {
  const planned: MemberRow[] = [];
  while (pool.length + planned.length < wanted) {
    const zone = zoneForLaunch(group, [...pool, ...planned], ctx.now);
    if (zone === undefined) break;
    planned.push(await newMember(ctx, group, zone, { state: 'Warmed:Pending' }));
  }
  if (planned.length === 0) return;
  await ctx.transact(async (tx) => {
    const row = await tx.table(Groups).get(group.name);
    const now = poolOf(await tx.table(Members).list({ prefix: [group.name] })).length;
    if (row === undefined || poolSize(row) !== wanted || now !== pool.length) return tx.hint('groups', group.name);
    for (const member of planned) {
      const { id } = await beginActivity(tx, ctx, group, {
        description: 'Launching a new EC2 instance into warm pool',
        cause: `At ${stamp(ctx.now)} an instance was started in response to a difference between desired and actual capacity of the warm pool, increasing the capacity from ${pool.length} to ${wanted}.`,
        status: 'PreInService',
        member,
      });
      await tx.table(Members).put({ ...member, activity: id });
    }
    tx.hint('groups', group.name);
  });
}

/** Fills the pool up or takes from it, the youngest first; a deleted pool is forgotten once it is empty. */
export async function sizePool(ctx: Context, name: string): Promise<void> {
  const row = await ctx.table(Groups).get(name);
  if (row === undefined) return;
  const group = { ...row, launch: row.refreshing ?? row.launch };
  const members = await ctx.table(Members).list({ prefix: [name] });
  const pool = poolOf(members);
  const wanted = poolSize(group);
  if (pool.length < wanted && !group.suspended.includes('Launch')) return launchIntoPool(ctx, group, pool, wanted);
  if (pool.length > wanted && !group.suspended.includes('Terminate')) {
    const surplus = pool
      .filter(({ instanceId }) => instanceId !== undefined)
      .sort((a, b) => b.launched - a.launched)
      .slice(0, pool.length - wanted);
    const cause = taken(
      ctx,
      `in response to a difference between desired and actual capacity of the warm pool, shrinking the capacity from ${pool.length} to ${wanted}`,
    );
    for (const member of surplus) await endMember(ctx, group, member, cause, 'excess');
  }
  if (group.warmPool?.deleting === undefined || members.some(inWarmPool)) return;
  await ctx.transact(async (tx) => {
    const current = await tx.table(Groups).get(name);
    if (current?.warmPool?.deleting !== undefined) await tx.table(Groups).put({ ...current, warmPool: undefined });
  });
}
