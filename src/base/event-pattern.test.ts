import { expect, test } from 'vitest';
import { compilePattern } from './event-pattern.ts';

const matches = (pattern: unknown, event: unknown): boolean => compilePattern(JSON.stringify(pattern))(event);

test.each<[pattern: unknown, yes: unknown, no: unknown]>([
  [{ a: ['x', 1, null] }, { a: 1 }, { a: '1' }],
  [{ a: [null] }, { a: null }, {}],
  [{ a: { b: ['x'] } }, { a: { b: 'x' } }, { a: 'x' }],
  [{ a: ['x'], b: ['y'] }, { a: 'x', b: 'y' }, { a: 'x' }],
  [{ a: ['x'] }, { a: ['w', 'x'] }, { a: ['w'] }],
  [{ a: [{ prefix: 'us-' }] }, { a: 'us-east-1' }, { a: 'eu-us-' }],
  [{ a: [{ suffix: '.png' }] }, { a: 'x.png' }, { a: 'x.PNG' }],
  [{ a: [{ suffix: { 'equals-ignore-case': '.png' } }] }, { a: 'x.PNG' }, { a: 'png' }],
  [{ a: [{ 'equals-ignore-case': 'Alice' }] }, { a: 'aLICE' }, { a: 'alic' }],
  [{ a: [{ wildcard: 'a*b*c' }] }, { a: 'a--b--c' }, { a: 'a--c--b' }],
  [{ a: [{ wildcard: 'a\\*' }] }, { a: 'a*' }, { a: 'ab' }],
  [{ a: [{ 'anything-but': ['x', 'y'] }] }, { a: 'z' }, { a: 'x' }],
  [{ a: [{ 'anything-but': { prefix: 'x' } }] }, { a: 'y' }, { a: 'xy' }],
  [{ a: [{ 'anything-but': { suffix: ['x', 'z'] } }] }, { a: 'xy' }, { a: 'yz' }],
  [{ a: [{ 'anything-but': 5 }] }, { a: 6 }, {}],
  [{ a: [{ numeric: ['>', 0, '<=', 5] }] }, { a: 5 }, { a: 0 }],
  [{ a: [{ numeric: ['=', 3] }] }, { a: 3 }, { a: '3' }],
  [{ a: [{ cidr: '10.0.0.0/24' }] }, { a: '10.0.0.255' }, { a: '10.0.1.0' }],
  [{ a: [{ exists: true }] }, { a: null }, { b: 1 }],
  [{ a: [{ exists: false }] }, { b: 1 }, { a: 1 }],
  [{ a: { b: [{ exists: false }] } }, { a: {} }, { a: { b: 1 } }],
  [{ $or: [{ a: ['x'] }, { b: [{ numeric: ['<', 3] }] }] }, { b: 2 }, { a: 'y', b: 3 }],
  [{ a: { b: ['x'], c: ['y'] } }, { a: [{ b: 'x', c: 'y' }] }, { a: [{ b: 'x' }, { c: 'y' }] }],
])('%j matches %j and not %j', (pattern, yes, no) => {
  expect(matches(pattern, yes)).toBe(true);
  expect(matches(pattern, no)).toBe(false);
});

test.each([
  ['{"key":[["value"]]}', 'Match value must be String, number, true, false, or null', 10],
  ['{"key":[{"wrong-operator":true}]}', 'Unrecognized match type wrong-operator', 31],
  ['{"key":[{"suffix":"value","prefix":"value2"}]}', 'Only one key allowed in match expression', 37],
  ['{"key":[{"suffix":100}]}', 'suffix match pattern must be a string', 22],
  ['{"key":[{"suffix":null}]}', 'suffix match pattern must be a string', 23],
  ['{"key":{"suffix":"value"}}', '"suffix" must be an object or an array', 19],
  ['{"key":[{"numeric":[]}]}', 'Invalid member in numeric match: ]', 22],
  ['{"key":[{"numeric":["=","000"]}]}', 'Value of equals must be numeric', 26],
  ['{"key":[{"numeric":["<",100,">",10]}]}', 'Too many elements in numeric expression', 30],
  ['{"key":[{"numeric":[">",3,"<",1]}]}', 'Bottom must be less than top', 33],
  ['{"key":[{"numeric":[">",20,30]}]}', 'Bad value in numeric range: 30', 30],
  ['{"key":[{"exists":"no"}]}', 'exists match pattern must be either true or false.', 20],
])('%s is refused: %s', (text, message, column) => {
  expect(() => compilePattern(text)).toThrow(`${message}\n at [Source: (String)"${text}"; line: 1, column: ${column}]`);
});
