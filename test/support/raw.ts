/** Bytes straight onto a socket, and requests that are signed rightly and wrong in everything else: what no official client would send. */
import http from 'node:http';
import net from 'node:net';
import { SignatureV4 } from '@smithy/signature-v4';
import { inject } from 'vitest';
import { Sha256 } from './sign.ts';

/** Real milliseconds after which a connection that says nothing counts as hanging. */
const silenceMillisMax = 10_000;

export interface Answer {
  status: number;
  headers: Readonly<Record<string, string | string[] | undefined>>;
  body: string;
}

/** Writes bytes as they are; resolves with everything that comes until the cloud closes. Rejects when it does neither answer nor close. */
export function sendBytes(bytes: string | Uint8Array, endpoint: string = inject('endpoint'), end = false): Promise<string> {
  const { hostname, port } = new URL(endpoint);
  return new Promise((resolve, reject) => {
    const socket = net.connect(Number(port), hostname);
    let answer = '';
    socket.setEncoding('latin1');
    socket.on('data', (chunk: string) => {
      answer += chunk;
    });
    socket.on('error', () => resolve(answer));
    socket.on('close', () => resolve(answer));
    socket.setTimeout(silenceMillisMax, () => {
      socket.destroy();
      reject(new Error(`The cloud hangs on: ${Buffer.from(bytes).toString('latin1').slice(0, 300)}\nIt said: ${answer}`));
    });
    if (end) socket.end(bytes);
    else socket.write(bytes);
  });
}

/** Status code of an answer's first line; 0 when there is none. */
export function statusOf(answer: string): number {
  return Number(/^HTTP\/1\.1 (\d{3})/.exec(answer)?.[1] ?? 0);
}

export interface RawRequest {
  /** Name in the credential scope. */
  service: string;
  account: string;
  method?: string;
  path?: string;
  query?: Record<string, string>;
  headers?: Record<string, string>;
  body?: string | Uint8Array;
  region?: string;
  endpoint?: string;
}

/** Sends a rightly signed request with any content. */
export async function sendSigned(request: RawRequest): Promise<Answer> {
  const { service, account, method = 'POST', path = '/', query = {}, headers = {}, body = '', region = 'us-east-1' } = request;
  const gateway = new URL(request.endpoint ?? inject('endpoint'));
  const signer = new SignatureV4({
    service,
    region,
    credentials: { accessKeyId: account, secretAccessKey: 'test' },
    sha256: Sha256,
    applyChecksum: true,
    uriEscapePath: service !== 's3',
  });
  const signed = await signer.sign({
    method,
    protocol: 'http:',
    hostname: gateway.hostname,
    port: Number(gateway.port),
    path,
    query,
    headers: { host: gateway.host, ...headers },
    body,
  });
  const search = new URLSearchParams(query).toString().replaceAll('+', '%20');
  return new Promise((resolve, reject) => {
    const sent = http.request(
      {
        host: gateway.hostname,
        port: gateway.port,
        method,
        path: search === '' ? path : `${path}?${search}`,
        headers: { ...signed.headers, 'content-length': Buffer.byteLength(body) },
        agent: false,
        timeout: silenceMillisMax,
      },
      (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('end', () =>
          resolve({
            status: response.statusCode ?? 0,
            headers: response.headers,
            body: Buffer.concat(chunks).toString('latin1'),
          }),
        );
        response.on('error', reject);
      },
    );
    sent.on('timeout', () => sent.destroy(new Error(`The cloud hangs on ${method} ${path} of ${service}.`)));
    sent.on('error', reject);
    sent.end(body);
  });
}
