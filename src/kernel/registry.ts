/**
 * The services that there are, loaded on first use. The list itself is services/index.ts; the kernel gets it from boot and knows no service by
 * name, except through what an entry says it holds.
 */
import type { ServiceDefinition, ServiceEntry } from './service.ts';

export class Registry {
  readonly entries: readonly ServiceEntry[];
  readonly #entries = new Map<string, ServiceEntry>();
  readonly #loaded = new Map<string, Promise<ServiceDefinition>>();
  readonly #ready = new Map<string, ServiceDefinition>();
  readonly #onLoad: (definition: ServiceDefinition) => Promise<void>;

  /** `onLoad` runs once per service, before its first request is answered. */
  constructor(entries: readonly ServiceEntry[], onLoad: (definition: ServiceDefinition) => Promise<void>) {
    this.entries = entries;
    for (const entry of entries) this.#entries.set(entry.name, entry);
    this.#onLoad = onLoad;
  }

  /** The definition if it is loaded already: the fast path. */
  ready(name: string): ServiceDefinition | undefined {
    return this.#ready.get(name);
  }

  /** The definition, loading it first if need be; undefined for a service that Pilvi has no code for. */
  async get(name: string): Promise<ServiceDefinition | undefined> {
    const ready = this.#ready.get(name);
    if (ready !== undefined) return ready;
    const entry = this.#entries.get(name);
    if (entry === undefined) return undefined;
    let loading = this.#loaded.get(name);
    if (loading === undefined) {
      loading = this.#load(entry);
      this.#loaded.set(name, loading);
    }
    return loading;
  }

  /** The entry that holds credentials whose access key ids begin like this one. */
  credentialHolder(accessKeyId: string): ServiceEntry | undefined {
    return this.entries.find((entry) => entry.credentialPrefix !== undefined && accessKeyId.startsWith(entry.credentialPrefix));
  }

  /** The entry that holds policies of this sort. */
  holder(of: 'identity-policies' | 'control-policies' | 'network-paths'): ServiceEntry | undefined {
    return this.entries.find((entry) => entry.holds === of);
  }

  /** Names of the services that want an event: this one, or all (`*`). */
  subscribers(event: string): readonly string[] {
    return this.entries
      .filter((entry) => entry.subscribes?.includes(event) || entry.subscribes?.includes('*'))
      .map((entry) => entry.name);
  }

  async #load(entry: ServiceEntry): Promise<ServiceDefinition> {
    const definition = (await entry.load()).default as ServiceDefinition;
    if (definition.name !== entry.name)
      throw new Error(`services/index.ts names ${entry.name}, its module defines ${definition.name}.`);
    await this.#onLoad(definition);
    this.#ready.set(entry.name, definition);
    return definition;
  }
}
