/**
 * Exports of a table to S3, as it was at a moment, from the log of point-in-time recovery ("DynamoDB data export to Amazon S3"). A first, empty object
 * is written with the caller's rights; when that is refused, so is the export.
 */
import { createHash } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import type { DynamoDB, ExportDescription } from '@aws-sdk/client-dynamodb';
import type { Context } from '../../../kernel/context.ts';
import { AwsError, parameterNotImplemented } from '../../../kernel/errors.ts';
import type { HandlersOf, Task } from '../../../kernel/service.ts';
import type { Key } from '../../../store/store.ts';
import { RequestChecks, readTableName } from '../checks.ts';
import { validation } from '../errors.ts';
import { itemKey } from '../keys.ts';
import { findTable } from '../lookup.ts';
import { Exports, type ExportRow, Items, type TableRow } from '../state.ts';
import { storedOf } from '../stored.ts';
import { newSpace } from '../tables/create.ts';
import { sweepTable } from '../tasks.ts';
import { copyTable } from './copy.ts';
import { windowOf } from './recovery.ts';

/** Items of one data file. */
const fileItems = 20_000;

function describeExport(row: ExportRow): ExportDescription {
  return {
    ExportArn: row.arn,
    ExportStatus: row.status,
    StartTime: new Date(row.started),
    ...(row.ended === undefined ? {} : { EndTime: new Date(row.ended) }),
    ...(row.status === 'COMPLETED' ? { ExportManifest: `${folderOf(row)}/manifest-summary.json` } : {}),
    TableArn: row.table.arn,
    TableId: row.table.id,
    ExportTime: new Date(row.at),
    S3Bucket: row.bucket,
    S3Prefix: row.prefix,
    S3SseAlgorithm: 'AES256',
    FailureCode: row.failure?.code,
    FailureMessage: row.failure?.message,
    ExportFormat: 'DYNAMODB_JSON',
    ExportType: 'FULL_EXPORT',
    BilledSizeBytes: row.bytes,
    ItemCount: row.items,
  };
}

function folderOf(row: Pick<ExportRow, 'prefix' | 'id'>): string {
  return `${row.prefix === undefined ? '' : `${row.prefix}/`}AWSDynamoDB/${row.id}`;
}

/** Writes a finished export into its bucket. */
export const writeExport: Task = async ({ key: arn }, ctx) => {
  const row = await ctx.table(Exports).get(arn);
  if (row === undefined || row.status !== 'IN_PROGRESS') return;
  const shelf: TableRow = { ...plain(row.table), space: newSpace(ctx), indexes: [] };
  await copyTable(ctx, { from: row.table, to: shelf, at: row.at });
  let end: Partial<ExportRow>;
  try {
    end = { status: 'COMPLETED', ...(await writeFiles(ctx, row, shelf)) };
  } catch (error) {
    if (!(error instanceof AwsError)) throw error;
    end = { status: 'FAILED', failure: { code: `S3${error.code}`, message: error.message } };
  }
  await sweepTable(ctx, shelf);
  await ctx.transact((tx) => tx.table(Exports).update([arn], (old) => ({ ...old, ...end, ended: ctx.clock.now() })));
};

/** A table without what follows from its changes. */
function plain(table: TableRow): TableRow {
  return { ...table, stream: undefined, recovery: undefined, replicas: undefined, timeToLive: undefined, copying: undefined };
}

async function writeFiles(ctx: Context, row: ExportRow, shelf: TableRow): Promise<{ items: number; bytes: number }> {
  const s3 = ctx.call('s3');
  const put = (name: string, Body: string | Uint8Array) =>
    s3.putObject({
      Bucket: row.bucket,
      Key: `${folderOf(row)}/${name}`,
      Body: typeof Body === 'string' ? Buffer.from(Body) : Body,
    });
  const files: string[] = [];
  let items = 0;
  let bytes = 0;
  let after: Key | undefined;
  for (;;) {
    const rows = await ctx
      .table(Items)
      .list({ prefix: [shelf.space], limit: fileItems, ...(after === undefined ? {} : { after }) });
    const last = rows.at(-1);
    if (last === undefined) break;
    const body = gzipSync(rows.map(([, json]) => `{"Item":${json}}\n`).join(''));
    const name = `data/${ctx.id('token').slice(0, 26).toLowerCase()}.json.gz`;
    const { ETag } = await put(name, body);
    const md5Checksum = createHash('md5').update(body).digest('base64');
    files.push(
      JSON.stringify({
        itemCount: rows.length,
        md5Checksum,
        etag: ETag?.replaceAll('"', ''),
        dataFileS3Key: `${folderOf(row)}/${name}`,
      }),
    );
    items += rows.length;
    bytes += rows.reduce((sum, [size]) => sum + size, 0);
    if (rows.length < fileItems) break;
    after = itemKey(shelf.space, storedOf(last).item, shelf);
  }
  await put('manifest-files.json', files.map((file) => `${file}\n`).join(''));
  await put('manifest-summary.json', JSON.stringify(summaryOf(ctx, row, { items, bytes })));
  return { items, bytes };
}

function summaryOf(ctx: Context, row: ExportRow, { items, bytes }: { items: number; bytes: number }) {
  return {
    version: '2020-06-30',
    exportArn: row.arn,
    startTime: new Date(row.started).toISOString(),
    endTime: new Date(ctx.clock.now()).toISOString(),
    tableArn: row.table.arn,
    tableId: row.table.id,
    exportTime: new Date(row.at).toISOString(),
    s3Bucket: row.bucket,
    s3Prefix: row.prefix ?? null,
    s3SseAlgorithm: 'AES256',
    s3SseKmsKeyId: null,
    manifestFilesS3Key: `${folderOf(row)}/manifest-files.json`,
    billedSizeBytes: bytes,
    itemCount: items,
    outputFormat: 'DYNAMODB_JSON',
    exportType: 'FULL_EXPORT',
  };
}

async function requireExport(ctx: Context, arn: string | undefined): Promise<ExportRow> {
  const row = await ctx.table(Exports).get(arn ?? '');
  if (row === undefined) throw new AwsError('ExportNotFoundException', `Export not found: ${arn}`);
  return row;
}

/** "ClientToken": for eight hours, the same token means the same export. */
const tokenMillis = 8 * 3_600_000;

async function exportOfToken(ctx: Context, token: string): Promise<ExportRow | undefined> {
  const rows = await ctx.table(Exports).list();
  return rows.find((row) => row.token === token && row.started > ctx.now - tokenMillis);
}

export const exportHandlers: HandlersOf<DynamoDB> = {
  async ExportTableToPointInTime(input, ctx) {
    for (const name of ['S3BucketOwner', 'S3SseKmsKeyId', 'IncrementalExportSpecification'] as const)
      if (input[name] !== undefined) throw parameterNotImplemented('ExportTableToPointInTime', name);
    if (input.S3SseAlgorithm === 'KMS') throw parameterNotImplemented('ExportTableToPointInTime', 'S3SseAlgorithm KMS');
    if (input.ExportFormat === 'ION') throw parameterNotImplemented('ExportTableToPointInTime', 'ExportFormat ION');
    if (input.ExportType === 'INCREMENTAL_EXPORT')
      throw parameterNotImplemented('ExportTableToPointInTime', 'ExportType INCREMENTAL_EXPORT');
    const { name } = readTableName(input.TableArn);
    const table = await findTable(ctx, ctx, name, ctx.now);
    if (table === undefined) throw new AwsError('TableNotFoundException', `Table not found: ${name}`);
    const window = windowOf(table, ctx.now);
    if (window === undefined)
      throw new AwsError(
        'PointInTimeRecoveryUnavailableException',
        `Point in time recovery is not enabled for table '${table.name}'`,
      );
    const at = input.ExportTime?.getTime() ?? ctx.now;
    if (at < Math.floor(window.earliest / 1000) * 1000 || at > window.latest)
      throw new AwsError('InvalidExportTimeException', `ExportTime is too ${at > window.latest ? 'late' : 'early'}`);
    const repeated = input.ClientToken === undefined ? undefined : await exportOfToken(ctx, input.ClientToken);
    if (repeated !== undefined) return { ExportDescription: describeExport(repeated) };
    const id = `${String(ctx.now).padStart(14, '0')}-${ctx.id('job').slice(0, 8)}`;
    const row: ExportRow = {
      arn: `${table.arn}/export/${id}`,
      id,
      table,
      at: Math.max(at, window.earliest),
      token: input.ClientToken,
      started: ctx.now,
      status: 'IN_PROGRESS',
      bucket: input.S3Bucket ?? '',
      prefix: input.S3Prefix,
      items: 0,
      bytes: 0,
    };
    await ctx
      .call('s3')
      .putObject({ Bucket: row.bucket, Key: `${folderOf(row)}/_started`, Body: Buffer.alloc(0) })
      .catch((error: unknown) => {
        if (error instanceof AwsError) throw validation(`S3 error: ${error.code}: ${error.message}`);
        throw error;
      });
    await ctx.transact(async (tx) => {
      await tx.table(Exports).put(row);
      await tx.schedule({ task: 'writeExport', key: row.arn, due: ctx.now });
    });
    return { ExportDescription: describeExport(row) };
  },

  async DescribeExport(input, ctx) {
    return { ExportDescription: describeExport(await requireExport(ctx, input.ExportArn)) };
  },

  async ListExports(input, ctx) {
    const { MaxResults: limit = 25 } = input;
    new RequestChecks().atLeast(limit, 'maxResults', 1).atMost(limit, 'maxResults', 25).done();
    const rows = (await ctx.table(Exports).list()).filter(
      (row) =>
        (input.TableArn === undefined || row.table.arn === input.TableArn) &&
        (input.NextToken === undefined || row.arn > input.NextToken),
    );
    const shown = rows.slice(0, limit);
    return {
      ExportSummaries: shown.map((row) => ({ ExportArn: row.arn, ExportStatus: row.status, ExportType: 'FULL_EXPORT' as const })),
      NextToken: rows.length > limit ? shown.at(-1)?.arn : undefined,
    };
  },
};
