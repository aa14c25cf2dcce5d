/** Request validation: required parameters, bodies by their models ("Request validation for REST APIs in API Gateway"). */
import type { Method } from '@aws-sdk/client-api-gateway';
import { mediaType } from './backends.ts';
import { type Call, Refusal, valuesOf } from './call.ts';

/** Checks a call as the method's validator says. Throws Refusal BAD_REQUEST_PARAMETERS, BAD_REQUEST_BODY. */
export function validateRequest(call: Call, method: Method): void {
  const validator = call.served.definition.validators[method.requestValidatorId ?? ''];
  if (validator?.validateRequestParameters === true) checkParameters(call, method);
  if (validator?.validateRequestBody === true) checkBody(call, method);
}

function checkParameters(call: Call, method: Method): void {
  const missing: string[] = [];
  for (const [name, required] of Object.entries(method.requestParameters ?? {})) {
    const [, kind, key = ''] =
      /^method\.request\.(path|querystring|header|multivaluequerystring|multivalueheader)\.(.+)$/.exec(name) ?? [];
    if (!required || kind === 'path') continue;
    const values = kind?.endsWith('querystring') === true ? call.query[key] : valuesOf(call.headers, key);
    if (values === undefined || values.every((value) => value === '')) missing.push(key);
  }
  if (missing.length > 0)
    throw new Refusal('BAD_REQUEST_PARAMETERS', `Missing required request parameters: [${missing.join(', ')}]`);
}

function checkBody(call: Call, method: Method): void {
  const models = method.requestModels ?? {};
  const type = mediaType(call.headers) ?? 'application/json';
  const name = models[type] ?? models['$default'];
  if (name === undefined) return;
  const text = call.body.toString('utf8');
  const refusal = (detail: string): Refusal => {
    call.log(`Request body does not match model schema for content type ${type}: ${detail}`);
    return new Refusal('BAD_REQUEST_BODY', 'Invalid request body', { detail });
  };
  let body: unknown;
  try {
    body = text.trim() === '' ? {} : JSON.parse(text);
  } catch {
    throw refusal('[Unable to parse the request body]');
  }
  const check = call.served.validatorOf(name);
  if (check === undefined) throw refusal('[Unable to read the model]');
  if (check(body)) return;
  const problems = (check.errors ?? []).map(({ instancePath, message = '', keyword, params }) => {
    const at = instancePath === '' ? '' : `${instancePath.slice(1).replaceAll('/', '.')}: `;
    if (keyword === 'required') return `object has missing required properties (["${String(params['missingProperty'])}"])`;
    return `${at}${message}`;
  });
  throw refusal(`[${problems.join(', ')}]`);
}
