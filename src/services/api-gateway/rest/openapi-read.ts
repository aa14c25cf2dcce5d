/**
 * Descriptions of APIs in OpenAPI 3 and Swagger 2, with API Gateway's extensions, read into what an API consists of ("Working with API Gateway extensions to
 * OpenAPI"). What an extension says and Pilvi does not do is refused where the same member of an operation would be.
 */
import type {
  Authorizer,
  Integration,
  IntegrationResponse,
  Method,
  MethodResponse,
  RequestValidator,
} from '@aws-sdk/client-api-gateway';
import { parse as parseYaml } from 'yaml';
import { badRequest } from '../errors.ts';
import { standardResponse } from '../gateway-responses.ts';
import type { Definition, ResourceDef } from '../state.ts';
import { checkIntegration, timeoutMillisMax } from './integrations.ts';
import { checkMethod } from './methods.ts';
import { checkPart, pathUnder } from './resources.ts';

/** A member of a description. */
export type Json = Readonly<Record<string, unknown>>;

/** Methods by the names that they have in descriptions. */
export const verbs: Readonly<Record<string, string>> = {
  ...Object.fromEntries(['get', 'put', 'post', 'delete', 'options', 'head', 'patch'].map((verb) => [verb, verb.toUpperCase()])),
  'x-amazon-apigateway-any-method': 'ANY',
};

/** A description as data. Throws BadRequestException for what is neither JSON nor YAML, or no description. */
export function parseDescription(body: Uint8Array): Json {
  const text = Buffer.from(body).toString('utf8');
  let parsed: unknown;
  try {
    parsed = text.trimStart().startsWith('{') ? JSON.parse(text) : parseYaml(text, { maxAliasCount: 100 });
  } catch {
    throw badRequest('Unable to parse API definition');
  }
  const { openapi, swagger } = object(parsed);
  if (!/^3\./.test(String(openapi)) && String(swagger) !== '2.0' && Number(swagger) !== 2)
    throw badRequest('Invalid OpenAPI input.');
  return object(parsed);
}

/** The value when it is an object, else one without members. */
export function object(value: unknown): Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Json) : {};
}

/** The value when it is a text. */
export function text(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}

interface Reading {
  doc: Json;
  definition: Definition;
  api: string;
  id: () => string;
}

/** Adds what a description says to a definition. Throws BadRequestException. */
export function readDescription(doc: Json, definition: Definition, { api, id }: { api: string; id: () => string }): void {
  const reading: Reading = { doc, definition, api, id };
  readModels(reading);
  readAuthorizers(reading);
  for (const [name, given] of Object.entries(object(doc['x-amazon-apigateway-request-validators']))) {
    const { validateRequestBody = false, validateRequestParameters = false } = object(given) as RequestValidator;
    putValidator(reading, { id: id(), name, validateRequestBody, validateRequestParameters });
  }
  for (const [type, given] of Object.entries(object(doc['x-amazon-apigateway-gateway-responses']))) {
    const { statusCode, responseParameters, responseTemplates } = object(given);
    definition.gatewayResponses[type] = {
      responseType: type as 'DEFAULT_4XX',
      statusCode: statusCode === undefined ? standardResponse(type).statusCode : String(statusCode),
      responseParameters: object(responseParameters) as Record<string, string>,
      responseTemplates: object(responseTemplates) as Record<string, string>,
      defaultResponse: false,
    };
  }
  for (const [path, item] of Object.entries(object(doc['paths']))) readPath(reading, path, object(item));
}

function putValidator({ definition }: Reading, validator: RequestValidator): void {
  const same = Object.values(definition.validators).find(({ name }) => name === validator.name);
  const id = same?.id ?? validator.id ?? '';
  definition.validators[id] = { ...validator, id };
}

function schemasOf({ doc }: Reading): Json {
  return object(doc['definitions'] ?? object(doc['components'])['schemas']);
}

/** References between schemas become those of models. */
function withModelReferences(api: string, schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map((item) => withModelReferences(api, item));
  if (typeof schema !== 'object' || schema === null) return schema;
  return Object.fromEntries(
    Object.entries(schema).map(([name, value]) => {
      const model =
        name === '$ref' && typeof value === 'string'
          ? /^#\/(?:definitions|components\/schemas)\/(.+)$/.exec(value)?.[1]
          : undefined;
      return [
        name,
        model === undefined
          ? withModelReferences(api, value)
          : `https://apigateway.amazonaws.com/restapis/${api}/models/${model}`,
      ];
    }),
  );
}

function readModels(reading: Reading): void {
  const { definition, id, api } = reading;
  for (const [name, schema] of Object.entries(schemasOf(reading))) {
    if (!/^[A-Za-z0-9]+$/.test(name)) throw badRequest(`Invalid model name specified: ${name}`);
    definition.models[name] = {
      id: definition.models[name]?.id ?? id(),
      name,
      contentType: 'application/json',
      schema: JSON.stringify(withModelReferences(api, schema)),
    };
  }
}

/** The model that a schema is, or a new one for a schema that stands where it is used. */
function modelFor({ definition, api, id }: Reading, schema: Json): string {
  const named = /\/([^/]+)$/.exec(text(schema['$ref']) ?? '')?.[1];
  if (named !== undefined) return named;
  const made = `MODEL${id()}`;
  definition.models[made] = {
    id: id(),
    name: made,
    contentType: 'application/json',
    schema: JSON.stringify(withModelReferences(api, schema)),
  };
  return made;
}

function schemesOf({ doc }: Reading): Json {
  return object(doc['securityDefinitions'] ?? object(doc['components'])['securitySchemes']);
}

function readAuthorizers(reading: Reading): void {
  const { definition, id } = reading;
  for (const [name, scheme] of Object.entries(schemesOf(reading))) {
    const given = object(object(scheme)['x-amazon-apigateway-authorizer']);
    const type = text(given['type'])?.toUpperCase();
    if (type === undefined) continue;
    const header = text(object(scheme)['name']) ?? 'Authorization';
    const same = Object.values(definition.authorizers).find((own) => own.name === name);
    const authorizer: Authorizer = {
      id: same?.id ?? id(),
      name,
      type: type as 'TOKEN',
      authType: type === 'COGNITO_USER_POOLS' ? 'cognito_user_pools' : 'custom',
      providerARNs: Array.isArray(given['providerARNs']) ? given['providerARNs'].map(String) : undefined,
      authorizerUri: text(given['authorizerUri']),
      authorizerCredentials: text(given['authorizerCredentials']),
      identitySource: text(given['identitySource']) ?? (type === 'REQUEST' ? undefined : `method.request.header.${header}`),
      identityValidationExpression: text(given['identityValidationExpression']),
      authorizerResultTtlInSeconds:
        given['authorizerResultTtlInSeconds'] === undefined ? 300 : Number(given['authorizerResultTtlInSeconds']),
    };
    definition.authorizers[authorizer.id ?? ''] = authorizer;
  }
}

function resourceAt({ definition, id }: Reading, path: string): ResourceDef {
  const { resources } = definition;
  let at = Object.values(resources).find(({ parentId }) => parentId === undefined);
  if (at === undefined) throw badRequest('The API has no root resource');
  for (const part of path.split('/').filter((name) => name !== '')) {
    const parent: ResourceDef = at;
    const known = Object.values(resources).find(({ parentId, pathPart }) => parentId === parent.id && pathPart === part);
    if (known !== undefined) {
      at = known;
      continue;
    }
    checkPart(definition, parent, part);
    at = { id: id(), parentId: parent.id, pathPart: part, path: pathUnder(parent, part), methods: {} };
    resources[at.id] = at;
  }
  return at;
}

function readPath(reading: Reading, path: string, item: Json): void {
  const resource = resourceAt(reading, path);
  const shared = Array.isArray(item['parameters']) ? (item['parameters'] as unknown[]) : [];
  for (const [key, verb] of Object.entries(verbs)) {
    if (item[key] === undefined) continue;
    const operation = object(item[key]);
    const method = readOperation(reading, verb, operation, shared, resource);
    resource.methods[verb] = checkMethod(reading.definition, method);
    if (method.methodIntegration !== undefined) checkIntegration(method.methodIntegration, method);
  }
}

/** What a reference of the description means. */
export function resolved(doc: Json, value: unknown): Json {
  const reference = text(object(value)['$ref']);
  if (reference === undefined || !reference.startsWith('#/')) return object(value);
  return object(
    reference
      .slice(2)
      .split('/')
      .reduce<unknown>((at, name) => object(at)[name.replaceAll('~1', '/')], doc),
  );
}

function readOperation(
  reading: Reading,
  verb: string,
  operation: Json,
  shared: readonly unknown[],
  resource: ResourceDef,
): Method {
  const own = Array.isArray(operation['parameters']) ? (operation['parameters'] as unknown[]) : [];
  const requestParameters: Record<string, boolean> = {};
  const requestModels: Record<string, string> = {};
  for (const given of [...shared, ...own]) {
    const parameter = resolved(reading.doc, given);
    const where = { path: 'path', query: 'querystring', header: 'header' }[String(parameter['in'])];
    if (where !== undefined)
      requestParameters[`method.request.${where}.${String(parameter['name'])}`] = parameter['required'] === true;
    else if (parameter['in'] === 'body') requestModels['application/json'] = modelFor(reading, object(parameter['schema']));
  }
  for (const [type, content] of Object.entries(object(resolved(reading.doc, operation['requestBody'])['content']))) {
    const { schema } = object(content);
    if (schema !== undefined) requestModels[type] = modelFor(reading, object(schema));
  }
  const method: Method = {
    httpMethod: verb,
    ...readSecurity(reading, operation),
    operationName: text(operation['operationId']),
    ...(Object.keys(requestParameters).length > 0 ? { requestParameters } : {}),
    ...(Object.keys(requestModels).length > 0 ? { requestModels } : {}),
    methodResponses: readResponses(reading, operation),
  };
  const validator = text(
    operation['x-amazon-apigateway-request-validator'] ?? reading.doc['x-amazon-apigateway-request-validator'],
  );
  if (validator !== undefined)
    method.requestValidatorId = Object.values(reading.definition.validators).find(({ name }) => name === validator)?.id;
  const integration = operation['x-amazon-apigateway-integration'];
  if (integration !== undefined) method.methodIntegration = readIntegration(object(integration), resource, method);
  return method;
}

function readSecurity(
  reading: Reading,
  operation: Json,
): Pick<Method, 'authorizationType' | 'authorizerId' | 'apiKeyRequired' | 'authorizationScopes'> {
  const listed = operation['security'] ?? reading.doc['security'];
  const auth = text(object(operation['x-amazon-apigateway-auth'])['type'])?.toUpperCase();
  const found: Pick<Method, 'authorizationType' | 'authorizerId' | 'apiKeyRequired' | 'authorizationScopes'> = {
    authorizationType: auth === 'AWS_IAM' ? 'AWS_IAM' : 'NONE',
    apiKeyRequired: false,
  };
  for (const requirement of Array.isArray(listed) ? (listed as unknown[]) : [])
    for (const [name, scopesOf] of Object.entries(object(requirement))) {
      const scheme = object(schemesOf(reading)[name]);
      const authorizer = Object.values(reading.definition.authorizers).find((own) => own.name === name);
      if (authorizer !== undefined) {
        const isPool = authorizer.type === 'COGNITO_USER_POOLS';
        const scopes = isPool && Array.isArray(scopesOf) ? scopesOf.map(String) : [];
        Object.assign(found, { authorizationType: isPool ? 'COGNITO_USER_POOLS' : 'CUSTOM', authorizerId: authorizer.id });
        if (scopes.length > 0) found.authorizationScopes = scopes;
      } else if (scheme['x-amazon-apigateway-authtype'] === 'awsSigv4') found.authorizationType = 'AWS_IAM';
      else if (scheme['type'] === 'apiKey' && String(scheme['name']).toLowerCase() === 'x-api-key') found.apiKeyRequired = true;
    }
  return found;
}

function readResponses(reading: Reading, operation: Json): Record<string, MethodResponse> {
  const responses: Record<string, MethodResponse> = {};
  for (const [statusCode, given] of Object.entries(object(operation['responses']))) {
    if (!/^[1-5]\d\d$/.test(statusCode)) continue;
    const response = resolved(reading.doc, given);
    const headers = Object.keys(object(response['headers'])).map((name): [string, boolean] => [
      `method.response.header.${name}`,
      false,
    ]);
    const models: Record<string, string> = {};
    for (const [type, content] of Object.entries(object(response['content']))) {
      const { schema } = object(content);
      if (schema !== undefined) models[type] = modelFor(reading, object(schema));
    }
    if (response['schema'] !== undefined) models['application/json'] = modelFor(reading, object(response['schema']));
    responses[statusCode] = {
      statusCode,
      ...(headers.length > 0 ? { responseParameters: Object.fromEntries(headers) } : {}),
      ...(Object.keys(models).length > 0 ? { responseModels: models } : {}),
    };
  }
  return responses;
}

function readIntegration(given: Json, { id }: ResourceDef, method: Method): Integration {
  const integrationResponses: Record<string, IntegrationResponse> = {};
  for (const [pattern, response] of Object.entries(object(given['responses']))) {
    const { statusCode, responseParameters, responseTemplates, contentHandling } = object(response);
    const code = String(statusCode);
    integrationResponses[code] = {
      statusCode: code,
      ...(pattern === 'default' ? {} : { selectionPattern: pattern }),
      ...(responseParameters === undefined ? {} : { responseParameters: object(responseParameters) as Record<string, string> }),
      ...(responseTemplates === undefined ? {} : { responseTemplates: object(responseTemplates) as Record<string, string> }),
      ...(contentHandling === undefined ? {} : { contentHandling: contentHandling as 'CONVERT_TO_TEXT' }),
    };
    const known = { ...method.methodResponses };
    known[code] ??= { statusCode: code };
    method.methodResponses = known;
  }
  const type = text(given['type'])?.toUpperCase();
  return {
    type: type as 'MOCK',
    httpMethod: type === 'MOCK' ? undefined : text(given['httpMethod']),
    uri: text(given['uri']),
    ...(given['connectionType'] === undefined ? {} : { connectionType: given['connectionType'] as 'VPC_LINK' }),
    ...(given['connectionId'] === undefined ? {} : { connectionId: text(given['connectionId']) }),
    ...(given['integrationTarget'] === undefined ? {} : { integrationTarget: text(given['integrationTarget']) }),
    ...(given['tlsConfig'] === undefined ? {} : { tlsConfig: object(given['tlsConfig']) }),
    credentials: text(given['credentials']),
    requestParameters: given['requestParameters'] as Record<string, string> | undefined,
    requestTemplates: given['requestTemplates'] as Record<string, string> | undefined,
    passthroughBehavior: (text(given['passthroughBehavior']) ?? 'when_no_match').toUpperCase(),
    contentHandling: given['contentHandling'] as 'CONVERT_TO_TEXT' | undefined,
    timeoutInMillis: given['timeoutInMillis'] === undefined ? timeoutMillisMax : Number(given['timeoutInMillis']),
    cacheNamespace: text(given['cacheNamespace']) ?? id,
    cacheKeyParameters: Array.isArray(given['cacheKeyParameters']) ? given['cacheKeyParameters'].map(String) : [],
    integrationResponses,
  };
}
