/** VPC peering: the life of a connection on both its sides, and the packets that cross it. */
import {
  AcceptVpcPeeringConnectionCommand,
  AuthorizeSecurityGroupIngressCommand,
  CreateRouteCommand,
  CreateTagsCommand,
  CreateVpcPeeringConnectionCommand,
  DeleteRouteCommand,
  DeleteVpcPeeringConnectionCommand,
  DescribeRouteTablesCommand,
  DescribeSecurityGroupReferencesCommand,
  DescribeStaleSecurityGroupsCommand,
  DescribeVpcPeeringConnectionsCommand,
  EC2Client,
  type Instance,
  ModifyVpcAttributeCommand,
  ModifyVpcPeeringConnectionOptionsCommand,
  RejectVpcPeeringConnectionCommand,
  RevokeSecurityGroupIngressCommand,
} from '@aws-sdk/client-ec2';
import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { advanceClock, eventually, freshAccount, machinesRefused, refused, startOwnCloud } from '../../support/cloud.ts';
import { Lab, type Network, reach } from './support.ts';

async function statusOf(ec2: EC2Client, id: string): Promise<string | undefined> {
  const found = await ec2.send(new DescribeVpcPeeringConnectionsCommand({ VpcPeeringConnectionIds: [id] }));
  return found.VpcPeeringConnections![0]!.Status!.Code;
}

/** A lab whose client is in another Region. */
class FarLab extends Lab {
  override readonly ec2: EC2Client;

  constructor(region: string) {
    super();
    this.ec2 = new EC2Client(this.account.config({ region }));
  }
}

describe('packets over a peering connection', () => {
  const here = new Lab();
  const there = new FarLab('eu-west-1');
  let a: Network;
  let b: Network;
  let c: Network;
  let onA: Instance;
  let onB: Instance;
  let onC: Instance;
  let toB = '';
  let toC = '';

  beforeEach((context) => context.skip(machinesRefused() !== undefined, machinesRefused()));

  const route = (lab: Lab, network: Network, cidr: string, id: string) =>
    lab.ec2.send(
      new CreateRouteCommand({ RouteTableId: network.routeTableId, DestinationCidrBlock: cidr, VpcPeeringConnectionId: id }),
    );
  const unroute = (lab: Lab, network: Network, cidr: string) =>
    lab.ec2.send(new DeleteRouteCommand({ RouteTableId: network.routeTableId, DestinationCidrBlock: cidr }));
  const ping = async (lab: Lab, from: Instance, to: Instance) =>
    (await lab.run(from.PublicIpAddress!, `ping -c 1 -W 1 ${to.PrivateIpAddress} > /dev/null && echo yes || echo no`)) === 'yes';
  const pings = (lab: Lab, from: Instance, to: Instance, wanted: boolean) =>
    eventually(async () => expect(await ping(lab, from, to)).toBe(wanted), { why: `ping ${wanted ? 'works' : 'fails'}` });

  beforeAll(async () => {
    if (machinesRefused() !== undefined) return;
    a = await here.network('10.81');
    c = await here.network('10.83');
    b = await there.network('10.82', 'eu-west-1a');
    const launch = (lab: Lab, { subnetId, groupId }: Network) =>
      lab.launchAgent({ SubnetId: subnetId, SecurityGroupIds: [groupId] });
    [onA, onB, onC] = await Promise.all([launch(here, a), launch(there, b), launch(here, c)]);
    const asked = await here.ec2.send(
      new CreateVpcPeeringConnectionCommand({
        VpcId: a.vpcId,
        PeerVpcId: b.vpcId,
        PeerOwnerId: there.account.id,
        PeerRegion: 'eu-west-1',
      }),
    );
    toB = asked.VpcPeeringConnection!.VpcPeeringConnectionId!;
    await there.ec2.send(new AcceptVpcPeeringConnectionCommand({ VpcPeeringConnectionId: toB }));
    const inside = await here.ec2.send(new CreateVpcPeeringConnectionCommand({ VpcId: a.vpcId, PeerVpcId: c.vpcId }));
    toC = inside.VpcPeeringConnection!.VpcPeeringConnectionId!;
    await here.ec2.send(new AcceptVpcPeeringConnectionCommand({ VpcPeeringConnectionId: toC }));
  }, 90_000);

  test('PEER-001 PEER-003 ping works across accounts and Regions once both sides have a route, and only then', async () => {
    expect(await ping(here, onA, onB)).toBe(false);
    await route(here, a, '10.82.0.0/16', toB);
    expect(await ping(here, onA, onB)).toBe(false);
    await route(there, b, '10.81.0.0/16', toB);
    await pings(here, onA, onB, true);
    await pings(there, onB, onA, true);
    await unroute(there, b, '10.81.0.0/16');
    await pings(here, onA, onB, false);
    await route(there, b, '10.81.0.0/16', toB);
    await pings(here, onA, onB, true);
    await route(here, a, '10.83.0.0/16', toC);
    await route(here, c, '10.81.0.0/16', toC);
    await pings(here, onA, onC, true);
  }, 60_000);

  test('PEER-004 peering is not a way through', async () => {
    await route(here, c, '10.82.0.0/16', toC);
    await route(there, b, '10.83.0.0/16', toB);
    await pings(here, onA, onB, true);
    await pings(here, onA, onC, true);
    expect(await ping(here, onC, onB)).toBe(false);
    expect(await ping(there, onB, onC)).toBe(false);
  }, 60_000);

  test('a group of a peered VPC of the Region may be named, and goes stale with the connection', async () => {
    const web = await here.group(c.vpcId, 'web');
    await here.ec2.send(
      new RevokeSecurityGroupIngressCommand({
        GroupId: c.groupId,
        IpPermissions: [{ IpProtocol: 'tcp', FromPort: 80, ToPort: 80, IpRanges: [{ CidrIp: '0.0.0.0/0' }] }],
      }),
    );
    const url = `http://${onC.PrivateIpAddress}/?true`;
    await eventually(async () => expect(await reach(here, onA.PublicIpAddress!, url)).toBe('silent'), {
      why: 'the rule is gone',
    });
    const rule = { IpProtocol: 'tcp', FromPort: 80, ToPort: 80, UserIdGroupPairs: [{ GroupId: a.groupId }] };
    await here.ec2.send(new AuthorizeSecurityGroupIngressCommand({ GroupId: c.groupId, IpPermissions: [rule] }));
    await eventually(async () => expect(await reach(here, onA.PublicIpAddress!, url)).toBe('open'), {
      why: 'members of the group get in',
    });
    const references = await here.ec2.send(new DescribeSecurityGroupReferencesCommand({ GroupId: [a.groupId] }));
    expect(references.SecurityGroupReferenceSet).toEqual([
      expect.objectContaining({ GroupId: a.groupId, ReferencingVpcId: c.vpcId, VpcPeeringConnectionId: toC }),
    ]);
    await refused(
      here.ec2.send(
        new AuthorizeSecurityGroupIngressCommand({
          GroupId: web,
          IpPermissions: [{ ...rule, UserIdGroupPairs: [{ GroupId: b.groupId, UserId: there.account.id }] }],
        }),
      ),
      'InvalidGroup.NotFound',
      `The security group '${b.groupId}' does not exist`,
    );
    await here.ec2.send(new DeleteVpcPeeringConnectionCommand({ VpcPeeringConnectionId: toC }));
    await eventually(async () => expect(await reach(here, onA.PublicIpAddress!, url)).toBe('silent'), {
      why: 'the connection is gone',
    });
    const stale = await here.ec2.send(new DescribeStaleSecurityGroupsCommand({ VpcId: c.vpcId }));
    expect(stale.StaleSecurityGroupSet!.map(({ GroupId }) => GroupId)).toEqual([c.groupId]);
    const tables = await here.ec2.send(new DescribeRouteTablesCommand({ RouteTableIds: [c.routeTableId] }));
    expect(tables.RouteTables![0]!.Routes!.filter((one) => one.VpcPeeringConnectionId === toC).map(({ State }) => State)).toEqual(
      ['blackhole', 'blackhole'],
    );
  }, 60_000);

  test('with the DNS option the public name of a machine means its private address on the other side', async () => {
    for (const [lab, network] of [
      [here, a],
      [there, b],
    ] as const)
      await lab.ec2.send(new ModifyVpcAttributeCommand({ VpcId: network.vpcId, EnableDnsHostnames: { Value: true } }));
    const name = `ec2-${onB.PublicIpAddress!.replaceAll('.', '-')}.eu-west-1.compute.amazonaws.com`;
    const resolve = () => here.run(onA.PublicIpAddress!, `getent ahostsv4 ${name} | head -1 | cut -d ' ' -f 1`);
    expect(await resolve()).toBe(onB.PublicIpAddress);
    await refused(
      here.ec2.send(
        new ModifyVpcPeeringConnectionOptionsCommand({
          VpcPeeringConnectionId: toB,
          AccepterPeeringConnectionOptions: { AllowDnsResolutionFromRemoteVpc: true },
        }),
      ),
      'OperationNotPermitted',
    );
    await there.ec2.send(
      new ModifyVpcPeeringConnectionOptionsCommand({
        VpcPeeringConnectionId: toB,
        AccepterPeeringConnectionOptions: { AllowDnsResolutionFromRemoteVpc: true },
      }),
    );
    expect(await resolve()).toBe(onB.PrivateIpAddress);
  });
});

describe('the life of a peering connection', () => {
  const one = new Lab();
  const other = new Lab();
  const ask = async (vpcId: string, peerVpcId: string, more: object = {}) =>
    (await one.ec2.send(new CreateVpcPeeringConnectionCommand({ VpcId: vpcId, PeerVpcId: peerVpcId, ...more })))
      .VpcPeeringConnection!;

  test('PEER-002 with overlapping blocks the connection fails, as with a VPC that does not exist', async () => {
    const lab = new Lab();
    const [x, y] = [await lab.vpc('10.0.0.0/16'), await lab.vpc('10.0.128.0/20')];
    const create = async (PeerVpcId: string) =>
      (await lab.ec2.send(new CreateVpcPeeringConnectionCommand({ VpcId: x, PeerVpcId }))).VpcPeeringConnection!;
    for (const peer of [y, 'vpc-00000000000000000']) {
      const asked = await create(peer);
      expect(asked.Status!.Code).toBe('initiating-request');
      const found = await lab.ec2.send(
        new DescribeVpcPeeringConnectionsCommand({ VpcPeeringConnectionIds: [asked.VpcPeeringConnectionId!] }),
      );
      expect(found.VpcPeeringConnections![0]!.Status).toEqual({
        Code: 'failed',
        Message: 'VPC Peering Connection failed due to incorrect VPC-ID, Account-ID, or overlapping CIDR range',
      });
      await refused(
        lab.ec2.send(new AcceptVpcPeeringConnectionCommand({ VpcPeeringConnectionId: asked.VpcPeeringConnectionId! })),
        'OperationNotPermitted',
      );
    }
  });

  test('the other account accepts or rejects; nobody else sees it', async () => {
    const [mine, yours] = [await one.vpc('10.1.0.0/16'), await other.vpc('10.2.0.0/16')];
    const asked = await ask(mine, yours, {
      PeerOwnerId: other.account.id,
      TagSpecifications: [{ ResourceType: 'vpc-peering-connection', Tags: [{ Key: 'Name', Value: 'ours' }] }],
    });
    const VpcPeeringConnectionId = asked.VpcPeeringConnectionId!;
    expect(await statusOf(one.ec2, VpcPeeringConnectionId)).toBe('pending-acceptance');
    await refused(
      one.ec2.send(new AcceptVpcPeeringConnectionCommand({ VpcPeeringConnectionId })),
      'OperationNotPermitted',
      `User ${one.account.id} cannot accept peering ${VpcPeeringConnectionId}`,
    );
    await refused(
      new Lab().ec2.send(new AcceptVpcPeeringConnectionCommand({ VpcPeeringConnectionId })),
      'InvalidVpcPeeringConnectionID.NotFound',
      `The vpcPeeringConnection ID '${VpcPeeringConnectionId}' does not exist`,
    );
    await refused(
      one.ec2.send(new CreateVpcPeeringConnectionCommand({ VpcId: mine, PeerVpcId: yours, PeerOwnerId: other.account.id })),
      'VpcPeeringConnectionAlreadyExists',
    );
    await other.ec2.send(
      new CreateTagsCommand({ Resources: [VpcPeeringConnectionId], Tags: [{ Key: 'Name', Value: 'theirs' }] }),
    );
    await other.ec2.send(new RejectVpcPeeringConnectionCommand({ VpcPeeringConnectionId }));
    const found = (
      await one.ec2.send(new DescribeVpcPeeringConnectionsCommand({ Filters: [{ Name: 'tag:Name', Values: ['ours'] }] }))
    ).VpcPeeringConnections!;
    expect(found.map(({ Status }) => Status)).toEqual([{ Code: 'rejected', Message: `Rejected by ${other.account.id}` }]);
    await refused(
      one.ec2.send(new DeleteVpcPeeringConnectionCommand({ VpcPeeringConnectionId })),
      'InvalidStateTransition',
      `Invalid state transition for ${VpcPeeringConnectionId}, attempted to transition from rejected to deleting`,
    );

    const second = (await ask(mine, yours, { PeerOwnerId: other.account.id })).VpcPeeringConnectionId!;
    const accepted = await other.ec2.send(new AcceptVpcPeeringConnectionCommand({ VpcPeeringConnectionId: second }));
    expect(accepted.VpcPeeringConnection!.Status!.Code).toBe('provisioning');
    expect(await statusOf(one.ec2, second)).toBe('active');
    await refused(
      other.ec2.send(new AcceptVpcPeeringConnectionCommand({ VpcPeeringConnectionId: second })),
      'InvalidStateTransition',
    );
    await one.ec2.send(new DeleteVpcPeeringConnectionCommand({ VpcPeeringConnectionId: second }));
    expect(await statusOf(other.ec2, second)).toBe('deleted');
  });

  test('it is accepted in the Region of the other VPC', async () => {
    const west = new EC2Client(one.account.config({ region: 'us-west-2' }));
    const mine = await one.vpc('10.3.0.0/16');
    const far = (await west.send(new DescribeVpcPeeringConnectionsCommand({}))).VpcPeeringConnections;
    expect(far).toEqual([]);
    const peer = new FarLab('us-west-2');
    const theirs = await peer.vpc('10.4.0.0/16');
    const id = (await ask(mine, theirs, { PeerOwnerId: peer.account.id, PeerRegion: 'us-west-2' })).VpcPeeringConnectionId!;
    const wrong = new EC2Client(peer.account.config());
    await refused(
      wrong.send(new AcceptVpcPeeringConnectionCommand({ VpcPeeringConnectionId: id })),
      'InvalidVpcPeeringConnectionID.NotFound',
    );
    await peer.ec2.send(new AcceptVpcPeeringConnectionCommand({ VpcPeeringConnectionId: id }));
    expect(await statusOf(one.ec2, id)).toBe('active');
    await refused(
      one.ec2.send(new CreateVpcPeeringConnectionCommand({ VpcId: mine, PeerVpcId: theirs, PeerRegion: 'mars-1' })),
      'InvalidParameterValue',
    );
    await refused(
      one.ec2.send(new CreateVpcPeeringConnectionCommand({ VpcId: mine, PeerVpcId: theirs, PeerOwnerId: 'me' })),
      'InvalidParameterValue',
    );
    await refused(
      one.ec2.send(new CreateVpcPeeringConnectionCommand({ VpcId: 'vpc-00000000000000000', PeerVpcId: theirs })),
      'InvalidVpcID.NotFound',
    );
  });

  test('a request that nobody accepts lapses after a week and is forgotten two days later', async () => {
    const cloud = await startOwnCloud();
    try {
      const lab = new Lab(cloud.endpoint, freshAccount(cloud.endpoint));
      const [x, y] = [await lab.vpc('10.5.0.0/16'), await lab.vpc('10.6.0.0/16')];
      const asked = await lab.ec2.send(new CreateVpcPeeringConnectionCommand({ VpcId: x, PeerVpcId: y }));
      const id = asked.VpcPeeringConnection!.VpcPeeringConnectionId!;
      await advanceClock(cloud.endpoint, 7 * 86_400_000 + 1000);
      expect(await statusOf(lab.ec2, id)).toBe('expired');
      await refused(
        lab.ec2.send(new AcceptVpcPeeringConnectionCommand({ VpcPeeringConnectionId: id })),
        'InvalidStateTransition',
      );
      await advanceClock(cloud.endpoint, 2 * 86_400_000 + 1000);
      await refused(statusOf(lab.ec2, id), 'InvalidVpcPeeringConnectionID.NotFound');
    } finally {
      await cloud.stop();
    }
  }, 60_000);
});
