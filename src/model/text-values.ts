/** Simple values as text: in the query protocols, XML, headers, labels and URL queries. Compiled to one function for each member. */
import type { SimpleSchema } from './service-model.ts';
import { formatTimestamp, parseTimestamp } from './timestamps.ts';
import type { TimestampFormat } from './types.ts';

export type TextReader = (text: string) => unknown;
export type TextWriter = (value: unknown) => string;

/** Reports a text that is not of the type; never returns. */
export type TextRefusal = (type: SimpleSchema['type'], text: string) => never;

const integerPattern = /^[+-]?\d{1,19}$/;
const numberPattern = /^[+-]?(?:\d{1,64}\.?\d{0,64}|\.\d{1,64})(?:[eE][+-]?\d{1,3})?$/;
const base64Pattern = /^[A-Za-z0-9+/]*={0,2}$/;
const integerMax = 2 ** 31 - 1;

/** A function from text to the value of this schema. `timestamps` is the format where the schema has none of its own. */
export function textReader(schema: SimpleSchema, timestamps: TimestampFormat, refuse: TextRefusal): TextReader {
  const { type } = schema;
  switch (type) {
    case 'string':
    case 'document':
      return (text) => text;
    case 'boolean':
      return (text) => {
        const value = text.trim();
        if (value === 'true' || value === 'True' || value === 'TRUE' || value === '1') return true;
        if (value === 'false' || value === 'False' || value === 'FALSE' || value === '0') return false;
        return refuse(type, text);
      };
    case 'blob':
      return (text) => parseBase64(text) ?? refuse(type, text);
    case 'timestamp': {
      const format = schema.format ?? timestamps;
      return (text) => parseTimestamp(text.trim(), format) ?? refuse(type, text);
    }
    default:
      return (text) => parseNumber(text.trim(), type) ?? refuse(type, text);
  }
}

/** Bytes of a base64 text, line breaks allowed; undefined if it is not base64. */
export function parseBase64(text: string): Uint8Array | undefined {
  const whole = parsePlainBase64(text);
  if (whole !== undefined) return whole;
  const compact = /\s/.test(text) ? text.replace(/\s+/g, '') : text;
  if (!base64Pattern.test(compact)) return undefined;
  const bytes = Buffer.from(compact, 'base64');
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/**
 * Bytes of a base64 text of the usual form, padded and in one piece; undefined for any other. Node skips what is not of the alphabet, so that as many bytes
 * as the length promises prove that there was nothing of the kind; only the URL alphabet, which it also takes, is looked for. A third of a pattern's time.
 */
function parsePlainBase64(text: string): Uint8Array | undefined {
  if (text.length % 4 !== 0 || text.includes('-') || text.includes('_')) return undefined;
  const bytes = Buffer.from(text, 'base64');
  const padding = text.endsWith('==') ? 2 : text.endsWith('=') ? 1 : 0;
  if (bytes.byteLength !== (text.length / 4) * 3 - padding) return undefined;
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** True if a number is one that a member of this type can hold. */
export function fitsNumber(value: number, type: SimpleSchema['type']): boolean {
  if (type === 'integer') return Number.isInteger(value) && value <= integerMax && value >= -integerMax - 1;
  if (type === 'long') return Number.isInteger(value) && Math.abs(value) <= 2 ** 63;
  return true;
}

function parseNumber(text: string, type: SimpleSchema['type']): number | undefined {
  if (type === 'integer' || type === 'long') {
    const value = integerPattern.test(text) ? Number(text) : Number.NaN;
    return fitsNumber(value, type) ? value : undefined;
  }
  return numberPattern.test(text) ? Number(text) : specialNumber(text);
}

/** The numbers that JSON and XML have no digits for. */
export function specialNumber(text: string): number | undefined {
  if (text === 'NaN') return Number.NaN;
  if (text === 'Infinity') return Number.POSITIVE_INFINITY;
  if (text === '-Infinity') return Number.NEGATIVE_INFINITY;
  return undefined;
}

/** A function from a value of this schema to its text. It throws for a value of another type: that is a bug of whoever made the value. */
export function textWriter(schema: SimpleSchema, timestamps: TimestampFormat, millis = false): TextWriter {
  const { type } = schema;
  switch (type) {
    case 'string':
    case 'document':
      return (value) => (typeof value === 'string' ? value : wrong(type, value));
    case 'boolean':
      return (value) => (typeof value === 'boolean' ? String(value) : wrong(type, value));
    case 'blob':
      return (value) => (value instanceof Uint8Array ? formatBase64(value) : wrong(type, value));
    case 'timestamp': {
      const format = schema.format ?? timestamps;
      return (value) => (value instanceof Date ? formatTimestamp(value, format, millis) : wrong(type, value));
    }
    default:
      return (value) => (typeof value === 'number' ? String(value) : wrong(type, value));
  }
}

/** Bytes as base64. */
export function formatBase64(value: Uint8Array): string {
  return Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('base64');
}

/** Throws: an output holds a value that its schema does not allow. */
export function wrong(type: string, value: unknown): never {
  throw new TypeError(`The model asks for a ${type} where the output has ${value === null ? 'null' : typeof value}.`);
}
