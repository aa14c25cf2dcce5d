/**
 * Proxy nodes on Linux: one process for each, in the network namespace that the fabric made for its device. A process of its own is what makes a node
 * a node: its connections leave from its own interface, rules and faults of the network hold for it, and one that fails takes no other along.
 * Rejected: one process for many nodes, because a Node.js process cannot listen in several namespaces.
 */
import type { ChildProcess } from 'node:child_process';
import { setTimeout as pause } from 'node:timers/promises';
import { PilviError } from '../../base/errors.ts';
import { machineNamespace } from '../../machine/netns.ts';
import { startOwnProcess } from '../../machine/node-process.ts';
import type { DrainingTarget, MessageExchange, Probe, ProbeResult, ProxyNodes, ProxyCounts, ProxyNodeSpec } from './types.ts';
import type { NodeAnswer, NodeQuestion } from './worker/main.ts';

const memoryMiB = 192;
/** Real milliseconds within which a node answers anything but probes. */
const answerMillisMax = 15_000;
const restartMillis = 200;

type Ask = NodeQuestion extends infer Each ? (Each extends { id: number } ? Omit<Each, 'id'> : never) : never;

interface RunningNode {
  spec: ProxyNodeSpec;
  child: ChildProcess;
  applied: string;
  waiting: Map<number, (answer: NodeAnswer) => void>;
}

/** Nodes of one cloud. */
export class LinuxProxy implements ProxyNodes {
  readonly unavailable = undefined;
  readonly #nodes = new Map<string, RunningNode>();
  readonly #tails = new Map<string, Promise<void>>();
  #number = 0;
  #closed = false;

  ensureNode(spec: ProxyNodeSpec): Promise<void> {
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

  removeNode(key: string): Promise<void> {
    return this.#inTurn(key, async () => this.#end(key));
  }

  nodes(): readonly string[] {
    return [...this.#nodes.keys()];
  }

  async probe(key: string, probes: readonly Probe[]): Promise<readonly ProbeResult[]> {
    const node = this.#nodes.get(key);
    const failed = probes.map((probe): ProbeResult => ({ key: probe.key, outcome: 'failed' }));
    if (node === undefined || probes.length === 0) return failed;
    const longest = Math.max(...probes.map(({ timeoutMillis }) => timeoutMillis));
    const results = this.#ask(node, { ask: 'probe', probes }, longest + answerMillisMax);
    return (await results.catch(() => failed)) as readonly ProbeResult[];
  }

  async exchange(key: string, { message, ...where }: MessageExchange): Promise<Uint8Array | undefined> {
    const node = this.#nodes.get(key);
    if (node === undefined) return undefined;
    const text = Buffer.from(message).toString('base64');
    const question = { ask: 'exchange' as const, exchange: { ...where, message: text } };
    const answer = await this.#ask(node, question, where.timeoutMillis + answerMillisMax).catch(() => undefined);
    return typeof answer === 'string' ? Buffer.from(answer, 'base64') : undefined;
  }

  async draining(key: string): Promise<readonly DrainingTarget[] | undefined> {
    const node = this.#nodes.get(key);
    if (node === undefined) return undefined;
    return (await this.#ask(node, { ask: 'draining' }).catch(() => undefined)) as readonly DrainingTarget[] | undefined;
  }

  async takeCounts(key: string): Promise<ProxyCounts | undefined> {
    const node = this.#nodes.get(key);
    if (node === undefined) return undefined;
    return (await this.#ask(node, { ask: 'counts' }).catch(() => undefined)) as ProxyCounts | undefined;
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (const key of [...this.#nodes.keys()]) this.#end(key);
  }

  #start(spec: ProxyNodeSpec): RunningNode {
    const child = startOwnProcess(machineNamespace(spec.machine), ['proxy-node'], memoryMiB);
    const node: RunningNode = { spec, child, applied: '', waiting: new Map() };
    this.#nodes.set(spec.key, node);
    child.on('message', (answer: NodeAnswer) => {
      node.waiting.get(answer.id)?.(answer);
      node.waiting.delete(answer.id);
    });
    child.on('error', () => {});
    child.on('exit', () => this.#onExit(node));
    return node;
  }

  /** A node that nobody told to end is started again with what it had. */
  #onExit(node: RunningNode): void {
    for (const [id, answer] of node.waiting) answer({ id, error: 'The node ended.' });
    node.waiting.clear();
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

  #ask(node: RunningNode, question: Ask, timeoutMs = answerMillisMax): Promise<unknown> {
    this.#number += 1;
    const id = this.#number;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        node.waiting.delete(id);
        reject(new PilviError('CommandFailed', `The node ${node.spec.key} does not answer.`));
      }, timeoutMs);
      node.waiting.set(id, ({ error, result }) => {
        clearTimeout(timer);
        if (error === undefined) resolve(result);
        else reject(new PilviError('CommandFailed', `The node ${node.spec.key}: ${error}`));
      });
      node.child.send({ ...question, id }, (error) => {
        if (error !== null) node.waiting.get(id)?.({ id, error: error.message });
      });
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
