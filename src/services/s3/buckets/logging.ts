/** Which requests are logged where ("Logging requests with server access logging"). */
import type { LoggingEnabled, S3 } from '@aws-sdk/client-s3';
import { parameterNotImplemented } from '../../../kernel/errors.ts';
import type { AuthorisationsOf, HandlersOf } from '../../../kernel/service.ts';
import { bucketCheck } from '../access/checks.ts';
import { malformedXml, s3Error } from '../errors.ts';
import { requireBucket } from '../lookup.ts';
import { type BucketRow, Buckets, type LoggingConfig } from '../state.ts';
import { readConfig, writeConfig } from './settings.ts';

function wrongTarget(message: string, target: string): Error {
  return s3Error('InvalidTargetBucketForLogging', message, 400, { TargetBucket: target });
}

/** Throws InvalidTargetBucketForLogging for a bucket that is not there, of somebody else, or in another Region. */
function readLogging(asked: LoggingEnabled, source: BucketRow, target: BucketRow | undefined): LoggingConfig {
  const { TargetBucket: name, TargetPrefix: prefix, TargetObjectKeyFormat: format } = asked;
  if (name === undefined || prefix === undefined) throw malformedXml();
  if (asked.TargetGrants !== undefined && asked.TargetGrants.length > 0)
    throw parameterNotImplemented('PutBucketLogging', 'BucketLoggingStatus.LoggingEnabled.TargetGrants');
  if (target === undefined) throw wrongTarget('The target bucket for logging does not exist', name);
  if (target.account !== source.account)
    throw wrongTarget('The owner for the bucket to be logged and the target bucket must be the same.', name);
  if (target.region !== source.region)
    throw s3Error(
      'CrossLocationLoggingProhibitted',
      'Cross S3 location logging not allowed. Bucket Region and target bucket Region must be the same.',
      403,
    );
  if (format?.SimplePrefix !== undefined && format.PartitionedPrefix !== undefined) throw malformedXml();
  const partition = format?.PartitionedPrefix?.PartitionDateSource;
  if (format?.PartitionedPrefix !== undefined && partition !== 'EventTime' && partition !== 'DeliveryTime') throw malformedXml();
  return { target: name, prefix, partition, simple: format?.SimplePrefix !== undefined };
}

function describe({ target, prefix, partition, simple }: LoggingConfig): LoggingEnabled {
  const format = partition === undefined ? { SimplePrefix: {} } : { PartitionedPrefix: { PartitionDateSource: partition } };
  return {
    TargetBucket: target,
    TargetPrefix: prefix,
    ...(partition === undefined && !simple ? {} : { TargetObjectKeyFormat: format }),
  };
}

export const loggingHandlers: HandlersOf<S3> = {
  /** An empty status turns logging off. Whether the target's policy lets the log service in shows at the first delivery, as in AWS. */
  async PutBucketLogging(input, ctx) {
    const source = await requireBucket(ctx, input);
    const asked = input.BucketLoggingStatus?.LoggingEnabled;
    const target = asked && (await ctx.table(Buckets).get(asked.TargetBucket ?? ''));
    await writeConfig(ctx, input, 'logging', asked && readLogging(asked, source, target));
    return {};
  },

  async GetBucketLogging(input, ctx) {
    const config = (await readConfig(ctx, input, 'logging')) as LoggingConfig | undefined;
    return config === undefined ? {} : { LoggingEnabled: describe(config) };
  },
};

export const loggingChecks: AuthorisationsOf<S3> = {
  PutBucketLogging: async (input, ctx) => [await bucketCheck(ctx, input)],
  GetBucketLogging: async (input, ctx) => [await bucketCheck(ctx, input)],
};
