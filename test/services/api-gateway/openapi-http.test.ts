/** HTTP APIs from descriptions in OpenAPI 3, and back. */
import { ApiGatewayV2 } from '@aws-sdk/client-apigatewayv2';
import { Lambda } from '@aws-sdk/client-lambda';
import { expect, test } from 'vitest';
import { freshAccount, refused } from '../../support/cloud.ts';
import { functionUri, makeFunction } from './functions.ts';
import { call, hostUrl } from './rest.ts';

const echo = `export const handler = async ({ routeKey: route, version, pathParameters }) => ({
  statusCode: 200, body: JSON.stringify({ route, version, id: pathParameters?.id ?? null }) })`;

const description = (uri: string, title = 'pets') => `
openapi: 3.0.1
info: { title: ${title}, version: '1.2', description: of pets }
servers: [{ url: 'https://pets.example.com/{base}', variables: { base: { default: v7 } } }]
tags: [{ name: team, x-amazon-apigateway-tag-value: blue }, { name: plain }]
x-amazon-apigateway-cors: { allowOrigins: ['https://a.example'], allowMethods: [GET], maxAge: 60 }
x-amazon-apigateway-importexport-version: '1.0'
components:
  x-amazon-apigateway-integrations:
    echo: { type: aws_proxy, httpMethod: POST, uri: '${uri}', payloadFormatVersion: '2.0' }
  securitySchemes:
    tokens:
      type: oauth2
      x-amazon-apigateway-authorizer:
        type: jwt
        jwtConfiguration: { issuer: 'https://issuer.example', audience: [web] }
        identitySource: $request.header.Authorization
paths:
  /pets/{id}:
    get:
      operationId: getPet
      requestBody: { content: { application/json: { schema: { type: object } } } }
      responses: { default: { description: ok } }
      x-amazon-apigateway-integration: { $ref: '#/components/x-amazon-apigateway-integrations/echo' }
    post:
      security: [{ tokens: [pets.write] }]
      x-amazon-apigateway-integration: { $ref: '#/components/x-amazon-apigateway-integrations/echo' }
  /sent/\${AWS::AccountId}:
    put:
      x-amazon-apigateway-integration: { type: mock }
  /$default:
    x-amazon-apigateway-any-method:
      isDefaultRoute: true
      x-amazon-apigateway-integration: { type: aws_proxy, httpMethod: POST, uri: '${uri}', payloadFormatVersion: '1.0' }
`;

test('an HTTP API is made of a description, replaced by another, and written as one that makes the same again', async () => {
  const account = freshAccount();
  const gateway = new ApiGatewayV2(account.config());
  const FunctionName = await makeFunction(account, echo);
  const uri = functionUri(FunctionName);
  const Principal = 'apigateway.amazonaws.com';
  await new Lambda(account.config()).addPermission({
    FunctionName,
    StatementId: 's',
    Action: 'lambda:InvokeFunction',
    Principal,
  });
  const made = await gateway.importApi({ Body: description(uri) });
  expect(made).toMatchObject({
    ...{ Name: 'pets', Description: 'of pets', Version: '1.2', ProtocolType: 'HTTP', Tags: { team: 'blue' } },
    CorsConfiguration: { AllowOrigins: ['https://a.example'], AllowMethods: ['GET'], MaxAge: 60 },
    ImportInfo: ["Request validation is not supported for HTTP APIs: requestBody of 'GET /pets/{id}' is ignored"],
    Warnings: [`Unsupported integration type 'mock' for route 'PUT /sent/${account.id}'. Ignoring.`],
  });
  const ApiId = made.ApiId ?? '';
  await gateway.createStage({ ApiId, StageName: '$default', AutoDeploy: true });
  const routes = async (id: string) => (await gateway.getRoutes({ ApiId: id })).Items ?? [];
  const keys = async (id: string) => (await routes(id)).map(({ RouteKey }) => RouteKey).sort();
  expect(await keys(ApiId)).toEqual(['$default', 'GET /pets/{id}', 'POST /pets/{id}', `PUT /sent/${account.id}`]);
  // What several operations refer to is one integration.
  expect((await gateway.getIntegrations({ ApiId })).Items).toHaveLength(2);
  expect((await routes(ApiId)).find(({ RouteKey }) => RouteKey === 'POST /pets/{id}')).toMatchObject({
    AuthorizationType: 'JWT',
    AuthorizationScopes: ['pets.write'],
  });
  const answer = async (path: string, method = 'GET') => {
    const { status, text } = await call(hostUrl(ApiId, path), { method });
    return status === 200 ? JSON.parse(text) : status;
  };
  expect(await answer('/pets/7')).toEqual({ route: 'GET /pets/{id}', version: '2.0', id: '7' });
  expect(await answer('/else')).toMatchObject({ version: '1.0' });
  expect(await answer('/pets/7', 'POST')).toBe(401);

  // Out, and in again as another.
  for (const OutputType of ['JSON', 'YAML'] as const) {
    const { body } = await gateway.exportApi({ ApiId, OutputType, Specification: 'OAS30', StageName: '$default' });
    const copy = await gateway.importApi({ Body: Buffer.from(body ?? []).toString('utf8'), FailOnWarnings: true });
    const kept = ({ Name, Description, Version, CorsConfiguration, Tags }: typeof copy) => ({
      Name,
      Description,
      Version,
      CorsConfiguration,
      Tags,
    });
    expect(kept(copy)).toEqual(kept(made));
    expect(await keys(copy.ApiId ?? '')).toEqual(await keys(ApiId));
  }
  const { body: plain } = await gateway.exportApi({
    ApiId,
    OutputType: 'JSON',
    Specification: 'OAS30',
    IncludeExtensions: false,
  });
  const text = Buffer.from(plain ?? []).toString('utf8');
  expect(text).not.toContain('x-amazon');
  expect(JSON.parse(text).paths['/pets/{id}'].get.parameters).toMatchObject([{ name: 'id', in: 'path', required: true }]);

  // Replaced, and deployed by itself; the path of the server stands before its routes.
  const again = await gateway.reimportApi({ ApiId, Body: description(uri, 'animals'), Basepath: 'prepend' });
  expect(again).toMatchObject({ ApiId, Name: 'animals' });
  expect(await answer('/v7/pets/8')).toMatchObject({ route: 'GET /v7/pets/{id}' });
  expect(await answer('/pets/8')).toMatchObject({ version: '1.0' });
}, 30_000);

test('descriptions that make no HTTP API are refused', async () => {
  const account = freshAccount();
  const gateway = new ApiGatewayV2(account.config());
  const bad = 'BadRequestException';
  await refused(gateway.importApi({ Body: '{' }), bad, 'Unable to parse API definition');
  await refused(gateway.importApi({ Body: '{"swagger": "2.0", "info": {"title": "x"}}' }), bad, /^Invalid OpenAPI input/);
  await refused(gateway.importApi({ Body: '{"openapi": "3.0.1", "paths": {}}' }), bad, /title/);
  const uri = 'arn:aws:lambda:us-east-1:123456789012:function:echo';
  await refused(
    gateway.importApi({ Body: description(uri), FailOnWarnings: true }),
    bad,
    /^Warnings found during import:\n\tUnsupported/,
  );
  await refused(gateway.importApi({ Body: description(uri), Basepath: 'split' }), bad);
  await refused(
    gateway.importApi({ Body: description('http://not.a.function/') }),
    bad,
    /^Unable to create integration for route 'GET \/pets\/\{id\}'. Reason: /,
  );
  const socket = await gateway.createApi({ Name: 's', ProtocolType: 'WEBSOCKET', RouteSelectionExpression: '$request.body.a' });
  await refused(gateway.reimportApi({ ApiId: socket.ApiId, Body: description(uri) }), bad);
  await refused(gateway.exportApi({ ApiId: socket.ApiId, OutputType: 'JSON', Specification: 'OAS30' }), bad);
  await refused(gateway.reimportApi({ ApiId: 'nothing', Body: description(uri) }), 'NotFoundException');
  const { ApiId } = await gateway.createApi({ Name: 'h', ProtocolType: 'HTTP' });
  await refused(gateway.exportApi({ ApiId, OutputType: 'XML', Specification: 'OAS30' }), bad, /output type/);
  await refused(gateway.exportApi({ ApiId, OutputType: 'JSON', Specification: 'OAS20' }), bad, /specification/);
  await refused(gateway.exportApi({ ApiId, OutputType: 'JSON', Specification: 'OAS30', StageName: 'none' }), 'NotFoundException');
});
