/**
 * Access, connection and health check logs of load balancers: what nodes logged is kept in rows each minute, and every five minutes of the cloud's time
 * each node's lines become one gzip file ("Access logs for your Application Load Balancer", "Connection logs …": file names, entries). That the bucket
 * takes files is tried when logs are turned on, by a test file as in AWS. Delivery is best effort, as it says there: what a bucket refuses is lost.
 */
import { gzipSync } from 'node:zlib';
import type { Millis } from '../../base/clock.ts';
import type { Context } from '../../kernel/context.ts';
import { rootIdentity } from '../../kernel/caller.ts';
import { AwsError } from '../../kernel/errors.ts';
import type { ProxyCounts } from '../../planes/proxy/types.ts';
import { balancerPart } from './arns.ts';
import { balancerAttribute } from './attributes.ts';
import { invalidConfiguration, validationError } from './errors.ts';
import { accessLine, type CheckedTarget, checkLine, connectionLine, flowLine, type Stamp, stamping } from './log-lines.ts';
import {
  type AttributeMap,
  type BalancerRow,
  type GroupRow,
  Listeners,
  LogLines,
  type LogLinesRow,
  type NodeRow,
} from './state.ts';

const fileStep = 300_000;

export type LogKind = LogLinesRow['kind'];
const kinds: readonly LogKind[] = ['access', 'connection', 'health_check'];
const testFiles: Readonly<Record<LogKind, string>> = {
  access: 'ELBAccessLogTestFile',
  connection: 'ELBConnectionLogTestFile',
  health_check: 'ELBHealthCheckLogTestFile',
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

/** What file names begin with, before the account. */
const starts: Readonly<Record<LogKind, string>> = { access: '', connection: 'conn_log.', health_check: 'health_check_log_' };

interface Destination {
  bucket: string;
  /** Empty, or with a slash at its end. */
  folder: string;
}

function destinationOf(row: Pick<BalancerRow, 'type' | 'attributes'>, kind: LogKind): Destination {
  const prefix = balancerAttribute(row, `${kind}_logs.s3.prefix`);
  return { bucket: balancerAttribute(row, `${kind}_logs.s3.bucket`), folder: prefix === '' ? '' : `${prefix}/` };
}

/**
 * Writes an object as the service, or where the policy does not know that, as the Region's account; for a network load balancer as the service that
 * delivers logs, which leaves the object to the bucket's owner. Throws what S3 refuses with.
 */
async function put(
  ctx: Context,
  row: BalancerRow,
  { bucket, folder }: Destination,
  key: string,
  Body: Uint8Array,
): Promise<void> {
  const input = { Bucket: bucket, Key: `${folder}${key}`, Body };
  if (row.type === 'network') {
    await asDelivery(ctx)
      .call('s3')
      .putObject({ ...input, ACL: 'bucket-owner-full-control' });
    return;
  }
  const legacy = accounts[ctx.region];
  const service = ctx.onAccountOf(row.arn, ctx.account, 'logdelivery.elasticloadbalancing');
  try {
    await service.call('s3').putObject(input);
  } catch (error) {
    if (!(error instanceof AwsError) || !/Denied/.test(error.code) || legacy === undefined) throw error;
    await ctx.asIdentity(rootIdentity(legacy)).call('s3').putObject(input);
  }
}

/** The caller that policies of buckets for network load balancers' logs name ("Access logs for your Network Load Balancer": bucket requirements). */
function asDelivery(ctx: Context): Context {
  return ctx.onAccountOf(`arn:aws:logs:${ctx.region}:${ctx.account}:*`, ctx.account, 'delivery.logs');
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
      if (row.type === 'network') await asDelivery(ctx).call('s3').getBucketAcl({ Bucket: after.bucket });
      const text = `Enable ${testFiles[kind].slice(3, -8)} for ELB: ${row.name} at ${new Date(ctx.now).toISOString()}`;
      await put(ctx, next, after, `AWSLogs/${ctx.account}/${testFiles[kind]}`, Buffer.from(text));
    } catch (error) {
      if (!(error instanceof AwsError)) throw error;
      throw invalidConfiguration(`Access Denied for bucket: ${after.bucket}. Please check S3bucket permission`);
    }
  }
}

/** Keeps what a node logged until `due`. */
export async function keepLines(ctx: Context, row: BalancerRow, node: NodeRow, taken: ProxyCounts, due: number): Promise<void> {
  const stamp = stamping(ctx, due);
  const flows = taken.flows.length === 0 ? [] : await flowLines(ctx, row, stamp, taken.flows);
  await keep(ctx, row, node, 'access', due, [...taken.log.map((entry) => accessLine(stamp, row, entry)), ...flows]);
  const connections = taken.connections.map((entry) => connectionLine(stamp, entry));
  await keep(ctx, row, node, 'connection', due, connections);
}

async function flowLines(ctx: Context, row: BalancerRow, stamp: Stamp, flows: ProxyCounts['flows']): Promise<string[]> {
  const listeners = await ctx.table(Listeners).byIndex('byBalancer', [row.arn]);
  const idOf = (port: number): string =>
    listeners
      .find((one) => one.port === port)
      ?.arn.split('/')
      .at(-1) ?? '-';
  return flows.map((entry) => flowLine(stamp, row, idOf(entry.port), entry));
}

/** Keeps what a node found when it checked a group's targets, where the load balancer logs that. */
export async function keepChecks(
  ctx: Context,
  row: BalancerRow,
  node: NodeRow,
  group: GroupRow,
  checked: readonly CheckedTarget[],
): Promise<void> {
  if (balancerAttribute(row, 'health_check_logs.s3.enabled') !== 'true') return;
  const at = ctx.clock.now();
  const stamp = stamping(ctx, at);
  const lines = checked.map((one) => checkLine(stamp, row, node, group, one));
  await keep(ctx, row, node, 'health_check', at, lines);
}

/** Adds to what is kept of the same time. */
async function keep(
  ctx: Context,
  row: BalancerRow,
  { interfaceId: node }: NodeRow,
  kind: LogKind,
  at: Millis,
  lines: readonly string[],
): Promise<void> {
  if (lines.length === 0) return;
  await ctx.transact(async (tx) => {
    const known = await tx.table(LogLines).get(row.arn, kind, node, at);
    await tx.table(LogLines).put({ balancer: row.arn, kind, node, at, lines: [...(known?.lines ?? []), ...lines] });
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
  const name = `${starts[kind]}${ctx.account}_elasticloadbalancing_${ctx.region}_${balancerPart(row.arn).replaceAll('/', '.')}`;
  const unique = Buffer.from(ctx.bytes(4)).toString('hex');
  const place = row.type === 'network' ? '' : `${node?.publicIp ?? node?.address ?? interfaceId}_`;
  const file = `${name}_${stamp}Z_${place}${unique}.log.gz`;
  const key = `AWSLogs/${ctx.account}/elasticloadbalancing/${ctx.region}/${day.replaceAll('-', '/')}/${file}`;
  try {
    await put(ctx, row, destination, key, gzipSync(`${lines.join('\n')}\n`));
  } catch (error) {
    if (!(error instanceof AwsError)) throw error;
    ctx.trace(`A log of ${row.arn} was refused by ${destination.bucket}: ${error.message}`);
  }
}
