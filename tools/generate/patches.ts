/**
 * Corrections of model defects, kept as data in models/patches/<service>.json and applied when models are generated. A patch that no longer
 * finds what it corrects fails the generation, so that no patch outlives its reason.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { InvalidUnion, MissingMember } from '../../src/model/packed.ts';
import type { ErrorTraits, MemberTraits, ServiceIndexEntry } from '../../src/model/types.ts';
import { type DraftMember, type DraftModel, type DraftShape, shapesOf } from './draft.ts';

interface Patch {
  /** Why each correction is needed. */
  why: string;
  service?: Partial<ServiceIndexEntry>;
  missingMember?: MissingMember;
  invalidUnion?: InvalidUnion;
  operations?: Record<string, { http?: [string, string, number]; unwrapped?: 1 }>;
  /** By `Shape.Member`, where the member of a list is `member`, those of a map `key` and `value`. A trait of null is removed. */
  members?: Record<string, { [Trait in keyof MemberTraits]?: MemberTraits[Trait] | null }>;
  /** Names of root elements by structure. */
  rootNames?: Record<string, string>;
  errors?: Record<string, Partial<ErrorTraits>>;
  /** Members that are an invention of one SDK, as `Shape.Member`. */
  drop?: string[];
}

/** Applies models/patches/<service>.json, if there is one. Throws when the patch names what the model does not have. */
export function applyPatch(model: DraftModel, root: string): void {
  const file = join(root, 'models/patches', `${model.service.name}.json`);
  if (!existsSync(file)) return;
  const patch = JSON.parse(readFileSync(file, 'utf8')) as Patch;
  Object.assign(model.service, patch.service ?? {});
  if (patch.missingMember !== undefined) model.missingMember = patch.missingMember;
  if (patch.invalidUnion !== undefined) model.invalidUnion = patch.invalidUnion;
  for (const [name, change] of Object.entries(patch.operations ?? {})) {
    Object.assign(must(model.operations.get(name), file, name), change);
  }
  const shapes = new Map(shapesOf(model).map((shape) => [shape.name, shape]));
  for (const [path, traits] of Object.entries(patch.members ?? {})) {
    const member = must(memberAt(shapes, path), file, path);
    for (const [trait, value] of Object.entries(traits)) {
      if (value === null) delete member.traits[trait as keyof MemberTraits];
      else Object.assign(member.traits, { [trait]: value });
    }
  }
  for (const path of patch.drop ?? []) {
    const [name = '', member = ''] = path.split('.');
    const shape = must(shapes.get(name), file, path);
    must(shape.kind !== 'list' && shape.kind !== 'map' && shape.members.delete(member) ? shape : undefined, file, path);
  }
  for (const [name, rootName] of Object.entries(patch.rootNames ?? {})) {
    Object.assign(must(shapes.get(name), file, name), { rootName });
  }
  for (const [name, traits] of Object.entries(patch.errors ?? {})) {
    const error = must(
      model.errors.find((each) => each.name === name),
      file,
      name,
    );
    Object.assign(error.error!, traits);
  }
}

function memberAt(shapes: ReadonlyMap<string, DraftShape>, path: string): DraftMember | undefined {
  const [name = '', member = ''] = path.split('.');
  const shape = shapes.get(name);
  if (shape === undefined) return undefined;
  if (shape.kind === 'list') return member === 'member' ? shape.member : undefined;
  if (shape.kind === 'map') return member === 'key' ? shape.key : member === 'value' ? shape.value : undefined;
  return shape.members.get(member);
}

function must<T>(value: T | undefined, file: string, name: string): T {
  if (value === undefined) throw new Error(`${file} corrects ${name}, which the model does not have.`);
  return value;
}

/** What follows from the model itself: names that are the default are dropped, and labels of virtual hosts become part of the route. */
export function normalise(model: DraftModel): void {
  const ec2 = model.service.protocols.includes('ec2Query');
  for (const shape of shapesOf(model)) {
    if (shape.kind === 'list' || shape.kind === 'map') continue;
    for (const [name, { traits }] of shape.members) {
      if (traits.xml === name) delete traits.xml;
      if (traits.json === name) delete traits.json;
      const wire = traits.xml ?? name;
      if (!ec2 || traits.ec2 === wire.charAt(0).toUpperCase() + wire.slice(1)) delete traits.ec2;
    }
  }
  const label = model.service.virtualHost;
  if (label === undefined) return;
  for (const operation of model.operations.values()) {
    const member = operation.input?.members.get(label);
    if (operation.http === undefined || member?.traits.label !== 1 || operation.http[1].includes(`{${label}}`)) continue;
    const [method, uri, status] = operation.http;
    const rest = uri === '/' || uri.startsWith('/?') ? uri.slice(1) : uri;
    operation.http = [method, `/{${label}}${rest}`, status];
  }
}
