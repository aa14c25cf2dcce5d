/** What packets do: isolation of VPCs, routes, security groups and network ACLs, with real clients inside and outside. */
import {
  AssociateRouteTableCommand,
  AuthorizeSecurityGroupIngressCommand,
  CreateNetworkAclCommand,
  CreateNetworkAclEntryCommand,
  CreateRouteCommand,
  CreateRouteTableCommand,
  DeleteNetworkAclEntryCommand,
  DeleteRouteCommand,
  DescribeNetworkAclsCommand,
  DisassociateRouteTableCommand,
  type Instance,
  ModifyInstanceAttributeCommand,
  ModifyNetworkInterfaceAttributeCommand,
  ReplaceNetworkAclAssociationCommand,
  RevokeSecurityGroupEgressCommand,
  RevokeSecurityGroupIngressCommand,
} from '@aws-sdk/client-ec2';
import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { eventually, machinesRefused, refused } from '../../support/cloud.ts';
import { fetchInside } from '../../support/inside.ts';
import { Lab, type Network, reach } from './support.ts';

const slow = 90_000;

describe('instances in two VPCs', () => {
  const lab = new Lab();
  const { ec2 } = lab;
  let left: Network;
  let right: Network;
  let a: Instance;
  /** In another subnet and zone of the same VPC, without a public address or a route outwards. */
  let hidden: Instance;
  let c: Instance;
  let privateSubnet = '';
  let privateTable = '';

  beforeEach((context) => context.skip(machinesRefused() !== undefined, machinesRefused()));

  beforeAll(async () => {
    if (machinesRefused() !== undefined) return;
    left = await lab.network('10.0');
    right = await lab.network('10.0');
    privateSubnet = await lab.subnet(left.vpcId, '10.0.2.0/24', 'us-east-1b');
    privateTable = (await ec2.send(new CreateRouteTableCommand({ VpcId: left.vpcId }))).RouteTable!.RouteTableId!;
    await ec2.send(new AssociateRouteTableCommand({ RouteTableId: privateTable, SubnetId: privateSubnet }));
    [a, c, hidden] = await Promise.all([
      lab.launchAgent({ SubnetId: left.subnetId, SecurityGroupIds: [left.groupId], PrivateIpAddress: '10.0.1.10' }),
      lab.launchAgent({ SubnetId: right.subnetId, SecurityGroupIds: [right.groupId], PrivateIpAddress: '10.0.1.10' }),
      lab.launchAgent({ SubnetId: privateSubnet, SecurityGroupIds: [left.groupId] }),
    ]);
  }, slow);

  const at = (instance: Instance) => instance.PublicIpAddress!;
  const url = (address: string | undefined) => `http://${address}/?true`;

  test('VPC-001 VPC-007 VPC-016 two VPCs use the same address, and neither reaches into the other', async () => {
    expect(a.PrivateIpAddress).toBe('10.0.1.10');
    expect(c.PrivateIpAddress).toBe('10.0.1.10');
    const names = [await lab.run(at(a), 'hostname'), await lab.run(at(c), 'hostname')];
    expect(names).toEqual(['ip-10-0-1-10.ec2.internal', 'ip-10-0-1-10.ec2.internal']);
    await lab.run(at(a), 'echo left > /which');
    await lab.run(at(c), 'echo right > /which');
    expect(await lab.run(at(a), 'cat /which')).toBe('left');
    expect(await lab.run(at(c), 'cat /which')).toBe('right');
    await eventually(async () => expect(await reach(lab, at(a), url(hidden.PrivateIpAddress))).toBe('open'), {
      why: 'the neighbour answers',
    });
    expect(await reach(lab, at(c), url(hidden.PrivateIpAddress))).toBe('silent');
  });

  test('VPC-021 INFRA-010 by the local route instances of different zones ping each other within milliseconds', async () => {
    expect(hidden.Placement!.AvailabilityZone).toBe('us-east-1b');
    const output = await lab.run(at(a), `ping -c 3 -i 0.2 -W 2 ${hidden.PrivateIpAddress}`);
    expect(output).toContain('3 packets transmitted, 3 received');
    expect(Number(/= [\d.]+\/([\d.]+)\//.exec(output)![1])).toBeLessThan(20);
  });

  test('VPC-028 an instance of a private subnet serves inside and reaches nothing outside', async () => {
    expect(hidden.PublicIpAddress).toBeUndefined();
    expect(await reach(lab, at(a), url(hidden.PrivateIpAddress))).toBe('open');
    const through = (command: string) =>
      lab.run(at(a), `curl -s -m 2 'http://${hidden.PrivateIpAddress}/?${encodeURIComponent(command)}'`);
    expect(await through('hostname')).toContain('ip-10-0-2-');
    expect(await through(`curl -s -o /dev/null -m 1 http://${at(c)}/?true; echo $?`)).not.toBe('0');
    expect(await lab.run(at(a), `curl -s -o /dev/null -m 2 http://${at(c)}/?true; echo $?`)).toBe('0');
  });

  test('VPC-017 two instances with public addresses reach each other across VPCs by them', async () => {
    expect(at(a)).not.toBe(at(c));
    expect(await reach(lab, at(a), url(at(c)))).toBe('open');
    expect(await reach(lab, at(c), url(at(a)))).toBe('open');
  });

  test('VPC-026 VPC-014 the guest has the private address only', async () => {
    const own = await lab.run(at(a), 'hostname -I; cat /proc/net/fib_trie');
    expect(own).toContain('10.0.1.10');
    expect(own).not.toContain(at(a));
  });

  test(
    'VPC-019 VPC-023 traffic of a subnet follows its own table, and the main one after the association ends',
    async () => {
      const table = (await ec2.send(new CreateRouteTableCommand({ VpcId: left.vpcId }))).RouteTable!.RouteTableId!;
      const { AssociationId } = await ec2.send(new AssociateRouteTableCommand({ RouteTableId: table, SubnetId: left.subnetId }));
      await eventually(async () => expect(await fetchInside(at(a), 80, '/?true')).toBe('ETIMEDOUT'), { why: 'no way out' });
      await ec2.send(new DisassociateRouteTableCommand({ AssociationId: AssociationId! }));
      await eventually(async () => expect(await fetchInside(at(a), 80, '/?true')).toMatchObject({ status: 200 }), {
        why: 'the main table leads to the gateway',
      });
    },
    slow,
  );

  test('VPC-022 the most specific route wins: a /32 to a neighbour takes what 0.0.0.0/0 would', async () => {
    await ec2.send(
      new CreateRouteCommand({
        RouteTableId: left.routeTableId,
        DestinationCidrBlock: `${at(c)}/32`,
        InstanceId: hidden.InstanceId!,
      }),
    );
    await eventually(async () => expect(await reach(lab, at(a), url(at(c)))).toBe('silent'), {
      why: 'the neighbour, which forwards nothing, gets the packets',
    });
    await ec2.send(new DeleteRouteCommand({ RouteTableId: left.routeTableId, DestinationCidrBlock: `${at(c)}/32` }));
    await eventually(async () => expect(await reach(lab, at(a), url(at(c)))).toBe('open'), { why: 'the default route serves' });
  });

  test(
    'VPC-030 an instance with the source check off forwards for a private subnet, and not with it on',
    async () => {
      const through = (command: string) =>
        lab.run(at(a), `curl -s -m 2 'http://${hidden.PrivateIpAddress}/?${encodeURIComponent(command)}'`);
      const out = () => through(`curl -s -o /dev/null -m 1 http://${at(c)}/?true; echo $?`);
      await lab.run(
        at(a),
        'echo 1 > /proc/sys/net/ipv4/ip_forward && nft add table ip nat && nft "add chain ip nat out { type nat hook postrouting priority 100 ; }" && nft add rule ip nat out ip saddr 10.0.2.0/24 ip daddr != 10.0.0.0/16 masquerade',
      );
      const check = (Value: boolean) =>
        ec2.send(new ModifyInstanceAttributeCommand({ InstanceId: a.InstanceId!, SourceDestCheck: { Value } }));
      await ec2.send(
        new CreateRouteCommand({ RouteTableId: privateTable, DestinationCidrBlock: '0.0.0.0/0', InstanceId: a.InstanceId! }),
      );
      expect(await out()).toBe('28');
      await check(false);
      await eventually(async () => expect(await out()).toBe('0'), { why: 'the NAT instance forwards' });
      await check(true);
      await eventually(async () => expect(await out()).toBe('28'), { why: 'the check is on again' });
      await ec2.send(new DeleteRouteCommand({ RouteTableId: privateTable, DestinationCidrBlock: '0.0.0.0/0' }));
    },
    slow,
  );

  test('SG-008 replies pass without an egress rule, and the instance itself cannot connect', async () => {
    const every = { IpProtocol: '-1', IpRanges: [{ CidrIp: '0.0.0.0/0' }] };
    await ec2.send(new RevokeSecurityGroupEgressCommand({ GroupId: right.groupId, IpPermissions: [every] }));
    await eventually(async () => expect(await reach(lab, at(c), url(at(a)))).toBe('silent'), { why: 'c cannot connect' });
    expect(await lab.run(at(c), 'echo reply')).toBe('reply');
  });

  test('SG-003 SG-004 SG-007 a new group lets all out; several groups add up; nothing can be denied', async () => {
    const more = await lab.group(right.vpcId, 'more');
    await ec2.send(new ModifyInstanceAttributeCommand({ InstanceId: c.InstanceId!, Groups: [right.groupId, more] }));
    await eventually(async () => expect(await reach(lab, at(c), url(at(a)))).toBe('open'), {
      why: 'the egress rule of the second group counts too',
    });
    expect(await lab.run(at(c), 'echo in')).toBe('in');
  });

  test('SG-001 a rule of one /32 lets that client in and no other', async () => {
    await lab.run(at(c), 'cd / && (python3 -m http.server 8080 > /dev/null 2>&1 &)');
    await lab.allow(right.groupId, 'tcp', 8080, 8080, `${at(a)}/32`);
    await eventually(async () => expect(await reach(lab, at(a), `http://${at(c)}:8080/`)).toBe('open'), {
      why: 'the client of the rule gets in',
    });
    expect(await fetchInside(at(c), 8080)).toBe('ETIMEDOUT');
    await ec2.send(
      new RevokeSecurityGroupIngressCommand({
        GroupId: right.groupId,
        IpPermissions: [{ IpProtocol: 'tcp', FromPort: 8080, ToPort: 8080, IpRanges: [{ CidrIp: `${at(a)}/32` }] }],
      }),
    );
    await eventually(async () => expect(await reach(lab, at(a), `http://${at(c)}:8080/`)).toBe('silent'), {
      why: 'the rule is gone',
    });
  });

  test(
    'SG-014 SG-015 SG-012 a rule that names a group opens the way for whoever carries it, at once',
    async () => {
      const web = await lab.group(left.vpcId, 'web');
      const database = await lab.group(left.vpcId, 'database');
      const through = (command: string) =>
        lab.run(at(a), `curl -s -m 2 'http://${hidden.PrivateIpAddress}/?${encodeURIComponent(command)}'`);
      await through('cd / && (python3 -m http.server 3306 > /dev/null 2>&1 &)');
      await lab.allow(database, 'tcp', 3306, 3306, web);
      await ec2.send(new ModifyInstanceAttributeCommand({ InstanceId: hidden.InstanceId!, Groups: [left.groupId, database] }));
      const target = `http://${hidden.PrivateIpAddress}:3306/`;
      expect(await reach(lab, at(a), target)).toBe('silent');
      await ec2.send(
        new ModifyNetworkInterfaceAttributeCommand({
          NetworkInterfaceId: a.NetworkInterfaces![0]!.NetworkInterfaceId!,
          Groups: [left.groupId, web],
        }),
      );
      await eventually(async () => expect(await reach(lab, at(a), target)).toBe('open'), { why: 'a carries the web group' });
      await ec2.send(new ModifyInstanceAttributeCommand({ InstanceId: a.InstanceId!, Groups: [left.groupId] }));
      await eventually(async () => expect(await reach(lab, at(a), target)).toBe('silent'), { why: 'a carries it no more' });
      await refused(
        ec2.send(
          new AuthorizeSecurityGroupIngressCommand({
            GroupId: database,
            IpPermissions: [
              { IpProtocol: 'tcp', FromPort: 1, ToPort: 1, UserIdGroupPairs: [{ GroupId: 'sg-0123456789abcdef0' }] },
            ],
          }),
        ),
        'InvalidGroup.NotFound',
        "The security group 'sg-0123456789abcdef0' does not exist",
      );
    },
    slow,
  );

  test('SG-011 what is blocked never reaches the guest', async () => {
    const counter = 'awk \'$1 == "Tcp:" && $6 ~ /^[0-9]+$/ { print $11 }\' /proc/net/snmp';
    const received = async () => Number(await lab.run(at(c), counter));
    const first = await received();
    const second = await received();
    expect(first).toBeGreaterThan(0);
    const blocked = await Promise.all([4441, 4442, 4443, 4444, 4445].map((port) => fetchInside(at(c), port)));
    expect(new Set(blocked)).toEqual(new Set(['ETIMEDOUT']));
    const third = await received();
    // Each question costs the same few segments; five attempts of three seconds would have brought ten and more.
    expect(third - second).toBeLessThan(second - first + 5);
  });

  test(
    'NACL-001 NACL-002 NACL-003 NACL-004 a network ACL forgets: the reply needs a rule of its own, and the lowest number decides',
    async () => {
      const acl = (await ec2.send(new CreateNetworkAclCommand({ VpcId: right.vpcId }))).NetworkAcl!.NetworkAclId!;
      const before = await ec2.send(
        new DescribeNetworkAclsCommand({ Filters: [{ Name: 'association.subnet-id', Values: [right.subnetId] }] }),
      );
      const association = before.NetworkAcls![0]!.Associations!.find((one) => one.SubnetId === right.subnetId)!;
      const add = (RuleNumber: number, Egress: boolean, RuleAction: 'allow' | 'deny', From: number, To: number) =>
        ec2.send(
          new CreateNetworkAclEntryCommand({
            ...{ NetworkAclId: acl, RuleNumber, Egress, RuleAction, Protocol: '6', CidrBlock: '0.0.0.0/0' },
            PortRange: { From, To },
          }),
        );
      const fresh = await ec2.send(new DescribeNetworkAclsCommand({ NetworkAclIds: [acl] }));
      const last = { RuleNumber: 32_767, RuleAction: 'deny', Protocol: '-1', CidrBlock: '0.0.0.0/0' };
      expect(fresh.NetworkAcls![0]!.Entries).toEqual([
        { ...last, Egress: true },
        { ...last, Egress: false },
      ]);
      const all = { RuleNumber: 100, RuleAction: 'allow', Protocol: '-1', CidrBlock: '0.0.0.0/0' };
      expect(before.NetworkAcls![0]!.Entries).toEqual([
        { ...all, Egress: true },
        { ...last, Egress: true },
        { ...all, Egress: false },
        { ...last, Egress: false },
      ]);
      await add(100, false, 'allow', 80, 80);
      await refused(
        add(100, false, 'deny', 80, 80),
        'NetworkAclEntryAlreadyExists',
        'The network acl entry identified by 100 already exists.',
      );
      await refused(add(32_767, false, 'allow', 80, 80), 'InvalidParameterValue');
      const removeLast = new DeleteNetworkAclEntryCommand({ NetworkAclId: acl, RuleNumber: 32_767, Egress: false });
      await refused(ec2.send(removeLast), 'InvalidParameterValue');
      const moved = await ec2.send(
        new ReplaceNetworkAclAssociationCommand({ AssociationId: association.NetworkAclAssociationId!, NetworkAclId: acl }),
      );
      const page = () => fetchInside(at(c), 80, '/?true');
      await eventually(async () => expect(await page()).toBe('ETIMEDOUT'), { why: 'replies are dropped' });
      await add(100, true, 'allow', 1024, 65_535);
      await eventually(async () => expect(await page()).toMatchObject({ status: 200 }), { why: 'replies pass' });
      await add(50, false, 'deny', 80, 80);
      await eventually(async () => expect(await page()).toBe('ETIMEDOUT'), { why: 'rule 50 comes before rule 100' });
      await ec2.send(new DeleteNetworkAclEntryCommand({ NetworkAclId: acl, RuleNumber: 50, Egress: false }));
      await eventually(async () => expect(await page()).toMatchObject({ status: 200 }), { why: 'rule 100 decides again' });
      await ec2.send(
        new ReplaceNetworkAclAssociationCommand({
          AssociationId: moved.NewAssociationId!,
          NetworkAclId: before.NetworkAcls![0]!.NetworkAclId!,
        }),
      );
    },
    slow,
  );
});
