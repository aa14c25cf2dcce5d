/**
 * Typed tables over the store: rows by primary key, secondary indexes kept inside every put and delete, and scopes, so that a handler that
 * holds a reader of its account and region cannot read another's by mistake.
 *
 * Where things lie (key of the store → value):
 *
 *     c, table, r, ...key                               → row              scope 'cloud'
 *     a, account, table, r, ...key                      → row              scope 'account'
 *     a, account, table, r, region, ...key              → row              scope 'region'
 *     …        , table, i, index, (region,) ...entry, ...key → key of the row   index
 *     …        , table, u, index, (region,) ...entry    → key of the row   unique index
 *
 * The account comes before the table so that resetting an account is one prefix clear, indexes included. Rejected: the table first (reset
 * would visit every table of every service, and know them all), and one database per table (LMDB limits their number, PostgreSQL plans worse).
 */
import assert from 'node:assert/strict';
import type { Key, KeyPart, Range, Store, StoreReader, StoreTransaction, Value } from './store.ts';

export type TableScope = 'cloud' | 'account' | 'region';

/** Whose rows. A cloud-scoped table ignores both members, an account-scoped one the region. */
export interface Scope {
  readonly account: string;
  readonly region: string;
}

/** Entries of one row in one index: one key, several, or none. A row is found under each. */
export type IndexEntries = readonly KeyPart[] | readonly (readonly KeyPart[])[] | undefined;

/** What a row may hold: plain data. Dates are stored as milliseconds, sets as arrays. Others make the member `never`, a compile error. */
export type Plain<T> = unknown extends T
  ? T
  : T extends Value | undefined
    ? T
    : T extends Date | ReadonlyMap<unknown, unknown> | ReadonlySet<unknown> | symbol | ((...parameters: never) => unknown)
      ? never
      : { [Member in keyof T]: Plain<T[Member]> };

export interface TableDefinition<Row, Index extends string> {
  /** `service.nouns`, unique in the cloud. */
  name: string;
  scope: TableScope;
  /** Primary key inside the scope. Pure: depends on the row alone. */
  key: (row: Row) => Key;
  /** Pure, like `key`; a change of an index function needs the rows written again. */
  indexes?: { readonly [Name in Index]: (row: Row) => IndexEntries };
  /** Indexes in which two rows may not have the same entry. */
  unique?: readonly NoInfer<Index>[];
}

/** Index names are checked at compile time; `Row` only at the border, so rows must be what the owner wrote. */
export interface Table<Row, Index extends string = string> {
  readonly name: string;
  readonly scope: TableScope;
  readonly key: (row: Row) => Key;
  readonly indexes: ReadonlyMap<Index, IndexDefinition<Row>>;
}

/** A table of whatever rows, to keep tables in a list. */
export type AnyTable = Table<never>;

export interface IndexDefinition<Row> {
  readonly unique: boolean;
  readonly entries: (row: Row) => IndexEntries;
}

export interface ListOptions {
  /** Only rows whose key begins with these parts. */
  prefix?: Key;
  /** Start after this key (exclusive), in the order asked for: `keyOf` of the last row seen. */
  after?: Key;
  /** Stop before this key (exclusive), in the order asked for. */
  before?: Key;
  limit?: number;
  reverse?: boolean;
}

export interface IndexOptions {
  /** Start after this position (exclusive): `positionIn` of the last row seen. */
  after?: Key;
  limit?: number;
  reverse?: boolean;
}

export interface TableReader<Row, Index extends string = string> {
  get(...key: Key): Promise<Row | undefined>;
  /** Rows in order of their keys. */
  list(options?: ListOptions): Promise<Row[]>;
  /** Rows whose entry in the index begins with `prefix`, in order of entry, then key. A row with two such entries comes twice. */
  byIndex(index: Index, prefix: Key, options?: IndexOptions): Promise<Row[]>;
  firstByIndex(index: Index, prefix: Key): Promise<Row | undefined>;
  /** Rows whose key begins with these parts, between two keys (both exclusive) where they are given. */
  count(prefix?: Key, between?: Pick<ListOptions, 'after' | 'before'>): Promise<number>;
  keyOf(row: Row): Key;
  /** Where the row stands in the index, as `after` of `byIndex` wants it: its first entry with this prefix. Undefined if it has none. */
  positionIn(index: Index, row: Row, prefix?: Key): Key | undefined;
}

export interface TableWriter<Row, Index extends string = string> extends TableReader<Row, Index> {
  /** Adds the row or replaces the one with its key. Throws DuplicateKeyError when a unique index already has its entry for another row. */
  put(row: Row): Promise<void>;
  /** Whether there was such a row. */
  delete(...key: Key): Promise<boolean>;
  /** Replaces a row by what `change` makes of it (the row is frozen: return a copy); undefined when there is none. The key must stay. */
  update(key: Key, change: (row: Row) => Row): Promise<Row | undefined>;
}

/** Two rows with the same entry in a unique index. Services check before and answer with their own error; this is the safety net. */
export class DuplicateKeyError extends Error {
  override readonly name = 'DuplicateKeyError';
  readonly table: string;
  readonly index: string;

  constructor(table: string, index: string, entry: Key) {
    super(`Table ${table} already has a row with ${JSON.stringify(entry)} in its index ${index}.`);
    this.table = table;
    this.index = index;
  }
}

/**
 * Declares a table. Called twice so that the row type is given and the index names are inferred:
 * `defineTable<User>()({ name: 'iam.users', scope: 'account', key: (user) => [user.name] })`.
 */
export function defineTable<Row>() {
  return <const Index extends string = never>(
    definition: TableDefinition<Row, Index>,
    ..._plain: [Row] extends [Plain<Row>] ? [] : [problem: 'a row holds plain data only: no Date, Map, Set, function']
  ): Table<Row, Index> => {
    const unique = new Set<string>(definition.unique);
    const indexes = new Map<Index, IndexDefinition<Row>>();
    const entries = Object.entries(definition.indexes ?? {}) as [Index, (row: Row) => IndexEntries][];
    for (const [name, of] of entries) indexes.set(name, { unique: unique.has(name), entries: of });
    return { name: definition.name, scope: definition.scope, key: definition.key, indexes };
  };
}

/** Reads a table in one scope. */
export function scopedReader<Row, Index extends string>(
  reader: StoreReader,
  table: Table<Row, Index>,
  scope: Scope,
): TableReader<Row, Index> {
  return new ScopedReader(reader, table, scope);
}

/** Reads and writes a table in one scope inside a transaction. */
export function scopedWriter<Row, Index extends string>(
  tx: StoreTransaction,
  table: Table<Row, Index>,
  scope: Scope,
): TableWriter<Row, Index> {
  return new ScopedWriter(tx, table, scope);
}

/** Every row of a table in every account and region, with its scope: for reconcilers and the admin API. Ordered by account, region, key. */
export async function listAllScopes<Row, Index extends string>(
  reader: StoreReader,
  table: Table<Row, Index>,
): Promise<{ scope: Scope; row: Row }[]> {
  if (table.scope === 'cloud') {
    const rows = await reader.scan({ prefix: ['c', table.name, 'r'] });
    return rows.map(({ value }) => ({ scope: { account: '', region: '' }, row: value as Row }));
  }
  const found: { scope: Scope; row: Row }[] = [];
  for (const account of await listAccounts(reader)) {
    for (const { key, value } of await reader.scan({ prefix: ['a', account, table.name, 'r'] })) {
      const region = table.scope === 'region' ? String(key[4]) : '';
      found.push({ scope: { account, region }, row: value as Row });
    }
  }
  return found;
}

/** Accounts that have a row in any table, in order. */
export async function listAccounts(reader: StoreReader): Promise<string[]> {
  const accounts: string[] = [];
  let after: Key = ['a'];
  for (;;) {
    const [first] = await reader.scan({ prefix: ['a'], after, limit: 1 });
    if (first === undefined) return accounts;
    const account = String(first.key[1]);
    accounts.push(account);
    // Table names are ASCII, so this stands behind everything of the account.
    after = ['a', account, '\u{10ffff}'];
  }
}

/** Removes everything that belongs to an account, in all tables and regions. Cloud-scoped tables stay. */
export async function clearAccount(store: Store, account: string): Promise<void> {
  await store.clear(['a', account]);
}

type Part = 'r' | 'i' | 'u';

class ScopedReader<Row, Index extends string> implements TableReader<Row, Index> {
  protected readonly table: Table<Row, Index>;
  readonly #reader: StoreReader;
  readonly #head: Key;
  /** The region as a list of none or one, to spread into keys. */
  readonly #region: Key;

  constructor(reader: StoreReader, table: Table<Row, Index>, scope: Scope) {
    this.table = table;
    this.#reader = reader;
    this.#head = table.scope === 'cloud' ? ['c', table.name] : ['a', scope.account, table.name];
    this.#region = table.scope === 'region' ? [scope.region] : [];
  }

  async get(...key: Key): Promise<Row | undefined> {
    return (await this.#reader.get(this.rowKey(key))) as Row | undefined;
  }

  async list(options: ListOptions = {}): Promise<Row[]> {
    const range: Range = { prefix: this.rowKey(options.prefix ?? []) };
    if (options.after !== undefined) range.after = this.rowKey(options.after);
    if (options.before !== undefined) range.before = this.rowKey(options.before);
    if (options.limit !== undefined) range.limit = options.limit;
    if (options.reverse !== undefined) range.reverse = options.reverse;
    const entries = await this.#reader.scan(range);
    return entries.map(({ value }) => value as Row);
  }

  async byIndex(index: Index, prefix: Key, options: IndexOptions = {}): Promise<Row[]> {
    const range: Range = { prefix: this.indexKey(index, prefix) };
    if (options.after !== undefined) range.after = this.indexKey(index, options.after);
    if (options.limit !== undefined) range.limit = options.limit;
    if (options.reverse !== undefined) range.reverse = options.reverse;
    const rows: Row[] = [];
    for (const { value } of await this.#reader.scan(range)) {
      const row = await this.#reader.get(this.rowKey(value as Key));
      // Outside a transaction the row may go between the two reads.
      if (row !== undefined) rows.push(row as Row);
    }
    return rows;
  }

  async firstByIndex(index: Index, prefix: Key): Promise<Row | undefined> {
    const [first] = await this.byIndex(index, prefix, { limit: 1 });
    return first;
  }

  count(prefix: Key = [], { after, before }: Pick<ListOptions, 'after' | 'before'> = {}): Promise<number> {
    const range: Range = { prefix: this.rowKey(prefix) };
    if (after !== undefined) range.after = this.rowKey(after);
    if (before !== undefined) range.before = this.rowKey(before);
    return this.#reader.count(range);
  }

  keyOf(row: Row): Key {
    return this.table.key(row);
  }

  positionIn(index: Index, row: Row, prefix: Key = []): Key | undefined {
    const definition = this.definitionOf(index);
    const entry = listEntries(definition, row).find((candidate) => prefix.every((part, at) => candidate[at] === part));
    return entry && (definition.unique ? entry : [...entry, ...this.keyOf(row)]);
  }

  protected rowKey(key: Key): Key {
    return this.storeKey('r', this.#region, key);
  }

  protected indexKey(index: Index, position: Key): Key {
    return this.storeKey(this.definitionOf(index).unique ? 'u' : 'i', [index, ...this.#region], position);
  }

  protected definitionOf(index: Index): IndexDefinition<Row> {
    const definition = this.table.indexes.get(index);
    assert(definition, `Table ${this.table.name} has no index ${index}.`);
    return definition;
  }

  private storeKey(part: Part, middle: Key, tail: Key): Key {
    return [...this.#head, part, ...middle, ...tail];
  }
}

class ScopedWriter<Row, Index extends string> extends ScopedReader<Row, Index> implements TableWriter<Row, Index> {
  readonly #tx: StoreTransaction;

  constructor(tx: StoreTransaction, table: Table<Row, Index>, scope: Scope) {
    super(tx, table, scope);
    this.#tx = tx;
  }

  async put(row: Row): Promise<void> {
    const key = this.keyOf(row);
    await this.#replace(key, this.table.indexes.size > 0 ? await this.get(...key) : undefined, row);
  }

  async delete(...key: Key): Promise<boolean> {
    const row = await this.get(...key);
    if (row === undefined) return false;
    for (const [index, definition] of this.table.indexes) {
      for (const entry of listEntries(definition, row)) await this.#tx.delete(this.#positionKey(index, definition, entry, key));
    }
    await this.#tx.delete(this.rowKey(key));
    return true;
  }

  async update(key: Key, change: (row: Row) => Row): Promise<Row | undefined> {
    const old = await this.get(...key);
    if (old === undefined) return undefined;
    const row = change(old);
    assert.deepEqual(this.keyOf(row), key, `An update of table ${this.table.name} changed the key.`);
    await this.#replace(key, old, row);
    return row;
  }

  async #replace(key: Key, old: Row | undefined, row: Row): Promise<void> {
    for (const [index, definition] of this.table.indexes) {
      const stale = new Map<string, Key>();
      if (old !== undefined) for (const entry of listEntries(definition, old)) stale.set(JSON.stringify(entry), entry);
      const fresh = new Map<string, Key>();
      for (const entry of listEntries(definition, row)) {
        const text = JSON.stringify(entry);
        if (!stale.delete(text)) fresh.set(text, entry);
      }
      for (const entry of stale.values()) await this.#tx.delete(this.#positionKey(index, definition, entry, key));
      for (const entry of fresh.values()) {
        const position = this.#positionKey(index, definition, entry, key);
        if (definition.unique && (await this.#tx.get(position)) !== undefined) {
          throw new DuplicateKeyError(this.table.name, index, entry);
        }
        await this.#tx.put(position, key);
      }
    }
    await this.#tx.put(this.rowKey(key), row as Value);
  }

  #positionKey(index: Index, definition: IndexDefinition<Row>, entry: Key, key: Key): Key {
    return this.indexKey(index, definition.unique ? entry : [...entry, ...key]);
  }
}

/** The entries of a row, each once. An empty list of entries and a missing one both mean: not in the index. */
function listEntries<Row>(definition: IndexDefinition<Row>, row: Row): readonly Key[] {
  const entries = definition.entries(row);
  if (entries === undefined || entries.length === 0) return [];
  if (!Array.isArray(entries[0])) return [entries as Key];
  if (entries.length === 1) return entries as readonly Key[];
  const distinct = new Map<string, Key>();
  for (const entry of entries as readonly Key[]) distinct.set(JSON.stringify(entry), entry);
  return [...distinct.values()];
}
