/** Moving alarms from state to state: the task that evaluates them, what follows a change, composite alarms. */
import type { Context, Transaction } from '../../kernel/context.ts';
import type { Task } from '../../kernel/service.ts';
import { type ActionPayload, actionsFor, stamp } from './alarm-actions.ts';
import { evaluateAlarm, type Evaluated, extraPeriods } from './alarm-evaluation.ts';
import { parseRule } from './composite-rule.ts';
import { alarmArn } from './names.ts';
import { describeQuery, QueryRun } from './queries.ts';
import { times } from './rules.ts';
import { AlarmHistory, Alarms, type AlarmRow, type AlarmState, type CompositeAlarmRow, type MetricAlarmRow } from './state.ts';

/** Of a longer way that the clock is moved than this, alarms are evaluated in the last part only: a minute's work for a year would take minutes. */
const jumpedMax = times.day;

/** Milliseconds between evaluations: a minute, ten seconds for alarms on high resolution ("Evaluating an alarm"). */
function evaluationStep(row: MetricAlarmRow): number {
  return row.queries.some(({ stat, period }) => (stat?.period ?? period ?? 60) < 60) ? 10_000 : times.minute;
}

/** Seconds of the alarm's period. */
export function alarmPeriod(row: MetricAlarmRow): number {
  return Math.max(...row.queries.map(({ stat, period }) => stat?.period ?? period ?? 0));
}

/** Asks for the next evaluation, on the next mark after `at`. */
export async function scheduleEvaluation(tx: Transaction, row: MetricAlarmRow, at: number): Promise<void> {
  const step = evaluationStep(row);
  await tx.schedule({ task: 'evaluate', key: row.name, due: Math.floor(at / step) * step + step });
}

/** A new state, with all that follows from it: history, event, actions, the composite alarms above. */
export async function changeState(
  tx: Transaction,
  ctx: Context,
  row: AlarmRow,
  change: {
    state: AlarmState;
    reason: string;
    reasonData?: string | undefined;
    at: number;
    value?: number | undefined;
    values?: readonly number[] | undefined;
  },
): Promise<void> {
  const { state, reason, reasonData, at, value, values } = change;
  const moved = row.state !== state;
  await tx
    .table(Alarms)
    .put({ ...row, state, reason, reasonData, stateUpdated: at, transitioned: moved ? at : row.transitioned });
  if (!moved) return;
  await tx.table(AlarmHistory).put({
    alarm: row.name,
    kind: row.kind,
    at,
    ordinal: ctx.uuid(),
    type: 'StateUpdate',
    summary: `Alarm updated from ${row.state} to ${state}`,
    data: JSON.stringify({
      version: '1.0',
      oldState: { stateValue: row.state, stateReason: row.reason },
      newState: {
        stateValue: state,
        stateReason: reason,
        stateReasonData: reasonData === undefined ? undefined : JSON.parse(reasonData),
      },
    }),
  });
  const seen = { value: state, reason, reasonData, timestamp: stamp(at) };
  const previous = { value: row.state, reason: row.reason, reasonData: row.reasonData, timestamp: stamp(row.stateUpdated) };
  await tx.emit({
    source: 'aws.cloudwatch',
    detailType: 'CloudWatch Alarm State Change',
    resources: [alarmArn(ctx, row.name)],
    detail: {
      alarmName: row.name,
      state: seen,
      previousState: previous,
      configuration:
        row.kind === 'composite'
          ? { alarmRule: row.rule }
          : { metrics: JSON.parse(JSON.stringify(row.queries.map(describeQuery))), description: row.description },
    },
  });
  if (row.actionsEnabled) {
    const payload = { alarm: row.name, old: row.state, state, reason, at, value, values, again: false };
    for (const action of actionsFor(row, state)) await act(tx, ctx, { ...payload, action });
  }
  for (const parent of await tx.table(Alarms).byIndex('byChild', [row.name]))
    await tx.schedule({ task: 'composite', key: parent.name, due: at });
}

async function act(tx: Transaction, ctx: Context, payload: ActionPayload): Promise<void> {
  await tx.schedule({ task: 'act', key: ctx.uuid(), due: payload.at, payload });
}

/** The points that an alarm looks at, oldest first, ending at `at`. */
async function readRange(ctx: Context, row: MetricAlarmRow, at: number): Promise<Evaluated[]> {
  const step = alarmPeriod(row) * 1000;
  const grain = Math.min(step, evaluationStep(row));
  const to = Math.floor(at / grain) * grain;
  const from = to - (row.evaluationPeriods + extraPeriods) * step;
  const watched = row.queries.find(({ returnData }) => returnData);
  if (watched === undefined) throw new Error(`The alarm ${row.name} watches no metric.`);
  const [first] = await new QueryRun(ctx, row.queries, from, to).series(watched);
  const values = new Map(first?.series.at.map((time, index) => [time, first.series.values[index]]));
  return Array.from({ length: row.evaluationPeriods + extraPeriods }, (_, index) => {
    const time = from + index * step;
    return { at: time, value: values.get(time) };
  });
}

/** Evaluates a metric alarm and asks to be called again. Scaling policies are called each time while their state lasts. */
export const evaluate: Task = async ({ key, due }, ctx) => {
  const row = await ctx.table(Alarms).get(key);
  if (row?.kind !== 'metric') return;
  const range = await readRange(ctx, row, due);
  const verdict = evaluateAlarm(row, range);
  await ctx.transact(async (tx) => {
    const current = await tx.table(Alarms).get(key);
    if (current?.kind !== 'metric' || current.updated !== row.updated) return;
    await scheduleEvaluation(tx, current, Math.max(due, ctx.clock.heading - jumpedMax));
    const state = verdict === 'keep' ? current.state : verdict.state;
    if (verdict !== 'keep' && state !== current.state) {
      const value = verdict.recent.at(-1);
      const reasonData = JSON.stringify({
        version: '1.0',
        queryDate: stamp(due),
        startDate: stamp(range[0]?.at ?? due),
        statistic: current.queries[0]?.stat?.stat,
        period: alarmPeriod(current),
        recentDatapoints: verdict.recent,
        threshold: current.threshold,
      });
      await changeState(tx, ctx, current, { state, reason: verdict.reason, reasonData, at: due, value, values: verdict.recent });
      return;
    }
    if (!current.actionsEnabled) return;
    const value = range.findLast((point) => point.value !== undefined)?.value;
    const values = range.slice(-current.evaluationPeriods).flatMap((point) => point.value ?? []);
    const { name: alarm, reason } = current;
    for (const action of actionsFor(current, state).filter((arn) => arn.includes(':autoscaling:')))
      await act(tx, ctx, { alarm, action, old: state, state, reason, at: due, value, values, again: true });
  });
};

/** The verdict on a composite alarm as its children stand. */
async function compositeState(tx: Transaction, row: CompositeAlarmRow): Promise<{ state: AlarmState; reason: string }> {
  const states = new Map<string, AlarmState>();
  for (const child of row.children) {
    const found = await tx.table(Alarms).get(child);
    if (found !== undefined) states.set(child, found.state);
  }
  const holds = parseRule(row.rule).holds((name) => states.get(name));
  return { state: holds ? 'ALARM' : 'OK', reason: `Alarm Rule evaluates to ${holds ? 'ALARM' : 'OK'}: ${row.rule}` };
}

/** Evaluates a composite alarm after one of its children changed. */
export const composite: Task = async ({ key, due }, ctx) => {
  await ctx.transact(async (tx) => {
    const row = await tx.table(Alarms).get(key);
    if (row?.kind !== 'composite') return;
    const verdict = await compositeState(tx, row);
    if (verdict.state !== row.state) await changeState(tx, ctx, row, { ...verdict, at: due });
  });
};
