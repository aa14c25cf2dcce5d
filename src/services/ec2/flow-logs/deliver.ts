/**
 * Where flow log records go: at once to a log group with the role's rights, one stream for each interface ("Publish flow logs to CloudWatch Logs"), or
 * every five minutes as a gzip file to a bucket whose policy lets delivery.logs.amazonaws.com in ("Flow log files", "Amazon S3 bucket permissions").
 * A destination that refuses makes the log's delivery status FAILED until one succeeds; its records are lost, as in AWS.
 */
import { createHash } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import type { Millis } from '../../../base/clock.ts';
import type { Context } from '../../../kernel/context.ts';
import { AwsError } from '../../../kernel/errors.ts';
import type { StsApi } from '../../sts/api.ts';
import { fieldsOf } from './format.ts';
import { FlowLines, type FlowLogDestination, type FlowLogRow, FlowLogs } from './state.ts';

/** Milliseconds of cloud time between files. */
const fileStep = 300_000;
/** Events in one PutLogEvents, well below its bound of 10,000 and 1 MiB. */
const eventsPerCall = 4000;

export interface InterfaceRecords {
  interfaceId: string;
  /** Begin of the window. */
  at: Millis;
  lines: readonly string[];
}

type Logs = ReturnType<typeof logsOf>;

function logsOf(ctx: Context) {
  return ctx.call('cloudwatch-logs');
}

async function unless(code: string, work: Promise<unknown>): Promise<boolean> {
  try {
    await work;
    return true;
  } catch (error) {
    if (error instanceof AwsError && error.code === code) return false;
    throw error;
  }
}

/** The stream, and its group when that does not exist: AWS makes both by the role's rights. */
async function ensureStream(logs: Logs, logGroupName: string, logStreamName: string): Promise<void> {
  const make = () => unless('ResourceAlreadyExistsException', logs.createLogStream({ logGroupName, logStreamName }));
  if (await unless('ResourceNotFoundException', make())) return;
  await unless('ResourceAlreadyExistsException', logs.createLogGroup({ logGroupName }));
  await make();
}

async function writeEvents(
  ctx: Context,
  row: FlowLogRow,
  { group, roleArn }: Extract<FlowLogDestination, { kind: 'cloud-watch-logs' }>,
  records: readonly InterfaceRecords[],
): Promise<void> {
  const sts = await ctx.internal<StsApi>('sts');
  const identity = await sts.roleIdentity({ roleArn, sessionName: 'FlowLogs', service: 'vpc-flow-logs' });
  const logs = logsOf(ctx.asIdentity(identity));
  for (const { interfaceId, at, lines } of records) {
    const logStreamName = `${interfaceId}-${row.traffic.toLowerCase()}`;
    const logEvents = lines.map((message) => ({ timestamp: at, message }));
    for (let start = 0; start < logEvents.length; start += eventsPerCall) {
      const batch = { logGroupName: group, logStreamName, logEvents: logEvents.slice(start, start + eventsPerCall) };
      if (await unless('ResourceNotFoundException', logs.putLogEvents(batch))) continue;
      await ensureStream(logs, group, logStreamName);
      await logs.putLogEvents(batch);
    }
  }
}

/** Key of a file: `AWSLogs/123456789012/vpcflowlogs/us-east-1/2026/11/21/123456789012_vpcflowlogs_us-east-1_fl-…_20261121T0420Z_….log.gz`. */
function keyOf(ctx: Context, row: FlowLogRow, options: { folder: string; hive: boolean; hourly: boolean }, end: Millis): string {
  const { account, region } = ctx;
  const begin = new Date(end - fileStep).toISOString();
  const [year, month, day, hour] = [begin.slice(0, 4), begin.slice(5, 7), begin.slice(8, 10), begin.slice(11, 13)];
  const stamp = `${begin.slice(0, 16).replaceAll(/[-:]/g, '')}Z`;
  const folders = options.hive
    ? [
        ...[`aws-account-id=${account}`, 'aws-service=vpcflowlogs', `aws-region=${region}`],
        ...[`year=${year}`, `month=${month}`, `day=${day}`, ...(options.hourly ? [`hour=${hour}`] : [])],
      ]
    : [account, 'vpcflowlogs', region, year, month, day, ...(options.hourly ? [hour] : [])];
  const hash = createHash('sha256').update(`${row.id} ${end}`).digest('hex').slice(0, 8);
  return `${options.folder}AWSLogs/${folders.join('/')}/${account}_vpcflowlogs_${region}_${row.id}_${stamp}_${hash}.log.gz`;
}

/** ARN under which log delivery comes to a bucket. */
export function deliveryArn(ctx: Context): string {
  return `arn:aws:logs:${ctx.region}:${ctx.account}:*`;
}

async function writeFile(
  ctx: Context,
  row: FlowLogRow,
  destination: Extract<FlowLogDestination, { kind: 's3' }>,
  end: Millis,
): Promise<void> {
  const rows = await ctx.table(FlowLines).list({ prefix: [row.id] });
  const lines = rows.flatMap((one) => one.lines);
  if (lines.length === 0) return;
  await ctx.transact(async (tx) => {
    for (const { logId, at } of rows) await tx.table(FlowLines).delete(logId, at);
  });
  await ctx
    .onAccountOf(deliveryArn(ctx), ctx.account, 'delivery.logs')
    .call('s3')
    .putObject({
      Bucket: destination.bucket,
      Key: keyOf(ctx, row, destination, end),
      Body: gzipSync(`${[fieldsOf(row.format).join(' '), ...lines].join('\n')}\n`),
      ACL: 'bucket-owner-full-control',
      ContentType: 'application/octet-stream',
    });
}

/** Hands the records of windows that ended at `end` on, and files that are due then. */
export async function deliver(ctx: Context, row: FlowLogRow, end: Millis, records: readonly InterfaceRecords[]): Promise<void> {
  const { destination } = row;
  let failure: string | undefined;
  try {
    if (destination.kind === 's3') {
      const lines = records.flatMap((one) => one.lines);
      if (lines.length > 0) await ctx.transact((tx) => tx.table(FlowLines).put({ logId: row.id, at: end, lines }));
      if (end % fileStep !== 0) return;
      await writeFile(ctx, row, destination, end);
    } else if (records.length > 0) await writeEvents(ctx, row, destination, records);
    else return;
  } catch (error) {
    if (!(error instanceof AwsError)) throw error;
    ctx.trace(`Delivery of ${row.id} was refused: ${error.message}`);
    failure = /Denied|NoSuchBucket|NoSuchEntity|NotFound/.test(error.code) ? 'Access error' : 'Unknown error';
  }
  await ctx.transact((tx) => tx.table(FlowLogs).update([row.id], (latest) => ({ ...latest, failure })));
}
