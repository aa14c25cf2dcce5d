/** One entry of a node's log, from what is known of a request when it is over. */
import type { PoolTarget, ProxyLogEntry } from '../types.ts';
import type { Client } from './client.ts';
import { headerValue } from './forwarded.ts';
import type { RequestHead } from './http-head.ts';
import type { Routed } from './route-request.ts';

/** How a request went. Times are of the process's own clock, 0 where there is none. */
export interface Outcome {
  kind: 'request' | 'tunnel';
  reachedTarget: boolean;
  /** Where it has an address. */
  target: PoolTarget | undefined;
  since: number;
  sentAt: number;
  headAt: number;
  status: number;
  targetStatus: number;
  received: number;
  sent: number;
  trace: string;
  redirect: string;
  failure: string | undefined;
}

export function logEntry(client: Client, head: RequestHead, routed: Routed | undefined, outcome: Outcome): ProxyLogEntry {
  const { arrival, virtual } = client;
  const { since, sentAt, headAt, target } = outcome;
  const now = performance.now();
  const seconds = (from: number, to: number): number => (from === 0 || to === 0 ? -1 : Math.max(0, (to - from) / 1000));
  const scheme = arrival.secure ? 'https' : 'http';
  const url = `${scheme}://${head.host.replace(/:\d+$/, '')}:${arrival.port}${head.target}`;
  const action = routed?.rule.action.kind;
  return {
    kind: outcome.kind === 'tunnel' ? (arrival.secure ? 'wss' : 'ws') : virtual ? 'h2' : scheme,
    ...{ at: Date.now(), began: Date.now() - (now - since) },
    client: `${arrival.client}:${arrival.clientPort}`,
    target: target === undefined ? '-' : `${target.address}:${target.port}`,
    requestTime: outcome.reachedTarget ? seconds(since, sentAt) : -1,
    targetTime: seconds(sentAt, headAt),
    responseTime: seconds(headAt, now),
    ...{ status: outcome.status, targetStatus: outcome.targetStatus, received: outcome.received, sent: outcome.sent },
    request: `${head.method} ${url} HTTP/${virtual ? '2.0' : `1.${head.minor}`}`,
    userAgent: headerValue(head.headers, 'user-agent') ?? '-',
    ...{ cipher: arrival.tls?.cipher ?? '-', tlsVersion: arrival.tls?.version ?? '-' },
    ...{ pool: routed?.pool?.spec.key ?? '-', trace: outcome.trace },
    ...{ serverName: arrival.tls?.serverName || '-', certificate: arrival.tls?.certificate || '-' },
    priority: routed?.rule.priority ?? -1,
    action: action === 'fixed' ? 'fixed-response' : (action ?? '-'),
    ...{ redirect: outcome.redirect, doubt: head.doubt, failure: outcome.failure, connection: arrival.connection },
  };
}
