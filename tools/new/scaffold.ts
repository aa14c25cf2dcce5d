/** The texts that `npm run new` writes, and how it adds to files that are there. Pure; new.ts reads and writes. */

export interface NewOperation {
  service: string;
  operation: string;
  /** Class of the official client, as `SQS`. */
  client: string;
  /** Members of the input. */
  required: readonly string[];
  optional: readonly string[];
}

function camelOf(file: string): string {
  return (file.split('/').at(-1) ?? file).replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase());
}

/** `queues` → `queueHandlers`, `policies` → `policyHandlers`. */
function constantOf(file: string): string {
  return `${singularOf(camelOf(file))}Handlers`;
}

function singularOf(noun: string): string {
  if (noun.endsWith('ies')) return `${noun.slice(0, -3)}y`;
  if (/(x|ch|sh|ss|us)es$/.test(noun)) return noun.slice(0, -2);
  return noun.endsWith('s') && !noun.endsWith('ss') ? noun.slice(0, -1) : noun;
}

function pluralOf(noun: string): string {
  if (/[^aeiou]y$/.test(noun)) return `${noun.slice(0, -1)}ies`;
  if (noun.endsWith('s')) return /(ss|us)$/.test(noun) ? `${noun}es` : noun;
  return /(x|ch|sh)$/.test(noun) ? `${noun}es` : `${noun}s`;
}

/** The file an operation goes into unless told: its noun in the plural, `SendMessage` → `messages`, `CreateAccessKey` → `access-keys`. */
export function fileOf(operation: string): string {
  const words = operation.match(/[A-Z]+(?![a-z])|[A-Z][a-z\d]*/g) ?? [operation];
  const nouns = words.length > 1 ? words.slice(1) : words;
  return pluralOf(nouns.join('-').toLowerCase());
}

/** src/services/<name>/index.ts */
export function serviceSource(name: string): string {
  return `import { defineService } from '../../kernel/service.ts';

export default defineService({
  name: '${name}',
  tables: [],
  handlers: {},
});
`;
}

/** Adds the service to the list. Throws when the list looks unlike what we know. */
export function addToList(text: string, name: string): string {
  const line = `  { name: '${name}', load: () => import('./${name}/index.ts') },\n`;
  if (text.includes(`{ name: '${name}',`)) return text;
  const end = text.lastIndexOf('];');
  if (end < 0) throw new Error('The list in src/services/index.ts has no end that this tool knows.');
  return text.slice(0, end) + line + text.slice(end);
}

/** A file for operations on one noun, without any yet. */
export function handlersSource({ service, client }: NewOperation, file: string): string {
  const up = '../'.repeat(file.split('/').length + 1);
  return `/** ${camelOf(file).replace(/^\w/, (first) => first.toUpperCase())}. */
import type { ${client} } from '@aws-sdk/client-${service}';
import type { HandlersOf } from '${up}kernel/service.ts';

export const ${constantOf(file)}: HandlersOf<${client}> = {
};
`;
}

/** Adds the operation at the end of the first `HandlersOf` in the file. Throws when there is none or it is there already. */
export function addHandler(text: string, { operation, required, optional }: NewOperation): string {
  if (new RegExp(`^  (async )?${operation}[(:]`, 'm').test(text)) throw new Error(`${operation} is there already.`);
  const imported = optional.length > 0 ? withImport(text) : text;
  const start = imported.search(/: HandlersOf<\w+> = \{/);
  const end = imported.indexOf('\n};', start);
  if (start < 0 || end < 0) throw new Error('The file has no constant of type HandlersOf to add to.');
  const refusal = `    for (const parameter of [${optional.map((name) => `'${name}'`).join(', ')}] as const)
      if (input[parameter] !== undefined) throw parameterNotImplemented('${operation}', parameter);
`;
  const method = `
  /** Needs ${required.join(', ') || 'nothing'}. */
  async ${operation}(${optional.length > 0 ? 'input' : ''}) {
${optional.length > 0 ? refusal : ''}    throw new Error('${operation} is not written.');
  },`;
  const isFirst = imported.slice(start, end).endsWith('{');
  return imported.slice(0, end) + (isFirst ? '' : '\n') + method + imported.slice(end);
}

/** Imports `parameterNotImplemented` from where the file's HandlersOf comes from. */
function withImport(text: string): string {
  if (/\bparameterNotImplemented\b/.test(text)) return text;
  return text.replace(
    /^import type \{[^}]*HandlersOf[^}]*\} from '(.*)service\.ts';$/m,
    "import { parameterNotImplemented } from '$1errors.ts';\n$&",
  );
}

/** Takes the file's handlers into the service. */
export function addToIndex(text: string, file: string): string {
  const constant = constantOf(file);
  if (text.includes(`...${constant},`)) return text;
  const imports = text.lastIndexOf("';\n", text.indexOf('export default')) + 3;
  const wired = `${text.slice(0, imports)}import { ${constant} } from './${file}.ts';\n${text.slice(imports)}`;
  if (wired.includes('handlers: {},')) return wired.replace('handlers: {},', `handlers: {\n    ...${constant},\n  },`);
  const start = wired.search(/^ {2}handlers: \{$/m);
  const end = wired.indexOf('\n  },', start);
  if (start < 0 || end < 0) throw new Error('index.ts has no handlers that this tool knows how to add to.');
  return `${wired.slice(0, end)}\n    ...${constant},${wired.slice(end)}`;
}

/** A behaviour test that fails until someone writes it: what is answered, and what is refused. */
export function testSource({ service, operation, client, required }: NewOperation, file: string, whole: boolean): string {
  const head = `import { ${client} } from '@aws-sdk/client-${service}';
import { expect, test } from 'vitest';
import { freshAccount, refused } from '${'../'.repeat(file.split('/').length + 1)}support/cloud.ts';

const client = new ${client}(freshAccount().config());

`;
  const method = operation.charAt(0).toLowerCase() + operation.slice(1);
  const input = required.length > 0 ? `{ ${required.map((name) => `${name}: undefined`).join(', ')} }` : '{}';
  return `${whole ? head : ''}test('${operation} does what the fact says', async () => {
  // Begin the title with the id of the fact in spec/ that this proves.
  const answer = await client.${method}(${input});
  expect(answer).toEqual('what AWS answers');
});

test('${operation} refuses what AWS refuses, in its words', async () => {
  await refused(client.${method}(${input}), 'Code', 'message');
});
`;
}
