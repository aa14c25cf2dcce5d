import type { CreateEventSourceMappingCommandInput } from '@aws-sdk/client-lambda';
import { S3 } from '@aws-sdk/client-s3';
import { SQS } from '@aws-sdk/client-sqs';
import { expect } from 'vitest';
import { eventually, freshAccount } from '../../support/cloud.ts';
import { serverless } from './support.ts';

/** A function that writes down its events in a bucket, and fails for those that hold `poison`. */
export async function recording(endpoint?: string) {
  const all = await serverless(freshAccount(endpoint));
  const { account, lambda, arnOf, make } = all;
  const s3 = new S3({ ...account.config(), forcePathStyle: true });
  const sqs = new SQS(account.config());
  const Bucket = `events-${account.id}`;
  await s3.createBucket({ Bucket });
  const source = `import { S3 } from '@aws-sdk/client-s3';
const s3 = new S3({ forcePathStyle: true });
export const handler = async (event, context) => {
  const text = JSON.stringify(event);
  await s3.putObject({ Bucket: '${Bucket}', Key: 'events/' + Date.now() + context.awsRequestId, Body: text });
  const texts = (event.Records ?? []).map((one) => one.body ?? Buffer.from(one.kinesis?.data ?? '', 'base64').toString());
  for (let tries = 0; texts.some((one) => one.startsWith('held')) && tries < 150; tries++) {
    const { KeyCount } = await s3.listObjectsV2({ Bucket: '${Bucket}', Prefix: 'go' });
    if (KeyCount > 0) break;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  const bad = (event.Records ?? []).filter((one) => (one.body ?? Buffer.from(one.kinesis?.data ?? '', 'base64').toString()).includes('partly'));
  if (bad.length > 0) return { batchItemFailures: bad.map((one) => ({ itemIdentifier: one.messageId ?? one.kinesis.sequenceNumber })) };
  if (text.includes('poison') || text.includes(Buffer.from('poison').toString('base64'))) throw new Error('poison');
  if (event.window) return { state: { texts: [...(event.state.texts ?? []), ...texts] } };
};`;
  await make('sink', source, { MemorySize: 1024, Timeout: 20 });
  /** Events that the function got, in order. */
  const events = async (): Promise<Record<string, unknown>[]> => {
    const { Contents = [] } = await s3.listObjectsV2({ Bucket, Prefix: 'events/' });
    const texts = await Promise.all(
      Contents.map(async ({ Key }) => (await s3.getObject({ Bucket, Key })).Body?.transformToString()),
    );
    return texts.map((text) => JSON.parse(text ?? '') as Record<string, unknown>);
  };
  const gets = (count: number) =>
    eventually(
      async () => {
        const found = await events();
        expect(found.length).toBeGreaterThanOrEqual(count);
        return found;
      },
      { timeoutMs: 30_000, why: `the function got ${count} events` },
    );
  const allow = (service: string, SourceArn: string) =>
    lambda.addPermission({
      FunctionName: 'sink',
      StatementId: service,
      Action: 'lambda:InvokeFunction',
      Principal: `${service}.amazonaws.com`,
      SourceArn,
    });
  const map = async (EventSourceArn: string, more: Partial<CreateEventSourceMappingCommandInput> = {}): Promise<string> => {
    const { UUID = '', State } = await lambda.createEventSourceMapping({ FunctionName: 'sink', EventSourceArn, ...more });
    expect(State).toBe('Creating');
    await eventually(async () => expect((await lambda.getEventSourceMapping({ UUID })).State).toBe('Enabled'), {
      why: 'the mapping is enabled',
    });
    return UUID;
  };
  const queue = async (QueueName: string, Attributes?: Record<string, string>) => {
    const { QueueUrl = '' } = await sqs.createQueue({ QueueName, Attributes: { VisibilityTimeout: '20', ...Attributes } });
    return { QueueUrl, arn: `arn:aws:sqs:us-east-1:${account.id}:${QueueName}` };
  };
  /** Lets go what is held. */
  const go = () => s3.putObject({ Bucket, Key: 'go', Body: '' });
  return { ...all, go, s3, sqs, events, gets, allow, map, queue, arn: arnOf('sink') };
}

/** Records of an event. */
export const records = (event: Record<string, unknown> | undefined) => (event?.['Records'] ?? []) as Record<string, unknown>[];
