/** Metrics of clusters, from what their nodes counted ("Viewing DAX metrics"): every minute of the cloud's time, for the account, the cluster and the node. */
import type { Task } from '../../kernel/service.ts';
import type { CloudWatchApi, ServiceDatum } from '../cloudwatch/api.ts';
import { primaryOf } from './nodes.ts';
import { Clusters } from './state.ts';

const minute = 60_000;

interface Metric {
  name: string;
  unit: 'Count' | 'Percent' | 'Bytes';
}

const counted: Readonly<Record<string, string>> = {
  'item.hits': 'ItemCacheHits',
  'item.misses': 'ItemCacheMisses',
  'query.hits': 'QueryCacheHits',
  'query.misses': 'QueryCacheMisses',
  'scan.hits': 'ScanCacheHits',
  'scan.misses': 'ScanCacheMisses',
  requests: 'TotalRequestCount',
  refused: 'FailedRequestCount',
  'refused.errors': 'ErrorRequestCount',
  'refused.faults': 'FaultRequestCount',
  'refused.throttled': 'ThrottledRequestCount',
  connections: 'ClientConnections',
  ...Object.fromEntries(
    ['GetItem', 'PutItem', 'UpdateItem', 'DeleteItem', 'BatchGetItem', 'BatchWriteItem', 'Query', 'Scan'].map((operation) => [
      `requests.${operation}`,
      `${operation}RequestCount`,
    ]),
  ),
  'requests.TransactGetItems': 'TransactGetItemsCount',
  'requests.TransactWriteItems': 'TransactWriteItemsCount',
};

const metrics: Readonly<Record<string, Metric>> = {
  ...Object.fromEntries(Object.entries(counted).map(([count, name]) => [count, { name, unit: 'Count' } as const])),
  'processor.percent': { name: 'CPUUtilization', unit: 'Percent' },
  'held.percent': { name: 'CacheMemoryUtilization', unit: 'Percent' },
  'held.bytes': { name: 'EstimatedDbSize', unit: 'Bytes' },
  'pushed-out.bytes': { name: 'EvictedSize', unit: 'Bytes' },
};

/** Publishes the minute that has ended: what is zero is left out, as in AWS. */
export const publishMetrics: Task = async (job, ctx) => {
  const row = await ctx.table(Clusters).get(job.key);
  if (row === undefined || row.status === 'deleting') return;
  const at = job.due - minute;
  const data: ServiceDatum[] = [];
  for (const { id, interfaceId = '' } of row.nodes) {
    const counts = (await ctx.part('caches').takeCounts(interfaceId)) ?? {};
    for (const [count, value] of Object.entries(counts)) {
      const metric = metrics[count];
      if (metric === undefined || value === 0) continue;
      const each: Record<string, string>[] = [
        { Account: ctx.account },
        { ClusterId: row.name },
        { ClusterId: row.name, NodeId: id },
      ];
      for (const dimensions of each) data.push({ ...metric, dimensions, at, value });
    }
  }
  if (data.length > 0) await (await ctx.internal<CloudWatchApi>('cloudwatch')).putMetrics(ctx, 'AWS/DAX', data);
  const due = Math.max(job.due + minute, Math.floor(ctx.clock.now() / minute) * minute);
  await ctx.transact(async (tx) => {
    await tx.schedule({ task: 'publishMetrics', key: row.name, due });
    // A zone that went down may have taken the node that takes writes.
    if (primaryOf(ctx, row) !== row.primary) tx.hint('clusters', row.name);
  });
};
