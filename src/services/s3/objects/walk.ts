/**
 * Walks keys in order and rolls those up that share a prefix to the delimiter. The price is that of what is returned, never of the bucket: keys are
 * read in batches, and behind a common prefix the walk goes on with a seek instead of reading what is rolled up.
 */
import { compareKeys } from '../../../base/paging.ts';

/** The largest code point: no key that begins with a text stands behind the text and this, unless it goes on with it. */
const last = '\u{10ffff}';
const batchMax = 1000;

export interface WalkAsk {
  prefix: string;
  delimiter: string;
  /** Keys and common prefixes after this text only; empty from the start. */
  after: string;
  /** Keys and common prefixes together. */
  limit: number;
}

export interface Walked<Row> {
  rows: Row[];
  prefixes: string[];
  /** The last key or common prefix given out, when there may be more. */
  next: string | undefined;
}

/** Order of keys: by UTF-8 bytes. */
export function isAfter(a: string, b: string): boolean {
  return compareKeys([a], [b]) > 0;
}

/** The common prefix of a key, or undefined. */
export function commonPrefix(key: string, { prefix, delimiter }: Pick<WalkAsk, 'prefix' | 'delimiter'>): string | undefined {
  if (delimiter === '') return undefined;
  const at = key.indexOf(delimiter, prefix.length);
  return at < 0 ? undefined : key.slice(0, at + delimiter.length);
}

/**
 * @param read rows in order of their keys, from (`inclusive`) or after a key, at most so many
 */
export async function walkKeys<Row extends { key: string }>(
  ask: WalkAsk,
  read: (from: string, inclusive: boolean, limit: number) => Promise<Row[]>,
): Promise<Walked<Row>> {
  const { prefix, after, limit } = ask;
  const out: Walked<Row> = { rows: [], prefixes: [], next: undefined };
  if (limit === 0) return out;
  // A token that is a common prefix leaves out everything under it.
  const skipped = after !== '' && commonPrefix(after, ask) === after ? after : undefined;
  const fromPrefix = after === '' || isAfter(prefix, after);
  let from = fromPrefix ? prefix : skipped === undefined ? after : skipped + last;
  let inclusive = fromPrefix;
  let batch = Math.min(limit + 1, batchMax);
  let lastGiven = '';
  let rolled = skipped;
  for (;;) {
    const rows = await read(from, inclusive, batch);
    let rolledUp = 0;
    for (const row of rows) {
      if (!row.key.startsWith(prefix)) return out;
      if (rolled !== undefined && row.key.startsWith(rolled)) {
        rolledUp += 1;
        continue;
      }
      if (out.rows.length + out.prefixes.length >= limit) return { ...out, next: lastGiven };
      rolled = commonPrefix(row.key, ask);
      if (rolled === undefined) out.rows.push(row);
      else out.prefixes.push(rolled);
      lastGiven = rolled ?? row.key;
    }
    const end = rows.at(-1);
    if (end === undefined || rows.length < batch) return out;
    inclusive = false;
    from = rolled !== undefined && end.key.startsWith(rolled) ? behind(rolled, end.key) : end.key;
    // Where most is rolled up, large batches are read in vain.
    batch = rolledUp * 2 > rows.length ? 8 : Math.min(batch * 2, batchMax);
  }
}

/** A text behind all keys that begin with `prefix`, or behind `key` when that key is such a rare one that the first text is not. */
function behind(prefix: string, key: string): string {
  return isAfter(key, prefix + last) ? key : prefix + last;
}
