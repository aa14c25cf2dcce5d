/**
 * Events on their way: PutEvents, what AWS services announce, and the clock's ticks become rows on a bus; one job per bus matches them against its rules
 * and hands them over, in the order in which they came.
 */
import type { EventBridge, PutEventsRequestEntry, PutEventsResultEntry } from '@aws-sdk/client-eventbridge';
import { compilePattern, type EventPattern } from '../../base/event-pattern.ts';
import type { Context, DomainEvent, Scope, Transaction } from '../../kernel/context.ts';
import { parameterNotImplemented } from '../../kernel/errors.ts';
import { RequestCheck } from '../../kernel/request-check.ts';
import type { AuthorisationsOf, FiredJob, HandlersOf } from '../../kernel/service.ts';
import { keep } from './archives.ts';
import { defaultBus, findBus, onBus } from './buses.ts';
import { validation } from './errors.ts';
import { count } from './metrics.ts';
import { ruleArn, scheduleRule } from './rules.ts';
import { Archives, type BusEvent, Pending, type PendingRow, Rules, Targets } from './state.ts';
import { eventJson, handOver } from './targets.ts';

const entriesMax = 10;
/** 256 KB for all entries together ("Calculating Amazon EventBridge PutEvents event entry size"). */
const entryBytesMax = 262_144;
const pieceEvents = 100;

/** Compiled patterns by their text: a cache of a bounded set, rebuilt when it is full. */
const patternsCache = new Map<string, EventPattern>();
const patternsCacheMax = 2000;

function matches(text: string, event: unknown): boolean {
  let pattern = patternsCache.get(text);
  if (pattern === undefined) {
    pattern = compilePattern(text);
    if (patternsCache.size >= patternsCacheMax) patternsCache.clear();
    patternsCache.set(text, pattern);
  }
  return pattern(event);
}

/** Puts an event on a bus, for some rules only when `rules` names them, in a transaction of the caller's. */
export async function enqueue(
  ctx: Context,
  tx: Transaction,
  bus: string,
  event: BusEvent,
  rules?: readonly string[] | undefined,
): Promise<void> {
  await tx.table(Pending).put({ bus, at: ctx.clock.now(), event, rules });
  await tx.schedule({ task: 'dispatch', key: bus, due: ctx.clock.now() });
}

/** Hands on what came to a bus. `key` is its name. */
export async function dispatch({ key: bus }: FiredJob, ctx: Context): Promise<void> {
  for (;;) {
    const rows = await ctx.table(Pending).list({ prefix: [bus], limit: pieceEvents });
    if (rows.length === 0) return;
    const rules = (await ctx.table(Rules).list({ prefix: [bus] })).filter(
      ({ enabled, pattern }) => enabled && pattern !== undefined,
    );
    for (const row of rows) {
      const event: unknown = rules.length === 0 ? undefined : JSON.parse(eventJson(row.event));
      for (const rule of rules)
        if (row.rules?.includes(ruleArn(ctx, rule.bus, rule.name)) !== false && matches(rule.pattern ?? '', event)) {
          count(ctx, rule, 'MatchedEvents');
          await handToAll(ctx, rule.bus, rule.name, row);
        }
      await ctx.transact(async (tx) => {
        await keep(tx, row, (pattern) => matches(pattern, event ?? JSON.parse(eventJson(row.event))));
        await tx.table(Pending).delete(bus, row.at, row.event.id);
      });
    }
  }
}

async function handToAll(ctx: Context, bus: string, name: string, { event, forwarded }: PendingRow): Promise<void> {
  const rule = await ctx.table(Rules).get(bus, name);
  if (rule === undefined) return;
  const targets = await ctx.table(Targets).list({ prefix: [bus, name] });
  count(ctx, rule, 'TriggeredRules');
  await Promise.all(targets.map((target) => handOver(ctx, rule, target, event, forwarded === true)));
}

/** A rule's time has come. `key` is bus and name. */
export async function tick({ key, due }: FiredJob, ctx: Context): Promise<void> {
  const [bus = '', name = ''] = key.split(' ');
  const rule = await ctx.table(Rules).get(bus, name);
  if (rule === undefined || !rule.enabled) return;
  const event: BusEvent = {
    version: '0',
    id: ctx.uuid(),
    'detail-type': 'Scheduled Event',
    source: 'aws.events',
    account: ctx.account,
    time: timeText(due),
    region: ctx.region,
    resources: [ruleArn(ctx, bus, name)],
    detail: '{}',
  };
  await handToAll(ctx, bus, name, { bus, at: due, event });
  await ctx.transact(async (tx) => {
    const now = await tx.table(Rules).get(bus, name);
    if (now !== undefined) await scheduleRule(tx, now, due);
  });
}

/** Something happened in the account: every domain event reaches its default bus. */
export async function announce(event: DomainEvent, ctx: Context): Promise<void> {
  const watched =
    (await ctx.table(Rules).count([defaultBus])) + (await ctx.table(Archives).byIndex('byBus', [defaultBus])).length;
  if (watched === 0) return;
  const row: BusEvent = {
    version: '0',
    id: ctx.uuid(),
    'detail-type': event.detailType,
    source: event.source,
    account: ctx.account,
    time: timeText(ctx.clock.now()),
    region: ctx.region,
    resources: event.resources,
    detail: JSON.stringify(event.detail),
  };
  await ctx.transact((tx) => enqueue(ctx, tx, defaultBus, row));
}

/** Times of events have no milliseconds. */
function timeText(at: number): string {
  return new Date(at).toISOString().replace(/\.\d{3}/, '');
}

interface Accepted {
  scope: Scope;
  bus: string;
  event: BusEvent;
}

/** Whether an entry can be taken: the event, or AWS's error of this entry. */
async function readEntry(ctx: Context, entry: PutEventsRequestEntry): Promise<Accepted | PutEventsResultEntry> {
  const { Source, DetailType, Detail, EventBusName: bus = defaultBus } = entry;
  for (const [name, value] of Object.entries({ Source, DetailType, Detail })) {
    if (value === undefined || value === '')
      return {
        ErrorCode: 'InvalidArgument',
        ErrorMessage: `Parameter ${name} is not valid. Reason: ${name} is a required argument.`,
      };
  }
  if (/^aws\./.test(Source ?? '')) return { ErrorCode: 'NotAuthorizedForSource', ErrorMessage: 'Not authorized for the source.' };
  if (!isObjectText(Detail ?? '')) return { ErrorCode: 'MalformedDetail', ErrorMessage: 'Detail is malformed.' };
  const [, , , region = ctx.region, account = ctx.account] = bus.startsWith('arn:') ? bus.split(':') : [];
  const name = bus.startsWith('arn:') ? bus.slice(bus.indexOf('event-bus/') + 10) : bus;
  return {
    scope: { account, region },
    bus: name,
    event: {
      version: '0',
      id: ctx.uuid(),
      'detail-type': DetailType ?? '',
      source: Source ?? '',
      account: ctx.caller.account,
      time: timeText(entry.Time?.getTime() ?? ctx.clock.now()),
      region,
      resources: entry.Resources ?? [],
      detail: Detail ?? '{}',
    },
  };
}

function isObjectText(text: string): boolean {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value);
  } catch {
    return false;
  }
}

function entryBytes({ Time, Source = '', DetailType = '', Detail = '', Resources = [] }: PutEventsRequestEntry): number {
  const texts = [Source, DetailType, Detail, ...Resources];
  return texts.reduce((sum, text) => sum + Buffer.byteLength(text), Time === undefined ? 0 : 14);
}

export const eventHandlers: HandlersOf<EventBridge> = {
  async PutEvents({ Entries = [], EndpointId }, ctx) {
    if (EndpointId !== undefined) throw parameterNotImplemented('PutEvents', 'EndpointId');
    new RequestCheck().count('entries', Entries, 1, entriesMax).done();
    if (Entries.reduce((sum, entry) => sum + entryBytes(entry), 0) > entryBytesMax)
      throw validation('Total size of the entries in the request is over the limit.');
    const results: PutEventsResultEntry[] = [];
    for (const entry of Entries) {
      const read = await readEntry(ctx, entry);
      if (!('event' in read)) {
        results.push(read);
        continue;
      }
      // What is put on a bus that does not exist is taken and matches nothing.
      const bus = await findBus(ctx, read.scope, read.bus);
      const at = ctx.inScope(read.scope);
      if (bus !== undefined) await at.transact((tx) => enqueue(at, tx, bus.name, read.event));
      results.push({ EventId: read.event.id });
    }
    return { FailedEntryCount: results.filter(({ ErrorCode }) => ErrorCode !== undefined).length, Entries: results };
  },
};

export const eventChecks: AuthorisationsOf<EventBridge> = {
  PutEvents: async ({ Entries = [] }, ctx) => {
    const buses = new Set(Entries.map(({ EventBusName }) => EventBusName ?? defaultBus));
    return (await Promise.all([...buses].map((bus) => onBus(bus, ctx)))).flat();
  },
};
