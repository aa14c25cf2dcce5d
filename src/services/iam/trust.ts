/**
 * Trust policies. Principals that are users or roles of this cloud are kept by unique id, as the real service keeps them: a principal that is deleted
 * and made again under its name is another one and is not trusted ("AWS JSON policy elements: Principal", IAM users).
 */
import { validatePolicy } from '../../kernel/policy/validate.ts';
import { checkDocumentMember } from './documents.ts';
import { limitExceeded, malformedPolicyDocument } from './errors.ts';
import { policySize, sizes } from './rules.ts';
import type { Reading } from './state.ts';

/** Checks a trust policy's grammar and size. Throws ValidationError, MalformedPolicyDocument, LimitExceeded. */
export function checkTrust(document: string): void {
  checkDocumentMember(document, 'assumeRolePolicyDocument');
  const result = validatePolicy(document, 'trust');
  if (!result.ok) throw malformedPolicyDocument(result.message);
  if (policySize(document) > sizes.trustPolicy) throw limitExceeded(`Cannot exceed quota for ACLSizePerRole: ${sizes.trustPolicy}`);
}
