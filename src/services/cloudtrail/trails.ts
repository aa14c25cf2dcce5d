/** Trails: create, update, start, stop, describe, select, delete. */
import type { CloudTrail, CreateTrailRequest, EventSelector, Tag, Trail, UpdateTrailRequest } from '@aws-sdk/client-cloudtrail';
import { parseArn } from '../../base/arn.ts';
import { pageOf } from '../../base/paging.ts';
import type { Context, Scope } from '../../kernel/context.ts';
import { AwsError, parameterNotImplemented } from '../../kernel/errors.ts';
import type { HandlersOf } from '../../kernel/service.ts';
import { deliveryStep, scheduleDelivery } from './delivery.ts';
import { trailError, trailNotFound } from './errors.ts';
import { trailArn } from './names.ts';
import { DataCalls, type EventSelectorRow, type TrailRow, Trails } from './state.ts';

/** Trails of a Region ("Quotas in AWS CloudTrail"). */
const trailsMax = 5;
const selectorsMax = 5;
const dataTypes: readonly string[] = ['AWS::S3::Object', 'AWS::Lambda::Function', 'AWS::DynamoDB::Table'];

/** What a trail records unless told otherwise: all management events. */
const defaultSelectors: readonly EventSelectorRow[] = [{ readWrite: 'All', management: true, data: [], excludedSources: [] }];

/** "must start with a letter or number, and end with a letter or number, be between 3 and 128 characters …" (CreateTrail, Name). */
function checkName(name: string): void {
  if (name.length < 3) throw trailError('InvalidTrailName', 'Trail name must have a length of at least 3 characters.');
  if (name.length > 128) throw trailError('InvalidTrailName', 'Trail name cannot be longer than 128 characters.');
  if (!/^[A-Za-z0-9]/.test(name)) throw trailError('InvalidTrailName', 'Trail name must start with a letter or number.');
  if (!/[A-Za-z0-9]$/.test(name)) throw trailError('InvalidTrailName', 'Trail name must end with a letter or number.');
  if (!/^[\w.-]+$/.test(name))
    throw trailError(
      'InvalidTrailName',
      'Trail name can only contain uppercase letters, lowercase letters, numbers, periods (.), hyphens (-), and underscores (_).',
    );
}

/** Name and scope of a trail named by name or ARN. Throws CloudTrailARNInvalid. */
function named(ctx: Scope, text: string): { scope: Scope; name: string } {
  if (!text.startsWith('arn:')) return { scope: ctx, name: text };
  const arn = parseArn(text);
  if (arn?.service !== 'cloudtrail' || !arn.resource.startsWith('trail/'))
    throw trailError('CloudTrailARNInvalid', 'Invalid trail ARN.');
  return { scope: { account: ctx.account, region: arn.region }, name: arn.resource.slice('trail/'.length) };
}

/** Throws TrailNotFound. */
async function requireTrail(ctx: Context, text: string | undefined): Promise<{ home: Context; row: TrailRow }> {
  const { scope, name } = named(ctx, text ?? '');
  const home = ctx.inScope(scope);
  const row = await home.table(Trails).get(name);
  if (row === undefined) throw trailNotFound(trailArn(scope, name));
  return { home, row };
}

function describeTrail(scope: Scope, row: TrailRow): Trail {
  return {
    Name: row.name,
    S3BucketName: row.bucket,
    S3KeyPrefix: row.prefix,
    SnsTopicName: row.topic,
    SnsTopicARN: row.topic === undefined ? undefined : topicArn(scope, row.topic),
    IncludeGlobalServiceEvents: row.globalEvents,
    IsMultiRegionTrail: row.multiRegion,
    HomeRegion: scope.region,
    TrailARN: trailArn(scope, row.name),
    LogFileValidationEnabled: row.validation,
    CloudWatchLogsLogGroupArn: row.logGroupArn,
    CloudWatchLogsRoleArn: row.logRoleArn,
    KmsKeyId: row.kmsKeyId,
    HasCustomEventSelectors:
      row.selectors !== defaultSelectors && JSON.stringify(row.selectors) !== JSON.stringify(defaultSelectors),
    HasInsightSelectors: false,
    IsOrganizationTrail: false,
  };
}

function topicArn({ account, region }: Scope, topic: string): string {
  return topic.startsWith('arn:') ? topic : `arn:aws:sns:${region}:${account}:${topic}`;
}

/** Tries to write where the trail will: CreateTrail and UpdateTrail refuse a bucket that does not let CloudTrail in. */
async function checkBucket(ctx: Context, row: TrailRow): Promise<void> {
  const s3 = ctx.onAccountOf(trailArn(ctx, row.name)).call('s3');
  const prefix = row.prefix === undefined ? '' : `${row.prefix}/`;
  try {
    await s3.getBucketAcl({ Bucket: row.bucket });
    await s3.putObject({
      Bucket: row.bucket,
      Key: `${prefix}AWSLogs/${ctx.account}/CloudTrail/`,
      ACL: 'bucket-owner-full-control',
      Body: new Uint8Array(0),
    });
  } catch (error) {
    if (!(error instanceof AwsError)) throw error;
    if (error.code === 'NoSuchBucket') throw trailError('S3BucketDoesNotExist', `S3 bucket ${row.bucket} does not exist!`);
    throw trailError('InsufficientS3BucketPolicy', `Incorrect S3 bucket policy is detected for bucket: ${row.bucket}`);
  }
}

function checkDestinations(operation: string, input: CreateTrailRequest | UpdateTrailRequest): void {
  if (input.IncludeGlobalServiceEvents === false) throw parameterNotImplemented(operation, 'IncludeGlobalServiceEvents');
  if (input.IsOrganizationTrail === true) throw parameterNotImplemented(operation, 'IsOrganizationTrail');
  if (input.RecursiveLogging !== undefined) throw parameterNotImplemented(operation, 'RecursiveLogging');
  if (input.KmsKeyId !== undefined) throw parameterNotImplemented(operation, 'KmsKeyId');
  if (input.SnsTopicName !== undefined) throw parameterNotImplemented(operation, 'SnsTopicName');
  const { CloudWatchLogsLogGroupArn: group, CloudWatchLogsRoleArn: role } = input;
  if ((group === undefined) !== (role === undefined))
    throw trailError('InvalidCloudWatchLogsLogGroupArn', 'You must specify both a log group ARN and a role ARN.');
  if (group !== undefined && !/^arn:aws:logs:[^:]+:\d{12}:log-group:[^:]+:\*$/.test(group))
    throw trailError('InvalidCloudWatchLogsLogGroupArn', 'CloudTrail cannot validate the specified log group ARN.');
}

function readSelectors(list: readonly EventSelector[]): EventSelectorRow[] {
  if (list.length < 1 || list.length > selectorsMax)
    throw trailError('InvalidEventSelectors', `The total number of event selectors must be between 1 and ${selectorsMax}.`);
  return list.map((selector) => ({
    readWrite: selector.ReadWriteType ?? 'All',
    management: selector.IncludeManagementEvents ?? true,
    data: (selector.DataResources ?? []).map(({ Type: type = '', Values: values = [] }) => {
      if (!dataTypes.includes(type)) throw trailError('InvalidEventSelectors', `The data resource type ${type} is not valid.`);
      for (const value of values)
        if (!value.startsWith('arn:'))
          throw trailError('InvalidEventSelectors', `Value ${value} for DataResources.Values is invalid.`);
      return { type, values };
    }),
    excludedSources: selector.ExcludeManagementEventSources ?? [],
  }));
}

function describeSelectors(rows: readonly EventSelectorRow[]): EventSelector[] {
  return rows.map((row) => ({
    ReadWriteType: row.readWrite,
    IncludeManagementEvents: row.management,
    DataResources: row.data.map(({ type, values }) => ({ Type: type, Values: [...values] })),
    ExcludeManagementEventSources: [...row.excludedSources],
  }));
}

/** The trails of this Region, and those of other Regions that record everywhere. */
async function visibleTrails(ctx: Context): Promise<{ scope: Scope; row: TrailRow }[]> {
  const all = await ctx.everywhere(Trails);
  return all.filter(({ scope, row }) => scope.account === ctx.account && (scope.region === ctx.region || row.multiRegion));
}

export const trailHandlers: HandlersOf<CloudTrail> = {
  /** A trail does not log until StartLogging. Throws TrailAlreadyExists, InsufficientS3BucketPolicy, S3BucketDoesNotExist, … */
  async CreateTrail(input, ctx) {
    const { Name: name = '', IsMultiRegionTrail: multiRegion = false, IncludeGlobalServiceEvents: globalEvents = true } = input;
    checkName(name);
    checkDestinations('CreateTrail', input);
    const row: TrailRow = {
      name,
      bucket: input.S3BucketName ?? '',
      prefix: input.S3KeyPrefix,
      multiRegion,
      globalEvents,
      validation: input.EnableLogFileValidation ?? false,
      logGroupArn: input.CloudWatchLogsLogGroupArn,
      logRoleArn: input.CloudWatchLogsRoleArn,
      life: ctx.uuid(),
      logging: false,
      deliveredTo: ctx.now,
      undigested: [],
      selectors: defaultSelectors,
      tags: Object.fromEntries((input.TagsList ?? []).map(({ Key = '', Value = '' }) => [Key, Value])),
    };
    if ((await ctx.table(Trails).get(name)) === undefined) await checkBucket(ctx, row);
    await ctx.transact(async (tx) => {
      const trails = tx.table(Trails);
      if ((await trails.get(name)) !== undefined)
        throw trailError('TrailAlreadyExists', `Trail ${name} already exists for customer: ${ctx.account}`);
      if ((await trails.count()) >= trailsMax)
        throw trailError(
          'MaximumNumberOfTrailsExceeded',
          `User: ${ctx.account} already has ${trailsMax} trails in ${ctx.region}.`,
        );
      await trails.put(row);
    });
    const {
      HomeRegion: _home,
      HasCustomEventSelectors: _custom,
      HasInsightSelectors: _insight,
      ...shown
    } = describeTrail(ctx, row);
    return shown;
  },

  async UpdateTrail(input, ctx) {
    checkDestinations('UpdateTrail', input);
    const { home, row } = await requireTrail(ctx, input.Name);
    const changed: TrailRow = {
      ...row,
      bucket: input.S3BucketName ?? row.bucket,
      prefix: input.S3KeyPrefix ?? row.prefix,
      multiRegion: input.IsMultiRegionTrail ?? row.multiRegion,
      globalEvents: input.IncludeGlobalServiceEvents ?? row.globalEvents,
      validation: input.EnableLogFileValidation ?? row.validation,
      logGroupArn: input.CloudWatchLogsLogGroupArn ?? row.logGroupArn,
      logRoleArn: input.CloudWatchLogsRoleArn ?? row.logRoleArn,
    };
    await checkBucket(home, changed);
    await home.transact((tx) => tx.table(Trails).put(changed));
    const {
      HomeRegion: _home,
      HasCustomEventSelectors: _custom,
      HasInsightSelectors: _insight,
      ...shown
    } = describeTrail(home, changed);
    return shown;
  },

  async DeleteTrail(input, ctx) {
    const { home, row } = await requireTrail(ctx, input.Name);
    await home.transact(async (tx) => {
      await tx.table(Trails).delete(row.name);
      for (const call of await tx.table(DataCalls).list({ prefix: [row.name] }))
        await tx.table(DataCalls).delete(call.trail, call.at, call.requestId);
      await tx.unschedule('deliver', row.name);
    });
    return {};
  },

  async StartLogging(input, ctx) {
    const { home, row } = await requireTrail(ctx, input.Name);
    await home.transact(async (tx) => {
      if (row.logging) return;
      await tx.table(Trails).put({ ...row, logging: true, started: ctx.now, deliveredTo: ctx.now, lastDigest: ctx.now });
      await scheduleDelivery(tx, row.name, ctx.now + deliveryStep);
    });
    return {};
  },

  async StopLogging(input, ctx) {
    const { home, row } = await requireTrail(ctx, input.Name);
    await home.transact((tx) => tx.table(Trails).put({ ...row, logging: false, stopped: ctx.now }));
    return {};
  },

  async GetTrail(input, ctx) {
    const { home, row } = await requireTrail(ctx, input.Name);
    return { Trail: describeTrail(home, row) };
  },

  async GetTrailStatus(input, ctx) {
    const { row } = await requireTrail(ctx, input.Name);
    const date = (at: number | undefined) => (at === undefined ? undefined : new Date(at));
    const text = (at: number | undefined) => (at === undefined ? '' : new Date(at).toISOString().replace(/\.\d{3}/, ''));
    return {
      IsLogging: row.logging,
      StartLoggingTime: date(row.started),
      StopLoggingTime: date(row.stopped),
      LatestDeliveryTime: date(row.lastDelivery),
      LatestDeliveryError: row.lastError,
      LatestCloudWatchLogsDeliveryTime: date(row.lastLogDelivery),
      LatestCloudWatchLogsDeliveryError: row.lastLogError,
      LatestDigestDeliveryTime: row.validation ? date(row.lastDigest) : undefined,
      TimeLoggingStarted: text(row.started),
      TimeLoggingStopped: text(row.stopped),
      LatestDeliveryAttemptTime: text(row.lastDelivery),
      LatestDeliveryAttemptSucceeded: text(row.lastError === undefined ? row.lastDelivery : undefined),
    };
  },

  async DescribeTrails(input, ctx) {
    const { trailNameList: names = [], includeShadowTrails: shadows = true } = input;
    const visible = (await visibleTrails(ctx)).filter(({ scope }) => shadows || scope.region === ctx.region);
    const wanted = visible.filter(
      ({ scope, row }) => names.length === 0 || names.includes(row.name) || names.includes(trailArn(scope, row.name)),
    );
    return { trailList: wanted.map(({ scope, row }) => describeTrail(scope, row)) };
  },

  async ListTrails(input, ctx) {
    const all = (await ctx.everywhere(Trails)).filter(({ scope }) => scope.account === ctx.account);
    const page = pageOf(all, ({ scope, row }) => [scope.region, row.name], {
      scope: 'ListTrails',
      token: input.NextToken,
      limit: 100,
    });
    if (page === undefined) throw trailError('InvalidNextToken', 'The specified nextToken is invalid.');
    return {
      Trails: page.items.map(({ scope, row }) => ({
        TrailARN: trailArn(scope, row.name),
        Name: row.name,
        HomeRegion: scope.region,
      })),
      NextToken: page.nextToken,
    };
  },

  async PutEventSelectors(input, ctx) {
    if (input.AdvancedEventSelectors !== undefined) throw parameterNotImplemented('PutEventSelectors', 'AdvancedEventSelectors');
    const { home, row } = await requireTrail(ctx, input.TrailName);
    const selectors = readSelectors(input.EventSelectors ?? []);
    await home.transact((tx) => tx.table(Trails).put({ ...row, selectors }));
    return { TrailARN: trailArn(home, row.name), EventSelectors: describeSelectors(selectors) };
  },

  async GetEventSelectors(input, ctx) {
    const { home, row } = await requireTrail(ctx, input.TrailName);
    return { TrailARN: trailArn(home, row.name), EventSelectors: describeSelectors(row.selectors) };
  },

  async AddTags(input, ctx) {
    const { home, row } = await requireTrail(ctx, input.ResourceId);
    const tags = { ...row.tags, ...Object.fromEntries((input.TagsList ?? []).map(({ Key = '', Value = '' }) => [Key, Value])) };
    if (Object.keys(tags).length > 50)
      throw trailError('TagsLimitExceeded', 'The number of tags per trail has exceeded the permitted amount of 50.');
    await home.transact((tx) => tx.table(Trails).put({ ...row, tags }));
    return {};
  },

  async RemoveTags(input, ctx) {
    const { home, row } = await requireTrail(ctx, input.ResourceId);
    const gone = new Set((input.TagsList ?? []).map(({ Key }) => Key));
    const tags = Object.fromEntries(Object.entries(row.tags).filter(([key]) => !gone.has(key)));
    await home.transact((tx) => tx.table(Trails).put({ ...row, tags }));
    return {};
  },

  async ListTags(input, ctx) {
    const found = await Promise.all((input.ResourceIdList ?? []).map((id) => requireTrail(ctx, id)));
    return {
      ResourceTagList: found.map(({ home, row }) => ({
        ResourceId: trailArn(home, row.name),
        TagsList: Object.entries(row.tags).map(([Key, Value]): Tag => ({ Key, Value })),
      })),
    };
  },
};
