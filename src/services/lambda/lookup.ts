/** Finding what a request names: function, version, alias, and the policy that bears on it. */
import type { Context, Transaction } from '../../kernel/context.ts';
import type { Check } from '../../kernel/service.ts';
import { functionNotFound } from './errors.ts';
import { at, type FunctionRef, functionArn, latest, readFunction } from './names.ts';
import { Aliases, type AliasRow, type FunctionRow, Functions, Policies, type VersionRow, Versions } from './state.ts';

type Reader = Pick<Context, 'table'> | Pick<Transaction, 'table'>;

/** What a name and a qualifier lead to. */
export interface Target {
  ref: FunctionRef;
  fn: FunctionRow;
  version: VersionRow;
  alias?: AliasRow | undefined;
}

/** Number of a version's name; undefined for names of aliases. */
export function versionNumber(qualifier: string | undefined): number | undefined {
  if (qualifier === undefined || qualifier === '' || qualifier === latest) return 0;
  return /^[1-9]\d*$/.test(qualifier) ? Number(qualifier) : undefined;
}

/** Throws ResourceNotFoundException. `ctx` is in the function's scope. */
export async function requireFunction(ctx: Reader, ref: FunctionRef): Promise<FunctionRow> {
  const row = await ctx.table(Functions).get(ref.name);
  if (row === undefined) throw functionNotFound(functionArn(ref));
  return row;
}

/** The version behind a qualifier; an alias leads to its first one. Throws ResourceNotFoundException. */
export async function requireTarget(ctx: Context, ref: FunctionRef): Promise<Target> {
  const here = at(ctx, ref);
  const fn = await requireFunction(here, ref);
  const number = versionNumber(ref.qualifier);
  const alias = number === undefined ? await here.table(Aliases).get(ref.name, ref.qualifier ?? '') : undefined;
  const version = await here.table(Versions).get(ref.name, number ?? alias?.version ?? -1);
  if (version === undefined) throw functionNotFound(functionArn(ref));
  return { ref, fn, version, alias };
}

/** What policies are asked about a function that a request names. */
export async function onFunction(
  input: { FunctionName?: string | undefined; Qualifier?: string | undefined },
  ctx: Context,
): Promise<readonly Check[]> {
  return [await checkOn(ctx, readFunction(ctx, input.FunctionName, input.Qualifier))];
}

/** The same for a function that is known already. */
export async function checkOn(ctx: Context, ref: FunctionRef): Promise<Check> {
  const here = at(ctx, ref);
  const [fn, policy] = await Promise.all([here.table(Functions).get(ref.name), policyOf(here, ref)]);
  return {
    resource: functionArn(ref),
    resourceAccount: ref.account,
    resourcePolicy: policy,
    conditions: Object.fromEntries(Object.entries(fn?.tags ?? {}).map(([key, value]) => [`aws:ResourceTag/${key}`, value])),
  };
}

/** The policy of a function, version or alias as JSON; undefined when it has none. */
export async function policyOf(ctx: Reader, { name, qualifier = '' }: FunctionRef): Promise<string | undefined> {
  const row = await ctx.table(Policies).get(name, qualifier === latest ? '' : qualifier);
  if (row === undefined) return undefined;
  return `{"Version":"2012-10-17","Id":"default","Statement":[${row.statements.join(',')}]}`;
}
