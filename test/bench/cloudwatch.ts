/** CloudWatch with a million points: how fast they are put, and what GetMetricData needs to read them all, as statistics of hours and point by point. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { performance } from 'node:perf_hooks';
import { CloudWatch, type GetMetricDataOutput, type MetricDataQuery } from '@aws-sdk/client-cloudwatch';
import { type Measurement, startServer } from './cloud.ts';

const metrics = 100;
/** Minutes per metric: a little under a week. */
const minutes = 10_000;
/** Data of one PutMetricData, and calls under way at once. */
const batch = 1000;
const concurrency = 4;
const minute = 60_000;
const rounds = 5;

const Namespace = 'Bench';
const nameOf = (metric: number): string => `load-${metric}`;

/** Puts every metric's points, newest last. */
async function put(client: CloudWatch, from: number): Promise<void> {
  let next = 0;
  const calls = (metrics * minutes) / batch;
  await Promise.all(
    Array.from({ length: concurrency }, async () => {
      while (next < calls) {
        const call = next;
        next += 1;
        const metric = Math.floor((call * batch) / minutes);
        const first = (call * batch) % minutes;
        const MetricData = Array.from({ length: batch }, (_none, index) => ({
          MetricName: nameOf(metric),
          Value: (first + index) % 97,
          Timestamp: new Date(from + (first + index) * minute),
        }));
        await client.putMetricData({ Namespace, MetricData });
      }
    }),
  );
}

/** Reads all metrics with one period; resolves with how many values came. */
async function read(client: CloudWatch, from: number, Period: number): Promise<number> {
  const MetricDataQueries: MetricDataQuery[] = Array.from({ length: metrics }, (_none, metric) => ({
    Id: `m${metric}`,
    MetricStat: { Metric: { Namespace, MetricName: nameOf(metric) }, Period, Stat: 'Average' },
  }));
  const range = { StartTime: new Date(from), EndTime: new Date(from + minutes * minute) };
  let [values, token]: [number, string | undefined] = [0, undefined];
  do {
    const { MetricDataResults = [], NextToken }: GetMetricDataOutput = await client.getMetricData({
      ...range,
      MetricDataQueries,
      NextToken: token,
    });
    for (const { Values = [] } of MetricDataResults) values += Values.length;
    token = NextToken;
  } while (token !== undefined);
  return values;
}

/** Starts a cloud from dist/, so run `npm run build` first; `npm run bench` does. */
export async function bench(): Promise<Measurement[]> {
  const results: Measurement[] = [];
  const data = await mkdtemp(path.join(tmpdir(), 'pilvi-bench-'));
  const server = await startServer(
    [process.execPath, 'dist/pilvi.js', 'start', '--port', '0', '--data', data],
    (output) => /is ready: (http:\/\/\S+)/.exec(output)?.[1],
  );
  try {
    const client = new CloudWatch({
      endpoint: server.url.href,
      region: 'us-east-1',
      credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
    });
    const from = Math.floor(Date.now() / (60 * minute)) * 60 * minute - minutes * minute;
    let began = performance.now();
    await put(client, from);
    results.push({
      name: 'PutMetricData of a million points',
      value: (metrics * minutes * 1000) / (performance.now() - began),
      unit: 'points/s',
    });
    for (const [Period, what] of [
      [3600, 'by the hour'],
      [60, 'point by point'],
    ] as const) {
      let [best, values] = [Number.POSITIVE_INFINITY, 0];
      for (let round = 0; round < (Period === 60 ? 1 : rounds); round += 1) {
        began = performance.now();
        values = await read(client, from, Period);
        best = Math.min(best, performance.now() - began);
      }
      results.push({ name: `GetMetricData over a million points ${what}`, value: best, unit: 'ms' });
      results.push({ name: `values ${what}`, value: values, unit: 'values' });
    }
    client.destroy();
  } finally {
    await server.stop();
    await rm(data, { recursive: true, force: true });
  }
  return results;
}
