/** JSON web tokens of HTTP APIs: keys of their issuer, fetched over the cloud's internet, and what must be true of claims ("JWT authorizers"). */
import type { Authorizer } from '@aws-sdk/client-apigatewayv2';
import type { createLocalJWKSet, JSONWebKeySet } from 'jose';
import { sendHttp } from '../../../kernel/http-out.ts';
import { valuesOf } from '../run/call.ts';
import { type HttpCall, HttpRefusal } from './call.ts';

/** "API Gateway can cache the public key for two hours". */
const keysMillis = 7_200_000;
/** "timeout of 1,500 ms to fetch the metadata", each. */
const fetchMillis = 1_500;
const keysMax = 1000;

interface Keys {
  until: number;
  find: ReturnType<typeof createLocalJWKSet>;
}

const keysCache = new Map<string, Keys>();

export interface TokenFacts {
  claims: Record<string, string>;
  scopes: string[] | null;
}

function refusal(description: string): HttpRefusal {
  return new HttpRefusal(401, 'Unauthorized', {
    'www-authenticate': [`Bearer scope="" error="invalid_token" error_description="${description}"`],
  });
}

/** Checks the token of a call: signature, issuer, audience, times, scopes. Throws HttpRefusal 401, 403, 500. */
export async function checkToken(call: HttpCall, authorizer: Authorizer, scopes: readonly string[]): Promise<TokenFacts> {
  const token = tokenOf(call, authorizer.IdentitySource?.[0] ?? '');
  if (token === undefined) throw new HttpRefusal(401, 'Unauthorized', { 'www-authenticate': ['Bearer'] });
  const { Issuer: issuer = '', Audience: audience = [] } = authorizer.JwtConfiguration ?? {};
  const claims = await verify(call, token, issuer);
  // "aud … or client_id must match one of the audience entries".
  const named = claims['aud'] === undefined ? [claims['client_id']] : [claims['aud']].flat();
  if (!named.some((name) => typeof name === 'string' && audience.includes(name)))
    throw refusal('the token does not have a valid audience');
  const own = scopesOf(claims);
  if (scopes.length > 0 && !scopes.some((scope) => own?.includes(scope)))
    throw new HttpRefusal(403, 'Forbidden', {
      'www-authenticate': [
        `Bearer scope="${scopes.join(' ')}" error="insufficient_scope" error_description="the token does not have the required scopes"`,
      ],
    });
  const shown = Object.entries(claims).map(([name, value]): [string, string] => [name, showClaim(value)]);
  return { claims: Object.fromEntries(shown), scopes: own ?? null };
}

function showClaim(value: unknown): string {
  if (Array.isArray(value)) return `[${value.join(' ')}]`;
  return typeof value === 'object' && value !== null ? JSON.stringify(value) : String(value);
}

function tokenOf({ headers, query }: HttpCall, source: string): string | undefined {
  const [, kind, name = ''] = /^\$request\.(header|querystring)\.(.+)$/.exec(source) ?? [];
  const value = kind === 'header' ? valuesOf(headers, name)?.[0] : query[name]?.[0];
  const token = value?.replace(/^Bearer\s+/i, '').trim();
  return token === undefined || token === '' ? undefined : token;
}

function scopesOf(claims: Readonly<Record<string, unknown>>): string[] | undefined {
  const value = claims['scope'] ?? claims['scp'];
  if (typeof value === 'string') return value.split(' ');
  return Array.isArray(value) ? value.map(String) : undefined;
}

async function verify(call: HttpCall, token: string, issuer: string): Promise<Record<string, unknown>> {
  // Loaded by the first token, because the service itself is loaded at every start.
  const { errors, jwtVerify } = await import('jose');
  // One reading of the issuer's keys, and one more when the token names a key that was not there.
  for (const fresh of [false, true]) {
    const keys = await keysOf(call, issuer, fresh);
    try {
      const { payload } = await jwtVerify(token, keys.find, {
        issuer,
        currentDate: new Date(call.ctx.now),
        algorithms: ['RS256', 'RS384', 'RS512', 'ES256', 'ES384', 'ES512'],
      });
      return payload as Record<string, unknown>;
    } catch (error) {
      if (error instanceof errors.JWKSNoMatchingKey && !fresh) continue;
      if (!(error instanceof errors.JOSEError)) throw error;
      if (error instanceof errors.JWTExpired) throw refusal('the token has expired');
      if (error instanceof errors.JWTClaimValidationFailed && error.claim === 'iss')
        throw refusal('the token has an invalid issuer');
      throw refusal(error instanceof errors.JWSSignatureVerificationFailed ? 'invalid signature' : 'the token is invalid');
    }
  }
  throw refusal('the token is invalid');
}

async function keysOf(call: HttpCall, issuer: string, fresh: boolean): Promise<Keys> {
  const known = keysCache.get(issuer);
  if (known !== undefined && !fresh && known.until > call.ctx.now) return known;
  const metadata = await fetchJson(call, `${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`);
  const address = metadata['jwks_uri'];
  if (typeof address !== 'string') throw noKeys(call, 'the issuer names no jwks_uri');
  const set = (await fetchJson(call, address)) as unknown as JSONWebKeySet;
  const { createLocalJWKSet } = await import('jose');
  const keys: Keys = { until: call.ctx.now + keysMillis, find: createLocalJWKSet(set) };
  if (keysCache.size >= keysMax) keysCache.clear();
  keysCache.set(issuer, keys);
  return keys;
}

function noKeys(call: HttpCall, reason: string): HttpRefusal {
  call.log(`The keys of the issuer cannot be read: ${reason}`);
  return refusal('unable to retrieve the keys of the issuer');
}

async function fetchJson(call: HttpCall, url: string): Promise<Record<string, unknown>> {
  const answer = await sendHttp(call.ctx, {
    url,
    method: 'GET',
    headers: { accept: 'application/json' },
    body: '',
    timeoutMillis: fetchMillis,
    answerBytesMax: 262_144,
  });
  if (answer.status !== 200) throw noKeys(call, `${url} answered ${answer.status} ${answer.body.slice(0, 200)}`);
  try {
    return JSON.parse(answer.body) as Record<string, unknown>;
  } catch {
    throw noKeys(call, `${url} answered no JSON`);
  }
}
