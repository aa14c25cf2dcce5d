/** Target groups of a group: attach and detach, registration of members, their health and draining, all by calls to Elastic Load Balancing. */
import type { AutoScaling } from '@aws-sdk/client-auto-scaling';
import type { Context } from '../../kernel/context.ts';
import { AwsError } from '../../kernel/errors.ts';
import type { HandlersOf } from '../../kernel/service.ts';
import { validationError } from './errors.ts';
import { checkTargetGroups } from './group-input.ts';
import { requireGroup } from './groups.ts';
import { pageFor } from './lists.ts';
import { Groups, type MemberRow, Members } from './state.ts';

/** Does what needs a target group; false when it is gone. */
async function attempt(act: () => Promise<unknown>): Promise<boolean> {
  try {
    await act();
    return true;
  } catch (error) {
    if (error instanceof AwsError && /^(TargetGroupNotFound|InvalidTarget)/.test(error.code)) return false;
    throw error;
  }
}

export async function registerMember(ctx: Context, arn: string, id: string): Promise<boolean> {
  return attempt(() => ctx.call('elastic-load-balancing-v2').registerTargets({ TargetGroupArn: arn, Targets: [{ Id: id }] }));
}

export async function deregisterMember(ctx: Context, arn: string, id: string): Promise<void> {
  await attempt(() => ctx.call('elastic-load-balancing-v2').deregisterTargets({ TargetGroupArn: arn, Targets: [{ Id: id }] }));
}

/** State of a member in a target group as DescribeTargetHealth has it; `unused` when it is not there. */
export async function targetState(ctx: Context, arn: string, id: string): Promise<string> {
  let state = 'unused';
  await attempt(async () => {
    const { TargetHealthDescriptions: found = [] } = await ctx
      .call('elastic-load-balancing-v2')
      .describeTargetHealth({ TargetGroupArn: arn, Targets: [{ Id: id }] });
    state = found[0]?.TargetHealth?.State ?? 'unused';
  });
  return state;
}

/** What DescribeLoadBalancerTargetGroups calls the state of a whole target group. */
function groupState(arn: string, members: readonly MemberRow[]): string {
  const live = members.filter(({ state }) => state === 'InService');
  if (live.length === 0 || !live.every(({ registered }) => registered.includes(arn))) return 'Adding';
  return 'InService';
}

export const targetHandlers: HandlersOf<AutoScaling> = {
  async AttachLoadBalancerTargetGroups({ AutoScalingGroupName: name, TargetGroupARNs: arns = [] }, ctx) {
    await requireGroup(ctx, name);
    await checkTargetGroups(ctx, arns);
    await ctx.transact(async (tx) => {
      const row = await requireGroup(tx, name);
      await tx.table(Groups).put({ ...row, targetGroups: [...new Set([...row.targetGroups, ...arns])] });
      tx.hint('groups', row.name);
    });
    return {};
  },

  async DetachLoadBalancerTargetGroups({ AutoScalingGroupName: name, TargetGroupARNs: arns = [] }, ctx) {
    await ctx.transact(async (tx) => {
      const row = await requireGroup(tx, name);
      const wrong = arns.find((arn) => !row.targetGroups.includes(arn));
      if (wrong !== undefined) throw validationError(`Trying to remove Target Groups that are not part of the group: ${wrong}`);
      await tx.table(Groups).put({ ...row, targetGroups: row.targetGroups.filter((arn) => !arns.includes(arn)) });
      tx.hint('groups', row.name);
    });
    return {};
  },

  async DescribeLoadBalancerTargetGroups(input, ctx) {
    const row = await requireGroup(ctx, input.AutoScalingGroupName);
    const members = await ctx.table(Members).list({ prefix: [row.name] });
    const page = pageFor('target-groups', row.targetGroups, (arn) => [arn], input);
    const LoadBalancerTargetGroups = page.items.map((arn) => ({
      LoadBalancerTargetGroupARN: arn,
      State: groupState(arn, members),
    }));
    return { LoadBalancerTargetGroups, NextToken: page.nextToken };
  },
};
