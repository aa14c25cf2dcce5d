/**
 * A load balancer node against nginx (Debian) as proxies to the same backend, in one run: requests a second and p99, plain and with TLS between client
 * and proxy. Needs nginx, wrk and openssl; measures nothing where one is missing. nginx takes a worker for each processor, a node is one process.
 */
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { ListenerSpec, ProxyNodeSpec } from '../../src/planes/proxy/types.ts';
import { Listeners } from '../../src/planes/proxy/worker/listeners.ts';
import { NodeState } from '../../src/planes/proxy/worker/node-state.ts';
import type { Measurement } from './cloud.ts';

const ports = { backend: 19_801, nginx: 19_802, node: 19_803, nginxTls: 19_804, nodeTls: 19_805 };
const seconds = 4;
const rounds = 2;
const ciphers = 'ECDHE-RSA-AES128-GCM-SHA256';

function nginxConfiguration(folder: string): string {
  const forward =
    'location / { proxy_pass http://backend; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for; }';
  return `worker_processes auto; daemon off; pid ${folder}/nginx.pid; error_log ${folder}/error.log;
events { worker_connections 4096; }
http {
  access_log off; keepalive_requests 100000000;
  upstream backend { server 127.0.0.1:${ports.backend}; keepalive 64; keepalive_requests 100000000; }
  server { listen 127.0.0.1:${ports.backend}; location / { return 200 "one small page of thirty-six bytes.\\n"; } }
  server { listen 127.0.0.1:${ports.nginx}; ${forward} }
  server { listen 127.0.0.1:${ports.nginxTls} ssl; ssl_certificate ${folder}/certificate.pem; ssl_certificate_key ${folder}/key.pem;
    ssl_protocols TLSv1.2; ssl_ciphers ${ciphers}; ${forward} }
}`;
}

interface Run {
  perSecond: number;
  p99: number;
  /** Processor time for each request, of nginx (which is the backend too) and of the node. */
  nginxMicros: number;
  ownMicros: number;
}

/** Starts a node in this process; resolves with how to end it. */
async function startNode(folder: string): Promise<() => Promise<void>> {
  const rules = [{ priority: 0, conditions: [], action: { kind: 'forward' as const, pools: [{ pool: 'backend', weight: 1 }] } }];
  const certificate = { key: 'one', names: ['localhost'], chain: readFileSync(`${folder}/certificate.pem`, 'utf8') };
  const secure: ListenerSpec['tls'] = {
    ...{ minVersion: 'TLSv1.2', maxVersion: 'TLSv1.2', ciphers },
    certificates: [{ ...certificate, privateKey: readFileSync(`${folder}/key.pem`, 'utf8') }],
  };
  const target = { key: 'one', address: '127.0.0.1', port: ports.backend, state: 'up' as const };
  const spec: ProxyNodeSpec = {
    ...{ key: 'bench', machine: 'bench', address: '127.0.0.1', zone: 'a', secret: 'x'.repeat(32) },
    http: {
      ...{ idleMillis: 60_000, keepAliveMillis: 3_600_000, http2: true, dropInvalidHeaders: false, desync: 'defensive' },
      ...{
        preserveHost: false,
        forwardedFor: 'append',
        forwardedForPort: false,
        tlsHeaders: false,
        log: false,
        logConnections: false,
      },
    },
    pools: [
      { key: 'backend', protocol: 'http', algorithm: 'round-robin', crossZone: true, slowStartMillis: 0, targets: [target] },
    ],
    listeners: [
      { port: ports.node, kind: 'http', rules },
      { port: ports.nodeTls, kind: 'http', rules, tls: secure },
    ],
  };
  const state = new NodeState(() => Promise.reject(new Error('No pool of the bench is one of functions.')));
  state.update(spec);
  const listeners = new Listeners(state);
  await listeners.update(spec.listeners);
  return () => listeners.update([]);
}

/** Processor time of nginx's workers so far, in microseconds; the kernel counts in hundredths of a second. */
function nginxMicros(pid: number): number {
  const workers = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8')
    .split(' ')
    .filter((text) => text !== '');
  const ticks = workers.map((worker) => {
    const fields = readFileSync(`/proc/${worker}/stat`, 'utf8').split(') ')[1]!.split(' ');
    return Number(fields[11]) + Number(fields[12]);
  });
  return ticks.reduce((sum, each) => sum + each, 0) * 10_000;
}

/** One run of wrk, which must not block this process: the node serves in it. */
async function drive(url: string, nginx: number): Promise<Run> {
  const [before, own] = [nginxMicros(nginx), process.cpuUsage()];
  const child = spawn('wrk', ['-t1', '-c32', `-d${seconds}`, '--latency', url], { stdio: ['ignore', 'pipe', 'inherit'] });
  let output = '';
  child.stdout.on('data', (part: Buffer) => {
    output += part.toString();
  });
  await new Promise((resolve) => child.once('close', resolve));
  if (/Non-2xx/.test(output)) throw new Error(`${url} answers errors:\n${output}`);
  const [, amount = '0', unit = 'ms'] = /99%\s+([\d.]+)(us|ms|s)/.exec(output) ?? [];
  const factor = unit === 'us' ? 0.001 : unit === 's' ? 1000 : 1;
  const requests = Number(/(\d+) requests in/.exec(output)?.[1]);
  const { user, system } = process.cpuUsage(own);
  return {
    ...{ perSecond: Number(/Requests\/sec:\s+([\d.]+)/.exec(output)?.[1]), p99: Number(amount) * factor },
    ...{ nginxMicros: (nginxMicros(nginx) - before) / requests, ownMicros: (user + system) / requests },
  };
}

/** The better of two rounds of each, taking turns, so that a busy moment of the machine meets both. */
export async function bench(): Promise<Measurement[]> {
  for (const program of ['nginx', 'wrk', 'openssl']) if (spawnSync(program, ['-v']).error !== undefined) return [];
  const folder = mkdtempSync(path.join(tmpdir(), 'pilvi-bench-'));
  const subject = ['-subj', '/CN=localhost', '-keyout', `${folder}/key.pem`, '-out', `${folder}/certificate.pem`];
  execFileSync('openssl', ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', ...subject], { stdio: 'pipe' });
  writeFileSync(`${folder}/nginx.conf`, nginxConfiguration(folder));
  const nginx = spawn('nginx', ['-c', `${folder}/nginx.conf`], { stdio: 'ignore' });
  let stop: (() => Promise<void>) | undefined;
  try {
    stop = await startNode(folder);
    await pause(500);
    const measured: Measurement[] = [];
    for (const [kind, scheme, one, other] of [
      ['plain', 'http', ports.nginx, ports.node],
      ['TLS', 'https', ports.nginxTls, ports.nodeTls],
    ] as const) {
      let peer: Run = { perSecond: 0, p99: 0, nginxMicros: 0, ownMicros: 0 };
      let ours = peer;
      for (let round = 0; round < rounds; round += 1) {
        const first = await drive(`${scheme}://127.0.0.1:${one}/`, nginx.pid ?? 0);
        const second = await drive(`${scheme}://127.0.0.1:${other}/`, nginx.pid ?? 0);
        if (first.perSecond > peer.perSecond) peer = first;
        if (second.perSecond > ours.perSecond) ours = second;
      }
      measured.push(
        { name: `${kind}: nginx`, value: peer.perSecond, unit: 'requests/s' },
        { name: `${kind}: nginx, p99`, value: peer.p99, unit: 'ms' },
        { name: `${kind}: load balancer node`, value: ours.perSecond, unit: 'requests/s' },
        { name: `${kind}: load balancer node, p99`, value: ours.p99, unit: 'ms' },
        { name: `${kind}: node against nginx`, value: ours.perSecond / peer.perSecond, unit: '×' },
        // Unlike requests a second these hold on a busy machine. What the backend takes is the same for both.
        { name: `${kind}: nginx, processor time a request`, value: peer.nginxMicros - ours.nginxMicros, unit: 'µs' },
        { name: `${kind}: load balancer node, processor time a request`, value: ours.ownMicros, unit: 'µs' },
      );
    }
    return measured;
  } finally {
    await stop?.();
    nginx.kill();
    rmSync(folder, { recursive: true });
  }
}
