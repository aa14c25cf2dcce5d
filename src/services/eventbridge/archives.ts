/** Archives keep the events of a bus, to be sent once more ("Archiving and replaying events in Amazon EventBridge"). */
import type { EventBridge } from '@aws-sdk/client-eventbridge';
import { pageOf } from '../../base/paging.ts';
import type { Context, Scope, Transaction } from '../../kernel/context.ts';
import { parameterNotImplemented } from '../../kernel/errors.ts';
import { RequestCheck } from '../../kernel/request-check.ts';
import type { AuthorisationsOf, HandlersOf, Task } from '../../kernel/service.ts';
import { busArn, requireBus } from './buses.ts';
import { alreadyExists, limitExceeded, notFound, validation } from './errors.ts';
import { checkPattern } from './patterns.ts';
import { type ArchiveRow, Archived, Archives, type PendingRow } from './state.ts';
import { eventJson } from './targets.ts';

const archivesMax = 100;
const perPageMax = 100;
const dayMillis = 86_400_000;
/** Events that one run forgets. */
const pieceEvents = 500;

export function archiveArn({ account, region }: Scope, name: string): string {
  return `arn:aws:events:${region}:${account}:archive/${name}`;
}

/** Throws ResourceNotFoundException. */
export async function requireArchive(source: Pick<Context | Transaction, 'table'>, name: string): Promise<ArchiveRow> {
  const row = await source.table(Archives).get(name);
  if (row === undefined) throw notFound('Archive', name);
  return row;
}

/** Keeps an event in the archives of its bus whose pattern it matches. What a replay sends is not kept once more. */
export async function keep(
  tx: Transaction,
  { bus, at, event }: PendingRow,
  matches: (pattern: string) => boolean,
): Promise<void> {
  if (event['replay-name'] !== undefined) return;
  for (const row of await tx.table(Archives).byIndex('byBus', [bus])) {
    if (row.pattern !== undefined && !matches(row.pattern)) continue;
    await tx.table(Archived).put({ archive: row.name, at, event });
    await tx.table(Archives).put({ ...row, events: row.events + 1, bytes: row.bytes + Buffer.byteLength(eventJson(event)) });
    if (row.retentionDays > 0 && row.events === 0)
      await tx.schedule({ task: 'forget', key: row.name, due: at + row.retentionDays * dayMillis });
  }
}

/** Events whose time in an archive is over go; all, once there is no archive. `key` is its name. */
export const forget: Task = async ({ key: name }, ctx) => {
  for (let more = true; more; ) {
    more = await ctx.transact(async (tx) => {
      const row = await tx.table(Archives).get(name);
      const days = row?.retentionDays ?? 0;
      if (row !== undefined && days === 0) return false;
      const until = row === undefined ? Number.POSITIVE_INFINITY : ctx.clock.now() - days * dayMillis;
      const rows = await tx.table(Archived).list({ prefix: [name], limit: pieceEvents });
      const over = rows.filter(({ at }) => at <= until);
      for (const { at, event } of over) await tx.table(Archived).delete(name, at, event.id);
      const [next] = rows.slice(over.length);
      if (row !== undefined) {
        const bytes = over.reduce((sum, { event }) => sum + Buffer.byteLength(eventJson(event)), 0);
        await tx.table(Archives).put({ ...row, events: row.events - over.length, bytes: row.bytes - bytes });
        if (next !== undefined) await tx.schedule({ task: 'forget', key: name, due: next.at + days * dayMillis });
      }
      return next === undefined && rows.length === pieceEvents;
    });
  }
};

function summary(ctx: Scope, row: ArchiveRow) {
  return {
    ArchiveName: row.name,
    EventSourceArn: busArn(ctx, row.bus),
    State: 'ENABLED' as const,
    RetentionDays: row.retentionDays,
    SizeBytes: row.bytes,
    EventCount: row.events,
    CreationTime: new Date(row.created),
  };
}

/** What CreateArchive and UpdateArchive check alike. */
function check(
  operation: string,
  {
    name,
    days,
    description,
    pattern,
    key,
  }: Record<'name' | 'description' | 'pattern' | 'key', string | undefined> & { days: number | undefined },
): void {
  if (key !== undefined && key !== '') throw parameterNotImplemented(operation, 'KmsKeyIdentifier');
  new RequestCheck()
    .length('archiveName', name, 1, 48)
    .pattern('archiveName', name, /^[.\-_A-Za-z0-9]+$/, '[\\.\\-_A-Za-z0-9]+')
    .length('description', description, 0, 512)
    .range('retentionDays', days, 0, 2_147_483_647)
    .done();
  if (pattern !== undefined) checkPattern(pattern);
}

export const archiveHandlers: HandlersOf<EventBridge> = {
  async CreateArchive(input, ctx) {
    const {
      ArchiveName: name = '',
      EventSourceArn,
      Description: description,
      EventPattern: pattern,
      RetentionDays: days,
    } = input;
    check('CreateArchive', { name, description, pattern, days, key: input.KmsKeyIdentifier });
    const bus = await requireBus(ctx, EventSourceArn);
    await ctx.transact(async (tx) => {
      if ((await tx.table(Archives).get(name)) !== undefined) throw alreadyExists('Archive', name);
      if ((await tx.table(Archives).count()) >= archivesMax) throw limitExceeded();
      const row = { name, bus: bus.name, description, pattern, retentionDays: days ?? 0, created: ctx.now, events: 0, bytes: 0 };
      await tx.table(Archives).put(row);
    });
    return { ArchiveArn: archiveArn(ctx, name), State: 'ENABLED', CreationTime: new Date(ctx.now) };
  },

  async UpdateArchive(input, ctx) {
    const { ArchiveName: name = '', Description: description, EventPattern: pattern, RetentionDays: days } = input;
    check('UpdateArchive', { name, description, pattern, days, key: input.KmsKeyIdentifier });
    const created = await ctx.transact(async (tx) => {
      const row = await requireArchive(tx, name);
      const changed = {
        ...row,
        description: description ?? row.description,
        pattern: pattern ?? row.pattern,
        retentionDays: days ?? row.retentionDays,
      };
      await tx.table(Archives).put(changed);
      await tx.schedule({ task: 'forget', key: name, due: ctx.now });
      return row.created;
    });
    return { ArchiveArn: archiveArn(ctx, name), State: 'ENABLED', CreationTime: new Date(created) };
  },

  async DeleteArchive({ ArchiveName: name = '' }, ctx) {
    await ctx.transact(async (tx) => {
      await requireArchive(tx, name);
      await tx.table(Archives).delete(name);
      await tx.schedule({ task: 'forget', key: name, due: ctx.now });
    });
    return {};
  },

  async DescribeArchive({ ArchiveName: name = '' }, ctx) {
    const row = await requireArchive(ctx, name);
    return {
      ...summary(ctx, row),
      ArchiveArn: archiveArn(ctx, name),
      Description: row.description,
      EventPattern: row.pattern,
    };
  },

  async ListArchives({ NamePrefix = '', EventSourceArn, State, NextToken, Limit }, ctx) {
    new RequestCheck().range('limit', Limit, 1, perPageMax).done();
    const given = [NamePrefix, EventSourceArn, State].filter((value) => value !== undefined && value !== '');
    if (given.length > 1)
      throw validation('At most one filter is allowed for ListArchives. Use either : State, EventSourceArn, or NamePrefix.');
    const rows = (await ctx.table(Archives).list()).filter(
      ({ name, bus }) =>
        name.startsWith(NamePrefix) &&
        (EventSourceArn === undefined || busArn(ctx, bus) === EventSourceArn) &&
        (State === undefined || State === 'ENABLED'),
    );
    const scope = `ListArchives ${NamePrefix} ${EventSourceArn ?? ''} ${State ?? ''}`;
    const page = pageOf(rows, ({ name }) => [name], { scope, token: NextToken, limit: Limit ?? perPageMax });
    if (page === undefined) throw validation('NextToken is not valid.');
    return { Archives: page.items.map((row) => summary(ctx, row)), NextToken: page.nextToken };
  },
};

const onArchive = ({ ArchiveName = '' }: { ArchiveName?: string | undefined }, ctx: Context) => [
  { resource: archiveArn(ctx, ArchiveName) },
];

export const archiveChecks: AuthorisationsOf<EventBridge> = {
  CreateArchive: onArchive,
  UpdateArchive: onArchive,
  DeleteArchive: onArchive,
  DescribeArchive: onArchive,
};
