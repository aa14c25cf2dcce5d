/**
 * Filters of the Describe calls, one engine for all nouns ("List and filter using the CLI and API", EC2 User Guide): values of one filter are
 * joined by or, filters by and; `*` and `?` are wildcards, `\` escapes them; `tag:Key`, `tag-key` and `tag-value` work on everything tagged.
 */
import type { Filter } from '@aws-sdk/client-ec2';
import { invalidParameterValue } from './errors.ts';

/** Values of a row under a filter name; undefined ones do not match anything. */
export type FilterValues<Row> = Readonly<
  Record<string, (row: Row) => string | boolean | number | undefined | readonly (string | undefined)[]>
>;

/** Filters per call and values per filter ("up to 200 values", "up to 50 filters"). */
const filtersMax = 50;
const valuesMax = 200;

interface Tagged {
  tags: Readonly<Record<string, string>>;
}

/** The rows that all filters let through. Throws InvalidParameterValue for a filter that the noun does not have. */
export function applyFilters<Row extends Tagged>(
  rows: readonly Row[],
  filters: readonly Filter[] | undefined,
  values: FilterValues<Row>,
): Row[] {
  const tests = compileFilters(filters, values);
  return rows.filter((row) => tests.every((passes) => passes(row)));
}

/** One test per filter. */
function compileFilters<Row extends Tagged>(
  filters: readonly Filter[] | undefined,
  values: FilterValues<Row>,
): ((row: Row) => boolean)[] {
  if ((filters?.length ?? 0) > filtersMax) throw invalidParameterValue(`The maximum number of filters is ${filtersMax}.`);
  return (filters ?? []).map((filter) => {
    const name = filter.Name ?? '';
    const wanted = filter.Values ?? [];
    if (wanted.length > valuesMax)
      throw invalidParameterValue(`The maximum number of filter values specified on a single call is ${valuesMax}.`);
    const matchers = wanted.map(compilePattern);
    const read = tagReader<Row>(name) ?? values[name];
    if (read === undefined) throw invalidParameterValue(`The filter '${name}' is invalid`);
    return (row) => {
      const found = read(row);
      const all = Array.isArray(found)
        ? (found as readonly (string | undefined)[])
        : [found as string | boolean | number | undefined];
      return all.some((value) => value !== undefined && matchers.some((matches) => matches(String(value))));
    };
  });
}

function tagReader<Row extends Tagged>(name: string): ((row: Row) => readonly (string | undefined)[]) | undefined {
  if (name === 'tag-key') return (row) => Object.keys(row.tags);
  if (name === 'tag-value') return (row) => Object.values(row.tags);
  if (!name.startsWith('tag:')) return undefined;
  const key = name.slice('tag:'.length);
  return (row) => [row.tags[key]];
}

/** A test for one filter value; case counts. */
function compilePattern(pattern: string): (value: string) => boolean {
  if (!/[*?\\]/.test(pattern)) return (value) => value === pattern;
  let source = '';
  for (let index = 0; index < pattern.length; index += 1) {
    const letter = pattern.charAt(index);
    if (letter === '*') source += '[^]*';
    else if (letter === '?') source += '[^]';
    else {
      if (letter === '\\' && index + 1 < pattern.length) index += 1;
      source += pattern.charAt(index).replace(/[.*+?^${}()|[\]\\/]/g, '\\$&');
    }
  }
  const expression = new RegExp(`^${source}$`, 'u');
  return (value) => expression.test(value);
}
