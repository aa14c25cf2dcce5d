/** Pages of lists, as Lambda gives them: 50 at most, a marker for the next. */
import { formatPageToken, parsePageToken } from '../../base/paging.ts';
import type { TableReader } from '../../store/tables.ts';
import { RequestCheck } from '../../kernel/request-check.ts';
import { invalidParameter } from './errors.ts';

const pageMax = 50;

/** Rows of a table below a prefix, after the marker. Throws ValidationException, InvalidParameterValueException. */
export async function page<Row>(
  table: TableReader<Row>,
  {
    Marker,
    MaxItems,
    prefix = [],
  }: { Marker?: string | undefined; MaxItems?: number | undefined; prefix?: readonly (string | number)[] },
  wanted: (row: Row) => boolean = () => true,
): Promise<{ rows: Row[]; NextMarker: string | undefined }> {
  new RequestCheck().range('maxItems', MaxItems, 1, 10_000).done();
  const limit = Math.min(MaxItems ?? pageMax, pageMax);
  const scope = `lambda ${prefix.join(' ')}`;
  const after = Marker === undefined || Marker === '' ? undefined : parsePageToken(scope, Marker);
  if (Marker !== undefined && Marker !== '' && after === undefined) throw invalidParameter('Invalid marker.');
  const all = (await table.list({ prefix: [...prefix], ...(after === undefined ? {} : { after: [...after] }) })).filter(wanted);
  const rows = all.slice(0, limit);
  const last = rows.at(-1);
  const NextMarker =
    all.length > limit && last !== undefined ? formatPageToken(scope, table.keyOf(last) as (string | number)[]) : undefined;
  return { rows, NextMarker };
}
