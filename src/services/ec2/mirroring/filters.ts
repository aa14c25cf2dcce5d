/** Traffic mirror filters and their rules ("Traffic mirror filters and filter rules"). */
import type { EC2, TrafficMirrorFilter, TrafficMirrorFilterRule, TrafficMirrorPortRangeRequest } from '@aws-sdk/client-ec2';
import { canonicalCidr, parseCidr4 } from '../../../base/cidr.ts';
import type { Context, Transaction } from '../../../kernel/context.ts';
import { AwsError, parameterNotImplemented } from '../../../kernel/errors.ts';
import type { AuthorisationsOf, HandlersOf } from '../../../kernel/service.ts';
import { invalidParameterValue, notFound } from '../errors.ts';
import { applyFilters } from '../filters.ts';
import { requireRow, rowsByIds } from '../lookup.ts';
import { page } from '../paging.ts';
import { checkTagged, describeTags, ec2Arn, requestTagConditions, tagsFor } from '../tags.ts';
import { type MirrorFilterRow, MirrorFilters, type MirrorRule, MirrorSessions } from './state.ts';

/** Rule numbers ("Valid values are 1-32766"). */
const numberMax = 32_766;

function describeRule(filterId: string, rule: MirrorRule): TrafficMirrorFilterRule {
  const range = (ports: readonly [number, number] | undefined) =>
    ports === undefined ? undefined : { FromPort: ports[0], ToPort: ports[1] };
  return {
    TrafficMirrorFilterId: filterId,
    TrafficMirrorFilterRuleId: rule.id,
    TrafficDirection: rule.direction,
    RuleNumber: rule.number,
    RuleAction: rule.accept ? 'accept' : 'reject',
    Protocol: rule.protocol,
    SourceCidrBlock: rule.sourceCidr,
    DestinationCidrBlock: rule.destinationCidr,
    SourcePortRange: range(rule.sourcePorts),
    DestinationPortRange: range(rule.destinationPorts),
    Description: rule.description,
  };
}

function describeFilter(row: MirrorFilterRow): TrafficMirrorFilter {
  const rules = (direction: MirrorRule['direction']) =>
    row.rules.filter((rule) => rule.direction === direction).map((rule) => describeRule(row.id, rule));
  return {
    TrafficMirrorFilterId: row.id,
    IngressFilterRules: rules('ingress'),
    EgressFilterRules: rules('egress'),
    NetworkServices: [],
    Description: row.description,
    Tags: describeTags(row.tags),
  };
}

function readPorts(
  name: string,
  range: TrafficMirrorPortRangeRequest | undefined,
  protocol: number | undefined,
): readonly [number, number] | undefined {
  if (range === undefined) return undefined;
  const { FromPort: from = 0, ToPort: to = 65_535 } = range;
  if (protocol !== 6 && protocol !== 17)
    throw new AwsError('InvalidParameterCombination', `The parameter ${name} is supported only with the protocols 6 and 17.`);
  if (from < 0 || to > 65_535 || from > to)
    throw invalidParameterValue(`Value (${from}-${to}) for parameter ${name} is invalid.`);
  return [from, to];
}

function readBlock(name: string, cidr: string | undefined): string {
  if (cidr?.includes(':')) throw parameterNotImplemented('CreateTrafficMirrorFilterRule', `${name} of IPv6`);
  if (cidr === undefined || parseCidr4(cidr) === undefined)
    throw invalidParameterValue(`Value (${cidr ?? ''}) for parameter ${name} is invalid. This is not a valid CIDR block.`);
  return canonicalCidr(cidr)!;
}

/** What every session with this filter has to hear. */
async function hintSessions(tx: Transaction, filterId: string): Promise<void> {
  for (const session of await tx.table(MirrorSessions).byIndex('byFilter', [filterId])) tx.hint('networks', session.vpcId);
}

async function filterOfRule(source: Pick<Context, 'table'> | Transaction, ruleId: string): Promise<MirrorFilterRow> {
  const found = (await source.table(MirrorFilters).list()).find(({ rules }) => rules.some(({ id }) => id === ruleId));
  if (found === undefined) throw notFound('mirrorRule', ruleId);
  return found;
}

export const mirrorFilterHandlers: HandlersOf<EC2> = {
  async CreateTrafficMirrorFilter(input, ctx) {
    const row: MirrorFilterRow = {
      id: ctx.id('mirrorFilter'),
      description: input.Description,
      rules: [],
      tags: tagsFor('traffic-mirror-filter', input.TagSpecifications),
    };
    await ctx.transact((tx) => tx.table(MirrorFilters).put(row));
    return { TrafficMirrorFilter: describeFilter(row), ClientToken: input.ClientToken };
  },

  /** Throws InvalidTrafficMirrorFilterId.NotFound, InvalidParameterValue, TrafficMirrorFilterRuleAlreadyExists. */
  async CreateTrafficMirrorFilterRule(input, ctx) {
    if ((input.TagSpecifications?.length ?? 0) > 0)
      throw parameterNotImplemented('CreateTrafficMirrorFilterRule', 'TagSpecifications');
    const { RuleNumber: number = 0, TrafficDirection: direction, RuleAction: action, Protocol: protocol } = input;
    if (number < 1 || number > numberMax)
      throw invalidParameterValue(`Value (${number}) for parameter RuleNumber is invalid. Valid values are 1-${numberMax}.`);
    if (direction !== 'ingress' && direction !== 'egress')
      throw invalidParameterValue(`Value (${direction}) for parameter TrafficDirection is invalid.`);
    if (action !== 'accept' && action !== 'reject')
      throw invalidParameterValue(`Value (${action}) for parameter RuleAction is invalid.`);
    if (protocol !== undefined && (protocol < 0 || protocol > 255))
      throw invalidParameterValue(`Value (${protocol}) for parameter Protocol is invalid.`);
    const rule: MirrorRule = {
      id: ctx.id('mirrorRule'),
      direction,
      number,
      accept: action === 'accept',
      protocol,
      sourceCidr: readBlock('SourceCidrBlock', input.SourceCidrBlock),
      destinationCidr: readBlock('DestinationCidrBlock', input.DestinationCidrBlock),
      sourcePorts: readPorts('SourcePortRange', input.SourcePortRange, protocol),
      destinationPorts: readPorts('DestinationPortRange', input.DestinationPortRange, protocol),
      description: input.Description,
    };
    const filterId = await ctx.transact(async (tx) => {
      const row = await requireRow(tx, MirrorFilters, 'mirrorFilter', input.TrafficMirrorFilterId);
      if (row.rules.some((other) => other.direction === direction && other.number === number))
        throw new AwsError(
          'TrafficMirrorFilterRuleAlreadyExists',
          `A rule with the number ${number} already exists in ${row.id}.`,
        );
      await tx.table(MirrorFilters).put({ ...row, rules: [...row.rules, rule] });
      await hintSessions(tx, row.id);
      return row.id;
    });
    return { TrafficMirrorFilterRule: describeRule(filterId, rule), ClientToken: input.ClientToken };
  },

  async DeleteTrafficMirrorFilterRule(input, ctx) {
    const id = input.TrafficMirrorFilterRuleId ?? '';
    await ctx.transact(async (tx) => {
      const row = await filterOfRule(tx, id);
      await tx.table(MirrorFilters).put({ ...row, rules: row.rules.filter((rule) => rule.id !== id) });
      await hintSessions(tx, row.id);
    });
    return { TrafficMirrorFilterRuleId: id };
  },

  async DescribeTrafficMirrorFilters(input, ctx) {
    const rows = await rowsByIds(ctx, MirrorFilters, 'mirrorFilter', input.TrafficMirrorFilterIds);
    const passing = applyFilters(rows, input.Filters, {
      'traffic-mirror-filter-id': ({ id }) => id,
      description: ({ description }) => description,
    });
    const found = page('DescribeTrafficMirrorFilters', passing, ({ id }) => id, input, { ids: input.TrafficMirrorFilterIds });
    return { TrafficMirrorFilters: found.rows.map(describeFilter), NextToken: found.nextToken };
  },

  /** Throws TrafficMirrorFilterInUse while a session has it. */
  async DeleteTrafficMirrorFilter(input, ctx) {
    await ctx.transact(async (tx) => {
      const row = await requireRow(tx, MirrorFilters, 'mirrorFilter', input.TrafficMirrorFilterId);
      if ((await tx.table(MirrorSessions).firstByIndex('byFilter', [row.id])) !== undefined)
        throw new AwsError('TrafficMirrorFilterInUse', `Traffic mirror filter ${row.id} is in use.`);
      await tx.table(MirrorFilters).delete(row.id);
    });
    return { TrafficMirrorFilterId: input.TrafficMirrorFilterId };
  },
};

export const mirrorFilterAuthorisations: AuthorisationsOf<EC2> = {
  CreateTrafficMirrorFilter: (input, ctx) => [
    {
      resource: ec2Arn(ctx, 'traffic-mirror-filter', '*'),
      conditions: requestTagConditions(input.TagSpecifications?.flatMap(({ Tags = [] }) => Tags)),
    },
  ],
  CreateTrafficMirrorFilterRule: async (input, ctx) => [
    ...(await checkTagged([input.TrafficMirrorFilterId ?? ''], ctx)),
    { resource: ec2Arn(ctx, 'traffic-mirror-filter-rule', '*') },
  ],
  DeleteTrafficMirrorFilterRule: async (input, ctx) => [
    ...(await checkTagged([(await filterOfRule(ctx, input.TrafficMirrorFilterRuleId ?? '')).id], ctx)),
    { resource: ec2Arn(ctx, 'traffic-mirror-filter-rule', input.TrafficMirrorFilterRuleId ?? '') },
  ],
  DeleteTrafficMirrorFilter: (input, ctx) => checkTagged([input.TrafficMirrorFilterId ?? ''], ctx),
};
