/**
 * The way out to the one store that holds the bytes of a cloud. What runs inside has no network of the host, so the process outside listens on a
 * socket in the data folder, which crosses the border as a path does, and passes every connection on to that one address: nothing else can be
 * reached through it, and machines do not see the folder. Bytes pass as they are; TLS is between Pilvi and the store.
 */
import { chmod, rm } from 'node:fs/promises';
import net, { type Server } from 'node:net';

/** Name of the socket in the data folder. */
export const relaySocketName = 'blobs.sock';

/** Listens at `path`, which is removed first: a killed run leaves its socket behind. Names are asked for on the host, for each connection. */
export async function openRelay(path: string, to: { host: string; port: number }): Promise<Server> {
  await rm(path, { force: true });
  const server = net.createServer({ allowHalfOpen: true }, (inside) => {
    const outside = net.connect({ ...to, allowHalfOpen: true });
    inside.pipe(outside).pipe(inside);
    const end = (): void => {
      inside.destroy();
      outside.destroy();
    };
    inside.on('error', end).on('close', end);
    outside.on('error', end).on('close', end);
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject).listen(path, () => resolve());
  });
  await chmod(path, 0o600);
  return server;
}
