/**
 * The fabric's twin without a host: remembers what it was told, answers the same questions, and fails when told to. Most tests and simulations run
 * on it. It checks specs like the real one, so a spec that passes here is one that Linux would be given.
 */
import { ServiceAddresses } from './addresses.ts';
import { checkSpec } from './check-spec.ts';
import type { Fabric, FlowCount, FlowCounts, NetworkSpec, PortIdentity, PortStatus } from './types.ts';

type Fault = Parameters<Fabric['setFault']>[0];

export type FabricCall =
  | { verb: 'ensureNetwork'; spec: NetworkSpec }
  | { verb: 'removeNetwork'; key: string }
  | { verb: 'setFault'; fault: Fault; down: boolean };

export class FakeFabric implements Fabric {
  /** Settable, to play a host on which nothing works. */
  unavailable: string | undefined;
  readonly hostAddress = undefined;
  /** Any free port of loopback: nothing is routed here. */
  readonly metadataListen = { address: '127.0.0.1', port: 0 };
  readonly resolverListen = { address: '127.0.0.1', port: 0 };
  /** Everything that was asked for, in order, failures included. */
  readonly calls: FabricCall[] = [];
  readonly #specs = new Map<string, NetworkSpec>();
  readonly #serviceAddresses = new ServiceAddresses();
  readonly #traffic = new Map<string, Partial<PortStatus>>();
  readonly #flows = new Map<string, readonly FlowCount[]>();
  readonly #down = new Map<string, Fault>();
  #failure: ((call: FabricCall) => Error | undefined) | undefined;

  /** From now on a call for which this returns an error is rejected with it and changes nothing; undefined ends that. */
  failWhen(failure: ((call: FabricCall) => Error | undefined) | undefined): void {
    this.#failure = failure;
  }

  /** Spec in force for a network, or undefined. */
  specOf(network: string): NetworkSpec | undefined {
    return this.#specs.get(network);
  }

  /** Faults that are down. */
  faults(): Fault[] {
    return [...this.#down.values()];
  }

  /** Sets what `portStatus` counts for a port. */
  setTraffic(port: string, counters: Partial<Omit<PortStatus, 'key' | 'serviceAddress'>>): void {
    this.#traffic.set(port, counters);
  }

  /** Sets what `flows` counts in a network. */
  setFlows(network: string, flows: readonly FlowCount[]): void {
    this.#flows.set(network, flows);
  }

  /** Forgets all networks without being asked to, as a crash of the real one's namespaces does. */
  loseEverything(): void {
    this.#specs.clear();
  }

  async ensureNetwork(spec: NetworkSpec): Promise<void> {
    this.#record({ verb: 'ensureNetwork', spec });
    checkSpec(spec);
    const attached = new Set(attachedPorts(spec).map(({ key }) => key));
    for (const port of attachedPorts(this.#specs.get(spec.key)))
      if (!attached.has(port.key)) this.#serviceAddresses.release(spec.key, port.key);
    this.#specs.set(spec.key, structuredClone(spec));
  }

  async removeNetwork(key: string): Promise<void> {
    this.#record({ verb: 'removeNetwork', key });
    for (const port of attachedPorts(this.#specs.get(key))) this.#serviceAddresses.release(key, port.key);
    this.#specs.delete(key);
  }

  async networks(): Promise<string[]> {
    return [...this.#specs.keys()].sort();
  }

  async portStatus(network: string): Promise<PortStatus[]> {
    const none = { rxBytes: 0, txBytes: 0, rxPackets: 0, txPackets: 0 };
    return attachedPorts(this.#specs.get(network)).map(({ key }) => ({
      ...none,
      ...this.#traffic.get(key),
      key,
      serviceAddress: this.#serviceAddresses.of(network, key),
    }));
  }

  async flows(network: string): Promise<FlowCounts> {
    const watched = new Set(this.#specs.get(network)?.ports.flatMap((port) => (port.watched === true ? port.key : [])));
    return { flows: (this.#flows.get(network) ?? []).filter(({ port }) => watched.has(port)), overflowed: false };
  }

  identify(serviceAddress: string): PortIdentity | undefined {
    for (const [network, spec] of this.#specs)
      for (const { key, attachment } of attachedPorts(spec))
        if (this.#serviceAddresses.of(network, key) === serviceAddress)
          return { network, port: key, machine: attachment?.machine };
    return undefined;
  }

  async setFault(fault: Fault, down: boolean): Promise<void> {
    this.#record({ verb: 'setFault', fault, down });
    const key = fault.kind === 'path' ? `path ${[fault.from, fault.to].sort().join(' ')}` : JSON.stringify(fault);
    if (down) this.#down.set(key, fault);
    else this.#down.delete(key);
  }

  async close(): Promise<void> {}

  #record(call: FabricCall): void {
    this.calls.push(call);
    const error = this.#failure?.(call);
    if (error !== undefined) throw error;
  }
}

function attachedPorts(spec: NetworkSpec | undefined) {
  return (spec?.ports ?? []).filter(({ attachment }) => attachment !== undefined);
}
