/**
 * The front of a port: HTTP and HTTPS on the same one, told apart by the first byte a client sends. 0x16 opens a TLS handshake and no HTTP
 * method begins with it. TLS, and the certificate behind it, is loaded with the first such client, so that a start pays nothing for it.
 * Rejected: a second port, because every client would have to be told which is which.
 */
import type { Server as HttpServer } from 'node:http';
import type { Http2Server } from 'node:http2';
import type { Socket } from 'node:net';
import type { SecureContext, TLSSocket, Server as TlsServer } from 'node:tls';
import type { CertificateAuthority } from '../kernel/certificate-authority.ts';
import type { ShownCertificate } from '../kernel/context.ts';

/** First byte of a TLS record of type handshake (RFC 8446, 5.1). */
const handshakeByte = 0x16;
/** What every HTTP/2 connection opens with (RFC 9113, 3.4); some SDK clients (Kinesis) speak it without asking, over TLS or without. */
const http2Preface = 'PRI * HTTP/2.0';
/** Real milliseconds that a client may take to send its first byte, and to end the handshake. */
const greetingMillisMax = 20_000;
/** Server names that certificates are kept for; beyond that the cache begins anew. */
const contextsMax = 1000;

/** What a client reaches this machine by, when it names no server (addresses are not named) or one that is not ours. */
const defaultNames: readonly string[] = [
  'localhost',
  'localhost.localstack.cloud',
  '*.localhost.localstack.cloud',
  '127.0.0.1',
  '::1',
];
/** Names that stand for this cloud; a certificate is made for each as it is asked for. */
const ownName =
  /^(?=.{1,253}$)(?:[a-z0-9_](?:[a-z0-9_-]{0,62})\.)+(?:localhost|localhost\.localstack\.cloud|amazonaws\.com|api\.aws)$/;

/** Hands a connection to the HTTP server as if it had accepted it itself. */
type Accept = (socket: Socket) => void;

interface FrontOptions {
  /** One more address that clients use. */
  address?: string | undefined;
  /** Certificates of names that users gave (custom domains). */
  find?: (name: string) => Promise<ShownCertificate | undefined>;
}

/**
 * Puts itself before an HTTP server that is not listening yet: its requests then come over plain or encrypted sockets. Returns how to end all connections and stop listening.
 */
export function addFront(
  http: HttpServer,
  authority: CertificateAuthority,
  { address, find = async () => undefined }: FrontOptions = {},
): () => Promise<void> {
  const names = address === undefined ? defaultNames : [...defaultNames, address];
  const early = new Set<Socket>();
  // Node's own listener does what a connection needs; it is called once it is known what the connection carries.
  const [serve] = http.listeners('connection') as Accept[];
  const accept: Accept = (socket) => serve?.call(http, socket);
  let opening: Promise<TlsServer> | undefined;
  const secure = (): Promise<TlsServer> => {
    opening ??= createTls(secureAcceptor(accept, acceptHttp2), authority, names);
    opening.catch(() => {
      opening = undefined;
    });
    return opening;
  };
  let multiplexing: Promise<Http2Server> | undefined;
  const multiplex = (): Promise<Http2Server> => {
    multiplexing ??= createHttp2(http);
    return multiplexing;
  };
  const acceptHttp2 = (socket: Socket): void => {
    multiplex().then(
      (server) => {
        server.emit('connection', socket);
        socket.resume();
      },
      () => socket.destroy(),
    );
  };
  http.removeAllListeners('connection').on('connection', (socket: Socket) => {
    early.add(socket);
    const forget = (): void => void early.delete(socket);
    const quit = (): void => void socket.destroy();
    // A client that ends its side before it has said anything gets no answer.
    socket.once('close', forget).once('end', quit).on('error', quit);
    socket.setTimeout(greetingMillisMax, quit);
    socket.once('data', (chunk: Buffer) => {
      socket.pause();
      socket.unshift(chunk);
      socket.setTimeout(0);
      socket.off('timeout', quit).off('end', quit);
      if (chunk[0] === handshakeByte) {
        const name = serverNameOf(chunk);
        const own = name === undefined || ownName.test(name) ? Promise.resolve(undefined) : find(name);
        own
          .then(async (given) => (given === undefined ? await secure() : await createGiven(accept, given)))
          .then((tls) => tls.emit('connection', socket), quit);
        return;
      }
      if (opensHttp2(chunk)) {
        // Stays among those that are ended with the server, which does not know it.
        acceptHttp2(socket);
        return;
      }
      socket.off('close', forget).off('error', quit);
      early.delete(socket);
      accept(socket);
      socket.resume();
    });
  });
  return async () => {
    for (const socket of early) socket.destroy();
    http.closeAllConnections();
    await new Promise((resolve) => http.close(resolve));
  };
}

/** What takes a connection after its handshake: by the version agreed on, or, as the SDK for Java agrees on none, by how it opens. */
function secureAcceptor(accept: Accept, acceptHttp2: Accept): (socket: TLSSocket) => void {
  return (socket) => {
    if (socket.alpnProtocol) {
      (socket.alpnProtocol === 'h2' ? acceptHttp2 : accept)(socket);
      return;
    }
    const quit = (): void => void socket.destroy();
    socket.setTimeout(greetingMillisMax, quit).once('end', quit).on('error', quit);
    socket.once('data', (chunk: Buffer) => {
      socket.pause();
      socket.unshift(chunk);
      socket.setTimeout(0).off('timeout', quit).off('end', quit);
      if (opensHttp2(chunk)) {
        // Node's server asks the handshake, which says nothing when the client did not.
        socket.alpnProtocol = 'h2';
        acceptHttp2(socket);
        return;
      }
      socket.off('error', quit);
      accept(socket);
      socket.resume();
    });
  };
}

function opensHttp2(chunk: Buffer): boolean {
  return chunk.toString('latin1', 0, http2Preface.length) === http2Preface;
}

/** A server for HTTP/2 that hands its requests to the HTTP server's own listener. */
async function createHttp2(http: HttpServer): Promise<Http2Server> {
  const { createServer } = await import('node:http2');
  return createServer((request, response) => void http.emit('request', request, response));
}

/** A server that is given sockets and hands on what they carry. */
async function createTls(
  accept: (socket: TLSSocket) => void,
  authority: CertificateAuthority,
  names: readonly string[],
): Promise<TlsServer> {
  const tls = await import('node:tls');
  const first = await authority.issue({ names });
  const chainOf = ({ certificate, chain }: { certificate: string; chain: string }): string => certificate + chain;
  const usual = tls.createSecureContext({ cert: chainOf(first), key: first.privateKey });
  const contextsCache = new Map<string, Promise<SecureContext>>();
  const contextFor = (name: string): Promise<SecureContext> => {
    let context = contextsCache.get(name);
    if (context === undefined) {
      context = authority
        .issue({ names: [name], privateKey: first.privateKey })
        .then((issued) => tls.createSecureContext({ cert: chainOf(issued), key: issued.privateKey }));
      if (contextsCache.size >= contextsMax) contextsCache.clear();
      contextsCache.set(name, context);
    }
    return context;
  };
  const server = tls.createServer({
    cert: chainOf(first),
    key: first.privateKey,
    // Whoever can speak HTTP/1.1 does, as at most of AWS's endpoints; clients of event streams offer HTTP/2 alone.
    ALPNCallback: ({ protocols }) => ['http/1.1', 'h2'].find((one) => protocols.includes(one)),
    handshakeTimeout: greetingMillisMax,
    SNICallback: (asked, done) => {
      const name = asked.toLowerCase();
      if (!ownName.test(name)) return done(null, usual);
      contextFor(name).then((context) => done(null, context), done);
    },
  });
  server.on('secureConnection', accept);
  // A client that does not trust us, or speaks something else, has ended its own connection.
  server.on('tlsClientError', (_error, socket) => socket.destroy());
  return server;
}

/**
 * A server that shows one certificate only. Node's SNICallback does not do: it adds a certificate to the usual one, and of two with keys of different kinds
 * the client may get the wrong one.
 */
async function createGiven(accept: Accept, shown: ShownCertificate): Promise<TlsServer> {
  const { certificate, chain = '', privateKey, minVersion, clientAuthorities } = shown;
  const tls = await import('node:tls');
  const server = tls.createServer({
    cert: certificate + chain,
    key: privateKey,
    ALPNProtocols: ['http/1.1'],
    handshakeTimeout: greetingMillisMax,
    ...(minVersion === undefined ? {} : { minVersion }),
    // The library speaks the oldest versions at its lowest level of security only.
    ...(minVersion === 'TLSv1' ? { ciphers: 'DEFAULT@SECLEVEL=0' } : {}),
    ...(clientAuthorities === undefined ? {} : { requestCert: true, rejectUnauthorized: false, ca: clientAuthorities }),
  });
  server.on('secureConnection', accept);
  server.on('tlsClientError', (_error, socket) => socket.destroy());
  return server;
}

/** The name that a client asks for in the first bytes of its handshake (RFC 8446, 4.1.2; RFC 6066, 3); undefined when there is none, or more must come. */
function serverNameOf(hello: Buffer): string | undefined {
  try {
    // Record and handshake heads, version, random.
    let at = 5 + 4 + 2 + 32;
    at += 1 + hello.readUInt8(at);
    at += 2 + hello.readUInt16BE(at);
    at += 1 + hello.readUInt8(at);
    const end = at + 2 + hello.readUInt16BE(at);
    for (at += 2; at + 4 <= end; ) {
      const type = hello.readUInt16BE(at);
      const length = hello.readUInt16BE(at + 2);
      // Extension 0: a list with one name, its type and its length before it.
      if (type === 0) return hello.toString('latin1', at + 9, at + 4 + length).toLowerCase();
      at += 4 + length;
    }
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
  }
  return undefined;
}
