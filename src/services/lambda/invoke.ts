/** Invoke: calls that wait for their answer, and calls that do not. */
import type { InvocationRequest, InvokeWithResponseStreamResponseEvent, Lambda } from '@aws-sdk/client-lambda';
import type { Context } from '../../kernel/context.ts';
import { parameterNotImplemented } from '../../kernel/errors.ts';
import type { AuthorisationsOf, HandlersOf } from '../../kernel/service.ts';
import { accept } from './asynchronous/calls.ts';
import { conflict, invalidRequestContent, payloadTooLarge } from './errors.ts';
import { call, type CallResult } from './execution/call.ts';
import { Pieces } from './execution/pieces.ts';
import { syncBytesMax } from './execution/run.ts';
import { onFunction, requireTarget, type Target } from './lookup.ts';
import { at, functionArn, readFunction } from './names.ts';

/** "1 MB for asynchronous requests". */
const asyncBytesMax = 1_048_576;

/** Throws InvalidRequestContentException for what is no JSON, with the parser's words as AWS gives them. */
function checkPayload(payload: Uint8Array): Uint8Array {
  if (payload.byteLength === 0) return Buffer.from('{}');
  try {
    JSON.parse(Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength).toString('utf8'));
  } catch (error) {
    throw invalidRequestContent(`Could not parse request body into json: ${(error as Error).message}`);
  }
  return payload;
}

/** Throws ResourceConflictException while the function is being made. */
export function requireActive({ version, ref }: Target): void {
  if (version.state === 'Active') return;
  throw conflict(
    `The operation cannot be performed at this time. The function is currently in the following state: ${version.state}: ${functionArn(ref)}`,
  );
}

function bytesOf(payload: unknown): Uint8Array {
  if (payload === undefined) return new Uint8Array();
  return typeof payload === 'string' ? Buffer.from(payload) : (payload as Uint8Array);
}

function decodeContext(text: string | undefined): string | undefined {
  if (text === undefined) return undefined;
  const decoded = Buffer.from(text, 'base64').toString('utf8');
  try {
    JSON.parse(decoded);
  } catch {
    throw invalidRequestContent('Client context must be a valid Base64-encoded JSON object.');
  }
  return decoded;
}

type InvokeInput = Pick<InvocationRequest, 'FunctionName' | 'Qualifier' | 'ClientContext' | 'InvocationType'> & {
  Payload?: unknown;
};

/** What is called with what. Throws what AWS says of requests that reach no function. */
async function prepare(input: InvokeInput, ctx: Context, bytesMax: number) {
  const ref = readFunction(ctx, input.FunctionName, input.Qualifier);
  const bytes = bytesOf(input.Payload);
  if (bytes.byteLength > bytesMax) throw payloadTooLarge(bytes.byteLength, bytesMax, input.InvocationType ?? 'RequestResponse');
  const payload = checkPayload(bytes);
  const clientContext = decodeContext(input.ClientContext);
  const target = await requireTarget(ctx, ref);
  requireActive(target);
  return { ref, target, call: { payload, clientContext } };
}

function shownTail(logType: string | undefined, tail: string): string | undefined {
  return logType === 'Tail' ? Buffer.from(tail).toString('base64') : undefined;
}

export const invokeHandlers: HandlersOf<Lambda> = {
  async Invoke(input, ctx) {
    if (input.TenantId !== undefined) throw parameterNotImplemented('Invoke', 'TenantId');
    const { InvocationType = 'RequestResponse' } = input;
    const { ref, target, call: asked } = await prepare(input, ctx, InvocationType === 'Event' ? asyncBytesMax : syncBytesMax);
    if (InvocationType === 'DryRun') return { StatusCode: 204 };
    if (InvocationType === 'Event') {
      await accept(at(ctx, ref).asService(), target, { ...asked, id: ctx.requestId });
      return { StatusCode: 202 };
    }
    const result = await call(ctx, target, { ...asked, requestId: ctx.requestId });
    return {
      StatusCode: 200,
      FunctionError: result.functionError,
      LogResult: shownTail(input.LogType, result.logTail),
      Payload: result.payload as never,
      ExecutedVersion: result.version,
    };
  },

  /** Answers as soon as the first piece is there, or the call is over: what keeps it from running is an error of the request. */
  async InvokeWithResponseStream(input, ctx) {
    if (input.TenantId !== undefined) throw parameterNotImplemented('InvokeWithResponseStream', 'TenantId');
    const { target, call: asked } = await prepare(input, ctx, syncBytesMax);
    if (input.InvocationType === 'DryRun') return { StatusCode: 204, EventStream: nothing() };
    const pieces = new Pieces(ctx.clock);
    let version: string | undefined;
    let begin: () => void = () => {};
    const begun = new Promise<void>((resolve) => {
      begin = resolve;
    });
    const running = call(ctx, target, {
      ...asked,
      requestId: ctx.requestId,
      onVersion: (name) => {
        version = name;
      },
      onStream: () => {
        begin();
        return { write: (piece) => pieces.push(piece) };
      },
    });
    running.then(
      () => pieces.end(),
      (error: unknown) => pieces.end(error),
    );
    await Promise.race([begun, running]);
    return { StatusCode: 200, ExecutedVersion: version, EventStream: events(pieces, running, input.LogType) };
  },
};

/** A whole answer is one piece; what failed is told at the end. */
async function* events(
  pieces: Pieces,
  running: Promise<CallResult>,
  logType: string | undefined,
): AsyncGenerator<InvokeWithResponseStreamResponseEvent> {
  for await (const Payload of pieces.read()) yield { PayloadChunk: { Payload } };
  const { functionError, payload, streamed, logTail } = await running;
  const LogResult = shownTail(logType, logTail);
  if (functionError === undefined) {
    if (!streamed) yield { PayloadChunk: { Payload: payload } };
    yield { InvokeComplete: { LogResult } };
    return;
  }
  const ErrorDetails = Buffer.from(payload).toString('utf8');
  yield { InvokeComplete: { ErrorCode: errorCode(ErrorDetails) ?? functionError, ErrorDetails, LogResult } };
}

async function* nothing(): AsyncGenerator<InvokeWithResponseStreamResponseEvent> {}

function errorCode(details: string): string | undefined {
  try {
    const { errorType } = JSON.parse(details) as { errorType?: unknown };
    return typeof errorType === 'string' ? errorType : undefined;
  } catch {
    return undefined;
  }
}

export const invokeChecks: AuthorisationsOf<Lambda> = { Invoke: onFunction, InvokeWithResponseStream: onFunction };
