/** The process of one node: listens as its spec says, and ends with the process that started it. */
import { createServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import type { CacheNodeSpec } from '../types.ts';
import type { FromNode, ToNode } from './channel.ts';
import { ClientConnection } from './client.ts';
import { CacheNode } from './node.ts';

/** Connections of clients at one time. */
const connectionsMax = 40_000;

/** Serves until the channel to the parent closes. */
export function runCacheNode(): Promise<void> {
  const send = (message: FromNode): void => {
    process.send?.(message);
  };
  const node = new CacheNode(send);
  const door = new Door(node);
  const question = async (message: Extract<ToNode, { tell: 'question' }>): Promise<unknown> => {
    if (message.ask === 'counts') return { ...node.takeCounts(), connections: door.connections };
    node.apply(message.spec);
    await door.open(message.spec);
    return undefined;
  };
  process.on('message', (message: ToNode) => {
    if (message.tell !== 'question') return node.hear(message);
    question(message).then(
      (result) => send({ kind: 'done', id: message.id, result }),
      (error: Error) => send({ kind: 'done', id: message.id, error: error.message }),
    );
  });
  // The parent's signals to its own group are not for the node, which serves until it is told.
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => {});
  return new Promise((resolve) => {
    process.on('disconnect', () => {
      resolve();
      process.exit(0);
    });
  });
}

/** The port on which clients come. */
class Door {
  readonly #node: CacheNode;
  readonly #sockets = new Set<Socket>();
  #server: Server | undefined;
  #opened = '';

  constructor(node: CacheNode) {
    this.#node = node;
  }

  get connections(): number {
    return this.#sockets.size;
  }

  async open({ port, tls }: CacheNodeSpec): Promise<void> {
    const wanted = JSON.stringify({ port, tls });
    if (this.#opened === wanted) return;
    this.#server?.close();
    for (const socket of this.#sockets) socket.destroy();
    const serve = (socket: Socket): void => {
      this.#sockets.add(socket);
      socket.on('close', () => this.#sockets.delete(socket));
      new ClientConnection(this.#node, socket);
    };
    const server = tls === undefined ? createServer(serve) : createTlsServer({ cert: tls.chain, key: tls.privateKey }, serve);
    server.maxConnections = connectionsMax;
    this.#server = server;
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(port, '0.0.0.0', resolve);
    });
    this.#opened = wanted;
  }
}
