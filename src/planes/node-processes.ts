/**
 * Nodes that are processes of Pilvi's own program, one for each, in the network namespace that the fabric made for a machine's device. A process of its own is
 * what makes a node a node: its connections leave from its own interface, rules and faults of the network hold for it, and one that fails takes no
 * other along. Rejected: one process for many nodes, because a Node.js process cannot listen in several namespaces.
 *
 * Here is what all kinds have in common: start and end, questions with their answers, a new start after a crash with what the node had.
 */
import type { ChildProcess } from 'node:child_process';
import { Socket } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { PilviError } from '../base/errors.ts';
import { machineNamespace } from '../machine/netns.ts';
import { startOwnProcess } from '../machine/node-process.ts';

/** Real milliseconds within which a node answers, unless told. */
const answerMillisMax = 15_000;

/** A question as it goes to a node; its answer carries the same number. */
export type Numbered<Question> = Question & { tell: 'question'; id: number };

/** What a node answers. A handle may come along with it. */
export interface NodeAnswer {
  kind: 'done';
  id: number;
  result?: unknown;
  error?: string | undefined;
}

interface Placed {
  key: string;
  /** The machine whose device the node holds. */
  machine: string;
}

/** A node's process, and what it was told. */
export interface RunningNode<Spec extends Placed> {
  spec: Spec;
  readonly child: ChildProcess;
  applied: string;
  readonly waiting: Map<number, (answer: NodeAnswer, handle?: unknown) => void>;
}

export interface NodeKind<Spec extends Placed> {
  /** Arguments of the pilvi command that runs such a node. */
  args: readonly string[];
  memoryMiB: number;
  /** How messages go; `advanced` takes bytes and maps. */
  serialization: 'json' | 'advanced';
  /** Real milliseconds before a node that ended by itself is started again. */
  restartMillis: number;
  /** Hears what is no answer. */
  onMessage?: (node: RunningNode<Spec>, message: unknown) => void;
  onStart?: (node: RunningNode<Spec>) => void;
  /** Makes ready where the node is to run, before each start. */
  prepare?: (spec: Spec) => Promise<void>;
  /** Hears of a node that ended by itself and is to be started again. */
  onLost?: (node: RunningNode<Spec>) => void;
}

/** Nodes of one kind. */
export class NodeProcesses<Spec extends Placed> {
  readonly #kind: NodeKind<Spec>;
  readonly #nodes = new Map<string, RunningNode<Spec>>();
  /** Processes of nodes that go, until they have gone. */
  readonly #retired = new Set<ChildProcess>();
  readonly #tails = new Map<string, Promise<void>>();
  #number = 0;
  #closed = false;

  constructor(kind: NodeKind<Spec>) {
    this.#kind = kind;
  }

  keys(): readonly string[] {
    return [...this.#nodes.keys()];
  }

  all(): Iterable<RunningNode<Spec>> {
    return this.#nodes.values();
  }

  get(key: string): RunningNode<Spec> | undefined {
    return this.#nodes.get(key);
  }

  /** Starts the node when there is none, and tells it its spec when that is new. Rejects with CommandFailed when it does not take it. */
  ensure(spec: Spec): Promise<void> {
    return this.#inTurn(spec.key, async () => {
      if (this.#closed) return;
      const known = this.#nodes.get(spec.key);
      if (known !== undefined && known.spec.machine !== spec.machine) this.#end(spec.key);
      const node = this.#nodes.get(spec.key) ?? (await this.#start(spec));
      const text = JSON.stringify(spec);
      if (node.applied === text) return;
      node.spec = spec;
      await this.ask(node, { ask: 'apply', spec });
      node.applied = text;
    });
  }

  /** Ends the node at once. */
  remove(key: string): Promise<void> {
    return this.#inTurn(key, async () => this.#end(key));
  }

  /** Asks a node to end when nobody needs it any more; it counts as gone from now on. */
  retire(key: string): Promise<void> {
    return this.#inTurn(key, async () => {
      const node = this.#nodes.get(key);
      if (node === undefined) return;
      this.#nodes.delete(key);
      this.#retired.add(node.child);
      await this.ask(node, { ask: 'retire' }).catch(() => node.child.kill('SIGKILL'));
    });
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (const key of this.keys()) this.#end(key);
    for (const child of this.#retired) child.kill('SIGKILL');
  }

  /** Says something to which no answer comes. */
  send(node: RunningNode<Spec>, message: object): void {
    if (node.child.connected) node.child.send(message, () => {});
  }

  /** Resolves with the node's answer, or with the handle that came along. Rejects with CommandFailed when it refuses, ends, or is silent. */
  ask(
    node: RunningNode<Spec>,
    question: { ask: string } & Readonly<Record<string, unknown>>,
    timeoutMillis = answerMillisMax,
  ): Promise<unknown> {
    this.#number += 1;
    const id = this.#number;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        node.waiting.delete(id);
        reject(new PilviError('CommandFailed', `The node ${node.spec.key} does not answer.`));
      }, timeoutMillis);
      node.waiting.set(id, ({ error, result }, handle) => {
        clearTimeout(timer);
        node.waiting.delete(id);
        if (error === undefined) resolve(handle ?? result);
        else reject(new PilviError('CommandFailed', `The node ${node.spec.key}: ${error}`));
      });
      node.child.send({ ...question, tell: 'question', id }, (error) => {
        if (error !== null) node.waiting.get(id)?.({ kind: 'done', id, error: error.message });
      });
    });
  }

  async #start(spec: Spec): Promise<RunningNode<Spec>> {
    const { args, memoryMiB, serialization, onMessage, onStart, prepare } = this.#kind;
    await prepare?.(spec);
    const child = startOwnProcess(machineNamespace(spec.machine), args, memoryMiB, serialization);
    const node: RunningNode<Spec> = { spec, child, applied: '', waiting: new Map() };
    this.#nodes.set(spec.key, node);
    child.on('message', (message: NodeAnswer | { kind?: undefined }, handle: unknown) => {
      if (message.kind === 'done') node.waiting.get(message.id)?.(message, handle);
      else onMessage?.(node, message);
    });
    child.on('error', () => {});
    child.on('exit', () => this.#onExit(node));
    onStart?.(node);
    return node;
  }

  /** A node that nobody told to end is started again with what it had. */
  #onExit(node: RunningNode<Spec>): void {
    for (const [id, answer] of [...node.waiting]) answer({ kind: 'done', id, error: 'The node ended.' });
    this.#retired.delete(node.child);
    if (this.#nodes.get(node.spec.key) !== node) return;
    this.#nodes.delete(node.spec.key);
    if (this.#closed || node.applied === '') return;
    this.#kind.onLost?.(node);
    void pause(this.#kind.restartMillis)
      .then(() => (this.#nodes.has(node.spec.key) ? undefined : this.ensure(node.spec)))
      .catch(() => {});
  }

  #end(key: string): void {
    const node = this.#nodes.get(key);
    this.#nodes.delete(key);
    node?.child.kill('SIGKILL');
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

/** The child's side: answers questions until the channel to the parent closes, then ends the process. `hear` gets what is no question. */
export function serveQuestions<Question>(
  answer: (question: Numbered<Question>) => Promise<unknown>,
  hear: (message: unknown) => void = () => {},
): Promise<void> {
  const send = (reply: NodeAnswer): void => {
    process.send?.(reply);
  };
  process.on('message', (message: Numbered<Question> | { tell?: undefined }) => {
    if (message.tell !== 'question') return hear(message);
    const { id } = message;
    answer(message).then(
      // A socket cannot be written as text: it goes along as what it is, and belongs to the parent from then on.
      (result) =>
        result instanceof Socket ? void process.send?.({ kind: 'done', id }, result) : send({ kind: 'done', id, result }),
      (error: Error) => send({ kind: 'done', id, error: error.message }),
    );
  });
  // The parent's signals to its own group are not for the node, which serves until it is told.
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => {});
  return new Promise((resolve) => {
    process.on('disconnect', () => {
      resolve();
      process.exit(0);
    });
  });
}
