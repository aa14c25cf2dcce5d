/** How many jobs a second the scheduler schedules and fires on one core, through the embedded store. Numbers, not tests. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { CloudClock } from '../../src/base/clock.ts';
import { Scheduler } from '../../src/kernel/scheduler.ts';
import { openLmdbStore } from '../../src/store/lmdb/lmdb-store.ts';

const jobs = 5000;
const rounds = 4;
const days = 365;
const dayMillis = 86_400_000;

/** Measures with jobs that do nothing, so that all of it is the scheduler's and the store's. */
export async function bench(): Promise<{ name: string; value: number; unit: string }[]> {
  const folder = mkdtempSync(join(tmpdir(), 'pilvi-bench-'));
  const store = await openLmdbStore(folder);
  const clock = new CloudClock({ speed: 0, cloudAnchor: 0, realAnchor: 0 });
  let again: ((due: number) => Promise<void>) | undefined;
  const scheduler = new Scheduler({
    store,
    clock,
    concurrency: 8,
    log: () => undefined,
    run: async ({ due }) => again?.(due),
  });
  const schedule = (key: string, due: number) =>
    store.transact((tx) => scheduler.schedule(tx, { service: 's', task: 't', account: '000000000000', region: 'r', key, due }));
  scheduler.start();
  try {
    let [scheduling, firing, jump] = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY];
    for (let round = 0; round < rounds; round++) {
      const start = performance.now();
      for (let i = 0; i < jobs; i++) await schedule(`job-${i}`, clock.now() + 1 + (i % 100));
      const scheduled = performance.now();
      clock.advance(100);
      await scheduler.idle();
      scheduling = Math.min(scheduling, scheduled - start);
      firing = Math.min(firing, performance.now() - scheduled);
    }
    again = (due) => schedule('daily', due + dayMillis);
    for (let round = 0; round < rounds; round++) {
      await schedule('daily', clock.now());
      const start = performance.now();
      clock.advance(days * dayMillis);
      await scheduler.idle();
      jump = Math.min(jump, performance.now() - start);
    }
    return [
      { name: 'scheduler: jobs scheduled, one per transaction', value: Math.round((jobs / scheduling) * 1000), unit: 'jobs/s' },
      { name: 'scheduler: jobs fired', value: Math.round((jobs / firing) * 1000), unit: 'jobs/s' },
      { name: 'scheduler: a jump of a year with a daily job', value: Number(jump.toFixed(1)), unit: 'ms' },
    ];
  } finally {
    await scheduler.stop();
    await store.close();
    rmSync(folder, { recursive: true });
  }
}
