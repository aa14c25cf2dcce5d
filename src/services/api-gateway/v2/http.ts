/** HTTP APIs at work: stage and route, cross-origin settings, who may call, throttles, integration. */
import type { WebRequest } from '../../../kernel/web.ts';
import type { WireResponse } from '../../../model/types.ts';
import { splitStage, type Target } from '../run/address.ts';
import { accountLimit, type Limit, takeTokens } from '../run/buckets.ts';
import { type Answer, multiHeaders, multiQuery, Refusal, setHeader } from '../run/call.ts';
import { recordHttp } from '../run/record.ts';
import { authoriseHttp } from './authorise.ts';
import { type HttpCall, HttpRefusal, refusalAnswer } from './call.ts';
import { addCorsHeaders, isPreflight, preflight } from './cors.ts';
import { integrateHttp } from './integrate.ts';
import { findHttpRoute, servedBy } from './served.ts';
import { Apis, type StageRow, Stages } from './state.ts';

/** "Payload size: 10 MB". */
const bodyBytesMax = 10 * 1024 * 1024;

/** Answers a call of an HTTP API. */
export async function answerHttp(web: WebRequest, target: Target): Promise<WireResponse> {
  const { address } = target;
  const ctx = web.ctx.inScope(address);
  const api = await ctx.table(Apis).get(address.name);
  const wire = (answer: Answer): WireResponse => toWire(answer, web.requestId);
  if (api === undefined) return wire(refusalAnswer(new HttpRefusal(404, 'Not Found')));
  if (api.disableExecuteApiEndpoint && target.domain === undefined) return wire(refusalAnswer(new HttpRefusal(404, 'Not Found')));
  const { stage, path } = await findStage(ctx, address.name, target);
  const served = stage && (await servedBy(ctx, address.name, stage.deploymentId));
  if (stage === undefined || served === undefined) return wire(refusalAnswer(new HttpRefusal(404, 'Not Found')));
  const call: HttpCall = {
    ...{ ctx, web, api, stage, served, path },
    method: web.request.method,
    rawPath: rawPathOf(target, stage, path),
    pathParameters: {},
    query: multiQuery(web.request.query),
    headers: multiHeaders(web.rawHeaders),
    body: Buffer.from(web.request.body),
    requestId: web.requestId,
    domainName: web.host,
    integration: {},
    log: (line) => ctx.trace(`api: ${line}`),
  };
  const { answer, refused } = await perform(call);
  recordHttp(call, { answer, latency: Math.max(0, ctx.clock.now() - ctx.now) }, refused);
  return wire(addCorsHeaders(call, answer));
}

/** The stage that the path begins with, else the default one. */
async function findStage(
  ctx: HttpCall['ctx'],
  api: string,
  target: Target,
): Promise<{ stage: StageRow | undefined; path: string }> {
  const table = ctx.table(Stages);
  if (target.stage !== undefined) return { stage: await table.get(api, target.stage), path: target.path };
  const { stage: name, rest } = splitStage(target.path);
  const named = name === '$default' ? undefined : await table.get(api, name);
  return named === undefined ? { stage: await table.get(api, '$default'), path: target.path } : { stage: named, path: rest };
}

function rawPathOf({ domain }: Target, stage: StageRow, path: string): string {
  if (domain !== undefined) return domain.basePath === '' ? path : `/${domain.basePath}${path === '/' ? '' : path}`;
  return stage.name === '$default' ? path : `/${stage.name}${path}`;
}

async function perform(call: HttpCall): Promise<{ answer: Answer; refused?: string }> {
  try {
    return { answer: isPreflight(call) ? preflight(call) : await admit(call) };
  } catch (error) {
    const refusal = error instanceof Refusal ? new HttpRefusal(500, 'Internal Server Error') : error;
    if (!(refusal instanceof HttpRefusal)) throw error;
    return { answer: refusalAnswer(refusal), refused: refusal.message };
  }
}

async function admit(call: HttpCall): Promise<Answer> {
  const found = findHttpRoute(call.served, call.method, call.path);
  if (found === undefined) throw new HttpRefusal(404, 'Not Found');
  call.route = found.route;
  call.pathParameters = found.pathParameters;
  if (call.body.byteLength > bodyBytesMax) throw new HttpRefusal(413, 'Request Entity Too Large');
  throttle(call);
  await authoriseHttp(call, found.route);
  return integrateHttp(call, found.route);
}

function throttle(call: HttpCall): void {
  const { stage, ctx, api } = call;
  const key = call.route?.RouteKey ?? '';
  const limits: Limit[] = [accountLimit(ctx)];
  const settings = { ...stage.defaultRouteSettings, ...stage.routeSettings[key] };
  if (settings.ThrottlingRateLimit !== undefined || settings.ThrottlingBurstLimit !== undefined)
    limits.push({
      key: `${ctx.account}/${ctx.region}/${api.id}/${stage.name}/${key}`,
      rate: settings.ThrottlingRateLimit ?? 10_000,
      burst: settings.ThrottlingBurstLimit ?? 5_000,
    });
  if (!takeTokens(ctx.clock, limits)) throw new HttpRefusal(429, 'Too Many Requests');
}

/** An answer on the wire, with the gateway's own header. */
function toWire({ status, headers, body }: Answer, requestId: string): WireResponse {
  const all = { ...headers };
  setHeader(all, 'apigw-requestid', [requestId]);
  const lower = Object.entries(all).map(([name, values]): [string, string | string[]] => [
    name.toLowerCase(),
    values.length === 1 ? (values[0] ?? '') : values,
  ]);
  return { status, headers: Object.fromEntries(lower) as Record<string, string>, body };
}
