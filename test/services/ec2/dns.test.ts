/** What a VPC's resolver answers to machines, over UDP and TCP, and what DHCP options make of /etc/resolv.conf. */
import {
  AssociateDhcpOptionsCommand,
  CreateDhcpOptionsCommand,
  DeleteDhcpOptionsCommand,
  DescribeDhcpOptionsCommand,
  DescribeVpcsCommand,
  type Instance,
  ModifyVpcAttributeCommand,
} from '@aws-sdk/client-ec2';
import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { eventually, machinesRefused, refused } from '../../support/cloud.ts';
import { Lab, type Network } from './support.ts';

/** Asks the VPC's resolver as a stub would, over UDP or TCP: prints the status and the data of A and PTR answers. */
const askScript = `
import socket, struct, sys
server, name, kind, how = sys.argv[1:5]
types = {'A': 1, 'PTR': 12, 'AAAA': 28}
query = struct.pack('>HHHHHH', 7, 0x100, 1, 0, 0, 0)
query += b''.join(bytes([len(part)]) + part.encode() for part in name.split('.')) + b'\\0' + struct.pack('>HH', types[kind], 1)
if how == 'tcp':
    s = socket.create_connection((server, 53), 2)
    s.sendall(struct.pack('>H', len(query)) + query)
    answer = s.recv(4096)[2:]
else:
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(2)
    s.sendto(query, (server, 53))
    try: answer = s.recv(4096)
    except socket.timeout: print('silent'); sys.exit()
code, count = answer[3] & 15, struct.unpack('>H', answer[6:8])[0]
print({0: 'NOERROR', 3: 'NXDOMAIN'}.get(code, code), count, '.'.join(str(one) for one in answer[-4:]) if count and kind == 'A' else '')
`;

describe('names inside a VPC', () => {
  const lab = new Lab();
  const { ec2 } = lab;
  let network: Network;
  let other: Network;
  let a: Instance;
  let b: Instance;

  beforeEach((context) => context.skip(machinesRefused() !== undefined, machinesRefused()));

  beforeAll(async () => {
    if (machinesRefused() !== undefined) return;
    network = await lab.network('10.61');
    other = await lab.network('10.62');
    await ec2.send(new ModifyVpcAttributeCommand({ VpcId: network.vpcId, EnableDnsHostnames: { Value: true } }));
    [a, b] = await Promise.all([
      lab.launchAgent({ SubnetId: network.subnetId, SecurityGroupIds: [network.groupId], PrivateIpAddress: '10.61.1.10' }),
      lab.launchAgent({ SubnetId: other.subnetId, SecurityGroupIds: [other.groupId], PrivateIpAddress: '10.62.1.10' }),
    ]);
  }, 60_000);

  const ask = async (at: Instance, server: string, name: string, type = 'A', how = 'udp') => {
    const words = [server, name, type, how].join(' ');
    return lab.run(at.PublicIpAddress!, `cat > /ask.py <<'END'\n${askScript}\nEND\npython3 /ask.py ${words}`);
  };

  test('the resolver is a neighbour in the first subnet of a VPC, and answers there too', async () => {
    const subnetId = await lab.subnet(network.vpcId, '10.61.0.0/24', 'us-east-1a', true);
    const c = await lab.launchAgent({ SubnetId: subnetId, SecurityGroupIds: [network.groupId] });
    const name = `ip-${c.PrivateIpAddress!.replaceAll('.', '-')}.ec2.internal`;
    expect(await ask(c, '10.61.0.2', name)).toBe(`NOERROR 1 ${c.PrivateIpAddress}`);
    expect(await ask(c, '10.61.0.2', name, 'A', 'tcp')).toBe(`NOERROR 1 ${c.PrivateIpAddress}`);
  });

  test('private names, and names of addresses, lead to interfaces of the own VPC only', async () => {
    expect(await lab.run(a.PublicIpAddress!, 'cat /etc/resolv.conf')).toBe('search ec2.internal\nnameserver 10.61.0.2');
    expect(await lab.run(a.PublicIpAddress!, 'getent hosts ip-10-61-1-10')).toMatch(
      /^10\.61\.1\.10 +ip-10-61-1-10\.ec2\.internal$/,
    );
    expect(await ask(a, '10.61.0.2', 'ip-10-61-1-10.ec2.internal')).toBe('NOERROR 1 10.61.1.10');
    expect(await ask(a, '169.254.169.253', 'IP-10-61-1-10.EC2.internal', 'A', 'tcp')).toBe('NOERROR 1 10.61.1.10');
    expect(await ask(a, '10.61.0.2', 'ip-10-61-1-10.ec2.internal', 'AAAA')).toBe('NOERROR 0');
    expect(await lab.run(a.PublicIpAddress!, 'getent hosts 10.61.1.10')).toContain('ip-10-61-1-10.ec2.internal');
    expect(await ask(a, '10.61.0.2', 'ip-10-61-1-11.ec2.internal')).toBe('NXDOMAIN 0');
    expect(await ask(a, '10.61.0.2', 'ip-10-62-1-10.ec2.internal')).toBe('NXDOMAIN 0');
    expect(await ask(a, '10.61.0.2', '10.1.62.10.in-addr.arpa', 'PTR')).toBe('NXDOMAIN 0');
    expect(await ask(a, '10.61.0.2', 'ip-10-61-1-10.eu-west-1.compute.internal')).toBe('NXDOMAIN 0');
    expect(await ask(a, '10.61.0.2', 'www.example.com')).toBe('NXDOMAIN 0');
  });

  test('a public name means the private address inside its VPC and the public one elsewhere', async () => {
    const name = `ec2-${a.PublicIpAddress!.replaceAll('.', '-')}.compute-1.amazonaws.com`;
    expect(await ask(a, '10.61.0.2', name)).toBe('NOERROR 1 10.61.1.10');
    expect(await ask(b, '10.62.0.2', name)).toBe(`NOERROR 1 ${a.PublicIpAddress}`);
    expect(await ask(b, '10.62.0.2', 'ec2-198-19-255-254.compute-1.amazonaws.com')).toBe('NXDOMAIN 0');
    expect(a.PublicDnsName).not.toBe('');
    expect(await ask(a, '10.61.0.2', a.PublicDnsName!)).toBe('NOERROR 1 10.61.1.10');
  });

  test('the real names of the API lead to the API', async () => {
    const answer = await lab.run(
      a.PublicIpAddress!,
      `curl -s -m 3 -o /dev/null -w '%{http_code}' http://sts.us-east-1.amazonaws.com/?Action=GetCallerIdentity`,
    );
    expect(answer).toBe('403');
    expect(await ask(a, '10.61.0.2', 'no-such-service.us-east-1.amazonaws.com')).toBe('NXDOMAIN 0');
    expect(await lab.run(a.PublicIpAddress!, 'getent ahostsv4 localhost.localdomain || true; getent hosts localhost')).toMatch(
      /127\.0\.0\.1|::1/,
    );
  });

  test('without DNS support queries are lost, and answered again once it is back', async () => {
    await ec2.send(new ModifyVpcAttributeCommand({ VpcId: other.vpcId, EnableDnsSupport: { Value: false } }));
    await eventually(async () => expect(await ask(b, '10.62.0.2', 'ip-10-62-1-10.ec2.internal')).toBe('silent'), {
      why: 'the resolver is gone',
    });
    expect(await ask(b, '169.254.169.253', 'ip-10-62-1-10.ec2.internal')).toBe('silent');
    await ec2.send(new ModifyVpcAttributeCommand({ VpcId: other.vpcId, EnableDnsSupport: { Value: true } }));
    await eventually(async () => expect(await ask(b, '10.62.0.2', 'ip-10-62-1-10.ec2.internal')).toBe('NOERROR 1 10.62.1.10'), {
      why: 'it is back',
    });
  });
});

describe('DHCP options', () => {
  const lab = new Lab();
  const { ec2 } = lab;

  test('a set of options reaches the machines of a VPC and cannot go while it is in use', async (context) => {
    context.skip(machinesRefused() !== undefined, machinesRefused());
    const network = await lab.network('10.63');
    const { DhcpOptions: set } = await ec2.send(
      new CreateDhcpOptionsCommand({
        DhcpConfigurations: [
          { Key: 'domain-name', Values: ['corp.example'] },
          { Key: 'domain-name-servers', Values: ['10.63.1.53', 'AmazonProvidedDNS'] },
        ],
      }),
    );
    expect(set?.DhcpOptionsId).toMatch(/^dopt-[0-9a-f]{17}$/);
    await ec2.send(new AssociateDhcpOptionsCommand({ VpcId: network.vpcId, DhcpOptionsId: set!.DhcpOptionsId! }));
    const found = await ec2.send(
      new DescribeVpcsCommand({ Filters: [{ Name: 'dhcp-options-id', Values: [set!.DhcpOptionsId!] }] }),
    );
    expect(found.Vpcs!.map(({ VpcId }) => VpcId)).toEqual([network.vpcId]);
    const machine = await lab.launchAgent({ SubnetId: network.subnetId, SecurityGroupIds: [network.groupId] });
    expect(await lab.run(machine.PublicIpAddress!, 'cat /etc/resolv.conf')).toBe(
      'search corp.example\nnameserver 10.63.1.53\nnameserver 10.63.0.2',
    );
    await refused(
      ec2.send(new DeleteDhcpOptionsCommand({ DhcpOptionsId: set!.DhcpOptionsId! })),
      'DependencyViolation',
      `The dhcpOptions '${set!.DhcpOptionsId}' has dependencies and cannot be deleted.`,
    );
    await ec2.send(new AssociateDhcpOptionsCommand({ VpcId: network.vpcId, DhcpOptionsId: 'default' }));
    await ec2.send(new DeleteDhcpOptionsCommand({ DhcpOptionsId: set!.DhcpOptionsId! }));
    await refused(
      ec2.send(new DescribeDhcpOptionsCommand({ DhcpOptionsIds: [set!.DhcpOptionsId!] })),
      'InvalidDhcpOptionID.NotFound',
      `The dhcpOption ID '${set!.DhcpOptionsId}' does not exist`,
    );
  }, 60_000);

  test('options that DHCP does not have, and values that are none, are refused', async () => {
    const create = (Key: string, ...Values: string[]) =>
      ec2.send(new CreateDhcpOptionsCommand({ DhcpConfigurations: [{ Key, Values }] }));
    await refused(create('boot-file', 'x'), 'InvalidParameterValue');
    await refused(create('domain-name', 'a\nnameserver 1.2.3.4'), 'InvalidParameterValue');
    await refused(create('domain-name-servers', '10.0.0.256'), 'InvalidParameterValue');
    await refused(create('domain-name-servers', '1.1.1.1', '1.1.1.2', '1.1.1.3', '1.1.1.4', '1.1.1.5'), 'InvalidParameterValue');
    await refused(create('netbios-node-type', '3'), 'InvalidParameterValue');
    await refused(
      ec2.send(new CreateDhcpOptionsCommand({ DhcpConfigurations: [] })),
      'MissingParameter',
      'The request must contain the parameter DhcpConfigurations',
    );
    await refused(
      ec2.send(new AssociateDhcpOptionsCommand({ VpcId: 'vpc-00000000000000000', DhcpOptionsId: 'default' })),
      'InvalidVpcID.NotFound',
    );
    const vpc = (await ec2.send(new DescribeVpcsCommand({}))).Vpcs![0]!;
    await refused(
      ec2.send(new AssociateDhcpOptionsCommand({ VpcId: vpc.VpcId!, DhcpOptionsId: 'dopt-00000000000000000' })),
      'InvalidDhcpOptionID.NotFound',
    );
  });
});
