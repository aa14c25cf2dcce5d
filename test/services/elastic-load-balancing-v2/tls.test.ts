/** TLS at load balancers: certificates and their chains, names, versions, what is encrypted and what is not, WebSockets. */
import { createHash, randomBytes } from 'node:crypto';
import { Duplex } from 'node:stream';
import tls from 'node:tls';
import { ACMClient, ImportCertificateCommand } from '@aws-sdk/client-acm';
import {
  AddListenerCertificatesCommand,
  CreateListenerCommand,
  type CreateListenerCommandInput,
  DescribeListenerCertificatesCommand,
  DescribeSSLPoliciesCommand,
  ModifyListenerCommand,
} from '@aws-sdk/client-elastic-load-balancing-v2';
import { IAMClient, UploadServerCertificateCommand } from '@aws-sdk/client-iam';
import { beforeAll, beforeEach, expect, test } from 'vitest';
import { eventually, machinesRefused, refused } from '../../support/cloud.ts';
import { connectInside, get, parseAnswer, readAll, Site } from './support.ts';
import { makeChain, makePair, opensslRefused, type Pair, presented, shake, shownChain } from './tls.ts';
import { frameOf, nextBytes } from './websocket.ts';

const site = new Site();
const { elb } = site;
const acm = new ACMClient(site.lab.account.config());
let server = '';
let group = '';
let arn = '';
let node = '';
let certificate = '';

beforeEach((context) => context.skip((machinesRefused() ?? opensslRefused) !== undefined, machinesRefused() ?? opensslRefused));

beforeAll(async () => {
  if ((machinesRefused() ?? opensslRefused) !== undefined) return;
  await site.build('10.6');
  server = await site.server('a', 0);
  group = await site.group('web', {}, [server]);
  arn = (await site.balancer('tls')).LoadBalancerArn!;
  node = (await site.nodes(arn))['us-east-1a']!;
  certificate = await bring(makePair('www.example.com'));
}, 90_000);

async function bring({ certificate: leaf, key }: Pair, chain?: string): Promise<string> {
  const made = await acm.send(
    new ImportCertificateCommand({
      ...{ Certificate: Buffer.from(leaf), PrivateKey: Buffer.from(key) },
      ...(chain === undefined ? {} : { CertificateChain: Buffer.from(chain) }),
    }),
  );
  return made.CertificateArn!;
}

/** A secure listener of the load balancer, on which the node listens. */
async function secure(Port: number, input: Partial<CreateListenerCommandInput> = {}): Promise<string> {
  const made = await elb.send(
    new CreateListenerCommand({
      ...{ LoadBalancerArn: arn, Protocol: 'HTTPS', Port, Certificates: [{ CertificateArn: certificate }] },
      DefaultActions: [{ Type: 'forward', TargetGroupArn: group }],
      ...input,
    }),
  );
  await site.listens(node, Port);
  return made.Listeners![0]!.ListenerArn!;
}

const trimmed = (pem: string): string => pem.replace(/\s/g, '');
const pems = (text: string): string[] =>
  (text.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? []).map(trimmed);

test('ALB-001 listeners speak HTTP and HTTPS, and nothing else', async () => {
  await site.forward(arn, group);
  await secure(443);
  await site.all(group, 'healthy');
  expect((await get(node, '/')).status).toBe(200);
  const socket = await shake(node, 443);
  socket.write('GET / HTTP/1.1\r\nHost: www.example.com\r\nConnection: close\r\n\r\n');
  expect(parseAnswer(await readAll(socket)).status).toBe(200);
  for (const protocol of ['TCP', 'UDP', 'TLS', 'TCP_UDP'] as const)
    await refused(
      secure(9000, { Protocol: protocol }),
      'ValidationError',
      `Listener protocol '${protocol}' must be one of 'HTTP, HTTPS'`,
    );
});

test('ELB-021 a listener presents its certificate with the whole chain, from ACM and from IAM', async () => {
  const one = makeChain('one.example.com');
  const two = makeChain('two.example.com');
  await secure(4431, { Certificates: [{ CertificateArn: await bring(one, one.chain) }] });
  const iam = new IAMClient(site.lab.account.config());
  const uploaded = await iam.send(
    new UploadServerCertificateCommand({
      ...{ ServerCertificateName: 'two', CertificateBody: two.certificate, PrivateKey: two.key },
      CertificateChain: two.chain,
    }),
  );
  await secure(4432, { Certificates: [{ CertificateArn: uploaded.ServerCertificateMetadata!.Arn! }] });
  for (const [port, name, made] of [
    [4431, 'one.example.com', one],
    [4432, 'two.example.com', two],
  ] as const) {
    expect((await shownChain(node, port, name)).map(trimmed)).toEqual(pems(made.certificate + made.chain));
    // A client that trusts the root alone verifies it, with the name.
    const socket = await shake(node, port, { servername: name, ca: made.root, rejectUnauthorized: true });
    expect(socket.authorized).toBe(true);
    socket.destroy();
    await expect(shake(node, port, { servername: 'x.example.com', ca: made.root, rejectUnauthorized: true })).rejects.toThrow();
  }
  const unknown = `arn:aws:acm:us-east-1:${site.lab.account.id}:certificate/12345678-1234-1234-1234-123456789012`;
  await refused(
    secure(4433, { Certificates: [{ CertificateArn: unknown }] }),
    'CertificateNotFound',
    `Certificate ARN '${unknown}' is not valid`,
  );
});

test('ALB-040 a load balancer holds 25 certificates besides the default ones, and each is presented for its name', async () => {
  const listener = await secure(4434);
  const add = (arns: string[]) =>
    elb.send(
      new AddListenerCertificatesCommand({
        ListenerArn: listener,
        Certificates: arns.map((CertificateArn) => ({ CertificateArn })),
      }),
    );
  const names = Array.from({ length: 26 }, (_, index) => `n${index}.example.com`);
  const arns: string[] = [];
  for (const name of names) arns.push(await bring(makePair(name, 'p256')));
  await refused(add(arns.slice(0, 2)), 'ValidationError', "Up to '1' certificate ARNs can be specified, but '2' were specified");
  for (const each of arns.slice(0, 25)) await add([each]);
  // What is there already is added again with success; the 26th is refused, also on another listener.
  await add([arns[3]!]);
  await refused(add([arns[25]!]), 'TooManyCertificates');
  const { Certificates } = await elb.send(new DescribeListenerCertificatesCommand({ ListenerArn: listener }));
  expect(Certificates!.map(({ IsDefault }) => IsDefault)).toEqual([true, ...Array.from({ length: 25 }, () => false)]);
  await eventually(async () => expect(await presented(node, 4434, names[24])).toBe(names[24]), { why: 'the last is there' });
  for (const name of names.slice(0, 25)) expect(await presented(node, 4434, name)).toBe(name);
  for (const name of [names[25], 'other.example.com', undefined])
    expect(await presented(node, 4434, name)).toBe('www.example.com');
}, 60_000);

test('ELB-023 listeners of an ALB and TLS listeners of an NLB choose the certificate by the name', async () => {
  const flow = await site.group('flow', { Protocol: 'TCP', HealthCheckPath: undefined, HealthCheckTimeoutSeconds: undefined }, [
    server,
  ]);
  const names = ['a.example.com', 'b.example.com'];
  const arns: string[] = [];
  for (const name of names) arns.push(await bring(makePair(name, 'p256')));
  for (const [Type, Protocol, TargetGroupArn] of [
    ['application', 'HTTPS', await site.group('names', {}, [server])],
    ['network', 'TLS', flow],
  ] as const) {
    const balancer = (await site.balancer(`sni-${Type}`, { Type })).LoadBalancerArn!;
    const address = (await site.nodes(balancer))['us-east-1a']!;
    const made = await elb.send(
      new CreateListenerCommand({
        ...{ LoadBalancerArn: balancer, Protocol, Port: 443, Certificates: [{ CertificateArn: certificate }] },
        DefaultActions: [{ Type: 'forward', TargetGroupArn }],
      }),
    );
    const { ListenerArn } = made.Listeners![0]!;
    for (const CertificateArn of arns)
      await elb.send(new AddListenerCertificatesCommand({ ListenerArn, Certificates: [{ CertificateArn }] }));
    await site.listens(address, 443);
    for (const name of names)
      await eventually(async () => expect(await presented(address, 443, name)).toBe(name), { why: `${Type} presents ${name}` });
    for (const name of ['c.example.com', undefined]) expect(await presented(address, 443, name)).toBe('www.example.com');
  }
});

test('ELB-020 TLS ends at the load balancer: records towards the client, plain HTTP to the target', async () => {
  const bare = await site.group('bare', { Port: 8088, HealthCheckPort: '80' }, [server]);
  await secure(4436, { DefaultActions: [{ Type: 'forward', TargetGroupArn: bare }] });
  await site.all(bare, 'healthy');
  const under = new Tap(await connectInside(node, 4436));
  const body = await overTls(under, 'GET /very-secret HTTP/1.1\r\nHost: www.example.com\r\nConnection: close\r\n\r\n');
  const got = JSON.parse(body) as { peer: string; bytes: string };
  // The target got plain HTTP, from a private address of the load balancer.
  expect(Buffer.from(got.bytes, 'hex').toString()).toMatch(/^GET \/very-secret HTTP\/1\.1\r\n/);
  expect(got.peer).toMatch(/^10\.6\.[12]\.\d+$/);
  for (const wire of [Buffer.concat(under.received), Buffer.concat(under.sent)]) {
    expect(wire.length).toBeGreaterThan(100);
    expect(recordTypes(wire).every((type) => [20, 21, 22, 23].includes(type))).toBe(true);
    expect(wire.toString('latin1')).not.toContain('very-secret');
  }
});

/** A connection, with a copy of every byte that crosses it. */
class Tap extends Duplex {
  readonly received: Buffer[] = [];
  readonly sent: Buffer[] = [];
  readonly #socket: Duplex;

  constructor(socket: Duplex) {
    super();
    this.#socket = socket;
    socket.on('data', (bytes: Buffer) => {
      this.received.push(bytes);
      this.push(bytes);
    });
    socket.on('end', () => this.push(null));
  }

  override _read(): void {}

  override _write(bytes: Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.sent.push(bytes);
    this.#socket.write(bytes, () => done());
  }
}

/** Types of the TLS records that fill these bytes. Throws when they are something else. */
function recordTypes(wire: Buffer): number[] {
  const types: number[] = [];
  let at = 0;
  while (at < wire.length) {
    expect(wire[at + 1]).toBe(3);
    types.push(wire[at]!);
    at += 5 + wire.readUInt16BE(at + 3);
  }
  expect(at).toBe(wire.length);
  return types;
}

/** Speaks TLS over a connection; resolves with the body of the answer. */
async function overTls(under: Duplex, request: string): Promise<string> {
  const socket = tls.connect({ socket: under, rejectUnauthorized: false });
  socket.write(request);
  return parseAnswer(await readAll(socket)).body;
}

test('ELB-025 the security policy of a listener decides which versions and ciphers are accepted, and a change of it refuses nobody', async () => {
  const old = { minVersion: 'TLSv1', maxVersion: 'TLSv1', ciphers: 'DEFAULT:@SECLEVEL=0' } as const;
  const listener = await secure(4437);
  const versionOf = async (options: tls.ConnectionOptions): Promise<string | null> => {
    const socket = await shake(node, 4437, options);
    const version = socket.getProtocol();
    socket.destroy();
    return version;
  };
  const opened = await shake(node, 4437);
  let changing = true;
  // Somebody connects all the time.
  const dialled = (async () => {
    let count = 0;
    for (; changing; count += 1) (await connectInside(node, 4437)).destroy();
    return count;
  })();
  // What the API gives when no policy is named.
  expect(await versionOf(old)).toBe('TLSv1');
  expect(await versionOf({ ...old, minVersion: 'TLSv1.1', maxVersion: 'TLSv1.1' })).toBe('TLSv1.1');
  expect(await versionOf({})).toBe('TLSv1.2');
  const use = (SslPolicy: string) => elb.send(new ModifyListenerCommand({ ListenerArn: listener, SslPolicy }));
  await use('ELBSecurityPolicy-TLS13-1-2-2021-06');
  await eventually(async () => expect(await versionOf({})).toBe('TLSv1.3'), { why: 'the policy is in force' });
  await expect(versionOf(old)).rejects.toThrow();
  await expect(versionOf({ ...old, minVersion: 'TLSv1.1', maxVersion: 'TLSv1.1' })).rejects.toThrow();
  const tls12 = { minVersion: 'TLSv1.2', maxVersion: 'TLSv1.2' } as const;
  expect(await versionOf({ ...tls12, ciphers: 'ECDHE-RSA-AES128-GCM-SHA256' })).toBe('TLSv1.2');
  await expect(versionOf({ ...tls12, ciphers: 'ECDHE-RSA-AES128-SHA' })).rejects.toThrow();
  await use('ELBSecurityPolicy-TLS13-1-3-2021-06');
  await eventually(async () => await expect(versionOf(tls12)).rejects.toThrow(), { why: 'only TLS 1.3 is left' });
  expect(await versionOf({})).toBe('TLSv1.3');
  changing = false;
  expect(await dialled).toBeGreaterThan(10);
  // Who was connected before stays so, as it was agreed on.
  expect(opened.getProtocol()).toBe('TLSv1.2');
  opened.write('GET / HTTP/1.1\r\nHost: www.example.com\r\nConnection: close\r\n\r\n');
  expect(parseAnswer(await readAll(opened)).status).toBe(200);
  await refused(use('ELBSecurityPolicy-None'), 'SSLPolicyNotFound', "SSL policy 'ELBSecurityPolicy-None' not found");
  const { SslPolicies } = await elb.send(new DescribeSSLPoliciesCommand({}));
  expect(SslPolicies!.find(({ Name }) => Name === 'ELBSecurityPolicy-2016-08')).toMatchObject({
    SslProtocols: expect.arrayContaining(['TLSv1', 'TLSv1.1', 'TLSv1.2']),
  });
  expect(SslPolicies!.map(({ Name }) => Name)).toContain('ELBSecurityPolicy-TLS13-1-2-2021-06');
});

test('ALB-004 WebSockets pass over HTTP and over HTTPS', async () => {
  await site.forward(arn, group, 8004);
  await secure(4438);
  await site.all(group, 'healthy');
  for (const open of [() => connectInside(node, 8004), () => shake(node, 4438)]) {
    const socket = await open();
    const key = randomBytes(16).toString('base64');
    socket.write(
      `GET /chat HTTP/1.1\r\nHost: www.example.com\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: ${key}\r\nSec-WebSocket-Version: 13\r\n\r\n`,
    );
    const head = await nextBytes(socket);
    expect(head.toString()).toMatch(/^HTTP\/1\.1 101 /);
    const accept = createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');
    expect(parseAnswer(head.toString()).headers).toMatchObject({ 'sec-websocket-accept': accept, upgrade: 'websocket' });
    for (const text of ['hello', 'once more']) {
      socket.write(frameOf(text));
      const answer = await nextBytes(socket);
      expect(answer[0]).toBe(0x81);
      expect(answer.subarray(2, 2 + answer[1]!).toString()).toBe(text.toUpperCase());
    }
    socket.destroy();
  }
});
