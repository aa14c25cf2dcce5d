/** Jobs of the original Glacier API, by the clock of a cloud of one's own. */
import { SNS } from '@aws-sdk/client-sns';
import { SQS } from '@aws-sdk/client-sqs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { advanceClock, eventually, type OwnCloud, refused, startOwnCloud } from '../../support/cloud.ts';
import { freshVault, type TestVault, treeHash } from './support.ts';

const mebibyte = 1024 * 1024;
const minute = 60_000;
const hour = 60 * minute;
const day = 24 * hour;

let cloud: OwnCloud;
beforeAll(async () => {
  cloud = await startOwnCloud();
}, 40_000);
afterAll(() => cloud.stop());

async function ownVault() {
  const vault = await freshVault(cloud.endpoint);
  const { glacier, accountId, vaultName } = vault;
  const at = { accountId, vaultName };
  const start = async (jobParameters: Parameters<TestVault['glacier']['initiateJob']>[0]['jobParameters']) =>
    (await glacier.initiateJob({ ...at, jobParameters })).jobId ?? '';
  const status = async (jobId: string) => (await glacier.describeJob({ ...at, jobId })).StatusCode;
  const output = (jobId: string, range?: string) => glacier.getJobOutput({ ...at, jobId, range });
  const text = async (jobId: string) => (await (await output(jobId)).body?.transformToString()) ?? '';
  return { ...vault, at, start, status, output, text, advance: (millis: number) => advanceClock(cloud.endpoint, millis) };
}

test('GLAC-007 an archive is retrieved in the time of its tier; a vault is deleted when the inventory says it is empty', async () => {
  const { glacier, at, arn, upload, start, status, output, text, advance } = await ownVault();
  const archiveId = await upload('kept for years', 'letters');
  const jobs: Record<string, string> = {};
  for (const Tier of ['Expedited', 'Standard', 'Bulk'])
    jobs[Tier] = await start({ Type: 'archive-retrieval', ArchiveId: archiveId, Tier, Description: Tier });
  const { Expedited = '', Standard = '', Bulk = '' } = jobs;
  expect(await status(Expedited)).toBe('InProgress');
  await refused(
    output(Expedited),
    'InvalidParameterValueException',
    `The job is not currently available for download: ${Expedited}`,
    400,
  );
  await advance(50_000);
  expect(await status(Expedited)).toBe('InProgress');
  await advance(5 * minute);
  expect([await status(Expedited), await status(Standard)]).toEqual(['Succeeded', 'InProgress']);
  await advance(3 * hour - 6 * minute);
  expect(await status(Standard)).toBe('InProgress');
  await advance(2 * hour);
  expect([await status(Standard), await status(Bulk)]).toEqual(['Succeeded', 'InProgress']);
  await advance(7 * hour);
  expect(await status(Bulk)).toBe('Succeeded');
  for (const id of [Expedited, Standard, Bulk]) expect(await text(id)).toBe('kept for years');
  const described = await glacier.describeJob({ ...at, jobId: Standard });
  expect(described).toMatchObject({
    Action: 'ArchiveRetrieval',
    ArchiveId: archiveId,
    Completed: true,
    StatusMessage: 'Succeeded',
    ArchiveSizeInBytes: 14,
    SHA256TreeHash: treeHash(Buffer.from('kept for years')),
    RetrievalByteRange: '0-13',
    Tier: 'Standard',
    JobDescription: 'Standard',
  });
  expect((await glacier.listJobs({ ...at, completed: 'false' })).JobList).toEqual([]);

  const notEmpty = `Vault not empty or recently written to: ${arn}`;
  await refused(glacier.deleteVault(at), 'InvalidParameterValueException', notEmpty, 400);
  await advance(day);
  expect(await glacier.describeVault(at)).toMatchObject({ NumberOfArchives: 1, SizeInBytes: 14 });
  await refused(glacier.deleteVault(at), 'InvalidParameterValueException', notEmpty);
  await refused(output(Expedited), 'ResourceNotFoundException', `The job ID was not found: ${Expedited}`, 404);
  await glacier.deleteArchive({ ...at, archiveId });
  await refused(glacier.deleteVault(at), 'InvalidParameterValueException', notEmpty);
  await advance(day);
  expect((await glacier.describeVault(at)).NumberOfArchives).toBe(0);
  await glacier.deleteVault(at);
  await refused(glacier.describeVault(at), 'ResourceNotFoundException', `Vault not found for ARN: ${arn}`);
});

test('ranges of an archive carry the tree hash that covers them', async () => {
  const { glacier, at, start, output, advance } = await ownVault();
  const bytes = Buffer.alloc(3 * mebibyte + 100);
  for (let i = 0; i < bytes.length; i += 1) bytes[i] = (i * 7 + (i >> 12)) % 251;
  const { archiveId = '' } = await glacier.uploadArchive({ ...at, body: bytes, checksum: treeHash(bytes) });
  const ask = (RetrievalByteRange: string) => start({ Type: 'archive-retrieval', ArchiveId: archiveId, RetrievalByteRange });
  await refused(ask('1-1048575'), 'InvalidParameterValueException', 'Invalid retrieval byte range: 1-1048575', 400);
  await refused(ask('0-4194303'), 'InvalidParameterValueException', 'Invalid retrieval byte range: 0-4194303');
  const aligned = await ask(`${2 * mebibyte}-${bytes.length - 1}`);
  const crooked = await ask(`${mebibyte}-${3 * mebibyte - 1}`);
  await advance(5 * hour);
  const job = await glacier.describeJob({ ...at, jobId: aligned });
  expect(job.SHA256TreeHash).toBe(treeHash(bytes.subarray(2 * mebibyte)));
  expect(job.ArchiveSHA256TreeHash).toBe(treeHash(bytes));
  expect((await glacier.describeJob({ ...at, jobId: crooked })).SHA256TreeHash).toBeUndefined();
  const whole = await output(aligned);
  expect(whole.checksum).toBe(job.SHA256TreeHash);
  expect(Buffer.from((await whole.body?.transformToByteArray()) ?? []).equals(bytes.subarray(2 * mebibyte))).toBe(true);
  const part = await output(aligned, 'bytes=0-1048575');
  expect([part.status, part.contentRange]).toEqual([206, `bytes 0-1048575/${mebibyte + 100}`]);
  expect(part.checksum).toBe(treeHash(bytes.subarray(2 * mebibyte, 3 * mebibyte)));
  await part.body?.transformToByteArray();
  const few = await output(crooked, 'bytes=10-19');
  expect(few.checksum).toBeUndefined();
  expect(Buffer.from((await few.body?.transformToByteArray()) ?? [])).toEqual(bytes.subarray(mebibyte + 10, mebibyte + 20));
  await refused(output(crooked, 'bytes=5'), 'InvalidParameterValueException', 'Invalid range: bytes=5');
});

test('an inventory lists what was there when it was taken, and topics hear of jobs', async () => {
  const { account, glacier, at, arn, upload, start, text, advance } = await ownVault();
  const [sns, sqs] = [new SNS(account.config()), new SQS(account.config())];
  const { TopicArn = '' } = await sns.createTopic({ Name: 'jobs' });
  const { QueueUrl = '' } = await sqs.createQueue({ QueueName: 'jobs', Attributes: { MessageRetentionPeriod: '1209600' } });
  const queueArn = `arn:aws:sqs:us-east-1:${account.id}:jobs`;
  const statement = (Service: string, Action: string, Resource: string) =>
    JSON.stringify({ Version: '2012-10-17', Statement: [{ Effect: 'Allow', Principal: { Service }, Action, Resource }] });
  await sqs.setQueueAttributes({ QueueUrl, Attributes: { Policy: statement('sns.amazonaws.com', 'sqs:SendMessage', queueArn) } });
  await sns.setTopicAttributes({
    TopicArn,
    AttributeName: 'Policy',
    AttributeValue: statement('glacier.amazonaws.com', 'sns:Publish', TopicArn),
  });
  await sns.subscribe({ TopicArn, Protocol: 'sqs', Endpoint: queueArn, Attributes: { RawMessageDelivery: 'true' } });
  await refused(
    glacier.getVaultNotifications(at),
    'ResourceNotFoundException',
    `No notification configuration is set for vault: ${arn}`,
  );
  const config = (SNSTopic: string, Events: string[]) =>
    glacier.setVaultNotifications({ ...at, vaultNotificationConfig: { SNSTopic, Events } });
  await refused(
    config('topic', ['InventoryRetrievalCompleted']),
    'InvalidParameterValueException',
    'Invalid SNS topic ARN: topic',
  );
  await refused(config(TopicArn, ['Other']), 'InvalidParameterValueException', 'Invalid event: Other');
  await config(TopicArn, ['InventoryRetrievalCompleted']);

  const none = `There are currently no inventories available for ${arn}`;
  await refused(start({ Type: 'inventory-retrieval' }), 'ResourceNotFoundException', none, 404);
  const first = await upload('one', 'a "quoted" name');
  const second = await upload('second');
  await advance(day);
  await upload('too late');
  await glacier.deleteArchive({ ...at, archiveId: second });
  const job = await start({ Type: 'inventory-retrieval', Description: 'all' });
  const csv = await start({ Type: 'inventory-retrieval', Format: 'CSV', InventoryRetrievalParameters: { Limit: '1' } });
  await advance(5 * hour);
  const inventory = JSON.parse(await text(job)) as { VaultARN: string; ArchiveList: Record<string, unknown>[] };
  expect(inventory.VaultARN).toBe(arn);
  const sorted = (a: unknown, b: unknown) => String(a).localeCompare(String(b));
  expect(inventory.ArchiveList.map((archive) => archive['ArchiveId']).sort(sorted)).toEqual([first, second].sort(sorted));
  expect(inventory.ArchiveList.find((archive) => archive['ArchiveId'] === first)).toMatchObject({
    ArchiveDescription: 'a "quoted" name',
    Size: 3,
    SHA256TreeHash: treeHash(Buffer.from('one')),
  });
  const lines = (await text(csv)).trimEnd().split('\r\n');
  expect(lines[0]).toBe('ArchiveId,ArchiveDescription,CreationDate,Size,SHA256TreeHash');
  expect(lines).toHaveLength(2);
  const { InventoryRetrievalParameters: asked } = await glacier.describeJob({ ...at, jobId: csv });
  expect(lines[1]?.startsWith(`${asked?.Marker},`)).toBe(true);
  const told = await eventually(
    async () => {
      const { Messages = [] } = await sqs.receiveMessage({ QueueUrl, MaxNumberOfMessages: 10, VisibilityTimeout: 0 });
      const notices = Messages.map(({ Body = '' }) => JSON.parse(Body) as Record<string, unknown>);
      expect(notices.map((notice) => notice['JobId']).sort(sorted)).toEqual([job, csv].sort(sorted));
      return notices;
    },
    { why: 'both jobs are told' },
  );
  expect(told.find((notice) => notice['JobId'] === job)).toMatchObject({
    Action: 'InventoryRetrieval',
    Completed: true,
    StatusCode: 'Succeeded',
    VaultARN: arn,
    JobDescription: 'all',
  });
  await glacier.deleteVaultNotifications(at);
});

test('an archive deleted on its way is not to be had, one that is ready is; a retrieval policy bounds the hour', async () => {
  const { glacier, at, upload, start, status, text, advance } = await ownVault();
  const [early, late] = [await upload('early'), await upload('late!')];
  const ready = await start({ Type: 'archive-retrieval', ArchiveId: early, Tier: 'Expedited' });
  await advance(5 * minute);
  const lost = await start({ Type: 'archive-retrieval', ArchiveId: late });
  for (const archiveId of [early, late]) await glacier.deleteArchive({ ...at, archiveId });
  const gone = start({ Type: 'archive-retrieval', ArchiveId: late });
  await refused(gone, 'ResourceNotFoundException', `The archive ID was not found: ${late}`, 404);
  await advance(5 * hour);
  expect(await status(lost)).toBe('Failed');
  expect(await text(ready)).toBe('early');

  const set = (Rules: object[]) => glacier.setDataRetrievalPolicy({ accountId: '-', Policy: { Rules } });
  expect((await glacier.getDataRetrievalPolicy({ accountId: '-' })).Policy?.Rules).toEqual([{ Strategy: 'None' }]);
  await refused(set([{ Strategy: 'All' }]), 'InvalidParameterValueException', 'Invalid strategy: All');
  await refused(set([{ Strategy: 'BytesPerHour' }]), 'InvalidParameterValueException', 'Invalid BytesPerHour: null');
  await set([{ Strategy: 'BytesPerHour', BytesPerHour: 10 }]);
  const ArchiveId = await upload('six by');
  await start({ Type: 'archive-retrieval', ArchiveId });
  const denied = 'InitiateJob request denied by current data retrieval policy.';
  await refused(start({ Type: 'archive-retrieval', ArchiveId }), 'PolicyEnforcedException', denied, 400);
  await start({ Type: 'archive-retrieval', ArchiveId, Tier: 'Expedited' });
  await advance(hour + minute);
  await start({ Type: 'archive-retrieval', ArchiveId });
  await refused(start({ Type: 'select' }), 'InvalidParameterValueException', 'Invalid job type: select');
  await refused(
    start({ Type: 'archive-retrieval', ArchiveId, Tier: 'Fast' }),
    'InvalidParameterValueException',
    'Invalid tier: Fast',
  );
});

test('a lock that is not completed within a day is gone, and so is an upload without parts', async () => {
  const { glacier, at, arn, advance } = await ownVault();
  const deny = { Effect: 'Deny', Principal: '*', Action: 'glacier:ListJobs', Resource: arn };
  const Policy = JSON.stringify({ Version: '2012-10-17', Statement: [deny] });
  const { lockId = '' } = await glacier.initiateVaultLock({ ...at, policy: { Policy } });
  const { uploadId = '' } = await glacier.initiateMultipartUpload({ ...at, partSize: String(mebibyte) });
  await refused(glacier.listJobs(at), 'AccessDeniedException', undefined, 403);
  await advance(day);
  expect((await glacier.listJobs(at)).JobList).toEqual([]);
  const text = `The vault lock is not in progress for vault: ${arn}`;
  await refused(glacier.completeVaultLock({ ...at, lockId }), 'InvalidParameterValueException', text);
  await refused(glacier.listParts({ ...at, uploadId }), 'ResourceNotFoundException', `The upload ID was not found: ${uploadId}`);
});
