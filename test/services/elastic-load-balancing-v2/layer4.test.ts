/** Network load balancers at layer 4: bytes as they are, one target for each connection and flow, addresses that stay, health by port and by path. */
import { spawnSync } from 'node:child_process';
import { AllocateAddressCommand, type Instance } from '@aws-sdk/client-ec2';
import { ACMClient, ImportCertificateCommand } from '@aws-sdk/client-acm';
import {
  AddListenerCertificatesCommand,
  CreateListenerCommand,
  CreateLoadBalancerCommand,
  CreateRuleCommand,
  CreateTargetGroupCommand,
  type CreateTargetGroupCommandInput,
  DeregisterTargetsCommand,
  DescribeLoadBalancerAttributesCommand,
  ModifyLoadBalancerAttributesCommand,
  ModifyTargetGroupCommand,
  RegisterTargetsCommand,
} from '@aws-sdk/client-elastic-load-balancing-v2';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { advanceClock, eventually, type OwnCloud, refused, startOwnCloud } from '../../support/cloud.ts';
import { agentScript } from '../ec2/support.ts';
import { Site } from './support.ts';
import { makePair, opensslRefused } from './tls.ts';

/**
 * Servers beside the agent: TCP and UDP 7000 answer every line or datagram with the server's name, the sender's address and what came; UDP 5300 answers
 * every question for an address as DNS does; TCP 7001 is open while /open is there.
 */
const serverScript = (name: string, octet: number): string => `${agentScript}
cat > /servers.py <<'END'
import os, socket, socketserver, struct, threading, time
class Lines(socketserver.StreamRequestHandler):
    def handle(self):
        for line in self.rfile:
            self.wfile.write(b'${name} ' + self.client_address[0].encode() + b' ' + line)
class Datagrams(socketserver.BaseRequestHandler):
    def handle(self):
        data, sock = self.request
        sock.sendto(b'${name} ' + self.client_address[0].encode() + b' ' + data, self.client_address)
class Names(socketserver.BaseRequestHandler):
    def handle(self):
        data, sock = self.request
        end = data.index(b'\\0', 12) + 5
        answer = b'\\xc0\\x0c' + struct.pack('>HHIH', 1, 1, 60, 4) + bytes([192, 0, 2, ${octet}])
        sock.sendto(data[:2] + b'\\x85\\x80\\0\\1\\0\\1\\0\\0\\0\\0' + data[12:end] + answer, self.client_address)
socketserver.ThreadingTCPServer.allow_reuse_address = True
def serve(server):
    threading.Thread(target=server.serve_forever, daemon=True).start()
serve(socketserver.ThreadingTCPServer(('0.0.0.0', 7000), Lines))
serve(socketserver.ThreadingUDPServer(('0.0.0.0', 7000), Datagrams))
serve(socketserver.ThreadingUDPServer(('0.0.0.0', 5300), Names))
door = None
while True:
    if os.path.exists('/open') and door is None:
        door = socket.create_server(('0.0.0.0', 7001))
    if not os.path.exists('/open') and door is not None:
        door.close()
        door = None
    time.sleep(0.05)
END
python3 /servers.py > /servers.log 2>&1 &
`;

/** Talks inside the client: prints what the servers answered, one line for each message. */
const clientScript = `${agentScript}
cat > /talk.py <<'END'
import socket, sys
kind, host, port, flows, messages = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), int(sys.argv[5])
for flow in range(flows):
    s = socket.socket(socket.AF_INET, socket.SOCK_STREAM if kind == 'tcp' else socket.SOCK_DGRAM)
    s.settimeout(3)
    s.connect((host, port))
    for number in range(messages):
        s.send(b'%d %d\\n' % (flow, number))
        print(s.recv(100).decode().strip())
    s.close()
END
`;

const missing = ['dig', 'ssh-keyscan', '/usr/sbin/sshd'].find((program) => spawnSync(program, ['-?']).error !== undefined);
const slow = 120_000;
let cloud: OwnCloud;
let site: Site;
let open = '';
let servers: Instance[] = [];
let client: Instance;
let arn = '';
let name = '';

beforeAll(async () => {
  cloud = await startOwnCloud();
  if (cloud.limits.length > 0) return;
  site = new Site(cloud.endpoint, cloud.data);
  const { lab } = site;
  await site.build('10.9');
  open = await lab.group(site.network.vpcId, 'all');
  await lab.allow(open, '-1', -1, -1, '0.0.0.0/0');
  const launch = (script: string, subnet: number) =>
    lab.launchAgent({ SubnetId: site.subnets[subnet]!, SecurityGroupIds: [open] }, script);
  const [a, b, from, balancer] = await Promise.all([
    launch(serverScript('a', 1), 0),
    launch(serverScript('b', 2), 1),
    launch(clientScript, 0),
    site.balancer('four', { Type: 'network', SecurityGroups: undefined }),
  ]);
  [servers, client] = [[a!, b!], from!];
  [arn, name] = [balancer.LoadBalancerArn!, balancer.DNSName!];
}, slow);
afterAll(async () => {
  await cloud?.stop();
}, slow);
beforeEach((context) => context.skip(cloud.limits.length > 0, cloud.limits[0]));

const inside = (command: string) => site.lab.run(client.PublicIpAddress!, command);
const onServer = (index: number, command: string) => site.lab.run(servers[index]!.PublicIpAddress!, command);
const talk = async (kind: 'tcp' | 'udp', port: number, flows: number, messages: number, host = name) =>
  (await inside(`python3 /talk.py ${kind} ${host} ${port} ${flows} ${messages}`)).split('\n').map((line) => line.split(' ')[0]!);
const resolve = async (host: string) => (await inside(`getent ahostsv4 ${host} | cut -d ' ' -f 1 | sort -u`)).split('\n').sort();
const publicNodes = async (of: string) => Object.values(await site.nodes(of)).sort();

async function targetGroup(input: Partial<CreateTargetGroupCommandInput> & { Name: string }): Promise<string> {
  const made = await site.elb.send(
    new CreateTargetGroupCommand({
      ...{ Protocol: 'TCP', Port: 7000, VpcId: site.network.vpcId, HealthCheckIntervalSeconds: 5, HealthyThresholdCount: 2 },
      ...input,
    }),
  );
  return made.TargetGroups![0]!.TargetGroupArn!;
}
const register = (TargetGroupArn: string, ids: readonly string[]) =>
  site.elb.send(new RegisterTargetsCommand({ TargetGroupArn, Targets: ids.map((Id) => ({ Id })) }));
const both = () => servers.map(({ InstanceId }) => InstanceId!);
const setAttribute = (Key: string, Value: string) =>
  site.elb.send(new ModifyLoadBalancerAttributesCommand({ LoadBalancerArn: arn, Attributes: [{ Key, Value }] }));

/** A group with both servers behind a listener of the same port, all healthy. */
async function serve(label: string, protocol: 'TCP' | 'UDP', port: number, targetPort = port): Promise<string> {
  const group = await targetGroup({ Name: label, Protocol: protocol, Port: targetPort, HealthCheckPort: '80' });
  await register(group, both());
  const listener = await site.forward(arn, group, port, protocol);
  await site.all(group, 'healthy');
  return listener;
}

test(
  'NLB-003 NLB-008 a connection and a UDP flow stay with one target, new ones spread',
  async () => {
    const found = await site.elb.send(new DescribeLoadBalancerAttributesCommand({ LoadBalancerArn: arn }));
    expect(found.Attributes).toContainEqual({ Key: 'load_balancing.cross_zone.enabled', Value: 'false' });
    await setAttribute('load_balancing.cross_zone.enabled', 'true');
    await serve('stays-tcp', 'TCP', 7000);
    await serve('stays-udp', 'UDP', 7100, 7000);
    for (const [kind, port] of [
      ['tcp', 7000],
      ['udp', 7100],
    ] as const) {
      await eventually(async () => expect(new Set(await talk(kind, port, 30, 1))).toEqual(new Set(['a', 'b'])), {
        why: `new ${kind} flows reach both`,
      });
      for (let round = 0; round < 4; round += 1) {
        const answers = await talk(kind, port, 1, 40);
        expect(answers).toHaveLength(40);
        expect(new Set(answers).size, `${kind}: ${answers.join(' ')}`).toBe(1);
      }
    }
  },
  slow,
);

test(
  'NLB-002 SSH and DNS pass unchanged, and there are no rules by path',
  async (context) => {
    context.skip(missing !== undefined, `needs ${missing}`);
    const listener = await serve('ssh', 'TCP', 2222, 22);
    await serve('dns', 'UDP', 53, 5300);
    const keys = (host: string, port: number) =>
      inside(`ssh-keyscan -T 3 -t ed25519 -p ${port} ${host} 2> /dev/null | cut -d ' ' -f 2- | sort`);
    const direct = await Promise.all(servers.map(({ PrivateIpAddress }) => keys(PrivateIpAddress!, 22)));
    expect(direct.every((key) => key.startsWith('ssh-ed25519 '))).toBe(true);
    expect(direct).toContain(await keys(name, 2222));
    expect(await inside(`dig +short +tries=1 +time=3 @${(await resolve(name))[0]} anything.example A`)).toMatch(
      /^192\.0\.2\.[12]$/,
    );
    await refused(
      site.elb.send(
        new CreateRuleCommand({
          ListenerArn: listener,
          Priority: 1,
          Conditions: [{ Field: 'host-header', Values: ['x.example'] }],
          Actions: [{ Type: 'forward', TargetGroupArn: await targetGroup({ Name: 'unused' }) }],
        }),
      ),
      'InvalidConfigurationRequest',
    );
    // Bytes of all values, and more of them than any buffer on the way holds.
    const twice = 'head -c 3000000 /dev/urandom | base64 -w 0 > /sent; echo >> /sent';
    const send = `python3 -c "
import socket
s = socket.create_connection(('${name}', 7000)); data = open('/sent', 'rb').read(); import threading
threading.Thread(target=lambda: (s.sendall(data), s.shutdown(1))).start()
got = b''.join(iter(lambda: s.recv(65536), b''))
print(got.split(b' ', 2)[2] == data)"`;
    expect(await inside(`${twice}; ${send}`)).toBe('True');
  },
  slow,
);

test(
  'NLB-007 a TCP listener carries HTTP to a TCP group, and takes no HTTP group',
  async () => {
    await serve('web', 'TCP', 80);
    expect(await inside(`curl -s -m 3 'http://${(await resolve(name))[0]}/?hostname'`)).toMatch(/^ip-10-9-/);
    const http = await site.group('http-group');
    const listen = (Protocol: 'TCP' | 'HTTP' | 'HTTPS', TargetGroupArn: string) =>
      site.elb.send(
        new CreateListenerCommand({
          LoadBalancerArn: arn,
          Protocol,
          Port: 81,
          DefaultActions: [{ Type: 'forward', TargetGroupArn }],
        }),
      );
    await refused(
      listen('TCP', http),
      'IncompatibleProtocols',
      /^The HTTP protocol of target group .* is not supported by a listener/,
    );
    for (const protocol of ['HTTP', 'HTTPS'] as const)
      await refused(
        listen(protocol, http),
        'ValidationError',
        `Listener protocol '${protocol}' must be one of 'TCP, TCP_UDP, TLS, UDP'`,
      );
  },
  slow,
);

test(
  'NLB-005 Elastic IPs are the addresses of an internet-facing one, zone by zone',
  async () => {
    const allocate = async () => site.lab.ec2.send(new AllocateAddressCommand({ Domain: 'vpc' }));
    const addresses = [await allocate(), await allocate()];
    const SubnetMappings = site.subnets.map((SubnetId, index) => ({ SubnetId, AllocationId: addresses[index]!.AllocationId! }));
    const create = (Name: string, Scheme: 'internal' | 'internet-facing', Type: 'network' | 'application' = 'network') =>
      site.elb.send(new CreateLoadBalancerCommand({ Name, Type, Scheme, SubnetMappings }));
    await refused(create('inner', 'internal'), 'ValidationError', 'Internal load balancers cannot use Elastic IP addresses');
    await refused(create('seven', 'internet-facing', 'application'), 'ValidationError');
    const made = await create('fixed', 'internet-facing');
    const fixed = await site.active(made.LoadBalancers![0]!.LoadBalancerArn!);
    const group = await targetGroup({ Name: 'fixed', Port: 80 });
    await register(group, both());
    await site.forward(fixed.LoadBalancerArn!, group, 80, 'TCP');
    await site.all(group, 'healthy');
    const wanted = addresses.map(({ PublicIp }) => PublicIp!).sort();
    await eventually(async () => expect(await resolve(fixed.DNSName!)).toEqual(wanted), { why: 'the name leads to both' });
    for (const address of wanted) expect(await inside(`curl -s -m 3 'http://${address}/?hostname'`)).toMatch(/^ip-10-9-/);
  },
  slow,
);

test(
  'NLB-011 NLB-012 health is an open port, or the answer to a path',
  async () => {
    const group = await targetGroup({ Name: 'by-port', Port: 7001 });
    await onServer(0, 'touch /open');
    await register(group, [both()[0]!]);
    await site.forward(arn, group, 7001, 'TCP');
    await site.all(group, 'healthy');
    await onServer(0, 'rm /open');
    await eventually(async () => expect(await onServer(0, 'ss -Hltn sport = 7001 | wc -l')).toBe('0'), {
      why: 'the port closes',
    });
    await advanceClock(cloud.endpoint, 11_000);
    await site.all(group, 'unhealthy');
    await onServer(0, 'touch /open');
    await eventually(async () => expect(await onServer(0, 'ss -Hltn sport = 7001 | wc -l')).toBe('1'), { why: 'the port opens' });
    await advanceClock(cloud.endpoint, 11_000);
    await site.all(group, 'healthy');

    for (const HealthCheckProtocol of ['TCP', 'HTTP', 'HTTPS'] as const)
      await targetGroup({
        Name: `takes-${HealthCheckProtocol}`,
        HealthCheckProtocol,
        ...(HealthCheckProtocol === 'TCP' ? {} : { HealthCheckPath: '/ready' }),
      });
    await refused(
      targetGroup({ Name: 'udp-check', HealthCheckProtocol: 'UDP' }),
      'ValidationError',
      "Health check protocol 'UDP' is not supported for target groups with the TCP protocol",
    );
    const web = await targetGroup({ Name: 'by-path', Port: 80, HealthCheckProtocol: 'HTTP', HealthCheckPath: '/?true' });
    await register(web, both());
    await site.forward(arn, web, 8080, 'TCP');
    await site.all(web, 'healthy');
    // The agent answers 500 when its command fails; its port is as open as before.
    await site.elb.send(new ModifyTargetGroupCommand({ TargetGroupArn: web, HealthCheckPath: '/?false' }));
    await advanceClock(cloud.endpoint, 11_000);
    await site.all(web, 'unhealthy');
  },
  slow,
);

test(
  'NLB-010 an ALB behind it routes by its rules at the fixed addresses',
  async () => {
    const alb = await site.balancer('routes', { SecurityGroups: [open] });
    const other = await site.balancer('other', { SecurityGroups: [open] });
    const group = await site.group('alb-web', { HealthCheckPath: '/?true' }, both());
    const listener = await site.forward(alb.LoadBalancerArn!, group, 80);
    await site.elb.send(
      new CreateRuleCommand({
        ListenerArn: listener,
        Priority: 1,
        Conditions: [{ Field: 'path-pattern', Values: ['/fixed'] }],
        Actions: [
          {
            Type: 'fixed-response',
            FixedResponseConfig: { StatusCode: '418', ContentType: 'text/plain', MessageBody: 'by rule' },
          },
        ],
      }),
    );
    const front = await targetGroup({
      Name: 'to-alb',
      TargetType: 'alb',
      Port: 80,
      HealthCheckProtocol: 'HTTP',
      HealthCheckPath: '/?true',
    });
    await register(front, [alb.LoadBalancerArn!]);
    await refused(register(front, [other.LoadBalancerArn!]), 'TooManyTargets');
    await refused(register(front, [both()[0]!]), 'InvalidTarget');
    await site.forward(arn, front, 8000, 'TCP');
    await site.all(front, 'healthy');
    for (const address of await publicNodes(arn)) {
      await eventually(
        async () => expect(await inside(`curl -s -m 3 -w ' %{http_code}' http://${address}:8000/fixed`)).toBe('by rule 418'),
        { why: `the rule is in force behind ${address}` },
      );
      expect(await inside(`curl -s -m 3 'http://${address}:8000/?hostname'`)).toMatch(/^ip-10-9-/);
    }
  },
  slow,
);

test(
  'NLB-014 TLS listeners choose the certificate by the name asked for',
  async (context) => {
    context.skip(opensslRefused !== undefined, opensslRefused);
    const acm = new ACMClient(site.lab.account.config({ endpoint: cloud.endpoint }));
    const group = await targetGroup({ Name: 'tls', Port: 80 });
    await register(group, both());
    const certificate = async (host: string) => {
      const pair = makePair(host);
      const made = await acm.send(
        new ImportCertificateCommand({ Certificate: Buffer.from(pair.certificate), PrivateKey: Buffer.from(pair.key) }),
      );
      return made.CertificateArn!;
    };
    for (const port of [443, 8443]) {
      const hosts = [`one-${port}.example`, `two-${port}.example`];
      const [first, second] = [await certificate(hosts[0]!), await certificate(hosts[1]!)];
      const made = await site.elb.send(
        new CreateListenerCommand({
          LoadBalancerArn: arn,
          Protocol: 'TLS',
          Port: port,
          Certificates: [{ CertificateArn: first }],
          DefaultActions: [{ Type: 'forward', TargetGroupArn: group }],
        }),
      );
      const { ListenerArn } = made.Listeners![0]!;
      await site.elb.send(new AddListenerCertificatesCommand({ ListenerArn, Certificates: [{ CertificateArn: second }] }));
      const shown = (words: string) =>
        inside(`openssl s_client -connect ${name}:${port} ${words} < /dev/null 2> /dev/null | openssl x509 -noout -subject`);
      await eventually(async () => expect(await shown(`-servername ${hosts[1]}`)).toContain(hosts[1]), {
        why: 'the second is there',
      });
      expect(await shown(`-servername ${hosts[0]}`)).toContain(hosts[0]);
      expect(await shown('-noservername')).toContain(hosts[0]);
      await site.all(group, 'healthy');
      expect(await inside(`curl -s -k -m 3 'https://${(await resolve(name))[0]}:${port}/?hostname'`)).toMatch(/^ip-10-9-/);
    }
  },
  slow,
);

test(
  'NLB-004 one address for each zone, whatever changes and for days',
  async () => {
    const nodes = await publicNodes(arn);
    expect(nodes).toHaveLength(2);
    const same = async (why: string) =>
      eventually(async () => expect(await resolve(name)).toEqual(nodes), { why: `the addresses are the same after ${why}` });
    await same('nothing');
    const group = await targetGroup({ Name: 'moves', HealthCheckPort: '80' });
    await register(group, both());
    await site.forward(arn, group, 9000, 'TCP');
    await same('a listener');
    await site.elb.send(new DeregisterTargetsCommand({ TargetGroupArn: group, Targets: [{ Id: both()[0]! }] }));
    await same('a target that goes');
    await setAttribute('load_balancing.cross_zone.enabled', 'false');
    await setAttribute('load_balancing.cross_zone.enabled', 'true');
    await same('its attributes');
    await advanceClock(cloud.endpoint, 3 * 24 * 3_600_000);
    await same('three days');
    expect(await publicNodes(arn)).toEqual(nodes);
  },
  slow,
);
