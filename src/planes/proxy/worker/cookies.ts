/** Cookies that keep a client on a target: sealed, so that a client can neither read nor make them. */
import { createCipheriv, createDecipheriv, createHash, randomBytes } from 'node:crypto';
import type { Header } from './http-head.ts';

export interface Stay {
  pool: string;
  target: string;
  /** Real time in milliseconds. */
  until: number;
  /** Digest of the application's cookie that it belongs to. */
  of?: string | undefined;
}

/** The 32 bytes that seal cookies. */
export function sealingKey(secret: string): Buffer {
  return createHash('sha256').update(secret).digest();
}

export function sealStay(stay: Stay, key: Buffer): string {
  const iv = randomBytes(12);
  const cipher = createCipheriv('aes-256-gcm', key, iv);
  const body = Buffer.concat([cipher.update(JSON.stringify(stay), 'utf8'), cipher.final()]);
  return Buffer.concat([iv, cipher.getAuthTag(), body]).toString('base64').replaceAll('=', '');
}

/** What a cookie says; undefined when it is not ours or its time is over. */
export function openStay(text: string | undefined, key: Buffer): Stay | undefined {
  if (text === undefined || text.length < 40 || text.length > 2000) return undefined;
  try {
    const bytes = Buffer.from(text, 'base64');
    const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(0, 12));
    decipher.setAuthTag(bytes.subarray(12, 28));
    const stay = JSON.parse(decipher.update(bytes.subarray(28), undefined, 'utf8') + decipher.final('utf8')) as Stay;
    return stay.until > Date.now() ? stay : undefined;
  } catch {
    return undefined;
  }
}

/** A cookie's value in the request's Cookie headers. */
export function readCookie(headers: readonly Header[], name: string): string | undefined {
  for (const { lower, value } of headers) {
    if (lower !== 'cookie') continue;
    for (const part of value.split(';')) {
      const at = part.indexOf('=');
      if (at > 0 && part.slice(0, at).trim() === name) return part.slice(at + 1).trim();
    }
  }
  return undefined;
}

/** The value that an answer sets for a cookie. */
export function readSetCookie(headers: readonly Header[], name: string): string | undefined {
  for (const { lower, value } of headers) {
    if (lower !== 'set-cookie' || !value.startsWith(`${name}=`)) continue;
    return value.slice(name.length + 1).split(';', 1)[0];
  }
  return undefined;
}

export function digestOf(text: string): string {
  return createHash('sha256').update(text).digest('base64').slice(0, 16);
}
