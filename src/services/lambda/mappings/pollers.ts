/**
 * What event source mappings do: one poller for each that is enabled, in this process, started and stopped by a reconciler from the rows, so that a restart
 * goes on where the rows say.
 */
import type { Context } from '../../../kernel/context.ts';
import type { ReconcileKey, Reconciler } from '../../../kernel/service.ts';
import { type MappingRow, Mappings } from '../state.ts';
import { sourceKind } from './mappings.ts';
import { pollQueue } from './queue-poller.ts';
import { pollStream } from './stream-poller.ts';

/** A poller's tie to its mapping. */
export interface Beat {
  /** The mapping as it is now; undefined when the poller is to stop. */
  mapping(): Promise<MappingRow | undefined>;
  readonly stopped: AbortSignal;
  /** Tells how the last batch went. */
  note(result: string): void;
}

/** Real milliseconds after which a poller that broke begins again. */
const repairMillis = 2000;

/** Pollers that run, by cloud and mapping: none after a restart. Rebuildable. */
const pollersCache = new WeakMap<object, Map<string, AbortController>>();

function pollersOf(ctx: Context): Map<string, AbortController> {
  let pollers = pollersCache.get(ctx.clock);
  if (pollers === undefined) {
    pollers = new Map();
    pollersCache.set(ctx.clock, pollers);
  }
  return pollers;
}

/** Stops all pollers of a cloud. */
export async function stopPollers(ctx: Context): Promise<void> {
  for (const stop of pollersOf(ctx).values()) stop.abort();
}

export const pollers: Reconciler = {
  decides: true,
  async keys(ctx) {
    const rows = await ctx.everywhere(Mappings);
    const running = [...pollersOf(ctx).keys()].map(readId);
    return [...rows.map(({ scope, row }) => ({ ...scope, key: row.uuid })), ...running];
  },

  async run(target: ReconcileKey, ctx: Context) {
    const id = idOf(target);
    const all = pollersOf(ctx);
    const row = await ctx.table(Mappings).get(target.key);
    const wanted = row?.state === 'Enabled';
    if (!wanted) all.get(id)?.abort();
    else if (!all.has(id)) start(ctx, target, all);
  },
};

function idOf({ account, region, key }: ReconcileKey): string {
  return `${account} ${region} ${key}`;
}

function readId(id: string): ReconcileKey {
  const [account = '', region = '', key = ''] = id.split(' ');
  return { account, region, key };
}

function start(ctx: Context, target: ReconcileKey, all: Map<string, AbortController>): void {
  const stop = new AbortController();
  const id = idOf(target);
  all.set(id, stop);
  let noted = '';
  const beat: Beat = {
    stopped: stop.signal,
    mapping: async () => {
      if (stop.signal.aborted) return undefined;
      const row = await ctx.table(Mappings).get(target.key);
      return row?.state === 'Enabled' || row?.state === 'Updating' ? row : undefined;
    },
    note: (result) => {
      if (result === noted) return;
      noted = result;
      void ctx.transact(async (tx) => {
        const row = await tx.table(Mappings).get(target.key);
        if (row !== undefined && row.lastResult !== result) await tx.table(Mappings).put({ ...row, lastResult: result });
      });
    },
  };
  void poll(ctx, target, beat).finally(() => {
    all.delete(id);
    // It may have been enabled again while this one was ending.
    if (!stop.signal.aborted) return;
    void ctx.transact(async (tx) => tx.hint('pollers', target.key)).catch(() => undefined);
  });
}

async function poll(ctx: Context, target: ReconcileKey, beat: Beat): Promise<void> {
  for (;;) {
    const row = await beat.mapping();
    if (row === undefined) return;
    try {
      await (sourceKind(row.sourceArn) === 'sqs' ? pollQueue(ctx, beat) : pollStream(ctx, target.key, beat));
    } catch (error) {
      ctx.trace(`The poller of ${target.key} broke by a bug of Pilvi: ${String(error)}`);
      beat.note(`PROBLEM: internal error (${(error as Error).message})`);
      await ctx.clock.pause(repairMillis, beat.stopped);
    }
  }
}
