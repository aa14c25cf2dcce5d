/** HTTP and WebSocket APIs as a whole: creation, quick creation with a target, cross-origin settings. */
import type { Api, ApiGatewayV2, Cors } from '@aws-sdk/client-apigatewayv2';
import type { Context, Transaction } from '../../../kernel/context.ts';
import { parameterNotImplemented } from '../../../kernel/errors.ts';
import type { HandlersOf } from '../../../kernel/service.ts';
import { badRequest } from '../errors.ts';
import { checkTags } from '../rest/tags.ts';
import { Addresses } from '../state.ts';
import { deployAutomatically, pageItems, requireApi } from './lookup.ts';
import { type ApiRow, Apis, type Definition, Definitions, Deployments, Snapshots, Stages } from './state.ts';
import { newStage } from './stages.ts';

/** An API as the service answers it. */
export function describeApi(ctx: Context, row: ApiRow): Api {
  const { port } = ctx.part('endpoints');
  const scheme = row.protocol === 'HTTP' ? 'http' : 'ws';
  return {
    ApiId: row.id,
    ApiEndpoint: `${scheme}://${row.id}.execute-api.${ctx.region}.localhost:${port}`,
    ApiKeySelectionExpression: row.apiKeySelectionExpression,
    CorsConfiguration: row.cors,
    CreatedDate: new Date(row.created),
    Description: row.description,
    DisableExecuteApiEndpoint: row.disableExecuteApiEndpoint,
    IpAddressType: (row.ipAddressType ?? 'ipv4') as 'ipv4',
    Name: row.name,
    ProtocolType: row.protocol,
    RouteSelectionExpression: row.routeSelectionExpression,
    Tags: { ...row.tags },
    Version: row.version,
  };
}

/** Throws BadRequestException for cross-origin settings that cannot be. */
export function checkCors(cors: Cors | undefined, protocol: string): Cors | undefined {
  if (cors === undefined) return undefined;
  if (protocol !== 'HTTP') throw badRequest('CORS configuration is supported for HTTP APIs only');
  if (cors.AllowCredentials === true && cors.AllowOrigins?.includes('*') === true)
    throw badRequest('Allow credentials is not supported if allow origin is *');
  for (const origin of cors.AllowOrigins ?? [])
    if (origin !== '*' && !/^[a-z][a-z0-9+.-]*:\/\/.+$/i.test(origin)) throw badRequest(`Invalid format for origin ${origin}`);
  if (cors.MaxAge !== undefined && (cors.MaxAge < -1 || cors.MaxAge > 86_400))
    throw badRequest('MaxAge must be between -1 and 86400');
  return cors;
}

/** `$request.body.action`: how a message of a WebSocket chooses its route. HTTP APIs know one way. */
function checkSelection(expression: string | undefined, protocol: string): string {
  const usual = '$request.method $request.path';
  if (protocol === 'HTTP') {
    if (expression !== undefined && expression.replaceAll(/[{}]/g, '') !== usual)
      throw badRequest('Invalid routeSelectionExpression. HTTP APIs support ${request.method} ${request.path} only');
    return usual;
  }
  if (expression === undefined || expression === '')
    throw badRequest('RouteSelectionExpression is required for WEBSOCKET protocol');
  if (!/^\$\{?request\.(body|header|querystring)\.[^}]+\}?$/.test(expression))
    throw badRequest('Invalid routeSelectionExpression');
  return expression;
}

/** "Quick create": a default route with an integration and a stage `$default` that deploys itself. */
function quickParts(ctx: Context, target: string, routeKey: string, credentials: string | undefined): Definition {
  const isFunction = target.startsWith('arn:');
  const integrationId = ctx.id('gatewayPart');
  const routeId = ctx.id('gatewayPart');
  return {
    authorizers: {},
    models: {},
    integrations: {
      [integrationId]: {
        IntegrationId: integrationId,
        ApiGatewayManaged: true,
        ConnectionType: 'INTERNET',
        IntegrationType: isFunction ? 'AWS_PROXY' : 'HTTP_PROXY',
        IntegrationUri: target,
        ...(isFunction ? {} : { IntegrationMethod: 'ANY' }),
        PayloadFormatVersion: isFunction ? '2.0' : '1.0',
        TimeoutInMillis: 30_000,
        CredentialsArn: credentials,
        responses: {},
      },
    },
    routes: {
      [routeId]: {
        RouteId: routeId,
        ApiGatewayManaged: true,
        RouteKey: routeKey,
        ApiKeyRequired: false,
        AuthorizationType: 'NONE',
        Target: `integrations/${integrationId}`,
        responses: {},
      },
    },
  };
}

/** The row of a new API, an HTTP API unless told. */
export function newApi(ctx: Context, from: Partial<ApiRow> & { name: string }): ApiRow {
  return {
    protocol: 'HTTP',
    routeSelectionExpression: '$request.method $request.path',
    apiKeySelectionExpression: '$request.header.x-api-key',
    disableExecuteApiEndpoint: false,
    tags: {},
    ...from,
    id: ctx.id('gatewayApi'),
    created: ctx.now,
  };
}

/** Writes a new API with its address. */
export async function putApi(tx: Transaction, ctx: Context, row: ApiRow, definition: Definition): Promise<void> {
  await tx.table(Apis).put(row);
  await tx.table(Definitions).put({ api: row.id, definition });
  const kind = row.protocol === 'HTTP' ? 'http' : 'websocket';
  await tx.table(Addresses).put({ name: row.id, account: ctx.account, region: ctx.region, kind });
}

export const apiHandlers: HandlersOf<ApiGatewayV2> = {
  async CreateApi(input, ctx) {
    const { ProtocolType: protocol = 'HTTP', Target: target } = input;
    if (protocol !== 'HTTP' && protocol !== 'WEBSOCKET') throw badRequest(`Invalid protocol specified: ${String(protocol)}`);
    if (input.DisableSchemaValidation !== undefined) throw parameterNotImplemented('CreateApi', 'DisableSchemaValidation');
    if ((input.Name ?? '') === '') throw badRequest('Name is required');
    if (target !== undefined && protocol !== 'HTTP') throw badRequest('Target is supported for HTTP APIs only');
    const row = newApi(ctx, {
      name: input.Name ?? '',
      protocol,
      description: input.Description,
      version: input.Version,
      routeSelectionExpression: checkSelection(input.RouteSelectionExpression, protocol),
      apiKeySelectionExpression: input.ApiKeySelectionExpression ?? '$request.header.x-api-key',
      cors: checkCors(input.CorsConfiguration, protocol),
      disableExecuteApiEndpoint: input.DisableExecuteApiEndpoint ?? false,
      ipAddressType: input.IpAddressType,
      tags: checkTags(input.Tags),
    });
    const definition: Definition =
      target === undefined
        ? { routes: {}, integrations: {}, authorizers: {}, models: {} }
        : quickParts(ctx, target, input.RouteKey ?? '$default', input.CredentialsArn);
    await ctx.transact(async (tx) => {
      await putApi(tx, ctx, row, definition);
      if (target === undefined) return;
      await tx.table(Stages).put(newStage(ctx, { api: row.id, name: '$default', autoDeploy: true }));
      await deployAutomatically(tx, ctx, row.id, definition);
    });
    return describeApi(ctx, row);
  },

  async GetApi(input, ctx) {
    return describeApi(ctx, await requireApi(ctx, input.ApiId));
  },

  async GetApis(input, ctx) {
    const { Items, ...page } = pageItems('GetApis', await ctx.table(Apis).list(), ({ id }) => id, input);
    return { Items: Items.map((row) => describeApi(ctx, row)), ...page };
  },

  async UpdateApi(input, ctx) {
    if (input.DisableSchemaValidation !== undefined) throw parameterNotImplemented('UpdateApi', 'DisableSchemaValidation');
    for (const name of ['Target', 'RouteKey', 'CredentialsArn'] as const)
      if (input[name] !== undefined) throw parameterNotImplemented('UpdateApi', name);
    return ctx.transact(async (tx) => {
      const row = await requireApi(tx, input.ApiId);
      const changed: ApiRow = {
        ...row,
        name: input.Name ?? row.name,
        description: input.Description ?? row.description,
        version: input.Version ?? row.version,
        apiKeySelectionExpression: input.ApiKeySelectionExpression ?? row.apiKeySelectionExpression,
        routeSelectionExpression:
          input.RouteSelectionExpression === undefined
            ? row.routeSelectionExpression
            : checkSelection(input.RouteSelectionExpression, row.protocol),
        cors: checkCors(input.CorsConfiguration, row.protocol) ?? row.cors,
        disableExecuteApiEndpoint: input.DisableExecuteApiEndpoint ?? row.disableExecuteApiEndpoint,
        ipAddressType: input.IpAddressType ?? row.ipAddressType,
      };
      await tx.table(Apis).put(changed);
      return describeApi(ctx, changed);
    });
  },

  async DeleteCorsConfiguration(input, ctx) {
    await ctx.transact(async (tx) => {
      const { cors: _cors, ...row } = await requireApi(tx, input.ApiId);
      await tx.table(Apis).put(row);
    });
    return {};
  },

  async DeleteApi(input, ctx) {
    await ctx.transact(async (tx) => {
      const { id } = await requireApi(tx, input.ApiId);
      await tx.table(Apis).delete(id);
      await tx.table(Definitions).delete(id);
      await tx.table(Addresses).delete(id);
      for (const { name } of await tx.table(Stages).list({ prefix: [id] })) await tx.table(Stages).delete(id, name);
      for (const { id: deployment } of await tx.table(Deployments).list({ prefix: [id] })) {
        await tx.table(Deployments).delete(id, deployment);
        await tx.table(Snapshots).delete(id, deployment);
      }
    });
    return {};
  },
};
