/** Health checks: made, changed, deleted, and what their checkers saw. */
import type { HealthCheck, HealthCheckObservation, Route53, UpdateHealthCheckRequest } from '@aws-sdk/client-route-53';
import { formatPageToken, parsePageToken } from '../../base/paging.ts';
import type { Context, Transaction } from '../../kernel/context.ts';
import type { HandlersOf } from '../../kernel/service.ts';
import { healthChecksMax } from './delegation-sets.ts';
import { error, invalidInput, noSuchHealthCheck } from './errors.ts';
import { checkerRanges, completeConfig, isEndpointCheck } from './health-rules.ts';
import { type CheckConfig, type CheckerRow, HealthChecks, type HealthCheckRow, HealthStates } from './health-state.ts';
import { alarmState, watch } from './health-watch.ts';
import { Tags } from './state.ts';
import type { Reading } from './zone-lookup.ts';

function describe({ id, callerReference, version, config }: HealthCheckRow): HealthCheck {
  return {
    Id: id,
    CallerReference: callerReference,
    HealthCheckConfig: config as HealthCheck['HealthCheckConfig'],
    HealthCheckVersion: version,
  };
}

async function requireCheck(reading: Reading, id: string | undefined): Promise<HealthCheckRow> {
  const row = await reading.table(HealthChecks).get(id ?? '');
  if (row === undefined) throw noSuchHealthCheck(id ?? '');
  return row;
}

async function checkChildren(tx: Transaction, { ChildHealthChecks: children = [] }: CheckConfig, own: string): Promise<void> {
  for (const child of children) {
    const row = await tx.table(HealthChecks).get(child);
    if (row === undefined || child === own)
      throw invalidInput(`Invalid parameter : the child health check ${child} does not exist`);
    if (row.config.Type === 'CALCULATED')
      throw invalidInput(`Invalid parameter : the child health check ${child} is a calculated health check itself`);
  }
}

const alarmOf = (ctx: Context, { AlarmIdentifier: alarm }: CheckConfig) =>
  alarm === undefined ? undefined : alarmState(ctx, alarm);

/** Members of an update that a configuration takes over as they are. */
const changeable = [
  ...([
    'IPAddress',
    'Port',
    'ResourcePath',
    'FullyQualifiedDomainName',
    'SearchString',
    'FailureThreshold',
    'Inverted',
    'Disabled',
  ] as const),
  ...([
    'HealthThreshold',
    'ChildHealthChecks',
    'EnableSNI',
    'Regions',
    'AlarmIdentifier',
    'InsufficientDataHealthStatus',
  ] as const),
];

function changeConfig(config: CheckConfig, input: UpdateHealthCheckRequest): CheckConfig {
  const next: Record<string, unknown> = { ...config };
  for (const name of changeable) if (input[name] !== undefined) next[name] = input[name];
  for (const element of input.ResetElements ?? []) {
    if (!['ChildHealthChecks', 'FullyQualifiedDomainName', 'Regions', 'ResourcePath'].includes(element))
      throw invalidInput(`Invalid parameter : ${element} cannot be reset`);
    delete next[element];
  }
  return completeConfig(next as never);
}

function observe({ region, ip }: CheckerRow, status: string, at: number): HealthCheckObservation {
  return {
    Region: region as HealthCheckObservation['Region'],
    IPAddress: ip,
    StatusReport: { Status: status, CheckedTime: new Date(at) },
  };
}

async function endpointState(ctx: Context, id: string | undefined): Promise<readonly CheckerRow[]> {
  const check = await requireCheck(ctx, id);
  if (!isEndpointCheck(check.config))
    throw invalidInput(`The status of a health check of type ${check.config.Type} cannot be asked for by checker.`);
  return (await ctx.table(HealthStates).get(check.id))?.checkers ?? [];
}

export const healthHandlers: HandlersOf<Route53> = {
  /** The same caller reference and configuration again give the same check; with another configuration HealthCheckAlreadyExists. */
  async CreateHealthCheck(input, ctx) {
    const config = completeConfig(input.HealthCheckConfig ?? { Type: undefined });
    const alarm = await alarmOf(ctx, config);
    const row = await ctx.transact(async (tx) => {
      const known = await tx.table(HealthChecks).firstByIndex('byReference', [input.CallerReference ?? '']);
      if (known !== undefined) {
        if (known.version === 1 && JSON.stringify(known.config) === JSON.stringify(config)) return known;
        throw error(
          'HealthCheckAlreadyExists',
          `A health check with the caller reference ${input.CallerReference} already exists.`,
          409,
        );
      }
      if ((await tx.table(HealthChecks).count()) >= healthChecksMax)
        throw error(
          'TooManyHealthChecks',
          `This health check can't be created because the current account has reached the limit of ${healthChecksMax} health checks.`,
        );
      await checkChildren(tx, config, '');
      const made: HealthCheckRow = {
        id: ctx.uuid(),
        callerReference: input.CallerReference ?? '',
        version: 1,
        config,
        created: ctx.now,
      };
      await tx.table(HealthChecks).put(made);
      await watch(ctx, tx, made, alarm);
      return made;
    });
    return { HealthCheck: describe(row), Location: `https://route53.amazonaws.com/2013-04-01/healthcheck/${row.id}` };
  },

  async GetHealthCheck(input, ctx) {
    return { HealthCheck: describe(await requireCheck(ctx, input.HealthCheckId)) };
  },

  async GetHealthCheckCount(_input, ctx) {
    return { HealthCheckCount: await ctx.table(HealthChecks).count() };
  },

  async ListHealthChecks(input, ctx) {
    const limit = Math.min(input.MaxItems ?? 100, 100);
    const after = input.Marker === undefined ? undefined : parsePageToken('health-checks', input.Marker);
    if (input.Marker !== undefined && after === undefined)
      throw error('IncompatibleVersion', 'The specified marker is not valid.');
    const rows = await ctx.table(HealthChecks).list({ ...(after === undefined ? {} : { after: [...after] }), limit: limit + 1 });
    const page = rows.slice(0, limit);
    const more = rows.length > limit;
    return {
      HealthChecks: page.map(describe),
      Marker: input.Marker ?? '',
      IsTruncated: more,
      MaxItems: limit,
      ...(more ? { NextMarker: formatPageToken('health-checks', [page.at(-1)!.id]) } : {}),
    };
  },

  /** Type and request interval stay for ever; `HealthCheckVersion` guards against changes that crossed. */
  async UpdateHealthCheck(input, ctx) {
    const before = await requireCheck(ctx, input.HealthCheckId);
    const config = changeConfig(before.config, input);
    const alarm = await alarmOf(ctx, config);
    const row = await ctx.transact(async (tx) => {
      const now = await requireCheck(tx, input.HealthCheckId);
      if (now.version !== before.version || (input.HealthCheckVersion !== undefined && input.HealthCheckVersion !== now.version))
        throw error(
          'HealthCheckVersionMismatch',
          `The health check version ${input.HealthCheckVersion} does not match the current version ${now.version}.`,
          409,
        );
      await checkChildren(tx, config, now.id);
      const next: HealthCheckRow = { ...now, config, version: now.version + 1 };
      await tx.table(HealthChecks).put(next);
      await watch(ctx, tx, next, alarm);
      return next;
    });
    return { HealthCheck: describe(row) };
  },

  /** Records keep naming it and count as healthy; a calculated check's child stays. */
  async DeleteHealthCheck(input, ctx) {
    await ctx.transact(async (tx) => {
      const { id } = await requireCheck(tx, input.HealthCheckId);
      if ((await tx.table(HealthChecks).firstByIndex('byChild', [id])) !== undefined)
        throw error('HealthCheckInUse', `The health check ${id} is a child of another health check.`);
      await tx.table(HealthChecks).delete(id);
      await tx.table(HealthStates).delete(id);
      await tx.table(Tags).delete('healthcheck', id);
      await tx.unschedule('probe', id);
      tx.hint('checks', id);
    });
    return {};
  },

  async GetHealthCheckStatus(input, ctx) {
    const checkers = await endpointState(ctx, input.HealthCheckId);
    return {
      HealthCheckObservations: checkers.filter(({ status }) => status !== '').map((one) => observe(one, one.status, one.at)),
    };
  },

  async GetHealthCheckLastFailureReason(input, ctx) {
    const checkers = await endpointState(ctx, input.HealthCheckId);
    return {
      HealthCheckObservations: checkers.flatMap((one) =>
        one.failure === undefined ? [] : [observe(one, one.failure.status, one.failure.at)],
      ),
    };
  },

  GetCheckerIpRanges: () => ({ CheckerIpRanges: checkerRanges() }),
};
