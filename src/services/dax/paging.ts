/** Pages of lists, and the lookups that every list of names shares. */
import { type PageKey, pageOf } from '../../base/paging.ts';
import { invalidValue } from './errors.ts';

/** "The value must be between 20 and 100"; 100 unless told. */
const resultsMin = 20;
const resultsMax = 100;

interface PageInput {
  MaxResults?: number | undefined;
  NextToken?: string | undefined;
}

/** One page. Throws InvalidParameterValueException for a bad size or token. */
export function pageFor<T>(
  scope: string,
  items: readonly T[],
  keyOf: (item: T) => PageKey,
  { MaxResults = resultsMax, NextToken }: PageInput,
): { items: T[]; NextToken: string | undefined } {
  if (MaxResults < resultsMin || MaxResults > resultsMax)
    throw invalidValue(`MaxResults must be between ${resultsMin} and ${resultsMax}.`);
  const page = pageOf(items, keyOf, { scope, token: NextToken, limit: MaxResults });
  if (page === undefined) throw invalidValue('The NextToken is not valid.');
  return { items: page.items, NextToken: page.nextToken };
}

/** Rows of these names, or all when none is given. Throws what `missing` makes for a name that is not there. */
export function named<T extends { name: string }>(
  all: readonly T[],
  names: readonly string[] | undefined,
  missing: (name: string) => Error,
): readonly T[] {
  if (names === undefined || names.length === 0) return all;
  return names.map((name) => {
    const found = all.find((row) => row.name === name.toLowerCase());
    if (found === undefined) throw missing(name);
    return found;
  });
}
