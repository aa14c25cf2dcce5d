/**
 * Machines as containers on this host. The caller hands a complete spec; this file holds what is wanted beside what runs, one entry for each key, and
 * changes an entry only in its turn, so asking, rebooting from inside and dying never overlap. Nothing is persisted here but volumes and images:
 * when Pilvi dies its pid namespace takes every machine along, and the next Pilvi starts them from their specs.
 *
 * What a change of spec does while the machine runs: `running` false shuts it down, another `bootNumber` reboots it; everything else takes effect at
 * the next boot. A machine that ended without being asked (shut down or crashed) stays down until `bootNumber` changes or `running` has been false.
 */
import { mkdir, rm } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { PilviError } from '../../base/errors.ts';
import { freezingUnavailable, listCgroups, readCgroupUsage, removeCgroup } from '../../machine/cgroup.ts';
import { findProgram } from '../../machine/command.ts';
import { ImageFolder } from '../../machine/image.ts';
import { ensureHostImage, type HostTree } from '../../machine/image-host.ts';
import type { Inside } from '../../machine/launch.ts';
import { readLinks } from '../../machine/link.ts';
import { ensureNamespace, listNamespaces, machineNamespace, removeNamespace } from '../../machine/netns.ts';
import { probeOverlay } from '../../machine/overlay.ts';
import { execInContainer, probeRuntime, probeTimeNamespace, type RuntimeOptions } from '../../machine/runtime.ts';
import { Vault } from '../../machine/vault.ts';
import { AbsentMachines } from './absent-machines.ts';
import { ConsoleLog } from './console-log.ts';
import { guestTools, sudoTool } from './guest-init.ts';
import { treePaths, writeBundle } from './machine-bundle.ts';
import { type MachineHost, machineCgroup, planLimits, readMachineHost } from './machine-host.ts';
import { MachineRun, type RunEnd } from './machine-run.ts';
import { KeyedTurns, Slots } from './turns.ts';
import type { Machines, MachineSpec, MachineState, MachineStatus } from './types.ts';

export interface LinuxMachinesOptions {
  /** Folder for images, volumes and consoles; on a file system that can hold overlays. Made when it does not exist. */
  folder: string;
  /** The namespaces this process runs in, as the launcher told; undefined on the host itself, where no machine is ever started. */
  inside: Inside | undefined;
  /** When the folder is this cloud's to touch; at once unless told. */
  owned?: Promise<unknown> | undefined;
  /** When there is time for what nobody has asked for yet: the host's image. At once unless told. */
  idle?: Promise<unknown> | undefined;
  /** What `probeMachines` found, for whoever has asked already. */
  probed?: ReturnType<typeof probeMachines> | undefined;
  /** Further programs in the image `host`, by path: what the cloud's own images bring. */
  programs?: ReadonlyMap<string, string> | undefined;
}

/** Containers that are being started at once: more than one for each processor only makes all of them late. */
const startsAtOnceMax = Math.max(2, availableParallelism());
/** How often /proc/meminfo of the machines is brought up to date. */
const refreshMillis = 2_000;

interface Entry {
  spec: MachineSpec;
  state: MachineState;
  reason?: string | undefined;
  stoppedFromInside: boolean;
  bootDone: boolean;
  startedAt?: number | undefined;
  /** True after a run ended by itself, until the caller asks for something new. */
  heldDown: boolean;
  run?: MachineRun | undefined;
  console: ConsoleLog;
  busyDisks?: readonly string[] | undefined;
}

interface Readiness {
  host: MachineHost;
  runtime: RuntimeOptions;
  images: ImageFolder;
  /** Built in the background from the start on. */
  trees: Promise<HostTree[]>;
}

class LinuxMachines implements Machines {
  readonly unavailable: undefined;
  readonly #folder: string;
  readonly #ready: Readiness;
  readonly #entries = new Map<string, Entry>();
  readonly #turns = new KeyedTurns();
  readonly #starts = new Slots(startsAtOnceMax);
  readonly #listeners: ((status: MachineStatus) => void)[] = [];
  readonly #refresher: NodeJS.Timeout;
  #closing = false;

  /** Only for `openLinuxMachines`. */
  constructor(folder: string, ready: Readiness) {
    this.#folder = folder;
    this.#ready = ready;
    this.#refresher = setInterval(() => {
      for (const entry of this.#entries.values()) entry.run?.refresh();
    }, refreshMillis);
    this.#refresher.unref();
  }

  /** What this host cannot do for machines, in sentences for the user: limits, uptime. Empty when nothing is missing. */
  get shortcomings(): string[] {
    const { host, runtime } = this.#ready;
    return [
      ...(host.cgroups.kind === 'none' ? [`Machines have no limits of memory and processors: ${host.cgroups.reason}.`] : []),
      ...(runtime.ownTime
        ? []
        : ['Machines show the uptime of the host: the kernel or util-linux is too old for time namespaces.']),
    ];
  }

  get freezingUnavailable(): string | undefined {
    return freezingUnavailable(this.#ready.host.cgroups);
  }

  ensureMachine(spec: MachineSpec): Promise<MachineStatus> {
    return this.#turns.run(spec.key, async () => {
      const entry = this.#entries.get(spec.key) ?? this.#newEntry(spec);
      const asksAnew = entry.spec.bootNumber !== spec.bootNumber || (!entry.spec.running && spec.running);
      const reboots = entry.spec.bootNumber !== spec.bootNumber;
      entry.spec = spec;
      if (!spec.running && spec.frozen === true && entry.run !== undefined) await this.#freeze(entry, entry.run);
      else if (!spec.running) await this.#stop(entry);
      else if (entry.run !== undefined && reboots) await this.#reboot(entry);
      else if (entry.run === undefined && (asksAnew || !entry.heldDown)) await this.#start(entry);
      else {
        if (entry.state === 'frozen') this.#thaw(entry);
        await this.#applyDisks(entry);
      }
      return this.#describe(entry);
    });
  }

  removeMachine(key: string): Promise<void> {
    return this.#turns.run(key, async () => {
      const entry = this.#entries.get(key);
      if (entry?.run !== undefined) {
        const end = entry.run.kill();
        entry.run = undefined;
        await end;
      }
      this.#entries.delete(key);
      if (entry !== undefined) await this.#ready.images.release(entry.spec.rootVolume);
      await (entry?.console ?? this.#console(key)).remove();
      if (entry !== undefined) await removeOwnNamespace(entry.spec);
    });
  }

  async hasMounted(number: string): Promise<boolean> {
    const runs = [...this.#entries.values()].flatMap(({ run }) => run ?? []);
    return (await Promise.all(runs.map((run) => run.disks.hasMounted(number)))).some(Boolean);
  }

  dropDisk(key: string, number: string): Promise<void> {
    return this.#turns.run(key, async () => this.#entries.get(key)?.run?.disks.drop(number));
  }

  async #applyDisks(entry: Entry): Promise<void> {
    entry.busyDisks = await entry.run?.disks.apply(entry.spec.disks ?? []);
  }

  volumeBytes(rootVolume: string, secret?: Uint8Array): Promise<number> {
    return this.#ready.images.volumeBytes(rootVolume, secret);
  }

  async removeVolume(rootVolume: string): Promise<void> {
    const user = this.#userOf(rootVolume, undefined);
    if (user !== undefined) throw volumeInUse(rootVolume, user);
    await this.#ready.images.removeVolume(rootVolume);
  }

  async volumes(): Promise<string[]> {
    return this.#ready.images.volumes();
  }

  async freeze(rootVolume: string, image: string, secret?: Uint8Array): Promise<void> {
    await this.#ready.images.freeze(rootVolume, image, secret);
  }

  async removeImage(image: string): Promise<void> {
    await this.#ready.images.removeImage(image);
  }

  async status(key: string): Promise<MachineStatus | undefined> {
    const entry = this.#entries.get(key);
    return entry === undefined ? undefined : this.#describe(entry);
  }

  async machines(): Promise<string[]> {
    return [...this.#entries.keys()].sort();
  }

  async console(key: string): Promise<Uint8Array> {
    const entry = this.#entries.get(key);
    entry?.run?.refresh();
    return (entry?.console ?? this.#console(key)).read();
  }

  async exec(
    key: string,
    argv: readonly string[],
    input?: Uint8Array,
  ): Promise<{ status: number; stdout: Uint8Array; stderr: Uint8Array }> {
    const { runtime } = this.#ready;
    const run = this.#entries.get(key)?.run;
    if (run === undefined || this.#entries.get(key)?.state === 'frozen')
      throw new PilviError('CommandFailed', `The machine ${key} does not run.`);
    const { status, stdoutBytes, stderr } = await execInContainer(key, run.handle, argv, input, runtime);
    return { status, stdout: stdoutBytes, stderr: Buffer.from(stderr) };
  }

  onChange(listener: (status: MachineStatus) => void): void {
    this.#listeners.push(listener);
  }

  /** Ends all machines at once, as a power failure would; their volumes stay. */
  async close(): Promise<void> {
    this.#closing = true;
    clearInterval(this.#refresher);
    await this.#turns.idle();
    await Promise.all([...this.#entries.values()].map((entry) => entry.run?.kill()));
    await this.#turns.idle();
    await this.#ready.trees.catch(() => {});
    await removeCgroup(this.#ready.host.cgroups, this.#ready.host.cgroupParent);
    await this.#ready.images.close();
  }

  async #start(entry: Entry): Promise<void> {
    const { spec } = entry;
    entry.state = 'starting';
    entry.reason = undefined;
    entry.stoppedFromInside = false;
    entry.heldDown = false;
    entry.bootDone = false;
    try {
      const user = this.#userOf(spec.rootVolume, entry);
      if (user !== undefined) throw volumeInUse(spec.rootVolume, user);
      const trees = await this.#ready.trees;
      await ensureNamespace(machineNamespace(spec.key));
      const volume = await this.#ready.images.ensureVolume(spec.rootVolume, spec.image, treePaths(trees), spec.secret);
      await entry.console.clear();
      const run = await this.#starts.run(() => this.#boot(entry, trees, volume));
      entry.run = run;
      entry.state = 'running';
      entry.startedAt = run.startedAt;
      void run.ended.then((end) => this.#onEnd(entry, run, end));
    } catch (error) {
      await this.#ready.images.release(spec.rootVolume);
      // The caller's next attempt starts it again; what is wrong is told as the machine's own state.
      entry.state = 'failed';
      entry.reason = (error as Error).message;
    }
  }

  async #boot(
    entry: Entry,
    trees: readonly HostTree[],
    volume: Parameters<typeof writeBundle>[1]['volume'],
  ): Promise<MachineRun> {
    const { host, runtime } = this.#ready;
    const { spec } = entry;
    const used = [...this.#entries.values()].flatMap((other) => other.run?.context.cpus ?? []);
    const { limits, cpus } = planLimits(host, spec.key, spec, used);
    const bundle = await writeBundle(`${this.#folder}/run/${spec.key}`, { host, spec, trees, volume, limits });
    for (const line of this.#greet(host, spec)) entry.console.append(Buffer.from(`${line}\n`));
    entry.busyDisks = undefined;
    const tell = (): void => {
      const status = this.#describe(entry);
      for (const listener of this.#listeners) listener(status);
    };
    const disks = spec.disks ?? [];
    return MachineRun.start({ key: spec.key, host, runtime, bundle, console: entry.console, cpus, disks, onUnmount: tell });
  }

  /** First lines of the console: what the machine is, and what it asked for in vain. */
  #greet(host: MachineHost, spec: MachineSpec): string[] {
    const size = `[pilvi] ${spec.hostname} boots: ${spec.vcpus} vCPU, ${spec.memoryMiB} MiB memory, image ${spec.image}.`;
    const lacks =
      spec.vcpus > host.cpus.length || spec.memoryMiB * 1024 * 1024 > host.memoryBytes
        ? [
            `[pilvi] The host has ${host.cpus.length} processors and ${Math.floor(host.memoryBytes / 1024 / 1024)} MiB, so there are no more here.`,
          ]
        : [];
    return [size, ...lacks, ...this.shortcomings.map((sentence) => `[pilvi] ${sentence}`)];
  }

  async #freeze(entry: Entry, run: MachineRun): Promise<void> {
    if (entry.state === 'frozen') return;
    await run.freeze();
    entry.state = 'frozen';
  }

  #thaw(entry: Entry): void {
    entry.run?.thaw();
    entry.state = 'running';
  }

  async #stop(entry: Entry): Promise<void> {
    const { run } = entry;
    if (run !== undefined) {
      entry.state = 'stopping';
      entry.run = undefined;
      this.#noteEnd(entry, run, await run.powerOff());
      entry.stoppedFromInside = false;
      await this.#ready.images.release(entry.spec.rootVolume);
    }
    entry.state = 'stopped';
    entry.heldDown = false;
    entry.startedAt = undefined;
    if (!entry.stoppedFromInside) entry.reason = undefined;
  }

  async #reboot(entry: Entry): Promise<void> {
    const run = entry.run as MachineRun;
    entry.state = 'starting';
    entry.run = undefined;
    await run.powerOff();
    await this.#start(entry);
  }

  /** A run is over: expected when the entry has let go of it, else the machine acted by itself or was struck. */
  #onEnd(entry: Entry, run: MachineRun, end: RunEnd): void {
    if (entry.run !== run || this.#closing) return;
    void this.#turns.run(entry.spec.key, async () => {
      if (entry.run !== run) return;
      entry.run = undefined;
      this.#noteEnd(entry, run, end);
      if (end.kind === 'reboot') await this.#start(entry);
      else {
        await this.#ready.images.release(entry.spec.rootVolume);
        entry.heldDown = true;
        entry.startedAt = undefined;
        entry.stoppedFromInside = end.kind === 'poweroff';
        entry.state = end.kind === 'poweroff' ? 'stopped' : 'failed';
        entry.reason = describeEnd(end);
      }
      const status = this.#describe(entry);
      for (const listener of this.#listeners) listener(status);
    });
  }

  #noteEnd(entry: Entry, run: MachineRun, end: RunEnd): void {
    entry.bootDone = run.bootDone;
    if (end.leftover !== undefined) entry.console.append(Buffer.from(`[pilvi] ${(end.leftover as Error).message}\n`));
  }

  #describe(entry: Entry): MachineStatus {
    const { spec, state, reason, startedAt, stoppedFromInside, run } = entry;
    const group = this.#ready === undefined ? undefined : machineCgroup(this.#ready.host, spec.key);
    const usage = run === undefined || group === undefined ? undefined : readCgroupUsage(this.#ready.host.cgroups, group);
    return {
      key: spec.key,
      state,
      reason,
      startedAt,
      userDataDone: run?.bootDone ?? entry.bootDone,
      stoppedFromInside,
      cpuMicros: usage?.cpuMicros ?? 0,
      memoryBytes: usage?.memoryBytes ?? 0,
      diskReadBytes: usage?.diskReadBytes ?? 0,
      diskWriteBytes: usage?.diskWriteBytes ?? 0,
      busyDisks: entry.busyDisks ?? [],
    };
  }

  /** The machine, other than `self`, that is up on this volume or about to be. */
  #userOf(rootVolume: string, self: Entry | undefined): MachineSpec | undefined {
    for (const entry of this.#entries.values()) {
      const isUp = entry.state !== 'stopped' && entry.state !== 'failed';
      if (entry !== self && isUp && entry.spec.rootVolume === rootVolume) return entry.spec;
    }
    return undefined;
  }

  #newEntry(spec: MachineSpec): Entry {
    const entry: Entry = {
      spec,
      state: 'stopped',
      stoppedFromInside: false,
      bootDone: false,
      heldDown: false,
      console: this.#console(spec.key),
    };
    this.#entries.set(spec.key, entry);
    return entry;
  }

  #console(key: string): ConsoleLog {
    return new ConsoleLog(`${this.#folder}/consoles/${key}.log`);
  }
}

/**
 * A namespace with the machine's devices is the fabric's, which removes it with the last of them. One without is nobody's: the machine has no devices,
 * or its network went while it was being started.
 */
async function removeOwnNamespace({ key, ports }: MachineSpec): Promise<void> {
  const name = machineNamespace(key);
  if (!(await listNamespaces()).includes(name)) return;
  const links = await readLinks(name);
  if (!ports.some(({ device }) => links.has(device))) await removeNamespace(name);
}

function volumeInUse(rootVolume: string, user: MachineSpec): PilviError {
  return new PilviError('CommandFailed', `The root volume ${rootVolume} is in use by the machine ${user.key}.`);
}

function describeEnd(end: RunEnd): string {
  if (end.kind === 'poweroff') return 'It was shut down from inside.';
  return end.oomKills > 0 ? 'Its init was killed: out of memory.' : 'Its init was killed.';
}

/** What this host gives machines, apart from the folder that they lie in: programs are tried, which may begin long before the folder is known. */
export function probeMachines(inside: Inside): Promise<[MachineHost, problem: string | undefined, ownTime: boolean]> {
  return Promise.all([readMachineHost(inside.run), probeRuntime(), probeTimeNamespace()]);
}

/**
 * Opens the plane: finds out what the host can do, and clears away what a crash left. A host that refuses is an answer, not an error: then the plane
 * is one that says why in `unavailable`.
 */
export async function openLinuxMachines(options: LinuxMachinesOptions): Promise<Machines> {
  const { folder, inside, owned, idle, programs } = options;
  if (inside === undefined) return new AbsentMachines('Machines need namespaces of their own.');
  const [[host, runtimeProblem, ownTime]] = await Promise.all([options.probed ?? probeMachines(inside), owned]);
  for (const name of ['images', 'consoles', 'store']) await mkdir(`${folder}/${name}`, { recursive: true, mode: 0o700 });
  if (runtimeProblem !== undefined) return new AbsentMachines(`Machines cannot run: ${runtimeProblem}.`);
  const overlayProblem = await probeOverlay(folder, host.userNamespace);
  if (overlayProblem !== undefined) return new AbsentMachines(`Machines cannot run: ${overlayProblem}.`);
  await rm(`${folder}/run`, { recursive: true, force: true });
  for (const left of await listCgroups(host.cgroups, inside.run)) await removeCgroup(host.cgroups, `${inside.run}/${left}`);
  const images = new ImageFolder(`${folder}/store`, new Vault(`${folder}/store/vault.ext4`, `${folder}/store/vault`));
  await images.open();
  const tools = new Map([...guestTools, ...(programs ?? [])]);
  if (findProgram('sudo') === undefined) tools.set('/usr/bin/sudo', sudoTool);
  const makeTrees = () => ensureHostImage({ folder: `${folder}/images`, tools, userNamespace: host.userNamespace });
  const trees = idle === undefined ? makeTrees() : idle.then(makeTrees);
  // A failure is told by each machine that needs the image.
  trees.catch(() => {});
  const runtime = { stateFolder: `${folder}/run/.runtime`, ownTime, withoutCgroups: host.cgroups.kind === 'none' };
  return new LinuxMachines(folder, { host, runtime, images, trees });
}
