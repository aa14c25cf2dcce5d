/** Functions that mean harm: what AWS reports, and that others do not notice. */
import { deflateRawSync } from 'node:zlib';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { eventually, freshAccount, type OwnCloud, refused, startOwnCloud } from '../../support/cloud.ts';
import { serverless, zipOf } from './support.ts';

let cloud: OwnCloud;

beforeAll(async () => {
  cloud = await startOwnCloud();
});

afterAll(async () => {
  await cloud?.stop();
});

test('a fork bomb ends with its call, and another function answers meanwhile', { timeout: 90_000 }, async (context) => {
  context.skip(cloud.limits.length > 0, `functions do not run here: ${cloud.limits[0]}`);
  const { make, call } = await serverless(freshAccount(cloud.endpoint));
  await make('calm', 'export const handler = async () => "calm";');
  expect((await call('calm')).body).toBe('calm');
  const bomb =
    'import cp from "node:child_process"; export const handler = () => new Promise(() => cp.spawn("sh", ["-c", "f() { f | f & }; f; sleep 600"], { stdio: "ignore" }));';
  await make('bomb', bomb, { Timeout: 5 });
  const exploded = call('bomb');
  expect((await call('calm')).body).toBe('calm');
  const answer = await exploded;
  expect(answer.error).toBe('Unhandled');
  expect(answer.body).toMatchObject({ errorMessage: expect.stringMatching(/Task timed out after 5\.00 seconds|Runtime exited/) });
  expect((await call('calm')).body).toBe('calm');
});

test('a flood of logs neither stops the call nor the cloud, and what is kept is bounded by line', {
  timeout: 90_000,
}, async (context) => {
  context.skip(cloud.limits.length > 0, `functions do not run here: ${cloud.limits[0]}`);
  const { make, call, logOf } = await serverless(freshAccount(cloud.endpoint));
  const flood =
    'export const handler = async ({ lines, long }) => { for (let i = 0; i < lines; i++) console.log("line " + i + " " + "x".repeat(200)); if (long) console.log("y".repeat(long)); return "done"; };';
  await make('flood', flood, { Timeout: 60, MemorySize: 512 });
  const answer = await call('flood', { lines: 20_000, long: 2_000_000 });
  expect(answer.body).toBe('done');
  // "The last 4 KB of the execution log".
  expect(answer.log.length).toBeLessThanOrEqual(4096);
  await eventually(
    async () => {
      const lines = (await logOf('flood')).flat();
      expect(lines.length).toBeGreaterThan(100);
      for (const line of lines) expect(line.length).toBeLessThanOrEqual(1_048_576);
    },
    { timeoutMs: 30_000, why: 'the log is written' },
  );
  expect((await call('flood', { lines: 1 })).body).toBe('done');
});

test('an archive that unpacks to more than 250 MB is refused, and leaves nothing behind', { timeout: 60_000 }, async () => {
  const { lambda, role, make, call } = await serverless(freshAccount(cloud.endpoint));
  // 300 MB of zeros in 300 kB, and sizes that tell the truth.
  const size = 300_000_000;
  const packed = deflateRawSync(Buffer.alloc(size));
  const archive = zipOf({ big: packed });
  const directory = archive.lastIndexOf(Buffer.from([0x50, 0x4b, 1, 2]));
  for (const [at, method, unpacked] of [
    [0, 8, 22],
    [directory, 10, 24],
  ] as const) {
    archive.writeUInt16LE(8, at + method);
    archive.writeUInt32LE(size, at + unpacked);
  }
  const input = { Runtime: 'nodejs20.x', Handler: 'index.handler', Role: role } as const;
  await refused(
    lambda.createFunction({ ...input, FunctionName: 'huge', Code: { ZipFile: archive } }),
    'InvalidParameterValueException',
    'Unzipped size must be smaller than 262144000 bytes',
  );
  // The same with sizes that lie: refused too, in whatever words, and the cloud goes on.
  for (const [at, unpacked] of [
    [0, 22],
    [directory, 24],
  ] as const)
    archive.writeUInt32LE(10, at + unpacked);
  await refused(
    lambda.createFunction({ ...input, FunctionName: 'liar', Code: { ZipFile: archive } }),
    'InvalidParameterValueException',
  );
  await refused(lambda.getFunction({ FunctionName: 'huge' }), 'ResourceNotFoundException');
  if (cloud.limits.length > 0) return;
  await make('calm', 'export const handler = async () => "calm";');
  expect((await call('calm')).body).toBe('calm');
});
