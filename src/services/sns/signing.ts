/**
 * Signatures of notifications ("Verifying the signatures of Amazon SNS messages"): version 1 is RSA with SHA-1, version 2 with SHA-256, under a
 * certificate of the cloud's own authority, which the gateway serves where `SigningCertURL` says.
 */
import { createHash, createSign } from 'node:crypto';
import type { Context } from '../../kernel/context.ts';
import { defineTable } from '../../store/tables.ts';
import type { Protocol } from './state.ts';

interface SigningRow {
  certificate: string;
  privateKey: string;
}

/** The cloud's signing key: one row. */
export const SigningKeys = defineTable<SigningRow>()({ name: 'sns.signingKeys', scope: 'cloud', key: () => ['sns'] });

/** The key, made with its certificate on first use. */
async function signingKey(ctx: Context): Promise<SigningRow> {
  const known = await ctx.table(SigningKeys).get('sns');
  if (known !== undefined) return known;
  const { certificate, privateKey } = await ctx
    .part('certificates')
    .issue({ names: ['sns.amazonaws.com'], algorithm: 'RSA_2048' });
  return ctx.transact(async (tx) => {
    const raced = await tx.table(SigningKeys).get('sns');
    if (raced !== undefined) return raced;
    await tx.table(SigningKeys).put({ certificate, privateKey });
    return { certificate, privateKey };
  });
}

function pathOf({ certificate }: SigningRow): string {
  return `/SimpleNotificationService-${createHash('sha256').update(certificate).digest('hex').slice(0, 32)}.pem`;
}

/** The certificate when this is its path. */
export async function certificateAt(ctx: Context, path: string): Promise<string | undefined> {
  const known = await ctx.table(SigningKeys).get('sns');
  return known !== undefined && pathOf(known) === path ? known.certificate : undefined;
}

/**
 * Where a subscriber reaches this cloud. Endpoints and functions run inside, where SNS has its name in the real cloud: what checks that a certificate
 * comes from there (AWS's own validators do) is satisfied. Queues, streams and letters are also read on the host, so their name is one that leads to the
 * gateway from there, and from inside too (boot.ts).
 */
export function baseUrl(ctx: Context, protocol: Protocol): string {
  const { inside, port } = ctx.part('endpoints');
  const name = `sns.${ctx.region}`;
  const isInside = inside !== undefined && (protocol === 'http' || protocol === 'https' || protocol === 'lambda');
  return isInside ? `https://${name}.amazonaws.com` : `http://${name}.localhost:${port}`;
}

/** Address of the certificate, for `SigningCertURL`. */
export async function certificateUrl(ctx: Context, protocol: Protocol): Promise<string> {
  return `${baseUrl(ctx, protocol)}${pathOf(await signingKey(ctx))}`;
}

const signedMembers = ['Message', 'MessageId', 'Subject', 'SubscribeURL', 'Timestamp', 'Token', 'TopicArn', 'Type'] as const;

/** Adds version and signature to a message's JSON. */
export async function sign<T extends Readonly<Record<string, unknown>>>(ctx: Context, version: '1' | '2', body: T) {
  const key = await signingKey(ctx);
  let text = '';
  for (const name of signedMembers) if (typeof body[name] === 'string') text += `${name}\n${body[name]}\n`;
  const Signature = createSign(version === '1' ? 'RSA-SHA1' : 'RSA-SHA256')
    .update(text)
    .sign(key.privateKey, 'base64');
  return { ...body, SignatureVersion: version, Signature };
}
