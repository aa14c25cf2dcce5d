/** What happens to network interfaces inside larger changes: made, attached, given addresses, removed. All in the caller's transaction. */
import { addresses as addressesOf, formatIp4, parseCidr4, parseIp4 } from '../../../base/cidr.ts';
import type { Context, Transaction } from '../../../kernel/context.ts';
import { AwsError } from '../../../kernel/errors.ts';
import { quotaOf, quotas } from '../../../kernel/quotas.ts';
import { freePublicIp, takePublicIp } from '../addresses/public-pool.ts';
import { Addresses } from '../addresses/state.ts';
import { invalidParameterValue, notFound } from '../errors.ts';
import { claimAddress6, freeAddress6 } from '../ipv6/blocks.ts';
import { vpcsOf } from '../security-groups/peers.ts';
import { SecurityGroups } from '../security-groups/state.ts';
import { reservedAddresses } from '../vpc/subnets.ts';
import { type SubnetRow, type TagMap, type VpcRow, Vpcs } from '../vpc/state.ts';
import { type InterfaceRow, Interfaces } from './state.ts';

export interface NewInterface {
  subnet: SubnetRow;
  /** The VPC's default group when empty or absent. */
  groups?: readonly string[] | undefined;
  /** The lowest free address when absent. */
  privateIp?: string | undefined;
  /** Certain IPv6 addresses, or so many; when both are absent the subnet's setting counts. */
  addresses6?: readonly string[] | undefined;
  count6?: number | undefined;
  description?: string | undefined;
  sourceDestCheck?: boolean | undefined;
  tags?: TagMap | undefined;
  /** Makes it a requester-managed interface of this type, held by this resource; without `groups` it then has none. */
  holder?: { interfaceType: string; resourceId: string } | undefined;
}

/** Makes an interface in a subnet. Throws InvalidIPAddress.InUse, InvalidParameterValue, InsufficientFreeAddressesInSubnet, InvalidGroup.NotFound. */
export async function addInterface(tx: Transaction, ctx: Context, wanted: NewInterface): Promise<InterfaceRow> {
  const { subnet } = wanted;
  const vpc = (await tx.table(Vpcs).get(subnet.vpcId))!;
  const { holder } = wanted;
  const bare = holder !== undefined && wanted.groups === undefined;
  const groups = bare ? [] : await checkGroups(tx, vpc, wanted.groups);
  const address =
    wanted.privateIp === undefined ? await freeAddress(tx, subnet) : await claimAddress(tx, subnet, wanted.privateIp);
  const row: InterfaceRow = {
    id: ctx.id('networkInterface'),
    vpcId: subnet.vpcId,
    subnetId: subnet.id,
    zone: subnet.zone,
    mac: newMac(ctx),
    description: wanted.description ?? '',
    addresses: [{ address }],
    addresses6: await addresses6Of(tx, ctx, wanted),
    groups,
    sourceDestCheck: wanted.sourceDestCheck ?? true,
    interfaceType: holder?.interfaceType ?? 'interface',
    holder: holder && { attachmentId: ctx.id('managedAttachment'), resourceId: holder.resourceId },
    tags: wanted.tags ?? {},
  };
  await tx.table(Interfaces).put(row);
  tx.hint('networks', row.vpcId);
  return row;
}

async function addresses6Of(tx: Transaction, ctx: Context, wanted: NewInterface): Promise<string[]> {
  const { subnet, addresses6 = [] } = wanted;
  const given: string[] = [];
  for (const text of addresses6) given.push(await claimAddress6(tx, subnet, text));
  const byItself = subnet.assignIpv6 === true && wanted.holder === undefined ? 1 : 0;
  const count = addresses6.length > 0 ? 0 : (wanted.count6 ?? byItself);
  for (let index = 0; index < count; index += 1) given.push(await freeAddress6(tx, ctx, subnet));
  return given;
}

/** Groups of an interface: all must exist in the VPC, five at most. */
export async function checkGroups(
  tx: Transaction,
  vpc: VpcRow,
  wanted: readonly string[] | undefined,
): Promise<readonly string[]> {
  if (wanted === undefined || wanted.length === 0) return [vpc.defaultSecurityGroupId];
  const groups = [...new Set(wanted)];
  if (groups.length > (await quotaOf(tx, quotas.groupsPerInterface))) {
    throw new AwsError(
      'SecurityGroupsPerInterfaceLimitExceeded',
      `The maximum number of security groups per interface has been reached.`,
    );
  }
  for (const id of groups) {
    const group = await tx.table(SecurityGroups).get(id);
    if (group === undefined) throw notFound('securityGroup', id);
    if (!vpcsOf(group).includes(vpc.id))
      throw new AwsError('InvalidParameter', `Security group ${id} and subnet belong to different networks.`);
  }
  return groups;
}

/** The lowest free address of the subnet. Throws InsufficientFreeAddressesInSubnet. */
export async function freeAddress(tx: Transaction, subnet: SubnetRow): Promise<string> {
  const block = parseCidr4(subnet.cidr)!;
  const used = new Set(
    (await tx.table(Interfaces).byIndex('bySubnet', [subnet.id])).flatMap((card) => card.addresses.map(({ address }) => address)),
  );
  const end = block.base + 2 ** (32 - block.prefix) - reservedAddresses.last;
  for (const number of addressesOf(block, reservedAddresses.first)) {
    if (number >= end) break;
    const text = formatIp4(number);
    if (!used.has(text)) return text;
  }
  throw insufficientAddresses();
}

/** The subnet is full. */
export function insufficientAddresses(): AwsError {
  return new AwsError(
    'InsufficientFreeAddressesInSubnet',
    'The specified subnet does not have enough free addresses to satisfy the request.',
  );
}

/** Takes a certain address of the subnet. Throws InvalidParameterValue outside it or for a reserved one, InvalidIPAddress.InUse. */
export async function claimAddress(tx: Transaction, subnet: SubnetRow, text: string): Promise<string> {
  const block = parseCidr4(subnet.cidr)!;
  const number = parseIp4(text);
  const place = number === undefined ? -1 : number - block.base;
  if (number === undefined || place < 0 || place >= 2 ** (32 - block.prefix))
    throw invalidParameterValue("Address does not fall within the subnet's address range");
  if (place < reservedAddresses.first || place >= 2 ** (32 - block.prefix) - reservedAddresses.last)
    throw invalidParameterValue("Address is in subnet's reserved address range");
  if ((await tx.table(Interfaces).firstByIndex('byAddress', [subnet.vpcId, text])) !== undefined) {
    throw new AwsError('InvalidIPAddress.InUse', `Address ${text} is in use.`);
  }
  return text;
}

/** Locally administered, unicast; AWS's begin with 02 and 06 likewise. */
function newMac(ctx: Context): string {
  return ['02', ...[...ctx.bytes(5)].map((byte) => byte.toString(16).padStart(2, '0'))].join(':');
}

/** Attaches an interface to an instance. The caller has checked that the instance may take it. */
export async function attachInterface(
  tx: Transaction,
  ctx: Context,
  row: InterfaceRow,
  to: { instanceId: string; deviceIndex: number; deleteOnTermination: boolean },
): Promise<InterfaceRow> {
  const attached: InterfaceRow = { ...row, attachment: { id: ctx.id('networkInterfaceAttachment'), attachedAt: ctx.now, ...to } };
  await tx.table(Interfaces).put(attached);
  tx.hint('networks', row.vpcId);
  return attached;
}

/** Gives the interface a public address of the provider's, unless it has an Elastic IP on its primary address. */
export async function assignPublicIp(tx: Transaction, ctx: Context, row: InterfaceRow): Promise<InterfaceRow> {
  if (row.autoPublicIp !== undefined || row.addresses[0]?.elastic !== undefined) return row;
  const assigned = { ...row, autoPublicIp: await takePublicIp(tx, ctx) };
  await tx.table(Interfaces).put(assigned);
  tx.hint('networks', row.vpcId);
  return assigned;
}

/** Takes the provider's public address away again (stop, terminate, or an Elastic IP in its place). */
export async function dropPublicIp(tx: Transaction, row: InterfaceRow): Promise<InterfaceRow> {
  if (row.autoPublicIp === undefined) return row;
  await freePublicIp(tx, row.autoPublicIp);
  const { autoPublicIp: _gone, ...rest } = row;
  await tx.table(Interfaces).put(rest);
  tx.hint('networks', row.vpcId);
  return rest;
}

/** Removes an interface; its Elastic IPs stay with the account, without association. */
export async function removeInterface(tx: Transaction, row: InterfaceRow): Promise<void> {
  if (row.autoPublicIp !== undefined) await freePublicIp(tx, row.autoPublicIp);
  for (const address of await tx.table(Addresses).byIndex('byInterface', [row.id])) {
    await tx.table(Addresses).put({ ...address, association: undefined });
  }
  await tx.table(Interfaces).delete(row.id);
  tx.hint('networks', row.vpcId);
}
