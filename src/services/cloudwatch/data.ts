/** GetMetricData: many metrics and expressions in one call, in pages. */
import type { CloudWatch, MetricDataResult } from '@aws-sdk/client-cloudwatch';
import { formatPageToken, parsePageToken } from '../../base/paging.ts';
import { parameterNotImplemented } from '../../kernel/errors.ts';
import type { HandlersOf } from '../../kernel/service.ts';
import { invalidToken, validationError } from './errors.ts';
import { inOrder, QueryRun, readQueries } from './queries.ts';
import { limits, times } from './rules.ts';

/** The beginning of the range, on a mark of the longest period, so that points stand where AWS has them ("StartTime … rounding"). */
function aligned(from: number, periods: readonly number[]): number {
  const step = Math.max(times.minute, ...periods.map((period) => period * 1000));
  return periods.some((period) => period < 60) ? Math.floor(from / 1000) * 1000 : Math.floor(from / step) * step;
}

export const dataHandlers: HandlersOf<CloudWatch> = {
  /** Throws ValidationError, InvalidNextToken. */
  async GetMetricData(input, ctx) {
    if (input.LabelOptions !== undefined) throw parameterNotImplemented('GetMetricData', 'LabelOptions');
    const { MetricDataQueries: queries = [], StartTime, EndTime, MaxDatapoints: limit = limits.pointsPerCall } = input;
    const ascending = input.ScanBy === 'TimestampAscending';
    const [from, to] = [StartTime?.getTime() ?? 0, EndTime?.getTime() ?? 0];
    if (from >= to) throw validationError('The parameter EndTime must be greater than StartTime.');
    if (queries.length === 0) throw validationError('The collection MetricDataQueries must not be empty.');
    if (queries.length > limits.queriesPerCall)
      throw validationError(`The collection MetricDataQueries must not have a size greater than ${limits.queriesPerCall}.`);
    if (limit > limits.pointsPerCall || limit < 1)
      throw validationError(`The value ${limit} for parameter MaxDatapoints must be between 1 and ${limits.pointsPerCall}.`);
    const rows = readQueries('GetMetricData', queries);
    const scope = `GetMetricData ${from} ${to} ${ascending} ${JSON.stringify(rows)}`;
    const skip = input.NextToken === undefined ? [0, 0] : parsePageToken(scope, input.NextToken);
    if (skip === undefined) throw invalidToken();
    const run = new QueryRun(
      ctx,
      rows,
      aligned(
        from,
        rows.flatMap(({ stat }) => stat?.period ?? []),
      ),
      to,
    );
    const results: MetricDataResult[] = [];
    // A page begins where the one before ended, so that queries which are done are not read again.
    let [toSkip, room] = [Number(skip[1]), limit];
    let next: readonly [query: number, given: number] | undefined;
    for (const [index, row] of rows.entries()) {
      if (!row.returnData || index < Number(skip[0])) continue;
      if (room === 0) {
        next ??= [index, 0];
        break;
      }
      const given = toSkip;
      const before = room;
      for (const { label, series } of await run.series(row)) {
        const { at, values } = inOrder(series, ascending);
        const begin = Math.min(toSkip, at.length);
        toSkip -= begin;
        const end = Math.min(at.length, begin + room);
        room -= end - begin;
        if (begin === at.length && begin > 0) continue;
        if (end < at.length) next = [index, given + before - room];
        results.push({
          Id: row.id,
          Label: label,
          Timestamps: at.slice(begin, end).map((time) => new Date(time)),
          Values: values.slice(begin, end),
          StatusCode: end < at.length ? 'PartialData' : 'Complete',
        });
      }
    }
    return {
      MetricDataResults: results,
      Messages: [],
      NextToken: next === undefined ? undefined : formatPageToken(scope, [...next]),
    };
  },
};
