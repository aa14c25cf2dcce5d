import { cpus, loadavg } from 'node:os';
import { beforeEach, expect, test } from 'vitest';
import { eventually, machinesRefused } from '../../support/cloud.ts';
import { serverless } from './support.ts';

beforeEach((context) => {
  context.skip(machinesRefused() !== undefined, machinesRefused());
});

test('LMB-008 processors come with memory: twice as much halves the time, several GB are several processors', async (context) => {
  const { make, call } = await serverless();
  // Two threads that stay, so that starting them does not count.
  const source = `import { Worker } from 'node:worker_threads';
const spin = (work) => { let n = 0; for (let i = 0; i < work; i++) n += Math.sqrt(i); return n; };
const body = 'const { parentPort } = require("node:worker_threads"); parentPort.on("message", (work) => parentPort.postMessage((' + spin + ')(work)));';
const threads = [1, 2].map(() => new Worker(body, { eval: true }));
export const handler = async ({ parallel, work }) => {
  const begun = performance.now();
  await Promise.all(threads.slice(0, parallel).map((thread) => new Promise((done) => { thread.once('message', done); thread.postMessage(work); })));
  return performance.now() - begun;
};`;
  const sizes = [512, 1024, 1769, 3538] as const;
  await Promise.all(sizes.map((MemorySize) => make(`spin${MemorySize}`, source, { MemorySize, Timeout: 60 })));
  const best = new Map<number, number>();
  /** Keeps the shortest time of each size: others on this machine only ever make it longer. */
  const measure = async (size: (typeof sizes)[number], parallel: number): Promise<number> => {
    const millis = (await call(`spin${size}`, { parallel, work: 40_000_000 })).body as number;
    best.set(size, Math.min(millis, best.get(size) ?? Number.POSITIVE_INFINITY));
    return best.get(size) ?? 0;
  };
  /** Where others use the processors all the time nothing can be measured; a machine that is not busy has no excuse. */
  const measured = (attempt: () => Promise<void>, why: string): Promise<void> =>
    eventually(attempt, { timeoutMs: 15_000, why }).catch((error: unknown) => {
      context.skip(
        (loadavg()[0] ?? 0) > 1.5 * cpus().length,
        'others use the processors of this machine, so theirs cannot be measured',
      );
      throw error;
    });
  await measured(async () => {
    for (let turn = 0; turn < 4; turn++) await measure(512, 1).then(() => measure(1024, 1));
    const ratio = (await measure(512, 1)) / (await measure(1024, 1));
    expect(ratio).toBeGreaterThan(1.6);
    expect(ratio).toBeLessThan(2.6);
  }, 'twice the memory halves the time');
  await measured(async () => {
    for (let turn = 0; turn < 4; turn++) await measure(1769, 2).then(() => measure(3538, 2));
    // One processor could never be faster than itself; others on this machine take their share of the second.
    expect((await measure(1769, 2)) / (await measure(3538, 2))).toBeGreaterThan(1.3);
  }, 'two processors are faster than one');
}, 120_000);
