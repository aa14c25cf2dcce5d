/**
 * Keeps nodes in line with rows: one reconciler key per load balancer. A node is an interface in each subnet (EC2's) and a process that holds it (the
 * proxy plane's); the load balancer is active once all of them listen.
 */
import type { Context } from '../../kernel/context.ts';
import type { ReconcileKey, Reconciler } from '../../kernel/service.ts';
import type { Ec2Api } from '../ec2/api.ts';
import { balancerPart } from './arns.ts';
import { scheduleChecks } from './target-groups.ts';
import { nodeSpec, readSharedSpec } from './node-spec.ts';
import { type BalancerRow, Balancers, type NodeRow, Rules } from './state.ts';

export const balancers: Reconciler = {
  async keys(ctx) {
    const rows = await ctx.everywhere(Balancers);
    const known = new Set(rows.flatMap(({ row }) => row.nodes.map(({ interfaceId }) => interfaceId)));
    const strays: ReconcileKey[] = ctx
      .part('proxy')
      .nodes()
      .filter((key) => key.startsWith('eni-') && !known.has(key))
      .map((key) => ({ account: '', region: '', key }));
    return [...rows.map(({ scope, row }) => ({ ...scope, key: row.arn })), ...strays];
  },

  async run({ key, account }, ctx) {
    const row = account === '' ? undefined : await ctx.table(Balancers).get(key);
    // A key that is no ARN is a node that a reset left without its row.
    if (row === undefined) return key.startsWith('eni-') ? ctx.part('proxy').removeNode(key) : undefined;
    return row.state === 'deleting' ? remove(ctx, row) : bringUp(ctx, row);
  },
};

async function bringUp(ctx: Context, row: BalancerRow): Promise<void> {
  const ec2 = await ctx.internal<Ec2Api>('ec2');
  const proxy = ctx.part('proxy');
  const holder = balancerPart(row.arn);
  const nodes: NodeRow[] = [];
  await tellRunning(ctx, row);
  for (const { subnetId, zone, allocationId, privateIp } of row.subnets) {
    const card = await ec2.holdInterface({
      ...{ subnetId, holder, groups: row.groups, description: `ELB ${holder}`, allocationId, privateIp },
      interfaceType: row.type === 'network' ? 'network_load_balancer' : 'load_balancer',
      passagesUnchecked: row.privateLinkRules === 'off',
      publicIp: row.scheme === 'internet-facing',
    });
    nodes.push({ subnetId, zone, interfaceId: card.id, address: card.address, publicIp: card.publicIp });
  }
  const gone = (await ec2.heldBy(holder)).filter(({ id }) => !nodes.some(({ interfaceId }) => interfaceId === id));
  if (proxy.unavailable !== undefined) return settle(ctx, row, nodes, proxy.unavailable);
  await ec2.applyNetwork(row.vpcId);
  const shared = await readSharedSpec(ctx, row);
  await Promise.all(nodes.map((node) => proxy.ensureNode(nodeSpec(shared, node))));
  await settle(ctx, row, nodes, undefined);
  // Last, so that the name leads to the others before these are gone.
  for (const { id } of gone) {
    await proxy.removeNode(id);
    await ec2.releaseInterface(id);
  }
  if (gone.length > 0) await ec2.applyNetwork(row.vpcId);
}

/** Nodes that run learn at once where to send: that must not wait for interfaces and networks, least of all when a zone has just been lost. */
async function tellRunning(ctx: Context, row: BalancerRow): Promise<void> {
  const proxy = ctx.part('proxy');
  const running = row.nodes.filter(({ interfaceId }) => proxy.nodes().includes(interfaceId));
  if (row.state !== 'active' || running.length === 0) return;
  const shared = await readSharedSpec(ctx, row);
  // Whatever a node does not take now it is told again below.
  await Promise.all(running.map((node) => proxy.ensureNode(nodeSpec(shared, node)).catch(() => {})));
}

/** Writes what stands; does nothing when it stood so already. */
async function settle(ctx: Context, row: BalancerRow, nodes: readonly NodeRow[], refusal: string | undefined): Promise<void> {
  const state = refusal === undefined ? 'active' : 'failed';
  if (row.state === state && JSON.stringify(row.nodes) === JSON.stringify(nodes)) return;
  await ctx.transact(async (tx) => {
    const known = await tx.table(Balancers).get(row.arn);
    if (known === undefined || known.state === 'deleting') return;
    await tx.table(Balancers).put({ ...known, state, reason: refusal, nodes });
    const groups = new Set((await tx.table(Rules).byIndex('byBalancer', [row.arn])).flatMap((rule) => rule.groups));
    for (const group of groups) await scheduleChecks(tx, ctx, group);
  });
}

async function remove(ctx: Context, row: BalancerRow): Promise<void> {
  const ec2 = await ctx.internal<Ec2Api>('ec2');
  for (const { id } of await ec2.heldBy(balancerPart(row.arn))) {
    await ctx.part('proxy').removeNode(id);
    await ec2.releaseInterface(id);
  }
  await ctx.transact((tx) => tx.table(Balancers).delete(row.arn));
}
