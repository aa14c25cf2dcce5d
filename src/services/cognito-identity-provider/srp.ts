/**
 * Secure Remote Password as user pools speak it: RFC 5054's group of 3,072 bits with g = 2, SHA-256, and a key derived under Cognito's label. Pure.
 * Source: RFC 2945 and 5054, and what Amazon's own client (amazon-cognito-identity-js, AuthenticationHelper) expects of the server.
 */
import { createDiffieHellman, createHash, createHmac, timingSafeEqual } from 'node:crypto';

const primeHex =
  'FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74020BBEA63B139B22514A08798E3404DDEF9519B3CD3A431B302B0A6DF25F1437' +
  '4FE1356D6D51C245E485B576625E7EC6F44C42E9A637ED6B0BFF5CB6F406B7EDEE386BFB5A899FA5AE9F24117C4B1FE649286651ECE45B3DC2007CB8A163BF05' +
  '98DA48361C55D39A69163FA8FD24CF5F83655D23DCA3AD961C62F356208552BB9ED529077096966D670C354E4ABC9804F1746C08CA18217C32905E462E36CE3B' +
  'E39E772C180E86039B2783A2EC07A28FB5C55DF06F4C52C9DE2BCBF6955817183995497CEA956AE515D2261898FA051015728E5A8AAAC42DAD33170D04507A33' +
  'A85521ABDF1CBA64ECFB850458DBEF0A8AEA71575D060C7DB3970F85A6E1E4C7ABF5AE8CDB0933D71E8C94E04A25619DCEE3D2261AD2EE6BF12FFA06D98A0864' +
  'D87602733EC86A64521F2B18177B200CBBE117577A615D6C770988C0BAD946E208E24FA074E5AB3143DB5BFCE0FD108E4B82D120A93AD2CAFFFFFFFFFFFFFFFF';
const prime = BigInt(`0x${primeHex}`);
const generatorHex = '02';
const keyLabel = Buffer.concat([Buffer.from('Caldera Derived Key'), Buffer.from([1])]);

/** Even digits, and a zero byte before a number whose first bit would make it negative. */
function padHex(hex: string): string {
  const even = hex.length % 2 === 1 ? `0${hex}` : hex;
  return /^[89a-f]/i.test(even) ? `00${even}` : even;
}

const toHex = (value: bigint): string => value.toString(16);

function hashHex(...hex: readonly string[]): bigint {
  return BigInt(
    `0x${createHash('sha256')
      .update(Buffer.from(hex.join(''), 'hex'))
      .digest('hex')}`,
  );
}

const multiplier = hashHex(padHex(primeHex), padHex(generatorHex));

/** base ^ exponent mod N, by the runtime's own arithmetic. */
function power(base: bigint, exponent: bigint): bigint {
  const group = createDiffieHellman(Buffer.from(primeHex, 'hex'), Buffer.from(generatorHex, 'hex'));
  group.setPrivateKey(Buffer.from(padHex(toHex(exponent)), 'hex'));
  return BigInt(`0x${group.computeSecret(Buffer.from(padHex(toHex(base)), 'hex')).toString('hex')}`);
}

/** Who a password is of: the part of the pool's id behind its Region, and the name of the user in the pool. */
export interface Owner {
  poolName: string;
  username: string;
}

/** What a server keeps of a password. `salt`: hexadecimal, 16 bytes, which clients read as a number: zeros before it do not count. */
export function verifierOf({ poolName, username }: Owner, password: string, salt: string): string {
  const inner = createHash('sha256').update(`${poolName}${username}:${password}`).digest('hex');
  return toHex(power(2n, hashHex(padHex(toHex(BigInt(`0x${salt}`))), inner)));
}

/** Whether a password is the one of a verifier. */
export function isPassword(owner: Owner, password: string, { salt, verifier }: { salt: string; verifier: string }): boolean {
  return sameText(verifierOf(owner, password, salt), verifier);
}

/** The server's ephemeral public value B for a secret b, in hexadecimal. */
export function publicValue(verifier: string, secret: string): string {
  const own = power(2n, BigInt(`0x${secret}`));
  return toHex((multiplier * BigInt(`0x${verifier}`) + own) % prime);
}

export interface Proof extends Owner {
  verifier: string;
  /** The server's b, the client's A, in hexadecimal. */
  secret: string;
  clientValue: string;
  secretBlock: Uint8Array;
  timestamp: string;
}

/** Whether A is one that the protocol takes: not 0 modulo N. */
export function isClientValue(hex: string): boolean {
  return /^[0-9a-f]{1,1024}$/i.test(hex) && BigInt(`0x${hex}`) % prime !== 0n;
}

/** The signature that a client makes who knows the password, in base 64. */
export function signatureOf({ poolName, username, verifier, secret, clientValue, secretBlock, timestamp }: Proof): string {
  const ours = publicValue(verifier, secret);
  const scrambler = hashHex(padHex(clientValue), padHex(ours));
  const base = (BigInt(`0x${clientValue}`) * power(BigInt(`0x${verifier}`), scrambler)) % prime;
  const shared = power(base, BigInt(`0x${secret}`));
  const extracted = createHmac('sha256', Buffer.from(padHex(toHex(scrambler)), 'hex'))
    .update(Buffer.from(padHex(toHex(shared)), 'hex'))
    .digest();
  const key = createHmac('sha256', extracted).update(keyLabel).digest().subarray(0, 16);
  return createHmac('sha256', key).update(poolName).update(username).update(secretBlock).update(timestamp).digest('base64');
}

/** Compares in a time that does not tell where two texts differ. */
export function sameText(a: string, b: string): boolean {
  const [left, right] = [Buffer.from(a), Buffer.from(b)];
  return left.length === right.length && timingSafeEqual(left, right);
}
