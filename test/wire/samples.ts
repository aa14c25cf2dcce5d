/**
 * Values made from official schemas: every kind of value, from a seed, so that a failing one can be made again. Strings hold what breaks careless
 * codecs; where the wire allows less (labels, headers, host names), less.
 */
import type { Member, Schema } from '../../src/model/service-model.ts';

/** A schema as samples need it: from an official client, or from our model where a client has none. */
export interface Kind {
  type:
    | 'structure'
    | 'union'
    | 'list'
    | 'map'
    | 'string'
    | 'boolean'
    | 'number'
    | 'double'
    | 'timestamp'
    | 'seconds'
    | 'blob'
    | 'stream'
    | 'document';
  name: string;
  /** Of structures and unions. */
  members(): KindMember[];
  /** Of lists and maps. */
  item(): Kind;
  sparse: boolean;
}

export type Place =
  | 'body'
  | 'label'
  | 'greedyLabel'
  | 'header'
  | 'prefixHeaders'
  | 'query'
  | 'host'
  | 'payload'
  | 'status'
  | 'events';

export interface KindMember {
  name: string;
  kind: Kind;
  place: Place;
  required: boolean;
}

/** A seeded source of numbers (mulberry32). */
export class Seed {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** From 0 up to, not including, `below`. */
  int(below: number): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  }

  pick<T>(from: readonly T[]): T {
    return from[this.int(from.length)]!;
  }
}

/** How much of a structure is filled. */
export type Fill = 'all' | 'required' | 'some';

/** Below so many levels only what is required is filled; schemas may contain themselves. */
const depthMax = 5;
const recursionMax = 12;
const wideStrings = [
  'plain',
  'two words',
  'a&b=c+d%20;e',
  '<tag attr="x">\'y\'</tag>',
  'ünï→😀',
  ' spaced ',
  'line\nbreak\ttab',
  '__proto__',
  '0',
  'true',
  '{"a":[1]}',
];
const headerStrings = ['plain', 'two words', 'a;b=c', '"quoted"', 'x/y?z', 'W1', '0'];
const labelStrings = ['plain', 'with space', 'a/b', 'ünï', 'a+b%20c', 'x:y', '__proto__'];
const greedyStrings = ['plain', 'a/b/c', 'sp ace/ünï', 'a+b%20c/d'];
const hostStrings = ['abc', 'x1', 'a-b'];

export class Sampler {
  readonly #seed: Seed;
  readonly #fill: Fill;
  readonly #isOutput: boolean;
  readonly #wholeSeconds: boolean;

  constructor(seed: Seed, fill: Fill, isOutput: boolean, wholeSeconds = false) {
    this.#seed = seed;
    this.#fill = fill;
    this.#isOutput = isOutput;
    this.#wholeSeconds = wholeSeconds;
  }

  structure(kind: Kind, depth = 0): Record<string, unknown> {
    const members = kind.members();
    const out: Record<string, unknown> = {};
    if (kind.type === 'union') {
      const usable = members.filter(({ kind: each }) => depth < depthMax || !isDeep(each));
      const member = this.#seed.pick(usable.length > 0 ? usable : members);
      out[member.name] = this.value(member.kind, member.place, depth + 1);
      return out;
    }
    for (const member of members) {
      if (member.place === 'events') continue;
      const wanted =
        member.required || (depth < depthMax && (this.#fill === 'all' || (this.#fill === 'some' && this.#seed.int(2) === 0)));
      if (wanted) out[member.name] = this.value(member.kind, member.place, depth + 1);
    }
    // The query protocols cannot say that a structure is there and empty.
    const filler = members.find((member) => !isDeep(member.kind)) ?? members[0];
    if (depth > 0 && filler !== undefined && Object.keys(out).length === 0)
      out[filler.name] = this.value(filler.kind, filler.place, depth + 1);
    return out;
  }

  value(kind: Kind, place: Place, depth: number): unknown {
    switch (kind.type) {
      case 'structure':
      case 'union':
        return this.structure(kind, depth);
      case 'list':
        return this.#list(kind, place, depth);
      case 'map':
        return this.#map(kind, place, depth);
      case 'string':
        return this.#string(place);
      case 'boolean':
        return this.#seed.int(2) === 0;
      case 'number':
        return place === 'status' ? 200 : this.#seed.pick([0, 1, 7, 2147483647, -5, 1234]);
      case 'double':
        return this.#seed.pick([0.5, -1.25, 3, 1e21, 1.5e-7]);
      case 'timestamp':
        return this.#timestamp(place === 'body' && !this.#wholeSeconds);
      case 'seconds':
        return this.#timestamp(false);
      case 'document':
        return this.#seed.pick<unknown>([{ a: [1, 'x', { b: null }], c: true }, 'text', 12.5, [1, 2], {}]);
      default:
        return this.#bytes();
    }
  }

  #list(kind: Kind, place: Place, depth: number): unknown[] {
    const item = kind.item();
    const length = depth > depthMax && isDeep(item) ? Number(depth < recursionMax) : 1 + this.#seed.int(2);
    const list = Array.from({ length }, () => this.value(item, place, depth + 1));
    return kind.sparse ? [...list, null] : list;
  }

  #map(kind: Kind, place: Place, depth: number): Record<string, unknown> {
    const keys = place === 'prefixHeaders' ? ['one', 'two-b'] : ['key', 'sp ace', 'ü&<', 'constructor'];
    const out: Record<string, unknown> = {};
    const item = kind.item();
    const count = depth > depthMax && isDeep(item) ? Number(depth < recursionMax) : 1 + this.#seed.int(keys.length);
    for (const key of keys.slice(0, count))
      out[key] = this.value(item, place === 'body' || place === 'payload' ? 'body' : place, depth + 1);
    return out;
  }

  #string(place: Place): string {
    switch (place) {
      case 'label':
        return this.#seed.pick(labelStrings);
      case 'greedyLabel':
        return this.#seed.pick(greedyStrings);
      case 'host':
        return this.#seed.pick(hostStrings);
      case 'header':
      case 'prefixHeaders':
        return this.#seed.pick(headerStrings);
      default:
        return this.#seed.pick(wideStrings);
    }
  }

  #timestamp(millis: boolean): Date {
    const day = this.#isOutput ? 86_400_000 : 172_800_000;
    return new Date(1_600_000_000_000 + this.#seed.int(1000) * day + (millis ? this.#seed.pick([0, 250, 999]) : 0));
  }

  #bytes(): Uint8Array {
    return Uint8Array.from({ length: 1 + this.#seed.int(40) }, () => this.#seed.int(256));
  }
}

function isDeep(kind: Kind): boolean {
  return kind.type === 'structure' || kind.type === 'union' || kind.type === 'list' || kind.type === 'map';
}

/** A schema of our own model as a kind: for clients that carry no schemas. */
export function kindOfModel(schema: Schema, name = 'value'): Kind {
  return {
    type: typeOfModel(schema),
    name: schema.type === 'structure' ? schema.name : name,
    sparse: 'sparse' in schema && schema.sparse,
    members: () => (schema.type === 'structure' ? schema.members.map((member) => memberOfModel(member)) : []),
    item: () => {
      const member = schema.type === 'list' ? schema.member : schema.type === 'map' ? schema.value : undefined;
      if (member === undefined) throw new Error(`${name} has no items.`);
      return kindOfModel(member.schema, member.name);
    },
  };
}

/** The type of our model as samples know it. */
export function typeOfModel(schema: Schema): Kind['type'] {
  switch (schema.type) {
    case 'structure':
      return schema.union ? 'union' : 'structure';
    case 'blob':
      return schema.streaming ? 'stream' : 'blob';
    case 'float':
    case 'double':
      return 'double';
    case 'integer':
    case 'long':
      return 'number';
    default:
      return schema.type;
  }
}

function memberOfModel({ name, schema, traits, required }: Member): KindMember {
  const place: Place =
    traits.label === 1
      ? 'label'
      : traits.header !== undefined
        ? 'header'
        : traits.query !== undefined
          ? 'query'
          : traits.payload === 1
            ? 'payload'
            : traits.status === 1
              ? 'status'
              : 'body';
  return {
    name,
    kind: kindOfModel(schema, name),
    place,
    required: required || place === 'label' || place === 'status' || traits.token === 1,
  };
}
