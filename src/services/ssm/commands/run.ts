/**
 * Running commands on instances. A task hands out invocations, as many at once as the command allows; each is run by a promise of its own, because a
 * command may take days and must not hold up other tasks. Rows say how far it is: what ends an invocation by the clock or by CancelCommand changes the row,
 * and the promise sees that it is late. After a restart of the cloud instances boot anew, so what ran then has failed. Source: User Guide, "AWS
 * Systems Manager Run Command", "Understanding command statuses".
 */
import type { Millis } from '../../../base/clock.ts';
import type { Context, Transaction } from '../../../kernel/context.ts';
import type { Task } from '../../../kernel/service.ts';
import type { AgentFacts } from '../../ec2/api.ts';
import { killInGuest, readOutput, stderrCharsMax, stdoutCharsMax } from '../agent/guest.ts';
import { factsOf } from '../agent/nodes.ts';
import { Nodes } from '../agent/state.ts';
import { type Step, readParameters, substitute } from '../documents/content.ts';
import { requireDocument } from '../documents/documents.ts';
import { deliverOutput } from './delivery.ts';
import { countOf, outputFolder, stateOf } from './rules.ts';
import { perform } from './steps.ts';
import { type CommandRow, Commands, type InvocationRow, Invocations, type PluginRow } from './state.ts';

const executionSecondsDefault = 3600;

const keyOf = (command: string, instance: string): string => `${command} ${instance}`;

function folderOf(invocation: InvocationRow, { name, action }: Pick<PluginRow, 'name' | 'action'>): string {
  const { instance, command } = invocation;
  return `/var/lib/amazon/ssm/${instance}/document/orchestration/${command}/${outputFolder(name, action)}`;
}

/** Announces an invocation's state, and the command's when `command` is given ("Monitoring … Run Command events using EventBridge"). */
async function announce(ctx: Context, tx: Transaction, command: CommandRow, invocation?: InvocationRow): Promise<void> {
  // State Manager's runs are told of as associations, not as commands.
  if (command.association !== undefined) return;
  const all = await tx.table(Invocations).list({ prefix: [command.id] });
  const detail = {
    'command-id': command.id,
    'document-name': command.document,
    'requested-date-time': new Date(command.requested).toISOString(),
    ...(invocation === undefined
      ? { status: stateOf(command, all).status, parameters: JSON.stringify(command.parameters) }
      : { status: invocation.status, 'instance-id': invocation.instance }),
  };
  const detailType = `EC2 Command ${invocation === undefined ? '' : 'Invocation '}Status-change Notification`;
  const resources = invocation === undefined ? [] : [`arn:aws:ec2:${ctx.region}:${ctx.account}:instance/${invocation.instance}`];
  await tx.emit({ source: 'aws.ssm', detailType, detail, resources });
}

/** Hands out invocations that wait, to nodes that are there, within the command's bounds. */
export const dispatchCommand: Task = async ({ key: id }, ctx) => {
  await ctx.transact(async (tx) => {
    const command = await tx.table(Commands).get(id);
    if (command === undefined || command.cancelled) return;
    const all = await tx.table(Invocations).list({ prefix: [id] });
    const before = stateOf(command, all).status;
    const { errors } = stateOf(command, all);
    let free = countOf(command.maxConcurrency, command.total) - all.filter(({ status }) => status === 'InProgress').length;
    const stopped = errors > countOf(command.maxErrors, command.total);
    for (const invocation of all.filter(({ status }) => status === 'Pending')) {
      if (stopped) {
        await tx.table(Invocations).put({ ...invocation, status: 'Cancelled', details: 'Terminated' });
        continue;
      }
      if (free <= 0 || (await tx.table(Nodes).get(invocation.instance))?.status !== 'Online') continue;
      free -= 1;
      const started: InvocationRow = { ...invocation, status: 'InProgress', details: 'InProgress' };
      await tx.table(Invocations).put(started);
      await tx.schedule({ task: 'runInvocation', key: keyOf(id, invocation.instance), due: ctx.clock.now() });
      await announce(ctx, tx, command, started);
    }
    if (stateOf(command, await tx.table(Invocations).list({ prefix: [id] })).status !== before) await announce(ctx, tx, command);
  });
};

function split(key: string): [command: string, instance: string, plugin: string] {
  const [command = '', instance = '', ...plugin] = key.split(' ');
  return [command, instance, plugin.join(' ')];
}

export const runInvocation: Task = async ({ key }, ctx) => {
  const [id, instance] = split(key);
  const command = await ctx.table(Commands).get(id);
  const invocation = await ctx.table(Invocations).get(id, instance);
  if (command === undefined || invocation?.status !== 'InProgress') return;
  void runPlugins(ctx, command, invocation).catch((error: unknown) =>
    ctx.trace(`The command ${id} on ${instance} was lost: ${String(error)}`),
  );
};

/** Runs all steps, one after the other, and writes how the invocation came out. */
async function runPlugins(ctx: Context, command: CommandRow, invocation: InvocationRow): Promise<void> {
  const facts = await factsOf(ctx, invocation.instance);
  const { content } = await requireDocument(ctx, command.document, command.documentVersion);
  const values = readParameters(content, command.parameters);
  for (const step of content.steps) {
    const inputs = substitute(step.inputs, (name) => values[name]) as Step['inputs'];
    const done = await runStep(ctx, command, invocation, { step: { ...step, inputs }, facts });
    if (done === undefined) return;
    if (done.status !== 'Success' && step.rest['onFailure'] === 'exit') break;
  }
  await finish(ctx, invocation);
}

/** Runs one step. Returns undefined when the invocation was ended meanwhile by somebody else. */
async function runStep(
  ctx: Context,
  command: CommandRow,
  invocation: InvocationRow,
  { step, facts }: { step: Step; facts: AgentFacts | undefined },
): Promise<PluginRow | undefined> {
  const { name, action, inputs } = step;
  const seconds = Number(inputs['timeoutSeconds']) || executionSecondsDefault;
  const started = ctx.clock.now();
  const plugin: PluginRow = {
    name,
    action,
    status: 'InProgress',
    details: 'InProgress',
    code: -1,
    started,
    stdout: '',
    stderr: '',
  };
  const timeoutKey = `${keyOf(command.id, invocation.instance)} ${name}`;
  if (!(await setPlugin(ctx, invocation, plugin, { timeoutKey, due: started + seconds * 1000 }))) return undefined;
  const folder = folderOf(invocation, plugin);
  let done: PluginRow;
  try {
    if (facts === undefined) throw new Error('The instance is gone.');
    const { code, stdout, stderr } = await perform(ctx, { facts, step, folder });
    await deliverOutput(ctx, command, invocation, { facts, plugin, stdout, stderr });
    done = outcome(plugin, code, stdout, stderr);
  } catch (error) {
    done = outcome(plugin, -1, '', (error as Error).message);
  }
  const ended = { ...done, ended: ctx.clock.now() };
  return (await setPlugin(ctx, invocation, ended, { timeoutKey })) ? ended : undefined;
}

function outcome(plugin: PluginRow, code: number, stdout: string, stderr: string): PluginRow {
  const status = code === 0 ? 'Success' : 'Failed';
  const told = code > 0 ? `${stderr}failed to run commands: exit status ${code}` : stderr;
  return {
    ...plugin,
    status,
    details: status,
    code,
    stdout: stdout.slice(0, stdoutCharsMax),
    stderr: told.slice(-stderrCharsMax),
  };
}

/** Writes a plugin's state and sets or clears its time limit; false when the invocation is not running any more. */
async function setPlugin(
  ctx: Context,
  { command, instance }: InvocationRow,
  plugin: PluginRow,
  { timeoutKey, due }: { timeoutKey: string; due?: Millis },
): Promise<boolean> {
  return ctx.transact(async (tx) => {
    const now = await tx.table(Invocations).get(command, instance);
    if (due === undefined) await tx.unschedule('stepTimeout', timeoutKey);
    if (now?.status !== 'InProgress') return false;
    if (due !== undefined) await tx.schedule({ task: 'stepTimeout', key: timeoutKey, due });
    const plugins = [...now.plugins.filter(({ name }) => name !== plugin.name), plugin];
    await tx.table(Invocations).put({ ...now, plugins });
    return true;
  });
}

/** All steps that were to run have: the invocation's state is that of the worst. */
async function finish(ctx: Context, { command, instance }: InvocationRow): Promise<void> {
  await ctx.transact(async (tx) => {
    const now = await tx.table(Invocations).get(command, instance);
    if (now?.status !== 'InProgress') return;
    const status = now.plugins.every((plugin) => plugin.status === 'Success') ? 'Success' : 'Failed';
    await settle(ctx, tx, { ...now, status, details: status });
  });
}

/** Writes an invocation that has ended, tells of it, and lets others have its place. */
async function settle(ctx: Context, tx: Transaction, row: InvocationRow): Promise<void> {
  await tx.table(Invocations).put(row);
  await tx.schedule({ task: 'dispatchCommand', key: row.command, due: ctx.clock.now() });
  const command = await tx.table(Commands).get(row.command);
  if (command === undefined) return;
  await announce(ctx, tx, command, row);
  const all = await tx.table(Invocations).list({ prefix: [row.command] });
  if (stateOf(command, all).completed === all.length) await announce(ctx, tx, command);
}

/** Kills what runs and ends the invocation in this state, with the output so far. */
async function end(ctx: Context, key: string, status: 'TimedOut' | 'Cancelled', details: string): Promise<void> {
  const [command, instance] = split(key);
  const row = await ctx.table(Invocations).get(command, instance);
  const running = row?.plugins.find((plugin) => plugin.status === 'InProgress');
  const facts = await factsOf(ctx, instance);
  let output = { stdout: '', stderr: '' };
  if (row !== undefined && running !== undefined && facts?.state === 'running') {
    const folder = folderOf(row, running);
    try {
      await killInGuest(ctx, facts.machine, folder);
      const stdout = await readOutput(ctx, facts.machine, folder, 'stdout', stdoutCharsMax);
      output = { stdout, stderr: await readOutput(ctx, facts.machine, folder, 'stderr', stderrCharsMax) };
    } catch (error) {
      // The machine went down: so did the command.
      ctx.trace(`The command ${command} on ${instance} could not be killed: ${String(error)}`);
    }
  }
  await ctx.transact(async (tx) => {
    const now = await tx.table(Invocations).get(command, instance);
    if (now === undefined || (now.status !== 'InProgress' && now.status !== 'Cancelling')) return;
    const plugins = now.plugins.map((one) =>
      one.status === 'InProgress' ? { ...one, ...output, status, details, ended: ctx.clock.now() } : one,
    );
    await settle(ctx, tx, { ...now, plugins, status, details });
  });
}

/** A step has taken longer than it may. */
export const stepTimeout: Task = async ({ key }, ctx) => {
  const [command, instance, name] = split(key);
  const row = await ctx.table(Invocations).get(command, instance);
  const running = row?.plugins.find((plugin) => plugin.status === 'InProgress');
  if (row?.status === 'InProgress' && running?.name === name) await end(ctx, key, 'TimedOut', 'ExecutionTimedOut');
};

export const cancelInvocation: Task = ({ key }, ctx) => end(ctx, key, 'Cancelled', 'Cancelled');

/** A command could not be delivered in time to the instances where it waits still. */
export const commandExpiry: Task = async ({ key: id }, ctx) => {
  await ctx.transact(async (tx) => {
    for (const row of await tx.table(Invocations).list({ prefix: [id] }))
      if (row.status === 'Pending') await settle(ctx, tx, { ...row, status: 'TimedOut', details: 'DeliveryTimedOut' });
  });
};

export const forgetCommand: Task = async ({ key: id }, ctx) => {
  await ctx.transact(async (tx) => {
    for (const row of await tx.table(Invocations).list({ prefix: [id] })) await tx.table(Invocations).delete(id, row.instance);
    await tx.table(Commands).delete(id);
  });
};

/** At start: what ran when the cloud ended was cut off with its machine. */
export async function settleInterrupted(ctx: Context): Promise<void> {
  for (const { scope, row } of await ctx.everywhere(Invocations)) {
    if (row.status !== 'InProgress' && row.status !== 'Cancelling') continue;
    const plugins = row.plugins.map((one) =>
      one.status === 'InProgress' ? { ...one, status: 'Failed' as const, details: 'Failed' } : one,
    );
    const here = ctx.inScope(scope);
    await here.transact((tx) => settle(here, tx, { ...row, plugins, status: 'Failed', details: 'Failed' }));
  }
}
