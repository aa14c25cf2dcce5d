/** Elastic Load Balancing v2: application and network load balancers. Files are one per noun; nodes.ts is the way to the proxy plane. */
import { defineService } from '../../kernel/service.ts';
import { createApi } from './api.ts';
import { authorisations } from './authorise.ts';
import { answerRequest } from './functions.ts';
import { checkHealth } from './health.ts';
import { listenerHandlers } from './listeners.ts';
import { balancerHandlers } from './load-balancers.ts';
import { publishMetrics } from './metrics.ts';
import { balancerZone } from './names.ts';
import { balancers } from './nodes.ts';
import { ruleHandlers } from './rules.ts';
import { policyHandlers } from './ssl-policies.ts';
import { BalancerNames, Listeners, tables } from './state.ts';
import { tagHandlers } from './tags.ts';
import { groupHandlers } from './target-groups.ts';
import { finishDraining, lookAtDraining, onInstanceChange, targetHandlers } from './targets.ts';

export default defineService({
  name: 'elastic-load-balancing-v2',
  uses: ['acm', 'cloudwatch', 'ec2', 'elastic-load-balancing', 'iam', 'lambda', 's3'],
  tables,
  handlers: {
    ...balancerHandlers,
    ...listenerHandlers,
    ...ruleHandlers,
    ...groupHandlers,
    ...targetHandlers,
    ...tagHandlers,
    ...policyHandlers,
  },
  authorise: authorisations,
  api: createApi,
  reconcilers: { balancers },
  watches: ['checkHealth', 'lookAtDraining', 'publishMetrics'],
  tasks: { checkHealth, finishDraining, lookAtDraining, publishMetrics },
  events: {
    'aws.ec2:EC2 Instance State-change Notification': async ({ detail }, ctx) => {
      const { 'instance-id': id, state } = detail as { 'instance-id': string; state: string };
      await onInstanceChange(ctx, id, state);
    },
    /** Certificates are renewed under their ARN: listeners that present one get the new one. */
    'aws.acm:ACM Certificate Available': async ({ resources }, ctx) => {
      await ctx.transact(async (tx) => {
        for (const listener of await tx.table(Listeners).list())
          if (listener.certificates.some((arn) => resources.includes(arn))) tx.hint('balancers', listener.balancer);
      });
    },
  },
  start: async (ctx) => {
    const forget = ctx.part('dns').register(balancerZone(ctx));
    const stop = ctx.part('proxy').answerWith((request) => answerRequest(ctx, request));
    return async () => {
      stop();
      forget();
    };
  },
  /** Names belong to no account. */
  onReset: async (account, ctx) => {
    if (account === undefined) return;
    await ctx.transact(async (tx) => {
      for (const { dnsName } of await tx.table(BalancerNames).byIndex('byAccount', [account]))
        await tx.table(BalancerNames).delete(dnsName);
    });
  },
});
