/**
 * Public NAT gateways: an interface and an Elastic IP in a public subnet; private subnets route to them ("NAT gateways", VPC User Guide). The fabric's
 * translator does the work; a gateway is available once the VPC's network is in line with its row.
 */
import type { CreateNatGatewayRequest, EC2, NatGateway } from '@aws-sdk/client-ec2';
import type { Context, Transaction } from '../../../kernel/context.ts';
import { AwsError, parameterNotImplemented } from '../../../kernel/errors.ts';
import { quotaOf, quotas } from '../../../kernel/quotas.ts';
import type { AuthorisationsOf, HandlersOf, Reconciler, Task } from '../../../kernel/service.ts';
import { associate, disassociate } from '../addresses/addresses.ts';
import { type AddressRow, Addresses } from '../addresses/state.ts';
import { missingParameter } from '../errors.ts';
import { applyFilters } from '../filters.ts';
import { addInterface, removeInterface } from '../interfaces/lifecycle.ts';
import { Interfaces } from '../interfaces/state.ts';
import { requireRow, rowsByIds } from '../lookup.ts';
import { page } from '../paging.ts';
import { checkTagged, describeTags, ec2Arn, requestTagConditions, tagsFor } from '../tags.ts';
import { applyNetwork } from '../vpc/networks.ts';
import { InternetGateways, type SubnetRow, Subnets } from '../vpc/state.ts';
import { type NatGatewayRow, NatGateways } from './state.ts';

/** A deleted or failed gateway "remains visible for about an hour". */
const shownAfterEnd = 3_600_000;

function describeGateway(row: NatGatewayRow): NatGateway {
  const { address } = row;
  return {
    NatGatewayId: row.id,
    VpcId: row.vpcId,
    SubnetId: row.subnetId,
    State: row.state,
    ConnectivityType: 'public',
    AvailabilityMode: 'zonal',
    CreateTime: new Date(row.created),
    DeleteTime: row.deleted === undefined ? undefined : new Date(row.deleted),
    FailureCode: row.failure?.code,
    FailureMessage: row.failure?.message,
    NatGatewayAddresses:
      address === undefined
        ? []
        : [
            {
              AllocationId: address.allocationId,
              AssociationId: address.associationId,
              NetworkInterfaceId: address.interfaceId,
              PrivateIp: address.privateIp,
              PublicIp: address.publicIp,
              IsPrimary: true,
              Status: row.state === 'deleting' || row.state === 'deleted' ? 'disassociating' : 'succeeded',
            },
          ],
    Tags: describeTags(row.tags),
  };
}

const unimplemented = [
  ...(['AvailabilityMode', 'VpcId', 'AvailabilityZoneAddresses', 'SecondaryAllocationIds'] as const),
  ...(['SecondaryPrivateIpAddresses', 'SecondaryPrivateIpAddressCount'] as const),
];

function checkInput(input: CreateNatGatewayRequest): void {
  if (input.ConnectivityType === 'private') throw parameterNotImplemented('CreateNatGateway', 'ConnectivityType private');
  const named = unimplemented.find((name) => input[name] !== undefined && input[name] !== 'zonal');
  if (named !== undefined) throw parameterNotImplemented('CreateNatGateway', named);
  if (input.SubnetId === undefined) throw missingParameter('subnetId');
  if (input.AllocationId === undefined) throw missingParameter('allocationId');
}

/** Repeats of a client token get the first gateway ("Ensuring idempotency"). */
async function earlier(tx: Transaction, input: CreateNatGatewayRequest): Promise<NatGatewayRow | undefined> {
  if (input.ClientToken === undefined) return undefined;
  const row = await tx.table(NatGateways).firstByIndex('byToken', [input.ClientToken]);
  if (row !== undefined && row.subnetId !== input.SubnetId)
    throw new AwsError(
      'IdempotentParameterMismatch',
      'Arguments on this idempotent request are inconsistent with arguments used in previous request(s).',
    );
  return row;
}

/** What makes a gateway fail after it was accepted ("Troubleshoot NAT gateways: NAT gateway creation fails"). */
async function failureOf(tx: Transaction, subnet: SubnetRow, address: AddressRow): Promise<NatGatewayRow['failure']> {
  if ((await tx.table(InternetGateways).firstByIndex('byVpc', [subnet.vpcId])) === undefined)
    return { code: 'Gateway.NotAttached', message: `Network ${subnet.vpcId} has no Internet gateway attached` };
  if (address.association !== undefined)
    return {
      code: 'Resource.AlreadyAssociated',
      message: `Elastic IP address [${address.allocationId}] is already associated`,
    };
  return undefined;
}

async function checkQuota(tx: Transaction, subnet: SubnetRow): Promise<void> {
  const subnets = new Map((await tx.table(Subnets).list()).map((row) => [row.id, row.zone]));
  const live = (await tx.table(NatGateways).list()).filter((row) => row.state === 'pending' || row.state === 'available');
  const most = await quotaOf(tx, quotas.natGatewaysPerZone);
  if (live.filter((row) => subnets.get(row.subnetId) === subnet.zone).length >= most)
    throw new AwsError('NatGatewayLimitExceeded', `Performing this operation would exceed the limit of ${most} NAT gateways`);
}

/** Takes an interface and the address into the row. */
async function addGateway(
  tx: Transaction,
  ctx: Context,
  row: NatGatewayRow,
  parts: { subnet: SubnetRow; address: AddressRow; privateIp: string | undefined },
): Promise<NatGatewayRow> {
  const { subnet, address } = parts;
  const card = await addInterface(tx, ctx, {
    subnet,
    privateIp: parts.privateIp,
    description: `Interface for NAT Gateway ${row.id}`,
    sourceDestCheck: false,
    holder: { interfaceType: 'nat_gateway', resourceId: row.id },
  });
  const privateIp = card.addresses[0]!.address;
  const associationId = await associate(tx, ctx, address, card.id, privateIp);
  const { allocationId, publicIp } = address;
  return { ...row, address: { interfaceId: card.id, allocationId, associationId, privateIp, publicIp } };
}

export const natGatewayHandlers: HandlersOf<EC2> = {
  /** Throws InvalidSubnetID.NotFound, InvalidAllocationID.NotFound, NatGatewayLimitExceeded; other faults make a gateway that is `failed`. */
  async CreateNatGateway(input, ctx) {
    checkInput(input);
    const tags = tagsFor('natgateway', input.TagSpecifications);
    const row = await ctx.transact(async (tx) => {
      const known = await earlier(tx, input);
      if (known !== undefined) return known;
      const subnet = await requireRow(tx, Subnets, 'subnet', input.SubnetId);
      const address = await requireRow(tx, Addresses, 'addressAllocation', input.AllocationId);
      await checkQuota(tx, subnet);
      const failure = await failureOf(tx, subnet, address);
      const bare: NatGatewayRow = {
        id: ctx.id('natGateway'),
        clientToken: input.ClientToken,
        vpcId: subnet.vpcId,
        subnetId: subnet.id,
        state: failure === undefined ? 'pending' : 'failed',
        failure,
        created: ctx.now,
        tags,
      };
      const made =
        failure === undefined ? await addGateway(tx, ctx, bare, { subnet, address, privateIp: input.PrivateIpAddress }) : bare;
      await tx.table(NatGateways).put(made);
      if (failure === undefined) tx.hint('natGateways', made.id);
      else await tx.schedule({ task: 'forgetNatGateway', key: made.id, due: ctx.now + shownAfterEnd });
      return made;
    });
    return { NatGateway: { ...describeGateway(row), State: 'pending' }, ClientToken: input.ClientToken };
  },

  async DescribeNatGateways(input, ctx) {
    const rows = await rowsByIds(ctx, NatGateways, 'natGateway', input.NatGatewayIds);
    const passing = applyFilters(rows, input.Filter, {
      'nat-gateway-id': (row) => row.id,
      state: (row) => row.state,
      'subnet-id': (row) => row.subnetId,
      'vpc-id': (row) => row.vpcId,
    });
    const found = page('DescribeNatGateways', passing, (row) => row.id, input, { ids: input.NatGatewayIds });
    return { NatGateways: found.rows.map(describeGateway), NextToken: found.nextToken };
  },

  /** The address stays with the account, routes stay as black holes ("Delete a NAT gateway"). */
  async DeleteNatGateway(input, ctx) {
    await ctx.transact(async (tx) => {
      const row = await requireRow(tx, NatGateways, 'natGateway', input.NatGatewayId);
      if (row.state === 'deleted') throw new AwsError('NatGatewayNotFound', `NAT gateway ${row.id} was not found`);
      if (row.state === 'deleting') return;
      await tx.table(NatGateways).put({ ...row, state: 'deleting', deleted: ctx.now });
      tx.hint('networks', row.vpcId);
      tx.hint('natGateways', row.id);
    });
    return { NatGatewayId: input.NatGatewayId };
  },
};

export const natGatewayAuthorisations: AuthorisationsOf<EC2> = {
  CreateNatGateway: async (input, ctx) => [
    {
      resource: ec2Arn(ctx, 'natgateway', '*'),
      conditions: requestTagConditions(input.TagSpecifications?.flatMap(({ Tags = [] }) => Tags)),
    },
    ...(await checkTagged(
      [input.SubnetId, input.AllocationId].filter((id) => id !== undefined),
      ctx,
    )),
  ],
  DeleteNatGateway: (input, ctx) => checkTagged([input.NatGatewayId ?? ''], ctx),
};

/** Lets go of what a gateway held; its row goes an hour later. */
async function finish(ctx: Context, id: string): Promise<void> {
  await ctx.transact(async (tx) => {
    const row = await tx.table(NatGateways).get(id);
    if (row?.state !== 'deleting') return;
    const address = row.address === undefined ? undefined : await tx.table(Addresses).get(row.address.allocationId);
    if (address !== undefined && address.association?.interfaceId === row.address?.interfaceId)
      await disassociate(tx, ctx, address);
    const card = row.address === undefined ? undefined : await tx.table(Interfaces).get(row.address.interfaceId);
    if (card !== undefined) await removeInterface(tx, card);
    await tx.table(NatGateways).put({ ...row, state: 'deleted' });
    await tx.schedule({ task: 'forgetNatGateway', key: id, due: ctx.now + shownAfterEnd });
  });
}

export const natGateways: Reconciler = {
  async keys(ctx) {
    const rows = await ctx.everywhere(NatGateways);
    return rows
      .filter(({ row }) => row.state === 'pending' || row.state === 'deleting')
      .map(({ scope, row }) => ({ ...scope, key: row.id }));
  },

  /** Brings the network in line first: `available` means that packets flow, `deleted` that none do. */
  async run({ key }, ctx) {
    const row = await ctx.table(NatGateways).get(key);
    if (row === undefined) return;
    await applyNetwork(ctx, row.vpcId);
    if (row.state === 'deleting') return finish(ctx, key);
    await ctx.transact(async (tx) => {
      await tx
        .table(NatGateways)
        .update([key], (latest) => (latest.state === 'pending' ? { ...latest, state: 'available' } : latest));
      tx.hint('networks', row.vpcId);
    });
  },
};

export const forgetNatGateway: Task = async (job, ctx) => {
  await ctx.transact(async (tx) => {
    const row = await tx.table(NatGateways).get(job.key);
    if (row?.state === 'deleted' || row?.state === 'failed') await tx.table(NatGateways).delete(job.key);
  });
};
