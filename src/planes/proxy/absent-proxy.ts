/** Proxy nodes on a host that refuses networks: says why, and does nothing. */
import { PilviError } from '../../base/errors.ts';
import type { ProxyNodes, ProbeResult } from './types.ts';

export class AbsentProxy implements ProxyNodes {
  readonly unavailable: string;

  /** `reason` is what users are told. */
  constructor(reason: string) {
    this.unavailable = reason;
  }

  ensureNode(): Promise<void> {
    return Promise.reject(new PilviError('NotPermitted', this.unavailable));
  }

  async removeNode(): Promise<void> {}

  nodes(): readonly string[] {
    return [];
  }

  answerWith(): () => void {
    return () => {};
  }

  async probe(): Promise<readonly ProbeResult[]> {
    return [];
  }

  async exchange(): Promise<undefined> {}

  async draining(): Promise<undefined> {}

  async takeCounts(): Promise<undefined> {
    return undefined;
  }

  async close(): Promise<void> {}
}
