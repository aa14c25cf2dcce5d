/**
 * Attribute values inside the service: AWS's own form, with binary as base64 text, so that an item is its JSON. Reading a value from a request checks it,
 * in AWS's words, and brings numbers into their canonical form. Sizes are those of "DynamoDB item sizes and formats".
 */
import type { AttributeValue } from '@aws-sdk/client-dynamodb';
import { validation } from './errors.ts';
import { type NumberProblem, normaliseNumber, numberSize } from './numbers.ts';

/** One value: exactly one member is set. */
export interface Value {
  S?: string;
  N?: string;
  /** Base64. */
  B?: string;
  SS?: string[];
  NS?: string[];
  BS?: string[];
  M?: Item;
  L?: Value[];
  NULL?: boolean;
  BOOL?: boolean;
}

export type Item = { [name: string]: Value };
export type ValueType = keyof Value;

/** Levels of lists and maps within each other ("Constraints", nested attribute depth): 32, and the attribute itself is the first. */
const depthMax = 31;

/** An empty item: names such as `__proto__` are names like any other. */
export function emptyItem(): Item {
  return Object.create(null) as Item;
}

/** The type of a value. */
export function typeOf(value: Value): ValueType {
  for (const type in value) return type as ValueType;
  throw new Error('A value has no type.');
}

/**
 * In which words values are refused. AWS changed them in 2026, one operation after another: single writes and reads, BatchGetItem and Query have the newer
 * ones; Scan, BatchWriteItem and transactions the older ones, which also name the placeholder of a value.
 */
export type Wording = 'newer' | 'older';

const numberProblems: Record<NumberProblem, (text: string, wording: Wording) => string> = {
  syntax: (text, wording) =>
    `The parameter cannot be converted to a numeric value${text === '' && wording === 'older' ? '' : `: ${text}`}`,
  overflow: () => 'Number overflow. Attempting to store a number with magnitude larger than supported range',
  underflow: () => 'Number underflow. Attempting to store a number with magnitude smaller than supported range',
  precision: () => 'Attempting to store more than 38 significant digits in a Number',
};

/** AWS's words for a number that cannot be. */
export function describeNumberProblem(problem: NumberProblem, text: string, wording: Wording = 'newer'): string {
  return numberProblems[problem](text, wording);
}

/** Reads an attribute value of a request. Throws ValidationException in AWS's words. */
export function readValue(given: AttributeValue, wording: Wording = 'newer', depth = 0): Value {
  const problem = invalidValue(given);
  if (problem !== undefined) throw validation(problem);
  return convert(given as GivenValue, wording, depth);
}

/** "Constraints": an attribute's name has 1 to 65535 bytes. */
const nameBytesMax = 65_535;

/** The name of an attribute, if it can be one. Throws ValidationException. */
export function checkAttributeName(name: string): string {
  if (name === '') throw validation('Empty attribute name');
  if (name.length * 3 > nameBytesMax && utf8Size(name) > nameBytesMax)
    throw validation('Attribute name is too large, must be less than 65536 bytes');
  return name;
}

/** Reads all attributes of an item or key. Throws ValidationException. */
export function readItem(given: Readonly<Record<string, AttributeValue>>, wording: Wording = 'newer'): Item {
  const item = emptyItem();
  for (const name in given) item[checkAttributeName(name)] = readValue(given[name]!, wording);
  return item;
}

interface GivenValue {
  S?: string;
  N?: string;
  B?: Uint8Array;
  SS?: string[];
  NS?: string[];
  BS?: Uint8Array[];
  M?: Record<string, AttributeValue>;
  L?: AttributeValue[];
  NULL?: boolean;
  BOOL?: boolean;
}

function invalidValue(given: AttributeValue | undefined): string | undefined {
  let types = 0;
  for (const type in given) if (given[type as keyof AttributeValue] !== undefined) types++;
  if (types === 0) return 'Supplied AttributeValue is empty, must contain exactly one of the supported datatypes';
  if (types > 1)
    return 'Supplied AttributeValue has more than one datatypes set, must contain exactly one of the supported datatypes';
  return undefined;
}

/** Half a surrogate pair is no character; AWS replaces it. */
const halfPair = /\p{Surrogate}/u;

const invalid = (detail: string): Error => validation(`One or more parameter values were invalid: ${detail}`);

function convert(given: GivenValue, wording: Wording, depth: number): Value {
  if (given.S !== undefined) return { S: halfPair.test(given.S) ? Buffer.from(given.S, 'utf8').toString('utf8') : given.S };
  if (given.N !== undefined) return { N: readNumber(given.N, wording) };
  if (given.BOOL !== undefined) return { BOOL: given.BOOL };
  if (given.NULL !== undefined) {
    if (given.NULL !== true) throw invalid('Null attribute value types must have the value of true');
    return { NULL: true };
  }
  if (given.B !== undefined) return { B: base64(given.B) };
  if (given.M !== undefined) return { M: convertMap(given.M, wording, depth + 1) };
  if (given.L !== undefined) return { L: convertList(given.L, wording, depth + 1) };
  return convertSet(given, wording);
}

function convertMap(given: Record<string, AttributeValue>, wording: Wording, depth: number): Item {
  checkDepth(depth);
  const map = emptyItem();
  for (const name in given) map[checkAttributeName(name)] = readValue(given[name]!, wording, depth);
  return map;
}

function convertList(given: readonly AttributeValue[], wording: Wording, depth: number): Value[] {
  checkDepth(depth);
  return given.map((entry) => readValue(entry, wording, depth));
}

function checkDepth(depth: number): void {
  if (depth > depthMax)
    throw validation(
      'Nesting Levels have exceeded supported limits: Attributes in the item have nested levels beyond supported limit',
    );
}

function convertSet(given: GivenValue, wording: Wording): Value {
  if (given.SS !== undefined) {
    if (given.SS.length === 0) throw invalid('An string set  may not be empty');
    if (hasDuplicate(given.SS)) throw repeated('SS', given.SS, wording);
    return { SS: [...given.SS] };
  }
  if (given.NS !== undefined) {
    if (given.NS.length === 0) throw invalid('An number set  may not be empty');
    const numbers = given.NS.map((text) => readNumber(text, wording));
    if (hasDuplicate(numbers)) throw repeated('NS', numbers, wording);
    return { NS: numbers };
  }
  const bytes = (given.BS ?? []).map(base64);
  if (bytes.length === 0) throw invalid('Binary sets should not be empty');
  if (hasDuplicate(bytes)) throw repeated('BS', bytes, wording);
  return { BS: bytes };
}

/** The newer words show the members in order up to the first that comes again, then the rest. */
function repeated(type: 'SS' | 'NS' | 'BS', members: readonly string[], wording: Wording): Error {
  if (type === 'NS')
    return wording === 'older'
      ? validation('Input collection contains duplicates')
      : invalid('Input collection contains duplicates.');
  const of = type === 'BS' ? 'of type BS' : '';
  if (wording === 'older') return invalid(`Input collection [${members.join(', ')}]${of} contains duplicates.`);
  const at = members.findIndex((member, position) => members.indexOf(member) < position);
  const bytesOf = (member: string): Buffer => Buffer.from(member, type === 'BS' ? 'base64' : 'utf8');
  const before = members.slice(0, at).sort((a, b) => Buffer.compare(bytesOf(a), bytesOf(b)));
  const shown = [...before, ...members.slice(at)].map((member) => `"${member}"`).join(type === 'BS' ? ',' : ', ');
  return invalid(`Input collection [${shown}]${of} contains duplicates.`);
}

function hasDuplicate(entries: readonly string[]): boolean {
  return new Set(entries).size < entries.length;
}

function readNumber(text: string, wording: Wording): string {
  const number = normaliseNumber(text);
  if (typeof number === 'string') throw validation(describeNumberProblem(number, text, wording));
  return number.text;
}

/** Base64 of bytes. */
function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64');
}

/** A value in the form of the official types: binary as bytes. */
export function outputValue(value: Value): AttributeValue {
  if (value.B !== undefined) return { B: Buffer.from(value.B, 'base64') };
  if (value.BS !== undefined) return { BS: value.BS.map((text) => Buffer.from(text, 'base64')) };
  if (value.M !== undefined) return { M: outputItem(value.M) };
  if (value.L !== undefined) return { L: value.L.map(outputValue) };
  return value as AttributeValue;
}

/** An item in the form of the official types. */
export function outputItem(item: Item): Record<string, AttributeValue> {
  const output: Record<string, AttributeValue> = Object.create(null);
  for (const name in item) output[name] = outputValue(item[name]!);
  return output;
}

/** Bytes of a text in UTF-8. */
export function utf8Size(text: string): number {
  return Buffer.byteLength(text, 'utf8');
}

/** Bytes that base64 text stands for. */
export function base64Size(text: string): number {
  const padding = text.endsWith('==') ? 2 : text.endsWith('=') ? 1 : 0;
  return (text.length / 4) * 3 - padding;
}

/** Bytes that a value counts. */
function valueSize(value: Value): number {
  if (value.S !== undefined) return utf8Size(value.S);
  if (value.N !== undefined) return numberSize(value.N);
  if (value.BOOL !== undefined || value.NULL !== undefined) return 1;
  if (value.B !== undefined) return base64Size(value.B);
  if (value.M !== undefined) {
    let size = 3;
    for (const name in value.M) size += 1 + utf8Size(name) + valueSize(value.M[name]!);
    return size;
  }
  if (value.L !== undefined) return value.L.reduce((size, entry) => size + 1 + valueSize(entry), 3);
  if (value.SS !== undefined) return value.SS.reduce((size, text) => size + utf8Size(text), 0);
  if (value.NS !== undefined) return value.NS.reduce((size, text) => size + numberSize(text), 0);
  return (value.BS ?? []).reduce((size, text) => size + base64Size(text), 0);
}

/** Bytes that an item counts: its names and values. */
export function itemSize(item: Item): number {
  let size = 0;
  for (const name in item) size += utf8Size(name) + valueSize(item[name]!);
  return size;
}

/** Whether two values are the same; sets are whatever their order. */
export function sameValue(a: Value, b: Value): boolean {
  const type = typeOf(a);
  if (type !== typeOf(b)) return false;
  switch (type) {
    case 'SS':
    case 'NS':
    case 'BS':
      return sameSet(a[type]!, b[type]!);
    case 'L':
      return a.L!.length === b.L!.length && a.L!.every((entry, at) => sameValue(entry, b.L![at]!));
    case 'M':
      return sameItem(a.M!, b.M!);
    default:
      return a[type] === b[type];
  }
}

/** Whether two items or maps hold the same. */
export function sameItem(a: Item, b: Item): boolean {
  const names = Object.keys(a);
  if (names.length !== Object.keys(b).length) return false;
  return names.every((name) => Object.hasOwn(b, name) && sameValue(a[name]!, b[name]!));
}

function sameSet(a: readonly string[], b: readonly string[]): boolean {
  if (a.length !== b.length) return false;
  const members = new Set(a);
  return b.every((entry) => members.has(entry));
}
