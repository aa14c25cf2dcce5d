/**
 * The fabric on Linux: plans networks and makes the plans true with `ip` and `nft` in namespaces. Pilvi's own network namespace is the internet of
 * the cloud: public addresses are routed in it, platform services listen in it, and nothing leads out of it.
 *
 * One network is worked on by one caller at a time, different networks in parallel. What was carried out is remembered, so a change costs what
 * changes, about four program runs. A spec that brings no change is taken as a request to repair: the network is compared with the kernel's
 * view and what is missing is made again; unless the network was changed or compared while the request waited its turn, as when many machines of one
 * network start at once. When a step fails, because someone removed what it builds on, the network is built anew, once.
 * Networks that an earlier fabric left in this namespace are listed and can be removed; ensuring one of them builds it anew.
 */
import { PilviError } from '../../base/errors.ts';
import type { Inside } from '../../machine/launch.ts';
import { applyIpCommands, readLinks, removeByIpCommands } from '../../machine/link.ts';
import { ensureNamespace, listNamespaces, networkNamespace, networkOfNamespace } from '../../machine/netns.ts';
import { applyPacketRules, readCountedSets } from '../../machine/nft.ts';
import { applySettings } from '../../machine/sysctl.ts';
import { hostAddress, metadataAddress, metadataPort, portGroup, resolverAddress, resolverPort } from './addresses.ts';
import { checkSpec } from './check-spec.ts';
import { diffPlans, isEmpty, machinesOf, type Steps } from './diff-plan.ts';
import { FaultBook } from './faults.ts';
import { Holdings } from './holdings.ts';
import { firewallTable, foreignSets } from './plan-firewall.ts';
import { flowsPerSetMax, isWatched, readFlows } from './plan-flows.ts';
import { type FoundPlan, inspectNetwork } from './inspect-network.ts';
import { NetworkNumbers, Numbers } from './numbers.ts';
import { type NetworkPlan, planNetwork, rootPlace } from './plan.ts';
import { ip6Settings, networkSettings, prepareInternet } from './internet.ts';
import type { Fabric, FlowCounts, NetworkSpec, PortIdentity, PortStatus } from './types.ts';

export interface LinuxFabricOptions {
  /** How this process was started (`readInside`). Outside namespaces of its own the fabric would change the host, and refuses. */
  inside: Inside | undefined;
  /** TCP ports of the platform's own internet address (`hostAddress`) that machines may connect to. None when absent. */
  openPorts?: readonly number[] | undefined;
}

interface NetworkState {
  numbers: NetworkNumbers;
  /** Latest spec that was asked for: what a fault applies to. */
  spec: NetworkSpec | undefined;
  applied: FoundPlan | undefined;
  /** On the fabric's count of events: when the last change ended or the last comparison with the kernel began. */
  checkedAt: number;
  /** End of the work in hand. Never rejects. */
  tail: Promise<void>;
}

/**
 * Opens the fabric: prepares the internet in this process's network namespace. Device names that an earlier fabric left there are stepped over, since
 * the kernel removes them in its own time. Throws `NotPermitted` outside namespaces, `ProgramMissing` or `CommandFailed` when the host lacks something.
 */
export async function openLinuxFabric(options: LinuxFabricOptions): Promise<LinuxFabric> {
  if (options.inside === undefined)
    throw new PilviError('NotPermitted', 'Networks are made only inside namespaces of their own.');
  const links = await prepareInternet(options.openPorts ?? []);
  const taken = links.map((name) => Number(/^n(\d+)$/.exec(name)?.[1] ?? 0));
  return new LinuxFabric(Math.max(0, ...taken) + 1);
}

export class LinuxFabric implements Fabric {
  readonly unavailable = undefined;
  readonly hostAddress = hostAddress;
  readonly metadataListen = { address: metadataAddress, port: metadataPort };
  readonly resolverListen = { address: resolverAddress, port: resolverPort };
  readonly #networks = new Map<string, NetworkState>();
  readonly #faults = new FaultBook();
  readonly #holdings = new Holdings();
  readonly #indexes: Numbers;
  /** Counts requests, changes and comparisons, to tell which was first. */
  #events = 0;

  /** `firstIndex` numbers the devices `n<index>` of networks in the root namespace. */
  constructor(firstIndex: number) {
    this.#indexes = new Numbers(firstIndex);
  }

  async ensureNetwork(spec: NetworkSpec): Promise<void> {
    const askedAt = ++this.#events;
    await this.#inTurn(spec.key, () => this.#ensure(spec, askedAt));
    await this.#followElsewhere(spec);
  }

  async removeNetwork(key: string): Promise<void> {
    const { spec } = this.#networks.get(key) ?? {};
    await this.#inTurn(key, async () => {
      const state = this.#networks.get(key)!;
      state.spec = undefined;
      state.applied = undefined;
      await this.#demolish(key);
      await this.#letGo(key, undefined);
    });
    if (spec !== undefined) await this.#followElsewhere(spec);
  }

  async networks(): Promise<string[]> {
    return (await listNamespaces()).flatMap((name) => networkOfNamespace(name) ?? []);
  }

  async portStatus(network: string): Promise<PortStatus[]> {
    const applied = this.#networks.get(network)?.applied;
    if (applied === undefined) return [];
    const links = await readLinks(applied.namespace);
    return [...applied.identities].flatMap(([serviceAddress, { port, device }]) => {
      const link = device === undefined ? undefined : links.get(device);
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

  async flows(network: string): Promise<FlowCounts> {
    const { spec, applied } = this.#networks.get(network) ?? {};
    if (spec === undefined || applied === undefined || !isWatched(spec)) return { flows: [], overflowed: false };
    const elements = await readCountedSets(applied.namespace, firewallTable);
    const ports = new Map([...applied.identities.values()].map(({ device, port }) => [device, port]));
    const overflowed = [...elements.values()].some((set) => set.length >= flowsPerSetMax);
    return { flows: readFlows(spec, elements, (device) => ports.get(device)), overflowed };
  }

  identify(serviceAddress: string): PortIdentity | undefined {
    // A socket that serves IPv4 and IPv6 shows IPv4 addresses in this form.
    return this.#holdings.identify(serviceAddress.replace(/^::ffff:/, ''));
  }

  async setFault(fault: Parameters<Fabric['setFault']>[0], down: boolean): Promise<void> {
    this.#faults.set(fault, down);
    await settle([...this.#networks.keys()].map((key) => this.#refresh(key)));
  }

  async close(): Promise<void> {
    await Promise.all([...this.#networks.values()].map(({ tail }) => tail));
  }

  /** Brings other networks up to date whose rules name sets of this one, or whose ports have a path cut to this one's: by addresses. */
  async #followElsewhere(spec: NetworkSpec): Promise<void> {
    const sets = new Set(spec.ruleSets.map(({ key }) => key));
    const others = this.#specs().filter((other) => other.key !== spec.key);
    const concerned = others.filter((other) => this.#faults.hasPaths || foreignSets(other).some((key) => sets.has(key)));
    await settle(concerned.map(({ key }) => this.#refresh(key)));
  }

  #specs(): NetworkSpec[] {
    return [...this.#networks.values()].flatMap(({ spec }) => spec ?? []);
  }

  async #ensure(spec: NetworkSpec, askedAt: number): Promise<void> {
    checkSpec(spec);
    const state = this.#networks.get(spec.key)!;
    state.spec = spec;
    const plan = this.#plan(spec, state);
    let steps = diffPlans(state.applied, plan);
    if (isEmpty(steps)) {
      if (state.checkedAt > askedAt) return;
      state.checkedAt = ++this.#events;
      state.applied = await inspectNetwork(plan);
      steps = diffPlans(state.applied, plan);
    }
    if (isEmpty(steps)) return;
    this.#holdings.take(spec.key, plan);
    try {
      if (steps.fresh) await this.#demolish(spec.key);
      await this.#carryOut(plan, steps);
    } catch (error) {
      state.applied = undefined;
      if (steps.fresh) throw error;
      await this.#demolish(spec.key);
      await this.#carryOut(plan, diffPlans(undefined, plan));
    }
    state.applied = plan;
    state.checkedAt = ++this.#events;
    await this.#letGo(spec.key, plan);
  }

  #plan(spec: NetworkSpec, state: NetworkState): NetworkPlan {
    return planNetwork(spec, {
      index: this.#indexes.assign(this.#networks.keys()).get(spec.key)!,
      numbers: state.numbers,
      serviceAddressOf: (port) => this.#holdings.serviceAddressOf(spec.key, port),
      doorAddressOf: (port) => this.#holdings.doorAddressOf(spec.key, port),
      serviceAddressElsewhere: (network, port) => this.#holdings.serviceAddressOf(network, port),
      membersElsewhere: (ruleSet) => membersOf(ruleSet, this.#specs()),
      faults: this.#faults.view(this.#specs()),
    });
  }

  /**
   * In a network that exists, rules change before links come; in a fresh one, machines get their addresses after everything else. So the firewall is
   * always ahead of the traffic.
   */
  async #carryOut(plan: NetworkPlan, steps: Steps): Promise<void> {
    const { namespace } = plan;
    const existing = new Set(await listNamespaces());
    const wanted = [...(steps.fresh ? [namespace] : []), ...machinesOf(plan)];
    // Two networks may make the namespace between them at the same time.
    await settle([...steps.settings.keys()].filter((name) => !existing.has(name)).map(ensureNamespace));
    for (const name of steps.settings.keys()) existing.add(name);
    const settings = () => [...steps.settings].map(([place, values]) => applySettings(place, values));
    const root = [...wanted.filter((name) => !existing.has(name)).map((name) => `netns add ${name}`), ...steps.root];
    if (steps.ip6 !== undefined && !steps.fresh) await applySettings(namespace, ip6Settings(steps.ip6));
    if (steps.fresh) {
      const left = [...steps.clear].filter(([place]) => existing.has(place));
      await settle([applyIpCommands(undefined, root), ...left.map(([place, lines]) => removeByIpCommands(place, lines))]);
      const own = applySettings(namespace, networkSettings(plan.links.keys(), plan.dual));
      // Commands of IPv6 fail while the protocol is off.
      if (plan.dual) await own;
      await settle([
        applyPacketRules(namespace, steps.packetRules),
        own,
        applyIpCommands(namespace, steps.network),
        ...settings(),
      ]);
    } else {
      await removeByIpCommands(namespace, steps.removeLinks);
      await settle([applyPacketRules(namespace, steps.packetRules), applyIpCommands(undefined, root)]);
      await settle([applyIpCommands(namespace, steps.network), ...settings()]);
    }
    const at = (place: string) => (place === rootPlace ? undefined : place);
    const last = new Set([...steps.machines.keys(), ...steps.raised.keys()]);
    await settle([...last].map((place) => applyIpCommands(at(place), steps.machines.get(place) ?? [], steps.raised.get(place))));
    await settle([...steps.removals].map(([place, lines]) => removeByIpCommands(at(place), lines)));
  }

  /** Lets go of service addresses, and removes namespaces of machines, that no network needs any more. */
  async #letGo(key: string, plan: NetworkPlan | undefined): Promise<void> {
    const machines = this.#holdings.keepOnly(key, plan);
    await removeByIpCommands(
      undefined,
      machines.map((machine) => `netns del ${machine}`),
    );
  }

  /**
   * Takes a network away, also when this fabric did not make it. Links go by name first: with the namespace alone the kernel would remove them later,
   * and their names inside machines would be taken until then, as they are when someone else made a device there. Machines' namespaces stay: machines
   * run in them.
   */
  async #demolish(key: string): Promise<void> {
    const namespace = networkNamespace(key);
    const existing = new Set(await listNamespaces());
    if (existing.has(namespace)) {
      const uplinks = [...(await readLinks(namespace)).keys()].filter((device) => /^[ux]/.test(device));
      await removeByIpCommands(namespace, [`link del group ${portGroup}`, ...uplinks.map((device) => `link del dev ${device}`)]);
      await removeByIpCommands(undefined, [`netns del ${namespace}`]);
    }
    await settle(
      this.#holdings
        .endsOf(key)
        .filter((end) => existing.has(end.namespace))
        .map((end) => removeByIpCommands(end.namespace, [`link del dev ${end.device}`])),
    );
  }

  /** Plans a network's latest spec again, for what lies outside it has changed, and does what that brings. */
  #refresh(key: string): Promise<void> {
    return this.#inTurn(key, async () => {
      const state = this.#networks.get(key)!;
      if (state.spec === undefined || state.applied === undefined) return;
      const plan = this.#plan(state.spec, state);
      if (!isEmpty(diffPlans(state.applied, plan))) await this.#ensure(state.spec, this.#events);
    });
  }

  #inTurn(key: string, work: () => Promise<void>): Promise<void> {
    let state = this.#networks.get(key);
    if (state === undefined) {
      state = { numbers: new NetworkNumbers(), spec: undefined, applied: undefined, checkedAt: 0, tail: Promise.resolve() };
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

/** Private addresses of the ports that carry the rule set, in all networks. */
function membersOf(ruleSet: string, specs: readonly NetworkSpec[]): string[] {
  const ports = specs.flatMap((spec) => spec.ports.filter((port) => port.ruleSets.includes(ruleSet)));
  return [...new Set(ports.flatMap((port) => port.addresses.map((address) => address.private)))];
}

/** Waits for all, then throws the first failure: work that goes on behind a failure would meet what comes next. */
async function settle(work: readonly Promise<void>[]): Promise<void> {
  const results = await Promise.allSettled(work);
  for (const result of results) if (result.status === 'rejected') throw result.reason;
}
