/** Delivery streams: made, described, changed, deleted, tagged. Source: Firehose API Reference. */
import type { CreateDeliveryStreamInput, DeliveryStreamDescription, Firehose, Tag } from '@aws-sdk/client-firehose';
import type { Context, Transaction } from '../../kernel/context.ts';
import { AwsError, parameterNotImplemented } from '../../kernel/errors.ts';
import { RequestCheck } from '../../kernel/request-check.ts';
import type { AuthorisationsOf, FiredJob, HandlersOf } from '../../kernel/service.ts';
import { readHttp, readS3, showExtendedS3, showHttp, showS3 } from './destinations.ts';
import { invalidArgument, limitExceeded, streamBusy, streamExists, streamNotFound, versionMismatch } from './errors.ts';
import { actBy, checkRole, onStream, passRoles, requireActive, requireStream, streamArn } from './lookup.ts';
import { pullMillis } from './source.ts';
import { readPartitioning, readProcessing, showProcessing } from './processing.ts';
import { Buffers, Positions, Records, type StreamRow, Streams, type TagMap } from './state.ts';

/** Cloud milliseconds from CREATING to ACTIVE, and to the end of DELETING. */
const settleMillis = 200;
const pieceRows = 500;
/** "5,000 Firehose streams per Region" ("Amazon Data Firehose Quota"). */
const streamsMax = 5000;
const tagsMax = 50;
/** The one destination that a stream has. */
const destinationId = 'destinationId-000000000001';

const destinationKinds = [
  'S3DestinationConfiguration',
  'ExtendedS3DestinationConfiguration',
  'HttpEndpointDestinationConfiguration',
];

function readTags(tags: readonly Tag[] | undefined, old: TagMap = {}): TagMap {
  const check = new RequestCheck().count('tags', tags, 1, tagsMax);
  for (const [i, { Key, Value }] of (tags ?? []).entries())
    check.length(`tags.${i + 1}.member.key`, Key, 1, 128).length(`tags.${i + 1}.member.value`, Value, 0, 256);
  check.done();
  const all = { ...old, ...Object.fromEntries((tags ?? []).map(({ Key = '', Value = '' }) => [Key, Value])) };
  if (Object.keys(all).some((key) => /^aws:/i.test(key))) throw invalidArgument('Tag keys cannot begin with aws:.');
  if (Object.keys(all).length > tagsMax) throw limitExceeded(`A Firehose stream cannot have more than ${tagsMax} tags.`);
  return all;
}

/** What a stream is made of, without its tags. Throws what is wrong with it. */
function readCreate(ctx: Context, input: CreateDeliveryStreamInput): StreamRow {
  const {
    DeliveryStreamName: name = '',
    DeliveryStreamType: type = 'DirectPut',
    KinesisStreamSourceConfiguration: source,
    S3DestinationConfiguration: s3,
    ExtendedS3DestinationConfiguration: extended,
    HttpEndpointDestinationConfiguration: http,
    Tags,
    ...others
  } = input;
  new RequestCheck()
    .length('deliveryStreamName', name, 1, 64)
    .pattern('deliveryStreamName', name, /^[a-zA-Z0-9_.-]+$/, '[a-zA-Z0-9_.-]+')
    .done();
  const [other] = Object.keys(others).filter((key) => others[key as keyof typeof others] !== undefined);
  if (other !== undefined) throw parameterNotImplemented('CreateDeliveryStream', other);
  if (type !== 'DirectPut' && type !== 'KinesisStreamAsSource')
    throw parameterNotImplemented('CreateDeliveryStream', `DeliveryStreamType=${type}`);
  if ((type === 'KinesisStreamAsSource') !== (source !== undefined))
    throw invalidArgument('KinesisStreamSourceConfiguration must be specified if and only if the type is KinesisStreamAsSource.');
  if (source !== undefined && !/^arn:aws:kinesis:[a-z0-9-]+:\d{12}:stream\/[\w.-]+$/.test(source.KinesisStreamARN ?? ''))
    throw invalidArgument(`The KinesisStreamARN ${source.KinesisStreamARN} is invalid.`);
  if (destinationKinds.filter((kind) => input[kind as keyof typeof input] !== undefined).length !== 1)
    throw invalidArgument('Exactly one destination configuration is supported for a Firehose');
  const id = ctx.id('messageShelf');
  const config = extended ?? s3 ?? http?.S3Configuration ?? {};
  const partitioning = readPartitioning(extended?.DynamicPartitioningConfiguration, undefined, true);
  return {
    name,
    id,
    status: 'CREATING',
    type,
    source: source && { arn: source.KinesisStreamARN ?? '', role: source.RoleARN ?? '' },
    created: ctx.now,
    version: 1,
    s3: readS3('CreateDeliveryStream', config, undefined, partitioning !== undefined),
    processing: readProcessing('CreateDeliveryStream', (extended ?? http)?.ProcessingConfiguration, undefined),
    partitioning,
    http: http && readHttp(ctx, 'CreateDeliveryStream', id, http),
    tags: Tags === undefined ? {} : readTags(Tags),
  };
}

function rolesOf({ s3, http, source, processing = [] }: StreamRow): string[] {
  const functions = processing.map((step) => (step.type === 'Lambda' ? step.role : undefined));
  return [s3.role, http?.role, source?.role, ...functions].filter((role) => role !== undefined);
}

/** Throws InvalidArgumentException when the source cannot be read by its role. */
async function checkSource(ctx: Context, source: StreamRow['source']): Promise<void> {
  if (source === undefined) return;
  const sender = await actBy(ctx.asService(), source.role);
  try {
    await sender.call('kinesis').describeStreamSummary({ StreamARN: source.arn });
  } catch (error) {
    if (!(error instanceof AwsError)) throw error;
    throw invalidArgument(`Firehose cannot read from ${source.arn} by the role ${source.role}: ${error.message}`);
  }
}

function describe(ctx: Context, row: StreamRow): DeliveryStreamDescription {
  return {
    DeliveryStreamName: row.name,
    DeliveryStreamARN: streamArn(ctx, row.name),
    DeliveryStreamStatus: row.status,
    DeliveryStreamEncryptionConfiguration: { Status: 'DISABLED' },
    DeliveryStreamType: row.type,
    VersionId: String(row.version),
    CreateTimestamp: new Date(row.created),
    LastUpdateTimestamp: row.updated === undefined ? undefined : new Date(row.updated),
    Source: row.source && {
      KinesisStreamSourceDescription: {
        KinesisStreamARN: row.source.arn,
        RoleARN: row.source.role,
        DeliveryStartTimestamp: new Date(row.created),
      },
    },
    Destinations: [
      {
        DestinationId: destinationId,
        ...(row.http === undefined
          ? {
              S3DestinationDescription: showS3(row.s3),
              ExtendedS3DestinationDescription: { ...showExtendedS3(row.s3), ...showMore(row) },
            }
          : {
              HttpEndpointDestinationDescription: {
                ...showHttp(row.http, row.s3),
                ProcessingConfiguration: showProcessing(row.processing),
              },
            }),
      },
    ],
    HasMoreDestinations: false,
  };
}

function showMore({ processing, partitioning }: StreamRow) {
  return {
    ProcessingConfiguration: showProcessing(processing),
    // Left out where it was never asked for: Terraform would replace the stream to take it away.
    DynamicPartitioningConfiguration: partitioning && {
      Enabled: true,
      RetryOptions: { DurationInSeconds: partitioning.retrySeconds },
    },
  };
}

async function changeTags(ctx: Context, name: string | undefined, change: (tags: TagMap) => TagMap): Promise<object> {
  await ctx.transact(async (tx) => {
    const row = await tx.table(Streams).get(name ?? '');
    if (row === undefined) throw streamNotFound(name ?? '', ctx.account);
    await tx.table(Streams).put({ ...row, tags: change(row.tags) });
  });
  return {};
}

export const streamHandlers: HandlersOf<Firehose> = {
  async CreateDeliveryStream(input, ctx) {
    const row = readCreate(ctx, input);
    for (const role of rolesOf(row)) await checkRole(ctx, role);
    await checkSource(ctx, row.source);
    await ctx.transact(async (tx) => {
      if ((await tx.table(Streams).get(row.name)) !== undefined) throw streamExists(row.name, ctx.account);
      if ((await tx.table(Streams).count()) >= streamsMax)
        throw limitExceeded(`You have already consumed your firehose quota of ${streamsMax} hoses.`);
      await tx.table(Streams).put(row);
      await tx.table(Buffers).put({ stream: row.id, last: 0, bytes: 0 });
      await tx.schedule({ task: 'settle', key: row.name, due: ctx.now + settleMillis });
    });
    return { DeliveryStreamARN: streamArn(ctx, row.name) };
  },

  async DeleteDeliveryStream({ DeliveryStreamName: name = '', AllowForceDelete: _forced }, ctx) {
    // Force helps when grants of a KMS key cannot be retired; there are none here.
    await ctx.transact(async (tx) => {
      const row = await tx.table(Streams).get(name);
      if (row === undefined) throw streamNotFound(name, ctx.account);
      if (row.status === 'CREATING') throw streamBusy(name, ctx.account, row.status);
      await tx.table(Streams).put({ ...row, status: 'DELETING' });
      await tx.unschedule('pull', name);
      await tx.schedule({ task: 'settle', key: name, due: ctx.now + settleMillis });
    });
    return {};
  },

  async DescribeDeliveryStream({ DeliveryStreamName, Limit, ExclusiveStartDestinationId }, ctx) {
    new RequestCheck().range('limit', Limit, 1, 10_000).done();
    const shown = describe(ctx, await requireStream(ctx, DeliveryStreamName));
    const past = ExclusiveStartDestinationId !== undefined && ExclusiveStartDestinationId >= destinationId;
    return { DeliveryStreamDescription: past ? { ...shown, Destinations: [] } : shown };
  },

  async ListDeliveryStreams({ Limit = 10, DeliveryStreamType: type, ExclusiveStartDeliveryStreamName: start }, ctx) {
    new RequestCheck().range('limit', Limit, 1, 10_000).done();
    const rows = await ctx.table(Streams).list(start === undefined ? {} : { after: [start] });
    const found = type === undefined ? rows : rows.filter((row) => row.type === type);
    return { DeliveryStreamNames: found.slice(0, Limit).map(({ name }) => name), HasMoreDeliveryStreams: found.length > Limit };
  },

  async UpdateDestination(input, ctx) {
    const {
      DeliveryStreamName: name,
      CurrentDeliveryStreamVersionId: version = '',
      DestinationId,
      S3DestinationUpdate: s3,
      ExtendedS3DestinationUpdate: extended,
      HttpEndpointDestinationUpdate: http,
      ...others
    } = input;
    const [other] = Object.keys(others).filter((key) => others[key as keyof typeof others] !== undefined);
    if (other !== undefined) throw parameterNotImplemented('UpdateDestination', other);
    const row = await requireActive(ctx, name);
    if (DestinationId !== destinationId) throw invalidArgument(`Destination Id ${DestinationId} not found`);
    if ([s3, extended, http].filter((one) => one !== undefined).length !== 1)
      throw invalidArgument('Exactly one destination configuration is supported for a Firehose');
    if ((http === undefined) !== (row.http === undefined))
      throw invalidArgument('Changing the destination type from or to an HTTP endpoint is not supported.');
    const { S3BackupUpdate, ...extendedRest } = extended ?? {};
    if (S3BackupUpdate !== undefined) throw parameterNotImplemented('UpdateDestination', 'S3BackupUpdate');
    const config = extended === undefined ? (s3 ?? http?.S3Update ?? {}) : extendedRest;
    const partitioning = readPartitioning(extended?.DynamicPartitioningConfiguration, row.partitioning, false);
    const changed: StreamRow = {
      ...row,
      version: row.version + 1,
      updated: ctx.now,
      s3: readS3('UpdateDestination', config, row.s3, partitioning !== undefined),
      processing: readProcessing('UpdateDestination', (extended ?? http)?.ProcessingConfiguration, row.processing),
      partitioning,
      http: http && readHttp(ctx, 'UpdateDestination', row.id, http, row.http),
    };
    for (const role of rolesOf(changed)) await checkRole(ctx, role);
    await ctx.transact(async (tx) => {
      const now = await tx.table(Streams).get(row.name);
      if (now?.id !== row.id) throw streamNotFound(row.name, ctx.account);
      if (String(now.version) !== version) throw versionMismatch(row.name, now.version, version);
      await tx.table(Streams).put({ ...changed, tags: now.tags, status: now.status });
      const buffer = await tx.table(Buffers).get(row.id);
      // New hints, or a destination that works again: what waits is looked at now.
      if (buffer?.oldest !== undefined) await tx.schedule({ task: 'flush', key: row.name, due: ctx.clock.now() });
    });
    return {};
  },

  TagDeliveryStream: ({ DeliveryStreamName, Tags }, ctx) => changeTags(ctx, DeliveryStreamName, (old) => readTags(Tags, old)),

  UntagDeliveryStream({ DeliveryStreamName, TagKeys = [] }, ctx) {
    new RequestCheck().count('tagKeys', TagKeys, 1, tagsMax).done();
    return changeTags(ctx, DeliveryStreamName, (old) =>
      Object.fromEntries(Object.entries(old).filter(([key]) => !TagKeys.includes(key))),
    );
  },

  async ListTagsForDeliveryStream({ DeliveryStreamName, ExclusiveStartTagKey: start, Limit = tagsMax }, ctx) {
    new RequestCheck().range('limit', Limit, 1, tagsMax).done();
    const { tags } = await requireStream(ctx, DeliveryStreamName);
    const all = Object.entries(tags).sort(([a], [b]) => (a < b ? -1 : 1));
    const rest = all.filter(([key]) => start === undefined || key > start);
    return { Tags: rest.slice(0, Limit).map(([Key, Value]) => ({ Key, Value })), HasMoreTags: rest.length > Limit };
  },
};

export const streamChecks: AuthorisationsOf<Firehose> = {
  CreateDeliveryStream: (input, ctx) => {
    const { DeliveryStreamName = '', Tags = [], HttpEndpointDestinationConfiguration: http } = input;
    const s3 = input.ExtendedS3DestinationConfiguration ?? input.S3DestinationConfiguration ?? http?.S3Configuration;
    const tags = Tags.map(({ Key = '', Value = '' }) => [`aws:RequestTag/${Key}`, Value] as const);
    const conditions = { ...Object.fromEntries(tags), 'aws:TagKeys': Tags.map(({ Key = '' }) => Key) };
    return [
      { resource: streamArn(ctx, DeliveryStreamName), conditions },
      ...passRoles([s3?.RoleARN, http?.RoleARN, input.KinesisStreamSourceConfiguration?.RoleARN]),
    ];
  },
  DeleteDeliveryStream: onStream,
  DescribeDeliveryStream: onStream,
  UpdateDestination: async (input, ctx) => {
    const { ExtendedS3DestinationUpdate: extended, S3DestinationUpdate: s3, HttpEndpointDestinationUpdate: http } = input;
    const roles = [extended?.RoleARN, s3?.RoleARN, http?.RoleARN, http?.S3Update?.RoleARN];
    return [...(await onStream(input, ctx)), ...passRoles(roles)];
  },
  TagDeliveryStream: async (input, ctx) => {
    const { Tags = [] } = input;
    const asked = Object.fromEntries(Tags.map(({ Key = '', Value = '' }) => [`aws:RequestTag/${Key}`, Value]));
    const [check] = await onStream(input, ctx);
    return [
      { resource: '*', ...check, conditions: { ...check?.conditions, ...asked, 'aws:TagKeys': Tags.map(({ Key = '' }) => Key) } },
    ];
  },
  UntagDeliveryStream: async (input, ctx) => {
    const [check] = await onStream(input, ctx);
    return [{ resource: '*', ...check, conditions: { ...check?.conditions, 'aws:TagKeys': input.TagKeys } }];
  },
  ListTagsForDeliveryStream: onStream,
};

async function forget(tx: Transaction, stream: StreamRow): Promise<void> {
  for (const row of await tx.table(Positions).list({ prefix: [stream.id] }))
    await tx.table(Positions).delete(row.stream, row.shard);
  await tx.table(Buffers).delete(stream.id);
  await tx.table(Streams).delete(stream.name);
  await tx.unschedule('flush', stream.name);
}

/** A stream becomes active, or goes with all that is in it ("data … is lost"). `key` is its name. */
export async function settle({ key: name }: FiredJob, ctx: Context): Promise<void> {
  const stream = await ctx.table(Streams).get(name);
  if (stream === undefined) return;
  if (stream.status === 'CREATING') {
    await ctx.transact(async (tx) => {
      await tx.table(Streams).put({ ...stream, status: 'ACTIVE' });
      if (stream.source !== undefined) await tx.schedule({ task: 'pull', key: name, due: ctx.clock.now() + pullMillis });
    });
    return;
  }
  for (;;) {
    const count = await ctx.transact(async (tx) => {
      const rows = await tx.table(Records).list({ prefix: [stream.id], limit: pieceRows });
      for (const row of rows) await tx.table(Records).delete(row.stream, row.index);
      return rows.length;
    });
    if (count < pieceRows) break;
  }
  await ctx.transact((tx) => forget(tx, stream));
}
