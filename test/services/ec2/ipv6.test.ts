/** IPv6: blocks and addresses as the API gives them, and packets of both families. */
import {
  AssignIpv6AddressesCommand,
  AssociateSubnetCidrBlockCommand,
  AssociateVpcCidrBlockCommand,
  AuthorizeSecurityGroupEgressCommand,
  AuthorizeSecurityGroupIngressCommand,
  CreateEgressOnlyInternetGatewayCommand,
  CreateManagedPrefixListCommand,
  CreateNetworkAclEntryCommand,
  CreateRouteCommand,
  CreateSubnetCommand,
  CreateVpcCommand,
  DeleteEgressOnlyInternetGatewayCommand,
  DescribeEgressOnlyInternetGatewaysCommand,
  DescribeNetworkAclsCommand,
  DescribeNetworkInterfacesCommand,
  DescribeRouteTablesCommand,
  DescribeSecurityGroupsCommand,
  DescribeSubnetsCommand,
  DescribeVpcsCommand,
  DisassociateSubnetCidrBlockCommand,
  DisassociateVpcCidrBlockCommand,
  type Instance,
  ModifySubnetAttributeCommand,
  ReplaceRouteCommand,
  RevokeSecurityGroupIngressCommand,
  UnassignIpv6AddressesCommand,
} from '@aws-sdk/client-ec2';
import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { eventually, machinesRefused, refused } from '../../support/cloud.ts';
import { Lab, type Network } from './support.ts';

/** A network with a block and a subnet that hands out addresses of it, open to IPv6 as to IPv4. */
async function dualNetwork(lab: Lab, prefix: string): Promise<Network & { block: string }> {
  const network = await lab.network(prefix);
  await lab.ec2.send(new AssociateVpcCidrBlockCommand({ VpcId: network.vpcId, AmazonProvidedIpv6CidrBlock: true }));
  const vpc = (await lab.ec2.send(new DescribeVpcsCommand({ VpcIds: [network.vpcId] }))).Vpcs![0]!;
  const block = vpc.Ipv6CidrBlockAssociationSet![0]!.Ipv6CidrBlock!;
  await lab.ec2.send(
    new AssociateSubnetCidrBlockCommand({ SubnetId: network.subnetId, Ipv6CidrBlock: block.replace('/56', '/64') }),
  );
  await lab.ec2.send(
    new ModifySubnetAttributeCommand({ SubnetId: network.subnetId, AssignIpv6AddressOnCreation: { Value: true } }),
  );
  // The group is older than the block, so it lets IPv4 out only.
  await lab.ec2.send(
    new AuthorizeSecurityGroupEgressCommand({
      GroupId: network.groupId,
      IpPermissions: [{ IpProtocol: '-1', Ipv6Ranges: [{ CidrIpv6: '::/0' }] }],
    }),
  );
  return { ...network, block };
}

describe('dual-stack machines', () => {
  const lab = new Lab();
  const other = new Lab();
  let near: Network & { block: string };
  let far: Network & { block: string };
  let a: Instance;
  let b: Instance;
  let c: Instance;

  beforeEach((context) => context.skip(machinesRefused() !== undefined, machinesRefused()));

  const address6 = (of: Instance) => of.NetworkInterfaces![0]!.Ipv6Addresses![0]!.Ipv6Address!;
  const run = async (from: Instance, command: string) =>
    lab.run(from.PublicIpAddress!, `${command} > /dev/null 2>&1 && echo yes || echo no`);
  const ping = (from: Instance, to: string) => run(from, `ping -c 1 -W 1 ${to}`);
  const get = (from: Instance, to: string, port = 80) => run(from, `curl -s -m 1 -g 'http://[${to}]:${port}/?true'`);
  const becomes = (check: () => Promise<string>, wanted: string, why: string) =>
    eventually(async () => expect(await check()).toBe(wanted), { why });
  const ping6 = { IpProtocol: 'icmpv6', FromPort: -1, ToPort: -1, Ipv6Ranges: [{ CidrIpv6: '::/0' }] };
  const agent6 = `#!/bin/bash
cat > /agent6.py <<'END'
import http.server, socket
class Server(http.server.ThreadingHTTPServer): address_family = socket.AF_INET6
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self): self.send_response(200); self.end_headers(); self.wfile.write(b'six')
    def log_message(self, *words): pass
Server(('::', 8080), Answer).serve_forever()
END
python3 /agent6.py > /dev/null 2>&1 &
`;

  beforeAll(async () => {
    if (machinesRefused() !== undefined) return;
    [near, far] = await Promise.all([dualNetwork(lab, '10.111'), dualNetwork(other, '10.112')]);
    const launch = (of: Lab, { subnetId, groupId }: Network) =>
      of.launchAgent({ SubnetId: subnetId, SecurityGroupIds: [groupId] });
    [a, b, c] = await Promise.all([launch(lab, near), launch(lab, near), launch(other, far)]);
    await Promise.all(
      [a, b, c].map((one) => lab.run(one.PublicIpAddress!, `cat > /start <<'OUTER'\n${agent6}OUTER\nbash /start`)),
    );
  }, 90_000);

  test('VPC-005 a /56 is added to the VPC, and dual-stack machines ping each other over both families', async () => {
    expect(near.block).toMatch(/^2600:1f[0-9a-f:]+\/56$/);
    expect(address6(a)).toMatch(/^2600:1f/);
    expect(await ping(a, b.PrivateIpAddress!)).toBe('yes');
    expect(await ping(a, address6(b))).toBe('no');
    await lab.ec2.send(new AuthorizeSecurityGroupIngressCommand({ GroupId: near.groupId, IpPermissions: [ping6] }));
    await becomes(() => ping(a, address6(b)), 'yes', 'IPv6 ping works');
    expect(await ping(b, address6(a))).toBe('yes');
    expect(await ping(a, b.PrivateIpAddress!)).toBe('yes');
    expect(await run(a, `ip -6 address show dev eth0 | grep ${address6(a)}/128`)).toBe('yes');
  });

  test('SG-006 blocks of both families, groups and prefix lists let in exactly whom they name', async () => {
    const { ec2 } = lab;
    const groupId = near.groupId;
    const allow = (peer: object) =>
      ec2.send(
        new AuthorizeSecurityGroupIngressCommand({
          GroupId: groupId,
          IpPermissions: [{ IpProtocol: 'tcp', FromPort: 8080, ToPort: 8080, ...peer }],
        }),
      );
    const revoke = (peer: object) =>
      ec2.send(
        new RevokeSecurityGroupIngressCommand({
          GroupId: groupId,
          IpPermissions: [{ IpProtocol: 'tcp', FromPort: 8080, ToPort: 8080, ...peer }],
        }),
      );
    const by4 = () => run(a, `curl -s -m 1 http://${b.PrivateIpAddress}:8080/`);
    const by6 = () => get(a, address6(b), 8080);
    expect([await by4(), await by6()]).toEqual(['no', 'no']);
    const elsewhere = { IpRanges: [{ CidrIp: '203.0.113.7/32' }] };
    await allow(elsewhere);
    const any6 = { Ipv6Ranges: [{ CidrIpv6: '::/0' }] };
    await allow(any6);
    await becomes(by6, 'yes', '::/0 lets IPv6 in');
    expect(await by4()).toBe('no');
    await revoke(any6);
    await becomes(by6, 'no', 'the rule is gone');
    const one6 = { Ipv6Ranges: [{ CidrIpv6: `${address6(a)}/128` }] };
    await allow(one6);
    await becomes(by6, 'yes', 'the one address gets in');
    await revoke(one6);
    await becomes(by6, 'no', 'the rule is gone again');
    const group = { UserIdGroupPairs: [{ GroupId: groupId }] };
    await allow(group);
    await becomes(by6, 'yes', 'a member gets in over IPv6');
    expect(await by4()).toBe('yes');
    await revoke(group);
    await becomes(by6, 'no', 'members are out');
    const list = async (AddressFamily: 'IPv4' | 'IPv6', Cidr: string) =>
      (
        await ec2.send(
          new CreateManagedPrefixListCommand({
            PrefixListName: AddressFamily,
            AddressFamily,
            MaxEntries: 1,
            Entries: [{ Cidr }],
          }),
        )
      ).PrefixList!.PrefixListId!;
    const four = { PrefixListIds: [{ PrefixListId: await list('IPv4', `${a.PrivateIpAddress}/32`) }] };
    await allow(four);
    await becomes(by4, 'yes', 'the prefix list lets IPv4 in');
    expect(await by6()).toBe('no');
    const six = { PrefixListIds: [{ PrefixListId: await list('IPv6', `${address6(a)}/128`) }] };
    await allow(six);
    await becomes(by6, 'yes', 'the IPv6 list lets IPv6 in');
    await revoke(six);
    await becomes(by6, 'no', 'the IPv6 list is gone');
  }, 60_000);

  test('IPv6 reaches the internet by a route, one way only through an egress-only gateway', async () => {
    const toFar = () => ping(a, address6(c));
    const toNear = () => ping(c, address6(a));
    for (const [of, network] of [
      [lab, near],
      [other, far],
    ] as const) {
      await of.ec2
        .send(new AuthorizeSecurityGroupIngressCommand({ GroupId: network.groupId, IpPermissions: [ping6] }))
        .catch((error: Error) => expect(error.name).toBe('InvalidPermission.Duplicate'));
    }
    expect(await toFar()).toBe('no');
    const open = (of: Lab, network: Network) =>
      of.ec2.send(
        new CreateRouteCommand({
          RouteTableId: network.routeTableId,
          DestinationIpv6CidrBlock: '::/0',
          GatewayId: network.gatewayId,
        }),
      );
    await open(lab, near);
    await open(other, far);
    await becomes(toFar, 'yes', 'IPv6 crosses the internet');
    expect(await toNear()).toBe('yes');
    const made = await lab.ec2.send(new CreateEgressOnlyInternetGatewayCommand({ VpcId: near.vpcId }));
    const EgressOnlyInternetGatewayId = made.EgressOnlyInternetGateway!.EgressOnlyInternetGatewayId!;
    await lab.ec2.send(
      new ReplaceRouteCommand({ RouteTableId: near.routeTableId, DestinationIpv6CidrBlock: '::/0', EgressOnlyInternetGatewayId }),
    );
    await becomes(toNear, 'no', 'nobody gets in through the egress-only gateway');
    expect(await toFar()).toBe('yes');
    await lab.ec2.send(new DeleteEgressOnlyInternetGatewayCommand({ EgressOnlyInternetGatewayId }));
    await becomes(toFar, 'no', 'without the gateway nothing gets out');
    const routes = (await lab.ec2.send(new DescribeRouteTablesCommand({ RouteTableIds: [near.routeTableId] }))).RouteTables![0]!
      .Routes!;
    expect(routes.find((route) => route.EgressOnlyInternetGatewayId !== undefined)).toMatchObject({
      DestinationIpv6CidrBlock: '::/0',
      State: 'blackhole',
    });
  }, 60_000);

  test('network ACLs tell the families apart, and addresses come and go on a running machine', async () => {
    const acl = (await lab.ec2.send(new DescribeNetworkAclsCommand({ Filters: [{ Name: 'vpc-id', Values: [near.vpcId] }] })))
      .NetworkAcls![0]!;
    expect(acl.Entries!.filter(({ Ipv6CidrBlock }) => Ipv6CidrBlock !== undefined).map(({ RuleNumber }) => RuleNumber)).toEqual([
      101, 101,
    ]);
    const subnet = await lab.subnet(near.vpcId, '10.111.2.0/24', 'us-east-1b', true);
    const block = near.block.replace('00::/56', '01::/64');
    await lab.ec2.send(new AssociateSubnetCidrBlockCommand({ SubnetId: subnet, Ipv6CidrBlock: block }));
    const d = await lab.launchAgent({ SubnetId: subnet, SecurityGroupIds: [near.groupId] });
    const NetworkInterfaceId = d.NetworkInterfaces![0]!.NetworkInterfaceId!;
    const given = await lab.ec2.send(
      new AssignIpv6AddressesCommand({ NetworkInterfaceId, Ipv6Addresses: [block.replace('/64', 'd')] }),
    );
    const [added] = given.AssignedIpv6Addresses!;
    await becomes(() => ping(a, added!), 'yes', 'the new address answers');
    await lab.ec2.send(
      new CreateNetworkAclEntryCommand({
        NetworkAclId: acl.NetworkAclId!,
        RuleNumber: 50,
        Protocol: '-1',
        RuleAction: 'deny',
        Egress: false,
        Ipv6CidrBlock: '::/0',
      }),
    );
    await becomes(() => ping(a, added!), 'no', 'the ACL denies IPv6');
    expect(await ping(a, d.PrivateIpAddress!)).toBe('yes');
    await lab.ec2.send(new UnassignIpv6AddressesCommand({ NetworkInterfaceId, Ipv6Addresses: [added!] }));
    const shown = await lab.ec2.send(new DescribeNetworkInterfacesCommand({ NetworkInterfaceIds: [NetworkInterfaceId] }));
    expect(shown.NetworkInterfaces![0]!.Ipv6Addresses).toEqual([]);
  }, 60_000);
});

test('blocks and addresses of IPv6 that cannot be are refused', async () => {
  const lab = new Lab();
  const { ec2 } = lab;
  const { Vpc } = await ec2.send(new CreateVpcCommand({ CidrBlock: '10.113.0.0/16', AmazonProvidedIpv6CidrBlock: true }));
  const VpcId = Vpc!.VpcId!;
  const block = Vpc!.Ipv6CidrBlockAssociationSet![0]!.Ipv6CidrBlock!;
  const part = block.replace('/56', '/64');
  const { Subnet } = await ec2.send(new CreateSubnetCommand({ VpcId, CidrBlock: '10.113.1.0/24', Ipv6CidrBlock: part }));
  const SubnetId = Subnet!.SubnetId!;
  expect(Subnet!.Ipv6CidrBlockAssociationSet).toMatchObject([{ Ipv6CidrBlock: part }]);
  const subnet = (CidrBlock: string, Ipv6CidrBlock: string) =>
    ec2.send(new CreateSubnetCommand({ VpcId, CidrBlock, Ipv6CidrBlock }));
  await refused(subnet('10.113.2.0/24', part), 'InvalidSubnet.Conflict', `The CIDR '${part}' conflicts with another subnet`);
  await refused(subnet('10.113.2.0/24', block), 'InvalidSubnet.Range', `The CIDR '${block}' is invalid.`);
  await refused(subnet('10.113.2.0/24', '2001:db8::/64'), 'InvalidSubnet.Range');
  await refused(subnet('10.113.2.0/24', 'nonsense'), 'InvalidParameterValue');
  await refused(ec2.send(new AssociateSubnetCidrBlockCommand({ SubnetId, Ipv6CidrBlock: part })), 'InvalidParameterValue');
  const plain = await lab.subnet(VpcId, '10.113.3.0/24');
  await refused(
    ec2.send(new ModifySubnetAttributeCommand({ SubnetId: plain, AssignIpv6AddressOnCreation: { Value: true } })),
    'InvalidParameterValue',
  );
  const associationId = (await ec2.send(new DescribeSubnetsCommand({ SubnetIds: [SubnetId] }))).Subnets![0]!
    .Ipv6CidrBlockAssociationSet![0]!.AssociationId!;
  const vpcAssociation = Vpc!.Ipv6CidrBlockAssociationSet![0]!.AssociationId!;
  await refused(ec2.send(new DisassociateVpcCidrBlockCommand({ AssociationId: vpcAssociation })), 'InvalidCidrBlock.InUse');
  await ec2.send(new DisassociateSubnetCidrBlockCommand({ AssociationId: associationId }));
  await refused(
    ec2.send(new DisassociateSubnetCidrBlockCommand({ AssociationId: associationId })),
    'InvalidSubnetCidrBlockAssociationID.NotFound',
    `The subnet CIDR block with association ID ${associationId} does not exist`,
  );
  const groups = (await ec2.send(new DescribeSecurityGroupsCommand({ Filters: [{ Name: 'vpc-id', Values: [VpcId] }] })))
    .SecurityGroups!;
  expect(groups[0]!.IpPermissionsEgress![0]).toMatchObject({
    IpRanges: [{ CidrIp: '0.0.0.0/0' }],
    Ipv6Ranges: [{ CidrIpv6: '::/0' }],
  });
  const tableId = await lab.mainTable(VpcId);
  const route = (more: object) => ec2.send(new CreateRouteCommand({ RouteTableId: tableId, ...more }));
  const made = await ec2.send(new CreateEgressOnlyInternetGatewayCommand({ VpcId }));
  const EgressOnlyInternetGatewayId = made.EgressOnlyInternetGateway!.EgressOnlyInternetGatewayId!;
  expect(EgressOnlyInternetGatewayId).toMatch(/^eigw-[0-9a-f]{17}$/);
  await refused(route({ DestinationCidrBlock: '0.0.0.0/0', EgressOnlyInternetGatewayId }), 'InvalidParameterValue');
  await refused(route({ DestinationIpv6CidrBlock: '::/129', EgressOnlyInternetGatewayId }), 'InvalidParameterValue');
  await refused(route({ DestinationIpv6CidrBlock: block, EgressOnlyInternetGatewayId }), 'RouteAlreadyExists');
  await refused(
    ec2.send(new DescribeEgressOnlyInternetGatewaysCommand({ EgressOnlyInternetGatewayIds: ['eigw-00000000000000000'] })),
    'InvalidGatewayID.NotFound',
  );
  await ec2.send(new DisassociateVpcCidrBlockCommand({ AssociationId: vpcAssociation }));
  expect((await ec2.send(new DescribeVpcsCommand({ VpcIds: [VpcId] }))).Vpcs![0]!.Ipv6CidrBlockAssociationSet ?? []).toEqual([]);
});
