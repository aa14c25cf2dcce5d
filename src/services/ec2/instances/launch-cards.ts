/** The network interfaces of a launch: the primary one, and others that the request lists. */
import type { InstanceNetworkInterfaceSpecification, RunInstancesRequest } from '@aws-sdk/client-ec2';
import type { Context, Transaction } from '../../../kernel/context.ts';
import { AwsError, parameterNotImplemented } from '../../../kernel/errors.ts';
import { invalidParameterCombination, invalidParameterValue } from '../errors.ts';
import { addInterface, attachInterface, claimAddress, freeAddress } from '../interfaces/lifecycle.ts';
import { type InterfaceRow, Interfaces } from '../interfaces/state.ts';
import { requireRow } from '../lookup.ts';
import { SecurityGroups } from '../security-groups/state.ts';
import { type SubnetRow, Subnets, type TagMap } from '../vpc/state.ts';
import type { InstanceTypeInfo } from './type-catalogue.ts';

/** One network interface as asked for. */
export interface CardPlan {
  deviceIndex: number;
  subnetId?: string | undefined;
  groupIds: readonly string[];
  groupNames: readonly string[];
  privateIp?: string | undefined;
  /** Secondary addresses: certain ones, or so many free ones. */
  secondaryIps: readonly string[];
  secondaryCount: number;
  publicIp?: boolean | undefined;
  existingId?: string | undefined;
  deleteOnTermination: boolean;
  description: string;
}

/** The cards in order of device index, the primary one first. Throws AWS's refusals of combinations. */
export function planCards(input: RunInstancesRequest, type: InstanceTypeInfo): CardPlan[] {
  const given = input.NetworkInterfaces ?? [];
  if (given.length === 0) {
    return [
      {
        deviceIndex: 0,
        subnetId: input.SubnetId,
        groupIds: input.SecurityGroupIds ?? [],
        groupNames: input.SecurityGroups ?? [],
        privateIp: input.PrivateIpAddress,
        secondaryIps: [],
        secondaryCount: 0,
        deleteOnTermination: true,
        description: '',
      },
    ];
  }
  const outside = (['SubnetId', 'SecurityGroupIds', 'SecurityGroups', 'PrivateIpAddress'] as const).find(
    (name) => input[name] !== undefined && input[name].length > 0,
  );
  if (outside !== undefined) {
    throw invalidParameterCombination(
      `Network interfaces and an instance-level ${outside === 'SubnetId' ? 'subnet ID' : outside === 'PrivateIpAddress' ? 'private address' : 'security groups'} may not be specified on the same request`,
    );
  }
  if (given.length > 1 && given.some((card) => card.AssociatePublicIpAddress === true)) {
    throw invalidParameterCombination(
      'The associatePublicIPAddress parameter cannot be specified when launching with multiple network interfaces.',
    );
  }
  const cards = given.map((card) => planGivenCard(card, given.length)).sort((a, b) => a.deviceIndex - b.deviceIndex);
  if (cards[0]?.deviceIndex !== 0) throw invalidParameterValue('The primary network interface must have device index 0.');
  if (new Set(cards.map(({ deviceIndex }) => deviceIndex)).size < cards.length)
    throw invalidParameterValue('Each network interface requires a unique device index.');
  if (cards.length > type.interfacesMax)
    throw new AwsError('AttachmentLimitExceeded', `Interface count ${cards.length} exceeds the limit for ${type.name}`);
  const named = cards.map(({ existingId }) => existingId).filter((id) => id !== undefined);
  if (new Set(named).size < named.length)
    throw invalidParameterValue('The same network interface cannot be given more than once.');
  for (const card of cards) {
    const addresses = 1 + card.secondaryIps.length + card.secondaryCount;
    if (addresses > type.addressesPerInterfaceMax)
      throw new AwsError('PrivateIpAddressLimitExceeded', 'Number of private addresses will exceed limit.');
  }
  return cards;
}

/** Addresses of a card in their two forms: one private address, or a list of which one is primary. */
function planAddresses(
  card: InstanceNetworkInterfaceSpecification,
): Pick<CardPlan, 'privateIp' | 'secondaryIps' | 'secondaryCount'> {
  const { PrivateIpAddress: single, PrivateIpAddresses: listed = [], SecondaryPrivateIpAddressCount: count = 0 } = card;
  const primaries = listed.filter(({ Primary }) => Primary === true);
  if (primaries.length > 1 || (primaries.length === 1 && single !== undefined && primaries[0]?.PrivateIpAddress !== single))
    throw invalidParameterCombination('Only one primary private IP address can be specified.');
  if (listed.length > 0 && count > 0)
    throw invalidParameterCombination('Only one of private IP addresses and secondary private IP address count may be given.');
  return {
    privateIp: single ?? primaries[0]?.PrivateIpAddress,
    secondaryIps: listed
      .filter(({ Primary, PrivateIpAddress }) => Primary !== true && PrivateIpAddress !== undefined)
      .map(({ PrivateIpAddress = '' }) => PrivateIpAddress),
    secondaryCount: count,
  };
}

function planGivenCard(card: InstanceNetworkInterfaceSpecification, of: number): CardPlan {
  const {
    DeviceIndex,
    SubnetId,
    Groups,
    PrivateIpAddress: _single,
    PrivateIpAddresses: _listed,
    SecondaryPrivateIpAddressCount: _count,
    AssociatePublicIpAddress,
    NetworkInterfaceId,
    DeleteOnTermination,
    Description,
    ...others
  } = card;
  const other = Object.entries(others).find(
    ([, value]) => value !== undefined && value !== 0 && !(Array.isArray(value) && value.length === 0),
  );
  if (other !== undefined && !(other[0] === 'InterfaceType' && other[1] === 'interface'))
    throw parameterNotImplemented('RunInstances', `NetworkInterfaces.${other[0]}`);
  // A single card without index is taken as the primary one; of several each needs its own.
  if (DeviceIndex === undefined && of > 1) throw invalidParameterValue('Each network interface requires a device index.');
  if (AssociatePublicIpAddress === true && (DeviceIndex ?? 0) !== 0) {
    throw invalidParameterCombination(
      'The associatePublicIPAddress parameter can only be specified for the network interface with DeviceIndex 0',
    );
  }
  const addresses = planAddresses(card);
  const isNew = SubnetId !== undefined || addresses.privateIp !== undefined || (Groups?.length ?? 0) > 0;
  if (NetworkInterfaceId !== undefined && (isNew || addresses.secondaryCount + addresses.secondaryIps.length > 0)) {
    throw invalidParameterCombination(
      'A network interface may not specify both a network interface ID and a subnet, groups or a private address',
    );
  }
  return {
    deviceIndex: DeviceIndex ?? 0,
    subnetId: SubnetId,
    groupIds: Groups ?? [],
    groupNames: [],
    ...addresses,
    publicIp: AssociatePublicIpAddress,
    existingId: NetworkInterfaceId,
    // "By default … true for interfaces made with the instance, false for those attached to it".
    deleteOnTermination: DeleteOnTermination ?? NetworkInterfaceId === undefined,
    description: Description ?? '',
  };
}

/** Ids of the groups of a card; names count in the default VPC only. */
async function chooseGroups(tx: Transaction, card: CardPlan, subnet: SubnetRow): Promise<string[]> {
  const ids = [...card.groupIds];
  for (const name of card.groupNames) {
    const row = await tx.table(SecurityGroups).firstByIndex('byVpc', [subnet.vpcId, name]);
    if (row === undefined)
      throw new AwsError('InvalidGroup.NotFound', `The security group '${name}' does not exist in default VPC '${subnet.vpcId}'`);
    ids.push(row.id);
  }
  return ids;
}

async function existingCard(tx: Transaction, id: string, primarySubnet: SubnetRow): Promise<InterfaceRow> {
  const row = await requireRow(tx, Interfaces, 'networkInterface', id);
  if (row.attachment !== undefined) throw new AwsError('InvalidNetworkInterface.InUse', `Interface: [${row.id}] in use.`);
  checkZone(row, primarySubnet);
  return row;
}

function checkZone(place: { zone: string; vpcId: string }, primary: SubnetRow): void {
  if (place.zone !== primary.zone)
    throw invalidParameterCombination('All network interfaces of an instance must be in the same Availability Zone.');
  if (place.vpcId !== primary.vpcId)
    throw invalidParameterCombination('The network interface and the instance belong to different networks.');
}

/**
 * Makes or takes one card of an instance and attaches it. `primarySubnet` is the subnet of the primary card, which sets the zone and the network.
 * Throws InvalidNetworkInterface.InUse, InvalidIPAddress.InUse, InsufficientFreeAddressesInSubnet, InvalidGroup.NotFound.
 */
export async function placeCard(
  tx: Transaction,
  ctx: Context,
  plan: CardPlan,
  at: { instanceId: string; primarySubnet: SubnetRow; tags: TagMap },
): Promise<InterfaceRow> {
  const attachment = {
    instanceId: at.instanceId,
    deviceIndex: plan.deviceIndex,
    deleteOnTermination: plan.deleteOnTermination,
  };
  if (plan.existingId !== undefined)
    return attachInterface(tx, ctx, await existingCard(tx, plan.existingId, at.primarySubnet), attachment);
  const subnet =
    plan.deviceIndex === 0 || plan.subnetId === undefined
      ? at.primarySubnet
      : await requireRow(tx, Subnets, 'subnet', plan.subnetId);
  checkZone(subnet, at.primarySubnet);
  let row = await addInterface(tx, ctx, {
    subnet,
    groups: await chooseGroups(tx, plan, subnet),
    privateIp: plan.privateIp,
    description: plan.description,
    tags: at.tags,
  });
  for (let index = 0; index < plan.secondaryIps.length + plan.secondaryCount; index += 1) {
    const wanted = plan.secondaryIps[index];
    const address = wanted === undefined ? await freeAddress(tx, subnet) : await claimAddress(tx, subnet, wanted);
    row = { ...row, addresses: [...row.addresses, { address }] };
    await tx.table(Interfaces).put(row);
  }
  return attachInterface(tx, ctx, row, attachment);
}
