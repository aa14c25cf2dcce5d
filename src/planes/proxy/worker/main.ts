/** The process of one node: takes specs, probes and questions from the process that started it, and ends with it. */
import type { MessageExchange, Probe, ProxyNodeSpec } from '../types.ts';
import { exchangeMessage } from './exchange-message.ts';
import { Listeners } from './listeners.ts';
import { NodeState } from './node-state.ts';
import { probeTarget } from './probe.ts';

/** What the node is asked; each question has a number, and so has its answer. */
export type NodeQuestion =
  | { id: number; ask: 'apply'; spec: ProxyNodeSpec }
  | { id: number; ask: 'probe'; probes: readonly Probe[] }
  | { id: number; ask: 'exchange'; exchange: Omit<MessageExchange, 'message'> & { message: string } }
  | { id: number; ask: 'draining' }
  | { id: number; ask: 'counts' };

export interface NodeAnswer {
  id: number;
  result?: unknown;
  error?: string;
}

/** Serves until the channel to the parent closes. */
export function runNode(): Promise<void> {
  const state = new NodeState();
  const listeners = new Listeners(state);
  const answer = async (question: NodeQuestion): Promise<unknown> => {
    if (question.ask === 'counts') return state.counts.take();
    if (question.ask === 'draining') return state.draining();
    if (question.ask === 'probe') return Promise.all(question.probes.map((probe) => probeTarget(probe, state.address)));
    if (question.ask === 'exchange') return exchangeMessage(question.exchange, state.address);
    state.update(question.spec);
    await listeners.update(question.spec.listeners);
    return undefined;
  };
  process.on('message', (question: NodeQuestion) => {
    answer(question).then(
      (result) => process.send?.({ id: question.id, result } satisfies NodeAnswer),
      (error: Error) => process.send?.({ id: question.id, error: error.message } satisfies NodeAnswer),
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
