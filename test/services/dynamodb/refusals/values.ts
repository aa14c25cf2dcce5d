/** Tables and values that the refused requests are about. */
type Json = Readonly<Record<string, unknown>>;

const key = (hash: string, range?: string) => [
  { AttributeName: hash, KeyType: 'HASH' },
  ...(range === undefined ? [] : [{ AttributeName: range, KeyType: 'RANGE' }]),
];
const defined = (types: Readonly<Record<string, 'S' | 'N' | 'B'>>) =>
  Object.entries(types).map(([AttributeName, AttributeType]) => ({ AttributeName, AttributeType }));
const onDemand = { BillingMode: 'PAY_PER_REQUEST' };

/** CreateTable of each. */
export const tables: readonly Json[] = [
  {
    ...{ ...onDemand, TableName: 'tab', KeySchema: key('p', 's') },
    AttributeDefinitions: defined({ p: 'S', s: 'N', l: 'S', g: 'N', h: 'S' }),
    LocalSecondaryIndexes: [{ IndexName: 'lix', KeySchema: key('p', 'l'), Projection: { ProjectionType: 'KEYS_ONLY' } }],
    GlobalSecondaryIndexes: [
      { IndexName: 'gix', KeySchema: key('g', 'l'), Projection: { ProjectionType: 'ALL' } },
      { IndexName: 'inc', KeySchema: key('h'), Projection: { ProjectionType: 'INCLUDE', NonKeyAttributes: ['x'] } },
    ],
  },
  { ...onDemand, TableName: 'one', KeySchema: key('p'), AttributeDefinitions: defined({ p: 'S' }) },
  { ...onDemand, TableName: 'bin', KeySchema: key('p', 's'), AttributeDefinitions: defined({ p: 'B', s: 'B' }) },
  { ...onDemand, TableName: 'num', KeySchema: key('p', 's'), AttributeDefinitions: defined({ p: 'N', s: 'S' }) },
  {
    ...{ TableName: 'prov', KeySchema: key('p'), AttributeDefinitions: defined({ p: 'S', g: 'S' }) },
    ProvisionedThroughput: { ReadCapacityUnits: 5, WriteCapacityUnits: 5 },
    GlobalSecondaryIndexes: [
      {
        ...{ IndexName: 'gix', KeySchema: key('g'), Projection: { ProjectionType: 'ALL' } },
        ProvisionedThroughput: { ReadCapacityUnits: 5, WriteCapacityUnits: 5 },
      },
    ],
  },
];

const values: Json = {
  ':a': { S: 'a' },
  ':b': { S: 'b' },
  ':d': { S: 'd' },
  ':e': { S: '' },
  ':n': { N: '1' },
  ':m': { N: '2' },
  ':t': { BOOL: true },
  ':z': { NULL: true },
  ':ss': { SS: ['a'] },
  ':ns': { NS: ['1'] },
  ':bs': { BS: ['AA=='] },
  ':l': { L: [{ S: 'a' }] },
  ':o': { M: {} },
  ':B': { B: 'AA==' },
};

/** ExpressionAttributeValues with those that an expression uses. */
export function valuesOf(expression: string): Json {
  const used = Object.entries(values).filter(([name]) => new RegExp(`${name}(?![a-zA-Z0-9_])`).test(expression));
  return used.length === 0 ? {} : { ExpressionAttributeValues: Object.fromEntries(used) };
}
