/** Descriptions of HTTP APIs in OpenAPI 3 with API Gateway's extensions, read into what an API consists of ("Use OpenAPI definitions for HTTP APIs"). */
import type { Authorizer, Cors, Integration } from '@aws-sdk/client-apigatewayv2';
import type { Context } from '../../../kernel/context.ts';
import { AwsError } from '../../../kernel/errors.ts';
import { badRequest } from '../errors.ts';
import { type Json, object, parseDescription, resolved, text, verbs } from '../rest/openapi-read.ts';
import { checkAuthorizer } from './authorizers.ts';
import { checkConnection, checkIntegration } from './integrations.ts';
import { checkRoute } from './routes.ts';
import type { Definition, IntegrationDef, RouteDef } from './state.ts';

/** What an import found. */
export interface Imported {
  name: string;
  description: string | undefined;
  version: string | undefined;
  cors: Cors | undefined;
  tags: Record<string, string>;
  definition: Definition;
  /** What is valid and means nothing for HTTP APIs. */
  info: string[];
  /** What was left out. */
  warnings: string[];
}

/** "AWS variables for OpenAPI import". */
function withVariables(ctx: Context, body: string): string {
  const values: Readonly<Record<string, string>> = {
    AccountId: ctx.account,
    Partition: ctx.partition,
    Region: ctx.region,
    URLSuffix: 'amazonaws.com',
  };
  return body.replace(/\$\{AWS::(\w+)\}/g, (whole, name: string) => values[name] ?? whole);
}

/** Reads a description. `basepath` says what becomes of the path of its server. Throws BadRequestException. */
export async function readHttpApi(ctx: Context, body: string, basepath: string): Promise<Imported> {
  const doc = parseDescription(Buffer.from(withVariables(ctx, body)));
  if (doc['openapi'] === undefined) throw badRequest('Invalid OpenAPI input. HTTP APIs support OpenAPI 3.0 only.');
  const about = object(doc['info']);
  const tags = (Array.isArray(doc['tags']) ? doc['tags'] : []).map(object);
  const found: Imported = {
    name: text(about['title']) ?? '',
    description: text(about['description']),
    version: about['version'] === undefined ? undefined : String(about['version']),
    cors: readCors(doc['x-amazon-apigateway-cors']),
    tags: Object.fromEntries(
      tags.flatMap((tag) => {
        const value = text(tag['x-amazon-apigateway-tag-value']);
        return value === undefined ? [] : [[String(tag['name']), value]];
      }),
    ),
    definition: { routes: {}, integrations: {}, authorizers: {}, models: {} },
    info: [],
    warnings: [],
  };
  if (found.name === '') throw badRequest('Unable to import API: the title of the definition is missing');
  readAuthorizers(ctx, doc, found);
  const prefix = basepath === 'prepend' ? serverPath(doc) : '';
  for (const [path, item] of Object.entries(object(doc['paths']))) await readPath(ctx, doc, found, { prefix, path, item });
  return found;
}

/** The path of the first server, with its variables' defaults, without a slash at its end. */
function serverPath(doc: Json): string {
  const [server] = Array.isArray(doc['servers']) ? doc['servers'].map(object) : [];
  const variables = object(server?.['variables']);
  const url = (text(server?.['url']) ?? '').replace(/\{([^}]+)\}/g, (_whole, name: string) =>
    String(object(variables[name])['default'] ?? ''),
  );
  return (URL.canParse(url) ? new URL(url).pathname : url).replace(/\/+$/, '');
}

function listOf(value: unknown): string[] | undefined {
  return Array.isArray(value) ? value.map(String) : undefined;
}

function readCors(value: unknown): Cors | undefined {
  if (value === undefined) return undefined;
  const { allowOrigins, allowMethods, allowHeaders, exposeHeaders, maxAge, allowCredentials } = object(value);
  const cors: Cors = {
    AllowOrigins: listOf(allowOrigins),
    AllowMethods: listOf(allowMethods),
    AllowHeaders: listOf(allowHeaders),
    ExposeHeaders: listOf(exposeHeaders),
    MaxAge: maxAge === undefined ? undefined : Number(maxAge),
    AllowCredentials: allowCredentials === undefined ? undefined : allowCredentials === true,
  };
  return Object.fromEntries(Object.entries(cors).filter(([, member]) => member !== undefined));
}

function schemesOf(doc: Json): Json {
  return object(object(doc['components'])['securitySchemes']);
}

function readAuthorizers(ctx: Context, doc: Json, { definition, warnings }: Imported): void {
  for (const [name, scheme] of Object.entries(schemesOf(doc))) {
    const given = object(object(scheme)['x-amazon-apigateway-authorizer']);
    const type = text(given['type'])?.toUpperCase();
    if (type === undefined) continue;
    if (type !== 'JWT' && type !== 'REQUEST') {
      warnings.push(`Unable to create authorizer '${name}': type ${type.toLowerCase()} is not supported for HTTP APIs`);
      continue;
    }
    const { issuer, audience } = object(given['jwtConfiguration']);
    const { identitySource: source, authorizerResultTtlInSeconds: ttl, enableSimpleResponses: simple } = given;
    const authorizer: Authorizer = {
      AuthorizerId: ctx.id('gatewayPart'),
      Name: name,
      AuthorizerType: type,
      IdentitySource:
        listOf(source) ??
        text(source)
          ?.split(',')
          .map((one) => one.trim()) ??
        [],
      ...(type === 'JWT'
        ? { JwtConfiguration: { Issuer: text(issuer), Audience: listOf(audience) ?? [] } }
        : {
            AuthorizerUri: text(given['authorizerUri']),
            AuthorizerCredentialsArn: text(given['authorizerCredentials']),
            AuthorizerPayloadFormatVersion:
              given['authorizerPayloadFormatVersion'] === undefined ? '1.0' : String(given['authorizerPayloadFormatVersion']),
            EnableSimpleResponses: simple === true,
            AuthorizerResultTtlInSeconds: ttl === undefined ? undefined : Number(ttl),
          }),
    };
    definition.authorizers[authorizer.AuthorizerId ?? ''] = checkAuthorizer(authorizer, 'HTTP');
  }
}

async function readPath(
  ctx: Context,
  doc: Json,
  found: Imported,
  { prefix, path, item }: { prefix: string; path: string; item: unknown },
): Promise<void> {
  for (const [key, verb] of Object.entries(verbs)) {
    const given = object(item)[key];
    if (given === undefined) continue;
    const operation = object(given);
    const isDefault = operation['isDefaultRoute'] === true || path === '/$default';
    const routeKey = isDefault ? '$default' : `${verb} ${prefix}${path}`;
    if (operation['requestBody'] !== undefined)
      found.info.push(`Request validation is not supported for HTTP APIs: requestBody of '${routeKey}' is ignored`);
    const target = await readIntegration(ctx, doc, found, { routeKey, operation });
    const route: RouteDef = {
      RouteId: ctx.id('gatewayPart'),
      RouteKey: routeKey,
      ApiKeyRequired: false,
      ...readSecurity(doc, found.definition, operation),
      ...(text(operation['operationId']) === undefined ? {} : { OperationName: text(operation['operationId']) }),
      ...(target === undefined ? {} : { Target: `integrations/${target}` }),
      responses: {},
    };
    found.definition.routes[route.RouteId] = checkRoute(found.definition, route, 'HTTP');
  }
}

/** The id of what an operation's integration became; undefined when it has none that HTTP APIs know. One that several operations refer to is one. */
async function readIntegration(
  ctx: Context,
  doc: Json,
  { definition, warnings }: Imported,
  { routeKey, operation }: { routeKey: string; operation: Json },
): Promise<string | undefined> {
  const given = operation['x-amazon-apigateway-integration'];
  if (given === undefined) return undefined;
  const from = resolved(doc, given);
  const type = text(from['type'])?.toUpperCase();
  if (type !== 'AWS_PROXY' && type !== 'HTTP_PROXY') {
    warnings.push(`Unsupported integration type '${text(from['type'])}' for route '${routeKey}'. Ignoring.`);
    return undefined;
  }
  const { requestParameters, responseParameters, timeoutInMillis, tlsConfig, payloadFormatVersion = '1.0' } = from;
  const subtype = text(from['integrationSubtype']);
  const uri = text(from['uri']);
  const integration: Integration = {
    IntegrationType: type,
    ...(subtype === undefined ? {} : { IntegrationSubtype: subtype }),
    ...(uri === undefined ? {} : { IntegrationUri: uri }),
    ...(from['httpMethod'] === undefined ? {} : { IntegrationMethod: String(from['httpMethod']).toUpperCase() }),
    ConnectionType: (text(from['connectionType']) ?? 'INTERNET') as 'INTERNET',
    ...(from['connectionId'] === undefined ? {} : { ConnectionId: String(from['connectionId']) }),
    ...(from['credentials'] === undefined ? {} : { CredentialsArn: String(from['credentials']) }),
    ...(from['description'] === undefined ? {} : { Description: String(from['description']) }),
    PayloadFormatVersion:
      String(payloadFormatVersion) === '2' ? '2.0' : Number(payloadFormatVersion) === 1 ? '1.0' : String(payloadFormatVersion),
    TimeoutInMillis: timeoutInMillis === undefined ? 30_000 : Number(timeoutInMillis),
    ...(requestParameters === undefined ? {} : { RequestParameters: object(requestParameters) as Record<string, string> }),
    ...(responseParameters === undefined
      ? {}
      : { ResponseParameters: object(responseParameters) as Record<string, Record<string, string>> }),
    ...(tlsConfig === undefined ? {} : { TlsConfig: { ServerNameToVerify: text(object(tlsConfig)['serverNameToVerify']) } }),
  };
  const written = JSON.stringify(integration);
  const shared = object(given)['$ref'] !== undefined;
  const known = Object.values(definition.integrations).find(
    ({ IntegrationId: _id, responses: _responses, ...own }) => shared && JSON.stringify(own) === written,
  );
  if (known !== undefined) return known.IntegrationId;
  await checkConnection(ctx, 'HTTP', integration).catch((error: unknown) => explain(error, routeKey));
  const made: IntegrationDef = { ...integration, IntegrationId: ctx.id('gatewayPart'), responses: {} };
  try {
    definition.integrations[made.IntegrationId] = checkIntegration(made, 'HTTP');
  } catch (error) {
    explain(error, routeKey);
  }
  return made.IntegrationId;
}

/** Says which route an error is about. */
function explain(error: unknown, routeKey: string): never {
  if (error instanceof AwsError && error.code === 'BadRequestException')
    throw badRequest(`Unable to create integration for route '${routeKey}'. Reason: ${error.message}`);
  throw error;
}

function readSecurity(
  doc: Json,
  { authorizers }: Definition,
  operation: Json,
): Pick<RouteDef, 'AuthorizationType' | 'AuthorizerId' | 'AuthorizationScopes'> {
  if (text(object(operation['x-amazon-apigateway-auth'])['type'])?.toUpperCase() === 'AWS_IAM')
    return { AuthorizationType: 'AWS_IAM' };
  const listed = operation['security'] ?? doc['security'];
  for (const requirement of Array.isArray(listed) ? listed.map(object) : [])
    for (const [name, scopes] of Object.entries(requirement)) {
      if (object(schemesOf(doc)[name])['x-amazon-apigateway-authtype'] === 'awsSigv4') return { AuthorizationType: 'AWS_IAM' };
      const authorizer = Object.values(authorizers).find(({ Name }) => Name === name);
      if (authorizer === undefined) continue;
      const asked = listOf(scopes) ?? [];
      return {
        AuthorizationType: authorizer.AuthorizerType === 'JWT' ? 'JWT' : 'CUSTOM',
        AuthorizerId: authorizer.AuthorizerId,
        ...(asked.length > 0 ? { AuthorizationScopes: asked } : {}),
      };
    }
  return { AuthorizationType: 'NONE' };
}
