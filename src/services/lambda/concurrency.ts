/** How many calls may run at once: of the account, and of functions that have a part of it reserved ("Configuring reserved concurrency"). */
import type { Lambda } from '@aws-sdk/client-lambda';
import type { Context } from '../../kernel/context.ts';
import { RequestCheck } from '../../kernel/request-check.ts';
import type { AuthorisationsOf, HandlersOf } from '../../kernel/service.ts';
import { unpackedBytesMax } from './code.ts';
import { functionNotFound, invalidParameter, tooManyRequests } from './errors.ts';
import { onFunction, requireFunction } from './lookup.ts';
import { functionArn, readFunction } from './names.ts';
import { type FunctionRow, Functions, Versions } from './state.ts';

/** "Concurrent executions: 1,000", and "Lambda keeps 100 for functions without reservation". */
const accountMax = 1000;
const unreservedMin = 100;
const codeStorageBytes = 80_530_636_800;
const zipBytesMax = 52_428_800;

/** Calls that run in this process, by account and Region and by function: none after a crash. A cache by cloud. */
const runningCache = new WeakMap<object, Map<string, number>>();

function runningOf(ctx: Context): Map<string, number> {
  let running = runningCache.get(ctx.clock);
  if (running === undefined) {
    running = new Map();
    runningCache.set(ctx.clock, running);
  }
  return running;
}

/** Calls of a function that run now. */
export function runningCalls(ctx: Context, name: string): number {
  return runningOf(ctx).get(`${ctx.account} ${ctx.region} ${name}`) ?? 0;
}

/**
 * Takes a place for one call; what is returned gives it back. Throws TooManyRequestsException. `ctx` is in the function's scope; `reservedSum`: what all
 * functions have reserved.
 */
export async function admit(ctx: Context, fn: FunctionRow): Promise<() => void> {
  const running = runningOf(ctx);
  const own = `${ctx.account} ${ctx.region} ${fn.name}`;
  const rest = `${ctx.account} ${ctx.region}`;
  const reservedSum = fn.reserved === undefined ? await reservedOf(ctx) : 0;
  const count = (key: string): number => running.get(key) ?? 0;
  if (fn.reserved !== undefined && count(own) >= fn.reserved)
    throw tooManyRequests('ReservedFunctionConcurrentInvocationLimitExceeded');
  if (fn.reserved === undefined && count(rest) >= accountMax - reservedSum)
    throw tooManyRequests('ConcurrentInvocationLimitExceeded');
  const keys = fn.reserved === undefined ? [own, rest] : [own];
  for (const key of keys) running.set(key, count(key) + 1);
  return () => {
    for (const key of keys) {
      if (count(key) <= 1) running.delete(key);
      else running.set(key, count(key) - 1);
    }
  };
}

async function reservedOf(ctx: Pick<Context, 'table'>, except?: string): Promise<number> {
  const rows = await ctx.table(Functions).list();
  return rows.reduce((sum, { name, reserved = 0 }) => sum + (name === except ? 0 : reserved), 0);
}

async function setReserved(ctx: Context, name: string | undefined, reserved: number | undefined): Promise<void> {
  const ref = readFunction(ctx, name);
  await ctx.transact(async (tx) => {
    const row = await tx.table(Functions).get(ref.name);
    if (row === undefined) throw functionNotFound(functionArn(ref));
    if (reserved !== undefined && accountMax - (await reservedOf(tx, ref.name)) - reserved < unreservedMin)
      throw invalidParameter(
        `Specified ReservedConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below its minimum value of [${unreservedMin}].`,
      );
    await tx.table(Functions).put({ ...row, reserved });
  });
}

export const concurrencyHandlers: HandlersOf<Lambda> = {
  async PutFunctionConcurrency(input, ctx) {
    new RequestCheck().range('reservedConcurrentExecutions', input.ReservedConcurrentExecutions, 0, 1_000_000).done();
    await setReserved(ctx, input.FunctionName, input.ReservedConcurrentExecutions);
    return { ReservedConcurrentExecutions: input.ReservedConcurrentExecutions };
  },

  async GetFunctionConcurrency(input, ctx) {
    const row = await requireFunction(ctx, readFunction(ctx, input.FunctionName));
    return { ReservedConcurrentExecutions: row.reserved };
  },

  /** Code signing configurations cannot be made here, so a function has none. */
  async GetFunctionCodeSigningConfig(input, ctx) {
    const { name } = await requireFunction(ctx, readFunction(ctx, input.FunctionName));
    return { CodeSigningConfigArn: '', FunctionName: name };
  },

  async DeleteFunctionConcurrency(input, ctx) {
    await setReserved(ctx, input.FunctionName, undefined);
    return {};
  },

  async GetAccountSettings(_input, ctx) {
    const versions = await ctx.table(Versions).list();
    return {
      AccountLimit: {
        TotalCodeSize: codeStorageBytes,
        CodeSizeUnzipped: unpackedBytesMax,
        CodeSizeZipped: zipBytesMax,
        ConcurrentExecutions: accountMax,
        UnreservedConcurrentExecutions: accountMax - (await reservedOf(ctx)),
      },
      AccountUsage: {
        TotalCodeSize: versions.reduce((sum, { code }) => sum + code.bytes, 0),
        FunctionCount: await ctx.table(Functions).count(),
      },
    };
  },
};

export const concurrencyChecks: AuthorisationsOf<Lambda> = {
  PutFunctionConcurrency: onFunction,
  GetFunctionConcurrency: onFunction,
  GetFunctionCodeSigningConfig: onFunction,
  DeleteFunctionConcurrency: onFunction,
};
