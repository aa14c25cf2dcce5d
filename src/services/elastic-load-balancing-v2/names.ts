/**
 * DNS names of load balancers: `web-1234567890.us-east-1.elb.localhost`, and the real cloud's form of the same, which resolves too. A name leads to the
 * nodes that have a healthy target, or to all while none has ("Availability Zones and load balancer nodes"; DNS failover).
 */
import type { Context, Scope } from '../../kernel/context.ts';
import type { DnsAsker, DnsQuestion, DnsRecord, ZoneAnswer, ZoneSource } from '../../planes/dns/types.ts';
import type { ClassicApi } from '../elastic-load-balancing/api.ts';
import { groupAttribute, balancerAttribute } from './attributes.ts';
import { BalancerNames, type BalancerRow, Balancers, Groups, Rules, Targets } from './state.ts';

const ttlSeconds = 60;
const suffix = 'elb.localhost';

/** Name of a new load balancer. */
export function dnsNameFor(
  { region }: Scope,
  { type, scheme, name, id, number }: Pick<BalancerRow, 'type' | 'scheme' | 'name'> & { id: string; number: string },
): string {
  if (type === 'network') return `${name}-${id}.elb.${region}.localhost`.toLowerCase();
  return `${scheme === 'internal' ? 'internal-' : ''}${name}-${number}.${region}.${suffix}`.toLowerCase();
}

/** Our form of a name; undefined for names of anything else. */
function ownForm(name: string): { own: string; apex: string } | undefined {
  const match = /^(?:.*\.)?([a-z0-9-]+\.(?:([a-z0-9-]+)\.elb|elb\.([a-z0-9-]+)))\.(localhost|amazonaws\.com)$/.exec(name);
  if (match === null) return undefined;
  return { own: `${match[1]}.localhost`, apex: name.slice(name.indexOf(match[1]!) + match[1]!.indexOf('.') + 1) };
}

/** The source of load balancers' names. `ctx` is in no account. */
export function balancerZone(ctx: Context): ZoneSource {
  return {
    name: 'elastic-load-balancing',
    mayAnswer: (name) => ownForm(name) !== undefined,
    async answer(question: DnsQuestion, asker: DnsAsker): Promise<ZoneAnswer | undefined> {
      const form = ownForm(question.name);
      if (form === undefined) return undefined;
      const { apex } = form;
      const known = await ctx.table(BalancerNames).get(form.own);
      const own = known === undefined ? undefined : ctx.inScope(known);
      const row = own === undefined ? undefined : await own.table(Balancers).get(known!.arn);
      const classic = known === undefined ? await classicAddresses(ctx, form.own, question) : undefined;
      if (classic !== undefined)
        return {
          apex,
          records: addressRecords(ctx, question, classic),
          exists: asker !== undefined,
          healthy: classic.length > 0,
        };
      if (own === undefined || row === undefined || question.name.endsWith(`.${form.own}`))
        return { apex, records: [], exists: false };
      if (question.type !== 'A' && question.type !== 'ANY') return { apex, records: [], exists: true };
      const zones = await servingZones(own, row);
      const nodes = row.nodes.filter(({ zone }) => zones === undefined || zones.has(zone));
      // As in AWS the public name of an internet-facing one means public addresses also inside its VPC.
      const addresses = (nodes.length > 0 ? nodes : row.nodes).map(({ address, publicIp }) => publicIp ?? address);
      return {
        apex,
        records: addressRecords(ctx, question, addresses),
        exists: asker !== undefined,
        healthy: await isHealthy(own, row),
      };
    },
  };
}

/** Classic Load Balancers have names of the same form. */
async function classicAddresses(ctx: Context, own: string, { name, type }: DnsQuestion): Promise<readonly string[] | undefined> {
  if (name.endsWith(`.${own}`)) return undefined;
  const addresses = await (await ctx.internal<ClassicApi>('elastic-load-balancing')).addressesOf(own);
  return addresses === undefined || type === 'A' || type === 'ANY' ? addresses : [];
}

function addressRecords(ctx: Context, { name }: DnsQuestion, addresses: readonly string[]): DnsRecord[] {
  return shuffle(ctx, addresses).map((data) => ({ name, type: 'A', ttl: ttlSeconds, data }));
}

function shuffle(ctx: Context, addresses: readonly string[]): string[] {
  const turn = (ctx.bytes(1)[0] ?? 0) % Math.max(1, addresses.length);
  return [...addresses.slice(turn), ...addresses.slice(0, turn)];
}

/**
 * Whether an alias that follows health may lead here: every target group of its listeners has a healthy target ("EvaluateTargetHealth": one with unhealthy
 * targets only, or with none, makes the load balancer unhealthy). One without target groups has nothing to judge by.
 */
async function isHealthy(ctx: Context, row: BalancerRow): Promise<boolean> {
  for (const arn of await groupsOf(ctx, row))
    if (!(await ctx.table(Targets).list({ prefix: [arn] })).some(({ state }) => state === 'healthy')) return false;
  return true;
}

async function groupsOf(ctx: Context, row: BalancerRow): Promise<readonly string[]> {
  return [...new Set((await ctx.table(Rules).byIndex('byBalancer', [row.arn])).flatMap((rule) => rule.groups))];
}

/** Zones whose nodes have somebody to send to; undefined: all. A zone that is down answers no health check and is out as well. */
async function servingZones(ctx: Context, row: BalancerRow): Promise<ReadonlySet<string> | undefined> {
  const faults = ctx.part('zones');
  const up = row.subnets.map(({ zone }) => zone).filter((zone) => faults.downSince(zone) === undefined);
  const groups = await groupsOf(ctx, row);
  const serving = new Set<string>();
  for (const arn of groups) {
    const group = await ctx.table(Groups).get(arn);
    if (group === undefined) continue;
    const setting = groupAttribute(group, 'load_balancing.cross_zone.enabled');
    const crosses =
      (setting === 'use_load_balancer_configuration' ? balancerAttribute(row, 'load_balancing.cross_zone.enabled') : setting) ===
      'true';
    for (const { state, zone } of await ctx.table(Targets).list({ prefix: [arn] }))
      if (state === 'healthy')
        for (const each of up) if (crosses || zone === undefined || zone === each || zone === 'all') serving.add(each);
  }
  if (serving.size > 0) return serving;
  return up.length > 0 ? new Set(up) : undefined;
}
