/**
 * May flow logs be written to a bucket? Where the caller may set the bucket's policy, the statements that log delivery needs are added to it, as AWS
 * does ("Amazon S3 bucket permissions for flow logs").
 */
import type { Context } from '../../../kernel/context.ts';
import { AwsError } from '../../../kernel/errors.ts';
import { deliveryArn } from './deliver.ts';

interface PolicyDocument {
  Version?: string;
  Statement: Record<string, unknown>[];
}

function statementsFor(ctx: Context, bucket: string, folder: string): Record<string, unknown>[] {
  const conditions = {
    StringEquals: { 'aws:SourceAccount': ctx.account },
    ArnLike: { 'aws:SourceArn': deliveryArn(ctx) },
  };
  const principal = { Effect: 'Allow', Principal: { Service: 'delivery.logs.amazonaws.com' } };
  return [
    {
      Sid: 'AWSLogDeliveryWrite1',
      ...principal,
      Action: 's3:PutObject',
      Resource: `arn:aws:s3:::${bucket}/${folder}AWSLogs/*`,
      Condition: { ...conditions, StringEquals: { ...conditions.StringEquals, 's3:x-amz-acl': 'bucket-owner-full-control' } },
    },
    {
      Sid: 'AWSLogDeliveryAclCheck1',
      ...principal,
      Action: 's3:GetBucketAcl',
      Resource: `arn:aws:s3:::${bucket}`,
      Condition: conditions,
    },
  ];
}

async function policyOf(ctx: Context, bucket: string): Promise<PolicyDocument> {
  try {
    const { Policy } = await ctx.call('s3').getBucketPolicy({ Bucket: bucket });
    const parsed = JSON.parse(Policy ?? '{}') as {
      Version?: string;
      Statement?: Record<string, unknown> | Record<string, unknown>[];
    };
    const { Statement: found = [] } = parsed;
    return { ...parsed, Statement: Array.isArray(found) ? found : [found] };
  } catch (error) {
    if (error instanceof AwsError && error.code === 'NoSuchBucketPolicy') return { Version: '2012-10-17', Statement: [] };
    throw error;
  }
}

/** Whether a policy names log delivery already: then its owner has decided, and it is left as it is. */
function namesDelivery({ Statement: statements }: PolicyDocument): boolean {
  return JSON.stringify(statements).includes('delivery.logs.amazonaws.com');
}

/** Why flow logs cannot be delivered to the bucket, in AWS's words; undefined when they can. */
export async function bucketRefusal(
  ctx: Context,
  { bucket, folder }: { bucket: string; folder: string },
): Promise<string | undefined> {
  try {
    const policy = await policyOf(ctx, bucket);
    if (!namesDelivery(policy)) {
      const Policy = JSON.stringify({ ...policy, Statement: [...policy.Statement, ...statementsFor(ctx, bucket, folder)] });
      await ctx.call('s3').putBucketPolicy({ Bucket: bucket, Policy });
    }
  } catch (error) {
    if (!(error instanceof AwsError)) throw error;
    if (error.code === 'NoSuchBucket') return `LogDestination: ${bucket} does not exist`;
    if (!/Denied/.test(error.code)) throw error;
  }
  try {
    await ctx.onAccountOf(deliveryArn(ctx), ctx.account, 'delivery.logs').call('s3').getBucketAcl({ Bucket: bucket });
    return undefined;
  } catch (error) {
    if (!(error instanceof AwsError)) throw error;
    return `Access Denied for LogDestination: ${bucket}. Please check LogDestination permission`;
  }
}
