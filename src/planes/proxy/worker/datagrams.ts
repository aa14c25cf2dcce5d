/** Datagrams: those of one client address and port are a flow, which stays with one target until it has been silent for a while. */
import dgram, { type Socket } from 'node:dgram';
import type { LiveListener, NodeState, Swept } from './node-state.ts';
import type { LiveTarget } from './pools.ts';
import { countBytes, drawPool } from './stream.ts';

const idleMillisDefault = 120_000;
const flowsMax = 20_000;

interface Flow extends Swept {
  socket: Socket;
  target: LiveTarget;
  active: number;
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
    flow.socket.send(bytes, flow.target.spec.port, flow.target.spec.address);
  });
  const open = (key: string, from: { address: string; port: number }, live: LiveListener): Flow | undefined => {
    const action = live.rules[0]?.action;
    const pool = action?.kind === 'forward' ? state.pools.get(drawPool(action.pools)) : undefined;
    const target = pool?.byHash(pool.spec.stickiness?.kind === 'source' ? from.address : key);
    if (target === undefined) return undefined;
    const socket = dgram.createSocket('udp4');
    const idleMillis = live.spec.idleMillis ?? idleMillisDefault;
    const flow: Flow = {
      socket,
      target,
      active: state.now,
      sweep: (now) => now - flow.active > idleMillis && flow.cut(),
      cut: () => {
        if (!flows.delete(key)) return;
        state.swept.delete(flow);
        target.users.delete(flow);
        target.outstanding -= 1;
        socket.close();
      },
    };
    socket.on('message', (bytes, sender) => {
      if (sender.address !== target.spec.address || sender.port !== target.spec.port) return;
      flow.active = state.now;
      countBytes(state, target, bytes.length);
      server.send(bytes, from.port, from.address);
    });
    socket.on('error', () => {});
    socket.bind(0, state.address);
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
