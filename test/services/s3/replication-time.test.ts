/** Replication that is measured, and what it saves when a Region is lost; in a cloud of its own, because Regions go down and time moves. */
import { CloudWatch } from '@aws-sdk/client-cloudwatch';
import { IAM } from '@aws-sdk/client-iam';
import type { ReplicationRule, S3 } from '@aws-sdk/client-s3';
import { SQS } from '@aws-sdk/client-sqs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  admin,
  advanceClock,
  eventually,
  freshAccount,
  type OwnCloud,
  refused,
  startOwnCloud,
  type TestAccount,
} from '../../support/cloud.ts';
import { clientOf, freshName, textOf } from './support.ts';

const [near, far] = ['ap-northeast-2', 'eu-west-1'] as const;
const minute = 60_000;
const timed: ReplicationRule['Destination'] = {
  Bucket: undefined,
  Metrics: { Status: 'Enabled', EventThreshold: { Minutes: 15 } },
  ReplicationTime: { Status: 'Enabled', Time: { Minutes: 15 } },
};

let cloud: OwnCloud;
beforeAll(async () => {
  cloud = await startOwnCloud();
}, 40_000);
afterAll(() => cloud.stop());

const regionDown = (region: string, down: boolean) => admin('POST', 'chaos/region', { region, down }, cloud.endpoint);
const frozen = (yes: boolean) => admin('POST', 'clock', { speed: yes ? 0 : 1 }, cloud.endpoint);
const cloudTime = async (): Promise<number> =>
  Date.parse(((await admin('GET', 'clock', undefined, cloud.endpoint)) as { time: string }).time);

interface Side {
  s3: S3;
  Bucket: string;
}

async function versionedIn(account: TestAccount, region: typeof near | typeof far): Promise<Side> {
  const s3 = clientOf(account, { region });
  const Bucket = freshName(account);
  await s3.createBucket({ Bucket, CreateBucketConfiguration: { LocationConstraint: region } });
  await s3.putBucketVersioning({ Bucket, VersioningConfiguration: { Status: 'Enabled' } });
  return { s3, Bucket };
}

async function pair(actions = 's3:*') {
  const account = freshAccount(cloud.endpoint);
  const [a, b] = [await versionedIn(account, near), await versionedIn(account, far)];
  const iam = new IAM(account.config());
  const policy = (more: object): string => JSON.stringify({ Version: '2012-10-17', Statement: [{ Effect: 'Allow', ...more }] });
  const AssumeRolePolicyDocument = policy({ Principal: { Service: 's3.amazonaws.com' }, Action: 'sts:AssumeRole' });
  const { Role } = await iam.createRole({ RoleName: 'copies', AssumeRolePolicyDocument });
  const may = (Action: string) =>
    iam.putRolePolicy({ RoleName: 'copies', PolicyName: 'copies', PolicyDocument: policy({ Action, Resource: '*' }) });
  await may(actions);
  const replicate = (destination: ReplicationRule['Destination'] = timed, over: Partial<ReplicationRule> = {}) =>
    a.s3.putBucketReplication({
      Bucket: a.Bucket,
      ReplicationConfiguration: {
        Role: Role?.Arn,
        Rules: [
          {
            ...{
              ID: 'all',
              Status: 'Enabled',
              Priority: 1,
              Filter: { Prefix: '' },
              DeleteMarkerReplication: { Status: 'Disabled' },
            },
            Destination: { ...destination, Bucket: `arn:aws:s3:::${b.Bucket}` },
            ...over,
          },
        ],
      },
    });
  const statusOf = async (Key: string) => (await a.s3.headObject({ Bucket: a.Bucket, Key })).ReplicationStatus;
  const reaches = (Key: string, status: string) =>
    eventually(async () => expect(await statusOf(Key)).toBe(status), { why: `${Key} becomes ${status}` });
  return { account, a, b, role: Role?.Arn ?? '', may, replicate, statusOf, reaches };
}

test('replication is measured each minute, and Replication Time Control tells what takes longer than fifteen', async () => {
  const { account, a, b, may, replicate, reaches } = await pair();
  await replicate();
  const { ReplicationConfiguration: kept } = await a.s3.getBucketReplication({ Bucket: a.Bucket });
  expect(kept?.Rules?.[0]?.Destination).toMatchObject({ Metrics: timed?.Metrics, ReplicationTime: timed?.ReplicationTime });
  const sqs = new SQS(account.config({ region: near }));
  const { QueueUrl = '' } = await sqs.createQueue({ QueueName: 'told' });
  const QueueArn = `arn:aws:sqs:${near}:${account.id}:told`;
  const Statement = [{ Effect: 'Allow', Principal: { Service: 's3.amazonaws.com' }, Action: 'sqs:SendMessage', Resource: '*' }];
  await sqs.setQueueAttributes({ QueueUrl, Attributes: { Policy: JSON.stringify({ Version: '2012-10-17', Statement }) } });
  await a.s3.putBucketNotificationConfiguration({
    Bucket: a.Bucket,
    NotificationConfiguration: { QueueConfigurations: [{ QueueArn, Events: ['s3:Replication:*'] }] },
  });
  const told: { eventName: string; replicationEventData: Record<string, string>; s3: { object: { key: string } } }[] = [];
  const tells = (name: string) =>
    eventually(
      async () => {
        const { Messages = [] } = await sqs.receiveMessage({ QueueUrl, MaxNumberOfMessages: 10 });
        for (const { Body = '', ReceiptHandle } of Messages) {
          told.push(...((JSON.parse(Body) as { Records?: typeof told }).Records ?? []));
          await sqs.deleteMessage({ QueueUrl, ReceiptHandle });
        }
        const found = told.find(({ eventName }) => eventName === `Replication:${name}`);
        expect(found).toBeDefined();
        return found!;
      },
      { why: `${name} is told` },
    );

  await regionDown(far, true);
  await a.s3.putObject({ Bucket: a.Bucket, Key: 'late', Body: '12345' });
  await advanceClock(cloud.endpoint, 16 * minute);
  await reaches('late', 'PENDING');
  const missed = await tells('OperationMissedThreshold');
  expect(missed.s3.object.key).toBe('late');
  expect(missed.replicationEventData).toMatchObject({
    replicationRuleId: 'all',
    destinationBucket: `arn:aws:s3:::${b.Bucket}`,
    s3Operation: 'OBJECT_PUT',
    threshold: '900',
  });
  await regionDown(far, false);
  await advanceClock(cloud.endpoint, minute);
  await reaches('late', 'COMPLETED');
  const after = await tells('OperationReplicatedAfterThreshold');
  expect(Number(after.replicationEventData['replicationTime'])).toBeGreaterThan(900);
  expect(await textOf(b.s3, { Bucket: b.Bucket, Key: 'late' })).toBe('12345');

  await may('s3:Get*');
  await a.s3.putObject({ Bucket: a.Bucket, Key: 'refused', Body: 'x' });
  await advanceClock(cloud.endpoint, 2 * minute);
  await reaches('refused', 'FAILED');
  const failed = await tells('OperationFailedReplication');
  expect(failed.replicationEventData).toMatchObject({ failureReason: 'DstPutObjectNotPermitted' });
  expect(failed.replicationEventData['threshold']).toBeUndefined();
  await a.s3.putObject({ Bucket: a.Bucket, Key: 'untracked', Body: 'x' });
  await a.s3.deleteBucketReplication({ Bucket: a.Bucket });
  await advanceClock(cloud.endpoint, minute);
  expect((await tells('OperationNotTracked')).s3.object.key).toBe('untracked');

  const cloudwatch = new CloudWatch(account.config({ region: near }));
  const now = await cloudTime();
  const measured = async (MetricName: string) => {
    const { Datapoints = [] } = await cloudwatch.getMetricStatistics({
      Namespace: 'AWS/S3',
      MetricName,
      Dimensions: [
        { Name: 'SourceBucket', Value: a.Bucket },
        { Name: 'DestinationBucket', Value: b.Bucket },
        { Name: 'RuleId', Value: 'all' },
      ],
      StartTime: new Date(now - 60 * minute),
      EndTime: new Date(now + 60 * minute),
      Period: 7200,
      Statistics: ['Maximum', 'Minimum', 'Sum'],
    });
    const all = (statistic: 'Maximum' | 'Minimum' | 'Sum') => Datapoints.map((point) => point[statistic] ?? 0);
    return { most: Math.max(...all('Maximum')), least: Math.min(...all('Minimum')), sum: all('Sum').reduce((x, y) => x + y, 0) };
  };
  expect(await measured('BytesPendingReplication')).toMatchObject({ most: 5, least: 0 });
  expect(await measured('OperationsPendingReplication')).toMatchObject({ most: 1, least: 0 });
  expect((await measured('ReplicationLatency')).most).toBeGreaterThan(900);
  expect((await measured('OperationsFailedReplication')).sum).toBe(1);
}, 60_000);

test('times and metrics that cannot be are refused', async () => {
  const { replicate } = await pair();
  const minutes = 'Only 15 is supported for the minutes of a replication time.';
  const ReplicationTime = { Status: 'Enabled' as const, Time: { Minutes: 30 } };
  await refused(replicate({ ...timed, Bucket: '', ReplicationTime }), 'InvalidRequest', minutes, 400);
  const Metrics = { Status: 'Enabled' as const, EventThreshold: { Minutes: 5 } };
  await refused(replicate({ Bucket: '', Metrics }), 'InvalidRequest', minutes, 400);
  const unmeasured = { Bucket: '', ReplicationTime: { Status: 'Enabled' as const, Time: { Minutes: 15 } } };
  await refused(replicate(unmeasured), 'InvalidRequest', 'Metrics must be enabled if ReplicationTime is enabled.', 400);
  const first = { Filter: undefined, Prefix: '', Priority: undefined, DeleteMarkerReplication: undefined };
  await refused(replicate(timed, first), 'InvalidRequest', /^Filter must be specified/, 400);
  await replicate({ Bucket: '', Metrics: { Status: 'Enabled' } });
});

test('two buckets that replicate to each other keep the tags of replicas alike, where the rules say so', async () => {
  const { a, b, role, statusOf, reaches } = await pair();
  const rule = (to: string, sync: boolean): ReplicationRule => ({
    ...{ ID: 'both', Status: 'Enabled', Priority: 1, Filter: { Prefix: '' }, DeleteMarkerReplication: { Status: 'Disabled' } },
    Destination: { Bucket: `arn:aws:s3:::${to}` },
    SourceSelectionCriteria: { ReplicaModifications: { Status: sync ? 'Enabled' : 'Disabled' } },
  });
  const both = async (sync: boolean) => {
    for (const [from, to] of [
      [a, b],
      [b, a],
    ] as const)
      await from.s3.putBucketReplication({
        Bucket: from.Bucket,
        ReplicationConfiguration: { Role: role, Rules: [rule(to.Bucket, sync)] },
      });
  };
  const tag = (side: Side, Value: string) =>
    side.s3.putObjectTagging({ Bucket: side.Bucket, Key: 'k', Tagging: { TagSet: [{ Key: 't', Value }] } });
  const tagOf = async (side: Side) => (await side.s3.getObjectTagging({ Bucket: side.Bucket, Key: 'k' })).TagSet?.[0]?.Value;
  await both(false);
  await a.s3.putObject({ Bucket: a.Bucket, Key: 'k', Body: 'x', Tagging: 't=1' });
  await advanceClock(cloud.endpoint, 5000);
  await reaches('k', 'COMPLETED');
  await tag(b, '2');
  await advanceClock(cloud.endpoint, 5000);
  expect(await tagOf(a)).toBe('1');
  expect((await b.s3.headObject({ Bucket: b.Bucket, Key: 'k' })).ReplicationStatus).toBe('REPLICA');
  await both(true);
  await tag(b, '3');
  await advanceClock(cloud.endpoint, 5000);
  await eventually(async () => expect(await tagOf(a)).toBe('3'), { why: 'the change of the replica comes back' });
  expect(await statusOf('k')).toBe('REPLICA');
  await tag(a, '4');
  await advanceClock(cloud.endpoint, 5000);
  await eventually(async () => expect(await tagOf(b)).toBe('4'), { why: 'and the other way' });
  const { Versions } = await a.s3.listObjectVersions({ Bucket: a.Bucket });
  expect(Versions).toHaveLength(1);
}, 60_000);

test('DR-003 what was replicated is read in the other Region when the first is lost, and what was pending is the loss', async () => {
  const { a, b, replicate, statusOf, reaches } = await pair();
  await replicate();
  const written = new Map<string, number>();
  const write = async (name: string) => {
    written.set(name, await cloudTime());
    await a.s3.putObject({ Bucket: a.Bucket, Key: name, Body: `row ${name}` });
  };
  for (let row = 0; row < 8; row += 1) {
    await write(`row-${row}`);
    await advanceClock(cloud.endpoint, 1000);
  }
  await reaches('row-7', 'COMPLETED');
  // Frozen, so that nothing more arrives between the last look and the loss.
  await frozen(true);
  for (let row = 8; row < 12; row += 1) await write(`row-${row}`);
  const seen = new Map<string, string | undefined>();
  for (const name of written.keys()) seen.set(name, await statusOf(name));
  const fault = await cloudTime();
  await regionDown(near, true);
  await frozen(false);
  await advanceClock(cloud.endpoint, 10 * minute);
  await refused(a.s3.getObject({ Bucket: a.Bucket, Key: 'row-0' }), 'ServiceUnavailable', undefined, 503);
  const { Contents = [] } = await b.s3.listObjectsV2({ Bucket: b.Bucket });
  const found = Contents.map(({ Key = '' }) => Key);
  const completed = [...seen].filter(([, status]) => status === 'COMPLETED').map(([name]) => name);
  const pending = [...seen].filter(([, status]) => status === 'PENDING').map(([name]) => name);
  expect([...found].sort()).toEqual(completed.sort());
  expect(pending).toEqual(['row-8', 'row-9', 'row-10', 'row-11']);
  for (const Key of found) expect(await textOf(b.s3, { Bucket: b.Bucket, Key })).toBe(`row ${Key}`);
  const newest = Math.max(...found.map((name) => written.get(name) ?? 0));
  const pointMillis = fault - newest;
  // The loss in time: well below what Replication Time Control promises.
  expect(pointMillis).toBeGreaterThan(0);
  expect(pointMillis).toBeLessThan(15 * minute);
  await regionDown(near, false);
  await advanceClock(cloud.endpoint, minute);
  for (const name of pending) await reaches(name, 'COMPLETED');
  expect((await b.s3.listObjectsV2({ Bucket: b.Bucket })).KeyCount).toBe(written.size);
}, 60_000);
