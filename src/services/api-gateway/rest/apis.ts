/** REST APIs: what is true of the whole API. */
import type { APIGateway, EndpointConfiguration, RestApi } from '@aws-sdk/client-api-gateway';
import type { Context, Transaction } from '../../../kernel/context.ts';
import { parameterNotImplemented } from '../../../kernel/errors.ts';
import type { HandlersOf } from '../../../kernel/service.ts';
import { badRequest } from '../errors.ts';
import { pageItems, requireApi } from '../lookup.ts';
import { applyPatch, type PatchRules } from '../patch.ts';
import {
  Addresses,
  type Definition,
  Definitions,
  Deployments,
  Documentations,
  DocumentationVersions,
  type RestApiRow,
  RestApis,
  Snapshots,
  Stages,
} from '../state.ts';
import { checkTags } from './tags.ts';
import { defaultModels } from './models.ts';

/** "Payload compression": 0 to 10 MB. */
const compressionBytesMax = 10_485_760;

/** An API as the service answers it. */
export function describeApi(row: RestApiRow): RestApi {
  return {
    id: row.id,
    name: row.name,
    description: row.description,
    createdDate: new Date(row.created),
    version: row.version,
    binaryMediaTypes: row.binaryMediaTypes,
    minimumCompressionSize: row.minimumCompressionSize,
    apiKeySource: row.apiKeySource,
    endpointConfiguration: { ...row.endpoint, ipAddressType: row.endpoint.ipAddressType ?? 'ipv4' },
    policy: row.policy === undefined ? undefined : escapePolicy(row.policy),
    tags: { ...row.tags },
    disableExecuteApiEndpoint: row.disableExecuteApiEndpoint,
    rootResourceId: row.rootResourceId,
  };
}

/** Policies come back with their quotation marks escaped, as the service has always answered them; Terraform and CDK undo it. */
function escapePolicy(policy: string): string {
  return JSON.stringify(policy).slice(1, -1);
}

/** Checks an endpoint configuration and gives it its default, EDGE. Throws BadRequestException. */
export function checkEndpoint(config: EndpointConfiguration | undefined): EndpointConfiguration {
  const types = config?.types ?? [];
  if (types.length > 1) throw badRequest('Only one endpoint type is supported');
  const [type = 'EDGE'] = types;
  if (!['EDGE', 'REGIONAL', 'PRIVATE'].includes(type)) throw badRequest(`Invalid endpoint type specified: ${String(type)}`);
  for (const id of config?.vpcEndpointIds ?? [])
    if (!/^vpce-[0-9a-f]{8,17}$/.test(id)) throw badRequest(`Invalid VPC endpoint id specified: ${id}`);
  if (type !== 'PRIVATE' && config?.vpcEndpointIds !== undefined && config.vpcEndpointIds.length > 0)
    throw badRequest('VPCEndpoints can only be specified with PRIVATE apis.');
  return { ...config, types: [type] };
}

function checkFacts(row: RestApiRow): RestApiRow {
  if (row.name.trim() === '') throw badRequest('API name is required');
  if (row.description !== undefined && row.description.length > 1024) throw badRequest('Description cannot be longer than 1024');
  const size = row.minimumCompressionSize;
  if (size !== undefined && (!Number.isInteger(size) || size < 0 || size > compressionBytesMax))
    throw badRequest(`Invalid minimum compression size, must be between 0 and ${compressionBytesMax}`);
  if (!['HEADER', 'AUTHORIZER'].includes(row.apiKeySource))
    throw badRequest(`Invalid value for ApiKeySource: ${row.apiKeySource}`);
  checkPolicy(row.policy);
  return row;
}

/** Throws BadRequestException for a resource policy that is no policy. */
export function checkPolicy(policy: string | undefined): void {
  if (policy === undefined) return;
  try {
    const parsed = JSON.parse(policy) as { Statement?: unknown } | null;
    if (typeof parsed !== 'object' || parsed === null || parsed.Statement === undefined) throw new TypeError('no statement');
  } catch {
    throw badRequest('Invalid policy document. Please check the policy syntax and ensure that Principals are valid.');
  }
}

/** Policies may leave out whose API it is: `execute-api:/*` ("API Gateway resource policies"). */
export function expandPolicy(policy: string, scope: { account: string; region: string }, api: string): string {
  return policy.replaceAll('"execute-api:/', `"arn:aws:execute-api:${scope.region}:${scope.account}:${api}/`);
}

/** What a new API consists of: the root resource and two models. */
export function emptyDefinition(rootResourceId: string, id: () => string): Definition {
  return {
    resources: { [rootResourceId]: { id: rootResourceId, path: '/', methods: {} } },
    models: defaultModels(id),
    authorizers: {},
    validators: {},
    gatewayResponses: {},
  };
}

/** Writes a new API with its address. */
export async function putApi(tx: Transaction, ctx: Context, row: RestApiRow, definition: Definition): Promise<void> {
  await tx.table(RestApis).put(row);
  await tx.table(Definitions).put({ api: row.id, definition });
  await tx.table(Addresses).put({ name: row.id, account: ctx.account, region: ctx.region, kind: 'rest' });
}

/** The row of a new API. Throws BadRequestException. */
export function newApi(ctx: Context, from: Partial<RestApiRow> & { name: string }): RestApiRow {
  return checkFacts({
    apiKeySource: 'HEADER',
    disableExecuteApiEndpoint: false,
    endpoint: checkEndpoint(undefined),
    tags: {},
    ...from,
    created: ctx.now,
    id: ctx.id('gatewayApi'),
    rootResourceId: ctx.id('gatewayApi'),
  });
}

const rules: PatchRules<RestApiRow> = {
  '/name': 'text',
  '/description': 'text',
  '/version': 'text',
  '/policy': 'text',
  '/apiKeySource': 'text',
  '/disableExecuteApiEndpoint': 'boolean',
  '/binaryMediaTypes/*': 'set',
  '/minimumCompressionSize'(draft, { op, value }) {
    if (op === 'remove' || value === '' || value === 'null') delete draft.minimumCompressionSize;
    else draft.minimumCompressionSize = Number(value);
  },
  '/endpointConfiguration/types/*'(draft, { value = '' }) {
    draft.endpoint = checkEndpoint({ ...draft.endpoint, types: [value as 'EDGE'] });
  },
  '/endpointConfiguration/ipAddressType'(draft, { value = '' }) {
    draft.endpoint = { ...draft.endpoint, ipAddressType: value as 'ipv4' };
  },
  '/endpointConfiguration/vpcEndpointIds'(draft, { op, value = '' }) {
    const others = (draft.endpoint.vpcEndpointIds ?? []).filter((id) => id !== value);
    draft.endpoint = checkEndpoint({ ...draft.endpoint, vpcEndpointIds: op === 'remove' ? others : [...others, value] });
  },
};

export const apiHandlers: HandlersOf<APIGateway> = {
  async CreateRestApi(input, ctx) {
    for (const name of ['securityPolicy', 'endpointAccessMode'] as const)
      if (input[name] !== undefined) throw parameterNotImplemented('CreateRestApi', name);
    const tags = checkTags(input.tags);
    return ctx.transact(async (tx) => {
      const row = newApi(ctx, {
        name: input.name ?? '',
        description: input.description,
        version: input.version,
        binaryMediaTypes: input.binaryMediaTypes,
        minimumCompressionSize: input.minimumCompressionSize,
        apiKeySource: input.apiKeySource ?? 'HEADER',
        policy: input.policy,
        endpoint: checkEndpoint(input.endpointConfiguration),
        disableExecuteApiEndpoint: input.disableExecuteApiEndpoint ?? false,
        tags,
      });
      let definition = emptyDefinition(row.rootResourceId, () => ctx.id('gatewayPart'));
      if (input.cloneFrom !== undefined) {
        const origin = await requireApi(tx, ctx, input.cloneFrom);
        const cloned = await tx.table(Definitions).get(input.cloneFrom);
        if (cloned !== undefined) definition = structuredClone(cloned.definition);
        row.rootResourceId = origin.rootResourceId;
      }
      await putApi(tx, ctx, row, definition);
      return describeApi(row);
    });
  },

  async GetRestApi(input, ctx) {
    return describeApi(await requireApi(ctx, ctx, input.restApiId));
  },

  async GetRestApis(input, ctx) {
    const rows = await ctx.table(RestApis).list();
    const { items, ...page } = pageItems('GetRestApis', rows, (row) => row.id, input);
    return { items: items.map(describeApi), ...page };
  },

  UpdateRestApi(input, ctx) {
    return ctx.transact(async (tx) => {
      const row = await requireApi(tx, ctx, input.restApiId);
      const changed = checkFacts(applyPatch(row, input.patchOperations, rules));
      if (changed.policy === '') delete changed.policy;
      await tx.table(RestApis).put(changed);
      return describeApi(changed);
    });
  },

  async DeleteRestApi(input, ctx) {
    await ctx.transact(async (tx) => {
      const { id } = await requireApi(tx, ctx, input.restApiId);
      await tx.table(RestApis).delete(id);
      await tx.table(Definitions).delete(id);
      await tx.table(Addresses).delete(id);
      for (const part of await tx.table(Documentations).list({ prefix: [id] }))
        await tx.table(Documentations).delete(id, part.id);
      for (const { version } of await tx.table(DocumentationVersions).list({ prefix: [id] }))
        await tx.table(DocumentationVersions).delete(id, version);
      for (const stage of await tx.table(Stages).list({ prefix: [id] })) await tx.table(Stages).delete(id, stage.name);
      for (const row of await tx.table(Deployments).list({ prefix: [id] })) {
        await tx.table(Deployments).delete(id, row.id);
        await tx.table(Snapshots).delete(id, row.id);
      }
    });
    return {};
  },
};
