/** Clients that mean harm or cannot speak: each is refused by itself, and nobody else notices. */
import { randomBytes } from 'node:crypto';
import type { Socket } from 'node:net';
import { ModifyLoadBalancerAttributesCommand } from '@aws-sdk/client-elastic-load-balancing-v2';
import { beforeAll, beforeEach, expect, test } from 'vitest';
import { eventually, machinesRefused, refused } from '../../support/cloud.ts';
import { connectInside, echo, get, parseAnswer, raw, readAll, Site } from './support.ts';

const site = new Site();
let arn = '';
let node = '';
const host = 'Host: x.example.com\r\n';

beforeEach((context) => context.skip(machinesRefused() !== undefined, machinesRefused()));

beforeAll(async () => {
  if (machinesRefused() !== undefined) return;
  await site.build('10.10');
  const group = await site.group('web', {}, [await site.server('a', 0)]);
  arn = (await site.balancer('hostile')).LoadBalancerArn!;
  node = (await site.nodes(arn))['us-east-1a']!;
  await site.forward(arn, group);
  await site.all(group, 'healthy');
}, 90_000);

const set = (Key: string, Value: string) =>
  site.elb.send(new ModifyLoadBalancerAttributesCommand({ LoadBalancerArn: arn, Attributes: [{ Key, Value }] }));
const log = async (): Promise<string> => (await get(node, '/log')).body;

test('heads and bodies that never end are answered 408 after the idle timeout, and others are served meanwhile', async () => {
  await set('idle_timeout.timeout_seconds', '2');
  const slow: { socket: Socket; all: Promise<string>; drip: NodeJS.Timeout }[] = [];
  for (let count = 0; count < 40; count += 1) {
    const socket = await connectInside(node, 80);
    socket.write(`POST /slow-${count} HTTP/1.1\r\n${host}`);
    // Half of them never finish the head, however busy they seem; half promise a body that does not come.
    if (count % 2 === 1) socket.write('Content-Length: 100\r\n\r\nbegun');
    const drip = setInterval(() => (count % 2 === 0 ? socket.write('X-Drip: 1\r\n') : undefined), 200);
    socket.on('close', () => clearInterval(drip));
    slow.push({ socket, all: readAll(socket), drip });
  }
  const times: number[] = [];
  let over = false;
  const ended = Promise.all(slow.map(({ all }) => all)).finally(() => {
    over = true;
  });
  while (!over) {
    const began = performance.now();
    expect((await get(node, '/')).status).toBe(200);
    times.push(performance.now() - began);
  }
  for (const text of await ended) expect(parseAnswer(text)).toMatchObject({ status: 408, headers: { server: 'awselb/2.0' } });
  times.sort((a, b) => a - b);
  expect(times.length).toBeGreaterThan(10);
  expect(times[Math.floor(times.length * 0.9)]).toBeLessThan(1000);
  await set('idle_timeout.timeout_seconds', '60');
}, 30_000);

test('what one request hides in another never becomes one', async () => {
  const hidden = (name: string): string => `GET /hidden-${name} HTTP/1.1\r\nX: `;
  const chunks = (text: string): string => `${text.length.toString(16)}\r\n${text}\r\n0\r\n\r\n`;
  // CL.TE: whoever believed the length would take the rest as a body. The chunks count, and the connection ends.
  const both = await raw(
    node,
    80,
    `POST /both HTTP/1.1\r\n${host}Content-Length: 44\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${hidden('cl-te')}`,
  );
  expect(both).toMatchObject({ status: 200, headers: { connection: 'close' } });
  const got = JSON.parse(both.body) as { headers: Record<string, string>; body: number };
  expect(got.headers).toMatchObject({ 'transfer-encoding': 'chunked' });
  expect(got.headers['content-length']).toBeUndefined();
  expect(got.body).toBe(0);
  // TE.CL: the length would end in the middle of a chunk.
  const text = hidden('te-cl');
  const other = await raw(
    node,
    80,
    `POST /other HTTP/1.1\r\n${host}Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n${chunks(text)}`,
  );
  expect(other).toMatchObject({ status: 200, headers: { connection: 'close' } });
  expect((JSON.parse(other.body) as { body: number }).body).toBe(text.length);
  // The same length twice goes on once.
  const twice = await raw(
    node,
    80,
    `POST /twice HTTP/1.1\r\n${host}Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc${hidden('twice')}`,
  );
  expect(twice).toMatchObject({ status: 200, headers: { connection: 'close' } });
  expect(JSON.parse(twice.body)).toMatchObject({ body: 3, headers: { 'content-length': '3' } });
  for (const header of [
    'Transfer-Encoding: xchunked',
    'Transfer-Encoding: chunked, identity',
    'Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked',
    'Transfer-Encoding:\x0bchunked',
    'Transfer-Encoding: chunked\x0c',
    'Content-Length: \xa03',
    'Transfer-Encoding : chunked',
    ' Transfer-Encoding: chunked',
    'X: y\n Transfer-Encoding: chunked',
    'Content-Length: 3\r\nContent-Length: 4',
    'Content-Length: +3',
    'Content-Length: 3, 3',
    'Content-Length: 0x3',
  ]) {
    const answer = await raw(node, 80, `POST /bad HTTP/1.1\r\n${host}${header}\r\n\r\n0\r\n\r\n${hidden('bad')}`);
    expect([header, answer.status]).toEqual([header, 400]);
    expect(answer.headers).toMatchObject({ connection: 'close' });
  }
  const seen = await log();
  expect(seen).toContain('/twice');
  expect(seen).not.toContain('hidden');
  expect(seen).not.toContain('/bad');
});

/** Requests by how much servers disagree about them, each with what is in doubt ("Desync mitigation mode": classification reasons). */
const doubtful = {
  acceptable: {
    GetHeadZeroContentLength: `GET / HTTP/1.1\r\n${host}Content-Length: 0\r\n\r\n`,
    NonCompliantHeader: `GET / HTTP/1.1\r\n${host}X-Name: gr\xc3\xbcn\r\n\r\n`,
    SpaceInUri: `GET /a b HTTP/1.1\r\n${host}\r\n`,
  },
  ambiguous: {
    BothTeClPresent: `POST / HTTP/1.1\r\n${host}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
    DuplicateContentLength: `POST / HTTP/1.1\r\n${host}Content-Length: 2\r\nContent-Length: 2\r\n\r\nab`,
    EmptyHeader: `GET / HTTP/1.1\r\n${host}: nothing\r\n\r\n`,
    SuspiciousHeader: `GET / HTTP/1.1\r\n${host}Transfer_Encoding: chunked\r\n\r\n`,
    UndefinedContentLengthSemantics: `GET / HTTP/1.1\r\n${host}Content-Length: 2\r\n\r\nab`,
    UndefinedTransferEncodingSemantics: `GET / HTTP/1.1\r\n${host}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
  },
  severe: {
    BadContentLength: `POST /severe HTTP/1.1\r\n${host}Content-Length: +2\r\n\r\nab`,
    BadTransferEncoding: `POST /severe HTTP/1.1\r\n${host}Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n`,
    MultipleContentLength: `POST /severe HTTP/1.1\r\n${host}Content-Length: 2\r\nContent-Length: 3\r\n\r\nab`,
    MultipleTransferEncodingChunked: `POST /severe HTTP/1.1\r\n${host}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
  },
} as const;

/** The answer to bytes on a connection on which a plain request follows: by whom, and whether that one was answered too. */
async function ask(bytes: string): Promise<{ status: number; own: boolean; next: boolean }> {
  const text = (await raw(node, 80, `${bytes}GET /next HTTP/1.1\r\n${host}Connection: close\r\n\r\n`)).text;
  const { status, headers } = parseAnswer(text);
  return { status, own: headers['server'] === 'awselb/2.0', next: text.includes('"url":"/next"') };
}

/** What is seen of all requests of a grade, where all are treated alike. */
const seenOf = async (grade: keyof typeof doubtful): Promise<Record<string, Awaited<ReturnType<typeof ask>>>> =>
  Object.fromEntries(
    await Promise.all(Object.entries(doubtful[grade]).map(async ([reason, bytes]) => [reason, await ask(bytes)])),
  );
const each = <T>(grade: keyof typeof doubtful, value: T): Record<string, T> =>
  Object.fromEntries(Object.keys(doubtful[grade]).map((reason) => [reason, value]));

test('each desync mitigation mode lets pass what it should, and ends the connections that it should', async () => {
  const mode = (value: string) => set('routing.http.desync_mitigation_mode', value);
  const [passed, ended, blocked] = [
    { status: 200, own: false, next: true },
    { status: 200, own: false, next: false },
    { status: 400, own: true, next: false },
  ];
  expect(await seenOf('acceptable')).toEqual(each('acceptable', passed));
  expect(await seenOf('ambiguous')).toEqual(each('ambiguous', ended));
  expect(await seenOf('severe')).toEqual(each('severe', blocked));
  expect(await log()).not.toContain('/severe');
  await mode('strictest');
  await eventually(async () => expect(await seenOf('acceptable')).toEqual(each('acceptable', blocked)), {
    why: 'the mode is in force',
  });
  expect(await seenOf('ambiguous')).toEqual(each('ambiguous', blocked));
  expect(await seenOf('severe')).toEqual(each('severe', blocked));
  expect((await get(node, '/')).status).toBe(200);
  await mode('monitor');
  await eventually(async () => expect(await seenOf('ambiguous')).toEqual(each('ambiguous', passed)), {
    why: 'the mode is in force',
  });
  expect(await seenOf('acceptable')).toEqual(each('acceptable', passed));
  // What is severe reaches the server, which does not like it either; nothing follows on such a connection.
  for (const [reason, { own, next }] of Object.entries(await seenOf('severe')))
    expect([reason, own, next]).toEqual([reason, false, false]);
  // The end of a line in a header or a target never passes, for it would become another header.
  for (const bytes of [`GET / HTTP/1.1\r\n${host}X: a\nHidden: b\r\n\r\n`, `GET /a\rb HTTP/1.1\r\n${host}\r\n`])
    expect(await ask(bytes)).toEqual(blocked);
  await mode('defensive');
  await eventually(async () => expect(await seenOf('severe')).toEqual(each('severe', blocked)), { why: 'the mode is in force' });
  await refused(mode('lax'), 'InvalidConfigurationRequest');
});

test('random bytes, unknown hosts and half a request leave everybody else alone', async () => {
  const steady = Array.from({ length: 60 }, () => get(node, '/'));
  const noise = Array.from({ length: 40 }, async (_, index) => {
    const socket = await connectInside(node, 80);
    socket.write(index % 2 === 0 ? randomBytes(2000) : 'GET / HT');
    if (index % 4 === 1) socket.destroy();
    else socket.end();
    return index % 4 === 1 ? '' : readAll(socket);
  });
  for (const answer of await Promise.all(steady)) expect(answer.status).toBe(200);
  for (const text of await Promise.all(noise)) if (text !== '') expect(parseAnswer(text).status).toBeGreaterThanOrEqual(400);
  for (const name of ['unknown.example.net', '198.18.0.99', 'a'.repeat(250)])
    expect((await echo(node, '/host', { headers: { host: name } })).headers['host']).toBe(name);
  for (const name of ['a b', 'a/b', 'user@b', 'a\tb'])
    expect((await get(node, '/', { headers: { host: name } })).status).toBe(400);
  expect(await log()).not.toContain('GET / HT ');
});

test('headers with odd names pass unless they shall be dropped', async () => {
  const headers = { 'x_odd.name': 'here', 'x-plain': 'there' };
  expect((await echo(node, '/', { headers })).headers).toMatchObject(headers);
  await set('routing.http.drop_invalid_header_fields.enabled', 'true');
  await eventually(
    async () => {
      const got = await echo(node, '/', { headers });
      expect(got.headers['x_odd.name']).toBeUndefined();
      expect(got.headers['x-plain']).toBe('there');
    },
    { why: 'odd headers are dropped' },
  );
});
