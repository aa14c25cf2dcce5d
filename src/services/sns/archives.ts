/**
 * Archives of FIFO topics and replays from them ("Message archiving and replay for FIFO topics"). What a topic with an archive policy accepts is kept for
 * its days; a subscription with a replay policy gets what lies between two times once more, in order, marked as replayed. A replay without an end goes on
 * to the present: until it has caught up, new messages reach its subscriber by way of the archive only, so that none comes out of order or twice.
 */
import type { Millis } from '../../base/clock.ts';
import type { Context, Transaction } from '../../kernel/context.ts';
import type { FiredJob } from '../../kernel/service.ts';
import { invalidParameter } from './errors.ts';
import { Archive, type NoticeRow, type Replay, type SubscriptionRow, Subscriptions, type TopicRow, Topics } from './state.ts';

const dayMillis: Millis = 86_400_000;
const retentionDaysMax = 365;
const pieceNotices = 50;
const sweptNotices = 500;

function parseObject(text: string, attribute: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  } catch {
    throw invalidParameter(`${attribute}: Unable to parse JSON`);
  }
  throw invalidParameter(`${attribute}: JSON is missing required fields`);
}

/** A topic's archive after this `ArchivePolicy`; `{}` ends it. Throws InvalidParameter. */
export function setArchive(text: string, topic: TopicRow, now: Millis): Pick<TopicRow, 'archive'> {
  const policy = parseObject(text, 'ArchivePolicy');
  if (Object.keys(policy).length === 0) return { archive: undefined };
  const { MessageRetentionPeriod: days } = policy;
  if (days === undefined) throw invalidParameter('ArchivePolicy: JSON is missing required fields');
  const number = /^\d{1,3}$/.test(String(days)) ? Number(days) : 0;
  if (number < 1 || number > retentionDaysMax) throw invalidParameter('ArchivePolicy: Invalid MessageRetentionPeriod value');
  return { archive: { days: number, since: topic.archive?.since ?? now, text } };
}

/** The earliest time that can be replayed from. */
export function archiveBegins({ days, since }: NonNullable<TopicRow['archive']>, now: Millis): Millis {
  return Math.max(since, now - days * dayMillis);
}

/** Keeps what a topic has accepted, in the transaction that accepts it. */
export async function archive(tx: Transaction, topic: TopicRow, notice: NoticeRow): Promise<void> {
  if (topic.archive === undefined) return;
  const [oldest] = await tx.table(Archive).list({ prefix: [topic.name], limit: 1 });
  await tx.table(Archive).put(notice);
  if (oldest === undefined)
    await tx.schedule({ task: 'sweepArchive', key: topic.name, due: notice.at + topic.archive.days * dayMillis });
}

/** Lets go what a topic's archive has kept long enough; all of it once it has none. `key` is its name. */
export async function sweepArchive({ key: name }: FiredJob, ctx: Context): Promise<void> {
  await ctx.transact(async (tx) => {
    const topic = await tx.table(Topics).get(name);
    const now = ctx.clock.now();
    const keptMillis = (topic?.archive?.days ?? 0) * dayMillis;
    const old = await tx.table(Archive).list({ prefix: [name], limit: sweptNotices });
    const gone = old.filter(({ at }) => at + keptMillis <= now);
    for (const { at, id } of gone) await tx.table(Archive).delete(name, at, id);
    const next = old.find((one) => !gone.includes(one));
    const due = next === undefined ? now : next.at + keptMillis;
    if (gone.length === sweptNotices || next !== undefined) await tx.schedule({ task: 'sweepArchive', key: name, due });
  });
}

/** The meaning of a `ReplayPolicy`; `{}` or nothing ends a replay. Throws InvalidParameter. */
export function readReplay(text: string, topic: TopicRow, now: Millis): Replay | undefined {
  if (!topic.fifo) throw invalidParameter('AttributeName');
  const policy = text === '' ? {} : parseObject(text, 'ReplayPolicy');
  if (Object.keys(policy).length === 0) return undefined;
  const { PointType, StartingPoint, EndingPoint } = policy;
  if (PointType === undefined || StartingPoint === undefined)
    throw invalidParameter('ReplayPolicy: JSON is missing required fields');
  if (PointType !== 'Timestamp') throw invalidParameter('ReplayPolicy: Invalid PointType');
  if (topic.archive === undefined) throw invalidParameter('ReplayPolicy: Topic does not have an ArchivePolicy');
  const [from, to] = [timeOf(StartingPoint), timeOf(EndingPoint)];
  // Times are told in seconds: the archive may have begun within one.
  const begins = Math.floor(archiveBegins(topic.archive, now) / 1000) * 1000;
  if (from === undefined || from > now || from < begins) throw invalidParameter('ReplayPolicy: Invalid StartingPoint value');
  if (EndingPoint !== undefined && (to === undefined || to < from))
    throw invalidParameter('ReplayPolicy: Invalid EndingPoint value');
  return { text, from, to, status: 'Pending' };
}

function timeOf(value: unknown): Millis | undefined {
  const time = typeof value === 'string' && /^\d{4}-\d{2}-\d{2}T/.test(value) ? Date.parse(value) : Number.NaN;
  return Number.isNaN(time) ? undefined : time;
}

/** Has a replay begin soon. */
export function scheduleReplay(tx: Transaction, { topic, id, replay }: SubscriptionRow, now: Millis): Promise<void> {
  if (replay === undefined) return tx.unschedule('replay', `${topic} ${id}`);
  return tx.schedule({ task: 'replay', key: `${topic} ${id}`, due: now });
}

/** Whether a new message reaches this subscriber by way of the archive, or has already. */
export function comesByReplay({ replay }: SubscriptionRow, { at, id }: NoticeRow): boolean {
  if (replay === undefined || replay.to !== undefined) return false;
  if (replay.status !== 'Completed') return true;
  return replay.last !== undefined && (at < replay.last.at || (at === replay.last.at && id <= replay.last.id));
}

/** Delivers one replayed message. */
export type Deliver = (ctx: Context, topic: TopicRow, row: SubscriptionRow, notice: NoticeRow) => Promise<void>;

/** One piece of a replay, then the next. `key` is topic and subscription. */
export async function runReplay({ key }: FiredJob, ctx: Context, deliver: Deliver): Promise<void> {
  const [name = '', id = ''] = key.split(' ');
  for (;;) {
    const topic = await ctx.table(Topics).get(name);
    const row = await ctx.table(Subscriptions).get(name, id);
    if (topic === undefined || row?.replay === undefined || row.replay.status === 'Completed') return;
    const { from, to, last, text } = row.replay;
    const after = last === undefined ? [name, from] : [name, last.at, last.id];
    const before = [name, to === undefined ? Number.POSITIVE_INFINITY : to + 1];
    const piece = await ctx.table(Archive).list({ prefix: [name], after, before, limit: pieceNotices });
    for (const notice of piece) await deliver(ctx, topic, row, { ...notice, replayed: true });
    const end = piece.at(-1);
    await ctx.transact(async (tx) => {
      const present = await tx.table(Subscriptions).get(name, id);
      // A new policy replaces the replay that was running.
      if (present?.replay === undefined || present.replay.text !== text) return;
      // Decided where nothing can be published in between: what comes later is delivered as it comes.
      const [next] = await tx
        .table(Archive)
        .list({ prefix: [name], after: end === undefined ? after : [name, end.at, end.id], before, limit: 1 });
      const status = next === undefined ? 'Completed' : 'In progress';
      const reached = end === undefined ? last : { at: end.at, id: end.id };
      await tx.table(Subscriptions).put({ ...present, replay: { ...present.replay, status, last: reached } });
    });
  }
}
