/** Writes outputs as CBOR, by functions compiled from the model. */
import type { CborTimeUnit, CborWriter } from '../base/cbor.ts';
import { Prepared } from './prepared.ts';
import type { ListSchema, MapSchema, Schema, SimpleSchema, StructureSchema } from './service-model.ts';
import { wrong } from './text-values.ts';
import type { Protocol, Shape } from './types.ts';

/**
 * The protocols that speak CBOR: what their answers say of themselves, and what times count in. The older one is that of the SDKs for Java
 * (`aws.cborEnabled`, on unless switched off), which write and read milliseconds.
 */
export const cborForms = {
  rpcv2Cbor: { headers: { 'content-type': 'application/cbor', 'smithy-protocol': 'rpc-v2-cbor' }, timeUnit: 'seconds' },
  awsCbor1_1: { headers: { 'content-type': 'application/x-amz-cbor-1.1' }, timeUnit: 'milliseconds' },
} as const satisfies Partial<Record<Protocol, { headers: Record<string, string>; timeUnit: CborTimeUnit }>>;

export type CborProtocol = keyof typeof cborForms;

export function speaksCbor(protocol: Protocol): protocol is CborProtocol {
  return protocol in cborForms;
}

export type CborShapeWriter = (value: unknown, to: CborWriter) => void;

/** Compiled writers; rebuildable from the model. */
const writers = new WeakMap<Schema, CborShapeWriter>();

/** Writer of a schema. The same writer is given for the same schema. Writers throw TypeError for a value that is not of its type. */
export function cborWriter(schema: Schema): CborShapeWriter {
  const known = writers.get(schema);
  if (known !== undefined) return known;
  const writer = compile(schema);
  writers.set(schema, writer);
  return writer;
}

function compile(schema: Schema): CborShapeWriter {
  switch (schema.type) {
    case 'structure':
      return structureWriter(schema);
    case 'list':
      return listWriter(schema);
    case 'map':
      return mapWriter(schema);
    default:
      return simpleWriter(schema);
  }
}

function structureWriter(schema: StructureSchema): CborShapeWriter {
  return (value, to) => {
    if (typeof value !== 'object' || value === null) return wrong('structure', value);
    to.startMap();
    writeCborMembers(schema, value as Shape, to);
    to.endMap();
  };
}

/** Writes the members of a structure into a map that has been started. */
function writeCborMembers(schema: StructureSchema, value: Shape, to: CborWriter): void {
  for (const member of schema.members) {
    const given = value[member.name];
    if (given === undefined || given === null) continue;
    to.text(member.name);
    cborWriter(member.schema)(given, to);
  }
}

function listWriter(schema: ListSchema): CborShapeWriter {
  return (value, to) => {
    if (!Array.isArray(value)) return wrong('list', value);
    const write = cborWriter(schema.member.schema);
    const items = schema.sparse ? value : value.filter((item) => item !== undefined && item !== null);
    to.array(items.length);
    for (const item of items) {
      if (item === undefined || item === null) to.null();
      else write(item, to);
    }
  };
}

function mapWriter(schema: MapSchema): CborShapeWriter {
  return (given, to) => {
    const value = given instanceof Prepared ? given.value() : given;
    if (typeof value !== 'object' || value === null) return wrong('map', value);
    const write = cborWriter(schema.value.schema);
    to.startMap();
    for (const [key, item] of Object.entries(value)) {
      if (item === undefined || (item === null && !schema.sparse)) continue;
      to.text(key);
      if (item === null) to.null();
      else write(item, to);
    }
    to.endMap();
  };
}

function simpleWriter(schema: SimpleSchema): CborShapeWriter {
  const { type } = schema;
  switch (type) {
    case 'string':
      return (value, to) => (typeof value === 'string' ? to.text(value) : wrong(type, value));
    case 'boolean':
      return (value, to) => (typeof value === 'boolean' ? to.boolean(value) : wrong(type, value));
    case 'blob':
      return (value, to) => (value instanceof Uint8Array ? to.blob(value) : wrong(type, value));
    case 'timestamp':
      return (value, to) => (value instanceof Date ? to.date(value) : wrong(type, value));
    case 'float':
    case 'double':
      return (value, to) => (typeof value === 'number' ? to.double(value) : wrong(type, value));
    case 'document':
      throw new Error('CBOR has no form for documents.');
    default:
      return (value, to) => (typeof value === 'number' ? to.number(value) : wrong(type, value));
  }
}
