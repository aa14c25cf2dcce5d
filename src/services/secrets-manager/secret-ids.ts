/** How requests name secrets: by name, by whole ARN, or by ARN without the six characters at its end. Source: API Reference, `SecretId`. */
import { formatArn, parseArn } from '../../base/arn.ts';
import type { Context, Scope } from '../../kernel/context.ts';
import { RequestCheck } from '../../kernel/request-check.ts';
import type { Table, TableReader } from '../../store/tables.ts';
import { markedForDeletion, notFound, validation } from './errors.ts';
import { type SecretRow, Secrets } from './state.ts';

const suffixChars = 6;

export interface FoundSecret {
  scope: Scope;
  arn: string;
  row: SecretRow;
}

export function secretArn({ account, region }: Scope, { name, suffix }: Pick<SecretRow, 'name' | 'suffix'>): string {
  return formatArn({ service: 'secretsmanager', region, account, resource: `secret:${name}-${suffix}` });
}

interface Reader {
  tableIn<Row, Index extends string>(scope: Scope, table: Table<Row, Index>): TableReader<Row, Index>;
}

/** Account and Region that an id means, and the text after `secret:` in an ARN. Throws ValidationException, ResourceNotFoundException. */
export function readSecretId(ctx: Scope, id: string): { scope: Scope; text: string; isArn: boolean } {
  new RequestCheck().length('secretId', id, 1, 2048).done();
  if (!id.startsWith('arn:')) return { scope: { account: ctx.account, region: ctx.region }, text: id, isArn: false };
  const arn = parseArn(id);
  if (arn?.service !== 'secretsmanager' || !arn.resource.startsWith('secret:')) throw validation(`Invalid ARN: ${id}`);
  if (arn.region !== ctx.region) throw notFound();
  return { scope: { account: arn.account, region: arn.region }, text: arn.resource.slice('secret:'.length), isArn: true };
}

/** The secret that an id means; undefined when there is none. */
export async function lookUp(ctx: Scope & Reader, id: string): Promise<FoundSecret | undefined> {
  const { scope, text, isArn } = readSecretId(ctx, id);
  const table = ctx.tableIn(scope, Secrets);
  const named = await table.get(text);
  if (named !== undefined) return { scope, arn: secretArn(scope, named), row: named };
  if (!isArn || text.at(-suffixChars - 1) !== '-') return undefined;
  const row = await table.get(text.slice(0, -suffixChars - 1));
  return row?.suffix === text.slice(-suffixChars) ? { scope, arn: secretArn(scope, row), row } : undefined;
}

/** The secret of a request, deleted or not. Throws ResourceNotFoundException. */
export async function requireAny(ctx: Scope & Reader, id: string | undefined): Promise<FoundSecret> {
  const found = await lookUp(ctx, id ?? '');
  if (found === undefined) throw notFound();
  return found;
}

/** The secret of a request. Throws InvalidRequestException when it waits for its deletion. */
export async function requireSecret(ctx: Scope & Reader, id: string | undefined): Promise<FoundSecret> {
  const found = await requireAny(ctx, id);
  if (found.row.deleted !== undefined) throw markedForDeletion();
  return found;
}

/** The same, as a transaction sees it now. */
export function inTransaction(ctx: Context, tx: Reader): Scope & Reader {
  return { account: ctx.account, region: ctx.region, tableIn: (scope, table) => tx.tableIn(scope, table) };
}
