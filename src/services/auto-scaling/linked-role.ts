/**
 * The role by which Auto Scaling acts in an account: what it asks of EC2 and the load balancers is asked of the role's policy, and CloudTrail shows
 * the role's session, invoked by autoscaling.amazonaws.com ("Service-linked roles for Amazon EC2 Auto Scaling").
 */
import type { Context } from '../../kernel/context.ts';
import { AwsError } from '../../kernel/errors.ts';
import type { StsApi } from '../sts/api.ts';
import type { GroupRow } from './state.ts';

const linkedRole = 'AWSServiceRoleForAutoScaling';

/** ARN of the role, which is made when the account has none. */
export async function serviceLinkedRole(ctx: Context): Promise<string> {
  try {
    await ctx.asService().call('iam').createServiceLinkedRole({ AWSServiceName: 'autoscaling.amazonaws.com' });
  } catch (error) {
    if (!(error instanceof AwsError) || !/^InvalidInput/.test(error.code)) throw error;
  }
  return `arn:aws:iam::${ctx.account}:role/aws-service-role/autoscaling.amazonaws.com/${linkedRole}`;
}

/** The context with the group's role as the caller. A role that was deleted meanwhile is made again. */
export async function asLinkedRole(
  ctx: Context,
  { serviceLinkedRole: roleArn }: Pick<GroupRow, 'serviceLinkedRole'>,
): Promise<Context> {
  const sts = await ctx.internal<StsApi>('sts');
  const identify = async () =>
    ctx.asIdentity(await sts.roleIdentity({ roleArn, sessionName: 'AutoScaling', service: 'autoscaling' }));
  try {
    return await identify();
  } catch (error) {
    if (!(error instanceof AwsError) || !/^NoSuchEntity/.test(error.code)) throw error;
    await serviceLinkedRole(ctx);
    return identify();
  }
}
