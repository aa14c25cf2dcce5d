/** Auto Scaling groups: made, changed, described, deleted. What follows from a change is the reconciler's (reconcile.ts). */
import type { AutoScaling, AutoScalingGroup, TagDescription } from '@aws-sdk/client-auto-scaling';
import type { Context, Transaction } from '../../kernel/context.ts';
import type { HandlersOf } from '../../kernel/service.ts';
import { stamp } from './activities.ts';
import { activityInProgress, alreadyExists, groupNotFound, resourceInUse, validationError } from './errors.ts';
import { checkSettings, checkSizes, checkTargetGroups, readPlaces, refuseAbsent } from './group-input.ts';
import { readHook } from './hooks.ts';
import { readLaunchChoice } from './launch-choice.ts';
import { serviceLinkedRole } from './linked-role.ts';
import { pageFor } from './lists.ts';
import { describeMember, inWarmPool } from './members.ts';
import { deleteAlarmsOf, removePolicy } from './policies.ts';
import { Groups, type GroupRow, Hooks, Members, type MemberRow, Notifications, Policies, Refreshes, Schedules } from './state.ts';
import { readTags } from './tags.ts';
import { describePool } from './warm-pools.ts';

/** Milliseconds of the cloud's time between two looks at a group that nothing hints at. */
export const lookMillis = 10_000;

export async function requireGroup(reader: Pick<Context | Transaction, 'table'>, name: string | undefined): Promise<GroupRow> {
  const row = await reader.table(Groups).get(name ?? '');
  if (row === undefined || row.deleting === true) throw groupNotFound(name);
  return row;
}

function describeTag(group: string, tag: GroupRow['tags'][number]): TagDescription {
  return {
    ResourceId: group,
    ResourceType: 'auto-scaling-group',
    Key: tag.key,
    Value: tag.value,
    PropagateAtLaunch: tag.propagate,
  };
}

function describeGroup(row: GroupRow, members: readonly MemberRow[]): AutoScalingGroup {
  const { template } = row.launch;
  return {
    AutoScalingGroupName: row.name,
    AutoScalingGroupARN: row.arn,
    LaunchConfigurationName: row.launch.configuration,
    LaunchTemplate:
      template === undefined
        ? undefined
        : { LaunchTemplateId: template.id, LaunchTemplateName: template.name, Version: template.version },
    MixedInstancesPolicy: row.launch.mixed,
    MinSize: row.min,
    MaxSize: row.max,
    DesiredCapacity: row.desired,
    DefaultCooldown: row.cooldown,
    AvailabilityZones: [...row.zones],
    LoadBalancerNames: [],
    TargetGroupARNs: [...row.targetGroups],
    HealthCheckType: row.healthCheckType,
    HealthCheckGracePeriod: row.gracePeriod,
    Instances: members.filter((member) => member.instanceId !== undefined && !inWarmPool(member)).map(describeMember),
    CreatedTime: new Date(row.created),
    SuspendedProcesses: row.suspended.map((ProcessName) => ({ ProcessName, SuspensionReason: 'User suspended at request' })),
    PlacementGroup: row.placementGroup,
    VPCZoneIdentifier: row.subnets.map(({ id }) => id).join(','),
    EnabledMetrics: row.metrics.map((Metric) => ({ Metric, Granularity: '1Minute' })),
    Status: row.deleting === true ? 'Delete in progress' : undefined,
    Tags: row.tags.map((tag) => describeTag(row.name, tag)),
    TerminationPolicies: [...row.terminationPolicies],
    NewInstancesProtectedFromScaleIn: row.protectNew,
    ServiceLinkedRoleARN: row.serviceLinkedRole,
    MaxInstanceLifetime: row.maxLifetime,
    WarmPoolConfiguration: row.warmPool === undefined ? undefined : describePool(row.warmPool),
    WarmPoolSize: row.warmPool === undefined ? undefined : members.filter(inWarmPool).length,
    CapacityRebalance: row.rebalances === true,
    DefaultInstanceWarmup: row.warmup,
    TrafficSources: row.targetGroups.map((Identifier) => ({ Identifier, Type: 'elbv2' })),
  };
}

/** Sets the desired capacity in the transaction that has a reason for it; the reason is what the activities that follow tell. */
export async function putDesired(
  tx: Transaction,
  row: GroupRow,
  desired: number,
  cause: string,
  policy?: string,
): Promise<GroupRow> {
  const changed: GroupRow = { ...row, desired, cause, causePolicy: policy };
  await tx.table(Groups).put(changed);
  tx.hint('groups', row.name);
  return changed;
}

function matches(row: GroupRow, filters: readonly { Name?: string | undefined; Values?: string[] | undefined }[]): boolean {
  return filters.every(({ Name = '', Values = [] }) => {
    if (Name === 'tag-key') return row.tags.some((tag) => Values.includes(tag.key));
    if (Name === 'tag-value') return row.tags.some((tag) => Values.includes(tag.value));
    if (Name.startsWith('tag:')) return row.tags.some((tag) => tag.key === Name.slice(4) && Values.includes(tag.value));
    throw validationError(`Filter type ${Name} is not correct. Allowed Filter types are: tag-key, tag-value, tag:key`);
  });
}

export const groupHandlers: HandlersOf<AutoScaling> = {
  /** Throws AlreadyExists for the name, ValidationError for whatever else is wrong. */
  async CreateAutoScalingGroup(input, ctx) {
    refuseAbsent('CreateAutoScalingGroup', input);
    const { AutoScalingGroupName: name = '', MinSize: min = 0, MaxSize: max = 0 } = input;
    if (name.length < 1 || name.length > 255 || name.includes(':'))
      throw validationError('AutoScalingGroupName must be 1 to 255 characters without a colon.');
    checkSettings('CreateAutoScalingGroup', input);
    checkSizes({ min, max, desired: input.DesiredCapacity ?? min });
    const launch = await readLaunchChoice(ctx, 'CreateAutoScalingGroup', input);
    if (launch === undefined)
      throw validationError(
        'Valid requests must contain either LaunchTemplate, LaunchConfigurationName, InstanceId or MixedInstancesPolicy parameter.',
      );
    const places = await readPlaces(ctx, input);
    if (places === undefined) throw validationError('At least one Availability Zone or VPC Subnet is required.');
    await checkTargetGroups(ctx, input.TargetGroupARNs ?? []);
    const hooks = (input.LifecycleHookSpecificationList ?? []).map((one) => readHook({ ...one, AutoScalingGroupName: name }));
    const desired = input.DesiredCapacity ?? min;
    const row: GroupRow = {
      name,
      arn: `arn:aws:autoscaling:${ctx.region}:${ctx.account}:autoScalingGroup:${ctx.uuid()}:autoScalingGroupName/${name}`,
      created: ctx.now,
      launch,
      min,
      max,
      desired,
      ...places,
      cooldown: input.DefaultCooldown ?? 300,
      healthCheckType: input.HealthCheckType ?? 'EC2',
      gracePeriod: input.HealthCheckGracePeriod ?? 0,
      placementGroup: input.PlacementGroup,
      terminationPolicies: input.TerminationPolicies?.length ? input.TerminationPolicies : ['Default'],
      protectNew: input.NewInstancesProtectedFromScaleIn === true,
      rebalances: input.CapacityRebalance,
      maxLifetime: input.MaxInstanceLifetime || undefined,
      warmup: input.DefaultInstanceWarmup,
      targetGroups: input.TargetGroupARNs ?? [],
      serviceLinkedRole: await serviceLinkedRole(ctx),
      suspended: [],
      metrics: [],
      tags: readTags(input.Tags),
      cause: `At ${stamp(ctx.now)} a user request created an AutoScalingGroup changing the desired capacity from 0 to ${desired}.`,
      replacements: 0,
      avoided: {},
    };
    await ctx.transact(async (tx) => {
      if ((await tx.table(Groups).get(name)) !== undefined)
        throw alreadyExists(`AutoScalingGroup by this name already exists - A group with the name ${name} already exists`);
      await tx.table(Groups).put(row);
      for (const hook of hooks) await tx.table(Hooks).put(hook);
      await tx.schedule({ task: 'look', key: name, due: ctx.now + lookMillis });
      tx.hint('groups', name);
    });
    return {};
  },

  /** New sizes move the desired capacity with them; running instances stay as they are when the launch choice changes. */
  async UpdateAutoScalingGroup(input, ctx) {
    refuseAbsent('UpdateAutoScalingGroup', input);
    checkSettings('UpdateAutoScalingGroup', input);
    await requireGroup(ctx, input.AutoScalingGroupName);
    const launch = await readLaunchChoice(ctx, 'UpdateAutoScalingGroup', input);
    const places = await readPlaces(ctx, input);
    await ctx.transact(async (tx) => {
      const row = await requireGroup(tx, input.AutoScalingGroupName);
      const [min, max] = [input.MinSize ?? row.min, input.MaxSize ?? row.max];
      // Without a desired capacity of its own the request pulls it inside the new bounds.
      const desired = input.DesiredCapacity ?? Math.max(min, Math.min(max, row.desired));
      checkSizes({ min, max, desired });
      const changed: GroupRow = {
        ...row,
        ...places,
        launch: launch ?? row.launch,
        min,
        max,
        cooldown: input.DefaultCooldown ?? row.cooldown,
        healthCheckType: input.HealthCheckType ?? row.healthCheckType,
        gracePeriod: input.HealthCheckGracePeriod ?? row.gracePeriod,
        placementGroup: input.PlacementGroup ?? row.placementGroup,
        terminationPolicies: input.TerminationPolicies?.length ? input.TerminationPolicies : row.terminationPolicies,
        protectNew: input.NewInstancesProtectedFromScaleIn ?? row.protectNew,
        rebalances: input.CapacityRebalance ?? row.rebalances,
        maxLifetime: input.MaxInstanceLifetime === undefined ? row.maxLifetime : input.MaxInstanceLifetime || undefined,
        warmup:
          input.DefaultInstanceWarmup === undefined
            ? row.warmup
            : input.DefaultInstanceWarmup < 0
              ? undefined
              : input.DefaultInstanceWarmup,
      };
      if (desired === row.desired) {
        await tx.table(Groups).put(changed);
        tx.hint('groups', row.name);
      } else {
        const cause = `At ${stamp(ctx.now)} a user request update of AutoScalingGroup constraints to min: ${min}, max: ${max}, desired: ${desired} changing the desired capacity from ${row.desired} to ${desired}.`;
        await putDesired(tx, changed, desired, cause);
      }
    });
    return {};
  },

  async SetDesiredCapacity({ AutoScalingGroupName: name, DesiredCapacity: desired = 0, HonorCooldown: honor }, ctx) {
    await ctx.transact(async (tx) => {
      const row = await requireGroup(tx, name);
      if (desired > row.max)
        throw validationError(`New SetDesiredCapacity value ${desired} is above max value ${row.max} for the AutoScalingGroup.`);
      if (desired < row.min)
        throw validationError(`New SetDesiredCapacity value ${desired} is below min value ${row.min} for the AutoScalingGroup.`);
      if (honor === true && (row.cooling?.until ?? 0) > ctx.now)
        throw activityInProgress('Scaling activity is in cooldown and blocks this action');
      if (desired === row.desired) return;
      const cause = `At ${stamp(ctx.now)} a user request explicitly set group desired capacity changing the desired capacity from ${row.desired} to ${desired}.`;
      await putDesired(tx, row, desired, cause);
    });
    return {};
  },

  /** With ForceDelete the instances are terminated, without hooks; the group is gone when they are. */
  async DeleteAutoScalingGroup({ AutoScalingGroupName: name = '', ForceDelete: force }, ctx) {
    await requireGroup(ctx, name);
    await ctx.transact(async (tx) => {
      const row = await requireGroup(tx, name);
      const members = await tx.table(Members).list({ prefix: [name] });
      if (members.length > 0 && force !== true)
        throw resourceInUse(
          'You cannot delete an AutoScalingGroup while there are instances or pending Spot instance request(s) still in the group.',
        );
      await tx.table(Groups).put({
        ...row,
        deleting: true,
        min: 0,
        desired: 0,
        cause: `At ${stamp(ctx.now)} a user request force deleted AutoScalingGroup changing the desired capacity from ${row.desired} to 0.`,
      });
      if (members.length === 0) await forgetGroup(tx, name);
      tx.hint('groups', name);
    });
    await deleteAlarmsOf(ctx, name);
    return {};
  },

  async DescribeAutoScalingGroups(input, ctx) {
    const { AutoScalingGroupNames: names = [], Filters: filters = [], IncludeInstances: withInstances = true } = input;
    const rows = (await ctx.table(Groups).list()).filter(
      (row) => (names.length === 0 || names.includes(row.name)) && matches(row, filters),
    );
    const page = pageFor('groups', rows, (row) => [row.name], input);
    const groups = await Promise.all(
      page.items.map(async (row) =>
        describeGroup(row, withInstances ? await ctx.table(Members).list({ prefix: [row.name] }) : []),
      ),
    );
    return { AutoScalingGroups: groups, NextToken: page.nextToken };
  },
};

/** Removes a group with all that hangs on it but its activities and the alarms of its policies. */
export async function forgetGroup(tx: Transaction, name: string): Promise<void> {
  for (const row of await tx.table(Hooks).list({ prefix: [name] })) await tx.table(Hooks).delete(name, row.name);
  for (const row of await tx.table(Policies).list({ prefix: [name] })) await removePolicy(tx, row);
  for (const row of await tx.table(Schedules).list({ prefix: [name] })) {
    await tx.unschedule('schedule', `${name}/${row.name}`);
    await tx.table(Schedules).delete(name, row.name);
  }
  for (const row of await tx.table(Refreshes).list({ prefix: [name] })) await tx.table(Refreshes).delete(name, row.start, row.id);
  for (const { topic } of await tx.table(Notifications).list({ prefix: [name] }))
    await tx.table(Notifications).delete(name, topic);
  await tx.unschedule('look', name);
  await tx.table(Groups).delete(name);
}
