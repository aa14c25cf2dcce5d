/**
 * Endpoints as the VPC has them: for each address an interface (EC2's) and a node that holds it (the proxy plane's). An inbound node hands questions on
 * to its VPC's own resolver, which so sees them as the VPC's; an outbound node asks the servers of rules from inside the VPC.
 */
import type { Context } from '../../kernel/context.ts';
import type { ReconcileKey, Reconciler } from '../../kernel/service.ts';
import type { ForwardRule } from '../../planes/dns/types.ts';
import { resolverAddress, resolverPort } from '../../planes/fabric/addresses.ts';
import type { ListenerSpec, PoolSpec, ProxyNodeSpec } from '../../planes/proxy/types.ts';
import type { Ec2Api } from '../ec2/api.ts';
import { Associations, type EndpointAddress, type EndpointRow, Endpoints, Rules } from './state.ts';

const prefix = 'resolver-';
/** Real milliseconds after which a client's silent flow is forgotten: questions are short. */
const idleMillis = 10_000;
/** Real milliseconds in which a target must answer. */
const waitMillis = 2000;

const nodeKey = (interfaceId: string): string => `${prefix}${interfaceId}`;

export const endpointReconciler: Reconciler = {
  async keys(ctx) {
    const rows = await ctx.everywhere(Endpoints);
    const known = new Set(rows.flatMap(({ row }) => row.addresses.map(({ interfaceId }) => nodeKey(interfaceId ?? ''))));
    const strays: ReconcileKey[] = ctx
      .part('proxy')
      .nodes()
      .filter((key) => key.startsWith(prefix) && !known.has(key))
      .map((key) => ({ account: '', region: '', key }));
    return [...rows.map(({ scope, row }) => ({ ...scope, key: row.id })), ...strays];
  },

  async run({ key, account }, ctx) {
    if (account === '') return ctx.part('proxy').removeNode(key);
    const row = await ctx.table(Endpoints).get(key);
    if (row !== undefined) await (row.status === 'DELETING' ? remove(ctx, row) : bringUp(ctx, row));
  },
};

function holderOf({ id }: EndpointRow, address: EndpointAddress): string {
  return `${id}/${address.id}`;
}

async function bringUp(ctx: Context, row: EndpointRow): Promise<void> {
  const ec2 = await ctx.internal<Ec2Api>('ec2');
  const proxy = ctx.part('proxy');
  const addresses: EndpointAddress[] = [];
  for (const address of row.addresses) {
    const card = await ec2.holdInterface({
      ...{ subnetId: address.subnetId, holder: holderOf(row, address), interfaceType: 'resolver_endpoint', publicIp: false },
      ...{ groups: row.groups, description: `Route 53 Resolver: ${row.id}:${address.id}`, privateIp: address.ip },
    });
    addresses.push({ ...address, ip: card.address, interfaceId: card.id });
  }
  if (proxy.unavailable === undefined) {
    await ec2.applyNetwork(row.vpcId);
    await Promise.all(addresses.map((address) => proxy.ensureNode(nodeSpec(row, address))));
  }
  const status = proxy.unavailable === undefined ? 'OPERATIONAL' : 'ACTION_NEEDED';
  const message = proxy.unavailable ?? 'This Resolver Endpoint is operational.';
  if (row.status === status && JSON.stringify(row.addresses) === JSON.stringify(addresses)) return;
  await ctx.transact(async (tx) => {
    const known = await tx.table(Endpoints).get(row.id);
    if (known === undefined || known.status === 'DELETING') return;
    await tx.table(Endpoints).put({ ...known, status, message, addresses });
    for (const { id } of await tx.table(Rules).byIndex('byEndpoint', [row.id]))
      for (const { vpcId } of await tx.table(Associations).byIndex('byRule', [id])) tx.hint('forwards', vpcId);
  });
}

function nodeSpec(row: EndpointRow, { interfaceId = '', ip = '', zone }: EndpointAddress): ProxyNodeSpec {
  const kinds = row.direction === 'INBOUND' ? (['udp', 'tcp'] as const) : [];
  return {
    ...{ key: nodeKey(interfaceId), machine: interfaceId, address: ip, zone, secret: row.secret },
    listeners: kinds.map(
      (kind): ListenerSpec => ({
        ...{ port: resolverPort, kind, idleMillis },
        rules: [{ priority: 0, conditions: [], action: { kind: 'forward', pools: [{ pool: kind, weight: 1 }] } }],
      }),
    ),
    pools: kinds.map(
      (kind): PoolSpec => ({
        ...{ key: kind, protocol: kind, algorithm: 'round-robin', crossZone: true, slowStartMillis: 0 },
        targets: [{ key: kind, address: resolverAddress, port: resolverPort, state: 'up' }],
      }),
    ),
    http: {
      ...{ idleMillis, keepAliveMillis: idleMillis, http2: false, dropInvalidHeaders: false, desync: 'defensive' },
      ...{
        preserveHost: false,
        forwardedFor: 'append',
        forwardedForPort: false,
        tlsHeaders: false,
        log: false,
        logConnections: false,
      },
    },
  };
}

async function remove(ctx: Context, row: EndpointRow): Promise<void> {
  const ec2 = await ctx.internal<Ec2Api>('ec2');
  for (const address of row.addresses)
    for (const { id } of await ec2.heldBy(holderOf(row, address))) {
      await ctx.part('proxy').removeNode(nodeKey(id));
      await ec2.releaseInterface(id);
    }
  await ctx.transact((tx) => tx.table(Endpoints).delete(row.id));
}

/** Rules of one VPC on their way to its resolver. */
export const forwardReconciler: Reconciler = {
  async keys(ctx) {
    return (await ctx.everywhere(Associations)).map(({ scope, row }) => ({ ...scope, key: row.vpcId }));
  },

  async run({ key }, ctx) {
    const rules: ForwardRule[] = [];
    for (const { rule } of await ctx.table(Associations).byIndex('byVpc', [key])) {
      const row = await ctx.table(Rules).get(rule);
      if (row === undefined) continue;
      const name = row.domain.replace(/\.$/, '');
      if (row.type === 'SYSTEM') rules.push({ name, targets: undefined });
      else rules.push({ name, targets: await targetsOf(ctx, row.targets, row.endpoint) });
    }
    ctx.part('dns').setForwarding(key, rules);
  },
};

/** A rule's servers, asked through the endpoint's nodes in turn. */
async function targetsOf(ctx: Context, targets: readonly { Ip?: string; Port?: number }[], endpoint: string | undefined) {
  const row = await ctx.table(Endpoints).get(endpoint ?? '');
  const nodes = (row?.addresses ?? []).flatMap(({ interfaceId }) => (interfaceId === undefined ? [] : [nodeKey(interfaceId)]));
  const proxy = ctx.part('proxy');
  let turn = 0;
  return targets.map(({ Ip: address = '', Port: port = resolverPort }) => ({
    address,
    port,
    carry: async (message: Uint8Array, transport: 'udp' | 'tcp'): Promise<Uint8Array | undefined> => {
      turn += 1;
      const node = nodes[turn % Math.max(1, nodes.length)];
      return node === undefined
        ? undefined
        : proxy.exchange(node, { address, port, transport, message, timeoutMillis: waitMillis });
    },
  }));
}
