/**
 * Brings one group in line: looks at its instances, moves each a step along its lifecycle, replaces what is ill, and launches or ends instances until
 * there are as many as desired. Rows decide; hints come from handlers, EC2's events, and a look every ten seconds of cloud time. Each step is a
 * transaction of its own that reads its row again, and hints for the next. Source: "Amazon EC2 Auto Scaling instance lifecycle".
 */
import type { LifecycleState } from '@aws-sdk/client-auto-scaling';
import type { Context, DomainEvent } from '../../kernel/context.ts';
import type { Reconciler, Task } from '../../kernel/service.ts';
import { beginActivity, endActivity, stamp, updateActivity } from './activities.ts';
import { memberToEnd, spotNext, unbalanced, zoneForLaunch } from './choose.ts';
import { forgetGroup, lookMillis } from './groups.ts';
import { beginHooks } from './hooks.ts';
import { launchMember, newMember } from './launch.ts';
import { asLinkedRole } from './linked-role.ts';
import { capacityOf, counts, inWarmPool } from './members.ts';
import { publishMetrics } from './metrics.ts';
import { illnessOf, observe, type Sight } from './observe.ts';
import { stepRefresh } from './refresh-step.ts';
import { type GroupRow, Groups, type MemberRow, Members } from './state.ts';
import { awaitsHealth, isLeaving, replacementsWanted } from './rebalance.ts';
import { advanceTerminating, drained, endMember, restartCooldown, step } from './steps.ts';
import { deregisterMember, registerMember } from './targets.ts';
import { advanceWarmed, hasRoomInPool, isReady, returnToPool, sizePool, wake } from './warm-pool-step.ts';

/** From `Pending` into service: hooks first, then the target groups. */
async function advancePending(ctx: Context, group: GroupRow, member: MemberRow, sight: Sight): Promise<void> {
  if (member.moving === 'fromPool' && (sight.state === 'stopped' || sight.state === 'stopping')) {
    if (sight.state === 'stopped') await wake(ctx, group, member);
    return;
  }
  if (sight.state !== 'running' && sight.state !== 'pending') {
    await step(ctx, member, async (row, tx) => {
      const message = "Instance failed to complete user's Lifecycle Action or became unhealthy: it is " + sight.state;
      await endActivity(tx, ctx, row.activity, 'Failed', { message, instanceId: row.instanceId });
      return undefined;
    });
    return;
  }
  if (sight.state !== 'running') return;
  if (member.state === 'Pending' && member.actions === undefined) {
    await step(ctx, member, async (row, tx) => {
      const actions = await beginHooks(tx, ctx, row, 'autoscaling:EC2_INSTANCE_LAUNCHING');
      if (actions.length > 0) await updateActivity(tx, row.activity, { status: 'MidLifecycleAction', progress: 40 });
      return { ...row, actions, state: actions.length > 0 ? 'Pending:Wait' : 'Pending:Proceed' };
    });
    return;
  }
  if (member.state === 'Pending:Wait') {
    const results = (member.actions ?? []).map(({ result }) => result);
    if (results.includes('ABANDON'))
      return endMember(
        ctx,
        group,
        member,
        `At ${stamp(ctx.now)} an instance was taken out of service in response to a lifecycle action that was abandoned.`,
        'abandoned',
      );
    if (!results.includes(undefined)) await step(ctx, member, (row) => ({ ...row, state: 'Pending:Proceed' }));
    return;
  }
  const registered: string[] = [];
  if (!group.suspended.includes('AddToLoadBalancer'))
    for (const arn of group.targetGroups) if (await registerMember(ctx, arn, member.instanceId ?? '')) registered.push(arn);
  await step(ctx, member, async (row, tx) => {
    await endActivity(tx, ctx, row.activity, 'Successful', { instanceId: row.instanceId });
    await restartCooldown(tx, ctx, row.group);
    return {
      ...row,
      state: 'InService',
      inService: ctx.now,
      activity: undefined,
      actions: undefined,
      moving: undefined,
      registered,
    };
  });
}

/** Leaves the group, or its service, and goes on running. */
async function advanceLeaving(ctx: Context, member: MemberRow): Promise<void> {
  if (!(await drained(ctx, member))) return;
  if (member.state === 'Detaching')
    await ctx.call('ec2').deleteTags({ Resources: [member.instanceId ?? ''], Tags: [{ Key: 'aws:autoscaling:groupName' }] });
  await step(ctx, member, async (row, tx) => {
    await endActivity(tx, ctx, row.activity, 'Successful', { instanceId: row.instanceId });
    return row.state === 'Detaching' ? undefined : { ...row, state: 'Standby', activity: undefined, registered: [] };
  });
}

/** A member in service: registered where the group is, replaced when it is ill or has lived its time. */
async function tend(ctx: Context, group: GroupRow, member: MemberRow, sight: Sight): Promise<void> {
  const cause = (why: string) => `At ${stamp(ctx.now)} an instance was taken out of service ${why}.`;
  const illness = group.suspended.includes('HealthCheck') ? undefined : await illnessOf(ctx, group, member, sight);
  if (illness !== undefined) {
    if (!group.suspended.includes('ReplaceUnhealthy') && !group.suspended.includes('Terminate'))
      return endMember(ctx, group, member, cause(illness), 'ill');
    if (member.healthy) await step(ctx, member, (row) => ({ ...row, healthy: false, unhealthyBecause: illness }));
    return;
  }
  if (group.maxLifetime !== undefined && ctx.now > member.launched + group.maxLifetime * 1000)
    return endMember(ctx, group, member, cause('in response to the maximum instance lifetime'), 'ill');
  const [missing, surplus] = [
    group.suspended.includes('AddToLoadBalancer') ? [] : group.targetGroups.filter((arn) => !member.registered.includes(arn)),
    member.registered.filter((arn) => !group.targetGroups.includes(arn)),
  ];
  if (missing.length === 0 && surplus.length === 0) return;
  const added: string[] = [];
  for (const arn of missing) if (await registerMember(ctx, arn, member.instanceId ?? '')) added.push(arn);
  for (const arn of surplus) await deregisterMember(ctx, arn, member.instanceId ?? '');
  if (added.length > 0 || surplus.length > 0)
    await step(ctx, member, (row) => ({
      ...row,
      registered: [...row.registered.filter((arn) => !surplus.includes(arn)), ...added],
    }));
}

async function advance(ctx: Context, group: GroupRow, member: MemberRow, sight: Sight | undefined): Promise<void> {
  if (sight === undefined) return launchMember(ctx, group, member);
  const kind: LifecycleState = member.state;
  if (kind.startsWith('Warmed:')) return advanceWarmed(ctx, group, member, sight);
  if (kind.startsWith('Pending')) return advancePending(ctx, group, member, sight);
  if (kind.startsWith('Terminating')) return advanceTerminating(ctx, group, member, sight);
  if (kind === 'Detaching' || kind === 'EnteringStandby') return advanceLeaving(ctx, member);
  if (kind === 'InService') return tend(ctx, group, member, sight);
}

/** Why the next launch happens, in AWS's words. */
function launchCause(ctx: Context, group: GroupRow, from: number): string {
  const at = stamp(ctx.now);
  if (group.replacements > 0 && group.cause === '')
    return `At ${at} an instance was launched in response to an unhealthy instance needing to be replaced.`;
  const words = `At ${at} an instance was started in response to a difference between desired and actual capacity, increasing the capacity from ${from} to ${group.desired}.`;
  return group.cause === '' ? words : `${group.cause}  ${words}`;
}

/** Why an instance is launched that nobody desired. */
const extraCauses = {
  zones: (ctx: Context, { zones }: GroupRow) =>
    `At ${stamp(ctx.now)} instances were launched to balance instances in zones ${zones.join(' ')} with other zones resulting in more than desired number of instances in the group.`,
  risk: (ctx: Context) =>
    `At ${stamp(ctx.now)} an instance was launched in response to an EC2 instance rebalance recommendation.`,
} as const;

/** What is still being launched beyond the desired capacity takes nobody's place yet. */
const hasPlace = ({ extra, state }: MemberRow): boolean => extra !== true || state === 'InService';

/** Writes the rows of the launches that are missing; false when there are none or nowhere to go. */
async function launchMissing(
  ctx: Context,
  group: GroupRow,
  members: readonly MemberRow[],
  extra?: 'zones' | 'risk',
): Promise<boolean> {
  const live = members.filter(counts);
  const missing = extra === undefined ? group.desired - capacityOf(live.filter(hasPlace)) : 1;
  if (missing <= 0 || group.suspended.includes('Launch')) return false;
  const planned: MemberRow[] = [];
  const warm = extra !== undefined ? [] : members.filter((member) => isReady(member));
  while (capacityOf(planned) < missing) {
    const together = [...live, ...planned];
    const zone = zoneForLaunch(group, together, ctx.now);
    if (zone === undefined) break;
    const ready = warm.find((member) => member.zone === zone) ?? warm[0];
    if (ready !== undefined) {
      warm.splice(warm.indexOf(ready), 1);
      planned.push({ ...ready, state: 'Pending', moving: 'fromPool', policy: group.causePolicy, protected: group.protectNew });
      continue;
    }
    planned.push(
      await newMember(
        ctx,
        group,
        zone,
        { spot: spotNext(group.launch, together), policy: group.causePolicy, extra: extra === undefined ? undefined : true },
        together,
      ),
    );
  }
  if (planned.length === 0) return false;
  await ctx.transact(async (tx) => {
    const row = await tx.table(Groups).get(group.name);
    const now = (await tx.table(Members).list({ prefix: [group.name] })).filter(counts).length;
    if (row === undefined || row.desired !== group.desired || now !== live.length) return tx.hint('groups', group.name);
    for (const member of planned) {
      if (member.moving === 'fromPool' && !isReady(await tx.table(Members).get(group.name, member.slot))) continue;
      const cause = extra === undefined ? launchCause(ctx, group, capacityOf(live)) : extraCauses[extra](ctx, group);
      const activity = await beginActivity(tx, ctx, group, {
        description: `Launching a new EC2 instance${member.moving === 'fromPool' ? ` from warm pool: ${member.instanceId}` : ''}`,
        cause,
        status: 'PreInService',
        member,
      });
      await tx.table(Members).put({ ...member, activity: activity.id });
    }
    await tx.table(Groups).put({ ...row, replacements: Math.max(0, row.replacements - planned.length) });
    tx.hint('groups', group.name);
  });
  return true;
}

/** Begins the end of those that are too many. */
async function endSurplus(ctx: Context, group: GroupRow, members: readonly MemberRow[]): Promise<void> {
  if (group.suspended.includes('Terminate')) return;
  let live = members.filter((member) => counts(member) && hasPlace(member));
  const from = capacityOf(live);
  while (capacityOf(live) > group.desired) {
    const candidates = live.filter(({ instanceId }) => instanceId !== undefined);
    const atRisk = candidates.find((member) => isLeaving(group, member));
    const chosen = group.deleting === true ? candidates[0] : (atRisk ?? memberToEnd(group, candidates, ctx.now));
    // With weights the group rather has too much than too little.
    if (chosen === undefined || capacityOf(live) - capacityOf([chosen]) < group.desired) return;
    const words =
      chosen === atRisk
        ? `At ${stamp(ctx.now)} an instance was taken out of service in response to an EC2 instance rebalance recommendation.`
        : `At ${stamp(ctx.now)} an instance was taken out of service in response to a difference between desired and actual capacity, shrinking the capacity from ${from} to ${group.desired}.  At ${stamp(ctx.now)} instance ${chosen.instanceId} was selected for termination.`;
    const cause = group.cause === '' ? words : `${group.cause}  ${words}`;
    if (chosen !== atRisk && (await hasRoomInPool(ctx, group, chosen))) await returnToPool(ctx, group, chosen, cause);
    else await endMember(ctx, group, chosen, cause, 'excess');
    live = live.filter((member) => member !== chosen);
  }
}

/** Compares desired and actual capacity; the reason of a change is forgotten once they agree. */
async function scale(ctx: Context, name: string): Promise<void> {
  const row = await ctx.table(Groups).get(name);
  if (row === undefined) return;
  const group = { ...row, launch: row.refreshing ?? row.launch };
  const members = await ctx.table(Members).list({ prefix: [name] });
  const live = members.filter(counts);
  if (await launchMissing(ctx, group, members)) return;
  if (replacementsWanted(group, members) > 0 && (await launchMissing(ctx, group, members, 'risk'))) return;
  if (await awaitsHealth(ctx, group, members)) return;
  await endSurplus(ctx, group, members);
  const settled = members.every((member) => inWarmPool(member) || member.state === 'InService' || member.state === 'Standby');
  const weighted = live.some(({ weight }) => weight !== undefined);
  if (!settled || (weighted ? capacityOf(live) < group.desired : live.length !== group.desired)) return;
  if (live.some(({ extra }) => extra) || group.cause !== '' || group.replacements > 0)
    await ctx.transact(async (tx) => {
      const row = await tx.table(Groups).get(name);
      if (row === undefined || row.desired !== group.desired) return;
      await tx.table(Groups).put({ ...row, cause: '', replacements: 0 });
      for (const member of live)
        if (member.extra === true) await tx.table(Members).update([name, member.slot], (one) => ({ ...one, extra: undefined }));
    });
  else if (!group.suspended.includes('AZRebalance') && live.length > 0 && unbalanced(group, live, ctx.now))
    await launchMissing(ctx, group, members, 'zones');
}

export const groups: Reconciler = {
  decides: true,
  async keys(ctx) {
    return (await ctx.everywhere(Groups)).map(({ scope, row }) => ({ ...scope, key: row.name }));
  },
  async run({ key }, ctx) {
    const row = await ctx.table(Groups).get(key);
    if (row === undefined) return;
    const group = { ...row, launch: row.refreshing ?? row.launch };
    const members = await ctx.table(Members).list({ prefix: [key] });
    const acting = await asLinkedRole(ctx, group);
    const seen = await observe(acting, members);
    for (const member of members)
      await advance(acting, group, member, member.instanceId === undefined ? undefined : seen.get(member.instanceId));
    await scale(acting, key);
    await sizePool(acting, key);
    await stepRefresh(acting, group, (member, cause) => endMember(acting, group, member, cause, 'excess'));
    if (group.deleting !== true) return;
    await ctx.transact(async (tx) => {
      if ((await tx.table(Members).count([key])) === 0) await forgetGroup(tx, key);
    });
  },
};

/** A look at a group that nothing hinted at: health of targets and hosts, zones that work again. */
export const look: Task = async ({ key }, ctx) => {
  const group = await ctx.table(Groups).get(key);
  if (group === undefined) return;
  await publishMetrics(ctx, group);
  await ctx.transact(async (tx) => {
    tx.hint('groups', key);
    await tx.schedule({ task: 'look', key, due: ctx.now + lookMillis });
  });
};

/** An instance has changed its state: its group looks at once. */
export async function onInstanceState(event: DomainEvent, ctx: Context): Promise<void> {
  const id = (event.detail as { 'instance-id'?: string })['instance-id'];
  const member = id === undefined ? undefined : await ctx.table(Members).firstByIndex('byInstance', [id]);
  if (member !== undefined) await ctx.transact(async (tx) => tx.hint('groups', member.group));
}
