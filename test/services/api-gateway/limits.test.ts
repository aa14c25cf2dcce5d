import { ApiGatewayV2 } from '@aws-sdk/client-apigatewayv2';
import { expect, test } from 'vitest';
import { freshAccount, startOwnCloud } from '../../support/cloud.ts';
import { call, deploy, hostUrl, mock, restApi } from './rest.ts';

test("APIGW-006 thousands of parallel callers are served; above the account's and a stage's throttle the excess gets 429", {
  timeout: 120_000,
}, async () => {
  const cloud = await startOwnCloud();
  try {
    const account = freshAccount(cloud.endpoint);
    const rest = await restApi({}, account);
    await mock(rest, rest.root, 'GET', 'ok');
    await deploy(rest);
    const other = await restApi({}, account);
    await mock(other, other.root, 'GET', 'ok');
    await deploy(other, 'slow');
    const load = async (id: string, stage: string, count: number) => {
      const replies = await Promise.all(Array.from({ length: count }, () => call(hostUrl(id, `/${stage}`, cloud.endpoint))));
      const by = new Map<string, number>();
      for (const { status, text } of replies) by.set(`${status} ${text}`, (by.get(`${status} ${text}`) ?? 0) + 1);
      return by;
    };
    // 2,000 at once, twice: below 10,000 a second.
    for (let round = 0; round < 2; round++) expect([...(await load(rest.id, 'prod', 2000))]).toEqual([['200 ok', 2000]]);
    // The stage's throttle.
    const operations = [
      { op: 'replace' as const, path: '/*/*/throttling/burstLimit', value: '100' },
      { op: 'replace' as const, path: '/*/*/throttling/rateLimit', value: '0.001' },
    ];
    await other.gateway.updateStage({ restApiId: other.id, stageName: 'slow', patchOperations: operations });
    const limited = await load(other.id, 'slow', 500);
    expect([limited.get('200 ok'), limited.get('429 {"message":"Too Many Requests"}')]).toEqual([100, 400]);
    // The account's: with the clock standing still, 5,000 calls are what the bucket holds, over all APIs of the account.
    await freeze(cloud.endpoint);
    const { throttleSettings } = await rest.gateway.getAccount({});
    expect(throttleSettings).toEqual({ burstLimit: 5000, rateLimit: 10_000 });
    const http = await new ApiGatewayV2(account.config()).createApi({
      Name: 'h',
      ProtocolType: 'HTTP',
      Target: 'http://198.18.0.1',
    });
    let served = 0;
    let refused = 0;
    for (let round = 0; round < 3; round++) {
      const all = await load(rest.id, 'prod', 2000);
      served += all.get('200 ok') ?? 0;
      refused += all.get('429 {"message":"Too Many Requests"}') ?? 0;
    }
    expect([served, refused]).toEqual([5000, 1000]);
    expect((await call(hostUrl(http.ApiId ?? '', '/', cloud.endpoint))).status).toBe(429);
  } finally {
    await cloud.stop();
  }
});

async function freeze(endpoint: string): Promise<void> {
  const answer = await fetch(`${endpoint}/_pilvi/clock`, { method: 'POST', body: JSON.stringify({ speed: 0 }) });
  expect(answer.status).toBe(200);
}
