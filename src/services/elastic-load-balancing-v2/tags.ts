/** Tags of all four kinds of resources. */
import type { ElasticLoadBalancingV2, Tag } from '@aws-sdk/client-elastic-load-balancing-v2';
import type { Context, Transaction } from '../../kernel/context.ts';
import { AwsError } from '../../kernel/errors.ts';
import type { HandlersOf } from '../../kernel/service.ts';
import { type ArnKind, kindOf } from './arns.ts';
import { balancerNotFound, groupNotFound, listenerNotFound, ruleNotFound, validationError } from './errors.ts';
import { Balancers, Groups, Listeners, Rules, type TagMap } from './state.ts';

const tagsMax = 50;

type TagInput = readonly { Key?: string | undefined; Value?: string | undefined }[];

/** Tags of a request over those that are there. Throws ValidationError, DuplicateTagKeys, TooManyTags. */
export function mergeTags(known: TagMap, given: TagInput | undefined): TagMap {
  const seen = new Set<string>();
  for (const { Key = '', Value = '' } of given ?? []) {
    if (Key === '' || Key.length > 128 || Value.length > 256 || Key.toLowerCase().startsWith('aws:'))
      throw validationError(`The tag key '${Key}' is not valid`);
    if (seen.has(Key)) throw new AwsError('DuplicateTagKeys', 'A tag key was specified more than once');
    seen.add(Key);
  }
  const merged = { ...known, ...Object.fromEntries((given ?? []).map(({ Key = '', Value = '' }) => [Key, Value])) };
  if (Object.keys(merged).length > tagsMax)
    throw new AwsError('TooManyTags', `The maximum number of tags per resource, ${tagsMax}, has been reached`);
  return merged;
}

const kinds = {
  loadbalancer: { table: Balancers, missing: balancerNotFound },
  targetgroup: { table: Groups, missing: groupNotFound },
  listener: { table: Listeners, missing: listenerNotFound },
  'listener-rule': { table: Rules, missing: ruleNotFound },
} as const;

function kindFor(arn: string): ArnKind {
  const kind = kindOf(arn);
  if (kind === undefined) throw validationError(`'${arn}' is not a valid resource ARN`);
  return kind;
}

/** Tags of a resource; undefined when there is none. */
export async function tagsOf(reader: Pick<Context, 'table'>, arn: string): Promise<TagMap | undefined> {
  const kind = kindOf(arn);
  return kind === undefined
    ? undefined
    : (await reader.table<{ tags: TagMap }, string>(kinds[kind].table as never).get(arn))?.tags;
}

async function change(tx: Transaction, arn: string, by: (tags: TagMap) => TagMap): Promise<void> {
  const { table, missing } = kinds[kindFor(arn)];
  const rows = tx.table<{ tags: TagMap }, string>(table as never);
  if ((await rows.update([arn], (row) => ({ ...row, tags: by(row.tags) }))) === undefined) throw missing(arn);
}

export const tagHandlers: HandlersOf<ElasticLoadBalancingV2> = {
  async AddTags(input, ctx) {
    await ctx.transact(async (tx) => {
      for (const arn of input.ResourceArns ?? []) await change(tx, arn, (tags) => mergeTags(tags, input.Tags));
    });
    return {};
  },

  async RemoveTags(input, ctx) {
    const gone = new Set(input.TagKeys);
    await ctx.transact(async (tx) => {
      for (const arn of input.ResourceArns ?? [])
        await change(tx, arn, (tags) => Object.fromEntries(Object.entries(tags).filter(([key]) => !gone.has(key))));
    });
    return {};
  },

  async DescribeTags(input, ctx) {
    const arns = input.ResourceArns ?? [];
    if (arns.length > 20) throw validationError('The maximum number of resources is 20');
    return {
      TagDescriptions: await Promise.all(
        arns.map(async (ResourceArn) => {
          const tags = await tagsOf(ctx, ResourceArn);
          if (tags === undefined) throw kinds[kindFor(ResourceArn)].missing(ResourceArn);
          return { ResourceArn, Tags: Object.entries(tags).map(([Key, Value]): Tag => ({ Key, Value })) };
        }),
      ),
    };
  },
};
