/**
 * Interfaces that another service of the cloud holds in an account's subnets: those of load balancer nodes. The holder says what it wants through
 * api.ts; the account sees them and may not change them ("Requester-managed network interfaces", EC2 User Guide).
 */
import type { Context, Transaction } from '../../../kernel/context.ts';
import { associate } from '../addresses/addresses.ts';
import { Addresses } from '../addresses/state.ts';
import { Instances } from '../instances/state.ts';
import { requireRow } from '../lookup.ts';
import { SecurityGroups } from '../security-groups/state.ts';
import { vpcsOf } from '../security-groups/peers.ts';
import { applyNetwork } from '../vpc/networks.ts';
import { InternetGateways, Subnets, Vpcs } from '../vpc/state.ts';
import { addInterface, assignPublicIp, removeInterface } from './lifecycle.ts';
import { type InterfaceRow, Interfaces } from './state.ts';

export interface HeldInterface {
  id: string;
  subnetId: string;
  vpcId: string;
  zone: string;
  address: string;
  publicIp?: string | undefined;
}

export interface HeldInterfaceRequest {
  subnetId: string;
  /** Of the holder, as `app/web/50dc6c495c0c9188`: one interface for each holder and subnet. */
  holder: string;
  interfaceType: 'load_balancer' | 'network_load_balancer' | 'resolver_endpoint' | 'lambda' | 'cache' | 'api_gateway_managed';
  groups: readonly string[];
  description: string;
  /** Its groups are not asked about traffic that comes through endpoints. */
  passagesUnchecked?: boolean | undefined;
  /** A public address of the provider's, or the Elastic IP of this allocation. */
  publicIp: boolean;
  allocationId?: string | undefined;
  privateIp?: string | undefined;
}

export interface SubnetFacts {
  id: string;
  vpcId: string;
  zone: string;
  zoneId: string;
  /** The VPC has an internet gateway. */
  internet: boolean;
}

/** Where an instance can be reached in its VPC. */
export interface InstanceFacts {
  id: string;
  vpcId: string;
  zone: string;
  state: string;
  address?: string | undefined;
}

function factsOf(row: InterfaceRow): HeldInterface {
  return {
    id: row.id,
    subnetId: row.subnetId,
    vpcId: row.vpcId,
    zone: row.zone,
    address: row.addresses[0]!.address,
    publicIp: row.addresses[0]!.elastic?.publicIp ?? row.autoPublicIp,
  };
}

async function makePublic(
  tx: Transaction,
  ctx: Context,
  card: InterfaceRow,
  { allocationId, publicIp }: HeldInterfaceRequest,
): Promise<InterfaceRow> {
  if (allocationId === undefined) return publicIp ? assignPublicIp(tx, ctx, card) : card;
  const address = await requireRow(tx, Addresses, 'addressAllocation', allocationId);
  await associate(tx, ctx, address, card.id, card.addresses[0]!.address);
  return (await tx.table(Interfaces).get(card.id))!;
}

async function hold(ctx: Context, wanted: HeldInterfaceRequest): Promise<HeldInterface> {
  return ctx.transact(async (tx) => {
    const known = (await tx.table(Interfaces).byIndex('bySubnet', [wanted.subnetId])).find(
      ({ holder }) => holder?.resourceId === wanted.holder,
    );
    if (known !== undefined) {
      const { groups, passagesUnchecked = false } = wanted;
      const same = known.groups.join() === groups.join() && (known.passagesUnchecked ?? false) === passagesUnchecked;
      if (same) return factsOf(known);
      const changed = { ...known, groups, passagesUnchecked };
      await tx.table(Interfaces).put(changed);
      tx.hint('networks', known.vpcId);
      return factsOf(changed);
    }
    const subnet = await requireRow(tx, Subnets, 'subnet', wanted.subnetId);
    const card = await addInterface(tx, ctx, {
      subnet,
      groups: wanted.groups.length === 0 ? undefined : wanted.groups,
      privateIp: wanted.privateIp,
      description: wanted.description,
      holder: { interfaceType: wanted.interfaceType, resourceId: wanted.holder },
    });
    const held = { ...card, passagesUnchecked: wanted.passagesUnchecked };
    await tx.table(Interfaces).put(held);
    return factsOf(await makePublic(tx, ctx, held, wanted));
  });
}

/** What load balancers ask of EC2, in the account and Region of `ctx`. */
export function heldInterfaces(ctx: Context) {
  return {
    /** The holder's interface in the subnet, made when there is none. Throws EC2's own errors. */
    holdInterface: (wanted: HeldInterfaceRequest): Promise<HeldInterface> => hold(ctx, wanted),

    async heldBy(holder: string): Promise<readonly HeldInterface[]> {
      const rows = await ctx.table(Interfaces).list();
      return rows.filter((row) => row.holder?.resourceId === holder).map(factsOf);
    },

    /** Interfaces of all holders whose name begins so, with the holder's name. */
    async heldUnder(prefix: string): Promise<readonly (HeldInterface & { holder: string })[]> {
      const rows = await ctx.table(Interfaces).list();
      return rows.flatMap((row) =>
        row.holder?.resourceId.startsWith(prefix) === true ? [{ ...factsOf(row), holder: row.holder.resourceId }] : [],
      );
    },

    /** Safe to repeat. */
    async releaseInterface(id: string): Promise<void> {
      await ctx.transact(async (tx) => {
        const row = await tx.table(Interfaces).get(id);
        if (row?.holder !== undefined) await removeInterface(tx, row);
      });
    },

    /** Resolves when the VPC's network is what its rows say. */
    applyNetwork: (vpcId: string): Promise<void> => applyNetwork(ctx, vpcId),

    async subnetFacts(id: string): Promise<SubnetFacts | undefined> {
      const row = await ctx.table(Subnets).get(id);
      if (row === undefined) return undefined;
      const gateway = await ctx.table(InternetGateways).firstByIndex('byVpc', [row.vpcId]);
      return { id, vpcId: row.vpcId, zone: row.zone, zoneId: row.zoneId, internet: gateway !== undefined };
    },

    /** VPCs of a security group; undefined when there is none of this id. */
    async groupVpcs(id: string): Promise<readonly string[] | undefined> {
      const row = await ctx.table(SecurityGroups).get(id);
      return row === undefined ? undefined : vpcsOf(row);
    },

    async vpcFacts(id: string): Promise<{ cidrs: readonly string[]; defaultGroup: string } | undefined> {
      const row = await ctx.table(Vpcs).get(id);
      return row === undefined
        ? undefined
        : { cidrs: row.cidrs.map(({ cidr }) => cidr), defaultGroup: row.defaultSecurityGroupId };
    },

    async instanceFacts(id: string): Promise<InstanceFacts | undefined> {
      const row = await ctx.table(Instances).get(id);
      if (row === undefined) return undefined;
      const card = await ctx.table(Interfaces).firstByIndex('byInstance', [id, 0]);
      return { id, vpcId: row.vpcId, zone: row.zone, state: row.state, address: card?.addresses[0]?.address };
    },

    /** Zone of an address of the VPC; undefined when it lies in none of its subnets' interfaces. */
    async zoneOfAddress(vpcId: string, address: string): Promise<string | undefined> {
      return (await ctx.table(Interfaces).firstByIndex('byAddress', [vpcId, address]))?.zone;
    },
  };
}
