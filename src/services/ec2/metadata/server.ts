/**
 * The instance metadata service, 169.254.169.254 as every instance sees it. The fabric brings each request here with an address that tells whose it
 * is. IMDSv1 and IMDSv2; which of them an instance answers is its own setting.
 */
import http, { type IncomingMessage, type ServerResponse } from 'node:http';
import type { Context } from '../../../kernel/context.ts';
import { findPlaced, type PlacedInstance } from '../instances/placed.ts';
import type { InstanceRow } from '../instances/state.ts';
import { RoleCredentialsCache } from './credentials.ts';
import { MetadataTokens, tokenSeconds } from './tokens.ts';
import { metadataTree, readNode } from './tree.ts';

const tokenHeader = 'x-aws-ec2-metadata-token';
const ttlHeader = 'x-aws-ec2-metadata-token-ttl-seconds';
/** Versions are dated; `latest` is what everyone asks for. */
const versionForm = /^\/(latest|\d{4}-\d{2}-\d{2})(?:\/|$)/;
/** Real milliseconds that a request may take. */
const requestTimeout = 10_000;

interface Answer {
  status: number;
  body: string;
  headers?: Record<string, string>;
}

const page = (status: number, title: string): Answer => ({
  status,
  body: `<?xml version="1.0" encoding="iso-8859-1"?>\n<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Transitional//EN" "http://www.w3.org/TR/xhtml1/DTD/xhtml1-transitional.dtd">\n<html xmlns="http://www.w3.org/1999/xhtml" xml:lang="en" lang="en">\n <head>\n  <title>${status} - ${title}</title>\n </head>\n <body>\n  <h1>${status} - ${title}</h1>\n </body>\n</html>\n`,
  headers: { 'content-type': 'text/html' },
});

/** Listens where the fabric delivers metadata requests; resolves with how to stop. Does nothing without a fabric. */
export async function startMetadata(ctx: Context): Promise<() => Promise<void>> {
  const fabric = ctx.part('fabric');
  if (fabric.unavailable !== undefined) return async () => {};
  const tokens = new MetadataTokens(ctx.bytes(32));
  const roles = new RoleCredentialsCache();
  const server = http.createServer({ requestTimeout, headersTimeout: requestTimeout }, (request, response) => {
    answer(ctx, tokens, roles, request).then(
      (result) => send(response, result),
      () => send(response, page(500, 'Internal Server Error')),
    );
  });
  const { address, port } = fabric.metadataListen;
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(port, address, resolve));
  return () =>
    new Promise((resolve) => {
      server.closeAllConnections();
      server.close(() => resolve());
    });
}

function send(response: ServerResponse, { status, body, headers = {} }: Answer): void {
  response
    .writeHead(status, {
      'content-type': 'text/plain',
      server: 'EC2ws',
      'content-length': Buffer.byteLength(body, 'latin1'),
      ...headers,
    })
    .end(body, 'latin1');
}

/** The instance behind a connection, by the address under which the fabric lets it appear. */
async function callerOf(ctx: Context, request: IncomingMessage): Promise<PlacedInstance | undefined> {
  const address = (request.socket.remoteAddress ?? '').replace(/^::ffff:/, '');
  const machine = ctx.part('fabric').identify(address)?.machine;
  if (machine === undefined) return undefined;
  return findPlaced(ctx, machine);
}

async function answer(
  ctx: Context,
  tokens: MetadataTokens,
  roles: RoleCredentialsCache,
  request: IncomingMessage,
): Promise<Answer> {
  const caller = await callerOf(ctx, request);
  if (caller === undefined) return page(404, 'Not Found');
  const { own, row } = caller;
  if (row.metadata.endpoint === 'disabled') return page(403, 'Forbidden');
  const path = (request.url ?? '/').split('?')[0] ?? '/';
  const now = ctx.clock.now();
  if (path === '/latest/api/token') return giveToken(tokens, row, request, now);
  if (request.method !== 'GET' && request.method !== 'HEAD') return page(405, 'Not Allowed');
  const token = request.headers[tokenHeader];
  if (token === undefined ? row.metadata.httpTokens === 'required' : !tokens.accepts(String(token), row.id, now))
    return page(401, 'Unauthorized');
  if (path === '/') return { status: 200, body: '1.0\nlatest' };
  const version = versionForm.exec(path);
  if (version === null) return page(404, 'Not Found');
  const rest = decodePath(path.slice(version[0].length));
  // Only the path that shows credentials makes any: a listing must not start a session.
  const role =
    rest.startsWith('meta-data/iam') || rest === 'meta-data' || rest === 'meta-data/' ? await roles.find(own, row) : undefined;
  const body = readNode(await metadataTree(own, row, role), rest);
  if (body === undefined) return page(404, 'Not Found');
  return { status: 200, body, headers: rest.startsWith('user-data') ? { 'content-type': 'application/octet-stream' } : {} };
}

function decodePath(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    return path;
  }
}

/** PUT with a lifetime; refused when it came through a proxy ("X-Forwarded-For"). */
function giveToken(tokens: MetadataTokens, row: InstanceRow, request: IncomingMessage, now: number): Answer {
  if (request.method !== 'PUT') return page(405, 'Not Allowed');
  if (request.headers['x-forwarded-for'] !== undefined) return page(403, 'Forbidden');
  const ttl = Number(request.headers[ttlHeader]);
  if (!Number.isInteger(ttl) || ttl < tokenSeconds.min || ttl > tokenSeconds.max) return page(400, 'Bad Request');
  return { status: 200, body: tokens.issue(row.id, now + ttl * 1000), headers: { [ttlHeader]: String(ttl) } };
}
