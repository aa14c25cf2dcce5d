/** Scheduled actions: bounds of a target that change once, at a rate, or by a cron expression ("Schedule scaling actions using cron expressions"). */
import type { ApplicationAutoScaling, ScheduledAction } from '@aws-sdk/client-application-auto-scaling';
import { Cron } from 'croner';
import type { HandlersOf, Task } from '../../kernel/service.ts';
import { actionNotFound, validationException } from './errors.ts';
import { type ActionRow, Actions, Targets } from './state.ts';
import { intoBounds, isAsked, nameOf, pageFor, requireTarget } from './targets.ts';

const unitMillis: Readonly<Record<string, number>> = { minute: 60_000, hour: 3_600_000, day: 86_400_000 };

/** Days of the week are 1 to 7 from Sunday here, 0 to 6 in cron; a question mark is a star; there is a year. */
function toCron(fields: readonly string[]): string {
  const [minute = '', hour = '', day = '', month = '', weekday = '', year = ''] = fields;
  const weekdays = weekday.replaceAll(/\d+/g, (number, at: number) =>
    weekday[at - 1] === '#' ? number : String(Number(number) - 1),
  );
  return `0 ${minute} ${hour} ${day.replace('?', '*')} ${month} ${weekdays.replace('?', '*')}${year === '*' ? '' : ` ${year}`}`;
}

/** When a schedule fires next after a moment; undefined when never again. Throws ValidationException for what it does not know. */
function nextTime(schedule: string, timeZone: string, after: number, from: number): number | undefined {
  const [, kind, inner = ''] = /^(at|rate|cron)\((.+)\)$/.exec(schedule.trim()) ?? [];
  const wrong = validationException(`The schedule expression ${schedule} is not valid.`);
  try {
    if (kind === 'at') {
      if (!/^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d)?$/.test(inner)) throw wrong;
      const at = new Cron(inner.length === 16 ? `${inner}:00` : inner, { timezone: timeZone, paused: true })
        .nextRun(new Date(0))
        ?.getTime();
      return at !== undefined && at > after ? at : undefined;
    }
    if (kind === 'cron') {
      const fields = inner.trim().split(/\s+/);
      if (fields.length !== 6) throw wrong;
      return new Cron(toCron(fields), { timezone: timeZone, paused: true }).nextRun(new Date(after))?.getTime();
    }
  } catch {
    throw wrong;
  }
  const [, count = '0', unit = ''] = /^(\d+) (minute|hour|day)s?$/.exec(inner) ?? [];
  const step = Number(count) * (unitMillis[unit] ?? 0);
  if (kind !== 'rate' || step === 0) throw wrong;
  return from + (Math.floor(Math.max(0, after - from) / step) + 1) * step;
}

function nextOf(row: ActionRow, after: number): number | undefined {
  const from = row.start ?? row.created;
  const next = nextTime(row.schedule, row.timeZone ?? 'UTC', Math.max(after, (row.start ?? 0) - 1), from);
  return next === undefined || (row.end !== undefined && next > row.end) ? undefined : next;
}

/** An action's time has come: the target's bounds change, and its capacity with them. */
export const runAction: Task = async ({ payload, due }, ctx) => {
  const { namespace, resource, dimension, name } = payload as unknown as Pick<
    ActionRow,
    'namespace' | 'resource' | 'dimension' | 'name'
  >;
  const changed = await ctx.transact(async (tx) => {
    const row = await tx.table(Actions).get(namespace, resource, dimension, name);
    const target = await tx.table(Targets).get(namespace, resource, dimension);
    if (row === undefined || target === undefined) return undefined;
    const next = nextOf(row, due);
    if (next === undefined) await tx.table(Actions).delete(namespace, resource, dimension, name);
    else await tx.schedule({ task: 'runAction', key: row.arn, due: next, payload: payload ?? null });
    if (target.suspended.ScheduledScalingSuspended) return undefined;
    const { MinCapacity: min = target.min, MaxCapacity: max = target.max } = row.action;
    const bounded = { ...target, min: Math.min(min, max), max: Math.max(min, max) };
    await tx.table(Targets).put(bounded);
    return bounded;
  });
  if (changed !== undefined) await intoBounds(ctx, changed, `scheduled action name ${name} was triggered`);
};

function describeAction(row: ActionRow): ScheduledAction {
  return {
    ScheduledActionName: row.name,
    ScheduledActionARN: row.arn,
    ServiceNamespace: row.namespace,
    ResourceId: row.resource,
    ScalableDimension: row.dimension,
    Schedule: row.schedule,
    Timezone: row.timeZone,
    StartTime: row.start === undefined ? undefined : new Date(row.start),
    EndTime: row.end === undefined ? undefined : new Date(row.end),
    ScalableTargetAction: row.action,
    CreationTime: new Date(row.created),
  };
}

export const scheduleHandlers: HandlersOf<ApplicationAutoScaling> = {
  /** Replaces the action of the same name. */
  async PutScheduledAction(input, ctx) {
    const name = nameOf(input);
    await ctx.transact(async (tx) => {
      await requireTarget(tx, name);
      const { namespace, resource, dimension } = name;
      const before = await tx.table(Actions).get(namespace, resource, dimension, input.ScheduledActionName ?? '');
      const schedule = input.Schedule ?? before?.schedule;
      const action = input.ScalableTargetAction ?? before?.action;
      if (schedule === undefined || action === undefined)
        throw validationException('Schedule and ScalableTargetAction are required for a new scheduled action.');
      const { MinCapacity: min, MaxCapacity: max } = action;
      if (min === undefined && max === undefined)
        throw validationException('ScalableTargetAction must have MinCapacity or MaxCapacity.');
      if (min !== undefined && max !== undefined && min > max)
        throw validationException('Maximum capacity cannot be less than minimum capacity');
      const row: ActionRow = {
        ...name,
        name: input.ScheduledActionName ?? '',
        arn:
          before?.arn ??
          `arn:aws:autoscaling:${ctx.region}:${ctx.account}:scheduledAction:${ctx.uuid()}:resource/${namespace}/${resource}:scheduledActionName/${input.ScheduledActionName}`,
        schedule,
        timeZone: input.Timezone ?? before?.timeZone,
        start: input.StartTime?.getTime() ?? before?.start,
        end: input.EndTime?.getTime() ?? before?.end,
        action: { ...(min === undefined ? {} : { MinCapacity: min }), ...(max === undefined ? {} : { MaxCapacity: max }) },
        created: before?.created ?? ctx.now,
      };
      const next = nextOf(row, ctx.now);
      if (next === undefined) throw validationException('The schedule lies in the past.');
      await tx.table(Actions).put(row);
      await tx.schedule({
        task: 'runAction',
        key: row.arn,
        due: next,
        payload: { namespace, resource, dimension, name: row.name },
      });
    });
    return {};
  },

  async DeleteScheduledAction(input, ctx) {
    const { namespace, resource, dimension } = nameOf(input);
    await ctx.transact(async (tx) => {
      const row = await tx.table(Actions).get(namespace, resource, dimension, input.ScheduledActionName ?? '');
      if (row === undefined) throw actionNotFound(input.ScheduledActionName ?? '', namespace, resource, dimension);
      await tx.unschedule('runAction', row.arn);
      await tx.table(Actions).delete(namespace, resource, dimension, row.name);
    });
    return {};
  },

  async DescribeScheduledActions(input, ctx) {
    const { ScheduledActionNames: names = [] } = input;
    const rows = (await ctx.table(Actions).list()).filter(
      (row) => isAsked(row, input) && (names.length === 0 || names.includes(row.name)),
    );
    const page = pageFor('actions', rows, (row) => [row.resource, row.dimension, row.name], input);
    return { ScheduledActions: page.items.map(describeAction), NextToken: page.nextToken };
  },
};
