/** Checks of items and keys against the schema of their table, in AWS's words. */
import { invalidParameters, validation } from '../errors.ts';
import { isOfType, keySize, type KeyType } from '../keys.ts';
import type { IndexRow, TableRow } from '../state.ts';
import { type Item, typeOf, type Value, type ValueType } from '../values.ts';
import type { Path } from '../expressions/ast.ts';

/** "Constraints": 400 KB for an item, 2048 and 1024 bytes for keys. */
export const itemBytesMax = 400 * 1024;
const hashBytesMax = 2048;
const rangeBytesMax = 1024;

/** Type of a key attribute. */
export function keyTypeOf(table: TableRow, name: string): KeyType {
  return table.attributes.find((attribute) => attribute.name === name)!.type;
}

/** Names of the primary key, in order. */
export function keyNamesOf(table: Pick<TableRow, 'hash' | 'range'>): readonly string[] {
  return table.range === undefined ? [table.hash] : [table.hash, table.range];
}

function emptyKind(value: Value): string | undefined {
  return value.S === '' ? 'string' : value.B === '' ? 'binary' : undefined;
}

function checkKeySize(table: TableRow, name: string, value: Value): void {
  const size = keySize(value);
  if (name === table.hash && size > hashBytesMax)
    throw invalidParameters('Size of hashkey has exceeded the maximum size limit of2048 bytes');
  if (name !== table.hash && size > rangeBytesMax)
    throw invalidParameters('Aggregated size of all range keys has exceeded the size limit of 1024 bytes');
}

/** An item to be put. Throws ValidationException. */
export function checkItem(table: TableRow, item: Item): void {
  for (const name of keyNamesOf(table)) {
    const value = item[name];
    const type = keyTypeOf(table, name);
    if (value === undefined) throw invalidParameters(`Missing the key ${name} in the item`);
    if (!isOfType(value, type))
      throw invalidParameters(`Type mismatch for key ${name} expected: ${type} actual: ${typeOf(value)}`);
    const empty = emptyKind(value);
    if (empty !== undefined)
      throw validation(
        `One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an empty ${empty} value. Key: ${name}`,
      );
    checkKeySize(table, name, value);
  }
  for (const index of table.indexes) checkIndexKeys(table, index, item);
}

/** ValidationException of a key of an index that is of another type. */
export function indexKeyMismatch(table: TableRow, index: IndexRow, name: string, actual: ValueType): Error {
  return invalidParameters(
    `Type mismatch for Index Key ${name} Expected: ${keyTypeOf(table, name)} Actual: ${actual} IndexName: ${index.name}`,
  );
}

/** The keys of an index in an item, if it has them, must be of its types and not empty. Throws ValidationException. */
export function checkIndexKeys(table: TableRow, index: IndexRow, item: Item): void {
  for (const name of keyNamesOf(index)) {
    const value = item[name];
    if (value === undefined) continue;
    const type = keyTypeOf(table, name);
    if (!isOfType(value, type)) throw indexKeyMismatch(table, index, name, typeOf(value));
    const empty = emptyKind(value);
    if (empty !== undefined)
      throw validation(
        `One or more parameter values are not valid. A value specified for a secondary index key is not supported. The AttributeValue for a key attribute cannot contain an empty ${empty} value. IndexName: ${index.name}, IndexKey: ${name}`,
      );
    const most = name === index.hash ? hashBytesMax : rangeBytesMax;
    if (keySize(value) > most)
      throw invalidParameters(
        name === index.hash
          ? 'Size of hashkey has exceeded the maximum size limit of2048 bytes'
          : 'Aggregated size of all range keys has exceeded the size limit of 1024 bytes',
      );
  }
}

/** The key of a request: exactly the key attributes. Throws ValidationException. */
export function checkKey(table: TableRow, key: Item): void {
  const names = keyNamesOf(table);
  const mismatch = 'The provided key element does not match the schema';
  if (Object.keys(key).length !== names.length) throw validation(mismatch);
  for (const name of names) {
    const value = key[name];
    if (value === undefined || !isOfType(value, keyTypeOf(table, name))) throw validation(mismatch);
    const empty = emptyKind(value);
    if (empty !== undefined)
      throw validation(
        `One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an empty ${empty} value. Key: ${name}`,
      );
    checkKeySize(table, name, value);
  }
}

/** Key attributes are scalars: no expression may look inside them. Throws ValidationException. */
export function checkKeyPaths(table: TableRow, paths: Iterable<Path>): void {
  for (const path of paths) {
    if (path.length < 2) continue;
    const head = path[0] as string;
    const inKey = keyNamesOf(table).includes(head);
    if (!inKey && !table.indexes.some((index) => keyNamesOf(index).includes(head))) continue;
    throw validation(
      `Key attributes must be scalars; list random access '[]' and map lookup '.' are not allowed: ${inKey ? 'Key' : 'IndexKey'}: ${head}`,
    );
  }
}

/** An update may not touch the key. Throws ValidationException. */
export function checkUpdatedNames(table: TableRow, heads: Iterable<string>): void {
  const names = new Set(heads);
  for (const name of keyNamesOf(table))
    if (names.has(name)) throw invalidParameters(`Cannot update attribute ${name}. This attribute is part of the key`);
}
