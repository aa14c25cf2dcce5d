/** DHCP option sets: made, named by VPCs, read by machines at boot. A set never changes; a VPC is given another one. */
import type { DhcpOptions as Shown, EC2 } from '@aws-sdk/client-ec2';
import type { Context } from '../../../kernel/context.ts';
import { AwsError } from '../../../kernel/errors.ts';
import type { AuthorisationsOf, HandlersOf } from '../../../kernel/service.ts';
import { dependencyViolation } from '../errors.ts';
import { applyFilters } from '../filters.ts';
import { requireRow, rowsByIds } from '../lookup.ts';
import { page } from '../paging.ts';
import { checkTagged, describeTags, ec2Arn, requestTagConditions, tagsFor } from '../tags.ts';
import { parseDhcpOptions } from './dhcp-rules.ts';
import { DhcpOptions, type DhcpOptionsRow, Vpcs } from './state.ts';

/** AssociateDhcpOptions takes this word for "no options at all". */
const noOptions = 'default';
/** Per Region ("Amazon VPC quotas"). */
const setsPerRegionMax = 100;

function describeSet(ctx: Context, row: DhcpOptionsRow): Shown {
  return {
    DhcpOptionsId: row.id,
    OwnerId: ctx.account,
    DhcpConfigurations: Object.entries(row.options).map(([Key, values]) => ({
      Key,
      Values: values.map((Value) => ({ Value })),
    })),
    Tags: describeTags(row.tags),
  };
}

export const dhcpOptionsHandlers: HandlersOf<EC2> = {
  /** Throws MissingParameter, InvalidParameterValue, DhcpOptionsLimitExceeded. */
  async CreateDhcpOptions(input, ctx) {
    const options = parseDhcpOptions(input.DhcpConfigurations);
    const row: DhcpOptionsRow = { id: ctx.id('dhcpOptions'), options, tags: tagsFor('dhcp-options', input.TagSpecifications) };
    await ctx.transact(async (tx) => {
      if ((await tx.table(DhcpOptions).count()) >= setsPerRegionMax)
        throw new AwsError('DhcpOptionsLimitExceeded', 'The maximum number of DHCP options has been reached.');
      await tx.table(DhcpOptions).put(row);
    });
    return { DhcpOptions: describeSet(ctx, row) };
  },

  /** Running machines see the new options at their next boot; AWS's when they renew their lease. */
  async AssociateDhcpOptions(input, ctx) {
    await ctx.transact(async (tx) => {
      const vpc = await requireRow(tx, Vpcs, 'vpc', input.VpcId);
      const { DhcpOptionsId: id } = input;
      if (id !== noOptions) await requireRow(tx, DhcpOptions, 'dhcpOptions', id);
      await tx.table(Vpcs).put({ ...vpc, dhcpOptionsId: id ?? noOptions });
    });
    return {};
  },

  async DeleteDhcpOptions(input, ctx) {
    await ctx.transact(async (tx) => {
      const row = await requireRow(tx, DhcpOptions, 'dhcpOptions', input.DhcpOptionsId);
      if ((await tx.table(Vpcs).list()).some((vpc) => vpc.dhcpOptionsId === row.id))
        throw dependencyViolation(`The dhcpOptions '${row.id}' has dependencies and cannot be deleted.`);
      await tx.table(DhcpOptions).delete(row.id);
    });
    return {};
  },

  async DescribeDhcpOptions(input, ctx) {
    const rows = await rowsByIds(ctx, DhcpOptions, 'dhcpOptions', input.DhcpOptionsIds);
    const passing = applyFilters(rows, input.Filters, {
      'dhcp-options-id': (row) => row.id,
      key: (row) => Object.keys(row.options),
      value: (row) => Object.values(row.options).flat(),
      'owner-id': () => ctx.account,
    });
    const found = page('DescribeDhcpOptions', passing, (row) => row.id, input, { ids: input.DhcpOptionsIds });
    return { DhcpOptions: found.rows.map((row) => describeSet(ctx, row)), NextToken: found.nextToken };
  },
};

export const dhcpOptionsAuthorisations: AuthorisationsOf<EC2> = {
  CreateDhcpOptions: (input, ctx) => [
    {
      resource: ec2Arn(ctx, 'dhcp-options', '*'),
      conditions: requestTagConditions(input.TagSpecifications?.flatMap(({ Tags = [] }) => Tags)),
    },
  ],
  AssociateDhcpOptions: (input, ctx) =>
    checkTagged([input.VpcId ?? '', ...(input.DhcpOptionsId === noOptions ? [] : [input.DhcpOptionsId ?? ''])], ctx),
  DeleteDhcpOptions: (input, ctx) => checkTagged([input.DhcpOptionsId ?? ''], ctx),
};
