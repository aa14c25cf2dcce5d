/**
 * Downloads of code: GetFunction gives a link that is good for ten minutes, under a host name of the gateway. What it names is sealed, so that nobody can
 * ask for another function's code by it.
 */
import type { Context, Scope } from '../../kernel/context.ts';
import type { WebRequest } from '../../kernel/web.ts';
import type { WireResponse } from '../../model/types.ts';
import { readCode } from './code.ts';
import { type LayerVersionRow, LayerVersions, type VersionRow, Versions } from './state.ts';

/** "The URL is valid for 10 minutes" (GetFunction, API Reference). */
const validMillis = 600_000;
const codeHosts = /^awslambda-[a-z0-9-]+-tasks\.localhost$/;
const label = 'lambda.code-download';

interface Ticket extends Scope {
  /** Whose code: a function's or a layer's version. */
  kind: 'function' | 'layer';
  name: string;
  number: number;
  code: string;
  expires: number;
}

/** The link to the archive of a function's version. */
export function codeLocation(ctx: Context, scope: Scope, { function: name, number, code }: VersionRow): string {
  return location(ctx, { ...placeOf(scope), kind: 'function', name, number, code: code.name });
}

/** The same for a layer's. */
export function layerLocation(ctx: Context, scope: Scope, { layer: name, number, code }: LayerVersionRow): string {
  return location(ctx, { ...placeOf(scope), kind: 'layer', name, number, code: code.name });
}

const placeOf = ({ account, region }: Scope): Scope => ({ account, region });

function location(ctx: Context, what: Omit<Ticket, 'expires'>): string {
  const { account, region, name, code } = what;
  const ticket: Ticket = { ...what, expires: ctx.clock.now() + validMillis };
  const sealed = Buffer.from(ctx.part('vault').seal(Buffer.from(JSON.stringify(ticket)), label)).toString('base64url');
  return `http://awslambda-${region}-tasks.localhost:${ctx.part('endpoints').port}/snapshots/${account}/${name}-${code}?ticket=${sealed}`;
}

/** Answers a download; undefined for other hosts. */
export async function answerDownload(web: WebRequest): Promise<WireResponse | undefined> {
  if (!codeHosts.test(web.host)) return undefined;
  const refuse = (): WireResponse => ({
    status: 403,
    headers: { 'content-type': 'application/xml' },
    body: '<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>',
  });
  const sealed = web.request.query.find(([name]) => name === 'ticket')?.[1] ?? '';
  let ticket: Ticket;
  try {
    ticket = JSON.parse(web.ctx.part('vault').open(Buffer.from(sealed, 'base64url'), label).toString()) as Ticket;
  } catch {
    return refuse();
  }
  if (ticket.expires < web.ctx.clock.now()) return refuse();
  const at = web.ctx.inScope({ account: ticket.account, region: ticket.region });
  const { name, number } = ticket;
  const version = await (ticket.kind === 'layer'
    ? at.table(LayerVersions).get(name, number)
    : at.table(Versions).get(name, number));
  if (version === undefined || version.code.name !== ticket.code) return refuse();
  const body = await readCode(web.ctx, version.code);
  return { status: 200, headers: { 'content-type': 'application/zip' }, body };
}
