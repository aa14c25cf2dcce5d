import { CloudTrail } from '@aws-sdk/client-cloudtrail';
import { EC2 } from '@aws-sdk/client-ec2';
import { EventBridge } from '@aws-sdk/client-eventbridge';
import { S3 } from '@aws-sdk/client-s3';
import { SQS } from '@aws-sdk/client-sqs';
import { expect, test } from 'vitest';
import { freshAccount } from '../../support/cloud.ts';
import { openQueue, take } from '../sns/support.ts';
import { receive } from '../sqs/support.ts';

test('TRAIL-008 with a trail logging, a rule gets the record of a call, and neither without one nor for reads', async () => {
  const account = freshAccount();
  const [ec2, events, sqs] = [new EC2(account.config()), new EventBridge(account.config()), new SQS(account.config())];
  const [s3, trail] = [new S3({ ...account.config(), forcePathStyle: true }), new CloudTrail(account.config())];
  const EventPattern = JSON.stringify({
    'detail-type': ['AWS API Call via CloudTrail'],
    detail: { eventName: ['CreateSecurityGroup', 'DescribeSecurityGroups'] },
  });
  const { RuleArn = '' } = await events.putRule({ Name: 'calls', EventPattern });
  const queue = await openQueue(sqs, RuleArn, 'calls', {}, 'events');
  await events.putTargets({ Rule: 'calls', Targets: [{ Id: 'queue', Arn: queue.arn }] });
  await ec2.createSecurityGroup({ GroupName: 'before', Description: 'no trail yet' });
  // A trail's first call comes after its predecessors are on the record.
  expect(await receive(sqs, queue.url, { WaitTimeSeconds: 1 })).toEqual([]);
  const Bucket = `trail-${account.id}`;
  await s3.createBucket({ Bucket });
  const Principal = { Service: 'cloudtrail.amazonaws.com' };
  const Statement = [
    { Effect: 'Allow', Principal, Action: 's3:GetBucketAcl', Resource: `arn:aws:s3:::${Bucket}` },
    { Effect: 'Allow', Principal, Action: 's3:PutObject', Resource: `arn:aws:s3:::${Bucket}/AWSLogs/${account.id}/*` },
  ];
  await s3.putBucketPolicy({ Bucket, Policy: JSON.stringify({ Version: '2012-10-17', Statement }) });
  await trail.createTrail({ Name: 'main', S3BucketName: Bucket });
  await trail.startLogging({ Name: 'main' });
  await ec2.describeSecurityGroups({});
  const { GroupId } = await ec2.createSecurityGroup({ GroupName: 'after', Description: 'on the record' });
  const [body = '{}'] = await take(sqs, queue.url);
  expect(JSON.parse(body)).toMatchObject({
    source: 'aws.ec2',
    'detail-type': 'AWS API Call via CloudTrail',
    account: account.id,
    detail: {
      eventSource: 'ec2.amazonaws.com',
      eventName: 'CreateSecurityGroup',
      awsRegion: 'us-east-1',
      userIdentity: { type: 'Root', accountId: account.id },
      requestParameters: { groupName: 'after' },
      responseElements: { groupId: GroupId },
    },
  });
  expect(await receive(sqs, queue.url, { WaitTimeSeconds: 1 })).toEqual([]);
});
