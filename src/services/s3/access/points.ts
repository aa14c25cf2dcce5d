/**
 * Access points: further entrances of a bucket, each with a policy, a block of public access and perhaps a VPC of its own ("Managing access to
 * shared datasets with access points"). A request names one by its ARN (which the host name NAME-ACCOUNT.s3-accesspoint.REGION is read as) or by its
 * alias, wherever a bucket's name is asked. It is resolved before anything else, so that handlers see the bucket; what the entrance demands goes
 * along as `accessPoint` and becomes a check of its own: both the access point and the bucket must permit.
 */
import type { Context } from '../../../kernel/context.ts';
import type { Check } from '../../../kernel/service.ts';
import { accessDenied, methodNotAllowed, noSuchAccessPoint, overHttps, s3Error } from '../errors.ts';
import type { ObjectAsk } from './checks.ts';
import { AccessPoints, type AccessPointRow, type BucketRow, type PublicBlock } from '../state.ts';
import { enterMultiRegion, isMultiRegionName } from './multi-region.ts';
import { accountBlockOf, combineBlocks, isPublicPolicy, statementsOfPolicy } from './public-access.ts';

type Input = Readonly<Record<string, unknown>>;

/** Ends of aliases, which no bucket may have. */
const aliasEnd = '-s3alias';

/** "Access point compatibility with Amazon S3 operations". */
const operations: ReadonlySet<string> = new Set([
  ...['AbortMultipartUpload', 'CompleteMultipartUpload', 'CopyObject', 'CreateMultipartUpload', 'DeleteObject', 'DeleteObjects'],
  ...['DeleteObjectTagging', 'GetBucketAcl', 'GetBucketCors', 'GetBucketLocation', 'GetBucketNotificationConfiguration'],
  ...['GetBucketPolicy', 'GetObject', 'GetObjectAcl', 'GetObjectAttributes', 'GetObjectLegalHold', 'GetObjectRetention'],
  ...[
    'GetObjectTagging',
    'HeadBucket',
    'HeadObject',
    'ListMultipartUploads',
    'ListObjects',
    'ListObjectsV2',
    'ListObjectVersions',
  ],
  ...['ListParts', 'PutObject', 'PutObjectAcl', 'PutObjectLegalHold', 'PutObjectRetention', 'PutObjectTagging', 'RestoreObject'],
  ...['UploadPart', 'UploadPartCopy'],
]);

export function arnOfPoint({ region, account, name }: Pick<AccessPointRow, 'region' | 'account' | 'name'>): string {
  return `arn:aws:s3:${region}:${account}:accesspoint/${name}`;
}

/**
 * The input with the bucket in the place of an access point, and the access point beside it; `CopySource` likewise. The input itself where it names
 * none. Throws NoSuchAccessPoint, MethodNotAllowed for what goes to buckets only, AccessDenied from outside the VPC, a redirect to HTTPS.
 */
export function resolvePoints(input: Input, ctx: Context): Input | Promise<Input> {
  const { Bucket: bucket, CopySource: source } = input;
  if (!isPointName(bucket) && !isPointSource(source)) return input;
  return resolveBoth(input, ctx);
}

function isPointName(name: unknown): name is string {
  return typeof name === 'string' && (name.endsWith(aliasEnd) || name.startsWith('arn:') || isMultiRegionName(name));
}

function isPointSource(source: unknown): source is string {
  return typeof source === 'string' && (source.includes(aliasEnd) || /^\/?arn(?::|%3a)/i.test(source));
}

async function resolveBoth(input: Input, ctx: Context): Promise<Input> {
  const resolved: Record<string, unknown> = { ...input };
  const { Bucket: name, CopySource: source } = input;
  if (isPointName(name)) {
    const accessPoint = await enter(ctx, name, typeof input['Key'] === 'string' ? input['Key'] : undefined);
    if (accessPoint !== undefined) Object.assign(resolved, { Bucket: accessPoint.bucket, accessPoint });
  }
  if (isPointSource(source)) {
    const [path = '', version] = source.split('?', 2);
    const { point, key } = sourceParts(path);
    const accessPoint = isPointName(point) ? await enter(ctx, point, key) : undefined;
    if (accessPoint !== undefined) {
      const query = version === undefined ? '' : `?${version}`;
      const CopySource = `${accessPoint.bucket}/${encodeURIComponent(key)}${query}`;
      Object.assign(resolved, { CopySource, sourceAccessPoint: accessPoint });
    }
  }
  return resolved;
}

/** `ARN/object/key` or `alias/key`, URL-encoded. */
function sourceParts(path: string): { point: string; key: string } {
  let text = path.replace(/^\//, '');
  try {
    text = decodeURIComponent(text);
  } catch {
    // As sent: readCopySource refuses it in its own words.
  }
  const [, arn, rest] = /^(arn:[^/]*\/[^/]+)\/object\/(.*)$/s.exec(text) ?? [];
  if (arn !== undefined) return { point: arn, key: rest ?? '' };
  const slash = text.indexOf('/');
  return { point: text.slice(0, Math.max(slash, 0)), key: text.slice(slash + 1) };
}

/** The access point of a name, when this request may come in by it at all. Undefined for an alias that nobody has: it is then a missing bucket. */
async function enter(ctx: Context, name: string, key: string | undefined): Promise<AccessPointRow | undefined> {
  if (isMultiRegionName(name)) return ctx.operation === 'CreateBucket' ? undefined : enterMultiRegion(ctx, name);
  const point = name.startsWith('arn:') ? await pointOfArn(ctx, name) : await pointOfAlias(ctx, name);
  if (point === undefined) return undefined;
  // "You can only use access points over HTTPS" holds for their own endpoints; an alias goes to the bucket's.
  if (name.startsWith('arn:') && !ctx.caller.secureTransport) throw overHttps(ctx.caller.endpoint ?? '', key ?? '');
  if (!operations.has(ctx.operation)) throw methodNotAllowed(ctx.operation, 'ACCESSPOINT');
  if (point.vpcId !== undefined && ctx.caller.sourceVpc !== point.vpcId) throw accessDenied();
  return point;
}

async function pointOfArn(ctx: Context, arn: string): Promise<AccessPointRow> {
  const [, service, region = '', account = '', kind, name = ''] =
    /^arn:aws:([^:]*):([^:]*):([^:]*):([^:/]*)[/:](.*)$/.exec(arn) ?? [];
  if (service !== 's3' || kind !== 'accesspoint') throw s3Error('InvalidARN', 'Invalid ARN in the request.', 400);
  const point = await ctx.table(AccessPoints).get(account, region, name);
  if (point === undefined) throw noSuchAccessPoint(name);
  return point;
}

async function pointOfAlias(ctx: Context, alias: string): Promise<AccessPointRow | undefined> {
  return (await ctx.table(AccessPoints).byIndex('byAlias', [alias], { limit: 1 }))[0];
}

/** Condition keys that tell policies of the entrance. */
function pointConditions(point: AccessPointRow | undefined): NonNullable<Check['conditions']> {
  if (point === undefined) return {};
  return {
    's3:DataAccessPointArn': arnOfPoint(point),
    's3:DataAccessPointAccount': point.account,
    's3:AccessPointNetworkOrigin': networkOrigin(point),
  };
}

function networkOrigin(point: AccessPointRow): 'VPC' | 'Internet' {
  return point.vpcId === undefined ? 'Internet' : 'VPC';
}

/** What the access point itself is asked, for the check of its bucket. Undefined for requests that came to the bucket. */
async function pointCheck(
  ctx: Context,
  { accessPoint: point, Key: key }: ObjectAsk,
  bucket: BucketRow,
  check: Pick<Check, 'action' | 'conditions'>,
  isObject: boolean,
): Promise<Check | undefined> {
  if (point === undefined) return undefined;
  const arn = arnOfPoint(point);
  return {
    ...check,
    resource: isObject ? `${arn}/object/${key ?? ''}` : arn,
    resourceAccount: point.account,
    resourcePolicy: await pointPolicy(ctx, point, bucket),
  };
}

/** The access point's policy as it stands for this caller: without its grants where they are public and public access is restricted. */
async function pointPolicy(ctx: Context, point: AccessPointRow, bucket: BucketRow): Promise<string | undefined> {
  const { policy } = point;
  const outsider = ctx.caller.account !== point.account && ctx.caller.kind !== 'service';
  if (policy === undefined || !outsider || !isPublicPoint(point)) return policy;
  if (!(await blockOfPoint(ctx, point, bucket)).RestrictPublicBuckets) return policy;
  const denies = statementsOfPolicy(policy).filter(({ Effect }) => Effect === 'Deny');
  return denies.length === 0 ? undefined : JSON.stringify({ Version: '2012-10-17', Statement: denies });
}

/** Whether an access point's policy lets everybody in. One of a VPC is never public ("The meaning of public", access points). */
export function isPublicPoint(point: Pick<AccessPointRow, 'policy' | 'vpcId'>): boolean {
  return point.vpcId === undefined && isPublicPolicy(point.policy);
}

/** The most restrictive of the access point's block, its bucket's and its account's. */
export async function blockOfPoint(ctx: Context, point: AccessPointRow, bucket: BucketRow | undefined): Promise<PublicBlock> {
  return combineBlocks(point.publicBlock, bucket?.publicBlock, await accountBlockOf(ctx, point.account));
}

/** The bucket's check for a request that came by an access point: the entrance is asked first, and policies are told of it. */
export async function byPoint(ctx: Context, ask: ObjectAsk, bucket: BucketRow, check: Check, isObject: boolean): Promise<Check> {
  const { accessPoint: point } = ask;
  if (point === undefined) return check;
  const conditions = { ...check.conditions, ...pointConditions(point) };
  const through = await pointCheck(ctx, ask, bucket, { action: check.action, conditions }, isObject);
  const { caller } = ctx;
  const foreign = caller.account !== bucket.account && caller.kind !== 'anonymous' && caller.kind !== 'service';
  if (!foreign) return { ...check, conditions, through };
  // The caller's own policies speak of the access point; of the bucket its policy must permit, by itself ("Delegating access control").
  const resourceAccount = { resourceAccount: caller.account, resourceMustAllow: true };
  return { ...check, ...resourceAccount, conditions: { ...conditions, 'aws:ResourceAccount': bucket.account }, through };
}
