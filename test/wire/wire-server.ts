/** A small HTTP server that is nothing but the wire layer: identifies a request, parses it, and answers what the test wants. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { OperationModel, ServiceIndex } from '../../src/model/service-model.ts';
import type { Protocol, Shape, WireError, WireRequest, WireResponse } from '../../src/model/types.ts';
import { identify, parseInput, serialiseError, serialiseOutput } from '../../src/model/wire.ts';

/** What the next request is answered with. */
export type Answer = { output: Shape } | { error: WireError } | { output: (operation: OperationModel) => Shape };

/** What the last request was found to be. */
export interface Seen {
  service: string;
  operation: string;
  protocol: Protocol;
  input: Shape;
}

export interface WireServer {
  readonly port: number;
  /** Sets the answer to the next request. */
  answer(next: Answer): void;
  /** What the last request was; throws what failed while it was read. */
  seen(): Seen;
  close(): Promise<void>;
}

/** Starts a server on a free loopback port. */
export async function startWireServer(index: ServiceIndex): Promise<WireServer> {
  let next: Answer = { output: {} };
  let seen: Seen | undefined;
  let failure: unknown;
  const server: Server = createServer((incoming, outgoing) => {
    seen = undefined;
    failure = undefined;
    handle(incoming).then(
      (response) => send(outgoing, response, incoming.method),
      (cause: unknown) => {
        failure = cause;
        send(outgoing, { status: 500, headers: {}, body: '' }, incoming.method);
      },
    );
  });

  const handle = async (incoming: IncomingMessage): Promise<WireResponse> => {
    const request = await readRequest(incoming);
    const found = await identify(index, { request, host: incoming.headers.host ?? '' });
    if (found === undefined) throw new Error(`${request.method} ${request.path} was not identified.`);
    if ('unknownOperation' in found)
      throw new Error(`${found.service?.name ?? 'no service'} does not know ${found.unknownOperation}.`);
    const { service, operation, protocol } = found;
    seen = { service: service.name, operation: operation.name, protocol, input: parseInput(protocol, operation, request) };
    if ('error' in next) return serialiseError(protocol, service, operation, next.error, 'request-id-1');
    const output = typeof next.output === 'function' ? next.output(operation) : next.output;
    return serialiseOutput(protocol, operation, output, 'request-id-1');
  };

  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    answer: (wanted) => {
      next = wanted;
    },
    seen: () => {
      if (failure !== undefined) throw failure;
      if (seen === undefined) throw new Error('No request came.');
      return seen;
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** A request as the gateway would hand it over. */
async function readRequest(incoming: IncomingMessage): Promise<WireRequest> {
  const chunks: Buffer[] = [];
  for await (const chunk of incoming) chunks.push(chunk as Buffer);
  const url = incoming.url ?? '/';
  const mark = url.indexOf('?');
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(incoming.headers))
    headers[name] = Array.isArray(value) ? value.join(', ') : (value ?? '');
  return {
    method: incoming.method ?? 'GET',
    path: mark < 0 ? url : url.slice(0, mark),
    query: mark < 0 ? [] : [...new URLSearchParams(url.slice(mark + 1))],
    headers,
    body: Buffer.concat(chunks),
  };
}

function send(outgoing: ServerResponse, response: WireResponse, method: string | undefined): void {
  outgoing.writeHead(response.status, response.headers);
  if (method === 'HEAD' || response.status === 204 || response.status === 304) outgoing.end();
  else outgoing.end(response.body as Uint8Array | string);
}
