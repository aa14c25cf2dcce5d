import { Lambda } from '@aws-sdk/client-lambda';
import { beforeEach, expect, test } from 'vitest';
import { machinesRefused } from '../../support/cloud.ts';
import { functionUri, makeFunction, role } from './functions.ts';
import { answers, call, deploy, hostUrl, method, resource, restApi } from './rest.ts';

beforeEach((context) => context.skip(machinesRefused() !== undefined, machinesRefused()));

const echo = `
export const handler = async (event) => {
  const what = event.queryStringParameters?.do;
  if (what === 'throw') throw new Error('on purpose');
  if (what === 'text') return 'only text';
  if (what === 'bytes') return { statusCode: 200, headers: { 'content-type': 'image/png' }, isBase64Encoded: true, body: Buffer.from([1, 2, 255]).toString('base64') };
  return { statusCode: 201, headers: { 'X-One': '1' }, multiValueHeaders: { 'Set-Cookie': ['a=1', 'b=2'] }, body: JSON.stringify(event) };
};`;

test('APIGW-003 a Lambda function answers an API: it gets the whole request and decides the whole answer', {
  timeout: 60_000,
}, async () => {
  const rest = await restApi({ binaryMediaTypes: ['image/*'] });
  const { gateway, id, account } = rest;
  const arn = await makeFunction(account, echo);
  const credentials = await role(account, 'apigateway', 'lambda:InvokeFunction', arn);
  const proxy = await resource(rest, '{proxy+}');
  await method(
    rest,
    { resourceId: proxy, httpMethod: 'ANY' },
    { type: 'AWS_PROXY', integrationHttpMethod: 'POST', uri: functionUri(arn), credentials },
  );
  // Without a role the function's own policy must let the gateway in, and it does not.
  await method(
    rest,
    { resourceId: await resource(rest, 'closed'), httpMethod: 'GET' },
    { type: 'AWS_PROXY', integrationHttpMethod: 'POST', uri: functionUri(arn) },
  );
  await gateway.createDeployment({ restApiId: id, stageName: 'prod', variables: { color: 'blue' } });
  const answer = await call(hostUrl(id, '/prod/a/b?x=1&x=2&y=z'), {
    method: 'PUT',
    headers: { 'content-type': 'text/plain', 'X-Many': ['1', '2'] },
    body: 'hello ä',
  });
  expect(answer.status).toBe(201);
  expect([answer.headers['x-one'], answer.headers['set-cookie'], answer.headers['content-type']]).toEqual([
    '1',
    ['a=1', 'b=2'],
    'application/json',
  ]);
  const event = JSON.parse(answer.text);
  expect(event).toMatchObject({
    resource: '/{proxy+}',
    path: '/a/b',
    httpMethod: 'PUT',
    queryStringParameters: { x: '2', y: 'z' },
    multiValueQueryStringParameters: { x: ['1', '2'], y: ['z'] },
    pathParameters: { proxy: 'a/b' },
    stageVariables: { color: 'blue' },
    headers: { 'X-Many': '2', 'content-type': 'text/plain', 'X-Forwarded-Proto': 'http' },
    multiValueHeaders: { 'X-Many': ['1', '2'] },
    body: 'hello ä',
    isBase64Encoded: false,
    requestContext: {
      resourcePath: '/{proxy+}',
      httpMethod: 'PUT',
      path: '/prod/a/b',
      accountId: account.id,
      stage: 'prod',
      apiId: id,
      protocol: 'HTTP/1.1',
      identity: { sourceIp: expect.any(String), userAgent: '' },
      requestId: answer.headers['x-amzn-requestid'],
    },
  });
  const plain = JSON.parse((await call(hostUrl(id, '/prod/q'))).text);
  expect([plain.body, plain.queryStringParameters, plain.isBase64Encoded]).toEqual([null, null, false]);
  const upload = await call(hostUrl(id, '/prod/q'), {
    method: 'POST',
    headers: { 'content-type': 'image/png' },
    body: Buffer.from([255, 0]),
  });
  expect(JSON.parse(upload.text)).toMatchObject({ body: Buffer.from([255, 0]).toString('base64'), isBase64Encoded: true });
  const bytes = await call(hostUrl(id, '/prod/q?do=bytes'), { headers: { accept: 'image/png' } });
  expect([...bytes.bytes]).toEqual([1, 2, 255]);
  expect((await call(hostUrl(id, '/prod/q?do=bytes'))).text).toBe('AQL/');
  // Let in by the function's own policy, for this API and method.
  const lambda = new Lambda(account.config());
  const permission = {
    FunctionName: arn,
    StatementId: 'api',
    Action: 'lambda:InvokeFunction',
    Principal: 'apigateway.amazonaws.com',
  };
  await lambda.addPermission({ ...permission, SourceArn: `arn:aws:execute-api:us-east-1:${account.id}:other/*/GET/*` });
  expect((await call(hostUrl(id, '/prod/closed'))).status).toBe(500);
  await lambda.removePermission({ FunctionName: arn, StatementId: 'api' });
  await lambda.addPermission({ ...permission, SourceArn: `arn:aws:execute-api:us-east-1:${account.id}:${id}/*/GET/closed` });
  expect((await call(hostUrl(id, '/prod/closed'))).status).toBe(201);
  await lambda.removePermission({ FunctionName: arn, StatementId: 'api' });
  for (const [path, status] of [
    ['/prod/q?do=throw', 502],
    ['/prod/q?do=text', 502],
    ['/prod/closed', 500],
  ] as const) {
    const refusal = await call(hostUrl(id, path));
    expect([path, refusal.status, refusal.text]).toEqual([path, status, '{"message":"Internal server error"}']);
    expect(refusal.headers['x-amzn-errortype']).toBe('InternalServerErrorException');
  }
});

test('a function without proxying gets what a template makes, and its errors select the answer', {
  timeout: 60_000,
}, async () => {
  const rest = await restApi();
  const { gateway, id, account, root } = rest;
  const arn = await makeFunction(
    account,
    "export const handler = async (event) => { if (event.n > 5) throw new Error('[BadRequest] too big'); return { twice: event.n * 2 }; };",
  );
  const credentials = await role(account, 'apigateway', 'lambda:InvokeFunction', arn);
  await method(
    rest,
    { resourceId: root, httpMethod: 'POST' },
    {
      type: 'AWS',
      integrationHttpMethod: 'POST',
      uri: functionUri(arn),
      credentials,
      requestTemplates: { 'application/json': '{"n": $input.path(\'$.number\')}' },
      passthroughBehavior: 'NEVER',
    },
  );
  await answers(rest, root, 'POST', '{"result": $input.json(\'$.twice\')}');
  const at = { restApiId: id, resourceId: root, httpMethod: 'POST', statusCode: '400' };
  await gateway.putMethodResponse(at);
  await gateway.putIntegrationResponse({
    ...at,
    selectionPattern: '\\[BadRequest\\].*',
    responseTemplates: {
      'application/json': '#set($m = $input.path("$.errorMessage"))#set($context.responseOverride.status = 422){"why": "$m"}',
    },
  });
  await deploy(rest);
  const post = (body: string, type = 'application/json') =>
    call(hostUrl(id, '/prod'), { method: 'POST', body, headers: { 'content-type': type } });
  const good = await post('{"number": 4}');
  expect([good.status, good.text]).toEqual([200, '{"result": 8}']);
  const bad = await post('{"number": 9}');
  expect([bad.status, bad.text]).toEqual([422, '{"why": "[BadRequest] too big"}']);
  const other = await post('x', 'text/plain');
  expect([other.status, other.text]).toEqual([415, '{"message":"Unsupported Media Type"}']);
});
