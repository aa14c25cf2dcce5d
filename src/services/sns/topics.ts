/** Topics: made, described, changed, deleted; their tags and permissions. Source: SNS API Reference, CreateTopic and SetTopicAttributes. */
import type { SNS, Tag } from '@aws-sdk/client-sns';
import type { Millis } from '../../base/clock.ts';
import { pageOf } from '../../base/paging.ts';
import type { Context, Scope } from '../../kernel/context.ts';
import { parameterNotImplemented } from '../../kernel/errors.ts';
import { validatePolicy } from '../../kernel/policy/validate.ts';
import type { AuthorisationsOf, HandlersOf } from '../../kernel/service.ts';
import { archiveBegins, setArchive } from './archives.ts';
import { parseTopicArn, topicArn } from './arns.ts';
import { parseDeliveryPolicy, effectiveDeliveryPolicy } from './delivery-policies.ts';
import { invalidParameter, invalidState, resourceNotFound, tagLimitExceeded, topicNotFound } from './errors.ts';
import { feedbackAttributes, setFeedback } from './feedback.ts';
import { changeTopic, checkTopic, findTopic, onTopic } from './lookup.ts';
import { Subscriptions, type TagMap, type TopicRow, Topics } from './state.ts';

const topicsPerPage = 100;
const tagsMax = 50;

/** The policy that a topic is born with: its owner may do everything. */
function defaultPolicy(scope: Scope, name: string): string {
  const actions = [
    'GetTopicAttributes',
    'SetTopicAttributes',
    'AddPermission',
    'RemovePermission',
    'DeleteTopic',
    'Subscribe',
    'ListSubscriptionsByTopic',
    'Publish',
  ];
  return JSON.stringify({
    Version: '2008-10-17',
    Id: '__default_policy_ID',
    Statement: [
      {
        Sid: '__default_statement_ID',
        Effect: 'Allow',
        Principal: { AWS: '*' },
        Action: actions.map((action) => `SNS:${action}`),
        Resource: topicArn(scope, name),
        Condition: { StringEquals: { 'AWS:SourceOwner': scope.account } },
      },
    ],
  });
}

type Setter = (value: string, topic: TopicRow, now: Millis) => Partial<TopicRow>;

const fifoOnly =
  (name: string, setter: Setter): Setter =>
  (value, topic, now) => {
    if (!topic.fifo) throw invalidParameter(`Attributes Reason: ${name} is not a valid attribute for a standard topic`);
    return setter(value, topic, now);
  };

const setters: Readonly<Record<string, Setter>> = {
  ...Object.fromEntries(
    feedbackAttributes.map((name): [string, Setter] => [name, (value, topic) => setFeedback(topic, name, value)]),
  ),
  DisplayName: (displayName) => {
    if (displayName.length > 100) throw invalidParameter('DisplayName Reason: must be at most 100 characters long');
    return { displayName };
  },
  Policy: (policy) => {
    if (!validatePolicy(policy, 'resource').ok) throw invalidParameter('Policy Error: null');
    return { policy };
  },
  DeliveryPolicy: (text) => {
    if (text === '') return { deliveryPolicy: undefined };
    parseDeliveryPolicy(text, 'DeliveryPolicy');
    return { deliveryPolicy: text };
  },
  KmsMasterKeyId: (key) => ({ kmsKey: key === '' ? undefined : key }),
  SignatureVersion: (version) => {
    if (version !== '1' && version !== '2') throw invalidParameter('SignatureVersion');
    return { signatureVersion: version };
  },
  TracingConfig: (tracing) => {
    if (tracing !== 'PassThrough' && tracing !== '')
      throw parameterNotImplemented('SetTopicAttributes', `TracingConfig=${tracing}`);
    return {};
  },
  ContentBasedDeduplication: fifoOnly('ContentBasedDeduplication', (value) => ({
    contentDeduplication: value.toLowerCase() === 'true',
  })),
  ArchivePolicy: (text, topic, now) => {
    if (!topic.fifo) throw invalidParameter('AttributeName');
    return setArchive(text, topic, now);
  },
  FifoThroughputScope: fifoOnly('FifoThroughputScope', (scope) => {
    if (scope !== 'Topic' && scope !== 'MessageGroup') throw invalidParameter('FifoThroughputScope');
    return { throughputScope: scope };
  }),
};

function applyAttribute(topic: TopicRow, name: string, value: string, now: Millis): TopicRow {
  const setter = Object.hasOwn(setters, name) ? setters[name] : undefined;
  if (setter === undefined) throw invalidParameter('AttributeName');
  return { ...topic, ...setter(value, topic, now) };
}

function readTags(tags: readonly Tag[] | undefined): TagMap {
  const map: Record<string, string> = {};
  for (const { Key = '', Value = '' } of tags ?? []) {
    if (Key in map) throw invalidParameter('Duplicated keys are not allowed.');
    if (/^aws:/i.test(Key)) throw invalidParameter('The tag key must not begin with aws:');
    map[Key] = Value;
  }
  if (Object.keys(map).length > tagsMax) throw tagLimitExceeded();
  return map;
}

function newTopic(ctx: Context, name: string, given: Readonly<Record<string, string>>, tags: TagMap): TopicRow {
  const { FifoTopic = 'false', ...attributes } = given;
  const fifo = FifoTopic.toLowerCase() === 'true';
  const form = fifo ? /^[A-Za-z0-9_-]{1,251}\.fifo$/ : /^[A-Za-z0-9_-]{1,256}$/;
  if (fifo && !name.endsWith('.fifo')) {
    throw invalidParameter(
      'Topic Name Reason: Fifo Topic names must end with .fifo and must be made up of only uppercase and lowercase ASCII letters, numbers, underscores, and hyphens, and must be between 1 and 256 characters long.',
    );
  }
  if (!form.test(name)) throw invalidParameter('Topic Name');
  const topic: TopicRow = {
    name,
    fifo,
    created: ctx.now,
    displayName: '',
    policy: defaultPolicy(ctx, name),
    contentDeduplication: false,
    throughputScope: fifo ? 'Topic' : undefined,
    signatureVersion: '1',
    tags,
    deleted: 0,
    sequence: 0,
  };
  return Object.entries(attributes).reduce((row, [attribute, value]) => applyAttribute(row, attribute, value, ctx.now), topic);
}

async function describe(ctx: Context, scope: Scope, topic: TopicRow): Promise<Record<string, string>> {
  const rows = await ctx.tableIn(scope, Subscriptions).list({ prefix: [topic.name] });
  const pending = rows.filter(({ token }) => token !== undefined).length;
  const shown: Record<string, string | undefined> = {
    TopicArn: topicArn(scope, topic.name),
    Owner: scope.account,
    Policy: topic.policy,
    DisplayName: topic.displayName,
    SubscriptionsPending: String(pending),
    SubscriptionsConfirmed: String(rows.length - pending),
    SubscriptionsDeleted: String(topic.deleted),
    DeliveryPolicy: topic.deliveryPolicy,
    ...topic.feedback,
    KmsMasterKeyId: topic.kmsKey,
    ArchivePolicy: topic.archive?.text,
    BeginningArchiveTime:
      topic.archive && new Date(archiveBegins(topic.archive, ctx.now)).toISOString().replace(/\.\d+Z$/, '.000Z'),
    EffectiveDeliveryPolicy: JSON.stringify(effectiveDeliveryPolicy(topic.deliveryPolicy)),
    SignatureVersion: topic.signatureVersion === '1' ? undefined : topic.signatureVersion,
    ...(topic.fifo
      ? {
          FifoTopic: 'true',
          ContentBasedDeduplication: String(topic.contentDeduplication),
          FifoThroughputScope: topic.throughputScope,
        }
      : {}),
  };
  return Object.fromEntries(Object.entries(shown).filter((entry): entry is [string, string] => entry[1] !== undefined));
}

export const topicHandlers: HandlersOf<SNS> = {
  async CreateTopic({ Name = '', Attributes = {}, Tags, DataProtectionPolicy }, ctx) {
    if (DataProtectionPolicy !== undefined) throw parameterNotImplemented('CreateTopic', 'DataProtectionPolicy');
    const tags = readTags(Tags);
    const made = newTopic(ctx, Name, Attributes, tags);
    await ctx.transact(async (tx) => {
      const known = await tx.table(Topics).get(Name);
      if (known === undefined) return tx.table(Topics).put(made);
      for (const name of Object.keys(Attributes)) {
        const same =
          name === 'FifoTopic'
            ? known.fifo === made.fifo
            : JSON.stringify(applyAttribute(known, name, Attributes[name] ?? '', ctx.now)) === JSON.stringify(known);
        if (!same) throw invalidParameter('Attributes Reason: Topic already exists with different attributes');
      }
      if (Tags !== undefined && JSON.stringify(Object.entries(known.tags).sort()) !== JSON.stringify(Object.entries(tags).sort()))
        throw invalidParameter('Tags Reason: Topic already exists with different tags');
    });
    return { TopicArn: topicArn(ctx, Name) };
  },

  async DeleteTopic({ TopicArn }, ctx) {
    const { account, region, name } = parseTopicArn(TopicArn);
    const at = ctx.inScope({ account, region });
    await at.transact(async (tx) => {
      const topic = await tx.table(Topics).get(name);
      if (topic?.archive !== undefined) throw invalidState('Cannot delete a topic with an ArchivePolicy');
      await tx.table(Topics).delete(name);
      for (const row of await tx.table(Subscriptions).list({ prefix: [name] }))
        await tx.table(Subscriptions).delete(name, row.id);
    });
    return {};
  },

  async ListTopics({ NextToken }, ctx) {
    const rows = await ctx.table(Topics).list();
    const page = pageOf(rows, ({ name }) => [name], { scope: 'ListTopics', token: NextToken, limit: topicsPerPage });
    if (page === undefined) throw invalidParameter('NextToken');
    return { Topics: page.items.map(({ name }) => ({ TopicArn: topicArn(ctx, name) })), NextToken: page.nextToken };
  },

  async GetTopicAttributes({ TopicArn }, ctx) {
    const { scope, topic } = await findTopic(ctx, TopicArn);
    return { Attributes: await describe(ctx, scope, topic) };
  },

  async SetTopicAttributes({ TopicArn, AttributeName = '', AttributeValue = '' }, ctx) {
    const found = await findTopic(ctx, TopicArn);
    await changeTopic(found, async (row, tx) => {
      const changed = applyAttribute(row, AttributeName, AttributeValue, ctx.now);
      // A shorter time may end some messages' at once; without a policy "Amazon SNS deletes all of the archived messages".
      if (AttributeName === 'ArchivePolicy') await tx.schedule({ task: 'sweepArchive', key: row.name, due: ctx.now });
      return changed;
    });
    return {};
  },

  async TagResource({ ResourceArn, Tags }, ctx) {
    const found = await tagged(ctx, ResourceArn);
    const tags = readTags(Tags);
    await changeTopic(found, (row) => {
      const all = { ...row.tags, ...tags };
      if (Object.keys(all).length > tagsMax) throw tagLimitExceeded();
      return { ...row, tags: all };
    });
    return {};
  },

  async UntagResource({ ResourceArn, TagKeys = [] }, ctx) {
    const found = await tagged(ctx, ResourceArn);
    await changeTopic(found, (row) => ({
      ...row,
      tags: Object.fromEntries(Object.entries(row.tags).filter(([key]) => !TagKeys.includes(key))),
    }));
    return {};
  },

  async ListTagsForResource({ ResourceArn }, ctx) {
    const { topic } = await tagged(ctx, ResourceArn);
    return { Tags: Object.entries(topic.tags).map(([Key, Value]) => ({ Key, Value })) };
  },

  async AddPermission({ TopicArn, Label = '', AWSAccountId = [], ActionName = [] }, ctx) {
    const found = await findTopic(ctx, TopicArn);
    for (const id of AWSAccountId) if (!/^\d{12}$/.test(id)) throw invalidParameter(`AWSAccountId Reason: ${id}`);
    if (AWSAccountId.length === 0 || ActionName.length === 0) throw invalidParameter('Policy statement');
    const unknown = ActionName.find((action) => !sharedActions.has(action));
    if (unknown !== undefined) throw invalidParameter('Policy statement action out of service scope!');
    const one = (list: readonly string[]): string | readonly string[] => (list.length === 1 ? list[0]! : list);
    await changeTopic(found, (row) => {
      const policy = JSON.parse(row.policy) as { Statement: { Sid?: string }[] };
      if (policy.Statement.some(({ Sid }) => Sid === Label)) throw invalidParameter('Statement already exists');
      const statement = {
        Sid: Label,
        Effect: 'Allow',
        Principal: { AWS: one(AWSAccountId.map((id) => `arn:aws:iam::${id}:root`)) },
        Action: one(ActionName.map((action) => `SNS:${action}`)),
        Resource: found.arn,
      };
      return { ...row, policy: JSON.stringify({ ...policy, Statement: [...policy.Statement, statement] }) };
    });
    return {};
  },

  async RemovePermission({ TopicArn, Label = '' }, ctx) {
    const found = await findTopic(ctx, TopicArn);
    await changeTopic(found, (row) => {
      const policy = JSON.parse(row.policy) as { Statement: { Sid?: string }[] };
      return { ...row, policy: JSON.stringify({ ...policy, Statement: policy.Statement.filter(({ Sid }) => Sid !== Label) }) };
    });
    return {};
  },
};

const sharedActions = new Set([
  '*',
  'AddPermission',
  'DeleteTopic',
  'GetDataProtectionPolicy',
  'GetTopicAttributes',
  'ListSubscriptionsByTopic',
  'ListTagsForResource',
  'Publish',
  'PutDataProtectionPolicy',
  'RemovePermission',
  'SetTopicAttributes',
  'Subscribe',
]);

async function tagged(ctx: Context, arn: string | undefined) {
  return findTopic(ctx, arn, 'ResourceArn').catch((error: unknown) => {
    throw error instanceof Error && error.message === topicNotFound().message ? resourceNotFound() : error;
  });
}

const onResource = ({ ResourceArn }: { ResourceArn?: string | undefined }, ctx: Context) => checkTopic(ResourceArn, ctx);

export const topicChecks: AuthorisationsOf<SNS> = {
  CreateTopic: ({ Name = '', Tags = [] }, ctx) => [
    {
      resource: topicArn(ctx, /^[\w.-]{1,256}$/.test(Name) ? Name : '*'),
      conditions: {
        'aws:TagKeys': Tags.length === 0 ? undefined : Tags.map(({ Key = '' }) => Key),
        ...Object.fromEntries(Tags.map(({ Key = '', Value = '' }) => [`aws:RequestTag/${Key}`, Value])),
      },
    },
  ],
  DeleteTopic: onTopic,
  GetTopicAttributes: onTopic,
  SetTopicAttributes: onTopic,
  AddPermission: onTopic,
  RemovePermission: onTopic,
  TagResource: onResource,
  UntagResource: onResource,
  ListTagsForResource: onResource,
};
