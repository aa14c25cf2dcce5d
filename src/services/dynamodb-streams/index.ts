/** DynamoDB Streams: an endpoint of its own for what DynamoDB keeps. */
import type { DynamoDBStreams } from '@aws-sdk/client-dynamodb-streams';
import type { Context } from '../../kernel/context.ts';
import { AwsError } from '../../kernel/errors.ts';
import { type AuthorisationsOf, defineService, type HandlersOf } from '../../kernel/service.ts';
import type { DynamodbApi } from '../dynamodb/api.ts';

const api = (ctx: Context): Promise<DynamodbApi> => ctx.internal<DynamodbApi>('dynamodb');

/** The framework's words for a member out of its range. */
function checkRange(value: number | undefined, path: string, most: number): void {
  if (value === undefined || (value >= 1 && value <= most)) return;
  const rule = value < 1 ? 'greater than or equal to 1' : `less than or equal to ${most}`;
  throw new AwsError(
    'ValidationException',
    `1 validation error detected: Value '${value}' at '${path}' failed to satisfy constraint: Member must have value ${rule}`,
  );
}

const iteratorTypes = ['AFTER_SEQUENCE_NUMBER', 'LATEST', 'AT_SEQUENCE_NUMBER', 'TRIM_HORIZON'] as const;

const handlers: HandlersOf<DynamoDBStreams> = {
  async ListStreams(input, ctx) {
    const { Limit: limit = 100, ExclusiveStartStreamArn: after, TableName: table } = input;
    checkRange(limit, 'limit', 100);
    const all = await (await api(ctx)).listStreams(ctx, table);
    const start = after === undefined ? 0 : all.findIndex(({ arn }) => arn === after) + 1;
    const shown = all.slice(start, start + limit);
    return {
      Streams: shown.map(({ arn, table: name, label }) => ({ StreamArn: arn, TableName: name, StreamLabel: label })),
      LastEvaluatedStreamArn: start + limit < all.length ? shown.at(-1)?.arn : undefined,
    };
  },

  async DescribeStream(input, ctx) {
    checkRange(input.Limit, 'limit', 100);
    const page = { limit: input.Limit, after: input.ExclusiveStartShardId };
    return { StreamDescription: await (await api(ctx)).describeStream(ctx, input.StreamArn ?? '', page) };
  },

  async GetShardIterator(input, ctx) {
    const type = iteratorTypes.find((candidate) => candidate === input.ShardIteratorType);
    if (type === undefined)
      throw new AwsError(
        'ValidationException',
        `1 validation error detected: Value '${input.ShardIteratorType}' at 'shardIteratorType' failed to satisfy constraint: Member must satisfy enum value set: [${iteratorTypes.join(', ')}]`,
      );
    const from = { shard: input.ShardId, type, sequence: input.SequenceNumber };
    return { ShardIterator: await (await api(ctx)).openIterator(ctx, input.StreamArn ?? '', from) };
  },

  async GetRecords(input, ctx) {
    checkRange(input.Limit, 'limit', 1000);
    return (await api(ctx)).readRecords(ctx, input.ShardIterator ?? '', input.Limit);
  },
};

const onStream = (input: { StreamArn?: string | undefined }) => [{ resource: input.StreamArn ?? '*' }];

const checks: AuthorisationsOf<DynamoDBStreams> = {
  DescribeStream: onStream,
  GetShardIterator: onStream,
  // An iterator begins with the ARN of its stream.
  GetRecords: (input) => [{ resource: (input.ShardIterator ?? '').split('|')[0] || '*' }],
};

export default defineService({ name: 'dynamodb-streams', uses: ['dynamodb'], tables: [], handlers, authorise: checks });
