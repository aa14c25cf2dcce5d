/** Permissions boundaries: a managed policy that limits what a user's or role's own policies can give. What users and roles share. */
import type { AttachedPermissionsBoundary } from '@aws-sdk/client-iam';
import { noSuchEntity } from './errors.ts';
import { checkPolicyArn, findPolicy } from './managed-policies.ts';
import type { Reading } from './state.ts';

/** Checks that a boundary names a managed policy that this account can use. Throws InvalidInput, ValidationError, NoSuchEntity. */
export async function checkBoundary(reading: Reading, account: string, arn: string): Promise<void> {
  checkPolicyArn(arn, 'permissionsBoundary');
  if ((await findPolicy(reading, account, arn)) === undefined) {
    throw noSuchEntity(`Scope ARN: ${arn} does not exist or is not attachable.`);
  }
}

/** A boundary as the API shows it. */
export function describeBoundary(arn: string | undefined): AttachedPermissionsBoundary | undefined {
  return arn === undefined ? undefined : { PermissionsBoundaryType: 'PermissionsBoundaryPolicy', PermissionsBoundaryArn: arn };
}
