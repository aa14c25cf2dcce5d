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

/** HTTPS on 443 takes batches; plain HTTP on 80 tells them. A POST to /fail answers 503. */
const script = (pem: string) => `#!/bin/bash
cat > /server.pem <<'END'
${pem}END
cat > /sink.py <<'END'
import http.server, json, ssl, threading, gzip
seen = []
class Sink(http.server.BaseHTTPRequestHandler):
    def answer(self, status, body):
        self.send_response(status)
        self.send_header('content-length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def do_GET(self):
        self.answer(200, json.dumps(seen).encode())
    def do_POST(self):
        body = self.rfile.read(int(self.headers['content-length']))
        if self.headers['content-encoding'] == 'gzip':
            body = gzip.decompress(body)
        batch = json.loads(body)
        seen.append({'path': self.path, 'headers': {k.lower(): v for k, v in self.headers.items()}, 'batch': batch})
        if self.path == '/fail':
            return self.answer(503, b'busy')
        self.answer(200, json.dumps({'requestId': batch['requestId'], 'timestamp': batch['timestamp']}).encode())
    def log_message(self, *words):
        pass
secure = http.server.ThreadingHTTPServer(('0.0.0.0', 443), Sink)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain('/server.pem')
secure.socket = context.wrap_socket(secure.socket, server_side=True)
threading.Thread(target=secure.serve_forever).start()
http.server.ThreadingHTTPServer(('0.0.0.0', 80), Sink).serve_forever()
END
python3 /sink.py > /dev/null 2>&1 &
`;

interface Seen {
  path: string;
  headers: Record<string, string>;
  batch: { requestId: string; records: { data: string }[] };
}

test('FH-005 an HTTPS server gets batches with request id and access key; what it refuses is tried again, then backed up', {
  timeout: 120_000,
}, async (context) => {
  context.skip(machinesRefused() !== undefined, machinesRefused());
  const { lab, address, ask } = await secureServer(cloud, '10.63', script);
  const seen = async (): Promise<Seen[]> => JSON.parse(await ask()) as Seen[];
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
