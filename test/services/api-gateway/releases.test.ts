/** What stages have beyond a deployment: canaries, documentation, certificates for the servers behind them. */
import { Lambda } from '@aws-sdk/client-lambda';
import { ApiGatewayV2 } from '@aws-sdk/client-apigatewayv2';
import { expect, test } from 'vitest';
import { eventually, machinesRefused, refused } from '../../support/cloud.ts';
import { base64, Lab } from '../ec2/support.ts';
import { functionUri, makeFunction } from './functions.ts';
import { call, deploy, hostUrl, method, mock, resource, restApi } from './rest.ts';

test('a canary takes its part of the traffic, and is promoted', async () => {
  const rest = await restApi();
  const { gateway, id: restApiId } = rest;
  const path = await resource(rest, 'v');
  await mock(rest, path, 'GET', 'one $stageVariables.who');
  const stageName = 'prod';
  await gateway.createDeployment({ restApiId, stageName, variables: { who: 'all' } });
  await gateway.deleteMethod({ restApiId, resourceId: path, httpMethod: 'GET' });
  await mock(rest, path, 'GET', 'two $stageVariables.who $context.isCanaryRequest');
  const canarySettings = { percentTraffic: 50, stageVariableOverrides: { who: 'some' } };
  await refused(gateway.createDeployment({ restApiId, stageName: 'none', canarySettings }), 'NotFoundException');
  await refused(
    gateway.createDeployment({ restApiId, stageName, canarySettings: { percentTraffic: 101 } }),
    'BadRequestException',
    'Canary percent traffic must be between 0 and 100',
  );
  const { id: deploymentId } = await gateway.createDeployment({ restApiId, stageName, canarySettings });
  expect((await gateway.getStage({ restApiId, stageName })).canarySettings).toEqual({
    deploymentId,
    useStageCache: false,
    ...canarySettings,
  });
  const get = async () => (await call(hostUrl(restApiId, '/prod/v'))).text;
  const seen = new Set(await Promise.all(Array.from({ length: 40 }, get)));
  expect([...seen].sort()).toEqual(['one all', 'two some true']);
  await gateway.updateStage({
    ...{ restApiId, stageName },
    patchOperations: [
      { op: 'copy', path: '/deploymentId', from: '/canarySettings/deploymentId' },
      { op: 'remove', path: '/canarySettings' },
    ],
  });
  expect(await get()).toBe('two all false');
});

test('parts of an API are documented, and versions of that go with stages and exports', async () => {
  const rest = await restApi();
  const { gateway, id: restApiId } = rest;
  await mock(rest, await resource(rest, 'pets'), 'GET', 'pets');
  await deploy(rest);
  const location = { type: 'RESOURCE' as const, path: '/pets' };
  const properties = JSON.stringify({ description: 'All pets' });
  const made = await gateway.createDocumentationPart({ restApiId, location, properties });
  expect(made).toMatchObject({ location, properties });
  await refused(gateway.createDocumentationPart({ restApiId, location, properties }), 'ConflictException');
  await refused(
    gateway.createDocumentationPart({ restApiId, location: { type: 'API' }, properties: 'no' }),
    'BadRequestException',
  );
  await refused(
    gateway.createDocumentationPart({ restApiId, location: { type: 'MODEL' }, properties }),
    'BadRequestException',
    /name/,
  );
  // Empty texts stand for what is left out, as Terraform sends them.
  const empty = { type: 'METHOD' as const, path: '/pets', method: 'GET', statusCode: '', name: '' };
  const method = await gateway.createDocumentationPart({ restApiId, location: empty, properties });
  expect(method.location).toEqual({ type: 'METHOD', path: '/pets', method: 'GET' });
  await gateway.deleteDocumentationPart({ restApiId, documentationPartId: method.id });
  await refused(
    gateway.createDocumentationPart({ restApiId, location: { type: 'API', path: '/' }, properties }),
    'BadRequestException',
  );
  const importing = { documentationParts: [{ location: { type: 'API' }, properties: { info: { description: 'Shop' } } }] };
  const body = Buffer.from(JSON.stringify({ openapi: '3.0.1', 'x-amazon-apigateway-documentation': importing }));
  expect((await gateway.importDocumentationParts({ restApiId, mode: 'merge', body })).ids).toHaveLength(1);
  expect((await gateway.getDocumentationParts({ restApiId })).items).toHaveLength(2);
  expect((await gateway.getDocumentationParts({ restApiId, type: 'API' })).items).toMatchObject([{ location: { type: 'API' } }]);
  const changed = JSON.stringify({ description: 'Every pet' });
  const patch = { op: 'replace' as const, path: '/properties', value: changed };
  await gateway.updateDocumentationPart({ restApiId, documentationPartId: made.id, patchOperations: [patch] });
  const documentationVersion = '1.0';
  await gateway.createDocumentationVersion({ restApiId, documentationVersion, stageName: 'prod', description: 'first' });
  await refused(gateway.createDocumentationVersion({ restApiId, documentationVersion }), 'ConflictException');
  await gateway.deleteDocumentationPart({ restApiId, documentationPartId: made.id });
  await refused(gateway.getDocumentationPart({ restApiId, documentationPartId: made.id }), 'NotFoundException');
  const { body: out } = await gateway.getExport({
    ...{ restApiId, stageName: 'prod', exportType: 'oas30', parameters: { extensions: 'documentation' } },
  });
  // A version keeps what was deleted since.
  const doc = JSON.parse(Buffer.from(out ?? []).toString('utf8'))['x-amazon-apigateway-documentation'];
  expect(doc).toMatchObject({ version: '1.0' });
  expect(doc.documentationParts).toContainEqual({ location, properties: { description: 'Every pet' } });
  await refused(gateway.deleteDocumentationVersion({ restApiId, documentationVersion }), 'BadRequestException');
  const none = { op: 'replace' as const, path: '/documentationVersion', value: '' };
  await gateway.updateStage({ restApiId, stageName: 'prod', patchOperations: [none] });
  await gateway.deleteDocumentationVersion({ restApiId, documentationVersion });
  await refused(gateway.getDocumentationVersion({ restApiId, documentationVersion }), 'NotFoundException');
});

test('an authorizer is tried without a caller', async () => {
  const rest = await restApi();
  const { gateway, id: restApiId, account } = rest;
  const source = `export const handler = async ({ authorizationToken: token, methodArn }) => {
    if (token === 'bad') throw new Error('Unauthorized');
    return { principalId: token, policyDocument: { Version: '2012-10-17',
      Statement: [{ Action: 'execute-api:Invoke', Effect: 'Allow', Resource: methodArn }] } };
  };`;
  const FunctionName = await makeFunction(account, source);
  const allow = { StatementId: 's', Action: 'lambda:InvokeFunction', Principal: 'apigateway.amazonaws.com' };
  await new Lambda(account.config()).addPermission({ FunctionName, ...allow });
  const { id: authorizerId } = await gateway.createAuthorizer({
    ...{ restApiId, name: 'a', type: 'TOKEN' as const, identitySource: 'method.request.header.Authorization' },
    authorizerUri: functionUri(FunctionName),
  });
  const ask = (headers: Record<string, string>) => gateway.testInvokeAuthorizer({ restApiId, authorizerId, headers });
  const good = await ask({ Authorization: 'me' });
  expect(good).toMatchObject({ clientStatus: 200, principalId: 'me' });
  expect(JSON.parse(good.policy ?? '').Statement[0].Effect).toBe('Allow');
  expect(await ask({ Authorization: 'bad' })).toMatchObject({ clientStatus: 401 });
  expect((await ask({})).clientStatus).toBe(401);
  await refused(
    gateway.testInvokeAuthorizer({ restApiId, authorizerId: 'nothing' }),
    'NotFoundException',
    'Invalid Authorizer identifier specified',
  );
});

test('models and responses of WebSocket APIs are changed', async () => {
  const rest = await restApi();
  const gateway = new ApiGatewayV2(rest.account.config());
  const { ApiId } = await gateway.createApi({
    Name: 's',
    ProtocolType: 'WEBSOCKET',
    RouteSelectionExpression: '$request.body.a',
  });
  const model = { ApiId, Name: 'one', Schema: '{}' };
  const { ModelId } = await gateway.createModel(model);
  await refused(gateway.createModel(model), 'ConflictException');
  expect(await gateway.updateModel({ ApiId, ModelId, Name: 'two', Schema: '{"type":"object"}' })).toMatchObject({ Name: 'two' });
  await refused(gateway.updateModel({ ApiId, ModelId, Schema: '{' }), 'BadRequestException', 'Invalid model schema specified');
  expect((await gateway.getModels({ ApiId })).Items).toMatchObject([{ Name: 'two', Schema: '{"type":"object"}' }]);
  const { IntegrationId } = await gateway.createIntegration({ ApiId, IntegrationType: 'MOCK' });
  const response = { ApiId, IntegrationId, IntegrationResponseKey: '/200/' };
  const { IntegrationResponseId } = await gateway.createIntegrationResponse(response);
  const ResponseTemplates = { $default: 'x' };
  expect(await gateway.updateIntegrationResponse({ ...response, IntegrationResponseId, ResponseTemplates })).toMatchObject({
    ResponseTemplates,
  });
  await refused(gateway.resetAuthorizersCache({ ApiId, StageName: 's' }), 'BadRequestException');
});

test('a stage shows its client certificate to the server behind it', async (context) => {
  context.skip(machinesRefused() !== undefined, machinesRefused());
  const rest = await restApi();
  const { gateway, id: restApiId } = rest;
  const made = await gateway.generateClientCertificate({ description: 'mine', tags: { a: 'b' } });
  const clientCertificateId = made.clientCertificateId ?? '';
  expect(made.pemEncodedCertificate).toMatch(/^-----BEGIN CERTIFICATE-----/);
  expect(made.expirationDate!.getTime() - made.createdDate!.getTime()).toBe(365 * 86_400_000);
  expect((await gateway.getClientCertificates({})).items).toHaveLength(1);
  await refused(
    gateway.getClientCertificate({ clientCertificateId: 'nothing' }),
    'NotFoundException',
    'Invalid Client Certificate identifier specified',
  );

  const lab = new Lab(undefined, rest.account);
  const network = await lab.network('10.62');
  await lab.allow(network.groupId, 'tcp', 443, 443, '0.0.0.0/0');
  const instance = await lab.launch({
    SubnetId: network.subnetId,
    SecurityGroupIds: [network.groupId],
    UserData: base64(server),
  });
  await lab.inState(instance, 'running');
  const address = (await lab.instance(instance)).PublicIpAddress;
  const path = await resource(rest, 'who');
  const at = { resourceId: path, httpMethod: 'GET' };
  await method(rest, at, {
    ...{ type: 'HTTP_PROXY', integrationHttpMethod: 'GET', uri: `https://${address}/` },
    tlsConfig: { insecureSkipVerification: true },
  });
  await deploy(rest);
  const get = async () => (await call(hostUrl(restApiId, '/prod/who'))).text;
  await eventually(async () => expect(await get()).toBe('nobody'), { why: 'the server answers', timeoutMs: 30_000 });
  const set = (value: string) =>
    gateway.updateStage({
      restApiId,
      stageName: 'prod',
      patchOperations: [{ op: 'replace', path: '/clientCertificateId', value }],
    });
  await refused(set('nothing'), 'NotFoundException');
  await set(clientCertificateId);
  expect(await get()).toBe(made.pemEncodedCertificate?.trim());
  await refused(gateway.deleteClientCertificate({ clientCertificateId }), 'BadRequestException', /in use/);
  await set('');
  expect(await get()).toBe('nobody');
  await gateway.deleteClientCertificate({ clientCertificateId });
}, 60_000);

/** A server of TLS that answers with the certificate that it was shown. */
const server = `#!/bin/bash
openssl req -x509 -newkey rsa:2048 -nodes -days 9 -subj /CN=server -keyout /key -out /certificate
cat > /server.js <<'END'
const { readFileSync } = require('fs');
require('https').createServer({ key: readFileSync('/key'), cert: readFileSync('/certificate'), requestCert: true, rejectUnauthorized: false },
  (request, response) => {
    const shown = request.socket.getPeerX509Certificate();
    response.end(shown === undefined ? 'nobody' : shown.toString().trim());
  }).listen(443, '0.0.0.0');
END
node /server.js > /dev/null 2>&1 &
`;
