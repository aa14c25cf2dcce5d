/**
 * A service's model in memory. Built over its packed form without visiting it: shapes become objects when something first asks for them, so that
 * one call on EC2 does not pay for the other seven hundred.
 */
import {
  firstShape,
  type InvalidUnion,
  type MissingMember,
  type PackedMember,
  type PackedModel,
  type PackedOperation,
  type PackedShape,
  simpleTypes,
} from './packed.ts';
import type { ErrorTraits, MemberTraits, ServiceIndexEntry, TimestampFormat } from './types.ts';

export type NumberType = 'number' | 'integer' | 'long' | 'float' | 'double';

export interface SimpleSchema {
  readonly type: 'string' | 'boolean' | 'blob' | 'timestamp' | 'document' | NumberType;
  /** Of a timestamp: its own format, which goes before the protocol's. */
  readonly format?: TimestampFormat;
  /** Of a blob: sent as it is, of any length. */
  readonly streaming?: boolean;
}

export interface ListSchema {
  readonly type: 'list';
  readonly member: Member;
  readonly sparse: boolean;
}

export interface MapSchema {
  readonly type: 'map';
  readonly key: Member;
  readonly value: Member;
  readonly sparse: boolean;
}

/** Structure, union (exactly one member is set) or modelled error. */
export interface StructureSchema {
  readonly type: 'structure';
  readonly name: string;
  readonly union: boolean;
  readonly error: ErrorTraits | undefined;
  /** Name of the root element in XML. */
  readonly rootName: string;
  readonly members: readonly Member[];
}

export type Schema = SimpleSchema | ListSchema | MapSchema | StructureSchema;

export interface Member {
  readonly name: string;
  readonly schema: Schema;
  readonly traits: MemberTraits;
  readonly required: boolean;
}

export interface HttpBinding {
  readonly method: string;
  /** Path template without query. */
  readonly path: string;
  /** Query parameters that the request must carry, in order; a value of undefined means any. */
  readonly query: readonly (readonly [string, string | undefined])[];
  /** Status of success. */
  readonly status: number;
}

export interface OperationModel {
  readonly name: string;
  readonly service: ServiceIndexEntry;
  readonly input: StructureSchema;
  readonly output: StructureSchema;
  /** False where the model has no output at all, not even an empty one. */
  readonly hasOutput: boolean;
  readonly requiredMembers: readonly string[];
  /** Modelled errors of the service, by name of the shape and by code on the wire. */
  readonly errors: ReadonlyMap<string, StructureSchema>;
  readonly http: HttpBinding | undefined;
  /** True if input or output is a stream of events. */
  readonly isEventStream: boolean;
  /** The output's one member is the root element itself. */
  readonly unwrapped: boolean;
  /** The service's own answers to inputs that lack a member or set too many. */
  readonly missingMember: MissingMember | undefined;
  readonly invalidUnion: InvalidUnion | undefined;
}

export interface ServiceModel {
  readonly name: string;
  readonly entry: ServiceIndexEntry;
  readonly operationNames: readonly string[];
  readonly errors: ReadonlyMap<string, StructureSchema>;
  /** The operation of this exact name. */
  operation(name: string): OperationModel | undefined;
}

/** The index of all services, and the look-ups that identification makes. */
export interface ServiceIndex {
  readonly entries: readonly ServiceIndexEntry[];
  readonly byName: ReadonlyMap<string, ServiceIndexEntry>;
  /** Several services may share a signing name, a target or an endpoint prefix; those that yield to others come last. */
  readonly bySigningName: ReadonlyMap<string, readonly ServiceIndexEntry[]>;
  readonly byTarget: ReadonlyMap<string, readonly ServiceIndexEntry[]>;
  readonly byEndpointPrefix: ReadonlyMap<string, readonly ServiceIndexEntry[]>;
  /** Services of the query protocols by API version. */
  readonly byVersion: ReadonlyMap<string, readonly ServiceIndexEntry[]>;
}

const emptyStructure: StructureSchema = {
  type: 'structure',
  name: 'Unit',
  union: false,
  error: undefined,
  rootName: 'Unit',
  members: [],
};

const simpleSchemas = new Map<number, SimpleSchema>(
  Object.entries(simpleTypes).map(([code, type]) => [Number(code), simpleSchemaOf(type)]),
);

function simpleSchemaOf(type: (typeof simpleTypes)[keyof typeof simpleTypes]): SimpleSchema {
  if (type === 'streaming-blob') return { type: 'blob', streaming: true };
  if (type === 'timestamp-date-time') return { type: 'timestamp', format: 'date-time' };
  if (type === 'timestamp-http-date') return { type: 'timestamp', format: 'http-date' };
  if (type === 'timestamp-epoch-seconds') return { type: 'timestamp', format: 'epoch-seconds' };
  return { type };
}

const noTraits: MemberTraits = {};

/** A member whose schema is looked up when first asked for, because models refer to themselves. */
class LazyMember implements Member {
  readonly name: string;
  readonly traits: MemberTraits;
  readonly required: boolean;
  readonly #model: PackedServiceModel;
  readonly #reference: number;

  constructor(model: PackedServiceModel, name: string, packed: PackedMember, required: boolean) {
    this.name = name;
    this.required = required;
    this.traits = typeof packed === 'number' ? noTraits : packed[1];
    this.#reference = typeof packed === 'number' ? packed : packed[0];
    this.#model = model;
  }

  get schema(): Schema {
    return this.#model.schema(this.#reference);
  }
}

class LazyStructure implements StructureSchema {
  readonly type = 'structure';
  readonly name: string;
  readonly union: boolean;
  readonly error: ErrorTraits | undefined;
  readonly rootName: string;
  readonly #model: PackedServiceModel;
  readonly #packed: Exclude<PackedShape, readonly ['list' | 'map', ...unknown[]]>;
  #members: readonly Member[] | undefined;

  constructor(model: PackedServiceModel, packed: Exclude<PackedShape, readonly ['list' | 'map', ...unknown[]]>) {
    this.#model = model;
    this.#packed = packed;
    this.name = packed[1];
    this.union = packed[0] === 'union';
    this.error = packed[0] === 'error' ? packed[4] : undefined;
    this.rootName = (packed[0] === 'error' ? undefined : packed[4]) ?? packed[1];
  }

  get members(): readonly Member[] {
    this.#members ??= Object.entries(this.#packed[2]).map(
      ([name, member], index) => new LazyMember(this.#model, name, member, index < this.#packed[3]),
    );
    return this.#members;
  }
}

class PackedOperationModel implements OperationModel {
  readonly name: string;
  readonly service: ServiceIndexEntry;
  readonly input: StructureSchema;
  readonly output: StructureSchema;
  readonly hasOutput: boolean;
  readonly http: HttpBinding | undefined;
  readonly unwrapped: boolean;
  readonly missingMember: MissingMember | undefined;
  readonly invalidUnion: InvalidUnion | undefined;
  readonly #model: PackedServiceModel;

  constructor(
    model: PackedServiceModel,
    name: string,
    packed: PackedOperation,
    answers: Pick<PackedModel, 'missingMember' | 'invalidUnion'>,
  ) {
    this.name = name;
    this.service = model.entry;
    this.input = packed.in === undefined ? emptyStructure : (model.schema(packed.in) as StructureSchema);
    this.output = packed.out === undefined ? emptyStructure : (model.schema(packed.out) as StructureSchema);
    this.hasOutput = packed.out !== undefined;
    this.http = packed.http === undefined ? undefined : httpBindingOf(packed.http);
    this.unwrapped = packed.unwrapped === 1;
    this.missingMember = answers.missingMember;
    this.invalidUnion = answers.invalidUnion;
    this.#model = model;
  }

  get requiredMembers(): readonly string[] {
    return this.input.members.filter((member) => member.required).map((member) => member.name);
  }

  get errors(): ReadonlyMap<string, StructureSchema> {
    return this.#model.errors;
  }

  get isEventStream(): boolean {
    return [...this.input.members, ...this.output.members].some((member) => member.traits.events === 1);
  }
}

function httpBindingOf([method, uri, status]: readonly [string, string, number]): HttpBinding {
  const mark = uri.indexOf('?');
  if (mark < 0) return { method, path: uri, query: [], status };
  const query = uri
    .slice(mark + 1)
    .split('&')
    .map((pair) => {
      const equals = pair.indexOf('=');
      return (equals < 0 ? [pair, undefined] : [pair.slice(0, equals), pair.slice(equals + 1)]) as readonly [
        string,
        string | undefined,
      ];
    });
  return { method, path: uri.slice(0, mark), query, status };
}

/** A service model over its packed form. */
export class PackedServiceModel implements ServiceModel {
  readonly name: string;
  readonly entry: ServiceIndexEntry;
  readonly operationNames: readonly string[];
  readonly #packed: PackedModel;
  readonly #schemas: (Schema | undefined)[];
  readonly #operations = new Map<string, OperationModel>();
  #errors: ReadonlyMap<string, StructureSchema> | undefined;

  constructor(packed: PackedModel) {
    this.#packed = packed;
    this.entry = packed.service;
    this.name = packed.service.name;
    this.operationNames = Object.keys(packed.operations);
    this.#schemas = new Array(packed.shapes.length);
  }

  operation(name: string): OperationModel | undefined {
    const known = this.#operations.get(name);
    if (known !== undefined) return known;
    if (!Object.hasOwn(this.#packed.operations, name)) return undefined;
    const operation = new PackedOperationModel(this, name, this.#packed.operations[name]!, this.#packed);
    this.#operations.set(name, operation);
    return operation;
  }

  get errors(): ReadonlyMap<string, StructureSchema> {
    if (this.#errors !== undefined) return this.#errors;
    const errors = new Map<string, StructureSchema>();
    const shapes = this.#packed.errors.map((reference) => this.schema(reference) as StructureSchema);
    for (const shape of shapes) errors.set(shape.name, shape);
    for (const shape of shapes) {
      const code = shape.error?.queryCode;
      if (code !== undefined && !errors.has(code)) errors.set(code, shape);
    }
    this.#errors = errors;
    return errors;
  }

  /** The schema behind a reference. Throws for one that the file does not have: the file is broken. */
  schema(reference: number): Schema {
    if (reference < firstShape) {
      const simple = simpleSchemas.get(reference);
      if (simple === undefined) throw new Error(`models/${this.name}.json refers to the unknown type ${reference}.`);
      return simple;
    }
    const known = this.#schemas[reference - firstShape];
    if (known !== undefined) return known;
    const packed = this.#packed.shapes[reference - firstShape];
    if (packed === undefined) throw new Error(`models/${this.name}.json refers to the missing shape ${reference}.`);
    const schema = this.#build(packed);
    this.#schemas[reference - firstShape] = schema;
    return schema;
  }

  #build(packed: PackedShape): Schema {
    if (packed[0] === 'list')
      return { type: 'list', member: new LazyMember(this, 'member', packed[1], false), sparse: packed[2] === 1 };
    if (packed[0] === 'map') {
      const key = new LazyMember(this, 'key', packed[1], false);
      return { type: 'map', key, value: new LazyMember(this, 'value', packed[2], false), sparse: packed[3] === 1 };
    }
    return new LazyStructure(this, packed);
  }
}
