/** Metrics: PutMetricData, ListMetrics, GetMetricStatistics. */
import type { CloudWatch, Datapoint, MetricDatum } from '@aws-sdk/client-cloudwatch';
import { formatPageToken, parsePageToken } from '../../base/paging.ts';
import type { Context } from '../../kernel/context.ts';
import { parameterNotImplemented } from '../../kernel/errors.ts';
import type { HandlersOf } from '../../kernel/service.ts';
import { invalidCombination, invalidToken, invalidValue, missingParameter } from './errors.ts';
import { parseStatistic, type Sample } from './points.ts';
import { checkPeriod, checkStatistic, checkUnit, describeDimensions, limits, readDimensions, times } from './rules.ts';
import { addData, type Datum, readPeriods } from './series.ts';
import { type MetricRow, Metrics } from './state.ts';

/** Entries of a page of ListMetrics. */
const listedMax = 500;
/** Most points of one GetMetricStatistics answer. */
const pointsMax = 1440;

function readSample(datum: MetricDatum, at: string): Sample {
  const { Value, Values, Counts, StatisticValues: set } = datum;
  const given = [Value, Values, set].filter((part) => part !== undefined).length;
  if (given === 0)
    throw missingParameter(`At least one of the parameters must be specified: ${at}.Value, Values, StatisticValues.`);
  if (given > 1)
    throw invalidCombination(
      `The parameters ${at}.Value, ${at}.Values and ${at}.StatisticValues are mutually exclusive and you have specified more than one.`,
    );
  if (set !== undefined) {
    const { SampleCount: count = 0, Sum: sum = 0, Minimum: min = 0, Maximum: max = 0 } = set;
    if (min > max) throw invalidValue(`The value of ${at}.StatisticValues.Minimum must not be greater than that of Maximum.`);
    for (const value of [count, sum, min, max]) checkValue(value, `${at}.StatisticValues`);
    return { set: { count, sum, min, max } };
  }
  const values = Values ?? [Value ?? 0];
  if (values.length > limits.valuesPerDatum)
    throw invalidValue(`The collection ${at}.Values must not have a size greater than ${limits.valuesPerDatum}.`);
  if (Counts !== undefined && Counts.length !== values.length)
    throw invalidValue(`The parameters ${at}.Values and ${at}.Counts must have the same size.`);
  return {
    values: values.map((value, index) => {
      checkValue(value, `${at}.Value`);
      return [value, Counts?.[index] ?? 1] as const;
    }),
  };
}

/** "Values must be in the range of -2^360 to 2^360. In addition, special values (for example, NaN, +Infinity, -Infinity) are not supported." */
function checkValue(value: number, member: string): void {
  if (!Number.isFinite(value)) throw invalidValue(`The value ${value} for parameter ${member} is invalid.`);
  if (Math.abs(value) > 2 ** 360) throw invalidValue(`The value ${value} for parameter ${member} is out of range.`);
}

function readDatum(ctx: Context, namespace: string, datum: MetricDatum, index: number): Datum {
  const at = `MetricData.member.${index + 1}`;
  const { MetricName: name = '', Timestamp: time, Unit: unit, StorageResolution: resolution = 60 } = datum;
  if (name === '') throw missingParameter(`The parameter ${at}.MetricName is required.`);
  if (name.length > 255) throw invalidValue(`The value ${name} for parameter ${at}.MetricName is invalid.`);
  checkUnit(unit, `${at}.Unit`);
  if (resolution !== 1 && resolution !== 60)
    throw invalidValue(`The value ${resolution} for parameter ${at}.StorageResolution is invalid: it must be 1 or 60.`);
  const millis = time?.getTime() ?? ctx.now;
  if (millis < ctx.now - times.oldest)
    throw invalidValue(`The parameter ${at}.Timestamp must be no more than two weeks before the current time.`);
  if (millis > ctx.now + times.newest)
    throw invalidValue(`The parameter ${at}.Timestamp must be no more than two hours after the current time.`);
  return {
    namespace,
    name,
    dimensions: readDimensions(datum.Dimensions, `${at}.Dimensions`),
    at: millis,
    unit: unit ?? 'None',
    resolution,
    sample: readSample(datum, at),
  };
}

/** Letters, digits and ASCII marks but the colon, no `AWS/` at the beginning (PutMetricData, Namespace). */
function checkNamespace(namespace: string): void {
  if (namespace.startsWith('AWS/')) throw invalidValue('The value AWS/ for parameter Namespace is invalid.');
  if (namespace === '' || namespace.length > 255 || !/^[^:][\x20-\x39\x3b-\x7e]*$/.test(namespace))
    throw invalidValue(`The value ${namespace} for parameter Namespace is invalid.`);
}

function isListed(row: MetricRow, wanted: { name: string | undefined; value: string | undefined }[]): boolean {
  return wanted.every(
    ({ name = '', value }) => name in row.dimensions && (value === undefined || row.dimensions[name] === value),
  );
}

export const metricHandlers: HandlersOf<CloudWatch> = {
  /** All data of a call are taken or none. */
  async PutMetricData(input, ctx) {
    for (const parameter of ['EntityMetricData', 'StrictEntityValidation'] as const)
      if (input[parameter] !== undefined) throw parameterNotImplemented('PutMetricData', parameter);
    const { Namespace: namespace = '', MetricData: data = [] } = input;
    if (ctx.caller.kind !== 'service') checkNamespace(namespace);
    if (data.length === 0) throw missingParameter('The parameter MetricData is required.');
    if (data.length > limits.dataPerCall)
      throw invalidValue(`The collection MetricData must not have a size greater than ${limits.dataPerCall}.`);
    const read = data.map((datum, index) => readDatum(ctx, namespace, datum, index));
    await ctx.transact((tx) => addData(tx, read));
    return {};
  },

  async ListMetrics(input, ctx) {
    if (input.OwningAccount !== undefined) throw parameterNotImplemented('ListMetrics', 'OwningAccount');
    if (input.IncludeLinkedAccounts === true) throw parameterNotImplemented('ListMetrics', 'IncludeLinkedAccounts');
    const { Namespace: namespace, MetricName: name, RecentlyActive: recent } = input;
    if (recent !== undefined && recent !== 'PT3H')
      throw invalidValue(`The value ${recent} for parameter RecentlyActive is not supported.`);
    const wanted = (input.Dimensions ?? []).map((filter) => ({ name: filter.Name, value: filter.Value }));
    const scope = `ListMetrics ${namespace} ${name} ${JSON.stringify(wanted)}`;
    let after = input.NextToken === undefined ? undefined : parsePageToken(scope, input.NextToken);
    if (after === undefined && input.NextToken !== undefined) throw invalidToken();
    const since = ctx.now - (recent === undefined ? times.listed : 3 * times.hour);
    const prefix = namespace === undefined ? [] : name === undefined ? [namespace] : [namespace, name];
    const found: MetricRow[] = [];
    for (;;) {
      const chunk = await ctx.table(Metrics).list({ prefix, limit: 1000, ...(after === undefined ? {} : { after }) });
      found.push(
        ...chunk.filter((row) => row.last >= since && (name === undefined || row.name === name) && isListed(row, wanted)),
      );
      const end = chunk.at(-1);
      if (end === undefined || chunk.length < 1000 || found.length > listedMax) break;
      after = [end.namespace, end.name, end.id];
    }
    const rows = found.slice(0, listedMax);
    const last = rows.at(-1);
    return {
      Metrics: rows.map((row) => ({
        Namespace: row.namespace,
        MetricName: row.name,
        Dimensions: describeDimensions(row.dimensions),
      })),
      NextToken:
        found.length > listedMax && last !== undefined ? formatPageToken(scope, [last.namespace, last.name, last.id]) : undefined,
    };
  },

  async GetMetricStatistics(input, ctx) {
    const { Namespace: namespace = '', MetricName: name = '', Period: period = 0, StartTime, EndTime, Unit: unit } = input;
    const statistics = input.Statistics ?? [];
    const extended = input.ExtendedStatistics ?? [];
    if (statistics.length === 0 && extended.length === 0)
      throw missingParameter('At least one of the parameters Statistics and ExtendedStatistics must be specified.');
    for (const statistic of [...statistics, ...extended]) checkStatistic(statistic, 'Statistics');
    checkPeriod(period);
    checkUnit(unit, 'Unit');
    const dimensions = readDimensions(input.Dimensions, 'Dimensions');
    const [from, to] = [StartTime?.getTime() ?? 0, EndTime?.getTime() ?? 0];
    if (from >= to) throw invalidValue('The parameter StartTime must be less than the parameter EndTime.');
    if ((to - from) / (period * 1000) > pointsMax)
      throw invalidCombination(
        `You have requested up to ${Math.ceil((to - from) / (period * 1000)).toLocaleString('en-US')} datapoints, which exceeds the limit of 1,440. You may reduce the datapoints requested by increasing Period, or decreasing the time range.`,
      );
    const aligned = Math.floor(from / times.minute) * times.minute;
    const points = await readPeriods(ctx, { namespace, name, dimensions, unit, from: period < 60 ? from : aligned, to, period });
    return {
      Label: name,
      Datapoints: points.map((point): Datapoint => {
        const values: Record<string, number | undefined> = {};
        for (const statistic of statistics) values[statistic] = parseStatistic(statistic)?.(point);
        const more = extended.flatMap((statistic) => {
          const value = parseStatistic(statistic)?.(point);
          return value === undefined ? [] : [[statistic, value] as const];
        });
        return {
          Timestamp: new Date(point.at),
          Unit: point.unit as 'None',
          ...values,
          ...(more.length === 0 ? {} : { ExtendedStatistics: Object.fromEntries(more) }),
        };
      }),
    };
  },
};
