import { ApiGatewayV2 } from '@aws-sdk/client-apigatewayv2';
import { CloudWatch } from '@aws-sdk/client-cloudwatch';
import { CloudWatchLogs } from '@aws-sdk/client-cloudwatch-logs';
import { expect, inject, test } from 'vitest';
import WebSocket from 'ws';
import { advanceClock, eventually, freshAccount, refused, startOwnCloud } from '../../support/cloud.ts';
import { role } from './functions.ts';
import { call, deploy, hostUrl, mock, resource, restApi } from './rest.ts';

test('calls leave access logs, execution logs and metrics; caches answer for their time', { timeout: 90_000 }, async () => {
  const cloud = await startOwnCloud();
  try {
    const { endpoint } = cloud;
    const account = freshAccount(endpoint);
    const rest = await restApi({}, account);
    const { gateway, id, root } = rest;
    const logs = new CloudWatchLogs(account.config());
    await mock(rest, root, 'GET', '$context.requestTimeEpoch');
    await mock(rest, await resource(rest, 'cached'), 'GET', '$context.requestId');
    await deploy(rest);
    await logs.createLogGroup({ logGroupName: 'access' });
    const destinationArn = `arn:aws:logs:us-east-1:${account.id}:log-group:access`;
    const stage = { restApiId: id, stageName: 'prod' };
    const wanted = [
      { op: 'replace' as const, path: '/accessLogSettings/destinationArn', value: destinationArn },
      {
        op: 'replace' as const,
        path: '/accessLogSettings/format',
        value: '$context.requestId $context.httpMethod $context.resourcePath $context.status $context.error.message',
      },
      { op: 'replace' as const, path: '/*/*/logging/loglevel', value: 'INFO' },
      { op: 'replace' as const, path: '/*/*/metrics/enabled', value: 'true' },
      { op: 'replace' as const, path: '/cacheClusterEnabled', value: 'true' },
      { op: 'replace' as const, path: '/~1cached/GET/caching/enabled', value: 'true' },
      { op: 'replace' as const, path: '/~1cached/GET/caching/ttlInSeconds', value: '60' },
      { op: 'replace' as const, path: '/~1cached/GET/caching/unauthorizedCacheControlHeaderStrategy', value: 'FAIL_WITH_403' },
    ];
    await refused(
      gateway.updateStage({ ...stage, patchOperations: wanted }),
      'BadRequestException',
      'CloudWatch Logs role ARN must be set in account settings to enable logging',
    );
    const value = await role(account, 'apigateway', 'logs:*');
    await gateway.updateAccount({ patchOperations: [{ op: 'replace', path: '/cloudwatchRoleArn', value }] });
    await refused(
      gateway.updateStage({
        ...stage,
        patchOperations: [...wanted, { op: 'replace', path: '/accessLogSettings/format', value: 'nothing' }],
      }),
      'BadRequestException',
      'Access Log format must contain at least $context.requestId or $context.extendedRequestId',
    );
    await gateway.updateStage({ ...stage, patchOperations: wanted });
    const good = await call(hostUrl(id, '/prod', endpoint));
    const bad = await call(hostUrl(id, '/prod/none', endpoint));
    const messages = async (logGroupName: string) =>
      (await logs.filterLogEvents({ logGroupName })).events?.map(({ message }) => message) ?? [];
    await eventually(
      async () =>
        expect(await messages('access')).toEqual([
          `${good.headers['x-amzn-requestid']} GET / 200 -`,
          `${bad.headers['x-amzn-requestid']} GET  403 Missing Authentication Token`,
        ]),
      { why: 'both calls are in the access log' },
    );
    const execution = await messages(`API-Gateway-Execution-Logs_${id}/prod`);
    expect(execution).toContain(`(${good.headers['x-amzn-requestid']}) Method completed with status: 200`);
    // Caches.
    const cached = async (headers = {}) => {
      const { status, text } = await call(hostUrl(id, '/prod/cached', endpoint), { headers });
      return [status, text];
    };
    const first = await cached();
    expect(await cached()).toEqual(first);
    expect(await cached({ 'cache-control': 'max-age=0' })).toEqual([403, '{"message":"Forbidden"}']);
    await gateway.flushStageCache(stage);
    const second = await cached();
    expect(second).not.toEqual(first);
    await advanceClock(endpoint, 61_000);
    expect(await cached()).not.toEqual(second);
    // HTTP APIs.
    const v2 = new ApiGatewayV2(account.config());
    const { ApiId = '' } = await v2.createApi({ Name: 'h', ProtocolType: 'HTTP' });
    await v2.createStage({
      ApiId,
      StageName: '$default',
      AutoDeploy: true,
      AccessLogSettings: { DestinationArn: destinationArn, Format: '$context.requestId $context.status $context.routeKey http' },
    });
    const { IntegrationId } = await v2.createIntegration({
      ApiId,
      IntegrationType: 'HTTP_PROXY',
      IntegrationMethod: 'GET',
      IntegrationUri: 'http://nobody.invalid',
      PayloadFormatVersion: '1.0',
    });
    await v2.createRoute({ ApiId, RouteKey: 'GET /x', Target: `integrations/${IntegrationId}` });
    const http = await call(hostUrl(ApiId, '/x', endpoint));
    expect(http.status).toBe(503);
    await eventually(
      async () => expect(await messages('access')).toContain(`${http.headers['apigw-requestid']} 503 GET /x http`),
      { why: 'the call is in the access log' },
    );
    // Metrics of the minutes.
    await advanceClock(endpoint, 120_000);
    const cloudwatch = new CloudWatch(account.config());
    const sum = async (MetricName: string, Dimensions: Record<string, string>) => {
      const { Datapoints = [] } = await cloudwatch.getMetricStatistics({
        ...{ Namespace: 'AWS/ApiGateway', MetricName, Period: 3600, Statistics: ['Sum'] },
        Dimensions: Object.entries(Dimensions).map(([Name, Value]) => ({ Name, Value })),
        StartTime: new Date(Date.now() - 3_600_000),
        EndTime: new Date(Date.now() + 7_200_000),
      });
      return Datapoints.reduce((total, { Sum = 0 }) => total + Sum, 0);
    };
    expect(await sum('Count', { ApiName: 'api', Stage: 'prod' })).toBe(7);
    expect(await sum('4XXError', { ApiName: 'api', Stage: 'prod' })).toBe(2);
    expect(await sum('CacheHitCount', { ApiName: 'api' })).toBe(1);
    expect(await sum('Count', { ApiName: 'api', Stage: 'prod', Method: 'GET', Resource: '/' })).toBe(1);
    expect(await sum('5xx', { ApiId, Stage: '$default' })).toBe(1);
  } finally {
    await cloud.stop();
  }
});

test('TestInvokeMethod runs a method as it stands, without a deployment', async () => {
  const rest = await restApi();
  const { gateway, id, root } = rest;
  await mock(
    rest,
    await resource(rest, '{name}'),
    'POST',
    '{"name": "$input.params(\'name\')", "q": "$input.params(\'q\')", "v": "$stageVariables.v", "stage": "$context.stage"}',
  );
  const { items = [] } = await gateway.getResources({ restApiId: id });
  const resourceId = items.find(({ path }) => path === '/{name}')?.id;
  const tested = await gateway.testInvokeMethod({
    restApiId: id,
    resourceId,
    httpMethod: 'POST',
    pathWithQueryString: '/me?q=1',
    body: '{}',
    stageVariables: { v: 'x' },
  });
  expect([tested.status, JSON.parse(tested.body ?? '')]).toEqual([
    200,
    { name: 'me', q: '1', v: 'x', stage: 'test-invoke-stage' },
  ]);
  expect(tested.log).toContain('Method completed with status: 200');
  await refused(
    gateway.testInvokeMethod({ restApiId: id, resourceId: root, httpMethod: 'POST' }),
    'NotFoundException',
    'Invalid Method identifier specified',
  );
});

test('events of WebSocket connections leave lines in the access log', async () => {
  const account = freshAccount();
  const gateway = new ApiGatewayV2(account.config());
  const logs = new CloudWatchLogs(account.config());
  await logs.createLogGroup({ logGroupName: 'sockets' });
  const { ApiId = '' } = await gateway.createApi({
    ...{ Name: 's', ProtocolType: 'WEBSOCKET' as const, RouteSelectionExpression: '$request.body.action' },
  });
  const RequestTemplates = { $default: '{"statusCode": 200}' };
  const { IntegrationId } = await gateway.createIntegration({ ApiId, IntegrationType: 'MOCK', RequestTemplates });
  for (const RouteKey of ['$connect', 'say', '$disconnect'])
    await gateway.createRoute({ ApiId, RouteKey, Target: `integrations/${IntegrationId}` });
  const DestinationArn = `arn:aws:logs:us-east-1:${account.id}:log-group:sockets`;
  const stage = { ApiId, StageName: 'p', AutoDeploy: true };
  const noId = { DestinationArn, Format: '$context.status' };
  await refused(gateway.createStage({ ...stage, AccessLogSettings: noId }), 'BadRequestException', /requestId/);
  const Format = '$context.requestId $context.eventType $context.routeKey $context.status';
  await gateway.createStage({ ...stage, AccessLogSettings: { DestinationArn, Format } });
  const { port } = new URL(inject('endpoint'));
  const socket = new WebSocket(`ws://127.0.0.1:${port}/p`, {
    headers: { host: `${ApiId}.execute-api.us-east-1.localhost:${port}` },
  });
  await new Promise((resolve, reject) => socket.on('open', resolve).on('error', reject));
  socket.send('{"action":"say"}');
  const lines = async () =>
    ((await logs.filterLogEvents({ logGroupName: 'sockets' })).events ?? []).map(({ message = '' }) =>
      message.replace(/^\S+ /, ''),
    );
  const wanted = ['CONNECT $connect 200', 'MESSAGE say 200'];
  await eventually(async () => expect(await lines()).toEqual(wanted), { why: 'both lines are there' });
  socket.close();
  await eventually(async () => expect(await lines()).toEqual([...wanted, 'DISCONNECT $disconnect 200']), { why: 'it is gone' });
});
