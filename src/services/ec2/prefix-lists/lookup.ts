/** Prefix lists by id, customers' and AWS's own alike. */
import { idKinds } from '../../../base/ids.ts';
import type { Context, Transaction } from '../../../kernel/context.ts';
import { notFound } from '../errors.ts';
import { awsPrefixLists } from './aws-lists.ts';
import { type PrefixListRow, PrefixLists } from './state.ts';

type Source = Pick<Context | Transaction, 'table'>;

/** Whether a destination or peer is a prefix list and not a block. */
export function isPrefixListId(text: string): boolean {
  return text.startsWith(idKinds.prefixList.prefix);
}

/** The list of this id, of the account or of AWS. */
async function findPrefixList(source: Source, region: string, id: string): Promise<PrefixListRow | undefined> {
  return awsPrefixLists(region).find((list) => list.id === id) ?? (await source.table(PrefixLists).get(id));
}

/** The same. Throws InvalidPrefixListID.NotFound. */
export async function requirePrefixList(source: Source, region: string, id: string | undefined): Promise<PrefixListRow> {
  const row = await findPrefixList(source, region, id ?? '');
  if (row === undefined) throw notFound('prefixList', id ?? '');
  return row;
}
