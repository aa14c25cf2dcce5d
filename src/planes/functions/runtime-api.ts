/**
 * The Runtime API and the Extensions API ("Using the Lambda runtime API", version 2018-06-01; "Using the Lambda Extensions API", 2020-01-01), served
 * to all sandboxes by one listener that knows each by its address. What a request means for its environment is environment.ts's business; whoever is
 * no sandbox of ours gets nothing.
 */
import http, { type IncomingMessage, type ServerResponse } from 'node:http';
import { functionsApi } from '../fabric/addresses.ts';

/** What an environment does with the requests of its program. */
export interface RuntimeDesk {
  onNext(response: ServerResponse): void;
  onAnswer(id: string, request: IncomingMessage, response: ServerResponse): void;
  onFailure(id: string, request: IncomingMessage, response: ServerResponse): void;
  onInitFailure(request: IncomingMessage, response: ServerResponse): void;
  onRegister(name: string, events: readonly string[], response: ServerResponse): void;
  onExtensionNext(extension: string, response: ServerResponse): void;
  onExtensionFailure(extension: string, during: 'init' | 'exit', request: IncomingMessage, response: ServerResponse): void;
}

const registerBytesMax = 65_536;

/** Answers with JSON. */
export function answer(response: ServerResponse, status: number, body: unknown): void {
  const text = JSON.stringify(body);
  response.writeHead(status, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) }).end(text);
}

/** A refusal in the API's own form. */
export function refuse(response: ServerResponse, status: number, errorType: string, errorMessage: string): void {
  answer(response, status, { errorType, errorMessage });
}

/** Reads a body; undefined when it is larger than `bytesMax`, and what is left of it is let flow away. */
export async function readBody(request: IncomingMessage, bytesMax: number): Promise<Buffer | undefined> {
  const pieces: Buffer[] = [];
  let bytes = 0;
  for await (const piece of request as AsyncIterable<Buffer>) {
    bytes += piece.byteLength;
    if (bytes <= bytesMax) pieces.push(piece);
  }
  return bytes > bytesMax ? undefined : Buffer.concat(pieces);
}

/** Listens; `find` tells the environment behind a sandbox's address, once it is there. Returns how to stop. Rejects when the address cannot be had. */
export function serveRuntimeApi(find: (address: string) => Promise<RuntimeDesk | undefined>): Promise<() => Promise<void>> {
  const server = http.createServer({ requestTimeout: 0, headersTimeout: 0, keepAliveTimeout: 0 }, (request, response) => {
    void find((request.socket.remoteAddress ?? '').replace(/^::ffff:/, ''))
      .then(async (desk) => {
        if (desk === undefined) response.destroy();
        else await route(desk, request, response);
      })
      .catch(() => response.destroy());
  });
  // A sandbox that ends takes its connections along.
  server.on('clientError', (_error, socket) => socket.destroy());
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host: functionsApi.address, port: functionsApi.port, backlog: 1024 }, () =>
      resolve(
        () =>
          new Promise((done) => {
            server.close(() => done());
            server.closeAllConnections();
          }),
      ),
    );
  });
}

async function route(desk: RuntimeDesk, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { method, url = '' } = request;
  const runtime = /^\/2018-06-01\/runtime\/(.*)$/.exec(url)?.[1];
  if (method === 'GET' && runtime === 'invocation/next') return desk.onNext(response);
  if (method === 'POST' && runtime === 'init/error') return desk.onInitFailure(request, response);
  const [, id, what] = /^invocation\/([^/]+)\/(response|error)$/.exec(runtime ?? '') ?? [];
  if (method === 'POST' && id !== undefined)
    return what === 'response' ? desk.onAnswer(id, request, response) : desk.onFailure(id, request, response);
  const extension = /^\/2020-01-01\/extension\/(.*)$/.exec(url)?.[1];
  const key = String(request.headers['lambda-extension-identifier'] ?? '');
  if (method === 'POST' && extension === 'register') return register(desk, request, response);
  if (method === 'GET' && extension === 'event/next') return desk.onExtensionNext(key, response);
  if (method === 'POST' && extension === 'init/error') return desk.onExtensionFailure(key, 'init', request, response);
  if (method === 'POST' && extension === 'exit/error') return desk.onExtensionFailure(key, 'exit', request, response);
  request.resume();
  refuse(response, 404, 'UnknownRequest', `${method} ${url} is not of the Runtime API.`);
}

async function register(desk: RuntimeDesk, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const name = String(request.headers['lambda-extension-name'] ?? '');
  const body = await readBody(request, registerBytesMax);
  let events: unknown;
  try {
    events = (JSON.parse(body?.toString() || '{}') as { events?: unknown }).events ?? [];
  } catch {
    events = undefined;
  }
  if (name === '' || !Array.isArray(events) || !events.every((event) => event === 'INVOKE' || event === 'SHUTDOWN'))
    return refuse(
      response,
      400,
      'Extension.InvalidEventType',
      'An extension registers by its name, for INVOKE, SHUTDOWN or both.',
    );
  desk.onRegister(name, events as string[], response);
}
