import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { CloudWatch } from '@aws-sdk/client-cloudwatch';
import { describe, expect, test } from 'vitest';
import { freshAccount, refused } from '../../support/cloud.ts';
import { allow, policy, rooted, userWithKey } from '../iam/support.ts';

const minute = 60_000;
/** The beginning of a minute some minutes ago. */
const ago = (minutes: number) => Math.floor(Date.now() / minute) * minute - minutes * minute;

function cloudwatch(account = freshAccount()): CloudWatch {
  return new CloudWatch(account.config());
}

async function put(client: CloudWatch, MetricName: string, values: Record<number, number[]>, more: object = {}): Promise<void> {
  for (const [minutes, Values] of Object.entries(values))
    await client.putMetricData({
      Namespace: 'App',
      MetricData: [{ MetricName, Values, Timestamp: new Date(ago(Number(minutes))), ...more }],
    });
}

describe('custom metrics', () => {
  test('CW-005 data of a namespace of one’s own comes back as statistics', async () => {
    const client = cloudwatch();
    const Dimensions = [{ Name: 'Host', Value: 'a' }];
    const values = Array.from({ length: 100 }, (_, index) => index + 1);
    await put(client, 'Latency', { 3: values }, { Dimensions, Unit: 'Milliseconds' });
    await client.putMetricData({
      Namespace: 'App',
      MetricData: [
        {
          MetricName: 'Latency',
          Dimensions,
          Unit: 'Milliseconds',
          Timestamp: new Date(ago(2)),
          StatisticValues: { SampleCount: 4, Sum: 40, Minimum: 5, Maximum: 20 },
        },
      ],
    });
    const { Label, Datapoints } = await client.getMetricStatistics({
      Namespace: 'App',
      MetricName: 'Latency',
      Dimensions,
      StartTime: new Date(ago(10)),
      EndTime: new Date(ago(0)),
      Period: 60,
      Statistics: ['Average', 'Sum', 'Minimum', 'Maximum', 'SampleCount'],
      ExtendedStatistics: ['p99', 'tm90'],
    });
    expect(Label).toBe('Latency');
    expect(Datapoints).toEqual([
      {
        Timestamp: new Date(ago(3)),
        Unit: 'Milliseconds',
        Average: 50.5,
        Sum: 5050,
        Minimum: 1,
        Maximum: 100,
        SampleCount: 100,
        ExtendedStatistics: { p99: 99, tm90: 45.5 },
      },
      { Timestamp: new Date(ago(2)), Unit: 'Milliseconds', Average: 10, Sum: 40, Minimum: 5, Maximum: 20, SampleCount: 4 },
    ]);
    const other = await client.getMetricStatistics({
      Namespace: 'App',
      MetricName: 'Latency',
      StartTime: new Date(ago(10)),
      EndTime: new Date(ago(0)),
      Period: 60,
      Statistics: ['Sum'],
    });
    expect(other.Datapoints).toEqual([]);
  });

  test('metrics are listed by namespace, name and dimensions, in pages', async () => {
    const client = cloudwatch();
    for (const Host of ['a', 'b']) await put(client, 'Errors', { 1: [1] }, { Dimensions: [{ Name: 'Host', Value: Host }] });
    await put(client, 'Calls', { 1: [1] });
    const names = async (filter: object) => (await client.listMetrics(filter)).Metrics?.map(({ MetricName }) => MetricName);
    expect(await names({ Namespace: 'App' })).toEqual(['Calls', 'Errors', 'Errors']);
    expect(await names({ MetricName: 'Errors', Dimensions: [{ Name: 'Host', Value: 'b' }] })).toEqual(['Errors']);
    expect(await names({ Namespace: 'Other' })).toEqual([]);
    const MetricData = Array.from({ length: 501 }, (_, index) => ({
      MetricName: `m${String(index).padStart(3, '0')}`,
      Value: 1,
    }));
    await client.putMetricData({ Namespace: 'Many', MetricData });
    const first = await client.listMetrics({ Namespace: 'Many' });
    expect(first.Metrics).toHaveLength(500);
    const rest = await client.listMetrics({ Namespace: 'Many', NextToken: first.NextToken });
    expect(rest.Metrics?.map(({ MetricName }) => MetricName)).toEqual(['m500']);
    await refused(client.listMetrics({ NextToken: 'none' }), 'InvalidNextToken');
  });

  test('data that break the rules are refused, and nothing of the call is kept', async () => {
    const client = cloudwatch();
    const bad = (datum: object, Namespace = 'App') =>
      client.putMetricData({
        Namespace,
        MetricData: [
          { MetricName: 'good', Value: 1 },
          { MetricName: 'm', ...datum },
        ],
      });
    await refused(bad({}), 'MissingParameter');
    await refused(bad({ Value: 1, Values: [2] }), 'InvalidParameterCombination');
    await refused(bad({ Value: 1, Unit: 'Furlongs' }), 'InvalidParameterValue');
    await refused(bad({ Value: 2 ** 361 }), 'InvalidParameterValue');
    await refused(
      bad({ Values: [1, 2], Counts: [1] }),
      'InvalidParameterValue',
      'The parameters MetricData.member.2.Values and MetricData.member.2.Counts must have the same size.',
    );
    await refused(
      bad({ Value: 1, Timestamp: new Date(Date.now() - 15 * 86_400_000) }),
      'InvalidParameterValue',
      'The parameter MetricData.member.2.Timestamp must be no more than two weeks before the current time.',
    );
    await refused(bad({ Value: 1, Timestamp: new Date(Date.now() + 3 * 3_600_000) }), 'InvalidParameterValue');
    await refused(
      bad({ Value: 1, Dimensions: Array.from({ length: 31 }, (_, i) => ({ Name: `d${i}`, Value: 'x' })) }),
      'InvalidParameterValue',
      'The collection MetricData.member.2.Dimensions must not have a size greater than 30.',
    );
    await refused(bad({ Value: 1 }, 'AWS/EC2'), 'InvalidParameterValue', 'The value AWS/ for parameter Namespace is invalid.');
    await refused(bad({ Value: 1 }, ':colon'), 'InvalidParameterValue', 'The value :colon for parameter Namespace is invalid.');
    expect((await client.listMetrics({})).Metrics).toEqual([]);
  });

  test('CW-006 data come from outside the cloud, by the API', async (context) => {
    const run = promisify(execFile);
    const here = await run('aws', ['--version']).then(
      () => true,
      () => false,
    );
    context.skip(!here, 'aws CLI is not on this machine');
    const account = freshAccount();
    const aws = (...words: string[]) => run('aws', words, { env: account.env() });
    await aws(
      'cloudwatch',
      'put-metric-data',
      '--namespace',
      'Office',
      '--metric-name',
      'Load',
      '--value',
      '3',
      '--dimensions',
      'Host=desk',
    );
    const { stdout } = await aws('cloudwatch', 'list-metrics', '--namespace', 'Office');
    expect(JSON.parse(stdout)).toEqual({
      Metrics: [{ Namespace: 'Office', MetricName: 'Load', Dimensions: [{ Name: 'Host', Value: 'desk' }] }],
    });
    await aws('logs', 'create-log-group', '--log-group-name', 'office');
    await aws('logs', 'create-log-stream', '--log-group-name', 'office', '--log-stream-name', 'desk');
    await aws(
      'logs',
      'put-log-events',
      '--log-group-name',
      'office',
      '--log-stream-name',
      'desk',
      '--log-events',
      `timestamp=${Date.now()},message=hello`,
    );
    const found = await aws('logs', 'get-log-events', '--log-group-name', 'office', '--log-stream-name', 'desk');
    expect(JSON.parse(found.stdout).events).toMatchObject([{ message: 'hello' }]);
  });

  test('a policy may allow one namespace', async () => {
    const root = rooted();
    const ann = await userWithKey(root, 'ann');
    const statement = { ...allow('cloudwatch:PutMetricData'), Condition: { StringEquals: { 'cloudwatch:namespace': 'Mine' } } };
    await root.iam.putUserPolicy({ UserName: 'ann', PolicyName: 'p', PolicyDocument: policy(statement) });
    const client = new CloudWatch(root.account.configFor(ann.key));
    await client.putMetricData({ Namespace: 'Mine', MetricData: [{ MetricName: 'm', Value: 1 }] });
    await refused(
      client.putMetricData({ Namespace: 'Other', MetricData: [{ MetricName: 'm', Value: 1 }] }),
      'AccessDenied',
      /cloudwatch:PutMetricData/,
      403,
    );
  });
});

describe('metric math', () => {
  const query = (Id: string, Expression: string, more: object = {}) => ({ Id, Expression, ...more });
  const metric = (Id: string, MetricName: string, Stat = 'Sum', Period = 60) => ({
    Id,
    ReturnData: false,
    MetricStat: { Metric: { Namespace: 'App', MetricName }, Stat, Period },
  });

  async function values(client: CloudWatch, MetricDataQueries: object[], more: object = {}) {
    const { MetricDataResults } = await client.getMetricData({
      MetricDataQueries: MetricDataQueries as never,
      StartTime: new Date(ago(10)),
      EndTime: new Date(ago(0)),
      ScanBy: 'TimestampAscending',
      ...more,
    });
    return Object.fromEntries(
      (MetricDataResults ?? []).map(({ Id, Label, Values }, index) => [Id === 's' ? `${Label}` : (Id ?? index), Values]),
    );
  }

  test('expressions are computed over metrics', async () => {
    const client = cloudwatch();
    await put(client, 'errors', { 4: [1], 3: [3], 1: [5] });
    await put(client, 'calls', { 4: [10], 3: [10], 2: [10], 1: [20] });
    const metrics = [metric('e', 'errors'), metric('c', 'calls')];
    const of = async (Expression: string) => (await values(client, [...metrics, query('x', Expression)]))['x'];
    expect(await of('100 * e / c')).toEqual([10, 30, 25]);
    expect(await of('FILL(e, 0) + c - 1')).toHaveLength(4);
    expect(await of('SUM([e, c])')).toEqual([11, 13, 10, 25]);
    expect(await of('c - AVG(c)')).toEqual([-2.5, -2.5, -2.5, 7.5]);
    expect(await of('IF(c > 10, c, -1)')).toEqual([-1, -1, -1, 20]);
    expect(await of('DIFF(c)')).toEqual([0, 0, 10]);
    expect(await of('RATE(c) * 60')).toEqual([0, 0, 10]);
    expect(await of('RUNNING_SUM(e)')).toEqual([1, 4, 9]);
    expect(await of('ABS(-e) ^ 2')).toEqual([1, 9, 25]);
    expect(await of('MAX(METRICS())')).toEqual([10, 10, 10, 20]);
    expect(await of('SUM(METRICS("e")) / PERIOD(e)')).toEqual([1 / 60, 3 / 60, 5 / 60]);
    expect(await of('(e > 2 AND c > 10) OR e == 1')).toEqual([1, 0, 1]);
    expect((await values(client, [...metrics, query('x', 'TIME_SERIES(7)', { Period: 60 })]))['x']).toHaveLength(10);
    const range = { StartTime: new Date(ago(4)), EndTime: new Date(ago(0)) };
    expect((await values(client, [...metrics, query('x', 'FILL(e, REPEAT)')], range))['x']).toEqual([1, 3, 3, 5]);
    expect((await values(client, [...metrics, query('x', 'FILL(e, LINEAR)')], range))['x']).toEqual([1, 3, 4, 5]);
    const bad = (Expression: string) =>
      client.getMetricData({
        MetricDataQueries: [...metrics, query('x', Expression)],
        StartTime: new Date(ago(9)),
        EndTime: new Date(ago(0)),
      });
    await refused(bad('e +'), 'ValidationError', "Error in expression 'x': Unexpected end of expression");
    await refused(bad('nobody * 2'), 'ValidationError', "Error in expression 'x': Undefined identifier: nobody");
    await refused(bad('BOGUS(e)'), 'ValidationError', "Error in expression 'x': Unsupported function 'BOGUS'");
    await refused(bad('1 + 1'), 'ValidationError', "Error in expression 'x': The expression must return time series");
    await refused(bad('ANOMALY_DETECTION_BAND(e)'), 'NotImplemented', /ANOMALY_DETECTION_BAND/, 501);
  });

  test('searches find metrics by namespace, dimension names and words', async () => {
    const client = cloudwatch();
    for (const [Host, value] of [
      ['web-1', 1],
      ['web-2', 2],
      ['db-1', 3],
    ] as const)
      await put(client, 'CpuLoad', { 1: [value] }, { Dimensions: [{ Name: 'Host', Value: Host }] });
    await put(client, 'Other', { 1: [9] });
    const found = (expression: string) => values(client, [query('s', `SEARCH('${expression}', 'Sum', 60)`)]);
    expect(await found('{App,Host} MetricName="CpuLoad"')).toEqual({
      'db-1 CpuLoad': [3],
      'web-1 CpuLoad': [1],
      'web-2 CpuLoad': [2],
    });
    expect(Object.keys(await found('{App,Host} cpu NOT Host="db-1"'))).toHaveLength(2);
    expect(Object.keys(await found('{App,Host} Host=("web-1" OR "db-1")'))).toHaveLength(2);
    expect(Object.keys(await found('{App} Other'))).toEqual(['Other']);
  });

  test('answers come in pages of points, newest first unless asked otherwise', async () => {
    const client = cloudwatch();
    await put(client, 'errors', { 5: [1], 4: [2], 3: [3], 2: [4] });
    const ask = (more: object) =>
      client.getMetricData({
        MetricDataQueries: [{ ...metric('e', 'errors'), ReturnData: true }],
        StartTime: new Date(ago(10)),
        EndTime: new Date(ago(0)),
        MaxDatapoints: 3,
        ...more,
      });
    const first = await ask({});
    expect(first.MetricDataResults?.[0]).toMatchObject({ Values: [4, 3, 2], StatusCode: 'PartialData' });
    const second = await ask({ NextToken: first.NextToken });
    expect(second.MetricDataResults?.[0]).toMatchObject({ Values: [1], StatusCode: 'Complete' });
    expect(second.NextToken).toBeUndefined();
    await refused(ask({ MaxDatapoints: 200_000 }), 'ValidationError');
    await refused(ask({ StartTime: new Date(ago(0)) }), 'ValidationError');
  });
});

test('dashboards are kept when their body is right', async () => {
  const client = cloudwatch();
  const DashboardBody = JSON.stringify({ widgets: [{ type: 'metric', properties: { metrics: [['App', 'errors']] } }] });
  await client.putDashboard({ DashboardName: 'main', DashboardBody });
  expect((await client.getDashboard({ DashboardName: 'main' })).DashboardBody).toBe(DashboardBody);
  expect((await client.listDashboards({})).DashboardEntries).toMatchObject([
    { DashboardName: 'main', Size: DashboardBody.length },
  ]);
  const error = await refused(client.putDashboard({ DashboardName: 'bad', DashboardBody: '{' }), 'DashboardInvalidInputError');
  expect(error).toMatchObject({ dashboardValidationMessages: [{ DataPath: '/' }] });
  await refused(
    client.deleteDashboards({ DashboardNames: ['main', 'none'] }),
    'ResourceNotFound',
    'Dashboard none does not exist',
  );
  expect((await client.listDashboards({})).DashboardEntries).toHaveLength(1);
  await client.deleteDashboards({ DashboardNames: ['main'] });
});
