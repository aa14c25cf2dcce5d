/** What requests about listeners, health checks and attributes must be like ("Listeners for your Classic Load Balancer", "Health checks"). */
import type { HealthCheck, Listener, LoadBalancerAttributes } from '@aws-sdk/client-elastic-load-balancing';
import type { Context } from '../../kernel/context.ts';
import { AwsError, parameterNotImplemented } from '../../kernel/errors.ts';
import type { BalancersApi } from '../elastic-load-balancing-v2/api.ts';
import { invalidConfiguration, validationError } from './errors.ts';
import type { BalancerRow, CheckRow, ListenerRow, Protocol } from './state.ts';

const protocols: readonly string[] = ['HTTP', 'HTTPS', 'TCP', 'SSL'];
const isHttp = (protocol: string): boolean => protocol.startsWith('HTTP');

function checkProtocol(given: string | undefined, noun: string): Protocol {
  const protocol = (given ?? '').toUpperCase();
  if (!protocols.includes(protocol)) throw validationError(`${noun} '${given ?? ''}' must be one of: HTTP, HTTPS, TCP, SSL`);
  return protocol as Protocol;
}

function checkPort(port: number | undefined, noun: string): number {
  if (port === undefined || port < 1 || port > 65_535) throw validationError(`${noun} must be between 1 and 65535`);
  return port;
}

/** Throws CertificateNotFound for what cannot be presented. */
export async function requireCertificate(ctx: Context, arn: string | undefined): Promise<string> {
  if (arn === undefined || arn === '') throw validationError('Secure Listeners need to specify a SSLCertificateId');
  const elb = await ctx.internal<BalancersApi>('elastic-load-balancing-v2');
  if ((await elb.readTls(ctx, arn)) === undefined)
    throw new AwsError('CertificateNotFound', `Server Certificate not found for the key: ${arn}`);
  return arn;
}

/** Listeners of a request, each checked. Both sides of a listener speak at the same layer. */
export async function readListeners(ctx: Context, given: readonly Listener[] | undefined): Promise<ListenerRow[]> {
  if (given === undefined || given.length === 0) throw validationError('At least one listener must be specified');
  const rows: ListenerRow[] = [];
  for (const { Protocol: front, InstanceProtocol, LoadBalancerPort, InstancePort, SSLCertificateId } of given) {
    const protocol = checkProtocol(front, 'Listener Protocol');
    const plain = isHttp(protocol) ? 'HTTP' : 'TCP';
    const instanceProtocol = checkProtocol(InstanceProtocol ?? plain, 'Instance Protocol');
    if (isHttp(protocol) !== isHttp(instanceProtocol))
      throw invalidConfiguration('The InstanceProtocol and Protocol of a listener must be at the same layer');
    const secure = protocol === 'HTTPS' || protocol === 'SSL';
    if (!secure && SSLCertificateId !== undefined && SSLCertificateId !== '')
      throw validationError(`A certificate cannot be specified for ${protocol} listeners`);
    const certificate = secure ? await requireCertificate(ctx, SSLCertificateId) : undefined;
    const port = checkPort(LoadBalancerPort, 'LoadBalancerPort');
    rows.push({
      protocol,
      port,
      instanceProtocol,
      instancePort: checkPort(InstancePort, 'InstancePort'),
      certificate,
      policies: [],
    });
  }
  return rows;
}

const sameListener = (a: ListenerRow, b: ListenerRow): boolean =>
  JSON.stringify([a.protocol, a.instanceProtocol, a.instancePort, a.certificate]) ===
  JSON.stringify([b.protocol, b.instanceProtocol, b.instancePort, b.certificate]);

/** The listeners with new ones; one that is there already is left. Throws DuplicateListener for another on the same port. */
export function addListeners(known: readonly ListenerRow[], fresh: readonly ListenerRow[], name: string): ListenerRow[] {
  const all = [...known];
  for (const listener of fresh) {
    const other = all.find(({ port }) => port === listener.port);
    if (other === undefined) all.push(listener);
    else if (!sameListener(other, listener))
      throw new AwsError(
        'DuplicateListener',
        `A listener already exists for ${name} with LoadBalancerPort ${listener.port}, but with a different InstancePort, Protocol, or SSLCertificateId`,
      );
  }
  return all;
}

/** What is checked until ConfigureHealthCheck says otherwise. */
export function defaultCheck([first]: readonly ListenerRow[]): CheckRow {
  return { target: `TCP:${first?.instancePort}`, interval: 30, timeout: 5, unhealthy: 2, healthy: 10 };
}

function within(name: string, value: number | undefined, min: number, max: number): number {
  if (value === undefined || value < min || value > max)
    throw validationError(`HealthCheck ${name} must be between ${min} and ${max}`);
  return value;
}

export function readCheck(given: HealthCheck | undefined): CheckRow {
  const target = given?.Target ?? '';
  if (!/^(?:(?:TCP|SSL):\d{1,5}|HTTPS?:\d{1,5}\/.{0,1023})$/.test(target))
    throw validationError(
      'HealthCheck Target must begin with one of HTTP, TCP, HTTPS, SSL, and HTTP and HTTPS targets must specify a port and a path',
    );
  checkPort(Number(/:(\d+)/.exec(target)?.[1]), 'HealthCheck Target port');
  const check = {
    target,
    interval: within('Interval', given?.Interval, 5, 300),
    timeout: within('Timeout', given?.Timeout, 2, 60),
    unhealthy: within('UnhealthyThreshold', given?.UnhealthyThreshold, 2, 10),
    healthy: within('HealthyThreshold', given?.HealthyThreshold, 2, 10),
  };
  if (check.timeout >= check.interval) throw validationError('HealthCheck timeout must be less than interval');
  return check;
}

type Attributes = Pick<BalancerRow, 'crossZone' | 'draining' | 'idleSeconds' | 'desync'>;

/** The one additional attribute there is (API_AdditionalAttribute): what happens to requests that servers may read in two ways. */
export const desyncKey = 'elb.http.desyncmitigationmode';

function readDesync(known: Attributes['desync'], given: LoadBalancerAttributes['AdditionalAttributes']): Attributes['desync'] {
  let desync = known;
  for (const { Key, Value } of given ?? []) {
    if (Key !== desyncKey) throw invalidConfiguration(`Load balancer attribute key '${Key}' is not recognized`);
    if (Value !== 'monitor' && Value !== 'defensive' && Value !== 'strictest')
      throw invalidConfiguration(`The value '${Value}' of the attribute '${desyncKey}' is not valid`);
    desync = Value;
  }
  return desync;
}

/** Attributes after a change; what is not named stays. */
export function readAttributes(known: Attributes, given: LoadBalancerAttributes | undefined): Attributes {
  const { CrossZoneLoadBalancing: cross, ConnectionDraining: drain, ConnectionSettings: settings, AccessLog: log } = given ?? {};
  if (log?.Enabled === true) throw parameterNotImplemented('ModifyLoadBalancerAttributes', 'AccessLog');
  const seconds = drain?.Timeout ?? known.draining.seconds;
  if (seconds < 1 || seconds > 3600) throw validationError('ConnectionDraining Timeout must be between 1 and 3600');
  const idleSeconds = settings?.IdleTimeout ?? known.idleSeconds;
  if (idleSeconds < 1 || idleSeconds > 4000) throw validationError('ConnectionSettings IdleTimeout must be between 1 and 4000');
  return {
    crossZone: cross?.Enabled ?? known.crossZone,
    draining: { enabled: drain?.Enabled ?? known.draining.enabled, seconds },
    idleSeconds,
    desync: readDesync(known.desync, given?.AdditionalAttributes),
  };
}
