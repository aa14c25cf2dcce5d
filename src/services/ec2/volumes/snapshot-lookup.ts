/** Snapshots that an account can see and use: its own, and those that others share with it or with everyone. */
import { idKinds } from '../../../base/ids.ts';
import type { Context, Scope } from '../../../kernel/context.ts';
import { AwsError } from '../../../kernel/errors.ts';
import { malformedId, notFound } from '../errors.ts';
import { type SnapshotRow, Snapshots } from './state.ts';

export interface FoundSnapshot {
  scope: Scope;
  row: SnapshotRow;
}

function checkId(id: string): void {
  if (!id.startsWith(idKinds.snapshot.prefix) || !/^[0-9a-f]{8,17}$/.test(id.slice(idKinds.snapshot.prefix.length)))
    throw malformedId('snapshot', id);
}

/** Snapshots of the Region that others share with the account. */
export async function sharedSnapshots(ctx: Context): Promise<FoundSnapshot[]> {
  return (await ctx.everywhere(Snapshots)).filter(
    ({ scope, row }) =>
      scope.region === ctx.region &&
      scope.account !== ctx.account &&
      row.recycled === undefined &&
      (row.sharedWith.includes('all') || row.sharedWith.includes(ctx.account)),
  );
}

/** The snapshot of this id, one's own or shared, in the Region of the context. Throws InvalidSnapshot.NotFound. */
export async function findSnapshot(ctx: Context, id: string): Promise<FoundSnapshot> {
  checkId(id);
  const own = await ctx.table(Snapshots).get(id);
  if (own !== undefined && own.recycled === undefined) return { scope: { account: ctx.account, region: ctx.region }, row: own };
  const shared = (await sharedSnapshots(ctx)).find(({ row }) => row.id === id);
  if (shared === undefined) throw notFound('snapshot', id);
  return shared;
}

/** A snapshot that volumes can be made of now. Throws IncorrectState while it is pending or archived. */
export async function usableSnapshot(ctx: Context, id: string): Promise<SnapshotRow> {
  const { row } = await findSnapshot(ctx, id);
  if (row.state !== 'completed') throw new AwsError('IncorrectState', `Snapshot ${id} is not in the completed state.`);
  if (row.tier === 'archive')
    throw new AwsError('IncorrectState', `Snapshot ${id} is archived. Restore it to the standard tier before you use it.`);
  return row;
}
