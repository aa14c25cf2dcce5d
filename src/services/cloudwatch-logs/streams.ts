/** Log streams: the part of a group that comes from one source. */
import type { CloudWatchLogs, LogStream } from '@aws-sdk/client-cloudwatch-logs';
import { formatPageToken, parsePageToken } from '../../base/paging.ts';
import type { Context } from '../../kernel/context.ts';
import type { HandlersOf } from '../../kernel/service.ts';
import { alreadyExists, invalidParameter, notFound } from './errors.ts';
import { pageItems, pageOfTable, type Reading, requireGroup } from './groups.ts';
import { namedGroup, streamArn } from './names.ts';
import { LogsCheck } from './rules.ts';
import { LogEvents, type LogStreamRow, LogStreams } from './state.ts';

/** Throws ResourceNotFoundException. */
export async function requireStream(reading: Reading, group: string, name: string): Promise<LogStreamRow> {
  const row = await reading.table(LogStreams).get(group, name);
  if (row === undefined) throw notFound('log stream');
  return row;
}

/** A new stream, with an id of its own life. */
function newStream(ctx: Context, group: string, name: string): LogStreamRow {
  return { group, name, id: ctx.uuid(), created: ctx.now, storedBytes: 0, next: 0 };
}

function describeStream(ctx: Context, row: LogStreamRow): LogStream {
  return {
    logStreamName: row.name,
    creationTime: row.created,
    firstEventTimestamp: row.firstEvent,
    lastEventTimestamp: row.lastEvent,
    lastIngestionTime: row.lastIngestion,
    uploadSequenceToken: String(row.next).padStart(56, '4'),
    arn: streamArn(ctx, row.group, row.name),
    // "As of June 17, 2019, this parameter is no longer supported for log streams, and is always reported as zero" (LogStream).
    storedBytes: 0,
  };
}

/** Newest last, as the index has them; `descending` turns it round. */
async function byLastEvent(ctx: Context, group: string, input: { descending?: boolean; limit?: number; nextToken?: string }) {
  const scope = `DescribeLogStreams ${group} LastEventTime ${input.descending}`;
  const limit = input.limit ?? pageItems;
  const after = input.nextToken === undefined ? undefined : parsePageToken(scope, input.nextToken);
  if (after === undefined && input.nextToken !== undefined) throw invalidParameter('The specified nextToken is invalid.');
  const table = ctx.table(LogStreams);
  const found = await table.byIndex('byLastEvent', [group], {
    limit: limit + 1,
    reverse: input.descending ?? false,
    ...(after === undefined ? {} : { after }),
  });
  const rows = found.slice(0, limit);
  const last = rows.at(-1);
  const position = last === undefined ? undefined : table.positionIn('byLastEvent', last, [group]);
  const more = found.length > limit && position !== undefined;
  return { rows, nextToken: more ? formatPageToken(scope, position as (string | number)[]) : undefined };
}

export const streamHandlers: HandlersOf<CloudWatchLogs> = {
  /** Throws ResourceAlreadyExistsException, ResourceNotFoundException. */
  async CreateLogStream(input, ctx) {
    const { logGroupName: group = '', logStreamName: name = '' } = input;
    new LogsCheck().group(group).stream(name).done();
    await ctx.transact(async (tx) => {
      await requireGroup(tx, group);
      if ((await tx.table(LogStreams).get(group, name)) !== undefined) throw alreadyExists('log stream');
      await tx.table(LogStreams).put(newStream(ctx, group, name));
    });
    return {};
  },

  async DeleteLogStream(input, ctx) {
    const { logGroupName: group = '', logStreamName: name = '' } = input;
    new LogsCheck().group(group).stream(name).done();
    await ctx.transact(async (tx) => {
      const { id: groupId } = await requireGroup(tx, group);
      const { id: streamId } = await requireStream(tx, group, name);
      await tx.table(LogStreams).delete(group, name);
      if ((await tx.table(LogEvents).list({ prefix: [groupId, streamId], limit: 1 })).length > 0)
        await tx.schedule({ task: 'purge', key: streamId, due: ctx.now, payload: { groupId, streamId } });
    });
    return {};
  },

  /** By name, or by the time of the last event; a prefix goes with the order by name only. */
  async DescribeLogStreams(input, ctx) {
    const group = namedGroup(input);
    const { logStreamNamePrefix: prefix, orderBy = 'LogStreamName', descending = false } = input;
    new LogsCheck()
      .group(group)
      .limit(input.limit, 50)
      .stream(prefix, 'logStreamNamePrefix')
      .oneOf('orderBy', orderBy, ['LogStreamName', 'LastEventTime'])
      .done();
    if (prefix !== undefined && orderBy === 'LastEventTime')
      throw invalidParameter('Cannot order by LastEventTime with a logStreamNamePrefix.');
    await requireGroup(ctx, group);
    const { rows, nextToken } =
      orderBy === 'LastEventTime'
        ? await byLastEvent(ctx, group, input)
        : await pageOfTable(
            `DescribeLogStreams ${group} ${prefix} ${descending}`,
            ctx.table(LogStreams),
            { ...input, prefix: [group], reverse: descending },
            (row) => prefix === undefined || row.name.startsWith(prefix),
          );
    return { logStreams: rows.map((row) => describeStream(ctx, row)), nextToken };
  },
};
