/** Reading rows with the service's own refusals, changing an API's definition, and pages of lists. */
import { pageOf } from '../../base/paging.ts';
import type { Context, Transaction } from '../../kernel/context.ts';
import { badRequest, noSuch, noSuchApi } from './errors.ts';
import { type Definition, Definitions, type ResourceDef, type RestApiRow, RestApis, type StageRow, Stages } from './state.ts';

/** An API. Throws NotFoundException. */
export async function requireApi(
  from: Pick<Context, 'table'> | Pick<Transaction, 'table'>,
  ctx: Context,
  id = '',
): Promise<RestApiRow> {
  const row = await from.table(RestApis).get(id);
  if (row === undefined) throw noSuchApi(ctx.account, id);
  return row;
}

/** What an API consists of. Throws NotFoundException. */
export async function readDefinition(ctx: Context, api = ''): Promise<Definition> {
  const row = await ctx.table(Definitions).get(api);
  if (row === undefined) throw noSuchApi(ctx.account, api);
  return row.definition;
}

/** Changes what an API consists of; `change` gets a copy that is its own. Throws NotFoundException, and what `change` throws. */
export async function changeDefinition<T>(ctx: Context, api = '', change: (draft: Definition) => T): Promise<T> {
  return ctx.transact(async (tx) => {
    const row = await tx.table(Definitions).get(api);
    if (row === undefined) throw noSuchApi(ctx.account, api);
    const definition = structuredClone(row.definition);
    const result = change(definition);
    await tx.table(Definitions).put({ api, definition });
    return result;
  });
}

export function requireResource({ resources }: Definition, id = ''): ResourceDef {
  const found = Object.hasOwn(resources, id) ? resources[id] : undefined;
  if (found === undefined) throw noSuch('Resource');
  return found;
}

export async function requireStage(
  from: Pick<Context, 'table'> | Pick<Transaction, 'table'>,
  api = '',
  name = '',
): Promise<StageRow> {
  const row = await from.table(Stages).get(api, name);
  if (row === undefined) throw noSuch('Stage');
  return row;
}

/** Entries of a page unless told, and at most ("limit: … The default value is 25 and the maximum value is 500"). */
const pageDefault = 25;
const pageMax = 500;

interface Paged {
  limit?: number | undefined;
  position?: string | undefined;
}

/** A page of a list that is held whole, as the API answers it. Throws BadRequestException for a position that is none. */
export function pageItems<T>(
  scope: string,
  items: readonly T[],
  keyOf: (item: T) => string,
  { limit, position }: Paged,
): { items: T[]; position?: string } {
  const sorted = items.toSorted((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1));
  const most = limit === undefined || limit <= 0 ? pageDefault : Math.min(limit, pageMax);
  const page = pageOf(sorted, (item) => [keyOf(item)], { scope, token: position, limit: most });
  if (page === undefined) throw badRequest('Invalid position parameter specified');
  return { items: page.items, ...(page.nextToken === undefined ? {} : { position: page.nextToken }) };
}
