/**
 * A service model while it is being made: a graph of objects that its sources fill, patches correct, and the packer writes down.
 */
import type { InvalidUnion, MissingMember } from '../../src/model/packed.ts';
import type { ErrorTraits, MemberTraits, ServiceIndexEntry } from '../../src/model/types.ts';

export interface DraftStructure {
  kind: 'structure' | 'union' | 'error';
  name: string;
  members: Map<string, DraftMember>;
  /** The first so many members are required. */
  required: number;
  rootName?: string;
  error?: ErrorTraits;
}

export interface DraftList {
  kind: 'list';
  name: string;
  member: DraftMember;
  sparse: boolean;
}

export interface DraftMap {
  kind: 'map';
  name: string;
  key: DraftMember;
  value: DraftMember;
  sparse: boolean;
}

export type DraftShape = DraftStructure | DraftList | DraftMap;

export interface DraftMember {
  /** A shape, or the number of a simple type. */
  target: DraftShape | number;
  traits: MemberTraits;
}

export interface DraftOperation {
  name: string;
  input?: DraftStructure;
  output?: DraftStructure;
  http?: [string, string, number];
  host?: string;
  unwrapped?: 1;
}

export interface DraftModel {
  service: ServiceIndexEntry;
  operations: Map<string, DraftOperation>;
  errors: DraftStructure[];
  missingMember?: MissingMember;
  invalidUnion?: InvalidUnion;
}

/** Every structure, list and map reachable from the operations and errors, once each, in a fixed order. */
export function shapesOf(model: DraftModel): DraftShape[] {
  const seen = new Set<DraftShape>();
  const visit = (shape: DraftShape | undefined): void => {
    if (shape === undefined || seen.has(shape)) return;
    seen.add(shape);
    for (const { target } of membersOf(shape)) if (typeof target !== 'number') visit(target);
  };
  for (const name of [...model.operations.keys()].sort()) {
    visit(model.operations.get(name)!.input);
    visit(model.operations.get(name)!.output);
  }
  for (const error of model.errors) visit(error);
  return [...seen];
}

/** What a shape refers to, in order. */
function membersOf(shape: DraftShape): DraftMember[] {
  if (shape.kind === 'list') return [shape.member];
  if (shape.kind === 'map') return [shape.key, shape.value];
  return [...shape.members.values()];
}
