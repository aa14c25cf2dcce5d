/** One event of a WebSocket connection: connect, message, disconnect; what functions and templates know of it. */
import type { Identity } from '../../../kernel/caller.ts';
import type { Context } from '../../../kernel/context.ts';
import type { WebRequest } from '../../../kernel/web.ts';
import { lastValues, type Multi } from '../run/call.ts';
import { formatTime } from './call.ts';
import type { Served } from './served.ts';
import type { ApiRow, ConnectionRow, RouteDef, StageRow } from './state.ts';

export type SocketEvent = 'CONNECT' | 'MESSAGE' | 'DISCONNECT';

export interface SocketCall {
  ctx: Context;
  web: WebRequest;
  api: ApiRow;
  stage: StageRow;
  served: Served;
  connection: ConnectionRow;
  event: SocketEvent;
  route: RouteDef;
  requestId: string;
  messageId?: string | undefined;
  body: Buffer;
  /** Of the handshake. */
  headers: Multi;
  query: Multi;
  signer?: Identity | undefined;
  authorizer?: Record<string, unknown> | undefined;
  /** Of a disconnection. */
  closed?: { code: number; reason: string } | undefined;
  integration: { status?: number | undefined; latency?: number | undefined; requestId?: string | undefined };
  log: (line: string) => void;
}

/** `$context`, and the `requestContext` of functions' events ("WebSocket API mapping template reference"). */
export function contextVariables(call: SocketCall): Record<string, unknown> {
  const { connection, ctx, api, stage, web, closed } = call;
  return {
    routeKey: call.route.RouteKey,
    ...(call.messageId === undefined ? {} : { messageId: call.messageId }),
    ...(call.authorizer === undefined ? {} : { authorizer: call.authorizer }),
    ...(closed === undefined ? {} : { disconnectStatusCode: closed.code, disconnectReason: closed.reason }),
    eventType: call.event,
    extendedRequestId: call.requestId,
    requestTime: formatTime(ctx.now),
    messageDirection: 'IN',
    stage: stage.name,
    connectedAt: connection.connected,
    requestTimeEpoch: ctx.now,
    identity: {
      sourceIp: connection.sourceIp,
      ...(connection.userAgent === '' ? {} : { userAgent: connection.userAgent }),
      ...(call.signer === undefined
        ? {}
        : { userArn: call.signer.arn, accountId: call.signer.account, caller: call.signer.userId, user: call.signer.userId }),
    },
    requestId: call.requestId,
    domainName: web.host,
    connectionId: connection.id,
    apiId: api.id,
  };
}

/** The event of a proxied function. */
export function proxyEvent(call: SocketCall): Record<string, unknown> {
  const handshake =
    call.event === 'CONNECT'
      ? {
          headers: lastValues(call.headers),
          multiValueHeaders: call.headers,
          ...(Object.keys(call.query).length === 0
            ? {}
            : { queryStringParameters: lastValues(call.query), multiValueQueryStringParameters: call.query }),
        }
      : {};
  return {
    ...handshake,
    ...(Object.keys(call.stage.variables).length === 0 ? {} : { stageVariables: call.stage.variables }),
    requestContext: contextVariables(call),
    ...(call.event === 'MESSAGE' ? { body: call.body.toString('utf8') } : {}),
    isBase64Encoded: false,
  };
}
