/** Consumers with enhanced fan-out: registered, described, deregistered. Source: Kinesis Data Streams API Reference, RegisterStreamConsumer and its kin. */
import type { Consumer, Kinesis } from '@aws-sdk/client-kinesis';
import { type Page, pageOf } from '../../base/paging.ts';
import { AwsError, parameterNotImplemented } from '../../kernel/errors.ts';
import { RequestCheck } from '../../kernel/request-check.ts';
import type { AuthorisationsOf, HandlersOf } from '../../kernel/service.ts';
import { consumerExists, invalidArgument, limitExceeded } from './errors.ts';
import { nameOf, onConsumer, onStream, requireActive, requireConsumer, requireStream, streamArn } from './lookup.ts';
import { settleMillis } from './settling.ts';
import { type ConsumerRow, Consumers } from './state.ts';

/** "You can register up to 20 consumers per stream." */
const consumersMax = 20;
const pageMax = 10_000;
const pageDefault = 100;

function describe({ name, arn, status, created }: ConsumerRow): Required<Consumer> {
  return { ConsumerName: name, ConsumerARN: arn, ConsumerStatus: status, ConsumerCreationTimestamp: new Date(created) };
}

export const consumerHandlers: HandlersOf<Kinesis> = {
  async RegisterStreamConsumer({ StreamARN, ConsumerName = '', Tags = {}, ...others }, ctx) {
    const [other] = Object.keys(others).filter((key) => others[key as keyof typeof others] !== undefined);
    if (other !== undefined) throw parameterNotImplemented('RegisterStreamConsumer', other);
    new RequestCheck().length('consumerName', ConsumerName, 1, 128).done();
    if (!/^[a-zA-Z0-9_.-]+$/.test(ConsumerName)) throw invalidArgument(`Consumer name ${ConsumerName} is not valid.`);
    const stream = await requireActive(ctx, { StreamARN });
    const row: ConsumerRow = {
      stream: stream.id,
      name: ConsumerName,
      arn: `${streamArn(ctx, stream.name)}/consumer/${ConsumerName}:${Math.floor(ctx.now / 1000)}`,
      status: 'CREATING',
      created: ctx.now,
      tags: Tags,
    };
    await ctx.transact(async (tx) => {
      if ((await tx.table(Consumers).get(stream.id, ConsumerName)) !== undefined)
        throw consumerExists(ConsumerName, stream.name, ctx.account);
      if ((await tx.table(Consumers).count([stream.id])) >= consumersMax)
        throw limitExceeded(
          `Registration Limit Exceeded for stream ${stream.name} under account ${ctx.account}: a stream has at most ${consumersMax} consumers.`,
        );
      await tx.table(Consumers).put(row);
      await tx.schedule({ task: 'settleConsumer', key: `${stream.id} ${ConsumerName}`, due: ctx.now + settleMillis });
    });
    return { Consumer: describe(row) };
  },

  async DescribeStreamConsumer(input, ctx) {
    const { stream, consumer } = await requireConsumer(ctx, input);
    return { ConsumerDescription: { ...describe(consumer), StreamARN: streamArn(ctx, stream.name) } };
  },

  async ListStreamConsumers({ StreamARN, NextToken, MaxResults = pageDefault, StreamCreationTimestamp, ...others }, ctx) {
    const [other] = Object.keys(others).filter((key) => others[key as keyof typeof others] !== undefined);
    if (other !== undefined) throw parameterNotImplemented('ListStreamConsumers', other);
    new RequestCheck().range('maxResults', MaxResults, 1, pageMax).done();
    const stream = await requireStream(ctx, { StreamARN });
    if (StreamCreationTimestamp !== undefined && Math.abs(StreamCreationTimestamp.getTime() - stream.created) >= 1000)
      throw new AwsError(
        'ResourceNotFoundException',
        `Stream ${stream.name} under account ${ctx.account} was not made at that time.`,
      );
    const rows = await ctx.table(Consumers).list({ prefix: [stream.id] });
    const paging = { scope: `ListStreamConsumers ${stream.id}`, token: NextToken, limit: MaxResults };
    const page: Page<ConsumerRow> | undefined = pageOf(rows, ({ name }) => [name], paging);
    if (page === undefined) throw invalidArgument('NextToken is invalid.');
    return { Consumers: page.items.map(describe), NextToken: page.nextToken };
  },

  async DeregisterStreamConsumer(input, ctx) {
    const { stream, consumer } = await requireConsumer(ctx, input);
    await ctx.transact(async (tx) => {
      await tx.table(Consumers).put({ ...consumer, status: 'DELETING' });
      await tx.schedule({ task: 'settleConsumer', key: `${stream.id} ${consumer.name}`, due: ctx.now + settleMillis });
    });
    return {};
  },
};

export const consumerChecks: AuthorisationsOf<Kinesis> = {
  RegisterStreamConsumer: async ({ StreamARN, ConsumerName = '' }, ctx) => {
    const checks = await onStream({ StreamARN }, ctx);
    return [
      ...checks,
      { resource: `${streamArn(ctx, nameOf({ StreamARN }))}/consumer/${ConsumerName}:*`, resourceAccount: ctx.account },
    ];
  },
  DescribeStreamConsumer: onConsumer,
  DeregisterStreamConsumer: onConsumer,
  ListStreamConsumers: ({ StreamARN }, ctx) => onStream({ StreamARN }, ctx),
};
