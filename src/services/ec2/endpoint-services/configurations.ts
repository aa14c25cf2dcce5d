/**
 * Endpoint services: what an account offers to others behind its network load balancers ("Share your services through AWS PrivateLink", AWS
 * PrivateLink Guide). Services behind gateway load balancers wait for those.
 */
import type { EC2, ServiceConfiguration } from '@aws-sdk/client-ec2';
import { plainName } from '../../../planes/dns/resolve.ts';
import type { Context, Transaction } from '../../../kernel/context.ts';
import { AwsError, parameterNotImplemented } from '../../../kernel/errors.ts';
import type { AuthorisationsOf, HandlersOf } from '../../../kernel/service.ts';
import { missingParameter, notFound } from '../errors.ts';
import { applyFilters } from '../filters.ts';
import { requireRow, rowsByIds } from '../lookup.ts';
import { page } from '../paging.ts';
import { checkTagged, describeTags, ec2Arn, requestTagConditions, tagsFor } from '../tags.ts';
import { connectedTo, serviceDnsName, serviceNameOf, serviceZones, wakeBoth } from './lookup.ts';
import {
  type AllowedPrincipalRow,
  EndpointConnections,
  EndpointServiceOwners,
  type EndpointServiceRow,
  EndpointServices,
  type PrivateNameRow,
} from './state.ts';

/** Per Region ("AWS PrivateLink quotas" leaves room for more; the API refuses above). */
const servicesPerRegionMax = 500;
const balancersPerServiceMax = 10;
/** As in the TXT records that AWS asks for. */
const recordNameLength = 19;
const recordValueLength = 20;

async function describeService(ctx: Context, row: EndpointServiceRow): Promise<ServiceConfiguration> {
  const zones = await serviceZones(ctx, { scope: { account: ctx.account, region: ctx.region }, row });
  return {
    ServiceType: [{ ServiceType: 'Interface' }],
    ServiceId: row.id,
    ServiceName: serviceNameOf(ctx.region, row.id),
    ServiceState: 'Available',
    AvailabilityZones: zones.map(({ name }) => name),
    AvailabilityZoneIds: zones.map(({ id }) => id),
    AcceptanceRequired: row.acceptance,
    ManagesVpcEndpoints: false,
    NetworkLoadBalancerArns: [...row.balancers],
    SupportedIpAddressTypes: ['ipv4'],
    BaseEndpointDnsNames: [serviceDnsName(ctx.region, row.id)],
    PrivateDnsName: row.privateName?.name,
    PrivateDnsNameConfiguration: row.privateName && {
      State: row.privateName.state,
      Type: 'TXT',
      Name: row.privateName.recordName,
      Value: row.privateName.recordValue,
    },
    Tags: describeTags(row.tags),
    RemoteAccessEnabled: false,
  };
}

/** All must be network load balancers of the account and Region. Throws InvalidParameter. */
async function checkBalancers(ctx: Context, arns: readonly string[]): Promise<void> {
  if (arns.length === 0) throw missingParameter('NetworkLoadBalancerArns');
  if (arns.length > balancersPerServiceMax)
    throw new AwsError('InvalidParameter', `An endpoint service can have at most ${balancersPerServiceMax} load balancers.`);
  const elb = ctx.asService().call('elastic-load-balancing-v2');
  for (const arn of arns) {
    const found = await elb.describeLoadBalancers({ LoadBalancerArns: [arn] }).catch((error: unknown) => {
      if (error instanceof AwsError) return undefined;
      throw error;
    });
    const balancer = found?.LoadBalancers?.[0];
    if (balancer === undefined)
      throw new AwsError('InvalidParameter', `The Network Load Balancer ARN ${arn} is not valid or does not exist.`);
    if (balancer.Type !== 'network')
      throw new AwsError('InvalidParameter', `The load balancer ${arn} is not a Network Load Balancer.`);
  }
}

/** Throws InvalidParameter for what is no name of a domain below a top level. */
function newPrivateName(ctx: Context, text: string): PrivateNameRow {
  const name = plainName(text);
  const labels = name.replace(/^\*\./, '').split('.');
  if (name.length > 255 || labels.length < 2 || !labels.every((label) => /^[a-z0-9_]([a-z0-9-]{0,61}[a-z0-9])?$/.test(label)))
    throw new AwsError('InvalidParameter', `The private DNS name ${text} is not valid.`);
  const letters = (count: number) => [...ctx.bytes(count)].map((byte) => (byte % 36).toString(36)).join('');
  return {
    name,
    state: 'pendingVerification',
    recordName: `_${letters(recordNameLength)}`,
    recordValue: `vpce:${letters(recordValueLength)}`,
  };
}

function refuseUnimplemented(operation: string, input: object): void {
  for (const [name, value] of Object.entries(input)) {
    if (value === undefined || value.length === 0) continue;
    const only4 = name.includes('SupportedIpAddressTypes') && name !== 'RemoveSupportedIpAddressTypes';
    if (name.includes('GatewayLoadBalancerArns')) throw parameterNotImplemented(operation, name);
    if (name.includes('SupportedRegions')) throw parameterNotImplemented(operation, name);
    if (name.includes('SupportedIpAddressTypes') && !(only4 && value.join() === 'ipv4'))
      throw parameterNotImplemented(operation, name);
  }
}

/** Takes the TXT record for proof: at the name itself or at one of the domains above it ("Domain ownership verification"). */
async function isProven(ctx: Context, { name, recordName, recordValue }: PrivateNameRow): Promise<boolean> {
  const labels = name.replace(/^\*\./, '').split('.');
  const address = ctx.part('fabric').hostAddress ?? '127.0.0.1';
  for (let at = 0; at + 1 < labels.length; at += 1) {
    const question = { name: [recordName, ...labels.slice(at)].join('.'), type: 'TXT' as const };
    const { answers } = await ctx.part('dns').resolve(question, { address });
    const texts = answers.flatMap((record) => (record.type === 'TXT' ? [record.data].flat().join('') : []));
    if (texts.includes(recordValue)) return true;
  }
  return false;
}

function principalType(arn: string): 'All' | 'Account' | 'User' | 'Role' {
  if (arn === '*') return 'All';
  if (arn.endsWith(':root')) return 'Account';
  return arn.includes(':user/') ? 'User' : 'Role';
}

function describePrincipal(serviceId: string, { id, arn }: AllowedPrincipalRow) {
  return { PrincipalType: principalType(arn), Principal: arn, ServicePermissionId: id, ServiceId: serviceId };
}

/** Throws InvalidPrincipal. */
function checkPrincipal(arn: string): string {
  if (/^(\*|arn:aws:iam::\d{12}:(root|(user|role)\/[\w+=,.@/-]+))$/.test(arn)) return arn;
  throw new AwsError('InvalidPrincipal', `Invalid Principal: '${arn}'`);
}

async function requireService(source: Pick<Context | Transaction, 'table'>, id: string | undefined): Promise<EndpointServiceRow> {
  if (id === undefined) throw missingParameter('ServiceId');
  return requireRow(source, EndpointServices, 'endpointService', id);
}

export const endpointServiceHandlers: HandlersOf<EC2> = {
  /** Requests have to be accepted unless told otherwise. Throws InvalidParameter. */
  async CreateVpcEndpointServiceConfiguration(input, ctx) {
    const { NetworkLoadBalancerArns: balancers = [], DryRun: _dryRun, ...rest } = input;
    refuseUnimplemented('CreateVpcEndpointServiceConfiguration', rest);
    await checkBalancers(ctx, balancers);
    const tags = tagsFor('vpc-endpoint-service', input.TagSpecifications);
    const row: EndpointServiceRow = {
      id: ctx.id('endpointService'),
      acceptance: input.AcceptanceRequired ?? true,
      balancers: [...new Set(balancers)],
      principals: [],
      privateName: input.PrivateDnsName === undefined ? undefined : newPrivateName(ctx, input.PrivateDnsName),
      tags,
    };
    await ctx.transact(async (tx) => {
      if ((await tx.table(EndpointServices).list()).length >= servicesPerRegionMax)
        throw new AwsError('VpcEndpointServiceLimitExceeded', 'The maximum number of endpoint services has been reached.');
      await tx.table(EndpointServices).put(row);
      await tx.table(EndpointServiceOwners).put({ id: row.id, account: ctx.account, region: ctx.region });
    });
    return { ServiceConfiguration: await describeService(ctx, row), ClientToken: input.ClientToken };
  },

  async DescribeVpcEndpointServiceConfigurations(input, ctx) {
    const rows = await rowsByIds(ctx, EndpointServices, 'endpointService', input.ServiceIds);
    const passing = applyFilters(rows, input.Filters, {
      'service-id': (row) => row.id,
      'service-name': (row) => serviceNameOf(ctx.region, row.id),
      'service-state': () => 'Available',
      'supported-ip-address-types': () => 'ipv4',
    });
    const found = page('DescribeVpcEndpointServiceConfigurations', passing, (row) => row.id, input, { ids: input.ServiceIds });
    return {
      ServiceConfigurations: await Promise.all(found.rows.map((row) => describeService(ctx, row))),
      NextToken: found.nextToken,
    };
  },

  async ModifyVpcEndpointServiceConfiguration(input, ctx) {
    const { AddNetworkLoadBalancerArns: come = [], RemoveNetworkLoadBalancerArns: gone = [], DryRun: _dryRun, ...rest } = input;
    refuseUnimplemented('ModifyVpcEndpointServiceConfiguration', rest);
    await requireService(ctx, input.ServiceId);
    if (come.length > 0) await checkBalancers(ctx, come);
    if (input.PrivateDnsName !== undefined && input.RemovePrivateDnsName === true)
      throw new AwsError('InvalidParameterCombination', 'PrivateDnsName and RemovePrivateDnsName exclude one another.');
    const named = input.PrivateDnsName === undefined ? undefined : newPrivateName(ctx, input.PrivateDnsName);
    const scope = { account: ctx.account, region: ctx.region };
    const before = await requireService(ctx, input.ServiceId);
    const row = await ctx.transact(async (tx) => {
      const known = await requireService(tx, input.ServiceId);
      const balancers = [...new Set([...known.balancers.filter((arn) => !gone.includes(arn)), ...come])];
      if (balancers.length === 0)
        throw new AwsError('InvalidParameter', 'An endpoint service must have at least one load balancer.');
      const kept = named?.name === known.privateName?.name ? known.privateName : named;
      const next: EndpointServiceRow = {
        ...known,
        balancers,
        acceptance: input.AcceptanceRequired ?? known.acceptance,
        privateName: input.RemovePrivateDnsName === true ? undefined : named === undefined ? known.privateName : kept,
      };
      await tx.table(EndpointServices).put(next);
      return next;
    });
    for (const each of [before, row]) await wakeBoth(ctx, { scope, row: each }, []);
    return { Return: true };
  },

  /** Not while endpoints are connected or wait: those have to be rejected first ("Delete an endpoint service"). */
  async DeleteVpcEndpointServiceConfigurations(input, ctx) {
    const scope = { account: ctx.account, region: ctx.region };
    const Unsuccessful = await ctx.transact(async (tx) => {
      const failed: { ResourceId: string; Error: { Code: string; Message: string } }[] = [];
      for (const id of input.ServiceIds ?? []) {
        const row = await tx.table(EndpointServices).get(id);
        const used = row !== undefined && (await connectedTo(tx, { scope, row })).some(({ endpoint }) => isLive(endpoint.state));
        if (row === undefined) {
          const { code, message } = notFound('endpointService', id);
          failed.push({ ResourceId: id, Error: { Code: code, Message: message } });
        } else if (used) {
          const Message = 'Service has existing active VPC Endpoint connections!';
          failed.push({ ResourceId: id, Error: { Code: 'ExistingVpcEndpointConnections', Message } });
        } else {
          for (const { serviceId, endpointId } of await tx.table(EndpointConnections).list({ prefix: [id] }))
            await tx.table(EndpointConnections).delete(serviceId, endpointId);
          await tx.table(EndpointServices).delete(id);
          await tx.table(EndpointServiceOwners).delete(id);
        }
      }
      return failed;
    });
    return { Unsuccessful };
  },

  /** Looks for the record at once; `failed` when it is not there, and may be asked again. */
  async StartVpcEndpointServicePrivateDnsVerification(input, ctx) {
    const { privateName } = await requireService(ctx, input.ServiceId);
    if (privateName === undefined)
      throw new AwsError('InvalidParameter', `The endpoint service ${input.ServiceId} does not have a private DNS name.`);
    const state = (await isProven(ctx, privateName)) ? 'verified' : 'failed';
    await ctx.transact(async (tx) => {
      const known = await requireService(tx, input.ServiceId);
      if (known.privateName?.recordValue === privateName.recordValue)
        await tx.table(EndpointServices).put({ ...known, privateName: { ...privateName, state } });
    });
    return { ReturnValue: true };
  },

  async DescribeVpcEndpointServicePermissions(input, ctx) {
    const row = await requireService(ctx, input.ServiceId);
    const rows = row.principals.map((principal) => ({ ...principal, tags: {} }));
    const passing = applyFilters(rows, input.Filters, {
      principal: ({ arn }) => arn,
      'principal-type': ({ arn }) => principalType(arn),
    });
    const found = page('DescribeVpcEndpointServicePermissions', passing, ({ arn }) => arn, input);
    return { AllowedPrincipals: found.rows.map((one) => describePrincipal(row.id, one)), NextToken: found.nextToken };
  },

  /** Connections of who is removed stay ("Manage permissions"). Throws InvalidPrincipal. */
  async ModifyVpcEndpointServicePermissions(input, ctx) {
    const added = (input.AddAllowedPrincipals ?? []).map(checkPrincipal);
    const removed = new Set(input.RemoveAllowedPrincipals ?? []);
    const come = await ctx.transact(async (tx) => {
      const row = await requireService(tx, input.ServiceId);
      const kept = row.principals.filter(({ arn }) => !removed.has(arn));
      const fresh = added.filter((arn) => !kept.some((one) => one.arn === arn));
      const made = [...new Set(fresh)].map((arn): AllowedPrincipalRow => ({ id: ctx.id('endpointServicePermission'), arn }));
      await tx.table(EndpointServices).put({ ...row, principals: [...kept, ...made].sort((a, b) => (a.arn < b.arn ? -1 : 1)) });
      return made.map((one) => describePrincipal(row.id, one));
    });
    return { AddedPrincipals: come, ReturnValue: true };
  },
};

/** Whether an endpoint in this state keeps its service from being deleted. */
function isLive(state: string): boolean {
  return state === 'available' || state === 'pendingAcceptance';
}

const onService = (input: { ServiceId?: string | undefined }, ctx: Context) => checkTagged([input.ServiceId ?? ''], ctx);

export const endpointServiceAuthorisations: AuthorisationsOf<EC2> = {
  CreateVpcEndpointServiceConfiguration: (input, ctx) => [
    {
      resource: ec2Arn(ctx, 'vpc-endpoint-service', '*'),
      conditions: {
        ...requestTagConditions(input.TagSpecifications?.flatMap(({ Tags = [] }) => Tags)),
        'ec2:VpceServicePrivateDnsName': input.PrivateDnsName,
      },
    },
  ],
  ModifyVpcEndpointServiceConfiguration: onService,
  DeleteVpcEndpointServiceConfigurations: (input, ctx) => checkTagged(input.ServiceIds ?? [], ctx),
  StartVpcEndpointServicePrivateDnsVerification: onService,
  DescribeVpcEndpointServicePermissions: onService,
  ModifyVpcEndpointServicePermissions: onService,
};
