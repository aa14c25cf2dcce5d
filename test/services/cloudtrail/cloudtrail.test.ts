import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { gunzipSync, gzipSync } from 'node:zlib';
import { CloudTrail, type LookupAttributeKey } from '@aws-sdk/client-cloudtrail';
import { CloudWatchLogs } from '@aws-sdk/client-cloudwatch-logs';
import { EC2 } from '@aws-sdk/client-ec2';
import { IAM } from '@aws-sdk/client-iam';
import { S3 } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  advanceClock,
  eventually,
  freshAccount,
  type OwnCloud,
  refused,
  startOwnCloud,
  type TestAccount,
} from '../../support/cloud.ts';
import { allow, policy, rooted, userWithKey } from '../iam/support.ts';

interface TrailRecord {
  eventName: string;
  eventTime: string;
  awsRegion: string;
  sourceIPAddress: string;
  userIdentity: { type: string; arn?: string; userName?: string; invokedBy?: string };
  requestParameters: Record<string, unknown> | null;
  responseElements: Record<string, unknown> | null;
  errorCode?: string;
  managementEvent: boolean;
}

async function lookup(client: CloudTrail, AttributeKey: LookupAttributeKey, AttributeValue: string): Promise<TrailRecord[]> {
  const { Events } = await client.lookupEvents({ LookupAttributes: [{ AttributeKey, AttributeValue }] });
  return (Events ?? []).map(({ CloudTrailEvent }) => JSON.parse(CloudTrailEvent ?? '{}') as TrailRecord);
}

describe('event history', () => {
  test('TRAIL-001 calls are recorded with who, when, from where and what became of them, the refused ones too', async () => {
    const root = rooted();
    const ann = await userWithKey(root, 'ann');
    await root.iam.putUserPolicy({ UserName: 'ann', PolicyName: 'p', PolicyDocument: policy(allow('ec2:*')) });
    const [ec2, s3] = [
      new EC2(root.account.configFor(ann.key)),
      new S3({ ...root.account.configFor(ann.key), forcePathStyle: true }),
    ];
    const { Images } = await ec2.describeImages({ Owners: ['amazon'] });
    const { Instances } = await ec2.runInstances({
      ImageId: Images?.[0]?.ImageId,
      InstanceType: 't3.nano',
      MinCount: 1,
      MaxCount: 1,
    });
    const Bucket = `kept-${root.account.id}`;
    await new S3({ ...root.account.config(), forcePathStyle: true }).createBucket({ Bucket });
    await refused(s3.deleteBucket({ Bucket }), 'AccessDenied');
    const trail = new CloudTrail(root.account.config());
    const [run, deletion] = await eventually(
      async () => {
        const found = [
          (await lookup(trail, 'EventName', 'RunInstances'))[0],
          (await lookup(trail, 'EventName', 'DeleteBucket'))[0],
        ];
        expect(found.every((entry) => entry !== undefined)).toBe(true);
        return found;
      },
      { why: 'both calls are in the history' },
    );
    const arn = `arn:aws:iam::${root.account.id}:user/ann`;
    expect(run).toMatchObject({
      eventSource: 'ec2.amazonaws.com',
      userIdentity: { type: 'IAMUser', arn, accountId: root.account.id, userName: 'ann', accessKeyId: ann.key.AccessKeyId },
      sourceIPAddress: '127.0.0.1',
      awsRegion: 'us-east-1',
      requestParameters: { instanceType: 't3.nano' },
      responseElements: { instances: [{ instanceId: Instances?.[0]?.InstanceId }] },
      readOnly: false,
      managementEvent: true,
      recipientAccountId: root.account.id,
    });
    expect(Date.parse(run?.eventTime ?? '')).toBeGreaterThan(Date.now() - 60_000);
    expect(deletion).toMatchObject({
      eventSource: 's3.amazonaws.com',
      userIdentity: { arn },
      requestParameters: { bucket: Bucket },
      errorCode: 'AccessDenied',
      responseElements: null,
    });
  });

  test('TRAIL-002 a new account has its history, by name, resource and user, for 90 days', async () => {
    const cloud = await startOwnCloud();
    try {
      const account = freshAccount(cloud.endpoint);
      const [iam, trail] = [new IAM(account.config()), new CloudTrail(account.config())];
      await iam.createUser({ UserName: 'bob' });
      await iam.createGroup({ GroupName: 'team' });
      const names = async (key: LookupAttributeKey, value: string) =>
        (await lookup(trail, key, value)).map(({ eventName }) => eventName);
      await eventually(async () => expect(await names('ResourceName', 'team')).toEqual(['CreateGroup']), {
        why: 'calls are in the history',
      });
      expect(await names('EventName', 'CreateUser')).toEqual(['CreateUser']);
      expect(await names('Username', 'root')).toEqual(expect.arrayContaining(['CreateUser', 'CreateGroup']));
      expect(await names('Username', 'bob')).toEqual([]);
      expect(await names('ReadOnly', 'false')).toEqual(['CreateGroup', 'CreateUser']);
      const first = await trail.lookupEvents({ MaxResults: 1 });
      expect(first.Events).toHaveLength(1);
      const rest = await trail.lookupEvents({ MaxResults: 50, NextToken: first.NextToken });
      expect(rest.Events?.map(({ EventId }) => EventId)).not.toContain(first.Events?.[0]?.EventId);
      await refused(trail.lookupEvents({ MaxResults: 51 }), 'InvalidMaxResultsException');
      await refused(trail.lookupEvents({ NextToken: 'x' }), 'InvalidNextTokenException');
      await refused(trail.lookupEvents({ StartTime: new Date(2), EndTime: new Date(1) }), 'InvalidTimeRangeException');
      await advanceClock(cloud.endpoint, 89 * 86_400_000);
      expect(await names('EventName', 'CreateUser')).toEqual(['CreateUser']);
      await advanceClock(cloud.endpoint, 2 * 86_400_000);
      expect(await names('EventName', 'CreateUser')).toEqual([]);
    } finally {
      await cloud.stop();
    }
  });
});

describe('trails', () => {
  let cloud: OwnCloud;
  let account: TestAccount;
  beforeAll(async () => {
    cloud = await startOwnCloud();
  });
  afterAll(async () => void (await cloud.stop()));

  const s3For = (own: TestAccount, region = 'us-east-1') => new S3({ ...own.config({ region }), forcePathStyle: true });

  /** A bucket that lets trails of the account in. */
  async function bucketFor(own: TestAccount): Promise<string> {
    const Bucket = `trail-${own.id}`;
    const s3 = s3For(own);
    await s3.createBucket({ Bucket });
    const Principal = { Service: 'cloudtrail.amazonaws.com' };
    await s3.putBucketPolicy({
      Bucket,
      Policy: JSON.stringify({
        Version: '2012-10-17',
        Statement: [
          { Effect: 'Allow', Principal, Action: 's3:GetBucketAcl', Resource: `arn:aws:s3:::${Bucket}` },
          {
            Effect: 'Allow',
            Principal,
            Action: 's3:PutObject',
            Resource: `arn:aws:s3:::${Bucket}/AWSLogs/${own.id}/*`,
            Condition: { StringEquals: { 's3:x-amz-acl': 'bucket-owner-full-control' } },
          },
        ],
      }),
    });
    return Bucket;
  }

  async function recordsIn(own: TestAccount, Bucket: string): Promise<TrailRecord[]> {
    const s3 = s3For(own);
    const { Contents = [] } = await s3.listObjectsV2({ Bucket });
    const files = Contents.filter(({ Key }) => Key?.includes('/CloudTrail/') && Key.endsWith('.json.gz'));
    const read = await Promise.all(
      files.map(async ({ Key }) => {
        const { Body } = await s3.getObject({ Bucket, Key });
        return JSON.parse(gunzipSync((await Body?.transformToByteArray()) ?? new Uint8Array()).toString()) as {
          Records: TrailRecord[];
        };
      }),
    );
    return read.flatMap(({ Records }) => Records);
  }

  /** The record of a call is written a little after it: wait for it, then let the trail deliver. */
  async function settle(own: TestAccount, eventName: string, region = 'us-east-1'): Promise<void> {
    const trail = new CloudTrail(own.config({ region }));
    await eventually(async () => expect(await lookup(trail, 'EventName', eventName)).not.toEqual([]), {
      why: `${eventName} is recorded`,
    });
    await advanceClock(cloud.endpoint, 305_000);
  }

  test('TRAIL-003 TRAIL-007 a trail writes files, of all Regions if it says so, while it logs', async () => {
    account = freshAccount(cloud.endpoint);
    const [iam, trail] = [new IAM(account.config()), new CloudTrail(account.config())];
    await s3For(account).createBucket({ Bucket: `shut-${account.id}` });
    await refused(
      trail.createTrail({ Name: 'main', S3BucketName: `shut-${account.id}` }),
      'InsufficientS3BucketPolicyException',
      `Incorrect S3 bucket policy is detected for bucket: shut-${account.id}`,
    );
    await refused(trail.createTrail({ Name: 'main', S3BucketName: 'no-such-bucket-here' }), 'S3BucketDoesNotExistException');
    await refused(
      trail.createTrail({ Name: 'x', S3BucketName: 'b' }),
      'InvalidTrailNameException',
      'Trail name must have a length of at least 3 characters.',
    );
    const Bucket = await bucketFor(account);
    const { TrailARN } = await trail.createTrail({ Name: 'main', S3BucketName: Bucket, IsMultiRegionTrail: true });
    expect(TrailARN).toBe(`arn:aws:cloudtrail:us-east-1:${account.id}:trail/main`);
    await refused(
      trail.createTrail({ Name: 'main', S3BucketName: Bucket }),
      'TrailAlreadyExistsException',
      `Trail main already exists for customer: ${account.id}`,
    );
    expect((await trail.getTrailStatus({ Name: 'main' })).IsLogging).toBe(false);
    await trail.startLogging({ Name: 'main' });
    await iam.createUser({ UserName: 'carol' });
    await new EC2(account.config({ region: 'eu-west-1' })).createVpc({ CidrBlock: '10.9.0.0/16' });
    await settle(account, 'CreateVpc', 'eu-west-1');
    const found = await recordsIn(account, Bucket);
    expect(found.find(({ eventName }) => eventName === 'CreateUser')).toMatchObject({
      awsRegion: 'us-east-1',
      requestParameters: { userName: 'carol' },
    });
    expect(found.find(({ eventName }) => eventName === 'CreateVpc')).toMatchObject({ awsRegion: 'eu-west-1' });
    expect((await trail.getTrailStatus({ Name: 'main' })).LatestDeliveryTime).toBeInstanceOf(Date);
    const ireland = new CloudTrail(account.config({ region: 'eu-west-1' }));
    expect(await lookup(trail, 'EventName', 'CreateUser')).toHaveLength(1);
    expect(await lookup(ireland, 'EventName', 'CreateUser')).toEqual([]);
    expect((await ireland.describeTrails({})).trailList).toMatchObject([{ Name: 'main', HomeRegion: 'us-east-1' }]);
    await trail.stopLogging({ Name: 'main' });
    await iam.createUser({ UserName: 'dave' });
    await advanceClock(cloud.endpoint, 900_000);
    expect(
      (await recordsIn(account, Bucket)).filter(({ requestParameters }) => requestParameters?.['userName'] === 'dave'),
    ).toEqual([]);
  });

  test('TRAIL-005 calls on data are recorded by trails that ask for them, and never in the history', async () => {
    const own = freshAccount(cloud.endpoint);
    const [s3, trail] = [s3For(own), new CloudTrail(own.config())];
    const Bucket = await bucketFor(own);
    await s3.createBucket({ Bucket: `data-${own.id}` });
    await s3.putObject({ Bucket: `data-${own.id}`, Key: 'k', Body: 'x' });
    await trail.createTrail({ Name: 'data', S3BucketName: Bucket });
    await trail.startLogging({ Name: 'data' });
    const get = async () => (await s3.getObject({ Bucket: `data-${own.id}`, Key: 'k' })).Body?.transformToString();
    const gets = async () => (await recordsIn(own, Bucket)).filter(({ eventName }) => eventName === 'GetObject');
    await get();
    await trail.addTags({
      ResourceId: `arn:aws:cloudtrail:us-east-1:${own.id}:trail/data`,
      TagsList: [{ Key: 'a', Value: 'b' }],
    });
    await settle(own, 'AddTags');
    expect(await gets()).toEqual([]);
    await trail.putEventSelectors({
      TrailName: 'data',
      EventSelectors: [{ DataResources: [{ Type: 'AWS::S3::Object', Values: [`arn:aws:s3:::data-${own.id}/`] }] }],
    });
    await get();
    await trail.removeTags({ ResourceId: `arn:aws:cloudtrail:us-east-1:${own.id}:trail/data`, TagsList: [{ Key: 'a' }] });
    await settle(own, 'RemoveTags');
    expect(await gets()).toMatchObject([{ requestParameters: { bucket: `data-${own.id}`, key: 'k' }, managementEvent: false }]);
    expect(await lookup(trail, 'EventName', 'GetObject')).toEqual([]);
    await refused(
      trail.putEventSelectors({ TrailName: 'data', EventSelectors: [{ DataResources: [{ Type: 'AWS::Moon::Rock' }] }] }),
      'InvalidEventSelectorsException',
    );
  });

  test('TRAIL-004 digests show whether files were changed', { timeout: 120_000 }, async (context) => {
    const run = promisify(execFile);
    const here = await run('aws', ['--version']).then(
      () => true,
      () => false,
    );
    context.skip(!here, 'aws CLI is not on this machine');
    const own = freshAccount(cloud.endpoint);
    const [s3, trail, iam] = [s3For(own), new CloudTrail(own.config()), new IAM(own.config())];
    const Bucket = await bucketFor(own);
    const { TrailARN = '' } = await trail.createTrail({ Name: 'signed', S3BucketName: Bucket, EnableLogFileValidation: true });
    const begin = new Date(Date.now() - 3_600_000).toISOString();
    await trail.startLogging({ Name: 'signed' });
    await iam.createUser({ UserName: 'erin' });
    await settle(own, 'CreateUser');
    await advanceClock(cloud.endpoint, 3_700_000);
    const end = new Date(Date.now() + 30 * 86_400_000).toISOString();
    const validate = () =>
      run(
        'aws',
        ['cloudtrail', 'validate-logs', '--trail-arn', TrailARN, '--start-time', begin, '--end-time', end, '--verbose'],
        {
          env: own.env({ AWS_S3_ADDRESSING_STYLE: 'path' }),
        },
      ).then(
        ({ stdout, stderr }) => stdout + stderr,
        (error: { stdout: string; stderr: string }) => error.stdout + error.stderr,
      );
    const good = await validate();
    expect(good).toMatch(/1\/1 digest files valid/);
    expect(good).toMatch(/(\d+)\/\1 log files valid/);
    const { Contents = [] } = await s3.listObjectsV2({ Bucket });
    const file = Contents.find(({ Key }) => Key?.includes('/CloudTrail/') && Key.endsWith('.json.gz'))?.Key;
    await s3.putObject({ Bucket, Key: file, Body: gzipSync('{"Records":[]}') });
    expect(await validate()).toMatch(new RegExp(`Log file\\s+s3://${Bucket}/${file}\\s+INVALID: hash value doesn't match`));
    await s3.deleteObject({ Bucket, Key: file });
    expect(await validate()).toMatch(new RegExp(`Log file\\s+s3://${Bucket}/${file}\\s+INVALID: not found`));
  });

  test('a trail writes to a log group with its role', async () => {
    const own = freshAccount(cloud.endpoint);
    const [trail, logs, iam] = [new CloudTrail(own.config()), new CloudWatchLogs(own.config()), new IAM(own.config())];
    const Bucket = await bucketFor(own);
    await logs.createLogGroup({ logGroupName: 'trail' });
    const trust = {
      Version: '2012-10-17',
      Statement: [{ Effect: 'Allow', Principal: { Service: 'cloudtrail.amazonaws.com' }, Action: 'sts:AssumeRole' }],
    };
    const { Role } = await iam.createRole({ RoleName: 'trail', AssumeRolePolicyDocument: JSON.stringify(trust) });
    await iam.putRolePolicy({ RoleName: 'trail', PolicyName: 'p', PolicyDocument: policy(allow('logs:*')) });
    await trail.createTrail({
      Name: 'logged',
      S3BucketName: Bucket,
      CloudWatchLogsLogGroupArn: `arn:aws:logs:us-east-1:${own.id}:log-group:trail:*`,
      CloudWatchLogsRoleArn: Role?.Arn,
    });
    await trail.startLogging({ Name: 'logged' });
    await iam.createUser({ UserName: 'fay' });
    await settle(own, 'CreateUser');
    const { events = [] } = await logs.filterLogEvents({
      logGroupName: 'trail',
      filterPattern: '{ $.eventName = "CreateUser" }',
    });
    expect(events.map(({ message }) => JSON.parse(message ?? '{}'))).toMatchObject([{ requestParameters: { userName: 'fay' } }]);
    await iam.deleteRolePolicy({ RoleName: 'trail', PolicyName: 'p' });
    await iam.createGroup({ GroupName: 'g' });
    await settle(own, 'CreateGroup');
    expect((await trail.getTrailStatus({ Name: 'logged' })).LatestCloudWatchLogsDeliveryError).toBe('AccessDeniedException');
    await trail.deleteTrail({ Name: 'logged' });
    await refused(
      trail.getTrail({ Name: 'logged' }),
      'TrailNotFoundException',
      `Unknown trail: arn:aws:cloudtrail:us-east-1:${own.id}:trail/logged`,
    );
  });
});
