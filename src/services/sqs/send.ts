/** SendMessage and SendMessageBatch, and what both have in common with deliveries of other services (api.ts). */
import type { SendMessageBatchRequestEntry, SendMessageRequest, SendMessageResult, SQS } from '@aws-sdk/client-sqs';
import { createHash } from 'node:crypto';
import type { Context } from '../../kernel/context.ts';
import type { AuthorisationsOf, HandlersOf } from '../../kernel/service.ts';
import { checkEntries, runBatch } from './batches.ts';
import { type Sealed, seal } from './bodies.ts';
import { deskOf } from './desk.ts';
import { batchRequestTooLong, invalidParameter, invalidValue, missingParameter, notForThisQueueType } from './errors.ts';
import { access, findQueue, type FoundQueue, onQueue } from './lookup.ts';
import { attributeBytes, attributesMd5, readAttributes, readTraceHeader } from './message-attributes.ts';
import { count } from './metrics.ts';
import { checkCharacters, checkId, deduplicationMillis, delaySecondsMax, messageBytesMax } from './rules.ts';
import { put, type ShelfAccess } from './shelf.ts';
import { type AttributeValue, DuplicatePlaces, Duplicates, type QueueRow } from './state.ts';
import { takeCall } from './throughput.ts';

/** What a message is sent with. */
type Sending = Omit<SendMessageRequest, 'QueueUrl'> | SendMessageBatchRequestEntry;

/** A message that has passed AWS's checks. */
export interface Prepared {
  body: string;
  md5: string;
  attributes: Record<string, AttributeValue> | undefined;
  trace: string | undefined;
  delaySeconds: number;
  group: string | undefined;
  deduplication: string | undefined;
  bytes: number;
}

/** Checks a message in AWS's order and words. */
export function prepare(queue: QueueRow, input: Sending): Prepared {
  const body = input.MessageBody;
  if (body === undefined || body === '') throw missingParameter('MessageBody');
  const attributes = readAttributes(input.MessageAttributes);
  const trace = readTraceHeader(input.MessageSystemAttributes);
  checkId(input.MessageGroupId, 'MessageGroupId');
  checkId(input.MessageDeduplicationId, 'MessageDeduplicationId');
  const delaySeconds = delayOf(queue, input);
  checkCharacters(body);
  const bytes = Buffer.byteLength(body) + attributeBytes(attributes);
  if (bytes > queue.messageBytesMax) {
    throw invalidParameter(
      `One or more parameters are invalid. Reason: Message must be shorter than ${queue.messageBytesMax} bytes.`,
    );
  }
  const md5 = createHash('md5').update(body).digest('hex');
  return {
    body,
    md5,
    attributes,
    trace,
    delaySeconds,
    group: input.MessageGroupId,
    deduplication: deduplicationOf(queue, input, body),
    bytes,
  };
}

function delayOf(queue: QueueRow, { DelaySeconds: delay }: Sending): number {
  if (delay === undefined) return queue.delaySeconds;
  if (queue.fifo && delay !== 0)
    throw invalidValue(delay, 'DelaySeconds', 'The request include parameter that is not valid for this queue type.');
  if (delay < 0 || delay > delaySecondsMax)
    throw invalidValue(delay, 'DelaySeconds', `DelaySeconds must be >= 0 and <= ${delaySecondsMax}.`);
  return queue.fifo ? queue.delaySeconds : delay;
}

function deduplicationOf(queue: QueueRow, input: Sending, body: string): string | undefined {
  const { MessageDeduplicationId: id, MessageGroupId: group } = input;
  if (!queue.fifo) {
    if (id === undefined) return undefined;
    throw notForThisQueueType('MessageDeduplicationId');
  }
  if (group === undefined) throw missingParameter('MessageGroupId');
  if (id !== undefined) return id;
  if (queue.contentDeduplication) return createHash('sha256').update(body).digest('hex');
  throw deduplicationMissing();
}

export interface Sent {
  id: string;
  md5: string;
  attributes: Record<string, AttributeValue> | undefined;
  trace: string | undefined;
  sequence: number;
  /** Its deduplication id was known: nothing was put. */
  repeated?: boolean | undefined;
}

/** Puts checked messages into the queue in one transaction, then wakes who waits for them. */
export async function deliver(
  ctx: Context,
  found: FoundQueue,
  messages: readonly Prepared[],
  sender: string,
): Promise<readonly Sent[]> {
  const sealed = await seal(ctx, found, messages);
  const desk = deskOf(ctx);
  let shelf = '';
  let due = 0;
  const sent = await found.at.transact(async (tx) => {
    const shelfAccess = await access(ctx, tx, found);
    shelf = shelfAccess.queue.shelf;
    const done: Sent[] = [];
    for (const [index, message] of messages.entries()) {
      due = Math.max(due, shelfAccess.now + message.delaySeconds * 1000);
      done.push(await putOne(ctx, shelfAccess, message, sealed[index]!, sender));
    }
    return done;
  });
  const repeats = sent.filter(({ repeated }) => repeated === true).length;
  if (sent.length > 0) count(found, 'NumberOfMessagesSent', sent.length);
  if (repeats > 0) count(found, 'NumberOfDeduplicatedSentMessages', repeats);
  for (const { bytes } of messages) count(found, 'SentMessageSize', bytes);
  if (due <= ctx.clock.now()) desk.wake(shelf, messages.length);
  else if (desk.hasWaiters(shelf)) desk.wakeAt(shelf, due);
  return sent;
}

async function putOne(ctx: Context, shelf: ShelfAccess, message: Prepared, sealed: Sealed, sender: string): Promise<Sent> {
  const { queue, now } = shelf;
  const { md5, attributes, trace } = message;
  const known = await findDuplicate(shelf, message);
  if (known !== undefined) return { ...known, md5, attributes, trace, repeated: true };
  const row = await put(shelf, {
    sent: now,
    id: ctx.uuid(),
    ...sealed,
    md5,
    attributes,
    trace,
    sender,
    due: now + message.delaySeconds * 1000,
    group: message.group,
    deduplication: message.deduplication,
  });
  if (queue.fifo) await rememberDuplicate(shelf, message, row);
  return { id: row.id, sequence: row.sequence, md5, attributes, trace };
}

function scopeOf({ deduplicationScope }: QueueRow, { group = '' }: Prepared): string {
  return deduplicationScope === 'messageGroup' ? group : '';
}

/** The message that was sent with this deduplication id in the last five minutes. Forgets some that are older. */
async function findDuplicate(shelf: ShelfAccess, message: Prepared): Promise<{ id: string; sequence: number } | undefined> {
  const { tx, scope, queue, now } = shelf;
  if (!queue.fifo || message.deduplication === undefined) return undefined;
  const duplicates = tx.tableIn(scope, Duplicates);
  const places = tx.tableIn(scope, DuplicatePlaces);
  const before = [queue.id, now - deduplicationMillis, Number.POSITIVE_INFINITY];
  for (const old of await places.list({ prefix: [queue.id], before, limit: 4 })) {
    await places.delete(queue.id, old.at, old.sequence);
    await duplicates.delete(queue.id, old.scope, old.deduplication);
  }
  const known = await duplicates.get(queue.id, scopeOf(queue, message), message.deduplication);
  if (known === undefined || known.at + deduplicationMillis <= now) return undefined;
  return { id: known.id, sequence: known.sequence };
}

async function rememberDuplicate(
  { tx, scope, queue, now }: ShelfAccess,
  message: Prepared,
  { id, sequence }: { id: string; sequence: number },
): Promise<void> {
  const duplicate = {
    queue: queue.id,
    scope: scopeOf(queue, message),
    deduplication: message.deduplication ?? '',
    at: now,
    sequence,
  };
  const table = tx.tableIn(scope, Duplicates);
  const old = await table.get(duplicate.queue, duplicate.scope, duplicate.deduplication);
  if (old !== undefined) await tx.tableIn(scope, DuplicatePlaces).delete(old.queue, old.at, old.sequence);
  await table.put({ ...duplicate, id });
  await tx.tableIn(scope, DuplicatePlaces).put(duplicate);
}

/** Sequence numbers of FIFO queues are 20 digits that grow ("SequenceNumber", API Reference). */
export function formatSequence(sequence: number): string {
  return String(18_800_000_000_000_000_000n + BigInt(sequence) * 256n);
}

function describe(queue: QueueRow, { id, md5, attributes, trace, sequence }: Sent) {
  return {
    MessageId: id,
    MD5OfMessageBody: md5,
    ...(attributes === undefined ? {} : { MD5OfMessageAttributes: attributesMd5(attributes) }),
    ...(trace === undefined
      ? {}
      : { MD5OfMessageSystemAttributes: attributesMd5({ AWSTraceHeader: { type: 'String', text: trace } }) }),
    ...(queue.fifo ? { SequenceNumber: formatSequence(sequence) } : {}),
  } satisfies SendMessageResult;
}

export const sendHandlers: HandlersOf<SQS> = {
  async SendMessage({ QueueUrl, ...input }, ctx) {
    const found = await findQueue(ctx, QueueUrl);
    const message = prepare(found.queue, input);
    takeCall(ctx, found.queue, 'SendMessage');
    const [sent] = await deliver(ctx, found, [message], ctx.caller.userId);
    return describe(found.queue, sent!);
  },

  async SendMessageBatch({ QueueUrl, Entries = [] }, ctx) {
    const found = await findQueue(ctx, QueueUrl);
    checkEntries(Entries, 'SendMessageBatchRequestEntry');
    const bytes = Entries.reduce((sum, entry) => sum + entryBytes(entry), 0);
    if (bytes > messageBytesMax) throw batchRequestTooLong(messageBytesMax, bytes);
    // What FIFO queues need is asked of the batch as a whole; without it no entry is taken.
    if (found.queue.fifo) for (const entry of Entries) checkOrdering(found.queue, entry);
    takeCall(ctx, found.queue, 'SendMessage');
    const { passed, failed } = runBatch(Entries, (entry, index) => {
      if ((entry.MessageBody ?? '') === '') throw missingParameter(`SendMessageBatchRequestEntry.${index + 1}.MessageBody`);
      return prepare(found.queue, entry);
    });
    const sent = await deliver(
      ctx,
      found,
      passed.map(({ result }) => result),
      ctx.caller.userId,
    );
    return {
      Successful: passed.map(({ id }, index) => ({ Id: id, ...describe(found.queue, sent[index]!) })),
      Failed: failed,
    };
  },
};

/** Throws for an entry of a FIFO queue without group, or without anything that tells it from repetitions. */
function checkOrdering(queue: QueueRow, { MessageGroupId: group, MessageDeduplicationId: id }: Sending): void {
  if (group === undefined) throw invalidParameter('The request must contain the parameter MessageGroupId.');
  if (id === undefined && !queue.contentDeduplication) throw deduplicationMissing();
}

function deduplicationMissing() {
  return invalidParameter(
    'The queue should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly',
  );
}

/** Size of an entry before it is checked, as far as it can be told. */
function entryBytes({ MessageBody = '', MessageAttributes = {} }: SendMessageBatchRequestEntry): number {
  let bytes = Buffer.byteLength(MessageBody);
  for (const [name, { DataType = '', StringValue = '', BinaryValue }] of Object.entries(MessageAttributes))
    bytes += Buffer.byteLength(name) + Buffer.byteLength(DataType) + (BinaryValue?.byteLength ?? Buffer.byteLength(StringValue));
  return bytes;
}

export const sendChecks: AuthorisationsOf<SQS> = { SendMessage: onQueue, SendMessageBatch: onQueue };
