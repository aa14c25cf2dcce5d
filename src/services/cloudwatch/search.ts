/** SEARCH expressions: `{AWS/EC2,InstanceId} MetricName="CPUUtilization" i-0ab OR …` ("Use search expressions in graphs", "search expression syntax"). */
import type { Context } from '../../kernel/context.ts';
import { MathError } from './math-parse.ts';
import { times } from './rules.ts';
import { type MetricRow, Metrics } from './state.ts';

type Test = (row: MetricRow) => boolean;

/** Most series that one search gives ("a search expression can return up to 500 time series"). */
const seriesMax = 500;

/** Words of a name: parts between marks, and between lower and upper case. */
function wordsOf(text: string): string[] {
  return text
    .replaceAll(/([a-z])([A-Z])/g, '$1 $2')
    .split(/[^A-Za-z0-9]+/)
    .concat(text)
    .map((word) => word.toLowerCase());
}

function fieldsOf(row: MetricRow, field: string | undefined): string[] {
  if (field === undefined) return [row.namespace, row.name, ...Object.keys(row.dimensions), ...Object.values(row.dimensions)];
  if (field.toLowerCase() === 'metricname') return [row.name];
  if (field.toLowerCase() === 'namespace') return [row.namespace];
  const value = row.dimensions[field];
  return value === undefined ? [] : [value];
}

function termTest(field: string | undefined, text: string, exact: boolean): Test {
  if (exact) return (row) => fieldsOf(row, field).includes(text);
  const wanted = text.toLowerCase();
  const parts = wordsOf(text)
    .slice(0, -1)
    .filter((word) => word !== '');
  return (row) =>
    fieldsOf(row, field).some((value) => {
      const words = wordsOf(value);
      return words.includes(wanted) || (parts.length > 0 && parts.every((part) => words.includes(part)));
    });
}

/** Reads the terms: AND between neighbours, OR and NOT in upper case, parentheses. */
class TermReader {
  readonly #tokens: readonly string[];
  #at = 0;

  constructor(text: string) {
    this.#tokens = text.match(/"[^"]*"|'[^']*'|[()]|=|[^\s()="']+/g) ?? [];
  }

  whole(): Test {
    if (this.#tokens.length === 0) return () => true;
    const test = this.#either();
    if (this.#at < this.#tokens.length) throw new MathError('SEARCH: the expression cannot be read');
    return test;
  }

  #either(): Test {
    let left = this.#both();
    while (this.#take('OR')) {
      const [a, b] = [left, this.#both()];
      left = (row) => a(row) || b(row);
    }
    return left;
  }

  #both(): Test {
    let left = this.#unit();
    for (;;) {
      const next = this.#tokens[this.#at];
      if (next === undefined || next === ')' || next === 'OR') return left;
      this.#take('AND');
      const [a, b] = [left, this.#unit()];
      left = (row) => a(row) && b(row);
    }
  }

  #unit(): Test {
    if (this.#take('NOT')) {
      const inner = this.#unit();
      return (row) => !inner(row);
    }
    if (this.#take('(')) {
      const inner = this.#either();
      if (!this.#take(')')) throw new MathError("SEARCH: ')' is missing");
      return inner;
    }
    const word = this.#tokens[this.#at++];
    if (word === undefined || word === '=' || word === ')') throw new MathError('SEARCH: a term is missing');
    if (!this.#take('=')) return this.#term(undefined, word);
    const field = unquoted(word);
    if (!this.#take('(')) return this.#term(field, this.#tokens[this.#at++] ?? '');
    // `InstanceId=(a OR b)`
    const tests: Test[] = [];
    while (!this.#take(')')) {
      const next = this.#tokens[this.#at++];
      if (next === undefined) throw new MathError("SEARCH: ')' is missing");
      if (next !== 'OR') tests.push(this.#term(field, next));
    }
    return (row) => tests.some((test) => test(row));
  }

  #term(field: string | undefined, word: string): Test {
    return termTest(field, unquoted(word), /^["']/.test(word));
  }

  #take(text: string): boolean {
    if (this.#tokens[this.#at] !== text) return false;
    this.#at += 1;
    return true;
  }
}

function unquoted(word: string): string {
  return word.replaceAll(/^["']|["']$/g, '');
}

/** Metrics that a search finds, those with points in the last two weeks. Throws MathError. */
export async function searchMetrics(ctx: Context, expression: string): Promise<MetricRow[]> {
  const [, schema, terms = expression] = /^\s*\{([^}]*)\}(.*)$/s.exec(expression) ?? [];
  const [namespace, ...dimensions] = (schema ?? '').split(',').map((part) => unquoted(part.trim()));
  const test = new TermReader(terms.trim()).whole();
  const rows = await ctx.table(Metrics).list({ prefix: namespace === undefined || namespace === '' ? [] : [namespace] });
  return rows
    .filter(
      (row) =>
        row.last >= ctx.now - times.listed &&
        (schema === undefined || sameNames(Object.keys(row.dimensions), dimensions)) &&
        test(row),
    )
    .slice(0, seriesMax);
}

function sameNames(names: readonly string[], wanted: readonly string[]): boolean {
  return names.length === wanted.length && wanted.every((name) => names.includes(name));
}
