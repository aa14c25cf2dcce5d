/**
 * Inventories: lists of a bucket's objects as files in another, daily at midnight UTC or weekly on Sundays ("Locating your inventory list"). S3 delivers
 * the first within 48 hours; here it comes at the next date.
 */
import { createHash } from 'node:crypto';
import type { PutObjectRequest } from '@aws-sdk/client-s3';
import type { Millis } from '../../../base/clock.ts';
import type { Context, Transaction } from '../../../kernel/context.ts';
import { AwsError } from '../../../kernel/errors.ts';
import type { Task } from '../../../kernel/service.ts';
import { type BucketRow, Buckets, Configs, type InventoryConfig, Versions } from '../state.ts';
import {
  columnsOf,
  type InventoryCell,
  type InventoryColumn,
  type InventoryScene,
  readCells,
  readScene,
} from './inventory-columns.ts';
import { inventoryFormats } from './inventory-files.ts';
import { dayMillis } from './lifecycle-rules.ts';

/** Rows read in one go, and rows of one file. */
const batchRows = 1000;
const fileRows = 100_000;
/** 1 January 1970 was a Thursday; weeks begin on Sundays. */
const firstSunday = 3 * dayMillis;

/** The last date at which an inventory was to be made, and the next. */
function datesAround({ weekly }: InventoryConfig, now: Millis): { last: Millis; next: Millis } {
  const [step, origin] = weekly ? [7 * dayMillis, firstSunday] : [dayMillis, 0];
  const last = origin + Math.floor((now - origin) / step) * step;
  return { last, next: last + step };
}

/** Has an inventory made at its next date. The transaction is in the bucket's account and Region. */
export async function scheduleInventory(
  tx: Transaction,
  bucket: string,
  id: string,
  config: InventoryConfig,
  now: Millis,
): Promise<void> {
  const due = datesAround(config, now).next;
  await tx.schedule({ task: 'inventory', key: `${bucket}/${id}`, due, payload: { bucket, id } });
}

/** The rows of a bucket's list, in order of keys, newest version first. */
async function* rowsOf(
  ctx: Context,
  at: InventoryScene,
  config: InventoryConfig,
  columns: readonly InventoryColumn[],
): AsyncGenerator<InventoryCell[]> {
  const bucket = at.bucket.name;
  let after: { after?: (string | number)[] } = config.prefix === '' ? {} : { after: [bucket, config.prefix] };
  let key: string | undefined;
  for (;;) {
    const rows = await ctx.table(Versions).list({ prefix: [bucket], ...after, limit: batchRows });
    for (const row of rows) {
      if (!row.key.startsWith(config.prefix)) return;
      const latest = row.key !== key;
      key = row.key;
      if (config.allVersions || (latest && row.marker !== true)) yield readCells(columns, { row, latest, at });
    }
    const last = rows.at(-1);
    if (last === undefined || rows.length < batchRows) return;
    after = { after: [bucket, last.key, -last.sequence] };
  }
}

/** How the files are sealed at their destination. */
function sealing({ encryption }: InventoryConfig): Pick<PutObjectRequest, 'ServerSideEncryption' | 'SSEKMSKeyId'> {
  if (encryption === undefined) return {};
  const { kmsKeyId } = encryption;
  return kmsKeyId === undefined ? { ServerSideEncryption: 'AES256' } : { ServerSideEncryption: 'aws:kms', SSEKMSKeyId: kmsKeyId };
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
  const put = (Key: string, Body: Uint8Array) => s3.putObject({ Bucket: config.target, Key, Body, ...owner, ...sealing(config) });
  const format = inventoryFormats[config.format ?? 'CSV'];
  const columns = columnsOf(config);
  const folder = `${config.targetPrefix === '' ? '' : `${config.targetPrefix}/`}${bucket.name}/${id}`;
  const files: ManifestFile[] = [];
  let rows: InventoryCell[][] = [];
  const flush = async (): Promise<void> => {
    const body = await format.write(columns, rows);
    rows = [];
    const key = `${folder}/data/${ctx.uuid()}.${format.extension}`;
    await put(key, body);
    files.push({ key, size: body.byteLength, MD5checksum: createHash('md5').update(body).digest('hex') });
  };
  const scene = await readScene(ctx, bucket, at);
  for await (const row of rowsOf(ctx, scene, config, columns)) if (rows.push(row) === fileRows) await flush();
  if (rows.length > 0) await flush();
  const manifest = Buffer.from(
    JSON.stringify({
      sourceBucket: bucket.name,
      destinationBucket: `arn:aws:s3:::${config.target}`,
      version: '2016-11-30',
      creationTimestamp: String(at),
      fileFormat: config.format ?? 'CSV',
      fileSchema: format.describe(columns),
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
export const makeInventory: Task = async ({ payload }, ctx) => {
  const { bucket: name, id } = payload as { bucket: string; id: string };
  const bucket = await ctx.table(Buckets).get(name);
  const config = (await ctx.table(Configs).get(name, 'inventory', id))?.config as unknown as InventoryConfig | undefined;
  // The name may have gone to another account since.
  if (bucket === undefined || config?.enabled !== true || bucket.account !== ctx.account || bucket.region !== ctx.region) return;
  try {
    // Where the clock has jumped over several dates, the list says what is true at the last of them.
    await writeInventory(ctx, bucket, id, config, datesAround(config, ctx.now).last);
  } catch (error) {
    if (!(error instanceof AwsError) || error.status >= 500) throw error;
    ctx.trace(`The inventory ${id} of ${name} was refused by ${config.target}: ${error.message}`);
  }
  await ctx.transact((tx) => scheduleInventory(tx, name, id, config, ctx.now));
};
