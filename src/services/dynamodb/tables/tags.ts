/** Tags of tables. */
import type { DynamoDB, Tag } from '@aws-sdk/client-dynamodb';
import type { HandlersOf } from '../../../kernel/service.ts';
import type { Context } from '../../../kernel/context.ts';
import { parseArn } from '../../../base/arn.ts';
import { RequestChecks } from '../checks.ts';
import { limitExceeded, notFound, validation } from '../errors.ts';
import { findTable } from '../lookup.ts';
import { type TableRow, Tables } from '../state.ts';
import type { Transaction } from '../../../kernel/context.ts';

const tagsMax = 50;
const pageTags = 10;

/** Reads tags of a request. Throws ValidationException. */
export function readTags(tags: readonly Tag[] | undefined): Record<string, string> {
  const read: Record<string, string> = {};
  const checks = new RequestChecks();
  for (const [at, { Key: key = '', Value: value = '' }] of (tags ?? []).entries()) {
    checks.length(key, `tags.${at + 1}.member.key`, 1, 128).length(value, `tags.${at + 1}.member.value`, 0, 256);
    if (Object.hasOwn(read, key)) throw validation('Tag Array contains duplicate keys');
    if (key.toLowerCase().startsWith('aws:'))
      throw validation('One or more parameter values were invalid: Tag keys cannot start with aws:');
    read[key] = value;
  }
  checks.done();
  if (Object.keys(read).length > tagsMax) throw limitExceeded(`Too many tags: the limit is ${tagsMax} tags for a resource`);
  return read;
}

async function requireTagged(reading: Context | Transaction, ctx: Context, arn: string | undefined): Promise<TableRow> {
  const parsed = parseArn(arn ?? '');
  const name = parsed?.resource.startsWith('table/') === true ? parsed.resource.slice('table/'.length).split('/')[0] : undefined;
  if (parsed === undefined || parsed.service !== 'dynamodb' || name === undefined)
    throw validation(`Invalid TableArn: Invalid ResourceArn provided as input ${arn}`);
  const row = await findTable(reading, ctx, name, ctx.clock.now());
  if (row === undefined || parsed.account !== ctx.account || parsed.region !== ctx.region)
    throw notFound(`Requested resource not found: ResourcArn: ${arn} not found`);
  return row;
}

export const tagHandlers: HandlersOf<DynamoDB> = {
  async TagResource(input, ctx) {
    const added = readTags(input.Tags);
    if (Object.keys(added).length === 0) throw validation('Atleast one Tag needs to be provided as Input.');
    await ctx.transact(async (tx) => {
      const row = await requireTagged(tx, ctx, input.ResourceArn);
      const tags = { ...row.tags, ...added };
      if (Object.keys(tags).length > tagsMax) throw limitExceeded(`Too many tags: the limit is ${tagsMax} tags for a resource`);
      await tx.table(Tables).put({ ...row, tags });
    });
    return {};
  },

  async UntagResource(input, ctx) {
    if ((input.TagKeys ?? []).length === 0) throw validation('Atleast one Tag Key needs to be provided as Input.');
    await ctx.transact(async (tx) => {
      const row = await requireTagged(tx, ctx, input.ResourceArn);
      const gone = new Set(input.TagKeys);
      const tags = Object.fromEntries(Object.entries(row.tags).filter(([key]) => !gone.has(key)));
      await tx.table(Tables).put({ ...row, tags });
    });
    return {};
  },

  async ListTagsOfResource(input, ctx) {
    const row = await requireTagged(ctx, ctx, input.ResourceArn);
    const keys = Object.keys(row.tags).sort();
    const start = input.NextToken === undefined ? 0 : keys.findIndex((key) => key > (input.NextToken ?? ''));
    const page = start < 0 ? [] : keys.slice(start, start + pageTags);
    const more = start >= 0 && start + pageTags < keys.length;
    return {
      Tags: page.map((Key) => ({ Key, Value: row.tags[Key]! })),
      NextToken: more ? page.at(-1) : undefined,
    };
  },
};
