/** Certificates at work: proven by a record in DNS, presented by a listener, renewed, and at their end. By the clock of a cloud of its own. */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { ACM } from '@aws-sdk/client-acm';
import {
  CreateListenerCommand,
  DeleteListenerCommand,
  DescribeLoadBalancersCommand,
} from '@aws-sdk/client-elastic-load-balancing-v2';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import {
  advanceClock,
  cloudTime,
  eventually,
  machinesRefused,
  type OwnCloud,
  refused,
  startOwnCloud,
} from '../../support/cloud.ts';
import { Site } from '../elastic-load-balancing-v2/support.ts';
import { makePair, opensslRefused, type Pair, sClient, shake } from '../elastic-load-balancing-v2/tls.ts';
import { ZoneLab } from '../route-53/support.ts';

const day = 86_400_000;
const folder = mkdtempSync(path.join(tmpdir(), 'pilvi-acm-'));
let cloud: OwnCloud;
let site: Site;
let acm: ACM;
let zone: ZoneLab;
let balancer = '';
let node = '';

beforeEach((context) => context.skip((machinesRefused() ?? opensslRefused) !== undefined, machinesRefused() ?? opensslRefused));

beforeAll(async () => {
  if ((machinesRefused() ?? opensslRefused) !== undefined) return;
  cloud = await startOwnCloud();
  site = new Site(cloud.endpoint, cloud.data);
  acm = new ACM(site.lab.account.config({ endpoint: cloud.endpoint }));
  zone = await new ZoneLab(cloud.endpoint).open('shop.example.com');
  await site.build('10.8');
  balancer = (await site.balancer('acm')).LoadBalancerArn!;
  node = (await site.nodes(balancer))['us-east-1a']!;
}, 90_000);

afterAll(async () => {
  rmSync(folder, { recursive: true });
  if (cloud !== undefined) expect(await cloud.stop()).not.toContain('by a bug of Pilvi');
});

/** A listener with this certificate that answers by itself. */
async function listen(Port: number, CertificateArn: string): Promise<string> {
  const made = await site.elb.send(
    new CreateListenerCommand({
      ...{ LoadBalancerArn: balancer, Protocol: 'HTTPS', Port, Certificates: [{ CertificateArn }] },
      DefaultActions: [{ Type: 'fixed-response', FixedResponseConfig: { StatusCode: '200', MessageBody: 'shop' } }],
    }),
  );
  await site.listens(node, Port);
  return made.Listeners![0]!.ListenerArn!;
}

/** The certificate that a client is shown on a port; rejects when the handshake fails. */
async function served(port: number, servername = 'www.shop.example.com'): Promise<X509Certificate> {
  const socket = await shake(node, port, { servername }, cloud.data);
  const { raw } = socket.getPeerCertificate();
  socket.destroy();
  return new X509Certificate(raw);
}

const importPair = async ({ certificate, key }: Pair, CertificateArn?: string): Promise<string> => {
  const made = await acm.importCertificate({
    ...{ Certificate: Buffer.from(certificate), PrivateKey: Buffer.from(key) },
    ...(CertificateArn === undefined ? {} : { CertificateArn }),
  });
  return made.CertificateArn!;
};
const describeOne = async (CertificateArn: string) => (await acm.describeCertificate({ CertificateArn })).Certificate!;

/** Asks for a certificate, puts its record into the zone and waits until it is issued. */
async function request(DomainName: string, Export?: 'ENABLED'): Promise<string> {
  const { CertificateArn } = await acm.requestCertificate({
    ...{ DomainName, ValidationMethod: 'DNS' },
    ...(Export === undefined ? {} : { Options: { Export } }),
  });
  const pending = await describeOne(CertificateArn!);
  expect(pending).toMatchObject({ Status: 'PENDING_VALIDATION', Type: 'AMAZON_ISSUED' });
  const { Name, Type, Value } = pending.DomainValidationOptions![0]!.ResourceRecord!;
  expect(Type).toBe('CNAME');
  expect(Name).toMatch(new RegExp(`^_[0-9a-f]{32}\\.${DomainName.replaceAll('.', '\\.')}\\.$`));
  await zone.put({ Name: Name!, Type: 'CNAME', TTL: 300, ResourceRecords: [{ Value: Value! }] });
  await eventually(
    async () => {
      await advanceClock(cloud.endpoint, 10_000);
      expect((await describeOne(CertificateArn!)).Status).toBe('ISSUED');
    },
    { why: `${DomainName} is issued` },
  );
  return CertificateArn!;
}

test('ACM-002 ACM-003 a certificate is issued once a record proves the domain, and its key stays', async () => {
  const arn = await request('www.shop.example.com');
  const got = await acm.getCertificate({ CertificateArn: arn });
  expect(JSON.stringify(got)).not.toContain('PRIVATE KEY');
  const [leaf, root] = [new X509Certificate(got.Certificate!), new X509Certificate(got.CertificateChain!)];
  expect(root.ca).toBe(true);
  expect(leaf.checkIssued(root)).toBe(true);
  expect(leaf.verify(root.publicKey)).toBe(true);
  expect(leaf.checkHost('www.shop.example.com')).toBe('www.shop.example.com');
  const Passphrase = Buffer.from('correct horse');
  await refused(
    acm.exportCertificate({ CertificateArn: arn, Passphrase }),
    'ValidationException',
    'Certificate www.shop.example.com is not exportable.',
  );
  const exportable = await request('api.shop.example.com', 'ENABLED');
  await refused(acm.exportCertificate({ CertificateArn: exportable, Passphrase: Buffer.from('abc') }), 'ValidationException');
  const exported = await acm.exportCertificate({ CertificateArn: exportable, Passphrase });
  const key = createPrivateKey({ key: exported.PrivateKey!, passphrase: Passphrase });
  expect(new X509Certificate(exported.Certificate!).checkPrivateKey(key)).toBe(true);
  expect(() => createPrivateKey({ key: exported.PrivateKey!, passphrase: 'wrong' })).toThrow();
});

test('ACM-001 ACM-004 ACM-007 an imported certificate serves on a listener, is replaced there, and is kept while in use', async () => {
  const [first, second, other] = [makePair('www.shop.example.com'), makePair('www.shop.example.com'), makePair('x.example.com')];
  await refused(importPair({ certificate: first.certificate, key: other.key }), 'ValidationException');
  const arn = await importPair(first);
  expect(await describeOne(arn)).toMatchObject({ Type: 'IMPORTED', InUseBy: [] });
  const listener = await listen(4431, arn);
  expect((await served(4431)).fingerprint).toBe(new X509Certificate(first.certificate).fingerprint);
  expect((await describeOne(arn)).InUseBy).toEqual([balancer]);
  expect(await importPair(second, arn)).toBe(arn);
  await eventually(
    async () => expect((await served(4431)).fingerprint).toBe(new X509Certificate(second.certificate).fingerprint),
    { why: 'the listener presents the newer one' },
  );
  // Also to a client that names no host.
  expect((await served(4431, '')).fingerprint).toBe(new X509Certificate(second.certificate).fingerprint);
  await refused(acm.deleteCertificate({ CertificateArn: arn }), 'ResourceInUseException');
  const { LoadBalancers } = await site.elb.send(new DescribeLoadBalancersCommand({ LoadBalancerArns: [balancer] }));
  expect(LoadBalancers).toHaveLength(1);
  await site.elb.send(new DeleteListenerCommand({ ListenerArn: listener }));
  expect((await describeOne(arn)).InUseBy).toEqual([]);
  await acm.deleteCertificate({ CertificateArn: arn });
  await refused(acm.describeCertificate({ CertificateArn: arn }), 'ResourceNotFoundException');
});

test('ACM-006 ACM-008 what was issued is renewed where it serves, what was imported ends', async () => {
  const issued = await request('www.shop.example.com');
  const imported = await importPair(makePair('www.shop.example.com', 'rsa', 1));
  await listen(4432, issued);
  await listen(4433, imported);
  const before = await describeOne(issued);
  const old = await served(4432);
  expect(before.NotAfter!.getTime()).toBe(Date.parse(old.validTo));
  expect(before.RenewalEligibility).toBe('ELIGIBLE');
  // A client by whose clock it has ended refuses it, one by whose clock it has not takes it.
  const authority = path.join(folder, 'authority.pem');
  writeFileSync(authority, (await acm.getCertificate({ CertificateArn: issued })).CertificateChain!);
  const seenAt = (time: number) => {
    const trust = ['-CAfile', authority, '-verify_return_error', '-attime', String(Math.floor(time / 1000))];
    return sClient(node, 4432, ['-servername', 'www.shop.example.com', ...trust], cloud.data);
  };
  expect(await seenAt(before.NotAfter!.getTime() - 60_000)).toMatchObject({ status: 0 });
  const late = await seenAt(before.NotAfter!.getTime() + 60_000);
  expect(late.status).not.toBe(0);
  expect(late.output).toContain('certificate has expired');
  await advanceClock(cloud.endpoint, before.NotAfter!.getTime() - 59 * day - (await cloudTime(cloud.endpoint)));
  await eventually(async () => expect((await describeOne(issued)).RenewalSummary?.RenewalStatus).toBe('SUCCESS'), {
    why: 'it is renewed',
  });
  const after = await describeOne(issued);
  expect(after.NotAfter!.getTime()).toBeGreaterThan(before.NotAfter!.getTime() + 300 * day);
  await eventually(async () => expect(Date.parse((await served(4432)).validTo)).toBe(after.NotAfter!.getTime()), {
    why: 'the listener presents the renewed one',
  });
  expect((await served(4432)).serialNumber).not.toBe(old.serialNumber);
  expect((await describeOne(imported)).Status).toBe('EXPIRED');
  expect(Date.parse((await served(4433)).validTo)).toBeLessThan(await cloudTime(cloud.endpoint));
}, 60_000);
