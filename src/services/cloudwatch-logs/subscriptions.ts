/** Subscription filters: matching events go on to a stream or a function as they come ("Real-time processing of log data with subscriptions"). */
import { gzipSync } from 'node:zlib';
import type { CloudWatchLogs, SubscriptionFilter } from '@aws-sdk/client-cloudwatch-logs';
import { parseArn } from '../../base/arn.ts';
import type { Context, Transaction } from '../../kernel/context.ts';
import { AwsError, parameterNotImplemented } from '../../kernel/errors.ts';
import type { HandlersOf, Task } from '../../kernel/service.ts';
import type { StsApi } from '../sts/api.ts';
import { invalidParameter, limitExceeded, notFound } from './errors.ts';
import { parseFilterPattern } from './filter-pattern.ts';
import { pageOfTable, requireGroup } from './groups.ts';
import { groupArn } from './names.ts';
import { readPattern } from './patterns.ts';
import { LogsCheck, quotas } from './rules.ts';
import { type LogEventRow, type SubscriptionFilterRow, SubscriptionFilters } from './state.ts';

/** Services that take log data, with how errors name them. */
const destinations = { lambda: 'lambda function', kinesis: 'Kinesis stream', firehose: 'Firehose stream' } as const;

type Destination = keyof typeof destinations;

function destinationOf(arn: string): Destination {
  const service = parseArn(arn)?.service;
  if (service === 'logs') throw parameterNotImplemented('PutSubscriptionFilter', 'destinationArn of a logical destination');
  if (service === undefined || !(service in destinations)) throw invalidParameter('destinationArn is not a valid ARN.');
  return service as Destination;
}

/** What the receiver decodes: gzip of JSON, as documented under "Subscription filters with Kinesis Data Streams". */
function bodyOf(ctx: Context, row: SubscriptionFilterRow, stream: string, events: readonly LogEventRow[]): Uint8Array {
  const control = events.length === 0;
  return gzipSync(
    JSON.stringify({
      messageType: control ? 'CONTROL_MESSAGE' : 'DATA_MESSAGE',
      owner: control ? 'CloudwatchLogs' : ctx.account,
      logGroup: control ? '' : row.group,
      logStream: control ? '' : stream,
      subscriptionFilters: control ? [] : [row.name],
      logEvents: control
        ? [{ id: '', timestamp: ctx.now, message: 'CWL CONTROL MESSAGE: Checking health of destination' }]
        : events.map(({ at, ordinal, message }) => ({
            id: `${String(at).padStart(14, '3')}${String(ordinal).padStart(42, '0')}`,
            timestamp: at,
            message,
          })),
    }),
  );
}

/** Sends with the role's rights, or (to a function) on the account of the group, as the function's policy must allow. */
async function deliver(ctx: Context, row: SubscriptionFilterRow, stream: string, body: Uint8Array): Promise<void> {
  const destination = destinationOf(row.destination);
  if (destination === 'lambda') {
    const Payload = Buffer.from(JSON.stringify({ awslogs: { data: Buffer.from(body).toString('base64') } }));
    const sender = ctx.onAccountOf(`${groupArn(ctx, row.group)}:*`);
    await sender.call('lambda').invoke({ FunctionName: row.destination, InvocationType: 'Event', Payload });
    return;
  }
  const sts = await ctx.internal<StsApi>('sts');
  const identity = await sts.roleIdentity({ roleArn: row.roleArn ?? '', sessionName: 'CloudWatchLogs', service: 'logs' });
  const sender = ctx.asIdentity(identity);
  const resource = parseArn(row.destination)?.resource ?? '';
  if (destination === 'firehose') {
    const name = resource.replace(/^deliverystream\//, '');
    await sender.call('firehose').putRecord({ DeliveryStreamName: name, Record: { Data: body } });
    return;
  }
  // A control message is of no stream.
  const PartitionKey = row.distribution === 'ByLogStream' && stream !== '' ? stream : ctx.uuid();
  await sender.call('kinesis').putRecord({ StreamARN: row.destination, Data: body, PartitionKey });
}

/** Asks for the delivery of new events that subscriptions want, with their commit. */
export async function forwardEvents(
  tx: Transaction,
  ctx: Context,
  group: string,
  stream: string,
  events: readonly LogEventRow[],
): Promise<void> {
  for (const row of await tx.table(SubscriptionFilters).list({ prefix: [group] })) {
    const pattern = parseFilterPattern(row.pattern);
    const wanted = events.filter(({ message }) => pattern(message) !== undefined);
    if (wanted.length === 0) continue;
    const body = bodyOf(ctx, row, stream, wanted);
    await tx.schedule({ task: 'forward', key: ctx.uuid(), due: ctx.now, payload: { group, name: row.name, stream, body } });
  }
}

/** Delivers what `forwardEvents` asked for, unless the subscription has gone. What the receiver refuses is dropped, as in AWS after its retries. */
export const forward: Task = async ({ payload }, ctx) => {
  const { group, name, stream, body } = payload as { group: string; name: string; stream: string; body: Uint8Array };
  const row = await ctx.table(SubscriptionFilters).get(group, name);
  if (row === undefined) return;
  try {
    await deliver(ctx, row, stream, body);
  } catch (error) {
    if (!(error instanceof AwsError)) throw error;
    ctx.trace(`Delivery to ${row.destination} was refused: ${error.message}`);
  }
};

function describeSubscription(row: SubscriptionFilterRow): SubscriptionFilter {
  return {
    filterName: row.name,
    logGroupName: row.group,
    filterPattern: row.pattern,
    destinationArn: row.destination,
    roleArn: row.roleArn,
    distribution: row.distribution,
    creationTime: row.created,
  };
}

export const subscriptionHandlers: HandlersOf<CloudWatchLogs> = {
  /** Sends a control message first: a destination that does not take it is refused. Throws LimitExceededException at two filters of a group. */
  async PutSubscriptionFilter(input, ctx) {
    const { logGroupName: group = '', filterName: name = '', filterPattern: pattern = '', destinationArn = '' } = input;
    const distribution = input.distribution ?? 'ByLogStream';
    new LogsCheck().group(group).filterName(name).oneOf('distribution', distribution, ['Random', 'ByLogStream']).done();
    for (const parameter of ['applyOnTransformedLogs', 'fieldSelectionCriteria', 'emitSystemFields'] as const)
      if (input[parameter] !== undefined && input[parameter] !== false)
        throw parameterNotImplemented('PutSubscriptionFilter', parameter);
    readPattern(pattern);
    await requireGroup(ctx, group);
    const destination = destinationOf(destinationArn);
    if (destination !== 'lambda' && input.roleArn === undefined)
      throw invalidParameter(`destinationArn for vendor ${destination} requires a roleArn`);
    const created = ctx.now;
    const row: SubscriptionFilterRow = {
      group,
      name,
      pattern,
      created,
      destination: destinationArn,
      roleArn: input.roleArn,
      distribution,
    };
    try {
      await deliver(ctx.asService(), row, '', bodyOf(ctx, row, '', []));
    } catch (error) {
      if (!(error instanceof AwsError) || error.status === 501) throw error;
      throw invalidParameter(
        destination === 'lambda'
          ? 'Could not execute the lambda function. Make sure you have given CloudWatch Logs permission to execute your function.'
          : `Could not deliver test message to specified ${destinations[destination]}. Check if the given ${destinations[destination]} is in ACTIVE state.`,
      );
    }
    await ctx.transact(async (tx) => {
      await requireGroup(tx, group);
      const filters = tx.table(SubscriptionFilters);
      if ((await filters.get(group, name)) === undefined && (await filters.count([group])) >= quotas.subscriptionFiltersPerGroup)
        throw limitExceeded('Resource limit exceeded.');
      await filters.put(row);
    });
    return {};
  },

  async DescribeSubscriptionFilters(input, ctx) {
    const { logGroupName: group = '', filterNamePrefix: prefix } = input;
    new LogsCheck().group(group).limit(input.limit, 50).done();
    await requireGroup(ctx, group);
    const { rows, nextToken } = await pageOfTable(
      `DescribeSubscriptionFilters ${group} ${prefix}`,
      ctx.table(SubscriptionFilters),
      { ...input, prefix: [group] },
      (row) => prefix === undefined || row.name.startsWith(prefix),
    );
    return { subscriptionFilters: rows.map(describeSubscription), nextToken };
  },

  async DeleteSubscriptionFilter(input, ctx) {
    const { logGroupName: group = '', filterName: name = '' } = input;
    new LogsCheck().group(group).filterName(name).done();
    await ctx.transact(async (tx) => {
      await requireGroup(tx, group);
      if (!(await tx.table(SubscriptionFilters).delete(group, name))) throw notFound('subscription filter');
    });
    return {};
  },
};
