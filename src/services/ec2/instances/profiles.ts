/** The instance profile of a launch: looked up in IAM, inside the process, as EC2 itself does. */
import type { IamInstanceProfileSpecification } from '@aws-sdk/client-ec2';
import { parseArn } from '../../../base/arn.ts';
import type { Context } from '../../../kernel/context.ts';
import { AwsError } from '../../../kernel/errors.ts';
import type { IamApi } from '../../iam/api.ts';

export interface ProfileUse {
  arn: string;
  id: string;
  roleArn: string;
}

/** The profile named by ARN or name. Throws InvalidParameterValue in EC2's words when IAM has none, or it holds no role. */
export async function requireProfile(
  ctx: Context,
  wanted: IamInstanceProfileSpecification | undefined,
): Promise<ProfileUse | undefined> {
  if (wanted === undefined || (wanted.Arn === undefined && wanted.Name === undefined)) return undefined;
  if (wanted.Arn !== undefined && wanted.Name !== undefined) {
    throw new AwsError(
      'InvalidParameterCombination',
      "The parameter 'iamInstanceProfile.name' may not be used in combination with 'iamInstanceProfile.arn'",
    );
  }
  const arn = wanted.Arn === undefined ? undefined : parseArn(wanted.Arn);
  const name = wanted.Name ?? arn?.resource.split('/').at(-1) ?? '';
  const iam = await ctx.internal<IamApi>('iam');
  const profile = wanted.Arn !== undefined && arn === undefined ? undefined : await iam.findInstanceProfile(ctx.account, name);
  const profileArn =
    profile === undefined ? undefined : `arn:aws:iam::${ctx.account}:instance-profile${profile.path}${profile.name}`;
  if (profile === undefined || profileArn === undefined || (wanted.Arn !== undefined && profileArn !== wanted.Arn)) {
    const byName = wanted.Arn === undefined;
    const given = byName
      ? `(${wanted.Name}) for parameter iamInstanceProfile.name`
      : `(${wanted.Arn}) for parameter iamInstanceProfile.arn`;
    throw new AwsError(
      'InvalidParameterValue',
      `Value ${given} is invalid. Invalid IAM Instance Profile ${byName ? 'name' : 'ARN'}`,
    );
  }
  const role = await iam.roleOf(ctx.account, profile);
  if (role === undefined) {
    throw new AwsError('InvalidParameterValue', `IAM Instance Profile "${profileArn}" has no associated IAM Roles`);
  }
  return { arn: profileArn, id: profile.id, roleArn: iam.roleArn(ctx.account, role) };
}
