/**
 * Chaos at the API: rules that make calls throttle, fail or wait, so that users can see how their code takes it. Faults of machines, paths and
 * zones are the planes' own. Rules live in memory: a restart is a calm cloud.
 */
import type { Clock, Millis } from '../base/clock.ts';
import { AwsError } from './errors.ts';

export interface ApiFault {
  /** Unset members match everything. */
  service?: string | undefined;
  operation?: string | undefined;
  account?: string | undefined;
  region?: string | undefined;
  kind: 'throttle' | 'error' | 'delay';
  /** For `delay`: real milliseconds. */
  delay?: Millis | undefined;
  /** How many calls it hits before it ends; without end when absent. */
  times?: number | undefined;
}

/** Real milliseconds that one call can be held at most. */
const delayMax = 60_000;

/** The faults in force. */
export class ApiChaos {
  #faults: ApiFault[] = [];
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Adds a fault; it stays until its `times` are used up or `clear`. */
  add(fault: ApiFault): void {
    this.#faults.push({ ...fault });
  }

  /** Removes all faults. */
  clear(): void {
    this.#faults = [];
  }

  /** The faults in force. */
  list(): readonly ApiFault[] {
    return this.#faults;
  }

  /** Lets a call pass, waits, or throws what AWS throws when it throttles (`ThrottlingException`; EC2: `RequestLimitExceeded`) or fails. */
  async strike(call: { service: string; operation: string; account: string; region: string }): Promise<void> {
    if (this.#faults.length === 0) return;
    for (const fault of [...this.#faults]) {
      const named = (['service', 'operation', 'account', 'region'] as const).every(
        (name) => fault[name] === undefined || fault[name] === call[name],
      );
      if (!named) continue;
      if (fault.times !== undefined) {
        fault.times -= 1;
        if (fault.times <= 0) this.#faults = this.#faults.filter((other) => other !== fault);
      }
      if (fault.kind === 'delay') await this.#clock.pause(Math.min(fault.delay ?? 0, delayMax));
      else if (fault.kind === 'error') {
        throw new AwsError(
          'InternalFailure',
          'The request processing has failed because of an unknown error, exception or failure.',
          { status: 500 },
        );
      } else if (call.service === 'ec2') throw new AwsError('RequestLimitExceeded', 'Request limit exceeded.', { status: 503 });
      else throw new AwsError('ThrottlingException', 'Rate exceeded');
    }
  }
}
