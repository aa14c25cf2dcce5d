/** How the gateway's own refusals look: by the API's gateway responses, else by the standard ones. Their templates know variables only, no directives. */
import type { GatewayResponse } from '@aws-sdk/client-api-gateway';
import { standardResponse } from '../gateway-responses.ts';
import {
  type Answer,
  type Call,
  contextVariables,
  lastValues,
  memberAt,
  type Multi,
  type Refusal,
  setHeader,
  valuesOf,
} from './call.ts';
import { textOf } from './parameters.ts';

/** The answer to a call that the gateway refuses. `call` is absent when it never came as far as an API. */
export function refusalAnswer(refusal: Refusal, call?: Call): Answer {
  const headers: Multi = { 'x-amzn-ErrorType': [refusal.errorType] };
  if (call === undefined) return plain(refusal, headers);
  const chosen = responseFor(call, refusal);
  call.refused = errorVariables(refusal);
  const variables = { ...contextVariables(call), error: call.refused };
  for (const [target, source] of Object.entries(chosen.responseParameters ?? {})) {
    const value = parameterOf(call, variables, source);
    if (value !== undefined) setHeader(headers, target.replace(/^gatewayresponse\.header\./, ''), [value]);
  }
  const templates = chosen.responseTemplates ?? {};
  const accepted = valuesOf(call.headers, 'accept')?.[0]?.split(',')[0]?.trim();
  const type =
    accepted !== undefined && Object.hasOwn(templates, accepted)
      ? accepted
      : (Object.keys(templates).find((name) => name === 'application/json') ?? Object.keys(templates)[0]);
  const template = type === undefined ? '{"message":$context.error.messageString}' : (templates[type] ?? '');
  if (valuesOf(headers, 'content-type') === undefined) setHeader(headers, 'Content-Type', [type ?? 'application/json']);
  const own = call.served.definition.gatewayResponses[refusal.type]?.statusCode ?? chosen.statusCode;
  const status = chosen.defaultResponse === false && own !== undefined ? Number(own) : refusal.status;
  const text = fill(template, variables, call);
  // What policies refuse has always been told with a capital letter.
  const isStandard = refusal.errorType === 'AccessDeniedException' && chosen.defaultResponse !== false;
  return { status, headers, body: Buffer.from(isStandard ? text.replace(/^\{"message":/, '{"Message":') : text) };
}

function plain(refusal: Refusal, headers: Multi): Answer {
  setHeader(headers, 'Content-Type', ['application/json']);
  return { status: refusal.status, headers, body: Buffer.from(JSON.stringify({ message: refusal.message })) };
}

/** The type's own response, else the default of its class, else the standard one. */
function responseFor({ served }: Call, { type, status }: Refusal): GatewayResponse {
  const changed = served.definition.gatewayResponses;
  return changed[type] ?? changed[status >= 500 ? 'DEFAULT_5XX' : 'DEFAULT_4XX'] ?? standardResponse(type);
}

function errorVariables(refusal: Refusal): Record<string, string> {
  return {
    message: refusal.message,
    messageString: refusal.message === 'null' ? 'null' : JSON.stringify(refusal.message),
    responseType: refusal.type,
    validationErrorString: refusal.detail ?? '',
  };
}

function parameterOf(call: Call, variables: unknown, source: string): string | undefined {
  const literal = /^'(.*)'$/s.exec(source);
  if (literal !== null) return literal[1];
  if (source.startsWith('context.')) return shown(memberAt(variables, source.split('.').slice(1)));
  if (source.startsWith('stageVariables.')) return call.variables[source.slice('stageVariables.'.length)];
  const header = /^method\.request\.header\.(.+)$/.exec(source);
  if (header !== null) return valuesOf(call.headers, header[1] ?? '')?.at(-1);
  const query = /^method\.request\.querystring\.(.+)$/.exec(source);
  if (query !== null) return lastValues(call.query)[query[1] ?? ''];
  const path = /^method\.request\.path\.(.+)$/.exec(source);
  return path === null ? undefined : call.pathParameters[path[1] ?? ''];
}

function shown(value: unknown): string | undefined {
  return value === undefined || value === null ? undefined : textOf(value);
}

/** Simple variables replaced: `$context.…`, `$stageVariables.…`, `$method.request.…`. */
export function fill(template: string, variables: unknown, call: Pick<Call, 'variables'> & Partial<Call>): string {
  return template.replace(/\$(?:\{([\w.-]+)\}|([a-zA-Z][\w]*(?:\.[\w-]+)+))/g, (whole, braced?: string, bare?: string) => {
    const path = (braced ?? bare ?? '').split('.');
    const [root] = path;
    if (root === 'context') return shown(memberAt(variables, path.slice(1))) ?? '-';
    if (root === 'stageVariables') return call.variables[path[1] ?? ''] ?? '';
    if (root === 'method' && call.headers !== undefined) return parameterOf(call as Call, variables, path.join('.')) ?? '';
    return whole;
  });
}
