/** The disks of a host that refuses block devices: says why. Callers look at `unavailable` first; a call that needs one is a bug. */
import { PilviError } from '../../base/errors.ts';
import type { OpenDisk, Volumes } from './types.ts';

export class AbsentVolumes implements Volumes {
  readonly unavailable: string;
  readonly encryptionUnavailable: string;

  /** `reason` is what users are told. */
  constructor(reason: string) {
    this.unavailable = reason;
    this.encryptionUnavailable = reason;
  }

  ensureDisk(): Promise<void> {
    return this.#refuse();
  }

  openDisk(): Promise<OpenDisk> {
    return this.#refuse();
  }

  async growOpenDisk(): Promise<void> {}

  async closeDisk(): Promise<void> {}

  openDisks(): readonly OpenDisk[] {
    return [];
  }

  async removeDisk(): Promise<void> {}

  async disks(): Promise<string[]> {
    return [];
  }

  copyDisk(): Promise<number> {
    return this.#refuse();
  }

  copyCopy(): Promise<number> {
    return this.#refuse();
  }

  async removeCopy(): Promise<void> {}

  async copies(): Promise<string[]> {
    return [];
  }

  async close(): Promise<void> {}

  #refuse(): Promise<never> {
    return Promise.reject(new PilviError('NotPermitted', this.unavailable));
  }
}
