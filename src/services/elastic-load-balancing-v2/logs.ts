/**
 * Access and connection logs of Application Load Balancers: what nodes logged is kept in rows each minute, and every five minutes of the cloud's time
 * each node's lines become one gzip file ("Access logs for your Application Load Balancer", "Connection logs …": file names, entries). That the bucket
 * takes files is tried when logs are turned on, by a test file as in AWS. Delivery is best effort, as it says there: what a bucket refuses is lost.
 */
import { gzipSync } from 'node:zlib';
import type { Context } from '../../kernel/context.ts';
import { rootIdentity } from '../../kernel/caller.ts';
import { AwsError } from '../../kernel/errors.ts';
import type { ProxyConnectionEntry, ProxyCounts, ProxyLogEntry } from '../../planes/proxy/types.ts';
import { balancerPart } from './arns.ts';
import { balancerAttribute } from './attributes.ts';
import { invalidConfiguration, validationError } from './errors.ts';
import { type AttributeMap, type BalancerRow, LogLines, type NodeRow } from './state.ts';

const fileStep = 300_000;

export type LogKind = 'access' | 'connection';
const kinds: readonly LogKind[] = ['access', 'connection'];
const testFiles: Readonly<Record<LogKind, string>> = {
  access: 'ELBAccessLogTestFile',
  connection: 'ELBConnectionLogTestFile',
};

/**
 * Accounts by which Elastic Load Balancing comes to buckets in Regions from before August 2022: their policies may name either these or the service
 * ("Enable access logs": attach a policy).
 */
const accounts: Readonly<Record<string, string>> = {
  'us-east-1': '127311923021',
  'us-east-2': '033677994240',
  'us-west-1': '027434742980',
  'us-west-2': '797873946194',
  'af-south-1': '098369216593',
  'ap-east-1': '754344448648',
  'ap-south-1': '718504428378',
  'ap-northeast-1': '582318560864',
  'ap-northeast-2': '600734575887',
  'ap-northeast-3': '383597477331',
  'ap-southeast-1': '114774131450',
  'ap-southeast-2': '783225319266',
  'ap-southeast-3': '589379963580',
  'ca-central-1': '985666609251',
  'eu-central-1': '054676820928',
  'eu-north-1': '897822967062',
  'eu-south-1': '635631232127',
  'eu-west-1': '156460612806',
  'eu-west-2': '652711504416',
  'eu-west-3': '009996457667',
  'me-south-1': '076674570225',
  'sa-east-1': '507241528517',
};

interface Destination {
  bucket: string;
  /** Empty, or with a slash at its end. */
  folder: string;
}

function destinationOf(row: Pick<BalancerRow, 'type' | 'attributes'>, kind: LogKind): Destination {
  const prefix = balancerAttribute(row, `${kind}_logs.s3.prefix`);
  return { bucket: balancerAttribute(row, `${kind}_logs.s3.bucket`), folder: prefix === '' ? '' : `${prefix}/` };
}

/** Writes an object as the service, or where the policy does not know that, as the Region's account. Throws what S3 refuses with. */
async function put(
  ctx: Context,
  row: BalancerRow,
  { bucket, folder }: Destination,
  key: string,
  Body: Uint8Array,
): Promise<void> {
  const input = { Bucket: bucket, Key: `${folder}${key}`, Body };
  const legacy = accounts[ctx.region];
  const service = ctx.onAccountOf(row.arn, ctx.account, 'logdelivery.elasticloadbalancing');
  try {
    await service.call('s3').putObject(input);
  } catch (error) {
    if (!(error instanceof AwsError) || !/Denied/.test(error.code) || legacy === undefined) throw error;
    await ctx.asIdentity(rootIdentity(legacy)).call('s3').putObject(input);
  }
}

/**
 * Tries the buckets of logs that a change turns on or moves, with a test file. Throws InvalidConfigurationRequest when a bucket refuses it,
 * ValidationError when none is named.
 */
export async function checkLogs(ctx: Context, row: BalancerRow, attributes: AttributeMap): Promise<void> {
  const next = { ...row, attributes };
  for (const kind of kinds) {
    if (balancerAttribute(next, `${kind}_logs.s3.enabled`) !== 'true') continue;
    const [before, after] = [destinationOf(row, kind), destinationOf(next, kind)];
    const wasOn = balancerAttribute(row, `${kind}_logs.s3.enabled`) === 'true';
    if (wasOn && before.bucket === after.bucket && before.folder === after.folder) continue;
    if (after.bucket === '')
      throw validationError(`'${kind}_logs.s3.bucket' must be specified when '${kind}_logs.s3.enabled' is 'true'`);
    try {
      const text = `Enable ${kind === 'access' ? 'AccessLog' : 'ConnectionLog'} for ELB: ${row.name} at ${new Date(ctx.now).toISOString()}`;
      await put(ctx, next, after, `AWSLogs/${ctx.account}/${testFiles[kind]}`, Buffer.from(text));
    } catch (error) {
      if (!(error instanceof AwsError)) throw error;
      throw invalidConfiguration(`Access Denied for bucket: ${after.bucket}. Please check S3bucket permission`);
    }
  }
}

/** Times of a node's entries as `2026-11-21T06:10:23.186000Z`, in cloud time. */
type Stamp = (at: number) => string;

/** A node's clock is the host's; what it logged before the clock was moved belongs into the minute that ended at `due`. */
function stamping(ctx: Context, due: number): Stamp {
  const ahead = ctx.clock.now() - ctx.clock.realNow();
  return (at) => new Date(Math.min(at + ahead, due)).toISOString().replace('Z', '000Z');
}

const seconds = (value: number): string => (value < 0 ? '-1' : value.toFixed(3));
const quoted = (text: string): string => `"${text.replace(/["\\]/g, '\\$&')}"`;
const statusOf = (status: number): string => (status === 0 ? '-' : String(status));
const grades = { acceptable: 'Acceptable', ambiguous: 'Ambiguous', severe: 'Severe' } as const;

/** What nodes call a failed call by themselves ("Access logs": error reason codes). */
const failures: Readonly<Record<string, string>> = {
  'body-too-long': 'LambdaRequestTooLarge',
  upgrade: 'LambdaWebsocketNotSupported',
  unanswered: 'LambdaServiceException',
};

function failureOf({ failure = '-' }: ProxyLogEntry): string {
  return failures[failure] ?? failure;
}

function accessLine(stamp: Stamp, row: BalancerRow, entry: ProxyLogEntry): string {
  const hasTarget = entry.target !== '-';
  return [
    ...[entry.kind, stamp(entry.at), balancerPart(row.arn), entry.client, entry.target],
    ...[seconds(entry.requestTime), seconds(entry.targetTime), seconds(entry.responseTime)],
    ...[statusOf(entry.status), statusOf(entry.targetStatus), entry.received, entry.sent],
    ...[quoted(entry.request), quoted(entry.userAgent), entry.cipher, entry.tlsVersion, entry.pool],
    ...[quoted(entry.trace), quoted(entry.serverName), quoted(entry.certificate)],
    ...[entry.priority, stamp(entry.began), quoted(entry.action), quoted(entry.redirect), quoted(failureOf(entry))],
    ...[
      quoted(hasTarget ? entry.target : '-'),
      quoted(entry.targetStatus !== 0 || hasTarget ? statusOf(entry.targetStatus) : '-'),
    ],
    ...[quoted(entry.doubt === undefined ? '-' : grades[entry.doubt.grade]), quoted(entry.doubt?.reason ?? '-')],
    entry.connection,
  ].join(' ');
}

function connectionLine(stamp: Stamp, entry: ProxyConnectionEntry): string {
  const { tls } = entry;
  const verified = entry.failed ? 'Failed:UnmappedConnectionError' : tls === undefined ? '-' : 'Success';
  return [
    ...[stamp(entry.at), entry.client, entry.clientPort, entry.port],
    ...[tls?.version ?? '-', tls?.cipher ?? '-', tls === undefined ? '-' : tls.handshakeSeconds.toFixed(3)],
    ...['"-"', '-', '-', verified, entry.connection],
  ].join(' ');
}

/** Keeps what a node logged until `due`. */
export async function keepLines(ctx: Context, row: BalancerRow, node: NodeRow, taken: ProxyCounts, due: number): Promise<void> {
  const stamp = stamping(ctx, due);
  const lines: Readonly<Record<LogKind, string[]>> = {
    access: taken.log.map((entry) => accessLine(stamp, row, entry)),
    connection: taken.connections.map((entry) => connectionLine(stamp, entry)),
  };
  const filled = kinds.filter((kind) => lines[kind].length > 0);
  if (filled.length === 0) return;
  await ctx.transact(async (tx) => {
    for (const kind of filled)
      await tx.table(LogLines).put({ balancer: row.arn, kind, node: node.interfaceId, at: due, lines: lines[kind] });
  });
}

/** Writes the files that fell due between two times, and forgets their lines. */
export async function deliverLogs(ctx: Context, row: BalancerRow, from: number, to: number): Promise<void> {
  const end = Math.floor(to / fileStep) * fileStep;
  if (end <= from) return;
  const rows = await ctx.table(LogLines).list({ prefix: [row.arn] });
  if (rows.length === 0) return;
  await ctx.transact(async (tx) => {
    for (const { balancer, kind, node, at } of rows) await tx.table(LogLines).delete(balancer, kind, node, at);
  });
  for (const kind of kinds)
    for (const node of new Set(rows.filter((one) => one.kind === kind).map((one) => one.node))) {
      const lines = rows.filter((one) => one.kind === kind && one.node === node).flatMap((one) => one.lines);
      await deliverFile(ctx, row, kind, node, end, lines);
    }
}

async function deliverFile(
  ctx: Context,
  row: BalancerRow,
  kind: LogKind,
  interfaceId: string,
  end: number,
  lines: readonly string[],
): Promise<void> {
  const destination = destinationOf(row, kind);
  if (destination.bucket === '') return;
  const node = row.nodes.find((each) => each.interfaceId === interfaceId);
  const [day, stamp] = [new Date(end).toISOString().slice(0, 10), new Date(end).toISOString().slice(0, 16).replace(/[-:]/g, '')];
  const start = kind === 'connection' ? 'conn_log.' : '';
  const name = `${start}${ctx.account}_elasticloadbalancing_${ctx.region}_${balancerPart(row.arn).replaceAll('/', '.')}`;
  const unique = Buffer.from(ctx.bytes(4)).toString('hex');
  const file = `${name}_${stamp}Z_${node?.publicIp ?? node?.address ?? interfaceId}_${unique}.log.gz`;
  const key = `AWSLogs/${ctx.account}/elasticloadbalancing/${ctx.region}/${day.replaceAll('-', '/')}/${file}`;
  try {
    await put(ctx, row, destination, key, gzipSync(`${lines.join('\n')}\n`));
  } catch (error) {
    if (!(error instanceof AwsError)) throw error;
    ctx.trace(`A log of ${row.arn} was refused by ${destination.bucket}: ${error.message}`);
  }
}
