/** Key policies: each key has exactly one, named `default`, and it must let somebody through, or IAM policies and grants reach nothing. */
import type { KMS } from '@aws-sdk/client-kms';
import { parseArn } from '../../base/arn.ts';
import { conditionContext } from '../../kernel/condition-keys.ts';
import type { Context } from '../../kernel/context.ts';
import { evaluate } from '../../kernel/policy/evaluate.ts';
import { principalsOf, validatePolicy } from '../../kernel/policy/validate.ts';
import { RequestCheck } from '../../kernel/request-check.ts';
import type { HandlersOf } from '../../kernel/service.ts';
import type { IamApi } from '../iam/api.ts';
import { limitExceeded, malformedPolicy, notFound, unsupportedOperation } from './errors.ts';
import { keyArn, ownKeyId } from './key-ids.ts';
import { requireRow } from './keys.ts';
import { limits } from './rules.ts';
import { Keys } from './state.ts';

const policyName = 'default';

/** The policy of a key made without one: the account decides by IAM policies. */
export function defaultPolicy(account: string): string {
  return JSON.stringify({
    Version: '2012-10-17',
    Id: 'key-default-1',
    Statement: [
      {
        Sid: 'Enable IAM User Permissions',
        Effect: 'Allow',
        Principal: { AWS: `arn:aws:iam::${account}:root` },
        Action: 'kms:*',
        Resource: '*',
      },
    ],
  });
}

/**
 * Checks a key policy: grammar, size, that its principals exist, and, unless `bypass`, that the caller could change it again ("policy lockout
 * safety check"). Throws MalformedPolicyDocumentException, LimitExceededException.
 */
export async function checkPolicy(ctx: Context, policy: string, arn: string, bypass: boolean | undefined): Promise<void> {
  if (Buffer.byteLength(policy) > limits.policyBytesMax)
    throw limitExceeded(`The policy exceeds the quota of ${limits.policyBytesMax} bytes for a key policy.`);
  const result = validatePolicy(policy, 'resource');
  if (!result.ok) throw malformedPolicy(result.message);
  const principals = principalsOf(result.document);
  if (!(await allExist(ctx, principals)))
    throw malformedPolicy('Policy contains a statement with one or more invalid principals.');
  if (bypass !== true && ctx.caller.kind !== 'service' && !letsBackIn(ctx, policy, arn))
    throw malformedPolicy('The new key policy will not allow you to update the key policy in the future.');
}

async function allExist(ctx: Context, principals: readonly { kind: string; value: string }[]): Promise<boolean> {
  for (const { kind, value } of principals) {
    if (kind !== 'AWS' || value === '*' || /^\d{12}$/.test(value)) continue;
    if (!(await principalExists(ctx, value))) return false;
  }
  return true;
}

/** Whether an ARN names somebody: users and roles must exist; accounts, sessions and federated users need not. */
export async function principalExists(ctx: Context, value: string): Promise<boolean> {
  const arn = parseArn(value);
  if (arn?.service === 'sts' || (arn?.service === 'iam' && arn.resource === 'root')) return true;
  if (arn?.service !== 'iam') return false;
  const [type, ...path] = arn.resource.split('/');
  const iam = await ctx.internal<IamApi>('iam');
  if (type === 'role') return (await iam.findRoleByArn(value)) !== undefined;
  return type === 'user' && (await iam.findUser(arn.account, path.at(-1) ?? '')) !== undefined;
}

/** Whether the caller may PutKeyPolicy under this policy, if its own policies let it do everything. */
function letsBackIn(ctx: Context, policy: string, arn: string): boolean {
  const { account, caller } = ctx;
  const request = {
    principal: caller.principal,
    action: 'kms:PutKeyPolicy',
    resource: arn,
    resourceAccount: account,
    context: conditionContext(caller, ctx.region, ctx.now, {
      resource: arn,
      conditions: { 'kms:CallerAccount': caller.account },
    }),
  };
  const everything = JSON.stringify({ Version: '2012-10-17', Statement: [{ Effect: 'Allow', Action: '*', Resource: '*' }] });
  return evaluate(request, { identity: [everything], resource: policy, resourceMustAllow: true }).allowed;
}

function checkName(name: string | undefined): void {
  if (name !== undefined && name !== policyName) throw notFound('No such policy exists');
}

export const policyHandlers: HandlersOf<KMS> = {
  async GetKeyPolicy(input, ctx) {
    checkName(input.PolicyName);
    const row = await requireRow(ctx, ownKeyId(ctx, input.KeyId));
    return { Policy: row.policy, PolicyName: policyName };
  },

  /** Throws MalformedPolicyDocumentException, LimitExceededException, NotFoundException. */
  async PutKeyPolicy(input, ctx) {
    const { Policy: policy = '', BypassPolicyLockoutSafetyCheck: bypass } = input;
    new RequestCheck().size('policy', policy, 1, limits.policyCharsMax).done();
    checkName(input.PolicyName);
    const id = ownKeyId(ctx, input.KeyId);
    await requireRow(ctx, id);
    const arn = keyArn(ctx, id);
    await checkPolicy(ctx, policy, arn, bypass);
    await ctx.transact(async (tx) => {
      const row = await requireRow(ctx, id, tx);
      if (row.manager === 'AWS') throw unsupportedOperation(`${arn} is an AWS managed key; its policy cannot be changed.`);
      await tx.table(Keys).put({ ...row, policy });
    });
    return {};
  },

  async ListKeyPolicies(input, ctx) {
    await requireRow(ctx, ownKeyId(ctx, input.KeyId));
    return { PolicyNames: [policyName], Truncated: false };
  },
};
