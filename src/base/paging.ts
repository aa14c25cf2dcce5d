/**
 * Page tokens. A token holds the key of the last entry that was given out, never an offset: entries that come and go between two pages shift
 * nothing. It is bound to a scope (operation, and whatever of the request must stay the same), so that a token of another list is recognised
 * and refused, as AWS refuses it. Tokens are opaque, not secret: what a caller may see is decided by the query, not by the token.
 */
import { createHash } from 'node:crypto';

export type PageKeyPart = string | number;
/** Ordered element by element: numbers before strings, a prefix before what it begins (the store's order of keys). */
export type PageKey = readonly PageKeyPart[];

/** Longest token that is read, in characters: a store key of the longest kind fits. */
const pageTokenCharsMax = 4096;

export interface Page<T> {
  items: T[];
  /** Absent on the last page. */
  nextToken?: string;
}

/** The token after `key`. `scope` is free text. */
export function formatPageToken(scope: string, key: PageKey): string {
  const text = JSON.stringify(key);
  return Buffer.from(`${checkOf(scope, text)}${text}`, 'utf8').toString('base64url');
}

/** The key that a token holds; undefined when it is no token, or one of another scope. */
export function parsePageToken(scope: string, token: string): PageKey | undefined {
  if (token.length > pageTokenCharsMax || !/^[A-Za-z0-9_-]+$/.test(token)) return undefined;
  const text = Buffer.from(token, 'base64url').toString('utf8');
  const body = text.slice(checkChars);
  if (text.slice(0, checkChars) !== checkOf(scope, body)) return undefined;
  const key = parseJson(body);
  const isPart = (part: unknown): part is PageKeyPart => typeof part === 'string' || typeof part === 'number';
  return Array.isArray(key) && key.every(isPart) ? key : undefined;
}

/**
 * One page of a list that is held whole. `items` must be in the order of their keys, and keys unique. `limit` is the most items of a page;
 * undefined gives all. Returns undefined for a token that is not of this scope: the caller answers in its service's wording.
 */
export function pageOf<T>(
  items: readonly T[],
  keyOf: (item: T) => PageKey,
  options: { scope: string; token?: string | undefined; limit?: number | undefined },
): Page<T> | undefined {
  let start = 0;
  if (options.token !== undefined) {
    const after = parsePageToken(options.scope, options.token);
    if (after === undefined) return undefined;
    start = firstAfter(items, keyOf, after);
  }
  const end = options.limit === undefined ? items.length : Math.min(items.length, start + options.limit);
  const page = items.slice(start, end);
  const last = page.at(-1);
  if (end >= items.length || last === undefined) return { items: page };
  return { items: page, nextToken: formatPageToken(options.scope, keyOf(last)) };
}

/** Order of two keys: negative, zero or positive. Strings by code point, as the store orders their bytes. */
export function compareKeys(a: PageKey, b: PageKey): number {
  for (let i = 0; i < Math.min(a.length, b.length); i++) {
    const order = compareParts(a[i]!, b[i]!);
    if (order !== 0) return order;
  }
  return a.length - b.length;
}

function compareParts(a: PageKeyPart, b: PageKeyPart): number {
  if (typeof a === 'number') return typeof b === 'number' ? a - b : -1;
  if (typeof b === 'number') return 1;
  return a === b ? 0 : Buffer.compare(Buffer.from(a, 'utf8'), Buffer.from(b, 'utf8'));
}

function firstAfter<T>(items: readonly T[], keyOf: (item: T) => PageKey, after: PageKey): number {
  let low = 0;
  let high = items.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (compareKeys(keyOf(items[middle]!), after) <= 0) low = middle + 1;
    else high = middle;
  }
  return low;
}

const checkChars = 12;

/** The check needs no secret, so a token may be forged with any text inside. */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function checkOf(scope: string, body: string): string {
  return createHash('sha256').update(`${scope}\n${body}`).digest('base64url').slice(0, checkChars);
}
