import { createHash, randomUUID } from 'node:crypto';
import { ApiGatewayV2 } from '@aws-sdk/client-apigatewayv2';
import { SQS } from '@aws-sdk/client-sqs';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { beforeEach, expect, test } from 'vitest';
import { freshAccount, machinesRefused, refused } from '../../support/cloud.ts';
import { functionUri, makeFunction, role } from './functions.ts';
import { call, deploy, hostUrl, mock, resource, restApi } from './rest.ts';

beforeEach((context) => context.skip(machinesRefused() !== undefined, machinesRefused()));

function rooted() {
  const account = freshAccount();
  return { account, gateway: new ApiGatewayV2(account.config()) };
}

/** The address of an API for what runs inside the cloud, as the gateway itself is when it calls backends. */
function insideUrl(id: string, path: string, scheme = 'http'): string {
  return `${scheme}://${id}.execute-api.us-east-1.amazonaws.com:4566${path}`;
}

const echo = `
export const handler = async (event) => {
  const what = event.queryStringParameters?.do;
  if (what === 'throw') throw new Error('on purpose');
  if (what === 'plain') return { a: 1 };
  return { statusCode: 201, cookies: ['a=1', 'b=2'], headers: { 'x-one': '1', 'access-control-allow-origin': 'mine' }, body: JSON.stringify(event) };
};`;

test('a function answers an HTTP API in both formats of events', { timeout: 60_000 }, async () => {
  const { account, gateway } = rooted();
  const arn = await makeFunction(account, echo);
  const CredentialsArn = await role(account, 'apigateway', 'lambda:InvokeFunction', arn);
  const { ApiId = '', ApiEndpoint = '' } = await gateway.createApi({
    Name: 'quick',
    ProtocolType: 'HTTP',
    Target: arn,
    CredentialsArn,
  });
  expect(ApiEndpoint).toBe(hostUrl(ApiId, ''));
  const answer = await call(`${ApiEndpoint}/a/b?x=1&x=2&y=z%20z`, {
    method: 'POST',
    body: '{"n":1}',
    headers: { 'Content-Type': 'application/json', cookie: 'k=v; l=w', 'X-Many': ['1', '2'] },
  });
  expect([answer.status, answer.headers['set-cookie'], answer.headers['x-one'], answer.headers['content-type']]).toEqual([
    201,
    ['a=1', 'b=2'],
    '1',
    'text/plain;charset=UTF-8',
  ]);
  expect(JSON.parse(answer.text)).toMatchObject({
    version: '2.0',
    routeKey: '$default',
    rawPath: '/a/b',
    rawQueryString: 'x=1&x=2&y=z%20z',
    cookies: ['k=v', 'l=w'],
    headers: { 'content-type': 'application/json', 'x-many': '1,2' },
    queryStringParameters: { x: '1,2', y: 'z z' },
    requestContext: {
      accountId: account.id,
      apiId: ApiId,
      http: { method: 'POST', path: '/a/b' },
      routeKey: '$default',
      stage: '$default',
    },
    body: '{"n":1}',
    isBase64Encoded: false,
  });
  const form = await call(`${ApiEndpoint}/f`, {
    method: 'POST',
    body: 'a=b',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
  });
  expect(JSON.parse(form.text)).toMatchObject({ body: Buffer.from('a=b').toString('base64'), isBase64Encoded: true });
  const plain = await call(`${ApiEndpoint}/?do=plain`);
  expect([plain.status, plain.text, plain.headers['content-type']]).toEqual([200, '{"a":1}', 'application/json']);
  const broken = await call(`${ApiEndpoint}/?do=throw`);
  expect([broken.status, broken.text]).toEqual([500, '{"message":"Internal Server Error"}']);
  // The older format, with a stage in the path; a change is served at once where the stage deploys itself.
  const { IntegrationId } = await gateway.createIntegration({
    ApiId,
    IntegrationType: 'AWS_PROXY',
    IntegrationUri: arn,
    PayloadFormatVersion: '1.0',
    CredentialsArn,
  });
  await gateway.createStage({ ApiId, StageName: 'v1', AutoDeploy: true, StageVariables: { color: 'red' } });
  await gateway.createRoute({ ApiId, RouteKey: 'GET /pets/{id}', Target: `integrations/${IntegrationId}` });
  const older = JSON.parse((await call(`${ApiEndpoint}/v1/pets/7`)).text);
  expect(older).toMatchObject({
    version: '1.0',
    resource: '/pets/{id}',
    path: '/v1/pets/7',
    pathParameters: { id: '7' },
    stageVariables: { color: 'red' },
    body: null,
  });
});

test('HTTP APIs choose routes, map parameters, answer preflights, throttle, and send to queues', {
  timeout: 60_000,
}, async () => {
  const { account, gateway } = rooted();
  const backend = await restApi({}, account);
  await mock(
    backend,
    await resource(backend, '{proxy+}'),
    'ANY',
    '{"path": "$context.path", "one": "$input.params(\'x-one\')", "q": "$input.params(\'q\')"}',
  );
  await deploy(backend);
  const { ApiId = '' } = await gateway.createApi({
    Name: 'api',
    ProtocolType: 'HTTP',
    CorsConfiguration: {
      AllowOrigins: ['https://a.example'],
      AllowMethods: ['GET', 'POST'],
      AllowHeaders: ['X-Own'],
      MaxAge: 60,
      AllowCredentials: true,
    },
  });
  const sqs = new SQS(account.config());
  const { QueueUrl = '' } = await sqs.createQueue({ QueueName: `q-${randomUUID()}` });
  const CredentialsArn = await role(account, 'apigateway', 'sqs:SendMessage');
  const proxied = { ApiId, IntegrationType: 'HTTP_PROXY' as const, IntegrationMethod: 'ANY', PayloadFormatVersion: '1.0' };
  const integrations = {
    any: { ...proxied, IntegrationUri: insideUrl(backend.id, '/prod/all/{proxy}') },
    pet: {
      ...proxied,
      IntegrationUri: insideUrl(backend.id, '/prod/x'),
      RequestParameters: {
        'overwrite:path': '/prod/pet/$request.path.id',
        'append:header.x-one': '$context.routeKey',
        'overwrite:querystring.q': '$stageVariables.color',
      },
      ResponseParameters: {
        '200': {
          'overwrite:statuscode': '203',
          'append:header.x-was': '$response.statuscode',
          'remove:header.x-amz-apigw-id': "''",
        },
      },
    },
    queue: {
      ApiId,
      IntegrationType: 'AWS_PROXY' as const,
      IntegrationSubtype: 'SQS-SendMessage',
      PayloadFormatVersion: '1.0',
      CredentialsArn,
      RequestParameters: { QueueUrl, MessageBody: '$request.body.text' },
    },
    gone: { ...proxied, IntegrationUri: 'http://198.18.255.254/nobody', TimeoutInMillis: 500 },
  };
  const target = async (name: keyof typeof integrations) =>
    `integrations/${(await gateway.createIntegration(integrations[name])).IntegrationId}`;
  await refused(
    gateway.createRoute({ ApiId, RouteKey: 'pets' }),
    'BadRequestException',
    /^The provided route key is not formatted properly/,
  );
  await refused(
    gateway.createRoute({ ApiId, RouteKey: 'GET /x', Target: 'integrations/none' }),
    'BadRequestException',
    'Invalid integration ID specified none',
  );
  await refused(
    gateway.createDeployment({ ApiId }),
    'BadRequestException',
    'At least one route is required before deploying the Api.',
  );
  await gateway.createRoute({ ApiId, RouteKey: 'ANY /{proxy+}', Target: await target('any') });
  await gateway.createRoute({ ApiId, RouteKey: 'GET /pets/{id}', Target: await target('pet') });
  await gateway.createRoute({ ApiId, RouteKey: 'POST /queue', Target: await target('queue') });
  await gateway.createRoute({ ApiId, RouteKey: 'GET /gone', Target: await target('gone') });
  await refused(
    gateway.createRoute({ ApiId, RouteKey: 'GET /gone' }),
    'ConflictException',
    'Route with key GET /gone already exists for this API',
  );
  expect((await call(hostUrl(ApiId, '/pets/1'))).text).toBe('{"message":"Not Found"}');
  await gateway.createStage({ ApiId, StageName: '$default', AutoDeploy: true, StageVariables: { color: 'blue' } });
  const pet = await call(hostUrl(ApiId, '/pets/7?q=other'));
  expect([pet.status, JSON.parse(pet.text), pet.headers['x-was'], pet.headers['x-amz-apigw-id']]).toEqual([
    203,
    { path: '/prod/pet/7', one: 'GET /pets/{id}', q: 'blue' },
    '200',
    undefined,
  ]);
  const any = await call(hostUrl(ApiId, '/pets/7'), { method: 'DELETE' });
  expect([any.status, JSON.parse(any.text).path]).toEqual([200, '/prod/all/pets/7']);
  expect((await call(hostUrl(ApiId, '/'))).status).toBe(404);
  const queued = await call(hostUrl(ApiId, '/queue'), { method: 'POST', body: '{"text":"hello"}' });
  expect([queued.status, JSON.parse(queued.text).MD5OfMessageBody]).toEqual([
    200,
    createHash('md5').update('hello').digest('hex'),
  ]);
  const { Messages } = await sqs.receiveMessage({ QueueUrl });
  expect(Messages?.map(({ Body }) => Body)).toEqual(['hello']);
  const gone = await call(hostUrl(ApiId, '/gone'));
  expect([gone.status, gone.text]).toEqual([503, '{"message":"Service Unavailable"}']);
  // Preflights and the headers on answers.
  const preflight = (origin: string) =>
    call(hostUrl(ApiId, '/pets/7'), { method: 'OPTIONS', headers: { origin, 'access-control-request-method': 'GET' } });
  const allowed = await preflight('https://a.example');
  expect(allowed.status).toBe(204);
  expect(allowed.headers).toMatchObject({
    'access-control-allow-origin': 'https://a.example',
    'access-control-allow-methods': 'GET,POST',
    'access-control-allow-headers': 'x-own',
    'access-control-max-age': '60',
    'access-control-allow-credentials': 'true',
  });
  expect((await preflight('https://b.example')).headers['access-control-allow-origin']).toBeUndefined();
  expect(
    (await call(hostUrl(ApiId, '/pets/7'), { headers: { origin: 'https://a.example' } })).headers['access-control-allow-origin'],
  ).toBe('https://a.example');
  // Throttles by route.
  await gateway.updateStage({
    ApiId,
    StageName: '$default',
    RouteSettings: { 'GET /pets/{id}': { ThrottlingBurstLimit: 1, ThrottlingRateLimit: 0.001 } },
  });
  const replies = await Promise.all([1, 2, 3].map(() => call(hostUrl(ApiId, '/pets/7'))));
  expect(replies.map(({ status }) => status).sort()).toEqual([203, 429, 429]);
  expect(replies.find(({ status }) => status === 429)?.text).toBe('{"message":"Too Many Requests"}');
});

test('tokens and functions decide who may call an HTTP API', { timeout: 60_000 }, async () => {
  const { account, gateway } = rooted();
  // The issuer is an API of the same cloud: its keys are fetched over the cloud's own internet.
  const { privateKey, publicKey } = await generateKeyPair('RS256', { extractable: true });
  const issuerApi = await restApi({}, account);
  const issuer = insideUrl(issuerApi.id, '/prod', 'https');
  const known = await resource(issuerApi, '.well-known');
  await mock(
    issuerApi,
    await resource(issuerApi, 'openid-configuration', known),
    'GET',
    JSON.stringify({ issuer, jwks_uri: `${issuer}/keys` }),
  );
  await mock(
    issuerApi,
    await resource(issuerApi, 'keys'),
    'GET',
    JSON.stringify({ keys: [{ ...(await exportJWK(publicKey)), kid: 'k1', alg: 'RS256', use: 'sig' }] }),
  );
  await deploy(issuerApi);
  const arn = await makeFunction(account, 'export const handler = async (event) => event.requestContext.authorizer ?? null;');
  const guard = await makeFunction(
    account,
    "export const handler = async ({ identitySource: [token], routeArn }) => ({ isAuthorized: token === 'yes', context: { routeArn } });",
  );
  const CredentialsArn = await role(account, 'apigateway', 'lambda:InvokeFunction');
  const { ApiId = '' } = await gateway.createApi({ Name: 'a', ProtocolType: 'HTTP' });
  const { IntegrationId } = await gateway.createIntegration({
    ApiId,
    IntegrationType: 'AWS_PROXY',
    IntegrationUri: arn,
    PayloadFormatVersion: '2.0',
    CredentialsArn,
  });
  const Target = `integrations/${IntegrationId}`;
  const IdentitySource = ['$request.header.Authorization'];
  await refused(
    gateway.createAuthorizer({
      ApiId,
      Name: 'j',
      AuthorizerType: 'JWT',
      IdentitySource,
      JwtConfiguration: { Issuer: 'nothing', Audience: ['me'] },
    }),
    'BadRequestException',
    /^Invalid issuer/,
  );
  const jwt = await gateway.createAuthorizer({
    ApiId,
    Name: 'j',
    AuthorizerType: 'JWT',
    IdentitySource,
    JwtConfiguration: { Issuer: issuer, Audience: ['me'] },
  });
  const lambda = await gateway.createAuthorizer({
    ...{ ApiId, Name: 'l', AuthorizerType: 'REQUEST', IdentitySource, AuthorizerUri: functionUri(guard) },
    ...{ AuthorizerPayloadFormatVersion: '2.0', EnableSimpleResponses: true, AuthorizerCredentialsArn: CredentialsArn },
  });
  await gateway.createRoute({ ApiId, RouteKey: 'GET /jwt', Target, AuthorizationType: 'JWT', AuthorizerId: jwt.AuthorizerId });
  await gateway.createRoute({
    ApiId,
    RouteKey: 'GET /scoped',
    Target,
    AuthorizationType: 'JWT',
    AuthorizerId: jwt.AuthorizerId,
    AuthorizationScopes: ['write'],
  });
  await gateway.createRoute({
    ApiId,
    RouteKey: 'GET /lambda',
    Target,
    AuthorizationType: 'CUSTOM',
    AuthorizerId: lambda.AuthorizerId,
  });
  await gateway.createRoute({ ApiId, RouteKey: 'GET /iam', Target, AuthorizationType: 'AWS_IAM' });
  await gateway.createStage({ ApiId, StageName: '$default', AutoDeploy: true });
  const token = (claims: Record<string, unknown>, expires = '1h', iss = issuer) =>
    new SignJWT({ aud: 'me', sub: 'u1', ...claims })
      .setProtectedHeader({ alg: 'RS256', kid: 'k1' })
      .setIssuer(iss)
      .setIssuedAt()
      .setExpirationTime(expires)
      .sign(privateKey);
  const get = async (path: string, authorization?: string) => {
    const { status, text } = await call(hostUrl(ApiId, path), { headers: authorization === undefined ? {} : { authorization } });
    return { status, text };
  };
  const unauthorized = { status: 401, text: '{"message":"Unauthorized"}' };
  const forbidden = { status: 403, text: '{"message":"Forbidden"}' };
  const good = await get('/jwt', `Bearer ${await token({ scope: 'read' })}`);
  expect([good.status, JSON.parse(good.text)]).toMatchObject([
    200,
    { jwt: { claims: { sub: 'u1', aud: 'me' }, scopes: ['read'] } },
  ]);
  expect(await get('/jwt')).toEqual(unauthorized);
  expect(await get('/jwt', 'Bearer nonsense')).toEqual(unauthorized);
  expect(await get('/jwt', `Bearer ${await token({ aud: 'you' })}`)).toEqual(unauthorized);
  expect(await get('/jwt', `Bearer ${await token({}, '-1h')}`)).toEqual(unauthorized);
  expect(await get('/jwt', `Bearer ${await token({}, '1h', 'https://other.example')}`)).toEqual(unauthorized);
  expect(await get('/scoped', `Bearer ${await token({ scope: 'read' })}`)).toEqual(forbidden);
  expect((await get('/scoped', `Bearer ${await token({ scope: 'read write' })}`)).status).toBe(200);
  const admitted = await get('/lambda', 'yes');
  expect([admitted.status, JSON.parse(admitted.text)]).toEqual([
    200,
    { lambda: { routeArn: `arn:aws:execute-api:us-east-1:${account.id}:${ApiId}/$default/GET/lambda` } },
  ]);
  expect(await get('/lambda', 'no')).toEqual(forbidden);
  expect(await get('/lambda')).toEqual(unauthorized);
  expect(await get('/iam')).toEqual(forbidden);
});
