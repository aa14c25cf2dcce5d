/** Traffic mirroring: real packets of one interface, copied in VXLAN to another. */
import {
  AuthorizeSecurityGroupIngressCommand,
  CreateTrafficMirrorFilterCommand,
  CreateTrafficMirrorFilterRuleCommand,
  type CreateTrafficMirrorFilterRuleCommandInput,
  CreateTrafficMirrorSessionCommand,
  CreateTrafficMirrorTargetCommand,
  DeleteTrafficMirrorFilterCommand,
  DeleteTrafficMirrorFilterRuleCommand,
  DeleteTrafficMirrorSessionCommand,
  DeleteTrafficMirrorTargetCommand,
  DescribeTrafficMirrorFiltersCommand,
  DescribeTrafficMirrorSessionsCommand,
  DescribeTrafficMirrorTargetsCommand,
  CreateNetworkInterfaceCommand,
  RevokeSecurityGroupIngressCommand,
} from '@aws-sdk/client-ec2';
import { expect, test } from 'vitest';
import { eventually, machinesRefused, refused } from '../../support/cloud.ts';
import { Lab } from './support.ts';

/** Prints, for each datagram on UDP 4789 within two seconds: sender, VXLAN identifier, inner addresses and protocol, and the inner payload's words. */
const listener = `python3 - <<'END'
import socket, struct, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(('', 4789))
end = time.time() + 2
while time.time() < end:
    s.settimeout(max(0.05, end - time.time()))
    try: data, who = s.recvfrom(65535)
    except socket.timeout: break
    vni = int.from_bytes(data[4:7], 'big')
    kind = struct.unpack('!H', data[20:22])[0]
    ip = data[22:]
    print(who[0], data[0], vni, hex(kind), ip[9], socket.inet_ntoa(ip[12:16]), socket.inet_ntoa(ip[16:20]), ip[20:].decode('latin1').encode('ascii', 'replace').decode().replace('\\n', ' ').replace('\\r', ' ').replace('\\0', ' '))
END`;

test('FLOW-004 the packets of an interface reach a target in VXLAN on UDP 4789, as the filter says', async (context) => {
  context.skip(machinesRefused() !== undefined, machinesRefused());
  const lab = new Lab();
  const { ec2 } = lab;
  const network = await lab.network('10.133');
  const where = { SubnetId: network.subnetId, SecurityGroupIds: [network.groupId] };
  const [source, target] = await Promise.all([lab.launchAgent({ ...where, InstanceType: 't3.micro' }), lab.launchAgent(where)]);
  const cardOf = (instance: typeof source) => instance.NetworkInterfaces![0]!.NetworkInterfaceId!;
  const filterId = (await ec2.send(new CreateTrafficMirrorFilterCommand({ Description: 'web' }))).TrafficMirrorFilter!
    .TrafficMirrorFilterId!;
  const rule = (more: Partial<CreateTrafficMirrorFilterRuleCommandInput>) =>
    ec2.send(
      new CreateTrafficMirrorFilterRuleCommand({
        TrafficMirrorFilterId: filterId,
        TrafficDirection: 'ingress',
        RuleNumber: 100,
        RuleAction: 'accept',
        SourceCidrBlock: '0.0.0.0/0',
        DestinationCidrBlock: '0.0.0.0/0',
        ...more,
      }),
    );
  await rule({ Protocol: 6, DestinationPortRange: { FromPort: 80, ToPort: 80 } });
  await rule({ TrafficDirection: 'egress' });
  const TrafficMirrorTargetId = (
    await ec2.send(new CreateTrafficMirrorTargetCommand({ NetworkInterfaceId: cardOf(target), Description: 'ears' }))
  ).TrafficMirrorTarget!.TrafficMirrorTargetId!;
  const session = (
    await ec2.send(
      new CreateTrafficMirrorSessionCommand({
        NetworkInterfaceId: cardOf(source),
        TrafficMirrorTargetId,
        TrafficMirrorFilterId: filterId,
        SessionNumber: 1,
        VirtualNetworkId: 4242,
      }),
    )
  ).TrafficMirrorSession!;
  expect(session).toMatchObject({ SessionNumber: 1, VirtualNetworkId: 4242, OwnerId: lab.account.id });
  const vxlan = { IpProtocol: 'udp', FromPort: 4789, ToPort: 4789, IpRanges: [{ CidrIp: `${source.PrivateIpAddress}/32` }] };

  /** What the target hears while the source answers a request. */
  const hear = async () => {
    const [heard] = await Promise.all([
      lab.run(target.PublicIpAddress!, listener),
      (async () => {
        for (let count = 0; count < 4; count++) {
          await lab.run(source.PublicIpAddress!, 'sleep 0.3; echo mirrored-words');
          await lab.run(source.PublicIpAddress!, `ping -c 1 -W 1 ${target.PrivateIpAddress} || true`);
        }
      })(),
    ]);
    return heard.split('\n');
  };
  expect((await hear()).join('')).toBe('');
  await ec2.send(new AuthorizeSecurityGroupIngressCommand({ GroupId: network.groupId, IpPermissions: [vxlan] }));
  const own = source.PrivateIpAddress!;
  await eventually(
    async () => {
      const heard = await hear();
      // Sender, flags with an identifier, the identifier, IPv4 inside.
      for (const line of heard) expect(line.startsWith(`${own} 8 4242 0x800 `), line).toBe(true);
      expect(heard.some((line) => line.includes(`6 198.18.0.1 ${own}`) && line.includes('mirrored-words'))).toBe(true);
      expect(heard.some((line) => line.includes(`6 ${own} 198.18.0.1`) && line.includes('HTTP/1.0 200'))).toBe(true);
      expect(heard.some((line) => line.includes(`1 ${own} ${target.PrivateIpAddress}`))).toBe(true);
      // The answer to the ping comes in, and only TCP to port 80 is wanted of that.
      expect(heard.some((line) => line.includes(`1 ${target.PrivateIpAddress} ${own}`))).toBe(false);
    },
    { why: 'the target hears the source', timeoutMs: 30_000 },
  );
  await refused(
    ec2.send(new DeleteTrafficMirrorTargetCommand({ TrafficMirrorTargetId })),
    'TrafficMirrorTargetInUse',
    `Traffic mirror target ${TrafficMirrorTargetId} is in use.`,
  );
  await refused(ec2.send(new DeleteTrafficMirrorFilterCommand({ TrafficMirrorFilterId: filterId })), 'TrafficMirrorFilterInUse');
  const { TrafficMirrorSessionId } = session;
  expect((await ec2.send(new DescribeTrafficMirrorSessionsCommand({}))).TrafficMirrorSessions).toHaveLength(1);
  await ec2.send(new DeleteTrafficMirrorSessionCommand({ TrafficMirrorSessionId }));
  await eventually(async () => expect((await hear()).join('')).toBe(''), {
    why: 'nothing is copied any more',
    timeoutMs: 30_000,
  });
  await ec2.send(new RevokeSecurityGroupIngressCommand({ GroupId: network.groupId, IpPermissions: [vxlan] }));
  await ec2.send(new DeleteTrafficMirrorFilterCommand({ TrafficMirrorFilterId: filterId }));
  await ec2.send(new DeleteTrafficMirrorTargetCommand({ TrafficMirrorTargetId }));
  expect((await ec2.send(new DescribeTrafficMirrorTargetsCommand({}))).TrafficMirrorTargets).toEqual([]);
}, 120_000);

test('mirroring that cannot be is refused', async () => {
  const lab = new Lab();
  const { ec2 } = lab;
  const subnets = [
    await lab.subnet(await lab.vpc('10.134.0.0/16'), '10.134.1.0/24'),
    await lab.subnet(await lab.vpc('10.135.0.0/16'), '10.135.1.0/24'),
  ];
  const [one, two] = await Promise.all(
    subnets.map(
      async (SubnetId) => (await ec2.send(new CreateNetworkInterfaceCommand({ SubnetId }))).NetworkInterface!.NetworkInterfaceId!,
    ),
  );
  const none = (prefix: string) => `${prefix}-00000000000000000`;
  const target = (NetworkInterfaceId: string) => ec2.send(new CreateTrafficMirrorTargetCommand({ NetworkInterfaceId }));
  await refused(target(none('eni')), 'InvalidNetworkInterfaceID.NotFound');
  await refused(
    ec2.send(new CreateTrafficMirrorTargetCommand({ NetworkLoadBalancerArn: 'arn:aws:elasticloadbalancing:x' })),
    'NotImplemented',
  );
  const targetId = (await target(two!)).TrafficMirrorTarget!.TrafficMirrorTargetId!;
  await refused(target(two!), 'TrafficMirrorTargetAlreadyExists');
  const filterId = (await ec2.send(new CreateTrafficMirrorFilterCommand({}))).TrafficMirrorFilter!.TrafficMirrorFilterId!;
  const rule = (more: Partial<CreateTrafficMirrorFilterRuleCommandInput>) =>
    ec2.send(
      new CreateTrafficMirrorFilterRuleCommand({
        TrafficMirrorFilterId: filterId,
        TrafficDirection: 'ingress',
        RuleNumber: 1,
        RuleAction: 'accept',
        SourceCidrBlock: '0.0.0.0/0',
        DestinationCidrBlock: '0.0.0.0/0',
        ...more,
      }),
    );
  await refused(rule({ TrafficMirrorFilterId: none('tmf') }), 'InvalidTrafficMirrorFilterId.NotFound');
  await refused(
    rule({ RuleNumber: 32_767 }),
    'InvalidParameterValue',
    'Value (32767) for parameter RuleNumber is invalid. Valid values are 1-32766.',
  );
  await refused(rule({ SourceCidrBlock: '10.0.0.0/33' }), 'InvalidParameterValue', /This is not a valid CIDR block\.$/);
  await refused(rule({ DestinationPortRange: { FromPort: 1, ToPort: 2 } }), 'InvalidParameterCombination');
  const ruleId = (await rule({})).TrafficMirrorFilterRule!.TrafficMirrorFilterRuleId!;
  await refused(rule({}), 'TrafficMirrorFilterRuleAlreadyExists');
  await ec2.send(new DeleteTrafficMirrorFilterRuleCommand({ TrafficMirrorFilterRuleId: ruleId }));
  await refused(
    ec2.send(new DeleteTrafficMirrorFilterRuleCommand({ TrafficMirrorFilterRuleId: ruleId })),
    'InvalidTrafficMirrorFilterRuleId.NotFound',
  );
  const filters = await ec2.send(new DescribeTrafficMirrorFiltersCommand({ TrafficMirrorFilterIds: [filterId] }));
  expect(filters.TrafficMirrorFilters![0]!.IngressFilterRules ?? []).toEqual([]);
  const session = (more: object) =>
    ec2.send(
      new CreateTrafficMirrorSessionCommand({
        NetworkInterfaceId: one!,
        TrafficMirrorTargetId: targetId,
        TrafficMirrorFilterId: filterId,
        SessionNumber: 1,
        ...more,
      }),
    );
  await refused(session({}), 'NotImplemented');
  await refused(session({ PacketLength: 100 }), 'NotImplemented');
  await refused(session({ SessionNumber: 0 }), 'InvalidParameterValue');
  await refused(session({ TrafficMirrorTargetId: none('tmt') }), 'InvalidTrafficMirrorTargetId.NotFound');
  await refused(
    ec2.send(new DeleteTrafficMirrorSessionCommand({ TrafficMirrorSessionId: none('tms') })),
    'InvalidTrafficMirrorSessionId.NotFound',
  );
});
