/** Alarms: make, describe, set, delete. */
import type { CloudWatch, CompositeAlarm, MetricAlarm, PutMetricAlarmInput } from '@aws-sdk/client-cloudwatch';
import { formatPageToken, parsePageToken } from '../../base/paging.ts';
import type { Context, Transaction } from '../../kernel/context.ts';
import { parameterNotImplemented } from '../../kernel/errors.ts';
import type { HandlersOf } from '../../kernel/service.ts';
import { comparisonOperators } from './alarm-evaluation.ts';
import { alarmPeriod, changeState, scheduleEvaluation } from './alarm-state.ts';
import { parseRule, RuleError } from './composite-rule.ts';
import { invalidCombination, invalidToken, invalidValue, missingParameter, notFound, validationError } from './errors.ts';
import { alarmArn } from './names.ts';
import { describeQuery, readQueries } from './queries.ts';
import { checkPeriod, checkStatistic, checkUnit, describeDimensions, limits, metricId, readDimensions, times } from './rules.ts';
import {
  type AlarmBase,
  AlarmHistory,
  Alarms,
  type AlarmRow,
  type CompositeAlarmRow,
  type MetricAlarmRow,
  type QueryRow,
} from './state.ts';
import { checkTags, readTags } from './tags.ts';

const states = ['OK', 'ALARM', 'INSUFFICIENT_DATA'] as const;
const statistics: readonly string[] = ['SampleCount', 'Average', 'Sum', 'Minimum', 'Maximum'];

interface Common {
  AlarmName?: string | undefined;
  AlarmDescription?: string | undefined;
  ActionsEnabled?: boolean | undefined;
  OKActions?: readonly string[] | undefined;
  AlarmActions?: readonly string[] | undefined;
  InsufficientDataActions?: readonly string[] | undefined;
  Tags?: readonly { Key?: string | undefined; Value?: string | undefined }[] | undefined;
}

/** What both kinds of alarms share. State and tags of an alarm that is replaced stay. */
function baseOf(ctx: Context, input: Common, before: AlarmRow | undefined): AlarmBase {
  const {
    AlarmName: name = '',
    OKActions: okActions = [],
    AlarmActions: alarmActions = [],
    InsufficientDataActions: insufficientDataActions = [],
  } = input;
  if (name === '' || name.length > limits.alarmNameChars)
    throw validationError(`The value ${name} for parameter AlarmName is invalid.`);
  for (const [member, list] of Object.entries({
    OKActions: okActions,
    AlarmActions: alarmActions,
    InsufficientDataActions: insufficientDataActions,
  })) {
    if (list.length > limits.alarmActions)
      throw validationError(`The collection ${member} must not have a size greater than ${limits.alarmActions}.`);
    for (const action of list)
      if (!/^arn:aws[\w-]*:[a-z-]+:[a-z0-9-]*:[\w-]*:.+/.test(action)) throw validationError(`Invalid arn syntax: ${action}`);
  }
  return {
    name,
    description: input.AlarmDescription,
    updated: ctx.now,
    actionsEnabled: input.ActionsEnabled ?? true,
    okActions,
    alarmActions,
    insufficientDataActions,
    state: before?.state ?? 'INSUFFICIENT_DATA',
    reason: before?.reason ?? 'Unchecked: Initial alarm creation',
    reasonData: before?.reasonData,
    stateUpdated: before?.stateUpdated ?? ctx.now,
    transitioned: before?.transitioned ?? ctx.now,
    tags: before?.tags ?? readTags(checkTags(input.Tags)),
  };
}

const leftOut = [
  'ThresholdMetricId',
  'EvaluationWindow',
  'WarmUpConfiguration',
  'EvaluationCriteria',
  'EvaluationInterval',
  'ActionConfiguration',
] as const;

function queriesOf(input: PutMetricAlarmInput): QueryRow[] {
  if (input.Metrics !== undefined && input.Metrics.length > 0) {
    for (const parameter of [
      'MetricName',
      'Namespace',
      'Dimensions',
      'Period',
      'Unit',
      'Statistic',
      'ExtendedStatistic',
    ] as const)
      if (input[parameter] !== undefined) throw validationError(`${parameter} must not be specified together with Metrics.`);
    const rows = readQueries('PutMetricAlarm', input.Metrics);
    if (rows.filter(({ returnData }) => returnData).length !== 1)
      throw validationError('Exactly one element of the metrics list should return data.');
    return rows;
  }
  const {
    MetricName: name,
    Namespace: namespace,
    Statistic: statistic,
    ExtendedStatistic: extended,
    Period: period,
    Unit: unit,
  } = input;
  if (name === undefined || namespace === undefined || period === undefined)
    throw validationError('MetricName, Namespace and Period are required when Metrics is not specified.');
  if (statistic === undefined && extended === undefined)
    throw validationError('Exactly one of Statistic and ExtendedStatistic must be specified.');
  if (statistic !== undefined && extended !== undefined)
    throw invalidCombination('Statistic and ExtendedStatistic are mutually exclusive.');
  if (statistic !== undefined && !statistics.includes(statistic))
    throw validationError(`The value ${statistic} for parameter Statistic is invalid.`);
  if (extended !== undefined) checkStatistic(extended, 'ExtendedStatistic');
  checkPeriod(period);
  checkUnit(unit, 'Unit');
  const dimensions = readDimensions(input.Dimensions, 'Dimensions');
  return [{ id: 'm1', returnData: true, stat: { namespace, name, dimensions, period, stat: statistic ?? extended ?? '', unit } }];
}

function metricAlarmOf(ctx: Context, input: PutMetricAlarmInput, before: AlarmRow | undefined): MetricAlarmRow {
  for (const parameter of leftOut) if (input[parameter] !== undefined) throw parameterNotImplemented('PutMetricAlarm', parameter);
  const {
    ComparisonOperator: operator = '',
    Threshold: threshold,
    EvaluationPeriods: periods = 0,
    DatapointsToAlarm: needed,
  } = input;
  const base = baseOf(ctx, input, before);
  if (operator.includes('UpperThreshold') && /^LessThanLower|^GreaterThanUpper/.test(operator))
    throw parameterNotImplemented('PutMetricAlarm', `ComparisonOperator ${operator}`);
  if (input.EvaluateLowSampleCountPercentile === 'ignore')
    throw parameterNotImplemented('PutMetricAlarm', 'EvaluateLowSampleCountPercentile');
  if (!comparisonOperators.includes(operator))
    throw validationError(`The value ${operator} for parameter ComparisonOperator is invalid.`);
  if (threshold === undefined) throw missingParameter('The parameter Threshold is required.');
  if (periods < 1) throw validationError('EvaluationPeriods must be greater than 0.');
  if (needed !== undefined && (needed < 1 || needed > periods))
    throw validationError(`DatapointsToAlarm must be between 1 and EvaluationPeriods (${periods}).`);
  const missing = input.TreatMissingData ?? 'missing';
  if (!['breaching', 'notBreaching', 'ignore', 'missing'].includes(missing))
    throw validationError(`The value ${missing} for parameter TreatMissingData is not supported.`);
  const row: MetricAlarmRow = {
    ...base,
    kind: 'metric',
    queries: queriesOf(input),
    asQueries: input.Metrics !== undefined && input.Metrics.length > 0,
    evaluationPeriods: periods,
    datapointsToAlarm: needed,
    threshold,
    operator,
    missing: missing as MetricAlarmRow['missing'],
    missingGiven: input.TreatMissingData !== undefined,
    lowSamples: input.EvaluateLowSampleCountPercentile,
  };
  const span = alarmPeriod(row) * periods;
  const spanMax = alarmPeriod(row) >= 3600 ? 604_800 : 86_400;
  if (span > spanMax)
    throw validationError('Metrics cannot be checked across more than a day (EvaluationPeriods * Period must be <= 86400).');
  return row;
}

function describeBase(ctx: Context, row: AlarmRow) {
  return {
    AlarmName: row.name,
    AlarmArn: alarmArn(ctx, row.name),
    AlarmDescription: row.description,
    AlarmConfigurationUpdatedTimestamp: new Date(row.updated),
    ActionsEnabled: row.actionsEnabled,
    OKActions: [...row.okActions],
    AlarmActions: [...row.alarmActions],
    InsufficientDataActions: [...row.insufficientDataActions],
    StateValue: row.state,
    StateReason: row.reason,
    StateReasonData: row.reasonData,
    StateUpdatedTimestamp: new Date(row.stateUpdated),
    StateTransitionedTimestamp: new Date(row.transitioned),
  };
}

function describeMetricAlarm(ctx: Context, row: MetricAlarmRow): MetricAlarm {
  const [{ stat } = { stat: undefined }] = row.queries;
  const isPlain = stat !== undefined && statistics.includes(stat.stat);
  const metric =
    row.asQueries || stat === undefined
      ? { Metrics: row.queries.map(describeQuery) }
      : {
          MetricName: stat.name,
          Namespace: stat.namespace,
          ...(isPlain ? { Statistic: stat.stat as 'Sum' } : { ExtendedStatistic: stat.stat }),
          Dimensions: describeDimensions(stat.dimensions),
          Period: stat.period,
          Unit: stat.unit as 'None' | undefined,
        };
  return {
    ...describeBase(ctx, row),
    ...metric,
    EvaluationPeriods: row.evaluationPeriods,
    DatapointsToAlarm: row.datapointsToAlarm,
    Threshold: row.threshold,
    ComparisonOperator: row.operator as 'GreaterThanThreshold',
    TreatMissingData: row.missingGiven ? row.missing : undefined,
    EvaluateLowSampleCountPercentile: row.lowSamples,
  };
}

function describeComposite(ctx: Context, row: CompositeAlarmRow): CompositeAlarm {
  return { ...describeBase(ctx, row), AlarmRule: row.rule };
}

/** Throws ResourceNotFound. */
async function requireAlarm(reading: Pick<Transaction, 'table'>, name: string): Promise<AlarmRow> {
  const row = await reading.table(Alarms).get(name);
  if (row === undefined) throw notFound('Unknown');
  return row;
}

async function note(tx: Transaction, ctx: Context, row: AlarmRow, verb: 'created' | 'updated' | 'deleted'): Promise<void> {
  const kind = verb === 'created' ? 'Create' : verb === 'updated' ? 'Update' : 'Delete';
  await tx.table(AlarmHistory).put({
    alarm: row.name,
    kind: row.kind,
    at: ctx.now,
    ordinal: ctx.uuid(),
    type: 'ConfigurationUpdate',
    summary: `Alarm "${row.name}" ${verb}`,
    data: JSON.stringify({ version: '1.0', type: kind }),
  });
}

/** Pages of a list at hand, by name. */
function pageOfAlarms(rows: readonly AlarmRow[], scope: string, token: string | undefined, limit: number) {
  const after = token === undefined ? undefined : parsePageToken(scope, token)?.[0];
  if (token !== undefined && after === undefined) throw invalidToken();
  const rest =
    after === undefined ? rows : rows.filter(({ name }) => Buffer.compare(Buffer.from(name), Buffer.from(String(after))) > 0);
  const page = rest.slice(0, limit);
  const last = page.at(-1);
  return { page, NextToken: rest.length > limit && last !== undefined ? formatPageToken(scope, [last.name]) : undefined };
}

export const alarmHandlers: HandlersOf<CloudWatch> = {
  /** A new alarm, or a new definition of one: its state stays until the next evaluation. */
  async PutMetricAlarm(input, ctx) {
    await ctx.transact(async (tx) => {
      const before = await tx.table(Alarms).get(input.AlarmName ?? '');
      if (before?.kind === 'composite') throw validationError(`An alarm of another type has the name ${before.name}.`);
      const row = metricAlarmOf(ctx, input, before);
      await tx.table(Alarms).put(row);
      await note(tx, ctx, row, before === undefined ? 'created' : 'updated');
      await scheduleEvaluation(tx, row, ctx.now);
    });
    return {};
  },

  /** Throws ValidationError for rules that cannot be read, name themselves or alarms that are not there. */
  async PutCompositeAlarm(input, ctx) {
    for (const parameter of [
      'ActionsSuppressor',
      'ActionsSuppressorWaitPeriod',
      'ActionsSuppressorExtensionPeriod',
      'ActionConfiguration',
    ] as const)
      if (input[parameter] !== undefined) throw parameterNotImplemented('PutCompositeAlarm', parameter);
    const rule = readRule(input.AlarmRule ?? '');
    await ctx.transact(async (tx) => {
      const before = await tx.table(Alarms).get(input.AlarmName ?? '');
      if (before?.kind === 'metric') throw validationError(`An alarm of another type has the name ${before.name}.`);
      const base = baseOf(ctx, input, before);
      if (rule.children.length > limits.childrenOfComposite)
        throw validationError(`AlarmRule must not contain more than ${limits.childrenOfComposite} alarms.`);
      for (const child of rule.children)
        if (child === base.name || (await tx.table(Alarms).get(child)) === undefined)
          throw validationError(`Could not save the composite alarm as alarms [${child}] in the alarm rule do not exist`);
      const row: CompositeAlarmRow = { ...base, kind: 'composite', rule: input.AlarmRule ?? '', children: rule.children };
      await tx.table(Alarms).put(row);
      await note(tx, ctx, row, before === undefined ? 'created' : 'updated');
      await tx.schedule({ task: 'composite', key: row.name, due: ctx.now });
    });
    return {};
  },

  async DescribeAlarms(input, ctx) {
    const {
      AlarmNames: names,
      AlarmNamePrefix: prefix,
      AlarmTypes: types = ['MetricAlarm'],
      StateValue: state,
      ActionPrefix: action,
    } = input;
    const { MaxRecords: limit = 50, ChildrenOfAlarmName: parent, ParentsOfAlarmName: child } = input;
    if (names !== undefined && prefix !== undefined)
      throw invalidCombination('AlarmNames and AlarmNamePrefix are mutually exclusive.');
    if (limit < 1 || limit > 100) throw invalidValue(`The value ${limit} for parameter MaxRecords must be between 1 and 100.`);
    const all =
      names === undefined
        ? await ctx.table(Alarms).list()
        : (await Promise.all(names.map((name) => ctx.table(Alarms).get(name)))).filter((row) => row !== undefined);
    const above = parent === undefined ? undefined : await ctx.table(Alarms).get(parent);
    const kinds = parent === undefined && child === undefined ? types : ['MetricAlarm', 'CompositeAlarm'];
    const wanted = all.filter(
      (row) =>
        kinds.includes(row.kind === 'metric' ? 'MetricAlarm' : 'CompositeAlarm') &&
        (prefix === undefined || row.name.startsWith(prefix)) &&
        (state === undefined || row.state === state) &&
        (action === undefined ||
          [...row.okActions, ...row.alarmActions, ...row.insufficientDataActions].some((arn) => arn.startsWith(action))) &&
        (parent === undefined || (above?.kind === 'composite' && above.children.includes(row.name))) &&
        (child === undefined || (row.kind === 'composite' && row.children.includes(child))),
    );
    const scope = `DescribeAlarms ${names} ${prefix} ${types} ${state} ${action} ${parent} ${child}`;
    const { page, NextToken } = pageOfAlarms(wanted, scope, input.NextToken, limit);
    return {
      MetricAlarms: page.filter((row) => row.kind === 'metric').map((row) => describeMetricAlarm(ctx, row)),
      CompositeAlarms: page.filter((row) => row.kind === 'composite').map((row) => describeComposite(ctx, row)),
      NextToken,
    };
  },

  async DescribeAlarmsForMetric(input, ctx) {
    const { Namespace: namespace = '', MetricName: name = '', Period: period, Unit: unit } = input;
    const id = metricId(namespace, name, readDimensions(input.Dimensions, 'Dimensions'));
    const statistic = input.Statistic ?? input.ExtendedStatistic;
    const rows = (await ctx.table(Alarms).list()).filter((row) => row.kind === 'metric');
    const wanted = rows.filter(({ queries }) =>
      queries.some(
        ({ stat }) =>
          stat !== undefined &&
          metricId(stat.namespace, stat.name, stat.dimensions) === id &&
          (statistic === undefined || stat.stat === statistic) &&
          (period === undefined || stat.period === period) &&
          (unit === undefined || stat.unit === unit),
      ),
    );
    return { MetricAlarms: wanted.map((row) => describeMetricAlarm(ctx, row)) };
  },

  async DescribeAlarmHistory(input, ctx) {
    const {
      AlarmName: alarm,
      HistoryItemType: type,
      StartDate,
      EndDate,
      MaxRecords: limit = 100,
      AlarmTypes: types = ['MetricAlarm'],
    } = input;
    if (input.AlarmContributorId !== undefined) throw parameterNotImplemented('DescribeAlarmHistory', 'AlarmContributorId');
    const scope = `DescribeAlarmHistory ${alarm} ${type} ${input.ScanBy}`;
    const skip = input.NextToken === undefined ? [0] : parsePageToken(scope, input.NextToken);
    if (skip === undefined) throw invalidToken();
    const rows = await ctx.table(AlarmHistory).list({ prefix: alarm === undefined ? [] : [alarm] });
    const from = Math.max(StartDate?.getTime() ?? 0, ctx.now - limits.historyDays * times.day);
    const wanted = rows
      .filter((row) => row.at >= from && row.at <= (EndDate?.getTime() ?? Number.POSITIVE_INFINITY))
      .filter(
        (row) =>
          (type === undefined || row.type === type) &&
          (alarm !== undefined || types.includes(row.kind === 'metric' ? 'MetricAlarm' : 'CompositeAlarm')),
      )
      .sort((a, b) => (input.ScanBy === 'TimestampAscending' ? a.at - b.at : b.at - a.at));
    const first = Number(skip[0]);
    const page = wanted.slice(first, first + limit);
    return {
      AlarmHistoryItems: page.map((row) => ({
        AlarmName: row.alarm,
        AlarmType: row.kind === 'metric' ? 'MetricAlarm' : 'CompositeAlarm',
        Timestamp: new Date(row.at),
        HistoryItemType: row.type,
        HistorySummary: row.summary,
        HistoryData: row.data,
      })),
      NextToken: first + limit < wanted.length ? formatPageToken(scope, [first + limit]) : undefined,
    };
  },

  /** Alarms that are not there are passed over. */
  async DeleteAlarms(input, ctx) {
    const names = input.AlarmNames ?? [];
    if (names.length > 100) throw validationError('The collection AlarmNames must not have a size greater than 100.');
    await ctx.transact(async (tx) => {
      for (const name of names) {
        const row = await tx.table(Alarms).get(name);
        if (row === undefined) continue;
        const parents = (await tx.table(Alarms).byIndex('byChild', [name])).filter((parent) => !names.includes(parent.name));
        if (parents.length > 0)
          throw validationError(
            `Alarm [${name}] cannot be deleted: the composite alarms [${parents.map((parent) => parent.name).join(', ')}] depend on it`,
          );
        await tx.table(Alarms).delete(name);
        await tx.unschedule('evaluate', name);
        await note(tx, ctx, row, 'deleted');
      }
    });
    return {};
  },

  /** For tests: the next evaluation with data sets the state again. Throws ResourceNotFound, InvalidFormat. */
  async SetAlarmState(input, ctx) {
    const { AlarmName: name = '', StateValue: state, StateReason: reason = '', StateReasonData: reasonData } = input;
    const wanted = states.find((value) => value === state);
    if (wanted === undefined) throw validationError(`The value ${state} for parameter StateValue is invalid.`);
    if (reasonData !== undefined) checkJson(reasonData);
    await ctx.transact(async (tx) => {
      const row = await requireAlarm(tx, name);
      await changeState(tx, ctx, row, { state: wanted, reason, reasonData, at: ctx.now });
    });
    return {};
  },

  async EnableAlarmActions(input, ctx) {
    return setEnabled(ctx, input.AlarmNames ?? [], true);
  },

  async DisableAlarmActions(input, ctx) {
    return setEnabled(ctx, input.AlarmNames ?? [], false);
  },
};

async function setEnabled(ctx: Context, names: readonly string[], actionsEnabled: boolean) {
  await ctx.transact(async (tx) => {
    for (const name of names) await tx.table(Alarms).update([name], (row) => ({ ...row, actionsEnabled }));
  });
  return {};
}

function checkJson(text: string): void {
  try {
    JSON.parse(text);
  } catch {
    throw invalidValue('StateReasonData must be valid JSON.');
  }
}

function readRule(text: string) {
  try {
    return parseRule(text);
  } catch (error) {
    if (error instanceof RuleError) throw validationError(`AlarmRule must be a valid rule: ${error.message}`);
    throw error;
  }
}
