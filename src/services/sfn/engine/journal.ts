/** Writing a run down: everything that changed since the last time in one transaction, timers and announcements included. */
import type { Context, DomainEvent, Transaction } from '../../../kernel/context.ts';
import { executionArn, machineArn } from '../rules.ts';
import { ActivityTasks, Events, Executions, type ExecutionRow, Frames, Live, Tokens } from '../state.ts';
import type { Frame, Run } from './run.ts';

/** Key of the timer of a frame, and of the execution itself (frame -1). Names of machines and executions have no blanks. */
function timerKey(machine: string, execution: string, frame: number): string {
  return `${machine} ${execution} ${frame}`;
}

export const wholeExecution = -1;

/** Ended executions are kept for 90 days ("Quotas related to state machine executions"). */
const keepMillis = 90 * 86_400_000;

/** The earliest time at which something happens to a frame by itself. */
export function nextTime(frame: Frame): number | undefined {
  const times = [frame.due, frame.timeoutAt, frame.heartbeatAt].filter((time) => time !== undefined);
  return times.length === 0 ? undefined : Math.min(...times);
}

/** Commits a run of a standard execution. False when its row has gone: the account was reset, or its machine deleted. */
export async function commit(run: Run): Promise<boolean> {
  const { ctx, execution, events, changed, removed } = run;
  const key = [execution.machine, execution.name] as const;
  return ctx.transact(async (tx) => {
    if (execution.lastEvent > events.length && (await tx.table(Executions).get(...key)) === undefined) return false;
    await tx.table(Executions).put({ ...execution });
    for (const event of events) await tx.table(Events).put(event);
    for (const id of removed) {
      await tx.table(Frames).delete(...key, id);
      await tx.unschedule('timer', timerKey(...key, id));
    }
    for (const id of changed) {
      const frame = run.frames.get(id);
      if (frame !== undefined) await putFrame(tx, run, frame);
    }
    for (const { token, frame, attempt } of run.newTokens)
      await tx.table(Tokens).put({ token, machine: key[0], execution: key[1], frame, attempt });
    for (const { activity, token, input } of run.activityTasks)
      await tx.table(ActivityTasks).put({ activity, at: run.now(), token, input });
    if (events.some(({ id, type }) => id === 1 || type === 'ExecutionRedriven')) await opened(tx, run);
    if (run.over) await closed(tx, run);
    return true;
  });
}

async function putFrame(tx: Transaction, run: Run, frame: Frame): Promise<void> {
  const table = tx.table(Frames);
  const before = await table.get(frame.machine, frame.execution, frame.id);
  await table.put({ ...frame });
  const due = run.over ? undefined : nextTime(frame);
  if (due === (before === undefined ? undefined : nextTime(before))) return;
  const key = timerKey(frame.machine, frame.execution, frame.id);
  if (due === undefined) await tx.unschedule('timer', key);
  else await tx.schedule({ task: 'timer', key, due });
}

async function opened(tx: Transaction, run: Run): Promise<void> {
  const { execution } = run;
  await tx.unschedule('purge', `${execution.machine} ${execution.name}`);
  await tx.table(Live).put({ machine: execution.machine, name: execution.name });
  const key = timerKey(execution.machine, execution.name, wholeExecution);
  if (execution.expires !== undefined) await tx.schedule({ task: 'timer', key, due: execution.expires });
  await tx.emit(statusChange(run.ctx, execution));
}

async function closed(tx: Transaction, run: Run): Promise<void> {
  const { execution } = run;
  const key = [execution.machine, execution.name] as const;
  await tx.table(Live).delete(...key);
  await tx.unschedule('timer', timerKey(...key, wholeExecution));
  for (const frame of run.frames.values()) await tx.unschedule('timer', timerKey(...key, frame.id));
  for (const { token } of await tx.table(Tokens).byIndex('byExecution', key)) await tx.table(Tokens).delete(token);
  await tx.schedule({ task: 'purge', key: `${key[0]} ${key[1]}`, due: run.now() + keepMillis });
  await tx.emit(statusChange(run.ctx, execution));
}

/** "Step Functions Execution Status Change", as EventBridge rules see it. */
function statusChange(ctx: Context, execution: ExecutionRow): DomainEvent {
  const arn = executionArn(ctx, execution);
  const { version, alias, machine } = execution;
  return {
    source: 'aws.states',
    detailType: 'Step Functions Execution Status Change',
    resources: [arn],
    detail: {
      executionArn: arn,
      stateMachineArn: machineArn(ctx, machine),
      stateMachineVersionArn: version === undefined ? null : `${machineArn(ctx, machine)}:${version}`,
      stateMachineAliasArn: alias === undefined ? null : `${machineArn(ctx, machine)}:${alias}`,
      name: execution.name,
      status: execution.status,
      startDate: execution.start,
      stopDate: execution.stop ?? null,
      input: execution.input,
      inputDetails: { included: true },
      output: execution.output ?? null,
      outputDetails: execution.output === undefined ? null : { included: true },
      error: execution.error ?? null,
      cause: execution.cause ?? null,
      redriveCount: execution.redrives,
      redriveDate: execution.redriven ?? null,
    },
  };
}
