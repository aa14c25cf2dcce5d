import { Firehose, type CreateDeliveryStreamCommandInput } from '@aws-sdk/client-firehose';
import { IAM } from '@aws-sdk/client-iam';
import { S3 } from '@aws-sdk/client-s3';
import { expect } from 'vitest';
import { eventually, freshAccount, type TestAccount } from '../../support/cloud.ts';

/** A role that a service may act by, with these actions on everything. */
export async function roleFor(
  account: TestAccount,
  service: string,
  actions: readonly string[],
  name = service,
): Promise<string> {
  const iam = new IAM(account.config());
  const Statement = [{ Effect: 'Allow', Principal: { Service: `${service}.amazonaws.com` }, Action: 'sts:AssumeRole' }];
  const { Role } = await iam.createRole({
    RoleName: name,
    AssumeRolePolicyDocument: JSON.stringify({ Version: '2012-10-17', Statement }),
  });
  const allowed = [{ Effect: 'Allow', Action: actions, Resource: '*' }];
  await iam.putRolePolicy({
    RoleName: name,
    PolicyName: 'may',
    PolicyDocument: JSON.stringify({ Version: '2012-10-17', Statement: allowed }),
  });
  return Role?.Arn ?? '';
}

/** An account with a bucket, a role that may write into it, and clients. */
export async function delivering(endpoint?: string, account = freshAccount(endpoint)) {
  const firehose = new Firehose(account.config());
  const s3 = new S3({ ...account.config(), forcePathStyle: true });
  const Bucket = `lake-${account.id}`;
  await s3.createBucket({ Bucket });
  const RoleARN = await roleFor(account, 'firehose', ['s3:*', 'kinesis:*', 'logs:*']);
  const destination = { RoleARN, BucketARN: `arn:aws:s3:::${Bucket}` };
  const create = async (DeliveryStreamName: string, input: Partial<CreateDeliveryStreamCommandInput>): Promise<string> => {
    const { DeliveryStreamARN = '' } = await firehose.createDeliveryStream({ DeliveryStreamName, ...input });
    await eventually(
      async () => {
        const { DeliveryStreamDescription: found } = await firehose.describeDeliveryStream({ DeliveryStreamName });
        expect(found?.DeliveryStreamStatus).toBe('ACTIVE');
      },
      { why: 'the delivery stream is active' },
    );
    return DeliveryStreamARN;
  };
  /** Keys of the bucket. */
  const keys = async (): Promise<string[]> => {
    const { Contents = [] } = await s3.listObjectsV2({ Bucket });
    return Contents.map(({ Key = '' }) => Key);
  };
  const bytes = async (Key: string | undefined): Promise<Uint8Array> => {
    const { Body } = await s3.getObject({ Bucket, Key });
    return (await Body?.transformToByteArray()) ?? new Uint8Array();
  };
  /** Keys, once there are so many. */
  const delivered = (count: number): Promise<string[]> =>
    eventually(
      async () => {
        const found = await keys();
        expect(found).toHaveLength(count);
        return found;
      },
      { why: `${count} objects are delivered` },
    );
  return { account, firehose, s3, Bucket, RoleARN, destination, create, keys, bytes, delivered };
}

/** Everything at once: buffering for no time. */
export const atOnce = { SizeInMBs: 1, IntervalInSeconds: 0 };
