import { gunzipSync } from 'node:zlib';
import { DynamoDB } from '@aws-sdk/client-dynamodb';
import { Kinesis } from '@aws-sdk/client-kinesis';
import { S3 } from '@aws-sdk/client-s3';
import { SNS } from '@aws-sdk/client-sns';
import { SQS } from '@aws-sdk/client-sqs';
import { beforeEach, expect, test } from 'vitest';
import { eventually, machinesRefused } from '../../support/cloud.ts';
import { fetchInside } from '../../support/inside.ts';
import { base64, Lab } from '../ec2/support.ts';
import { functionUri, makeFunction, role } from './functions.ts';
import { answers, call, deploy, hostUrl, method, mock, type Rest, resource, restApi } from './rest.ts';

beforeEach((context) => context.skip(machinesRefused() !== undefined, machinesRefused()));

/** A web server on an instance that answers with what it was asked. */
const server = `#!/bin/bash
cat > /server.py <<'END'
import http.server, json
class Echo(http.server.BaseHTTPRequestHandler):
    def answer(self):
        body = self.rfile.read(int(self.headers['content-length'] or 0)).decode()
        text = json.dumps({'path': self.path, 'method': self.command, 'body': body, 'one': self.headers['x-one']}).encode()
        self.send_response(418 if self.path.startswith('/teapot') else 200)
        self.send_header('content-type', 'application/json')
        self.send_header('x-served-by', 'instance')
        self.send_header('content-length', str(len(text)))
        self.end_headers()
        self.wfile.write(text)
    do_GET = do_POST = do_PUT = answer
    def log_message(self, *words):
        pass
http.server.ThreadingHTTPServer(('0.0.0.0', 80), Echo).serve_forever()
END
python3 /server.py > /dev/null 2>&1 &
`;

/** A POST method with an action of a service behind it; its answer goes through. */
async function action(
  rest: Rest,
  name: string,
  integration: { uri: string; credentials: string; template: string; headers?: Record<string, string>; verb?: string },
): Promise<string> {
  const resourceId = await resource(rest, name);
  const { uri, credentials, template, headers = {}, verb = 'POST' } = integration;
  await method(
    rest,
    { resourceId, httpMethod: 'POST' },
    {
      ...{ type: 'AWS' as const, integrationHttpMethod: verb, uri: `arn:aws:apigateway:us-east-1:${uri}`, credentials },
      requestParameters: Object.fromEntries(
        Object.entries(headers).map(([header, value]) => [`integration.request.header.${header}`, `'${value}'`]),
      ),
      requestTemplates: { 'application/json': template },
    },
  );
  await answers(rest, resourceId, 'POST');
  const bad = { restApiId: rest.id, resourceId, httpMethod: 'POST', statusCode: '400' };
  await rest.gateway.putMethodResponse(bad);
  await rest.gateway.putIntegrationResponse({
    ...bad,
    selectionPattern: '4\\d\\d',
    responseTemplates: { 'application/json': '{"failed": true}' },
  });
  return resourceId;
}

const form = { 'Content-Type': 'application/x-www-form-urlencoded' };

test('APIGW-004 web servers and services of the cloud stand behind methods, and MOCK answers by itself', {
  timeout: 90_000,
}, async () => {
  const lab = new Lab();
  const { subnetId, groupId } = await lab.network('10.77');
  const instance = await lab.launch({ SubnetId: subnetId, SecurityGroupIds: [groupId], UserData: base64(server) });
  const { PublicIpAddress: address = '' } = await lab.inState(instance, 'running');
  const rest = await restApi({}, lab.account);
  const { gateway, id, account } = rest;
  const [sqs, dynamodb, sns, s3, kinesis] = [SQS, DynamoDB, SNS, S3, Kinesis].map(
    (Client) => new Client(account.config({ ...(Client === S3 ? { forcePathStyle: true } : {}) } as object)),
  ) as [SQS, DynamoDB, SNS, S3, Kinesis];
  const { QueueUrl = '' } = await sqs.createQueue({ QueueName: 'q' });
  const { TopicArn = '' } = await sns.createTopic({ Name: 't' });
  await sns.subscribe({
    TopicArn,
    Protocol: 'sqs',
    Endpoint: `arn:aws:sqs:us-east-1:${account.id}:q`,
    Attributes: { RawMessageDelivery: 'true' },
  });
  await sqs.setQueueAttributes({
    QueueUrl,
    Attributes: {
      Policy: JSON.stringify({
        Version: '2012-10-17',
        Statement: [{ Effect: 'Allow', Principal: { Service: 'sns.amazonaws.com' }, Action: 'sqs:SendMessage', Resource: '*' }],
      }),
    },
  });
  await dynamodb.createTable({
    TableName: 'items',
    BillingMode: 'PAY_PER_REQUEST',
    AttributeDefinitions: [{ AttributeName: 'id', AttributeType: 'S' }],
    KeySchema: [{ AttributeName: 'id', KeyType: 'HASH' }],
  });
  await s3.createBucket({ Bucket: `b-${account.id}` });
  await kinesis.createStream({ StreamName: 's', ShardCount: 1 });
  const credentials = await role(account, 'apigateway', [
    'sqs:SendMessage',
    'dynamodb:PutItem',
    'sns:Publish',
    's3:PutObject',
    'kinesis:PutRecord',
  ]);
  const weak = await role(account, 'apigateway', ['sqs:ReceiveMessage']);
  const foreign = await role(account, 'ec2', ['sqs:SendMessage']);
  const send = "Action=SendMessage&MessageBody=$util.urlEncode($input.path('$.text'))";
  await action(rest, 'sqs', { uri: `sqs:path/${account.id}/q`, credentials, template: send, headers: form });
  await action(rest, 'weak', { uri: `sqs:path/${account.id}/q`, credentials: weak, template: send, headers: form });
  await action(rest, 'foreign', { uri: `sqs:path/${account.id}/q`, credentials: foreign, template: send, headers: form });
  await action(rest, 'dynamodb', {
    uri: 'dynamodb:action/PutItem',
    credentials,
    template: '{"TableName": "items", "Item": {"id": {"S": "$input.params(\'id\')"}, "text": {"S": $input.json(\'$.text\')}}}',
  });
  await action(rest, 'sns', {
    uri: 'sns:action/Publish',
    credentials,
    template: `Action=Publish&TopicArn=$util.urlEncode('${TopicArn}')&Message=$util.urlEncode($input.path('$.text'))`,
    headers: form,
  });
  await action(rest, 's3', {
    uri: `s3:path/b-${account.id}/key.txt`,
    credentials,
    template: "$input.path('$.text')",
    verb: 'PUT',
  });
  await action(rest, 'kinesis', {
    uri: 'kinesis:action/PutRecord',
    credentials,
    template: '{"StreamName": "s", "PartitionKey": "p", "Data": "$util.base64Encode($input.path(\'$.text\'))"}',
  });
  const web = await resource(rest, 'web');
  const proxy = await resource(rest, '{proxy+}', web);
  const name = 'method.request.path.proxy';
  await method(
    rest,
    { resourceId: proxy, httpMethod: 'ANY', requestParameters: { [name]: true } },
    {
      type: 'HTTP_PROXY',
      integrationHttpMethod: 'ANY',
      uri: `http://${address}/{proxy}`,
      requestParameters: { 'integration.request.path.proxy': name, 'integration.request.header.X-One': "'1'" },
    },
  );
  await mock(rest, await resource(rest, 'mock'), 'GET', 'by itself');
  await deploy(rest);
  await eventually(async () => expect(await fetchInside(address, 80)).toMatchObject({ status: 200 }), {
    why: 'the web server is up',
    timeoutMs: 25_000,
  });
  // The web server.
  const answer = await call(hostUrl(id, '/prod/web/a/b?q=1'), { method: 'PUT', body: 'content' });
  expect([answer.status, answer.headers['x-served-by'], JSON.parse(answer.text)]).toEqual([
    200,
    'instance',
    { path: '/a/b?q=1', method: 'PUT', body: 'content', one: '1' },
  ]);
  expect((await call(hostUrl(id, '/prod/web/teapot'))).status).toBe(418);
  expect((await call(hostUrl(id, '/prod/mock'))).text).toBe('by itself');
  // Services.
  const post = async (path: string) => {
    const { status, text } = await call(hostUrl(id, `/prod/${path}`), {
      method: 'POST',
      body: '{"text":"hello & more"}',
      headers: { 'content-type': 'application/json' },
    });
    return { status, text };
  };
  const taken = async () => (await sqs.receiveMessage({ QueueUrl, WaitTimeSeconds: 5 })).Messages?.map(({ Body }) => Body);
  const sent = await post('sqs');
  expect([sent.status, sent.text]).toEqual([200, expect.stringMatching(/<SendMessageResponse.*<MessageId>/s)]);
  expect(await taken()).toEqual(['hello & more']);
  expect((await post('dynamodb?id=7')).status).toBe(200);
  expect((await dynamodb.getItem({ TableName: 'items', Key: { id: { S: '7' } } })).Item).toEqual({
    id: { S: '7' },
    text: { S: 'hello & more' },
  });
  expect((await post('sns')).text).toContain('<MessageId>');
  expect(await taken()).toEqual(['hello & more']);
  expect((await post('s3')).status).toBe(200);
  expect(await (await s3.getObject({ Bucket: `b-${account.id}`, Key: 'key.txt' })).Body?.transformToString()).toBe(
    'hello & more',
  );
  expect(JSON.parse((await post('kinesis')).text)).toMatchObject({ ShardId: 'shardId-000000000000' });
  // A role without the right is refused by the service, one that does not trust the gateway by the gateway.
  expect(await post('weak')).toEqual({ status: 400, text: '{"failed": true}' });
  expect(await post('foreign')).toEqual({ status: 500, text: '{"message":"Internal server error"}' });
  expect((await sqs.getQueueAttributes({ QueueUrl, AttributeNames: ['ApproximateNumberOfMessages'] })).Attributes).toEqual({
    ApproximateNumberOfMessages: '0',
  });
  await gateway.deleteRestApi({ restApiId: id });
});

test("a backend that is silent ends with the integration's time, one that nobody serves at once", {
  timeout: 60_000,
}, async () => {
  const rest = await restApi({ minimumCompressionSize: 100 });
  const { id, account } = rest;
  const arn = await makeFunction(account, 'export const handler = () => new Promise((resolve) => setTimeout(resolve, 8000));');
  const credentials = await role(account, 'apigateway', 'lambda:InvokeFunction', arn);
  await method(
    rest,
    { resourceId: await resource(rest, 'silent'), httpMethod: 'GET' },
    { type: 'AWS_PROXY', integrationHttpMethod: 'POST', uri: functionUri(arn), credentials, timeoutInMillis: 300 },
  );
  await method(
    rest,
    { resourceId: await resource(rest, 'unknown'), httpMethod: 'GET' },
    { type: 'HTTP_PROXY', integrationHttpMethod: 'GET', uri: 'http://nobody.invalid/' },
  );
  await mock(rest, await resource(rest, 'long'), 'GET', 'x'.repeat(200));
  await deploy(rest);
  const silent = await call(hostUrl(id, '/prod/silent'));
  expect([silent.status, silent.text]).toEqual([504, '{"message":"Endpoint request timed out"}']);
  const unknown = await call(hostUrl(id, '/prod/unknown'));
  expect([unknown.status, unknown.text]).toEqual([500, '{"message":"Internal server error"}']);
  // Answers from a size on are compressed for who takes that.
  const long = await call(hostUrl(id, '/prod/long'), { headers: { 'accept-encoding': 'gzip' } });
  expect([long.headers['content-encoding'], gunzipSync(long.bytes).toString()]).toEqual(['gzip', 'x'.repeat(200)]);
  expect((await call(hostUrl(id, '/prod/long'))).text).toBe('x'.repeat(200));
});
