/** Tags of streams and consumers: by the stream's own operations, and by those for all resources. */
import type { Kinesis } from '@aws-sdk/client-kinesis';
import type { Context } from '../../kernel/context.ts';
import type { AuthorisationsOf, HandlersOf } from '../../kernel/service.ts';
import { limitExceeded } from './errors.ts';
import { isConsumerArn, onResource, onStream, requireConsumer, requireStream } from './lookup.ts';
import { Consumers, Streams } from './state.ts';

const tagsMax = 50;

type Tags = Readonly<Record<string, string>>;

/** Changes the tags of what an ARN names. Throws ResourceNotFoundException, LimitExceededException. */
async function changeTags(ctx: Context, ResourceARN: string | undefined, change: (tags: Tags) => Tags): Promise<void> {
  const checked = (tags: Tags, what: string): Tags => {
    if (Object.keys(tags).length > tagsMax)
      throw limitExceeded(
        `Failed to add tags to ${what} under account ${ctx.account} because a given resource cannot have more than ${tagsMax} tags associated with it.`,
      );
    return tags;
  };
  if (isConsumerArn(ResourceARN)) {
    const { consumer } = await requireConsumer(ctx, { ConsumerARN: ResourceARN });
    const tags = checked(change(consumer.tags), `consumer ${consumer.name}`);
    await ctx.transact((tx) => tx.table(Consumers).put({ ...consumer, tags }));
    return;
  }
  const stream = await requireStream(ctx, { StreamARN: ResourceARN });
  const tags = checked(change(stream.tags), `stream ${stream.name}`);
  await ctx.transact((tx) => tx.table(Streams).put({ ...stream, tags }));
}

export const tagHandlers: HandlersOf<Kinesis> = {
  async AddTagsToStream({ Tags = {}, ...input }, ctx) {
    const stream = await requireStream(ctx, input);
    const tags = { ...stream.tags, ...Tags };
    if (Object.keys(tags).length > tagsMax)
      throw limitExceeded(
        `Failed to add tags to stream ${stream.name} under account ${ctx.account} because a given stream cannot have more than ${tagsMax} tags associated with it.`,
      );
    await ctx.transact((tx) => tx.table(Streams).put({ ...stream, tags }));
    return {};
  },

  async RemoveTagsFromStream({ TagKeys = [], ...input }, ctx) {
    const stream = await requireStream(ctx, input);
    const tags = Object.fromEntries(Object.entries(stream.tags).filter(([key]) => !TagKeys.includes(key)));
    await ctx.transact((tx) => tx.table(Streams).put({ ...stream, tags }));
    return {};
  },

  async ListTagsForStream({ ExclusiveStartTagKey, Limit = tagsMax, ...input }, ctx) {
    const stream = await requireStream(ctx, input);
    const all = Object.entries(stream.tags).sort(([a], [b]) => (a < b ? -1 : 1));
    const rest = all.filter(([key]) => ExclusiveStartTagKey === undefined || key > ExclusiveStartTagKey);
    return { Tags: rest.slice(0, Limit).map(([Key, Value]) => ({ Key, Value })), HasMoreTags: rest.length > Limit };
  },

  async TagResource({ ResourceARN, Tags = {} }, ctx) {
    await changeTags(ctx, ResourceARN, (tags) => ({ ...tags, ...Tags }));
    return {};
  },

  async UntagResource({ ResourceARN, TagKeys = [] }, ctx) {
    await changeTags(ctx, ResourceARN, (tags) =>
      Object.fromEntries(Object.entries(tags).filter(([key]) => !TagKeys.includes(key))),
    );
    return {};
  },

  async ListTagsForResource({ ResourceARN }, ctx) {
    const { tags } = isConsumerArn(ResourceARN)
      ? (await requireConsumer(ctx, { ConsumerARN: ResourceARN })).consumer
      : await requireStream(ctx, { StreamARN: ResourceARN });
    return { Tags: Object.entries(tags).map(([Key, Value]) => ({ Key, Value })) };
  },
};

export const tagChecks: AuthorisationsOf<Kinesis> = {
  AddTagsToStream: onStream,
  RemoveTagsFromStream: onStream,
  ListTagsForStream: onStream,
  TagResource: onResource,
  UntagResource: onResource,
  ListTagsForResource: onResource,
};
