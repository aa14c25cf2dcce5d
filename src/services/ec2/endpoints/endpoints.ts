/**
 * VPC endpoints to the cloud's own services: gateway endpoints, which are routes of a prefix list, and interface endpoints, which are interfaces with
 * security groups ("Access AWS services through AWS PrivateLink", "Gateway endpoints"); and interface endpoints to services of accounts.
 */
import type { CreateVpcEndpointRequest, EC2, ServiceDetail, VpcEndpoint } from '@aws-sdk/client-ec2';
import type { Context, Transaction } from '../../../kernel/context.ts';
import { AwsError, parameterNotImplemented } from '../../../kernel/errors.ts';
import { quotaOf, quotas } from '../../../kernel/quotas.ts';
import type { AuthorisationsOf, HandlersOf } from '../../../kernel/service.ts';
import { findRegion } from '../../../base/regions.ts';
import { type FoundService, findService, openServices, serviceIdIn, wakeBoth } from '../endpoint-services/lookup.ts';
import { ServiceNames } from '../endpoint-services/state.ts';
import { invalidParameterValue, missingParameter } from '../errors.ts';
import { applyFilters } from '../filters.ts';
import { addInterface, checkGroups, removeInterface } from '../interfaces/lifecycle.ts';
import { Interfaces } from '../interfaces/state.ts';
import { requireRow, rowsByIds } from '../lookup.ts';
import { page } from '../paging.ts';
import { awsPrefixLists } from '../prefix-lists/aws-lists.ts';
import { SecurityGroups } from '../security-groups/state.ts';
import { checkTagged, describeTags, ec2Arn, requestTagConditions, tagsFor } from '../tags.ts';
import { RouteTables, Subnets, type VpcRow, Vpcs } from '../vpc/state.ts';
import { type Offer, offerOf, offersOf } from './offers.ts';
import { endpointNames } from './paths.ts';
import {
  checkZones,
  connect,
  describeOpenService,
  disconnect,
  noSuchService,
  privateNameOf,
  refusePolicy,
  requireOpenService,
  writePrivateName,
} from './service-endpoints.ts';
import { type VpcEndpointRow, VpcEndpoints } from './state.ts';

/** The policy of an endpoint that is given none. */
const fullAccess = JSON.stringify({ Statement: [{ Action: '*', Effect: 'Allow', Principal: '*', Resource: '*' }] });

async function describeEndpoint(ctx: Context, row: VpcEndpointRow): Promise<VpcEndpoint> {
  const offer = offerOf(ctx.region, row.serviceName);
  const isInterface = row.type === 'Interface';
  const zoneOf = async (id: string) => (await ctx.table(Interfaces).get(id))?.zone;
  const privateNames = (await ctx.table(ServiceNames).list({ prefix: [row.vpcId] })).filter(
    ({ endpointId }) => endpointId === row.id,
  );
  const own = row.serviceId === undefined ? (row.privateDns ? [offer?.dnsName] : []) : privateNames.map(({ name }) => name);
  const names = isInterface ? [...(await endpointNames(row, ctx.region, zoneOf)), ...own] : [];
  const groups = row.groups.map(async (id) => ({ GroupId: id, GroupName: (await ctx.table(SecurityGroups).get(id))?.name }));
  return {
    VpcEndpointId: row.id,
    VpcEndpointType: row.type,
    VpcId: row.vpcId,
    ServiceName: row.serviceName,
    State: row.state as never,
    PolicyDocument: row.serviceId === undefined ? row.policy : undefined,
    RouteTableIds: [...row.routeTableIds],
    SubnetIds: row.interfaces.map(({ subnetId }) => subnetId),
    NetworkInterfaceIds: row.interfaces.map(({ interfaceId }) => interfaceId),
    Groups: await Promise.all(groups),
    PrivateDnsEnabled: row.privateDns,
    RequesterManaged: false,
    IpAddressType: 'ipv4',
    DnsEntries: names.map((DnsName) => ({ DnsName })),
    CreationTimestamp: new Date(row.created),
    OwnerId: ctx.account,
    Tags: describeTags(row.tags),
  };
}

function checkPolicy(text: string | undefined): string {
  if (text === undefined || text === '') return fullAccess;
  try {
    const document = JSON.parse(text) as { Statement?: unknown } | null;
    if (document?.Statement !== undefined) return text;
  } catch {
    // Refused below like any other text that is no policy.
  }
  throw new AwsError('InvalidPolicyDocument', 'This policy contains invalid Json or lacks a Statement.');
}

const unimplemented = [
  'DnsOptions',
  'SubnetConfigurations',
  'ServiceNetworkArn',
  'ResourceConfigurationArn',
  'ServiceRegion',
] as const;

function checkNew(input: CreateVpcEndpointRequest): VpcEndpointRow['type'] {
  const named = unimplemented.find((name) => input[name] !== undefined);
  if (named !== undefined) throw parameterNotImplemented('CreateVpcEndpoint', named);
  if (input.IpAddressType !== undefined && input.IpAddressType !== 'ipv4')
    throw parameterNotImplemented('CreateVpcEndpoint', 'IpAddressType');
  const type = input.VpcEndpointType ?? 'Gateway';
  if (type !== 'Gateway' && type !== 'Interface') throw parameterNotImplemented('CreateVpcEndpoint', `VpcEndpointType ${type}`);
  if (input.ServiceName === undefined) throw missingParameter('ServiceName');
  if (type === 'Gateway' && ((input.SubnetIds?.length ?? 0) > 0 || (input.SecurityGroupIds?.length ?? 0) > 0))
    throw new AwsError('InvalidParameter', 'Subnets and security groups are supported only for interface endpoints.');
  if (type === 'Interface' && (input.RouteTableIds?.length ?? 0) > 0)
    throw new AwsError('InvalidParameter', 'Route table IDs are supported only for Gateway type VPC Endpoint.');
  return type;
}

/** The provider's own service that a new endpoint is for. Throws InvalidServiceName, InvalidParameter. */
function requireOffer(ctx: Context, name: string, type: VpcEndpointRow['type']): void {
  const offer = offerOf(ctx.region, name);
  if (offer === undefined) throw noSuchService(name);
  if (type === 'Gateway' && !offer.gateway)
    throw new AwsError('InvalidParameter', `Endpoint type (Gateway) does not match available service types ([Interface]).`);
}

/** Gives tables their route, or takes it away. Throws RouteAlreadyExists when another endpoint has it. */
async function changeRoutes(
  tx: Transaction,
  ctx: Context,
  row: VpcEndpointRow,
  come: readonly string[],
  gone: readonly string[],
): Promise<void> {
  const list = awsPrefixLists(ctx.region).find(({ name }) => name === row.serviceName)!;
  for (const id of come) {
    const table = await requireRow(tx, RouteTables, 'routeTable', id);
    if (table.vpcId !== row.vpcId) throw invalidParameterValue(`Route table ${id} does not belong to VPC ${row.vpcId}`);
    if (table.routes.some(({ destination }) => destination === list.id))
      throw new AwsError(
        'RouteAlreadyExists',
        `route table ${id} already has a route with destination-prefix-list-id ${list.id}`,
      );
    const route = { destination: list.id, target: { kind: 'endpoint', id: row.id }, origin: 'CreateRoute' } as const;
    await tx.table(RouteTables).put({ ...table, routes: [...table.routes, route] });
  }
  for (const id of gone)
    await tx.table(RouteTables).update([id], (table) => ({
      ...table,
      routes: table.routes.filter(({ target }) => target.kind !== 'endpoint' || target.id !== row.id),
    }));
  tx.hint('networks', row.vpcId);
}

/** An interface in each new subnet; one subnet for each zone. */
async function addInterfaces(
  tx: Transaction,
  ctx: Context,
  row: VpcEndpointRow,
  subnetIds: readonly string[],
): Promise<VpcEndpointRow> {
  const interfaces = [...row.interfaces];
  const zones = new Set<string>();
  for (const { subnetId } of interfaces) zones.add((await tx.table(Subnets).get(subnetId))?.zone ?? '');
  for (const subnetId of subnetIds) {
    const subnet = await requireRow(tx, Subnets, 'subnet', subnetId);
    if (subnet.vpcId !== row.vpcId) throw invalidParameterValue(`Subnet ${subnetId} does not belong to VPC ${row.vpcId}`);
    if (zones.has(subnet.zone))
      throw new AwsError(
        'DuplicateSubnetsInSameZone',
        'Found another VPC endpoint subnet in the availability zone of ' + subnetId,
      );
    zones.add(subnet.zone);
    const card = await addInterface(tx, ctx, {
      subnet,
      groups: row.groups,
      description: `VPC Endpoint Interface ${row.id}`,
      holder: { interfaceType: 'vpc_endpoint', resourceId: row.id },
    });
    interfaces.push({ subnetId, interfaceId: card.id });
  }
  return { ...row, interfaces };
}

async function checkPrivateDns(tx: Transaction, vpc: VpcRow, serviceName: string, except: string): Promise<void> {
  if (!vpc.dnsSupport || !vpc.dnsHostnames)
    throw new AwsError(
      'InvalidParameter',
      `Enabling private DNS requires both enableDnsSupport and enableDnsHostnames VPC attributes set to true for ${vpc.id}`,
    );
  const others = await tx.table(VpcEndpoints).byIndex('byVpc', [vpc.id]);
  const taken = others.some((other) => other.id !== except && other.serviceName === serviceName && other.privateDns);
  if (taken)
    throw new AwsError(
      'InvalidParameter',
      `private-dns-enabled cannot be set because there is already a conflicting DNS domain for ${serviceName} in the VPC ${vpc.id}`,
    );
}

async function checkQuota(tx: Transaction, vpc: VpcRow, type: VpcEndpointRow['type']): Promise<void> {
  const rows = type === 'Gateway' ? await tx.table(VpcEndpoints).list() : await tx.table(VpcEndpoints).byIndex('byVpc', [vpc.id]);
  const quota = type === 'Gateway' ? quotas.gatewayEndpoints : quotas.interfaceEndpointsPerVpc;
  if (rows.filter((row) => row.type === type).length >= (await quotaOf(tx, quota)))
    throw new AwsError('VpcEndpointLimitExceeded', 'The maximum number of VPC endpoints has been reached.');
}

/** The provider's own services are in all Availability Zones. */
function zonesOf(ctx: Context): readonly { name: string; id: string }[] {
  return (findRegion(ctx.region)?.zones ?? []).filter(({ type }) => type === 'availability-zone');
}

function describeOffer(ctx: Context, offer: Offer): ServiceDetail[] {
  const shared = {
    ServiceName: offer.serviceName,
    AvailabilityZones: zonesOf(ctx).map(({ name }) => name),
    AvailabilityZoneIds: zonesOf(ctx).map(({ id }) => id),
    Owner: 'amazon',
    BaseEndpointDnsNames: [`${offer.short}.${ctx.region}.vpce.amazonaws.com`],
    VpcEndpointPolicySupported: true,
    AcceptanceRequired: false,
    ManagesVpcEndpoints: false,
    SupportedIpAddressTypes: ['ipv4' as const],
    Tags: [],
  };
  const types = offer.gateway ? (['Gateway', 'Interface'] as const) : (['Interface'] as const);
  return types.map((ServiceType) => ({
    ...shared,
    ServiceType: [{ ServiceType }],
    ...(ServiceType === 'Interface'
      ? { PrivateDnsName: offer.dnsName, PrivateDnsNames: [{ PrivateDnsName: offer.dnsName }] }
      : {}),
  }));
}

export const vpcEndpointHandlers: HandlersOf<EC2> = {
  /** Throws InvalidServiceName, InvalidParameter, RouteAlreadyExists, VpcEndpointLimitExceeded. */
  async CreateVpcEndpoint(input, ctx) {
    const name = input.ServiceName ?? '';
    const serviceId = serviceIdIn(name);
    const service = serviceId === undefined ? undefined : await requireOpenService(ctx, serviceId, input);
    const type = checkNew(input);
    if (service === undefined) requireOffer(ctx, name, type);
    const policy = checkPolicy(input.PolicyDocument);
    const state = service?.row.acceptance === true ? 'pendingAcceptance' : 'available';
    const tags = tagsFor('vpc-endpoint', input.TagSpecifications);
    const privateDns =
      service === undefined
        ? type === 'Interface' && (input.PrivateDnsEnabled ?? true)
        : privateNameOf(service, state, input.PrivateDnsEnabled);
    const row = await ctx.transact(async (tx) => {
      const vpc = await requireRow(tx, Vpcs, 'vpc', input.VpcId);
      await checkQuota(tx, vpc, type);
      const bare: VpcEndpointRow = {
        id: ctx.id('vpcEndpoint'),
        vpcId: vpc.id,
        serviceName: name,
        serviceId,
        type,
        state,
        policy,
        routeTableIds: input.RouteTableIds ?? [],
        interfaces: [],
        groups: type === 'Gateway' ? [] : await checkGroups(tx, vpc, input.SecurityGroupIds),
        privateDns,
        created: ctx.now,
        tags,
      };
      if (privateDns) await checkPrivateDns(tx, vpc, name, bare.id);
      if (type === 'Gateway') await changeRoutes(tx, ctx, bare, bare.routeTableIds, []);
      const made = await addInterfaces(tx, ctx, bare, input.SubnetIds ?? []);
      await tx.table(VpcEndpoints).put(made);
      if (service !== undefined) {
        await connect(tx, ctx, made, service);
        await writePrivateName(tx, ctx, made, service);
      }
      return made;
    });
    if (service !== undefined) await wakeBoth(ctx, service, []);
    const shown = await describeEndpoint(ctx, row);
    return {
      VpcEndpoint: { ...shown, State: (type === 'Interface' && state === 'available' ? 'pending' : state) as never },
      ClientToken: input.ClientToken,
    };
  },

  async DescribeVpcEndpoints(input, ctx) {
    const rows = await rowsByIds(ctx, VpcEndpoints, 'vpcEndpoint', input.VpcEndpointIds);
    const passing = applyFilters(rows, input.Filters, {
      'vpc-endpoint-id': (row) => row.id,
      'vpc-endpoint-type': (row) => row.type,
      'vpc-endpoint-state': (row) => row.state,
      'service-name': (row) => row.serviceName,
      'vpc-id': (row) => row.vpcId,
      'ip-address-type': () => 'ipv4',
    });
    const found = page('DescribeVpcEndpoints', passing, (row) => row.id, input, { ids: input.VpcEndpointIds });
    return { VpcEndpoints: await Promise.all(found.rows.map((row) => describeEndpoint(ctx, row))), NextToken: found.nextToken };
  },

  async DescribeVpcEndpointServices(input, ctx) {
    const open = await Promise.all((await openServices(ctx)).map((service) => describeOpenService(ctx, service)));
    const details = [...offersOf(ctx.region).flatMap((offer) => describeOffer(ctx, offer)), ...open];
    const wanted = input.ServiceNames;
    const missing = wanted?.find((name) => !details.some((detail) => detail.ServiceName === name));
    if (missing !== undefined) throw noSuchService(missing);
    if (input.ServiceRegions !== undefined) throw parameterNotImplemented('DescribeVpcEndpointServices', 'ServiceRegions');
    const rows = details
      .filter((detail) => wanted === undefined || wanted.length === 0 || wanted.includes(detail.ServiceName ?? ''))
      .map((detail) => ({ detail, tags: {} }));
    const passing = applyFilters(rows, input.Filters, {
      'service-name': ({ detail }) => detail.ServiceName,
      'service-type': ({ detail }) => (detail.ServiceType ?? []).map(({ ServiceType }) => ServiceType),
      owner: ({ detail }) => detail.Owner,
    });
    const name = ({ detail }: (typeof rows)[number]) => `${detail.ServiceName} ${detail.ServiceType?.[0]?.ServiceType}`;
    const found = page('DescribeVpcEndpointServices', passing, name, input, { least: 1 });
    return {
      ServiceNames: [...new Set(found.rows.map(({ detail }) => detail.ServiceName ?? ''))],
      ServiceDetails: found.rows.map(({ detail }) => detail),
      NextToken: found.nextToken,
    };
  },

  async ModifyVpcEndpoint(input, ctx) {
    for (const name of ['DnsOptions', 'IpAddressType', 'SubnetConfigurations'] as const)
      if (input[name] !== undefined) throw parameterNotImplemented('ModifyVpcEndpoint', name);
    const before = await requireRow(ctx, VpcEndpoints, 'vpcEndpoint', input.VpcEndpointId);
    const service = before.serviceId === undefined ? undefined : await findService(ctx, before.serviceId);
    if (service !== undefined) {
      refusePolicy(before.serviceName, input.PolicyDocument);
      await checkZones(ctx, service, input.AddSubnetIds ?? []);
    }
    await ctx.transact(async (tx) => {
      let row = await requireRow(tx, VpcEndpoints, 'vpcEndpoint', input.VpcEndpointId);
      const vpc = (await tx.table(Vpcs).get(row.vpcId))!;
      const { AddRouteTableIds: come = [], RemoveRouteTableIds: gone = [], RemoveSubnetIds: left = [] } = input;
      if (row.type === 'Interface' && come.length + gone.length > 0)
        throw new AwsError('InvalidParameter', 'Route table IDs are supported only for Gateway type VPC Endpoint.');
      if (row.type === 'Gateway') {
        await changeRoutes(tx, ctx, row, come, gone);
        row = { ...row, routeTableIds: [...row.routeTableIds.filter((id) => !gone.includes(id)), ...come] };
      }
      if (input.ResetPolicy === true) row = { ...row, policy: fullAccess };
      if (input.PolicyDocument !== undefined) row = { ...row, policy: checkPolicy(input.PolicyDocument) };
      if (input.PrivateDnsEnabled === true) await checkPrivateDns(tx, vpc, row.serviceName, row.id);
      const privateDns = input.PrivateDnsEnabled ?? row.privateDns;
      row = { ...row, privateDns: service === undefined ? privateDns : privateNameOf(service, row.state, privateDns) };
      if (row.serviceId !== undefined) await writePrivateName(tx, ctx, row, service);
      const groups = row.groups.filter((id) => !(input.RemoveSecurityGroupIds ?? []).includes(id));
      row = {
        ...row,
        groups: row.type === 'Gateway' ? [] : await checkGroups(tx, vpc, [...groups, ...(input.AddSecurityGroupIds ?? [])]),
      };
      for (const { subnetId, interfaceId } of row.interfaces) {
        const card = await tx.table(Interfaces).get(interfaceId);
        if (card !== undefined && left.includes(subnetId)) await removeInterface(tx, card);
        else if (card !== undefined) await tx.table(Interfaces).put({ ...card, groups: row.groups });
      }
      row = { ...row, interfaces: row.interfaces.filter(({ subnetId }) => !left.includes(subnetId)) };
      await tx.table(VpcEndpoints).put(await addInterfaces(tx, ctx, row, input.AddSubnetIds ?? []));
      tx.hint('networks', row.vpcId);
    });
    if (service !== undefined) await wakeBoth(ctx, service, []);
    return { Return: true };
  },

  /** What does not exist is named among the unsuccessful, the rest goes. */
  async DeleteVpcEndpoints(input, ctx) {
    const { missing, services } = await ctx.transact(async (tx) => {
      const unknown: string[] = [];
      const left: FoundService[] = [];
      for (const id of input.VpcEndpointIds ?? []) {
        const row = await tx.table(VpcEndpoints).get(id);
        if (row === undefined) {
          unknown.push(id);
          continue;
        }
        if (row.type === 'Gateway') await changeRoutes(tx, ctx, row, [], row.routeTableIds);
        for (const { interfaceId } of row.interfaces) {
          const card = await tx.table(Interfaces).get(interfaceId);
          if (card !== undefined) await removeInterface(tx, card);
        }
        const service = await disconnect(tx, ctx, row);
        if (service !== undefined) left.push(service);
        await tx.table(VpcEndpoints).delete(id);
        tx.hint('networks', row.vpcId);
      }
      return { missing: unknown, services: left };
    });
    for (const service of services) await wakeBoth(ctx, service, []);
    return {
      Unsuccessful: missing.map((id) => ({
        ResourceId: id,
        Error: { Code: 'InvalidVpcEndpoint.NotFound', Message: `The Vpc Endpoint Id '${id}' does not exist` },
      })),
    };
  },
};

/** `amazon` or the account of a service. */
async function ownerOf(ctx: Context, serviceName: string): Promise<string | undefined> {
  const id = serviceIdIn(serviceName);
  return id === undefined ? 'amazon' : (await findService(ctx, id))?.scope.account;
}

export const vpcEndpointAuthorisations: AuthorisationsOf<EC2> = {
  CreateVpcEndpoint: async (input, ctx) => [
    {
      resource: ec2Arn(ctx, 'vpc-endpoint', '*'),
      conditions: {
        ...requestTagConditions(input.TagSpecifications?.flatMap(({ Tags = [] }) => Tags)),
        'ec2:VpceServiceName': input.ServiceName,
        'ec2:VpceServiceOwner': await ownerOf(ctx, input.ServiceName ?? ''),
      },
    },
    ...(await checkTagged(
      [input.VpcId ?? '', ...(input.SubnetIds ?? []), ...(input.SecurityGroupIds ?? []), ...(input.RouteTableIds ?? [])],
      ctx,
    )),
  ],
  ModifyVpcEndpoint: (input, ctx) => checkTagged([input.VpcEndpointId ?? ''], ctx),
  DeleteVpcEndpoints: (input, ctx) => checkTagged(input.VpcEndpointIds ?? [], ctx),
};
