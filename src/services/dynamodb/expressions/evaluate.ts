/** Whether an item meets a condition ("Comparison operator and function reference"). A missing attribute makes every comparison false. */
import { compareNumbers } from '../numbers.ts';
import { base64Size, type Item, sameValue, typeOf, utf8Size, type Value } from '../values.ts';
import type { Condition, Operand, Path } from './ast.ts';

/** The value at a path of an item. */
export function valueAt(item: Item, path: Path): Value | undefined {
  let value = Object.hasOwn(item, path[0] as string) ? item[path[0] as string] : undefined;
  for (let at = 1; at < path.length && value !== undefined; at++) {
    const part = path[at]!;
    if (typeof part === 'number') value = value.L?.[part];
    else value = value.M !== undefined && Object.hasOwn(value.M, part) ? value.M[part] : undefined;
  }
  return value;
}

/** Order of two values of one type that has an order (S, N, B): negative, zero, positive; undefined for others. */
export function compareValues(a: Value, b: Value): number | undefined {
  if (a.S !== undefined && b.S !== undefined) return compareTexts(a.S, b.S);
  if (a.N !== undefined && b.N !== undefined) return compareNumbers(a.N, b.N);
  if (a.B !== undefined && b.B !== undefined) return Buffer.compare(Buffer.from(a.B, 'base64'), Buffer.from(b.B, 'base64'));
  return undefined;
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: all of ASCII, where units and bytes sort alike
const ascii = /^[\x00-\x7f]*$/;

/** Strings sort by their UTF-8 bytes, which JavaScript's `<` does not. */
function compareTexts(a: string, b: string): number {
  if (a === b) return 0;
  if (ascii.test(a) && ascii.test(b)) return a < b ? -1 : 1;
  return Buffer.compare(Buffer.from(a, 'utf8'), Buffer.from(b, 'utf8'));
}

/** Evaluates a condition; a missing item is an empty one. */
export function meets(item: Item, condition: Condition): boolean {
  switch (condition.kind) {
    case 'and':
      return meets(item, condition.left) && meets(item, condition.right);
    case 'or':
      return meets(item, condition.left) || meets(item, condition.right);
    case 'not':
      return !meets(item, condition.of);
    case 'always':
      return true;
    case 'exists':
      return (valueAt(item, condition.path) !== undefined) === condition.wanted;
    default:
      return meetsTest(item, condition);
  }
}

type Test = Exclude<Condition, { kind: 'and' | 'or' | 'not' | 'always' | 'exists' }>;

function meetsTest(item: Item, test: Test): boolean {
  switch (test.kind) {
    case 'compare':
      return compareOperands(operandValue(item, test.left), operandValue(item, test.right), test.operator);
    case 'between': {
      const value = operandValue(item, test.of);
      return (
        compareOperands(value, operandValue(item, test.low), '>=') && compareOperands(value, operandValue(item, test.high), '<=')
      );
    }
    case 'in': {
      const value = operandValue(item, test.of);
      return test.list.some((entry) => compareOperands(value, operandValue(item, entry), '='));
    }
    case 'type': {
      const value = operandValue(item, test.of);
      return value !== undefined && typeOf(value) === test.type;
    }
    case 'beginsWith':
      return beginsWith(operandValue(item, test.of), operandValue(item, test.prefix));
    case 'contains':
      return contains(operandValue(item, test.of), operandValue(item, test.part));
    case 'notContains': {
      const value = operandValue(item, test.of);
      return value !== undefined && !contains(value, operandValue(item, test.part));
    }
  }
}

function compareOperands(left: Value | undefined, right: Value | undefined, operator: string): boolean {
  // `<>` is true when an operand is missing, as NOT (a = b) is.
  if (left === undefined || right === undefined) return operator === '<>';
  if (operator === '=') return sameValue(left, right);
  if (operator === '<>') return !sameValue(left, right);
  const order = compareValues(left, right);
  if (order === undefined) return false;
  if (operator === '<') return order < 0;
  if (operator === '<=') return order <= 0;
  return operator === '>' ? order > 0 : order >= 0;
}

function operandValue(item: Item, operand: Operand): Value | undefined {
  if (operand.kind === 'value') return operand.value;
  if (operand.kind === 'path') return valueAt(item, operand.path);
  const value = operandValue(item, operand.of);
  const size = value === undefined ? undefined : sizeOf(value);
  return size === undefined ? undefined : { N: String(size) };
}

/** `size`: bytes of a string or binary, members of a set, list or map. */
function sizeOf(value: Value): number | undefined {
  if (value.S !== undefined) return utf8Size(value.S);
  if (value.B !== undefined) return base64Size(value.B);
  const members = value.SS ?? value.NS ?? value.BS ?? value.L;
  if (members !== undefined) return members.length;
  return value.M === undefined ? undefined : Object.keys(value.M).length;
}

function beginsWith(value: Value | undefined, prefix: Value | undefined): boolean {
  if (value?.S !== undefined && prefix?.S !== undefined) return value.S.startsWith(prefix.S);
  if (value?.B === undefined || prefix?.B === undefined) return false;
  const bytes = Buffer.from(prefix.B, 'base64');
  return Buffer.from(value.B, 'base64').subarray(0, bytes.length).equals(bytes);
}

function contains(value: Value | undefined, part: Value | undefined): boolean {
  if (value === undefined || part === undefined) return false;
  if (value.L !== undefined) return value.L.some((entry) => sameValue(entry, part));
  if (part.S !== undefined) return value.S?.includes(part.S) ?? value.SS?.includes(part.S) ?? false;
  if (part.N !== undefined) return value.NS?.includes(part.N) ?? false;
  if (part.B === undefined) return false;
  if (value.B !== undefined) return Buffer.from(value.B, 'base64').includes(Buffer.from(part.B, 'base64'));
  return value.BS?.includes(part.B) ?? false;
}
