/** One call of an HTTP API, or one event of a WebSocket connection, and what templates, events and logs know of it. */
import type { Identity } from '../../../kernel/caller.ts';
import type { Context } from '../../../kernel/context.ts';
import type { WebRequest } from '../../../kernel/web.ts';
import { type Answer, clientOf, type Multi, setHeader } from '../run/call.ts';
import type { Served } from './served.ts';
import type { ApiRow, RouteDef, StageRow } from './state.ts';

export interface HttpCall {
  ctx: Context;
  web: WebRequest;
  api: ApiRow;
  stage: StageRow;
  served: Served;
  route?: RouteDef | undefined;
  method: string;
  /** After the stage, percent-encoded. */
  path: string;
  /** With the stage unless it is `$default`, decoded by nobody. */
  rawPath: string;
  pathParameters: Record<string, string>;
  query: Multi;
  headers: Multi;
  body: Buffer;
  requestId: string;
  domainName: string;
  signer?: Identity | undefined;
  /** What authorizers gave: claims of a token, the context of a function. */
  authorizer?: Record<string, unknown> | undefined;
  integration: { status?: number | undefined; latency?: number | undefined; requestId?: string | undefined };
  log: (line: string) => void;
}

/** The gateway's own refusal of a call of an HTTP API. */
export class HttpRefusal extends Error {
  readonly status: number;
  readonly headers: Multi;

  constructor(status: number, message: string, headers: Multi = {}) {
    super(message);
    this.status = status;
    this.headers = headers;
  }
}

/** A refusal on its way out. */
export function refusalAnswer({ status, message, headers }: HttpRefusal): Answer {
  const all: Multi = { ...headers };
  setHeader(all, 'content-type', ['application/json']);
  return { status, headers: all, body: Buffer.from(JSON.stringify({ message })) };
}

/** The client's certificate, where a domain asks for one. */
export function clientPart({ web }: HttpCall): Record<string, unknown> {
  const clientCert = clientOf(web.clientCertificate());
  return clientCert === undefined ? {} : { clientCert };
}

const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

/** `21/Nov/2026:06:10:34 +0000` */
export function formatTime(at: number): string {
  const [date = '', time = ''] = new Date(at).toISOString().split('T');
  const [year, month, day] = date.split('-');
  return `${day}/${months[Number(month) - 1]}/${year}:${time.slice(0, 8)} +0000`;
}

/** `$context.authorizer.key` of a function's context, `$context.authorizer.claims.name` of a token's claims. */
function authorizerVariables({ authorizer }: HttpCall): object {
  const { lambda = {}, jwt } = (authorizer ?? {}) as { lambda?: object; jwt?: { claims: object } };
  return jwt === undefined ? lambda : { claims: jwt.claims };
}

/** `$context` of a call ("Logging variables of HTTP APIs", "Parameter mapping"). */
export function contextVariables(call: HttpCall): Record<string, unknown> {
  return {
    accountId: call.ctx.account,
    apiId: call.api.id,
    authorizer: authorizerVariables(call),
    domainName: call.domainName,
    domainPrefix: call.domainName.split('.')[0] ?? '',
    extendedRequestId: call.requestId,
    httpMethod: call.method,
    identity: {
      accountId: call.signer?.account,
      caller: call.signer?.userId,
      user: call.signer?.userId,
      userArn: call.signer?.arn,
      sourceIp: call.web.sourceIp,
      userAgent: call.web.request.headers['user-agent'] ?? '',
      ...clientPart(call),
    },
    path: call.rawPath,
    protocol: 'HTTP/1.1',
    requestId: call.requestId,
    requestTime: formatTime(call.ctx.now),
    requestTimeEpoch: call.ctx.now,
    routeKey: call.route?.RouteKey ?? '',
    stage: call.stage.name,
  };
}
