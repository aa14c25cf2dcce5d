/** Workers that wait for an activity's tasks: none of it is state, the tasks themselves are rows. */
import type { Clock, Millis } from '../../base/clock.ts';
import type { Scope } from '../../kernel/context.ts';

class ActivityDesk {
  readonly #waiters = new Map<string, Set<() => void>>();

  /** Waits for a task of the activity, for so long in real time, or until the caller has gone. */
  wait(
    scope: Scope,
    activity: string,
    clock: Clock,
    millis: Millis,
    onGone: (listener: () => void) => () => void,
  ): Promise<void> {
    const key = keyOf(scope, activity);
    return new Promise((resolve) => {
      const waiters = this.#waiters.get(key) ?? new Set();
      this.#waiters.set(key, waiters);
      const ended = new AbortController();
      const done = (): void => {
        waiters.delete(done);
        if (waiters.size === 0 && this.#waiters.get(key) === waiters) this.#waiters.delete(key);
        forget();
        ended.abort();
        resolve();
      };
      const forget = onGone(done);
      waiters.add(done);
      void clock.pause(millis, ended.signal).then(done);
    });
  }

  /** A task has come: whoever has waited longest looks for it. */
  came(scope: Scope, activity: string): void {
    const [first] = this.#waiters.get(keyOf(scope, activity)) ?? [];
    first?.();
  }

  clear(): void {
    for (const waiters of [...this.#waiters.values()]) for (const done of [...waiters]) done();
  }
}

function keyOf({ account, region }: Scope, activity: string): string {
  return `${account} ${region} ${activity}`;
}

/** One desk per cloud, found by its clock: a rebuildable cache. */
const desksCache = new WeakMap<Clock, ActivityDesk>();

export function activityDeskOf({ clock }: { clock: Clock }): ActivityDesk {
  let desk = desksCache.get(clock);
  if (desk === undefined) {
    desk = new ActivityDesk();
    desksCache.set(clock, desk);
  }
  return desk;
}
