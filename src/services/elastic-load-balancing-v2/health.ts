/**
 * Health checks ("Health checks for your target groups"): a task for each group, by the cloud's clock; the probes are real, sent by the nodes. After a
 * jump of the clock one result stands for all checks that fell due meanwhile, since nothing changed in between. A target passes if any node reaches it.
 */
import type { Context } from '../../kernel/context.ts';
import type { FiredJob, Task } from '../../kernel/service.ts';
import type { Probe, ProbeResult } from '../../planes/proxy/types.ts';
import { groupAttribute } from './attributes.ts';
import { probeFunction } from './functions.ts';
import { keepChecks } from './logs.ts';
import { balancersOf, hintUsers } from './lookup.ts';
import { addressesOf } from './node-spec.ts';
import { Balancers, type GroupRow, Groups, type TargetRow, Targets } from './state.ts';

/** A probe that waits for longer than this in real time would hold a jump of the clock up. */
const timeoutMillisMax = 120_000;
const userAgent = 'ELB-HealthChecker/2.0';

export const checkHealth: Task = async (job, ctx) => {
  const group = await ctx.table(Groups).get(job.key);
  if (group === undefined) return;
  const users = await balancersOf(ctx, group.arn);
  // A group that nobody uses is looked at again when a rule names it.
  if (users.length === 0 || !group.check.enabled) return;
  const rows = (await ctx.table(Targets).list({ prefix: [group.arn] })).filter(({ state }) => state !== 'draining');
  const probe = group.type === 'lambda' ? probeFunctions(ctx, group, rows, users) : probeAll(ctx, group, rows, users);
  const results = rows.length === 0 ? new Map<string, Verdict>() : await probe;
  await record(ctx, job, group, results);
};

interface Verdict {
  passed: boolean;
  reason: string;
  description: string;
}

const keyOf = ({ id, port }: { id: string; port: number }): string => `${id} ${port}`;

async function probeAll(
  ctx: Context,
  group: GroupRow,
  rows: readonly TargetRow[],
  users: readonly string[],
): Promise<Map<string, Verdict>> {
  const proxy = ctx.part('proxy');
  const balancers = await Promise.all(users.map((arn) => ctx.table(Balancers).get(arn)));
  const nodes = balancers.flatMap((row) => (row?.state === 'active' ? row.nodes : []));
  const faults = ctx.part('zones');
  const live = nodes.filter(({ zone }) => faults.downSince(zone) === undefined);
  if (live.length === 0) return new Map();
  const probes: Probe[] = [];
  const { check } = group;
  for (const row of rows)
    for (const { address } of await addressesOf(ctx, group, row))
      probes.push({
        ...{ key: keyOf(row), address, port: check.port === 'traffic-port' ? row.port : Number(check.port), userAgent },
        withHeader: groupAttribute(group, 'proxy_protocol_v2.enabled') === 'true',
        protocol: check.protocol === 'HTTP' ? 'http' : check.protocol === 'HTTPS' ? 'https' : 'tcp',
        ...{ path: check.path ?? '/', timeoutMillis: Math.min(check.timeoutSeconds * 1000, timeoutMillisMax) },
      });
  const found = await Promise.all(live.map((node) => proxy.probe(node.interfaceId, probes)));
  const all = found.flat();
  const places = new Map(probes.map(({ key, address, port }) => [key, `${address}:${port}`]));
  for (const [index, node] of live.entries()) {
    const owner = balancers.find((row) => row?.nodes.includes(node));
    if (owner === undefined) continue;
    const checked = found[index]!.map((result) => {
      return { target: places.get(result.key) ?? '', result, passed: judge(group, result).passed };
    });
    await keepChecks(ctx, owner, node, group, checked);
  }
  const verdicts = new Map<string, Verdict>();
  for (const row of rows) {
    const own = all.filter(({ key }) => key === keyOf(row)).map((result) => judge(group, result));
    verdicts.set(keyOf(row), own.find(({ passed }) => passed) ?? own[0] ?? unreachable);
  }
  return verdicts;
}

/** Functions are not reached from nodes: one call each, which the first node's log has. */
async function probeFunctions(
  ctx: Context,
  group: GroupRow,
  rows: readonly TargetRow[],
  users: readonly string[],
): Promise<Map<string, Verdict>> {
  const verdicts = new Map<string, Verdict>();
  for (const row of rows) {
    const key = keyOf(row);
    const at = ctx.clock.realNow();
    const found = await probeFunction(ctx, group, row.id);
    const times = { key, at, seconds: (ctx.clock.realNow() - at) / 1000 };
    const result: ProbeResult =
      typeof found === 'number'
        ? { ...times, outcome: 'answered', status: found }
        : { ...times, outcome: found === undefined ? 'failed' : 'timeout' };
    const verdict = judge(group, result);
    verdicts.set(key, verdict);
    for (const arn of users) {
      const balancer = await ctx.table(Balancers).get(arn);
      const [first] = balancer?.nodes ?? [];
      const checked = [{ target: row.id, result, passed: verdict.passed }];
      if (balancer !== undefined && first !== undefined) await keepChecks(ctx, balancer, first, group, checked);
    }
  }
  return verdicts;
}

const unreachable: Verdict = { passed: false, reason: 'Target.FailedHealthChecks', description: 'Health checks failed' };

function judge({ check }: GroupRow, result: ProbeResult): Verdict {
  if (result.outcome === 'connected') return { passed: true, reason: '', description: '' };
  if (result.outcome === 'timeout') return { passed: false, reason: 'Target.Timeout', description: 'Request timed out' };
  if (result.outcome !== 'answered') return unreachable;
  if (matches(check.matcher ?? '200', result.status)) return { passed: true, reason: '', description: '' };
  return {
    passed: false,
    reason: 'Target.ResponseCodeMismatch',
    description: `Health checks failed with these codes: [${result.status}]`,
  };
}

function matches(matcher: string, status: number): boolean {
  return matcher.split(',').some((part) => {
    const [low = '', high = low] = part.split('-');
    return status >= Number(low) && status <= Number(high);
  });
}

/** The target after `checks` checks with this result. */
function follow(row: TargetRow, { check }: GroupRow, verdict: Verdict, checks: number): TargetRow {
  const { passed, reason, description } = verdict;
  const successes = passed ? Math.min(row.successes + checks, check.healthyThreshold) : 0;
  const failures = passed ? 0 : Math.min(row.failures + checks, check.unhealthyThreshold);
  const next = { ...row, successes, failures, seen: row.seen || passed };
  // A target that was just registered is healthy after the first check that it passes.
  if (passed && (row.state === 'healthy' || !row.seen || successes >= check.healthyThreshold))
    return { ...next, state: 'healthy', reason: undefined, description: undefined };
  if (passed) return next;
  if (failures >= check.unhealthyThreshold) return { ...next, state: 'unhealthy', reason, description };
  if (row.state === 'initial')
    return { ...next, reason: 'Elb.InitialHealthChecking', description: 'Initial health checks in progress' };
  return next;
}

async function record(ctx: Context, job: FiredJob, group: GroupRow, results: ReadonlyMap<string, Verdict>): Promise<void> {
  const interval = group.check.intervalSeconds * 1000;
  const missed = Math.floor(Math.max(0, ctx.clock.now() - job.due) / interval);
  await ctx.transact(async (tx) => {
    const current = await tx.table(Groups).get(group.arn);
    if (current === undefined) return;
    let changed = false;
    for (const row of await tx.table(Targets).list({ prefix: [group.arn] })) {
      const verdict = results.get(keyOf(row));
      if (verdict === undefined || row.state === 'draining') continue;
      const next = follow(row, group, verdict, 1 + missed);
      if (JSON.stringify(next) === JSON.stringify(row)) continue;
      await tx.table(Targets).put(next);
      changed ||= next.state !== row.state;
    }
    if (changed) await hintUsers(tx, group.arn);
    const due = job.due + (missed + 1) * interval;
    await tx.schedule({ task: 'checkHealth', key: group.arn, due });
  });
}
