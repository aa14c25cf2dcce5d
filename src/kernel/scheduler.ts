/**
 * The scheduler: waiting is a row with a due time. Nothing in the process remembers what is to come, so a restart after 30 days, a clock that was moved and
 * an ordinary second are one path: look for rows that are due, fire them in order, remove each when it has succeeded.
 *
 * A job is known by (service, task, account, region, key); scheduling it again replaces it. The job row lies in its account and region, so a reset
 * of the account takes it along; 'kernel.due' orders all jobs of the cloud by (due, sequence) and points at them. A pointer without
 * its job is swept up when it is met.
 *
 * **Once in effect.** The row goes in one transaction with the mark that the task ran, after `run` has resolved. A crash in between, or a
 * transaction that fails, runs the job again: at least once. A task whose work is one transaction makes that exactly once by scheduling or
 * cancelling itself inside it. A failing job is tried again after a pause of real time, with `attempts` counted in its row; the last failure
 * leaves the row behind as given up, for `failures()` and the log.
 *
 * **Order.** Jobs start in order of due time, up to `concurrency` at once. Jobs of one lane (`lane`, or the job itself) never overlap, and a
 * failing one holds up its lane. Across lanes a later job waits for earlier ones still running as long as it would have waited had the clock
 * not jumped, though never more than `patienceMillis`: after a jump of 30 days a job that schedules itself daily runs 30 times in its place
 * between the others, and yet a job that takes minutes holds up nobody in real time. Rejected: strict order (one slow job stops the cloud), and
 * no order across lanes (histories after a jump would be impossible ones).
 */
import type { Clock, Millis } from '../base/clock.ts';
import type { Store, StoreReader, StoreTransaction, Value } from '../store/store.ts';
import { defineTable, listAllScopes, scopedReader, scopedWriter } from '../store/tables.ts';
import { describeError, type Log } from './log.ts';

/** Attempts of a failing job before it is given up, and the pauses between: 0.1, 0.2, … 12.8 s of real time. */
export const attemptsMax = 9;
const firstPauseMillis = 100;
/** How long, in real time, a later job waits for an earlier one of another lane. */
export const patienceMillis = 1000;
/** Due rows looked at in one go. */
const pageRows = 32;

export interface JobIdentity {
  service: string;
  task: string;
  account: string;
  region: string;
  key: string;
}

export interface Job extends JobIdentity {
  /** Cloud time at which to fire. */
  due: Millis;
  payload?: Value | undefined;
  /** Jobs of one lane within a service, account and region fire one after the other. Default: every job is a lane of its own. */
  lane?: string | undefined;
  /** It looks at how things stand, again and again, and catches up by itself: time that is being moved does not stop for each of its looks. */
  watch?: boolean | undefined;
}

export interface DueJob extends Job {
  /** Attempts that have failed. */
  attempts: number;
}

/** A job whose last attempt failed. */
export interface FailedJob extends DueJob {
  error: string;
}

interface JobRow extends DueJob {
  sequence: number;
  /** Of the last failed attempt. */
  error?: string;
  givenUp?: boolean;
}

interface DueRow extends JobIdentity {
  due: Millis;
  sequence: number;
  watch?: boolean;
}

/** What is due next, of what comes before some time. */
export interface Upcoming {
  /** The first job after the present that is no watch. */
  job: Millis;
  /** The first watch, those that are held back included. */
  watch: Millis;
}

/** Key of a pointer. */
type DuePosition = readonly [due: Millis, sequence: number];
const beforeAll: DuePosition = [Number.NEGATIVE_INFINITY, 0];

/** The done mark: what `pilvi inspect` shows of a task. */
export interface TaskRecord {
  service: string;
  task: string;
  runs: number;
  failures: number;
  /** Due time of the last job that succeeded, and cloud time when it had. */
  lastDue?: Millis;
  lastDone?: Millis;
  lastError?: string;
}

const Jobs = defineTable<JobRow>()({ name: 'kernel.jobs', scope: 'region', key: (row) => [row.service, row.task, row.key] });
const Due = defineTable<DueRow>()({ name: 'kernel.due', scope: 'cloud', key: (row) => [row.due, row.sequence] });
const Tasks = defineTable<TaskRecord>()({ name: 'kernel.tasks', scope: 'cloud', key: (row) => [row.service, row.task] });
const Sequences = defineTable<{ last: number }>()({ name: 'kernel.sequences', scope: 'cloud', key: () => ['jobs'] });

const cloud = { account: '', region: '' };

export interface SchedulerOptions {
  store: Store;
  clock: Clock;
  /** Does the job's work. May be called again for the same job after a failure or a crash. */
  run: (job: DueJob) => Promise<void>;
  /** Jobs that must wait though they are due, because what would do them is down; `look` when that may have changed. Default: none. */
  stands?: ((job: JobIdentity) => boolean) | undefined;
  /** Most jobs at once. */
  concurrency: number;
  log: Log;
}

interface RunningJob {
  due: Millis;
  startedReal: Millis;
  done: Promise<void>;
}

export class Scheduler {
  readonly #options: SchedulerOptions;
  /** By lane. */
  readonly #running = new Map<string, RunningJob>();
  /** Real time before which a failed job is not tried again, by sequence. */
  readonly #retryAt = new Map<number, Millis>();
  #lastSequence = 0;
  /** No pointer is before this place. Spares each look the way over the deleted ones, which a store may have to step over. */
  #first: DuePosition = beforeAll;
  /** Counts schedulings, to see whether one came between a read and its answer. */
  #scheduled = 0;
  #started = false;
  #looking = false;
  #lookAgain = false;
  #watchesHeld = false;
  #idlers: { resolve: () => void; reject: (error: unknown) => void }[] = [];
  /** The next wake-up by cloud time. */
  #wakeDue = Number.POSITIVE_INFINITY;
  #cancelWake: () => void = () => undefined;
  /** Ends the wait in real time, when there is one. */
  #pause: AbortController | undefined;

  constructor(options: SchedulerOptions) {
    this.#options = options;
  }

  /** Puts a job into the transaction; an earlier one of the same identity is replaced, also while it runs (then it runs once more). */
  async schedule(tx: StoreTransaction, job: Job): Promise<void> {
    await this.#unlink(tx, job);
    const { service, task, account, region, key, due, payload, lane } = job;
    const identity = { service, task, account, region, key };
    const watch = job.watch === true ? { watch: true } : {};
    const sequence = await this.#nextSequence(tx);
    await scopedWriter(tx, Jobs, job).put({ ...identity, ...watch, due, payload, lane, sequence, attempts: 0 });
    await scopedWriter(tx, Due, cloud).put({ ...identity, ...watch, due, sequence });
    tx.afterCommit(() => {
      this.#scheduled++;
      if (isBefore([due, sequence], this.#first)) this.#first = [due, sequence];
      if (due < this.#wakeDue) this.#look();
    });
  }

  /** Takes a job back; nothing happens when there is none. One that runs already runs to its end. */
  async cancel(tx: StoreTransaction, job: JobIdentity): Promise<void> {
    if (await this.#unlink(tx, job)) await scopedWriter(tx, Jobs, job).delete(job.service, job.task, job.key);
  }

  /** Begins to fire, with what is overdue. */
  start(): void {
    this.#started = true;
    this.#first = beforeAll;
    this.#look();
  }

  /** Starts no more jobs and resolves when the running ones have ended. */
  async stop(): Promise<void> {
    this.#started = false;
    this.#cancelWake();
    this.#wakeDue = Number.POSITIVE_INFINITY;
    this.#pause?.abort();
    while (this.#running.size > 0) await Promise.all([...this.#running.values()].map((running) => running.done));
    this.#rest();
  }

  /**
   * Resolves when everything that is due now, and what that has made due now, has been fired and has ended. A job that failed counts as
   * fired; it is tried again later, in real time. Resolves at once when not started. Rejects when the store cannot be read.
   */
  idle(): Promise<void> {
    if (!this.#started) return Promise.resolve();
    return new Promise((resolve, reject) => {
      this.#idlers.push({ resolve, reject });
      this.#look();
    });
  }

  /** Something runs, or is being looked for. */
  get busy(): boolean {
    return this.#running.size > 0 || this.#looking;
  }

  /** Whether watches that are due wait until they are let go: while time is being moved, they look at some of its stops only. */
  holdWatches(held: boolean): void {
    this.#watchesHeld = held;
    if (!held) this.#look();
  }

  /** What stood may go on. */
  look(): void {
    this.#look();
  }

  /** What is due next, up to a time; Infinity for what there is not. */
  async upcoming(until: Millis): Promise<Upcoming> {
    const { clock, stands } = this.#options;
    const now = clock.now();
    const reader = scopedReader(this.#options.store, Due, cloud);
    const found: Upcoming = { job: Number.POSITIVE_INFINITY, watch: Number.POSITIVE_INFINITY };
    let after: DuePosition = [this.#first[0], this.#first[1] - 1];
    for (;;) {
      const page = await reader.list({ after, before: [until, Number.POSITIVE_INFINITY], limit: pageRows });
      for (const row of page) {
        if (stands?.(row) === true) continue;
        if (row.watch === true) found.watch = Math.min(found.watch, row.due);
        else if (row.due > now) return { ...found, job: row.due };
      }
      const last = page.at(-1);
      if (page.length < pageRows || last === undefined) return found;
      after = [last.due, last.sequence];
    }
  }

  /** Jobs that wait, in order of due time, those that run now included. */
  async list(): Promise<DueJob[]> {
    const jobs: DueJob[] = [];
    for (const due of await scopedReader(this.#options.store, Due, cloud).list()) {
      const row = await this.#jobOf(due);
      if (row !== undefined) jobs.push(publicJob(row));
    }
    return jobs;
  }

  /** Jobs that were given up, with their last error. One leaves the list when it is scheduled again. */
  async failures(): Promise<FailedJob[]> {
    const rows = await listAllScopes(this.#options.store, Jobs);
    return rows.filter(({ row }) => row.givenUp).map(({ row }) => ({ ...publicJob(row), error: row.error ?? '' }));
  }

  /** What each task has done so far, by service and task. */
  tasks(): Promise<TaskRecord[]> {
    return scopedReader(this.#options.store, Tasks, cloud).list();
  }

  /** Removes the pointer to a job; false when there is no such job. */
  async #unlink(tx: StoreTransaction, { service, task, account, region, key }: JobIdentity): Promise<boolean> {
    const old = await scopedReader(tx, Jobs, { account, region }).get(service, task, key);
    if (old === undefined) return false;
    await scopedWriter(tx, Due, cloud).delete(old.due, old.sequence);
    return true;
  }

  /** Never given twice, also when the store has been emptied meanwhile: a running job is told from its successor by it. */
  async #nextSequence(tx: StoreTransaction): Promise<number> {
    const sequences = scopedWriter(tx, Sequences, cloud);
    const stored = await sequences.get('jobs');
    this.#lastSequence = Math.max(this.#lastSequence, stored?.last ?? 0) + 1;
    await sequences.put({ last: this.#lastSequence });
    return this.#lastSequence;
  }

  /** The job that a pointer means; undefined when that has been cleared away or replaced. */
  async #jobOf(due: DueRow, reader: StoreReader = this.#options.store): Promise<JobRow | undefined> {
    const row = await scopedReader(reader, Jobs, due).get(due.service, due.task, due.key);
    return row?.sequence === due.sequence ? row : undefined;
  }

  /** Looks for due jobs, once more when asked while looking. */
  #look(): void {
    this.#lookAgain = true;
    if (this.#looking || !this.#started) return;
    this.#looking = true;
    void this.#lookUntilStill();
  }

  async #lookUntilStill(): Promise<void> {
    try {
      while (this.#lookAgain && this.#started) {
        this.#lookAgain = false;
        const waitMillis = await this.#startDue();
        if (this.#running.size === 0 && !this.#lookAgain) this.#rest();
        this.#lookAfter(waitMillis);
      }
    } catch (error) {
      this.#options.log('error', 'The scheduler cannot read its rows.', { error });
      for (const { reject } of this.#idlers.splice(0)) reject(error);
      this.#lookAfter(patienceMillis);
    } finally {
      this.#looking = false;
    }
  }

  /** Starts what may start. Returns the real milliseconds after which there may be more, if nothing else happens. */
  async #startDue(): Promise<Millis> {
    const { store, clock, concurrency, stands } = this.#options;
    const now = clock.now();
    const reader = scopedReader(store, Due, cloud);
    const taken = new Set(this.#running.keys());
    let waitMillis = Number.POSITIVE_INFINITY;
    const nowEnd: DuePosition = [now, Number.POSITIVE_INFINITY];
    let after: DuePosition = [this.#first[0], this.#first[1] - 1];
    for (let first = true; ; first = false) {
      const scheduled = this.#scheduled;
      const page = await reader.list({ after, before: nowEnd, limit: pageRows });
      if (first && scheduled === this.#scheduled) this.#first = page[0] ? [page[0].due, page[0].sequence] : nowEnd;
      for (const due of page) {
        if (this.#running.size >= concurrency || !this.#started) return waitMillis;
        if ((due.watch === true && this.#watchesHeld) || stands?.(due) === true) continue;
        const job = await this.#jobOf(due);
        if (job === undefined) {
          await this.#sweep(due);
          continue;
        }
        const lane = laneOf(job);
        if (taken.has(lane)) continue;
        taken.add(lane);
        const retryMillis = (this.#retryAt.get(job.sequence) ?? 0) - clock.realNow();
        if (retryMillis > 0) {
          waitMillis = Math.min(waitMillis, retryMillis);
          continue;
        }
        const holdMillis = this.#holdMillis(job.due);
        if (holdMillis > 0) return Math.min(waitMillis, holdMillis);
        this.#start(job, lane);
      }
      const last = page.at(-1);
      if (page.length < pageRows || last === undefined) break;
      after = [last.due, last.sequence];
    }
    await this.#wakeForNext(nowEnd);
    return waitMillis;
  }

  /** Real milliseconds for which a job due then still waits for earlier ones that run. */
  #holdMillis(due: Millis): Millis {
    const now = this.#options.clock.realNow();
    let hold = 0;
    for (const running of this.#running.values()) {
      const patience = Math.min(due - running.due, patienceMillis);
      hold = Math.max(hold, running.startedReal + patience - now);
    }
    return hold;
  }

  /** Sets the wake-up for the first job that is due later. */
  async #wakeForNext(after: DuePosition): Promise<void> {
    const { store, clock } = this.#options;
    const [next] = await scopedReader(store, Due, cloud).list({ after, limit: 1 });
    this.#cancelWake();
    this.#wakeDue = next?.due ?? Number.POSITIVE_INFINITY;
    if (next === undefined || !this.#started) return;
    const wake = (): void => {
      this.#wakeDue = Number.POSITIVE_INFINITY;
      this.#look();
    };
    // Who moves the clock asks for what is due here, so this is no stop of its own.
    this.#cancelWake = clock.at(next.due, wake, 'passing');
  }

  /** Looks again after a pause of real time; replaces the pause before. */
  #lookAfter(realMillis: Millis): void {
    this.#pause?.abort();
    this.#pause = undefined;
    if (!Number.isFinite(realMillis) || !this.#started) return;
    const pause = new AbortController();
    this.#pause = pause;
    void this.#options.clock.pause(Math.max(1, Math.ceil(realMillis)), pause.signal).then(() => {
      if (!pause.signal.aborted) this.#look();
    });
  }

  #start(job: JobRow, lane: string): void {
    const done = this.#fire(job).finally(() => {
      this.#running.delete(lane);
      this.#look();
    });
    this.#running.set(lane, { due: job.due, startedReal: this.#options.clock.realNow(), done });
  }

  /** Runs a job and records how it went. Never rejects. */
  async #fire(job: JobRow): Promise<void> {
    const { store, log, run } = this.#options;
    let failure: { error: unknown } | undefined;
    try {
      await run(publicJob(job));
    } catch (error) {
      failure = { error };
    }
    try {
      await store.transact((tx) => (failure === undefined ? this.#succeeded(tx, job) : this.#failed(tx, job, failure.error)));
      if (failure === undefined) this.#retryAt.delete(job.sequence);
    } catch (error) {
      this.#retryLater(job.sequence, job.attempts);
      log('error', 'The end of a job could not be recorded; it will run again.', { ...identityOf(job), error });
    }
  }

  async #succeeded(tx: StoreTransaction, job: JobRow): Promise<void> {
    const { service, task, key, due } = job;
    if ((await this.#jobOf(job, tx)) !== undefined) {
      await scopedWriter(tx, Jobs, job).delete(service, task, key);
      await scopedWriter(tx, Due, cloud).delete(due, job.sequence);
    }
    const tasks = scopedWriter(tx, Tasks, cloud);
    const record = (await tasks.get(service, task)) ?? { service, task, runs: 0, failures: 0 };
    await tasks.put({ ...record, runs: record.runs + 1, lastDue: due, lastDone: this.#options.clock.now() });
  }

  async #failed(tx: StoreTransaction, job: JobRow, error: unknown): Promise<void> {
    const { service, task, due, sequence } = job;
    const { log } = this.#options;
    const attempts = job.attempts + 1;
    const givenUp = attempts >= attemptsMax;
    const text = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
    if ((await this.#jobOf(job, tx)) !== undefined) {
      await scopedWriter(tx, Jobs, job).put({ ...job, attempts, error: text, givenUp });
      if (givenUp) await scopedWriter(tx, Due, cloud).delete(due, sequence);
    }
    const tasks = scopedWriter(tx, Tasks, cloud);
    const record = (await tasks.get(service, task)) ?? { service, task, runs: 0, failures: 0 };
    await tasks.put({ ...record, failures: record.failures + 1, lastError: text });
    tx.afterCommit(() => {
      if (givenUp) this.#retryAt.delete(sequence);
      else this.#retryLater(sequence, attempts);
      const message = givenUp ? 'A job failed for the last time and is given up.' : 'A job failed and will be tried again.';
      log(givenUp ? 'error' : 'warn', message, { ...identityOf(job), attempts, error: describeError(error) });
    });
  }

  #retryLater(sequence: number, attempts: number): void {
    const pause = firstPauseMillis * 2 ** Math.max(0, attempts - 1);
    this.#retryAt.set(sequence, this.#options.clock.realNow() + pause);
  }

  /** Removes a pointer whose job is gone (its account was reset) or has another pointer. */
  async #sweep(due: DueRow): Promise<void> {
    await this.#options.store.transact(async (tx) => {
      if ((await this.#jobOf(due, tx)) === undefined) await scopedWriter(tx, Due, cloud).delete(due.due, due.sequence);
    });
  }

  #rest(): void {
    for (const { resolve } of this.#idlers.splice(0)) resolve();
  }
}

function isBefore(a: DuePosition, b: DuePosition): boolean {
  return a[0] < b[0] || (a[0] === b[0] && a[1] < b[1]);
}

function laneOf({ service, task, account, region, key, lane }: Job): string {
  return JSON.stringify(lane === undefined ? [service, account, region, task, key] : [service, account, region, lane]);
}

function identityOf({ service, task, account, region, key }: JobIdentity): JobIdentity {
  return { service, task, account, region, key };
}

function publicJob(row: JobRow): DueJob {
  return { ...identityOf(row), due: row.due, payload: row.payload, lane: row.lane, attempts: row.attempts };
}
