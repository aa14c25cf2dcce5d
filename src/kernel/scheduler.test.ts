import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { CloudClock, type Millis } from '../base/clock.ts';
import { openLmdbStore } from '../store/lmdb/lmdb-store.ts';
import type { Store, Value } from '../store/store.ts';
import { clearAccount } from '../store/tables.ts';
import type { LogLevel } from './log.ts';
import { attemptsMax, type DueJob, type Job, patienceMillis, Scheduler } from './scheduler.ts';

const day = 86_400_000;
const realStart = 1_000_000;

/** A frozen cloud clock whose real time, too, moves only when told. */
class TestClock extends CloudClock {
  readonly #source: { real: Millis };
  readonly #pauses = new Set<{ until: Millis; resolve: () => void }>();

  constructor() {
    const source = { real: realStart };
    super({ speed: 0, cloudAnchor: 0, realAnchor: realStart }, () => source.real);
    this.#source = source;
  }

  override pause(real: Millis, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const pause = { until: this.#source.real + real, resolve };
      this.#pauses.add(pause);
      signal?.addEventListener('abort', () => {
        this.#pauses.delete(pause);
        resolve();
      });
    });
  }

  passReal(real: Millis): void {
    this.#source.real += real;
    for (const pause of [...this.#pauses]) {
      if (pause.until > this.#source.real) continue;
      this.#pauses.delete(pause);
      pause.resolve();
    }
  }

  get pausing(): number {
    return this.#pauses.size;
  }
}

/** A promise and its resolve function: holds a job until the test lets it go. */
function gate(): { open: () => void; passed: Promise<void> } {
  let open: () => void = () => undefined;
  const passed = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { open, passed };
}

let folder: string;
let store: Store;
let clock: TestClock;
let scheduler: Scheduler;
let fired: string[];
let logged: [LogLevel, string][];
let work: (job: DueJob) => Promise<void>;

function newScheduler(concurrency = 4, on = store): Scheduler {
  return new Scheduler({
    store: on,
    clock,
    concurrency,
    log: (level, message) => logged.push([level, message]),
    run: async (job) => {
      fired.push(`${job.key}@${job.due}`);
      await work(job);
    },
  });
}

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'pilvi-scheduler-'));
  store = await openLmdbStore(folder);
  clock = new TestClock();
  fired = [];
  logged = [];
  work = async () => undefined;
  scheduler = newScheduler();
});

afterEach(async () => {
  await scheduler.stop();
  await store.close();
  rmSync(folder, { recursive: true });
});

function job(key: string, due: Millis, more: Partial<Job> = {}): Job {
  return { service: 's', task: 't', account: '111111111111', region: 'r', key, due, ...more };
}

async function schedule(...jobs: Job[]): Promise<void> {
  await store.transact(async (tx) => {
    for (const one of jobs) await scheduler.schedule(tx, one);
  });
}

async function cancel(one: Job): Promise<void> {
  await store.transact((tx) => scheduler.cancel(tx, one));
}

async function advance(by: Millis): Promise<void> {
  clock.advance(by);
  await scheduler.idle();
}

describe('due jobs', () => {
  test('fire in order of due time, those of one time in order of scheduling, and not before', async () => {
    scheduler.start();
    await schedule(job('c', 30), job('a', 10), job('b', 20), job('b2', 20), job('later', 1000));
    await scheduler.idle();
    expect(fired).toEqual([]);
    await advance(30);
    expect(fired).toEqual(['a@10', 'b@20', 'b2@20', 'c@30']);
    await advance(969);
    expect(fired).toHaveLength(4);
    await advance(1);
    expect(fired.at(-1)).toBe('later@1000');
    expect(await scheduler.list()).toEqual([]);
  });

  test('get what they were scheduled with', async () => {
    const seen: DueJob[] = [];
    work = async (one) => void seen.push(one);
    const payload: Value = { a: [1, 'x'] };
    scheduler.start();
    await schedule(job('a', 5, { payload }), job('b', 6, { lane: 'l' }));
    await advance(10);
    expect(seen).toEqual([
      { ...job('a', 5), payload, lane: undefined, attempts: 0 },
      { ...job('b', 6), payload: undefined, lane: 'l', attempts: 0 },
    ]);
  });

  test('that are overdue fire at once: when scheduled so, when the scheduler starts, and after a restart', async () => {
    await schedule(job('b', 2), job('a', 1));
    clock.advance(50);
    await scheduler.idle();
    expect(fired).toEqual([]);
    scheduler.start();
    await scheduler.idle();
    expect(fired).toEqual(['a@1', 'b@2']);
    await schedule(job('c', 3));
    await scheduler.idle();
    expect(fired.at(-1)).toBe('c@3');
    await scheduler.stop();
    await schedule(job('e', 60), job('d', 55));
    clock.advance(50);
    await store.close();
    store = await openLmdbStore(folder);
    scheduler = newScheduler();
    scheduler.start();
    await scheduler.idle();
    expect(fired.slice(3)).toEqual(['d@55', 'e@60']);
  });

  test('are woken by a running clock, at any speed', async () => {
    const running = new CloudClock({ speed: 500, cloudAnchor: 0, realAnchor: performance.now() }, () => performance.now());
    const early: number[] = [];
    const fast = new Scheduler({
      store,
      clock: running,
      concurrency: 1,
      log: () => undefined,
      run: async ({ key, due }) => {
        fired.push(key);
        if (running.now() < due) early.push(due);
      },
    });
    scheduler = fast;
    fast.start();
    await schedule(job('b', 3000), job('a', 1500));
    await expect.poll(() => fired).toEqual(['a', 'b']);
    running.setSpeed(0);
    await schedule(job('c', running.now() + 10_000));
    running.advance(10_000);
    await fast.idle();
    expect(fired).toEqual(['a', 'b', 'c']);
    expect(early).toEqual([]);
  });

  test('are replaced by scheduling them again, and gone when cancelled', async () => {
    scheduler.start();
    await schedule(job('a', 10, { payload: 'old' }), job('b', 20), job('c', 30));
    await schedule(job('a', 25, { payload: 'new' }));
    await cancel(job('b', 0));
    await cancel(job('nobody', 0));
    expect((await scheduler.list()).map(({ key, due, payload }) => [key, due, payload])).toEqual([
      ['a', 25, 'new'],
      ['c', 30, undefined],
    ]);
    await schedule(job('c', 5));
    await advance(100);
    expect(fired).toEqual(['c@5', 'a@25']);
  });

  test('of other services, tasks, accounts and regions with the same key are other jobs', async () => {
    const others = [{ service: 'x' }, { task: 'x' }, { account: '222222222222' }, { region: 'x' }, {}];
    await schedule(...others.map((more) => job('a', 1, more)));
    await cancel(job('a', 1, { region: 'x' }));
    scheduler.start();
    await advance(1);
    expect(fired).toHaveLength(4);
  });

  test('are part of the transaction that schedules them', async () => {
    scheduler.start();
    const failing = store.transact(async (tx) => {
      await scheduler.schedule(tx, job('a', 0));
      throw new Error('on purpose');
    });
    await expect(failing).rejects.toThrow('on purpose');
    await scheduler.idle();
    expect(fired).toEqual([]);
    expect(await scheduler.list()).toEqual([]);
  });

  test('go with their account, also from the order of what is due', async () => {
    scheduler.start();
    await schedule(job('a', 10), job('b', 20, { account: '222222222222' }));
    await clearAccount(store, '111111111111');
    expect((await scheduler.list()).map(({ key }) => key)).toEqual(['b']);
    await advance(20);
    expect(fired).toEqual(['b@20']);
    expect(await store.count({ prefix: ['c', 'kernel.due'] })).toBe(0);
  });
});

/** The store as if it were over a network: what a scan finds arrives later. */
function lateStore(): Store {
  return {
    get: (key) => store.get(key),
    count: (range) => store.count(range),
    transact: (body) => store.transact(body),
    clear: (prefix) => store.clear(prefix),
    size: () => store.size(),
    close: () => store.close(),
    scan: async (range) => {
      const found = await store.scan(range);
      await new Promise((resolve) => setImmediate(resolve));
      return found;
    },
  };
}

test('a job that is scheduled while the scheduler looks for others is not passed over', async () => {
  scheduler = newScheduler(4, lateStore());
  await schedule(job('b', 10));
  clock.advance(20);
  scheduler.start();
  await schedule(job('a', 5));
  await scheduler.idle();
  expect([...fired].sort()).toEqual(['a@5', 'b@10']);
});

describe('jobs at once', () => {
  test('are at most as many as allowed, and one job never overlaps with itself', async () => {
    const gates = new Map(['a', 'b', 'c'].map((key) => [key, gate()]));
    await scheduler.stop();
    scheduler = newScheduler(2);
    work = async ({ key }) => gates.get(key)?.passed;
    scheduler.start();
    await schedule(job('a', 0), job('b', 0), job('c', 0));
    await expect.poll(() => fired).toEqual(['a@0', 'b@0']);
    await schedule(job('a', 0, { payload: 'again' }));
    gates.get('b')?.open();
    await expect.poll(() => fired).toEqual(['a@0', 'b@0', 'c@0']);
    gates.get('c')?.open();
    await expect.poll(async () => (await scheduler.list()).map(({ key }) => key)).toEqual(['a']);
    expect(fired).toHaveLength(3);
    gates.get('a')?.open();
    await scheduler.idle();
    expect(fired).toEqual(['a@0', 'b@0', 'c@0', 'a@0']);
    expect(await scheduler.list()).toEqual([]);
  });

  test('of one lane fire one after the other, in order of due time', async () => {
    const gates = new Map(['a', 'b'].map((key) => [key, gate()]));
    work = async ({ key }) => gates.get(key)?.passed;
    scheduler.start();
    await schedule(job('b', 0, { lane: 'l' }), job('other', 0), job('a', 0, { lane: 'l' }), job('c', 0, { lane: 'l' }));
    await expect.poll(() => fired).toEqual(['b@0', 'other@0']);
    gates.get('b')?.open();
    await expect.poll(() => fired).toEqual(['b@0', 'other@0', 'a@0']);
    gates.get('a')?.open();
    await scheduler.idle();
    expect(fired.at(-1)).toBe('c@0');
  });

  test('one that is cancelled while it runs ends, and is not tried again when it fails', async () => {
    const { open, passed } = gate();
    work = async () => {
      await passed;
      throw new Error('on purpose');
    };
    scheduler.start();
    await schedule(job('a', 0));
    await expect.poll(() => fired).toEqual(['a@0']);
    await cancel(job('a', 0));
    open();
    await scheduler.idle();
    clock.passReal(day);
    await scheduler.idle();
    expect(fired).toEqual(['a@0']);
    expect(await scheduler.list()).toEqual([]);
    expect(await scheduler.failures()).toEqual([]);
  });

  test('one that is scheduled anew after everything was reset under it runs again', async () => {
    const { open, passed } = gate();
    work = () => passed;
    scheduler.start();
    await schedule(job('a', 0));
    await expect.poll(() => fired).toEqual(['a@0']);
    await store.clear([]);
    await schedule(job('a', 0));
    open();
    await scheduler.idle();
    expect(fired).toEqual(['a@0', 'a@0']);
  });

  test('stop lets the running ones end and starts no more', async () => {
    const { open, passed } = gate();
    work = () => passed;
    scheduler.start();
    await schedule(job('a', 0));
    await expect.poll(() => fired).toEqual(['a@0']);
    await schedule(job('b', 10));
    const stopped = scheduler.stop();
    const rested = scheduler.idle();
    clock.advance(10);
    open();
    await stopped;
    await rested;
    expect(fired).toEqual(['a@0']);
    expect((await scheduler.list()).map(({ key }) => key)).toEqual(['b']);
    expect(clock.pausing).toBe(0);
  });
});

describe('a jump of the clock', () => {
  /** Schedules itself a day later, as a periodic task does. */
  const daily = async (one: DueJob) => {
    if (one.key === 'daily') await schedule(job('daily', one.due + day));
  };

  test('of 30 days runs a daily job 30 times, each in its place between the others', async () => {
    work = daily;
    scheduler.start();
    const others = [0.5, 3.5, 3.6, 10, 29.9].map((days) => job(`once ${days}`, days * day));
    await schedule(job('daily', day), ...others);
    await advance(30 * day);
    const dues = fired.map((line) => Number(line.split('@')[1]));
    expect(dues).toEqual([...dues].sort((a, b) => a - b));
    expect(fired.filter((line) => line.startsWith('daily'))).toEqual(
      Array.from({ length: 30 }, (_, i) => `daily@${(i + 1) * day}`),
    );
    expect(fired).toHaveLength(35);
    expect((await scheduler.list()).map(({ due }) => due)).toEqual([31 * day]);
  });

  test('lets a later job wait for an earlier one that runs, but not for ever', async () => {
    const { open, passed } = gate();
    work = async ({ key }) => (key === 'slow' ? passed : undefined);
    scheduler.start();
    await schedule(job('slow', day), job('later', 2 * day));
    clock.advance(2 * day);
    await expect.poll(() => clock.pausing).toBe(1);
    expect(fired).toEqual([`slow@${day}`]);
    clock.passReal(patienceMillis - 1);
    await new Promise((resolve) => setImmediate(resolve));
    expect(fired).toEqual([`slow@${day}`]);
    clock.passReal(1);
    await expect.poll(() => fired).toEqual([`slow@${day}`, `later@${2 * day}`]);
    open();
    await scheduler.idle();
  });

  test('is needed for that: in the ordinary course of time a slow job holds up nobody', async () => {
    const { open, passed } = gate();
    work = async ({ key }) => (key === 'slow' ? passed : undefined);
    scheduler.start();
    await schedule(job('slow', 100), job('later', 105));
    clock.advance(100);
    await expect.poll(() => fired).toEqual(['slow@100']);
    clock.passReal(5);
    clock.advance(5);
    await expect.poll(() => fired).toEqual(['slow@100', 'later@105']);
    open();
    await scheduler.idle();
  });
});

describe('a job that fails', () => {
  test('is tried again after pauses that grow, then given up, and each is recorded and logged', async () => {
    const attempts: number[] = [];
    work = async (one) => {
      attempts.push(one.attempts);
      throw new Error('on purpose');
    };
    scheduler.start();
    await schedule(job('a', 0));
    await scheduler.idle();
    expect(attempts).toEqual([0]);
    for (let pause = 100; attempts.length < attemptsMax; pause *= 2) {
      clock.passReal(pause - 1);
      await scheduler.idle();
      const before = attempts.length;
      expect((await scheduler.list()).map((one) => one.attempts)).toEqual([before]);
      clock.passReal(1);
      await scheduler.idle();
      expect(attempts).toHaveLength(before + 1);
    }
    expect(attempts).toEqual(Array.from({ length: attemptsMax }, (_, i) => i));
    expect(await scheduler.list()).toEqual([]);
    expect(await scheduler.failures()).toMatchObject([{ ...job('a', 0), attempts: attemptsMax, error: 'Error: on purpose' }]);
    expect(logged.map(([level]) => level)).toEqual([...Array.from({ length: attemptsMax - 1 }, () => 'warn'), 'error']);
    expect(await scheduler.tasks()).toEqual([
      { service: 's', task: 't', runs: 0, failures: attemptsMax, lastError: 'Error: on purpose' },
    ]);
    clock.passReal(day);
    await scheduler.idle();
    expect(attempts).toHaveLength(attemptsMax);
    work = async () => undefined;
    await schedule(job('a', 7));
    await advance(7);
    expect(await scheduler.failures()).toEqual([]);
    expect(await scheduler.tasks()).toMatchObject([{ runs: 1, lastDue: 7, lastDone: 7 }]);
  });

  test('keeps its count of attempts over a restart, and is tried at once then', async () => {
    work = async () => {
      throw new Error('on purpose');
    };
    scheduler.start();
    await schedule(job('a', 0));
    await scheduler.idle();
    await scheduler.stop();
    const attempts: number[] = [];
    work = async (one) => void attempts.push(one.attempts);
    scheduler = newScheduler();
    scheduler.start();
    await scheduler.idle();
    expect(attempts).toEqual([1]);
    expect(await scheduler.list()).toEqual([]);
  });

  test('holds up its lane and nobody else', async () => {
    let broken = true;
    work = async ({ key }) => {
      if (key === 'a' && broken) throw new Error('on purpose');
    };
    scheduler.start();
    await schedule(job('a', 0, { lane: 'l' }), job('b', 0, { lane: 'l' }), job('c', 0));
    await scheduler.idle();
    expect(fired).toEqual(['a@0', 'c@0']);
    broken = false;
    clock.passReal(100);
    await scheduler.idle();
    expect(fired).toEqual(['a@0', 'c@0', 'a@0', 'b@0']);
  });
});

describe('a crash', () => {
  /** The process dies with its store; what follows is another process. */
  async function restart(): Promise<void> {
    store = await openLmdbStore(folder);
    scheduler = newScheduler();
    scheduler.start();
    await scheduler.idle();
  }

  test('between the work and the removal of the row makes the job run again', async () => {
    work = async () => {
      if (fired.length === 1) await store.close();
    };
    scheduler.start();
    await schedule(job('a', 0));
    await expect(scheduler.idle()).rejects.toThrow('closed');
    await scheduler.stop();
    expect(logged).toContainEqual(['error', 'The end of a job could not be recorded; it will run again.']);
    await restart();
    expect(fired).toEqual(['a@0', 'a@0']);
    expect(await scheduler.list()).toEqual([]);
  });

  test('does not run a job again that took itself back in the transaction of its work', async () => {
    work = async (one) => {
      await store.transact(async (tx) => {
        await tx.put(['work'], 'done');
        await scheduler.cancel(tx, one);
      });
      await store.close();
    };
    scheduler.start();
    await schedule(job('a', 0));
    await expect(scheduler.idle()).rejects.toThrow('closed');
    await scheduler.stop();
    await restart();
    expect(fired).toEqual(['a@0']);
    expect(await store.get(['work'])).toBe('done');
  });
});

describe('any history', () => {
  type Step =
    | { schedule: string; in: number; every: number; times: number }
    | { cancel: string }
    | { advance: number }
    | { restart: true };
  const key = fc.constantFrom('a', 'b', 'c', 'd', 'e');
  const step: fc.Arbitrary<Step> = fc.oneof(
    {
      weight: 5,
      arbitrary: fc.record({ schedule: key, in: fc.nat({ max: 20 }), every: fc.nat({ max: 8 }), times: fc.nat({ max: 4 }) }),
    },
    { weight: 1, arbitrary: fc.record({ cancel: key }) },
    { weight: 3, arbitrary: fc.record({ advance: fc.nat({ max: 30 }) }) },
    { weight: 1, arbitrary: fc.constant<Step>({ restart: true }) },
  );

  interface Waiting {
    key: string;
    due: Millis;
    every: number;
    times: number;
  }

  /** What must fire until `now`, in order: always the earliest, of those the one scheduled first. */
  function fireInModel(model: Waiting[], now: Millis): string[] {
    const lines: string[] = [];
    for (;;) {
      const earliest = Math.min(...model.map(({ due }) => due));
      if (!(earliest <= now)) return lines;
      const [next] = model.splice(
        model.findIndex(({ due }) => due === earliest),
        1,
      );
      lines.push(`${next!.key}@${next!.due}`);
      if (next!.times > 0) model.push({ ...next!, due: next!.due + next!.every, times: next!.times - 1 });
    }
  }

  test('of scheduling, replacing, cancelling, jumping and restarting fires what a plain list would', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 30 }), fc.integer({ min: 1, max: 3 }), async (steps, concurrency) => {
        await scheduler.stop();
        await store.clear([]);
        scheduler = newScheduler(concurrency);
        scheduler.start();
        work = async ({ key: of, due, payload }) => {
          const { every, times } = payload as { every: number; times: number };
          if (times > 0) await schedule(job(of, due + every, { payload: { every, times: times - 1 } }));
        };
        const model: Waiting[] = [];
        for (const one of steps) {
          fired = [];
          if ('schedule' in one) {
            const { every, times } = one;
            const due = clock.now() + one.in;
            await schedule(job(one.schedule, due, { payload: { every, times } }));
            const old = model.findIndex((waiting) => waiting.key === one.schedule);
            if (old >= 0) model.splice(old, 1);
            model.push({ key: one.schedule, due, every, times });
          } else if ('cancel' in one) {
            await cancel(job(one.cancel, 0));
            const old = model.findIndex((waiting) => waiting.key === one.cancel);
            if (old >= 0) model.splice(old, 1);
          } else if ('advance' in one) clock.advance(one.advance);
          else {
            await scheduler.stop();
            scheduler = newScheduler(concurrency);
            scheduler.start();
          }
          await scheduler.idle();
          expect(fired).toEqual(fireInModel(model, clock.now()));
          expect((await scheduler.list()).map(({ key: of, due }) => `${of}@${due}`).sort()).toEqual(
            model.map(({ key: of, due }) => `${of}@${due}`).sort(),
          );
        }
      }),
      { numRuns: 150, seed: 30 },
    );
  });
});
