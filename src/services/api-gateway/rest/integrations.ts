/** Integrations: what is behind a method, and how its answers become the method's. */
import type { APIGateway, Integration, IntegrationResponse, Method } from '@aws-sdk/client-api-gateway';
import type { Context } from '../../../kernel/context.ts';
import { parameterNotImplemented } from '../../../kernel/errors.ts';
import type { HandlersOf } from '../../../kernel/service.ts';
import { badRequest, noSuch, notFound } from '../errors.ts';
import { changeDefinition, readDefinition } from '../lookup.ts';
import { applyPatch, type PatchRules } from '../patch.ts';
import { VpcLinks } from '../state.ts';
import { OwnLinks } from '../v2/state.ts';
import { checkStatusCode, requireMethod } from './methods.ts';

/** "Integration timeout for Regional APIs: 50 milliseconds - 29 seconds" and its default. */
const timeoutMillisMin = 50;
export const timeoutMillisMax = 29_000;

const requestTarget = /^integration\.request\.(?:header|querystring|path|multivalueheader|multivaluequerystring)\..+$/;
const requestSource =
  /^(?:'.*'|method\.request\.(?:path|querystring|header|multivaluequerystring|multivalueheader)\..+|method\.request\.body(?:\..+)?|context\..+|stageVariables\..+)$/s;
const responseTarget = /^method\.response\.(?:header|multivalueheader)\..+$/;
const responseSource =
  /^(?:'.*'|integration\.response\.(?:header|multivalueheader)\..+|integration\.response\.body(?:\..+)?|context\..+|stageVariables\..+)$/s;

function invalidMapping(expression: string): Error {
  return badRequest(
    `Invalid mapping expression specified: Validation Result: warnings : [], errors : [Invalid mapping expression specified: ${expression}]`,
  );
}

function checkUri(type: string, uri: string | undefined, credentials: string | undefined): void {
  if (type === 'MOCK') return;
  if (type === 'HTTP' || type === 'HTTP_PROXY') {
    if (uri === undefined || !/^https?:\/\/.+|^\$\{stageVariables\..+/.test(uri))
      throw badRequest('Invalid HTTP endpoint specified for URI');
    return;
  }
  const match = /^arn:aws[a-z-]*:apigateway:[^:]+:([^:]+):(path|action)\/(.*)$/s.exec(uri ?? '');
  if (match === null) {
    if (/^arn:aws[a-z-]*:apigateway:/.test(uri ?? '')) throw badRequest('AWS ARN for integration must contain path or action');
    throw badRequest('Invalid ARN specified in the request');
  }
  const service = match[1]?.split('.').at(-1);
  if (type === 'AWS_PROXY' && service !== 'lambda')
    throw badRequest("Integrations of type 'AWS_PROXY' currently only supports Lambda function and Firehose stream invocations.");
  if (service !== 'lambda' && credentials === undefined) throw badRequest('Role ARN must be specified for AWS integrations');
}

/** Checks by which way an integration's server is reached. Throws BadRequestException. */
export async function checkConnection(ctx: Context, integration: Integration): Promise<void> {
  const { connectionType = 'INTERNET', connectionId: id = '', integrationTarget: target, type = '' } = integration;
  if (connectionType === 'INTERNET') return;
  if (connectionType !== 'VPC_LINK') throw badRequest(`Invalid connection type specified: ${String(connectionType)}`);
  if (!['HTTP', 'HTTP_PROXY'].includes(type))
    throw badRequest('Connection type VPC_LINK is supported for HTTP and HTTP_PROXY integrations only');
  if (id === '') throw badRequest('Connection id must be specified for connection type VPC_LINK');
  // A stage variable says it when the API is called.
  if (id.includes('${stageVariables.')) return;
  if ((await ctx.table(VpcLinks).get(id)) !== undefined) return;
  if ((await ctx.table(OwnLinks).get(id)) === undefined) throw badRequest('Invalid Vpc Link identifier specified');
  if (target === undefined || target === '') throw badRequest('IntegrationTarget is required for VpcLinkV2');
  if (!/^arn:aws[a-z-]*:elasticloadbalancing:[^:]+:\d{12}:(?:loadbalancer|listener)\/(?:app|net)\/.+$/.test(target))
    throw badRequest('IntegrationTarget must be the ARN of a load balancer or of its listener');
}

/** Checks an integration of a method. Throws BadRequestException. */
export function checkIntegration(integration: Integration, method: Method): Integration {
  const { type = '', uri, credentials, httpMethod, timeoutInMillis } = integration;
  if (!['HTTP', 'HTTP_PROXY', 'AWS', 'AWS_PROXY', 'MOCK'].includes(type))
    throw badRequest(`Invalid integration type specified: ${type}`);
  if (type !== 'MOCK' && (httpMethod === undefined || httpMethod === ''))
    throw badRequest('Enumeration value for HttpMethod must be non-empty');
  checkUri(type, uri, credentials);
  if (timeoutInMillis !== undefined && (timeoutInMillis < timeoutMillisMin || timeoutInMillis > timeoutMillisMax))
    throw badRequest(`Timeout should be between ${timeoutMillisMin} ms and ${timeoutMillisMax} ms`);
  const { passthroughBehavior = 'WHEN_NO_MATCH' } = integration;
  if (!['WHEN_NO_MATCH', 'WHEN_NO_TEMPLATES', 'NEVER'].includes(passthroughBehavior))
    throw badRequest(`Invalid passthrough behavior specified: ${passthroughBehavior}`);
  for (const [to, from] of Object.entries(integration.requestParameters ?? {})) {
    if (!requestTarget.test(to)) throw invalidMapping(to);
    if (!requestSource.test(from)) throw invalidMapping(from);
    const declared = from.replace(/^method\.request\.multivalue/, 'method.request.');
    if (
      /^method\.request\.(path|querystring|header)\./.test(declared) &&
      method.requestParameters?.[declared] === undefined &&
      method.requestParameters?.[from] === undefined
    )
      throw badRequest(`Invalid mapping expression parameter specified: ${from}`);
  }
  return integration;
}

function checkResponse(response: IntegrationResponse, method: Method): IntegrationResponse {
  const declared = method.methodResponses?.[response.statusCode ?? '']?.responseParameters;
  for (const [to, from] of Object.entries(response.responseParameters ?? {})) {
    if (!responseTarget.test(to)) throw invalidMapping(to);
    if (!responseSource.test(from)) throw invalidMapping(from);
    if (declared?.[to] === undefined && declared?.[to.replace('.multivalueheader.', '.header.')] === undefined)
      throw badRequest(`Invalid mapping expression parameter specified: ${to}`);
  }
  if (response.selectionPattern !== undefined) {
    try {
      new RegExp(response.selectionPattern);
    } catch {
      throw badRequest(`Invalid selection pattern specified: ${response.selectionPattern}`);
    }
  }
  return response;
}

function requireIntegration(method: Method): Integration {
  if (method.methodIntegration === undefined) throw noSuch('Integration');
  return method.methodIntegration;
}

function requireResponse(integration: Integration, code = ''): IntegrationResponse {
  const found = integration.integrationResponses?.[code];
  if (found === undefined) throw notFound('Invalid Response status code specified');
  return found;
}

const integrationRules: PatchRules<Integration> = {
  '/type': 'text',
  '/uri': 'text',
  '/httpMethod': 'text',
  '/credentials': 'text',
  '/connectionType': 'text',
  '/connectionId': 'text',
  '/integrationTarget': 'text',
  '/passthroughBehavior': 'text',
  '/contentHandling': 'text',
  '/timeoutInMillis': 'number',
  '/cacheNamespace': 'text',
  '/cacheKeyParameters/*': 'set',
  '/requestParameters/*': 'text',
  '/requestTemplates/*': 'text',
  '/tlsConfig/insecureSkipVerification': 'boolean',
};

export const integrationHandlers: HandlersOf<APIGateway> = {
  async PutIntegration(input, ctx) {
    if (input.responseTransferMode === 'STREAM') throw parameterNotImplemented('PutIntegration', 'responseTransferMode');
    await checkConnection(ctx, input);
    return changeDefinition(ctx, input.restApiId, (draft) => {
      const method = requireMethod(draft, input.resourceId, input.httpMethod);
      const integration: Integration = {
        type: input.type,
        httpMethod: input.type === 'MOCK' ? undefined : input.integrationHttpMethod,
        uri: input.uri,
        ...(input.connectionType === undefined ? {} : { connectionType: input.connectionType }),
        ...(input.connectionType === 'VPC_LINK'
          ? { connectionId: input.connectionId, integrationTarget: input.integrationTarget }
          : {}),
        credentials: input.credentials,
        requestParameters: input.requestParameters,
        requestTemplates: input.requestTemplates,
        passthroughBehavior: input.passthroughBehavior ?? 'WHEN_NO_MATCH',
        contentHandling: input.contentHandling,
        timeoutInMillis: input.timeoutInMillis ?? timeoutMillisMax,
        cacheNamespace: input.cacheNamespace ?? input.resourceId,
        cacheKeyParameters: input.cacheKeyParameters ?? [],
        tlsConfig: input.tlsConfig,
      };
      method.methodIntegration = checkIntegration(integration, method);
      return integration;
    });
  },

  async GetIntegration(input, ctx) {
    const definition = await readDefinition(ctx, input.restApiId);
    return requireIntegration(requireMethod(definition, input.resourceId, input.httpMethod));
  },

  async UpdateIntegration(input, ctx) {
    const before = await readDefinition(ctx, input.restApiId);
    const known = requireIntegration(requireMethod(before, input.resourceId, input.httpMethod));
    await checkConnection(ctx, applyPatch(known, input.patchOperations, integrationRules));
    return changeDefinition(ctx, input.restApiId, (draft) => {
      const method = requireMethod(draft, input.resourceId, input.httpMethod);
      const changed = applyPatch(requireIntegration(method), input.patchOperations, integrationRules);
      if ((changed.contentHandling as string) === '') delete changed.contentHandling;
      if (changed.credentials === '') delete changed.credentials;
      method.methodIntegration = checkIntegration(changed, method);
      return changed;
    });
  },

  async DeleteIntegration(input, ctx) {
    await changeDefinition(ctx, input.restApiId, (draft) => {
      const method = requireMethod(draft, input.resourceId, input.httpMethod);
      requireIntegration(method);
      delete method.methodIntegration;
    });
    return {};
  },

  async PutIntegrationResponse(input, ctx) {
    const statusCode = checkStatusCode(input.statusCode);
    return changeDefinition(ctx, input.restApiId, (draft) => {
      const method = requireMethod(draft, input.resourceId, input.httpMethod);
      const integration = requireIntegration(method);
      const response = checkResponse(
        {
          statusCode,
          selectionPattern: input.selectionPattern,
          responseParameters: input.responseParameters,
          responseTemplates: input.responseTemplates,
          contentHandling: input.contentHandling,
        },
        method,
      );
      integration.integrationResponses = { ...integration.integrationResponses, [statusCode]: response };
      return response;
    });
  },

  async GetIntegrationResponse(input, ctx) {
    const definition = await readDefinition(ctx, input.restApiId);
    const integration = requireIntegration(requireMethod(definition, input.resourceId, input.httpMethod));
    return requireResponse(integration, input.statusCode);
  },

  async UpdateIntegrationResponse(input, ctx) {
    return changeDefinition(ctx, input.restApiId, (draft) => {
      const method = requireMethod(draft, input.resourceId, input.httpMethod);
      const integration = requireIntegration(method);
      const changed = applyPatch(requireResponse(integration, input.statusCode), input.patchOperations, {
        '/selectionPattern': 'text',
        '/contentHandling': 'text',
        '/responseParameters/*': 'text',
        '/responseTemplates/*': 'text',
      });
      integration.integrationResponses = {
        ...integration.integrationResponses,
        [input.statusCode ?? '']: checkResponse(changed, method),
      };
      return changed;
    });
  },

  async DeleteIntegrationResponse(input, ctx) {
    await changeDefinition(ctx, input.restApiId, (draft) => {
      const integration = requireIntegration(requireMethod(draft, input.resourceId, input.httpMethod));
      requireResponse(integration, input.statusCode);
      delete integration.integrationResponses?.[input.statusCode ?? ''];
    });
    return {};
  },
};
