import { DynamoDB } from '@aws-sdk/client-dynamodb';
import { EventBridge } from '@aws-sdk/client-eventbridge';
import { S3 } from '@aws-sdk/client-s3';
import { SNS } from '@aws-sdk/client-sns';
import { SQS } from '@aws-sdk/client-sqs';
import { describe, expect, test } from 'vitest';
import { eventually, refused } from '../../support/cloud.ts';
import { makeTopic, subscribedQueue, take } from '../sns/support.ts';
import { makeQueue } from '../sqs/support.ts';
import { ended, flows, historyOf, machineOf, only, roleFor, runOnce } from './support.ts';

const resource = (name: string): string => `arn:aws:states:::${name}`;
const task = (name: string, Parameters: object, more: object = {}) => ({
  Type: 'Task',
  Resource: resource(name),
  Parameters,
  ...more,
});

function everything() {
  const all = flows();
  const config = all.account.config();
  return {
    ...all,
    sqs: new SQS(config),
    sns: new SNS(config),
    dynamodb: new DynamoDB(config),
    s3: new S3({ ...config, forcePathStyle: true }),
  };
}

test('an item is put, changed, read and deleted by the optimised integration of DynamoDB', async () => {
  const all = everything();
  const TableName = 'orders';
  await all.dynamodb.createTable({
    TableName,
    BillingMode: 'PAY_PER_REQUEST',
    KeySchema: [{ AttributeName: 'id', KeyType: 'HASH' }],
    AttributeDefinitions: [{ AttributeName: 'id', AttributeType: 'S' }],
  });
  await eventually(async () => expect((await all.dynamodb.describeTable({ TableName })).Table?.TableStatus).toBe('ACTIVE'), {
    why: 'the table is there',
  });
  const role = await roleFor(all, ['dynamodb:*']);
  const Key = { id: { 'S.$': '$.id' } };
  const arn = await machineOf(all, role, {
    StartAt: 'Put',
    States: {
      Put: task(
        'dynamodb:putItem',
        { TableName, Item: { id: { 'S.$': '$.id' }, n: { N: '1' } }, ConditionExpression: 'attribute_not_exists(id)' },
        { ResultPath: null, Next: 'Add', Catch: [{ ErrorEquals: ['DynamoDB.ConditionalCheckFailedException'], Next: 'There' }] },
      ),
      Add: task(
        'dynamodb:updateItem',
        { TableName, Key, UpdateExpression: 'SET n = n + :one', ExpressionAttributeValues: { ':one': { N: '41' } } },
        { ResultPath: null, Next: 'Get' },
      ),
      Get: task(
        'dynamodb:getItem',
        { TableName, Key },
        { ResultSelector: { 'n.$': '$.Item.n.N', 'code.$': '$.SdkHttpMetadata.HttpStatusCode' }, End: true },
      ),
      There: { Type: 'Pass', End: true },
    },
  });
  expect(await runOnce(all, arn, { id: 'a' })).toMatchObject({ status: 'SUCCEEDED', output: { n: '42', code: 200 } });
  const again = await runOnce(all, arn, { id: 'a' });
  expect(again.output).toMatchObject({ Error: 'DynamoDB.ConditionalCheckFailedException' });
  expect(String(again.output?.['Cause'])).toMatch(
    /^The conditional request failed \(Service: AmazonDynamoDB; Status Code: 400; Error Code: ConditionalCheckFailedException; /,
  );
});

test('a role that may not gives the error of the service, and one that does not trust gives no machine', async () => {
  const all = everything();
  const QueueUrl = await makeQueue(all.sqs);
  const role = await roleFor(all, []);
  const arn = await machineOf(all, role, only(task('sqs:sendMessage', { QueueUrl, MessageBody: 'x' })));
  const run = await runOnce(all, arn);
  expect(run).toMatchObject({ status: 'FAILED', error: 'SQS.AmazonSQSException' });
  expect(run.cause).toContain('is not authorized to perform: sqs:sendmessage');
  const trust = { Statement: [{ Effect: 'Allow', Principal: { Service: 'lambda.amazonaws.com' }, Action: 'sts:AssumeRole' }] };
  const { Role } = await all.iam.createRole({ RoleName: 'other', AssumeRolePolicyDocument: JSON.stringify(trust) });
  const words =
    'Neither the global service principal states.amazonaws.com, nor the regional one is authorized to assume the provided role.';
  await refused(machineOf(all, Role?.Arn ?? '', only({ Type: 'Pass' })), 'AccessDeniedException', words);
  await refused(
    machineOf(all, 'arn:aws:iam::1:user/x', only({ Type: 'Pass' })),
    'InvalidArn',
    "Invalid Role Arn: 'arn:aws:iam::1:user/x'",
  );
});

describe('any operation of any service', () => {
  test('is called by its SDK name, with members in PascalCase both ways', async () => {
    const all = everything();
    const role = await roleFor(all, ['s3:*', 'states:*', 'logs:*']);
    const Bucket = `flow-${all.account.id}`;
    const arn = await machineOf(all, role, {
      StartAt: 'Bucket',
      States: {
        Bucket: task('aws-sdk:s3:createBucket', { Bucket }, { ResultPath: null, Next: 'Put' }),
        Put: task('aws-sdk:s3:putObject', { Bucket, Key: 'a.json', Body: { 'n.$': '$.n' } }, { ResultPath: null, Next: 'Get' }),
        Get: task(
          'aws-sdk:s3:getObject',
          { Bucket, Key: 'a.json' },
          {
            ResultSelector: { 'body.$': 'States.StringToJson($.Body)', 'bytes.$': '$.ContentLength', 'at.$': '$.LastModified' },
            ResultPath: '$.got',
            Next: 'Logs',
          },
        ),
        Logs: task('aws-sdk:cloudwatchlogs:createLogGroup', { LogGroupName: '/flow' }, { ResultPath: null, Next: 'Machines' }),
        Machines: task(
          'aws-sdk:sfn:listStateMachines',
          { MaxResults: 5 },
          { ResultSelector: { 'names.$': '$.StateMachines[*].Name' }, ResultPath: '$.machines', End: true },
        ),
      },
    });
    const { status, output, cause } = await runOnce(all, arn, { n: 5 });
    expect([status, cause]).toEqual(['SUCCEEDED', undefined]);
    expect(output).toMatchObject({
      got: { body: { n: 5 }, bytes: 7, at: expect.stringMatching(/^\d{4}-.*Z$/) },
      machines: { names: [expect.stringMatching(/^flow-/)] },
    });
    const { Body } = await all.s3.getObject({ Bucket, Key: 'a.json' });
    expect(await Body?.transformToString()).toBe('{"n":5}');
  });

  test('fails with the names that the SDK gives errors', async () => {
    const all = everything();
    const role = await roleFor(all, ['s3:*', 'secretsmanager:*']);
    const missing = await machineOf(all, role, only(task('aws-sdk:s3:listObjects', { Bucket: `none-${all.account.id}` })));
    const run = await runOnce(all, missing);
    expect(run.error).toBe('S3.NoSuchBucketException');
    expect(run.cause).toMatch(
      /^The specified bucket does not exist \(Service: S3, Status Code: 404, Request ID: [0-9a-f-]+, Extended Request ID: .+\)$/,
    );
    const denied = await machineOf(all, role, only(task('aws-sdk:dynamodb:putItem', { TableName: 'x', Item: {} })));
    expect((await runOnce(all, denied)).error).toBe('DynamoDb.DynamoDbException');
    const without = await machineOf(all, role, only(task('aws-sdk:dynamodb:putItem', { TableName: 'x' })));
    expect(await runOnce(all, without)).toMatchObject({
      error: 'DynamoDb.DynamoDbException',
      cause: expect.stringMatching(
        /^1 validation error detected: Value null at 'item' failed to satisfy constraint: Member must not be null \(Service: DynamoDb, Status Code: 400/,
      ),
    });
    const unknown = await machineOf(all, role, only(task('aws-sdk:dynamodb:putItem', { TableName: 'x', Items: {} })));
    expect(await runOnce(all, unknown)).toMatchObject({
      error: 'States.Runtime',
      cause: expect.stringContaining('The field "Items" is not supported by Step Functions'),
    });
  });
});

test('events reach the bus, and each change of an execution does by itself', async () => {
  const all = everything();
  const events = new EventBridge(all.account.config());
  const url = await makeQueue(all.sqs, 'heard');
  const { Attributes } = await all.sqs.getQueueAttributes({ QueueUrl: url, AttributeNames: ['QueueArn'] });
  const Arn = Attributes?.QueueArn ?? '';
  const Policy = JSON.stringify({
    Statement: [{ Effect: 'Allow', Principal: { Service: 'events.amazonaws.com' }, Action: 'sqs:*', Resource: '*' }],
  });
  await all.sqs.setQueueAttributes({ QueueUrl: url, Attributes: { Policy } });
  await events.putRule({ Name: 'own', EventPattern: JSON.stringify({ source: ['flow', 'aws.states'] }) });
  await events.putTargets({ Rule: 'own', Targets: [{ Id: '1', Arn }] });
  const role = await roleFor(all, ['events:*']);
  const entry = { Source: 'flow', DetailType: 'Own', Detail: { 'n.$': '$.n' } };
  const arn = await machineOf(all, role, only(task('events:putEvents', { Entries: [entry] })));
  const run = await runOnce(all, arn, { n: 1 });
  expect(run.status).toBe('SUCCEEDED');
  const heard = (await take(all.sqs, url, 3)).map(
    (body) => JSON.parse(body) as { source: string; detail: { n?: number; status?: string; executionArn?: string } },
  );
  expect(heard.find(({ source }) => source === 'flow')?.detail).toEqual({ n: 1 });
  const changes = heard.filter(({ source }) => source === 'aws.states').map(({ detail }) => detail);
  expect(changes.map(({ status, executionArn }) => [status, executionArn])).toEqual(
    expect.arrayContaining([
      ['RUNNING', run.arn],
      ['SUCCEEDED', run.arn],
    ]),
  );
  const wrong = await machineOf(
    all,
    role,
    only(task('events:putEvents', { Entries: [{ Source: 'aws.x', DetailType: 'x', Detail: {} }] })),
  );
  expect(await runOnce(all, wrong)).toMatchObject({ error: 'EventBridge.FailedEntry' });
});

test('a message to a topic, and nested executions awaited or not', async () => {
  const all = everything();
  const TopicArn = await makeTopic(all.sns);
  const inbox = await subscribedQueue(all, TopicArn);
  const role = await roleFor(all, ['sns:*', 'states:*', 'events:*']);
  const inner = await machineOf(
    all,
    role,
    only(task('sns:publish', { TopicArn, 'Message.$': '$' }, { ResultPath: '$.sent', OutputPath: '$.text' })),
  );
  const outer = (pattern: string, more: object = {}) =>
    only(task(`states:startExecution${pattern}`, { StateMachineArn: inner, 'Input.$': '$' }, more));
  const second = await runOnce(all, await machineOf(all, role, outer('.sync:2', { OutputPath: '$.Output' })), { text: 'hello' });
  expect(second.output).toBe('hello');
  expect(JSON.parse((await take(all.sqs, inbox.url))[0] ?? '{}')).toMatchObject({ Message: '{"text":"hello"}' });
  const first = await runOnce(
    all,
    await machineOf(all, role, outer('.sync', { ResultSelector: { 'o.$': '$.Output', 's.$': '$.Status' } })),
    { text: 'x' },
  );
  expect(first.output).toEqual({ o: '"x"', s: 'SUCCEEDED' });
  const types = (await historyOf(all, first.arn)).map(({ type }) => type);
  expect(types.slice(1, 6)).toEqual(['TaskStateEntered', 'TaskScheduled', 'TaskStarted', 'TaskSubmitted', 'TaskSucceeded']);
  const plain = await runOnce(all, await machineOf(all, role, outer('')), { text: 'y' });
  expect(plain.output).toMatchObject({ ExecutionArn: expect.stringContaining(':execution:'), StartDate: expect.any(String) });
  const broken = await machineOf(all, role, { StartAt: 'F', States: { F: { Type: 'Fail', Error: 'E', Cause: 'c' } } });
  const failing = await machineOf(all, role, only(task('states:startExecution.sync:2', { StateMachineArn: broken })));
  const failed = await runOnce(all, failing);
  expect(failed.error).toBe('States.TaskFailed');
  expect(JSON.parse(failed.cause ?? '{}')).toMatchObject({ Status: 'FAILED', Error: 'E', Cause: 'c' });
});

describe('a callback', () => {
  async function asked(more: object = {}) {
    const all = everything();
    const QueueUrl = await makeQueue(all.sqs);
    const role = await roleFor(all, ['sqs:*']);
    const body = { 'order.$': '$.order', 'token.$': '$$.Task.Token' };
    const arn = await machineOf(all, role, only(task('sqs:sendMessage.waitForTaskToken', { QueueUrl, MessageBody: body }, more)));
    const { executionArn = '' } = await all.sfn.startExecution({ stateMachineArn: arn, input: '{"order":7}' });
    const [text = '{}'] = await take(all.sqs, QueueUrl);
    const { order, token } = JSON.parse(text) as { order: number; token: string };
    expect(order).toBe(7);
    return { all, executionArn, taskToken: token };
  }

  test('ends the task with its output, once', async () => {
    const { all, executionArn, taskToken } = await asked();
    await refused(all.sfn.sendTaskSuccess({ taskToken, output: 'not json' }), 'InvalidOutput');
    await all.sfn.sendTaskHeartbeat({ taskToken });
    await all.sfn.sendTaskSuccess({ taskToken, output: '{"paid":true}' });
    expect((await ended(all, executionArn)).output).toEqual({ paid: true });
    await refused(
      all.sfn.sendTaskSuccess({ taskToken, output: '{}' }),
      'TaskTimedOut',
      "Task Timed Out: 'Provided task does not exist anymore'",
    );
    await refused(all.sfn.sendTaskSuccess({ taskToken: 'x', output: '{}' }), 'InvalidToken', "Invalid Token: 'Invalid token'");
    const types = (await historyOf(all, executionArn)).map(({ type }) => type);
    expect(types).toEqual([
      'ExecutionStarted',
      'TaskStateEntered',
      'TaskScheduled',
      'TaskStarted',
      'TaskSubmitted',
      'TaskSucceeded',
      'TaskStateExited',
      'ExecutionSucceeded',
    ]);
  });

  test('or with an error that the state may catch', async () => {
    const { all, executionArn, taskToken } = await asked();
    await all.sfn.sendTaskFailure({ taskToken, error: 'Refused', cause: 'no money' });
    expect(await ended(all, executionArn)).toMatchObject({ status: 'FAILED', error: 'Refused', cause: 'no money' });
  });
});

test('workers fetch the work of an activity and answer for it', async () => {
  const all = everything();
  const role = await roleFor(all);
  const { activityArn = '' } = await all.sfn.createActivity({ name: 'pack' });
  await refused(all.sfn.createActivity({ name: 'a b' }), 'InvalidName', "Invalid Name: 'a b'");
  const polling = all.sfn.getActivityTask({ activityArn, workerName: 'w1' });
  const arn = await machineOf(
    all,
    role,
    only({ Type: 'Task', Resource: activityArn, Parameters: { 'box.$': '$.n' }, ResultPath: '$.packed' }),
  );
  const { executionArn = '' } = await all.sfn.startExecution({ stateMachineArn: arn, input: '{"n":3}' });
  const { taskToken = '', input = '' } = await polling;
  expect(JSON.parse(input)).toEqual({ box: 3 });
  await all.sfn.sendTaskSuccess({ taskToken, output: '"yes"' });
  expect((await ended(all, executionArn)).output).toEqual({ n: 3, packed: 'yes' });
  const events = await historyOf(all, executionArn);
  expect(events.map(({ type }) => type)).toEqual([
    'ExecutionStarted',
    'TaskStateEntered',
    'ActivityScheduled',
    'ActivityStarted',
    'ActivitySucceeded',
    'TaskStateExited',
    'ExecutionSucceeded',
  ]);
  expect(events[3]?.activityStartedEventDetails).toEqual({ workerName: 'w1' });
  await all.sfn.deleteActivity({ activityArn });
  await refused(all.sfn.getActivityTask({ activityArn }), 'ActivityDoesNotExist', `Activity Does Not Exist: '${activityArn}'`);
});

test('express executions answer at once, keep no history, and write their log', async () => {
  const all = everything();
  const { CloudWatchLogs } = await import('@aws-sdk/client-cloudwatch-logs');
  const logs = new CloudWatchLogs(all.account.config());
  await logs.createLogGroup({ logGroupName: '/express' });
  const role = await roleFor(all);
  const logGroupArn = `arn:aws:logs:us-east-1:${all.account.id}:log-group:/express:*`;
  const loggingConfiguration = {
    level: 'ALL' as const,
    includeExecutionData: true,
    destinations: [{ cloudWatchLogsLogGroup: { logGroupArn } }],
  };
  const arn = await machineOf(all, role, only({ Type: 'Pass', Parameters: { 'twice.$': 'States.MathAdd($.n, $.n)' } }), {
    type: 'EXPRESS',
    loggingConfiguration,
  });
  const run = await all.sfn.startSyncExecution({ stateMachineArn: arn, input: '{"n":4}' });
  expect(run).toMatchObject({
    status: 'SUCCEEDED',
    output: '{"twice":8}',
    billingDetails: { billedDurationInMilliseconds: 100 },
  });
  expect(run.executionArn).toContain(':express:');
  const lines = await eventually(
    async () => {
      const { events = [] } = await logs.filterLogEvents({ logGroupName: '/express' });
      expect(events).toHaveLength(4);
      return events.map(({ message = '{}' }) => JSON.parse(message) as { type: string; execution_arn: string });
    },
    { why: 'the log is written' },
  );
  expect(lines.map(({ type }) => type)).toEqual([
    'ExecutionStarted',
    'PassStateEntered',
    'PassStateExited',
    'ExecutionSucceeded',
  ]);
  expect(lines[0]?.execution_arn).toBe(run.executionArn);
  const { executionArn = '' } = await all.sfn.startExecution({ stateMachineArn: arn, input: '{"n":4}', name: 'same' });
  await all.sfn.startExecution({ stateMachineArn: arn, input: '{"n":5}', name: 'same' });
  await refused(
    all.sfn.describeExecution({ executionArn }),
    'StateMachineTypeNotSupported',
    'This operation is not supported by this type of state machine',
  );
  await refused(all.sfn.listExecutions({ stateMachineArn: arn }), 'StateMachineTypeNotSupported');
  const standard = await machineOf(all, role, only({ Type: 'Pass' }));
  await refused(all.sfn.startSyncExecution({ stateMachineArn: standard }), 'StateMachineTypeNotSupported');
  const failing = await machineOf(
    all,
    role,
    { StartAt: 'F', States: { F: { Type: 'Fail', Error: 'E', Cause: 'c' } } },
    { type: 'EXPRESS' },
  );
  expect(await all.sfn.startSyncExecution({ stateMachineArn: failing })).toMatchObject({
    status: 'FAILED',
    error: 'E',
    cause: 'c',
  });
});

test('a rule starts a machine with the event as its input, by a role that may', async () => {
  const all = everything();
  const events = new EventBridge(all.account.config());
  const machineRole = await roleFor(all);
  const arn = await machineOf(all, machineRole, only({ Type: 'Pass', OutputPath: '$.detail' }));
  const trust = {
    Version: '2012-10-17',
    Statement: [{ Effect: 'Allow', Principal: { Service: 'events.amazonaws.com' }, Action: 'sts:AssumeRole' }],
  };
  const { Role } = await all.iam.createRole({ RoleName: 'bus', AssumeRolePolicyDocument: JSON.stringify(trust) });
  const PolicyDocument = JSON.stringify({
    Version: '2012-10-17',
    Statement: [{ Effect: 'Allow', Action: 'states:StartExecution', Resource: arn }],
  });
  await all.iam.putRolePolicy({ RoleName: 'bus', PolicyName: 'p', PolicyDocument });
  await events.putRule({ Name: 'orders', EventPattern: JSON.stringify({ source: ['shop'] }) });
  await refused(
    events.putTargets({ Rule: 'orders', Targets: [{ Id: '1', Arn: arn }] }),
    'ValidationException',
    `RoleArn is required for target ${arn}.`,
  );
  await events.putTargets({ Rule: 'orders', Targets: [{ Id: '1', Arn: arn, RoleArn: Role?.Arn }] });
  await events.putEvents({ Entries: [{ Source: 'shop', DetailType: 'Order', Detail: '{"id":7}' }] });
  const started = await eventually(
    async () => {
      const { executions = [] } = await all.sfn.listExecutions({ stateMachineArn: arn });
      expect(executions).toHaveLength(1);
      return executions[0]?.executionArn ?? '';
    },
    { why: 'the rule has started the machine' },
  );
  expect((await ended(all, started)).output).toEqual({ id: 7 });
});

test('what executions do is counted in CloudWatch', async () => {
  const all = everything();
  const { CloudWatch } = await import('@aws-sdk/client-cloudwatch');
  const cloudwatch = new CloudWatch(all.account.config());
  const role = await roleFor(all);
  const good = await machineOf(all, role, only({ Type: 'Pass' }));
  for (let n = 0; n < 3; n++) await runOnce(all, good);
  const bad = await machineOf(all, role, { StartAt: 'F', States: { F: { Type: 'Fail' } } });
  await runOnce(all, bad);
  const sum = async (MetricName: string, arn: string) => {
    const { Datapoints = [] } = await cloudwatch.getMetricStatistics({
      Namespace: 'AWS/States',
      MetricName,
      Dimensions: [{ Name: 'StateMachineArn', Value: arn }],
      StartTime: new Date(Date.now() - 3_600_000),
      EndTime: new Date(Date.now() + 3_600_000),
      Period: 86_400,
      Statistics: ['Sum'],
    });
    return Datapoints.reduce((total, { Sum = 0 }) => total + Sum, 0);
  };
  await eventually(
    async () =>
      expect([
        await sum('ExecutionsStarted', good),
        await sum('ExecutionsSucceeded', good),
        await sum('ExecutionsFailed', bad),
      ]).toEqual([3, 3, 1]),
    { why: 'all are counted' },
  );
});
