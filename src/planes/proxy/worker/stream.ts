/** Connections passed on byte for byte: each stays with one target. */
import type { Duplex } from 'node:stream';
import { containsAddress, parseCidr4, parseIp4 } from '../../../base/cidr.ts';
import { serviceCidr } from '../../fabric/addresses.ts';
import type { Arrival } from './forwarded.ts';
import type { LiveListener, NodeState, Swept } from './node-state.ts';
import type { LiveTarget } from './pools.ts';
import { proxyHeader } from './proxy-header.ts';
import { type Origin, Upstream, type UpstreamUser } from './upstream.ts';

/** A silent flow is forgotten after this, unless the listener says otherwise. */
const idleMillisDefault = 350_000;

export class StreamFlow implements Swept, UpstreamUser {
  readonly #client: Duplex;
  readonly #state: NodeState;
  readonly #idleMillis: number;
  readonly #target: LiveTarget;
  readonly #upstream: Upstream;
  #active: number;
  readonly #arrival: Arrival;
  #received = 0;
  #sent = 0;
  #over = false;

  private constructor(client: Duplex, state: NodeState, target: LiveTarget, arrival: Arrival, idleMillis: number) {
    this.#client = client;
    this.#state = state;
    this.#target = target;
    this.#idleMillis = idleMillis;
    this.#arrival = arrival;
    this.#active = state.now;
    target.outstanding += 1;
    target.users.add(this);
    state.swept.add(this);
    const zone = target.spec.zone ?? state.zone;
    state.counts.add('flows', 1, target.pool.spec.key, zone);
    this.#upstream = Upstream.take(target, originOf(state, target, { address: arrival.client, port: arrival.clientPort }));
    this.#upstream.user = this;
    const { socket } = this.#upstream;
    if (target.pool.spec.tellsClients === true)
      socket.write(
        proxyHeader({ address: arrival.client, port: arrival.clientPort }, { address: state.address, port: arrival.port }),
      );
    client.on('data', (bytes: Buffer) => {
      this.#received += bytes.length;
      this.#active = state.now;
      if (!socket.write(bytes)) client.pause();
    });
    client.on('drain', () => socket.resume());
    client.on('end', () => socket.end());
    client.on('error', () => this.cut());
    client.on('close', () => this.cut());
    socket.on('end', () => client.end());
  }

  /** Passes a connection on; closes it at once when there is nobody to take it. */
  static open(client: Duplex, state: NodeState, arrival: Arrival, listener: LiveListener): void {
    const action = listener.rules[0]?.action;
    const pool = action?.kind === 'forward' ? state.pools.get(drawPool(action.pools)) : undefined;
    const target = pool?.spec.stickiness?.kind === 'source' ? pool.byHash(arrival.client) : pool?.next();
    if (target === undefined) {
      client.on('error', () => {});
      state.counts.add('rejected');
      logFlow(state, arrival, 0, 0);
      client.destroy();
      return;
    }
    new StreamFlow(client, state, target, arrival, listener.spec.idleMillis ?? idleMillisDefault);
  }

  sweep(now: number): void {
    if (now - this.#active > this.#idleMillis) this.cut();
  }

  onConnect(): void {}

  onData(bytes: Buffer): void {
    this.#sent += bytes.length;
    this.#active = this.#state.now;
    if (!this.#client.write(bytes)) this.#upstream.socket.pause();
  }

  onDrain(): void {
    this.#client.resume();
  }

  onClosed(why: 'closed' | 'failed' | 'timeout'): void {
    if (why !== 'closed')
      this.#state.counts.add('connections.failed', 1, this.#target.pool.spec.key, this.#target.spec.zone ?? '');
    this.#finish();
    if (why === 'closed') this.#client.end();
    else this.#client.destroy();
  }

  /** Ends the flow on both sides at once. */
  cut(): void {
    this.#finish();
    this.#upstream.destroy();
    this.#client.destroy();
  }

  #finish(): void {
    if (this.#over) return;
    this.#over = true;
    this.#state.swept.delete(this);
    this.#target.users.delete(this);
    this.#target.outstanding -= 1;
    countBytes(this.#state, this.#target, this.#received + this.#sent);
    logFlow(this.#state, this.#arrival, this.#received, this.#sent);
  }
}

/** Logs a flow that is over, or whose handshake failed, where its listener is secure and the node's log is on. */
export function logFlow({ http, counts, address }: NodeState, arrival: Arrival, received: number, sent: number): void {
  if (!http.log || !arrival.listensSecurely) return;
  const { client, clientPort, port, began, tls } = arrival;
  const at = Date.now();
  const seconds = (at - began) / 1000;
  const handshakeSeconds = tls?.handshakeSeconds ?? seconds;
  counts.logFlow({ at, client, clientPort, address, port, seconds, handshakeSeconds, received, sent, tls });
}

const passages = parseCidr4(serviceCidr)!;

/** Whence a client's flow goes on to a target. Clients over passages, and those in the node's own namespace, have no address that leads back here. */
export function originOf(state: NodeState, { pool }: LiveTarget, client: Required<Origin>): Origin {
  const known = client.address !== state.address && !containsAddress(passages, parseIp4(client.address) ?? 0);
  return pool.spec.speaksForClients === true && known ? client : { address: state.address };
}

/** Counts bytes that went to a target or came from it; those of another zone than the node's once more. */
export function countBytes(state: NodeState, { spec: { zone }, pool }: LiveTarget, bytes: number): void {
  state.counts.add('bytes', bytes);
  if (zone !== undefined && zone !== state.zone) state.counts.add('bytes.across', bytes, pool.spec.key, zone);
}

/** A pool by weight. */
export function drawPool(pools: readonly { pool: string; weight: number }[]): string {
  let draw = Math.random() * pools.reduce((sum, { weight }) => sum + weight, 0);
  for (const { pool, weight } of pools) {
    draw -= weight;
    if (draw < 0) return pool;
  }
  return pools[0]?.pool ?? '';
}
