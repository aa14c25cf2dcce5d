/** Versions: what `$LATEST` was when it was published, for good ("Manage Lambda function versions"). */
import type { Lambda } from '@aws-sdk/client-lambda';
import type { Context } from '../../kernel/context.ts';
import type { AuthorisationsOf, HandlersOf } from '../../kernel/service.ts';
import { describeVersion } from './describe.ts';
import { invalidParameter, preconditionFailed } from './errors.ts';
import { onFunction, requireFunction } from './lookup.ts';
import { type FunctionRef, readFunction, versionName } from './names.ts';
import { page } from './paging.ts';
import { Functions, type VersionRow, Versions } from './state.ts';

/** Publishes `$LATEST`; what has not changed since the last version is not published again. Throws PreconditionFailedException. */
export async function publish(
  ctx: Context,
  ref: FunctionRef,
  {
    description,
    sha256,
    revision,
  }: { description?: string | undefined; sha256?: string | undefined; revision?: string | undefined },
): Promise<VersionRow> {
  return ctx.transact(async (tx) => {
    const fn = await requireFunction(tx, ref);
    const latestRow = (await tx.table(Versions).get(ref.name, 0)) as VersionRow;
    if (revision !== undefined && revision !== latestRow.revision) throw preconditionFailed();
    if (sha256 !== undefined && sha256 !== latestRow.code.sha256)
      throw invalidParameter(
        `CodeSHA256 (${sha256}) is different from current CodeSHA256 in $LATEST (${latestRow.code.sha256}). Please try again with the CodeSHA256 in $LATEST.`,
      );
    const last = fn.lastVersion === 0 ? undefined : await tx.table(Versions).get(ref.name, fn.lastVersion);
    if (last !== undefined && sameAs(last, latestRow)) return last;
    const number = fn.lastVersion + 1;
    const row: VersionRow = {
      ...latestRow,
      number,
      description: description ?? latestRow.description,
      revision: ctx.uuid(),
      pending: undefined,
      state: 'Active',
    };
    await tx.table(Versions).put(row);
    await tx.table(Functions).put({ ...fn, lastVersion: number });
    return row;
  });
}

function sameAs(version: VersionRow, latestRow: VersionRow): boolean {
  const core = ({ number: _n, revision: _r, pending: _p, state: _s, modified: _m, description: _d, ...rest }: VersionRow) =>
    JSON.stringify({ ...rest, environment: rest.environment === undefined ? '' : Buffer.from(rest.environment).toString('hex') });
  return core(version) === core(latestRow);
}

export const versionHandlers: HandlersOf<Lambda> = {
  async PublishVersion(input, ctx) {
    const ref = readFunction(ctx, input.FunctionName);
    if (input.PublishTo !== undefined) throw invalidParameter('PublishTo is not supported for this function.');
    const row = await publish(ctx, ref, { description: input.Description, sha256: input.CodeSha256, revision: input.RevisionId });
    return describeVersion(ctx, row, { ...ref, qualifier: versionName(row.number) });
  },

  async ListVersionsByFunction(input, ctx) {
    const ref = readFunction(ctx, input.FunctionName);
    await requireFunction(ctx, ref);
    const { rows, NextMarker } = await page(ctx.table(Versions), { ...input, prefix: [ref.name] });
    return { NextMarker, Versions: rows.map((row) => describeVersion(ctx, row, { ...ref, qualifier: versionName(row.number) })) };
  },
};

export const versionChecks: AuthorisationsOf<Lambda> = { PublishVersion: onFunction, ListVersionsByFunction: onFunction };
