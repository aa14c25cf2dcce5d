/** What IAM's tests share: clients of one account, users with keys, policies in short, one-time codes. */
import { createHash, createHmac } from 'node:crypto';
import { EC2 } from '@aws-sdk/client-ec2';
import { type AccessKey, IAM } from '@aws-sdk/client-iam';
import { STS } from '@aws-sdk/client-sts';
import { freshAccount, type TestAccount } from '../../support/cloud.ts';

export interface Rooted {
  account: TestAccount;
  /** IAM as the account's root user. */
  iam: IAM;
}

/** An account of its own with IAM as root. */
export function rooted(endpoint?: string): Rooted {
  const account = endpoint === undefined ? freshAccount() : freshAccount(endpoint);
  return { account, iam: new IAM(account.config()) };
}

export interface KeyedUser {
  name: string;
  key: AccessKey;
  iam: IAM;
  ec2: EC2;
  sts: STS;
}

/** A user of this name with an access key, and clients that sign with it. */
export async function userWithKey({ account, iam }: Rooted, name: string): Promise<KeyedUser> {
  await iam.createUser({ UserName: name });
  const { AccessKey: key } = await iam.createAccessKey({ UserName: name });
  if (key === undefined) throw new Error('CreateAccessKey returned no key.');
  const config = account.configFor(key);
  return { name, key, iam: new IAM(config), ec2: new EC2(config), sts: new STS(config) };
}

export type Statement = Readonly<Record<string, unknown>>;

/** A policy document of these statements. */
export function policy(...statements: Statement[]): string {
  return JSON.stringify({ Version: '2012-10-17', Statement: statements });
}

/** A statement that allows actions, on everything unless told. */
export function allow(
  actions: string | readonly string[],
  resource: string | readonly string[] = '*',
  more: Statement = {},
): Statement {
  return { Effect: 'Allow', Action: actions, Resource: resource, ...more };
}

/** A statement that denies actions. */
export function deny(
  actions: string | readonly string[],
  resource: string | readonly string[] = '*',
  more: Statement = {},
): Statement {
  return { Effect: 'Deny', Action: actions, Resource: resource, ...more };
}

/** The code of RFC 6238 for a seed at a number of 30-second steps from a time. */
export function totp(seed: Uint8Array, steps: number, time: number = Date.now()): string {
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(Math.floor(time / 30_000) + steps));
  const digest = createHmac('sha1', seed).update(counter).digest();
  const offset = (digest[19] ?? 0) & 15;
  return String((digest.readUInt32BE(offset) & 0x7fffffff) % 1_000_000).padStart(6, '0');
}

/** Bytes of a base32 text. */
export function fromBase32(text: string): Uint8Array {
  const bits = [...text]
    .map((letter) => 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'.indexOf(letter).toString(2).padStart(5, '0'))
    .join('');
  return Uint8Array.from(bits.match(/.{8}/g) ?? [], (byte) => Number.parseInt(byte, 2));
}

/** The seed of a hardware token of this cloud: the SHA-1 of its serial number. */
export function tokenSeed(serial: string): Uint8Array {
  return createHash('sha1').update(serial).digest();
}

/** A list of what `make` makes of 0, 1, 2… */
export const many = <T>(count: number, make: (index: number) => T): T[] =>
  Array.from({ length: count }, (_, index) => make(index));
