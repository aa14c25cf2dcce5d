/** Targets: reading them, and calling them with the rights of their role ("Templated targets", "Retries and dead-letter queue"). */
import type { Target } from '@aws-sdk/client-scheduler';
import type { Millis } from '../../base/clock.ts';
import type { Context } from '../../kernel/context.ts';
import { AwsError, parameterNotImplemented } from '../../kernel/errors.ts';
import { RequestCheck } from '../../kernel/request-check.ts';
import type { StsApi } from '../sts/api.ts';
import { validation } from './errors.ts';
import type { TargetFacts } from './state.ts';

export const retriesMax = 185;
export const ageSecondsMax: number = 86_400;
const inputBytesMax = 262_144;

type Kind = 'sqs' | 'sns' | 'kinesis' | 'firehose' | 'events' | 'lambda' | 'states';

/** What an ARN can be a target as; undefined for what Pilvi cannot call. */
function kindOf(arn: string): Kind | undefined {
  const [, , service, , , ...rest] = arn.split(':');
  const resource = rest.join(':');
  if (service === 'sqs' || service === 'sns') return service;
  if (service === 'kinesis') return resource.startsWith('stream/') ? service : undefined;
  if (service === 'firehose') return resource.startsWith('deliverystream/') ? service : undefined;
  if (service === 'events') return resource.startsWith('event-bus/') ? service : undefined;
  if (service === 'lambda') return resource.startsWith('function:') ? service : undefined;
  return service === 'states' && resource.startsWith('stateMachine:') ? service : undefined;
}

/** Checks a target as CreateSchedule does, its role included. Throws ValidationException, NotImplemented for other kinds. */
export async function readTarget(
  ctx: Context,
  operation: string,
  target: Target = { Arn: '', RoleArn: '' },
): Promise<TargetFacts> {
  const { Arn = '', RoleArn = '', Input, DeadLetterConfig, RetryPolicy, SqsParameters, KinesisParameters, ...others } = target;
  const { EventBridgeParameters, ...unknown } = others;
  const [other] = Object.keys(unknown).filter((key) => unknown[key as keyof typeof unknown] !== undefined);
  if (other !== undefined) throw parameterNotImplemented(operation, `Target.${other}`);
  new RequestCheck()
    .range('target.retryPolicy.maximumRetryAttempts', RetryPolicy?.MaximumRetryAttempts, 0, retriesMax)
    .range('target.retryPolicy.maximumEventAgeInSeconds', RetryPolicy?.MaximumEventAgeInSeconds, 60, ageSecondsMax)
    .done();
  if (!/^arn:aws[a-z-]*:[^:]+:[^:]*:[^:]*:.+$/.test(Arn)) throw validation('Provided Arn is not in correct format.');
  const kind = kindOf(Arn);
  if (kind === undefined) throw parameterNotImplemented(operation, `Target.Arn ${Arn.split(':').slice(2, 3).join()}`);
  if (Input !== undefined && Buffer.byteLength(Input) > inputBytesMax) throw validation('Input is larger than 256 KB.');
  if (kind === 'kinesis' && KinesisParameters === undefined)
    throw validation('KinesisParameters must be provided for Kinesis Data Streams targets.');
  if (kind === 'events' && EventBridgeParameters === undefined)
    throw validation('EventBridgeParameters must be provided for EventBridge targets.');
  if (kind === 'sqs' && Arn.endsWith('.fifo') && SqsParameters?.MessageGroupId === undefined)
    throw validation('MessageGroupId must be provided for FIFO queue targets.');
  const facts: TargetFacts = {
    arn: Arn,
    roleArn: RoleArn,
    input: Input,
    deadLetters: DeadLetterConfig?.Arn,
    retry: RetryPolicy && { retries: RetryPolicy.MaximumRetryAttempts, ageSeconds: RetryPolicy.MaximumEventAgeInSeconds },
    group: SqsParameters?.MessageGroupId,
    partitionKey: KinesisParameters?.PartitionKey,
    bus: EventBridgeParameters && {
      detailType: EventBridgeParameters.DetailType ?? '',
      source: EventBridgeParameters.Source ?? '',
    },
  };
  await actBy(ctx, facts).catch((error: unknown) => {
    if (!(error instanceof AwsError)) throw error;
    throw validation('The execution role you provide must allow AWS EventBridge Scheduler to assume the role.');
  });
  return facts;
}

/** The target as GetSchedule shows it. */
export function describeTarget(facts: TargetFacts): Target {
  return {
    Arn: facts.arn,
    RoleArn: facts.roleArn,
    Input: facts.input,
    DeadLetterConfig: facts.deadLetters === undefined ? undefined : { Arn: facts.deadLetters },
    RetryPolicy: {
      MaximumRetryAttempts: facts.retry?.retries ?? retriesMax,
      MaximumEventAgeInSeconds: facts.retry?.ageSeconds ?? ageSecondsMax,
    },
    SqsParameters: facts.group === undefined ? undefined : { MessageGroupId: facts.group },
    KinesisParameters: facts.partitionKey === undefined ? undefined : { PartitionKey: facts.partitionKey },
    EventBridgeParameters: facts.bus && { DetailType: facts.bus.detailType, Source: facts.bus.source },
  };
}

async function actBy(ctx: Context, { roleArn }: TargetFacts): Promise<Context> {
  const sts = await ctx.internal<StsApi>('sts');
  return ctx.asIdentity(await sts.roleIdentity({ roleArn, sessionName: ctx.uuid().replaceAll('-', ''), service: 'scheduler' }));
}

/** What stands for itself in an input, and the values at an invocation ("Context attributes"). */
export interface Invocation {
  scheduleArn: string;
  due: Millis;
  id: string;
  attempt: number;
}

function fill(input: string, { scheduleArn, due, id, attempt }: Invocation): string {
  return input
    .replaceAll('<aws.scheduler.schedule-arn>', scheduleArn)
    .replaceAll('<aws.scheduler.scheduled-time>', new Date(due).toISOString().replace(/\.\d{3}/, ''))
    .replaceAll('<aws.scheduler.execution-id>', id)
    .replaceAll('<aws.scheduler.attempt-number>', String(attempt));
}

/** Calls a target once, as its role. Throws what the target refuses with, AccessDenied when the role may not. */
export async function callTarget(ctx: Context, facts: TargetFacts, invocation: Invocation): Promise<void> {
  const { arn } = facts;
  const role = await actBy(ctx, facts);
  const body = fill(facts.input ?? '', invocation);
  const [, , , region = ctx.region, account = ctx.account] = arn.split(':');
  const there = role.inScope({ region });
  switch (kindOf(arn)) {
    case 'sqs': {
      // The role needs `sqs:SendMessage` alone, so the queue is not asked for its address.
      const QueueUrl = `https://sqs.${region}.amazonaws.com/${account}/${arn.split(':').at(-1)}`;
      await there
        .call('sqs')
        .sendMessage({ QueueUrl, MessageBody: body, MessageGroupId: facts.group, ...fifoId(arn, invocation) });
      return;
    }
    case 'sns':
      await there
        .call('sns')
        .publish({ TopicArn: arn, Message: body, ...(arn.endsWith('.fifo') && { MessageGroupId: facts.group }) });
      return;
    case 'kinesis':
      await there.call('kinesis').putRecord({ StreamARN: arn, PartitionKey: facts.partitionKey, Data: Buffer.from(body) });
      return;
    case 'firehose':
      await there.call('firehose').putRecord({ DeliveryStreamName: arn.split('/').at(-1), Record: { Data: Buffer.from(body) } });
      return;
    case 'lambda':
      await there.call('lambda').invoke({ FunctionName: arn, InvocationType: 'Event', Payload: Buffer.from(body) });
      return;
    case 'states':
      await there.call('sfn').startExecution({ stateMachineArn: arn, input: body === '' ? '{}' : body });
      return;
    default: {
      const { FailedEntryCount, Entries } = await there.call('eventbridge').putEvents({
        Entries: [{ EventBusName: arn, Source: facts.bus?.source, DetailType: facts.bus?.detailType, Detail: body }],
      });
      if ((FailedEntryCount ?? 0) > 0)
        throw new AwsError(Entries?.[0]?.ErrorCode ?? 'InternalFailure', Entries?.[0]?.ErrorMessage ?? '');
    }
  }
}

function fifoId(arn: string, { id }: Invocation): { MessageDeduplicationId?: string } {
  return arn.endsWith('.fifo') ? { MessageDeduplicationId: id } : {};
}
