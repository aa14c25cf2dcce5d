/**
 * `npm run generate`: packs the official schemas into models/ and writes the types of their clients. With --check it writes nothing and fails
 * when a committed file is not what it would write. The packages are those of package.json, so a new service is one `npm i -D`.
 */
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { clientsSource } from './clients.ts';
import type { DraftModel } from './draft.ts';
import { readErrors } from './legacy-errors.ts';
import { type LegacyModel, readLegacy, readLegacyModels, refineNumbers } from './legacy.ts';
import { type ClientPackage, configOf, hasSchemas, importClient, readOfficial, signingNameOf } from './official.ts';
import { packModel } from './pack.ts';
import { applyPatch, normalise } from './patches.ts';

/**
 * Runs the generator in the project's root, the working directory.
 * @param argv `--check` compares instead of writing.
 * @returns exit status: 1 when --check finds a difference.
 */
export async function generate(argv: string[]): Promise<number> {
  const root = process.cwd();
  const clients = clientNames(root).map(importClient);
  const legacy = readLegacyModels(root);
  const models = clients.map((client) => draftOf(client, legacy, root));
  const files = new Map<string, string>();
  for (const model of models) files.set(`models/${model.service.name}.json`, packModel(model));
  const entries = models.map(({ service }) => JSON.stringify(service));
  files.set('models/index.json', `[\n${entries.join(',\n')}\n]\n`);
  files.set('src/kernel/clients.generated.ts', clientsSource(clients));
  return argv.includes('--check') ? compare(root, files) : write(root, files);
}

/** Clients that speak to another's service under its former name: tests use them, they bring no service of their own. */
const formerNames: ReadonlySet<string> = new Set(['cloudwatch-events']);

function clientNames(root: string): string[] {
  const { dependencies = {}, devDependencies = {} } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as Partial<
    Record<'dependencies' | 'devDependencies', Record<string, string>>
  >;
  const prefix = '@aws-sdk/client-';
  return [...Object.keys(dependencies), ...Object.keys(devDependencies)]
    .filter((name) => name.startsWith(prefix))
    .map((name) => name.slice(prefix.length))
    .filter((name) => !formerNames.has(name))
    .sort();
}

function draftOf(client: ClientPackage, legacyModels: ReadonlyMap<string, LegacyModel>, root: string): DraftModel {
  const config = configOf(client);
  const legacy = legacyModels.get(config.serviceId);
  let draft: DraftModel;
  if (hasSchemas(client)) {
    draft = readOfficial(client);
    if (legacy !== undefined) refineNumbers(draft, legacy);
  } else {
    if (legacy === undefined) throw new Error(`${client.name} has neither schemas nor a former description.`);
    const signingName = signingNameOf(config, Object.keys(legacy.operations)[0]!);
    draft = readLegacy({ name: client.name, signingName, errors: readErrors(client, root) }, legacy);
  }
  applyPatch(draft, root);
  normalise(draft);
  return draft;
}

function write(root: string, files: ReadonlyMap<string, string>): number {
  for (const stale of staleModels(root, files)) rmSync(join(root, stale));
  for (const [path, text] of files) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
  const bytes = [...files.values()].reduce((sum, text) => sum + text.length, 0);
  console.log(`Wrote ${files.size} files, ${Math.round(bytes / 1024)} KiB.`);
  return 0;
}

function compare(root: string, files: ReadonlyMap<string, string>): number {
  const different = [...files].filter(([path, text]) => readOrEmpty(join(root, path)) !== text).map(([path]) => path);
  const problems = [...different, ...staleModels(root, files)];
  for (const path of problems) console.error(`${path} is not what "npm run generate" writes.`);
  return problems.length === 0 ? 0 : 1;
}

function staleModels(root: string, files: ReadonlyMap<string, string>): string[] {
  return readdirSync(join(root, 'models'))
    .filter((name) => name.endsWith('.json') && !files.has(`models/${name}`))
    .map((name) => `models/${name}`);
}

function readOrEmpty(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
