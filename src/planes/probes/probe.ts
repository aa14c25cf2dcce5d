/** One look at an endpoint from outside: TCP, HTTP or HTTPS, from an address of the platform's own. Certificates are not judged. */
import http from 'node:http';
import https from 'node:https';
import net from 'node:net';

const connectMillis = 4_000;
const answerMillis = 2_000;
const tcpMillis = 10_000;
/** Bytes of a body in which a text is looked for. */
const searchedBytes = 5_120;

export interface ProbeTarget {
  kind: 'tcp' | 'http' | 'https';
  address: string;
  port: number;
  /** Address to come from; the system's choice when absent. */
  from?: string | undefined;
  path?: string | undefined;
  /** Host header, and the name in the TLS greeting. */
  host?: string | undefined;
  agent?: string | undefined;
  /** Sends `host` in the TLS greeting. */
  sni?: boolean | undefined;
  search?: string | undefined;
}

export interface ProbeResult {
  healthy: boolean;
  /** What happened, for people: `HTTP Status Code 200, OK`. */
  reason: string;
}

/** Looks once. Never rejects. */
export function probe(target: ProbeTarget): Promise<ProbeResult> {
  return target.kind === 'tcp' ? probeTcp(target) : probeWeb(target);
}

function probeTcp({ address, port, from }: ProbeTarget): Promise<ProbeResult> {
  return new Promise((resolve) => {
    const socket = net.connect({ host: address, port, ...(from === undefined ? {} : { localAddress: from }) });
    const timer = setTimeout(() => end({ healthy: false, reason: 'Connection timed out' }), tcpMillis);
    const end = (result: ProbeResult): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(result);
    };
    socket.on('connect', () => end({ healthy: true, reason: 'TCP connection established' }));
    socket.on('error', (error) => end({ healthy: false, reason: wordsOf(error) }));
  });
}

function probeWeb(target: ProbeTarget): Promise<ProbeResult> {
  const { kind, address, port, path = '/', host, from, agent = '', sni, search } = target;
  const usual = port === (kind === 'http' ? 80 : 443);
  return new Promise((resolve) => {
    const options = {
      host: address,
      port,
      path: path.startsWith('/') ? path : `/${path}`,
      agent: false as const,
      headers: { host: `${host ?? address}${usual ? '' : `:${port}`}`, 'user-agent': agent, accept: '*/*', connection: 'close' },
      ...(from === undefined ? {} : { localAddress: from }),
    };
    const request =
      kind === 'http'
        ? http.get(options)
        : https.get({
            ...options,
            rejectUnauthorized: false,
            ...(sni === true && host !== undefined ? { servername: host } : { servername: '' }),
          });
    let timer = setTimeout(() => end({ healthy: false, reason: 'Connection timed out' }), connectMillis);
    const end = (result: ProbeResult): void => {
      clearTimeout(timer);
      request.destroy();
      resolve(result);
    };
    const restart = (): void => {
      clearTimeout(timer);
      timer = setTimeout(() => end({ healthy: false, reason: 'The endpoint did not respond in time' }), answerMillis);
    };
    request.on('socket', (socket) => socket.once(kind === 'http' ? 'connect' : 'secureConnect', restart));
    request.on('error', (error) => end({ healthy: false, reason: wordsOf(error) }));
    request.on('response', (response) => judge(response, search, end, restart));
  });
}

function judge(
  response: http.IncomingMessage,
  search: string | undefined,
  end: (result: ProbeResult) => void,
  restart: () => void,
): void {
  const { statusCode: status = 0, statusMessage = '' } = response;
  const reason = `HTTP Status Code ${status}, ${statusMessage}`;
  const good = status >= 200 && status < 400;
  if (!good || search === undefined) {
    end({ healthy: good, reason });
    return;
  }
  restart();
  let body: Buffer = Buffer.alloc(0);
  const look = (): void => {
    const found = body.subarray(0, searchedBytes).includes(search);
    end({
      healthy: found,
      reason: found ? reason : `${reason}. The response body does not contain the search string in its first 5120 bytes`,
    });
  };
  response.on('data', (chunk: Buffer) => {
    body = Buffer.concat([body, chunk]);
    if (body.length >= searchedBytes) look();
  });
  response.on('end', look);
}

function wordsOf(error: Error & { code?: string }): string {
  if (error.code === 'ECONNREFUSED') return 'Connection refused';
  if (error.code === 'ETIMEDOUT') return 'Connection timed out';
  return error.message;
}
