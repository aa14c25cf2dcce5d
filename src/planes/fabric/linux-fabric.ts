/**
 * The fabric on Linux: plans networks and makes the plans true with `ip` and `nft` in namespaces. Pilvi's own network namespace is the internet of
 * the cloud: public addresses are routed in it, platform services listen in it, and nothing leads out of it.
 *
 * One network is worked on by one caller at a time, different networks in parallel. What was carried out is remembered, so a change costs what
 * changes, about four program runs. A spec that brings no change is taken as a request to repair: the network is compared with the kernel's
 * view and what is missing is made again. When a step fails, because someone removed what it builds on, the network is built anew, once.
 * Networks that an earlier fabric left in this namespace are listed and can be removed; ensuring one of them builds it anew.
 */
import { PilviError } from '../../base/errors.ts';
import type { Inside } from '../../machine/launch.ts';
import { applyIpCommands, readLinks, removeByIpCommands } from '../../machine/link.ts';
import { listNamespaces, networkNamespace, networkOfNamespace } from '../../machine/netns.ts';
import { applyPacketRules } from '../../machine/nft.ts';
import { applySettings } from '../../machine/sysctl.ts';
import { metadataAddress, metadataPort, resolverAddress, resolverPort, ServiceAddresses } from './addresses.ts';
import { checkSpec } from './check-spec.ts';
import { diffPlans, isEmpty, machinesOf, type Steps } from './diff-plan.ts';
import { FaultBook } from './faults.ts';
import { type FoundPlan, inspectNetwork } from './inspect-network.ts';
import { NetworkNumbers, Numbers } from './numbers.ts';
import { type NetworkPlan, planNetwork } from './plan.ts';
import { networkSettings, prepareInternet } from './internet.ts';
import type { Fabric, NetworkSpec, PortIdentity, PortStatus } from './types.ts';

export interface LinuxFabricOptions {
  /** How this process was started (`readInside`); without namespaces of its own the fabric refuses to work, to keep the host as it is. */
  inside: Inside | undefined;
  /** Why there are no namespaces, or what else is missing (`capabilities`); becomes `unavailable`. */
  unavailable?: string | undefined;
  /** TCP ports of the platform's own internet address (`hostAddress`) that machines may connect to. None when absent. */
  openPorts?: readonly number[] | undefined;
}

interface NetworkState {
  numbers: NetworkNumbers;
  /** Latest spec that was asked for: what a fault applies to. */
  spec: NetworkSpec | undefined;
  applied: FoundPlan | undefined;
  /** The plan whose machines and service addresses are in use; survives what makes `applied` unknown. */
  held: Pick<NetworkPlan, 'links' | 'identities'> | undefined;
  /** End of the work in hand. Never rejects. */
  tail: Promise<void>;
}

/** Opens the fabric: prepares the internet in this process's network namespace. Throws `CommandFailed` when the kernel refuses. */
export async function openLinuxFabric(options: LinuxFabricOptions): Promise<LinuxFabric> {
  const unavailable =
    options.unavailable ?? (options.inside === undefined ? 'Pilvi does not run in namespaces of its own.' : undefined);
  const fabric = new LinuxFabric(unavailable);
  if (unavailable === undefined) await fabric.prepare(options.openPorts ?? []);
  return fabric;
}

export class LinuxFabric implements Fabric {
  readonly unavailable: string | undefined;
  readonly metadataListen = { address: metadataAddress, port: metadataPort };
  readonly resolverListen = { address: resolverAddress, port: resolverPort };
  readonly #networks = new Map<string, NetworkState>();
  readonly #faults = new FaultBook();
  readonly #serviceAddresses = new ServiceAddresses();
  readonly #identities = new Map<string, PortIdentity>();
  /** Networks with ports in each machine's namespace. */
  readonly #machineUsers = new Map<string, Set<string>>();
  #indexes = new Numbers(1);

  constructor(unavailable: string | undefined) {
    this.unavailable = unavailable;
  }

  /** Makes this namespace the internet. Device names that an earlier fabric left are stepped over, since the kernel removes them in its own time. */
  async prepare(openPorts: readonly number[]): Promise<void> {
    const links = await prepareInternet(openPorts);
    const taken = [...links.keys()].map((name) => Number(/^n(\d+)$/.exec(name)?.[1] ?? 0));
    this.#indexes = new Numbers(Math.max(0, ...taken) + 1);
  }

  ensureNetwork(spec: NetworkSpec): Promise<void> {
    return this.#inTurn(spec.key, () => this.#ensure(spec));
  }

  removeNetwork(key: string): Promise<void> {
    return this.#inTurn(key, async () => {
      const state = this.#networks.get(key)!;
      state.spec = undefined;
      state.applied = undefined;
      await this.#demolish(key, undefined);
      await this.#hold(key, state, undefined);
    });
  }

  async networks(): Promise<string[]> {
    return (await listNamespaces()).flatMap((name) => networkOfNamespace(name) ?? []);
  }

  async portStatus(network: string): Promise<PortStatus[]> {
    const applied = this.#networks.get(network)?.applied;
    if (applied === undefined) return [];
    const links = await readLinks(applied.namespace);
    return [...applied.identities].flatMap(([serviceAddress, { port, device }]) => {
      const link = links.get(device);
      if (link === undefined) return [];
      // What the network's end sends, the machine receives.
      return {
        key: port,
        serviceAddress,
        rxBytes: link.txBytes,
        txBytes: link.rxBytes,
        rxPackets: link.txPackets,
        txPackets: link.rxPackets,
      };
    });
  }

  identify(serviceAddress: string): PortIdentity | undefined {
    // A socket that serves IPv4 and IPv6 shows IPv4 addresses in this form.
    return this.#identities.get(serviceAddress.replace(/^::ffff:/, ''));
  }

  async setFault(fault: Parameters<Fabric['setFault']>[0], down: boolean): Promise<void> {
    this.#faults.set(fault, down);
    await this.#applyFaults();
  }

  async close(): Promise<void> {
    await Promise.all([...this.#networks.values()].map(({ tail }) => tail));
  }

  async #ensure(spec: NetworkSpec): Promise<void> {
    checkSpec(spec);
    const state = this.#networks.get(spec.key)!;
    state.spec = spec;
    const plan = this.#plan(spec, state);
    let steps = diffPlans(state.applied, plan);
    if (isEmpty(steps)) {
      state.applied = await inspectNetwork(plan);
      steps = diffPlans(state.applied, plan);
    }
    if (isEmpty(steps)) return;
    try {
      if (steps.fresh) await this.#demolish(spec.key, state.held);
      await this.#carryOut(plan, steps);
    } catch (error) {
      state.applied = undefined;
      if (steps.fresh) throw error;
      await this.#demolish(spec.key, state.held);
      await this.#carryOut(plan, diffPlans(undefined, plan));
    }
    state.applied = plan;
    await this.#hold(spec.key, state, plan);
  }

  #plan(spec: NetworkSpec, state: NetworkState): NetworkPlan {
    return planNetwork(spec, {
      index: this.#indexes.assign(this.#networks.keys()).get(spec.key)!,
      numbers: state.numbers,
      serviceAddressOf: (port) => this.#serviceAddresses.of(spec.key, port),
      faults: this.#faults.view([...this.#networks.values()].flatMap((other) => other.spec ?? [])),
    });
  }

  /**
   * The order keeps the firewall ahead of the traffic: in a network that exists rules change before links come up; in a fresh one nothing is up until
   * everything else is there.
   */
  async #carryOut(plan: NetworkPlan, steps: Steps): Promise<void> {
    const { namespace } = plan;
    const existing = new Set(await listNamespaces());
    const wanted = [...(steps.fresh ? [namespace] : []), ...machinesOf(plan)];
    const root = [...wanted.filter((name) => !existing.has(name)).map((name) => `netns add ${name}`), ...steps.root];
    const machines = () => [...steps.machines].map(([place, lines]) => applyIpCommands(place, lines));
    if (steps.fresh) {
      await applyIpCommands(undefined, root);
      await settle([
        applyPacketRules(namespace, steps.packetRules),
        applySettings(namespace, networkSettings(plan.links.keys())),
        ...machines(),
      ]);
      await applyIpCommands(namespace, steps.network);
    } else {
      await removeByIpCommands(namespace, steps.removeLinks);
      await settle([applyPacketRules(namespace, steps.packetRules), applyIpCommands(undefined, root)]);
      await settle([applyIpCommands(namespace, steps.network), ...machines()]);
    }
    await settle([...steps.removals].map(([place, lines]) => removeByIpCommands(place === '' ? undefined : place, lines)));
  }

  /** Makes the plan's service addresses known, and lets go of machines and addresses that are no longer used. */
  async #hold(key: string, state: NetworkState, plan: NetworkPlan | undefined): Promise<void> {
    const before = state.held;
    state.held = plan;
    for (const [address, { port }] of before?.identities ?? []) {
      if (plan?.identities.has(address)) continue;
      this.#identities.delete(address);
      this.#serviceAddresses.release(key, port);
    }
    for (const [address, { port, machine }] of plan?.identities ?? [])
      this.#identities.set(address, { network: key, port, machine });
    const machines = machinesOf(plan);
    for (const machine of machines) {
      const users = this.#machineUsers.get(machine) ?? new Set();
      this.#machineUsers.set(machine, users.add(key));
    }
    await this.#leaveMachines(
      key,
      [...machinesOf(before)].filter((machine) => !machines.has(machine)),
    );
  }

  /** Removes namespaces of machines in which no network has a port any more. */
  async #leaveMachines(key: string, machines: readonly string[]): Promise<void> {
    const unused = machines.filter((machine) => {
      const users = this.#machineUsers.get(machine);
      users?.delete(key);
      if (users !== undefined && users.size > 0) return false;
      this.#machineUsers.delete(machine);
      return true;
    });
    await removeByIpCommands(
      undefined,
      unused.map((machine) => `netns del ${machine}`),
    );
  }

  /**
   * Takes a network away, also when this fabric did not make it. Links go by name first: with the namespace alone the kernel would remove them later,
   * and their names inside machines would be taken until then. Machines' namespaces stay: machines run in them.
   */
  async #demolish(key: string, held: NetworkState['held']): Promise<void> {
    const namespace = networkNamespace(key);
    const existing = new Set(await listNamespaces());
    if (existing.has(namespace)) {
      const devices = [...(await readLinks(namespace)).keys()].filter((device) => device !== 'lo');
      await removeByIpCommands(
        namespace,
        devices.map((device) => `link del ${device}`),
      );
      await removeByIpCommands(undefined, [`netns del ${namespace}`]);
      return;
    }
    const ends = [...(held?.links.values() ?? [])].flatMap(({ machine }) => machine ?? []);
    await settle(
      ends
        .filter((end) => existing.has(end.namespace))
        .map((end) => removeByIpCommands(end.namespace, [`link del ${end.device}`])),
    );
  }

  /** Brings every network whose plan the faults change up to date. */
  async #applyFaults(): Promise<void> {
    await settle(
      [...this.#networks].map(([key]) =>
        this.#inTurn(key, async () => {
          const state = this.#networks.get(key)!;
          if (state.spec === undefined || state.applied === undefined) return;
          const plan = this.#plan(state.spec, state);
          if (!isEmpty(diffPlans(state.applied, plan))) await this.#ensure(state.spec);
        }),
      ),
    );
  }

  #inTurn(key: string, work: () => Promise<void>): Promise<void> {
    if (this.unavailable !== undefined) return Promise.reject(new PilviError('NotPermitted', this.unavailable));
    let state = this.#networks.get(key);
    if (state === undefined) {
      state = { numbers: new NetworkNumbers(), spec: undefined, applied: undefined, held: undefined, tail: Promise.resolve() };
      this.#networks.set(key, state);
    }
    const done = state.tail.then(work);
    state.tail = done.catch(() => {});
    const tail = state.tail;
    const forget = (): void => {
      const { spec } = state;
      if (spec === undefined && state.tail === tail) this.#networks.delete(key);
    };
    void tail.then(forget);
    return done;
  }
}

/** Waits for all, then throws the first failure: work that goes on behind a failure would meet what comes next. */
async function settle(work: readonly Promise<void>[]): Promise<void> {
  const results = await Promise.allSettled(work);
  for (const result of results) if (result.status === 'rejected') throw result.reason;
}
