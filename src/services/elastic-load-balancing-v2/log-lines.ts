/** Entries of log files, from what nodes tell: one line each, in the forms of the User Guides. */
import type { Context } from '../../kernel/context.ts';
import type { ProbeResult, ProxyConnectionEntry, ProxyFlowEntry, ProxyLogEntry } from '../../planes/proxy/types.ts';
import { balancerPart } from './arns.ts';
import type { BalancerRow, GroupRow, NodeRow } from './state.ts';

/** Times of a node's entries as `2026-11-21T06:10:23.186000Z`, in cloud time. */
export type Stamp = (at: number) => string;

/** A node's clock is the host's; what it logged before the clock was moved belongs into the minute that ended at `due`. */
export function stamping(ctx: Context, due: number): Stamp {
  const ahead = ctx.clock.now() - ctx.clock.realNow();
  return (at) => new Date(Math.min(at + ahead, due)).toISOString().replace('Z', '000Z');
}

const seconds = (value: number): string => (value < 0 ? '-1' : value.toFixed(3));
const quoted = (text: string): string => `"${text.replace(/["\\]/g, '\\$&')}"`;
const statusOf = (status: number): string => (status === 0 ? '-' : String(status));
const grades = { acceptable: 'Acceptable', ambiguous: 'Ambiguous', severe: 'Severe' } as const;

/** What nodes call a failed call by themselves ("Access logs": error reason codes). */
const failures: Readonly<Record<string, string>> = {
  'body-too-long': 'LambdaRequestTooLarge',
  upgrade: 'LambdaWebsocketNotSupported',
  unanswered: 'LambdaServiceException',
};

function failureOf({ failure = '-' }: ProxyLogEntry): string {
  return failures[failure] ?? failure;
}

/** An entry of an access log ("Access logs for your Application Load Balancer": syntax). */
export function accessLine(stamp: Stamp, row: BalancerRow, entry: ProxyLogEntry): string {
  const hasTarget = entry.target !== '-';
  return [
    ...[entry.kind, stamp(entry.at), balancerPart(row.arn), entry.client, entry.target],
    ...[seconds(entry.requestTime), seconds(entry.targetTime), seconds(entry.responseTime)],
    ...[statusOf(entry.status), statusOf(entry.targetStatus), entry.received, entry.sent],
    ...[quoted(entry.request), quoted(entry.userAgent), entry.cipher, entry.tlsVersion, entry.pool],
    ...[quoted(entry.trace), quoted(entry.serverName), quoted(entry.certificate)],
    ...[entry.priority, stamp(entry.began), quoted(entry.action), quoted(entry.redirect), quoted(failureOf(entry))],
    ...[
      quoted(hasTarget ? entry.target : '-'),
      quoted(entry.targetStatus !== 0 || hasTarget ? statusOf(entry.targetStatus) : '-'),
    ],
    ...[quoted(entry.doubt === undefined ? '-' : grades[entry.doubt.grade]), quoted(entry.doubt?.reason ?? '-')],
    entry.connection,
  ].join(' ');
}

/** An entry of a connection log ("Connection logs for your Application Load Balancer": syntax). */
export function connectionLine(stamp: Stamp, entry: ProxyConnectionEntry): string {
  const { tls } = entry;
  const verified = entry.failed ? 'Failed:UnmappedConnectionError' : tls === undefined ? '-' : 'Success';
  return [
    ...[stamp(entry.at), entry.client, entry.clientPort, entry.port],
    ...[tls?.version ?? '-', tls?.cipher ?? '-', tls === undefined ? '-' : tls.handshakeSeconds.toFixed(3)],
    ...['"-"', '-', '-', verified, entry.connection],
  ].join(' ');
}

/** `TLSv1.2` as `tlsv12`. */
const shortVersion = (version: string): string =>
  `${version.toLowerCase().replace('.', '')}${/^TLSv1$/.test(version) ? '0' : ''}`;

/**
 * An entry of a network load balancer's log ("Access logs for your Network Load Balancer": version 2.0). `listener` is its id. What TLS alerts a client
 * sent is not known, and no protocol is agreed on by ALPN.
 */
export function flowLine(stamp: Stamp, row: BalancerRow, listener: string, entry: ProxyFlowEntry): string {
  const time = (at: number): string => stamp(at).slice(0, 19);
  const millis = (value: number): number => Math.round(value * 1000);
  const { tls } = entry;
  return [
    ...['tls', '2.0', time(entry.at), balancerPart(row.arn), listener],
    ...[`${entry.client}:${entry.clientPort}`, `${entry.address}:${entry.port}`],
    ...[millis(entry.seconds), millis(entry.handshakeSeconds), entry.received, entry.sent, '-'],
    ...[tls?.certificate || '-', '-', tls?.cipher ?? '-', tls === undefined ? '-' : shortVersion(tls.version), '-'],
    ...[encodeURIComponent(tls?.serverName ?? '') || '-', '-', '-', '-', time(entry.at - entry.seconds * 1000)],
  ].join(' ');
}

/** What a health check found, from the view of one node. */
export interface CheckedTarget {
  /** Address and port, or a function's ARN. */
  target: string;
  result: ProbeResult;
  passed: boolean;
}

/** An entry of a health check log ("Health check logs": syntax, error reason codes). */
export function checkLine(stamp: Stamp, row: BalancerRow, node: NodeRow, group: GroupRow, checked: CheckedTarget): string {
  const { target, result, passed } = checked;
  const type = group.type === 'lambda' ? 'lambda' : group.check.protocol.toLowerCase();
  return [
    ...[type, stamp(result.at), result.seconds.toFixed(9), target, group.name, passed ? 'PASS' : 'FAIL'],
    ...[result.status ?? '-', passed ? '-' : reasonOf(result), balancerPart(row.arn), node.publicIp ?? node.address],
  ].join(' ');
}

function reasonOf({ outcome, status = 0 }: ProbeResult): string {
  if (outcome === 'timeout') return 'TimedOut';
  if (outcome !== 'answered') return 'ConnectionReset';
  return status >= 500 ? 'TargetError' : 'ResponseCodeMismatch';
}
