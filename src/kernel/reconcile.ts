/**
 * Runs reconcilers. One thing is brought in line at a time per key; hints that arrive meanwhile make it run once more; a failure is tried
 * again with growing pauses, for ever, because rows say what must be. At start every key is visited: create, crash recovery and repair are one
 * path (after omicron's background tasks). Rejected: passing the change along with the hint; a lost or doubled hint would then matter.
 */
import type { Clock, Millis } from '../base/clock.ts';
import type { Context } from './context.ts';
import type { Log } from './log.ts';
import type { Reconciler, ReconcileKey } from './service.ts';

const retryPauseFirst: Millis = 200;
const retryPauseMax: Millis = 15_000;
/** Keys of all reconcilers worked on at once. */
const concurrencyMax = 16;

interface Target {
  name: string;
  reconciler: Reconciler;
  key: ReconcileKey;
  running: boolean;
  again: boolean;
  failures: number;
}

export class Reconcilers {
  readonly #targets = new Map<string, Target>();
  readonly #queue: Target[] = [];
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #contextFor: (service: string, key: ReconcileKey, task: string) => Context;
  #busy = 0;
  #stopped = false;
  #idleWaiters: (() => void)[] = [];

  constructor(clock: Clock, log: Log, contextFor: (service: string, key: ReconcileKey, task: string) => Context) {
    this.#clock = clock;
    this.#log = log;
    this.#contextFor = contextFor;
  }

  /** Looks at one key soon. Safe to call at any time and as often as wanted. */
  hint(service: string, name: string, reconciler: Reconciler, key: ReconcileKey): void {
    const id = `${service} ${name} ${key.account} ${key.region} ${key.key}`;
    let target = this.#targets.get(id);
    if (target === undefined) {
      target = { name: `${service} ${name}`, reconciler, key, running: false, again: false, failures: 0 };
      this.#targets.set(id, target);
    }
    if (target.again) return;
    target.again = true;
    if (!target.running) this.#enqueue(target);
  }

  /** Something is being worked on, or about to be. */
  get busy(): boolean {
    return this.#busy > 0 || this.#queue.length > 0;
  }

  /** Resolves when nothing is being worked on or waiting (failing keys that pause before their next try do not count). */
  idle(): Promise<void> {
    if (!this.busy) return Promise.resolve();
    return new Promise((resolve) => this.#idleWaiters.push(resolve));
  }

  /** Starts nothing more and waits for what runs. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#queue.length = 0;
    await this.idle();
  }

  /** What is known of every key: for `pilvi inspect`. */
  status(): readonly { reconciler: string; key: string; running: boolean; failures: number }[] {
    return [...this.#targets.values()].map((target) => ({
      reconciler: target.name,
      key: target.key.key,
      running: target.running,
      failures: target.failures,
    }));
  }

  #enqueue(target: Target): void {
    if (this.#stopped) return;
    this.#queue.push(target);
    this.#pump();
  }

  #pump(): void {
    while (this.#busy < concurrencyMax) {
      const target = this.#queue.shift();
      if (target === undefined) break;
      this.#busy += 1;
      void this.#run(target).finally(() => {
        this.#busy -= 1;
        this.#pump();
        if (!this.busy) for (const done of this.#idleWaiters.splice(0)) done();
      });
    }
  }

  async #run(target: Target): Promise<void> {
    target.running = true;
    target.again = false;
    const [service = '', name = ''] = target.name.split(' ');
    try {
      await target.reconciler.run(target.key, this.#contextFor(service, target.key, name));
      target.failures = 0;
    } catch (error) {
      target.failures += 1;
      const wait = Math.min(retryPauseFirst * 2 ** (target.failures - 1), retryPauseMax);
      this.#log('error', 'A reconciler failed and will try again.', {
        reconciler: target.name,
        key: target.key.key,
        failures: target.failures,
        wait,
        error,
      });
      void this.#clock.pause(wait).then(() => {
        if (target.again || target.running) return;
        target.again = true;
        this.#enqueue(target);
      });
    } finally {
      target.running = false;
      if (target.again) this.#enqueue(target);
      else if (target.failures === 0)
        this.#targets.delete(`${target.name} ${target.key.account} ${target.key.region} ${target.key.key}`);
    }
  }
}
