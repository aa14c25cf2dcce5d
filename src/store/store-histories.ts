/**
 * Part of the store suite: random histories of commands against a plain sorted list. Apart from the rest because it has a model and generators of
 * its own.
 */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Key, KeyPart, Range, Store, Value } from './store.ts';

/** The store under test, which changes when it is opened again. */
export interface Held {
  store: () => Store;
  reopen: () => Promise<Store>;
}

/** Defines the test. The seed is fixed: a failure prints the shortest history that fails. */
export function describeHistories({ store, reopen }: Held): void {
  test('any history of commands leaves what a plain sorted list would hold', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(command, { maxLength: 40 }), async (commands) => {
        await store().clear([]);
        const model = new Map<string, { key: Key; value: Value }>();
        for (const step of commands) await play(step, { store, reopen }, model);
        expect(await store().scan({ prefix: [] })).toStrictEqual(sorted(model, { prefix: [] }));
      }),
      { numRuns: 60, seed: 20_260_731 },
    );
  });
}

type Model = Map<string, { key: Key; value: Value }>;
type Write = { put: Key; value: Value } | { delete: Key } | { look: Range };
type Command = { transact: Write[]; fails: boolean } | { clear: Key } | { reopen: true };

const part: fc.Arbitrary<KeyPart> = fc.oneof(
  fc.constantFrom('', 'a', 'a\u0000', 'b', 'ä', '\u{1f600}', 'aa'),
  fc.constantFrom(-1, 0, 1, 2.5),
);
const key = fc.array(part, { minLength: 1, maxLength: 3 });
const range: fc.Arbitrary<Range> = fc.record(
  {
    prefix: fc.array(part, { maxLength: 2 }),
    after: key,
    before: key,
    reverse: fc.boolean(),
    limit: fc.nat({ max: 5 }),
  },
  { requiredKeys: ['prefix'] },
);
const write: fc.Arbitrary<Write> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      put: key,
      value: fc.oneof(fc.nat(), fc.string(), fc.record({ a: fc.nat() }, { noNullPrototype: true })),
    }),
  },
  { weight: 2, arbitrary: fc.record({ delete: key }) },
  { weight: 3, arbitrary: fc.record({ look: range }) },
);
const command: fc.Arbitrary<Command> = fc.oneof(
  { weight: 20, arbitrary: fc.record({ transact: fc.array(write, { maxLength: 12 }), fails: fc.boolean() }) },
  { weight: 2, arbitrary: fc.record({ clear: fc.array(part, { maxLength: 1 }) }) },
  { weight: 1, arbitrary: fc.constant<Command>({ reopen: true }) },
);

async function play(step: Command, { store, reopen }: Held, model: Model): Promise<void> {
  if ('reopen' in step) {
    await reopen();
    return;
  }
  if ('clear' in step) {
    await store().clear(step.clear);
    for (const { key: found } of sorted(model, { prefix: step.clear })) model.delete(JSON.stringify(found));
    return;
  }
  const inside: Model = new Map(model);
  const running = store().transact(async (tx) => {
    for (const one of step.transact) {
      if ('put' in one) {
        await tx.put(one.put, one.value);
        inside.set(JSON.stringify(one.put), { key: one.put, value: one.value });
      } else if ('delete' in one) {
        await tx.delete(one.delete);
        inside.delete(JSON.stringify(one.delete));
      } else {
        expect(await tx.scan(one.look)).toStrictEqual(sorted(inside, one.look));
        expect(await tx.count(one.look)).toBe(sorted(inside, one.look).length);
        expect(await store().scan(one.look)).toStrictEqual(sorted(model, one.look));
        expect(await store().count(one.look)).toBe(sorted(model, one.look).length);
      }
    }
    if (step.fails) throw new Error('on purpose');
  });
  if (step.fails) await expect(running).rejects.toThrow('on purpose');
  else {
    await running;
    model.clear();
    for (const [text, entry] of inside) model.set(text, entry);
  }
}

/** The range, by the words of the interface. */
function sorted(model: Model, { prefix, after, before, reverse, limit }: Range): { key: Key; value: Value }[] {
  const towards = (a: Key, b: Key) => (reverse ? compare(b, a) : compare(a, b));
  return [...model.values()]
    .filter((entry) => prefix.every((wanted, at) => entry.key[at] === wanted))
    .filter((entry) => after === undefined || towards(entry.key, after) > 0)
    .filter((entry) => before === undefined || towards(entry.key, before) < 0)
    .sort((a, b) => towards(a.key, b.key))
    .slice(0, limit);
}

function compare(a: Key, b: Key): number {
  for (let at = 0; at < Math.min(a.length, b.length); at++) {
    const [x, y] = [a[at]!, b[at]!];
    if (typeof x !== typeof y) return typeof x === 'number' ? -1 : 1;
    const order = typeof x === 'number' ? x - (y as number) : Buffer.compare(Buffer.from(x), Buffer.from(y as string));
    if (order !== 0) return order;
  }
  return a.length - b.length;
}
