/**
 * PATCH: lists of operations on members of a resource, as all update operations of REST APIs take them ("Patch operations", API Reference). A rule
 * names each path that a resource has and what stands there; a path without a rule is refused, never ignored.
 */
import type { PatchOperation } from '@aws-sdk/client-api-gateway';
import { badRequest } from './errors.ts';

export type Draft = Record<string, unknown>;

/**
 * What stands at a path: one value; an entry of a map (`/variables/*`); a member of a set that the path names (`/binaryMediaTypes/*`); a list to which
 * values are added and removed (`/authorizationScopes`).
 */
type Kind = 'text' | 'number' | 'boolean' | 'set' | 'list';
export interface PatchStep {
  op: string;
  value: string | undefined;
  /** What stood for the stars of the rule's path. */
  keys: readonly string[];
}
export type PatchRules<Row> = Readonly<Record<string, Kind | ((draft: Row, step: PatchStep) => void)>>;

/** A copy of a row with the operations applied in order. Throws BadRequestException. */
export function applyPatch<Row extends object>(
  row: Row,
  operations: readonly PatchOperation[] | undefined,
  rules: PatchRules<Row>,
): Row {
  const draft = structuredClone(row);
  for (const { op = '', path = '', value, from } of operations ?? []) {
    if (!['add', 'replace', 'remove', 'copy'].includes(op)) throw badRequest(`Invalid patch operation specified: ${op}`);
    if (from !== undefined && op !== 'copy') throw badRequest("'from' is supported for the copy operation only");
    const segments = path.split('/').slice(1).map(decodePointer);
    const [rule, keys] = findRule(rules, segments) ?? [];
    if (rule === undefined || op === 'copy') {
      const paths = Object.keys(rules).join(', ');
      throw badRequest(`Invalid patch path  '${path}' specified for op '${op}'. Must be one of: [${paths}]`);
    }
    if (op !== 'remove' && value === undefined && rule !== 'set')
      throw badRequest(`Value is required for op '${op}' on '${path}'`);
    if (typeof rule === 'function') rule(draft, { op, value, keys: keys ?? [] });
    else applyKind(draft as Draft, rule, segments, { op, value, keys: keys ?? [] });
  }
  return draft;
}

function findRule<Row>(rules: PatchRules<Row>, segments: readonly string[]): [PatchRules<Row>[string], string[]] | undefined {
  for (const [pattern, rule] of Object.entries(rules)) {
    const parts = pattern.split('/').slice(1);
    if (parts.length !== segments.length) continue;
    if (!parts.every((part, index) => part === '*' || part === segments[index])) continue;
    return [rule, segments.filter((_segment, index) => parts[index] === '*')];
  }
  return undefined;
}

function applyKind(draft: Draft, kind: Kind, segments: readonly string[], { op, value }: PatchStep): void {
  const path = segments.slice(0, -1);
  const last = segments.at(-1) ?? '';
  if (kind === 'set') {
    changeSet(holderOf(draft, path.slice(0, -1)), path.at(-1) ?? '', { op, value, last });
    return;
  }
  const holder = holderOf(draft, path);
  if (kind === 'list') {
    const list = ((holder[last] as string[] | undefined) ?? []).filter((item) => item !== value);
    holder[last] = op === 'remove' ? list : [...list, value];
  } else if (op === 'remove') delete holder[last];
  else holder[last] = parseValue(kind, value ?? '', last);
}

function changeSet(
  holder: Draft,
  name: string,
  { op, value, last }: { op: string; value: string | undefined; last: string },
): void {
  const list = ((holder[name] as string[] | undefined) ?? []).filter((item) => item !== last);
  holder[name] = op === 'remove' ? list : [...list, op === 'replace' ? (value ?? last) : last];
}

function holderOf(draft: Draft, path: readonly string[]): Draft {
  let holder = draft;
  for (const name of path) {
    if (['__proto__', 'constructor', 'prototype'].includes(name)) throw badRequest('Invalid patch path');
    holder[name] ??= {};
    holder = holder[name] as Draft;
  }
  return holder;
}

/** A patch's value as what stands there. Throws BadRequestException. */
export function parseValue(kind: 'text' | 'number' | 'boolean', value: string, name: string): unknown {
  if (kind === 'text') return value;
  if (kind === 'boolean') {
    if (!/^(true|false)$/i.test(value)) throw badRequest(`Invalid value ${value} specified for ${name}: a boolean is expected`);
    return value.toLowerCase() === 'true';
  }
  const number = Number(value);
  if (value.trim() === '' || Number.isNaN(number))
    throw badRequest(`Invalid value ${value} specified for ${name}: a number is expected`);
  return number;
}

function decodePointer(segment: string): string {
  return segment.replaceAll('~1', '/').replaceAll('~0', '~');
}
