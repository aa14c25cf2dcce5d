/** Keys of pools and the tokens that they sign (Developer Guide, "Understanding user pool JSON web tokens"). */
import { createPrivateKey, createPublicKey, generateKeyPair, type KeyObject } from 'node:crypto';
import { promisify } from 'node:util';
import { errors, type JWTPayload, jwtVerify, SignJWT } from 'jose';
import type { Context } from '../../kernel/context.ts';
import type { PoolRow, SigningKey } from './state.ts';

const makePair = promisify(generateKeyPair);
const keyBits = 2048;
const keysMax = 1000;
const privateKeysCache = new Map<string, KeyObject>();

/** A new pair of keys of RSA, as AWS's are. */
export async function newSigningKey(ctx: Context): Promise<SigningKey> {
  const { publicKey, privateKey } = await makePair('rsa', { modulusLength: keyBits });
  const { kty = '', n = '', e = '' } = publicKey.export({ format: 'jwk' });
  const sealed = ctx.part('vault').seal(privateKey.export({ format: 'der', type: 'pkcs8' }), 'cognito-key');
  return { kid: Buffer.from(ctx.bytes(32)).toString('base64'), publicKey: { kty, n, e }, sealed };
}

/** The issuer of a pool's tokens. */
export function issuerOf(poolId: string): string {
  return `https://cognito-idp.${poolId.split('_')[0]}.amazonaws.com/${poolId}`;
}

/** The pool's public keys, as its `jwks.json` shows them. */
export function keySetOf({ keys }: PoolRow): { keys: Readonly<Record<string, string>>[] } {
  return { keys: [keys.id, keys.access].map(({ kid, publicKey }) => ({ alg: 'RS256', ...publicKey, kid, use: 'sig' })) };
}

/** Signs claims. */
export function signToken(ctx: Context, { kid, sealed }: SigningKey, claims: JWTPayload): Promise<string> {
  let key = privateKeysCache.get(kid);
  if (key === undefined) {
    key = createPrivateKey({ key: ctx.part('vault').open(sealed, 'cognito-key'), format: 'der', type: 'pkcs8' });
    if (privateKeysCache.size >= keysMax) privateKeysCache.clear();
    privateKeysCache.set(kid, key);
  }
  return new SignJWT(claims).setProtectedHeader({ kid, alg: 'RS256' }).sign(key);
}

export type Verdict = { claims: JWTPayload } | { problem: 'expired' | 'invalid' };

/** Checks who signed a token of the pool, and its time. Sees nothing of revocation. */
export async function verifyToken(ctx: Context, pool: PoolRow, token: string): Promise<Verdict> {
  try {
    const { payload } = await jwtVerify(
      token,
      ({ kid }) => {
        const found = [pool.keys.id, pool.keys.access].find((key) => key.kid === kid);
        if (found === undefined) throw new errors.JWKSNoMatchingKey();
        return createPublicKey({ key: found.publicKey, format: 'jwk' });
      },
      { issuer: issuerOf(pool.id), algorithms: ['RS256'], currentDate: new Date(ctx.now) },
    );
    return { claims: payload };
  } catch (error) {
    if (error instanceof errors.JWTExpired) return { problem: 'expired' };
    if (error instanceof errors.JOSEError) return { problem: 'invalid' };
    throw error;
  }
}
