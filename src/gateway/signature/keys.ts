/**
 * Signing keys. SigV4 chains four HMACs from the secret to a key for one day, region and service; SigV4A derives one key pair of the curve
 * P-256 from key id and secret. Both are cached under the secret itself, so that a key that was deleted and made again can never be verified
 * with what it was before.
 */
import { createECDH, createHmac, createPublicKey, type KeyObject } from 'node:crypto';

/** A map of limited size: the entry that was put first is dropped. Rebuildable: dropping an entry costs a derivation, nothing else. */
class BoundedCache<V> {
  readonly #entries = new Map<string, V>();
  readonly #entriesMax: number;

  constructor(entriesMax: number) {
    this.#entriesMax = entriesMax;
  }

  get size(): number {
    return this.#entries.size;
  }

  getOrMake(key: string, make: () => V): V {
    const known = this.#entries.get(key);
    if (known !== undefined) return known;
    const made = make();
    if (this.#entries.size >= this.#entriesMax) {
      for (const oldest of this.#entries.keys()) {
        this.#entries.delete(oldest);
        break;
      }
    }
    this.#entries.set(key, made);
    return made;
  }
}

/** Keys for so many combinations of secret, day, region and service are kept; each takes about 300 bytes. */
export const signingKeysMax = 2048;
/** Public keys of so many secrets are kept. */
export const publicKeysMax = 256;

const signingKeyCache = new BoundedCache<Buffer>(signingKeysMax);
const publicKeyCache = new BoundedCache<KeyObject>(publicKeysMax);

/** How full the caches are, for tests of the bound. */
export function cachedKeys(): { signing: number; public: number } {
  return { signing: signingKeyCache.size, public: publicKeyCache.size };
}

/** The SigV4 signing key of a secret for a day (YYYYMMDD), region and service. */
export function signingKey(secret: string, date: string, region: string, service: string): Buffer {
  return signingKeyCache.getOrMake(`${secret}\n${date}\n${region}\n${service}`, () => {
    let key: Buffer = createHmac('sha256', `AWS4${secret}`).update(date).digest();
    for (const part of [region, service, 'aws4_request']) key = createHmac('sha256', key).update(part).digest();
    return key;
  });
}

/** Order of P-256 minus two (SEC 2, section 2.4.2). */
const orderMinusTwo = BigInt('0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc63254f');

/**
 * The public key that belongs to a secret under SigV4A. The private key is the first value of the counter-mode KDF of NIST SP 800-108 (HMAC-SHA256
 * keyed with AWS4A + secret, label AWS4-ECDSA-P256-SHA256, context key id and counter) that is at most n-2, plus one.
 */
export function publicKeyOf(accessKeyId: string, secret: string): KeyObject {
  return publicKeyCache.getOrMake(`${accessKeyId}\n${secret}`, () => {
    const ecdh = createECDH('prime256v1');
    ecdh.setPrivateKey(privateKeyBytes(accessKeyId, secret));
    const point = ecdh.getPublicKey();
    const x = point.subarray(1, 33).toString('base64url');
    const y = point.subarray(33, 65).toString('base64url');
    return createPublicKey({ key: { kty: 'EC', crv: 'P-256', x, y }, format: 'jwk' });
  });
}

function privateKeyBytes(accessKeyId: string, secret: string): Buffer {
  for (let counter = 1; counter <= 254; counter++) {
    const input = Buffer.concat([
      Buffer.from([0, 0, 0, 1]),
      Buffer.from('AWS4-ECDSA-P256-SHA256\0', 'latin1'),
      Buffer.from(accessKeyId, 'utf8'),
      Buffer.from([counter, 0, 0, 1, 0]),
    ]);
    const candidate = BigInt(`0x${createHmac('sha256', `AWS4A${secret}`).update(input).digest('hex')}`);
    if (candidate <= orderMinusTwo) return Buffer.from((candidate + 1n).toString(16).padStart(64, '0'), 'hex');
  }
  throw new Error('No P-256 key can be derived from this secret.'); // Probability 2^-32 for each of the 254 tries.
}
