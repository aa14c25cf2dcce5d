/** From a method's request to its backend and back: mapping templates and parameters, selection of the integration response, timeouts. */
import type { Integration, IntegrationResponse, Method } from '@aws-sdk/client-api-gateway';
import { renderTemplate, TemplateError } from '../vtl/template.ts';
import { clientCertificateOf } from '../rest/client-certificates.ts';
import { timeoutMillisMax } from '../rest/integrations.ts';
import { wayThrough } from '../links.ts';
import { type BackendRequest, callHttp, callService, type HttpManner, mediaType, roleOf } from './backends.ts';
import {
  type Answer,
  type Call,
  contextVariables,
  internalError,
  lastValues,
  memberAt,
  type Multi,
  Refusal,
  setHeader,
  valuesOf,
} from './call.ts';
import { callFunction, isFunctionUri, proxyFunction } from './functions.ts';
import { isBinary, wantsBinary } from './media.ts';
import { mapRequest, mapResponse, withStageVariables } from './parameters.ts';

/** Answers a method's call by its integration. Throws Refusal. */
export async function integrate(call: Call, method: Method): Promise<Answer> {
  const integration = method.methodIntegration;
  if (integration === undefined) throw internalError('Execution failed due to configuration error: no integration', call);
  const started = call.ctx.clock.now();
  try {
    return await withTimeout(call, integration.timeoutInMillis ?? timeoutMillisMax, (signal) =>
      run(call, method, integration, signal),
    );
  } catch (error) {
    if (!(error instanceof TemplateError)) throw error;
    throw internalError(`Execution failed due to configuration error: ${error.message}`, call);
  } finally {
    call.integration.latency = Math.max(0, call.ctx.clock.now() - started);
  }
}

/** Gives the work up after so many milliseconds of the cloud's time. Throws Refusal INTEGRATION_TIMEOUT then. */
export async function withTimeout<T>(
  call: Pick<Call, 'ctx' | 'log'>,
  millis: number,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const abort = new AbortController();
  const { clock } = call.ctx;
  let cancel = (): void => undefined;
  const late = new Promise<never>((_resolve, reject) => {
    cancel = clock.at(clock.now() + millis, () => {
      call.log('Execution failed due to a timeout error');
      reject(new Refusal('INTEGRATION_TIMEOUT', 'Endpoint request timed out'));
      abort.abort();
    });
  });
  try {
    return await Promise.race([work(abort.signal), late]);
  } finally {
    cancel();
  }
}

async function run(call: Call, method: Method, integration: Integration, signal: AbortSignal): Promise<Answer> {
  const { type } = integration;
  if (type === 'HTTP_PROXY') return proxyHttp(call, integration, signal);
  if (type === 'AWS_PROXY') return proxyFunction(call, integration);
  const template = requestTemplate(call, integration);
  const overrides = (path: string[]): unknown => memberAt(template.context, ['requestOverride', ...path]);
  const backend = await backendAnswer(call, integration, template.body, overrides, signal);
  call.integration.status = backend.answer.status;
  return methodAnswer(call, method, integration, backend);
}

interface Rendered {
  body: Buffer;
  context: unknown;
}

/** The body for the backend ("Integration passthrough behaviors"). Throws Refusal UNSUPPORTED_MEDIA_TYPE. */
function requestTemplate(call: Call, integration: Integration): Rendered {
  const templates = integration.requestTemplates ?? {};
  const type = mediaType(call.headers) ?? 'application/json';
  const known = Object.entries(templates).find(([name]) => name.split(';')[0]?.trim().toLowerCase() === type);
  const context = contextVariables(call);
  if (known === undefined) {
    const behaviour = integration.passthroughBehavior ?? 'WHEN_NO_MATCH';
    const passes = behaviour === 'WHEN_NO_MATCH' || (behaviour === 'WHEN_NO_TEMPLATES' && Object.keys(templates).length === 0);
    if (!passes) throw new Refusal('UNSUPPORTED_MEDIA_TYPE', 'Unsupported Media Type');
    return { body: convertRequest(call, integration, call.body), context };
  }
  const rendered = renderTemplate(known[1], templateInput(call, call.body.toString('utf8'), context));
  return { body: convertRequest(call, integration, Buffer.from(rendered.text, 'utf8'), true), context: rendered.context };
}

function templateInput(call: Call, body: string, context: unknown) {
  return {
    body,
    path: call.pathParameters,
    querystring: lastValues(call.query),
    header: lastValues(call.headers),
    context,
    stageVariables: call.variables,
  };
}

/** "Content type conversions": binary to text is base64, and back. */
function convertRequest(call: Call, { contentHandling }: Integration, body: Buffer, isText = false): Buffer {
  const binary = !isText && isBinary(call.served.facts.binaryMediaTypes, mediaType(call.headers));
  if (contentHandling === 'CONVERT_TO_TEXT' && binary) return Buffer.from(body.toString('base64'));
  if (contentHandling === 'CONVERT_TO_BINARY' && !binary) return Buffer.from(body.toString('utf8'), 'base64');
  return body;
}

interface Backend {
  answer: Answer;
  /** What selection patterns are matched with: the status, or a function's error message. */
  selected: string | undefined;
}

async function backendAnswer(
  call: Call,
  integration: Integration,
  body: Buffer,
  overrides: (path: string[]) => unknown,
  signal: AbortSignal,
): Promise<Backend> {
  const { type, uri = '', credentials } = integration;
  if (type === 'MOCK') return mock(call, body);
  const mapped = mapRequest(call, integration.requestParameters);
  for (const kind of ['path', 'querystring', 'header'] as const) {
    const given = overrides([kind]);
    if (typeof given !== 'object' || given === null) continue;
    for (const [name, value] of Object.entries(given)) {
      const values = Array.isArray(value) ? value.map(String) : [String(value)];
      if (kind === 'path') mapped.path[name] = values[0] ?? '';
      else if (kind === 'querystring') mapped.query[name] = values;
      else setHeader(mapped.headers, name, values);
    }
  }
  if (valuesOf(mapped.headers, 'content-type') === undefined)
    setHeader(mapped.headers, 'Content-Type', [mediaType(call.headers) ?? 'application/json']);
  const request: BackendRequest = {
    method: backendMethod(call, integration),
    uri: withPath(withStageVariables(uri, call.variables), mapped.path),
    query: mapped.query,
    headers: mapped.headers,
    body,
    signal,
  };
  call.log(`Endpoint request URI: ${request.uri}`);
  call.log(`Endpoint request body after transformations: ${shorten(body)}`);
  if (type === 'HTTP') {
    const answer = await callHttp(call, request, await mannerOf(call, integration, request.uri));
    return { answer, selected: String(answer.status) };
  }
  if (isFunctionUri(request.uri)) return callFunction(call, integration, request);
  const role = withStageVariables(credentials ?? '', call.variables);
  const answer = await callService(call, request, await roleOf(call, role));
  return { answer, selected: String(answer.status) };
}

/** The verb for the backend; ANY takes the caller's. */
function backendMethod(call: Call, { httpMethod = 'POST' }: Integration): string {
  return httpMethod === 'ANY' ? call.method : httpMethod;
}

/** `{name}` in an address replaced by path parameters. */
export function withPath(uri: string, path: Readonly<Record<string, string>>): string {
  return uri.replace(/\{([^}]+)\}/g, (whole, name: string) => {
    const value = path[name.replace(/\+$/, '')];
    return value === undefined ? whole : value.split('/').map(encodeURIComponent).join('/');
  });
}

/** "The mock integration… the template must return {"statusCode": …}". */
function mock(call: Call, body: Buffer): Backend {
  let status: unknown;
  try {
    status = (JSON.parse(body.toString('utf8')) as { statusCode?: unknown }).statusCode;
  } catch {
    status = undefined;
  }
  const code = Number(status);
  if (!Number.isInteger(code)) throw internalError('Unable to parse statusCode. It should be an integer.', call);
  return { answer: { status: code, headers: {}, body: Buffer.alloc(0) }, selected: String(code) };
}

async function proxyHttp(call: Call, integration: Integration, signal: AbortSignal): Promise<Answer> {
  const mapped = mapRequest(call, integration.requestParameters);
  const headers: Multi = { ...call.headers };
  for (const [name, values] of Object.entries(mapped.headers)) setHeader(headers, name, values);
  setHeader(headers, 'X-Amzn-Apigateway-Api-Id', [call.api]);
  // "{proxy}" stands for the caller's path when it is mapped.
  const uri = withPath(withStageVariables(integration.uri ?? '', call.variables), mapped.path);
  const request: BackendRequest = {
    ...{ method: backendMethod(call, integration), uri, headers, body: call.body, signal },
    query: { ...call.query, ...mapped.query },
  };
  const answer = await callHttp(call, request, await mannerOf(call, integration, uri));
  call.integration.status = answer.status;
  return answer;
}

/** How a method's web server is reached: over a VPC link the address names the server's port and certificate only. Throws Refusal. */
async function mannerOf(call: Call, integration: Integration, uri: string): Promise<HttpManner> {
  const insecure = integration.tlsConfig?.insecureSkipVerification === true;
  const clientCertificate = await clientCertificateOf(call.ctx, call.stage.clientCertificateId);
  if (integration.connectionType !== 'VPC_LINK') return { insecure, clientCertificate };
  const link = withStageVariables(integration.connectionId ?? '', call.variables);
  const { protocol = 'http:', port = '' } = URL.canParse(uri) ? new URL(uri) : {};
  const usual = protocol === 'https:' ? 443 : 80;
  const target = withStageVariables(integration.integrationTarget ?? '', call.variables);
  return { insecure, clientCertificate, connect: (await wayThrough(call, link, target, Number(port) || usual)).connect };
}

/** The first response whose pattern fits the whole text; the one without a pattern for the rest. */
function selectResponse(integration: Integration, selected: string | undefined): IntegrationResponse | undefined {
  const all = Object.values(integration.integrationResponses ?? {});
  const fits = ({ selectionPattern: pattern }: IntegrationResponse): boolean =>
    pattern !== undefined && pattern !== '' && selected !== undefined && new RegExp(`^(?:${pattern})$`, 's').test(selected);
  return all.find(fits) ?? all.find(({ selectionPattern = '' }) => selectionPattern === '');
}

function methodAnswer(call: Call, method: Method, integration: Integration, { answer, selected }: Backend): Answer {
  const chosen = selectResponse(integration, selected);
  if (chosen === undefined)
    throw internalError(
      'Execution failed due to configuration error: No match for output mapping and no default output mapping configured',
      call,
    );
  if (method.methodResponses?.[chosen.statusCode ?? ''] === undefined)
    throw internalError(
      `Execution failed due to configuration error: Output mapping refers to an invalid method response: ${chosen.statusCode}`,
      call,
    );
  const headers = mapResponse(call, answer, chosen.responseParameters);
  const type = mediaType(answer.headers) ?? 'application/json';
  const templates = chosen.responseTemplates ?? {};
  const names = Object.keys(templates);
  const name =
    names.find((own) => own.toLowerCase() === type) ?? (names.includes('application/json') ? 'application/json' : names[0]);
  const template = name === undefined ? undefined : templates[name];
  let status = Number(chosen.statusCode);
  let body = convertResponse(call, chosen, answer);
  if (template !== undefined && template !== null && template !== '') {
    const rendered = renderTemplate(template, templateInput(call, answer.body.toString('utf8'), contextVariables(call)));
    body = Buffer.from(rendered.text, 'utf8');
    const override = memberAt(rendered.context, ['responseOverride', 'status']);
    if (override !== null && override !== undefined) status = Number(override);
    const given = memberAt(rendered.context, ['responseOverride', 'header']);
    if (typeof given === 'object' && given !== null)
      for (const [header, value] of Object.entries(given))
        setHeader(headers, header, Array.isArray(value) ? value.map(String) : [String(value)]);
  }
  if (valuesOf(headers, 'content-type') === undefined) setHeader(headers, 'Content-Type', [name ?? type]);
  return { status, headers, body };
}

function convertResponse(call: Call, { contentHandling }: IntegrationResponse, answer: Answer): Buffer {
  const types = call.served.facts.binaryMediaTypes;
  const binary = isBinary(types, mediaType(answer.headers));
  if (contentHandling === 'CONVERT_TO_BINARY') return binary ? answer.body : Buffer.from(answer.body.toString('utf8'), 'base64');
  if (contentHandling === 'CONVERT_TO_TEXT') return binary ? Buffer.from(answer.body.toString('base64')) : answer.body;
  // Without a conversion, binary goes out as it is to who accepts it, and as base64 to others.
  return binary && !wantsBinary(types, call.headers) ? Buffer.from(answer.body.toString('base64')) : answer.body;
}

/** The beginning of a body, for logs. */
function shorten(body: Buffer): string {
  return body.byteLength > 1024 ? `${body.toString('utf8', 0, 1024)} [TRUNCATED]` : body.toString('utf8');
}
