/**
 * Required members. Two passes, so that a complete input, the usual case, costs no paths: a compiled check that answers yes or no, and a slow walk
 * that names what is missing. Structures below which nothing is required compile to no check at all.
 */
import type { MemberPath } from './parse-errors.ts';
import type { Member, Schema, StructureSchema } from './service-model.ts';
import type { Shape } from './types.ts';

/** Most members that one message names. */
const namedMax = 20;

/** True if every required member is there, at any depth. */
export type CompletenessCheck = (input: Shape) => boolean;

/** A check of inputs, or undefined if the schema requires nothing. */
export function completenessCheck(schema: StructureSchema): CompletenessCheck | undefined {
  return requires(schema, new Set()) ? (input) => isComplete(schema, input) : undefined;
}

/** Where members are missing, in the model's order. Empty if none is. */
export function missingPaths(schema: StructureSchema, input: Shape): MemberPath[] {
  const paths: MemberPath[] = [];
  describe(schema, input, [], paths);
  return paths;
}

/** Members of structures by what has to be looked at; rebuildable from the model. */
const plans = new WeakMap<StructureSchema, { required: readonly string[]; nested: readonly Member[] }>();

function planOf(schema: StructureSchema): { required: readonly string[]; nested: readonly Member[] } {
  const known = plans.get(schema);
  if (known !== undefined) return known;
  const plan = {
    required: schema.members.filter(({ required }) => required).map(({ name }) => name),
    nested: schema.members.filter((member) => requires(member.schema, new Set())),
  };
  plans.set(schema, plan);
  return plan;
}

function requires(schema: Schema, seen: Set<Schema>): boolean {
  if (schema.type === 'list') return requires(schema.member.schema, seen);
  if (schema.type === 'map') return requires(schema.value.schema, seen);
  if (schema.type !== 'structure' || seen.has(schema)) return false;
  seen.add(schema);
  return schema.members.some((member) => member.required || requires(member.schema, seen));
}

function isComplete(schema: StructureSchema, value: Shape): boolean {
  const { required, nested } = planOf(schema);
  for (const name of required) if (value[name] === undefined) return false;
  for (const member of nested) {
    const given = value[member.name];
    if (given !== undefined && !isCompleteValue(member.schema, given)) return false;
  }
  return true;
}

function isCompleteValue(schema: Schema, value: unknown): boolean {
  if (value === null) return true;
  if (schema.type === 'structure') return isComplete(schema, value as Shape);
  if (schema.type === 'list') return (value as unknown[]).every((item) => isCompleteValue(schema.member.schema, item));
  if (schema.type === 'map') return Object.values(value as Shape).every((item) => isCompleteValue(schema.value.schema, item));
  return true;
}

function describe(schema: Schema, value: unknown, path: MemberPath, paths: MemberPath[]): void {
  if (value === null || value === undefined || paths.length >= namedMax) return;
  if (schema.type === 'list') {
    for (const [index, item] of (value as unknown[]).entries()) describe(schema.member.schema, item, [...path, index + 1], paths);
  } else if (schema.type === 'map') {
    for (const [key, item] of Object.entries(value)) describe(schema.value.schema, item, [...path, { key }], paths);
  } else if (schema.type === 'structure') {
    for (const member of schema.members) {
      const given = (value as Shape)[member.name];
      if (given === undefined && member.required && paths.length < namedMax) paths.push([...path, member.name]);
      else describe(member.schema, given, [...path, member.name], paths);
    }
  }
}
