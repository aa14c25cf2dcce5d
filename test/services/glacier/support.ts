/** What Glacier's tests share. */
import { createHash } from 'node:crypto';
import { Glacier } from '@aws-sdk/client-glacier';
import { freshAccount, type TestAccount } from '../../support/cloud.ts';

const leafBytes = 1024 * 1024;

/** SHA-256 tree hash, written a second time for the tests: leaves of a MiB, joined by twos. */
export function treeHash(bytes: Uint8Array): string {
  const sha = (part: Uint8Array) => createHash('sha256').update(part).digest();
  let level: Buffer[] = [];
  for (let at = 0; at < Math.max(bytes.length, 1); at += leafBytes) level.push(sha(bytes.subarray(at, at + leafBytes)));
  while (level.length > 1) {
    const above: Buffer[] = [];
    for (let i = 0; i < level.length; i += 2)
      above.push(level[i + 1] === undefined ? level[i]! : sha(Buffer.concat([level[i]!, level[i + 1]!])));
    level = above;
  }
  return level[0]!.toString('hex');
}

export interface TestVault {
  account: TestAccount;
  glacier: Glacier;
  accountId: string;
  vaultName: string;
  arn: string;
  upload(body: string | Uint8Array, archiveDescription?: string): Promise<string>;
}

/** A new vault in an account of its own, in the shared cloud or in the one at `endpoint`. */
export async function freshVault(endpoint?: string): Promise<TestVault> {
  const account = endpoint === undefined ? freshAccount() : freshAccount(endpoint);
  const glacier = new Glacier(account.config());
  const [accountId, vaultName] = ['-', 'photos'];
  await glacier.createVault({ accountId, vaultName });
  return {
    account,
    glacier,
    accountId,
    vaultName,
    arn: `arn:aws:glacier:us-east-1:${account.id}:vaults/${vaultName}`,
    async upload(body, archiveDescription) {
      const bytes = Buffer.from(body as string);
      const input = { accountId, vaultName, body: bytes, checksum: treeHash(bytes), archiveDescription };
      return (await glacier.uploadArchive(input)).archiveId ?? '';
    },
  };
}
