/**
 * The machines plane's twin for tests: the same answers without processes. Keeps volumes and images as names, moves states at once or when told
 * (`step`), records every call, and can be told to fail, to end by itself, or to ignore what it is asked.
 */
import { PilviError } from '../../base/errors.ts';
import type { Machines, MachineSpec, MachineStatus } from './types.ts';

export interface FakeMachinesOptions {
  /** `auto`: a call does its work at once. `step`: starting and stopping wait for `step()`, and the call with them. */
  mode?: 'auto' | 'step';
  /** Real milliseconds since the epoch, for `startedAt`. */
  now?: () => number;
}

/** What the next start of a machine does instead of working. */
export interface Misbehaviour {
  /** The start fails with this reason. */
  startError?: string;
  /** The machine ends by itself right after its start. */
  endAfterStart?: 'poweroff' | 'killed';
  /** Nothing happens; the state stays as it is. Lasts until taken back by another call. */
  ignore?: boolean;
}

export interface FakeCall {
  verb: 'ensureMachine' | 'removeMachine' | 'removeVolume' | 'freeze' | 'removeImage' | 'exec';
  /** Key of the machine, or name of the volume or image. */
  name: string;
  spec?: MachineSpec;
}

interface FakeMachine {
  spec: MachineSpec;
  status: MachineStatus;
  heldDown: boolean;
  console: string;
}

export class FakeMachines implements Machines {
  readonly unavailable = undefined;
  readonly freezingUnavailable = undefined;
  /** Every call that asks for a change, in order. */
  readonly calls: FakeCall[] = [];
  /** Volumes that exist, and whether user data was run in their life. */
  readonly rootVolumes = new Map<string, { userDataRan: boolean }>();
  readonly images = new Set<string>(['host']);
  /** What `exec` answers; status 0 and no output unless replaced. */
  onExec: (key: string, argv: readonly string[]) => { status: number; stdout: string; stderr: string };
  readonly #mode: 'auto' | 'step';
  readonly #now: () => number;
  readonly #machines = new Map<string, FakeMachine>();
  readonly #misbehaviours = new Map<string, Misbehaviour>();
  readonly #listeners: ((status: MachineStatus) => void)[] = [];
  #waiting: (() => void)[] = [];

  constructor({ mode = 'auto', now = Date.now }: FakeMachinesOptions = {}) {
    this.#mode = mode;
    this.#now = now;
    this.onExec = () => ({ status: 0, stdout: '', stderr: '' });
  }

  /** Lets everything that waits happen. Resolves once the callers have been told. */
  async step(): Promise<void> {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const go of waiting) go();
    await new Promise((resolve) => setImmediate(resolve));
  }

  /** Tells what the next start of this machine does. */
  misbehave(key: string, how: Misbehaviour): void {
    this.#misbehaviours.set(key, how);
  }

  /** The machine ends without being asked; listeners are told. Does nothing when it does not run. */
  endByItself(key: string, how: 'poweroff' | 'killed'): void {
    const machine = this.#machines.get(key);
    if (machine?.status.state !== 'running') return;
    machine.heldDown = true;
    this.#set(machine, {
      state: how === 'poweroff' ? 'stopped' : 'failed',
      stoppedFromInside: how === 'poweroff',
      reason: how === 'poweroff' ? 'It was shut down from inside.' : 'Its init was killed.',
      startedAt: undefined,
    });
    this.#tell(machine);
  }

  /** The machine reboots itself; listeners are told. Does nothing when it does not run. */
  rebootByItself(key: string): void {
    const machine = this.#machines.get(key);
    if (machine?.status.state !== 'running') return;
    this.#boot(machine);
    this.#tell(machine);
  }

  /** Adds to a machine's console. */
  print(key: string, text: string): void {
    const machine = this.#machines.get(key);
    if (machine !== undefined) machine.console += text;
  }

  async ensureMachine(spec: MachineSpec): Promise<MachineStatus> {
    this.calls.push({ verb: 'ensureMachine', name: spec.key, spec });
    const machine = this.#machines.get(spec.key) ?? this.#add(spec);
    if (this.#misbehaviours.get(spec.key)?.ignore === true) return machine.status;
    const isUp = machine.status.state === 'running';
    const reboots = machine.spec.bootNumber !== spec.bootNumber;
    const asksAnew = reboots || (!machine.spec.running && spec.running);
    machine.spec = spec;
    const isFrozen = machine.status.state === 'frozen';
    if (!spec.running && spec.frozen === true && (isUp || isFrozen)) this.#set(machine, { state: 'frozen' });
    else if (!spec.running && (isUp || isFrozen)) await this.#stop(machine);
    else if (spec.running && isFrozen && !reboots) this.#set(machine, { state: 'running' });
    else if (!spec.running) machine.heldDown = false;
    else if (isUp ? reboots : asksAnew || !machine.heldDown) await this.#start(machine);
    return machine.status;
  }

  async removeMachine(key: string): Promise<void> {
    this.calls.push({ verb: 'removeMachine', name: key });
    this.#machines.delete(key);
  }

  async volumeBytes(): Promise<number> {
    return 0;
  }

  async removeVolume(rootVolume: string): Promise<void> {
    this.calls.push({ verb: 'removeVolume', name: rootVolume });
    const problem = this.#problemWith(rootVolume, undefined);
    if (problem !== undefined) throw problem;
    this.rootVolumes.delete(rootVolume);
  }

  async freeze(rootVolume: string, image: string): Promise<void> {
    this.calls.push({ verb: 'freeze', name: image });
    if (!this.rootVolumes.has(rootVolume)) throw new PilviError('CommandFailed', `There is no root volume ${rootVolume}.`);
    this.images.add(image);
  }

  async removeImage(image: string): Promise<void> {
    this.calls.push({ verb: 'removeImage', name: image });
    this.images.delete(image);
  }

  async status(key: string): Promise<MachineStatus | undefined> {
    return this.#machines.get(key)?.status;
  }

  async machines(): Promise<string[]> {
    return [...this.#machines.keys()].sort();
  }

  async volumes(): Promise<string[]> {
    return [...this.rootVolumes.keys()].sort();
  }

  async console(key: string): Promise<Uint8Array> {
    return Buffer.from(this.#machines.get(key)?.console ?? '');
  }

  async exec(key: string, argv: readonly string[]): Promise<{ status: number; stdout: Uint8Array; stderr: Uint8Array }> {
    this.calls.push({ verb: 'exec', name: key });
    if (this.#machines.get(key)?.status.state !== 'running') {
      throw new PilviError('CommandFailed', `The machine ${key} does not run.`);
    }
    const { status, stdout, stderr } = this.onExec(key, argv);
    return { status, stdout: Buffer.from(stdout), stderr: Buffer.from(stderr) };
  }

  async hasMounted(): Promise<boolean> {
    return false;
  }

  async dropDisk(): Promise<void> {}

  onChange(listener: (status: MachineStatus) => void): void {
    this.#listeners.push(listener);
  }

  async close(): Promise<void> {
    this.#machines.clear();
    await this.step();
  }

  async #start(machine: FakeMachine): Promise<void> {
    const { spec } = machine;
    this.#set(machine, { state: 'starting', reason: undefined, stoppedFromInside: false });
    machine.heldDown = false;
    await this.#turn();
    const how = this.#misbehaviours.get(spec.key);
    this.#misbehaviours.delete(spec.key);
    const isKnown = this.images.has(spec.image) || this.rootVolumes.has(spec.rootVolume);
    const problem =
      this.#problemWith(spec.rootVolume, spec.key)?.message ?? (isKnown ? undefined : `There is no image ${spec.image}.`);
    const reason = how?.startError ?? problem;
    if (reason !== undefined) {
      this.#set(machine, { state: 'failed', reason });
      return;
    }
    this.#boot(machine);
    if (how?.endAfterStart !== undefined) this.endByItself(spec.key, how.endAfterStart);
  }

  #boot(machine: FakeMachine): void {
    const { rootVolume, memoryMiB } = machine.spec;
    if (!this.rootVolumes.has(rootVolume)) this.rootVolumes.set(rootVolume, { userDataRan: false });
    const volume = this.rootVolumes.get(rootVolume) as { userDataRan: boolean };
    machine.console = '';
    if (machine.spec.userData !== undefined && !volume.userDataRan) machine.console = 'user data ran\n';
    volume.userDataRan = true;
    const startedAt = this.#now();
    this.#set(machine, { state: 'running', startedAt, userDataDone: true, memoryBytes: memoryMiB * 1024 });
  }

  async #stop(machine: FakeMachine): Promise<void> {
    this.#set(machine, { state: 'stopping' });
    await this.#turn();
    this.#set(machine, { state: 'stopped', startedAt: undefined, memoryBytes: 0 });
  }

  /** What keeps a volume from being taken or removed: a machine other than the named one that is up on it. */
  #problemWith(rootVolume: string, key: string | undefined): PilviError | undefined {
    for (const { spec, status } of this.#machines.values()) {
      if (spec.key === key || spec.rootVolume !== rootVolume || status.state === 'stopped' || status.state === 'failed') continue;
      return new PilviError('CommandFailed', `The root volume ${rootVolume} is in use by the machine ${spec.key}.`);
    }
    return undefined;
  }

  #turn(): Promise<void> {
    return this.#mode === 'auto' ? Promise.resolve() : new Promise((resolve) => this.#waiting.push(resolve));
  }

  #add(spec: MachineSpec): FakeMachine {
    const counters = { cpuMicros: 0, memoryBytes: 0, diskReadBytes: 0, diskWriteBytes: 0 };
    const status: MachineStatus = { key: spec.key, state: 'stopped', userDataDone: false, stoppedFromInside: false, ...counters };
    const machine = { spec, status, heldDown: false, console: '' };
    this.#machines.set(spec.key, machine);
    return machine;
  }

  #set(machine: FakeMachine, change: Partial<MachineStatus>): void {
    machine.status = { ...machine.status, ...change };
  }

  #tell(machine: FakeMachine): void {
    for (const listener of this.#listeners) listener(machine.status);
  }
}
