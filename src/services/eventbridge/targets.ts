/** What a target gets, and handing it over: queues, topics, other buses. Source: EventBridge User Guide, "Input transformation" and "Event bus targets". */
import type { Context } from '../../kernel/context.ts';
import { AwsError } from '../../kernel/errors.ts';
import { serviceMay } from '../../kernel/policy/service-access.ts';
import type { SnsApi } from '../sns/api.ts';
import type { SqsApi } from '../sqs/api.ts';
import type { StsApi } from '../sts/api.ts';
import type { Millis } from '../../base/clock.ts';
import type { FiredJob } from '../../kernel/service.ts';
import type { Value } from '../../store/store.ts';
import { callDestination } from './api-calls.ts';
import { busArn, findBus } from './buses.ts';
import { count } from './metrics.ts';
import { ruleArn } from './rules.ts';
import { type BusEvent, Pending, type RuleRow, Rules, type TargetRow, Targets } from './state.ts';

const principal = 'events.amazonaws.com';

export type TargetKind = 'api' | 'lambda' | 'sqs' | 'sns' | 'bus' | 'kinesis' | 'firehose' | 'logs' | 'states';

/** Targets that EventBridge reaches by a role, not by their own policy. */
export const kindsByRole: readonly TargetKind[] = ['api', 'kinesis', 'firehose', 'states'];

/** 24 hours and 185 times, unless the target says otherwise ("How EventBridge retries delivering events"). */
const eventAgeSecondsMax = 86_400;
const retriesMax = 185;
const pauseMillisMin: Millis = 1000;
const pauseMillisMax: Millis = 600_000;
/** Codes of status 400 that mean a target has no room just now. */
const throttled = /Throttl|ProvisionedThroughputExceeded|LimitExceeded|TooManyRequests|ServiceUnavailable/;

/** What an ARN can be a target as; undefined for what Pilvi cannot hand events to. */
export function kindOfTarget(arn: string): TargetKind | undefined {
  const [, , service, , , ...resource] = arn.split(':');
  const path = resource.join(':');
  if (service === 'sqs' || service === 'sns') return service;
  if (service === 'lambda') return path.startsWith('function:') ? 'lambda' : undefined;
  if (service === 'kinesis') return path.startsWith('stream/') ? 'kinesis' : undefined;
  if (service === 'firehose') return path.startsWith('deliverystream/') ? 'firehose' : undefined;
  if (service === 'states') return path.startsWith('stateMachine:') ? 'states' : undefined;
  if (service === 'logs') return path.startsWith('log-group:') ? 'logs' : undefined;
  if (service === 'events' && path.startsWith('api-destination/')) return 'api';
  return service === 'events' && path.startsWith('event-bus/') ? 'bus' : undefined;
}

/** The event as JSON, in the order of members that targets know. */
export function eventJson({ detail, ...event }: BusEvent): string {
  return `${JSON.stringify(event).slice(0, -1)},"detail":${detail}}`;
}

/** What the target gets of an event. */
function inputFor(ctx: Context, rule: RuleRow, target: TargetRow, event: BusEvent): string {
  const whole = eventJson(event);
  if (target.input !== undefined) return target.input;
  if (target.inputPath !== undefined) return JSON.stringify(atPath(JSON.parse(whole), target.inputPath) ?? null);
  if (target.transformer === undefined) return whole;
  const parsed: unknown = JSON.parse(whole);
  const values: Record<string, unknown> = {
    'aws.events.rule-arn': ruleArn(ctx, rule.bus, rule.name),
    'aws.events.rule-name': rule.name,
    'aws.events.event.ingestion-time': event.time,
    'aws.events.event': parsed,
    'aws.events.event.json': whole,
  };
  for (const [name, path] of Object.entries(target.transformer.paths)) values[name] = atPath(parsed, path) ?? null;
  return fill(target.transformer.template, values);
}

/** Replaces `<name>`: inside a text as text, elsewhere as JSON. */
function fill(template: string, values: Readonly<Record<string, unknown>>): string {
  let quoted = false;
  let out = '';
  for (let at = 0; at < template.length; at++) {
    const letter = template[at]!;
    if (letter === '"' && template[at - 1] !== '\\') quoted = !quoted;
    const name = letter === '<' ? /^<([A-Za-z0-9_.-]+)>/.exec(template.slice(at))?.[1] : undefined;
    if (name === undefined || !Object.hasOwn(values, name)) {
      out += letter;
      continue;
    }
    const value = values[name];
    const json = typeof value === 'string' && name === 'aws.events.event.json' ? value : JSON.stringify(value);
    out += quoted ? (typeof value === 'string' ? JSON.stringify(value).slice(1, -1) : json.replaceAll('"', '\\"')) : json;
    at += name.length + 1;
  }
  return out;
}

/** The value at a path such as `$.detail.items[0].name`. */
function atPath(value: unknown, path: string): unknown {
  if (path !== '$' && !path.startsWith('$.') && !path.startsWith('$[')) return undefined;
  let found = value;
  for (const [, name, quoted, index] of path.slice(1).matchAll(/\.([^.[\]]+)|\[(?:'([^']+)'|(\d+)|"[^"]*")\]/g)) {
    const key = name ?? quoted ?? index;
    if (typeof found !== 'object' || found === null || key === undefined) return undefined;
    found = (found as Record<string, unknown>)[key];
  }
  return found;
}

/** What waits to be handed over once more. */
interface Retry {
  bus: string;
  rule: string;
  target: string;
  event: BusEvent;
  forwarded: boolean;
  /** Attempts made, and when the first one was. */
  made: number;
  since: Millis;
}

/**
 * Hands an event to a target. What fails in a way that may pass is tried again by the target's retry policy; what cannot be delivered goes to its
 * dead-letter queue.
 */
export async function handOver(
  ctx: Context,
  rule: RuleRow,
  target: TargetRow,
  event: BusEvent,
  forwarded: boolean,
  earlier: Pick<Retry, 'made' | 'since'> = { made: 0, since: ctx.clock.now() },
): Promise<void> {
  const sourceArn = ruleArn(ctx, rule.bus, rule.name);
  count(ctx, rule, 'InvocationAttempts');
  if (earlier.made > 0) count(ctx, rule, 'RetryInvocationAttempts');
  try {
    await give(ctx, target, inputFor(ctx, rule, target, event), event, sourceArn, forwarded);
    // "Invocations": those of a first attempt only; what succeeds later counts as an attempt.
    if (earlier.made === 0) count(ctx, rule, 'Invocations');
    count(ctx, rule, 'SuccessfulInvocationAttempts');
  } catch (error) {
    if (!(error instanceof AwsError)) throw error;
    const { retries = retriesMax, ageSeconds = eventAgeSecondsMax } = target.retry ?? {};
    const due = ctx.clock.now() + Math.min(pauseMillisMin * 2 ** Math.min(earlier.made, 20), pauseMillisMax);
    const mayPass = error.status >= 500 || throttled.test(error.code);
    if (!mayPass || earlier.made >= retries || due > earlier.since + ageSeconds * 1000) {
      count(ctx, rule, 'FailedInvocations');
      return toDeadLetters(ctx, rule, target, event, error, earlier.made);
    }
    const again: Retry = {
      bus: rule.bus,
      rule: rule.name,
      target: target.id,
      event,
      forwarded,
      made: earlier.made + 1,
      since: earlier.since,
    };
    await ctx.transact((tx) => tx.schedule({ task: 'retry', key: ctx.uuid(), due, payload: again as unknown as Value }));
  }
}

/** Tries once more, unless the target has gone. */
export async function retry({ payload }: FiredJob, ctx: Context): Promise<void> {
  const { event, forwarded, ...again } = payload as unknown as Retry;
  const rule = await ctx.table(Rules).get(again.bus, again.rule);
  const target = await ctx.table(Targets).get(again.bus, again.rule, again.target);
  if (rule !== undefined && target !== undefined) await handOver(ctx, rule, target, event, forwarded, again);
}

async function give(
  ctx: Context,
  target: TargetRow,
  body: string,
  event: BusEvent,
  sourceArn: string,
  forwarded: boolean,
): Promise<void> {
  const sender = { principal, sourceArn, sourceAccount: ctx.account };
  switch (kindOfTarget(target.arn)) {
    case 'sqs':
      await (await ctx.internal<SqsApi>('sqs')).send(target.arn, { body, group: target.group, deduplication: event.id }, sender);
      return;
    case 'sns':
      await (await ctx.internal<SnsApi>('sns')).publish(target.arn, { message: body }, sender);
      return;
    case 'lambda':
      await ctx
        .onAccountOf(sourceArn)
        .call('lambda')
        .invoke({ FunctionName: target.arn, InvocationType: 'Event', Payload: Buffer.from(body) });
      return;
    case 'kinesis': {
      const PartitionKey = target.partitionKeyPath === undefined ? event.id : partitionKey(event, target.partitionKeyPath);
      const stream = { StreamARN: target.arn, PartitionKey, Data: Buffer.from(body) };
      await (await actBy(ctx, target)).call('kinesis').putRecord(stream);
      return;
    }
    case 'firehose': {
      const DeliveryStreamName = target.arn.slice(target.arn.indexOf('deliverystream/') + 'deliverystream/'.length);
      await (await actBy(ctx, target)).call('firehose').putRecord({ DeliveryStreamName, Record: { Data: Buffer.from(body) } });
      return;
    }
    case 'api':
      return callDestination(ctx, await actBy(ctx, target), target, body);
    case 'states':
      await (await actBy(ctx, target)).call('sfn').startExecution({ stateMachineArn: target.arn, input: body });
      return;
    case 'logs':
      return toLogs(ctx, target.arn, body, event, sourceArn);
    default:
      if (!forwarded) await toBus(ctx, target.arn, event, sourceArn);
  }
}

/** EventBridge with the rights of a target's role. Throws NoSuchEntity, AccessDenied. */
async function actBy(ctx: Context, target: TargetRow): Promise<Context> {
  const sts = await ctx.internal<StsApi>('sts');
  return ctx.asIdentity(await sts.roleIdentity({ roleArn: target.roleArn ?? '', sessionName: 'EventBridge', service: 'events' }));
}

/** The value of an event that says its shard; its id when there is none. */
function partitionKey(event: BusEvent, path: string): string {
  const value = atPath(JSON.parse(eventJson(event)), path);
  return (typeof value === 'string' ? value : JSON.stringify(value))?.slice(0, 256) || event.id;
}

/** Writes an event into a log group, each into a stream of its own, as the group's resource policy must allow. */
async function toLogs(ctx: Context, arn: string, body: string, event: BusEvent, sourceArn: string): Promise<void> {
  const logGroupName = arn.slice(arn.indexOf('log-group:') + 'log-group:'.length).replace(/:\*$/, '');
  const logs = ctx.onAccountOf(sourceArn).call('cloudwatch-logs');
  const logStreamName = event.id;
  await logs.createLogStream({ logGroupName, logStreamName }).catch((error: unknown) => {
    // An earlier attempt made it.
    if (!(error instanceof AwsError) || error.code !== 'ResourceAlreadyExistsException') throw error;
  });
  await logs.putLogEvents({ logGroupName, logStreamName, logEvents: [{ timestamp: ctx.clock.now(), message: body }] });
}

/** Puts an event on another bus, of this account or of one that lets it. The event keeps where it came from. */
async function toBus(ctx: Context, arn: string, event: BusEvent, sourceArn: string): Promise<void> {
  const [, , , region = '', account = '', resource = ''] = arn.split(':');
  const scope = { account, region };
  const bus = await findBus(ctx, scope, resource.slice('event-bus/'.length));
  if (bus === undefined) throw new AwsError('ResourceNotFoundException', `Event bus ${resource} does not exist.`);
  const question = { principal, action: 'events:PutEvents', resource: busArn(scope, bus.name), resourceAccount: account };
  if (account !== ctx.account && !serviceMay({ ...question, policy: bus.policy, sourceArn, sourceAccount: ctx.account }))
    throw new AwsError('AccessDeniedException', `Not authorized to put events on ${arn}.`);
  const at = ctx.inScope(scope);
  await at.transact(async (tx) => {
    await tx.table(Pending).put({ bus: bus.name, at: ctx.clock.now(), event, forwarded: true });
    await tx.schedule({ task: 'dispatch', key: bus.name, due: ctx.clock.now() });
  });
}

async function toDeadLetters(
  ctx: Context,
  rule: RuleRow,
  target: TargetRow,
  event: BusEvent,
  failure: AwsError,
  retries: number,
): Promise<void> {
  if (target.deadLetters === undefined) return;
  const ruleArnText = ruleArn(ctx, rule.bus, rule.name);
  const text = (StringValue: string) => ({ DataType: 'String', StringValue });
  const message = {
    body: eventJson(event),
    attributes: {
      RULE_ARN: text(ruleArnText),
      TARGET_ARN: text(target.arn),
      ERROR_CODE: text(failure.code),
      ERROR_MESSAGE: text(failure.message),
      ...(retries === 0 ? {} : { RETRY_ATTEMPTS: text(String(retries)) }),
    },
  };
  const sender = { principal, sourceArn: ruleArnText, sourceAccount: ctx.account };
  await (await ctx.internal<SqsApi>('sqs')).send(target.deadLetters, message, sender).then(
    () => count(ctx, rule, 'InvocationsSentToDlq'),
    (error: unknown) => {
      // "If the dead-letter queue cannot be reached, the event is dropped."
      if (!(error instanceof AwsError)) throw error;
      count(ctx, rule, 'InvocationsFailedToBeSentToDlq');
    },
  );
}
