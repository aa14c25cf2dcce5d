/**
 * The name server: listeners over UDP and TCP in front of the sources. A resolver's askers are known by their address (`identify`, the fabric's);
 * whom nobody knows gets no answer there. Rejected: a ready-made name server (BIND, CoreDNS): views by port and answers from rows would have to be
 * written into its files at each change.
 */
import { createSocket } from 'node:dgram';
import net from 'node:net';
import type { Millis } from '../../base/clock.ts';
import { type ForwardTarget, forwardQuestion } from './forward.ts';
import { rootAddress, topLevelAddress } from '../fabric/addresses.ts';
import { ZoneBook } from './hosted/zone-book.ts';
import { ReadyAnswers } from './ready-answers.ts';
import { NameRegistry } from './registry.ts';
import { isInZone, plainName, resolveQuestion } from './resolve.ts';
import type { Dns, DnsAsker, DnsListener, DnsQuestion, DnsReply, ForwardRule, ZoneSource } from './types.ts';
import { type Query, readQuery, writeReply } from './wire.ts';

/** Real milliseconds that an idle TCP connection is kept (RFC 7766 asks for some seconds). */
const idleMillis = 10_000;
const tcpBytesMax = 65_535;
const connectionsMax = 256;
const dnsPort = 53;

export interface DnsServerOptions {
  /** The port behind a source address of the resolver's askers; without a network for those who are on the internet. */
  identify: (
    address: string,
  ) => { network?: string | undefined; port?: string | undefined; machine?: string | undefined } | undefined;
  /** Cloud time, for answers that are kept for their time to live. */
  now?: (() => Millis) | undefined;
}

/** What tells apart listeners that answer the same question differently. */
function doorOf({ source, address }: DnsListener): string {
  return source === undefined ? '' : `${source.name} ${address} `;
}

export class DnsServer implements Dns {
  readonly #sources: ZoneSource[] = [];
  readonly #identify: DnsServerOptions['identify'];
  readonly hosted: ZoneBook;
  readonly registry: NameRegistry;
  readonly #forwarding = new Map<string, readonly ForwardRule[]>();
  readonly #ready: ReadyAnswers;
  /** Rises when a source comes or goes. */
  #sourcesVersion = 0;
  readonly #serving = new Map<string, Promise<{ close(): Promise<void> }>>();

  constructor({ identify, now = () => 0 }: DnsServerOptions) {
    this.#identify = identify;
    const follow = (question: DnsQuestion, asker: DnsAsker) => resolveQuestion(this.#sources, question, asker, 'NXDOMAIN');
    this.hosted = new ZoneBook({ now, follow, domainOf: (name) => this.registry.domainOf(name) });
    this.registry = new NameRegistry({ root: rootAddress, top: topLevelAddress, zones: this.hosted, follow });
    this.#sources.push(this.hosted, this.registry);
    this.#ready = new ReadyAnswers(() => this.#version());
  }

  #version(): number {
    return this.#sourcesVersion + this.hosted.version + this.registry.version;
  }

  async serveAt(addresses: readonly string[]): Promise<void> {
    await this.#serve(addresses, this.hosted);
  }

  async #serve(addresses: readonly string[], source: ZoneSource): Promise<void> {
    await Promise.all(
      addresses.map(async (address) => {
        const known = this.#serving.get(address);
        if (known !== undefined) return known;
        const opened = this.listen({ kind: 'authoritative', address, port: dnsPort, source });
        this.#serving.set(address, opened);
        opened.catch(() => this.#serving.delete(address));
        return opened;
      }),
    );
  }

  async serveRegistry(): Promise<void> {
    await this.#serve([rootAddress, topLevelAddress], this.registry);
  }

  /** Ends what `serveAt` and `serveRegistry` opened. */
  async close(): Promise<void> {
    const open = await Promise.allSettled(this.#serving.values());
    await Promise.all(open.map((one) => (one.status === 'fulfilled' ? one.value.close() : undefined)));
  }

  setForwarding(network: string, rules: readonly ForwardRule[]): void {
    if (rules.length === 0) this.#forwarding.delete(network);
    else
      this.#forwarding.set(
        network,
        [...rules].sort((a, b) => b.name.length - a.name.length),
      );
  }

  /** Servers of the longest rule that a name falls under; undefined for the usual way. */
  #routeOf(network: string, name: string): readonly ForwardTarget[] | undefined {
    const rule = this.#forwarding.get(network)?.find((one) => isInZone(name, one.name));
    if (rule === undefined) return undefined;
    const own = this.hosted.ownApex(name, network);
    return own !== undefined && own.length > rule.name.length ? undefined : rule.targets;
  }

  register(source: ZoneSource): () => void {
    this.#sources.push(source);
    this.#sourcesVersion += 1;
    return () => {
      this.#sourcesVersion += 1;
      const at = this.#sources.indexOf(source);
      if (at >= 0) this.#sources.splice(at, 1);
    };
  }

  resolve(question: DnsQuestion, asker: DnsAsker): Promise<DnsReply> {
    return resolveQuestion(this.#sources, question, asker, 'NXDOMAIN');
  }

  async listen(listener: DnsListener): Promise<{ port: number; close(): Promise<void> }> {
    const tcp = await this.#listenTcp(listener);
    const { port } = tcp.address() as net.AddressInfo;
    const closeTcp = () => new Promise<void>((resolve) => tcp.close(() => resolve()));
    try {
      const udp = await this.#listenUdp({ ...listener, port });
      return {
        port,
        close: async () => {
          await Promise.all([closeTcp(), new Promise<void>((resolve) => udp.close(resolve))]);
        },
      };
    } catch (error) {
      await closeTcp();
      throw error;
    }
  }

  /** Bytes to send back, or undefined when nothing is to be said. */
  async #answer(message: Buffer, listener: DnsListener, address: string, tcp: boolean): Promise<Buffer | undefined> {
    const version = this.#version();
    const query = readQuery(message);
    if (query === undefined || Buffer.isBuffer(query)) return query;
    const asker = this.#askerOf(query, listener, address, tcp ? 'tcp' : 'udp');
    if (asker === undefined) return undefined;
    const recursive = listener.kind === 'resolver';
    const reply = recursive
      ? await this.#recurse(query.question, asker)
      : await resolveQuestion(
          listener.source === undefined ? this.#sources : [listener.source],
          query.question,
          asker,
          'REFUSED',
        );
    const answer = writeReply(query, reply, { recursive, bytesMax: tcp ? tcpBytesMax : query.bytesMax });
    if (!recursive && !tcp && this.#isPlain(query.question, asker, listener))
      this.#ready.keep(doorOf(listener), message, answer, { version, count: this.hosted.counterOf(query.question, asker) });
    return answer;
  }

  #isPlain(question: DnsQuestion, asker: DnsAsker, { source }: DnsListener): boolean {
    if (!this.hosted.isPlain(question, asker)) return false;
    if (source !== undefined) return source === this.hosted;
    return this.#sources.every((one) => one === this.hosted || one.mayAnswer?.(question.name) === false);
  }

  /** A resolver's way: forwarded where the network's rules say so, else our sources, and on to the servers of a zone that was handed on. */
  async #recurse(question: DnsQuestion, asker: DnsAsker): Promise<DnsReply> {
    const failed: DnsReply = { status: 'SERVFAIL', answers: [], authorities: [], authoritative: false };
    const targets = asker.network === undefined ? undefined : this.#routeOf(asker.network, question.name);
    if (targets !== undefined) return (await forwardQuestion(question, targets)) ?? failed;
    const reply = await resolveQuestion(this.#sources, question, asker, 'NXDOMAIN');
    const names = reply.authorities.flatMap((record) => (record.type === 'NS' ? [record.data] : []));
    if (names.length === 0) return reply;
    const last = reply.answers.at(-1);
    const rest = last?.type === 'CNAME' ? { ...question, name: plainName(last.data) } : question;
    if (last !== undefined && rest === question) return reply;
    for (const name of names) {
      const known = reply.glue?.filter((record) => record.name === name) ?? [];
      const { answers } =
        known.length > 0 ? { answers: known } : await resolveQuestion(this.#sources, { name, type: 'A' }, asker, 'NXDOMAIN');
      const servers = answers.flatMap((record) => (record.type === 'A' ? [{ address: record.data, port: 53 }] : []));
      const answer = await forwardQuestion(rest, servers);
      if (answer !== undefined) return { ...answer, answers: [...reply.answers, ...answer.answers] };
    }
    return failed;
  }

  #askerOf(
    { clientSubnet }: Query,
    { kind, source, address: server }: DnsListener,
    address: string,
    transport: 'udp' | 'tcp',
  ): DnsAsker | undefined {
    if (kind === 'authoritative') return { address, clientSubnet, transport, server: source === undefined ? undefined : server };
    const identity = this.#identify(address);
    return identity === undefined ? undefined : { ...identity, address, transport };
  }

  #listenUdp(listener: DnsListener): Promise<ReturnType<typeof createSocket>> {
    const { address, port, sockets } = listener;
    const family = net.isIPv6(address) ? 6 : 4;
    // Answers go to addresses only: nothing is looked up, and nothing waits for a turn of the event loop.
    const socket = createSocket({ type: `udp${family}`, lookup: (name, _options, done) => done(null, name, family) });
    const door = listener.kind === 'authoritative' ? doorOf(listener) : undefined;
    socket.on('message', (message, from) => {
      const ready = door === undefined ? undefined : this.#ready.find(door, message);
      if (ready !== undefined) {
        socket.send(ready, from.port, from.address);
        return;
      }
      // An answer that cannot be made or sent is lost, as any datagram may be; the asker asks again.
      this.#answer(message, listener, from.address, false).then(
        (answer) => answer !== undefined && socket.send(answer, from.port, from.address, () => {}),
        () => {},
      );
    });
    return new Promise((resolve, reject) => {
      socket.once('error', reject);
      socket.bind(sockets === undefined ? { address, port, exclusive: true } : { fd: sockets.udp, exclusive: true }, () => {
        socket.off('error', reject).on('error', () => {});
        resolve(socket);
      });
    });
  }

  #listenTcp(listener: DnsListener): Promise<net.Server> {
    const open = new Set<net.Socket>();
    const server = net.createServer((socket) => {
      open.add(socket);
      socket.setTimeout(idleMillis, () => socket.destroy());
      socket.on('error', () => socket.destroy()).on('close', () => open.delete(socket));
      this.#serveStream(socket, listener);
    });
    server.maxConnections = connectionsMax;
    const close = server.close.bind(server);
    server.close = (done) => {
      for (const socket of open) socket.destroy();
      return close(done);
    };
    const { address: host, port, sockets } = listener;
    return new Promise((resolve, reject) => {
      server.once('error', reject).listen(sockets === undefined ? { host, port } : { fd: sockets.tcp }, () => {
        server.off('error', reject);
        resolve(server);
      });
    });
  }

  /** Messages of a stream, each behind its length in two bytes; answers go out in the order in which they are ready (RFC 7766). */
  #serveStream(socket: net.Socket, listener: DnsListener): void {
    let rest: Buffer = Buffer.alloc(0);
    const from = (socket.remoteAddress ?? '').replace(/^::ffff:/, '');
    socket.on('data', (chunk: Buffer) => {
      rest = Buffer.concat([rest, chunk]);
      while (rest.length >= 2 && rest.length >= 2 + rest.readUInt16BE(0)) {
        const end = 2 + rest.readUInt16BE(0);
        const message = rest.subarray(2, end);
        rest = rest.subarray(end);
        this.#answer(message, listener, from, true).then(
          (answer) => {
            if (answer === undefined || socket.destroyed) return;
            const length = Buffer.alloc(2);
            length.writeUInt16BE(answer.length, 0);
            // Who asks without taking the answers is asked for nothing more until they are gone.
            if (!socket.write(Buffer.concat([length, answer]))) socket.pause().once('drain', () => socket.resume());
          },
          () => socket.destroy(),
        );
      }
    });
  }
}
