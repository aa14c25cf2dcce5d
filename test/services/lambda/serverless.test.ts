import { ApiGatewayV2 } from '@aws-sdk/client-apigatewayv2';
import { CloudWatch } from '@aws-sdk/client-cloudwatch';
import { DynamoDB } from '@aws-sdk/client-dynamodb';
import { EC2 } from '@aws-sdk/client-ec2';
import { SQS } from '@aws-sdk/client-sqs';
import { expect, test } from 'vitest';
import { admin, eventually, freshAccount, machinesRefused, startOwnCloud } from '../../support/cloud.ts';
import { ask, serverless } from './support.ts';

/** Signs by hand, because loading the SDK a hundred times at once is a test of this machine's processors. */
const source = `import { createHash, createHmac } from 'node:crypto';
const { AWS_ENDPOINT_URL, AWS_REGION, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN, QUEUE } = process.env;
const mac = (key, text) => createHmac('sha256', key).update(text).digest();
const hash = (text) => createHash('sha256').update(text).digest('hex');
async function ask(service, target, input) {
  const body = JSON.stringify(input);
  const time = new Date().toISOString().replace(/[-:]|\\.\\d+/g, '');
  const day = time.slice(0, 8);
  const headers = { 'content-type': 'application/x-amz-json-1.0', host: new URL(AWS_ENDPOINT_URL).host, 'x-amz-date': time, 'x-amz-security-token': AWS_SESSION_TOKEN, 'x-amz-target': target };
  const names = Object.keys(headers).sort();
  const canonical = ['POST', '/', '', ...names.map((name) => name + ':' + headers[name]), '', names.join(';'), hash(body)].join('\\n');
  const scope = [day, AWS_REGION, service, 'aws4_request'].join('/');
  const key = ['aws4_request', service, AWS_REGION, day].reduceRight((secret, part) => mac(secret, part), 'AWS4' + AWS_SECRET_ACCESS_KEY);
  const signature = mac(key, ['AWS4-HMAC-SHA256', time, scope, hash(canonical)].join('\\n')).toString('hex');
  const authorization = 'AWS4-HMAC-SHA256 Credential=' + AWS_ACCESS_KEY_ID + '/' + scope + ', SignedHeaders=' + names.join(';') + ', Signature=' + signature;
  const answer = await fetch(AWS_ENDPOINT_URL, { method: 'POST', headers: { ...headers, authorization }, body });
  if (!answer.ok) throw new Error(await answer.text());
}
export const handler = async (event, context) => {
  const id = event.rawPath.slice(1);
  await ask('dynamodb', 'DynamoDB_20120810.PutItem', { TableName: 'orders', Item: { id: { S: id } } });
  await ask('sqs', 'AmazonSQS.SendMessage', { QueueUrl: QUEUE, MessageBody: id });
  await new Promise((r) => setTimeout(r, 2000));
  return { statusCode: 201, body: context.logStreamName };
};`;

test('LMB-023 an API of functions, a table and a queue takes a hundred calls at once, and the loss of a zone, without a machine', async (context) => {
  context.skip(machinesRefused() !== undefined, machinesRefused());
  const cloud = await startOwnCloud();
  try {
    const account = freshAccount(cloud.endpoint);
    const { lambda, make, arnOf } = await serverless(account);
    const dynamodb = new DynamoDB(account.config());
    const sqs = new SQS(account.config());
    await dynamodb.createTable({
      TableName: 'orders',
      KeySchema: [{ AttributeName: 'id', KeyType: 'HASH' }],
      AttributeDefinitions: [{ AttributeName: 'id', AttributeType: 'S' }],
      BillingMode: 'PAY_PER_REQUEST',
    });
    const { QueueUrl = '' } = await sqs.createQueue({ QueueName: 'orders' });
    await make('api', source, { MemorySize: 256, Timeout: 28, Environment: { Variables: { QUEUE: QueueUrl } } });
    const cloudwatch = new CloudWatch(account.config());
    const metered = async () => (await cloudwatch.listMetrics({ Namespace: 'AWS/Lambda' })).Metrics?.length ?? 0;
    expect(await metered()).toBe(0);
    const gateway = new ApiGatewayV2(account.config());
    const { ApiEndpoint = '', ApiId } = await gateway.createApi({ Name: 'orders', ProtocolType: 'HTTP', Target: arnOf('api') });
    await lambda.addPermission({
      FunctionName: 'api',
      StatementId: 'api',
      Action: 'lambda:InvokeFunction',
      Principal: 'apigateway.amazonaws.com',
      SourceArn: `arn:aws:execute-api:us-east-1:${account.id}:${ApiId}/*`,
    });
    const place = (id: string) => ask(`${ApiEndpoint}/${id}`, { method: 'POST' });
    await eventually(async () => expect((await place('first')).status).toBe(201), { why: 'the API is deployed' });
    const answers = await Promise.all(Array.from({ length: 100 }, (_none, n) => place(`order-${n}`)));
    expect(answers.map(({ status }) => status).filter((status) => status !== 201)).toEqual([]);
    // Each that ran at the same time had an environment of its own: all but those that took one that had just finished.
    const environments = new Set(answers.map(({ body }) => body)).size;
    expect(environments).toBeGreaterThan(10);
    expect(environments).toBeLessThanOrEqual(100);
    expect((await dynamodb.scan({ TableName: 'orders', Select: 'COUNT' })).Count).toBe(101);
    const { Attributes } = await sqs.getQueueAttributes({ QueueUrl, AttributeNames: ['ApproximateNumberOfMessages'] });
    expect(Attributes?.ApproximateNumberOfMessages).toBe('101');
    expect((await new EC2(account.config()).describeInstances({})).Reservations).toEqual([]);
    expect(await metered()).toBeGreaterThan(0);
    await admin('POST', 'chaos/zone', { zone: 'us-east-1b', down: true }, cloud.endpoint);
    expect((await place('meanwhile')).status).toBe(201);
  } finally {
    await cloud.stop();
  }
}, 120_000);
