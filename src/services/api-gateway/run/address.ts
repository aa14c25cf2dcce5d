/**
 * Which API, stage and path a request is for: by host name (`id.execute-api.region.localhost`), by path for those without DNS (`/_aws/execute-api/id/stage`
 * and the older `/restapis/id/stage/_user_request_`, as users of other local clouds write them), or by a custom domain and its mappings.
 */
import type { Context } from '../../../kernel/context.ts';
import type { WebRequest } from '../../../kernel/web.ts';
import { type AddressRow, Addresses, Domains, Mappings } from '../state.ts';

/** `a1b2c3d4e5.execute-api.us-east-1.localhost`, `….amazonaws.com`, `a1b2c3d4e5.execute-api.localhost.localstack.cloud` */
const hostForm = /^([a-z0-9]+)(?:-vpce-[0-9a-f]+)?\.execute-api\./;
/** The name of a VPC endpoint itself: a header says which API is meant ("Invoke a private API"). */
const endpointForm = /^vpce-[0-9a-z-]+\.execute-api\.[a-z0-9-]+\.vpce\./;
const pathForm = /^\/_aws\/execute-api\/([a-z0-9]+)(\/.*)?$/;
const userRequestForm = /^\/restapis\/([a-z0-9]+)\/([^/]+)\/_user_request_(\/.*)?$/;

export interface Target {
  address: AddressRow;
  /** Path after the host or the prefix, percent-encoded, beginning with the stage unless `stage` is given. */
  path: string;
  /** Named by a mapping. */
  stage?: string | undefined;
  /** Reached by a custom domain: its name and the base path that was taken off. */
  domain?: { name: string; basePath: string; mutual: boolean } | undefined;
}

/** What a request is for; undefined when nothing here answers at that address. */
export async function findTarget({ request, host, ctx }: WebRequest): Promise<Target | 'unknown' | undefined> {
  const byHost = hostForm.exec(host);
  if (byHost !== null) return at(ctx, byHost[1] ?? '', request.path);
  if (endpointForm.test(host)) return at(ctx, request.headers['x-apigw-api-id'] ?? '', request.path);
  const byPath = pathForm.exec(request.path);
  if (byPath !== null) return at(ctx, byPath[1] ?? '', byPath[2] ?? '/');
  const older = userRequestForm.exec(request.path);
  if (older !== null) return at(ctx, older[1] ?? '', `/${older[2]}${older[3] ?? '/'}`);
  const domain = await ctx.table(Addresses).get(host);
  return domain?.kind === 'domain' ? byMapping(ctx, domain, request.path) : undefined;
}

async function at(ctx: Context, id: string, path: string): Promise<Target | 'unknown'> {
  const address = await ctx.table(Addresses).get(id);
  return address === undefined ? 'unknown' : { address, path };
}

/** The longest mapping that the path begins with counts ("API mappings for custom domain names"). */
async function byMapping(ctx: Context, domain: AddressRow, path: string): Promise<Target | 'unknown'> {
  const [mappings, row] = await Promise.all([
    ctx.tableIn(domain, Mappings).list({ prefix: [domain.name] }),
    ctx.tableIn(domain, Domains).get(domain.name),
  ]);
  const fits = mappings
    .map((row) => ({ row, base: row.basePath === '(none)' ? '' : `/${row.basePath}` }))
    .filter(({ base }) => path === base || path.startsWith(`${base}/`) || base === '')
    .sort((a, b) => b.base.length - a.base.length);
  const [best] = fits;
  if (best === undefined) return 'unknown';
  const address = await ctx.table(Addresses).get(best.row.api);
  if (address === undefined) return 'unknown';
  const rest = path.slice(best.base.length);
  return {
    address,
    path: rest === '' ? '/' : rest,
    stage: best.row.stage,
    domain: { name: domain.name, basePath: best.base.slice(1), mutual: row?.truststore !== undefined },
  };
}

/** The stage that a path begins with, and the rest of it, beginning with a slash. */
export function splitStage(path: string): { stage: string; rest: string } {
  const [, stage = '', rest = ''] = /^\/([^/]*)(\/.*)?$/s.exec(path) ?? [];
  return { stage: decode(stage), rest: rest === '' ? '/' : rest };
}

/** Percent-decoding that leaves broken escapes as they are. */
export function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
