/** Resolver endpoints between a VPC and a site that is joined to it by a peering connection, with a name server of its own. */
import {
  AcceptVpcPeeringConnectionCommand,
  CreateRouteCommand,
  CreateVpcPeeringConnectionCommand,
  DescribeNetworkInterfacesCommand,
  type Instance,
  ModifyVpcAttributeCommand,
} from '@aws-sdk/client-ec2';
import { Route53 } from '@aws-sdk/client-route-53';
import { type ResolverEndpointDirection, Route53Resolver } from '@aws-sdk/client-route53resolver';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { eventually, machinesRefused, type OwnCloud, refused, startOwnCloud } from '../../support/cloud.ts';
import { Lab, type Network } from '../ec2/support.ts';
import { digRefused, parseDig, ZoneLab } from '../route-53/support.ts';

/** A name server that answers every A question with 192.0.2.66, names that begin with `long` with 40 addresses, which only TCP carries. */
const siteServer = `
import socket, threading
def answer(m, tcp):
    i = 12
    while m[i]: i += m[i] + 1
    q = m[12:i + 5]
    n = 0 if q[-4:-2] != b'\\0\\1' else 40 if q[1:5] == b'long' else 1
    cut = n > 1 and not tcp
    n = 0 if cut else n
    head = m[:2] + (b'\\x86' if cut else b'\\x84') + b'\\0\\0\\1\\0' + bytes([n]) + b'\\0\\0\\0\\0'
    return head + q + b''.join(b'\\xc0\\x0c\\0\\1\\0\\1\\0\\0\\0\\5\\0\\4\\xc0\\0\\2' + bytes([66 + k]) for k in range(n))
def streams():
    t = socket.socket()
    t.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    t.bind(('0.0.0.0', 53)); t.listen()
    while True:
        c, a = t.accept()
        m = answer(c.recv(4096)[2:], True)
        c.sendall(len(m).to_bytes(2, 'big') + m); c.close()
threading.Thread(target=streams).start()
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(('0.0.0.0', 53))
while True:
    m, a = s.recvfrom(4096)
    open('/asked', 'a').write(a[0] + '\\n')
    s.sendto(answer(m, False), a)
`;

describe('Resolver', () => {
  let cloud: OwnCloud;
  let lab: Lab;
  let resolver: Route53Resolver;
  let home: Network;
  let site: Network;
  let subnets: string[];
  let inside: Instance;
  let server: Instance;

  beforeEach((context) => {
    context.skip(machinesRefused() !== undefined, machinesRefused());
    context.skip(digRefused !== undefined, digRefused);
  });
  beforeAll(async () => {
    if (machinesRefused() !== undefined) return;
    cloud = await startOwnCloud({ args: [] });
    lab = new Lab(cloud.endpoint);
    resolver = new Route53Resolver(lab.account.config());
    [home, site] = (await Promise.all([lab.network('10.96'), lab.network('10.97')])) as [Network, Network];
    await lab.ec2.send(new ModifyVpcAttributeCommand({ VpcId: home.vpcId, EnableDnsHostnames: { Value: true } }));
    subnets = [home.subnetId, await lab.subnet(home.vpcId, '10.96.2.0/24', 'us-east-1b')];
    const made = await lab.ec2.send(new CreateVpcPeeringConnectionCommand({ VpcId: home.vpcId, PeerVpcId: site.vpcId }));
    const VpcPeeringConnectionId = made.VpcPeeringConnection!.VpcPeeringConnectionId!;
    await lab.ec2.send(new AcceptVpcPeeringConnectionCommand({ VpcPeeringConnectionId }));
    const route = (RouteTableId: string, DestinationCidrBlock: string) =>
      lab.ec2.send(new CreateRouteCommand({ RouteTableId, DestinationCidrBlock, VpcPeeringConnectionId }));
    await route(home.routeTableId, '10.97.0.0/16');
    await route(site.routeTableId, '10.96.0.0/16');
    for (const protocol of ['udp', 'tcp']) {
      await lab.allow(home.groupId, protocol, 53, 53, '10.97.0.0/16');
      await lab.allow(site.groupId, protocol, 53, 53, '10.96.0.0/16');
    }
    const launch = ({ subnetId, groupId }: Network) => lab.launchAgent({ SubnetId: subnetId, SecurityGroupIds: [groupId] });
    [inside, server] = (await Promise.all([launch(home), launch(site)])) as [Instance, Instance];
    const text = Buffer.from(siteServer).toString('base64');
    await run(server, `echo ${text} | base64 -d > /dns.py; (python3 /dns.py > /dev/null 2>&1 &)`);
  }, 120_000);
  afterAll(async () => void (await cloud?.stop()));

  const run = (at: Instance, command: string) => lab.run(at.PublicIpAddress!, command);
  const ask = async (at: Instance, words: string) => parseDig(await run(at, `dig +time=2 +tries=1 ${words} || true`));
  let reference = 0;
  const create = (Direction: ResolverEndpointDirection, more = {}) => {
    reference += 1;
    return resolver.createResolverEndpoint({
      CreatorRequestId: `e${reference}`,
      Direction,
      SecurityGroupIds: [home.groupId],
      IpAddresses: subnets.map((SubnetId) => ({ SubnetId })),
      ...more,
    });
  };
  /** An endpoint that works: its id and addresses. */
  const endpoint = async (Direction: ResolverEndpointDirection) => {
    const { ResolverEndpoint: made } = await create(Direction);
    expect(made).toMatchObject({ Status: 'CREATING', Direction, IpAddressCount: 2, HostVPCId: home.vpcId });
    await eventually(
      async () => {
        const found = await resolver.getResolverEndpoint({ ResolverEndpointId: made!.Id! });
        expect(found.ResolverEndpoint?.Status).toBe('OPERATIONAL');
      },
      { why: 'the endpoint works' },
    );
    const { IpAddresses = [] } = await resolver.listResolverEndpointIpAddresses({ ResolverEndpointId: made!.Id! });
    expect(IpAddresses.map(({ Status }) => Status)).toEqual(['ATTACHED', 'ATTACHED']);
    return { id: made!.Id!, ips: IpAddresses.map(({ Ip }) => Ip!) };
  };

  test('R53-077 at an inbound endpoint a site asks for names of the VPC', async () => {
    const route53 = new Route53(lab.account.config());
    const zone = await route53.createHostedZone({
      Name: 'corp.internal',
      CallerReference: 'private',
      VPC: { VPCId: home.vpcId, VPCRegion: 'us-east-1' },
    });
    await route53.changeResourceRecordSets({
      HostedZoneId: zone.HostedZone!.Id!.split('/').at(-1)!,
      ChangeBatch: {
        Changes: [
          {
            Action: 'CREATE',
            ResourceRecordSet: { Name: 'app.corp.internal', Type: 'A', TTL: 5, ResourceRecords: [{ Value: '10.96.1.77' }] },
          },
        ],
      },
    });
    await eventually(async () => expect((await ask(inside, 'app.corp.internal')).answer[0]?.data).toBe('10.96.1.77'), {
      why: 'the private zone answers in its VPC',
    });
    expect((await ask(server, 'app.corp.internal')).status).toBe('NXDOMAIN');
    const { id, ips } = await endpoint('INBOUND');
    expect(ips.map((ip) => ip.replace(/\.\d+$/, '')).sort()).toEqual(['10.96.1', '10.96.2']);
    for (const ip of ips)
      for (const how of ['', '+tcp'])
        expect((await ask(server, `@${ip} ${how} app.corp.internal`)).answer[0]?.data, `${ip} ${how}`).toBe('10.96.1.77');
    const { NetworkInterfaces = [] } = await lab.ec2.send(
      new DescribeNetworkInterfacesCommand({ Filters: [{ Name: 'description', Values: [`Route 53 Resolver: ${id}:*`] }] }),
    );
    expect(NetworkInterfaces.map(({ PrivateIpAddress }) => PrivateIpAddress).sort()).toEqual([...ips].sort());
    expect(NetworkInterfaces[0]).toMatchObject({ InterfaceType: 'interface', RequesterManaged: true });
    await resolver.deleteResolverEndpoint({ ResolverEndpointId: id });
    await eventually(() => refused(resolver.getResolverEndpoint({ ResolverEndpointId: id }), 'ResourceNotFoundException'), {
      why: 'the endpoint is gone',
    });
    expect((await ask(server, `@${ips[0]} app.corp.internal`)).status).toBe('SILENT');
  }, 60_000);

  test('R53-078 through an outbound endpoint rules forward chosen names to the site', async () => {
    const { id, ips } = await endpoint('OUTBOUND');
    const open = await new ZoneLab(cloud.endpoint).open();
    await open.put(open.record('www', 'A', ['192.0.2.5']));
    const rule = (more: object) => {
      reference += 1;
      return resolver.createResolverRule({
        CreatorRequestId: `r${reference}`,
        RuleType: 'FORWARD',
        DomainName: 'corp.example',
        ResolverEndpointId: id,
        TargetIps: [{ Ip: server.PrivateIpAddress! }],
        ...more,
      });
    };
    const { ResolverRule: made } = await rule({});
    expect(made).toMatchObject({ DomainName: 'corp.example.', ShareStatus: 'NOT_SHARED', TargetIps: [{ Port: 53 }] });
    expect((await ask(inside, 'host.corp.example')).status).toBe('NXDOMAIN');
    const associate = (ResolverRuleId: string) => resolver.associateResolverRule({ ResolverRuleId, VPCId: home.vpcId });
    await associate(made!.Id!);
    await eventually(async () => expect((await ask(inside, 'host.corp.example')).answer[0]?.data).toBe('192.0.2.66'), {
      why: 'the rule is in force',
    });
    expect((await ask(inside, 'long.corp.example')).answer).toHaveLength(40);
    for (let i = 0; i < 4; i += 1) await ask(inside, `h${i}.corp.example`);
    const seen = new Set((await run(server, 'cat /asked')).split('\n'));
    expect([...seen].sort()).toEqual([...ips].sort());
    // Other names go the usual way, and so does what a SYSTEM rule takes out.
    expect((await ask(inside, open.name('www'))).answer[0]?.data).toBe('192.0.2.5');
    expect((await ask(inside, 'nocorp.example')).status).toBe('NXDOMAIN');
    const system = await rule({
      RuleType: 'SYSTEM',
      DomainName: 'own.corp.example',
      TargetIps: undefined,
      ResolverEndpointId: undefined,
    });
    await associate(system.ResolverRule!.Id!);
    await eventually(async () => expect((await ask(inside, 'x.own.corp.example')).status).toBe('NXDOMAIN'), {
      why: 'the exception',
    });

    await refused(associate(made!.Id!), 'ResourceExistsException');
    const twin = await rule({});
    await refused(
      associate(twin.ResolverRule!.Id!),
      'InvalidRequestException',
      /Cannot associate rules with same domain name with same VPC/,
    );
    await refused(
      rule({ RuleType: 'RECURSIVE' }),
      'InvalidRequestException',
      '[RSLVR-00718] Cannot create a rule with type RECURSIVE',
    );
    await refused(rule({ TargetIps: [] }), 'InvalidParameterException');
    await refused(rule({ ResolverEndpointId: 'rslvr-out-none' }), 'ResourceNotFoundException');
    await refused(
      resolver.deleteResolverRule({ ResolverRuleId: made!.Id! }),
      'ResourceInUseException',
      /disassociate this resolver rule from VPC/,
    );
    await refused(
      resolver.deleteResolverEndpoint({ ResolverEndpointId: id }),
      'InvalidRequestException',
      /^\[RSLVR-00600\] Cannot delete resolver endpoint unless its related resolver rules are deleted/,
    );
    await resolver.disassociateResolverRule({ ResolverRuleId: made!.Id!, VPCId: home.vpcId });
    await eventually(async () => expect((await ask(inside, 'host.corp.example')).status).toBe('NXDOMAIN'), {
      why: 'the rule is out',
    });
  }, 60_000);

  test('what an endpoint must be', async () => {
    await refused(create('INBOUND', { IpAddresses: [{ SubnetId: subnets[0] }] }), 'InvalidRequestException', /^\[RSLVR-00400\]/);
    await refused(
      create('INBOUND', { IpAddresses: [{ SubnetId: subnets[0] }, { SubnetId: site.subnetId }] }),
      'InvalidRequestException',
      /must be in the same VPC/,
    );
    await refused(
      create('INBOUND', { SecurityGroupIds: [site.groupId] }),
      'InvalidRequestException',
      /does not exist in the VPC/,
    );
    await refused(
      create('INBOUND', { CreatorRequestId: 'e2' }),
      'ResourceExistsException',
      /creator request id "e2" already exists/,
    );
    await refused(create('SIDEWAYS' as ResolverEndpointDirection), 'ValidationException', /direction/);
    await refused(resolver.getResolverEndpoint({ ResolverEndpointId: 'rslvr-in-none' }), 'ResourceNotFoundException');
    const [found] = (await resolver.listResolverEndpoints({})).ResolverEndpoints!;
    const ResourceArn = found!.Arn!;
    await resolver.tagResource({ ResourceArn, Tags: [{ Key: 'team', Value: 'net' }] });
    expect((await resolver.listTagsForResource({ ResourceArn })).Tags).toEqual([{ Key: 'team', Value: 'net' }]);
    await resolver.untagResource({ ResourceArn, TagKeys: ['team'] });
    expect((await resolver.listTagsForResource({ ResourceArn })).Tags).toEqual([]);
  });
});
