/**
 * What runs the code of functions: the host's own toolchains, shown read-only in every sandbox. Nothing is downloaded; what is missing is refused
 * with what to install.
 */
import { existsSync, lstatSync, readdirSync, readlinkSync } from 'node:fs';
import { realpath } from 'node:fs/promises';
import path from 'node:path';
import { findProgram } from '../../machine/command.ts';
import type { FunctionSpec, Toolchain } from './types.ts';

/** Where the client of the Runtime API lies inside, and Node.js, which need not be in the usual folders. */
export const clientFolder = '/var/runtime/client';
const nodeProgram = '/var/lang/bin/node';
/** Inside, so that imports from /var/task find the packages that AWS has in its own runtime. */
export const packagesFolder = '/var/runtime/node_modules';

const packages: Readonly<Record<Exclude<Toolchain, 'node' | 'none'>, { program: string; install: string }>> = {
  python3: { program: 'python3', install: 'apt install python3' },
  // The client is compiled here, so that a runtime alone does not do.
  java: { program: 'javac', install: 'apt install default-jdk-headless' },
  ruby: { program: 'ruby', install: 'apt install ruby' },
  dotnet: { program: 'dotnet', install: 'the .NET SDK from dot.net' },
};
/** Those that there is a client of the Runtime API for. */
const served: readonly Toolchain[] = ['node', 'python3', 'java', 'ruby', 'none'];
/** Share of a function's memory that its objects in Java may take; the rest is for the machine around them. */
const javaHeapShare = 0.85;
const javaPath = ['/var/task/', '/var/task/lib/*', '/opt/java/lib/*', clientFolder];

/** Why this toolchain cannot be used and what to do about it; undefined when it can. */
export function toolchainProblem(toolchain: Toolchain): string | undefined {
  if (toolchain === 'node' || toolchain === 'none') return undefined;
  const { program, install } = packages[toolchain];
  if (findProgram(program) === undefined) return `${program} is not installed on this machine (Debian and Ubuntu: ${install}).`;
  if (!served.includes(toolchain))
    return `Pilvi has no client of the Runtime API for ${program} yet; bring one as the program bootstrap, with the runtime provided.al2023.`;
  return undefined;
}

/** The program of an environment and its arguments. */
export function commandOf({ toolchain, client, memoryMiB }: FunctionSpec): string[] {
  if (client === undefined) return ['/var/task/bootstrap'];
  const script = `${clientFolder}/${client.main}`;
  switch (toolchain) {
    case 'node':
      return [nodeProgram, `--max-old-space-size=${memoryMiB}`, script];
    case 'python3':
      return [findProgram('python3') ?? 'python3', '-B', '-u', script];
    case 'java':
      return [
        findProgram('java') ?? 'java',
        ...[
          `-Xmx${Math.floor(memoryMiB * javaHeapShare)}m`,
          '-XX:+UseSerialGC',
          '-XX:TieredStopAtLevel=1',
          '-Xshare:auto',
          '-XX:-UsePerfData',
        ],
        ...['-cp', javaPath.join(':'), client.main],
      ];
    default:
      return [findProgram(toolchain) ?? toolchain, script];
  }
}

/** Configuration of the host that programs need; only what is public (image-host.ts holds the reasons). */
const hostFiles = [
  '/etc/alternatives',
  '/etc/ssl/certs',
  '/etc/ssl/openssl.cnf',
  '/etc/pki/ca-trust',
  '/etc/pki/tls',
  '/etc/ca-certificates',
  '/etc/ld.so.cache',
  '/etc/ld.so.conf',
  '/etc/ld.so.conf.d',
  '/etc/protocols',
  '/etc/services',
  '/etc/mime.types',
  '/etc/os-release',
];
/** Configuration of Java, a folder for each version. */
const javaFiles = /^java(-[\w-]+)?$/;
const programTrees = ['/usr', '/bin', '/sbin', '/lib', '/lib32', '/lib64', '/libx32'];

/** What every sandbox shows of the host: folders and files by path, outer ones first. */
export function hostBinds(): Map<string, string> {
  const trees = programTrees.filter((name) => existsSync(name) && !lstatSync(name).isSymbolicLink());
  const java = readdirSync('/etc')
    .filter((name) => javaFiles.test(name))
    .map((name) => `/etc/${name}`);
  const found = [...trees, ...hostFiles.filter((name) => existsSync(name)), ...java];
  return new Map([...found.map((name) => [name, name] as const), [nodeProgram, process.execPath]]);
}

/** Where the host has /bin and the like as links into /usr, so have sandboxes: path to target. */
export function hostLinks(): Map<string, string> {
  const links = programTrees.filter((name) => lstatSync(name, { throwIfNoEntry: false })?.isSymbolicLink() === true);
  return new Map(links.map((name) => [name, readlinkSync(name)]));
}

/** The folder of packages that the official SDK lies in, where Pilvi has one. */
export async function sdkFolder(): Promise<string | undefined> {
  for (let folder = path.dirname(await realpath(process.argv[1] ?? '.')); ; folder = path.dirname(folder)) {
    const packagesHere = path.join(folder, 'node_modules');
    if (existsSync(path.join(packagesHere, '@aws-sdk'))) return realpath(packagesHere);
    if (folder === path.dirname(folder)) return undefined;
  }
}
