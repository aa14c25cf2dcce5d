/**
 * What a call of an API costs: a REST API with a MOCK integration, an HTTP API whose backend is that MOCK, and one with a Lambda function behind it. Whole
 * requests over HTTP, from a client on the same machine.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import http from 'node:http';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { APIGateway } from '@aws-sdk/client-api-gateway';
import { ApiGatewayV2 } from '@aws-sdk/client-apigatewayv2';
import { type Measurement, ourUrl, type Server, startServer } from './cloud.ts';

const requests = 10_000;
const warmUp = 1_000;
const parallel = 16;

const config = (server: Server) => ({
  endpoint: server.url.href,
  region: 'us-east-1',
  credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
});

/** A REST API whose root answers by itself; its id. */
async function restMock(server: Server): Promise<string> {
  const gateway = new APIGateway(config(server));
  const { id: restApiId, rootResourceId: resourceId } = await gateway.createRestApi({ name: 'bench' });
  const at = { restApiId, resourceId, httpMethod: 'GET' };
  await gateway.putMethod({ ...at, authorizationType: 'NONE' });
  await gateway.putIntegration({ ...at, type: 'MOCK', requestTemplates: { 'application/json': '{"statusCode": 200}' } });
  await gateway.putMethodResponse({ ...at, statusCode: '200' });
  await gateway.putIntegrationResponse({
    ...at,
    statusCode: '200',
    responseTemplates: { 'application/json': '{"stage": "$context.stage"}' },
  });
  await gateway.createDeployment({ restApiId, stageName: 'prod' });
  gateway.destroy();
  return restApiId ?? '';
}

/** Requests of a path, so many at once; below the account's 10,000 a second. */
async function rate(
  server: Server,
  target: string,
  count: number,
): Promise<{ perSecond: number; p50: number; p99: number; refused: number }> {
  const agent = new http.Agent({ keepAlive: true, maxSockets: parallel });
  const times: number[] = [];
  let refused = 0;
  let left = count;
  const once = (): Promise<void> =>
    new Promise((resolve, reject) => {
      const began = performance.now();
      http
        .get({ host: server.url.hostname, port: server.url.port, path: target, agent }, (response) => {
          if (response.statusCode !== 200) refused += 1;
          response.resume().on('end', () => {
            times.push(performance.now() - began);
            resolve();
          });
        })
        .on('error', reject);
    });
  const began = performance.now();
  const worker = async (): Promise<void> => {
    while (left-- > 0) await once();
  };
  await Promise.all(Array.from({ length: parallel }, worker));
  const seconds = (performance.now() - began) / 1000;
  agent.destroy();
  times.sort((a, b) => a - b);
  return {
    perSecond: count / seconds,
    p50: times[Math.floor(count * 0.5)] ?? 0,
    p99: times[Math.floor(count * 0.99)] ?? 0,
    refused,
  };
}

export async function bench(): Promise<Measurement[]> {
  const data = await mkdtemp(path.join(tmpdir(), 'pilvi-bench-'));
  const measured: Measurement[] = [];
  try {
    const server = await startServer([process.execPath, 'dist/pilvi.js', 'start', '--port', '0', '--data', data], ourUrl);
    try {
      const rest = await restMock(server);
      const gateway = new ApiGatewayV2(config(server));
      const Target = `http://${rest}.execute-api.us-east-1.amazonaws.com:4566/prod`;
      const { ApiId } = await gateway.createApi({ Name: 'bench', ProtocolType: 'HTTP', Target });
      gateway.destroy();
      for (const [name, target] of [
        ['REST API, MOCK', `/_aws/execute-api/${rest}/prod`],
        ['HTTP API in front of it', `/_aws/execute-api/${ApiId}/`],
      ] as const) {
        await rate(server, target, warmUp);
        const { perSecond, p50, p99, refused } = await rate(server, target, requests);
        measured.push({ name, value: perSecond, unit: 'requests/s' });
        measured.push({ name: `${name}, p50`, value: p50, unit: 'ms' }, { name: `${name}, p99`, value: p99, unit: 'ms' });
        if (refused > 0) measured.push({ name: `${name}, not 200`, value: refused, unit: 'requests' });
      }
    } finally {
      await server.stop();
    }
    return measured;
  } finally {
    await rm(data, { recursive: true, force: true });
  }
}
