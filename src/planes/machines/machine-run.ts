/**
 * One boot of one machine, from the runtime's start to the moment nothing is left of it. The control channel tells what init is about; its end is
 * the machine's end, whoever caused it. `ended` resolves only when processes, control group, runtime state and bundle are gone, so the root volume
 * may be used again.
 */
import { closeSync, constants, openSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { Socket } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { PilviError } from '../../base/errors.ts';
import { freezeCgroup, freezingUnavailable, readCgroupMemory, removeCgroup, thawCgroup } from '../../machine/cgroup.ts';
import { type ProcessHandle, signalProcess, waitGone } from '../../machine/process.ts';
import { type RuntimeOptions, removeContainer, type StartedContainer, startContainer } from '../../machine/runtime.ts';
import type { ConsoleLog } from './console-log.ts';
import { shutdownSecondsMax } from './guest-init.ts';
import type { Bundle } from './machine-bundle.ts';
import { MachineDisks } from './machine-disks.ts';
import { type MachineHost, machineCgroup } from './machine-host.ts';
import { MountDesk } from './mount-desk.ts';
import { formatMemory } from './proc-view.ts';
import type { MachineDisk } from './types.ts';

/** How a run ended: init powered off or rebooted (asked from inside or by the plane), or was killed. */
export interface RunEnd {
  kind: 'poweroff' | 'reboot' | 'killed';
  /** Processes that the kernel killed for want of memory during the run. */
  oomKills: number;
  /** Set when something of the run could not be removed. */
  leftover?: unknown;
}

const upMillisMax = 20_000;
const goneMillisMax = 20_000;
const consoleDrainMillisMax = 5_000;
const powerButtonMillisMax = (shutdownSecondsMax + 3) * 1000;

export interface RunContext {
  key: string;
  host: MachineHost;
  runtime: RuntimeOptions;
  bundle: Bundle;
  console: ConsoleLog;
  /** Processors the machine is pinned to; empty when it is not. */
  cpus: readonly number[];
  disks: readonly MachineDisk[];
  /** Called when the machine unmounted something. */
  onUnmount: () => void;
}

/** What init has said so far on the control channel. */
class InitWords {
  readonly up: Promise<'up'>;
  bootDone = false;
  intent: 'poweroff' | 'reboot' | undefined;
  #resolveUp: (value: 'up') => void = () => {};

  constructor() {
    this.up = new Promise((resolve) => {
      this.#resolveUp = resolve;
    });
  }

  hear(line: string): void {
    if (line === 'up') this.#resolveUp('up');
    else if (line === 'boot-done') this.bootDone = true;
    else if (line === 'poweroff' || line === 'reboot') this.intent = line;
  }
}

export class MachineRun {
  readonly context: RunContext;
  readonly handle: ProcessHandle;
  /** Real milliseconds since the epoch. */
  readonly startedAt: number;
  readonly ended: Promise<RunEnd>;
  readonly #words: InitWords;
  readonly disks: MachineDisks;
  readonly #desk: MountDesk;
  #oomKills = 0;
  #memoryText = '';

  /** Boots from the context's bundle; resolves when init is up. Throws `CommandFailed` when it does not come up, with nothing left. */
  static async start(context: RunContext): Promise<MachineRun> {
    const { bundle, key, runtime } = context;
    const reader = openSync(bundle.console, constants.O_RDONLY | constants.O_NONBLOCK);
    const output = new Socket({ fd: reader, readable: true, writable: false });
    output.on('data', (chunk: Buffer) => context.console.append(chunk));
    const drained = new Promise<void>((resolve) => output.once('close', () => resolve()));
    const writer = openSync(bundle.console, constants.O_WRONLY);
    const words = new InitWords();
    let started: StartedContainer;
    try {
      started = await startContainer(
        { id: key, bundle: bundle.folder, root: bundle.root, output: writer },
        (line) => words.hear(line),
        runtime,
      );
    } catch (error) {
      await removeLeftovers(context);
      throw error;
    } finally {
      closeSync(writer);
    }
    const run = new MachineRun(context, started, words, output, drained);
    await run.#waitUp();
    return run;
  }

  private constructor(context: RunContext, started: StartedContainer, words: InitWords, output: Socket, drained: Promise<void>) {
    this.context = context;
    this.handle = started.handle;
    this.startedAt = Date.now();
    this.#words = words;
    const { bundle, host, key } = context;
    const { pid } = this.handle;
    this.disks = new MachineDisks(
      { pid, cgroups: host.cgroups, cgroup: machineCgroup(host, key), blocks: bundle.blocks },
      context.disks,
    );
    this.#desk = new MountDesk({
      pid,
      ...bundle.desk,
      scratch: `${bundle.folder}/grow`,
      disks: () => this.disks.current,
      onUnmount: context.onUnmount,
    });
    this.ended = started.closed.then(() => this.#finish(output, drained));
  }

  /** True once user data has ended, or there was none to run. */
  get bootDone(): boolean {
    return this.#words.bootDone;
  }

  /** Makes all of it stand still, memory kept. Throws `CommandFailed` where that cannot be done. */
  async freeze(): Promise<void> {
    const { host, key } = this.context;
    await freezeCgroup(host.cgroups, machineCgroup(host, key));
  }

  /** Lets it go on. Safe to repeat. */
  thaw(): void {
    const { host, key } = this.context;
    if (freezingUnavailable(host.cgroups) === undefined) thawCgroup(host.cgroups, machineCgroup(host, key));
  }

  /** Presses the power button and waits for the end; after the time that init gives its programs it is killed. */
  async powerOff(): Promise<RunEnd> {
    this.thaw();
    signalProcess(this.handle, 'SIGPWR');
    const timer = setTimeout(() => signalProcess(this.handle, 'SIGKILL'), powerButtonMillisMax);
    const end = await this.ended;
    clearTimeout(timer);
    return end;
  }

  /** Ends the machine at once, as a power failure would. */
  kill(): Promise<RunEnd> {
    signalProcess(this.handle, 'SIGKILL');
    return this.ended;
  }

  /** Brings /proc/meminfo up to date, and tells the console of processes that the kernel killed for want of memory. */
  refresh(): void {
    const { host, key, bundle, console } = this.context;
    const memory = readCgroupMemory(host.cgroups, machineCgroup(host, key));
    if (memory === undefined) return;
    if (memory.oomKills > this.#oomKills) {
      console.append(
        Buffer.from(
          `[pilvi] Out of memory: the kernel killed ${memory.oomKills - this.#oomKills} process(es) of this machine.\n`,
        ),
      );
      this.#oomKills = memory.oomKills;
    }
    const text = formatMemory(bundle.memoryBytes, memory);
    if (text === this.#memoryText) return;
    // In place and without truncation: the file is mounted in the machine, and a reader must never find it empty.
    writeFileSync(bundle.memoryView, text, { flag: 'r+' });
    this.#memoryText = text;
  }

  async #waitUp(): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const outcome = await Promise.race([
      this.#words.up,
      this.ended,
      new Promise<'late'>((resolve) => {
        timer = setTimeout(() => resolve('late'), upMillisMax);
      }),
    ]);
    clearTimeout(timer);
    if (outcome === 'up') {
      this.#protect();
      this.refresh();
      return;
    }
    await this.kill();
    const printed = Buffer.from(await this.context.console.read())
      .toString()
      .trim();
    const why = outcome === 'late' ? `did not come up in ${upMillisMax} ms` : 'ended before it was up';
    throw new PilviError('CommandFailed', `The init of ${this.context.key} ${why}: ${printed.slice(-500)}`);
  }

  /** Under memory pressure the kernel is to choose any process before init, whose end would be the end of the machine. */
  #protect(): void {
    try {
      writeFileSync(`/proc/${this.handle.pid}/oom_score_adj`, '-999');
    } catch {
      // Only the host's real root may lower it; without limits there is no pressure of the machine's own either. Or init has ended already.
    }
  }

  async #finish(output: Socket, drained: Promise<void>): Promise<RunEnd> {
    const kind = this.#words.intent ?? 'killed';
    this.#desk.close();
    let leftover: unknown;
    if (!(await waitGone(this.handle, goneMillisMax)))
      leftover = new PilviError('CommandFailed', `Processes of ${this.context.key} do not end.`);
    this.refresh();
    // All writers are gone, so the pipe ends by itself once it is read; the bound is for a writer outside, such as a curious user.
    await Promise.race([drained, pause(consoleDrainMillisMax, undefined, { ref: false })]);
    output.destroy();
    await this.context.console.flush();
    await removeLeftovers(this.context).catch((error: unknown) => {
      leftover ??= error;
    });
    return { kind, oomKills: this.#oomKills, leftover };
  }
}

async function removeLeftovers({ host, key, runtime, bundle }: RunContext): Promise<void> {
  await removeContainer(key, runtime);
  await removeCgroup(host.cgroups, machineCgroup(host, key));
  await rm(bundle.folder, { recursive: true, force: true });
}
