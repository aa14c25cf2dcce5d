/** Deployments of HTTP and WebSocket APIs ready to serve: routes found by path. Snapshots never change, so that what was made of one is kept. */
import type { Context } from '../../../kernel/context.ts';
import { decode } from '../run/address.ts';
import { type Definition, type RouteDef, Snapshots } from './state.ts';

interface Pattern {
  route: RouteDef;
  method: string;
  parts: readonly string[];
  greedy: boolean;
}

export interface Served {
  definition: Definition;
  patterns: readonly Pattern[];
  fallback: RouteDef | undefined;
  byKey: ReadonlyMap<string, RouteDef>;
}

const servedMax = 500;
const servedCache = new Map<string, Served>();

/** What a deployment serves; undefined when there is none. */
export async function servedBy(ctx: Context, api: string, deployment: string | undefined): Promise<Served | undefined> {
  if (deployment === undefined) return undefined;
  const key = `${ctx.account}/${ctx.region}/${api}/${deployment}`;
  const known = servedCache.get(key);
  if (known !== undefined) return known;
  const row = await ctx.table(Snapshots).get(api, deployment);
  if (row === undefined) return undefined;
  const served = compile(row.definition);
  if (servedCache.size >= servedMax) servedCache.clear();
  servedCache.set(key, served);
  return served;
}

function compile(definition: Definition): Served {
  const routes = Object.values(definition.routes);
  const patterns = routes.flatMap((route): Pattern[] => {
    const [method = '', path] = (route.RouteKey ?? '').split(' ');
    if (path === undefined) return [];
    const parts = path.split('/').slice(1);
    if (parts.at(-1) === '') parts.pop();
    return [{ route, method, parts, greedy: parts.at(-1)?.endsWith('+}') === true }];
  });
  const byKey = new Map(routes.map((route) => [route.RouteKey ?? '', route]));
  return { definition, patterns, fallback: byKey.get('$default'), byKey };
}

export interface Found {
  route: RouteDef;
  pathParameters: Record<string, string>;
}

/**
 * "Full match for a route and method; match with a greedy path variable; the $default route": of several, the one with the most literal parts from
 * the left, and its own method before ANY.
 */
export function findHttpRoute({ patterns, fallback }: Served, method: string, path: string): Found | undefined {
  const parts = path.split('/').slice(1);
  if (parts.at(-1) === '') parts.pop();
  let best: { found: Found; rank: string } | undefined;
  for (const pattern of patterns) {
    if (pattern.method !== 'ANY' && pattern.method !== method) continue;
    const pathParameters = match(pattern, parts);
    if (pathParameters === undefined) continue;
    const shape = pattern.parts.map((part) => (part.endsWith('+}') ? '2' : part.startsWith('{') ? '1' : '0')).join('');
    const rank = `${pattern.greedy ? '1' : '0'}${shape}${pattern.method === 'ANY' ? '1' : '0'}`;
    if (best === undefined || rank < best.rank) best = { found: { route: pattern.route, pathParameters }, rank };
  }
  if (best !== undefined) return best.found;
  return fallback === undefined ? undefined : { route: fallback, pathParameters: {} };
}

function match({ parts, greedy }: Pattern, path: readonly string[]): Record<string, string> | undefined {
  if (greedy ? path.length < parts.length : path.length !== parts.length) return undefined;
  const found: Record<string, string> = {};
  for (const [index, part] of parts.entries()) {
    const value = path[index] ?? '';
    if (part.endsWith('+}')) found[part.slice(1, -2)] = path.slice(index).map(decode).join('/');
    else if (part.startsWith('{')) {
      if (value === '') return undefined;
      found[part.slice(1, -1)] = decode(value);
    } else if (part !== decode(value)) return undefined;
  }
  return found;
}
