/** Queues: made, found, described, changed, purged, deleted. */
import type { SQS } from '@aws-sdk/client-sqs';
import { type Page, pageOf } from '../../base/paging.ts';
import type { Context, Scope, Transaction } from '../../kernel/context.ts';
import type { AuthorisationsOf, HandlersOf } from '../../kernel/service.ts';
import { applyAttributes, countedAttributes, defaults, describeSettings, isAttribute, parseRedriveAllow } from './attributes.ts';
import { deskOf } from './desk.ts';
import {
  invalidParameter,
  invalidValue,
  purgeQueueInProgress,
  queueDeletedRecently,
  queueDoesNotExist,
  queueNameExists,
  unknownAttribute,
} from './errors.ts';
import { changeQueue, checkOf, findQueue, onOwnQueue, onQueue } from './lookup.ts';
import { countMessages } from './metrics.ts';
import { restMillis } from './rules.ts';
import { Counters, Deletions, OwnKeys, type QueueRow, Queues } from './state.ts';
import { checkTags } from './tags.ts';
import { parseQueueArn, queueArn, queueUrl } from './urls.ts';

const pageQueuesMax = 1000;

/** Checks a name. Throws InvalidParameterValue. */
function checkName(name: string, fifo: boolean): void {
  requireName(name);
  if (fifo) {
    if (/^[A-Za-z0-9_-]{1,75}\.fifo$/.test(name)) return;
    throw invalidParameter(
      'The name of a FIFO queue can only include alphanumeric characters, hyphens, or underscores, must end with .fifo suffix and be 1 to 80 in length.',
    );
  }
  if (/^[A-Za-z0-9_-]{1,80}$/.test(name)) return;
  throw invalidParameter('Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length');
}

function requireName(name: string): void {
  if (name === '') throw invalidParameter('Value for parameter QueueName is invalid. Reason: Must specify a queue name.');
}

/** Splits `FifoQueue` off. It can be true or absent, never false. */
function readFifo({ FifoQueue, ...attributes }: Readonly<Record<string, string>>): {
  fifo: boolean;
  attributes: Record<string, string>;
} {
  if (FifoQueue !== undefined && FifoQueue.toLowerCase() !== 'true') throw unknownAttribute('FifoQueue');
  return { fifo: FifoQueue !== undefined, attributes };
}

/** A dead-letter queue exists, is of the same kind, lies beside its source, and lets it ("RedriveAllowPolicy"). Throws InvalidParameterValue. */
async function checkTarget(tx: Transaction, scope: Scope, queue: QueueRow): Promise<void> {
  if (queue.redrive === undefined) return;
  const { target } = queue.redrive;
  const fail = (reason: string) => invalidValue(queue.redrivePolicy, 'RedrivePolicy', reason);
  const parsed = parseQueueArn(target);
  const found =
    parsed?.account === scope.account && parsed.region === scope.region
      ? await tx.tableIn(scope, Queues).get(parsed.name)
      : undefined;
  if (found === undefined) throw fail('Dead letter target does not exist.');
  if (found.fifo !== queue.fifo) throw fail('Dead-letter queue must be same type of queue as the source.');
  if (found.redriveAllowPolicy === undefined) return;
  const allow = parseRedriveAllow(found.redriveAllowPolicy);
  const allowed = allow.permission === 'allowAll' || allow.sources.includes(queueArn(scope, queue.name));
  if (!allowed) throw fail('Queue does not allow the source queue to use it as a dead-letter queue.');
}

/** Throws QueueNameExists for the first attribute that differs from what the queue has. */
function compare(queue: QueueRow, wanted: QueueRow, names: readonly string[]): void {
  const has = describeSettings(queue, queue.fifo);
  const wants = describeSettings(wanted, wanted.fifo);
  for (const name of names) if (has[name] !== wants[name]) throw queueNameExists(name);
}

async function createQueue(ctx: Context, name: string, given: Readonly<Record<string, string>>, tags: QueueRow['tags']) {
  const { fifo, attributes } = readFifo(given);
  checkName(name, fifo);
  const settings = applyAttributes(defaults, attributes, fifo);
  const ownKey = ctx.bytes(32);
  await ctx.transact(async (tx) => {
    const queues = tx.table(Queues);
    const existing = await queues.get(name);
    const id = existing?.id ?? ctx.id('messageShelf');
    const row: QueueRow = { name, id, shelf: id, fifo, created: ctx.now, modified: ctx.now, tags, ...settings };
    if (existing !== undefined) return compare(existing, row, Object.keys(given));
    const deletion = await tx.table(Deletions).get(name);
    if (deletion !== undefined && ctx.now < deletion.at + restMillis) throw queueDeletedRecently();
    await tx.table(Deletions).delete(name);
    await checkTarget(tx, ctx, row);
    await queues.put(row);
    if ((await tx.table(OwnKeys).get('own')) === undefined) await tx.table(OwnKeys).put({ key: ownKey });
  });
}

/** Counts, by the names that the API shows. */
async function shownCounts(ctx: Context, scope: Scope, queue: QueueRow): Promise<Record<string, string>> {
  const { visible, flying, delayed } = await countMessages(ctx.inScope(scope), queue, ctx.clock.now());
  return {
    ApproximateNumberOfMessages: String(visible),
    ApproximateNumberOfMessagesNotVisible: String(flying),
    ApproximateNumberOfMessagesDelayed: String(delayed),
  };
}

async function describeQueue(ctx: Context, scope: Scope, queue: QueueRow, names: readonly string[]) {
  for (const name of names) if (name !== 'All' && !isAttribute(name)) throw unknownAttribute(name);
  const all = names.includes('All');
  const counted = countedAttributes.some((name) => (all || names.includes(name)) && name.startsWith('Approximate'));
  const shown: Record<string, string> = {
    QueueArn: queueArn(scope, queue.name),
    ...(counted ? await shownCounts(ctx, scope, queue) : {}),
    CreatedTimestamp: String(Math.floor(queue.created / 1000)),
    LastModifiedTimestamp: String(Math.floor(queue.modified / 1000)),
    ...describeSettings(queue, queue.fifo),
  };
  return all ? shown : Object.fromEntries(Object.entries(shown).filter(([name]) => names.includes(name)));
}

/** One page of queues. A token is only given when the caller asks for a number of results. */
function pageQueues(
  rows: readonly QueueRow[],
  scope: string,
  input: { NextToken?: string | undefined; MaxResults?: number | undefined },
) {
  const { NextToken: token, MaxResults: limit } = input;
  if (limit !== undefined && (limit < 1 || limit > pageQueuesMax))
    throw invalidValue(limit, 'MaxResults', `MaxResults must be an integer between 1 and ${pageQueuesMax}.`);
  const page: Page<QueueRow> | undefined = pageOf(rows, ({ name }) => [name], { scope, token, limit: limit ?? pageQueuesMax });
  if (page === undefined) throw invalidValue(token, 'NextToken', 'Invalid or expired next token.');
  return { rows: page.items, NextToken: limit === undefined ? undefined : page.nextToken };
}

/** Old shelves are swept by a task, in pieces. */
async function abandonShelf(tx: Transaction, scope: Scope, { shelf }: QueueRow, now: number): Promise<void> {
  await tx.tableIn(scope, Counters).delete(shelf);
  await tx.schedule({ task: 'clearShelf', key: shelf, due: now });
}

export const queueHandlers: HandlersOf<SQS> = {
  async CreateQueue({ QueueName = '', Attributes = {}, tags = {} }, ctx) {
    checkTags(QueueName, tags);
    await createQueue(ctx, QueueName, Attributes, tags);
    return { QueueUrl: queueUrl(ctx, { account: ctx.account, name: QueueName }) };
  },

  async GetQueueUrl({ QueueName = '', QueueOwnerAWSAccountId: owner }, ctx) {
    requireName(QueueName);
    const account = owner ?? ctx.account;
    if ((await ctx.tableIn({ account, region: ctx.region }, Queues).get(QueueName)) === undefined) throw queueDoesNotExist();
    return { QueueUrl: queueUrl(ctx, { account, name: QueueName }) };
  },

  async ListQueues({ QueueNamePrefix = '', ...paging }, ctx) {
    const queues = (await ctx.table(Queues).list()).filter(({ name }) => name.startsWith(QueueNamePrefix));
    const { rows, NextToken } = pageQueues(queues, `ListQueues ${QueueNamePrefix}`, paging);
    if (rows.length === 0) return {};
    return { QueueUrls: rows.map(({ name }) => queueUrl(ctx, { account: ctx.account, name })), NextToken };
  },

  async ListDeadLetterSourceQueues({ QueueUrl, ...paging }, ctx) {
    const { scope, queue } = await findQueue(ctx, QueueUrl);
    const sources = await ctx.tableIn(scope, Queues).byIndex('byTarget', [queueArn(scope, queue.name)]);
    const { rows, NextToken } = pageQueues(sources, `ListDeadLetterSourceQueues ${queue.id}`, paging);
    return { queueUrls: rows.map(({ name }) => queueUrl(ctx, { account: scope.account, name })), NextToken };
  },

  async GetQueueAttributes({ QueueUrl, AttributeNames = [] }, ctx) {
    const { scope, queue } = await findQueue(ctx, QueueUrl);
    if (AttributeNames.length === 0) return {};
    return { Attributes: await describeQueue(ctx, scope, queue, AttributeNames) };
  },

  async SetQueueAttributes({ QueueUrl, Attributes = {} }, ctx) {
    const found = await findQueue(ctx, QueueUrl);
    const { FifoQueue, ...attributes } = Attributes as Record<string, string>;
    if (FifoQueue !== undefined && (!found.queue.fifo || FifoQueue.toLowerCase() !== 'true')) throw unknownAttribute('FifoQueue');
    await changeQueue(found, async (row, tx) => {
      const changed: QueueRow = { ...row, ...applyAttributes(row, attributes, row.fifo), modified: ctx.now };
      if (attributes['RedrivePolicy'] !== undefined) await checkTarget(tx, found.scope, changed);
      // A shorter retention may end some messages' time at once.
      if (changed.retentionSeconds !== row.retentionSeconds) await tx.schedule({ task: 'sweep', key: row.name, due: ctx.now });
      return changed;
    });
    return {};
  },

  async PurgeQueue({ QueueUrl }, ctx) {
    const found = await findQueue(ctx, QueueUrl);
    await changeQueue(found, async (row, tx) => {
      if (row.purged !== undefined && ctx.now < row.purged + restMillis) throw purgeQueueInProgress(row.name);
      await abandonShelf(tx, found.scope, row, ctx.now);
      return { ...row, shelf: ctx.id('messageShelf'), purged: ctx.now };
    });
    deskOf(ctx).forget(found.queue.shelf);
    return {};
  },

  async DeleteQueue({ QueueUrl }, ctx) {
    const { at, scope, queue } = await findQueue(ctx, QueueUrl);
    await at.transact(async (tx) => {
      const row = await tx.tableIn(scope, Queues).get(queue.name);
      if (row === undefined) throw queueDoesNotExist();
      await tx.tableIn(scope, Queues).delete(row.name);
      await tx.tableIn(scope, Deletions).put({ name: row.name, at: ctx.now });
      await tx.unschedule('sweep', row.name);
      await abandonShelf(tx, scope, row, ctx.now);
    });
    deskOf(ctx).forget(queue.shelf);
    return {};
  },
};

export const queueChecks: AuthorisationsOf<SQS> = {
  CreateQueue: ({ QueueName = '', tags = {} }, ctx) => [
    {
      resource: queueArn(ctx, QueueName === '' ? '*' : QueueName.replaceAll(/[^\w.-]/g, '-')),
      conditions: {
        'aws:TagKeys': Object.keys(tags).length === 0 ? undefined : Object.keys(tags),
        ...Object.fromEntries(Object.entries(tags).map(([key, value]) => [`aws:RequestTag/${key}`, value])),
      },
    },
  ],
  GetQueueUrl: async ({ QueueName = '', QueueOwnerAWSAccountId: owner }, ctx) => {
    const account = /^\d{12}$/.test(owner ?? '') ? (owner ?? '') : ctx.account;
    const name = /^[\w.-]{1,80}$/.test(QueueName) ? QueueName : '*';
    return [checkOf(account, ctx.region, name, await ctx.tableIn({ account, region: ctx.region }, Queues).get(name))];
  },
  ListDeadLetterSourceQueues: onQueue,
  GetQueueAttributes: onQueue,
  SetQueueAttributes: onOwnQueue,
  PurgeQueue: onQueue,
  DeleteQueue: onOwnQueue,
};
