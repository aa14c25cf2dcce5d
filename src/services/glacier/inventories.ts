/** The daily inventory of a vault, by which it is counted and listed ("Downloading a Vault Inventory"). */
import type { Millis } from '../../base/clock.ts';
import type { Transaction } from '../../kernel/context.ts';
import type { Task } from '../../kernel/service.ts';
import { readyJobs } from './bytes.ts';
import { day } from './rules.ts';
import { Archives, type VaultRow, Vaults } from './state.ts';

/** Rows read in one go. */
const batchRows = 1000;

/** Notes a change of what the vault holds; the next inventory, at the end of the vault's day, will see it. */
export async function noteChange(tx: Transaction, row: VaultRow, now: Millis): Promise<void> {
  if (row.changed !== undefined) return;
  await tx.table(Vaults).put({ ...row, changed: now });
  const due = row.created + Math.floor((now - row.created) / day + 1) * day;
  await tx.schedule({ task: 'inventory', key: row.name, due });
}

/** Takes the inventory: counts what is there, and forgets what was deleted before. */
export const takeInventory: Task = async ({ key: name, due }, ctx) => {
  let [count, bytes] = [0, 0];
  const forgotten: string[] = [];
  let after: { after?: string[] } = {};
  for (;;) {
    const rows = await ctx.table(Archives).list({ prefix: [name], ...after, limit: batchRows });
    for (const row of rows) {
      if (row.deleted !== undefined && row.deleted <= due) forgotten.push(row.id);
      else if (row.created <= due) [count, bytes] = [count + 1, bytes + row.bytes];
    }
    const last = rows.at(-1);
    if (last === undefined || rows.length < batchRows) break;
    after = { after: [name, last.id] };
  }
  await ctx.transact(async (tx) => {
    for (const id of forgotten) if ((await readyJobs(tx, name, id)).length === 0) await tx.table(Archives).delete(name, id);
    const row = await tx.table(Vaults).get(name);
    if (row === undefined) return;
    const counted = { ...row, inventory: { at: due, count, bytes }, changed: undefined };
    await tx.table(Vaults).put(counted);
    // What came between the due time and now belongs to the next one.
    if (row.changed !== undefined && row.changed > due) await noteChange(tx, counted, row.changed);
  });
};
