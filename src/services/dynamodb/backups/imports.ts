/**
 * Imports of objects in S3 into a new table ("DynamoDB data import from Amazon S3"). What cannot be an item is counted and logged; the table then keeps what
 * could, and the import has failed. Where the bucket cannot be read there is no table in the end.
 */
import type { DynamoDB, ImportSummary, ImportTableDescription, ImportTableInput } from '@aws-sdk/client-dynamodb';
import type { Context } from '../../../kernel/context.ts';
import { AwsError, parameterNotImplemented } from '../../../kernel/errors.ts';
import type { HandlersOf, Task } from '../../../kernel/service.ts';
import { RequestChecks } from '../checks.ts';
import { limitExceeded, validation } from '../errors.ts';
import { applyChange } from '../items/change.ts';
import { checkItem, itemBytesMax } from '../items/schema.ts';
import { readStored } from '../items/write.ts';
import { itemKey } from '../keys.ts';
import { type ImportRow, Imports, Tables } from '../state.ts';
import { type StoredItem, storeItem } from '../stored.ts';
import { addTable, readNewTable } from '../tables/create.ts';
import { readItem } from '../values.ts';
import { openRestored } from './backups.ts';
import { type Found, findItems, readObject } from './import-source.ts';

/** "Import format quotas": imports at one time, and objects of one. */
const importsMax = 50;
const objectsMax = 50_000;
/** Errors that are logged; all are counted. */
const loggedMax = 10_000;
const writtenAtOnce = 100;
const keptMillis = 90 * 86_400_000;
const logGroupName = '/aws-dynamodb/imports';

const logGroupArn = ({ account, region }: Context): string => `arn:aws:logs:${region}:${account}:log-group:${logGroupName}:*`;

function describeSummary(ctx: Context, row: ImportRow): ImportSummary {
  return {
    ImportArn: row.arn,
    ImportStatus: row.status,
    TableArn: row.table.arn,
    S3BucketSource: { S3Bucket: row.source.bucket, S3KeyPrefix: row.source.prefix, S3BucketOwner: row.source.owner },
    CloudWatchLogGroupArn: logGroupArn(ctx),
    InputFormat: row.format,
    StartTime: new Date(row.started),
    ...(row.ended === undefined ? {} : { EndTime: new Date(row.ended) }),
  };
}

/** Counts stay at zero until the import has ended, as in AWS. */
function describeImport(ctx: Context, row: ImportRow): ImportTableDescription {
  const options = { Delimiter: row.delimiter, HeaderList: row.header === undefined ? undefined : [...row.header] };
  return {
    ...describeSummary(ctx, row),
    TableId: row.table.id,
    ClientToken: row.token,
    ErrorCount: row.errors,
    InputFormatOptions: row.delimiter === undefined && row.header === undefined ? undefined : { Csv: options },
    InputCompressionType: row.compression,
    TableCreationParameters: row.creation as unknown as ImportTableInput['TableCreationParameters'],
    ...(row.bytes === undefined ? {} : { ProcessedSizeBytes: row.bytes }),
    ProcessedItemCount: row.imported + row.errors,
    ImportedItemCount: row.imported,
    FailureCode: row.failure?.code,
    FailureMessage: row.failure?.message,
  };
}

interface Counts {
  imported: number;
  errors: number;
  bytes: number;
}

/** Carries an import out. After a crash it begins anew: what is there is written again. */
export const runImport: Task = async ({ key: arn }, ctx) => {
  const row = await ctx.table(Imports).get(arn);
  if (row === undefined || row.status !== 'IN_PROGRESS') return;
  const counts: Counts = { imported: 0, errors: 0, bytes: 0 };
  let failure = row.failure;
  try {
    if (failure === undefined) await importObjects(ctx, row, counts);
  } catch (error) {
    if (!(error instanceof AwsError)) throw error;
    failure = { code: `S3${error.code}`, message: error.message };
  }
  if (failure !== undefined) await ctx.transact((tx) => tx.table(Tables).delete(row.table.name));
  else {
    await openRestored(ctx, row.table.name);
    if (counts.errors > 0)
      failure = {
        code: 'ItemValidationError',
        message: 'Some of the items failed validation checks. Please check CloudWatch error logs for more details.',
      };
  }
  const end = { status: failure === undefined ? 'COMPLETED' : 'FAILED', failure, ended: ctx.clock.now(), ...counts } as const;
  await ctx.transact((tx) => tx.table(Imports).update([arn], (old) => ({ ...old, ...end })));
};

async function importObjects(ctx: Context, row: ImportRow, counts: Counts): Promise<void> {
  const log = new ErrorLog(ctx, row);
  for (const key of await listKeys(ctx, row)) {
    let text: string;
    try {
      const bytes = await readObject(ctx, row, key);
      counts.bytes += bytes.length;
      text = bytes.toString('utf8');
    } catch (error) {
      if (error instanceof AwsError) throw error;
      counts.errors += 1;
      await log.add(key, 0, `The object could not be read as ${row.compression}: ${(error as Error).message}`);
      continue;
    }
    await importItems(ctx, { row, key, log, counts }, findItems(row, text));
  }
  await log.flush();
}

async function importItems(
  ctx: Context,
  { row, key, log, counts }: { row: ImportRow; key: string; log: ErrorLog; counts: Counts },
  found: Iterable<Found>,
): Promise<void> {
  let batch: StoredItem[] = [];
  let index = -1;
  for (const each of found) {
    index += 1;
    const read = 'problem' in each ? each : readImported(row, each.item);
    if ('problem' in read) {
      counts.errors += 1;
      await log.add(key, index, read.problem);
      if (read.last) break;
      continue;
    }
    batch.push(read.stored);
    if (batch.length < writtenAtOnce) continue;
    await writeItems(ctx, row, batch);
    counts.imported += batch.length;
    batch = [];
  }
  await writeItems(ctx, row, batch);
  counts.imported += batch.length;
}

/** The item that attributes are, checked as PutItem checks it. */
function readImported(
  { table }: ImportRow,
  item: Parameters<typeof readItem>[0],
): { stored: StoredItem } | { problem: string; last: boolean } {
  try {
    if (Object.hasOwn(item, '')) throw validation('Empty attribute name');
    const stored = storeItem(readItem(item));
    checkItem(table, stored.item);
    if (stored.size > itemBytesMax) throw validation('Item size has exceeded the maximum allowed size');
    return { stored };
  } catch (error) {
    if (!(error instanceof AwsError)) throw error;
    return { problem: error.message, last: false };
  }
}

async function writeItems(ctx: Context, { table }: ImportRow, batch: readonly StoredItem[]): Promise<void> {
  if (batch.length === 0) return;
  await ctx.transact(async (tx) => {
    for (const after of batch) {
      const key = itemKey(table.space, after.item, table);
      const before = await readStored(tx, ctx, key);
      await applyChange(tx, { scope: ctx, table, key, before, after, now: ctx.now });
    }
  });
}

async function listKeys(ctx: Context, { source }: ImportRow): Promise<readonly string[]> {
  const keys: string[] = [];
  let ContinuationToken: string | undefined;
  do {
    const page = await ctx.call('s3').listObjectsV2({
      ...{ Bucket: source.bucket, Prefix: source.prefix, ExpectedBucketOwner: source.owner, ContinuationToken },
    });
    for (const { Key } of page.Contents ?? []) keys.push(Key ?? '');
    ContinuationToken = page.NextContinuationToken;
  } while (ContinuationToken !== undefined && keys.length < objectsMax);
  return keys;
}

/** Errors on their way to the log of imports, in the stream of this one. */
class ErrorLog {
  readonly #ctx: Context;
  readonly #row: ImportRow;
  #events: { timestamp: number; message: string }[] = [];
  #written = 0;

  constructor(ctx: Context, row: ImportRow) {
    this.#ctx = ctx;
    this.#row = row;
  }

  async add(key: string, itemIndex: number, problem: string): Promise<void> {
    if (this.#written + this.#events.length >= loggedMax) return;
    const message = JSON.stringify({
      itemS3Pointers: [{ bucket: this.#row.source.bucket, key, itemIndex }],
      importArn: this.#row.arn,
      errorMessages: [problem],
    });
    this.#events.push({ timestamp: this.#ctx.clock.now(), message });
    if (this.#events.length >= 500) await this.flush();
  }

  async flush(): Promise<void> {
    if (this.#events.length === 0) return;
    const logs = this.#ctx.call('cloudwatch-logs');
    const unlessThere = (error: unknown): void => {
      if (!(error instanceof AwsError) || error.code !== 'ResourceAlreadyExistsException') throw error;
    };
    const logStreamName = `${this.#row.id}/error`;
    if (this.#written === 0) {
      await logs.createLogGroup({ logGroupName }).catch(unlessThere);
      await logs.createLogStream({ logGroupName, logStreamName }).catch(unlessThere);
    }
    await logs.putLogEvents({ logGroupName, logStreamName, logEvents: this.#events });
    this.#written += this.#events.length;
    this.#events = [];
  }
}

function checkInput(input: ImportTableInput): void {
  const { S3BucketSource: source, InputFormatOptions: options } = input;
  new RequestChecks()
    .present(input.ClientToken, 'clientToken')
    .pattern(input.ClientToken, 'clientToken', '[^\\$]+')
    .length(source?.S3Bucket, 's3BucketSource.s3Bucket', 0, 255)
    .pattern(source?.S3Bucket, 's3BucketSource.s3Bucket', '[a-z0-9A-Z]+[\\.\\-\\w]*[a-z0-9A-Z]+')
    .length(source?.S3KeyPrefix, 's3BucketSource.s3KeyPrefix', 0, 1024)
    .oneOf(input.InputFormat, 'inputFormat', ['ION', 'CSV', 'DYNAMODB_JSON'])
    .pattern(options?.Csv?.Delimiter, 'inputFormatOptions.csv.delimiter', '[,;:|\\t ]')
    .length(options?.Csv?.HeaderList, 'inputFormatOptions.csv.headerList', 1, 255)
    .oneOf(input.InputCompressionType, 'inputCompressionType', ['GZIP', 'ZSTD', 'NONE'])
    .done();
  if (options !== undefined && input.InputFormat !== 'CSV')
    throw validation(`InputFormatOptions cannot be given for the InputFormat ${input.InputFormat}`);
  if (input.InputFormat === 'ION') throw parameterNotImplemented('ImportTable', 'InputFormat ION');
}

/** Whether the caller may read the source; what S3 says otherwise is what the import will fail with. */
async function lookAtSource(ctx: Context, { bucket: Bucket, prefix, owner }: ImportRow['source']): Promise<ImportRow['failure']> {
  const s3 = ctx.call('s3');
  try {
    const page = await s3.listObjectsV2({ Bucket, Prefix: prefix, ExpectedBucketOwner: owner, MaxKeys: 1 });
    const first = page.Contents?.[0]?.Key;
    if (first !== undefined) await s3.headObject({ Bucket, Key: first, ExpectedBucketOwner: owner });
    return undefined;
  } catch (error) {
    if (!(error instanceof AwsError)) throw error;
    return { code: `S3${error.code}`, message: error.message };
  }
}

async function requireImport(ctx: Context, arn: string | undefined): Promise<ImportRow> {
  if (!/^arn:aws:dynamodb:[a-z0-9-]+:\d{12}:table\/[a-zA-Z0-9_.-]{3,255}\/import\/[\w-]+$/.test(arn ?? ''))
    throw validation('Invalid Import ARN');
  const row = await ctx.table(Imports).get(arn ?? '');
  if (row === undefined) throw new AwsError('ImportNotFoundException', `Import not found: ${arn}`);
  return row;
}

export const importHandlers: HandlersOf<DynamoDB> = {
  async ImportTable(input, ctx) {
    checkInput(input);
    const creation = input.TableCreationParameters ?? ({} as NonNullable<ImportTableInput['TableCreationParameters']>);
    const running = (await ctx.table(Imports).list()).filter(({ status }) => status === 'IN_PROGRESS');
    const same = running.find(({ token }) => token === input.ClientToken);
    // Only another table is a conflict: all else that differs is not looked at, as in AWS.
    if (same !== undefined && same.table.name !== creation.TableName)
      throw new AwsError('ImportConflictException', 'Duplicate request detected with conflicting parameters');
    if (same !== undefined) return { ImportTableDescription: describeImport(ctx, same) };
    if (running.length >= importsMax) throw limitExceeded(`Too many imports at one time: the limit is ${importsMax}`);
    const { until: _, ...table } = await readNewTable(ctx, creation);
    const id = `${String(ctx.now).padStart(14, '0')}-${ctx.id('job').slice(0, 8)}`;
    const given = input.S3BucketSource;
    const source = { bucket: given?.S3Bucket ?? '', prefix: given?.S3KeyPrefix, owner: given?.S3BucketOwner };
    const row: ImportRow = {
      ...{ arn: `${table.arn}/import/${id}`, id, table, token: input.ClientToken ?? '', started: ctx.now },
      ...{ status: 'IN_PROGRESS', failure: await lookAtSource(ctx, source), source },
      ...{ format: input.InputFormat === 'CSV' ? 'CSV' : 'DYNAMODB_JSON', compression: input.InputCompressionType ?? 'NONE' },
      ...{ delimiter: input.InputFormatOptions?.Csv?.Delimiter, header: input.InputFormatOptions?.Csv?.HeaderList },
      ...{ creation: { ...creation } as never, imported: 0, errors: 0 },
    };
    return ctx.transact(async (tx) => {
      await addTable(tx, ctx, ctx, table);
      await tx.table(Imports).put(row);
      await tx.schedule({ task: 'runImport', key: row.arn, due: ctx.now });
      return { ImportTableDescription: describeImport(ctx, row) };
    });
  },

  async DescribeImport({ ImportArn }, ctx) {
    return { ImportTableDescription: describeImport(ctx, await requireImport(ctx, ImportArn)) };
  },

  /** Running imports are listed too, whatever the reference says. */
  async ListImports({ TableArn, PageSize: size = 25, NextToken: after }, ctx) {
    new RequestChecks().atLeast(size, 'pageSize', 1).atMost(size, 'pageSize', 25).done();
    const rows = (await ctx.table(Imports).list()).filter(
      (row) => (TableArn === undefined || row.table.arn === TableArn) && row.started > ctx.now - keptMillis,
    );
    if (after !== undefined && !rows.some(({ arn }) => arn === after)) throw validation('Invalid NextToken');
    const left = rows.filter(({ arn }) => after === undefined || arn > after);
    const shown = left.slice(0, size);
    return {
      ImportSummaryList: shown.map((row) => describeSummary(ctx, row)),
      NextToken: left.length > size ? shown.at(-1)?.arn : undefined,
    };
  },
};
