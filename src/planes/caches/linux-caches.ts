/**
 * Cache nodes on Linux: one process for each, in the network namespace that the fabric made for its device, so that a node that fails takes no other
 * along, rules of the network hold for it, and several nodes use several cores. Questions of a node go to the registered source; entries that a
 * node has written go to the other nodes of its group.
 */
import type { ChildProcess } from 'node:child_process';
import { setTimeout as pause } from 'node:timers/promises';
import type { ClockState } from '../../base/clock.ts';
import { PilviError } from '../../base/errors.ts';
import { machineNamespace } from '../../machine/netns.ts';
import { startOwnProcess } from '../../machine/node-process.ts';
import { type CacheNodeSpec, type CacheNodes, CacheRefusal, type CacheSource } from './types.ts';
import type { FromNode, ToNode } from './worker/channel.ts';

/** Above what the node holds (spec.bytesMax). */
const memoryMiB = 256;
const answerMillisMax = 15_000;
const restartMillis = 100;

interface RunningNode {
  spec: CacheNodeSpec;
  child: ChildProcess;
  applied: string;
  waiting: Map<number, { resolve(result: unknown): void; reject(error: Error): void }>;
}

/** Nodes of one cloud. */
export class LinuxCaches implements CacheNodes {
  readonly unavailable = undefined;
  readonly #nodes = new Map<string, RunningNode>();
  /** Processes of nodes that go, until they have gone. */
  readonly #retired = new Set<ChildProcess>();
  readonly #tails = new Map<string, Promise<void>>();
  #source: CacheSource | undefined;
  #time: ClockState | undefined;
  #number = 0;
  #closed = false;

  register(source: CacheSource): () => void {
    this.#source = source;
    return () => {
      this.#source = undefined;
    };
  }

  setTime(state: ClockState): void {
    this.#time = state;
    for (const node of this.#nodes.values()) this.#send(node, { tell: 'time', state });
  }

  ensureNode(spec: CacheNodeSpec): Promise<void> {
    return this.#inTurn(spec.key, async () => {
      if (this.#closed) return;
      const known = this.#nodes.get(spec.key);
      if (known !== undefined && known.spec.machine !== spec.machine) this.#end(spec.key);
      const node = this.#nodes.get(spec.key) ?? this.#start(spec);
      const text = JSON.stringify(spec);
      if (node.applied === text) return;
      node.spec = spec;
      await this.#ask(node, { ask: 'apply', spec });
      node.applied = text;
    });
  }

  retireNode(key: string): Promise<void> {
    return this.#inTurn(key, async () => {
      const node = this.#nodes.get(key);
      if (node === undefined) return;
      this.#nodes.delete(key);
      this.#retired.add(node.child);
      await this.#ask(node, { ask: 'retire' }).catch(() => node.child.kill('SIGKILL'));
    });
  }

  removeNode(key: string): Promise<void> {
    return this.#inTurn(key, async () => this.#end(key));
  }

  nodes(): readonly string[] {
    return [...this.#nodes.keys()];
  }

  async takeCounts(key: string): Promise<Readonly<Record<string, number>> | undefined> {
    const node = this.#nodes.get(key);
    if (node === undefined) return undefined;
    return (await this.#ask(node, { ask: 'counts' }).catch(() => undefined)) as Readonly<Record<string, number>> | undefined;
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (const key of [...this.#nodes.keys()]) this.#end(key);
    for (const child of this.#retired) child.kill('SIGKILL');
  }

  #start(spec: CacheNodeSpec): RunningNode {
    const child = startOwnProcess(machineNamespace(spec.machine), ['cache-node'], memoryMiB, 'advanced');
    const node: RunningNode = { spec, child, applied: '', waiting: new Map() };
    this.#nodes.set(spec.key, node);
    child.on('message', (message: FromNode) => this.#onMessage(node, message));
    child.on('error', () => {});
    child.on('exit', () => this.#onExit(node));
    if (this.#time !== undefined) this.#send(node, { tell: 'time', state: this.#time });
    return node;
  }

  #onMessage(node: RunningNode, message: FromNode): void {
    if (message.kind === 'done') {
      const waiter = node.waiting.get(message.id);
      node.waiting.delete(message.id);
      if (message.error === undefined) waiter?.resolve(message.result);
      else waiter?.reject(new PilviError('CommandFailed', `The node ${node.spec.key}: ${message.error}`));
      return;
    }
    if (message.kind === 'written') {
      for (const other of this.#nodes.values())
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

  /** A node that nobody told to end is started again with what it had. */
  #onExit(node: RunningNode): void {
    for (const { reject } of node.waiting.values()) reject(new PilviError('CommandFailed', 'The node ended.'));
    node.waiting.clear();
    this.#retired.delete(node.child);
    if (this.#nodes.get(node.spec.key) !== node) return;
    this.#nodes.delete(node.spec.key);
    if (this.#closed || node.applied === '') return;
    void pause(restartMillis)
      .then(() => (this.#nodes.has(node.spec.key) ? undefined : this.ensureNode(node.spec)))
      .catch(() => {});
  }

  #end(key: string): void {
    const node = this.#nodes.get(key);
    this.#nodes.delete(key);
    node?.child.kill('SIGKILL');
  }

  #send(node: RunningNode, message: ToNode): void {
    if (node.child.connected) node.child.send(message, () => {});
  }

  #ask(
    node: RunningNode,
    question: { ask: 'apply'; spec: CacheNodeSpec } | { ask: 'counts' } | { ask: 'retire' },
  ): Promise<unknown> {
    this.#number += 1;
    const id = this.#number;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        node.waiting.delete(id);
        reject(new PilviError('CommandFailed', `The node ${node.spec.key} does not answer.`));
      }, answerMillisMax);
      node.waiting.set(id, {
        resolve: (result) => {
          clearTimeout(timer);
          resolve(result);
        },
        reject: (error) => {
          clearTimeout(timer);
          reject(error);
        },
      });
      this.#send(node, { tell: 'question', id, ...question });
    });
  }

  #inTurn(key: string, work: () => Promise<void>): Promise<void> {
    const done = (this.#tails.get(key) ?? Promise.resolve()).then(work);
    const tail = done.catch(() => {});
    this.#tails.set(key, tail);
    void tail.then(() => {
      if (this.#tails.get(key) === tail) this.#tails.delete(key);
    });
    return done;
  }
}

function refusalOf(error: Error): { code: string; message: string; status: number; members: Readonly<Record<string, unknown>> } {
  if (error instanceof CacheRefusal)
    return { code: error.code, message: error.message, status: error.status, members: error.members };
  return { code: 'InternalServerError', message: 'Internal server error', status: 500, members: {} };
}
