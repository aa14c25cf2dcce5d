/** Clusters: create, describe, change, grow, shrink, delete. Their nodes are the reconciler's (nodes.ts). */
import type { CreateClusterRequest, DAX } from '@aws-sdk/client-dax';
import type { Context, Transaction } from '../../kernel/context.ts';
import { AwsError, parameterNotImplemented } from '../../kernel/errors.ts';
import type { HandlersOf } from '../../kernel/service.ts';
import type { Ec2Api } from '../ec2/api.ts';
import type { StsApi } from '../sts/api.ts';
import { clusterNotFound, invalidCombination, invalidState, invalidValue, nodeNotFound } from './errors.ts';
import { note } from './events.ts';
import { describeCluster, requireAvailable, requireCluster } from './lookup.ts';
import { checkWindow, rebooting, scheduleMaintenance } from './maintenance.ts';
import { named, pageFor } from './paging.ts';
import { defaultGroup, requireParameterGroup, settingsOf } from './parameters.ts';
import { type ClusterRow, Clusters, Labels, type NodeRow, type ParameterGroupRow, type SubnetGroupRow } from './state.ts';
import { requireSubnetGroup } from './subnet-groups.ts';
import { mergeTags } from './tags.ts';

/** "Quotas in DAX": nodes of a cluster, nodes in a Region. */
const nodesMax = 11;
const nodesInRegionMax = 50;
const nodeTypes =
  /^dax\.(?:t2\.(?:small|medium)|t3\.(?:small|medium)|r3\.(?:large|[248]?xlarge)|r[45]\.(?:large|(?:2|4|8|12|16|24)?xlarge))$/;
const minute = 60_000;
const defaultWindow = 'sun:05:00-sun:06:00';

const unimplemented = ['NotificationTopicArn'] as const;

function checkInput(input: CreateClusterRequest): string {
  const name = input.ClusterName ?? '';
  const left = unimplemented.find((each) => input[each] !== undefined);
  if (left !== undefined) throw parameterNotImplemented('CreateCluster', left);
  if (input.NetworkType !== undefined && input.NetworkType !== 'ipv4')
    throw parameterNotImplemented('CreateCluster', `NetworkType ${input.NetworkType}`);
  if (!/^[A-Za-z](?!.*--)[A-Za-z0-9-]{0,19}$/.test(name) || name.endsWith('-'))
    throw invalidValue(`The cluster name ${name} is not valid.`);
  if (!nodeTypes.test(input.NodeType ?? '')) throw invalidValue(`Invalid node type: ${input.NodeType}`);
  checkFactor(input.ReplicationFactor ?? 0);
  const zones = input.AvailabilityZones;
  if (zones !== undefined && zones.length !== input.ReplicationFactor)
    throw invalidCombination('The number of Availability Zones must be the replication factor.');
  const window = input.PreferredMaintenanceWindow;
  if (window !== undefined) checkWindow(window);
  return name.toLowerCase();
}

function checkFactor(factor: number): void {
  if (factor < 1) throw invalidValue('The replication factor must be at least 1.');
  if (factor > nodesMax) throw new AwsError('NodeQuotaForClusterExceededFault', `A cluster can have at most ${nodesMax} nodes.`);
}

/** The role must trust DAX. Throws InvalidParameterValueException. */
async function checkRole(ctx: Context, roleArn: string): Promise<void> {
  const sts = await ctx.internal<StsApi>('sts');
  if (!/^arn:aws:iam::\d{12}:role\/.+$/.test(roleArn)) throw invalidValue(`${roleArn} is not the ARN of a role.`);
  await sts.roleIdentity({ roleArn, sessionName: 'DAX', service: 'dax' }).catch((error: unknown) => {
    if (error instanceof AwsError) throw invalidValue(`No permission to assume role: ${roleArn}`);
    throw error;
  });
}

async function checkGroups(ctx: Context, vpcId: string, wanted: readonly string[] | undefined): Promise<readonly string[]> {
  const ec2 = await ctx.internal<Ec2Api>('ec2');
  if (wanted === undefined || wanted.length === 0) return [(await ec2.vpcFacts(vpcId))!.defaultGroup];
  for (const id of wanted)
    if ((await ec2.groupVpcs(id))?.includes(vpcId) !== true)
      throw invalidValue(`The security group ${id} does not exist in the VPC of the subnet group.`);
  return [...new Set(wanted)];
}

/** New nodes in the zones that are asked for, or where fewest are. Throws InvalidParameterValueException for a zone without a subnet. */
function addNodes(
  row: ClusterRow,
  group: SubnetGroupRow,
  settings: ParameterGroupRow,
  count: number,
  zones: readonly string[] | undefined,
  now: number,
): NodeRow[] {
  const nodes = [...row.nodes];
  for (let index = 0; index < count; index += 1) {
    const letter = [...'abcdefghijklmnopqrstuvwxyz'].find((each) => !nodes.some(({ id }) => id === `${row.name}-${each}`));
    const load = (id: string): number => nodes.filter(({ subnetId }) => subnetId === id).length;
    const fitting = group.subnets.filter(({ zone }) => zones === undefined || zone === zones[index]);
    const subnet = [...fitting].sort((a, b) => load(a.id) - load(b.id))[0];
    if (subnet === undefined) throw invalidValue(`The subnet group ${group.name} has no subnet in ${zones?.[index]}.`);
    nodes.push({
      ...{ id: `${row.name}-${letter}`, zone: subnet.zone, subnetId: subnet.id, status: 'creating', created: now },
      ...settingsOf(settings),
    });
  }
  return nodes;
}

async function checkQuota(tx: Transaction, more: number): Promise<void> {
  const nodes = (await tx.table(Clusters).list()).reduce((sum, row) => sum + row.nodes.length, 0);
  if (nodes + more > nodesInRegionMax)
    throw new AwsError('NodeQuotaForCustomerExceededFault', `You can have at most ${nodesInRegionMax} nodes in a Region.`);
}

async function change(tx: Transaction, ctx: Context, row: ClusterRow, message: string): Promise<ClusterRow> {
  await tx.table(Clusters).put(row);
  await note(tx, ctx, { source: row.name, type: 'CLUSTER', message });
  tx.hint('clusters', row.name);
  return row;
}

export const clusterHandlers: HandlersOf<DAX> = {
  async CreateCluster(input, ctx) {
    const name = checkInput(input);
    await checkRole(ctx, input.IamRoleArn ?? '');
    const group = await requireSubnetGroup(ctx, input.SubnetGroupName);
    const groups = await checkGroups(ctx, group.vpcId, input.SecurityGroupIds);
    const label = ctx.id('cacheLabel');
    return ctx.transact(async (tx) => {
      if ((await tx.table(Clusters).get(name)) !== undefined)
        throw new AwsError('ClusterAlreadyExistsFault', `Cluster ${name} already exists.`);
      await checkQuota(tx, input.ReplicationFactor!);
      const settings = await requireParameterGroup(tx, input.ParameterGroupName ?? defaultGroup);
      const row: ClusterRow = {
        ...{ name, label, description: input.Description, nodeType: input.NodeType!, status: 'creating', groups },
        ...{ roleArn: input.IamRoleArn!, subnetGroup: group.name, vpcId: group.vpcId, parameterGroup: settings.name },
        ...{ maintenanceWindow: input.PreferredMaintenanceWindow ?? defaultWindow, created: ctx.now, nodes: [] },
        ...{ tls: input.ClusterEndpointEncryptionType === 'TLS', sse: input.SSESpecification?.Enabled === true },
        tags: mergeTags({}, input.Tags),
      };
      const nodes = addNodes(row, group, settings, input.ReplicationFactor!, input.AvailabilityZones, ctx.now);
      await tx.table(Labels).put({ label, account: ctx.account, region: ctx.region, cluster: name });
      await scheduleMaintenance(tx, row, ctx.now);
      await tx.schedule({ task: 'publishMetrics', key: name, due: Math.floor(ctx.now / minute) * minute + minute });
      return { Cluster: describeCluster(ctx, await change(tx, ctx, { ...row, nodes }, 'Cluster created.')) };
    });
  },

  async DescribeClusters(input, ctx) {
    const rows = named(await ctx.table(Clusters).list(), input.ClusterNames, clusterNotFound);
    const page = pageFor('DescribeClusters', rows, (row) => [row.name], input);
    return { Clusters: page.items.map((row) => describeCluster(ctx, row)), NextToken: page.NextToken };
  },

  /** A new parameter group is read by each node at its next start, at the latest in the maintenance window. */
  async UpdateCluster(input, ctx) {
    for (const each of ['NotificationTopicArn', 'NotificationTopicStatus'] as const)
      if (input[each] !== undefined) throw parameterNotImplemented('UpdateCluster', each);
    if (input.PreferredMaintenanceWindow !== undefined) checkWindow(input.PreferredMaintenanceWindow);
    const before = await requireAvailable(ctx, input.ClusterName);
    const groups =
      input.SecurityGroupIds === undefined ? undefined : await checkGroups(ctx, before.vpcId, input.SecurityGroupIds);
    return ctx.transact(async (tx) => {
      const row = await requireAvailable(tx, input.ClusterName);
      const settings = await requireParameterGroup(tx, input.ParameterGroupName ?? row.parameterGroup);
      const changed: ClusterRow = {
        ...{ ...row, description: input.Description ?? row.description, groups: groups ?? row.groups, status: 'modifying' },
        ...{ parameterGroup: settings.name, maintenanceWindow: input.PreferredMaintenanceWindow ?? row.maintenanceWindow },
      };
      await scheduleMaintenance(tx, changed, ctx.now);
      return { Cluster: describeCluster(ctx, await change(tx, ctx, changed, 'Cluster updated.')) };
    });
  },

  async IncreaseReplicationFactor(input, ctx) {
    const factor = input.NewReplicationFactor ?? 0;
    const group = await requireSubnetGroup(ctx, (await requireAvailable(ctx, input.ClusterName)).subnetGroup);
    return ctx.transact(async (tx) => {
      const row = await requireAvailable(tx, input.ClusterName);
      const more = factor - row.nodes.length;
      if (more <= 0) throw invalidValue('The new replication factor must be above the present one.');
      checkFactor(factor);
      await checkQuota(tx, more);
      if (input.AvailabilityZones !== undefined && input.AvailabilityZones.length !== more)
        throw invalidCombination('The number of Availability Zones must be that of the new nodes.');
      const settings = await requireParameterGroup(tx, row.parameterGroup);
      const nodes = addNodes(row, group, settings, more, input.AvailabilityZones, ctx.now);
      const changed = await change(
        tx,
        ctx,
        { ...row, nodes, status: 'modifying' },
        `Increasing the replication factor to ${factor}.`,
      );
      return { Cluster: describeCluster(ctx, changed) };
    });
  },

  async DecreaseReplicationFactor(input, ctx) {
    const factor = input.NewReplicationFactor ?? 0;
    return ctx.transact(async (tx) => {
      const row = await requireAvailable(tx, input.ClusterName);
      const count = row.nodes.length - factor;
      if (factor < 1 || count <= 0)
        throw invalidValue('The new replication factor must be below the present one, and at least 1.');
      const going = new Set(chooseNodes(row, count, input));
      const nodes = row.nodes.map((node): NodeRow => (going.has(node.id) ? { ...node, status: 'deleting' } : node));
      const changed = await change(
        tx,
        ctx,
        { ...row, nodes, status: 'modifying' },
        `Decreasing the replication factor to ${factor}.`,
      );
      return { Cluster: describeCluster(ctx, changed) };
    });
  },

  async RebootNode({ ClusterName, NodeId = '' }, ctx) {
    return ctx.transact(async (tx) => {
      const row = await requireAvailable(tx, ClusterName);
      if (!row.nodes.some(({ id }) => id === NodeId)) throw nodeNotFound(NodeId);
      const changed = await change(tx, ctx, await rebooting(tx, row, NodeId), `Rebooting node ${NodeId}.`);
      return { Cluster: describeCluster(ctx, changed) };
    });
  },

  async DeleteCluster({ ClusterName }, ctx) {
    return ctx.transact(async (tx) => {
      const row = await requireCluster(tx, ClusterName);
      if (row.status === 'deleting' || row.status === 'modifying') throw invalidState(row.name, row.status);
      const changed = await change(tx, ctx, { ...row, status: 'deleting' }, 'Cluster is being deleted.');
      return { Cluster: describeCluster(ctx, changed) };
    });
  },
};

/** The nodes named, those in the zones named, or the newest. */
function chooseNodes(
  row: ClusterRow,
  count: number,
  { NodeIdsToRemove, AvailabilityZones }: { NodeIdsToRemove?: string[] | undefined; AvailabilityZones?: string[] | undefined },
): readonly string[] {
  if (NodeIdsToRemove !== undefined) {
    if (new Set(NodeIdsToRemove).size !== count)
      throw invalidCombination('The number of nodes to remove must be that by which the factor falls.');
    for (const id of NodeIdsToRemove) if (!row.nodes.some((node) => node.id === id)) throw nodeNotFound(id);
    return NodeIdsToRemove;
  }
  const inZones = row.nodes.filter(({ zone }) => AvailabilityZones === undefined || AvailabilityZones.includes(zone));
  if (inZones.length < count) throw invalidCombination('There are not that many nodes in the Availability Zones.');
  return inZones.slice(-count).map(({ id }) => id);
}
