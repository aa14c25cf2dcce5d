/**
 * DER, writing only: what certificates are made of. Source: ITU-T X.690, chapters 8 and 10. Reading is left to Node, which has it.
 */
const universal = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  null: 0x05,
  objectId: 0x06,
  utf8: 0x0c,
} as const;

/** One element: tag, length in as few bytes as it takes, content. */
export function derElement(tag: number, ...content: readonly Uint8Array[]): Uint8Array {
  const body = Buffer.concat(content);
  const { length } = body;
  if (length < 0x80) return Buffer.concat([Uint8Array.of(tag, length), body]);
  const bytes: number[] = [];
  for (let rest = length; rest > 0; rest = Math.floor(rest / 256)) bytes.unshift(rest % 256);
  return Buffer.concat([Uint8Array.of(tag, 0x80 + bytes.length, ...bytes), body]);
}

export function derSequence(...items: readonly Uint8Array[]): Uint8Array {
  return derElement(0x30, ...items);
}

export function derSet(...items: readonly Uint8Array[]): Uint8Array {
  return derElement(0x31, ...items);
}

/** An element with a context-specific tag around it (`[n] EXPLICIT`) or instead of its own (`[n] IMPLICIT`, primitive). */
export function derTagged(number: number, form: 'explicit' | 'implicit', content: Uint8Array): Uint8Array {
  return derElement((form === 'explicit' ? 0xa0 : 0x80) + number, content);
}

/** A non-negative integer from its bytes, most significant first. */
export function derInteger(bytes: Uint8Array): Uint8Array {
  let first = 0;
  while (first < bytes.length - 1 && bytes[first] === 0) first += 1;
  const short = bytes.subarray(first);
  return derElement(universal.integer, ...((short[0] ?? 0) >= 0x80 ? [Uint8Array.of(0), short] : [short]));
}

export function derBoolean(value: boolean): Uint8Array {
  return derElement(universal.boolean, Uint8Array.of(value ? 0xff : 0));
}

export function derNull(): Uint8Array {
  return derElement(universal.null);
}

/** Bits, of which the last `unused` do not count. */
export function derBits(bytes: Uint8Array, unused = 0): Uint8Array {
  return derElement(universal.bitString, Uint8Array.of(unused), bytes);
}

export function derOctets(bytes: Uint8Array): Uint8Array {
  return derElement(universal.octetString, bytes);
}

export function derText(text: string): Uint8Array {
  return derElement(universal.utf8, Buffer.from(text, 'utf8'));
}

/** An object identifier from its dotted form. */
export function derObjectId(dotted: string): Uint8Array {
  const [first = 0, second = 0, ...rest] = dotted.split('.').map(Number);
  const bytes = [first * 40 + second];
  for (const part of rest) {
    const digits = [part % 128];
    for (let left = Math.floor(part / 128); left > 0; left = Math.floor(left / 128)) digits.unshift(128 + (left % 128));
    bytes.push(...digits);
  }
  return derElement(universal.objectId, Uint8Array.from(bytes));
}

/** A time of a certificate: UTCTime through 2049, GeneralizedTime after (RFC 5280, 4.1.2.5). Milliseconds are cut off. */
export function derTime(millis: number): Uint8Array {
  const text = new Date(millis).toISOString().replaceAll(/[-:T]|\.\d+/g, '');
  const old = Number(text.slice(0, 4)) < 2050;
  return derElement(old ? 0x17 : 0x18, Buffer.from(old ? text.slice(2) : text, 'latin1'));
}
