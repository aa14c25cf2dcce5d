/**
 * Encoded authorization failure messages: what EC2 appends to UnauthorizedOperation, and STS DecodeAuthorizationMessage reads. The message holds the
 * whole decision, which the caller may not see without permission, so it is sealed (AES-256-GCM) with a key kept in the store. Rejected: keeping
 * decisions in rows, which every denied call would write.
 */
import { createCipheriv, createDecipheriv } from 'node:crypto';
import { deflateRawSync, inflateRawSync } from 'node:zlib';
import { defineTable } from '../store/tables.ts';
import type { Context } from './context.ts';

interface SealingKey {
  name: string;
  key: Uint8Array;
}

const Keys = defineTable<SealingKey>()({ name: 'kernel.sealingKeys', scope: 'cloud', key: (row) => [row.name] });
const keyName = 'authorization-messages';
const cipher = 'aes-256-gcm';
const keyBytes = 32;
const nonceBytes = 12;
const tagBytes = 16;
/** Longest text of a decision that is read back, in bytes. */
const decodedBytesMax = 1_000_000;

async function keyOf(ctx: Context): Promise<Uint8Array> {
  const known = await ctx.table(Keys).get(keyName);
  if (known !== undefined) return known.key;
  const fresh = ctx.bytes(keyBytes);
  return ctx.transact(async (tx) => {
    const other = await tx.table(Keys).get(keyName);
    if (other !== undefined) return other.key;
    await tx.table(Keys).put({ name: keyName, key: fresh });
    return fresh;
  });
}

/** A text, readable again only by this cloud and for this account, in base64url. */
export async function sealMessage(ctx: Context, account: string, text: string): Promise<string> {
  const nonce = ctx.bytes(nonceBytes);
  const sealing = createCipheriv(cipher, await keyOf(ctx), nonce);
  sealing.setAAD(Buffer.from(account));
  const body = Buffer.concat([sealing.update(deflateRawSync(text)), sealing.final()]);
  return Buffer.concat([nonce, sealing.getAuthTag(), body]).toString('base64url');
}

/** The text of a sealed message, or undefined for anything else, also for a message of another account. */
export async function openMessage(ctx: Context, account: string, message: string): Promise<string | undefined> {
  const bytes = Buffer.from(message, 'base64url');
  if (bytes.length <= nonceBytes + tagBytes) return undefined;
  const opening = createDecipheriv(cipher, await keyOf(ctx), bytes.subarray(0, nonceBytes));
  opening.setAAD(Buffer.from(account));
  opening.setAuthTag(bytes.subarray(nonceBytes, nonceBytes + tagBytes));
  try {
    const body = Buffer.concat([opening.update(bytes.subarray(nonceBytes + tagBytes)), opening.final()]);
    return inflateRawSync(body, { maxOutputLength: decodedBytesMax }).toString();
  } catch {
    // Not sealed by this cloud for this account: the tag does not fit.
    return undefined;
  }
}
