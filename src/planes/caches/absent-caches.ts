/** Cache nodes on a host that refuses networks: says why, and does nothing. */
import { PilviError } from '../../base/errors.ts';
import type { CacheNodes } from './types.ts';

export class AbsentCaches implements CacheNodes {
  readonly unavailable: string;

  /** `reason` is what users are told. */
  constructor(reason: string) {
    this.unavailable = reason;
  }

  register(): () => void {
    return () => {};
  }

  setTime(): void {}

  ensureNode(): Promise<void> {
    return Promise.reject(new PilviError('NotPermitted', this.unavailable));
  }

  async retireNode(): Promise<void> {}

  async removeNode(): Promise<void> {}

  nodes(): readonly string[] {
    return [];
  }

  async takeCounts(): Promise<undefined> {
    return undefined;
  }

  async close(): Promise<void> {}
}
