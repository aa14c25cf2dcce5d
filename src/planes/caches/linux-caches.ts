/**
 * Cache nodes on Linux: one process for each (../node-processes.ts), so that several use several cores. Questions of a node go to the registered source;
 * entries that a node has written go to the other nodes of its group.
 */
import type { ClockState } from '../../base/clock.ts';
import { machineNamespace } from '../../machine/netns.ts';
import { NodeProcesses, type RunningNode } from '../node-processes.ts';
import { ensureSilence, removeSilence } from './silence.ts';
import { type CacheNodeSpec, type CacheNodes, CacheRefusal, type CacheSource } from './types.ts';
import type { FromNode, ToNode } from './worker/channel.ts';

/** Nodes of one cloud. */
export class LinuxCaches implements CacheNodes {
  readonly unavailable = undefined;
  readonly #nodes = new NodeProcesses<CacheNodeSpec>({
    args: ['cache-node'],
    // Above what the node holds (spec.bytesMax).
    memoryMiB: 256,
    serialization: 'advanced',
    restartMillis: 100,
    onMessage: (node, message) => this.#onMessage(node, message as FromNode),
    prepare: ({ machine, port }) => ensureSilence(machineNamespace(machine), port),
    onLost: ({ spec }) => this.#source?.ended(spec.group, spec.key),
    onStart: (node) => {
      if (this.#time !== undefined) this.#send(node, { tell: 'time', state: this.#time });
    },
  });
  #source: CacheSource | undefined;
  #time: ClockState | undefined;

  register(source: CacheSource): () => void {
    this.#source = source;
    return () => {
      this.#source = undefined;
    };
  }

  setTime(state: ClockState): void {
    this.#time = state;
    for (const node of this.#nodes.all()) this.#send(node, { tell: 'time', state });
  }

  ensureNode(spec: CacheNodeSpec): Promise<void> {
    return this.#nodes.ensure(spec);
  }

  async retireNode(key: string): Promise<void> {
    const node = this.#nodes.get(key);
    // A namespace that is gone says nothing anyway.
    if (node !== undefined) await removeSilence(machineNamespace(node.spec.machine)).catch(() => {});
    return this.#nodes.retire(key);
  }

  removeNode(key: string): Promise<void> {
    return this.#nodes.remove(key);
  }

  nodes(): readonly string[] {
    return this.#nodes.keys();
  }

  async takeCounts(key: string): Promise<Readonly<Record<string, number>> | undefined> {
    const node = this.#nodes.get(key);
    if (node === undefined) return undefined;
    const counts = this.#nodes.ask(node, { ask: 'counts' }).catch(() => undefined);
    return (await counts) as Readonly<Record<string, number>> | undefined;
  }

  close(): Promise<void> {
    return this.#nodes.close();
  }

  #onMessage(node: RunningNode<CacheNodeSpec>, message: FromNode): void {
    if (message.kind === 'written') {
      for (const other of this.#nodes.all())
        if (other !== node && other.spec.group === node.spec.group)
          this.#send(other, { tell: 'written', entries: message.entries });
      return;
    }
    const { id, question } = message;
    const asked = this.#source?.answer(node.spec.group, question) ?? Promise.reject(new Error('Nobody answers.'));
    asked.then(
      (result) => this.#send(node, { tell: 'answer', id, result }),
      (error: Error) => this.#send(node, { tell: 'answer', id, refusal: refusalOf(error) }),
    );
  }

  #send(node: RunningNode<CacheNodeSpec>, message: ToNode): void {
    this.#nodes.send(node, message);
  }
}

function refusalOf(error: Error): { code: string; message: string; status: number; members: Readonly<Record<string, unknown>> } {
  if (error instanceof CacheRefusal)
    return { code: error.code, message: error.message, status: error.status, members: error.members };
  return { code: 'InternalServerError', message: 'Internal server error', status: 500, members: {} };
}
