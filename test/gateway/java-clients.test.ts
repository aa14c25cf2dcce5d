/**
 * What the SDKs for Java send. To Kinesis: CBOR in place of JSON, times in milliseconds, over HTTP/2 that they neither ask for nor agree on in a
 * handshake, signed for `host` though only `:authority` is sent. The bytes are those of the SDK for Java 2.41 (aws.cborEnabled, its default).
 */
import http2, { type ClientHttp2Session } from 'node:http2';
import { connect } from 'node:tls';
import { IAM } from '@aws-sdk/client-iam';
import { Kinesis } from '@aws-sdk/client-kinesis';
import { S3 } from '@aws-sdk/client-s3';
import { STS } from '@aws-sdk/client-sts';
import { SignatureV4 } from '@smithy/signature-v4';
import { beforeAll, expect, inject, onTestFinished, test } from 'vitest';
import { eventually, freshAccount, refused } from '../support/cloud.ts';
import { Sha256 } from '../support/sign.ts';

const gateway = new URL(inject('endpoint'));
const StreamName = 'clicks';
let account: string;
let kinesis: Kinesis;

beforeAll(async () => {
  const fresh = freshAccount();
  account = fresh.id;
  kinesis = new Kinesis(fresh.config());
  await kinesis.createStream({ StreamName, ShardCount: 1 });
  await eventually(
    async () =>
      expect((await kinesis.describeStreamSummary({ StreamName })).StreamDescriptionSummary?.StreamStatus).toBe('ACTIVE'),
    { why: 'the stream is active', timeoutMs: 20_000 },
  );
});

type Value = string | Uint8Array | Date;

/** A map without end mark of its length, as Java's generator writes it, of texts, bytes and times. */
function cbor(map: Record<string, Value>): Buffer {
  const head = (major: number, length: number) => Buffer.from([(major << 5) | 25, length >> 8, length & 255]);
  const item = (value: Value): Buffer => {
    if (value instanceof Date) {
      const millis = Buffer.alloc(10, Buffer.from([0xc1, 0x1b]));
      millis.writeBigUInt64BE(BigInt(value.getTime()), 2);
      return millis;
    }
    const bytes = Buffer.from(value);
    return Buffer.concat([head(typeof value === 'string' ? 3 : 2, bytes.length), bytes]);
  };
  const entries = Object.entries(map).flatMap(([key, value]) => [item(key), item(value)]);
  return Buffer.concat([Buffer.from([0xbf]), ...entries, Buffer.from([0xff])]);
}

/** A session that says at once that it speaks HTTP/2, over TLS or without. */
async function open(scheme: 'http' | 'https', ALPNProtocols?: string[]): Promise<ClientHttp2Session> {
  const ca = scheme === 'http' ? '' : await (await fetch(new URL('/_pilvi/ca.pem', gateway))).text();
  const secure = () =>
    connect({ host: gateway.hostname, port: Number(gateway.port), ca, ...(ALPNProtocols ? { ALPNProtocols } : {}) });
  const session = http2.connect(`${scheme}://${gateway.host}`, scheme === 'http' ? {} : { createConnection: secure });
  onTestFinished(() => session.destroy());
  return session;
}

async function send(session: ClientHttp2Session, operation: string, body: Buffer, secretAccessKey = 'test') {
  const signer = new SignatureV4({
    service: 'kinesis',
    region: 'us-east-1',
    credentials: { accessKeyId: account, secretAccessKey },
    sha256: Sha256,
  });
  const { headers } = await signer.sign({
    method: 'POST',
    protocol: 'http:',
    hostname: gateway.hostname,
    path: '/',
    headers: {
      host: gateway.host,
      'content-type': 'application/x-amz-cbor-1.1',
      'x-amz-target': `Kinesis_20131202.${operation}`,
    },
    body,
  });
  const { host, ...sent } = headers;
  const stream = session.request({ ':method': 'POST', ':path': '/', ':authority': host!, ...sent });
  stream.end(body);
  return new Promise<{ status: number; type: string; body: Buffer }>((resolve, reject) => {
    const chunks: Buffer[] = [];
    let [status, type] = [0, ''];
    stream.on('response', (head) => {
      status = head[':status'] ?? 0;
      type = head['content-type'] ?? '';
    });
    stream.on('data', (chunk: Buffer) => chunks.push(chunk));
    stream.on('end', () => resolve({ status, type, body: Buffer.concat(chunks) }));
    stream.on('error', reject);
    session.on('error', reject);
  });
}

const text = (body: Buffer) => body.toString('latin1');

test.each([
  ['http', undefined],
  ['https', undefined],
  ['https', ['h2']],
] as const)('records in CBOR over %s, agreed on %s', async (scheme, agreed) => {
  const session = await open(scheme, agreed === undefined ? undefined : [...agreed]);
  const data = Buffer.from([0xff, 0x00, 0x80]);
  const put = await send(session, 'PutRecord', cbor({ StreamName, PartitionKey: 'k', Data: data }));
  expect(put).toMatchObject({ status: 200, type: 'application/x-amz-cbor-1.1' });
  expect(text(put.body)).toContain('SequenceNumber');
  const at = new Date(Date.now() - 3_600_000);
  const place = { StreamName, ShardId: 'shardId-000000000000', ShardIteratorType: 'AT_TIMESTAMP', Timestamp: at };
  const found = await send(session, 'GetShardIterator', cbor(place));
  expect(found.status).toBe(200);
  // The only text after its name, before the end of the map: a head of two or three bytes, by its length.
  const after = text(found.body).split('ShardIterator')[1] ?? '';
  const iterator = after.slice(after[0] === '\x78' ? 2 : 3, -1);
  const read = await send(session, 'GetRecords', cbor({ ShardIterator: iterator }));
  expect(read.status).toBe(200);
  // The bytes as they are, and a time (tag 1) of whole milliseconds, which take eight bytes.
  expect(read.body.includes(Buffer.concat([Buffer.from('dData'), Buffer.from([0x43]), data]))).toBe(true);
  const mark = Buffer.concat([Buffer.from('ApproximateArrivalTimestamp'), Buffer.from([0xc1, 0x1b])]);
  expect(read.body.includes(mark)).toBe(true);
  const millis = Number(read.body.readBigUInt64BE(read.body.indexOf(mark) + mark.length));
  expect(Math.abs(millis - Date.now())).toBeLessThan(3_600_000);
});

test('an operation without an output answers nothing', async () => {
  const { StreamDescriptionSummary } = await kinesis.describeStreamSummary({ StreamName });
  const body = cbor({ StreamARN: StreamDescriptionSummary?.StreamARN ?? '', EncryptionType: 'KMS', KeyId: 'alias/aws/kinesis' });
  const answer = await send(await open('http'), 'StartStreamEncryption', body);
  expect(answer).toMatchObject({ status: 200, type: 'application/x-amz-cbor-1.1', body: Buffer.alloc(0) });
});

test.each([
  ['a stream that is not there', 'DescribeStreamSummary', cbor({ StreamName: 'nobody' }), 'test', 'ResourceNotFoundException'],
  ['a wrong secret', 'DescribeStreamSummary', cbor({ StreamName }), 'wrong', 'InvalidSignatureException'],
  ['bytes that are no CBOR', 'DescribeStreamSummary', Buffer.from('{"StreamName":"clicks"}'), 'test', 'SerializationException'],
  ['CBOR that ends too early', 'PutRecord', cbor({ StreamName }).subarray(0, 9), 'test', 'SerializationException'],
  ['a time that is text', 'GetShardIterator', cbor({ StreamName, Timestamp: 'now' }), 'test', 'SerializationException'],
])('%s is refused in CBOR, by the bare name', async (_what, operation, body, secret, code) => {
  const answer = await send(await open('http'), operation, body, secret);
  expect(answer).toMatchObject({ status: 400, type: 'application/x-amz-cbor-1.1' });
  expect(text(answer.body)).toMatch(new RegExp(`__type.{1,2}${code}g`, 's'));
});

test('a global service takes the pseudo-Region that its clients sign for at an endpoint of one’s own; others do not', async () => {
  const fresh = freshAccount();
  const config = fresh.config({ region: 'aws-global' });
  const { Account } = await new STS(config).getCallerIdentity({});
  expect(Account).toBe(fresh.id);
  const { User } = await new IAM(config).createUser({ UserName: 'ann' });
  expect(User?.Arn).toBe(`arn:aws:iam::${fresh.id}:user/ann`);
  expect((await new S3({ ...config, forcePathStyle: true }).listBuckets({})).Buckets).toEqual([]);
  await refused(
    new Kinesis(config).listStreams({}),
    'SignatureDoesNotMatch',
    'Credential should be scoped to a valid region. ',
    403,
  );
  await refused(new IAM(fresh.config({ region: 'aws-mars' })).listUsers({}), 'SignatureDoesNotMatch', undefined, 403);
});

test('whoever offers HTTP/1.1 beside HTTP/2 is answered in HTTP/1.1, and no common version ends the handshake', async () => {
  const agree = (ALPNProtocols: string[]) =>
    new Promise<string | false | null>((resolve, reject) => {
      const socket = connect(
        { host: gateway.hostname, port: Number(gateway.port), rejectUnauthorized: false, ALPNProtocols },
        () => {
          resolve(socket.alpnProtocol);
          socket.destroy();
        },
      );
      socket.on('error', reject);
    });
  expect(await agree(['h2', 'http/1.1'])).toBe('http/1.1');
  expect(await agree(['h2'])).toBe('h2');
  await expect(agree(['spdy/3'])).rejects.toThrow(/no application protocol/i);
});
