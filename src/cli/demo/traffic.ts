/**
 * Clients of the demo. They stand on the cloud's internet: they look names up at the cloud's public name servers, connect to public addresses, and go
 * on to a name's next address when nobody answers at one, as curl does.
 */
import { createSocket } from 'node:dgram';
import http from 'node:http';
import net, { type Socket } from 'node:net';
import path from 'node:path';
import { decode, encode } from 'dns-packet';
import type { Clock } from '../../base/clock.ts';
import { forwardSocketName } from '../../gateway/forward.ts';

export interface PageAnswer {
  /** HTTP status, or 0 when nothing answered. */
  status: number;
  body: string;
}

export interface Probe {
  /** Requests sent, and those without a 200. */
  sent: number;
  lost: number;
  /** Real time at which the last lost request had been sent. */
  lastLostAt?: number;
}

/** Real milliseconds that a client waits for an answer, and for a connection when there are more addresses to try. */
const patience = 1_500;

export class DemoClient {
  readonly #forward: string;
  readonly #dnsPort: number;
  readonly #clock: Clock;

  /** A client of the cloud with this data folder, whose public name servers answer on this port of the host. */
  constructor(data: string, dnsPort: number, clock: Clock) {
    this.#forward = path.join(data, forwardSocketName);
    this.#dnsPort = dnsPort;
    this.#clock = clock;
  }

  /** GET of a path at port 80 of a public address. Never rejects: no answer is an answer. */
  async ask(address: string, target = '/', host = address): Promise<PageAnswer> {
    const socket = await this.#connect(address);
    return socket === undefined ? { status: 0, body: '' } : get(socket, host, target);
  }

  /** GET of a path by name: the addresses in turn until somebody answers. */
  async askName(name: string, target = '/'): Promise<PageAnswer> {
    for (const address of await this.resolve(name)) {
      const socket = await this.#connect(address);
      if (socket !== undefined) return get(socket, name, target);
    }
    return { status: 0, body: '' };
  }

  /** Addresses of a name, as its name servers give them now; none when it has none or nobody answers. */
  async resolve(name: string): Promise<string[]> {
    return (await this.#records(name)).map(({ address }) => address);
  }

  /** Seconds that an answer for this name may be kept. */
  async ttlOf(name: string): Promise<number | undefined> {
    return (await this.#records(name))[0]?.ttl;
  }

  /** Asks again until the answer satisfies; resolves with the last one, satisfying or not, after `limit` real milliseconds. */
  async until(
    ask: () => Promise<PageAnswer>,
    satisfies: (answer: PageAnswer) => boolean = ({ status }) => status === 200,
    limit = 20_000,
  ): Promise<PageAnswer> {
    const deadline = this.#clock.realNow() + limit;
    for (;;) {
      const answer = await ask();
      if (satisfies(answer) || this.#clock.realNow() > deadline) return answer;
      await this.#clock.pause(50);
    }
  }

  /** Asks about ten times a second in the background until it is stopped; a slow answer does not hold the next request up. */
  startProbe(ask: () => Promise<PageAnswer>): () => Promise<Probe> {
    const probe: Probe = { sent: 0, lost: 0 };
    const open = new Set<Promise<void>>();
    let going = true;
    const one = async (): Promise<void> => {
      const at = this.#clock.realNow();
      probe.sent += 1;
      if ((await ask()).status === 200) return;
      probe.lost += 1;
      probe.lastLostAt = Math.max(at, probe.lastLostAt ?? 0);
    };
    const done = (async () => {
      while (going) {
        const asked = one();
        open.add(asked);
        void asked.finally(() => open.delete(asked));
        await this.#clock.pause(100);
      }
      await Promise.all(open);
    })();
    return async () => {
      going = false;
      await done;
      return probe;
    };
  }

  /** Through the cloud's door for clients on its internet: `address:port` in, `ok` or the error's code back, then the connection itself. */
  #connect(address: string): Promise<Socket | undefined> {
    return new Promise((resolve) => {
      const socket = net.connect(this.#forward);
      const fail = (): void => {
        socket.destroy();
        resolve(undefined);
      };
      socket.setTimeout(patience, fail);
      socket.once('error', fail);
      // A door that closes without a word says no too.
      socket.once('close', fail);
      socket.once('data', (bytes: Buffer) => {
        if (bytes.toString() !== 'ok\n') return fail();
        socket.off('error', fail).off('close', fail);
        socket.on('error', () => {});
        socket.setTimeout(0);
        resolve(socket);
      });
      socket.write(`${address}:80\n`);
    });
  }

  #records(name: string): Promise<{ address: string; ttl: number }[]> {
    return new Promise((resolve) => {
      const socket = createSocket('udp4');
      const given = new AbortController();
      const end = (records: { address: string; ttl: number }[]): void => {
        if (given.signal.aborted) return;
        given.abort();
        socket.close();
        resolve(records);
      };
      void this.#clock.pause(patience, given.signal).then(() => end([]));
      socket.on('error', () => end([]));
      socket.on('message', (message) => {
        const { answers = [] } = decode(message);
        end(answers.flatMap((each) => (each.type === 'A' ? [{ address: each.data, ttl: each.ttl ?? 0 }] : [])));
      });
      socket.send(encode({ type: 'query', id: 1, questions: [{ type: 'A', name }] }), this.#dnsPort, '127.0.0.1');
    });
  }
}

function get(socket: Socket, host: string, target: string): Promise<PageAnswer> {
  return new Promise((resolve) => {
    const silent = (): void => {
      socket.destroy();
      resolve({ status: 0, body: '' });
    };
    const request = http.get(
      { path: target, headers: { host }, createConnection: () => socket, timeout: 10 * patience },
      (response) => {
        let body = '';
        response.setEncoding('utf8').on('data', (chunk: string) => {
          body += chunk;
        });
        response.on('end', () => {
          socket.destroy();
          resolve({ status: response.statusCode ?? 0, body });
        });
        response.on('error', silent);
      },
    );
    request.on('timeout', silent);
    request.on('error', silent);
  });
}
