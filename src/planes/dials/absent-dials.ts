/** Connections into networks on a host that refuses networks: there are none. */
import { PilviError } from '../../base/errors.ts';
import type { Dials } from './types.ts';

export class AbsentDials implements Dials {
  readonly unavailable: string;

  /** `reason` is what users are told. */
  constructor(reason: string) {
    this.unavailable = reason;
  }

  connect(): Promise<never> {
    return Promise.reject(new PilviError('NotPermitted', this.unavailable));
  }

  async forget(): Promise<void> {}

  async close(): Promise<void> {}
}
