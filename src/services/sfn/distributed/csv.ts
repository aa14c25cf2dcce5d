/** CSV as an ItemReader reads it (RFC 4180, with the delimiters that ReaderConfig names): each row an object by the headers. */
import { parseCsvRows } from '../../../base/csv.ts';
import type { Json } from '../../../model/types.ts';
import { StateError } from '../asl/errors.ts';
import { isList, type JsonObject, objectOf } from '../asl/values.ts';

const delimiters: Readonly<Record<string, string>> = { COMMA: ',', PIPE: '|', SEMICOLON: ';', SPACE: ' ', TAB: '\t' };

/** Rows as objects. Throws StateError States.ItemReaderFailed. */
export function parseCsv(text: string, config: JsonObject): Json[] {
  const delimiter = delimiters[String(config['CSVDelimiter'] ?? 'COMMA')] ?? ',';
  const rows = parseCsvRows(text, delimiter);
  const given = config['CSVHeaderLocation'] === 'GIVEN';
  const headers = given && isList(config['CSVHeaders']) ? config['CSVHeaders'].map(String) : (rows.shift() ?? []);
  if (headers.length === 0) throw new StateError('States.ItemReaderFailed', 'The CSV has no headers.');
  return rows.map((row) => objectOf(headers.map((name, at) => [name, row[at] ?? ''] as const)));
}
