/** Buckets and versions that requests name: found, or refused in S3's order of checks. */
import type { Context, Transaction } from '../../kernel/context.ts';
import {
  accessDenied,
  invalidArgument,
  invalidBucketOwner,
  methodNotAllowed,
  noSuchBucket,
  noSuchKey,
  noSuchVersion,
  permanentRedirect,
  signatureTooOld,
} from './errors.ts';
import { checkZone } from './objects/zones.ts';
import { type AccessPointRow, type BucketRow, Buckets, Objects, type VersionRow, Versions } from './state.ts';

export type Reading = Pick<Context, 'table'> | Pick<Transaction, 'table'>;

/** What every request for a bucket says of it. */
export interface BucketAsk {
  Bucket?: string | undefined;
  ExpectedBucketOwner?: string | undefined;
  /** The access point by which the request came; `Bucket` is then the bucket behind it (access/points.ts). */
  accessPoint?: AccessPointRow | undefined;
}

/**
 * The bucket of a request. Throws NoSuchBucket, AccessDenied for another owner than expected, PermanentRedirect when the signature is for another
 * Region than the bucket's. Unsigned requests and those of Signature Version 2 are for no Region; the latter are taken in old Regions only.
 */
export async function requireBucket(ctx: Context, ask: BucketAsk): Promise<BucketRow> {
  const bucket = await findBucket(ctx, ask);
  checkZone(ctx, bucket.zone);
  if (ctx.caller.forAnyRegion === true) {
    if (!legacyRegions.has(bucket.region)) throw signatureTooOld();
    return bucket;
  }
  if (ctx.caller.kind !== 'anonymous' && bucket.region !== ctx.region) throw permanentRedirect(bucket);
  return bucket;
}

/** Regions opened before 30 January 2014 ("Authenticating Requests (AWS Signature Version 4)"). */
const legacyRegions: ReadonlySet<string> = new Set([
  ...['us-east-1', 'us-west-1', 'us-west-2', 'eu-west-1'],
  ...['ap-southeast-1', 'ap-southeast-2', 'ap-northeast-1', 'sa-east-1'],
]);

/** The same wherever the bucket is: GetBucketLocation, and what a transaction reads again. */
export async function findBucket(reading: Reading, ask: BucketAsk): Promise<BucketRow> {
  const name = ask.Bucket ?? '';
  const bucket = await reading.table(Buckets).get(name);
  if (bucket === undefined) throw noSuchBucket(name);
  if (ask.ExpectedBucketOwner !== undefined && !/^\d{12}$/.test(ask.ExpectedBucketOwner))
    throw invalidBucketOwner(ask.ExpectedBucketOwner);
  if (ask.ExpectedBucketOwner !== undefined && ask.ExpectedBucketOwner !== bucket.account) throw accessDenied();
  return bucket;
}

/** The context in the bucket's own account and Region, where its events are told and its jobs wait. */
export function atBucket(ctx: Context, { account, region }: BucketRow): Context {
  return ctx.inScope({ account, region });
}

/** Newest version of a key, delete markers included: the current one, where there is one. */
export async function newestVersion(reading: Reading, bucket: string, key: string): Promise<VersionRow | undefined> {
  const current = await currentVersion(reading, bucket, key);
  if (current !== undefined) return current;
  const [newest] = await reading.table(Versions).list({ prefix: [bucket, key], limit: 1 });
  return newest;
}

/** The same in a bucket that is at hand: one that never had versioning has no markers to look for, and looking is dear. */
export function newestIn(reading: Reading, bucket: BucketRow, key: string): Promise<VersionRow | undefined> {
  return (bucket.versioning === undefined ? currentVersion : newestVersion)(reading, bucket.name, key);
}

/** A version by its id, newest first when several have it (only `null` could, and never has). */
export async function findVersion(
  reading: Reading,
  bucket: string,
  key: string,
  versionId: string,
): Promise<VersionRow | undefined> {
  const newest = await newestVersion(reading, bucket, key);
  if (newest === undefined || newest.versionId === versionId) return newest;
  const sequence = sequenceOf(versionId);
  if (sequence !== undefined) {
    const row = await reading.table(Versions).get(bucket, key, -sequence);
    if (row?.versionId === versionId) return row;
  } else if (versionId !== 'null') {
    return undefined;
  }
  // Replicas have the ids of their sources, which lead elsewhere here.
  return (await reading.table(Versions).list({ prefix: [bucket, key] })).find((row) => row.versionId === versionId);
}

/** The current version as reads find it, or undefined. */
export async function currentVersion(reading: Reading, bucket: string, key: string): Promise<VersionRow | undefined> {
  const current = await reading.table(Objects).get(bucket, key);
  return current && reading.table(Versions).get(bucket, key, -current.sequence);
}

/**
 * The version that a read is for. Throws NoSuchKey (404, saying so when a delete marker is in the way), NoSuchVersion, MethodNotAllowed for a delete
 * marker that is asked for by id ("Working with delete markers").
 */
export async function requireVersion(
  reading: Reading,
  ask: { Bucket?: string | undefined; Key?: string | undefined; VersionId?: string | undefined },
  method = 'GET',
): Promise<VersionRow & { marker?: undefined }> {
  const { Bucket: bucket = '', Key: key = '', VersionId: versionId } = ask;
  if (versionId === undefined) {
    const current = await currentVersion(reading, bucket, key);
    if (current !== undefined) return current as VersionRow & { marker?: undefined };
    const newest = await newestVersion(reading, bucket, key);
    if (newest?.marker === true && method !== 'GET') throw methodNotAllowed(method, 'DeleteMarker', { allow: 'DELETE' });
    throw noSuchKey(key, newest?.marker === true ? { 'x-amz-delete-marker': 'true', 'x-amz-version-id': newest.versionId } : {});
  }
  checkVersionId(versionId);
  const version = await findVersion(reading, bucket, key, versionId);
  if (version === undefined) throw noSuchVersion(key, versionId);
  if (version.marker === true) {
    const headers = {
      'x-amz-delete-marker': 'true',
      'x-amz-version-id': versionId,
      'last-modified': new Date(version.created).toUTCString(),
      allow: 'DELETE',
    };
    throw methodNotAllowed(method, 'DeleteMarker', headers);
  }
  return version as VersionRow & { marker?: undefined };
}

/** Characters of a version's id. */
const versionIdLength = 32;
/** Digits at the end of a version id that hold the version's sequence. */
const sequenceDigits = 10;

/** A version id: opaque text that leads to its row. `random` makes it unguessable. */
export function formatVersionId(random: string, sequence: number): string {
  return random + sequence.toString(36).padStart(sequenceDigits, '0');
}

/** Refuses what cannot be the id of a version, wherever it was said. Throws InvalidArgument. */
export function checkVersionId(versionId: string, argument = 'versionId'): void {
  if (versionId === '') throw invalidArgument('Version id cannot be the empty string', argument, '');
  if (!isVersionId(versionId)) throw invalidArgument('Invalid version id specified', argument, versionId);
}

/** Whether a text has the form of a version's id. */
export function isVersionId(text: string): boolean {
  return text === 'null' || (text.length === versionIdLength && sequenceOf(text) !== undefined);
}

function sequenceOf(versionId: string): number | undefined {
  const text = versionId.slice(-sequenceDigits);
  return versionId.length > sequenceDigits && /^[0-9a-z]+$/.test(text) ? Number.parseInt(text, 36) : undefined;
}
