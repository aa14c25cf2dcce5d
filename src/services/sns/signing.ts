/**
 * Signatures of notifications ("Verifying the signatures of Amazon SNS messages"): version 1 is RSA with SHA-1, version 2 with SHA-256, under a
 * certificate of the cloud's own authority, which the gateway serves where `SigningCertURL` says.
 */
import { createHash, createSign } from 'node:crypto';
import type { Context } from '../../kernel/context.ts';
import { defineTable } from '../../store/tables.ts';

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

/** Where subscribers reach this cloud: from inside, where there is an inside. */
export function baseUrl(ctx: Context): string {
  const { inside, host } = ctx.part('endpoints');
  return inside ?? host;
}

const signedMembers = ['Message', 'MessageId', 'Subject', 'SubscribeURL', 'Timestamp', 'Token', 'TopicArn', 'Type'] as const;

/** Adds version, signature and certificate address to a message's JSON. */
export async function sign<T extends Readonly<Record<string, unknown>>>(ctx: Context, version: '1' | '2', body: T) {
  const key = await signingKey(ctx);
  let text = '';
  for (const name of signedMembers) if (typeof body[name] === 'string') text += `${name}\n${body[name]}\n`;
  const Signature = createSign(version === '1' ? 'RSA-SHA1' : 'RSA-SHA256')
    .update(text)
    .sign(key.privateKey, 'base64');
  return { ...body, SignatureVersion: version, Signature, SigningCertURL: `${baseUrl(ctx)}${pathOf(key)}` };
}
