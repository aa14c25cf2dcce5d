/** What each operation is authorised on ("Actions, resources, and condition keys for Amazon DynamoDB"). */
import type { DynamoDB } from '@aws-sdk/client-dynamodb';
import type { Context } from '../../kernel/context.ts';
import type { AuthorisationsOf, Check } from '../../kernel/service.ts';
import { readTableName, type TableAddress } from './checks.ts';
import { tableArn } from './tables/create.ts';

function addressOf(given: string | undefined): TableAddress | undefined {
  try {
    return readTableName(given);
  } catch {
    // The handler refuses the name in its own words.
    return undefined;
  }
}

/** ARN of the table, or the index, that a request names. */
function resourceOf(ctx: Context, given: string | undefined, index?: string): string {
  const address = addressOf(given);
  if (address === undefined) return '*';
  const arn = tableArn({ account: address.account ?? ctx.account, region: address.region ?? ctx.region }, address.name);
  return index === undefined ? arn : `${arn}/index/${index}`;
}

const onTable = (input: { TableName?: string | undefined }, ctx: Context): Check[] => [
  { resource: resourceOf(ctx, input.TableName) },
];
const onIndex = (input: { TableName?: string | undefined; IndexName?: string | undefined }, ctx: Context): Check[] => [
  { resource: resourceOf(ctx, input.TableName, input.IndexName) },
];
const onArn = (input: { ResourceArn?: string | undefined }): Check[] => [{ resource: input.ResourceArn ?? '*' }];
const onTables = (input: { RequestItems?: Readonly<Record<string, unknown>> | undefined }, ctx: Context): Check[] =>
  Object.keys(input.RequestItems ?? {}).map((name) => ({ resource: resourceOf(ctx, name) }));

export const checks: AuthorisationsOf<DynamoDB> = {
  CreateTable: onTable,
  DescribeTable: onTable,
  UpdateTable: onTable,
  DeleteTable: onTable,
  PutItem: onTable,
  GetItem: onTable,
  UpdateItem: onTable,
  DeleteItem: onTable,
  Query: onIndex,
  Scan: onIndex,
  BatchGetItem: onTables,
  BatchWriteItem: onTables,
  TagResource: onArn,
  UntagResource: onArn,
  ListTagsOfResource: onArn,
};
