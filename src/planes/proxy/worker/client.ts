/**
 * One client connection speaking HTTP/1: reads request after request, hands each to an exchange, and writes what the exchange answers. The next
 * request is looked at when the answer to the one before is complete, so that answers keep their order.
 */
import type { Duplex } from 'node:stream';
import { BodyReader } from './http-body.ts';
import { HeadError, headBytesMax, headEnd, parseRequest, type RequestHead } from './http-head.ts';
import { Exchange } from './exchange.ts';
import { type Arrival, ownPage, reasonOf } from './forwarded.ts';
import type { Doubt } from '../types.ts';
import type { LiveListener, NodeState, Swept } from './node-state.ts';

const empty = Buffer.alloc(0);

export class Client implements Swept {
  readonly socket: Duplex;
  readonly state: NodeState;
  readonly arrival: Arrival;
  readonly #listener: () => LiveListener | undefined;
  #pending: Buffer = empty;
  #scanned = 0;
  #stage: 'head' | 'body' | 'answer' | 'tunnel' | 'over' = 'head';
  #exchange: Exchange | undefined;
  #body: BodyReader | undefined;
  /** Real time of the last byte in either direction, and of the first byte of the head being read. */
  #active: number;
  #headSince = 0;
  /** The connection speaks for a stream of HTTP/2. */
  readonly virtual: boolean;

  constructor(socket: Duplex, state: NodeState, arrival: Arrival, listener: () => LiveListener | undefined, virtual = false) {
    this.socket = socket;
    this.state = state;
    this.arrival = arrival;
    this.virtual = virtual;
    this.#listener = listener;
    this.#active = state.now;
    state.swept.add(this);
    socket.on('data', (bytes: Buffer) => this.#onData(bytes));
    socket.on('drain', () => this.#exchange?.onClientDrain());
    socket.on('error', () => this.#close());
    socket.on('end', () => this.#onEnd());
    socket.on('close', () => this.#close());
  }

  /** Closes what has been silent for too long, in the way that fits what it waits for. */
  sweep(now: number): void {
    const { idleMillis, keepAliveMillis } = this.state.http;
    const silent = now - this.#active;
    if (this.#stage === 'head') {
      if (this.#pending.length === 0) {
        if (silent > Math.min(idleMillis, keepAliveMillis)) this.#close();
      } else if (now - this.#headSince > idleMillis) this.refuse(408);
    } else if (silent > idleMillis) {
      if (this.#stage === 'over') this.#close();
      else if (this.#stage === 'body' && this.#exchange?.begun === false) this.#giveUp(408);
      else if (this.#stage === 'tunnel') this.#close();
      else this.#exchange?.expire();
    }
  }

  /** Notes that bytes flowed. */
  touch(): void {
    this.#active = this.state.now;
  }

  #onData(bytes: Buffer): void {
    this.#active = this.state.now;
    if (this.#stage === 'tunnel') {
      this.#exchange?.onTunnel(bytes);
      return;
    }
    if (this.#stage === 'over') return;
    if (this.#pending.length === 0 && this.#stage === 'head') this.#headSince = this.state.now;
    this.#pending = this.#pending.length === 0 ? bytes : Buffer.concat([this.#pending, bytes]);
    this.#process();
  }

  #process(): void {
    try {
      while (this.#pending.length > 0) {
        if (this.#stage === 'head') {
          if (!this.#readHead()) return;
        } else if (this.#stage === 'body') this.#readBody();
        else {
          if (this.#stage === 'answer') this.socket.pause();
          return;
        }
      }
    } catch (error) {
      if (!(error instanceof HeadError)) throw error;
      if (this.#exchange === undefined) this.refuse(error.status, error);
      else this.#giveUp(error.status);
    }
  }

  #readHead(): boolean {
    // Empty lines before a request are to be forgiven (RFC 9112, 2.2).
    while (this.#pending.length >= 2 && this.#pending[0] === 13 && this.#pending[1] === 10)
      this.#pending = this.#pending.subarray(2);
    const end = headEnd(this.#pending, this.#scanned);
    if (end < 0 ? this.#pending.length > headBytesMax : end > headBytesMax) throw new HeadError(400, 'The head is too long.');
    if (end < 0) {
      // What can never become a request need not be waited for.
      const first = this.#pending[0] ?? 0;
      if (this.#pending.length > 0 && this.#pending.indexOf(10) < 0 && (first < 33 || first > 126) && first !== 13)
        throw new HeadError(400, 'This is not HTTP.');
      if (this.#pending.length > 20_000 && this.#pending.indexOf(10) < 0)
        throw new HeadError(414, 'The request line is too long.');
      this.#scanned = this.#pending.length;
      return false;
    }
    const text = this.#pending.toString('latin1', 0, end);
    this.#pending = this.#pending.subarray(end);
    this.#scanned = 0;
    const head = parseRequest(text, this.state.http.desync);
    if (head.doubt !== undefined) this.state.counts.add('ambiguous');
    this.#begin(head, end);
    return true;
  }

  #begin(head: RequestHead, headBytes: number): void {
    const listener = this.#listener();
    if (listener === undefined) {
      this.#close();
      return;
    }
    this.#body = new BodyReader(head.body);
    this.#stage = this.#body.done ? 'answer' : 'body';
    const exchange = new Exchange(this, listener, head, headBytes);
    this.#exchange = exchange;
    exchange.begin();
    if (this.#body?.done === true && this.#exchange === exchange) exchange.onRequestEnd();
  }

  #readBody(): void {
    const body = this.#body!;
    const taken = body.take(this.#pending, 0);
    const part = this.#pending.subarray(0, taken);
    this.#pending = this.#pending.subarray(taken);
    if (body.done) this.#stage = 'answer';
    const exchange = this.#exchange;
    exchange?.onRequestBody(part);
    if (body.done) exchange?.onRequestEnd();
  }

  /** The answer is complete. `keep`: the connection may take the next request. */
  answered(keep: boolean): void {
    this.#exchange = undefined;
    this.#active = this.state.now;
    // A request whose body never came to an end leaves a connection on which nobody knows where the next begins.
    if (!keep || this.#stage !== 'answer') {
      this.#stage = 'over';
      this.socket.end();
      return;
    }
    this.#stage = 'head';
    this.#headSince = this.state.now;
    this.socket.resume();
    // Not at once: a client that sends a thousand requests ahead would fill the stack.
    if (this.#pending.length > 0) setImmediate(() => this.#process());
  }

  /** From now on bytes pass as they are. */
  tunnel(): void {
    this.#stage = 'tunnel';
    const rest = this.#pending;
    this.#pending = empty;
    this.socket.resume();
    if (rest.length > 0) this.#exchange?.onTunnel(rest);
  }

  /** Answers a request that could not be read, and closes. */
  refuse(status: number, why?: Doubt): void {
    const { counts } = this.state;
    counts.add('answers.node.4xx');
    if (status === 400) counts.add('ambiguous');
    if (this.state.http.log) this.#logRefusal(status, why);
    this.#stage = 'over';
    const page = ownPage(status);
    this.socket.end(
      `HTTP/1.1 ${status} ${reasonOf(status)}\r\nServer: awselb/2.0\r\nDate: ${new Date(this.state.now).toUTCString()}\r\n` +
        `Content-Type: text/html\r\nContent-Length: ${page.length}\r\nConnection: close\r\n\r\n${page}`,
      'latin1',
    );
  }

  #logRefusal(status: number, why: Doubt | undefined): void {
    const { arrival, state } = this;
    const now = Date.now();
    const scheme = arrival.secure ? 'https' : 'http';
    state.counts.log({
      kind: this.virtual ? 'h2' : scheme,
      ...{ at: now, began: this.#headSince || now, client: `${arrival.client}:${arrival.clientPort}`, target: '-' },
      ...{ requestTime: -1, targetTime: -1, responseTime: -1, status, targetStatus: 0 },
      ...{
        received: this.#pending.length,
        sent: ownPage(status).length,
        request: `- ${scheme}://${state.address}:${arrival.port}- -`,
      },
      ...{ userAgent: '-', cipher: arrival.tls?.cipher ?? '-', tlsVersion: arrival.tls?.version ?? '-', pool: '-', trace: '-' },
      ...{ serverName: arrival.tls?.serverName || '-', certificate: arrival.tls?.certificate || '-', priority: -1 },
      ...{ action: '-', redirect: '-', connection: arrival.connection },
      doubt: why === undefined || status !== 400 ? undefined : { grade: why.grade, reason: why.reason },
    });
  }

  /** The request went wrong in the middle of its body. */
  #giveUp(status: number): void {
    const exchange = this.#exchange;
    this.#exchange = undefined;
    exchange?.abandon();
    if (exchange?.begun === true) this.#close();
    else this.refuse(status);
  }

  #onEnd(): void {
    // A client that has said everything may still wait for its answer.
    if (this.#stage === 'head') this.#close();
    else if (this.#stage === 'tunnel') this.#exchange?.onTunnelEnd();
    else if (this.#stage === 'body') {
      this.#exchange?.onClientGone();
      this.#close();
    }
  }

  #close(): void {
    this.state.swept.delete(this);
    const exchange = this.#exchange;
    this.#exchange = undefined;
    this.#stage = 'over';
    exchange?.onClientGone();
    if (!this.socket.destroyed) this.socket.destroy();
  }

  /** Ends the connection at once, in the middle of an answer. */
  cut(): void {
    this.#exchange = undefined;
    this.#close();
  }
}
