/** Endpoints of services that accounts offer: what making and changing one asks of the service ("Access a service endpoint", PrivateLink Guide). */
import type { CreateVpcEndpointRequest, ServiceDetail } from '@aws-sdk/client-ec2';
import type { Context, Transaction } from '../../../kernel/context.ts';
import { AwsError } from '../../../kernel/errors.ts';
import {
  type FoundService,
  findService,
  isOpenTo,
  serviceDnsName,
  serviceNameOf,
  serviceZones,
} from '../endpoint-services/lookup.ts';
import { EndpointConnections, ServiceNames } from '../endpoint-services/state.ts';
import { Subnets } from '../vpc/state.ts';
import type { VpcEndpointRow } from './state.ts';

/** No service of this name for the caller. */
export function noSuchService(name: string): AwsError {
  return new AwsError('InvalidServiceName', `The Vpc Endpoint Service '${name}' does not exist`);
}

/** The service that a new endpoint is for. Throws InvalidServiceName when it does not exist for the caller, InvalidParameter. */
export async function requireOpenService(ctx: Context, id: string, input: CreateVpcEndpointRequest): Promise<FoundService> {
  const name = input.ServiceName ?? '';
  const service = await findService(ctx, id);
  if (service === undefined || name !== serviceNameOf(ctx.region, id) || service.scope.region !== ctx.region)
    throw noSuchService(name);
  if (!isOpenTo(service, ctx.caller)) throw noSuchService(name);
  if (input.VpcEndpointType !== 'Interface')
    throw new AwsError(
      'InvalidParameter',
      `Endpoint type (${input.VpcEndpointType ?? 'Gateway'}) does not match available service types ([Interface]).`,
    );
  refusePolicy(name, input.PolicyDocument);
  await checkZones(ctx, service, input.SubnetIds ?? []);
  return service;
}

/** Endpoint policies are for the provider's own services. */
export function refusePolicy(name: string, policy: string | undefined): void {
  if (policy !== undefined && policy !== '')
    throw new AwsError('InvalidParameter', `The VPC endpoint service ${name} does not support VPC endpoint policies.`);
}

/** Every subnet must be in a zone of the service. Throws InvalidParameter. */
export async function checkZones(ctx: Context, service: FoundService, subnetIds: readonly string[]): Promise<void> {
  const zones = new Set((await serviceZones(ctx, service)).map(({ name }) => name));
  for (const id of subnetIds) {
    const subnet = await ctx.table(Subnets).get(id);
    if (subnet !== undefined && !zones.has(subnet.zone))
      throw new AwsError(
        'InvalidParameter',
        `The VPC endpoint service ${serviceNameOf(service.scope.region, service.row.id)} does not support the availability zone of the subnet: ${id}.`,
      );
  }
}

/**
 * Whether an endpoint has its service's private name: only once it is accepted and the name is verified ("Manage DNS names"). Without a wish it
 * has the name when it can. Throws InvalidParameter.
 */
export function privateNameOf(
  { scope, row }: FoundService,
  state: VpcEndpointRow['state'],
  wanted: boolean | undefined,
): boolean {
  const name = serviceNameOf(scope.region, row.id);
  const verified = row.privateName?.state === 'verified';
  if (wanted === undefined) return verified && state === 'available';
  if (!wanted) return false;
  const cannot = "Private DNS can't be enabled because the service";
  if (row.privateName === undefined)
    throw new AwsError('InvalidParameter', `${cannot} ${name} does not provide a private DNS name.`);
  if (!verified) throw new AwsError('InvalidParameter', `${cannot} ${name} has not verified the private DNS name.`);
  if (state !== 'available')
    throw new AwsError(
      'InvalidParameter',
      `Private DNS can only be enabled after the endpoint connection is accepted by the owner of ${name}.`,
    );
  return true;
}

/** Writes, or takes away, the private name in the VPC of an endpoint. Throws InvalidParameter when another endpoint has it there. */
export async function writePrivateName(
  tx: Transaction,
  ctx: Context,
  row: VpcEndpointRow,
  service: FoundService | undefined,
): Promise<void> {
  for (const known of await tx.table(ServiceNames).list({ prefix: [row.vpcId] }))
    if (known.endpointId === row.id) await tx.table(ServiceNames).delete(known.vpcId, known.name);
  const name = row.privateDns ? service?.row.privateName?.name : undefined;
  if (name === undefined) return;
  if ((await tx.table(ServiceNames).get(row.vpcId, name)) !== undefined)
    throw new AwsError(
      'InvalidParameter',
      `private-dns-enabled cannot be set because there is already a conflicting DNS domain for ${name} in the VPC ${row.vpcId}`,
    );
  await tx.table(ServiceNames).put({ vpcId: row.vpcId, name, endpointId: row.id, account: ctx.account, region: ctx.region });
}

/** Tells the service of an endpoint that it has one more. */
export async function connect(tx: Transaction, ctx: Context, row: VpcEndpointRow, { scope }: FoundService): Promise<void> {
  const id = ctx.id('endpointConnection');
  await tx.tableIn(scope, EndpointConnections).put({ id, serviceId: row.serviceId!, endpointId: row.id, account: ctx.account });
}

/** The same when the endpoint goes. */
export async function disconnect(tx: Transaction, ctx: Context, row: VpcEndpointRow): Promise<FoundService | undefined> {
  if (row.serviceId === undefined) return undefined;
  await writePrivateName(tx, ctx, { ...row, privateDns: false }, undefined);
  const service = await findService(tx, row.serviceId);
  if (service !== undefined) await tx.tableIn(service.scope, EndpointConnections).delete(row.serviceId, row.id);
  return service;
}

/** A service as DescribeVpcEndpointServices shows it to those whom it is open to. */
export async function describeOpenService(ctx: Context, service: FoundService): Promise<ServiceDetail> {
  const { scope, row } = service;
  const zones = await serviceZones(ctx, service);
  return {
    ServiceName: serviceNameOf(scope.region, row.id),
    ServiceId: row.id,
    ServiceType: [{ ServiceType: 'Interface' }],
    ServiceRegion: scope.region,
    AvailabilityZones: zones.map(({ name }) => name),
    AvailabilityZoneIds: zones.map(({ id }) => id),
    Owner: scope.account,
    BaseEndpointDnsNames: [serviceDnsName(scope.region, row.id)],
    PrivateDnsName: row.privateName?.name,
    PrivateDnsNames: row.privateName && [{ PrivateDnsName: row.privateName.name }],
    PrivateDnsNameVerificationState: row.privateName?.state,
    VpcEndpointPolicySupported: false,
    AcceptanceRequired: row.acceptance,
    ManagesVpcEndpoints: false,
    SupportedIpAddressTypes: ['ipv4'],
    Tags: [],
  };
}
