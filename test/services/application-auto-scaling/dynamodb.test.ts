import { ApplicationAutoScaling, type RegisterScalableTargetRequest } from '@aws-sdk/client-application-auto-scaling';
import { CloudWatch } from '@aws-sdk/client-cloudwatch';
import { DynamoDB } from '@aws-sdk/client-dynamodb';
import { IAM } from '@aws-sdk/client-iam';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { advanceClock, eventually, freshAccount, type OwnCloud, refused, startOwnCloud } from '../../support/cloud.ts';

const minute = 60_000;
const writes = {
  ServiceNamespace: 'dynamodb',
  ResourceId: 'table/orders',
  ScalableDimension: 'dynamodb:table:WriteCapacityUnits',
} as const;
const target: RegisterScalableTargetRequest = { ...writes, MinCapacity: 2, MaxCapacity: 10 };
const tracking = (TargetValue: number) => ({
  TargetValue,
  PredefinedMetricSpecification: { PredefinedMetricType: 'DynamoDBWriteCapacityUtilization' as const },
});
let cloud: OwnCloud;
let ahead = 0;
beforeAll(async () => {
  cloud = await startOwnCloud();
});
afterAll(async () => void (await cloud.stop()));

const now = () => Date.now() + ahead;
async function pass(millis: number): Promise<void> {
  ahead += millis;
  await advanceClock(cloud.endpoint, millis);
}

/** An account with the table `orders` of five units each way, and an index of the same. */
async function orders() {
  const account = freshAccount(cloud.endpoint);
  const db = new DynamoDB(account.config());
  const throughput = { ReadCapacityUnits: 5, WriteCapacityUnits: 5 };
  await db.createTable({
    TableName: 'orders',
    AttributeDefinitions: [
      { AttributeName: 'id', AttributeType: 'S' },
      { AttributeName: 'day', AttributeType: 'S' },
    ],
    KeySchema: [{ AttributeName: 'id', KeyType: 'HASH' }],
    ProvisionedThroughput: throughput,
    GlobalSecondaryIndexes: [
      {
        IndexName: 'by-day',
        KeySchema: [{ AttributeName: 'day', KeyType: 'HASH' }],
        Projection: { ProjectionType: 'KEYS_ONLY' },
        ProvisionedThroughput: throughput,
      },
    ],
  });
  const table = async () => (await db.describeTable({ TableName: 'orders' })).Table;
  await eventually(
    async () => {
      await pass(1000);
      expect((await table())?.TableStatus).toBe('ACTIVE');
    },
    { why: 'the table is there' },
  );
  const units = async () => (await table())?.ProvisionedThroughput?.WriteCapacityUnits;
  return { account, db, table, units, aas: new ApplicationAutoScaling(account.config()), cw: new CloudWatch(account.config()) };
}

test('DDB-014 the capacity of a table follows its load to a target, within its bounds', { timeout: 90_000 }, async () => {
  const { db, units, aas, cw } = await orders();
  await aas.registerScalableTarget(target);
  const { Alarms } = await aas.putScalingPolicy({
    ...writes,
    PolicyName: 'seventy',
    PolicyType: 'TargetTrackingScaling',
    TargetTrackingScalingPolicyConfiguration: tracking(70),
  });
  const threshold = async () =>
    (await cw.describeAlarms({ AlarmNames: Alarms?.map(({ AlarmName = '' }) => AlarmName) ?? [] })).MetricAlarms?.map(
      ({ Threshold }) => Threshold,
    );
  expect(await threshold()).toEqual([210, 150]);
  /** A minute in which items of so many units each are written. */
  const load = async (items: number, size: number) => {
    for (let item = 0; item < items; item += 1)
      await db.putItem({ TableName: 'orders', Item: { id: { S: `${item}` }, data: { S: 'x'.repeat(size * 1000) } } });
    await pass(minute - (now() % minute) + 500);
  };
  await pass(minute - (now() % minute) + 500);
  for (let count = 0; count < 3; count += 1) await load(6, 51);
  // 300 units a minute are five a second: seven tenths of eight.
  expect(await units()).toBe(8);
  expect(await threshold()).toEqual([336, 240]);
  for (let count = 0; count < 3; count += 1) await load(12, 51);
  expect(await units()).toBe(10);
  for (let count = 0; count < 18; count += 1) await load(1, 1);
  expect(await units()).toBe(2);
  const { ScalingActivities = [] } = await aas.describeScalingActivities({ ServiceNamespace: 'dynamodb' });
  expect(ScalingActivities.map(({ Description, StatusCode }) => [Description, StatusCode])).toEqual([
    ['Setting write capacity units to 2.', 'Successful'],
    ['Setting write capacity units to 10.', 'Successful'],
    ['Setting write capacity units to 8.', 'Successful'],
  ]);
  expect(ScalingActivities[2]?.Cause).toMatch(
    /^monitor alarm TargetTracking-table\/orders-AlarmHigh-\S+ in state ALARM triggered policy seventy$/,
  );
  await aas.deregisterScalableTarget(writes);
  expect((await cw.describeAlarms({})).MetricAlarms).toEqual([]);
});

test('targets keep a capacity in their bounds, also an index, by schedules too', async () => {
  const { aas, units, table } = await orders();
  await aas.registerScalableTarget(target);
  const [known] = (await aas.describeScalableTargets({ ServiceNamespace: 'dynamodb' })).ScalableTargets ?? [];
  expect(known?.RoleARN).toMatch(/AWSServiceRoleForApplicationAutoScaling_DynamoDBTable$/);
  const RoleARN = `arn:aws:iam::${'1'.repeat(12)}:role/own`;
  await refused(aas.registerScalableTarget({ ...target, RoleARN }), 'NotImplemented');
  await aas.registerScalableTarget({ ...target, MinCapacity: 7, RoleARN: known?.RoleARN });
  expect(await units()).toBe(7);
  await pass(minute);
  await aas.registerScalableTarget({
    ServiceNamespace: 'dynamodb',
    ResourceId: 'table/orders/index/by-day',
    ScalableDimension: 'dynamodb:index:ReadCapacityUnits',
    MinCapacity: 1,
    MaxCapacity: 4,
  });
  expect((await table())?.GlobalSecondaryIndexes?.[0]?.ProvisionedThroughput).toMatchObject({
    ReadCapacityUnits: 4,
    WriteCapacityUnits: 5,
  });
  const { ScalableTargets } = await aas.describeScalableTargets({ ServiceNamespace: 'dynamodb' });
  expect(ScalableTargets).toMatchObject([
    { ResourceId: 'table/orders', MinCapacity: 7, MaxCapacity: 10, SuspendedState: { ScheduledScalingSuspended: false } },
    { ResourceId: 'table/orders/index/by-day', MinCapacity: 1, MaxCapacity: 4 },
  ]);
  await pass(minute);
  const at = new Date(Math.floor(now() / minute) * minute + 2 * minute);
  await aas.putScheduledAction({
    ...writes,
    ScheduledActionName: 'once',
    Schedule: `at(${at.toISOString().slice(0, 19)})`,
    ScalableTargetAction: { MinCapacity: 9 },
  });
  const noon = new Date(now());
  await aas.putScheduledAction({
    ...writes,
    ScheduledActionName: 'weekly',
    Schedule: `cron(0 12 ? * ${noon.getUTCDay() + 1} *)`,
    ScalableTargetAction: { MinCapacity: 1, MaxCapacity: 3 },
  });
  await pass(at.getTime() - now() + 1000);
  expect(await units()).toBe(9);
  const { ScheduledActions } = await aas.describeScheduledActions({ ServiceNamespace: 'dynamodb' });
  expect(ScheduledActions?.map(({ ScheduledActionName }) => ScheduledActionName)).toEqual(['weekly']);
  await pass(7 * 24 * 60 * minute);
  expect(await units()).toBe(3);
  await aas.deleteScheduledAction({ ...writes, ScheduledActionName: 'weekly' });
  await refused(
    aas.deleteScheduledAction({ ...writes, ScheduledActionName: 'weekly' }),
    'ObjectNotFoundException',
    'No scheduled action found for service namespace: dynamodb, resource ID: table/orders, scalable dimension: dynamodb:table:WriteCapacityUnits, scheduled action name: weekly',
  );
});

test('what does not fit is refused', async () => {
  const { account, aas } = await orders();
  await refused(
    aas.registerScalableTarget({ ...target, MinCapacity: 11 }),
    'ValidationException',
    'Maximum capacity cannot be less than minimum capacity',
  );
  await refused(
    aas.registerScalableTarget({ ...target, ResourceId: 'orders' }),
    'ValidationException',
    /^Unsupported resource ID/,
  );
  await refused(
    aas.registerScalableTarget({ ...target, ResourceId: 'table/none' }),
    'ValidationException',
    'DynamoDB table does not exist: table/none',
  );
  await refused(
    aas.registerScalableTarget(writes),
    'ValidationException',
    'MinCapacity and MaxCapacity are required to register a scalable target.',
  );
  const policy = { ...writes, PolicyName: 'p', PolicyType: 'TargetTrackingScaling' as const };
  const put = (TargetValue: number) =>
    aas.putScalingPolicy({ ...policy, TargetTrackingScalingPolicyConfiguration: tracking(TargetValue) });
  await refused(
    put(70),
    'ObjectNotFoundException',
    'No scalable target found for service namespace: dynamodb, resource ID: table/orders, scalable dimension: dynamodb:table:WriteCapacityUnits',
  );
  await aas.registerScalableTarget(target);
  await refused(put(95), 'ValidationException', 'TargetValue must be between 20.0 and 90.0 for the predefined metric.');
  await refused(
    aas.putScalingPolicy(policy),
    'ValidationException',
    'TargetTrackingScalingPolicyConfiguration is required for policy type TargetTrackingScaling.',
  );
  await refused(
    aas.putScalingPolicy({ ...writes, PolicyName: 'p', PolicyType: 'StepScaling' }),
    'ValidationException',
    'Policy type StepScaling is not supported for service namespace dynamodb.',
  );
  await refused(
    aas.putScheduledAction({
      ...writes,
      ScheduledActionName: 'a',
      Schedule: 'sometimes',
      ScalableTargetAction: { MinCapacity: 1 },
    }),
    'ValidationException',
    'The schedule expression sometimes is not valid.',
  );
  await refused(aas.deleteScalingPolicy({ ...writes, PolicyName: 'p' }), 'ObjectNotFoundException', /policy name: p$/);
  const iam = new IAM(account.config());
  await iam.createUser({ UserName: 'ann' });
  const { AccessKey } = await iam.createAccessKey({ UserName: 'ann' });
  const ann = new ApplicationAutoScaling(account.configFor(AccessKey ?? {}));
  await refused(
    ann.registerScalableTarget(target),
    'AccessDeniedException',
    /is not authorized to perform: application-autoscaling:RegisterScalableTarget/,
  );
});
