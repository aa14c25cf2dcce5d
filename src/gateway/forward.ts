/**
 * The forwarding socket: a UNIX socket in the data folder, by which `pilvi publish` on the host reaches public addresses inside. A path socket
 * crosses the network namespaces' border, so no packet of the host has to. One line `ADDRESS:PORT`, an answer line `ok` or the error's code, then
 * bytes both ways.
 */
import { rm } from 'node:fs/promises';
import net, { type Server, type Socket } from 'node:net';
import { connectFailure, isPublicAddress } from './inside-proxy.ts';

/** Longest first line, in bytes. */
const lineBytesMax = 64;
/** Real milliseconds until a connection to an inside address counts as timed out. */
const connectTimeout = 10_000;

/** Name of the socket in the data folder. */
export const forwardSocketName = 'forward.sock';

/** Listens at `path`, which is removed first: a killed cloud leaves its socket behind. */
export async function listenForward(path: string): Promise<Server> {
  await rm(path, { force: true });
  const server = net.createServer((socket) => void serve(socket));
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(path, resolve);
  });
  return server;
}

function serve(socket: Socket): void {
  socket.on('error', () => socket.destroy());
  let head = Buffer.alloc(0);
  const take = (chunk: Buffer): void => {
    head = Buffer.concat([head, chunk]);
    const end = head.indexOf(10);
    if (end < 0 && head.byteLength <= lineBytesMax) return;
    socket.off('data', take);
    socket.pause();
    connect(socket, head.subarray(0, Math.max(end, 0)).toString(), head.subarray(end + 1));
  };
  socket.on('data', take);
}

function connect(socket: Socket, line: string, early: Buffer): void {
  const [, address = '', port = ''] = /^([\d.]{7,15}):(\d{1,5})$/.exec(line) ?? [];
  if (!isPublicAddress(address) || Number(port) < 1 || Number(port) > 65_535) {
    socket.end('EINVAL\n');
    return;
  }
  const upstream = net.connect({ host: address, port: Number(port), timeout: connectTimeout });
  const fail = (code: string): void => {
    socket.end(`${code}\n`);
    upstream.destroy();
  };
  const onTimeout = (): void => fail('ETIMEDOUT');
  const onError = (error: NodeJS.ErrnoException): void => fail(connectFailure(error));
  upstream.once('timeout', onTimeout).once('error', onError);
  upstream.once('connect', () => {
    upstream.off('timeout', onTimeout).off('error', onError).setTimeout(0);
    upstream.on('error', () => socket.destroy());
    socket.write('ok\n');
    if (early.byteLength > 0) upstream.write(early);
    upstream.pipe(socket).pipe(upstream);
  });
  socket.on('close', () => upstream.destroy());
}
