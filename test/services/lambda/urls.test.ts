import { Sha256 } from '@aws-crypto/sha256-js';
import { SignatureV4 } from '@smithy/signature-v4';
import { beforeEach, expect, test } from 'vitest';
import { machinesRefused, refused } from '../../support/cloud.ts';
import { ask, serverless } from './support.ts';

beforeEach((context) => {
  context.skip(machinesRefused() !== undefined, machinesRefused());
});

const forbidden =
  'Forbidden. For troubleshooting Function URL authorization issues, see: https://docs.aws.amazon.com/lambda/latest/dg/urls-auth.html';

/** A function with a URL that everybody may ask. */
async function open(
  source: string,
  mode: 'BUFFERED' | 'RESPONSE_STREAM' = 'BUFFERED',
  Runtime: 'nodejs20.x' | 'provided.al2023' = 'nodejs20.x',
) {
  const all = await serverless();
  const { lambda, make } = all;
  await make('site', source, { MemorySize: 512, Timeout: 10, Runtime });
  const { FunctionUrl = '' } = await lambda.createFunctionUrlConfig({ FunctionName: 'site', AuthType: 'NONE', InvokeMode: mode });
  const permit = async () => {
    await lambda.addPermission({
      FunctionName: 'site',
      StatementId: 'url',
      Action: 'lambda:InvokeFunctionUrl',
      Principal: '*',
      FunctionUrlAuthType: 'NONE',
    });
    await lambda.addPermission({
      FunctionName: 'site',
      StatementId: 'function',
      Action: 'lambda:InvokeFunction',
      Principal: '*',
      InvokedViaFunctionUrl: true,
    });
  };
  return { ...all, url: FunctionUrl, permit };
}

test('LMB-015 a function answers at its own URL to whom it is open', async () => {
  const source = `export const handler = async (event) => {
  if (event.rawPath === '/plain') return { hello: 'world' };
  if (event.rawPath === '/bad') throw new Error('bad');
  return { statusCode: 201, headers: { 'X-Own': 'yes', 'Content-Type': 'text/plain' }, cookies: ['a=1'], body: Buffer.from(JSON.stringify(event)).toString('base64'), isBase64Encoded: true };
};`;
  const { account, lambda, url, permit } = await open(source);
  expect(url).toMatch(/^http:\/\/[a-z0-9]{32}\.lambda-url\.us-east-1\.localhost:\d+\/$/);
  expect(await ask(url)).toMatchObject({ status: 403, body: JSON.stringify({ Message: forbidden }) });
  await permit();
  const answer = await ask(`${url}a/b?q=1&q=2`, {
    method: 'POST',
    body: 'hey',
    headers: { 'content-type': 'text/plain', cookie: 'x=1; y=2' },
  });
  expect(answer).toMatchObject({ status: 201, headers: { 'x-own': 'yes', 'content-type': 'text/plain', 'set-cookie': ['a=1'] } });
  expect(JSON.parse(answer.body)).toMatchObject({
    version: '2.0',
    routeKey: '$default',
    rawPath: '/a/b',
    rawQueryString: 'q=1&q=2',
    cookies: ['x=1', 'y=2'],
    queryStringParameters: { q: '1,2' },
    requestContext: { accountId: 'anonymous', http: { method: 'POST', path: '/a/b' }, stage: '$default' },
    body: 'hey',
    isBase64Encoded: false,
  });
  expect(await ask(`${url}plain`)).toMatchObject({
    status: 200,
    headers: { 'content-type': 'application/json' },
    body: '{"hello":"world"}',
  });
  expect(await ask(`${url}bad`)).toMatchObject({ status: 502, body: '{"Message":"Internal Server Error"}' });
  await lambda.updateFunctionUrlConfig({ FunctionName: 'site', AuthType: 'AWS_IAM' });
  expect((await ask(url)).status).toBe(403);
  const signer = new SignatureV4({
    service: 'lambda',
    region: 'us-east-1',
    sha256: Sha256,
    credentials: { accessKeyId: account.id, secretAccessKey: 'test' },
  });
  const { host, hostname } = new URL(url);
  const { headers } = await signer.sign({ method: 'GET', protocol: 'http:', hostname, path: '/plain', headers: { host } });
  expect((await ask(`${url}plain`, { headers })).body).toBe('{"hello":"world"}');
  expect(
    (await ask(`${url}plain`, { headers: { ...headers, authorization: (headers['authorization'] ?? '').replace(/.$/, 'g') } }))
      .status,
  ).toBe(403);
  await refused(
    lambda.createFunctionUrlConfig({ FunctionName: 'site', AuthType: 'NONE' }),
    'ResourceConflictException',
    /FunctionUrlConfig exists for this Lambda function/,
  );
  await lambda.deleteFunctionUrlConfig({ FunctionName: 'site' });
  expect((await ask(url)).status).toBe(403);
  await refused(
    lambda.getFunctionUrlConfig({ FunctionName: 'site' }),
    'ResourceNotFoundException',
    'The resource you requested does not exist.',
  );
});

test('an answer that is streamed comes as it is made', async () => {
  const source = `export const handler = awslambda.streamifyResponse(async (event, stream) => {
  const body = awslambda.HttpResponseStream.from(stream, { statusCode: 203, headers: { 'Content-Type': 'text/plain' } });
  for (const word of ['one', 'two', 'three']) { body.write(word); await new Promise((r) => setTimeout(r, 200)); }
  body.end();
});`;
  const { url, permit } = await open(source, 'RESPONSE_STREAM');
  await permit();
  const answer = await ask(url);
  expect(answer).toMatchObject({
    status: 203,
    headers: { 'content-type': 'text/plain', 'transfer-encoding': 'chunked' },
    body: 'onetwothree',
  });
  expect(answer.pieces).toBeGreaterThanOrEqual(3);
});

test('a runtime that only sends its answer in chunks, as that of Go, streams too', async () => {
  const source = `#!/usr/bin/env node
const http = require('node:http');
const [host, port] = process.env.AWS_LAMBDA_RUNTIME_API.split(':');
const at = (path, method, more) => ({ host, port, path: '/2018-06-01/runtime/invocation/' + path, method, ...more });
const next = () => http.get(at('next', 'GET'), (call) => {
  call.resume();
  const headers = { 'content-type': 'application/vnd.awslambda.http-integration-response' };
  const answer = http.request(at(call.headers['lambda-runtime-aws-request-id'] + '/response', 'POST', { headers }), (told) => told.resume().on('end', next));
  answer.write('{"statusCode":203,"headers":{"Content-Type":"text/plain"}}' + String.fromCharCode(0).repeat(8));
  ['one', 'two', 'three'].forEach((word, n) => setTimeout(() => answer.write(word), n * 200));
  setTimeout(() => answer.end(), 600);
});
next();
`;
  const { url, permit } = await open(source, 'RESPONSE_STREAM', 'provided.al2023');
  await permit();
  const answer = await ask(url);
  expect(answer).toMatchObject({ status: 203, headers: { 'content-type': 'text/plain' }, body: 'onetwothree' });
  expect(answer.pieces).toBeGreaterThanOrEqual(2);
});

test('browsers of other origins are answered as the URL is configured', async () => {
  const { lambda, url, permit } = await open('export const handler = async () => 1;');
  await permit();
  await lambda.updateFunctionUrlConfig({
    FunctionName: 'site',
    Cors: {
      AllowOrigins: ['https://shop.example'],
      AllowMethods: ['GET', 'PUT'],
      AllowHeaders: ['x-own'],
      ExposeHeaders: ['x-seen'],
      MaxAge: 60,
      AllowCredentials: true,
    },
  });
  const preflight = (origin: string) =>
    ask(url, { method: 'OPTIONS', headers: { origin, 'access-control-request-method': 'PUT' } });
  expect(await preflight('https://shop.example')).toMatchObject({
    status: 200,
    headers: {
      'access-control-allow-origin': 'https://shop.example',
      'access-control-allow-methods': 'GET,PUT',
      'access-control-allow-headers': 'x-own',
      'access-control-max-age': '60',
      'access-control-allow-credentials': 'true',
    },
  });
  expect((await preflight('https://evil.example')).headers['access-control-allow-origin']).toBeUndefined();
  expect((await ask(url, { headers: { origin: 'https://shop.example' } })).headers).toMatchObject({
    'access-control-allow-origin': 'https://shop.example',
    'access-control-expose-headers': 'x-seen',
  });
});
