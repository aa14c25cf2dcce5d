/** ReceiveMessage: short and long polling, and the attributes that come along. */
import type { Message, ReceiveMessageRequest, SQS } from '@aws-sdk/client-sqs';
import type { Millis } from '../../base/clock.ts';
import type { Context } from '../../kernel/context.ts';
import type { AuthorisationsOf, HandlersOf } from '../../kernel/service.ts';
import { unseal } from './bodies.ts';
import { type Desk, deskOf } from './desk.ts';
import { invalidValue, notForThisQueueType, overLimit, unknownAttribute } from './errors.ts';
import { nextGroupAt } from './groups.ts';
import { access, findQueue, type FoundQueue, onQueue } from './lookup.ts';
import { attributesMd5, describeAttributes, selectAttributes } from './message-attributes.ts';
import { count } from './metrics.ts';
import { formatHandle } from './receipt-handles.ts';
import { checkId, deduplicationMillis, flightsMax, receiveMax, visibilitySecondsMax, waitSecondsMax } from './rules.ts';
import { formatSequence } from './send.ts';
import { countFlights, nextVisible, rehide, type ShelfAccess, take, type Taken } from './shelf.ts';
import { Attempts, Messages, type QueueRow, Receipts } from './state.ts';
import { takeCall } from './throughput.ts';

const systemAttributes = [
  'SenderId',
  'SentTimestamp',
  'ApproximateReceiveCount',
  'ApproximateFirstReceiveTimestamp',
  'SequenceNumber',
  'MessageDeduplicationId',
  'MessageGroupId',
  'AWSTraceHeader',
  'DeadLetterQueueSourceArn',
] as const;
type SystemAttribute = (typeof systemAttributes)[number];

interface Wish {
  limit: number;
  visibilitySeconds: number;
  waitSeconds: number;
  attempt: string | undefined;
}

function readWish(queue: QueueRow, input: ReceiveMessageRequest): Wish {
  const { MaxNumberOfMessages: limit = 1, VisibilityTimeout: visibility, WaitTimeSeconds: wait } = input;
  if (limit < 1 || limit > receiveMax)
    throw invalidValue(limit, 'MaxNumberOfMessages', `Must be between 1 and ${receiveMax}, if provided.`);
  if (wait !== undefined && (wait < 0 || wait > waitSecondsMax))
    throw invalidValue(wait, 'WaitTimeSeconds', `Must be >= 0 and <= ${waitSecondsMax}, if provided.`);
  if (visibility !== undefined && (visibility < 0 || visibility > visibilitySecondsMax))
    throw invalidValue(visibility, 'VisibilityTimeout', `Must be >= 0 and <= ${visibilitySecondsMax}, if provided.`);
  const { ReceiveRequestAttemptId: attempt } = input;
  checkId(attempt, 'ReceiveRequestAttemptId');
  if (attempt !== undefined && !queue.fifo) throw notForThisQueueType('ReceiveRequestAttemptId');
  return {
    limit,
    visibilitySeconds: visibility ?? queue.visibilitySeconds,
    waitSeconds: wait ?? queue.waitSeconds,
    attempt,
  };
}

/** System attributes asked for, by either name of the member. Throws InvalidAttributeName. */
function wantedAttributes(input: ReceiveMessageRequest): ReadonlySet<SystemAttribute> {
  const names: readonly string[] = [...(input.AttributeNames ?? []), ...(input.MessageSystemAttributeNames ?? [])];
  const known: readonly string[] = systemAttributes;
  for (const name of names) if (name !== 'All' && !known.includes(name)) throw unknownAttribute(name);
  return new Set(names.includes('All') ? systemAttributes : (names as SystemAttribute[]));
}

interface Look {
  taken: Taken[];
  /** When something becomes visible by itself, if anybody waits for it. */
  next: Millis | undefined;
  full: boolean;
  shelf: string;
}

async function look(ctx: Context, found: FoundQueue, wish: Wish, waiting: boolean): Promise<Look> {
  const desk = deskOf(ctx);
  const moved = new Set<string>();
  const result = await found.at.transact(async (tx): Promise<Look> => {
    const shelf = await access(ctx, tx, found);
    const { queue, now } = shelf;
    const until = now + wish.visibilitySeconds * 1000;
    const repeated = await repeatAttempt(shelf, wish, until);
    if (repeated !== undefined) return { taken: repeated, next: undefined, full: false, shelf: queue.shelf };
    const full = await isFull(shelf, wish.limit);
    const taken = full ? [] : await take(shelf, wish.limit, until, moved);
    desk.setFlightsBound(queue.shelf, (desk.flightsBound(queue.shelf) ?? 0) + taken.length);
    if (taken.length > 0) await rememberAttempt(shelf, wish, taken);
    const awaited = desk.hasWaiters(queue.shelf) || (waiting && taken.length === 0);
    const next = awaited ? await (queue.fifo ? nextGroupAt(shelf) : nextVisible(shelf)) : undefined;
    return { taken, next, full, shelf: queue.shelf };
  });
  for (const other of moved) desk.wake(other, receiveMax);
  if (result.next !== undefined) desk.wakeAt(result.shelf, result.next);
  return result;
}

/** Whether the most messages that may be in flight are. The exact number is counted only when the known bound has reached the quota. */
async function isFull(shelf: ShelfAccess, limit: number): Promise<boolean> {
  const { desk, queue } = shelf;
  const bound = desk.flightsBound(queue.shelf);
  if (bound !== undefined && bound + limit <= flightsMax) return false;
  const count = await countFlights(shelf);
  desk.setFlightsBound(queue.shelf, count);
  return count >= flightsMax;
}

/** The messages of an earlier receive with this attempt id, if all are as it left them; their visibility timeout begins anew. */
async function repeatAttempt(shelf: ShelfAccess, { attempt }: Wish, until: Millis): Promise<Taken[] | undefined> {
  if (attempt === undefined) return undefined;
  const { tx, scope, queue, now } = shelf;
  const known = await tx.tableIn(scope, Attempts).get(queue.id, attempt);
  if (known === undefined || known.at + deduplicationMillis <= now) return undefined;
  const taken: Taken[] = [];
  for (const { sent, sequence, count } of known.taken) {
    const message = await tx.tableIn(scope, Messages).get(queue.shelf, sent, sequence);
    const receipt = await tx.tableIn(scope, Receipts).get(queue.shelf, sequence);
    if (message === undefined || receipt === undefined || receipt.count !== count || receipt.until <= now) return undefined;
    taken.push({ message, receipt });
  }
  for (const { message, receipt } of taken) await rehide(shelf, message, receipt, until);
  return taken;
}

async function rememberAttempt(
  { tx, scope, queue, now }: ShelfAccess,
  { attempt }: Wish,
  taken: readonly Taken[],
): Promise<void> {
  if (attempt === undefined) return;
  await tx.tableIn(scope, Attempts).put({
    queue: queue.id,
    attempt,
    at: now,
    taken: taken.map(({ message: { sent, sequence }, receipt: { count } }) => ({ sent, sequence, count })),
  });
  await tx.schedule({ task: 'forgetAttempt', key: `${queue.id} ${attempt}`, due: now + deduplicationMillis });
}

/** Looks until there is something, the time is up, or nobody listens any more. */
async function poll(ctx: Context, desk: Desk, found: FoundQueue, wish: Wish): Promise<Taken[]> {
  const deadline = ctx.clock.now() + wish.waitSeconds * 1000;
  let gone = false;
  const forget = ctx.onGone(() => {
    gone = true;
  });
  try {
    for (;;) {
      const waiting = wish.waitSeconds > 0 && ctx.clock.now() < deadline;
      const { taken, full, shelf } = await look(ctx, found, wish, waiting);
      if (taken.length === wish.limit) desk.wake(shelf);
      if (full && wish.waitSeconds === 0 && !found.queue.fifo) {
        throw overLimit(`Too many messages in flight. The maximum number of messages in flight is ${flightsMax}.`);
      }
      if (taken.length > 0 || !waiting) return taken;
      await desk.wait(shelf, deadline, (listener) => ctx.onGone(listener));
      if (gone || desk.closed) return [];
    }
  } finally {
    forget();
  }
}

function systemValues({ message, receipt }: Taken, fifo: boolean): Record<SystemAttribute, string | undefined> {
  return {
    SenderId: message.sender,
    SentTimestamp: String(message.sent),
    ApproximateReceiveCount: String(receipt.count),
    ApproximateFirstReceiveTimestamp: String(receipt.first),
    SequenceNumber: fifo ? formatSequence(message.sequence) : undefined,
    MessageDeduplicationId: message.deduplication,
    MessageGroupId: message.group,
    AWSTraceHeader: message.trace,
    DeadLetterQueueSourceArn: message.deadLetterSource,
  };
}

async function describe(
  ctx: Context,
  found: FoundQueue,
  taken: Taken,
  wanted: ReadonlySet<SystemAttribute>,
  attributeNames: readonly string[] | undefined,
): Promise<Message> {
  const { message, receipt } = taken;
  const { queue } = found;
  const values = systemValues(taken, queue.fifo);
  const system = [...wanted].flatMap((name) => (values[name] === undefined ? [] : [[name, values[name]] as const]));
  const attributes = selectAttributes(message.attributes, attributeNames);
  return {
    MessageId: message.id,
    ReceiptHandle: formatHandle(queue, message, receipt),
    MD5OfBody: message.md5,
    Body: await unseal(ctx, found, message),
    ...(system.length === 0 ? {} : { Attributes: Object.fromEntries(system) }),
    ...(attributes === undefined
      ? {}
      : { MD5OfMessageAttributes: attributesMd5(attributes), MessageAttributes: describeAttributes(attributes) }),
  };
}

export const receiveHandlers: HandlersOf<SQS> = {
  async ReceiveMessage(input, ctx) {
    const found = await findQueue(ctx, input.QueueUrl);
    const wish = readWish(found.queue, input);
    const wanted = wantedAttributes(input);
    takeCall(ctx, found.queue, 'ReceiveMessage');
    const taken = await poll(ctx, deskOf(ctx), found, wish);
    if (taken.length === 0) {
      count(found, 'NumberOfEmptyReceives', 1);
      return {};
    }
    count(found, 'NumberOfMessagesReceived', taken.length);
    return {
      Messages: await Promise.all(taken.map((one) => describe(ctx, found, one, wanted, input.MessageAttributeNames))),
    };
  },
};

export const receiveChecks: AuthorisationsOf<SQS> = { ReceiveMessage: onQueue };
