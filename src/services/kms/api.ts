/**
 * What KMS offers to other services inside the process. Cryptography is not among it: that goes by `ctx.call('kms')`, under the caller's rights. Types
 * only may be imported from here.
 */
import type { Context, Scope } from '../../kernel/context.ts';
import { keyArn, lookUp, readKeyId } from './key-ids.ts';
import { awsAliasService, ensureManagedKey } from './managed.ts';
import type { KeyState, KeyUsage } from './state.ts';

export interface ResolvedKey {
  arn: string;
  state: KeyState;
  manager: 'AWS' | 'CUSTOMER';
  spec: string;
  usage: KeyUsage;
}

export interface KmsApi {
  /** ARN of the key behind `alias/aws/<service>` (`ebs`, `s3`, `sqs`, `rds`, …), which is made on first use. */
  managedKey(scope: Scope, service: string): Promise<string>;
  /**
   * The key that an id, ARN, alias or alias ARN means in this account and Region, whatever its state; AWS's own aliases make their key. Undefined for
   * what names no key.
   */
  resolveKey(scope: Scope, keyId: string): Promise<ResolvedKey | undefined>;
}

/** The api over a context of KMS's own. */
export function createApi(system: Context): KmsApi {
  return {
    managedKey: async (scope, service) => keyArn(scope, await ensureManagedKey(system.inScope(scope), service)),
    async resolveKey(scope, keyId) {
      const ctx = system.inScope(scope);
      const name = readName(ctx, keyId);
      if (name === undefined) return undefined;
      const service = name.scope.account === scope.account ? awsAliasService(name.alias) : undefined;
      if (service !== undefined) await ensureManagedKey(ctx, service);
      const found = await lookUp(ctx, name);
      if (found === undefined) return undefined;
      const { state, manager, spec, usage } = found.row;
      return { arn: found.arn, state, manager, spec, usage };
    },
  };
}

function readName(ctx: Context, keyId: string) {
  try {
    return readKeyId(ctx, keyId);
  } catch {
    return undefined;
  }
}
