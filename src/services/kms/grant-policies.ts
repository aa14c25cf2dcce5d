/**
 * Grants as the policy engine sees them: a grant that reaches caller and operation is one more statement of the key's policy. So an explicit deny
 * anywhere still wins, as in AWS. Source: AWS KMS Developer Guide, "Grants", "Using grant constraints".
 */
import type { CreateGrantRequest } from '@aws-sdk/client-kms';
import type { Context } from '../../kernel/context.ts';
import type { EncryptionContext } from './ciphertext.ts';
import type { FoundKey } from './key-ids.ts';
import { type GrantRow, Grants, type TagMap } from './state.ts';

/** Operations whose encryption context a constraint bears on; others (DescribeKey, RetireGrant) it leaves alone. */
const constrained = /^(Encrypt|Decrypt|ReEncrypt|GenerateDataKey)/;

function meetsConstraints({ constraints }: GrantRow, action: string, context: EncryptionContext): boolean {
  if (constraints === undefined || !constrained.test(action)) return true;
  const contains = (wanted: Readonly<Record<string, string>>): boolean =>
    Object.entries(wanted).every(([key, value]) => context[key] === value);
  if (constraints.subset !== undefined && !contains(constraints.subset)) return false;
  const { equals } = constraints;
  return equals === undefined || (contains(equals) && Object.keys(context).length === Object.keys(equals).length);
}

/**
 * Whether a grant that allows CreateGrant reaches as far as the one to be made: "the new grant must be equally or more restrictive", in operations
 * and constraints.
 */
export function coversGrant(parent: GrantRow, { Operations: operations = [], Constraints: wanted }: CreateGrantRequest): boolean {
  if (!operations.every((operation) => parent.operations.includes(operation))) return false;
  const { equals, subset } = parent.constraints ?? {};
  const same = (a: TagMap, b: TagMap | undefined): boolean =>
    b !== undefined &&
    Object.keys(a).length === Object.keys(b).length &&
    Object.entries(a).every(([key, value]) => b[key] === value);
  if (equals !== undefined && !same(equals, wanted?.EncryptionContextEquals)) return false;
  if (subset === undefined) return true;
  const held = wanted?.EncryptionContextEquals ?? wanted?.EncryptionContextSubset ?? {};
  return Object.entries(subset).every(([key, value]) => held[key] === value);
}

/** The key's policy, with a statement for each grant that may allow this operation. `accept` narrows the grants further. */
export async function withGrants(
  ctx: Context,
  { scope, row }: FoundKey,
  action: string,
  context: EncryptionContext,
  accept: (grant: GrantRow) => boolean = () => true,
): Promise<string> {
  const grants = await ctx.tableIn(scope, Grants).list({ prefix: [row.id] });
  const reaching = grants.filter(
    (grant) => grant.operations.includes(action) && meetsConstraints(grant, action, context) && accept(grant),
  );
  if (reaching.length === 0) return row.policy;
  const policy = JSON.parse(row.policy) as { Statement: unknown };
  const statements = Array.isArray(policy.Statement) ? policy.Statement : [policy.Statement];
  const principals = [...new Set(reaching.map(({ grantee }) => grantee))];
  const granted = { Effect: 'Allow', Principal: { AWS: principals }, Action: `kms:${action}`, Resource: '*' };
  return JSON.stringify({ ...policy, Statement: [...statements, granted] });
}
