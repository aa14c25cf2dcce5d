/** Cross-origin settings of HTTP APIs: preflights are answered by the gateway, and its headers stand in place of the backend's ("Configure CORS for HTTP APIs"). */
import { type Answer, type Multi, setHeader, valuesOf } from '../run/call.ts';
import type { HttpCall } from './call.ts';

/** Whether the gateway answers this itself. */
export function isPreflight({ api, method, headers }: HttpCall): boolean {
  return (
    api.cors !== undefined &&
    method === 'OPTIONS' &&
    valuesOf(headers, 'origin') !== undefined &&
    valuesOf(headers, 'access-control-request-method') !== undefined
  );
}

/** The origin that may read the answer; undefined when the settings do not name the caller's. */
function allowedOrigin({ api, headers }: HttpCall): string | undefined {
  const origin = valuesOf(headers, 'origin')?.[0];
  if (api.cors === undefined || origin === undefined) return undefined;
  for (const pattern of api.cors.AllowOrigins ?? []) {
    if (pattern === '*') return '*';
    const [start = '', end] = pattern.split('*');
    const fits =
      end === undefined ? pattern.toLowerCase() === origin.toLowerCase() : origin.startsWith(start) && origin.endsWith(end);
    if (fits) return origin;
  }
  return undefined;
}

/** 204 with what is allowed; without headers when the origin is not. */
export function preflight(call: HttpCall): Answer {
  const { cors } = call.api;
  const headers: Multi = {};
  if (cors === undefined || allowedOrigin(call) === undefined) return { status: 204, headers, body: Buffer.alloc(0) };
  const lists = {
    'access-control-allow-methods': cors.AllowMethods,
    'access-control-allow-headers': cors.AllowHeaders?.map((name) => name.toLowerCase()),
  };
  for (const [name, values] of Object.entries(lists))
    if (values !== undefined && values.length > 0) headers[name] = [values.join(',')];
  if (cors.MaxAge !== undefined) headers['access-control-max-age'] = [String(cors.MaxAge)];
  return { status: 204, headers, body: Buffer.alloc(0) };
}

/** Adds the headers of the settings to whatever answer goes out. */
export function addCorsHeaders(call: HttpCall, answer: Answer): Answer {
  const { cors } = call.api;
  if (cors === undefined) return answer;
  const headers = Object.fromEntries(
    Object.entries(answer.headers).filter(([name]) => isPreflight(call) || !name.toLowerCase().startsWith('access-control-')),
  );
  const origin = allowedOrigin(call);
  if (origin === undefined) return { ...answer, headers };
  setHeader(headers, 'access-control-allow-origin', [origin]);
  if (cors.AllowCredentials === true) setHeader(headers, 'access-control-allow-credentials', ['true']);
  const exposed = cors.ExposeHeaders ?? [];
  if (exposed.length > 0)
    setHeader(headers, 'access-control-expose-headers', [exposed.map((name) => name.toLowerCase()).join(',')]);
  if (origin !== '*') setHeader(headers, 'vary', ['Origin']);
  return { ...answer, headers };
}
