/** Clients in the cloud's internet, by way of the names under .localhost that the gateway leads inside: what curl on the host does. */
import http from 'node:http';
import { inject } from 'vitest';

export interface InsideAnswer {
  status: number;
  body: string;
}

/** Real milliseconds after which a silent address counts as timed out. */
const timeoutMs = 3_000;

/** GET of a path at a public address and port: the answer, or the error's code (ETIMEDOUT, ECONNREFUSED, …). */
export function fetchInside(
  address: string,
  port: number,
  path = '/',
  endpoint: string = inject('endpoint'),
): Promise<InsideAnswer | string> {
  const gateway = new URL(endpoint);
  const name = `ec2-${address.replaceAll('.', '-')}.test.compute.localhost`;
  return new Promise((resolve) => {
    const request = http.get(
      {
        host: gateway.hostname,
        port: gateway.port,
        path,
        agent: false,
        headers: { host: port === 80 ? name : `${port}.${name}` },
        timeout: timeoutMs,
      },
      (response) => {
        let body = '';
        response.setEncoding('utf8');
        response.on('data', (chunk: string) => {
          body += chunk;
        });
        response.on('end', () => {
          const code = /: (E[A-Z]+)\n$/.exec(body)?.[1];
          resolve(
            (response.statusCode === 502 || response.statusCode === 504) && code !== undefined
              ? code
              : { status: response.statusCode ?? 0, body },
          );
        });
      },
    );
    request.on('timeout', () => request.destroy(Object.assign(new Error('timeout'), { code: 'ETIMEDOUT' })));
    request.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
  });
}
