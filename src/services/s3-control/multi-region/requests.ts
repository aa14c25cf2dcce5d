/**
 * Asynchronous requests for Multi-Region Access Points: authorised and checked at once, carried out a moment later (hours in the real service), asked
 * after by their token ("Using Multi-Region Access Points with supported API operations").
 */
import type { AsyncOperation, S3Control } from '@aws-sdk/client-s3-control';
import type { Context } from '../../../kernel/context.ts';
import { AwsError } from '../../../kernel/errors.ts';
import type { HandlersOf, Task } from '../../../kernel/service.ts';
import type { Value } from '../../../store/store.ts';
import type { S3Api } from '../../s3/api.ts';
import { requireOwn } from '../requests.ts';
import { type AsyncKind, type AsyncRequestRow, AsyncRequests } from './state.ts';

const delayMillis = 1000;

const pathOf: Readonly<Record<AsyncKind, string>> = {
  CreateMultiRegionAccessPoint: 'create',
  DeleteMultiRegionAccessPoint: 'delete',
  PutMultiRegionAccessPointPolicy: 'put-policy',
};

/** ARN by which a request is asked after. */
function tokenArn(account: string, { kind, token }: Pick<AsyncRequestRow, 'kind' | 'token'>): string {
  return `arn:aws:s3:us-west-2:${account}:async-request/mrap/${pathOf[kind]}/${token}`;
}

interface Asked {
  kind: AsyncKind;
  clientToken: string | undefined;
  name: string;
  details: unknown;
}

/** Puts a request in hand once `begin` has let it; the same client token gives the same request. Resolves with its ARN. */
export async function inHand(
  ctx: Context,
  { kind, clientToken = '', name, details }: Asked,
  begin: () => Promise<unknown>,
): Promise<string> {
  const known =
    clientToken === '' ? undefined : await ctx.table(AsyncRequests).firstByIndex('byClientToken', [kind, clientToken]);
  if (known !== undefined) return tokenArn(ctx.account, known);
  await begin();
  const row: AsyncRequestRow = {
    token: ctx.uuid(),
    clientToken,
    kind,
    created: ctx.now,
    name,
    details: details as Value,
    status: 'INPROGRESS',
    regions: [],
  };
  await ctx.transact(async (tx) => {
    await tx.table(AsyncRequests).put(row);
    await tx.schedule({ task: 'finishRequest', key: row.token, due: ctx.now + delayMillis });
  });
  return tokenArn(ctx.account, row);
}

async function carryOut(s3: S3Api, account: string, { kind, name }: AsyncRequestRow): Promise<string[]> {
  const place = { account, name };
  if (kind === 'CreateMultiRegionAccessPoint') return (await s3.multiRegion.open(place)).buckets.map(({ region }) => region);
  const regions = (await s3.multiRegion.get(place)).buckets.map(({ region }) => region);
  if (kind === 'DeleteMultiRegionAccessPoint') await s3.multiRegion.remove(place);
  else await s3.multiRegion.establish(place);
  return regions;
}

/** Carries a request out, and writes down how that went. */
export const finishRequest: Task = async ({ key: token }, ctx) => {
  const row = await ctx.table(AsyncRequests).get(token);
  if (row?.status !== 'INPROGRESS') return;
  let done: Partial<AsyncRequestRow>;
  try {
    done = { status: 'SUCCEEDED', regions: await carryOut(await ctx.internal<S3Api>('s3'), ctx.account, row) };
  } catch (error) {
    if (!(error instanceof AwsError) || error.status >= 500) throw error;
    done = { status: 'FAILED', failure: { code: error.code, message: error.message } };
  }
  await ctx.transact((tx) => tx.table(AsyncRequests).update([token], (current) => ({ ...current, ...done })));
};

function describe(ctx: Context, row: AsyncRequestRow): AsyncOperation {
  const { kind, status, failure, regions } = row;
  const Regions = regions.map((Name) => ({ Name, RequestStatus: status }));
  return {
    CreationTime: new Date(row.created),
    Operation: kind,
    RequestTokenARN: tokenArn(ctx.account, row),
    RequestParameters: { [`${kind}Request`]: row.details },
    RequestStatus: status,
    ResponseDetails: {
      ...(status === 'SUCCEEDED' ? { MultiRegionAccessPointDetails: { Regions } } : {}),
      ...(failure === undefined
        ? {}
        : { ErrorDetails: { Code: failure.code, Message: failure.message, Resource: row.name, RequestId: row.token } }),
    },
  };
}

export const requestHandlers: HandlersOf<S3Control> = {
  async DescribeMultiRegionAccessPointOperation(input, ctx) {
    requireOwn(ctx, input.AccountId);
    const row = await ctx.table(AsyncRequests).get(input.RequestTokenARN?.split('/').at(-1) ?? '');
    if (row === undefined || tokenArn(ctx.account, row) !== input.RequestTokenARN)
      throw new AwsError('NoSuchAsyncRequest', 'The specified async request does not exist.', { status: 404 });
    return { AsyncOperation: describe(ctx, row) };
  },
};
