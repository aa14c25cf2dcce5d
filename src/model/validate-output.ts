/** Checks an output against its model: what the serialisers would drop silently, or clients could not read. Interpreted: it runs in tests only. */
import { Prepared } from './prepared.ts';
import type { Member, OperationModel, Schema, StructureSchema } from './service-model.ts';
import type { Shape } from './types.ts';

/** Most problems that one answer names. */
const problemsMax = 20;

/** What is wrong with an output: members the model does not have, values of a wrong type, required members that are missing. Empty if nothing is. */
export function validateOutput(operation: OperationModel, output: Shape): string[] {
  const problems: string[] = [];
  const { $metadata: _metadata, ...members } = output;
  checkStructure(operation.output, members, operation.output.name, problems);
  return problems.slice(0, problemsMax);
}

function checkStructure(schema: StructureSchema, value: Shape, path: string, problems: string[]): void {
  const members = new Map(schema.members.map((member) => [member.name, member]));
  for (const [name, given] of Object.entries(value)) {
    const member = members.get(name);
    if (given === undefined || given === null) continue;
    if (member === undefined) problems.push(`${path} has no member ${name}`);
    else checkMember(member, given, `${path}.${name}`, problems);
  }
  for (const member of schema.members) {
    const given = value[member.name];
    if (member.required && (given === undefined || given === null)) problems.push(`${path}.${member.name} is missing`);
  }
  const count = Object.values(value).filter((given) => given !== undefined && given !== null).length;
  if (schema.union && count !== 1) problems.push(`${path} is a union and has ${count} members`);
}

function checkMember({ schema, traits }: Member, value: unknown, path: string, problems: string[]): void {
  if (isStream(value) && (traits.events === 1 || (traits.payload === 1 && schema.type === 'blob'))) return;
  check(schema, value, path, problems);
}

function isStream(value: unknown): boolean {
  return typeof value === 'object' && value !== null && Symbol.asyncIterator in value;
}

function check(schema: Schema, given: unknown, path: string, problems: string[]): void {
  if (problems.length >= problemsMax) return;
  const value = given instanceof Prepared ? given.value() : given;
  if (schema.type === 'structure') {
    if (isPlain(value)) checkStructure(schema, value, path, problems);
    else problems.push(`${path} is no structure`);
  } else if (schema.type === 'list') {
    if (!Array.isArray(value)) problems.push(`${path} is no list`);
    else {
      for (const [index, item] of value.entries()) {
        if (item === undefined || item === null) {
          if (!schema.sparse) problems.push(`${path}[${index}] is null`);
        } else check(schema.member.schema, item, `${path}[${index}]`, problems);
      }
    }
  } else if (schema.type === 'map') {
    if (!isPlain(value)) problems.push(`${path} is no map`);
    else for (const [key, item] of Object.entries(value)) checkMapValue(schema, key, item, path, problems);
  } else if (!isSimple(schema.type, value)) problems.push(`${path} is no ${schema.type}`);
}

function checkMapValue(
  schema: Extract<Schema, { type: 'map' }>,
  key: string,
  item: unknown,
  path: string,
  problems: string[],
): void {
  if (item === undefined || item === null) {
    if (!schema.sparse) problems.push(`${path}.${key} is null`);
  } else check(schema.value.schema, item, `${path}.${key}`, problems);
}

function isPlain(value: unknown): value is Shape {
  return (
    typeof value === 'object' &&
    value !== null &&
    !Array.isArray(value) &&
    !(value instanceof Date) &&
    !(value instanceof Uint8Array)
  );
}

function isSimple(type: Schema['type'], value: unknown): boolean {
  switch (type) {
    case 'string':
      return typeof value === 'string';
    case 'boolean':
      return typeof value === 'boolean';
    case 'blob':
      return value instanceof Uint8Array;
    case 'timestamp':
      return value instanceof Date && !Number.isNaN(value.getTime());
    case 'document':
      return true;
    case 'integer':
    case 'long':
      return Number.isInteger(value);
    default:
      return typeof value === 'number';
  }
}
