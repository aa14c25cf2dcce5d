/** Warm pools: instances prepared beside a group, asked for, shown and given up here; warm-pool-step.ts carries them along. */
import type { AutoScaling, WarmPoolConfiguration } from '@aws-sdk/client-auto-scaling';
import type { Context } from '../../kernel/context.ts';
import type { HandlersOf } from '../../kernel/service.ts';
import { activityInProgress, validationError } from './errors.ts';
import { requireGroup } from './groups.ts';
import { pageFor } from './lists.ts';
import { describeMember, inWarmPool } from './members.ts';
import { Configurations, type GroupRow, Groups, Members, type WarmPool } from './state.ts';

const poolStates = ['Stopped', 'Running', 'Hibernated'] as const;
const pageMax = 50;

export function describePool(pool: WarmPool): WarmPoolConfiguration {
  return {
    MinSize: pool.min,
    MaxGroupPreparedCapacity: pool.prepared,
    PoolState: pool.poolState,
    Status: pool.deleting === undefined ? undefined : 'PendingDelete',
    InstanceReusePolicy: { ReuseOnScaleIn: pool.reuse },
  };
}

/**
 * Instances that the pool should hold: what is missing from the desired capacity to the prepared one (the maximum, unless set), at least its minimum;
 * none without a pool or when it is being deleted ("Core concepts: warm pool size").
 */
export function poolSize({ warmPool, max, desired, deleting }: GroupRow): number {
  if (warmPool === undefined || warmPool.deleting !== undefined || deleting === true) return 0;
  return Math.max(warmPool.min, (warmPool.prepared ?? max) - desired, 0);
}

function noPool(name: string | undefined): Error {
  return validationError(`No warm pool found for group: ${name}`);
}

/** Pools hold On-Demand Instances of one kind only. Throws ValidationError. */
async function checkPlain(ctx: Context, { launch }: GroupRow): Promise<void> {
  const refusal = validationError(
    'You can’t add a warm pool to an Auto Scaling group that has a mixed instances policy or a launch template or launch configuration that requests Spot Instances.',
  );
  if (launch.mixed !== undefined) throw refusal;
  const configuration =
    launch.configuration === undefined ? undefined : await ctx.table(Configurations).get(launch.configuration);
  if (configuration?.SpotPrice !== undefined) throw refusal;
  if (launch.template === undefined) return;
  const { LaunchTemplateVersions: found = [] } = await ctx
    .asService()
    .call('ec2')
    .describeLaunchTemplateVersions({ LaunchTemplateId: launch.template.id, Versions: [launch.template.version] });
  if (found[0]?.LaunchTemplateData?.InstanceMarketOptions?.MarketType === 'spot') throw refusal;
}

export const warmPoolHandlers: HandlersOf<AutoScaling> = {
  /** Members that are left out keep what was set before; -1 takes the prepared capacity away. */
  async PutWarmPool(input, ctx) {
    const { AutoScalingGroupName: name, MinSize: min, MaxGroupPreparedCapacity: prepared, PoolState: poolState } = input;
    if ((min ?? 0) < 0) throw validationError('MinSize must be greater than or equal to 0.');
    if ((prepared ?? 0) < -1) throw validationError('MaxGroupPreparedCapacity must be greater than or equal to -1.');
    if (poolState !== undefined && !poolStates.includes(poolState))
      throw validationError(`Invalid PoolState: ${poolState}. Valid values are: ${poolStates.join(', ')}`);
    await checkPlain(ctx, await requireGroup(ctx, name));
    await ctx.transact(async (tx) => {
      const row = await requireGroup(tx, name);
      const before = row.warmPool;
      if (before?.deleting !== undefined) throw activityInProgress(`The warm pool of group ${row.name} is being deleted.`);
      const warmPool: WarmPool = {
        min: min ?? before?.min ?? 0,
        prepared: prepared === undefined ? before?.prepared : prepared === -1 ? undefined : prepared,
        poolState: poolState ?? before?.poolState ?? 'Stopped',
        reuse: input.InstanceReusePolicy?.ReuseOnScaleIn ?? before?.reuse ?? false,
      };
      await tx.table(Groups).put({ ...row, warmPool });
      tx.hint('groups', row.name);
    });
    return {};
  },

  /** The pool is `PendingDelete` until its instances are gone; with ForceDelete their hooks are left out. */
  async DeleteWarmPool({ AutoScalingGroupName: name, ForceDelete: force }, ctx) {
    await ctx.transact(async (tx) => {
      const row = await requireGroup(tx, name);
      if (row.warmPool === undefined) throw noPool(name);
      if (row.warmPool.deleting !== undefined && force !== true)
        throw activityInProgress(`The warm pool of group ${row.name} is being deleted.`);
      await tx.table(Groups).put({ ...row, warmPool: { ...row.warmPool, deleting: force === true ? 'forced' : 'waiting' } });
      tx.hint('groups', row.name);
    });
    return {};
  },

  async DescribeWarmPool(input, ctx) {
    const row = await requireGroup(ctx, input.AutoScalingGroupName);
    const members = (await ctx.table(Members).list({ prefix: [row.name] })).filter(
      (member) => inWarmPool(member) && member.instanceId !== undefined,
    );
    const page = pageFor('warm-pool', members, (member) => [member.slot], input, pageMax);
    return {
      WarmPoolConfiguration: row.warmPool === undefined ? undefined : describePool(row.warmPool),
      Instances: page.items.map(describeMember),
      NextToken: page.nextToken,
    };
  },
};
