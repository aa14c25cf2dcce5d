/**
 * Issue 7's worked example: an API takes an upload to S3, a function makes an item of it, the table's stream calls a function that tells a topic, the
 * topic's queue calls a function that writes the result, and the API shows it. All by the official SDK.
 */
import { ApiGatewayV2 } from '@aws-sdk/client-apigatewayv2';
import { DynamoDB } from '@aws-sdk/client-dynamodb';
import { Lambda } from '@aws-sdk/client-lambda';
import { S3 } from '@aws-sdk/client-s3';
import { SNS } from '@aws-sdk/client-sns';
import { SQS } from '@aws-sdk/client-sqs';
import { beforeEach, expect, test } from 'vitest';
import { eventually, freshAccount, machinesRefused, type TestAccount } from '../support/cloud.ts';
import { role } from '../services/api-gateway/functions.ts';
import { call } from '../services/api-gateway/rest.ts';
import { openQueue } from '../services/sns/support.ts';
import { type Handlers, handlers } from './serverless-handlers.ts';

beforeEach((context) => context.skip(machinesRefused() !== undefined, machinesRefused()));

const steps = ['ingest', 'announce', 'finish', 'front'] as const;

/** A table by id, with a stream of its changes. */
async function tableOf(dynamodb: DynamoDB, TableName: string): Promise<string> {
  await dynamodb.createTable({
    TableName,
    BillingMode: 'PAY_PER_REQUEST',
    KeySchema: [{ AttributeName: 'id', KeyType: 'HASH' }],
    AttributeDefinitions: [{ AttributeName: 'id', AttributeType: 'S' }],
    StreamSpecification: { StreamEnabled: true, StreamViewType: 'KEYS_ONLY' },
  });
  return eventually(
    async () => {
      const { Table } = await dynamodb.describeTable({ TableName });
      expect(Table?.TableStatus).toBe('ACTIVE');
      return Table?.LatestStreamArn ?? '';
    },
    { why: 'the table is there' },
  );
}

async function functionsOf(account: TestAccount, { runtime, handler, archive }: Handlers, Variables: Record<string, string>) {
  const lambda = new Lambda(account.config());
  const Role = await role(account, 'lambda', ['dynamodb:*', 's3:*', 'sns:*', 'sqs:*', 'logs:*']);
  const ZipFile = archive();
  const arns: Record<string, string> = {};
  for (const step of steps) {
    const { FunctionArn = '' } = await lambda.createFunction({
      FunctionName: step,
      Runtime: runtime,
      Handler: handler,
      Role,
      Timeout: 30,
      MemorySize: 256,
      Code: { ZipFile },
      Environment: { Variables: { ...Variables, STEP: step } },
    });
    arns[step] = FunctionArn;
  }
  for (const FunctionName of steps)
    await eventually(async () => expect((await lambda.getFunction({ FunctionName })).Configuration?.State).toBe('Active'), {
      why: 'the function is there',
    });
  return { lambda, arns };
}

test.each(handlers)(
  'an upload goes through S3, DynamoDB, SNS and SQS by functions of $runtime, with an API in front',
  { timeout: 120_000 },
  async (kit) => {
    const account = freshAccount();
    const config = account.config();
    const [dynamodb, s3, sns, sqs] = [
      new DynamoDB(config),
      new S3({ ...config, forcePathStyle: true }),
      new SNS(config),
      new SQS(config),
    ];
    const BUCKET = `uploads-${account.id}`;
    await s3.createBucket({ Bucket: BUCKET });
    const stream = await tableOf(dynamodb, 'uploads');
    await tableOf(dynamodb, 'results');
    const { TopicArn: TOPIC = '' } = await sns.createTopic({ Name: 'uploaded' });
    const queue = await openQueue(sqs, TOPIC, 'to-finish', { VisibilityTimeout: '60' });
    await sns.subscribe({ TopicArn: TOPIC, Protocol: 'sqs', Endpoint: queue.arn, Attributes: { RawMessageDelivery: 'true' } });
    const { lambda, arns } = await functionsOf(account, kit, {
      TABLE: 'uploads',
      RESULTS: 'results',
      TOPIC,
      BUCKET,
      BY: kit.runtime,
    });

    await lambda.addPermission({
      FunctionName: 'ingest',
      StatementId: 's3',
      Action: 'lambda:InvokeFunction',
      Principal: 's3.amazonaws.com',
      SourceArn: `arn:aws:s3:::${BUCKET}`,
    });
    await s3.putBucketNotificationConfiguration({
      Bucket: BUCKET,
      NotificationConfiguration: {
        LambdaFunctionConfigurations: [{ LambdaFunctionArn: arns['ingest'], Events: ['s3:ObjectCreated:*'] }],
      },
    });
    await lambda.createEventSourceMapping({ FunctionName: 'announce', EventSourceArn: stream, StartingPosition: 'TRIM_HORIZON' });
    await lambda.createEventSourceMapping({ FunctionName: 'finish', EventSourceArn: queue.arn });
    const gateway = new ApiGatewayV2(config);
    await lambda.addPermission({
      FunctionName: 'front',
      StatementId: 'api',
      Action: 'lambda:InvokeFunction',
      Principal: 'apigateway.amazonaws.com',
    });
    const { ApiEndpoint = '' } = await gateway.createApi({ Name: 'front', ProtocolType: 'HTTP', Target: arns['front'] });

    expect((await call(`${ApiEndpoint}/results/report`)).status).toBe(404);
    const taken = await call(`${ApiEndpoint}/uploads/report`, {
      method: 'POST',
      body: 'hello',
      headers: { 'content-type': 'text/plain' },
    });
    expect([taken.status, taken.text]).toEqual([202, 'report']);
    const shown = await eventually(
      async () => {
        const answer = await call(`${ApiEndpoint}/results/report`);
        expect(answer.status).toBe(200);
        return answer.text;
      },
      { timeoutMs: 60_000, why: 'the upload has gone all the way' },
    );
    expect(shown).toBe(kit.runtime);
    // An upload by the official client goes the same way.
    await s3.putObject({ Bucket: BUCKET, Key: 'second', Body: 'x' });
    await eventually(
      async () =>
        expect((await dynamodb.getItem({ TableName: 'results', Key: { id: { S: 'second' } } })).Item?.['by']?.S).toBe(
          kit.runtime,
        ),
      { timeoutMs: 60_000, why: 'the second upload has too' },
    );
    expect((await dynamodb.scan({ TableName: 'uploads' })).Count).toBe(2);
  },
);
