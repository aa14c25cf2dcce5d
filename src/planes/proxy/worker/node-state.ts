/** What one proxy node holds: its spec in force, pools, counts, and the connections that its sweep looks at. */
import { Counts } from './counts.ts';
import { sealingKey } from './cookies.ts';
import { type CompiledRule, compileRules } from './match.ts';
import { LivePool } from './pools.ts';
import type { DrainingTarget, HandedAnswer, HandedRequest, HttpOptions, ListenerSpec, ProxyNodeSpec } from '../types.ts';

/** Real milliseconds between looks at silent connections. */
const sweepMillis = 250;

/** Something that is closed after a silence. */
export interface Swept {
  sweep: (now: number) => void;
}

export interface LiveListener {
  spec: ListenerSpec;
  rules: CompiledRule[];
}

export class NodeState {
  address = '';
  zone = '';
  http!: HttpOptions;
  sealing: Buffer = Buffer.alloc(0);
  readonly counts = new Counts();
  readonly pools = new Map<string, LivePool>();
  readonly swept = new Set<Swept>();
  /** Real time, at most one sweep old: for what need not be exact. */
  now = Date.now();
  /** Has a request to a function answered outside of the node. */
  readonly handOver: (request: HandedRequest) => Promise<HandedAnswer>;

  constructor(handOver: NodeState['handOver']) {
    this.handOver = handOver;
    setInterval(() => {
      this.now = Date.now();
      for (const each of this.swept) each.sweep(this.now);
    }, sweepMillis).unref();
  }

  /** Takes a new spec, but for its listeners. */
  update(spec: ProxyNodeSpec): void {
    this.address = spec.address;
    this.zone = spec.zone;
    this.http = spec.http;
    this.sealing = sealingKey(spec.secret);
    const wanted = new Map(spec.pools.map((pool) => [pool.key, pool]));
    for (const [key, pool] of this.pools) {
      if (wanted.has(key)) continue;
      pool.update({ ...pool.spec, targets: [] }, spec.zone);
      this.pools.delete(key);
    }
    for (const pool of spec.pools) {
      const known = this.pools.get(pool.key);
      if (known === undefined) this.pools.set(pool.key, new LivePool(pool, spec.zone));
      else known.update(pool, spec.zone);
    }
  }

  /** Targets that get nothing new, with what is under way on them. */
  draining(): DrainingTarget[] {
    return [...this.pools.values()].flatMap((pool) =>
      [...pool.targets.values()]
        .filter(({ spec }) => spec.state === 'draining')
        .map(({ spec, outstanding }) => ({ pool: pool.spec.key, target: spec.key, underWay: outstanding })),
    );
  }

  listener(spec: ListenerSpec): LiveListener {
    return { spec, rules: compileRules(spec.rules) };
  }
}
