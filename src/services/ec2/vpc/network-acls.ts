/** Network ACLs: numbered allow and deny rules at the border of subnets, without memory of connections ("Network ACLs", VPC User Guide). */
import type { CreateNetworkAclEntryRequest, EC2, NetworkAcl, NetworkAclEntry } from '@aws-sdk/client-ec2';
import { canonicalCidr, parseCidr4, parseCidr6 } from '../../../base/cidr.ts';
import type { Context, Transaction } from '../../../kernel/context.ts';
import { AwsError } from '../../../kernel/errors.ts';
import { quotaOf, quotas } from '../../../kernel/quotas.ts';
import type { AuthorisationsOf, HandlersOf } from '../../../kernel/service.ts';
import { dependencyViolation, invalidParameterValue, missingParameter, notFound } from '../errors.ts';
import { applyFilters } from '../filters.ts';
import { requireRow, rowsByIds } from '../lookup.ts';
import { page } from '../paging.ts';
import { checkTagged, describeTags, ec2Arn, requestTagConditions, tagsFor } from '../tags.ts';
import { type NetworkAclEntryRow, type NetworkAclRow, NetworkAcls, type SubnetRow, Subnets, Vpcs } from './state.ts';

/** Rules have numbers up to here; the last one, which denies what nothing else matched, is always there and cannot be changed. */
const numberMax = 32_766;
const lastNumber = 32_767;

const protocolNumbers: Readonly<Record<string, number>> = { all: -1, tcp: 6, udp: 17, icmp: 1 };

function describeEntry(entry: NetworkAclEntryRow): NetworkAclEntry {
  return {
    RuleNumber: entry.number,
    Egress: entry.egress,
    RuleAction: entry.allow ? 'allow' : 'deny',
    Protocol: String(entry.protocol),
    ...(parseCidr4(entry.cidr) === undefined ? { Ipv6CidrBlock: entry.cidr } : { CidrBlock: entry.cidr }),
    PortRange: entry.from === undefined ? undefined : { From: entry.from, To: entry.to },
    IcmpTypeCode: entry.icmp === undefined ? undefined : { Type: entry.icmp.type, Code: entry.icmp.code },
  };
}

const denyTheRest = (egress: boolean): NetworkAclEntryRow => ({
  number: lastNumber,
  egress,
  allow: false,
  protocol: -1,
  cidr: '0.0.0.0/0',
});

function describeAcl(ctx: Context, row: NetworkAclRow, subnets: readonly SubnetRow[]): NetworkAcl {
  const entries = [...row.entries, denyTheRest(true), denyTheRest(false)];
  entries.sort((a, b) => Number(b.egress) - Number(a.egress) || a.number - b.number);
  return {
    NetworkAclId: row.id,
    VpcId: row.vpcId,
    OwnerId: ctx.account,
    IsDefault: row.isDefault,
    Entries: entries.map(describeEntry),
    Associations: subnets.map((subnet) => ({
      NetworkAclAssociationId: subnet.networkAcl.associationId,
      NetworkAclId: row.id,
      SubnetId: subnet.id,
    })),
    Tags: describeTags(row.tags),
  };
}

async function subnetsOf(source: Pick<Context | Transaction, 'table'>, row: NetworkAclRow): Promise<SubnetRow[]> {
  return (await source.table(Subnets).byIndex('byVpc', [row.vpcId])).filter((subnet) => subnet.networkAcl.aclId === row.id);
}

function checkNumber(number: number | undefined): number {
  if (number === undefined) throw missingParameter('ruleNumber');
  if (!Number.isInteger(number) || number < 1 || number > numberMax)
    throw invalidParameterValue(
      `Value (${number}) for parameter ruleNumber is invalid. The rule number must be between 1 and ${numberMax}.`,
    );
  return number;
}

function checkProtocol(text: string | undefined): number {
  if (text === undefined) throw missingParameter('protocol');
  const number = protocolNumbers[text.toLowerCase()] ?? (/^(-1|\d{1,3})$/.test(text) ? Number(text) : 256);
  if (number > 255) throw invalidParameterValue(`Invalid value '${text}' for IP protocol. Unknown protocol.`);
  return number;
}

function blockOf(block: string | undefined, block6: string | undefined): string {
  if (block !== undefined && block6 !== undefined)
    throw new AwsError('InvalidParameterCombination', 'Only one of cidrBlock and ipv6CidrBlock may be given.');
  const given = block ?? block6;
  if (given === undefined) throw missingParameter('cidrBlock');
  const good = block6 === undefined ? parseCidr4(given) !== undefined : parseCidr6(given) !== undefined;
  if (!good)
    throw invalidParameterValue(
      `Value (${given}) for parameter ${block6 === undefined ? 'cidrBlock' : 'ipv6CidrBlock'} is invalid. This is not a valid CIDR block.`,
    );
  return canonicalCidr(given)!;
}

/** A rule from a request. Throws what AWS throws for numbers, protocols, ports and blocks that are none. */
function entryOf(input: CreateNetworkAclEntryRequest): NetworkAclEntryRow {
  const number = checkNumber(input.RuleNumber);
  const protocol = checkProtocol(input.Protocol);
  const { RuleAction: action, CidrBlock: block } = input;
  if (action !== 'allow' && action !== 'deny')
    throw invalidParameterValue(`Value (${action ?? ''}) for parameter ruleAction is invalid. Unknown rule action.`);
  const cidr = blockOf(block, input.Ipv6CidrBlock);
  const entry = { number, protocol, cidr, egress: input.Egress === true, allow: action === 'allow' };
  if (protocol === 6 || protocol === 17) {
    const { From: from, To: to } = input.PortRange ?? {};
    if (from === undefined || to === undefined) throw missingParameter('portRange');
    if (from < 0 || to > 65_535 || from > to) throw invalidParameterValue(`Invalid TCP/UDP port range (${from}:${to})`);
    return { ...entry, from, to };
  }
  if (protocol !== 1 && protocol !== 58) return entry;
  const { Type: type, Code: code } = input.IcmpTypeCode ?? {};
  if (type === undefined || code === undefined) throw missingParameter('icmpTypeCode');
  return { ...entry, icmp: { type, code } };
}

const isAt = (entry: NetworkAclEntryRow, number: number, egress: boolean) => entry.number === number && entry.egress === egress;

function entryNotFound(acl: string, number: number, egress: boolean): AwsError {
  return new AwsError(
    'InvalidNetworkAclEntry.NotFound',
    `The ${egress ? 'egress' : 'ingress'} entry with rule number ${number} does not exist in the network acl '${acl}'`,
  );
}

export const networkAclHandlers: HandlersOf<EC2> = {
  /** A new one denies everything in both directions until rules are added. */
  async CreateNetworkAcl(input, ctx) {
    const tags = tagsFor('network-acl', input.TagSpecifications);
    const row = await ctx.transact(async (tx) => {
      const vpc = await requireRow(tx, Vpcs, 'vpc', input.VpcId);
      if ((await tx.table(NetworkAcls).byIndex('byVpc', [vpc.id])).length >= (await quotaOf(tx, quotas.networkAclsPerVpc)))
        throw new AwsError('NetworkAclLimitExceeded', 'The maximum number of network ACLs has been reached.');
      const acl: NetworkAclRow = { id: ctx.id('networkAcl'), vpcId: vpc.id, isDefault: false, entries: [], tags };
      await tx.table(NetworkAcls).put(acl);
      return acl;
    });
    return { NetworkAcl: describeAcl(ctx, row, []) };
  },

  async DescribeNetworkAcls(input, ctx) {
    const rows = await Promise.all(
      (await rowsByIds(ctx, NetworkAcls, 'networkAcl', input.NetworkAclIds)).map(async (row) => ({
        ...row,
        shown: describeAcl(ctx, row, await subnetsOf(ctx, row)),
      })),
    );
    type Row = (typeof rows)[number];
    const entries = (read: (entry: NetworkAclEntry) => string | number | boolean | undefined) => (row: Row) =>
      (row.shown.Entries ?? []).map((entry) => (read(entry) === undefined ? undefined : String(read(entry))));
    const passing = applyFilters(rows, input.Filters, {
      'network-acl-id': (row) => row.id,
      'vpc-id': (row) => row.vpcId,
      default: (row) => row.isDefault,
      'owner-id': () => ctx.account,
      'association.association-id': (row) => (row.shown.Associations ?? []).map((one) => one.NetworkAclAssociationId),
      'association.network-acl-id': (row) => (row.shown.Associations ?? []).map((one) => one.NetworkAclId),
      'association.subnet-id': (row) => (row.shown.Associations ?? []).map((one) => one.SubnetId),
      'entry.ipv6-cidr': entries((entry) => entry.Ipv6CidrBlock),
      'entry.cidr': entries((entry) => entry.CidrBlock),
      'entry.egress': entries((entry) => entry.Egress),
      'entry.protocol': entries((entry) => entry.Protocol),
      'entry.rule-action': entries((entry) => entry.RuleAction),
      'entry.rule-number': entries((entry) => entry.RuleNumber),
    });
    const found = page('DescribeNetworkAcls', passing, (row) => row.id, input, { ids: input.NetworkAclIds });
    return { NetworkAcls: found.rows.map((row) => row.shown), NextToken: found.nextToken };
  },

  /** The default one goes only with its VPC; one that subnets use has dependencies. */
  async DeleteNetworkAcl(input, ctx) {
    await ctx.transact(async (tx) => {
      const row = await requireRow(tx, NetworkAcls, 'networkAcl', input.NetworkAclId);
      if (row.isDefault) throw invalidParameterValue(`cannot delete default network ACL ${row.id}`);
      if ((await subnetsOf(tx, row)).length > 0)
        throw dependencyViolation(`The networkAcl '${row.id}' has dependencies and cannot be deleted.`);
      await tx.table(NetworkAcls).delete(row.id);
      tx.hint('networks', row.vpcId);
    });
    return {};
  },

  /** Throws NetworkAclEntryAlreadyExists for a number that is taken in this direction. */
  async CreateNetworkAclEntry(input, ctx) {
    const entry = entryOf(input);
    await ctx.transact(async (tx) => {
      const row = await requireRow(tx, NetworkAcls, 'networkAcl', input.NetworkAclId);
      if (row.entries.some((other) => isAt(other, entry.number, entry.egress)))
        throw new AwsError('NetworkAclEntryAlreadyExists', `The network acl entry identified by ${entry.number} already exists.`);
      if (row.entries.filter((other) => other.egress === entry.egress).length >= (await quotaOf(tx, quotas.rulesPerNetworkAcl)))
        throw new AwsError('NetworkAclEntryLimitExceeded', 'The maximum number of network ACL entries has been reached.');
      await tx.table(NetworkAcls).put({ ...row, entries: [...row.entries, entry] });
      tx.hint('networks', row.vpcId);
    });
    return {};
  },

  async ReplaceNetworkAclEntry(input, ctx) {
    const entry = entryOf(input);
    await ctx.transact(async (tx) => {
      const row = await requireRow(tx, NetworkAcls, 'networkAcl', input.NetworkAclId);
      if (!row.entries.some((other) => isAt(other, entry.number, entry.egress)))
        throw entryNotFound(row.id, entry.number, entry.egress);
      const entries = row.entries.map((other) => (isAt(other, entry.number, entry.egress) ? entry : other));
      await tx.table(NetworkAcls).put({ ...row, entries });
      tx.hint('networks', row.vpcId);
    });
    return {};
  },

  async DeleteNetworkAclEntry(input, ctx) {
    const number = checkNumber(input.RuleNumber);
    const egress = input.Egress === true;
    await ctx.transact(async (tx) => {
      const row = await requireRow(tx, NetworkAcls, 'networkAcl', input.NetworkAclId);
      if (!row.entries.some((entry) => isAt(entry, number, egress))) throw entryNotFound(row.id, number, egress);
      await tx.table(NetworkAcls).put({ ...row, entries: row.entries.filter((entry) => !isAt(entry, number, egress)) });
      tx.hint('networks', row.vpcId);
    });
    return {};
  },

  /** A subnet always has exactly one ACL: this is the only way to give it another. */
  async ReplaceNetworkAclAssociation(input, ctx) {
    const id = ctx.id('networkAclAssociation');
    await ctx.transact(async (tx) => {
      const next = await requireRow(tx, NetworkAcls, 'networkAcl', input.NetworkAclId);
      const subnet = (await tx.table(Subnets).list()).find((row) => row.networkAcl.associationId === input.AssociationId);
      if (subnet === undefined) throw notFound('routeTableAssociation', input.AssociationId ?? '');
      if (subnet.vpcId !== next.vpcId)
        throw invalidParameterValue(`Network ACL ${next.id} and subnet ${subnet.id} belong to different networks`);
      await tx.table(Subnets).put({ ...subnet, networkAcl: { aclId: next.id, associationId: id } });
      tx.hint('networks', subnet.vpcId);
    });
    return { NewAssociationId: id };
  },
};

export const networkAclAuthorisations: AuthorisationsOf<EC2> = {
  CreateNetworkAcl: async (input, ctx) => [
    {
      resource: ec2Arn(ctx, 'network-acl', '*'),
      conditions: requestTagConditions(input.TagSpecifications?.flatMap(({ Tags = [] }) => Tags)),
    },
    ...(await checkTagged([input.VpcId ?? ''], ctx)),
  ],
  DeleteNetworkAcl: (input, ctx) => checkTagged([input.NetworkAclId ?? ''], ctx),
  CreateNetworkAclEntry: (input, ctx) => checkTagged([input.NetworkAclId ?? ''], ctx),
  ReplaceNetworkAclEntry: (input, ctx) => checkTagged([input.NetworkAclId ?? ''], ctx),
  DeleteNetworkAclEntry: (input, ctx) => checkTagged([input.NetworkAclId ?? ''], ctx),
  ReplaceNetworkAclAssociation: (input, ctx) => checkTagged([input.NetworkAclId ?? ''], ctx),
};
