import { isIP } from 'node:net';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  addressAt,
  addressCount,
  addresses,
  canonicalCidr,
  contains,
  containsAddress,
  formatCidr,
  formatIp4,
  formatIp6,
  overlaps,
  parseCidr,
  parseCidr4,
  parseCidr6,
  parseIp4,
  parseIp6,
  subdivide,
} from './cidr.ts';

const ip4 = fc.integer({ min: 0, max: 2 ** 32 - 1 });
const ip6 = fc.bigInt({ min: 0n, max: 2n ** 128n - 1n });
const cidr4 = fc.tuple(ip4, fc.integer({ min: 0, max: 32 })).map(([ip, prefix]) => parseCidr4(`${formatIp4(ip)}/${prefix}`)!);
const cidr6 = fc.tuple(ip6, fc.integer({ min: 0, max: 128 })).map(([ip, prefix]) => parseCidr6(`${formatIp6(ip)}/${prefix}`)!);

describe('addresses', () => {
  test('text and number are inverse, and the text is what node takes for an address', () => {
    fc.assert(fc.property(ip4, (ip) => parseIp4(formatIp4(ip)) === ip && isIP(formatIp4(ip)) === 4));
    fc.assert(fc.property(ip6, (ip) => parseIp6(formatIp6(ip)) === ip && isIP(formatIp6(ip)) === 6));
  });

  test('what node does not take for an address is none', () => {
    const near = fc.stringMatching(/^[0-9a-f.:]{1,20}$/);
    fc.assert(
      fc.property(near, (text) => {
        expect(parseIp4(text) !== undefined).toBe(isIP(text) === 4);
        expect(parseIp6(text) !== undefined).toBe(isIP(text) === 6);
      }),
      { numRuns: 2000 },
    );
  });

  test.each(['', '1.2.3', '1.2.3.4.5', '01.2.3.4', '256.0.0.1', '1.2.3.-4', ' 1.2.3.4', '1.2.3.4 ', '0x1.2.3.4', '1.2.3.'])(
    '%j is no IPv4 address',
    (text) => expect(parseIp4(text)).toBeUndefined(),
  );

  test.each([
    '',
    ':',
    ':::',
    '1::2::3',
    '1:2:3:4:5:6:7',
    '1:2:3:4:5:6:7:8:9',
    '12345::',
    'g::',
    '::1%lo',
    '1:2:3:4:5:6:7:8::',
    '1.2.3.4::',
  ])('%j is no IPv6 address', (text) => expect(parseIp6(text)).toBeUndefined());

  test.each([
    ['0:0:0:0:0:0:0:0', '::'],
    ['2001:DB8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
    ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
    ['::ffff:10.0.0.1', '::ffff:a00:1'],
    ['fd00:ec2::254', 'fd00:ec2::254'],
    ['1:0:0:0:0:0:0:0', '1::'],
  ])('%s is written %s', (text, written) => expect(formatIp6(parseIp6(text)!)).toBe(written));
});

describe('blocks', () => {
  test.each([
    ['100.68.0.18/18', '100.68.0.0/18'],
    ['10.0.0.0/16', '10.0.0.0/16'],
    ['255.255.255.255/0', '0.0.0.0/0'],
    ['1.2.3.4/32', '1.2.3.4/32'],
    ['2001:DB8::1/64', '2001:db8::/64'],
    ['::/0', '::/0'],
  ])('the canonical form of %s is %s', (text, canonical) => expect(canonicalCidr(text)).toBe(canonical));

  test.each([
    '10.0.0.0',
    '10.0.0.0/33',
    '10.0.0.0/',
    '10.0.0.0/08',
    '10.0.0/8',
    '/8',
    '10.0.0.0/-1',
    '10.0.0.0/8/8',
    '::/129',
    '10.0.0.0/1e1',
    '',
  ])('%j is no block', (text) => expect(canonicalCidr(text)).toBeUndefined());

  test('text and block are inverse', () => {
    fc.assert(
      fc.property(fc.oneof(cidr4, cidr6), (cidr) => {
        expect(parseCidr(formatCidr(cidr))).toEqual(cidr);
      }),
    );
  });

  test('first and last address are inside, their neighbours are not', () => {
    fc.assert(
      fc.property(cidr4, (cidr) => {
        const last = addressAt(cidr, -1);
        expect([containsAddress(cidr, cidr.base), containsAddress(cidr, last)]).toEqual([true, true]);
        expect([containsAddress(cidr, cidr.base - 1), containsAddress(cidr, last + 1)]).toEqual([false, false]);
        expect(last - cidr.base + 1).toBe(addressCount(cidr));
      }),
    );
    fc.assert(
      fc.property(cidr6, (cidr) => {
        const last = addressAt(cidr, -1);
        expect([containsAddress(cidr, cidr.base), containsAddress(cidr, last), containsAddress(cidr, last + 1n)]).toEqual([
          true,
          true,
          false,
        ]);
        expect(last - cidr.base + 1n).toBe(addressCount(cidr));
      }),
    );
  });

  test('blocks overlap exactly when an end of one lies in the other', () => {
    const near = fc
      .tuple(fc.integer({ min: 0, max: 255 }), fc.integer({ min: 20, max: 32 }))
      .map(([low, prefix]) => parseCidr4(`10.0.0.${low}/${prefix}`)!);
    fc.assert(
      fc.property(near, near, (a, b) => {
        const shared = a.base <= addressAt(b, -1) && b.base <= addressAt(a, -1);
        expect([overlaps(a, b), overlaps(b, a)]).toEqual([shared, shared]);
        expect(contains(a, b)).toBe(a.base <= b.base && addressAt(b, -1) <= addressAt(a, -1));
      }),
    );
  });

  test('versions never mix', () => {
    const four = parseCidr('0.0.0.0/0')!;
    const six = parseCidr('::/0')!;
    expect([contains(four, six), contains(six, four), overlaps(four, six), containsAddress(six, 0)]).toEqual([
      false,
      false,
      false,
      false,
    ]);
  });

  test('addresses come in order and can be asked for by place', () => {
    const cidr = parseCidr4('255.255.255.252/30')!;
    expect([...addresses(cidr)].map(formatIp4)).toEqual([
      '255.255.255.252',
      '255.255.255.253',
      '255.255.255.254',
      '255.255.255.255',
    ]);
    expect([...addresses(cidr, 3)]).toEqual([addressAt(cidr, 3)]);
    expect([...addresses(parseCidr6('::10/127')!)]).toEqual([16n, 17n]);
    expect(() => addressAt(cidr, 4)).toThrow(RangeError);
    expect(() => addressAt(cidr, -5)).toThrow(RangeError);
    expect(addressAt(parseCidr4('10.0.0.0/8')!, 2)).toBe(parseIp4('10.0.0.2'));
  });

  test('a block divides into smaller ones', () => {
    expect([...subdivide(parseCidr4('172.31.0.0/16')!, 18)].map(formatCidr)).toEqual([
      '172.31.0.0/18',
      '172.31.64.0/18',
      '172.31.128.0/18',
      '172.31.192.0/18',
    ]);
    expect(subdivide(parseCidr6('2001:db8::/56')!, 64).next().value).toEqual(parseCidr6('2001:db8::/64'));
    expect(() => [...subdivide(parseCidr4('10.0.0.0/16')!, 8)]).toThrow(RangeError);
  });
});
