/**
 * Keeps nodes in line with rows: one reconciler key per cluster. A node is an interface in a subnet (EC2's) and a process that holds it (the plane's);
 * the cluster is available once all of them listen. One node takes the writes, and stays it while it can.
 */
import type { Context } from '../../kernel/context.ts';
import type { ReconcileKey, Reconciler, Task } from '../../kernel/service.ts';
import type { CacheNodeSpec, CachePeer } from '../../planes/caches/types.ts';
import type { Ec2Api } from '../ec2/api.ts';
import { clusterHost, nodeHost, portOf } from './names.ts';
import { note } from './events.ts';
import { type ClusterRow, Clusters, Labels, NameLists, type NodeRow } from './state.ts';

const mebibyte = 1024 * 1024;
/** What a node holds for each GiB that its type has in AWS, and at most: everything here shares one machine. */
const bytesEachGibibyte = 6 * mebibyte;
const bytesMaxOfAll = 192 * mebibyte;
/** Clients look for changes of the cluster every four seconds; until then a removed node's address still refuses them. */
const farewellMillis = 6000;

/** What a node of this type holds ("DAX node types": memory follows the size; a `large` has 16 GiB). */
function bytesMaxOf(nodeType: string): number {
  const [, family = '', size = ''] = nodeType.split('.');
  const small = { small: 2, medium: 4 }[size];
  const doubled = size === 'large' ? 1 : 2 * Number(/^\d+/.exec(size)?.[0] ?? 1);
  return Math.min(bytesMaxOfAll, bytesEachGibibyte * (family.startsWith('t') && small !== undefined ? small : 16 * doubled));
}

const holderOf = (row: Pick<ClusterRow, 'label'>, node: Pick<NodeRow, 'id'>): string => `dax/${row.label}/${node.id}`;
const groupKey = (ctx: Pick<Context, 'account' | 'region'>, name: string): string => `${ctx.account}/${ctx.region}/${name}`;

export const clusters: Reconciler = {
  async keys(ctx) {
    const rows = await ctx.everywhere(Clusters);
    const known = new Set(rows.flatMap(({ row }) => row.nodes.map(({ interfaceId }) => interfaceId)));
    const strays: ReconcileKey[] = ctx
      .part('caches')
      .nodes()
      .filter((key) => !known.has(key))
      .map((key) => ({ account: '', region: '', key }));
    return [...rows.map(({ scope, row }) => ({ ...scope, key: row.name })), ...strays];
  },

  async run({ key, account }, ctx) {
    // A key without an account is a node that a reset left without its row.
    if (account === '') return ctx.part('caches').removeNode(key);
    const row = await ctx.table(Clusters).get(key);
    if (row !== undefined) await (row.status === 'deleting' ? remove(ctx, row) : bringUp(ctx, row));
  },
};

/** The node that takes writes: the one that did, else the first, of those that stay in zones that work. */
export function primaryOf(ctx: Context, row: ClusterRow): string | undefined {
  const staying = row.nodes.filter(({ status }) => status !== 'deleting');
  const working = staying.filter(({ zone }) => ctx.part('zones').downSince(zone) === undefined);
  return (working.find(({ id }) => id === row.primary) ?? working[0] ?? staying[0])?.id;
}

async function bringUp(ctx: Context, row: ClusterRow): Promise<void> {
  const ec2 = await ctx.internal<Ec2Api>('ec2');
  const caches = ctx.part('caches');
  const staying = row.nodes.filter(({ status }) => status !== 'deleting');
  const held: NodeRow[] = [];
  for (const node of staying) {
    const card = await ec2.holdInterface({
      ...{ subnetId: node.subnetId, holder: holderOf(row, node), groups: row.groups, interfaceType: 'cache', publicIp: false },
      description: `DAX ${row.name}`,
    });
    held.push({ ...node, interfaceId: card.id, address: card.address });
  }
  if (caches.unavailable !== undefined) return settle(ctx, row, { held, refusal: caches.unavailable });
  await ec2.applyNetwork(row.vpcId);
  const tls = row.tls ? await certificateOf(ctx, row) : undefined;
  const primary = primaryOf(ctx, row);
  const peers = held.map((node) => peerOf(ctx, row, node, primary));
  for (const node of held) if (node.status === 'rebooting') await caches.retireNode(node.interfaceId!);
  await Promise.all(held.map((node) => caches.ensureNode(specOf(ctx, { row, node, peers, tls }))));
  for (const node of row.nodes) if (node.status === 'deleting') await caches.retireNode(node.interfaceId!);
  await settle(ctx, row, { held, primary });
}

/** The cluster's certificate, made with its first nodes and kept: another one would cut the connections of clients. */
async function certificateOf(ctx: Context, row: ClusterRow): Promise<CacheNodeSpec['tls']> {
  const vault = ctx.part('vault');
  const label = `dax.certificate/${row.label}`;
  const known = row.certificate;
  if (known !== undefined) return { chain: known.chain, privateKey: vault.open(known.sealedKey, label).toString() };
  const host = clusterHost(ctx, row);
  const names = [host, host.replace(`${row.name}.${row.label}.`, `*.${row.label}.nodes.`)];
  const real = names.map((name) => name.replace(/\.localhost$/, '.amazonaws.com'));
  const made = await ctx.part('certificates').issue({ names: [...names, ...real] });
  const chain = `${made.certificate}\n${made.chain}`;
  const certificate = { chain, sealedKey: vault.seal(Buffer.from(made.privateKey), label) };
  await ctx.transact(async (tx) => {
    const now = await tx.table(Clusters).get(row.name);
    if (now?.label === row.label) await tx.table(Clusters).put({ ...now, certificate });
  });
  return { chain, privateKey: made.privateKey };
}

function peerOf(ctx: Context, row: ClusterRow, node: NodeRow, primary: string | undefined): CachePeer {
  return {
    id: node.id.charCodeAt(node.id.length - 1),
    host: nodeHost(ctx, row, node),
    address: node.address ?? '',
    port: portOf(row),
    primary: node.id === primary,
    zone: node.zone,
  };
}

function specOf(
  ctx: Context,
  { row, node, peers, tls }: { row: ClusterRow; node: NodeRow; peers: readonly CachePeer[]; tls: CacheNodeSpec['tls'] },
): CacheNodeSpec {
  return {
    ...{ key: node.interfaceId!, machine: node.interfaceId!, group: groupKey(ctx, row.name), port: portOf(row), tls },
    ...{ itemMillis: node.itemMillis, queryMillis: node.queryMillis, bytesMax: bytesMaxOf(row.nodeType), peers },
  };
}

/** Writes what stands; does nothing when it stood so already, or when somebody wants something else meanwhile. */
async function settle(
  ctx: Context,
  row: ClusterRow,
  { held, primary, refusal }: { held: readonly NodeRow[]; primary?: string | undefined; refusal?: string | undefined },
): Promise<void> {
  const status = refusal === undefined ? 'available' : 'creation-failed';
  const nodes = held.map((node): NodeRow => ({ ...node, status: refusal === undefined ? 'available' : node.status }));
  if (row.status === status && row.primary === primary && JSON.stringify(row.nodes) === JSON.stringify(nodes)) return;
  await ctx.transact(async (tx) => {
    const known = await tx.table(Clusters).get(row.name);
    if (known === undefined || known.label !== row.label || known.status === 'deleting') return;
    await tx.table(Clusters).put({ ...known, status, nodes, primary });
    await note(tx, ctx, { source: row.name, type: 'CLUSTER', message: refusal ?? 'Cluster is available.' });
    const due = ctx.clock.now() + farewellMillis;
    for (const node of row.nodes)
      if (node.status === 'deleting')
        await tx.schedule({ task: 'releaseNode', key: holderOf(row, node), due, payload: { label: row.label, id: node.id } });
  });
}

/** A node has failed by itself: another takes its place, empty, under its name and address ("DAX cluster components": failed nodes are replaced). */
export async function replaceNode(ctx: Context, cluster: string, interfaceId: string): Promise<void> {
  await ctx.transact(async (tx) => {
    const node = (await tx.table(Clusters).get(cluster))?.nodes.find((each) => each.interfaceId === interfaceId);
    if (node === undefined) return;
    await note(tx, ctx, { source: cluster, type: 'CLUSTER', message: `Node ${node.id} failed and is being replaced.` });
    tx.hint('clusters', cluster);
  });
}

/** Gives back what a removed node held. */
export const releaseNode: Task = async (job, ctx) => {
  const { label, id } = job.payload as { label: string; id: string };
  await release(ctx, { label }, { id });
};

async function release(ctx: Context, row: Pick<ClusterRow, 'label'>, node: Pick<NodeRow, 'id'>): Promise<void> {
  const ec2 = await ctx.internal<Ec2Api>('ec2');
  for (const { id } of await ec2.heldBy(holderOf(row, node))) {
    await ctx.part('caches').removeNode(id);
    await ec2.releaseInterface(id);
  }
}

async function remove(ctx: Context, row: ClusterRow): Promise<void> {
  for (const node of row.nodes) await release(ctx, row, node);
  await ctx.transact(async (tx) => {
    for (const list of await tx.table(NameLists).list({ prefix: [row.label] }))
      await tx.table(NameLists).delete(list.label, list.number);
    await tx.table(Labels).delete(row.label);
    await tx.table(Clusters).delete(row.name);
    await note(tx, ctx, { source: row.name, type: 'CLUSTER', message: 'Cluster deleted.' });
  });
}
