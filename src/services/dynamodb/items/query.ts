/** Query and Scan. */
import type { DynamoDB, QueryInput, ScanInput } from '@aws-sdk/client-dynamodb';
import type { Context } from '../../../kernel/context.ts';
import type { HandlersOf } from '../../../kernel/service.ts';
import type { Key } from '../../../store/store.ts';
import { AwsError } from '../../../kernel/errors.ts';
import { describeConsumption } from '../capacity.ts';
import { checkName, RequestChecks, readTableName } from '../checks.ts';
import { invalidParameters, validation } from '../errors.ts';
import type { Condition, Path } from '../expressions/ast.ts';
import { compareValues } from '../expressions/evaluate.ts';
import { fitKeyTests, type KeyQuery, type KeyTest, readKeyTests } from '../expressions/key-condition.ts';
import { comparisonOperators, readFilter, readKeyConditions } from '../expressions/legacy.ts';
import { beside, behindPrefix, hashDigits, hashPrefix, partitionKey, segmentBounds, sortableText } from '../keys.ts';
import { type OpenTable, openTable, requireIndex } from '../lookup.ts';
import { admit } from '../meter.ts';
import type { IndexRow } from '../state.ts';
import { type Item, readItem, sameValue, type Value, type Wording } from '../values.ts';
import { checkConditionalOperator, checkMixture, pathsOf, RequestExpressions, readAttributesToGet } from './expressions.ts';
import { checkStartKey, type Page, type PageSource, readPage } from './pages.ts';
import { capacityModes } from './put.ts';
import { checkKeyPaths, keyNamesOf, keyTypeOf } from './schema.ts';

const selects = ['SPECIFIC_ATTRIBUTES', 'COUNT', 'ALL_ATTRIBUTES', 'ALL_PROJECTED_ATTRIBUTES'] as const;
const segmentsMax = 1_000_000;

function checkMembers(checks: RequestChecks, input: QueryInput | ScanInput): RequestChecks {
  if (input.IndexName !== undefined) checkName(checks, input.IndexName, 'indexName');
  return checks
    .oneOf(input.Select, 'select', selects)
    .oneOf(input.ReturnConsumedCapacity, 'returnConsumedCapacity', capacityModes)
    .oneOf(input.ConditionalOperator, 'conditionalOperator', ['OR', 'AND'])
    .length(input.AttributesToGet, 'attributesToGet', 1, 255)
    .atLeast(input.Limit, 'limit', 1);
}

function checkOperators(checks: RequestChecks, conditions: QueryInput['KeyConditions'], name: string): void {
  for (const [key, condition] of Object.entries(conditions ?? {})) {
    const path = `${name}.${key}.member.comparisonOperator`;
    checks.present(condition.ComparisonOperator, path).oneOf(condition.ComparisonOperator, path, comparisonOperators);
  }
}

/** Reads an ExclusiveStartKey; most problems are told with words in front. */
function readStartKey(given: QueryInput['ExclusiveStartKey'], wording?: Wording): Item | undefined {
  if (given === undefined) return undefined;
  try {
    return readItem(given, wording);
  } catch (error) {
    if (
      !(error instanceof AwsError) ||
      /duplicates|number set|numeric value|significant digits|number with magnitude/.test(error.message)
    )
      throw error;
    throw validation(`The provided starting key is invalid: ${error.message}`);
  }
}

/** Which attributes come back, and whether only the number of items does. Throws ValidationException for what does not go together. */
function readSelect(
  input: QueryInput | ScanInput,
  index: IndexRow | undefined,
  paths: readonly Path[] | undefined,
): { countOnly: boolean; fetch: boolean } {
  const { Select: select } = input;
  const projecting = input.ProjectionExpression !== undefined ? 'ProjectionExpression' : 'AttributesToGet';
  if (paths !== undefined && select !== undefined && select !== 'SPECIFIC_ATTRIBUTES') {
    if (select === 'COUNT') throw validation(`Cannot specify the ${projecting} when choosing to get only the Count`);
    throw validation(`Cannot specify the ${projecting} when choosing to get ${select}`);
  }
  if (select === 'SPECIFIC_ATTRIBUTES' && paths === undefined)
    throw validation('Must specify the AttributesToGet or ProjectionExpression when choosing to get SPECIFIC_ATTRIBUTES');
  if (select === 'ALL_PROJECTED_ATTRIBUTES' && index === undefined)
    throw invalidParameters('ALL_PROJECTED_ATTRIBUTES can be used only when Querying using an IndexName');
  const whole = index === undefined || index.projection === 'ALL';
  if (select === 'ALL_ATTRIBUTES' && !whole && index?.global === true)
    throw invalidParameters(
      `Select type ALL_ATTRIBUTES is not supported for global secondary index ${index.name} because its projection type is not ALL`,
    );
  const fetch = !whole && index?.global !== true && (select === 'ALL_ATTRIBUTES' || wantsMore(index, paths));
  return { countOnly: select === 'COUNT', fetch };
}

/** Whether attributes are asked for that a local index does not hold: then DynamoDB fetches from the table. */
function wantsMore(index: IndexRow | undefined, paths: readonly Path[] | undefined): boolean {
  if (index === undefined || paths === undefined) return false;
  const held = new Set([...keyNamesOf(index), ...index.nonKey]);
  return paths.some(([head]) => !held.has(head as string));
}

/** Attributes of a global index that it does not hold cannot be asked for. Throws ValidationException. */
function checkProjected({ row }: OpenTable, index: IndexRow | undefined, paths: readonly Path[] | undefined): void {
  if (index?.global !== true || index.projection === 'ALL' || paths === undefined) return;
  const held = new Set([...keyNamesOf(index), ...keyNamesOf(row), ...index.nonKey]);
  const missing = paths.map(([head]) => head as string).filter((name) => !held.has(name));
  if (missing.length === 0) return;
  throw invalidParameters(`Global secondary index ${index.name} does not project [${[...new Set(missing)].join(', ')}]`);
}

/** A filter on a global index sees only what the index holds. Throws ValidationException. */
function checkFiltered({ row }: OpenTable, index: IndexRow | undefined, filter: Condition | undefined): void {
  if (index?.global !== true || index.projection === 'ALL' || filter === undefined) return;
  const held = new Set([...keyNamesOf(index), ...keyNamesOf(row), ...index.nonKey]);
  const missing = [...pathsOf(filter)].map(([head]) => head as string).filter((name) => !held.has(name));
  if (missing.length > 0)
    throw invalidParameters(
      `Secondary index ${index.name} does not project one or more filter attributes: [${[...new Set(missing)].join(', ')}]`,
    );
}

async function openIndex(ctx: Context, input: QueryInput | ScanInput): Promise<{ open: OpenTable; index: IndexRow | undefined }> {
  const open = await openTable(ctx, ctx, readTableName(input.TableName));
  const index = input.IndexName === undefined ? undefined : requireIndex(open.row, input.IndexName, ctx.clock.now());
  if (index?.global === true && input.ConsistentRead === true)
    throw validation('Consistent reads are not supported on global secondary indexes');
  return { open, index };
}

function describePage(input: QueryInput | ScanInput, page: Page) {
  const { used, ...rest } = page;
  return { ...rest, ConsumedCapacity: describeConsumption(input.ReturnConsumedCapacity, { name: input.TableName ?? '' }, used) };
}

/** Filters of a Query may not look at the key. Throws ValidationException. */
function checkFilter(filter: Condition | undefined, names: readonly string[], words: string): void {
  if (filter === undefined) return;
  for (const [head] of pathsOf(filter))
    if (names.includes(head as string))
      throw validation(`${words} can only contain non-primary key attributes: Primary key attribute: ${head}`);
}

interface ParsedQuery {
  filter: Condition | undefined;
  paths: Path[] | undefined;
  start: Item | undefined;
  tests: ReturnType<typeof readKeyTests>;
}

function parseQuery(input: QueryInput): ParsedQuery {
  const checks = checkMembers(new RequestChecks(), input);
  checkOperators(checks, input.QueryFilter, 'queryFilter');
  checkOperators(checks, input.KeyConditions, 'keyConditions');
  checks.done();
  const legacy = ['AttributesToGet', 'QueryFilter', 'ConditionalOperator', 'KeyConditions'] as const;
  // KeyConditions may go with expressions as long as there is no KeyConditionExpression.
  checkMixture(
    input,
    ['ProjectionExpression', 'FilterExpression', 'KeyConditionExpression'],
    input.KeyConditionExpression === undefined ? legacy.filter((name) => name !== 'KeyConditions') : legacy,
  );
  checkConditionalOperator(input.ConditionalOperator, input.QueryFilter, 'QueryFilter');
  const legacyFilter = input.QueryFilter === undefined ? undefined : readFilter(input.QueryFilter, input.ConditionalOperator);
  const names = readAttributesToGet(input.AttributesToGet);
  const start = readStartKey(input.ExclusiveStartKey);
  if (input.KeyConditions === undefined && input.KeyConditionExpression === undefined)
    throw validation('Either the KeyConditions or KeyConditionExpression parameter must be specified in the request.');
  const expressions = new RequestExpressions(input);
  const keyCondition = expressions.condition('KeyConditionExpression');
  const filter = expressions.condition('FilterExpression') ?? legacyFilter;
  const paths = expressions.projection() ?? names;
  expressions.checkUsed();
  const tests = keyCondition === undefined ? readKeyConditions(input.KeyConditions ?? {}) : readKeyTests(keyCondition);
  return { filter, paths, start, tests };
}

/** Bounds of a Query in the order of keys. */
function rangeOf(space: string, { hash, range }: KeyQuery): { prefix: Key; low?: Key; high?: Key } {
  const prefix = partitionKey(space, hash);
  if (range === undefined) return { prefix };
  const text = (at: number): string => sortableText(range.values[at]!);
  const at = (value: string): Key => [...prefix, value];
  switch (range.operator) {
    case '=':
      return { prefix: at(text(0)) };
    case '<':
      return { prefix, high: beside(at(text(0)), 'before') };
    case '<=':
      return { prefix, high: beside(at(text(0)), 'behind') };
    case '>':
      return { prefix, low: beside(at(text(0)), 'behind') };
    case '>=':
      return { prefix, low: beside(at(text(0)), 'before') };
    case 'between':
      return { prefix, low: beside(at(text(0)), 'before'), high: beside(at(text(1)), 'behind') };
    case 'beginsWith':
      return { prefix, low: beside(at(text(0)), 'before'), high: behindPrefix(prefix, text(0)) };
  }
}

/** A start key must be one that this Query could have given. Throws ValidationException. */
function checkStartInRange(start: Item, names: { hash: string; range?: string | undefined }, query: KeyQuery): void {
  const { range } = query;
  const within = names.range === undefined || range === undefined || testValue(range, start[names.range]!);
  if (!within) throw validation('The provided starting key does not match the range key predicate');
  if (!sameValue(start[names.hash]!, query.hash))
    throw validation(
      range === undefined
        ? 'The provided starting key is outside query boundaries based on provided conditions'
        : 'The query can return at most one row and cannot be restarted',
    );
}

function testValue({ operator, values }: KeyTest, value: Value): boolean {
  const order = (at: number): number => compareValues(value, values[at]!) ?? Number.NaN;
  switch (operator) {
    case '=':
      return order(0) === 0;
    case '<':
      return order(0) < 0;
    case '<=':
      return order(0) <= 0;
    case '>':
      return order(0) > 0;
    case '>=':
      return order(0) >= 0;
    case 'between':
      return order(0) >= 0 && order(1) <= 0;
    case 'beginsWith':
      return sortableText(value).startsWith(sortableText(values[0]!));
  }
}

interface ParsedScan {
  filter: Condition | undefined;
  paths: Path[] | undefined;
  start: Item | undefined;
}

function parseScan(input: ScanInput): ParsedScan {
  const checks = checkMembers(new RequestChecks(), input)
    .atLeast(input.TotalSegments, 'totalSegments', 1)
    .atMost(input.TotalSegments, 'totalSegments', segmentsMax)
    .atLeast(input.Segment, 'segment', 0)
    .atMost(input.Segment, 'segment', segmentsMax - 1);
  checkOperators(checks, input.ScanFilter, 'scanFilter');
  checks.done();
  checkMixture(input, ['ProjectionExpression', 'FilterExpression'], ['AttributesToGet', 'ScanFilter', 'ConditionalOperator']);
  checkConditionalOperator(input.ConditionalOperator, input.ScanFilter, 'ScanFilter');
  const names = readAttributesToGet(input.AttributesToGet);
  const legacyFilter =
    input.ScanFilter === undefined ? undefined : readFilter(input.ScanFilter, input.ConditionalOperator, 'older');
  const start = readStartKey(input.ExclusiveStartKey, 'older');
  checkSegments(input);
  const expressions = new RequestExpressions(input, 'older');
  const filter = expressions.condition('FilterExpression') ?? legacyFilter;
  const paths = expressions.projection() ?? names;
  expressions.checkUsed();
  return { filter, paths, start };
}

function checkSegments({ Segment: segment, TotalSegments: total }: ScanInput): void {
  if (segment !== undefined && total === undefined)
    throw validation(
      'The TotalSegments parameter is required but was not present in the request when Segment parameter is present',
    );
  if (total === undefined) return;
  if (segment === undefined)
    throw validation(
      'The Segment parameter is required but was not present in the request when parameter TotalSegments is present',
    );
  if (segment >= total)
    throw validation(
      `The Segment parameter is zero-based and must be less than parameter TotalSegments: Segment: ${segment} is not less than TotalSegments: ${total}`,
    );
}

/** A start key of a parallel scan must come from the same segment. Throws ValidationException. */
function checkStartSegment(start: Item, hash: string, { Segment: segment = 0, TotalSegments: total = 1 }: ScanInput): void {
  const place = Number.parseInt(hashPrefix(start[hash]!), 16);
  const low = Math.ceil((16 ** hashDigits * segment) / total);
  const high = Math.ceil((16 ** hashDigits * (segment + 1)) / total);
  if (place >= low && place < high) return;
  throw validation(
    `The provided starting key is invalid: Invalid ExclusiveStartKey. Please use ExclusiveStartKey with correct Segment. TotalSegments: ${total} Segment: ${segment}`,
  );
}

export const queryHandlers: HandlersOf<DynamoDB> = {
  async Query(input, ctx) {
    readTableName(input.TableName);
    const { filter, paths, start, tests } = parseQuery(input);
    const { open, index } = await openIndex(ctx, input);
    const { row: table } = open;
    const names = index ?? table;
    if (start !== undefined) checkStartKey({ open, index }, start, 'Query');
    const query = fitKeyTests(tests, names, (name) => keyTypeOf(table, name));
    if (start !== undefined) checkStartInRange(start, names, query);
    if (paths !== undefined) checkKeyPaths(table, paths);
    checkFilter(filter, keyNamesOf(names), input.QueryFilter === undefined ? 'Filter Expression' : 'QueryFilter');
    const { countOnly, fetch } = readSelect(input, index, paths);
    checkProjected(open, index, paths);
    checkFiltered(open, index, filter);
    if (filter !== undefined) checkKeyPaths(table, pathsOf(filter));
    admit(ctx, { kind: 'read', table, index, hash: query.hash, eventual: input.ConsistentRead !== true });
    const source: PageSource = {
      open,
      index,
      ...rangeOf(index?.space ?? table.space, query),
      reverse: input.ScanIndexForward === false,
      consistent: input.ConsistentRead === true,
    };
    return describePage(input, await readPage(ctx, source, { limit: input.Limit, start, filter, paths, countOnly, fetch }));
  },

  async Scan(input, ctx) {
    readTableName(input.TableName);
    const { filter, paths, start } = parseScan(input);
    const { open, index } = await openIndex(ctx, input);
    const { row: table } = open;
    if (start !== undefined) {
      checkStartKey({ open, index }, start, 'Scan');
      checkStartSegment(start, (index ?? table).hash, input);
    }
    const { countOnly, fetch } = readSelect(input, index, paths);
    checkProjected(open, index, paths);
    checkFiltered(open, index, filter);
    if (paths !== undefined) checkKeyPaths(table, paths);
    if (filter !== undefined) checkKeyPaths(table, pathsOf(filter));
    admit(ctx, { kind: 'read', table, index, eventual: input.ConsistentRead !== true });
    const space = index?.space ?? table.space;
    const { low, high } = segmentBounds(space, input.Segment ?? 0, input.TotalSegments ?? 1);
    const source: PageSource = {
      open,
      index,
      prefix: [space],
      low,
      high,
      reverse: false,
      consistent: input.ConsistentRead === true,
    };
    return describePage(input, await readPage(ctx, source, { limit: input.Limit, start, filter, paths, countOnly, fetch }));
  },
};
