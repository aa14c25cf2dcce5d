import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { CloudClock, type Millis } from '../base/clock.ts';
import { openLmdbStore } from '../store/lmdb/lmdb-store.ts';
import type { Store } from '../store/store.ts';
import { Activity } from './activity.ts';
import { ClockMover, readClock } from './clock-mover.ts';
import { Reconcilers } from './reconcile.ts';
import { Recorder } from './recorder.ts';
import { type DueJob, Scheduler } from './scheduler.ts';

const day = 86_400_000;
const log = (): void => undefined;

/** What moves time, over a store, with a task of the test's own. Real time stands still, so every time is exact. */
class Bench {
  readonly clock: CloudClock;
  readonly scheduler: Scheduler;
  readonly activity = new Activity();
  readonly mover: ClockMover;
  readonly store: Store;
  run: (job: DueJob) => Promise<void> = async () => undefined;

  constructor(store: Store, saved: Awaited<ReturnType<typeof readClock>>, real: () => Millis) {
    this.store = store;
    this.clock = new CloudClock(saved ?? { speed: 1, cloudAnchor: 0, realAnchor: real() }, real);
    const { clock, activity } = this;
    this.scheduler = new Scheduler({ store, clock, concurrency: 8, log, run: (job) => this.run(job) });
    const reconcilers = new Reconcilers(clock, log, () => {
      throw new Error('There are no reconcilers here.');
    });
    const recorder = new Recorder(store, clock, log);
    this.mover = new ClockMover({ store, clock, scheduler: this.scheduler, reconcilers, activity, recorder });
    this.scheduler.start();
  }

  schedule(key: string, due: Millis, more: Partial<DueJob> = {}): Promise<void> {
    return this.store.transact((tx) =>
      this.scheduler.schedule(tx, { service: 's', task: 't', account: '1', region: 'r', key, due, ...more }),
    );
  }
}

let folder: string;
let store: Store;
let bench: Bench;
let real: Millis;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'pilvi-mover-'));
  store = await openLmdbStore(folder);
  real = 1_000_000;
  bench = new Bench(store, undefined, () => real);
});

afterEach(async () => {
  await bench.scheduler.stop();
  await store.close();
  rmSync(folder, { recursive: true });
});

/** Has each job begin the next wait of its chain, and writes down when it fired. */
function chains(of: Bench, waits: ReadonlyMap<string, readonly Millis[]>, seen: [string, number, Millis][]): void {
  of.run = async ({ key, payload }) => {
    const link = Number(payload ?? 0);
    seen.push([key, link, of.clock.now()]);
    const wait = waits.get(key)?.[link + 1];
    if (wait !== undefined) await of.schedule(key, of.clock.now() + wait, { payload: link + 1 });
  };
}

describe('an advance', () => {
  test('stops wherever something is due, and what begins there counts from there', async () => {
    const seen: [string, number, Millis][] = [];
    chains(bench, new Map([['a', [3_600_000, 3_600_000, 60_000]]]), seen);
    await bench.schedule('a', 3_600_000);
    const { stops, grainMillis, unsettled } = await bench.mover.advance(7_300_000);
    expect(seen).toEqual([
      ['a', 0, 3_600_000],
      ['a', 1, 7_200_000],
      ['a', 2, 7_260_000],
    ]);
    expect({ stops, grainMillis, unsettled, now: bench.clock.now() }).toEqual({
      ...{ stops: 4, grainMillis: 0, unsettled: 0 },
      now: 7_300_000,
    });
  });

  test('stops for those who wait for the clock itself, and not for those who would only give up', async () => {
    const woken: Millis[] = [];
    const wait = (left: number): void => {
      bench.clock.at(bench.clock.now() + 1000, () => {
        woken.push(bench.clock.now());
        if (left > 1) wait(left - 1);
      });
    };
    wait(3);
    bench.clock.at(500, () => woken.push(-bench.clock.now()), 'passing');
    await bench.mover.advance(10_000);
    expect(woken).toEqual([-1000, 1000, 2000, 3000]);
  });

  test('waits for work under way before it goes on, and not for ever', async () => {
    const order: string[] = [];
    bench.run = async ({ key }) => {
      order.push(key);
      const work = bench.clock.pause(30).then(() => {
        order.push(`${key} done at ${bench.clock.now()}`);
      });
      void bench.activity.track(work);
    };
    await bench.schedule('a', 1000);
    await bench.schedule('b', 2000);
    await bench.mover.advance(3000);
    expect(order).toEqual(['a', 'a done at 1000', 'b', 'b done at 2000']);
  });

  test('adds its amount and no less, whatever real time it takes', async () => {
    bench.run = async () => {
      real += 700;
    };
    await bench.schedule('a', 1000);
    await bench.mover.advance(5000);
    expect(bench.clock.now()).toBe(5700);
    expect(bench.clock.state.speed).toBe(1);
  });

  test('of a frozen clock leaves it frozen; one that no clock can do changes nothing', async () => {
    await bench.mover.setSpeed(0);
    await bench.mover.advance(5000);
    real += 1000;
    expect([bench.clock.now(), bench.clock.state.speed]).toEqual([5000, 0]);
    await expect(bench.mover.advance(-1)).rejects.toThrow('The clock only moves forward.');
    await expect(bench.mover.advance(1e300)).rejects.toThrow('The clock ends with the year 9999.');
    await expect(bench.mover.setSpeed(-1)).rejects.toThrow('Speed must be zero or positive.');
    expect([bench.clock.now(), bench.clock.state.speed, bench.clock.heading]).toEqual([5000, 0, 5000]);
  });

  test('has a bound of stops, and says so; jobs keep the times at which they were due', async () => {
    const seen: Millis[] = [];
    bench.run = async ({ due }) => void seen.push(due);
    const dues = Array.from({ length: 2500 }, (_, index) => 34_000 * (index + 1));
    await store.transact(async (tx) => {
      for (const due of dues)
        await bench.scheduler.schedule(tx, { service: 's', task: 't', account: '1', region: 'r', key: String(due), due });
    });
    const { stops, grainMillis } = await bench.mover.advance(day);
    expect(seen.sort((a, b) => a - b)).toEqual(dues);
    expect(stops).toBeLessThanOrEqual(2001);
    expect(grainMillis).toBeGreaterThan(34_000);
    expect(grainMillis).toBeLessThan(120_000);
  });

  test('has watches look sixty times, however long it is', async () => {
    const seen: Millis[] = [];
    bench.run = async ({ key }) => {
      seen.push(bench.clock.now());
      await bench.schedule(key, bench.clock.now() + 10_000, { watch: true });
    };
    await bench.schedule('w', 10_000, { watch: true });
    await bench.mover.advance(600_000);
    expect(seen.slice(0, 3)).toEqual([10_000, 20_000, 30_000]);
    expect(seen).toHaveLength(60);
    await bench.mover.advance(365 * day);
    expect(seen.length).toBeLessThanOrEqual(121);
    expect(seen.at(-1)).toBe(bench.clock.now());
  });

  test('is written at each stop, so that a crash leaves no time that comes twice', async () => {
    const saved: unknown[] = [];
    bench.run = async () => void saved.push((await readClock(store))?.cloudAnchor);
    await bench.schedule('a', 1000);
    await bench.schedule('b', 2000);
    await bench.mover.advance(3000);
    expect(saved).toEqual([1000, 2000]);
    expect((await readClock(store))?.cloudAnchor).toBe(3000);
  });
});

test('in whatever pieces time is moved, with a restart between any two, chains of waits come out as a plain list has them', async () => {
  await bench.scheduler.stop();
  let round = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.array(fc.integer({ min: 1, max: 50_000 }), { minLength: 1, maxLength: 5 }), { minLength: 1, maxLength: 6 }),
      fc.array(fc.record({ by: fc.integer({ min: 1, max: 90_000 }), restart: fc.boolean() }), { minLength: 1, maxLength: 5 }),
      async (lists, moves) => {
        round += 1;
        await store.clear([]);
        bench = new Bench(store, undefined, () => real);
        const waits = new Map(lists.map((list, index) => [`${round}-${index}`, list] as const));
        const seen: [string, number, Millis][] = [];
        chains(bench, waits, seen);
        for (const [key, [first = 0]] of waits) await bench.schedule(key, first, { payload: 0 });
        for (const { by, restart } of moves) {
          await bench.mover.advance(by);
          if (!restart) continue;
          await bench.scheduler.stop();
          bench = new Bench(store, await readClock(store), () => real);
          chains(bench, waits, seen);
        }
        const end = moves.reduce((sum, { by }) => sum + by, 0);
        const wanted = [...waits].flatMap(([key, list]) => {
          let at = 0;
          return list.map((wait, link): [string, number, Millis] => {
            at += wait;
            return [key, link, at];
          });
        });
        const order = (a: [string, number, Millis], b: [string, number, Millis]): number =>
          a[2] - b[2] || a[0].localeCompare(b[0]) || a[1] - b[1];
        expect(seen.map(([, , at]) => at)).toEqual(seen.map(([, , at]) => at).sort((a, b) => a - b));
        expect([...seen].sort(order)).toEqual(wanted.filter(([, , at]) => at <= end).sort(order));
        await bench.scheduler.stop();
      },
    ),
    { numRuns: 60 },
  );
});
