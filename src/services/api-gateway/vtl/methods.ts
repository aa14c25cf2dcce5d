/** What templates may call on text, lists, maps and numbers: the methods of Java's classes that mapping templates use. Others answer null. */
import { formatValue, type Value } from './evaluate.ts';

type Method<Of> = (self: Of, ...args: Value[]) => Value;
type Methods<Of> = Readonly<Record<string, Method<Of>>>;

/** Java's patterns are close enough to JavaScript's; one that is not, or is too long, matches nothing. */
function pattern(text: Value, flags: string): RegExp {
  const source = formatValue(text);
  try {
    return source.length > 1000 ? /(?!)/ : new RegExp(source, flags);
  } catch {
    return /(?!)/;
  }
}

const ofText: Methods<string> = {
  length: (self) => self.length,
  size: (self) => self.length,
  isEmpty: (self) => self.length === 0,
  toString: (self: string) => self,
  trim: (self) => self.trim(),
  toLowerCase: (self) => self.toLowerCase(),
  toUpperCase: (self) => self.toUpperCase(),
  substring: (self, from, to) => self.substring(Number(from), to === undefined ? undefined : Number(to)),
  charAt: (self, at) => self.charAt(Number(at)),
  indexOf: (self, text, from) => self.indexOf(formatValue(text), Number(from ?? 0)),
  lastIndexOf: (self, text) => self.lastIndexOf(formatValue(text)),
  contains: (self, text) => self.includes(formatValue(text)),
  startsWith: (self, text) => self.startsWith(formatValue(text)),
  endsWith: (self, text) => self.endsWith(formatValue(text)),
  equals: (self, other) => self === other,
  equalsIgnoreCase: (self, other) => self.toLowerCase() === formatValue(other).toLowerCase(),
  concat: (self, text) => self + formatValue(text),
  matches: (self, text) => pattern(`^(?:${formatValue(text)})$`, 's').test(self),
  replace: (self, from, to) => self.replaceAll(formatValue(from), () => formatValue(to)),
  replaceAll: (self, from, to) => self.replace(pattern(from, 'g'), formatValue(to)),
  replaceFirst: (self, from, to) => self.replace(pattern(from, ''), formatValue(to)),
  split: (self, by, limit) => splitText(self, by, limit),
};

/** Java drops empty pieces at the end. */
function splitText(self: string, by: Value, limit: Value): Value[] {
  const pieces = self.split(pattern(by, '')).map((piece): Value => piece ?? '');
  const most = Number(limit ?? 0);
  if (most > 0 && pieces.length > most) {
    const kept = pieces.slice(0, most - 1);
    const used = kept.reduce<number>((sum, piece) => sum + formatValue(piece).length + 1, 0);
    return [...kept, self.slice(used)];
  }
  while (pieces.length > 1 && pieces.at(-1) === '') pieces.pop();
  return pieces;
}

const ofList: Methods<Value[]> = {
  size: (self) => self.length,
  length: (self) => self.length,
  isEmpty: (self) => self.length === 0,
  get: (self, at) => self[Number(at)],
  contains: (self, item) => self.some((own) => formatValue(own) === formatValue(item)),
  indexOf: (self, item) => self.findIndex((own) => formatValue(own) === formatValue(item)),
  toString: (self: Value[]) => formatValue(self),
  add(self, first, second) {
    if (second === undefined) self.push(first);
    else self.splice(Number(first), 0, second);
    return true;
  },
  addAll(self, items) {
    if (Array.isArray(items)) self.push(...items);
    return true;
  },
  set(self, at, item) {
    const index = Number(at);
    if (!(index >= 0 && index < self.length)) return null;
    const before = self[index];
    self[index] = item;
    return before;
  },
  remove: (self, at) => self.splice(Number(at), 1)[0],
};

const ofMap: Methods<Map<string, Value>> = {
  size: (self) => self.size,
  isEmpty: (self) => self.size === 0,
  get: (self, key) => self.get(formatValue(key)),
  getOrDefault: (self, key, other) => self.get(formatValue(key)) ?? other,
  containsKey: (self, key) => self.has(formatValue(key)),
  containsValue: (self, value) => [...self.values()].some((own) => formatValue(own) === formatValue(value)),
  keySet: (self) => [...self.keys()],
  values: (self) => [...self.values()],
  entrySet: (self) =>
    [...self].map(
      ([key, value]): Value =>
        new Map<string, Value>([
          ['key', key],
          ['value', value],
        ]),
    ),
  getKey: (self) => self.get('key'),
  getValue: (self) => self.get('value'),
  toString: (self: Map<string, Value>) => formatValue(self),
  put(self, key, value) {
    const name = formatValue(key);
    const before = self.get(name);
    self.set(name, value);
    return before;
  },
  putAll(self, other) {
    if (other instanceof Map) for (const [key, value] of other) self.set(key, value);
    return null;
  },
  remove(self, key) {
    const before = self.get(formatValue(key));
    self.delete(formatValue(key));
    return before;
  },
};

const ofNumber: Methods<number | boolean> = {
  toString: (self: number | boolean) => String(self),
  intValue: (self) => Math.trunc(Number(self)),
  longValue: (self) => Math.trunc(Number(self)),
  doubleValue: (self) => Number(self),
  equals: (self, other) => self === other,
};

/** Calls a method; null for one that the value does not have. */
export function callMethod(value: Value, name: string, args: readonly Value[]): Value {
  const call = <Of>(table: Readonly<Record<string, Method<Of>>>, self: Of): Value =>
    Object.hasOwn(table, name) ? table[name]?.(self, ...args) : null;
  if (typeof value === 'string') return call(ofText, value);
  if (Array.isArray(value)) return call(ofList, value);
  if (value instanceof Map) return call(ofMap, value);
  if (typeof value === 'number' || typeof value === 'boolean') return call(ofNumber, value);
  return null;
}
