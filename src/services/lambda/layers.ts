/** Layers: archives shown at /opt, in versions that stay, shared by their own policies ("Managing Lambda dependencies with layers"). */
import type { Lambda, LayerVersionsListItem, PublishLayerVersionResponse } from '@aws-sdk/client-lambda';
import type { Context, Scope } from '../../kernel/context.ts';
import { RequestCheck } from '../../kernel/request-check.ts';
import type { AuthorisationsOf, Check, HandlersOf } from '../../kernel/service.ts';
import { ensureUnpacked, readArchive, storeCode, unpackedBytesMax } from './code.ts';
import { layerLocation } from './code-downloads.ts';
import { shownTime } from './describe.ts';
import { conflict, invalidParameter, notFound, preconditionFailed } from './errors.ts';
import { page } from './paging.ts';
import { runtimeNames } from './runtimes.ts';
import { Layers, type LayerRow, LayerVersions, type LayerVersionRow } from './state.ts';

const layersMax = 5;
const arnForm = /^arn:aws:lambda:([a-z0-9-]+):(\d{12}):layer:([a-zA-Z0-9-_]{1,140})(?::(\d+))?$/;
const nameForm = /^[a-zA-Z0-9-_]+$/;

interface LayerRef extends Scope {
  name: string;
  number?: number | undefined;
}

function readLayer(ctx: Scope, text: string | undefined, number?: number): LayerRef {
  const [, region = ctx.region, account = ctx.account, named, version] = arnForm.exec(text ?? '') ?? [];
  const name = named ?? text ?? '';
  new RequestCheck().pattern('layerName', name, nameForm, '[a-zA-Z0-9-_]+').length('layerName', name, 1, 140).done();
  return { account, region, name, number: number ?? (version === undefined ? undefined : Number(version)) };
}

function layerArn({ account, region, name, number }: LayerRef): string {
  return `arn:aws:lambda:${region}:${account}:layer:${name}${number === undefined ? '' : `:${number}`}`;
}

function policyOf(row: LayerVersionRow | undefined): string | undefined {
  if (row === undefined || row.statements.length === 0) return undefined;
  return `{"Version":"2012-10-17","Id":"default","Statement":[${row.statements.join(',')}]}`;
}

function shown(ref: LayerRef, row: LayerVersionRow): LayerVersionsListItem {
  return {
    LayerVersionArn: layerArn({ ...ref, number: row.number }),
    Version: row.number,
    Description: row.description,
    CreatedDate: shownTime(row.created),
    CompatibleRuntimes:
      row.runtimes.length === 0 ? undefined : ([...row.runtimes] as LayerVersionsListItem['CompatibleRuntimes']),
    CompatibleArchitectures:
      row.architectures.length === 0 ? undefined : ([...row.architectures] as LayerVersionsListItem['CompatibleArchitectures']),
    LicenseInfo: row.license,
  };
}

function described(ctx: Context, ref: LayerRef, row: LayerVersionRow): PublishLayerVersionResponse {
  const { Version, ...rest } = shown(ref, row);
  return {
    ...rest,
    Version,
    LayerArn: layerArn({ ...ref, number: undefined }),
    Content: { Location: layerLocation(ctx, ref, row), CodeSha256: row.code.sha256, CodeSize: row.code.bytes },
  };
}

async function requireLayer(ctx: Context, ref: LayerRef): Promise<LayerVersionRow> {
  const row = await ctx
    .inScope(ref)
    .table(LayerVersions)
    .get(ref.name, ref.number ?? -1);
  if (row === undefined) throw notFound('The resource you requested does not exist.');
  return row;
}

/** The layers of a function as ARNs of versions. Throws InvalidParameterValueException for what is not there or too large together. */
export async function readLayers(ctx: Context, arns: readonly string[], codeName: string | undefined): Promise<string[]> {
  if (arns.length > layersMax) throw invalidParameter(`Function can have at most ${layersMax} layers.`);
  let bytes = codeName === undefined ? 0 : await ctx.part('functions').codeBytes(codeName);
  for (const arn of arns) {
    if (!/:\d+$/.test(arn) || !arnForm.test(arn))
      throw invalidParameter(
        `1 validation error detected: Value '[${arn}]' at 'layers' failed to satisfy constraint: Member must satisfy regular expression pattern: arn:[a-zA-Z0-9-]+:lambda:[a-zA-Z0-9-]+:\\d{12}:layer:[a-zA-Z0-9-_]+:[0-9]+`,
      );
    const ref = readLayer(ctx, arn);
    if (ref.region !== ctx.region)
      throw invalidParameter(
        `Layers are not in the same region as the function. Layers are expected to be in region ${ctx.region}.`,
      );
    const row = await ctx
      .inScope(ref)
      .table(LayerVersions)
      .get(ref.name, ref.number ?? -1);
    if (ref.account !== ctx.account)
      await ctx.permit({
        action: 'lambda:GetLayerVersion',
        resource: arn,
        resourceAccount: ref.account,
        resourcePolicy: policyOf(row),
      });
    if (row === undefined) throw invalidParameter(`Layer version ${arn} does not exist.`);
    await ensureUnpacked(ctx, row.code);
    bytes += await ctx.part('functions').codeBytes(row.code.name);
  }
  if (bytes > unpackedBytesMax)
    throw invalidParameter(
      `Function code combined with layers exceeds the maximum allowed size of ${unpackedBytesMax} bytes. The actual size is ${bytes} bytes.`,
    );
  return [...arns];
}

/** Names of the unpacked layers behind these ARNs; a version that was deleted goes on for functions that have it. */
export async function layerCode(ctx: Context, arns: readonly string[]): Promise<string[]> {
  const names: string[] = [];
  for (const arn of arns) {
    const ref = readLayer(ctx, arn);
    const row = await ctx
      .inScope(ref)
      .table(LayerVersions)
      .get(ref.name, ref.number ?? -1);
    if (row === undefined) continue;
    await ensureUnpacked(ctx, row.code);
    names.push(row.code.name);
  }
  return names;
}

export const layerHandlers: HandlersOf<Lambda> = {
  async PublishLayerVersion(input, ctx) {
    const ref = readLayer(ctx, input.LayerName);
    const odd = input.CompatibleRuntimes?.find((runtime) => !runtimeNames.includes(runtime));
    if (odd !== undefined)
      throw invalidParameter(
        `Value ${odd} at 'compatibleRuntimes' failed to satisfy constraint: Member must satisfy enum value set.`,
      );
    if ((input.CompatibleRuntimes?.length ?? 0) > 15) throw invalidParameter('A layer names at most 15 runtimes.');
    const code = await storeCode(ctx, await readArchive(ctx, input.Content ?? {}, 'PublishLayerVersion'));
    const row = await ctx.transact(async (tx) => {
      const layer: LayerRow = (await tx.table(Layers).get(ref.name)) ?? { name: ref.name, last: 0 };
      const made: LayerVersionRow = {
        layer: ref.name,
        number: layer.last + 1,
        description: input.Description ?? '',
        license: input.LicenseInfo,
        runtimes: input.CompatibleRuntimes ?? [],
        architectures: input.CompatibleArchitectures ?? [],
        code,
        created: ctx.now,
        statements: [],
        revision: ctx.uuid(),
      };
      await tx.table(Layers).put({ ...layer, last: made.number });
      await tx.table(LayerVersions).put(made);
      return made;
    });
    await ctx.part('blobs').keep(code.blob);
    return described(ctx, ref, row);
  },

  async GetLayerVersion(input, ctx) {
    const ref = readLayer(ctx, input.LayerName, input.VersionNumber);
    return described(ctx, ref, await requireLayer(ctx, ref));
  },

  async GetLayerVersionByArn(input, ctx) {
    const ref = readLayer(ctx, input.Arn);
    return described(ctx, ref, await requireLayer(ctx, ref));
  },

  async ListLayerVersions(input, ctx) {
    const ref = readLayer(ctx, input.LayerName);
    const { CompatibleRuntime: runtime, CompatibleArchitecture: architecture } = input;
    const { rows, NextMarker } = await page(
      ctx.inScope(ref).table(LayerVersions),
      { ...input, prefix: [ref.name] },
      (row) =>
        (runtime === undefined || row.runtimes.includes(runtime)) &&
        (architecture === undefined || row.architectures.includes(architecture)),
    );
    return { NextMarker, LayerVersions: rows.reverse().map((row) => shown(ref, row)) };
  },

  async ListLayers(input, ctx) {
    const { CompatibleRuntime: runtime, CompatibleArchitecture: architecture } = input;
    const newest = new Map<string, LayerVersionRow>();
    for (const row of await ctx.table(LayerVersions).list()) newest.set(row.layer, row);
    const wanted = ({ runtimes, architectures }: LayerVersionRow): boolean =>
      (runtime === undefined || runtimes.includes(runtime)) &&
      (architecture === undefined || architectures.includes(architecture));
    const { rows, NextMarker } = await page(ctx.table(Layers), input, ({ name }) => {
      const row = newest.get(name);
      return row !== undefined && wanted(row);
    });
    return {
      NextMarker,
      Layers: rows.map(({ name: LayerName }) => {
        const ref = { account: ctx.account, region: ctx.region, name: LayerName };
        return {
          LayerName,
          LayerArn: layerArn(ref),
          LatestMatchingVersion: shown(ref, newest.get(LayerName) as LayerVersionRow),
        };
      }),
    };
  },

  /** Safe to repeat. Functions that have it keep it. */
  async DeleteLayerVersion(input, ctx) {
    const ref = readLayer(ctx, input.LayerName, input.VersionNumber);
    await ctx.transact((tx) => tx.table(LayerVersions).delete(ref.name, ref.number ?? -1));
    return {};
  },

  async AddLayerVersionPermission(input, ctx) {
    const ref = readLayer(ctx, input.LayerName, input.VersionNumber);
    const { StatementId, Action, Principal = '', OrganizationId } = input;
    if (Action !== 'lambda:GetLayerVersion') throw invalidParameter(`The action ${Action} is not lambda:GetLayerVersion.`);
    if (Principal !== '*' && !/^\d{12}$|^arn:/.test(Principal))
      throw invalidParameter('The provided principal was invalid. Please check the principal and try again.');
    const Statement = JSON.stringify({
      Sid: StatementId,
      Effect: 'Allow',
      Principal: Principal === '*' ? '*' : { AWS: Principal.startsWith('arn:') ? Principal : `arn:aws:iam::${Principal}:root` },
      Action,
      Resource: layerArn(ref),
      ...(OrganizationId === undefined ? {} : { Condition: { StringEquals: { 'aws:PrincipalOrgID': OrganizationId } } }),
    });
    const row = await changePolicy(ctx, ref, input.RevisionId, (statements) => {
      if (statements.some((text) => sidOf(text) === StatementId))
        throw conflict(
          `The statement id (${StatementId}) provided already exists. Please provide a new statement id, or remove the existing statement.`,
        );
      return [...statements, Statement];
    });
    return { Statement, RevisionId: row.revision };
  },

  async RemoveLayerVersionPermission(input, ctx) {
    const ref = readLayer(ctx, input.LayerName, input.VersionNumber);
    await changePolicy(ctx, ref, input.RevisionId, (statements) => {
      const left = statements.filter((text) => sidOf(text) !== input.StatementId);
      if (left.length === statements.length) throw notFound(`Statement ${input.StatementId} is not found in resource policy.`);
      return left;
    });
    return {};
  },

  async GetLayerVersionPolicy(input, ctx) {
    const row = await requireLayer(ctx, readLayer(ctx, input.LayerName, input.VersionNumber));
    const Policy = policyOf(row);
    if (Policy === undefined) throw notFound('No policy is associated with the given resource.');
    return { Policy, RevisionId: row.revision };
  },
};

async function changePolicy(
  ctx: Context,
  ref: LayerRef,
  revision: string | undefined,
  how: (statements: readonly string[]) => readonly string[],
): Promise<LayerVersionRow> {
  return ctx.transact(async (tx) => {
    const row = await tx.table(LayerVersions).get(ref.name, ref.number ?? -1);
    if (row === undefined) throw notFound(`Layer version ${layerArn(ref)} does not exist.`);
    if (revision !== undefined && revision !== row.revision) throw preconditionFailed();
    const after = { ...row, statements: how(row.statements), revision: ctx.uuid() };
    await tx.table(LayerVersions).put(after);
    return after;
  });
}

function sidOf(statement: string): string {
  return (JSON.parse(statement) as { Sid: string }).Sid;
}

async function onVersion(ctx: Context, ref: LayerRef): Promise<Check[]> {
  const row = await ctx
    .inScope(ref)
    .table(LayerVersions)
    .get(ref.name, ref.number ?? -1);
  return [{ resource: layerArn(ref), resourceAccount: ref.account, resourcePolicy: policyOf(row) }];
}

const byName = (input: { LayerName?: string | undefined; VersionNumber?: number | undefined }, ctx: Context) =>
  onVersion(ctx, readLayer(ctx, input.LayerName, input.VersionNumber));

export const layerChecks: AuthorisationsOf<Lambda> = {
  PublishLayerVersion: byName,
  GetLayerVersion: byName,
  GetLayerVersionByArn: (input, ctx) => onVersion(ctx, readLayer(ctx, input.Arn)),
  DeleteLayerVersion: byName,
  AddLayerVersionPermission: byName,
  RemoveLayerVersionPermission: byName,
  GetLayerVersionPolicy: byName,
};
