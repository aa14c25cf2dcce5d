import { ApiGatewayManagementApi } from '@aws-sdk/client-apigatewaymanagementapi';
import { ApiGatewayV2 } from '@aws-sdk/client-apigatewayv2';
import { IAM } from '@aws-sdk/client-iam';
import { SQS } from '@aws-sdk/client-sqs';
import { beforeEach, expect, inject, test } from 'vitest';
import WebSocket from 'ws';
import {
  advanceClock,
  eventually,
  freshAccount,
  machinesRefused,
  refused,
  startOwnCloud,
  type TestAccount,
} from '../../support/cloud.ts';
import { functionUri, makeFunction, role } from './functions.ts';
import { call, deploy, hostUrl, mock, restApi } from './rest.ts';

beforeEach((context) => context.skip(machinesRefused() !== undefined, machinesRefused()));

interface Client {
  socket: WebSocket;
  /** Messages that came. */
  seen: string[];
  closed: Promise<{ code: number; reason: string }>;
}

/** A client of a WebSocket API; rejects with the status of a refused handshake. */
function connect(
  id: string,
  path: string,
  { headers = {}, endpoint = inject('endpoint') }: { headers?: Record<string, string>; endpoint?: string } = {},
): Promise<Client> {
  const url = new URL(endpoint);
  const socket = new WebSocket(`ws://127.0.0.1:${url.port}${path}`, {
    headers: { host: `${id}.execute-api.us-east-1.localhost:${url.port}`, ...headers },
  });
  const seen: string[] = [];
  socket.on('message', (data) => seen.push(String(data)));
  const closed = new Promise<{ code: number; reason: string }>((resolve) =>
    socket.on('close', (code, reason) => resolve({ code, reason: String(reason) })),
  );
  return new Promise((resolve, reject) => {
    socket.on('open', () => resolve({ socket, seen, closed }));
    socket.on('unexpected-response', (_request, response) => reject(new Error(String(response.statusCode))));
    socket.on('error', reject);
  });
}

async function socketApi(account: TestAccount) {
  const gateway = new ApiGatewayV2(account.config());
  const { ApiId = '', ApiEndpoint } = await gateway.createApi({
    Name: 'ws',
    ProtocolType: 'WEBSOCKET',
    RouteSelectionExpression: '$request.body.action',
  });
  const integrate = async (input: Omit<Parameters<ApiGatewayV2['createIntegration']>[0], 'ApiId'>) =>
    `integrations/${(await gateway.createIntegration({ ApiId, ...input })).IntegrationId}`;
  const answer = async (RouteKey: string, Target: string) => {
    const { RouteId } = await gateway.createRoute({ ApiId, RouteKey, Target, RouteResponseSelectionExpression: '$default' });
    await gateway.createRouteResponse({ ApiId, RouteId, RouteResponseKey: '$default' });
  };
  const publish = () => gateway.createStage({ ApiId, StageName: 'dev', AutoDeploy: true });
  return { gateway, ApiId, ApiEndpoint, integrate, answer, publish };
}

/** A MOCK that answers with a template. */
async function mocked({ gateway, ApiId }: Awaited<ReturnType<typeof socketApi>>, template: string) {
  const { IntegrationId } = await gateway.createIntegration({
    ApiId,
    IntegrationType: 'MOCK',
    RequestTemplates: { $default: '{"statusCode": 200}' },
  });
  await gateway.createIntegrationResponse({
    ApiId,
    IntegrationId,
    IntegrationResponseKey: '$default',
    ResponseTemplates: { $default: template },
  });
  return `integrations/${IntegrationId}`;
}

function manager(account: TestAccount, id: string, endpoint = inject('endpoint')): ApiGatewayManagementApi {
  return new ApiGatewayManagementApi(account.config({ endpoint: `${endpoint}/_aws/execute-api/${id}/dev` }));
}

test('APIGW-005 REST and HTTP APIs answer curl; a WebSocket API takes a client, routes by a member of the body, and is told what to send', {
  timeout: 60_000,
}, async () => {
  const account = freshAccount();
  const rest = await restApi({}, account);
  await mock(rest, rest.root, 'GET', 'rest');
  await deploy(rest);
  expect((await call(hostUrl(rest.id, '/prod'))).text).toBe('rest');
  const arn = await makeFunction(
    account,
    "const seen = []; export const handler = async (event) => { seen.push(event.requestContext.eventType + ' ' + event.requestContext.routeKey); if (event.queryStringParameters?.no) return { statusCode: 403 }; return { statusCode: 200, body: JSON.stringify({ seen, context: event.requestContext, body: event.body, headers: event.headers }) }; };",
  );
  const CredentialsArn = await role(account, 'apigateway', 'lambda:InvokeFunction', arn);
  const http = await new ApiGatewayV2(account.config()).createApi({
    Name: 'h',
    ProtocolType: 'HTTP',
    Target: arn,
    CredentialsArn,
  });
  expect((await call(hostUrl(http.ApiId ?? '', '/x'))).status).toBe(200);
  const api = await socketApi(account);
  const { gateway, ApiId, integrate, answer, publish } = api;
  expect(api.ApiEndpoint).toMatch(/^ws:\/\/[a-z0-9]{10}\.execute-api\.us-east-1\.localhost:\d+$/);
  const lambda = await integrate({ IntegrationType: 'AWS_PROXY', IntegrationUri: functionUri(arn), CredentialsArn });
  for (const RouteKey of ['$connect', '$disconnect']) await gateway.createRoute({ ApiId, RouteKey, Target: lambda });
  await answer('tell', lambda);
  await answer('mock', await mocked(api, '{"you": "$context.connectionId", "n": $input.json(\'$.n\')}'));
  await refused(
    gateway.createRoute({ ApiId, RouteKey: 'x', AuthorizationType: 'AWS_IAM' }),
    'BadRequestException',
    'Currently, authorization is restricted to the $connect route only',
  );
  await expect(connect(ApiId, '/dev')).rejects.toThrow('403');
  await publish();
  await expect(connect(ApiId, '/dev?no=1')).rejects.toThrow('403');
  await expect(connect(ApiId, '/other')).rejects.toThrow('403');
  const client = await connect(ApiId, '/dev?user=me');
  const next = (count: number) =>
    eventually(() => expect(client.seen.length).toBe(count), { why: `${count} messages have come` });
  client.socket.send('{"action":"tell","n":1}');
  await next(1);
  const told = JSON.parse(client.seen[0] ?? '{}');
  expect(told.seen).toContain('CONNECT $connect');
  expect(told).toMatchObject({
    body: '{"action":"tell","n":1}',
    context: { routeKey: 'tell', eventType: 'MESSAGE', stage: 'dev', apiId: ApiId, messageDirection: 'IN' },
  });
  const ConnectionId = told.context.connectionId as string;
  client.socket.send('{"action":"mock","n":5}');
  await next(2);
  expect(JSON.parse(client.seen[1] ?? '')).toEqual({ you: ConnectionId, n: '' });
  // No route, and no default one.
  client.socket.send('{"action":"nothing"}');
  await next(3);
  expect(JSON.parse(client.seen[2] ?? '')).toMatchObject({ message: 'Forbidden', connectionId: ConnectionId });
  await answer('$default', await mocked(api, 'default'));
  client.socket.send('no json');
  await next(4);
  expect(client.seen[3]).toBe('default');
  // The management API.
  const connections = manager(account, ApiId);
  await connections.postToConnection({ ConnectionId, Data: Buffer.from('pushed ä') });
  await next(5);
  expect(client.seen[4]).toBe('pushed ä');
  const about = await connections.getConnection({ ConnectionId });
  expect(about.Identity).toMatchObject({ SourceIp: expect.any(String) });
  expect(about.ConnectedAt).toBeInstanceOf(Date);
  await refused(
    connections.postToConnection({ ConnectionId: 'nobody=', Data: Buffer.from('x') }),
    'GoneException',
    undefined,
    410,
  );
  await refused(
    connections.postToConnection({ ConnectionId, Data: Buffer.alloc(128 * 1024 + 1, 97) }),
    'PayloadTooLargeException',
    'Message too long',
    413,
  );
  const iam = new IAM(account.config());
  await iam.createUser({ UserName: 'u' });
  const { AccessKey } = await iam.createAccessKey({ UserName: 'u' });
  const nobody = new ApiGatewayManagementApi({
    ...account.configFor(AccessKey ?? {}),
    endpoint: `${inject('endpoint')}/_aws/execute-api/${ApiId}/dev`,
  });
  await refused(
    nobody.postToConnection({ ConnectionId, Data: Buffer.from('x') }),
    'AccessDeniedException',
    /execute-api:ManageConnections on resource: arn:aws:execute-api:us-east-1:\d+:[a-z0-9]+\/dev\/POST\/@connections\//,
  );
  await connections.deleteConnection({ ConnectionId });
  expect((await client.closed).code).toBe(1000);
  await eventually(() => refused(connections.getConnection({ ConnectionId }), 'GoneException'), {
    why: 'the connection is gone',
  });
  const second = await connect(ApiId, '/dev');
  second.socket.send('{"action":"tell"}');
  await eventually(() => expect(second.seen[0]).toContain('DISCONNECT $disconnect'), { why: '$disconnect has run' });
  // Limits: one frame of 32 KB, a message of 128 KB.
  second.socket.send('x'.repeat(33 * 1024));
  expect((await second.closed).code).toBe(1009);
});

test("an authorizer decides about connecting; messages go to queues; silence and age end connections by the cloud's clock", {
  timeout: 90_000,
}, async () => {
  const cloud = await startOwnCloud();
  try {
    const account = freshAccount(cloud.endpoint);
    const { endpoint } = cloud;
    const api = await socketApi(account);
    const { gateway, ApiId, integrate, publish } = api;
    const arn = await makeFunction(
      account,
      "export const handler = async (event) => ({ principalId: 'me', policyDocument: { Version: '2012-10-17', Statement: [{ Action: 'execute-api:Invoke', Effect: event.queryStringParameters.token === 'yes' ? 'Allow' : 'Deny', Resource: event.methodArn }] } });",
    );
    const CredentialsArn = await role(account, 'apigateway', ['lambda:InvokeFunction', 'sqs:SendMessage']);
    const { AuthorizerId } = await gateway.createAuthorizer({
      ApiId,
      Name: 'a',
      AuthorizerType: 'REQUEST',
      IdentitySource: ['route.request.querystring.token'],
      AuthorizerUri: functionUri(arn),
      AuthorizerCredentialsArn: CredentialsArn,
    });
    await gateway.createRoute({ ApiId, RouteKey: '$connect', AuthorizationType: 'CUSTOM', AuthorizerId });
    const sqs = new SQS(account.config());
    const { QueueUrl = '' } = await sqs.createQueue({ QueueName: 'q' });
    const queue = await integrate({
      ...{
        IntegrationType: 'AWS',
        IntegrationMethod: 'POST',
        CredentialsArn,
        IntegrationUri: `arn:aws:apigateway:us-east-1:sqs:path/${account.id}/q`,
      },
      RequestParameters: { 'integration.request.header.Content-Type': "'application/x-www-form-urlencoded'" },
      RequestTemplates: { $default: "Action=SendMessage&MessageBody=$util.urlEncode($input.path('$.text'))" },
    });
    await gateway.createRoute({ ApiId, RouteKey: 'put', Target: queue });
    await publish();
    await expect(connect(ApiId, '/dev', { endpoint })).rejects.toThrow('401');
    await expect(connect(ApiId, '/dev?token=no', { endpoint })).rejects.toThrow('403');
    const client = await connect(ApiId, '/dev?token=yes', { endpoint });
    client.socket.send('{"action":"put","text":"hi & more"}');
    const { Messages } = await eventually(
      async () => {
        const found = await sqs.receiveMessage({ QueueUrl });
        expect(found.Messages).toHaveLength(1);
        return found;
      },
      { why: 'the message is in the queue' },
    );
    expect(Messages?.[0]?.Body).toBe('hi & more');
    const busy = await connect(ApiId, '/dev?token=yes', { endpoint });
    await advanceClock(endpoint, 9 * 60_000);
    busy.socket.send('{"action":"none"}');
    await eventually(() => expect(busy.seen).toHaveLength(1), { why: 'the busy one was heard' });
    await advanceClock(endpoint, 2 * 60_000);
    expect(await client.closed).toEqual({ code: 1001, reason: 'Going away' });
    for (let minutes = 11; minutes < 120; minutes += 9) {
      busy.socket.send('{"action":"none"}');
      const before = busy.seen.length;
      await eventually(() => expect(busy.seen.length).toBeGreaterThan(before), { why: 'it was heard' });
      await advanceClock(endpoint, 9 * 60_000);
    }
    expect(await busy.closed).toEqual({ code: 1001, reason: 'Going away' });
  } finally {
    await cloud.stop();
  }
});

test('a binary frame ends its connection, and reaches nobody', async () => {
  const api = await socketApi(freshAccount());
  await api.answer('$default', await mocked(api, 'default'));
  await api.publish();
  const client = await connect(api.ApiId, '/dev');
  client.socket.send('text');
  await eventually(() => expect(client.seen).toEqual(['default']), { why: 'text is answered' });
  client.socket.send(Buffer.from('{"action":"x"}'), { binary: true });
  expect((await client.closed).code).toBe(1003);
  expect(client.seen).toEqual(['default']);
});

test('messages are text already, so that CONVERT_TO_TEXT changes nothing; other conversions and HTTP APIs are refused', async () => {
  const { gateway, ApiId } = await socketApi(freshAccount());
  const made = await gateway.createIntegration({ ApiId, IntegrationType: 'MOCK', ContentHandlingStrategy: 'CONVERT_TO_TEXT' });
  expect(made.ContentHandlingStrategy).toBe('CONVERT_TO_TEXT');
  const integration = { ApiId, IntegrationId: made.IntegrationId };
  expect((await gateway.getIntegration(integration)).ContentHandlingStrategy).toBe('CONVERT_TO_TEXT');
  await refused(gateway.updateIntegration({ ...integration, ContentHandlingStrategy: 'CONVERT_TO_BINARY' }), 'NotImplemented');
  const http = await gateway.createApi({ Name: 'h', ProtocolType: 'HTTP' });
  await refused(
    gateway.createIntegration({
      ApiId: http.ApiId,
      IntegrationType: 'HTTP_PROXY',
      IntegrationMethod: 'GET',
      IntegrationUri: 'https://example.com/',
      PayloadFormatVersion: '1.0',
      ContentHandlingStrategy: 'CONVERT_TO_TEXT',
    }),
    'BadRequestException',
    'ContentHandlingStrategy is supported for WebSocket APIs only',
  );
});
