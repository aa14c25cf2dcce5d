/** Log groups: create, describe, retention, protection, tags, delete. */
import type { CloudWatchLogs, LogGroup } from '@aws-sdk/client-cloudwatch-logs';
import { formatPageToken, parsePageToken } from '../../base/paging.ts';
import type { Context, Transaction } from '../../kernel/context.ts';
import { AwsError, parameterNotImplemented } from '../../kernel/errors.ts';
import type { HandlersOf } from '../../kernel/service.ts';
import type { Table, TableReader } from '../../store/tables.ts';
import { alreadyExists, invalidParameter, limitExceeded, notFound } from './errors.ts';
import { groupArn, groupNameIn } from './names.ts';
import { LogsCheck, quotas, retentionDays } from './rules.ts';
import { LogEvents, type LogGroupRow, LogGroups, LogStreams, MetricFilters, SubscriptionFilters } from './state.ts';

/** Entries of a page when the request does not say. */
export const pageItems = 50;

/** Reads rows: a request's context or a transaction. */
export type Reading = Pick<Context, 'table'> | Pick<Transaction, 'table'>;

/** Throws ResourceNotFoundException. */
export async function requireGroup(reading: Reading, name: string): Promise<LogGroupRow> {
  const row = await reading.table(LogGroups).get(name);
  if (row === undefined) throw notFound('log group');
  return row;
}

/**
 * One page of a table in order of keys, filtered; reads no more than it needs. Throws InvalidParameterException for a token of another list.
 */
export async function pageOfTable<Row>(
  scope: string,
  table: TableReader<Row>,
  input: { nextToken?: string | undefined; limit?: number | undefined; prefix?: readonly string[]; reverse?: boolean },
  accept: (row: Row) => boolean = () => true,
): Promise<{ rows: Row[]; nextToken: string | undefined }> {
  const limit = input.limit ?? pageItems;
  const { prefix = [], reverse = false } = input;
  let after = input.nextToken === undefined ? undefined : parsePageToken(scope, input.nextToken);
  if (after === undefined && input.nextToken !== undefined) throw invalidParameter('The specified nextToken is invalid.');
  const rows: Row[] = [];
  for (;;) {
    const chunk = await table.list({ prefix, reverse, limit: 500, ...(after === undefined ? {} : { after }) });
    for (const row of chunk) {
      if (!accept(row)) continue;
      const last = rows.at(-1);
      if (rows.length === limit && last !== undefined)
        return { rows, nextToken: formatPageToken(scope, table.keyOf(last) as string[]) };
      rows.push(row);
    }
    const end = chunk.at(-1);
    if (end === undefined || chunk.length < 500) return { rows, nextToken: undefined };
    after = table.keyOf(end) as string[];
  }
}

async function describeGroup(ctx: Context, row: LogGroupRow): Promise<LogGroup> {
  const arn = groupArn(ctx, row.name);
  const streams = await ctx.table(LogStreams).list({ prefix: [row.name] });
  return {
    logGroupName: row.name,
    creationTime: row.created,
    retentionInDays: row.retentionDays,
    metricFilterCount: await ctx.table(MetricFilters).count([row.name]),
    arn: `${arn}:*`,
    logGroupArn: arn,
    storedBytes: streams.reduce((sum, stream) => sum + stream.storedBytes, 0),
    kmsKeyId: row.kmsKeyId,
    logGroupClass: row.class,
    deletionProtectionEnabled: row.deletionProtected,
  };
}

export const groupHandlers: HandlersOf<CloudWatchLogs> = {
  /** Throws ResourceAlreadyExistsException, InvalidParameterException. */
  async CreateLogGroup(input, ctx) {
    if (input.kmsKeyId !== undefined) throw parameterNotImplemented('CreateLogGroup', 'kmsKeyId');
    const name = input.logGroupName ?? '';
    new LogsCheck()
      .group(name)
      .tags(input.tags)
      .oneOf('logGroupClass', input.logGroupClass, ['STANDARD', 'INFREQUENT_ACCESS', 'DELIVERY', 'ESSENTIALS'])
      .done();
    if (name.startsWith('aws/')) throw invalidParameter('Log groups starting with AWS/ are reserved for AWS.');
    const logClass = input.logGroupClass ?? 'STANDARD';
    // The newest class is in the model and not documented yet.
    if (logClass === 'ESSENTIALS') throw parameterNotImplemented('CreateLogGroup', 'logGroupClass');
    await ctx.transact(async (tx) => {
      const groups = tx.table(LogGroups);
      if ((await groups.get(name)) !== undefined) throw alreadyExists('log group');
      await groups.put({
        name,
        id: ctx.uuid(),
        created: ctx.now,
        class: logClass,
        deletionProtected: input.deletionProtectionEnabled ?? false,
        tags: input.tags ?? {},
      });
    });
    return {};
  },

  /** Streams, filters and events go with it, the bytes of the events little by little. */
  async DeleteLogGroup(input, ctx) {
    const name = input.logGroupName ?? '';
    new LogsCheck().group(name).done();
    await ctx.transact(async (tx) => {
      const row = await requireGroup(tx, name);
      if (row.deletionProtected)
        throw new AwsError('ValidationException', 'Cannot delete a log group that has deletion protection enabled.');
      await clear(tx, LogStreams, name);
      await clear(tx, MetricFilters, name);
      await clear(tx, SubscriptionFilters, name);
      await tx.table(LogGroups).delete(name);
      if ((await tx.table(LogEvents).list({ prefix: [row.id], limit: 1 })).length > 0)
        await tx.schedule({ task: 'purge', key: row.id, due: ctx.now, payload: { groupId: row.id } });
    });
    return {};
  },

  async DescribeLogGroups(input, ctx) {
    const { logGroupNamePrefix: prefix, logGroupNamePattern: pattern, logGroupClass } = input;
    new LogsCheck().limit(input.limit, 50).group(prefix, 'logGroupNamePrefix').group(pattern, 'logGroupNamePattern').done();
    if (prefix !== undefined && pattern !== undefined)
      throw invalidParameter('LogGroup name prefix and LogGroup name pattern are mutually exclusive parameters.');
    if (input.accountIdentifiers !== undefined || input.includeLinkedAccounts === true)
      throw parameterNotImplemented('DescribeLogGroups', 'accountIdentifiers');
    const names = new Set((input.logGroupIdentifiers ?? []).map((text) => groupNameIn(text)));
    const wanted = pattern?.toLowerCase();
    const { rows, nextToken } = await pageOfTable(
      `DescribeLogGroups ${prefix} ${pattern}`,
      ctx.table(LogGroups),
      input,
      (row) =>
        (prefix === undefined || row.name.startsWith(prefix)) &&
        (wanted === undefined || row.name.toLowerCase().includes(wanted)) &&
        (logGroupClass === undefined || row.class === logGroupClass) &&
        (names.size === 0 || names.has(row.name)),
    );
    return { logGroups: await Promise.all(rows.map((row) => describeGroup(ctx, row))), nextToken };
  },

  /** Only the days of AWS's list. */
  async PutRetentionPolicy(input, ctx) {
    const { logGroupName: name = '', retentionInDays: days = 0 } = input;
    new LogsCheck().group(name).done();
    if (!retentionDays.includes(days))
      throw invalidParameter(
        `1 validation error detected: Value '${days}' at 'retentionInDays' failed to satisfy constraint: Member must satisfy enum value set: [${retentionDays.join(', ')}]`,
      );
    await changeGroup(ctx, name, (row) => ({ ...row, retentionDays: days }));
    await ctx.transact((tx) => tx.schedule({ task: 'expire', key: name, due: ctx.now, payload: { group: name } }));
    return {};
  },

  async DeleteRetentionPolicy(input, ctx) {
    new LogsCheck().group(input.logGroupName).done();
    await changeGroup(ctx, input.logGroupName ?? '', (row) => ({ ...row, retentionDays: undefined }));
    return {};
  },

  async PutLogGroupDeletionProtection(input, ctx) {
    const name = groupNameIn(input.logGroupIdentifier ?? '');
    if (name === undefined) throw notFound('log group');
    await changeGroup(ctx, name, (row) => ({ ...row, deletionProtected: input.deletionProtectionEnabled ?? false }));
    return {};
  },

  async TagResource(input, ctx) {
    new LogsCheck().tags(input.tags).done();
    await addTags(ctx, taggedGroup(input.resourceArn), input.tags);
    return {};
  },

  async UntagResource(input, ctx) {
    await removeTags(ctx, taggedGroup(input.resourceArn), input.tagKeys);
    return {};
  },

  async ListTagsForResource(input, ctx) {
    return { tags: { ...(await requireGroup(ctx, taggedGroup(input.resourceArn))).tags } };
  },

  async TagLogGroup(input, ctx) {
    new LogsCheck().group(input.logGroupName).tags(input.tags).done();
    await addTags(ctx, input.logGroupName ?? '', input.tags);
    return {};
  },

  async UntagLogGroup(input, ctx) {
    new LogsCheck().group(input.logGroupName).done();
    await removeTags(ctx, input.logGroupName ?? '', input.tags);
    return {};
  },

  async ListTagsLogGroup(input, ctx) {
    new LogsCheck().group(input.logGroupName).done();
    return { tags: { ...(await requireGroup(ctx, input.logGroupName ?? '')).tags } };
  },
};

/** Removes all rows of a group in one of its tables. */
async function clear<Row, Index extends string>(tx: Transaction, table: Table<Row, Index>, group: string): Promise<void> {
  const writer = tx.table(table);
  for (const child of await writer.list({ prefix: [group] })) await writer.delete(...writer.keyOf(child));
}

function taggedGroup(arn: string | undefined): string {
  const name = arn?.startsWith('arn:') === true ? groupNameIn(arn) : undefined;
  if (name === undefined) throw notFound('resource');
  return name;
}

async function changeGroup(ctx: Context, name: string, change: (row: LogGroupRow) => LogGroupRow): Promise<void> {
  await ctx.transact(async (tx) => {
    await tx.table(LogGroups).put(change(await requireGroup(tx, name)));
  });
}

async function addTags(ctx: Context, name: string, tags: Readonly<Record<string, string>> | undefined): Promise<void> {
  await changeGroup(ctx, name, (row) => {
    const merged = { ...row.tags, ...tags };
    if (Object.keys(merged).length > quotas.tagsPerGroup)
      throw limitExceeded(`A log group can have at most ${quotas.tagsPerGroup} tags.`);
    return { ...row, tags: merged };
  });
}

async function removeTags(ctx: Context, name: string, keys: readonly string[] | undefined): Promise<void> {
  const gone = new Set(keys);
  await changeGroup(ctx, name, (row) => ({
    ...row,
    tags: Object.fromEntries(Object.entries(row.tags).filter(([key]) => !gone.has(key))),
  }));
}
