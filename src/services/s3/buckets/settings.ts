/** Settings of a bucket that are one member of its row: read, set, taken back. */
import type { Context } from '../../../kernel/context.ts';
import { type BucketAsk, findBucket, requireBucket } from '../lookup.ts';
import { type BucketRow, Buckets, type ConfigKind, Configs } from '../state.ts';
import type { Value } from '../../../store/store.ts';

/** Changes the row of a bucket as it is now; `change` throws for what the bucket's other settings forbid. */
export async function changeBucket(ctx: Context, ask: BucketAsk, change: (row: BucketRow) => BucketRow): Promise<void> {
  await requireBucket(ctx, ask);
  await ctx.transact(async (tx) => {
    const row = await findBucket(tx, ask);
    await tx.table(Buckets).put(change(row));
  });
}

/** A setting that is kept apart from the row. Undefined when the bucket has none. */
export async function readConfig(ctx: Context, ask: BucketAsk, kind: ConfigKind): Promise<unknown> {
  const { name } = await requireBucket(ctx, ask);
  return (await ctx.table(Configs).get(name, kind, ''))?.config;
}

/** Sets, or with undefined removes, a setting that is kept apart. */
export async function writeConfig(ctx: Context, ask: BucketAsk, kind: ConfigKind, config: unknown): Promise<void> {
  const { name } = await requireBucket(ctx, ask);
  await ctx.transact(async (tx) => {
    await findBucket(tx, ask);
    if (config === undefined) await tx.table(Configs).delete(name, kind, '');
    else await tx.table(Configs).put({ bucket: name, kind, id: '', config: config as Value });
  });
}
