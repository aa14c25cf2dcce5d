/** Functions on a host that refuses what they need: every call says why. Code can be kept all the same by whoever owns it. */
import type { Functions, InstalledCode, Outcome } from './types.ts';

export class AbsentFunctions implements Functions {
  readonly #reason: string;

  constructor(reason: string) {
    this.#reason = reason;
  }

  toolchainProblem(): Promise<string> {
    return Promise.resolve(this.#reason);
  }

  install(): Promise<InstalledCode> {
    return Promise.resolve({ files: 0, bytes: 0 });
  }

  hasCode(): Promise<boolean> {
    return Promise.resolve(false);
  }

  codeBytes(): Promise<number> {
    return Promise.resolve(0);
  }

  installed(): Promise<string[]> {
    return Promise.resolve([]);
  }

  removeCode(): Promise<void> {
    return Promise.resolve();
  }

  invoke(): Promise<Outcome> {
    return Promise.resolve({ kind: 'unavailable', reason: this.#reason, millis: 0, memoryUsedMiB: 0 });
  }

  provision(): Promise<{ ready: number; problem: string }> {
    return Promise.resolve({ ready: 0, problem: this.#reason });
  }

  unprovision(): Promise<void> {
    return Promise.resolve();
  }

  discard(): void {}

  close(): Promise<void> {
    return Promise.resolve();
  }
}
