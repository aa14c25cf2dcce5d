/** Classic Load Balancers: the API of 2012, on the same nodes as the newer kinds. */
import type { ElasticLoadBalancing } from '@aws-sdk/client-elastic-load-balancing';
import { type AuthorisationsOf, type Check, defineService } from '../../kernel/service.ts';
import type { Context } from '../../kernel/context.ts';
import { createApi } from './api.ts';
import { checkInstances, finishDraining, instanceHandlers, onInstanceChange } from './instances.ts';
import { balancerHandlers } from './load-balancers.ts';
import { classics } from './nodes.ts';
import { Balancers, Names, tables } from './state.ts';

const onBalancer = ({ LoadBalancerName }: { LoadBalancerName?: string | undefined }, { region, account }: Context): Check[] => [
  { resource: `arn:aws:elasticloadbalancing:${region}:${account}:loadbalancer/${LoadBalancerName ?? '*'}` },
];

const onOne = ({ LoadBalancerNames: [name] = [] }: { LoadBalancerNames?: string[] | undefined }, ctx: Context): Check[] =>
  onBalancer({ LoadBalancerName: name }, ctx);

const checks: AuthorisationsOf<ElasticLoadBalancing> = {
  AddTags: onOne,
  RemoveTags: onOne,
  CreateLoadBalancer: onBalancer,
  DeleteLoadBalancer: onBalancer,
  CreateLoadBalancerListeners: onBalancer,
  DeleteLoadBalancerListeners: onBalancer,
  SetLoadBalancerListenerSSLCertificate: onBalancer,
  ConfigureHealthCheck: onBalancer,
  ModifyLoadBalancerAttributes: onBalancer,
  CreateLBCookieStickinessPolicy: onBalancer,
  CreateAppCookieStickinessPolicy: onBalancer,
  DeleteLoadBalancerPolicy: onBalancer,
  SetLoadBalancerPoliciesOfListener: onBalancer,
  RegisterInstancesWithLoadBalancer: onBalancer,
  DeregisterInstancesFromLoadBalancer: onBalancer,
};

export default defineService({
  name: 'elastic-load-balancing',
  uses: ['acm', 'ec2', 'elastic-load-balancing-v2'],
  tables,
  handlers: { ...balancerHandlers, ...instanceHandlers },
  authorise: checks,
  api: createApi,
  reconcilers: { classics },
  watches: ['checkInstances'],
  tasks: { checkInstances, finishDraining },
  events: {
    'aws.ec2:EC2 Instance State-change Notification': async ({ detail }, ctx) => {
      const { 'instance-id': id, state } = detail as { 'instance-id': string; state: string };
      await onInstanceChange(ctx, id, state);
    },
    /** Certificates are renewed under their ARN. */
    'aws.acm:ACM Certificate Available': async ({ resources }, ctx) => {
      await ctx.transact(async (tx) => {
        for (const { name, listeners } of await tx.table(Balancers).list())
          if (listeners.some(({ certificate = '' }) => resources.includes(certificate))) tx.hint('classics', name);
      });
    },
  },
  /** Names belong to no account. */
  onReset: async (account, ctx) => {
    if (account === undefined) return;
    await ctx.transact(async (tx) => {
      for (const { dnsName } of await tx.table(Names).byIndex('byAccount', [account])) await tx.table(Names).delete(dnsName);
    });
  },
});
