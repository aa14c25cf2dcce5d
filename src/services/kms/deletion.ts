/**
 * Deletion: a key waits 7 to 30 days, unusable and undeletable data safe, then it and all that belongs to it go. A primary key waits for its replicas
 * first. Source: AWS KMS Developer Guide, "Deleting AWS KMS keys", "Deleting multi-Region keys".
 */
import type { KMS } from '@aws-sdk/client-kms';
import type { Context, Transaction } from '../../kernel/context.ts';
import { RequestCheck } from '../../kernel/request-check.ts';
import type { HandlersOf, Task } from '../../kernel/service.ts';
import { deletionDate } from './describe.ts';
import { invalidState } from './errors.ts';
import { keyArn } from './key-ids.ts';
import { changeKey } from './keys.ts';
import { limits } from './rules.ts';
import { Aliases, Grants, type KeyRow, Keys, Materials } from './state.ts';

const waiting = ['PendingDeletion', 'PendingReplicaDeletion'] as const;

/** Writes that a key waits for its deletion and schedules it; a primary with replicas waits for those instead. */
async function startWaiting(tx: Transaction, row: KeyRow, now: number, days: number, isPrimary: boolean): Promise<KeyRow> {
  if (isPrimary && (row.multiRegion?.replicas.length ?? 0) > 0)
    return { ...row, state: 'PendingReplicaDeletion', deletion: { days } };
  const due = deletionDate(now, days);
  await tx.schedule({ task: 'deleteKey', key: row.id, due });
  return { ...row, state: 'PendingDeletion', deletion: { days, due } };
}

export const deletionHandlers: HandlersOf<KMS> = {
  async ScheduleKeyDeletion(input, ctx) {
    const days = input.PendingWindowInDays ?? limits.deletionDaysMax;
    new RequestCheck().range('pendingWindowInDays', days, limits.deletionDaysMin, limits.deletionDaysMax).done();
    const row = await changeKey(ctx, input.KeyId, ['Enabled', 'Disabled', 'PendingImport'], (key, tx) =>
      startWaiting(tx, key, ctx.now, days, key.multiRegion?.primary === ctx.region),
    );
    const due = row.deletion?.due;
    return {
      KeyId: keyArn(ctx, row.id),
      ...(due === undefined ? {} : { DeletionDate: new Date(due) }),
      KeyState: row.state,
      PendingWindowInDays: days,
    };
  },

  /** Leaves the key disabled; a key without material goes back to waiting for it. */
  async CancelKeyDeletion(input, ctx) {
    const row = await changeKey(ctx, input.KeyId, ['Enabled', 'Disabled', 'PendingImport', ...waiting], async (key, tx) => {
      if (!waiting.some((state) => state === key.state)) throw invalidState(keyArn(ctx, key.id), 'not pending deletion');
      await tx.unschedule('deleteKey', key.id);
      const material = await tx.table(Materials).get(key.id, key.current);
      return { ...key, state: material?.sealed === undefined ? 'PendingImport' : 'Disabled', deletion: undefined };
    });
    return { KeyId: keyArn(ctx, row.id) };
  },
};

/** Removes a key with its material, aliases and grants. A replica takes itself off its family; the last one lets its primary go on waiting. */
export const deleteKey: Task = async ({ key: id, due }, ctx) => {
  const row = await ctx.table(Keys).get(id);
  if (row?.state !== 'PendingDeletion') return;
  await ctx.transact(async (tx) => {
    for (const { number } of await tx.table(Materials).list({ prefix: [id] })) await tx.table(Materials).delete(id, number);
    for (const { name } of await tx.table(Aliases).byIndex('byKey', [id])) await tx.table(Aliases).delete(name);
    for (const grant of await tx.table(Grants).list({ prefix: [id] })) await tx.table(Grants).delete(id, grant.id);
    await tx.table(Keys).delete(id);
  });
  if (row.multiRegion !== undefined && row.multiRegion.primary !== ctx.region) await leaveFamily(ctx, row, due);
};

async function leaveFamily(ctx: Context, { id, multiRegion }: KeyRow, now: number): Promise<void> {
  const regions = [multiRegion?.primary ?? '', ...(multiRegion?.replicas ?? [])];
  const primary = ctx.inScope({ region: multiRegion?.primary ?? '' });
  await primary.transact(async (tx) => {
    for (const region of regions) {
      const table = tx.tableIn({ account: ctx.account, region }, Keys);
      const row = await table.get(id);
      if (row?.multiRegion === undefined) continue;
      const replicas = row.multiRegion.replicas.filter((one) => one !== ctx.region);
      const left: KeyRow = { ...row, multiRegion: { ...row.multiRegion, replicas } };
      const resumes = row.state === 'PendingReplicaDeletion' && replicas.length === 0;
      await table.put(resumes ? await startWaiting(tx, left, now, row.deletion?.days ?? limits.deletionDaysMax, true) : left);
    }
  });
}
