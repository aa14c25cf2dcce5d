import { ApiGatewayV2 } from '@aws-sdk/client-apigatewayv2';
import { EventBridge } from '@aws-sdk/client-eventbridge';
import { Lambda } from '@aws-sdk/client-lambda';
import { expect, test } from 'vitest';
import { machinesRefused, refused } from '../../support/cloud.ts';
import { makeFunction } from '../api-gateway/functions.ts';
import { flows, machineOf, only, roleFor, runOnce } from './support.ts';

const echo = `export const handler = async ({ rawPath, headers, queryStringParameters, body, requestContext }) => {
  if (rawPath === '/missing') return { statusCode: 404, body: 'no such thing' };
  return { statusCode: 200, headers: { 'content-type': 'application/json' }, body: JSON.stringify({ key: headers['x-key'], own: headers['x-own'], agent: headers['user-agent'], query: queryStringParameters, body, method: requestContext.http.method }) };
};`;

test('an endpoint is called with the credentials of a connection, if the role may', { timeout: 60_000 }, async (context) => {
  context.skip(machinesRefused() !== undefined, machinesRefused());
  const all = flows();
  const config = all.account.config();
  const [events, gateway, lambda] = [new EventBridge(config), new ApiGatewayV2(config), new Lambda(config)];
  const fn = await makeFunction(all.account, echo);
  await lambda.addPermission({
    FunctionName: fn,
    StatementId: 'api',
    Action: 'lambda:InvokeFunction',
    Principal: 'apigateway.amazonaws.com',
  });
  const { ApiId = '' } = await gateway.createApi({ Name: 'echo', ProtocolType: 'HTTP', Target: fn });
  const endpoint = `https://${ApiId}.execute-api.us-east-1.amazonaws.com:4566`;
  const { ConnectionArn = '' } = await events.createConnection({
    Name: 'keyed',
    AuthorizationType: 'API_KEY',
    AuthParameters: {
      ApiKeyAuthParameters: { ApiKeyName: 'x-key', ApiKeyValue: 'secret' },
      InvocationHttpParameters: {
        QueryStringParameters: [{ Key: 'from', Value: 'connection' }],
        BodyParameters: [{ Key: 'added', Value: 'too' }],
      },
    },
  });
  const invoke = (path: string, more: object = {}) =>
    only({
      Type: 'Task',
      Resource: 'arn:aws:states:::http:invoke',
      Parameters: {
        ApiEndpoint: `${endpoint}${path}`,
        Method: 'POST',
        Authentication: { ConnectionArn },
        Headers: { 'x-own': 'mine' },
        QueryParameters: { 'n.$': '$.n' },
        RequestBody: { 'n.$': '$.n' },
      },
      ...more,
    });
  const role = await roleFor(all, [
    'events:RetrieveConnectionCredentials',
    'secretsmanager:GetSecretValue',
    'secretsmanager:DescribeSecret',
  ]);
  const arn = await machineOf(all, role, invoke('/a'));
  expect(await runOnce(all, arn, { n: 7 })).toMatchObject({
    status: 'FAILED',
    error: 'Events.ConnectionResource.AccessDenied',
    cause: expect.stringContaining('states:InvokeHTTPEndpoint'),
  });
  const PolicyDocument = JSON.stringify({
    Version: '2012-10-17',
    Statement: [
      {
        Effect: 'Allow',
        Action: 'states:InvokeHTTPEndpoint',
        Resource: '*',
        Condition: { StringEquals: { 'states:HTTPMethod': 'POST' }, StringLike: { 'states:HTTPEndpoint': `${endpoint}/*` } },
      },
    ],
  });
  await all.iam.putRolePolicy({ RoleName: 'flow', PolicyName: 'http', PolicyDocument });
  const run = await runOnce(all, arn, { n: 7 });
  expect([run.status, run.error, run.cause]).toEqual(['SUCCEEDED', undefined, undefined]);
  expect(run.output).toMatchObject({
    StatusCode: 200,
    Headers: { 'content-type': ['application/json'] },
    ResponseBody: {
      key: 'secret',
      own: 'mine',
      agent: 'Amazon|StepFunctions|HttpInvoke|us-east-1',
      query: { n: '7', from: 'connection' },
      body: '{"n":7,"added":"too"}',
      method: 'POST',
    },
  });
  expect(await runOnce(all, await machineOf(all, role, invoke('/missing')), { n: 1 })).toMatchObject({
    error: 'States.Http.StatusCode.404',
    cause: 'no such thing',
  });
  const plain = only({ Type: 'Task', Resource: 'arn:aws:states:::http:invoke.sync', Parameters: {} });
  await refused(
    machineOf(all, role, plain),
    'InvalidDefinition',
    /The resource provided arn:aws:states:::http:invoke\.sync is not recognized/,
  );
});

test('a stage of an API is called at its name', { timeout: 60_000 }, async (context) => {
  context.skip(machinesRefused() !== undefined, machinesRefused());
  const all = flows();
  const config = all.account.config();
  const [gateway, lambda] = [new ApiGatewayV2(config), new Lambda(config)];
  const fn = await makeFunction(all.account, echo);
  await lambda.addPermission({
    FunctionName: fn,
    StatementId: 'api',
    Action: 'lambda:InvokeFunction',
    Principal: 'apigateway.amazonaws.com',
  });
  const { ApiId = '' } = await gateway.createApi({ Name: 'echo', ProtocolType: 'HTTP', Target: fn });
  const ApiEndpoint = `${ApiId}.execute-api.us-east-1.amazonaws.com`;
  const invoke = (Parameters: object) =>
    only({
      Type: 'Task',
      Resource: 'arn:aws:states:::apigateway:invoke',
      Parameters: { ApiEndpoint, Method: 'PUT', ...Parameters },
    });
  const role = await roleFor(all);
  const run = await runOnce(
    all,
    await machineOf(all, role, invoke({ Path: '/x', QueryParameters: { 'n.$': 'States.Array($.n)' }, RequestBody: { a: 1 } })),
    { n: 7 },
  );
  expect(run).toMatchObject({
    status: 'SUCCEEDED',
    output: { StatusCode: 200, StatusText: 'OK', ResponseBody: { query: { n: '7' }, body: '{"a":1}', method: 'PUT' } },
  });
  expect(await runOnce(all, await machineOf(all, role, invoke({ Path: '/missing' })))).toMatchObject({
    status: 'FAILED',
    error: 'ApiGateway.404',
    cause: 'no such thing',
  });
  await refused(machineOf(all, role, invoke({ AuthType: 'IAM_ROLE' })), 'NotImplemented', /AuthType of apigateway:invoke/);
});
