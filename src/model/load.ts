/**
 * Reads the packed models from models/, beside the package root: found from dist/ as from src/. A model is read when a request first needs it.
 * The two caches here are rebuildable: they hold parsed files that do not change while the program runs.
 */
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { PackedModel } from './packed.ts';
import { PackedServiceModel, type ServiceIndex, type ServiceModel } from './service-model.ts';
import type { ServiceIndexEntry } from './types.ts';

let folderCache: string | undefined;
let indexCache: Promise<ServiceIndex> | undefined;
const modelCache = new Map<string, Promise<ServiceModel>>();

/** The models folder: the nearest one above this file that holds an index. Throws if the package is incomplete. */
function modelsFolder(): string {
  if (folderCache !== undefined) return folderCache;
  let folder = dirname(fileURLToPath(import.meta.url));
  for (;;) {
    const candidate = join(folder, 'models');
    if (existsSync(join(candidate, 'index.json'))) {
      folderCache = candidate;
      return candidate;
    }
    const parent = dirname(folder);
    if (parent === folder) throw new Error('The models folder is missing from the package; `npm run generate` makes it.');
    folder = parent;
  }
}

async function readJson<T>(name: string): Promise<T> {
  return JSON.parse(await readFile(join(modelsFolder(), `${name}.json`), 'utf8')) as T;
}

/** The index of all services. Reads one small file, no model. */
export function loadIndex(): Promise<ServiceIndex> {
  indexCache ??= readJson<ServiceIndexEntry[]>('index').then(indexOf);
  return indexCache;
}

/** The model of a service, by Pilvi's name of it. Throws if there is none of that name. */
export function loadModel(name: string): Promise<ServiceModel> {
  const known = modelCache.get(name);
  if (known !== undefined) return known;
  const loading = readModel(name);
  modelCache.set(name, loading);
  loading.catch(() => modelCache.delete(name));
  return loading;
}

async function readModel(name: string): Promise<ServiceModel> {
  const index = await loadIndex();
  if (!index.byName.has(name)) throw new Error(`There is no model of a service ${name}.`);
  return new PackedServiceModel(await readJson<PackedModel>(name));
}

/** The index over its entries. */
export function indexOf(entries: readonly ServiceIndexEntry[]): ServiceIndex {
  const ordered = [...entries].sort((a, b) => Number(a.yieldsTo !== undefined) - Number(b.yieldsTo !== undefined));
  const query = ordered.filter(({ protocols }) => protocols.includes('awsQuery') || protocols.includes('ec2Query'));
  return {
    entries,
    byName: new Map(entries.map((entry) => [entry.name, entry])),
    bySigningName: groupBy(ordered, ({ signingName, signingAliases = [] }) => [signingName, ...signingAliases]),
    byTarget: groupBy(ordered, (entry) => [entry.targetPrefix]),
    byEndpointPrefix: groupBy(ordered, (entry) => [entry.endpointPrefix]),
    byVersion: groupBy(query, (entry) => [entry.apiVersion]),
  };
}

function groupBy(
  entries: readonly ServiceIndexEntry[],
  keys: (entry: ServiceIndexEntry) => readonly string[],
): ReadonlyMap<string, readonly ServiceIndexEntry[]> {
  const groups = new Map<string, ServiceIndexEntry[]>();
  for (const entry of entries) {
    for (const key of keys(entry)) {
      const group = groups.get(key);
      if (group === undefined) groups.set(key, [entry]);
      else group.push(entry);
    }
  }
  return groups;
}
