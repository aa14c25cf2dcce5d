/**
 * Scaling policies of targets: step scaling by alarms of the user, target tracking by alarms that the service makes and keeps in step with the capacity.
 * Source: Application Auto Scaling User Guide, "How target tracking scaling works", "How step scaling works".
 */
import type {
  ApplicationAutoScaling,
  ScalingPolicy,
  StepScalingPolicyConfiguration,
  TargetTrackingScalingPolicyConfiguration,
} from '@aws-sdk/client-application-auto-scaling';
import type { PutMetricAlarmInput } from '@aws-sdk/client-cloudwatch';
import { adjust, adjustmentFor, aggregate, stepsProblem, trackedCapacity } from '../../base/scaling.ts';
import type { Context } from '../../kernel/context.ts';
import { parameterNotImplemented } from '../../kernel/errors.ts';
import type { HandlersOf } from '../../kernel/service.ts';
import type { AlarmAction, AlarmReceiver } from '../cloudwatch/api.ts';
import { checkPredefined, dimensionOf } from './dimensions.ts';
import { policyNotFound, validationException } from './errors.ts';
import { type PolicyRow, Policies, type TargetRow, Targets } from './state.ts';
import { isAsked, nameOf, pageFor, requireTarget, scaleTo } from './targets.ts';

const periodSeconds = 60;

function checkStep(given: StepScalingPolicyConfiguration | undefined): StepScalingPolicyConfiguration {
  if (given === undefined) throw validationException('StepScalingPolicyConfiguration is required for policy type StepScaling.');
  if (given.AdjustmentType === undefined) throw validationException('AdjustmentType is required for policy type StepScaling.');
  const problem = stepsProblem(given.StepAdjustments ?? []);
  if (problem !== undefined) throw validationException(problem);
  return { MetricAggregationType: 'Average', ...given };
}

/** Throws ValidationException; metric math is not built. */
function checkTracking(
  row: Pick<PolicyRow, 'namespace' | 'resource' | 'dimension'>,
  given: TargetTrackingScalingPolicyConfiguration | undefined,
): TargetTrackingScalingPolicyConfiguration {
  if (given === undefined)
    throw validationException('TargetTrackingScalingPolicyConfiguration is required for policy type TargetTrackingScaling.');
  const { PredefinedMetricSpecification: predefined, CustomizedMetricSpecification: custom, TargetValue: target = 0 } = given;
  if ((predefined === undefined) === (custom === undefined))
    throw validationException(
      'Exactly one of PredefinedMetricSpecification and CustomizedMetricSpecification must be specified.',
    );
  if (predefined !== undefined) {
    checkPredefined(dimensionOf(row), predefined);
    // "The target utilization must be between 20 and 90" for DynamoDB.
    if (target < 20 || target > 90)
      throw validationException('TargetValue must be between 20.0 and 90.0 for the predefined metric.');
  }
  if (custom?.Metrics !== undefined) throw parameterNotImplemented('PutScalingPolicy', 'CustomizedMetricSpecification.Metrics');
  if (
    custom !== undefined &&
    (custom.MetricName === undefined || custom.Namespace === undefined || custom.Statistic === undefined)
  )
    throw validationException('MetricName, Namespace and Statistic are required in CustomizedMetricSpecification.');
  if (target <= 0) throw validationException('TargetValue must be greater than 0.');
  return given;
}

/** Thresholds of the two alarms: use at the target for two minutes, or well below it for fifteen. */
function sidesOf(row: PolicyRow, capacity: number): { side: string; alarm: Partial<PutMetricAlarmInput> }[] {
  const { TargetValue: target = 0, PredefinedMetricSpecification: predefined, DisableScaleIn } = row.tracking ?? {};
  const full = predefined === undefined ? 1 : (dimensionOf(row).usePerUnit(periodSeconds) * capacity) / 100;
  const low = predefined === undefined ? target * 0.9 : target > 40 ? target - 20 : target / 2;
  const high = {
    side: 'AlarmHigh',
    alarm: { Threshold: target * full, EvaluationPeriods: 2, ComparisonOperator: 'GreaterThanThreshold' as const },
  };
  const under = {
    side: 'AlarmLow',
    alarm: { Threshold: low * full, EvaluationPeriods: 15, ComparisonOperator: 'LessThanThreshold' as const },
  };
  return DisableScaleIn === true ? [high] : [high, under];
}

/** Makes the alarms of a target tracking policy, or sets their thresholds to the capacity. */
async function putAlarms(ctx: Context, row: PolicyRow, capacity: number): Promise<PolicyRow['alarms']> {
  const cloudwatch = ctx.asService().call('cloudwatch');
  const custom = row.tracking?.CustomizedMetricSpecification;
  const metric =
    custom === undefined
      ? { ...dimensionOf(row).metric(row), Statistic: 'Sum' as const }
      : {
          Namespace: custom.Namespace,
          MetricName: custom.MetricName,
          Dimensions: custom.Dimensions,
          Statistic: custom.Statistic,
          Unit: custom.Unit as PutMetricAlarmInput['Unit'],
        };
  const alarms: { name: string; arn: string }[] = [];
  for (const { side, alarm } of sidesOf(row, capacity)) {
    const name =
      row.alarms.find((one) => one.name.includes(`-${side}-`))?.name ?? `TargetTracking-${row.resource}-${side}-${ctx.uuid()}`;
    await cloudwatch.putMetricAlarm({
      AlarmName: name,
      AlarmDescription: `DO NOT EDIT OR DELETE. For TargetTrackingScaling policy ${row.arn}.`,
      AlarmActions: [row.arn],
      Period: periodSeconds,
      EvaluationPeriods: alarm.EvaluationPeriods,
      ComparisonOperator: alarm.ComparisonOperator,
      Threshold: alarm.Threshold,
      ...metric,
    });
    alarms.push({ name, arn: `arn:aws:cloudwatch:${ctx.region}:${ctx.account}:alarm:${name}` });
  }
  const gone = row.alarms.filter(({ name }) => !alarms.some((alarm) => alarm.name === name));
  if (gone.length > 0) await cloudwatch.deleteAlarms({ AlarmNames: gone.map(({ name }) => name) });
  return alarms;
}

/** The capacity that a policy wants, before the target's bounds; undefined for no change. */
function wanted(row: PolicyRow, current: number, { value, values, threshold }: AlarmAction): number | undefined {
  if (row.step !== undefined) {
    const seen = aggregate(values, row.step.MetricAggregationType) ?? value;
    const adjustment = seen === undefined ? undefined : adjustmentFor(row.step.StepAdjustments ?? [], seen - threshold);
    return adjustment === undefined ? undefined : adjust(current, adjustment, row.step);
  }
  const { TargetValue: target = 0, PredefinedMetricSpecification: predefined } = row.tracking ?? {};
  if (value === undefined) return undefined;
  if (predefined === undefined) return trackedCapacity(current, value, target);
  return Math.ceil(value / dimensionOf(row).usePerUnit(periodSeconds) / (target / 100) - 1e-9);
}

/** Whether a change has to wait: for a cooldown, or because it is suspended. */
function isHeld(ctx: Context, policy: PolicyRow, target: TargetRow, up: boolean): boolean {
  if (up ? target.suspended.DynamicScalingOutSuspended : target.suspended.DynamicScalingInSuspended) return true;
  const last = up ? target.scaledOut : Math.max(target.scaledOut ?? 0, target.scaledIn ?? 0);
  const tracked = up ? policy.tracking?.ScaleOutCooldown : policy.tracking?.ScaleInCooldown;
  const seconds = policy.step?.Cooldown ?? tracked ?? 0;
  return ctx.now < (last ?? 0) + seconds * 1000;
}

/** What CloudWatch calls when an alarm names a policy. */
export function createApi(system: Context): AlarmReceiver {
  return {
    async onAlarm(scope, action) {
      const ctx = system.inScope(scope);
      const policy = await ctx.table(Policies).firstByIndex('byArn', [action.action]);
      if (policy === undefined) throw validationException(`The policy ${action.action} does not exist.`);
      const target = await ctx.table(Targets).get(policy.namespace, policy.resource, policy.dimension);
      if (target === undefined || (policy.tracking !== undefined && action.state !== 'ALARM')) return;
      const { current, busy } = await dimensionOf(policy).read(ctx, policy);
      const aim = wanted(policy, current, action);
      if (aim === undefined || busy) return;
      const capacity = Math.max(target.min, Math.min(target.max, aim));
      const low = action.alarmName.includes('-AlarmLow-');
      if (capacity === current || (policy.tracking !== undefined && capacity > current === low)) return;
      if (isHeld(ctx, policy, target, capacity > current)) return;
      const cause = `monitor alarm ${action.alarmName} in state ${action.state} triggered policy ${policy.name}`;
      if (!(await scaleTo(ctx, target, current, capacity, cause))) return;
      const rows = await ctx.table(Policies).list({ prefix: [policy.namespace, policy.resource, policy.dimension] });
      for (const row of rows) if (row.tracking?.PredefinedMetricSpecification !== undefined) await putAlarms(ctx, row, capacity);
    },
  };
}

async function describePolicy(ctx: Context, row: PolicyRow): Promise<ScalingPolicy> {
  const { MetricAlarms = [] } = await ctx.asService().call('cloudwatch').describeAlarms({ ActionPrefix: row.arn });
  return {
    PolicyARN: row.arn,
    PolicyName: row.name,
    ServiceNamespace: row.namespace,
    ResourceId: row.resource,
    ScalableDimension: row.dimension,
    PolicyType: row.step === undefined ? 'TargetTrackingScaling' : 'StepScaling',
    StepScalingPolicyConfiguration: row.step,
    TargetTrackingScalingPolicyConfiguration: row.tracking,
    Alarms: MetricAlarms.map(({ AlarmName, AlarmArn }) => ({ AlarmName, AlarmARN: AlarmArn })),
    CreationTime: new Date(row.created),
  };
}

export const policyHandlers: HandlersOf<ApplicationAutoScaling> = {
  /** Replaces the policy of the same name. DynamoDB takes target tracking only. */
  async PutScalingPolicy(input, ctx) {
    const name = nameOf(input);
    const type = input.PolicyType ?? 'StepScaling';
    if (type === 'PredictiveScaling' || input.PredictiveScalingPolicyConfiguration !== undefined)
      throw parameterNotImplemented('PutScalingPolicy', 'PolicyType PredictiveScaling');
    await requireTarget(ctx, name);
    if (type === 'StepScaling' && name.namespace === 'dynamodb')
      throw validationException('Policy type StepScaling is not supported for service namespace dynamodb.');
    const before = await ctx.table(Policies).get(name.namespace, name.resource, name.dimension, input.PolicyName ?? '');
    const row: PolicyRow = {
      ...name,
      name: input.PolicyName ?? '',
      arn:
        before?.arn ??
        `arn:aws:autoscaling:${ctx.region}:${ctx.account}:scalingPolicy:${ctx.uuid()}:resource/${name.namespace}/${name.resource}:policyName/${input.PolicyName}`,
      ...(type === 'StepScaling'
        ? { step: checkStep(input.StepScalingPolicyConfiguration) }
        : { tracking: checkTracking(name, input.TargetTrackingScalingPolicyConfiguration) }),
      alarms: before?.alarms ?? [],
      created: before?.created ?? ctx.now,
    };
    const plain = JSON.parse(JSON.stringify(row)) as PolicyRow;
    await ctx.transact((tx) => tx.table(Policies).put(plain));
    if (plain.tracking === undefined) return { PolicyARN: plain.arn, Alarms: [] };
    const { current } = await dimensionOf(name).read(ctx, name);
    const alarms = await putAlarms(ctx, plain, current);
    await ctx.transact((tx) => tx.table(Policies).put({ ...plain, alarms }));
    return { PolicyARN: plain.arn, Alarms: alarms.map((alarm) => ({ AlarmName: alarm.name, AlarmARN: alarm.arn })) };
  },

  async DeleteScalingPolicy(input, ctx) {
    const { namespace, resource, dimension } = nameOf(input);
    const key = [namespace, resource, dimension, input.PolicyName ?? ''] as const;
    const row = await ctx.table(Policies).get(...key);
    if (row === undefined) throw policyNotFound(input.PolicyName ?? '', namespace, resource, dimension);
    await ctx.transact((tx) => tx.table(Policies).delete(...key));
    if (row.alarms.length > 0)
      await ctx
        .asService()
        .call('cloudwatch')
        .deleteAlarms({ AlarmNames: row.alarms.map((alarm) => alarm.name) });
    return {};
  },

  async DescribeScalingPolicies(input, ctx) {
    const { PolicyNames: names = [] } = input;
    const rows = (await ctx.table(Policies).list()).filter(
      (row) => isAsked(row, input) && (names.length === 0 || names.includes(row.name)),
    );
    const page = pageFor('policies', rows, (row) => [row.resource, row.dimension, row.name], input);
    return { ScalingPolicies: await Promise.all(page.items.map((row) => describePolicy(ctx, row))), NextToken: page.nextToken };
  },
};
