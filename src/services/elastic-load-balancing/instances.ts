/** Registered instances and their health, by real probes from the nodes and the cloud's clock ("Configure health checks for your Classic Load Balancer"). */
import type { ElasticLoadBalancing, Instance, InstanceState } from '@aws-sdk/client-elastic-load-balancing';
import type { Context } from '../../kernel/context.ts';
import { AwsError } from '../../kernel/errors.ts';
import type { HandlersOf, Task } from '../../kernel/service.ts';
import type { Probe } from '../../planes/proxy/types.ts';
import type { Ec2Api } from '../ec2/api.ts';
import { validationError } from './errors.ts';
import { findBalancer } from './load-balancers.ts';
import { nodeKey } from './nodes.ts';
import { type BalancerRow, Balancers, type InstanceRow, Members } from './state.ts';

const pending = 'Instance registration is still in progress.';
const failed = 'Instance has failed at least the UnhealthyThreshold number of health checks consecutively.';

const idsOf = (instances: readonly Instance[] | undefined): string[] => {
  const ids = (instances ?? []).map(({ InstanceId = '' }) => InstanceId);
  if (ids.length === 0) throw validationError('At least one instance must be specified');
  return [...new Set(ids)];
};

async function members(ctx: Context, name: string): Promise<readonly InstanceRow[]> {
  return (await ctx.table(Members).list({ prefix: [name] })).filter(({ state }) => state !== 'draining');
}

const listed = (rows: readonly InstanceRow[]): { Instances: Instance[] } => ({
  Instances: rows.map(({ id }) => ({ InstanceId: id })),
});

export const instanceHandlers: HandlersOf<ElasticLoadBalancing> = {
  /** Throws InvalidInstance for what is no instance of the load balancer's VPC. */
  async RegisterInstancesWithLoadBalancer(input, ctx) {
    const row = await findBalancer(ctx, input.LoadBalancerName);
    const ids = idsOf(input.Instances);
    const ec2 = await ctx.internal<Ec2Api>('ec2');
    for (const id of ids) {
      const facts = await ec2.instanceFacts(id);
      if (facts === undefined || facts.state === 'terminated')
        throw new AwsError('InvalidInstance', `Could not find EC2 instance ${id}.`);
      if (facts.vpcId !== row.vpcId) throw new AwsError('InvalidInstance', `EC2 instance ${id} is not in the same VPC as ELB.`);
    }
    await ctx.transact(async (tx) => {
      for (const id of ids) {
        const known = await tx.table(Members).get(row.name, id);
        if (known !== undefined && known.state !== 'draining') continue;
        await tx.unschedule('finishDraining', `${row.name} ${id}`);
        await tx
          .table(Members)
          .put({ balancer: row.name, id, state: 'OutOfService', reason: pending, successes: 0, failures: 0 });
      }
      await tx.schedule({ task: 'checkInstances', key: row.name, due: ctx.now });
      tx.hint('classics', row.name);
    });
    return listed(await members(ctx, row.name));
  },

  async DeregisterInstancesFromLoadBalancer(input, ctx) {
    const row = await findBalancer(ctx, input.LoadBalancerName);
    const ids = idsOf(input.Instances);
    const { draining } = row;
    await ctx.transact(async (tx) => {
      for (const id of ids) {
        const known = await tx.table(Members).get(row.name, id);
        if (known === undefined || known.state === 'draining') continue;
        if (!draining.enabled) {
          await tx.table(Members).delete(row.name, id);
          continue;
        }
        await tx.table(Members).put({ ...known, state: 'draining' });
        const payload = { balancer: row.name, id };
        await tx.schedule({ task: 'finishDraining', key: `${row.name} ${id}`, due: ctx.now + draining.seconds * 1000, payload });
      }
      tx.hint('classics', row.name);
    });
    return listed(await members(ctx, row.name));
  },

  async DescribeInstanceHealth(input, ctx) {
    const row = await findBalancer(ctx, input.LoadBalancerName);
    const rows = await members(ctx, row.name);
    const ids = (input.Instances ?? []).map(({ InstanceId = '' }) => InstanceId);
    for (const id of ids)
      if (!rows.some((each) => each.id === id)) throw new AwsError('InvalidInstance', `Could not find EC2 instance ${id}.`);
    return { InstanceStates: rows.filter(({ id }) => ids.length === 0 || ids.includes(id)).map(describe) };
  },
};

function describe({ id, state, reason }: InstanceRow): InstanceState {
  const good = state === 'InService';
  const code = good ? 'N/A' : reason === pending ? 'ELB' : 'Instance';
  return { InstanceId: id, State: state, ReasonCode: code, Description: good ? 'N/A' : reason };
}

/** Takes an instance out, once its time to finish is over. */
export const finishDraining: Task = async (job, ctx) => {
  const { balancer, id } = job.payload as { balancer: string; id: string };
  await ctx.transact(async (tx) => {
    if ((await tx.table(Members).get(balancer, id))?.state !== 'draining') return;
    await tx.table(Members).delete(balancer, id);
    tx.hint('classics', balancer);
  });
};

/** One round of checks. After a jump of the clock one result stands for all checks that fell due meanwhile. */
export const checkInstances: Task = async (job, ctx) => {
  const row = await ctx.table(Balancers).get(job.key);
  if (row === undefined || row.deleting || row.nodes.length === 0) return;
  const passed = await probeAll(ctx, row);
  const interval = row.check.interval * 1000;
  const missed = Math.floor(Math.max(0, ctx.clock.now() - job.due) / interval);
  await ctx.transact(async (tx) => {
    for (const member of await tx.table(Members).list({ prefix: [row.name] })) {
      if (member.state === 'draining' || !passed.has(member.id)) continue;
      const next = follow(member, row, passed.get(member.id) === true, 1 + missed);
      await tx.table(Members).put(next);
      if (next.state !== member.state) tx.hint('classics', row.name);
    }
    await tx.schedule({ task: 'checkInstances', key: row.name, due: job.due + (missed + 1) * interval });
  });
};

/** Which instances answered any node as they should. */
async function probeAll(ctx: Context, row: BalancerRow): Promise<ReadonlyMap<string, boolean>> {
  const [, protocol = '', port = '', path = '/'] = /^([A-Z]+):(\d+)(\/.*)?$/.exec(row.check.target) ?? [];
  const ec2 = await ctx.internal<Ec2Api>('ec2');
  const probes: Probe[] = [];
  const passed = new Map<string, boolean>();
  for (const { id } of await ctx.table(Members).list({ prefix: [row.name] })) {
    const facts = await ec2.instanceFacts(id);
    passed.set(id, false);
    if (facts?.address === undefined || facts.state !== 'running') continue;
    probes.push({
      ...{ key: id, address: facts.address, port: Number(port), path, timeoutMillis: row.check.timeout * 1000 },
      protocol: protocol === 'HTTP' ? 'http' : protocol === 'HTTPS' ? 'https' : 'tcp',
      userAgent: 'ELB-HealthChecker/1.0',
    });
  }
  const results = await Promise.all(row.nodes.map(({ interfaceId }) => ctx.part('proxy').probe(nodeKey(interfaceId), probes)));
  for (const { key, outcome, status } of results.flat())
    if (outcome === 'connected' || (outcome === 'answered' && status === 200)) passed.set(key, true);
  return passed;
}

/** The instance after so many checks with this result. A new one is in service from its first good check on. */
function follow(member: InstanceRow, { check }: BalancerRow, passed: boolean, checks: number): InstanceRow {
  const successes = passed ? Math.min(member.successes + checks, check.healthy) : 0;
  const failures = passed ? 0 : Math.min(member.failures + checks, check.unhealthy);
  const next = { ...member, successes, failures };
  if (passed && (member.reason === pending || successes >= check.healthy)) return { ...next, state: 'InService', reason: '' };
  if (!passed && failures >= check.unhealthy) return { ...next, state: 'OutOfService', reason: failed };
  return next;
}

/** An instance that is terminated leaves; one that stops or starts is looked at. */
export async function onInstanceChange(ctx: Context, id: string, state: string): Promise<void> {
  await ctx.transact(async (tx) => {
    for (const row of await tx.table(Members).byIndex('byId', [id])) {
      if (state === 'terminated') await tx.table(Members).delete(row.balancer, row.id);
      else await tx.schedule({ task: 'checkInstances', key: row.balancer, due: ctx.now });
      tx.hint('classics', row.balancer);
    }
  });
}
