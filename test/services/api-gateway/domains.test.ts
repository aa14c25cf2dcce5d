import { request as tlsRequest } from 'node:https';
import { ACM } from '@aws-sdk/client-acm';
import { ApiGatewayV2 } from '@aws-sdk/client-apigatewayv2';
import { beforeEach, expect, inject, test } from 'vitest';
import { refused } from '../../support/cloud.ts';
import { makePair, opensslRefused } from '../elastic-load-balancing-v2/tls.ts';
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

function overTls(name: string, path: string): Promise<{ subject: string; text: string }> {
  const { port } = new URL(inject('endpoint'));
  return new Promise((resolve, reject) => {
    const sent = tlsRequest(
      { host: '127.0.0.1', port, path, servername: name, headers: { host: name }, rejectUnauthorized: false },
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
