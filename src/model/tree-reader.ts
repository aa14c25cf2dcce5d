/**
 * Turns the tree that JSON or CBOR gave into the typed input of an operation. One function for each schema, compiled when the first value of it
 * comes by; nothing looks at the model afterwards.
 *
 * Members that the model does not know are skipped, as AWS does; nulls count as absent. Maps come out without a prototype: their keys are the
 * caller's, and `__proto__` or `constructor` must be keys like any other.
 */
import { jsonDepthMax } from './bounds.ts';
import type { ListSchema, MapSchema, Member, Schema, SimpleSchema, StructureSchema } from './service-model.ts';
import { fitsNumber, parseBase64, specialNumber } from './text-values.ts';
import { dateOfEpoch, parseTimestamp } from './timestamps.ts';
import type { Shape } from './types.ts';

/** `depth` counts the levels above the value. */
export type TreeReader = (value: unknown, depth: number) => unknown;

/** JSON with the members' own names, JSON with the names of restJson, CBOR. */
export type TreeForm = 'json' | 'restJson' | 'cbor';

/** A value is not of its member's type. The codecs' callers make AWS's error of it. */
export class TreeError extends Error {}

/** A union has no member set, or several. */
export class UnionError extends TreeError {
  readonly union: string;
  readonly count: number;
  /** Names of the members and keys that lead to it, outermost first. */
  readonly path: string[] = [];

  constructor(union: string, count: number) {
    super(`Exactly one member of ${union} must be set.`);
    this.union = union;
    this.count = count;
  }
}

function within(error: unknown, key: string): unknown {
  if (error instanceof UnionError) error.path.unshift(key);
  return error;
}

/** Reader of a schema in a form. The same reader is given for the same schema. */
export function treeReader(form: TreeForm, schema: Schema): TreeReader {
  const cache = readers[form];
  const known = cache.get(schema);
  if (known !== undefined) return known;
  const reader = compile(form, schema);
  cache.set(schema, reader);
  return reader;
}

/** Compiled readers; rebuildable from the model. */
const readers: Record<TreeForm, WeakMap<Schema, TreeReader>> = {
  json: new WeakMap(),
  restJson: new WeakMap(),
  cbor: new WeakMap(),
};

function compile(form: TreeForm, schema: Schema): TreeReader {
  switch (schema.type) {
    case 'structure':
      return structureReader(form, schema);
    case 'list':
      return listReader(form, schema);
    case 'map':
      return mapReader(form, schema);
    default:
      return form === 'cbor' ? cborSimpleReader(schema) : jsonSimpleReader(schema);
  }
}

interface BoundMember {
  name: string;
  /** Compiled on first use, because schemas may contain themselves. */
  read: TreeReader | undefined;
  member: Member;
}

function structureReader(form: TreeForm, schema: StructureSchema): TreeReader {
  let members: Map<string, BoundMember> | undefined;
  return (value, depth) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) throw notA('structure', value);
    if (depth > jsonDepthMax) throw new TreeError(`More than ${jsonDepthMax} levels deep.`);
    members ??= boundMembers(form, schema);
    const source = value as Record<string, unknown>;
    const out: Shape = {};
    let count = 0;
    let key = '';
    try {
      for (key in source) {
        const given = source[key];
        if (given === null || given === undefined) continue;
        const bound = members.get(key);
        if (bound === undefined) continue;
        bound.read ??= treeReader(form, bound.member.schema);
        out[bound.name] = bound.read(given, depth + 1);
        count += 1;
      }
    } catch (error) {
      throw within(error, key);
    }
    if (schema.union && count !== 1) throw new UnionError(schema.name, count);
    return out;
  };
}

function boundMembers(form: TreeForm, schema: StructureSchema): Map<string, BoundMember> {
  return new Map(
    schema.members.map((member) => {
      const wireName = form === 'restJson' ? (member.traits.json ?? member.name) : member.name;
      return [wireName, { name: member.name, member, read: undefined }];
    }),
  );
}

function listReader(form: TreeForm, schema: ListSchema): TreeReader {
  let read: TreeReader | undefined;
  return (value, depth) => {
    if (!Array.isArray(value)) throw notA('list', value);
    if (depth > jsonDepthMax) throw new TreeError(`More than ${jsonDepthMax} levels deep.`);
    read ??= treeReader(form, schema.member.schema);
    const out = new Array<unknown>(value.length);
    for (let index = 0; index < value.length; index += 1) {
      const item: unknown = value[index];
      if (item !== null && item !== undefined) out[index] = read(item, depth + 1);
      else if (schema.sparse) out[index] = null;
      else throw new TreeError('A list may not hold null.');
    }
    return out;
  };
}

function mapReader(form: TreeForm, schema: MapSchema): TreeReader {
  let read: TreeReader | undefined;
  return (value, depth) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) throw notA('map', value);
    if (depth > jsonDepthMax) throw new TreeError(`More than ${jsonDepthMax} levels deep.`);
    read ??= treeReader(form, schema.value.schema);
    const source = value as Record<string, unknown>;
    const out: Shape = Object.create(null);
    let key = '';
    try {
      for (key in source) {
        const given = source[key];
        if (given !== null && given !== undefined) out[key] = read(given, depth + 1);
        else if (schema.sparse) out[key] = null;
      }
    } catch (error) {
      throw within(error, key);
    }
    return out;
  };
}

function jsonSimpleReader(schema: SimpleSchema): TreeReader {
  const { type } = schema;
  switch (type) {
    case 'string':
      return readString;
    case 'boolean':
      return readBoolean;
    case 'blob':
      return (value) => {
        const bytes = typeof value === 'string' ? parseBase64(value) : undefined;
        if (bytes === undefined)
          throw typeof value === 'string' ? new TreeError('Invalid base64 in a blob.') : notA('blob', value);
        return bytes;
      };
    case 'timestamp': {
      const format = schema.format ?? 'epoch-seconds';
      return (value) => {
        const date =
          typeof value === 'number' ? dateOfEpoch(value) : typeof value === 'string' ? parseTimestamp(value, format) : undefined;
        if (date === undefined) throw notA('timestamp', value);
        return date;
      };
    }
    case 'document':
      return readDocument;
    default:
      return (value) => {
        const number =
          typeof value === 'number' ? value : isWide(type) && typeof value === 'string' ? specialNumber(value) : undefined;
        if (number === undefined || !fitsNumber(number, type)) throw notA(type, value);
        return number;
      };
  }
}

function cborSimpleReader(schema: SimpleSchema): TreeReader {
  const { type } = schema;
  switch (type) {
    case 'string':
      return readString;
    case 'boolean':
      return readBoolean;
    case 'blob':
      return (value) => {
        if (!(value instanceof Uint8Array)) throw notA('blob', value);
        return new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
      };
    case 'timestamp':
      return (value) => {
        const date = value instanceof Date ? value : typeof value === 'number' ? dateOfEpoch(value) : undefined;
        if (date === undefined) throw notA('timestamp', value);
        return date;
      };
    case 'document':
      return readDocument;
    default:
      return (value) => {
        const number = typeof value === 'bigint' ? Number(value) : value;
        if (typeof number !== 'number' || !fitsNumber(number, type)) throw notA(type, value);
        return number;
      };
  }
}

function readString(value: unknown): string {
  if (typeof value !== 'string') throw notA('string', value);
  return value;
}

function readBoolean(value: unknown): boolean {
  if (typeof value !== 'boolean') throw notA('boolean', value);
  return value;
}

/** A value of any form, copied so that its objects have no prototype. */
function readDocument(value: unknown, depth: number): unknown {
  if (typeof value !== 'object' || value === null || value instanceof Date || value instanceof Uint8Array) return value;
  if (depth > jsonDepthMax) throw new TreeError(`More than ${jsonDepthMax} levels deep.`);
  if (Array.isArray(value)) return value.map((item) => readDocument(item, depth + 1));
  const out: Shape = Object.create(null);
  for (const [key, item] of Object.entries(value)) out[key] = readDocument(item, depth + 1);
  return out;
}

function isWide(type: string): boolean {
  return type === 'float' || type === 'double' || type === 'number';
}

/** The message, in the words of AWS's own JSON reader ("STRING_VALUE can not be converted to an Integer"). */
function notA(wanted: string, value: unknown): TreeError {
  if (Array.isArray(value)) return new TreeError('Start of list found where not expected');
  if (typeof value === 'object') return new TreeError('Start of structure or map found where not expected.');
  if (wanted === 'structure' || wanted === 'map' || wanted === 'list') return new TreeError('Unexpected value type in payload');
  const found =
    { string: 'STRING_VALUE', number: 'NUMBER_VALUE', bigint: 'NUMBER_VALUE' }[typeof value as string] ??
    (value === true ? 'TRUE_VALUE' : 'FALSE_VALUE');
  const name = wanted === 'number' ? 'Double' : wanted.charAt(0).toUpperCase() + wanted.slice(1);
  return new TreeError(`${found} can not be converted to ${name === 'Integer' ? 'an' : 'a'} ${name}`);
}
