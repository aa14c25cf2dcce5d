/**
 * IP addresses and CIDR blocks, versions 4 and 6. An IPv4 address is a number from 0 to 2^32-1, an IPv6 address a bigint; text is parsed
 * strictly (no leading zeros, no missing octets), because EC2 refuses what `inet_aton` takes. Written by hand: node:net only says whether text is an
 * address, and node's BlockList cannot enumerate, format or compare blocks.
 */
export interface Cidr4 {
  /** First address of the block: host bits are cleared. */
  readonly base: number;
  readonly prefix: number;
}

export interface Cidr6 {
  readonly base: bigint;
  readonly prefix: number;
}

export type Cidr = Cidr4 | Cidr6;

/** `10.0.0.1` as a number, or undefined. */
export function parseIp4(text: string): number | undefined {
  const parts = text.split('.');
  if (parts.length !== 4) return undefined;
  let address = 0;
  for (const part of parts) {
    if (!/^(?:0|[1-9]\d{0,2})$/.test(part)) return undefined;
    const octet = Number(part);
    if (octet > 255) return undefined;
    address = address * 256 + octet;
  }
  return address;
}

/** The inverse of parseIp4. */
export function formatIp4(address: number): string {
  return `${(address >>> 24) & 255}.${(address >>> 16) & 255}.${(address >>> 8) & 255}.${address & 255}`;
}

/** `2001:db8::1` as a bigint, or undefined. An IPv4 tail (`::ffff:10.0.0.1`) is understood; a zone (`%eth0`) is not. */
export function parseIp6(text: string): bigint | undefined {
  const halves = text.split('::');
  if (halves.length > 2) return undefined;
  const head = parseGroups(halves[0]!, halves.length === 1);
  const tail = halves.length === 2 ? parseGroups(halves[1]!, true) : [];
  if (head === undefined || tail === undefined) return undefined;
  const missing = 8 - head.length - tail.length;
  if (halves.length === 2 ? missing < 1 : missing !== 0) return undefined;
  let address = 0n;
  for (const group of [...head, ...new Array<number>(missing).fill(0), ...tail]) address = (address << 16n) | BigInt(group);
  return address;
}

/** Sixteen-bit groups of one side of `::`; the last may be an IPv4 address where `mayEndIn4`. */
function parseGroups(text: string, mayEndIn4: boolean): number[] | undefined {
  if (text === '') return [];
  const groups: number[] = [];
  const parts = text.split(':');
  for (const [index, part] of parts.entries()) {
    if (/^[0-9a-fA-F]{1,4}$/.test(part)) {
      groups.push(Number.parseInt(part, 16));
      continue;
    }
    const tail = mayEndIn4 && index === parts.length - 1 ? parseIp4(part) : undefined;
    if (tail === undefined) return undefined;
    groups.push(tail >>> 16, tail & 0xffff);
  }
  return groups;
}

/** RFC 5952: lower case, no leading zeros, the longest run of at least two zero groups (the first of equals) as `::`. */
export function formatIp6(address: bigint): string {
  const groups = Array.from({ length: 8 }, (_, index) => Number((address >> BigInt(112 - 16 * index)) & 0xffffn));
  let best = { start: 0, length: 1 };
  for (let start = 0; start < 8; start++) {
    let length = 0;
    while (start + length < 8 && groups[start + length] === 0) length++;
    if (length > best.length) best = { start, length };
  }
  const write = (part: number[]) => part.map((group) => group.toString(16)).join(':');
  if (best.length < 2) return write(groups);
  return `${write(groups.slice(0, best.start))}::${write(groups.slice(best.start + best.length))}`;
}

/** `10.0.0.0/16`; host bits are cleared. Undefined for anything that is not an IPv4 block. */
export function parseCidr4(text: string): Cidr4 | undefined {
  const parts = splitCidr(text, 32);
  const address = parts === undefined ? undefined : parseIp4(parts.address);
  if (parts === undefined || address === undefined) return undefined;
  return { base: address - (address % 2 ** (32 - parts.prefix)), prefix: parts.prefix };
}

/** `2001:db8::/32`; host bits are cleared. Undefined for anything that is not an IPv6 block. */
export function parseCidr6(text: string): Cidr6 | undefined {
  const parts = splitCidr(text, 128);
  const address = parts === undefined ? undefined : parseIp6(parts.address);
  if (parts === undefined || address === undefined) return undefined;
  const host = BigInt(128 - parts.prefix);
  return { base: (address >> host) << host, prefix: parts.prefix };
}

/** A block of either version, or undefined. */
export function parseCidr(text: string): Cidr | undefined {
  return parseCidr4(text) ?? parseCidr6(text);
}

function splitCidr(text: string, prefixMax: number): { address: string; prefix: number } | undefined {
  const match = /^([^/]+)\/(0|[1-9]\d{0,2})$/.exec(text);
  const prefix = Number(match?.[2] ?? Number.NaN);
  return match !== null && prefix <= prefixMax ? { address: match[1]!, prefix } : undefined;
}

/** The inverse of parseCidr. */
export function formatCidr(cidr: Cidr): string {
  return `${isCidr4(cidr) ? formatIp4(cidr.base) : formatIp6(cidr.base)}/${cidr.prefix}`;
}

/** The form that EC2 stores and shows: host bits cleared (`100.68.0.18/18` becomes `100.68.0.0/18`), IPv6 shortened. Undefined for other text. */
export function canonicalCidr(text: string): string | undefined {
  const cidr = parseCidr(text);
  return cidr === undefined ? undefined : formatCidr(cidr);
}

export function isCidr4(cidr: Cidr): cidr is Cidr4 {
  return typeof cidr.base === 'number';
}

/** Whether all of `inner` lies in `outer`; a block contains itself. Never across versions. */
export function contains(outer: Cidr, inner: Cidr): boolean {
  if (inner.prefix < outer.prefix) return false;
  return containsAddress(outer, inner.base);
}

/** Whether an address of either version lies in the block. */
export function containsAddress(cidr: Cidr, address: number | bigint): boolean {
  if (isCidr4(cidr)) {
    if (typeof address !== 'number') return false;
    return address >= cidr.base && address < cidr.base + 2 ** (32 - cidr.prefix);
  }
  if (typeof address !== 'bigint') return false;
  return address >> BigInt(128 - cidr.prefix) === cidr.base >> BigInt(128 - cidr.prefix);
}

/** Whether the two share an address. Blocks overlap exactly when one contains the other. */
export function overlaps(a: Cidr, b: Cidr): boolean {
  return contains(a, b) || contains(b, a);
}

/** How many addresses a block has: a number for IPv4 (up to 2^32), a bigint for IPv6. */
export function addressCount(cidr: Cidr4): number;
export function addressCount(cidr: Cidr6): bigint;
export function addressCount(cidr: Cidr): number | bigint;
export function addressCount(cidr: Cidr): number | bigint {
  return isCidr4(cidr) ? 2 ** (32 - cidr.prefix) : 1n << BigInt(128 - cidr.prefix);
}

/** The address `index` places after the block's first; negative counts from the end (-1 is the last). Throws RangeError outside the block. */
export function addressAt(cidr: Cidr4, index: number): number;
export function addressAt(cidr: Cidr6, index: number | bigint): bigint;
export function addressAt(cidr: Cidr, index: number | bigint): number | bigint {
  const count = BigInt(addressCount(cidr));
  const place = BigInt(index) < 0n ? count + BigInt(index) : BigInt(index);
  if (place < 0n || place >= count) throw new RangeError(`${formatCidr(cidr)} has no address number ${index}.`);
  return isCidr4(cidr) ? cidr.base + Number(place) : cidr.base + place;
}

/** The addresses of a block in order, from place `from` on. Lazy: a /0 costs nothing until it is read. */
export function addresses(cidr: Cidr4, from?: number): Generator<number>;
export function addresses(cidr: Cidr6, from?: bigint): Generator<bigint>;
export function* addresses(cidr: Cidr, from: number | bigint = 0): Generator<number | bigint> {
  if (isCidr4(cidr)) {
    const end = cidr.base + addressCount(cidr);
    for (let address = cidr.base + Number(from); address < end; address++) yield address;
  } else {
    const end = cidr.base + addressCount(cidr);
    for (let address = cidr.base + BigInt(from); address < end; address++) yield address;
  }
}

/** The blocks of length `prefix` inside a block, in order. Throws RangeError when `prefix` is shorter than the block's or longer than an address. */
export function subdivide(cidr: Cidr4, prefix: number): Generator<Cidr4>;
export function subdivide(cidr: Cidr6, prefix: number): Generator<Cidr6>;
export function* subdivide(cidr: Cidr, prefix: number): Generator<Cidr> {
  const bits = isCidr4(cidr) ? 32 : 128;
  if (prefix < cidr.prefix || prefix > bits) throw new RangeError(`${formatCidr(cidr)} has no blocks of length ${prefix}.`);
  const count = 1n << BigInt(prefix - cidr.prefix);
  for (let place = 0n; place < count; place++) {
    const offset = place << BigInt(bits - prefix);
    yield isCidr4(cidr) ? { base: cidr.base + Number(offset), prefix } : { base: cidr.base + offset, prefix };
  }
}
