/** Settings that S3 refuses, row by row: lifecycle rules, tags, CORS rules, object lock, policies; and what conditions of policies see of a request. */
import { getSignedUrl } from '@aws-sdk/s3-request-presigner';
import { type CORSRule, GetObjectCommand, type LifecycleRule, type Tag } from '@aws-sdk/client-s3';
import { beforeAll, describe, expect, inject, test } from 'vitest';
import { freshAccount, refused } from '../../support/cloud.ts';
import { clientOf, freshBucket, type TestBucket } from './support.ts';

let at: TestBucket;
let locked: TestBucket;
beforeAll(async () => {
  [at, locked] = await Promise.all([freshBucket(), freshBucket({ ObjectLockEnabledForBucket: true })]);
  await at.s3.putObject({ Bucket: at.Bucket, Key: 'k', Body: 'x' });
});

const xml = 'MalformedXML';
type Row<Value> = [what: string, value: Value, code: string, message?: string];

describe('a lifecycle rule', () => {
  const days = { Days: 1 };
  const date = new Date('2030-01-01T00:00:00Z');
  const noncurrent = "'NewerNoncurrentVersions' must be a positive integer not greater than 100";
  const mixed = "Found mixed 'Date' and 'Days' based Expiration and Transition actions in lifecycle rule for filter '(prefix=)'";
  const rows: Row<Partial<LifecycleRule>>[] = [
    [
      'with a long ID',
      { ID: 'a'.repeat(256), Expiration: days },
      'InvalidArgument',
      'ID length should not exceed allowed limit of 255',
    ],
    ['of a status in small letters', { Status: 'enabled' as 'Enabled', Expiration: days }, xml],
    ['without filter and prefix', { Filter: undefined, Expiration: days }, xml],
    ['with filter and prefix', { Prefix: 'a', Expiration: days }, xml],
    ['with an empty expiration', { Expiration: {} }, xml],
    ['that expires by days and date', { Expiration: { Days: 1, Date: date } }, xml],
    ['that expires by days and marker', { Expiration: { Days: 1, ExpiredObjectDeleteMarker: true } }, xml],
    [
      'that expires before it was',
      { Expiration: { Days: -1 } },
      'InvalidArgument',
      "'Days' for Expiration action must be a positive integer",
    ],
    [
      'of noncurrent versions at once',
      { NoncurrentVersionExpiration: { NoncurrentDays: 0 } },
      'InvalidArgument',
      "'NoncurrentDays' for NoncurrentVersionExpiration action must be a positive integer",
    ],
    [
      'that keeps no version',
      { NoncurrentVersionExpiration: { NoncurrentDays: 1, NewerNoncurrentVersions: 0 } },
      'InvalidArgument',
      noncurrent,
    ],
    [
      'that keeps 101 versions',
      { NoncurrentVersionExpiration: { NoncurrentDays: 1, NewerNoncurrentVersions: 101 } },
      'InvalidArgument',
      noncurrent,
    ],
    [
      'that aborts at once',
      { AbortIncompleteMultipartUpload: { DaysAfterInitiation: 0 } },
      'InvalidArgument',
      "'DaysAfterInitiation' for AbortIncompleteMultipartUpload action must be a positive integer",
    ],
    ['that moves at no time', { Transitions: [{ StorageClass: 'GLACIER' }] }, xml],
    ['that moves at two times', { Transitions: [{ Days: 1, Date: date, StorageClass: 'GLACIER' }] }, xml],
    ['that moves nowhere', { Transitions: [{ Days: 1 }] } as Partial<LifecycleRule>, xml],
    ['that moves to no class', { Transitions: [{ Days: 1, StorageClass: 'COLD' as 'GLACIER' }] }, xml],
    ['that moves up', { Transitions: [{ Days: 1, StorageClass: 'STANDARD' as 'GLACIER' }] }, xml],
    [
      'that moves twice to one class',
      {
        Transitions: [
          { Days: 1, StorageClass: 'GLACIER' },
          { Days: 5, StorageClass: 'GLACIER' },
        ],
      },
      'InvalidArgument',
      "'StorageClass' must be different for 'Transition' actions in same 'Rule' with filter '(prefix=)'",
    ],
    [
      'that moves in the wrong order',
      {
        Transitions: [
          { Days: 10, StorageClass: 'GLACIER' },
          { Days: 5, StorageClass: 'DEEP_ARCHIVE' },
        ],
      },
      'InvalidArgument',
      "'Days' in the 'DEEP_ARCHIVE' Transition action for filter '(prefix=)' must be greater than 'Days' in the 'GLACIER' Transition action",
    ],
    [
      'of days and dates',
      { Transitions: [{ Days: 10, StorageClass: 'GLACIER' }], Expiration: { Date: date } },
      'InvalidRequest',
      mixed,
    ],
    [
      'that moves in the small hours',
      { Transitions: [{ Date: new Date('2030-01-01T01:00:00Z'), StorageClass: 'GLACIER' }] },
      'InvalidArgument',
      "'Date' must be at midnight GMT",
    ],
    [
      'that moves before it was',
      { Transitions: [{ Days: -1, StorageClass: 'GLACIER' }] },
      'InvalidArgument',
      "'Days' in Transition action must be nonnegative",
    ],
    [
      'of early noncurrent moves',
      { NoncurrentVersionTransitions: [{ NoncurrentDays: 10, StorageClass: 'STANDARD_IA' }] },
      'InvalidArgument',
      "'NoncurrentDays' in NoncurrentVersionTransition action must be greater than or equal to 30 for storageClass 'STANDARD_IA'",
    ],
    ['of one condition in And', { Filter: { And: { Prefix: 'a' } }, Expiration: days }, xml],
    ['of no condition in And', { Filter: { And: {} }, Expiration: days }, xml],
    [
      'of sizes with nothing between',
      { Filter: { And: { ObjectSizeGreaterThan: 10, ObjectSizeLessThan: 11 } }, Expiration: days },
      'InvalidRequest',
      "'ObjectSizeLessThan' has to be a value greater than 'ObjectSizeGreaterThan'.",
    ],
    [
      'of markers by tag',
      { Filter: { Tag: { Key: 'a', Value: 'b' } }, Expiration: { ExpiredObjectDeleteMarker: true } },
      'InvalidRequest',
      'ExpiredObjectDeleteMarker cannot be specified with Tags.',
    ],
  ];
  test.each(rows)('%s is refused', async (_what, rule, code, message) => {
    const Rules = [{ Status: 'Enabled', Filter: { Prefix: '' }, ...rule } as LifecycleRule];
    const put = at.s3.putBucketLifecycleConfiguration({ Bucket: at.Bucket, LifecycleConfiguration: { Rules } });
    await refused(put, code, message, 400);
  });

  test.each([0, 1001])('is not one of %d', async (count) => {
    const Rules = Array.from({ length: count }, (_, n) => ({
      ID: `r${n}`,
      Status: 'Enabled' as const,
      Filter: { Prefix: '' },
      Expiration: days,
    }));
    await refused(
      at.s3.putBucketLifecycleConfiguration({ Bucket: at.Bucket, LifecycleConfiguration: { Rules } }),
      xml,
      undefined,
      400,
    );
  });
});

describe('a tag', () => {
  const many = (count: number): Tag[] => Array.from({ length: count }, (_, n) => ({ Key: `k${n}`, Value: '' }));
  const key = 'The TagKey you have provided is invalid';
  const value = 'The TagValue you have provided is invalid';
  const rows: Row<Tag[]>[] = [
    [
      'that is there already',
      [
        { Key: 'a', Value: '1' },
        { Key: 'a', Value: '2' },
      ],
      'InvalidTag',
      'Cannot provide multiple Tags with the same key',
    ],
    ['with a key of 129 characters', [{ Key: 'k'.repeat(129), Value: '' }], 'InvalidTag', key],
    ['with a value of 257 characters', [{ Key: 'k', Value: 'v'.repeat(257) }], 'InvalidTag', value],
    ['with an empty key', [{ Key: '', Value: 'a' }], 'InvalidTag', key],
    ['of AWS', [{ Key: 'aws:x', Value: 'a' }], 'InvalidTag', 'System tags cannot be added/updated by requester'],
    ['with a bracket in its key', [{ Key: 'a<b', Value: 'a' }], 'InvalidTag', key],
    ['with an ampersand in its value', [{ Key: 'a', Value: 'a&b' }], 'InvalidTag', value],
  ];
  test.each(rows)('%s is refused of objects and buckets', async (_what, TagSet, code, message) => {
    const { s3, Bucket } = at;
    await refused(s3.putObjectTagging({ Bucket, Key: 'k', Tagging: { TagSet } }), code, message, 400);
    await refused(s3.putBucketTagging({ Bucket, Tagging: { TagSet } }), code, message, 400);
  });

  test('is one of ten of an object, of fifty of a bucket', async () => {
    const { s3, Bucket } = at;
    const put = (count: number) => s3.putObjectTagging({ Bucket, Key: 'k', Tagging: { TagSet: many(count) } });
    await put(10);
    await refused(put(11), 'BadRequest', 'Object tags cannot be greater than 10', 400);
    const tagBucket = (count: number) => s3.putBucketTagging({ Bucket, Tagging: { TagSet: many(count) } });
    await tagBucket(50);
    await refused(tagBucket(51), 'BadRequest', 'Bucket tags cannot be greater than 50', 400);
  });
});

describe('a CORS rule', () => {
  const plain = { AllowedOrigins: ['*'], AllowedMethods: ['GET'] };
  const rows: Row<CORSRule>[] = [
    ['without methods', { ...plain, AllowedMethods: [] }, xml],
    ['without origins', { ...plain, AllowedOrigins: [] }, xml],
    [
      'of another method',
      { ...plain, AllowedMethods: ['PATCH'] },
      'InvalidRequest',
      'Found unsupported HTTP method in CORS config. Unsupported method is PATCH',
    ],
    [
      'of a method in small letters',
      { ...plain, AllowedMethods: ['get'] },
      'InvalidRequest',
      'Found unsupported HTTP method in CORS config. Unsupported method is get',
    ],
    [
      'of an origin with two stars',
      { ...plain, AllowedOrigins: ['http://*.a.*'] },
      'InvalidRequest',
      'AllowedOrigin "http://*.a.*" can not have more than one wildcard.',
    ],
    [
      'of a header with two stars',
      { ...plain, AllowedHeaders: ['*-*'] },
      'InvalidRequest',
      'AllowedHeader "*-*" can not have more than one wildcard.',
    ],
    [
      'that exposes by a star',
      { ...plain, ExposeHeaders: ['x-amz-meta-*'] },
      'InvalidRequest',
      'ExposeHeader "x-amz-meta-*" contains wildcard. We currently do not support wildcard for ExposeHeader.',
    ],
  ];
  test.each(rows)('%s is refused', async (_what, rule, code, message) => {
    const put = at.s3.putBucketCors({ Bucket: at.Bucket, CORSConfiguration: { CORSRules: [rule] } });
    await refused(put, code, message, 400);
  });
});

describe('object lock', () => {
  const rows: Row<object>[] = [
    ['of days and years', { Mode: 'GOVERNANCE', Days: 1, Years: 1 }, xml],
    ['of no time', { Mode: 'GOVERNANCE' }, xml],
    [
      'of no days',
      { Mode: 'GOVERNANCE', Days: 0 },
      'InvalidArgument',
      'Default retention period must be a positive integer value.',
    ],
    [
      'of negative years',
      { Mode: 'GOVERNANCE', Years: -1 },
      'InvalidArgument',
      'Default retention period must be a positive integer value.',
    ],
    [
      'of too many days',
      { Mode: 'GOVERNANCE', Days: 36_501 },
      'InvalidArgument',
      'Default retention period too long. Maximum is 36500.',
    ],
    [
      'of too many years',
      { Mode: 'COMPLIANCE', Years: 101 },
      'InvalidArgument',
      'Default retention period too long. Maximum is 100.',
    ],
    ['of a mode in small letters', { Mode: 'governance', Days: 1 }, xml],
    ['of no mode', { Days: 1 }, xml],
  ];
  test.each(rows)('by default %s is refused', async (_what, DefaultRetention, code, message) => {
    const { s3, Bucket } = locked;
    const ObjectLockConfiguration = { ObjectLockEnabled: 'Enabled' as const, Rule: { DefaultRetention } };
    await refused(s3.putObjectLockConfiguration({ Bucket, ObjectLockConfiguration }), code, message, 400);
  });

  const soon = () => new Date(Date.now() + 86_400_000);
  const puts: [what: string, lock: () => object, message: string][] = [
    [
      'a mode alone',
      () => ({ ObjectLockMode: 'GOVERNANCE' }),
      'x-amz-object-lock-retain-until-date and x-amz-object-lock-mode must both be supplied',
    ],
    [
      'a date alone',
      () => ({ ObjectLockRetainUntilDate: soon() }),
      'x-amz-object-lock-retain-until-date and x-amz-object-lock-mode must both be supplied',
    ],
    [
      'a date gone by',
      () => ({ ObjectLockMode: 'GOVERNANCE', ObjectLockRetainUntilDate: new Date(0) }),
      'The retain until date must be in the future!',
    ],
    ['another mode', () => ({ ObjectLockMode: 'X', ObjectLockRetainUntilDate: soon() }), 'Unknown wormMode directive.'],
    ['another hold', () => ({ ObjectLockLegalHoldStatus: 'X' }), "Legal Hold must be either of 'ON' or 'OFF'"],
  ];
  test.each(puts)('of a PUT with %s is refused', async (_what, lock, message) => {
    const { s3, Bucket } = locked;
    await refused(s3.putObject({ Bucket, Key: 'p', Body: 'x', ...lock() }), 'InvalidArgument', message, 400);
  });
});

describe('a bucket policy', () => {
  const statement = (over: object) => ({
    Effect: 'Allow',
    Principal: '*',
    Action: 's3:GetObject',
    Resource: `arn:aws:s3:::${at.Bucket}/*`,
    ...over,
  });
  const rows: Row<object>[] = [
    ['of an action that there is not', { Action: 's3:Nope' }, 'MalformedPolicy', 'Policy has invalid action'],
    [
      'of an action of another service',
      { Action: ['s3:GetObject', 'ec2:RunInstances'] },
      'MalformedPolicy',
      'Policy has invalid action',
    ],
    ['of no such actions', { Action: undefined, NotAction: 's3:Nope*' }, 'MalformedPolicy', 'Policy has invalid action'],
    ['of another bucket', { Resource: 'arn:aws:s3:::other/*' }, 'MalformedPolicy', 'Policy has invalid resource'],
    ['without principal', { Principal: undefined }, 'MalformedPolicy', 'Missing required field Principal'],
    ['of another effect', { Effect: 'Maybe' }, 'MalformedPolicy', 'Invalid effect: Maybe'],
  ];
  test.each(rows)('%s is refused', async (_what, over, code, message) => {
    const Policy = JSON.stringify({ Version: '2012-10-17', Statement: [statement(over)] });
    await refused(at.s3.putBucketPolicy({ Bucket: at.Bucket, Policy }), code, message, 400);
  });

  test('sees the page that led to a request', async () => {
    const { s3, Bucket } = await freshBucket();
    await s3.putObject({ Bucket, Key: 'k', Body: 'x' });
    await s3.deletePublicAccessBlock({ Bucket });
    const Condition = { StringLike: { 'aws:Referer': 'http://site.example/*' } };
    const Statement = [
      { Effect: 'Allow', Principal: '*', Action: 's3:GetObject', Resource: `arn:aws:s3:::${Bucket}/*`, Condition },
    ];
    await s3.putBucketPolicy({ Bucket, Policy: JSON.stringify({ Version: '2012-10-17', Statement }) });
    const status = async (headers: Record<string, string>) =>
      (await fetch(`${inject('endpoint')}/${Bucket}/k`, { headers })).status;
    expect(await status({ referer: 'http://site.example/page' })).toBe(200);
    expect(await status({ referer: 'http://else.example/page' })).toBe(403);
    expect(await status({})).toBe(403);
  });

  test('sees how a request is signed, how old its signature is and what it says of its body', async () => {
    const { s3, Bucket } = await freshBucket();
    await s3.putObject({ Bucket, Key: 'k', Body: 'x' });
    const account = freshAccount();
    const other = clientOf(account);
    const url = await getSignedUrl(other, new GetObjectCommand({ Bucket, Key: 'k' }));
    const outcomes = async (Condition: object) => {
      const Resource = `arn:aws:s3:::${Bucket}/*`;
      const Statement = [{ Effect: 'Allow', Principal: { AWS: account.id }, Action: 's3:GetObject', Resource, Condition }];
      await s3.putBucketPolicy({ Bucket, Policy: JSON.stringify({ Version: '2012-10-17', Statement }) });
      const byHeader = await other.getObject({ Bucket, Key: 'k' }).then(
        () => 200,
        () => 403,
      );
      return [byHeader, (await fetch(url)).status];
    };
    expect(await outcomes({ StringEquals: { 's3:authType': 'REST-HEADER' } })).toEqual([200, 403]);
    expect(await outcomes({ StringEquals: { 's3:authType': 'REST-QUERY-STRING' } })).toEqual([403, 200]);
    expect(await outcomes({ NumericLessThan: { 's3:signatureAge': '600000' } })).toEqual([200, 200]);
    expect(await outcomes({ NumericGreaterThan: { 's3:signatureAge': '600000' } })).toEqual([403, 403]);
    const empty = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855';
    expect((await outcomes({ StringEquals: { 's3:x-amz-content-sha256': empty } }))[0]).toBe(200);
    expect((await outcomes({ StringNotEquals: { 's3:x-amz-content-sha256': empty } }))[0]).toBe(403);
  });
});
