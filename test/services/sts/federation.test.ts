import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { createPrivateKey, generateKeyPairSync, type KeyObject, sign, X509Certificate } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { STS } from '@aws-sdk/client-sts';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { SignedXml } from 'xml-crypto';
import { type OwnCloud, refused, startOwnCloud } from '../../support/cloud.ts';
import { allow, policy, type Rooted, rooted } from '../iam/support.ts';
import { makeRole, roleArn, secondsLeft, session } from './support.ts';

// The cloud reaches nothing outside itself, so the identity provider runs inside it, where the cloud's own loopback is.
let cloud: OwnCloud;
let folder: string;
const issuers: ChildProcess[] = [];

beforeAll(async () => {
  cloud = await startOwnCloud();
  folder = mkdtempSync(path.join(tmpdir(), 'pilvi-issuer-'));
}, 60_000);

afterAll(async () => {
  for (const issuer of issuers) issuer.kill('SIGKILL');
  await cloud.stop();
  rmSync(folder, { recursive: true, force: true });
});

/** A new key with a certificate of its own for 127.0.0.1. */
function makeCertificate(name: string): { key: string; cert: string } {
  const key = path.join(folder, `${name}.key`);
  const cert = path.join(folder, `${name}.pem`);
  const what = [
    '-newkey',
    'rsa:2048',
    '-nodes',
    '-days',
    '3650',
    '-subj',
    '/CN=127.0.0.1',
    '-addext',
    'subjectAltName=IP:127.0.0.1',
  ];
  execFileSync('openssl', ['req', '-x509', ...what, '-keyout', key, '-out', cert], { stdio: 'ignore' });
  return { key: readFileSync(key, 'utf8'), cert: readFileSync(cert, 'utf8') };
}

interface Issuer {
  issuer: string;
  /** The issuer as ARNs and condition keys name it. */
  url: string;
  key: KeyObject;
}

/** Starts an OpenID Connect provider inside the cloud on this port. */
async function startIssuer(port: number, tls?: { key: string; cert: string }): Promise<Issuer> {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const url = `127.0.0.1:${port}`;
  const issuer = `${tls === undefined ? 'http' : 'https'}://${url}`;
  const file = path.join(folder, `issuer-${port}.json`);
  const jwk = { ...publicKey.export({ format: 'jwk' }), kid: 'k1', use: 'sig', alg: 'RS256' };
  writeFileSync(file, JSON.stringify({ port, issuer, keys: [jwk], tls }));
  const program = [process.execPath, path.resolve('test/services/sts/issuer.mjs'), file];
  const inside =
    cloud.limits.length === 0 ? ['dist/pilvi.js', 'shell', '--data', cloud.data, '--', ...program] : program.slice(1);
  const child = spawn(process.execPath, inside, { stdio: ['ignore', 'pipe', 'inherit'] });
  issuers.push(child);
  await new Promise<void>((resolve, reject) => {
    child.stdout.once('data', () => resolve());
    child.once('exit', (status) => reject(new Error(`The identity provider ended with ${status}.`)));
  });
  return { issuer, url, key: privateKey };
}

/** A token of the issuer for an hour, with claims replaced. */
function token({ issuer, key }: Issuer, claims: object = {}, header: object = {}): string {
  const now = Math.floor(Date.now() / 1000);
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const all = { iss: issuer, aud: 'app', sub: 'user-1', iat: now, exp: now + 3600, ...claims };
  const signed = `${part({ alg: 'RS256', kid: 'k1', ...header })}.${part(all)}`;
  return `${signed}.${sign('sha256', Buffer.from(signed), key).toString('base64url')}`;
}

/** An STS client that signs nothing, as browsers and pods call it. */
const unsigned = (): STS =>
  new STS({ endpoint: cloud.endpoint, region: 'us-east-1', maxAttempts: 1, signer: { sign: async (request) => request } });

const webTrust = (root: Rooted, { url }: Issuer, conditions: object): string =>
  policy({
    Effect: 'Allow',
    Principal: { Federated: `arn:aws:iam::${root.account.id}:oidc-provider/${url}` },
    Action: 'sts:AssumeRoleWithWebIdentity',
    Condition: { StringEquals: conditions },
  });

test('IAM-040 a token of an OpenID Connect provider opens a session of a role that trusts it', async () => {
  const root = rooted(cloud.endpoint);
  const issuer = await startIssuer(8401);
  const { OpenIDConnectProviderArn: arn } = await root.iam.createOpenIDConnectProvider({
    Url: issuer.issuer,
    ClientIDList: ['app'],
  });
  expect(arn).toBe(`arn:aws:iam::${root.account.id}:oidc-provider/${issuer.url}`);
  const trust = webTrust(root, issuer, { [`${issuer.url}:aud`]: 'app', [`${issuer.url}:sub`]: 'user-1' });
  const RoleArn = await makeRole(root, 'web', trust, allow('iam:ListRoles'));
  const sts = unsigned();
  const assume = (WebIdentityToken: string, more: object = {}) =>
    sts.assumeRoleWithWebIdentity({ RoleArn, RoleSessionName: 'pod', WebIdentityToken, ...more });
  const answer = await assume(token(issuer));
  expect(answer).toMatchObject({
    SubjectFromWebIdentityToken: 'user-1',
    Audience: 'app',
    Provider: arn,
    AssumedRoleUser: { Arn: `arn:aws:sts::${root.account.id}:assumed-role/web/pod` },
  });
  const pod = session(root.account, answer.Credentials);
  expect((await pod.iam.listRoles({})).Roles?.map(({ RoleName }) => RoleName)).toEqual(['web']);
  await refused(pod.ec2.describeVpcs({}), 'UnauthorizedOperation', undefined, 403);
  const denied = ['AccessDenied', 'Not authorized to perform sts:AssumeRoleWithWebIdentity', 403] as const;
  await refused(assume(token(issuer, { sub: 'user-2' })), ...denied);
  await refused(assume(token(issuer), { RoleArn: roleArn(root.account, 'none') }), ...denied);
  await refused(assume(token(issuer, { aud: 'other' })), 'InvalidIdentityToken', 'Incorrect token audience', 400);
  await refused(
    assume(token(issuer, { iss: 'https://other.example.com' })),
    'InvalidIdentityToken',
    'No OpenIDConnect provider found in your account for https://other.example.com',
    400,
  );
  await refused(
    assume(token(issuer, { exp: 1_000_000_000 })),
    'ExpiredTokenException',
    /^Token expired: current date\/time \d+ must be before/,
    400,
  );
  const stranger = { ...issuer, key: generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey };
  await refused(assume(token(stranger)), 'InvalidIdentityToken', undefined, 400);
  const [head, , signature] = token(issuer).split('.');
  const forged = `${head}.${Buffer.from(JSON.stringify({ iss: issuer.issuer, aud: 'app', sub: 'user-1', iat: 1, exp: 9_999_999_999 })).toString('base64url')}.${signature}`;
  await refused(assume(forged), 'InvalidIdentityToken', undefined, 400);
  await refused(assume(token(issuer, {}, { alg: 'none' })), 'InvalidIdentityToken', undefined, 400);
  await refused(assume('no-token'), 'InvalidIdentityToken', /^The ID Token provided is not a valid JWT/, 400);
  await root.iam.removeClientIDFromOpenIDConnectProvider({ OpenIDConnectProviderArn: arn, ClientID: 'app' });
  await refused(assume(token(issuer)), 'InvalidIdentityToken', 'Incorrect token audience', 400);
  await root.iam.deleteOpenIDConnectProvider({ OpenIDConnectProviderArn: arn });
  await refused(assume(token(issuer)), 'InvalidIdentityToken', /^No OpenIDConnect provider found/, 400);
});

test('IAM-040 tags in a token need sts:TagSession and become the principal’s', async () => {
  const root = rooted(cloud.endpoint);
  const issuer = await startIssuer(8402);
  await root.iam.createOpenIDConnectProvider({ Url: issuer.issuer, ClientIDList: ['app'] });
  const ofTeam = allow('iam:ListRoles', '*', { Condition: { StringEquals: { 'aws:PrincipalTag/team': 'blue' } } });
  const plain = webTrust(root, issuer, { [`${issuer.url}:aud`]: 'app' });
  const RoleArn = await makeRole(root, 'web', plain, ofTeam);
  const WebIdentityToken = token(issuer, {
    'https://aws.amazon.com/tags': { principal_tags: { team: ['blue'] }, transitive_tag_keys: ['team'] },
  });
  const assume = () => unsigned().assumeRoleWithWebIdentity({ RoleArn, RoleSessionName: 'pod', WebIdentityToken });
  await refused(assume(), 'AccessDenied', 'Not authorized to perform sts:TagSession', 403);
  const PolicyDocument = plain.replace('"sts:AssumeRoleWithWebIdentity"', '["sts:AssumeRoleWithWebIdentity","sts:TagSession"]');
  await root.iam.updateAssumeRolePolicy({ RoleName: 'web', PolicyDocument });
  await session(root.account, (await assume()).Credentials).iam.listRoles({});
});

test('IAM-040 over https the provider’s certificate must have one of its thumbprints', async () => {
  const root = rooted(cloud.endpoint);
  const tls = makeCertificate('issuer');
  const issuer = await startIssuer(8403, tls);
  const thumbprint = new X509Certificate(tls.cert).fingerprint.replaceAll(':', '').toLowerCase();
  const { OpenIDConnectProviderArn: arn } = await root.iam.createOpenIDConnectProvider({
    Url: issuer.issuer,
    ClientIDList: ['app'],
    ThumbprintList: ['0'.repeat(40)],
  });
  const RoleArn = await makeRole(root, 'web', webTrust(root, issuer, { [`${issuer.url}:aud`]: 'app' }));
  const assume = () => unsigned().assumeRoleWithWebIdentity({ RoleArn, RoleSessionName: 'pod', WebIdentityToken: token(issuer) });
  await refused(assume(), 'IDPCommunicationError', /^Couldn't retrieve verification key from your identity provider/, 400);
  await root.iam.updateOpenIDConnectProviderThumbprint({ OpenIDConnectProviderArn: arn, ThumbprintList: [thumbprint] });
  expect(Math.abs(secondsLeft((await assume()).Credentials) - 3600)).toBeLessThan(10);
});

test('OpenID Connect providers keep their rules', async () => {
  const { iam } = rooted(cloud.endpoint);
  const create = (Url: string, more: object = {}) => iam.createOpenIDConnectProvider({ Url, ...more });
  const invalid = ['ValidationError', 'Invalid Open ID Connect Provider URL', 400] as const;
  await refused(create('http://idp.example.com'), ...invalid);
  await refused(create('https://idp.example.com?x=1'), ...invalid);
  await refused(create('idp.example.com'), ...invalid);
  await refused(create('https://idp.example.com', { ThumbprintList: ['abc'] }), 'ValidationError', undefined, 400);
  const { OpenIDConnectProviderArn: arn } = await create('https://idp.example.com/', { ClientIDList: ['a'] });
  await refused(
    create('https://idp.example.com'),
    'EntityAlreadyExists',
    'Provider with url https://idp.example.com already exists.',
    409,
  );
  await iam.addClientIDToOpenIDConnectProvider({ OpenIDConnectProviderArn: arn, ClientID: 'b' });
  await iam.tagOpenIDConnectProvider({ OpenIDConnectProviderArn: arn, Tags: [{ Key: 'k', Value: 'v' }] });
  expect(await iam.getOpenIDConnectProvider({ OpenIDConnectProviderArn: arn })).toMatchObject({
    Url: 'idp.example.com',
    ClientIDList: ['a', 'b'],
    Tags: [{ Key: 'k', Value: 'v' }],
  });
  expect((await iam.listOpenIDConnectProviders({})).OpenIDConnectProviderList).toEqual([{ Arn: arn }]);
  expect((await iam.getAccountSummary({})).SummaryMap?.Providers).toBe(1);
  await refused(iam.getOpenIDConnectProvider({ OpenIDConnectProviderArn: `${arn}x` }), 'NoSuchEntity', undefined, 404);
});

const attributes = 'https://aws.amazon.com/SAML/Attributes';
const entityId = 'https://idp.example.com/saml';

/** Metadata of a corporate identity provider with this certificate. */
function metadata(cert: string): string {
  const body = cert.replace(/-----[A-Z ]+-----|\s/g, '');
  return `<?xml version="1.0"?><md:EntityDescriptor xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata" entityID="${entityId}"><md:IDPSSODescriptor protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol"><md:KeyDescriptor use="signing"><ds:KeyInfo xmlns:ds="http://www.w3.org/2000/09/xmldsig#"><ds:X509Data><ds:X509Certificate>${body}</ds:X509Certificate></ds:X509Data></ds:KeyInfo></md:KeyDescriptor><md:SingleSignOnService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST" Location="https://idp.example.com/sso"/></md:IDPSSODescriptor></md:EntityDescriptor>`;
}

interface AssertionOptions {
  role: string;
  provider: string;
  audience?: string;
  issuer?: string;
  endsIn?: number;
  session?: string;
  subject?: string;
}

function assertion({
  role,
  provider,
  audience,
  issuer = entityId,
  endsIn = 300,
  session: name = 'carla',
  subject = 'carla@example.com',
}: AssertionOptions): string {
  const at = (seconds: number): string => new Date(Date.now() + seconds * 1000).toISOString();
  const named = (key: string, value: string): string =>
    `<saml:Attribute Name="${attributes}/${key}"><saml:AttributeValue>${value}</saml:AttributeValue></saml:Attribute>`;
  return `<saml:Assertion xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion" ID="_a1" IssueInstant="${at(0)}" Version="2.0"><saml:Issuer>${issuer}</saml:Issuer><saml:Subject><saml:NameID Format="urn:oasis:names:tc:SAML:2.0:nameid-format:persistent">${subject}</saml:NameID><saml:SubjectConfirmation Method="urn:oasis:names:tc:SAML:2.0:cm:bearer"><saml:SubjectConfirmationData NotOnOrAfter="${at(endsIn)}" Recipient="https://signin.aws.amazon.com/saml"/></saml:SubjectConfirmation></saml:Subject><saml:Conditions NotBefore="${at(-60)}" NotOnOrAfter="${at(endsIn)}"><saml:AudienceRestriction><saml:Audience>${audience ?? 'urn:amazon:webservices'}</saml:Audience></saml:AudienceRestriction></saml:Conditions><saml:AttributeStatement>${named('Role', `${role},${provider}`)}${name === '' ? '' : named('RoleSessionName', name)}</saml:AttributeStatement></saml:Assertion>`;
}

function response(inner: string): string {
  return `<samlp:Response xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol" ID="_r1" Version="2.0">${inner}</samlp:Response>`;
}

/** Signs the assertion inside a response, as identity providers do. */
function signed(xml: string, key: string): string {
  const signature = new SignedXml({
    privateKey: createPrivateKey(key),
    signatureAlgorithm: 'http://www.w3.org/2001/04/xmldsig-more#rsa-sha256',
    canonicalizationAlgorithm: 'http://www.w3.org/2001/10/xml-exc-c14n#',
  });
  const xpath = "//*[local-name(.)='Assertion']";
  signature.addReference({
    xpath,
    transforms: ['http://www.w3.org/2000/09/xmldsig#enveloped-signature', 'http://www.w3.org/2001/10/xml-exc-c14n#'],
    digestAlgorithm: 'http://www.w3.org/2001/04/xmlenc#sha256',
  });
  signature.computeSignature(xml, { location: { reference: `${xpath}/*[local-name(.)='Issuer']`, action: 'after' } });
  return signature.getSignedXml();
}

const encode = (xml: string): string => Buffer.from(xml).toString('base64');

test('IAM-039 a signed assertion of a SAML provider opens a session; one signed by another key does not', async () => {
  const root = rooted(cloud.endpoint);
  const corp = makeCertificate('corp');
  const other = makeCertificate('other');
  const { SAMLProviderArn: provider = '' } = await root.iam.createSAMLProvider({
    Name: 'corp',
    SAMLMetadataDocument: metadata(corp.cert),
  });
  expect(provider).toBe(`arn:aws:iam::${root.account.id}:saml-provider/corp`);
  const trust = policy({
    Effect: 'Allow',
    Principal: { Federated: provider },
    Action: 'sts:AssumeRoleWithSAML',
    Condition: {
      StringEquals: { 'saml:aud': 'https://signin.aws.amazon.com/saml' },
      StringLike: { 'saml:sub': '*@example.com' },
    },
  });
  const role = await makeRole(root, 'staff', trust, allow('iam:ListRoles'));
  const assume = (xml: string, more: object = {}) =>
    unsigned().assumeRoleWithSAML({ RoleArn: role, PrincipalArn: provider, SAMLAssertion: encode(xml), ...more });
  const good = signed(response(assertion({ role, provider })), corp.key);
  const answer = await assume(good);
  expect(answer).toMatchObject({
    Subject: 'carla@example.com',
    SubjectType: 'persistent',
    Issuer: entityId,
    Audience: 'https://signin.aws.amazon.com/saml',
    AssumedRoleUser: { Arn: `arn:aws:sts::${root.account.id}:assumed-role/staff/carla` },
  });
  expect(Math.abs(secondsLeft(answer.Credentials) - 3600)).toBeLessThan(10);
  await session(root.account, answer.Credentials).iam.listRoles({});
  const invalid = ['InvalidIdentityToken', 'Response signature invalid', 400] as const;
  await refused(assume(signed(response(assertion({ role, provider })), other.key)), ...invalid);
  await refused(assume(response(assertion({ role, provider }))), ...invalid);
  await refused(assume(good.replace('carla@example.com', 'admin@example.com')), ...invalid);
  // Wrapping: the signed assertion is moved aside, a forged one takes its place.
  const real = /<saml:Assertion.*<\/saml:Assertion>/s.exec(good)?.[0] ?? '';
  const forged = assertion({ role, provider, session: 'admin', subject: 'admin@example.com' }).replace('_a1', '_a2');
  const wrapped = response(`${forged}<samlp:Extensions>${real}</samlp:Extensions>`);
  await refused(assume(wrapped), ...invalid);
  const beside = await assume(response(`${forged}${real}`));
  expect(beside.AssumedRoleUser?.Arn).toBe(`arn:aws:sts::${root.account.id}:assumed-role/staff/carla`);
  const variant = (options: Partial<AssertionOptions>) =>
    assume(signed(response(assertion({ role, provider, ...options })), corp.key));
  await refused(variant({ endsIn: -10 }), 'ExpiredTokenException', undefined, 400);
  await refused(variant({ audience: 'https://elsewhere.example.com' }), 'InvalidIdentityToken', undefined, 400);
  await refused(
    variant({ issuer: 'https://rogue.example.com' }),
    'InvalidIdentityToken',
    'Issuer not present in specified provider',
    400,
  );
  await refused(variant({ session: '' }), 'InvalidIdentityToken', 'RoleSessionName is required in AuthnResponse', 400);
  const denied = ['AccessDenied', 'Not authorized to perform sts:AssumeRoleWithSAML', 403] as const;
  await refused(variant({ role: roleArn(root.account, 'admin') }), ...denied);
  await refused(variant({ subject: 'carla@rogue.org' }), ...denied);
  await refused(assume('nonsense'), 'InvalidIdentityToken', undefined, 400);
  await refused(assume(good, { PrincipalArn: `${provider}x` }), 'InvalidIdentityToken', "Specified provider doesn't exist", 400);
  await root.iam.updateSAMLProvider({ SAMLProviderArn: provider, SAMLMetadataDocument: metadata(other.cert) });
  await refused(assume(good), ...invalid);
});

test('SAML providers keep their rules', async () => {
  const { iam } = rooted(cloud.endpoint);
  const { cert } = makeCertificate('rules');
  const create = (Name: string, SAMLMetadataDocument: string) => iam.createSAMLProvider({ Name, SAMLMetadataDocument });
  await refused(create('corp', '<a/>'), 'ValidationError', undefined, 400);
  await refused(create('corp', `<a>${' '.repeat(1000)}</a>`), 'InvalidInput', 'Could not parse metadata', 400);
  await refused(create('corp', `<!DOCTYPE x>${metadata(cert)}`), 'InvalidInput', 'Could not parse metadata', 400);
  await refused(create('a b', metadata(cert)), 'ValidationError', undefined, 400);
  const { SAMLProviderArn: arn } = await create('corp', metadata(cert));
  await refused(create('corp', metadata(cert)), 'EntityAlreadyExists', 'Provider with name corp already exists.', 409);
  expect((await iam.getSAMLProvider({ SAMLProviderArn: arn })).SAMLMetadataDocument).toBe(metadata(cert));
  expect((await iam.listSAMLProviders({})).SAMLProviderList?.map(({ Arn }) => Arn)).toEqual([arn]);
  await iam.deleteSAMLProvider({ SAMLProviderArn: arn });
  await refused(iam.getSAMLProvider({ SAMLProviderArn: arn }), 'NoSuchEntity', undefined, 404);
});
