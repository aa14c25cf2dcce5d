/** Filters and order of lists of secrets. Source: API Reference, ListSecrets, `Filter`; User Guide, "Find secrets". */
import type { Filter } from '@aws-sdk/client-secrets-manager';
import { formatPageToken, parsePageToken } from '../../base/paging.ts';
import { RequestCheck } from '../../kernel/request-check.ts';
import { invalidNextToken } from './errors.ts';
import { limits } from './rules.ts';
import type { SecretRow } from './state.ts';

const keys = ['description', 'name', 'tag-key', 'tag-value', 'primary-region', 'owning-service', 'all'];
const valuesMax = 10;

const startsWith = (text: string | undefined, value: string): boolean => text?.startsWith(value) ?? false;
/** Descriptions, and `all`, are searched word by word without regard to case. */
const hasWord = (text: string | undefined, value: string): boolean =>
  (text ?? '')
    .toLowerCase()
    .split(/[^\p{L}\p{N}]+/u)
    .some((word) => word.startsWith(value.toLowerCase())) || (text ?? '').toLowerCase().startsWith(value.toLowerCase());

function matches(row: SecretRow, key: string, value: string): boolean {
  switch (key) {
    case 'description':
      return hasWord(row.description, value);
    case 'name':
      return startsWith(row.name, value);
    case 'tag-key':
      return Object.keys(row.tags).some((tag) => startsWith(tag, value));
    case 'tag-value':
      return Object.values(row.tags).some((tag) => startsWith(tag, value));
    case 'primary-region':
      return startsWith(row.primaryRegion, value);
    case 'all':
      return [row.name, row.description, row.primaryRegion, ...Object.entries(row.tags).flat()].some((text) =>
        hasWord(text, value),
      );
    default:
      return false;
  }
}

/** Whether a secret passes every filter; a filter passes when any of its values matches, and one that begins with `!` when it does not. */
export function acceptsFilters(row: SecretRow, filters: readonly Filter[] | undefined): boolean {
  return (filters ?? []).every(({ Key: key = '', Values: values = [] }) => {
    new RequestCheck().oneOf('filters.1.member.key', key, keys).count('filters.1.member.values', values, 1, valuesMax).done();
    return values.some((value) => (value.startsWith('!') ? !matches(row, key, value.slice(1)) : matches(row, key, value)));
  });
}

interface ListInput {
  MaxResults?: number | undefined;
  NextToken?: string | undefined;
  SortBy?: string | undefined;
  SortOrder?: string | undefined;
}

function sortKey(row: SecretRow, by: string | undefined): number | string {
  switch (by) {
    case 'name':
      return row.name;
    case 'last-changed-date':
      return row.changed;
    case 'last-accessed-date':
      return row.accessed ?? 0;
    default:
      return row.created;
  }
}

/** One page in the order asked for: by creation, newest first, unless told. Throws InvalidNextTokenException, ValidationException. */
export function pageSecrets(rows: readonly SecretRow[], input: ListInput): { items: SecretRow[]; token: string | undefined } {
  const { MaxResults: limit = limits.pageItemsMax, NextToken: token, SortBy: by, SortOrder: order = 'desc' } = input;
  new RequestCheck()
    .range('maxResults', limit, 1, limits.pageItemsMax)
    .oneOf('sortBy', by, ['created-date', 'last-accessed-date', 'last-changed-date', 'name'])
    .oneOf('sortOrder', order, ['asc', 'desc'])
    .done();
  const sign = order === 'asc' ? 1 : -1;
  const sorted = [...rows].sort((a, b) => sign * compare(sortKey(a, by), sortKey(b, by)) || compare(a.name, b.name));
  const scope = `ListSecrets ${by ?? ''} ${order}`;
  const after = token === undefined ? undefined : parsePageToken(scope, token);
  if (token !== undefined && after === undefined) throw invalidNextToken();
  const start = after === undefined ? 0 : sorted.findIndex(({ name }) => name === after[0]) + 1;
  if (after !== undefined && start === 0) throw invalidNextToken();
  const items = sorted.slice(start, start + limit);
  const last = items.at(-1);
  const more = start + limit < sorted.length && last !== undefined;
  return { items, token: more ? formatPageToken(scope, [last.name]) : undefined };
}

function compare(a: number | string, b: number | string): number {
  if (typeof a === 'number' && typeof b === 'number') return a - b;
  return Buffer.compare(Buffer.from(String(a)), Buffer.from(String(b)));
}
