import { type RequestOptions, request as tlsRequest } from 'node:https';
import { ACM } from '@aws-sdk/client-acm';
import { ApiGatewayV2 } from '@aws-sdk/client-apigatewayv2';
import { S3 } from '@aws-sdk/client-s3';
import { beforeEach, expect, inject, test } from 'vitest';
import { refused } from '../../support/cloud.ts';
import { makeChain, makePair, opensslRefused } from '../elastic-load-balancing-v2/tls.ts';
import { call, deploy, mock, resource, restApi } from './rest.ts';

beforeEach((context) => context.skip(opensslRefused !== undefined, opensslRefused));

test('a custom domain leads to APIs by its base paths, with its own certificate', async () => {
  const rest = await restApi();
  const { gateway, id, account } = rest;
  const domainName = `api-${account.id}.example.com`;
  await mock(rest, await resource(rest, 'pets'), 'GET', '$context.path $context.domainName');
  await deploy(rest);
  const acm = new ACM(account.config());
  await refused(
    gateway.createDomainName({
      domainName,
      regionalCertificateArn: `arn:aws:acm:us-east-1:${account.id}:certificate/none`,
      endpointConfiguration: { types: ['REGIONAL'] },
    }),
    'BadRequestException',
    'The provided certificate does not exist.',
  );
  const { certificate, key } = makePair(domainName);
  const { CertificateArn = '' } = await acm.importCertificate({
    Certificate: Buffer.from(certificate),
    PrivateKey: Buffer.from(key),
  });
  await refused(
    gateway.createDomainName({
      domainName: 'other.example.com',
      regionalCertificateArn: CertificateArn,
      endpointConfiguration: { types: ['REGIONAL'] },
    }),
    'BadRequestException',
    'The provided certificate does not match the domain name.',
  );
  const made = await gateway.createDomainName({
    domainName,
    regionalCertificateArn: CertificateArn,
    endpointConfiguration: { types: ['REGIONAL'] },
  });
  expect(made).toMatchObject({
    domainName,
    domainNameStatus: 'AVAILABLE',
    securityPolicy: 'TLS_1_2',
    regionalHostedZoneId: 'Z1UJRXOUMOOFQ8',
  });
  expect(made.regionalDomainName).toMatch(/^d-[a-z0-9]{10}\.execute-api\.us-east-1\.localhost$/);
  const get = async (path: string) => {
    const { status, text } = await call(`${inject('endpoint')}${path}`, { headers: { host: domainName } });
    return [status, text];
  };
  expect(await get('/shop/pets')).toEqual([403, '{"message":"Forbidden"}']);
  await gateway.createBasePathMapping({ domainName, basePath: 'shop', restApiId: id, stage: 'prod' });
  expect(await get('/shop/pets')).toEqual([200, `/shop/pets ${domainName}`]);
  expect(await get('/pets')).toEqual([403, '{"message":"Forbidden"}']);
  await refused(
    gateway.createBasePathMapping({ domainName, basePath: 'shop', restApiId: id }),
    'ConflictException',
    'Base path already exists for this domain name',
  );
  // The root, without a stage: the path names it. The newer API sees the same mappings.
  await gateway.createBasePathMapping({ domainName, restApiId: id });
  expect((await get('/prod/pets'))[0]).toBe(200);
  const v2 = new ApiGatewayV2(account.config());
  expect((await v2.getApiMappings({ DomainName: domainName })).Items?.map(({ ApiMappingKey }) => ApiMappingKey).sort()).toEqual([
    '',
    'shop',
  ]);
  await gateway.updateRestApi({
    restApiId: id,
    patchOperations: [{ op: 'replace', path: '/disableExecuteApiEndpoint', value: 'true' }],
  });
  expect((await call(`${inject('endpoint')}/_aws/execute-api/${id}/prod/pets`)).status).toBe(403);
  expect((await get('/shop/pets'))[0]).toBe(200);
  const { subject, text } = await overTls(domainName, '/shop/pets');
  expect([subject, text]).toEqual([domainName, `/shop/pets ${domainName}`]);
  await refused(acm.deleteCertificate({ CertificateArn }), 'ResourceInUseException');
  await gateway.deleteDomainName({ domainName });
  expect((await get('/shop/pets'))[1]).not.toContain(domainName);
  await refused(gateway.getDomainName({ domainName }), 'NotFoundException', 'Invalid domain name identifier specified');
});

test('a domain with mutual TLS lets in whose certificate it trusts, and tells backends who it is', async () => {
  const rest = await restApi();
  const { gateway, id, account } = rest;
  const domainName = `mutual-${account.id}.example.com`;
  await mock(rest, await resource(rest, 'who'), 'GET', '$context.identity.clientCert.subjectDN');
  await deploy(rest);
  const { certificate, key } = makePair(domainName);
  const acm = new ACM(account.config());
  const { CertificateArn } = await acm.importCertificate({ Certificate: Buffer.from(certificate), PrivateKey: Buffer.from(key) });
  const s3 = new S3({ ...account.config(), forcePathStyle: true });
  const Bucket = `trust-${account.id}`;
  await s3.createBucket({ Bucket });
  const trusted = makeChain('trusted-client');
  const stranger = makeChain('stranger');
  await s3.putObject({ Bucket, Key: 'trust.pem', Body: trusted.chain });
  await s3.putObject({ Bucket, Key: 'none.pem', Body: 'nothing' });
  const input = {
    ...{ domainName, regionalCertificateArn: CertificateArn, securityPolicy: 'TLS_1_2' as const },
    endpointConfiguration: { types: ['REGIONAL' as const] },
  };
  const withTrust = (truststoreUri: string) => ({ ...input, mutualTlsAuthentication: { truststoreUri } });
  const bad = 'BadRequestException';
  await refused(gateway.createDomainName(withTrust('http://x/y')), bad, 'Invalid truststore URI specified');
  await refused(gateway.createDomainName(withTrust(`s3://${Bucket}/gone.pem`)), bad, /^Unable to read the truststore/);
  await refused(gateway.createDomainName(withTrust(`s3://${Bucket}/none.pem`)), bad, /does not contain a certificate/);
  await refused(gateway.createDomainName({ ...withTrust(`s3://${Bucket}/trust.pem`), securityPolicy: 'TLS_1_0' }), bad);
  const made = await gateway.createDomainName(withTrust(`s3://${Bucket}/trust.pem`));
  expect(made.mutualTlsAuthentication).toEqual({ truststoreUri: `s3://${Bucket}/trust.pem` });
  await gateway.createBasePathMapping({ domainName, restApiId: id, stage: 'prod' });

  const ask = (options: RequestOptions = {}) => overTls(domainName, '/who', options).then(({ text }) => text);
  const refusal = '{"message":"Forbidden"}';
  expect(await ask({ cert: trusted.certificate, key: trusted.key })).toBe('CN=trusted-client');
  expect(await ask({ cert: stranger.certificate, key: stranger.key })).toBe(refusal);
  expect(await ask()).toBe(refusal);
  expect((await call(`${inject('endpoint')}/who`, { headers: { host: domainName } })).status).toBe(403);

  // Another set of authorities counts at once, and without one everybody may come.
  await s3.putObject({ Bucket, Key: 'other.pem', Body: stranger.chain });
  const patch = (path: string, value: string) =>
    gateway.updateDomainName({ domainName, patchOperations: [{ op: 'replace', path, value }] });
  await patch('/mutualTlsAuthentication/truststoreUri', `s3://${Bucket}/other.pem`);
  expect(await ask({ cert: stranger.certificate, key: stranger.key })).toBe('CN=stranger');
  const ended = await new ApiGatewayV2(account.config()).updateDomainName({
    DomainName: domainName,
    MutualTlsAuthentication: { TruststoreUri: '' },
  });
  expect(ended.MutualTlsAuthentication).toBeUndefined();
  expect(await ask()).toBe('');

  // The oldest version that a domain speaks is its own.
  const old: RequestOptions = { maxVersion: 'TLSv1.1', minVersion: 'TLSv1', ciphers: 'DEFAULT@SECLEVEL=0' };
  await expect(ask(old)).rejects.toThrow(/protocol|alert|EPROTO|hang up|ECONNRESET/i);
  await patch('/securityPolicy', 'TLS_1_0');
  expect(await ask(old)).toBe('');
  await refused(patch('/securityPolicy', 'TLS_9'), bad, 'Invalid security policy specified: TLS_9');
});

function overTls(name: string, path: string, options: RequestOptions = {}): Promise<{ subject: string; text: string }> {
  const { port } = new URL(inject('endpoint'));
  return new Promise((resolve, reject) => {
    const sent = tlsRequest(
      {
        host: '127.0.0.1',
        port,
        path,
        servername: name,
        headers: { host: name },
        rejectUnauthorized: false,
        agent: false,
        ...options,
      },
      (response) => {
        const { subject } = (response.socket as import('node:tls').TLSSocket).getPeerCertificate();
        let text = '';
        response.on('data', (piece) => {
          text += String(piece);
        });
        response.on('end', () => resolve({ subject: String(subject.CN), text }));
      },
    );
    sent.on('error', reject);
    sent.end();
  });
}
