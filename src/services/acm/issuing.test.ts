/** Issuing, renewal and use, with a DNS that the test writes: names of one's own come to the cloud's public DNS with Route 53 only. */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { CertificateDetail } from '@aws-sdk/client-acm';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { CloudClock } from '../../base/clock.ts';
import { IdSource } from '../../base/ids.ts';
import { rootIdentity } from '../../kernel/caller.ts';
import { CertificateAuthority } from '../../kernel/certificate-authority.ts';
import { Kernel } from '../../kernel/kernel.ts';
import { createVault } from '../../kernel/vault.ts';
import type { Dns, DnsRecord } from '../../planes/dns/types.ts';
import { openLmdbStore } from '../../store/lmdb/lmdb-store.ts';
import type { Store } from '../../store/store.ts';
import type { AcmApi } from './api.ts';

const day = 86_400_000;
const account = '111122223333';
const region = 'us-east-1';
const listener = 'arn:aws:elasticloadbalancing:us-east-1:111122223333:loadbalancer/app/web/1';

let folder: string;
let store: Store;
let kernel: Kernel;
let authority: CertificateAuthority;
let records: DnsRecord[];

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'pilvi-acm-'));
  store = await openLmdbStore(join(folder, 'store'));
  records = [];
  const dns: Pick<Dns, 'register' | 'resolve' | 'listen'> = {
    register: () => () => undefined,
    resolve: (question) =>
      Promise.resolve({
        status: 'NOERROR',
        answers: records.filter(({ name, type }) => name === question.name && type === question.type),
        authorities: [],
        authoritative: true,
      }),
    listen: () => Promise.reject(new Error('This DNS does not listen.')),
  };
  const [clock, ids] = [new CloudClock(), new IdSource()];
  authority = new CertificateAuthority(folder, clock, ids);
  kernel = new Kernel({
    store,
    clock,
    ids,
    log: () => undefined,
    services: [{ name: 'acm', load: () => import('./index.ts') }],
    parts: { dns: dns as Dns, certificates: authority, vault: createVault(ids.bytes(32), ids) },
  });
  await kernel.start();
});

afterEach(async () => {
  await kernel.stop();
  await store.close();
  rmSync(folder, { recursive: true, force: true });
});

async function call<Output>(operation: string, input: object): Promise<Output> {
  const caller = { ...rootIdentity(account), sourceIp: '127.0.0.1', userAgent: 'test', secureTransport: true, calledVia: [] };
  const facts = { account, region, service: 'acm', operation, requestId: 'r', caller, now: kernel.clock.now() };
  return (await kernel.invoke(facts, input)) as Output;
}

async function pass(millis: number): Promise<void> {
  kernel.clock.advance(millis);
  await kernel.scheduler.idle();
}

const request = async (more: object = {}): Promise<string> => {
  const input = { DomainName: 'example.com', SubjectAlternativeNames: ['*.example.com'], ValidationMethod: 'DNS', ...more };
  return (await call<{ CertificateArn: string }>('RequestCertificate', input)).CertificateArn;
};

const describeIt = async (CertificateArn: string): Promise<CertificateDetail> =>
  (await call<{ Certificate: CertificateDetail }>('DescribeCertificate', { CertificateArn })).Certificate;

/** Writes the records that a request asks for into the DNS. */
async function prove(arn: string): Promise<void> {
  for (const { ResourceRecord } of (await describeIt(arn)).DomainValidationOptions ?? []) {
    const bare = (name: string | undefined): string => (name ?? '').replace(/\.$/, '');
    records.push({ name: bare(ResourceRecord?.Name), type: 'CNAME', data: bare(ResourceRecord?.Value) });
  }
}

const api = async (): Promise<AcmApi> =>
  (await kernel.api('acm', kernel.systemContext('acm', { account, region }, 'test'))) as AcmApi;

test('a proven certificate is issued by the cloud’s authority, for all its names, and keeps its key', async () => {
  const arn = await request();
  await pass(60_000);
  expect((await describeIt(arn)).Status).toBe('PENDING_VALIDATION');
  await prove(arn);
  await pass(60_000);
  const detail = await describeIt(arn);
  expect(detail).toMatchObject({ Status: 'ISSUED', RenewalEligibility: 'INELIGIBLE' });
  expect(detail.DomainValidationOptions?.map(({ ValidationStatus }) => ValidationStatus)).toEqual(['SUCCESS', 'SUCCESS']);
  const got = await call<{ Certificate: string; CertificateChain: string }>('GetCertificate', { CertificateArn: arn });
  const leaf = new X509Certificate(got.Certificate);
  expect(got.CertificateChain).toBe(await authority.certificate());
  expect(leaf.verify(new X509Certificate(got.CertificateChain).publicKey)).toBe(true);
  expect(leaf.checkHost('example.com')).toBe('example.com');
  expect(leaf.checkHost('www.example.com')).toBeDefined();
  expect(leaf.checkHost('other.com')).toBeUndefined();
  await expect(call('ExportCertificate', { CertificateArn: arn, Passphrase: Buffer.from('secret') })).rejects.toMatchObject({
    code: 'ValidationException',
  });
});

test('an exportable certificate gives its key out under a passphrase', async () => {
  const arn = await request({ Options: { Export: 'ENABLED' } });
  await prove(arn);
  await pass(60_000);
  const passphrase = Buffer.from('secret');
  const given = await call<{ Certificate: string; PrivateKey: string }>('ExportCertificate', {
    CertificateArn: arn,
    Passphrase: passphrase,
  });
  expect(given.PrivateKey).toContain('BEGIN ENCRYPTED PRIVATE KEY');
  const key = createPrivateKey({ key: given.PrivateKey, passphrase });
  expect(new X509Certificate(given.Certificate).checkPrivateKey(key)).toBe(true);
  expect((await describeIt(arn)).RenewalEligibility).toBe('ELIGIBLE');
});

test('a certificate in use is renewed before its end and cannot be deleted; one that nobody uses ends', async () => {
  const [used, idle] = [await request(), await request()];
  await prove(used);
  await pass(60_000);
  const acm = await api();
  await acm.use(used, listener);
  const before = await acm.findCertificate(used);
  expect((await describeIt(used)).InUseBy).toEqual([listener]);
  await expect(call('DeleteCertificate', { CertificateArn: used })).rejects.toMatchObject({ code: 'ResourceInUseException' });
  await pass(340 * day);
  const renewed = await describeIt(used);
  expect(renewed).toMatchObject({ Status: 'ISSUED', RenewalSummary: { RenewalStatus: 'SUCCESS' } });
  const after = await acm.findCertificate(used);
  expect(after?.notAfter).toBeGreaterThan((before?.notAfter ?? 0) + 300 * day);
  expect(after?.privateKey).not.toBe(before?.privateKey);
  await pass(60 * day);
  expect((await describeIt(used)).Status).toBe('ISSUED');
  expect((await describeIt(idle)).Status).toBe('EXPIRED');
  await acm.release(used, listener);
  await call('DeleteCertificate', { CertificateArn: used });
});

test('a renewal whose records are gone waits for them, and the certificate ends without', async () => {
  const arn = await request();
  await prove(arn);
  await pass(60_000);
  await (await api()).use(arn, listener);
  records = [];
  await pass(340 * day);
  expect((await describeIt(arn)).RenewalSummary?.RenewalStatus).toBe('PENDING_VALIDATION');
  await prove(arn);
  await pass(2 * day);
  expect((await describeIt(arn)).RenewalSummary?.RenewalStatus).toBe('SUCCESS');
});
