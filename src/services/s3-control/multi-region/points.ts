/** Multi-Region Access Points: made, shown, listed, given policies and routes. The rows are S3's, which routes each request by them. */
import type { MultiRegionAccessPointReport, S3Control } from '@aws-sdk/client-s3-control';
import { pageOf } from '../../../base/paging.ts';
import type { Context } from '../../../kernel/context.ts';
import { AwsError } from '../../../kernel/errors.ts';
import type { AuthorisationsOf, Check, HandlersOf } from '../../../kernel/service.ts';
import type { MultiRegionPlace, MultiRegionPointRow, S3Api } from '../../s3/api.ts';
import { readBlock, requireOwn } from '../requests.ts';
import { inHand } from './requests.ts';

const pageMax = 100;

async function apiOf(ctx: Context): Promise<S3Api['multiRegion']> {
  return (await ctx.internal<S3Api>('s3')).multiRegion;
}

/** "All control plane requests … must be routed to the US West (Oregon) Region", those of routes to one of five. */
const home = ['us-west-2'];
const routing = ['ap-northeast-1', 'ap-southeast-2', 'eu-west-1', 'us-east-1', 'us-west-2'];

/** Throws AccessDenied for another account than the caller's, PermanentRedirect in a Region that does not take the request. */
function accountAt(ctx: Context, account: string | undefined, regions: readonly string[] = home): string {
  const own = requireOwn(ctx, account);
  if (regions.includes(ctx.region)) return own;
  const text = `This API operation is only available in the following Regions: ${regions.join(',')}. Make sure to send all future requests to a supported Region.`;
  throw new AwsError('PermanentRedirect', text, { status: 301 });
}

function placeOf(
  ctx: Context,
  { AccountId, Name = '' }: { AccountId?: string | undefined; Name?: string | undefined },
): MultiRegionPlace {
  return { account: accountAt(ctx, AccountId), name: Name };
}

function describe(row: MultiRegionPointRow): MultiRegionAccessPointReport {
  return {
    Name: row.name,
    Alias: row.alias,
    CreatedAt: new Date(row.created),
    PublicAccessBlock: { ...row.publicBlock },
    Status: row.status,
    Regions: row.buckets.map(({ bucket, region, account }) => ({ Bucket: bucket, Region: region, BucketAccountId: account })),
  };
}

export const multiRegionHandlers: HandlersOf<S3Control> = {
  async CreateMultiRegionAccessPoint({ AccountId, ClientToken: clientToken, Details: details }, ctx) {
    const place = placeOf(ctx, { AccountId, Name: details?.Name });
    const buckets = (details?.Regions ?? []).map(({ Bucket = '', BucketAccountId = place.account }) => {
      return { bucket: Bucket, account: BucketAccountId };
    });
    const api = await apiOf(ctx);
    const publicBlock = readBlock(details?.PublicAccessBlock, true);
    const asked = { kind: 'CreateMultiRegionAccessPoint', clientToken, name: place.name, details } as const;
    return { RequestTokenARN: await inHand(ctx, asked, () => api.begin({ ...place, buckets, publicBlock })) };
  },

  async DeleteMultiRegionAccessPoint({ AccountId, ClientToken: clientToken, Details: details }, ctx) {
    const place = placeOf(ctx, { AccountId, Name: details?.Name });
    const api = await apiOf(ctx);
    const asked = { kind: 'DeleteMultiRegionAccessPoint', clientToken, name: place.name, details } as const;
    return { RequestTokenARN: await inHand(ctx, asked, () => api.close(place)) };
  },

  async PutMultiRegionAccessPointPolicy({ AccountId, ClientToken: clientToken, Details: details }, ctx) {
    const place = placeOf(ctx, { AccountId, Name: details?.Name });
    const api = await apiOf(ctx);
    const asked = { kind: 'PutMultiRegionAccessPointPolicy', clientToken, name: place.name, details } as const;
    return { RequestTokenARN: await inHand(ctx, asked, () => api.propose(place, details?.Policy ?? '')) };
  },

  async GetMultiRegionAccessPoint(input, ctx) {
    return { AccessPoint: describe(await (await apiOf(ctx)).get(placeOf(ctx, input))) };
  },

  async ListMultiRegionAccessPoints({ AccountId, NextToken: token, MaxResults: limit = pageMax }, ctx) {
    const account = accountAt(ctx, AccountId);
    const rows = await (await apiOf(ctx)).list(account);
    const scope = `ListMultiRegionAccessPoints ${account}`;
    const page = pageOf(rows, (row) => [row.name], { scope, token, limit: Math.min(Math.max(limit, 1), pageMax) });
    if (page === undefined) throw new AwsError('InvalidRequest', 'The continuation token provided is incorrect', { status: 400 });
    return { AccessPoints: page.items.map(describe), ...(page.nextToken === undefined ? {} : { NextToken: page.nextToken }) };
  },

  async GetMultiRegionAccessPointPolicy(input, ctx) {
    const { policy, proposed } = await (await apiOf(ctx)).get(placeOf(ctx, input));
    return {
      Policy: {
        ...(policy === undefined ? {} : { Established: { Policy: policy } }),
        ...(proposed === undefined ? {} : { Proposed: { Policy: proposed } }),
      },
    };
  },

  async GetMultiRegionAccessPointPolicyStatus(input, ctx) {
    const api = await apiOf(ctx);
    return { Established: { IsPublic: api.isPublic(await api.get(placeOf(ctx, input))) } };
  },

  async GetMultiRegionAccessPointRoutes({ AccountId, Mrap = '' }, ctx) {
    const row = await (await apiOf(ctx)).find(accountAt(ctx, AccountId, routing), Mrap);
    const Routes = row.buckets.map(({ bucket, region, active }) => {
      return { Bucket: bucket, Region: region, TrafficDialPercentage: active ? 100 : 0 };
    });
    return { Mrap, Routes };
  },

  /** In-progress requests go on where they are; new ones are routed anew at once (within two minutes in the real service). */
  async SubmitMultiRegionAccessPointRoutes({ AccountId, Mrap = '', RouteUpdates: updates = [] }, ctx) {
    const account = accountAt(ctx, AccountId, routing);
    const asked = updates.map(({ Bucket: bucket, Region: region, TrafficDialPercentage: percentage }) => {
      return { bucket, region, percentage };
    });
    await (await apiOf(ctx)).route(account, Mrap, asked);
    return {};
  },
};

/** Policies name a Multi-Region Access Point by its alias, which one that does not exist has not. */
async function byName(ctx: Context, account: string | undefined, name: string | undefined): Promise<Check[]> {
  const rows = await (await apiOf(ctx)).list(account ?? '');
  const alias = rows.find((row) => row.name === name)?.alias ?? name ?? '';
  return [{ resource: `arn:aws:s3::${account ?? ''}:accesspoint/${alias}` }];
}

function byMrap(account: string | undefined, mrap = ''): Check[] {
  return [{ resource: mrap.startsWith('arn:') ? mrap : `arn:aws:s3::${account ?? ''}:accesspoint/${mrap}` }];
}

export const multiRegionChecks: AuthorisationsOf<S3Control> = {
  CreateMultiRegionAccessPoint: (input, ctx) => byName(ctx, input.AccountId, input.Details?.Name),
  DeleteMultiRegionAccessPoint: (input, ctx) => byName(ctx, input.AccountId, input.Details?.Name),
  PutMultiRegionAccessPointPolicy: (input, ctx) => byName(ctx, input.AccountId, input.Details?.Name),
  GetMultiRegionAccessPoint: (input, ctx) => byName(ctx, input.AccountId, input.Name),
  GetMultiRegionAccessPointPolicy: (input, ctx) => byName(ctx, input.AccountId, input.Name),
  GetMultiRegionAccessPointPolicyStatus: (input, ctx) => byName(ctx, input.AccountId, input.Name),
  GetMultiRegionAccessPointRoutes: (input) => byMrap(input.AccountId, input.Mrap),
  SubmitMultiRegionAccessPointRoutes: (input) => byMrap(input.AccountId, input.Mrap),
  DescribeMultiRegionAccessPointOperation: (input) => [{ resource: input.RequestTokenARN ?? '' }],
};
