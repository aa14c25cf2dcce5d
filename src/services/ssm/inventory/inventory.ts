/** GetInventory and ListInventoryEntries. Source: API Reference; User Guide, "Querying inventory data". */
import { createHash } from 'node:crypto';
import type { InventoryFilter, InventoryResultEntity, InventoryResultItem, SSM } from '@aws-sdk/client-ssm';
import { pageOf } from '../../../base/paging.ts';
import type { Context } from '../../../kernel/context.ts';
import { AwsError, parameterNotImplemented } from '../../../kernel/errors.ts';
import { RequestCheck } from '../../../kernel/request-check.ts';
import type { AuthorisationsOf, HandlersOf } from '../../../kernel/service.ts';
import { instanceArn } from '../agent/nodes.ts';
import { Nodes } from '../agent/state.ts';
import { invalidInstanceId, invalidNextToken } from '../errors.ts';
import { type Entry, Inventory, type InventoryRow } from './state.ts';

const pageItemsMax = 50;

function invalidTypeName(type: string): AwsError {
  return new AwsError('InvalidTypeNameException', `The inventory type name ${type} is not valid.`);
}

function checkType(type: string): string {
  if (!/^(AWS|Custom):.*$/.test(type)) throw invalidTypeName(type);
  return type;
}

/** Whether a value passes a filter of this kind. */
function compares(value: string, { Type: type = 'Equal', Values: values = [] }: InventoryFilter): boolean {
  switch (type) {
    case 'Equal':
      return values.includes(value);
    case 'NotEqual':
      return !values.includes(value);
    case 'BeginWith':
      return values.some((one) => value.startsWith(one));
    case 'LessThan':
      return values.some((one) => value < one);
    case 'GreaterThan':
      return values.some((one) => value > one);
    default:
      throw parameterNotImplemented('GetInventory', `Filters of type ${type}`);
  }
}

function itemOf(row: InventoryRow): InventoryResultItem {
  return {
    TypeName: row.type,
    SchemaVersion: row.schemaVersion,
    CaptureTime: row.captureTime,
    ContentHash: createHash('md5').update(JSON.stringify(row.entries)).digest('hex'),
    Content: row.entries.map((entry) => ({ ...entry })),
  };
}

/** Whether the inventory of a node has an entry that passes, for each filter: `AWS:Application.Name`. */
async function fits(ctx: Context, instance: string, filters: readonly InventoryFilter[]): Promise<boolean> {
  for (const filter of filters) {
    const [type = '', field = ''] = (filter.Key ?? '').split('.');
    const row = await ctx.table(Inventory).get(instance, checkType(type));
    const own: Entry[] = type === 'AWS:InstanceInformation' ? [{ InstanceId: instance }] : [];
    if (![...(row?.entries ?? []), ...own].some((entry) => entry[field] !== undefined && compares(entry[field], filter)))
      return false;
  }
  return true;
}

export const inventoryHandlers: HandlersOf<SSM> = {
  /** Nodes with an inventory; of each the types asked for, or what is known of the instance itself. */
  async GetInventory(input, ctx) {
    if (input.Aggregators !== undefined) throw parameterNotImplemented('GetInventory', 'Aggregators');
    new RequestCheck().range('maxResults', input.MaxResults, 1, pageItemsMax).done();
    const types = (input.ResultAttributes ?? [{ TypeName: 'AWS:InstanceInformation' }]).map(({ TypeName = '' }) =>
      checkType(TypeName),
    );
    const instances = [...new Set((await ctx.table(Inventory).list()).map(({ instance }) => instance))];
    const entities: InventoryResultEntity[] = [];
    for (const Id of instances) {
      if (!(await fits(ctx, Id, input.Filters ?? []))) continue;
      const data: Record<string, InventoryResultItem> = {};
      for (const type of types) {
        const row = await ctx.table(Inventory).get(Id, type);
        if (row !== undefined) data[type] = itemOf(row);
      }
      entities.push({ Id, Data: data });
    }
    const page = pageOf(entities, ({ Id = '' }) => [Id], {
      scope: 'GetInventory',
      token: input.NextToken,
      limit: input.MaxResults ?? pageItemsMax,
    });
    if (page === undefined) throw invalidNextToken();
    return { Entities: page.items, NextToken: page.nextToken };
  },

  async ListInventoryEntries(input, ctx) {
    const { InstanceId: instance = '', TypeName: type = '' } = input;
    new RequestCheck().range('maxResults', input.MaxResults, 1, pageItemsMax).done();
    checkType(type);
    const row = await ctx.table(Inventory).get(instance, type);
    if (row === undefined && (await ctx.table(Nodes).get(instance)) === undefined)
      throw invalidInstanceId([instance], ctx.account);
    const entries = (row?.entries ?? []).map((entry, at) => ({ entry, at }));
    const wanted = entries.filter(({ entry }) => (input.Filters ?? []).every((one) => compares(entry[one.Key ?? ''] ?? '', one)));
    const page = pageOf(wanted, ({ at }) => [at], {
      scope: `ListInventoryEntries ${instance} ${type}`,
      token: input.NextToken,
      limit: input.MaxResults ?? pageItemsMax,
    });
    if (page === undefined) throw invalidNextToken();
    return {
      TypeName: type,
      InstanceId: instance,
      SchemaVersion: row?.schemaVersion,
      CaptureTime: row?.captureTime,
      Entries: page.items.map(({ entry }) => ({ ...entry })),
      NextToken: page.nextToken,
    };
  },
};

export const inventoryChecks: AuthorisationsOf<SSM> = {
  ListInventoryEntries: ({ InstanceId = '' }, ctx) => [{ resource: instanceArn(ctx, InstanceId) }],
};
