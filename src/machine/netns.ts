/**
 * Network namespaces with a name, as `ip netns` keeps them: a bind mount in /run/netns holds the namespace while nothing runs in it. Pilvi's own
 * /run is a private one (launch.ts), so the names exist only inside and die with Pilvi. The naming of machines' namespaces is fixed here,
 * because two planes share it: the fabric puts devices there, the machines plane starts containers there.
 */
import assert from 'node:assert';
import { readdir } from 'node:fs/promises';
import { runCommand } from './command.ts';

const namespaceFolder = '/run/netns';
const keyPattern = /^[a-z0-9-]{1,64}$/;

/** Name of the namespace that holds a machine's devices. Throws an assertion error for a key that breaks the planes' rule for keys. */
export function machineNamespace(key: string): string {
  return namespaceName('m', key);
}

/** Name of the namespace that routes a network. Throws like `machineNamespace`. */
export function networkNamespace(key: string): string {
  return namespaceName('n', key);
}

/** Name of the namespace between two linked networks, the same from both sides. */
export function linkNamespace(one: string, other: string): string {
  const [first = '', second = ''] = [one, other].sort();
  return `${namespaceName('x', first)}.${second}`;
}

/** The key behind a name made by `networkNamespace`, or undefined for any other name. */
export function networkOfNamespace(name: string): string | undefined {
  return name.startsWith('n-') ? name.slice(2) : undefined;
}

/** Path to hand to setns, nsenter or an OCI runtime. */
export function namespacePath(name: string): string {
  return `${namespaceFolder}/${name}`;
}

/** Argument array that runs `argv` in the network namespace; everything else stays the caller's. */
export function inNamespace(name: string, argv: readonly string[]): string[] {
  return ['nsenter', `--net=${namespacePath(name)}`, '--', ...argv];
}

/** Names of all namespaces, empty when none was ever made. */
export async function listNamespaces(): Promise<string[]> {
  try {
    return (await readdir(namespaceFolder)).sort();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}

/** Makes the namespace when it does not exist. Throws `CommandFailed` when the kernel refuses. */
export async function ensureNamespace(name: string): Promise<void> {
  if ((await listNamespaces()).includes(name)) return;
  try {
    await runCommand(['ip', 'netns', 'add', name]);
  } catch (error) {
    // Another caller may have made it between the look and the attempt.
    if (!(await listNamespaces()).includes(name)) throw error;
  }
}

/** Removes the name, and with it the namespace once nothing runs in it any more. Safe to repeat. */
export async function removeNamespace(name: string): Promise<void> {
  if (!(await listNamespaces()).includes(name)) return;
  try {
    await runCommand(['ip', 'netns', 'del', name]);
  } catch (error) {
    if ((await listNamespaces()).includes(name)) throw error;
  }
}

function namespaceName(prefix: string, key: string): string {
  assert(keyPattern.test(key), `A key is 1 to 64 of [a-z0-9-], not ${JSON.stringify(key)}.`);
  return `${prefix}-${key}`;
}
