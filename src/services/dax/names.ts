/**
 * Names of clusters and nodes: `web.x1y2z3.dax-clusters.us-east-1.localhost` leads to all nodes, `web-a.x1y2z3.nodes.dax-clusters.…` to one; the real
 * cloud's form of the same resolves too. Addresses are private, as in AWS.
 */
import type { Context } from '../../kernel/context.ts';
import type { DnsRecord, ZoneSource } from '../../planes/dns/types.ts';
import { type ClusterRow, Clusters, Labels, type NodeRow } from './state.ts';

const ttlSeconds = 15;
const form = /^([a-z0-9-]+)\.([a-z0-9]+)(\.nodes)?\.(dax-clusters\.([a-z0-9-]+)\.(?:localhost|amazonaws\.com))$/;

/** Ports of plain and of encrypted clusters ("DAX encryption in transit"). */
export const portOf = ({ tls }: ClusterRow): number => (tls ? 9111 : 8111);

export const clusterHost = ({ region }: Pick<Context, 'region'>, { name, label }: ClusterRow): string =>
  `${name}.${label}.dax-clusters.${region}.localhost`;

export const nodeHost = ({ region }: Pick<Context, 'region'>, { label }: ClusterRow, { id }: NodeRow): string =>
  `${id}.${label}.nodes.dax-clusters.${region}.localhost`;

/** The source of these names. `ctx` is in no account. */
export function clusterZone(ctx: Context): ZoneSource {
  return {
    name: 'dax',
    mayAnswer: (name) => form.test(name),
    async answer(question, asker) {
      const match = form.exec(question.name);
      if (match === null) return undefined;
      const [, first = '', label = '', nodes, apex = ''] = match;
      const known = await ctx.table(Labels).get(label);
      const row = known === undefined ? undefined : await ctx.inScope(known).table(Clusters).get(known.cluster);
      if (row === undefined) return { apex, records: [], exists: false };
      const found = row.nodes.filter(({ id, status }) => (nodes === undefined ? status === 'available' : id === first));
      const isThere = nodes === undefined ? first === row.name : found.length > 0;
      if (!isThere || (question.type !== 'A' && question.type !== 'ANY')) return { apex, records: [], exists: isThere };
      const records = found.flatMap(({ address }): DnsRecord[] =>
        address === undefined ? [] : [{ name: question.name, type: 'A', ttl: ttlSeconds, data: address }],
      );
      return { apex, records, exists: asker !== undefined };
    },
  };
}
