/** Commands that ask a running cloud: status, services, clock, chaos, trace, inspect, reset. */
import { PilviError } from '../base/errors.ts';
import { callAdmin, findTarget, type Target } from './client.ts';

function print(target: Target, answer: unknown, text: string): number {
  console.log(target.json ? JSON.stringify(answer, null, 2) : text);
  return 0;
}

interface Health {
  status: string;
  version: string;
  limits: string[];
  shortcomings: string[];
  time: string;
  ca: string;
  dnsPort: number;
}

/** `pilvi status`: whether it runs, its time, what is limited. */
export async function status(args: readonly string[]): Promise<number> {
  const target = await findTarget(args);
  const health = await callAdmin<Health>(target, 'GET', 'health');
  const limits = [...health.limits, ...health.shortcomings].map((limit) => `\nLimited: ${limit}`).join('');
  const runs = `Pilvi ${health.version} runs on ${target.url}. Cloud time is ${health.time}.`;
  const https = `HTTPS is on the same port; trust ${health.ca} (AWS_CA_BUNDLE).`;
  const dns = `Public zones are answered on port ${health.dnsPort}: dig -p ${health.dnsPort} @127.0.0.1 NAME`;
  return print(target, health, `${runs}\n${https}\n${dns}${limits}`);
}

interface ServiceLine {
  name: string;
  operations: number;
  implemented: string[];
}

/** `pilvi services [name]`: how many operations of each service are implemented, or which. */
export async function services(args: readonly string[]): Promise<number> {
  const target = await findTarget(args);
  const all = await callAdmin<ServiceLine[]>(target, 'GET', 'services');
  const [name] = target.words;
  if (name !== undefined) {
    const one = all.find((service) => service.name === name);
    if (one === undefined) throw new PilviError('BadOption', `There is no service ${name}.`);
    return print(
      target,
      one,
      one.implemented.length === 0 ? `${name}: no operation is implemented; all answer 501.` : one.implemented.join('\n'),
    );
  }
  const lines = all
    .filter((service) => service.implemented.length > 0)
    .map((service) => `${service.name.padEnd(28)} ${String(service.implemented.length).padStart(4)} of ${service.operations}`);
  const absent = all.filter((service) => service.implemented.length === 0).map((service) => service.name);
  return print(target, all, `${lines.join('\n')}\n\nRecognised, and answered 501 NotImplemented: ${absent.join(' ')}`);
}

const units: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 };

/** Milliseconds of `90s`, `1h30m`, `30d`. Throws PilviError BadOption. */
export function parseDuration(text: string): number {
  if (!/^(\d+(\.\d+)?(ms|s|m|h|d|w))+$/.test(text))
    throw new PilviError('BadOption', `${text} is not a duration such as 90s, 1h30m or 30d.`);
  let total = 0;
  for (const [, amount, unit] of text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h|d|w)/g))
    total += Number(amount) * (units[unit ?? ''] ?? 0);
  return total;
}

/** A factor such as `60` or `0.5`. Throws PilviError BadOption. */
function parseSpeed(text: string): number {
  if (!/^\d+(\.\d+)?$/.test(text)) throw new PilviError('BadOption', `${text} is not a speed such as 60, 1 or 0.`);
  return Number(text);
}

/** `pilvi clock`, `clock advance 1h`, `clock speed 60`, `clock freeze`, `clock resume`. */
export async function clock(args: readonly string[]): Promise<number> {
  const target = await findTarget(args);
  const [verb, value = ''] = target.words;
  const change = (() => {
    switch (verb) {
      case undefined:
        return undefined;
      case 'advance':
        return { advanceMillis: parseDuration(value) };
      case 'speed':
        return { speed: parseSpeed(value) };
      case 'freeze':
        return { speed: 0 };
      case 'resume':
        return { speed: 1 };
      default:
        throw new PilviError('BadOption', 'clock takes advance DURATION, speed FACTOR, freeze or resume.');
    }
  })();
  const state = await callAdmin<ClockAnswer>(target, change === undefined ? 'GET' : 'POST', 'clock', change);
  return print(target, state, `${state.time}, speed ${state.speed}${describeAdvance(state)}`);
}

/** What the clock is, and after an advance how that went (src/kernel/clock-mover.ts). */
interface ClockAnswer {
  time: string;
  speed: number;
  grainMillis?: number;
  unsettled?: number;
}

/** Says where an advance met its bounds; empty where it did not. */
function describeAdvance({ grainMillis = 0, unsettled = 0 }: ClockAnswer): string {
  const grain = `\nSo much was due that the clock stopped every ${Math.ceil(grainMillis / 1000)} s of its time at last: what begins when a wait ends may have begun as much later.`;
  const left = `\nAt ${unsettled} of its stops something was still under way after the time that the clock waits for it.`;
  return (grainMillis > 0 ? grain : '') + (unsettled > 0 ? left : '');
}

interface ChaosState {
  instances: string[];
  interfaces: string[];
  paths: [string, string][];
  volumes: string[];
  api: { kind: string; service?: string; operation?: string }[];
  zones: { zone: string; since: string }[];
}

/** `us-east-1` is a Region, `us-east-1a` a zone, what has slashes a place in one. */
function describePlace(name: string): string {
  if (name.includes('/')) return `The place ${name}`;
  return /\d$/.test(name) ? `Region ${name}` : `Zone ${name}`;
}

/** `pilvi chaos`, `chaos zone us-east-1a down`, `chaos rack i-… up`, `chaos clear`. */
export async function chaos(args: readonly string[]): Promise<number> {
  const target = await findTarget(args);
  const [verb, zone, wanted, direction] = target.words;
  const ask = (): Promise<ChaosState> => {
    if (verb === undefined) return callAdmin(target, 'GET', 'chaos');
    if (verb === 'clear' && zone === undefined) return callAdmin(target, 'POST', 'chaos/clear', {});
    if (verb === 'zone' && (wanted === 'down' || wanted === 'up'))
      return callAdmin(target, 'POST', 'chaos/zone', { zone, down: wanted === 'down' });
    if (verb === 'region' && (wanted === 'down' || wanted === 'up'))
      return callAdmin(target, 'POST', 'chaos/region', { region: zone, down: wanted === 'down' });
    if ((verb === 'host' || verb === 'rack' || verb === 'datacenter') && (wanted === 'down' || wanted === 'up'))
      return callAdmin(target, 'POST', `chaos/${verb}`, { at: zone, down: wanted === 'down' });
    if ((verb === 'instance' || verb === 'interface') && (wanted === 'down' || wanted === 'up'))
      return callAdmin(target, 'POST', `chaos/${verb}`, { [verb]: zone, down: wanted === 'down' });
    if (verb === 'spot' && wanted === 'recommend') return callAdmin(target, 'POST', 'chaos/rebalance', { spot: zone });
    if (verb === 'spot' && (wanted === undefined || wanted === 'down' || wanted === 'up'))
      return callAdmin(target, 'POST', 'chaos/spot', { spot: zone, down: wanted !== 'up' });
    if (verb === 'path' && (direction === 'down' || direction === 'up'))
      return callAdmin(target, 'POST', 'chaos/path', { from: zone, to: wanted, down: direction === 'down' });
    if (verb === 'volume' && (wanted === 'down' || wanted === 'up'))
      return callAdmin(target, 'POST', 'chaos/volume', { volume: zone, down: wanted === 'down' });
    throw new PilviError(
      'BadOption',
      'chaos takes region REGION, zone ZONE, instance INSTANCE, spot INSTANCE (an interruption with its notice; with recommend only that to rebalance), interface INTERFACE, path FROM TO, volume VOLUME, host, rack or datacenter and an INSTANCE, then down or up; or clear.',
    );
  };
  const state = await ask();
  const lines = [
    ...state.zones.map((fault) => `${describePlace(fault.zone)} is down since ${fault.since}.`),
    ...state.instances.map((id) => `Instance ${id} hangs.`),
    ...state.interfaces.map((id) => `Interface ${id} is cut.`),
    ...state.paths.map(([from, to]) => `The path between ${from} and ${to} is cut.`),
    ...state.volumes.map((id) => `Volume ${id} stands still.`),
    ...state.api.map(({ kind, service = '*', operation = '*' }) => `Calls of ${service}:${operation}: ${kind}.`),
  ];
  return print(target, state, lines.length === 0 ? 'Nothing is broken.' : lines.join('\n'));
}

/** `pilvi trace REQUEST-ID`: the stages that a request went through. */
export async function trace(args: readonly string[]): Promise<number> {
  const target = await findTarget(args);
  const found = await callAdmin<{ lines: { at: number; text: string }[] }>(
    target,
    'GET',
    `traces/${encodeURIComponent(target.words[0] ?? '')}`,
  );
  return print(target, found, found.lines.map(({ at, text }) => `${at.toFixed(0).padStart(6)} ms  ${text}`).join('\n'));
}

/** `pilvi inspect [PREFIX]`: rows, waiting work, reconcilers, sizes. Always JSON. */
export async function inspect(args: readonly string[]): Promise<number> {
  const target = await findTarget(args);
  const found = await callAdmin<unknown>(target, 'GET', `inspect?prefix=${encodeURIComponent(target.words[0] ?? '')}`);
  console.log(JSON.stringify(found, null, 2));
  return 0;
}

/** `pilvi reset [ACCOUNT]`: empties the whole cloud, or one account. */
export async function reset(args: readonly string[]): Promise<number> {
  const target = await findTarget(args);
  const [account] = target.words;
  await callAdmin(target, 'POST', 'reset', account === undefined ? {} : { account });
  return print(target, {}, account === undefined ? 'The cloud is empty.' : `Account ${account} is empty.`);
}
