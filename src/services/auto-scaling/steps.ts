/**
 * Steps that members take in a group and in its warm pool alike: each a transaction of its own that reads the row again. Into service and into the
 * pool lead reconcile.ts and warm-pool-step.ts; the way out is here.
 */
import type { Context, Transaction } from '../../kernel/context.ts';
import { beginActivity, endActivity, updateActivity } from './activities.ts';
import { beginHooks } from './hooks.ts';
import { inWarmPool, terminating } from './members.ts';
import type { Sight } from './observe.ts';
import { type GroupRow, Groups, type MemberRow, Members } from './state.ts';
import { deregisterMember, targetState } from './targets.ts';

/** Milliseconds of cloud time until a draining target is looked at again. */
const drainLookMillis = 1000;

/** Changes a member's row if it is still in the state that was seen; whether it was. */
export async function step(
  ctx: Context,
  member: MemberRow,
  change: (row: MemberRow, tx: Transaction) => Promise<MemberRow | undefined> | MemberRow | undefined,
): Promise<boolean> {
  return ctx.transact(async (tx) => {
    const row = await tx.table(Members).get(member.group, member.slot);
    if (row === undefined || row.state !== member.state) return false;
    const changed = await change(row, tx);
    if (changed === undefined) await tx.table(Members).delete(row.group, row.slot);
    else await tx.table(Members).put(changed);
    tx.hint('groups', row.group);
    return true;
  });
}

/** The cooldown of a simple policy counts from the last instance that came or went. */
export async function restartCooldown(tx: Transaction, ctx: Context, name: string): Promise<void> {
  const group = await tx.table(Groups).get(name);
  if (group?.cooling !== undefined && group.cooling.until > ctx.now)
    await tx.table(Groups).put({ ...group, cooling: { ...group.cooling, until: ctx.now + group.cooling.seconds * 1000 } });
}

/** Begins the end of a member, with the activity that tells why. */
export async function endMember(
  ctx: Context,
  group: GroupRow,
  member: MemberRow,
  cause: string,
  because: 'ill' | 'excess' | 'abandoned',
): Promise<void> {
  await step(ctx, member, async (row, tx) => {
    await endActivity(tx, ctx, row.activity, because === 'abandoned' ? 'Failed' : 'Cancelled', { instanceId: row.instanceId });
    const activity = await beginActivity(tx, ctx, group, {
      description: `Terminating EC2 instance: ${row.instanceId}`,
      cause,
      status: 'InProgress',
      member: row,
    });
    const current = await tx.table(Groups).get(group.name);
    if (because === 'ill' && !inWarmPool(row) && current !== undefined)
      await tx.table(Groups).put({ ...current, replacements: current.replacements + 1 });
    return { ...row, healthy: because !== 'ill', state: terminating(row), activity: activity.id, actions: undefined };
  });
}

/** Takes a member out of its target groups; true once it is drained everywhere. */
export async function drained(ctx: Context, member: MemberRow): Promise<boolean> {
  let done = true;
  for (const arn of member.registered) {
    const state = await targetState(ctx, arn, member.instanceId ?? '');
    if (state === 'unused') continue;
    if (state !== 'draining') await deregisterMember(ctx, arn, member.instanceId ?? '');
    if (state !== 'draining' && (await targetState(ctx, arn, member.instanceId ?? '')) === 'unused') continue;
    done = false;
  }
  if (!done)
    await ctx.transact(async (tx) => {
      await updateActivity(tx, member.activity, { status: 'WaitingForELBConnectionDraining' });
      await tx.schedule({ task: 'look', key: member.group, due: ctx.now + drainLookMillis });
    });
  return done;
}

/** Out of service: drained, hooks, then ended in EC2; gone once EC2 says so. */
export async function advanceTerminating(ctx: Context, group: GroupRow, member: MemberRow, sight: Sight): Promise<void> {
  const ended = sight.state === 'terminated' || sight.state === 'shutting-down';
  const before = inWarmPool(member) ? 'Warmed:' : '';
  if (member.state === 'Terminating' || member.state === 'Warmed:Terminating') {
    // What has ended already has nothing to drain, but must not be sent anything more.
    if (ended) for (const arn of member.registered) await deregisterMember(ctx, arn, member.instanceId ?? '');
    else if (!(await drained(ctx, member))) return;
    await step(ctx, member, async (row, tx) => {
      const hurried = group.deleting === true || (inWarmPool(row) && group.warmPool?.deleting === 'forced');
      const actions = hurried ? [] : await beginHooks(tx, ctx, row, 'autoscaling:EC2_INSTANCE_TERMINATING');
      await updateActivity(tx, row.activity, { status: actions.length > 0 ? 'MidLifecycleAction' : 'InProgress' });
      return {
        ...row,
        actions,
        registered: [],
        state: `${before}Terminating:${actions.length > 0 ? 'Wait' : 'Proceed'}` as const,
      };
    });
    return;
  }
  if (member.state.endsWith(':Wait')) {
    // At termination both results let it go; an abandoned action only ends the other waits.
    const results = (member.actions ?? []).map(({ result }) => result);
    if (results.includes('ABANDON') || !results.includes(undefined))
      await step(ctx, member, (row) => ({ ...row, state: `${before}Terminating:Proceed` as const }));
    return;
  }
  if (!ended) await ctx.call('ec2').terminateInstances({ InstanceIds: [member.instanceId ?? ''] });
  if (sight.state !== 'terminated') return;
  await step(ctx, member, async (row, tx) => {
    await endActivity(tx, ctx, row.activity, 'Successful', { instanceId: row.instanceId });
    await restartCooldown(tx, ctx, row.group);
    return undefined;
  });
}
