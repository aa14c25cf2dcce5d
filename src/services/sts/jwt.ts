/** JSON Web Tokens as OpenID Connect providers sign them: reading, and checking a signature. Pure. Sources: RFC 7515, 7517, 7518, 7519. */
import { createPublicKey, type KeyObject, verify } from 'node:crypto';

export interface Jwt {
  header: { alg: string; kid?: string | undefined };
  claims: Readonly<Record<string, unknown>>;
  /** What is signed. */
  signed: string;
  signature: Uint8Array;
}

/** A key of a provider's key set. */
export type Jwk = Readonly<Record<string, unknown>> & { kid?: unknown };

interface Algorithm {
  hash: string;
  keyType: 'rsa' | 'ec';
  /** Of elliptic curve keys. */
  curve?: string;
}

/** Signatures taken; no shared secrets and no `none`, with which anybody could sign. */
const algorithms: Readonly<Record<string, Algorithm>> = {
  RS256: { hash: 'sha256', keyType: 'rsa' },
  RS384: { hash: 'sha384', keyType: 'rsa' },
  RS512: { hash: 'sha512', keyType: 'rsa' },
  ES256: { hash: 'sha256', keyType: 'ec', curve: 'prime256v1' },
  ES384: { hash: 'sha384', keyType: 'ec', curve: 'secp384r1' },
  ES512: { hash: 'sha512', keyType: 'ec', curve: 'secp521r1' },
};

function readPart(part: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(Buffer.from(part, 'base64url').toString());
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

/** The parts of a token, or undefined for anything that is none. */
export function parseJwt(token: string): Jwt | undefined {
  const [head = '', body = '', signature = '', ...more] = token.split('.');
  const header = readPart(head);
  const claims = readPart(body);
  if (header === undefined || claims === undefined || signature === '' || more.length > 0) return undefined;
  const { alg, kid } = header;
  if (typeof alg !== 'string' || (kid !== undefined && typeof kid !== 'string')) return undefined;
  return { header: { alg, kid }, claims, signed: `${head}.${body}`, signature: Buffer.from(signature, 'base64url') };
}

function readKey(jwk: Jwk): KeyObject | undefined {
  try {
    return createPublicKey({ key: jwk, format: 'jwk' });
  } catch {
    // A key of a kind that this runtime does not know signs nothing here.
    return undefined;
  }
}

/** Whether one of the keys made the signature. A token that names a key is checked with that one only. */
export function isSignedBy(jwt: Jwt, keys: readonly Jwk[]): boolean {
  const algorithm = Object.hasOwn(algorithms, jwt.header.alg) ? algorithms[jwt.header.alg] : undefined;
  if (algorithm === undefined) return false;
  const { kid } = jwt.header;
  return keys
    .filter((key) => kid === undefined || key.kid === kid)
    .some((jwk) => {
      const key = readKey(jwk);
      if (key === undefined || key.asymmetricKeyType !== algorithm.keyType) return false;
      if (algorithm.curve !== undefined && key.asymmetricKeyDetails?.namedCurve !== algorithm.curve) return false;
      return verify(algorithm.hash, Buffer.from(jwt.signed), { key, dsaEncoding: 'ieee-p1363' }, jwt.signature);
    });
}
