/** The machines plane of a host that refuses containers: says why, and does nothing. Callers look at `unavailable` first; a call is a bug. */
import { PilviError } from '../../base/errors.ts';
import type { MachineStatus, Machines } from './types.ts';

export class AbsentMachines implements Machines {
  readonly unavailable: string;
  readonly freezingUnavailable: string;

  /** `reason` is what users are told. */
  constructor(reason: string) {
    this.unavailable = reason;
    this.freezingUnavailable = reason;
  }

  ensureMachine(): Promise<MachineStatus> {
    return this.#refuse();
  }

  removeMachine(): Promise<void> {
    return this.#refuse();
  }

  volumeBytes(): Promise<number> {
    return this.#refuse();
  }

  removeVolume(): Promise<void> {
    return this.#refuse();
  }

  async volumes(): Promise<string[]> {
    return [];
  }

  freeze(): Promise<void> {
    return this.#refuse();
  }

  removeImage(): Promise<void> {
    return this.#refuse();
  }

  async status(): Promise<MachineStatus | undefined> {
    return undefined;
  }

  async machines(): Promise<string[]> {
    return [];
  }

  console(): Promise<Uint8Array> {
    return this.#refuse();
  }

  exec(): Promise<{ status: number; stdout: Uint8Array; stderr: Uint8Array }> {
    return this.#refuse();
  }

  async hasMounted(): Promise<boolean> {
    return false;
  }

  async dropDisk(): Promise<void> {}

  onChange(): void {}

  async close(): Promise<void> {}

  #refuse(): Promise<never> {
    return Promise.reject(new PilviError('NotPermitted', this.unavailable));
  }
}
