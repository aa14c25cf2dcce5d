/**
 * The engine of runbooks: a task carries out the current step, writes how it came out and what is next, and lets itself fall due again. An execution is a row,
 * so it goes on after a restart; a step that was cut off is asked again. Source: User Guide, "Properties shared by all actions", "Automation statuses".
 */
import type { Millis } from '../../../base/clock.ts';
import type { Context, Transaction } from '../../../kernel/context.ts';
import type { Task } from '../../../kernel/service.ts';
import { type Content, readParameters, type Step, substitute } from '../documents/content.ts';
import { requireDocument } from '../documents/documents.ts';
import { type ActionOutcome, automationActions, failureOf, isSelector, select, StepFailure } from './actions.ts';
import { type AutomationRow, Automations, type StepRow } from './state.ts';

const stepSecondsDefault = 3600;

interface OutputSpec {
  Name: string;
  Selector: string;
}

const stamp = (now: Millis): string => new Date(now).toISOString();

/** Values of `{{ name }}`: parameters, outputs of steps as `step.Name`, and the system's own. */
function lookUpIn(ctx: Context, row: AutomationRow, content: Content): (name: string) => unknown {
  const values = readParameters(content, row.parameters);
  const [date, time = ''] = stamp(row.started).split('T');
  const clock = time.slice(0, 8).replaceAll(':', '.');
  const system: Record<string, string> = {
    'global:REGION': ctx.region,
    'global:ACCOUNT_ID': ctx.account,
    'global:DATE': date ?? '',
    'global:DATE_TIME': `${date}_${clock}`,
    'automation:EXECUTION_ID': row.id,
  };
  return (name) => {
    const [step, ...output] = name.split('.');
    const found = row.steps.find((one) => one.name === step)?.outputs[output.join('.')];
    if (found !== undefined) return found.length === 1 ? found[0] : [...found];
    return values[name] ?? system[name];
  };
}

/** Outputs of a step as texts: those that its action has by itself, and those that its selectors find in the answer. */
function outputsOf(step: Step, outcome: Readonly<Record<string, unknown>>): Record<string, string[]> {
  const { '': answer, ...rest } = outcome;
  const own: Record<string, unknown> = rest;
  const specs = Array.isArray(step.rest['outputs']) ? (step.rest['outputs'] as OutputSpec[]) : [];
  for (const { Name, Selector } of specs) {
    if (!isSelector(Selector)) throw new StepFailure(`The selector ${Selector} is not supported here.`);
    const value = select(answer ?? own, Selector);
    if (value === undefined) throw new StepFailure(`The output ${Name} is not in the answer: ${Selector}`);
    own[Name] = value;
  }
  const text = (value: unknown): string => (typeof value === 'string' ? value : JSON.stringify(value));
  return Object.fromEntries(
    Object.entries(own).map(([name, value]) => [name, Array.isArray(value) ? value.map(text) : [text(value)]]),
  );
}

/** Name of the step after this one; undefined at the end. */
function nextOf(content: Content, step: Step, chosen?: string): string | undefined {
  if (chosen !== undefined && chosen !== '') return chosen;
  if (step.rest['isEnd'] === true || chosen === '') return undefined;
  if (typeof step.rest['nextStep'] === 'string') return step.rest['nextStep'];
  return content.steps[content.steps.indexOf(step) + 1]?.name;
}

function changed(row: AutomationRow, step: StepRow): AutomationRow {
  return { ...row, steps: row.steps.map((one) => (one.name === step.name ? step : one)) };
}

async function proceed(ctx: Context, tx: Transaction, row: AutomationRow, next: string | undefined): Promise<void> {
  const now = ctx.clock.now();
  if (next === undefined) {
    await conclude(ctx, tx, { ...row, current: undefined }, 'Success');
    return;
  }
  const fresh = row.steps.map((one) =>
    one.name === next ? { ...one, status: 'InProgress' as const, attempts: 1, started: now, data: undefined } : one,
  );
  await tx.table(Automations).put({ ...row, steps: fresh, current: next });
  await tx.schedule({ task: 'automationStep', key: row.id, due: now });
}

/** Ends an execution and tells of it ("EC2 Automation Execution Status-change Notification"). */
export async function conclude(
  ctx: Context,
  tx: Transaction,
  row: AutomationRow,
  status: AutomationRow['status'],
): Promise<void> {
  const ended = ctx.clock.now();
  await tx.table(Automations).put({ ...row, status, ended });
  await tx.unschedule('automationStep', row.id);
  await tx.emit({
    source: 'aws.ssm',
    detailType: 'EC2 Automation Execution Status-change Notification',
    detail: {
      ExecutionId: row.id,
      Definition: row.document,
      DefinitionVersion: row.documentVersion,
      Status: status,
      StartTime: stamp(row.started),
      EndTime: stamp(ended),
      ExecutedBy: row.executedBy,
    },
    resources: [`arn:aws:ssm:${ctx.region}:${ctx.account}:automation-execution/${row.id}`],
  });
}

/** Begins an execution whose row is made. */
export const beginAutomation = (ctx: Context, tx: Transaction, row: AutomationRow, content: Content): Promise<void> =>
  proceed(ctx, tx, row, content.steps[0]?.name);

async function attempt(
  ctx: Context,
  row: AutomationRow,
  content: Content,
  step: Step,
): Promise<{ outcome: ActionOutcome; inputs: Step['inputs'] }> {
  const inputs = substitute(step.inputs, lookUpIn(ctx, row, content)) as Step['inputs'];
  const action = automationActions[step.action];
  const own = row.steps.find(({ name }) => name === step.name);
  if (action === undefined) throw new StepFailure(`The action ${step.action} is not supported here.`);
  const acting = ctx.asIdentity(row.identity);
  const outcome = await action(ctx, { acting, inputs, started: own?.started ?? ctx.clock.now(), data: own?.data });
  return { outcome, inputs };
}

export const automationStep: Task = async ({ key: id }, ctx) => {
  const row = await ctx.table(Automations).get(id);
  if (row?.status !== 'InProgress') return;
  const { content } = await requireDocument(ctx, row.document, row.documentVersion);
  const step = content.steps.find(({ name }) => name === row.current);
  const own = row.steps.find(({ name }) => name === row.current);
  if (step === undefined || own === undefined) {
    await ctx.transact((tx) => conclude(ctx, tx, { ...row, failure: `There is no step ${row.current}.` }, 'Failed'));
    return;
  }
  const now = ctx.clock.now();
  const late = now > (own.started ?? now) + (Number(step.rest['timeoutSeconds']) || stepSecondsDefault) * 1000;
  let done: StepRow;
  let chosen: string | undefined;
  try {
    const { outcome, inputs } = await attempt(ctx, row, content, step);
    const shown = Object.fromEntries(Object.entries(inputs).map(([name, value]) => [name, JSON.stringify(value)]));
    if (!outcome.done) {
      if (late) throw new StepFailure('Step timed out while waiting.');
      const waiting = { ...own, inputs: shown, data: outcome.data };
      await ctx.transact(async (tx) => {
        const current = await tx.table(Automations).get(id);
        if (current?.status !== 'InProgress') return;
        await tx.table(Automations).put(changed(current, waiting));
        await tx.schedule({ task: 'automationStep', key: id, due: ctx.clock.now() + outcome.afterMillis });
      });
      return;
    }
    chosen = outcome.next;
    done = {
      ...own,
      inputs: shown,
      outputs: outputsOf(step, outcome.outputs),
      status: 'Success',
      ended: ctx.clock.now(),
      data: undefined,
    };
  } catch (error) {
    const failure = `Step fails when it is Execute/Cancelling action. ${failureOf(error)}`;
    done = { ...own, status: late ? 'TimedOut' : 'Failed', failure, ended: ctx.clock.now(), data: undefined };
  }
  await ctx.transact(async (tx) => {
    const current = await tx.table(Automations).get(id);
    if (current?.status === 'InProgress') await settle(ctx, tx, changed(current, done), { content, step, done, chosen });
  });
};

interface Settled {
  content: Content;
  step: Step;
  done: StepRow;
  chosen: string | undefined;
}

/** What follows a step: the next one, another attempt, what `onFailure` says, or the end. */
async function settle(
  ctx: Context,
  tx: Transaction,
  row: AutomationRow,
  { content, step, done, chosen }: Settled,
): Promise<void> {
  if (done.status === 'Success') return proceed(ctx, tx, row, nextOf(content, step, chosen));
  if (done.status === 'Failed' && done.attempts < (Number(step.rest['maxAttempts']) || 1)) {
    const again = { ...done, status: 'InProgress' as const, attempts: done.attempts + 1 };
    await tx.table(Automations).put(changed(row, again));
    await tx.schedule({ task: 'automationStep', key: row.id, due: ctx.clock.now() + 1000 });
    return;
  }
  const onFailure = String(step.rest['onFailure'] ?? 'Abort');
  if (onFailure === 'Continue') return proceed(ctx, tx, row, nextOf(content, step));
  if (onFailure.startsWith('step:')) return proceed(ctx, tx, row, onFailure.slice('step:'.length));
  await conclude(ctx, tx, { ...row, failure: `Step ${step.name} failed: ${done.failure}` }, done.status);
}
