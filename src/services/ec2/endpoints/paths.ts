/** What endpoints mean for names and for requests: who gets which address, and through which endpoint a request came. */
import type { Context, Scope } from '../../../kernel/context.ts';
import type { NetworkPath } from '../../../kernel/service.ts';
import { answerAddress } from '../../../planes/dns/platform-names.ts';
import type { DnsQuestion, ZoneAnswer, ZoneSource } from '../../../planes/dns/types.ts';
import { type InterfaceRow, Interfaces } from '../interfaces/state.ts';
import { routeTableOf } from '../vpc/route-tables.ts';
import { Subnets, Vpcs } from '../vpc/state.ts';
import { offerOf } from './offers.ts';
import { type VpcEndpointRow, VpcEndpoints } from './state.ts';

/** Where the rows of a network are, by its VPC's id. */
async function scopeOf(ctx: Context, vpcId: string): Promise<Scope | undefined> {
  return (await ctx.everywhere(Vpcs)).find(({ row }) => row.id === vpcId)?.scope;
}

/**
 * The endpoint that a connection took, told by its port: a gateway endpoint that the port's subnet has a route to, else an interface endpoint of its
 * VPC; each for the service asked for (VPCE-009).
 */
export async function pathOf(address: string, service: string, ctx: Context): Promise<NetworkPath | undefined> {
  const identity = ctx.part('fabric').identify(address);
  const scope = identity === undefined ? undefined : await scopeOf(ctx, identity.network);
  if (identity === undefined || scope === undefined) return undefined;
  const own = ctx.inScope(scope);
  const card = await own.table(Interfaces).get(identity.port);
  if (card === undefined) return undefined;
  const endpoints = (await own.table(VpcEndpoints).byIndex('byVpc', [card.vpcId])).filter(
    (row) => offerOf(scope.region, row.serviceName)?.service === service,
  );
  const tableId = await tableOf(own, card);
  const row =
    endpoints.find((one) => one.type === 'Gateway' && one.routeTableIds.includes(tableId)) ??
    endpoints.find((one) => one.type === 'Interface');
  if (row === undefined) return undefined;
  return { sourceVpc: card.vpcId, sourceVpce: row.id, vpcSourceIp: card.addresses[0]?.address ?? '', policy: row.policy };
}

async function tableOf(own: Context, { subnetId, vpcId }: InterfaceRow): Promise<string> {
  const [subnet, vpc] = await Promise.all([own.table(Subnets).get(subnetId), own.table(Vpcs).get(vpcId)]);
  return subnet === undefined || vpc === undefined ? '' : routeTableOf(subnet, vpc);
}

/** Names of interface endpoints: the service's own inside VPCs that ask for it, and the endpoint's, which anybody may resolve. */
export function endpointZone(ctx: Context): ZoneSource {
  return {
    name: 'ec2 endpoints',
    async answer(question, asker) {
      const { name } = question;
      if (!name.endsWith('.amazonaws.com')) return undefined;
      if (name.endsWith('.vpce.amazonaws.com')) return answerEndpoint(ctx, question);
      const scope = asker.network === undefined ? undefined : await scopeOf(ctx, asker.network);
      if (asker.network === undefined || scope === undefined) return undefined;
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

/** DNS name of an endpoint: `vpce-0a1b-9c8d7e6f.sqs.us-east-1.vpce.amazonaws.com`. */
export function endpointName({ id, serviceName }: VpcEndpointRow, region: string): string {
  return `${id}-${id.slice(-8)}.${offerOf(region, serviceName)?.short}.${region}.vpce.amazonaws.com`;
}

/** Also names below the endpoint's, as S3's `bucket.vpce-…`. */
async function answerEndpoint(ctx: Context, question: DnsQuestion): Promise<ZoneAnswer | undefined> {
  for (const { scope, row } of await ctx.everywhere(VpcEndpoints)) {
    const name = endpointName(row, scope.region);
    const asked = question.name === name || question.name.endsWith(`.${name}`);
    if (asked && row.type === 'Interface') return answerInterfaces(ctx.inScope(scope), question, name, row);
  }
  return undefined;
}

async function answerInterfaces(own: Context, question: DnsQuestion, apex: string, row: VpcEndpointRow): Promise<ZoneAnswer> {
  const cards = await Promise.all(row.interfaces.map(({ interfaceId }) => own.table(Interfaces).get(interfaceId)));
  const answers = cards.flatMap((card) => card?.addresses[0]?.address ?? []).map((ip) => answerAddress(question, apex, ip));
  return { apex, records: answers.flatMap(({ records }) => records), exists: true };
}
