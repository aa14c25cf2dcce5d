import type { AttributeValue } from '@aws-sdk/client-dynamodb';
import { beforeAll, expect, test } from 'vitest';
import { refused } from '../../support/cloud.ts';
import { freshDynamo, makeTable } from './support-tables.ts';

const { dynamo } = freshDynamo();
let table: string;
const s = (S: string): AttributeValue => ({ S });
const n = (N: string): AttributeValue => ({ N });
beforeAll(async () => {
  table = await makeTable(dynamo, { TableName: 'Partiql-Table' });
});
const run = (Statement: string, Parameters?: AttributeValue[]) => dynamo.executeStatement({ Statement, Parameters });

test('statements insert, select, update and delete', async () => {
  await run(
    `INSERT INTO "${table}" VALUE {'pk': 'a', 'sk': 1, 'list': [1, 'x', {'deep': true}], 'set': <<'p', 'q'>>, 'nil': NULL}`,
  );
  await run(`INSERT INTO "${table}" VALUE {'pk': ?, 'sk': ?}`, [s('a'), n('2')]);
  await refused(
    run(`INSERT INTO "${table}" VALUE {'pk': 'a', 'sk': 1}`),
    'DuplicateItemException',
    'Duplicate primary key exists in table',
  );
  const { Items } = await run(`SELECT * FROM "${table}" WHERE pk = 'a' AND sk < 2`);
  expect(Items).toEqual([
    {
      pk: s('a'),
      sk: n('1'),
      list: { L: [n('1'), s('x'), { M: { deep: { BOOL: true } } }] },
      set: { SS: ['p', 'q'] },
      nil: { NULL: true },
    },
  ]);
  const updated = await run(
    `UPDATE "${table}" SET total = ? SET list[0] = sk + 5 REMOVE nil WHERE pk = 'a' AND sk = 1 RETURNING ALL NEW *`,
    [n('7')],
  );
  expect(updated.Items?.[0]).toMatchObject({ total: n('7'), list: { L: [n('6'), s('x'), { M: { deep: { BOOL: true } } }] } });
  expect(updated.Items?.[0]).not.toHaveProperty('nil');
  const some = await run(`SELECT sk, list[2].deep FROM "${table}" WHERE begins_with(pk, 'a') AND total IS NOT MISSING`);
  expect(some.Items).toEqual([{ sk: n('1'), list: { L: [{ M: { deep: { BOOL: true } } }] } }]);
  expect((await run(`SELECT * FROM "${table}" WHERE pk IN ['a', 'b'] AND size("set") = 2`)).Items).toHaveLength(1);
  const gone = await run(`DELETE FROM "${table}" WHERE pk = 'a' AND sk = 2 RETURNING ALL OLD *`);
  expect(gone.Items).toEqual([{ pk: s('a'), sk: n('2') }]);
  await run(`DELETE FROM "${table}" WHERE pk = 'a' AND sk = 2`);
});

test('pages of a statement go on with its token', async () => {
  for (let i = 0; i < 5; i++) await run(`INSERT INTO "${table}" VALUE {'pk': 'pages', 'sk': ${i}}`);
  const seen: (string | undefined)[] = [];
  let NextToken: string | undefined;
  do {
    const page = await dynamo.executeStatement({
      Statement: `SELECT sk FROM "${table}" WHERE pk = 'pages'`,
      Limit: 2,
      NextToken,
    });
    seen.push(...(page.Items ?? []).map(({ sk }) => sk?.N));
    NextToken = page.NextToken;
  } while (NextToken !== undefined);
  expect(seen).toEqual(['0', '1', '2', '3', '4']);
});

const refusals: [string, AttributeValue[] | undefined, string, string][] = [
  [
    `UPDATE "Partiql-Table" SET a = 1 WHERE pk = 'a'`,
    undefined,
    'ValidationException',
    'Where clause does not contain a mandatory equality on all key attributes',
  ],
  [
    `SELECT * FROM "Partiql-Table" WHERE pk = ?`,
    undefined,
    'ValidationException',
    "Number of parameters in request and statement don't match.",
  ],
  [
    `SELECT * FROM "Partiql-Table" WHERE pk = 'a'`,
    [s('x')],
    'ValidationException',
    "Number of parameters in request and statement don't match.",
  ],
  ['SELEKT *', undefined, 'ValidationException', "Statement wasn't well formed, can't be processed: Unexpected token 'SELEKT'"],
  ['SELECT * FROM nowhere', undefined, 'ResourceNotFoundException', 'Requested resource not found'],
  [
    `UPDATE "Partiql-Table" SET a = 1 WHERE pk = 'none' AND sk = 1`,
    undefined,
    'ConditionalCheckFailedException',
    'The conditional request failed',
  ],
  [
    `INSERT INTO "Partiql-Table" VALUE {'pk': 'a'}`,
    undefined,
    'ValidationException',
    'One or more parameter values were invalid: Missing the key sk in the item',
  ],
];
test.each(refusals)('%s is refused', async (statement, parameters, code, message) => {
  await refused(run(statement, parameters), code, message);
});

test('batches stand each for itself, transactions together', async () => {
  const insert = (pk: string) => ({ Statement: `INSERT INTO "${table}" VALUE {'pk': '${pk}', 'sk': 1}` });
  const batch = await dynamo.batchExecuteStatement({ Statements: [insert('one'), insert('one'), insert('two')] });
  expect(batch.Responses?.map((response) => response.Error?.Code)).toEqual([undefined, 'DuplicateItem', undefined]);
  await refused(
    dynamo.executeTransaction({ TransactStatements: [insert('three'), insert('two')] }),
    'TransactionCanceledException',
    'Transaction cancelled, please refer cancellation reasons for specific reasons [None, DuplicateItem]',
  );
  const check = { Statement: `EXISTS(SELECT * FROM "${table}" WHERE pk = 'one' AND sk = 1)` };
  await dynamo.executeTransaction({ TransactStatements: [insert('three'), check] });
  const select = (pk: string) => ({ Statement: `SELECT * FROM "${table}" WHERE pk = '${pk}' AND sk = 1` });
  const { Responses } = await dynamo.executeTransaction({ TransactStatements: [select('three'), select('four')] });
  expect(Responses).toEqual([{ Item: { pk: s('three'), sk: n('1') } }, {}]);
});
