/** Answers of a server, and when two of them are the same. */

type Json = Record<string, unknown>;

export interface Answer {
  status: number;
  body: Json;
}

/** What must be the same: members in any order, sets and batches in any order, an error's name without what stands before it. */
export function comparable({ status, body }: Answer): string {
  const { __type: type, message, Message, ...rest } = body;
  const error = type === undefined ? undefined : [String(type).split('#').at(-1), inOlderWords(String(message ?? Message))];
  return JSON.stringify([status, error, sorted(rest)]);
}

/** What AWS says of single writes since 2026, as it said it before, which is how others say it. */
export function inOlderWords(message: string): string {
  return message.replace(/^1 validation error detected: (?!Value (?:'|null|at )|Failed )/, '');
}

const unordered = new Set(['SS', 'NS', 'BS', 'Responses']);

function sorted(value: unknown, name = ''): unknown {
  if (Array.isArray(value)) {
    const list = value.map((each) => sorted(each));
    return unordered.has(name) ? list.sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1)) : list;
  }
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).map(
    ([each, inner]) => [each, sorted(inner, name === 'Responses' ? name : each)] as const,
  );
  return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)));
}
