/** Subscriptions: asked for, confirmed, listed, changed, ended. Source: SNS API Reference, Subscribe and SetSubscriptionAttributes. */
import type { SNS, Subscription } from '@aws-sdk/client-sns';
import type { Millis } from '../../base/clock.ts';
import { pageOf } from '../../base/paging.ts';
import type { Context } from '../../kernel/context.ts';
import type { AuthorisationsOf, FiredJob, HandlersOf } from '../../kernel/service.ts';
import type { SqsApi } from '../sqs/api.ts';
import { readReplay, scheduleReplay } from './archives.ts';
import { parseTopicArn, subscriptionArn, topicArn } from './arns.ts';
import { parseDeliveryPolicy } from './delivery-policies.ts';
import { askToConfirm } from './deliveries.ts';
import { authorizationError, invalidParameter, subscriptionNotFound, topicNotFound } from './errors.ts';
import { checkFilterPolicy } from './filters.ts';
import { checkTopic, findSubscription, findTopic, type FoundTopic, onSubscription, onTopic } from './lookup.ts';
import { isEndpointArn } from './platforms.ts';
import { type Protocol, type SubscriptionRow, Subscriptions, type TopicRow, Topics } from './state.ts';

const perPage = 100;
/** "The token is valid for 2 days", SNS API Reference, ConfirmSubscription. */
const tokenMillis = 2 * 86_400_000;

const protocols: readonly string[] = ['http', 'https', 'email', 'email-json', 'sms', 'sqs', 'lambda', 'firehose', 'application'];

function readProtocol(protocol: string): Protocol {
  if (!protocols.includes(protocol)) throw invalidParameter(`Amazon SNS does not support this protocol string: ${protocol}`);
  return protocol as Protocol;
}

async function checkEndpoint(ctx: Context, { topic }: FoundTopic, protocol: Protocol, endpoint: string): Promise<void> {
  switch (protocol) {
    case 'http':
    case 'https':
      if (!endpoint.startsWith(`${protocol}://`) || !URL.canParse(endpoint))
        throw invalidParameter('Endpoint must match the specified protocol');
      break;
    case 'sms':
      if (!/^\+?[0-9]{8,15}$/.test(endpoint.replaceAll(/[-. ()]/g, '')))
        throw invalidParameter(`Invalid SMS endpoint: ${endpoint}`);
      break;
    case 'sqs': {
      if (!/^arn:aws:sqs:[a-z0-9-]+:\d{12}:[\w-]+(\.fifo)?$/.test(endpoint)) throw invalidParameter('SQS endpoint ARN');
      const kind = await (await ctx.internal<SqsApi>('sqs')).kindOf(endpoint);
      if (kind === 'fifo' && !topic.fifo) {
        throw invalidParameter(
          'Invalid parameter: Endpoint Reason: FIFO SQS Queues can not be subscribed to standard SNS topics',
        );
      }
      break;
    }
    case 'lambda':
      if (!/^arn:aws:lambda:[a-z0-9-]+:\d{12}:function:[\w-]+(:[\w$-]+)?$/.test(endpoint))
        throw invalidParameter('Invalid parameter: Lambda endpoint ARN');
      break;
    case 'firehose':
      if (!/^arn:aws:firehose:[a-z0-9-]+:\d{12}:deliverystream\/[\w.-]{1,64}$/.test(endpoint))
        throw invalidParameter('Firehose endpoint ARN');
      break;
    case 'application':
      if (!isEndpointArn(endpoint)) throw invalidParameter('Application endpoint arn invalid');
      break;
    default:
      if (!/^[^@\s]+@[^@\s]+\.[^@\s]+$/.test(endpoint)) throw invalidParameter('Email address');
  }
  if (topic.fifo && protocol !== 'sqs') throw invalidParameter('Invalid parameter: Endpoint Reason: Please use FIFO SQS queue');
}

type Settings = Pick<
  SubscriptionRow,
  'raw' | 'filterPolicy' | 'filterScope' | 'redrivePolicy' | 'deliveryPolicy' | 'role' | 'replay'
>;

/** What settings are for: the subscription's protocol, its topic, the time. */
interface Place {
  protocol: Protocol;
  topic: TopicRow;
  now: Millis;
}

/** Settings after these attributes, `FilterPolicyScope` first, because it says what a policy may hold. Throws InvalidParameter. */
function applyAttributes(settings: Settings, place: Place, attributes: Readonly<Record<string, string>>): Settings {
  let changed = settings;
  const { FilterPolicyScope: scope, ...others } = attributes;
  if (scope !== undefined) {
    if (scope !== 'MessageAttributes' && scope !== 'MessageBody')
      throw invalidParameter(`FilterPolicyScope: Invalid value [${scope}]. Please use either MessageBody or MessageAttributes`);
    changed = { ...changed, filterScope: scope };
  }
  for (const [name, value] of Object.entries(others)) changed = { ...changed, ...applyAttribute(changed, place, name, value) };
  return changed;
}

function applyAttribute(settings: Settings, place: Place, name: string, value: string): Partial<Settings> {
  const { protocol, topic, now } = place;
  switch (name) {
    case 'RawMessageDelivery': {
      if (!/^(true|false)$/i.test(value))
        throw invalidParameter(`Attributes Reason: RawMessageDelivery: Invalid value [${value}]. Must be true or false.`);
      const raw = value.toLowerCase() === 'true';
      if (raw && !['sqs', 'http', 'https', 'firehose'].includes(protocol))
        throw invalidParameter(`Attributes Reason: Delivery protocol [${protocol}] does not support raw message delivery.`);
      return { raw };
    }
    case 'FilterPolicy':
      if (value !== '') checkFilterPolicy(value, settings.filterScope);
      return { filterPolicy: value === '' || value === '{}' ? undefined : value };
    case 'RedrivePolicy':
      if (value === '') return { redrivePolicy: undefined };
      parseRedrive(value);
      return { redrivePolicy: value };
    case 'DeliveryPolicy':
      if (value !== '') parseDeliveryPolicy(value, 'DeliveryPolicy');
      return { deliveryPolicy: value === '' ? undefined : value };
    case 'SubscriptionRoleArn':
      if (protocol !== 'firehose' || !/^arn:aws:iam::\d{12}:role\/.+$/.test(value))
        throw invalidParameter('SubscriptionRoleArn Reason: must be a valid role ARN of a firehose subscription.');
      return { role: value };
    case 'ReplayPolicy':
      return { replay: readReplay(value, topic, now) };
    default:
      throw invalidParameter('AttributeName');
  }
}

/** ARN of the dead-letter queue. Throws InvalidParameter. */
export function parseRedrive(text: string): string {
  try {
    const { deadLetterTargetArn } = JSON.parse(text) as { deadLetterTargetArn?: unknown };
    if (typeof deadLetterTargetArn === 'string' && deadLetterTargetArn.startsWith('arn:aws:sqs:')) return deadLetterTargetArn;
  } catch {
    throw invalidParameter('RedrivePolicy: failed to parse JSON.');
  }
  throw invalidParameter('RedrivePolicy: deadLetterTargetArn is an invalid arn');
}

const plain: Settings = { raw: false, filterScope: 'MessageAttributes' };

function describe(ctx: Context, row: SubscriptionRow): Subscription {
  return {
    SubscriptionArn: row.token === undefined ? subscriptionArn(ctx, row.topic, row.id) : 'PendingConfirmation',
    Owner: row.owner,
    Protocol: row.protocol,
    Endpoint: row.endpoint,
    TopicArn: topicArn(ctx, row.topic),
  };
}

/** An endpoint that its own owner subscribes needs no confirmation; a phone or device cannot give one, and a function has its policy. */
function needsConfirmation(ctx: Context, protocol: Protocol, endpoint: string): boolean {
  if (protocol === 'sms' || protocol === 'lambda' || protocol === 'application') return false;
  return !['sqs', 'firehose'].includes(protocol) || endpoint.split(':')[4] !== ctx.caller.account;
}

function same(row: SubscriptionRow, settings: Settings): boolean {
  return (
    row.raw === settings.raw &&
    row.filterPolicy === settings.filterPolicy &&
    row.filterScope === settings.filterScope &&
    row.redrivePolicy === settings.redrivePolicy &&
    row.deliveryPolicy === settings.deliveryPolicy &&
    row.role === settings.role &&
    row.replay?.text === settings.replay?.text
  );
}

export const subscriptionHandlers: HandlersOf<SNS> = {
  async Subscribe({ TopicArn, Protocol: name = '', Endpoint = '', Attributes = {}, ReturnSubscriptionArn }, ctx) {
    const found = await findTopic(ctx, TopicArn);
    const protocol = readProtocol(name);
    await checkEndpoint(ctx, found, protocol, Endpoint);
    const settings = applyAttributes(plain, { protocol, topic: found.topic, now: ctx.now }, Attributes);
    if (protocol === 'firehose' && settings.role === undefined)
      throw invalidParameter('Attributes Reason: SubscriptionRoleArn is required for firehose subscriptions');
    const row: SubscriptionRow = {
      ...settings,
      topic: found.topic.name,
      id: ctx.uuid(),
      owner: ctx.caller.account,
      protocol,
      endpoint: Endpoint,
      authenticated: false,
      created: ctx.now,
      ...(needsConfirmation(ctx, protocol, Endpoint) ? { token: ctx.id('snsToken') } : { confirmedAt: ctx.now }),
    };
    const kept = await found.at.transact(async (tx) => {
      if ((await tx.table(Topics).get(row.topic)) === undefined) throw topicNotFound();
      const known = await tx.table(Subscriptions).firstByIndex('byEndpoint', [row.topic, protocol, Endpoint]);
      if (known !== undefined && !same(known, settings) && Object.keys(Attributes).length > 0)
        throw invalidParameter('Attributes Reason: Subscription already exists with different attributes');
      if (known !== undefined) return known;
      await tx.table(Subscriptions).put(row);
      if (row.replay !== undefined && row.token === undefined) await scheduleReplay(tx, row, ctx.now);
      if (row.token !== undefined)
        await tx.schedule({ task: 'expire', key: `${row.topic} ${row.id}`, due: ctx.now + tokenMillis });
      return row;
    });
    if (kept.token !== undefined) await askToConfirm(found.at, found.topic, kept);
    const pending = kept.token !== undefined && ReturnSubscriptionArn !== true;
    return { SubscriptionArn: pending ? 'pending confirmation' : subscriptionArn(found.scope, kept.topic, kept.id) };
  },

  async ConfirmSubscription({ TopicArn, Token = '', AuthenticateOnUnsubscribe }, ctx) {
    const { account, region, name } = parseTopicArn(TopicArn);
    const at = ctx.inScope({ account, region });
    if ((await at.table(Topics).get(name)) === undefined) throw topicNotFound();
    const authenticated = AuthenticateOnUnsubscribe?.toLowerCase() === 'true' && ctx.caller.kind !== 'anonymous';
    return at.transact(async (tx) => {
      const row = Token === '' ? undefined : await tx.table(Subscriptions).firstByIndex('byToken', [Token]);
      if (row === undefined || row.topic !== name || at.clock.now() > row.created + tokenMillis) throw invalidParameter('Token');
      const { token: _token, ...confirmed } = row;
      await tx.table(Subscriptions).put({ ...confirmed, confirmedAt: ctx.now, authenticated });
      if (row.replay !== undefined) await scheduleReplay(tx, row, ctx.now);
      await tx.unschedule('expire', `${row.topic} ${row.id}`);
      return { SubscriptionArn: subscriptionArn(at, name, row.id) };
    });
  },

  async Unsubscribe({ SubscriptionArn }, ctx) {
    if (ctx.caller.kind !== 'anonymous') for (const check of onSubscription({ SubscriptionArn }, ctx)) await ctx.permit(check);
    const { at, row } = await findSubscription(ctx, SubscriptionArn).catch((error: unknown) => {
      // Ending what has ended is no error.
      if (error instanceof Error && error.message === subscriptionNotFound().message) return { at: ctx, row: undefined };
      throw error;
    });
    if (row === undefined) return {};
    if (ctx.caller.kind === 'anonymous') {
      // The link in each message ends a subscription, unless it was confirmed with `AuthenticateOnUnsubscribe`.
      if (row.authenticated) throw authorizationError(`Request is not authorized to unsubscribe ${SubscriptionArn}`);
    } else if (row.owner !== ctx.caller.account && at.account !== ctx.caller.account)
      throw authorizationError(
        `User: ${ctx.caller.arn} is not authorized to perform: SNS:Unsubscribe on resource: ${SubscriptionArn}`,
      );
    await at.transact(async (tx) => {
      await tx.table(Subscriptions).delete(row.topic, row.id);
      await tx.unschedule('expire', `${row.topic} ${row.id}`);
      await tx.table(Topics).update([row.topic], (topic) => ({ ...topic, deleted: topic.deleted + 1 }));
    });
    return {};
  },

  async ListSubscriptions({ NextToken }, ctx) {
    const rows = (await ctx.table(Subscriptions).list()).filter(({ owner }) => owner === ctx.account);
    const page = pageOf(rows, ({ topic, id }) => [topic, id], { scope: 'ListSubscriptions', token: NextToken, limit: perPage });
    if (page === undefined) throw invalidParameter('NextToken');
    return { Subscriptions: page.items.map((row) => describe(ctx, row)), NextToken: page.nextToken };
  },

  async ListSubscriptionsByTopic({ TopicArn, NextToken }, ctx) {
    const { at, topic } = await findTopic(ctx, TopicArn);
    const rows = await at.table(Subscriptions).list({ prefix: [topic.name] });
    const page = pageOf(rows, ({ id }) => [id], {
      scope: `ListSubscriptionsByTopic ${TopicArn}`,
      token: NextToken,
      limit: perPage,
    });
    if (page === undefined) throw invalidParameter('NextToken');
    return { Subscriptions: page.items.map((row) => describe(at, row)), NextToken: page.nextToken };
  },

  async GetSubscriptionAttributes({ SubscriptionArn }, ctx) {
    const { at, row } = await findSubscription(ctx, SubscriptionArn);
    const shown: Record<string, string | undefined> = {
      SubscriptionArn: subscriptionArn(at, row.topic, row.id),
      TopicArn: topicArn(at, row.topic),
      Owner: row.owner,
      Protocol: row.protocol,
      Endpoint: row.endpoint,
      PendingConfirmation: String(row.token !== undefined),
      ConfirmationWasAuthenticated: String(
        (row.protocol === 'sqs' || row.protocol === 'firehose') && row.token === undefined ? true : row.authenticated,
      ),
      RawMessageDelivery: String(row.raw),
      SubscriptionPrincipal: `arn:aws:iam::${row.owner}:root`,
      FilterPolicy: row.filterPolicy,
      FilterPolicyScope: row.filterPolicy === undefined ? undefined : row.filterScope,
      RedrivePolicy: row.redrivePolicy,
      DeliveryPolicy: row.deliveryPolicy,
      SubscriptionRoleArn: row.role,
      ReplayPolicy: row.replay?.text,
      ReplayStatus: row.replay?.status,
    };
    return {
      Attributes: Object.fromEntries(Object.entries(shown).filter((one): one is [string, string] => one[1] !== undefined)),
    };
  },

  async SetSubscriptionAttributes({ SubscriptionArn, AttributeName = '', AttributeValue = '' }, ctx) {
    const { at, row } = await findSubscription(ctx, SubscriptionArn);
    const topic = await at.table(Topics).get(row.topic);
    if (topic === undefined) throw subscriptionNotFound();
    const changes = applyAttributes(row, { protocol: row.protocol, topic, now: ctx.now }, { [AttributeName]: AttributeValue });
    await at.transact(async (tx) => {
      const changed = await tx.table(Subscriptions).update([row.topic, row.id], (old) => ({
        ...old,
        raw: changes.raw,
        filterPolicy: changes.filterPolicy,
        filterScope: changes.filterScope,
        redrivePolicy: changes.redrivePolicy,
        deliveryPolicy: changes.deliveryPolicy,
        role: changes.role,
        replay: AttributeName === 'ReplayPolicy' ? changes.replay : old.replay,
      }));
      if (changed === undefined) throw subscriptionNotFound();
      if (AttributeName === 'ReplayPolicy') await scheduleReplay(tx, changed, ctx.now);
    });
    return {};
  },
};

export const subscriptionChecks: AuthorisationsOf<SNS> = {
  Subscribe: async ({ TopicArn, Protocol: protocol, Endpoint }, ctx) =>
    (await checkTopic(TopicArn, ctx)).map((check) => ({
      ...check,
      conditions: { ...check.conditions, 'sns:Protocol': protocol, 'sns:Endpoint': Endpoint },
    })),
  // The token proves who confirms.
  ConfirmSubscription: 'anonymous',
  // Whether a signature is needed, the subscription says; a caller who has signed is asked for rights by the handler.
  Unsubscribe: 'anonymous',
  ListSubscriptionsByTopic: onTopic,
  GetSubscriptionAttributes: onSubscription,
  SetSubscriptionAttributes: onSubscription,
};

/** A subscription that nobody has confirmed in time goes. */
export async function expire({ key }: FiredJob, ctx: Context): Promise<void> {
  const [topic = '', id = ''] = key.split(' ');
  await ctx.transact(async (tx) => {
    const row = await tx.table(Subscriptions).get(topic, id);
    if (row?.token !== undefined) await tx.table(Subscriptions).delete(topic, id);
  });
}
