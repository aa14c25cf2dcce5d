/** Widgets of dashboards as queries ("Dashboard body structure and syntax"): a metric is an array, in which `.` repeats what stands above it and `...` all that does. */
import type { MetricDataQuery } from '@aws-sdk/client-cloudwatch';

export interface Widget {
  type?: string;
  properties?: {
    title?: unknown;
    markdown?: unknown;
    region?: unknown;
    stat?: unknown;
    period?: unknown;
    metrics?: readonly (readonly unknown[])[];
  };
}

interface Options {
  id?: string;
  label?: string;
  stat?: string;
  period?: number;
  visible?: boolean;
  expression?: string;
}

const periodDefault = 300;

/** The words of a row, with what it repeats of the one above. */
function expand(words: readonly string[], above: readonly string[]): string[] {
  const full = words[0] === '...' ? [...above.slice(0, above.length - words.length + 1), ...words.slice(1)] : words;
  return full.map((word, at) => (word === '.' ? (above[at] ?? '') : word));
}

/** What a metric widget asks GetMetricData for. */
export function queriesOf({ metrics = [], stat, period }: NonNullable<Widget['properties']>): MetricDataQuery[] {
  let above: string[] = [];
  return metrics.map((row, at) => {
    const last = row.at(-1);
    const options: Options = typeof last === 'object' && last !== null ? last : {};
    const { id = `pilvi${at}`, label, visible = true, expression } = options;
    const query = { Id: id, ReturnData: visible, ...(label === undefined ? {} : { Label: label }) };
    const seconds = options.period ?? Number(period ?? periodDefault);
    if (expression !== undefined) return { ...query, Expression: expression, Period: seconds };
    above = expand(
      row.filter((word) => typeof word === 'string'),
      above,
    );
    const [Namespace, MetricName, ...pairs] = above;
    const Dimensions = pairs.flatMap((Name, index) => (index % 2 === 0 ? [{ Name, Value: pairs[index + 1] ?? '' }] : []));
    const Stat = options.stat ?? String(stat ?? 'Average');
    return { ...query, MetricStat: { Metric: { Namespace, MetricName, Dimensions }, Period: seconds, Stat } };
  });
}
