/** What objects in a bucket say that are imported ("DynamoDB import formats"): bytes, lines, and the items that they mean. */
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import type { AttributeValue } from '@aws-sdk/client-dynamodb';
import { bytesOf } from '../../../base/body.ts';
import { parseCsvRows } from '../../../base/csv.ts';
import type { Context } from '../../../kernel/context.ts';
import type { ImportRow, TableRow } from '../state.ts';

/** Bytes of one object, unpacked: it is held in memory while it is read. */
const objectBytesMax = 256 * 1024 * 1024;

/** What one place of an object is: the attributes of an item, or why it is none. `last`: the rest of the object is not read. */
export type Found = { item: Record<string, AttributeValue> } | { problem: string; last: boolean };

/** The object's bytes, unpacked. Throws what S3 refuses with, and RangeError or Error when they cannot be unpacked. */
export async function readObject(ctx: Context, row: ImportRow, key: string): Promise<Buffer> {
  const { Body } = await ctx.call('s3').getObject({ Bucket: row.source.bucket, Key: key, ExpectedBucketOwner: row.source.owner });
  const packed = await bytesOf(Body as unknown, objectBytesMax);
  if (row.compression === 'NONE' || packed.length === 0) return packed;
  if (row.compression === 'GZIP') return promisify(gunzip)(packed, { maxOutputLength: objectBytesMax });
  return unpackZstd(packed);
}

/** Node's own Zstandard came after Node 20. */
async function unpackZstd(packed: Buffer): Promise<Buffer> {
  const { Decompress } = await import('fzstd');
  const pieces: Uint8Array[] = [];
  let bytes = 0;
  const unpacking = new Decompress((piece) => {
    bytes += piece.byteLength;
    if (bytes > objectBytesMax) throw new RangeError(`The object is larger than ${objectBytesMax} bytes`);
    pieces.push(piece);
  });
  unpacking.push(packed, true);
  return Buffer.concat(pieces);
}

/** The items of an object, in order. */
export function findItems(row: ImportRow, text: string): Iterable<Found> {
  return row.format === 'CSV' ? csvItems(row, text) : jsonItems(text);
}

/** Values one after another, with or without line breaks between them. The first that is no item ends the object. */
function* jsonItems(text: string): Iterable<Found> {
  for (const part of jsonTexts(text)) {
    let item: unknown;
    try {
      item = (JSON.parse(part) as { Item?: unknown } | null)?.Item;
    } catch (error) {
      yield { problem: `Invalid JSON: ${(error as Error).message}`, last: true };
      return;
    }
    if (typeof item !== 'object' || item === null || Array.isArray(item)) {
      yield { problem: 'The object does not contain an Item member', last: true };
      return;
    }
    yield { item: Object.fromEntries(Object.entries(item).map(([name, value]) => [name, attributeOf(value)])) };
  }
}

/** Cuts a text at the ends of its outermost braces. What follows the last of them is a part too. */
function* jsonTexts(text: string): Iterable<string> {
  let depth = 0;
  let from = 0;
  const marks = /["{}]/g;
  for (let mark = marks.exec(text); mark !== null; mark = marks.exec(text)) {
    if (mark[0] === '"') {
      marks.lastIndex = endOfString(text, mark.index);
      continue;
    }
    depth += mark[0] === '{' ? 1 : -1;
    if (depth > 0) continue;
    yield text.slice(from, mark.index + 1);
    depth = 0;
    from = mark.index + 1;
  }
  const rest = text.slice(from);
  if (rest.trim() !== '') yield rest;
}

function endOfString(text: string, start: number): number {
  for (let at = text.indexOf('"', start + 1); at !== -1; at = text.indexOf('"', at + 1)) {
    let slashes = 0;
    while (text[at - 1 - slashes] === '\\') slashes++;
    if (slashes % 2 === 0) return at + 1;
  }
  return text.length;
}

/** A value in its JSON form: bytes are base64 there. */
function attributeOf(value: unknown): AttributeValue {
  if (typeof value !== 'object' || value === null) return {} as AttributeValue;
  const given = value as { B?: string; BS?: string[]; L?: unknown[]; M?: object };
  if (typeof given.B === 'string') return { B: Buffer.from(given.B, 'base64') };
  if (Array.isArray(given.BS)) return { BS: given.BS.map((each) => Buffer.from(each, 'base64')) };
  if (Array.isArray(given.L)) return { L: given.L.map(attributeOf) };
  if (typeof given.M === 'object')
    return { M: Object.fromEntries(Object.entries(given.M).map(([name, each]) => [name, attributeOf(each)])) };
  return value as AttributeValue;
}

/** Keys of the table and of its indexes are of the types that they are defined with; all else is a string. */
function* csvItems({ delimiter, header, table }: ImportRow, text: string): Iterable<Found> {
  const rows = parseCsvRows(text, delimiter ?? ',');
  const names = header ?? rows.shift() ?? [];
  if (new Set(names).size < names.length || names.includes('')) {
    yield { problem: 'The header has an empty or a repeated column name', last: true };
    return;
  }
  for (const row of rows) {
    if (row.length > names.length)
      yield { problem: `The row has ${row.length} columns, the header has ${names.length}`, last: false };
    else yield { item: Object.fromEntries(row.map((field, at) => [names[at]!, fieldOf(table, names[at]!, field)])) };
  }
}

function fieldOf(table: TableRow, name: string, field: string): AttributeValue {
  const type = table.attributes.find((attribute) => attribute.name === name)?.type ?? 'S';
  return type === 'N' ? { N: field } : type === 'B' ? { B: Buffer.from(field, 'base64') } : { S: field };
}
