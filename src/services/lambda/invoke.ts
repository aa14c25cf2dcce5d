/** Invoke: calls that wait for their answer, and calls that do not. */
import type { Lambda } from '@aws-sdk/client-lambda';
import type { AuthorisationsOf, HandlersOf } from '../../kernel/service.ts';
import { accept } from './asynchronous/calls.ts';
import { conflict, invalidRequestContent, payloadTooLarge } from './errors.ts';
import { call } from './execution/call.ts';
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

export const invokeHandlers: HandlersOf<Lambda> = {
  async Invoke(input, ctx) {
    const { InvocationType = 'RequestResponse', LogType = 'None' } = input;
    const ref = readFunction(ctx, input.FunctionName, input.Qualifier);
    const bytes = bytesOf(input.Payload);
    const bytesMax = InvocationType === 'Event' ? asyncBytesMax : syncBytesMax;
    if (bytes.byteLength > bytesMax) throw payloadTooLarge(bytes.byteLength, bytesMax, InvocationType);
    const payload = checkPayload(bytes);
    const clientContext = decodeContext(input.ClientContext);
    const target = await requireTarget(ctx, ref);
    requireActive(target);
    if (InvocationType === 'DryRun') return { StatusCode: 204 };
    if (InvocationType === 'Event') {
      await accept(at(ctx, ref).asService(), target, { id: ctx.requestId, payload, clientContext });
      return { StatusCode: 202 };
    }
    const result = await call(ctx, target, { payload, requestId: ctx.requestId, clientContext });
    return {
      StatusCode: 200,
      FunctionError: result.functionError,
      LogResult: LogType === 'Tail' ? Buffer.from(result.logTail).toString('base64') : undefined,
      Payload: result.payload as never,
      ExecutedVersion: result.version,
    };
  },
};

export const invokeChecks: AuthorisationsOf<Lambda> = { Invoke: onFunction };
