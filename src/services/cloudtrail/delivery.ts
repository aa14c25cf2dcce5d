/**
 * What trails deliver: every five minutes of the cloud's time a gzip file per Region with calls, and their records to a log group; every hour a signed
 * digest of the files, when the trail wants validation. Source: CloudTrail User Guide, "CloudTrail log file name format", "Digest file structure".
 */
import { createHash } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { regions } from '../../base/regions.ts';
import type { Context, Transaction } from '../../kernel/context.ts';
import { AwsError } from '../../kernel/errors.ts';
import { Calls, type CallRow } from '../../kernel/recorder.ts';
import type { Task } from '../../kernel/service.ts';
import type { StsApi } from '../sts/api.ts';
import { writeDigest } from './digests.ts';
import { eventOf, eventSource, type TrailEvent } from './event.ts';
import { trailArn } from './names.ts';
import { DataCalls, type TrailRow, Trails } from './state.ts';

/** Milliseconds of cloud time between files ("about every 5 minutes"). */
export const deliveryStep = 300_000;
const digestStep = 3_600_000;
/** Calls younger than this wait for the next file, since the record of calls is written in batches. */
const settleMillis = 2000;

/** Asks for the next delivery of a trail. */
export async function scheduleDelivery(tx: Transaction, name: string, due: number): Promise<void> {
  await tx.schedule({ task: 'deliver', key: name, due });
}

/** Whether a trail's selectors take a management call. */
export function wantsCall(row: TrailRow, call: Pick<CallRow, 'readOnly' | 'service'>): boolean {
  return row.selectors.some(
    ({ management, readWrite, excludedSources }) =>
      management &&
      (readWrite === 'All' || (readWrite === 'ReadOnly') === call.readOnly) &&
      !excludedSources.includes(eventSource(call.service)),
  );
}

/** `2026/11/21` and `20261121T0325Z` of a time. */
export function pathDates(at: number): { folder: string; stamp: string; seconds: string } {
  const iso = new Date(at).toISOString();
  const compact = iso.replaceAll(/[-:]/g, '');
  return {
    folder: iso.slice(0, 10).replaceAll('-', '/'),
    stamp: `${compact.slice(0, 13)}Z`,
    seconds: `${compact.slice(0, 15)}Z`,
  };
}

async function callsOf(ctx: Context, row: TrailRow, region: string, from: number, to: number): Promise<TrailEvent[]> {
  const there = ctx.inScope({ region });
  const rows = await there.table(Calls).list({ after: [from, ''], before: [to, ''] });
  const management = rows.filter((call) => wantsCall(row, call)).map((call) => eventOf(there, call));
  const data = await there.table(DataCalls).list({ prefix: [row.name], before: [row.name, to, ''] });
  return [...management, ...data.map((call) => eventOf(there, call, true))].sort((a, b) =>
    String(a['eventTime']) < String(b['eventTime']) ? -1 : 1,
  );
}

/** The object that holds a file. */
async function putFile(
  ctx: Context,
  row: TrailRow,
  key: string,
  body: Uint8Array,
  metadata: Record<string, string> = {},
): Promise<void> {
  await ctx
    .onAccountOf(trailArn(ctx, row.name))
    .call('s3')
    .putObject({
      Bucket: row.bucket,
      Key: `${row.prefix === undefined ? '' : `${row.prefix}/`}${key}`,
      Body: body,
      ACL: 'bucket-owner-full-control',
      ContentType: 'application/json',
      ContentEncoding: 'gzip',
      Metadata: metadata,
    });
}

async function writeLogs(ctx: Context, row: TrailRow, events: readonly TrailEvent[]): Promise<void> {
  const group = /:log-group:([^:]+):\*$/.exec(row.logGroupArn ?? '')?.[1] ?? '';
  const sts = await ctx.internal<StsApi>('sts');
  const identity = await sts.roleIdentity({ roleArn: row.logRoleArn ?? '', sessionName: 'CloudTrail', service: 'cloudtrail' });
  const logs = ctx.asIdentity(identity).call('cloudwatch-logs');
  const logStreamName = `${ctx.account}_CloudTrail_${ctx.region}`;
  await logs.createLogStream({ logGroupName: group, logStreamName }).catch((error: unknown) => {
    if (!(error instanceof AwsError) || error.code !== 'ResourceAlreadyExistsException') throw error;
  });
  const logEvents = events.map((event) => ({
    timestamp: Date.parse(String(event['eventTime'])),
    message: JSON.stringify(event),
  }));
  for (let start = 0; start < logEvents.length; start += 500)
    await logs.putLogEvents({ logGroupName: group, logStreamName, logEvents: logEvents.slice(start, start + 500) });
}

async function attempt(work: () => Promise<void>): Promise<string | undefined> {
  try {
    await work();
    return undefined;
  } catch (error) {
    if (!(error instanceof AwsError)) throw error;
    return error.code;
  }
}

interface Delivered {
  files: TrailRow['undigested'][number][];
  error?: string | undefined;
  logError?: string | undefined;
  any: boolean;
}

async function deliverRegions(ctx: Context, row: TrailRow, from: number, to: number): Promise<Delivered> {
  const delivered: Delivered = { files: [], any: false };
  for (const region of row.multiRegion ? regions.map(({ name }) => name) : [ctx.region]) {
    const events = await callsOf(ctx, row, region, from, to);
    if (events.length === 0) continue;
    delivered.any = true;
    const text = JSON.stringify({ Records: events });
    const { folder, stamp } = pathDates(to);
    const unique = createHash('sha256').update(`${row.life} ${region} ${to}`).digest('hex').slice(0, 16);
    const key = `AWSLogs/${ctx.account}/CloudTrail/${region}/${folder}/${ctx.account}_CloudTrail_${region}_${stamp}_${unique}.json.gz`;
    delivered.error ??= await attempt(() => putFile(ctx, row, key, gzipSync(text)));
    // Digests hold the hash of what is inside the gzip file.
    const hash = createHash('sha256').update(text).digest('hex');
    delivered.files.push({
      bucket: row.bucket,
      key: `${row.prefix === undefined ? '' : `${row.prefix}/`}${key}`,
      hash,
      from,
      to,
    });
    if (row.logGroupArn !== undefined) delivered.logError ??= await attempt(() => writeLogs(ctx, row, events));
  }
  return delivered;
}

/** Delivers what has come up since the last file, and asks to be called again while the trail logs. Stopped trails deliver what came before. */
export const deliver: Task = async ({ key, due }, ctx) => {
  const row = await ctx.table(Trails).get(key);
  if (row === undefined) return;
  const to = Math.min(due - settleMillis, row.logging ? due : (row.stopped ?? due));
  const delivered = await deliverRegions(ctx, row, row.deliveredTo, to);
  const ok = delivered.error === undefined;
  const files = ok ? [...row.undigested, ...delivered.files] : row.undigested;
  const isDigestDue = row.validation && due - (row.lastDigest ?? due) >= digestStep;
  const digest = isDigestDue
    ? await writeDigest(ctx, { ...row, undigested: files }, due, (file, body, metadata) =>
        putFile(ctx, row, file, body, metadata),
      )
    : undefined;
  await ctx.transact(async (tx) => {
    const current = await tx.table(Trails).get(key);
    if (current === undefined || current.life !== row.life) return;
    for (const call of await tx.table(DataCalls).list({ prefix: [key], before: [key, to, ''] }))
      await tx.table(DataCalls).delete(call.trail, call.at, call.requestId);
    await tx.table(Trails).put({
      ...current,
      deliveredTo: to,
      lastDelivery: delivered.any ? due : current.lastDelivery,
      lastError: delivered.any ? delivered.error : current.lastError,
      lastLogDelivery: delivered.any && row.logGroupArn !== undefined ? due : current.lastLogDelivery,
      lastLogError: delivered.logError,
      undigested: digest === undefined ? files : [],
      previousDigest: digest ?? current.previousDigest,
      lastDigest: digest === undefined ? current.lastDigest : due,
    });
    if (current.logging) await scheduleDelivery(tx, key, due + deliveryStep);
  });
};
