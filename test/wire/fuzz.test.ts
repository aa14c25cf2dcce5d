/**
 * Bad input. Whatever bytes come, the parsers answer with an input or a ParseError, and soon: nothing else may be thrown, nothing may hang, and no
 * prototype may change. Requests are made by hand-picked seeds that fast-check mutates, and out of nothing.
 */
import fc from 'fast-check';
import { afterEach, describe, expect, test } from 'vitest';
import { CborWriter } from '../../src/base/cbor.ts';
import type { OperationModel } from '../../src/model/service-model.ts';
import { ParseError, type Protocol, type WireRequest } from '../../src/model/types.ts';
import { identify, loadIndex, loadModel, parseInput } from '../../src/model/wire.ts';

/** Milliseconds that one request may take; the machine may be busy, so the bound is wide against the microseconds it needs. */
const requestMillisMax = 1000;
const parameters = { seed: 20260101, numRuns: 400 } as const;

const prototypeBefore = Object.getOwnPropertyNames(Object.prototype).sort();

afterEach(() => {
  expect(Object.getOwnPropertyNames(Object.prototype).sort()).toEqual(prototypeBefore);
});

/** Runs a parser; anything but a result or a ParseError is a failure, and so is taking long. */
function tolerates(run: () => unknown): void {
  const start = performance.now();
  try {
    run();
  } catch (cause) {
    if (!(cause instanceof ParseError)) throw cause;
  }
  expect(performance.now() - start).toBeLessThan(requestMillisMax);
}

/** Bytes near the given ones: some overwritten, cut out, doubled, or the end cut off. */
function mutated(seed: Uint8Array): fc.Arbitrary<Uint8Array> {
  const change = fc.record({
    at: fc.nat(),
    kind: fc.constantFrom('set', 'insert', 'cut', 'double', 'end'),
    byte: fc.nat(255),
    length: fc.nat(12),
  });
  return fc.array(change, { minLength: 1, maxLength: 8 }).map((changes) => {
    let bytes = Buffer.from(seed);
    for (const { at, kind, byte, length } of changes) {
      const place = bytes.length === 0 ? 0 : at % bytes.length;
      const head = bytes.subarray(0, place);
      if (kind === 'set' && bytes.length > 0) bytes[place] = byte;
      else if (kind === 'insert') bytes = Buffer.concat([head, Buffer.of(byte), bytes.subarray(place)]);
      else if (kind === 'cut') bytes = Buffer.concat([head, bytes.subarray(place + length)]);
      else if (kind === 'double') bytes = Buffer.concat([bytes.subarray(0, place + length), bytes.subarray(place)]);
      else if (kind === 'end') bytes = Buffer.from(head);
    }
    return bytes;
  });
}

function bodyOf(seeds: readonly (string | Uint8Array)[]): fc.Arbitrary<Uint8Array> {
  return fc.oneof(fc.uint8Array({ maxLength: 200 }), ...seeds.map((seed) => mutated(Buffer.from(seed))));
}

function request(given: Partial<WireRequest>): WireRequest {
  return { method: 'POST', path: '/', query: [], headers: {}, body: new Uint8Array(), ...given };
}

async function operationOf(service: string, name: string): Promise<OperationModel> {
  return (await loadModel(service)).operation(name)!;
}

function cborSeed(): Uint8Array {
  const writer = new CborWriter();
  writer.startMap();
  writer.text('Namespace');
  writer.text('n');
  writer.text('MetricData');
  writer.array(1);
  writer.startMap();
  writer.text('MetricName');
  writer.text('m');
  writer.text('Timestamp');
  writer.date(new Date(1_600_000_000_000));
  writer.text('Values');
  writer.array(2);
  writer.double(1.5);
  writer.number(70_000);
  writer.endMap();
  writer.endMap();
  return writer.bytes();
}

const item = '{"TableName":"t","Item":{"a":{"L":[{"S":"x"},{"M":{"__proto__":{"N":"1"}}},{"B":"AAE="},{"NS":["1"]}]}}}';
const rules =
  '<LifecycleConfiguration xmlns="x"><Rule><ID>a</ID><Status>Enabled</Status><Filter><Tag><Key>k</Key><Value>&lt;</Value></Tag></Filter><Expiration><Date>2026-01-01T00:00:00Z</Date></Expiration></Rule></LifecycleConfiguration>';
const grants =
  '<AccessControlPolicy><AccessControlList><Grant><Grantee xmlns:xsi="y" xsi:type="Group"><URI>u</URI></Grantee><Permission>READ</Permission></Grant></AccessControlList></AccessControlPolicy>';
const instances =
  'Action=RunInstances&MinCount=1&MaxCount=1&BlockDeviceMapping.1.Ebs.VolumeSize=8&NetworkInterface.1.PrivateIpAddresses.2.Primary=true&TagSpecification.1.Tag.1.Key=__proto__&UserData=%2B%zz';

const bodies: readonly [Protocol, string, string, string, readonly (string | Uint8Array)[]][] = [
  ['awsJson1_0', 'dynamodb', 'PutItem', '/', [item, `${'['.repeat(500)}`, '{"__proto__":{"x":1}}']],
  ['awsJson1_1', 'kinesis', 'PutRecords', '/', ['{"StreamName":"s","Records":[{"Data":"AAE=","PartitionKey":"p"}]}']],
  [
    'restJson1',
    'eks',
    'CreateCluster',
    '/clusters',
    ['{"name":"n","roleArn":"a","resourcesVpcConfig":{"subnetIds":["s"]},"tags":{"a":"b"}}'],
  ],
  ['restJson1', 'api-gateway', 'PutRestApi', '/restapis/x', ['{}', '\u0000\u0001']],
  [
    'restXml',
    's3',
    'PutBucketLifecycleConfiguration',
    '/b',
    [rules, '<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', '<a>'.repeat(100)],
  ],
  ['restXml', 's3', 'PutBucketAcl', '/b', [grants]],
  [
    'restXml',
    'route-53',
    'ChangeResourceRecordSets',
    '/2013-04-01/hostedzone/Z/rrset',
    [
      '<ChangeResourceRecordSetsRequest><ChangeBatch><Changes><Change><Action>CREATE</Action></Change></Changes></ChangeBatch></ChangeResourceRecordSetsRequest>',
    ],
  ],
  [
    'awsQuery',
    'iam',
    'CreateRole',
    '/',
    ['RoleName=r&AssumeRolePolicyDocument=%7B%7D&Tags.member.1.Key=k&Tags.member.1.Value=v&MaxSessionDuration=3600'],
  ],
  [
    'awsQuery',
    'sqs',
    'SendMessage',
    '/',
    ['QueueUrl=q&MessageBody=b&MessageAttribute.1.Name=__proto__&MessageAttribute.1.Value.DataType=String&DelaySeconds=1'],
  ],
  ['ec2Query', 'ec2', 'RunInstances', '/', [instances]],
  ['rpcv2Cbor', 'cloudwatch', 'PutMetricData', '/', [cborSeed()]],
];

describe('bodies', () => {
  test.each(bodies)('%s %s:%s', async (protocol, service, name, path, seeds) => {
    const operation = await operationOf(service, name);
    fc.assert(
      fc.property(bodyOf(seeds), (body) => tolerates(() => parseInput(protocol, operation, request({ path, body })))),
      parameters,
    );
  });

  test('any JSON value whatever', async () => {
    const operation = await operationOf('dynamodb', 'PutItem');
    fc.assert(
      fc.property(fc.json({ maxDepth: 6 }), (text) =>
        tolerates(() => parseInput('awsJson1_0', operation, request({ body: Buffer.from(text) }))),
      ),
      parameters,
    );
  });
});

describe('heads', () => {
  const text = fc.oneof(
    fc.string({ maxLength: 40 }),
    fc.constantFrom('1', 'true', '%', '%zz', '%00', '..', '__proto__', '2026-01-01', 'a,"b\\",c'),
  );
  const path = fc.oneof(
    fc.array(text, { maxLength: 8 }).map((parts) => `/${parts.join('/')}`),
    mutated(Buffer.from('/2013-04-01/hostedzone/Z1/rrset')).map((bytes) => `/${Buffer.from(bytes).toString('latin1')}`),
    mutated(Buffer.from('/2015-03-31/functions/f/aliases')).map((bytes) => Buffer.from(bytes).toString('latin1')),
  );
  const pairs = fc.array(
    fc.tuple(
      fc.oneof(text, fc.constantFrom('Action', 'Version', 'X-Amz-Credential', 'list-type', 'uploadId', 'max-keys', 'x-id')),
      text,
    ),
    { maxLength: 6 },
  );
  const headerNames = fc.constantFrom(
    'authorization',
    'x-amz-target',
    'content-type',
    'smithy-protocol',
    'x-amz-meta-a',
    'x-amz-copy-source',
    'if-modified-since',
    'x-amz-object-attributes',
  );
  const scope = fc.constantFrom(
    's3',
    'lambda',
    'route53',
    'iam',
    'ec2',
    'dynamodb',
    'execute-api',
    'apigateway',
    'nobody',
    '__proto__',
  );
  const headerValue = fc.oneof(
    text,
    scope.map((name) => `AWS4-HMAC-SHA256 Credential=A/20260101/us-east-1/${name}/aws4_request`),
    fc.constantFrom(
      'application/x-www-form-urlencoded',
      'rpc-v2-cbor',
      'DynamoDB_20120810.PutItem',
      'application/x-amz-json-1.0',
    ),
  );
  const head = fc.record({
    method: fc.constantFrom('GET', 'PUT', 'POST', 'DELETE', 'HEAD', 'PATCH', 'BREW'),
    path,
    query: pairs,
    headers: fc.dictionary(headerNames, headerValue, { maxKeys: 5 }),
    body: fc.oneof(fc.uint8Array({ maxLength: 50 }), mutated(Buffer.from('Action=GetUser&Version=2010-05-08'))),
  });
  const hosts = fc.oneof(
    text,
    fc.constantFrom('localhost:4566', 'b.s3.localhost', 'sts.us-east-1.amazonaws.com', '.localhost', '[::1]:1', '1.2.3.4'),
  );

  test('a request of any form is identified and read, or refused', async () => {
    const index = await loadIndex();
    await fc.assert(
      fc.asyncProperty(head, hosts, async (given, host) => {
        const whole = request(given as Partial<WireRequest>);
        const start = performance.now();
        try {
          const found = await identify(index, { request: whole, host });
          if (found !== undefined && !('unknownOperation' in found)) parseInput(found.protocol, found.operation, whole);
        } catch (cause) {
          if (!(cause instanceof ParseError)) throw cause;
        }
        expect(performance.now() - start).toBeLessThan(requestMillisMax);
      }),
      { ...parameters, numRuns: 3000 },
    );
  });

  test('headers and queries of an operation that has every kind of them', async () => {
    const operations = await Promise.all([
      operationOf('s3', 'GetObject'),
      operationOf('s3', 'GetObjectAttributes'),
      operationOf('s3', 'PutObject'),
    ]);
    const names = operations[2].input.members.flatMap(({ traits }) =>
      traits.header === undefined ? [] : [traits.header.toLowerCase()],
    );
    fc.assert(
      fc.property(
        fc.dictionary(fc.constantFrom(...names, 'x-amz-object-attributes', 'range', 'if-modified-since'), text),
        pairs,
        path,
        (headers, query, given) => {
          for (const operation of operations)
            tolerates(() => parseInput('restXml', operation, request({ path: given, headers, query })));
        },
      ),
      { ...parameters, numRuns: 1000 },
    );
  });
});

describe('large input takes time in proportion', () => {
  const large: readonly [string, Protocol, string, string, () => string | Uint8Array][] = [
    ['a million open JSON lists', 'awsJson1_0', 'dynamodb', 'PutItem', () => '['.repeat(1_000_000)],
    ['a million open XML elements', 'restXml', 's3', 'PutBucketTagging', () => '<a>'.repeat(1_000_000)],
    ['a million comments', 'restXml', 's3', 'PutBucketTagging', () => '<!---->'.repeat(1_000_000)],
    ['a million ampersands', 'restXml', 's3', 'PutBucketTagging', () => `<Tagging>${'&'.repeat(1_000_000)}</Tagging>`],
    ['a million parameters', 'ec2Query', 'ec2', 'DescribeVpcs', () => 'a=&'.repeat(1_000_000)],
    ['a name of a million parts', 'ec2Query', 'ec2', 'DescribeVpcs', () => 'a.'.repeat(1_000_000)],
    ['a million open CBOR lists', 'rpcv2Cbor', 'cloudwatch', 'PutMetricData', () => new Uint8Array(1_000_000).fill(0x9f)],
    [
      'a CBOR list that claims to be huge',
      'rpcv2Cbor',
      'cloudwatch',
      'PutMetricData',
      () => Buffer.from('9b00ffffffffffffff', 'hex'),
    ],
    [
      'a million characters that are no base64',
      'awsJson1_1',
      'kinesis',
      'PutRecord',
      () => `{"Data":"${'='.repeat(1_000_000)}"}`,
    ],
    ['a number of a million digits', 'awsQuery', 'iam', 'CreateRole', () => `MaxSessionDuration=${'1'.repeat(1_000_000)}`],
    ['a number of a million blanks', 'awsQuery', 'iam', 'CreateRole', () => `MaxSessionDuration=1${'+'.repeat(1_000_000)}1`],
  ];

  test.each(large)('%s', async (_name, protocol, service, name, body) => {
    const operation = await operationOf(service, name);
    const whole = request({ path: '/b', body: Buffer.from(body()) });
    const start = performance.now();
    expect(() => parseInput(protocol, operation, whole)).toThrow(ParseError);
    expect(performance.now() - start).toBeLessThan(5 * requestMillisMax);
  });

  test('a million entities', async () => {
    const operation = await operationOf('s3', 'PutBucketTagging');
    const body = Buffer.from(`<Tagging><TagSet><Tag><Key>${'&amp;'.repeat(1_000_000)}</Key><Value/></Tag></TagSet></Tagging>`);
    tolerates(() => parseInput('restXml', operation, request({ path: '/b', body })));
  });

  test('a header of many quotes and backslashes', async () => {
    const operation = await operationOf('s3', 'GetObjectAttributes');
    for (const piece of ['"', '\\"', '",', '"\\",', ' ', ',', '", ']) {
      const headers = { 'x-amz-object-attributes': piece.repeat(100_000) };
      tolerates(() => parseInput('restXml', operation, request({ method: 'GET', path: '/b/k', headers })));
    }
  });

  test('a path of many parts', async () => {
    const index = await loadIndex();
    for (const signed of ['lambda', 's3', 'execute-api', 'route53']) {
      const authorization = `AWS4-HMAC-SHA256 Credential=A/20260101/us-east-1/${signed}/aws4_request`;
      const start = performance.now();
      await identify(index, {
        request: request({ method: 'GET', path: '/x'.repeat(8000), headers: { authorization } }),
        host: 'localhost',
      });
      expect(performance.now() - start).toBeLessThan(requestMillisMax);
    }
  });
});
