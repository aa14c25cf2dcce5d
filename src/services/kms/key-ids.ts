/**
 * How requests name keys: id, ARN, alias name, alias ARN; and how each leads to a row. Source: AWS KMS Developer Guide, "Key identifiers (KeyId)".
 * Operations that change a key take its id or ARN only; those that use it also take aliases, and keys of other accounts by ARN.
 */
import { formatArn, parseArn } from '../../base/arn.ts';
import type { Context, Scope } from '../../kernel/context.ts';
import { aliasNotFound, disabled, invalidArn, invalidKeyId, invalidState, keyNotFound, notFound, wrongUsage } from './errors.ts';
import { keyIdForm, usageOf } from './rules.ts';
import { Aliases, type KeyRow, Keys } from './state.ts';

/** A key with where it lives. */
export interface FoundKey {
  scope: Scope;
  arn: string;
  row: KeyRow;
  /** The alias that the request named it by. */
  alias?: string | undefined;
}

/** What a KeyId says before anything was looked up. */
export type KeyName = { scope: Scope } & ({ id: string; alias?: undefined } | { alias: string; id?: undefined });

export function keyArn(scope: Scope, id: string): string {
  return formatArn({ service: 'kms', region: scope.region, account: scope.account, resource: `key/${id}` });
}

export function aliasArn(scope: Scope, name: string): string {
  return formatArn({ service: 'kms', region: scope.region, account: scope.account, resource: name });
}

/** Takes a KeyId apart. Throws NotFoundException for what is none, or names another Region. */
export function readKeyId(scope: Scope, keyId: string): KeyName {
  if (!keyId.startsWith('arn:')) {
    if (keyId.startsWith('alias/')) return { scope, alias: keyId };
    if (keyIdForm.test(keyId)) return { scope, id: keyId };
    throw invalidKeyId(keyId);
  }
  const arn = parseArn(keyId);
  if (arn === undefined || arn.service !== 'kms') throw invalidArn(keyId);
  if (arn.region !== scope.region) throw notFound(`Invalid arn ${arn.region}`);
  const where = { account: arn.account, region: arn.region };
  if (arn.resource.startsWith('alias/')) return { scope: where, alias: arn.resource };
  const id = arn.resource.startsWith('key/') ? arn.resource.slice('key/'.length) : '';
  if (!keyIdForm.test(id)) throw invalidKeyId(keyId);
  return { scope: where, id };
}

/** ARN that a name stands for, whether it exists or not. */
export function nameArn(name: KeyName): string {
  return name.alias === undefined ? keyArn(name.scope, name.id) : aliasArn(name.scope, name.alias);
}

/** The key that a name leads to, or undefined. */
export async function lookUp(ctx: Context, name: KeyName): Promise<FoundKey | undefined> {
  const { scope } = name;
  const id = name.alias === undefined ? name.id : (await ctx.tableIn(scope, Aliases).get(name.alias))?.key;
  if (id === undefined) return undefined;
  const row = await ctx.tableIn(scope, Keys).get(id);
  return row === undefined ? undefined : { scope, arn: keyArn(scope, id), row, alias: name.alias };
}

/** The key of a request. Throws NotFoundException. */
export async function requireKey(ctx: Context, keyId: string | undefined): Promise<FoundKey> {
  const name = readKeyId(ctx, keyId ?? '');
  const found = await lookUp(ctx, name);
  if (found !== undefined) return found;
  throw name.alias === undefined ? keyNotFound(nameArn(name)) : aliasNotFound(nameArn(name));
}

/** Refuses keys that are not enabled. Throws DisabledException, KMSInvalidStateException. */
export function checkUsable({ arn, row }: FoundKey): void {
  if (row.state === 'Disabled') throw disabled(arn);
  checkState(arn, row, ['Enabled']);
}

/** Refuses keys in other states than these. Throws KMSInvalidStateException. */
export function checkState(arn: string, row: KeyRow, allowed: readonly KeyRow['state'][]): void {
  if (allowed.includes(row.state)) return;
  if (row.state === 'Disabled') throw disabled(arn);
  throw invalidState(arn, row.state.replace(/(?!^)([A-Z])/g, ' $1').toLowerCase());
}

/** A key for an operation that uses it: enabled, and of the usage that the operation needs. */
export async function requireUsable(
  ctx: Context,
  keyId: string | undefined,
  operation: string = ctx.operation,
): Promise<FoundKey> {
  const found = await requireKey(ctx, keyId);
  checkUsable(found);
  const usage = usageOf[operation];
  if (usage !== undefined && usage !== found.row.usage) throw wrongUsage(found.arn, found.row.usage, operation);
  return found;
}

/** Id of the key that a request wants to change: by id or ARN, of this account. Throws NotFoundException. */
export function ownKeyId(ctx: Context, keyId: string | undefined): string {
  const name = readKeyId(ctx, keyId ?? '');
  if (name.id === undefined) throw invalidKeyId(keyId ?? '');
  return name.id;
}
