/** Instance refreshes: started, cancelled, rolled back, described. Their work is refresh-step.ts's. */
import type { AutoScaling, DesiredConfiguration, InstanceRefresh, RefreshPreferences } from '@aws-sdk/client-auto-scaling';
import { AwsError, parameterNotImplemented } from '../../kernel/errors.ts';
import type { Context } from '../../kernel/context.ts';
import type { HandlersOf } from '../../kernel/service.ts';
import { validationError } from './errors.ts';
import { requireGroup } from './groups.ts';
import { readLaunchChoice, resolveVersion, templateOf } from './launch-choice.ts';
import { pageFor } from './lists.ts';
import { counts } from './members.ts';
import { activeRefresh, beginRollback } from './refresh-step.ts';
import { type GroupRow, Groups, type LaunchChoice, type MemberRow, Members, type RefreshRow, Refreshes } from './state.ts';

const inRange = (name: string, value: number, least: number, most: number): number => {
  if (value < least || value > most) throw validationError(`${name} must be between ${least} and ${most}.`);
  return value;
};

/** Preferences with AWS's defaults ("RefreshPreferences", API Reference). Throws ValidationError; a maximum above 100 percent is not built. */
function readPreferences(given: RefreshPreferences): RefreshRow['preferences'] {
  const max = given.MaxHealthyPercentage;
  if (max !== undefined) inRange('MaxHealthyPercentage', max, 100, 200);
  if (max !== undefined && max > 100) throw parameterNotImplemented('StartInstanceRefresh', 'MaxHealthyPercentage above 100');
  const {
    CheckpointPercentages: checkpoints = [],
    ScaleInProtectedInstances: guarded = 'Wait',
    StandbyInstances: standby = 'Wait',
  } = given;
  for (const [index, percent] of checkpoints.entries()) {
    inRange('CheckpointPercentages', percent, 1, 100);
    if (percent <= (checkpoints[index - 1] ?? 0))
      throw validationError('CheckpointPercentages must be unique and in ascending order.');
  }
  if (given.CheckpointDelay !== undefined && checkpoints.length === 0)
    throw validationError('CheckpointDelay can be specified only together with CheckpointPercentages.');
  if (!['Refresh', 'Ignore', 'Wait'].includes(guarded)) throw validationError(`Invalid ScaleInProtectedInstances: ${guarded}.`);
  if (!['Terminate', 'Ignore', 'Wait'].includes(standby)) throw validationError(`Invalid StandbyInstances: ${standby}.`);
  return {
    MinHealthyPercentage: inRange('MinHealthyPercentage', given.MinHealthyPercentage ?? 90, 0, 100),
    InstanceWarmup: given.InstanceWarmup,
    CheckpointPercentages: checkpoints,
    CheckpointDelay: inRange('CheckpointDelay', given.CheckpointDelay ?? 3600, 0, 172_800),
    SkipMatching: given.SkipMatching === true,
    AutoRollback: given.AutoRollback === true,
    ScaleInProtectedInstances: guarded,
    StandbyInstances: standby,
    BakeTime: inRange('BakeTime', given.BakeTime ?? 0, 0, 172_800),
    AlarmSpecification: given.AlarmSpecification,
  };
}

/** Whether a member is what the choice launches now: the same version of the template, or the same configuration. */
function matches(choice: LaunchChoice, version: string | undefined, member: MemberRow): boolean {
  const template = templateOf({ launch: choice });
  if (template === undefined) return member.configuration === choice.configuration;
  return member.template?.id === template.id && member.template.version === version;
}

/** Slots of the members that a refresh replaces. */
async function oldSlots(
  ctx: Context,
  group: GroupRow,
  launch: LaunchChoice,
  wishes: RefreshRow['preferences'],
): Promise<string[]> {
  const template = templateOf({ launch });
  const version = template === undefined ? undefined : await resolveVersion(ctx, template);
  return (await ctx.table(Members).list({ prefix: [group.name] }))
    .filter((member) => counts(member) || member.state === 'Standby')
    .filter((member) => !(wishes.SkipMatching && matches(launch, version, member)))
    .filter((member) => !(member.protected && wishes.ScaleInProtectedInstances === 'Ignore'))
    .filter((member) => !(member.state === 'Standby' && wishes.StandbyInstances === 'Ignore'))
    .map(({ slot }) => slot);
}

async function readDesired(ctx: Context, given: DesiredConfiguration | undefined): Promise<LaunchChoice | undefined> {
  if (given === undefined) return undefined;
  const { LaunchTemplate, MixedInstancesPolicy } = given;
  return readLaunchChoice(ctx, 'StartInstanceRefresh', { LaunchTemplate, MixedInstancesPolicy });
}

/** Why a refresh cannot be undone: it has no desired configuration, or the group follows a moving version. */
function irreversible(row: RefreshRow, group: GroupRow): string | undefined {
  if (row.desired === undefined) return 'The instance refresh does not have a desired configuration specified.';
  const version = templateOf(group)?.version;
  return version === '$Latest' || version === '$Default'
    ? 'The Auto Scaling group has a launch template version of $Latest or $Default.'
    : undefined;
}

function describeRefresh(row: RefreshRow): InstanceRefresh {
  return {
    InstanceRefreshId: row.id,
    AutoScalingGroupName: row.group,
    Status: row.status,
    StatusReason: row.reason,
    StartTime: new Date(row.start),
    EndTime: row.end === undefined ? undefined : new Date(row.end),
    PercentageComplete: row.percentage,
    InstancesToUpdate: row.toUpdate,
    Preferences: { ...row.preferences, CheckpointPercentages: [...row.preferences.CheckpointPercentages] },
    DesiredConfiguration: row.desired,
    Strategy: 'Rolling',
    RollbackDetails:
      row.rollback === undefined
        ? undefined
        : {
            RollbackReason: row.rollback.reason,
            RollbackStartTime: new Date(row.rollback.start),
            PercentageCompleteOnRollback: row.rollback.percentage,
            InstancesToUpdateOnRollback: row.rollback.toUpdate,
          },
  };
}

const nothingActive = (group: string) =>
  new AwsError(
    'ActiveInstanceRefreshNotFound',
    `No in progress or pending Instance Refresh found for Auto Scaling group ${group}`,
  );

export const refreshHandlers: HandlersOf<AutoScaling> = {
  /** Throws InstanceRefreshInProgress while another one runs. The group keeps its launch choice until the refresh has succeeded. */
  async StartInstanceRefresh(
    { AutoScalingGroupName: name, Strategy: strategy = 'Rolling', DesiredConfiguration, Preferences = {} },
    ctx,
  ) {
    if (strategy !== 'Rolling') throw parameterNotImplemented('StartInstanceRefresh', `Strategy ${strategy}`);
    const group = await requireGroup(ctx, name);
    const preferences = readPreferences(Preferences);
    const desired = await readDesired(ctx, DesiredConfiguration);
    const launch = desired ?? group.launch;
    const slots = await oldSlots(ctx, group, launch, preferences);
    const row: RefreshRow = {
      group: group.name,
      id: ctx.uuid(),
      start: ctx.now,
      status: 'Pending',
      preferences,
      desired: desired === undefined ? undefined : (JSON.parse(JSON.stringify(DesiredConfiguration)) as DesiredConfiguration),
      launch,
      warmupMillis: (preferences.InstanceWarmup ?? group.warmup ?? group.gracePeriod) * 1000,
      slots,
      total: slots.length,
      percentage: 0,
      toUpdate: slots.length,
      checkpoint: 0,
      progressed: ctx.now,
    };
    const auto = preferences.AutoRollback ? irreversible(row, group) : undefined;
    if (auto !== undefined) throw validationError(`AutoRollback cannot be set to true. ${auto}`);
    await ctx.transact(async (tx) => {
      const current = await requireGroup(tx, name);
      if ((await activeRefresh(tx, current.name)) !== undefined)
        throw new AwsError(
          'InstanceRefreshInProgress',
          'An Instance Refresh is already in progress and blocks the execution of this Instance Refresh.',
        );
      await tx.table(Refreshes).put(row);
      await tx.table(Groups).put({ ...current, refreshing: desired });
      await tx.emit({
        source: 'aws.autoscaling',
        detailType: 'EC2 Auto Scaling Instance Refresh Started',
        detail: { InstanceRefreshId: row.id, AutoScalingGroupName: row.group },
        resources: [current.arn],
      });
      tx.hint('groups', row.group);
    });
    return { InstanceRefreshId: row.id };
  },

  /** What is being replaced is finished; nothing is turned back. */
  async CancelInstanceRefresh({ AutoScalingGroupName: name = '', WaitForTransitioningInstances: wait }, ctx) {
    if (wait === false) throw parameterNotImplemented('CancelInstanceRefresh', 'WaitForTransitioningInstances false');
    return ctx.transact(async (tx) => {
      await requireGroup(tx, name);
      const row = await activeRefresh(tx, name);
      if (row === undefined) throw nothingActive(name);
      await tx.table(Refreshes).put({ ...row, status: 'Cancelling' });
      tx.hint('groups', name);
      return { InstanceRefreshId: row.id };
    });
  },

  /** Throws IrreversibleInstanceRefresh where there is nothing to go back to. */
  async RollbackInstanceRefresh({ AutoScalingGroupName: name = '' }, ctx) {
    return ctx.transact(async (tx) => {
      const group = await requireGroup(tx, name);
      const row = await activeRefresh(tx, name);
      if (row === undefined || row.status === 'RollbackInProgress') throw nothingActive(name);
      const reason = irreversible(row, group);
      if (reason !== undefined) throw new AwsError('IrreversibleInstanceRefresh', reason);
      await beginRollback(tx, ctx, row, 'User initiated rollback.');
      return { InstanceRefreshId: row.id };
    });
  },

  /** The newest first. */
  async DescribeInstanceRefreshes(input, ctx) {
    const group = await requireGroup(ctx, input.AutoScalingGroupName);
    const { InstanceRefreshIds: ids = [] } = input;
    const rows = (await ctx.table(Refreshes).list({ prefix: [group.name] })).filter(
      ({ id }) => ids.length === 0 || ids.includes(id),
    );
    const page = pageFor('refreshes', rows, (row) => [-row.start, row.id], input);
    return { InstanceRefreshes: page.items.map(describeRefresh), NextToken: page.nextToken };
  },
};
