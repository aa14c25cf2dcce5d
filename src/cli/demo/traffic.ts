/** Clients of the demo: they ask over HTTP for a public address of the cloud, by its name under `.localhost`, as curl on the host would. */
import http from 'node:http';
import type { Clock } from '../../base/clock.ts';

export interface PageAnswer {
  /** HTTP status, or 0 when nothing answered. */
  status: number;
  body: string;
}

/** Real milliseconds that a client waits. */
const patience = 1_500;

/** GET / of a public address. Never rejects: no answer is an answer. */
export function ask(gateway: URL, address: string): Promise<PageAnswer> {
  const host = `ec2-${address.replaceAll('.', '-')}.us-east-1.compute.localhost:${gateway.port}`;
  return new Promise((resolve) => {
    const silent = (): void => resolve({ status: 0, body: '' });
    const request = http.get(
      { host: gateway.hostname, port: gateway.port, headers: { host }, agent: false, timeout: patience },
      (response) => {
        let body = '';
        response.setEncoding('utf8').on('data', (chunk: string) => {
          body += chunk;
        });
        response.on('end', () => resolve({ status: response.statusCode ?? 0, body }));
        response.on('error', silent);
      },
    );
    request.on('timeout', () => request.destroy());
    request.on('error', silent);
  });
}

/** Asks again until the answer satisfies; resolves with the last one, satisfying or not, after `limit` real milliseconds. */
export async function askUntil(
  clock: Clock,
  gateway: URL,
  address: string,
  satisfies: (answer: PageAnswer) => boolean,
  limit = 20_000,
): Promise<PageAnswer> {
  const deadline = clock.realNow() + limit;
  for (;;) {
    const answer = await ask(gateway, address);
    if (satisfies(answer) || clock.realNow() > deadline) return answer;
    await clock.pause(50);
  }
}

export interface Probe {
  /** Requests sent, and those without a 200. */
  sent: number;
  lost: number;
}

/** Asks about ten times a second in the background until it is stopped. */
export function startProbe(clock: Clock, gateway: URL, address: string): () => Promise<Probe> {
  const probe: Probe = { sent: 0, lost: 0 };
  let going = true;
  const done = (async () => {
    while (going) {
      probe.sent += 1;
      if ((await ask(gateway, address)).status !== 200) probe.lost += 1;
      await clock.pause(100);
    }
  })();
  return async () => {
    going = false;
    await done;
    return probe;
  };
}
