/** The group that comes with every VPC: members talk to one another, everything may go out ("Default security groups for your VPCs"). */
import type { Context, Transaction } from '../../../kernel/context.ts';
import type { VpcRow } from '../vpc/state.ts';
import { SecurityGroupRules, SecurityGroups } from './state.ts';

/** Puts the VPC's default group and its two rules into the transaction. */
export async function addDefaultGroup(tx: Transaction, ctx: Context, vpc: VpcRow): Promise<void> {
  const groupId = vpc.defaultSecurityGroupId;
  await tx
    .table(SecurityGroups)
    .put({ id: groupId, vpcId: vpc.id, name: 'default', description: 'default VPC security group', tags: {} });
  const rule = { groupId, protocol: -1, tags: {} };
  await tx
    .table(SecurityGroupRules)
    .put({ ...rule, id: ctx.id('securityGroupRule'), egress: false, peer: { kind: 'group', groupId, account: ctx.account } });
  await tx
    .table(SecurityGroupRules)
    .put({ ...rule, id: ctx.id('securityGroupRule'), egress: true, peer: { kind: 'ipv4', cidr: '0.0.0.0/0' } });
}
