import { CloudWatch } from '@aws-sdk/client-cloudwatch';
import { S3 } from '@aws-sdk/client-s3';
import { beforeEach, expect, test } from 'vitest';
import { eventually, machinesRefused, refused } from '../../support/cloud.ts';
import { serverless } from './support.ts';
import { zipOf } from '../../support/zip.ts';

beforeEach((context) => {
  context.skip(machinesRefused() !== undefined, machinesRefused());
});

const initLine = /Init Duration: [\d.]+ ms/;

test('handlers in Node.js, Python and a program of one’s own answer, and say what fails', async () => {
  const { make, call } = await serverless();
  await make('old', '', {
    Code: {
      ZipFile: zipOf({
        'lib/app.js': 'exports.run = (e, c, done) => setTimeout(() => done(e.bad ? new TypeError("bad") : null, e.n + 1), 5);',
      }),
    },
    Handler: 'lib/app.run',
  });
  expect((await call('old', { n: 1 })).body).toBe(2);
  expect(await call('old', { bad: true })).toMatchObject({
    error: 'Unhandled',
    body: { errorType: 'TypeError', errorMessage: 'bad', trace: expect.any(Array) },
  });
  const python =
    'import os\ndef handler(event, context):\n    if "bad" in event: raise ValueError("bad")\n    return {"n": event["n"] + 1, "id": len(context.aws_request_id), "left": context.get_remaining_time_in_millis() > 0}\n';
  await make('snake', python, { Runtime: 'python3.12' });
  expect((await call('snake', { n: 1 })).body).toEqual({ n: 2, id: 36, left: true });
  expect(await call('snake', { bad: 1 })).toMatchObject({
    error: 'Unhandled',
    body: { errorType: 'ValueError', errorMessage: 'bad', stackTrace: [expect.stringContaining('index.py')] },
  });
  const program = `#!/bin/sh
API="http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime/invocation"
while true; do
  EVENT=$(curl -sS -D /tmp/head "$API/next")
  ID=$(grep -i lambda-runtime-aws-request-id /tmp/head | tr -d '[:space:]' | cut -d: -f2)
  curl -sS "$API/$ID/response" -d "[$EVENT]" > /dev/null
done`;
  await make('own', program, { Runtime: 'provided.al2023', Timeout: 20, MemorySize: 512 });
  expect((await call('own', { n: 1 })).body).toEqual([{ n: 1 }]);
  await make('lost', 'export const other = 1;');
  expect(await call('lost')).toMatchObject({
    error: 'Unhandled',
    body: { errorType: 'Runtime.HandlerNotFound', errorMessage: 'index.handler is undefined or not exported' },
  });
  await make('broken', 'import nothing_there\n', { Runtime: 'python3.12' });
  expect(await call('broken')).toMatchObject({
    error: 'Unhandled',
    body: {
      errorType: 'Runtime.ImportModuleError',
      errorMessage: "Unable to import module 'index': No module named 'nothing_there'",
    },
  });
});

test('LMB-006 a handler that needs more than its memory is killed', async () => {
  const { make, call } = await serverless();
  await make(
    'greedy',
    'export const handler = async (e) => { const all = []; while (e.grow) all.push(Buffer.alloc(4e6, 1)); return "fine"; };',
    { Timeout: 30, MemorySize: 192 },
  );
  expect((await call('greedy')).body).toBe('fine');
  const { error, body, log } = await call('greedy', { grow: true });
  expect(error).toBe('Unhandled');
  expect(body).toMatchObject({ errorType: 'Runtime.OutOfMemory', errorMessage: expect.stringContaining('signal: killed') });
  expect(log).toMatch(/REPORT .*Status: error\tError Type: Runtime.OutOfMemory/);
  expect((await call('greedy')).body).toBe('fine');
});

test('LMB-007 a call runs no longer than its timeout, at most 15 minutes', async () => {
  const { lambda, make, call, settled } = await serverless();
  await make(
    'slow',
    'export const handler = async (e) => { if (e.spin) for (;;); await new Promise((r) => setTimeout(r, 60_000)); };',
    { Timeout: 1 },
  );
  for (const event of [{}, { spin: true }]) {
    const { error, body, log } = await call('slow', event);
    expect(error).toBe('Unhandled');
    expect(body).toEqual({
      errorType: 'Sandbox.Timedout',
      errorMessage: expect.stringMatching(/^RequestId: [0-9a-f-]{36} Error: Task timed out after 1\.00 seconds$/),
    });
    expect(log).toMatch(/Task timed out after 1\.00 seconds/);
    expect(log).toMatch(/REPORT .*Status: timeout/);
  }
  expect((await lambda.updateFunctionConfiguration({ FunctionName: 'slow', Timeout: 900 })).Timeout).toBe(900);
  await settled('slow');
  await refused(
    lambda.updateFunctionConfiguration({ FunctionName: 'slow', Timeout: 901 }),
    'ValidationException',
    "1 validation error detected: Value '901' at 'timeout' failed to satisfy constraint: Member must have value less than or equal to 900",
  );
});

test('LMB-009 /tmp has the size that was asked for', async () => {
  const { lambda, make, call, settled } = await serverless();
  const source = `import fs from 'node:fs';
export const handler = async ({ mib }) => {
  const file = fs.openSync('/tmp/x', 'w');
  const piece = Buffer.alloc(1024 * 1024, 1);
  for (let i = 0; i < mib; i++) fs.writeSync(file, piece);
  fs.closeSync(file);
  return fs.statSync('/tmp/x').size;
};`;
  await make('disk', source, { Timeout: 60, MemorySize: 1769 });
  expect((await lambda.getFunctionConfiguration({ FunctionName: 'disk' })).EphemeralStorage).toEqual({ Size: 512 });
  expect((await call('disk', { mib: 300 })).body).toBe(300 * 1024 * 1024);
  expect(await call('disk', { mib: 600 })).toMatchObject({
    error: 'Unhandled',
    body: { errorMessage: 'ENOSPC: no space left on device, write' },
  });
  await lambda.updateFunctionConfiguration({ FunctionName: 'disk', EphemeralStorage: { Size: 10_240 } });
  await settled('disk');
  expect((await call('disk', { mib: 600 })).body).toBe(600 * 1024 * 1024);
  await refused(
    lambda.updateFunctionConfiguration({ FunctionName: 'disk', EphemeralStorage: { Size: 10_241 } }),
    'ValidationException',
    "1 validation error detected: Value '10241' at 'ephemeralStorage.size' failed to satisfy constraint: Member must have value less than or equal to 10240",
  );
});

test('a sandbox shows a program its own code and nothing of the host, and lets it write to /tmp alone', async () => {
  const { make, call } = await serverless();
  const source = `import fs from 'node:fs';
const tried = (work) => { try { return work(); } catch (error) { return error.code; } };
export const handler = async () => ({
  user: process.getuid(),
  task: fs.readdirSync('/var/task'),
  write: ['/var/task/x', '/usr/x', '/etc/x', '/x'].map((path) => tried(() => fs.writeFileSync(path, 'x'))),
  tmp: tried(() => fs.writeFileSync('/tmp/x', 'x')),
  shadow: tried(() => fs.readFileSync('/etc/shadow')),
  root: tried(() => fs.readdirSync('/root')),
  processes: fs.readdirSync('/proc').filter((name) => /^\\d+$/.test(name)).length,
  capabilities: /CapEff:\\s+(\\w+)/.exec(fs.readFileSync('/proc/self/status', 'utf8'))[1],
});`;
  await make('look', source);
  const { body } = await call('look');
  expect(body).toEqual({
    user: expect.any(Number),
    task: ['index.mjs'],
    write: ['EROFS', 'EROFS', 'EROFS', 'EROFS'],
    shadow: 'ENOENT',
    root: 'ENOENT',
    processes: expect.any(Number),
    capabilities: '0000000000000000',
  });
  expect((body as { user: number }).user).not.toBe(0);
  expect((body as { processes: number }).processes).toBeLessThan(5);
});

test('LMB-010 a function is called waiting for the result, or not', async () => {
  const { account, make, call } = await serverless();
  const s3 = new S3({ ...account.config(), forcePathStyle: true });
  const Bucket = `seen-${account.id}`;
  await s3.createBucket({ Bucket });
  const source = `import { S3 } from '@aws-sdk/client-s3';
const s3 = new S3({ forcePathStyle: true });
export const handler = async ({ key }) => { await s3.putObject({ Bucket: '${Bucket}', Key: key, Body: 'x' }); return key; };`;
  await make('writer', source, { MemorySize: 1024, Timeout: 20 });
  expect(await call('writer', { key: 'now' })).toMatchObject({ status: 200, body: 'now' });
  await s3.headObject({ Bucket, Key: 'now' });
  expect(await call('writer', { key: 'later' }, { InvocationType: 'Event', LogType: 'None' })).toMatchObject({
    status: 202,
    body: undefined,
  });
  await eventually(() => s3.headObject({ Bucket, Key: 'later' }), { why: 'the function ran afterwards' });
  expect(await call('writer', { key: 'never' }, { InvocationType: 'DryRun', LogType: 'None' })).toMatchObject({ status: 204 });
  await refused(
    call('writer', {}, { Payload: '{no json' }),
    'InvalidRequestContentException',
    /^Could not parse request body into json/,
    400,
  );
  await refused(
    call('writer', {}, { Payload: `"${'x'.repeat(6 * 1024 * 1024)}"` }),
    'RequestEntityTooLargeException',
    'Request must be smaller than 6291456 bytes for the InvokeFunction operation',
    413,
  );
  await refused(
    call('writer', {}, { Payload: `"${'x'.repeat(1024 * 1024)}"`, InvocationType: 'Event' }),
    'RequestEntityTooLargeException',
    '1048578 byte payload is too large for the Event invocation type (limit 1048576 bytes)',
  );
});

test('LMB-016 each of many calls at once gets an environment of its own', async () => {
  const { make, call } = await serverless();
  await make(
    'sleeper',
    'export const handler = async (e, c) => { await new Promise((r) => setTimeout(r, 5000)); return c.logStreamName; };',
    { Timeout: 60, MemorySize: 512 },
  );
  const round = async (): Promise<number> => {
    const begun = performance.now();
    const answers = await Promise.all(Array.from({ length: 20 }, () => call('sleeper')));
    expect(answers.every(({ error }) => error === undefined)).toBe(true);
    expect(new Set(answers.map(({ body }) => body)).size).toBe(20);
    return performance.now() - begun;
  };
  // Twenty starts take some seconds of their own on a host of two busy processors; one after the other the calls would take a hundred.
  expect(await round()).toBeLessThan(25_000);
  expect(await round()).toBeLessThan(9_000);
});

test('LMB-017 LMB-022 the first call of an environment starts it, which its report shows and bills', async () => {
  const { account, make, call } = await serverless();
  await make('idle', 'export const handler = async () => 1;');
  await make('cold', 'export const handler = async () => 1;', { MemorySize: 512 });
  const timed = async () => {
    const begun = performance.now();
    const { log } = await call('cold');
    return { millis: performance.now() - begun, log };
  };
  const first = await timed();
  const second = await timed();
  expect(first.log).toMatch(initLine);
  expect(second.log).not.toMatch(initLine);
  expect(second.millis).toBeLessThan(first.millis);
  const number = (name: string, log: string): number => Number(new RegExp(`\\t${name}: ([\\d.]+) ms`).exec(log)?.[1]);
  expect(number('Billed Duration', first.log)).toBe(
    Math.ceil(number('Duration', first.log) + number('Init Duration', first.log)) || Number.NaN,
  );
  expect(number('Billed Duration', second.log)).toBe(Math.ceil(number('Duration', second.log)));
  const cloudwatch = new CloudWatch(account.config());
  const used = async (FunctionName: string): Promise<number> => {
    const { Metrics = [] } = await cloudwatch.listMetrics({
      Namespace: 'AWS/Lambda',
      Dimensions: [{ Name: 'FunctionName', Value: FunctionName }],
    });
    return Metrics.length;
  };
  await eventually(async () => expect(await used('cold')).toBeGreaterThan(0), { why: 'what was called is measured' });
  expect(await used('idle')).toBe(0);
});

test('LMB-018 what a function keeps in memory is not there in another environment, what it keeps in a bucket is', async () => {
  const { account, lambda, make, call, settled } = await serverless();
  const s3 = new S3({ ...account.config(), forcePathStyle: true });
  const Bucket = `state-${account.id}`;
  await s3.createBucket({ Bucket });
  const source = `import { S3 } from '@aws-sdk/client-s3';
const s3 = new S3({ forcePathStyle: true });
let count = 0;
export const handler = async ({ put }) => {
  count += 1;
  if (put) await s3.putObject({ Bucket: '${Bucket}', Key: 'k', Body: put });
  return [count, await (await s3.getObject({ Bucket: '${Bucket}', Key: 'k' })).Body.transformToString()];
};`;
  await make('counter', source, { MemorySize: 1024, Timeout: 20 });
  expect((await call('counter', { put: 'kept' })).body).toEqual([1, 'kept']);
  expect((await call('counter')).body).toEqual([2, 'kept']);
  await lambda.updateFunctionConfiguration({ FunctionName: 'counter', Description: 'changed' });
  await settled('counter');
  expect((await call('counter')).body).toEqual([1, 'kept']);
});

test('between calls an environment stands still', async () => {
  const { make, call } = await serverless();
  await make(
    'ticker',
    'let ticks = 0; setInterval(() => { ticks += 1; }, 20).unref(); export const handler = async ({ wait }) => { const before = ticks; await new Promise((r) => setTimeout(r, wait)); return [before, ticks]; };',
    { MemorySize: 1769 },
  );
  const [, during = 0] = (await call('ticker', { wait: 400 })).body as number[];
  expect(during).toBeGreaterThan(5);
  const paused = performance.now();
  await eventually(() => expect(performance.now() - paused).toBeGreaterThan(1500), { why: 'some time has passed' });
  const [after = 0] = (await call('ticker', { wait: 1 })).body as number[];
  expect(after - during).toBeLessThan(10);
});

test('provisioned environments are started before anybody calls', async () => {
  const { lambda, make, call } = await serverless();
  await make(
    'ready',
    'const begun = Date.now(); export const handler = async () => [process.env.AWS_LAMBDA_INITIALIZATION_TYPE, Date.now() - begun];',
    { MemorySize: 512 },
  );
  await lambda.publishVersion({ FunctionName: 'ready' });
  const config = { FunctionName: 'ready', Qualifier: '1' };
  await refused(
    lambda.putProvisionedConcurrencyConfig({ FunctionName: 'ready', Qualifier: '$LATEST', ProvisionedConcurrentExecutions: 1 }),
    'InvalidParameterValueException',
    'Provisioned Concurrency Configs cannot be applied to unpublished function versions.',
  );
  await refused(
    lambda.getProvisionedConcurrencyConfig(config),
    'ProvisionedConcurrencyConfigNotFoundException',
    'No Provisioned Concurrency Config found for this function',
    404,
  );
  expect((await lambda.putProvisionedConcurrencyConfig({ ...config, ProvisionedConcurrentExecutions: 2 })).Status).toBe(
    'IN_PROGRESS',
  );
  await eventually(
    async () =>
      expect(await lambda.getProvisionedConcurrencyConfig(config)).toMatchObject({
        Status: 'READY',
        AvailableProvisionedConcurrentExecutions: 2,
      }),
    { why: 'two environments are ready' },
  );
  const answers = await Promise.all([call('ready:1'), call('ready:1')]);
  for (const { body, log } of answers) {
    expect(body).toEqual(['provisioned-concurrency', expect.any(Number)]);
    expect(log).not.toMatch(initLine);
  }
  expect((await call('ready')).body).toEqual(['on-demand', expect.any(Number)]);
  await lambda.deleteProvisionedConcurrencyConfig(config);
  await refused(lambda.getProvisionedConcurrencyConfig(config), 'ProvisionedConcurrencyConfigNotFoundException');
});

test('a call that ends its process reports it, and the next one gets a fresh environment', async () => {
  const { make, call } = await serverless();
  await make(
    'fragile',
    'import cp from "node:child_process"; let n = 0; export const handler = async (e) => { if (e.exit !== undefined) process.exit(e.exit); if (e.kill) process.kill(process.pid, "SIGKILL"); if (e.fork) for (let i = 0; i < 50; i++) cp.spawn("sleep", ["600"], { detached: true, stdio: "ignore" }).unref(); if (e.half) { process.stdout.write("half a line"); process.exit(4); } return ++n; };',
    { MemorySize: 1769 },
  );
  const ended = (why: string) => ({
    error: 'Unhandled',
    body: {
      errorType: 'Runtime.ExitError',
      errorMessage: expect.stringMatching(new RegExp(`^RequestId: [0-9a-f-]{36} Error: ${why}$`)),
    },
  });
  expect(await call('fragile', { exit: 0 })).toMatchObject(ended('Runtime exited without providing a reason'));
  expect((await call('fragile')).body).toBe(1);
  expect(await call('fragile', { exit: 3 })).toMatchObject(ended('Runtime exited with error: exit status 3'));
  expect(await call('fragile', { kill: true })).toMatchObject(ended('Runtime exited with error: signal: killed'));
  expect((await call('fragile', { fork: true })).body).toBe(1);
  const half = await call('fragile', { half: true });
  expect(half).toMatchObject(ended('Runtime exited with error: exit status 4'));
  expect(half.log).toContain('half a line');
  expect((await call('fragile')).body).toBe(1);
});

test('LMB-021 calls are logged and measured', async () => {
  const { account, make, call, logOf } = await serverless();
  await make(
    'told',
    'export const handler = async (e) => { console.log("hello\\nworld", { a: 1 }); if (e.bad) throw new Error("bad"); };',
  );
  await call('told');
  await call('told', { bad: true });
  const lines = await eventually(
    async () => {
      const [stream = [], ...others] = await logOf('told');
      expect(others).toEqual([]);
      expect(stream.filter((line) => line.startsWith('REPORT'))).toHaveLength(2);
      return stream;
    },
    { why: 'both calls are in one stream' },
  );
  const id = /^START RequestId: (\S+) Version: \$LATEST\n?$/m.exec(lines.find((line) => line.startsWith('START')) ?? '')?.[1];
  expect(lines).toContainEqual(`END RequestId: ${id}`);
  expect(lines.find((line) => line.startsWith(`REPORT RequestId: ${id}\tDuration: `))).toMatch(
    /\tDuration: [\d.]+ ms\tBilled Duration: \d+ ms\tMemory Size: 128 MB\tMax Memory Used: \d+ MB\tInit Duration: [\d.]+ ms\t$/,
  );
  expect(lines.find((line) => line.includes('hello'))).toMatch(
    new RegExp(`^\\d{4}-\\d\\d-\\d\\dT[\\d:.]+Z\\t${id}\\tINFO\\thello\\nworld { a: 1 }$`),
  );
  const cloudwatch = new CloudWatch(account.config());
  const sum = async (MetricName: string): Promise<number> => {
    const { Datapoints = [] } = await cloudwatch.getMetricStatistics({
      Namespace: 'AWS/Lambda',
      MetricName,
      Dimensions: [{ Name: 'FunctionName', Value: 'told' }],
      StartTime: new Date(Date.now() - 3_600_000),
      EndTime: new Date(Date.now() + 3_600_000),
      Period: 60,
      Statistics: ['Sum', 'SampleCount'],
    });
    return Datapoints.reduce((all, point) => all + ((MetricName === 'Duration' ? point.SampleCount : point.Sum) ?? 0), 0);
  };
  await eventually(async () => expect(await Promise.all(['Invocations', 'Errors', 'Duration'].map(sum))).toEqual([2, 1, 2]), {
    why: 'the metrics are there',
  });
});

test('a role that may not write logs leaves none', async () => {
  const { make, call, logOf } = await serverless(undefined, ['s3:ListAllMyBuckets']);
  await make('mute', 'export const handler = async () => 1;');
  expect((await call('mute')).log).toMatch(/REPORT/);
  await refused(logOf('mute'), 'ResourceNotFoundException');
});

test('reserved concurrency is a share and a bound', async () => {
  const { lambda, make, call } = await serverless();
  await make('bounded', 'export const handler = async () => new Promise((r) => setTimeout(() => r(1), 1500));', {
    Timeout: 20,
    MemorySize: 512,
  });
  await lambda.putFunctionConcurrency({ FunctionName: 'bounded', ReservedConcurrentExecutions: 1 });
  expect((await lambda.getAccountSettings({})).AccountLimit).toMatchObject({
    ConcurrentExecutions: 1000,
    UnreservedConcurrentExecutions: 999,
  });
  const first = call('bounded');
  await refused(Promise.all([call('bounded'), call('bounded')]), 'TooManyRequestsException', 'Rate Exceeded.', 429);
  expect((await first).error).toBeUndefined();
  await refused(
    lambda.putFunctionConcurrency({ FunctionName: 'bounded', ReservedConcurrentExecutions: 901 }),
    'InvalidParameterValueException',
    "Specified ReservedConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below its minimum value of [100].",
  );
});
