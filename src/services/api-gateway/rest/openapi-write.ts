/** A deployed API as OpenAPI 3 or Swagger 2, with API Gateway's extensions where they are asked for ("Export a REST API from API Gateway"). */
import type { Integration, Method } from '@aws-sdk/client-api-gateway';
import type { Definition } from '../state.ts';

export interface Described {
  title: string;
  version: string;
  description?: string | undefined;
  /** `http://id.execute-api…:port` */
  origin: string;
  stage: string;
  api: string;
}

interface Options {
  swagger: boolean;
  integrations: boolean;
  authorizers: boolean;
}

type Doc = Record<string, unknown>;

/** The description. */
export function writeDescription(definition: Definition, about: Described, options: Options): Doc {
  const paths: Record<string, Doc> = {};
  const resources = Object.values(definition.resources).sort((a, b) => (a.path < b.path ? -1 : 1));
  for (const { path, methods } of resources) {
    const entries = Object.entries(methods).map(([verb, method]): [string, Doc] => [
      verb === 'ANY' ? 'x-amazon-apigateway-any-method' : verb.toLowerCase(),
      writeMethod(definition, method, options),
    ]);
    if (entries.length > 0) paths[path] = Object.fromEntries(entries);
  }
  const info = {
    title: about.title,
    ...(about.description === undefined ? {} : { description: about.description }),
    version: about.version,
  };
  const schemas = Object.fromEntries(
    Object.values(definition.models).map(({ name = '', schema = '{}' }) => [
      name,
      localReferences(about.api, schema, options.swagger),
    ]),
  );
  const securitySchemes = writeSecurity(definition, options);
  const secured = Object.keys(securitySchemes).length > 0;
  const url = new URL(about.origin);
  const extensions = options.integrations ? writeExtensions(definition) : {};
  if (options.swagger)
    return {
      ...extensions,
      ...{ swagger: '2.0', info, host: url.host, basePath: `/${about.stage}`, schemes: [url.protocol.slice(0, -1)], paths },
      ...(secured ? { securityDefinitions: securitySchemes } : {}),
      definitions: schemas,
    };
  const servers = [{ url: `${about.origin}/{basePath}`, variables: { basePath: { default: about.stage } } }];
  return {
    openapi: '3.0.1',
    ...extensions,
    info,
    servers,
    paths,
    components: { schemas, ...(secured ? { securitySchemes } : {}) },
  };
}

/** Validators and changed gateway responses, which operations refer to by name. */
function writeExtensions({ validators, gatewayResponses }: Definition): Doc {
  const named = Object.values(validators).map(({ name = '', validateRequestBody, validateRequestParameters }): [string, Doc] => [
    name,
    { validateRequestBody, validateRequestParameters },
  ]);
  const changed = Object.entries(gatewayResponses).map(
    ([type, { statusCode, responseParameters, responseTemplates }]): [string, Doc] => [
      type,
      { ...(statusCode === undefined ? {} : { statusCode: Number(statusCode) }), responseParameters, responseTemplates },
    ],
  );
  return {
    ...(named.length > 0 ? { 'x-amazon-apigateway-request-validators': Object.fromEntries(named) } : {}),
    ...(changed.length > 0 ? { 'x-amazon-apigateway-gateway-responses': Object.fromEntries(changed) } : {}),
  };
}

function localReferences(api: string, schema: string, swagger: boolean): unknown {
  const prefix = swagger ? '#/definitions/' : '#/components/schemas/';
  const parsed = JSON.parse(
    schema === '' ? '{}' : schema.replaceAll(`https://apigateway.amazonaws.com/restapis/${api}/models/`, prefix),
  ) as Doc;
  const { $schema: _version, ...rest } = parsed;
  return rest;
}

function writeMethod(definition: Definition, method: Method, { swagger, integrations, authorizers }: Options): Doc {
  const places: Readonly<Record<string, string>> = { path: 'path', querystring: 'query', header: 'header' };
  const parameters = Object.entries(method.requestParameters ?? {}).flatMap(([key, required]): Doc[] => {
    const [, where = '', name = ''] = /^method\.request\.(path|querystring|header)\.(.+)$/.exec(key) ?? [];
    if (where === '') return [];
    const type = swagger ? { type: 'string' } : { schema: { type: 'string' } };
    return [{ name, in: places[where], required: required || where === 'path', ...type }];
  });
  const reference = (model: string): Doc => ({ $ref: `${swagger ? '#/definitions/' : '#/components/schemas/'}${model}` });
  const bodies = Object.entries(method.requestModels ?? {});
  if (swagger)
    for (const [, model] of bodies.slice(0, 1))
      parameters.push({ in: 'body', name: model, required: true, schema: reference(model) });
  const responses = Object.fromEntries(
    Object.entries(method.methodResponses ?? {}).map(([code, { responseParameters, responseModels }]): [string, Doc] => {
      const headers = Object.keys(responseParameters ?? {}).map((key): [string, Doc] => [
        key.replace(/^method\.response\.header\./, ''),
        swagger ? { type: 'string' } : { schema: { type: 'string' } },
      ]);
      const models = Object.entries(responseModels ?? {});
      const content = swagger
        ? models[0] && { schema: reference(models[0][1]) }
        : models.length > 0 && {
            content: Object.fromEntries(models.map(([type, model]) => [type, { schema: reference(model) }])),
          };
      return [
        code,
        { description: `${code} response`, ...(headers.length > 0 ? { headers: Object.fromEntries(headers) } : {}), ...content },
      ];
    }),
  );
  const authorizer = definition.authorizers[method.authorizerId ?? '']?.name;
  const security = [
    ...(method.apiKeyRequired === true ? [{ api_key: [] }] : []),
    ...(authorizer !== undefined && authorizers ? [{ [authorizer]: method.authorizationScopes ?? [] }] : []),
  ];
  const validator = definition.validators[method.requestValidatorId ?? '']?.name;
  return {
    ...(method.operationName === undefined ? {} : { operationId: method.operationName }),
    ...(parameters.length > 0 ? { parameters } : {}),
    ...(!swagger && bodies.length > 0
      ? {
          requestBody: {
            content: Object.fromEntries(bodies.map(([type, model]) => [type, { schema: reference(model) }])),
            required: true,
          },
        }
      : {}),
    responses,
    ...(security.length > 0 ? { security } : {}),
    ...(integrations && validator !== undefined ? { 'x-amazon-apigateway-request-validator': validator } : {}),
    ...(integrations && method.authorizationType === 'AWS_IAM' ? { 'x-amazon-apigateway-auth': { type: 'AWS_IAM' } } : {}),
    ...(integrations && method.methodIntegration !== undefined
      ? { 'x-amazon-apigateway-integration': writeIntegration(method.methodIntegration) }
      : {}),
  };
}

function writeIntegration(integration: Integration): Doc {
  const {
    type = '',
    integrationResponses = {},
    passthroughBehavior,
    cacheNamespace: _space,
    cacheKeyParameters = [],
    ...rest
  } = integration;
  const responses = Object.values(integrationResponses).map(({ selectionPattern, ...response }): [string, Doc] => [
    selectionPattern ?? 'default',
    response,
  ]);
  const known = Object.entries(rest).filter(([name, value]) => value !== undefined && name !== 'timeoutInMillis');
  return {
    ...Object.fromEntries(known),
    type: type.toLowerCase(),
    ...(responses.length > 0 ? { responses: Object.fromEntries(responses) } : {}),
    ...(passthroughBehavior === undefined ? {} : { passthroughBehavior: passthroughBehavior.toLowerCase() }),
    ...(cacheKeyParameters.length > 0 ? { cacheKeyParameters } : {}),
    ...(integration.timeoutInMillis === undefined || integration.timeoutInMillis === 29_000
      ? {}
      : { timeoutInMillis: integration.timeoutInMillis }),
  };
}

function writeSecurity(definition: Definition, { authorizers }: Options): Doc {
  const schemes: Doc = {};
  const usesKeys = Object.values(definition.resources).some(({ methods }) =>
    Object.values(methods).some(({ apiKeyRequired }) => apiKeyRequired === true),
  );
  if (usesKeys) schemes['api_key'] = { type: 'apiKey', name: 'x-api-key', in: 'header' };
  if (!authorizers) return schemes;
  for (const { name = '', type = 'TOKEN', identitySource = '', id: _id, authType: _auth, ...rest } of Object.values(
    definition.authorizers,
  )) {
    const header = /^method\.request\.header\.([^,]+)$/.exec(identitySource)?.[1];
    const given = Object.fromEntries(Object.entries(rest).filter(([, value]) => value !== undefined));
    schemes[name] = {
      ...{
        type: 'apiKey',
        name: header ?? 'Unused',
        in: 'header',
        'x-amazon-apigateway-authtype': type === 'COGNITO_USER_POOLS' ? 'cognito_user_pools' : 'custom',
      },
      'x-amazon-apigateway-authorizer': { ...given, type: type.toLowerCase(), ...(type === 'REQUEST' ? { identitySource } : {}) },
    };
  }
  return schemes;
}
