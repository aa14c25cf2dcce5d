import { describe, expect, test } from 'vitest';
import { parseFilterPattern } from './filter-pattern.ts';
import { PatternError } from './filter-values.ts';

const matches = (pattern: string, message: string) => parseFilterPattern(pattern)(message) !== undefined;

describe('terms', () => {
  test.each([
    ['', 'anything', true],
    ['ERROR', '[ERROR] disk', true],
    ['ERROR', '[error] disk', false],
    ['ERROR ARGUMENTS', '[ERROR] bad ARGUMENTS', true],
    ['ERROR ARGUMENTS', '[ERROR] bad', false],
    ['?ERROR ?WARN', 'WARN: slow', true],
    ['?ERROR ?WARN', 'INFO: fine', false],
    ['ERROR -EXIT', 'ERROR and EXIT', false],
    ['"INTERNAL SERVER ERROR"', '500 INTERNAL SERVER ERROR', true],
    ['%AUTHORIZED%', 'UNAUTHORIZED', true],
    ['%^ERR.R%', 'no ERROR', false],
  ])('%j on %j: %j', (pattern, message, expected) => expect(matches(pattern, message)).toBe(expected));
});

describe('JSON', () => {
  const event = JSON.stringify({
    type: 'UpdateTrail',
    ip: '111.111.1.1',
    n: 5,
    flag: true,
    nothing: null,
    list: [{ v: 'a' }, { v: 'b' }],
  });
  test.each([
    ['{ $.type = "UpdateTrail" }', true],
    ['{ $.type = "Update*" }', true],
    ['{ $.type != "UpdateTrail" }', false],
    ['{ $.ip = 111.111.* }', true],
    ['{ $.n > 4 && $.n <= 5 }', true],
    ['{ ($.n = 1 || $.n = 5) && $.flag IS TRUE }', true],
    ['{ $.nothing IS NULL }', true],
    ['{ $.other NOT EXISTS }', true],
    ['{ $.other EXISTS }', false],
    ['{ $.list[0].v = "a" }', true],
    ['{ $.list[*].v = "b" }', true],
    ['{ $.type = %^Update% }', true],
  ])('%s: %j', (pattern, expected) => expect(matches(pattern, event)).toBe(expected));

  test('a line that is no JSON matches nothing', () => expect(matches('{ $.n = 5 }', 'n = 5')).toBe(false));

  test('values can be taken out', () => {
    const match = parseFilterPattern('{ $.n > 1 }')(event);
    expect(match?.extract('$.n')).toBe('5');
    expect(match?.extracted).toEqual({ '$.n': '5' });
  });
});

describe('fields', () => {
  const line = '127.0.0.1 Prod frank [10/Oct/2000:13:25:15 -0700] "GET /index.html HTTP/1.0" 404 1534';
  test.each([
    ['[ip, server, username, timestamp, request, status_code, bytes]', true],
    ['[ip, server, username, timestamp, request, status_code = 4*, bytes > 1000]', true],
    ['[ip, server, username, timestamp, request = "GET *", status_code = 404 || status_code = 410, bytes]', true],
    ['[..., status_code = 4*, bytes]', true],
    ['[ip, ..., status_code = 5*, bytes]', false],
    ['[ip, server]', false],
  ])('%s: %j', (pattern, expected) => expect(matches(pattern, line)).toBe(expected));

  test('fields have names', () => {
    expect(parseFilterPattern('[ip, ..., bytes]')(line)?.extracted).toEqual({ $ip: '127.0.0.1', $bytes: '1534' });
  });
});

test.each(['{ $.a }', '{ $.a = }', '{ $.a > word }', '[a, b', '[..., a, ...]', '"open', '%(a+)+%', 'a=b', '{ a = 1 }'])(
  '%s cannot be read',
  (pattern) => {
    expect(() => parseFilterPattern(pattern)).toThrow(PatternError);
  },
);
