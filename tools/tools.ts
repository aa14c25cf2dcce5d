/**
 * The entry of all tools: `node dist/tools.mjs <subcommand>`, called by the scripts of package.json. One program instead of many scripts, so that
 * they share the reading of the tree and are checked like the rest. Each subcommand loads only its own code.
 */
import { readFileSync, writeFileSync } from 'node:fs';

type Subcommand = (parameters: readonly string[]) => Promise<number>;

const root = process.cwd();

const subcommands: Readonly<Record<string, Subcommand>> = {
  check: async (parameters) => (await import('./check/check.ts')).check(root, parameters),
  generate: async (parameters) => {
    const { generate } = await import('./generate/generate.ts');
    const { generateIam } = await import('./generate-iam/generate-iam.ts');
    return Math.max(await generate([...parameters]), await generateIam(parameters));
  },
  spec: async (parameters) => (await import('./spec/spec.ts')).spec(root, parameters),
  coverage: async () => (await import('./coverage/coverage.ts')).coverage(root),
  graph: async () => (await import('./check/uses.ts')).graph(root),
  lock: async () => {
    const { completeLock } = await import('./check/lockfile.ts');
    writeFileSync('package-lock.json', completeLock(readFileSync('package-lock.json', 'utf8')));
    return 0;
  },
  new: async (parameters) => (await import('./new/new.ts')).scaffold(root, parameters),
  bench: async (parameters) => (await import('./bench/bench.ts')).bench(root, parameters),
};

const [name = '', ...parameters] = process.argv.slice(2);
const subcommand = subcommands[name];
if (subcommand) {
  process.exitCode = await subcommand(parameters);
} else {
  console.error(`No tool ${JSON.stringify(name)}; tools: ${Object.keys(subcommands).join(' ')}`);
  process.exitCode = 2;
}
