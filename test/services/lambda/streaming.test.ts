/** Answers that come piece by piece, by the official client: InvokeWithResponseStream. */
import type { InvokeWithResponseStreamCommandInput } from '@aws-sdk/client-lambda';
import { beforeEach, expect, test } from 'vitest';
import { machinesRefused, refused } from '../../support/cloud.ts';
import { serverless } from './support.ts';

beforeEach((context) => {
  context.skip(machinesRefused() !== undefined, machinesRefused());
});

const source = `import { setTimeout as pause } from 'node:timers/promises';
export const handler = awslambda.streamifyResponse(async (event, stream, context) => {
  stream.setContentType('text/plain');
  if (event.early) throw new RangeError('before anything');
  for (const word of event.words ?? []) { stream.write(word); await pause(150); }
  if (event.late) throw new TypeError('in the middle');
  if (event.hang) await pause(60_000);
  if (event.exit) process.exit(7);
  if (event.mebibytes) for (let n = 0; n < event.mebibytes; n++) if (!stream.write(Buffer.alloc(1024 * 1024, 97))) await new Promise((r) => stream.once('drain', r));
  stream.end();
});`;

async function open() {
  const all = await serverless();
  await all.make('tell', source, { MemorySize: 512, Timeout: 2 });
  const ask = async (event: unknown, more: Partial<InvokeWithResponseStreamCommandInput> = {}) => {
    const answer = await all.lambda.invokeWithResponseStream({ FunctionName: 'tell', Payload: JSON.stringify(event), ...more });
    const pieces: { text: string; at: number }[] = [];
    let bytes = 0;
    for await (const { PayloadChunk, InvokeComplete } of answer.EventStream ?? []) {
      if (InvokeComplete !== undefined) return { ...answer, pieces, bytes, complete: InvokeComplete };
      const Payload = PayloadChunk?.Payload ?? new Uint8Array();
      bytes += Payload.byteLength;
      if (pieces.length < 10) pieces.push({ text: Buffer.from(Payload).toString().slice(0, 100), at: performance.now() });
    }
    throw new Error('The stream had no end.');
  };
  return { ...all, ask };
}

test('a function that streams is heard piece by piece, with the end of its log', async () => {
  const { ask } = await open();
  const { StatusCode, ExecutedVersion, ResponseStreamContentType, pieces, complete } = await ask(
    { words: ['one', 'two', 'three'] },
    { LogType: 'Tail' },
  );
  expect({ StatusCode, ExecutedVersion, ResponseStreamContentType }).toEqual({
    StatusCode: 200,
    ExecutedVersion: '$LATEST',
    ResponseStreamContentType: 'application/vnd.amazon.eventstream',
  });
  expect(pieces.map(({ text }) => text)).toEqual(['one', 'two', 'three']);
  // Made 300 ms apart, so not sent as one.
  expect((pieces.at(-1)?.at ?? 0) - (pieces[0]?.at ?? 0)).toBeGreaterThan(150);
  expect(Buffer.from(complete.LogResult ?? '', 'base64').toString()).toMatch(/REPORT RequestId: /);
  expect(complete.ErrorCode).toBeUndefined();
});

test('a function that does not stream is one piece, and one that fails says so at the end of what it sent', async () => {
  const { ask, make, lambda } = await open();
  await make(
    'plain',
    'export const handler = async (event) => { if (event.bad) throw new Error("bad"); return { got: event }; };',
  );
  const plain = await ask({ n: 1 }, { FunctionName: 'plain' });
  expect([plain.pieces.map(({ text }) => text), plain.complete]).toEqual([['{"got":{"n":1}}'], {}]);
  const failed = await ask({ bad: true }, { FunctionName: 'plain' });
  expect(failed.pieces).toEqual([]);
  expect(failed.complete.ErrorCode).toBe('Error');
  expect(JSON.parse(failed.complete.ErrorDetails ?? '')).toMatchObject({ errorType: 'Error', errorMessage: 'bad' });
  for (const [event, texts, ErrorCode, details] of [
    [{ early: true }, [], 'RangeError', 'before anything'],
    [{ words: ['half'], late: true }, ['half'], 'TypeError', 'in the middle'],
    [{ words: ['half'], hang: true }, ['half'], 'Sandbox.Timedout', 'Task timed out after 2.00 seconds'],
    [{ words: ['half'], exit: true }, ['half'], 'Runtime.ExitError', 'Runtime exited with error: exit status 7'],
  ] as const) {
    const { pieces, complete } = await ask(event);
    expect([pieces.map(({ text }) => text), complete.ErrorCode]).toEqual([texts, ErrorCode]);
    expect(complete.ErrorDetails).toContain(details);
  }
  const dry = await lambda.invokeWithResponseStream({ FunctionName: 'tell', InvocationType: 'DryRun' });
  expect(dry.StatusCode).toBe(204);
});

test('more than 6 MB can be streamed, the rest of it at 2 MB a second', async () => {
  const { ask, lambda, settled } = await open();
  await lambda.updateFunctionConfiguration({ FunctionName: 'tell', Timeout: 30 });
  await settled('tell');
  const begun = performance.now();
  const { bytes, complete } = await ask({ mebibytes: 9 });
  expect([bytes, complete.ErrorCode]).toEqual([9 * 1024 * 1024, undefined]);
  expect(performance.now() - begun).toBeGreaterThan(1200);
});

test('what cannot be called is refused before any stream', async () => {
  const { ask, lambda } = await open();
  await refused(ask({}, { FunctionName: 'nobody' }), 'ResourceNotFoundException', /function:nobody$/);
  await refused(ask({}, { Payload: '{' }), 'InvalidRequestContentException', /^Could not parse request body into json: /);
  await refused(
    ask({}, { Payload: JSON.stringify('x'.repeat(6 * 1024 * 1024)) }),
    'RequestEntityTooLargeException',
    /must be smaller than 6291456 bytes/,
  );
  await lambda.putFunctionConcurrency({ FunctionName: 'tell', ReservedConcurrentExecutions: 0 });
  await refused(ask({}), 'TooManyRequestsException', 'Rate Exceeded.');
});
