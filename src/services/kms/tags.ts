/** Tags of keys. Aliases have none. Source: AWS KMS API Reference, TagResource; "Tag your KMS keys": at most 50, no key that begins with `aws:`. */
import type { KMS, Tag } from '@aws-sdk/client-kms';
import { RequestCheck } from '../../kernel/request-check.ts';
import type { HandlersOf } from '../../kernel/service.ts';
import { limitExceeded, tagError } from './errors.ts';
import { ownKeyId } from './key-ids.ts';
import { changeKey, pageList, requireRow } from './keys.ts';
import { limits } from './rules.ts';
import type { TagMap } from './state.ts';

/** Tags of a request as a map. Throws ValidationException, TagException, LimitExceededException. */
export function readTags(tags: readonly Tag[] | undefined): TagMap {
  const check = new RequestCheck();
  for (const [index, { TagKey, TagValue }] of (tags ?? []).entries()) {
    check.length(`tags.${index + 1}.member.tagKey`, TagKey, 1, limits.tagKeyCharsMax);
    check.length(`tags.${index + 1}.member.tagValue`, TagValue, 0, limits.tagValueCharsMax);
  }
  check.done();
  const map: Record<string, string> = {};
  for (const { TagKey = '', TagValue = '' } of tags ?? []) {
    if (/^aws:/i.test(TagKey)) throw tagError('aws: prefixed tag key names are not allowed for external use.');
    if (Object.hasOwn(map, TagKey)) throw tagError('Duplicate tag keys');
    map[TagKey] = TagValue;
  }
  return checkCount(map);
}

function checkCount(tags: TagMap): TagMap {
  if (Object.keys(tags).length > limits.tagsPerKeyMax) throw limitExceeded('Too many tags');
  return tags;
}

/** Tags as the API shows them, in order of their keys. */
export function describeTags(tags: TagMap): Tag[] {
  const sorted = Object.keys(tags).sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
  return sorted.map((key) => ({ TagKey: key, TagValue: tags[key] ?? '' }));
}

const taggable = ['Enabled', 'Disabled', 'PendingImport'] as const;

export const tagHandlers: HandlersOf<KMS> = {
  async TagResource(input, ctx) {
    const added = readTags(input.Tags);
    await changeKey(ctx, input.KeyId, taggable, (row) => ({ ...row, tags: checkCount({ ...row.tags, ...added }) }));
    return {};
  },

  async UntagResource(input, ctx) {
    const gone = new Set(input.TagKeys);
    await changeKey(ctx, input.KeyId, taggable, (row) => ({
      ...row,
      tags: Object.fromEntries(Object.entries(row.tags).filter(([key]) => !gone.has(key))),
    }));
    return {};
  },

  async ListResourceTags(input, ctx) {
    const { id, tags } = await requireRow(ctx, ownKeyId(ctx, input.KeyId));
    const { items, page } = pageList(
      `ListResourceTags ${id}`,
      describeTags(tags),
      ({ TagKey = '' }) => TagKey,
      input,
      limits.tagsPerKeyMax,
    );
    return { Tags: items, ...page };
  },
};
