/**
 * What requests are authorised on: the ARN of bucket or object, the policy that has a say there (the bucket's, with its ACLs as further statements,
 * less what Block Public Access takes away), and S3's condition keys ("Actions, resources, and condition keys for Amazon S3").
 */
import type { Context } from '../../../kernel/context.ts';
import type { Check } from '../../../kernel/service.ts';
import { accessDenied } from '../errors.ts';
import { type BucketAsk, currentVersion, findVersion, requireBucket } from '../lookup.ts';
import { readTagHeader } from '../rules.ts';
import type { BucketRow, VersionRow } from '../state.ts';
import { statementsOf } from './grants.ts';
import { directoryCheck } from '../directory/rules.ts';
import { byPoint } from './points.ts';
import { blockOf, combineBlocks, isPublicPolicy, statementsOfPolicy } from './public-access.ts';

/** What tells of a request who it is for and who pays. */
export interface PaidAsk extends BucketAsk {
  RequestPayer?: string | undefined;
}

export interface ObjectAsk extends PaidAsk {
  Key?: string | undefined;
  VersionId?: string | undefined;
}

type Conditions = NonNullable<Check['conditions']>;

/** The bucket, when its requests are paid for: by its owner, or by a requester who says so ("Using Requester Pays buckets"). Throws AccessDenied. */
async function payableBucket(ctx: Context, ask: PaidAsk): Promise<BucketRow> {
  const bucket = await requireBucket(ctx, ask);
  const paid = !bucket.requesterPays || ctx.caller.kind === 'service' || ctx.caller.account === bucket.account;
  if (!paid && (ask.RequestPayer !== 'requester' || ctx.caller.kind === 'anonymous')) throw accessDenied();
  return bucket;
}

/** The check of an operation on a bucket. */
export async function bucketCheck(ctx: Context, ask: PaidAsk, action?: string, conditions?: Conditions): Promise<Check> {
  const bucket = await payableBucket(ctx, ask);
  if (bucket.zone !== undefined) return directoryCheck(ctx, bucket);
  const check = {
    action,
    resource: `arn:aws:s3:::${bucket.name}`,
    resourceAccount: bucket.account,
    resourcePolicy: await policyOn(ctx, bucket, undefined, ask),
    conditions: { ...requestConditions(ctx, bucket), ...conditions },
  };
  return byPoint(ctx, ask, bucket, check, false);
}

/** The check of an operation on one object, which may not exist yet. */
export async function objectCheck(ctx: Context, ask: ObjectAsk, action?: string, conditions?: Conditions): Promise<Check> {
  const bucket = await payableBucket(ctx, ask);
  return checkOn(ctx, bucket, ask, await versionOf(ctx, ask), action, conditions);
}

/**
 * The checks of an operation that reads an object: who may not list the bucket does not learn either that a key does not exist
 * (GetObject, "Permissions").
 */
export async function readChecks(ctx: Context, ask: ObjectAsk, action?: string, conditions?: Conditions): Promise<Check[]> {
  const bucket = await payableBucket(ctx, ask);
  const version = await versionOf(ctx, ask);
  const checks = [await checkOn(ctx, bucket, ask, version, action, conditions)];
  if (version === undefined)
    checks.push(await bucketCheck(ctx, ask, ask.VersionId === undefined ? 's3:ListBucket' : 's3:ListBucketVersions'));
  return checks;
}

async function checkOn(
  ctx: Context,
  bucket: BucketRow,
  ask: ObjectAsk,
  version: VersionRow | undefined,
  action: string | undefined,
  conditions: Conditions | undefined,
): Promise<Check> {
  if (bucket.zone !== undefined) return directoryCheck(ctx, bucket);
  const check = {
    action,
    resource: `arn:aws:s3:::${bucket.name}/${ask.Key ?? ''}`,
    resourceAccount: version === undefined || bucket.ownership === 'BucketOwnerEnforced' ? bucket.account : version.owner,
    resourcePolicy: await policyOn(ctx, bucket, version, ask),
    conditions: {
      ...requestConditions(ctx, bucket),
      's3:VersionId': ask.VersionId,
      ...tagConditions('s3:ExistingObjectTag', version?.tags),
      ...conditions,
    },
  };
  return byPoint(ctx, ask, bucket, check, true);
}

/** Condition keys of every request. */
function requestConditions({ caller }: Context, bucket: BucketRow): Conditions {
  const signed = caller.accessKeyId !== undefined;
  const { signed: facts } = caller;
  return {
    's3:authType': facts && (facts.place === 'header' ? 'REST-HEADER' : 'REST-QUERY-STRING'),
    's3:signatureAge': facts && String(facts.ageMillis),
    's3:x-amz-content-sha256': facts?.contentDigest,
    's3:ResourceAccount': bucket.account,
    's3:signatureversion': signed
      ? caller.forAnyRegion === true
        ? 'AWS'
        : caller.regionSet === undefined
          ? 'AWS4-HMAC-SHA256'
          : 'AWS4-ECDSA-P256-SHA256'
      : undefined,
  };
}

/** The version that the check is about, for its ACL and tags; not looked for when nothing could depend on it. */
async function versionOf(
  ctx: Context,
  { Bucket: bucket = '', Key: key = '', VersionId: versionId }: ObjectAsk,
): Promise<VersionRow | undefined> {
  return versionId === undefined ? currentVersion(ctx, bucket, key) : findVersion(ctx, bucket, key, versionId);
}

function tagConditions(prefix: string, tags: Readonly<Record<string, string>> | undefined): Record<string, string> {
  return Object.fromEntries(Object.entries(tags ?? {}).map(([name, value]) => [`${prefix}/${name}`, value]));
}

/** The resource policy as it stands for this caller; undefined when there is none. */
async function policyOn(
  ctx: Context,
  bucket: BucketRow,
  version: VersionRow | undefined,
  { accessPoint: point }: BucketAsk,
): Promise<string | undefined> {
  const { policy } = bucket;
  const aclsCount = bucket.ownership !== 'BucketOwnerEnforced';
  const grants = aclsCount ? [...bucket.grants, ...(version?.grants ?? [])] : [];
  const foreign = aclsCount && version !== undefined && version.owner !== bucket.account;
  if (policy === undefined && grants.length === 0 && !foreign) return undefined;
  const block = combineBlocks(await blockOf(ctx, bucket), point?.publicBlock);
  const outsider = ctx.caller.account !== bucket.account && ctx.caller.kind !== 'service';
  const restricted = outsider && block.RestrictPublicBuckets && isPublicPolicy(policy);
  if (grants.length === 0 && !restricted && !foreign) return policy;
  // The bucket's policy grants nothing on objects that another account owns; its denies hold.
  const statements: object[] =
    policy === undefined ? [] : statementsOfPolicy(policy).filter((one) => one.Effect === 'Deny' || !(restricted || foreign));
  const on = { bucket, account: ctx.caller.account, ignorePublic: block.IgnorePublicAcls };
  statements.push(...statementsOf(bucket.grants, { ...on, target: 'bucket' }));
  if (version !== undefined) statements.push(...statementsOf(version.grants, { ...on, target: 'object', key: version.key }));
  return statements.length === 0 ? undefined : JSON.stringify({ Version: '2012-10-17', Statement: statements });
}

/** Condition keys of requests that write an object. */
export function writeConditions(input: Readonly<Record<string, unknown>>): Conditions {
  const text = (name: string): string | undefined => {
    const value = input[name];
    return typeof value === 'string' ? value : undefined;
  };
  const tags = text('Tagging') === undefined ? {} : readTagHeader(text('Tagging'));
  const retainUntil = input['ObjectLockRetainUntilDate'];
  return {
    's3:x-amz-acl': text('ACL'),
    's3:x-amz-grant-read': text('GrantRead'),
    's3:x-amz-grant-full-control': text('GrantFullControl'),
    's3:x-amz-server-side-encryption': text('ServerSideEncryption'),
    's3:x-amz-server-side-encryption-aws-kms-key-id': text('SSEKMSKeyId'),
    's3:x-amz-server-side-encryption-customer-algorithm': text('SSECustomerAlgorithm'),
    's3:x-amz-storage-class': text('StorageClass'),
    's3:x-amz-copy-source': text('CopySource'),
    's3:x-amz-metadata-directive': text('MetadataDirective'),
    's3:x-amz-website-redirect-location': text('WebsiteRedirectLocation'),
    's3:object-lock-mode': text('ObjectLockMode'),
    's3:object-lock-legal-hold': text('ObjectLockLegalHoldStatus'),
    's3:object-lock-retain-until-date': retainUntil instanceof Date ? retainUntil.toISOString() : undefined,
    's3:if-match': text('IfMatch'),
    's3:if-none-match': text('IfNoneMatch'),
    ...tagConditions('s3:RequestObjectTag', tags),
    's3:RequestObjectTagKeys': Object.keys(tags).length === 0 ? undefined : Object.keys(tags),
  };
}

/** Condition keys of listings. */
export function listConditions(input: {
  Prefix?: string | undefined;
  Delimiter?: string | undefined;
  MaxKeys?: number | undefined;
}): Conditions {
  return {
    's3:prefix': input.Prefix ?? '',
    's3:delimiter': input.Delimiter,
    's3:max-keys': input.MaxKeys === undefined ? undefined : String(input.MaxKeys),
  };
}

/** The checks of a write: the object itself, and what the request sets beside its bytes. */
export async function writeChecks(
  ctx: Context,
  input: ObjectAsk & Readonly<Record<string, unknown>>,
  action?: string,
): Promise<Check[]> {
  const conditions = writeConditions(input);
  const first = await objectCheck(ctx, { ...input, VersionId: undefined }, action, conditions);
  const further: string[] = [];
  if (typeof input['Tagging'] === 'string') further.push('s3:PutObjectTagging');
  // A service that gives the bucket's owner full control needs no more than the policies that AWS publishes for CloudTrail and flow logs allow.
  const isDelivery = ctx.caller.kind === 'service' && input['ACL'] === 'bucket-owner-full-control';
  if (!isDelivery && (typeof input['ACL'] === 'string' || typeof input['GrantRead'] === 'string'))
    further.push('s3:PutObjectAcl');
  if (input['ObjectLockMode'] !== undefined) further.push('s3:PutObjectRetention');
  if (input['ObjectLockLegalHoldStatus'] !== undefined) further.push('s3:PutObjectLegalHold');
  return [first, ...further.map((name) => ({ ...first, action: name }))];
}
