/**
 * The packed form of a service model: what models/<service>.json holds. One file per service, so that a request loads no other's; shapes are
 * numbered and refer to each other by number, so that nothing but the JSON text has to be read before the first operation is compiled.
 *
 * A reference below `firstShape` is a simple type (the numbers that Smithy's own static schemas use, plus the widths of numbers, which those
 * lack); one from `firstShape` on is `shapes[reference - firstShape]`. Rejected: the official form as it is, because it is code, spells the
 * same traits many times and lists routes only inside operations.
 */
import type { ErrorTraits, MemberTraits, ServiceIndexEntry } from './types.ts';

/** Number of the first shape of the file; what is below is a simple type. */
export const firstShape = 64;

/** The simple types by number. `number` is one whose width no model tells. */
export const simpleTypes = {
  0: 'string',
  1: 'number',
  2: 'boolean',
  3: 'integer',
  4: 'timestamp',
  5: 'timestamp-date-time',
  6: 'timestamp-http-date',
  7: 'timestamp-epoch-seconds',
  8: 'long',
  9: 'float',
  10: 'double',
  15: 'document',
  21: 'blob',
  42: 'streaming-blob',
} as const;

export type PackedMember = number | readonly [number, MemberTraits];

export type PackedMembers = Readonly<Record<string, PackedMember>>;

/** Structures: kind, name, members, how many of the first members are required, name of the XML root where it is not the shape's. */
export type PackedStructure = readonly ['structure' | 'union', string, PackedMembers, number, string?];
export type PackedErrorShape = readonly ['error', string, PackedMembers, number, ErrorTraits];
/** Lists: kind, member, 1 if nulls are kept. */
export type PackedList = readonly ['list', PackedMember, 1?];
/** Maps: kind, key, value, 1 if nulls are kept. */
export type PackedMap = readonly ['map', PackedMember, PackedMember, 1?];
export type PackedShape = PackedStructure | PackedErrorShape | PackedList | PackedMap;

export interface PackedOperation {
  /** References to the input and output structures; absent when there is none. */
  in?: number;
  out?: number;
  /** Method, path template with literal query, status of success. */
  http?: readonly [string, string, number];
  /** Prefix of the host name, as `{AccountId}.`. */
  host?: string;
  /** The output is the root element itself: S3's LocationConstraint. */
  unwrapped?: 1;
}

/**
 * Answer to a request that lacks required members, where it is not the protocol's usual one. `{name}` stands for the member, `{path}` for where it
 * is in the query form (`MetricData.member.1.MetricName`). With `join`, one message for each missing member, else the first one only.
 */
export interface MissingMember {
  code: string;
  message: string;
  join?: string;
}

/** Answer to a union with no member or several, where it is not the protocol's usual one. `{name}` stands for the union. */
export interface InvalidUnion {
  code: string;
  empty: string;
  several: string;
  /** By the member of the input that the union is under: the words around, with `{message}`, and `{key}` for the key in that member. */
  within?: Readonly<Record<string, string>>;
}

export interface PackedModel {
  service: ServiceIndexEntry;
  missingMember?: MissingMember;
  invalidUnion?: InvalidUnion;
  operations: Readonly<Record<string, PackedOperation>>;
  /** References to the error shapes. */
  errors: readonly number[];
  shapes: readonly PackedShape[];
}
