/** Reading rows of HTTP and WebSocket APIs with the service's refusals; changing what an API consists of, which deploys it where stages want that. */
import type { Context, Transaction } from '../../../kernel/context.ts';
import { badRequest, notFound } from '../errors.ts';
import { pageOf } from '../../../base/paging.ts';
import { type ApiRow, Apis, type Definition, Definitions, Deployments, Snapshots, type StageRow, Stages } from './state.ts';

type Reader = Pick<Context, 'table'> | Pick<Transaction, 'table'>;

/** An API. Throws NotFoundException. */
export async function requireApi(from: Reader, id = ''): Promise<ApiRow> {
  const row = await from.table(Apis).get(id);
  if (row === undefined) throw notFound(`Invalid API identifier specified ${id}`);
  return row;
}

/** What an API consists of. Throws NotFoundException. */
export async function readDefinition(ctx: Context, id = ''): Promise<Definition> {
  const row = await ctx.table(Definitions).get(id);
  if (row === undefined) throw notFound(`Invalid API identifier specified ${id}`);
  return row.definition;
}

/** Changes a copy of what an API consists of; stages with automatic deployment serve it at once. Throws what `change` throws. */
export async function changeDefinition<T>(ctx: Context, api = '', change: (draft: Definition) => T): Promise<T> {
  return ctx.transact(async (tx) => {
    const row = await tx.table(Definitions).get(api);
    if (row === undefined) throw notFound(`Invalid API identifier specified ${api}`);
    const definition = structuredClone(row.definition);
    const result = change(definition);
    await tx.table(Definitions).put({ api, definition });
    await deployAutomatically(tx, ctx, api, definition);
    return result;
  });
}

/** A deployment of what an API is now, for the stages that ask for it. What such a deployment replaced goes. */
export async function deployAutomatically(tx: Transaction, ctx: Context, api: string, definition: Definition): Promise<void> {
  const stages = (await tx.table(Stages).list({ prefix: [api] })).filter(({ autoDeploy }) => autoDeploy);
  if (stages.length === 0) return;
  const deployment = await putDeployment(tx, ctx, { api, definition, autoDeployed: true });
  for (const stage of stages) await tx.table(Stages).put(deployedTo(ctx, stage, deployment));
  const used = new Set((await tx.table(Stages).list({ prefix: [api] })).map(({ deploymentId }) => deploymentId));
  for (const old of await tx.table(Deployments).list({ prefix: [api] })) {
    if (!old.autoDeployed || used.has(old.id)) continue;
    await tx.table(Deployments).delete(api, old.id);
    await tx.table(Snapshots).delete(api, old.id);
  }
}

/** A stage that serves another deployment. */
export function deployedTo(ctx: Context, stage: StageRow, deploymentId: string): StageRow {
  const lastDeployment = stage.autoDeploy ? `Successfully deployed stage with deployment ID '${deploymentId}'` : undefined;
  return { ...stage, deploymentId, lastDeployment, updated: ctx.now };
}

/** Writes a deployment; returns its id. */
export async function putDeployment(
  tx: Transaction,
  ctx: Context,
  {
    api,
    definition,
    autoDeployed,
    description,
  }: { api: string; definition: Definition; autoDeployed: boolean; description?: string | undefined },
): Promise<string> {
  const id = ctx.id('gatewayPart');
  await tx.table(Deployments).put({ api, id, autoDeployed, description, created: ctx.now });
  await tx.table(Snapshots).put({ api, deployment: id, definition });
  return id;
}

/** A member of a definition by id. Throws NotFoundException. */
export function requirePart<Part>(parts: Readonly<Record<string, Part>>, what: string, id = ''): Part {
  const found = Object.hasOwn(parts, id) ? parts[id] : undefined;
  if (found === undefined) throw notFound(`Invalid ${what} identifier specified ${id}`);
  return found;
}

/** A page of a list that is held whole ("maxResults": text). Throws BadRequestException. */
export function pageItems<T>(
  scope: string,
  items: readonly T[],
  keyOf: (item: T) => string,
  { MaxResults, NextToken }: { MaxResults?: string | undefined; NextToken?: string | undefined },
): { Items: T[]; NextToken?: string } {
  const sorted = items.toSorted((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1));
  const limit = MaxResults === undefined ? 100 : Number(MaxResults);
  if (!Number.isInteger(limit) || limit < 1) throw badRequest('Invalid value for maxResults');
  const page = pageOf(sorted, (item) => [keyOf(item)], { scope, token: NextToken, limit: Math.min(limit, 500) });
  if (page === undefined) throw badRequest('Invalid next token');
  return { Items: page.items, ...(page.nextToken === undefined ? {} : { NextToken: page.nextToken }) };
}

/** The members of an input that are given: what an update changes. */
export function given<Input extends object>(input: Input, without: readonly string[]): Partial<Input> {
  return Object.fromEntries(
    Object.entries(input).filter(([name, value]) => value !== undefined && !without.includes(name)),
  ) as Partial<Input>;
}
