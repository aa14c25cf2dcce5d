/** The fabric of a host that refuses namespaces: says why, and does nothing. Callers look at `unavailable` first; a call is a bug. */
import { PilviError } from '../../base/errors.ts';
import type { Fabric, FlowCounts, PortIdentity, PortStatus } from './types.ts';

export class AbsentFabric implements Fabric {
  readonly unavailable: string;
  readonly hostAddress = undefined;
  readonly metadataListen = { address: '127.0.0.1', port: 0 };
  readonly resolverListen = { address: '127.0.0.1', port: 0 };

  /** `reason` is what users are told. */
  constructor(reason: string) {
    this.unavailable = reason;
  }

  ensureNetwork(): Promise<void> {
    return this.#refuse();
  }

  removeNetwork(): Promise<void> {
    return this.#refuse();
  }

  async networks(): Promise<string[]> {
    return [];
  }

  async portStatus(): Promise<PortStatus[]> {
    return [];
  }

  async flows(): Promise<FlowCounts> {
    return { flows: [], overflowed: false };
  }

  identify(): PortIdentity | undefined {
    return undefined;
  }

  setFault(): Promise<void> {
    return this.#refuse();
  }

  async close(): Promise<void> {}

  #refuse(): Promise<never> {
    return Promise.reject(new PilviError('NotPermitted', this.unavailable));
  }
}
