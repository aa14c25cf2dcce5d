/**
 * Inventories: lists of a bucket's objects as files in another, daily at midnight UTC or weekly on Sundays ("Locating your inventory list"). S3 delivers
 * the first within 48 hours; here it comes at the next date.
 */
import { createHash } from 'node:crypto';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import type { Millis } from '../../../base/clock.ts';
import type { Context, Transaction } from '../../../kernel/context.ts';
import { AwsError } from '../../../kernel/errors.ts';
import type { Task } from '../../../kernel/service.ts';
import { canonicalId } from '../rules.ts';
import { type BucketRow, Buckets, Configs, type InventoryConfig, type VersionRow, Versions } from '../state.ts';
import { dayMillis } from './lifecycle-rules.ts';

const compress = promisify(gzip);

/** Rows read in one go, and lines of one file. */
const batchRows = 1000;
const fileLines = 100_000;
/** 1 January 1970 was a Thursday; weeks begin on Sundays. */
const firstSunday = 3 * dayMillis;

const encryptions: Readonly<Record<string, string>> = {
  AES256: 'SSE-S3',
  'aws:kms': 'SSE-KMS',
  'aws:kms:dsse': 'DSSE-KMS',
  customer: 'SSE-C',
};

/** Optional columns, in the order of the file ("Amazon S3 Inventory list"). */
const columns: Readonly<Record<string, (row: VersionRow) => string>> = {
  Size: (row) => String(row.bytes),
  LastModifiedDate: (row) => new Date(Math.floor(row.created / 1000) * 1000).toISOString(),
  ETag: (row) => row.etag,
  StorageClass: (row) => row.storageClass,
  IsMultipartUploaded: (row) => String(row.multipart === true),
  ReplicationStatus: (row) => row.replication ?? '',
  EncryptionStatus: (row) => encryptions[row.seal?.kind ?? ''] ?? 'NOT-SSE',
  ObjectLockRetainUntilDate: (row) => (row.retention === undefined ? '' : new Date(row.retention.until).toISOString()),
  ObjectLockMode: (row) => row.retention?.mode ?? '',
  ObjectLockLegalHoldStatus: (row) => (row.legalHold === undefined ? '' : row.legalHold ? 'ON' : 'OFF'),
  BucketKeyStatus: (row) => (row.seal?.bucketKey === true ? 'ENABLED' : 'DISABLED'),
  ChecksumAlgorithm: (row) => row.checksum?.algorithm ?? '',
  ObjectOwner: (row) => canonicalId(row.owner),
};

export const inventoryFields: readonly string[] = Object.keys(columns);

/** Has an inventory made at its next date. The transaction is in the bucket's account and Region. */
export async function scheduleInventory(
  tx: Transaction,
  bucket: string,
  id: string,
  { weekly }: InventoryConfig,
  now: Millis,
): Promise<void> {
  const [step, origin] = weekly ? [7 * dayMillis, firstSunday] : [dayMillis, 0];
  const due = origin + Math.floor((now - origin) / step + 1) * step;
  await tx.schedule({ task: 'inventory', key: `${bucket}/${id}`, due, payload: { bucket, id } });
}

/** A line of the list: every value in quotes, the key URL-encoded. */
function formatLine(row: VersionRow, latest: boolean, config: InventoryConfig): string {
  const values = [row.bucket, encodeURIComponent(row.key).replaceAll('%2F', '/')];
  if (config.allVersions) values.push(row.versionId === 'null' ? '' : row.versionId, String(latest), String(row.marker === true));
  for (const field of config.fields) {
    const nothing = row.marker === true && field !== 'LastModifiedDate' && field !== 'ObjectOwner';
    values.push(nothing ? '' : (columns[field]?.(row) ?? ''));
  }
  return `${values.map((value) => `"${value.replaceAll('"', '""')}"`).join(',')}\n`;
}

/** The lines of a bucket, in order of keys, newest version first. */
async function* linesOf(ctx: Context, bucket: string, config: InventoryConfig): AsyncGenerator<string> {
  let after: { after?: (string | number)[] } = config.prefix === '' ? {} : { after: [bucket, config.prefix] };
  let key: string | undefined;
  for (;;) {
    const rows = await ctx.table(Versions).list({ prefix: [bucket], ...after, limit: batchRows });
    for (const row of rows) {
      if (!row.key.startsWith(config.prefix)) return;
      const latest = row.key !== key;
      key = row.key;
      if (config.allVersions || (latest && row.marker !== true)) yield formatLine(row, latest, config);
    }
    const last = rows.at(-1);
    if (last === undefined || rows.length < batchRows) return;
    after = { after: [bucket, last.key, -last.sequence] };
  }
}

interface ManifestFile {
  key: string;
  size: number;
  MD5checksum: string;
}

/** Writes the list's files, its manifest, and the digest of that. Throws what the destination refuses with. */
async function writeInventory(ctx: Context, bucket: BucketRow, id: string, config: InventoryConfig, at: Millis): Promise<void> {
  const s3 = ctx.onAccountOf(`arn:aws:s3:::${bucket.name}`, bucket.account, 's3').call('s3');
  const owner = config.targetAccount === undefined ? {} : { ExpectedBucketOwner: config.targetAccount };
  const put = (Key: string, Body: Uint8Array) => s3.putObject({ Bucket: config.target, Key, Body, ...owner });
  const folder = `${config.targetPrefix === '' ? '' : `${config.targetPrefix}/`}${bucket.name}/${id}`;
  const files: ManifestFile[] = [];
  let lines: string[] = [];
  const flush = async (): Promise<void> => {
    const body = await compress(lines.join(''));
    lines = [];
    const key = `${folder}/data/${ctx.uuid()}.csv.gz`;
    await put(key, body);
    files.push({ key, size: body.byteLength, MD5checksum: createHash('md5').update(body).digest('hex') });
  };
  for await (const line of linesOf(ctx, bucket.name, config)) if (lines.push(line) === fileLines) await flush();
  if (lines.length > 0) await flush();
  const versions = config.allVersions ? ['VersionId', 'IsLatest', 'IsDeleteMarker'] : [];
  const manifest = Buffer.from(
    JSON.stringify({
      sourceBucket: bucket.name,
      destinationBucket: `arn:aws:s3:::${config.target}`,
      version: '2016-11-30',
      creationTimestamp: String(at),
      fileFormat: 'CSV',
      fileSchema: ['Bucket', 'Key', ...versions, ...config.fields].join(', '),
      files,
    }),
  );
  const date = new Date(at).toISOString();
  const stamp = `${date.slice(0, 13)}-${date.slice(14, 16)}Z`;
  await put(`${folder}/${stamp}/manifest.json`, manifest);
  await put(`${folder}/${stamp}/manifest.checksum`, Buffer.from(createHash('md5').update(manifest).digest('hex')));
  const links = files.map(({ key }) => `s3://${config.target}/${key}\n`).join('');
  await put(`${folder}/hive/dt=${date.slice(0, 10)}-${date.slice(11, 13)}-${date.slice(14, 16)}/symlink.txt`, Buffer.from(links));
}

/** Makes one inventory. A destination that refuses gets none; the next is tried at its date. */
export const makeInventory: Task = async ({ payload, due }, ctx) => {
  const { bucket: name, id } = payload as { bucket: string; id: string };
  const bucket = await ctx.table(Buckets).get(name);
  const config = (await ctx.table(Configs).get(name, 'inventory', id))?.config as unknown as InventoryConfig | undefined;
  // The name may have gone to another account since.
  if (bucket === undefined || config?.enabled !== true || bucket.account !== ctx.account || bucket.region !== ctx.region) return;
  try {
    await writeInventory(ctx, bucket, id, config, due);
  } catch (error) {
    if (!(error instanceof AwsError) || error.status >= 500) throw error;
    ctx.trace(`The inventory ${id} of ${name} was refused by ${config.target}: ${error.message}`);
  }
  await ctx.transact((tx) => scheduleInventory(tx, name, id, config, ctx.now));
};
