import { SQS } from '@aws-sdk/client-sqs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { advanceClock, eventually, type OwnCloud, startOwnCloud } from '../../support/cloud.ts';
import { take } from '../sns/support.ts';
import { makeQueue } from '../sqs/support.ts';
import { ended, type Flows, flows, historyOf, machineOf, only, roleFor } from './support.ts';

const second = 1000;
const day = 86_400 * second;

describe('by the clock', () => {
  let cloud: OwnCloud;
  let all: Flows & { sqs: SQS };
  let role: string;

  beforeAll(async () => {
    cloud = await startOwnCloud();
    const own = flows(cloud.endpoint);
    all = { ...own, sqs: new SQS(own.account.config()) };
    role = await roleFor(all, ['sqs:*']);
  });
  afterAll(() => cloud.stop());

  const begin = async (definition: object, input: unknown = {}): Promise<string> => {
    const stateMachineArn = await machineOf(all, role, definition);
    return (await all.sfn.startExecution({ stateMachineArn, input: JSON.stringify(input) })).executionArn ?? '';
  };
  const status = async (executionArn: string) => (await all.sfn.describeExecution({ executionArn })).status;

  test('a wait of most of a year is over when the clock says so', async () => {
    const arn = await begin(only({ Type: 'Wait', SecondsPath: '$.s' }), { s: 360 * 86_400 });
    await advanceClock(cloud.endpoint, 359 * day);
    expect(await status(arn)).toBe('RUNNING');
    await advanceClock(cloud.endpoint, day + second);
    expect(await status(arn)).toBe('SUCCEEDED');
    const { startDate, stopDate } = await all.sfn.describeExecution({ executionArn: arn });
    expect(((stopDate?.getTime() ?? 0) - (startDate?.getTime() ?? 0)) / day).toBeCloseTo(360, 1);
  });

  test('a machine has so much time and no more', async () => {
    const arn = await begin(only({ Type: 'Wait', Seconds: 900 }, { TimeoutSeconds: 60 }));
    await advanceClock(cloud.endpoint, 61 * second);
    expect(await all.sfn.describeExecution({ executionArn: arn })).toMatchObject({ status: 'TIMED_OUT' });
    expect((await historyOf(all, arn)).at(-1)?.type).toBe('ExecutionTimedOut');
  });

  test('a task without an answer times out, and one without a heartbeat sooner', async () => {
    const QueueUrl = await makeQueue(all.sqs, 'beats');
    const wait = {
      Type: 'Task',
      Resource: 'arn:aws:states:::sqs:sendMessage.waitForTaskToken',
      Parameters: { QueueUrl, 'MessageBody.$': '$$.Task.Token' },
    };
    const late = await begin({
      StartAt: 'T',
      States: {
        T: { ...wait, TimeoutSeconds: 600, Catch: [{ ErrorEquals: ['States.Timeout'], Next: 'Late' }], End: true },
        Late: { Type: 'Pass', End: true },
      },
    });
    const silent = await begin(only({ ...wait, TimeoutSeconds: 600, HeartbeatSeconds: 60 }));
    const tokens = await take(all.sqs, QueueUrl, 2);
    const beat = async (): Promise<void> => {
      for (const taskToken of tokens) await all.sfn.sendTaskHeartbeat({ taskToken });
    };
    await advanceClock(cloud.endpoint, 50 * second);
    await beat();
    await advanceClock(cloud.endpoint, 50 * second);
    expect([await status(late), await status(silent)]).toEqual(['RUNNING', 'RUNNING']);
    await advanceClock(cloud.endpoint, 11 * second);
    expect(await ended(all, silent)).toMatchObject({ status: 'FAILED', error: 'States.Timeout' });
    const timedOut = (await historyOf(all, silent)).find(({ type }) => type === 'TaskTimedOut');
    expect(timedOut?.taskTimedOutEventDetails).toEqual({
      resource: 'sendMessage.waitForTaskToken',
      resourceType: 'sqs',
      error: 'States.Timeout',
    });
    await advanceClock(cloud.endpoint, 500 * second);
    expect((await ended(all, late)).output).toMatchObject({ Error: 'States.Timeout' });
  });

  test('retries come after growing pauses, as many as are allowed', async () => {
    const Retry = [
      { ErrorEquals: ['States.TaskFailed'], IntervalSeconds: 10, BackoffRate: 3, MaxAttempts: 3, MaxDelaySeconds: 40 },
    ];
    const QueueUrl = `${cloud.endpoint}/000000000000/none`;
    const arn = await begin(
      only({ Type: 'Task', Resource: 'arn:aws:states:::sqs:sendMessage', Parameters: { QueueUrl, MessageBody: 'x' }, Retry }),
    );
    const failures = async (): Promise<number> => (await historyOf(all, arn)).filter(({ type }) => type === 'TaskFailed').length;
    for (const [pause, tries] of [
      [10, 1],
      [30, 2],
      [40, 3],
    ] as const) {
      await eventually(async () => expect(await failures()).toBe(tries), { why: 'a try has failed' });
      await advanceClock(cloud.endpoint, (pause - 2) * second);
      expect(await failures()).toBe(tries);
      await advanceClock(cloud.endpoint, 2 * second);
    }
    expect(await ended(all, arn)).toMatchObject({ status: 'FAILED', error: expect.stringMatching(/^SQS\./) });
    expect(await failures()).toBe(4);
  });

  test('what has ended is kept for 90 days', async () => {
    const arn = await begin(only({ Type: 'Pass' }));
    await ended(all, arn);
    await advanceClock(cloud.endpoint, 89 * day);
    expect(await status(arn)).toBe('SUCCEEDED');
    await advanceClock(cloud.endpoint, 2 * day);
    await expect(all.sfn.describeExecution({ executionArn: arn })).rejects.toThrow(`Execution Does Not Exist: '${arn}'`);
  });
});

test('executions go on after the cloud was killed: a wait, a callback, and branches in mid-work', async () => {
  const first = await startOwnCloud();
  const before = flows(first.endpoint);
  const sqs = new SQS(before.account.config());
  const role = await roleFor(before, ['sqs:*', 'states:*']);
  const QueueUrl = await makeQueue(sqs);
  const path = new URL(QueueUrl).pathname;
  const start = async (definition: object): Promise<string> =>
    (await before.sfn.startExecution({ stateMachineArn: await machineOf(before, role, definition), input: '{"list":[1,2,3]}' }))
      .executionArn ?? '';
  const waiting = await start({
    StartAt: 'A',
    States: {
      A: { Type: 'Pass', ResultPath: '$.a', Result: 1, Next: 'W' },
      W: { Type: 'Wait', Seconds: 86_400, Next: 'B' },
      B: { Type: 'Pass', Parameters: { 'a.$': '$.a' }, End: true },
    },
  });
  const callback = {
    Type: 'Task',
    Resource: 'arn:aws:states:::sqs:sendMessage.waitForTaskToken',
    Parameters: { QueueUrl, 'MessageBody.$': '$$.Task.Token' },
    End: true,
  };
  const each = await start(
    only({ Type: 'Map', ItemsPath: '$.list', ItemProcessor: { StartAt: 'Ask', States: { Ask: callback } } }),
  );
  const inner = await machineOf(before, role, only({ Type: 'Wait', Seconds: 86_400 }));
  const outer = await start(
    only({
      Type: 'Task',
      Resource: 'arn:aws:states:::states:startExecution.sync',
      Parameters: { StateMachineArn: inner },
      OutputPath: '$.Status',
    }),
  );
  const distributed = {
    ProcessorConfig: { Mode: 'DISTRIBUTED', ExecutionType: 'STANDARD' },
    StartAt: 'Rest',
    States: { Rest: { Type: 'Wait', Seconds: 86_400, End: true } },
  };
  const spread = await start(only({ Type: 'Map', ItemsPath: '$.list', MaxConcurrency: 2, ItemProcessor: distributed }));
  await eventually(
    async () => {
      const { mapRuns = [] } = await before.sfn.listMapRuns({ executionArn: spread });
      expect((await before.sfn.describeMapRun({ mapRunArn: mapRuns[0]?.mapRunArn })).itemCounts).toMatchObject({
        running: 2,
        pending: 1,
      });
    },
    { why: 'two children run' },
  );
  const tokens = await take(sqs, QueueUrl, 3);
  await before.sfn.sendTaskSuccess({ taskToken: tokens[0], output: '"one"' });
  await eventually(async () => expect((await historyOf(before, outer)).map(({ type }) => type)).toContain('TaskSubmitted'), {
    why: 'the inner execution runs',
  });
  // Express executions that nobody waits for begin again; how far they came is not kept.
  const hurried = { type: 'EXPRESS' as const };
  const send = {
    Type: 'Task',
    Resource: 'arn:aws:states:::sqs:sendMessage',
    Parameters: { QueueUrl, 'MessageBody.$': '$$.Execution.Id' },
  };
  const express = await machineOf(
    before,
    role,
    { StartAt: 'W', States: { W: { Type: 'Wait', Seconds: 200, Next: 'S' }, S: { ...send, End: true } } },
    hurried,
  );
  const { executionArn: quick } = await before.sfn.startExecution({ stateMachineArn: express, input: '{}' });
  await first.kill();

  const second_ = await startOwnCloud({ data: first.data });
  try {
    const { SFN } = await import('@aws-sdk/client-sfn');
    const after = { sfn: new SFN({ ...before.account.config({ endpoint: second_.endpoint }), disableHostPrefix: true }) };
    expect(path).toContain('/');
    await after.sfn.sendTaskSuccess({ taskToken: tokens[1], output: '"two"' });
    await after.sfn.sendTaskSuccess({ taskToken: tokens[2], output: '"three"' });
    const mapped = await ended(after, each);
    expect(Object.values(mapped.output ?? {}).sort()).toEqual(['one', 'three', 'two']);
    await advanceClock(second_.endpoint, 201 * second);
    expect(await take(new SQS(before.account.config({ endpoint: second_.endpoint })), QueueUrl)).toEqual([quick]);
    await advanceClock(second_.endpoint, day + second);
    expect(await ended(after, waiting)).toMatchObject({ status: 'SUCCEEDED', output: { a: 1 } });
    expect(await ended(after, outer)).toMatchObject({ status: 'SUCCEEDED', output: 'SUCCEEDED' });
    // The third child of the distributed Map begins when the first have ended.
    await eventually(
      async () => {
        const { mapRuns = [] } = await after.sfn.listMapRuns({ executionArn: spread });
        expect((await after.sfn.describeMapRun({ mapRunArn: mapRuns[0]?.mapRunArn })).itemCounts).toMatchObject({
          running: 1,
          succeeded: 2,
        });
      },
      { why: 'the last child runs' },
    );
    await advanceClock(second_.endpoint, day + second);
    expect(await ended(after, spread)).toMatchObject({ status: 'SUCCEEDED', output: [1, 2, 3] });
    const ids = (await historyOf(after, waiting)).map(({ id }) => id);
    expect(ids).toEqual(ids.map((_id, at) => at + 1));
  } finally {
    await second_.stop();
  }
});
