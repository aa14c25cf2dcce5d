/** Official schemas as kinds, for samples; and in step with our own model, so that a member the model lacks is found by name. */
import type { NormalizedSchema } from '@smithy/core/schema';
import type { Schema } from '../../src/model/service-model.ts';
import { type Kind, type KindMember, type Place, typeOfModel } from './samples.ts';

/** The static schema of a timestamp in the form of HTTP dates. */
const httpDate = 6;

interface PathHints {
  greedyLabels: ReadonlySet<string>;
}

/** A kind over an official schema. `mine` is our model of the same schema; it tells the widths of numbers, which the official one does not. */
export function kindOfOfficial(ns: NormalizedSchema, mine: Schema, hints: PathHints): Kind {
  const name = ns.getName() ?? 'value';
  return {
    type: typeOf(ns, mine),
    name,
    sparse: (ns.isListSchema() || ns.isMapSchema()) && 'sparse' in ns.getMergedTraits(),
    members: () =>
      [...ns.structIterator()]
        .filter(([member]) => !isInvented(name, member))
        .map(([member, schema]) => memberOf(ns, member, schema, mine, hints)),
    item: () => {
      const item = mine.type === 'list' ? mine.member : mine.type === 'map' ? mine.value : undefined;
      if (item === undefined) throw new Error(`Our model of ${name} has no items.`);
      return kindOfOfficial(ns.getValueSchema(), item.schema, hints);
    },
  };
}

function memberOf(parent: NormalizedSchema, name: string, schema: NormalizedSchema, mine: Schema, hints: PathHints): KindMember {
  const member = mine.type === 'structure' ? mine.members.find((each) => each.name === name) : undefined;
  if (member === undefined) throw new Error(`Our model of ${parent.getName()} lacks the member ${name}.`);
  const required = isRequired(parent, name);
  // Clients fill in absent tokens themselves; an HTTP status is never absent.
  const always = schema.isIdempotencyToken() || 'httpResponseCode' in schema.getMergedTraits();
  if (member.required !== required)
    throw new Error(`Our model has another mind about whether ${parent.getName()}.${name} is required.`);
  const place = placeOf(name, schema, hints);
  return {
    name,
    kind: kindOfOfficial(schema, member.schema, hints),
    place,
    required: required || always || place === 'label' || place === 'greedyLabel' || place === 'host',
  };
}

/** Members that exist in the SDK only (models/patches/s3.json). */
function isInvented(structure: string, member: string): boolean {
  return member === 'ExpiresString' && (structure === 'GetObjectOutput' || structure === 'HeadObjectOutput');
}

function isRequired(parent: NormalizedSchema, name: string): boolean {
  const schema = parent.getSchema() as unknown as readonly [number, string, string, unknown, string[], unknown[], number?];
  return schema[4].indexOf(name) < (schema[6] ?? 0);
}

function placeOf(name: string, schema: NormalizedSchema, hints: PathHints): Place {
  const traits = schema.getMergedTraits() as Record<string, unknown>;
  if (traits['hostLabel'] !== undefined) return 'host';
  if (traits['httpLabel'] !== undefined) return hints.greedyLabels.has(name) ? 'greedyLabel' : 'label';
  if (traits['httpHeader'] !== undefined) return 'header';
  if (traits['httpPrefixHeaders'] !== undefined) return 'prefixHeaders';
  if (traits['httpQuery'] !== undefined || traits['httpQueryParams'] !== undefined) return 'query';
  if (traits['httpResponseCode'] !== undefined) return 'status';
  if (schema.isUnionSchema() && schema.isStreaming()) return 'events';
  return traits['httpPayload'] !== undefined ? 'payload' : 'body';
}

function typeOf(ns: NormalizedSchema, mine: Schema): Kind['type'] {
  if (ns.isUnionSchema()) return 'union';
  if (ns.isStructSchema()) return 'structure';
  if (ns.isListSchema()) return 'list';
  if (ns.isMapSchema()) return 'map';
  if (ns.isBlobSchema()) return ns.isStreaming() ? 'stream' : 'blob';
  if (ns.isTimestampSchema()) return ns.getSchema() === httpDate ? 'seconds' : 'timestamp';
  if (ns.isBooleanSchema()) return 'boolean';
  if (ns.isDocumentSchema()) return 'document';
  if (ns.isStringSchema()) return 'string';
  if (ns.isNumericSchema()) return typeOfModel(mine) === 'double' ? 'double' : 'number';
  throw new Error(`${ns.getName()} is of a type that no sample is made of.`);
}
