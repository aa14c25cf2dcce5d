/** Subnet groups: where nodes may be. */
import type { DAX, SubnetGroup } from '@aws-sdk/client-dax';
import type { Context } from '../../kernel/context.ts';
import { AwsError } from '../../kernel/errors.ts';
import type { HandlersOf } from '../../kernel/service.ts';
import type { Ec2Api } from '../ec2/api.ts';
import { invalidValue, subnetGroupNotFound } from './errors.ts';
import { note } from './events.ts';
import { named, pageFor } from './paging.ts';
import { Clusters, type SubnetGroupRow, SubnetGroups } from './state.ts';

/** "Quotas": subnet groups in a Region, subnets in a group. */
const groupsMax = 50;
const subnetsMax = 20;
const defaultName = 'default';

function describe({ name, description, vpcId, subnets }: SubnetGroupRow): SubnetGroup {
  return {
    ...{ SubnetGroupName: name, Description: description, VpcId: vpcId, SupportedNetworkTypes: ['ipv4'] },
    Subnets: subnets.map(({ id, zone }) => ({
      ...{ SubnetIdentifier: id, SubnetAvailabilityZone: zone, SupportedNetworkTypes: ['ipv4'] },
    })),
  };
}

async function placesOf(ctx: Context, ids: readonly string[]): Promise<Pick<SubnetGroupRow, 'vpcId' | 'subnets'>> {
  if (ids.length === 0) throw invalidValue('At least one subnet must be given.');
  if (ids.length > subnetsMax)
    throw new AwsError('SubnetQuotaExceededFault', `A subnet group can have at most ${subnetsMax} subnets.`);
  const ec2 = await ctx.internal<Ec2Api>('ec2');
  const found = await Promise.all([...new Set(ids)].map(async (id) => ({ id, facts: await ec2.subnetFacts(id) })));
  const subnets = found.map(({ id, facts }) => {
    if (facts === undefined) throw new AwsError('InvalidSubnet', `The subnet ID '${id}' does not exist.`);
    return { id, zone: facts.zone, vpcId: facts.vpcId };
  });
  const vpcId = subnets[0]!.vpcId;
  if (subnets.some((subnet) => subnet.vpcId !== vpcId))
    throw new AwsError('InvalidSubnet', 'All subnets must be in the same VPC.');
  return { vpcId, subnets: subnets.map(({ id, zone }) => ({ id, zone })) };
}

/** The group of this name; `default`, made of the default VPC when it is first used. Throws SubnetGroupNotFoundFault. */
export async function requireSubnetGroup(ctx: Context, name: string = defaultName): Promise<SubnetGroupRow> {
  const known = await ctx.table(SubnetGroups).get(name.toLowerCase());
  if (known !== undefined) return known;
  if (name !== defaultName) throw subnetGroupNotFound(name);
  const { Subnets = [] } = await ctx
    .asService()
    .call('ec2')
    .describeSubnets({ Filters: [{ Name: 'default-for-az', Values: ['true'] }] });
  if (Subnets.length === 0) throw new AwsError('InvalidVPCNetworkStateFault', 'There is no default VPC.');
  const places = await placesOf(
    ctx,
    Subnets.map(({ SubnetId = '' }) => SubnetId),
  );
  const row = { name: defaultName, description: 'Default CacheSubnetGroup', ...places };
  await ctx.transact((tx) => tx.table(SubnetGroups).put(row));
  return row;
}

export const subnetGroupHandlers: HandlersOf<DAX> = {
  async CreateSubnetGroup({ SubnetGroupName = '', Description, SubnetIds = [] }, ctx) {
    const name = SubnetGroupName.toLowerCase();
    if (!/^[a-z0-9][a-z0-9-]{0,254}$/.test(name)) throw invalidValue(`The subnet group name ${SubnetGroupName} is not valid.`);
    const places = await placesOf(ctx, SubnetIds);
    return ctx.transact(async (tx) => {
      const rows = await tx.table(SubnetGroups).list();
      if (rows.some((row) => row.name === name))
        throw new AwsError('SubnetGroupAlreadyExistsFault', `Subnet group ${name} already exists.`);
      if (rows.length >= groupsMax)
        throw new AwsError('SubnetGroupQuotaExceededFault', `You have reached the quota of ${groupsMax} subnet groups.`);
      const row = { name, description: Description, ...places };
      await tx.table(SubnetGroups).put(row);
      await note(tx, ctx, { source: name, type: 'SUBNET_GROUP', message: 'Subnet group created.' });
      return { SubnetGroup: describe(row) };
    });
  },

  async DescribeSubnetGroups(input, ctx) {
    const rows = named(await ctx.table(SubnetGroups).list(), input.SubnetGroupNames, subnetGroupNotFound);
    const page = pageFor('DescribeSubnetGroups', rows, (row) => [row.name], input);
    return { SubnetGroups: page.items.map(describe), NextToken: page.NextToken };
  },

  async UpdateSubnetGroup({ SubnetGroupName = '', Description, SubnetIds }, ctx) {
    const name = SubnetGroupName.toLowerCase();
    const places = SubnetIds === undefined ? undefined : await placesOf(ctx, SubnetIds);
    return ctx.transact(async (tx) => {
      const known = await tx.table(SubnetGroups).get(name);
      if (known === undefined) throw subnetGroupNotFound(SubnetGroupName);
      const row = { ...known, ...places, description: Description ?? known.description };
      for (const cluster of await tx.table(Clusters).list())
        if (cluster.subnetGroup === name && cluster.nodes.some(({ subnetId }) => !row.subnets.some(({ id }) => id === subnetId)))
          throw new AwsError('SubnetInUse', `A subnet of the group ${name} is in use by the cluster ${cluster.name}.`);
      await tx.table(SubnetGroups).put(row);
      await note(tx, ctx, { source: name, type: 'SUBNET_GROUP', message: 'Subnet group updated.' });
      return { SubnetGroup: describe(row) };
    });
  },

  async DeleteSubnetGroup({ SubnetGroupName = '' }, ctx) {
    const name = SubnetGroupName.toLowerCase();
    return ctx.transact(async (tx) => {
      if ((await tx.table(SubnetGroups).get(name)) === undefined) throw subnetGroupNotFound(SubnetGroupName);
      if ((await tx.table(Clusters).list()).some(({ subnetGroup }) => subnetGroup === name))
        throw new AwsError('SubnetGroupInUseFault', `Subnet group ${name} is in use by a cluster.`);
      await tx.table(SubnetGroups).delete(name);
      return { DeletionMessage: `Subnet group "${name}" has been deleted.` };
    });
  },
};
