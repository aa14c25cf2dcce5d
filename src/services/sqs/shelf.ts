/**
 * A queue's messages as rows: putting, hiding, dropping and finding them, for both kinds of queue. All inside the caller's transaction, and in the
 * scope of the queue. Groups of FIFO queues are in groups.ts; this file keeps them told.
 */
import type { Millis } from '../../base/clock.ts';
import type { Scope, Transaction } from '../../kernel/context.ts';
import type { TableWriter } from '../../store/tables.ts';
import type { Desk, Order } from './desk.ts';
import { groupAfterChange, groupAfterPut, takeFromGroups } from './groups.ts';
import {
  Counters,
  Flights,
  GroupMessages,
  type MessageRow,
  Messages,
  type PlaceRow,
  type QueueRow,
  Queues,
  type ReceiptRow,
  Receipts,
  Waiting,
} from './state.ts';
import { parseQueueArn, queueArn } from './urls.ts';

/** A queue's rows in one transaction. */
export interface ShelfAccess {
  tx: Transaction;
  scope: Scope;
  queue: QueueRow;
  desk: Desk;
  now: Millis;
}

export interface Taken {
  message: MessageRow;
  receipt: ReceiptRow;
}

/** A new message without what its place in the queue decides. */
export type NewMessage = Omit<MessageRow, 'shelf' | 'sequence'>;

/** The next sequence number of the queue, for one message more; also sees that a sweep waits for the message's expiry. */
async function nextSequence({ tx, scope, queue, now }: ShelfAccess, sent: Millis = now): Promise<number> {
  const counters = tx.tableIn(scope, Counters);
  const counter = (await counters.get(queue.shelf)) ?? { shelf: queue.shelf, last: 0, held: 0 };
  const last = counter.last + 1;
  const expires = sent + queue.retentionSeconds * 1000;
  const sweepAt = Math.min(counter.sweepAt ?? expires, expires);
  if (sweepAt !== counter.sweepAt) await tx.schedule({ task: 'sweep', key: queue.name, due: sweepAt });
  const held = counter.held === undefined ? undefined : counter.held + 1;
  await counters.put({ shelf: queue.shelf, last, sweepAt, held });
  return last;
}

/** Puts a message on the shelf. */
export async function put(access: ShelfAccess, message: NewMessage): Promise<MessageRow> {
  const { queue, tx, scope } = access;
  const { shelf } = queue;
  const sequence = await nextSequence(access, message.sent);
  const row: MessageRow = { ...message, shelf, sequence };
  await tx.tableIn(scope, Messages).put(row);
  await putPlace(access, 'waiting', { shelf, at: row.due, sequence, sent: row.sent });
  if (row.group !== undefined && queue.fifo) {
    await tx.tableIn(scope, GroupMessages).put({ shelf, group: row.group, sequence, sent: row.sent });
    await groupAfterPut(access, row.group, row);
  }
  return row;
}

/** Takes a message off the shelf for good. */
export async function drop(access: ShelfAccess, message: MessageRow, receipt: ReceiptRow | undefined): Promise<void> {
  const { tx, scope, queue } = access;
  const { shelf, sent, sequence } = message;
  await tx.tableIn(scope, Messages).delete(shelf, sent, sequence);
  const counter = await tx.tableIn(scope, Counters).get(shelf);
  if (counter?.held !== undefined) await tx.tableIn(scope, Counters).put({ ...counter, held: counter.held - 1 });
  if (receipt === undefined) await tx.tableIn(scope, Waiting).delete(shelf, message.due, sequence);
  else {
    await tx.tableIn(scope, Flights).delete(shelf, receipt.until, sequence);
    await tx.tableIn(scope, Receipts).delete(shelf, sequence);
  }
  if (message.group === undefined || !queue.fifo) return;
  await tx.tableIn(scope, GroupMessages).delete(shelf, message.group, sequence);
  await groupAfterChange(access, message.group, []);
}

/** Counts a receive and hides the message until then. Groups are told by who takes. */
async function hide(access: ShelfAccess, message: MessageRow, old: ReceiptRow | undefined, until: Millis): Promise<Taken> {
  const { tx, scope, now } = access;
  const { shelf, sequence, sent } = message;
  const receipt: ReceiptRow = {
    shelf,
    sequence,
    count: (old?.count ?? message.receivedBefore ?? 0) + 1,
    first: old?.first ?? now,
    last: now,
    until,
  };
  if (old === undefined) await tx.tableIn(scope, Waiting).delete(shelf, message.due, sequence);
  else await tx.tableIn(scope, Flights).delete(shelf, old.until, sequence);
  await putPlace(access, 'flights', { shelf, at: until, sequence, sent });
  await tx.tableIn(scope, Receipts).put(receipt);
  return { message, receipt };
}

/** Hides a message that was received until another time, without counting. */
export async function rehide(access: ShelfAccess, message: MessageRow, old: ReceiptRow, until: Millis): Promise<void> {
  const { tx, scope, queue } = access;
  const { shelf, sequence, sent } = message;
  await tx.tableIn(scope, Flights).delete(shelf, old.until, sequence);
  await putPlace(access, 'flights', { shelf, at: until, sequence, sent });
  await tx.tableIn(scope, Receipts).put({ ...old, until });
  if (message.group !== undefined && queue.fifo) await groupAfterChange(access, message.group, []);
}

/**
 * Up to `limit` messages that are visible now, hidden until `until` by this. On the way, messages whose retention has ended are dropped and those
 * received too often go to the dead-letter queue. `moved` gets the shelves that messages came to.
 */
export async function take(access: ShelfAccess, limit: number, until: Millis, moved: Set<string>): Promise<Taken[]> {
  if (access.queue.fifo) return takeFromGroups(access, limit, until, moved);
  const taken: Taken[] = [];
  for (;;) {
    const wanted = limit - taken.length;
    const places = (await dueIn(access, 'flights', wanted)).concat(await dueIn(access, 'waiting', wanted));
    // The longest visible first: what came back competes with what is new.
    const chosen = places.sort((a, b) => a.at - b.at || a.sequence - b.sequence).slice(0, wanted);
    for (const place of chosen) {
      const found = await takeOne(access, place, until, moved);
      if (found !== undefined) taken.push(found);
    }
    // Look again only in place of messages that were dropped, and never at those that a timeout of 0 has left visible.
    if (taken.length >= limit || chosen.length === 0 || taken.length + wanted >= limit + chosen.length) return taken;
    if (until <= access.now) return taken;
  }
}

/** One message by its place; undefined when it was dropped or moved instead. */
export async function takeOne(
  access: ShelfAccess,
  place: { sent: Millis; sequence: number },
  until: Millis,
  moved: Set<string>,
): Promise<Taken | undefined> {
  const { tx, scope, queue, now } = access;
  const { shelf } = queue;
  const message = await tx.tableIn(scope, Messages).get(shelf, place.sent, place.sequence);
  if (message === undefined) throw new Error(`Queue ${queue.name} has a place without a message.`);
  const old = await tx.tableIn(scope, Receipts).get(shelf, message.sequence);
  if (message.sent + queue.retentionSeconds * 1000 <= now) {
    await drop(access, message, old);
    return undefined;
  }
  const count = old?.count ?? message.receivedBefore ?? 0;
  if (old !== undefined && queue.redrive !== undefined && count >= queue.redrive.maxReceiveCount) {
    if (await moveToDeadLetters(access, message, old, moved)) return undefined;
  }
  return hide(access, message, old, until);
}

/** Moves a message to the dead-letter queue; false when there is no such queue any more. */
async function moveToDeadLetters(
  access: ShelfAccess,
  message: MessageRow,
  receipt: ReceiptRow,
  moved: Set<string>,
): Promise<boolean> {
  const { tx, scope, queue, now } = access;
  const letters = await tx.tableIn(scope, Queues).get(parseQueueArn(queue.redrive?.target ?? '')?.name ?? '');
  if (letters === undefined) return false;
  await drop(access, message, receipt);
  // A standard message keeps the time at which it was sent, a FIFO message gets a new one ("Dead-letter queues and message retention periods").
  await put(
    { ...access, queue: letters },
    {
      ...message,
      sent: queue.fifo ? now : message.sent,
      due: now,
      deadLetterSource: queueArn(scope, queue.name),
      receivedBefore: receipt.count,
    },
  );
  moved.add(letters.shelf);
  return true;
}

/** Messages in flight at `now`. */
export function countFlights({ tx, scope, queue, now }: ShelfAccess): Promise<number> {
  return tx.tableIn(scope, Flights).count([queue.shelf], { after: [queue.shelf, now, Number.POSITIVE_INFINITY] });
}

/** When the next message becomes visible; undefined when none will by itself. */
export async function nextVisible({ tx, scope, queue, now }: ShelfAccess): Promise<Millis | undefined> {
  const after = [queue.shelf, now, Number.POSITIVE_INFINITY];
  const times: Millis[] = [];
  for (const table of [Waiting, Flights]) {
    const [first] = await tx.tableIn(scope, table).list({ prefix: [queue.shelf], after, limit: 1 });
    if (first !== undefined) times.push(first.at);
  }
  return times.length === 0 ? undefined : Math.min(...times);
}

async function dueIn(
  { tx, scope, queue, desk, now }: ShelfAccess,
  order: 'waiting' | 'flights',
  limit: number,
): Promise<PlaceRow[]> {
  const { shelf } = queue;
  const table = tx.tableIn(scope, order === 'waiting' ? Waiting : Flights) as TableWriter<PlaceRow>;
  const [at, sequence] = desk.first(shelf, order);
  const before = [shelf, now, Number.POSITIVE_INFINITY];
  const places = await table.list({ prefix: [shelf], after: [shelf, at, sequence - 1], before, limit });
  const [first] = places;
  desk.begins(shelf, order, first === undefined ? [now, Number.MAX_SAFE_INTEGER] : [first.at, first.sequence]);
  return places;
}

async function putPlace({ tx, scope, desk }: ShelfAccess, order: Exclude<Order, 'groups'>, place: PlaceRow): Promise<void> {
  desk.added(place.shelf, order, [place.at, place.sequence]);
  await tx.tableIn(scope, order === 'waiting' ? Waiting : Flights).put(place);
}
