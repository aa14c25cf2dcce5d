/**
 * Real clients over real sockets, against a server that does nothing but check signatures with this library: what they send is what the gateway
 * will see. The services behind are no part of it, so every answer is the least that the client takes for success.
 */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import { promisify } from 'node:util';
import { DynamoDBClient, ListTablesCommand } from '@aws-sdk/client-dynamodb';
import { DescribeVpcsCommand, EC2Client } from '@aws-sdk/client-ec2';
import { LambdaClient, ListFunctionsCommand } from '@aws-sdk/client-lambda';
import { type ChecksumAlgorithm, GetObjectCommand, HeadObjectCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { GetCallerIdentityCommand, STSClient } from '@aws-sdk/client-sts';
import { getSignedUrl } from '@aws-sdk/s3-request-presigner';
import '@aws-sdk/signature-v4a';
import aws from 'aws-sdk';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { checksumAlgorithms, checksumOf } from '../../src/base/checksum.ts';
import {
  httpHead,
  parseSignature,
  type ServiceFamily,
  SignatureError,
  type SignedRequest,
  signatureErrorFor,
  signedBody,
  verify,
} from '../../src/gateway/signature/signature.ts';

const run = promisify(execFile);
const accessKeyId = 'AKIAIOSFODNN7EXAMPLE';
const secretAccessKey = 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY';

interface Seen {
  method: string;
  target: string;
  signed: SignedRequest | undefined;
  headers: Readonly<Record<string, string>>;
  body: string;
  bytes: number;
  trailers: Record<string, string>;
  refused: string | undefined;
}

let endpoint = '';
let server: http.Server;
let seen: Seen[] = [];

const families: Readonly<Record<string, ServiceFamily>> = {
  s3: 's3',
  sts: 'query',
  ec2: 'ec2',
  dynamodb: 'json',
  lambda: 'rest-json',
  sqs: 'json',
};
const answers: Readonly<Record<string, string>> = {
  sts: '<GetCallerIdentityResponse><GetCallerIdentityResult><Account>1</Account></GetCallerIdentityResult></GetCallerIdentityResponse>',
  ec2: '<DescribeVpcsResponse><vpcSet/></DescribeVpcsResponse>',
  dynamodb: '{"TableNames":[]}',
  lambda: '{"Functions":[]}',
  sqs: '{"QueueUrls":[]}',
  s3: '',
};

/** Checks as the gateway does: what is declared as streaming is read through signedBody. */
async function judge(request: http.IncomingMessage, record: Seen): Promise<void> {
  const head = httpHead(request.method!, request.url!, request.rawHeaders);
  record.headers = head.headers;
  const parsed = parseSignature(head);
  if (parsed.kind === 'none' || parsed.kind === 'legacy') throw new SignatureError('missing-token');
  record.signed = parsed;
  if (parsed.accessKeyId !== accessKeyId) throw new SignatureError('unknown-key', { accessKeyId: parsed.accessKeyId });
  const source = request.iterator({ destroyOnReturn: false }) as AsyncIterable<Uint8Array>;
  const declared = parsed.payloadHash;
  const hash = createHash('sha256');
  const parts: Uint8Array[] = [];
  if (declared === undefined) for await (const part of source) parts.push(part);
  verify(head, parsed, secretAccessKey, {
    realNow: Date.now(),
    payload: declared === undefined ? Buffer.concat(parts) : 'streaming',
  });
  if (declared !== undefined) {
    const { body, trailers } = signedBody(head, parsed, secretAccessKey, source);
    for await (const part of body) parts.push(Uint8Array.from(part));
    record.trailers = await trailers;
  }
  for (const part of parts) {
    hash.update(part);
    record.bytes += part.length;
  }
  record.body = record.bytes < 200 ? Buffer.concat(parts).toString() : hash.digest('hex');
}

function serviceOf(request: http.IncomingMessage): string {
  const text = `${request.headers.authorization ?? ''} ${decodeURIComponent(request.url!)}`;
  return /\/([a-z0-9-]+)\/aws4_request/.exec(text)?.[1] ?? 's3';
}

function answer(response: http.ServerResponse, service: string, refused: SignatureError | undefined): void {
  const json = ['json', 'rest-json'].includes(families[service] ?? '');
  response.setHeader('content-type', json ? 'application/x-amz-json-1.0' : 'text/xml');
  if (refused === undefined) {
    response.setHeader('etag', '"d41d8cd98f00b204e9800998ecf8427e"');
    response.end(answers[service] ?? '');
    return;
  }
  const error = signatureErrorFor(refused, families[service] ?? 's3');
  response.statusCode = error.status;
  if (json) {
    response.setHeader('x-amzn-errortype', error.code);
    response.end(JSON.stringify({ __type: error.code, message: error.message }));
    return;
  }
  const inner = `<Code>${error.code}</Code><Message>${error.message}</Message>`;
  const wrapped = { s3: `<Error>${inner}</Error>`, ec2: `<Response><Errors><Error>${inner}</Error></Errors></Response>` };
  const family = families[service];
  response.end(family === 's3' || family === 'ec2' ? wrapped[family] : `<ErrorResponse><Error>${inner}</Error></ErrorResponse>`);
}

beforeAll(async () => {
  server = http.createServer((request, response) => {
    const record: Seen = {
      method: request.method!,
      target: request.url!,
      signed: undefined,
      headers: {},
      body: '',
      bytes: 0,
      trailers: {},
      refused: undefined,
    };
    seen.push(record);
    judge(request, record).then(
      () => answer(response, serviceOf(request), undefined),
      (error: unknown) => {
        record.refused = error instanceof SignatureError ? error.kind : String(error);
        request.resume();
        answer(response, serviceOf(request), error instanceof SignatureError ? error : new SignatureError('mismatch'));
      },
    );
  });
  server.on('checkContinue', (request, response) => {
    response.writeContinue();
    server.emit('request', request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});

afterAll(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

beforeEach(() => {
  seen = [];
});

const config = (overrides: object = {}) => ({
  endpoint,
  region: 'eu-north-1',
  credentials: { accessKeyId, secretAccessKey },
  maxAttempts: 1,
  forcePathStyle: true,
  ...overrides,
});

/** What every accepted call must look like here. */
function accepted(record: Seen | undefined): Seen {
  expect(record?.refused).toBeUndefined();
  return record!;
}

const keys = ['plain', 'with space', 'a+b&c=d?e#f', "dir/./../x//y/(z)'*!~", '%41%2F', 'ü€𝄞/日本', 'trailing/', '.', '-_.~'];

describe('the JavaScript SDK', () => {
  test.each(keys)('signs the key %j', async (Key) => {
    await new S3Client(config()).send(
      new PutObjectCommand({ Bucket: 'b', Key, Body: 'hello', Metadata: { note: '  two   spaces ' } }),
    );
    expect(accepted(seen[0]).body).toBe('hello');
  });

  test.each(checksumAlgorithms)('streams with %s in a trailer', async (algorithm) => {
    const data = Buffer.alloc(300_000, 'stream');
    const Body = Readable.from([data.subarray(0, 65_536), data.subarray(65_536, 200_000), data.subarray(200_000)]);
    const command = new PutObjectCommand({
      Bucket: 'b',
      Key: 'k',
      Body,
      ContentLength: data.length,
      ChecksumAlgorithm: algorithm as ChecksumAlgorithm,
    });
    await new S3Client(config()).send(command);
    const record = accepted(seen[0]);
    expect(record.signed?.payloadHash).toBe('STREAMING-UNSIGNED-PAYLOAD-TRAILER');
    expect(record.body).toBe(createHash('sha256').update(data).digest('hex'));
    expect(record.trailers).toEqual({ [`x-amz-checksum-${algorithm.toLowerCase()}`]: checksumOf(algorithm, data) });
  });

  test('is told when its stream comes in small pieces, as S3 tells it', async () => {
    const Body = Readable.from([Buffer.alloc(100), Buffer.alloc(100)]);
    const upload = new S3Client(config()).send(new PutObjectCommand({ Bucket: 'b', Key: 'k', Body, ContentLength: 200 }));
    await expect(upload).rejects.toMatchObject({
      name: 'InvalidChunkSizeError',
      message: expect.stringContaining('Only the last chunk is allowed to have a size less than 8192 bytes'),
    });
  });

  test('signs for all regions at once (SigV4A) where a multi-region access point is meant', async () => {
    const client = new S3Client({ region: 'eu-north-1', credentials: { accessKeyId, secretAccessKey }, maxAttempts: 1 });
    // Only the connection leads here; the name of the access point stays in the Host header. After signing, which is the step before.
    const { hostname, port } = new URL(endpoint);
    client.middlewareStack.add(
      (next) => (call) => {
        Object.assign(call.request as object, { protocol: 'http:', hostname, port: Number(port) });
        return next(call);
      },
      { step: 'deserialize', priority: 'low' },
    );
    const Bucket = 'arn:aws:s3::123456789012:accesspoint:mfzwi23gnjvgw.mrap';
    await client.send(new PutObjectCommand({ Bucket, Key: 'a key', Body: 'hello' }));
    const { signed, body, headers } = accepted(seen[0]);
    expect([signed?.algorithm, signed?.regions, body]).toEqual(['AWS4-ECDSA-P256-SHA256', ['*'], 'hello']);
    expect(headers['host']).toBe('mfzwi23gnjvgw.mrap.accesspoint.s3-global.amazonaws.com');
  });

  test.each(keys)('presigns the key %j', async (Key) => {
    const client = new S3Client(config());
    const put = await getSignedUrl(client, new PutObjectCommand({ Bucket: 'b', Key, ContentType: 'text/plain' }), {
      expiresIn: 60,
    });
    await sendRaw('PUT', put, 'uploaded');
    const get = await getSignedUrl(
      client,
      new GetObjectCommand({ Bucket: 'b', Key, ResponseContentDisposition: 'attachment; filename="a b"' }),
    );
    await sendRaw('GET', get);
    expect(accepted(seen[0]).body).toBe('uploaded');
    expect(accepted(seen[1]).signed?.expires).toBe(900);
  });

  test('signs for every protocol, with a session token', async () => {
    const session = config({ credentials: { accessKeyId, secretAccessKey, sessionToken: 'FwoGZXIvYXdzE/+==' } });
    await new STSClient(session).send(new GetCallerIdentityCommand({}));
    await new EC2Client(session).send(new DescribeVpcsCommand({ Filters: [{ Name: 'tag:a b', Values: ['c&d', '*'] }] }));
    await new DynamoDBClient(session).send(new ListTablesCommand({}));
    await new LambdaClient(session).send(new ListFunctionsCommand({ Marker: 'a b/c' }));
    for (const record of seen) expect(accepted(record).signed?.sessionToken).toBe('FwoGZXIvYXdzE/+==');
    expect(seen.map((record) => record.signed?.service)).toEqual(['sts', 'ec2', 'dynamodb', 'lambda']);
  });

  const wrong = () => config({ credentials: { accessKeyId, secretAccessKey: 'wrong' } });
  const early = () => config({ systemClockOffset: -60 * 60_000 });
  const unknown = () => config({ credentials: { accessKeyId: 'AKIAUNKNOWN', secretAccessKey } });

  test.each<[string, () => object, [string, string, string, string, string]]>([
    [
      'a wrong secret',
      wrong,
      ['SignatureDoesNotMatch', 'AuthFailure', 'InvalidSignatureException', 'InvalidSignatureException', 'SignatureDoesNotMatch'],
    ],
    [
      'a clock an hour late',
      early,
      [
        'SignatureDoesNotMatch',
        'RequestExpired',
        'InvalidSignatureException',
        'InvalidSignatureException',
        'RequestTimeTooSkewed',
      ],
    ],
    [
      'an unknown key',
      unknown,
      ['InvalidClientTokenId', 'AuthFailure', 'UnrecognizedClientException', 'UnrecognizedClientException', 'InvalidAccessKeyId'],
    ],
  ])('hears of %s in the words of each service', async (_name, settings, expected) => {
    const calls = [
      new STSClient(settings()).send(new GetCallerIdentityCommand({})),
      new EC2Client(settings()).send(new DescribeVpcsCommand({})),
      new DynamoDBClient(settings()).send(new ListTablesCommand({})),
      new LambdaClient(settings()).send(new ListFunctionsCommand({})),
      new S3Client(settings()).send(new PutObjectCommand({ Bucket: 'b', Key: 'k', Body: 'x' })),
    ];
    const names = (await Promise.allSettled(calls)).map((outcome) =>
      outcome.status === 'rejected' ? (outcome.reason as Error).name : 'accepted',
    );
    expect(names).toEqual(expected);
  });

  test('sends a HEAD with a range of odd headers', async () => {
    const command = new HeadObjectCommand({
      Bucket: 'b',
      Key: 'k',
      IfModifiedSince: new Date(0),
      Range: 'bytes=0-1',
      PartNumber: 1,
    });
    await new S3Client(config()).send(command);
    accepted(seen[0]);
  });
});

/** Sends the URL exactly as it is: fetch would tidy up dots in the path. */
function sendRaw(method: string, url: string, body?: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const [, host = '', target = ''] = /^http:\/\/([^/]+)(.*)$/.exec(url)!;
    const [hostname, port] = host.split(':');
    const request = http.request(
      { hostname, port, path: target, method, headers: method === 'PUT' ? { 'content-type': 'text/plain' } : {} },
      (response) => {
        response.resume().on('end', () => resolve());
      },
    );
    request.on('error', reject).end(body);
  });
}

test('the older JavaScript SDK signs and presigns', async () => {
  const s3 = new aws.S3({
    endpoint,
    region: 'eu-north-1',
    accessKeyId,
    secretAccessKey,
    s3ForcePathStyle: true,
    signatureVersion: 'v4',
    maxRetries: 0,
  });
  for (const Key of keys) {
    if (Key === '.' || Key.includes('..')) continue; // Its URL class removes dots before it signs, so the key is another one.
    await s3.putObject({ Bucket: 'b', Key, Body: 'hello' }).promise();
    await sendRaw('GET', s3.getSignedUrl('getObject', { Bucket: 'b', Key, Expires: 60 }));
  }
  for (const record of seen) accepted(record);
  expect(seen).toHaveLength(14);
});

const environment = (): NodeJS.ProcessEnv => ({
  PATH: process.env['PATH'],
  HOME: '/nonexistent',
  AWS_ACCESS_KEY_ID: accessKeyId,
  AWS_SECRET_ACCESS_KEY: secretAccessKey,
  AWS_DEFAULT_REGION: 'eu-north-1',
  AWS_ENDPOINT_URL: endpoint,
  AWS_EC2_METADATA_DISABLED: 'true',
  AWS_MAX_ATTEMPTS: '1',
  AWS_PAGER: '',
});

const python = `
import boto3, io, json, sys
from botocore.config import Config
keys = json.loads(sys.argv[1])
path = Config(s3={'addressing_style': 'path'}, signature_version='s3v4')
s3 = boto3.client('s3', config=path)
for key in keys:
    s3.put_object(Bucket='b', Key=key, Body=b'hello', Metadata={'note': 'two  spaces'})
s3.put_object(Bucket='b', Key='k', Body=io.BytesIO(b'x' * 3000000))
unsigned = boto3.client('s3', config=path.merge(Config(s3={'addressing_style': 'path', 'payload_signing_enabled': False})))
unsigned.put_object(Bucket='b', Key='k', Body=io.BytesIO(b'x' * 100000))
boto3.client('sts').get_caller_identity()
boto3.client('ec2').describe_vpcs(Filters=[{'Name': 'tag:a b', 'Values': ['c&d']}])
boto3.client('dynamodb').list_tables()
boto3.client('lambda').list_functions(Marker='a b/c')
boto3.client('sqs').list_queues()
print(json.dumps([s3.generate_presigned_url('get_object', Params={'Bucket': 'b', 'Key': key}) for key in keys] + [
    boto3.client('sts').generate_presigned_url('get_caller_identity', HttpMethod='GET')]))
`;

test('boto3 signs and presigns', async (context) => {
  const found = await run('python3', ['-c', 'import boto3']).catch((error: Error) => error);
  context.skip(found instanceof Error, 'python3 with boto3 is not on this machine');
  const { stdout } = await run('python3', ['-c', python, JSON.stringify(keys)], { env: environment() });
  for (const url of JSON.parse(stdout) as string[]) await sendRaw('GET', url);
  for (const record of seen) accepted(record);
  expect(seen).toHaveLength(keys.length * 2 + 8);
  expect(new Set(seen.map((record) => record.signed?.service))).toEqual(
    new Set(['s3', 'sts', 'ec2', 'dynamodb', 'lambda', 'sqs']),
  );
});

test('the aws command line signs and presigns', async (context) => {
  const found = await run('aws', ['--version']).catch((error: Error) => error);
  context.skip(found instanceof Error, 'the aws command line is not on this machine');
  await run('aws', ['sts', 'get-caller-identity'], { env: environment() });
  await run('aws', ['s3', 'cp', '/etc/hostname', 's3://b/a key+plus'], { env: environment() });
  const { stdout } = await run('aws', ['s3', 'presign', 's3://b/a key+plus', '--expires-in', '60'], { env: environment() });
  await sendRaw('GET', stdout.trim());
  for (const record of seen) accepted(record);
  expect(seen).toHaveLength(3);
});

test('curl signs', async (context) => {
  const help = await run('curl', ['--help', 'auth']).catch((error: Error) => error);
  context.skip(help instanceof Error || !help.stdout.includes('--aws-sigv4'), 'there is no curl here that can sign');
  const parameters = ['-s', '--user', `${accessKeyId}:${secretAccessKey}`, '--aws-sigv4', 'aws:amz:eu-north-1:sts'];
  await run('curl', [...parameters, '-d', 'Action=GetCallerIdentity&Version=2011-06-15', `${endpoint}/`]);
  await run('curl', [...parameters, `${endpoint}/?Action=GetCallerIdentity&Version=2011-06-15`]);
  for (const record of seen) accepted(record);
  expect(seen).toHaveLength(2);
});
