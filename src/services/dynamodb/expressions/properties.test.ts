import fc from 'fast-check';
import { expect, test } from 'vitest';
import { addNumbers, compareNumbers, formatDecimal, numberSize, parseDecimal, sortableNumber } from '../numbers.ts';
import { itemSize, type Item, type Value } from '../values.ts';
import { parseCondition } from './condition-parser.ts';
import { meets } from './evaluate.ts';
import { ExpressionError } from './lexer.ts';
import { Placeholders } from './placeholders.ts';
import { parseProjection, project } from './projection.ts';
import { parseUpdate } from './update-parser.ts';
import { applyUpdate } from './update.ts';

const digits = fc.stringMatching(/^[1-9][0-9]{0,18}$/);
const exponent = fc.integer({ min: -40, max: 40 });
const decimal = fc
  .tuple(fc.boolean(), digits, exponent)
  .map(([negative, text, power]) => `${negative ? '-' : ''}${text}e${power}`)
  .map((text) => canonical(text));

function canonical(text: string): string {
  const parsed = parseDecimal(text);
  if (typeof parsed === 'string') throw new Error(parsed);
  return formatDecimal(parsed);
}

/** A number as a whole number of 10^-80. */
function exact(text: string): bigint {
  const [whole = '', fraction = ''] = text.replace('-', '').split('.');
  const units = BigInt(whole + fraction.padEnd(80, '0'));
  return text.startsWith('-') ? -units : units;
}

test('numbers are added exactly, and sort as numbers', () => {
  fc.assert(
    fc.property(decimal, decimal, (a, b) => {
      const order = exact(a) < exact(b) ? -1 : exact(a) > exact(b) ? 1 : 0;
      expect(Math.sign(compareNumbers(a, b))).toBe(order);
      const left = sortableNumber(a);
      const right = sortableNumber(b);
      expect(left < right ? -1 : left > right ? 1 : 0).toBe(order);
      const sum = addNumbers(a, b, 1);
      if (typeof sum !== 'string') expect(exact(sum.text)).toBe(exact(a) + exact(b));
      else expect(sum).toBe('precision');
      expect(canonical(a)).toBe(a);
      expect(numberSize(a)).toBeLessThanOrEqual(21 + 1);
    }),
  );
});

const name = fc.constantFrom('a', 'b', 'c');
const scalar: fc.Arbitrary<Value> = fc.oneof(
  fc.constantFrom('', 'x', 'xy', 'y').map((S) => ({ S })),
  fc.integer({ min: -3, max: 3 }).map((n) => ({ N: String(n) })),
  fc.boolean().map((BOOL) => ({ BOOL })),
);
const value: fc.Arbitrary<Value> = fc.letrec<{ value: Value }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 3 },
    scalar,
    fc.array(tie('value'), { maxLength: 3 }).map((L) => ({ L })),
    fc.dictionary(name, tie('value'), { maxKeys: 3 }).map((M) => ({ M })),
  ),
})).value;
const item: fc.Arbitrary<Item> = fc.dictionary(name, value, { maxKeys: 3 });

type Tree = { text: string; naive: (held: Item) => boolean };
const number = (held: Item, key: string) => (held[key]?.N === undefined ? undefined : Number(held[key].N));

const tree: fc.Arbitrary<Tree> = fc.letrec<{ tree: Tree }>((tie) => ({
  tree: fc.oneof(
    { maxDepth: 4 },
    name.map((key) => ({ text: `attribute_exists(${key})`, naive: (held: Item) => held[key] !== undefined })),
    fc.tuple(name, fc.constantFrom('<', '<=', '>', '>=')).map(([key, operator]) => ({
      text: `${key} ${operator} :zero`,
      naive: (held: Item) => {
        const n = number(held, key);
        if (n === undefined) return false;
        return operator === '<' ? n < 0 : operator === '<=' ? n <= 0 : operator === '>' ? n > 0 : n >= 0;
      },
    })),
    name.map((key) => ({ text: `begins_with(${key}, :x)`, naive: (held: Item) => held[key]?.S?.startsWith('x') === true })),
    tie('tree').map(({ text, naive }) => ({ text: `NOT (${text})`, naive: (held: Item) => !naive(held) })),
    fc.tuple(tie('tree'), tie('tree'), fc.boolean()).map(([left, right, and]) => ({
      text: `(${left.text}) ${and ? 'AND' : 'OR'} (${right.text})`,
      naive: (held: Item) => (and ? left.naive(held) && right.naive(held) : left.naive(held) || right.naive(held)),
    })),
  ),
})).tree;

test('conditions mean what a naive evaluation says', () => {
  fc.assert(
    fc.property(tree, item, ({ text, naive }, held) => {
      const placeholders = new Placeholders(undefined, { ':zero': { N: '0' }, ':x': { S: 'x' } });
      expect(meets(held, parseCondition(text, placeholders))).toBe(naive(held));
    }),
  );
});

test('a projection never adds, an update never changes what it was given', () => {
  fc.assert(
    fc.property(item, value, name, (held, next, key) => {
      const before = JSON.stringify(held);
      const none = new Placeholders(undefined, undefined);
      const part = project(held, parseProjection(`${key}.a, ${key}.b[0], d`, none));
      expect(itemSize(part)).toBeLessThanOrEqual(itemSize(held));
      const placeholders = new Placeholders(undefined, { ':v': { S: JSON.stringify(next) } });
      const updated = applyUpdate(held, parseUpdate(`SET ${key} = :v`, placeholders));
      expect(updated[key]).toEqual({ S: JSON.stringify(next) });
      expect(JSON.stringify(held)).toBe(before);
    }),
  );
});

test('no text breaks a parser but with an error of the expression', () => {
  const pieces = [
    'a',
    '#n',
    ':v',
    '=',
    '<',
    '(',
    ')',
    '[',
    ']',
    '1',
    '.',
    ',',
    'AND',
    'NOT',
    'SET',
    'REMOVE',
    'size',
    'contains',
    '+',
    '%',
  ];
  fc.assert(
    fc.property(fc.array(fc.constantFrom(...pieces), { maxLength: 14 }), (words) => {
      for (const parse of [parseCondition, parseProjection, parseUpdate]) {
        try {
          parse(words.join(' '), new Placeholders({ '#n': 'n' }, { ':v': { N: '1' } }));
        } catch (error) {
          expect(error).toBeInstanceOf(ExpressionError);
        }
      }
    }),
    { numRuns: 500 },
  );
});
