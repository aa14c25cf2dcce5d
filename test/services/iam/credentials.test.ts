import { generateKeyPairSync } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { refused } from '../../support/cloud.ts';
import { allow, many, policy, rooted, userWithKey } from './support.ts';

const fixture = (name: string): string => readFileSync(new URL(`fixtures/${name}`, import.meta.url), 'utf8');
/** As `ssh-keygen -E md5 -l` printed it. */
const fingerprint = 'f4:ec:32:fa:f2:28:8c:71:a3:ae:34:4d:ea:02:20:12';

test('an SSH public key is uploaded in either form and read in both', async () => {
  const { iam } = rooted();
  const UserName = 'u';
  await iam.createUser({ UserName });
  const { SSHPublicKey: made } = await iam.uploadSSHPublicKey({ UserName, SSHPublicKeyBody: fixture('ssh.pub') });
  expect(made).toMatchObject({ UserName, Fingerprint: fingerprint, Status: 'Active' });
  expect(made?.SSHPublicKeyId).toMatch(/^APKA[A-Z2-7]{16}$/);
  const read = async (Encoding: 'SSH' | 'PEM', id = made?.SSHPublicKeyId) =>
    (await iam.getSSHPublicKey({ UserName, SSHPublicKeyId: id, Encoding })).SSHPublicKey?.SSHPublicKeyBody;
  expect(await read('SSH')).toBe(fixture('ssh.pub').trim());
  expect(await read('PEM')).toBe(fixture('ssh.pem'));
  await iam.createUser({ UserName: 'v' });
  const { SSHPublicKey: pem } = await iam.uploadSSHPublicKey({ UserName: 'v', SSHPublicKeyBody: fixture('ssh.pem') });
  expect(pem?.Fingerprint).toBe(fingerprint);
  const { SSHPublicKey: shown } = await iam.getSSHPublicKey({
    UserName: 'v',
    SSHPublicKeyId: pem?.SSHPublicKeyId,
    Encoding: 'SSH',
  });
  expect(fixture('ssh.pub').startsWith(shown?.SSHPublicKeyBody ?? '-')).toBe(true);
  await iam.updateSSHPublicKey({ UserName, SSHPublicKeyId: made?.SSHPublicKeyId, Status: 'Inactive' });
  expect((await iam.listSSHPublicKeys({ UserName })).SSHPublicKeys).toMatchObject([{ Status: 'Inactive' }]);
  await refused(
    iam.deleteUser({ UserName }),
    'DeleteConflictException',
    'Cannot delete entity, must remove referenced objects first.',
    409,
  );
  await iam.deleteSSHPublicKey({ UserName, SSHPublicKeyId: made?.SSHPublicKeyId });
  await refused(
    iam.deleteSSHPublicKey({ UserName, SSHPublicKeyId: made?.SSHPublicKeyId }),
    'NoSuchEntityException',
    `The Public Key with id ${made?.SSHPublicKeyId} cannot be found.`,
    404,
  );
});

test('what is no RSA key of 2048 bits, or is there already, is refused', async () => {
  const { iam } = rooted();
  await iam.createUser({ UserName: 'u' });
  const upload = (SSHPublicKeyBody: string) => iam.uploadSSHPublicKey({ UserName: 'u', SSHPublicKeyBody });
  await refused(upload('hello'), 'UnrecognizedPublicKeyEncodingException', undefined, 400);
  await refused(upload('ssh-rsa AAAAhello'), 'InvalidPublicKeyException', undefined, 400);
  await refused(upload(fixture('ssh-short.pub')), 'InvalidPublicKeyException', undefined, 400);
  const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  await refused(
    upload(publicKey.export({ type: 'spki', format: 'pem' }).toString()),
    'InvalidPublicKeyException',
    undefined,
    400,
  );
  await upload(fixture('ssh.pub'));
  await refused(upload(fixture('ssh.pem')), 'DuplicateSSHPublicKeyException', undefined, 400);
  const fresh = () =>
    generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey.export({ type: 'spki', format: 'pem' }).toString();
  for (const _ of many(4, (index) => index)) await upload(fresh());
  await refused(upload(fresh()), 'LimitExceededException', 'Cannot exceed quota for SSHPublicKeysPerUser: 5', 409);
});

test('signing certificates: at most two per user, each once in the account', async () => {
  const { iam } = rooted();
  await iam.createUser({ UserName: 'u' });
  await iam.createUser({ UserName: 'v' });
  const upload = (UserName: string, CertificateBody: string) => iam.uploadSigningCertificate({ UserName, CertificateBody });
  const { Certificate: made } = await upload('u', fixture('signing-1.pem'));
  expect(made).toMatchObject({ UserName: 'u', Status: 'Active', CertificateBody: fixture('signing-1.pem') });
  expect(made?.CertificateId).toMatch(/^[A-Z2-7]{32}$/);
  await refused(upload('v', fixture('signing-1.pem')), 'DuplicateCertificateException', undefined, 409);
  await refused(upload('v', 'nonsense'), 'MalformedCertificateException', 'Certificate nonsense is malformed.', 400);
  await upload('u', fixture('signing-2.pem'));
  await refused(upload('u', fixture('ca.pem')), 'LimitExceededException', 'Cannot exceed quota for CertificatesPerUser: 2', 409);
  await iam.updateSigningCertificate({ UserName: 'u', CertificateId: made?.CertificateId, Status: 'Inactive' });
  const { Certificates: listed } = await iam.listSigningCertificates({ UserName: 'u' });
  expect(listed?.map(({ Status }) => Status).sort()).toEqual(['Active', 'Inactive']);
  await refused(
    iam.deleteUser({ UserName: 'u' }),
    'DeleteConflictException',
    'Cannot delete entity, must delete certificates first.',
    409,
  );
  await iam.deleteSigningCertificate({ UserName: 'u', CertificateId: made?.CertificateId });
  await refused(
    iam.deleteSigningCertificate({ UserName: 'u', CertificateId: made?.CertificateId }),
    'NoSuchEntityException',
    `The Certificate with id ${made?.CertificateId} cannot be found.`,
    404,
  );
});

test('IAM-054 server certificates are checked, kept, renamed and deleted; the private key stays inside', async () => {
  const { account, iam } = rooted();
  const material = {
    CertificateBody: fixture('server.pem'),
    PrivateKey: fixture('server.key'),
    CertificateChain: fixture('ca.pem'),
  };
  const { ServerCertificateMetadata: made } = await iam.uploadServerCertificate({
    ServerCertificateName: 'www',
    Path: '/cloudfront/',
    Tags: [{ Key: 'site', Value: 'www' }],
    ...material,
  });
  const arn = `arn:aws:iam::${account.id}:server-certificate`;
  expect(made).toMatchObject({ ServerCertificateName: 'www', Arn: `${arn}/cloudfront/www` });
  expect(made?.ServerCertificateId).toMatch(/^ASCA[A-Z2-7]{17}$/);
  expect(made?.Expiration?.getUTCFullYear()).toBeGreaterThan(2100);
  const { ServerCertificate: found } = await iam.getServerCertificate({ ServerCertificateName: 'WWW' });
  expect(found).toEqual({
    ServerCertificateMetadata: made,
    CertificateBody: material.CertificateBody,
    CertificateChain: material.CertificateChain,
    Tags: [{ Key: 'site', Value: 'www' }],
  });
  await refused(
    iam.uploadServerCertificate({ ServerCertificateName: 'Www', ...material }),
    'EntityAlreadyExistsException',
    'The Server Certificate with name Www already exists.',
    409,
  );
  await iam.updateServerCertificate({ ServerCertificateName: 'www', NewServerCertificateName: 'shop', NewPath: '/' });
  expect((await iam.listServerCertificates({})).ServerCertificateMetadataList?.map(({ Arn }) => Arn)).toEqual([`${arn}/shop`]);
  expect((await iam.listServerCertificates({ PathPrefix: '/cloudfront/' })).ServerCertificateMetadataList).toEqual([]);
  await iam.tagServerCertificate({ ServerCertificateName: 'shop', Tags: [{ Key: 'x', Value: 'y' }] });
  await iam.untagServerCertificate({ ServerCertificateName: 'shop', TagKeys: ['site'] });
  expect((await iam.listServerCertificateTags({ ServerCertificateName: 'shop' })).Tags).toEqual([{ Key: 'x', Value: 'y' }]);
  await iam.deleteServerCertificate({ ServerCertificateName: 'shop' });
  for (const call of [
    iam.getServerCertificate({ ServerCertificateName: 'shop' }),
    iam.deleteServerCertificate({ ServerCertificateName: 'shop' }),
  ]) {
    await refused(call, 'NoSuchEntityException', 'The Server Certificate with name shop cannot be found.', 404);
  }
});

test('IAM-054 server certificates that do not fit their key or chain are refused', async () => {
  const { iam } = rooted();
  const upload = (more: object) =>
    iam.uploadServerCertificate({
      ServerCertificateName: 'www',
      CertificateBody: fixture('server.pem'),
      PrivateKey: fixture('server.key'),
      ...more,
    });
  await refused(
    upload({ CertificateBody: 'nonsense' }),
    'MalformedCertificateException',
    'Unable to parse certificate. Please ensure the certificate is in PEM format.',
    400,
  );
  await refused(upload({ PrivateKey: 'nonsense' }), 'MalformedCertificateException', undefined, 400);
  await refused(upload({ CertificateBody: fixture('ca.pem') }), 'KeyPairMismatchException', undefined, 400);
  await refused(
    upload({ CertificateChain: fixture('signing-1.pem') }),
    'MalformedCertificateException',
    'Unable to validate certificate chain. The certificate chain must start with the immediate signing certificate, followed by any intermediaries in order.',
    400,
  );
  expect((await iam.listServerCertificates({})).ServerCertificateMetadataList).toEqual([]);
});

test('service-specific credentials: two per service, with a password that is shown once', async () => {
  const { account, iam } = rooted();
  const UserName = 'u';
  await iam.createUser({ UserName });
  const create = (ServiceName: string) => iam.createServiceSpecificCredential({ UserName, ServiceName });
  const { ServiceSpecificCredential: made } = await create('codecommit.amazonaws.com');
  expect(made).toMatchObject({
    ServiceUserName: `u-at-${account.id}`,
    Status: 'Active',
    ServiceName: 'codecommit.amazonaws.com',
  });
  expect(made?.ServicePassword).toMatch(/^[A-Za-z0-9+/]{43}=$/);
  expect(made?.ServiceSpecificCredentialId).toMatch(/^ACCA[A-Z2-7]{17}$/);
  const { ServiceSpecificCredential: second } = await create('codecommit.amazonaws.com');
  expect(second?.ServiceUserName).toBe(`u+1-at-${account.id}`);
  await refused(
    create('codecommit.amazonaws.com'),
    'LimitExceededException',
    'Cannot exceed quota for ServiceSpecificCredentialsPerUser: 2',
    409,
  );
  await create('cassandra.amazonaws.com');
  await refused(create('nothing.amazonaws.com'), 'ServiceNotSupportedException', undefined, 404);
  await refused(create('bedrock.amazonaws.com'), 'NotImplemented', undefined, 501);
  await iam.updateUser({ UserName, NewUserName: 'w' });
  const { ServiceSpecificCredentials: listed } = await iam.listServiceSpecificCredentials({
    UserName: 'w',
    ServiceName: 'codecommit.amazonaws.com',
  });
  expect(listed?.map(({ ServiceUserName }) => ServiceUserName).sort()).toEqual([`u+1-at-${account.id}`, `u-at-${account.id}`]);
  expect(listed?.[0]).not.toHaveProperty('ServicePassword');
  expect((await iam.listServiceSpecificCredentials({ AllUsers: true })).ServiceSpecificCredentials).toHaveLength(3);
  const id = { UserName: 'w', ServiceSpecificCredentialId: made?.ServiceSpecificCredentialId };
  const { ServiceSpecificCredential: reset } = await iam.resetServiceSpecificCredential(id);
  expect(reset?.ServicePassword).not.toBe(made?.ServicePassword);
  await iam.updateServiceSpecificCredential({ ...id, Status: 'Inactive' });
  await iam.deleteServiceSpecificCredential(id);
  await refused(
    iam.deleteServiceSpecificCredential(id),
    'NoSuchEntityException',
    `No such credential ${id.ServiceSpecificCredentialId} exists`,
    404,
  );
});

test('which service credentials are for is a condition', async () => {
  const root = rooted();
  const user = await userWithKey(root, 'u');
  const Condition = { StringEquals: { 'iam:ServiceSpecificCredentialServiceName': 'cassandra.amazonaws.com' } };
  await root.iam.putUserPolicy({
    UserName: 'u',
    PolicyName: 'p',
    PolicyDocument: policy(allow('iam:CreateServiceSpecificCredential', '*', { Condition })),
  });
  await user.iam.createServiceSpecificCredential({ UserName: 'u', ServiceName: 'cassandra.amazonaws.com' });
  await refused(
    user.iam.createServiceSpecificCredential({ UserName: 'u', ServiceName: 'codecommit.amazonaws.com' }),
    'AccessDenied',
    undefined,
    403,
  );
});
