/** Schedules: made, changed whole, shown, listed, deleted ("Managing a schedule"). */
import type { CreateScheduleInput, Scheduler, UpdateScheduleInput } from '@aws-sdk/client-scheduler';
import { pageOf } from '../../base/paging.ts';
import type { Context, Scope } from '../../kernel/context.ts';
import { parameterNotImplemented } from '../../kernel/errors.ts';
import { RequestCheck } from '../../kernel/request-check.ts';
import type { AuthorisationsOf, Check, HandlersOf } from '../../kernel/service.ts';
import { conflict, quotaExceeded, scheduleNotFound, validation } from './errors.ts';
import { defaultGroup, nameForm, namePattern, requireGroup } from './groups.ts';
import { arm } from './invoke.ts';
import { type ScheduleRow, Schedules } from './state.ts';
import { describeTarget, readTarget } from './targets.ts';
import { beginning, isExpression, isPast, isTimezone } from './times.ts';

const perPageMax = 100;
const schedulesMax = 1_000_000;

export function scheduleArn({ account, region }: Scope, group: string, name: string): string {
  return `arn:aws:scheduler:${region}:${account}:schedule/${group}/${name}`;
}

async function readSchedule(
  ctx: Context,
  operation: string,
  input: CreateScheduleInput | UpdateScheduleInput,
): Promise<Omit<ScheduleRow, 'created'>> {
  const { Name = '', GroupName = defaultGroup, ScheduleExpression = '', ScheduleExpressionTimezone, FlexibleTimeWindow } = input;
  const { StartDate, EndDate, Description, State, KmsKeyArn, ActionAfterCompletion, ClientToken, Target } = input;
  if (KmsKeyArn !== undefined) throw parameterNotImplemented(operation, 'KmsKeyArn');
  const window = FlexibleTimeWindow?.MaximumWindowInMinutes;
  new RequestCheck()
    .pattern('name', Name, nameForm, namePattern)
    .pattern('groupName', GroupName, nameForm, namePattern)
    .length('scheduleExpression', ScheduleExpression, 1, 256)
    .length('description', Description, 0, 512)
    .range('flexibleTimeWindow.maximumWindowInMinutes', window, 1, 1440)
    .oneOf('flexibleTimeWindow.mode', FlexibleTimeWindow?.Mode, ['OFF', 'FLEXIBLE'])
    .oneOf('state', State, ['ENABLED', 'DISABLED'])
    .oneOf('actionAfterCompletion', ActionAfterCompletion, ['NONE', 'DELETE'])
    .done();
  if (!isExpression(ScheduleExpression)) throw validation(`Invalid Schedule Expression ${ScheduleExpression}.`);
  if (ScheduleExpressionTimezone !== undefined && !isTimezone(ScheduleExpressionTimezone))
    throw validation(`Invalid Schedule Expression Timezone ${ScheduleExpressionTimezone}.`);
  if ((FlexibleTimeWindow?.Mode === 'FLEXIBLE') !== (window !== undefined))
    throw validation(
      window === undefined
        ? 'MaximumWindowInMinutes must be provided when FlexibleTimeWindow mode is FLEXIBLE.'
        : 'MaximumWindowInMinutes cannot be provided when FlexibleTimeWindow mode is OFF.',
    );
  if (StartDate !== undefined && EndDate !== undefined && EndDate <= StartDate)
    throw validation('The EndDate you specify must come after the StartDate.');
  return {
    group: GroupName,
    name: Name,
    expression: ScheduleExpression,
    timezone: ScheduleExpressionTimezone,
    start: StartDate?.getTime(),
    end: EndDate?.getTime(),
    description: Description,
    enabled: State !== 'DISABLED',
    target: await readTarget(ctx, operation, Target),
    windowMinutes: window,
    deleteAfter: ActionAfterCompletion === 'DELETE',
    modified: ctx.now,
    token: ClientToken,
  };
}

async function requireSchedule(ctx: Context, group: string, name: string): Promise<ScheduleRow> {
  await requireGroup(ctx, group);
  const row = await ctx.table(Schedules).get(group, name);
  if (row === undefined) throw scheduleNotFound(name);
  return row;
}

function summary(ctx: Scope, row: ScheduleRow) {
  return {
    Arn: scheduleArn(ctx, row.group, row.name),
    Name: row.name,
    GroupName: row.group,
    State: row.enabled ? ('ENABLED' as const) : ('DISABLED' as const),
    CreationDate: new Date(row.created),
    LastModificationDate: new Date(row.modified),
  };
}

export const scheduleHandlers: HandlersOf<Scheduler> = {
  async CreateSchedule(input, ctx) {
    const read = await readSchedule(ctx, 'CreateSchedule', input);
    if (isPast(read, ctx.now)) throw validation('Schedule time cannot be in the past.');
    await ctx.transact(async (tx) => {
      const group = await requireGroup(tx, read.group);
      if (group.deleting === true) throw conflict('Schedule group', group.name);
      const known = await tx.table(Schedules).get(read.group, read.name);
      if (known !== undefined && read.token !== undefined && known.token === read.token) return;
      if (known !== undefined) throw conflict('Schedule', read.name);
      if ((await tx.table(Schedules).count()) >= schedulesMax) throw quotaExceeded('schedules');
      const row = { ...read, created: ctx.now };
      await tx.table(Schedules).put(row);
      await arm(tx, row, beginning(row, ctx.now));
    });
    return { ScheduleArn: scheduleArn(ctx, read.group, read.name) };
  },

  /** All that is not given goes back to its default, as in AWS. */
  async UpdateSchedule(input, ctx) {
    const read = await readSchedule(ctx, 'UpdateSchedule', input);
    await ctx.transact(async (tx) => {
      await requireGroup(tx, read.group);
      const known = await tx.table(Schedules).get(read.group, read.name);
      if (known === undefined) throw scheduleNotFound(read.name);
      const row = { ...read, created: known.created };
      await tx.table(Schedules).put(row);
      await arm(tx, row, ctx.now);
    });
    return { ScheduleArn: scheduleArn(ctx, read.group, read.name) };
  },

  async DeleteSchedule({ Name = '', GroupName = defaultGroup }, ctx) {
    await ctx.transact(async (tx) => {
      await requireGroup(tx, GroupName);
      if (!(await tx.table(Schedules).delete(GroupName, Name))) throw scheduleNotFound(Name);
      await tx.unschedule('invoke', `${GroupName}/${Name}`);
    });
    return {};
  },

  async GetSchedule({ Name = '', GroupName = defaultGroup }, ctx) {
    const row = await requireSchedule(ctx, GroupName, Name);
    return {
      ...summary(ctx, row),
      ScheduleExpression: row.expression,
      ScheduleExpressionTimezone: row.timezone ?? 'UTC',
      StartDate: row.start === undefined ? undefined : new Date(row.start),
      EndDate: row.end === undefined ? undefined : new Date(row.end),
      Description: row.description,
      Target: describeTarget(row.target),
      FlexibleTimeWindow:
        row.windowMinutes === undefined
          ? { Mode: 'OFF' as const }
          : { Mode: 'FLEXIBLE' as const, MaximumWindowInMinutes: row.windowMinutes },
      ActionAfterCompletion: row.deleteAfter ? ('DELETE' as const) : ('NONE' as const),
    };
  },

  async ListSchedules({ GroupName, NamePrefix = '', State, NextToken, MaxResults }, ctx) {
    new RequestCheck().range('maxResults', MaxResults, 1, perPageMax).oneOf('state', State, ['ENABLED', 'DISABLED']).done();
    if (GroupName !== undefined) await requireGroup(ctx, GroupName);
    const rows = (await ctx.table(Schedules).list(GroupName === undefined ? {} : { prefix: [GroupName] })).filter(
      ({ name, enabled }) => name.startsWith(NamePrefix) && (State === undefined || enabled === (State === 'ENABLED')),
    );
    const page = pageOf(rows, ({ group, name }) => [group, name], {
      scope: `ListSchedules ${GroupName ?? ''} ${NamePrefix} ${State ?? ''}`,
      token: NextToken,
      limit: MaxResults ?? perPageMax,
    });
    if (page === undefined) throw validation('Invalid NextToken.');
    return {
      Schedules: page.items.map((row) => ({ ...summary(ctx, row), Target: { Arn: row.target.arn } })),
      NextToken: page.nextToken,
    };
  },
};

interface Named {
  Name?: string | undefined;
  GroupName?: string | undefined;
}

function onSchedule({ Name = '', GroupName = defaultGroup }: Named, ctx: Context): readonly Check[] {
  return [{ resource: scheduleArn(ctx, GroupName, Name) }];
}

/** Whoever makes a schedule hands its role to Scheduler. */
function onScheduleAndRole(input: CreateScheduleInput | UpdateScheduleInput, ctx: Context): readonly Check[] {
  const role = { 'iam:PassedToService': 'scheduler.amazonaws.com' };
  return [...onSchedule(input, ctx), { action: 'iam:PassRole', resource: input.Target?.RoleArn ?? '', conditions: role }];
}

export const scheduleChecks: AuthorisationsOf<Scheduler> = {
  CreateSchedule: onScheduleAndRole,
  UpdateSchedule: onScheduleAndRole,
  DeleteSchedule: onSchedule,
  GetSchedule: onSchedule,
};
