/** Tags of hosted zones and health checks. */
import type { ResourceTagSet, Route53, TagResourceType } from '@aws-sdk/client-route-53';
import { RequestCheck } from '../../kernel/request-check.ts';
import type { HandlersOf } from '../../kernel/service.ts';
import { error, invalidInput, noSuchHealthCheck } from './errors.ts';
import { HealthChecks } from './health-state.ts';
import { bareId } from './names.ts';
import { Tags } from './state.ts';
import { type Reading, requireZone } from './zone-lookup.ts';

const tagsMax = 50;
const changesMax = 10;

/** Throws when there is no such resource. Resolves with its bare id. */
async function requireResource(reading: Reading, type: string | undefined, id: string | undefined): Promise<string> {
  new RequestCheck('InvalidInput').oneOf('resourceType', type, ['healthcheck', 'hostedzone']).done();
  if (type === 'hostedzone') return (await requireZone(reading, id)).id;
  if ((await reading.table(HealthChecks).get(bareId(id))) === undefined) throw noSuchHealthCheck(bareId(id));
  return bareId(id);
}

async function tagSet(reading: Reading, type: string, id: string): Promise<ResourceTagSet> {
  const row = await reading.table(Tags).get(type, id);
  return {
    ResourceType: type as TagResourceType,
    ResourceId: id,
    Tags: Object.entries(row?.tags ?? {}).map(([Key, Value]) => ({ Key, Value })),
  };
}

export const tagHandlers: HandlersOf<Route53> = {
  async ChangeTagsForResource(input, ctx) {
    const { AddTags: added = [], RemoveTagKeys: removed = [], ResourceType: type = '' } = input;
    if (added.length === 0 && removed.length === 0) throw invalidInput('Either AddTags or RemoveTagKeys must be specified.');
    const constraints = new RequestCheck('InvalidInput')
      .count('addTags', added, 0, changesMax)
      .count('removeTagKeys', removed, 0, changesMax);
    for (const [index, { Key, Value }] of added.entries())
      constraints
        .length(`addTags.${index + 1}.member.key`, Key, 1, 128)
        .length(`addTags.${index + 1}.member.value`, Value, 0, 256);
    constraints.done();
    if (added.some(({ Key = '' }) => Key.toLowerCase().startsWith('aws:')))
      throw invalidInput('Tag keys cannot begin with aws:.');
    await ctx.transact(async (tx) => {
      const id = await requireResource(tx, type, input.ResourceId);
      const tags: Record<string, string> = { ...(await tx.table(Tags).get(type, id))?.tags };
      for (const key of removed) delete tags[key];
      for (const { Key = '', Value = '' } of added) tags[Key] = Value;
      if (Object.keys(tags).length > tagsMax) throw error('InvalidInput', `A resource can have at most ${tagsMax} tags.`);
      await tx.table(Tags).put({ type, id, tags });
    });
    return {};
  },

  async ListTagsForResource(input, ctx) {
    const { ResourceType: type = '' } = input;
    return { ResourceTagSet: await tagSet(ctx, type, await requireResource(ctx, type, input.ResourceId)) };
  },

  async ListTagsForResources(input, ctx) {
    const { ResourceType: type = '', ResourceIds: ids = [] } = input;
    new RequestCheck('InvalidInput').count('resourceIds', ids, 1, 10).done();
    const sets: ResourceTagSet[] = [];
    for (const id of ids) sets.push(await tagSet(ctx, type, await requireResource(ctx, type, id)));
    return { ResourceTagSets: sets };
  },
};
