/** Log events: PutLogEvents with its rules, GetLogEvents and FilterLogEvents. */
import type { CloudWatchLogs, InputLogEvent, RejectedLogEventsInfo } from '@aws-sdk/client-cloudwatch-logs';
import { formatPageToken, parsePageToken } from '../../base/paging.ts';
import type { Context, Transaction } from '../../kernel/context.ts';
import { parameterNotImplemented } from '../../kernel/errors.ts';
import type { HandlersOf } from '../../kernel/service.ts';
import { invalidParameter, notFound } from './errors.ts';
import { requireGroup } from './groups.ts';
import { publishMatches } from './metric-filters.ts';
import { namedGroup } from './names.ts';
import { readPattern } from './patterns.ts';
import { eventBytes, LogsCheck, oldestKept, quotas, times } from './rules.ts';
import { type LogEventRow, LogEvents, type LogGroupRow, LogStreams, type LogStreamRow } from './state.ts';
import { requireStream } from './streams.ts';
import { forwardEvents } from './subscriptions.ts';

/** Most events, and most bytes, of one answer (GetLogEvents, FilterLogEvents). */
const page = { events: 10_000, bytes: 1_048_576 } as const;

/** Which events of a batch are kept; the others are told apart by index. Throws InvalidParameterException for a batch that breaks the rules. */
function acceptable(ctx: Context, group: LogGroupRow, events: readonly InputLogEvent[]) {
  if (events.length > quotas.batchEvents)
    throw invalidParameter(
      `1 validation error detected: Value at 'logEvents' failed to satisfy constraint: Member must have length less than or equal to ${quotas.batchEvents}`,
    );
  const bytes = events.reduce((sum, { message = '' }) => sum + eventBytes(message), 0);
  if (bytes > quotas.batchBytes) throw invalidParameter(`Upload too large: ${bytes} bytes exceeds limit of ${quotas.batchBytes}`);
  const at = events.map(({ timestamp = 0 }) => timestamp);
  if (at.some((time, index) => index > 0 && time < (at[index - 1] ?? 0)))
    throw invalidParameter('Log events in a single PutLogEvents request must be in chronological order.');
  if ((at.at(-1) ?? 0) - (at[0] ?? 0) > times.batchSpan)
    throw invalidParameter('The batch of log events in a single PutLogEvents request cannot span more than 24 hours.');
  const expired = oldestKept(ctx.now, group.retentionDays);
  const tooOld = ctx.now - times.oldest;
  const tooNew = ctx.now + times.newest;
  const lastIndex = (test: (time: number) => boolean): number | undefined => {
    const index = at.findLastIndex(test);
    return index < 0 ? undefined : index + 1;
  };
  const firstNew = at.findIndex((time) => time > tooNew);
  const rejected: RejectedLogEventsInfo = {
    tooOldLogEventEndIndex: lastIndex((time) => time < tooOld),
    expiredLogEventEndIndex: lastIndex((time) => time < expired),
    tooNewLogEventStartIndex: firstNew < 0 ? undefined : firstNew,
  };
  const kept = events.filter(({ timestamp = 0 }) => timestamp >= Math.max(tooOld, expired) && timestamp <= tooNew);
  return { kept, rejected: Object.values(rejected).some((index) => index !== undefined) ? rejected : undefined };
}

async function append(
  tx: Transaction,
  ctx: Context,
  { id: groupId }: LogGroupRow,
  stream: LogStreamRow,
  events: readonly InputLogEvent[],
): Promise<LogEventRow[]> {
  const rows = events.map(
    ({ timestamp = 0, message = '' }, index): LogEventRow => ({
      groupId,
      streamId: stream.id,
      stream: stream.name,
      at: timestamp,
      ordinal: stream.next + index,
      message,
      ingested: ctx.now,
    }),
  );
  for (const row of rows) await tx.table(LogEvents).put(row);
  const at = rows.map((row) => row.at);
  await tx.table(LogStreams).put({
    ...stream,
    next: stream.next + rows.length,
    firstEvent: Math.min(stream.firstEvent ?? Number.POSITIVE_INFINITY, at[0] ?? Number.POSITIVE_INFINITY),
    lastEvent: Math.max(stream.lastEvent ?? 0, at.at(-1) ?? 0),
    lastIngestion: ctx.now,
    storedBytes: stream.storedBytes + rows.reduce((sum, row) => sum + eventBytes(row.message), 0),
  });
  return rows;
}

/** The id by which FilterLogEvents tells events apart: decimal, longer than any number, in the order of the events. */
function eventId(row: LogEventRow): string {
  return `${String(row.at).padStart(14, '3')}${String(row.ordinal).padStart(42, '0')}`;
}

/** As many of the events as one answer may hold. */
function withinPage(rows: readonly LogEventRow[], limit: number): LogEventRow[] {
  let bytes = 0;
  const end = rows.findIndex((row, index) => {
    bytes += eventBytes(row.message);
    return index >= limit || bytes > page.bytes;
  });
  return end < 0 ? [...rows] : rows.slice(0, Math.max(end, 1));
}

export const eventHandlers: HandlersOf<CloudWatchLogs> = {
  /** Sequence tokens are ignored, as in AWS since 2023. */
  async PutLogEvents(input, ctx) {
    const { logGroupName: group = '', logStreamName: name = '', logEvents = [] } = input;
    if (input.entity !== undefined) throw parameterNotImplemented('PutLogEvents', 'entity');
    const check = new LogsCheck().group(group).stream(name).count('logEvents', logEvents, 1, Number.POSITIVE_INFINITY);
    logEvents.forEach(({ message }, index) => {
      if (message === '') check.length(`logEvents.${index + 1}.member.message`, message, 1, quotas.batchBytes);
    });
    check.done();
    return ctx.transact(async (tx) => {
      const row = await requireGroup(tx, group);
      const stream = await requireStream(tx, group, name);
      const { kept, rejected } = acceptable(ctx, row, logEvents);
      if (kept.length > 0) {
        const events = await append(tx, ctx, row, stream, kept);
        await publishMatches(tx, ctx, group, events);
        await forwardEvents(tx, ctx, group, name, events);
      }
      return { nextSequenceToken: String(stream.next + kept.length).padStart(56, '4'), rejectedLogEventsInfo: rejected };
    });
  },

  /** Tokens are always given, and equal to the one sent when there is nothing further in that direction. */
  async GetLogEvents(input, ctx) {
    const group = namedGroup(input);
    const { logStreamName: name = '', startFromHead = false, limit = page.events } = input;
    new LogsCheck().group(group).stream(name).limit(input.limit, page.events).done();
    const row = await requireGroup(ctx, group);
    const stream = await requireStream(ctx, group, name);
    const scope = `GetLogEvents ${row.id} ${stream.id}`;
    const token = readToken(scope, input.nextToken);
    const forward = token?.forward ?? startFromHead;
    const from = Math.max(input.startTime ?? 0, oldestKept(ctx.now, row.retentionDays));
    const to = input.endTime ?? Number.MAX_SAFE_INTEGER;
    const prefix = [row.id, stream.id];
    const found = await ctx.table(LogEvents).list({
      prefix,
      limit: limit + 1,
      reverse: !forward,
      after:
        token?.after === undefined
          ? [...prefix, ...(forward ? [from - 1, Number.MAX_SAFE_INTEGER] : [to, -1])]
          : [...prefix, ...token.after],
    });
    const inRange = withinPage(
      found.filter(({ at }) => at >= from && at < to),
      limit,
    );
    const events = forward ? inRange : inRange.reverse();
    const position = (event: LogEventRow | undefined) => (event === undefined ? token?.after : [event.at, event.ordinal]);
    return {
      events: events.map(({ at, message, ingested }) => ({ timestamp: at, message, ingestionTime: ingested })),
      nextForwardToken: `f/${formatPageToken(scope, position(events.at(-1)) ?? [from - 1, 0])}`,
      nextBackwardToken: `b/${formatPageToken(scope, position(events[0]) ?? [from, 0])}`,
    };
  },

  /** Events of all streams in order of time. */
  async FilterLogEvents(input, ctx) {
    const group = namedGroup(input);
    const { logStreamNames, logStreamNamePrefix: streamPrefix, limit = page.events, filterPattern = '' } = input;
    new LogsCheck()
      .group(group)
      .limit(input.limit, page.events)
      .count('logStreamNames', logStreamNames, 1, 100)
      .stream(streamPrefix, 'logStreamNamePrefix')
      .done();
    if (logStreamNames !== undefined && streamPrefix !== undefined)
      throw invalidParameter('LogStreamNamePrefix and LogStreamNames cannot both be specified.');
    const row = await requireGroup(ctx, group);
    for (const name of logStreamNames ?? [])
      if ((await ctx.table(LogStreams).get(group, name)) === undefined) throw notFound('log stream');
    const matches = readPattern(filterPattern);
    const scope = `FilterLogEvents ${row.id} ${filterPattern}`;
    let after = input.nextToken === undefined ? undefined : parsePageToken(scope, input.nextToken);
    if (after === undefined && input.nextToken !== undefined) throw invalidParameter('The specified nextToken is invalid.');
    const from = Math.max(input.startTime ?? 0, oldestKept(ctx.now, row.retentionDays));
    const to = input.endTime ?? Number.MAX_SAFE_INTEGER;
    const table = ctx.table(LogEvents);
    const wanted = (event: LogEventRow): boolean =>
      event.at >= from &&
      event.at <= to &&
      (logStreamNames === undefined || logStreamNames.includes(event.stream)) &&
      (streamPrefix === undefined || event.stream.startsWith(streamPrefix)) &&
      matches(event.message) !== undefined;
    const found: LogEventRow[] = [];
    let more = true;
    while (more && found.length <= limit) {
      const chunk = await table.byIndex('byTime', [row.id], { limit: 1000, ...(after === undefined ? {} : { after }) });
      found.push(...chunk.filter(wanted));
      const last = chunk.at(-1);
      more = chunk.length === 1000 && last !== undefined && last.at <= to;
      if (last !== undefined) after = table.positionIn('byTime', last, [row.id]) as (string | number)[];
    }
    const events = withinPage(found, limit);
    const last = events.at(-1);
    const position = last === undefined ? undefined : (table.positionIn('byTime', last, [row.id]) as (string | number)[]);
    return {
      events: events.map((event) => ({
        logStreamName: event.stream,
        timestamp: event.at,
        message: event.message,
        ingestionTime: event.ingested,
        eventId: eventId(event),
      })),
      searchedLogStreams: [],
      nextToken: position !== undefined && (more || events.length < found.length) ? formatPageToken(scope, position) : undefined,
    };
  },
};

/** `f/…` goes on to later events, `b/…` back to earlier ones. Throws InvalidParameterException for the token of another stream. */
function readToken(scope: string, token: string | undefined): { forward: boolean; after: (string | number)[] } | undefined {
  if (token === undefined) return undefined;
  const after = /^[fb]\//.test(token) ? parsePageToken(scope, token.slice(2)) : undefined;
  if (after === undefined) throw invalidParameter('The specified nextToken is invalid.');
  return { forward: token.startsWith('f'), after: [...after] };
}
