/** Certificates of listeners: from ACM or from IAM's server certificates, by ARN. */
import { X509Certificate } from 'node:crypto';
import { parseArn } from '../../base/arn.ts';
import type { Context } from '../../kernel/context.ts';
import { AwsError } from '../../kernel/errors.ts';
import type { CertificateSpec } from '../../planes/proxy/types.ts';
import type { AcmApi } from '../acm/api.ts';
import type { IamApi } from '../iam/api.ts';

/** What a node presents; undefined when there is no such certificate, or none was issued yet. */
export async function readCertificate(ctx: Context, arn: string): Promise<CertificateSpec | undefined> {
  const parsed = parseArn(arn);
  if (parsed?.service === 'acm' && parsed.region === ctx.region) {
    const found = await (await ctx.internal<AcmApi>('acm')).findCertificate(arn).catch(() => undefined);
    if (found === undefined) return undefined;
    return { key: arn, names: found.names, chain: join(found.certificate, found.chain), privateKey: found.privateKey };
  }
  if (parsed?.service !== 'iam' || !parsed.resource.startsWith('server-certificate/') || parsed.account !== ctx.account)
    return undefined;
  const name = parsed.resource.split('/').at(-1) ?? '';
  const row = await (await ctx.internal<IamApi>('iam')).findServerCertificate(parsed.account, name);
  if (row === undefined) return undefined;
  return { key: arn, names: namesOf(row.body), chain: join(row.body, row.chain), privateKey: row.privateKey };
}

const join = (leaf: string, chain: string | undefined): string => (chain === undefined ? leaf : `${leaf.trimEnd()}\n${chain}`);

function namesOf(pem: string): string[] {
  const certificate = new X509Certificate(pem);
  const names = [...(certificate.subjectAltName ?? '').matchAll(/DNS:([^,\s]+)/g)].map((match) => match[1]!);
  const common = /(?:^|\n)CN=(.+)/.exec(certificate.subject)?.[1];
  return names.length > 0 || common === undefined ? names : [common];
}

/** Throws CertificateNotFound for what cannot be presented. */
export async function requireCertificate(ctx: Context, arn: string): Promise<void> {
  if ((await readCertificate(ctx, arn)) === undefined)
    throw new AwsError('CertificateNotFound', `Certificate ARN '${arn}' is not valid`);
}

export interface CertificateUse {
  certificate: string;
  user: string;
}

/** Tells ACM who uses its certificates. */
export async function useCertificates(ctx: Context, uses: readonly CertificateUse[]): Promise<void> {
  for (const { certificate, user } of uses)
    if (parseArn(certificate)?.service === 'acm') await (await ctx.internal<AcmApi>('acm')).use(certificate, user);
}

/** Tells ACM who uses them no more. */
export async function releaseCertificates(ctx: Context, uses: readonly CertificateUse[]): Promise<void> {
  for (const { certificate, user } of uses)
    if (parseArn(certificate)?.service === 'acm') await (await ctx.internal<AcmApi>('acm')).release(certificate, user);
}
