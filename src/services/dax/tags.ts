/** Tags of clusters. */
import type { DAX, Tag } from '@aws-sdk/client-dax';
import { AwsError } from '../../kernel/errors.ts';
import type { HandlersOf } from '../../kernel/service.ts';
import { invalidValue } from './errors.ts';
import { nameInArn, requireCluster } from './lookup.ts';
import { Clusters, type TagMap } from './state.ts';

const tagsMax = 50;

/** Tags of a request over those that are there. Throws InvalidParameterValueException, TagQuotaPerResourceExceeded. */
export function mergeTags(known: TagMap, given: readonly Tag[] | undefined): TagMap {
  for (const { Key = '', Value = '' } of given ?? [])
    if (Key === '' || Key.length > 128 || Value.length > 256 || Key.toLowerCase().startsWith('aws:'))
      throw invalidValue(`The tag key '${Key}' is not valid.`);
  const merged = { ...known, ...Object.fromEntries((given ?? []).map(({ Key = '', Value = '' }) => [Key, Value])) };
  if (Object.keys(merged).length > tagsMax)
    throw new AwsError('TagQuotaPerResourceExceeded', `A resource can have at most ${tagsMax} tags.`);
  return merged;
}

const describe = (tags: TagMap): Tag[] => Object.entries(tags).map(([Key, Value]) => ({ Key, Value }));

export const tagHandlers: HandlersOf<DAX> = {
  async ListTags({ ResourceName }, ctx) {
    return { Tags: describe((await requireCluster(ctx, nameInArn(ctx, ResourceName))).tags) };
  },

  async TagResource({ ResourceName, Tags }, ctx) {
    return ctx.transact(async (tx) => {
      const row = await requireCluster(tx, nameInArn(ctx, ResourceName));
      const tags = mergeTags(row.tags, Tags);
      await tx.table(Clusters).put({ ...row, tags });
      return { Tags: describe(tags) };
    });
  },

  async UntagResource({ ResourceName, TagKeys = [] }, ctx) {
    return ctx.transact(async (tx) => {
      const row = await requireCluster(tx, nameInArn(ctx, ResourceName));
      for (const key of TagKeys)
        if (row.tags[key] === undefined)
          throw new AwsError('TagNotFoundFault', `The tag ${key} does not exist.`, { status: 404 });
      const tags = Object.fromEntries(Object.entries(row.tags).filter(([key]) => !TagKeys.includes(key)));
      await tx.table(Clusters).put({ ...row, tags });
      return { Tags: describe(tags) };
    });
  },
};
