/** DeleteMessage, ChangeMessageVisibility, and their batches: all by receipt handle. */
import type { SQS } from '@aws-sdk/client-sqs';
import type { Millis } from '../../base/clock.ts';
import type { Context } from '../../kernel/context.ts';
import type { AuthorisationsOf, HandlersOf } from '../../kernel/service.ts';
import { checkEntries, failedEntry } from './batches.ts';
import { deskOf } from './desk.ts';
import { invalidValue, messageNotInflight, missingParameter } from './errors.ts';
import { access, findQueue, type FoundQueue, onQueue } from './lookup.ts';
import { count } from './metrics.ts';
import { parseHandle } from './receipt-handles.ts';
import { visibilitySecondsMax } from './rules.ts';
import { drop, rehide, type ShelfAccess } from './shelf.ts';
import { Messages, Receipts } from './state.ts';
import { takeCall } from './throughput.ts';

/** Throws MissingParameter for none. */
function requireHandle(handle: string): string {
  if (handle === '') throw missingParameter('ReceiptHandle');
  return handle;
}

/** Deletes by handle. What is not there any more counts as deleted. */
async function deleteOne(shelf: ShelfAccess, text: string): Promise<void> {
  const { tx, scope, queue, now } = shelf;
  const handle = parseHandle(queue, text);
  if (handle.shelf !== queue.shelf) return;
  const message = await tx.tableIn(scope, Messages).get(handle.shelf, handle.sent, handle.sequence);
  if (message === undefined) return;
  const receipt = await tx.tableIn(scope, Receipts).get(handle.shelf, handle.sequence);
  // FIFO queues hold a consumer to its visibility timeout; standard ones take any handle of the message.
  if (queue.fifo && (receipt === undefined || receipt.count !== handle.count || receipt.until <= now))
    throw invalidValue(text, 'ReceiptHandle', 'The receipt handle has expired.');
  await drop(shelf, message, receipt);
}

/** Hides until so many seconds from now; returns that time. */
async function hideOne(shelf: ShelfAccess, text: string, seconds: number): Promise<Millis> {
  const { tx, scope, queue, now } = shelf;
  if (seconds < 0 || seconds > visibilitySecondsMax) {
    throw invalidValue(
      seconds,
      'VisibilityTimeout',
      `VisibilityTimeout must be an integer between 0 and ${visibilitySecondsMax}.`,
    );
  }
  const handle = parseHandle(queue, text);
  const message = await tx.tableIn(scope, Messages).get(handle.shelf, handle.sent, handle.sequence);
  const receipt = await tx.tableIn(scope, Receipts).get(handle.shelf, handle.sequence);
  if (handle.shelf !== queue.shelf || message === undefined || receipt === undefined) {
    throw invalidValue(text, 'ReceiptHandle', 'Message does not exist or is not available for visibility timeout change.');
  }
  if (queue.fifo && receipt.count !== handle.count) throw invalidValue(text, 'ReceiptHandle', 'The receipt handle has expired.');
  if (receipt.until <= now) throw messageNotInflight();
  if (now + seconds * 1000 > receipt.last + visibilitySecondsMax * 1000) {
    throw invalidValue(
      seconds,
      'VisibilityTimeout',
      `Total VisibilityTimeout for the message is beyond the limit [${visibilitySecondsMax} seconds]`,
    );
  }
  const until = now + seconds * 1000;
  await rehide(shelf, message, receipt, until);
  return until;
}

/** Runs `work` on the queue's rows; it returns when those that wait should look again, if at all. */
async function change<T>(
  ctx: Context,
  found: FoundQueue,
  work: (shelf: ShelfAccess, wakeAt: (at: Millis) => void) => Promise<T>,
): Promise<T> {
  let shelf = '';
  const times: Millis[] = [];
  const result = await found.at.transact(async (tx) => {
    const rows = await access(ctx, tx, found);
    shelf = rows.queue.shelf;
    return work(rows, (at) => times.push(at));
  });
  const desk = deskOf(ctx);
  if (times.length > 0 && desk.hasWaiters(shelf)) desk.wakeAt(shelf, Math.min(...times));
  return result;
}

/** Runs `work` on each entry of a batch; each answers for itself. An entry throws before it writes, so the others' writes stay whole. */
async function each<E extends { Id: string | undefined }>(entries: readonly E[], work: (entry: E) => Promise<void>) {
  const Successful: { Id: string }[] = [];
  const Failed: ReturnType<typeof failedEntry>[] = [];
  for (const entry of entries) {
    const id = entry.Id ?? '';
    await work(entry).then(
      () => Successful.push({ Id: id }),
      (error: unknown) => Failed.push(failedEntry(id, error)),
    );
  }
  return { Successful, Failed };
}

export const deleteHandlers: HandlersOf<SQS> = {
  async DeleteMessage({ QueueUrl, ReceiptHandle = '' }, ctx) {
    const found = await findQueue(ctx, QueueUrl);
    takeCall(ctx, found.queue, 'DeleteMessage');
    await change(ctx, found, async (shelf, wakeAt) => {
      await deleteOne(shelf, requireHandle(ReceiptHandle));
      if (shelf.queue.fifo) wakeAt(shelf.now);
    });
    count(found, 'NumberOfMessagesDeleted', 1);
    return {};
  },

  async DeleteMessageBatch({ QueueUrl, Entries = [] }, ctx) {
    const found = await findQueue(ctx, QueueUrl);
    checkEntries(Entries, 'DeleteMessageBatchRequestEntry');
    takeCall(ctx, found.queue, 'DeleteMessage');
    const result = await change(ctx, found, (shelf, wakeAt) => {
      if (shelf.queue.fifo) wakeAt(shelf.now);
      return each(Entries, async ({ ReceiptHandle = '' }) => deleteOne(shelf, requireHandle(ReceiptHandle)));
    });
    if (result.Successful.length > 0) count(found, 'NumberOfMessagesDeleted', result.Successful.length);
    return result;
  },

  async ChangeMessageVisibility({ QueueUrl, ReceiptHandle = '', VisibilityTimeout = 0 }, ctx) {
    const found = await findQueue(ctx, QueueUrl);
    await change(ctx, found, async (shelf, wakeAt) =>
      wakeAt(await hideOne(shelf, requireHandle(ReceiptHandle), VisibilityTimeout)),
    );
    return {};
  },

  async ChangeMessageVisibilityBatch({ QueueUrl, Entries = [] }, ctx) {
    const found = await findQueue(ctx, QueueUrl);
    checkEntries(Entries, 'ChangeMessageVisibilityBatchRequestEntry');
    return change(ctx, found, (shelf, wakeAt) =>
      each(Entries, async ({ ReceiptHandle = '', VisibilityTimeout = 0 }) =>
        wakeAt(await hideOne(shelf, requireHandle(ReceiptHandle), VisibilityTimeout)),
      ),
    );
  },
};

export const deleteChecks: AuthorisationsOf<SQS> = {
  DeleteMessage: onQueue,
  DeleteMessageBatch: onQueue,
  ChangeMessageVisibility: onQueue,
  ChangeMessageVisibilityBatch: onQueue,
};
