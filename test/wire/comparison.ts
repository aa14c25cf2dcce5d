/** Deep equality of what was sent and what came out, with the paths of the differences. */

/** Differences between two values, at most ten. Maps with and without a prototype, and all byte arrays, are alike; undefined counts as absent. */
export function differences(expected: unknown, actual: unknown): string[] {
  const found: string[] = [];
  compare(expected, actual, '', found);
  return found.slice(0, 10);
}

function compare(expected: unknown, actual: unknown, path: string, found: string[]): void {
  if (Object.is(expected, actual) || found.length >= 10) return;
  // Clients give JSON in strings as String objects that can be parsed.
  if (actual instanceof String && actual.toString() === expected) return;
  if (expected instanceof Date && actual instanceof Date && expected.getTime() === actual.getTime()) return;
  if (expected instanceof Uint8Array && actual instanceof Uint8Array && Buffer.compare(expected, actual) === 0) return;
  if (Array.isArray(expected) && Array.isArray(actual) && expected.length === actual.length) {
    for (const [index, item] of expected.entries()) compare(item, actual[index], `${path}[${index}]`, found);
    return;
  }
  if (isObject(expected) && isObject(actual)) {
    for (const key of new Set([...Object.keys(expected), ...Object.keys(actual)]))
      compare(expected[key], actual[key], `${path}.${key}`, found);
    return;
  }
  found.push(`${path === '' ? 'the whole' : path}: expected ${show(expected)}, found ${show(actual)}`);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return (
    typeof value === 'object' &&
    value !== null &&
    !Array.isArray(value) &&
    !(value instanceof Date) &&
    !(value instanceof Uint8Array)
  );
}

function show(value: unknown): string {
  const text = value instanceof Uint8Array ? `bytes ${Buffer.from(value).toString('hex')}` : JSON.stringify(value);
  return text === undefined ? 'nothing' : text.slice(0, 120);
}
