import { describe, expect, test } from 'vitest';
import { CborError, CborWriter, parseCbor } from './cbor.ts';

const parse = (hex: string) => parseCbor(Buffer.from(hex, 'hex'), { depthMax: 8 });

describe('reading CBOR', () => {
  // Vectors of RFC 8949, appendix A.
  test.each([
    ['17', 23],
    ['1818', 24],
    ['1903e8', 1000],
    ['1b000000e8d4a51000', 1_000_000_000_000],
    ['1bffffffffffffffff', 18_446_744_073_709_551_615n],
    ['c249010000000000000000', 18_446_744_073_709_551_616n],
    ['c349010000000000000000', -18_446_744_073_709_551_617n],
    ['3903e7', -1000],
    ['3bffffffffffffffff', -18_446_744_073_709_551_616n],
    ['f93c00', 1],
    ['f90001', 2 ** -24],
    ['f97c00', Number.POSITIVE_INFINITY],
    ['fa47c35000', 100_000],
    ['fbc010666666666666', -4.1],
    ['f97e00', Number.NaN],
    ['f4', false],
    ['f5', true],
    ['f6', null],
    ['f7', null],
    ['c11a514b67b0', new Date(1_363_896_240_000)],
    ['c1fb41d452d9ec200000', new Date(1_363_896_240_500)],
    ['4401020304', Buffer.from([1, 2, 3, 4])],
    ['62c3bc', 'ü'],
    ['83010203', [1, 2, 3]],
    ['5f42010243030405ff', Buffer.from([1, 2, 3, 4, 5])],
    ['7f657374726561646d696e67ff', 'streaming'],
    ['9f018202039f0405ffff', [1, [2, 3], [4, 5]]],
  ])('%s', (hex, value) => {
    expect(parse(hex)).toEqual(value);
  });

  test('maps have no prototype, so that every key is a key', () => {
    const map = parse('a2695f5f70726f746f5f5f016161bf6162f5ff') as Record<string, unknown>;
    expect(Object.getPrototypeOf(map)).toBeNull();
    expect(Object.keys(map)).toEqual(['__proto__', 'a']);
    expect(({} as Record<string, unknown>)['b']).toBeUndefined();
  });

  test.each([
    ['nothing', ''],
    ['a truncated number', '19'],
    ['a truncated text', '6261'],
    ['a length beyond the end', '5bffffffffffffffff'],
    ['an array that is longer than its bytes', '9a7fffffff01'],
    ['an array without end', '9f01'],
    ['a map without value', 'a16161'],
    ['a key that is no text', 'a10101'],
    ['a chunk of another type', '5f6161ff'],
    ['a chunk inside a chunk', '7f7f6161ffff'],
    ['an end without beginning', 'ff'],
    ['a tag of another protocol', 'c5820301'],
    ['a time that is none', 'c1f97e00'],
    ['bytes after the value', '0101'],
    ['a form that does not exist', '1c'],
  ])('refuses %s', (_name, hex) => {
    expect(() => parse(hex)).toThrow(CborError);
  });

  test('depth is bounded', () => {
    expect(() => parse(`${'81'.repeat(9)}01`)).toThrow('More than 8 levels');
    expect(() => parseCbor(Buffer.alloc(1_000_000, 0x81), { depthMax: 8 })).toThrow(CborError);
    expect(() => parseCbor(Buffer.alloc(1_000_000, 0xc1), { depthMax: 8 })).toThrow(CborError);
  });
});

test('what is written can be read', () => {
  const writer = new CborWriter();
  const text = 'ü'.repeat(400);
  writer.startMap();
  for (const [name, write] of Object.entries({
    small: () => writer.number(5),
    negative: () => writer.number(-70_000),
    large: () => writer.number(2 ** 40),
    fraction: () => writer.number(0.1),
    double: () => writer.double(3),
    text: () => writer.text(text),
    blob: () => writer.blob(Buffer.alloc(300, 7)),
    date: () => writer.date(new Date(1_234_567_891_234)),
    yes: () => writer.boolean(true),
    none: () => writer.null(),
    list: () => {
      writer.array(2);
      writer.number(255);
      writer.number(256);
    },
  })) {
    writer.text(name);
    write();
  }
  writer.endMap();
  const read = { ...(parseCbor(writer.bytes(), { depthMax: 8 }) as Record<string, unknown>) };
  expect(read).toEqual({
    small: 5,
    negative: -70_000,
    large: 2 ** 40,
    fraction: 0.1,
    double: 3,
    text,
    blob: Buffer.alloc(300, 7),
    date: new Date(1_234_567_891_234),
    yes: true,
    none: null,
    list: [255, 256],
  });
});
