/**
 * Between the JSON of tasks and the typed input and output of operations. Tasks name members in PascalCase whatever the model says ("parameters …
 * are expressed in PascalCase"); times are ISO 8601 texts, bytes are text.
 */
import { bytesOf } from '../../../base/body.ts';
import type { Schema, StructureSchema } from '../../../model/service-model.ts';
import type { Json, Shape } from '../../../model/types.ts';
import { isList, isObject, jsonText, objectOf } from '../asl/values.ts';

/** A parameter is not of its member's type, or not known at all. */
export class ParameterError extends Error {}

function pascal(name: string): string {
  return `${name.charAt(0).toUpperCase()}${name.slice(1)}`;
}

/** Input of an operation from a task's parameters. Throws ParameterError. */
export function toInput(schema: StructureSchema, value: Json): Shape {
  if (!isObject(value)) throw new ParameterError('The parameters must be an object.');
  const members = new Map(schema.members.map((member) => [pascal(member.name), member]));
  const out: Shape = {};
  for (const [name, given] of Object.entries(value)) {
    const member = members.get(name) ?? members.get(pascal(name));
    if (member === undefined) throw new ParameterError(`The field "${name}" is not supported by Step Functions`);
    if (given !== null) out[member.name] = toMember(member.schema, given, name);
  }
  return out;
}

function toMember(schema: Schema, value: Json, name: string): unknown {
  switch (schema.type) {
    case 'structure':
      return toInput(schema, value);
    case 'list':
      if (!isList(value)) throw new ParameterError(`The value of the field "${name}" must be an array.`);
      return value.map((item) => (item === null ? null : toMember(schema.member.schema, item, name)));
    case 'map':
      if (!isObject(value)) throw new ParameterError(`The value of the field "${name}" must be an object.`);
      return Object.fromEntries(
        Object.entries(value).map(([key, item]) => [key, item === null ? null : toMember(schema.value.schema, item, name)]),
      );
    case 'string':
      return typeof value === 'string' ? value : jsonText(value);
    case 'boolean':
      if (typeof value === 'boolean') return value;
      throw new ParameterError(`The value of the field "${name}" must be a boolean.`);
    case 'timestamp':
      return toTime(value, name);
    case 'blob':
      return Buffer.from(typeof value === 'string' ? value : jsonText(value));
    case 'document':
      return value;
    default: {
      const number = typeof value === 'string' ? Number(value) : value;
      if (typeof number !== 'number' || Number.isNaN(number))
        throw new ParameterError(`The value of the field "${name}" must be a number.`);
      return number;
    }
  }
}

function toTime(value: Json, name: string): Date {
  const time = typeof value === 'number' ? new Date(value * 1000) : new Date(String(value));
  if (Number.isNaN(time.getTime())) throw new ParameterError(`The value of the field "${name}" must be a timestamp.`);
  return time;
}

/** A task's result from the output of an operation. Bodies that stream are read whole. */
export async function toResult(schema: StructureSchema, output: Shape): Promise<Json> {
  const entries: [string, Json][] = [];
  for (const { name, schema: member } of schema.members) {
    const value = output[name];
    if (value !== undefined && value !== null) entries.push([pascal(name), await fromMember(member, value)]);
  }
  return objectOf(entries);
}

async function fromMember(schema: Schema, value: unknown): Promise<Json> {
  switch (schema.type) {
    case 'structure':
      return toResult(schema, value as Shape);
    case 'list':
      return Promise.all((value as unknown[]).map((item) => (item === null ? null : fromMember(schema.member.schema, item))));
    case 'map': {
      const entries: [string, Json][] = [];
      for (const [key, item] of Object.entries(value as Shape))
        entries.push([key, item === null ? null : await fromMember(schema.value.schema, item)]);
      return objectOf(entries);
    }
    case 'timestamp':
      return (value as Date).toISOString().replace('.000Z', 'Z');
    case 'blob':
      return (await bytesOf(value, bodyBytesMax)).toString('utf8');
    default:
      return typeof value === 'bigint' ? Number(value) : (value as Json);
  }
}

/** All of a body, in memory: what a task may give is bounded far below. */
const bodyBytesMax = 256 * 1024 * 1024;
