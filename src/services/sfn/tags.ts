/** Tags of state machines and activities, which are found by their ARN. */
import type { SFN } from '@aws-sdk/client-sfn';
import type { Context, Transaction } from '../../kernel/context.ts';
import { AwsError } from '../../kernel/errors.ts';
import type { AuthorisationsOf, Check, HandlersOf } from '../../kernel/service.ts';
import { resourceNotFound } from './errors.ts';
import { onActivity, onMachine, tagConditions } from './lookup.ts';
import { readTags } from './machines.ts';
import { readArn, tagsMax } from './rules.ts';
import { Activities, Machines, type TagMap } from './state.ts';

/** Reads the tags of a resource and, with `change`, writes others. Throws InvalidArn, ResourceNotFound. */
async function tagsOf(tx: Transaction, arn = '', change?: (tags: TagMap) => TagMap): Promise<TagMap> {
  const { kind, parts } = readArn(arn, 'stateMachine', 'activity');
  const name = parts[0] ?? '';
  const row = kind === 'activity' ? await tx.table(Activities).get(name) : await tx.table(Machines).get(name);
  if (row === undefined) throw resourceNotFound(arn);
  if (change === undefined) return row.tags;
  const tags = change(row.tags);
  if (kind === 'activity') await tx.table(Activities).update([name], (old) => ({ ...old, tags }));
  else await tx.table(Machines).update([name], (old) => ({ ...old, tags }));
  return tags;
}

export const tagHandlers: HandlersOf<SFN> = {
  async TagResource({ resourceArn, tags = [] }, ctx) {
    await ctx.transact((tx) =>
      tagsOf(tx, resourceArn, (old) => {
        const all = { ...old, ...readTags(tags) };
        if (Object.keys(all).length > tagsMax)
          throw new AwsError('TooManyTags', `Too Many Tags: '${resourceArn}'`, { members: { resourceName: resourceArn } });
        return all;
      }),
    );
    return {};
  },

  async UntagResource({ resourceArn, tagKeys = [] }, ctx) {
    await ctx.transact((tx) =>
      tagsOf(tx, resourceArn, (old) => Object.fromEntries(Object.entries(old).filter(([key]) => !tagKeys.includes(key)))),
    );
    return {};
  },

  async ListTagsForResource({ resourceArn }, ctx) {
    const tags = await ctx.transact((tx) => tagsOf(tx, resourceArn));
    return { tags: Object.entries(tags).map(([key, value]) => ({ key, value })) };
  },
};

async function onResource(arn: string | undefined, ctx: Context, more: Check['conditions'] = {}): Promise<Check[]> {
  const checks = arn?.includes(':activity:') === true ? await onActivity(arn, ctx) : await onMachine(arn, ctx);
  return checks.map((check) => ({ ...check, conditions: { ...check.conditions, ...more } }));
}

export const tagChecks: AuthorisationsOf<SFN> = {
  TagResource: ({ resourceArn, tags = [] }, ctx) =>
    onResource(resourceArn, ctx, { ...tagConditions('Request', readTags(tags)), 'aws:TagKeys': tags.map(({ key = '' }) => key) }),
  UntagResource: ({ resourceArn, tagKeys = [] }, ctx) => onResource(resourceArn, ctx, { 'aws:TagKeys': tagKeys }),
  ListTagsForResource: ({ resourceArn }, ctx) => onResource(resourceArn, ctx),
};
