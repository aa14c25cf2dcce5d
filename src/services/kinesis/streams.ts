/** Streams and their shards: made, described, divided, joined, deleted. Source: Kinesis Data Streams API Reference. */
import type { Kinesis, MetricsName, StreamDescription } from '@aws-sdk/client-kinesis';
import type { Context } from '../../kernel/context.ts';
import { AwsError, parameterNotImplemented } from '../../kernel/errors.ts';
import { RequestCheck } from '../../kernel/request-check.ts';
import type { AuthorisationsOf, HandlersOf } from '../../kernel/service.ts';
import { invalidArgument, limitExceeded, streamExists } from './errors.ts';
import { nameOf, onStream, recordKibDefault, requireActive, requireStream, streamArn } from './lookup.ts';
import { equalRanges, shardNumber } from './numbers.ts';
import { settleMillis, setUpdating } from './settling.ts';
import { addShard, describeShard } from './shards.ts';
import { Consumers, Shards, type StreamRow, Streams } from './state.ts';

const onDemandShards = 4;
/** "Quotas and limits": shards of an account in a Region, and streams in on-demand mode. */
const shardsMax = 500;
const onDemandStreamsMax = 50;
/** "For each data stream in your account, you can switch between the on-demand and provisioned capacity modes twice within 24 hours." */
const modeChangesMax = 2;
const recordKibMax = 10_240;
const dayMillis = 86_400_000;
const defaultRetentionHours = 24;
const retentionHoursMax = 8760;

function describe(ctx: Context, row: StreamRow) {
  return {
    StreamName: row.name,
    StreamARN: streamArn(ctx, row.name),
    StreamStatus: row.status,
    StreamModeDetails: { StreamMode: row.mode },
    RetentionPeriodHours: row.retentionHours,
    StreamCreationTimestamp: new Date(row.created),
    EnhancedMonitoring: [{ ShardLevelMetrics: [...(row.shardMetrics ?? [])] as MetricsName[] }],
    EncryptionType: row.kmsKey === undefined ? ('NONE' as const) : ('KMS' as const),
    KeyId: row.kmsKey,
  };
}

async function setRetention(
  ctx: Context,
  input: { StreamName?: string; StreamARN?: string; RetentionPeriodHours: number | undefined },
  up: boolean,
) {
  const stream = await requireActive(ctx, input);
  const hours = input.RetentionPeriodHours ?? 0;
  if (hours < defaultRetentionHours)
    throw invalidArgument(
      `Minimum allowed retention period is ${defaultRetentionHours} hours. Requested retention period (${hours} hours) is too short.`,
    );
  if (hours > retentionHoursMax)
    throw invalidArgument(
      `Maximum allowed retention period is ${retentionHoursMax} hours. Requested retention period (${hours} hours) is too long.`,
    );
  if (up ? hours < stream.retentionHours : hours > stream.retentionHours) {
    throw invalidArgument(
      `Requested retention period (${hours} hours) for stream ${stream.name} can not be ${up ? 'shorter' : 'longer'} than existing retention period (${stream.retentionHours} hours). Use ${up ? 'DecreaseRetentionPeriod' : 'IncreaseRetentionPeriod'} API.`,
    );
  }
  await ctx.transact((tx) => tx.table(Streams).put({ ...stream, retentionHours: hours }));
  return {};
}

/** "Specify a value between 1024 and 10240 KiB". Throws ValidationException. */
function checkRecordSize(kib: number | undefined): void {
  new RequestCheck().range('maxRecordSizeInKiB', kib, recordKibDefault, recordKibMax).done();
}

export const streamHandlers: HandlersOf<Kinesis> = {
  async CreateStream({ StreamName = '', ShardCount, StreamModeDetails, Tags = {}, MaxRecordSizeInKiB, ...others }, ctx) {
    const [other] = Object.keys(others).filter((key) => others[key as keyof typeof others] !== undefined);
    if (other !== undefined) throw parameterNotImplemented('CreateStream', other);
    new RequestCheck().length('streamName', StreamName, 1, 128).range('shardCount', ShardCount, 1, 100_000).done();
    checkRecordSize(MaxRecordSizeInKiB);
    if (!/^[a-zA-Z0-9_.-]+$/.test(StreamName)) throw invalidArgument(`Stream name ${StreamName} is not valid.`);
    const mode = StreamModeDetails?.StreamMode ?? 'PROVISIONED';
    if (mode === 'PROVISIONED' && ShardCount === undefined)
      throw invalidArgument('ShardCount must be provided when StreamMode is PROVISIONED.');
    if (mode === 'ON_DEMAND' && ShardCount !== undefined)
      throw invalidArgument('ShardCount must not be provided when StreamMode is ON_DEMAND.');
    const row: StreamRow = {
      name: StreamName,
      id: ctx.id('messageShelf'),
      mode,
      status: 'CREATING',
      created: ctx.now,
      retentionHours: defaultRetentionHours,
      shardsMade: 0,
      recordKib: MaxRecordSizeInKiB,
      tags: Tags,
    };
    await ctx.transact(async (tx) => {
      if ((await tx.table(Streams).get(StreamName)) !== undefined) throw streamExists(StreamName, ctx.account);
      let stream = row;
      for (const range of equalRanges(ShardCount ?? onDemandShards))
        stream = await addShard(tx, stream, { ...range, created: ctx.now });
      await tx.schedule({ task: 'settle', key: StreamName, due: ctx.now + settleMillis });
    });
    return {};
  },

  async DeleteStream({ EnforceConsumerDeletion: enforced = false, ...input }, ctx) {
    const stream = await requireStream(ctx, input);
    await ctx.transact(async (tx) => {
      if (!enforced && (await tx.table(Consumers).list({ prefix: [stream.id], limit: 1 })).length > 0)
        throw new AwsError(
          'ResourceInUseException',
          `Stream ${stream.name} under account ${ctx.account} has enhanced fan-out consumers. Please use EnforceConsumerDeletion or deregister all consumers first.`,
        );
      await tx.table(Streams).put({ ...stream, status: 'DELETING' });
      await tx.unschedule('trim', stream.name);
      await tx.schedule({ task: 'settle', key: stream.name, due: ctx.now + settleMillis });
    });
    return {};
  },

  async DescribeStream({ Limit = 100, ExclusiveStartShardId, ...input }, ctx) {
    const stream = await requireStream(ctx, input);
    const after = ExclusiveStartShardId === undefined ? {} : { after: [stream.id, shardNumber(ExclusiveStartShardId) ?? -1] };
    const rows = await ctx.table(Shards).list({ prefix: [stream.id], ...after, limit: Limit + 1 });
    const description: StreamDescription = {
      ...describe(ctx, stream),
      Shards: rows.slice(0, Limit).map(describeShard),
      HasMoreShards: rows.length > Limit,
    };
    return { StreamDescription: description };
  },

  async DescribeStreamSummary(input, ctx) {
    const stream = await requireStream(ctx, input);
    const open = (await ctx.table(Shards).list({ prefix: [stream.id] })).filter(({ closed }) => closed === undefined);
    return {
      StreamDescriptionSummary: {
        ...describe(ctx, stream),
        MaxRecordSizeInKiB: stream.recordKib ?? recordKibDefault,
        OpenShardCount: open.length,
        ConsumerCount: await ctx.table(Consumers).count([stream.id]),
      },
    };
  },

  async UpdateStreamMode({ StreamARN, StreamModeDetails, ...others }, ctx) {
    const [other] = Object.keys(others).filter((key) => others[key as keyof typeof others] !== undefined);
    if (other !== undefined) throw parameterNotImplemented('UpdateStreamMode', other);
    const mode = StreamModeDetails?.StreamMode;
    if (mode !== 'ON_DEMAND' && mode !== 'PROVISIONED') throw invalidArgument(`StreamMode ${mode} is not valid.`);
    const stream = await requireActive(ctx, { StreamARN });
    if (stream.mode === mode) return {};
    const recent = (stream.modeChanges ?? []).filter((at) => at > ctx.now - dayMillis);
    if (recent.length >= modeChangesMax)
      throw limitExceeded(
        `Stream ${stream.name} under account ${ctx.account} has already been switched between capacity modes ${modeChangesMax} times in the last 24 hours.`,
      );
    await setUpdating(ctx, stream, (row) => ({ ...row, mode, modeChanges: [...recent, ctx.now] }));
    return {};
  },

  async UpdateMaxRecordSize({ StreamARN, MaxRecordSizeInKiB, ...others }, ctx) {
    const [other] = Object.keys(others).filter((key) => others[key as keyof typeof others] !== undefined);
    if (other !== undefined) throw parameterNotImplemented('UpdateMaxRecordSize', other);
    checkRecordSize(MaxRecordSizeInKiB);
    const stream = await requireActive(ctx, { StreamARN });
    await setUpdating(ctx, stream, (row) => ({ ...row, recordKib: MaxRecordSizeInKiB }));
    return {};
  },

  async DescribeLimits(_input, ctx) {
    const streams = await ctx.table(Streams).list();
    let OpenShardCount = 0;
    for (const { id, mode } of streams)
      if (mode === 'PROVISIONED')
        OpenShardCount += (await ctx.table(Shards).list({ prefix: [id] })).filter(({ closed }) => closed === undefined).length;
    return {
      ShardLimit: shardsMax,
      OpenShardCount,
      OnDemandStreamCount: streams.filter(({ mode }) => mode === 'ON_DEMAND').length,
      OnDemandStreamCountLimit: onDemandStreamsMax,
    };
  },

  async ListStreams({ Limit = 100, ExclusiveStartStreamName, NextToken }, ctx) {
    const start = NextToken ?? ExclusiveStartStreamName;
    const rows = await ctx.table(Streams).list({ ...(start === undefined ? {} : { after: [start] }), limit: Limit + 1 });
    const shown = rows.slice(0, Limit);
    const HasMoreStreams = rows.length > Limit;
    return {
      StreamNames: shown.map(({ name }) => name),
      HasMoreStreams,
      NextToken: HasMoreStreams ? shown.at(-1)?.name : undefined,
      StreamSummaries: shown.map((row) => {
        const { StreamName, StreamARN, StreamStatus, StreamModeDetails, StreamCreationTimestamp } = describe(ctx, row);
        return { StreamName, StreamARN, StreamStatus, StreamModeDetails, StreamCreationTimestamp };
      }),
    };
  },

  IncreaseStreamRetentionPeriod: (input, ctx) => setRetention(ctx, input, true),
  DecreaseStreamRetentionPeriod: (input, ctx) => setRetention(ctx, input, false),
};

export const streamChecks: AuthorisationsOf<Kinesis> = {
  CreateStream: ({ StreamName = '' }, ctx) => [{ resource: streamArn(ctx, nameOf({ StreamName })) }],
  DeleteStream: onStream,
  DescribeStream: onStream,
  DescribeStreamSummary: onStream,
  UpdateStreamMode: onStream,
  UpdateMaxRecordSize: onStream,
  IncreaseStreamRetentionPeriod: onStream,
  DecreaseStreamRetentionPeriod: onStream,
};
