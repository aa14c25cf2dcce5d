/** How asynchronous calls are tried and where their outcomes go: PutFunctionEventInvokeConfig and its kin. */
import type { FunctionEventInvokeConfig, Lambda, PutFunctionEventInvokeConfigRequest } from '@aws-sdk/client-lambda';
import type { Context } from '../../../kernel/context.ts';
import { RequestCheck } from '../../../kernel/request-check.ts';
import type { AuthorisationsOf, HandlersOf } from '../../../kernel/service.ts';
import { notFound } from '../errors.ts';
import { onFunction, requireFunction, requireTarget } from '../lookup.ts';
import { type FunctionRef, functionArn, latest, readFunction } from '../names.ts';
import { page } from '../paging.ts';
import { type EventInvokeRow, EventInvokes } from '../state.ts';
import { checkDestination } from './destinations.ts';

function keyOf(ref: FunctionRef): string {
  return ref.qualifier === undefined || ref.qualifier === latest ? '' : ref.qualifier;
}

function describe(ref: FunctionRef, row: EventInvokeRow): FunctionEventInvokeConfig {
  return {
    LastModified: new Date(row.modified),
    FunctionArn: functionArn({ ...ref, qualifier: row.qualifier === '' ? latest : row.qualifier }),
    MaximumRetryAttempts: row.retries,
    MaximumEventAgeInSeconds: row.ageSeconds,
    DestinationConfig: {
      OnSuccess: row.onSuccess === undefined ? {} : { Destination: row.onSuccess },
      OnFailure: row.onFailure === undefined ? {} : { Destination: row.onFailure },
    },
  };
}

async function write(ctx: Context, input: PutFunctionEventInvokeConfigRequest, keep: boolean) {
  const ref = readFunction(ctx, input.FunctionName, input.Qualifier);
  new RequestCheck()
    .range('maximumRetryAttempts', input.MaximumRetryAttempts, 0, 2)
    .range('maximumEventAgeInSeconds', input.MaximumEventAgeInSeconds, 60, 21_600)
    .done();
  const [onSuccess, onFailure] = [input.DestinationConfig?.OnSuccess, input.DestinationConfig?.OnFailure].map((one) =>
    checkDestination(one?.Destination),
  );
  await requireTarget(ctx, ref);
  const row = await ctx.transact(async (tx) => {
    const before = keep ? await tx.table(EventInvokes).get(ref.name, keyOf(ref)) : undefined;
    if (keep && before === undefined) throw missing(ref);
    const after: EventInvokeRow = {
      function: ref.name,
      qualifier: keyOf(ref),
      retries: input.MaximumRetryAttempts ?? before?.retries,
      ageSeconds: input.MaximumEventAgeInSeconds ?? before?.ageSeconds,
      onSuccess: input.DestinationConfig?.OnSuccess === undefined ? before?.onSuccess : onSuccess,
      onFailure: input.DestinationConfig?.OnFailure === undefined ? before?.onFailure : onFailure,
      modified: ctx.now,
    };
    await tx.table(EventInvokes).put(after);
    return after;
  });
  return describe(ref, row);
}

function missing(ref: FunctionRef) {
  return notFound(
    `The function ${functionArn({ ...ref, qualifier: ref.qualifier ?? latest })} doesn't have an EventInvokeConfig`,
  );
}

export const eventInvokeHandlers: HandlersOf<Lambda> = {
  PutFunctionEventInvokeConfig: (input, ctx) => write(ctx, input, false),
  UpdateFunctionEventInvokeConfig: (input, ctx) => write(ctx, input, true),

  async GetFunctionEventInvokeConfig(input, ctx) {
    const ref = readFunction(ctx, input.FunctionName, input.Qualifier);
    const row = await ctx.table(EventInvokes).get(ref.name, keyOf(ref));
    if (row === undefined) throw missing(ref);
    return describe(ref, row);
  },

  async DeleteFunctionEventInvokeConfig(input, ctx) {
    const ref = readFunction(ctx, input.FunctionName, input.Qualifier);
    const gone = await ctx.transact((tx) => tx.table(EventInvokes).delete(ref.name, keyOf(ref)));
    if (!gone) throw missing(ref);
    return {};
  },

  async ListFunctionEventInvokeConfigs(input, ctx) {
    const ref = readFunction(ctx, input.FunctionName);
    await requireFunction(ctx, ref);
    const { rows, NextMarker } = await page(ctx.table(EventInvokes), { ...input, prefix: [ref.name] });
    return { FunctionEventInvokeConfigs: rows.map((row) => describe(ref, row)), NextMarker };
  },
};

export const eventInvokeChecks: AuthorisationsOf<Lambda> = {
  PutFunctionEventInvokeConfig: onFunction,
  UpdateFunctionEventInvokeConfig: onFunction,
  GetFunctionEventInvokeConfig: onFunction,
  DeleteFunctionEventInvokeConfig: onFunction,
  ListFunctionEventInvokeConfigs: onFunction,
};
