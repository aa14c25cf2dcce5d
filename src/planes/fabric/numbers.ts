/**
 * Small numbers for things with long names: the kernel allows 15 letters for a device and knows marks and tables by number only. A number stays
 * with its name as long as the name is in use, so that planning the same network again gives the same plan.
 */
export class Numbers {
  readonly #numbers = new Map<string, number>();
  readonly #first: number;

  constructor(first: number) {
    this.#first = first;
  }

  /** Forgets the numbers of names that are not in `names` and gives the others one: the lowest that is free. */
  assign(names: Iterable<string>): ReadonlyMap<string, number> {
    const wanted = new Set(names);
    for (const name of [...this.#numbers.keys()]) if (!wanted.has(name)) this.#numbers.delete(name);
    const taken = new Set(this.#numbers.values());
    let next = this.#first;
    for (const name of wanted) {
      if (this.#numbers.has(name)) continue;
      while (taken.has(next)) next++;
      taken.add(next);
      this.#numbers.set(name, next);
    }
    return this.#numbers;
  }
}

/** One of each kind for a network. */
export class NetworkNumbers {
  /** Devices `p<n>` in the network's namespace. */
  readonly ports = new Numbers(1);
  /** Packet marks: by which subnet a packet left. */
  readonly subnets = new Numbers(1);
  /** Routing tables, above the kernel's own. */
  readonly routeTables = new Numbers(1000);
  /** Chains of one combination of rule sets each. */
  readonly profiles = new Numbers(1);
  /** Devices `u<n>`; `u0` is the way to the internet. */
  readonly nats = new Numbers(1);
  /** Copies from port to port. */
  readonly copies = new Numbers(1);
  /** Devices `x<n>` to other networks. */
  readonly peers = new Numbers(1);
}
