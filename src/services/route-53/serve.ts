/** Zones on their way to the name servers: rows in, the plane's complete zone out; then the changes of the zone are in sync. */
import type { Context, Scope } from '../../kernel/context.ts';
import type { Reconciler } from '../../kernel/service.ts';
import type { RecordSetSpec, ZoneSpec } from '../../planes/dns/hosted/types.ts';
import { targetName } from './alias-targets.ts';
import { dnsName } from './names.ts';
import { LoggedZones } from './query-log-state.ts';
import { parseSoa, serverAddress } from './name-servers.ts';
import { parseValue, planeType } from './record-data.ts';
import { ruleOf } from './routing.ts';
import { type TrafficInstanceRow, TrafficInstances, TrafficPolicies } from './traffic-state.ts';
import { readDocument, setsOf } from './traffic-tree.ts';
import {
  Changes,
  CidrCollections,
  type CidrCollectionRow,
  RecordSets,
  type RecordSetRow,
  ZoneOwners,
  type ZoneRow,
  Zones,
} from './state.ts';

const globalRegion = 'us-east-1';

/** The key under which the plane knows the state of an account's health check. */
export function probeKey({ account }: Pick<Scope, 'account'>, id: string): string {
  return `${account} ${id}`;
}

function setSpec(
  row: RecordSetRow,
  zone: ZoneRow,
  account: string,
  collections: ReadonlyMap<string, CidrCollectionRow>,
): RecordSetSpec {
  const { alias, healthCheck } = row;
  const own = alias?.zone === zone.id;
  const values = row.values.flatMap((value) => {
    const parsed = parseValue(row.type, value);
    return 'data' in parsed ? [parsed.data] : [];
  });
  return {
    name: dnsName(row.name),
    type: planeType(row.type) as RecordSetSpec['type'],
    ttl: row.ttl ?? 0,
    values,
    alias:
      alias === undefined
        ? undefined
        : { name: own ? dnsName(alias.name) : targetName(alias.name), own, followHealth: alias.evaluate },
    rule: ruleOf(row.routing, (collection, location) => collections.get(collection)?.locations[location] ?? []),
    probe: healthCheck === undefined ? undefined : probeKey({ account }, healthCheck),
  };
}

async function specOf(ctx: Context, zone: ZoneRow): Promise<ZoneSpec> {
  const rows = await ctx.table(RecordSets).list({ prefix: [zone.id] });
  const collections = new Map((await ctx.table(CidrCollections).list()).map((row) => [row.id, row]));
  const soa = rows.find(({ type }) => type === 'SOA');
  return {
    key: zone.id,
    apex: dnsName(zone.name),
    networks: zone.vpcs?.map(({ id }) => id),
    servers: zone.nameServers.flatMap((name) => serverAddress(name) ?? []),
    soa: parseSoa(soa?.values[0] ?? ''),
    soaTtl: soa?.ttl ?? 900,
    rank: zone.created,
    logged: (await ctx.table(LoggedZones).get(zone.id)) !== undefined,
    sets: [
      ...rows.filter((row) => row.trafficPolicyInstance === undefined).map((row) => setSpec(row, zone, ctx.account, collections)),
      ...(await trafficSets(ctx, zone)),
    ],
  };
}

/** What the zone's traffic policy instances answer. */
async function trafficSets(ctx: Context, zone: ZoneRow): Promise<RecordSetSpec[]> {
  const instances = await ctx.table(TrafficInstances).byIndex('byZone', [zone.id]);
  const policies = await Promise.all(instances.map(({ policy, version }) => ctx.table(TrafficPolicies).get(policy, version)));
  return instances.flatMap(({ id, name, ttl }, index) => {
    const policy = policies[index];
    const place = { name: dnsName(name), apex: dnsName(zone.name), id, ttl };
    return policy === undefined ? [] : setsOf(readDocument(policy.document), place, (check) => probeKey(ctx, check));
  });
}

/** The instances that were read with the zone are in force. */
async function settleTraffic(own: Context, read: readonly TrafficInstanceRow[]): Promise<void> {
  const waiting = read.filter(({ state }) => state !== 'Applied');
  if (waiting.length === 0) return;
  await own.transact(async (tx) => {
    for (const row of waiting) {
      const now = await tx.table(TrafficInstances).get(row.id);
      if (now?.version === row.version && now.policy === row.policy)
        await tx.table(TrafficInstances).put({ ...now, state: 'Applied' });
    }
  });
}

export const zoneReconciler: Reconciler = {
  async keys(ctx) {
    const zones = await ctx.everywhere(Zones);
    const waiting = (await ctx.everywhere(Changes)).filter(({ row }) => row.status === 'PENDING');
    const keys = [
      ...zones.map(({ scope, row }) => ({ account: scope.account, key: row.id })),
      ...waiting.map(({ scope, row }) => ({ account: scope.account, key: row.zone ?? '' })),
    ];
    return [...new Map(keys.map((one) => [`${one.account} ${one.key}`, { ...one, region: globalRegion }])).values()];
  },

  /** `key` is the zone; the account is that of the change, which may be another's than the zone's (VPC associations). */
  async run({ key }, ctx) {
    const { hosted, serveAt } = bind(ctx);
    const owner = await ctx.table(ZoneOwners).get(key);
    const own = owner === undefined ? undefined : ctx.inScope({ account: owner.account });
    // Changes that come while the zone is read wait for the next run, which their own hint has asked for.
    const waiting = await ctx.table(Changes).byIndex('pending', [key]);
    const zone = await own?.table(Zones).get(key);
    if (own === undefined || zone === undefined) hosted.removeZone(key);
    else {
      const instances = await own.table(TrafficInstances).byIndex('byZone', [zone.id]);
      const spec = await specOf(own, zone);
      if (spec.networks === undefined) await serveAt(spec.servers);
      hosted.ensureZone(spec);
      await settleTraffic(own, instances);
    }
    if (waiting.length === 0) return;
    await ctx.transact(async (tx) => {
      for (const { id } of waiting) await tx.table(Changes).update([id], (row) => ({ ...row, status: 'INSYNC' }));
    });
  },
};

/** The plane, and how to have servers at addresses; without a fabric there are no addresses, and only the host's own port answers. */
function bind(ctx: Context) {
  const dns = ctx.part('dns');
  const here = ctx.part('fabric').unavailable === undefined;
  return { hosted: dns.hosted, serveAt: async (addresses: readonly string[]) => (here ? dns.serveAt(addresses) : undefined) };
}
