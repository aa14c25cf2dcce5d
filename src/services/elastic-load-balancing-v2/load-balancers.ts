/** Load balancers: create, describe, change, delete. Their nodes are the reconciler's (nodes.ts). */
import type {
  CreateLoadBalancerInput,
  ElasticLoadBalancingV2,
  LoadBalancer,
  SubnetMapping,
} from '@aws-sdk/client-elastic-load-balancing-v2';
import type { Context, Transaction } from '../../kernel/context.ts';
import { AwsError, parameterNotImplemented } from '../../kernel/errors.ts';
import type { HandlersOf } from '../../kernel/service.ts';
import type { Ec2Api } from '../ec2/api.ts';
import { balancerArn } from './arns.ts';
import { balancerAttribute, changeAttributes, listAttributes } from './attributes.ts';
import { checkLogs } from './logs.ts';
import { invalidConfiguration, notPermitted, validationError } from './errors.ts';
import { describePage, findBalancer } from './lookup.ts';
import { dnsNameFor } from './names.ts';
import { releaseCertificates } from './certificates.ts';
import {
  BalancerNames,
  type BalancerRow,
  type BalancerSubnet,
  Balancers,
  type BalancerType,
  Listeners,
  LogLines,
  Rules,
} from './state.ts';
import { mergeTags } from './tags.ts';

/** Per Region ("Quotas for your Application Load Balancers"). */
const balancersMax = 50;

/** Hosted zones of load balancers' names in the real cloud, for alias records. */
const hostedZones: Readonly<Record<BalancerType, string>> = { application: 'Z35SXDOTRQ7X7K', network: 'Z26RNL4JYFTOTI' };

function describeBalancer(row: BalancerRow): LoadBalancer {
  return {
    LoadBalancerArn: row.arn,
    DNSName: row.dnsName,
    CanonicalHostedZoneId: hostedZones[row.type],
    CreatedTime: new Date(row.created),
    LoadBalancerName: row.name,
    Scheme: row.scheme,
    VpcId: row.vpcId,
    State: { Code: row.state === 'deleting' ? 'active' : row.state, Reason: row.reason },
    Type: row.type,
    AvailabilityZones: row.subnets.map((subnet) => describeZone(row, subnet)),
    SecurityGroups: row.type === 'network' && row.groups.length === 0 ? undefined : [...row.groups],
    EnforceSecurityGroupInboundRulesOnPrivateLinkTraffic:
      row.type === 'network' && row.groups.length > 0 ? (row.privateLinkRules ?? 'on') : undefined,
    IpAddressType: 'ipv4',
  };
}

function describeZone(row: BalancerRow, { subnetId, zone, allocationId, privateIp }: BalancerSubnet) {
  const node = row.nodes.find((each) => each.subnetId === subnetId);
  const fixed = allocationId !== undefined || privateIp !== undefined;
  return {
    ZoneName: zone,
    SubnetId: subnetId,
    LoadBalancerAddresses: fixed
      ? [{ IpAddress: node?.publicIp, AllocationId: allocationId, PrivateIPv4Address: privateIp }]
      : [],
  };
}

/** A name that a load balancer may have ("CreateLoadBalancer": Name). */
export function checkName(name: string | undefined, noun: string): string {
  if (name === undefined || name === '') throw validationError(`A ${noun} name must be specified`);
  if (name.length > 32) throw validationError(`The ${noun} name '${name}' cannot be longer than '32' characters`);
  if (!/^[A-Za-z0-9-]+$/.test(name))
    throw validationError(
      `The ${noun} name '${name}' can only contain characters that are alphanumeric characters and hyphens(-)`,
    );
  if (name.startsWith('-') || name.endsWith('-'))
    throw validationError(`The ${noun} name '${name}' cannot begin or end with a hyphen(-)`);
  if (noun === 'load balancer' && name.startsWith('internal-'))
    throw validationError(`The ${noun} name '${name}' cannot begin with 'internal-'`);
  return name;
}

const unimplemented = ['CustomerOwnedIpv4Pool', 'EnablePrefixForIpv6SourceNat', 'IpamPools'] as const;

function checkInput(input: CreateLoadBalancerInput): BalancerType {
  const name = unimplemented.find((each) => input[each] !== undefined && input[each] !== 'off');
  if (name !== undefined) throw parameterNotImplemented('CreateLoadBalancer', name);
  const type = input.Type ?? 'application';
  if (!['application', 'network', 'gateway'].includes(type))
    throw validationError(
      `1 validation error detected: Value '${type}' at 'type' failed to satisfy constraint: Member must satisfy enum value set: [application, network, gateway]`,
    );
  if (type === 'gateway') throw parameterNotImplemented('CreateLoadBalancer', 'Type gateway');
  if (input.Scheme !== undefined && input.Scheme !== 'internet-facing' && input.Scheme !== 'internal')
    throw validationError(
      `1 validation error detected: Value '${input.Scheme}' at 'scheme' failed to satisfy constraint: Member must satisfy enum value set: [internet-facing, internal]`,
    );
  if (input.IpAddressType !== undefined && input.IpAddressType !== 'ipv4')
    throw parameterNotImplemented('CreateLoadBalancer', `IpAddressType ${input.IpAddressType}`);
  return type as BalancerType;
}

interface Place {
  vpcId: string;
  subnets: BalancerSubnet[];
}

/** The subnets of a request, checked: one for each zone, all in one VPC, enough zones for the type. */
async function placeOf(
  ctx: Context,
  type: BalancerType,
  internal: boolean,
  input: { Subnets?: string[] | undefined; SubnetMappings?: SubnetMapping[] | undefined },
): Promise<Place> {
  const ec2 = await ctx.internal<Ec2Api>('ec2');
  if ((input.Subnets?.length ?? 0) > 0 && (input.SubnetMappings?.length ?? 0) > 0)
    throw validationError('You can specify either subnets or subnet mappings, not both');
  const mappings: SubnetMapping[] = input.SubnetMappings ?? (input.Subnets ?? []).map((SubnetId) => ({ SubnetId }));
  if (mappings.length === 0) throw validationError('At least one subnet must be specified');
  const found: BalancerSubnet[] = [];
  let vpcId = '';
  for (const { SubnetId: id = '', AllocationId, PrivateIPv4Address, IPv6Address, SourceNatIpv6Prefix } of mappings) {
    if (IPv6Address !== undefined || SourceNatIpv6Prefix !== undefined)
      throw parameterNotImplemented('CreateLoadBalancer', 'SubnetMappings.IPv6Address');
    const subnet = await ec2.subnetFacts(id);
    if (subnet === undefined) throw new AwsError('SubnetNotFound', `The subnet ID '${id}' is not valid`);
    if (vpcId !== '' && subnet.vpcId !== vpcId) throw invalidConfiguration('All subnets must belong to the same VPC');
    vpcId = subnet.vpcId;
    if (found.some(({ zone }) => zone === subnet.zone))
      throw invalidConfiguration('A load balancer cannot be attached to multiple subnets in the same Availability Zone');
    if (!internal && !subnet.internet) throw new AwsError('InvalidSubnet', `VPC ${subnet.vpcId} has no internet gateway`);
    if (AllocationId !== undefined && type !== 'network')
      throw validationError("Elastic IPs are not supported for load balancers with type 'application'");
    if (AllocationId !== undefined && internal) throw validationError('Internal load balancers cannot use Elastic IP addresses');
    if (PrivateIPv4Address !== undefined && (type !== 'network' || !internal))
      throw validationError('A private IPv4 address can be specified for internal Network Load Balancers only');
    found.push({
      subnetId: id,
      zone: subnet.zone,
      zoneId: subnet.zoneId,
      allocationId: AllocationId,
      privateIp: PrivateIPv4Address,
    });
  }
  if (type === 'application' && found.length < 2)
    throw validationError('At least two subnets in two different Availability Zones must be specified');
  return { vpcId, subnets: found };
}

async function checkGroups(ctx: Context, type: BalancerType, vpcId: string, wanted: string[] | undefined): Promise<string[]> {
  const ec2 = await ctx.internal<Ec2Api>('ec2');
  if (wanted === undefined || wanted.length === 0) return type === 'network' ? [] : [(await ec2.vpcFacts(vpcId))!.defaultGroup];
  if (wanted.length > 5) throw invalidConfiguration('A load balancer can have at most 5 security groups');
  for (const id of wanted) {
    const vpcs = await ec2.groupVpcs(id);
    if (vpcs === undefined) throw new AwsError('InvalidSecurityGroup', `Security group '${id}' not found`);
    if (!vpcs.includes(vpcId))
      throw invalidConfiguration('One or more security groups do not belong to the VPC of the load balancer');
  }
  return [...new Set(wanted)];
}

const sameSettings = (row: BalancerRow, type: BalancerType, scheme: string, { subnets }: Place): boolean =>
  row.type === type &&
  row.scheme === scheme &&
  row.subnets
    .map(({ subnetId }) => subnetId)
    .sort()
    .join() ===
    subnets
      .map(({ subnetId }) => subnetId)
      .sort()
      .join();

async function checkNew(tx: Transaction, name: string): Promise<void> {
  const rows = await tx.table(Balancers).list();
  if (rows.filter(({ state }) => state !== 'deleting').length >= balancersMax)
    throw new AwsError('TooManyLoadBalancers', `The maximum number of load balancers has been reached`);
  if (rows.some((row) => row.name === name && row.state === 'deleting'))
    throw new AwsError('DuplicateLoadBalancerName', `A load balancer with the same name '${name}' is still being deleted`);
}

export const balancerHandlers: HandlersOf<ElasticLoadBalancingV2> = {
  /** A repeat with the same settings gets the first load balancer ("CreateLoadBalancer": idempotent). */
  async CreateLoadBalancer(input, ctx) {
    const name = checkName(input.Name, 'load balancer');
    const type = checkInput(input);
    const scheme = input.Scheme ?? 'internet-facing';
    const place = await placeOf(ctx, type, scheme === 'internal', input);
    const groups = await checkGroups(ctx, type, place.vpcId, input.SecurityGroups);
    const row = await ctx.transact(async (tx) => {
      const known = (await tx.table(Balancers).byIndex('byName', [name])).find(({ state }) => state !== 'deleting');
      if (known !== undefined) {
        if (sameSettings(known, type, scheme, place)) return known;
        throw new AwsError(
          'DuplicateLoadBalancerName',
          `A load balancer with the same name '${name}' exists, but with different settings`,
        );
      }
      await checkNew(tx, name);
      const id = ctx.id('loadBalancerPart');
      const made: BalancerRow = {
        ...{ arn: balancerArn(ctx, type, name, id), name, type, scheme, ...place, groups },
        ...{ state: 'provisioning', created: ctx.now, attributes: {}, nodes: [] },
        dnsName: dnsNameFor(ctx, { type, scheme, name, id, number: ctx.id('loadBalancerNumber') }),
        secret: Buffer.from(ctx.bytes(32)).toString('hex'),
        tags: mergeTags({}, input.Tags),
      };
      await tx.table(Balancers).put(made);
      await tx.table(BalancerNames).put({ dnsName: made.dnsName, account: ctx.account, region: ctx.region, arn: made.arn });
      await tx.schedule({ task: 'publishMetrics', key: made.arn, due: Math.floor(ctx.now / 60_000) * 60_000 + 60_000 });
      tx.hint('balancers', made.arn);
      return made;
    });
    return { LoadBalancers: [describeBalancer(row)] };
  },

  async DescribeLoadBalancers(input, ctx) {
    const { LoadBalancerArns: arns = [], Names: names = [] } = input;
    if (arns.length > 0 && names.length > 0)
      throw validationError('Load balancer names and load balancer ARNs cannot be specified at the same time');
    const all = (await ctx.table(Balancers).list()).filter(({ state }) => state !== 'deleting');
    for (const name of names)
      if (!all.some((row) => row.name === name))
        throw new AwsError('LoadBalancerNotFound', `Load balancers '[${name}]' not found`);
    for (const arn of arns) await findBalancer(ctx, arn);
    const wanted = all.filter(
      (row) => (arns.length === 0 || arns.includes(row.arn)) && (names.length === 0 || names.includes(row.name)),
    );
    const page = describePage('DescribeLoadBalancers', wanted, (row) => [row.arn], input);
    return { LoadBalancers: page.items.map(describeBalancer), NextMarker: page.marker };
  },

  /** Succeeds also when there is none of this ARN. Throws OperationNotPermitted while it is protected, ResourceInUse behind an endpoint service. */
  async DeleteLoadBalancer(input, ctx) {
    const services = await (await ctx.internal<Ec2Api>('ec2')).endpointServicesOf(input.LoadBalancerArn ?? '');
    const certificates = await ctx.transact(async (tx) => {
      const row = await findBalancer(tx, input.LoadBalancerArn).catch((error: AwsError) => {
        if (error.code === 'LoadBalancerNotFound') return undefined;
        throw error;
      });
      if (row === undefined) return [];
      if (balancerAttribute(row, 'deletion_protection.enabled') === 'true')
        throw notPermitted(`Load balancer '${row.arn}' cannot be deleted because deletion protection is enabled`);
      if (services.length > 0)
        throw new AwsError(
          'ResourceInUse',
          `Load balancer '${row.arn}' cannot be deleted because it is currently associated with another service`,
        );
      const listeners = await tx.table(Listeners).byIndex('byBalancer', [row.arn]);
      for (const rule of await tx.table(Rules).byIndex('byBalancer', [row.arn])) await tx.table(Rules).delete(rule.arn);
      for (const { arn } of listeners) await tx.table(Listeners).delete(arn);
      await tx.table(BalancerNames).delete(row.dnsName);
      await tx.table(Balancers).put({ ...row, state: 'deleting' });
      await tx.unschedule('publishMetrics', row.arn);
      for (const { balancer, kind, node, at } of await tx.table(LogLines).list({ prefix: [row.arn] }))
        await tx.table(LogLines).delete(balancer, kind, node, at);
      tx.hint('balancers', row.arn);
      return listeners.flatMap((listener) => listener.certificates.map((certificate) => ({ certificate, user: row.arn })));
    });
    await releaseCertificates(ctx, certificates);
    return {};
  },

  async DescribeLoadBalancerAttributes(input, ctx) {
    const row = await findBalancer(ctx, input.LoadBalancerArn);
    return { Attributes: listAttributes(row.type, row.attributes) };
  },

  /** Nobody can reserve capacity here (ModifyCapacityReservation answers 501), so none is reserved. */
  async DescribeCapacityReservation(input, ctx) {
    await findBalancer(ctx, input.LoadBalancerArn);
    return { DecreaseRequestsRemaining: 0, CapacityReservationState: [] };
  },

  async ModifyLoadBalancerAttributes(input, ctx) {
    const before = await findBalancer(ctx, input.LoadBalancerArn);
    const wanted = changeAttributes('ModifyLoadBalancerAttributes', before.type, before.attributes, input.Attributes);
    await checkLogs(ctx, before, wanted);
    const row = await ctx.transact(async (tx) => {
      const known = await findBalancer(tx, input.LoadBalancerArn);
      const attributes = changeAttributes('ModifyLoadBalancerAttributes', known.type, known.attributes, input.Attributes);
      const next = { ...known, attributes };
      await tx.table(Balancers).put(next);
      tx.hint('balancers', known.arn);
      return next;
    });
    return { Attributes: listAttributes(row.type, row.attributes) };
  },

  async SetSecurityGroups(input, ctx) {
    const row = await findBalancer(ctx, input.LoadBalancerArn);
    const enforced = input.EnforceSecurityGroupInboundRulesOnPrivateLinkTraffic;
    if (enforced !== undefined && row.type !== 'network')
      throw validationError('Enforcing inbound rules on PrivateLink traffic is supported for Network Load Balancers only');
    if (enforced !== undefined && enforced !== 'on' && enforced !== 'off')
      throw validationError(
        `1 validation error detected: Value '${enforced}' at 'enforceSecurityGroupInboundRulesOnPrivateLinkTraffic' failed to satisfy constraint: Member must satisfy enum value set: [off, on]`,
      );
    if (row.type === 'network' && row.groups.length === 0)
      throw invalidConfiguration('You cannot add security groups to a Network Load Balancer that was created without any');
    const groups = await checkGroups(ctx, row.type, row.vpcId, input.SecurityGroups);
    await ctx.transact(async (tx) => {
      const known = await findBalancer(tx, row.arn);
      await tx.table(Balancers).put({ ...known, groups, privateLinkRules: enforced ?? known.privateLinkRules });
      tx.hint('balancers', row.arn);
    });
    if (row.type !== 'network') return { SecurityGroupIds: groups };
    return {
      SecurityGroupIds: groups,
      EnforceSecurityGroupInboundRulesOnPrivateLinkTraffic: enforced ?? row.privateLinkRules ?? 'on',
    };
  },

  async SetSubnets(input, ctx) {
    if (input.IpAddressType !== undefined && input.IpAddressType !== 'ipv4')
      throw parameterNotImplemented('SetSubnets', 'IpAddressType');
    if (input.EnablePrefixForIpv6SourceNat === 'on') throw parameterNotImplemented('SetSubnets', 'EnablePrefixForIpv6SourceNat');
    const row = await findBalancer(ctx, input.LoadBalancerArn);
    const place = await placeOf(ctx, row.type, row.scheme === 'internal', input);
    if (place.vpcId !== row.vpcId) throw invalidConfiguration('The subnets must belong to the VPC of the load balancer');
    const next = await ctx.transact(async (tx) => {
      const changed = { ...(await findBalancer(tx, row.arn)), subnets: place.subnets };
      await tx.table(Balancers).put(changed);
      tx.hint('balancers', row.arn);
      return changed;
    });
    return { AvailabilityZones: describeBalancer(next).AvailabilityZones, IpAddressType: 'ipv4' };
  },

  async SetIpAddressType(input, ctx) {
    await findBalancer(ctx, input.LoadBalancerArn);
    if (input.IpAddressType !== 'ipv4') throw parameterNotImplemented('SetIpAddressType', `IpAddressType ${input.IpAddressType}`);
    return { IpAddressType: 'ipv4' };
  },
};
