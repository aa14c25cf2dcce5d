/** Changes of a function's configuration and code: `$LATEST` is replaced, calls go to what it becomes at once, its state follows by the clock. */
import type { Lambda } from '@aws-sdk/client-lambda';
import type { Context, Transaction } from '../../kernel/context.ts';
import type { HandlersOf } from '../../kernel/service.ts';
import { parameterNotImplemented } from '../../kernel/errors.ts';
import { readArchive, storeCode } from './code.ts';
import { type ConfigInput, checkConfig, checkRole, configured } from './config.ts';
import { describeVersion } from './describe.ts';
import { conflict, functionNotFound, preconditionFailed } from './errors.ts';
import { letGo } from './environments.ts';
import { settleLater } from './functions.ts';
import { requireTarget } from './lookup.ts';
import { type FunctionRef, functionArn, readFunction } from './names.ts';
import { Functions, type VersionRow, Versions } from './state.ts';
import { publish } from './versions.ts';

/** `$LATEST` for a change. Throws PreconditionFailedException, ResourceConflictException while an earlier change is under way. */
async function changeable(ctx: Context, ref: FunctionRef, revision: string | undefined): Promise<VersionRow> {
  const { version } = await requireTarget(ctx, { ...ref, qualifier: undefined });
  checkChangeable(version, ref, revision);
  return version;
}

function checkChangeable(row: VersionRow, ref: FunctionRef, revision: string | undefined): void {
  if (revision !== undefined && revision !== row.revision) throw preconditionFailed();
  if (row.pending !== undefined)
    throw conflict(
      row.pending === 'create'
        ? `The operation cannot be performed at this time. The function is currently in the following state: Pending`
        : `The operation cannot be performed at this time. An update is in progress for resource: ${functionArn({ ...ref, qualifier: undefined })}`,
    );
}

/** Writes the changed `$LATEST`, and lets go of environments of what it was. */
async function change(
  ctx: Context,
  ref: FunctionRef,
  revision: string | undefined,
  how: (row: VersionRow) => VersionRow,
): Promise<VersionRow> {
  const changed = await ctx.transact(async (tx: Transaction) => {
    const row = await tx.table(Versions).get(ref.name, 0);
    if (row === undefined || (await tx.table(Functions).get(ref.name)) === undefined) throw functionNotFound(functionArn(ref));
    checkChangeable(row, ref, revision);
    const after: VersionRow = { ...how(row), modified: ctx.now, revision: ctx.uuid(), pending: 'update' };
    await tx.table(Versions).put(after);
    await settleLater(ctx, tx, after);
    return after;
  });
  await letGo(ctx, ref.name);
  return changed;
}

export const updateHandlers: HandlersOf<Lambda> = {
  async UpdateFunctionConfiguration(input, ctx) {
    const ref = readFunction(ctx, input.FunctionName);
    checkConfig('UpdateFunctionConfiguration', input as ConfigInput);
    await changeable(ctx, ref, input.RevisionId);
    if (input.Role !== undefined) await checkRole(ctx, input.Role);
    const before = await changeable(ctx, ref, input.RevisionId);
    const config = await configured(ctx, 'UpdateFunctionConfiguration', input as ConfigInput, before, before.code.name);
    const row = await change(ctx, ref, input.RevisionId, (now) => ({ ...now, ...config }));
    return describeVersion(ctx, row, ref);
  },

  async UpdateFunctionCode(input, ctx) {
    const ref = readFunction(ctx, input.FunctionName);
    if (input.ImageUri !== undefined) throw parameterNotImplemented('UpdateFunctionCode', 'ImageUri');
    if (input.SourceKMSKeyArn !== undefined) throw parameterNotImplemented('UpdateFunctionCode', 'SourceKMSKeyArn');
    checkConfig('UpdateFunctionCode', { Architectures: input.Architectures });
    const before = await changeable(ctx, ref, input.RevisionId);
    const code = await storeCode(ctx, await readArchive(ctx, input, 'UpdateFunctionCode'));
    if (input.DryRun === true) {
      await ctx.part('blobs').remove(code.blob);
      return describeVersion(ctx, { ...before, code }, ref);
    }
    const row = await change(ctx, ref, input.RevisionId, (now) => ({ ...now, code }));
    await ctx.part('blobs').keep(code.blob);
    if (input.Publish === true) return describeVersion(ctx, await publish(ctx, ref, {}), ref);
    return describeVersion(ctx, row, ref);
  },
};
