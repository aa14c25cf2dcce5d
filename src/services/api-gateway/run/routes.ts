/** From a path to the resource that serves it: literal parts before variables, variables before greedy ones. */
import type { ResourceDef } from '../state.ts';
import { decode } from './address.ts';

interface Node {
  resource?: ResourceDef;
  literal: Map<string, Node>;
  variable?: { name: string; node: Node };
  greedy?: { name: string; node: Node };
}

export interface Route {
  resource: ResourceDef;
  pathParameters: Record<string, string>;
}

export type RouteTree = Node;

/** A tree of the resources that have methods. */
export function compileRoutes(resources: Readonly<Record<string, ResourceDef>>): RouteTree {
  const root: Node = { literal: new Map() };
  for (const resource of Object.values(resources)) {
    if (Object.keys(resource.methods).length === 0) continue;
    let node = root;
    for (const part of resource.path.split('/').filter((text) => text !== '')) node = stepInto(node, part);
    node.resource = resource;
  }
  return root;
}

function stepInto(node: Node, part: string): Node {
  const greedy = /^\{(.+)\+\}$/.exec(part);
  if (greedy !== null) {
    node.greedy ??= { name: greedy[1] ?? '', node: { literal: new Map() } };
    return node.greedy.node;
  }
  const variable = /^\{(.+)\}$/.exec(part);
  if (variable !== null) {
    node.variable ??= { name: variable[1] ?? '', node: { literal: new Map() } };
    return node.variable.node;
  }
  let next = node.literal.get(part);
  if (next === undefined) {
    next = { literal: new Map() };
    node.literal.set(part, next);
  }
  return next;
}

/** The resource of a path (percent-encoded), and what its variables stand for; undefined when none serves it. */
export function findRoute(tree: RouteTree, path: string): Route | undefined {
  const parts = path.split('/').slice(1);
  if (parts.at(-1) === '') parts.pop();
  return search(tree, parts, 0, {});
}

function search(node: Node, parts: readonly string[], at: number, found: Record<string, string>): Route | undefined {
  const part = parts[at];
  if (part === undefined) return node.resource === undefined ? undefined : { resource: node.resource, pathParameters: found };
  const literal = node.literal.get(decode(part));
  const byLiteral = literal && search(literal, parts, at + 1, found);
  if (byLiteral !== undefined) return byLiteral;
  if (node.variable !== undefined && part !== '') {
    const byVariable = search(node.variable.node, parts, at + 1, { ...found, [node.variable.name]: decode(part) });
    if (byVariable !== undefined) return byVariable;
  }
  if (node.greedy?.node.resource === undefined) return undefined;
  const rest = parts.slice(at).map(decode).join('/');
  return { resource: node.greedy.node.resource, pathParameters: { ...found, [node.greedy.name]: rest } };
}
