/** How TLS is spoken under a custom domain: the oldest version, and the clients' certificates that are asked for ("Mutual TLS authentication"). */
import { X509Certificate } from 'node:crypto';
import type { Context, ShownCertificate } from '../../../kernel/context.ts';
import { AwsError, parameterNotImplemented } from '../../../kernel/errors.ts';
import { badRequest } from '../errors.ts';
import type { DomainRow, TruststoreRow } from '../state.ts';

/** "Truststores: up to 1,000 certificates, 1 MB". */
const truststoreBytesMax = 1024 * 1024;
const certificatesMax = 1000;

const versions: Readonly<Record<string, ShownCertificate['minVersion']>> = { TLS_1_0: 'TLSv1', TLS_1_2: 'TLSv1.2' };

/** Throws BadRequestException for a security policy that does not exist, NotImplemented for those by cipher suites. */
export function checkSecurityPolicy(ctx: Context, policy: string): string {
  if (versions[policy] !== undefined) return policy;
  if (policy.startsWith('SecurityPolicy_')) throw parameterNotImplemented(ctx.operation, `securityPolicy ${policy}`);
  throw badRequest(`Invalid security policy specified: ${policy}`);
}

/** What of a domain's settings the edge keeps to. */
export function tlsOf({ securityPolicy, truststore }: DomainRow): Pick<ShownCertificate, 'minVersion' | 'clientAuthorities'> {
  return { minVersion: versions[securityPolicy], clientAuthorities: truststore?.pem };
}

/** Reads the certificates that a domain trusts, with the caller's rights; they are kept as they are now. Throws BadRequestException. */
export async function readTruststore(ctx: Context, uri: string, version: string | undefined): Promise<TruststoreRow> {
  const [, Bucket, Key] = /^s3:\/\/([^/]+)\/(.+)$/.exec(uri) ?? [];
  if (Bucket === undefined || Key === undefined) throw badRequest('Invalid truststore URI specified');
  const text = await readObject(ctx, { Bucket, Key, ...(version === undefined ? {} : { VersionId: version }) });
  const found = text.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  if (found.length === 0) throw badRequest('The truststore does not contain a certificate in PEM format');
  if (found.length > certificatesMax) throw badRequest(`The truststore contains more than ${certificatesMax} certificates`);
  const warnings: string[] = [];
  for (const pem of found) {
    try {
      const { subject, validTo } = new X509Certificate(pem);
      if (Date.parse(validTo) < ctx.now) warnings.push(`Certificate with subject '${subject}' has expired`);
    } catch {
      throw badRequest('The truststore contains a certificate that cannot be parsed');
    }
  }
  return { uri, version, pem: found.join('\n'), warnings };
}

async function readObject(ctx: Context, place: { Bucket: string; Key: string; VersionId?: string }): Promise<string> {
  try {
    const { Body, ContentLength = 0 } = await ctx.call('s3').getObject(place);
    if (ContentLength > truststoreBytesMax) throw badRequest('The truststore is larger than 1 MB');
    const body = Body as unknown;
    if (body instanceof Uint8Array || typeof body === 'string') return Buffer.from(body).toString('utf8');
    const pieces: Uint8Array[] = [];
    for await (const piece of body as AsyncIterable<Uint8Array>) pieces.push(piece);
    return Buffer.concat(pieces).toString('utf8');
  } catch (error) {
    if (!(error instanceof AwsError) || error.code === 'BadRequestException') throw error;
    throw badRequest(`Unable to read the truststore s3://${place.Bucket}/${place.Key}: ${error.message}`);
  }
}
