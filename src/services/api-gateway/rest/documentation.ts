/** Documentation of REST APIs: texts about their parts, and versions of the whole of them, which stages and exports name ("Documenting REST APIs"). */
import type { APIGateway, DocumentationPart, DocumentationPartLocation, DocumentationVersion } from '@aws-sdk/client-api-gateway';
import type { Context, Transaction } from '../../../kernel/context.ts';
import type { HandlersOf } from '../../../kernel/service.ts';
import { badRequest, conflict, noSuch } from '../errors.ts';
import { pageItems, readDefinition, requireApi } from '../lookup.ts';
import { applyPatch } from '../patch.ts';
import { type DocumentationRow, Documentations, DocumentationVersions, Stages } from '../state.ts';
import { object, parseDescription } from './openapi-read.ts';

/** Members of a location that each type has beyond its type; all may be left out but names. */
const places: Readonly<Record<string, readonly string[]>> = {
  API: [],
  AUTHORIZER: ['name'],
  MODEL: ['name'],
  RESOURCE: ['path'],
  METHOD: ['path', 'method'],
  PATH_PARAMETER: ['path', 'method', 'name'],
  QUERY_PARAMETER: ['path', 'method', 'name'],
  REQUEST_HEADER: ['path', 'method', 'name'],
  REQUEST_BODY: ['path', 'method'],
  RESPONSE: ['path', 'method', 'statusCode'],
  RESPONSE_HEADER: ['path', 'method', 'statusCode', 'name'],
  RESPONSE_BODY: ['path', 'method', 'statusCode'],
};

function describe({ id, location, properties }: DocumentationRow): DocumentationPart {
  return { id, location, properties };
}

/** A location with its defaults. Throws BadRequestException. */
function checkLocation(given: DocumentationPartLocation | undefined): DocumentationPartLocation {
  const allowed = places[given?.type ?? ''];
  if (given === undefined || allowed === undefined) throw badRequest('Invalid documentation part type specified');
  // Terraform sends empty texts for what a part of this type does not have.
  for (const name of ['path', 'method', 'statusCode', 'name'] as const)
    if ((given[name] ?? '') !== '' && !allowed.includes(name))
      throw badRequest(`Invalid location: ${name} is not allowed for documentation parts of type ${given.type}`);
  if (allowed.includes('name') && (given.name ?? '') === '')
    throw badRequest(`Invalid location: name is required for documentation parts of type ${given.type}`);
  return {
    type: given.type,
    ...(allowed.includes('path') ? { path: given.path || '/' } : {}),
    ...(allowed.includes('method') ? { method: given.method || '*' } : {}),
    ...(allowed.includes('statusCode') ? { statusCode: given.statusCode || '*' } : {}),
    ...(allowed.includes('name') ? { name: given.name } : {}),
  };
}

function checkProperties(text = ''): string {
  try {
    if (typeof JSON.parse(text) === 'object') return text;
  } catch {
    // Said below.
  }
  throw badRequest('Invalid Documentation part: Properties must be a valid JSON object');
}

const sameAs = (location: DocumentationPartLocation) => (row: DocumentationRow) =>
  JSON.stringify(row.location) === JSON.stringify(location);

async function requirePart(
  tx: Pick<Transaction, 'table'> | Pick<Context, 'table'>,
  api = '',
  id = '',
): Promise<DocumentationRow> {
  const row = await tx.table(Documentations).get(api, id);
  if (row === undefined) throw noSuch('Documentation part');
  return row;
}

/** Whether what a part is about is in the API. */
async function documentedPaths(ctx: Context, api: string): Promise<ReadonlySet<string>> {
  const { resources } = await readDefinition(ctx, api);
  return new Set(Object.values(resources).map(({ path }) => path));
}

function describeVersion({
  version,
  created,
  description,
}: {
  version: string;
  created: number;
  description?: string | undefined;
}): DocumentationVersion {
  return { version, createdDate: new Date(created), description };
}

export const documentationHandlers: HandlersOf<APIGateway> = {
  async CreateDocumentationPart(input, ctx) {
    const location = checkLocation(input.location);
    const properties = checkProperties(input.properties);
    return ctx.transact(async (tx) => {
      const { id: api } = await requireApi(tx, ctx, input.restApiId);
      if ((await tx.table(Documentations).list({ prefix: [api] })).some(sameAs(location)))
        throw conflict('Documentation part already exists for the specified location');
      const row: DocumentationRow = { api, id: ctx.id('gatewayPart'), location, properties };
      await tx.table(Documentations).put(row);
      return describe(row);
    });
  },

  async GetDocumentationPart(input, ctx) {
    await requireApi(ctx, ctx, input.restApiId);
    return describe(await requirePart(ctx, input.restApiId, input.documentationPartId));
  },

  async GetDocumentationParts(input, ctx) {
    const { id: api } = await requireApi(ctx, ctx, input.restApiId);
    const paths = await documentedPaths(ctx, api);
    const rows = (await ctx.table(Documentations).list({ prefix: [api] })).filter(({ location }) => {
      if (input.type !== undefined && location.type !== input.type) return false;
      if (input.nameQuery !== undefined && location.name?.includes(input.nameQuery) !== true) return false;
      if (input.path !== undefined && location.path !== input.path) return false;
      return input.locationStatus !== 'DOCUMENTED' || location.path === undefined || paths.has(location.path);
    });
    const { items, ...page } = pageItems(`GetDocumentationParts ${api}`, rows, ({ id }) => id, input);
    return { items: items.map(describe), ...page };
  },

  UpdateDocumentationPart(input, ctx) {
    return ctx.transact(async (tx) => {
      await requireApi(tx, ctx, input.restApiId);
      const row = await requirePart(tx, input.restApiId, input.documentationPartId);
      const changed = applyPatch(row, input.patchOperations, { '/properties': 'text' });
      checkProperties(changed.properties);
      await tx.table(Documentations).put(changed);
      return describe(changed);
    });
  },

  async DeleteDocumentationPart(input, ctx) {
    await ctx.transact(async (tx) => {
      await requireApi(tx, ctx, input.restApiId);
      const { api, id } = await requirePart(tx, input.restApiId, input.documentationPartId);
      await tx.table(Documentations).delete(api, id);
    });
    return {};
  },

  async ImportDocumentationParts(input, ctx) {
    const doc = parseDescription(input.body as Uint8Array);
    const listed = object(doc['x-amazon-apigateway-documentation'])['documentationParts'];
    const parts = (Array.isArray(listed) ? listed.map(object) : []).map(({ location, properties }) => ({
      location: checkLocation(object(location) as unknown as DocumentationPartLocation),
      properties: checkProperties(JSON.stringify(properties)),
    }));
    return ctx.transact(async (tx) => {
      const { id: api } = await requireApi(tx, ctx, input.restApiId);
      const known = await tx.table(Documentations).list({ prefix: [api] });
      if (input.mode === 'overwrite') for (const { id } of known) await tx.table(Documentations).delete(api, id);
      const ids: string[] = [];
      for (const { location, properties } of parts) {
        const same = input.mode === 'overwrite' ? undefined : known.find(sameAs(location));
        const merged =
          same === undefined ? properties : JSON.stringify({ ...JSON.parse(same.properties), ...JSON.parse(properties) });
        const row: DocumentationRow = { api, id: same?.id ?? ctx.id('gatewayPart'), location, properties: merged };
        await tx.table(Documentations).put(row);
        ids.push(row.id);
      }
      return { ids, warnings: [] };
    });
  },

  async CreateDocumentationVersion(input, ctx) {
    const { documentationVersion: version = '', stageName, description } = input;
    if (version === '') throw badRequest('Documentation version must be specified');
    return ctx.transact(async (tx) => {
      const { id: api } = await requireApi(tx, ctx, input.restApiId);
      if ((await tx.table(DocumentationVersions).get(api, version)) !== undefined)
        throw conflict('Documentation version already exists');
      const parts = (await tx.table(Documentations).list({ prefix: [api] })).map(({ location, properties }) => ({
        location,
        properties,
      }));
      const row = { api, version, description, created: ctx.now, parts };
      await tx.table(DocumentationVersions).put(row);
      if (stageName !== undefined && stageName !== '') {
        const changed = await tx.table(Stages).update([api, stageName], (stage) => ({ ...stage, documentationVersion: version }));
        if (changed === undefined) throw noSuch('Stage');
      }
      return describeVersion(row);
    });
  },

  async GetDocumentationVersion(input, ctx) {
    await requireApi(ctx, ctx, input.restApiId);
    const row = await ctx.table(DocumentationVersions).get(input.restApiId ?? '', input.documentationVersion ?? '');
    if (row === undefined) throw noSuch('Documentation version');
    return describeVersion(row);
  },

  async GetDocumentationVersions(input, ctx) {
    const { id: api } = await requireApi(ctx, ctx, input.restApiId);
    const rows = await ctx.table(DocumentationVersions).list({ prefix: [api] });
    const { items, ...page } = pageItems(`GetDocumentationVersions ${api}`, rows, ({ version }) => version, input);
    return { items: items.map(describeVersion), ...page };
  },

  UpdateDocumentationVersion(input, ctx) {
    return ctx.transact(async (tx) => {
      await requireApi(tx, ctx, input.restApiId);
      const row = await tx.table(DocumentationVersions).get(input.restApiId ?? '', input.documentationVersion ?? '');
      if (row === undefined) throw noSuch('Documentation version');
      const changed = applyPatch(row, input.patchOperations, { '/description': 'text' });
      await tx.table(DocumentationVersions).put(changed);
      return describeVersion(changed);
    });
  },

  async DeleteDocumentationVersion(input, ctx) {
    await ctx.transact(async (tx) => {
      const { id: api } = await requireApi(tx, ctx, input.restApiId);
      const version = input.documentationVersion ?? '';
      if ((await tx.table(DocumentationVersions).get(api, version)) === undefined) throw noSuch('Documentation version');
      const stages = await tx.table(Stages).list({ prefix: [api] });
      if (stages.some(({ documentationVersion }) => documentationVersion === version))
        throw badRequest('Documentation version is used by a stage and cannot be deleted');
      await tx.table(DocumentationVersions).delete(api, version);
    });
    return {};
  },
};
