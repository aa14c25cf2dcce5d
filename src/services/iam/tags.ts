/**
 * Tags on IAM's entities: rules, and the change that tagging and untagging make. Source: IAM User Guide, "Tags for IAM resources": at most 50;
 * keys of users and roles differ in more than case, keys of everything else are case-sensitive.
 */
import type { Tag } from '@aws-sdk/client-iam';
import { invalidInput, limitExceeded } from './errors.ts';
import { byKey, type PageInput, type PageOutput, pageItems } from './paging.ts';
import { quotas, type RequestCheck, sizes } from './rules.ts';
import type { TagMap } from './state.ts';

/** How keys are told apart. */
export type TagCase = 'sensitive' | 'insensitive';

const keyForm = /^[\p{L}\p{Z}\p{N}_.:/=+\-@]+$/u;
const valueForm = /^[\p{L}\p{Z}\p{N}_.:/=+\-@]*$/u;
const keyPattern = '[\\p{L}\\p{Z}\\p{N}_.:/=+\\-@]+';
const valuePattern = '[\\p{L}\\p{Z}\\p{N}_.:/=+\\-@]*';

/** Adds what is wrong with a list of tags to a request's check, in the words of the generic validator. */
export function checkTagMembers(check: RequestCheck, tags: readonly Tag[] | undefined): RequestCheck {
  if (tags === undefined) return check;
  if (tags.length > quotas.TagsPerEntity)
    check.constraint('tags', `Member must have length less than or equal to ${quotas.TagsPerEntity}`);
  for (const [index, { Key, Value }] of tags.entries()) {
    const key = `tags.${index + 1}.member.key`;
    const value = `tags.${index + 1}.member.value`;
    check.length(key, Key, 1, sizes.tagKey);
    if (Key !== undefined && Key !== '') check.pattern(key, Key, keyForm, keyPattern);
    check.length(value, Value, 0, sizes.tagValue).pattern(value, Value, valueForm, valuePattern);
  }
  return check;
}

/** Throws InvalidInput for keys that come twice, or that AWS keeps for itself. Returns the tags as a map. */
export function readTags(tags: readonly Tag[] | undefined, tagCase: TagCase): TagMap {
  const seen = new Set<string>();
  for (const { Key = '' } of tags ?? []) {
    const key = tagCase === 'sensitive' ? Key : Key.toLowerCase();
    if (seen.has(key)) {
      throw invalidInput(
        tagCase === 'sensitive'
          ? 'Duplicate tag keys found.'
          : 'Duplicate tag keys found. Please note that Tag keys are case insensitive.',
      );
    }
    if (/^aws:/i.test(Key)) throw invalidInput('aws: prefixed tag key names are not allowed for external use.');
    seen.add(key);
  }
  return Object.fromEntries((tags ?? []).map(({ Key = '', Value = '' }) => [Key, Value]));
}

/** Checks tags that come with the creation of an entity; returns them as kept. */
export function checkNewTags(check: RequestCheck, tags: readonly Tag[] | undefined, tagCase: TagCase): TagMap {
  checkTagMembers(check, tags).done();
  return readTags(tags, tagCase);
}

/** Checks the list of keys of an untag operation. Throws ValidationError. */
export function checkTagKeys(check: RequestCheck, keys: readonly string[] | undefined): void {
  const problem =
    (keys ?? []).length > quotas.TagsPerEntity
      ? `Member must have length less than or equal to ${quotas.TagsPerEntity}`
      : (keys ?? []).some((key) => key === '' || [...key].length > sizes.tagKey || !keyForm.test(key))
        ? `Member must satisfy constraint: [Member must have length less than or equal to ${sizes.tagKey}, Member must have length greater than or equal to 1, Member must satisfy regular expression pattern: ${keyPattern}, Member must not be null]`
        : undefined;
  if (problem !== undefined) check.constraint('tagKeys', problem);
  check.done();
}

/** The tags after adding or replacing some. Throws LimitExceeded when they become more than an entity may have. */
export function withTags(old: TagMap, added: TagMap, tagCase: TagCase): TagMap {
  const kept = withoutTags(old, tagCase === 'sensitive' ? [] : Object.keys(added), tagCase);
  const tags = { ...kept, ...added };
  if (Object.keys(tags).length > quotas.TagsPerEntity) throw limitExceeded('The number of tags has reached the maximum limit.');
  return tags;
}

/** The tags after removing some; keys that are not there are no error. */
export function withoutTags(old: TagMap, keys: readonly string[], tagCase: TagCase): TagMap {
  const fold = (key: string): string => (tagCase === 'sensitive' ? key : key.toLowerCase());
  const gone = new Set(keys.map(fold));
  return Object.fromEntries(Object.entries(old).filter(([key]) => !gone.has(fold(key))));
}

/** Tags as the API shows them, in the order in which they were given. */
export function describeTags(tags: TagMap): Tag[] {
  return Object.entries(tags).map(([Key, Value]) => ({ Key, Value }));
}

/** The same where AWS leaves the member out when there are none. */
export function describeTagsIfAny(tags: TagMap): Tag[] | undefined {
  return Object.keys(tags).length === 0 ? undefined : describeTags(tags);
}

/** A page of an entity's tags, by key. `scope` names the entity. */
export function pageTags(scope: string, tags: TagMap, input: PageInput): PageOutput & { Tags: Tag[] } {
  const sorted = describeTags(tags).sort(byKey((tag) => tag.Key ?? ''));
  const { items, page } = pageItems(scope, sorted, (tag) => [tag.Key ?? ''], input);
  return { Tags: items, ...page };
}
