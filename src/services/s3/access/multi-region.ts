/**
 * Multi-Region Access Points at work: a request by one goes to the nearest of its buckets that is active ("Routing requests through a Multi-Region
 * Access Point"), and is let in as by an access point of that bucket. Where a Region is down, the next one is taken: "network traffic will
 * automatically be redirected to one of the active Regions". Its own policy and the bucket's must permit both.
 */
import { kilometres, regionPlaces } from '../../../base/geography.ts';
import { coversRegion } from '../../../base/regions.ts';
import type { Context } from '../../../kernel/context.ts';
import { accessDenied, invalidRequest, methodNotAllowed, noSuchMultiRegionPoint } from '../errors.ts';
import { type AccessPointRow, type MultiRegionBucket, type MultiRegionPointRow, MultiRegionPoints } from '../state.ts';

const aliasPattern = /^[a-z0-9]+\.mrap$/;
const arnPattern = /^arn:aws:s3::(\d{12}):accesspoint[/:]([a-z0-9]+\.mrap)$/;

/** "Using Multi-Region Access Points with supported API operations". */
const operations: ReadonlySet<string> = new Set([
  ...['AbortMultipartUpload', 'CompleteMultipartUpload', 'CopyObject', 'CreateMultipartUpload', 'DeleteObject'],
  ...['DeleteObjectTagging', 'GetObject', 'GetObjectAcl', 'GetObjectLegalHold', 'GetObjectRetention', 'GetObjectTagging'],
  ...['HeadObject', 'ListMultipartUploads', 'ListObjectsV2', 'ListParts', 'PutObject', 'PutObjectAcl', 'PutObjectLegalHold'],
  ...['PutObjectRetention', 'PutObjectTagging', 'RestoreObject', 'UploadPart', 'UploadPartCopy'],
]);

/** Whether a bucket's name is that of a Multi-Region Access Point: its ARN, or the alias that its host is read as. */
export function isMultiRegionName(name: string): boolean {
  return name.endsWith('.mrap') && (aliasPattern.test(name) || arnPattern.test(name));
}

async function findPoint(ctx: Context, name: string): Promise<MultiRegionPointRow> {
  const [, account, alias = name] = arnPattern.exec(name) ?? [];
  const [row] = await ctx.table(MultiRegionPoints).byIndex('byAlias', [alias], { limit: 1 });
  if (row === undefined || row.status !== 'READY' || (account !== undefined && account !== row.account))
    throw noSuchMultiRegionPoint(alias);
  return row;
}

/** The active bucket for a client: the nearest whose Region works; for clients nowhere known the first. */
function chooseBucket(ctx: Context, { buckets }: MultiRegionPointRow): MultiRegionBucket | undefined {
  const active = buckets.filter((one) => one.active);
  const working = active.filter(({ region }) => ctx.part('zones').downSince(region) === undefined);
  const candidates = working.length > 0 ? working : active;
  const { latitude, longitude } = ctx.part('dns').hosted.placeOf({ address: ctx.caller.sourceIp }) ?? {};
  if (latitude === undefined || longitude === undefined) return candidates[0];
  const away = ({ region }: MultiRegionBucket): number => {
    const [north = 0, east = 0] = regionPlaces[region] ?? [];
    return kilometres({ latitude, longitude }, { latitude: north, longitude: east });
  };
  return [...candidates].sort((one, other) => away(one) - away(other))[0];
}

/** The Region to which a request by a Multi-Region Access Point goes; undefined for all others. Throws NoSuchMultiRegionAccessPoint. */
export function regionOfRequest(input: Readonly<Record<string, unknown>>, ctx: Context): undefined | Promise<string | undefined> {
  const { Bucket: name } = input;
  // A bucket may not be called so, which its own rules say.
  if (typeof name !== 'string' || !isMultiRegionName(name) || ctx.operation === 'CreateBucket') return undefined;
  return findPoint(ctx, name).then((point) => chooseBucket(ctx, point)?.region);
}

/**
 * The entrance that a request takes which names a Multi-Region Access Point, as an access point of the bucket in the Region that was chosen. Throws
 * NoSuchMultiRegionAccessPoint, MethodNotAllowed for what goes to buckets only, InvalidRequest for a signature that is for one Region only, AccessDenied
 * for one whose Regions leave this one out.
 */
export async function enterMultiRegion(ctx: Context, name: string): Promise<AccessPointRow> {
  const point = await findPoint(ctx, name);
  if (!operations.has(ctx.operation)) throw methodNotAllowed(ctx.operation, 'MULTI_REGION_ACCESSPOINT');
  const { kind, regionSet } = ctx.caller;
  const signed = kind !== 'anonymous' && kind !== 'service';
  if (signed && regionSet === undefined) {
    const text = 'The authorization mechanism you have provided is not supported. Please use AWS4-ECDSA-P256-SHA256.';
    throw invalidRequest(text);
  }
  if (regionSet !== undefined && !coversRegion(regionSet, ctx.region)) throw accessDenied();
  const chosen = point.buckets.find((one) => one.active && one.region === ctx.region);
  if (chosen === undefined) throw noSuchMultiRegionPoint(point.alias);
  const { account, alias, policy, publicBlock, created } = point;
  // Its ARN is of no Region: arn:aws:s3::ACCOUNT:accesspoint/ALIAS.
  const place = { account, region: '', name: alias, alias };
  return { ...place, bucket: chosen.bucket, bucketAccount: chosen.account, policy, publicBlock, created };
}
