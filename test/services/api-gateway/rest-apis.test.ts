import { expect, inject, test } from 'vitest';
import { refused } from '../../support/cloud.ts';
import { call, deploy, hostUrl, method, mock, pathUrl, resource, restApi } from './rest.ts';

test('APIGW-001 an API with a resource, a method and an integration answers at its stage once it is deployed', async () => {
  const rest = await restApi();
  const { gateway, id } = rest;
  const pets = await resource(rest, 'pets');
  const pet = await resource(rest, '{petId}', pets);
  await mock(rest, pet, 'GET', '{"id": "$input.params(\'petId\')", "stage": "$context.stage"}');
  const before = await call(hostUrl(id, '/prod/pets/7'));
  expect([before.status, before.text]).toEqual([403, '{"message":"Forbidden"}']);
  await deploy(rest);
  const answer = await call(hostUrl(id, '/prod/pets/7'));
  expect([answer.status, JSON.parse(answer.text)]).toEqual([200, { id: '7', stage: 'prod' }]);
  expect(answer.headers['content-type']).toBe('application/json');
  expect(answer.headers['x-amzn-requestid']).toMatch(/^[0-9a-f-]{36}$/);
  expect(answer.headers['x-amz-apigw-id']).toBeDefined();
  for (const url of [
    pathUrl(id, '/prod/pets/8'),
    `${inject('endpoint')}/restapis/${id}/prod/_user_request_/pets/8`,
    hostUrl(id, '/prod/pets/8').replace('.localhost:', '.localhost.localstack.cloud:'),
  ]) {
    const reply = await call(url.includes('localstack') ? url.replace(/\/\/[^/]+/, '//127.0.0.1:' + new URL(url).port) : url, {
      headers: url.includes('localstack') ? { host: new URL(url).host } : {},
    });
    expect([url, reply.status, JSON.parse(reply.text).id]).toEqual([url, 200, '8']);
  }
  // What nobody made is told apart from what is not there.
  for (const [verb, path] of [
    ['GET', '/prod/cats'],
    ['POST', '/prod/pets/7'],
    ['GET', '/prod/pets'],
  ] as const) {
    const refusal = await call(hostUrl(id, path), { method: verb });
    expect([refusal.status, refusal.text]).toEqual([403, '{"message":"Missing Authentication Token"}']);
    expect(refusal.headers['x-amzn-errortype']).toBe('MissingAuthenticationTokenException');
  }
  expect((await call(hostUrl(id, '/dev/pets/7'))).text).toBe('{"message":"Forbidden"}');
  expect((await call(hostUrl('zzzzzzzzzz', '/prod/pets/7'))).text).toBe('{"message":"Forbidden"}');
  // A change is seen with the next deployment only, and an older deployment can be put back.
  await gateway.updateIntegrationResponse({
    ...{ restApiId: id, resourceId: pet, httpMethod: 'GET', statusCode: '200' },
    patchOperations: [{ op: 'replace', path: '/responseTemplates/application~1json', value: '{"new": true}' }],
  });
  expect(JSON.parse((await call(hostUrl(id, '/prod/pets/7'))).text).id).toBe('7');
  const { items: [first] = [] } = await gateway.getDeployments({ restApiId: id });
  await deploy(rest);
  expect((await call(hostUrl(id, '/prod/pets/7'))).text).toBe('{"new": true}');
  await gateway.updateStage({
    ...{ restApiId: id, stageName: 'prod' },
    patchOperations: [{ op: 'replace', path: '/deploymentId', value: first?.id }],
  });
  expect(JSON.parse((await call(hostUrl(id, '/prod/pets/7'))).text).id).toBe('7');
  await gateway.deleteRestApi({ restApiId: id });
  expect((await call(hostUrl(id, '/prod/pets/7'))).status).toBe(403);
});

test('literal parts go before variables, variables before greedy ones', async () => {
  const rest = await restApi();
  const users = await resource(rest, 'users');
  await mock(rest, await resource(rest, 'me', users), 'GET', 'me');
  await mock(rest, await resource(rest, '{id}', users), 'GET', "id $input.params('id')");
  await mock(
    rest,
    await resource(rest, '{proxy+}'),
    'ANY',
    "proxy $input.params('proxy') $context.httpMethod $context.resourcePath",
  );
  await mock(rest, rest.root, 'GET', 'root');
  await deploy(rest);
  const get = async (path: string, verb = 'GET') => (await call(hostUrl(rest.id, `/prod${path}`), { method: verb })).text;
  expect(await get('/users/me')).toBe('me');
  expect(await get('/users/a%20b')).toBe('id a b');
  expect(await get('/users/a/b')).toBe('proxy users/a/b GET /{proxy+}');
  expect(await get('/x/y/', 'PUT')).toBe('proxy x/y PUT /{proxy+}');
  expect(await get('')).toBe('root');
  expect(await get('/')).toBe('root');
});

test("what is wrong with an API is said in the service's words", async () => {
  const rest = await restApi();
  const { gateway, id, root, account } = rest;
  await refused(
    gateway.getRestApi({ restApiId: 'nothing' }),
    'NotFoundException',
    `Invalid API identifier specified ${account.id}:nothing`,
    404,
  );
  await refused(
    gateway.createResource({ restApiId: id, parentId: 'none', pathPart: 'a' }),
    'NotFoundException',
    'Invalid Resource identifier specified',
  );
  const a = await resource(rest, 'a');
  await refused(
    gateway.createResource({ restApiId: id, parentId: root, pathPart: 'a' }),
    'ConflictException',
    'Another resource with the same parent already has this name: a',
    409,
  );
  await refused(
    gateway.createResource({ restApiId: id, parentId: root, pathPart: 'a/b' }),
    'BadRequestException',
    /path part only allow/,
  );
  const one = await resource(rest, '{one}');
  await refused(
    gateway.createResource({ restApiId: id, parentId: root, pathPart: '{two}' }),
    'BadRequestException',
    `A sibling (${one}) of this resource already has a variable path part -- only one is allowed`,
  );
  const greedy = await resource(rest, '{all+}', a);
  await refused(
    gateway.createResource({ restApiId: id, parentId: greedy, pathPart: 'x' }),
    'BadRequestException',
    'Cannot create a child of a resource with a greedy path variable: {all+}',
  );
  await refused(gateway.createDeployment({ restApiId: id }), 'BadRequestException', "The REST API doesn't contain any methods");
  const at = { restApiId: id, resourceId: a, httpMethod: 'GET' };
  await refused(gateway.getMethod(at), 'NotFoundException', 'Invalid Method identifier specified');
  await gateway.putMethod({ ...at, authorizationType: 'NONE' });
  await refused(
    gateway.putMethod({ ...at, authorizationType: 'NONE' }),
    'ConflictException',
    'Method already exists for this resource',
  );
  await refused(gateway.createDeployment({ restApiId: id }), 'BadRequestException', 'No integration defined for method');
  await refused(gateway.getIntegration(at), 'NotFoundException', 'Invalid Integration identifier specified');
  await refused(
    gateway.putIntegration({ ...at, type: 'AWS', integrationHttpMethod: 'POST', uri: 'arn:aws:apigateway:us-east-1:sqs:path/q' }),
    'BadRequestException',
    'Role ARN must be specified for AWS integrations',
  );
  await refused(
    gateway.putIntegration({ ...at, type: 'HTTP', uri: 'http://a.example' }),
    'BadRequestException',
    'Enumeration value for HttpMethod must be non-empty',
  );
  await refused(
    gateway.putIntegration({ ...at, type: 'HTTP', integrationHttpMethod: 'GET', uri: 'ftp://a' }),
    'BadRequestException',
    'Invalid HTTP endpoint specified for URI',
  );
  await refused(
    gateway.putIntegration({ ...at, type: 'MOCK', timeoutInMillis: 30_000 }),
    'BadRequestException',
    'Timeout should be between 50 ms and 29000 ms',
  );
  await refused(
    gateway.updateRestApi({ restApiId: id, patchOperations: [{ op: 'replace', path: '/nothing', value: 'x' }] }),
    'BadRequestException',
    /^Invalid patch path {2}'\/nothing' specified for op 'replace'\. Must be one of: \[\/name, /,
  );
  await refused(
    gateway.createStage({ restApiId: id, stageName: 'a b', deploymentId: 'x' }),
    'BadRequestException',
    'Stage name only allows a-zA-Z0-9_',
  );
  await refused(
    gateway.createStage({ restApiId: id, stageName: 'ab', deploymentId: 'x' }),
    'NotFoundException',
    'Invalid Deployment identifier specified',
  );
  await refused(gateway.getStage({ restApiId: id, stageName: 'ab' }), 'NotFoundException', 'Invalid Stage identifier specified');
});

test("answers of the gateway follow the API's gateway responses, preflights a MOCK of OPTIONS", async () => {
  const rest = await restApi();
  const { gateway, id, root } = rest;
  const at = { restApiId: id, resourceId: root, httpMethod: 'OPTIONS' };
  await method(
    rest,
    { resourceId: root, httpMethod: 'OPTIONS' },
    { type: 'MOCK', requestTemplates: { 'application/json': '{"statusCode": 204}' } },
  );
  const header = 'method.response.header.Access-Control-Allow-Origin';
  await gateway.putMethodResponse({ ...at, statusCode: '204', responseParameters: { [header]: false } });
  await refused(
    gateway.putIntegrationResponse({ ...at, statusCode: '204', responseParameters: { 'method.response.header.X': "'*'" } }),
    'BadRequestException',
    'Invalid mapping expression parameter specified: method.response.header.X',
  );
  await gateway.putIntegrationResponse({ ...at, statusCode: '204', responseParameters: { [header]: "'*'" } });
  await gateway.putGatewayResponse({
    restApiId: id,
    responseType: 'DEFAULT_4XX',
    responseParameters: {
      'gatewayresponse.header.Access-Control-Allow-Origin': "'*'",
      'gatewayresponse.header.X-Path': 'context.path',
    },
    responseTemplates: { 'application/json': '{"error": $context.error.messageString, "type": "$context.error.responseType"}' },
  });
  await gateway.putGatewayResponse({ restApiId: id, responseType: 'MISSING_AUTHENTICATION_TOKEN', statusCode: '404' });
  await deploy(rest);
  const preflight = await call(hostUrl(id, '/prod'), { method: 'OPTIONS', headers: { origin: 'http://x.example' } });
  expect([preflight.status, preflight.headers['access-control-allow-origin'], preflight.text]).toEqual([204, '*', '']);
  const missing = await call(hostUrl(id, '/prod/none'));
  expect([missing.status, missing.text]).toEqual([404, '{"message":"Missing Authentication Token"}']);
  await gateway.deleteGatewayResponse({ restApiId: id, responseType: 'MISSING_AUTHENTICATION_TOKEN' });
  await deploy(rest);
  const other = await call(hostUrl(id, '/prod/none'));
  expect([other.status, JSON.parse(other.text)]).toEqual([
    403,
    { error: 'Missing Authentication Token', type: 'MISSING_AUTHENTICATION_TOKEN' },
  ]);
  expect([other.headers['access-control-allow-origin'], other.headers['x-path']]).toEqual(['*', '/prod/none']);
});
