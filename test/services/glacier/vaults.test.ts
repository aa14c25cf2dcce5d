/** Vaults and archives of the original Glacier API, as far as they need no clock. */
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { Glacier } from '@aws-sdk/client-glacier';
import { IAM } from '@aws-sdk/client-iam';
import { S3 } from '@aws-sdk/client-s3';
import { expect, test } from 'vitest';
import { freshAccount, refused } from '../../support/cloud.ts';
import { freshVault, treeHash } from './support.ts';

const run = promisify(execFile);
const mebibyte = 1024 * 1024;

test('a vault is made once, described, listed by pages and deleted', async () => {
  const { account, glacier, accountId, vaultName, arn } = await freshVault();
  const again = await glacier.createVault({ accountId, vaultName });
  expect(again.location).toBe(`/${account.id}/vaults/${vaultName}`);
  const { VaultARN, VaultName, NumberOfArchives, SizeInBytes, LastInventoryDate, CreationDate } = await glacier.describeVault({
    accountId,
    vaultName,
  });
  expect({ VaultARN, VaultName, NumberOfArchives, SizeInBytes, LastInventoryDate }).toEqual({
    VaultARN: arn,
    VaultName: vaultName,
    NumberOfArchives: 0,
    SizeInBytes: 0,
    LastInventoryDate: undefined,
  });
  expect(CreationDate).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  await glacier.createVault({ accountId: account.id, vaultName: 'videos' });
  const first = await glacier.listVaults({ accountId, limit: 1 });
  expect(first.VaultList?.map((vault) => vault.VaultName)).toEqual(['photos']);
  expect(first.Marker).toBe(arn.replace('photos', 'videos'));
  const rest = await glacier.listVaults({ accountId, marker: first.Marker });
  expect(rest.VaultList?.map((vault) => vault.VaultName)).toEqual(['videos']);
  expect(rest.Marker).toBeUndefined();

  await refused(
    glacier.createVault({ accountId, vaultName: 'a b' }),
    'InvalidParameterValueException',
    'Invalid vault name: a b',
    400,
  );
  await refused(glacier.listVaults({ accountId, limit: 0 }), 'InvalidParameterValueException', 'Invalid limit: 0');
  await refused(glacier.listVaults({ accountId: '123456789012' }), 'AccessDeniedException', undefined, 403);
  const elsewhere = new Glacier(account.config({ region: 'eu-west-1' })).describeVault({ accountId, vaultName });
  const notFound = `Vault not found for ARN: ${arn.replace('us-east-1', 'eu-west-1')}`;
  await refused(elsewhere, 'ResourceNotFoundException', notFound, 404);
  await glacier.deleteVault({ accountId, vaultName });
  await glacier.deleteVault({ accountId, vaultName });
  await refused(glacier.describeVault({ accountId, vaultName }), 'ResourceNotFoundException', `Vault not found for ARN: ${arn}`);
});

test('an archive goes into the vault with its tree hash, and is no S3 object', async () => {
  const { account, glacier, accountId, vaultName, arn, upload } = await freshVault();
  const bytes = Buffer.alloc(3 * mebibyte + 17, 'archive');
  const checksum = treeHash(bytes);
  const sent = await glacier.uploadArchive({ accountId, vaultName, body: bytes, checksum, archiveDescription: 'my photos' });
  expect(sent.archiveId).toMatch(/^[\w-]{138}$/);
  expect(sent.checksum).toBe(checksum);
  expect(sent.location).toBe(`/${account.id}/vaults/${vaultName}/archives/${sent.archiveId}`);
  expect((await new S3(account.config()).listBuckets({})).Buckets).toEqual([]);

  const wrong = 'f'.repeat(64);
  await refused(
    glacier.uploadArchive({ accountId, vaultName, body: 'x', checksum: wrong }),
    'InvalidParameterValueException',
    `Checksum mismatch: expected ${wrong}, computed ${treeHash(Buffer.from('x'))}`,
    400,
  );
  await refused(upload('x', 'd'.repeat(1025)), 'InvalidParameterValueException', /^Invalid archive description: /);
  const missing = glacier.uploadArchive({ accountId, vaultName: 'nowhere', body: 'x', checksum: treeHash(Buffer.from('x')) });
  await refused(missing, 'ResourceNotFoundException', `Vault not found for ARN: ${arn.replace('photos', 'nowhere')}`);
  const archiveId = sent.archiveId ?? '';
  await glacier.deleteArchive({ accountId, vaultName, archiveId });
  await glacier.deleteArchive({ accountId, vaultName, archiveId });
  const unknown = glacier.deleteArchive({ accountId, vaultName, archiveId: 'nothing' });
  await refused(unknown, 'ResourceNotFoundException', 'The archive ID was not found: nothing', 404);
});

test('an archive comes in parts, in any order, and is what its parts say', async () => {
  const { glacier, accountId, vaultName } = await freshVault();
  const bytes = Buffer.alloc(2 * mebibyte + 5, 'part');
  const at = { accountId, vaultName };
  const badSize = 'Part size must not be null, must be a power of two and be between 1048576 and 4294967296 bytes.';
  const odd = glacier.initiateMultipartUpload({ ...at, partSize: '3145728' });
  await refused(odd, 'InvalidParameterValueException', `Invalid part size: 3145728. ${badSize}`);
  const { uploadId = '' } = await glacier.initiateMultipartUpload({
    ...at,
    partSize: String(mebibyte),
    archiveDescription: 'parts',
  });
  const put = (start: number, end = Math.min(start + mebibyte, bytes.length), range = `bytes ${start}-${end - 1}/*`) => {
    const body = bytes.subarray(start, end);
    return glacier.uploadMultipartPart({ ...at, uploadId, range, body, checksum: treeHash(body) });
  };
  await put(2 * mebibyte);
  await put(0);
  const complete = (archiveSize = bytes.length, checksum = treeHash(bytes)) =>
    glacier.completeMultipartUpload({ ...at, uploadId, archiveSize: String(archiveSize), checksum });
  await refused(complete(), 'InvalidParameterValueException', `Invalid archive size: ${bytes.length}`);
  await refused(put(1), 'InvalidParameterValueException', 'Invalid Content-Range: bytes 1-1048576/*');
  const short = 'bytes 1048576-2097151/*';
  const incompatible = `Content-Range: ${short} is incompatible with Content-Length: 10`;
  await refused(put(mebibyte, mebibyte + 10, short), 'InvalidParameterValueException', incompatible);
  expect((await put(mebibyte)).checksum).toBe(treeHash(bytes.subarray(mebibyte, 2 * mebibyte)));
  const listed = await glacier.listParts({ ...at, uploadId, limit: 2 });
  expect(listed.Parts?.map(({ RangeInBytes }) => RangeInBytes)).toEqual(['0-1048575', '1048576-2097151']);
  const rest = await glacier.listParts({ ...at, uploadId, marker: listed.Marker });
  expect(rest.Parts).toEqual([{ RangeInBytes: '2097152-2097156', SHA256TreeHash: treeHash(bytes.subarray(2 * mebibyte)) }]);
  expect((await glacier.listMultipartUploads(at)).UploadsList).toMatchObject([
    { MultipartUploadId: uploadId, ArchiveDescription: 'parts', PartSizeInBytes: mebibyte },
  ]);
  const wrong = 'a'.repeat(64);
  await refused(complete(bytes.length, wrong), 'InvalidParameterValueException', `Invalid x-amz-sha256-tree-hash: ${wrong}`);
  expect((await complete()).checksum).toBe(treeHash(bytes));
  await refused(complete(), 'ResourceNotFoundException', `The upload ID was not found: ${uploadId}`);

  const { uploadId: given = '' } = await glacier.initiateMultipartUpload({ ...at, partSize: String(mebibyte) });
  await glacier.abortMultipartUpload({ ...at, uploadId: given });
  await refused(
    glacier.listParts({ ...at, uploadId: given }),
    'ResourceNotFoundException',
    `The upload ID was not found: ${given}`,
  );
});

test('an access policy lets other accounts in, and a lock keeps them and the owner out', async () => {
  const { account, glacier, vaultName, arn, upload } = await freshVault();
  const at = { accountId: account.id, vaultName };
  const other = freshAccount();
  const stranger = new Glacier(other.config());
  await refused(stranger.describeVault(at), 'AccessDeniedException', undefined, 403);
  const allow = { Effect: 'Allow', Principal: { AWS: other.id }, Action: 'glacier:DescribeVault', Resource: arn };
  const Policy = JSON.stringify({ Version: '2012-10-17', Statement: [allow] });
  await refused(glacier.getVaultAccessPolicy(at), 'ResourceNotFoundException', `No vault access policy is set for vault: ${arn}`);
  await refused(
    glacier.setVaultAccessPolicy({ ...at, policy: { Policy: '{' } }),
    'InvalidParameterValueException',
    /^Invalid policy: /,
  );
  await glacier.setVaultAccessPolicy({ ...at, policy: { Policy } });
  expect((await glacier.getVaultAccessPolicy(at)).policy?.Policy).toBe(Policy);
  expect((await stranger.describeVault(at)).VaultARN).toBe(arn);
  await refused(stranger.listJobs(at), 'AccessDeniedException');
  await glacier.deleteVaultAccessPolicy(at);
  await refused(stranger.describeVault(at), 'AccessDeniedException');

  const young = { NumericLessThan: { 'glacier:ArchiveAgeInDays': '365' } };
  const deny = { Effect: 'Deny', Principal: '*', Action: 'glacier:DeleteArchive', Resource: arn, Condition: young };
  const lock = { policy: { Policy: JSON.stringify({ Version: '2012-10-17', Statement: [deny] }) } };
  const archiveId = await upload('kept');
  const { lockId = '' } = await glacier.initiateVaultLock({ ...at, ...lock });
  expect(await glacier.getVaultLock(at)).toMatchObject({ State: 'InProgress', ExpirationDate: expect.any(String) });
  await refused(glacier.deleteArchive({ ...at, archiveId }), 'AccessDeniedException', undefined, 403);
  await glacier.abortVaultLock(at);
  await refused(glacier.getVaultLock(at), 'ResourceNotFoundException', `No vault lock policy is set for vault: ${arn}`);
  await glacier.deleteArchive({ ...at, archiveId: await upload('gone') });
  const second = await glacier.initiateVaultLock({ ...at, ...lock });
  await refused(glacier.completeVaultLock({ ...at, lockId }), 'InvalidParameterValueException', `Invalid lock ID: ${lockId}`);
  await refused(glacier.initiateVaultLock({ ...at, ...lock }), 'AccessDeniedException', /abort it first/);
  for (let i = 0; i < 2; i += 1) await glacier.completeVaultLock({ ...at, lockId: second.lockId ?? '' });
  expect((await glacier.getVaultLock(at)).State).toBe('Locked');
  await refused(glacier.abortVaultLock(at), 'AccessDeniedException', /can no longer be changed/, 403);
  await refused(glacier.initiateVaultLock({ ...at, ...lock }), 'AccessDeniedException', /can no longer be changed/);
  await refused(glacier.deleteArchive({ ...at, archiveId }), 'AccessDeniedException');
});

test('a user does what policies let it, by the tags of vaults too', async () => {
  const { account, glacier, accountId, vaultName, arn } = await freshVault();
  const iam = new IAM(account.config());
  await iam.createUser({ UserName: 'u' });
  const { AccessKey } = await iam.createAccessKey({ UserName: 'u' });
  const statement = (team: string) => ({
    Effect: 'Allow',
    Action: 'glacier:DescribeVault',
    Resource: arn,
    Condition: { StringEquals: { 'glacier:ResourceTag/team': team } },
  });
  const PolicyDocument = JSON.stringify({ Version: '2012-10-17', Statement: [statement('red')] });
  await iam.putUserPolicy({ UserName: 'u', PolicyName: 'p', PolicyDocument });
  const user = new Glacier(account.configFor(AccessKey ?? {}));
  await refused(user.describeVault({ accountId, vaultName }), 'AccessDeniedException', /glacier:DescribeVault/, 403);
  await glacier.addTagsToVault({ accountId, vaultName, Tags: { team: 'red', old: '1' } });
  expect((await user.describeVault({ accountId, vaultName })).VaultARN).toBe(arn);
  await refused(user.listVaults({ accountId }), 'AccessDeniedException', /glacier:ListVaults/);
  await glacier.removeTagsFromVault({ accountId, vaultName, TagKeys: ['team', 'none'] });
  expect((await glacier.listTagsForVault({ accountId, vaultName })).Tags).toEqual({ old: '1' });
  await refused(user.describeVault({ accountId, vaultName }), 'AccessDeniedException');
  const many = Object.fromEntries(Array.from({ length: 50 }, (_, i) => [`k${i}`, 'v']));
  await refused(
    glacier.addTagsToVault({ accountId, vaultName, Tags: many }),
    'LimitExceededException',
    'Tag count exceeds the limit: 50',
  );
  const reserved = glacier.addTagsToVault({ accountId, vaultName, Tags: { 'aws:x': 'y' } });
  await refused(reserved, 'InvalidParameterValueException', 'Invalid tag key: aws:x');
});

test('the aws CLI uploads an archive and asks for it', async (context) => {
  const version = await run('aws', ['--version']).catch(() => undefined);
  context.skip(version === undefined, 'no aws CLI');
  const { account, vaultName } = await freshVault();
  const folder = await mkdtemp(path.join(os.tmpdir(), 'pilvi-glacier-'));
  try {
    const file = path.join(folder, 'archive');
    const bytes = Buffer.alloc(2 * mebibyte, 'cli');
    await writeFile(file, bytes);
    const aws = async (...args: string[]) => {
      const { stdout } = await run('aws', ['glacier', ...args, '--account-id', '-', '--vault-name', vaultName], {
        env: account.env(),
      });
      return JSON.parse(stdout) as Record<string, unknown>;
    };
    const sent = await aws('upload-archive', '--archive-description', 'from the CLI', '--body', file);
    expect(sent['checksum']).toBe(treeHash(bytes));
    const parameters = JSON.stringify({ Type: 'archive-retrieval', ArchiveId: sent['archiveId'], Tier: 'Bulk' });
    const { jobId } = await aws('initiate-job', '--job-parameters', parameters);
    const listed = await aws('list-jobs');
    expect(listed['JobList']).toMatchObject([{ JobId: jobId, StatusCode: 'InProgress', Tier: 'Bulk' }]);
  } finally {
    await rm(folder, { recursive: true });
  }
});
