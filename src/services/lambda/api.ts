/** What Lambda offers to other services inside the process. Types only may be imported from here. */
import type { Identity } from '../../kernel/caller.ts';
import type { Context, Scope } from '../../kernel/context.ts';
import { requireTarget } from './lookup.ts';
import { functionArn, readFunction } from './names.ts';

/** Who calls: a service on account of a resource (the function's policy decides), or an identity (its policies do too). */
export type FunctionCaller = { principal: string; sourceArn: string; sourceAccount: string } | { identity: Identity };

export interface FunctionCall extends Scope {
  /** Name, partial ARN or ARN, with a qualifier or without; a plain name is one of `account` and `region`. */
  function: string;
  qualifier?: string | undefined;
  payload: Uint8Array | string;
  /** `Event` is accepted and runs later; `DryRun` only asks whether the caller may. */
  type: 'RequestResponse' | 'Event' | 'DryRun';
  caller: FunctionCaller;
}

export interface FunctionAnswer {
  /** 200, 202 of `Event`, 204 of `DryRun`. */
  status: number;
  payload: Uint8Array;
  /** The function failed: `payload` is what AWS tells of it. */
  functionError?: string | undefined;
  executedVersion?: string | undefined;
}

export interface LambdaApi {
  /**
   * Calls a function. Throws as Invoke does: ResourceNotFoundException, AccessDeniedException, TooManyRequestsException, RequestEntityTooLargeException,
   * InvalidRequestContentException, ResourceConflictException.
   */
  invoke(call: FunctionCall): Promise<FunctionAnswer>;
  /** ARN of the function that a name or ARN means, with its qualifier; undefined when there is none. */
  find(scope: Scope, name: string): Promise<string | undefined>;
}

/** The api over a context of Lambda's own. */
export function createApi(system: Context): LambdaApi {
  return {
    async invoke({ account, region, function: name, qualifier, payload, type, caller }) {
      const here = system.inScope({ account, region });
      const as =
        'identity' in caller
          ? here.asIdentity(caller.identity)
          : here.onAccountOf(caller.sourceArn, caller.sourceAccount, caller.principal.replace(/\.amazonaws\.com$/, ''));
      const Payload = typeof payload === 'string' ? Buffer.from(payload) : payload;
      const answer = await as.call('lambda').invoke({ FunctionName: name, Qualifier: qualifier, InvocationType: type, Payload });
      return {
        status: answer.StatusCode ?? 200,
        payload: (answer.Payload as Uint8Array | undefined) ?? new Uint8Array(),
        functionError: answer.FunctionError,
        executedVersion: answer.ExecutedVersion,
      };
    },
    async find(scope, name) {
      const here = system.inScope(scope);
      const ref = readFunction(here, name);
      return requireTarget(here, ref).then(
        () => functionArn(ref),
        () => undefined,
      );
    },
  };
}
