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
import { incrementalLines, readPeriod } from './incremental.ts';
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
    ...(row.period === undefined ? { ExportTime: new Date(row.at) } : {}),
    S3Bucket: row.bucket,
    S3Prefix: row.prefix,
    S3SseAlgorithm: 'AES256',
    FailureCode: row.failure?.code,
    FailureMessage: row.failure?.message,
    ExportFormat: 'DYNAMODB_JSON',
    ...describeType(row),
    BilledSizeBytes: row.bytes,
    ItemCount: row.items,
  };
}

function describeType({ period }: ExportRow): Pick<ExportDescription, 'ExportType' | 'IncrementalExportSpecification'> {
  if (period === undefined) return { ExportType: 'FULL_EXPORT' };
  const { from, to, view } = period;
  return {
    ExportType: 'INCREMENTAL_EXPORT',
    IncrementalExportSpecification: { ExportFromTime: new Date(from), ExportToTime: new Date(to), ExportViewType: view },
  };
}

function folderOf(row: Pick<ExportRow, 'prefix' | 'id'>): string {
  return `${row.prefix === undefined ? '' : `${row.prefix}/`}AWSDynamoDB/${row.id}`;
}

/** Writes a finished export into its bucket. */
export const writeExport: Task = async ({ key: arn }, ctx) => {
  const row = await ctx.table(Exports).get(arn);
  if (row === undefined || row.status !== 'IN_PROGRESS') return;
  let end: Partial<ExportRow>;
  try {
    end = { status: 'COMPLETED', ...(await (row.period === undefined ? writeFull(ctx, row) : writeIncremental(ctx, row))) };
  } catch (error) {
    if (!(error instanceof AwsError)) throw error;
    end = { status: 'FAILED', failure: { code: `S3${error.code}`, message: error.message } };
  }
  await ctx.transact((tx) => tx.table(Exports).update([arn], (old) => ({ ...old, ...end, ended: ctx.clock.now() })));
};

async function writeFull(ctx: Context, row: ExportRow): Promise<Written> {
  const shelf: TableRow = { ...plain(row.table), space: newSpace(ctx), indexes: [] };
  await copyTable(ctx, { from: row.table, to: shelf, at: row.at });
  try {
    return await writeFiles(ctx, row, fullLines(ctx, shelf));
  } finally {
    await sweepTable(ctx, shelf);
  }
}

async function writeIncremental(ctx: Context, row: ExportRow): Promise<Written> {
  const lines = await incrementalLines(ctx, row.table.space, row.period!);
  async function* files(): AsyncIterable<readonly Line[]> {
    for (let from = 0; from < lines.length; from += fileItems) yield lines.slice(from, from + fileItems);
  }
  return writeFiles(ctx, row, files());
}

interface Written {
  items: number;
  bytes: number;
}

/** An item as it stands in a file, and what it counts. */
interface Line {
  size: number;
  line: string;
}

/** The lines of all files, one file after another. */
async function* fullLines(ctx: Context, shelf: TableRow): AsyncIterable<readonly Line[]> {
  let after: Key | undefined;
  for (;;) {
    const rows = await ctx
      .table(Items)
      .list({ prefix: [shelf.space], limit: fileItems, ...(after === undefined ? {} : { after }) });
    const last = rows.at(-1);
    if (last === undefined) return;
    yield rows.map(([size, json]) => ({ size, line: `{"Item":${json}}\n` }));
    if (rows.length < fileItems) return;
    after = itemKey(shelf.space, storedOf(last).item, shelf);
  }
}

/** A table without what follows from its changes. */
function plain(table: TableRow): TableRow {
  return { ...table, stream: undefined, recovery: undefined, replicas: undefined, timeToLive: undefined, copying: undefined };
}

/** Full exports keep their data in a folder of their own, incremental ones of a prefix share one. */
const dataFolderOf = (row: ExportRow): string =>
  row.period === undefined ? `${folderOf(row)}/data` : folderOf({ prefix: row.prefix, id: 'data' });

async function writeFiles(ctx: Context, row: ExportRow, content: AsyncIterable<readonly Line[]>): Promise<Written> {
  const s3 = ctx.call('s3');
  const put = (Key: string, body: string | Uint8Array) =>
    s3.putObject({ Bucket: row.bucket, Key, Body: typeof body === 'string' ? Buffer.from(body) : body });
  const files: string[] = [];
  let items = 0;
  let bytes = 0;
  for await (const lines of content) {
    const body = gzipSync(lines.map(({ line }) => line).join(''));
    const dataFileS3Key = `${dataFolderOf(row)}/${ctx.id('token').slice(0, 26).toLowerCase()}.json.gz`;
    const { ETag } = await put(dataFileS3Key, body);
    const md5Checksum = createHash('md5').update(body).digest('base64');
    files.push(JSON.stringify({ itemCount: lines.length, md5Checksum, etag: ETag?.replaceAll('"', ''), dataFileS3Key }));
    items += lines.length;
    bytes += lines.reduce((sum, { size }) => sum + size, 0);
  }
  await put(`${folderOf(row)}/manifest-files.json`, files.map((file) => `${file}\n`).join(''));
  await put(`${folderOf(row)}/manifest-summary.json`, JSON.stringify(summaryOf(ctx, row, { items, bytes })));
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
    ...(row.period === undefined
      ? { exportTime: new Date(row.at).toISOString() }
      : { exportFromTime: new Date(row.period.from).toISOString(), exportToTime: new Date(row.period.to).toISOString() }),
    s3Bucket: row.bucket,
    s3Prefix: row.prefix ?? null,
    s3SseAlgorithm: 'AES256',
    s3SseKmsKeyId: null,
    manifestFilesS3Key: `${folderOf(row)}/manifest-files.json`,
    billedSizeBytes: bytes,
    itemCount: items,
    outputFormat: 'DYNAMODB_JSON',
    ...(row.period === undefined
      ? { exportType: 'FULL_EXPORT' }
      : { outputView: row.period.view, exportType: 'INCREMENTAL_EXPORT' }),
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
    for (const name of ['S3BucketOwner', 'S3SseKmsKeyId'] as const)
      if (input[name] !== undefined) throw parameterNotImplemented('ExportTableToPointInTime', name);
    if (input.S3SseAlgorithm === 'KMS') throw parameterNotImplemented('ExportTableToPointInTime', 'S3SseAlgorithm KMS');
    if (input.ExportFormat === 'ION') throw parameterNotImplemented('ExportTableToPointInTime', 'ExportFormat ION');
    const incremental = input.ExportType === 'INCREMENTAL_EXPORT';
    if (incremental ? input.ExportTime !== undefined : input.IncrementalExportSpecification !== undefined)
      throw validation(
        incremental
          ? 'ExportTime cannot be specified for an incremental export'
          : 'IncrementalExportSpecification can be specified for an incremental export only',
      );
    const { name } = readTableName(input.TableArn);
    const table = await findTable(ctx, ctx, name, ctx.now);
    if (table === undefined) throw new AwsError('TableNotFoundException', `Table not found: ${name}`);
    const window = windowOf(table, ctx.now);
    if (window === undefined)
      throw new AwsError(
        'PointInTimeRecoveryUnavailableException',
        `Point in time recovery is not enabled for table '${table.name}'`,
      );
    const period = incremental ? readPeriod(input.IncrementalExportSpecification, window) : undefined;
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
      period,
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
      ExportSummaries: shown.map((row) => ({
        ExportArn: row.arn,
        ExportStatus: row.status,
        ExportType: row.period === undefined ? 'FULL_EXPORT' : 'INCREMENTAL_EXPORT',
      })),
      NextToken: rows.length > limit ? shown.at(-1)?.arn : undefined,
    };
  },
};
