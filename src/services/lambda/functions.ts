/** Functions: created, changed, shown, deleted. Source: Lambda API Reference. */
import type { CreateFunctionRequest, Lambda, UpdateFunctionConfigurationRequest } from '@aws-sdk/client-lambda';
import type { Context, Transaction } from '../../kernel/context.ts';
import type { AuthorisationsOf, Check, FiredJob, HandlersOf } from '../../kernel/service.ts';
import { readArchive, storeCode } from './code.ts';
import { codeLocation } from './code-downloads.ts';
import { type ConfigInput, checkConfig, checkRole, configured, type VersionConfig } from './config.ts';
import { describeVersion } from './describe.ts';
import { conflict, functionNotFound, invalidParameter } from './errors.ts';
import { letGo } from './environments.ts';
import { joinNetwork, releaseNetworks } from './networks.ts';
import { checkOn, onFunction, requireFunction, requireTarget, versionNumber } from './lookup.ts';
import { type FunctionRef, functionArn, latest, readFunction, versionName } from './names.ts';
import { page } from './paging.ts';
import {
  Aliases,
  type CodeSpec,
  EventInvokes,
  Functions,
  Policies,
  Provisioned,
  UrlHosts,
  Urls,
  type VersionRow,
  Versions,
} from './state.ts';
import { checkTags } from './tags.ts';
import { publish } from './versions.ts';

/** Cloud milliseconds from Pending to Active, and from InProgress to Successful. */
const settleMillis = 200;

export async function settleLater(ctx: Context, tx: Transaction, row: VersionRow): Promise<void> {
  await tx.schedule({ task: 'settle', key: `${row.function} ${row.number}`, due: ctx.clock.now() + settleMillis });
}

/** Ends the change of a version. `key` is function and number. */
export async function settle({ key }: FiredJob, ctx: Context): Promise<void> {
  const [name = '', number = ''] = key.split(' ');
  const before = await ctx.table(Versions).get(name, Number(number));
  const failure = before?.vpc === undefined ? undefined : await joinNetwork(ctx, before.vpc);
  await ctx.transact(async (tx) => {
    const row = await tx.table(Versions).get(name, Number(number));
    if (row?.pending === undefined) return;
    await tx
      .table(Versions)
      .put({ ...row, pending: undefined, state: failure === undefined ? 'Active' : 'Failed', reason: failure });
  });
  await releaseNetworks(ctx);
}

function passRole(role: string | undefined): Check[] {
  if (role === undefined) return [];
  return [{ action: 'iam:PassRole', resource: role, conditions: { 'iam:PassedToService': 'lambda.amazonaws.com' } }];
}

/** The configuration of a new function, with AWS's defaults. */
async function newConfig(ctx: Context, input: CreateFunctionRequest, name: string): Promise<VersionConfig> {
  checkConfig('CreateFunction', input as ConfigInput);
  const { Runtime, Handler, Role = '' } = input;
  if (Runtime === undefined || Handler === undefined)
    throw invalidParameter('Runtime and Handler are mandatory parameters for functions created with deployment packages.');
  await checkRole(ctx, Role);
  return configured(ctx, 'CreateFunction', input as ConfigInput, {
    runtime: Runtime,
    role: Role,
    handler: Handler,
    description: '',
    timeout: 3,
    memory: 128,
    disk: 512,
    layers: [],
    tracing: 'PassThrough',
    architecture: 'x86_64',
    logging: { format: 'Text', group: `/aws/lambda/${name}` },
  });
}

export const functionHandlers: HandlersOf<Lambda> = {
  async CreateFunction(input, ctx) {
    const ref = readFunction(ctx, input.FunctionName);
    if (ref.qualifier !== undefined) throw invalidParameter('FunctionName must not carry a qualifier.');
    const tags = checkTags(input.Tags ?? {});
    const config = await newConfig(ctx, input, ref.name);
    if ((await ctx.table(Functions).get(ref.name)) !== undefined) throw conflict(`Function already exist: ${ref.name}`);
    const code = await storeCode(ctx, await readArchive(ctx, input.Code ?? {}, 'CreateFunction'));
    const row: VersionRow = {
      ...config,
      function: ref.name,
      number: 0,
      code,
      modified: ctx.now,
      revision: ctx.uuid(),
      pending: 'create',
      state: 'Pending',
    };
    await ctx.transact(async (tx) => {
      if ((await tx.table(Functions).get(ref.name)) !== undefined) throw conflict(`Function already exist: ${ref.name}`);
      await tx.table(Functions).put({ name: ref.name, lastVersion: 0, tags, recursive: 'Terminate', created: ctx.now });
      await tx.table(Versions).put(row);
      await settleLater(ctx, tx, row);
    });
    await ctx.part('blobs').keep(code.blob);
    if (input.Publish === true) {
      const published = await publish(ctx, ref, {});
      return describeVersion(
        ctx,
        { ...published, state: 'Pending', pending: 'create' },
        { ...ref, qualifier: versionName(published.number) },
      );
    }
    return describeVersion(ctx, row, ref);
  },

  async GetFunction(input, ctx) {
    const ref = readFunction(ctx, input.FunctionName, input.Qualifier);
    const { fn, version } = await requireTarget(ctx, ref);
    return {
      Configuration: describeVersion(ctx, version, ref),
      Code: { RepositoryType: 'S3', Location: codeLocation(ctx, ref, version) },
      Tags: Object.keys(fn.tags).length === 0 ? undefined : { ...fn.tags },
      Concurrency: fn.reserved === undefined ? undefined : { ReservedConcurrentExecutions: fn.reserved },
    };
  },

  async GetFunctionConfiguration(input, ctx) {
    const ref = readFunction(ctx, input.FunctionName, input.Qualifier);
    return describeVersion(ctx, (await requireTarget(ctx, ref)).version, ref);
  },

  async ListFunctions(input, ctx) {
    if (input.FunctionVersion !== undefined && input.FunctionVersion !== 'ALL')
      throw invalidParameter('FunctionVersion must be ALL.');
    if (input.MasterRegion !== undefined && input.MasterRegion !== 'ALL' && input.MasterRegion !== ctx.region)
      return { Functions: [] };
    const all = input.FunctionVersion === 'ALL';
    const { rows, NextMarker } = await page(ctx.table(Versions), input, ({ number }) => all || number === 0);
    const refOf = (row: VersionRow) => ({
      account: ctx.account,
      region: ctx.region,
      name: row.function,
      qualifier: all ? versionName(row.number) : undefined,
    });
    return { NextMarker, Functions: rows.map((row) => describeVersion(ctx, row, refOf(row))) };
  },

  /** With a number: that version alone, unless an alias leads to it. */
  async DeleteFunction(input, ctx) {
    const ref = readFunction(ctx, input.FunctionName, input.Qualifier);
    if (ref.qualifier === latest) throw invalidParameter('$LATEST version cannot be deleted without deleting the function.');
    const codes = await ctx.transact(async (tx) => {
      await requireFunction(tx, { ...ref, qualifier: undefined });
      return ref.qualifier === undefined ? deleteAll(tx, ref.name) : deleteVersion(tx, ref);
    });
    await letGo(ctx, ref.name);
    await releaseNetworks(ctx);
    for (const { blob, inline } of codes) if (inline === undefined) await ctx.part('blobs').remove(blob);
    return { StatusCode: 204 };
  },
};

async function deleteVersion(tx: Transaction, ref: FunctionRef): Promise<CodeSpec[]> {
  const number = versionNumber(ref.qualifier);
  const row = number === undefined ? undefined : await tx.table(Versions).get(ref.name, number);
  if (row === undefined) throw functionNotFound(functionArn(ref));
  const aliases = await tx.table(Aliases).list({ prefix: [ref.name] });
  const held = aliases.filter(({ version, routed }) => version === number || routed?.version === number);
  if (held.length > 0)
    throw conflict(
      `Version was not able to be deleted because the following aliases reference it: [${held.map(({ name }) => name).join(', ')}]`,
    );
  await tx.table(Versions).delete(ref.name, row.number);
  return [];
}

async function deleteAll(tx: Transaction, name: string): Promise<CodeSpec[]> {
  const versions = await tx.table(Versions).list({ prefix: [name] });
  for (const { number } of versions) await tx.table(Versions).delete(name, number);
  for (const { name: alias } of await tx.table(Aliases).list({ prefix: [name] })) await tx.table(Aliases).delete(name, alias);
  for (const { qualifier } of await tx.table(Policies).list({ prefix: [name] })) await tx.table(Policies).delete(name, qualifier);
  for (const { qualifier } of await tx.table(EventInvokes).list({ prefix: [name] }))
    await tx.table(EventInvokes).delete(name, qualifier);
  for (const { qualifier } of await tx.table(Provisioned).list({ prefix: [name] }))
    await tx.table(Provisioned).delete(name, qualifier);
  for (const { qualifier, id } of await tx.table(Urls).list({ prefix: [name] })) {
    await tx.table(Urls).delete(name, qualifier);
    await tx.table(UrlHosts).delete(id);
  }
  await tx.table(Functions).delete(name);
  return versions.map(({ code }) => code);
}

export const functionChecks: AuthorisationsOf<Lambda> = {
  CreateFunction: async (input: CreateFunctionRequest, ctx) => [
    await checkOn(ctx, readFunction(ctx, input.FunctionName)),
    ...passRole(input.Role),
  ],
  GetFunction: onFunction,
  GetFunctionConfiguration: onFunction,
  UpdateFunctionCode: onFunction,
  DeleteFunction: onFunction,
  UpdateFunctionConfiguration: async (input: UpdateFunctionConfigurationRequest, ctx) => [
    ...(await onFunction(input, ctx)),
    ...passRole(input.Role),
  ],
};
