/** Tags of whatever has them: APIs, stages, keys, plans, domains, client certificates. Named by ARN: `arn:aws:apigateway:region::/restapis/id`. */
import type { APIGateway } from '@aws-sdk/client-api-gateway';
import type { Context, Transaction } from '../../../kernel/context.ts';
import type { HandlersOf } from '../../../kernel/service.ts';
import { badRequest, notFound } from '../errors.ts';
import { ApiKeys, ClientCertificates, Domains, RestApis, Stages, type TagMap, UsagePlans, VpcLinks } from '../state.ts';

const tagsMax = 50;

/** Tags of a request. Throws BadRequestException. */
export function checkTags(tags: TagMap | undefined): TagMap {
  for (const [key, value] of Object.entries(tags ?? {})) {
    if (key === '' || key.length > 128) throw badRequest('Tag keys must be between 1 and 128 characters');
    if (/^aws:/i.test(key)) throw badRequest('aws: prefixed tag key names are not allowed for external use.');
    if (value.length > 256) throw badRequest('Tag values must be at most 256 characters');
  }
  if (Object.keys(tags ?? {}).length > tagsMax) throw badRequest('The number of tags exceeds the limit of 50');
  return { ...tags };
}

interface Tagged {
  tags: TagMap;
}

interface Holder {
  get: () => Promise<Tagged | undefined>;
  put: (tags: TagMap) => Promise<void>;
}

/** The tagged thing behind an ARN. Throws NotFoundException. */
function holderOf(from: Pick<Transaction, 'table'>, arn: string): Holder {
  const path = /^arn:aws:apigateway:[a-z0-9-]+:\d*:\/(.+)$/.exec(arn)?.[1]?.split('/').map(decodeURIComponent) ?? [];
  const [kind, first = '', sub, second = ''] = path;
  const at = <Row extends Tagged>(
    table: {
      get: (...key: string[]) => Promise<Row | undefined>;
      update: (key: string[], change: (row: Row) => Row) => Promise<unknown>;
    },
    ...key: string[]
  ): Holder => ({
    get: () => table.get(...key),
    put: async (tags) => void (await table.update(key, (row) => ({ ...row, tags }))),
  });
  if (kind === 'restapis' && sub === 'stages') return at(from.table(Stages), first, second);
  if (kind === 'restapis' && sub === undefined) return at(from.table(RestApis), first);
  if (kind === 'apikeys') return at(from.table(ApiKeys), first);
  if (kind === 'usageplans') return at(from.table(UsagePlans), first);
  if (kind === 'clientcertificates') return at(from.table(ClientCertificates), first);
  if (kind === 'vpclinks') return at(from.table(VpcLinks), first);
  if (kind === 'domainnames') return at(from.table(Domains), first);
  throw notFound(`Invalid ARN specified in the request: ${arn}`);
}

async function changeTags(ctx: Context, arn: string, change: (tags: TagMap) => TagMap): Promise<void> {
  await ctx.transact(async (tx) => {
    const holder = holderOf(tx, arn);
    const row = await holder.get();
    if (row === undefined) throw notFound(`Invalid resource identifier specified: ${arn}`);
    await holder.put(checkTags(change(row.tags)));
  });
}

export const tagHandlers: HandlersOf<APIGateway> = {
  async TagResource(input, ctx) {
    const added = checkTags(input.tags);
    await changeTags(ctx, input.resourceArn ?? '', (tags) => ({ ...tags, ...added }));
    return {};
  },

  async UntagResource(input, ctx) {
    const gone = new Set(input.tagKeys);
    await changeTags(ctx, input.resourceArn ?? '', (tags) =>
      Object.fromEntries(Object.entries(tags).filter(([key]) => !gone.has(key))),
    );
    return {};
  },

  async GetTags(input, ctx) {
    const arn = input.resourceArn ?? '';
    const row = await ctx.transact((tx) => holderOf(tx, arn).get());
    if (row === undefined) throw notFound(`Invalid resource identifier specified: ${arn}`);
    return { tags: { ...row.tags } };
  },
};
