/**
 * The lock file is whole, so that `npm ci` works on a clean clone: it agrees with package.json, and holds an entry for every optional package,
 * also those of other platforms. npm leaves those out when the registry in use lacks them, and `npm ci` then refuses the file elsewhere.
 * `completeLock` (`npm run lock`) adds them by version; npm fetches such a package only on its own platform.
 */
import type { Finding, Rule } from './finding.ts';

interface Entry {
  version?: string;
  dev?: boolean;
  optional?: boolean;
  os?: string[];
  cpu?: string[];
  libc?: string[];
  dependencies?: Record<string, string>;
  devDependencies?: Record<string, string>;
  optionalDependencies?: Record<string, string>;
}

interface Lock {
  packages: Record<string, Entry>;
}

/** Where Node would find `name` from the package at `from`; undefined when the lock has it nowhere. */
function resolve(packages: Readonly<Record<string, Entry>>, from: string, name: string): string | undefined {
  for (let base = from; ; base = base.slice(0, Math.max(0, base.lastIndexOf('node_modules/') - 1))) {
    const candidate = `${base === '' ? '' : `${base}/`}node_modules/${name}`;
    if (packages[candidate]) return candidate;
    if (base === '') return undefined;
  }
}

interface Missing {
  name: string;
  range: string;
  /** The entry that asks for it. */
  parent: Entry;
}

function missingOptionals({ packages }: Lock): Missing[] {
  return Object.entries(packages).flatMap(([from, parent]) =>
    Object.entries(parent.optionalDependencies ?? {})
      .filter(([name]) => resolve(packages, from, name) === undefined)
      .map(([name, range]) => ({ name, range, parent })),
  );
}

const systems = ['android', 'darwin', 'linux', 'win32', 'freebsd', 'openbsd', 'netbsd', 'sunos', 'aix', 'openharmony'];
const processors = ['arm64', 'x64', 'arm', 'ia32', 'ppc64', 's390x', 'riscv64', 'loong64', 'mips64el'];

/** The lock file with an entry for each optional package that it lacks; platform packages say so in their names. */
export function completeLock(text: string): string {
  const lock = JSON.parse(text) as Lock;
  for (const { name, range, parent } of missingOptionals(lock)) {
    const words = name.split(/[/-]/);
    const entry: Entry = { version: range.replace(/^[\^~]/, ''), optional: true };
    if (parent.dev) entry.dev = true;
    entry.os = words.filter((word) => systems.includes(word));
    entry.cpu = words.filter((word) => processors.includes(word));
    if (words.includes('musl')) entry.libc = ['musl'];
    lock.packages[`node_modules/${name}`] = entry;
  }
  lock.packages = Object.fromEntries(Object.entries(lock.packages).sort(([a], [b]) => (a < b ? -1 : 1)));
  return `${JSON.stringify(lock, null, 2)}\n`;
}

function disagreements(manifest: Entry, root: Entry | undefined): string[] {
  return (['dependencies', 'devDependencies', 'optionalDependencies'] as const).flatMap((kind) => {
    const [wanted, locked] = [manifest[kind] ?? {}, root?.[kind] ?? {}];
    return [...new Set([...Object.keys(wanted), ...Object.keys(locked)])].filter((name) => wanted[name] !== locked[name]);
  });
}

export const lockfile: Rule = {
  name: 'lockfile',
  run({ manifest, lock: text }): Finding[] {
    if (text === undefined) return [];
    const lock = JSON.parse(text) as Lock;
    const finding = (message: string): Finding => ({ path: 'package-lock.json', line: 1, message });
    return [
      ...disagreements(JSON.parse(manifest ?? '{}') as Entry, lock.packages['']).map((name) =>
        finding(`${name} is not as package.json says: npm install`),
      ),
      ...missingOptionals(lock).map(({ name }) => finding(`npm ci would miss ${name}: npm run lock`)),
    ];
  },
};
