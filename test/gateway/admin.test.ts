/** The admin API: what a cloud says of itself, and what may be done to it. A cloud of its own, because time moves and calls fail. */
import { DescribeVpcsCommand, EC2Client } from '@aws-sdk/client-ec2';
import { CreateUserCommand, IAMClient, ListUsersCommand } from '@aws-sdk/client-iam';
import { GetCallerIdentityCommand, STSClient } from '@aws-sdk/client-sts';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { admin as call, freshAccount, type OwnCloud, refused, startOwnCloud } from '../support/cloud.ts';

let cloud: OwnCloud;
beforeAll(async () => {
  cloud = await startOwnCloud();
});
afterAll(async () => {
  expect(await cloud.stop()).not.toContain('by a bug of Pilvi');
});

const admin = (method: 'GET' | 'POST', path: string, body?: unknown) => call(method, path, body, cloud.endpoint);
const raw = (path: string, init?: RequestInit) => fetch(`${cloud.endpoint}/_pilvi/${path}`, init);
const sts = () => new STSClient(freshAccount(cloud.endpoint).config());
const whoAmI = () => sts().send(new GetCallerIdentityCommand({}));

describe('what it tells', () => {
  test('health and services', async () => {
    expect(await admin('GET', 'health')).toMatchObject({ status: 'running', version: expect.stringMatching(/^\d/) });
    const services = (await admin('GET', 'services')) as { name: string; operations: number; implemented: string[] }[];
    expect(services.length).toBeGreaterThan(75);
    expect(services.find(({ name }) => name === 'sts')?.implemented).toContain('GetCallerIdentity');
    expect(services.find(({ name }) => name === 'redshift')).toMatchObject({ implemented: [] });
  });

  test('a trace by the request id that the client got', async () => {
    const { $metadata } = await whoAmI();
    const { lines } = (await admin('GET', `traces/${$metadata.requestId}`)) as { lines: { text: string }[] };
    const texts = lines.map(({ text }) => text);
    expect(texts[0]).toBe('identify: sts:GetCallerIdentity as awsQuery');
    expect(texts[1]).toMatch(/^authenticate: arn:aws:iam::\d{12}:root$/);
    const wrong = new STSClient({
      ...freshAccount(cloud.endpoint).config(),
      credentials: { accessKeyId: 'AKIANOBODYNOBODY0000', secretAccessKey: 'x' },
    });
    const error = await refused(wrong.send(new GetCallerIdentityCommand({})), 'InvalidClientTokenId');
    const { requestId } = (error as Error & { $metadata: { requestId: string } }).$metadata;
    expect(JSON.stringify(await admin('GET', `traces/${requestId}`))).toContain('serialise: 403 InvalidClientTokenId');
    expect((await raw('traces/nope')).status).toBe(404);
  });

  test('rows, waiting work and sizes', async () => {
    const account = freshAccount(cloud.endpoint);
    await new IAMClient(account.config()).send(new CreateUserCommand({ UserName: 'inspected' }));
    const found = (await admin('GET', 'inspect?limit=1000')) as {
      rows: { key: string }[];
      storeBytes: number;
      memoryBytes: number;
    };
    expect(found.rows.some(({ key }) => key.includes(account.id) && key.includes('inspected'))).toBe(true);
    expect(found.storeBytes).toBeGreaterThan(0);
    for (const limit of ['abc', '-1', '0', '1001']) expect((await raw(`inspect?limit=${limit}`)).status).toBe(400);
  });
});

describe('what is wrong is refused with a reason', () => {
  test.each([
    ['clock', '{}', 400, 'clock takes advanceMillis, speed, or both.'],
    ['clock', '[]', 400, 'The body must be a JSON object.'],
    ['clock', 'zz', 400, 'The body must be a JSON object.'],
    ['clock', '{"advanceMillis":-5}', 400, 'The clock only moves forward.'],
    ['clock', '{"advanceMillis":1e300}', 400, 'The clock ends with the year 9999.'],
    ['clock', '{"speed":null}', 400, 'speed must be a number.'],
    ['clock', '{"advanceMillis":"5"}', 400, 'advanceMillis must be a number.'],
    ['clock', '{"speed":-1}', 400, 'Speed must be zero or positive.'],
    ['clock', '{"speed":1e300}', 400, 'Speed must be at most 1000000.'],
    ['chaos/api', '{"kind":"x"}', 400, 'kind is throttle, error or delay.'],
    ['chaos/api', '{"kind":"delay"}', 400, 'delay must be a number of milliseconds.'],
    ['chaos/api', '{"kind":"error","times":0}', 400, 'times must be a whole number from 1 on.'],
    ['chaos/api', '{"kind":"error","region":"mars-1"}', 400, 'There is no such Region.'],
    ['chaos/zone', '{"zone":"constructor","down":true}', 400, 'zone must be the name or the id of a zone.'],
    ['chaos/zone', '{"zone":"us-east-1a"}', 400, 'down must be true or false.'],
    ['reset', '{"account":"5"}', 400, 'account must be twelve digits.'],
    ['health', '{}', 405, 'There is no POST /_pilvi/health.'],
    ['nope', '{}', 404, 'There is no POST /_pilvi/nope.'],
  ])('%s %s', async (path, body, status, error) => {
    const answer = await raw(path, { method: 'POST', body });
    expect({ status: answer.status, body: await answer.json() }).toEqual({ status, body: { error } });
  });

  test('a body above a mebibyte', async () => {
    const answer = await raw('clock', { method: 'POST', body: 'a'.repeat(1024 * 1024 + 1) });
    expect(answer.status).toBe(413);
    expect((await admin('GET', 'clock')) as object).toHaveProperty('speed', 1);
  });
});

describe('the clock', () => {
  test('moves forward for everything in the cloud, stands still and runs faster', async () => {
    const timeOf = async () => Date.parse(((await admin('GET', 'health')) as { time: string }).time);
    const before = await timeOf();
    await admin('POST', 'clock', { advanceMillis: 30 * 86_400_000 });
    expect(await timeOf()).toBeGreaterThanOrEqual(before + 30 * 86_400_000);
    const iam = new IAMClient(freshAccount(cloud.endpoint).config());
    const made = await iam.send(new CreateUserCommand({ UserName: 'later' }));
    expect(made.User!.CreateDate!.getTime()).toBeGreaterThanOrEqual(Math.floor(before / 1000) * 1000 + 30 * 86_400_000);
    await admin('POST', 'clock', { speed: 0 });
    expect(await timeOf()).toBe(await timeOf());
    await admin('POST', 'clock', { speed: 1 });
  });
});

describe('API faults', () => {
  afterEach(() => admin('POST', 'chaos/clear', {}));

  test('calls are throttled as often as wanted, in the words of the service', async () => {
    await admin('POST', 'chaos/api', { kind: 'throttle', service: 'sts', times: 1 });
    await refused(whoAmI(), 'Throttling', 'Rate exceeded', 400);
    await whoAmI();
    await admin('POST', 'chaos/api', { kind: 'throttle', service: 'ec2' });
    const ec2 = new EC2Client(freshAccount(cloud.endpoint).config());
    for (const _ of [1, 2])
      await refused(ec2.send(new DescribeVpcsCommand({})), 'RequestLimitExceeded', 'Request limit exceeded.', 503);
    await whoAmI();
  });

  test('calls fail in one account and one operation only', async () => {
    const account = freshAccount(cloud.endpoint);
    await admin('POST', 'chaos/api', { kind: 'error', account: account.id, operation: 'ListUsers' });
    const iam = new IAMClient(account.config());
    await refused(iam.send(new ListUsersCommand({})), 'InternalFailure', undefined, 500);
    await iam.send(new CreateUserCommand({ UserName: 'fine' }));
    await new IAMClient(freshAccount(cloud.endpoint).config()).send(new ListUsersCommand({}));
    expect(await admin('GET', 'chaos')).toMatchObject({ api: [{ kind: 'error', operation: 'ListUsers' }] });
  });

  test('calls wait', async () => {
    await admin('POST', 'chaos/api', { kind: 'delay', delay: 300, times: 1 });
    const before = performance.now();
    await whoAmI();
    expect(performance.now() - before).toBeGreaterThan(290);
  });
});

describe('reset', () => {
  test('of one account leaves another alone, and takes milliseconds', async () => {
    const [one, other] = [freshAccount(cloud.endpoint), freshAccount(cloud.endpoint)];
    const [oneIam, otherIam] = [new IAMClient(one.config()), new IAMClient(other.config())];
    for (const iam of [oneIam, otherIam]) await iam.send(new CreateUserCommand({ UserName: 'anna' }));
    const times: number[] = [];
    for (let turn = 0; turn < 5; turn++) {
      await oneIam.send(new CreateUserCommand({ UserName: `again${turn}` }));
      const before = performance.now();
      await admin('POST', 'reset', { account: one.id });
      times.push(performance.now() - before);
      expect((await oneIam.send(new ListUsersCommand({}))).Users).toEqual([]);
    }
    expect(times.sort((a, b) => a - b)[2], 'the median of five resets, in ms').toBeLessThan(100);
    expect((await otherIam.send(new ListUsersCommand({}))).Users).toHaveLength(1);
  });

  test('of the whole cloud keeps its time', async () => {
    await admin('POST', 'clock', { advanceMillis: 86_400_000 });
    const before = Date.parse(((await admin('GET', 'clock')) as { time: string }).time);
    const iam = new IAMClient(freshAccount(cloud.endpoint).config());
    await iam.send(new CreateUserCommand({ UserName: 'anna' }));
    await admin('POST', 'reset');
    expect((await iam.send(new ListUsersCommand({}))).Users).toEqual([]);
    expect(Date.parse(((await admin('GET', 'clock')) as { time: string }).time)).toBeGreaterThanOrEqual(before);
  });
});
