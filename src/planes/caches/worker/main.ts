/** The process of one node: listens as its spec says, and ends with the process that started it. */
import { createServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import type { CacheNodeSpec } from '../types.ts';
import { serveQuestions } from '../../node-processes.ts';
import type { CacheNodeQuestion, FromNode, ToNode } from './channel.ts';
import { ClientConnection } from './client.ts';
import { CacheNode } from './node.ts';

/** Connections of clients at one time. */
const connectionsMax = 40_000;
/** Real milliseconds after which a retired node ends, whatever still hangs on it. */
const retiredMillisMax = 30_000;

/** Serves until the channel to the parent closes. */
export function runCacheNode(): Promise<void> {
  const send = (message: FromNode): void => {
    process.send?.(message);
  };
  const node = new CacheNode(send);
  const door = new Door(node);
  return serveQuestions<CacheNodeQuestion>(
    async (message) => {
      if (message.ask === 'counts') return { ...node.takeCounts(), connections: door.connections };
      if (message.ask === 'retire') return door.retire();
      node.apply(message.spec);
      await door.open(message.spec);
      return undefined;
    },
    (message) => node.hear(message as ToNode),
  );
}

/** The port on which clients come. */
class Door {
  readonly #node: CacheNode;
  readonly #sockets = new Map<Socket, ClientConnection>();
  #server: Server | undefined;
  #opened = '';

  constructor(node: CacheNode) {
    this.#node = node;
  }

  get connections(): number {
    return this.#sockets.size;
  }

  /** Closes the port at once, connections when they are used, and ends the process when none is left. */
  retire(): void {
    this.#server?.close(() => process.exit(0));
    for (const connection of this.#sockets.values()) connection.retire();
    setTimeout(() => process.exit(0), retiredMillisMax);
  }

  async open({ port, tls }: CacheNodeSpec): Promise<void> {
    const wanted = JSON.stringify({ port, tls });
    if (this.#opened === wanted) return;
    this.#server?.close();
    for (const socket of this.#sockets.keys()) socket.destroy();
    const serve = (socket: Socket): void => {
      this.#sockets.set(socket, new ClientConnection(this.#node, socket));
      socket.on('close', () => this.#sockets.delete(socket));
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
