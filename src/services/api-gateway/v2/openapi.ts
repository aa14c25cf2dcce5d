/** Import and export of HTTP APIs. */
import type { ApiGatewayV2, ImportApiResponse } from '@aws-sdk/client-apigatewayv2';
import { stringify } from 'yaml';
import type { Context } from '../../../kernel/context.ts';
import type { HandlersOf } from '../../../kernel/service.ts';
import { badRequest, notFound } from '../errors.ts';
import { checkTags } from '../rest/tags.ts';
import { checkCors, describeApi, newApi, putApi } from './apis.ts';
import { deployAutomatically, readDefinition, requireApi } from './lookup.ts';
import { type Imported, readHttpApi } from './openapi-read.ts';
import { writeHttpApi } from './openapi-write.ts';
import { type ApiRow, Apis, type Definition, Definitions, Snapshots, Stages } from './state.ts';

interface ImportInput {
  Body?: string | undefined;
  Basepath?: string | undefined;
  FailOnWarnings?: boolean | undefined;
}

async function readImport(ctx: Context, { Body = '', Basepath = 'ignore', FailOnWarnings }: ImportInput): Promise<Imported> {
  if (!['ignore', 'prepend', 'split'].includes(Basepath)) throw badRequest(`Invalid basepath specified: ${Basepath}`);
  // The last part of the path would name a stage, which an import makes none of.
  if (Basepath === 'split') throw badRequest('Pilvi does not implement basepath=split.');
  const found = await readHttpApi(ctx, Body, Basepath);
  if (FailOnWarnings === true && found.warnings.length > 0)
    throw badRequest(`Warnings found during import:\n\t${found.warnings.join('\n\t')}`);
  return found;
}

function answer(ctx: Context, row: ApiRow, { info, warnings }: Imported): ImportApiResponse {
  return { ...describeApi(ctx, row), ImportInfo: info, Warnings: warnings };
}

export const openApiHandlers: HandlersOf<ApiGatewayV2> = {
  async ImportApi(input, ctx) {
    const found = await readImport(ctx, input);
    const { name, description, version, cors } = found;
    const row = newApi(ctx, { name, description, version, cors: checkCors(cors, 'HTTP'), tags: checkTags(found.tags) });
    await ctx.transact((tx) => putApi(tx, ctx, row, found.definition));
    return answer(ctx, row, found);
  },

  async ReimportApi(input, ctx) {
    const { protocol } = await requireApi(ctx, input.ApiId);
    if (protocol !== 'HTTP') throw badRequest('Only HTTP APIs can be imported');
    const found = await readImport(ctx, input);
    return ctx.transact(async (tx) => {
      const row = await requireApi(tx, input.ApiId);
      const { name, description, version, definition } = found;
      const changed: ApiRow = { ...row, name, description, version, cors: checkCors(found.cors, 'HTTP') };
      await tx.table(Apis).put(changed);
      await tx.table(Definitions).put({ api: row.id, definition });
      await deployAutomatically(tx, ctx, row.id, definition);
      return answer(ctx, changed, found);
    });
  },

  async ExportApi(input, ctx) {
    const {
      ApiId: id = '',
      Specification,
      OutputType: type = '',
      StageName: stage,
      IncludeExtensions: extensions = true,
    } = input;
    if (Specification !== 'OAS30') throw badRequest('Invalid specification specified. Only OAS30 is supported.');
    if (type !== 'JSON' && type !== 'YAML') throw badRequest('Invalid output type specified. Only JSON and YAML are supported.');
    const api = await requireApi(ctx, id);
    if (api.protocol !== 'HTTP') throw badRequest('Only HTTP APIs can be exported');
    const definition = stage === undefined ? await readDefinition(ctx, id) : await deployedAt(ctx, id, stage);
    const origin = describeApi(ctx, api).ApiEndpoint ?? '';
    const doc = writeHttpApi(api, definition, { origin, stage, extensions });
    // The client's type has methods of its own side; on this one it is bytes.
    return { body: Buffer.from(type === 'JSON' ? JSON.stringify(doc) : stringify(doc)) as never };
  },
};

async function deployedAt(ctx: Context, api: string, name: string): Promise<Definition> {
  const stage = await ctx.table(Stages).get(api, name);
  if (stage === undefined) throw notFound(`Invalid Stage identifier specified ${name}`);
  const snapshot = await ctx.table(Snapshots).get(api, stage.deploymentId ?? '');
  if (snapshot === undefined) throw badRequest(`Stage ${name} has no deployment`);
  return snapshot.definition;
}
