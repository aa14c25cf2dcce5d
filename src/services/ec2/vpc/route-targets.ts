/** Routes one by one: what a request names as destination and target, and how a route is shown. */
import type { Route } from '@aws-sdk/client-ec2';
import { canonicalCidr, contains, parseCidr, parseCidr4, parseCidr6 } from '../../../base/cidr.ts';
import type { Context, Transaction } from '../../../kernel/context.ts';
import { AwsError, parameterNotImplemented } from '../../../kernel/errors.ts';
import { invalidParameterCombination, invalidParameterValue, missingParameter, notFound } from '../errors.ts';
import { Interfaces } from '../interfaces/state.ts';
import { EgressOnlyGateways } from '../ipv6/state.ts';
import { requireRow } from '../lookup.ts';
import { NatGateways } from '../nat/state.ts';
import { Peerings, PeeringSides } from '../peering/state.ts';
import { isPrefixListId, requirePrefixList } from '../prefix-lists/lookup.ts';
import { InternetGateways, type RouteRow, type RouteTableRow, type RouteTarget } from './state.ts';

type Source = Pick<Context | Transaction, 'table'>;

/** What CreateRoute, ReplaceRoute and DeleteRoute say of a route. */
export interface RouteInput {
  DestinationCidrBlock?: string | undefined;
  DestinationIpv6CidrBlock?: string | undefined;
  DestinationPrefixListId?: string | undefined;
  GatewayId?: string | undefined;
  NetworkInterfaceId?: string | undefined;
  InstanceId?: string | undefined;
  NatGatewayId?: string | undefined;
  VpcPeeringConnectionId?: string | undefined;
  EgressOnlyInternetGatewayId?: string | undefined;
}

/** Targets in the order in which the messages name them. */
const targetNames = [
  ...(['GatewayId', 'NatGatewayId', 'NetworkInterfaceId', 'InstanceId'] as const),
  ...(['VpcPeeringConnectionId', 'EgressOnlyInternetGatewayId'] as const),
];
/** Members that lead to things that are not built. */
const otherTargets = [
  ...(['TransitGatewayId', 'LocalGatewayId', 'CarrierGatewayId'] as const),
  ...(['VpcEndpointId', 'CoreNetworkArn', 'OdbNetworkArn'] as const),
];

/** Where a new route leads. Throws MissingParameter, InvalidParameterCombination, `….NotFound`. */
export async function targetOf(
  tx: Transaction,
  table: RouteTableRow,
  input: RouteInput,
  operation: string,
): Promise<RouteTarget> {
  const other = otherTargets.find((name) => (input as Record<string, unknown>)[name] !== undefined);
  if (other !== undefined) throw parameterNotImplemented(operation, other);
  const given = targetNames.filter((name) => input[name] !== undefined);
  if (given.length === 0) throw missingParameter('gatewayId, networkInterfaceId or instanceId');
  if (given.length > 1) throw invalidParameterCombination('Only one target may be given for a route.');
  switch (given[0]) {
    case 'GatewayId':
      return gatewayTarget(tx, table, input.GatewayId ?? '', operation);
    case 'NatGatewayId':
      return natTarget(tx, table, input.NatGatewayId);
    case 'VpcPeeringConnectionId':
      return peeringTarget(tx, table, input.VpcPeeringConnectionId ?? '');
    case 'EgressOnlyInternetGatewayId':
      return egressTarget(tx, table, input);
    case 'NetworkInterfaceId':
      return interfaceTarget(tx, table, input.NetworkInterfaceId);
    default:
      return instanceTarget(tx, table, input.InstanceId ?? '');
  }
}

async function gatewayTarget(
  tx: Transaction,
  { id: tableId, vpcId }: RouteTableRow,
  id: string,
  operation: string,
): Promise<RouteTarget> {
  if (id === 'local') return { kind: 'local' };
  if (!id.startsWith('igw-')) throw parameterNotImplemented(operation, `GatewayId ${id}`);
  const gateway = await requireRow(tx, InternetGateways, 'internetGateway', id);
  if (gateway.vpcId !== vpcId)
    throw invalidParameterValue(`route table ${tableId} and network gateway ${gateway.id} belong to different networks`);
  return { kind: 'internet-gateway', id };
}

async function natTarget(tx: Transaction, { id: tableId, vpcId }: RouteTableRow, id: string | undefined): Promise<RouteTarget> {
  const row = await tx.table(NatGateways).get(id ?? '');
  if (row === undefined) throw new AwsError('InvalidNatGatewayID.NotFound', `The natGateway ID '${id}' does not exist`);
  if (row.vpcId !== vpcId)
    throw invalidParameterValue(`route table ${tableId} and nat gateway ${row.id} belong to different networks`);
  return { kind: 'nat-gateway', id: row.id };
}

async function peeringTarget(tx: Transaction, { id: tableId, vpcId }: RouteTableRow, id: string): Promise<RouteTarget> {
  const sides = await tx.table(PeeringSides).byIndex('byId', [id]);
  if (sides.length === 0) throw notFound('vpcPeering', id);
  if (!sides.some((side) => side.vpcId === vpcId))
    throw invalidParameterValue(`route table ${tableId} and peering connection ${id} belong to different networks`);
  return { kind: 'peering', id };
}

/** For IPv6 only ("egress-only internet gateway"). */
async function egressTarget(tx: Transaction, { id: tableId, vpcId }: RouteTableRow, input: RouteInput): Promise<RouteTarget> {
  const row = await requireRow(tx, EgressOnlyGateways, 'egressOnlyGateway', input.EgressOnlyInternetGatewayId);
  if (input.DestinationIpv6CidrBlock === undefined)
    throw invalidParameterValue('An egress-only internet gateway takes IPv6 destinations only.');
  if (row.vpcId !== vpcId)
    throw invalidParameterValue(`route table ${tableId} and network gateway ${row.id} belong to different networks`);
  return { kind: 'egress-only', id: row.id };
}

async function interfaceTarget(
  tx: Transaction,
  { id: tableId, vpcId }: RouteTableRow,
  id: string | undefined,
): Promise<RouteTarget> {
  const card = await requireRow(tx, Interfaces, 'networkInterface', id);
  if (card.vpcId !== vpcId)
    throw invalidParameterValue(`route table ${tableId} and interface ${card.id} belong to different networks`);
  return { kind: 'network-interface', id: card.id };
}

async function instanceTarget(tx: Transaction, { id: tableId, vpcId }: RouteTableRow, id: string): Promise<RouteTarget> {
  const cards = await tx.table(Interfaces).byIndex('byInstance', [id]);
  if (cards.length === 0) throw notFound('instance', id);
  const [card] = cards;
  if (card === undefined || cards.length > 1) {
    throw new AwsError(
      'InvalidInstanceID',
      `There are multiple interfaces attached to instance '${id}'. Please specify an interface ID for the operation instead.`,
    );
  }
  if (card.vpcId !== vpcId) throw invalidParameterValue(`route table ${tableId} and instance ${id} belong to different networks`);
  return { kind: 'network-interface', id: card.id };
}

/** The destination of a request in its canonical form: a block, or a prefix list's id. Throws what CreateRoute throws. */
export function destinationOf(input: RouteInput): string {
  const { DestinationCidrBlock: block, DestinationIpv6CidrBlock: block6, DestinationPrefixListId: list } = input;
  const given = [block, block6, list].filter((one) => one !== undefined);
  if (given.length === 0) throw missingParameter('destinationCidrBlock');
  if (given.length > 1) throw invalidParameterCombination('Only one destination may be given for a route.');
  if (list !== undefined) return list;
  const text = block ?? block6 ?? '';
  const good = block6 === undefined ? parseCidr4(text) !== undefined : parseCidr6(text) !== undefined;
  const cidr = good ? canonicalCidr(text) : undefined;
  if (cidr === undefined)
    throw invalidParameterValue(
      `Value (${text}) for parameter ${block6 === undefined ? 'destinationCidrBlock' : 'destinationIpv6CidrBlock'} is invalid. This is not a valid CIDR block.`,
    );
  return cidr;
}

/** Routes may be more specific than the local one, but only to an interface; nothing may cover or replace it. */
export function checkAgainstLocal(table: RouteTableRow, destination: string, target: RouteTarget): void {
  const block = parseCidr(destination);
  if (block === undefined) return;
  for (const route of table.routes) {
    const local = route.target.kind === 'local' ? parseCidr(route.destination) : undefined;
    if (local !== undefined && contains(local, block) && target.kind !== 'network-interface') {
      throw invalidParameterValue(
        `The destination CIDR block ${destination} is equal to or more specific than one of this VPC's CIDR blocks. This route can target only an interface or an instance.`,
      );
    }
  }
}

/** How much a destination counts against the routes per table: a prefix list by its maximum ("Prefix lists", rules). Throws InvalidPrefixListID.NotFound. */
export async function weightOfDestination(source: Source, region: string, destination: string): Promise<number> {
  if (!isPrefixListId(destination)) return 1;
  return (await requirePrefixList(source, region, destination)).entriesMax;
}

/** What the routes of a table count together. Gateway endpoints' routes do not count. */
export async function weightOf(source: Source, region: string, table: RouteTableRow): Promise<number> {
  let sum = 0;
  for (const { destination, target } of table.routes)
    if (target.kind !== 'endpoint') sum += await weightOfDestination(source, region, destination);
  return sum;
}

function describeDestination(destination: string): Route {
  if (isPrefixListId(destination)) return { DestinationPrefixListId: destination };
  return parseCidr4(destination) === undefined
    ? { DestinationIpv6CidrBlock: destination }
    : { DestinationCidrBlock: destination };
}

/** A route as the API shows it, `blackhole` while its target is not there. */
export async function describeRoute(ctx: Context, { destination, origin, target }: RouteRow, vpcId: string): Promise<Route> {
  const shown: Route = {
    ...describeDestination(destination),
    Origin: origin,
    State: 'active',
  };
  const state = (works: boolean): Route['State'] => (works ? 'active' : 'blackhole');
  switch (target.kind) {
    case 'local':
      return { ...shown, GatewayId: 'local' };
    case 'internet-gateway': {
      const gateway = await ctx.table(InternetGateways).get(target.id);
      return { ...shown, GatewayId: target.id, State: state(gateway?.vpcId === vpcId) };
    }
    case 'nat-gateway': {
      const gateway = await ctx.table(NatGateways).get(target.id);
      return { ...shown, NatGatewayId: target.id, State: state(gateway?.state === 'available' || gateway?.state === 'pending') };
    }
    case 'peering': {
      const peering = await ctx.table(Peerings).get(target.id);
      return { ...shown, VpcPeeringConnectionId: target.id, State: state(peering?.status === 'active') };
    }
    case 'egress-only': {
      const gateway = await ctx.table(EgressOnlyGateways).get(target.id);
      return { ...shown, EgressOnlyInternetGatewayId: target.id, State: state(gateway?.vpcId === vpcId) };
    }
    case 'endpoint':
      return { ...shown, GatewayId: target.id };
    default: {
      const card = await ctx.table(Interfaces).get(target.id);
      const instanceId = card?.attachment?.instanceId;
      return {
        ...shown,
        NetworkInterfaceId: target.id,
        State: state(instanceId !== undefined),
        ...(instanceId === undefined ? {} : { InstanceId: instanceId, InstanceOwnerId: ctx.account }),
      };
    }
  }
}
