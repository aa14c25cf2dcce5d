/**
 * Every refusal with its exact code and words. The rows were compared by hand with DynamoDB Local, which shares the parser of expressions with the service, but
 * not what checks keys, numbers and names of tables: there it says "The number of conditions on the keys is invalid", "A value provided cannot be
 * converted into a number", "Cannot do operations on a non-existent table", checks enumerations late or not at all, knows no reserved `size`, names a path
 * that does not overlap when three stand side by side, and lets keys of indexes take values of other types. In all of these the rows say what is recorded of
 * the service itself: by dynalite's authors, and in 2026 by the captures of paritysuite/dynamodb-conformance.
 */
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { freshAccount } from '../../support/cloud.ts';
import { Peer } from './differential/compare.ts';
import { batches } from './refusals/batches.ts';
import { conditions } from './refusals/conditions.ts';
import { gets } from './refusals/gets.ts';
import { itemUpdates } from './refusals/item-updates.ts';
import { keyConditions } from './refusals/key-conditions.ts';
import { projections } from './refusals/projections.ts';
import { puts } from './refusals/puts.ts';
import { reads } from './refusals/reads.ts';
import type { Refusal } from './refusals/refusal.ts';
import { statements } from './refusals/statements.ts';
import { tableChanges } from './refusals/table-changes.ts';
import { tables as tableRefusals } from './refusals/tables.ts';
import { updates } from './refusals/updates.ts';
import { tables, valuesOf } from './refusals/values.ts';

type Json = Record<string, unknown>;

const counted = '1 validation error detected: ';
const Key = { p: { S: 'a' }, s: { N: '1' } };

type Asked = readonly [operation: string, input: Json, message: string, code?: string | undefined];

const written = (refusals: readonly Refusal[]): Asked[] =>
  refusals.map(([operation, input, message, code]) => [operation, JSON.parse(input) as Json, message, code]);

const groups: Readonly<Record<string, readonly Asked[]>> = {
  conditions: conditions.map(([ConditionExpression, message]) => {
    const input = { TableName: 'tab', Key, ConditionExpression, ...valuesOf(ConditionExpression) };
    return ['DeleteItem', input, `${counted}Invalid ConditionExpression: ${message}`];
  }),
  filters: conditions.map(([FilterExpression, message]) => {
    const input = { TableName: 'tab', FilterExpression, ...valuesOf(FilterExpression) };
    return ['Scan', input, `Invalid FilterExpression: ${message}`];
  }),
  updates: updates.map(([UpdateExpression, message]) => {
    return ['UpdateItem', { TableName: 'tab', Key, UpdateExpression, ...valuesOf(UpdateExpression) }, message];
  }),
  projections: projections.map(([ProjectionExpression, message]) => {
    return ['GetItem', { TableName: 'tab', Key, ProjectionExpression }, `Invalid ProjectionExpression: ${message}`];
  }),
  'key conditions': keyConditions.map(([KeyConditionExpression, message, index]) => {
    const IndexName = index === undefined ? {} : { IndexName: index };
    return ['Query', { TableName: 'tab', ...IndexName, KeyConditionExpression, ...valuesOf(KeyConditionExpression) }, message];
  }),
  puts: written(puts),
  'gets and deletes': written(gets),
  'updates of items': written(itemUpdates),
  'queries and scans': written(reads),
  'batches and transactions': written(batches),
  PartiQL: written(statements),
  'new tables': written(tableRefusals),
  'changes of tables': written(tableChanges),
};

describe('refusals', () => {
  let cloud: Peer;

  beforeAll(async () => {
    cloud = new Peer(inject('endpoint'), freshAccount().id);
    await cloud.createTables(tables);
  });

  afterAll(() => cloud?.close());

  it.each(Object.entries(groups))('of %s have AWS’s words', { timeout: 60_000 }, async (_group, refusals) => {
    const answers = [];
    for (const [operation, input] of refusals) {
      const { body } = await cloud.ask({ operation, input });
      const code = String(body['__type']).split('#').at(-1);
      answers.push([operation, input, body['message'] ?? body['Message'], code]);
    }
    expect(answers).toEqual(
      refusals.map(([operation, input, message, code = 'ValidationException']) => [operation, input, message, code]),
    );
  });
});
