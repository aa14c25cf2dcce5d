/**
 * Watching: checkers probe at their interval by the cloud's clock, verdicts are kept in rows, calculated checks follow their children and alarm
 * checks their alarms; a changed verdict reaches DNS through a reconciler and CloudWatch as metrics.
 */
import type { Context, DomainEvent, Transaction } from '../../kernel/context.ts';
import type { Reconciler, Task } from '../../kernel/service.ts';
import { hostAddress } from '../../planes/fabric/addresses.ts';
import { probe, type ProbeTarget } from '../../planes/probes/probe.ts';
import type { CloudWatchApi } from '../cloudwatch/api.ts';
import { freshCheckers, isEndpointCheck, isHealthy, judgeAgain } from './health-rules.ts';
import { type CheckConfig, type HealthCheckRow, HealthChecks, HealthStates, type HealthStateRow } from './health-state.ts';
import { dnsName, normalName } from './names.ts';
import { probeKey } from './serve.ts';

/** Rounds that are made up for after a jump of the clock: more than the highest threshold needs. */
const roundsAfterJump = 12;
const depthMax = 16;

/** A check's verdict as its configuration turns it. */
function turn({ Inverted, Disabled }: CheckConfig, healthy: boolean): boolean {
  return Inverted === true ? !(Disabled === true || healthy) : Disabled === true || healthy;
}

/** Keeps a verdict and lets whoever depends on it follow. */
async function settle(tx: Transaction, check: HealthCheckRow, state: Omit<HealthStateRow, 'id'>, depth = 0): Promise<void> {
  const before = await tx.table(HealthStates).get(check.id);
  await tx.table(HealthStates).put({ ...state, id: check.id });
  tx.hint('checks', check.id);
  if (before?.healthy === state.healthy || depth >= depthMax) return;
  for (const parent of await tx.table(HealthChecks).byIndex('byChild', [check.id])) await recalculate(tx, parent, depth + 1);
}

/** A calculated check's verdict: at least so many of its children are healthy. */
async function recalculate(tx: Transaction, check: HealthCheckRow, depth = 0): Promise<void> {
  const { ChildHealthChecks: children = [], HealthThreshold: wanted = 0 } = check.config;
  let healthy = 0;
  for (const child of children) if ((await tx.table(HealthStates).get(child))?.healthy !== false) healthy += 1;
  await settle(tx, check, { healthy: turn(check.config, healthy >= wanted), checkers: [] }, depth);
}

/** Begins to watch: at creation and whenever the configuration changes. */
export async function watch(ctx: Context, tx: Transaction, check: HealthCheckRow, alarm: string | undefined): Promise<void> {
  if (check.config.Type === 'CALCULATED') return recalculate(tx, check);
  if (check.config.Type === 'CLOUDWATCH_METRIC') return follow(tx, check, alarm);
  const known = await tx.table(HealthStates).get(check.id);
  const fresh = freshCheckers(check.config, ctx.now);
  const checkers = fresh.map((checker) => known?.checkers.find(({ ip }) => ip === checker.ip) ?? checker);
  await settle(tx, check, { healthy: turn(check.config, isHealthy(checkers)), checkers });
  await tx.schedule({ task: 'probe', key: check.id, due: ctx.now });
}

/** An alarm check's verdict: ALARM is unhealthy; without data as the configuration says. */
async function follow(tx: Transaction, check: HealthCheckRow, alarm: string | undefined): Promise<void> {
  const last = await tx.table(HealthStates).get(check.id);
  const lastHealthy = last === undefined ? true : turn({ ...check.config, Disabled: false }, last.healthy);
  const without = check.config.InsufficientDataHealthStatus;
  const healthy =
    alarm === 'OK' || (alarm !== 'ALARM' && (without === 'Healthy' || (without === 'LastKnownStatus' && lastHealthy)));
  await settle(tx, check, { healthy: turn(check.config, healthy), checkers: [] });
}

/** State of an alarm of this account now; undefined when there is none. */
export async function alarmState(
  ctx: Context,
  { Name, Region }: NonNullable<CheckConfig['AlarmIdentifier']>,
): Promise<string | undefined> {
  const { MetricAlarms = [] } = await ctx
    .asService()
    .inScope({ region: Region ?? ctx.region })
    .call('cloudwatch')
    .describeAlarms({ AlarmNames: [Name ?? ''] });
  return MetricAlarms[0]?.StateValue;
}

/** CloudWatch said that an alarm changed. `ctx` is in the alarm's account and Region. */
export async function onAlarm(event: DomainEvent, ctx: Context): Promise<void> {
  const detail = event.detail as { alarmName?: string; state?: { value?: string } };
  for (const check of await ctx.table(HealthChecks).list()) {
    const { Type, AlarmIdentifier } = check.config;
    if (Type !== 'CLOUDWATCH_METRIC' || AlarmIdentifier?.Name !== detail.alarmName || AlarmIdentifier?.Region !== ctx.region)
      continue;
    await ctx.transact((tx) => follow(tx, check, detail.state?.value));
  }
}

async function targetOf(ctx: Context, { id, config }: HealthCheckRow): Promise<Omit<ProbeTarget, 'from'> | undefined> {
  const { Type = '', IPAddress, FullyQualifiedDomainName: name, Port = 80, ResourcePath, SearchString, EnableSNI } = config;
  const kind = Type === 'TCP' ? 'tcp' : Type.startsWith('HTTPS') ? 'https' : 'http';
  let address = IPAddress;
  if (address === undefined) {
    const reply = await ctx.part('dns').resolve({ name: dnsName(normalName(name ?? '')), type: 'A' }, { address: hostAddress });
    address = reply.answers.flatMap((record) => (record.type === 'A' ? [record.data] : []))[0];
  }
  if (address === undefined) return undefined;
  const agent = `Amazon-Route53-Health-Check-Service (ref ${id}; report http://amzn.to/1vsZADi)`;
  return { kind, address, port: Port, path: ResourcePath, host: name, search: SearchString, sni: EnableSNI, agent };
}

/** One round: all checkers look, verdicts are kept, the next round is set. */
export const probeTask: Task = async ({ key, due }, ctx) => {
  const check = await ctx.table(HealthChecks).get(key);
  const state = await ctx.table(HealthStates).get(key);
  if (check === undefined || state === undefined || !isEndpointCheck(check.config) || check.config.Disabled === true) return;
  const { FailureThreshold: threshold = 3, RequestInterval: interval = 30 } = check.config;
  const target = await targetOf(ctx, check);
  const away = ctx.part('fabric').unavailable !== undefined;
  const results = await Promise.all(
    state.checkers.map(({ ip }) =>
      target === undefined
        ? { healthy: false, reason: 'DNS resolution failed' }
        : probe({ ...target, from: away ? undefined : ip }),
    ),
  );
  const checkers = state.checkers.map((checker, index) => judgeAgain(checker, results[index]!, due, threshold));
  const healthy = turn(check.config, isHealthy(checkers));
  const behind = Math.floor((ctx.clock.now() - due) / (interval * 1000)) - roundsAfterJump;
  await ctx.transact(async (tx) => {
    const now = await tx.table(HealthChecks).get(key);
    if (now === undefined || now.version !== check.version) return;
    await settle(tx, check, { healthy, checkers });
    await tx.schedule({ task: 'probe', key, due: due + interval * 1000 * (1 + Math.max(0, behind)) });
  });
  const share = (100 * checkers.filter((checker) => checker.healthy).length) / checkers.length;
  const dimensions = { HealthCheckId: key };
  const cloudwatch = await ctx.internal<CloudWatchApi>('cloudwatch');
  await cloudwatch.putMetrics({ account: ctx.account, region: 'us-east-1' }, 'AWS/Route53', [
    { name: 'HealthCheckStatus', dimensions, at: due, unit: 'None', value: healthy ? 1 : 0 },
    { name: 'HealthCheckPercentageHealthy', dimensions, at: due, unit: 'Percent', value: share },
  ]);
};

/** Verdicts on their way to DNS. */
export const checkReconciler: Reconciler = {
  async keys(ctx) {
    return (await ctx.everywhere(HealthStates)).map(({ scope, row }) => ({
      account: scope.account,
      region: 'us-east-1',
      key: row.id,
    }));
  },
  async run({ key }, ctx) {
    const state = await ctx.table(HealthStates).get(key);
    ctx.part('dns').hosted.setProbe(probeKey(ctx, key), state?.healthy);
  },
};
