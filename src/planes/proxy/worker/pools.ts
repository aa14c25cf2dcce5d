/** Target pools of one node: which target the next request or connection goes to, and which connections a target holds. */
import type { Socket } from 'node:net';
import type { PoolSpec, PoolTarget } from '../types.ts';

/** Something under way on a target. */
export interface TargetUser {
  cut: () => void;
  /** The target is down: what has not reached it may go to another. */
  turn?: () => void;
}

export interface LiveTarget {
  readonly pool: LivePool;
  spec: PoolTarget;
  /** Requests or connections under way. */
  outstanding: number;
  /** Cut when the target goes, asked to turn to another when it goes down. */
  readonly users: Set<TargetUser>;
  /** Kept connections, the one used last at the end. */
  readonly idle: Socket[];
  /** Real time from which it takes its full share. */
  warmFrom: number;
  warmTo: number;
  gone: boolean;
}

export class LivePool {
  spec: PoolSpec;
  readonly targets = new Map<string, LiveTarget>();
  #choice: LiveTarget[] = [];
  #turn = Math.floor(Math.random() * 1000);

  constructor(spec: PoolSpec, zone: string) {
    this.spec = spec;
    this.update(spec, zone);
  }

  /** Takes a new spec: targets that are gone are cut off with all that is under way on them, unless the pool keeps its flows. */
  update(spec: PoolSpec, zone: string): void {
    this.spec = spec;
    const wanted = new Map(spec.targets.map((target) => [target.key, target]));
    const gone = [...this.targets].filter(([key]) => !wanted.has(key));
    for (const [key, target] of gone) {
      this.targets.delete(key);
      target.gone = true;
      for (const socket of target.idle.splice(0)) socket.destroy();
    }
    const fallen = [...this.targets.values()].filter(
      (target) => target.spec.state === 'up' && wanted.get(target.spec.key)?.state === 'down',
    );
    const now = Date.now();
    const others = [...this.targets.values()].some((target) => target.spec.state === 'up');
    for (const next of spec.targets) {
      const known = this.targets.get(next.key);
      const warms = next.state === 'up' && known?.spec.state !== 'up' && others ? spec.slowStartMillis : 0;
      if (known === undefined)
        this.targets.set(next.key, {
          ...{ pool: this, spec: next, outstanding: 0, users: new Set(), idle: [], gone: false },
          ...{ warmFrom: now, warmTo: now + warms },
        });
      else {
        if (warms > 0) Object.assign(known, { warmFrom: now, warmTo: now + warms });
        known.spec = next;
      }
    }
    this.#choose(zone);
    // Now that it is clear who takes new work.
    if (spec.keepsFlows !== true) for (const [, target] of gone) for (const user of [...target.users]) user.cut();
    for (const target of fallen) {
      for (const socket of target.idle.splice(0)) socket.destroy();
      for (const user of [...target.users])
        if (spec.cutsFallen === true) user.cut();
        else user.turn?.();
    }
  }

  /** Targets that take new work: those that are up in reach; with none, all that are in reach and not draining (fail open). */
  #choose(zone: string): void {
    const reach = [...this.targets.values()].filter(
      ({ spec }) => spec.state !== 'draining' && (this.spec.crossZone || spec.zone === undefined || spec.zone === zone),
    );
    const up = reach.filter(({ spec }) => spec.state === 'up');
    this.#choice = up.length > 0 ? up : reach;
  }

  /** Whether the pool has nobody to give work to. */
  get empty(): boolean {
    return this.#choice.length === 0;
  }

  /** The target of this key if it takes new work. */
  takes(key: string): LiveTarget | undefined {
    const target = this.targets.get(key);
    return target !== undefined && this.#choice.includes(target) ? target : undefined;
  }

  /** The next target by the pool's algorithm; undefined when there is none. */
  next(): LiveTarget | undefined {
    const choice = this.#choice;
    if (choice.length <= 1) return choice[0];
    if (this.spec.algorithm === 'least-outstanding') return this.#leastBusy();
    if (this.spec.algorithm === 'weighted-random') return choice[Math.floor(Math.random() * choice.length)];
    const now = Date.now();
    for (let tries = 0; tries < choice.length * 4; tries += 1) {
      this.#turn += 1;
      const target = choice[this.#turn % choice.length]!;
      if (target.warmTo <= now) return target;
      // While it warms up, a target takes a share that grows in a straight line.
      if (Math.random() < (now - target.warmFrom) / (target.warmTo - target.warmFrom)) return target;
    }
    return choice[this.#turn % choice.length];
  }

  /** The target of a flow that shall always reach the same one: by the highest of a hash of flow and target. */
  byHash(flow: string): LiveTarget | undefined {
    let best: LiveTarget | undefined;
    let highest = -1;
    for (const target of this.#choice) {
      const score = hash(`${flow} ${target.spec.key}`);
      if (score > highest) [best, highest] = [target, score];
    }
    return best;
  }

  #leastBusy(): LiveTarget | undefined {
    this.#turn += 1;
    const { length } = this.#choice;
    let best: LiveTarget | undefined;
    for (let at = 0; at < length; at += 1) {
      const target = this.#choice[(this.#turn + at) % length]!;
      if (best === undefined || target.outstanding < best.outstanding) best = target;
    }
    return best;
  }
}

/** FNV-1a, with a last mixing step, so that near texts do not give near numbers. */
function hash(text: string): number {
  let value = 0x811c9dc5;
  for (let at = 0; at < text.length; at += 1) value = Math.imul(value ^ text.charCodeAt(at), 0x01000193);
  value = Math.imul(value ^ (value >>> 15), 0x85ebca6b);
  return (value ^ (value >>> 13)) >>> 0;
}
