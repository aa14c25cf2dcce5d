/** Resource policies of secrets. Source: User Guide, "Resource-based policies"; API Reference, PutResourcePolicy, ValidateResourcePolicy. */
import type { SecretsManager, ValidationErrorsEntry } from '@aws-sdk/client-secrets-manager';
import { evaluate } from '../../kernel/policy/evaluate.ts';
import { validatePolicy } from '../../kernel/policy/validate.ts';
import { AwsError } from '../../kernel/errors.ts';
import { RequestCheck } from '../../kernel/request-check.ts';
import type { HandlersOf } from '../../kernel/service.ts';
import { malformedPolicy } from './errors.ts';
import { limits } from './rules.ts';
import { inTransaction, requireSecret } from './secret-ids.ts';
import { Secrets } from './state.ts';

/** Somebody of no account that any policy names. */
const stranger = '999999999999';

/** Whether a policy opens the secret to everybody: an anonymous stranger may read it whatever the conditions. */
function isPublic(policy: string): boolean {
  const arn = `arn:aws:iam::${stranger}:root`;
  const request = {
    principal: { type: 'Account' as const, account: stranger, arn },
    action: 'secretsmanager:GetSecretValue',
    resource: 'arn:aws:secretsmanager:us-east-1:000000000000:secret:any-abcdef',
    resourceAccount: '000000000000',
    context: new Map<string, readonly string[]>(),
  };
  const document = JSON.parse(policy) as { Statement: object | readonly object[] };
  const anywhere = [document.Statement].flat().map((statement) => ({ ...statement, NotResource: undefined, Resource: '*' }));
  const everywhere = JSON.stringify({ ...document, Statement: anywhere });
  return evaluate(request, { identity: [], resource: everywhere }).allowed;
}

function checkText(policy: string): void {
  new RequestCheck().size('resourcePolicy', policy, 1, limits.policyCharsMax).done();
}

export const policyHandlers: HandlersOf<SecretsManager> = {
  /** Throws MalformedPolicyDocumentException; PublicPolicyException when public policies are blocked and this is one. */
  async PutResourcePolicy(input, ctx) {
    const { ResourcePolicy: policy = '', BlockPublicPolicy: block } = input;
    checkText(policy);
    const result = validatePolicy(policy, 'resource');
    if (!result.ok) throw malformedPolicy(result.message);
    if (block === true && isPublic(policy))
      throw new AwsError('PublicPolicyException', "You can't attach a resource policy that allows broad access to the secret.");
    return ctx.transact(async (tx) => {
      const { scope, row, arn } = await requireSecret(inTransaction(ctx, tx), input.SecretId);
      await tx.tableIn(scope, Secrets).put({ ...row, policy });
      return { ARN: arn, Name: row.name };
    });
  },

  async GetResourcePolicy(input, ctx) {
    const { row, arn } = await requireSecret(ctx, input.SecretId);
    return { ARN: arn, Name: row.name, ...(row.policy === undefined ? {} : { ResourcePolicy: row.policy }) };
  },

  async DeleteResourcePolicy(input, ctx) {
    return ctx.transact(async (tx) => {
      const { scope, row, arn } = await requireSecret(inTransaction(ctx, tx), input.SecretId);
      await tx.tableIn(scope, Secrets).put({ ...row, policy: undefined });
      return { ARN: arn, Name: row.name };
    });
  },

  async ValidateResourcePolicy(input, ctx) {
    const { ResourcePolicy: policy = '' } = input;
    checkText(policy);
    if (input.SecretId !== undefined) await requireSecret(ctx, input.SecretId);
    const result = validatePolicy(policy, 'resource');
    const errors: ValidationErrorsEntry[] = [];
    if (!result.ok) errors.push({ CheckName: 'PolicySyntax', ErrorMessage: result.message });
    else if (isPublic(policy))
      errors.push({ CheckName: 'BlockPublicPolicy', ErrorMessage: 'Resource policy grants broad access to the secret.' });
    return { PolicyValidationPassed: errors.length === 0, ValidationErrors: errors };
  },
};
