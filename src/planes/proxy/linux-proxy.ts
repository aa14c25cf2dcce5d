/** Proxy nodes on Linux: one process for each (../node-processes.ts). */
import { NodeProcesses, type RunningNode } from '../node-processes.ts';
import type {
  DrainingTarget,
  HandedAnswer,
  HandedRequest,
  MessageExchange,
  Probe,
  ProbeResult,
  ProxyCounts,
  ProxyNodeSpec,
  ProxyNodes,
} from './types.ts';
import type { NodeCall, ToNode } from './worker/main.ts';

/** Real milliseconds that a node takes to answer beyond what the work itself takes. */
const answerMillisMax = 15_000;

/** Nodes of one cloud. */
export class LinuxProxy implements ProxyNodes {
  readonly unavailable = undefined;
  readonly #nodes = new NodeProcesses<ProxyNodeSpec>({
    args: ['proxy-node'],
    memoryMiB: 192,
    serialization: 'json',
    restartMillis: 200,
    onMessage: (node, message) => void this.#handOver(node, message as NodeCall),
  });
  #answerer: ((request: HandedRequest) => Promise<HandedAnswer>) | undefined;

  ensureNode(spec: ProxyNodeSpec): Promise<void> {
    return this.#nodes.ensure(spec);
  }

  removeNode(key: string): Promise<void> {
    return this.#nodes.remove(key);
  }

  nodes(): readonly string[] {
    return this.#nodes.keys();
  }

  answerWith(handler: (request: HandedRequest) => Promise<HandedAnswer>): () => void {
    this.#answerer = handler;
    return () => {
      if (this.#answerer === handler) this.#answerer = undefined;
    };
  }

  async probe(key: string, probes: readonly Probe[]): Promise<readonly ProbeResult[]> {
    const node = this.#nodes.get(key);
    const failed = probes.map((probe): ProbeResult => ({ key: probe.key, outcome: 'failed', at: 0, seconds: 0 }));
    if (node === undefined || probes.length === 0) return failed;
    const longest = Math.max(...probes.map(({ timeoutMillis }) => timeoutMillis));
    const question = { ask: 'probe', probes };
    const results = this.#nodes.ask(node, question, longest + answerMillisMax);
    return (await results.catch(() => failed)) as readonly ProbeResult[];
  }

  async exchange(key: string, { message, ...where }: MessageExchange): Promise<Uint8Array | undefined> {
    const node = this.#nodes.get(key);
    if (node === undefined) return undefined;
    const text = Buffer.from(message).toString('base64');
    const question = { ask: 'exchange', exchange: { ...where, message: text } };
    const answer = await this.#nodes.ask(node, question, where.timeoutMillis + answerMillisMax).catch(() => undefined);
    return typeof answer === 'string' ? Buffer.from(answer, 'base64') : undefined;
  }

  async draining(key: string): Promise<readonly DrainingTarget[] | undefined> {
    return (await this.#askOf(key, 'draining')) as readonly DrainingTarget[] | undefined;
  }

  async takeCounts(key: string): Promise<ProxyCounts | undefined> {
    return (await this.#askOf(key, 'counts')) as ProxyCounts | undefined;
  }

  close(): Promise<void> {
    return this.#nodes.close();
  }

  /** Has a request answered that the node hands over. A node that ended meanwhile needs no answer. */
  async #handOver(node: RunningNode<ProxyNodeSpec>, { call, request }: NodeCall): Promise<void> {
    const broken: HandedAnswer = { status: 502, failure: 'unanswered', fault: 'cloud' };
    const answer = (await this.#answerer?.(request).catch(() => broken)) ?? broken;
    this.#nodes.send(node, { tell: 'handed', call, answer } satisfies ToNode);
  }

  async #askOf(key: string, ask: string): Promise<unknown> {
    const node = this.#nodes.get(key);
    return node === undefined ? undefined : this.#nodes.ask(node, { ask }).catch(() => undefined);
  }
}
