/** Calls of API destinations: tokens, requests, what their answers mean ("API destinations", "How connections work"). */
import type { Millis } from '../../base/clock.ts';
import type { Context } from '../../kernel/context.ts';
import { AwsError } from '../../kernel/errors.ts';
import { sendHttp } from '../../kernel/http-out.ts';
import type { Task } from '../../kernel/service.ts';
import type { ConnectionParts } from './api.ts';
import { findDestination } from './api-destinations.ts';
import { type ConnectionSecret, readSecret } from './connections.ts';
import { type ConnectionRow, Connections, type DestinationRow, type HttpPart, type HttpParts, type TargetRow } from './state.ts';

/** A destination has five seconds to answer. */
const timeoutMillis = 5000;
/** A token is renewed this long before its end. */
const earlyMillis: Millis = 60_000;
/** Life of a token that does not say its own. */
const tokenSecondsDefault = 3600;
/** Answers after which the same request may succeed later. */
const passing = new Set([401, 407, 409, 429]);

/** Requests of the present second by destination: a bounded cache. */
const secondsCache = new Map<string, { second: number; count: number }>();
const secondsCacheMax = 5000;

/** Parameters of one part, secret values filled in. */
function valuesOf(parts: HttpParts, part: HttpPart, prefix: 'invocation' | 'oauth', { parameters }: ConnectionSecret) {
  return Object.fromEntries(
    parts[part].map(({ key, value, secret }) => [key, secret ? (parameters[`${prefix}.${part}.${key}`] ?? '') : (value ?? '')]),
  );
}

function withQuery(endpoint: string, query: Readonly<Record<string, string>>): string {
  const url = new URL(endpoint);
  for (const [key, value] of Object.entries(query)) url.searchParams.append(key, value);
  return url.toString();
}

/** Asks for a token with the client's credentials. `reason` says why there is none. */
async function fetchToken(ctx: Context, row: ConnectionRow): Promise<{ token: string; expires: Millis } | { reason: string }> {
  const { endpoint, method, parts } = row.oauth!;
  const secret = await readSecret(ctx, row);
  const form = new URLSearchParams({
    grant_type: 'client_credentials',
    client_id: row.principal,
    client_secret: secret.secret,
    ...valuesOf(parts, 'body', 'oauth', secret),
  });
  const query = valuesOf(parts, 'query', 'oauth', secret);
  const answer = await sendHttp(ctx, {
    url: withQuery(endpoint, method === 'GET' ? { ...Object.fromEntries(form), ...query } : query),
    method,
    headers: { 'content-type': 'application/x-www-form-urlencoded', ...valuesOf(parts, 'header', 'oauth', secret) },
    body: method === 'GET' ? '' : form.toString(),
    timeoutMillis,
  });
  if (answer.status < 200 || answer.status > 299)
    return {
      reason: `Failed to authorize: the endpoint answered ${answer.status === 0 ? answer.body : `status ${answer.status}`}.`,
    };
  try {
    const { access_token: token, expires_in: seconds = tokenSecondsDefault } = JSON.parse(answer.body) as {
      access_token?: string;
      expires_in?: number;
    };
    if (typeof token !== 'string') return { reason: 'Failed to authorize: the answer has no access_token.' };
    return { token, expires: ctx.clock.now() + Number(seconds) * 1000 };
  } catch {
    return { reason: 'Failed to authorize: the answer is no JSON.' };
  }
}

const label = ({ id }: ConnectionRow): string => `eventbridge connection ${id}`;

/** Gets a connection's first token, or one after its end. `key` is its name. */
export const authorizeConnection: Task = async ({ key: name }, ctx) => {
  const row = await ctx.table(Connections).get(name);
  if (row?.oauth !== undefined && row.state !== 'DEAUTHORIZED') await renew(ctx, row);
};

/** The token, or undefined when there is none to be had; the connection says why. */
async function renew(ctx: Context, row: ConnectionRow): Promise<string | undefined> {
  const got = await fetchToken(ctx, row);
  await ctx.transact(async (tx) => {
    const now = await tx.table(Connections).get(row.name);
    if (now?.id !== row.id || now.state === 'DEAUTHORIZED') return;
    if ('reason' in got)
      return tx.table(Connections).put({ ...now, state: 'DEAUTHORIZED', reason: got.reason, token: undefined });
    const sealed = ctx.part('vault').seal(Buffer.from(got.token), label(now));
    const at = ctx.clock.now();
    await tx.table(Connections).put({
      ...{ ...now, state: 'AUTHORIZED', reason: undefined, authorized: at },
      token: { sealed, expires: got.expires },
    });
  });
  return 'token' in got ? got.token : undefined;
}

/** The header that authorises a request. Throws when the connection is not authorised. */
async function authorization(ctx: Context, row: ConnectionRow, secret: ConnectionSecret): Promise<Record<string, string>> {
  if (row.type === 'API_KEY') return { [row.principal]: secret.secret };
  if (row.type === 'BASIC')
    return { authorization: `Basic ${Buffer.from(`${row.principal}:${secret.secret}`).toString('base64')}` };
  const fresh = row.token !== undefined && row.token.expires - earlyMillis > ctx.clock.now();
  const token = fresh ? ctx.part('vault').open(row.token!.sealed, label(row)).toString() : await renew(ctx, row);
  if (token === undefined) throw new AwsError('ConnectionNotAuthorized', `Connection ${row.name} is not authorized.`);
  return { authorization: `Bearer ${token}` };
}

/** What a connection adds to the requests that go by it, its authorisation included. Throws ConnectionNotAuthorized. */
export async function connectionParts(ctx: Context, row: ConnectionRow): Promise<ConnectionParts> {
  if (row.state !== 'AUTHORIZED') throw new AwsError('ConnectionNotAuthorized', `Connection ${row.name} is not authorized.`);
  const secret = await readSecret(ctx, row);
  return {
    query: valuesOf(row.parts, 'query', 'invocation', secret),
    headers: { ...valuesOf(row.parts, 'header', 'invocation', secret), ...(await authorization(ctx, row, secret)) },
    body: valuesOf(row.parts, 'body', 'invocation', secret),
  };
}

/** Counts a request; false when the destination has had as many this second as it may. */
function mayCall(ctx: Context, { id, rate }: DestinationRow): boolean {
  const second = Math.floor(ctx.clock.now() / 1000);
  const known = secondsCache.get(id);
  const count = known?.second === second ? known.count : 0;
  if (count >= rate) return false;
  if (secondsCache.size >= secondsCacheMax) secondsCache.clear();
  secondsCache.set(id, { second, count: count + 1 });
  return true;
}

/** The body with the connection's own parameters, which only an object can take. */
function bodyWith(body: string, more: Readonly<Record<string, string>>): string {
  if (Object.keys(more).length === 0) return body;
  const value: unknown = JSON.parse(body);
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? JSON.stringify({ ...value, ...more }) : body;
}

/**
 * Sends an event's input to an API destination; `role` is the target's, which must allow events:InvokeApiDestination. Throws with status 500 what may
 * pass (the destination's 401, 407, 409, 429 and 5xx, silence, its rate), with 400 what does not.
 */
export async function callDestination(ctx: Context, role: Context, target: TargetRow, input: string): Promise<void> {
  const row = await findDestination(ctx, target.arn);
  if (row === undefined) throw new AwsError('ResourceNotFoundException', `${target.arn} does not exist.`);
  await role.permit({ action: 'events:InvokeApiDestination', resource: target.arn });
  const connection = await ctx.table(Connections).get(row.connection);
  if (connection === undefined || connection.state !== 'AUTHORIZED')
    throw new AwsError('ConnectionNotAuthorized', `Connection ${row.connection} is not authorized.`);
  if (!mayCall(ctx, row)) throw new AwsError('ThrottlingException', `${target.arn} is over its rate.`);
  const parts = await connectionParts(ctx, connection);
  const { path = [], headers = {}, query = {} } = target.http ?? {};
  const values = [...path];
  const endpoint = row.endpoint.replace(/\*/g, () => encodeURIComponent(values.shift() ?? ''));
  const answer = await sendHttp(ctx, {
    url: withQuery(endpoint, { ...query, ...parts.query }),
    method: row.method,
    headers: {
      'content-type': 'application/json; charset=utf-8',
      'user-agent': 'Amazon/EventBridge/ApiDestinations',
      range: 'bytes=0-1048575',
      ...headers,
      ...parts.headers,
    },
    body: ['GET', 'HEAD'].includes(row.method) ? '' : bodyWith(input, parts.body),
    timeoutMillis,
  });
  if (answer.status >= 200 && answer.status <= 299) return;
  // A token that is refused is not used again.
  if (answer.status === 401 && connection.oauth !== undefined) await renew(ctx, connection);
  const mayPass = answer.status === 0 || answer.status >= 500 || passing.has(answer.status);
  const words = answer.status === 0 ? answer.body : `status ${answer.status}`;
  throw new AwsError('ApiDestinationFailed', `The endpoint answered ${words}.`, { status: mayPass ? 500 : 400 });
}
