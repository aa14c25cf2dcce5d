/**
 * Functions on Linux: environments by key, idle ones kept for the next call, each a sandbox of its own (sandbox.ts). Nothing is kept over a restart but
 * unpacked code: when Pilvi dies its pid namespace takes every sandbox along.
 */
import { mkdir, readFile, rm } from 'node:fs/promises';
import { availableParallelism, totalmem } from 'node:os';
import { PilviError } from '../../base/errors.ts';
import type { Inside } from '../../machine/launch.ts';
import { probeOverlay } from '../../machine/overlay.ts';
import { probeRuntime, type RuntimeOptions } from '../../machine/runtime.ts';
import { holdsId, type MachineHost, readMachineHost } from '../machines/machine-host.ts';
import { Slots } from '../machines/turns.ts';
import { AbsentFunctions } from './absent-functions.ts';
import { CodeFolder } from './code-folder.ts';
import { Environment, initMillisMax } from './environment.ts';
import { serveRuntimeApi } from './runtime-api.ts';
import { Sandbox } from './sandbox.ts';
import { buildRoot, makeTemplate, probeDisk } from './sandbox-root.ts';
import { apiInside, SandboxNetworks, type Slot } from './sandbox-network.ts';
import { installClient } from './client-folder.ts';
import { clientFolder, commandOf, hostBinds, packagesFolder, sdkFolder, toolchainProblem } from './toolchains.ts';
import type {
  ClientProgram,
  Functions,
  FunctionSpec,
  InstalledCode,
  Invocation,
  LogLine,
  NetworkAttachment,
  OpenedEnvironment,
  Outcome,
  Toolchain,
} from './types.ts';

export interface LinuxFunctionsOptions {
  /** Folder for code and sandboxes, on a file system that can hold overlays. Made when it does not exist. */
  folder: string;
  inside: Inside | undefined;
  /** Why the networks cannot work, once they are made: functions ask for their calls at an address of theirs. */
  networkProblem: Promise<string | undefined>;
}

/** As inside AWS's sandboxes: `sbx_user1051`. */
const sandboxUser = 993;
const sandboxGroup = 990;
/** Real milliseconds that an idle environment is kept, and how many idle ones there are at most. */
const idleMillisMax = 10 * 60_000;
const idleMax = 40;
const sweepMillis = 5_000;
/** Real milliseconds to wait for an environment that finishes, rather than to start another. */
const finishMillisMax = 250;
const startsAtOnceMax = Math.max(2, availableParallelism());
/** Share of the host's memory that environments may be promised; what they use is bounded by the machines' common group. */
const memoryShare = 0.7;

interface Readiness {
  host: MachineHost;
  runtime: RuntimeOptions;
  binds: ReadonlyMap<string, string>;
  user: number;
  group: number;
  /** Whether /tmp can be a disk. */
  disks: boolean;
}

class LinuxFunctions implements Functions {
  readonly #folder: string;
  readonly #ready: Readiness;
  readonly #code: CodeFolder;
  readonly #networks = new SandboxNetworks();
  /** By the address of the sandbox; promised, because a program may ask before its start has been told. */
  readonly #byAddress = new Map<string, Promise<Environment | undefined>>();
  /** Environments by key: all that live, and those of them that wait for a call. */
  readonly #living = new Map<string, Set<Environment>>();
  readonly #idle = new Map<string, Environment[]>();
  /** Calls that wait for one that finishes. */
  readonly #waiting = new Map<string, ((environment: Environment) => void)[]>();
  readonly #provisioned = new Map<string, number>();
  readonly #starts = new Slots(startsAtOnceMax);
  readonly #templates = new Map<number, Promise<string>>();
  readonly #clients = new Map<ClientProgram, Promise<string>>();
  readonly #sweeper: NodeJS.Timeout;
  readonly #ending = new Set<Promise<void>>();
  #stopApi: () => Promise<void> = async () => {};
  #number = 0;
  #closed = false;

  /** Only for `openLinuxFunctions`. */
  constructor(folder: string, ready: Readiness) {
    this.#folder = folder;
    this.#ready = ready;
    this.#code = new CodeFolder(`${folder}/code`);
    this.#sweeper = setInterval(() => this.#sweep(), sweepMillis);
    this.#sweeper.unref();
  }

  async listen(): Promise<void> {
    this.#stopApi = await serveRuntimeApi(async (address) => this.#byAddress.get(address));
  }

  toolchainProblem(toolchain: Toolchain): Promise<string | undefined> {
    return Promise.resolve(toolchainProblem(toolchain));
  }

  install(name: string, archive: Uint8Array, bytesMax: number): Promise<InstalledCode> {
    return this.#code.install(name, archive, bytesMax);
  }

  hasCode(name: string): Promise<boolean> {
    return this.#code.has(name);
  }

  codeBytes(name: string): Promise<number> {
    return this.#code.bytes(name);
  }

  installed(): Promise<string[]> {
    return this.#code.list();
  }

  removeCode(name: string): Promise<void> {
    return this.#code.remove(name);
  }

  async invoke(spec: FunctionSpec, call: Invocation): Promise<Outcome> {
    for (;;) {
      const idle = this.#takeIdle(spec, call) ?? (await this.#awaitIdle(spec, call));
      if (idle !== undefined) return idle.run(call);
      // Many starts wait for their turn: one that was called meanwhile and has answered is as good.
      const made = await this.#start(spec, () => this.#takeIdle(spec, call));
      if (!(made instanceof Environment)) return made;
      const failure = await made.waitReady(initMillisMax);
      if (failure === undefined) return made.run(call);
      if (failure.kind === 'timeout') return this.#startAgain(spec, made, call);
      const facts = {
        environment: { label: made.label, cold: true, initMillis: made.initMillis },
        millis: 0,
        memoryUsedMiB: made.memoryUsedMiB,
      };
      call.onStart(facts.environment, made.takeLines());
      await this.#end(made);
      return { ...failure, ...facts } as Outcome;
    }
  }

  async provision(spec: FunctionSpec, count: number): Promise<{ ready: number; problem?: string | undefined }> {
    this.#provisioned.set(spec.key, count);
    const have = this.#living.get(spec.key)?.size ?? 0;
    const missing = Math.max(0, count - have);
    let problem: string | undefined;
    await Promise.all(
      Array.from({ length: missing }, async () => {
        const made = await this.#start(spec);
        if (!(made instanceof Environment)) problem = made.kind === 'unavailable' ? made.reason : made.kind;
        else {
          const failure = await made.waitReady(initMillisMax);
          if (failure === undefined) {
            made.prepared = true;
            made.rest();
            this.#keep(made);
          } else {
            problem = failure.kind;
            await this.#end(made);
          }
        }
      }),
    );
    return { ready: this.#living.get(spec.key)?.size ?? 0, problem };
  }

  async unprovision(key: string): Promise<void> {
    this.#provisioned.delete(key);
  }

  discard(group: string, keep: readonly string[]): void {
    for (const [key, environments] of this.#living) {
      if (keep.includes(key)) continue;
      for (const environment of environments) {
        if (environment.spec.group !== group) continue;
        this.#provisioned.delete(key);
        environment.retired = true;
        if (!environment.isBusy && this.#idle.get(key)?.includes(environment) === true) void this.#end(environment);
      }
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearInterval(this.#sweeper);
    this.#networks.close();
    await Promise.all([...this.#living.values()].flatMap((all) => [...all]).map((environment) => this.#end(environment)));
    await Promise.all(this.#ending);
    await this.#stopApi();
  }

  /** An idle environment that is good until the call must be over. */
  #takeIdle(spec: FunctionSpec, call: Invocation): Environment | undefined {
    for (;;) {
      const environment = this.#idle.get(spec.key)?.at(-1);
      if (environment === undefined) return undefined;
      this.#dropIdle(environment);
      if (isGoodFor(environment, call)) return environment;
      void this.#end(environment);
    }
  }

  /** One that has just answered is worth a moment's wait: its program asks for the next call at once. */
  async #awaitIdle(spec: FunctionSpec, call: Invocation): Promise<Environment | undefined> {
    const queue = this.#waiting.get(spec.key) ?? [];
    const finishing = [...(this.#living.get(spec.key) ?? [])].filter((one) => one.isFinishing && isGoodFor(one, call));
    if (finishing.length <= queue.length) return undefined;
    this.#waiting.set(spec.key, queue);
    return new Promise((resolve) => {
      const done = (environment: Environment | undefined): void => {
        clearTimeout(timer);
        queue.splice(queue.indexOf(done), 1);
        if (queue.length === 0) this.#waiting.delete(spec.key);
        resolve(environment);
      };
      const timer = setTimeout(() => done(undefined), finishMillisMax);
      queue.push(done);
    });
  }

  async #start(spec: FunctionSpec, other: () => Environment | undefined = () => undefined): Promise<Environment | Outcome> {
    /** What the caller's own parts throw is the caller's to know. */
    let refusal: unknown;
    const refused = (error: unknown): never => {
      refusal = error;
      throw error;
    };
    try {
      return await this.#starts.run(async () => {
        const found = other();
        if (found !== undefined) return found;
        const opened = await spec.open(crypto.randomUUID().replaceAll('-', '')).catch(refused);
        const attachment = await spec.attach?.().catch(refused);
        await this.#makeRoom(spec.memoryMiB);
        return this.#boot(spec, opened, attachment);
      });
    } catch (error) {
      if (error === refusal) throw error;
      return { kind: 'unavailable', reason: (error as Error).message, millis: 0, memoryUsedMiB: 0 };
    }
  }

  async #boot(spec: FunctionSpec, opened: OpenedEnvironment, attachment: NetworkAttachment | undefined): Promise<Environment> {
    if (this.#closed) throw new PilviError('CommandFailed', 'The cloud is being stopped.');
    const { host, runtime, binds, user, group, disks } = this.#ready;
    const slot = await this.#networks.take(attachment);
    const name = `f-${++this.#number}`;
    let environment: Environment | undefined;
    const early: LogLine[] = [];
    let tell: (environment: Environment | undefined) => void = () => {};
    this.#byAddress.set(slot.address, new Promise((resolve) => (tell = resolve)));
    try {
      const sandbox = await Sandbox.start({
        id: name,
        spec,
        folder: `${this.#folder}/run/${name}`,
        root: [`${this.#folder}/root`, `${this.#folder}/empty`],
        binds: new Map([...binds, ['/var/task', this.#code.pathOf(spec.code)], ...(await this.#clientOf(spec))]),
        layers: spec.layers.map((layer) => this.#code.pathOf(layer)),
        disk: disks ? await this.#template(spec.diskMiB) : undefined,
        argv: commandOf(spec),
        variables: { ...opened.variables, AWS_LAMBDA_RUNTIME_API: apiInside },
        slot,
        host,
        runtime,
        user,
        group,
        log: (line) => {
          if (environment === undefined) early.push(line);
          else environment.print(line);
        },
      });
      const made = new Environment(spec, opened, sandbox, (one) => this.#keep(one));
      environment = made;
      for (const line of early) made.print(line);
      tell(made);
      const living = this.#living.get(spec.key) ?? new Set();
      this.#living.set(spec.key, living.add(made));
      void sandbox.ended.then(() => this.#forget(made, slot));
      return made;
    } catch (error) {
      tell(undefined);
      this.#byAddress.delete(slot.address);
      await this.#networks.release(slot);
      throw error;
    }
  }

  /** An environment that took too long to start begins again, in the time of the call ("Init phase"). */
  async #startAgain(spec: FunctionSpec, first: Environment, call: Invocation): Promise<Outcome> {
    await this.#end(first);
    const begun = performance.now();
    const made = await this.#start(spec);
    if (!(made instanceof Environment)) return made;
    const failure = await made.waitReady(call.timeoutMillis);
    if (failure === undefined) return made.run({ ...call, timeoutMillis: call.timeoutMillis - (performance.now() - begun) });
    const environment = { label: made.label, cold: true, initMillis: 0 };
    call.onStart(environment, made.takeLines());
    const outcome = { ...failure, environment, millis: performance.now() - begun, memoryUsedMiB: made.memoryUsedMiB } as Outcome;
    await this.#end(made);
    return outcome;
  }

  /** Takes an environment back that has done its call, or lets it go. */
  #keep(environment: Environment): void {
    if (environment.isGone) return;
    const { key } = environment.spec;
    if (environment.retired || this.#closed) {
      void this.#end(environment);
      return;
    }
    const waiter = this.#waiting.get(key)?.[0];
    if (waiter !== undefined) {
      waiter(environment);
      return;
    }
    const waiting = this.#idle.get(key) ?? [];
    this.#idle.set(key, waiting);
    waiting.push(environment);
  }

  #end(environment: Environment): Promise<void> {
    this.#dropIdle(environment);
    const ending = environment.end();
    this.#ending.add(ending);
    return ending.finally(() => this.#ending.delete(ending));
  }

  #dropIdle(environment: Environment): void {
    const { key } = environment.spec;
    const left = (this.#idle.get(key) ?? []).filter((other) => other !== environment);
    if (left.length === 0) this.#idle.delete(key);
    else this.#idle.set(key, left);
  }

  async #forget(environment: Environment, slot: Slot): Promise<void> {
    const { key } = environment.spec;
    this.#byAddress.delete(slot.address);
    this.#dropIdle(environment);
    const living = this.#living.get(key);
    living?.delete(environment);
    if (living?.size === 0) this.#living.delete(key);
    await this.#networks.release(slot).catch(() => undefined);
  }

  /** Lets the longest idle ones go until the new one has room among what the host can promise. */
  async #makeRoom(memoryMiB: number): Promise<void> {
    const all = (): Environment[] => [...this.#living.values()].flatMap((set) => [...set]);
    const budget = (totalmem() * memoryShare) / 1024 / 1024;
    const idle = this.#oldestIdle();
    const promised = (): number => all().reduce((sum, { spec }) => sum + spec.memoryMiB, 0);
    while (idle.length > 0 && promised() + memoryMiB > budget) await this.#end(idle.shift() as Environment);
  }

  #oldestIdle(): Environment[] {
    return [...this.#idle.entries()]
      .flatMap(([key, waiting]) => waiting.slice(this.#provisioned.get(key) ?? 0))
      .sort((a, b) => a.idleSince - b.idleSince);
  }

  #sweep(): void {
    const idle = this.#oldestIdle();
    const old = performance.now() - idleMillisMax;
    const surplus = Math.max(0, idle.length - idleMax);
    idle.forEach((environment, index) => {
      if (index < surplus || environment.idleSince < old) void this.#end(environment);
    });
  }

  /** Where the client lies inside, and where on the host. */
  async #clientOf({ client, toolchain }: FunctionSpec): Promise<[string, string][]> {
    if (client === undefined) return [];
    let folder = this.#clients.get(client);
    if (folder === undefined) {
      folder = installClient(`${this.#folder}/clients`, client, toolchain);
      this.#clients.set(client, folder);
      folder.catch(() => this.#clients.delete(client));
    }
    return [[clientFolder, await folder]];
  }

  /** An empty file system of this size, made once and copied for each sandbox. */
  #template(mebibytes: number): Promise<string> {
    let made = this.#templates.get(mebibytes);
    if (made === undefined) {
      made = makeTemplate(`${this.#folder}/disks`, mebibytes, this.#ready);
      this.#templates.set(mebibytes, made);
      made.catch(() => this.#templates.delete(mebibytes));
    }
    return made;
  }
}

function isGoodFor(environment: Environment, call: Invocation): boolean {
  return !environment.retired && environment.validUntil >= call.now + call.timeoutMillis;
}

/** Opens the plane. A host that refuses is an answer, not an error: then the plane is one that says why. */
export async function openLinuxFunctions({ folder, inside, networkProblem }: LinuxFunctionsOptions): Promise<Functions> {
  if (inside === undefined) return new AbsentFunctions('Functions need namespaces of their own.');
  for (const name of ['code', 'run', 'disks', 'empty', 'clients'])
    await mkdir(`${folder}/${name}`, { recursive: true, mode: 0o755 });
  const [host, runtimeProblem] = await Promise.all([readMachineHost(inside.run), probeRuntime()]);
  if (runtimeProblem !== undefined) return new AbsentFunctions(`Functions cannot run: ${runtimeProblem}.`);
  const overlayProblem = await probeOverlay(folder, host.userNamespace);
  if (overlayProblem !== undefined) return new AbsentFunctions(`Functions cannot run: ${overlayProblem}.`);
  await rm(`${folder}/run`, { recursive: true, force: true });
  await mkdir(`${folder}/run`, { mode: 0o755 });
  const idMap = await readFile('/proc/self/uid_map', 'utf8');
  const ids = holdsId(idMap, sandboxUser) ? { user: sandboxUser, group: sandboxGroup } : { user: 0, group: 0 };
  const binds = hostBinds();
  const packages = await sdkFolder();
  if (packages !== undefined) binds.set(packagesFolder, packages);
  const [diskProblem, problem] = await Promise.all([
    probeDisk(`${folder}/disks`, ids),
    networkProblem,
    buildRoot(folder, binds, ids),
  ]);
  if (problem !== undefined) return new AbsentFunctions(problem);
  const runtime = { stateFolder: `${folder}/run/.runtime`, ownTime: false, withoutCgroups: host.cgroups.kind === 'none' };
  const functions = new LinuxFunctions(folder, { host, runtime, binds, ...ids, disks: diskProblem === undefined });
  try {
    await functions.listen();
  } catch (error) {
    await functions.close();
    return new AbsentFunctions(`Functions cannot run: ${(error as Error).message}.`);
  }
  return functions;
}
