/** Tags of functions and of event source mappings. */
import type { Lambda } from '@aws-sdk/client-lambda';
import type { Context } from '../../kernel/context.ts';
import type { AuthorisationsOf, HandlersOf } from '../../kernel/service.ts';
import { functionNotFound, invalidParameter, notFound } from './errors.ts';
import { checkOn } from './lookup.ts';
import { functionArn, readFunction } from './names.ts';
import { type FunctionRow, Functions, type MappingRow, Mappings, type TagMap } from './state.ts';

const tagsMax = 50;

/** Throws InvalidParameterValueException. */
export function checkTags(tags: TagMap): TagMap {
  for (const [key, value] of Object.entries(tags)) {
    if (key === '' || key.length > 128 || key.toLowerCase().startsWith('aws:') || value.length > 256)
      throw invalidParameter(`Value at 'tags' failed to satisfy constraint: the tag ${key} is not valid.`);
  }
  if (Object.keys(tags).length > tagsMax) throw invalidParameter(`The number of tags exceeds the limit of ${tagsMax}.`);
  return tags;
}

const mappingForm = /^arn:aws:lambda:[a-z0-9-]+:\d{12}:event-source-mapping:([a-f0-9-]+)$/;

type Tagged = { kind: 'function'; row: FunctionRow } | { kind: 'mapping'; row: MappingRow };

async function find(ctx: Pick<Context, 'table'>, scope: Context, arn: string): Promise<Tagged> {
  const mapping = mappingForm.exec(arn)?.[1];
  if (mapping !== undefined) {
    const row = await ctx.table(Mappings).get(mapping);
    if (row === undefined) throw notFound(`The resource you requested does not exist.`);
    return { kind: 'mapping', row };
  }
  const ref = readFunction(scope, arn);
  if (ref.qualifier !== undefined)
    throw invalidParameter('Tags on function aliases and versions are not supported. Please specify a function ARN.');
  const row = await ctx.table(Functions).get(ref.name);
  if (row === undefined) throw functionNotFound(functionArn(ref));
  return { kind: 'function', row };
}

async function change(ctx: Context, arn: string, how: (tags: TagMap) => TagMap): Promise<void> {
  await ctx.transact(async (tx) => {
    const found = await find(tx, ctx, arn);
    const tags = checkTags(how(found.row.tags));
    if (found.kind === 'function') await tx.table(Functions).put({ ...found.row, tags });
    else await tx.table(Mappings).put({ ...found.row, tags });
  });
}

export const tagHandlers: HandlersOf<Lambda> = {
  async ListTags(input, ctx) {
    return { Tags: { ...(await find(ctx, ctx, input.Resource ?? '')).row.tags } };
  },
  async TagResource(input, ctx) {
    await change(ctx, input.Resource ?? '', (tags) => ({ ...tags, ...input.Tags }));
    return {};
  },
  async UntagResource(input, ctx) {
    const gone = new Set(input.TagKeys);
    await change(ctx, input.Resource ?? '', (tags) => Object.fromEntries(Object.entries(tags).filter(([key]) => !gone.has(key))));
    return {};
  },
};

const onTagged = async (input: { Resource?: string | undefined }, ctx: Context) => {
  const arn = input.Resource ?? '';
  return mappingForm.test(arn) ? [{ resource: arn }] : [await checkOn(ctx, readFunction(ctx, arn))];
};

export const tagChecks: AuthorisationsOf<Lambda> = { ListTags: onTagged, TagResource: onTagged, UntagResource: onTagged };
