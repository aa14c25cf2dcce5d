/** DescribeInstanceInformation: the managed nodes. Source: API Reference, DescribeInstanceInformation and InstanceInformationStringFilter. */
import type { InstanceInformation, InstanceInformationStringFilter, SSM } from '@aws-sdk/client-ssm';
import { pageOf } from '../../../base/paging.ts';
import type { Context } from '../../../kernel/context.ts';
import { RequestCheck } from '../../../kernel/request-check.ts';
import type { HandlersOf } from '../../../kernel/service.ts';
import { invalidFilter, invalidNextToken, validation } from '../errors.ts';
import { factsOf } from './nodes.ts';
import { type NodeRow, Nodes } from './state.ts';

/** Version that is told of the agent; there is one for all. */
export const agentVersion = '3.3.3050.0';
const pageItemsMax = 50;

function describe(row: NodeRow): InstanceInformation {
  return {
    InstanceId: row.id,
    PingStatus: row.status,
    LastPingDateTime: new Date(row.lastPing),
    AgentVersion: agentVersion,
    IsLatestVersion: true,
    PlatformType: 'Linux',
    PlatformName: row.platformName,
    PlatformVersion: row.platformVersion,
    ResourceType: 'EC2Instance',
    IPAddress: row.address,
    ComputerName: row.computerName,
    SourceId: row.id,
    SourceType: 'AWS::EC2::Instance',
  };
}

/** Values of a node under a filter's key. Throws InvalidFilterKey. */
async function valuesOf(ctx: Context, row: NodeRow, key: string): Promise<readonly string[]> {
  const fixed: Record<string, string> = {
    InstanceIds: row.id,
    PingStatus: row.status,
    AgentVersion: agentVersion,
    PlatformTypes: 'Linux',
    IamRole: row.role.split('/').at(-1) ?? '',
    ResourceType: 'EC2Instance',
    SourceIds: row.id,
    SourceTypes: 'AWS::EC2::Instance',
    ActivationIds: '',
    AssociationStatus: '',
  };
  if (fixed[key] !== undefined) return [fixed[key]];
  const tags = (await factsOf(ctx, row.id))?.tags ?? {};
  if (key === 'tag-key') return Object.keys(tags);
  if (!key.startsWith('tag:')) throw invalidFilter(key);
  const value = tags[key.slice('tag:'.length)];
  return value === undefined ? [] : [value];
}

/** Nodes that pass all filters; one value of each suffices. */
export async function matchingNodes(
  ctx: Context,
  filters: readonly (Pick<InstanceInformationStringFilter, 'Key' | 'Values'> | undefined)[],
): Promise<NodeRow[]> {
  const found: NodeRow[] = [];
  for (const row of await ctx.table(Nodes).list()) {
    let fits = true;
    for (const filter of filters) {
      const values = await valuesOf(ctx, row, filter?.Key ?? '');
      fits &&= values.some((value) => filter?.Values?.includes(value));
    }
    if (fits) found.push(row);
  }
  return found;
}

export const informationHandlers: HandlersOf<SSM> = {
  async DescribeInstanceInformation(input, ctx) {
    const { Filters: filters, InstanceInformationFilterList: old, MaxResults: limit } = input;
    if (filters !== undefined && old !== undefined)
      throw validation('Filters and InstanceInformationFilterList cannot be specified together.');
    new RequestCheck().range('maxResults', limit, 5, pageItemsMax).done();
    const wanted = filters ?? (old ?? []).map(({ key, valueSet }) => ({ Key: key, Values: valueSet }));
    const page = pageOf(await matchingNodes(ctx, wanted), ({ id }) => [id], {
      scope: 'DescribeInstanceInformation',
      token: input.NextToken,
      limit: limit ?? pageItemsMax,
    });
    if (page === undefined) throw invalidNextToken();
    return { InstanceInformationList: page.items.map(describe), NextToken: page.nextToken };
  },
};
