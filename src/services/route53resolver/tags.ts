/** Tags of endpoints and rules, by ARN. */
import type { Route53Resolver, Tag } from '@aws-sdk/client-route53resolver';
import { pageOf } from '../../base/paging.ts';
import type { Context, Transaction } from '../../kernel/context.ts';
import { AwsError } from '../../kernel/errors.ts';
import type { HandlersOf } from '../../kernel/service.ts';
import { invalidParameter, notFound } from './errors.ts';
import { Endpoints, Rules, type TagMap } from './state.ts';

const tagsMax = 50;

/** Throws InvalidParameterException, LimitExceededException. */
export function readTags(tags: readonly Tag[], before: TagMap = {}): TagMap {
  for (const { Key = '', Value = '' } of tags) {
    if (Key === '' || Key.length > 128 || Key.toLowerCase().startsWith('aws:'))
      throw invalidParameter(`The tag key "${Key}" is not valid.`, 'Tags');
    if (Value.length > 256) throw invalidParameter(`The value of the tag "${Key}" is longer than 256 characters.`, 'Tags');
  }
  const next = { ...before, ...Object.fromEntries(tags.map(({ Key = '', Value = '' }) => [Key, Value])) };
  if (Object.keys(next).length > tagsMax)
    throw new AwsError('LimitExceededException', `A resource can have at most ${tagsMax} tags.`);
  return next;
}

const form = /^arn:aws:route53resolver:([a-z0-9-]+):(\d{12}):(resolver-endpoint|resolver-rule)\/(.+)$/;

/** The tags of what an ARN names, and how to write others. Throws ResourceNotFoundException. */
async function tagged(ctx: Context, tx: Pick<Transaction, 'table'> | Context, arn: string | undefined) {
  const [, region, account, kind, id = ''] = form.exec(arn ?? '') ?? [];
  const own = region === ctx.region && account === ctx.account;
  if (own && kind === 'resolver-endpoint') {
    const row = await tx.table(Endpoints).get(id);
    if (row !== undefined)
      return { tags: row.tags, keep: (to: Transaction, tags: TagMap) => to.table(Endpoints).put({ ...row, tags }) };
  }
  const row = own && kind === 'resolver-rule' ? await tx.table(Rules).get(id) : undefined;
  if (row === undefined) throw notFound('Resource', arn);
  return { tags: row.tags, keep: (to: Transaction, tags: TagMap) => to.table(Rules).put({ ...row, tags }) };
}

export const tagHandlers: HandlersOf<Route53Resolver> = {
  async TagResource(input, ctx) {
    await ctx.transact(async (tx) => {
      const { tags, keep } = await tagged(ctx, tx, input.ResourceArn);
      await keep(tx, readTags(input.Tags ?? [], tags));
    });
    return {};
  },

  async UntagResource(input, ctx) {
    await ctx.transact(async (tx) => {
      const { tags, keep } = await tagged(ctx, tx, input.ResourceArn);
      const gone = input.TagKeys ?? [];
      await keep(tx, Object.fromEntries(Object.entries(tags).filter(([key]) => !gone.includes(key))));
    });
    return {};
  },

  async ListTagsForResource(input, ctx) {
    const { tags } = await tagged(ctx, ctx, input.ResourceArn);
    const all = Object.entries(tags).map(([Key, Value]) => ({ Key, Value }));
    const page = pageOf(all, ({ Key }) => [Key], {
      scope: 'resolver tags',
      token: input.NextToken,
      limit: input.MaxResults ?? 100,
    });
    if (page === undefined) throw new AwsError('InvalidNextTokenException', 'The value of NextToken is not valid.');
    return { Tags: [...page.items], ...(page.nextToken === undefined ? {} : { NextToken: page.nextToken }) };
  },
};
