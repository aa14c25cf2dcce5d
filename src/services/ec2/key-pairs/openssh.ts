/** OpenSSH's public key lines (RFC 4253, section 6.6; RFC 8709 for Ed25519), to and from node:crypto's keys. */
import { createPublicKey, type KeyObject } from 'node:crypto';

const rsaName = 'ssh-rsa';
const edName = 'ssh-ed25519';
/** Longest line read; a 16384-bit RSA key takes 2.8 KB. */
const lineCharsMax = 8192;

function field(bytes: Uint8Array): Buffer {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(bytes.byteLength);
  return Buffer.concat([length, bytes]);
}

/** Unsigned big-endian number as an mpint: a leading zero keeps it positive. */
function mpint(bytes: Buffer): Buffer {
  return field((bytes[0] ?? 0) >= 0x80 ? Buffer.concat([Buffer.alloc(1), bytes]) : bytes);
}

/** `ssh-rsa AAAA… comment` of a public key that is RSA or Ed25519. Throws TypeError for others. */
export function openSshLine(key: KeyObject, comment: string): string {
  const jwk = key.export({ format: 'jwk' });
  const part = (name: 'n' | 'e' | 'x') => Buffer.from(String(jwk[name] ?? ''), 'base64url');
  if (key.asymmetricKeyType === 'rsa') {
    const blob = Buffer.concat([field(Buffer.from(rsaName)), mpint(part('e')), mpint(part('n'))]);
    return `${rsaName} ${blob.toString('base64')} ${comment}`.trimEnd();
  }
  if (key.asymmetricKeyType !== 'ed25519')
    throw new TypeError(`OpenSSH lines of ${key.asymmetricKeyType} keys are not made here.`);
  const blob = Buffer.concat([field(Buffer.from(edName)), field(part('x'))]);
  return `${edName} ${blob.toString('base64')} ${comment}`.trimEnd();
}

/** Blocks that the private part of the format is filled up to; unencrypted keys use eight bytes (PROTOCOL.key). */
const privateBlockBytes = 8;
const privateLineChars = 70;

/**
 * An Ed25519 private key in OpenSSH's own format, unencrypted: ssh reads Ed25519 keys in no other (OpenSSH, PROTOCOL.key). `check` is any four
 * bytes, written twice so that readers notice a wrong passphrase.
 */
export function openSshPrivateKey(key: KeyObject, comment: string, check: Uint8Array): string {
  const jwk = key.export({ format: 'jwk' });
  const [x, d] = [Buffer.from(jwk.x ?? '', 'base64url'), Buffer.from(jwk.d ?? '', 'base64url')];
  const name = field(Buffer.from(edName));
  const secret = Buffer.concat([check, check, name, field(x), field(Buffer.concat([d, x])), field(Buffer.from(comment))]);
  const missing = (privateBlockBytes - (secret.byteLength % privateBlockBytes)) % privateBlockBytes;
  const padding = Buffer.from(Array.from({ length: missing }, (_none, index) => index + 1));
  const none = field(Buffer.from('none'));
  const blob = Buffer.concat([
    ...[Buffer.from('openssh-key-v1\0'), none, none, field(Buffer.alloc(0)), Buffer.from([0, 0, 0, 1])],
    ...[field(Buffer.concat([name, field(x)])), field(Buffer.concat([secret, padding]))],
  ]);
  const lines = blob.toString('base64').match(new RegExp(`.{1,${privateLineChars}}`, 'g')) ?? [];
  return `-----BEGIN OPENSSH PRIVATE KEY-----\n${lines.join('\n')}\n-----END OPENSSH PRIVATE KEY-----\n`;
}

/** The key of an OpenSSH line, or undefined when the text is none that EC2 takes (RSA, Ed25519). */
export function parseOpenSshLine(line: string): KeyObject | undefined {
  const [name, base64] = line.split(/\s+/);
  if (line.length > lineCharsMax || base64 === undefined || (name !== rsaName && name !== edName)) return undefined;
  const fields = readFields(Buffer.from(base64, 'base64'));
  if (fields === undefined || fields[0]?.toString() !== name) return undefined;
  const text = (bytes: Buffer | undefined) => (bytes?.[0] === 0 ? bytes.subarray(1) : bytes)?.toString('base64url') ?? '';
  if (name === edName)
    return fields[1]?.byteLength === 32
      ? createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x: fields[1].toString('base64url') }, format: 'jwk' })
      : undefined;
  return fields.length === 3
    ? createPublicKey({ key: { kty: 'RSA', e: text(fields[1]), n: text(fields[2]) }, format: 'jwk' })
    : undefined;
}

function readFields(blob: Buffer): Buffer[] | undefined {
  const fields: Buffer[] = [];
  let at = 0;
  while (at + 4 <= blob.byteLength) {
    const length = blob.readUInt32BE(at);
    if (at + 4 + length > blob.byteLength) return undefined;
    fields.push(blob.subarray(at + 4, at + 4 + length));
    at += 4 + length;
  }
  return at === blob.byteLength ? fields : undefined;
}
