/** API keys. */
import type { APIGateway, ApiKey } from '@aws-sdk/client-api-gateway';
import type { Context, Transaction } from '../../../kernel/context.ts';
import { parameterNotImplemented } from '../../../kernel/errors.ts';
import type { HandlersOf } from '../../../kernel/service.ts';
import { badRequest, conflict, notFound } from '../errors.ts';
import { pageItems } from '../lookup.ts';
import { applyPatch } from '../patch.ts';
import { type ApiKeyRow, ApiKeys, PlanKeys, Stages } from '../state.ts';
import { checkTags } from './tags.ts';

/** "API key value: between 20 and 128 characters". */
const valueCharsMin = 20;
const valueCharsMax = 128;

function describeKey(row: ApiKeyRow, withValue: boolean): ApiKey {
  const { created, updated, value, tags, stageKeys, ...rest } = row;
  return {
    ...rest,
    ...(withValue ? { value } : {}),
    stageKeys: [...stageKeys],
    tags: { ...tags },
    createdDate: new Date(created),
    lastUpdatedDate: new Date(updated),
  };
}

/** A key. Throws NotFoundException. */
export async function requireKeyRow(from: Pick<Context, 'table'> | Pick<Transaction, 'table'>, id = ''): Promise<ApiKeyRow> {
  const row = await from.table(ApiKeys).get(id);
  if (row === undefined) throw notFound('Invalid API Key identifier specified');
  return row;
}

function checkValue(value: string | undefined): void {
  if (value === undefined) return;
  if (value.length < valueCharsMin) throw badRequest(`API Key value should be at least ${valueCharsMin} characters`);
  if (value.length > valueCharsMax) throw badRequest(`API Key value exceeds maximum size of ${valueCharsMax} characters`);
}

export const keyHandlers: HandlersOf<APIGateway> = {
  async CreateApiKey(input, ctx) {
    // Terraform sends an empty text for none.
    const value = input.value === '' ? undefined : input.value;
    checkValue(value);
    const tags = checkTags(input.tags);
    return ctx.transact(async (tx) => {
      if (value !== undefined && (await tx.table(ApiKeys).firstByIndex('value', [value])) !== undefined)
        throw conflict('API Key already exists');
      const stageKeys: string[] = [];
      for (const { restApiId = '', stageName = '' } of input.stageKeys ?? []) {
        if ((await tx.table(Stages).get(restApiId, stageName)) === undefined)
          throw notFound('Invalid Stage identifier specified');
        stageKeys.push(`${restApiId}/${stageName}`);
      }
      const row: ApiKeyRow = {
        id: ctx.id('gatewayApi'),
        value: value ?? ctx.id('apiKeyValue'),
        name: input.name,
        customerId: input.customerId,
        description: input.description,
        enabled: input.enabled ?? false,
        created: ctx.now,
        updated: ctx.now,
        stageKeys,
        tags,
      };
      await tx.table(ApiKeys).put(row);
      return describeKey(row, true);
    });
  },

  async GetApiKey(input, ctx) {
    return describeKey(await requireKeyRow(ctx, input.apiKey), input.includeValue === true);
  },

  async GetApiKeys(input, ctx) {
    const rows = (await ctx.table(ApiKeys).list()).filter(
      ({ name, customerId }) =>
        (input.nameQuery === undefined || (name ?? '').startsWith(input.nameQuery)) &&
        (input.customerId === undefined || customerId === input.customerId),
    );
    const { items, ...page } = pageItems('GetApiKeys', rows, ({ id }) => id, input);
    return { items: items.map((row) => describeKey(row, input.includeValues === true)), ...page };
  },

  async UpdateApiKey(input, ctx) {
    return ctx.transact(async (tx) => {
      const row = await requireKeyRow(tx, input.apiKey);
      const changed = applyPatch(row, input.patchOperations, {
        '/name': 'text',
        '/description': 'text',
        '/customerId': 'text',
        '/enabled': 'boolean',
        '/stages': (draft, { op, value = '' }) => {
          const others = draft.stageKeys.filter((key) => key !== value);
          draft.stageKeys = op === 'remove' ? others : [...others, value];
        },
      });
      const saved = { ...changed, updated: ctx.now };
      await tx.table(ApiKeys).put(saved);
      return describeKey(saved, false);
    });
  },

  async DeleteApiKey(input, ctx) {
    await ctx.transact(async (tx) => {
      const { id } = await requireKeyRow(tx, input.apiKey);
      await tx.table(ApiKeys).delete(id);
      for (const { plan, key } of await tx.table(PlanKeys).byIndex('key', [id])) await tx.table(PlanKeys).delete(plan, key);
    });
    return {};
  },

  async ImportApiKeys(input, ctx) {
    if (input.format !== 'csv') throw badRequest('Unsupported API key format');
    const [header = '', ...lines] = Buffer.from(input.body as Uint8Array)
      .toString('utf8')
      .split(/\r?\n/)
      .filter((line) => line.trim() !== '');
    const columns = header.split(',').map((name) => name.trim().toLowerCase());
    for (const column of columns)
      if (!['name', 'key', 'description', 'enabled'].includes(column))
        throw parameterNotImplemented('ImportApiKeys', `column ${column}`);
    const rows = lines.map((line): ApiKeyRow => {
      const cells = new Map(line.split(',').map((cell, index) => [columns[index] ?? '', cell.trim()]));
      checkValue(cells.get('key'));
      return {
        id: ctx.id('gatewayApi'),
        value: cells.get('key') ?? ctx.id('apiKeyValue'),
        name: cells.get('name'),
        description: cells.get('description'),
        enabled: cells.get('enabled')?.toLowerCase() !== 'false',
        created: ctx.now,
        updated: ctx.now,
        stageKeys: [],
        tags: {},
      };
    });
    return ctx.transact(async (tx) => {
      const warnings: string[] = [];
      const ids: string[] = [];
      for (const row of rows) {
        if ((await tx.table(ApiKeys).firstByIndex('value', [row.value])) !== undefined) {
          if (input.failOnWarnings === true) throw conflict('API Key already exists');
          warnings.push(`API Key already exists: ${row.name ?? ''}`);
          continue;
        }
        await tx.table(ApiKeys).put(row);
        ids.push(row.id);
      }
      return { ids, warnings };
    });
  },
};
