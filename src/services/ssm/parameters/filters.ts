/** Filters of GetParametersByPath and DescribeParameters. Source: API Reference, ParameterStringFilter. */
import type { ParameterStringFilter } from '@aws-sdk/client-ssm';
import { invalidFilterKey, invalidFilterOption } from './errors.ts';
import type { ParameterRow, VersionRow } from './state.ts';

function valuesOf(row: ParameterRow, version: VersionRow, key: string): readonly string[] {
  switch (key) {
    case 'Name':
      return [row.name, row.name.replace(/^\//, '')];
    case 'Type':
      return [version.type];
    case 'KeyId':
      return version.keyId === undefined ? [] : [version.keyId];
    case 'Tier':
      return [version.tier];
    case 'DataType':
      return [version.dataType];
    case 'Label':
      return version.labels;
    default: {
      const tag = /^tag:(.+)$/.exec(key)?.[1];
      if (tag === undefined) throw invalidFilterKey(key);
      const value = row.tags[tag];
      return value === undefined ? [] : [value];
    }
  }
}

function isBelow(name: string, path: string, recursive: boolean): boolean {
  const below = path.endsWith('/') ? path : `${path}/`;
  return name.startsWith(below) && (recursive || !name.slice(below.length).includes('/'));
}

/** Whether a parameter passes all filters; one of a filter's values suffices. Throws InvalidFilterKey, InvalidFilterOption. */
export function matchesFilters(
  row: ParameterRow,
  version: VersionRow,
  filters: readonly ParameterStringFilter[] | undefined,
): boolean {
  return (filters ?? []).every(({ Key: key = '', Option: option, Values: wanted = [] }) => {
    if (key === 'Path') {
      if (option !== undefined && option !== 'Recursive' && option !== 'OneLevel') throw invalidFilterOption(option);
      return wanted.some((path) => isBelow(row.name, path, option === 'Recursive'));
    }
    const values = valuesOf(row, version, key);
    if (key.startsWith('tag:') && wanted.length === 0) return values.length > 0;
    switch (option ?? 'Equals') {
      case 'Equals':
        return values.some((value) => wanted.includes(value));
      case 'BeginsWith':
        return values.some((value) => wanted.some((start) => value.startsWith(start)));
      case 'Contains':
        return values.some((value) => wanted.some((part) => value.includes(part)));
      default:
        throw invalidFilterOption(option ?? '');
    }
  });
}
