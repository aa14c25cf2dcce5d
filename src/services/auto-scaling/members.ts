/** The instances of groups: shown, attached, detached, put on standby, protected, declared unhealthy, terminated by hand. */
import type { AutoScaling, Instance, LifecycleState } from '@aws-sdk/client-auto-scaling';
import type { Context, Transaction } from '../../kernel/context.ts';
import { AwsError, parameterNotImplemented } from '../../kernel/errors.ts';
import type { HandlersOf } from '../../kernel/service.ts';
import { beginActivity, describeActivity, endActivity, stamp } from './activities.ts';
import { instanceNotFound, validationError } from './errors.ts';
import { requireGroup } from './groups.ts';
import { pageFor } from './lists.ts';
import { type ActivityRow, type GroupRow, Groups, type MemberRow, Members } from './state.ts';

export function describeMember(row: MemberRow): Instance {
  return {
    InstanceId: row.instanceId,
    InstanceType: row.type,
    AvailabilityZone: row.zone,
    LifecycleState: row.state,
    HealthStatus: row.healthy ? 'Healthy' : 'Unhealthy',
    LaunchConfigurationName: row.configuration,
    LaunchTemplate:
      row.template === undefined
        ? undefined
        : { LaunchTemplateId: row.template.id, LaunchTemplateName: row.template.name, Version: row.template.version },
    ImageId: row.imageId,
    ProtectedFromScaleIn: row.protected,
    WeightedCapacity: row.weight === undefined ? undefined : String(row.weight),
  };
}

/** Whether a member counts towards the desired capacity. */
export function counts({ state }: Pick<MemberRow, 'state'>): boolean {
  return state.startsWith('Pending') || state === 'InService';
}

/** Capacity of members in the group's unit: their number, or the sum of their weights. */
export function capacityOf(members: readonly Pick<MemberRow, 'weight'>[]): number {
  return members.reduce((sum, { weight = 1 }) => sum + weight, 0);
}

/** Whether a member is in the warm pool, or on its way there or out of it to its end. */
export function inWarmPool({ state }: Pick<MemberRow, 'state'>): boolean {
  return state.startsWith('Warmed:');
}

/** The state in which a member's end begins. */
export function terminating(member: Pick<MemberRow, 'state'>): LifecycleState {
  return inWarmPool(member) ? 'Warmed:Terminating' : 'Terminating';
}

/** Members of a group by instance id. Throws ValidationError for an instance that is not in it. */
async function membersOf(tx: Transaction, group: GroupRow, ids: readonly string[]): Promise<MemberRow[]> {
  return Promise.all(
    ids.map(async (id) => {
      const row = await tx.table(Members).firstByIndex('byInstance', [id]);
      if (row === undefined || row.group !== group.name)
        throw validationError(`The instance ${id} is not part of Auto Scaling group ${group.name}.`);
      return row;
    }),
  );
}

/** Lowers the desired capacity with instances that go. Throws when that is below the minimum. */
async function decrement(tx: Transaction, group: GroupRow, by: number): Promise<GroupRow> {
  if (group.desired - by < group.min)
    throw validationError(
      `AutoScalingGroup ${group.name} has min-size=${group.min}, max-size=${group.max}, and desired-size=${group.desired}. To place into standby ${by} instance, please update the AutoScalingGroup sizes appropriately.`,
    );
  const changed = { ...group, desired: group.desired - by };
  await tx.table(Groups).put(changed);
  return changed;
}

async function record(
  tx: Transaction,
  ctx: Context,
  group: GroupRow,
  member: MemberRow,
  words: { description: string; did: string; decrementing?: boolean | undefined },
): Promise<ActivityRow> {
  const shrink = words.decrementing === true ? `, shrinking the capacity from ${group.desired + 1} to ${group.desired}` : '';
  return beginActivity(tx, ctx, group, {
    description: `${words.description}: ${member.instanceId}`,
    cause: `At ${stamp(ctx.now)} instance ${member.instanceId} was ${words.did} in response to a user request${shrink}.`,
    status: 'InProgress',
    member,
  });
}

/** Instances that run and are in no group, as AttachInstances wants them. */
async function attachable(ctx: Context, group: GroupRow, ids: readonly string[]): Promise<MemberRow[]> {
  const { Reservations = [] } = await ctx
    .asService()
    .call('ec2')
    .describeInstances({ InstanceIds: [...ids] })
    .catch((error: unknown) => {
      if (error instanceof AwsError) throw validationError(`Invalid Instance ID(s): [${ids.join(', ')}] not found`);
      throw error;
    });
  const found = Reservations.flatMap(({ Instances = [] }) => Instances);
  return ids.map((id) => {
    const one = found.find(({ InstanceId }) => InstanceId === id);
    if (one?.State?.Name !== 'running')
      throw validationError(`Instance ${id} is not in correct state. Instance(s) must be in 'running' state.`);
    const zone = one.Placement?.AvailabilityZone ?? '';
    if (!group.zones.includes(zone))
      throw validationError(`Instance ${id} is in availability zone ${zone}, which the group does not use.`);
    return {
      group: group.name,
      slot: ctx.uuid(),
      instanceId: id,
      zone,
      subnetId: one.SubnetId,
      type: one.InstanceType,
      imageId: one.ImageId,
      state: 'Pending',
      healthy: true,
      protected: group.protectNew,
      spot: one.InstanceLifecycle === 'spot',
      launched: one.LaunchTime?.getTime() ?? ctx.now,
      registered: [],
    };
  });
}

export const memberHandlers: HandlersOf<AutoScaling> = {
  async DescribeAutoScalingInstances(input, ctx) {
    const ids = input.InstanceIds ?? [];
    const rows = (await ctx.table(Members).list()).filter(
      (row) => row.instanceId !== undefined && (ids.length === 0 || ids.includes(row.instanceId)),
    );
    const page = pageFor('instances', rows, (row) => [row.group, row.slot], input, 50);
    const shown = page.items.map((row) => ({ ...describeMember(row), AutoScalingGroupName: row.group }));
    return { AutoScalingInstances: shown, NextToken: page.nextToken };
  },

  /** The desired capacity grows with them; above the maximum it is refused. */
  async AttachInstances({ AutoScalingGroupName: name, InstanceIds: ids = [] }, ctx) {
    const members = await attachable(ctx, await requireGroup(ctx, name), ids);
    await ctx.transact(async (tx) => {
      const group = await requireGroup(tx, name);
      if (group.desired + members.length > group.max)
        throw validationError(
          `AutoScalingGroup ${group.name} has max-size=${group.max} and desired-size=${group.desired}. To attach ${members.length} instance(s), please update the AutoScalingGroup sizes appropriately.`,
        );
      await tx.table(Groups).put({ ...group, desired: group.desired + members.length });
      for (const member of members) {
        const other = await tx.table(Members).firstByIndex('byInstance', [member.instanceId ?? '']);
        if (other !== undefined)
          throw validationError(`Instance ${member.instanceId} is already part of AutoScalingGroup:${other.group}.`);
        const { id } = await record(tx, ctx, group, member, {
          description: 'Attaching an existing EC2 instance',
          did: 'attached',
        });
        await tx.table(Members).put({ ...member, activity: id });
      }
      tx.hint('groups', group.name);
    });
    await ctx
      .asService()
      .call('ec2')
      .createTags({ Resources: ids, Tags: [{ Key: 'aws:autoscaling:groupName', Value: name }] });
    return {};
  },

  async DetachInstances({ AutoScalingGroupName: name, InstanceIds: ids = [], ShouldDecrementDesiredCapacity: shrink }, ctx) {
    const activities = await ctx.transact(async (tx) => {
      let group = await requireGroup(tx, name);
      const found = await membersOf(tx, group, ids);
      const rows: ActivityRow[] = [];
      for (const member of found) {
        if (shrink === true && counts(member)) group = await decrement(tx, group, capacityOf([member]));
        const row = await record(tx, ctx, group, member, {
          description: 'Detaching EC2 instance',
          did: 'detached',
          decrementing: shrink,
        });
        await tx.table(Members).put({ ...member, state: 'Detaching', detaching: true, activity: row.id });
        rows.push(row);
      }
      tx.hint('groups', group.name);
      return rows;
    });
    return { Activities: activities.map(describeActivity) };
  },

  async EnterStandby({ AutoScalingGroupName: name, InstanceIds: ids = [], ShouldDecrementDesiredCapacity: shrink }, ctx) {
    const activities = await ctx.transact(async (tx) => {
      let group = await requireGroup(tx, name);
      const rows: ActivityRow[] = [];
      for (const member of await membersOf(tx, group, ids)) {
        if (member.state !== 'InService')
          throw validationError(`The instance ${member.instanceId} is not in InService or Standby state.`);
        if (shrink === true) group = await decrement(tx, group, capacityOf([member]));
        const row = await record(tx, ctx, group, member, {
          description: 'Moving EC2 instance to Standby',
          did: 'moved to standby',
          decrementing: shrink,
        });
        await tx.table(Members).put({ ...member, state: 'EnteringStandby', activity: row.id });
        rows.push(row);
      }
      tx.hint('groups', group.name);
      return rows;
    });
    return { Activities: activities.map(describeActivity) };
  },

  /** The desired capacity grows with those that come back. */
  async ExitStandby({ AutoScalingGroupName: name, InstanceIds: ids = [] }, ctx) {
    const activities = await ctx.transact(async (tx) => {
      const group = await requireGroup(tx, name);
      const found = await membersOf(tx, group, ids);
      const capacity = capacityOf(found);
      if (group.desired + capacity > group.max)
        throw validationError(
          `AutoScalingGroup ${group.name} has min-size=${group.min}, max-size=${group.max}, and desired-size=${group.desired}. To bring ${found.length} instance(s) back into service, please update the AutoScalingGroup sizes appropriately.`,
        );
      const rows: ActivityRow[] = [];
      for (const member of found) {
        if (member.state !== 'Standby') throw validationError(`The instance ${member.instanceId} is not in Standby state.`);
        const row = await record(tx, ctx, group, member, {
          description: 'Moving EC2 instance out of Standby',
          did: 'moved out of standby',
        });
        await tx.table(Members).put({ ...member, state: 'Pending', activity: row.id });
        rows.push(row);
      }
      await tx.table(Groups).put({ ...group, desired: group.desired + capacity });
      tx.hint('groups', group.name);
      return rows;
    });
    return { Activities: activities.map(describeActivity) };
  },

  async SetInstanceProtection({ AutoScalingGroupName: name, InstanceIds: ids = [], ProtectedFromScaleIn: on = false }, ctx) {
    await ctx.transact(async (tx) => {
      for (const member of await membersOf(tx, await requireGroup(tx, name), ids))
        await tx.table(Members).put({ ...member, protected: on });
    });
    return {};
  },

  /** During the grace period nothing happens, unless the caller says otherwise. */
  async SetInstanceHealth({ InstanceId: id = '', HealthStatus: status, ShouldRespectGracePeriod: respect = true }, ctx) {
    if (status !== 'Healthy' && status !== 'Unhealthy')
      throw validationError(`Invalid health status: ${status}. Valid values are: Healthy, Unhealthy`);
    await ctx.transact(async (tx) => {
      const member = await tx.table(Members).firstByIndex('byInstance', [id]);
      const group = member === undefined ? undefined : await tx.table(Groups).get(member.group);
      if (member === undefined || group === undefined) throw instanceNotFound(id);
      const young = ctx.now < (member.inService ?? ctx.now) + group.gracePeriod * 1000;
      if (status === 'Unhealthy' && respect && young) return;
      const healthy = status === 'Healthy';
      await tx
        .table(Members)
        .put({ ...member, healthy, unhealthyBecause: healthy ? undefined : 'in response to a user health-check' });
      tx.hint('groups', group.name);
    });
    return {};
  },

  async TerminateInstanceInAutoScalingGroup(
    { InstanceId: id, InstanceIds: several, AutoScalingGroupName: named, ShouldDecrementDesiredCapacity: shrink },
    ctx,
  ) {
    if (several !== undefined) throw parameterNotImplemented('TerminateInstanceInAutoScalingGroup', 'InstanceIds');
    const activity = await ctx.transact(async (tx) => {
      const member = await tx.table(Members).firstByIndex('byInstance', [id ?? '']);
      if (member === undefined || (named !== undefined && named !== member.group)) throw instanceNotFound(id);
      const found = await requireGroup(tx, member.group);
      if (member.state.includes('Terminating')) throw validationError(`Instance ${id} is already terminating.`);
      const group = shrink === true && counts(member) ? await decrement(tx, found, capacityOf([member])) : found;
      await endActivity(tx, ctx, member.activity, 'Cancelled');
      const row = await record(tx, ctx, group, member, {
        description: 'Terminating EC2 instance',
        did: 'taken out of service',
        decrementing: shrink,
      });
      await tx.table(Members).put({ ...member, state: terminating(member), activity: row.id, actions: undefined });
      tx.hint('groups', group.name);
      return row;
    });
    return { Activity: describeActivity(activity) };
  },
};
