/** What stands behind routes of WebSocket APIs, and what of its answer goes back to the client. */
import { AwsError } from '../../../kernel/errors.ts';
import { callHttp, callService, roleOf } from '../run/backends.ts';
import { type Answer, memberAt, type Multi, Refusal, setHeader, valuesOf } from '../run/call.ts';
import { recordSocket } from '../run/record.ts';
import { invokeFunction, isFunctionUri, readProxyResult } from '../run/functions.ts';
import { withTimeout } from '../run/integrate.ts';
import { textOf, withStageVariables } from '../run/parameters.ts';
import { findPath, renderTemplate } from '../vtl/template.ts';
import { contextVariables, proxyEvent, type SocketCall } from './socket-call.ts';
import type { IntegrationDef } from './state.ts';

/** The backend failed, or cannot be reached. */
export class SocketFailure extends Error {}

/** Runs the route's integration: its status, and its body for routes that answer. Throws SocketFailure. */
export async function integrateSocket(call: SocketCall): Promise<Answer> {
  try {
    const answer = await perform(call);
    call.integration.status = answer.status;
    recordSocket(call, 200);
    return answer;
  } catch (error) {
    recordSocket(call, 500);
    throw error;
  }
}

async function perform(call: SocketCall): Promise<Answer> {
  const id = /^integrations\/(.+)$/.exec(call.route.Target ?? '')?.[1];
  if (id === undefined) return { status: 200, headers: {}, body: Buffer.alloc(0) };
  const integration = call.served.definition.integrations[id];
  if (integration === undefined) throw new SocketFailure('no such integration');
  const started = call.ctx.clock.now();
  try {
    return await withTimeout(call, integration.TimeoutInMillis ?? 29_000, (signal) => run(call, integration, signal));
  } catch (error) {
    if (!(error instanceof Refusal) && !(error instanceof AwsError)) throw error;
    call.log(error.message);
    throw new SocketFailure(error.message);
  } finally {
    call.integration.latency = Math.max(0, call.ctx.clock.now() - started);
  }
}

async function run(call: SocketCall, integration: IntegrationDef, signal: AbortSignal): Promise<Answer> {
  const { IntegrationType: type, IntegrationUri: uri = '' } = integration;
  const target = withStageVariables(uri, call.stage.variables);
  if (type === 'AWS_PROXY') return proxyFunction(call, integration, target);
  const body = type === 'HTTP_PROXY' ? call.body : requestBody(call, integration);
  if (type === 'MOCK') return answered(call, integration, mock(body));
  if (type === 'AWS' && isFunctionUri(target)) {
    const result = await invokeFunction(call, {
      uri: target,
      credentials: integration.CredentialsArn,
      sourceArn: sourceArn(call),
      payload: body.byteLength === 0 ? '{}' : body,
    });
    if (result.functionError !== undefined) throw new SocketFailure(Buffer.from(result.payload).toString('utf8'));
    return answered(call, integration, { status: result.status, headers: {}, body: Buffer.from(result.payload) });
  }
  const { query, headers } = parameters(call, integration);
  if (valuesOf(headers, 'content-type') === undefined) setHeader(headers, 'Content-Type', ['application/json']);
  const request = { method: integration.IntegrationMethod ?? 'POST', uri: target, query, headers, body, signal };
  const answer =
    type === 'AWS'
      ? await callService(call, request, await roleOf(call, integration.CredentialsArn ?? ''))
      : await callHttp(call, request);
  return type === 'HTTP_PROXY' ? answer : answered(call, integration, answer);
}

function sourceArn({ ctx, api, stage, route }: SocketCall): string {
  return `arn:aws:execute-api:${ctx.region}:${ctx.account}:${api.id}/${stage.name}/${route.RouteKey}`;
}

async function proxyFunction(call: SocketCall, integration: IntegrationDef, uri: string): Promise<Answer> {
  const result = await invokeFunction(call, {
    uri,
    credentials: integration.CredentialsArn,
    sourceArn: sourceArn(call),
    payload: JSON.stringify(proxyEvent(call)),
  });
  const text = Buffer.from(result.payload).toString('utf8');
  if (result.functionError !== undefined) throw new SocketFailure(text);
  const answer = readProxyResult(text);
  if (answer === undefined) {
    // Only connecting needs a status; a message's function may answer nothing.
    if (call.event === 'CONNECT') throw new SocketFailure('Malformed Lambda proxy response');
    return { status: 200, headers: {}, body: Buffer.alloc(0) };
  }
  return { status: answer.status, headers: answer.headers, body: Buffer.from(answer.body, answer.base64 ? 'base64' : 'utf8') };
}

/** The template that the selection expression names; without one the message goes as it came. */
function requestBody(call: SocketCall, integration: IntegrationDef): Buffer {
  const templates = integration.RequestTemplates ?? {};
  const expression = integration.TemplateSelectionExpression;
  const key = expression === undefined ? '$default' : (select(call, expression) ?? '$default');
  const template = templates[key] ?? templates['$default'];
  if (template === undefined) {
    if (
      integration.PassthroughBehavior === 'NEVER' ||
      (integration.PassthroughBehavior === 'WHEN_NO_TEMPLATES' && Object.keys(templates).length > 0)
    )
      throw new SocketFailure('no template for this message');
    return call.body;
  }
  return Buffer.from(render(call, template, call.body.toString('utf8')));
}

function render(call: SocketCall, template: string, body: string): string {
  return renderTemplate(template, {
    body,
    path: {},
    querystring: {},
    header: {},
    context: contextVariables(call),
    stageVariables: call.stage.variables,
  }).text;
}

function mock(body: Buffer): Answer {
  try {
    const status = Number((JSON.parse(body.toString('utf8')) as { statusCode?: unknown }).statusCode);
    if (Number.isInteger(status)) return { status, headers: {}, body: Buffer.alloc(0) };
  } catch {
    // Said below.
  }
  throw new SocketFailure('Unable to parse statusCode. It should be an integer.');
}

/** The backend's answer by the integration response whose key fits its status (`/2\d\d/`, or `$default`). */
function answered(call: SocketCall, integration: IntegrationDef, answer: Answer): Answer {
  const all = Object.values(integration.responses);
  const fits = (key: string): boolean => {
    const pattern = /^\/(.+)\/$/.exec(key)?.[1];
    return pattern === undefined ? key === String(answer.status) : new RegExp(`^(?:${pattern})$`).test(String(answer.status));
  };
  const chosen =
    all.find(({ IntegrationResponseKey: key = '' }) => key !== '$default' && fits(key)) ??
    all.find(({ IntegrationResponseKey: key }) => key === '$default');
  const templates = chosen?.ResponseTemplates ?? {};
  const template =
    templates[chosen?.TemplateSelectionExpression ?? '$default'] ?? templates['$default'] ?? Object.values(templates)[0];
  return template === undefined ? answer : { ...answer, body: Buffer.from(render(call, template, answer.body.toString('utf8'))) };
}

/** What an expression over a message finds: `$request.body.action`, `${request.header.x}`, `$context.connectionId`, or its own text. */
export function select(
  call: Pick<SocketCall, 'body' | 'headers' | 'query' | 'stage'> & Partial<SocketCall>,
  expression: string,
): string | undefined {
  const path = /^\$\{?(.+?)\}?$/.exec(expression)?.[1];
  if (path === undefined || path === 'default') return expression;
  return valueAt(call, path);
}

function valueAt(
  call: Pick<SocketCall, 'body' | 'headers' | 'query' | 'stage'> & Partial<SocketCall>,
  path: string,
): string | undefined {
  const [, kind, name = ''] = /^(?:route\.)?request\.(body|header|querystring)(?:\.(.+))?$/.exec(path) ?? [];
  if (kind === 'header') return valuesOf(call.headers, name)?.at(-1);
  if (kind === 'querystring') return call.query[name]?.at(-1);
  if (kind === 'body') {
    if (name === '') return call.body.toString('utf8');
    try {
      const found = findPath(JSON.parse(call.body.toString('utf8')), `$.${name}`);
      return found === undefined || found === null ? undefined : textOf(found);
    } catch {
      return undefined;
    }
  }
  if (path.startsWith('stageVariables.')) return call.stage.variables[path.slice('stageVariables.'.length)];
  if (!path.startsWith('context.') || call.connection === undefined) return undefined;
  const found = memberAt(contextVariables(call as SocketCall), path.split('.').slice(1));
  return found === undefined || found === null ? undefined : textOf(found);
}

function parameters(call: SocketCall, integration: IntegrationDef): { query: Multi; headers: Multi } {
  const mapped: { query: Multi; headers: Multi } = { query: {}, headers: {} };
  for (const [target, source] of Object.entries(integration.RequestParameters ?? {})) {
    const [, kind, name = ''] = /^integration\.request\.(header|querystring)\.(.+)$/.exec(target) ?? [];
    const value = /^'(.*)'$/s.exec(source)?.[1] ?? valueAt(call, source);
    if (kind !== undefined && value !== undefined) setHeader(kind === 'header' ? mapped.headers : mapped.query, name, [value]);
  }
  return mapped;
}
