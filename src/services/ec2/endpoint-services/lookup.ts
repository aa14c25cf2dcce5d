/** Endpoint services as consumers, names and networks see them. */
import type { Identity } from '../../../kernel/caller.ts';
import type { Context, Scope, Transaction } from '../../../kernel/context.ts';
import type { AdmissionSpec } from '../../../planes/fabric/types.ts';
import { type VpcEndpointRow, VpcEndpoints } from '../endpoints/state.ts';
import { type InterfaceRow, Interfaces } from '../interfaces/state.ts';
import { EndpointConnections, type EndpointServiceRow, EndpointServiceOwners, EndpointServices } from './state.ts';

type Source = Pick<Context | Transaction, 'table' | 'tableIn'>;

/** A service with where its rows are. */
export interface FoundService {
  scope: Scope;
  row: EndpointServiceRow;
}

/** `com.amazonaws.vpce.us-east-1.vpce-svc-0a1b…`: what consumers call the service. */
export function serviceNameOf(region: string, id: string): string {
  return `com.amazonaws.vpce.${region}.${id}`;
}

/** Where the names of a service's endpoints end. */
export function serviceDnsName(region: string, id: string): string {
  return `${id}.${region}.vpce.amazonaws.com`;
}

/** The id in the name of a service that accounts offer; undefined for the provider's own services. */
export function serviceIdIn(serviceName: string): string | undefined {
  return /^com\.amazonaws\.vpce\.[a-z0-9-]+\.(vpce-svc-[0-9a-f]+)$/.exec(serviceName)?.[1];
}

/** The service of this id, whoever's it is. */
export async function findService(source: Source, id: string): Promise<FoundService | undefined> {
  const owner = await source.table(EndpointServiceOwners).get(id);
  if (owner === undefined) return undefined;
  const scope = { account: owner.account, region: owner.region };
  const row = await source.tableIn(scope, EndpointServices).get(id);
  return row === undefined ? undefined : { scope, row };
}

/** Services of the Region that the caller may connect to: its account's own, and those that name it ("Manage permissions"). */
export async function openServices(ctx: Context): Promise<FoundService[]> {
  const owners = await ctx.table(EndpointServiceOwners).list();
  const found = await Promise.all(owners.filter(({ region }) => region === ctx.region).map(({ id }) => findService(ctx, id)));
  return found.filter((service) => service !== undefined).filter((service) => isOpenTo(service, ctx.caller));
}

/** Whether a caller may connect to a service. */
export function isOpenTo({ scope, row }: FoundService, caller: Identity): boolean {
  if (scope.account === caller.account) return true;
  const { arn, roleArn } = caller.principal;
  const names = new Set(['*', `arn:aws:iam::${caller.account}:root`, arn, roleArn]);
  return row.principals.some((principal) => names.has(principal.arn));
}

/** Zones in which the load balancers of a service are, in order of name. */
export async function serviceZones(ctx: Context, { scope, row }: FoundService): Promise<{ name: string; id: string }[]> {
  const elb = ctx.inScope(scope).asService().call('elastic-load-balancing-v2');
  const { LoadBalancers = [] } = await elb.describeLoadBalancers({ LoadBalancerArns: [...row.balancers] });
  const parts = LoadBalancers.flatMap(({ AvailabilityZones = [] }) => AvailabilityZones);
  const subnets = new Set(parts.map(({ ZoneName = '' }) => ZoneName));
  const { AvailabilityZones = [] } = await ctx.inScope(scope).asService().call('ec2').describeAvailabilityZones({});
  return AvailabilityZones.filter(({ ZoneName = '' }) => subnets.has(ZoneName))
    .map(({ ZoneName = '', ZoneId = '' }) => ({ name: ZoneName, id: ZoneId }))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** Nodes of a service's load balancers: interfaces of the service's account. */
async function nodesOf(source: Source, { scope, row }: FoundService): Promise<InterfaceRow[]> {
  const holders = new Set(row.balancers.map((arn) => arn.split(':loadbalancer/')[1]));
  const cards = await source.tableIn(scope, Interfaces).list();
  return cards.filter(({ holder }) => holder !== undefined && holders.has(holder.resourceId));
}

/** Endpoints that ask for a service or are connected to it, with where their rows are. */
export async function connectedTo(
  source: Source,
  { scope, row }: FoundService,
): Promise<{ id: string; scope: Scope; endpoint: VpcEndpointRow }[]> {
  const found = [];
  for (const { id, account, endpointId } of await source.tableIn(scope, EndpointConnections).list({ prefix: [row.id] })) {
    const of = { account, region: scope.region };
    const endpoint = await source.tableIn(of, VpcEndpoints).get(endpointId);
    if (endpoint !== undefined) found.push({ id, scope: of, endpoint });
  }
  return found;
}

/**
 * What reaches load balancers of a VPC through endpoints: each interface of an endpoint leads to the node in its zone ("Subnets and Availability
 * Zones", AWS PrivateLink Guide). `cards` are the VPC's interfaces.
 */
export async function readAdmissions(ctx: Context, cards: readonly InterfaceRow[]): Promise<AdmissionSpec[]> {
  const nodes = cards.filter(({ interfaceType }) => interfaceType === 'network_load_balancer');
  if (nodes.length === 0) return [];
  const scope = { account: ctx.account, region: ctx.region };
  const admissions: AdmissionSpec[] = [];
  for (const row of await ctx.table(EndpointServices).list()) {
    const holders = new Set(row.balancers.map((arn) => arn.split(':loadbalancer/')[1]));
    const own = nodes.filter(({ holder }) => holders.has(holder?.resourceId));
    if (own.length === 0) continue;
    for (const { scope: of, endpoint } of await connectedTo(ctx, { scope, row })) {
      if (endpoint.state !== 'available') continue;
      for (const { interfaceId } of endpoint.interfaces) {
        const door = await ctx.tableIn(of, Interfaces).get(interfaceId);
        const to = own.find(({ zone }) => zone === door?.zone);
        if (to !== undefined)
          admissions.push({ network: endpoint.vpcId, port: interfaceId, to: to.id, unchecked: to.passagesUnchecked });
      }
    }
  }
  return admissions;
}

/** Wakes the network of an endpoint and those of the load balancers behind its service, each in its own scope. */
export async function wakeBoth(
  ctx: Context,
  service: FoundService,
  endpoints: readonly { scope: Scope; vpcId: string }[],
): Promise<void> {
  const vpcs = new Set((await nodesOf(ctx, service)).map(({ vpcId }) => vpcId));
  for (const { scope, vpcId } of [...endpoints, ...[...vpcs].map((vpcId) => ({ scope: service.scope, vpcId }))])
    await ctx.inScope(scope).transact(async (tx) => tx.hint('networks', vpcId));
}
