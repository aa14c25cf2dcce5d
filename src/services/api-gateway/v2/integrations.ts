/** Integrations of HTTP and WebSocket APIs. */
import type { ApiGatewayV2, Integration } from '@aws-sdk/client-apigatewayv2';
import type { Context } from '../../../kernel/context.ts';
import { parameterNotImplemented } from '../../../kernel/errors.ts';
import type { HandlersOf } from '../../../kernel/service.ts';
import { badRequest, conflict } from '../errors.ts';
import { frontOf } from '../links.ts';
import { changeDefinition, given, pageItems, readDefinition, requireApi, requirePart } from './lookup.ts';
import { type IntegrationDef, OwnLinks } from './state.ts';
import { subtypes } from './subtypes.ts';

/** "Integration timeout: 30 seconds" of HTTP APIs, 29 of WebSocket APIs; the shortest is 50 ms. */
const timeoutMillisMin = 50;
const timeoutMillisMax = { HTTP: 30_000, WEBSOCKET: 29_000 };

const functionForm = /^arn:aws[a-z-]*:(?:lambda:[^:]+:\d{12}:function:.+|apigateway:[^:]+:lambda:path\/.+\/invocations)$/;

function describeIntegration({ responses: _responses, ...integration }: IntegrationDef): Integration {
  return integration;
}

function checkHttp(integration: IntegrationDef): void {
  const {
    IntegrationType: type = '',
    IntegrationUri: uri = '',
    IntegrationSubtype: subtype,
    PayloadFormatVersion: version,
  } = integration;
  if (type === 'HTTP_PROXY' && integration.ConnectionType === 'VPC_LINK') {
    if (!/^arn:aws[a-z-]*:elasticloadbalancing:[^:]+:\d{12}:listener\/(?:app|net)\/.+$/.test(uri))
      throw badRequest('For VpcLink V2, integration uri should be a valid ELB listener ARN or a valid Cloud Map service ARN.');
    if (integration.IntegrationMethod === undefined)
      throw badRequest('IntegrationMethod must be specified for HTTP_PROXY integrations');
    if (version !== '1.0')
      throw badRequest('PayloadFormatVersion is a required parameter for integration and must be 1.0 for HTTP integrations');
    return;
  }
  if (type === 'HTTP_PROXY') {
    if (!/^https?:\/\/.+/.test(uri)) throw badRequest('HTTP integration URI must be a valid HTTP(S) URL');
    if (integration.IntegrationMethod === undefined)
      throw badRequest('IntegrationMethod must be specified for HTTP_PROXY integrations');
    if (version !== '1.0')
      throw badRequest('PayloadFormatVersion is a required parameter for integration and must be 1.0 for HTTP integrations');
    return;
  }
  if (type !== 'AWS_PROXY') throw badRequest('HTTP APIs support integrations of type AWS_PROXY and HTTP_PROXY only');
  if (subtype !== undefined) {
    const known = subtypes[subtype];
    if (known === undefined) throw badRequest(`Invalid integration subtype specified: ${subtype}`);
    if (integration.CredentialsArn === undefined)
      throw badRequest('Credentials ARN must be specified for this integration subtype');
    for (const name of known.required)
      if (integration.RequestParameters?.[name] === undefined) throw badRequest(`Parameter: ${name} is required for ${subtype}`);
    return;
  }
  if (!functionForm.test(uri)) throw badRequest('Invalid Lambda function ARN specified as the integration URI');
  if (version !== '1.0' && version !== '2.0') throw badRequest('PayloadFormatVersion must be 1.0 or 2.0');
}

/** Checks by which way an integration's server is reached. Throws BadRequestException. */
export async function checkConnection(ctx: Context, protocol: 'HTTP' | 'WEBSOCKET', integration: Integration): Promise<void> {
  const { ConnectionType: type = 'INTERNET', ConnectionId: id = '', IntegrationUri: uri = '', TlsConfig: tls } = integration;
  if (type === 'INTERNET') {
    if (id !== '') throw badRequest('Connection ID is supported for connection type VPC_LINK only');
    if (tls !== undefined) throw badRequest('TLS configuration is supported for private integrations only');
    return;
  }
  if (type !== 'VPC_LINK') throw badRequest(`Invalid connection type specified: ${String(type)}`);
  if (protocol === 'WEBSOCKET') throw parameterNotImplemented(ctx.operation, 'ConnectionType VPC_LINK');
  if (integration.IntegrationType !== 'HTTP_PROXY') throw badRequest('VPC links are supported for HTTP_PROXY integrations only');
  if (id === '') throw badRequest('Connection ID is required for connection type VPC_LINK');
  if ((await ctx.table(OwnLinks).get(id)) === undefined) throw badRequest(`Cannot find VPC link with ID ${id}`);
  if (/^arn:[^:]+:servicediscovery:/.test(uri))
    throw parameterNotImplemented(ctx.operation, 'IntegrationUri of a Cloud Map service');
  if (/:listener\//.test(uri) && (await frontOf(ctx, uri)) === undefined) throw badRequest(`Unable to find the listener ${uri}`);
}

/** Checks what an integration of an API of this kind is. Throws BadRequestException. */
export function checkIntegration(integration: IntegrationDef, protocol: 'HTTP' | 'WEBSOCKET'): IntegrationDef {
  const { IntegrationType: type = '', TimeoutInMillis: timeout = 0, IntegrationUri: uri } = integration;
  const most = timeoutMillisMax[protocol];
  if (timeout < timeoutMillisMin || timeout > most)
    throw badRequest(`Timeout must be between ${timeoutMillisMin} ms and ${most} ms`);
  if (protocol === 'HTTP') checkHttp(integration);
  else {
    if (!['AWS', 'AWS_PROXY', 'HTTP', 'HTTP_PROXY', 'MOCK'].includes(type))
      throw badRequest(`Invalid integration type specified: ${type}`);
    if (type !== 'MOCK' && uri === undefined) throw badRequest('IntegrationUri is required');
  }
  return integration;
}

/**
 * Incoming messages of WebSocket APIs are text always (a binary frame ends the connection), so that CONVERT_TO_TEXT changes nothing
 * ("Working with binary media types for WebSocket APIs").
 */
function checkContentHandling(operation: string, protocol: string, strategy: string | undefined): void {
  if (strategy === undefined) return;
  if (protocol === 'HTTP') throw badRequest('ContentHandlingStrategy is supported for WebSocket APIs only');
  if (strategy !== 'CONVERT_TO_TEXT') throw parameterNotImplemented(operation, `ContentHandlingStrategy=${strategy}`);
}

export const integrationHandlers: HandlersOf<ApiGatewayV2> = {
  async CreateIntegration(input, ctx) {
    const { protocol } = await requireApi(ctx, input.ApiId);
    await checkConnection(ctx, protocol, input);
    checkContentHandling('CreateIntegration', protocol, input.ContentHandlingStrategy);
    const integration: IntegrationDef = {
      ...(given(input, ['ApiId']) as Integration),
      IntegrationId: ctx.id('gatewayPart'),
      ConnectionType: input.ConnectionType ?? 'INTERNET',
      PayloadFormatVersion: input.PayloadFormatVersion ?? '1.0',
      TimeoutInMillis: input.TimeoutInMillis ?? timeoutMillisMax[protocol],
      ...(protocol === 'WEBSOCKET'
        ? {
            PassthroughBehavior: input.PassthroughBehavior ?? 'WHEN_NO_MATCH',
            IntegrationResponseSelectionExpression: '${integration.response.statuscode}',
          }
        : {}),
      responses: {},
    };
    return changeDefinition(ctx, input.ApiId, (draft) => {
      draft.integrations[integration.IntegrationId] = checkIntegration(integration, protocol);
      return describeIntegration(integration);
    });
  },

  async GetIntegration(input, ctx) {
    const { integrations } = await readDefinition(ctx, input.ApiId);
    return describeIntegration(requirePart(integrations, 'Integration', input.IntegrationId));
  },

  async GetIntegrations(input, ctx) {
    const { integrations } = await readDefinition(ctx, input.ApiId);
    const all = Object.values(integrations);
    const { Items, ...page } = pageItems(`GetIntegrations ${input.ApiId}`, all, ({ IntegrationId }) => IntegrationId, input);
    return { Items: Items.map(describeIntegration), ...page };
  },

  async UpdateIntegration(input, ctx) {
    const { protocol } = await requireApi(ctx, input.ApiId);
    const known = requirePart((await readDefinition(ctx, input.ApiId)).integrations, 'Integration', input.IntegrationId);
    await checkConnection(ctx, protocol, { ...known, ...given(input, ['ApiId', 'IntegrationId']) } as Integration);
    checkContentHandling('UpdateIntegration', protocol, input.ContentHandlingStrategy);
    return changeDefinition(ctx, input.ApiId, (draft) => {
      const integration = requirePart(draft.integrations, 'Integration', input.IntegrationId);
      const changed: IntegrationDef = { ...integration, ...(given(input, ['ApiId', 'IntegrationId']) as Partial<Integration>) };
      // An empty text takes a parameter away.
      if (input.RequestParameters !== undefined)
        changed.RequestParameters = Object.fromEntries(
          Object.entries({ ...integration.RequestParameters, ...input.RequestParameters }).filter(([, value]) => value !== ''),
        );
      draft.integrations[integration.IntegrationId] = checkIntegration(changed, protocol);
      return describeIntegration(changed);
    });
  },

  async DeleteIntegration(input, ctx) {
    await changeDefinition(ctx, input.ApiId, (draft) => {
      const { IntegrationId: id } = requirePart(draft.integrations, 'Integration', input.IntegrationId);
      const user = Object.values(draft.routes).find(({ Target }) => Target === `integrations/${id}`);
      if (user !== undefined) throw conflict(`Cannot delete Integration '${id}', it is referenced by route '${user.RouteKey}'`);
      delete draft.integrations[id];
    });
    return {};
  },

  async CreateIntegrationResponse(input, ctx) {
    const { protocol } = await requireApi(ctx, input.ApiId);
    if (protocol !== 'WEBSOCKET') throw badRequest('Integration responses are not supported for HTTP APIs');
    for (const name of ['ResponseParameters', 'ContentHandlingStrategy'] as const)
      if (input[name] !== undefined) throw parameterNotImplemented('CreateIntegrationResponse', name);
    const response = {
      ...given(input, ['ApiId', 'IntegrationId']),
      IntegrationResponseId: ctx.id('gatewayPart'),
      IntegrationResponseKey: input.IntegrationResponseKey,
    };
    return changeDefinition(ctx, input.ApiId, (draft) => {
      const { responses } = requirePart(draft.integrations, 'Integration', input.IntegrationId);
      responses[response.IntegrationResponseId] = response;
      return response;
    });
  },

  async UpdateIntegrationResponse(input, ctx) {
    for (const name of ['ResponseParameters', 'ContentHandlingStrategy'] as const)
      if (input[name] !== undefined) throw parameterNotImplemented('UpdateIntegrationResponse', name);
    return changeDefinition(ctx, input.ApiId, (draft) => {
      const { responses } = requirePart(draft.integrations, 'Integration', input.IntegrationId);
      const response = requirePart(responses, 'Integration Response', input.IntegrationResponseId);
      return Object.assign(response, given(input, ['ApiId', 'IntegrationId', 'IntegrationResponseId']));
    });
  },

  async GetIntegrationResponse(input, ctx) {
    const { integrations } = await readDefinition(ctx, input.ApiId);
    const { responses } = requirePart(integrations, 'Integration', input.IntegrationId);
    return requirePart(responses, 'Integration Response', input.IntegrationResponseId);
  },

  async GetIntegrationResponses(input, ctx) {
    const { integrations } = await readDefinition(ctx, input.ApiId);
    return { Items: Object.values(requirePart(integrations, 'Integration', input.IntegrationId).responses) };
  },

  async DeleteIntegrationResponse(input, ctx) {
    await changeDefinition(ctx, input.ApiId, (draft) => {
      const { responses } = requirePart(draft.integrations, 'Integration', input.IntegrationId);
      requirePart(responses, 'Integration Response', input.IntegrationResponseId);
      delete responses[input.IntegrationResponseId ?? ''];
    });
    return {};
  },
};
