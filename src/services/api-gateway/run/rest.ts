/**
 * REST APIs at work. A call passes, in this order: resource and method, who may call, API key, throttles and quota, validation, integration. Each step may
 * refuse it, and then nothing behind it has seen it.
 */
import { gunzipSync, gzipSync } from 'node:zlib';
import type { WebRequest } from '../../../kernel/web.ts';
import type { WireResponse } from '../../../model/types.ts';
import { RestApis, type StageRow, Stages } from '../state.ts';
import { splitStage, type Target } from './address.ts';
import { authoriseCall } from './authorise.ts';
import { type Answer, type Call, clientOf, multiHeaders, multiQuery, Refusal, setHeader, valuesOf } from './call.ts';
import { throughCache } from './cache.ts';
import { integrate } from './integrate.ts';
import { countUse, requireKey, throttle } from './keys.ts';
import { recordRest } from './record.ts';
import { refusalAnswer } from './refusals.ts';
import { findRoute } from './routes.ts';
import { servedBy } from './snapshots.ts';
import { validateRequest } from './validate.ts';
import type { Method } from '@aws-sdk/client-api-gateway';

/** "Payload size: 10 MB". */
const bodyBytesMax = 10 * 1024 * 1024;

/** What is answered where there is no API, or no such stage of it. */
export function forbidden(requestId: string): WireResponse {
  const answer = refusalAnswer(new Refusal('ACCESS_DENIED', 'Forbidden', { errorType: 'ForbiddenException' }));
  return toWire(answer, requestId);
}

/** Answers a call of a REST API. */
export async function answerRest(web: WebRequest, target: Target): Promise<WireResponse> {
  const { address } = target;
  const ctx = web.ctx.inScope(address);
  const { stage: name, rest } = target.stage === undefined ? splitStage(target.path) : { stage: target.stage, rest: target.path };
  const [api, stage] = await Promise.all([ctx.table(RestApis).get(address.name), ctx.table(Stages).get(address.name, name)]);
  if (api === undefined || stage === undefined) return forbidden(web.requestId);
  if (api.disableExecuteApiEndpoint && target.domain === undefined) return forbidden(web.requestId);
  const canary = isCanary(stage, ctx.bytes(2));
  const served = await servedBy(
    ctx,
    api.id,
    canary ? (stage.canarySettings?.deploymentId ?? stage.deploymentId) : stage.deploymentId,
  );
  if (served === undefined) return forbidden(web.requestId);
  const { requestId, request } = web;
  const lines: string[] = [];
  const call: Call = {
    ...{ ctx, web, api: api.id, stage, served, requestId, canary },
    variables: { ...stage.variables, ...(canary ? stage.canarySettings?.stageVariableOverrides : undefined) },
    method: request.method,
    path: rest,
    fullPath: fullPath(target, name, rest),
    resourceId: '',
    resourcePath: '',
    pathParameters: {},
    query: multiQuery(request.query),
    headers: multiHeaders(web.rawHeaders),
    body: decompressed(
      request.body,
      served.facts.minimumCompressionSize === undefined ? undefined : request.headers['content-encoding'],
    ),
    extendedRequestId: Buffer.from(ctx.bytes(11)).toString('base64').slice(0, 15),
    domainName: web.host,
    identity: {
      sourceIp: web.sourceIp,
      userAgent: request.headers['user-agent'] ?? '',
      clientCert: clientOf(web.clientCertificate()),
    },
    integration: {},
    log: (line) => void lines.push(line),
  };
  const answer = await perform(call);
  await recordRest(call, { answer, latency: Math.max(0, ctx.clock.now() - ctx.now) }, api.name, lines);
  return toWire(compressed(call, answer), requestId, call.extendedRequestId);
}

function isCanary({ canarySettings }: StageRow, chance: Uint8Array): boolean {
  if (canarySettings?.deploymentId === undefined) return false;
  const drawn = (((chance[0] ?? 0) << 8) | (chance[1] ?? 0)) / 65_536;
  return drawn * 100 < (canarySettings.percentTraffic ?? 0);
}

function fullPath({ domain }: Target, stage: string, rest: string): string {
  if (domain === undefined) return `/${stage}${rest}`;
  return domain.basePath === '' ? rest : `/${domain.basePath}${rest === '/' ? '' : rest}`;
}

/** "Enable payload compression": answers from a size on are compressed for callers that take gzip. */
function compressed({ served, headers }: Call, answer: Answer): Answer {
  const least = served.facts.minimumCompressionSize;
  const takes = valuesOf(headers, 'accept-encoding')?.some((value) => /\bgzip\b/.test(value)) ?? false;
  if (least === undefined || !takes || answer.body.byteLength < least || answer.body.byteLength === 0) return answer;
  if (valuesOf(answer.headers, 'content-encoding') !== undefined) return answer;
  return { ...answer, headers: { ...answer.headers, 'Content-Encoding': ['gzip'] }, body: gzipSync(answer.body) };
}

/** A body that came compressed, as it was ("decompress the payload before applying mapping templates"). */
function decompressed(body: Uint8Array, encoding: string | undefined): Buffer {
  const plain = Buffer.from(body);
  try {
    return encoding === 'gzip' ? gunzipSync(plain, { maxOutputLength: bodyBytesMax + 1 }) : plain;
  } catch {
    return plain;
  }
}

/** Takes a call through all its steps to an answer. */
async function perform(call: Call): Promise<Answer> {
  try {
    const method = route(call);
    return await admit(call, method);
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    call.log(`Gateway response type: ${error.type} with status code: ${error.status}`);
    return refusalAnswer(error, call);
  }
}

function route(call: Call): Method {
  const found = findRoute(call.served.routes, call.path);
  const methods = found?.resource.methods ?? {};
  const method = methods[call.method] ?? methods['ANY'];
  if (found === undefined || method === undefined)
    throw new Refusal('MISSING_AUTHENTICATION_TOKEN', 'Missing Authentication Token');
  call.resourceId = found.resource.id;
  call.resourcePath = found.resource.path;
  call.pathParameters = found.pathParameters;
  return method;
}

async function admit(call: Call, method: Method): Promise<Answer> {
  if (call.body.byteLength > bodyBytesMax) throw new Refusal('REQUEST_TOO_LARGE', 'Request Too Long');
  await authoriseCall(call, method);
  const plan = await requireKey(call, method);
  throttle(call, plan);
  await countUse(call.ctx, plan);
  validateRequest(call, method);
  return throughCache(call, method.methodIntegration ?? {}, () => integrate(call, method));
}

/** An answer on the wire, with the gateway's own headers. */
function toWire({ status, headers, body }: Answer, requestId: string, extendedId?: string): WireResponse {
  const all = { ...headers };
  setHeader(all, 'x-amzn-RequestId', [requestId]);
  if (extendedId !== undefined) setHeader(all, 'x-amz-apigw-id', [extendedId]);
  const lower = Object.entries(all).map(([name, values]): [string, string | string[]] => [
    name.toLowerCase(),
    values.length === 1 ? (values[0] ?? '') : values,
  ]);
  // Node takes lists for repeated headers; the wire's type knows single ones, as all operations of AWS answer.
  return { status, headers: Object.fromEntries(lower) as Record<string, string>, body };
}

/** Runs a method of an API as it stands, without authorisation and throttles, for TestInvokeMethod. */
export async function testCall(call: Call, method: Method): Promise<Answer> {
  try {
    validateRequest(call, method);
    return await integrate(call, method);
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    return refusalAnswer(error, call);
  }
}
