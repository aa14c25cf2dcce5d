/** Aliases: names for versions, which may share calls between two ("Using an alias with routing configuration"). */
import type { AliasConfiguration, AliasRoutingConfiguration, Lambda } from '@aws-sdk/client-lambda';
import type { Context } from '../../kernel/context.ts';
import { RequestCheck } from '../../kernel/request-check.ts';
import type { AuthorisationsOf, HandlersOf } from '../../kernel/service.ts';
import { conflict, functionNotFound, invalidParameter, notFound, preconditionFailed } from './errors.ts';
import { checkOn, requireFunction, versionNumber } from './lookup.ts';
import { type FunctionRef, functionArn, readFunction, versionName } from './names.ts';
import { page } from './paging.ts';
import { Aliases, type AliasRow, Policies, Versions } from './state.ts';

const aliasForm = /^(?!^[0-9]+$)([a-zA-Z0-9-_]+)$/;

function checkName(name: string | undefined): string {
  new RequestCheck().length('name', name, 1, 128).pattern('name', name, aliasForm, '(?!^[0-9]+$)([a-zA-Z0-9-_]+)').done();
  return name ?? '';
}

function describe(ref: FunctionRef, row: AliasRow): AliasConfiguration {
  return {
    AliasArn: functionArn({ ...ref, qualifier: row.name }),
    Name: row.name,
    FunctionVersion: versionName(row.version),
    Description: row.description,
    RoutingConfig:
      row.routed === undefined
        ? undefined
        : { AdditionalVersionWeights: { [versionName(row.routed.version)]: row.routed.weight } },
    RevisionId: row.revision,
  };
}

async function requireVersion(ctx: Context, ref: FunctionRef, name: string | undefined): Promise<number> {
  const number = versionNumber(name);
  if (number === undefined || (await ctx.table(Versions).get(ref.name, number)) === undefined)
    throw functionNotFound(functionArn({ ...ref, qualifier: name }));
  return number;
}

/** Throws InvalidParameterValueException for what cannot be shared. */
async function readRouting(
  ctx: Context,
  ref: FunctionRef,
  version: number,
  routing: AliasRoutingConfiguration | undefined,
): Promise<AliasRow['routed']> {
  const entries = Object.entries(routing?.AdditionalVersionWeights ?? {});
  if (entries.length === 0) return undefined;
  if (entries.length > 1) throw invalidParameter('Number of items in AdditionalVersionWeights cannot be greater than 1');
  const [name = '', weight = 0] = entries[0] ?? [];
  if (version === 0) throw invalidParameter('$LATEST is not supported for an alias pointing to more than 1 version');
  if (!(weight >= 0 && weight <= 1)) throw invalidParameter(`Value '${weight}' at 'routingConfig' must be between 0.0 and 1.0`);
  if (!/^[1-9]\d*$/.test(name)) throw invalidParameter(`Invalid function version ${name}. Function version should be a number.`);
  const other = await requireVersion(ctx, ref, name);
  if (other === version)
    throw invalidParameter(
      `Invalid function version ${name}. Function version ${name} is already included in routing configuration.`,
    );
  return { version: other, weight };
}

async function requireAlias(ctx: Pick<Context, 'table'>, ref: FunctionRef, name: string): Promise<AliasRow> {
  const row = await ctx.table(Aliases).get(ref.name, name);
  if (row === undefined) throw notFound(`Cannot find alias arn: ${functionArn({ ...ref, qualifier: name })}`);
  return row;
}

export const aliasHandlers: HandlersOf<Lambda> = {
  async CreateAlias(input, ctx) {
    const ref = readFunction(ctx, input.FunctionName);
    const name = checkName(input.Name);
    await requireFunction(ctx, ref);
    const version = await requireVersion(ctx, ref, input.FunctionVersion);
    const routed = await readRouting(ctx, ref, version, input.RoutingConfig);
    const row: AliasRow = {
      function: ref.name,
      name,
      version,
      description: input.Description ?? '',
      routed,
      revision: ctx.uuid(),
    };
    await ctx.transact(async (tx) => {
      if ((await tx.table(Aliases).get(ref.name, name)) !== undefined)
        throw conflict(`Alias already exists: ${functionArn({ ...ref, qualifier: name })}`);
      await tx.table(Aliases).put(row);
    });
    return describe(ref, row);
  },

  async UpdateAlias(input, ctx) {
    const ref = readFunction(ctx, input.FunctionName);
    const name = checkName(input.Name);
    const before = await requireAlias(ctx, ref, name);
    const version = input.FunctionVersion === undefined ? before.version : await requireVersion(ctx, ref, input.FunctionVersion);
    const routed = input.RoutingConfig === undefined ? before.routed : await readRouting(ctx, ref, version, input.RoutingConfig);
    const row = await ctx.transact(async (tx) => {
      const now = await requireAlias(tx, ref, name);
      if (input.RevisionId !== undefined && input.RevisionId !== now.revision) throw preconditionFailed();
      const after: AliasRow = {
        ...now,
        version,
        routed,
        description: input.Description ?? now.description,
        revision: ctx.uuid(),
      };
      await tx.table(Aliases).put(after);
      tx.hint('provisioned', `${ref.name} ${name}`);
      return after;
    });
    return describe(ref, row);
  },

  async GetAlias(input, ctx) {
    const ref = readFunction(ctx, input.FunctionName);
    return describe(ref, await requireAlias(ctx, ref, checkName(input.Name)));
  },

  async ListAliases(input, ctx) {
    const ref = readFunction(ctx, input.FunctionName);
    await requireFunction(ctx, ref);
    const version = input.FunctionVersion === undefined ? undefined : versionNumber(input.FunctionVersion);
    const { rows, NextMarker } = await page(
      ctx.table(Aliases),
      { ...input, prefix: [ref.name] },
      (row) => input.FunctionVersion === undefined || row.version === version || row.routed?.version === version,
    );
    return { NextMarker, Aliases: rows.map((row) => describe(ref, row)) };
  },

  /** Safe to repeat. */
  async DeleteAlias(input, ctx) {
    const ref = readFunction(ctx, input.FunctionName);
    const name = checkName(input.Name);
    await ctx.transact(async (tx) => {
      await tx.table(Aliases).delete(ref.name, name);
      await tx.table(Policies).delete(ref.name, name);
    });
    return {};
  },
};

const onAlias = async (input: { FunctionName?: string | undefined }, ctx: Context) => [
  await checkOn(ctx, readFunction(ctx, input.FunctionName)),
];

export const aliasChecks: AuthorisationsOf<Lambda> = {
  CreateAlias: onAlias,
  UpdateAlias: onAlias,
  GetAlias: onAlias,
  ListAliases: onAlias,
  DeleteAlias: onAlias,
};
