/** CSV as an ItemReader reads it (RFC 4180, with the delimiters that ReaderConfig names): each row an object by the headers. */
import type { Json } from '../../../model/types.ts';
import { StateError } from '../asl/errors.ts';
import { isList, type JsonObject, objectOf } from '../asl/values.ts';

const delimiters: Readonly<Record<string, string>> = { COMMA: ',', PIPE: '|', SEMICOLON: ';', SPACE: ' ', TAB: '\t' };

/** Rows as objects. Throws StateError States.ItemReaderFailed. */
export function parseCsv(text: string, config: JsonObject): Json[] {
  const delimiter = delimiters[String(config['CSVDelimiter'] ?? 'COMMA')] ?? ',';
  const rows = records(text.replace(/^\uFEFF/, ''), delimiter);
  const given = config['CSVHeaderLocation'] === 'GIVEN';
  const headers = given && isList(config['CSVHeaders']) ? config['CSVHeaders'].map(String) : (rows.shift() ?? []);
  if (headers.length === 0) throw new StateError('States.ItemReaderFailed', 'The CSV has no headers.');
  return rows.map((row) => objectOf(headers.map((name, at) => [name, row[at] ?? ''] as const)));
}

function records(text: string, delimiter: string): string[][] {
  const rows: string[][] = [];
  let row: string[] = [];
  let field = '';
  let quoted = false;
  const endField = (): void => {
    row.push(field);
    field = '';
  };
  const endRow = (): void => {
    endField();
    // A blank line is no row.
    if (row.length > 1 || row[0] !== '') rows.push(row);
    row = [];
  };
  for (let at = 0; at < text.length; at++) {
    const letter = text[at]!;
    if (quoted) {
      if (letter !== '"') field += letter;
      else if (text[at + 1] === '"') field += text[++at];
      else quoted = false;
    } else if (letter === '"' && field === '') quoted = true;
    else if (letter === delimiter) endField();
    else if (letter === '\n') endRow();
    else if (letter !== '\r' || text[at + 1] !== '\n') field += letter;
  }
  if (field !== '' || row.length > 0) endRow();
  return rows;
}
