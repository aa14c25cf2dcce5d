/** Secure Remote Password against Amazon's own client, for the numbers at which its padding and ours could differ. */
import { createHmac } from 'node:crypto';
import { createRequire } from 'node:module';
import { expect, test } from 'vitest';
import { publicValue, signatureOf, verifierOf } from './srp.ts';

interface BigNumber {
  toString(radix: number): string;
}

/** What this test uses of the client's insides. */
interface Helper {
  getLargeAValue(done: (error: unknown, value: BigNumber) => void): void;
  getPasswordAuthenticationKey(
    username: string,
    password: string,
    serverValue: BigNumber,
    salt: BigNumber,
    done: (error: unknown, key: Uint8Array) => void,
  ): void;
}

const require = createRequire(import.meta.url);
const lib = 'amazon-cognito-identity-js/lib';
const { default: AuthenticationHelper } = require(`${lib}/AuthenticationHelper.js`) as { default: new (pool: string) => Helper };
const { default: BigInteger } = require(`${lib}/BigInteger.js`) as { default: new (text: string, radix: number) => BigNumber };

const owner = { poolName: 'abcDEF123', username: 'Väinö' };
const password = 'Correct-Horse-1';
const secretBlock = Buffer.from('block');
const timestamp = 'Sat Nov 21 14:00:00 UTC 2026';

/** Signatures of the client and of the server for one sign-in. */
function signIn(salt: string, secret: string): Promise<{ client: string; server: string }> {
  const verifier = verifierOf(owner, password, salt);
  const helper = new AuthenticationHelper(owner.poolName);
  return new Promise((resolve) => {
    helper.getLargeAValue((_error, value) => {
      const numbers = [publicValue(verifier, secret), salt].map((hex) => new BigInteger(hex, 16)) as [BigNumber, BigNumber];
      helper.getPasswordAuthenticationKey(owner.username, password, ...numbers, (_failure, key) => {
        const mac = createHmac('sha256', key).update(owner.poolName).update(owner.username);
        const client = mac.update(secretBlock).update(timestamp).digest('base64');
        const clientValue = value.toString(16);
        resolve({ client, server: signatureOf({ ...owner, verifier, secret, clientValue, secretBlock, timestamp }) });
      });
    });
  });
}

test.each(['7f', '80', '0f', '007f', '0080', '000f', '0000ff'])(
  'a salt that begins with %s gives the same signature on both sides',
  async (start) => {
    const { client, server } = await signIn(start.padEnd(32, 'ab'), 'c1'.repeat(32));
    expect(server).toBe(client);
  },
);
