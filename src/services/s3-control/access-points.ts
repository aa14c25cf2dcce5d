/** Access points: made, shown, listed, given policies. The rows are S3's, which asks them at every request by such a point. */
import type { S3Control } from '@aws-sdk/client-s3-control';
import { pageOf } from '../../base/paging.ts';
import type { Context } from '../../kernel/context.ts';
import { AwsError, parameterNotImplemented } from '../../kernel/errors.ts';
import type { AuthorisationsOf, Check, HandlersOf } from '../../kernel/service.ts';
import type { AccessPointRow, PointPlace, S3Api } from '../s3/api.ts';
import { readBlock, requireOwn } from './requests.ts';

const pageMax = 1000;

function apiOf(ctx: Context): Promise<S3Api> {
  return ctx.internal<S3Api>('s3');
}

interface PointAsk {
  AccountId?: string | undefined;
  Name?: string | undefined;
}

function placeOf(ctx: Context, { AccountId, Name = '' }: PointAsk): PointPlace {
  return { account: requireOwn(ctx, AccountId), region: ctx.region, name: Name };
}

function arnOf({ account, region, name }: PointPlace): string {
  return `arn:aws:s3:${region}:${account}:accesspoint/${name}`;
}

function describe(row: AccessPointRow) {
  return {
    Name: row.name,
    Bucket: row.bucket,
    BucketAccountId: row.bucketAccount,
    NetworkOrigin: row.vpcId === undefined ? ('Internet' as const) : ('VPC' as const),
    ...(row.vpcId === undefined ? {} : { VpcConfiguration: { VpcId: row.vpcId } }),
    Alias: row.alias,
    AccessPointArn: arnOf(row),
  };
}

function noPolicy(name: string): AwsError {
  const members = { AccessPointName: name };
  return new AwsError('NoSuchAccessPointPolicy', 'The specified accesspoint policy does not exist', { status: 404, members });
}

export const accessPointHandlers: HandlersOf<S3Control> = {
  async CreateAccessPoint(input, ctx) {
    for (const name of ['Scope', 'Tags'] as const)
      if (input[name] !== undefined) throw parameterNotImplemented('CreateAccessPoint', name);
    const row = await (await apiOf(ctx)).createAccessPoint({
      ...placeOf(ctx, input),
      bucket: input.Bucket ?? '',
      bucketAccount: input.BucketAccountId,
      vpcId: input.VpcConfiguration?.VpcId,
      // "By default, all Block Public Access settings are enabled for new access points", and they never change.
      publicBlock: readBlock(input.PublicAccessBlockConfiguration, true),
    });
    return { AccessPointArn: arnOf(row), Alias: row.alias };
  },

  async GetAccessPoint(input, ctx) {
    const row = await (await apiOf(ctx)).accessPoint(placeOf(ctx, input));
    const host = `s3-accesspoint.${row.region}.amazonaws.com`;
    const dualstack = `s3-accesspoint.dualstack.${row.region}.amazonaws.com`;
    return {
      ...describe(row),
      PublicAccessBlockConfiguration: { ...row.publicBlock },
      CreationDate: new Date(row.created),
      Endpoints: { ipv4: host, dualstack },
    };
  },

  async ListAccessPoints(input, ctx) {
    for (const name of ['DataSourceId', 'DataSourceType'] as const)
      if (input[name] !== undefined) throw parameterNotImplemented('ListAccessPoints', name);
    const { NextToken: token, MaxResults: limit = pageMax, Bucket: bucket } = input;
    const account = requireOwn(ctx, input.AccountId);
    const rows = await (await apiOf(ctx)).accessPoints({ account, region: ctx.region, bucket });
    const scope = `ListAccessPoints ${account} ${bucket}`;
    const page = pageOf(rows, (row) => [row.name], { scope, token, limit: Math.min(Math.max(limit, 1), pageMax) });
    if (page === undefined) throw new AwsError('InvalidRequest', 'The continuation token provided is incorrect', { status: 400 });
    return { AccessPointList: page.items.map(describe), ...(page.nextToken === undefined ? {} : { NextToken: page.nextToken }) };
  },

  async DeleteAccessPoint(input, ctx) {
    await (await apiOf(ctx)).deleteAccessPoint(placeOf(ctx, input));
    return {};
  },

  async PutAccessPointPolicy(input, ctx) {
    await (await apiOf(ctx)).setAccessPointPolicy(placeOf(ctx, input), input.Policy ?? '');
    return {};
  },

  async GetAccessPointPolicy(input, ctx) {
    const { policy, name } = await (await apiOf(ctx)).accessPoint(placeOf(ctx, input));
    if (policy === undefined) throw noPolicy(name);
    return { Policy: policy };
  },

  async DeleteAccessPointPolicy(input, ctx) {
    await (await apiOf(ctx)).setAccessPointPolicy(placeOf(ctx, input), undefined);
    return {};
  },

  async GetAccessPointPolicyStatus(input, ctx) {
    const s3 = await apiOf(ctx);
    const row = await s3.accessPoint(placeOf(ctx, input));
    if (row.policy === undefined) throw noPolicy(row.name);
    return { PolicyStatus: { IsPublic: s3.isPublic(row) } };
  },
};

/** Who may change an access point is told by identities alone; its policy speaks of what comes through it. */
function pointCheck(ctx: Context, ask: PointAsk, vpcId?: string): Check[] {
  const account = ask.AccountId ?? '';
  const resource = arnOf({ account, region: ctx.region, name: ask.Name ?? '' });
  const conditions = {
    's3:DataAccessPointArn': resource,
    's3:DataAccessPointAccount': account,
    's3:AccessPointNetworkOrigin': vpcId === undefined ? undefined : 'VPC',
  };
  return [{ resource, conditions }];
}

export const accessPointChecks: AuthorisationsOf<S3Control> = {
  CreateAccessPoint: (input, ctx) => pointCheck(ctx, input, input.VpcConfiguration?.VpcId),
  GetAccessPoint: (_input, _ctx) => [{ resource: '*' }],
  DeleteAccessPoint: (input, ctx) => pointCheck(ctx, input),
  PutAccessPointPolicy: (input, ctx) => pointCheck(ctx, input),
  GetAccessPointPolicy: (input, ctx) => pointCheck(ctx, input),
  DeleteAccessPointPolicy: (input, ctx) => pointCheck(ctx, input),
  GetAccessPointPolicyStatus: (input, ctx) => pointCheck(ctx, input),
};
