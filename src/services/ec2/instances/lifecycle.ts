/** Start, stop, reboot, terminate: what is wanted is written here; the machine reconciler makes it so and moves the state. */
import type { EC2, InstanceStateChange } from '@aws-sdk/client-ec2';
import type { Context, Transaction } from '../../../kernel/context.ts';
import { AwsError, parameterNotImplemented } from '../../../kernel/errors.ts';
import type { AuthorisationsOf, HandlersOf } from '../../../kernel/service.ts';
import { checkCapacity } from '../capacity.ts';
import { missingParameter } from '../errors.ts';
import { assignPublicIp } from '../interfaces/lifecycle.ts';
import { Interfaces } from '../interfaces/state.ts';
import { rowsByIds } from '../lookup.ts';
import { meterInstance } from '../metering/metering.ts';
import { checkStartable, checkStoppable, endSpot, markStarted, markStopped } from '../spot/lifecycle.ts';
import { checkTagged } from '../tags.ts';
import { describeState } from './describe.ts';
import { checkCanHibernate, hibernated, resumed, shutDown } from './hibernation.ts';
import { settle } from './launch-placement.ts';
import { type InstanceRow, Instances, type InstanceState } from './state.ts';
import { announceState } from './state-events.ts';

/** `2026-11-20 12:00:00 GMT`, as StateTransitionReason has it. */
function gmt(now: number): string {
  return `${new Date(now).toISOString().slice(0, 19).replace('T', ' ')} GMT`;
}

function incorrectState(row: InstanceRow, action: 'started' | 'stopped' | 'rebooted'): AwsError {
  return new AwsError('IncorrectInstanceState', `The instance '${row.id}' is not in a state from which it can be ${action}.`);
}

function change(row: InstanceRow, state: InstanceState): InstanceStateChange {
  return { InstanceId: row.id, PreviousState: describeState(row.state), CurrentState: describeState(state) };
}

async function instancesOf(tx: Transaction, ids: readonly string[] | undefined): Promise<InstanceRow[]> {
  if (ids === undefined || ids.length === 0) throw missingParameter('InstanceIds');
  return rowsByIds(tx, Instances, 'instance', ids);
}

async function move(
  tx: Transaction,
  ctx: Context,
  row: InstanceRow,
  to: Partial<InstanceRow> & Pick<InstanceRow, 'state' | 'intent'>,
): Promise<void> {
  if (row.state === 'running' && to.intent !== 'running') await meterInstance(tx, ctx, row);
  await tx.table(Instances).put({ ...row, ...to });
  if (to.state !== row.state) await announceState(tx, ctx, row, to.state);
  tx.hint('machines', row.id);
}

/** Asks a running instance to stop, with the reason that its row will show. Used by StopInstances and by machines that shut themselves down. */
export async function stopInstance(
  tx: Transaction,
  ctx: Context,
  row: InstanceRow,
  reason: { code: string; message: string },
): Promise<void> {
  const transitionReason = reason.code.startsWith('Client.UserInitiated') ? `User initiated (${gmt(ctx.now)})` : reason.message;
  await move(tx, ctx, row, { intent: 'stopped', state: 'stopping', stateReason: reason, transitionReason });
}

/** Asks an instance to end for good. */
export async function terminateInstance(
  tx: Transaction,
  ctx: Context,
  row: InstanceRow,
  reason: { code: string; message: string },
): Promise<void> {
  await endSpot(tx, ctx, row);
  await move(tx, ctx, row, {
    intent: 'terminated',
    state: 'shutting-down',
    stateReason: reason,
    transitionReason: reason.code.startsWith('Server.') ? reason.message : `User initiated (${gmt(ctx.now)})`,
  });
}

export const lifecycleHandlers: HandlersOf<EC2> = {
  /** From `stopped` only; a start of a running instance changes nothing. A new public address comes with it (EC2-033). */
  async StartInstances(input, ctx) {
    if (input.AdditionalInfo !== undefined) throw parameterNotImplemented('StartInstances', 'AdditionalInfo');
    const changes = await ctx.transact(async (tx) => {
      const rows = await instancesOf(tx, input.InstanceIds);
      for (const row of rows) if (!['stopped', 'running', 'pending'].includes(row.state)) throw incorrectState(row, 'started');
      for (const row of rows) checkStartable(row);
      for (const row of rows) {
        if (row.state !== 'stopped') continue;
        checkCapacity(ctx, row.zone, row.type);
        const [card] = await tx.table(Interfaces).byIndex('byInstance', [row.id]);
        if (row.publicIpWanted && card !== undefined) await assignPublicIp(tx, ctx, card);
        await move(tx, ctx, await settle(tx, ctx, row), {
          intent: 'running',
          linkDown: undefined,
          ...resumed(row, ctx.now),
          state: 'pending',
          launchedAt: ctx.now,
          stateReason: undefined,
          transitionReason: '',
        });
        await markStarted(tx, ctx, row);
      }
      return rows.map((row) => change(row, row.state === 'stopped' ? 'pending' : row.state));
    });
    return { StartingInstances: changes };
  },

  async StopInstances(input, ctx) {
    const hibernate = input.Hibernate === true;
    const changes = await ctx.transact(async (tx) => {
      const rows = await instancesOf(tx, input.InstanceIds);
      for (const row of rows) {
        if (!['running', 'pending', 'stopping', 'stopped'].includes(row.state)) throw incorrectState(row, 'stopped');
        checkStoppable(row);
        if (hibernate) checkCanHibernate(row);
        if (row.stopProtection) {
          throw new AwsError(
            'OperationNotPermitted',
            `The instance '${row.id}' may not be stopped. Modify its 'disableApiStop' instance attribute and try again.`,
          );
        }
      }
      for (const row of rows) {
        if (row.state === 'running' || row.state === 'pending') {
          await stopInstance(tx, ctx, hibernate ? { ...row, hibernatedAt: ctx.now } : row, hibernate ? hibernated : shutDown);
          await markStopped(tx, ctx, row);
        }
      }
      return rows.map((row) => change(row, row.state === 'stopped' ? 'stopped' : 'stopping'));
    });
    return { StoppingInstances: changes };
  },

  /** The state stays `running`; memory and processes are lost, disks and addresses stay. */
  async RebootInstances(input, ctx) {
    await ctx.transact(async (tx) => {
      const rows = await instancesOf(tx, input.InstanceIds);
      for (const row of rows) if (row.state !== 'running' && row.state !== 'pending') throw incorrectState(row, 'rebooted');
      for (const row of rows) await move(tx, ctx, row, { intent: row.intent, state: row.state, bootNumber: row.bootNumber + 1 });
    });
    return {};
  },

  /** All or none: one protected instance refuses the whole call. Terminated instances may be named again. */
  async TerminateInstances(input, ctx) {
    const changes = await ctx.transact(async (tx) => {
      const rows = await instancesOf(tx, input.InstanceIds);
      const kept = rows.find((row) => row.terminationProtection && row.state !== 'terminated');
      if (kept !== undefined) {
        throw new AwsError(
          'OperationNotPermitted',
          `The instance '${kept.id}' may not be terminated. Modify its 'disableApiTermination' instance attribute and try again.`,
        );
      }
      for (const row of rows) {
        if (row.state === 'terminated' || row.state === 'shutting-down') continue;
        await terminateInstance(tx, ctx, row, shutDown);
      }
      return rows.map((row) => change(row, row.state === 'terminated' ? 'terminated' : 'shutting-down'));
    });
    return { TerminatingInstances: changes };
  },
};

export const lifecycleAuthorisations: AuthorisationsOf<EC2> = {
  StartInstances: (input, ctx) => checkTagged(input.InstanceIds ?? [], ctx),
  StopInstances: (input, ctx) => checkTagged(input.InstanceIds ?? [], ctx),
  RebootInstances: (input, ctx) => checkTagged(input.InstanceIds ?? [], ctx),
  TerminateInstances: (input, ctx) => checkTagged(input.InstanceIds ?? [], ctx),
};
