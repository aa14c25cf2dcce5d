/**
 * Names under `.localhost` that lead inside: `http://ec2-198-18-0-5.us-east-1.compute.localhost:4566` reaches port 80 of 198.18.0.5 in the
 * cloud's internet, with no DNS set-up, because browsers and curl take every `.localhost` name for loopback. Only public addresses of the
 * cloud are reached this way, and the instance's firewall decides as for any other client.
 */
import http, { type IncomingMessage, type ServerResponse } from 'node:http';
import net, { type Socket } from 'node:net';
import { containsAddress, parseCidr4, parseIp4 } from '../base/cidr.ts';

/** Real milliseconds until a connection to an inside address counts as timed out. */
const connectTimeout = 10_000;
/** Port that plain names lead to; `8080.ec2-….localhost` leads to another. */
const defaultPort = 80;

const machineName =
  /^(?:(\d{1,5})\.)?(?:ec2|ip)-(\d{1,3})-(\d{1,3})-(\d{1,3})-(\d{1,3})\.(?:[a-z0-9.-]+\.)?(?:localhost|localhost\.localstack\.cloud)(?::\d+)?$/i;

/** Address and port behind a host name, or undefined when the name does not lead inside. */
function insideTarget(host: string): { address: string; port: number } | undefined {
  const match = machineName.exec(host);
  if (match === null) return undefined;
  const address = match.slice(2, 6).join('.');
  const port = match[1] === undefined ? defaultPort : Number(match[1]);
  if (!isPublicAddress(address) || port < 1 || port > 65_535) return undefined;
  return { address, port };
}

/** The cloud's public addresses; anything else would let the host's clients into private networks. */
const publicBlock = parseCidr4('198.18.0.0/15')!;

/** Whether this is an address of the cloud's internet. */
export function isPublicAddress(address: string): boolean {
  const number = parseIp4(address);
  return number !== undefined && containsAddress(publicBlock, number);
}

export interface InsideProxy {
  route: (request: IncomingMessage, response: ServerResponse) => boolean;
  upgrade: (request: IncomingMessage, socket: Socket, head: Buffer) => boolean;
}

/** Names that somebody inside owns: `web-123.us-east-1.elb.localhost`, and `8080.web-123….localhost` for another port. */
const ownedName = /^(?:(\d{1,5})\.)?([a-z0-9-]+\.(?:[a-z0-9-]+\.elb|elb\.[a-z0-9-]+)\.localhost)(?::\d+)?$/i;

/** Finds the public address that a name inside has at the moment. */
export type FindAddress = (name: string) => Promise<string | undefined>;

/** Address and port behind any name that leads inside; undefined for one that does, to nobody. */
async function findTarget(host: string, find: FindAddress): Promise<{ address: string; port: number } | undefined> {
  const known = insideTarget(host);
  const match = known === undefined ? ownedName.exec(host) : null;
  if (match === null) return known;
  const address = await find(match[2]!.toLowerCase());
  const port = match[1] === undefined ? defaultPort : Number(match[1]);
  return address === undefined || !isPublicAddress(address) || port < 1 || port > 65_535 ? undefined : { address, port };
}

/** Forwards HTTP and WebSocket requests whose host name leads inside. 504 when nothing answers, 502 when the connection is refused. */
export function createInsideProxy(find: FindAddress): InsideProxy {
  return {
    route(request, response) {
      const host = request.headers.host ?? '';
      if (insideTarget(host) === undefined && !ownedName.test(host)) return false;
      void findTarget(host, find).then((target) => {
        if (target === undefined) response.writeHead(504, { 'content-type': 'text/plain' }).end(`${host}: ENOTFOUND\n`);
        else forward(target, request, response);
      });
      return true;
    },
    upgrade(request, socket, head) {
      const host = request.headers.host ?? '';
      if (insideTarget(host) === undefined && !ownedName.test(host)) return false;
      void findTarget(host, find).then((target) =>
        target === undefined ? socket.destroy() : tunnel(target, request, socket, head),
      );
      return true;
    },
  };
}

interface Target {
  address: string;
  port: number;
}

function forward(target: Target, request: IncomingMessage, response: ServerResponse): void {
  const upstream = http.request({
    host: target.address,
    port: target.port,
    method: request.method,
    path: request.url,
    headers: request.headers,
    agent: false,
  });
  upstream.on('socket', (socket) => socket.setTimeout(connectTimeout, () => socket.connecting && socket.destroy(timedOut())));
  upstream.on('response', (answer) => {
    response.writeHead(answer.statusCode ?? 502, answer.headers);
    answer.pipe(response);
  });
  upstream.on('error', (error: NodeJS.ErrnoException) => {
    const code = connectFailure(error);
    if (response.headersSent) response.destroy();
    else
      response
        .writeHead(code === 'ETIMEDOUT' ? 504 : 502, { 'content-type': 'text/plain' })
        .end(`${target.address}:${target.port}: ${code}\n`);
  });
  response.on('close', () => upstream.destroy());
  request.pipe(upstream);
}

function tunnel(target: Target, request: IncomingMessage, socket: Socket, head: Buffer): void {
  const upstream = net.connect(target.port, target.address, () => {
    upstream.write(`${request.method} ${request.url} HTTP/1.1\r\n${rawHeaderLines(request)}\r\n`);
    if (head.length > 0) upstream.write(head);
    upstream.pipe(socket).pipe(upstream);
  });
  upstream.on('error', () => socket.destroy());
  socket.on('error', () => upstream.destroy());
  socket.on('close', () => upstream.destroy());
}

/** Code of a failed connection. Nobody behind an address is silence on the real internet; here the kernel knows at once that there is no route. */
export function connectFailure(error: NodeJS.ErrnoException): string {
  return ['EINVAL', 'EHOSTUNREACH', 'ENETUNREACH'].includes(error.code ?? '') ? 'ETIMEDOUT' : (error.code ?? 'EIO');
}

function timedOut(): NodeJS.ErrnoException {
  return Object.assign(new Error('Timed out.'), { code: 'ETIMEDOUT' });
}

function rawHeaderLines(request: IncomingMessage): string {
  let lines = '';
  for (let index = 0; index + 1 < request.rawHeaders.length; index += 2)
    lines += `${request.rawHeaders[index]}: ${request.rawHeaders[index + 1]}\r\n`;
  return lines;
}
