/**
 * The filter pattern language of CloudWatch Logs: terms (`ERROR -debug ?warn "two words" %regex%`), JSON selectors (`{ $.status = 5* && $.n > 3 }`) and
 * space-delimited fields (`[ip, user, ..., status = 4*, bytes > 1000]`). A pattern is read once into a function over messages. Source: CloudWatch
 * Logs User Guide, "Filter pattern syntax for metric filters, subscription filters, filter log events, and Live Tail".
 */
import { readJsonPattern } from './filter-json.ts';
import { readFieldsPattern } from './filter-fields.ts';
import { expressionOf, PatternError } from './filter-values.ts';

/** What a matching message gives: by selector (`$.latency`, `$bytes`), for the values and dimensions of metric filters. */
export interface Match {
  /** The text behind a selector; undefined when the message has none. */
  extract(selector: string): string | undefined;
  /** What TestMetricFilter shows. */
  extracted: Readonly<Record<string, string>>;
}

export type FilterPattern = (message: string) => Match | undefined;

const noValues: Match = { extract: () => undefined, extracted: {} };

/** Longest pattern, in characters (FilterLogEvents, PutMetricFilter). */
export const patternCharsMax = 1024;

/** Reads a pattern; the empty one matches everything. Throws PatternError. */
export function parseFilterPattern(text: string): FilterPattern {
  const pattern = text.trim();
  if (pattern === '') return () => noValues;
  if (pattern.startsWith('{')) return readJsonPattern(pattern);
  if (pattern.startsWith('[')) return readFieldsPattern(pattern);
  return readTerms(pattern);
}

interface Term {
  sign: '' | '-' | '?';
  test: (message: string) => boolean;
}

/** All plain terms, none with a minus, and one of those with a question mark. Beside plain terms, those with a question mark count for nothing. */
function readTerms(pattern: string): FilterPattern {
  const terms: Term[] = [];
  let rest = pattern;
  while (rest !== '') {
    const found = /^([-?]?)(?:"((?:[^"\\]|\\.)*)"|%([^%]*)%|([^\s"%]+))\s*/.exec(rest);
    if (found === null) throw new PatternError();
    const [whole, sign = '', quoted, expression, word] = found;
    terms.push({ sign: sign as Term['sign'], test: termTest(quoted, expression, word) });
    rest = rest.slice(whole.length);
  }
  const all = terms.filter(({ sign }) => sign === '');
  const none = terms.filter(({ sign }) => sign === '-');
  const some = all.length > 0 ? [] : terms.filter(({ sign }) => sign === '?');
  return (message) => {
    const matches =
      all.every(({ test }) => test(message)) &&
      !none.some(({ test }) => test(message)) &&
      (some.length === 0 || some.some(({ test }) => test(message)));
    return matches ? noValues : undefined;
  };
}

function termTest(quoted?: string, expression?: string, word?: string): Term['test'] {
  if (expression !== undefined) {
    const test = expressionOf(expression);
    return (message) => test.test(message);
  }
  const text = quoted?.replaceAll(/\\(.)/g, '$1') ?? word ?? '';
  // Terms other than alphanumeric ones and underscores must be quoted ("Match single terms").
  if (word !== undefined && !/^[\w]+$/.test(word)) throw new PatternError();
  return (message) => message.includes(text);
}
