import { CloudTrail } from '@aws-sdk/client-cloudtrail';
import { CloudWatchLogs } from '@aws-sdk/client-cloudwatch-logs';
import { S3 } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { advanceClock, eventually, type OwnCloud, startOwnCloud } from '../../support/cloud.ts';
import { fleet, needsMachines } from '../ssm/support.ts';

let cloud: OwnCloud;

beforeAll(async () => {
  cloud = await startOwnCloud();
});

afterAll(async () => {
  await cloud?.stop();
});

test('LOGS-008 a trail and a flow log deliver calls and packets into log groups', { timeout: 120_000 }, async (context) => {
  needsMachines(context, cloud.limits);
  const { account, iam, ec2, launch, managed, run } = await fleet(cloud.endpoint);
  const [logs, trail] = [new CloudWatchLogs(account.config()), new CloudTrail(account.config())];
  const s3 = new S3({ ...account.config(), forcePathStyle: true });
  const document = (Statement: unknown) => JSON.stringify({ Version: '2012-10-17', Statement: [Statement].flat() });
  const roleOf = async (RoleName: string, Service: string) => {
    const AssumeRolePolicyDocument = document({ Effect: 'Allow', Principal: { Service }, Action: 'sts:AssumeRole' });
    const { Role } = await iam.createRole({ RoleName, AssumeRolePolicyDocument });
    const PolicyDocument = document({ Effect: 'Allow', Action: 'logs:*', Resource: '*' });
    await iam.putRolePolicy({ RoleName, PolicyName: 'p', PolicyDocument });
    return Role?.Arn;
  };
  const Bucket = `trail-${account.id}`;
  await s3.createBucket({ Bucket });
  const Principal = { Service: 'cloudtrail.amazonaws.com' };
  const Policy = document([
    { Effect: 'Allow', Principal, Action: 's3:GetBucketAcl', Resource: `arn:aws:s3:::${Bucket}` },
    { Effect: 'Allow', Principal, Action: 's3:PutObject', Resource: `arn:aws:s3:::${Bucket}/*` },
  ]);
  await s3.putBucketPolicy({ Bucket, Policy });
  await logs.createLogGroup({ logGroupName: 'calls' });
  await trail.createTrail({
    Name: 'trail',
    S3BucketName: Bucket,
    CloudWatchLogsLogGroupArn: `arn:aws:logs:us-east-1:${account.id}:log-group:calls:*`,
    CloudWatchLogsRoleArn: await roleOf('trail', 'cloudtrail.amazonaws.com'),
  });
  await trail.startLogging({ Name: 'trail' });
  const [from = '', to = ''] = await launch({}, { count: 2 });
  await managed([from]);
  const { Reservations = [] } = await ec2.describeInstances({ InstanceIds: [to] });
  const target = Reservations[0]?.Instances?.[0];
  const card = target?.NetworkInterfaces?.[0];
  const { Unsuccessful } = await ec2.createFlowLogs({
    ResourceType: 'NetworkInterface',
    ResourceIds: [card?.NetworkInterfaceId ?? ''],
    TrafficType: 'ALL',
    LogGroupName: 'packets',
    DeliverLogsPermissionArn: await roleOf('flow', 'vpc-flow-logs.amazonaws.com'),
    MaxAggregationInterval: 60,
  });
  expect(Unsuccessful).toEqual([]);
  await iam.createUser({ UserName: 'fay' });
  const messages = async (logGroupName: string, filterPattern: string) => {
    const { events = [] } = await logs.filterLogEvents({ logGroupName, filterPattern });
    return events.map(({ message = '' }) => message);
  };
  await eventually(
    async () => {
      await run(from, [`curl -s -m 1 http://${target?.PrivateIpAddress}:8099/ || true`]);
      await advanceClock(cloud.endpoint, 305_000);
      const flows = await messages('packets', '[v, a, i, s, d, sp, dp=8099, p, n, b, st, e, action, log]');
      expect(flows[0]?.split(' ').slice(1, 5)).toEqual([
        account.id,
        card?.NetworkInterfaceId,
        expect.stringMatching(/^172\.31\./),
        target?.PrivateIpAddress,
      ]);
      const calls = await messages('calls', '{ $.eventName = "CreateUser" }');
      expect(calls.map((text) => JSON.parse(text) as unknown)).toMatchObject([
        { eventSource: 'iam.amazonaws.com', requestParameters: { userName: 'fay' }, recipientAccountId: account.id },
      ]);
    },
    { timeoutMs: 60_000, why: 'both are delivered' },
  );
});
