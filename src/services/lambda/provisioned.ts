/** Provisioned concurrency: environments of a version or alias that wait ready ("Configuring provisioned concurrency for a function"). */
import type { Lambda, PutProvisionedConcurrencyConfigResponse } from '@aws-sdk/client-lambda';
import type { Context } from '../../kernel/context.ts';
import { AwsError } from '../../kernel/errors.ts';
import { RequestCheck } from '../../kernel/request-check.ts';
import type { AuthorisationsOf, HandlersOf, Reconciler } from '../../kernel/service.ts';
import { shownTime } from './describe.ts';
import { invalidParameter } from './errors.ts';
import { keyOf, specOf } from './execution/spec.ts';
import { onFunction, requireFunction, requireTarget } from './lookup.ts';
import { type FunctionRef, functionArn, latest, readFunction } from './names.ts';
import { page } from './paging.ts';
import { Provisioned, type ProvisionedRow } from './state.ts';

function readRef(ctx: Context, input: { FunctionName?: string | undefined; Qualifier?: string | undefined }): FunctionRef {
  const ref = readFunction(ctx, input.FunctionName, input.Qualifier);
  if (ref.qualifier === latest || ref.qualifier === undefined)
    throw invalidParameter('Provisioned Concurrency Configs cannot be applied to unpublished function versions.');
  return ref;
}

function describe(row: ProvisionedRow): PutProvisionedConcurrencyConfigResponse {
  return {
    RequestedProvisionedConcurrentExecutions: row.requested,
    AvailableProvisionedConcurrentExecutions: row.ready,
    AllocatedProvisionedConcurrentExecutions: row.ready,
    Status: row.status,
    StatusReason: row.reason,
    LastModified: shownTime(row.modified),
  };
}

async function requireConfig(ctx: Pick<Context, 'table'>, ref: FunctionRef): Promise<ProvisionedRow> {
  const row = await ctx.table(Provisioned).get(ref.name, ref.qualifier ?? '');
  if (row === undefined)
    throw new AwsError(
      'ProvisionedConcurrencyConfigNotFoundException',
      'No Provisioned Concurrency Config found for this function',
      { status: 404, members: { Type: 'User' } },
    );
  return row;
}

export const provisionedHandlers: HandlersOf<Lambda> = {
  async PutProvisionedConcurrencyConfig(input, ctx) {
    const ref = readRef(ctx, input);
    const { ProvisionedConcurrentExecutions: requested = 0 } = input;
    new RequestCheck().range('provisionedConcurrentExecutions', requested, 1, 1_000_000).done();
    const { fn } = await requireTarget(ctx, ref);
    if (fn.reserved !== undefined && requested > fn.reserved)
      throw invalidParameter(
        `Requested Provisioned Concurrency should not be greater than the reservedConcurrentExecution for function`,
      );
    const row: ProvisionedRow = {
      function: ref.name,
      qualifier: ref.qualifier ?? '',
      requested,
      ready: 0,
      status: 'IN_PROGRESS',
      modified: ctx.now,
    };
    await ctx.transact(async (tx) => {
      await tx.table(Provisioned).put(row);
      tx.hint('provisioned', `${row.function} ${row.qualifier}`);
    });
    return describe(row);
  },

  async GetProvisionedConcurrencyConfig(input, ctx) {
    return describe(await requireConfig(ctx, readRef(ctx, input)));
  },

  async ListProvisionedConcurrencyConfigs(input, ctx) {
    const ref = readFunction(ctx, input.FunctionName);
    await requireFunction(ctx, ref);
    const { rows, NextMarker } = await page(ctx.table(Provisioned), { ...input, prefix: [ref.name] });
    return {
      NextMarker,
      ProvisionedConcurrencyConfigs: rows.map((row) => ({
        ...describe(row),
        FunctionArn: functionArn({ ...ref, qualifier: row.qualifier }),
      })),
    };
  },

  /** Safe to repeat. */
  async DeleteProvisionedConcurrencyConfig(input, ctx) {
    const ref = readRef(ctx, input);
    await ctx.transact(async (tx) => {
      await tx.table(Provisioned).delete(ref.name, ref.qualifier ?? '');
      tx.hint('provisioned', `${ref.name} ${ref.qualifier}`);
    });
    return {};
  },
};

export const provisionedChecks: AuthorisationsOf<Lambda> = {
  PutProvisionedConcurrencyConfig: onFunction,
  GetProvisionedConcurrencyConfig: onFunction,
  ListProvisionedConcurrencyConfigs: onFunction,
  DeleteProvisionedConcurrencyConfig: onFunction,
};

/** Makes as many environments ready as were asked for, again after a restart. Keys are function and qualifier. */
export const provisioned: Reconciler = {
  async keys(ctx) {
    const rows = await ctx.everywhere(Provisioned);
    return rows.map(({ scope, row }) => ({ ...scope, key: `${row.function} ${row.qualifier}` }));
  },

  async run({ key }, ctx) {
    const [name = '', qualifier = ''] = key.split(' ');
    const ref = { account: ctx.account, region: ctx.region, name, qualifier };
    const target = await requireTarget(ctx, ref).catch(() => undefined);
    if (target === undefined) return;
    const row = await ctx.table(Provisioned).get(name, qualifier);
    const { version } = target;
    if (row === undefined) {
      await ctx.part('functions').unprovision(keyOf(ctx, version));
      return;
    }
    const spec = await specOf(ctx, version, 'provisioned-concurrency');
    const { ready, problem } = await ctx
      .part('functions')
      .provision(spec, row.requested)
      .catch((error: unknown) => ({ ready: 0, problem: (error as Error).message }));
    await ctx.transact(async (tx) => {
      const now = await tx.table(Provisioned).get(name, qualifier);
      if (now === undefined || now.requested !== row.requested) return;
      const status = ready >= row.requested ? 'READY' : 'FAILED';
      const reason = status === 'READY' ? undefined : `FUNCTION_ERROR_INIT_FAILURE: ${problem}`;
      if (now.status === status && now.ready === ready) return;
      await tx.table(Provisioned).put({ ...now, ready: Math.min(ready, row.requested), status, reason });
    });
  },
};
