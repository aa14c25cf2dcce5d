import { Lambda } from '@aws-sdk/client-lambda';
import { SNS } from '@aws-sdk/client-sns';
import { SQS } from '@aws-sdk/client-sqs';
import { expect, type TestContext, test } from 'vitest';
import { eventually, machinesRefused } from '../../support/cloud.ts';
import { zipOf } from '../../support/zip.ts';
import { makeTopic, subscribedQueue, take } from '../sns/support.ts';
import { makeQueue } from '../sqs/support.ts';
import { type Flows, flows, historyOf, machineOf, only, roleFor, runOnce } from './support.ts';

const resource = (name: string): string => `arn:aws:states:::${name}`;

/** A function of this handler's body, ready to be called. */
async function functionOf({ account, iam }: Flows, FunctionName: string, body: string): Promise<string> {
  const lambda = new Lambda(account.config());
  const trust = {
    Version: '2012-10-17',
    Statement: [{ Effect: 'Allow', Principal: { Service: 'lambda.amazonaws.com' }, Action: 'sts:AssumeRole' }],
  };
  const { Role } = await iam.createRole({ RoleName: `fn-${FunctionName}`, AssumeRolePolicyDocument: JSON.stringify(trust) });
  const { FunctionArn = '' } = await lambda.createFunction({
    FunctionName,
    Role: Role?.Arn,
    Runtime: 'nodejs20.x',
    Handler: 'index.handler',
    Code: { ZipFile: zipOf({ 'index.js': body }) },
  });
  await eventually(async () => expect((await lambda.getFunction({ FunctionName })).Configuration?.State).toBe('Active'), {
    why: 'the function is there',
  });
  return FunctionArn;
}

function needsMachines(context: TestContext): void {
  const reason = machinesRefused();
  context.skip(reason !== undefined, reason);
}

test('SFN-001 a chain of a function, a queue and a topic has all three effects in order', async (context) => {
  needsMachines(context);
  const all = flows();
  const [sqs, sns] = [new SQS(all.account.config()), new SNS(all.account.config())];
  const fn = await functionOf(all, 'price', 'exports.handler = async (event) => ({ total: event.count * 7, from: "function" });');
  const QueueUrl = await makeQueue(sqs, 'orders');
  const TopicArn = await makeTopic(sns);
  const inbox = await subscribedQueue({ account: all.account, sns, sqs }, TopicArn);
  const role = await roleFor(all, ['lambda:InvokeFunction', 'sqs:SendMessage', 'sns:Publish']);
  const arn = await machineOf(all, role, {
    StartAt: 'Price',
    States: {
      Price: {
        Type: 'Task',
        Resource: resource('lambda:invoke'),
        Parameters: { FunctionName: fn, 'Payload.$': '$' },
        ResultSelector: { 'total.$': '$.Payload.total' },
        ResultPath: '$.price',
        Next: 'Queue',
      },
      Queue: {
        Type: 'Task',
        Resource: resource('sqs:sendMessage'),
        Parameters: { QueueUrl, 'MessageBody.$': '$.price' },
        ResultPath: '$.queued',
        Next: 'Topic',
      },
      Topic: {
        Type: 'Task',
        Resource: resource('sns:publish'),
        Parameters: { TopicArn, 'Message.$': "States.Format('sent {}', $.queued.MessageId)" },
        End: true,
      },
    },
  });
  const run = await runOnce(all, arn, { count: 6 });
  expect([run.status, run.cause]).toEqual(['SUCCEEDED', undefined]);
  expect((await take(sqs, QueueUrl)).map((body) => JSON.parse(body) as unknown)).toEqual([{ total: 42 }]);
  const [told = '{}'] = await take(sqs, inbox.url);
  // The topic's message names the queue's: it came after.
  expect((JSON.parse(told) as { Message: string }).Message).toMatch(/^sent [0-9a-f-]{36}$/);
  const events = await historyOf(all, run.arn);
  expect(
    events
      .filter(({ type }) => type === 'TaskSucceeded')
      .map(({ taskSucceededEventDetails }) => taskSucceededEventDetails?.resourceType),
  ).toEqual(['lambda', 'sqs', 'sns']);
});

test('SFN-003 a task that fails twice succeeds at the third try, and one that always fails goes where its Catch says', async (context) => {
  needsMachines(context);
  const all = flows();
  // The sandbox stays warm between tries, and with it its /tmp.
  const flaky = await functionOf(
    all,
    'flaky',
    `const fs = require('node:fs');
exports.handler = async () => {
  const tries = Number(fs.existsSync('/tmp/n') ? fs.readFileSync('/tmp/n', 'utf8') : 0) + 1;
  fs.writeFileSync('/tmp/n', String(tries));
  if (tries < 3) { const error = new Error('not yet'); error.name = 'NotYet'; throw error; }
  return { tries };
};`,
  );
  const broken = await functionOf(all, 'broken', "exports.handler = async () => { throw new TypeError('always'); };");
  const role = await roleFor(all, ['lambda:InvokeFunction']);
  const Retry = [{ ErrorEquals: ['NotYet'], IntervalSeconds: 1, BackoffRate: 1, MaxAttempts: 2 }];
  const tried = await runOnce(all, await machineOf(all, role, only({ Type: 'Task', Resource: flaky, Retry })));
  expect(tried).toMatchObject({ status: 'SUCCEEDED', output: { tries: 3 } });
  const types = (await historyOf(all, tried.arn)).map(({ type }) => type);
  expect(types.filter((type) => type === 'LambdaFunctionFailed')).toHaveLength(2);
  expect(types.slice(-3)).toEqual(['LambdaFunctionSucceeded', 'TaskStateExited', 'ExecutionSucceeded']);
  const caught = await runOnce(
    all,
    await machineOf(all, role, {
      StartAt: 'Try',
      States: {
        Try: {
          Type: 'Task',
          Resource: broken,
          Catch: [
            { ErrorEquals: ['NotThis'], Next: 'Wrong' },
            { ErrorEquals: ['States.ALL'], ResultPath: '$.failed', Next: 'Saved' },
          ],
          End: true,
        },
        Wrong: { Type: 'Fail' },
        Saved: { Type: 'Pass', End: true },
      },
    }),
    { kept: 1 },
  );
  expect(caught).toMatchObject({ status: 'SUCCEEDED', output: { kept: 1, failed: { Error: 'TypeError' } } });
  const failed = caught.output?.['failed'] as { Cause: string };
  expect(JSON.parse(failed.Cause)).toMatchObject({ errorType: 'TypeError', errorMessage: 'always' });
  const uncaught = await runOnce(all, await machineOf(all, role, only({ Type: 'Task', Resource: broken })));
  expect(uncaught).toMatchObject({ status: 'FAILED', error: 'TypeError' });
});

test('a definition with every kind of state runs as written', async (context) => {
  needsMachines(context);
  const all = flows();
  const fn = await functionOf(all, 'double', 'exports.handler = async ({ n }) => n * 2;');
  const role = await roleFor(all, ['lambda:InvokeFunction']);
  const call = {
    Type: 'Task',
    Resource: resource('lambda:invoke'),
    Parameters: { FunctionName: fn, Payload: { 'n.$': '$.n' } },
    OutputPath: '$.Payload',
  };
  const arn = await machineOf(all, role, {
    StartAt: 'Which',
    States: {
      Which: { Type: 'Choice', Choices: [{ Variable: '$.list[0]', NumericLessThan: 0, Next: 'Refuse' }], Default: 'Breathe' },
      Refuse: { Type: 'Fail', Error: 'Negative' },
      Breathe: { Type: 'Wait', Seconds: 0, Next: 'Each' },
      Each: {
        Type: 'Map',
        ItemsPath: '$.list',
        ItemSelector: { 'n.$': '$$.Map.Item.Value' },
        ItemProcessor: { StartAt: 'Double', States: { Double: { ...call, End: true } } },
        ResultPath: '$.doubled',
        Next: 'Both',
      },
      Both: {
        Type: 'Parallel',
        Branches: [
          {
            StartAt: 'Left',
            States: { Left: { Type: 'Pass', Parameters: { 'count.$': 'States.ArrayLength($.doubled)' }, End: true } },
          },
          { StartAt: 'Right', States: { Right: { Type: 'Succeed', OutputPath: '$.doubled' } } },
        ],
        Next: 'Done',
      },
      Done: { Type: 'Succeed' },
    },
  });
  expect(await runOnce(all, arn, { list: [1, 2, 3] })).toMatchObject({ status: 'SUCCEEDED', output: [{ count: 3 }, [2, 4, 6]] });
  expect(await runOnce(all, arn, { list: [-1] })).toMatchObject({ status: 'FAILED', error: 'Negative' });
});

test('a function that is not there, or that the role may not call, is an error of Lambda', async () => {
  const all = flows();
  const role = await roleFor(all, []);
  const missing = `arn:aws:lambda:us-east-1:${all.account.id}:function:none`;
  const denied = await runOnce(all, await machineOf(all, role, only({ Type: 'Task', Resource: missing })));
  expect(denied).toMatchObject({ status: 'FAILED', error: 'Lambda.AWSLambdaException' });
  expect(denied.cause).toContain('is not authorized to perform: lambda:InvokeFunction');
  await all.iam.putRolePolicy({
    RoleName: 'flow',
    PolicyName: 'p',
    PolicyDocument: JSON.stringify({
      Version: '2012-10-17',
      Statement: [{ Effect: 'Allow', Action: 'lambda:*', Resource: '*' }],
    }),
  });
  const absent = await runOnce(all, await machineOf(all, role, only({ Type: 'Task', Resource: missing })));
  expect(absent).toMatchObject({ status: 'FAILED', error: 'Lambda.ResourceNotFoundException' });
});
