/** Tags of groups, which instances get at launch when they say so. */
import type { AutoScaling, Tag } from '@aws-sdk/client-auto-scaling';
import type { HandlersOf } from '../../kernel/service.ts';
import { limitExceeded, validationError } from './errors.ts';
import { pageFor } from './lists.ts';
import { type GroupRow, Groups, type GroupTag } from './state.ts';

const tagsMax = 50;

/** Tags as rows hold them. Throws for reserved keys, wrong lengths and too many. */
export function readTags(given: readonly Tag[] | undefined): GroupTag[] {
  const tags = new Map<string, GroupTag>();
  for (const { Key: key = '', Value: value = '', PropagateAtLaunch: propagate = false } of given ?? []) {
    if (key === '' || key.length > 128) throw validationError('Tag keys must be 1 to 128 characters long.');
    if (value.length > 256) throw validationError('Tag values must be at most 256 characters long.');
    if (key.toLowerCase().startsWith('aws:')) throw validationError('Tag keys starting with aws: are reserved for internal use.');
    tags.set(key, { key, value, propagate });
  }
  if (tags.size > tagsMax) throw limitExceeded(`The maximum number of tags for a resource (${tagsMax}) has been reached.`);
  return [...tags.values()];
}

/** Resource of each tag, which must be a group. */
function groupOf({ ResourceId: id, ResourceType: type }: Tag): string {
  if (type !== 'auto-scaling-group') throw validationError(`Invalid resource type: ${type}. Valid types are: auto-scaling-group`);
  if (id === undefined) throw validationError('The ResourceId of the tag is required.');
  return id;
}

const notThere = (name: string) => validationError(`AutoScalingGroup name not found - AutoScalingGroup: ${name} not found`);

export const tagHandlers: HandlersOf<AutoScaling> = {
  async CreateOrUpdateTags({ Tags: given = [] }, ctx) {
    await ctx.transact(async (tx) => {
      for (const tag of given) {
        const name = groupOf(tag);
        const row = await tx.table(Groups).get(name);
        if (row === undefined) throw notThere(name);
        const [added] = readTags([tag]);
        if (added === undefined) continue;
        const tags = [...row.tags.filter(({ key }) => key !== added.key), added];
        if (tags.length > tagsMax)
          throw limitExceeded(`The maximum number of tags for a resource (${tagsMax}) has been reached.`);
        await tx.table(Groups).put({ ...row, tags });
      }
    });
    return {};
  },

  async DeleteTags({ Tags: given = [] }, ctx) {
    await ctx.transact(async (tx) => {
      for (const tag of given) {
        const name = groupOf(tag);
        const row = await tx.table(Groups).get(name);
        if (row === undefined) throw notThere(name);
        await tx.table(Groups).put({ ...row, tags: row.tags.filter(({ key }) => key !== tag.Key) });
      }
    });
    return {};
  },

  async DescribeTags(input, ctx) {
    const known = ['auto-scaling-group', 'key', 'value', 'propagate-at-launch'];
    const wrong = input.Filters?.find(({ Name = '' }) => !known.includes(Name));
    if (wrong !== undefined)
      throw validationError(`Filter type ${wrong.Name} is not correct. Allowed Filter types are: ${known.join(' ')}`);
    const all = (await ctx.table(Groups).list()).flatMap((row: GroupRow) => row.tags.map((tag) => ({ group: row.name, ...tag })));
    const read = { 'auto-scaling-group': 'group', key: 'key', value: 'value', 'propagate-at-launch': 'propagate' } as const;
    const found = all.filter((tag) =>
      (input.Filters ?? []).every(({ Name = '', Values = [] }) => Values.includes(String(tag[read[Name as keyof typeof read]]))),
    );
    const page = pageFor('tags', found, ({ group, key }) => [group, key], input);
    const Tags = page.items.map(({ group, key, value, propagate }) => ({
      ResourceId: group,
      ResourceType: 'auto-scaling-group',
      Key: key,
      Value: value,
      PropagateAtLaunch: propagate,
    }));
    return { Tags, NextToken: page.nextToken };
  },
};
