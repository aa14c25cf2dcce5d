/**
 * `pilvi publish ADDRESS:PORT [HOST-PORT]`: opens a port of the host's loopback and forwards each connection to a public address inside, through
 * the cloud's forwarding socket. Runs until it is interrupted, so that nothing stays open unseen.
 */
import net, { type AddressInfo, type Socket } from 'node:net';
import path from 'node:path';
import { PilviError } from '../base/errors.ts';
import { forwardSocketName } from '../gateway/forward.ts';
import { findTarget } from './client.ts';
import { parsePort } from './options.ts';
import { readRunFile } from './run-file.ts';

/** Forwards until SIGINT or SIGTERM. Throws PilviError for a wrong address, a taken port, no cloud. */
export async function publish(args: readonly string[]): Promise<number> {
  const { data, words } = await findTarget(args);
  const [inside = '', hostPort = '0'] = words;
  if (!/^198\.(18|19)\.\d{1,3}\.\d{1,3}:\d{1,5}$/.test(inside)) {
    throw new PilviError('BadOption', `${inside} is not a public address of the cloud with a port, such as 198.18.4.7:80.`);
  }
  if ((await readRunFile(data)) === undefined) throw new PilviError('NotRunning', `No process serves ${data}.`);
  const clients = new Set<Socket>();
  const server = net.createServer((socket) => {
    clients.add(socket);
    socket.once('close', () => clients.delete(socket));
    forward(socket, path.join(data, forwardSocketName), inside);
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) => reject(new PilviError('PortTaken', `127.0.0.1:${hostPort}`, { cause: error })));
    server.listen({ host: '127.0.0.1', port: parsePort(hostPort) }, resolve);
  });
  console.log(`${inside} is at 127.0.0.1:${(server.address() as AddressInfo).port}. Interrupt to end it.`);
  await new Promise<void>((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => resolve());
  });
  server.close();
  for (const client of clients) client.destroy();
  return 0;
}

function forward(client: Socket, socketPath: string, inside: string): void {
  const upstream = net.connect(socketPath);
  client.on('error', () => upstream.destroy());
  client.on('close', () => upstream.destroy());
  upstream.on('error', () => client.destroy());
  upstream.on('close', () => client.destroy());
  upstream.write(`${inside}\n`);
  client.pause();
  upstream.once('data', (chunk: Buffer) => {
    const end = chunk.indexOf(10);
    if (chunk.subarray(0, end).toString() !== 'ok') {
      client.destroy();
      return;
    }
    if (end + 1 < chunk.byteLength) client.write(chunk.subarray(end + 1));
    client.pipe(upstream).pipe(client);
  });
}
