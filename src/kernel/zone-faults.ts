/**
 * Regions, zones, and places in zones such as a rack, that are down: failures of hardware, switched by the admin API. Rows keep it over a restart; the copy in memory answers
 * inside transactions, where nothing else may be awaited, and is read again at start and after a reset.
 */
import type { Clock, Millis } from '../base/clock.ts';
import { findRegion, findZone } from '../base/regions.ts';
import type { Fabric } from '../planes/fabric/types.ts';
import type { Store } from '../store/store.ts';
import { defineTable, scopedReader, scopedWriter } from '../store/tables.ts';

interface ZoneFaultRow {
  zone: string;
  /** Cloud time at which it went down. */
  since: Millis;
}

const ZoneFaultRows = defineTable<ZoneFaultRow>()({ name: 'kernel.zoneFaults', scope: 'cloud', key: (row) => [row.zone] });
const nowhere = { account: '', region: '' };

/** What services see of it. */
export interface ZoneFaultView {
  /** Since when a Region, a zone, or a place in one (`us-east-1a/dc1/rack3`), is down, by itself or with what it stands in; undefined while it works. */
  downSince(place: string): Millis | undefined;
}

export class ZoneFaults implements ZoneFaultView {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #fabric: Fabric | undefined;
  #since = new Map<string, Millis>();

  constructor(store: Store, clock: Clock, fabric: Fabric | undefined) {
    this.#store = store;
    this.#clock = clock;
    this.#fabric = fabric?.unavailable === undefined ? fabric : undefined;
  }

  /** Reads the rows and makes the fabric agree. Run at start and after a reset. */
  async load(): Promise<void> {
    const rows = await scopedReader(this.#store, ZoneFaultRows, nowhere).list();
    const before = this.#zonesDown();
    this.#since = new Map(rows.map(({ zone, since }) => [zone, since]));
    const now = this.#zonesDown();
    for (const zone of new Set([...before, ...now])) await this.#fabric?.setFault({ kind: 'zone', zone }, now.has(zone));
  }

  /** Zones without network. What is smaller than a zone takes its machines down, and the network of the zone goes on. */
  #zonesDown(): Set<string> {
    const whole = [...this.#since.keys()].filter((name) => !name.includes('/'));
    return new Set(whole.flatMap((name) => findRegion(name)?.zones.map((zone) => zone.name) ?? [name]));
  }

  /** Takes a Region, a zone or a place in one down, or brings it back, by its name. Safe to repeat. */
  async set(zone: string, down: boolean): Promise<void> {
    await this.#store.transact(async (tx) => {
      const rows = scopedWriter(tx, ZoneFaultRows, nowhere);
      if (!down) await rows.delete(zone);
      else if ((await rows.get(zone)) === undefined) await rows.put({ zone, since: this.#clock.now() });
    });
    await this.load();
  }

  downSince(place: string): Millis | undefined {
    for (let path = place; path !== ''; path = path.slice(0, Math.max(0, path.lastIndexOf('/')))) {
      const since = this.#since.get(path);
      if (since !== undefined) return since;
    }
    return this.#since.get(findZone(place.split('/')[0] ?? '')?.region ?? '');
  }

  /** Names of what is down, with the time at which each went down. */
  list(): readonly ZoneFaultRow[] {
    return [...this.#since].map(([zone, since]) => ({ zone, since }));
  }
}
