/** EventBridge Scheduler: schedules that call targets with a role, by the clock of a cloud of their own. */
import { EventBridge } from '@aws-sdk/client-eventbridge';
import { IAM } from '@aws-sdk/client-iam';
import { Scheduler, type CreateScheduleCommandInput } from '@aws-sdk/client-scheduler';
import { SQS } from '@aws-sdk/client-sqs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { admin, advanceClock, eventually, freshAccount, type OwnCloud, refused, startOwnCloud } from '../../support/cloud.ts';
import { receive } from '../sqs/support.ts';

let cloud: OwnCloud;
beforeAll(async () => {
  cloud = await startOwnCloud();
});
afterAll(async () => void (await cloud.stop()));

const trust = (Service: string) =>
  JSON.stringify({ Version: '2012-10-17', Statement: [{ Effect: 'Allow', Principal: { Service }, Action: 'sts:AssumeRole' }] });
const allow = (Action: string, Resource = '*') =>
  JSON.stringify({ Version: '2012-10-17', Statement: [{ Effect: 'Allow', Action, Resource }] });

/** An account with a queue and a role that may send to it. */
async function lab() {
  const account = freshAccount(cloud.endpoint);
  const config = account.config();
  const [iam, sqs, scheduler] = [new IAM(config), new SQS(config), new Scheduler(config)];
  const { Role } = await iam.createRole({ RoleName: 'clock', AssumeRolePolicyDocument: trust('scheduler.amazonaws.com') });
  await iam.putRolePolicy({ RoleName: 'clock', PolicyName: 'send', PolicyDocument: allow('sqs:SendMessage') });
  const queue = async (QueueName: string, Attributes: Record<string, string> = {}) => {
    const { QueueUrl: url = '' } = await sqs.createQueue({ QueueName, Attributes });
    return { url, arn: `arn:aws:sqs:us-east-1:${account.id}:${QueueName}` };
  };
  const RoleArn = Role!.Arn!;
  const make = (Name: string, ScheduleExpression: string, Target: object, more: Partial<CreateScheduleCommandInput> = {}) =>
    scheduler.createSchedule({
      ...{ Name, ScheduleExpression, FlexibleTimeWindow: { Mode: 'OFF' }, ...more },
      Target: { Arn: '', RoleArn, ...Target },
    });
  /** What has come since the last look. */
  const bodies = async (url: string): Promise<string[]> => {
    const found = await receive(sqs, url);
    for (const { ReceiptHandle } of found) await sqs.deleteMessage({ QueueUrl: url, ReceiptHandle });
    return found.map(({ Body = '' }) => Body);
  };
  return { account, iam, sqs, scheduler, queue, RoleArn, make, bodies };
}

/** The cloud's time. */
const clockTime = async (): Promise<number> =>
  Date.parse(((await admin('GET', 'clock', undefined, cloud.endpoint)) as { time: string }).time);
/** `2026-11-21T07:30:00` so many milliseconds from the cloud's present. */
const inMillis = async (millis: number) => new Date((await clockTime()) + millis).toISOString().slice(0, 19);

describe('invocations', () => {
  test('a rate calls the target again and again, with the context in its input', async () => {
    const { account, queue, make, bodies, scheduler } = await lab();
    const { url, arn } = await queue('ticks');
    const Input =
      '{"at":"<aws.scheduler.scheduled-time>","try":<aws.scheduler.attempt-number>,"of":"<aws.scheduler.schedule-arn>"}';
    const { ScheduleArn } = await make('every', 'rate(5 minutes)', { Arn: arn, Input });
    expect(ScheduleArn).toBe(`arn:aws:scheduler:us-east-1:${account.id}:schedule/default/every`);
    expect(await bodies(url)).toEqual([]);
    for (let round = 0; round < 2; round += 1) {
      await advanceClock(cloud.endpoint, 300_000);
      const [body = ''] = await eventually(
        async () => {
          const found = await bodies(url);
          expect(found).toHaveLength(1);
          return found;
        },
        { why: 'the message has come' },
      );
      expect(JSON.parse(body)).toEqual({ at: expect.stringMatching(/^\d{4}-.*Z$/), try: 1, of: ScheduleArn });
    }
    await scheduler.updateSchedule({
      Name: 'every',
      ScheduleExpression: 'rate(5 minutes)',
      State: 'DISABLED',
      FlexibleTimeWindow: { Mode: 'OFF' },
      Target: (await scheduler.getSchedule({ Name: 'every' })).Target,
    });
    await advanceClock(cloud.endpoint, 600_000);
    expect(await bodies(url)).toEqual([]);
  });

  test('a one-time schedule fires once, and goes when it is told to', async () => {
    const { queue, make, bodies, scheduler } = await lab();
    const { url, arn } = await queue('once');
    await make('once', `at(${await inMillis(3_600_000)})`, { Arn: arn, Input: 'now' }, { ActionAfterCompletion: 'DELETE' });
    await advanceClock(cloud.endpoint, 3_500_000);
    expect(await bodies(url)).toEqual([]);
    await advanceClock(cloud.endpoint, 200_000);
    await eventually(async () => expect(await bodies(url)).toEqual(['now']), { why: 'the message has come' });
    await eventually(
      () => refused(scheduler.getSchedule({ Name: 'once' }), 'ResourceNotFoundException', 'Schedule once does not exist.'),
      { why: 'the schedule goes' },
    );
    await advanceClock(cloud.endpoint, 86_400_000);
    expect(await bodies(url)).toEqual([]);
  });

  test('a flexible window lets the call come late, never later than the window', async () => {
    const { queue, make, bodies } = await lab();
    const { url, arn } = await queue('late');
    await make(
      'late',
      `at(${await inMillis(600_000)})`,
      { Arn: arn, Input: 'late' },
      {
        FlexibleTimeWindow: { Mode: 'FLEXIBLE', MaximumWindowInMinutes: 15 },
      },
    );
    await advanceClock(cloud.endpoint, 590_000);
    expect(await bodies(url)).toEqual([]);
    await advanceClock(cloud.endpoint, 920_000);
    await eventually(async () => expect(await bodies(url)).toEqual(['late']), { why: 'the message has come' });
  });

  test('cron goes by its time zone and between its dates', async () => {
    const { queue, make, bodies } = await lab();
    const { url, arn } = await queue('noon');
    const now = await clockTime();
    const day = 86_400_000;
    const StartDate = new Date(now + day);
    const EndDate = new Date(now + 3 * day);
    const ScheduleExpressionTimezone = 'Asia/Tokyo';
    const Input = '<aws.scheduler.scheduled-time>';
    await make('noon', 'cron(0 12 * * ? *)', { Arn: arn, Input }, { StartDate, EndDate, ScheduleExpressionTimezone });
    const seen: string[] = [];
    for (let count = 0; count < 5; count += 1) {
      await advanceClock(cloud.endpoint, day);
      seen.push(...(await bodies(url)));
    }
    expect(seen).toHaveLength(2);
    for (const time of seen) {
      expect(time).toMatch(/T03:00:00Z$/);
      expect(Date.parse(time)).toBeGreaterThan(StartDate.getTime());
      expect(Date.parse(time)).toBeLessThan(EndDate.getTime());
    }
  });

  test('events reach a bus, and what the role may not do ends in the dead-letter queue', async () => {
    const { account, iam, queue, make, sqs, bodies } = await lab();
    const { url, arn } = await queue('events');
    const events = new EventBridge(account.config());
    const { RuleArn } = await events.putRule({ Name: 'mine', EventPattern: '{"source":["my.app"]}' });
    await events.putTargets({ Rule: 'mine', Targets: [{ Id: 'q', Arn: arn }] });
    const letIn = (Service: string, Resource: string, SourceArn?: string) =>
      JSON.stringify({
        Version: '2012-10-17',
        Statement: [
          {
            Effect: 'Allow',
            Principal: { Service },
            Action: 'sqs:SendMessage',
            Resource,
            ...(SourceArn && { Condition: { ArnEquals: { 'aws:SourceArn': SourceArn } } }),
          },
        ],
      });
    await sqs.setQueueAttributes({ QueueUrl: url, Attributes: { Policy: letIn('events.amazonaws.com', arn, RuleArn) } });
    const letters = await queue('letters');
    const Policy = letIn('scheduler.amazonaws.com', letters.arn);
    await sqs.setQueueAttributes({ QueueUrl: letters.url, Attributes: { Policy } });
    const Target = {
      Arn: `arn:aws:events:us-east-1:${account.id}:event-bus/default`,
      Input: '{"a":1}',
      EventBridgeParameters: { DetailType: 'tick', Source: 'my.app' },
      DeadLetterConfig: { Arn: letters.arn },
    };
    // The Scheduler, unlike rules of event buses, takes the unit in either number.
    await make('hourly', 'rate(1 hours)', Target);
    await advanceClock(cloud.endpoint, 3_600_000);
    const [dead] = await eventually(
      async () => {
        const found = await receive(sqs, letters.url, { MessageAttributeNames: ['All'] });
        expect(found).toHaveLength(1);
        return found;
      },
      { why: 'the call is refused' },
    );
    expect(dead?.Body).toBe('{"a":1}');
    expect(dead?.MessageAttributes?.['ERROR_CODE']?.StringValue).toBe('AccessDeniedException');
    await iam.putRolePolicy({ RoleName: 'clock', PolicyName: 'events', PolicyDocument: allow('events:PutEvents') });
    await advanceClock(cloud.endpoint, 3_600_000);
    await eventually(
      async () => {
        const [body = '{}'] = await bodies(url);
        expect(JSON.parse(body)).toMatchObject({ source: 'my.app', 'detail-type': 'tick', detail: { a: 1 } });
      },
      { why: 'the event has come' },
    );
  });
});

describe('refusals', () => {
  test('what is no schedule is refused in AWS words', async () => {
    const { iam, queue, make, scheduler, account } = await lab();
    const { arn: Arn } = await queue('q');
    const bad = (expression: string, message: string, more: Partial<CreateScheduleCommandInput> = {}, target: object = { Arn }) =>
      refused(make('s', expression, target, more), 'ValidationException', message);
    await bad('rate(10)', 'Invalid Schedule Expression rate(10).');
    await bad('rate(1 weeks)', 'Invalid Schedule Expression rate(1 weeks).');
    await bad('at(2026-13-01T00:00:00)', 'Invalid Schedule Expression at(2026-13-01T00:00:00).');
    await bad('rate(1 hour)', 'Invalid Schedule Expression Timezone Mars/Olympus.', {
      ScheduleExpressionTimezone: 'Mars/Olympus',
    });
    const dates = { StartDate: new Date(2e12), EndDate: new Date(1.9e12) };
    await bad('rate(1 hour)', 'The EndDate you specify must come after the StartDate.', dates);
    await bad('rate(1 hour)', 'Provided Arn is not in correct format.', {}, { Arn: 'queue' });
    const { Role } = await iam.createRole({ RoleName: 'other', AssumeRolePolicyDocument: trust('lambda.amazonaws.com') });
    const words = 'The execution role you provide must allow AWS EventBridge Scheduler to assume the role.';
    await bad('rate(1 hour)', words, {}, { Arn, RoleArn: Role!.Arn });
    await bad('rate(1 hour)', words, {}, { Arn, RoleArn: `arn:aws:iam::${account.id}:role/nobody` });
    await make('s', 'rate(1 hour)', { Arn });
    await refused(make('s', 'rate(1 hour)', { Arn }), 'ConflictException', 'Schedule s already exists.');
    await refused(
      make('t', 'rate(1 hour)', { Arn }, { GroupName: 'none' }),
      'ResourceNotFoundException',
      'Schedule group none does not exist.',
    );
    await refused(scheduler.deleteSchedule({ Name: 't' }), 'ResourceNotFoundException', 'Schedule t does not exist.');
    await refused(
      scheduler.deleteScheduleGroup({ Name: 'default' }),
      'ValidationException',
      'The default schedule group cannot be deleted.',
    );
  });

  test('groups hold schedules and tags, and take their schedules with them', async () => {
    const { queue, make, scheduler } = await lab();
    const { arn: Arn } = await queue('q');
    const { ScheduleGroupArn } = await scheduler.createScheduleGroup({ Name: 'team', Tags: [{ Key: 'a', Value: '1' }] });
    await refused(scheduler.createScheduleGroup({ Name: 'team' }), 'ConflictException', 'Schedule group team already exists.');
    await make('one', 'rate(1 hour)', { Arn }, { GroupName: 'team' });
    await make('one', 'rate(2 hours)', { Arn });
    expect((await scheduler.listSchedules({})).Schedules?.map(({ GroupName }) => GroupName)).toEqual(['default', 'team']);
    const first = await scheduler.listSchedules({ MaxResults: 1 });
    expect((await scheduler.listSchedules({ MaxResults: 1, NextToken: first.NextToken })).Schedules).toHaveLength(1);
    await refused(scheduler.listSchedules({ NextToken: 'x' }), 'ValidationException', 'Invalid NextToken.');
    await scheduler.tagResource({ ResourceArn: ScheduleGroupArn, Tags: [{ Key: 'b', Value: '2' }] });
    await scheduler.untagResource({ ResourceArn: ScheduleGroupArn, TagKeys: ['a'] });
    expect((await scheduler.listTagsForResource({ ResourceArn: ScheduleGroupArn })).Tags).toEqual([{ Key: 'b', Value: '2' }]);
    await scheduler.deleteScheduleGroup({ Name: 'team' });
    await eventually(
      () =>
        refused(scheduler.getScheduleGroup({ Name: 'team' }), 'ResourceNotFoundException', 'Schedule group team does not exist.'),
      { why: 'the group goes' },
    );
    expect((await scheduler.listSchedules({})).Schedules?.map(({ GroupName }) => GroupName)).toEqual(['default']);
  });
});
