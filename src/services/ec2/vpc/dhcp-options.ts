/** DHCP option sets: so far the Region's default one, which every VPC has. */
import type { EC2 } from '@aws-sdk/client-ec2';
import type { HandlersOf } from '../../../kernel/service.ts';
import { applyFilters } from '../filters.ts';
import { rowsByIds } from '../lookup.ts';
import { page } from '../paging.ts';
import { describeTags } from '../tags.ts';
import { DhcpOptions } from './state.ts';

export const dhcpOptionsHandlers: HandlersOf<EC2> = {
  async DescribeDhcpOptions(input, ctx) {
    const rows = await rowsByIds(ctx, DhcpOptions, 'dhcpOptions', input.DhcpOptionsIds);
    const passing = applyFilters(rows, input.Filters, {
      'dhcp-options-id': (row) => row.id,
      key: (row) => Object.keys(row.options),
      value: (row) => Object.values(row.options).flat(),
      'owner-id': () => ctx.account,
    });
    const found = page('DescribeDhcpOptions', passing, (row) => row.id, input, { ids: input.DhcpOptionsIds });
    return {
      DhcpOptions: found.rows.map((row) => ({
        DhcpOptionsId: row.id,
        OwnerId: ctx.account,
        DhcpConfigurations: Object.entries(row.options).map(([Key, values]) => ({
          Key,
          Values: values.map((Value) => ({ Value })),
        })),
        Tags: describeTags(row.tags),
      })),
      NextToken: found.nextToken,
    };
  },
};
