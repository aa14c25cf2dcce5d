/**
 * The name server: listeners over UDP and TCP in front of the sources. A resolver's askers are known by their address (`identify`, the fabric's);
 * whom nobody knows gets no answer there. Rejected: a ready-made name server (BIND, CoreDNS): views by port and answers from rows would have to be
 * written into its files at each change.
 */
import { createSocket } from 'node:dgram';
import net from 'node:net';
import { resolveQuestion } from './resolve.ts';
import type { Dns, DnsAsker, DnsListener, DnsQuestion, DnsReply, ZoneSource } from './types.ts';
import { type Query, readQuery, writeReply } from './wire.ts';

/** Real milliseconds that an idle TCP connection is kept (RFC 7766 asks for some seconds). */
const idleMillis = 10_000;
const tcpBytesMax = 65_535;
const connectionsMax = 256;

export interface DnsServerOptions {
  /** The port behind a source address of the resolver's askers. */
  identify: (address: string) => { network: string; port: string; machine?: string | undefined } | undefined;
}

export class DnsServer implements Dns {
  readonly #sources: ZoneSource[] = [];
  readonly #identify: DnsServerOptions['identify'];

  constructor({ identify }: DnsServerOptions) {
    this.#identify = identify;
  }

  register(source: ZoneSource): () => void {
    this.#sources.push(source);
    return () => {
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
  async #answer(message: Buffer, kind: DnsListener['kind'], address: string, tcp: boolean): Promise<Buffer | undefined> {
    const query = readQuery(message);
    if (query === undefined || Buffer.isBuffer(query)) return query;
    const asker = this.#askerOf(query, kind, address);
    if (asker === undefined) return undefined;
    const reply = await resolveQuestion(this.#sources, query.question, asker, kind === 'resolver' ? 'NXDOMAIN' : 'REFUSED');
    return writeReply(query, reply, { recursive: kind === 'resolver', bytesMax: tcp ? tcpBytesMax : query.bytesMax });
  }

  #askerOf({ clientSubnet }: Query, kind: DnsListener['kind'], address: string): DnsAsker | undefined {
    if (kind === 'authoritative') return { address, clientSubnet };
    const identity = this.#identify(address);
    return identity === undefined ? undefined : { ...identity, address };
  }

  #listenUdp({ kind, address, port }: DnsListener): Promise<ReturnType<typeof createSocket>> {
    const socket = createSocket(net.isIPv6(address) ? 'udp6' : 'udp4');
    socket.on('message', (message, from) => {
      // An answer that cannot be made or sent is lost, as any datagram may be; the asker asks again.
      this.#answer(message, kind, from.address, false).then(
        (answer) => answer !== undefined && socket.send(answer, from.port, from.address, () => {}),
        () => {},
      );
    });
    return new Promise((resolve, reject) => {
      socket.once('error', reject);
      socket.bind({ address, port, exclusive: true }, () => {
        socket.off('error', reject).on('error', () => {});
        resolve(socket);
      });
    });
  }

  #listenTcp({ kind, address, port }: DnsListener): Promise<net.Server> {
    const open = new Set<net.Socket>();
    const server = net.createServer((socket) => {
      open.add(socket);
      socket.setTimeout(idleMillis, () => socket.destroy());
      socket.on('error', () => socket.destroy()).on('close', () => open.delete(socket));
      this.#serveStream(socket, kind);
    });
    server.maxConnections = connectionsMax;
    const close = server.close.bind(server);
    server.close = (done) => {
      for (const socket of open) socket.destroy();
      return close(done);
    };
    return new Promise((resolve, reject) => {
      server.once('error', reject).listen({ host: address, port }, () => {
        server.off('error', reject);
        resolve(server);
      });
    });
  }

  /** Messages of a stream, each behind its length in two bytes; answers go out in the order in which they are ready (RFC 7766). */
  #serveStream(socket: net.Socket, kind: DnsListener['kind']): void {
    let rest: Buffer = Buffer.alloc(0);
    const from = (socket.remoteAddress ?? '').replace(/^::ffff:/, '');
    socket.on('data', (chunk: Buffer) => {
      rest = Buffer.concat([rest, chunk]);
      while (rest.length >= 2 && rest.length >= 2 + rest.readUInt16BE(0)) {
        const end = 2 + rest.readUInt16BE(0);
        const message = rest.subarray(2, end);
        rest = rest.subarray(end);
        this.#answer(message, kind, from, true).then(
          (answer) => {
            if (answer === undefined || socket.destroyed) return;
            const length = Buffer.alloc(2);
            length.writeUInt16BE(answer.length, 0);
            socket.write(Buffer.concat([length, answer]));
          },
          () => socket.destroy(),
        );
      }
    });
  }
}
