/**
 * The wire's budgets. Start-up must not grow with the number of services, and the first call to a service must not pay for its other operations.
 * Each measurement is the best of several, each with the modules loaded anew, so that a busy machine does not fail it; the budgets are those of
 * the design, on a machine with two cores.
 */
import { expect, test, vi } from 'vitest';
import type { WireRequest } from '../../src/model/types.ts';

const read: string[] = [];

vi.mock('node:fs/promises', async (original) => {
  const actual = await original<typeof import('node:fs/promises')>();
  return {
    ...actual,
    readFile: (path: string, ...rest: never[]) => {
      read.push(path);
      return actual.readFile(path, ...rest);
    },
  };
});

function formRequest(service: string, body: string): WireRequest {
  return {
    method: 'POST',
    path: '/',
    query: [],
    headers: {
      authorization: `AWS4-HMAC-SHA256 Credential=AKIA/20260101/us-east-1/${service}/aws4_request, SignedHeaders=host, Signature=0`,
      'content-type': 'application/x-www-form-urlencoded; charset=utf-8',
    },
    body: Buffer.from(body),
  };
}

const host = 'localhost:4566';

/** Milliseconds from a loaded index to the first answer, with nothing of the service loaded before. */
async function firstAnswer(request: WireRequest, output: Record<string, unknown>): Promise<number> {
  vi.resetModules();
  const wire = await import('../../src/model/wire.ts');
  const index = await wire.loadIndex();
  const start = performance.now();
  const found = await wire.identify(index, { request, host });
  if (found === undefined || 'unknownOperation' in found) throw new Error('not identified');
  wire.parseInput(found.protocol, found.operation, request);
  wire.serialiseOutput(found.protocol, found.operation, output, 'request');
  return performance.now() - start;
}

async function best(times: number, measure: () => Promise<number>): Promise<number> {
  let least = Number.POSITIVE_INFINITY;
  for (let turn = 0; turn < times; turn += 1) least = Math.min(least, await measure());
  return least;
}

test('the index is read without reading any model', async () => {
  vi.resetModules();
  read.length = 0;
  const wire = await import('../../src/model/wire.ts');
  const index = await wire.loadIndex();
  expect(index.entries.length).toBeGreaterThan(70);
  expect(read.map((path) => path.split('/').at(-1))).toEqual(['index.json']);
  await wire.identify(index, { request: formRequest('sts', 'Action=GetCallerIdentity&Version=2011-06-15'), host });
  expect(read.map((path) => path.split('/').at(-1))).toEqual(['index.json', 'sts.json']);
});

test('the first call to STS is ready within 20 ms, to EC2 within 60 ms', async () => {
  const sts = formRequest('sts', 'Action=AssumeRole&Version=2011-06-15&RoleArn=arn&RoleSessionName=s');
  const credentials = { AccessKeyId: 'a', SecretAccessKey: 's', SessionToken: 't', Expiration: new Date(0) };
  expect(await best(5, () => firstAnswer(sts, { Credentials: credentials }))).toBeLessThan(20);
  const ec2 = formRequest('ec2', 'Action=DescribeInstances&Version=2016-11-15&Filter.1.Name=vpc-id&Filter.1.Value.1=vpc-1');
  const instance = {
    InstanceId: 'i-1',
    LaunchTime: new Date(0),
    State: { Code: 16, Name: 'running' },
    Tags: [{ Key: 'k', Value: 'v' }],
  };
  expect(await best(5, () => firstAnswer(ec2, { Reservations: [{ ReservationId: 'r-1', Instances: [instance] }] }))).toBeLessThan(
    60,
  );
});

test('a small query call is identified, read and answered in well under 100 µs', async () => {
  vi.resetModules();
  const wire = await import('../../src/model/wire.ts');
  const index = await wire.loadIndex();
  const request = formRequest(
    'sts',
    'Action=AssumeRole&Version=2011-06-15&RoleArn=arn%3Aaws%3Aiam&RoleSessionName=s&DurationSeconds=900',
  );
  const output = { Credentials: { AccessKeyId: 'a', SecretAccessKey: 's', SessionToken: 't', Expiration: new Date(0) } };
  const calls = 2000;
  const micros = await best(5, async () => {
    const start = performance.now();
    for (let call = 0; call < calls; call += 1) {
      const found = await wire.identify(index, { request, host });
      if (found === undefined || 'unknownOperation' in found) throw new Error('not identified');
      wire.parseInput(found.protocol, found.operation, request);
      wire.serialiseOutput(found.protocol, found.operation, output, 'request');
    }
    return ((performance.now() - start) * 1000) / calls;
  });
  expect(micros).toBeLessThan(100);
});
