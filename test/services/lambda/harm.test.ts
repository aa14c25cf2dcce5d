/** Functions that mean harm: what AWS reports, and that others do not notice. */
import { deflateRawSync } from 'node:zlib';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { eventually, freshAccount, type OwnCloud, refused, startOwnCloud } from '../../support/cloud.ts';
import { serverless } from './support.ts';
import { zipOf } from '../../support/zip.ts';

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
  const flood = `import fs from 'node:fs';
export const handler = async ({ lines, long, mebibytes = 0 }) => {
  for (let i = 0; i < lines; i++) console.log('line ' + i + ' ' + 'x'.repeat(200));
  if (long) console.log('y'.repeat(long));
  const piece = Buffer.from(('z'.repeat(99_999) + '\\n').repeat(10));
  for (let i = 0; i < mebibytes; i++) for (let at = 0; at < piece.length; ) try { at += fs.writeSync(1, piece, at); } catch (error) { if (error.code !== 'EAGAIN') throw error; }
  return 'done';
};`;
  await make('flood', flood, { Timeout: 60, MemorySize: 1769 });
  await make('calm', 'export const handler = async () => "calm";');
  const flooding = call('flood', { lines: 20_000, long: 2_000_000, mebibytes: 200 });
  expect((await call('calm')).body).toBe('calm');
  const answer = await flooding;
  expect(answer.body).toBe('done');
  // "The last 4 KB of the execution log".
  expect(answer.log.length).toBeLessThanOrEqual(4096);
  expect(answer.log).toMatch(/\[pilvi\] \d+ more lines were dropped: one call keeps 50,000 lines or 16 MB\.\nEND RequestId: /);
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

/** Starts a program of one's own: what a custom runtime that breaks off does is what its author wrote. */
const program = (steps: string): string => `#!/bin/bash
api="/2018-06-01/runtime/invocation"
exec 9<>"/dev/tcp/\${AWS_LAMBDA_RUNTIME_API%:*}/\${AWS_LAMBDA_RUNTIME_API#*:}"
printf 'GET %s/next HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n' "$api" >&9
while IFS= read -r line <&9; do
  line=\${line%$'\\r'}
  case "$line" in
    [Ll]ambda-[Rr]untime-[Aa]ws-[Rr]equest-[Ii]d:*) id=\${line##* } ;;
    '') break ;;
  esac
done
${steps}
`;

test('a program that ends in the middle of its answer, is killed, or never asks is told as such, and others answer', {
  timeout: 60_000,
}, async (context) => {
  context.skip(cloud.limits.length > 0, `functions do not run here: ${cloud.limits[0]}`);
  const { make, call, logOf } = await serverless(freshAccount(cloud.endpoint));
  const half =
    'printf "POST %s/%s/response HTTP/1.1\\r\\nHost: x\\r\\nContent-Length: 1000\\r\\n\\r\\n{\\"half\\":" "$api" "$id" >&9';
  for (const [name, steps, errorType, message] of [
    ['half', `${half}; exit 5`, 'Runtime.ExitError', 'Runtime exited with error: exit status 5'],
    ['quiet', 'exit 0', 'Runtime.ExitError', 'Runtime exited without providing a reason'],
    ['killed', 'kill -9 $$', 'Runtime.ExitError', 'Runtime exited with error: signal: killed'],
    ['hanging', 'sleep 60', 'Sandbox.Timedout', 'Task timed out after 1.00 seconds'],
    ['slow', `${half}; sleep 60`, 'Sandbox.Timedout', 'Task timed out after 1.00 seconds'],
  ] as const) {
    await make(name, program(steps), {
      Runtime: 'provided.al2023',
      Timeout: name === 'hanging' || name === 'slow' ? 1 : 10,
      MemorySize: 512,
    });
    const answer = await call(name);
    expect([name, answer.error, answer.body]).toEqual([
      name,
      'Unhandled',
      { errorType, errorMessage: expect.stringMatching(new RegExp(`^RequestId: [0-9a-f-]{36} Error: ${message}$`)) },
    ]);
    expect(answer.log).toMatch(
      /END RequestId: .*\nREPORT RequestId: .*\tStatus: (error\tError Type: Runtime\.ExitError|timeout)/,
    );
  }
  await make('calm', 'export const handler = async () => "calm";');
  expect((await call('calm')).body).toBe('calm');
  await eventually(async () => expect((await logOf('half')).flat().join('\n')).toContain('exit status 5'), {
    why: 'the log says it',
  });
});

test('memory and disk that run out are told, and are the function’s own', { timeout: 60_000 }, async (context) => {
  context.skip(cloud.limits.length > 0, `functions do not run here: ${cloud.limits[0]}`);
  const { make, call } = await serverless(freshAccount(cloud.endpoint));
  const source = `import fs from 'node:fs';
export const handler = async ({ eat, fill }) => {
  const all = [];
  while (eat) all.push(Buffer.alloc(4e6, 1));
  if (fill) { const piece = Buffer.alloc(1 << 20, 1); const file = fs.openSync('/tmp/' + fill, 'w'); for (;;) fs.writeSync(file, piece); }
  return fs.readdirSync('/tmp');
};`;
  await make('greedy', source, { MemorySize: 256, Timeout: 30 });
  await make(
    'calm',
    'import fs from "node:fs"; export const handler = async () => { fs.writeFileSync("/tmp/mine", "x".repeat(1e7)); return "calm"; };',
  );
  const eaten = await call('greedy', { eat: true });
  expect(eaten.body).toMatchObject({
    errorType: 'Runtime.OutOfMemory',
    errorMessage: expect.stringMatching(/Error: Runtime exited with error: signal: killed$/),
  });
  expect(eaten.log).toMatch(/Memory Size: 256 MB\tMax Memory Used: 256 MB\t/);
  const filled = await call('greedy', { fill: 'x' });
  expect(filled.body).toMatchObject({ errorType: 'Error', errorMessage: 'ENOSPC: no space left on device, write' });
  // The environment lives on, its disk as full as it was; another has one of its own.
  expect((await call('greedy')).body).toEqual(['x']);
  expect((await call('calm')).body).toBe('calm');
});

test('archives with paths and links that lead elsewhere are refused', async () => {
  const { lambda, role } = await serverless(freshAccount(cloud.endpoint));
  const linkMode = 0o120777;
  for (const [name, content, mode] of [
    ['../outside.js', 'x', 0o100644],
    ['a/../../outside.js', 'x', 0o100644],
    ['/etc/cron.d/x', 'x', 0o100644],
    ['..\\outside.js', 'x', 0o100644],
    ['passwd', '/etc/passwd', linkMode],
    ['up', '../../../..', linkMode],
    ['pipe', 'x', 0o010644],
  ] as const)
    await refused(
      lambda.createFunction({
        FunctionName: 'evil',
        Runtime: 'nodejs20.x',
        Handler: 'index.handler',
        Role: role,
        Code: { ZipFile: zipOf({ 'index.js': '', [name]: content }, { [name]: mode }) },
      }),
      'InvalidParameterValueException',
      'Could not unzip uploaded file. Please check your file, then try to upload again.',
    );
  await refused(lambda.getFunction({ FunctionName: 'evil' }), 'ResourceNotFoundException');
});
