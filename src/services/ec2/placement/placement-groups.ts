/** Placement groups: made, listed, deleted, and looked up by launches. */
import type { EC2, PlacementGroup } from '@aws-sdk/client-ec2';
import type { Context, Transaction } from '../../../kernel/context.ts';
import { AwsError, parameterNotImplemented } from '../../../kernel/errors.ts';
import type { AuthorisationsOf, HandlersOf } from '../../../kernel/service.ts';
import { invalidParameterCombination, invalidParameterValue, missingParameter } from '../errors.ts';
import { applyFilters } from '../filters.ts';
import { Instances } from '../instances/state.ts';
import { describeTags, ec2Arn, requestTagConditions, tagsFor } from '../tags.ts';
import { type PlacementGroupRow, PlacementGroups } from './state.ts';

/** Per account and Region ("General rules and limitations"). */
const groupsMax = 500;
const partitionsMax = 7;
const partitionsDefault = 2;
const strategies = ['cluster', 'spread', 'partition', 'precision-time'] as const;

type Source = Pick<Context | Transaction, 'table'>;

function unknownGroup(name: string): AwsError {
  return new AwsError('InvalidPlacementGroup.Unknown', `The Placement Group '${name}' is unknown.`);
}

/** The group of this name or id. Throws InvalidPlacementGroup.Unknown. */
export async function requireGroup(
  source: Source,
  { name, id }: { name?: string | undefined; id?: string | undefined },
): Promise<PlacementGroupRow> {
  if (name !== undefined && id !== undefined)
    throw invalidParameterCombination('You can specify either a placement group name or a placement group ID, but not both.');
  const row =
    name === undefined
      ? await source.table(PlacementGroups).firstByIndex('byId', [id ?? ''])
      : await source.table(PlacementGroups).get(name);
  if (row === undefined) throw unknownGroup(name ?? id ?? '');
  return row;
}

/** A partition that a request names must be one of the group's. */
export function checkPartition(group: PlacementGroupRow | undefined, partition: number | undefined): void {
  if (partition === undefined) return;
  if (group?.strategy !== 'partition')
    throw invalidParameterCombination(
      'The partition number can be specified only with a placement group whose strategy is partition.',
    );
  const most = group.partitions ?? 1;
  if (partition < 1 || partition > most)
    throw invalidParameterValue(
      `Value (${partition}) for parameter partitionNumber is invalid. Expecting a value between 1 and ${most}.`,
    );
}

function describeGroup(ctx: Context, row: PlacementGroupRow): PlacementGroup {
  return {
    GroupId: row.id,
    GroupName: row.name,
    GroupArn: ec2Arn(ctx, 'placement-group', row.name),
    State: 'available',
    Strategy: row.strategy,
    PartitionCount: row.partitions,
    SpreadLevel: row.strategy === 'spread' ? 'rack' : undefined,
    Tags: describeTags(row.tags),
  };
}

function partitionsOf(strategy: PlacementGroupRow['strategy'], count: number | undefined): number | undefined {
  if (strategy !== 'partition') {
    if (count !== undefined)
      throw invalidParameterCombination('The partition count can be specified only when the strategy is partition.');
    return undefined;
  }
  const partitions = count ?? partitionsDefault;
  if (partitions < 1 || partitions > partitionsMax)
    throw invalidParameterValue(
      `Value (${partitions}) for parameter partitionCount is invalid. Expecting a value between 1 and ${partitionsMax}.`,
    );
  return partitions;
}

export const placementGroupHandlers: HandlersOf<EC2> = {
  /** Throws InvalidPlacementGroup.Duplicate, PlacementGroupLimitExceeded. */
  async CreatePlacementGroup(input, ctx) {
    for (const name of ['Operator', 'LinkedGroupId'] as const)
      if ((input as Record<string, unknown>)[name] !== undefined) throw parameterNotImplemented('CreatePlacementGroup', name);
    const { GroupName: name, SpreadLevel: level } = input;
    if (name === undefined || name === '') throw missingParameter('groupName');
    if (name.length > 255) throw invalidParameterValue('The placement group name must not exceed 255 characters.');
    const strategy = input.Strategy ?? (input.PartitionCount === undefined ? 'cluster' : 'partition');
    if (!strategies.includes(strategy))
      throw invalidParameterValue(`Value (${strategy as string}) for parameter strategy is invalid.`);
    if (level !== undefined && strategy !== 'spread')
      throw invalidParameterCombination('The spread level can be specified only when the strategy is spread.');
    if (level === 'host') throw invalidParameterCombination('Host level spread placement groups are supported only on Outposts.');
    const partitions = partitionsOf(strategy, input.PartitionCount);
    const row = await ctx.transact(async (tx) => {
      if ((await tx.table(PlacementGroups).get(name)) !== undefined)
        throw new AwsError('InvalidPlacementGroup.Duplicate', `The placement group '${name}' already exists.`);
      if ((await tx.table(PlacementGroups).count()) >= groupsMax)
        throw new AwsError('PlacementGroupLimitExceeded', `You can create up to ${groupsMax} placement groups.`);
      const made: PlacementGroupRow = {
        id: ctx.id('placementGroup'),
        name,
        strategy,
        partitions,
        created: ctx.now,
        tags: tagsFor('placement-group', input.TagSpecifications),
      };
      await tx.table(PlacementGroups).put(made);
      return made;
    });
    return { PlacementGroup: describeGroup(ctx, row) };
  },

  async DescribePlacementGroups(input, ctx) {
    const named = [
      ...(input.GroupNames ?? []).map((name) => requireGroup(ctx, { name })),
      ...(input.GroupIds ?? []).map((id) => requireGroup(ctx, { id })),
    ];
    const rows = named.length === 0 ? await ctx.table(PlacementGroups).list() : await Promise.all(named);
    const passing = applyFilters(rows, input.Filters, {
      'group-name': (row) => row.name,
      'group-arn': (row) => ec2Arn(ctx, 'placement-group', row.name),
      'spread-level': (row) => (row.strategy === 'spread' ? 'rack' : undefined),
      state: () => 'available',
      strategy: (row) => row.strategy,
    });
    return { PlacementGroups: passing.map((row) => describeGroup(ctx, row)) };
  },

  /** Throws InvalidPlacementGroup.InUse while instances that are not terminated belong to it. */
  async DeletePlacementGroup(input, ctx) {
    await ctx.transact(async (tx) => {
      const row = await requireGroup(tx, { name: input.GroupName ?? '' });
      const [member] = (await tx.table(Instances).byIndex('byGroup', [row.id])).filter(({ state }) => state !== 'terminated');
      if (member !== undefined)
        throw new AwsError('InvalidPlacementGroup.InUse', `The placement group '${row.name}' is in use and may not be deleted.`);
      await tx.table(PlacementGroups).delete(row.name);
    });
    return {};
  },
};

export const placementGroupAuthorisations: AuthorisationsOf<EC2> = {
  CreatePlacementGroup: (input, ctx) => [
    {
      resource: ec2Arn(ctx, 'placement-group', input.GroupName ?? '*'),
      conditions: {
        'ec2:PlacementGroupStrategy': input.Strategy,
        ...requestTagConditions(input.TagSpecifications?.flatMap(({ Tags = [] }) => Tags)),
      },
    },
  ],
  DeletePlacementGroup: (input, ctx) => [{ resource: ec2Arn(ctx, 'placement-group', input.GroupName ?? '*') }],
};
