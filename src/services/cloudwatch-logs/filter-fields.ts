/** Space-delimited filter patterns: `[ip, user, ..., status_code = 4*, bytes > 1000]` ("Match terms in space-delimited log events"). */
import type { FilterPattern } from './filter-pattern.ts';
import { Reader, readConditions } from './filter-tokens.ts';
import { comparison, PatternError } from './filter-values.ts';

interface Field {
  name: string;
  test: (value: string) => boolean;
}

/** Fields of a line: words; what stands in brackets or quotes is one field, without them. */
function fieldsOf(line: string): string[] {
  return [...line.matchAll(/\[([^\]]*)\]|"((?:[^"\\]|\\.)*)"|(\S+)/g)].map(
    ([, bracketed, quoted, word]) => bracketed ?? quoted ?? word ?? '',
  );
}

function readField(reader: Reader, index: number): Field | 'rest' {
  if (reader.take('...')) return 'rest';
  const name = reader.match(/[A-Za-z_]\w*/);
  if (name === undefined) return { name: String(index + 1), test: () => true };
  let first = true;
  const condition = (): ((value: string) => boolean) => {
    // Later conditions of the field repeat its name: `status = 404 || status = 410`.
    if (!first && reader.match(/[A-Za-z_]\w*/) !== name) throw new PatternError();
    first = false;
    const operator = reader.operator();
    return operator === undefined ? () => true : comparison(operator, reader.operand());
  };
  return { name, test: readConditions(reader, condition) };
}

/** Reads a pattern in brackets. A line matches when it has as many fields, `...` standing for any number, and all conditions hold. */
export function readFieldsPattern(pattern: string): FilterPattern {
  const reader = new Reader(pattern);
  const before: Field[] = [];
  const after: Field[] = [];
  let open = false;
  reader.need('[');
  do {
    const field = readField(reader, before.length + after.length);
    if (field === 'rest') {
      if (open) throw new PatternError();
      open = true;
    } else (open ? after : before).push(field);
  } while (reader.take(','));
  reader.need(']');
  if (!reader.ended) throw new PatternError();
  return (message) => {
    const values = fieldsOf(message);
    const named = before.length + after.length;
    if (open ? values.length < named : values.length !== named) return undefined;
    const tail = values.slice(values.length - after.length);
    const pairs = [
      ...before.map((field, index) => ({ field, value: values[index] ?? '' })),
      ...after.map((field, index) => ({ field, value: tail[index] ?? '' })),
    ];
    if (!pairs.every(({ field, value }) => field.test(value))) return undefined;
    const extracted = Object.fromEntries(pairs.map(({ field, value }) => [`$${field.name}`, value]));
    return { extract: (selector) => extracted[selector], extracted };
  };
}
