/**
 * WebSocket APIs at work: the handshake, which $connect and its authorizer may refuse; messages, which choose their routes; what ends a connection. The
 * sockets are this process's, and end with it; rows tell the management API of them.
 */
import type { WebSocket, WebSocketServer } from 'ws';
import type { Context, Scope } from '../../../kernel/context.ts';
import type { WebUpgrade } from '../../../kernel/web.ts';
import { type Target, splitStage } from '../run/address.ts';
import { accountLimit, takeTokens } from '../run/buckets.ts';
import { multiHeaders, multiQuery } from '../run/call.ts';
import { FrameWatch } from './frames.ts';
import { authoriseSocket, SocketRefusal } from './socket-authorise.ts';
import type { SocketCall, SocketEvent } from './socket-call.ts';
import { integrateSocket, select, SocketFailure } from './socket-integrate.ts';
import { type Served, servedBy } from './served.ts';
import { Apis, type ConnectionRow, Connections, type RouteDef, Stages } from './state.ts';

/** "Idle connection timeout: 10 minutes", "Connection duration: 2 hours", "WebSocket frame size: 32 KB", "Message payload size: 128 KB". */
const idleMillis = 600_000;
const lifeMillis = 7_200_000;
const frameBytesMax = 32 * 1024;
const messageBytesMax = 128 * 1024;

/** Does the handshakes; made by the first one, because the service is loaded at every start. */
const serverCache: { made?: Promise<WebSocketServer> } = {};

function handshakes(): Promise<WebSocketServer> {
  serverCache.made ??= import('ws').then(
    (library) => new library.WebSocketServer({ noServer: true, maxPayload: messageBytesMax, clientTracking: false }),
  );
  return serverCache.made;
}

interface Live {
  scope: Scope;
  socket: WebSocket;
  /** Counts as activity. */
  touch: () => void;
}

/** Open connections by id. */
const liveCache = new Map<string, Live>();

/** What all events of one connection share. */
type Base = Pick<SocketCall, 'web' | 'headers' | 'query' | 'connection' | 'signer' | 'authorizer'> & {
  scope: Scope;
  context: () => Context;
};

/** Takes over a connection that asks for a WebSocket. Always answers it. */
export async function openSocket(upgrade: WebUpgrade, target: Target): Promise<void> {
  const { web, message, socket, head } = upgrade;
  const scope = target.address;
  const { stage: stageName, rest } =
    target.stage === undefined ? splitStage(target.path) : { stage: target.stage, rest: target.path };
  const context = (): Context => web.ctx.inScope(scope);
  const ctx = context();
  const api = await ctx.table(Apis).get(target.address.name);
  const stage = await ctx.table(Stages).get(target.address.name, stageName);
  const refuse = (status: number, text: string): void =>
    void socket.end(
      `HTTP/1.1 ${status} ${text}\r\nConnection: close\r\nx-amzn-RequestId: ${web.requestId}\r\nContent-Length: 0\r\n\r\n`,
    );
  if (api === undefined || stage === undefined || rest !== '/' || (api.disableExecuteApiEndpoint && target.domain === undefined))
    return refuse(403, 'Forbidden');
  if (!takeTokens(ctx.clock, [accountLimit(ctx)])) return refuse(429, 'Too Many Requests');
  const connection: ConnectionRow = {
    id: `${Buffer.from(ctx.bytes(11)).toString('base64url').slice(0, 14)}=`,
    api: api.id,
    stage: stage.name,
    connected: ctx.now,
    active: ctx.now,
    sourceIp: web.sourceIp,
    userAgent: web.request.headers['user-agent'] ?? '',
  };
  const base: Base = {
    web,
    scope,
    context,
    connection,
    headers: multiHeaders(web.rawHeaders),
    query: multiQuery(web.request.query),
  };
  try {
    const served = await servedBy(ctx, api.id, stage.deploymentId);
    if (served === undefined) return refuse(403, 'Forbidden');
    const connect = served.byKey.get('$connect');
    if (connect !== undefined) {
      const call = await callOf(base, 'CONNECT', connect, served);
      await authoriseSocket(call, connect);
      base.signer = call.signer;
      base.authorizer = call.authorizer;
      const { status } = await integrateSocket(call);
      if (status < 200 || status > 299) return refuse(status, 'Refused');
    }
  } catch (error) {
    if (error instanceof SocketRefusal) return refuse(error.status, error.message);
    if (error instanceof SocketFailure) return refuse(502, 'Bad Gateway');
    throw error;
  }
  (await handshakes()).handleUpgrade(message, socket, head, (opened) => {
    serve(base, opened, new FrameWatch(socket, frameBytesMax)).catch(() => opened.terminate());
  });
}

/** An event of a connection, under the stage and deployment of the moment. */
async function callOf(
  base: Base,
  event: SocketEvent,
  route: RouteDef,
  served: Served,
  more: Partial<SocketCall> = {},
): Promise<SocketCall> {
  const { web, connection, headers, query, signer, authorizer } = base;
  const ctx = base.context();
  const [api, stage] = await Promise.all([
    ctx.table(Apis).get(connection.api),
    ctx.table(Stages).get(connection.api, connection.stage),
  ]);
  if (api === undefined || stage === undefined) throw new SocketFailure('the API is gone');
  return {
    ...{ ctx, web, api, stage, served, connection, event, route, headers, query, signer, authorizer },
    requestId: ctx.uuid(),
    body: Buffer.alloc(0),
    integration: {},
    log: (line) => ctx.trace(`socket: ${line}`),
    ...more,
  };
}

async function serve(base: Base, socket: WebSocket, frames: FrameWatch): Promise<void> {
  const { connection, scope } = base;
  const { clock } = base.context();
  let cancelIdle = (): void => undefined;
  const touch = (): void => {
    cancelIdle();
    cancelIdle = clock.at(clock.now() + idleMillis, () => socket.close(1001, 'Going away'), 'passing');
  };
  const cancelLife = clock.at(connection.connected + lifeMillis, () => socket.close(1001, 'Going away'));
  touch();
  liveCache.set(connection.id, { scope, socket, touch });
  // A client that closes sees to it that $disconnect runs; best effort, as AWS says.
  socket.on('close', (code, reason) => {
    cancelIdle();
    cancelLife();
    liveCache.delete(connection.id);
    void disconnected(base, code, reason.toString('utf8'));
  });
  socket.on('error', () => socket.terminate());
  frames.onTooLong(() => socket.close(1009, 'Frame too long'));
  let last: Promise<void> = base.context().transact((tx) => tx.tableIn(scope, Connections).put(connection));
  socket.on('ping', touch);
  socket.on('message', (data, binary) => {
    touch();
    // "Binary media types for WebSocket APIs": incoming messages are text.
    if (binary) return socket.close(1003);
    const body = Buffer.isBuffer(data) ? data : Buffer.concat(data as Buffer[]);
    // In the order sent, each begun when the one before was handed on.
    last = last.then(() => received(base, socket, body)).catch(() => socket.close(1011, 'Internal server error'));
  });
  await last;
}

async function received(base: Base, socket: WebSocket, body: Buffer): Promise<void> {
  const { connection } = base;
  const ctx = base.context();
  const requestId = ctx.uuid();
  const tell = (message: string): void => send(socket, JSON.stringify({ message, connectionId: connection.id, requestId }));
  const [api, stage] = await Promise.all([
    ctx.table(Apis).get(connection.api),
    ctx.table(Stages).get(connection.api, connection.stage),
  ]);
  const served = stage && (await servedBy(ctx, connection.api, stage.deploymentId));
  if (api === undefined || stage === undefined || served === undefined) return tell('Forbidden');
  const key = select({ body, headers: base.headers, query: base.query, stage }, api.routeSelectionExpression);
  const route = (key === undefined ? undefined : served.byKey.get(key)) ?? served.byKey.get('$default');
  if (route === undefined || ['$connect', '$disconnect'].includes(route.RouteKey ?? '')) return tell('Forbidden');
  const settings = { ...stage.defaultRouteSettings, ...stage.routeSettings[route.RouteKey ?? ''] };
  const limits = [accountLimit(ctx)];
  if (settings.ThrottlingRateLimit !== undefined || settings.ThrottlingBurstLimit !== undefined)
    limits.push({
      key: `${ctx.account}/${ctx.region}/${api.id}/${stage.name}/${route.RouteKey}`,
      rate: settings.ThrottlingRateLimit ?? 10_000,
      burst: settings.ThrottlingBurstLimit ?? 5_000,
    });
  if (!takeTokens(ctx.clock, limits)) return tell('Too Many Requests');
  const messageId = Buffer.from(ctx.bytes(12)).toString('base64url');
  const call = await callOf(base, 'MESSAGE', route, served, { requestId, messageId, body });
  await ctx.transact((tx) => tx.table(Connections).update([connection.id], (row) => ({ ...row, active: ctx.now })));
  void integrateSocket(call).then(
    (answer) => {
      const answers = route.RouteResponseSelectionExpression === '$default' && Object.keys(route.responses).length > 0;
      if (answers && answer.body.byteLength > 0) send(socket, answer.body.toString('utf8'));
    },
    () => tell('Internal server error'),
  );
}

async function disconnected(base: Base, code: number, reason: string): Promise<void> {
  const ctx = base.context();
  const { connection } = base;
  try {
    await ctx.transact((tx) => tx.table(Connections).delete(connection.id));
    const stage = await ctx.table(Stages).get(connection.api, connection.stage);
    const served = stage && (await servedBy(ctx, connection.api, stage.deploymentId));
    const route = served?.byKey.get('$disconnect');
    if (served === undefined || route === undefined) return;
    await integrateSocket(await callOf(base, 'DISCONNECT', route, served, { closed: { code, reason } }));
  } catch (error) {
    ctx.trace(`socket: $disconnect failed: ${String(error)}`);
  }
}

function send(socket: WebSocket, text: string): void {
  if (socket.readyState === socket.OPEN) socket.send(text);
}

/** Sends to a connection; false when it is not open. */
export async function sendTo(id: string, data: Uint8Array): Promise<boolean> {
  const live = liveCache.get(id);
  if (live === undefined || live.socket.readyState !== live.socket.OPEN) return false;
  live.touch();
  await new Promise<void>((resolve) => live.socket.send(Buffer.from(data).toString('utf8'), () => resolve()));
  return true;
}

/** Closes a connection from this side; false when it is not open. */
export function closeSocket(id: string): boolean {
  const live = liveCache.get(id);
  live?.socket.close(1000, 'Connection closed normally');
  return live !== undefined;
}

/** Rows of connections that ended with an earlier process go; returns how to end those of this one. */
export async function startSockets(ctx: Context): Promise<() => Promise<void>> {
  for (const { scope, row } of await ctx.everywhere(Connections))
    await ctx.transact((tx) => tx.tableIn(scope, Connections).delete(row.id));
  return async () => {
    for (const { socket } of liveCache.values()) socket.terminate();
  };
}
