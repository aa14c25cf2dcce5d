/** Subnets: a block of the VPC in exactly one zone. */
import type { EC2, Subnet } from '@aws-sdk/client-ec2';
import { addressCount, canonicalCidr, formatCidr, overlaps, parseCidr4 } from '../../../base/cidr.ts';
import { findZone } from '../../../base/regions.ts';
import type { Context, Transaction } from '../../../kernel/context.ts';
import { AwsError, parameterNotImplemented } from '../../../kernel/errors.ts';
import { quotaOf, quotas } from '../../../kernel/quotas.ts';
import type { AuthorisationsOf, HandlersOf } from '../../../kernel/service.ts';
import { dependencyViolation, invalidParameterValue, missingParameter } from '../errors.ts';
import { applyFilters } from '../filters.ts';
import { Interfaces } from '../interfaces/state.ts';
import { checkSubnetBlock } from '../ipv6/blocks.ts';
import { requireRow, rowsByIds } from '../lookup.ts';
import { page } from '../paging.ts';
import { checkTagged, describeTags, ec2Arn, requestTagConditions, tagsFor } from '../tags.ts';
import { offeredZones } from '../zones.ts';
import { type SubnetRow, Subnets, type TagMap, type VpcRow, Vpcs } from './state.ts';
import { insideVpc } from './vpcs.ts';

/** The first four addresses and the last one are kept: network, router, DNS, future, broadcast ("Subnet CIDR blocks"). */
export const reservedAddresses = { first: 4, last: 1 } as const;

interface NewSubnet {
  cidr: string;
  ipv6?: SubnetRow['ipv6'];
  zone: string;
  zoneId: string;
  defaultForZone: boolean;
  tags: TagMap;
}

/** Puts a subnet into the transaction; it follows the VPC's main table and default network ACL until told otherwise. */
export async function addSubnet(
  tx: Transaction,
  ctx: Context,
  vpc: VpcRow,
  { cidr, ipv6, zone, zoneId, defaultForZone, tags }: NewSubnet,
): Promise<SubnetRow> {
  const row: SubnetRow = {
    id: ctx.id('subnet'),
    vpcId: vpc.id,
    cidr,
    ipv6,
    zone,
    zoneId,
    defaultForZone,
    mapPublicIp: defaultForZone,
    networkAcl: { aclId: vpc.defaultNetworkAclId, associationId: ctx.id('networkAclAssociation') },
    tags,
  };
  await tx.table(Subnets).put(row);
  tx.hint('networks', vpc.id);
  return row;
}

/** Addresses of a subnet that nothing holds yet: its size less the five reserved ones and those of its interfaces. */
async function availableAddresses(source: Pick<Context | Transaction, 'table'>, row: SubnetRow): Promise<number> {
  const interfaces = await source.table(Interfaces).byIndex('bySubnet', [row.id]);
  const used = interfaces.reduce((sum, { addresses }) => sum + addresses.length, 0);
  return addressCount(parseCidr4(row.cidr)!) - reservedAddresses.first - reservedAddresses.last - used;
}

/** A subnet as the API shows it. */
export async function describeSubnet(ctx: Context, row: SubnetRow): Promise<Subnet> {
  return {
    SubnetId: row.id,
    SubnetArn: ec2Arn(ctx, 'subnet', row.id),
    VpcId: row.vpcId,
    OwnerId: ctx.account,
    State: 'available',
    CidrBlock: row.cidr,
    AvailabilityZone: row.zone,
    AvailabilityZoneId: row.zoneId,
    AvailableIpAddressCount: await availableAddresses(ctx, row),
    DefaultForAz: row.defaultForZone,
    MapPublicIpOnLaunch: row.mapPublicIp,
    MapCustomerOwnedIpOnLaunch: false,
    AssignIpv6AddressOnCreation: row.assignIpv6 === true,
    Ipv6CidrBlockAssociationSet:
      row.ipv6 === undefined
        ? []
        : [
            {
              AssociationId: row.ipv6.associationId,
              Ipv6CidrBlock: row.ipv6.cidr,
              Ipv6CidrBlockState: { State: 'associated' },
              Ipv6AddressAttribute: 'public',
              IpSource: 'amazon',
            },
          ],
    EnableDns64: false,
    Ipv6Native: false,
    PrivateDnsNameOptionsOnLaunch: {
      HostnameType: 'ip-name',
      EnableResourceNameDnsARecord: false,
      EnableResourceNameDnsAAAARecord: false,
    },
    BlockPublicAccessStates: { InternetGatewayBlockMode: 'off' },
    Tags: describeTags(row.tags),
  };
}

/** Zone of a new subnet: by name, by id, or the Region's first. Throws InvalidParameterValue for one that this account cannot use here. */
export async function chooseZone(
  ctx: Context,
  name: string | undefined,
  id: string | undefined,
): Promise<{ zone: string; zoneId: string }> {
  const offered = await offeredZones(ctx);
  const usable = offered.map((zone) => zone.name).join(', ');
  if (name !== undefined && id !== undefined && findZone(name)?.id !== id) {
    throw new AwsError(
      'InvalidParameterCombination',
      'The parameters AvailabilityZone and AvailabilityZoneId name different zones.',
    );
  }
  const zone = name === undefined && id === undefined ? offered[0] : offered.find((one) => one.name === name || one.id === id);
  if (zone === undefined) {
    throw invalidParameterValue(
      `Value (${name ?? id ?? ''}) for parameter ${name === undefined ? 'availabilityZoneId' : 'availabilityZone'} is invalid. Subnets can currently only be created in the following availability zones: ${usable}.`,
    );
  }
  return { zone: zone.name, zoneId: zone.id };
}

function checkSubnetCidr(text: string | undefined, vpc: VpcRow, siblings: readonly SubnetRow[]): string {
  if (text === undefined) throw missingParameter('cidrBlock');
  const block = parseCidr4(text);
  if (block === undefined)
    throw invalidParameterValue(`Value (${text}) for parameter cidrBlock is invalid. This is not a valid CIDR block.`);
  if (block.prefix < 16 || block.prefix > 28 || !insideVpc(vpc, formatCidr(block)))
    throw new AwsError('InvalidSubnet.Range', `The CIDR '${text}' is invalid.`);
  if (siblings.some(({ cidr }) => overlaps(parseCidr4(cidr)!, block))) {
    throw new AwsError('InvalidSubnet.Conflict', `The CIDR '${text}' conflicts with another subnet`);
  }
  return canonicalCidr(text) ?? text;
}

export const subnetHandlers: HandlersOf<EC2> = {
  /** Throws InvalidSubnet.Range outside the VPC, InvalidSubnet.Conflict over another subnet, SubnetLimitExceeded. */
  async CreateSubnet(input, ctx) {
    for (const name of [
      'OutpostArn',
      'Ipv6Native',
      'Ipv4IpamPoolId',
      'Ipv4NetmaskLength',
      'Ipv6IpamPoolId',
      'Ipv6NetmaskLength',
    ] as const) {
      if (input[name] !== undefined && input[name] !== false) throw parameterNotImplemented('CreateSubnet', name);
    }
    const tags = tagsFor('subnet', input.TagSpecifications);
    const place = await chooseZone(ctx, input.AvailabilityZone, input.AvailabilityZoneId);
    const row = await ctx.transact(async (tx) => {
      const vpc = await requireRow(tx, Vpcs, 'vpc', input.VpcId);
      const siblings = await tx.table(Subnets).byIndex('byVpc', [vpc.id]);
      const cidr = checkSubnetCidr(input.CidrBlock, vpc, siblings);
      const ipv6 =
        input.Ipv6CidrBlock === undefined
          ? undefined
          : { cidr: checkSubnetBlock(input.Ipv6CidrBlock, vpc, siblings), associationId: ctx.id('subnetCidrAssociation') };
      if (siblings.length >= (await quotaOf(tx, quotas.subnetsPerVpc)))
        throw new AwsError('SubnetLimitExceeded', 'The maximum number of subnets has been reached.');
      return addSubnet(tx, ctx, vpc, { cidr, ipv6, ...place, defaultForZone: false, tags });
    });
    return { Subnet: await describeSubnet(ctx, row) };
  },

  async DescribeSubnets(input, ctx) {
    const rows = await rowsByIds(ctx, Subnets, 'subnet', input.SubnetIds);
    const free = new Map<string, number>();
    for (const row of rows) free.set(row.id, await availableAddresses(ctx, row));
    const passing = applyFilters(rows, input.Filters, {
      'subnet-id': (row) => row.id,
      'subnet-arn': (row) => ec2Arn(ctx, 'subnet', row.id),
      'vpc-id': (row) => row.vpcId,
      'owner-id': () => ctx.account,
      state: () => 'available',
      cidr: (row) => row.cidr,
      cidrBlock: (row) => row.cidr,
      'cidr-block': (row) => row.cidr,
      'availability-zone': (row) => row.zone,
      availabilityZone: (row) => row.zone,
      'availability-zone-id': (row) => row.zoneId,
      'available-ip-address-count': (row) => free.get(row.id),
      'default-for-az': (row) => row.defaultForZone,
      defaultForAz: (row) => row.defaultForZone,
      'map-public-ip-on-launch': (row) => row.mapPublicIp,
      'ipv6-cidr-block-association.ipv6-cidr-block': (row) => row.ipv6?.cidr,
      'ipv6-cidr-block-association.association-id': (row) => row.ipv6?.associationId,
      'ipv6-cidr-block-association.state': (row) => (row.ipv6 === undefined ? undefined : 'associated'),
      'assign-ipv6-address-on-creation': (row) => row.assignIpv6 === true,
      'ipv6-native': () => false,
      'enable-dns64': () => false,
      'map-customer-owned-ip-on-launch': () => false,
    });
    const { rows: shown, nextToken } = page('DescribeSubnets', passing, (row) => row.id, input, { ids: input.SubnetIds });
    return { Subnets: await Promise.all(shown.map((row) => describeSubnet(ctx, row))), NextToken: nextToken };
  },

  /** Refuses while an interface is left in it. */
  async DeleteSubnet(input, ctx) {
    await ctx.transact(async (tx) => {
      const row = await requireRow(tx, Subnets, 'subnet', input.SubnetId);
      if ((await tx.table(Interfaces).firstByIndex('bySubnet', [row.id])) !== undefined) {
        throw dependencyViolation(`The subnet '${row.id}' has dependencies and cannot be deleted.`);
      }
      await tx.table(Subnets).delete(row.id);
      tx.hint('networks', row.vpcId);
    });
    return {};
  },

  /** One attribute per call. */
  async ModifySubnetAttribute(input, ctx) {
    const { SubnetId, MapPublicIpOnLaunch: mapPublicIp, AssignIpv6AddressOnCreation: assignIpv6, ...others } = input;
    const other = Object.entries(others).find(([name, value]) => name !== 'DryRun' && value !== undefined);
    if (other !== undefined) throw parameterNotImplemented('ModifySubnetAttribute', other[0]);
    if (mapPublicIp?.Value !== undefined && assignIpv6?.Value !== undefined)
      throw new AwsError('InvalidParameterCombination', 'Only one attribute may be specified at a time');
    if (mapPublicIp?.Value === undefined && assignIpv6?.Value === undefined) throw missingParameter('mapPublicIpOnLaunch');
    await ctx.transact(async (tx) => {
      const row = await requireRow(tx, Subnets, 'subnet', SubnetId);
      if (assignIpv6?.Value === true && row.ipv6 === undefined)
        throw invalidParameterValue(
          `Invalid value 'true' for assignIpv6AddressOnCreation. The subnet ${row.id} does not have an IPv6 CIDR block associated with it.`,
        );
      await tx.table(Subnets).put({
        ...row,
        mapPublicIp: mapPublicIp?.Value ?? row.mapPublicIp,
        assignIpv6: assignIpv6?.Value ?? row.assignIpv6,
      });
    });
    return {};
  },
};

export const subnetAuthorisations: AuthorisationsOf<EC2> = {
  CreateSubnet: async (input, ctx) => [
    {
      resource: ec2Arn(ctx, 'subnet', '*'),
      conditions: requestTagConditions(input.TagSpecifications?.flatMap(({ Tags = [] }) => Tags)),
    },
    ...(await checkTagged([input.VpcId ?? ''], ctx)),
  ],
  DeleteSubnet: (input, ctx) => checkTagged([input.SubnetId ?? ''], ctx),
  ModifySubnetAttribute: (input, ctx) => checkTagged([input.SubnetId ?? ''], ctx),
};
