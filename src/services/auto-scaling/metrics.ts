/** Metrics of groups in CloudWatch's `AWS/AutoScaling`, each minute for those that collect them ("CloudWatch metrics for Amazon EC2 Auto Scaling"). */
import type { AutoScaling } from '@aws-sdk/client-auto-scaling';
import type { Context } from '../../kernel/context.ts';
import type { HandlersOf } from '../../kernel/service.ts';
import type { CloudWatchApi } from '../cloudwatch/api.ts';
import { validationError } from './errors.ts';
import { requireGroup } from './groups.ts';
import { groupMetrics } from './lists.ts';
import { inWarmPool } from './members.ts';
import { type GroupRow, Groups, Members } from './state.ts';
import { poolSize } from './warm-pools.ts';

/** Puts the group's numbers of this moment. */
export async function publishMetrics(ctx: Context, group: GroupRow): Promise<void> {
  if (group.metrics.length === 0) return;
  const all = await ctx.table(Members).list({ prefix: [group.name] });
  const states = all.filter((member) => !inWarmPool(member)).map(({ state }) => state);
  const warmed = all.filter(inWarmPool).map(({ state }) => state.slice('Warmed:'.length));
  const pool = (...words: string[]) => warmed.filter((state) => words.some((word) => state.startsWith(word))).length;
  const poolDesired = poolSize(group);
  const count = (prefix: string) => states.filter((state) => state.startsWith(prefix)).length;
  const values: Readonly<Record<string, number>> = {
    GroupMinSize: group.min,
    GroupMaxSize: group.max,
    GroupDesiredCapacity: group.desired,
    GroupInServiceInstances: count('InService'),
    GroupPendingInstances: count('Pending'),
    GroupStandbyInstances: count('Standby'),
    GroupTerminatingInstances: count('Terminating'),
    GroupTotalInstances: states.length,
    WarmPoolDesiredCapacity: poolDesired,
    WarmPoolWarmedCapacity: pool('Stopped', 'Running', 'Hibernated'),
    WarmPoolPendingCapacity: pool('Pending'),
    WarmPoolTerminatingCapacity: pool('Terminating'),
    WarmPoolTotalCapacity: warmed.length,
    GroupAndWarmPoolDesiredCapacity: group.desired + poolDesired,
    GroupAndWarmPoolTotalCapacity: states.length + warmed.length,
  };
  const cloudwatch = await ctx.internal<CloudWatchApi>('cloudwatch');
  const data = group.metrics.map((name) => ({
    name,
    dimensions: { AutoScalingGroupName: group.name },
    at: ctx.now,
    value: values[name] ?? 0,
  }));
  await cloudwatch.putMetrics(ctx, 'AWS/AutoScaling', data);
}

function checkMetrics(names: readonly string[]): void {
  const wrong = names.find((name) => !(groupMetrics as readonly string[]).includes(name));
  if (wrong !== undefined) throw validationError(`Metric ${wrong} is not a valid metric type.`);
}

export const metricHandlers: HandlersOf<AutoScaling> = {
  async EnableMetricsCollection({ AutoScalingGroupName: name, Metrics: names = [], Granularity: granularity }, ctx) {
    if (granularity !== '1Minute') throw validationError(`Granularity ${granularity} is not a valid granularity type.`);
    checkMetrics(names);
    await ctx.transact(async (tx) => {
      const row = await requireGroup(tx, name);
      const wanted =
        names.length === 0 ? groupMetrics : groupMetrics.filter((one) => names.includes(one) || row.metrics.includes(one));
      await tx.table(Groups).put({ ...row, metrics: wanted });
    });
    return {};
  },

  async DisableMetricsCollection({ AutoScalingGroupName: name, Metrics: names = [] }, ctx) {
    checkMetrics(names);
    await ctx.transact(async (tx) => {
      const row = await requireGroup(tx, name);
      await tx
        .table(Groups)
        .put({ ...row, metrics: names.length === 0 ? [] : row.metrics.filter((one) => !names.includes(one)) });
    });
    return {};
  },
};
