/** JSON filter patterns: `{ $.eventType = "Update*" && $.list[0] > 3 || $.user.id IS NULL }` ("Match terms in JSON log events"). */
import type { FilterPattern } from './filter-pattern.ts';
import { Reader, readConditions } from './filter-tokens.ts';
import { comparison, PatternError } from './filter-values.ts';

type Step = string | number | '*';

const selectorForm = /\$(?:\.[\w-]+|\['[^']+'\]|\["[^"]+"\]|\[\d+\]|\[\*\])+/;

/** Values behind a selector: one, several with `[*]`, none. */
function valuesAt(root: unknown, steps: readonly Step[]): unknown[] {
  let values = [root];
  for (const step of steps) {
    values = values.flatMap((value) => {
      if (step === '*') return Array.isArray(value) ? value : [];
      if (typeof value !== 'object' || value === null || !(step in value)) return [];
      return [(value as Record<string | number, unknown>)[step]];
    });
  }
  return values;
}

/** Steps of `$.a.b[0]['c.d']`. Throws PatternError. */
function stepsOf(selector: string): Step[] {
  const found = selector.slice(1).match(/\.[\w-]+|\['[^']+'\]|\["[^"]+"\]|\[\d+\]|\[\*\]/g);
  if (!selector.startsWith('$') || found === null) throw new PatternError();
  return found.map((part): Step => {
    if (part.startsWith('.')) return part.slice(1);
    const inner = part.slice(1, -1);
    if (inner === '*') return '*';
    return /^\d+$/.test(inner) ? Number(inner) : inner.slice(1, -1);
  });
}

function textOf(value: unknown): string | undefined {
  if (typeof value === 'string') return value;
  return typeof value === 'number' || typeof value === 'boolean' ? String(value) : undefined;
}

function readCondition(reader: Reader, selectors: Set<string>): (root: unknown) => boolean {
  const selector = reader.match(selectorForm);
  if (selector === undefined) throw new PatternError();
  selectors.add(selector);
  const steps = stepsOf(selector);
  if (reader.match(/IS\b/i) !== undefined) {
    const wanted = reader.match(/TRUE\b|FALSE\b|NULL\b/i)?.toUpperCase();
    if (wanted === undefined) throw new PatternError();
    const value = wanted === 'NULL' ? null : wanted === 'TRUE';
    return (root) => valuesAt(root, steps).includes(value);
  }
  if (reader.match(/NOT\b/i) !== undefined) {
    if (reader.match(/EXISTS\b/i) === undefined) throw new PatternError();
    return (root) => valuesAt(root, steps).length === 0;
  }
  if (reader.match(/EXISTS\b/i) !== undefined) return (root) => valuesAt(root, steps).length > 0;
  const operator = reader.operator();
  if (operator === undefined) throw new PatternError();
  const test = comparison(operator, reader.operand());
  return (root) => valuesAt(root, steps).some((value) => ((text) => text !== undefined && test(text))(textOf(value)));
}

/** Reads a pattern in braces. Throws PatternError. */
export function readJsonPattern(pattern: string): FilterPattern {
  const reader = new Reader(pattern);
  const selectors = new Set<string>();
  reader.need('{');
  const matches = readConditions<unknown>(reader, () => readCondition(reader, selectors));
  reader.need('}');
  if (!reader.ended) throw new PatternError();
  return (message) => {
    const root = parseJson(message);
    if (root === undefined || !matches(root)) return undefined;
    const extract = (selector: string): string | undefined => textOf(valuesAt(root, stepsOf(selector))[0]);
    const extracted = [...selectors].flatMap((selector) => {
      const text = extract(selector);
      return text === undefined ? [] : [[selector, text]];
    });
    return { extract, extracted: Object.fromEntries(extracted) as Record<string, string> };
  };
}

/** Only objects and lists count as JSON events. */
function parseJson(text: string): unknown {
  if (!/^\s*[{[]/.test(text)) return undefined;
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}
