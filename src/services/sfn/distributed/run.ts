/**
 * Runs of distributed Maps: each item, or batch, is an execution of its own. Items and how they came out are rows, so a run goes on after a crash:
 * children that were running are awaited again (standard) or made again (express).
 */
import type { Context, Scope } from '../../../kernel/context.ts';
import type { Json } from '../../../model/types.ts';
import { processorOf } from '../asl/definition.ts';
import { StateError } from '../asl/errors.ts';
import { jsonText } from '../asl/values.ts';
import { endExecution } from '../engine/ending.ts';
import type { Engine } from '../engine/engine.ts';
import { mapRunEnded } from '../engine/join.ts';
import { Look } from '../engine/look.ts';
import type { Frame, Run } from '../engine/run.ts';
import { distributedConcurrency, executionArn, mapRunArn } from '../rules.ts';
import { type ExecutionRow, Executions, type MapItemRow, MapItems, type MapRunRow, MapRuns } from '../state.ts';
import { readWork, type Work } from './items.ts';
import { childType, resultOf } from './results.ts';

/** Rows written in one transaction when a run begins. */
const pieceItems = 500;

type Answer = (change: (run: Run, frame: Frame) => Promise<void> | void) => Promise<void>;

/** Does the work of a Map state from where its rows are to its end, which `answer` takes to the execution. */
export async function runMap(engine: Engine, run: Run, frame: Frame, answer: Answer): Promise<void> {
  const look = new Look(run, frame);
  let row: MapRunRow;
  try {
    row = await openRun(look, answer);
    const outcome = await drive(engine, look, row);
    if (outcome === undefined || engine.closed) return;
    await answer((current, found) => end(current, found, outcome));
  } catch (error) {
    if (!(error instanceof StateError)) throw error;
    await answer((current, found) => end(current, found, { failure: error }));
  }
}

async function end(run: Run, frame: Frame, outcome: { result?: Json; failure?: StateError }): Promise<void> {
  if (frame.phase !== 'mapRun') return;
  run.change(frame, { awaited: undefined });
  await mapRunEnded(run, frame, outcome);
}

/** Name under which the children of a Map are found: its label, or the state's own name in the letters that a label may have. */
function labelOf({ state, frame }: Look): string {
  return state.Label ?? frame.state.replace(/[\s?*<>{}[\]:;,\\|^~$#%&`"/]/g, '').slice(0, 40);
}

async function openRun(look: Look, answer: Answer): Promise<MapRunRow> {
  const { run, frame } = look;
  const { ctx, execution } = run;
  const [machineName = ''] = execution.machine.split('/');
  if (frame.awaited !== undefined) {
    const [, , , , , , machine = '', id = ''] = frame.awaited.split(':');
    const known = await ctx.table(MapRuns).get(machine, id);
    if (known !== undefined) return known;
  }
  const concurrency = (await look.number('MaxConcurrency')) ?? 0;
  const percentage = (await look.number('ToleratedFailurePercentage')) ?? 0;
  const count = (await look.number('ToleratedFailureCount')) ?? 0;
  const row: MapRunRow = {
    machine: `${machineName}/${labelOf(look)}`,
    id: ctx.uuid(),
    parent: execution.name,
    parentMachine: execution.machine,
    frame: frame.id,
    attempt: frame.attempt,
    status: 'RUNNING',
    start: run.now(),
    concurrency,
    toleratedCount: count,
    toleratedPercentage: percentage,
    items: 0,
    executions: 0,
    redrives: 0,
  };
  const arn = mapRunArn(ctx, row.machine, row.id);
  await ctx.transact((tx) => tx.table(MapRuns).put(row));
  await answer((current, found) => {
    current.event(found, 'MapRunStarted', 'mapRunStartedEventDetails', { mapRunArn: arn });
    current.change(found, { awaited: arn });
  });
  try {
    return await fillRun(ctx, row, arn, await readWork(look));
  } catch (error) {
    if (error instanceof StateError) await closeRun(ctx, row, 'FAILED');
    throw error;
  }
}

async function fillRun(ctx: Context, row: MapRunRow, run: string, work: readonly Work[]): Promise<MapRunRow> {
  for (let first = 0; first < work.length; first += pieceItems) {
    const piece = work.slice(first, first + pieceItems);
    await ctx.transact(async (tx) => {
      for (const [at, one] of piece.entries())
        await tx
          .table(MapItems)
          .put({ run, index: first + at, count: one.count, input: jsonText(one.input), item: one.item, status: 'PENDING' });
    });
  }
  const filled = { ...row, items: work.reduce((sum, { count }) => sum + count, 0), executions: work.length };
  await ctx.transact((tx) => tx.table(MapRuns).put(filled));
  return filled;
}

async function closeRun(ctx: Context, { machine, id }: MapRunRow, status: MapRunRow['status']): Promise<void> {
  await ctx.transact((tx) => tx.table(MapRuns).update([machine, id], (old) => ({ ...old, status, stop: ctx.clock.now() })));
}

const tolerance = new StateError(
  'States.ExceedToleratedFailureThreshold',
  'The specified tolerated failure threshold was exceeded',
);

/** Runs the children, so many at once; undefined when the run was given up meanwhile. */
async function drive(engine: Engine, look: Look, begun: MapRunRow): Promise<{ result?: Json; failure?: StateError } | undefined> {
  const { ctx } = look.run;
  const arn = mapRunArn(ctx, begun.machine, begun.id);
  const active = new Map<number, Promise<void>>();
  const begin = (item: MapItemRow): void => {
    active.set(
      item.index,
      runItem(engine, look, begun, item).finally(() => active.delete(item.index)),
    );
  };
  for (const item of await itemsWith(ctx, arn, 'RUNNING')) begin(item);
  for (;;) {
    const row = await ctx.table(MapRuns).get(begun.machine, begun.id);
    if (engine.closed || row === undefined || row.status !== 'RUNNING') return undefined;
    const most = row.concurrency === 0 ? distributedConcurrency : Math.min(row.concurrency, distributedConcurrency);
    if (active.size < most)
      for (const item of (await itemsWith(ctx, arn, 'PENDING', most))
        .filter(({ index }) => !active.has(index))
        .slice(0, most - active.size))
        begin(item);
    // Looked at before the failures are counted: with none running, the count is the last.
    const idle = active.size === 0;
    const failed = (await itemsWith(ctx, arn, 'FAILED')).length + (await itemsWith(ctx, arn, 'TIMED_OUT')).length;
    if (tooMany(row, failed)) {
      await giveUp(engine, ctx, row, 'FAILED');
      return { failure: tolerance };
    }
    if (idle) break;
    if (active.size > 0) await Promise.race(active.values());
  }
  const items = await ctx.table(MapItems).list({ prefix: [arn] });
  const result = await resultOf(look, begun, items);
  await closeRun(ctx, begun, 'SUCCEEDED');
  return { result };
}

function tooMany({ toleratedCount, toleratedPercentage, executions }: MapRunRow, failed: number): boolean {
  if (failed === 0) return false;
  const share = (failed / Math.max(1, executions)) * 100;
  return !(failed <= toleratedCount || (toleratedPercentage > 0 && share <= toleratedPercentage));
}

function itemsWith(ctx: Context, run: string, status: MapItemRow['status'], limit?: number): Promise<MapItemRow[]> {
  return ctx.table(MapItems).byIndex('byStatus', [run, status], limit === undefined ? {} : { limit });
}

/** One child, from its beginning, or from where it was, to its end. */
async function runItem(engine: Engine, look: Look, row: MapRunRow, item: MapItemRow): Promise<void> {
  const { run, frame, state } = look;
  const { ctx, execution } = run;
  const type = childType(look);
  const mapRun = mapRunArn(ctx, row.machine, row.id);
  const name = item.execution ?? ctx.uuid();
  const arn = executionArn(ctx, { machine: row.machine, name, type });
  const processor = processorOf(state);
  const child: ExecutionRow = {
    machine: row.machine,
    name,
    type,
    status: 'RUNNING',
    definition: execution.definition,
    roleArn: execution.roleArn,
    logging: execution.logging,
    revision: execution.revision,
    version: execution.version,
    alias: execution.alias,
    input: item.input,
    start: run.now(),
    lastEvent: 0,
    nextFrame: 0,
    redrives: 0,
    mapRun,
    item: item.index,
    place: [...frame.place, frame.state],
    variables: run.variablesOf(frame),
    ...(item.count === 1 && item.item !== null ? { mapItem: { Index: item.index, Value: item.item } } : {}),
  };
  const known =
    type === 'STANDARD' && item.execution !== undefined ? await ctx.table(Executions).get(row.machine, name) : undefined;
  const ended = await new Promise<ExecutionRow>((resolve, reject) => {
    const forget = engine.watch(arn, resolve);
    const start = async (): Promise<void> => {
      if (known !== undefined && known.status !== 'RUNNING') {
        forget();
        return resolve(known);
      }
      if (known !== undefined) return;
      const running = { ...item, status: 'RUNNING' as const, execution: name, start: child.start };
      await ctx.transact((tx) => tx.table(MapItems).put(running));
      await engine.begin(ctx, child);
    };
    if (processor === undefined) throw new Error('The Map has no processor.');
    start().catch(reject);
  });
  const { status, output, error, cause, start, stop } = ended;
  if (status === 'RUNNING') throw new Error('The child of a Map was told to have ended while it runs.');
  await ctx.transact((tx) => tx.table(MapItems).put({ ...item, execution: name, status, output, error, cause, start, stop }));
}

/** Ends a run before its time: children that run are aborted, those that wait never start. */
async function giveUp(engine: Engine, ctx: Context, row: MapRunRow, status: 'FAILED' | 'ABORTED'): Promise<void> {
  const run = mapRunArn(ctx, row.machine, row.id);
  await closeRun(ctx, row, status);
  for (const item of await itemsWith(ctx, run, 'PENDING'))
    await ctx.transact((tx) => tx.table(MapItems).put({ ...item, status: 'ABORTED', stop: ctx.clock.now() }));
  for (const { execution = '' } of await itemsWith(ctx, run, 'RUNNING'))
    await engine.post(ctx, row.machine, execution, (child) => endExecution(child, 'ABORTED', new StateError(undefined)));
}

/** Gives up the run of an ARN, whose Map nobody waits for any more. */
export async function abandonRun(engine: Engine, scope: Scope, arn: string): Promise<void> {
  const ctx = engine.contextIn(scope);
  const [, , , , , , machine = '', id = ''] = arn.split(':');
  const row = await ctx.table(MapRuns).get(machine, id);
  if (row?.status === 'RUNNING') await giveUp(engine, ctx, row, 'ABORTED');
}
