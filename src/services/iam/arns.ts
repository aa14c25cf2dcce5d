/** ARNs of what IAM holds: the Region is empty, because IAM is global (IAM User Guide, "IAM identifiers"). */
import { parseArn } from '../../base/arn.ts';

interface Named {
  path: string;
  name: string;
}

const arnOf = (kind: string) => (account: string, row: Named) => `arn:aws:iam::${account}:${kind}${row.path}${row.name}`;

/** ARN of a user. */
export const userArn = arnOf('user');
/** ARN of a group. */
export const groupArn = arnOf('group');
/** ARN of a role. */
export const roleArn = arnOf('role');
/** ARN of a managed policy; the account is `aws` for AWS's own. */
export const policyArn = arnOf('policy');
/** ARN of an instance profile. */
export const instanceProfileArn = arnOf('instance-profile');
/** ARN of a server certificate. */
export const serverCertificateArn = arnOf('server-certificate');
/** ARN of a virtual MFA device: its serial number. */
export const mfaArn = arnOf('mfa');

/** What an entity's ARN says: its account (`aws` for AWS managed policies), path and name; undefined for an ARN of another kind. */
export function parseEntityArn(
  kind: 'user' | 'group' | 'role' | 'policy' | 'mfa',
  arn: string,
): (Named & { account: string }) | undefined {
  const parsed = parseArn(arn);
  if (parsed === undefined || parsed.partition !== 'aws' || parsed.service !== 'iam' || parsed.region !== '') return undefined;
  const rest = parsed.resource.startsWith(`${kind}/`) ? parsed.resource.slice(kind.length) : '';
  const name = rest.slice(rest.lastIndexOf('/') + 1);
  if (name === '' || parsed.account === '') return undefined;
  return { account: parsed.account, path: rest.slice(0, rest.length - name.length), name };
}
