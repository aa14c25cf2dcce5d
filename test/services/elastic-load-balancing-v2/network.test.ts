/** Network load balancers and TLS: connections byte for byte, certificates by name. */
import http2 from 'node:http2';
import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import {
  AddListenerCertificatesCommand,
  CreateListenerCommand,
  CreateRuleCommand,
  CreateTargetGroupCommand,
  DeregisterTargetsCommand,
  DescribeListenerCertificatesCommand,
  ModifyLoadBalancerAttributesCommand,
  ModifyTargetGroupAttributesCommand,
  RegisterTargetsCommand,
} from '@aws-sdk/client-elastic-load-balancing-v2';
import { DescribeNetworkInterfacesCommand } from '@aws-sdk/client-ec2';
import { ACMClient, ImportCertificateCommand } from '@aws-sdk/client-acm';
import { IAMClient, UploadServerCertificateCommand } from '@aws-sdk/client-iam';
import { beforeAll, beforeEach, expect, test } from 'vitest';
import { eventually, machinesRefused, refused } from '../../support/cloud.ts';
import { connectInside, echo, get, parseAnswer, readAll, Site } from './support.ts';
import { makePair, opensslRefused, presented, shake } from './tls.ts';
import { nextBytes } from './websocket.ts';

const site = new Site();
let servers: string[] = [];

beforeEach((context) => context.skip(machinesRefused() !== undefined, machinesRefused()));

beforeAll(async () => {
  if (machinesRefused() !== undefined) return;
  await site.build('10.3');
  servers = await Promise.all([site.server('a', 0), site.server('b', 1)]);
}, 90_000);

test('ENI-010 a network load balancer passes connections on, each to one target of its own zone', async () => {
  const made = await site.balancer('net', { Type: 'network' });
  const arn = made.LoadBalancerArn!;
  expect(made).toMatchObject({
    Type: 'network',
    DNSName: expect.stringMatching(/^net-[0-9a-f]{16}\.elb\.us-east-1\.localhost$/),
  });
  const group = (
    await site.elb.send(
      new CreateTargetGroupCommand({
        Name: 'net',
        Protocol: 'TCP',
        Port: 80,
        VpcId: site.network.vpcId,
        HealthCheckIntervalSeconds: 5,
      }),
    )
  ).TargetGroups![0]!;
  expect(group).toMatchObject({ HealthCheckProtocol: 'TCP', HealthCheckTimeoutSeconds: 10, HealthyThresholdCount: 5 });
  await site.elb.send(
    new RegisterTargetsCommand({ TargetGroupArn: group.TargetGroupArn, Targets: servers.map((Id) => ({ Id })) }),
  );
  const listener = await site.forward(arn, group.TargetGroupArn!, 80, 'TCP');
  await site.all(group.TargetGroupArn!, 'healthy');
  const nodes = await site.nodes(arn);
  const filter = { Name: 'description', Values: [`ELB ${arn.split(':loadbalancer/')[1]}`] };
  const { NetworkInterfaces } = await site.lab.ec2.send(new DescribeNetworkInterfacesCommand({ Filters: [filter] }));
  expect(NetworkInterfaces!.map(({ SubnetId }) => SubnetId).sort()).toEqual([...site.subnets].sort());
  for (const card of NetworkInterfaces!)
    expect(card).toMatchObject({ RequesterManaged: true, InterfaceType: 'network_load_balancer' });
  // Cross-zone load balancing is off: each node sends to its own zone.
  for (let round = 0; round < 5; round += 1) {
    expect((await echo(nodes['us-east-1a']!, '/')).name).toBe('a');
    expect((await echo(nodes['us-east-1b']!, '/')).name).toBe('b');
  }
  await refused(
    site.elb.send(
      new CreateRuleCommand({
        ListenerArn: listener,
        Priority: 1,
        Conditions: [{ Field: 'path-pattern', Values: ['/x'] }],
        Actions: [{ Type: 'forward', TargetGroupArn: group.TargetGroupArn }],
      }),
    ),
    'InvalidConfigurationRequest',
  );
  const closed = await site.group(
    'closed',
    { Protocol: 'TCP', Port: 9, HealthCheckPath: undefined, HealthCheckTimeoutSeconds: undefined },
    [servers[0]!],
  );
  await site.forward(arn, closed, 9, 'TCP');
  await site.all(closed, 'unhealthy');
});

test('ELB-030 when the delay is over an ALB cuts what is left, an NLB only when it is told to', async () => {
  const setGroup = (TargetGroupArn: string, attributes: Record<string, string>) =>
    site.elb.send(
      new ModifyTargetGroupAttributesCommand({
        TargetGroupArn,
        Attributes: Object.entries(attributes).map(([Key, Value]) => ({ Key, Value })),
      }),
    );
  const delay = 'deregistration_delay.timeout_seconds';
  const out = (TargetGroupArn: string) =>
    site.elb.send(new DeregisterTargetsCommand({ TargetGroupArn, Targets: [{ Id: servers[0]! }] }));
  const http = await site.group('cut', {}, [servers[0]!]);
  await setGroup(http, { [delay]: '2' });
  const alb = (await site.balancer('cut')).LoadBalancerArn!;
  await site.forward(alb, http);
  await site.all(http, 'healthy');
  const began = Date.now();
  const slow = get((await site.nodes(alb))['us-east-1a']!, '/slow?30');
  await eventually(async () => expect((await get((await site.nodes(alb))['us-east-1a']!, '/log')).body).toContain('/slow?30'), {
    why: 'the request has arrived',
  });
  await out(http);
  expect(Object.values(await site.health(http))).toEqual(['draining']);
  expect((await slow).status).toBe(502);
  expect(Date.now() - began).toBeGreaterThan(1900);
  expect(Date.now() - began).toBeLessThan(15_000);
  expect(await site.health(http)).toEqual({});

  // With nothing under way it need not wait for its delay.
  await setGroup(http, { [delay]: '3600' });
  await site.elb.send(new RegisterTargetsCommand({ TargetGroupArn: http, Targets: [{ Id: servers[0]! }] }));
  await site.all(http, 'healthy');
  await out(http);
  await eventually(async () => expect(await site.health(http)).toEqual({}), { why: 'an idle target leaves early' });

  const tcp = await site.group('keep', { Protocol: 'TCP', HealthCheckPath: undefined, HealthCheckTimeoutSeconds: undefined }, [
    servers[0]!,
  ]);
  await setGroup(tcp, { [delay]: '0' });
  const nlb = (await site.balancer('keep', { Type: 'network' })).LoadBalancerArn!;
  await site.forward(nlb, tcp, 80, 'TCP');
  await site.all(tcp, 'healthy');
  const node = (await site.nodes(nlb))['us-east-1a']!;
  const answered = async (socket: Socket): Promise<void> => {
    socket.write('GET /still HTTP/1.1\r\nHost: x.example.com\r\n\r\n');
    expect((await nextBytes(socket)).toString()).toMatch(/^HTTP\/1\.1 200 /);
  };
  const kept = await connectInside(node, 80);
  await answered(kept);
  await out(tcp);
  expect(await site.health(tcp)).toEqual({});
  await eventually(async () => await expect(nextBytesOf(node)).rejects.toThrow(), { why: 'new connections find nobody' });
  await answered(kept);
  await site.elb.send(new RegisterTargetsCommand({ TargetGroupArn: tcp, Targets: [{ Id: servers[0]! }] }));
  await setGroup(tcp, { 'deregistration_delay.connection_termination.enabled': 'true' });
  await site.all(tcp, 'healthy');
  const cut = await eventually(
    async () => {
      const socket = await connectInside(node, 80);
      await answered(socket);
      return socket;
    },
    { why: 'it serves again' },
  );
  const closed = new Promise((resolve) => cut.once('close', resolve));
  await out(tcp);
  await closed;
  kept.destroy();
}, 60_000);

/** The first bytes of an answer on a connection of its own. */
async function nextBytesOf(address: string): Promise<Buffer> {
  const socket = await connectInside(address, 80);
  socket.write('GET / HTTP/1.1\r\nHost: x.example.com\r\n\r\n');
  return nextBytes(socket).finally(() => socket.destroy());
}

test('ELB-022 ELB-024 ALB-003 ALB-030 ALB-039 HTTPS listeners present the certificate of the name asked for, from ACM and from IAM', {
  timeout: 60_000,
}, async (context) => {
  context.skip(opensslRefused !== undefined, opensslRefused);
  const arn = (await site.balancer('secure')).LoadBalancerArn!;
  const node = (await site.nodes(arn))['us-east-1a']!;
  const [a, b] = [await site.group('sa', {}, [servers[0]!]), await site.group('sb', {}, [servers[1]!])];
  const bare = {
    LoadBalancerArn: arn,
    Protocol: 'HTTPS' as const,
    Port: 443,
    DefaultActions: [{ Type: 'forward' as const, TargetGroupArn: a }],
  };
  const message = 'A certificate must be specified for HTTPS listeners';
  await refused(site.elb.send(new CreateListenerCommand(bare)), 'ValidationError', message);
  const unknown = `arn:aws:acm:us-east-1:${site.lab.account.id}:certificate/12345678-1234-1234-1234-123456789012`;
  await refused(
    site.elb.send(new CreateListenerCommand({ ...bare, Certificates: [{ CertificateArn: unknown }] })),
    'CertificateNotFound',
  );
  const pairs = { a: makePair('a.example.com'), b: makePair('b.example.com') };
  const acm = new ACMClient(site.lab.account.config());
  const imported = await acm.send(
    new ImportCertificateCommand({ Certificate: Buffer.from(pairs.a.certificate), PrivateKey: Buffer.from(pairs.a.key) }),
  );
  const iam = new IAMClient(site.lab.account.config());
  const uploaded = await iam.send(
    new UploadServerCertificateCommand({
      ServerCertificateName: 'b',
      CertificateBody: pairs.b.certificate,
      PrivateKey: pairs.b.key,
    }),
  );
  const second = uploaded.ServerCertificateMetadata!.Arn!;
  for (const Port of [443, 8443]) {
    const made = await site.elb.send(
      new CreateListenerCommand({ ...bare, Port, Certificates: [{ CertificateArn: imported.CertificateArn }] }),
    );
    const { ListenerArn } = made.Listeners![0]!;
    await site.elb.send(new AddListenerCertificatesCommand({ ListenerArn, Certificates: [{ CertificateArn: second }] }));
    const { Certificates } = await site.elb.send(new DescribeListenerCertificatesCommand({ ListenerArn }));
    expect(Certificates!.map(({ IsDefault }) => IsDefault)).toEqual([true, false]);
    await site.elb.send(
      new CreateRuleCommand({
        ListenerArn,
        Priority: 1,
        Conditions: [{ Field: 'host-header', Values: ['b.example.com'] }],
        Actions: [{ Type: 'forward', TargetGroupArn: b }],
      }),
    );
    await site.listens(node, Port);
    await eventually(async () => expect(await presented(node, Port, 'b.example.com')).toBe('b.example.com'), {
      why: 'both are there',
    });
    expect(await presented(node, Port, 'a.example.com')).toBe('a.example.com');
    expect(await presented(node, Port, 'c.example.com')).toBe('a.example.com');
    expect(await presented(node, Port)).toBe('a.example.com');
  }
  await site.all(a, 'healthy');
  await site.all(b, 'healthy');
  for (const name of ['a', 'b']) {
    const socket = await shake(node, 443, { servername: `${name}.example.com` });
    socket.write(`GET / HTTP/1.1\r\nHost: ${name}.example.com\r\nConnection: close\r\n\r\n`);
    const { body } = parseAnswer(await readAll(socket));
    expect(JSON.parse(body)).toMatchObject({ name, headers: { 'x-forwarded-proto': 'https', 'x-forwarded-port': '443' } });
  }
  const answer = await overHttp2(await shake(node, 443, { servername: 'a.example.com', ALPNProtocols: ['h2', 'http/1.1'] }));
  expect(JSON.parse(answer)).toMatchObject({ name: 'a', method: 'POST', body: 100_000, headers: { host: 'a.example.com' } });
  await site.elb.send(
    new ModifyLoadBalancerAttributesCommand({
      LoadBalancerArn: arn,
      Attributes: [{ Key: 'routing.http2.enabled', Value: 'false' }],
    }),
  );
  await eventually(
    async () => {
      const socket = await shake(node, 443, { ALPNProtocols: ['h2', 'http/1.1'] });
      socket.destroy();
      expect(socket.alpnProtocol).toBe('http/1.1');
    },
    { why: 'HTTP/2 is off' },
  );
  await expect(
    shake(node, 443, { maxVersion: 'TLSv1.2', minVersion: 'TLSv1.2', ciphers: 'ECDHE-RSA-CHACHA20-POLY1305' }),
  ).rejects.toThrow();
});

/** A POST of 100,000 bytes over HTTP/2; resolves with the body of the answer. */
function overHttp2(socket: TLSSocket): Promise<string> {
  expect(socket.alpnProtocol).toBe('h2');
  const session = http2.connect('https://a.example.com', { createConnection: () => socket });
  return new Promise((resolve, reject) => {
    const stream = session.request({ ':method': 'POST', ':path': '/two', ':authority': 'a.example.com' });
    let text = '';
    stream.setEncoding('utf8');
    stream.on('data', (part: string) => {
      text += part;
    });
    stream.on('error', reject);
    stream.on('end', () => {
      session.destroy();
      resolve(text);
    });
    stream.end(Buffer.alloc(100_000));
  });
}
