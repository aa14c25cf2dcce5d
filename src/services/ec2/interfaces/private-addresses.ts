/** Secondary private addresses of interfaces: given and taken up to what the instance type allows (ENI-004). */
import type { AssignPrivateIpAddressesRequest, EC2 } from '@aws-sdk/client-ec2';
import type { Transaction } from '../../../kernel/context.ts';
import { AwsError, parameterNotImplemented } from '../../../kernel/errors.ts';
import type { AuthorisationsOf, HandlersOf } from '../../../kernel/service.ts';
import { disassociate } from '../addresses/addresses.ts';
import { Addresses } from '../addresses/state.ts';
import { invalidParameterCombination, invalidParameterValue, missingParameter } from '../errors.ts';
import { Instances } from '../instances/state.ts';
import { instanceTypes } from '../instances/type-catalogue.ts';
import { requireRow } from '../lookup.ts';
import { checkTagged } from '../tags.ts';
import { Subnets } from '../vpc/state.ts';
import { claimAddress, freeAddress } from './lifecycle.ts';
import { type InterfaceRow, Interfaces } from './state.ts';

/** Of an interface that no instance holds: the most that any type allows. */
const detachedMax = Math.max(...[...instanceTypes.values()].map((type) => type.addressesPerInterfaceMax));

async function checkRoom(tx: Transaction, row: InterfaceRow, count: number): Promise<void> {
  const instance = row.attachment === undefined ? undefined : await tx.table(Instances).get(row.attachment.instanceId);
  const most = instance === undefined ? detachedMax : (instanceTypes.get(instance.type)?.addressesPerInterfaceMax ?? 1);
  if (row.addresses.length + count > most)
    throw new AwsError('PrivateIpAddressLimitExceeded', `Number of private addresses will exceed limit.`);
}

function wantedOf(input: AssignPrivateIpAddressesRequest): { addresses: readonly string[]; count: number } {
  const { PrivateIpAddresses: addresses = [], SecondaryPrivateIpAddressCount: count = 0 } = input;
  if (addresses.length > 0 && count > 0)
    throw invalidParameterCombination('Only one of private IP addresses and secondary private IP address count may be given.');
  if (addresses.length === 0 && count < 1) throw missingParameter('secondaryPrivateIpAddressCount');
  return { addresses, count: addresses.length > 0 ? addresses.length : count };
}

export const privateAddressHandlers: HandlersOf<EC2> = {
  /** Certain addresses of the subnet, or so many free ones. Throws PrivateIpAddressLimitExceeded, InvalidIPAddress.InUse. */
  async AssignPrivateIpAddresses(input, ctx) {
    for (const name of ['Ipv4Prefixes', 'Ipv4PrefixCount'] as const)
      if (input[name] !== undefined) throw parameterNotImplemented('AssignPrivateIpAddresses', name);
    if (input.AllowReassignment === true) throw parameterNotImplemented('AssignPrivateIpAddresses', 'AllowReassignment');
    const { addresses, count } = wantedOf(input);
    const given = await ctx.transact(async (tx) => {
      let row = await requireRow(tx, Interfaces, 'networkInterface', input.NetworkInterfaceId);
      await checkRoom(tx, row, count);
      const subnet = await requireRow(tx, Subnets, 'subnet', row.subnetId);
      const added: string[] = [];
      for (let index = 0; index < count; index += 1) {
        const wanted = addresses[index];
        const address = wanted === undefined ? await freeAddress(tx, subnet) : await claimAddress(tx, subnet, wanted);
        row = { ...row, addresses: [...row.addresses, { address }] };
        await tx.table(Interfaces).put(row);
        added.push(address);
      }
      tx.hint('networks', row.vpcId);
      return added;
    });
    return {
      NetworkInterfaceId: input.NetworkInterfaceId,
      AssignedPrivateIpAddresses: given.map((PrivateIpAddress) => ({ PrivateIpAddress })),
      AssignedIpv4Prefixes: [],
    };
  },

  /** The primary address stays; an Elastic IP of an address that goes is free again. */
  async UnassignPrivateIpAddresses(input, ctx) {
    if (input.Ipv4Prefixes !== undefined) throw parameterNotImplemented('UnassignPrivateIpAddresses', 'Ipv4Prefixes');
    const gone = input.PrivateIpAddresses ?? [];
    if (gone.length === 0) throw missingParameter('privateIpAddress');
    await ctx.transact(async (tx) => {
      const row = await requireRow(tx, Interfaces, 'networkInterface', input.NetworkInterfaceId);
      const secondary = row.addresses.slice(1);
      if (!gone.every((address) => secondary.some((one) => one.address === address)))
        throw invalidParameterValue(`Some of the specified addresses are not assigned to interface ${row.id}`);
      for (const { address, elastic } of secondary) {
        if (elastic === undefined || !gone.includes(address)) continue;
        await disassociate(tx, ctx, await requireRow(tx, Addresses, 'addressAllocation', elastic.allocationId));
      }
      const latest = await requireRow(tx, Interfaces, 'networkInterface', row.id);
      await tx.table(Interfaces).put({ ...latest, addresses: latest.addresses.filter(({ address }) => !gone.includes(address)) });
      tx.hint('networks', row.vpcId);
    });
    return {};
  },
};

export const privateAddressAuthorisations: AuthorisationsOf<EC2> = {
  AssignPrivateIpAddresses: (input, ctx) => checkTagged([input.NetworkInterfaceId ?? ''], ctx),
  UnassignPrivateIpAddresses: (input, ctx) => checkTagged([input.NetworkInterfaceId ?? ''], ctx),
};
