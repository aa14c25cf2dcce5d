/** What a target gets, and handing it over: queues, topics, other buses. Source: EventBridge User Guide, "Input transformation" and "Event bus targets". */
import type { Context } from '../../kernel/context.ts';
import { AwsError } from '../../kernel/errors.ts';
import { serviceMay } from '../../kernel/policy/service-access.ts';
import type { SnsApi } from '../sns/api.ts';
import type { SqsApi } from '../sqs/api.ts';
import { busArn, findBus } from './buses.ts';
import { ruleArn } from './rules.ts';
import { type BusEvent, Pending, type RuleRow, type TargetRow } from './state.ts';

const principal = 'events.amazonaws.com';

export type TargetKind = 'sqs' | 'sns' | 'bus';

/** What an ARN can be a target as; undefined for what Pilvi cannot hand events to. */
export function kindOfTarget(arn: string): TargetKind | undefined {
  const [, , service, , , ...resource] = arn.split(':');
  if (service === 'sqs' || service === 'sns') return service;
  return service === 'events' && resource.join(':').startsWith('event-bus/') ? 'bus' : undefined;
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

/** Hands an event to a target; what cannot be delivered goes to the target's dead-letter queue. */
export async function handOver(
  ctx: Context,
  rule: RuleRow,
  target: TargetRow,
  event: BusEvent,
  forwarded: boolean,
): Promise<void> {
  const sourceArn = ruleArn(ctx, rule.bus, rule.name);
  try {
    await give(ctx, target, inputFor(ctx, rule, target, event), event, sourceArn, forwarded);
  } catch (error) {
    if (!(error instanceof AwsError)) throw error;
    await toDeadLetters(ctx, target, event, sourceArn, error);
  }
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
    default:
      if (!forwarded) await toBus(ctx, target.arn, event, sourceArn);
  }
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
  target: TargetRow,
  event: BusEvent,
  ruleArnText: string,
  failure: AwsError,
): Promise<void> {
  if (target.deadLetters === undefined) return;
  const text = (StringValue: string) => ({ DataType: 'String', StringValue });
  const message = {
    body: eventJson(event),
    attributes: {
      RULE_ARN: text(ruleArnText),
      TARGET_ARN: text(target.arn),
      ERROR_CODE: text(failure.code),
      ERROR_MESSAGE: text(failure.message),
    },
  };
  const sender = { principal, sourceArn: ruleArnText, sourceAccount: ctx.account };
  await (await ctx.internal<SqsApi>('sqs')).send(target.deadLetters, message, sender).catch((error: unknown) => {
    // "If the dead-letter queue cannot be reached, the event is dropped."
    if (!(error instanceof AwsError)) throw error;
  });
}
