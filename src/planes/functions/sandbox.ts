/**
 * The sandbox of one environment: namespaces of its own, the host's programs and the function's code read-only, a bounded /tmp, bounded memory and
 * processor time, an ordinary user without capabilities. Everything is made anew for each and gone with its first process.
 */
import { mkdir, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { setTimeout as pause } from 'node:timers/promises';
import {
  askToFreeze,
  freezingUnavailable,
  limitProcessor,
  readCgroupMemory,
  readCgroupResident,
  removeCgroup,
  thawCgroup,
} from '../../machine/cgroup.ts';
import { runCommand } from '../../machine/command.ts';
import { signalProcess, waitGone } from '../../machine/process.ts';
import { removeContainer, startContainer, type RuntimeOptions, type StartedContainer } from '../../machine/runtime.ts';
import type { OciMount } from '../../machine/runtime-config.ts';
import { planSandbox } from '../../machine/sandbox-config.ts';
import type { MachineHost } from '../machines/machine-host.ts';
import { LineReader } from './line-reader.ts';
import type { Slot } from './sandbox-network.ts';
import type { FunctionSpec, LogLine } from './types.ts';

export interface SandboxEnd {
  reason: string;
  outOfMemory: boolean;
}

export interface SandboxParts {
  id: string;
  spec: FunctionSpec;
  /** Folder of this sandbox alone; made and removed here. */
  folder: string;
  /** Folders of the root, the topmost first. */
  root: readonly string[];
  binds: ReadonlyMap<string, string>;
  /** Folders shown at /opt, the first one lowest. */
  layers: readonly string[];
  /** A file with an empty file system of the wanted size; undefined where only memory can hold /tmp. */
  disk: string | undefined;
  argv: readonly string[];
  variables: Readonly<Record<string, string>>;
  slot: Slot;
  host: MachineHost;
  runtime: RuntimeOptions;
  user: number;
  group: number;
  log(line: LogLine): void;
}

/** "File descriptors: 1,024; execution processes/threads: 1,024" (Lambda quotas). */
const openFilesMax = 1024;
const processesMax = 1024;
const goneMillisMax = 20_000;
const mebibyte = 1024 * 1024;

/**
 * Process 1: starts the extensions of the layers, then the program, and tells how each ended. A shell, because orphans fall to process 1 and must be
 * reaped, and because the program's end has to be told apart from its own.
 */
const initScript = `for e in /opt/extensions/*; do [ -f "$e" ] && [ -x "$e" ] && { "$e" 3>&-; echo "extension $?" >&3; } & done
"$@" 3>&- &
wait $!
echo "exit $?" >&3`;

export class Sandbox {
  readonly ended: Promise<SandboxEnd>;
  /** Names of the extensions that the layers bring. */
  readonly extensions: ReadonlySet<string>;
  /** Resolves with how it ended when the first of them ends; perhaps never. */
  readonly extensionEnded: Promise<string>;
  #tellExtensionEnd: (reason: string) => void = () => {};
  /** What extensions are told of the function. */
  readonly words: { functionName?: string | undefined; functionVersion?: string | undefined; handler?: string | undefined };
  readonly #parts: SandboxParts;
  readonly #started: StartedContainer;
  readonly #reader: LineReader;
  #status: number | undefined;
  #killed = false;

  /** Starts it. Throws `CommandFailed`, with nothing left. */
  static async start(parts: SandboxParts): Promise<Sandbox> {
    const { folder, id, runtime } = parts;
    await mkdir(`${folder}/root`, { recursive: true });
    const disk = parts.disk === undefined ? undefined : `${folder}/disk`;
    const [extensions] = await Promise.all([
      extensionsOf(parts.layers),
      writeFile(`${folder}/config.json`, JSON.stringify(planConfig(parts))),
      writeFile(`${folder}/resolv.conf`, `nameserver ${parts.slot.resolver}\noptions timeout:1 attempts:2\n`),
      disk === undefined ? undefined : copySparse(parts.disk as string, disk),
    ]);
    const reader = new LineReader((line) => parts.log(line));
    let sandbox: Sandbox | undefined;
    const early: string[] = [];
    try {
      const started = await startContainer(
        {
          id,
          bundle: folder,
          root: { folder: `${folder}/root`, options: [`lowerdir=${parts.root.join(':')}`] },
          output: (piece) => reader.take(piece),
          ...(disk === undefined ? {} : { disk: { file: disk, folder: `${folder}/root/tmp` } }),
        },
        (line) => (sandbox === undefined ? early.push(line) : sandbox.#hear(line)),
        runtime,
      );
      sandbox = new Sandbox(parts, started, reader, extensions);
      for (const line of early) sandbox.#hear(line);
      return sandbox;
    } catch (error) {
      await removeLeftovers(parts);
      throw error;
    }
  }

  private constructor(parts: SandboxParts, started: StartedContainer, reader: LineReader, extensions: ReadonlySet<string>) {
    this.#parts = parts;
    this.#started = started;
    this.#reader = reader;
    this.extensions = extensions;
    this.extensionEnded = new Promise((resolve) => (this.#tellExtensionEnd = resolve));
    reader.watch(started.streams);
    const { variables } = parts;
    this.words = {
      functionName: variables['AWS_LAMBDA_FUNCTION_NAME'],
      functionVersion: variables['AWS_LAMBDA_FUNCTION_VERSION'],
      handler: variables['_HANDLER'],
    };
    this.ended = started.closed.then(() => this.#finish());
  }

  kill(): void {
    this.#killed = true;
    signalProcess(this.#started.handle, 'SIGKILL');
  }

  /** Bounds the processor time, which starting up had without bound ("init" runs with full speed). */
  bound(): void {
    const { host, spec } = this.#parts;
    limitProcessor(host.cgroups, this.#cgroup, spec.cpuPercent);
  }

  /** Lets its processes go on. */
  wake(): void {
    const { cgroups } = this.#parts.host;
    if (freezingUnavailable(cgroups) === undefined) thawCgroup(cgroups, this.#cgroup);
  }

  /** Makes its processes stand still until they are woken ("Lambda freezes the execution environment"). */
  rest(): void {
    askToFreeze(this.#parts.host.cgroups, this.#cgroup);
  }

  /** Mebibytes that its processes have had at most, programs and libraries of theirs included; more when more is charged to the sandbox now. */
  memoryMiB(): number {
    const { cgroups } = this.#parts.host;
    const memory = readCgroupMemory(cgroups, this.#cgroup);
    if (memory === undefined) return 0;
    const charged = memory.usedBytes - memory.fileBytes + memory.sharedBytes;
    return Math.ceil(Math.max(charged, readCgroupResident(cgroups, this.#cgroup)) / mebibyte);
  }

  /** Resolves when what has been printed so far has been told. */
  drained(): Promise<void> {
    return this.#reader.drained();
  }

  get #cgroup(): string {
    return cgroupOf(this.#parts);
  }

  #hear(line: string): void {
    const status = /^exit (\d+)$/.exec(line)?.[1];
    if (status !== undefined) this.#status = Number(status);
    const ended = /^extension (\d+)$/.exec(line)?.[1];
    if (ended !== undefined) this.#tellExtensionEnd(describeStatus(Number(ended), false));
  }

  async #finish(): Promise<SandboxEnd> {
    const memory = readCgroupMemory(this.#parts.host.cgroups, this.#cgroup);
    await waitGone(this.#started.handle, goneMillisMax);
    await this.#reader.finish();
    await removeLeftovers(this.#parts).catch(() => undefined);
    return { reason: describeStatus(this.#status, this.#killed), outOfMemory: (memory?.oomKills ?? 0) > 0 };
  }
}

const signals: Readonly<Record<number, string>> = { 6: 'aborted', 9: 'killed', 11: 'segmentation fault', 15: 'terminated' };

/** As Go's os.ProcessState prints it, which is what AWS shows. */
function describeStatus(status: number | undefined, killed: boolean): string {
  if (status === undefined) return killed ? 'signal: killed' : 'exit status 1';
  return status > 128 ? `signal: ${signals[status - 128] ?? status - 128}` : `exit status ${status}`;
}

function cgroupOf({ host, id }: SandboxParts): string {
  return `${host.cgroupParent}/${id}`;
}

function planConfig(parts: SandboxParts): Record<string, unknown> {
  const { spec, host, folder } = parts;
  const { cgroups } = host;
  const swap = cgroups.kind === 'v2' || (cgroups.kind === 'v1' && cgroups.swapAccounting);
  const temporary: OciMount = {
    destination: '/tmp',
    type: 'tmpfs',
    source: 'tmpfs',
    options: ['nosuid', 'nodev', 'mode=1777', `size=${spec.diskMiB}m`],
  };
  const shared: OciMount = {
    destination: '/dev/shm',
    type: 'tmpfs',
    source: 'shm',
    options: ['nosuid', 'noexec', 'nodev', 'mode=1777', 'size=64m'],
  };
  return planSandbox({
    hostname: parts.slot.address,
    argv: ['/bin/sh', '-c', initScript, 'init', ...parts.argv],
    environment: parts.variables,
    folder: '/var/task',
    rootFolder: `${folder}/root`,
    binds: new Map([...parts.binds, ['/etc/resolv.conf', `${folder}/resolv.conf`]]),
    mounts: [shared, ...(parts.disk === undefined ? [temporary] : []), ...layersMount(parts)],
    network: parts.slot.path,
    user: parts.user,
    group: parts.group,
    openFilesMax: Math.min(openFilesMax, host.openFilesMax),
    processesMax,
    limits: cgroups.kind === 'none' ? undefined : { cgroup: `/${cgroupOf(parts)}`, memoryBytes: spec.memoryMiB * mebibyte, swap },
  });
}

/** Names of the programs in `extensions` of these layers, which process 1 starts. */
async function extensionsOf(layers: readonly string[]): Promise<ReadonlySet<string>> {
  const names = new Set<string>();
  for (const layer of layers) {
    for (const name of await readdir(`${layer}/extensions`).catch((): string[] => [])) {
      const found = await stat(`${layer}/extensions/${name}`).catch(() => undefined);
      if (found?.isFile() === true && (found.mode & 0o111) !== 0) names.add(name);
    }
  }
  return names;
}

/** Layers of /opt as one folder, the last one on top. A read-only overlay needs two folders below. */
function layersMount({ layers, root }: SandboxParts): OciMount[] {
  if (layers.length === 0) return [];
  const lower = [...[...layers].reverse(), root.at(-1)];
  return [{ destination: '/opt', type: 'overlay', source: 'layers', options: [`lowerdir=${lower.join(':')}`, 'ro'] }];
}

async function copySparse(from: string, to: string): Promise<void> {
  await runCommand(['cp', '--sparse=always', '--reflink=auto', from, to]);
}

async function removeLeftovers(parts: SandboxParts): Promise<void> {
  await removeContainer(parts.id, parts.runtime);
  await removeCgroup(parts.host.cgroups, cgroupOf(parts));
  for (let tries = 0; ; tries++) {
    try {
      return await rm(parts.folder, { recursive: true, force: true });
    } catch (error) {
      if (tries === 20) throw error;
      await pause(10);
    }
  }
}
