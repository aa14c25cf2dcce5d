/** Requests to function URLs: who may, what the function gets of them, what the sender gets of its answer ("Invoking Lambda function URLs"). */
import type { Identity } from '../../../kernel/caller.ts';
import { anonymousIdentity } from '../../../kernel/caller.ts';
import type { Context } from '../../../kernel/context.ts';
import { AwsError } from '../../../kernel/errors.ts';
import type { WebRequest } from '../../../kernel/web.ts';
import type { WireResponse } from '../../../model/types.ts';
import { call } from '../execution/call.ts';
import { syncBytesMax } from '../execution/run.ts';
import { requireActive } from '../invoke.ts';
import { checkOn, requireTarget, type Target } from '../lookup.ts';
import { type CorsSpec, UrlHosts, type UrlRow, Urls } from '../state.ts';
import { StreamedAnswer } from './streamed-answer.ts';

/** Host names that lead to functions. */
const urlHosts = /^[a-z2-7]{32}\.lambda-url\.[a-z0-9-]+\.localhost$/;

const forbidden =
  'Forbidden. For troubleshooting Function URL authorization issues, see: https://docs.aws.amazon.com/lambda/latest/dg/urls-auth.html';
const textTypes = /^(text\/|application\/(json|xml|javascript|x-www-form-urlencoded|[\w.+-]*\+(json|xml)))/;

/** Answers a request to a function URL; undefined for other hosts. */
export async function answerUrl(web: WebRequest): Promise<WireResponse | undefined> {
  if (!urlHosts.test(web.host)) return undefined;
  const host = await web.ctx.table(UrlHosts).get(web.host.split('.')[0] ?? '');
  if (host === undefined) return message(403, forbidden, 'AccessDeniedException');
  const ctx = web.ctx.inScope(host);
  const row = await ctx.table(Urls).get(host.function, host.qualifier);
  if (row === undefined) return message(403, forbidden, 'AccessDeniedException');
  if (web.request.method === 'OPTIONS' && row.cors !== undefined && web.request.headers['origin'] !== undefined)
    return { status: 200, headers: corsHeaders(row.cors, web, true), body: '' };
  const response = await answer(ctx, row, web);
  Object.assign(response.headers, row.cors === undefined ? {} : corsHeaders(row.cors, web, false));
  return response;
}

async function answer(ctx: Context, row: UrlRow, web: WebRequest): Promise<WireResponse> {
  const qualifier = row.qualifier === '' ? undefined : row.qualifier;
  const ref = { account: ctx.account, region: ctx.region, name: row.function, qualifier };
  try {
    const identity = await allowed(ctx, row, web, ref);
    if (web.request.body.byteLength > syncBytesMax) return message(413, 'Request Entity Too Large');
    const target = await requireTarget(ctx, ref);
    requireActive(target);
    const payload = Buffer.from(JSON.stringify(eventOf(ctx, row, web, identity)));
    return row.mode === 'BUFFERED' ? await buffered(ctx, target, payload, web) : await streamed(ctx, target, payload, web);
  } catch (error) {
    if (!(error instanceof AwsError)) throw error;
    if (error.code === 'TooManyRequestsException') return message(429, error.message, error.code);
    if (/AccessDenied|Signature|Token|Credential|MissingAuth/i.test(error.code))
      return message(403, forbidden, 'AccessDeniedException');
    return message(502, 'Internal Server Error');
  }
}

/** Who asks. Throws AccessDeniedException; both permissions are needed ("Control access to Lambda function URLs"). */
async function allowed(ctx: Context, row: UrlRow, web: WebRequest, ref: Target['ref']): Promise<Identity> {
  const identity = row.auth === 'NONE' ? anonymousIdentity : await web.signer();
  if (identity === undefined) throw new AwsError('AccessDeniedException', forbidden, { status: 403 });
  const asking = await web.contextOf(identity, { account: ctx.account, region: ctx.region });
  const check = await checkOn(ctx, ref);
  const conditions = { ...check.conditions, 'lambda:FunctionUrlAuthType': row.auth, 'lambda:InvokedViaFunctionUrl': 'true' };
  for (const action of ['lambda:InvokeFunctionUrl', 'lambda:InvokeFunction'])
    await asking.permit({ ...check, action, conditions });
  return identity;
}

async function buffered(ctx: Context, target: Target, payload: Uint8Array, web: WebRequest): Promise<WireResponse> {
  const result = await call(ctx, target, { payload, requestId: web.requestId });
  if (result.functionError !== undefined) return message(502, 'Internal Server Error');
  return responseOf(result.payload);
}

interface Proxied {
  statusCode?: unknown;
  headers?: Readonly<Record<string, unknown>> | undefined;
  cookies?: readonly string[] | undefined;
  body?: unknown;
  isBase64Encoded?: boolean | undefined;
}

/** What has a status code is an answer in HTTP's terms; everything else is its body. */
function responseOf(payload: Uint8Array): WireResponse {
  const text = Buffer.from(payload).toString('utf8');
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return { status: 200, headers: { 'content-type': 'application/json' }, body: text };
  }
  if (typeof value !== 'object' || value === null || (value as Proxied).statusCode === undefined)
    return { status: 200, headers: { 'content-type': 'application/json' }, body: typeof value === 'string' ? value : text };
  const { statusCode, body, isBase64Encoded } = value as Proxied;
  const status = Number(statusCode);
  if (!Number.isInteger(status) || status < 100 || status > 599) return message(502, 'Internal Server Error');
  const shown = body === undefined || body === null ? '' : typeof body === 'string' ? body : JSON.stringify(body);
  return { status, headers: headersOf(value as Proxied), body: isBase64Encoded === true ? Buffer.from(shown, 'base64') : shown };
}

function headersOf({ headers = {}, cookies = [] }: Proxied): Record<string, string> {
  const all: Record<string, string> = { 'content-type': 'application/json' };
  for (const [name, value] of Object.entries(headers)) all[name.toLowerCase()] = String(value);
  if (cookies.length > 0) all['set-cookie'] = cookies.join(', ');
  return all;
}

async function streamed(ctx: Context, target: Target, payload: Uint8Array, web: WebRequest): Promise<WireResponse> {
  const answered = new StreamedAnswer(ctx.clock);
  const running = call(ctx, target, { payload, requestId: web.requestId, onStream: (head) => answered.open(head.contentType) });
  running.then(
    (result) => {
      if (result.streamed) answered.end();
      // A function that does not stream, though its URL would, is answered as one piece.
      else
        answered.whole(result.functionError === undefined ? responseOf(result.payload) : message(502, 'Internal Server Error'));
    },
    (error: unknown) => answered.fail(error),
  );
  return answered.response();
}

/** The event, format 2.0 ("Request and response payloads"). */
function eventOf(ctx: Context, row: UrlRow, web: WebRequest, identity: Identity) {
  const { request, requestId } = web;
  const headers = Object.fromEntries(Object.entries(request.headers).filter(([name]) => name !== 'cookie'));
  const { cookie } = request.headers as Record<string, string | undefined>;
  const isText = textTypes.test(headers['content-type'] ?? '');
  const has = request.body.byteLength > 0;
  const query: Record<string, string> = {};
  for (const [name, value] of request.query) query[name] = query[name] === undefined ? value : `${query[name]},${value}`;
  const anonymous = identity.kind === 'anonymous';
  const path = decode(request.path);
  const now = new Date(ctx.clock.now());
  return {
    version: '2.0',
    routeKey: '$default',
    rawPath: request.path,
    rawQueryString: web.rawQuery,
    ...(cookie === undefined ? {} : { cookies: cookie.split('; ') }),
    headers,
    ...(request.query.length === 0 ? {} : { queryStringParameters: query }),
    requestContext: {
      accountId: anonymous ? 'anonymous' : identity.account,
      apiId: row.id,
      ...(anonymous
        ? {}
        : {
            authorizer: {
              iam: {
                accessKey: null,
                accountId: identity.account,
                callerId: identity.userId,
                cognitoIdentity: null,
                principalOrgId: null,
                userArn: identity.arn,
                userId: identity.userId,
              },
            },
          }),
      domainName: web.host,
      domainPrefix: row.id,
      http: {
        method: request.method,
        path,
        protocol: 'HTTP/1.1',
        sourceIp: web.sourceIp,
        userAgent: headers['user-agent'] ?? '',
      },
      requestId,
      routeKey: '$default',
      stage: '$default',
      time: shownTime(now),
      timeEpoch: now.getTime(),
    },
    ...(has ? { body: Buffer.from(request.body).toString(isText ? 'utf8' : 'base64') } : {}),
    isBase64Encoded: has && !isText,
  };
}

function decode(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    return path;
  }
}

/** `12/Mar/2020:19:03:58 +0000` */
function shownTime(at: Date): string {
  const [, day, month, year, time] = /^\w+, (\d+) (\w+) (\d+) ([\d:]+)/.exec(at.toUTCString()) ?? [];
  return `${day}/${month}/${year}:${time} +0000`;
}

function corsHeaders(cors: CorsSpec, web: WebRequest, preflight: boolean): Record<string, string> {
  const { origin } = web.request.headers as Record<string, string | undefined>;
  const { origins = [], methods = [], headers = [], exposed = [] } = cors;
  if (origin === undefined || !origins.some((allowedOrigin) => allowedOrigin === '*' || allowedOrigin === origin)) return {};
  const asked = web.request.headers['access-control-request-method'];
  return {
    'access-control-allow-origin': origins.includes('*') && cors.credentials !== true ? '*' : origin,
    ...(origins.includes('*') ? {} : { vary: 'Origin' }),
    ...(cors.credentials === true ? { 'access-control-allow-credentials': 'true' } : {}),
    ...(exposed.length === 0 || preflight ? {} : { 'access-control-expose-headers': exposed.join(',') }),
    ...(preflight && asked !== undefined && methods.length > 0 ? { 'access-control-allow-methods': methods.join(',') } : {}),
    ...(preflight && headers.length > 0 ? { 'access-control-allow-headers': headers.join(',') } : {}),
    ...(preflight && cors.maxAge !== undefined ? { 'access-control-max-age': String(cors.maxAge) } : {}),
  };
}

function message(status: number, Message: string, type?: string): WireResponse {
  return {
    status,
    headers: { 'content-type': 'application/json', ...(type === undefined ? {} : { 'x-amzn-errortype': type }) },
    body: JSON.stringify({ Message }),
  };
}
