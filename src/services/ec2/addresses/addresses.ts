/** Elastic IPs: allocated to the account, associated with one private address at a time, kept until released. */
import type { Address, EC2 } from '@aws-sdk/client-ec2';
import type { Context, Transaction } from '../../../kernel/context.ts';
import { AwsError, parameterNotImplemented } from '../../../kernel/errors.ts';
import { quotaOf, quotas } from '../../../kernel/quotas.ts';
import type { AuthorisationsOf, HandlersOf } from '../../../kernel/service.ts';
import { invalidParameterCombination, invalidParameterValue, missingParameter, notFound } from '../errors.ts';
import { applyFilters } from '../filters.ts';
import { assignPublicIp, dropPublicIp } from '../interfaces/lifecycle.ts';
import { type InterfaceRow, Interfaces } from '../interfaces/state.ts';
import { Instances } from '../instances/state.ts';
import { requireRow, rowsByIds } from '../lookup.ts';
import { page } from '../paging.ts';
import { checkTagged, describeTags, ec2Arn, requestTagConditions, tagsFor } from '../tags.ts';
import { InternetGateways } from '../vpc/state.ts';
import { freePublicIp, takePublicIp } from './public-pool.ts';
import { type AddressRow, Addresses } from './state.ts';

async function describeAddress(ctx: Context, row: AddressRow): Promise<Address> {
  const { association } = row;
  // The instance is the interface's present one, which may have changed since the address was associated.
  const card = association === undefined ? undefined : await ctx.table(Interfaces).get(association.interfaceId);
  return {
    AllocationId: row.allocationId,
    PublicIp: row.publicIp,
    PublicIpv4Pool: 'amazon',
    NetworkBorderGroup: row.networkBorderGroup,
    Domain: 'vpc',
    Tags: describeTags(row.tags),
    ...(association === undefined
      ? {}
      : {
          AssociationId: association.id,
          NetworkInterfaceId: association.interfaceId,
          NetworkInterfaceOwnerId: ctx.account,
          PrivateIpAddress: association.privateIp,
          InstanceId: card?.attachment?.instanceId,
        }),
  };
}

/** The address named by allocation id, or by its public address as in older calls. */
async function requireAddress(
  source: Pick<Context | Transaction, 'table'>,
  allocationId: string | undefined,
  publicIp: string | undefined,
): Promise<AddressRow> {
  if (allocationId !== undefined) return requireRow(source, Addresses, 'addressAllocation', allocationId);
  if (publicIp === undefined) throw missingParameter('AllocationId');
  const row = await source.table(Addresses).firstByIndex('byIp', [publicIp]);
  if (row === undefined) throw new AwsError('InvalidAddress.NotFound', `Address '${publicIp}' not found.`);
  return row;
}

interface Target {
  card: InterfaceRow;
  privateIp: string;
}

/** The interface and private address that an association asks for: an instance means its primary interface. */
async function targetOf(
  tx: Transaction,
  input: { InstanceId?: string | undefined; NetworkInterfaceId?: string | undefined; PrivateIpAddress?: string | undefined },
): Promise<Target> {
  const { InstanceId: instanceId, NetworkInterfaceId: interfaceId, PrivateIpAddress: privateIp } = input;
  if (instanceId === undefined && interfaceId === undefined) throw missingParameter('InstanceId or NetworkInterfaceId');
  if (instanceId !== undefined && interfaceId !== undefined) {
    throw invalidParameterCombination(
      'You may specify public IP or allocation id, and instance id or network interface id, but not both in the same call',
    );
  }
  let card: InterfaceRow | undefined;
  if (interfaceId !== undefined) card = await requireRow(tx, Interfaces, 'networkInterface', interfaceId);
  else {
    const instance = await requireRow(tx, Instances, 'instance', instanceId);
    if (instance.state === 'terminated' || instance.state === 'shutting-down' || instance.state === 'pending') {
      throw new AwsError(
        'InvalidInstanceID',
        `The pending instance '${instance.id}' is not in a valid state for this operation.`.replace('pending', instance.state),
      );
    }
    [card] = await tx.table(Interfaces).byIndex('byInstance', [instance.id]);
    if (card === undefined) throw notFound('instance', instance.id);
  }
  const address = privateIp === undefined ? card.addresses[0] : card.addresses.find((one) => one.address === privateIp);
  if (address === undefined)
    throw invalidParameterValue(`The private IP address ${privateIp} is not assigned to interface ${card.id}.`);
  return { card, privateIp: address.address };
}

/**
 * Takes an association away, if there is one: the interface forgets the address. An instance that was launched with a public address gets a new one
 * in its place ("Public IPv4 addresses": on disassociation "it receives a new public IP address").
 */
export async function disassociate(tx: Transaction, ctx: Context, row: AddressRow): Promise<AddressRow> {
  const { association } = row;
  if (association === undefined) return row;
  const card = await tx.table(Interfaces).get(association.interfaceId);
  if (card !== undefined) {
    const addresses = card.addresses.map(({ address, elastic }) =>
      elastic?.allocationId === row.allocationId ? { address } : { address, ...(elastic && { elastic }) },
    );
    const freed = { ...card, addresses };
    await tx.table(Interfaces).put(freed);
    const instance = card.attachment?.deviceIndex === 0 ? await tx.table(Instances).get(card.attachment.instanceId) : undefined;
    if (instance?.intent === 'running' && instance.publicIpWanted) await assignPublicIp(tx, ctx, freed);
    tx.hint('networks', card.vpcId);
  }
  const { association: _gone, ...free } = row;
  await tx.table(Addresses).put(free);
  return free;
}

/** The address of a NAT gateway or load balancer is its own to give up. */
async function refuseManaged(tx: Transaction, interfaceId: string | undefined): Promise<void> {
  if (interfaceId !== undefined && (await tx.table(Interfaces).get(interfaceId))?.holder !== undefined)
    throw new AwsError('AuthFailure', 'You do not have permission to access the specified resource.', { status: 403 });
}

export const addressHandlers: HandlersOf<EC2> = {
  /** Throws AddressLimitExceeded for the sixth in a Region. */
  async AllocateAddress(input, ctx) {
    for (const name of ['Address', 'PublicIpv4Pool', 'CustomerOwnedIpv4Pool', 'IpamPoolId'] as const) {
      if (input[name] !== undefined && input[name] !== 'amazon') throw parameterNotImplemented('AllocateAddress', name);
    }
    if (input.Domain !== undefined && input.Domain !== 'vpc')
      throw invalidParameterValue(`Value (${input.Domain}) for parameter domain is invalid.`);
    if (input.NetworkBorderGroup !== undefined && input.NetworkBorderGroup !== ctx.region)
      throw parameterNotImplemented('AllocateAddress', 'NetworkBorderGroup');
    const tags = tagsFor('elastic-ip', input.TagSpecifications);
    const row = await ctx.transact(async (tx) => {
      if ((await tx.table(Addresses).count()) >= (await quotaOf(tx, quotas.elasticIps))) {
        throw new AwsError('AddressLimitExceeded', 'The maximum number of addresses has been reached.');
      }
      const address: AddressRow = {
        allocationId: ctx.id('addressAllocation'),
        publicIp: await takePublicIp(tx, ctx),
        networkBorderGroup: ctx.region,
        tags,
      };
      await tx.table(Addresses).put(address);
      return address;
    });
    return {
      AllocationId: row.allocationId,
      PublicIp: row.publicIp,
      PublicIpv4Pool: 'amazon',
      NetworkBorderGroup: row.networkBorderGroup,
      Domain: 'vpc',
    };
  },

  async DescribeAddresses(input, ctx) {
    let rows = await rowsByIds(ctx, Addresses, 'addressAllocation', input.AllocationIds);
    for (const ip of input.PublicIps ?? []) {
      if (!rows.some((row) => row.publicIp === ip)) throw new AwsError('InvalidAddress.NotFound', `Address '${ip}' not found.`);
    }
    if (input.PublicIps !== undefined && input.PublicIps.length > 0)
      rows = rows.filter((row) => input.PublicIps?.includes(row.publicIp));
    const full = await Promise.all(rows.map(async (row) => ({ ...row, shown: await describeAddress(ctx, row) })));
    const passing = applyFilters(full, input.Filters, {
      'allocation-id': (row) => row.allocationId,
      'association-id': (row) => row.association?.id,
      domain: () => 'vpc',
      'instance-id': (row) => row.shown.InstanceId,
      'network-border-group': (row) => row.networkBorderGroup,
      'network-interface-id': (row) => row.association?.interfaceId,
      'network-interface-owner-id': (row) => (row.association === undefined ? undefined : ctx.account),
      'private-ip-address': (row) => row.association?.privateIp,
      'public-ip': (row) => row.publicIp,
    });
    return { Addresses: passing.map((row) => row.shown) };
  },

  /** Moves the address by default (EIP-005); with AllowReassociation false an address in use is refused. Needs an internet gateway. */
  async AssociateAddress(input, ctx) {
    const associationId = await ctx.transact(async (tx) => {
      const row = await requireAddress(tx, input.AllocationId, input.PublicIp);
      const { card, privateIp } = await targetOf(tx, input);
      if (row.association?.interfaceId === card.id && row.association.privateIp === privateIp) return row.association.id;
      if (row.association !== undefined && input.AllowReassociation === false) {
        throw new AwsError(
          'Resource.AlreadyAssociated',
          `resource ${row.allocationId} is already associated with associate-id ${row.association.id}`,
        );
      }
      if ((await tx.table(InternetGateways).firstByIndex('byVpc', [card.vpcId])) === undefined) {
        throw new AwsError('Gateway.NotAttached', `Network ${card.vpcId} is not attached to any internet gateway`);
      }
      await refuseManaged(tx, row.association?.interfaceId);
      await refuseManaged(tx, card.id);
      return associate(tx, ctx, row, card.id, privateIp);
    });
    return { AssociationId: associationId };
  },

  /** Reverse DNS names are not built, so no address has one. */
  async DescribeAddressesAttribute(input, ctx) {
    if (input.Attribute !== undefined && input.Attribute !== 'domain-name')
      throw invalidParameterValue(`Value (${input.Attribute}) for parameter attribute is invalid.`);
    const rows = await rowsByIds(ctx, Addresses, 'addressAllocation', input.AllocationIds);
    const found = page('DescribeAddressesAttribute', rows, (row) => row.allocationId, input, { least: 1 });
    return {
      Addresses: found.rows.map((row) => ({ AllocationId: row.allocationId, PublicIp: row.publicIp })),
      NextToken: found.nextToken,
    };
  },

  async DisassociateAddress(input, ctx) {
    await ctx.transact(async (tx) => {
      const rows = await tx.table(Addresses).list();
      const { AssociationId: id, PublicIp: ip } = input;
      if (id === undefined && ip === undefined) throw missingParameter('AssociationId');
      const row = rows.find((one) => (id === undefined ? one.publicIp === ip : one.association?.id === id));
      if (row === undefined)
        throw id === undefined
          ? new AwsError('InvalidAddress.NotFound', `Address '${ip}' not found.`)
          : notFound('addressAssociation', id);
      await refuseManaged(tx, row.association?.interfaceId);
      await disassociate(tx, ctx, row);
    });
    return {};
  },

  /** Throws InvalidIPAddress.InUse while it is associated. */
  async ReleaseAddress(input, ctx) {
    await ctx.transact(async (tx) => {
      const row = await requireAddress(tx, input.AllocationId, input.PublicIp);
      if (row.association !== undefined) throw new AwsError('InvalidIPAddress.InUse', `Address ${row.publicIp} is in use.`);
      await freePublicIp(tx, row.publicIp);
      await tx.table(Addresses).delete(row.allocationId);
    });
    return {};
  },
};

/** Gives an address to a private one, from where it was; what was there goes. Returns the association's id. */
export async function associate(
  tx: Transaction,
  ctx: Context,
  row: AddressRow,
  interfaceId: string,
  privateIp: string,
): Promise<string> {
  const free = await disassociate(tx, ctx, row);
  let card = (await tx.table(Interfaces).get(interfaceId))!;
  const earlier = card.addresses.find(({ address }) => address === privateIp)?.elastic;
  if (earlier !== undefined) await disassociate(tx, ctx, (await tx.table(Addresses).get(earlier.allocationId))!);
  card = (await tx.table(Interfaces).get(interfaceId))!;
  if (card.addresses[0]?.address === privateIp) card = await dropPublicIp(tx, card);
  const id = ctx.id('addressAssociation');
  const elastic = { allocationId: free.allocationId, associationId: id, publicIp: free.publicIp };
  await tx
    .table(Interfaces)
    .put({ ...card, addresses: card.addresses.map((one) => (one.address === privateIp ? { ...one, elastic } : one)) });
  await tx.table(Addresses).put({ ...free, association: { id, interfaceId, privateIp } });
  tx.hint('networks', card.vpcId);
  return id;
}

export const addressAuthorisations: AuthorisationsOf<EC2> = {
  DisassociateAddress: async (input, ctx) => {
    const rows = await ctx.table(Addresses).list();
    const row = rows.find((one) =>
      input.AssociationId === undefined ? one.publicIp === input.PublicIp : one.association?.id === input.AssociationId,
    );
    const ids = [row?.allocationId, row?.association?.interfaceId].filter((id) => id !== undefined);
    return checkTagged(ids.length === 0 ? [input.AssociationId ?? ''] : ids, ctx);
  },
  AllocateAddress: (input, ctx) => [
    {
      resource: ec2Arn(ctx, 'elastic-ip', '*'),
      conditions: requestTagConditions(input.TagSpecifications?.flatMap(({ Tags = [] }) => Tags)),
    },
  ],
  AssociateAddress: (input, ctx) =>
    checkTagged(
      [input.AllocationId, input.InstanceId, input.NetworkInterfaceId].filter((id) => id !== undefined),
      ctx,
    ),
  ReleaseAddress: (input, ctx) =>
    checkTagged(
      [input.AllocationId].filter((id) => id !== undefined),
      ctx,
    ),
};
