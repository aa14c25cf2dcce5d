/** Rules: names whose questions go to servers of the user's own (FORWARD), or the usual way in spite of a wider rule (SYSTEM), and the VPCs that use them. */
import type { ResolverRule, ResolverRuleAssociation, Route53Resolver, TargetAddress } from '@aws-sdk/client-route53resolver';
import { parseIp4 } from '../../base/cidr.ts';
import { pageOf } from '../../base/paging.ts';
import { RequestCheck } from '../../kernel/request-check.ts';
import type { Context, Transaction } from '../../kernel/context.ts';
import { AwsError, parameterNotImplemented } from '../../kernel/errors.ts';
import type { HandlersOf } from '../../kernel/service.ts';
import type { Ec2Api } from '../ec2/api.ts';
import { requireEndpoint } from './endpoints.ts';
import { exists, inUse, invalidParameter, invalidRequest, notFound } from './errors.ts';
import { type AssociationRow, Associations, type RuleRow, Rules } from './state.ts';
import { readTags } from './tags.ts';

const targetsMax = 6;
const dnsPort = 53;
const nameForm = /^(\.|([a-z0-9_*-]{1,63}\.)+)$/;

export function ruleArn(ctx: Context, id: string): string {
  return `arn:aws:route53resolver:${ctx.region}:${ctx.account}:resolver-rule/${id}`;
}

async function requireRule(reading: Pick<Transaction | Context, 'table'>, id: string | undefined): Promise<RuleRow> {
  const row = await reading.table(Rules).get(id ?? '');
  if (row === undefined) throw notFound('Resolver rule', id);
  return row;
}

function describe(ctx: Context, row: RuleRow): ResolverRule {
  return {
    Id: row.id,
    CreatorRequestId: row.creator,
    Arn: ruleArn(ctx, row.id),
    DomainName: row.domain,
    Status: 'COMPLETE',
    StatusMessage: '[Trace id] Successfully created Resolver Rule',
    RuleType: row.type,
    ...(row.name === undefined ? {} : { Name: row.name }),
    ...(row.type === 'FORWARD' ? { TargetIps: [...row.targets], ResolverEndpointId: row.endpoint } : {}),
    OwnerId: ctx.account,
    ShareStatus: 'NOT_SHARED',
    CreationTime: new Date(row.created).toISOString(),
    ModificationTime: new Date(row.modified).toISOString(),
  };
}

function describeAssociation({ id, rule, name, vpcId }: AssociationRow): ResolverRuleAssociation {
  return {
    Id: id,
    ResolverRuleId: rule,
    ...(name === undefined ? {} : { Name: name }),
    VPCId: vpcId,
    Status: 'COMPLETE',
    StatusMessage: '',
  };
}

function readTargets(given: readonly TargetAddress[]): TargetAddress[] {
  if (given.length === 0 || given.length > targetsMax)
    throw invalidParameter(`A forwarding rule has between 1 and ${targetsMax} target IP addresses.`, 'TargetIps');
  return given.map(({ Ip, Port, Ipv6, Protocol }) => {
    if (Ipv6 !== undefined) throw parameterNotImplemented('CreateResolverRule', 'TargetIps.Ipv6');
    if (Protocol !== undefined && Protocol !== 'Do53') throw parameterNotImplemented('CreateResolverRule', 'TargetIps.Protocol');
    if (Ip === undefined || parseIp4(Ip) === undefined)
      throw invalidParameter(`The IP address "${Ip}" is not valid.`, 'TargetIps');
    return { Ip, Port: Port ?? dnsPort };
  });
}

/** An outbound endpoint of the account. Throws ResourceNotFoundException, InvalidRequestException. */
async function requireOutbound(tx: Transaction, id: string | undefined): Promise<string> {
  const endpoint = await requireEndpoint(tx, id);
  if (endpoint.direction !== 'OUTBOUND')
    throw invalidRequest(
      `[RSLVR-00701] Resolver endpoint "${id}" is not an outbound endpoint: rules forward through outbound endpoints.`,
    );
  return endpoint.id;
}

async function hintUsers(tx: Transaction, rule: string): Promise<void> {
  for (const { vpcId } of await tx.table(Associations).byIndex('byRule', [rule])) tx.hint('forwards', vpcId);
}

const badToken = () => new AwsError('InvalidNextTokenException', 'The value of NextToken is not valid.');

export const ruleHandlers: HandlersOf<Route53Resolver> = {
  async CreateResolverRule(input, ctx) {
    const { CreatorRequestId: creator = '', RuleType: type } = input;
    new RequestCheck()
      .length('creatorRequestId', creator, 1, 255)
      .length('name', input.Name, 0, 64)
      .length('domainName', input.DomainName, 1, 256)
      .oneOf('ruleType', type, ['FORWARD', 'SYSTEM', 'RECURSIVE', 'DELEGATE'])
      .done();
    if (type !== 'FORWARD' && type !== 'SYSTEM') throw invalidRequest(`[RSLVR-00718] Cannot create a rule with type ${type}`);
    const domain = `${(input.DomainName ?? '').toLowerCase().replace(/\.$/, '')}.`;
    if (!nameForm.test(domain)) throw invalidParameter(`The domain name "${input.DomainName}" is not valid.`, 'DomainName');
    if (type === 'SYSTEM' && (input.TargetIps !== undefined || input.ResolverEndpointId !== undefined))
      throw invalidRequest('[RSLVR-00702] A SYSTEM rule has neither target IP addresses nor an endpoint.');
    const targets = type === 'FORWARD' ? readTargets(input.TargetIps ?? []) : [];
    const tags = readTags(input.Tags ?? []);
    return ctx.transact(async (tx) => {
      if ((await tx.table(Rules).firstByIndex('byCreator', [creator])) !== undefined)
        throw exists(`[RSLVR-00704] Resolver rule with creator request id "${creator}" already exists.`, 'ResolverRule');
      const endpoint = type === 'FORWARD' ? await requireOutbound(tx, input.ResolverEndpointId) : undefined;
      const row: RuleRow = {
        id: ctx.id('resolverRule'),
        ...{ creator, name: input.Name, type, domain, targets, endpoint, tags, created: ctx.now, modified: ctx.now },
      };
      await tx.table(Rules).put(row);
      return { ResolverRule: describe(ctx, row) };
    });
  },

  async GetResolverRule(input, ctx) {
    return { ResolverRule: describe(ctx, await requireRule(ctx, input.ResolverRuleId)) };
  },

  async ListResolverRules(input, ctx) {
    if (input.Filters !== undefined) throw parameterNotImplemented('ListResolverRules', 'Filters');
    const limit = input.MaxResults ?? 100;
    const page = pageOf(await ctx.table(Rules).list(), ({ id }) => [id], { scope: 'rules', token: input.NextToken, limit });
    if (page === undefined) throw badToken();
    return {
      ResolverRules: page.items.map((row) => describe(ctx, row)),
      MaxResults: limit,
      ...(page.nextToken === undefined ? {} : { NextToken: page.nextToken }),
    };
  },

  async UpdateResolverRule(input, ctx) {
    const { Name, TargetIps, ResolverEndpointId } = input.Config ?? {};
    return ctx.transact(async (tx) => {
      const row = await requireRule(tx, input.ResolverRuleId);
      if (row.type === 'SYSTEM' && (TargetIps !== undefined || ResolverEndpointId !== undefined))
        throw invalidRequest('[RSLVR-00702] A SYSTEM rule has neither target IP addresses nor an endpoint.');
      const next: RuleRow = {
        ...row,
        name: Name ?? row.name,
        targets: TargetIps === undefined ? row.targets : readTargets(TargetIps),
        endpoint: ResolverEndpointId === undefined ? row.endpoint : await requireOutbound(tx, ResolverEndpointId),
        modified: ctx.now,
      };
      await tx.table(Rules).put(next);
      await hintUsers(tx, row.id);
      return { ResolverRule: describe(ctx, next) };
    });
  },

  async DeleteResolverRule(input, ctx) {
    return ctx.transact(async (tx) => {
      const row = await requireRule(tx, input.ResolverRuleId);
      if ((await tx.table(Associations).firstByIndex('byRule', [row.id])) !== undefined)
        throw inUse(`[RSLVR-00707] Please disassociate this resolver rule from VPC first before deleting`, 'ResolverRule');
      await tx.table(Rules).delete(row.id);
      return { ResolverRule: { ...describe(ctx, row), Status: 'DELETING' } };
    });
  },

  async AssociateResolverRule(input, ctx) {
    const { VPCId: vpcId = '' } = input;
    const vpc = await (await ctx.internal<Ec2Api>('ec2')).vpcFacts(vpcId);
    return ctx.transact(async (tx) => {
      const rule = await requireRule(tx, input.ResolverRuleId);
      if (vpc === undefined) throw invalidParameter(`[RSLVR-00801] The VPC "${vpcId}" does not exist.`, 'VPCId');
      for (const other of await tx.table(Associations).byIndex('byVpc', [vpcId])) {
        const theirs = await tx.table(Rules).get(other.rule);
        if (theirs?.id === rule.id)
          throw exists(
            `[RSLVR-00802] Resolver rule "${rule.id}" is already associated with VPC "${vpcId}".`,
            'ResolverRuleAssociation',
          );
        if (theirs?.domain === rule.domain)
          throw invalidRequest(
            `[RSLVR-00803] Cannot associate rules with same domain name with same VPC. Conflict with resolver rule "${theirs.id}"`,
          );
      }
      const row: AssociationRow = { id: ctx.id('resolverRuleAssociation'), rule: rule.id, name: input.Name, vpcId };
      await tx.table(Associations).put(row);
      tx.hint('forwards', vpcId);
      return { ResolverRuleAssociation: { ...describeAssociation(row), Status: 'CREATING' } };
    });
  },

  async DisassociateResolverRule(input, ctx) {
    return ctx.transact(async (tx) => {
      const rule = await requireRule(tx, input.ResolverRuleId);
      const row = (await tx.table(Associations).byIndex('byRule', [rule.id])).find(({ vpcId }) => vpcId === input.VPCId);
      if (row === undefined) throw notFound('Resolver rule association', `${rule.id} ${input.VPCId}`);
      await tx.table(Associations).delete(row.id);
      tx.hint('forwards', row.vpcId);
      return { ResolverRuleAssociation: { ...describeAssociation(row), Status: 'DELETING' } };
    });
  },

  async GetResolverRuleAssociation(input, ctx) {
    const row = await ctx.table(Associations).get(input.ResolverRuleAssociationId ?? '');
    if (row === undefined) throw notFound('Resolver rule association', input.ResolverRuleAssociationId);
    return { ResolverRuleAssociation: describeAssociation(row) };
  },

  async ListResolverRuleAssociations(input, ctx) {
    if (input.Filters !== undefined) throw parameterNotImplemented('ListResolverRuleAssociations', 'Filters');
    const limit = input.MaxResults ?? 100;
    const page = pageOf(await ctx.table(Associations).list(), ({ id }) => [id], {
      scope: 'associations',
      token: input.NextToken,
      limit,
    });
    if (page === undefined) throw badToken();
    return {
      ResolverRuleAssociations: page.items.map(describeAssociation),
      MaxResults: limit,
      ...(page.nextToken === undefined ? {} : { NextToken: page.nextToken }),
    };
  },
};
