/**
 * Load on a server for benches: signed JSON requests over kept connections, by bare sockets, for Node's own client would take more processor time than the
 * server.
 */
import { createHash, createHmac } from 'node:crypto';
import net from 'node:net';

export interface Rate {
  perSecond: number;
  p50: number;
  p99: number;
}

const hash = (text: string): string => createHash('sha256').update(text).digest('hex');
const hmac = (key: string | Buffer, text: string): Buffer => createHmac('sha256', key).update(text).digest();

/** A signed request of the JSON protocols, as it goes over the wire. */
export function signedCall(url: URL, service: string, target: string, input: unknown): Buffer {
  const { headers, body } = signedRequest(url, service, target, input);
  return Buffer.from(`POST / HTTP/1.1\r\n${headers.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n${body}`);
}

/** The same as its parts. The key belongs to the root user of an account when it is twelve digits. */
export function signedRequest(
  url: URL,
  service: string,
  target: string,
  input: unknown,
  accessKeyId = 'test',
): { headers: readonly (readonly [name: string, value: string])[]; body: string } {
  const body = JSON.stringify(input);
  const date = `${new Date().toISOString().replace(/[-:]|\.\d+/g, '')}`;
  const day = date.slice(0, 8);
  const headers: [string, string][] = [
    ['content-type', 'application/x-amz-json-1.0'],
    ['host', url.host],
    ['x-amz-date', date],
    ['x-amz-target', target],
  ];
  const names = headers.map(([name]) => name).join(';');
  const canonical = ['POST', '/', '', ...headers.map(([name, value]) => `${name}:${value}`), '', names, hash(body)].join('\n');
  const scope = `${day}/us-east-1/${service}/aws4_request`;
  const key = [day, 'us-east-1', service, 'aws4_request'].reduce<string | Buffer>(hmac, 'AWS4test');
  const signature = hmac(key, ['AWS4-HMAC-SHA256', date, scope, hash(canonical)].join('\n')).toString('hex');
  const authorization = `AWS4-HMAC-SHA256 Credential=${accessKeyId}/${scope}, SignedHeaders=${names}, Signature=${signature}`;
  return { headers: [...headers, ['authorization', authorization], ['content-length', String(Buffer.byteLength(body))]], body };
}

/** Sends `count` requests in turn from the list, so many at once. Throws on any answer but 200. */
export async function load(url: URL, calls: readonly Buffer[], count: number, concurrency: number): Promise<Rate> {
  const times: number[] = [];
  let sent = 0;
  const worker = async (): Promise<void> => {
    let connection = connect(url);
    while (sent < count) {
      const bytes = calls[sent % calls.length]!;
      sent += 1;
      const began = performance.now();
      connection.socket.write(bytes);
      const answer = await connection.answer();
      if (!answer.startsWith('HTTP/1.1 200 ')) throw new Error(answer);
      times.push(performance.now() - began);
      // moto's server closes after each answer, whatever its clients ask for.
      if (!/\nconnection: close\r/i.test(answer)) continue;
      connection.socket.destroy();
      connection = connect(url);
    }
    connection.socket.destroy();
  };
  const began = performance.now();
  await Promise.all(Array.from({ length: concurrency }, worker));
  const seconds = (performance.now() - began) / 1000;
  times.sort((a, b) => a - b);
  return {
    perSecond: count / seconds,
    p50: times[Math.floor(times.length * 0.5)] ?? 0,
    p99: times[Math.floor(times.length * 0.99)] ?? 0,
  };
}

interface Connection {
  socket: net.Socket;
  /** The next answer: its head, once all of its body has come. */
  answer: () => Promise<string>;
}

function connect(url: URL): Connection {
  const socket = net.connect(Number(url.port), url.hostname);
  let head = '';
  let left = -1;
  let waiting: ((answer: string) => void) | undefined;
  let failed: ((error: Error) => void) | undefined;
  socket.on('data', (chunk) => {
    let bytes = chunk;
    if (left < 0) {
      const text = head + bytes.toString('latin1');
      const end = text.indexOf('\r\n\r\n');
      if (end < 0) {
        head = text;
        return;
      }
      bytes = bytes.subarray(end + 4 - head.length);
      head = text.slice(0, end + 2);
      left = Number(/\ncontent-length: (\d+)/i.exec(head)?.[1] ?? 0);
      if (!head.startsWith('HTTP/1.1 200 ')) head += bytes.toString('utf8');
    }
    left -= bytes.length;
    if (left > 0) return;
    const answer = head;
    head = '';
    left = -1;
    waiting?.(answer);
  });
  socket.on('error', (error) => failed?.(error));
  socket.on('close', () => failed?.(new Error('The server closed the connection.')));
  const answer = (): Promise<string> =>
    new Promise((resolve, reject) => {
      waiting = resolve;
      failed = reject;
    });
  return { socket, answer };
}

/** Runs one step after the other until the cloud is gone. */
export async function untilGone(step: (n: number) => Promise<void>): Promise<void> {
  for (let n = 0; ; n++) {
    try {
      await step(n);
    } catch {
      return;
    }
  }
}
