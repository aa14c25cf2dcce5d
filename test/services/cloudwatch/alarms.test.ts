import { CloudWatch, type PutMetricAlarmInput } from '@aws-sdk/client-cloudwatch';
import { CloudWatchLogs } from '@aws-sdk/client-cloudwatch-logs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { advanceClock, freshAccount, type OwnCloud, refused, startOwnCloud } from '../../support/cloud.ts';

const minute = 60_000;

describe('alarms over time', () => {
  let cloud: OwnCloud;
  /** How far the cloud's clock is ahead: these tests move it one after the other. */
  let ahead = 0;
  beforeAll(async () => {
    cloud = await startOwnCloud();
  });
  afterAll(async () => void (await cloud.stop()));

  const now = () => Date.now() + ahead;
  const client = () => new CloudWatch(freshAccount(cloud.endpoint).config());

  async function pass(millis: number): Promise<void> {
    ahead += millis;
    await advanceClock(cloud.endpoint, millis);
  }

  /** Moves to just after the beginning of the next minute, so that a minute ends with the points put before. */
  async function nextMinute(): Promise<void> {
    await pass(minute - (now() % minute) + 500);
  }

  const alarm = (more: Partial<PutMetricAlarmInput> = {}): PutMetricAlarmInput => ({
    AlarmName: 'high',
    Namespace: 'App',
    MetricName: 'load',
    Statistic: 'Average',
    Period: 60,
    EvaluationPeriods: 1,
    Threshold: 10,
    ComparisonOperator: 'GreaterThanThreshold',
    ...more,
  });

  const put = (cw: CloudWatch, Value: number, MetricName = 'load') =>
    cw.putMetricData({ Namespace: 'App', MetricData: [{ MetricName, Value, Timestamp: new Date(now()) }] });

  const stateOf = async (cw: CloudWatch, name = 'high') =>
    (await cw.describeAlarms({ AlarmNames: [name] })).MetricAlarms?.[0]?.StateValue;

  test('CW-008 CW-009 an alarm starts without data, and follows its metric', async () => {
    const cw = client();
    await nextMinute();
    const topic = 'arn:aws:sns:us-east-1:000000000000:ops';
    await cw.putMetricAlarm(alarm({ AlarmActions: [topic], AlarmDescription: 'too much' }));
    const { MetricAlarms } = await cw.describeAlarms({});
    expect(MetricAlarms).toMatchObject([
      {
        AlarmName: 'high',
        AlarmDescription: 'too much',
        StateValue: 'INSUFFICIENT_DATA',
        StateReason: 'Unchecked: Initial alarm creation',
        Threshold: 10,
        Period: 60,
        EvaluationPeriods: 1,
        ComparisonOperator: 'GreaterThanThreshold',
        AlarmActions: [topic],
        ActionsEnabled: true,
      },
    ]);
    await put(cw, 5);
    await nextMinute();
    expect(await stateOf(cw)).toBe('OK');
    await put(cw, 11);
    await nextMinute();
    const [alarming] = (await cw.describeAlarms({ StateValue: 'ALARM' })).MetricAlarms ?? [];
    expect(alarming?.StateReason).toMatch(
      /^Threshold Crossed: 1 out of the last 1 datapoints? \[11\.0 \(\d\d\/\d\d\/\d\d \d\d:\d\d:00\)\] was greater than the threshold \(10\.0\) \(minimum 1 datapoint for OK -> ALARM transition\)\.$/,
    );
    await nextMinute();
    await nextMinute();
    await nextMinute();
    expect((await cw.describeAlarms({})).MetricAlarms?.[0]).toMatchObject({
      StateValue: 'INSUFFICIENT_DATA',
      StateReason: 'Insufficient Data: 1 datapoint was unknown.',
    });
  });

  test('CW-010 a state that is set lasts until the next evaluation', async () => {
    const cw = client();
    await nextMinute();
    await cw.putMetricAlarm(alarm());
    await put(cw, 1);
    await cw.setAlarmState({ AlarmName: 'high', StateValue: 'ALARM', StateReason: 'a test' });
    expect((await cw.describeAlarms({})).MetricAlarms?.[0]).toMatchObject({ StateValue: 'ALARM', StateReason: 'a test' });
    await nextMinute();
    expect(await stateOf(cw)).toBe('OK');
    const { AlarmHistoryItems: items } = await cw.describeAlarmHistory({
      AlarmName: 'high',
      HistoryItemType: 'StateUpdate',
      ScanBy: 'TimestampAscending',
    });
    expect(items?.map(({ HistorySummary }) => HistorySummary)).toEqual([
      'Alarm updated from INSUFFICIENT_DATA to ALARM',
      'Alarm updated from ALARM to OK',
    ]);
    await refused(cw.setAlarmState({ AlarmName: 'none', StateValue: 'OK', StateReason: '' }), 'ResourceNotFound', undefined, 404);
  });

  test('CW-011 an alarm fires when all periods are bad, and is fine again with the first good one', async () => {
    const cw = client();
    await nextMinute();
    await cw.putMetricAlarm(alarm({ EvaluationPeriods: 3 }));
    const seen: (string | undefined)[] = [];
    for (const value of [5, 5, 5, 20, 20, 20, 5]) {
      await put(cw, value);
      await nextMinute();
      seen.push(await stateOf(cw));
    }
    expect(seen.slice(2)).toEqual(['OK', 'OK', 'OK', 'ALARM', 'OK']);
  });

  test('CW-012 M bad points of N suffice', async () => {
    const cw = client();
    await nextMinute();
    await cw.putMetricAlarm(alarm({ EvaluationPeriods: 3, DatapointsToAlarm: 2 }));
    const seen: (string | undefined)[] = [];
    for (const value of [5, 5, 5, 20, 5, 20, 5, 5]) {
      await put(cw, value);
      await nextMinute();
      seen.push(await stateOf(cw));
    }
    expect(seen.slice(2)).toEqual(['OK', 'OK', 'OK', 'ALARM', 'OK', 'OK']);
  });

  test('missing data are treated as the alarm says', async () => {
    const cw = client();
    await nextMinute();
    for (const TreatMissingData of ['breaching', 'notBreaching', 'ignore', 'missing'])
      await cw.putMetricAlarm(alarm({ AlarmName: TreatMissingData, EvaluationPeriods: 2, TreatMissingData }));
    await put(cw, 20);
    await nextMinute();
    await put(cw, 20);
    await nextMinute();
    for (const name of ['breaching', 'notBreaching', 'ignore', 'missing']) expect(await stateOf(cw, name)).toBe('ALARM');
    for (let passed = 0; passed < 5; passed++) await nextMinute();
    expect(await stateOf(cw, 'breaching')).toBe('ALARM');
    expect(await stateOf(cw, 'notBreaching')).toBe('OK');
    expect(await stateOf(cw, 'ignore')).toBe('ALARM');
    expect(await stateOf(cw, 'missing')).toBe('INSUFFICIENT_DATA');
  });

  test('an alarm on an expression, and a composite alarm above two', async () => {
    const cw = client();
    await nextMinute();
    const metric = (Id: string, MetricName: string) => ({
      Id,
      ReturnData: false,
      MetricStat: { Metric: { Namespace: 'App', MetricName }, Period: 60, Stat: 'Sum' },
    });
    const rate = { AlarmName: 'rate', EvaluationPeriods: 1, Threshold: 50, ComparisonOperator: 'GreaterThanThreshold' } as const;
    await cw.putMetricAlarm({
      ...rate,
      Metrics: [metric('e', 'errors'), metric('c', 'calls'), { Id: 'r', Expression: '100 * e / c' }],
    });
    await cw.putMetricAlarm(alarm());
    await cw.putCompositeAlarm({ AlarmName: 'both', AlarmRule: 'ALARM("high") AND ALARM(rate)' });
    await refused(
      cw.putCompositeAlarm({ AlarmName: 'x', AlarmRule: 'ALARM(' }),
      'ValidationError',
      /^AlarmRule must be a valid rule/,
    );
    await refused(
      cw.putCompositeAlarm({ AlarmName: 'x', AlarmRule: 'ALARM("none")' }),
      'ValidationError',
      /\[none\] in the alarm rule do not exist/,
    );
    await refused(cw.deleteAlarms({ AlarmNames: ['high'] }), 'ValidationError', /depend on it/);
    const composite = async () => (await cw.describeAlarms({ AlarmTypes: ['CompositeAlarm'] })).CompositeAlarms?.[0]?.StateValue;
    await put(cw, 6, 'errors');
    await put(cw, 10, 'calls');
    await put(cw, 1);
    await nextMinute();
    expect(await stateOf(cw, 'rate')).toBe('ALARM');
    expect(await composite()).toBe('OK');
    await put(cw, 6, 'errors');
    await put(cw, 10, 'calls');
    await put(cw, 11);
    await nextMinute();
    expect(await composite()).toBe('ALARM');
    await cw.deleteAlarms({ AlarmNames: ['both', 'high', 'rate'] });
    expect((await cw.describeAlarms({ AlarmTypes: ['CompositeAlarm', 'MetricAlarm'] })).MetricAlarms).toEqual([]);
  });

  test('LOGS-006 matching lines become a metric, and its alarm follows', async () => {
    const account = freshAccount(cloud.endpoint);
    const [cw, logs] = [new CloudWatch(account.config()), new CloudWatchLogs(account.config())];
    await nextMinute();
    await logs.createLogGroup({ logGroupName: 'app' });
    await logs.createLogStream({ logGroupName: 'app', logStreamName: 's' });
    await logs.putMetricFilter({
      logGroupName: 'app',
      filterName: 'errors',
      filterPattern: 'ERROR',
      metricTransformations: [{ metricNamespace: 'Logs', metricName: 'Errors', metricValue: '1' }],
    });
    await cw.putMetricAlarm(alarm({ Namespace: 'Logs', MetricName: 'Errors', Statistic: 'Sum', Threshold: 2 }));
    const at = now();
    const messages = ['ERROR a', 'fine', 'ERROR b', 'warn', 'ERROR c'];
    await logs.putLogEvents({
      logGroupName: 'app',
      logStreamName: 's',
      logEvents: messages.map((message, index) => ({ timestamp: at + index, message })),
    });
    await nextMinute();
    const { Datapoints } = await cw.getMetricStatistics({
      Namespace: 'Logs',
      MetricName: 'Errors',
      StartTime: new Date(at - 5 * minute),
      EndTime: new Date(now()),
      Period: 60,
      Statistics: ['Sum'],
    });
    expect(Datapoints).toMatchObject([{ Sum: 3 }]);
    expect(await stateOf(cw)).toBe('ALARM');
  });
});

test('alarms that break the rules are refused', async () => {
  const cw = new CloudWatch(freshAccount().config());
  const good: PutMetricAlarmInput = {
    AlarmName: 'a',
    Namespace: 'App',
    MetricName: 'm',
    Statistic: 'Sum',
    Period: 60,
    EvaluationPeriods: 1,
    Threshold: 1,
    ComparisonOperator: 'LessThanThreshold',
  };
  const bad = (more: Partial<PutMetricAlarmInput>, message: string | RegExp) =>
    refused(cw.putMetricAlarm({ ...good, ...more }), 'ValidationError', message);
  await bad({ DatapointsToAlarm: 2 }, 'DatapointsToAlarm must be between 1 and EvaluationPeriods (1).');
  await bad(
    { EvaluationPeriods: 1441 },
    'Metrics cannot be checked across more than a day (EvaluationPeriods * Period must be <= 86400).',
  );
  await bad({ TreatMissingData: 'maybe' }, 'The value maybe for parameter TreatMissingData is not supported.');
  await bad({ AlarmActions: ['nonsense'] }, 'Invalid arn syntax: nonsense');
  await bad({ MetricName: undefined }, 'MetricName, Namespace and Period are required when Metrics is not specified.');
  await refused(cw.putMetricAlarm({ ...good, Period: 45 }), 'InvalidParameterValue');
  await refused(cw.putMetricAlarm({ ...good, Threshold: undefined }), 'MissingParameter');
  await cw.putMetricAlarm({ ...good, Tags: [{ Key: 'team', Value: 'x' }] });
  const [row] = (await cw.describeAlarms({})).MetricAlarms ?? [];
  expect((await cw.listTagsForResource({ ResourceARN: row?.AlarmArn })).Tags).toEqual([{ Key: 'team', Value: 'x' }]);
  await cw.disableAlarmActions({ AlarmNames: ['a'] });
  expect((await cw.describeAlarms({ AlarmNamePrefix: 'a' })).MetricAlarms?.[0]?.ActionsEnabled).toBe(false);
  expect((await cw.describeAlarmsForMetric({ Namespace: 'App', MetricName: 'm' })).MetricAlarms).toHaveLength(1);
});
