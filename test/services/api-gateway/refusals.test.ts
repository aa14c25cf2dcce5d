import { IAM } from '@aws-sdk/client-iam';
import { SQS } from '@aws-sdk/client-sqs';
import { beforeEach, expect, test } from 'vitest';
import { advanceClock, freshAccount, machinesRefused, refused, startOwnCloud } from '../../support/cloud.ts';
import { functionUri, makeFunction, role } from './functions.ts';
import { answers, call, deploy, hostUrl, method, mock, type Rest, resource, restApi } from './rest.ts';

beforeEach((context) => context.skip(machinesRefused() !== undefined, machinesRefused()));

/** A resource whose backend is a queue: what reaches it can be counted. */
async function queued(rest: Rest, name: string, more: Parameters<typeof method>[1] extends infer M ? Partial<M> : never = {}) {
  const { account } = rest;
  const sqs = new SQS(account.config());
  const { QueueUrl = '' } = await sqs.createQueue({ QueueName: name });
  const credentials = await role(account, 'apigateway', 'sqs:SendMessage');
  const resourceId = await resource(rest, name);
  await method(
    rest,
    { ...more, resourceId, httpMethod: 'POST' },
    {
      type: 'AWS',
      integrationHttpMethod: 'POST',
      uri: `arn:aws:apigateway:us-east-1:sqs:path/${account.id}/${name}`,
      credentials,
      requestParameters: { 'integration.request.header.Content-Type': "'application/x-www-form-urlencoded'" },
      requestTemplates: { 'application/json': 'Action=SendMessage&MessageBody=$util.urlEncode($input.body)' },
    },
  );
  await answers(rest, resourceId, 'POST');
  const count = async () =>
    Number((await sqs.getQueueAttributes({ QueueUrl, AttributeNames: ['All'] })).Attributes?.['ApproximateNumberOfMessages']);
  return { count, resourceId };
}

const guard = `
export const handler = async ({ authorizationToken: token, methodArn }) => {
  if (token === 'nobody') throw new Error('Unauthorized');
  if (token === 'broken') throw new Error('crash');
  const Effect = token === 'yes' ? 'Allow' : 'Deny';
  return { principalId: 'me', policyDocument: { Version: '2012-10-17', Statement: [{ Action: 'execute-api:Invoke', Effect, Resource: methodArn }] }, context: { team: 'a', n: 3 } };
};`;

test('APIGW-002 callers without a key, whom the authorizer refuses, or who are too many are turned away, and the backend sees none of them', {
  timeout: 90_000,
}, async () => {
  const rest = await restApi();
  const { gateway, id, account } = rest;
  const arn = await makeFunction(account, guard);
  const authorizer = await gateway.createAuthorizer({
    restApiId: id,
    name: 'guard',
    type: 'TOKEN',
    authorizerUri: functionUri(arn),
    authorizerCredentials: await role(account, 'apigateway', 'lambda:InvokeFunction', arn),
    identitySource: 'method.request.header.Authorization',
    identityValidationExpression: '[a-z]+',
  });
  const keyed = await queued(rest, 'keyed', { apiKeyRequired: true });
  const guarded = await queued(rest, 'guarded', { authorizationType: 'CUSTOM', authorizerId: authorizer.id });
  const slow = await queued(rest, 'slow');
  await deploy(rest);
  const post = (path: string, headers: Record<string, string> = {}) =>
    call(hostUrl(id, `/prod/${path}`), {
      method: 'POST',
      body: '{}',
      headers: { 'content-type': 'application/json', ...headers },
    });
  // Keys.
  const { id: keyId, value = '' } = await gateway.createApiKey({ name: 'k', enabled: true });
  const forbidden = { status: 403, text: '{"message":"Forbidden"}' };
  expect(await post('keyed')).toMatchObject(forbidden);
  expect(await post('keyed', { 'x-api-key': 'wrong-wrong-wrong-wrong' })).toMatchObject(forbidden);
  // A key counts by its plan only.
  expect(await post('keyed', { 'x-api-key': value })).toMatchObject(forbidden);
  const plan = await gateway.createUsagePlan({
    name: 'p',
    apiStages: [{ apiId: id, stage: 'prod' }],
    quota: { limit: 2, period: 'DAY' },
  });
  await gateway.createUsagePlanKey({ usagePlanId: plan.id, keyId, keyType: 'API_KEY' });
  expect(await keyed.count()).toBe(0);
  expect((await post('keyed', { 'x-api-key': value })).text).toContain('<MessageId>');
  expect((await post('keyed', { 'x-api-key': value })).status).toBe(200);
  expect(await post('keyed', { 'x-api-key': value })).toMatchObject({ status: 429, text: '{"message":"Limit Exceeded"}' });
  expect(await keyed.count()).toBe(2);
  await gateway.updateApiKey({ apiKey: keyId, patchOperations: [{ op: 'replace', path: '/enabled', value: 'false' }] });
  expect(await post('keyed', { 'x-api-key': value })).toMatchObject(forbidden);
  // Authorizers.
  const unauthorized = { status: 401, text: '{"message":"Unauthorized"}' };
  expect(await post('guarded')).toMatchObject(unauthorized);
  expect(await post('guarded', { authorization: 'NOT LIKE THAT' })).toMatchObject(unauthorized);
  expect(await post('guarded', { authorization: 'nobody' })).toMatchObject(unauthorized);
  expect(await post('guarded', { authorization: 'no' })).toMatchObject({
    status: 403,
    text: '{"Message":"User is not authorized to access this resource with an explicit deny"}',
  });
  expect(await post('guarded', { authorization: 'broken' })).toMatchObject({ status: 500, text: '{"message":null}' });
  expect(await guarded.count()).toBe(0);
  expect((await post('guarded', { authorization: 'yes' })).status).toBe(200);
  expect(await guarded.count()).toBe(1);
  // Throttles: two at once, and next to none a second.
  const settings = [
    { op: 'replace' as const, path: '/~1slow/POST/throttling/burstLimit', value: '2' },
    { op: 'replace' as const, path: '/~1slow/POST/throttling/rateLimit', value: '0.001' },
  ];
  await gateway.updateStage({ restApiId: id, stageName: 'prod', patchOperations: settings });
  const replies = await Promise.all(Array.from({ length: 6 }, () => post('slow')));
  expect(replies.map(({ status }) => status).sort()).toEqual([200, 200, 429, 429, 429, 429]);
  expect(replies.find(({ status }) => status === 429)?.text).toBe('{"message":"Too Many Requests"}');
  expect(await slow.count()).toBe(2);
});

test("a bucket fills with the cloud's time, a quota ends with its day, an authorizer is asked again after its time", {
  timeout: 90_000,
}, async () => {
  const cloud = await startOwnCloud();
  try {
    const rest = await restApi({}, freshAccount(cloud.endpoint));
    const { gateway, id, root, account } = rest;
    const arn = await makeFunction(
      account,
      "let n = 0; export const handler = async ({ methodArn }) => ({ principalId: String(++n), policyDocument: { Version: '2012-10-17', Statement: [{ Action: '*', Effect: 'Allow', Resource: methodArn }] } });",
    );
    const { id: authorizerId } = await gateway.createAuthorizer({
      restApiId: id,
      name: 'count',
      type: 'REQUEST',
      authorizerUri: functionUri(arn),
      authorizerCredentials: await role(account, 'apigateway', 'lambda:InvokeFunction', arn),
      identitySource: 'method.request.querystring.who',
      authorizerResultTtlInSeconds: 60,
    });
    await mock(rest, root, 'GET', '$context.authorizer.principalId', { authorizationType: 'CUSTOM', authorizerId });
    await mock(rest, await resource(rest, 'keyed'), 'GET', 'ok', { apiKeyRequired: true });
    await deploy(rest);
    const get = async (path: string, headers = {}) => {
      const { status, text } = await call(hostUrl(id, `/prod${path}`, cloud.endpoint), { headers });
      return [status, text];
    };
    expect(await get('')).toEqual([401, '{"message":"Unauthorized"}']);
    expect(await get('?who=a')).toEqual([200, '1']);
    expect(await get('?who=a')).toEqual([200, '1']);
    expect((await get('?who=b'))[0]).toBe(200);
    await advanceClock(cloud.endpoint, 61_000);
    expect(await get('?who=a')).not.toEqual([200, '1']);
    const { id: keyId, value } = await gateway.createApiKey({ enabled: true });
    const plan = await gateway.createUsagePlan({
      name: 'p',
      apiStages: [{ apiId: id, stage: 'prod' }],
      quota: { limit: 2, period: 'DAY' },
      throttle: { rateLimit: 0.1, burstLimit: 1 },
    });
    await gateway.createUsagePlanKey({ usagePlanId: plan.id, keyId, keyType: 'API_KEY' });
    const keyed = () => get('/keyed', { 'x-api-key': value });
    expect((await keyed())[0]).toBe(200);
    expect(await keyed()).toEqual([429, '{"message":"Too Many Requests"}']);
    await advanceClock(cloud.endpoint, 10_000);
    expect((await keyed())[0]).toBe(200);
    await advanceClock(cloud.endpoint, 10_000);
    expect(await keyed()).toEqual([429, '{"message":"Limit Exceeded"}']);
    await advanceClock(cloud.endpoint, 86_400_000);
    expect((await keyed())[0]).toBe(200);
  } finally {
    await cloud.stop();
  }
});

test("signatures, resource policies and validators refuse in the gateway's words", async () => {
  const rest = await restApi();
  const { gateway, id, account, root } = rest;
  await mock(rest, root, 'GET', 'in', { authorizationType: 'AWS_IAM' });
  const items = await resource(rest, 'items');
  const model = { restApiId: id, name: 'Item', contentType: 'application/json' };
  await refused(gateway.createModel({ ...model, schema: 'no json' }), 'BadRequestException', /^Model schema must be valid JSON/);
  await gateway.createModel({
    ...model,
    schema:
      '{"$schema": "http://json-schema.org/draft-04/schema#", "type": "object", "required": ["name"], "properties": {"name": {"type": "string"}, "n": {"type": "integer", "minimum": 0, "exclusiveMinimum": true}}}',
  });
  const { id: requestValidatorId } = await gateway.createRequestValidator({
    restApiId: id,
    validateRequestBody: true,
    validateRequestParameters: true,
  });
  await mock(rest, items, 'POST', 'made', {
    requestValidatorId,
    requestModels: { 'application/json': 'Item' },
    requestParameters: {
      'method.request.querystring.kind': true,
      'method.request.header.X-Id': true,
      'method.request.header.X-Maybe': false,
    },
  });
  await deploy(rest);
  const post = async (query: string, body: string, headers: Record<string, string> = { 'x-id': '1' }) => {
    const { status, text } = await call(hostUrl(id, `/prod/items${query}`), {
      method: 'POST',
      body,
      headers: { 'content-type': 'application/json', ...headers },
    });
    return [status, text];
  };
  expect(await post('?kind=a', '{"name":"x","n":1}')).toEqual([200, 'made']);
  expect(await post('', '{"name":"x"}', {})).toEqual([400, '{"message":"Missing required request parameters: [kind, X-Id]"}']);
  for (const body of ['{"n":1}', '{"name":1}', '{"name":"x","n":0}', 'no json', ''])
    expect([body, ...(await post('?kind=a', body))]).toEqual([body, 400, '{"message":"Invalid request body"}']);
  await gateway.putGatewayResponse({
    restApiId: id,
    responseType: 'BAD_REQUEST_BODY',
    responseTemplates: { 'application/json': '{"why":"$context.error.validationErrorString"}' },
  });
  const open = { Effect: 'Allow', Principal: '*', Action: 'execute-api:Invoke', Resource: 'execute-api:/*/POST/*' };
  await gateway.updateRestApi({
    restApiId: id,
    patchOperations: [
      {
        op: 'replace',
        path: '/policy',
        value: JSON.stringify({
          Version: '2012-10-17',
          Statement: [{ ...open, Condition: { IpAddress: { 'aws:SourceIp': '9.9.9.9/32' } } }],
        }),
      },
    ],
  });
  expect((await post('?kind=a', '{"name":"x"}'))[0]).toBe(200);
  await deploy(rest);
  const [status, text] = await post('?kind=a', '{"name":"x"}');
  expect(status).toBe(403);
  expect(text).toMatch(
    /^\{"Message":"User: anonymous is not authorized to perform: execute-api:Invoke on resource: arn:aws:execute-api:us-east-1:\*{8}\d{4}:[a-z0-9]+\/prod\/POST\/items/,
  );
  await gateway.updateRestApi({
    restApiId: id,
    patchOperations: [{ op: 'replace', path: '/policy', value: JSON.stringify({ Version: '2012-10-17', Statement: [open] }) }],
  });
  await deploy(rest);
  expect((await post('?kind=a', '{"name":"x"}'))[0]).toBe(200);
  expect((await post('?kind=a', '{}'))[1]).toBe(
    '{"why":"[object has missing required properties ([\\"name\\"])]"}'.replaceAll('\\"', '"'),
  );
  // Signature Version 4.
  const unsigned = await call(hostUrl(id, '/prod/'));
  expect([unsigned.status, unsigned.text]).toEqual([403, '{"message":"Missing Authentication Token"}']);
  const iam = new IAM(account.config());
  await iam.createUser({ UserName: 'u' });
  const { AccessKey } = await iam.createAccessKey({ UserName: 'u' });
  const { SignatureV4 } = await import('@smithy/signature-v4');
  const { Sha256 } = await import('@aws-crypto/sha256-js');
  const signed = async (secret = AccessKey?.SecretAccessKey ?? '') => {
    const url = new URL(hostUrl(id, '/prod/'));
    const signer = new SignatureV4({
      service: 'execute-api',
      region: 'us-east-1',
      sha256: Sha256,
      credentials: { accessKeyId: AccessKey?.AccessKeyId ?? '', secretAccessKey: secret },
    });
    const request = await signer.sign({
      method: 'GET',
      protocol: 'http:',
      hostname: url.hostname,
      port: Number(url.port),
      path: '/prod/',
      headers: { host: url.host },
      query: {},
    });
    return call(url.href, { headers: request.headers as Record<string, string> });
  };
  const denied = await signed();
  expect(denied.status).toBe(403);
  expect(denied.text).toMatch(
    /"Message":"User: arn:aws:iam::\d+:user\/u is not authorized to perform: execute-api:Invoke on resource: arn:aws:execute-api:us-east-1:\*{8}/,
  );
  const PolicyDocument = JSON.stringify({
    Version: '2012-10-17',
    Statement: [
      { Effect: 'Allow', Action: 'execute-api:Invoke', Resource: `arn:aws:execute-api:us-east-1:${account.id}:${id}/prod/GET/` },
    ],
  });
  await iam.putUserPolicy({ UserName: 'u', PolicyName: 'p', PolicyDocument });
  expect((await signed()).text).toBe('in');
  const forged = await signed('wrong');
  expect([forged.status, JSON.parse(forged.text).message]).toEqual([
    403,
    expect.stringMatching(/^The request signature we calculated does not match/),
  ]);
});

test('the throttle of one method is changed by its path as it is, or escaped; others are refused', async () => {
  const rest = await restApi();
  const { gateway, id } = rest;
  await mock(rest, await resource(rest, 'pets'), 'GET', 'pets');
  await deploy(rest);
  const stage = `${id}:prod`;
  const { id: usagePlanId } = await gateway.createUsagePlan({ name: 'p', apiStages: [{ apiId: id, stage: 'prod' }] });
  const change = (path: string, value?: string) =>
    gateway.updateUsagePlan({ usagePlanId, patchOperations: [{ op: value === undefined ? 'remove' : 'replace', path, value }] });
  const throttles = async () => (await gateway.getUsagePlan({ usagePlanId })).apiStages?.[0]?.throttle;
  await change(`/apiStages/${stage}/throttle//pets/GET/rateLimit`, '5.5');
  await change(`/apiStages/${stage}/throttle/~1pets~1GET/burstLimit`, '7');
  expect(await throttles()).toEqual({ '/pets/GET': { rateLimit: 5.5, burstLimit: 7 } });
  await refused(change(`/apiStages/${stage}/quota//pets/GET/limit`, '1'), 'BadRequestException', /^Invalid patch path/);
  await refused(change('/apiStages/none:prod/throttle//pets/GET/rateLimit', '1'), 'NotFoundException', /none/);
  await change(`/apiStages/${stage}/throttle//pets/GET`);
  expect(Object.keys((await throttles()) ?? {})).toEqual([]);
});
