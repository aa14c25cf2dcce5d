/**
 * Nodes of Classic Load Balancers on the same proxy plane as the others': one interface and process in each subnet. Instances that are out of service get
 * nothing, also when all are: unlike the newer ones, a Classic Load Balancer answers 503 then ("Troubleshoot a Classic Load Balancer: HTTP errors").
 */
import { parseArn } from '../../base/arn.ts';
import type { Context } from '../../kernel/context.ts';
import type { ReconcileKey, Reconciler } from '../../kernel/service.ts';
import type { ListenerSpec, PoolSpec, ProxyNodeSpec } from '../../planes/proxy/types.ts';
import type { AcmApi } from '../acm/api.ts';
import type { Ec2Api } from '../ec2/api.ts';
import type { BalancersApi } from '../elastic-load-balancing-v2/api.ts';
import { type BalancerRow, Balancers, type ListenerRow, Members } from './state.ts';

/** Apart from those of the newer load balancers, which are interfaces' names alone. */
const prefix = 'clb-';
export const nodeKey = (interfaceId: string): string => `${prefix}${interfaceId}`;
const holderOf = (name: string): string => `classic/${name}`;

const kindOf = ({ protocol }: ListenerRow): 'http' | 'tcp' => (protocol.startsWith('HTTP') ? 'http' : 'tcp');
const poolProtocols = { HTTP: 'http', HTTPS: 'https', TCP: 'tcp', SSL: 'tls' } as const;

async function listenerSpec(ctx: Context, listener: ListenerRow): Promise<ListenerSpec | undefined> {
  const elb = await ctx.internal<BalancersApi>('elastic-load-balancing-v2');
  const tls = listener.certificate === undefined ? undefined : await elb.readTls(ctx, listener.certificate);
  if (listener.certificate !== undefined && tls === undefined) return undefined;
  const pools = [{ pool: String(listener.port), weight: 1 }];
  const rules = [{ priority: 0, conditions: [], action: { kind: 'forward' as const, pools } }];
  return { port: listener.port, kind: kindOf(listener), tls, rules };
}

async function poolSpecs(ctx: Context, row: BalancerRow): Promise<PoolSpec[]> {
  const ec2 = await ctx.internal<Ec2Api>('ec2');
  const members = await ctx.table(Members).list({ prefix: [row.name] });
  const placed = await Promise.all(members.map(async (member) => ({ member, facts: await ec2.instanceFacts(member.id) })));
  return row.listeners.map((listener) => {
    const policy = row.policies.find(({ name }) => listener.policies.includes(name));
    const sticky =
      policy?.follows === undefined
        ? { kind: 'duration' as const, seconds: policy?.seconds, cookie: 'AWSELB' }
        : { kind: 'application' as const, cookie: policy.follows, seal: 'AWSELB' };
    return {
      ...{ key: String(listener.port), protocol: poolProtocols[listener.instanceProtocol], crossZone: row.crossZone },
      // Least outstanding requests for HTTP, round robin for TCP ("How Elastic Load Balancing works": routing algorithm).
      algorithm: kindOf(listener) === 'http' ? ('least-outstanding' as const) : ('round-robin' as const),
      slowStartMillis: 0,
      stickiness: policy === undefined ? undefined : sticky,
      targets: placed.flatMap(({ member, facts }) =>
        facts?.address === undefined
          ? []
          : [
              {
                ...{ key: `${member.id}:${listener.instancePort}`, address: facts.address, zone: facts.zone },
                port: listener.instancePort,
                state: member.state === 'InService' ? ('up' as const) : ('draining' as const),
              },
            ],
      ),
    };
  });
}

async function sharedSpec(ctx: Context, row: BalancerRow): Promise<Omit<ProxyNodeSpec, 'key' | 'machine' | 'address' | 'zone'>> {
  const listeners = await Promise.all(row.listeners.map((listener) => listenerSpec(ctx, listener)));
  return {
    listeners: listeners.filter((listener) => listener !== undefined),
    pools: await poolSpecs(ctx, row),
    http: {
      ...{ idleMillis: row.idleSeconds * 1000, keepAliveMillis: row.idleSeconds * 1000, http2: false },
      ...{ dropInvalidHeaders: false, desync: row.desync ?? 'defensive', preserveHost: true, forwardedFor: 'append' },
      ...{ forwardedForPort: false, tlsHeaders: false, log: false, logConnections: false },
    },
    secret: row.secret,
  };
}

export const classics: Reconciler = {
  async keys(ctx) {
    const rows = await ctx.everywhere(Balancers);
    const known = new Set(rows.flatMap(({ row }) => row.nodes.map(({ interfaceId }) => nodeKey(interfaceId))));
    const nodes = ctx.part('proxy').nodes();
    const strays = nodes.filter((key) => key.startsWith(prefix) && !known.has(key));
    return [
      ...rows.map(({ scope, row }) => ({ ...scope, key: row.name })),
      ...strays.map((key): ReconcileKey => ({ account: '', region: '', key })),
    ];
  },

  async run({ key, account }, ctx) {
    const row = account === '' ? undefined : await ctx.table(Balancers).get(key);
    if (row === undefined) return account === '' && key.startsWith(prefix) ? ctx.part('proxy').removeNode(key) : undefined;
    return row.deleting ? remove(ctx, row) : bringUp(ctx, row);
  },
};

async function bringUp(ctx: Context, row: BalancerRow): Promise<void> {
  const ec2 = await ctx.internal<Ec2Api>('ec2');
  const proxy = ctx.part('proxy');
  const nodes: BalancerRow['nodes'][number][] = [];
  for (const { id, zone } of row.subnets) {
    const card = await ec2.holdInterface({
      ...{ subnetId: id, holder: holderOf(row.name), groups: row.groups, description: `ELB ${row.name}` },
      ...{ interfaceType: 'load_balancer', publicIp: row.scheme === 'internet-facing' },
    });
    nodes.push({ interfaceId: card.id, zone, address: card.address, publicIp: card.publicIp });
  }
  if (proxy.unavailable === undefined) {
    await ec2.applyNetwork(row.vpcId);
    const shared = await sharedSpec(ctx, row);
    await Promise.all(
      nodes.map(({ interfaceId, address, zone }) =>
        proxy.ensureNode({ ...shared, key: nodeKey(interfaceId), machine: interfaceId, address, zone }),
      ),
    );
  }
  const held = await holdCertificates(
    ctx,
    row,
    row.listeners.flatMap(({ certificate }) => certificate ?? []),
  );
  const changed = JSON.stringify(nodes) !== JSON.stringify(row.nodes);
  if (!changed && held.join() === row.held.join()) return;
  await ctx.transact(async (tx) => {
    await tx.table(Balancers).update([row.name], (latest) => ({ ...latest, nodes, held }));
    if (changed) await tx.schedule({ task: 'checkInstances', key: row.name, due: ctx.now });
  });
}

/** Tells ACM which of its certificates are in use, and which no more: those in use cannot be deleted, and are renewed. */
async function holdCertificates(ctx: Context, row: BalancerRow, wanted: readonly string[]): Promise<string[]> {
  const acm = await ctx.internal<AcmApi>('acm');
  const user = `arn:aws:elasticloadbalancing:${ctx.region}:${ctx.account}:loadbalancer/${row.name}`;
  const own = [...new Set(wanted)].filter((arn) => parseArn(arn)?.service === 'acm');
  for (const arn of own) if (!row.held.includes(arn)) await acm.use(arn, user);
  for (const arn of row.held) if (!own.includes(arn)) await acm.release(arn, user);
  return own;
}

async function remove(ctx: Context, row: BalancerRow): Promise<void> {
  const ec2 = await ctx.internal<Ec2Api>('ec2');
  for (const { id } of await ec2.heldBy(holderOf(row.name))) {
    await ctx.part('proxy').removeNode(nodeKey(id));
    await ec2.releaseInterface(id);
  }
  await holdCertificates(ctx, row, []);
  await ctx.transact((tx) => tx.table(Balancers).delete(row.name));
}
