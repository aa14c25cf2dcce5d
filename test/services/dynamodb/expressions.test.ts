import type { AttributeValue, UpdateItemCommandInput } from '@aws-sdk/client-dynamodb';
import { beforeAll, expect, test } from 'vitest';
import { refused } from '../../support/cloud.ts';
import { freshDynamo, makeSimpleTable } from './support-tables.ts';

const { dynamo } = freshDynamo();
let TableName: string;
beforeAll(async () => {
  TableName = await makeSimpleTable(dynamo);
});

let keys = 0;
/** Updates a fresh item. */
async function update(item: Record<string, AttributeValue>, input: Partial<UpdateItemCommandInput>) {
  const pk = { S: `u${keys++}` };
  await dynamo.putItem({ TableName, Item: { pk, ...item } });
  const { Attributes } = await dynamo.updateItem({ TableName, Key: { pk }, ReturnValues: 'ALL_NEW', ...input });
  const { pk: _, ...rest } = Attributes ?? {};
  return rest;
}

const n = (N: string): AttributeValue => ({ N });
const s = (S: string): AttributeValue => ({ S });
const values = (entries: Record<string, AttributeValue>) => ({ ExpressionAttributeValues: entries });

const updates: [string, Record<string, AttributeValue>, Partial<UpdateItemCommandInput>, Record<string, AttributeValue>][] = [
  ['SET a = :v', {}, values({ ':v': s('x') }), { a: s('x') }],
  ['SET a = a + :v, b = a - :v', { a: n('1.5') }, values({ ':v': n('0.25') }), { a: n('1.75'), b: n('1.25') }],
  ['SET a = if_not_exists(a, :v), b = if_not_exists(b, :v)', { a: n('1') }, values({ ':v': n('2') }), { a: n('1'), b: n('2') }],
  ['SET l = list_append(:v, l)', { l: { L: [n('1')] } }, values({ ':v': { L: [n('0')] } }), { l: { L: [n('0'), n('1')] } }],
  [
    'SET l[1] = :v, l[9] = :w',
    { l: { L: [n('1'), n('2')] } },
    values({ ':v': n('5'), ':w': n('9') }),
    { l: { L: [n('1'), n('5'), n('9')] } },
  ],
  [
    'SET m.a.b = :v REMOVE m.c',
    { m: { M: { a: { M: {} }, c: n('1') } } },
    values({ ':v': n('5') }),
    { m: { M: { a: { M: { b: n('5') } } } } },
  ],
  ['REMOVE l[0], l[2]', { l: { L: [n('0'), n('1'), n('2'), n('3')] } }, {}, { l: { L: [n('1'), n('3')] } }],
  [
    'ADD c :v, t :w',
    { t: { SS: ['a'] } },
    values({ ':v': n('-3'), ':w': { SS: ['b', 'a'] } }),
    { c: n('-3'), t: { SS: ['a', 'b'] } },
  ],
  ['DELETE t :v', { t: { NS: ['1', '2'] } }, values({ ':v': { NS: ['2.0', '7'] } }), { t: { NS: ['1'] } }],
  ['DELETE t :v', { t: { SS: ['a'] }, k: n('1') }, values({ ':v': { SS: ['a'] } }), { k: n('1') }],
  [
    'SET a = a + :v',
    { a: n('99999999999999999999999999999999999998') },
    values({ ':v': n('1') }),
    { a: n('99999999999999999999999999999999999999') },
  ],
  [
    'set #n = :v add c :v',
    {},
    { ...values({ ':v': n('1') }), ExpressionAttributeNames: { '#n': 'name' } },
    { name: n('1'), c: n('1') },
  ],
];

test.each(updates)('update %s', async (UpdateExpression, item, input, wanted) => {
  expect(await update(item, { UpdateExpression, ...input })).toEqual(wanted);
});

const badUpdates: [string, Record<string, AttributeValue> | undefined, string][] = [
  ['', undefined, '1 validation error detected: Invalid UpdateExpression: The expression can not be empty;'],
  [
    'INVALID SYNTAX HERE',
    undefined,
    '1 validation error detected: Invalid UpdateExpression: Syntax error; token: "INVALID", near: "INVALID SYNTAX"',
  ],
  [
    'ADD hits : incr',
    { ':incr': n('1') },
    '1 validation error detected: Invalid UpdateExpression: Syntax error; token: ":", near: "hits : incr"',
  ],
  [
    'SET path = VALUE 1',
    undefined,
    '1 validation error detected: Invalid UpdateExpression: Syntax error; token: "1", near: "VALUE 1"',
  ],
  [
    'SET status = :v',
    { ':v': n('1') },
    '1 validation error detected: Invalid UpdateExpression: Attribute name is a reserved keyword; reserved keyword: status',
  ],
  [
    'SET a = :v SET b = :v',
    { ':v': n('1') },
    '1 validation error detected: Invalid UpdateExpression: The "SET" section can only be used once in an update expression;',
  ],
  [
    'SET a = :w',
    { ':v': n('1') },
    '1 validation error detected: Invalid UpdateExpression: An expression attribute value used in expression is not defined; attribute value: :w',
  ],
  [
    'SET #a = :v',
    { ':v': n('1') },
    '1 validation error detected: Invalid UpdateExpression: An expression attribute name used in the document path is not defined; attribute name: #a',
  ],
  [
    'SET a = :v, a = :v',
    { ':v': n('1') },
    '1 validation error detected: Invalid UpdateExpression: Two document paths overlap with each other; must remove or rewrite one of these paths; path one: [a], path two: [a]',
  ],
  [
    'SET a.b = :v REMOVE a',
    { ':v': n('1') },
    '1 validation error detected: Invalid UpdateExpression: Two document paths overlap with each other; must remove or rewrite one of these paths; path one: [a, b], path two: [a]',
  ],
  [
    'SET a.b = :v, a[0] = :v',
    { ':v': n('1') },
    '1 validation error detected: Invalid UpdateExpression: Two document paths conflict with each other; must remove or rewrite one of these paths; path one: [a, b], path two: [a, [0]]',
  ],
  [
    'SET a = nope(b, :v)',
    { ':v': n('1') },
    '1 validation error detected: Invalid UpdateExpression: Invalid function name; function: nope',
  ],
  [
    'SET a = if_not_exists(b)',
    undefined,
    '1 validation error detected: Invalid UpdateExpression: Incorrect number of operands for operator or function; operator or function: if_not_exists, number of operands: 1',
  ],
  [
    'SET a = list_append(b, :v)',
    { ':v': n('1') },
    '1 validation error detected: Invalid UpdateExpression: Incorrect operand type for operator or function; operator or function: list_append, operand type: N',
  ],
  [
    'SET a = b + :v',
    { ':v': s('1') },
    '1 validation error detected: Invalid UpdateExpression: Incorrect operand type for operator or function; operator or function: +, operand type: S',
  ],
  [
    'SET a = :v',
    { ':v': n('1'), ':w': n('1') },
    '1 validation error detected: Value provided in ExpressionAttributeValues unused in expressions: keys: {:w}',
  ],
  ['SET a = :v', { ':v': n('x') }, '1 validation error detected: The parameter cannot be converted to a numeric value: x'],
  ['SET a = :v', {}, '1 validation error detected: ExpressionAttributeValues must not be empty'],
  [
    'SET pk = :v',
    { ':v': s('1') },
    'One or more parameter values were invalid: Cannot update attribute pk. This attribute is part of the key',
  ],
  [
    'SET pk.a = :v',
    { ':v': s('1') },
    'One or more parameter values were invalid: Cannot update attribute pk. This attribute is part of the key',
  ],
  ['SET a = zzz', undefined, 'The provided expression refers to an attribute that does not exist in the item'],
  ['SET a.b = :v', { ':v': n('1') }, 'The document path provided in the update expression is invalid for update'],
  ['SET a = t + :v', { ':v': n('1') }, 'An operand in the update expression has an incorrect data type'],
  ['ADD t :v', { ':v': n('1') }, 'An operand in the update expression has an incorrect data type'],
];

test.each(badUpdates)('update %s is refused', async (UpdateExpression, given, message) => {
  const input = { UpdateExpression, ...(given === undefined ? {} : { ExpressionAttributeValues: given }) };
  await refused(update({ t: s('text') }, input), 'ValidationException', message);
});

const item: Record<string, AttributeValue> = {
  pk: s('cond'),
  s: s('hello'),
  n: n('5'),
  b: { B: new Uint8Array([1, 2, 3]) },
  marks: { SS: ['x', 'y'] },
  nums: { NS: ['1', '2.5'] },
  l: { L: [n('1'), s('a')] },
  m: { M: { deep: { BOOL: true } } },
  nil: { NULL: true },
};

const conditions: [string, Record<string, AttributeValue>, boolean][] = [
  ['attribute_exists(s) AND NOT attribute_exists(zz)', {}, true],
  ['attribute_not_exists(s)', {}, false],
  ['n = :v', { ':v': n('5.00') }, true],
  ['n <> :v', { ':v': n('5') }, false],
  ['zz <> :v', { ':v': n('5') }, true],
  ['n < :v OR n > :v', { ':v': n('5') }, false],
  ['n BETWEEN :a AND :b', { ':a': n('4'), ':b': n('5') }, true],
  ['s IN (:a, :b)', { ':a': s('x'), ':b': s('hello') }, true],
  ['begins_with(s, :v)', { ':v': s('hel') }, true],
  ['begins_with(b, :v)', { ':v': { B: new Uint8Array([1, 2]) } }, true],
  ['contains(s, :v)', { ':v': s('ell') }, true],
  ['contains(marks, :v)', { ':v': s('x') }, true],
  ['contains(nums, :v)', { ':v': n('2.50') }, true],
  ['contains(l, :v)', { ':v': n('1') }, true],
  ['contains(l, :v)', { ':v': n('2') }, false],
  ['size(s) = :v', { ':v': n('5') }, true],
  ['size(marks) > :v', { ':v': n('1') }, true],
  ['size(b) = :v', { ':v': n('3') }, true],
  ['attribute_type(m, :v)', { ':v': s('M') }, true],
  ['m.deep = :v', { ':v': { BOOL: true } }, true],
  ['l[1] = :v', { ':v': s('a') }, true],
  ['l[7] = :v', { ':v': s('a') }, false],
  ['marks = :v', { ':v': { SS: ['y', 'x'] } }, true],
  ['(n = :v OR s = :v) AND NOT (nil = :v)', { ':v': n('5') }, true],
  ['n < :v', { ':v': s('6') }, false],
  ['NOT n < :v', { ':v': s('6') }, true],
];

test.each(conditions)('condition %s of %o is %s', async (ConditionExpression, given, wanted) => {
  await dynamo.putItem({ TableName, Item: item });
  const put = dynamo.putItem({
    TableName,
    Item: item,
    ConditionExpression,
    ...(Object.keys(given).length === 0 ? {} : { ExpressionAttributeValues: given }),
  });
  if (wanted) await put;
  else await refused(put, 'ConditionalCheckFailedException', 'The conditional request failed');
});

const badConditions: [string, Record<string, AttributeValue> | undefined, string][] = [
  ['foo', undefined, 'Syntax error; token: "<EOF>", near: "foo"'],
  ['n = = :v', { ':v': n('1') }, 'Syntax error; token: "=", near: "= = :v"'],
  ['n = :v AND __x = :v', { ':v': n('1') }, 'Syntax error; token: "_", near: "AND __"'],
  ['((n = :v))', { ':v': n('1') }, 'The expression has redundant parentheses;'],
  ['wrong(n)', undefined, 'Invalid function name; function: wrong'],
  [
    'attribute_exists(n, s)',
    undefined,
    'Incorrect number of operands for operator or function; operator or function: attribute_exists, number of operands: 2',
  ],
  [
    'attribute_exists(:v)',
    { ':v': n('1') },
    'Operator or function requires a document path; operator or function: attribute_exists',
  ],
  [
    'contains(n, :v) = :v',
    { ':v': n('1') },
    'The function is not allowed to be used this way in an expression; function: contains',
  ],
  ['size(n)', undefined, 'The function is not allowed to be used this way in an expression; function: size'],
  [
    'begins_with(n, :v)',
    { ':v': n('1') },
    'Incorrect operand type for operator or function; operator or function: begins_with, operand type: N',
  ],
  [
    'attribute_type(n, :v)',
    { ':v': s('X') },
    'Invalid attribute type name found; type: X, valid types: {B,NULL,SS,BOOL,L,BS,N,NS,S,M}',
  ],
  [
    'n BETWEEN :a AND :b',
    { ':a': n('5'), ':b': n('4') },
    'The BETWEEN operator requires upper bound to be greater than or equal to lower bound; lower bound operand: AttributeValue: {N:5}, upper bound operand: AttributeValue: {N:4}',
  ],
  [
    'n = n',
    undefined,
    'The first operand must be distinct from the remaining operands for this operator or function; operator: =, first operand: [n]',
  ],
  ['year = :v', { ':v': n('1') }, 'Attribute name is a reserved keyword; reserved keyword: year'],
];

test.each(badConditions)('condition %s is refused', async (ConditionExpression, given, message) => {
  const put = dynamo.putItem({
    TableName,
    Item: item,
    ConditionExpression,
    ...(given === undefined ? {} : { ExpressionAttributeValues: given }),
  });
  await refused(put, 'ValidationException', `1 validation error detected: Invalid ConditionExpression: ${message}`);
});

test('a failed condition shows the item when asked', async () => {
  await dynamo.putItem({ TableName, Item: item });
  const error = await refused(
    dynamo.deleteItem({
      TableName,
      Key: { pk: item['pk']! },
      ConditionExpression: 'attribute_not_exists(pk)',
      ReturnValuesOnConditionCheckFailure: 'ALL_OLD',
    }),
    'ConditionalCheckFailedException',
  );
  expect((error as Error & { Item?: unknown }).Item).toEqual(item);
});

test('projections take parts of items in their places', async () => {
  await dynamo.putItem({ TableName, Item: item });
  const { Item } = await dynamo.getItem({
    TableName,
    Key: { pk: item['pk']! },
    ProjectionExpression: 'm.deep, l[1], s, zz, #n',
    ExpressionAttributeNames: { '#n': 'n' },
  });
  expect(Item).toEqual({ m: { M: { deep: { BOOL: true } } }, l: { L: [s('a')] }, s: s('hello'), n: n('5') });
});
