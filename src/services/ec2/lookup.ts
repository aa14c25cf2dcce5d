/** Finding rows by the ids of a request: all must exist, in the form of an id. */
import { idKinds, type IdSort } from '../../base/ids.ts';
import type { Context, Transaction } from '../../kernel/context.ts';
import type { Table } from '../../store/tables.ts';
import { type Ec2Noun, malformedId, notFound } from './errors.ts';

type Source = Pick<Context | Transaction, 'table'>;

/** Nouns whose ids AWS checks for their form first. */
const checksForm = new Set<Ec2Noun>(['instance', 'image', 'volume', 'snapshot', 'securityGroup', 'addressAllocation']);

/** The row of this id. Throws `….Malformed` or `….NotFound`. */
export async function requireRow<Row, Index extends string>(
  source: Source,
  table: Table<Row, Index>,
  noun: Ec2Noun,
  id: string | undefined,
): Promise<Row> {
  const wanted = id ?? '';
  checkForm(noun, wanted);
  const row = await source.table(table).get(wanted);
  if (row === undefined) throw notFound(noun, wanted);
  return row;
}

/** Rows of these ids, or all when none are given; in order of id. Throws `….NotFound` naming every id that is missing. */
export async function rowsByIds<Row, Index extends string>(
  source: Source,
  table: Table<Row, Index>,
  noun: Ec2Noun,
  ids: readonly string[] | undefined,
): Promise<Row[]> {
  if (ids === undefined || ids.length === 0) return source.table(table).list();
  const rows: Row[] = [];
  const missing: string[] = [];
  for (const id of [...new Set(ids)].sort()) {
    checkForm(noun, id);
    const row = await source.table(table).get(id);
    if (row === undefined) missing.push(id);
    else rows.push(row);
  }
  if (missing.length > 0) throw notFound(noun, ...missing);
  return rows;
}

function checkForm(noun: Ec2Noun, id: string): void {
  if (!checksForm.has(noun)) return;
  const prefix: string = idKinds[noun as IdSort].prefix;
  if (!id.startsWith(prefix) || !/^[0-9a-f]{8,17}$/.test(id.slice(prefix.length))) throw malformedId(noun, id);
}
