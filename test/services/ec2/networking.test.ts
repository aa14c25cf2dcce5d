/** Further blocks of VPCs, prefix lists in routes and rules, and security groups in several VPCs. */
import {
  AssociateSecurityGroupVpcCommand,
  AssociateVpcCidrBlockCommand,
  AuthorizeSecurityGroupIngressCommand,
  CreateManagedPrefixListCommand,
  CreateRouteCommand,
  CreateSecurityGroupCommand,
  CreateSubnetCommand,
  DeleteManagedPrefixListCommand,
  DeleteRouteCommand,
  DeleteSubnetCommand,
  DescribeManagedPrefixListsCommand,
  DescribePrefixListsCommand,
  DescribeRouteTablesCommand,
  DescribeSecurityGroupRulesCommand,
  DescribeSecurityGroupVpcAssociationsCommand,
  DescribeVpcsCommand,
  DisassociateSecurityGroupVpcCommand,
  DisassociateVpcCidrBlockCommand,
  EC2Client,
  GetManagedPrefixListAssociationsCommand,
  GetManagedPrefixListEntriesCommand,
  GetSecurityGroupsForVpcCommand,
  ModifyManagedPrefixListCommand,
  ModifySecurityGroupRulesCommand,
  RestoreManagedPrefixListVersionCommand,
} from '@aws-sdk/client-ec2';
import { describe, expect, test } from 'vitest';
import { eventually, machinesRefused, refused } from '../../support/cloud.ts';
import { fetchInside } from '../../support/inside.ts';
import { Lab, reach } from './support.ts';

describe('further blocks of a VPC', () => {
  test('a machine in a subnet of a further block talks with the others, and the block goes when no subnet is in it', async (context) => {
    context.skip(machinesRefused() !== undefined, machinesRefused());
    const lab = new Lab();
    const network = await lab.network('10.91');
    const added = await lab.ec2.send(new AssociateVpcCidrBlockCommand({ VpcId: network.vpcId, CidrBlock: '100.64.0.0/16' }));
    expect(added.CidrBlockAssociation).toMatchObject({ CidrBlock: '100.64.0.0/16', CidrBlockState: { State: 'associating' } });
    const subnetId = await lab.subnet(network.vpcId, '100.64.1.0/24', 'us-east-1b');
    const [a, b] = await Promise.all([
      lab.launchAgent({ SubnetId: network.subnetId, SecurityGroupIds: [network.groupId] }),
      lab.launchAgent({ SubnetId: subnetId, SecurityGroupIds: [network.groupId] }),
    ]);
    await eventually(
      async () => expect(await reach(lab, a.PublicIpAddress!, `http://${b.PrivateIpAddress}/?true`)).toBe('open'),
      { why: 'the machine in the further block answers' },
    );
    const AssociationId = added.CidrBlockAssociation!.AssociationId!;
    await refused(
      lab.ec2.send(new DisassociateVpcCidrBlockCommand({ AssociationId })),
      'InvalidCidrBlock.InUse',
      `The vpc ${network.vpcId} currently has a subnet within CIDR block 100.64.0.0/16`,
    );
    const routes = (await lab.ec2.send(new DescribeRouteTablesCommand({ RouteTableIds: [network.routeTableId] })))
      .RouteTables![0]!.Routes!;
    expect(
      routes
        .filter(({ GatewayId }) => GatewayId === 'local')
        .map(({ DestinationCidrBlock }) => DestinationCidrBlock)
        .sort(),
    ).toEqual(['10.91.0.0/16', '100.64.0.0/16']);
  }, 60_000);

  test('blocks that overlap, lie in another private range or are too many are refused', async () => {
    const lab = new Lab();
    const vpcId = await lab.vpc('10.92.0.0/16');
    const add = (CidrBlock: string) => lab.ec2.send(new AssociateVpcCidrBlockCommand({ VpcId: vpcId, CidrBlock }));
    await refused(add('10.92.128.0/20'), 'CidrConflict');
    await refused(
      add('192.168.0.0/16'),
      'InvalidVpc.Range',
      /^The CIDR '192\.168\.0\.0\/16' is restricted\. Use a CIDR from the same private address range as the current VPC CIDR, or use a publicly-routable CIDR\./,
    );
    await refused(add('198.19.0.0/16'), 'InvalidVpc.Range');
    await refused(add('10.93.0.0/15'), 'InvalidVpc.Range', "The CIDR '10.93.0.0/15' is invalid.");
    await refused(add('10.93.0.0/33'), 'InvalidParameterValue');
    await refused(add('127.0.0.0/16'), 'InvalidVpc.Range');
    const made = await Promise.all(['10.93.0.0/16', '10.94.0.0/24', '203.0.113.0/24', '10.95.0.0/28'].map(add));
    await refused(
      add('10.96.0.0/16'),
      'CidrLimitExceeded',
      `This network '${vpcId}' has met its maximum number of allowed CIDRs: 5`,
    );
    const AssociationId = made[0]!.CidrBlockAssociation!.AssociationId!;
    const { Subnet } = await lab.ec2.send(new CreateSubnetCommand({ VpcId: vpcId, CidrBlock: '10.93.1.0/24' }));
    await refused(lab.ec2.send(new DisassociateVpcCidrBlockCommand({ AssociationId })), 'InvalidCidrBlock.InUse');
    await lab.ec2.send(new DeleteSubnetCommand({ SubnetId: Subnet!.SubnetId! }));
    await lab.ec2.send(new DisassociateVpcCidrBlockCommand({ AssociationId }));
    await refused(lab.ec2.send(new CreateSubnetCommand({ VpcId: vpcId, CidrBlock: '10.93.1.0/24' })), 'InvalidSubnet.Range');
    await refused(
      lab.ec2.send(new DisassociateVpcCidrBlockCommand({ AssociationId })),
      'InvalidVpcCidrBlockAssociationIdError.NotFound',
      `The vpc CIDR block association ID '${AssociationId}' does not exist`,
    );
    const vpc = (await lab.ec2.send(new DescribeVpcsCommand({ VpcIds: [vpcId] }))).Vpcs![0]!;
    const first = vpc.CidrBlockAssociationSet![0]!.AssociationId!;
    await refused(
      lab.ec2.send(new DisassociateVpcCidrBlockCommand({ AssociationId: first })),
      'OperationNotPermitted',
      `The vpc CIDR block with association ID ${first} may not be disassociated. It is the primary IPv4 CIDR block of the VPC`,
    );
  });
});

describe('prefix lists', () => {
  const lab = new Lab();
  const { ec2 } = lab;
  const create = async (more: object = {}) =>
    (
      await ec2.send(
        new CreateManagedPrefixListCommand({ PrefixListName: 'offices', AddressFamily: 'IPv4', MaxEntries: 3, ...more }),
      )
    ).PrefixList!;

  test('rules and routes that name a prefix list follow its entries', async (context) => {
    context.skip(machinesRefused() !== undefined, machinesRefused());
    const network = await lab.network('10.97');
    const PrefixListId = (await create({ Entries: [{ Cidr: '192.0.2.0/24' }] })).PrefixListId!;
    const guarded = await lab.group(network.vpcId, 'guarded');
    const { SecurityGroupRules: rules } = await ec2.send(
      new AuthorizeSecurityGroupIngressCommand({
        GroupId: guarded,
        IpPermissions: [{ IpProtocol: 'icmp', FromPort: -1, ToPort: -1, PrefixListIds: [{ PrefixListId, Description: 'ping' }] }],
      }),
    );
    expect(rules).toMatchObject([{ PrefixListId, Description: 'ping', IpProtocol: 'icmp' }]);
    const [a, id] = await Promise.all([
      lab.launchAgent({ SubnetId: network.subnetId, SecurityGroupIds: [network.groupId] }),
      lab.launch({ SubnetId: network.subnetId, SecurityGroupIds: [guarded] }),
    ]);
    const b = await lab.inState(id, 'running');
    const ping = (to: string) => lab.run(a.PublicIpAddress!, `ping -c 1 -W 1 ${to} > /dev/null && echo yes || echo no`);
    expect(await ping(b.PrivateIpAddress!)).toBe('no');
    const change = (CurrentVersion: number, more: object) =>
      ec2.send(new ModifyManagedPrefixListCommand({ PrefixListId, CurrentVersion, ...more }));
    await change(1, { AddEntries: [{ Cidr: `${a.PrivateIpAddress}/32` }] });
    await eventually(async () => expect(await ping(b.PrivateIpAddress!)).toBe('yes'), { why: 'the new entry lets ping in' });
    await ec2.send(new RestoreManagedPrefixListVersionCommand({ PrefixListId, PreviousVersion: 1, CurrentVersion: 2 }));
    await eventually(async () => expect(await ping(b.PrivateIpAddress!)).toBe('no'), { why: 'the first version is back' });

    // The list as a destination: what goes to its blocks, and answers to clients there are, leaves by the machine b, which forwards nothing.
    const { NetworkInterfaces: [card] = [] } = b;
    await ec2.send(
      new CreateRouteCommand({
        RouteTableId: network.routeTableId,
        DestinationPrefixListId: PrefixListId,
        NetworkInterfaceId: card!.NetworkInterfaceId!,
      }),
    );
    await change(3, { AddEntries: [{ Cidr: '198.18.0.0/24' }] });
    const answer = () => fetchInside(a.PublicIpAddress!, 80, '/?true');
    await eventually(async () => expect(await answer()).toBe('ETIMEDOUT'), { why: 'the route takes the packets' });
    const routes = (
      await ec2.send(
        new DescribeRouteTablesCommand({ Filters: [{ Name: 'route.destination-prefix-list-id', Values: [PrefixListId] }] }),
      )
    ).RouteTables![0]!.Routes!;
    expect(routes.find((route) => route.DestinationPrefixListId === PrefixListId)).toMatchObject({
      NetworkInterfaceId: card!.NetworkInterfaceId,
      State: 'active',
    });
    const users = await ec2.send(new GetManagedPrefixListAssociationsCommand({ PrefixListId }));
    expect(users.PrefixListAssociations!.map(({ ResourceId }) => ResourceId).sort()).toEqual(
      [network.routeTableId, guarded].sort(),
    );
    await refused(ec2.send(new DeleteManagedPrefixListCommand({ PrefixListId })), 'PrefixListInUse');
    await ec2.send(new DeleteRouteCommand({ RouteTableId: network.routeTableId, DestinationPrefixListId: PrefixListId }));
    await eventually(async () => expect(await answer()).toMatchObject({ status: 200 }), { why: 'the route is gone' });
  }, 60_000);

  test('entries have versions, a size and a family', async () => {
    const list = await create({ PrefixListName: 'versions', Entries: [{ Cidr: '10.0.0.0/8', Description: 'all' }] });
    const PrefixListId = list.PrefixListId!;
    expect(list).toMatchObject({ State: 'create-in-progress', Version: 1, MaxEntries: 3, OwnerId: lab.account.id });
    const change = (more: object) => ec2.send(new ModifyManagedPrefixListCommand({ PrefixListId, ...more }));
    const entries = async (TargetVersion?: number) =>
      (
        await ec2.send(
          new GetManagedPrefixListEntriesCommand({ PrefixListId, ...(TargetVersion === undefined ? {} : { TargetVersion }) }),
        )
      ).Entries!.map(({ Cidr }) => Cidr);
    await refused(change({ AddEntries: [{ Cidr: '10.1.0.0/16' }] }), 'MissingParameter');
    await refused(change({ CurrentVersion: 4, AddEntries: [{ Cidr: '10.1.0.0/16' }] }), 'PrefixListVersionMismatch');
    await change({ CurrentVersion: 1, AddEntries: [{ Cidr: '10.1.0.0/16' }], RemoveEntries: [{ Cidr: '10.0.0.0/8' }] });
    expect([await entries(), await entries(1)]).toEqual([['10.1.0.0/16'], ['10.0.0.0/8']]);
    await refused(
      change({ CurrentVersion: 2, AddEntries: ['10.2.0.0/16', '10.3.0.0/16', '10.4.0.0/16'].map((Cidr) => ({ Cidr })) }),
      'PrefixListMaxEntriesExceeded',
    );
    await refused(change({ CurrentVersion: 2, AddEntries: [{ Cidr: '2001:db8::/32' }] }), 'InvalidParameterValue');
    await refused(change({ CurrentVersion: 2, RemoveEntries: [{ Cidr: '10.9.0.0/16' }] }), 'InvalidRequest');
    await refused(
      change({ CurrentVersion: 2, MaxEntries: 5, AddEntries: [{ Cidr: '10.2.0.0/16' }] }),
      'InvalidParameterCombination',
    );
    await refused(entries(9), 'InvalidParameterValue');
    await refused(create({ AddressFamily: 'IPv5' }), 'InvalidParameterValue');
    await refused(create({ MaxEntries: 1001 }), 'InvalidParameterValue');
    await refused(create({ PrefixListName: 'com.amazonaws.mine' }), 'InvalidParameterValue');
    await refused(create({ Entries: [{ Cidr: '10.0.0.0/8' }, { Cidr: '10.0.0.0/8' }] }), 'InvalidRequest');
    await refused(
      ec2.send(new DescribeManagedPrefixListsCommand({ PrefixListIds: ['pl-00000000000000000'] })),
      'InvalidPrefixListID.NotFound',
    );
    await ec2.send(new DeleteManagedPrefixListCommand({ PrefixListId }));
    await refused(entries(), 'InvalidPrefixListID.NotFound', `The prefix list ID '${PrefixListId}' does not exist`);
  });

  test('AWS has lists for S3 and DynamoDB in each Region, which nobody changes', async () => {
    const { PrefixLists: own } = await ec2.send(new DescribePrefixListsCommand({}));
    expect(own!.map(({ PrefixListName }) => PrefixListName).sort()).toEqual([
      'com.amazonaws.us-east-1.dynamodb',
      'com.amazonaws.us-east-1.s3',
    ]);
    const west = new EC2Client(lab.account.config({ region: 'eu-west-1' }));
    const { PrefixLists: far } = await west.send(
      new DescribeManagedPrefixListsCommand({ Filters: [{ Name: 'owner-id', Values: ['AWS'] }] }),
    );
    expect(far!.map(({ PrefixListName }) => PrefixListName).sort()).toEqual([
      'com.amazonaws.eu-west-1.dynamodb',
      'com.amazonaws.eu-west-1.s3',
    ]);
    const s3 = own!.find(({ PrefixListName }) => PrefixListName!.endsWith('s3'))!.PrefixListId!;
    expect(s3).toBe('pl-63a5400a');
    await refused(ec2.send(new ModifyManagedPrefixListCommand({ PrefixListId: s3, MaxEntries: 9 })), 'UnauthorizedOperation');
    await refused(ec2.send(new DeleteManagedPrefixListCommand({ PrefixListId: s3 })), 'UnauthorizedOperation');
  });

  test('a list counts with its size against the rules of a group', async () => {
    const vpcId = await lab.vpc('10.99.0.0/16');
    const GroupId = await lab.group(vpcId, 'full');
    const PrefixListId = (await create({ PrefixListName: 'big', MaxEntries: 60 })).PrefixListId!;
    const permission = (port: number, peer: object) => ({
      GroupId,
      IpPermissions: [{ IpProtocol: 'tcp', FromPort: port, ToPort: port, ...peer }],
    });
    const added = await ec2.send(new AuthorizeSecurityGroupIngressCommand(permission(1, { PrefixListIds: [{ PrefixListId }] })));
    await refused(
      ec2.send(new AuthorizeSecurityGroupIngressCommand(permission(2, { IpRanges: [{ CidrIp: '10.0.0.0/8' }] }))),
      'RulesPerSecurityGroupLimitExceeded',
      'The maximum number of rules per security group has been reached.',
    );
    await ec2.send(new AuthorizeSecurityGroupIngressCommand(permission(2, { Ipv6Ranges: [{ CidrIpv6: '::/0' }] })));
    await refused(
      ec2.send(
        new AuthorizeSecurityGroupIngressCommand(permission(3, { PrefixListIds: [{ PrefixListId: 'pl-00000000000000000' }] })),
      ),
      'InvalidPrefixListID.NotFound',
    );
    const SecurityGroupRuleId = added.SecurityGroupRules![0]!.SecurityGroupRuleId!;
    const modify = (SecurityGroupRule: object) =>
      ec2.send(
        new ModifySecurityGroupRulesCommand({
          GroupId,
          SecurityGroupRules: [
            { SecurityGroupRuleId, SecurityGroupRule: { IpProtocol: 'tcp', FromPort: 2, ToPort: 2, ...SecurityGroupRule } },
          ],
        }),
      );
    await refused(modify({ CidrIpv6: '::/0' }), 'InvalidPermission.Duplicate');
    await refused(modify({ CidrIpv4: '10.0.0.0/8', CidrIpv6: '::/0' }), 'InvalidParameterCombination');
    await modify({ CidrIpv4: '10.0.0.0/8' });
    const { SecurityGroupRules: rules } = await ec2.send(
      new DescribeSecurityGroupRulesCommand({ SecurityGroupRuleIds: [SecurityGroupRuleId] }),
    );
    expect(rules![0]).toMatchObject({ CidrIpv4: '10.0.0.0/8', FromPort: 2 });
    expect(rules![0]!.PrefixListId).toBeUndefined();
  });
});

test('SG-013 a group serves its own VPC, and another of the Region once it is associated', async () => {
  const lab = new Lab();
  const { ec2 } = lab;
  const [home, other] = [await lab.vpc('10.100.0.0/16'), await lab.vpc('10.101.0.0/16')];
  const GroupId = await lab.group(home, 'shared');
  const subnetId = await lab.subnet(other, '10.101.1.0/24');
  const launch = () => lab.launch({ SubnetId: subnetId, SecurityGroupIds: [GroupId] });
  await refused(launch(), 'InvalidParameter', `Security group ${GroupId} and subnet belong to different networks.`);
  const associate = (VpcId: string, group = GroupId) => ec2.send(new AssociateSecurityGroupVpcCommand({ GroupId: group, VpcId }));
  expect((await associate(other)).State).toBe('associating');
  const id = await launch();
  expect((await lab.instance(id)).SecurityGroups).toEqual([{ GroupId, GroupName: 'shared' }]);
  const shown = await ec2.send(
    new DescribeSecurityGroupVpcAssociationsCommand({ Filters: [{ Name: 'group-id', Values: [GroupId] }] }),
  );
  expect(shown.SecurityGroupVpcAssociations).toEqual([expect.objectContaining({ GroupId, VpcId: other, State: 'associated' })]);
  const usable = await ec2.send(
    new GetSecurityGroupsForVpcCommand({ VpcId: other, Filters: [{ Name: 'primary-vpc-id', Values: [home] }] }),
  );
  expect(usable.SecurityGroupForVpcs!.map((group) => group.GroupId)).toEqual([GroupId]);
  await refused(
    ec2.send(new DisassociateSecurityGroupVpcCommand({ GroupId, VpcId: other })),
    'DependencyViolation',
    `resource ${GroupId} has a dependent object`,
  );

  const standard = (
    await ec2.send(new GetSecurityGroupsForVpcCommand({ VpcId: home, Filters: [{ Name: 'group-name', Values: ['default'] }] }))
  ).SecurityGroupForVpcs![0]!.GroupId!;
  await refused(associate(other, standard), 'InvalidParameterValue');
  const ownVpc = (await ec2.send(new DescribeVpcsCommand({ Filters: [{ Name: 'is-default', Values: ['true'] }] }))).Vpcs![0]!
    .VpcId!;
  await refused(associate(ownVpc), 'InvalidParameterValue');
  await refused(associate(home), 'InvalidParameterValue');
  await refused(associate('vpc-00000000000000000'), 'InvalidVpcID.NotFound');
  const west = new EC2Client(lab.account.config({ region: 'us-west-2' }));
  await refused(
    west.send(
      new AuthorizeSecurityGroupIngressCommand({
        GroupId,
        IpPermissions: [{ IpProtocol: '-1', IpRanges: [{ CidrIp: '0.0.0.0/0' }] }],
      }),
    ),
    'InvalidGroup.NotFound',
    `The security group '${GroupId}' does not exist`,
  );
  const apart = (await ec2.send(new CreateSecurityGroupCommand({ GroupName: 'apart', Description: 'apart', VpcId: home })))
    .GroupId!;
  const elsewhere = await lab.group(ownVpc, 'elsewhere');
  await refused(
    ec2.send(
      new AuthorizeSecurityGroupIngressCommand({
        GroupId: elsewhere,
        IpPermissions: [{ IpProtocol: '-1', UserIdGroupPairs: [{ GroupId: apart }] }],
      }),
    ),
    'InvalidGroup.NotFound',
    'You have specified two resources that belong to different networks.',
  );
});
