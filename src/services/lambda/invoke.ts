/** Invoke: calls that wait for their answer, and calls that do not. */
import type { Lambda } from '@aws-sdk/client-lambda';
import type { Context } from '../../kernel/context.ts';
import { parameterNotImplemented } from '../../kernel/errors.ts';
import type { AuthorisationsOf, HandlersOf } from '../../kernel/service.ts';
import { conflict, invalidRequestContent, requestTooLarge } from './errors.ts';
import { run, syncBytesMax } from './execution/run.ts';
import { onFunction, requireTarget, type Target } from './lookup.ts';
import { at, functionArn, readFunction, versionName } from './names.ts';

/** Throws InvalidRequestContentException for what is no JSON, with the parser's words as AWS gives them. */
export function checkPayload(payload: Uint8Array): Uint8Array {
  if (payload.byteLength === 0) return Buffer.from('{}');
  const text = Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength).toString('utf8');
  try {
    JSON.parse(text);
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

/** The version that a call of a target goes to: an alias may share calls between two. */
export async function routed(ctx: Context, target: Target): Promise<Target> {
  const { alias } = target;
  if (alias?.routed === undefined) return target;
  const draw = (ctx.bytes(2).reduce((all, byte) => all * 256 + byte, 0) % 10_000) / 10_000;
  if (draw >= alias.routed.weight) return target;
  const other = await requireTarget(ctx, { ...target.ref, qualifier: versionName(alias.routed.version) });
  return { ...target, version: other.version };
}

export const invokeHandlers: HandlersOf<Lambda> = {
  async Invoke(input, ctx) {
    const { InvocationType = 'RequestResponse', LogType = 'None' } = input;
    const ref = readFunction(ctx, input.FunctionName, input.Qualifier);
    const bytes = bytesOf(input.Payload);
    if (bytes.byteLength > syncBytesMax) throw requestTooLarge(syncBytesMax, 'InvokeFunction');
    const payload = checkPayload(bytes);
    const target = await routed(ctx, await requireTarget(ctx, ref));
    requireActive(target);
    if (InvocationType === 'DryRun') return { StatusCode: 204 };
    if (InvocationType !== 'RequestResponse') throw parameterNotImplemented('Invoke', `InvocationType=${InvocationType}`);
    const result = await run(at(ctx, ref).asService(), {
      ref,
      version: target.version,
      payload,
      requestId: ctx.requestId,
      clientContext: input.ClientContext === undefined ? undefined : Buffer.from(input.ClientContext, 'base64').toString('utf8'),
    });
    return {
      StatusCode: 200,
      FunctionError: result.functionError,
      LogResult: LogType === 'Tail' ? Buffer.from(result.logTail).toString('base64') : undefined,
      Payload: result.payload as never,
      ExecutedVersion: versionName(target.version.number),
    };
  },
};

export const invokeChecks: AuthorisationsOf<Lambda> = { Invoke: onFunction };
