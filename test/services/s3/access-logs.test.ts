/** Server access logs, by the clock of a cloud of one's own. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { advanceClock, eventually, freshAccount, type OwnCloud, refused, startOwnCloud } from '../../support/cloud.ts';
import { clientOf, freshName, textOf } from './support.ts';

const minutes = 60_000;

let cloud: OwnCloud;
beforeAll(async () => {
  cloud = await startOwnCloud();
}, 40_000);
afterAll(() => cloud.stop());

async function loggedBucket() {
  const account = freshAccount(cloud.endpoint);
  const s3 = clientOf(account);
  const [Bucket, logs] = [freshName(account), freshName(account)];
  for (const name of [Bucket, logs]) await s3.createBucket({ Bucket: name });
  const statement = {
    Effect: 'Allow',
    Principal: { Service: 'logging.s3.amazonaws.com' },
    Action: 's3:PutObject',
    Resource: `arn:aws:s3:::${logs}/*`,
    Condition: { ArnLike: { 'aws:SourceArn': `arn:aws:s3:::${Bucket}` }, StringEquals: { 'aws:SourceAccount': account.id } },
  };
  const allow = () =>
    s3.putBucketPolicy({ Bucket: logs, Policy: JSON.stringify({ Version: '2012-10-17', Statement: [statement] }) });
  const log = (over: object = {}, TargetBucket = logs) =>
    s3.putBucketLogging({
      Bucket,
      BucketLoggingStatus: { LoggingEnabled: { TargetBucket, TargetPrefix: 'access/', ...over } },
    });
  const keys = async () => ((await s3.listObjectsV2({ Bucket: logs })).Contents ?? []).map(({ Key = '' }) => Key);
  const lines = async () => {
    const texts = await Promise.all((await keys()).map((Key) => textOf(s3, { Bucket: logs, Key })));
    return texts.flatMap((text) => text.trimEnd().split('\n'));
  };
  return { account, s3, Bucket, logs, allow, log, keys, lines };
}

/** The fields of a line: quoted texts and times in brackets are one. */
function fieldsOf(line: string): string[] {
  return [...line.matchAll(/"([^"]*)"|\[([^\]]*)\]|(\S+)/g)].map(([, text, time, word]) => text ?? time ?? word ?? '');
}

test('requests for a bucket are logged to another, line by line in the format of S3', async () => {
  const { s3, Bucket, logs, allow, log, keys, lines } = await loggedBucket();
  expect(await s3.getBucketLogging({ Bucket })).not.toHaveProperty('LoggingEnabled');
  await allow();
  await log();
  expect((await s3.getBucketLogging({ Bucket })).LoggingEnabled).toEqual({ TargetBucket: logs, TargetPrefix: 'access/' });
  await s3.putObject({ Bucket, Key: 'a b/ä', Body: 'twelve bytes' });
  expect(await textOf(s3, { Bucket, Key: 'a b/ä' })).toBe('twelve bytes');
  await refused(s3.getObject({ Bucket, Key: 'missing' }), 'NoSuchKey');
  const answer = await fetch(`${cloud.endpoint}/${Bucket}/a%20b/%C3%A4?x="quoted"`, {
    headers: { referer: 'http://example.com/', 'user-agent': 'a "strange" agent' },
  });
  expect(answer.status).toBe(403);
  expect(await keys()).toEqual([]);
  await advanceClock(cloud.endpoint, 6 * minutes);
  const found = await eventually(
    async () => {
      const all = (await lines()).map(fieldsOf);
      expect(all.length).toBeGreaterThanOrEqual(5);
      return all;
    },
    { why: 'the log is delivered' },
  );
  const [key = ''] = await keys();
  expect(key).toMatch(/^access\/\d{4}-\d\d-\d\d-\d\d-\d\d-\d\d-[0-9A-F]{16}$/);
  const { ID: owner } = (await s3.listBuckets({})).Owner ?? {};
  const of = (operation: string, status: string) => found.find((line) => line[6] === operation && line[9] === status) ?? [];
  const put = of('REST.PUT.OBJECT', '200');
  expect(put).toHaveLength(26);
  expect(put.slice(0, 2)).toEqual([owner, Bucket]);
  expect(put[2]).toMatch(/^\d\d\/[A-Z][a-z]{2}\/\d{4}:\d\d:\d\d:\d\d \+0000$/);
  expect(put.slice(3, 5)).toEqual(['127.0.0.1', owner]);
  expect(put.slice(7, 13)).toEqual([
    'a%20b/%C3%A4',
    `PUT /${Bucket}/a%20b/%C3%A4?x-id=PutObject HTTP/1.1`,
    '200',
    '-',
    '-',
    '12',
  ]);
  expect([put[19], put[21], put[22]]).toEqual(['SigV4', 'AuthHeader', new URL(cloud.endpoint).host]);
  expect(of('REST.GET.OBJECT', '200').slice(10, 13)).toEqual(['-', '12', '12']);
  expect(of('REST.GET.OBJECT', '404').slice(9, 11)).toEqual(['404', 'NoSuchKey']);
  const strange = of('REST.GET.OBJECT', '403');
  expect([strange[4], strange[10], strange[19]]).toEqual(['-', 'AccessDenied', '-']);
  expect(strange.slice(15, 17)).toEqual(['http://example.com/', 'a \\x22strange\\x22 agent']);
  expect(of('REST.GET.LOGGING_STATUS', '200')).toHaveLength(26);
});

test('logs are filed by day when that is asked for, and reach no bucket that does not let the log service in', async () => {
  const { account, s3, Bucket, logs, allow, log, keys } = await loggedBucket();
  const PartitionedPrefix = { PartitionDateSource: 'EventTime' as const };
  await log({ TargetObjectKeyFormat: { PartitionedPrefix } });
  const { LoggingEnabled } = await s3.getBucketLogging({ Bucket });
  expect(LoggingEnabled?.TargetObjectKeyFormat).toEqual({ PartitionedPrefix });
  await advanceClock(cloud.endpoint, 6 * minutes);
  expect(await keys()).toEqual([]);
  await allow();
  await s3.headBucket({ Bucket });
  const path = new RegExp(
    `^access/${account.id}/us-east-1/${Bucket}/\\d{4}/\\d\\d/\\d\\d/\\d{4}-\\d\\d-\\d\\d-00-00-00-[0-9A-F]{16}$`,
  );
  await eventually(
    async () => {
      await advanceClock(cloud.endpoint, 6 * minutes);
      const found = await keys();
      expect(found.length).toBeGreaterThan(0);
      for (const key of found) expect(key).toMatch(path);
    },
    { why: 'the log is delivered by day' },
  );
  await s3.putBucketLogging({ Bucket, BucketLoggingStatus: {} });
  expect(await s3.getBucketLogging({ Bucket })).not.toHaveProperty('LoggingEnabled');
  const target = 'InvalidTargetBucketForLogging';
  await refused(log({}, 'nobody-has-this-bucket'), target, 'The target bucket for logging does not exist', 400);
  const other = freshAccount(cloud.endpoint);
  const foreign = freshName(other);
  await clientOf(other).createBucket({ Bucket: foreign });
  await refused(log({}, foreign), target, 'The owner for the bucket to be logged and the target bucket must be the same.');
  const far = freshName(account);
  const CreateBucketConfiguration = { LocationConstraint: 'eu-west-1' as const };
  await clientOf(account, { region: 'eu-west-1' }).createBucket({ Bucket: far, CreateBucketConfiguration });
  await refused(log({}, far), 'CrossLocationLoggingProhibitted', /^Cross S3 location logging not allowed/, 403);
  const TargetGrants = [{ Permission: 'READ', Grantee: { Type: 'CanonicalUser', ID: 'x' } }];
  await refused(log({ TargetGrants }), 'NotImplemented', undefined, 501);
  await refused(log({ TargetObjectKeyFormat: { PartitionedPrefix: {} } }, logs), 'MalformedXML', undefined, 400);
});
