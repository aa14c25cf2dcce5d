/** Lists of parameters, their history and their tags: everything but values in the clear. */
import type { ParameterInlinePolicy, ParameterMetadata, SSM } from '@aws-sdk/client-ssm';
import { pageOf } from '../../../base/paging.ts';
import { AwsError, parameterNotImplemented } from '../../../kernel/errors.ts';
import type { Context, Transaction } from '../../../kernel/context.ts';
import { RequestCheck } from '../../../kernel/request-check.ts';
import type { HandlersOf } from '../../../kernel/service.ts';
import { invalidNextToken, notFound, validation } from './errors.ts';
import { matchesFilters } from './filters.ts';
import { parameterArn } from './reading.ts';
import { readTags } from './rules.ts';
import { type ParameterRow, Parameters, type VersionRow, Versions } from './state.ts';
import { openValue } from './values.ts';

const pageItemsMax = 50;

function describePolicies({ policies }: VersionRow): ParameterInlinePolicy[] {
  return policies.map(({ text, type, status }) => ({ PolicyText: text, PolicyType: type, PolicyStatus: status }));
}

/** What DescribeParameters and GetParameterHistory show alike. */
function describeVersion(version: VersionRow) {
  return {
    Name: version.parameter,
    Type: version.type,
    ...(version.keyId === undefined ? {} : { KeyId: version.keyId }),
    LastModifiedDate: new Date(version.modified),
    LastModifiedUser: version.user,
    ...(version.description === undefined ? {} : { Description: version.description }),
    ...(version.allowedPattern === undefined ? {} : { AllowedPattern: version.allowedPattern }),
    Version: version.version,
    Tier: version.tier,
    Policies: describePolicies(version),
    DataType: version.dataType,
  };
}

interface PageInput {
  MaxResults?: number | undefined;
  NextToken?: string | undefined;
}

function onePage<T>(scope: string, items: readonly T[], keyOf: (item: T) => string | number, input: PageInput) {
  new RequestCheck().range('maxResults', input.MaxResults, 1, pageItemsMax).done();
  const page = pageOf(items, (item) => [keyOf(item)], { scope, token: input.NextToken, limit: input.MaxResults ?? pageItemsMax });
  if (page === undefined) throw invalidNextToken();
  return { items: page.items, rest: page.nextToken === undefined ? {} : { NextToken: page.nextToken } };
}

/** Names of a request to a tagging operation. Throws InvalidResourceId; 501 for other kinds of resource. */
async function changeTags(
  ctx: Context,
  input: { ResourceType?: string | undefined; ResourceId?: string | undefined },
  change: (row: ParameterRow) => ParameterRow,
): Promise<void> {
  checkKind(ctx, input.ResourceType);
  await ctx.transact(async (tx: Transaction) => {
    const changed = await tx.table(Parameters).update([input.ResourceId ?? ''], change);
    if (changed === undefined) throw invalidResource();
  });
}

function checkKind(ctx: Context, type: string | undefined): void {
  if (type !== 'Parameter') throw parameterNotImplemented(ctx.operation, `ResourceType ${type}`);
}

function invalidResource(): AwsError {
  return new AwsError('InvalidResourceId', 'The resource ID is not valid. Verify that you entered the correct ID and try again.');
}

export const listingHandlers: HandlersOf<SSM> = {
  async DescribeParameters(input, ctx) {
    if (input.Filters !== undefined && input.ParameterFilters !== undefined)
      throw validation('You can use either Filters or ParameterFilters in a single request.');
    if (input.Shared === true) throw parameterNotImplemented('DescribeParameters', 'Shared');
    const filters = input.ParameterFilters ?? input.Filters?.map(({ Key, Values }) => ({ Key, Values, Option: 'BeginsWith' }));
    const found: VersionRow[] = [];
    for (const row of await ctx.table(Parameters).list()) {
      const version = await ctx.table(Versions).get(row.name, row.version);
      if (version !== undefined && matchesFilters(row, version, filters)) found.push(version);
    }
    const scope = `DescribeParameters ${JSON.stringify(filters ?? [])}`;
    const { items, rest } = onePage(scope, found, (version) => version.parameter, input);
    const shown: ParameterMetadata[] = items.map((version) => ({
      ARN: parameterArn(ctx, version.parameter),
      ...describeVersion(version),
    }));
    return { Parameters: shown, ...rest };
  },

  async GetParameterHistory(input, ctx) {
    const { Name: name = '' } = input;
    if ((await ctx.table(Parameters).get(name)) === undefined) throw notFound();
    const versions = await ctx.table(Versions).list({ prefix: [name] });
    const { items, rest } = onePage(`GetParameterHistory ${name}`, versions, ({ version }) => version, input);
    const shown = [];
    for (const version of items) {
      const Value = await openValue(ctx, parameterArn(ctx, name), version.value, input.WithDecryption);
      shown.push({ ...describeVersion(version), Value, Labels: [...version.labels] });
    }
    return { Parameters: shown, ...rest };
  },

  async AddTagsToResource(input, ctx) {
    await changeTags(ctx, input, (row) => ({ ...row, tags: readTags(input.Tags, row.tags) }));
    return {};
  },

  async RemoveTagsFromResource(input, ctx) {
    const gone = new Set(input.TagKeys);
    await changeTags(ctx, input, (row) => ({
      ...row,
      tags: Object.fromEntries(Object.entries(row.tags).filter(([key]) => !gone.has(key))),
    }));
    return {};
  },

  async ListTagsForResource(input, ctx) {
    checkKind(ctx, input.ResourceType);
    const row = await ctx.table(Parameters).get(input.ResourceId ?? '');
    if (row === undefined) throw invalidResource();
    return { TagList: Object.entries(row.tags).map(([Key, Value]) => ({ Key, Value })) };
  },
};
