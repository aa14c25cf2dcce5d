/** Custom domain names, which REST and HTTP APIs share: rows, certificates, and the host names that the gateway then answers to. */
import type { EndpointConfiguration } from '@aws-sdk/client-api-gateway';
import type { Context, Transaction } from '../../../kernel/context.ts';
import type { AcmApi } from '../../acm/api.ts';
import { badRequest, conflict, noSuch, notFound } from '../errors.ts';
import { Addresses, type DomainRow, Domains, type MappingRow, Mappings, type TagMap, type TruststoreRow } from '../state.ts';
import { checkSecurityPolicy, tlsOf } from './domain-tls.ts';

/** Hosted zone of API Gateway's regional names in us-east-1 ("Amazon API Gateway endpoints and quotas"), which stands for all Regions here. */
export const regionalZone = 'Z1UJRXOUMOOFQ8';
const domainForm = /^(?=.{1,253}$)(?:\*\.)?(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}$/;

/** A custom domain. Throws NotFoundException. */
export async function requireDomain(from: Pick<Context, 'table'> | Pick<Transaction, 'table'>, name = ''): Promise<DomainRow> {
  const row = await from.table(Domains).get(name);
  if (row === undefined) throw notFound('Invalid domain name identifier specified');
  return row;
}

/** A mapping of a domain. Throws NotFoundException. */
export async function requireMapping(
  from: Pick<Context, 'table'> | Pick<Transaction, 'table'>,
  domain = '',
  basePath = '',
): Promise<MappingRow> {
  const row = await from.table(Mappings).get(domain, basePath === '' ? '(none)' : basePath);
  if (row === undefined) throw noSuch('base path mapping');
  return row;
}

/** The name under which a domain is reached without a DNS record of its own. */
export function aliasOf(ctx: Context, { alias }: DomainRow): string {
  return `${alias}.execute-api.${ctx.region}.localhost`;
}

export interface NewDomain {
  name: string;
  certificateArn?: string | undefined;
  regionalCertificateArn?: string | undefined;
  endpoint: EndpointConfiguration;
  securityPolicy: string;
  truststore?: TruststoreRow | undefined;
  tags: TagMap;
}

/** Makes a domain. Throws BadRequestException for a certificate that does not exist or does not name it, ConflictException for a name that is taken. */
export async function createDomain(ctx: Context, wanted: NewDomain): Promise<DomainRow> {
  const name = wanted.name.toLowerCase();
  if (!domainForm.test(name)) throw badRequest('The domain name is not valid');
  if (name.startsWith('*.')) throw badRequest('Wildcard custom domain names are not supported by Pilvi');
  await checkDomain(ctx, { ...wanted, name });
  const row: DomainRow = { ...wanted, name, created: ctx.now, alias: ctx.id('gatewayDomain') };
  await ctx.transact(async (tx) => {
    if ((await tx.table(Addresses).get(name)) !== undefined) throw conflict('The domain name you provided already exists.');
    await tx.table(Domains).put(row);
    await tx.table(Addresses).put({ name, account: ctx.account, region: ctx.region, kind: 'domain' });
  });
  await serveDomain(ctx, row);
  return row;
}

async function checkDomain(ctx: Context, domain: NewDomain): Promise<void> {
  await checkCertificate(ctx, domain.name, domain.regionalCertificateArn ?? domain.certificateArn);
  checkSecurityPolicy(ctx, domain.securityPolicy);
  if (domain.truststore === undefined) return;
  if (domain.endpoint.types?.[0] !== 'REGIONAL')
    throw badRequest('Mutual TLS is supported for custom domain names with a regional endpoint only');
  if (domain.securityPolicy === 'TLS_1_0') throw badRequest('Mutual TLS needs a security policy of TLS_1_2 at least');
}

/** Writes what was changed of a domain, and answers accordingly. Throws as creation does. */
export async function changeDomain(ctx: Context, before: DomainRow, changed: DomainRow): Promise<void> {
  await checkDomain(ctx, changed);
  await ctx.transact((tx) => tx.table(Domains).put(changed));
  const old = before.regionalCertificateArn ?? before.certificateArn;
  const acm = await ctx.internal<AcmApi>('acm');
  if (old !== undefined && old !== (changed.regionalCertificateArn ?? changed.certificateArn))
    await acm.release(old, `arn:aws:apigateway:${ctx.region}::/domainnames/${changed.name}`);
  await serveDomain(ctx, changed);
}

/** The certificate must be there and be for this name. */
async function checkCertificate(ctx: Context, name: string, arn: string | undefined): Promise<void> {
  if (arn === undefined) throw badRequest('A certificate ARN is required');
  const acm = await ctx.internal<AcmApi>('acm');
  const certificate = await acm.findCertificate(arn).catch(() => undefined);
  if (certificate === undefined) throw badRequest('The provided certificate does not exist.');
  const named = certificate.names.some(
    (own) => own === name || (own.startsWith('*.') && name.slice(name.indexOf('.')) === own.slice(1)),
  );
  if (!named) throw badRequest('The provided certificate does not match the domain name.');
}

/** Lets the gateway answer to a domain's name, with its certificate. */
async function serveDomain(ctx: Context, row: DomainRow): Promise<void> {
  const { name, regionalCertificateArn, certificateArn } = row;
  const arn = regionalCertificateArn ?? certificateArn ?? '';
  const acm = await ctx.internal<AcmApi>('acm');
  await acm.use(arn, `arn:aws:apigateway:${ctx.region}::/domainnames/${name}`);
  const tls = tlsOf(row);
  ctx.part('webNames').set(name, {
    service: 'api-gateway',
    async certificate() {
      const found = await acm.findCertificate(arn);
      return found === undefined ? undefined : { ...found, ...tls };
    },
  });
}

/** Lets the gateway answer to all domains again, after a start. */
export async function serveDomains(ctx: Context): Promise<void> {
  for (const { scope, row } of await ctx.everywhere(Domains)) await serveDomain(ctx.inScope(scope), row);
}

/** Takes a domain and its mappings away. */
export async function deleteDomain(ctx: Context, name: string): Promise<void> {
  const row = await ctx.transact(async (tx) => {
    const found = await requireDomain(tx, name);
    await tx.table(Domains).delete(found.name);
    await tx.table(Addresses).delete(found.name);
    for (const { basePath } of await tx.table(Mappings).list({ prefix: [found.name] }))
      await tx.table(Mappings).delete(found.name, basePath);
    return found;
  });
  ctx.part('webNames').delete(row.name);
  const acm = await ctx.internal<AcmApi>('acm');
  const arn = row.regionalCertificateArn ?? row.certificateArn;
  if (arn !== undefined) await acm.release(arn, `arn:aws:apigateway:${ctx.region}::/domainnames/${row.name}`);
}

/** Throws BadRequestException for a base path that is none; several parts are for HTTP APIs' mappings and REST APIs alike. */
export function checkBasePath(path: string | undefined): string {
  if (path === undefined || path === '' || path === '(none)') return '(none)';
  if (!/^[A-Za-z0-9$\-_.+!*'()/]+$/.test(path) || path.startsWith('/') || path.endsWith('/'))
    throw badRequest(
      "API Gateway V1 doesn't support the slash character (/) in base path mappings. Base paths may only contain letters, numbers and one of $-_.+!*'()",
    );
  return path;
}
