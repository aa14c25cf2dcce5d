/** Datagrams: those of one client address and port are a flow, which stays with one target until it has been silent for a while. */
import dgram from 'node:dgram';
import type { LiveListener, NodeState, Swept } from './node-state.ts';
import type { LiveTarget } from './pools.ts';
import { countBytes, drawPool, originOf } from './stream.ts';

const idleMillisDefault = 120_000;
const flowsMax = 20_000;
/** Datagrams that wait for their flow's socket. */
const waitingMax = 64;

interface Flow extends Swept {
  target: LiveTarget;
  active: number;
  send: (bytes: Buffer) => void;
  cut: () => void;
}

/** Listens; resolves with how to stop. Rejects when the port cannot be had. */
export function listenDatagrams(state: NodeState, port: number, listener: () => LiveListener | undefined): Promise<() => void> {
  const server = dgram.createSocket('udp4');
  const flows = new Map<string, Flow>();
  server.on('message', (bytes, from) => {
    const live = listener();
    const key = `${from.address}:${from.port}`;
    const flow = flows.get(key) ?? (live === undefined || flows.size >= flowsMax ? undefined : open(key, from, live));
    if (flow === undefined) return;
    flow.active = state.now;
    countBytes(state, flow.target, bytes.length);
    flow.send(bytes);
  });
  const open = (key: string, from: { address: string; port: number }, live: LiveListener): Flow | undefined => {
    const action = live.rules[0]?.action;
    const pool = action?.kind === 'forward' ? state.pools.get(drawPool(action.pools)) : undefined;
    const target = pool?.byHash(pool.spec.stickiness?.kind === 'source' ? from.address : key);
    if (target === undefined) return undefined;
    const socket = dgram.createSocket({ type: 'udp4', reuseAddr: true });
    const waiting: Buffer[] = [];
    let connected = false;
    const idleMillis = live.spec.idleMillis ?? idleMillisDefault;
    const flow: Flow = {
      target,
      active: state.now,
      send: (bytes) => (connected ? socket.send(bytes) : waiting.length < waitingMax && waiting.push(bytes)),
      sweep: (now) => now - flow.active > idleMillis && flow.cut(),
      cut: () => {
        if (!flows.delete(key)) return;
        state.swept.delete(flow);
        target.users.delete(flow);
        target.outstanding -= 1;
        socket.close();
      },
    };
    socket.on('message', (bytes) => {
      flow.active = state.now;
      countBytes(state, target, bytes.length);
      server.send(bytes, from.port, from.address);
    });
    socket.on('error', () => {});
    // Connected, so that two flows that leave from the same client's port to two targets get their own answers each.
    const origin = originOf(state, target, from);
    socket.bind(origin.port ?? 0, origin.address, () => {
      if (flows.get(key) !== flow) return;
      socket.connect(target.spec.port, target.spec.address, () => {
        connected = true;
        for (const bytes of waiting.splice(0)) socket.send(bytes);
      });
    });
    flows.set(key, flow);
    target.users.add(flow);
    target.outstanding += 1;
    state.swept.add(flow);
    state.counts.add('flows', 1, target.pool.spec.key, target.spec.zone ?? state.zone);
    return flow;
  };
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.bind(port, state.address, () => {
      server.off('error', reject);
      server.on('error', () => {});
      resolve(() => {
        for (const flow of [...flows.values()]) flow.cut();
        server.close();
      });
    });
  });
}
