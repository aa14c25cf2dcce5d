/** Listeners, their certificates and attributes. */
import type { Certificate, ElasticLoadBalancingV2, Listener } from '@aws-sdk/client-elastic-load-balancing-v2';
import type { Context, Transaction } from '../../kernel/context.ts';
import { AwsError, parameterNotImplemented } from '../../kernel/errors.ts';
import type { HandlersOf } from '../../kernel/service.ts';
import { listenerArn, ruleArn } from './arns.ts';
import { changeAttributes, listAttributes, listenerSort } from './attributes.ts';
import { releaseCertificates, requireCertificate, useCertificates } from './certificates.ts';
import { notPermitted, validationError } from './errors.ts';
import { describePage, findBalancer, findListener } from './lookup.ts';
import { checkActions } from './rule-checks.ts';
import { followRules } from './rules.ts';
import { checkPolicy, defaultPolicy } from './ssl-policies.ts';
import { type BalancerRow, defaultPriority, type ListenerRow, Listeners, type RuleRow, Rules } from './state.ts';
import { mergeTags } from './tags.ts';

/** Per load balancer; certificates besides the default ones ("Quotas"). */
const listenersMax = 50;
const certificatesMax = 25;

const protocolsOf = { application: ['HTTP', 'HTTPS'], network: ['TCP', 'TLS', 'UDP', 'TCP_UDP'] } as const;
const secure = (protocol: string): boolean => protocol === 'HTTPS' || protocol === 'TLS';

async function defaultRule(reader: Pick<Context | Transaction, 'table'>, listener: string): Promise<RuleRow> {
  const rules = await reader.table(Rules).byIndex('byListener', [listener]);
  return rules.find(({ isDefault }) => isDefault)!;
}

async function describeListener(ctx: Context, row: ListenerRow): Promise<Listener> {
  return {
    ListenerArn: row.arn,
    LoadBalancerArn: row.balancer,
    Port: row.port,
    Protocol: row.protocol as Listener['Protocol'],
    Certificates: row.certificates.length === 0 ? undefined : [{ CertificateArn: row.certificates[0] }],
    SslPolicy: row.sslPolicy,
    DefaultActions: [...(await defaultRule(ctx, row.arn)).actions],
    AlpnPolicy: row.alpn.length === 0 ? undefined : [...row.alpn],
    MutualAuthentication: row.protocol === 'HTTPS' ? { Mode: 'off' } : undefined,
  };
}

interface Wanted {
  protocol: string;
  port: number;
  certificates: readonly Certificate[] | undefined;
  policy: string | undefined;
}

function checkProtocol(balancer: BalancerRow, protocol: string | undefined): string {
  if (protocol === undefined) throw validationError('A listener protocol must be specified');
  const allowed: readonly string[] = protocolsOf[balancer.type];
  if (protocol === 'QUIC' || protocol === 'TCP_QUIC') throw parameterNotImplemented('CreateListener', `Protocol ${protocol}`);
  if (!allowed.includes(protocol))
    throw validationError(`Listener protocol '${protocol}' must be one of '${[...allowed].sort().join(', ')}'`);
  return protocol;
}

function checkPort(port: number | undefined): number {
  if (port === undefined) throw validationError('A listener port must be specified');
  if (port < 1 || port > 65_535)
    throw validationError(
      `1 validation error detected: Value '${port}' at 'port' failed to satisfy constraint: Member must have value ${port < 1 ? 'greater than or equal to 1' : 'less than or equal to 65535'}`,
    );
  return port;
}

/** The default certificate and policy of a listener, checked. */
async function checkSecurity(
  ctx: Context,
  { protocol, certificates, policy }: Wanted,
): Promise<{ arn?: string; policy?: string }> {
  if (!secure(protocol)) {
    if ((certificates?.length ?? 0) > 0) throw validationError(`Certificates cannot be specified for ${protocol} listeners`);
    if (policy !== undefined) throw validationError(`An SSL policy cannot be specified for ${protocol} listeners`);
    return {};
  }
  if (certificates === undefined || certificates.length === 0)
    throw validationError(`A certificate must be specified for ${protocol} listeners`);
  checkOneCertificate(certificates);
  const arn = certificates[0]?.CertificateArn ?? '';
  await requireCertificate(ctx, arn);
  return { arn, policy: checkPolicy(policy ?? defaultPolicy) };
}

/** A call takes one certificate ("AddListenerCertificates", "CreateListener": Certificates). */
function checkOneCertificate({ length }: readonly Certificate[]): void {
  if (length > 1) throw validationError(`Up to '1' certificate ARNs can be specified, but '${length}' were specified`);
}

/** A UDP and a TCP listener may share a port; all others not. */
async function checkPortFree(tx: Transaction, balancer: string, port: number, protocol: string, own?: string): Promise<void> {
  const others = (await tx.table(Listeners).byIndex('byBalancer', [balancer])).filter(({ arn }) => arn !== own);
  if (own === undefined && others.length >= listenersMax)
    throw new AwsError('TooManyListeners', 'The maximum number of listeners has been reached');
  const layers = (name: string): string[] => (name === 'TCP_UDP' ? ['tcp', 'udp'] : name === 'UDP' ? ['udp'] : ['tcp']);
  const clash = others.some((row) => row.port === port && layers(row.protocol).some((layer) => layers(protocol).includes(layer)));
  if (clash) throw new AwsError('DuplicateListener', 'A listener already exists on this port for this load balancer');
}

function checkAlpn(protocol: string, alpn: readonly string[] | undefined): readonly string[] {
  if (alpn === undefined || alpn.length === 0 || alpn[0] === 'None') return [];
  if (protocol !== 'TLS') throw validationError('ALPN policies are supported for TLS listeners only');
  throw parameterNotImplemented('CreateListener', 'AlpnPolicy');
}

function refuseMutual(operation: string, mutual: { Mode?: string | undefined } | undefined): void {
  if (mutual !== undefined && mutual.Mode !== 'off') throw parameterNotImplemented(operation, 'MutualAuthentication');
}

export const listenerHandlers: HandlersOf<ElasticLoadBalancingV2> = {
  /** Throws DuplicateListener, CertificateNotFound, SSLPolicyNotFound, and what actions are refused with. */
  async CreateListener(input, ctx) {
    refuseMutual('CreateListener', input.MutualAuthentication);
    const balancer = await findBalancer(ctx, input.LoadBalancerArn);
    const protocol = checkProtocol(balancer, input.Protocol);
    const port = checkPort(input.Port);
    const security = await checkSecurity(ctx, { protocol, port, certificates: input.Certificates, policy: input.SslPolicy });
    const alpn = checkAlpn(protocol, input.AlpnPolicy);
    const row = await ctx.transact(async (tx) => {
      const current = await findBalancer(tx, balancer.arn);
      await checkPortFree(tx, balancer.arn, port, protocol);
      const kept = await checkActions(tx, current, protocol, input.DefaultActions);
      const made: ListenerRow = {
        ...{ arn: listenerArn(balancer.arn, ctx.id('loadBalancerPart')), balancer: balancer.arn, protocol, port },
        certificates: security.arn === undefined ? [] : [security.arn],
        sslPolicy: security.policy,
        ...{ alpn, attributes: {}, created: ctx.now, tags: mergeTags({}, input.Tags) },
      };
      await tx.table(Listeners).put(made);
      await tx.table(Rules).put({
        ...{ arn: ruleArn(made.arn, ctx.id('loadBalancerPart')), listener: made.arn, balancer: balancer.arn },
        ...{ priority: defaultPriority, isDefault: true, conditions: [], ...kept, tags: {} },
      });
      await followRules(tx, ctx, balancer.arn, kept.groups);
      return made;
    });
    await useCertificates(
      ctx,
      row.certificates.map((certificate) => ({ certificate, user: balancer.arn })),
    );
    return { Listeners: [await describeListener(ctx, row)] };
  },

  async DescribeListeners(input, ctx) {
    const { LoadBalancerArn, ListenerArns: arns = [] } = input;
    if (LoadBalancerArn !== undefined && arns.length > 0)
      throw validationError('A load balancer ARN and listener ARNs cannot be specified at the same time');
    if (LoadBalancerArn === undefined && arns.length === 0)
      throw validationError('A load balancer ARN or listener ARNs must be specified');
    const rows =
      LoadBalancerArn === undefined
        ? await Promise.all(arns.map((arn) => findListener(ctx, arn)))
        : await ctx.table(Listeners).byIndex('byBalancer', [(await findBalancer(ctx, LoadBalancerArn)).arn]);
    const page = describePage('DescribeListeners', rows, (row) => [row.balancer, row.created, row.arn], input);
    return { Listeners: await Promise.all(page.items.map((row) => describeListener(ctx, row))), NextMarker: page.marker };
  },

  async ModifyListener(input, ctx) {
    refuseMutual('ModifyListener', input.MutualAuthentication);
    const known = await findListener(ctx, input.ListenerArn);
    const balancer = await findBalancer(ctx, known.balancer);
    const protocol = checkProtocol(balancer, input.Protocol ?? known.protocol);
    const port = checkPort(input.Port ?? known.port);
    const certificates =
      input.Certificates ??
      (secure(protocol) ? known.certificates.slice(0, 1).map((CertificateArn) => ({ CertificateArn })) : []);
    const policy = input.SslPolicy ?? (secure(protocol) ? known.sslPolicy : undefined);
    const security = await checkSecurity(ctx, { protocol, port, certificates, policy });
    const alpn = checkAlpn(protocol, input.AlpnPolicy);
    const { row, gone } = await ctx.transact(async (tx) => {
      const before = await findListener(tx, known.arn);
      await checkPortFree(tx, balancer.arn, port, protocol, known.arn);
      const rule = await defaultRule(tx, known.arn);
      const kept = await checkActions(tx, balancer, protocol, input.DefaultActions ?? rule.actions);
      await tx.table(Rules).put({ ...rule, ...kept });
      const next: ListenerRow = {
        ...before,
        ...{ protocol, port, alpn, sslPolicy: security.policy },
        certificates:
          security.arn === undefined ? [] : [security.arn, ...before.certificates.slice(1).filter((arn) => arn !== security.arn)],
      };
      await tx.table(Listeners).put(next);
      await followRules(tx, ctx, balancer.arn, kept.groups);
      return { row: next, gone: before.certificates.filter((arn) => !next.certificates.includes(arn)) };
    });
    await useCertificates(
      ctx,
      row.certificates.map((certificate) => ({ certificate, user: balancer.arn })),
    );
    await releaseUnused(ctx, balancer.arn, gone);
    return { Listeners: [await describeListener(ctx, row)] };
  },

  async DeleteListener(input, ctx) {
    const gone = await ctx.transact(async (tx) => {
      const row = await findListener(tx, input.ListenerArn);
      for (const rule of await tx.table(Rules).byIndex('byListener', [row.arn])) await tx.table(Rules).delete(rule.arn);
      await tx.table(Listeners).delete(row.arn);
      tx.hint('balancers', row.balancer);
      return row;
    });
    await releaseUnused(ctx, gone.balancer, gone.certificates);
    return {};
  },

  async AddListenerCertificates(input, ctx) {
    const arns = (input.Certificates ?? []).map(({ CertificateArn = '' }) => CertificateArn);
    if (arns.length === 0) throw validationError('A certificate must be specified');
    checkOneCertificate(input.Certificates ?? []);
    for (const arn of arns) await requireCertificate(ctx, arn);
    const row = await ctx.transact(async (tx) => {
      const known = await findListener(tx, input.ListenerArn);
      if (!secure(known.protocol)) throw validationError(`Certificates cannot be specified for ${known.protocol} listeners`);
      const next = { ...known, certificates: [...new Set([...known.certificates, ...arns])] };
      const others = (await tx.table(Listeners).byIndex('byBalancer', [known.balancer])).filter(({ arn }) => arn !== known.arn);
      const extra = [...others, next].reduce((sum, { certificates }) => sum + Math.max(0, certificates.length - 1), 0);
      if (extra > certificatesMax)
        throw new AwsError('TooManyCertificates', 'The maximum number of certificates has been reached');
      await tx.table(Listeners).put(next);
      tx.hint('balancers', known.balancer);
      return next;
    });
    await useCertificates(
      ctx,
      arns.map((certificate) => ({ certificate, user: row.balancer })),
    );
    return {
      Certificates: arns.map((CertificateArn) => ({ CertificateArn, IsDefault: row.certificates[0] === CertificateArn })),
    };
  },

  async RemoveListenerCertificates(input, ctx) {
    const arns = (input.Certificates ?? []).map(({ CertificateArn = '' }) => CertificateArn);
    const row = await ctx.transact(async (tx) => {
      const known = await findListener(tx, input.ListenerArn);
      if (arns.includes(known.certificates[0] ?? ''))
        throw notPermitted('The default certificate of a listener cannot be removed');
      await tx.table(Listeners).put({ ...known, certificates: known.certificates.filter((arn) => !arns.includes(arn)) });
      tx.hint('balancers', known.balancer);
      return known;
    });
    await releaseUnused(ctx, row.balancer, arns);
    return {};
  },

  async DescribeListenerCertificates(input, ctx) {
    const row = await findListener(ctx, input.ListenerArn);
    const page = describePage('DescribeListenerCertificates', [...row.certificates.entries()], ([index]) => [index], input);
    return {
      Certificates: page.items.map(([index, CertificateArn]) => ({ CertificateArn, IsDefault: index === 0 })),
      NextMarker: page.marker,
    };
  },

  async DescribeListenerAttributes(input, ctx) {
    const row = await findListener(ctx, input.ListenerArn);
    return { Attributes: listAttributes(listenerSort(row.protocol), row.attributes) };
  },

  async ModifyListenerAttributes(input, ctx) {
    const row = await ctx.transact(async (tx) => {
      const known = await findListener(tx, input.ListenerArn);
      const attributes = changeAttributes(
        'ModifyListenerAttributes',
        listenerSort(known.protocol),
        known.attributes,
        input.Attributes,
      );
      const next = { ...known, attributes };
      await tx.table(Listeners).put(next);
      tx.hint('balancers', known.balancer);
      return next;
    });
    return { Attributes: listAttributes(listenerSort(row.protocol), row.attributes) };
  },
};

/** Gives certificates back that no listener of the load balancer has any more. */
async function releaseUnused(ctx: Context, balancer: string, arns: readonly string[]): Promise<void> {
  const used = new Set(
    (await ctx.table(Listeners).byIndex('byBalancer', [balancer])).flatMap(({ certificates }) => certificates),
  );
  await releaseCertificates(
    ctx,
    arns.filter((arn) => !used.has(arn)).map((certificate) => ({ certificate, user: balancer })),
  );
}
