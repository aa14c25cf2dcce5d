/** Finding a cluster by name or ARN, and its form in answers. */
import type { Cluster } from '@aws-sdk/client-dax';
import type { Context, Scope } from '../../kernel/context.ts';
import { clusterNotFound, invalidArn, invalidState } from './errors.ts';
import { clusterHost, nodeHost, portOf } from './names.ts';
import { type ClusterRow, Clusters } from './state.ts';

export const clusterArn = ({ account, region }: Scope, name: string): string => `arn:aws:dax:${region}:${account}:cache/${name}`;

/** Throws ClusterNotFoundFault. */
export async function requireCluster(reader: Pick<Context, 'table'>, name: string | undefined): Promise<ClusterRow> {
  const row = await reader.table(Clusters).get((name ?? '').toLowerCase());
  if (row === undefined) throw clusterNotFound(name ?? '');
  return row;
}

/** The same for changes. Throws InvalidClusterStateFault unless it is available. */
export async function requireAvailable(reader: Pick<Context, 'table'>, name: string | undefined): Promise<ClusterRow> {
  const row = await requireCluster(reader, name);
  if (row.status !== 'available') throw invalidState(row.name, row.status);
  return row;
}

/** The cluster's name in an ARN of this account and Region. Throws InvalidARNFault. */
export function nameInArn(ctx: Scope, arn: string | undefined): string {
  const prefix = clusterArn(ctx, '');
  if (arn === undefined || !arn.startsWith(prefix)) throw invalidArn(arn ?? '');
  return arn.slice(prefix.length);
}

/** Nodes of a cluster that is made or deleted are not shown, as in AWS. */
export function describeCluster(ctx: Context, row: ClusterRow): Cluster {
  const scheme = row.tls ? 'daxs' : 'dax';
  const Port = portOf(row);
  const host = clusterHost(ctx, row);
  const shown = row.status === 'creating' || row.status === 'deleting' ? [] : row.nodes;
  const waiting = row.nodes.filter(({ parameterGroup }) => parameterGroup !== row.parameterGroup).map(({ id }) => id);
  return {
    ClusterName: row.name,
    Description: row.description,
    ClusterArn: clusterArn(ctx, row.name),
    TotalNodes: row.nodes.length,
    ActiveNodes: row.nodes.filter(({ status }) => status === 'available').length,
    NodeType: row.nodeType,
    Status: row.status,
    ClusterDiscoveryEndpoint: row.status === 'creating' ? undefined : { Address: host, Port, URL: `${scheme}://${host}` },
    NodeIdsToRemove: row.nodes.filter(({ status }) => status === 'deleting').map(({ id }) => id),
    Nodes: shown.map((node) => ({
      NodeId: node.id,
      Endpoint: { Address: nodeHost(ctx, row, node), Port, URL: `${scheme}://${nodeHost(ctx, row, node)}` },
      NodeCreateTime: new Date(node.created),
      AvailabilityZone: node.zone,
      NodeStatus: node.status,
      ParameterGroupStatus: node.parameterGroup === row.parameterGroup ? 'in-sync' : 'pending-reboot',
    })),
    PreferredMaintenanceWindow: row.maintenanceWindow,
    SubnetGroup: row.subnetGroup,
    SecurityGroups: row.groups.map((SecurityGroupIdentifier) => ({ SecurityGroupIdentifier, Status: 'active' })),
    IamRoleArn: row.roleArn,
    ParameterGroup: {
      ParameterGroupName: row.parameterGroup,
      ParameterApplyStatus: waiting.length === 0 ? 'in-sync' : 'pending-reboot',
      NodeIdsToReboot: waiting,
    },
    SSEDescription: { Status: row.sse ? 'ENABLED' : 'DISABLED' },
    ClusterEndpointEncryptionType: row.tls ? 'TLS' : 'NONE',
    NetworkType: 'ipv4',
  };
}
