import { afterAll, beforeAll, expect, test } from 'vitest';
import { advanceClock, eventually, machinesRefused, type OwnCloud, startOwnCloud } from '../../support/cloud.ts';
import { secureServer } from '../../support/secure-server.ts';
import { atOnce, delivering } from './support.ts';

let cloud: OwnCloud;
beforeAll(async () => {
  if (machinesRefused() === undefined) cloud = await startOwnCloud();
}, 60_000);
afterAll(async () => {
  if (machinesRefused() === undefined) expect(await cloud.stop()).not.toMatch(/by a bug of Pilvi/);
});

/** Batches are acknowledged by their request id; a POST to /fail answers 503. */
const answers = `if path == '/fail':
    return 503, b'busy'
batch = json.loads(body)
return 200, json.dumps({'requestId': batch['requestId'], 'timestamp': batch['timestamp']}).encode()`;

interface Batch {
  requestId: string;
  records: { data: string }[];
}

test('FH-005 an HTTPS server gets batches with request id and access key; what it refuses is tried again, then backed up', {
  timeout: 120_000,
}, async (context) => {
  context.skip(machinesRefused() !== undefined, machinesRefused());
  const server = await secureServer(cloud, '10.63', answers);
  const { lab, address } = server;
  const seen = async () => (await server.seen()).map(({ body, ...rest }) => ({ ...rest, batch: JSON.parse(body) as Batch }));
  const { firehose, create, keys, delivered, bytes, destination } = await delivering(cloud.endpoint, lab.account);
  const http = (where: string) => ({
    EndpointConfiguration: { Url: `https://${address}${where}`, AccessKey: 'secret-key' },
    BufferingHints: atOnce,
    RetryOptions: { DurationInSeconds: 60 },
    RequestConfiguration: {
      ContentEncoding: 'GZIP' as const,
      CommonAttributes: [{ AttributeName: 'stage', AttributeValue: 'test' }],
    },
    S3Configuration: destination,
  });
  const arn = await create('good', { HttpEndpointDestinationConfiguration: http('/take') });
  const text = (value: string) => ({ Data: Buffer.from(value) });
  await firehose.putRecordBatch({ DeliveryStreamName: 'good', Records: [text('a'), text('b')] });
  const [first] = await eventually(
    async () => {
      const found = await seen();
      expect(found).toHaveLength(1);
      return found;
    },
    { why: 'the batch is there' },
  );
  expect(first?.batch.records.map(({ data }) => Buffer.from(data, 'base64').toString())).toEqual(['a', 'b']);
  expect(first?.headers).toMatchObject({
    'x-amz-firehose-protocol-version': '1.0',
    'x-amz-firehose-request-id': first?.batch.requestId,
    'x-amz-firehose-access-key': 'secret-key',
    'x-amz-firehose-source-arn': arn,
    'x-amz-firehose-common-attributes': '{"commonAttributes":{"stage":"test"}}',
  });
  const { DeliveryStreamDescription: shown } = await firehose.describeDeliveryStream({ DeliveryStreamName: 'good' });
  expect(JSON.stringify(shown)).not.toContain('secret-key');
  await create('bad', { HttpEndpointDestinationConfiguration: http('/fail') });
  await firehose.putRecord({ DeliveryStreamName: 'bad', Record: text('kept') });
  const failures = async (count: number) =>
    eventually(async () => expect((await seen()).filter(({ path: at }) => at === '/fail').length).toBeGreaterThanOrEqual(count), {
      why: `the endpoint is tried ${count} times`,
    });
  await failures(1);
  await advanceClock(cloud.endpoint, 10_000);
  await failures(2);
  expect(await keys()).toEqual([]);
  await advanceClock(cloud.endpoint, 60_000);
  const [key = ''] = await delivered(1);
  expect(key).toMatch(/^http-endpoint-failed\/\d{4}\/\d\d\/\d\d\/\d\d\/bad-1-/);
  const kept = JSON.parse(Buffer.from(await bytes(key)).toString());
  expect(kept).toMatchObject({ errorCode: 'HttpEndpoint.InvalidStatusCode', rawData: Buffer.from('kept').toString('base64') });
  expect(kept.attemptsMade).toBeGreaterThanOrEqual(3);
});
