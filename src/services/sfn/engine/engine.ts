/**
 * Runs executions. Each has a queue: what happens to it (a step to make, an answer, a time that came, a stop) is done one after another, and
 * written in one transaction before anybody is told. Calls of tasks run beside the queue and come back to it as answers, so no slot of the scheduler is held
 * by them. A run is kept in memory while it is being worked on and read again from its rows when something happens to it later.
 *
 * An express execution has no rows but its beginning. A call whose answer was not written when the process died is made again after the restart, as AWS does with its own failures ("at least once" for
 * the services called). Rejected: steps as jobs of the scheduler: two transactions more for each, and its few slots would wait for functions.
 */
import type { Clock } from '../../../base/clock.ts';
import type { Context, Scope } from '../../../kernel/context.ts';
import { AwsError } from '../../../kernel/errors.ts';
import type { Json } from '../../../model/types.ts';
import { runtimeError, StateError } from '../asl/errors.ts';
import { loadLibraries } from '../asl/libraries.ts';
import { definitionOf, workflowAt } from '../asl/definition.ts';
import { atRest } from './failures.ts';
import { dataDetails } from './join.ts';
import { executionArn, expressMillisMax, standardMillisMax } from '../rules.ts';
import { Executions, ExpressRuns, Frames, type ExecutionRow } from '../state.ts';
import { endExecution } from './ending.ts';
import { commit, nextTime, wholeExecution } from './journal.ts';
import { type Effect, Run } from './run.ts';
import { advance, timeCame } from './steps.ts';

/** What the engine has others do: calls of tasks and runs of distributed Maps. */
export interface Hands {
  /** Does what an effect asks for; its end comes back through `post`. */
  perform(engine: Engine, run: Run, effect: Effect): void;
  /** An execution has ended: metrics and logs. */
  ended(run: Run): Promise<void>;
  /** An execution has begun. */
  started(run: Run): Promise<void>;
}

/** Changes a run; the steps that follow are made and all is written before `post` resolves. */
export type Message<T> = (run: Run) => Promise<T> | T;

interface Mailbox {
  run: Run | undefined;
  /** Ends when all that was posted so far is done. */
  tail: Promise<unknown>;
  waiting: number;
  /** Calls under way and people who wait for its end: it stays in memory. */
  holders: number;
  cancelTimers: (() => void)[];
}

export class Engine {
  readonly #boxes = new Map<string, Mailbox>();
  readonly #watchers = new Map<string, Set<(execution: ExecutionRow) => void>>();
  readonly #system: Context;
  readonly hands: Hands;
  #closed = false;

  constructor(system: Context, hands: Hands) {
    this.#system = system;
    this.hands = hands;
  }

  /** The service itself in an account and Region. */
  contextIn({ account, region }: Scope): Context {
    return this.#system.inScope({ account, region }).asService();
  }

  /** Begins an execution: written with its first steps when this resolves. False when one of its name has just begun, written likewise. */
  async begin(scope: Scope, row: ExecutionRow): Promise<boolean> {
    await loadLibraries();
    const ctx = this.contextIn(scope);
    const known = this.#boxes.get(keyOf(ctx, row));
    if (known !== undefined) {
      await known.tail;
      return false;
    }
    const definition = definitionOf(row.definition);
    const limit = row.type === 'EXPRESS' ? expressMillisMax : standardMillisMax;
    const seconds = definition.TimeoutSeconds;
    const expires = row.start + Math.min(seconds === undefined ? limit : seconds * 1000, limit);
    const run = new Run(ctx, { ...row, expires }, []);
    const box = this.#box(keyOf(ctx, row));
    box.run = run;
    await this.post(ctx, row.machine, row.name, async () => {
      const input = JSON.parse(row.input) as Json;
      run.event(undefined, 'ExecutionStarted', 'executionStartedEventDetails', {
        ...dataDetails('input', input),
        roleArn: row.roleArn,
      });
      const place = row.place ?? [];
      run.open({ place, state: workflowAt(definition, place).StartAt, input, lastEvent: 0 });
      await this.hands.started(run);
    });
    return true;
  }

  /** Begins an express execution that nobody waits for: once its row is written it runs, if need be again after a crash. */
  async beginExpress(scope: Scope, row: ExecutionRow): Promise<void> {
    await this.contextIn(scope).transact((tx) => tx.table(ExpressRuns).put(row));
    await this.begin(scope, row);
  }

  /** Begins an express execution again that a crash has cut off, or ends it when its time is over. */
  async beginAgain(scope: Scope, row: ExecutionRow): Promise<void> {
    const ctx = this.contextIn(scope);
    if (this.#boxes.has(keyOf(ctx, row))) return;
    if (ctx.clock.now() < row.start + expressMillisMax) {
      await this.begin(scope, row);
      return;
    }
    await loadLibraries();
    const run = new Run(ctx, { ...row }, []);
    endExecution(run, 'TIMED_OUT', new StateError(undefined));
    run.log.push(...run.events);
    await this.#ended(run);
  }

  /** Has an ended execution go on where it did not succeed. Resolves with the time; its row was found redrivable before. */
  async redrive(scope: Scope, row: ExecutionRow): Promise<number> {
    const ctx = this.contextIn(scope);
    await loadLibraries();
    const now = ctx.clock.now();
    const frames = await ctx.table(Frames).list({ prefix: [row.machine, row.name] });
    const { stop: _stop, error: _error, cause: _cause, ...kept } = row;
    const run = new Run(
      ctx,
      { ...kept, status: 'RUNNING', redrives: row.redrives + 1, redriven: now },
      frames.map((frame) => ({ ...frame })),
    );
    this.#box(keyOf(ctx, row)).run = run;
    await this.post(ctx, row.machine, row.name, async () => {
      run.event(undefined, 'ExecutionRedriven', 'executionRedrivenEventDetails', { redriveCount: run.execution.redrives });
      for (const frame of run.frames.values()) {
        if (frame.phase === 'ended' || frame.phase === 'enter' || run.childrenOf(frame).length > 0) continue;
        run.change(frame, { ...atRest, phase: 'start', retries: [], attempt: frame.attempt + 1 });
      }
      await this.hands.started(run);
    });
    return now;
  }

  /** Goes on with an execution after a restart, or whenever it may have been left alone. */
  async resume(scope: Scope, machine: string, name: string): Promise<void> {
    await this.post(this.contextIn(scope), machine, name, (run) => {
      for (const { id, phase, attempt } of run.frames.values())
        if (phase === 'call' || phase === 'child' || phase === 'mapRun') run.effects.push({ kind: phase, frame: id, attempt });
    });
  }

  /**
   * Has something happen to a running execution, in its turn. Undefined when there is none that runs; else what `message` gave, once it and the
   * steps that followed are written.
   */
  async post<T>(scope: Scope, machine: string, name: string, message: Message<T>): Promise<T | undefined> {
    const ctx = this.contextIn(scope);
    const key = keyOf(ctx, { machine, name });
    const box = this.#box(key);
    box.waiting += 1;
    const turn = box.tail.then(() => this.#turn(key, box, ctx, machine, name, message));
    box.tail = turn.catch(() => undefined);
    void ctx.underWay(box.tail);
    try {
      return await turn;
    } finally {
      box.waiting -= 1;
      this.#letGo(key, box);
    }
  }

  /** Calls back once an execution has ended; returns how to forget it. Told only of ends that come after. */
  watch(arn: string, listener: (execution: ExecutionRow) => void): () => void {
    const listeners = this.#watchers.get(arn) ?? new Set();
    this.#watchers.set(arn, listeners.add(listener));
    return () => {
      listeners.delete(listener);
      if (listeners.size === 0 && this.#watchers.get(arn) === listeners) this.#watchers.delete(arn);
    };
  }

  /** Keeps a run in memory until the promise has settled. */
  hold(run: Run, work: Promise<unknown>): void {
    const key = keyOf(run.ctx, run.execution);
    const box = this.#box(key);
    box.holders += 1;
    void work.finally(() => {
      box.holders -= 1;
      this.#letGo(key, box);
    });
  }

  /** Forgets every run: at the end of the process, or when rows were cleared. Standard executions continue from their rows. */
  clear(closed: boolean): void {
    this.#closed = closed;
    for (const box of this.#boxes.values()) for (const cancel of box.cancelTimers) cancel();
    this.#boxes.clear();
    this.#watchers.clear();
  }

  get closed(): boolean {
    return this.#closed;
  }

  #box(key: string): Mailbox {
    let box = this.#boxes.get(key);
    if (box === undefined) {
      box = { run: undefined, tail: Promise.resolve(), waiting: 0, holders: 0, cancelTimers: [] };
      this.#boxes.set(key, box);
    }
    return box;
  }

  #letGo(key: string, box: Mailbox): void {
    const needed = box.waiting > 0 || box.holders > 0 || (box.run !== undefined && !box.run.durable && !box.run.over);
    if (!needed && this.#boxes.get(key) === box) this.#boxes.delete(key);
  }

  async #turn<T>(
    key: string,
    box: Mailbox,
    ctx: Context,
    machine: string,
    name: string,
    message: Message<T>,
  ): Promise<T | undefined> {
    if (this.#closed) return undefined;
    box.run ??= await this.#read(ctx, machine, name);
    const { run } = box;
    if (run === undefined || run.over) return undefined;
    try {
      const answer = await this.#take(run, message);
      for (let more = true; more; ) {
        more = await this.#steps(run);
        if (!(await this.#write(run, box))) {
          box.run = undefined;
          return undefined;
        }
      }
      return answer;
    } catch (error) {
      // What is in memory may be half done; the rows are not. A refused answer (AwsError) has changed nothing.
      if (!(error instanceof AwsError) && run.durable && this.#boxes.get(key) === box) box.run = undefined;
      throw error;
    }
  }

  async #take<T>(run: Run, message: Message<T>): Promise<T | undefined> {
    try {
      return await message(run);
    } catch (error) {
      if (!(error instanceof StateError)) throw error;
      endExecution(run, 'FAILED', error);
      return undefined;
    }
  }

  async #steps(run: Run): Promise<boolean> {
    try {
      return await advance(run);
    } catch (error) {
      if (!(error instanceof StateError)) throw error;
      endExecution(run, 'FAILED', error);
      return false;
    }
  }

  async #read(ctx: Context, machine: string, name: string): Promise<Run | undefined> {
    await loadLibraries();
    const row = await ctx.table(Executions).get(machine, name);
    if (row === undefined || row.status !== 'RUNNING' || row.type !== 'STANDARD') return undefined;
    const frames = await ctx.table(Frames).list({ prefix: [machine, name] });
    return new Run(
      ctx,
      { ...row },
      frames.map((frame) => ({ ...frame })),
    );
  }

  /** Writes what has changed, then does what was waiting for that. False when the execution is no more. */
  async #write(run: Run, box: Mailbox): Promise<boolean> {
    if (run.durable && !(await commit(run))) return false;
    if (!run.durable) {
      run.log.push(...run.events);
      this.#setTimers(run, box);
    }
    const { effects } = run;
    run.events = [];
    run.effects = [];
    run.newTokens = [];
    run.activityTasks = [];
    run.changed.clear();
    run.removed.clear();
    for (const effect of effects) this.hands.perform(this, run, effect);
    if (run.over) await this.#ended(run);
    return true;
  }

  async #ended(run: Run): Promise<void> {
    await this.hands.ended(run);
    // After its log: a crash between the two has it run again, which "at least once" allows, and its log not missing.
    const { machine, name } = run.execution;
    if (!run.durable && (await run.ctx.table(ExpressRuns).get(machine, name)) !== undefined)
      await run.ctx.transact((tx) => tx.table(ExpressRuns).delete(machine, name));
    const arn = executionArn(run.ctx, run.execution);
    const listeners = this.#watchers.get(arn);
    this.#watchers.delete(arn);
    for (const listener of listeners ?? []) listener({ ...run.execution });
  }

  /** Timers of an express execution: the clock's own, since nothing of it is written. */
  #setTimers(run: Run, box: Mailbox): void {
    for (const cancel of box.cancelTimers.splice(0)) cancel();
    if (run.over) return;
    const { machine, name, expires } = run.execution;
    const at = (due: number | undefined, frame: number): void => {
      if (due !== undefined) box.cancelTimers.push(run.ctx.clock.at(due, () => void this.timer(run.ctx, machine, name, frame)));
    };
    at(expires, wholeExecution);
    for (const frame of run.frames.values()) at(nextTime(frame), frame.id);
  }

  /** A timer of an execution has come. */
  async timer(scope: Scope, machine: string, name: string, frame: number): Promise<void> {
    await this.post(scope, machine, name, async (run) => {
      if (frame === wholeExecution) {
        if ((run.execution.expires ?? Number.POSITIVE_INFINITY) <= run.now())
          endExecution(run, 'TIMED_OUT', new StateError(undefined));
        return;
      }
      const found = run.frames.get(frame);
      if (found !== undefined) await timeCame(run, found);
    });
  }
}

function keyOf({ account, region }: Scope, { machine, name }: { machine: string; name: string }): string {
  return `${account} ${region} ${machine} ${name}`;
}

/** One engine per cloud, found by its clock: a rebuildable cache. */
const enginesCache = new WeakMap<Clock, Engine>();

/** The engine of a context's cloud. `make` is called once. */
export function engineOf({ clock }: { clock: Clock }, make?: () => Engine): Engine {
  let engine = enginesCache.get(clock);
  if (engine === undefined || engine.closed) {
    if (make === undefined) throw runtimeError('Step Functions has not started.');
    engine = make();
    enginesCache.set(clock, engine);
  }
  return engine;
}
