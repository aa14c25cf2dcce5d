/** Security groups in further VPCs of their Region ("Associate security groups with multiple VPCs"), and which groups a VPC may use. */
import type { EC2 } from '@aws-sdk/client-ec2';
import type { Transaction } from '../../../kernel/context.ts';
import { AwsError } from '../../../kernel/errors.ts';
import type { AuthorisationsOf, HandlersOf } from '../../../kernel/service.ts';
import { dependencyViolation, invalidParameterValue } from '../errors.ts';
import { applyFilters } from '../filters.ts';
import { Interfaces } from '../interfaces/state.ts';
import { requireRow } from '../lookup.ts';
import { page } from '../paging.ts';
import { activePeers } from '../peering/lookup.ts';
import { checkTagged, describeTags } from '../tags.ts';
import { Vpcs } from '../vpc/state.ts';
import { describePermissions } from './permissions.ts';
import { vpcsOf } from './peers.ts';
import { type SecurityGroupRow, type SecurityGroupRuleRow, SecurityGroupRules, SecurityGroups } from './state.ts';

async function checkAssociable(tx: Transaction, group: SecurityGroupRow, vpcId: string): Promise<void> {
  const vpc = await requireRow(tx, Vpcs, 'vpc', vpcId);
  const home = await tx.table(Vpcs).get(group.vpcId);
  if (group.name === 'default')
    throw invalidParameterValue(`The default security group ${group.id} cannot be associated with another VPC.`);
  if (vpc.isDefault || home?.isDefault === true)
    throw invalidParameterValue('Security groups cannot be associated with, or from, a default VPC.');
  if (group.vpcId === vpc.id) throw invalidParameterValue(`The security group ${group.id} was created in the VPC ${vpc.id}.`);
}

export const vpcAssociationHandlers: HandlersOf<EC2> = {
  /** Not for default groups and not with default VPCs. Repeats are answered with the state. */
  async AssociateSecurityGroupVpc(input, ctx) {
    const done = await ctx.transact(async (tx) => {
      const group = await requireRow(tx, SecurityGroups, 'securityGroup', input.GroupId);
      const vpcId = input.VpcId ?? '';
      await checkAssociable(tx, group, vpcId);
      if (vpcsOf(group).includes(vpcId)) return true;
      await tx.table(SecurityGroups).put({ ...group, otherVpcs: [...(group.otherVpcs ?? []), vpcId] });
      return false;
    });
    return { State: done ? 'associated' : 'associating' };
  },

  /** Refused while an interface in that VPC carries the group. */
  async DisassociateSecurityGroupVpc(input, ctx) {
    await ctx.transact(async (tx) => {
      const group = await requireRow(tx, SecurityGroups, 'securityGroup', input.GroupId);
      const vpcId = input.VpcId ?? '';
      await requireRow(tx, Vpcs, 'vpc', vpcId);
      if (!(group.otherVpcs ?? []).includes(vpcId))
        throw new AwsError(
          'InvalidSecurityGroupVpcAssociation.NotFound',
          `The security group ${group.id} is not associated with the VPC ${vpcId}.`,
        );
      const cards = await tx.table(Interfaces).byIndex('byGroup', [group.id]);
      if (cards.some((card) => card.vpcId === vpcId)) throw dependencyViolation(`resource ${group.id} has a dependent object`);
      await tx.table(SecurityGroups).put({ ...group, otherVpcs: group.otherVpcs!.filter((id) => id !== vpcId) });
    });
    return { State: 'disassociating' };
  },

  async DescribeSecurityGroupVpcAssociations(input, ctx) {
    const rows = (await ctx.table(SecurityGroups).list()).flatMap((group) =>
      (group.otherVpcs ?? []).map((vpcId) => ({ groupId: group.id, vpcId, tags: group.tags })),
    );
    const passing = applyFilters(rows, input.Filters, {
      'group-id': (row) => row.groupId,
      'group-owner-id': () => ctx.account,
      'vpc-id': (row) => row.vpcId,
      'vpc-owner-id': () => ctx.account,
      state: () => 'associated',
    });
    const found = page('DescribeSecurityGroupVpcAssociations', passing, (row) => `${row.groupId} ${row.vpcId}`, input);
    return {
      SecurityGroupVpcAssociations: found.rows.map(({ groupId, vpcId }) => ({
        GroupId: groupId,
        VpcId: vpcId,
        VpcOwnerId: ctx.account,
        GroupOwnerId: ctx.account,
        State: 'associated',
      })),
      NextToken: found.nextToken,
    };
  },

  /** Groups that interfaces in this VPC may carry. */
  async GetSecurityGroupsForVpc(input, ctx) {
    const vpc = await requireRow(ctx, Vpcs, 'vpc', input.VpcId);
    const rows = (await ctx.table(SecurityGroups).list()).filter((group) => vpcsOf(group).includes(vpc.id));
    const passing = applyFilters(rows, input.Filters, {
      'group-id': (row) => row.id,
      'group-name': (row) => row.name,
      description: (row) => row.description,
      'owner-id': () => ctx.account,
      'primary-vpc-id': (row) => row.vpcId,
    });
    const found = page('GetSecurityGroupsForVpc', passing, (row) => row.id, input);
    return {
      SecurityGroupForVpcs: found.rows.map((row) => ({
        GroupId: row.id,
        GroupName: row.name,
        Description: row.description,
        OwnerId: ctx.account,
        PrimaryVpcId: row.vpcId,
        Tags: describeTags(row.tags),
      })),
      NextToken: found.nextToken,
    };
  },

  /** Groups whose rules name these groups from the other side of a peering connection. */
  async DescribeSecurityGroupReferences(input, ctx) {
    const references = [];
    for (const id of input.GroupId ?? []) {
      const group = await requireRow(ctx, SecurityGroups, 'securityGroup', id);
      for (const { id: peeringId, other } of await activePeers(ctx, group.vpcId)) {
        const rules = await ctx.tableIn(other, SecurityGroupRules).byIndex('byPeerGroup', [id]);
        for (const referencing of new Set(rules.map((rule) => rule.groupId)))
          if ((await ctx.tableIn(other, SecurityGroups).get(referencing))?.vpcId === other.vpcId)
            references.push({ GroupId: id, ReferencingVpcId: other.vpcId, VpcPeeringConnectionId: peeringId });
      }
    }
    return { SecurityGroupReferenceSet: references };
  },

  /** Rules that name a group over a peering connection that is gone, or a group that is gone ("Work with stale security group rules"). */
  async DescribeStaleSecurityGroups(input, ctx) {
    const vpc = await requireRow(ctx, Vpcs, 'vpc', input.VpcId);
    const active = new Set((await activePeers(ctx, vpc.id)).map(({ id }) => id));
    const groups = await ctx.table(SecurityGroups).byIndex('byVpc', [vpc.id]);
    const stale = [];
    for (const group of [...groups].sort((a, b) => (a.id < b.id ? -1 : 1))) {
      const rules: SecurityGroupRuleRow[] = [];
      for (const rule of await ctx.table(SecurityGroupRules).byIndex('byGroup', [group.id])) {
        if (rule.peer.kind !== 'group' || rule.peer.peeringId === undefined) continue;
        const scope = { account: rule.peer.account, region: ctx.region };
        const there = await ctx.tableIn(scope, SecurityGroups).get(rule.peer.groupId);
        if (there === undefined || !active.has(rule.peer.peeringId)) rules.push(rule);
      }
      if (rules.length === 0) continue;
      const permissions = (egress: boolean) =>
        describePermissions(rules.filter((rule) => rule.egress === egress)).map(({ Ipv6Ranges: _none, ...set }) => ({
          ...set,
          IpRanges: [],
          PrefixListIds: [],
          UserIdGroupPairs: set.UserIdGroupPairs?.map((pair) => ({ ...pair, PeeringStatus: 'deleted' })),
        }));
      stale.push({
        GroupId: group.id,
        GroupName: group.name,
        Description: group.description,
        VpcId: vpc.id,
        StaleIpPermissions: permissions(false),
        StaleIpPermissionsEgress: permissions(true),
      });
    }
    const found = page('DescribeStaleSecurityGroups', stale, (one) => one.GroupId, input);
    return { StaleSecurityGroupSet: found.rows, NextToken: found.nextToken };
  },
};

export const vpcAssociationAuthorisations: AuthorisationsOf<EC2> = {
  DescribeSecurityGroupReferences: (input, ctx) => checkTagged(input.GroupId ?? [], ctx),
  AssociateSecurityGroupVpc: (input, ctx) => checkTagged([input.GroupId ?? '', input.VpcId ?? ''], ctx),
  DisassociateSecurityGroupVpc: (input, ctx) => checkTagged([input.GroupId ?? '', input.VpcId ?? ''], ctx),
  GetSecurityGroupsForVpc: (input, ctx) => checkTagged([input.VpcId ?? ''], ctx),
};
