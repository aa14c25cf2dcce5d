/**
 * Routes of the REST protocols: method, path and query to operation. Paths go through a tree of their parts; where several operations share a
 * path, the query and header members that they require tell them apart, as with S3's UploadPart and PutObject.
 */
import type { HttpBinding, OperationModel, ServiceModel } from './service-model.ts';
import type { ServiceIndexEntry, WireRequest } from './types.ts';

/** Parts of a path template: text, or a label; a greedy label takes several parts. */
interface TemplatePart {
  text: string;
  label: boolean;
  greedy: boolean;
}

/** What a route asks of a request beyond its path. */
interface Route {
  operation: string;
  parts: readonly TemplatePart[];
  query: readonly (readonly [string, string | undefined])[];
  /** Names that the route's required members take from the query and the headers. */
  requiredQuery: readonly string[];
  requiredHeaders: readonly string[];
  /** Names of all query parameters that the operation knows. */
  knownQuery: readonly string[];
  /** Value of `x-id`, by which SDKs name the operation of a presigned or cached URL. */
  id: string | undefined;
}

interface RouteNode {
  children: Map<string, RouteNode>;
  label: RouteNode | undefined;
  /** Routes that end here, by method. */
  routes: Map<string, Route[]>;
  /** Routes that go on with a greedy label, by method. */
  greedy: Map<string, Route[]>;
}

/** Compiled route tables; rebuildable from the models. */
const tables = new WeakMap<ServiceModel, RouteNode>();
const templates = new WeakMap<HttpBinding, readonly TemplatePart[]>();

/** The operation that a request is for, or undefined when the service has no such route. */
export function findRoute(model: ServiceModel, request: WireRequest): string | undefined {
  let table = tables.get(model);
  if (table === undefined) {
    table = buildTable(model);
    tables.set(model, table);
  }
  const parts = pathParts(model.entry, request);
  const candidates: Route[] = [];
  for (let skip = 0; skip <= parts.length; skip += 1) {
    collect(table, request.method, parts, skip, skip, candidates);
    if (candidates.length > 0 || model.entry.anyBasePath !== true) break;
  }
  return best(candidates, request)?.operation;
}

/** Values of the labels, decoded. Undefined if the path is not the template's. Throws URIError for broken percent-encoding. */
export function matchLabels(operation: OperationModel, request: WireRequest): Map<string, string> | undefined {
  const { http, service } = operation;
  if (http === undefined) return undefined;
  const template = templateOf(http);
  const parts = pathParts(service, request);
  for (let skip = 0; skip <= parts.length; skip += 1) {
    const labels = match(template, parts, skip);
    if (labels !== undefined || service.anyBasePath !== true) return labels;
  }
  return undefined;
}

/** The parts between the slashes, still encoded. A virtual host counts as the first. */
function pathParts(service: ServiceIndexEntry, request: WireRequest): string[] {
  const path =
    service.virtualHost !== undefined && request.hostPrefix !== undefined
      ? `/${encodeURIComponent(request.hostPrefix)}${request.path}`
      : request.path;
  return path.split('/').slice(1);
}

function templateOf(http: HttpBinding): readonly TemplatePart[] {
  const known = templates.get(http);
  if (known !== undefined) return known;
  const parts = http.path
    .split('/')
    .slice(1)
    .filter((part) => part !== '')
    .map((part) => {
      if (!part.startsWith('{')) return { text: part, label: false, greedy: false };
      return { text: part.replace(/[{}+]/g, ''), label: true, greedy: part.endsWith('+}') };
    });
  templates.set(http, parts);
  return parts;
}

function buildTable(model: ServiceModel): RouteNode {
  const root = newNode();
  for (const name of model.operationNames) {
    const operation = model.operation(name)!;
    if (operation.http === undefined) continue;
    addRoute(root, operation, operation.http);
  }
  return root;
}

function newNode(): RouteNode {
  return { children: new Map(), label: undefined, routes: new Map(), greedy: new Map() };
}

function addRoute(root: RouteNode, operation: OperationModel, http: HttpBinding): void {
  const required = operation.input.members.filter((member) => member.required);
  const route: Route = {
    operation: operation.name,
    parts: templateOf(http),
    query: http.query.filter(([name]) => name !== 'x-id'),
    requiredQuery: required.flatMap(({ traits }) => (traits.query === undefined ? [] : [traits.query])),
    requiredHeaders: required.flatMap(({ traits }) => (traits.header === undefined ? [] : [traits.header.toLowerCase()])),
    knownQuery: operation.input.members.flatMap(({ traits }) => (traits.query === undefined ? [] : [traits.query])),
    id: http.query.find(([name]) => name === 'x-id')?.[1],
  };
  let node = root;
  for (const part of route.parts) {
    if (part.greedy) {
      append(node.greedy, http.method, route);
      return;
    }
    if (part.label) {
      node.label ??= newNode();
      node = node.label;
    } else {
      let child = node.children.get(part.text);
      if (child === undefined) {
        child = newNode();
        node.children.set(part.text, child);
      }
      node = child;
    }
  }
  append(node.routes, http.method, route);
}

function append(routes: Map<string, Route[]>, method: string, route: Route): void {
  const list = routes.get(method);
  if (list === undefined) routes.set(method, [route]);
  else list.push(route);
}

/**
 * Adds the routes of the most specific path that has any: text goes before a label, a label before a greedy one, and among greedy ones the longest
 * template. `skip` is where the path of the service begins.
 */
function collect(node: RouteNode, method: string, parts: readonly string[], skip: number, at: number, found: Route[]): void {
  const rest = parts.length - at;
  if (rest === 0 || (rest === 1 && parts[at] === '')) found.push(...(node.routes.get(method) ?? []));
  if (found.length > 0 || rest === 0) return;
  const part = parts[at]!;
  const child = node.children.get(part);
  if (child !== undefined) collect(child, method, parts, skip, at + 1, found);
  if (found.length === 0 && node.label !== undefined && part !== '') collect(node.label, method, parts, skip, at + 1, found);
  if (found.length > 0) return;
  const greedy = (node.greedy.get(method) ?? []).filter((route) => fits(route.parts, parts, skip));
  if (greedy[0] === undefined) return;
  // Their labels up to here are the same, so broken percent-encoding shows in any.
  if (parts.some((part) => part.includes('%'))) match(greedy[0].parts, parts, skip);
  const longest = Math.max(...greedy.map((route) => route.parts.length));
  found.push(...greedy.filter((route) => route.parts.length === longest));
}

/** Whether `match` finds labels, without making them: many operations share a path. */
function fits(template: readonly TemplatePart[], parts: readonly string[], skip: number): boolean {
  let at = skip;
  for (let index = 0; index < template.length; index += 1) {
    const part = template[index]!;
    const given = parts[at];
    if (part.greedy) {
      const end = parts.length - (template.length - index - 1);
      if (end <= at || (end === at + 1 && given === '')) return false;
      at = end;
      continue;
    }
    if (given === undefined || (part.label ? given === '' : given !== part.text)) return false;
    at += 1;
  }
  return at === parts.length || (at === parts.length - 1 && parts[at] === '');
}

/** Matches a template against the parts from `skip` on. An empty part at the end is a trailing slash and may be left over. */
function match(template: readonly TemplatePart[], parts: readonly string[], skip: number): Map<string, string> | undefined {
  const labels = new Map<string, string>();
  let at = skip;
  for (const [index, part] of template.entries()) {
    if (part.greedy) {
      const end = parts.length - (template.length - index - 1);
      if (end <= at || (end === at + 1 && parts[at] === '')) return undefined;
      labels.set(part.text, decodeURIComponent(parts.slice(at, end).join('/')));
      at = end;
      continue;
    }
    const given = parts[at];
    if (given === undefined) return undefined;
    if (!part.label && given !== part.text) return undefined;
    if (part.label) {
      if (given === '') return undefined;
      labels.set(part.text, decodeURIComponent(given));
    }
    at += 1;
  }
  return at === parts.length || (at === parts.length - 1 && parts[at] === '') ? labels : undefined;
}

/** Among routes of one path: what the request asks for in its query literally, then what it brings of what they require, then `x-id`, then parameters they know. */
function best(candidates: readonly Route[], request: WireRequest): Route | undefined {
  const first = candidates[0];
  if (first === undefined || (candidates.length === 1 && first.query.length === 0)) return first;
  const query = new Map(request.query);
  let chosen: Route | undefined;
  let chosenScore = -1;
  for (const route of candidates) {
    const score = scoreOf(route, query, request);
    if (score > chosenScore) {
      chosen = route;
      chosenScore = score;
    }
  }
  return chosen;
}

/** Below zero: the route is not for this request. */
function scoreOf(route: Route, query: ReadonlyMap<string, string>, request: WireRequest): number {
  for (const [name, value] of route.query) {
    const given = query.get(name);
    if (given === undefined || (value !== undefined && given !== value)) return -1;
  }
  const missing =
    route.requiredQuery.filter((name) => !query.has(name)).length +
    route.requiredHeaders.filter((name) => request.headers[name] === undefined).length;
  const required = route.requiredQuery.length + route.requiredHeaders.length;
  const id = route.id !== undefined && query.get('x-id') === route.id ? 100 : 0;
  const known = route.knownQuery.filter((name) => query.has(name)).length;
  return route.query.length * 100_000 + (missing === 0 ? 2000 + required * 200 : 0) + id + known;
}
