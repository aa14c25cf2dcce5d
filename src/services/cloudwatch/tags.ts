/** Tags of alarms. */
import type { CloudWatch, Tag } from '@aws-sdk/client-cloudwatch';
import type { Context } from '../../kernel/context.ts';
import type { HandlersOf } from '../../kernel/service.ts';
import { invalidValue, notFound, validationError } from './errors.ts';
import { Alarms } from './state.ts';

type TagInput = readonly { Key?: string | undefined; Value?: string | undefined }[];

/** Throws for too many, too long or AWS's own tags. */
export function checkTags(tags: TagInput | undefined): TagInput {
  if ((tags?.length ?? 0) > 50) throw validationError('The collection Tags must not have a size greater than 50.');
  for (const { Key = '', Value = '' } of tags ?? [])
    if (Key === '' || Key.length > 128 || Value.length > 256 || Key.toLowerCase().startsWith('aws:'))
      throw invalidValue(`The tag ${Key} is invalid.`);
  return tags ?? [];
}

export function readTags(tags: TagInput): Record<string, string> {
  return Object.fromEntries(tags.map(({ Key = '', Value = '' }) => [Key, Value]));
}

/** Name in an alarm's ARN. Throws for ARNs of anything else. */
function alarmNameOf(arn: string | undefined): string {
  const name = /^arn:aws:cloudwatch:[^:]*:\d{12}:alarm:(.+)$/.exec(arn ?? '')?.[1];
  if (name === undefined) throw invalidValue(`The value ${arn} for parameter ResourceARN is invalid.`);
  return name;
}

async function change(
  ctx: Context,
  arn: string | undefined,
  by: (tags: Readonly<Record<string, string>>) => Record<string, string>,
) {
  const name = alarmNameOf(arn);
  await ctx.transact(async (tx) => {
    const row = await tx.table(Alarms).get(name);
    if (row === undefined) throw notFound('Unknown');
    const tags = by(row.tags);
    if (Object.keys(tags).length > 50) throw validationError('The collection Tags must not have a size greater than 50.');
    await tx.table(Alarms).put({ ...row, tags });
  });
  return {};
}

export const tagHandlers: HandlersOf<CloudWatch> = {
  TagResource(input, ctx) {
    const more = readTags(checkTags(input.Tags));
    return change(ctx, input.ResourceARN, (tags) => ({ ...tags, ...more }));
  },

  UntagResource(input, ctx) {
    const gone = new Set(input.TagKeys);
    return change(ctx, input.ResourceARN, (tags) => Object.fromEntries(Object.entries(tags).filter(([key]) => !gone.has(key))));
  },

  async ListTagsForResource(input, ctx) {
    const row = await ctx.table(Alarms).get(alarmNameOf(input.ResourceARN));
    if (row === undefined) throw notFound('Unknown');
    return { Tags: Object.entries(row.tags).map(([Key, Value]): Tag => ({ Key, Value })) };
  },
};
