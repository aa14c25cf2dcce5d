/** What no decent client sends: each gets its refusal or none, and nobody else is disturbed. */
import { randomBytes } from 'node:crypto';
import { createSocket } from 'node:dgram';
import net from 'node:net';
import { decode, encode } from 'dns-packet';
import { afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { digRefused, ZoneLab } from './support.ts';

const codes = { FORMERR: 1, NOTIMP: 4, REFUSED: 5 };

describe('bad questions', () => {
  const lab = new ZoneLab();
  beforeEach((context) => context.skip(digRefused !== undefined, digRefused));
  beforeAll(async () => {
    await lab.open();
    await lab.put(
      lab.record('www', 'A', ['192.0.2.1']),
      lab.record('both', 'A', ['192.0.2.1']),
      lab.record('both', 'TXT', ['"x"']),
      lab.record(
        'many',
        'A',
        Array.from({ length: 300 }, (_one, n) => `192.0.${n >> 8}.${n & 255}`),
      ),
    );
  });
  /** After each kind of nonsense a plain question is answered. */
  afterEach(async () => {
    if (digRefused === undefined) expect((await lab.dig('www')).answer[0]?.data).toBe('192.0.2.1');
  });

  /** What comes back for one datagram within 300 ms; undefined for silence. */
  const send = (message: Buffer): Promise<Buffer | undefined> =>
    new Promise((resolve) => {
      const socket = createSocket('udp4');
      const end = (answer?: Buffer) => {
        clearTimeout(timer);
        socket.close();
        resolve(answer);
      };
      const timer = setTimeout(end, 300);
      socket.once('message', (answer) => end(answer));
      socket.send(message, lab.port, '127.0.0.1');
    });
  const code = async (message: Buffer) => {
    const answer = await send(message);
    return answer === undefined ? 'silence' : answer.readUInt8(3) & 15;
  };
  const label = (name: string) => lab.name(name).slice(0, -1);
  const query = (name: string, type: string, more = {}) =>
    encode({ id: 99, type: 'query', questions: [{ name: label(name), type: type as 'A' }], ...more });

  test('scraps and answers are dropped, what cannot be read is FORMERR', async () => {
    for (const size of [0, 1, 11]) expect(await code(Buffer.alloc(size)), `${size} bytes`).toBe('silence');
    const answer = query('www', 'A');
    answer.writeUInt8(0x80, 2);
    expect(await code(answer)).toBe('silence');
    const whole = query('www', 'A');
    for (let size = 12; size < whole.length; size += 1)
      expect(await code(whole.subarray(0, size)), `${size}`).toBe(codes.FORMERR);
    // Pointers to themselves, to each other, and past the end.
    const head = '006301000001000000000000';
    for (const name of ['c00c', '0161c00e', 'c0ff', 'ff', '40'])
      expect(await code(Buffer.from(`${head}${name}00010001`, 'hex')), name).toBe(codes.FORMERR);
    const crowd = Buffer.alloc(600);
    Buffer.from('00630100ffff000000000000', 'hex').copy(crowd);
    expect(await code(crowd)).toBe(codes.FORMERR);
    const none = query('www', 'A');
    none.writeUInt16BE(0, 4);
    expect(await code(none)).toBe(codes.FORMERR);
  });

  test('one question at a time; no transfers, updates or notices; no other class', async () => {
    const question = { name: label('www'), type: 'A' as const };
    expect(await code(encode({ id: 99, type: 'query', questions: [question, question] }))).toBe(codes.FORMERR);
    for (const type of ['AXFR', 'IXFR']) expect(await code(query('', type)), type).toBe(codes.REFUSED);
    expect((await lab.dig('', 'AXFR', '+tcp')).text).toContain('Transfer failed');
    for (const opcode of [1, 2, 4, 5]) {
      const message = query('www', 'A');
      message.writeUInt8(opcode << 3, 2);
      expect(await code(message), `opcode ${opcode}`).toBe(codes.NOTIMP);
    }
    const chaos = query('www', 'A');
    chaos.writeUInt16BE(3, chaos.length - 2);
    expect(await code(chaos)).toBe(codes.REFUSED);
    const odd = query('www', 'A');
    odd.writeUInt16BE(999, odd.length - 4);
    const { rcode, answers } = decode((await send(odd))!) as unknown as { rcode: string; answers: unknown[] };
    expect([rcode, answers]).toEqual(['NOERROR', []]);
  });

  test('EDNS: another version is BADVERS, two OPT records are FORMERR, a tiny buffer counts as 512 bytes', async () => {
    expect((await lab.dig('www', 'A', '+edns=1', '+noednsnegotiation')).status).toBe('BADVERS');
    const opt = { type: 'OPT', name: '.', udpPayloadSize: 4096, flags: 0, options: [] };
    expect(await code(query('www', 'A', { additionals: [opt, opt] }))).toBe(codes.FORMERR);
    const tiny = decode((await send(query('www', 'A', { additionals: [{ ...opt, udpPayloadSize: 1 }] })))!);
    expect([tiny.flag_tc, tiny.answers?.length]).toEqual([false, 1]);
  });

  test('ANY gives what stands at the name; what is too large comes over TCP', async () => {
    const any = await lab.dig('both', 'ANY', '+notcp');
    expect(any.answer.map(({ type }) => type).sort()).toEqual(['A', 'TXT']);
    const cut = await lab.dig('many', 'A', '+ignore', '+bufsize=4096');
    expect([cut.flags.includes('tc'), cut.answer.length]).toEqual([true, 0]);
    expect((await lab.dig('many')).answer).toHaveLength(300);
  });

  test('streams: garbage, half messages, and clients that never read', async () => {
    const open = (): Promise<net.Socket> =>
      new Promise((resolve, reject) => {
        const socket = net.connect(lab.port, '127.0.0.1', () => resolve(socket));
        socket.on('error', reject);
      });
    const greedy = await open();
    greedy.on('error', () => {}).pause();
    const message = query('many', 'A');
    const framed = Buffer.concat([Buffer.from([0, message.length]), message]);
    for (let i = 0; i < 2000; i += 1) greedy.write(framed);
    const half = await open();
    half.on('error', () => {}).write(framed.subarray(0, 10));
    const noise = await open();
    noise.on('error', () => {}).write(randomBytes(100_000));
    expect((await lab.dig('many', 'A', '+tcp')).answer).toHaveLength(300);
    for (const socket of [greedy, half, noise]) socket.destroy();
    const socket = createSocket('udp4');
    for (let i = 0; i < 500; i += 1) socket.send(randomBytes(1 + (i % 400)), lab.port, '127.0.0.1');
    await new Promise<void>((resolve) => socket.close(resolve));
  });
});
