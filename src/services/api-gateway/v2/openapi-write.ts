/** HTTP APIs as OpenAPI 3, with API Gateway's extensions unless they are not wanted ("Exporting an HTTP API"). */
import type { Cors } from '@aws-sdk/client-apigatewayv2';
import type { ApiRow, Definition, IntegrationDef, RouteDef } from './state.ts';

type Doc = Record<string, unknown>;

/** The description. `stage` stands in the address of its server. */
export function writeHttpApi(
  api: ApiRow,
  definition: Definition,
  { origin, stage, extensions }: { origin: string; stage: string | undefined; extensions: boolean },
): Doc {
  const paths: Record<string, Doc> = {};
  const routes = Object.values(definition.routes).sort((a, b) => ((a.RouteKey ?? '') < (b.RouteKey ?? '') ? -1 : 1));
  for (const route of routes) {
    const [verb = '', path = '/$default'] = (route.RouteKey ?? '').split(' ');
    const isAny = verb === 'ANY' || verb === '$default';
    if (isAny && !extensions) continue;
    const key = isAny ? 'x-amazon-apigateway-any-method' : verb.toLowerCase();
    paths[path] = { ...paths[path], [key]: writeRoute(definition, route, path, extensions) };
  }
  const schemes = extensions ? writeSchemes(definition) : {};
  const tags = Object.entries(api.tags).map(([name, value]) => ({ name, 'x-amazon-apigateway-tag-value': value }));
  return {
    openapi: '3.0.1',
    info: {
      title: api.name,
      ...(api.description === undefined ? {} : { description: api.description }),
      version:
        api.version ??
        new Date(api.created)
          .toISOString()
          .replace(/\.\d+Z$/, 'Z')
          .replace('T', ' '),
    },
    servers: [
      stage === undefined || stage === '$default'
        ? { url: origin }
        : { url: `${origin}/{basePath}`, variables: { basePath: { default: stage } } },
    ],
    ...(extensions && tags.length > 0 ? { tags } : {}),
    paths,
    ...(Object.keys(schemes).length > 0 ? { components: { securitySchemes: schemes } } : {}),
    ...(extensions && api.cors !== undefined ? { 'x-amazon-apigateway-cors': writeCors(api.cors) } : {}),
    ...(extensions ? { 'x-amazon-apigateway-importexport-version': '1.0' } : {}),
  };
}

function writeRoute({ integrations, authorizers }: Definition, route: RouteDef, path: string, extensions: boolean): Doc {
  const names = [...path.matchAll(/\{([^}+]+)\+?\}/g)].map(([, name = '']) => name);
  const id = /^integrations\/(.+)$/.exec(route.Target ?? '')?.[1];
  const integration = id === undefined ? undefined : integrations[id];
  const authorizer = authorizers[route.AuthorizerId ?? '']?.Name;
  const secured = extensions && route.AuthorizationType !== 'NONE';
  return {
    ...(route.OperationName === undefined ? {} : { operationId: route.OperationName }),
    ...(names.length === 0
      ? {}
      : {
          parameters: names.map((name) => ({
            ...{ name, in: 'path', description: `Generated path parameter for ${name}`, required: true },
            schema: { type: 'string' },
          })),
        }),
    responses: { default: { description: `Default response for ${route.RouteKey}` } },
    ...(extensions && route.RouteKey === '$default' ? { isDefaultRoute: true } : {}),
    ...(secured && authorizer !== undefined ? { security: [{ [authorizer]: route.AuthorizationScopes ?? [] }] } : {}),
    ...(secured && authorizer === undefined ? { 'x-amazon-apigateway-auth': { type: 'AWS_IAM' } } : {}),
    ...(extensions && integration !== undefined ? { 'x-amazon-apigateway-integration': writeIntegration(integration) } : {}),
  };
}

function writeIntegration(integration: IntegrationDef): Doc {
  const doc: Doc = {
    payloadFormatVersion: integration.PayloadFormatVersion,
    type: integration.IntegrationType?.toLowerCase(),
    integrationSubtype: integration.IntegrationSubtype,
    httpMethod: integration.IntegrationMethod ?? (integration.IntegrationSubtype === undefined ? 'POST' : undefined),
    uri: integration.IntegrationUri,
    connectionType: integration.ConnectionType,
    connectionId: integration.ConnectionId,
    credentials: integration.CredentialsArn,
    description: integration.Description,
    requestParameters: integration.RequestParameters,
    responseParameters: integration.ResponseParameters,
    timeoutInMillis: integration.TimeoutInMillis,
    tlsConfig: integration.TlsConfig === undefined ? undefined : { serverNameToVerify: integration.TlsConfig.ServerNameToVerify },
  };
  return Object.fromEntries(Object.entries(doc).filter(([, value]) => value !== undefined));
}

function writeSchemes({ authorizers }: Definition): Doc {
  const schemes: Doc = {};
  for (const own of Object.values(authorizers)) {
    const isJwt = own.AuthorizerType === 'JWT';
    const authorizer: Doc = {
      identitySource: isJwt ? own.IdentitySource?.[0] : own.IdentitySource?.join(', '),
      ...(isJwt
        ? { jwtConfiguration: { audience: own.JwtConfiguration?.Audience, issuer: own.JwtConfiguration?.Issuer } }
        : {
            authorizerUri: own.AuthorizerUri,
            authorizerPayloadFormatVersion: own.AuthorizerPayloadFormatVersion,
            authorizerResultTtlInSeconds: own.AuthorizerResultTtlInSeconds,
            authorizerCredentials: own.AuthorizerCredentialsArn,
            enableSimpleResponses: own.EnableSimpleResponses,
          }),
      type: own.AuthorizerType?.toLowerCase(),
    };
    schemes[own.Name ?? ''] = {
      ...(isJwt ? { type: 'oauth2', flows: {} } : { type: 'apiKey', name: 'Authorization', in: 'header' }),
      'x-amazon-apigateway-authorizer': Object.fromEntries(Object.entries(authorizer).filter(([, value]) => value !== undefined)),
    };
  }
  return schemes;
}

function writeCors(cors: Cors): Doc {
  return Object.fromEntries(
    Object.entries(cors).map(([name, value]) => [`${name.charAt(0).toLowerCase()}${name.slice(1)}`, value]),
  );
}
