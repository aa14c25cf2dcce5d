/** Writes outputs as JSON text, by functions compiled from the model. Rejected: building a plain tree for JSON.stringify, which walks everything twice. */
import { Prepared } from './prepared.ts';
import type { ListSchema, MapSchema, Schema, SimpleSchema, StructureSchema } from './service-model.ts';
import { formatBase64, wrong } from './text-values.ts';
import { formatTimestamp } from './timestamps.ts';
import type { Shape } from './types.ts';

export type JsonWriter = (value: unknown) => string;

/** Whether members go by their own names or by those of restJson. */
export type JsonNames = 'own' | 'rest';

/** Compiled writers; rebuildable from the model. */
const writers: Record<JsonNames, WeakMap<Schema, JsonWriter>> = { own: new WeakMap(), rest: new WeakMap() };

/** Writer of a schema. The same writer is given for the same schema. Writers throw TypeError for a value that is not of its type. */
export function jsonWriter(names: JsonNames, schema: Schema): JsonWriter {
  const known = writers[names].get(schema);
  if (known !== undefined) return known;
  const writer = compile(names, schema);
  writers[names].set(schema, writer);
  return writer;
}

function compile(names: JsonNames, schema: Schema): JsonWriter {
  switch (schema.type) {
    case 'structure':
      return jsonStructureWriter(names, schema, () => true);
    case 'list':
      return listWriter(names, schema);
    case 'map':
      return mapWriter(names, schema);
    default:
      return simpleWriter(schema);
  }
}

/** Writer of those members of a structure that `wanted` names: HTTP bindings take the others elsewhere. */
export function jsonStructureWriter(names: JsonNames, schema: StructureSchema, wanted: (name: string) => boolean): JsonWriter {
  let members: { name: string; key: string; schema: Schema; write: JsonWriter | undefined }[] | undefined;
  return (value) => {
    if (value instanceof Prepared) return value.json;
    if (typeof value !== 'object' || value === null) return wrong('structure', value);
    members ??= schema.members
      .filter(({ name }) => wanted(name))
      .map(({ name, traits, schema: target }) => {
        const wireName = names === 'rest' ? (traits.json ?? name) : name;
        return { name, key: `${JSON.stringify(wireName)}:`, schema: target, write: undefined };
      });
    let out = '';
    for (const member of members) {
      const given = (value as Shape)[member.name];
      if (given === undefined || given === null) continue;
      member.write ??= jsonWriter(names, member.schema);
      out += out === '' ? member.key : `,${member.key}`;
      out += member.write(given);
    }
    return `{${out}}`;
  };
}

function listWriter(names: JsonNames, schema: ListSchema): JsonWriter {
  let write: JsonWriter | undefined;
  return (value) => {
    if (!Array.isArray(value)) return wrong('list', value);
    write ??= jsonWriter(names, schema.member.schema);
    let out = '';
    for (const item of value) {
      if (item === undefined || item === null) {
        if (!schema.sparse) continue;
        out += out === '' ? 'null' : ',null';
      } else {
        out += out === '' ? write(item) : `,${write(item)}`;
      }
    }
    return `[${out}]`;
  };
}

function mapWriter(names: JsonNames, schema: MapSchema): JsonWriter {
  let write: JsonWriter | undefined;
  return (value) => {
    if (value instanceof Prepared) return value.json;
    if (typeof value !== 'object' || value === null) return wrong('map', value);
    write ??= jsonWriter(names, schema.value.schema);
    let out = '';
    for (const key of Object.keys(value)) {
      const item = (value as Shape)[key];
      if (item === undefined || (item === null && !schema.sparse)) continue;
      out += `${out === '' ? '' : ','}${JSON.stringify(key)}:${item === null ? 'null' : write(item)}`;
    }
    return `{${out}}`;
  };
}

function simpleWriter(schema: SimpleSchema): JsonWriter {
  const { type } = schema;
  switch (type) {
    case 'string':
      return (value) => (typeof value === 'string' ? JSON.stringify(value) : wrong(type, value));
    case 'boolean':
      return (value) => (typeof value === 'boolean' ? String(value) : wrong(type, value));
    case 'blob':
      return (value) => (value instanceof Uint8Array ? `"${formatBase64(value)}"` : wrong(type, value));
    case 'timestamp': {
      const format = schema.format ?? 'epoch-seconds';
      return (value) => {
        if (!(value instanceof Date)) return wrong(type, value);
        const text = formatTimestamp(value, format);
        return format === 'epoch-seconds' ? text : `"${text}"`;
      };
    }
    case 'document':
      return (value) => JSON.stringify(value);
    default:
      return (value) => {
        if (typeof value !== 'number') return wrong(type, value);
        return Number.isFinite(value) ? String(value) : `"${value}"`;
      };
  }
}
