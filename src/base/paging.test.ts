import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { compareKeys, formatPageToken, type PageKey, pageOf, parsePageToken } from './paging.ts';

const part = fc.oneof(
  fc.string({ unit: 'grapheme', maxLength: 8 }),
  fc.integer(),
  fc.double({ noNaN: true, noDefaultInfinity: true }).map((n) => n + 0),
);
const key: fc.Arbitrary<PageKey> = fc.array(part, { maxLength: 4 });

describe('tokens', () => {
  test('token and key are inverse', () => {
    fc.assert(
      fc.property(fc.string(), key, (scope, value) => {
        expect(parsePageToken(scope, formatPageToken(scope, value))).toEqual(JSON.parse(JSON.stringify(value)));
      }),
    );
  });

  test('a token of another scope, cut or changed, is none', () => {
    const token = formatPageToken('DescribeVpcs', ['vpc-1', 2]);
    expect(parsePageToken('DescribeSubnets', token)).toBeUndefined();
    for (let end = 0; end < token.length; end++) expect(parsePageToken('DescribeVpcs', token.slice(0, end))).toBeUndefined();
    for (const text of ['', 'abc', '*', 'x'.repeat(5000), 'AAAAAAAAAAAAAAAAAAAA'])
      expect(parsePageToken('DescribeVpcs', text)).toBeUndefined();
  });
});

test('a forged token with a good check and a bad body is none', () => {
  const forge = (body: string) => {
    const check = createHash('sha256').update(`s\n${body}`).digest('base64url').slice(0, 12);
    return Buffer.from(check + body).toString('base64url');
  };
  expect(parsePageToken('s', forge('["a"]'))).toEqual(['a']);
  for (const body of ['', '{', '{}', '[null]', '[[1]]', '"a"']) expect(parsePageToken('s', forge(body))).toBeUndefined();
});

describe('pages of a list', () => {
  const numbers = fc.uniqueArray(fc.integer({ min: 0, max: 200 }), { maxLength: 60 }).map((list) => list.sort((a, b) => a - b));

  test('all pages together are the list, whatever the limit', () => {
    fc.assert(
      fc.property(numbers, fc.integer({ min: 1, max: 20 }), (list, limit) => {
        const seen: number[] = [];
        let token: string | undefined;
        do {
          const page = pageOf(list, (n) => [n], { scope: 's', token, limit })!;
          expect(page.items.length).toBeLessThanOrEqual(limit);
          seen.push(...page.items);
          token = page.nextToken;
        } while (token !== undefined);
        expect(seen).toEqual(list);
      }),
    );
  });

  test('an entry that goes or comes between two pages neither repeats nor hides others', () => {
    const first = pageOf(['a', 'b', 'c', 'd'], (text) => [text], { scope: 's', limit: 2 })!;
    expect(first.items).toEqual(['a', 'b']);
    expect(pageOf(['a', 'a2', 'c', 'd'], (text) => [text], { scope: 's', token: first.nextToken, limit: 2 })).toEqual({
      items: ['c', 'd'],
    });
  });

  test('a foreign token gives no page', () => {
    expect(pageOf(['a'], (text) => [text], { scope: 's', token: formatPageToken('t', ['a']) })).toBeUndefined();
  });
});

test('keys are ordered element by element, numbers before strings, by code point', () => {
  const keys: PageKey[] = [['b'], ['a', 'x'], ['a'], [2], [10], [], ['\u{10000}'], ['\uffff'], ['a', 1]];
  expect([...keys].sort(compareKeys)).toEqual([[], [2], [10], ['a'], ['a', 1], ['a', 'x'], ['b'], ['\uffff'], ['\u{10000}']]);
});
