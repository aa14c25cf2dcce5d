/**
 * Simplified automatic recovery: an instance whose host failed is started on another one, with its id, addresses, volumes and metadata, without its
 * memory ("Automatic instance recovery"). A whole zone that is down leaves nowhere to go.
 */
import type { EC2 } from '@aws-sdk/client-ec2';
import type { Context, Transaction } from '../../../kernel/context.ts';
import { AwsError, parameterNotImplemented } from '../../../kernel/errors.ts';
import type { AuthorisationsOf, HandlersOf, Task } from '../../../kernel/service.ts';
import { insufficientCapacity } from '../capacity.ts';
import { invalidParameterValue } from '../errors.ts';
import { requireRow } from '../lookup.ts';
import { leavePlace } from '../placement/place.ts';
import { checkTagged } from '../tags.ts';
import { settle } from './launch-placement.ts';
import { type InstanceRow, Instances } from './state.ts';

/** Cloud time for which the system status check fails before EC2 moves the instance. */
const recoveryDelay = 120_000;

/** Plans the recovery of an instance whose host is down; nothing happens for those that cannot move. */
export async function planRecovery(ctx: Context, row: InstanceRow): Promise<void> {
  const zoneIsDown = ctx.part('zones').downSince(row.zone) !== undefined;
  if (zoneIsDown || row.tenancy === 'host' || row.autoRecovery === 'disabled') return;
  await ctx.transact((tx) => tx.schedule({ task: 'recoverInstance', key: row.id, due: ctx.now + recoveryDelay }));
}

/** Puts an instance on another host, where it boots again. Throws InsufficientInstanceCapacity when there is none. */
async function moveAway(tx: Transaction, ctx: Context, row: InstanceRow): Promise<void> {
  await leavePlace(tx, row.id);
  const settled = await settle(tx, ctx, row);
  await tx.table(Instances).put({ ...settled, bootNumber: settled.bootNumber + 1 });
  tx.hint('machines', row.id);
}

/**
 * The recover action of an alarm: the instance leaves its host now ("Add recover actions to CloudWatch alarms"). Throws IncorrectInstanceState unless it
 * runs, InsufficientInstanceCapacity while its zone is down.
 */
export async function recoverByAlarm(ctx: Context, id: string): Promise<void> {
  await ctx.transact(async (tx) => {
    const row = await requireRow(tx, Instances, 'instance', id);
    if (row.intent !== 'running')
      throw new AwsError('IncorrectInstanceState', `The instance '${id}' is not in a state from which it can be recovered.`);
    if (ctx.part('zones').downSince(row.zone) !== undefined) throw insufficientCapacity(ctx, row.zone, row.type);
    await moveAway(tx, ctx, row);
  });
}

/** Moves an instance off a host that is still down; tried again while there is no other. */
export const recoverInstance: Task = async (job, ctx) => {
  await ctx.transact(async (tx) => {
    const row = await tx.table(Instances).get(job.key);
    if (row === undefined || row.intent !== 'running' || row.place === undefined) return;
    if (ctx.part('zones').downSince(row.place) === undefined || ctx.part('zones').downSince(row.zone) !== undefined) return;
    try {
      await moveAway(tx, ctx, row);
    } catch (error) {
      if (!(error instanceof AwsError)) throw error;
      await tx.schedule({ task: 'recoverInstance', key: row.id, due: job.due + recoveryDelay });
    }
  });
};

export const recoveryHandlers: HandlersOf<EC2> = {
  async ModifyInstanceMaintenanceOptions(input, ctx) {
    const wanted = input.AutoRecovery;
    if (wanted !== undefined && wanted !== 'default' && wanted !== 'disabled')
      throw invalidParameterValue(`Value (${wanted as string}) for parameter autoRecovery is invalid.`);
    if (input.RebootMigration !== undefined) throw parameterNotImplemented('ModifyInstanceMaintenanceOptions', 'RebootMigration');
    const row = await ctx.transact(async (tx) => {
      const found = await requireRow(tx, Instances, 'instance', input.InstanceId);
      const changed: InstanceRow = { ...found, autoRecovery: wanted ?? found.autoRecovery };
      await tx.table(Instances).put(changed);
      return changed;
    });
    return { InstanceId: row.id, AutoRecovery: row.autoRecovery };
  },
};

export const recoveryAuthorisations: AuthorisationsOf<EC2> = {
  ModifyInstanceMaintenanceOptions: (input, ctx) => checkTagged([input.InstanceId ?? ''], ctx),
};
