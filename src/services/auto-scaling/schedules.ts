/** Scheduled actions: once at a time, or again and again by a cron expression in a time zone ("Scheduled scaling"). */
import type { AutoScaling, ScheduledUpdateGroupAction, ScheduledUpdateGroupActionRequest } from '@aws-sdk/client-auto-scaling';
import { Cron } from 'croner';
import type { Context } from '../../kernel/context.ts';
import { AwsError, parameterNotImplemented } from '../../kernel/errors.ts';
import type { HandlersOf, Task } from '../../kernel/service.ts';
import { stamp } from './activities.ts';
import { validationError } from './errors.ts';
import { putDesired, requireGroup } from './groups.ts';
import { pageFor } from './lists.ts';
import { Groups, Schedules, type ScheduleRow } from './state.ts';

/** The first time after `after` at which a recurrence fires; undefined when there is none. Throws ValidationError for what cron does not know. */
function nextTime(recurrence: string, timeZone: string | undefined, after: number): number | undefined {
  if (recurrence.trim().split(/\s+/).length !== 5) throw validationError(`Given recurrence string:${recurrence} is invalid`);
  if (timeZone !== undefined && !isTimeZone(timeZone)) throw validationError(`The time zone ${timeZone} is invalid.`);
  try {
    return new Cron(recurrence, { timezone: timeZone ?? 'UTC', paused: true }).nextRun(new Date(after))?.getTime();
  } catch {
    throw validationError(`Given recurrence string:${recurrence} is invalid`);
  }
}

function isTimeZone(name: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone: name });
    return true;
  } catch {
    return false;
  }
}

/** A request as its row. Throws ValidationError. */
function readSchedule(
  ctx: Context,
  group: string,
  input: ScheduledUpdateGroupActionRequest,
  before: ScheduleRow | undefined,
): ScheduleRow {
  const { MinSize: min, MaxSize: max, DesiredCapacity: desired, Recurrence: recurrence, TimeZone: timeZone } = input;
  const [start, end] = [input.StartTime?.getTime(), input.EndTime?.getTime()];
  if (min === undefined && max === undefined && desired === undefined)
    throw validationError('At least one of MinSize, MaxSize and DesiredCapacity must be specified.');
  if (min !== undefined && max !== undefined && min > max) throw validationError('Min size must not be greater than max size.');
  if (start === undefined && recurrence === undefined) throw validationError('Either StartTime or Recurrence must be specified.');
  if (start !== undefined && start <= ctx.now) throw validationError('Given start time is in the past');
  if (end !== undefined && end <= (start ?? ctx.now)) throw validationError('Given end time is in the past');
  if (timeZone !== undefined && recurrence === undefined)
    throw validationError('TimeZone can only be specified with Recurrence.');
  const next = recurrence === undefined ? start : nextTime(recurrence, timeZone, Math.max(ctx.now, (start ?? 1) - 1));
  if (next === undefined) throw validationError(`Given recurrence string:${recurrence} is invalid`);
  return {
    group,
    name: input.ScheduledActionName ?? '',
    id: before?.id ?? ctx.uuid(),
    start,
    end,
    recurrence,
    timeZone,
    min,
    max,
    desired,
    next,
  };
}

async function put(ctx: Context, name: string | undefined, input: ScheduledUpdateGroupActionRequest): Promise<void> {
  await ctx.transact(async (tx) => {
    const group = await requireGroup(tx, name);
    const row = readSchedule(ctx, group.name, input, await tx.table(Schedules).get(group.name, input.ScheduledActionName ?? ''));
    await tx.table(Schedules).put(row);
    await tx.schedule({
      task: 'schedule',
      key: `${row.group}/${row.name}`,
      due: row.next,
      payload: { group: row.group, name: row.name },
    });
  });
}

async function remove(ctx: Context, name: string | undefined, action: string): Promise<void> {
  await ctx.transact(async (tx) => {
    const group = await requireGroup(tx, name);
    if (!(await tx.table(Schedules).delete(group.name, action)))
      throw validationError(`Scheduled action name not found - Scheduled action: ${action} not found`);
    await tx.unschedule('schedule', `${group.name}/${action}`);
  });
}

/** The time of an action has come. The desired capacity is kept inside the new bounds. */
export const schedule: Task = async ({ payload, due }, ctx) => {
  const { group: name, name: action } = payload as { group: string; name: string };
  await ctx.transact(async (tx) => {
    const row = await tx.table(Schedules).get(name, action);
    const group = await tx.table(Groups).get(name);
    if (row === undefined || group === undefined || row.next > due) return;
    const next = row.recurrence === undefined ? undefined : nextTime(row.recurrence, row.timeZone, due);
    if (next === undefined || (row.end !== undefined && next > row.end)) await tx.table(Schedules).delete(name, action);
    else {
      await tx.table(Schedules).put({ ...row, next });
      await tx.schedule({ task: 'schedule', key: `${name}/${action}`, due: next, payload: { group: name, name: action } });
    }
    if (group.suspended.includes('ScheduledActions') || group.deleting === true) return;
    const [min, max] = [row.min ?? group.min, row.max ?? group.max];
    if (min > max) return;
    const desired = Math.max(min, Math.min(max, row.desired ?? group.desired));
    const said = [
      ...(row.min === undefined ? [] : [`Setting min size from ${group.min} to ${min}.`]),
      ...(row.max === undefined ? [] : [`Setting max size from ${group.max} to ${max}.`]),
      ...(desired === group.desired ? [] : [`Setting desired capacity from ${group.desired} to ${desired}.`]),
    ];
    await putDesired(
      tx,
      { ...group, min, max },
      desired,
      `At ${stamp(due)} the scheduled action ${action} executed. ${said.join('  ')}`,
    );
  });
};

function describeSchedule(ctx: Context, row: ScheduleRow): ScheduledUpdateGroupAction {
  const date = (at: number | undefined) => (at === undefined ? undefined : new Date(at));
  return {
    AutoScalingGroupName: row.group,
    ScheduledActionName: row.name,
    ScheduledActionARN: `arn:aws:autoscaling:${ctx.region}:${ctx.account}:scheduledUpdateGroupAction:${row.id}:autoScalingGroupName/${row.group}:scheduledActionName/${row.name}`,
    Time: date(row.next),
    StartTime: date(row.next),
    EndTime: date(row.end),
    Recurrence: row.recurrence,
    MinSize: row.min,
    MaxSize: row.max,
    DesiredCapacity: row.desired,
    TimeZone: row.timeZone,
  };
}

/** Does each; those that are refused are reported and the others stand. */
async function each(names: readonly string[], act: (index: number) => Promise<void>) {
  const failed: { ScheduledActionName: string; ErrorCode: string; ErrorMessage: string }[] = [];
  for (const [index, ScheduledActionName] of names.entries()) {
    try {
      await act(index);
    } catch (error) {
      if (!(error instanceof AwsError)) throw error;
      failed.push({ ScheduledActionName, ErrorCode: error.code, ErrorMessage: error.message });
    }
  }
  return failed;
}

export const scheduleHandlers: HandlersOf<AutoScaling> = {
  async PutScheduledUpdateGroupAction(input, ctx) {
    if (input.Time !== undefined) throw parameterNotImplemented('PutScheduledUpdateGroupAction', 'Time');
    await put(ctx, input.AutoScalingGroupName, input);
    return {};
  },

  async BatchPutScheduledUpdateGroupAction({ AutoScalingGroupName: name, ScheduledUpdateGroupActions: actions = [] }, ctx) {
    await requireGroup(ctx, name);
    const names = actions.map(({ ScheduledActionName = '' }) => ScheduledActionName);
    return { FailedScheduledUpdateGroupActions: await each(names, (index) => put(ctx, name, actions[index]!)) };
  },

  async DeleteScheduledAction({ AutoScalingGroupName: name, ScheduledActionName: action = '' }, ctx) {
    await remove(ctx, name, action);
    return {};
  },

  async BatchDeleteScheduledAction({ AutoScalingGroupName: name, ScheduledActionNames: actions = [] }, ctx) {
    await requireGroup(ctx, name);
    return { FailedScheduledActions: await each(actions, (index) => remove(ctx, name, actions[index]!)) };
  },

  async DescribeScheduledActions(input, ctx) {
    const { AutoScalingGroupName: group, ScheduledActionNames: names = [], StartTime: from, EndTime: to } = input;
    const rows = (await ctx.table(Schedules).list(group === undefined ? {} : { prefix: [group] })).filter(
      (row) =>
        (names.length === 0 || names.includes(row.name)) &&
        (from === undefined || row.next >= from.getTime()) &&
        (to === undefined || row.next <= to.getTime()),
    );
    const page = pageFor('schedules', rows, (row) => [row.group, row.name], input);
    return { ScheduledUpdateGroupActions: page.items.map((row) => describeSchedule(ctx, row)), NextToken: page.nextToken };
  },
};
