/**
 * Metrics of load balancers, from what their nodes counted ("CloudWatch metrics for your Application Load Balancer", "… Network Load Balancer"): every
 * minute of the cloud's time. Counts are published only when there was something to count, numbers of targets always (of functions only where they are checked).
 */
import type { Context } from '../../kernel/context.ts';
import type { Task } from '../../kernel/service.ts';
import { charge, type UsageLine } from '../../kernel/usage.ts';
import type { ProxyCounts } from '../../planes/proxy/types.ts';
import type { CloudWatchApi, ServiceDatum } from '../cloudwatch/api.ts';
import { balancerPart, groupPart } from './arns.ts';
import { deliverLogs, keepLines } from './logs.ts';
import { type BalancerRow, Balancers, Groups, Rules, Targets } from './state.ts';

const minute = 60_000;

/** Names of counts of the node as a whole. */
const balancerNames: Readonly<Record<string, string>> = {
  requests: 'RequestCount',
  'answers.node.4xx': 'HTTPCode_ELB_4XX_Count',
  'answers.node.5xx': 'HTTPCode_ELB_5XX_Count',
  'answers.node.502': 'HTTPCode_ELB_502_Count',
  'answers.node.503': 'HTTPCode_ELB_503_Count',
  'answers.node.504': 'HTTPCode_ELB_504_Count',
  fixed: 'HTTP_Fixed_Response_Count',
  redirects: 'HTTP_Redirect_Count',
  'connections.new': 'NewConnectionCount',
  'tls.failed': 'ClientTLSNegotiationErrorCount',
  bytes: 'ProcessedBytes',
  ambiguous: 'DesyncMitigationMode_NonCompliant_Request_Count',
  'headers.dropped': 'DroppedInvalidHeaderRequestCount',
  'functions.bytes': 'LambdaTargetProcessedBytes',
  'headers.passed': 'ForwardedInvalidHeaderRequestCount',
};

/** Names of counts of a target group. */
const groupNames: Readonly<Record<string, string>> = {
  forwarded: 'RequestCount',
  'answers.target.2xx': 'HTTPCode_Target_2XX_Count',
  'answers.target.3xx': 'HTTPCode_Target_3XX_Count',
  'answers.target.4xx': 'HTTPCode_Target_4XX_Count',
  'answers.target.5xx': 'HTTPCode_Target_5XX_Count',
  'connections.failed': 'TargetConnectionErrorCount',
  'functions.failed.function': 'LambdaUserError',
  'functions.failed.cloud': 'LambdaInternalError',
};

const networkNames: Readonly<Record<string, string>> = { 'connections.new': 'NewFlowCount', bytes: 'ProcessedBytes' };

/** Publishes the minute that has ended: metrics, and what logs are due. */
export const publishMetrics: Task = async (job, ctx) => {
  const row = await ctx.table(Balancers).get(job.key);
  if (row === undefined || row.state === 'deleting') return;
  const at = job.due - minute;
  const counts = await Promise.all(
    row.nodes.map(async ({ interfaceId, zone }) => ({ zone, taken: await ctx.part('proxy').takeCounts(interfaceId) })),
  );
  for (const [index, node] of row.nodes.entries()) {
    const taken = counts[index]?.taken;
    if (taken !== undefined) await keepLines(ctx, row, node, taken, job.due);
  }
  const data: ServiceDatum[] = [];
  for (const { zone, taken } of counts) if (taken !== undefined) data.push(...countedData(row, zone, taken, at));
  if (row.type === 'application') data.push(...(await perTarget(ctx, row, counts, at)));
  data.push(...(await hostData(ctx, row, at)));
  const namespace = row.type === 'application' ? 'AWS/ApplicationELB' : 'AWS/NetworkELB';
  if (data.length > 0) await (await ctx.internal<CloudWatchApi>('cloudwatch')).putMetrics(ctx, namespace, data);
  await deliverLogs(ctx, row, at, ctx.clock.now());
  // A jump of the clock is one long minute: nothing was counted in those between.
  const due = Math.max(job.due + minute, Math.floor(ctx.clock.now() / minute) * minute);
  const traffic = row.type === 'application' ? [] : counts.flatMap(({ taken }) => taken?.counts ?? []);
  await ctx.transact(async (tx) => {
    await charge(tx, transferLines(ctx, traffic, at));
    await tx.schedule({ task: 'publishMetrics', key: row.arn, due });
  });
};

const gigabyte = 1024 ** 3;

/** Traffic between zones stands on the bill, once for each of the two ends ("Amazon EC2 pricing", data transfer within the same Region). Between an Application Load Balancer and its targets it is free. */
function transferLines({ account, region }: Context, counts: ProxyCounts['counts'], at: number): UsageLine[] {
  const bytes = counts.reduce((sum, { name, value }) => sum + (name === 'bytes.across' ? value : 0), 0);
  if (bytes === 0) return [];
  const line = { account, region, at, service: 'EC2 - Other', usageType: 'DataTransfer-Regional-Bytes' };
  return [{ ...line, operation: 'LoadBalancing', amount: (2 * bytes) / gigabyte }];
}

function countedData(row: BalancerRow, nodeZone: string, taken: ProxyCounts, at: number): ServiceDatum[] {
  const LoadBalancer = balancerPart(row.arn);
  const data: ServiceDatum[] = [];
  const add = (name: string, dimensions: Record<string, string>, value: ServiceDatum['value'], unit: string): void => {
    data.push({ name, dimensions, at, unit, value });
  };
  for (const { name, pool, zone, value } of taken.counts) {
    const known = row.type === 'network' ? networkNames[name] : pool === undefined ? balancerNames[name] : groupNames[name];
    if (known === undefined) continue;
    const unit = known.endsWith('ProcessedBytes') ? 'Bytes' : 'Count';
    const sum = { count: 1, sum: value, min: value, max: value };
    const requests = known.startsWith('Request') ? { count: value, sum: value, min: 1, max: 1 } : sum;
    if (pool === undefined) {
      add(known, { LoadBalancer }, requests, unit);
      add(known, { LoadBalancer, AvailabilityZone: nodeZone }, requests, unit);
      continue;
    }
    const TargetGroup = groupPart(pool);
    add(known, { LoadBalancer, TargetGroup }, requests, unit);
    if (known.startsWith('Lambda')) add(known, { TargetGroup }, sum, unit);
    if (zone !== undefined) add(known, { LoadBalancer, TargetGroup, AvailabilityZone: zone }, requests, unit);
    // Per load balancer the requests of all groups are its own count; failed calls are counted per group alone.
    if (known !== 'RequestCount' && !known.startsWith('Lambda')) add(known, { LoadBalancer }, sum, unit);
  }
  for (const { pool, values } of taken.times) {
    const counted = new Map<number, number>();
    for (const value of values) counted.set(value, (counted.get(value) ?? 0) + 1);
    const both: Record<string, string>[] = [{ LoadBalancer }, { LoadBalancer, TargetGroup: groupPart(pool) }];
    for (const dimensions of both) add('TargetResponseTime', dimensions, { values: [...counted] }, 'Seconds');
  }
  return data;
}

/** Requests of each group, divided by its healthy targets: what scaling policies follow. Only its sum means something. */
async function perTarget(
  ctx: Context,
  row: BalancerRow,
  counts: readonly { taken: ProxyCounts | undefined }[],
  at: number,
): Promise<ServiceDatum[]> {
  const LoadBalancer = balancerPart(row.arn);
  const requests = new Map<string, number>();
  for (const { name, pool, value } of counts.flatMap(({ taken }) => taken?.counts ?? []))
    if (name === 'forwarded' && pool !== undefined) requests.set(pool, (requests.get(pool) ?? 0) + value);
  const data: ServiceDatum[] = [];
  for (const [group, count] of requests) {
    if ((await ctx.table(Groups).get(group))?.type === 'lambda') continue;
    const targets = await ctx.table(Targets).list({ prefix: [group] });
    const healthy = targets.filter(({ state }) => state === 'healthy').length;
    const TargetGroup = groupPart(group);
    const both: Record<string, string>[] = [{ TargetGroup }, { LoadBalancer, TargetGroup }];
    for (const dimensions of both)
      data.push({ name: 'RequestCountPerTarget', dimensions, at, unit: 'Count', value: count / Math.max(1, healthy) });
  }
  return data;
}

async function hostData(ctx: Context, row: BalancerRow, at: number): Promise<ServiceDatum[]> {
  const groups = [...new Set((await ctx.table(Rules).byIndex('byBalancer', [row.arn])).flatMap((rule) => rule.groups))];
  const data: ServiceDatum[] = [];
  for (const arn of groups) {
    if ((await ctx.table(Groups).get(arn))?.check.enabled === false) continue;
    const targets = await ctx.table(Targets).list({ prefix: [arn] });
    const dimensions = { LoadBalancer: balancerPart(row.arn), TargetGroup: groupPart(arn) };
    const count = (state: string): number => targets.filter((target) => target.state === state).length;
    data.push({ name: 'HealthyHostCount', dimensions, at, unit: 'Count', value: count('healthy') });
    data.push({ name: 'UnHealthyHostCount', dimensions, at, unit: 'Count', value: count('unhealthy') });
  }
  return data;
}
