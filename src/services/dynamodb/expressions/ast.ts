/** What parsed expressions are. Names and values are resolved already. */
import type { Value, ValueType } from '../values.ts';

/** A document path: names of attributes and members, indexes of lists. */
export type Path = readonly (string | number)[];

export type Operand = { kind: 'path'; path: Path } | { kind: 'value'; value: Value } | { kind: 'size'; of: Operand };

export type Comparator = '=' | '<>' | '<' | '<=' | '>' | '>=';

export type Condition =
  | { kind: 'and' | 'or'; left: Condition; right: Condition }
  | { kind: 'not'; of: Condition }
  | { kind: 'compare'; operator: Comparator; left: Operand; right: Operand }
  | { kind: 'between'; of: Operand; low: Operand; high: Operand }
  | { kind: 'in'; of: Operand; list: readonly Operand[] }
  | { kind: 'exists'; path: Path; wanted: boolean }
  | { kind: 'type'; of: Operand; type: ValueType }
  | { kind: 'beginsWith'; of: Operand; prefix: Operand }
  | { kind: 'contains'; of: Operand; part: Operand }
  /** Legacy conditions only: not contained, by their own rules for what is missing. */
  | { kind: 'notContains'; of: Operand; part: Operand }
  | { kind: 'always' };

export type SetValue =
  | { kind: 'path'; path: Path }
  | { kind: 'value'; value: Value }
  | { kind: 'sum'; sign: 1 | -1; left: SetValue; right: SetValue }
  | { kind: 'ifNotExists'; path: Path; otherwise: SetValue }
  | { kind: 'append'; left: SetValue; right: SetValue };

export type UpdateAction =
  | { kind: 'set'; path: Path; value: SetValue }
  | { kind: 'remove'; path: Path }
  | { kind: 'add'; path: Path; value: Value }
  | { kind: 'delete'; path: Path; value: Value };

/** A path as AWS's messages show it. */
export function formatPath(path: Path): string {
  return `[${path.map((part) => (typeof part === 'number' ? `[${part}]` : part)).join(', ')}]`;
}
