/** Import and export of REST APIs. */
import type { APIGateway } from '@aws-sdk/client-api-gateway';
import { stringify } from 'yaml';
import type { Context } from '../../../kernel/context.ts';
import type { HandlersOf } from '../../../kernel/service.ts';
import { badRequest, noSuch } from '../errors.ts';
import { requireApi, requireStage } from '../lookup.ts';
import {
  type Definition,
  Definitions,
  DocumentationVersions,
  type RestApiRow,
  RestApis,
  Snapshots,
  type StageRow,
} from '../state.ts';
import { checkEndpoint, checkPolicy, describeApi, emptyDefinition, newApi, putApi } from './apis.ts';
import { checkConnection } from './integrations.ts';
import { parseDescription, readDescription } from './openapi-read.ts';
import { writeDescription } from './openapi-write.ts';

/** "Maximum size of an API import: 6 MB". */
const importBytesMax = 6 * 1024 * 1024;

type Facts = Partial<RestApiRow> & { name: string };

/** What a description says of the whole API. */
function factsOf(doc: Readonly<Record<string, unknown>>, parameters: Readonly<Record<string, string>> | undefined): Facts {
  const info = (doc['info'] ?? {}) as Readonly<Record<string, unknown>>;
  const policy = doc['x-amazon-apigateway-policy'];
  const types = parameters?.['endpointConfigurationTypes'];
  const facts: Facts = {
    name: String(info['title'] ?? ''),
    description: info['description'] === undefined ? undefined : String(info['description']),
    version: info['version'] === undefined ? undefined : String(info['version']),
    apiKeySource: doc['x-amazon-apigateway-api-key-source'] === 'AUTHORIZER' ? 'AUTHORIZER' : 'HEADER',
    binaryMediaTypes: doc['x-amazon-apigateway-binary-media-types'] as string[] | undefined,
    minimumCompressionSize: doc['x-amazon-apigateway-minimum-compression-size'] as number | undefined,
    policy: policy === undefined ? undefined : JSON.stringify(policy),
    ...(types === undefined ? {} : { endpoint: checkEndpoint({ types: [types as 'REGIONAL'] }) }),
  };
  checkPolicy(facts.policy);
  return facts;
}

function bodyOf(body: Uint8Array | undefined): Uint8Array {
  if (body === undefined || body.byteLength === 0) throw badRequest('Invalid OpenAPI input.');
  if (body.byteLength > importBytesMax) throw badRequest('The API definition is larger than 6 MB');
  return body;
}

/** `basepath` says what becomes of a description's own base path; only its usual meaning, to ignore it, is there. */
function checkParameters(parameters: Readonly<Record<string, string>> | undefined): void {
  for (const [name, value] of Object.entries(parameters ?? {})) {
    if (name === 'basepath' && value !== 'ignore') throw badRequest(`Pilvi does not implement basepath=${value}.`);
    if (!['basepath', 'endpointConfigurationTypes', 'ignore'].includes(name))
      throw badRequest(`Invalid parameter specified: ${name}`);
  }
}

/** Throws BadRequestException for a VPC link that is not there. */
async function checkConnections(ctx: Context, { resources }: Definition): Promise<void> {
  for (const { methods } of Object.values(resources))
    for (const { methodIntegration } of Object.values(methods))
      if (methodIntegration !== undefined) await checkConnection(ctx, methodIntegration);
}

/** What a description says, whatever the API has already. */
async function readAlone(ctx: Context, doc: Readonly<Record<string, unknown>>, api = ''): Promise<Definition> {
  const { rootResourceId } = await requireApi(ctx, ctx, api);
  const definition = emptyDefinition(rootResourceId, () => ctx.id('gatewayPart'));
  readDescription(doc, definition, { api, id: () => ctx.id('gatewayPart') });
  return definition;
}

export const openApiHandlers: HandlersOf<APIGateway> = {
  async ImportRestApi(input, ctx) {
    checkParameters(input.parameters);
    const doc = parseDescription(bodyOf(input.body as Uint8Array | undefined));
    const row = newApi(ctx, factsOf(doc, input.parameters));
    const definition = emptyDefinition(row.rootResourceId, () => ctx.id('gatewayPart'));
    readDescription(doc, definition, { api: row.id, id: () => ctx.id('gatewayPart') });
    await checkConnections(ctx, definition);
    await ctx.transact((tx) => putApi(tx, ctx, row, definition));
    return describeApi(row);
  },

  async PutRestApi(input, ctx) {
    checkParameters(input.parameters);
    const doc = parseDescription(bodyOf(input.body as Uint8Array | undefined));
    const facts = factsOf(doc, input.parameters);
    await checkConnections(ctx, await readAlone(ctx, doc, input.restApiId));
    const overwrite = input.mode === 'overwrite';
    return ctx.transact(async (tx) => {
      const row = await requireApi(tx, ctx, input.restApiId);
      const before = await tx.table(Definitions).get(row.id);
      const id = (): string => ctx.id('gatewayPart');
      const definition =
        overwrite || before === undefined ? emptyDefinition(row.rootResourceId, id) : structuredClone(before.definition);
      readDescription(doc, definition, { api: row.id, id });
      const given = Object.fromEntries(Object.entries(facts).filter(([, value]) => value !== undefined));
      const changed: RestApiRow = overwrite
        ? { ...row, binaryMediaTypes: undefined, minimumCompressionSize: undefined, policy: undefined, ...given }
        : { ...row, ...given };
      await tx.table(RestApis).put(changed);
      await tx.table(Definitions).put({ api: row.id, definition });
      return describeApi(changed);
    });
  },

  async GetExport(input, ctx) {
    const { restApiId = '', stageName = '', exportType = '', accepts = 'application/json' } = input;
    if (exportType !== 'oas30' && exportType !== 'swagger') throw badRequest(`No API exporter for type '${exportType}'`);
    if (!/^application\/(json|yaml)$/.test(accepts)) throw badRequest(`Invalid accept header specified: ${accepts}`);
    const api = await requireApi(ctx, ctx, restApiId);
    const stage = await requireStage(ctx, restApiId, stageName);
    const snapshot = await ctx.table(Snapshots).get(restApiId, stage.deploymentId);
    if (snapshot === undefined) throw noSuch('Deployment');
    const extensions = (input.parameters?.['extensions'] ?? '').split(',');
    const all = extensions.includes('apigateway');
    const doc = writeDescription(
      snapshot.definition,
      {
        title: api.name,
        version: api.version ?? versionOf(api.created),
        description: api.description,
        origin: `http://${restApiId}.execute-api.${ctx.region}.localhost:${ctx.part('endpoints').port}`,
        stage: stageName,
        api: restApiId,
      },
      {
        swagger: exportType === 'swagger',
        integrations: all || extensions.includes('integrations'),
        authorizers: all || extensions.includes('authorizers') || extensions.includes('integrations'),
      },
    );
    if (all || extensions.includes('documentation')) Object.assign(doc, await documentationOf(ctx, stage));
    const isJson = accepts === 'application/json';
    return {
      // The client's type has methods of its own side; on this one it is bytes.
      body: Buffer.from(isJson ? JSON.stringify(doc, undefined, 2) : stringify(doc)) as never,
      contentType: 'application/octet-stream',
      contentDisposition: `attachment; filename="${exportType}_${new Date(api.created).toISOString().slice(0, 19)}Z.${isJson ? 'json' : 'yaml'}"`,
    };
  },
};

/** The texts of the version that a stage names. */
async function documentationOf(ctx: Context, { api, documentationVersion }: StageRow): Promise<object> {
  if (documentationVersion === undefined) return {};
  const row = await ctx.table(DocumentationVersions).get(api, documentationVersion);
  if (row === undefined) return {};
  const documentationParts = row.parts.map(({ location, properties }) => ({
    location,
    properties: JSON.parse(properties) as object,
  }));
  const { version, created } = row;
  return { 'x-amazon-apigateway-documentation': { version, createdDate: new Date(created).toISOString(), documentationParts } };
}

/** An API without a version is exported under the moment of its creation. */
function versionOf(created: number): string {
  return `${new Date(created).toISOString().slice(0, 19)}Z`;
}
