/** What S3's tests share: a client and a bucket of an account of their own. */
import { S3 } from '@aws-sdk/client-s3';
import { freshAccount, type TestAccount } from '../../support/cloud.ts';

/** A client that addresses buckets by path, as official clients do for an endpoint that is an address. */
export function clientOf(account: TestAccount, overrides: Parameters<TestAccount['config']>[0] = {}): S3 {
  return new S3({ ...account.config(overrides), forcePathStyle: true });
}

let count = 0;

/** A bucket name nobody else has. */
export function freshName(account: TestAccount): string {
  count += 1;
  return `test-${account.id}-${count}`;
}

export interface TestBucket {
  account: TestAccount;
  s3: S3;
  Bucket: string;
}

/** A new bucket in an account of its own. */
export async function freshBucket(input: Partial<Parameters<S3['createBucket']>[0]> = {}): Promise<TestBucket> {
  const account = freshAccount();
  const s3 = clientOf(account);
  const Bucket = freshName(account);
  await s3.createBucket({ ...input, Bucket });
  return { account, s3, Bucket };
}

/** The text of an object. */
export async function textOf(s3: S3, input: Parameters<S3['getObject']>[0]): Promise<string> {
  const { Body } = await s3.getObject(input);
  return (await Body?.transformToString()) ?? '';
}
