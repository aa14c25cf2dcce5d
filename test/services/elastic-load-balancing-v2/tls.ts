/** Certificates that users bring, made by openssl, and handshakes with nodes of load balancers. */
import { execFile, execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import net, { type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import tls, { type ConnectionOptions, type TLSSocket } from 'node:tls';
import { promisify } from 'node:util';
import { connectInside } from './support.ts';

/** Why certificates cannot be made here, or undefined. */
export const opensslRefused: string | undefined =
  spawnSync('openssl', ['version']).error === undefined ? undefined : 'needs openssl';

/** PEM texts. */
export interface Pair {
  certificate: string;
  key: string;
}

/** Runs openssl in a folder that is gone afterwards. `run` gets a way to start it and one to read a file that it wrote. */
function withOpenssl<T>(make: (openssl: (...words: string[]) => void, at: (file: string) => string) => T): T {
  const folder = mkdtempSync(path.join(tmpdir(), 'pilvi-elb-'));
  try {
    return make(
      (...words) => void execFileSync('openssl', words, { stdio: 'pipe' }),
      (file) => path.join(folder, file),
    );
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const p256 = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1'];

/** A certificate that signs itself. RSA unless told, for clients that are old. */
export function makePair(name: string, kind: 'rsa' | 'p256' = 'rsa', days = 30): Pair {
  return withOpenssl((openssl, at) => {
    openssl(
      ...['req', '-x509', ...(kind === 'rsa' ? ['-newkey', 'rsa:2048'] : p256), '-nodes', '-days', String(days)],
      ...['-subj', `/CN=${name}`, '-addext', `subjectAltName=DNS:${name}`, '-keyout', at('key'), '-out', at('certificate')],
    );
    return { certificate: readFileSync(at('certificate'), 'utf8'), key: readFileSync(at('key'), 'utf8') };
  });
}

/** A certificate under an intermediate authority under a root; the chain is both authorities', the nearer first. */
export function makeChain(name: string): Pair & { chain: string; root: string } {
  return withOpenssl((openssl, at) => {
    const authority = ['-addext', 'basicConstraints=critical,CA:TRUE'];
    openssl(
      ...['req', '-x509', ...p256, '-nodes', '-days', '30', '-subj', '/CN=Root', ...authority],
      ...['-keyout', at('root.key'), '-out', at('root')],
    );
    const sign = (subject: string, file: string, above: string, extension: string): void => {
      openssl('req', ...p256, '-nodes', '-subj', `/CN=${subject}`, '-keyout', at(`${file}.key`), '-out', at(`${file}.request`));
      writeFileSync(at('extensions'), extension);
      openssl(
        ...['x509', '-req', '-in', at(`${file}.request`), '-CA', at(above), '-CAkey', at(`${above}.key`), '-CAcreateserial'],
        ...['-days', '20', '-extfile', at('extensions'), '-out', at(file)],
      );
    };
    sign('Middle', 'middle', 'root', 'basicConstraints=critical,CA:TRUE');
    sign(name, 'leaf', 'middle', `subjectAltName=DNS:${name}`);
    const read = (file: string): string => readFileSync(at(file), 'utf8');
    return { certificate: read('leaf'), key: read('leaf.key'), chain: `${read('middle')}${read('root')}`, root: read('root') };
  });
}

/** A handshake with a node; rejects when it fails. `data` is the folder of a cloud of one's own. */
export async function shake(address: string, port: number, options: ConnectionOptions = {}, data?: string): Promise<TLSSocket> {
  const under = await connectInside(address, port, data);
  return new Promise((resolve, reject) => {
    const socket = tls.connect({ socket: under, rejectUnauthorized: false, ...options }, () => resolve(socket));
    socket.once('error', reject);
    under.once('close', () => reject(new Error('The connection was closed in the handshake.')));
  });
}

/** Common name of the certificate that a client is shown. */
export async function presented(address: string, port: number, servername?: string, data?: string): Promise<string> {
  const socket = await shake(address, port, servername === undefined ? {} : { servername }, data);
  const name = String(socket.getPeerCertificate().subject.CN);
  socket.destroy();
  return name;
}

/** What `openssl s_client` says of a handshake with a node, and how it ends; more words go to openssl. */
export async function sClient(
  address: string,
  port: number,
  words: readonly string[],
  data?: string,
): Promise<{ status: number; output: string }> {
  const relay = net.createServer((socket) => {
    socket.on('error', () => {});
    void connectInside(address, port, data).then(
      (inside) => {
        socket.pipe(inside).pipe(socket);
        socket.on('close', () => inside.destroy());
      },
      () => socket.destroy(),
    );
  });
  await new Promise<void>((resolve) => relay.listen(0, '127.0.0.1', resolve));
  try {
    const at = `127.0.0.1:${(relay.address() as AddressInfo).port}`;
    const asking = promisify(execFile)('openssl', ['s_client', '-connect', at, ...words]);
    asking.child.stdin?.end();
    return await asking.then(
      ({ stdout, stderr }) => ({ status: 0, output: stdout + stderr }),
      (error: { code: number; stdout: string; stderr: string }) => ({ status: error.code, output: error.stdout + error.stderr }),
    );
  } finally {
    relay.close();
  }
}

/** Every certificate that a client is shown, leaf first, as PEM. */
export async function shownChain(address: string, port: number, servername: string): Promise<string[]> {
  const { output } = await sClient(address, port, ['-servername', servername, '-showcerts']);
  return output.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
}
