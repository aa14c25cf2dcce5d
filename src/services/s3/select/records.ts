/**
 * Records of CSV and of JSON out of a stream of bytes, one after the other, with constant memory. Bytes are read as Latin-1, so that places in the text are
 * places in the object (scan ranges), and become UTF-8 field by field.
 */
import type { CSVInput, ScanRange } from '@aws-sdk/client-s3';
import { s3Error } from '../errors.ts';
import type { Data } from './evaluate.ts';

/** "The maximum length of a record in the input or result is 1 MB." */
export const recordCharactersMax = 1_048_576;
/** A JSON document is read as one. */
const documentBytesMax = 64 * 1_048_576;

type Bytes = AsyncIterable<Uint8Array>;

function tooLong(): Error {
  const text = 'The length of a record in the input or result is greater than the maxCharsPerRecord limit of 1 MB.';
  return s3Error('OverMaxRecordSize', text, 400);
}

function utf8(text: string): string {
  return Buffer.from(text, 'latin1').toString('utf8');
}

function latin1(text: string): string {
  return Buffer.from(text, 'utf8').toString('latin1');
}

export interface CsvForm {
  record: string;
  field: string;
  quote: string;
  escape: string;
  comment: string;
  header: 'USE' | 'IGNORE' | 'NONE';
  /** Whether a quoted field may hold the end of a record. */
  quotedRecords: boolean;
}

/** Throws InvalidFileHeaderInfo and its kin (400). */
export function readCsvForm(asked: CSVInput): CsvForm {
  const { FileHeaderInfo: header = 'NONE', QuoteCharacter: quote = '"', QuoteEscapeCharacter: mark = '"' } = asked;
  if (header !== 'USE' && header !== 'IGNORE' && header !== 'NONE')
    throw s3Error('InvalidFileHeaderInfo', 'The FileHeaderInfo is not valid. Only NONE, USE, and IGNORE are supported.', 400);
  const { RecordDelimiter: record = '\n', FieldDelimiter: field = ',', Comments: comment = '#' } = asked;
  if (field === '' || record === '' || field === record)
    throw s3Error('InvalidRequestParameter', 'The value of a delimiter in the InputSerialization element is not valid.', 400);
  const [marks, quotedRecords] = [
    { quote: latin1(quote), escape: latin1(mark), comment: latin1(comment) },
    asked.AllowQuotedRecordDelimiter === true,
  ];
  return { record: latin1(record), field: latin1(field), ...marks, header, quotedRecords };
}

/** Lines up to a delimiter, without it, with the place where each begins; one between two `quote` ends none. */
async function* linesOf(bytes: Bytes, delimiter: string, quote: string): AsyncGenerator<{ line: string; at: number }> {
  let held = '';
  let at = 0;
  // Up to where it has been looked at, and whether a quote is open there.
  let search = 0;
  let open = false;
  for await (const piece of bytes) {
    held += Buffer.from(piece).toString('latin1');
    let from = 0;
    for (let end = held.indexOf(delimiter, search); end >= 0; end = held.indexOf(delimiter, search)) {
      if (quote !== '' && held.slice(search, end).split(quote).length % 2 === 0) open = !open;
      search = end + delimiter.length;
      if (open) continue;
      if (end - from > recordCharactersMax) throw tooLong();
      yield { line: held.slice(from, end), at: at + from };
      from = search;
    }
    [held, at, search] = [held.slice(from), at + from, search - from];
    if (held.length > recordCharactersMax) throw tooLong();
  }
  if (held !== '') yield { line: held, at };
}

/** Those lines that begin in the range: from `Start` on, up to `End`; the last `End` bytes when only that is given ("ScanRange"). */
async function* within(
  lines: AsyncIterable<{ line: string; at: number }>,
  range: ScanRange | undefined,
  size: number,
): AsyncGenerator<string> {
  const onlyEnd = range?.Start === undefined && range?.End !== undefined;
  const start = onlyEnd ? size - (range?.End ?? 0) : (range?.Start ?? 0);
  const end = onlyEnd ? size : (range?.End ?? Number.POSITIVE_INFINITY);
  for await (const { line, at } of lines) {
    if (at > end) return;
    if (at >= start) yield line;
  }
}

/** The records of a CSV file, by the names of their header or by places, `_1`. Throws OverMaxRecordSize. */
export async function* csvRecords(
  bytes: Bytes,
  form: CsvForm,
  range: ScanRange | undefined,
  size: number,
): AsyncGenerator<{ [name: string]: Data }> {
  const crlf = form.record === '\n';
  let names: string[] | undefined;
  let headed = form.header === 'NONE';
  for await (const text of within(linesOf(bytes, form.record, form.quotedRecords ? form.quote : ''), range, size)) {
    const line = crlf && text.endsWith('\r') ? text.slice(0, -1) : text;
    if (line === '' || (form.comment !== '' && line.startsWith(form.comment))) continue;
    const fields = splitFields(line, form);
    if (!headed) {
      headed = true;
      if (form.header === 'USE') names = fields;
      continue;
    }
    yield Object.fromEntries(fields.map((value, index) => [names?.[index] ?? `_${index + 1}`, value]));
  }
}

/** A line's fields. Inside quotes the escape character, and a quote written twice, stand for what follows. */
function splitFields(line: string, { field, quote, escape: mark }: Pick<CsvForm, 'field' | 'quote' | 'escape'>): string[] {
  const fields: string[] = [];
  let at = 0;
  for (;;) {
    let value = '';
    if (quote !== '' && line.startsWith(quote, at)) {
      at += quote.length;
      while (at < line.length) {
        const isEscape = mark !== '' && line.startsWith(mark, at) && line.startsWith(quote, at + mark.length);
        if (isEscape) {
          value += quote;
          at += mark.length + quote.length;
        } else if (line.startsWith(quote, at)) {
          at += quote.length;
          break;
        } else {
          value += line[at]!;
          at += 1;
        }
      }
    }
    const end = line.indexOf(field, at);
    value += line.slice(at, end < 0 ? undefined : end);
    fields.push(utf8(value));
    if (end < 0) return fields;
    at = end + field.length;
  }
}

function parseJson(text: string): Data {
  try {
    return JSON.parse(text) as Data;
  } catch (error) {
    const why = error instanceof Error ? error.message : '';
    throw s3Error('JSONParsingError', `Error parsing JSON file. Please check the file and try again. ${why}`, 400);
  }
}

/** A value in each line. */
export async function* jsonLines(bytes: Bytes, range: ScanRange | undefined, size: number): AsyncGenerator<Data> {
  for await (const line of within(linesOf(bytes, '\n', ''), range, size)) if (line.trim() !== '') yield parseJson(utf8(line));
}

/** One value, over as many lines as it takes. */
export async function* jsonDocument(bytes: Bytes): AsyncGenerator<Data> {
  const pieces: Uint8Array[] = [];
  let size = 0;
  for await (const piece of bytes) {
    size += piece.byteLength;
    if (size > documentBytesMax) throw tooLong();
    pieces.push(piece);
  }
  if (size > 0) yield parseJson(Buffer.concat(pieces).toString('utf8'));
}
