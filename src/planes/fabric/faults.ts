/** What `setFault` took down, in memory only, and what that means for the networks that exist. */
import type { Faults } from './plan.ts';
import type { Fabric, NetworkSpec } from './types.ts';

type Fault = Parameters<Fabric['setFault']>[0];

export class FaultBook {
  readonly #zones = new Set<string>();
  readonly #ports = new Set<string>();
  readonly #paths = new Map<string, { from: string; to: string }>();

  get hasPaths(): boolean {
    return this.#paths.size > 0;
  }

  /** Records a fault, or its end. Safe to repeat; names that do not exist yet count as soon as they do. */
  set(fault: Fault, down: boolean): void {
    if (fault.kind === 'path') {
      const key = [fault.from, fault.to].sort().join(' ');
      if (down) this.#paths.set(key, { from: fault.from, to: fault.to });
      else this.#paths.delete(key);
      return;
    }
    const [set, name] = fault.kind === 'zone' ? [this.#zones, fault.zone] : [this.#ports, fault.port];
    if (down) set.add(name);
    else set.delete(name);
  }

  /**
   * The faults in terms of addresses. A path is cut at its first end, whose own network sees every packet between the two, by all addresses of its
   * second, wherever that one is.
   */
  view(specs: readonly NetworkSpec[]): Faults {
    const cutAddresses = new Map<string, string[]>();
    if (this.#paths.size > 0) {
      const ports = new Map(specs.flatMap((spec) => spec.ports.map((port) => [port.key, port] as const)));
      for (const { from, to } of this.#paths.values()) {
        const addresses = ports.get(to)?.addresses.flatMap((address) => [address.private, address.public ?? []].flat()) ?? [];
        cutAddresses.set(from, [...new Set([...(cutAddresses.get(from) ?? []), ...addresses])]);
      }
    }
    return { zones: new Set(this.#zones), ports: new Set(this.#ports), cutAddresses };
  }
}
