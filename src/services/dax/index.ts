/** DynamoDB Accelerator: clusters of caches in front of tables. Files are one per noun; nodes.ts is the way to the plane, source.ts the way back. */
import { defineService } from '../../kernel/service.ts';
import { authorisations } from './authorise.ts';
import { clusterHandlers } from './clusters.ts';
import { eventHandlers } from './events.ts';
import { maintain } from './maintenance.ts';
import { publishMetrics } from './metrics.ts';
import { clusterZone } from './names.ts';
import { clusters, releaseNode } from './nodes.ts';
import { parameterHandlers } from './parameters.ts';
import { createSource } from './source.ts';
import { Labels, tables } from './state.ts';
import { subnetGroupHandlers } from './subnet-groups.ts';
import { tagHandlers } from './tags.ts';

export default defineService({
  name: 'dax',
  uses: ['cloudwatch', 'dynamodb', 'ec2', 'sts'],
  tables,
  handlers: { ...clusterHandlers, ...subnetGroupHandlers, ...parameterHandlers, ...eventHandlers, ...tagHandlers },
  authorise: authorisations,
  reconcilers: { clusters },
  watches: ['publishMetrics'],
  tasks: { maintain, publishMetrics, releaseNode },
  start: async (ctx) => {
    const caches = ctx.part('caches');
    const undo = [
      ctx.part('dns').register(clusterZone(ctx)),
      caches.register(createSource(ctx)),
      ctx.clock.onMove(() => caches.setTime(ctx.clock.state)),
    ];
    caches.setTime(ctx.clock.state);
    return async () => {
      for (const each of undo) each();
    };
  },
  /** Labels belong to no account. */
  onReset: async (account, ctx) => {
    if (account === undefined) return;
    await ctx.transact(async (tx) => {
      for (const { label } of await tx.table(Labels).byIndex('byAccount', [account])) await tx.table(Labels).delete(label);
    });
  },
});
