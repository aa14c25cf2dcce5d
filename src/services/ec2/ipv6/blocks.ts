/** IPv6 blocks: a /56 of the provider's for a VPC, a /64 of it for a subnet, addresses of interfaces ("IPv6 CIDR block association", VPC User Guide). */
import {
  addressAt,
  canonicalCidr,
  contains,
  containsAddress,
  formatIp6,
  overlaps,
  parseCidr6,
  parseIp6,
} from '../../../base/cidr.ts';
import type { Context, Transaction } from '../../../kernel/context.ts';
import { AwsError } from '../../../kernel/errors.ts';
import { invalidParameterValue } from '../errors.ts';
import { Interfaces } from '../interfaces/state.ts';
import { type SecurityGroupRuleRow, SecurityGroupRules } from '../security-groups/state.ts';
import { NetworkAcls, RouteTables, type SubnetRow, Subnets, type VpcRow, Vpcs } from '../vpc/state.ts';

/** The cloud's IPv6 internet (fabric/addresses.ts): blocks of VPCs are drawn from it. */
const pool = parseCidr6('2600:1f00::/24')!;
const everywhere = '::/0';
const vpcPrefix = 56;
const subnetPrefix = 64;
/** The first four addresses and the last of a subnet are reserved, as in IPv4 ("Subnet sizing for IPv6"). */
const reservedFirst = 4n;
/** Draws of a free interface address; with 2^64 of them the first is free. */
const drawsMax = 16;

/** A block for a VPC: 32 random bits, so that two of a thousand VPCs are the same once in ten thousand clouds. */
function drawBlock(ctx: Context): string {
  const random = ctx.bytes(4).reduce((all, byte) => all * 256n + BigInt(byte), 0n);
  return `${formatIp6(pool.base + (random << BigInt(128 - vpcPrefix)))}/${vpcPrefix}`;
}

/** Gives the VPC a block and every route table of it the local route. */
export async function addVpcBlock(tx: Transaction, ctx: Context, vpc: VpcRow): Promise<VpcRow> {
  const cidr = canonicalCidr(drawBlock(ctx))!;
  const row = { ...vpc, ipv6: { cidr, associationId: ctx.id('vpcCidrAssociation') } };
  await tx.table(Vpcs).put(row);
  for (const table of await tx.table(RouteTables).byIndex('byVpc', [vpc.id])) {
    const local = { destination: cidr, target: { kind: 'local' }, origin: 'CreateRouteTable' } as const;
    await tx.table(RouteTables).put({ ...table, routes: [...table.routes, local] });
  }
  await openDefaults(tx, ctx, vpc);
  tx.hint('networks', vpc.id);
  return row;
}

/** The default network ACL and group let IPv6 pass as they do IPv4 ("Default network ACL", rule 101; "Default security groups for your VPCs"). */
async function openDefaults(tx: Transaction, ctx: Context, vpc: VpcRow): Promise<void> {
  const acl = await tx.table(NetworkAcls).get(vpc.defaultNetworkAclId);
  const number = 101;
  if (acl !== undefined && !acl.entries.some((entry) => entry.number === number)) {
    const everything = { number, allow: true, protocol: -1, cidr: everywhere };
    const entries = [true, false].map((egress) => ({ ...everything, egress }));
    await tx.table(NetworkAcls).put({ ...acl, entries: [...acl.entries, ...entries] });
  }
  const rules = await tx.table(SecurityGroupRules).byIndex('byGroup', [vpc.defaultSecurityGroupId]);
  if (!rules.some(({ egress, peer }) => egress && peer.kind === 'ipv6'))
    await tx.table(SecurityGroupRules).put(openEgress(ctx, vpc.defaultSecurityGroupId));
}

/** The rule by which a group of a VPC with IPv6 lets everything out. */
export function openEgress(ctx: Context, groupId: string): SecurityGroupRuleRow {
  return {
    id: ctx.id('securityGroupRule'),
    groupId,
    egress: true,
    protocol: -1,
    peer: { kind: 'ipv6', cidr: everywhere },
    tags: {},
  };
}

/** Takes the VPC's block away. Throws InvalidCidrBlock.InUse while a subnet has a part of it. */
export async function removeVpcBlock(tx: Transaction, vpc: VpcRow): Promise<void> {
  const { ipv6, ...rest } = vpc;
  const subnets = await tx.table(Subnets).byIndex('byVpc', [vpc.id]);
  if (subnets.some((subnet) => subnet.ipv6 !== undefined))
    throw new AwsError('InvalidCidrBlock.InUse', `The vpc ${vpc.id} currently has a subnet within CIDR block ${ipv6?.cidr}`);
  await tx.table(Vpcs).put(rest);
  for (const table of await tx.table(RouteTables).byIndex('byVpc', [vpc.id])) {
    const routes = table.routes.filter((route) => route.destination !== ipv6?.cidr);
    await tx.table(RouteTables).put({ ...table, routes });
  }
  tx.hint('networks', vpc.id);
}

/** A subnet's block in canonical form: a /64 of the VPC's block that no other subnet has. Throws InvalidSubnet.Range, InvalidSubnet.Conflict. */
export function checkSubnetBlock(text: string, vpc: VpcRow, siblings: readonly SubnetRow[]): string {
  const block = parseCidr6(text);
  if (block === undefined)
    throw invalidParameterValue(`Value (${text}) for parameter ipv6CidrBlock is invalid. This is not a valid CIDR block.`);
  if (vpc.ipv6 === undefined || block.prefix !== subnetPrefix || !contains(parseCidr6(vpc.ipv6.cidr)!, block))
    throw new AwsError('InvalidSubnet.Range', `The CIDR '${text}' is invalid.`);
  if (siblings.some(({ ipv6 }) => ipv6 !== undefined && overlaps(parseCidr6(ipv6.cidr)!, block)))
    throw new AwsError('InvalidSubnet.Conflict', `The CIDR '${text}' conflicts with another subnet`);
  return canonicalCidr(text)!;
}

/** A free address of the subnet, at random as AWS draws them. Throws InvalidParameterValue for a subnet without IPv6. */
export async function freeAddress6(tx: Transaction, ctx: Context, subnet: SubnetRow): Promise<string> {
  if (subnet.ipv6 === undefined)
    throw invalidParameterValue(`The subnet ${subnet.id} does not have an IPv6 CIDR block associated with it.`);
  const block = parseCidr6(subnet.ipv6.cidr)!;
  for (let draw = 0; draw < drawsMax; draw += 1) {
    const random = ctx.bytes(8).reduce((all, byte) => all * 256n + BigInt(byte), 0n);
    const address = formatIp6(addressAt(block, random % (2n ** 64n - 1n)));
    if (random >= reservedFirst && (await holderOf(tx, subnet, address)) === undefined) return address;
  }
  throw new AwsError(
    'InsufficientFreeAddressesInSubnet',
    'The specified subnet does not have enough free addresses to satisfy the request.',
  );
}

/** Takes a certain address of the subnet. Throws InvalidParameterValue outside it, InvalidIPAddress.InUse. */
export async function claimAddress6(tx: Transaction, subnet: SubnetRow, text: string): Promise<string> {
  const number = parseIp6(text);
  const block = subnet.ipv6 === undefined ? undefined : parseCidr6(subnet.ipv6.cidr);
  if (number === undefined || block === undefined || !containsAddress(block, number))
    throw invalidParameterValue("Address does not fall within the subnet's address range");
  if (number - block.base < reservedFirst) throw invalidParameterValue("Address is in subnet's reserved address range");
  const address = formatIp6(number);
  if ((await holderOf(tx, subnet, address)) !== undefined)
    throw new AwsError('InvalidIPAddress.InUse', `Address ${address} is in use.`);
  return address;
}

function holderOf(tx: Transaction, subnet: SubnetRow, address: string) {
  return tx.table(Interfaces).firstByIndex('byAddress', [subnet.vpcId, address]);
}
