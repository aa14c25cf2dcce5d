/** What targets of a Network Load Balancer see of its clients, and what their security groups make of it. */
import {
  DescribeTargetGroupAttributesCommand,
  CreateListenerCommand,
  CreateTargetGroupCommand,
  type CreateTargetGroupCommandInput,
  ModifyTargetGroupAttributesCommand,
  ModifyTargetGroupCommand,
  RegisterTargetsCommand,
} from '@aws-sdk/client-elastic-load-balancing-v2';
import { type Instance, DescribeNetworkInterfacesCommand } from '@aws-sdk/client-ec2';
import { ACMClient, ImportCertificateCommand } from '@aws-sdk/client-acm';
import { beforeAll, beforeEach, expect, test } from 'vitest';
import { eventually, machinesRefused, refused } from '../../support/cloud.ts';
import { agentScript, base64 } from '../ec2/support.ts';
import { connectInside, readAll, Site } from './support.ts';
import { makePair, opensslRefused } from './tls.ts';

/** Beside the agent: TCP and UDP 7000 answer with address and port of who asks, TCP 7001 with the first bytes; `/ask.py` asks, and prints its own and what the other end says of it. */
const script = `${agentScript}
cat > /servers.py <<'END'
import socketserver, threading
class Stream(socketserver.BaseRequestHandler):
    def handle(self):
        self.request.sendall(b'%s:%d' % (self.client_address[0].encode(), self.client_address[1]))
        self.request.recv(1)
class Datagram(socketserver.BaseRequestHandler):
    def handle(self):
        self.request[1].sendto(b'%s:%d' % (self.client_address[0].encode(), self.client_address[1]), self.client_address)
class First(socketserver.BaseRequestHandler):
    def handle(self):
        self.request.sendall(self.request.recv(100).hex().encode())
        self.request.recv(1)
socketserver.ThreadingTCPServer.allow_reuse_address = True
threading.Thread(target=socketserver.ThreadingTCPServer(('0.0.0.0', 7001), First).serve_forever).start()
threading.Thread(target=socketserver.ThreadingTCPServer(('0.0.0.0', 7000), Stream).serve_forever).start()
threading.Thread(target=socketserver.ThreadingUDPServer(('0.0.0.0', 7000), Datagram).serve_forever).start()
END
cat > /ask.py <<'END'
import socket, ssl, sys
kind, host, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM if kind == 'udp' else socket.SOCK_STREAM)
s.settimeout(1)
try:
    s.connect((host, port))
    if kind == 'tls':
        context = ssl._create_unverified_context()
        s = context.wrap_socket(s)
    if kind == 'udp':
        s.send(b'who')
    print('%s:%d' % s.getsockname()[:2], s.recv(100).decode() or 'closed')
except Exception as error:
    print('none', type(error).__name__)
END
python3 /servers.py > /servers.log 2>&1 &
`;

const site = new Site();
let open = '';
let narrow = '';
let target: Instance;
let client: Instance;
/** Lets in who its group names: at first the agent's callers only. */
let guarded: Instance;
/** Lets in the group of the second load balancer and nobody else. */
let behind = '';
let arn = '';
let own = '';
/** The node's address inside the VPC. */
let node = '';

beforeEach((context) => context.skip(machinesRefused() !== undefined, machinesRefused()));

beforeAll(async () => {
  if (machinesRefused() !== undefined) return;
  await site.build('10.33');
  open = await site.lab.group(site.network.vpcId, 'all');
  await site.lab.allow(open, '-1', -1, -1, '0.0.0.0/0');
  narrow = await site.lab.group(site.network.vpcId, 'narrow');
  await site.lab.allow(narrow, 'tcp', 80, 80, '0.0.0.0/0');
  const SubnetId = site.subnets[0]!;
  const launch = (group: string) => site.lab.launchAgent({ SubnetId, SecurityGroupIds: [group] }, script);
  const balancer = async (name: string, input: object) =>
    (await site.balancer(name, { Type: 'network', Subnets: [SubnetId], ...input })).LoadBalancerArn!;
  [target, client, guarded, behind, arn, own] = await Promise.all([
    ...([launch(open), launch(open), launch(narrow)] as const),
    site.lab.launch({ SubnetId, SecurityGroupIds: [site.serverGroup], UserData: base64(script) }),
    balancer('plain', { SecurityGroups: undefined }),
    balancer('own', {}),
  ]);
  node = await addressOf(arn);
}, 90_000);

async function addressOf(balancer: string): Promise<string> {
  const filter = { Name: 'description', Values: [`ELB ${balancer.split(':loadbalancer/')[1]}`] };
  const { NetworkInterfaces } = await site.lab.ec2.send(new DescribeNetworkInterfacesCommand({ Filters: [filter] }));
  return NetworkInterfaces![0]!.PrivateIpAddress!;
}

let number = 0;
/** A group of one target, checked on the agent's port. */
async function groupOf(Id: string, input: Partial<CreateTargetGroupCommandInput> = {}): Promise<string> {
  number += 1;
  const made = await site.elb.send(
    new CreateTargetGroupCommand({
      ...{ Name: `group-${number}`, Protocol: 'TCP', Port: 7000, VpcId: site.network.vpcId, HealthCheckPort: '80' },
      ...{ HealthCheckIntervalSeconds: 5, HealthyThresholdCount: 2, ...input },
    }),
  );
  const TargetGroupArn = made.TargetGroups![0]!.TargetGroupArn!;
  await site.elb.send(new RegisterTargetsCommand({ TargetGroupArn, Targets: [{ Id }] }));
  return TargetGroupArn;
}

const preserve = (TargetGroupArn: string, Value: string) =>
  site.elb.send(
    new ModifyTargetGroupAttributesCommand({ TargetGroupArn, Attributes: [{ Key: 'preserve_client_ip.enabled', Value }] }),
  );

async function preserved(TargetGroupArn: string): Promise<string | undefined> {
  const { Attributes } = await site.elb.send(new DescribeTargetGroupAttributesCommand({ TargetGroupArn }));
  return Attributes!.find(({ Key }) => Key === 'preserve_client_ip.enabled')?.Value;
}

/** What a client at `from` calls itself, and what the target calls it. */
async function ask(kind: 'tcp' | 'udp' | 'tls', port: number, host = node, from = client): Promise<[own: string, seen: string]> {
  const [own = '', seen = ''] = (await site.lab.run(from.PublicIpAddress!, `python3 /ask.py ${kind} ${host} ${port}`)).split(' ');
  return [own, seen];
}

/** Waits for a listener's target, then expects that it sees clients as they are, or the node. */
async function sees(whom: 'client' | 'node', kind: 'tcp' | 'udp' | 'tls', port: number): Promise<void> {
  const [own, seen] = await eventually(
    async () => {
      const answer = await ask(kind, port);
      expect(answer[0]).not.toBe('none');
      expect(answer[1].split(':')[0]).toBe(whom === 'client' ? client.PrivateIpAddress : node);
      return answer;
    },
    { why: `the target behind ${kind} ${port} sees the ${whom}` },
  );
  if (whom === 'client') expect(seen).toBe(own);
}

test('NLB-006 instance targets see the client’s own address and port, until their group says otherwise', async () => {
  const tcp = await groupOf(target.InstanceId!);
  expect(await preserved(tcp)).toBe('true');
  await site.forward(arn, tcp, 7000, 'TCP');
  await sees('client', 'tcp', 7000);
  // From outside the VPC too: this client's address is the host's in the internet.
  const [outer = ''] = Object.values(await site.nodes(arn));
  expect(await readAll(await connectInside(outer, 7000), (text) => /:\d/.test(text))).toMatch(/^198\.18\.0\.1:\d+$/);
  await preserve(tcp, 'false');
  await sees('node', 'tcp', 7000);
  await preserve(tcp, 'true');
  await sees('client', 'tcp', 7000);
  await refused(preserve(tcp, 'maybe'), 'InvalidConfigurationRequest');
}, 60_000);

test('NLB-006 datagrams always come from the client; addresses as targets see it when their group says so', async () => {
  const udp = await groupOf(target.InstanceId!, { Protocol: 'UDP' });
  await site.forward(arn, udp, 7100, 'UDP');
  await sees('client', 'udp', 7100);
  for (const [Protocol, TargetType] of [
    ['UDP', 'instance'],
    ['TCP_UDP', 'ip'],
  ] as const) {
    const Id = TargetType === 'ip' ? target.PrivateIpAddress! : target.InstanceId!;
    const group = await groupOf(Id, { Protocol, TargetType });
    expect(await preserved(group)).toBe('true');
    await refused(preserve(group, 'false'), 'InvalidConfigurationRequest');
  }
  const ip = await groupOf(target.PrivateIpAddress!, { TargetType: 'ip' });
  expect(await preserved(ip)).toBe('false');
  await site.forward(arn, ip, 7200, 'TCP');
  await sees('node', 'tcp', 7200);
  await preserve(ip, 'true');
  await sees('client', 'tcp', 7200);
  // Answers of what lies outside the VPC would not find back to the node.
  const outside = { TargetGroupArn: ip, Targets: [{ Id: '192.168.7.7', AvailabilityZone: 'all' }] };
  await refused(site.elb.send(new RegisterTargetsCommand(outside)), 'NotImplemented', /preserve_client_ip\.enabled=true/);
  await preserve(ip, 'false');
  await site.elb.send(new RegisterTargetsCommand(outside));
  await refused(preserve(ip, 'true'), 'NotImplemented', /targets outside the VPC/);
}, 60_000);

test('with the PROXY protocol a target is told its client in a header, also where it sees the node', async () => {
  const set = (TargetGroupArn: string, Key: string, Value: string) =>
    site.elb.send(new ModifyTargetGroupAttributesCommand({ TargetGroupArn, Attributes: [{ Key, Value }] }));
  const key = 'proxy_protocol_v2.enabled';
  for (const Protocol of ['UDP', 'TLS'] as const)
    await refused(set(await groupOf(target.InstanceId!, { Protocol }), key, 'true'), 'NotImplemented', /proxy_protocol_v2/);
  const group = await groupOf(target.InstanceId!, { Port: 7001 });
  await preserve(group, 'false');
  await set(group, key, 'true');
  await site.forward(arn, group, 7001, 'TCP');
  const [own, seen] = await eventually(
    async () => {
      const answer = await ask('tcp', 7001);
      expect(answer[1]).toMatch(/^0d0a0d0a000d0a515549540a2111000c/);
      return answer;
    },
    { why: 'the target gets the header' },
  );
  const bytes = Buffer.from(seen.slice(32), 'hex');
  const address = (at: number) => [...bytes.subarray(at, at + 4)].join('.');
  expect(`${address(0)}:${bytes.readUInt16BE(8)}`).toBe(own);
  expect(`${address(4)}:${bytes.readUInt16BE(10)}`).toBe(`${node}:7001`);
}, 60_000);

test('connections to a target that turns unhealthy are ended, unless its group says otherwise', async () => {
  const key = 'target_health_state.unhealthy.connection_termination.enabled';
  const input = { HealthCheckPort: '7000', UnhealthyThresholdCount: 2, HealthCheckTimeoutSeconds: 2 };
  const [cut, kept] = [await groupOf(target.InstanceId!, input), await groupOf(target.InstanceId!, input)];
  const udp = await groupOf(target.InstanceId!, { Protocol: 'UDP' });
  const set = (TargetGroupArn: string, Value: string) =>
    site.elb.send(new ModifyTargetGroupAttributesCommand({ TargetGroupArn, Attributes: [{ Key: key, Value }] }));
  await refused(set(udp, 'true'), 'InvalidConfigurationRequest');
  await set(kept, 'false');
  await site.forward(arn, cut, 7500, 'TCP');
  await site.forward(arn, kept, 7501, 'TCP');
  await site.all(cut, 'healthy');
  await site.all(kept, 'healthy');
  const [outer = ''] = Object.values(await site.nodes(arn));
  const open = async (port: number) => {
    const socket = await connectInside(outer, port);
    await new Promise<void>((resolve, reject) => {
      socket.once('data', () => resolve());
      socket.once('close', () => reject(new Error('The connection ended before the target spoke.')));
    });
    return socket;
  };
  const [first, second] = [await open(7500), await open(7501)];
  const ended = new Promise((resolve) => first.once('close', resolve));
  first.resume();
  let closed = false;
  second.once('close', () => {
    closed = true;
  });
  for (const TargetGroupArn of [cut, kept])
    await site.elb.send(new ModifyTargetGroupCommand({ TargetGroupArn, HealthCheckPort: '9' }));
  await ended;
  await site.all(kept, 'unhealthy');
  expect(closed).toBe(false);
  second.destroy();
}, 60_000);

test('a TLS listener keeps the client’s address, too', { timeout: 60_000 }, async (context) => {
  context.skip(opensslRefused !== undefined, opensslRefused);
  const pair = makePair('nlb.example.com');
  const { CertificateArn } = await new ACMClient(site.lab.account.config()).send(
    new ImportCertificateCommand({ Certificate: Buffer.from(pair.certificate), PrivateKey: Buffer.from(pair.key) }),
  );
  const group = await groupOf(target.InstanceId!);
  await site.elb.send(
    new CreateListenerCommand({
      ...{ LoadBalancerArn: arn, Protocol: 'TLS', Port: 7443, Certificates: [{ CertificateArn }] },
      DefaultActions: [{ Type: 'forward', TargetGroupArn: group }],
    }),
  );
  await sees('client', 'tls', 7443);
});

test('a target that is its own client gets no answer while it would see itself', async () => {
  const group = await groupOf(target.InstanceId!);
  await site.forward(arn, group, 7300, 'TCP');
  await sees('client', 'tcp', 7300);
  const [, seen] = await ask('tcp', 7300, node, target);
  expect(seen).toMatch(/^(timeout|TimeoutError|closed|ConnectionResetError)$/);
  await preserve(group, 'false');
  await eventually(async () => expect((await ask('tcp', 7300, node, target))[1]).toMatch(`${node}:`), {
    why: 'the target answers the node',
  });
}, 60_000);

test('security groups of targets are asked about the client’s address, and about the load balancer’s own group', async () => {
  const { lab } = site;
  const group = await groupOf(guarded.InstanceId!);
  await site.forward(arn, group, 7400, 'TCP');
  await site.all(group, 'healthy');
  // The node's address is no way in, nor is the group of the client, which does not come from its own interface.
  await lab.allow(narrow, 'tcp', 7000, 7000, `${node}/32`);
  await lab.allow(narrow, 'tcp', 7000, 7000, open);
  await eventually(
    async () => {
      const [direct, known] = await ask('tcp', 7000, guarded.PrivateIpAddress);
      expect(direct).toMatch(`${client.PrivateIpAddress}:`);
      expect(known).toBe(direct);
    },
    { why: 'the client is let in by its group' },
  );
  expect((await ask('tcp', 7400))[1]).toMatch(/imeout/);
  await lab.allow(narrow, 'tcp', 7000, 7000, `${client.PrivateIpAddress}/32`);
  await sees('client', 'tcp', 7400);

  const inner = await groupOf(behind, { HealthCheckPort: '7000' });
  await site.forward(own, inner, 7000, 'TCP');
  await site.all(inner, 'healthy');
  const address = await addressOf(own);
  const [self, seen] = await eventually(
    async () => {
      const answer = await ask('tcp', 7000, address);
      expect(answer[0]).not.toBe('none');
      return answer;
    },
    { why: 'the group of the load balancer is let in' },
  );
  expect(self).toMatch(`${client.PrivateIpAddress}:`);
  expect(seen).toBe(self);
  const { PrivateIpAddress } = await lab.instance(behind);
  expect((await ask('tcp', 7000, PrivateIpAddress))[1]).toMatch(/imeout/);
}, 60_000);
