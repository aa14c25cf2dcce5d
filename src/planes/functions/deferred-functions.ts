/** Functions that are opened when the first of them is asked for: most clouds never run one, and what opening tries takes a share of every start. */
import type { Functions, FunctionSpec, InstalledCode, Invocation, Outcome, Toolchain } from './types.ts';

export class DeferredFunctions implements Functions {
  readonly #open: () => Promise<Functions>;
  #opened: Promise<Functions> | undefined;

  /** `open` is called again only when it has rejected, which fails what asked for it. */
  constructor(open: () => Promise<Functions>) {
    this.#open = open;
  }

  async toolchainProblem(toolchain: Toolchain): Promise<string | undefined> {
    return (await this.#get()).toolchainProblem(toolchain);
  }

  async install(name: string, archive: Uint8Array, bytesMax: number): Promise<InstalledCode> {
    return (await this.#get()).install(name, archive, bytesMax);
  }

  async hasCode(name: string): Promise<boolean> {
    return (await this.#get()).hasCode(name);
  }

  async codeBytes(name: string): Promise<number> {
    return (await this.#get()).codeBytes(name);
  }

  async installed(): Promise<string[]> {
    return (await this.#get()).installed();
  }

  async removeCode(name: string): Promise<void> {
    return (await this.#get()).removeCode(name);
  }

  async invoke(spec: FunctionSpec, call: Invocation): Promise<Outcome> {
    return (await this.#get()).invoke(spec, call);
  }

  async provision(spec: FunctionSpec, count: number): Promise<{ ready: number; problem?: string | undefined }> {
    return (await this.#get()).provision(spec, count);
  }

  async unprovision(key: string): Promise<void> {
    await (await this.#opened)?.unprovision(key);
  }

  discard(group: string, keep: readonly string[]): void {
    void this.#opened?.then((functions) => functions.discard(group, keep));
  }

  async close(): Promise<void> {
    await (await this.#opened)?.close();
  }

  #get(): Promise<Functions> {
    this.#opened ??= this.#open().catch((error: unknown) => {
      this.#opened = undefined;
      throw error;
    });
    return this.#opened;
  }
}
