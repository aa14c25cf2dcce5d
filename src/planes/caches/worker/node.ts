/** One node: what it holds, what it counts, and how it asks the process that started it. Reads and writes stand in files of their own. */
import type { ClockState } from '../../../base/clock.ts';
import { type CacheNodeSpec, type CacheQuestion, CacheRefusal, type KeyShape, type TypedItem } from '../types.ts';
import { BoundedCache } from './cache.ts';
import type { FromNode, RefusalMessage, ToNode, WrittenEntry } from './channel.ts';
import { encodeValues, namesOf, parseKey, parseValues } from './values.ts';

/** Answers to queries get this part of what the node may hold. */
const queryShare = 1 / 3;
/** Cloud milliseconds for which a table's key is taken as known: as long as clients do. */
const shapeMillis = 60_000;
/** Lists of names, and shapes, that a node remembers: it asks again for others. */
const rememberedMax = 10_000;
/** The list of no names has this number by the protocol. */
const noNames = 1;

/** What a connection's client may do, asked once for each proof that it shows. */
export interface Session {
  pass?: number | undefined;
  refusal?: CacheRefusal | undefined;
  allowed: Set<string>;
}

/** An item that is being read from the table. */
export interface Reading {
  /** Holds what came, unless the item was written meanwhile. */
  hold(values: Buffer | null): void;
  end(): void;
}

type Send = (message: FromNode) => void;

export class CacheNode {
  spec: CacheNodeSpec | undefined;
  readonly items = new BoundedCache<Buffer | null>(0);
  readonly queries = new BoundedCache<Buffer>(0);
  readonly #send: Send;
  readonly #waiting = new Map<number, { resolve(result: unknown): void; reject(error: Error): void }>();
  readonly #readings = new Map<string, Set<{ stale: boolean }>>();
  readonly #shapes = new Map<string, { shape: KeyShape; until: number }>();
  readonly #names = new Map<number, readonly string[]>([[noNames, []]]);
  readonly #numbers = new Map<string, number>([['[]', noNames]]);
  #counts: Record<string, number> = {};
  #clock: ClockState = { speed: 1, cloudAnchor: Date.now(), realAnchor: Date.now() };
  #asked = 0;
  #used = { processor: process.cpuUsage(), at: performance.now() };

  constructor(send: Send) {
    this.#send = send;
  }

  apply(spec: CacheNodeSpec): void {
    this.spec = spec;
    this.queries.bytesMax = Math.floor(spec.bytesMax * queryShare);
    this.items.bytesMax = spec.bytesMax - this.queries.bytesMax;
  }

  /** Cloud time. */
  now(): number {
    const { speed, cloudAnchor, realAnchor } = this.#clock;
    return cloudAnchor + Math.max(0, Date.now() - realAnchor) * speed;
  }

  count(name: string, by = 1): void {
    this.#counts[name] = (this.#counts[name] ?? 0) + by;
  }

  /** What was counted since the last time; what is held; and the part of one processor that the node took, in percent. */
  takeCounts(): Record<string, number> {
    const taken = this.#counts;
    this.#counts = {};
    const held = this.items.bytes + this.queries.bytes;
    const { user, system } = process.cpuUsage(this.#used.processor);
    const micros = Math.max(1, (performance.now() - this.#used.at) * 1000);
    this.#used = { processor: process.cpuUsage(), at: performance.now() };
    return {
      ...taken,
      'held.bytes': held,
      'held.percent': (100 * held) / (this.spec?.bytesMax ?? Number.POSITIVE_INFINITY),
      'processor.percent': (100 * (user + system)) / micros,
    };
  }

  /** Takes in what the parent says, but for its questions. */
  hear(message: ToNode): void {
    if (message.tell === 'time') this.#clock = message.state;
    else if (message.tell === 'written') for (const entry of message.entries) this.#take(entry);
    else {
      const waiter = this.#waiting.get(message.id);
      this.#waiting.delete(message.id);
      if ('refusal' in message) waiter?.reject(refusalFrom(message.refusal));
      else waiter?.resolve(message.result);
    }
  }

  ask(question: CacheQuestion): Promise<unknown> {
    this.#asked += 1;
    const id = this.#asked;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#send({ kind: 'ask', id, question });
    });
  }

  /** Carries an operation out on the table. */
  async table<Output>(operation: string, input: object): Promise<Output> {
    return (await this.ask({ ask: 'table', operation, input })) as Output;
  }

  /** Throws CacheRefusal for a client that may not. */
  async permit(session: Session, action: string, within?: string): Promise<void> {
    if (session.refusal !== undefined) throw session.refusal;
    if (session.pass === undefined)
      throw new CacheRefusal('Unauthenticated', 'Authentication is required to access this cluster.', 400);
    const name = within === undefined ? action : `${action} in ${within}`;
    if (session.allowed.has(name)) return;
    await this.ask({ ask: 'permit', pass: session.pass, action, within });
    session.allowed.add(name);
  }

  /** The key of a table; at once when it is known. */
  shape(table: string): KeyShape | Promise<KeyShape> {
    const known = this.#shapes.get(table);
    if (known !== undefined && known.until > this.now()) return known.shape;
    return this.#askShape(table);
  }

  async #askShape(table: string): Promise<KeyShape> {
    const shape = (await this.ask({ ask: 'key-shape', table })) as KeyShape;
    if (this.#shapes.size >= rememberedMax) this.#shapes.clear();
    this.#shapes.set(table, { shape, until: this.now() + shapeMillis });
    return shape;
  }

  async listNumber(names: readonly string[]): Promise<number> {
    const text = JSON.stringify(names);
    const known = this.#numbers.get(text);
    if (known !== undefined) return known;
    const number = (await this.ask({ ask: 'list-number', names })) as number;
    this.#remember(number, names, text);
    return number;
  }

  async listNames(number: number): Promise<readonly string[]> {
    const known = this.#names.get(number);
    if (known !== undefined) return known;
    const names = (await this.ask({ ask: 'list-names', number })) as readonly string[];
    this.#remember(number, names, JSON.stringify(names));
    return names;
  }

  #remember(number: number, names: readonly string[], text: string): void {
    if (this.#names.size >= rememberedMax) {
      this.#names.clear();
      this.#numbers.clear();
      this.#names.set(noNames, []);
      this.#numbers.set('[]', noNames);
    }
    this.#names.set(number, names);
    this.#numbers.set(text, number);
  }

  /** The wire form of an item's values. */
  async encode(item: TypedItem, shape: KeyShape): Promise<Buffer> {
    const names = namesOf(item, shape);
    return encodeValues(item, names, await this.listNumber(names));
  }

  /** The whole item of its key and values. */
  async decode(values: Buffer, key: Buffer, shape: KeyShape): Promise<TypedItem> {
    const { number, values: each } = parseValues(values);
    const names = await this.listNames(number);
    if (names.length !== each.length)
      throw new CacheRefusal('ValidationException', 'The item has another number of values than its list has names.', 400);
    return { ...parseKey(key, shape), ...Object.fromEntries(names.map((name, index) => [name, each[index]!])) };
  }

  /** Begins to read a key from the table. */
  reading(key: string): Reading {
    const reading = { stale: false };
    const all = this.#readings.get(key) ?? new Set();
    this.#readings.set(key, all.add(reading));
    return {
      hold: (values) => {
        if (!reading.stale) this.#put(key, values);
      },
      end: () => {
        all.delete(reading);
        if (all.size === 0) this.#readings.delete(key);
      },
    };
  }

  /** Holds what was written here, and tells the other nodes. */
  written(entries: readonly WrittenEntry[]): void {
    for (const entry of entries) this.#take(entry);
    this.#send({ kind: 'written', entries });
  }

  #take({ key, values }: WrittenEntry): void {
    for (const reading of this.#readings.get(key) ?? []) reading.stale = true;
    if (values === 'gone') this.items.delete(key);
    else this.#put(key, values === null ? null : Buffer.from(values));
  }

  #put(key: string, values: Buffer | null): void {
    const gone = this.items.set(key, values, values?.length ?? 0, this.now(), this.spec?.itemMillis ?? 0);
    if (gone > 0) this.count('pushed-out.bytes', gone);
  }
}

function refusalFrom({ code, message, status, members }: RefusalMessage): CacheRefusal {
  return new CacheRefusal(code, message, status, members);
}
