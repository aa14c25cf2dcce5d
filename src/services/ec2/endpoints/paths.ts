/** What endpoints mean for names and for requests: who gets which address, and through which endpoint a request came. */
import type { Context, Scope } from '../../../kernel/context.ts';
import type { NetworkPath } from '../../../kernel/service.ts';
import { answerAddress } from '../../../planes/dns/platform-names.ts';
import type { DnsQuestion, ZoneAnswer, ZoneSource } from '../../../planes/dns/types.ts';
import { type InterfaceRow, Interfaces } from '../interfaces/state.ts';
import { routeTableOf } from '../vpc/route-tables.ts';
import { Subnets, Vpcs } from '../vpc/state.ts';
import { serviceDnsName } from '../endpoint-services/lookup.ts';
import { ServiceNames } from '../endpoint-services/state.ts';
import { offerOf } from './offers.ts';
import { type VpcEndpointRow, VpcEndpoints } from './state.ts';

/** Where the rows of a network are, by its VPC's id. */
async function scopeOf(ctx: Context, vpcId: string): Promise<Scope | undefined> {
  return (await ctx.everywhere(Vpcs)).find(({ row }) => row.id === vpcId)?.scope;
}

/**
 * The endpoint that a connection took: that of the interface at which it arrived, else a gateway endpoint that the port's subnet has a route to; each
 * for the service asked for (VPCE-009).
 */
export async function pathOf(
  { from, at }: { from: string; at: string },
  service: string,
  ctx: Context,
): Promise<NetworkPath | undefined> {
  const fabric = ctx.part('fabric');
  const identity = fabric.identify(from);
  const scope = identity === undefined ? undefined : await scopeOf(ctx, identity.network);
  if (identity === undefined || scope === undefined) return undefined;
  const own = ctx.inScope(scope);
  const card = await own.table(Interfaces).get(identity.port);
  if (card === undefined) return undefined;
  const row = await endpointOf(own, card, service, fabric.identify(at)?.port);
  if (row === undefined || offerOf(scope.region, row.serviceName)?.service !== service) return undefined;
  return { sourceVpc: card.vpcId, sourceVpce: row.id, vpcSourceIp: card.addresses[0]?.address ?? '', policy: row.policy };
}

/** The endpoint behind a door or, without one, behind the route that the sender's subnet has. */
async function endpointOf(
  own: Context,
  card: InterfaceRow,
  service: string,
  doorId: string | undefined,
): Promise<VpcEndpointRow | undefined> {
  if (doorId !== undefined) {
    const door = await own.table(Interfaces).get(doorId);
    return door?.holder === undefined ? undefined : own.table(VpcEndpoints).get(door.holder.resourceId);
  }
  const tableId = await tableOf(own, card);
  const gateways = (await own.table(VpcEndpoints).byIndex('byVpc', [card.vpcId])).filter(({ type }) => type === 'Gateway');
  return gateways.find((row) => row.routeTableIds.includes(tableId) && offerOf(own.region, row.serviceName)?.service === service);
}

async function tableOf(own: Context, { subnetId, vpcId }: InterfaceRow): Promise<string> {
  const [subnet, vpc] = await Promise.all([own.table(Subnets).get(subnetId), own.table(Vpcs).get(vpcId)]);
  return subnet === undefined || vpc === undefined ? '' : routeTableOf(subnet, vpc);
}

/** Names of interface endpoints: the service's own inside VPCs that ask for it, and the endpoint's, which anybody may resolve. */
export function endpointZone(ctx: Context): ZoneSource {
  return {
    name: 'ec2 endpoints',
    mayAnswer: (name) => name.endsWith('.vpce.amazonaws.com'),
    async answer(question, asker) {
      const { name } = question;
      if (name.endsWith('.vpce.amazonaws.com')) return answerEndpoint(ctx, question);
      if (asker.network === undefined) return undefined;
      if (!name.endsWith('.amazonaws.com')) return answerServiceName(ctx, question, asker.network);
      const scope = await scopeOf(ctx, asker.network);
      if (scope === undefined) return undefined;
      const own = ctx.inScope(scope);
      for (const row of await own.table(VpcEndpoints).byIndex('byVpc', [asker.network])) {
        const offer = row.privateDns ? offerOf(scope.region, row.serviceName) : undefined;
        if (offer === undefined || (name !== offer.dnsName && !name.endsWith(`.${offer.dnsName}`))) continue;
        return answerInterfaces(own, question, offer.dnsName, row);
      }
      return undefined;
    },
  };
}

/** The private name of a service in a VPC whose endpoint took it; one with `*` stands for all names below. */
async function answerServiceName(ctx: Context, question: DnsQuestion, vpcId: string): Promise<ZoneAnswer | undefined> {
  const wild = question.name.replace(/^[^.]+/, '*');
  const found = (await ctx.table(ServiceNames).get(vpcId, question.name)) ?? (await ctx.table(ServiceNames).get(vpcId, wild));
  if (found === undefined) return undefined;
  const own = ctx.inScope(found);
  const row = await own.table(VpcEndpoints).get(found.endpointId);
  return row === undefined ? undefined : answerInterfaces(own, question, question.name, row);
}

/** What the names of an endpoint end in. */
function suffixOf({ serviceName, serviceId }: VpcEndpointRow, region: string): string {
  return serviceId === undefined
    ? `${offerOf(region, serviceName)?.short}.${region}.vpce.amazonaws.com`
    : serviceDnsName(region, serviceId);
}

/** DNS name of an endpoint: `vpce-0a1b-9c8d7e6f.sqs.us-east-1.vpce.amazonaws.com`; of its interface in a zone: `vpce-0a1b-9c8d7e6f-us-east-1a.sqs…`. */
function endpointName(row: VpcEndpointRow, region: string, zone?: string): string {
  return `${row.id}-${row.id.slice(-8)}${zone === undefined ? '' : `-${zone}`}.${suffixOf(row, region)}`;
}

/** All DNS names of an interface endpoint, that of the Region first. */
export async function endpointNames(
  row: VpcEndpointRow,
  region: string,
  zoneOf: (interfaceId: string) => Promise<string | undefined>,
): Promise<string[]> {
  const zones = await Promise.all(row.interfaces.map(({ interfaceId }) => zoneOf(interfaceId)));
  const known = zones.filter((zone) => zone !== undefined).sort();
  return [undefined, ...known].map((zone) => endpointName(row, region, zone));
}

/** The form of an endpoint's names, with what may stand before them, as S3's `bucket.vpce-…`. */
const nameForm = /(?:^|\.)(vpce-[0-9a-f]+)-[0-9a-f]{8}(?:-([a-z0-9-]+))?\.[a-z0-9-]+\.[a-z0-9-]+\.vpce\.amazonaws\.com$/;

async function answerEndpoint(ctx: Context, question: DnsQuestion): Promise<ZoneAnswer | undefined> {
  const [, id, zone] = nameForm.exec(question.name) ?? [];
  if (id === undefined) return undefined;
  for (const { scope, row } of await ctx.everywhere(VpcEndpoints)) {
    if (row.id !== id || row.type !== 'Interface') continue;
    const name = endpointName(row, scope.region, zone);
    const asked = question.name === name || question.name.endsWith(`.${name}`);
    if (asked) return answerInterfaces(ctx.inScope(scope), question, name, row, zone);
  }
  return undefined;
}

async function answerInterfaces(
  own: Context,
  question: DnsQuestion,
  apex: string,
  row: VpcEndpointRow,
  zone?: string,
): Promise<ZoneAnswer> {
  const cards = await Promise.all(row.interfaces.map(({ interfaceId }) => own.table(Interfaces).get(interfaceId)));
  const there = row.state === 'available' ? cards.filter((card) => zone === undefined || card?.zone === zone) : [];
  const answers = there.flatMap((card) => card?.addresses[0]?.address ?? []).map((ip) => answerAddress(question, apex, ip));
  return { apex, records: answers.flatMap(({ records }) => records), exists: there.length > 0 };
}
