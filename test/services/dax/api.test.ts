/** The API of clusters, subnet groups, parameter groups and tags, with its refusals; needs no machines. */
import { CreateSubnetCommand, CreateVpcCommand, EC2Client } from '@aws-sdk/client-ec2';
import {
  CreateClusterCommand,
  type CreateClusterRequest,
  CreateParameterGroupCommand,
  CreateSubnetGroupCommand,
  DAXClient,
  DecreaseReplicationFactorCommand,
  DeleteClusterCommand,
  DeleteParameterGroupCommand,
  DeleteSubnetGroupCommand,
  DescribeClustersCommand,
  DescribeDefaultParametersCommand,
  DescribeEventsCommand,
  DescribeParameterGroupsCommand,
  DescribeParametersCommand,
  DescribeSubnetGroupsCommand,
  IncreaseReplicationFactorCommand,
  ListTagsCommand,
  RebootNodeCommand,
  TagResourceCommand,
  UntagResourceCommand,
  UpdateClusterCommand,
  UpdateParameterGroupCommand,
  UpdateSubnetGroupCommand,
} from '@aws-sdk/client-dax';
import { CreateRoleCommand, IAMClient } from '@aws-sdk/client-iam';
import { beforeEach, describe, expect, it } from 'vitest';
import { eventually, freshAccount, machinesRefused, refused } from '../../support/cloud.ts';

/** An account with a client, a role that DAX may assume, and one that it may not. */
async function start() {
  const account = freshAccount();
  const iam = new IAMClient(account.config());
  const role = async (name: string, service: string) => {
    const trust = {
      Version: '2012-10-17',
      Statement: [{ Effect: 'Allow', Principal: { Service: service }, Action: 'sts:AssumeRole' }],
    };
    return (await iam.send(new CreateRoleCommand({ RoleName: name, AssumeRolePolicyDocument: JSON.stringify(trust) }))).Role!
      .Arn!;
  };
  const IamRoleArn = await role('dax', 'dax.amazonaws.com');
  const dax = new DAXClient(account.config());
  const create = (input: Partial<CreateClusterRequest> = {}) =>
    dax.send(
      new CreateClusterCommand({ ClusterName: 'web', NodeType: 'dax.r5.large', ReplicationFactor: 1, IamRoleArn, ...input }),
    );
  const available = () =>
    eventually(
      async () => {
        const { Clusters } = await dax.send(new DescribeClustersCommand({ ClusterNames: ['web'] }));
        expect(Clusters![0]!.Status).toBe('available');
        return Clusters![0]!;
      },
      { why: 'the cluster is available', timeoutMs: 40_000 },
    );
  return { account, dax, ec2: new EC2Client(account.config()), create, available, role, IamRoleArn };
}

describe('what CreateCluster refuses', () => {
  it('names, sizes, node types, zones, windows and roles that cannot be', async () => {
    const { create, role } = await start();
    for (const ClusterName of ['1st', 'two--dashes', 'ends-', 'a'.repeat(21)])
      await refused(create({ ClusterName }), 'InvalidParameterValueException', `The cluster name ${ClusterName} is not valid.`);
    await refused(create({ NodeType: 'dax.huge' }), 'InvalidParameterValueException', 'Invalid node type: dax.huge');
    await refused(create({ ReplicationFactor: 0 }), 'InvalidParameterValueException');
    await refused(create({ ReplicationFactor: 12 }), 'NodeQuotaForClusterExceededFault');
    await refused(create({ AvailabilityZones: ['us-east-1a', 'us-east-1b'] }), 'InvalidParameterCombinationException');
    await refused(create({ AvailabilityZones: ['us-west-2a'] }), 'InvalidParameterValueException', /has no subnet in us-west-2a/);
    await refused(create({ PreferredMaintenanceWindow: 'someday' }), 'InvalidParameterValueException');
    const stranger = await role('stranger', 'ec2.amazonaws.com');
    await refused(
      create({ IamRoleArn: stranger }),
      'InvalidParameterValueException',
      `No permission to assume role: ${stranger}`,
    );
    await refused(create({ IamRoleArn: `${stranger}-gone` }), 'InvalidParameterValueException', /No permission to assume role/);
    await refused(create({ IamRoleArn: 'dax' }), 'InvalidParameterValueException', 'dax is not the ARN of a role.');
    await refused(create({ SubnetGroupName: 'none' }), 'SubnetGroupNotFoundFault');
    await refused(create({ ParameterGroupName: 'none' }), 'ParameterGroupNotFoundFault', undefined, 404);
    await refused(create({ SecurityGroupIds: ['sg-0123456789abcdef0'] }), 'InvalidParameterValueException');
    await refused(create({ NotificationTopicArn: 'arn:aws:sns:us-east-1:000000000000:t' }), 'NotImplemented');
    await refused(create({ NetworkType: 'ipv6' }), 'NotImplemented');
  });
});

describe('the life of a cluster', () => {
  beforeEach((context) => context.skip(machinesRefused() !== undefined, machinesRefused()));
  it('is made in the default VPC, grows, shrinks, changes and goes', { timeout: 90_000 }, async () => {
    const { account, dax, create, available } = await start();
    const made = (await create({ ClusterName: 'Web', ReplicationFactor: 2, Tags: [{ Key: 'team', Value: 'x' }] })).Cluster!;
    expect(made).toMatchObject({
      ...{
        ClusterName: 'web',
        Status: 'creating',
        TotalNodes: 2,
        ActiveNodes: 0,
        NodeType: 'dax.r5.large',
        SubnetGroup: 'default',
      },
      ...{ ClusterArn: `arn:aws:dax:us-east-1:${account.id}:cache/web`, ClusterEndpointEncryptionType: 'NONE' },
      ParameterGroup: { ParameterGroupName: 'default.dax1.0', ParameterApplyStatus: 'in-sync' },
    });
    await refused(create(), 'ClusterAlreadyExistsFault', 'Cluster web already exists.');
    const ready = await available();
    expect(ready.ClusterDiscoveryEndpoint).toEqual({
      ...{ Address: expect.stringMatching(/^web\.[a-z0-9]{6}\.dax-clusters\.us-east-1\.localhost$/), Port: 8111 },
      URL: expect.stringMatching(/^dax:\/\/web\./),
    });
    expect(new Set(ready.Nodes!.map(({ AvailabilityZone }) => AvailabilityZone)).size).toBe(2);
    const named = { ClusterName: 'web' };
    await refused(
      dax.send(new IncreaseReplicationFactorCommand({ ...named, NewReplicationFactor: 2 })),
      'InvalidParameterValueException',
    );
    await refused(
      dax.send(new IncreaseReplicationFactorCommand({ ...named, NewReplicationFactor: 12 })),
      'NodeQuotaForClusterExceededFault',
    );
    await refused(
      dax.send(new DecreaseReplicationFactorCommand({ ...named, NewReplicationFactor: 0 })),
      'InvalidParameterValueException',
    );
    const wrong = { ...named, NewReplicationFactor: 1, NodeIdsToRemove: ['web-z'] };
    await refused(dax.send(new DecreaseReplicationFactorCommand(wrong)), 'NodeNotFoundFault', 'Node web-z not found.', 404);
    await refused(dax.send(new RebootNodeCommand({ ...named, NodeId: 'web-z' })), 'NodeNotFoundFault');
    await dax.send(new IncreaseReplicationFactorCommand({ ...named, NewReplicationFactor: 3 }));
    expect((await available()).Nodes!.map(({ NodeId }) => NodeId)).toEqual(['web-a', 'web-b', 'web-c']);
    await dax.send(new DecreaseReplicationFactorCommand({ ...named, NewReplicationFactor: 1 }));
    expect((await available()).Nodes!.map(({ NodeId }) => NodeId)).toEqual(['web-a']);
    await dax.send(new CreateParameterGroupCommand({ ParameterGroupName: 'mine' }));
    await dax.send(new UpdateClusterCommand({ ...named, ParameterGroupName: 'mine', Description: 'new' }));
    expect(await available()).toMatchObject({
      Description: 'new',
      ParameterGroup: { ParameterApplyStatus: 'pending-reboot', NodeIdsToReboot: ['web-a'] },
    });
    await dax.send(new RebootNodeCommand({ ...named, NodeId: 'web-a' }));
    expect((await available()).ParameterGroup).toMatchObject({ ParameterApplyStatus: 'in-sync', NodeIdsToReboot: [] });
    await refused(dax.send(new DeleteParameterGroupCommand({ ParameterGroupName: 'mine' })), 'InvalidParameterGroupStateFault');
    await refused(dax.send(new DeleteSubnetGroupCommand({ SubnetGroupName: 'default' })), 'SubnetGroupInUseFault');
    const arn = { ResourceName: made.ClusterArn };
    expect((await dax.send(new ListTagsCommand(arn))).Tags).toEqual([{ Key: 'team', Value: 'x' }]);
    await dax.send(new TagResourceCommand({ ...arn, Tags: [{ Key: 'env', Value: 'y' }] }));
    expect((await dax.send(new UntagResourceCommand({ ...arn, TagKeys: ['team'] }))).Tags).toEqual([{ Key: 'env', Value: 'y' }]);
    await refused(dax.send(new UntagResourceCommand({ ...arn, TagKeys: ['team'] })), 'TagNotFoundFault');
    await refused(
      dax.send(new TagResourceCommand({ ...arn, Tags: [{ Key: 'aws:x', Value: '' }] })),
      'InvalidParameterValueException',
    );
    await refused(dax.send(new ListTagsCommand({ ResourceName: 'arn:aws:dax:us-east-1:1:cache/web' })), 'InvalidARNFault');
    expect((await dax.send(new DeleteClusterCommand(named))).Cluster).toMatchObject({ Status: 'deleting', Nodes: [] });
    await eventually(
      async () =>
        refused(
          dax.send(new DescribeClustersCommand({ ClusterNames: ['web'] })),
          'ClusterNotFoundFault',
          'Cluster web not found.',
          404,
        ),
      {
        why: 'the cluster is gone',
      },
    );
    const { Events } = await dax.send(new DescribeEventsCommand({ SourceName: 'web' }));
    expect(Events!.map(({ Message }) => Message)).toContain('Cluster deleted.');
    await refused(dax.send(new DeleteClusterCommand(named)), 'ClusterNotFoundFault');
  });
});

describe('groups', () => {
  it('of parameters are made, changed and deleted', async () => {
    const { dax } = await start();
    const name = { ParameterGroupName: 'slow' };
    await dax.send(new CreateParameterGroupCommand({ ...name, Description: 'd' }));
    await refused(dax.send(new CreateParameterGroupCommand(name)), 'ParameterGroupAlreadyExistsFault');
    const change = (ParameterName: string, ParameterValue: string, group = 'slow') =>
      dax.send(
        new UpdateParameterGroupCommand({ ParameterGroupName: group, ParameterNameValues: [{ ParameterName, ParameterValue }] }),
      );
    await change('record-ttl-millis', '1000');
    await refused(change('record-ttl-millis', 'soon'), 'InvalidParameterValueException');
    await refused(change('other', '1'), 'InvalidParameterValueException', 'The parameter other does not exist.');
    await refused(change('record-ttl-millis', '1', 'default.dax1.0'), 'InvalidParameterGroupStateFault');
    const shown = await dax.send(new DescribeParametersCommand(name));
    expect(shown.Parameters!.map(({ ParameterName, ParameterValue, Source }) => [ParameterName, ParameterValue, Source])).toEqual(
      [
        ['query-ttl-millis', '300000', 'system'],
        ['record-ttl-millis', '1000', 'user'],
      ],
    );
    expect(
      (await dax.send(new DescribeDefaultParametersCommand({}))).Parameters!.map(({ ParameterValue }) => ParameterValue),
    ).toEqual(['300000', '300000']);
    await refused(dax.send(new DescribeParameterGroupsCommand({ MaxResults: 5 })), 'InvalidParameterValueException');
    const groups = await dax.send(new DescribeParameterGroupsCommand({}));
    expect(groups.ParameterGroups!.map((group) => group.ParameterGroupName)).toEqual(['default.dax1.0', 'slow']);
    await dax.send(new DeleteParameterGroupCommand(name));
    await refused(dax.send(new DeleteParameterGroupCommand(name)), 'ParameterGroupNotFoundFault');
  });

  it('of subnets are made, changed and deleted', async () => {
    const { dax, ec2 } = await start();
    const vpc = async (cidr: string) => (await ec2.send(new CreateVpcCommand({ CidrBlock: `${cidr}.0.0/16` }))).Vpc!.VpcId!;
    const subnet = async (VpcId: string, CidrBlock: string, AvailabilityZone: string) =>
      (await ec2.send(new CreateSubnetCommand({ VpcId, CidrBlock, AvailabilityZone }))).Subnet!.SubnetId!;
    const [one, two] = [await vpc('10.1'), await vpc('10.2')];
    const [a, b, c] = [
      await subnet(one, '10.1.1.0/24', 'us-east-1a'),
      await subnet(one, '10.1.2.0/24', 'us-east-1b'),
      await subnet(two, '10.2.1.0/24', 'us-east-1a'),
    ];
    const create = (SubnetIds: string[], SubnetGroupName = 'g') =>
      dax.send(new CreateSubnetGroupCommand({ SubnetGroupName, SubnetIds }));
    await refused(create([a, c]), 'InvalidSubnet', 'All subnets must be in the same VPC.');
    await refused(create(['subnet-0123456789abcdef0']), 'InvalidSubnet');
    const made = await create([a, b]);
    expect(made.SubnetGroup).toMatchObject({
      SubnetGroupName: 'g',
      VpcId: one,
      Subnets: [{ SubnetIdentifier: a, SubnetAvailabilityZone: 'us-east-1a' }, { SubnetIdentifier: b }],
    });
    await refused(create([a]), 'SubnetGroupAlreadyExistsFault');
    await dax.send(new UpdateSubnetGroupCommand({ SubnetGroupName: 'g', SubnetIds: [b] }));
    const found = await dax.send(new DescribeSubnetGroupsCommand({ SubnetGroupNames: ['g'] }));
    expect(found.SubnetGroups![0]!.Subnets!.map(({ SubnetIdentifier }) => SubnetIdentifier)).toEqual([b]);
    await dax.send(new DeleteSubnetGroupCommand({ SubnetGroupName: 'g' }));
    await refused(dax.send(new DescribeSubnetGroupsCommand({ SubnetGroupNames: ['g'] })), 'SubnetGroupNotFoundFault');
    await refused(dax.send(new UpdateSubnetGroupCommand({ SubnetGroupName: 'g' })), 'SubnetGroupNotFoundFault');
  });
});
