/**
 * Ciphertexts of symmetric keys. AWS keeps their form to itself; ours names the key, so that Decrypt needs no key id, and not the Region, so that any
 * member of a multi-Region family decrypts:
 *
 *     version 1 | form of the key id 1 | account 6 | key id 16 | material 4 | nonce 16 | body … | tag 16
 *
 * Each message is encrypted under a key of its own, derived from material and nonce, so that no number of messages wears a key out ("AWS KMS
 * cryptographic details": a derived key per encryption). Everything before the body and the encryption context is authenticated.
 */
import { createCipheriv, createDecipheriv, createHmac } from 'node:crypto';

const version = 1;
const headBytes = 28;
const nonceBytes = 16;
const tagBytes = 16;
const mrkPrefix = 'mrk-';

export type EncryptionContext = Readonly<Record<string, string>>;

/** What a ciphertext says of itself. */
export interface CiphertextHead {
  account: string;
  keyId: string;
  /** Number of the key's material. */
  material: number;
}

function encodeHead({ account, keyId, material }: CiphertextHead): Buffer {
  const head = Buffer.alloc(headBytes);
  const multi = keyId.startsWith(mrkPrefix);
  head.writeUInt8(version, 0);
  head.writeUInt8(multi ? 1 : 0, 1);
  head.writeUIntBE(Number(account), 2, 6);
  head.write(multi ? keyId.slice(mrkPrefix.length) : keyId.replaceAll('-', ''), 8, 'hex');
  head.writeUInt32BE(material, 24);
  return head;
}

/** Reads the head of a ciphertext; undefined for bytes that are none. Nothing of it is authentic before `decrypt`. */
export function readHead(ciphertext: Uint8Array): CiphertextHead | undefined {
  const bytes = Buffer.from(ciphertext.buffer, ciphertext.byteOffset, ciphertext.byteLength);
  if (bytes.length < headBytes + nonceBytes + tagBytes || bytes[0] !== version || bytes[1]! > 1) return undefined;
  const text = bytes.toString('hex', 8, 24);
  const uuid = [text.slice(0, 8), text.slice(8, 12), text.slice(12, 16), text.slice(16, 20), text.slice(20)].join('-');
  const account = String(bytes.readUIntBE(2, 6)).padStart(12, '0');
  return { account, keyId: bytes[1] === 1 ? mrkPrefix + text : uuid, material: bytes.readUInt32BE(24) };
}

/** The encryption context in one form, whatever its order: lengths and bytes of sorted keys and their values. */
function contextBytes(context: EncryptionContext): Buffer {
  const parts: Buffer[] = [];
  for (const key of Object.keys(context).sort()) {
    for (const text of [key, context[key] ?? '']) {
      const bytes = Buffer.from(text);
      const length = Buffer.alloc(4);
      length.writeUInt32BE(bytes.length);
      parts.push(length, bytes);
    }
  }
  return Buffer.concat(parts);
}

function derive(secret: Uint8Array, nonce: Uint8Array): { key: Buffer; iv: Buffer } {
  const derived = createHmac('sha512', secret).update(nonce).digest();
  return { key: derived.subarray(0, 32), iv: derived.subarray(32, 44) };
}

/** Encrypts under material. `nonce` must be 16 fresh random bytes. */
export function encrypt(
  secret: Uint8Array,
  nonce: Uint8Array,
  head: CiphertextHead,
  plain: Uint8Array,
  context: EncryptionContext,
): Buffer {
  const start = Buffer.concat([encodeHead(head), nonce]);
  const { key, iv } = derive(secret, nonce);
  const cipher = createCipheriv('aes-256-gcm', key, iv).setAAD(Buffer.concat([start, contextBytes(context)]));
  return Buffer.concat([start, cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
}

/** The plain text; undefined when ciphertext, key or context is another. */
export function decrypt(secret: Uint8Array, ciphertext: Uint8Array, context: EncryptionContext): Buffer | undefined {
  const start = ciphertext.subarray(0, headBytes + nonceBytes);
  const { key, iv } = derive(secret, start.subarray(headBytes));
  const decipher = createDecipheriv('aes-256-gcm', key, iv, { authTagLength: tagBytes });
  decipher.setAAD(Buffer.concat([start, contextBytes(context)])).setAuthTag(ciphertext.subarray(-tagBytes));
  try {
    return Buffer.concat([decipher.update(ciphertext.subarray(start.length, -tagBytes)), decipher.final()]);
  } catch {
    return undefined;
  }
}
