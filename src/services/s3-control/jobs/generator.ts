/** Manifests that S3 makes itself: the versions of a bucket that pass a filter ("S3JobManifestGenerator"). */
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import type {
  JobManifestGenerator,
  JobManifestGeneratorFilter,
  KeyNameConstraint,
  ObjectEncryptionFilter,
  S3ManifestOutputLocation,
} from '@aws-sdk/client-s3-control';
import type { Context } from '../../../kernel/context.ts';
import { AwsError } from '../../../kernel/errors.ts';
import type { ListedVersion, S3Api } from '../../s3/api.ts';
import type { ManifestEntry } from './manifests.ts';
import { BatchEntries } from './state.ts';

const compress = promisify(gzip);

/** Lines of one file of a manifest. */
const fileLines = 100_000;
const format = 'S3InventoryReport_CSV_20211130';
const bucketArn = /^arn:aws:s3:::([a-z0-9.-]+)$/;

function invalid(message: string): AwsError {
  return new AwsError('InvalidRequest', message);
}

/** Throws InvalidRequest. */
export function checkGenerator(generator: JobManifestGenerator): void {
  const asked = generator.S3JobManifestGenerator;
  if (!bucketArn.test(asked?.SourceBucket ?? '')) throw invalid('The manifest generator must name the ARN of a source bucket.');
  if (asked?.EnableManifestOutput !== true) return;
  const output = asked.ManifestOutputLocation;
  if (!bucketArn.test(output?.Bucket ?? '')) throw invalid('The output location of a manifest must be the ARN of a bucket.');
  if (output?.ManifestFormat !== format) throw invalid(`Unknown manifest format: ${output?.ManifestFormat}`);
}

/** The versions to work on. Throws AccessDenied, NoSuchBucket. */
export async function* generateManifest(acting: Context, generator: JobManifestGenerator): AsyncGenerator<ManifestEntry> {
  const { SourceBucket: arn = '', ExpectedBucketOwner, Filter: filter = {} } = generator.S3JobManifestGenerator ?? {};
  const bucket = bucketArn.exec(arn)?.[1] ?? '';
  const s3 = await acting.internal<S3Api>('s3');
  for await (const version of s3.versions({ Bucket: bucket, ExpectedBucketOwner }, acting.caller)) {
    if (!passes(filter, version)) continue;
    yield { bucket, key: version.key, ...(version.versionId === 'null' ? {} : { versionId: version.versionId }) };
  }
}

function passes(filter: JobManifestGeneratorFilter, version: ListedVersion): boolean {
  const { CreatedAfter: after, CreatedBefore: before, ObjectSizeGreaterThanBytes: more, ObjectSizeLessThanBytes: less } = filter;
  if (filter.EligibleForReplication === true && !version.eligible) return false;
  if (after !== undefined && version.created <= after.getTime()) return false;
  if (before !== undefined && version.created >= before.getTime()) return false;
  if (more !== undefined && version.bytes <= more) return false;
  if (less !== undefined && version.bytes >= less) return false;
  return (
    anyOf(filter.ObjectReplicationStatuses, (one) => one === (version.replication ?? 'NONE')) &&
    anyOf(filter.MatchAnyStorageClass, (one) => one === version.storageClass) &&
    passesName(filter.KeyNameConstraint, version.key) &&
    anyOf(filter.MatchAnyObjectEncryption, (one) => isSealed(one, version))
  );
}

/** An empty list asks for nothing. */
function anyOf<T>(asked: readonly T[] | undefined, test: (one: T) => boolean): boolean {
  return asked === undefined || asked.length === 0 || asked.some(test);
}

/** Each of the lists that is given must have something that matches. */
function passesName(constraint: KeyNameConstraint | undefined, key: string): boolean {
  return (
    anyOf(constraint?.MatchAnyPrefix, (text) => key.startsWith(text)) &&
    anyOf(constraint?.MatchAnySuffix, (text) => key.endsWith(text)) &&
    anyOf(constraint?.MatchAnySubstring, (text) => key.includes(text))
  );
}

function isSealed(filter: ObjectEncryptionFilter, { encryption }: ListedVersion): boolean {
  if (filter.NOTSSE !== undefined) return encryption === undefined;
  if (filter.SSES3 !== undefined) return encryption?.kind === 'AES256';
  if (filter.SSEC !== undefined) return encryption?.kind === 'customer';
  const [asked, kind] = filter.SSEKMS === undefined ? [filter.DSSEKMS, 'aws:kms:dsse'] : [filter.SSEKMS, 'aws:kms'];
  if (asked === undefined || encryption?.kind !== kind) return false;
  const { KmsKeyArn: key } = asked;
  const bucketKey = 'BucketKeyEnabled' in asked ? asked.BucketKeyEnabled : undefined;
  return (key === undefined || key === encryption.kmsKeyArn) && (bucketKey === undefined || bucketKey === encryption.bucketKey);
}

/** Writes what was generated for a job to the bucket that was named, with the role's rights. Resolves with where its manifest is. */
export async function writeManifest(
  acting: Context,
  job: string,
  source: string,
  output: S3ManifestOutputLocation,
): Promise<{ arn: string; etag: string }> {
  const Bucket = bucketArn.exec(output.Bucket ?? '')?.[1] ?? '';
  const { SSEKMS: kms } = output.ManifestEncryption ?? {};
  const sealing = kms === undefined ? {} : { ServerSideEncryption: 'aws:kms' as const, SSEKMSKeyId: kms.KeyId };
  const owner = output.ExpectedManifestBucketOwner;
  const s3 = acting.call('s3');
  const put = (Key: string, Body: Uint8Array) =>
    s3.putObject({ Bucket, Key, Body, ...sealing, ...(owner === undefined ? {} : { ExpectedBucketOwner: owner }) });
  const folder = `${output.ManifestPrefix === undefined ? '' : `${output.ManifestPrefix}/`}${job}`;
  const files: { key: string }[] = [];
  for (let from = 0; ; from += fileLines) {
    const entries = await acting.table(BatchEntries).list({ prefix: [job], after: [job, from - 1], limit: fileLines });
    if (entries.length === 0) break;
    const lines = entries.map(({ bucket, key, versionId = '' }) => {
      return `"${bucket}","${encodeURIComponent(key).replaceAll('%2F', '/')}","${versionId}"\n`;
    });
    const key = `${folder}/data/${files.length}.csv.gz`;
    await put(key, await compress(lines.join('')));
    files.push({ key });
  }
  const manifest = {
    sourceBucket: source,
    destinationBucket: output.Bucket,
    version: '2021-11-30',
    creationTimestamp: String(acting.now),
    fileFormat: 'CSV',
    fileSchema: 'Bucket, Key, VersionId',
    files,
  };
  const key = `${folder}/manifest.json`;
  const { ETag = '' } = await put(key, Buffer.from(JSON.stringify(manifest)));
  return { arn: `arn:aws:s3:::${Bucket}/${key}`, etag: ETag.replaceAll('"', '') };
}

/** Format of what `writeManifest` writes. */
export const generatedFormat = format;
