/** Pages of IAM's lists: Marker in, IsTruncated and Marker out, 100 entries unless MaxItems says otherwise (at most 1000). */
import { formatPageToken, type PageKey, pageOf, parsePageToken } from '../../base/paging.ts';
import type { TableReader } from '../../store/tables.ts';
import { validationError } from './errors.ts';

export interface PageInput {
  Marker?: string | undefined;
  MaxItems?: number | undefined;
}

export interface PageOutput {
  IsTruncated: boolean;
  Marker?: string | undefined;
}

const itemsDefault = 100;
/** Rows read at once while looking for those that a filter lets through. */
const chunkRows = 1000;

/** A page of a list that is at hand, in order of unique keys. `scope` names the operation and what must not change between pages. */
export function pageItems<T>(
  scope: string,
  items: readonly T[],
  keyOf: (item: T) => PageKey,
  { Marker, MaxItems }: PageInput,
): { items: T[]; page: PageOutput } {
  const page = pageOf(items, keyOf, { scope, token: Marker, limit: MaxItems ?? itemsDefault });
  if (page === undefined) throw invalidMarker();
  return { items: page.items, page: pageOutput(page.nextToken) };
}

/** A page of the rows of a table that `accept` lets through, read no further than the page needs. Throws ValidationError for a marker of another list. */
export async function pageRows<Row>(
  scope: string,
  table: TableReader<Row>,
  { Marker, MaxItems }: PageInput,
  accept: (row: Row) => boolean = () => true,
): Promise<{ items: Row[]; page: PageOutput }> {
  const limit = MaxItems ?? itemsDefault;
  let after = Marker === undefined ? undefined : parsePageToken(scope, Marker);
  if (Marker !== undefined && after === undefined) throw invalidMarker();
  const items: Row[] = [];
  for (;;) {
    const rows = await table.list(after === undefined ? { limit: chunkRows } : { after, limit: chunkRows });
    for (const row of rows) {
      if (!accept(row)) continue;
      const last = items.at(-1);
      if (items.length === limit && last !== undefined)
        return { items, page: pageOutput(formatPageToken(scope, table.keyOf(last))) };
      items.push(row);
    }
    const end = rows.at(-1);
    if (rows.length < chunkRows || end === undefined) return { items, page: pageOutput(undefined) };
    after = table.keyOf(end);
  }
}

/** Text to page and sort by: plain comparison of UTF-16 units would order other than the store does. */
export function byKey<T>(keyOf: (item: T) => string): (a: T, b: T) => number {
  return (a, b) => Buffer.compare(Buffer.from(keyOf(a)), Buffer.from(keyOf(b)));
}

function pageOutput(marker: string | undefined): PageOutput {
  return marker === undefined ? { IsTruncated: false } : { IsTruncated: true, Marker: marker };
}

function invalidMarker(): Error {
  return validationError('Invalid Marker.');
}
