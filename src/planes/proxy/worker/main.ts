/** The process of one node: takes specs, probes and questions from the process that started it, and ends with it. */
import { serveQuestions } from '../../node-processes.ts';
import type { MessageExchange, Probe, ProxyNodeSpec } from '../types.ts';
import { exchangeMessage } from './exchange-message.ts';
import { Listeners } from './listeners.ts';
import { NodeState } from './node-state.ts';
import { probeTarget } from './probe.ts';

type NodeQuestion =
  | { ask: 'apply'; spec: ProxyNodeSpec }
  | { ask: 'probe'; probes: readonly Probe[] }
  | { ask: 'exchange'; exchange: Omit<MessageExchange, 'message'> & { message: string } }
  | { ask: 'draining' }
  | { ask: 'counts' };

/** Serves until the channel to the parent closes. */
export function runNode(): Promise<void> {
  const state = new NodeState();
  const listeners = new Listeners(state);
  return serveQuestions<NodeQuestion>(async (question) => {
    if (question.ask === 'counts') return state.counts.take();
    if (question.ask === 'draining') return state.draining();
    if (question.ask === 'probe') return Promise.all(question.probes.map((probe) => probeTarget(probe, state.address)));
    if (question.ask === 'exchange') return exchangeMessage(question.exchange, state.address);
    state.update(question.spec);
    await listeners.update(question.spec.listeners);
    return undefined;
  });
}
