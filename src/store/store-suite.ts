/**
 * What every store must do, as one vitest suite: `storeSuite(name, open)` is called with each implementation. It knows the interface only.
 */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { writeNumber, writerKeeps } from './crash-writes.ts';
import type { Key, Range, Store, StoreTransaction, Value } from './store.ts';
import { describeHistories, type Held } from './store-histories.ts';

/** A store under test: fresh and empty, or what is left after a crash. */
export interface StoreUnderTest {
  store: Store;
  /** Closes the store and opens it again on the same data. */
  reopen(): Promise<Store>;
  destroy(): Promise<void>;
}

/** What a process that was killed while it wrote has left. It has written numbers from 1 (crash-writes.ts). */
export interface KilledWriter extends StoreUnderTest {
  /** The last number the process printed, which it does when a transaction is acknowledged. */
  acknowledged: number;
}

/** Defines the suite. `crash`, where an implementation has processes of its own, runs `writeNumber` in one and kills it after some lines. */
export function storeSuite(
  name: string,
  open: () => Promise<StoreUnderTest>,
  crash?: (lines: number) => Promise<KilledWriter>,
): void {
  describe(`store ${name}`, () => {
    let under: StoreUnderTest;
    let store: Store;

    beforeEach(async () => {
      under = await open();
      store = under.store;
    });
    afterEach(() => under.destroy());

    const held = { store: () => store, reopen: async () => (store = await under.reopen()) };
    describeKeys(held);
    describeValues(held);
    describeTransactions(held);
    describeWhole(held);
    describeHistories(held);
    if (crash !== undefined) describeCrash(crash);
  });
}

async function putAll(store: Store, rows: Iterable<readonly [Key, Value]>): Promise<void> {
  await store.transact(async (tx) => {
    for (const [key, value] of rows) await tx.put(key, value);
  });
}

async function keysOf(store: Store, range: Range): Promise<Key[]> {
  return (await store.scan(range)).map(({ key }) => key);
}

/** In the order that a store must give them. */
const orderedKeys: readonly Key[] = [
  [Number.NEGATIVE_INFINITY],
  [-1e300],
  [-2],
  [-1.5],
  [0],
  [Number.MIN_VALUE],
  [1],
  [1, 'a'],
  [1, 'a', 2],
  [1, 'b'],
  [2],
  [10],
  [2 ** 53],
  [Number.POSITIVE_INFINITY],
  [''],
  ['', ''],
  ['', 'x'],
  ['\u0000'],
  ['\u0000', 1],
  ['\u0000\u0000'],
  ['\u0001'],
  [' '],
  ['A'],
  ['a'],
  ['a', -1],
  ['a', 7],
  ['a', ''],
  ['a', '', 'z'],
  ['a', 'b'],
  ['a\u0000'],
  ['a\u0000b'],
  ['aa'],
  ['b'],
  ['\u007f'],
  ['\u0080'],
  ['ä'],
  ['\u20ac'],
  ['\ufffd'],
  ['\uffff'],
  ['\u{10000}'],
  ['\u{1f600}'],
  ['\u{10ffff}'],
];

function describeKeys({ store }: Held): void {
  test('orders keys element by element, numbers before strings, strings by code point, a prefix before what it begins', async () => {
    await putAll(
      store(),
      orderedKeys.toReversed().map((key, index) => [key, index]),
    );
    expect(await keysOf(store(), { prefix: [] })).toEqual(orderedKeys);
    expect(await keysOf(store(), { prefix: [], reverse: true })).toEqual(orderedKeys.toReversed());
  });

  test('finds each of them by its key, and only by its key', async () => {
    await putAll(
      store(),
      orderedKeys.map((key, index) => [key, index]),
    );
    for (const [index, key] of orderedKeys.entries()) expect(await store().get(key)).toBe(index);
    expect(await store().get(['a', 'b', 'c'])).toBeUndefined();
    expect(await store().get(['1'])).toBeUndefined();
  });

  test('0 and -0 are one key', async () => {
    await putAll(store(), [[[-0], 'zero']]);
    expect(await store().get([0])).toBe('zero');
  });

  test('a prefix is whole elements, not the beginning of one', async () => {
    await putAll(
      store(),
      orderedKeys.map((key) => [key, 1]),
    );
    expect(await keysOf(store(), { prefix: ['a'] })).toEqual([['a'], ['a', -1], ['a', 7], ['a', ''], ['a', '', 'z'], ['a', 'b']]);
    expect(await keysOf(store(), { prefix: ['\u0000'] })).toEqual([['\u0000'], ['\u0000', 1]]);
    expect(await keysOf(store(), { prefix: [''] })).toEqual([[''], ['', ''], ['', 'x']]);
    expect(await keysOf(store(), { prefix: [1, 'a'] })).toEqual([
      [1, 'a'],
      [1, 'a', 2],
    ]);
    expect(await keysOf(store(), { prefix: ['nothing'] })).toEqual([]);
  });

  test('after, before, reverse and limit page through a range', async () => {
    const keys = Array.from({ length: 10 }, (_, i): Key => ['n', i]);
    await putAll(
      store(),
      [...keys, ['m'], ['o']].map((key) => [key, 1]),
    );
    expect(await keysOf(store(), { prefix: ['n'], after: ['n', 3], limit: 2 })).toEqual([
      ['n', 4],
      ['n', 5],
    ]);
    expect(await keysOf(store(), { prefix: ['n'], after: ['n', 3.5], before: ['n', 6] })).toEqual([
      ['n', 4],
      ['n', 5],
    ]);
    expect(await keysOf(store(), { prefix: ['n'], after: ['n', 2], reverse: true })).toEqual([
      ['n', 1],
      ['n', 0],
    ]);
    expect(await keysOf(store(), { prefix: ['n'], before: ['n', 7], reverse: true })).toEqual([
      ['n', 9],
      ['n', 8],
    ]);
    expect(await keysOf(store(), { prefix: ['n'], after: ['o'] })).toEqual([]);
    expect(await keysOf(store(), { prefix: ['n'], after: ['a'], limit: 1 })).toEqual([['n', 0]]);
    expect(await keysOf(store(), { prefix: ['n'], limit: 0 })).toEqual([]);
    expect(await keysOf(store(), { prefix: [], limit: 1, reverse: true })).toEqual([['o']]);
    expect(await keysOf(store(), { prefix: ['n'], after: ['n', 9], before: ['n', 1] })).toEqual([]);
    expect(await store().count({ prefix: ['n'] })).toBe(10);
    expect(await store().count({ prefix: ['n'], after: ['n', 3], before: ['n', 8] })).toBe(4);
    expect(await store().count({ prefix: ['n'], after: ['n', 3], reverse: true })).toBe(3);
    expect(await store().count({ prefix: [], limit: 5 })).toBe(5);
    expect(await store().count({ prefix: ['nothing'] })).toBe(0);
  });

  test('what follows a key begins with what the key begins', async () => {
    await putAll(store(), [
      [['n', 1], 1],
      [['n', 1, 'x'], 1],
      [['n', 2], 1],
    ]);
    expect(await keysOf(store(), { prefix: ['n'], after: ['n', 1] })).toEqual([
      ['n', 1, 'x'],
      ['n', 2],
    ]);
    expect(await keysOf(store(), { prefix: ['n'], before: ['n', 1], reverse: true })).toEqual([
      ['n', 2],
      ['n', 1, 'x'],
    ]);
  });

  test('refuses keys that it cannot hold, and writes nothing then', async () => {
    const refused: Key[] = [[], [Number.NaN], ['x'.repeat(5000)], ['half \ud800 pair'], Array.from({ length: 600 }, () => 1)];
    for (const key of refused) {
      const body = async (tx: StoreTransaction) => {
        await tx.put(['before'], 1);
        await tx.put(key, 1);
      };
      await expect(store().transact(body)).rejects.toMatchObject({ name: 'InvalidKeyError' });
    }
    expect(await store().count({ prefix: [] })).toBe(0);
  });

  test('holds keys of 4000 bytes', async () => {
    const long: Key = ['t', 'x'.repeat(3990)];
    await putAll(store(), [[long, 1]]);
    expect(await keysOf(store(), { prefix: ['t'] })).toEqual([long]);
  });
}

const values: readonly Value[] = [
  null,
  true,
  '',
  'ä\u0000\u{1f600}',
  0,
  -1.5,
  2 ** 53,
  -(2 ** 31) - 1,
  5n,
  -(2n ** 63n),
  2n ** 200n,
  new Uint8Array([0, 255, 1]),
  [],
  [1, ['x', null]],
  {},
  -0,
  Number.NaN,
  'half \ud800 pair',
  JSON.parse('{"__proto__":{"a":1}}'),
  { a: 1, nested: { list: [{ b: new Uint8Array(0) }], text: 'x' }, constructor: 'no', length: 3, toJSON: 'text' },
];

function describeValues({ store, reopen }: Held): void {
  test('gives values back as they were, also after opening again', async () => {
    await putAll(
      store(),
      values.map((value, index) => [['v', index], value]),
    );
    const check = async (from: Store) => {
      const entries = await from.scan({ prefix: ['v'] });
      expect(entries.map(({ value }) => value)).toStrictEqual(values);
      for (const [index, value] of values.entries()) expect(await from.get(['v', index])).toStrictEqual(value);
    };
    await check(store());
    await check(await reopen());
  });

  test('leaves undefined members out', async () => {
    await putAll(store(), [[['v'], { a: undefined, b: { c: undefined, d: 1 } }]]);
    expect(await store().get(['v'])).toStrictEqual({ b: { d: 1 } });
  });

  test('keeps what was put, not what the caller makes of the object later', async () => {
    const row = { list: ['x'], bytes: new Uint8Array([1]) };
    await store().transact(async (tx) => {
      await tx.put(['v'], row);
      row.list.push('y');
      row.bytes[0] = 9;
      expect(await tx.get(['v'])).toStrictEqual({ list: ['x'], bytes: new Uint8Array([1]) });
    });
    row.list.push('z');
    expect(await store().get(['v'])).toStrictEqual({ list: ['x'], bytes: new Uint8Array([1]) });
  });

  test('rows read are frozen, deep', async () => {
    await putAll(store(), [[['v'], { list: [{ a: 1 }] }]]);
    const check = (value: unknown) => {
      const row = value as { list: { a: number }[] };
      expect(() => row.list.push({ a: 2 })).toThrow(TypeError);
      expect(() => {
        row.list[0]!.a = 2;
      }).toThrow(TypeError);
    };
    check(await store().get(['v']));
    check((await store().scan({ prefix: ['v'] }))[0]?.value);
    await store().transact(async (tx) => check(await tx.get(['v'])));
  });

  test('refuses what it could not give back', async () => {
    const circular: unknown[] = [];
    circular.push(circular);
    const refused: unknown[] = [
      undefined,
      () => 1,
      Symbol('s'),
      new Map(),
      { a: [{ at: new Date(0) }] },
      [undefined],
      Object.create({ a: 1 }),
      circular,
    ];
    for (const value of refused) {
      const putting = store().transact((tx) => tx.put(['v'], value as Value));
      await expect(putting).rejects.toMatchObject({ name: 'InvalidValueError' });
    }
    expect(await store().get(['v'])).toBeUndefined();
  });

  test('holds large values', async () => {
    const large = new Uint8Array(6 << 20).map((_, i) => i * 31);
    await putAll(store(), [
      [['large'], { large }],
      [['text'], 'ä'.repeat(1 << 20)],
    ]);
    const check = async (from: Store) => {
      const row = (await from.get(['large'])) as { large: Uint8Array };
      expect(Buffer.compare(row.large, large)).toBe(0);
      expect(await from.get(['text'])).toBe('ä'.repeat(1 << 20));
    };
    await check(store());
    await check(await reopen());
  });
}

function describeTransactions({ store, reopen }: Held): void {
  test('a transaction reads what it has written, over what was there', async () => {
    await putAll(
      store(),
      [1, 2, 3, 4].map((i) => [['k', i], 'old']),
    );
    await store().transact(async (tx) => {
      await tx.put(['k', 2], 'new');
      await tx.put(['k', 2.5], 'new');
      await tx.delete(['k', 3]);
      await tx.delete(['k', 99]);
      expect(await tx.get(['k', 2])).toBe('new');
      expect(await tx.get(['k', 3])).toBeUndefined();
      const entries = await tx.scan({ prefix: ['k'] });
      expect(entries.map(({ key, value }) => [key[1], value])).toEqual([
        [1, 'old'],
        [2, 'new'],
        [2.5, 'new'],
        [4, 'old'],
      ]);
      expect((await tx.scan({ prefix: ['k'], reverse: true, limit: 2 })).map(({ key }) => key[1])).toEqual([4, 2.5]);
      expect((await tx.scan({ prefix: ['k'], after: ['k', 2], limit: 1 })).map(({ key }) => key[1])).toEqual([2.5]);
      expect(await tx.count({ prefix: ['k'] })).toBe(4);
      await tx.put(['k', 3], 'again');
      expect(await tx.count({ prefix: ['k'] })).toBe(5);
    });
    expect(await store().get(['k', 3])).toBe('again');
  });

  test('nobody outside sees its writes before the end', async () => {
    const outside = store();
    await store().transact(async (tx) => {
      await tx.put(['k'], 1);
      expect(await outside.get(['k'])).toBeUndefined();
      expect(await outside.scan({ prefix: [] })).toEqual([]);
      expect(await outside.count({ prefix: [] })).toBe(0);
    });
    expect(await outside.get(['k'])).toBe(1);
  });

  test('a body that throws writes nothing, and its error comes out', async () => {
    await putAll(store(), [[['k'], 'old']]);
    const failure = new Error('on purpose');
    const body = async (tx: StoreTransaction) => {
      await tx.put(['k'], 'new');
      await tx.put(['other'], 1);
      await tx.delete(['k']);
      throw failure;
    };
    await expect(store().transact(body)).rejects.toBe(failure);
    expect(await store().scan({ prefix: [] })).toEqual([{ key: ['k'], value: 'old' }]);
    expect(await (await reopen()).scan({ prefix: [] })).toEqual([{ key: ['k'], value: 'old' }]);
  });

  test('gives back what the body returns', async () => {
    expect(await store().transact(async () => 'result')).toBe('result');
  });

  test('1000 increments in parallel make 1000', async () => {
    const increment = () =>
      store().transact(async (tx) => {
        const now = ((await tx.get(['counter'])) as number | undefined) ?? 0;
        await tx.put(['counter'], now + 1);
        return now + 1;
      });
    const results = await Promise.all(Array.from({ length: 1000 }, increment));
    expect(await store().get(['counter'])).toBe(1000);
    expect(new Set(results).size).toBe(1000);
  });

  test('runs what is to come after the commit, in order, and not when there is none', async () => {
    const seen: unknown[] = [];
    await store().transact(async (tx) => {
      tx.afterCommit(() => seen.push('first'));
      tx.afterCommit(
        () =>
          void store()
            .get(['k'])
            .then((value) => seen.push(value)),
      );
      await tx.put(['k'], 'there');
      expect(seen).toEqual([]);
    });
    await expect.poll(() => seen).toEqual(['first', 'there']);
    const body = async (tx: StoreTransaction) => {
      tx.afterCommit(() => seen.push('never'));
      throw new Error('on purpose');
    };
    await expect(store().transact(body)).rejects.toThrow('on purpose');
    expect(seen).toEqual(['first', 'there']);
  });

  test('a body that awaits anything else is rejected, writes nothing and holds up nobody', async () => {
    const late: unknown[] = [];
    const body = async (tx: StoreTransaction) => {
      await tx.put(['k'], 1);
      await new Promise((resolve) => setImmediate(resolve));
      await tx.put(['k'], 2).catch((error) => late.push(error));
    };
    const waiting = [store().transact(body), store().transact((tx) => tx.put(['next'], 1))] as const;
    const message = expect.stringContaining('awaited something other than the store inside a transaction');
    await expect(waiting[0]).rejects.toMatchObject({ name: 'AssertionError', message });
    await waiting[1];
    await expect.poll(() => late).toEqual([expect.objectContaining({ name: 'AssertionError' })]);
    expect(await store().scan({ prefix: [] })).toEqual([{ key: ['next'], value: 1 }]);
  });

  test('a transaction inside a transaction is rejected, not a deadlock', async () => {
    const nested = store().transact(async (tx) => {
      await tx.put(['outer'], 1);
      await store().transact((inner) => inner.put(['inner'], 1));
    });
    await expect(nested).rejects.toMatchObject({ name: 'AssertionError' });
    expect(await store().get(['outer'])).toBeUndefined();
    await store().transact((tx) => tx.put(['next'], 1));
    expect(await store().get(['next'])).toBe(1);
  });

  test('a transaction is of no use after its end', async () => {
    let kept: StoreTransaction | undefined;
    await store().transact(async (tx) => {
      kept = tx;
    });
    await expect(kept!.put(['k'], 1)).rejects.toMatchObject({ name: 'AssertionError' });
    await expect(kept!.get(['k'])).rejects.toMatchObject({ name: 'AssertionError' });
    expect(() => kept!.afterCommit(() => undefined)).toThrow('over');
  });
}

function describeWhole({ store, reopen }: Held): void {
  test('clear removes what begins with the prefix, and nothing else', async () => {
    const keys: Key[] = [['a'], ['a', 'x'], ['a', 'x', 1], ['a', 'y'], ['aa'], ['b']];
    await putAll(
      store(),
      keys.map((key) => [key, 1]),
    );
    await store().clear(['a', 'x']);
    expect(await keysOf(store(), { prefix: [] })).toEqual([['a'], ['a', 'y'], ['aa'], ['b']]);
    await store().clear(['nothing']);
    await store().clear([]);
    expect(await keysOf(store(), { prefix: [] })).toEqual([]);
    expect(await keysOf(await reopen(), { prefix: [] })).toEqual([]);
  });

  test('holds many keys, through writing, changing, deleting and opening again', async () => {
    const rows = 30_000;
    for (let from = 0; from < rows; from += 1000) {
      await putAll(
        store(),
        Array.from({ length: 1000 }, (_, i) => [['many', ((from + i) * 7919) % rows], { number: from + i }]),
      );
    }
    for (let from = 0; from < rows; from += 3000) {
      await store().transact(async (tx) => {
        for (let i = from; i < from + 3000; i += 3) await tx.delete(['many', i]);
        for (let i = from + 1; i < from + 3000; i += 3) await tx.put(['many', i], 'changed');
      });
    }
    const check = async (from: Store) => {
      expect(await from.count({ prefix: ['many'] })).toBe((rows / 3) * 2);
      expect(await from.count({ prefix: ['many'], after: ['many', 2999] })).toBe(((rows - 3000) / 3) * 2);
      const entries = await from.scan({ prefix: ['many'], after: ['many', 14_999], limit: 4 });
      expect(entries.map(({ key }) => key[1])).toEqual([15_001, 15_002, 15_004, 15_005]);
      expect(entries[0]?.value).toBe('changed');
      const all = await keysOf(from, { prefix: ['many'], reverse: true });
      expect(all.every((key, i) => i === 0 || (key[1] as number) < (all[i - 1]![1] as number))).toBe(true);
    };
    await check(store());
    await check(await reopen());
    await store().clear(['many']);
    expect(await store().count({ prefix: [] })).toBe(0);
  });

  test('tells its size, which grows with what it holds', async () => {
    const before = await store().size();
    await putAll(store(), [[['k'], new Uint8Array(1 << 20)]]);
    expect(await store().size()).toBeGreaterThan(before + (1 << 20));
  });

  test('refuses to work after it was closed', async () => {
    await store().close();
    await expect(store().transact((tx) => tx.put(['k'], 1))).rejects.toThrow('closed');
    await expect(store().get(['k'])).rejects.toThrow('closed');
    await expect(store().scan({ prefix: [] })).rejects.toThrow('closed');
    await expect(store().clear([])).rejects.toThrow('closed');
    await store().close();
  });
}

function describeCrash(crash: (lines: number) => Promise<KilledWriter>): void {
  test.each([1, 7, 60, 333, 900])('a process killed after %i answers has lost nothing and left nothing half', async (lines) => {
    const { store, acknowledged, reopen, destroy } = await crash(lines);
    const check = async (from: Store) => {
      const last = (await from.get(['last'])) as number;
      expect(acknowledged).toBeGreaterThanOrEqual(lines);
      expect(last).toBeGreaterThanOrEqual(acknowledged);
      const wanted: Key[] = [];
      for (let number = Math.max(1, last - writerKeeps + 1); number <= last; number++) {
        for (const which of ['a', 'b', 'c']) wanted.push(['number', number, which]);
      }
      expect(await keysOf(from, { prefix: ['number'] })).toEqual(wanted);
      for (const { value } of await from.scan({ prefix: ['number'] })) {
        const row = value as { number: number; filling: Uint8Array };
        expect(row.filling.length).toBe((row.number * 7919) % 30_000);
      }
      return last;
    };
    try {
      const last = await check(store);
      await store.transact((tx) => writeNumber(tx, last + 1));
      expect(await check(await reopen())).toBe(last + 1);
    } finally {
      await destroy();
    }
  });
}
