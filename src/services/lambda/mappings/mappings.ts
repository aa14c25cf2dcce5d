/** Event source mappings as resources: made, changed, listed, deleted. What they do is done by pollers.ts. Source: Lambda API Reference. */
import type { CreateEventSourceMappingRequest, EventSourceMappingConfiguration, Lambda } from '@aws-sdk/client-lambda';
import { parseArn } from '../../../base/arn.ts';
import { compilePattern } from '../../../base/event-pattern.ts';
import type { Context, Transaction } from '../../../kernel/context.ts';
import { AwsError, parameterNotImplemented } from '../../../kernel/errors.ts';
import { RequestCheck } from '../../../kernel/request-check.ts';
import type { AuthorisationsOf, Check, FiredJob, HandlersOf } from '../../../kernel/service.ts';
import { actBy, checkDestination, queueUrl } from '../asynchronous/destinations.ts';
import { conflict, invalidParameter, notFound } from '../errors.ts';
import { requireTarget, type Target } from '../lookup.ts';
import { functionArn, readFunction } from '../names.ts';
import { page } from '../paging.ts';
import { type MappingRow, Mappings, Positions } from '../state.ts';
import { checkTags } from '../tags.ts';

const settleMillis = 200;
export type SourceKind = 'sqs' | 'kinesis' | 'dynamodb';

type Settings = Partial<Omit<CreateEventSourceMappingRequest, 'FunctionName'>>;

/** What a source's ARN is of; undefined for sources that Pilvi has not. */
export function sourceKind(arn: string): SourceKind | undefined {
  const parsed = parseArn(arn);
  if (parsed?.service === 'sqs') return 'sqs';
  if (parsed?.service === 'kinesis' && parsed.resource.startsWith('stream/')) return 'kinesis';
  return parsed?.service === 'dynamodb' && parsed.resource.includes('/stream/') ? 'dynamodb' : undefined;
}

const missing = [
  ...['SelfManagedEventSource', 'SelfManagedKafkaEventSourceConfig', 'AmazonManagedKafkaEventSourceConfig', 'Topics', 'Queues'],
  ...[
    'SourceAccessConfigurations',
    'DocumentDBEventSourceConfig',
    'KMSKeyArn',
    'MetricsConfig',
    'ProvisionedPollerConfig',
    'LoggingConfig',
  ],
] as const;

/** Throws what AWS says of settings that cannot be, or that are not here. */
function checkSettings(operation: string, input: Settings, kind: SourceKind): void {
  for (const name of missing) if (input[name as keyof Settings] !== undefined) throw parameterNotImplemented(operation, name);
  const stream = kind !== 'sqs';
  new RequestCheck()
    .range('batchSize', input.BatchSize, 1, 10_000)
    .range('maximumBatchingWindowInSeconds', input.MaximumBatchingWindowInSeconds, 0, 300)
    .range('maximumRetryAttempts', input.MaximumRetryAttempts, -1, 10_000)
    .range('maximumRecordAgeInSeconds', input.MaximumRecordAgeInSeconds, -1, 604_800)
    .range('parallelizationFactor', input.ParallelizationFactor, 1, 10)
    .range('tumblingWindowInSeconds', input.TumblingWindowInSeconds, 0, 900)
    .range('scalingConfig.maximumConcurrency', input.ScalingConfig?.MaximumConcurrency, 2, 1000)
    .done();
  const only = (names: readonly (keyof Settings)[], what: string): void => {
    const found = names.find((name) => input[name] !== undefined);
    if (found !== undefined) throw invalidParameter(`Unsupported parameter ${String(found)} for event source of type ${what}.`);
  };
  if (stream) only(['ScalingConfig'], kind === 'kinesis' ? 'KINESIS' : 'DYNAMODB');
  else
    only(
      [
        'StartingPosition',
        'MaximumRetryAttempts',
        'BisectBatchOnFunctionError',
        'MaximumRecordAgeInSeconds',
        'DestinationConfig',
        'ParallelizationFactor',
        'TumblingWindowInSeconds',
      ],
      'SQS',
    );
  if (kind === 'sqs' && (input.BatchSize ?? 10) > 10 && (input.MaximumBatchingWindowInSeconds ?? 0) < 1)
    throw invalidParameter('Maximum batch window in seconds must be greater than 0 if maximum batch size is greater than 10');
  for (const { Pattern = '' } of input.FilterCriteria?.Filters ?? []) {
    try {
      compilePattern(Pattern);
    } catch (error) {
      throw invalidParameter(`Invalid filter pattern definition. ${(error as Error).message}`);
    }
  }
  if ((input.FilterCriteria?.Filters?.length ?? 0) > 5) throw invalidParameter('The maximum number of filters is 5.');
}

function settingsOf(input: Settings, before: MappingRow): MappingRow {
  const { ScalingConfig, FilterCriteria, DestinationConfig } = input;
  return {
    ...before,
    enabled: input.Enabled ?? before.enabled,
    batchSize: input.BatchSize ?? before.batchSize,
    windowSeconds: input.MaximumBatchingWindowInSeconds ?? before.windowSeconds,
    filters: FilterCriteria === undefined ? before.filters : (FilterCriteria.Filters ?? []).map(({ Pattern = '' }) => Pattern),
    reportFailures:
      input.FunctionResponseTypes === undefined
        ? before.reportFailures
        : input.FunctionResponseTypes.includes('ReportBatchItemFailures'),
    concurrencyMax: ScalingConfig === undefined ? before.concurrencyMax : ScalingConfig.MaximumConcurrency,
    retries: input.MaximumRetryAttempts ?? before.retries,
    ageSeconds: input.MaximumRecordAgeInSeconds ?? before.ageSeconds,
    bisect: input.BisectBatchOnFunctionError ?? before.bisect,
    parallel: input.ParallelizationFactor ?? before.parallel,
    tumblingSeconds: input.TumblingWindowInSeconds ?? before.tumblingSeconds,
    onFailure: DestinationConfig === undefined ? before.onFailure : checkDestination(DestinationConfig.OnFailure?.Destination),
  };
}

/** The settings after an input. Throws what cannot go together. */
function readSettings(operation: string, input: Settings, before: MappingRow): MappingRow {
  const row = settingsOf(input, before);
  // A window's state is one for each shard, and AWS does not say what batches at once make of it.
  if ((row.parallel ?? 1) > 1 && (row.tumblingSeconds ?? 0) > 0)
    throw parameterNotImplemented(operation, 'TumblingWindowInSeconds with ParallelizationFactor above 1');
  return row;
}

/** What the role must be allowed to do with a source is tried at once, as AWS does. */
async function trySource(ctx: Context, target: Target, kind: SourceKind, arn: string): Promise<void> {
  const [, , , region = '', account = '', name = ''] = arn.split(':');
  const acting = (await actBy(ctx, target.version.role, target.ref.name)).inScope({ region });
  const denied = (error: unknown, call: string, service: string): AwsError => {
    if (!(error instanceof AwsError)) throw error;
    if (/AccessDenied/.test(error.code))
      return invalidParameter(
        `The function execution role does not have permissions to call ${call} on ${service}`.replace(
          'The function execution',
          kind === 'sqs' ? 'The function execution' : 'The provided execution',
        ),
      );
    return invalidParameter(
      `Error occurred while calling ${call}. ${service} Error Code: ${error.code}. ${service} Error Message: ${error.message}`,
    );
  };
  if (kind === 'sqs') {
    const QueueUrl = queueUrl(ctx, region, account, name);
    const sqs = acting.call('sqs');
    const { Attributes } = await sqs
      .getQueueAttributes({ QueueUrl, AttributeNames: ['VisibilityTimeout'] })
      .catch((error: unknown) => {
        if (error instanceof AwsError && /NonExistentQueue|QueueDoesNotExist/.test(error.code))
          throw invalidParameter(
            'Error occurred while ReceiveMessage. SQS Error Code: AWS.SimpleQueueService.NonExistentQueue. SQS Error Message: The specified queue does not exist for this wsdl version.',
          );
        throw denied(error, 'ReceiveMessage', 'SQS');
      });
    await acting.permit({ action: 'sqs:ReceiveMessage', resource: arn, resourceAccount: account }).catch((error: unknown) => {
      throw denied(error, 'ReceiveMessage', 'SQS');
    });
    const visibility = Number(Attributes?.VisibilityTimeout ?? 30);
    if (visibility < target.version.timeout)
      throw invalidParameter(
        `Queue visibility timeout: ${visibility} seconds is less than Function timeout: ${target.version.timeout} seconds`,
      );
    return;
  }
  const described =
    kind === 'kinesis'
      ? acting.call('kinesis').describeStream({ StreamARN: arn })
      : acting.call('dynamodb-streams').describeStream({ StreamArn: arn });
  await (described as Promise<unknown>).catch((error: unknown) => {
    if (error instanceof AwsError && error.code === 'ResourceNotFoundException')
      throw invalidParameter(`Stream not found: ${arn}`);
    throw denied(
      error,
      kind === 'kinesis' ? 'DescribeStream' : 'GetRecords',
      kind === 'kinesis' ? 'Kinesis' : 'DynamoDB Streams',
    );
  });
}

function mappingArn(ctx: Pick<Context, 'account' | 'region'>, uuid: string): string {
  return `arn:aws:lambda:${ctx.region}:${ctx.account}:event-source-mapping:${uuid}`;
}

function describe(ctx: Context, row: MappingRow): EventSourceMappingConfiguration {
  const stream = sourceKind(row.sourceArn) !== 'sqs';
  const ref = { account: ctx.account, region: ctx.region, name: row.function, qualifier: row.qualifier };
  return {
    UUID: row.uuid,
    EventSourceMappingArn: mappingArn(ctx, row.uuid),
    EventSourceArn: row.sourceArn,
    FunctionArn: functionArn(ref),
    BatchSize: row.batchSize,
    MaximumBatchingWindowInSeconds: row.windowSeconds,
    FilterCriteria: row.filters.length === 0 ? undefined : { Filters: row.filters.map((Pattern) => ({ Pattern })) },
    FunctionResponseTypes: row.reportFailures ? ['ReportBatchItemFailures'] : [],
    LastModified: new Date(row.modified),
    State: row.state,
    StateTransitionReason: 'USER_INITIATED',
    ...(stream
      ? {
          LastProcessingResult: row.lastResult,
          StartingPosition: row.position,
          StartingPositionTimestamp:
            row.position !== 'AT_TIMESTAMP' || row.positionAt === undefined ? undefined : new Date(row.positionAt),
          MaximumRetryAttempts: row.retries ?? -1,
          MaximumRecordAgeInSeconds: row.ageSeconds ?? -1,
          BisectBatchOnFunctionError: row.bisect ?? false,
          ParallelizationFactor: row.parallel ?? 1,
          TumblingWindowInSeconds: row.tumblingSeconds ?? 0,
          DestinationConfig: { OnFailure: row.onFailure === undefined ? {} : { Destination: row.onFailure } },
        }
      : { ScalingConfig: row.concurrencyMax === undefined ? undefined : { MaximumConcurrency: row.concurrencyMax } }),
  };
}

async function later(ctx: Context, tx: Transaction, row: MappingRow): Promise<void> {
  await tx.table(Mappings).put(row);
  await tx.schedule({ task: 'settleMapping', key: row.uuid, due: ctx.clock.now() + settleMillis });
}

/** Ends the change of a mapping. `key` is its id. */
export async function settleMapping({ key: uuid }: FiredJob, ctx: Context): Promise<void> {
  await ctx.transact(async (tx) => {
    const row = await tx.table(Mappings).get(uuid);
    if (row === undefined) return;
    if (row.state === 'Deleting') {
      await tx.table(Mappings).delete(uuid);
      for (const { shard } of await tx.table(Positions).list({ prefix: [uuid] })) await tx.table(Positions).delete(uuid, shard);
    } else await tx.table(Mappings).put({ ...row, state: row.enabled ? 'Enabled' : 'Disabled' });
    tx.hint('pollers', uuid);
  });
}

async function requireMapping(ctx: Pick<Context, 'table'>, uuid: string | undefined): Promise<MappingRow> {
  const row = await ctx.table(Mappings).get(uuid ?? '');
  if (row === undefined) throw notFound('The resource you requested does not exist.');
  return row;
}

async function readyMapping(ctx: Pick<Context, 'table'>, uuid: string | undefined): Promise<MappingRow> {
  const row = await requireMapping(ctx, uuid);
  if (row.state === 'Enabled' || row.state === 'Disabled') return row;
  throw new AwsError(
    'ResourceInUseException',
    `Cannot update the event source mapping because it is not in a stable state. Its state is ${row.state}.`,
    { members: { Type: 'User' } },
  );
}

export const mappingHandlers: HandlersOf<Lambda> = {
  async CreateEventSourceMapping(input, ctx) {
    const arn = input.EventSourceArn ?? '';
    const kind = sourceKind(arn);
    if (kind === undefined) {
      if (input.EventSourceArn === undefined) throw parameterNotImplemented('CreateEventSourceMapping', 'SelfManagedEventSource');
      throw parameterNotImplemented('CreateEventSourceMapping', `EventSourceArn of ${arn.split(':')[2]}`);
    }
    checkSettings('CreateEventSourceMapping', input, kind);
    const ref = readFunction(ctx, input.FunctionName);
    const target = await requireTarget(ctx, ref);
    const position = input.StartingPosition;
    if (kind !== 'sqs' && position === undefined)
      throw invalidParameter(
        "1 validation error detected: Value null at 'startingPosition' failed to satisfy constraint: Member must not be null.",
      );
    if (position === 'AT_TIMESTAMP' && (kind !== 'kinesis' || input.StartingPositionTimestamp === undefined))
      throw invalidParameter(
        kind === 'kinesis'
          ? 'Timestamp must be specified when starting position is AT_TIMESTAMP.'
          : 'Unsupported starting position for DynamoDB Streams: AT_TIMESTAMP.',
      );
    await trySource(ctx, target, kind, arn);
    const row = readSettings('CreateEventSourceMapping', input, {
      uuid: ctx.uuid(),
      function: ref.name,
      qualifier: ref.qualifier,
      sourceArn: arn,
      enabled: true,
      state: 'Creating',
      batchSize: kind === 'sqs' ? 10 : 100,
      windowSeconds: 0,
      filters: [],
      reportFailures: false,
      position,
      positionAt: input.StartingPositionTimestamp?.getTime() ?? (position === 'LATEST' ? ctx.now : undefined),
      lastResult: 'No records processed',
      modified: ctx.now,
      tags: checkTags(input.Tags ?? {}),
    });
    await ctx.transact(async (tx) => {
      const same = (await tx.table(Mappings).list()).find(
        (other) => other.sourceArn === arn && other.function === row.function && other.qualifier === row.qualifier,
      );
      if (same !== undefined)
        throw conflict(
          `An event source mapping with ${kind === 'sqs' ? 'SQS' : kind === 'kinesis' ? 'Kinesis' : 'DynamoDB'} arn (" ${arn} ") and function (" ${ref.name} ") already exists. Please update or delete the existing mapping with UUID ${same.uuid}`,
        );
      await later(ctx, tx, row);
    });
    return describe(ctx, row);
  },

  async GetEventSourceMapping(input, ctx) {
    return describe(ctx, await requireMapping(ctx, input.UUID));
  },

  async ListEventSourceMappings(input, ctx) {
    const ref = input.FunctionName === undefined ? undefined : readFunction(ctx, input.FunctionName);
    const { rows, NextMarker } = await page(
      ctx.table(Mappings),
      input,
      (row) =>
        (input.EventSourceArn === undefined || row.sourceArn === input.EventSourceArn) &&
        (ref === undefined || (row.function === ref.name && (ref.qualifier === undefined || ref.qualifier === row.qualifier))),
    );
    return { NextMarker, EventSourceMappings: rows.map((row) => describe(ctx, row)) };
  },

  async UpdateEventSourceMapping(input, ctx) {
    const before = await readyMapping(ctx, input.UUID);
    checkSettings('UpdateEventSourceMapping', input as Settings, sourceKind(before.sourceArn) as SourceKind);
    const ref = input.FunctionName === undefined ? undefined : readFunction(ctx, input.FunctionName);
    if (ref !== undefined) await requireTarget(ctx, ref);
    const row = await ctx.transact(async (tx) => {
      const now = readSettings('UpdateEventSourceMapping', input as Settings, await readyMapping(tx, input.UUID));
      const target = ref === undefined ? {} : { function: ref.name, qualifier: ref.qualifier };
      const changed: MappingRow = { ...now, ...target, state: 'Updating', modified: ctx.now };
      await later(ctx, tx, changed);
      return changed;
    });
    return describe(ctx, row);
  },

  async DeleteEventSourceMapping(input, ctx) {
    const row = await ctx.transact(async (tx) => {
      const now: MappingRow = { ...(await readyMapping(tx, input.UUID)), enabled: false, state: 'Deleting' };
      await later(ctx, tx, now);
      return now;
    });
    return describe(ctx, row);
  },
};

async function onMapping(input: { UUID?: string | undefined }, ctx: Context): Promise<Check[]> {
  const row = await ctx.table(Mappings).get(input.UUID ?? '');
  const ref = { account: ctx.account, region: ctx.region, name: row?.function ?? '' };
  return [
    {
      resource: mappingArn(ctx, input.UUID ?? ''),
      conditions: { 'lambda:FunctionArn': row === undefined ? undefined : functionArn(ref) },
    },
  ];
}

export const mappingChecks: AuthorisationsOf<Lambda> = {
  CreateEventSourceMapping: (input, ctx) => [
    { resource: '*', conditions: { 'lambda:FunctionArn': functionArn(readFunction(ctx, input.FunctionName)) } },
  ],
  GetEventSourceMapping: onMapping,
  UpdateEventSourceMapping: onMapping,
  DeleteEventSourceMapping: onMapping,
};
