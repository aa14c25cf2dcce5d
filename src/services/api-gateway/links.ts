/**
 * Private integrations: ways into a VPC. A VPC link of REST APIs leads to a network load balancer and enters at its own interfaces, as traffic of endpoints does
 * (PrivateLink); a link of the second kind has interfaces of its own in the account's subnets, with security groups, and reaches listeners from there
 * ("Private integrations", "VPC links V2"). Connections really begin at those interfaces, so groups, routes and lost zones count.
 */
import type { Socket } from 'node:net';
import type { Context } from '../../kernel/context.ts';
import type { Ec2Api } from '../ec2/api.ts';
import type { BalancerFront, BalancersApi } from '../elastic-load-balancing-v2/api.ts';
import type { BackendUser } from './run/backends.ts';
import { Refusal } from './run/call.ts';
import { VpcLinks } from './state.ts';
import { OwnLinks } from './v2/state.ts';

/** Real milliseconds within which a connection to a load balancer stands. */
const connectMillis = 10_000;

/** Name under which a link holds its interfaces. */
export const holderOf = (link: string): string => `vpclink/${link}`;

/** What a load balancer or a listener offers; undefined when there is none of this ARN. */
export async function frontOf(ctx: Context, arn: string): Promise<BalancerFront | undefined> {
  return (await ctx.internal<BalancersApi>('elastic-load-balancing-v2')).frontOf(ctx, arn);
}

/** How a connection comes about, and the port that it goes to. */
export interface PrivateWay {
  connect: () => Promise<Socket>;
  port: number;
}

/**
 * The way of a private integration: `target` is a listener or a load balancer for links of the second kind, `port` counts where it names no listener. Throws
 * Refusal INTEGRATION_FAILURE when there is no such way, with the reason in the execution log.
 */
export async function wayThrough(call: BackendUser, link: string, target: string | undefined, port: number): Promise<PrivateWay> {
  const { ctx } = call;
  const own = await ctx.table(OwnLinks).get(link);
  if (own === undefined) return wayToBalancer(call, link, port);
  if (own.status !== 'AVAILABLE') throw lost(call, `VPC link ${link} is ${own.status}`);
  const front = await frontOf(ctx, target ?? '');
  if (front === undefined) throw lost(call, `there is no load balancer or listener ${target}`);
  const [card] = standing(ctx, await (await ctx.internal<Ec2Api>('ec2')).heldBy(holderOf(link)));
  if (card === undefined) throw lost(call, `VPC link ${link} has no interface`);
  const to = front.port ?? port;
  return { port: to, connect: () => connectAny(ctx, card.id, standing(ctx, front.nodes), to) };
}

async function wayToBalancer(call: BackendUser, link: string, port: number): Promise<PrivateWay> {
  const { ctx } = call;
  const row = await ctx.table(VpcLinks).get(link);
  if (row?.status !== 'AVAILABLE') throw lost(call, `there is no VPC link ${link}`);
  const front = await frontOf(ctx, row.targetArns[0] ?? '');
  if (front === undefined) throw lost(call, `the load balancer of VPC link ${link} is gone`);
  if (!(await letsIn(ctx, front.endpointGroups, port)))
    throw lost(call, "the load balancer's security groups do not let in what comes through PrivateLink");
  const [node] = standing(ctx, front.nodes);
  if (node === undefined) throw lost(call, 'the load balancer has no node');
  return { port, connect: () => connectAny(ctx, node.interfaceId, [node], port) };
}

/** Traffic of endpoints has no address that a rule could name, so only a rule for everybody lets it in ("Security groups for your Network Load Balancer"). */
async function letsIn(ctx: Context, groups: readonly string[], port: number): Promise<boolean> {
  if (groups.length === 0) return true;
  const { SecurityGroups = [] } = await ctx
    .asService()
    .call('ec2')
    .describeSecurityGroups({ GroupIds: [...groups] });
  return SecurityGroups.flatMap(({ IpPermissions = [] }) => IpPermissions).some(
    ({ IpProtocol, FromPort = 0, ToPort = 65_535, IpRanges = [] }) =>
      (IpProtocol === '-1' || (IpProtocol === 'tcp' && FromPort <= port && port <= ToPort)) &&
      IpRanges.some(({ CidrIp }) => CidrIp === '0.0.0.0/0'),
  );
}

function lost(call: BackendUser, reason: string): Refusal {
  call.log(`Execution failed due to configuration error: ${reason}`);
  return new Refusal('INTEGRATION_FAILURE', 'Internal server error', { status: 500, errorType: 'InternalServerErrorException' });
}

/** Those whose zone works, in random order; all when none does. */
function standing<Place extends { zone: string }>(ctx: Context, places: readonly Place[]): readonly Place[] {
  const zones = ctx.part('zones');
  const up = places.filter(({ zone }) => zones.downSince(zone) === undefined);
  const choice = up.length > 0 ? up : places;
  const turn = (ctx.bytes(1)[0] ?? 0) % Math.max(1, choice.length);
  return [...choice.slice(turn), ...choice.slice(0, turn)];
}

/** To the first that answers, from the interface `machine`. Rejects with the last one's failure. */
async function connectAny(ctx: Context, machine: string, to: readonly { address: string }[], port: number): Promise<Socket> {
  const dials = ctx.part('dials');
  const [first, ...others] = to;
  const connected = dials.connect(machine, { address: first?.address ?? '', port, timeoutMillis: connectMillis });
  return others.length === 0 ? connected : connected.catch(() => connectAny(ctx, machine, others, port));
}
