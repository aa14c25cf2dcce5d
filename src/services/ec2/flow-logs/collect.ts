/**
 * From counters of the fabric to flow log records. Every minute of the cloud's time a flow log looks at the flows of its interfaces; what an interface
 * gathered becomes records at the end of its window: each minute on Nitro instances and where one minute was asked for, else each ten ("Aggregation
 * interval"). After a jump of the clock the first window has the packets and the others none, because nothing really ran in them.
 */
import type { Millis } from '../../../base/clock.ts';
import type { Context, Transaction } from '../../../kernel/context.ts';
import type { Task } from '../../../kernel/service.ts';
import type { FlowCount, FlowCounts } from '../../../planes/fabric/types.ts';
import { Instances } from '../instances/state.ts';
import { instanceTypes } from '../instances/type-catalogue.ts';
import { type InterfaceRow, Interfaces } from '../interfaces/state.ts';
import { applyNetwork } from '../vpc/networks.ts';
import { Subnets } from '../vpc/state.ts';
import { deliver } from './deliver.ts';
import { type RecordSubject, writeRecord } from './format.ts';
import { covers, type FlowLogRow, FlowLogs } from './state.ts';

const minute = 60_000;
/** Minutes that one look makes up for; a long jump takes several. */
const minutesPerLook = 60;
/** After a longer jump of the clock only this much of it has windows, besides the first. */
const madeUpMax = 24 * 60 * minute;

/** A cache of the counters seen last and of what waits for the end of a window, by flow log. Lost with the process, as the counters are. */
class Looks {
  readonly #logs = new Map<string, { seen: Map<string, FlowCount>; waiting: Map<string, FlowCount[]>; skipped: Set<string> }>();

  has(logId: string): boolean {
    return this.#logs.has(logId);
  }

  forget(logId: string): void {
    this.#logs.delete(logId);
  }

  /** Adds what was counted since the look before to what waits. The first look at a new flow log (`fresh`) takes the counters as they are. */
  take(logId: string, { flows, overflowed }: FlowCounts, fresh: boolean): void {
    const log = this.#logs.get(logId) ?? { seen: new Map(), waiting: new Map(), skipped: new Set<string>() };
    this.#logs.set(logId, log);
    const seen = new Map<string, FlowCount>();
    for (const flow of flows) {
      const { packets: _packets, bytes: _bytes, ...identity } = flow;
      const key = JSON.stringify(identity);
      seen.set(key, flow);
      const before = log.seen.get(key);
      const began = before === undefined || before.packets > flow.packets;
      const packets = flow.packets - (began ? 0 : before.packets);
      const bytes = flow.bytes - (began ? 0 : before.bytes);
      if (fresh || packets === 0) continue;
      log.waiting.set(flow.port, [...(log.waiting.get(flow.port) ?? []), { ...flow, packets, bytes }]);
      if (overflowed) log.skipped.add(flow.port);
    }
    log.seen = seen;
  }

  /** What an interface gathered, each flow once. */
  close(logId: string, port: string): { flows: FlowCount[]; skipped: boolean } {
    const log = this.#logs.get(logId);
    const sums = new Map<string, FlowCount>();
    for (const { packets, bytes, ...identity } of log?.waiting.get(port) ?? []) {
      const key = JSON.stringify(identity);
      const sum = sums.get(key);
      sums.set(key, { ...identity, packets: packets + (sum?.packets ?? 0), bytes: bytes + (sum?.bytes ?? 0) });
    }
    log?.waiting.delete(port);
    return { flows: [...sums.values()], skipped: log?.skipped.delete(port) ?? false };
  }
}

const looks = new Looks();

/** Asks for the first look at a new flow log. */
export async function watchFlows(tx: Transaction, row: FlowLogRow): Promise<void> {
  await tx.schedule({ task: 'collectFlows', key: row.id, due: row.created, payload: { fresh: true } });
}

/** An interface whose flows are recorded, with what its records say of it. */
interface Watched {
  card: InterfaceRow;
  zoneId: string;
  windowMillis: number;
}

async function watchedBy(ctx: Context, row: FlowLogRow): Promise<Watched[]> {
  const cards = (await ctx.table(Interfaces).byIndex('byVpc', [row.vpcId])).filter((card) => covers(row, card));
  const watched: Watched[] = [];
  for (const card of cards) {
    const instanceId = card.attachment?.instanceId;
    // NAT gateways are no ports of the fabric, and what hangs on nothing has no flows.
    if (instanceId === undefined && card.interfaceType !== 'vpc_endpoint') continue;
    const instance = instanceId === undefined ? undefined : await ctx.table(Instances).get(instanceId);
    const nitro = instance !== undefined && instanceTypes.get(instance.type)?.nitro === true;
    watched.push({
      card,
      zoneId: (await ctx.table(Subnets).get(card.subnetId))?.zoneId ?? '-',
      windowMillis: nitro ? minute : row.intervalSeconds * 1000,
    });
  }
  return watched;
}

/** Records of one interface for the window that ends now, in order of flow. */
function recordsOf(ctx: Context, row: FlowLogRow, watched: Watched, end: Millis, restarted: boolean): string[] {
  const { card, zoneId, windowMillis } = watched;
  const subject: Omit<RecordSubject, 'flow'> = {
    account: ctx.account,
    region: ctx.region,
    interfaceId: card.id,
    primaryAddress: card.addresses[0]?.address ?? '-',
    vpcId: card.vpcId,
    subnetId: card.subnetId,
    zoneId,
    instanceId: card.attachment?.instanceId,
    start: Math.floor(Math.max(end - windowMillis, Math.min(row.created, end - 1000)) / 1000),
    end: Math.floor(end / 1000),
  };
  const closed = looks.close(row.id, card.id);
  const wanted = closed.flows.filter(({ accepted }) => row.traffic === 'ALL' || (row.traffic === 'ACCEPT') === accepted);
  const skipped = closed.skipped || restarted;
  const all: RecordSubject['flow'][] = [
    ...wanted,
    ...(skipped ? ['SKIPDATA' as const] : wanted.length === 0 ? ['NODATA' as const] : []),
  ];
  return all.map((flow) => writeRecord(row.format, { ...subject, flow }));
}

/** Looks at the flows of one flow log, writes what windows have ended, and asks to be called again. */
export const collectFlows: Task = async ({ key, payload }, ctx) => {
  const row = await ctx.table(FlowLogs).get(key);
  if (row === undefined) return looks.forget(key);
  const fresh = (payload as { fresh?: boolean } | undefined)?.fresh === true;
  if (fresh) await applyNetwork(ctx, row.vpcId);
  // Counters that this process has not seen begin with it: what ran between the last look and its start is lost.
  const restarted = !fresh && !looks.has(key);
  looks.take(key, await ctx.part('fabric').flows(row.vpcId), fresh);
  const watched = await watchedBy(ctx, row);
  const now = ctx.clock.now();
  let seen = row.seen;
  for (let count = 0; count < minutesPerLook; count++) {
    const end = Math.floor(seen / minute) * minute + minute;
    if (end > now) break;
    const closing = watched.filter(({ windowMillis }) => end % windowMillis === 0);
    const first = restarted && count === 0;
    const records = closing.map((one) => ({
      interfaceId: one.card.id,
      lines: recordsOf(ctx, row, one, end, first),
      at: end - one.windowMillis,
    }));
    await deliver(ctx, row, end, records);
    seen = Math.max(end, Math.floor((ctx.clock.heading - madeUpMax) / minute) * minute);
  }
  await ctx.transact(async (tx) => {
    if ((await tx.table(FlowLogs).update([key], (latest) => ({ ...latest, seen }))) === undefined) return;
    await tx.schedule({ task: 'collectFlows', key, due: Math.floor(seen / minute) * minute + minute });
  });
};
