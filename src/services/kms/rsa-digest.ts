/**
 * RSA signatures over a digest that the caller computed (`MessageType: DIGEST`). Node signs messages only, so the encodings of RFC 8017 that stand
 * between digest and key are here: EMSA-PKCS1-v1_5 (9.2) and EMSA-PSS (9.1), with a salt as long as the hash.
 */
import { constants, createHash, type KeyObject, privateEncrypt, publicDecrypt } from 'node:crypto';

export type HashName = 'sha256' | 'sha384' | 'sha512';

/** DER of DigestInfo up to the digest itself (RFC 8017, 9.2, note 1). */
const digestInfo: Record<HashName, Buffer> = {
  sha256: Buffer.from('3031300d060960864801650304020105000420', 'hex'),
  sha384: Buffer.from('3041300d060960864801650304020205000430', 'hex'),
  sha512: Buffer.from('3051300d060960864801650304020305000440', 'hex'),
};

export function signPkcs1(key: KeyObject, hash: HashName, digest: Uint8Array): Buffer {
  return privateEncrypt({ key, padding: constants.RSA_PKCS1_PADDING }, Buffer.concat([digestInfo[hash], digest]));
}

export function verifyPkcs1(key: KeyObject, hash: HashName, digest: Uint8Array, signature: Uint8Array): boolean {
  try {
    const opened = publicDecrypt({ key, padding: constants.RSA_PKCS1_PADDING }, signature);
    return opened.equals(Buffer.concat([digestInfo[hash], digest]));
  } catch {
    return false;
  }
}

function mask(seed: Uint8Array, length: number, hash: HashName): Buffer {
  const blocks: Buffer[] = [];
  for (let counter = 0, made = 0; made < length; counter++) {
    const count = Buffer.alloc(4);
    count.writeUInt32BE(counter);
    const block = createHash(hash).update(seed).update(count).digest();
    blocks.push(block);
    made += block.length;
  }
  return Buffer.concat(blocks).subarray(0, length);
}

const xor = (a: Uint8Array, b: Uint8Array): Buffer => Buffer.from(a.map((byte, at) => byte ^ (b[at] ?? 0)));

const saltedHash = (hash: HashName, digest: Uint8Array, salt: Uint8Array): Buffer =>
  createHash(hash).update(Buffer.alloc(8)).update(digest).update(salt).digest();

const modulusBytes = (key: KeyObject): number => (key.asymmetricKeyDetails?.modulusLength ?? 0) / 8;

/** `salt` must be fresh random bytes, as many as the digest has. */
export function signPss(key: KeyObject, hash: HashName, digest: Uint8Array, salt: Uint8Array): Buffer {
  const hashed = saltedHash(hash, digest, salt);
  const length = modulusBytes(key);
  const block = Buffer.concat([Buffer.alloc(length - 2 * digest.length - 2), Buffer.from([1]), salt]);
  const masked = xor(block, mask(hashed, block.length, hash));
  // Moduli are whole bytes long, so the one leading bit that must be clear is the first of the first byte.
  masked.writeUInt8(masked.readUInt8(0) & 0x7f, 0);
  return privateEncrypt({ key, padding: constants.RSA_NO_PADDING }, Buffer.concat([masked, hashed, Buffer.from([0xbc])]));
}

export function verifyPss(key: KeyObject, hash: HashName, digest: Uint8Array, signature: Uint8Array): boolean {
  const length = modulusBytes(key);
  if (signature.length !== length) return false;
  try {
    const opened = publicDecrypt({ key, padding: constants.RSA_NO_PADDING }, signature);
    const masked = opened.subarray(0, length - digest.length - 1);
    const hashed = opened.subarray(masked.length, -1);
    if (opened.at(-1) !== 0xbc || (masked[0] ?? 0xff) > 0x7f) return false;
    const block = xor(masked, mask(hashed, masked.length, hash));
    block.writeUInt8(block.readUInt8(0) & 0x7f, 0);
    const start = block.length - digest.length;
    const padded = block.subarray(0, start - 1).every((byte) => byte === 0) && block[start - 1] === 1;
    return padded && saltedHash(hash, digest, block.subarray(start)).equals(hashed);
  } catch {
    return false;
  }
}
