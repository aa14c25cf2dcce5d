/**
 * Server access logs: a line for each request for a bucket that wants them, delivered as objects some minutes later, best effort ("Amazon S3 server
 * access log format"). Requests of websites are not logged, nor those whose names could not be read.
 */
import type { Millis } from '../../../base/clock.ts';
import type { Context } from '../../../kernel/context.ts';
import { AwsError } from '../../../kernel/errors.ts';
import type { AnsweredRequest, Task } from '../../../kernel/service.ts';
import { atBucket, currentVersion } from '../lookup.ts';
import { canonicalId } from '../rules.ts';
import { AccessPoints, type BucketRow, Buckets, Configs, type LoggingConfig, LogLines, type LogLineRow } from '../state.ts';
import { arnOfPoint } from '../access/points.ts';

/** From the first line of an object to its delivery. */
const deliveredAfter: Millis = 5 * 60_000;
/** Lines of one object. */
const batchLines = 10_000;

const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

/** `[06/Feb/2019:00:00:38 +0000]` */
function formatTime(at: Millis): string {
  const [day = '', time = ''] = new Date(at).toISOString().split('T');
  const [year, month, date] = day.split('-');
  return `[${date}/${months[Number(month) - 1]}/${year}:${time.slice(0, 8)} +0000]`;
}

/** Resource types of operations that are not simply about the object or the bucket. */
const resourceTypes: Readonly<Record<string, string>> = {
  CreateMultipartUpload: 'UPLOADS',
  ListMultipartUploads: 'UPLOADS',
  CompleteMultipartUpload: 'UPLOAD',
  AbortMultipartUpload: 'UPLOAD',
  ListParts: 'UPLOAD',
  UploadPart: 'PART',
  UploadPartCopy: 'PART',
  DeleteObjects: 'MULTI_OBJECT_DELETE',
  ListObjectVersions: 'BUCKETVERSIONS',
  GetBucketLogging: 'LOGGING_STATUS',
  PutBucketLogging: 'LOGGING_STATUS',
  GetBucketLocation: 'LOCATION',
  RestoreObject: 'OBJECT',
  ListObjects: 'BUCKET',
  ListObjectsV2: 'BUCKET',
};

/** `REST.PUT.OBJECT`, `REST.COPY.OBJECT`, `REST.GET.OBJECT_TAGGING`, `REST.GET.VERSIONING`. */
function formatOperation({ operation, method }: AnsweredRequest): string {
  const verb = operation === 'CopyObject' || operation === 'UploadPartCopy' ? 'COPY' : method;
  const noun = operation.replace(/^(Get|Put|Post|Head|Delete|List|Create)/, '');
  const setting = /^Object[A-Z]/.test(noun) ? noun : noun.replace(/^Bucket(?=.)/, '').replace(/Configuration$/, '');
  const type = resourceTypes[operation] ?? (operation === 'CopyObject' ? 'OBJECT' : setting.replace(/([a-z])([A-Z])/g, '$1_$2'));
  return `REST.${verb}.${type.toUpperCase()}`;
}

/** What a client wrote, in quotes that it cannot leave. */
function quoted(text: string | undefined): string {
  if (text === undefined || text === '') return '"-"';
  return `"${text
    .replaceAll('\\', '\\x5C')
    .replaceAll('"', '\\x22')
    .replace(/[\r\n]/g, ' ')}"`;
}

function requesterOf({ identity }: AnsweredRequest): string {
  if (identity === undefined) return '-';
  return identity.kind === 'root' ? canonicalId(identity.account) : identity.arn;
}

async function formatLine(ctx: Context, bucket: BucketRow, told: AnsweredRequest, pointArn: string | undefined): Promise<string> {
  const key = typeof told.input?.['Key'] === 'string' ? told.input['Key'] : undefined;
  const row = key === undefined ? undefined : await currentVersion(ctx, bucket.name, key);
  const millis = String(Math.round(told.totalMillis));
  const { headers, answerHeaders, signature, tls } = told;
  return [
    canonicalId(bucket.account),
    bucket.name,
    formatTime(told.at),
    told.sourceIp,
    requesterOf(told),
    told.requestId,
    formatOperation(told),
    key === undefined ? '-' : encodeURIComponent(key).replaceAll('%2F', '/'),
    quoted(`${told.method} ${told.target} HTTP/1.1`),
    String(told.status),
    told.errorCode ?? '-',
    told.bytesSent === 0 ? '-' : String(told.bytesSent),
    row === undefined ? '-' : String(row.bytes),
    millis,
    // The time until the answer's first byte is not known apart.
    '-',
    quoted(headers['referer']),
    quoted(headers['user-agent']),
    answerHeaders['x-amz-version-id'] ?? '-',
    answerHeaders['x-amz-id-2'] ?? '-',
    signature?.version ?? '-',
    tls?.cipher ?? '-',
    signature?.place ?? '-',
    headers['host'] ?? '-',
    tls?.version ?? '-',
    pointArn ?? '-',
    '-',
  ].join(' ');
}

/** The bucket of a request, and the access point by which it is named. */
async function bucketOf(ctx: Context, name: string): Promise<{ bucket: BucketRow; pointArn?: string } | undefined> {
  const found = await ctx.table(Buckets).get(name);
  if (found !== undefined) return { bucket: found };
  const [, region = '', account = '', point = ''] = /^arn:aws:s3:([^:]*):(\d*):accesspoint[/:](.+)$/.exec(name) ?? [];
  const points = ctx.table(AccessPoints);
  const row =
    point === '' ? (await points.byIndex('byAlias', [name], { limit: 1 }))[0] : await points.get(account, region, point);
  const bucket = row && (await ctx.table(Buckets).get(row.bucket));
  return row && bucket && { bucket, pointArn: arnOfPoint(row) };
}

/** Notes a request for a bucket whose requests are logged. */
export async function noteRequest(told: AnsweredRequest, ctx: Context): Promise<void> {
  const name = told.input?.['Bucket'];
  // Nearly all requests end here, after one read.
  const byPoint = typeof name === 'string' && (name.startsWith('arn:') || name.endsWith('-s3alias'));
  if (typeof name !== 'string' || (!byPoint && (await ctx.table(Configs).get(name, 'logging', '')) === undefined)) return;
  const found = await bucketOf(ctx, name);
  if (found === undefined) return;
  const { bucket, pointArn } = found;
  if ((await ctx.table(Configs).get(bucket.name, 'logging', '')) === undefined) return;
  const line = await formatLine(ctx, bucket, told, pointArn);
  await atBucket(ctx, bucket).transact(async (tx) => {
    const lines = tx.table(LogLines);
    if ((await lines.list({ prefix: [bucket.name], limit: 1 })).length === 0)
      await tx.schedule({ task: 'deliverLogs', key: bucket.name, due: told.at + deliveredAfter });
    await lines.put({ bucket: bucket.name, at: told.at, id: told.requestId, line });
  });
}

/** The key of an object of lines ("Amazon S3 log object format"). */
function objectKey(ctx: Context, bucket: BucketRow, { prefix, partition }: LoggingConfig, eventTime: Millis): string {
  const unique = Buffer.from(ctx.bytes(8)).toString('hex').toUpperCase();
  const [day = '', time = ''] = new Date(partition === 'EventTime' ? eventTime : ctx.now).toISOString().split('T');
  if (partition === undefined) return `${prefix}${day}-${time.slice(0, 8).replaceAll(':', '-')}-${unique}`;
  // "For EventTime … the hour, minutes and seconds are set to 00."
  const clock = partition === 'EventTime' ? '00-00-00' : time.slice(0, 8).replaceAll(':', '-');
  return `${prefix}${bucket.account}/${bucket.region}/${bucket.name}/${day.replaceAll('-', '/')}/${day}-${clock}-${unique}`;
}

/** Lines of one object: of one day where objects are filed by the day of their events. */
function groupsOf(rows: readonly LogLineRow[], { partition }: LoggingConfig): LogLineRow[][] {
  if (partition !== 'EventTime') return rows.length === 0 ? [] : [[...rows]];
  const days = new Map<string, LogLineRow[]>();
  for (const row of rows) {
    const day = new Date(row.at).toISOString().slice(0, 10);
    days.set(day, [...(days.get(day) ?? []), row]);
  }
  return [...days.values()];
}

/** Delivers what was noted. A target that refuses, or is gone, gets nothing: delivery is best effort. */
export const deliverLogs: Task = async ({ key: name }, ctx) => {
  const bucket = await ctx.table(Buckets).get(name);
  const config = (await ctx.table(Configs).get(name, 'logging', ''))?.config as unknown as LoggingConfig | undefined;
  const service = bucket && ctx.onAccountOf(`arn:aws:s3:::${name}`, bucket.account, 'logging.s3').call('s3');
  for (;;) {
    const rows = await ctx.table(LogLines).list({ prefix: [name], limit: batchLines });
    if (rows.length === 0) return;
    for (const group of config === undefined ? [] : groupsOf(rows, config)) {
      if (bucket === undefined || config === undefined || service === undefined) continue;
      const Body = Buffer.from(group.map(({ line }) => `${line}\n`).join(''));
      const Key = objectKey(ctx, bucket, config, group[0]?.at ?? ctx.now);
      try {
        await service.putObject({ Bucket: config.target, Key, Body, ContentType: 'text/plain' });
      } catch (error) {
        if (!(error instanceof AwsError) || error.status >= 500) throw error;
        ctx.trace(`Logs of ${name} were refused by ${config.target}: ${error.message}`);
      }
    }
    await ctx.transact(async (tx) => {
      for (const row of rows) await tx.table(LogLines).delete(row.bucket, row.at, row.id);
    });
  }
};
