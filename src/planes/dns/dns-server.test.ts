import { createSocket } from 'node:dgram';
import { decode, encode } from 'dns-packet';
import { expect, test } from 'vitest';
import { DnsServer } from './dns-server.ts';
import type { ZoneSpec } from './hosted/types.ts';
import type { DnsRecord, DnsType, ZoneAnswer, ZoneSource } from './types.ts';

const soa = {
  mname: 'ns.example.com',
  rname: 'admin.example.com',
  serial: 1,
  refresh: 7200,
  retry: 900,
  expire: 1209600,
  minimum: 86400,
};

/** A zone of these records; `name type data`. */
function zone(apex: string, ...records: DnsRecord[]): ZoneSource {
  return {
    name: apex,
    answer({ name, type }): ZoneAnswer | undefined {
      if (name !== apex && !name.endsWith(`.${apex}`)) return undefined;
      const own = records.filter((record) => record.name === name);
      const fitting = own.filter((record) => record.type === type || record.type === 'CNAME' || type === 'ANY');
      return { apex, records: fitting, exists: own.length > 0, soa };
    },
  };
}

const a = (name: string, data: string): DnsRecord => ({ name, type: 'A', ttl: 60, data });
const alias = (name: string, data: string): DnsRecord => ({ name, type: 'CNAME', ttl: 60, data });
const anybody = { address: '198.18.0.9' };

function serverOf(...sources: ZoneSource[]): DnsServer {
  const server = new DnsServer({ identify: (address) => (address === '127.0.0.1' ? { network: 'n', port: 'p' } : undefined) });
  for (const source of sources) server.register(source);
  return server;
}

const resolve = (server: DnsServer, name: string, type: DnsType = 'A') => server.resolve({ name, type }, anybody);

test('the deepest zone answers, and of equals the first', async () => {
  const server = serverOf(
    zone('com', a('x.example.com', '10.0.0.1')),
    zone('example.com', a('x.example.com', '10.0.0.2')),
    zone('example.com', a('x.example.com', '10.0.0.3')),
  );
  expect((await resolve(server, 'x.example.com')).answers).toEqual([a('x.example.com', '10.0.0.2')]);
});

test('aliases are followed through zones, and not in circles', async () => {
  const server = serverOf(
    zone('a.com', alias('www.a.com', 'lb.b.net'), alias('x.a.com', 'y.a.com'), alias('y.a.com', 'x.a.com')),
    zone('b.net', a('lb.b.net', '10.0.0.2')),
  );
  expect((await resolve(server, 'www.a.com')).answers).toEqual([alias('www.a.com', 'lb.b.net'), a('lb.b.net', '10.0.0.2')]);
  expect((await resolve(server, 'www.a.com', 'CNAME')).answers).toHaveLength(1);
  expect((await resolve(server, 'x.a.com')).status).toBe('SERVFAIL');
});

test('no such name and no such type differ, both with the start of authority', async () => {
  const server = serverOf(zone('a.com', a('www.a.com', '10.0.0.2')));
  const none = await resolve(server, 'nope.a.com');
  expect([none.status, none.authorities[0]]).toEqual(['NXDOMAIN', { name: 'a.com', type: 'SOA', ttl: 900, data: soa }]);
  expect(await resolve(server, 'www.a.com', 'AAAA')).toMatchObject({ status: 'NOERROR', answers: [] });
  const broken = serverOf({ name: 'bad', answer: () => Promise.reject(new Error('no')) });
  expect((await resolve(broken, 'a.com')).status).toBe('SERVFAIL');
});

/** Sends bytes and resolves with the answer. */
async function exchange(port: number, message: Buffer): Promise<Buffer> {
  const socket = createSocket('udp4');
  try {
    return await new Promise((resolve, reject) => {
      socket.on('error', reject).on('message', resolve);
      socket.send(message, port, '127.0.0.1');
    });
  } finally {
    socket.close();
  }
}

const query = (name: string, more = {}) =>
  encode({ id: 77, type: 'query', flags: 256, questions: [{ name, type: 'A' }], ...more });

test('over UDP a large answer is cut to what the asker takes, and odd messages are refused by code', async () => {
  const many = Array.from({ length: 40 }, (_one, index) => a('many.a.com', `10.0.0.${index}`));
  const server = serverOf(zone('a.com', ...many, a('www.a.com', '10.0.0.1')));
  const { port, close } = await server.listen({ kind: 'authoritative', address: '127.0.0.1', port: 0 });
  try {
    const cut = decode(await exchange(port, query('many.a.com')));
    expect([cut.flag_tc, cut.answers?.length]).toEqual([true, 0]);
    const opt = [{ type: 'OPT', name: '.', udpPayloadSize: 4096, flags: 0, options: [] }];
    expect(decode(await exchange(port, query('many.a.com', { additionals: opt }))).answers).toHaveLength(40);
    const good = decode(await exchange(port, query('WWW.a.com')));
    expect([good.id, good.flag_aa, good.answers?.length, good.questions?.[0]?.name]).toEqual([77, true, 1, 'WWW.a.com']);
    expect((await exchange(port, query('www.elsewhere.org'))).readUInt8(3) & 15).toBe(5);
    const status = query('www.a.com');
    status.writeUInt8(0x10, 2);
    expect((await exchange(port, status)).readUInt8(3)).toBe(4);
    expect((await exchange(port, query('www.a.com').subarray(0, 20))).readUInt8(3) & 15).toBe(1);
  } finally {
    await close();
  }
});

test('plain answers of hosted zones are kept as bytes, until a zone, a source or a domain changes; logged and chosen ones never', async () => {
  const server = serverOf();
  const set = (name: string, ...addresses: string[]) => ({
    name,
    type: 'A' as const,
    ttl: 60,
    values: addresses.map((data) => ({ type: 'A' as const, data })),
  });
  const book = (spec: Partial<ZoneSpec>) =>
    server.hosted.ensureZone({ key: 'z', apex: 'a.com', servers: [], soa, soaTtl: 900, rank: 1, sets: [], ...spec });
  const { port, close } = await server.listen({ kind: 'authoritative', address: '127.0.0.1', port: 0 });
  const ask = async (name: string, id: number) => {
    const answer = decode(await exchange(port, query(name, { id })));
    expect([answer.id, answer.questions?.[0]?.name]).toEqual([id, name]);
    return (answer.answers ?? []).map((one) => ('data' in one ? one.data : undefined));
  };
  let queries = 0;
  server.hosted.onQuery(() => {
    queries += 1;
  });
  try {
    book({ sets: [set('www.a.com', '10.0.0.1')] });
    expect([await ask('www.a.com', 1), await ask('www.a.com', 2), await ask('WWW.a.com', 3)]).toEqual([
      ['10.0.0.1'],
      ['10.0.0.1'],
      ['10.0.0.1'],
    ]);
    book({ sets: [set('www.a.com', '10.0.0.2')] });
    expect([await ask('www.a.com', 4), await ask('www.a.com', 5)]).toEqual([['10.0.0.2'], ['10.0.0.2']]);
    const forget = server.register(zone('www.a.com', a('www.a.com', '10.0.0.9')));
    expect([await ask('www.a.com', 6), await ask('www.a.com', 7)]).toEqual([['10.0.0.9'], ['10.0.0.9']]);
    forget();
    expect(await ask('www.a.com', 8)).toEqual(['10.0.0.2']);
    server.registry.setDomain({ name: 'www.a.com', servers: [] });
    expect(await ask('www.a.com', 9)).toEqual([]);
    server.registry.removeDomain('www.a.com');
    book({ logged: true, sets: [set('www.a.com', '10.0.0.2')] });
    for (const id of [10, 11, 12]) await ask('www.a.com', id);
    expect(queries).toBe(3);
    book({ sets: [set('many.a.com', '10.0.0.1', '10.0.0.2', '10.0.0.3')] });
    const firsts = new Set<unknown>();
    for (let id = 20; id < 80; id += 1) firsts.add((await ask('many.a.com', id))[0]);
    expect(firsts.size).toBe(3);
    server.hosted.removeZone('z');
    expect((await exchange(port, query('many.a.com'))).readUInt8(3) & 15).toBe(5);
  } finally {
    await close();
  }
});
