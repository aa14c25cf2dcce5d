/**
 * Predictive scaling: its metrics, the forecast that is made every six hours and kept, and the capacity that is brought up before each hour in the mode
 * ForecastAndScale. The model is forecast.ts's. Source: Auto Scaling User Guide, "Predictive scaling for Amazon EC2 Auto Scaling".
 */
import type {
  AutoScaling,
  PredictiveScalingConfiguration,
  PredictiveScalingMetricSpecification,
} from '@aws-sdk/client-auto-scaling';
import type { MetricDataQuery } from '@aws-sdk/client-cloudwatch';
import type { Millis } from '../../base/clock.ts';
import type { Context } from '../../kernel/context.ts';
import type { HandlersOf, Task } from '../../kernel/service.ts';
import { stamp } from './activities.ts';
import { validationError } from './errors.ts';
import { forecastFrom, historyMax, hour, type Hourly, isEnough, ratioOf } from './forecast.ts';
import { putDesired, requireGroup } from './groups.ts';
import { asLinkedRole } from './linked-role.ts';
import { findPolicy } from './policies.ts';
import { Forecasts, type GroupRow, Groups, Policies, type PolicyRow } from './state.ts';

/** "The forecast is updated every 6 hours". */
const forecastEvery = 6 * hour;
const bufferSeconds = { default: 300, most: 3600 };
const keptMillis = historyMax;

interface Source {
  Namespace: string;
  MetricName: string;
  /** Total over the group, and what one instance has of it. */
  total: string;
  each: string;
  /** The metric of one instance has a name of its own. */
  eachName?: string;
}

const ec2 = (MetricName: string): Source => ({ Namespace: 'AWS/EC2', MetricName, total: 'Sum', each: 'Average' });
const requests: Source = {
  Namespace: 'AWS/ApplicationELB',
  MetricName: 'RequestCount',
  total: 'Sum',
  each: 'Sum',
  eachName: 'RequestCountPerTarget',
};

/** Predefined metrics by the names of pairs, of loads and of scaling metrics. */
const sources: Readonly<Record<string, Source>> = {
  ASGCPUUtilization: ec2('CPUUtilization'),
  ASGNetworkIn: ec2('NetworkIn'),
  ASGNetworkOut: ec2('NetworkOut'),
  ALBRequestCount: requests,
  ASGTotalCPUUtilization: ec2('CPUUtilization'),
  ASGTotalNetworkIn: ec2('NetworkIn'),
  ASGTotalNetworkOut: ec2('NetworkOut'),
  ALBTargetGroupRequestCount: requests,
  ASGAverageCPUUtilization: ec2('CPUUtilization'),
  ASGAverageNetworkIn: ec2('NetworkIn'),
  ASGAverageNetworkOut: ec2('NetworkOut'),
  ALBRequestCountPerTarget: requests,
};
const kinds = {
  pair: ['ASGCPUUtilization', 'ASGNetworkIn', 'ASGNetworkOut', 'ALBRequestCount'],
  load: ['ASGTotalCPUUtilization', 'ASGTotalNetworkIn', 'ASGTotalNetworkOut', 'ALBTargetGroupRequestCount'],
  scaling: ['ASGAverageCPUUtilization', 'ASGAverageNetworkIn', 'ASGAverageNetworkOut', 'ALBRequestCountPerTarget'],
};

interface Predefined {
  PredefinedMetricType?: string | undefined;
  ResourceLabel?: string | undefined;
}

function checkPredefined(kind: keyof typeof kinds, given: Predefined | undefined): void {
  if (given === undefined) return;
  const { PredefinedMetricType: type = '', ResourceLabel: label } = given;
  if (!kinds[kind].includes(type)) throw validationError(`Invalid predefined metric type: ${type}.`);
  if (type.startsWith('ALB') && !/^app\/[^/]+\/[^/]+\/targetgroup\/[^/]+\/[^/]+$/.test(label ?? ''))
    throw validationError(`Resource label is required for metric type ${type}.`);
  if (!type.startsWith('ALB') && label !== undefined)
    throw validationError(`Resource label can't be specified for metric type ${type}.`);
}

function checkQueries(name: string, queries: readonly { ReturnData?: boolean | undefined }[] | undefined): void {
  if (queries !== undefined && queries.filter(({ ReturnData = true }) => ReturnData).length !== 1)
    throw validationError(`Exactly one element of the ${name} must return data.`);
}

/** The configuration with AWS's defaults. Throws ValidationError. */
export function readPredictive(given: PredictiveScalingConfiguration | undefined): PredictiveScalingConfiguration {
  if (given === undefined) throw validationError('PredictiveScalingConfiguration is required for PredictiveScaling policy type.');
  const [specification, ...more] = given.MetricSpecifications ?? [];
  if (specification === undefined || more.length > 0) throw validationError('Exactly one MetricSpecification must be specified.');
  const {
    PredefinedMetricPairSpecification: pair,
    PredefinedLoadMetricSpecification: load,
    PredefinedScalingMetricSpecification: scaling,
  } = specification;
  const { CustomizedLoadMetricSpecification: ownLoad, CustomizedScalingMetricSpecification: ownScaling } = specification;
  checkPredefined('pair', pair);
  checkPredefined('load', load);
  checkPredefined('scaling', scaling);
  const alone = (...list: unknown[]) => list.filter((one) => one !== undefined).length;
  if (
    pair !== undefined
      ? alone(load, scaling, ownLoad, ownScaling) > 0
      : alone(load, ownLoad) !== 1 || alone(scaling, ownScaling) !== 1
  )
    throw validationError('A MetricSpecification must have a metric pair, or one load metric and one scaling metric.');
  checkQueries('load metric queries', ownLoad?.MetricDataQueries);
  checkQueries('scaling metric queries', ownScaling?.MetricDataQueries);
  checkQueries('capacity metric queries', specification.CustomizedCapacityMetricSpecification?.MetricDataQueries);
  if ((specification.TargetValue ?? 0) <= 0) throw validationError('TargetValue must be greater than 0.');
  const {
    Mode = 'ForecastOnly',
    SchedulingBufferTime = bufferSeconds.default,
    MaxCapacityBreachBehavior: breach = 'HonorMaxCapacity',
  } = given;
  if (!['ForecastOnly', 'ForecastAndScale'].includes(Mode)) throw validationError(`Invalid Mode: ${Mode}.`);
  if (!['HonorMaxCapacity', 'IncreaseMaxCapacity'].includes(breach))
    throw validationError(`Invalid MaxCapacityBreachBehavior: ${breach}.`);
  if (SchedulingBufferTime < 0 || SchedulingBufferTime > bufferSeconds.most)
    throw validationError(`SchedulingBufferTime must be between 0 and ${bufferSeconds.most}.`);
  const buffer = given.MaxCapacityBuffer;
  if ((breach === 'IncreaseMaxCapacity') !== (buffer !== undefined))
    throw validationError(
      'MaxCapacityBuffer is required with, and only allowed with, MaxCapacityBreachBehavior IncreaseMaxCapacity.',
    );
  if (buffer !== undefined && (buffer < 0 || buffer > 100)) throw validationError('MaxCapacityBuffer must be between 0 and 100.');
  return { ...given, Mode, SchedulingBufferTime, MaxCapacityBreachBehavior: breach };
}

function predefinedQuery(
  group: GroupRow,
  { PredefinedMetricType: type = '', ResourceLabel: label = '' }: Predefined,
  each: boolean,
): MetricDataQuery[] {
  const source = sources[type];
  if (source === undefined) throw new Error(`A policy was stored with the metric ${type}.`);
  const [balancer, target] = label.split('/targetgroup/');
  const targetGroup = { Name: 'TargetGroup', Value: `targetgroup/${target}` };
  const Dimensions =
    source !== requests
      ? [{ Name: 'AutoScalingGroupName', Value: group.name }]
      : each
        ? [targetGroup]
        : [{ Name: 'LoadBalancer', Value: balancer }, targetGroup];
  const Metric = {
    Namespace: source.Namespace,
    MetricName: each ? (source.eachName ?? source.MetricName) : source.MetricName,
    Dimensions,
  };
  return [{ Id: 'm', MetricStat: { Metric, Period: hour / 1000, Stat: each ? source.each : source.total } }];
}

/** Hourly values of the queries' one result, over the past two weeks. */
async function hourly(ctx: Context, queries: readonly MetricDataQuery[], now: Millis): Promise<Hourly> {
  const end = Math.floor(now / hour) * hour;
  const { MetricDataResults = [] } = await ctx.call('cloudwatch').getMetricData({
    MetricDataQueries: [...queries],
    StartTime: new Date(end - historyMax),
    EndTime: new Date(end),
    ScanBy: 'TimestampAscending',
  });
  const [{ Timestamps = [], Values = [] } = {}] = MetricDataResults;
  const found = new Map<Millis, number>();
  for (const [index, time] of Timestamps.entries()) {
    const at = Math.floor(time.getTime() / hour) * hour;
    if (!found.has(at)) found.set(at, Values[index] ?? 0);
  }
  return found;
}

/** Queries of a policy, as GetMetricData takes them: by the hour. */
function stored(queries: PredictiveQueries): MetricDataQuery[] {
  return (queries ?? []).map(({ MetricStat, ...query }) => ({
    ...query,
    Id: query.Id,
    ...(MetricStat === undefined
      ? {}
      : { MetricStat: { ...MetricStat, Period: hour / 1000, Metric: MetricStat.Metric, Stat: MetricStat.Stat } }),
  })) as MetricDataQuery[];
}

type PredictiveQueries = NonNullable<
  PredictiveScalingMetricSpecification['CustomizedLoadMetricSpecification']
>['MetricDataQueries'];

async function histories(ctx: Context, group: GroupRow, given: PredictiveScalingMetricSpecification) {
  const pair = given.PredefinedMetricPairSpecification;
  const load = given.CustomizedLoadMetricSpecification;
  const scaling = given.CustomizedScalingMetricSpecification;
  const capacity = given.CustomizedCapacityMetricSpecification;
  const count = { Namespace: 'AWS/AutoScaling', MetricName: 'GroupInServiceInstances' };
  const Dimensions = [{ Name: 'AutoScalingGroupName', Value: group.name }];
  const own = [{ Id: 'm', MetricStat: { Metric: { ...count, Dimensions }, Period: hour / 1000, Stat: 'Average' } }];
  return Promise.all([
    hourly(
      ctx,
      load
        ? stored(load.MetricDataQueries)
        : predefinedQuery(group, pair ?? given.PredefinedLoadMetricSpecification ?? {}, false),
      ctx.now,
    ),
    hourly(
      ctx,
      scaling
        ? stored(scaling.MetricDataQueries)
        : predefinedQuery(group, pair ?? given.PredefinedScalingMetricSpecification ?? {}, true),
      ctx.now,
    ),
    hourly(ctx, capacity ? stored(capacity.MetricDataQueries) : own, ctx.now),
  ]);
}

/** Makes the forecast of a policy and keeps it; nothing while history is too short. Hours without a known capacity count with today's. */
async function makeForecast(ctx: Context, group: GroupRow, policy: PolicyRow): Promise<void> {
  const [specification] = policy.settings.PredictiveScalingConfiguration?.MetricSpecifications ?? [];
  if (specification === undefined) return;
  const [load, scaling, capacity] = await histories(await asLinkedRole(ctx, group), group, specification);
  const ratio = ratioOf(load, scaling, (at) => capacity.get(at) ?? group.desired);
  if (!isEnough(load, ctx.now) || ratio === undefined) return;
  const made = forecastFrom(Math.floor(ctx.now / hour) * hour, load, ratio, specification.TargetValue ?? 1);
  await ctx.transact(async (tx) => {
    const before = await tx.table(Forecasts).get(group.name, policy.name);
    const past = (before?.at ?? [])
      .map((at, index) => ({ at, index }))
      .filter(({ at }) => at < (made.at[0] ?? 0) && at > ctx.now - keptMillis);
    const join = (old: readonly number[], fresh: readonly number[]) => [...past.map(({ index }) => old[index] ?? 0), ...fresh];
    await tx.table(Forecasts).put({
      group: group.name,
      policy: policy.name,
      made: ctx.now,
      at: [...past.map(({ at }) => at), ...made.at],
      load: join(before?.load ?? [], made.load),
      capacity: join(before?.capacity ?? [], made.capacity),
    });
  });
}

/** When a policy acts next: its buffer before the next full hour. */
function nextAction(
  now: Millis,
  { SchedulingBufferTime: seconds = bufferSeconds.default }: PredictiveScalingConfiguration,
): Millis {
  const due = Math.ceil(now / hour) * hour - seconds * 1000;
  return due > now ? due : due + hour;
}

/** Brings the capacity up to what the hour ahead needs; never down ("predictive scaling only scales out"). */
async function act(ctx: Context, group: string, policy: PolicyRow, at: Millis): Promise<void> {
  const config = policy.settings.PredictiveScalingConfiguration;
  if (config?.Mode !== 'ForecastAndScale') return;
  await ctx.transact(async (tx) => {
    const [row, forecast] = [await tx.table(Groups).get(group), await tx.table(Forecasts).get(group, policy.name)];
    const wanted = forecast?.capacity[forecast.at.indexOf(at)];
    if (row === undefined || row.deleting === true || wanted === undefined) return;
    const raised =
      config.MaxCapacityBreachBehavior === 'IncreaseMaxCapacity'
        ? Math.ceil(wanted * (1 + (config.MaxCapacityBuffer ?? 0) / 100))
        : 0;
    const max = Math.max(row.max, raised);
    const capacity = Math.max(row.min, Math.min(max, wanted));
    const changed: GroupRow = { ...row, max, floor: { capacity, until: at + hour } };
    if (capacity <= row.desired) return void (await tx.table(Groups).put(changed));
    const cause = `At ${stamp(ctx.now)} a forecast of the predictive scaling policy ${policy.name} changed the desired capacity from ${row.desired} to ${capacity}.`;
    await putDesired(tx, changed, capacity, cause);
  });
}

/** A policy's turn: every hour, its buffer before the hour; the forecast is made again when it is due. */
export const predict: Task = async ({ key, payload, due }, ctx) => {
  const { group: name, policy: policyName } = payload as { group: string; policy: string };
  const [group, policy] = [await ctx.table(Groups).get(name), await ctx.table(Policies).get(name, policyName)];
  const config = policy?.settings.PredictiveScalingConfiguration;
  if (group === undefined || policy === undefined || config === undefined) return;
  const forecast = await ctx.table(Forecasts).get(name, policyName);
  if (forecast === undefined || ctx.now >= forecast.made + forecastEvery) await makeForecast(ctx, group, policy);
  if (policy.settings.Enabled !== false) await act(ctx, name, policy, Math.ceil((due + 1) / hour) * hour);
  await ctx.transact((tx) => tx.schedule({ task: 'predict', key, due: nextAction(due, config), payload: payload ?? null }));
};

/** Begins the turns of a policy that was put, with a forecast at once. */
export async function beginPrediction(ctx: Context, group: GroupRow, policy: PolicyRow): Promise<void> {
  const config = policy.settings.PredictiveScalingConfiguration;
  if (config === undefined) return;
  await makeForecast(ctx, group, policy);
  const payload = { group: group.name, policy: policy.name };
  await ctx.transact((tx) =>
    tx.schedule({ task: 'predict', key: `${group.name}/${policy.name}`, due: nextAction(ctx.now, config), payload }),
  );
}

export const predictiveHandlers: HandlersOf<AutoScaling> = {
  /** Forecasts of the hours in the window, past ones too as far as they are kept. Throws ValidationError while there is none. */
  async GetPredictiveScalingForecast({ AutoScalingGroupName: name, PolicyName: policyName = '', StartTime, EndTime }, ctx) {
    const group = await requireGroup(ctx, name);
    const policy = await findPolicy(ctx, name, policyName);
    const [specification] = policy.settings.PredictiveScalingConfiguration?.MetricSpecifications ?? [];
    if (specification === undefined) throw validationError(`The policy ${policy.name} is not a predictive scaling policy.`);
    const [from, to] = [StartTime?.getTime() ?? 0, EndTime?.getTime() ?? 0];
    if (to <= from) throw validationError('EndTime must be after StartTime.');
    if (to - from > 30 * 24 * hour)
      throw validationError('The time range between StartTime and EndTime must not exceed 30 days.');
    const row = await ctx.table(Forecasts).get(group.name, policy.name);
    if (row === undefined)
      throw validationError(
        `There is no forecast for the policy ${policy.name} yet: it needs at least 24 hours of historical data.`,
      );
    const shown = row.at.map((at, index) => ({ at, index })).filter(({ at }) => at >= from && at < to);
    const Timestamps = shown.map(({ at }) => new Date(at));
    return {
      LoadForecast: [{ Timestamps, Values: shown.map(({ index }) => row.load[index] ?? 0), MetricSpecification: specification }],
      CapacityForecast: { Timestamps, Values: shown.map(({ index }) => row.capacity[index] ?? 0) },
      UpdateTime: new Date(row.made),
    };
  },
};
