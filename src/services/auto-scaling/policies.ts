/** Scaling policies: checked, kept, described; target tracking makes and keeps its two alarms. */
import type { AutoScaling, PutScalingPolicyType, ScalingPolicy, TargetTrackingConfiguration } from '@aws-sdk/client-auto-scaling';
import type { PutMetricAlarmInput } from '@aws-sdk/client-cloudwatch';
import { stepsProblem } from '../../base/scaling.ts';
import type { Context, Transaction } from '../../kernel/context.ts';
import { parameterNotImplemented } from '../../kernel/errors.ts';
import type { HandlersOf } from '../../kernel/service.ts';
import { validationError } from './errors.ts';
import { requireGroup } from './groups.ts';
import { pageFor } from './lists.ts';
import { beginPrediction, readPredictive } from './predictive.ts';
import { Forecasts, type GroupRow, Policies, type PolicyRow } from './state.ts';

const types = ['SimpleScaling', 'StepScaling', 'TargetTrackingScaling', 'PredictiveScaling'];
const adjustments = ['ChangeInCapacity', 'ExactCapacity', 'PercentChangeInCapacity'];

/** A policy by name or ARN. Throws ValidationError. */
export async function findPolicy(
  reader: Pick<Context | Transaction, 'table'>,
  group: string | undefined,
  name: string,
): Promise<PolicyRow> {
  if (name.startsWith('arn:')) {
    const row = await reader.table(Policies).firstByIndex('byArn', [name]);
    if (row !== undefined) return row;
  } else {
    if (group === undefined) throw validationError('AutoScalingGroupName is required when PolicyName is not an ARN.');
    await requireGroup(reader, group);
    const row = await reader.table(Policies).get(group, name);
    if (row !== undefined) return row;
  }
  throw validationError(`PolicyName ${name} not found`);
}

function checkTracking(given: TargetTrackingConfiguration | undefined): void {
  if (given === undefined)
    throw validationError('TargetTrackingConfiguration is required for TargetTrackingScaling policy type.');
  const { PredefinedMetricSpecification: predefined, CustomizedMetricSpecification: custom, TargetValue: target = 0 } = given;
  if ((predefined === undefined) === (custom === undefined))
    throw validationError('You must specify either a PredefinedMetricSpecification or a CustomizedMetricSpecification.');
  if (target <= 0) throw validationError('TargetValue must be greater than 0.');
  if (predefined !== undefined) {
    const type = predefined.PredefinedMetricType;
    if (
      !['ASGAverageCPUUtilization', 'ASGAverageNetworkIn', 'ASGAverageNetworkOut', 'ALBRequestCountPerTarget'].includes(
        type ?? '',
      )
    )
      throw validationError(`Invalid predefined metric type: ${type}.`);
    if (
      type === 'ALBRequestCountPerTarget' &&
      !/^app\/[^/]+\/[^/]+\/targetgroup\/[^/]+\/[^/]+$/.test(predefined.ResourceLabel ?? '')
    )
      throw validationError(
        'Resource label is required for metric type ALBRequestCountPerTarget and must have the form app/my-alb/778d41231b141a0f/targetgroup/my-alb-target-group/943f017f100becff.',
      );
    if (type !== 'ALBRequestCountPerTarget' && predefined.ResourceLabel !== undefined)
      throw validationError(`Resource label can't be specified for metric type ${type}.`);
  }
  if (custom?.Metrics !== undefined) throw parameterNotImplemented('PutScalingPolicy', 'CustomizedMetricSpecification.Metrics');
  if (
    custom !== undefined &&
    (custom.MetricName === undefined || custom.Namespace === undefined || custom.Statistic === undefined)
  )
    throw validationError('MetricName, Namespace and Statistic are required in CustomizedMetricSpecification.');
}

/** What says how far a simple or step policy goes. */
const adjusting = [
  'AdjustmentType',
  'ScalingAdjustment',
  'StepAdjustments',
  'Cooldown',
  'MinAdjustmentMagnitude',
  'MetricAggregationType',
] as const;

/** Checks what each type needs and what belongs to another. Throws ValidationError. */
function checkPolicy(input: PutScalingPolicyType): PolicyRow['type'] {
  const type = input.PolicyType ?? 'SimpleScaling';
  if (!types.includes(type)) throw validationError(`Invalid policy type: ${type}.`);
  const foreign = (names: readonly (keyof PutScalingPolicyType)[]) => {
    const name = names.find(
      (one) => input[one] !== undefined && !(Array.isArray(input[one]) && (input[one] as unknown[]).length === 0),
    );
    if (name !== undefined) throw validationError(`${name} is not supported for policy type ${type}.`);
  };
  if (type !== 'PredictiveScaling') foreign(['PredictiveScalingConfiguration']);
  if (type === 'TargetTrackingScaling') {
    foreign(adjusting);
    checkTracking(input.TargetTrackingConfiguration);
    return type;
  }
  foreign(['TargetTrackingConfiguration']);
  if (type === 'PredictiveScaling') {
    foreign([...adjusting, 'EstimatedInstanceWarmup']);
    return 'PredictiveScaling';
  }
  if (input.AdjustmentType === undefined) throw validationError(`AdjustmentType is required for policy type ${type}.`);
  if (!adjustments.includes(input.AdjustmentType)) throw validationError(`Invalid adjustment type: ${input.AdjustmentType}.`);
  const magnitude = input.MinAdjustmentMagnitude ?? input.MinAdjustmentStep;
  if (magnitude !== undefined && input.AdjustmentType !== 'PercentChangeInCapacity')
    throw validationError('MinAdjustmentMagnitude is only supported for adjustment type PercentChangeInCapacity.');
  if (type === 'StepScaling') {
    foreign(['ScalingAdjustment', 'Cooldown']);
    const problem = stepsProblem(input.StepAdjustments ?? []);
    if (problem !== undefined) throw validationError(problem);
    if (!['Minimum', 'Maximum', 'Average', undefined].includes(input.MetricAggregationType))
      throw validationError(`Invalid MetricAggregationType: ${input.MetricAggregationType}.`);
    return 'StepScaling';
  }
  foreign(['StepAdjustments', 'EstimatedInstanceWarmup', 'MetricAggregationType']);
  if (input.ScalingAdjustment === undefined)
    throw validationError('ScalingAdjustment is required for policy type SimpleScaling.');
  if (input.AdjustmentType === 'ExactCapacity' && input.ScalingAdjustment < 0)
    throw validationError('ScalingAdjustment must be non-negative for adjustment type ExactCapacity.');
  return 'SimpleScaling';
}

/** The metric that a target tracking policy watches. */
function metricOf(
  group: GroupRow,
  tracking: TargetTrackingConfiguration,
): Pick<PutMetricAlarmInput, 'Namespace' | 'MetricName' | 'Dimensions' | 'Statistic' | 'Unit'> {
  const custom = tracking.CustomizedMetricSpecification;
  if (custom !== undefined)
    return {
      Namespace: custom.Namespace,
      MetricName: custom.MetricName,
      Dimensions: custom.Dimensions,
      Statistic: custom.Statistic,
      Unit: custom.Unit as PutMetricAlarmInput['Unit'],
    };
  const { PredefinedMetricType: type, ResourceLabel: label = '' } = tracking.PredefinedMetricSpecification ?? {};
  if (type === 'ALBRequestCountPerTarget')
    return {
      Namespace: 'AWS/ApplicationELB',
      MetricName: 'RequestCountPerTarget',
      Statistic: 'Sum',
      Dimensions: [{ Name: 'TargetGroup', Value: label.slice(label.indexOf('targetgroup/')) }],
    };
  const names: Readonly<Record<string, string>> = {
    ASGAverageCPUUtilization: 'CPUUtilization',
    ASGAverageNetworkIn: 'NetworkIn',
    ASGAverageNetworkOut: 'NetworkOut',
  };
  return {
    Namespace: 'AWS/EC2',
    MetricName: names[type ?? ''],
    Statistic: 'Average',
    Dimensions: [{ Name: 'AutoScalingGroupName', Value: group.name }],
  };
}

/** Above the target for three minutes, or well below it for fifteen ("Target tracking": its alarms). */
async function putAlarms(
  ctx: Context,
  group: GroupRow,
  row: PolicyRow,
  tracking: TargetTrackingConfiguration,
): Promise<PolicyRow['alarms']> {
  const cloudwatch = ctx.asService().call('cloudwatch');
  const { TargetValue: target = 0 } = tracking;
  const sides = [
    { side: 'AlarmHigh', Threshold: target, EvaluationPeriods: 3, ComparisonOperator: 'GreaterThanThreshold' as const },
    ...(tracking.DisableScaleIn === true
      ? []
      : [{ side: 'AlarmLow', Threshold: target * 0.9, EvaluationPeriods: 15, ComparisonOperator: 'LessThanThreshold' as const }]),
  ];
  const alarms: { name: string; arn: string }[] = [];
  for (const { side, ...alarm } of sides) {
    const before = row.alarms.find(({ name }) => name.includes(`-${side}-`));
    const name = before?.name ?? `TargetTracking-${group.name}-${side}-${ctx.uuid()}`;
    await cloudwatch.putMetricAlarm({
      AlarmName: name,
      AlarmDescription: `DO NOT EDIT OR DELETE. For TargetTrackingScaling policy ${row.arn}.`,
      AlarmActions: [row.arn],
      Period: tracking.CustomizedMetricSpecification?.Period ?? 60,
      ...metricOf(group, tracking),
      ...alarm,
    });
    alarms.push({ name, arn: `arn:aws:cloudwatch:${ctx.region}:${ctx.account}:alarm:${name}` });
  }
  const gone = row.alarms.filter(({ name }) => !alarms.some((alarm) => alarm.name === name));
  if (gone.length > 0) await cloudwatch.deleteAlarms({ AlarmNames: gone.map(({ name }) => name) });
  return alarms;
}

/** Takes away the alarms of a group's policies, before its rows go. */
export async function deleteAlarmsOf(ctx: Context, group: string): Promise<void> {
  const names = (await ctx.table(Policies).list({ prefix: [group] })).flatMap(({ alarms }) => alarms.map(({ name }) => name));
  if (names.length > 0) await ctx.asService().call('cloudwatch').deleteAlarms({ AlarmNames: names });
}

/** Takes away the row of a policy, with its forecast. */
export async function removePolicy(tx: Transaction, { group, name }: PolicyRow): Promise<void> {
  await tx.unschedule('predict', `${group}/${name}`);
  await tx.table(Forecasts).delete(group, name);
  await tx.table(Policies).delete(group, name);
}

/** Alarms that name a policy: its own, and those that users tied to it. */
async function alarmsOf(ctx: Context, row: PolicyRow): Promise<ScalingPolicy['Alarms']> {
  const { MetricAlarms = [] } = await ctx.asService().call('cloudwatch').describeAlarms({ ActionPrefix: row.arn });
  return MetricAlarms.map(({ AlarmName, AlarmArn }) => ({ AlarmName, AlarmARN: AlarmArn }));
}

export const policyHandlers: HandlersOf<AutoScaling> = {
  /** Replaces the policy of the same name. */
  async PutScalingPolicy(input, ctx) {
    const type = checkPolicy(input);
    const group = await requireGroup(ctx, input.AutoScalingGroupName);
    const name = input.PolicyName ?? '';
    const before = await ctx.table(Policies).get(group.name, name);
    if (before !== undefined && before.type !== type)
      throw validationError(`The policy type of ${name} cannot be changed from ${before.type} to ${type}.`);
    const { AutoScalingGroupName: _group, PolicyName: _name, PolicyType: _type, ...given } = input;
    const settings =
      type === 'PredictiveScaling'
        ? { ...given, PredictiveScalingConfiguration: readPredictive(given.PredictiveScalingConfiguration) }
        : given;
    const id = before?.id ?? ctx.uuid();
    const row: PolicyRow = {
      group: group.name,
      name,
      id,
      arn:
        before?.arn ??
        `arn:aws:autoscaling:${ctx.region}:${ctx.account}:scalingPolicy:${id}:autoScalingGroupName/${group.name}:policyName/${name}`,
      type,
      settings: JSON.parse(JSON.stringify(settings)) as PolicyRow['settings'],
      alarms: before?.alarms ?? [],
    };
    const tracking = input.TargetTrackingConfiguration;
    await ctx.transact((tx) => tx.table(Policies).put(row));
    const alarms = tracking === undefined ? [] : await putAlarms(ctx, group, row, tracking);
    await ctx.transact((tx) => tx.table(Policies).put({ ...row, alarms }));
    await beginPrediction(ctx, group, row);
    return { PolicyARN: row.arn, Alarms: alarms.map((alarm) => ({ AlarmName: alarm.name, AlarmARN: alarm.arn })) };
  },

  async DescribePolicies(input, ctx) {
    const { AutoScalingGroupName: group, PolicyNames: names = [], PolicyTypes: wanted = [] } = input;
    if (group !== undefined) await requireGroup(ctx, group);
    const rows = (await ctx.table(Policies).list(group === undefined ? {} : { prefix: [group] })).filter(
      (row) =>
        (names.length === 0 || names.includes(row.name) || names.includes(row.arn)) &&
        (wanted.length === 0 || wanted.includes(row.type)),
    );
    const page = pageFor('policies', rows, (row) => [row.group, row.name], input);
    const ScalingPolicies = await Promise.all(
      page.items.map(
        async (row): Promise<ScalingPolicy> => ({
          AutoScalingGroupName: row.group,
          PolicyName: row.name,
          PolicyARN: row.arn,
          PolicyType: row.type,
          ...row.settings,
          StepAdjustments: row.settings.StepAdjustments ?? [],
          MetricAggregationType: row.type === 'StepScaling' ? (row.settings.MetricAggregationType ?? 'Average') : undefined,
          Enabled: row.settings.Enabled !== false,
          Alarms: await alarmsOf(ctx, row),
        }),
      ),
    );
    return { ScalingPolicies, NextToken: page.nextToken };
  },

  async DeletePolicy({ AutoScalingGroupName: group, PolicyName: name = '' }, ctx) {
    const row = await findPolicy(ctx, group, name);
    if (row.alarms.length > 0)
      await ctx
        .asService()
        .call('cloudwatch')
        .deleteAlarms({ AlarmNames: row.alarms.map((alarm) => alarm.name) });
    await ctx.transact((tx) => removePolicy(tx, row));
    return {};
  },
};
