import { X509Certificate } from 'node:crypto';
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { ACM } from '@aws-sdk/client-acm';
import { IAM } from '@aws-sdk/client-iam';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { advanceClock, eventually, freshAccount, type OwnCloud, refused, startOwnCloud } from '../../support/cloud.ts';

const day = 86_400_000;
const noOpenssl = spawnSync('openssl', ['version']).error !== undefined;
const folder = mkdtempSync(path.join(tmpdir(), 'pilvi-acm-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** An authority and a certificate it signed, made by openssl: what users bring. */
function makePair(name: string, days: number) {
  const at = (file: string) => path.join(folder, `${name}-${file}`);
  const openssl = (...parameters: string[]) => execFileSync('openssl', parameters, { stdio: 'pipe' });
  const authority = ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '30', '-subj', '/O=Test/CN=Test CA'];
  openssl(...authority, '-keyout', at('ca.key'), '-out', at('ca.pem'));
  openssl('req', '-newkey', 'rsa:2048', '-nodes', '-subj', `/CN=${name}`, '-keyout', at('key.pem'), '-out', at('request.pem'));
  const signing = ['x509', '-req', '-in', at('request.pem'), '-CA', at('ca.pem'), '-CAkey', at('ca.key'), '-CAcreateserial'];
  openssl(...signing, '-days', String(days), '-out', at('certificate.pem'));
  const read = (file: string) => readFileSync(at(file));
  return { Certificate: read('certificate.pem'), PrivateKey: read('key.pem'), CertificateChain: read('ca.pem') };
}

const rooted = (endpoint?: string) => {
  const account = freshAccount(endpoint);
  return { account, acm: new ACM(account.config()), iam: new IAM(account.config()) };
};

test('a certificate of one’s own is imported with its key and chain, and replaced under its ARN', async (context) => {
  context.skip(noOpenssl, 'needs openssl');
  const { account, acm } = rooted();
  const pair = makePair('www.example.com', 10);
  const { CertificateArn } = await acm.importCertificate({ ...pair, Tags: [{ Key: 'team', Value: 'red' }] });
  expect(CertificateArn).toMatch(new RegExp(`^arn:aws:acm:us-east-1:${account.id}:certificate/[0-9a-f-]{36}$`));
  const { Certificate } = await acm.describeCertificate({ CertificateArn });
  const leaf = new X509Certificate(pair.Certificate);
  expect(Certificate).toMatchObject({
    Type: 'IMPORTED',
    Status: 'ISSUED',
    DomainName: 'www.example.com',
    KeyAlgorithm: 'RSA_2048',
    Issuer: 'Test',
    InUseBy: [],
    RenewalEligibility: 'INELIGIBLE',
    NotAfter: new Date(leaf.validTo),
  });
  expect(Certificate?.Serial?.replaceAll(':', '')).toBe(leaf.serialNumber.toLowerCase());
  const got = await acm.getCertificate({ CertificateArn });
  expect(got.Certificate?.trim()).toBe(pair.Certificate.toString().trim());
  expect(JSON.stringify(got)).not.toContain('PRIVATE KEY');
  await refused(acm.exportCertificate({ CertificateArn, Passphrase: Buffer.from('secret') }), 'ValidationException');
  const next = makePair('new.example.com', 10);
  await refused(
    acm.importCertificate({ ...next, CertificateArn, Tags: [{ Key: 'a', Value: 'b' }] }),
    'ValidationException',
    'Tagging is not permitted on re-import.',
  );
  expect((await acm.importCertificate({ ...next, CertificateArn })).CertificateArn).toBe(CertificateArn);
  expect((await acm.describeCertificate({ CertificateArn })).Certificate?.DomainName).toBe('new.example.com');
  expect((await acm.listTagsForCertificate({ CertificateArn })).Tags).toEqual([{ Key: 'team', Value: 'red' }]);
  await acm.deleteCertificate({ CertificateArn });
  await refused(acm.describeCertificate({ CertificateArn }), 'ResourceNotFoundException');
});

test('imports are refused when key, chain or form is wrong', async (context) => {
  context.skip(noOpenssl, 'needs openssl');
  const { acm } = rooted();
  const [one, other] = [makePair('one.example.com', 10), makePair('other.example.com', 10)];
  await refused(
    acm.importCertificate({ ...one, PrivateKey: other.PrivateKey }),
    'ValidationException',
    'The private key does not match the certificate.',
  );
  await refused(
    acm.importCertificate({ ...one, CertificateChain: other.CertificateChain }),
    'ValidationException',
    'Could not validate the certificate with the certificate chain.',
  );
  await refused(
    acm.importCertificate({ ...one, Certificate: Buffer.concat([one.Certificate, one.CertificateChain]) }),
    'ValidationException',
    'The certificate field contains more than one certificate. You can specify only one certificate in this field.',
  );
  await refused(acm.importCertificate({ ...one, Certificate: Buffer.from('nonsense') }), 'ValidationException');
  await refused(acm.importCertificate({ ...one, PrivateKey: Buffer.from('nonsense') }), 'ValidationException');
});

test('a requested certificate waits for the DNS record that proves each domain', async () => {
  const { acm } = rooted();
  const request = {
    DomainName: 'example.com',
    SubjectAlternativeNames: ['*.example.com', 'example.org'],
    ValidationMethod: 'DNS',
    IdempotencyToken: 'once',
  } as const;
  const { CertificateArn } = await acm.requestCertificate({
    ...request,
    SubjectAlternativeNames: [...request.SubjectAlternativeNames],
  });
  const again = await acm.requestCertificate({ ...request, SubjectAlternativeNames: [...request.SubjectAlternativeNames] });
  expect(again.CertificateArn).toBe(CertificateArn);
  const { Certificate } = await acm.describeCertificate({ CertificateArn });
  expect(Certificate).toMatchObject({ Status: 'PENDING_VALIDATION', Type: 'AMAZON_ISSUED', KeyAlgorithm: 'RSA_2048' });
  const records = Certificate?.DomainValidationOptions?.map(({ ResourceRecord }) => ResourceRecord) ?? [];
  expect(records[0]).toMatchObject({ Type: 'CNAME', Name: expect.stringMatching(/^_[0-9a-f]{32}\.example\.com\.$/) });
  expect(records[0]?.Value).toMatch(/^_[0-9a-f]{32}\.[a-z]{10}\.acm-validations\.aws\.$/);
  expect(records[1]).toEqual(records[0]);
  expect(records[2]).not.toEqual(records[0]);
  await refused(acm.getCertificate({ CertificateArn }), 'RequestInProgressException');
  await refused(acm.exportCertificate({ CertificateArn, Passphrase: Buffer.from('secret') }), 'ValidationException');
  await refused(acm.requestCertificate({ DomainName: 'not a name', ValidationMethod: 'DNS' }), 'ValidationException');
  await refused(acm.requestCertificate({ DomainName: 'example.com' }), 'NotImplemented', /ValidationMethod EMAIL/, 501);
  const list = await acm.listCertificates({ CertificateStatuses: ['PENDING_VALIDATION'] });
  expect(list.CertificateSummaryList?.map((one) => one.CertificateArn)).toEqual([CertificateArn]);
});

test('lists show certificates of other key types only when asked for', async () => {
  const { acm } = rooted();
  await acm.requestCertificate({ DomainName: 'a.com', ValidationMethod: 'DNS', KeyAlgorithm: 'EC_prime256v1' });
  expect((await acm.listCertificates({})).CertificateSummaryList).toEqual([]);
  expect((await acm.listCertificates({ Includes: { keyTypes: ['EC_prime256v1'] } })).CertificateSummaryList?.length).toBe(1);
  await refused(acm.listCertificates({ NextToken: 'none' }), 'ValidationException');
});

test('certificates are found by their own account in their own Region, by those who may', async () => {
  const root = rooted();
  const { CertificateArn } = await root.acm.requestCertificate({ DomainName: 'a.com', ValidationMethod: 'DNS' });
  await refused(rooted().acm.describeCertificate({ CertificateArn }), 'ResourceNotFoundException');
  const elsewhere = new ACM(root.account.config({ region: 'eu-west-1' }));
  await refused(elsewhere.describeCertificate({ CertificateArn }), 'ResourceNotFoundException');
  await refused(root.acm.describeCertificate({ CertificateArn: 'arn:aws:acm:nonsense' }), 'InvalidArnException');
  await root.iam.createUser({ UserName: 'u' });
  const { AccessKey } = await root.iam.createAccessKey({ UserName: 'u' });
  const user = new ACM(root.account.configFor(AccessKey ?? {}));
  await refused(user.describeCertificate({ CertificateArn }), 'AccessDeniedException', /acm:DescribeCertificate/);
});

let cloud: OwnCloud;
beforeAll(async () => {
  cloud = await startOwnCloud();
});
afterAll(() => cloud.stop());

test('a request that nobody proves ends after three days, an imported certificate at its end', async (context) => {
  context.skip(noOpenssl, 'needs openssl');
  const { acm } = rooted(cloud.endpoint);
  const { CertificateArn } = await acm.requestCertificate({ DomainName: 'a.com', ValidationMethod: 'DNS' });
  const imported = await acm.importCertificate(makePair('b.example.com', 5));
  const status = async (arn: string | undefined) => (await acm.describeCertificate({ CertificateArn: arn })).Certificate?.Status;
  await advanceClock(cloud.endpoint, 2 * day);
  expect(await status(CertificateArn)).toBe('PENDING_VALIDATION');
  await advanceClock(cloud.endpoint, 1.1 * day);
  await eventually(async () => expect(await status(CertificateArn)).toBe('VALIDATION_TIMED_OUT'), { why: 'three days are over' });
  expect(await status(imported.CertificateArn)).toBe('ISSUED');
  await advanceClock(cloud.endpoint, 2 * day);
  await eventually(async () => expect(await status(imported.CertificateArn)).toBe('EXPIRED'), { why: 'its end has come' });
  await refused(acm.importCertificate(makePair('c.example.com', 1)), 'ValidationException', 'The certificate has expired.');
});
