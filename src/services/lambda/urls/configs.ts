/** Function URLs as resources: CreateFunctionUrlConfig and its kin ("Creating and managing Lambda function URLs"). */
import type { Cors, CreateFunctionUrlConfigRequest, FunctionUrlConfig, Lambda } from '@aws-sdk/client-lambda';
import type { Context } from '../../../kernel/context.ts';
import { RequestCheck } from '../../../kernel/request-check.ts';
import type { AuthorisationsOf, HandlersOf } from '../../../kernel/service.ts';
import { conflict, invalidParameter, notFound } from '../errors.ts';
import { onFunction, requireFunction, requireTarget } from '../lookup.ts';
import { type FunctionRef, functionArn, readFunction } from '../names.ts';
import { page } from '../paging.ts';
import { type CorsSpec, UrlHosts, type UrlRow, Urls } from '../state.ts';

type Input = Pick<CreateFunctionUrlConfigRequest, 'FunctionName' | 'Qualifier' | 'Cors' | 'InvokeMode'> & {
  AuthType?: string | undefined;
};

/** A URL leads to the function, or to an alias; never to a version. */
function readRef(ctx: Context, input: Pick<Input, 'FunctionName' | 'Qualifier'>): FunctionRef {
  const ref = readFunction(ctx, input.FunctionName, input.Qualifier);
  if (ref.qualifier !== undefined && /^\d+$|^\$LATEST$/.test(ref.qualifier))
    throw invalidParameter('Function URLs can be created for $LATEST without a qualifier or for an alias only.');
  return ref;
}

function checkInput(input: Input): void {
  new RequestCheck()
    .oneOf('authType', input.AuthType, ['NONE', 'AWS_IAM'])
    .oneOf('invokeMode', input.InvokeMode, ['BUFFERED', 'RESPONSE_STREAM'])
    .range('cors.maxAge', input.Cors?.MaxAge, 0, 86_400)
    .done();
}

function readCors(cors: Cors | undefined): CorsSpec | undefined {
  if (cors === undefined) return undefined;
  return {
    credentials: cors.AllowCredentials,
    headers: cors.AllowHeaders,
    methods: cors.AllowMethods,
    origins: cors.AllowOrigins,
    exposed: cors.ExposeHeaders,
    maxAge: cors.MaxAge,
  };
}

function showCors(cors: CorsSpec | undefined): Cors | undefined {
  if (cors === undefined) return undefined;
  const list = (values: readonly string[] | undefined) => (values === undefined ? undefined : [...values]);
  return {
    AllowCredentials: cors.credentials,
    AllowHeaders: list(cors.headers),
    AllowMethods: list(cors.methods),
    AllowOrigins: list(cors.origins),
    ExposeHeaders: list(cors.exposed),
    MaxAge: cors.maxAge,
  };
}

function describe(ctx: Context, ref: FunctionRef, row: UrlRow): FunctionUrlConfig {
  const qualifier = row.qualifier === '' ? undefined : row.qualifier;
  return {
    FunctionUrl: `http://${row.id}.lambda-url.${ctx.region}.localhost:${ctx.part('endpoints').port}/`,
    FunctionArn: functionArn({ ...ref, qualifier }),
    AuthType: row.auth,
    Cors: showCors(row.cors),
    CreationTime: new Date(row.created).toISOString(),
    LastModifiedTime: new Date(row.modified).toISOString(),
    InvokeMode: row.mode,
  };
}

async function requireUrl(ctx: Pick<Context, 'table'>, ref: FunctionRef): Promise<UrlRow> {
  const row = await ctx.table(Urls).get(ref.name, ref.qualifier ?? '');
  if (row === undefined) throw notFound('The resource you requested does not exist.');
  return row;
}

export const urlHandlers: HandlersOf<Lambda> = {
  async CreateFunctionUrlConfig(input, ctx) {
    const ref = readRef(ctx, input);
    checkInput(input);
    await requireTarget(ctx, ref);
    const qualifier = ref.qualifier ?? '';
    const row: UrlRow = {
      function: ref.name,
      qualifier,
      id: ctx.id('functionUrl'),
      auth: input.AuthType ?? 'AWS_IAM',
      mode: input.InvokeMode ?? 'BUFFERED',
      cors: readCors(input.Cors),
      created: ctx.now,
      modified: ctx.now,
    };
    await ctx.transact(async (tx) => {
      if ((await tx.table(Urls).get(ref.name, qualifier)) !== undefined)
        throw conflict(
          `Failed to create function url config for [functionArn = ${functionArn(ref)}]. Error message:  FunctionUrlConfig exists for this Lambda function`,
        );
      await tx.table(Urls).put(row);
      await tx.table(UrlHosts).put({ id: row.id, account: ctx.account, region: ctx.region, function: ref.name, qualifier });
    });
    const { FunctionUrl, FunctionArn, AuthType, Cors, CreationTime, InvokeMode } = describe(ctx, ref, row);
    return { FunctionUrl, FunctionArn, AuthType, Cors, CreationTime, InvokeMode };
  },

  async UpdateFunctionUrlConfig(input, ctx) {
    const ref = readRef(ctx, input);
    checkInput(input);
    const row = await ctx.transact(async (tx) => {
      const before = await requireUrl(tx, ref);
      const after: UrlRow = {
        ...before,
        auth: input.AuthType ?? before.auth,
        mode: input.InvokeMode ?? before.mode,
        cors: input.Cors === undefined ? before.cors : readCors(input.Cors),
        modified: ctx.now,
      };
      await tx.table(Urls).put(after);
      return after;
    });
    return describe(ctx, ref, row);
  },

  async GetFunctionUrlConfig(input, ctx) {
    const ref = readRef(ctx, input);
    return describe(ctx, ref, await requireUrl(ctx, ref));
  },

  async ListFunctionUrlConfigs(input, ctx) {
    const ref = readFunction(ctx, input.FunctionName);
    await requireFunction(ctx, ref);
    const { rows, NextMarker } = await page(ctx.table(Urls), { ...input, prefix: [ref.name] });
    return { NextMarker, FunctionUrlConfigs: rows.map((row) => describe(ctx, ref, row)) };
  },

  async DeleteFunctionUrlConfig(input, ctx) {
    const ref = readRef(ctx, input);
    await ctx.transact(async (tx) => {
      const row = await requireUrl(tx, ref);
      await tx.table(Urls).delete(row.function, row.qualifier);
      await tx.table(UrlHosts).delete(row.id);
    });
    return {};
  },
};

export const urlChecks: AuthorisationsOf<Lambda> = {
  CreateFunctionUrlConfig: onFunction,
  UpdateFunctionUrlConfig: onFunction,
  GetFunctionUrlConfig: onFunction,
  ListFunctionUrlConfigs: onFunction,
  DeleteFunctionUrlConfig: onFunction,
};
