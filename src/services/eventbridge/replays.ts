/** Replays send the events of an archive to its bus once more, the oldest first, marked with the replay's name. */
import type { EventBridge } from '@aws-sdk/client-eventbridge';
import { pageOf } from '../../base/paging.ts';
import type { Context, Scope, Transaction } from '../../kernel/context.ts';
import { RequestCheck } from '../../kernel/request-check.ts';
import { AwsError } from '../../kernel/errors.ts';
import type { AuthorisationsOf, HandlersOf, Task } from '../../kernel/service.ts';
import { archiveArn, requireArchive } from './archives.ts';
import { busArn } from './buses.ts';
import { alreadyExists, limitExceeded, notFound, validation } from './errors.ts';
import { enqueue } from './events.ts';
import { ruleArn } from './rules.ts';
import { Archived, type ReplayRow, Replays, Rules } from './state.ts';

/** Replays that run at a time in a Region ("EventBridge quotas"). */
const runningMax = 10;
const perPageMax = 100;
/** Events that one transaction sends. */
const pieceEvents = 100;
/** What has ended is listed for 90 days. */
const keptMillis = 90 * 86_400_000;

function replayArn({ account, region }: Scope, name: string): string {
  return `arn:aws:events:${region}:${account}:replay/${name}`;
}

async function requireReplay(source: Pick<Context | Transaction, 'table'>, name: string): Promise<ReplayRow> {
  const row = await source.table(Replays).get(name);
  if (row === undefined) throw notFound('Replay', name);
  return row;
}

const hasEnded = ({ state }: ReplayRow): boolean => state === 'COMPLETED' || state === 'CANCELLED' || state === 'FAILED';

/** Sends the next events of a replay, until there are no more or somebody cancels it. `key` is its name. */
export const replay: Task = async ({ key: name }, ctx) => {
  for (let going = true; going; )
    going = await ctx.transact(async (tx) => {
      const row = await tx.table(Replays).get(name);
      if (row === undefined) return false;
      if (hasEnded(row)) {
        await tx.table(Replays).delete(name);
        return false;
      }
      const end = async (state: ReplayRow['state']): Promise<false> => {
        const ended = ctx.clock.now();
        await tx.table(Replays).put({ ...row, state, ended });
        await tx.schedule({ task: 'replay', key: name, due: ended + keptMillis });
        return false;
      };
      if (row.state === 'CANCELLING') return end('CANCELLED');
      const after = row.last === undefined ? [row.archive, row.from] : [row.archive, row.last.at, row.last.id];
      const rows = (await tx.table(Archived).list({ prefix: [row.archive], after, limit: pieceEvents })).filter(
        ({ at }) => at < row.to,
      );
      for (const { event } of rows) await enqueue(ctx, tx, row.bus, { ...event, 'replay-name': name }, row.rules);
      const last = rows.at(-1);
      if (last === undefined) return end('COMPLETED');
      await tx.table(Replays).put({ ...row, state: 'RUNNING', last: { at: last.at, id: last.event.id } });
      return true;
    });
};

function describe(ctx: Scope, row: ReplayRow) {
  return {
    ReplayName: row.name,
    EventSourceArn: archiveArn(ctx, row.archive),
    State: row.state,
    StateReason: row.reason,
    EventStartTime: new Date(row.from),
    EventEndTime: new Date(row.to),
    EventLastReplayedTime: row.last === undefined ? undefined : new Date(row.last.at),
    ReplayStartTime: new Date(row.started),
    ReplayEndTime: row.ended === undefined ? undefined : new Date(row.ended),
  };
}

export const replayHandlers: HandlersOf<EventBridge> = {
  async StartReplay(input, ctx) {
    const {
      ReplayName: name = '',
      Description: description,
      EventSourceArn = '',
      EventStartTime,
      EventEndTime,
      Destination,
    } = input;
    new RequestCheck()
      .length('replayName', name, 1, 64)
      .pattern('replayName', name, /^[.\-_A-Za-z0-9]+$/, '[\\.\\-_A-Za-z0-9]+')
      .length('description', description, 0, 512)
      .done();
    const prefix = archiveArn(ctx, '');
    if (!EventSourceArn.startsWith(prefix))
      throw validation('Parameter EventSourceArn is not valid. Reason: Must contain an archive ARN.');
    const archive = await requireArchive(ctx, EventSourceArn.slice(prefix.length));
    if (Destination?.Arn !== busArn(ctx, archive.bus))
      throw validation(
        'Parameter Destination.Arn is not valid. Reason: Cross event bus replay is not permitted. Must be the event bus of the archive.',
      );
    const [from, to] = [EventStartTime?.getTime() ?? 0, EventEndTime?.getTime() ?? 0];
    if (to <= from) throw validation('Parameter EventEndTime is not valid. Reason: EventStartTime must be before EventEndTime.');
    for (const arn of Destination.FilterArns ?? []) await requireRuleOf(ctx, archive.bus, arn);
    await ctx.transact(async (tx) => {
      if ((await tx.table(Replays).get(name)) !== undefined) throw alreadyExists('Replay', name);
      if ((await tx.table(Replays).list()).filter((row) => !hasEnded(row)).length >= runningMax) throw limitExceeded();
      const row = { name, archive: archive.name, bus: archive.bus, description, rules: Destination.FilterArns, from, to };
      await tx.table(Replays).put({ ...row, state: 'STARTING', started: ctx.now });
      await tx.schedule({ task: 'replay', key: name, due: ctx.now });
    });
    return { ReplayArn: replayArn(ctx, name), State: 'STARTING', ReplayStartTime: new Date(ctx.now) };
  },

  async CancelReplay({ ReplayName: name = '' }, ctx) {
    await ctx.transact(async (tx) => {
      const row = await requireReplay(tx, name);
      if (hasEnded(row) || row.state === 'CANCELLING')
        throw new AwsError('IllegalStatusException', `Replay ${name} is not in a valid state for this operation.`);
      await tx.table(Replays).put({ ...row, state: 'CANCELLING' });
      await tx.schedule({ task: 'replay', key: name, due: ctx.now });
    });
    return { ReplayArn: replayArn(ctx, name), State: 'CANCELLING' };
  },

  async DescribeReplay({ ReplayName: name = '' }, ctx) {
    const row = await requireReplay(ctx, name);
    return {
      ...describe(ctx, row),
      ReplayArn: replayArn(ctx, name),
      Description: row.description,
      Destination: { Arn: busArn(ctx, row.bus), FilterArns: row.rules === undefined ? undefined : [...row.rules] },
    };
  },

  async ListReplays({ NamePrefix = '', State, EventSourceArn, NextToken, Limit }, ctx) {
    new RequestCheck().range('limit', Limit, 1, perPageMax).done();
    const given = [NamePrefix, EventSourceArn, State].filter((value) => value !== undefined && value !== '');
    if (given.length > 1)
      throw validation('At most one filter is allowed for ListReplays. Use either : State, EventSourceArn, or NamePrefix.');
    const rows = (await ctx.table(Replays).list()).filter(
      (row) =>
        row.name.startsWith(NamePrefix) &&
        (State === undefined || row.state === State) &&
        (EventSourceArn === undefined || archiveArn(ctx, row.archive) === EventSourceArn),
    );
    const scope = `ListReplays ${NamePrefix} ${State ?? ''} ${EventSourceArn ?? ''}`;
    const page = pageOf(rows, ({ name }) => [name], { scope, token: NextToken, limit: Limit ?? perPageMax });
    if (page === undefined) throw validation('NextToken is not valid.');
    return { Replays: page.items.map((row) => describe(ctx, row)), NextToken: page.nextToken };
  },
};

/** Throws ResourceNotFoundException, ValidationException for rules of other buses. */
async function requireRuleOf(ctx: Context, bus: string, arn: string): Promise<void> {
  const rules = await ctx.table(Rules).list({ prefix: [bus] });
  if (!rules.some(({ name }) => ruleArn(ctx, bus, name) === arn))
    throw new AwsError('ResourceNotFoundException', `Rule ${arn} does not exist on EventBus ${bus}.`);
}

const onReplay = ({ ReplayName = '' }: { ReplayName?: string | undefined }, ctx: Context) => [
  { resource: replayArn(ctx, ReplayName) },
];

export const replayChecks: AuthorisationsOf<EventBridge> = {
  StartReplay: ({ EventSourceArn = '' }) => [{ resource: EventSourceArn }],
  CancelReplay: onReplay,
  DescribeReplay: onReplay,
};
