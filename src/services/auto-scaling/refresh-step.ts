/**
 * Carries a group's instance refresh a step further, as part of the group's reconciliation: ends the next old instances while enough healthy ones stay,
 * waits at checkpoints, and decides when it has succeeded, failed, been cancelled or been rolled back. The launches that make up for what is ended
 * are the group's ordinary ones. Source: Auto Scaling User Guide, "How an instance refresh works", "Undo changes with a rollback".
 */
import type { InstanceRefreshStatus } from '@aws-sdk/client-auto-scaling';
import type { Context, Transaction } from '../../kernel/context.ts';
import { stamp } from './activities.ts';
import { capacityOf, counts, inWarmPool } from './members.ts';
import { type GroupRow, Groups, type LaunchChoice, type MemberRow, Members, type RefreshRow, Refreshes } from './state.ts';

/** Cloud time without progress after which a refresh fails ("it waits up to an hour"). */
const stalledMillis = 3_600_000;

const activeStatuses: readonly InstanceRefreshStatus[] = ['Pending', 'InProgress', 'Baking', 'Cancelling', 'RollbackInProgress'];

/** The refresh that is under way in a group. */
export async function activeRefresh(
  reader: Pick<Context | Transaction, 'table'>,
  group: string,
): Promise<RefreshRow | undefined> {
  return (await reader.table(Refreshes).list({ prefix: [group] })).find(({ status }) => activeStatuses.includes(status));
}

/** Where a refresh stands, from its members. */
interface Progress {
  /** Old instances in the group that are still to be ended. */
  left: readonly MemberRow[];
  /** Places in which an old instance is leaving, or its successor is not ready yet. */
  underWay: number;
  /** Old instances whose successors are ready. */
  done: number;
}

/** Pure: counts what is left, under way and done. A successor is ready once it has been in service for the warmup. */
function progressOf(row: RefreshRow, group: Pick<GroupRow, 'desired'>, members: readonly MemberRow[], now: number): Progress {
  const old = new Set(row.slots);
  const left = members.filter((member) => old.has(member.slot) && (counts(member) || member.state === 'Standby'));
  const leaving = members.filter((member) => old.has(member.slot) && !left.includes(member));
  const fresh = members.filter((member) => !old.has(member.slot) && counts(member));
  const cold = fresh.filter(({ state, inService }) => state !== 'InService' || now < (inService ?? now) + row.warmupMillis);
  const missing = Math.max(0, group.desired - capacityOf(left.filter(counts)) - capacityOf(fresh));
  const underWay = Math.min(row.total - left.length, Math.max(leaving.length, missing + cold.length));
  return { left, underWay, done: Math.max(0, row.total - left.length - underWay) };
}

function percentOf(done: number, total: number): number {
  return total === 0 ? 100 : Math.floor((100 * done) / total);
}

/** How many more may leave now: the minimum of healthy instances, and the next checkpoint, bound it; one at a time always goes ("at least one"). */
function nextBatch(row: RefreshRow, group: Pick<GroupRow, 'desired'>, { left, underWay, done }: Progress): number {
  const healthyMin = Math.ceil((group.desired * row.preferences.MinHealthyPercentage) / 100);
  const together = Math.max(1, group.desired - healthyMin);
  const checkpoint = row.preferences.CheckpointPercentages[row.checkpoint] ?? 100;
  const untilCheckpoint = Math.ceil((row.total * checkpoint) / 100) - done - underWay;
  return Math.max(0, Math.min(together - underWay, untilCheckpoint, left.length));
}

/** Announces a change of a refresh ("Instance refresh events"). */
async function announce(tx: Transaction, group: GroupRow, row: RefreshRow, what: string): Promise<void> {
  await tx.emit({
    source: 'aws.autoscaling',
    detailType: `EC2 Auto Scaling Instance Refresh ${what}`,
    detail: {
      InstanceRefreshId: row.id,
      AutoScalingGroupName: row.group,
      ...(what === 'Checkpoint Reached'
        ? { CheckpointPercentage: String(row.percentage), CheckpointDelay: String(row.preferences.CheckpointDelay) }
        : {}),
    },
    resources: [group.arn],
  });
}

async function change(
  ctx: Context,
  row: RefreshRow,
  to: Partial<RefreshRow>,
  { launch, what }: { launch?: LaunchChoice | undefined; what?: string } = {},
): Promise<void> {
  await ctx.transact(async (tx) => {
    const [current, group] = [await tx.table(Refreshes).get(row.group, row.start, row.id), await tx.table(Groups).get(row.group)];
    if (current === undefined || group === undefined || current.status !== row.status) return;
    const changed = { ...current, ...to };
    await tx.table(Refreshes).put(changed);
    const ended = !activeStatuses.includes(changed.status);
    if (ended || launch !== undefined)
      await tx.table(Groups).put({ ...group, launch: launch ?? group.launch, refreshing: ended ? undefined : group.refreshing });
    if (what !== undefined) await announce(tx, group, changed, what);
    tx.hint('groups', row.group);
  });
}

/** Turns back: what was replaced so far is replaced again, by what the group launched before. Used by failures and by RollbackInstanceRefresh. */
export async function beginRollback(tx: Transaction, ctx: Context, row: RefreshRow, reason: string): Promise<RefreshRow> {
  const group = await tx.table(Groups).get(row.group);
  if (group === undefined) return row;
  const members = await tx.table(Members).list({ prefix: [row.group] });
  const old = new Set(row.slots);
  const slots = members.filter((member) => !old.has(member.slot) && counts(member)).map(({ slot }) => slot);
  const { left } = progressOf(row, group, members, ctx.now);
  const changed: RefreshRow = {
    ...row,
    status: 'RollbackInProgress',
    reason,
    slots,
    total: slots.length,
    checkpoint: row.preferences.CheckpointPercentages.length,
    waitUntil: undefined,
    progressed: ctx.now,
    percentage: percentOf(0, slots.length),
    toUpdate: slots.length,
    rollback: { reason, start: ctx.now, percentage: row.percentage, toUpdate: left.length },
  };
  await tx.table(Refreshes).put(changed);
  await tx.table(Groups).put({ ...group, refreshing: undefined });
  tx.hint('groups', row.group);
  return changed;
}

async function fail(ctx: Context, row: RefreshRow, reason: string): Promise<void> {
  const back = row.status !== 'RollbackInProgress' && row.preferences.AutoRollback;
  if (back) await ctx.transact(async (tx) => void (await beginRollback(tx, ctx, row, reason)));
  else {
    const status = row.status === 'RollbackInProgress' ? 'RollbackFailed' : 'Failed';
    await change(ctx, row, { status, reason, end: ctx.now }, { what: 'Failed' });
  }
}

/** An alarm that the refresh watches and that is in ALARM. */
async function alarmOn(ctx: Context, row: RefreshRow): Promise<string | undefined> {
  const names = row.preferences.AlarmSpecification?.Alarms ?? [];
  if (names.length === 0) return undefined;
  const { MetricAlarms = [], CompositeAlarms = [] } = await ctx
    .call('cloudwatch')
    .describeAlarms({ AlarmNames: names, StateValue: 'ALARM', AlarmTypes: ['MetricAlarm', 'CompositeAlarm'] });
  return [...MetricAlarms, ...CompositeAlarms][0]?.AlarmName;
}

/** Ends an instance of the group, with words for its activity. */
type Ending = (member: MemberRow, cause: string) => Promise<void>;

function refreshed(ctx: Context): string {
  return `At ${stamp(ctx.now)} an instance was taken out of service in response to an instance refresh.`;
}

async function finish(ctx: Context, row: RefreshRow, end: Ending): Promise<void> {
  const done = { percentage: 100, toUpdate: 0, end: ctx.now };
  if (row.status === 'RollbackInProgress')
    return change(ctx, row, { ...done, status: 'RollbackSuccessful' }, { what: 'Rollback Succeeded' });
  if (row.status !== 'Baking' && row.preferences.BakeTime > 0)
    return change(ctx, row, {
      percentage: 100,
      toUpdate: 0,
      status: 'Baking',
      waitUntil: ctx.now + row.preferences.BakeTime * 1000,
    });
  if ((row.waitUntil ?? 0) > ctx.now) return;
  await change(ctx, row, { ...done, status: 'Successful' }, { launch: row.launch, what: 'Succeeded' });
  // "An instance refresh first replaces InService instances. Then it replaces instances in the warm pool."
  for (const member of await ctx.table(Members).list({ prefix: [row.group] }))
    if (inWarmPool(member) && !member.state.includes('Terminating') && member.launched < row.start)
      await end(member, refreshed(ctx));
}

/** Those that may be ended now: protected ones and those on standby as the preferences say. */
function endable({ preferences }: RefreshRow, left: readonly MemberRow[]): readonly MemberRow[] {
  return left.filter(
    (member) =>
      (!member.protected || preferences.ScaleInProtectedInstances === 'Refresh') &&
      (member.state === 'InService' || (member.state === 'Standby' && preferences.StandbyInstances === 'Terminate')),
  );
}

export async function stepRefresh(ctx: Context, group: GroupRow, end: Ending): Promise<void> {
  const row = await activeRefresh(ctx, group.name);
  if (row === undefined || group.suspended.includes('InstanceRefresh')) return;
  const members = await ctx.table(Members).list({ prefix: [group.name] });
  const progress = progressOf(row, group, members, ctx.now);
  if (row.status === 'Cancelling') {
    if (progress.underWay === 0) await change(ctx, row, { status: 'Cancelled', end: ctx.now }, { what: 'Cancelled' });
    return;
  }
  const alarm = row.status === 'RollbackInProgress' ? undefined : await alarmOn(ctx, row);
  if (alarm !== undefined) return fail(ctx, row, `CloudWatch alarm ${alarm} is in ALARM state.`);
  if (progress.left.length + progress.underWay === 0) return finish(ctx, row, end);
  const percentage = percentOf(progress.done, row.total);
  const toUpdate = progress.left.length + progress.underWay;
  const moved = percentage !== row.percentage || row.status === 'Pending';
  const checkpoint = row.preferences.CheckpointPercentages[row.checkpoint];
  if (checkpoint !== undefined && row.waitUntil === undefined && percentage >= checkpoint) {
    const waitUntil = ctx.now + row.preferences.CheckpointDelay * 1000;
    return change(ctx, row, { percentage, toUpdate, waitUntil, progressed: waitUntil }, { what: 'Checkpoint Reached' });
  }
  if (row.waitUntil !== undefined) {
    if (row.waitUntil > ctx.now) return;
    // A last checkpoint below a hundred ends the refresh there.
    if (row.checkpoint + 1 >= row.preferences.CheckpointPercentages.length && checkpoint !== 100)
      return finish(ctx, { ...row }, end);
    return change(ctx, row, { waitUntil: undefined, checkpoint: row.checkpoint + 1, progressed: ctx.now });
  }
  if (moved)
    await change(ctx, row, {
      status: row.status === 'Pending' ? 'InProgress' : row.status,
      percentage,
      toUpdate,
      progressed: ctx.now,
    });
  else if (ctx.now > row.progressed + row.warmupMillis + stalledMillis)
    return fail(ctx, row, 'Instances have not become healthy, or could not be replaced, for an hour.');
  for (const member of endable(row, progress.left).slice(0, nextBatch(row, group, progress))) await end(member, refreshed(ctx));
}
