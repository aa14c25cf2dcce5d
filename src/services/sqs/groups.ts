/**
 * Message groups of FIFO queues. A group is received from as a whole: its messages in order, and none while any is in flight ("FIFO queue delivery
 * logic"). So what waits in an order of times here are groups, and a receive touches only those that it takes from, however long the others are.
 */
import type { Millis } from '../../base/clock.ts';
import type { ShelfAccess, Taken } from './shelf.ts';
import { takeOne } from './shelf.ts';
import { GroupMessages, GroupPlaces, type GroupRow, Groups, type MessageRow, Messages, Receipts } from './state.ts';

/** A message was added at the end of its group. */
export async function groupAfterPut(access: ShelfAccess, group: string, message: MessageRow): Promise<void> {
  const { tx, scope, queue } = access;
  if ((await tx.tableIn(scope, Groups).get(queue.shelf, group)) !== undefined) return;
  await putGroup(access, undefined, { shelf: queue.shelf, group, at: message.due, first: message.sequence, flying: [] });
}

/** Messages of a group were taken (`taken`), dropped or hidden otherwise: works out again from when it may be received from. */
export async function groupAfterChange(access: ShelfAccess, group: string, taken: readonly Taken[]): Promise<void> {
  const { tx, scope, queue, now } = access;
  const { shelf } = queue;
  const old = await tx.tableIn(scope, Groups).get(shelf, group);
  const [head] = await tx.tableIn(scope, GroupMessages).list({ prefix: [shelf, group], limit: 1 });
  if (head === undefined) {
    if (old !== undefined) await removeGroup(access, old);
    return;
  }
  let at = (await tx.tableIn(scope, Messages).get(shelf, head.sent, head.sequence))?.due ?? now;
  const flying: number[] = [];
  for (const sequence of new Set([...(old?.flying ?? []), ...taken.map(({ message }) => message.sequence)])) {
    const until = (await tx.tableIn(scope, Receipts).get(shelf, sequence))?.until ?? 0;
    if (until <= now) continue;
    flying.push(sequence);
    at = Math.max(at, until);
  }
  await putGroup(access, old, { shelf, group, at, first: head.sequence, flying });
}

/** Messages of groups that may be received from now: as many as possible of the first group, then of the next. */
export async function takeFromGroups(access: ShelfAccess, limit: number, until: Millis, moved: Set<string>): Promise<Taken[]> {
  const { tx, scope, queue, desk, now } = access;
  const { shelf } = queue;
  const taken: Taken[] = [];
  const [at, first] = desk.first(shelf, 'groups');
  const before = [shelf, now, Number.POSITIVE_INFINITY];
  const places = await tx.tableIn(scope, GroupPlaces).list({ prefix: [shelf], after: [shelf, at, first - 1], before, limit });
  const [earliest] = places;
  desk.begins(shelf, 'groups', earliest === undefined ? [now, Number.MAX_SAFE_INTEGER] : [earliest.at, earliest.first]);
  for (const { group } of places) {
    if (taken.length >= limit) break;
    const ofGroup: Taken[] = [];
    for (const place of await tx.tableIn(scope, GroupMessages).list({ prefix: [shelf, group], limit: limit - taken.length })) {
      const message = await tx.tableIn(scope, Messages).get(shelf, place.sent, place.sequence);
      if (message === undefined || message.due > now) break;
      const found = await takeOne(access, place, until, moved);
      if (found !== undefined) ofGroup.push(found);
    }
    await groupAfterChange(access, group, ofGroup);
    taken.push(...ofGroup);
  }
  return taken;
}

/** From when the next group may be received from, if none may now. */
export async function nextGroupAt({ tx, scope, queue, now }: ShelfAccess): Promise<Millis | undefined> {
  const { shelf } = queue;
  const after = [shelf, now, Number.POSITIVE_INFINITY];
  const [first] = await tx.tableIn(scope, GroupPlaces).list({ prefix: [shelf], after, limit: 1 });
  return first?.at;
}

async function putGroup(access: ShelfAccess, old: GroupRow | undefined, row: GroupRow): Promise<void> {
  const { tx, scope, desk } = access;
  const { shelf, group, at, first } = row;
  if (old !== undefined && (old.at !== at || old.first !== first))
    await tx.tableIn(scope, GroupPlaces).delete(shelf, old.at, old.first);
  desk.added(shelf, 'groups', [at, first]);
  await tx.tableIn(scope, Groups).put(row);
  await tx.tableIn(scope, GroupPlaces).put({ shelf, at, first, group });
}

async function removeGroup({ tx, scope }: ShelfAccess, { shelf, group, at, first }: GroupRow): Promise<void> {
  await tx.tableIn(scope, Groups).delete(shelf, group);
  await tx.tableIn(scope, GroupPlaces).delete(shelf, at, first);
}
