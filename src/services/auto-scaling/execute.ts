/** Runs policies: asked for by ExecutePolicy, or by the alarms that name them. */
import type { AutoScaling } from '@aws-sdk/client-auto-scaling';
import { adjust, aggregate, adjustmentFor, trackedCapacity } from '../../base/scaling.ts';
import type { Context, Scope, Transaction } from '../../kernel/context.ts';
import type { HandlersOf } from '../../kernel/service.ts';
import type { AlarmAction, AlarmReceiver } from '../cloudwatch/api.ts';
import { stamp } from './activities.ts';
import { activityInProgress, validationError } from './errors.ts';
import { putDesired, requireGroup } from './groups.ts';
import { capacityOf, counts } from './members.ts';
import { findPolicy } from './policies.ts';
import { type GroupRow, Groups, Members, type MemberRow, Policies, type PolicyRow } from './state.ts';

interface Trigger {
  /** `At … a monitor alarm X in state ALARM triggered policy Y`, without the change. */
  words: string;
  value: number | undefined;
  threshold: number;
}

function warmupMillis(group: GroupRow, policy: PolicyRow): number {
  return (policy.settings.EstimatedInstanceWarmup ?? group.warmup ?? group.cooldown) * 1000;
}

/** Members that an earlier run of a policy launched and that do not count yet ("instance warmup"). */
function warming(ctx: Context, group: GroupRow, policy: PolicyRow, members: readonly MemberRow[]): number {
  return capacityOf(
    members.filter(
      (member) =>
        counts(member) &&
        member.policy !== undefined &&
        ctx.now < (member.inService ?? ctx.now + 1) + warmupMillis(group, policy),
    ),
  );
}

/** The capacity that a policy wants; undefined for no change. */
function wanted(
  ctx: Context,
  group: GroupRow,
  policy: PolicyRow,
  members: readonly MemberRow[],
  trigger: Trigger,
): number | undefined {
  const { settings } = policy;
  const floor = (group.floor?.until ?? 0) > ctx.now ? (group.floor?.capacity ?? 0) : 0;
  const bounded = (capacity: number) => Math.min(group.max, Math.max(group.min, floor, capacity));
  if (policy.type === 'SimpleScaling') return bounded(adjust(group.desired, settings.ScalingAdjustment ?? 0, settings));
  const cold = warming(ctx, group, policy, members);
  const pending = Math.max(0, group.desired - capacityOf(members.filter(counts)));
  const warm = Math.max(0, group.desired - cold - (group.causePolicy === undefined ? 0 : pending));
  let aim: number | undefined;
  if (policy.type === 'StepScaling') {
    if (trigger.value === undefined) return undefined;
    const adjustment = adjustmentFor(settings.StepAdjustments ?? [], trigger.value - trigger.threshold);
    aim = adjustment === undefined ? undefined : adjust(adjustment < 0 ? group.desired : warm, adjustment, settings);
  } else {
    const target = settings.TargetTrackingConfiguration?.TargetValue ?? 0;
    if (trigger.value === undefined) return undefined;
    const tracked = trackedCapacity(trigger.value > target ? warm : group.desired, trigger.value, target);
    aim = trigger.value > target ? Math.max(tracked, group.desired) : Math.min(tracked, group.desired);
  }
  if (aim === undefined) return undefined;
  // What is on its way is part of a larger step; nothing is taken away while it warms up.
  if (aim > warm && aim <= group.desired && cold + pending > 0) return undefined;
  if (aim < group.desired && cold > 0 && settings.AdjustmentType !== 'ExactCapacity') return undefined;
  return bounded(aim);
}

/** Whether a simple policy has to wait: for the cooldown, or for activities under way. */
function held(ctx: Context, group: GroupRow, members: readonly MemberRow[]): boolean {
  return (
    (group.cooling?.until ?? 0) > ctx.now ||
    members.some(({ state }) => state.startsWith('Pending') || state.startsWith('Terminating'))
  );
}

async function run(tx: Transaction, ctx: Context, group: GroupRow, policy: PolicyRow, trigger: Trigger): Promise<void> {
  const members = await tx.table(Members).list({ prefix: [group.name] });
  const desired = wanted(ctx, group, policy, members, trigger);
  if (desired === undefined || desired === group.desired) return;
  const cause = `${trigger.words} changing the desired capacity from ${group.desired} to ${desired}.`;
  const seconds = policy.settings.Cooldown ?? group.cooldown;
  const cooling = policy.type === 'SimpleScaling' ? { seconds, until: ctx.now + seconds * 1000 } : group.cooling;
  await putDesired(tx, { ...group, cooling }, desired, cause, policy.arn);
}

/** What CloudWatch calls when an alarm names a policy. */
export function createApi(system: Context): AlarmReceiver {
  return {
    async onAlarm(scope: Scope, { action, alarmName, state, value: newest, values, threshold }: AlarmAction) {
      const ctx = system.inScope(scope);
      await ctx.transact(async (tx) => {
        const policy = await tx.table(Policies).firstByIndex('byArn', [action]);
        const group = policy === undefined ? undefined : await tx.table(Groups).get(policy.group);
        if (policy?.type === 'PredictiveScaling') throw validationError(`The policy ${action} takes no alarms.`);
        if (policy === undefined) throw validationError(`The policy ${action} does not exist.`);
        if (group === undefined || group.deleting === true || policy.settings.Enabled === false) return;
        if (group.suspended.includes('AlarmNotification')) return;
        if (
          policy.type === 'TargetTrackingScaling' &&
          (state !== 'ALARM' || !policy.alarms.some(({ name }) => name === alarmName))
        )
          return;
        if (policy.type === 'SimpleScaling' && held(ctx, group, await tx.table(Members).list({ prefix: [group.name] }))) return;
        const words = `At ${stamp(ctx.now)} a monitor alarm ${alarmName} in state ${state} triggered policy ${policy.name}`;
        const stepped = policy.type === 'StepScaling' ? aggregate(values, policy.settings.MetricAggregationType) : undefined;
        await run(tx, ctx, group, policy, { words, value: stepped ?? newest, threshold });
      });
    },
  };
}

export const executeHandlers: HandlersOf<AutoScaling> = {
  /** Step policies need MetricValue and BreachThreshold; target tracking cannot be run by hand. */
  async ExecutePolicy(
    { AutoScalingGroupName: name, PolicyName: policyName = '', HonorCooldown: honor, MetricValue, BreachThreshold },
    ctx,
  ) {
    await ctx.transact(async (tx) => {
      const policy = await findPolicy(tx, name, policyName);
      const group = await requireGroup(tx, policy.group);
      if (policy.type === 'TargetTrackingScaling' || policy.type === 'PredictiveScaling')
        throw validationError(`ExecutePolicy is not supported for ${policy.type} policies.`);
      if (policy.type === 'StepScaling') {
        if (MetricValue === undefined || BreachThreshold === undefined)
          throw validationError('MetricValue and BreachThreshold are required for policies of type StepScaling.');
        if (honor !== undefined) throw validationError('HonorCooldown is not supported for policies of type StepScaling.');
      } else if (MetricValue !== undefined || BreachThreshold !== undefined)
        throw validationError('MetricValue and BreachThreshold are only supported for policies of type StepScaling.');
      if (honor === true && (group.cooling?.until ?? 0) > ctx.now)
        throw activityInProgress(`A scaling activity of the group ${group.name} is in cooldown and blocks this action`);
      const words = `At ${stamp(ctx.now)} a user request executed policy ${policy.name}`;
      await run(tx, ctx, group, policy, { words, value: MetricValue, threshold: BreachThreshold ?? 0 });
    });
    return {};
  },
};
