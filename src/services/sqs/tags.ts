/** Tags of queues ("Amazon SQS cost allocation tags"). */
import type { SQS } from '@aws-sdk/client-sqs';
import type { AuthorisationsOf, HandlersOf } from '../../kernel/service.ts';
import { invalidParameter } from './errors.ts';
import { changeQueue, findQueue, onOwnQueue } from './lookup.ts';
import { tagsMax } from './rules.ts';
import type { TagMap } from './state.ts';

const form = /^[\p{L}\p{Z}\p{N}_.:/=+\-@]*$/u;

/** Throws InvalidParameterValue for tags that AWS does not take. */
export function checkTags(queue: string, tags: TagMap): void {
  const entries = Object.entries(tags);
  if (entries.length > tagsMax) throw invalidParameter(`Too many tags added for queue ${queue}.`);
  for (const [key, value] of entries) {
    if (key === '' || key.length > 128) throw invalidParameter('Tag keys must be between 1 and 128 characters in length.');
    if (value.length > 256) throw invalidParameter('Tag values must be between 0 and 256 characters in length.');
    if (/^aws:/i.test(key)) throw invalidParameter('Tag keys that begin with aws: are reserved for system use.');
    if (!form.test(key) || !form.test(value))
      throw invalidParameter('Tag keys and values can only contain letters, digits, white space, and _.:/=+-@.');
  }
}

export const tagHandlers: HandlersOf<SQS> = {
  async TagQueue({ QueueUrl, Tags = {} }, ctx) {
    const found = await findQueue(ctx, QueueUrl);
    if (Object.keys(Tags).length === 0) throw invalidParameter('The request must contain the parameter Tags.');
    await changeQueue(found, (row) => {
      const tags = { ...row.tags, ...Tags };
      checkTags(row.name, tags);
      return { ...row, tags };
    });
    return {};
  },

  async UntagQueue({ QueueUrl, TagKeys = [] }, ctx) {
    const found = await findQueue(ctx, QueueUrl);
    if (TagKeys.length === 0) throw invalidParameter('The request must contain the parameter TagKeys.');
    await changeQueue(found, (row) => ({
      ...row,
      tags: Object.fromEntries(Object.entries(row.tags).filter(([key]) => !TagKeys.includes(key))),
    }));
    return {};
  },

  async ListQueueTags({ QueueUrl }, ctx) {
    const { queue } = await findQueue(ctx, QueueUrl);
    return Object.keys(queue.tags).length === 0 ? {} : { Tags: { ...queue.tags } };
  },
};

export const tagChecks: AuthorisationsOf<SQS> = {
  TagQueue: async (input, ctx) => {
    const tags = input.Tags ?? {};
    return (await onOwnQueue(input, ctx)).map((check) => ({
      ...check,
      conditions: {
        ...check.conditions,
        'aws:TagKeys': Object.keys(tags),
        ...Object.fromEntries(Object.entries(tags).map(([key, value]) => [`aws:RequestTag/${key}`, value])),
      },
    }));
  },
  UntagQueue: async (input, ctx) =>
    (await onOwnQueue(input, ctx)).map((check) => ({
      ...check,
      conditions: { ...check.conditions, 'aws:TagKeys': input.TagKeys ?? [] },
    })),
  ListQueueTags: onOwnQueue,
};
