/** What goes when an account is reset. */
import type { Context } from '../../kernel/context.ts';
import { dropContents } from './contents.ts';
import { ReplicationProgress, TrackedVersions } from './later/replication-state.ts';
import { AccessPoints, Accounts, Buckets, Configs, MultiRegionPoints, Objects, Uploads, Versions } from './state.ts';
import { removeUpload } from './uploads/uploads.ts';

/** Rows removed in one transaction. */
const batchMax = 500;

/** Buckets lie in tables of no account, so a reset of one removes them here; a reset of all takes the bytes along with the rows. */
export async function emptyAccount(account: string | undefined, ctx: Context): Promise<void> {
  if (account === undefined) {
    await ctx.part('blobs').clear();
    return;
  }
  for (const { name } of await ctx.table(Buckets).byIndex('byAccount', [account])) await emptyBucket(ctx, name);
  await ctx.transact(async (tx) => {
    for (const { region, name } of await tx.table(AccessPoints).list({ prefix: [account] }))
      await tx.table(AccessPoints).delete(account, region, name);
    for (const { name } of await tx.table(MultiRegionPoints).list({ prefix: [account] }))
      await tx.table(MultiRegionPoints).delete(account, name);
    await tx.table(Accounts).delete(account);
  });
}

async function emptyBucket(ctx: Context, name: string): Promise<void> {
  for (;;) {
    const more = await ctx.transact(async (tx) => {
      const versions = await tx.table(Versions).list({ prefix: [name], limit: batchMax });
      for (const row of versions) {
        await tx.table(Versions).delete(name, row.key, -row.sequence);
        await tx.table(Objects).delete(name, row.key);
        await dropContents(tx, row.contents);
      }
      return versions.length === batchMax;
    });
    if (!more) break;
  }
  await ctx.transact(async (tx) => {
    for (const upload of await tx.table(Uploads).list({ prefix: [name] })) await removeUpload(tx, upload, new Set());
    for (const { kind, id } of await tx.table(Configs).list({ prefix: [name] })) await tx.table(Configs).delete(name, kind, id);
    for (const { key, sequence } of await tx.table(TrackedVersions).list({ prefix: [name] }))
      await tx.table(TrackedVersions).delete(name, key, sequence);
    for (const { rule } of await tx.table(ReplicationProgress).list({ prefix: [name] }))
      await tx.table(ReplicationProgress).delete(name, rule);
    await tx.table(Buckets).delete(name);
  });
}
