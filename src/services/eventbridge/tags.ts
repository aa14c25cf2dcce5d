/** Tags of buses and rules, which are found by their ARN. */
import type { EventBridge } from '@aws-sdk/client-eventbridge';
import type { Transaction } from '../../kernel/context.ts';
import { AwsError } from '../../kernel/errors.ts';
import type { AuthorisationsOf, HandlersOf } from '../../kernel/service.ts';
import { defaultBus, readTags, unchangedDefault } from './buses.ts';
import { Buses, Rules, type TagMap } from './state.ts';

const tagsMax = 50;

function missing(arn: string | undefined): AwsError {
  return new AwsError('ResourceNotFoundException', `Resource ${arn ?? ''} does not exist.`);
}

/** Reads the tags of a bus or rule and, with `change`, writes others. Throws ResourceNotFoundException. */
async function tagsOf(tx: Transaction, arn = '', change?: (tags: TagMap) => TagMap): Promise<TagMap> {
  const [, kind, path = ''] = /^arn:aws:events:[^:]+:\d{12}:(event-bus|rule)\/(.+)$/.exec(arn) ?? [];
  if (kind === 'event-bus') {
    const bus = (await tx.table(Buses).get(path)) ?? (path === defaultBus ? unchangedDefault : undefined);
    if (bus === undefined) throw missing(arn);
    if (change !== undefined) await tx.table(Buses).put({ ...bus, tags: change(bus.tags) });
    return bus.tags;
  }
  const slash = path.indexOf('/');
  const rule = await tx.table(Rules).get(slash < 0 ? defaultBus : path.slice(0, slash), path.slice(slash + 1));
  if (rule === undefined) throw missing(arn);
  if (change !== undefined) await tx.table(Rules).put({ ...rule, tags: change(rule.tags) });
  return rule.tags;
}

export const tagHandlers: HandlersOf<EventBridge> = {
  async TagResource({ ResourceARN, Tags }, ctx) {
    await ctx.transact((tx) =>
      tagsOf(tx, ResourceARN, (old) => {
        const tags = { ...old, ...readTags(Tags) };
        if (Object.keys(tags).length > tagsMax) throw new AwsError('ValidationException', 'Too many tags.');
        return tags;
      }),
    );
    return {};
  },

  async UntagResource({ ResourceARN, TagKeys = [] }, ctx) {
    await ctx.transact((tx) =>
      tagsOf(tx, ResourceARN, (old) => Object.fromEntries(Object.entries(old).filter(([key]) => !TagKeys.includes(key)))),
    );
    return {};
  },

  async ListTagsForResource({ ResourceARN }, ctx) {
    const tags = await ctx.transact((tx) => tagsOf(tx, ResourceARN));
    return { Tags: Object.entries(tags).map(([Key, Value]) => ({ Key, Value })) };
  },
};

export const tagChecks: AuthorisationsOf<EventBridge> = {
  TagResource: ({ ResourceARN = '*' }) => [{ resource: ResourceARN }],
  UntagResource: ({ ResourceARN = '*' }) => [{ resource: ResourceARN }],
  ListTagsForResource: ({ ResourceARN = '*' }) => [{ resource: ResourceARN }],
};
