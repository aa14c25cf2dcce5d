/** Finding what a request names, and what its policies are asked about. */
import type { Glacier } from '@aws-sdk/client-glacier';
import { formatArn } from '../../base/arn.ts';
import { pageOf } from '../../base/paging.ts';
import type { Context, Scope, Transaction } from '../../kernel/context.ts';
import type { Authorisation, AuthorisationsOf, Check, HandlersOf } from '../../kernel/service.ts';
import { accessDenied, invalidParameter, notFound, vaultNotFound } from './errors.ts';
import { day, limits, readLimit } from './rules.ts';
import { type ArchiveRow, Archives, type VaultRow, Vaults } from './state.ts';

export interface VaultAsk {
  accountId?: string | undefined;
  vaultName?: string | undefined;
}

/** Reads tables, in a transaction or out of it. */
export type Reading = Pick<Context, 'table'> | Pick<Transaction, 'table'>;

export function vaultArn({ account, region }: Scope, name: string): string {
  return formatArn({ service: 'glacier', region, account, resource: `vaults/${name}` });
}

/** The context in the account that the path names; `-` is the caller's. */
export function atAccount(ctx: Context, { accountId = '-' }: VaultAsk): Context {
  return accountId === '-' || accountId === ctx.account ? ctx : ctx.inScope({ account: accountId });
}

/** For operations on an account: only its own. Throws AccessDeniedException. */
export function requireOwn(ctx: Context, { accountId = '-' }: VaultAsk): void {
  if (accountId !== '-' && accountId !== ctx.caller.account)
    throw accessDenied('The account ID in the request does not match that of the credentials.');
}

/** The vault of a request. Throws ResourceNotFoundException. */
export async function requireVault(reading: Reading, scope: Scope, { vaultName = '' }: VaultAsk): Promise<VaultRow> {
  const row = await reading.table(Vaults).get(vaultName);
  if (row === undefined) throw vaultNotFound(vaultArn(scope, vaultName));
  return row;
}

/** Changes the vault of a request in one transaction. Throws ResourceNotFoundException, and what `change` throws. */
export async function changeVault(ctx: Context, ask: VaultAsk, change: (row: VaultRow) => VaultRow): Promise<void> {
  const at = atAccount(ctx, ask);
  await at.transact(async (tx) => tx.table(Vaults).put(change(await requireVault(tx, at, ask))));
}

/** An archive that was not deleted. Throws ResourceNotFoundException. */
export async function requireArchive(reading: Reading, vault: string, id: string): Promise<ArchiveRow> {
  const row = await reading.table(Archives).get(vault, id);
  if (row === undefined || row.deleted !== undefined) throw notFound(`The archive ID was not found: ${id}`);
  return row;
}

/** One page of a list with Glacier's marker. Throws InvalidParameterValueException. */
export function pageRows<Row>(
  rows: readonly Row[],
  keyOf: (row: Row) => readonly (string | number)[],
  scope: string,
  { limit, marker }: { limit?: number | undefined; marker?: string | undefined },
): { items: Row[]; marker: { Marker?: string } } {
  const found = pageOf(rows, keyOf, { scope, token: marker, limit: readLimit(limit, limits.pageMax) });
  if (found === undefined) throw invalidParameter(`Invalid marker: ${marker}`);
  return { items: found.items, marker: found.nextToken === undefined ? {} : { Marker: found.nextToken } };
}

/** Both policies of a vault as one: what either denies is denied. A lock holds from when it is tried ("Vault Lock Policies"). */
function policyOf(vault: VaultRow | undefined): string | undefined {
  const texts = [vault?.policy, vault?.lock?.policy].filter((text) => text !== undefined);
  if (texts.length < 2) return texts[0];
  const statements = texts.flatMap((text) => (JSON.parse(text) as { Statement: unknown }).Statement);
  return JSON.stringify({ Version: '2012-10-17', Statement: statements });
}

async function vaultCheck(input: VaultAsk, ctx: Context, archiveId?: string): Promise<readonly Check[]> {
  const { vaultName = '' } = input;
  const at = atAccount(ctx, input);
  const vault = await at.table(Vaults).get(vaultName);
  const archive = archiveId === undefined ? undefined : await at.table(Archives).get(vaultName, archiveId);
  const tags = Object.entries(vault?.tags ?? {}).map(([key, value]) => [`glacier:ResourceTag/${key}`, value]);
  const age = archive === undefined ? {} : { 'glacier:ArchiveAgeInDays': String(Math.floor((ctx.now - archive.created) / day)) };
  return [
    {
      resource: vaultArn(at, vaultName),
      resourceAccount: at.account,
      resourcePolicy: policyOf(vault),
      conditions: { ...Object.fromEntries(tags), ...age },
    },
  ];
}

const onVault: Authorisation<VaultAsk> = (input, ctx) => vaultCheck(input, ctx);

/** Every operation on a vault is asked of it; those on an account of `*`. */
export function checksOf(handlers: HandlersOf<Glacier>): AuthorisationsOf<Glacier> {
  const ofAccount = new Set(['ListVaults', 'GetDataRetrievalPolicy', 'SetDataRetrievalPolicy']);
  const names = Object.keys(handlers).filter((name) => !ofAccount.has(name));
  return {
    ...Object.fromEntries(names.map((name) => [name, onVault])),
    DeleteArchive: (input, ctx) => vaultCheck(input, ctx, input.archiveId),
    InitiateJob: (input, ctx) => vaultCheck(input, ctx, input.jobParameters?.ArchiveId),
  };
}
