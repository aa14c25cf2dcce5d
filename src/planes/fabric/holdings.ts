/**
 * What networks hold beyond their own namespace: namespaces of machines, which several networks may share, and service addresses. Taken before a
 * plan is carried out and let go after the next one has been, so that a failure in between loses nothing.
 */
import { ServiceAddresses } from './addresses.ts';
import type { NetworkPlan } from './plan.ts';
import type { PortIdentity } from './types.ts';

/** A device in a machine's namespace. */
export interface MachineEnd {
  namespace: string;
  device: string;
}

interface Held {
  ends: Map<string, MachineEnd>;
  /** Service address to port. */
  ports: Map<string, string>;
}

export class Holdings {
  readonly #serviceAddresses = new ServiceAddresses();
  readonly #doorAddresses = new ServiceAddresses('100.127.0.0', 2 ** 16);
  readonly #identities = new Map<string, PortIdentity>();
  readonly #byNetwork = new Map<string, Held>();

  serviceAddressOf(network: string, port: string): string {
    return this.#serviceAddresses.of(network, port);
  }

  doorAddressOf(network: string, port: string): string {
    return this.#doorAddresses.of(network, port);
  }

  identify(serviceAddress: string): PortIdentity | undefined {
    return this.#identities.get(serviceAddress);
  }

  /** Devices of a network in machines. */
  endsOf(network: string): MachineEnd[] {
    return [...(this.#byNetwork.get(network)?.ends.values() ?? [])];
  }

  /** Adds what the plan needs to what the network holds. */
  take(network: string, plan: NetworkPlan): void {
    const held = this.#byNetwork.get(network) ?? { ends: new Map(), ports: new Map() };
    this.#byNetwork.set(network, held);
    for (const [id, end] of endsOf(plan)) held.ends.set(id, end);
    for (const [address, { port, machine }] of plan.identities) {
      held.ports.set(address, port);
      this.#identities.set(address, { network, port, machine });
    }
  }

  /** Lets go of what the plan does not need (of everything without one). Returns namespaces of machines that nobody holds any more. */
  keepOnly(network: string, plan: NetworkPlan | undefined): string[] {
    const held = this.#byNetwork.get(network);
    if (held === undefined) return [];
    for (const [address, port] of held.ports) {
      if (plan?.identities.has(address)) continue;
      held.ports.delete(address);
      this.#identities.delete(address);
      this.#serviceAddresses.release(network, port);
      this.#doorAddresses.release(network, port);
    }
    const wanted = new Map(plan === undefined ? [] : endsOf(plan));
    const before = namespacesOf(held.ends.values());
    held.ends = wanted;
    if (plan === undefined) this.#byNetwork.delete(network);
    const used = namespacesOf([...this.#byNetwork.values()].flatMap(({ ends }) => [...ends.values()]));
    return [...before].filter((namespace) => !used.has(namespace));
  }
}

function endsOf(plan: NetworkPlan): [string, MachineEnd][] {
  return [...plan.links.values()].flatMap(({ machine }) =>
    machine === undefined ? [] : [[`${machine.namespace} ${machine.device}`, machine] as [string, MachineEnd]],
  );
}

function namespacesOf(ends: Iterable<MachineEnd>): Set<string> {
  return new Set([...ends].map(({ namespace }) => namespace));
}
