/** Connections to targets: opened from the node's own address or a client's, kept for the next request, the one used last first. */
import net, { type Socket } from 'node:net';
import tls from 'node:tls';
import type { LiveTarget } from './pools.ts';

/** Real milliseconds until a connection to a target counts as timed out. */
const connectMillis = 10_000;
/** Kept connections for each target, and how long they are kept. */
const idleMax = 256;
const idleMillis = 30_000;

/** Whence a connection leaves; from any port when there is none. */
export interface Origin {
  address: string;
  port?: number | undefined;
}

/** What uses a connection at the moment. */
export interface UpstreamUser {
  onConnect(): void;
  onData(bytes: Buffer): void;
  onDrain(): void;
  /** Also when it could not be opened; `timeout` when nobody answered. */
  onClosed(why: 'closed' | 'failed' | 'timeout'): void;
}

export class Upstream {
  readonly socket: Socket;
  readonly target: LiveTarget;
  user: UpstreamUser | undefined;
  /** Carried a request before. */
  used = false;
  connected = false;

  private constructor(target: LiveTarget, from: Origin) {
    this.target = target;
    const { address, port } = target.spec;
    const where = { host: address, port, localAddress: from.address, localPort: from.port };
    const secure = target.pool.spec.protocol === 'https' || target.pool.spec.protocol === 'tls';
    // As in AWS, the certificate of a target is not checked.
    this.socket = secure ? tls.connect({ ...where, rejectUnauthorized: false }) : net.connect({ ...where, noDelay: true });
    const timer = setTimeout(() => this.#close('timeout'), connectMillis);
    this.socket.once(secure ? 'secureConnect' : 'connect', () => {
      clearTimeout(timer);
      this.connected = true;
      this.user?.onConnect();
    });
    this.socket.on('data', (bytes: Buffer) => (this.user === undefined ? this.socket.destroy() : this.user.onData(bytes)));
    this.socket.on('drain', () => this.user?.onDrain());
    this.socket.on('error', (error: NodeJS.ErrnoException) => {
      const silent = ['ETIMEDOUT', 'EHOSTUNREACH', 'ENETUNREACH'].includes(error.code ?? '');
      this.#close(this.connected ? 'closed' : silent ? 'timeout' : 'failed');
    });
    this.socket.on('close', () => {
      clearTimeout(timer);
      this.#close(this.connected ? 'closed' : 'failed');
    });
    this.socket.on('timeout', () => {
      if (this.user === undefined) this.socket.destroy();
    });
  }

  /** A kept connection to the target, or a new one. */
  static take(target: LiveTarget, from: Origin): Upstream {
    for (;;) {
      const socket = target.idle.pop();
      if (socket === undefined) return new Upstream(target, from);
      const upstream = kept.get(socket);
      if (upstream === undefined || socket.destroyed || !socket.readable || !socket.writable) continue;
      socket.setTimeout(0);
      upstream.used = true;
      return upstream;
    }
  }

  /** Gives the connection back once an answer is complete. */
  keep(): void {
    this.user = undefined;
    const { idle, gone } = this.target;
    if (gone || idle.length >= idleMax || this.socket.destroyed) {
      this.socket.destroy();
      return;
    }
    kept.set(this.socket, this);
    this.socket.setTimeout(idleMillis);
    idle.push(this.socket);
  }

  destroy(): void {
    this.user = undefined;
    this.socket.destroy();
  }

  #close(why: 'closed' | 'failed' | 'timeout'): void {
    const { user } = this;
    this.user = undefined;
    this.socket.destroy();
    const at = this.target.idle.indexOf(this.socket);
    if (at >= 0) this.target.idle.splice(at, 1);
    user?.onClosed(why);
  }
}

/** Finds the connection of a kept socket. */
const kept = new WeakMap<Socket, Upstream>();
