/** What stands behind routes of HTTP APIs: functions, web servers, single actions of services; and parameters changed on the way. */
import type { Identity } from '../../../kernel/caller.ts';
import { AwsError } from '../../../kernel/errors.ts';
import { wayThrough } from '../links.ts';
import { callHttp, type HttpManner, roleOf } from '../run/backends.ts';
import { type Answer, memberAt, type Multi, Refusal, setHeader, valuesOf } from '../run/call.ts';
import { invokeFunction } from '../run/functions.ts';
import { withPath, withTimeout } from '../run/integrate.ts';
import { textOf, withStageVariables } from '../run/parameters.ts';
import { findPath } from '../vtl/template.ts';
import { contextVariables, type HttpCall, HttpRefusal } from './call.ts';
import { event1, event2, readResult1, readResult2 } from './events.ts';
import type { IntegrationDef, RouteDef } from './state.ts';
import { subtypes } from './subtypes.ts';

/** Answers a call by its route's integration. Throws HttpRefusal. */
export async function integrateHttp(call: HttpCall, route: RouteDef): Promise<Answer> {
  const id = /^integrations\/(.+)$/.exec(route.Target ?? '')?.[1] ?? '';
  const integration = call.served.definition.integrations[id];
  if (integration === undefined) throw new HttpRefusal(500, 'Internal Server Error');
  const started = call.ctx.clock.now();
  try {
    return await withTimeout(call, integration.TimeoutInMillis ?? 30_000, (signal) => run(call, integration, signal));
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    const late = error.type === 'INTEGRATION_TIMEOUT' || error.type === 'INTEGRATION_FAILURE';
    throw late ? new HttpRefusal(503, 'Service Unavailable') : new HttpRefusal(500, 'Internal Server Error');
  } finally {
    call.integration.latency = Math.max(0, call.ctx.clock.now() - started);
  }
}

async function run(call: HttpCall, integration: IntegrationDef, signal: AbortSignal): Promise<Answer> {
  if (integration.IntegrationType === 'HTTP_PROXY') return proxyHttp(call, integration, signal);
  if (integration.IntegrationSubtype !== undefined) return callAction(call, integration);
  return proxyFunction(call, integration);
}

async function proxyFunction(call: HttpCall, integration: IntegrationDef): Promise<Answer> {
  const second = integration.PayloadFormatVersion === '2.0';
  const { ctx, api, stage } = call;
  const [verb = '$default', path = ''] = (call.route?.RouteKey ?? '').split(' ');
  const method = verb === '$default' ? '$default' : verb === 'ANY' ? '*' : verb;
  const answer = await invokeFunction(call, {
    uri: withStageVariables(integration.IntegrationUri ?? '', stage.variables),
    credentials: integration.CredentialsArn,
    sourceArn: `arn:aws:execute-api:${ctx.region}:${ctx.account}:${api.id}/${stage.name}/${method}${path}`,
    payload: JSON.stringify(second ? event2(call) : event1(call)),
  }).catch((error: unknown) => {
    if (!(error instanceof AwsError)) throw error;
    call.log(`${error.code}: ${error.message}`);
    throw new HttpRefusal(500, 'Internal Server Error');
  });
  const text = Buffer.from(answer.payload).toString('utf8');
  const result = answer.functionError !== undefined ? undefined : second ? readResult2(text) : readResult1(text);
  if (result === undefined) {
    call.log(`The function failed or its answer has no valid form: ${text.slice(0, 1024)}`);
    throw new HttpRefusal(500, 'Internal Server Error');
  }
  call.integration.status = result.status;
  return mapAnswer(call, integration, result);
}

/** Values that parameters of integrations take ("Transform API requests and responses for HTTP APIs"). */
function takeValue(call: HttpCall, expression: string, backend?: Answer): string | undefined {
  const whole = /^\$(?:\{([^}]+)\}|([\w.\-[\]*$@]+))$/.exec(expression);
  if (whole !== null) return selected(call, whole[1] ?? whole[2] ?? '', backend);
  return expression.replace(
    /\$(?:\{([^}]+)\}|((?:request|response|context|stageVariables)\.[\w.-]+))/g,
    (_all, braced?: string, bare?: string) => selected(call, braced ?? bare ?? '', backend) ?? '',
  );
}

function selected(call: HttpCall, path: string, backend: Answer | undefined): string | undefined {
  const [root = '', kind = '', ...rest] = path.split('.');
  const name = rest.join('.');
  if (root === 'stageVariables') return call.stage.variables[[kind, ...rest].join('.')];
  if (root === 'context')
    return shown(
      memberAt(
        contextVariables(call),
        [kind, ...rest].filter((part) => part !== ''),
      ),
    );
  const body = root === 'response' ? backend?.body : call.body;
  const headers = root === 'response' ? (backend?.headers ?? {}) : call.headers;
  if (kind === 'header') return valuesOf(headers, name)?.join(',');
  if (kind === 'querystring') return call.query[name]?.join(',');
  if (kind === 'path') return name === '' ? call.path : call.pathParameters[name];
  if (kind === 'statuscode') return backend === undefined ? undefined : String(backend.status);
  if (kind !== 'body' || body === undefined) return undefined;
  if (name === '') return body.toString('utf8');
  try {
    return shown(findPath(JSON.parse(body.toString('utf8')), `$.${name}`));
  } catch {
    return undefined;
  }
}

function shown(value: unknown): string | undefined {
  return value === undefined || value === null ? undefined : textOf(value);
}

async function proxyHttp(call: HttpCall, integration: IntegrationDef, signal: AbortSignal): Promise<Answer> {
  const headers: Multi = { ...call.headers };
  const query: Multi = { ...call.query };
  let path: string | undefined;
  for (const [target, source] of Object.entries(integration.RequestParameters ?? {})) {
    const [, action = '', where = '', name = ''] =
      /^(append|overwrite|remove):(header|querystring|path)(?:\.(.+))?$/.exec(target) ?? [];
    const value = takeValue(call, source);
    if (where === 'path') path = value ?? path;
    else change(where === 'header' ? headers : query, action, name, value);
  }
  const { address, manner } = await serverOf(call, integration);
  const uri = withPath(address, call.pathParameters);
  const target = path === undefined ? uri : new URL(path, uri).href;
  setHeader(headers, 'Forwarded', [
    `for=${call.web.sourceIp};host=${call.web.request.headers['host'] ?? ''};proto=${call.web.secure ? 'https' : 'http'}`,
  ]);
  const method =
    integration.IntegrationMethod === undefined || integration.IntegrationMethod === 'ANY'
      ? call.method
      : integration.IntegrationMethod;
  const answer = await callHttp(call, { method, uri: target, query, headers, body: call.body, signal }, manner);
  call.integration.status = answer.status;
  return mapAnswer(call, integration, answer);
}

/**
 * Where an integration's server is. A private one is asked for the path that the caller asked for, stage and all, under the caller's Host header, by HTTPS if
 * the integration says which name to verify ("Create private integrations for HTTP APIs").
 */
async function serverOf(call: HttpCall, integration: IntegrationDef): Promise<{ address: string; manner: HttpManner }> {
  const uri = withStageVariables(integration.IntegrationUri ?? '', call.stage.variables);
  if (integration.ConnectionType !== 'VPC_LINK') return { address: uri, manner: {} };
  const link = integration.ConnectionId ?? '';
  const { connect, port } = await wayThrough(call, link, uri, 80);
  const serverName = integration.TlsConfig?.ServerNameToVerify;
  const scheme = integration.TlsConfig === undefined ? 'http' : 'https';
  return { address: `${scheme}://${serverName ?? link}:${port}${call.rawPath}`, manner: { connect, serverName, keepHost: true } };
}

function change(values: Multi, action: string, name: string, value: string | undefined): void {
  if (action === 'remove') {
    for (const own of Object.keys(values)) if (own.toLowerCase() === name.toLowerCase()) delete values[own];
  } else if (value !== undefined)
    setHeader(values, name, action === 'append' ? [...(valuesOf(values, name) ?? []), value] : [value]);
}

/** Changes an answer by the mappings for its status. */
function mapAnswer(call: HttpCall, integration: IntegrationDef, answer: Answer): Answer {
  const mappings = integration.ResponseParameters?.[String(answer.status)];
  if (mappings === undefined) return answer;
  const headers: Multi = { ...answer.headers };
  let { status } = answer;
  for (const [target, source] of Object.entries(mappings)) {
    const value = takeValue(call, source, answer);
    if (target === 'overwrite:statuscode') status = Number(value) || status;
    const [, action, name = ''] = /^(append|overwrite|remove):header\.(.+)$/.exec(target) ?? [];
    if (action !== undefined) change(headers, action, name, value);
  }
  return { ...answer, status, headers };
}

/** One action of a service, under the integration's role. */
async function callAction(call: HttpCall, integration: IntegrationDef): Promise<Answer> {
  const subtype = subtypes[integration.IntegrationSubtype ?? ''];
  if (subtype === undefined) throw new HttpRefusal(500, 'Internal Server Error');
  const values: Record<string, string> = {};
  for (const [name, source] of Object.entries(integration.RequestParameters ?? {})) {
    const value = takeValue(call, source);
    if (value !== undefined) values[name] = value;
  }
  const identity: Identity = await roleOf(call, integration.CredentialsArn ?? '');
  const region = values['Region'] ?? call.ctx.region;
  const ctx = call.ctx.inScope({ account: identity.account, region }).asIdentity(identity);
  const headers: Multi = { 'content-type': ['application/json'] };
  try {
    const caller = ctx.call(subtype.service as 'sqs') as unknown as Record<string, (input: object) => Promise<object>>;
    const output = await caller[subtype.operation]?.(subtype.input(values));
    call.integration.status = 200;
    return mapAnswer(call, integration, { status: 200, headers, body: Buffer.from(JSON.stringify(output ?? {})) });
  } catch (error) {
    if (error instanceof SyntaxError) throw new HttpRefusal(400, 'Bad Request');
    if (!(error instanceof AwsError)) throw error;
    call.integration.status = error.status;
    const body = Buffer.from(JSON.stringify({ message: error.message }));
    return mapAnswer(call, integration, { status: error.status, headers, body });
  }
}
