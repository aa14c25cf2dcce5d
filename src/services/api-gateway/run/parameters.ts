/** Mapping expressions: where a parameter of the integration or of the answer takes its value from ("Parameter mapping examples for REST APIs"). */
import { findPath } from '../vtl/template.ts';
import { type Answer, type Call, contextVariables, memberAt, type Multi, setHeader, valuesOf } from './call.ts';

/** Parameters of the request to the backend. */
export interface MappedRequest {
  path: Record<string, string>;
  query: Multi;
  headers: Multi;
}

/** Values of an expression over the call; undefined when there is nothing to take. */
function requestValues(call: Call, expression: string): string[] | undefined {
  const literal = /^'(.*)'$/s.exec(expression);
  if (literal !== null) return [literal[1] ?? ''];
  const parameter = /^method\.request\.(path|querystring|header|multivaluequerystring|multivalueheader)\.(.+)$/.exec(expression);
  if (parameter !== null) {
    const [, kind, name = ''] = parameter;
    if (kind === 'path') return one(call.pathParameters[name]);
    const all = kind?.endsWith('querystring') === true ? call.query[name] : valuesOf(call.headers, name);
    return kind?.startsWith('multi') === true ? all : all && one(all.at(-1));
  }
  const body = /^method\.request\.body(?:\.(.+))?$/.exec(expression);
  if (body !== null) return bodyValue(call.body.toString('utf8'), body[1]);
  return sharedValue(call, expression);
}

function responseValues(call: Call, backend: Answer, expression: string): string[] | undefined {
  const literal = /^'(.*)'$/s.exec(expression);
  if (literal !== null) return [literal[1] ?? ''];
  const header = /^integration\.response\.(header|multivalueheader)\.(.+)$/.exec(expression);
  if (header !== null) {
    const all = valuesOf(backend.headers, header[2] ?? '');
    return header[1] === 'header' ? all && one(all.at(-1)) : all;
  }
  const body = /^integration\.response\.body(?:\.(.+))?$/.exec(expression);
  if (body !== null) return bodyValue(backend.body.toString('utf8'), body[1]);
  return sharedValue(call, expression);
}

function one(value: string | undefined): string[] | undefined {
  return value === undefined ? undefined : [value];
}

function sharedValue(call: Call, expression: string): string[] | undefined {
  if (expression.startsWith('stageVariables.')) return one(call.variables[expression.slice('stageVariables.'.length)]);
  if (!expression.startsWith('context.')) return undefined;
  const found = memberAt(contextVariables(call), expression.split('.').slice(1));
  return found === undefined || found === null ? undefined : [textOf(found)];
}

function bodyValue(body: string, path: string | undefined): string[] | undefined {
  if (path === undefined) return [body];
  try {
    const found = findPath(JSON.parse(body), `$.${path}`);
    return found === undefined ? undefined : [textOf(found)];
  } catch {
    return undefined;
  }
}

/** Text as it is, anything else as JSON. */
export function textOf(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}

/** Parameters of the integration request by its mappings (`integration.request.header.X` from `method.request.…`). */
export function mapRequest(call: Call, mappings: Readonly<Record<string, string>> | undefined): MappedRequest {
  const mapped: MappedRequest = { path: {}, query: {}, headers: {} };
  for (const [target, source] of Object.entries(mappings ?? {})) {
    const [, kind = '', name = ''] = /^integration\.request\.([a-z]+)\.(.+)$/.exec(target) ?? [];
    const values = requestValues(call, source);
    if (values === undefined) continue;
    if (kind === 'path') mapped.path[name] = values[0] ?? '';
    else if (kind.endsWith('querystring')) mapped.query[name] = values;
    else setHeader(mapped.headers, name, values);
  }
  return mapped;
}

/** Headers of the answer by its mappings (`method.response.header.X` from `integration.response.…`). */
export function mapResponse(call: Call, backend: Answer, mappings: Readonly<Record<string, string>> | undefined): Multi {
  const headers: Multi = {};
  for (const [target, source] of Object.entries(mappings ?? {})) {
    const [, name = ''] = /^method\.response\.(?:header|multivalueheader)\.(.+)$/.exec(target) ?? [];
    const values = responseValues(call, backend, source);
    if (values !== undefined && name !== '') setHeader(headers, name, values);
  }
  return headers;
}

/** `${stageVariables.name}` in addresses, credentials and names, replaced. */
export function withStageVariables(text: string, variables: Readonly<Record<string, string>>): string {
  return text.replace(/\$\{stageVariables\.(\w+)\}/g, (_whole, name: string) => variables[name] ?? '');
}
