/** What the plane keeps ready of a function. */
import type { Context } from '../../kernel/context.ts';
import { groupOf, keyOf } from './execution/spec.ts';
import { Versions } from './state.ts';

/** Keeps the environments of versions as they are now, and of nothing older. */
export async function letGo(ctx: Context, name: string): Promise<void> {
  const versions = await ctx.table(Versions).list({ prefix: [name] });
  ctx.part('functions').discard(
    groupOf(ctx, name),
    versions.map((row) => keyOf(ctx, row)),
  );
}
