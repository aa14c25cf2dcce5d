/** What a request says about keys, indexes and throughput of a table: checked in AWS's words and order, and brought into the form of the rows. */
import type {
  AttributeDefinition,
  CreateTableInput,
  GlobalSecondaryIndex,
  KeySchemaElement,
  LocalSecondaryIndex,
  OnDemandThroughput,
  Projection,
  ProvisionedThroughput,
} from '@aws-sdk/client-dynamodb';
import { checkName, type RequestChecks } from '../checks.ts';
import { invalidParameters, limitExceeded, validation } from '../errors.ts';
import type { KeyNames, KeyType } from '../keys.ts';
import type { IndexRow, OnDemandLimits, TableRow, Throughput } from '../state.ts';

const localIndexesMax = 5;
const globalIndexesMax = 20;
/** "Secondary indexes": attributes named by INCLUDE over all indexes of a table. */
const includedMax = 100;
const unitsMax = 1_000_000_000_000;

const keyTypes = ['HASH', 'RANGE'] as const;
const projectionTypes = ['ALL', 'INCLUDE', 'KEYS_ONLY'] as const;

/** The framework's checks of one index. `path` as in `globalSecondaryIndexes.1.member`. */
export function checkIndexMembers(checks: RequestChecks, index: GlobalSecondaryIndex | LocalSecondaryIndex, path: string): void {
  checks.present(index.IndexName, `${path}.indexName`);
  checkName(checks, index.IndexName, `${path}.indexName`);
  checkKeySchemaMembers(checks, index.KeySchema, `${path}.keySchema`);
  checks
    .present(index.Projection, `${path}.projection`)
    .oneOf(index.Projection?.ProjectionType, `${path}.projection.projectionType`, projectionTypes)
    .length(index.Projection?.NonKeyAttributes, `${path}.projection.nonKeyAttributes`, 1, 20);
  checkThroughputMembers(checks, (index as GlobalSecondaryIndex).ProvisionedThroughput, `${path}.provisionedThroughput`);
}

/** The framework's checks of a key schema. */
export function checkKeySchemaMembers(
  checks: RequestChecks,
  schema: readonly KeySchemaElement[] | undefined,
  path: string,
): void {
  checks.present(schema, path).length(schema, path, 1, 2);
  for (const [at, element] of (schema ?? []).entries())
    checks
      .length(element.AttributeName, `${path}.${at + 1}.member.attributeName`, 1, 255)
      .oneOf(element.KeyType, `${path}.${at + 1}.member.keyType`, keyTypes);
}

/** The framework's checks of a throughput. */
export function checkThroughputMembers(checks: RequestChecks, throughput: ProvisionedThroughput | undefined, path: string): void {
  if (throughput === undefined) return;
  checks
    .present(throughput.WriteCapacityUnits, `${path}.writeCapacityUnits`)
    .atLeast(throughput.WriteCapacityUnits, `${path}.writeCapacityUnits`, 1)
    .present(throughput.ReadCapacityUnits, `${path}.readCapacityUnits`)
    .atLeast(throughput.ReadCapacityUnits, `${path}.readCapacityUnits`, 1);
}

/** The framework's checks of attribute definitions. */
export function checkDefinitionMembers(checks: RequestChecks, definitions: readonly AttributeDefinition[] | undefined): void {
  for (const [at, definition] of (definitions ?? []).entries())
    checks
      .length(definition.AttributeName, `attributeDefinitions.${at + 1}.member.attributeName`, 1, 255)
      .oneOf(definition.AttributeType, `attributeDefinitions.${at + 1}.member.attributeType`, ['B', 'N', 'S']);
}

/** Reads attribute definitions. Throws ValidationException for one that comes twice. */
export function readDefinitions(definitions: readonly AttributeDefinition[]): { name: string; type: KeyType }[] {
  const seen = new Set<string>();
  return definitions.map(({ AttributeName: name = '', AttributeType: type }) => {
    if (seen.has(name)) throw validation(`Cannot have two attributes with the same name`);
    seen.add(name);
    return { name, type: type as KeyType };
  });
}

/** Reads a key schema of a table or index. Throws ValidationException. */
export function readKeySchema(schema: readonly KeySchemaElement[], defined: readonly string[]): KeyNames {
  const names = schema.map(({ AttributeName }) => AttributeName ?? '');
  if (names.some((name) => !defined.includes(name)))
    throw invalidParameters(
      `Some index key attributes are not defined in AttributeDefinitions. Keys: [${names.join(', ')}], AttributeDefinitions: [${defined.join(', ')}]`,
    );
  if (names[0] === names[1]) throw validation('Both the Hash Key and the Range Key element in the KeySchema have the same name');
  if (schema[0]?.KeyType !== 'HASH') throw validation('Invalid KeySchema: The first KeySchemaElement is not a HASH key type');
  if (schema[1] !== undefined && schema[1].KeyType !== 'RANGE')
    throw validation('Invalid KeySchema: The second KeySchemaElement is not a RANGE key type');
  return names[1] === undefined ? { hash: names[0]! } : { hash: names[0]!, range: names[1] };
}

function readProjection(projection: Projection | undefined): Pick<IndexRow, 'projection' | 'nonKey'> {
  const type = projection?.ProjectionType;
  if (type === undefined) throw invalidParameters('Unknown ProjectionType: null');
  const nonKey = projection?.NonKeyAttributes;
  if (nonKey !== undefined && type !== 'INCLUDE')
    throw invalidParameters(`ProjectionType is ${type}, but NonKeyAttributes is specified`);
  if (nonKey === undefined && type === 'INCLUDE')
    throw invalidParameters('ProjectionType is INCLUDE, but NonKeyAttributes is not specified');
  return { projection: type, nonKey: nonKey ?? [] };
}

/** Reads a throughput. Throws ValidationException for one beyond bounds. */
export function readThroughput(given: ProvisionedThroughput): Throughput {
  for (const name of ['ReadCapacityUnits', 'WriteCapacityUnits'] as const)
    if ((given[name] ?? 0) > unitsMax) throw validation(`Given value ${given[name]} for ${name} is out of bounds`);
  return { read: given.ReadCapacityUnits ?? 0, write: given.WriteCapacityUnits ?? 0, decreases: 0 };
}

/** Reads the maxima of on-demand mode; −1 means none. */
export function readOnDemand(given: OnDemandThroughput | undefined): OnDemandLimits | undefined {
  if (given === undefined) return undefined;
  const limitOf = (units: number | undefined): number | undefined => (units === undefined || units < 0 ? undefined : units);
  return { read: limitOf(given.MaxReadRequestUnits), write: limitOf(given.MaxWriteRequestUnits) };
}

/** What is common to the reading of all indexes of a table. */
export interface IndexReading {
  table: KeyNames;
  defined: readonly string[];
  billing: TableRow['billing'];
  space: () => string;
}

/** Reads a local index. Throws ValidationException. */
function readLocalIndex(given: LocalSecondaryIndex, { table, defined, space }: IndexReading): IndexRow {
  const name = given.IndexName ?? '';
  const keys = readKeySchema(given.KeySchema ?? [], defined);
  if (keys.range === undefined) throw invalidParameters(`Index KeySchema does not have a range key for index: ${name}`);
  if (keys.hash !== table.hash)
    throw invalidParameters(
      `Index KeySchema does not have the same leading hash key as table KeySchema for index: ${name}. index hash key: ${keys.hash}, table hash key: ${table.hash}`,
    );
  return { name, space: space(), global: false, ...keys, ...readProjection(given.Projection), status: 'ACTIVE' };
}

/** Reads a global index. Throws ValidationException. */
export function readGlobalIndex(given: GlobalSecondaryIndex, { defined, billing, space }: IndexReading): IndexRow {
  const name = given.IndexName ?? '';
  const keys = readKeySchema(given.KeySchema ?? [], defined);
  const projection = readProjection(given.Projection);
  if (billing === 'PAY_PER_REQUEST' && given.ProvisionedThroughput !== undefined)
    throw invalidParameters(
      `ProvisionedThroughput should not be specified for index: ${name} when BillingMode is PAY_PER_REQUEST`,
    );
  if (billing === 'PROVISIONED' && given.ProvisionedThroughput === undefined)
    throw invalidParameters(`ProvisionedThroughput must be specified for index: ${name}`);
  return {
    name,
    space: space(),
    global: true,
    ...keys,
    ...projection,
    status: 'ACTIVE',
    throughput: given.ProvisionedThroughput === undefined ? undefined : readThroughput(given.ProvisionedThroughput),
    onDemand: readOnDemand(given.OnDemandThroughput),
  };
}

/** All indexes of a new table, in AWS's order of checks. Throws ValidationException, LimitExceededException. */
export function readIndexes(input: CreateTableInput, reading: IndexReading): IndexRow[] {
  const { LocalSecondaryIndexes: local, GlobalSecondaryIndexes: global } = input;
  const indexes: IndexRow[] = [];
  const add = (index: IndexRow): void => {
    if (indexes.some(({ name }) => name === index.name)) throw invalidParameters(`Duplicate index name: ${index.name}`);
    indexes.push(index);
  };
  if (local !== undefined) {
    if (local.length === 0) throw invalidParameters('List of LocalSecondaryIndexes is empty');
    if (reading.table.range === undefined)
      throw invalidParameters(
        'Table KeySchema does not have a range key, which is required when specifying a LocalSecondaryIndex',
      );
    for (const index of local) add(readLocalIndex(index, reading));
    if (local.length > localIndexesMax)
      throw invalidParameters(`Number of LocalSecondaryIndexes exceeds per-table limit of ${localIndexesMax}`);
  }
  if (global !== undefined) {
    if (global.length === 0) throw invalidParameters('List of GlobalSecondaryIndexes is empty');
    for (const index of global) add(readGlobalIndex(index, reading));
    if (global.length > globalIndexesMax)
      throw invalidParameters(`GlobalSecondaryIndex count exceeds the per-table limit of ${globalIndexesMax}`);
  }
  checkIncluded(indexes);
  return indexes;
}

/** Attributes named by INCLUDE, over all indexes. Throws LimitExceededException-like ValidationException. */
export function checkIncluded(indexes: readonly IndexRow[]): void {
  const included = indexes.reduce((count, { nonKey }) => count + nonKey.length, 0);
  if (included > includedMax)
    throw invalidParameters(`Number of attributes projected into all of the indexes exceeds the limit of ${includedMax}`);
}

/** No more global indexes than a table may have. Throws LimitExceededException. */
export function checkIndexCount(indexes: readonly IndexRow[]): void {
  if (indexes.filter(({ global }) => global).length > globalIndexesMax)
    throw limitExceeded(
      `Subscriber limit exceeded: The number of global secondary indexes for a table cannot exceed ${globalIndexesMax}`,
    );
}
