/** Classic Load Balancers, their listeners, policies and attributes. Nodes are the reconciler's (nodes.ts). */
import type {
  CreateAccessPointInput,
  ElasticLoadBalancing,
  LoadBalancerDescription,
  Tag,
} from '@aws-sdk/client-elastic-load-balancing';
import type { Context, Transaction } from '../../kernel/context.ts';
import { AwsError, parameterNotImplemented } from '../../kernel/errors.ts';
import { quotaOf, quotas } from '../../kernel/quotas.ts';
import type { HandlersOf } from '../../kernel/service.ts';
import type { Ec2Api } from '../ec2/api.ts';
import { addListeners, defaultCheck, desyncKey, readAttributes, readCheck, readListeners, requireCertificate } from './checks.ts';
import { balancerNotFound, invalidConfiguration, validationError } from './errors.ts';
import { type BalancerRow, Balancers, Members, Names, type PolicyRow } from './state.ts';

const tagsMax = 50;
const hostedZone = 'Z35SXDOTRQ7X7K';

type Reader = Pick<Context | Transaction, 'table'>;

/** Throws LoadBalancerNotFound. */
export async function findBalancer(reader: Reader, name: string | undefined): Promise<BalancerRow> {
  const row = await reader.table(Balancers).get(name ?? '');
  if (row === undefined || row.deleting) throw balancerNotFound(name ?? '');
  return row;
}

/** Changes a load balancer in one transaction and wakes its nodes. */
async function change(
  ctx: Context,
  name: string | undefined,
  by: (row: BalancerRow) => Partial<BalancerRow>,
): Promise<BalancerRow> {
  return ctx.transact(async (tx) => {
    const row = await findBalancer(tx, name);
    const next = { ...row, ...by(row) };
    await tx.table(Balancers).put(next);
    tx.hint('classics', row.name);
    return next;
  });
}

async function describe(ctx: Context, row: BalancerRow): Promise<LoadBalancerDescription> {
  const members = await ctx.table(Members).list({ prefix: [row.name] });
  return {
    ...{ LoadBalancerName: row.name, DNSName: row.dnsName, Scheme: row.scheme, CreatedTime: new Date(row.created) },
    CanonicalHostedZoneName: row.scheme === 'internal' ? undefined : row.dnsName,
    CanonicalHostedZoneNameID: hostedZone,
    ListenerDescriptions: row.listeners.map((listener) => ({
      Listener: {
        ...{ Protocol: listener.protocol, LoadBalancerPort: listener.port },
        ...{ InstanceProtocol: listener.instanceProtocol, InstancePort: listener.instancePort },
        SSLCertificateId: listener.certificate,
      },
      PolicyNames: [...listener.policies],
    })),
    Policies: {
      AppCookieStickinessPolicies: row.policies.flatMap(({ name, follows }) =>
        follows === undefined ? [] : { PolicyName: name, CookieName: follows },
      ),
      LBCookieStickinessPolicies: row.policies.flatMap(({ name, seconds, follows }) =>
        follows === undefined ? { PolicyName: name, CookieExpirationPeriod: seconds } : [],
      ),
      OtherPolicies: [],
    },
    BackendServerDescriptions: [],
    AvailabilityZones: row.subnets.map(({ zone }) => zone),
    Subnets: row.subnets.map(({ id }) => id),
    VPCId: row.vpcId,
    Instances: members.filter(({ state }) => state !== 'draining').map(({ id }) => ({ InstanceId: id })),
    HealthCheck: {
      ...{ Target: row.check.target, Interval: row.check.interval, Timeout: row.check.timeout },
      ...{ UnhealthyThreshold: row.check.unhealthy, HealthyThreshold: row.check.healthy },
    },
    SecurityGroups: [...row.groups],
  };
}

function checkName(name: string | undefined): string {
  if (name === undefined || !/^(?!-)[A-Za-z0-9-]{1,32}(?<!-)$/.test(name))
    throw validationError(
      'LoadBalancerName must be at most 32 letters, digits and hyphens, and neither begin nor end with a hyphen',
    );
  return name;
}

/** Subnets of the request; with zones alone those of the default VPC. */
async function placeOf(ctx: Context, input: CreateAccessPointInput): Promise<Pick<BalancerRow, 'vpcId' | 'subnets'>> {
  const { Subnets: subnets = [], AvailabilityZones: zones = [] } = input;
  if (subnets.length > 0 && zones.length > 0)
    throw validationError('Only one of SubnetIds or AvailabilityZones may be specified');
  if (subnets.length === 0 && zones.length === 0)
    throw validationError('Either AvailabilityZones or SubnetIds must be specified');
  const ec2 = await ctx.internal<Ec2Api>('ec2');
  const ids = subnets.length > 0 ? subnets : await defaultSubnets(ctx, zones);
  const found: { id: string; zone: string }[] = [];
  let vpcId = '';
  for (const id of ids) {
    const facts = await ec2.subnetFacts(id);
    if (facts === undefined) throw new AwsError('SubnetNotFound', `The subnet ID '${id}' does not exist`);
    if (vpcId !== '' && facts.vpcId !== vpcId) throw invalidConfiguration('All subnets must belong to the same VPC');
    if (found.some(({ zone }) => zone === facts.zone))
      throw invalidConfiguration('ELB cannot be attached to multiple subnets in the same AZ.');
    if (input.Scheme !== 'internal' && !facts.internet)
      throw new AwsError('InvalidSubnet', `VPC ${facts.vpcId} has no internet gateway`);
    vpcId = facts.vpcId;
    found.push({ id, zone: facts.zone });
  }
  return { vpcId, subnets: found };
}

async function defaultSubnets(ctx: Context, zones: readonly string[]): Promise<string[]> {
  const Filters = [
    { Name: 'default-for-az', Values: ['true'] },
    { Name: 'availability-zone', Values: [...zones] },
  ];
  const { Subnets = [] } = await ctx.asService().call('ec2').describeSubnets({ Filters });
  for (const zone of zones)
    if (!Subnets.some(({ AvailabilityZone }) => AvailabilityZone === zone))
      throw new AwsError('InvalidSubnet', `There is no default subnet in ${zone}`);
  return Subnets.map(({ SubnetId = '' }) => SubnetId);
}

async function groupsOf(ctx: Context, vpcId: string, wanted: readonly string[] | undefined): Promise<string[]> {
  const ec2 = await ctx.internal<Ec2Api>('ec2');
  if (wanted === undefined || wanted.length === 0) return [(await ec2.vpcFacts(vpcId))!.defaultGroup];
  for (const id of wanted)
    if ((await ec2.groupVpcs(id))?.includes(vpcId) !== true)
      throw new AwsError('InvalidSecurityGroup', `One or more of the specified security groups do not exist: ${id}`);
  return [...new Set(wanted)];
}

export const balancerHandlers: HandlersOf<ElasticLoadBalancing> = {
  async CreateLoadBalancer(input, ctx) {
    const name = checkName(input.LoadBalancerName);
    const tags = addTags({}, input.Tags);
    if (input.Scheme !== undefined && input.Scheme !== 'internal' && input.Scheme !== 'internet-facing')
      throw new AwsError('InvalidScheme', `The scheme '${input.Scheme}' is not valid`);
    const scheme = input.Scheme ?? 'internet-facing';
    const listeners = addListeners([], await readListeners(ctx, input.Listeners), name);
    const place = await placeOf(ctx, input);
    const groups = await groupsOf(ctx, place.vpcId, input.SecurityGroups);
    const number = ctx.id('loadBalancerNumber');
    const dnsName = `${scheme === 'internal' ? 'internal-' : ''}${name}-${number}.${ctx.region}.elb.localhost`.toLowerCase();
    await ctx.transact(async (tx) => {
      const rows = await tx.table(Balancers).list();
      if (rows.some((row) => row.name === name))
        throw new AwsError('DuplicateLoadBalancerName', `Load Balancer named '${name}' already exists and it is in use`);
      if (rows.length >= (await quotaOf(tx, quotas.classicLoadBalancers)))
        throw new AwsError('TooManyLoadBalancers', 'The maximum number of load balancers has been reached');
      await tx.table(Balancers).put({
        ...{ name, scheme, ...place, groups, listeners, policies: [], check: defaultCheck(listeners) },
        // Off by default when made by the API; draining too.
        ...{ crossZone: false, draining: { enabled: false, seconds: 300 }, idleSeconds: 60 },
        ...{
          created: ctx.now,
          tags,
          dnsName,
          secret: Buffer.from(ctx.bytes(32)).toString('hex'),
          deleting: false,
          held: [],
          nodes: [],
        },
      });
      await tx.table(Names).put({ dnsName, account: ctx.account, region: ctx.region, name });
      tx.hint('classics', name);
    });
    return { DNSName: dnsName };
  },

  async DescribeLoadBalancers(input, ctx) {
    if (input.Marker !== undefined) throw parameterNotImplemented('DescribeLoadBalancers', 'Marker');
    const names = input.LoadBalancerNames ?? [];
    const rows =
      names.length > 0
        ? await Promise.all(names.map((name) => findBalancer(ctx, name)))
        : (await ctx.table(Balancers).list()).filter(({ deleting }) => !deleting);
    return { LoadBalancerDescriptions: await Promise.all(rows.map((row) => describe(ctx, row))) };
  },

  /** Succeeds also when there is none of this name. */
  async DeleteLoadBalancer(input, ctx) {
    await ctx.transact(async (tx) => {
      const row = await tx.table(Balancers).get(input.LoadBalancerName ?? '');
      if (row === undefined) return;
      for (const { balancer, id } of await tx.table(Members).list({ prefix: [row.name] }))
        await tx.table(Members).delete(balancer, id);
      await tx.table(Names).delete(row.dnsName);
      await tx.unschedule('checkInstances', row.name);
      await tx.table(Balancers).put({ ...row, deleting: true });
      tx.hint('classics', row.name);
    });
    return {};
  },

  async CreateLoadBalancerListeners(input, ctx) {
    const fresh = await readListeners(ctx, input.Listeners);
    await change(ctx, input.LoadBalancerName, (row) => ({ listeners: addListeners(row.listeners, fresh, row.name) }));
    return {};
  },

  async DeleteLoadBalancerListeners(input, ctx) {
    const ports = input.LoadBalancerPorts ?? [];
    await change(ctx, input.LoadBalancerName, ({ listeners }) => ({
      listeners: listeners.filter(({ port }) => !ports.includes(port)),
    }));
    return {};
  },

  async SetLoadBalancerListenerSSLCertificate(input, ctx) {
    const certificate = await requireCertificate(ctx, input.SSLCertificateId);
    await change(ctx, input.LoadBalancerName, (row) => {
      const known = row.listeners.find(({ port }) => port === input.LoadBalancerPort);
      if (known === undefined) throw listenerNotFound(row.name, input.LoadBalancerPort);
      if (known.certificate === undefined) throw invalidConfiguration(`The listener on port ${known.port} has no certificate`);
      return { listeners: row.listeners.map((each) => (each === known ? { ...each, certificate } : each)) };
    });
    return {};
  },

  async ConfigureHealthCheck(input, ctx) {
    const check = readCheck(input.HealthCheck);
    await ctx.transact(async (tx) => {
      const row = await findBalancer(tx, input.LoadBalancerName);
      await tx.table(Balancers).put({ ...row, check });
      await tx.schedule({ task: 'checkInstances', key: row.name, due: ctx.now });
    });
    return { HealthCheck: input.HealthCheck };
  },

  async DescribeLoadBalancerAttributes(input, ctx) {
    return { LoadBalancerAttributes: attributesOf(await findBalancer(ctx, input.LoadBalancerName)) };
  },

  async ModifyLoadBalancerAttributes(input, ctx) {
    const row = await change(ctx, input.LoadBalancerName, (known) => readAttributes(known, input.LoadBalancerAttributes));
    return { LoadBalancerName: row.name, LoadBalancerAttributes: attributesOf(row) };
  },

  async AddTags(input, ctx) {
    await change(ctx, oneName(input.LoadBalancerNames), ({ tags }) => ({ tags: addTags(tags, input.Tags) }));
    return {};
  },

  async RemoveTags(input, ctx) {
    const keys = new Set((input.Tags ?? []).map(({ Key }) => Key));
    await change(ctx, oneName(input.LoadBalancerNames), ({ tags }) => ({
      tags: Object.fromEntries(Object.entries(tags).filter(([key]) => !keys.has(key))),
    }));
    return {};
  },

  async DescribeTags(input, ctx) {
    const rows = await Promise.all((input.LoadBalancerNames ?? []).map((name) => findBalancer(ctx, name)));
    return {
      TagDescriptions: rows.map(({ name, tags }) => ({
        LoadBalancerName: name,
        Tags: Object.entries(tags).map(([Key, Value]) => ({ Key, Value })),
      })),
    };
  },

  async CreateLBCookieStickinessPolicy(input, ctx) {
    const { PolicyName: name = '', CookieExpirationPeriod: period } = input;
    const seconds = period === undefined ? undefined : Number(period);
    if (seconds !== undefined && seconds < 1) throw invalidConfiguration('CookieExpirationPeriod must be at least 1');
    await addPolicy(ctx, input.LoadBalancerName, { name, seconds });
    return {};
  },

  /** Throws InvalidConfigurationRequest for what is no name of a cookie, or one of the load balancer's own. */
  async CreateAppCookieStickinessPolicy(input, ctx) {
    const { PolicyName: name = '', CookieName: follows = '' } = input;
    if (!/^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/.test(follows) || follows === 'AWSELB')
      throw invalidConfiguration(`The cookie name '${follows}' is not valid`);
    await addPolicy(ctx, input.LoadBalancerName, { name, follows });
    return {};
  },

  async DeleteLoadBalancerPolicy(input, ctx) {
    await change(ctx, input.LoadBalancerName, ({ policies, listeners }) => {
      if (listeners.some((listener) => listener.policies.includes(input.PolicyName ?? '')))
        throw invalidConfiguration(`Policy ${input.PolicyName} is in use by a listener`);
      return { policies: policies.filter(({ name }) => name !== input.PolicyName) };
    });
    return {};
  },

  async SetLoadBalancerPoliciesOfListener(input, ctx) {
    const names = input.PolicyNames ?? [];
    await change(ctx, input.LoadBalancerName, (row) => {
      const known = row.listeners.find(({ port }) => port === input.LoadBalancerPort);
      if (known === undefined) throw listenerNotFound(row.name, input.LoadBalancerPort);
      for (const name of names)
        if (!row.policies.some((policy) => policy.name === name))
          throw new AwsError('PolicyNotFound', `There is no policy with name ${name} for load balancer ${row.name}`);
      if (names.length > 0 && !known.protocol.startsWith('HTTP'))
        throw invalidConfiguration('Stickiness policies can only be associated with HTTP and HTTPS listeners');
      if (names.length > 1) throw invalidConfiguration('Only one stickiness policy can be set for a listener');
      return { listeners: row.listeners.map((each) => (each === known ? { ...each, policies: [...names] } : each)) };
    });
    return {};
  },
};

/** Throws DuplicatePolicyName. */
async function addPolicy(ctx: Context, balancer: string | undefined, policy: PolicyRow): Promise<void> {
  await change(ctx, balancer, ({ policies }) => {
    if (policies.some(({ name }) => name === policy.name))
      throw new AwsError('DuplicatePolicyName', `Policy already exists: ${policy.name}`);
    return { policies: [...policies, policy] };
  });
}

/** Tags are changed for one load balancer at a time ("AddTags": one load balancer only). */
function oneName(names: readonly string[] | undefined): string | undefined {
  if (names?.length !== 1) throw validationError('Exactly one load balancer must be specified');
  return names[0];
}

/** Tags with new ones. Throws ValidationError, DuplicateTagKeys, TooManyTags. */
function addTags(known: BalancerRow['tags'], given: readonly Tag[] | undefined): BalancerRow['tags'] {
  const keys = (given ?? []).map(({ Key = '' }) => Key);
  for (const key of keys)
    if (key === '' || key.length > 128 || key.toLowerCase().startsWith('aws:'))
      throw validationError(`The tag key '${key}' is not valid`);
  if (new Set(keys).size < keys.length) throw new AwsError('DuplicateTagKeys', 'A tag key was specified more than once');
  const all = { ...known, ...Object.fromEntries((given ?? []).map(({ Key = '', Value = '' }) => [Key, Value])) };
  if (Object.keys(all).length > tagsMax)
    throw new AwsError('TooManyTags', `The maximum number of tags per load balancer, ${tagsMax}, has been reached`);
  return all;
}

function listenerNotFound(name: string, port: number | undefined): AwsError {
  return new AwsError('ListenerNotFound', `Load balancer ${name} has no listener on port ${port}`);
}

function attributesOf({ crossZone, draining, idleSeconds, desync = 'defensive' }: BalancerRow) {
  return {
    CrossZoneLoadBalancing: { Enabled: crossZone },
    AccessLog: { Enabled: false },
    ConnectionDraining: { Enabled: draining.enabled, Timeout: draining.seconds },
    ConnectionSettings: { IdleTimeout: idleSeconds },
    AdditionalAttributes: [{ Key: desyncKey, Value: desync }],
  };
}
