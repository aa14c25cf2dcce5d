/** Archive classes and restores, by the clock of a cloud of one's own. */
import { SQS } from '@aws-sdk/client-sqs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { advanceClock, eventually, freshAccount, type OwnCloud, refused, startOwnCloud } from '../../support/cloud.ts';
import { clientOf, freshBucket, freshName, textOf } from './support.ts';

const minute = 60_000;
const hour = 60 * minute;
const notReadable = "The operation is not valid for the object's storage class";

let cloud: OwnCloud;
beforeAll(async () => {
  cloud = await startOwnCloud();
}, 40_000);
afterAll(() => cloud.stop());

async function ownBucket() {
  const account = freshAccount(cloud.endpoint);
  const s3 = clientOf(account);
  const Bucket = freshName(account);
  await s3.createBucket({ Bucket });
  const put = (Key: string, StorageClass: 'GLACIER' | 'DEEP_ARCHIVE') => s3.putObject({ Bucket, Key, Body: Key, StorageClass });
  const restore = (Key: string, Tier: 'Expedited' | 'Standard' | 'Bulk', Days = 2) =>
    s3.restoreObject({ Bucket, Key, RestoreRequest: { Days, GlacierJobParameters: { Tier } } });
  const readable = async () => {
    const found: string[] = [];
    for (const { Key = '' } of (await s3.listObjectsV2({ Bucket })).Contents ?? []) {
      if (await textOf(s3, { Bucket, Key }).catch(() => undefined)) found.push(Key);
    }
    return found;
  };
  return { account, s3, Bucket, put, restore, readable, advance: (millis: number) => advanceClock(cloud.endpoint, millis) };
}

test('GLAC-001 of the three archive classes only instant retrieval is read at once', async () => {
  const { s3, Bucket } = await freshBucket();
  for (const StorageClass of ['GLACIER_IR', 'GLACIER', 'DEEP_ARCHIVE'] as const) {
    await s3.putObject({ Bucket, Key: StorageClass, Body: 'x', StorageClass });
    expect((await s3.headObject({ Bucket, Key: StorageClass })).StorageClass).toBe(StorageClass);
  }
  expect(await textOf(s3, { Bucket, Key: 'GLACIER_IR' })).toBe('x');
  await refused(s3.getObject({ Bucket, Key: 'GLACIER' }), 'InvalidObjectState', notReadable, 403);
  await refused(s3.getObject({ Bucket, Key: 'DEEP_ARCHIVE' }), 'InvalidObjectState', notReadable, 403);
  const copy = s3.copyObject({ Bucket, Key: 'copy', CopySource: `${Bucket}/GLACIER` });
  await refused(copy, 'InvalidObjectState', notReadable, 403);
});

test('GLAC-003 an archived object is read after a restore, until its days are over', async () => {
  const { account, s3, Bucket, put, restore, advance } = await ownBucket();
  const sqs = new SQS(account.config());
  const { QueueUrl = '' } = await sqs.createQueue({ QueueName: 'restores', Attributes: { MessageRetentionPeriod: '1209600' } });
  const QueueArn = `arn:aws:sqs:us-east-1:${account.id}:restores`;
  const allow = { Effect: 'Allow', Principal: { Service: 's3.amazonaws.com' }, Action: 'sqs:SendMessage', Resource: QueueArn };
  const Policy = JSON.stringify({ Version: '2012-10-17', Statement: [allow] });
  await sqs.setQueueAttributes({ QueueUrl, Attributes: { Policy } });
  const QueueConfigurations = [{ QueueArn, Events: ['s3:ObjectRestore:*' as const] }];
  await s3.putBucketNotificationConfiguration({ Bucket, NotificationConfiguration: { QueueConfigurations } });
  await put('k', 'GLACIER');
  const { Restore: before } = await s3.headObject({ Bucket, Key: 'k' });
  expect(before).toBeUndefined();
  await refused(s3.getObject({ Bucket, Key: 'k' }), 'InvalidObjectState', notReadable, 403);
  expect((await restore('k', 'Standard')).$metadata.httpStatusCode).toBe(202);
  expect((await s3.headObject({ Bucket, Key: 'k' })).Restore).toBe('ongoing-request="true"');
  await refused(restore('k', 'Standard'), 'RestoreAlreadyInProgress', 'Object restore is already in progress', 409);
  await refused(s3.getObject({ Bucket, Key: 'k' }), 'InvalidObjectState', notReadable, 403);
  await advance(5 * hour);
  const { Restore = '', StorageClass } = await s3.headObject({ Bucket, Key: 'k' });
  const [, date = ''] = /^ongoing-request="false", expiry-date="([^"]+ 00:00:00 GMT)"$/.exec(Restore) ?? [];
  expect(StorageClass).toBe('GLACIER');
  expect(await textOf(s3, { Bucket, Key: 'k' })).toBe('k');
  expect((await restore('k', 'Standard', 4)).$metadata.httpStatusCode).toBe(200);
  const later = await s3.headObject({ Bucket, Key: 'k' });
  expect(later.Restore).not.toContain(date);
  await advance(72 * hour);
  expect(await textOf(s3, { Bucket, Key: 'k' })).toBe('k');
  await advance(48 * hour);
  await refused(s3.getObject({ Bucket, Key: 'k' }), 'InvalidObjectState', notReadable, 403);
  expect((await s3.headObject({ Bucket, Key: 'k' })).Restore).toBeUndefined();
  const names: string[] = [];
  await eventually(
    async () => {
      const { Messages = [] } = await sqs.receiveMessage({ QueueUrl, MaxNumberOfMessages: 10 });
      for (const { Body = '' } of Messages) names.push(/"eventName":"([^"]+)"/.exec(Body)?.[1] ?? 'test');
      expect(names.sort()).toEqual(['ObjectRestore:Completed', 'ObjectRestore:Delete', 'ObjectRestore:Post', 'test']);
    },
    { why: 'the restore is told' },
  );
});

test('GLAC-004 flexible retrieval takes minutes, 3 to 5 or 5 to 12 hours, by tier', async () => {
  const { put, restore, readable, advance } = await ownBucket();
  for (const tier of ['Expedited', 'Standard', 'Bulk'] as const) {
    await put(tier, 'GLACIER');
    await restore(tier, tier);
  }
  await advance(minute - 10_000);
  expect(await readable()).toEqual([]);
  await advance(4 * minute);
  expect(await readable()).toEqual(['Expedited']);
  await advance(3 * hour - 5 * minute);
  expect(await readable()).toEqual(['Expedited']);
  await advance(2 * hour);
  expect(await readable()).toEqual(['Expedited', 'Standard']);
  await advance(7 * hour);
  expect(await readable()).toEqual(['Bulk', 'Expedited', 'Standard']);
});

test('GLAC-005 deep archive takes up to 12 or 48 hours, and has no expedited tier', async () => {
  const { put, restore, readable, advance } = await ownBucket();
  for (const tier of ['Standard', 'Bulk'] as const) {
    await put(tier, 'DEEP_ARCHIVE');
    await restore(tier, tier);
  }
  await put('none', 'DEEP_ARCHIVE');
  const text = 'Retrieval option is not supported by this storage class';
  await refused(restore('none', 'Expedited'), 'InvalidArgument', text, 400);
  await advance(6 * hour);
  expect(await readable()).toEqual([]);
  await advance(6 * hour);
  expect(await readable()).toEqual(['Standard']);
  await advance(36 * hour);
  expect(await readable()).toEqual(['Bulk', 'Standard']);
});

test('a restore of what is no archive, or without days, is refused', async () => {
  const { s3, Bucket } = await freshBucket();
  await s3.putObject({ Bucket, Key: 'k', Body: 'x' });
  const restore = (Key: string, Days?: number) => s3.restoreObject({ Bucket, Key, RestoreRequest: { Days } });
  const text = "Restore is not allowed for the object's current storage class";
  await refused(restore('k', 1), 'InvalidObjectState', text, 403);
  await refused(restore('absent', 1), 'NoSuchKey', 'The specified key does not exist.', 404);
  await s3.putObject({ Bucket, Key: 'cold', Body: 'x', StorageClass: 'GLACIER' });
  await refused(restore('cold'), 'MalformedXML', undefined, 400);
  await refused(restore('cold', 0), 'MalformedXML', undefined, 400);
});
