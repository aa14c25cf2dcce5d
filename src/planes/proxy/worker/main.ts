/** The process of one node: takes specs, probes and questions from the process that started it, and ends with it. */
import { serveQuestions } from '../../node-processes.ts';
import type { HandedAnswer, HandedRequest, MessageExchange, Probe, ProxyNodeSpec } from '../types.ts';
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

/** What the node asks. */
export interface NodeCall {
  kind: 'call';
  call: number;
  request: HandedRequest;
}

/** The answer to a call of the node. */
export interface ToNode {
  tell: 'handed';
  call: number;
  answer: HandedAnswer;
}

/** Serves until the channel to the parent closes. */
export function runNode(): Promise<void> {
  const calls = new Map<number, (answer: HandedAnswer) => void>();
  let number = 0;
  const state = new NodeState((request) => {
    number += 1;
    const call = number;
    process.send?.({ kind: 'call', call, request } satisfies NodeCall);
    return new Promise((resolve) => calls.set(call, resolve));
  });
  const listeners = new Listeners(state);
  return serveQuestions<NodeQuestion>(
    async (question) => {
      if (question.ask === 'counts') return state.counts.take();
      if (question.ask === 'draining') return state.draining();
      if (question.ask === 'probe') return Promise.all(question.probes.map((probe) => probeTarget(probe, state.address)));
      if (question.ask === 'exchange') return exchangeMessage(question.exchange, state.address);
      state.update(question.spec);
      await listeners.update(question.spec.listeners);
      return undefined;
    },
    (message) => {
      const { call, answer } = message as ToNode;
      calls.get(call)?.(answer);
      calls.delete(call);
    },
  );
}
