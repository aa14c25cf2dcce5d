/** One look at a target: opens a connection of its own, and for HTTP asks for a path. */
import http from 'node:http';
import https from 'node:https';
import net from 'node:net';
import tls from 'node:tls';
import { localHeader } from './proxy-header.ts';
import type { Probe, ProbeResult } from '../types.ts';

/** What a probe finds, but for its times. */
type Found = { outcome: 'answered'; status: number } | { outcome: 'connected' | 'timeout' | 'failed' };

/** Probes a target from this address. Never rejects. */
export async function probeTarget(probe: Probe, from: string): Promise<ProbeResult> {
  const [at, began] = [Date.now(), performance.now()];
  const found = await (probe.protocol === 'tcp' ? probeConnect(probe, from) : probeHttp(probe, from));
  return { key: probe.key, at, seconds: (performance.now() - began) / 1000, ...found };
}

function probeConnect({ address, port, withHeader, timeoutMillis }: Probe, from: string): Promise<Found> {
  return new Promise((resolve) => {
    const socket = net.connect({ host: address, port, localAddress: from });
    const end = (outcome: 'connected' | 'timeout' | 'failed'): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve({ outcome });
    };
    const timer = setTimeout(() => end('timeout'), timeoutMillis);
    socket.on('connect', () => {
      if (withHeader === true) socket.write(localHeader);
      end('connected');
    });
    socket.on('error', () => end('failed'));
  });
}

function probeHttp({ address, port, protocol, path, withHeader, timeoutMillis, userAgent }: Probe, from: string): Promise<Found> {
  return new Promise((resolve) => {
    const secure = protocol === 'https';
    const options = {
      ...{ host: address, port, path, localAddress: from, agent: false, rejectUnauthorized: false },
      ...(withHeader === true ? { createConnection: () => connectWithHeader(address, port, from, secure) } : {}),
      headers: {
        host: port === (secure ? 443 : 80) ? address : `${address}:${port}`,
        connection: 'close',
        'user-agent': userAgent,
        'accept-encoding': 'gzip, compressed',
      },
    };
    const end = (result: Found): void => {
      clearTimeout(timer);
      request.destroy();
      resolve(result);
    };
    const timer = setTimeout(() => end({ outcome: 'timeout' }), timeoutMillis);
    const request = (secure ? https : http).get(options, (answer) =>
      end({ outcome: 'answered', status: answer.statusCode ?? 0 }),
    );
    request.on('error', () => end({ outcome: 'failed' }));
  });
}

/** A connection whose first bytes are the header, also where TLS follows. */
function connectWithHeader(address: string, port: number, from: string, secure: boolean): net.Socket {
  const socket = net.connect({ host: address, port, localAddress: from });
  socket.write(localHeader);
  return secure ? tls.connect({ socket, rejectUnauthorized: false }) : socket;
}
