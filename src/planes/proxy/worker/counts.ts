/** What a node counts, until it is taken. Bounded: a node that nobody asks for minutes keeps the newest. */
import type { ProxyConnectionEntry, ProxyCounts, ProxyFlowEntry, ProxyLogEntry } from '../types.ts';

const timesMax = 20_000;
const logMax = 50_000;

export class Counts {
  #counts = new Map<string, number>();
  #times = new Map<string, number[]>();
  #log: ProxyLogEntry[] = [];
  #connections: ProxyConnectionEntry[] = [];
  #flows: ProxyFlowEntry[] = [];

  /** Adds to a count; `pool` and `zone` say of what. */
  add(name: string, value = 1, pool = '', zone = ''): void {
    const key = pool === '' ? name : `${name} ${pool} ${zone}`;
    this.#counts.set(key, (this.#counts.get(key) ?? 0) + value);
  }

  time(name: string, seconds: number, pool: string, zone = ''): void {
    const key = `${name} ${pool} ${zone}`;
    const list = this.#times.get(key) ?? [];
    this.#times.set(key, list);
    if (list.length < timesMax) list.push(seconds);
  }

  log(entry: ProxyLogEntry): void {
    if (this.#log.length < logMax) this.#log.push(entry);
  }

  logConnection(entry: ProxyConnectionEntry): void {
    if (this.#connections.length < logMax) this.#connections.push(entry);
  }

  logFlow(entry: ProxyFlowEntry): void {
    if (this.#flows.length < logMax) this.#flows.push(entry);
  }

  /** Everything since the last time. */
  take(): ProxyCounts {
    const split = (key: string) => {
      const [name = '', pool = '', zone = ''] = key.split(' ');
      return { name, pool: pool === '' ? undefined : pool, zone: zone === '' ? undefined : zone };
    };
    const taken: ProxyCounts = {
      counts: [...this.#counts].map(([key, value]) => ({ ...split(key), value })),
      times: [...this.#times].map(([key, values]) => ({ ...split(key), pool: split(key).pool ?? '', values })),
      log: this.#log,
      connections: this.#connections,
      flows: this.#flows,
    };
    this.#counts = new Map();
    this.#times = new Map();
    this.#log = [];
    this.#connections = [];
    this.#flows = [];
    return taken;
  }
}
