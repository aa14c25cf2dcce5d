/** The sockets that a node listens on, kept in line with its spec. Connections stay when their listener's rules change, and go when it goes. */
import net, { type Server, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import tls, { type SecureContext, type TLSSocket } from 'node:tls';
import type { CertificateSpec, ListenerSpec, TlsSpec } from '../types.ts';
import { Client } from './client.ts';
import { listenDatagrams } from './datagrams.ts';
import { type Arrival, randomPart } from './forwarded.ts';
import { createHttp2 } from './http2.ts';
import type { LiveListener, NodeState } from './node-state.ts';
import { logFlow, StreamFlow } from './stream.ts';

interface NamedContext {
  key: string;
  names: readonly string[];
  context: SecureContext;
}

interface Open {
  live: LiveListener;
  tls?: { text: string; contexts: NamedContext[] } | undefined;
  /** Where the listener is secure: for clients that name no host. */
  secure?: tls.Server | undefined;
  close: () => void;
}

export class Listeners {
  readonly #state: NodeState;
  readonly #open = new Map<string, Open>();
  /** What is known of connections that carry streams. */
  readonly #known = new WeakMap<Duplex, Arrival>();
  /** When connections that shall be logged were opened, by address and port of the client. */
  readonly #began = new Map<string, number>();

  constructor(state: NodeState) {
    this.#state = state;
  }

  /** Makes the listeners so; resolves when all listen. */
  async update(specs: readonly ListenerSpec[]): Promise<void> {
    const wanted = new Map(specs.map((spec) => [keyOf(spec), spec]));
    for (const [key, open] of this.#open) {
      if (wanted.has(key)) continue;
      this.#open.delete(key);
      open.close();
    }
    for (const [key, spec] of wanted) {
      const open = this.#open.get(key);
      const live = this.#state.listener(spec);
      if (open !== undefined) {
        open.live = live;
        setContexts(open, spec.tls);
      } else await this.#listen(key, live);
    }
  }

  async #listen(key: string, live: LiveListener): Promise<void> {
    const { spec } = live;
    const current = (): LiveListener | undefined => this.#open.get(key)?.live;
    if (spec.kind === 'udp') {
      const close = await listenDatagrams(this.#state, spec.port, current);
      this.#open.set(key, { live, close });
      return;
    }
    const sockets = new Set<Socket>();
    const server =
      spec.tls === undefined
        ? net.createServer({ noDelay: true, allowHalfOpen: true }, (socket) => this.#serve(socket, spec.port, current))
        : this.#secureServer(key, spec, current);
    server.on('connection', (socket: Socket) => {
      sockets.add(socket);
      socket.once('close', () => sockets.delete(socket));
      this.#state.counts.add('connections.new');
      if (!(this.#state.http.logConnections || this.#state.http.log) || spec.tls === undefined) return;
      const from = `${(socket.remoteAddress ?? '').replace(/^::ffff:/, '')} ${socket.remotePort}`;
      this.#began.set(from, Date.now());
      socket.once('close', () => this.#began.delete(from));
    });
    const open: Open = {
      live,
      secure: server instanceof tls.Server ? server : undefined,
      close: () => {
        server.close();
        for (const socket of sockets) socket.destroy();
      },
    };
    setContexts(open, spec.tls);
    this.#open.set(key, open);
    await new Promise<void>((resolve, reject) => {
      server.once('error', (error) => {
        this.#open.delete(key);
        reject(error);
      });
      server.listen({ host: this.#state.address, port: spec.port, backlog: 1024 }, resolve);
    });
  }

  #serve(socket: Socket, port: number, current: () => LiveListener | undefined, over?: TLSSocket): void {
    const live = current();
    if (live === undefined) {
      socket.destroy();
      return;
    }
    const arrival = this.#arrivalOf(socket, port, over);
    this.#logConnection(arrival, false);
    if (live.spec.kind === 'tcp') StreamFlow.open(socket, this.#state, arrival, live);
    else new Client(socket, this.#state, arrival, current);
  }

  #secureServer(key: string, spec: ListenerSpec, current: () => LiveListener | undefined): Server {
    const streams = createHttp2((connection, over) => {
      new Client(connection, this.#state, this.#known.get(over) ?? this.#arrivalOf(over, spec.port, over), current, true);
    });
    const contextFor = (name: string): SecureContext | undefined => chooseContext(this.#open.get(key), name)?.context;
    const server = tls.createServer({
      ...{ noDelay: true, allowHalfOpen: true, honorCipherOrder: true },
      ...{ minVersion: spec.tls!.minVersion, maxVersion: spec.tls!.maxVersion, ciphers: spec.tls!.ciphers },
      ...{ cert: spec.tls!.certificates[0]?.chain, key: spec.tls!.certificates[0]?.privateKey },
      SNICallback: (name, done) => done(null, contextFor(name)),
      // Where bytes are passed on as they are no protocol is agreed on: the target may not speak what the client prefers.
      ...(spec.kind === 'http'
        ? {
            ALPNCallback: ({ protocols }: { protocols: string[] }) =>
              ['h2', 'http/1.1'].find((name) => protocols.includes(name) && (name !== 'h2' || this.#state.http.http2)),
          }
        : {}),
    });
    server.on('tlsClientError', (_error, socket) => {
      this.#state.counts.add('tls.failed');
      this.#logFailure(this.#arrivalOf(socket, spec.port, undefined, true), spec.kind);
    });
    server.on('secureConnection', (socket) => {
      socket.on('error', () => {});
      if (socket.alpnProtocol === 'h2' && current()?.spec.kind === 'http') {
        const arrival = this.#arrivalOf(socket, spec.port, socket);
        this.#known.set(socket, arrival);
        this.#logConnection(arrival, false);
        streams(socket);
      } else this.#serve(socket, spec.port, current, socket);
    });
    return server;
  }

  #arrivalOf(socket: Socket, port: number, over?: TLSSocket, listensSecurely = over !== undefined): Arrival {
    const { remoteAddress = '', remotePort = 0 } = over ?? socket;
    const { log, logConnections } = this.#state.http;
    const client = remoteAddress.replace(/^::ffff:/, '');
    const now = Date.now();
    const began = this.#began.get(`${client} ${remotePort}`) ?? now;
    return {
      ...{ client, began },
      clientPort: remotePort,
      port,
      secure: over !== undefined,
      listensSecurely,
      tls: over === undefined ? undefined : { ...this.#security(over, port), handshakeSeconds: (now - began) / 1000 },
      connection: log || logConnections ? `TID_${randomPart()}` : '',
    };
  }

  #security(socket: TLSSocket, port: number): Omit<NonNullable<Arrival['tls']>, 'handshakeSeconds'> {
    const cipher = socket.getCipher();
    // A client that names no host has `false` here.
    const serverName = typeof socket.servername === 'string' ? socket.servername : '';
    const open = [...this.#open.values()].find(({ live, tls: known }) => live.spec.port === port && known !== undefined);
    return {
      version: socket.getProtocol() ?? '',
      cipher: cipher.name,
      serverName,
      certificate: chooseContext(open, serverName)?.key ?? '',
    };
  }

  /** Of a connection whose handshake failed. */
  #logFailure(arrival: Arrival, kind: ListenerSpec['kind']): void {
    this.#logConnection(arrival, true);
    if (kind === 'tcp') logFlow(this.#state, arrival, 0, 0);
  }

  #logConnection({ client, clientPort, port, tls: secure, connection }: Arrival, failed: boolean): void {
    const { counts, http } = this.#state;
    if (!http.logConnections) return;
    counts.logConnection({
      ...{ at: Date.now(), client, clientPort, port, failed, connection },
      tls: secure,
    });
  }
}

/** What needs a listening socket of its own. Certificates, TLS versions and ciphers change on an open one: no client may be refused meanwhile. */
function keyOf({ port, kind, tls: secure }: ListenerSpec): string {
  return `${kind === 'udp' ? 'udp' : 'tcp'} ${port} ${kind}${secure === undefined ? '' : ' secure'}`;
}

function contextOptions({ minVersion, maxVersion, ciphers }: TlsSpec, cert: string, key: string): tls.SecureContextOptions {
  return { cert, key, minVersion, maxVersion, ciphers, honorCipherOrder: true };
}

/** Contexts are made again only when certificates or the policy change; connections that are open keep what they agreed on. */
function setContexts(open: Open, spec: TlsSpec | undefined): void {
  if (spec === undefined) return;
  const { minVersion, maxVersion, ciphers } = spec;
  const text = [minVersion, maxVersion, ciphers, ...spec.certificates.map(({ chain, privateKey }) => chain + privateKey)].join();
  if (open.tls?.text === text) return;
  const contextOf = ({ key, names, chain, privateKey }: CertificateSpec): NamedContext => ({
    key,
    names: names.map((name) => name.toLowerCase()),
    context: tls.createSecureContext(contextOptions(spec, chain, privateKey)),
  });
  open.tls = { text, contexts: spec.certificates.map(contextOf) };
  const first = spec.certificates[0];
  if (first !== undefined) open.secure?.setSecureContext(contextOptions(spec, first.chain, first.privateKey));
}

/** The certificate for a name: an exact one before one with a wildcard; the default for all else. */
function chooseContext(open: Open | undefined, name: string): NamedContext | undefined {
  const wanted = name.toLowerCase();
  const wild = wanted.replace(/^[^.]+/, '*');
  const contexts = open?.tls?.contexts ?? [];
  const found = contexts.find(({ names }) => names.includes(wanted)) ?? contexts.find(({ names }) => names.includes(wild));
  return found ?? contexts[0];
}
