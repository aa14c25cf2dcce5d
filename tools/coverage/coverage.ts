/**
 * `npm run coverage`: writes COVERAGE.md, what of each endpoint's API is there and what of that no test names. Taken from the services' own
 * handlers and the models, so it cannot flatter.
 */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { importSource } from '../bundle.ts';
import type { Rule } from '../check/finding.ts';

const coveragePath = 'COVERAGE.md';

export interface ServiceCoverage {
  name: string;
  /** All operations of the model, sorted. */
  all: readonly string[];
  implemented: readonly string[];
}

interface Listed {
  name: string;
  load: () => Promise<{ default: unknown }>;
}

/** Writes COVERAGE.md in `root`. Exit code 1 when a handler is for no operation of its model. */
export async function coverage(root: string): Promise<number> {
  const { text, strange } = await renderCoverage(root);
  for (const name of strange) console.error(`${name} has a handler but is no operation of its model`);
  writeFileSync(join(root, coveragePath), text);
  return strange.length === 0 ? 0 : 1;
}

/** The file as it should be, and operations with a handler that the model does not have. Throws when the services do not bundle. */
async function renderCoverage(root: string): Promise<{ text: string; strange: readonly string[] }> {
  const services = await readServices(root);
  const strange = services.flatMap(({ name, all, implemented }) =>
    implemented.filter((operation) => !all.includes(operation)).map((operation) => `${name}.${operation}`),
  );
  return { text: coverageDocument(services, wordsOfTests(root)), strange };
}

/** Rule of `npm run check`: COVERAGE.md says how it is. */
export const coverageFresh: Rule = {
  name: 'coverage',
  async run({ root, documents }) {
    const finding = (message: string) => [{ path: coveragePath, line: 1, message }];
    try {
      const { text, strange } = await renderCoverage(root);
      if (strange.length > 0) return finding(`handlers for no operation of the model: ${strange.join(', ')}`);
      return text === documents.get(coveragePath) ? [] : finding('is not fresh: run npm run coverage');
    } catch (error) {
      return finding(`the services cannot be loaded: ${String(error)}`);
    }
  },
};

async function readServices(root: string): Promise<ServiceCoverage[]> {
  const index = JSON.parse(readFileSync(join(root, 'models/index.json'), 'utf8')) as { name: string }[];
  const { services } = await importSource<{ services: readonly Listed[] }>(root, 'src/services/index.ts', 'coverage');
  const handlers = new Map<string, string[]>();
  for (const { name, load } of services) {
    const { handlers: own } = (await load()).default as { handlers: Readonly<Record<string, unknown>> };
    handlers.set(name, Object.keys(own).sort());
  }
  return index.map(({ name }) => {
    const model = JSON.parse(readFileSync(join(root, `models/${name}.json`), 'utf8')) as { operations: Record<string, unknown> };
    return { name, all: Object.keys(model.operations).sort(), implemented: handlers.get(name) ?? [] };
  });
}

/** Every word of the tests that drive services: identifiers, and the dashed names of the CLI. */
function wordsOfTests(root: string): ReadonlySet<string> {
  const words = new Set<string>();
  for (const folder of ['services', 'gateway', 'scenarios', 'machine', 'sim'].map((name) => join(root, 'test', name))) {
    const names = existsSync(folder) ? readdirSync(folder, { recursive: true }).map(String) : [];
    for (const name of names)
      if (name.endsWith('.ts'))
        for (const word of readFileSync(join(folder, name), 'utf8').match(/[A-Za-z][\w-]*/g) ?? []) words.add(word);
  }
  return words;
}

/** Whether a test names the operation: `RunInstances`, `RunInstancesCommand`, `runInstances` or `run-instances`. */
function isNamed(operation: string, words: ReadonlySet<string>): boolean {
  const method = operation.charAt(0).toLowerCase() + operation.slice(1);
  const dashed = operation
    .replace(/([a-z\d])([A-Z])/g, '$1-$2')
    .replace(/([A-Z]+)([A-Z][a-z])/g, '$1-$2')
    .toLowerCase();
  return [operation, `${operation}Command`, method, dashed].some((spelling) => words.has(spelling));
}

/** The text of COVERAGE.md. */
export function coverageDocument(services: readonly ServiceCoverage[], words: ReadonlySet<string>): string {
  const present = services.filter(({ implemented }) => implemented.length > 0);
  const count = (of: (service: ServiceCoverage) => readonly string[]): number =>
    services.reduce((sum, service) => sum + of(service).length, 0);
  const lines = [
    '# Coverage',
    '',
    'Written by `npm run coverage`; do not edit. An operation that is not implemented answers 501 `NotImplemented` in the words of its protocol.',
    '',
    `${count(({ implemented }) => implemented)} of ${count(({ all }) => all)} operations, in ${present.length} of ${services.length} services.`,
    '',
    '| service | implemented | all | named by no test |',
    '|---|---:|---:|---:|',
    ...present.map(({ name, all, implemented }) => {
      const unnamed = implemented.filter((operation) => !isNamed(operation, words)).length;
      return `| [${name}](#${name}) | ${implemented.length} | ${all.length} | ${unnamed} |`;
    }),
    '',
  ];
  for (const { name, all, implemented } of present) {
    const unnamed = implemented.filter((operation) => !isNamed(operation, words));
    const missing = all.filter((operation) => !implemented.includes(operation));
    lines.push(`## ${name}`, '');
    if (unnamed.length > 0) lines.push(`Implemented, but no test names them: ${unnamed.join(', ')}.`, '');
    lines.push(missing.length > 0 ? `Not implemented: ${missing.join(', ')}.` : 'Complete.', '');
  }
  const absent = services.filter(({ implemented }) => implemented.length === 0);
  lines.push('## Not begun', '', absent.map(({ name, all }) => `${name} (${all.length})`).join(', '), '');
  return lines.join('\n');
}
