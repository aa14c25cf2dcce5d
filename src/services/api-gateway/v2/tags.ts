/** Tags of HTTP and WebSocket APIs and their stages: `arn:aws:apigateway:region::/apis/id` and `…/apis/id/stages/name`. */
import type { ApiGatewayV2 } from '@aws-sdk/client-apigatewayv2';
import type { Context } from '../../../kernel/context.ts';
import type { HandlersOf } from '../../../kernel/service.ts';
import { notFound } from '../errors.ts';
import { checkTags } from '../rest/tags.ts';
import type { TagMap } from '../state.ts';
import { Apis, Stages } from './state.ts';

function keyOf(arn: string): { api: string; stage: string | undefined } {
  const [, api, stage] = /^arn:aws:apigateway:[^:]+:\d*:\/apis\/([^/]+)(?:\/stages\/(.+))?$/.exec(arn) ?? [];
  if (api === undefined) throw notFound(`Invalid ARN specified in the request: ${arn}`);
  return { api, stage: stage && decodeURIComponent(stage) };
}

async function changeTags(ctx: Context, arn: string, change: (tags: TagMap) => TagMap): Promise<void> {
  const { api, stage } = keyOf(arn);
  await ctx.transact(async (tx) => {
    const changed =
      stage === undefined
        ? await tx.table(Apis).update([api], (row) => ({ ...row, tags: checkTags(change(row.tags)) }))
        : await tx.table(Stages).update([api, stage], (row) => ({ ...row, tags: checkTags(change(row.tags)) }));
    if (changed === undefined) throw notFound(`Invalid resource identifier specified: ${arn}`);
  });
}

export const tagHandlers: HandlersOf<ApiGatewayV2> = {
  async TagResource(input, ctx) {
    const added = checkTags(input.Tags);
    await changeTags(ctx, input.ResourceArn ?? '', (tags) => ({ ...tags, ...added }));
    return {};
  },

  async UntagResource(input, ctx) {
    const gone = new Set(input.TagKeys);
    await changeTags(ctx, input.ResourceArn ?? '', (tags) =>
      Object.fromEntries(Object.entries(tags).filter(([key]) => !gone.has(key))),
    );
    return {};
  },

  async GetTags(input, ctx) {
    const { api, stage } = keyOf(input.ResourceArn ?? '');
    const row = stage === undefined ? await ctx.table(Apis).get(api) : await ctx.table(Stages).get(api, stage);
    if (row === undefined) throw notFound(`Invalid resource identifier specified: ${input.ResourceArn}`);
    return { Tags: { ...row.tags } };
  },
};
