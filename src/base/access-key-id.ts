/**
 * Access key ids carry their account, as the real cloud's do: 40 bits of account number in the base32 text behind the prefix (what
 * STS GetAccessKeyInfo and forensic tools read). So a key is found in its account's own rows, with no table across accounts.
 */
import type { IdSource } from './ids.ts';

const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';

/** A new access key id with this prefix (`AKIA`, `ASIA`) that names this account (twelve digits). */
export function newAccessKeyId(ids: IdSource, prefix: 'AKIA' | 'ASIA', account: string): string {
  const random = ids.bytes(5).reduce((all, byte) => (all << 8n) | BigInt(byte), 0n);
  // 80 bits in 16 letters: one zero bit, 40 bits of account, 39 random bits.
  let bits = (BigInt(account) << 39n) | (random & ((1n << 39n) - 1n));
  let text = '';
  for (let index = 0; index < 16; index += 1) {
    text = alphabet.charAt(Number(bits & 31n)) + text;
    bits >>= 5n;
  }
  return prefix + text;
}

/** The account that an access key id names, or undefined when it has not the shape of one. */
export function accountOfAccessKeyId(accessKeyId: string): string | undefined {
  if (!/^(AKIA|ASIA)[A-Z2-7]{16}$/.test(accessKeyId)) return undefined;
  let bits = 0n;
  for (const letter of accessKeyId.slice(4)) bits = (bits << 5n) | BigInt(alphabet.indexOf(letter));
  const account = (bits >> 39n) & ((1n << 40n) - 1n);
  return account < 1_000_000_000_000n ? account.toString().padStart(12, '0') : undefined;
}
