/** What comes in broken is refused in the words of the service that it was meant for, quickly, and the cloud goes on. */
import { afterAll, describe, expect, inject, test } from 'vitest';
import { freshAccount } from '../support/cloud.ts';
import { type Answer, type RawRequest, sendBytes, sendSigned, statusOf } from '../support/raw.ts';

const endpoint = inject('endpoint');
const account = freshAccount().id;
const form = { 'content-type': 'application/x-www-form-urlencoded' };
const target = (name: string) => ({ 'content-type': 'application/x-amz-json-1.0', 'x-amz-target': name });
const cbor = { 'smithy-protocol': 'rpc-v2-cbor', 'content-type': 'application/cbor' };
const listMetrics = '/service/GraniteServiceVersion20100801/operation/ListMetrics';
const whoAmI = 'Action=GetCallerIdentity&Version=2011-06-15';
const chunked = {
  'x-amz-content-sha256': 'STREAMING-UNSIGNED-PAYLOAD-TRAILER',
  'content-encoding': 'aws-chunked',
  'x-amz-decoded-content-length': '10',
  'x-amz-trailer': 'x-amz-checksum-crc32',
};

const send = (request: Omit<RawRequest, 'account'>): Promise<Answer> => sendSigned({ account, ...request });

/** The code on the wire, whichever protocol it is in. */
function codeOf({ headers, body }: Answer): string {
  const named =
    headers['x-amzn-errortype'] ?? /<Code>(\w+)<\/Code>/.exec(body)?.[1] ?? /"__type":"(?:[\w.]+#)?(\w+)"/.exec(body)?.[1];
  return String(named ?? /([A-Z]\w+Exception)gmessage/.exec(body)?.[1]);
}

afterAll(async () => {
  const alive = await send({ service: 'sts', headers: form, body: whoAmI });
  expect(alive).toMatchObject({ status: 200 });
});

describe('an operation that the service does not have', () => {
  test.each<[string, Omit<RawRequest, 'account'>, number, string]>([
    ['awsQuery', { service: 'sts', headers: form, body: 'Action=Nope&Version=2011-06-15' }, 400, 'InvalidAction'],
    ['awsQuery, no Action', { service: 'sts', headers: form, body: 'Version=2011-06-15' }, 400, 'MissingAction'],
    ['ec2Query', { service: 'ec2', headers: form, body: 'Action=Nope&Version=2016-11-15' }, 400, 'InvalidAction'],
    ['awsJson', { service: 'dynamodb', headers: target('DynamoDB_20120810.Nope'), body: '{}' }, 400, 'UnknownOperationException'],
    [
      'awsJson, other target',
      { service: 'dynamodb', headers: target('Nope.Nope'), body: '{}' },
      400,
      'UnknownOperationException',
    ],
    ['restJson1', { service: 'lambda', method: 'GET', path: '/nope' }, 404, 'UnknownOperationException'],
    ['restXml', { service: 'cloudfront', method: 'GET', path: '/nope' }, 404, 'UnknownOperationException'],
    [
      'rpcv2Cbor',
      { service: 'monitoring', path: listMetrics.replace('ListMetrics', 'Nope'), headers: cbor },
      400,
      'UnknownOperationException',
    ],
    ['of a service that nobody knows', { service: 'nope', headers: form, body: 'Action=Nope' }, 400, 'InvalidAction'],
    [
      'that is called like a member of every object',
      { service: 'sts', headers: form, body: 'Action=constructor&Version=__proto__' },
      400,
      'InvalidAction',
    ],
    [
      'of a prototype',
      { service: 'dynamodb', headers: target('__proto__.constructor'), body: '{}' },
      400,
      'UnknownOperationException',
    ],
  ])('is refused in %s', async (_protocol, request, status, code) => {
    const answer = await send(request);
    expect(answer.status).toBe(status);
    expect(codeOf(answer)).toBe(code);
  });
});

describe('a body that cannot be read', () => {
  const listTables = { service: 'dynamodb', headers: target('DynamoDB_20120810.ListTables') };
  const putItem = { service: 'dynamodb', headers: target('DynamoDB_20120810.PutItem') };
  const functions = { service: 'lambda', path: '/2015-03-31/functions', headers: { 'content-type': 'application/json' } };
  const acl = { service: 's3', method: 'PUT', path: '/bucket', query: { acl: '' } };
  const metrics = { service: 'monitoring', path: listMetrics, headers: cbor };
  const entities = '<!DOCTYPE a [<!ENTITY b "cc"><!ENTITY c "&b;&b;">]><Tagging>&c;</Tagging>';
  const deepItem = `{"TableName":"t","Item":{"a":${'{"L":['.repeat(20_000)}${']}'.repeat(20_000)}}}`;

  test.each<[string, Omit<RawRequest, 'account'>, string]>([
    ['JSON that ends early', { ...listTables, body: '{"a":' }, 'SerializationException'],
    ['JSON of a wrong type', { ...listTables, body: '{"Limit":"x"}' }, 'SerializationException'],
    ['a JSON list', { ...listTables, body: '[]' }, 'SerializationException'],
    ['JSON that is no text', { ...listTables, body: Buffer.from([0x7b, 0xff, 0xfe, 0x7d]) }, 'SerializationException'],
    ['unended JSON, 100,000 deep', { ...putItem, body: '{"a":'.repeat(100_000) }, 'SerializationException'],
    ['an attribute value 20,000 deep', { ...putItem, body: deepItem }, 'SerializationException'],
    ['restJson1 that ends early', { ...functions, body: '{"FunctionName":' }, 'SerializationException'],
    ['restJson1 of a wrong type', { ...functions, body: '{"FunctionName":5}' }, 'SerializationException'],
    ['XML that ends early', { ...acl, body: '<Tagging><TagSet>' }, 'MalformedXML'],
    ['XML that declares entities', { ...acl, body: entities }, 'MalformedXML'],
    ['XML 100,000 deep', { ...acl, body: '<a>'.repeat(100_000) }, 'MalformedXML'],
    ['XML with crossed tags', { service: 'route53', path: '/2013-04-01/hostedzone', body: '<a></b>' }, 'MalformedInput'],
    ['CBOR with something behind', { ...metrics, body: Buffer.from([0xbf, 0xff, 0xff]) }, 'SerializationException'],
    [
      'CBOR with a huge length',
      { ...metrics, body: Buffer.from([0xbb, ...Array<number>(8).fill(0x7f)]) },
      'SerializationException',
    ],
    ['CBOR 200,000 deep', { ...metrics, body: Buffer.alloc(200_000, 0x81) }, 'SerializationException'],
    [
      'a chunk that ends early',
      { service: 's3', method: 'PUT', path: '/b/k', headers: chunked, body: 'a\r\nabc' },
      'IncompleteBody',
    ],
    [
      'a chunk of no length',
      { service: 's3', method: 'PUT', path: '/b/k', headers: chunked, body: 'zz\r\nabc\r\n' },
      'IncompleteBody',
    ],
  ])('%s is refused', async (_what, request, code) => {
    const answer = await send(request);
    expect(answer.status).toBe(400);
    expect(codeOf(answer)).toBe(code);
  });
});

describe('parameters of a form', () => {
  const instances = 'Action=DescribeInstances&Version=2016-11-15';
  const tagUser = 'Action=TagUser&Version=2010-05-08&UserName=a';
  const many = (pair: (index: number) => string) => Array.from({ length: 10_000 }, (_, index) => `&${pair(index)}`).join('');

  test.each([
    [
      'a number that is none',
      'ec2',
      `${instances}&MaxResults=abc`,
      'InvalidParameterValue',
      "Invalid value 'abc' for MaxResults. Expected: 'Integer'",
    ],
    [
      'a boolean that is none',
      'ec2',
      `${instances}&DryRun=perhaps`,
      'InvalidParameterValue',
      "Invalid value 'perhaps' for DryRun. Expected: 'Boolean'",
    ],
    [
      '10,000 that nobody knows',
      'ec2',
      `${instances}${many((index) => `Foo${index}=1`)}`,
      'UnknownParameter',
      'The parameter Foo0 is not recognized',
    ],
    [
      '10,000 ids',
      'ec2',
      `${instances}${many((index) => `InstanceId.${index + 1}=i-0123456789abcdef0`)}`,
      'InvalidInstanceID.NotFound',
      undefined,
    ],
    ['a name of 50,000 parts', 'ec2', `${instances}&Filter${'.1'.repeat(50_000)}=1`, 'RequestLimitExceeded', undefined],
    ['a huge index', 'iam', `${tagUser}&Tags.member.99999999999.Key=a`, 'MalformedInput', undefined],
    [
      'a prototype',
      'iam',
      `${tagUser}&Tags.__proto__.Key=a&__proto__.x=1&constructor.prototype.y=2`,
      'MalformedInput',
      undefined,
    ],
    ['a number that is none, in IAM', 'iam', 'Action=ListUsers&Version=2010-05-08&MaxItems=abc', 'MalformedInput', undefined],
  ])('%s: refused', async (_what, service, body, code, message) => {
    const answer = await send({ service, headers: form, body });
    expect(answer.status).toBe(400);
    expect(/<Code>([\w.]+)<\/Code>/.exec(answer.body)?.[1]).toBe(code);
    if (message !== undefined) expect(answer.body).toContain(message);
  });

  test('a query string with broken escapes', async () => {
    const answer = await send({ service: 'sts', headers: form, body: 'Action=%zz&%=%&==&&' });
    expect(answer.status).toBe(400);
    expect(codeOf(answer)).toBe('MalformedQueryString');
  });

  test('members called like those of every object change nothing', async () => {
    const body = '{"__proto__":{"Limit":"x"},"constructor":{"prototype":{"polluted":1}}}';
    expect(await send({ service: 'dynamodb', headers: target('DynamoDB_20120810.ListTables'), body })).toMatchObject({
      status: 200,
    });
    expect(await send({ service: 'sts', headers: form, body: whoAmI })).toMatchObject({ status: 200 });
  });
});

describe('a Region', () => {
  test('INFRA-002 that does not exist is refused', async () => {
    const answer = await send({ service: 'sts', region: 'mars-1', headers: form, body: whoAmI });
    expect(answer.status).toBe(403);
    expect(answer.body).toContain(
      '<Code>SignatureDoesNotMatch</Code><Message>Credential should be scoped to a valid region. </Message>',
    );
  });
});

describe('a request without a signature', () => {
  const unsigned = async (headers: string, body: string, line = 'POST / HTTP/1.1') =>
    sendBytes(`${line}\r\nConnection: close\r\n${headers}Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`);
  const formHeader = 'Host: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\n';

  test.each([
    ['sts', formHeader, whoAmI, 'POST / HTTP/1.1', 403, 'MissingAuthenticationToken'],
    ['ec2', formHeader, 'Action=DescribeVpcs&Version=2016-11-15', 'POST / HTTP/1.1', 400, 'MissingParameter'],
    [
      'dynamodb',
      'Host: localhost\r\nX-Amz-Target: DynamoDB_20120810.ListTables\r\nContent-Type: application/x-amz-json-1.0\r\n',
      '{}',
      'POST / HTTP/1.1',
      400,
      'MissingAuthenticationTokenException',
    ],
    [
      'lambda',
      'Host: lambda.us-east-1.amazonaws.com\r\n',
      '',
      'GET /2015-03-31/functions HTTP/1.1',
      403,
      'Request is missing Authentication Token',
    ],
    ['s3', 'Host: localhost\r\n', '', 'GET / HTTP/1.1', 403, 'AccessDenied'],
  ])('is refused by %s', async (_service, headers, body, line, status, words) => {
    const answer = await unsigned(headers, body, line);
    expect(statusOf(answer)).toBe(status);
    expect(answer).toContain(words);
  });

  test('of a browser at / gets a page for people; what is signed does not', async () => {
    const page = await (await fetch(endpoint, { headers: { accept: 'text/html,*/*' } })).text();
    expect(page).toContain('README.md');
    expect(page).toContain(`AWS_ENDPOINT_URL=${endpoint}`);
    const buckets = await send({ service: 's3', method: 'GET', headers: { accept: 'text/html' } });
    expect(buckets.headers['content-type']).toBe('application/xml');
  });

  test('whose host is markup does not bring it onto the page', async () => {
    const answer = await sendBytes('GET / HTTP/1.1\r\nHost: <script>\r\nAccept: text/html\r\nConnection: close\r\n\r\n');
    expect(answer).not.toContain('<script>');
  });
});

describe('bytes that are no proper HTTP', () => {
  const head = 'POST / HTTP/1.1\r\nHost: localhost\r\n';

  test.each([
    ['a broken TLS hello', '\x16\x03\x01hello\r\n\r\n', 0],
    ['a length and chunks at once', `${head}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`, 400],
    ['two lengths', `${head}Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello`, 400],
    ['a negative length', `${head}Content-Length: -5\r\n\r\n`, 400],
    ['a chunk without length', `${head}Transfer-Encoding: chunked\r\n\r\nzz\r\nabc\r\n`, 400],
    ['an unknown transfer coding', `${head}Transfer-Encoding: banana\r\n\r\nabc`, 400],
    ['a header without end', `GET / HTTP/1.1\r\nHost: a\r\nX: ${'a'.repeat(70_000)}\r\n\r\n`, 431],
    ['100,000 headers', `GET / HTTP/1.1\r\nHost: a\r\n${'X: a\r\n'.repeat(100_000)}\r\n`, 431],
    ['no host', 'GET / HTTP/1.1\r\nConnection: close\r\n\r\n', 400],
    ['a zero byte in the target', 'GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n', 400],
    ['an upgrade to what nobody offers', 'GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n', 400],
    ['an expectation that nobody meets', `${head}Expect: banana\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`, 417],
  ])('%s: refused, and the connection closed', async (_what, bytes, status) => {
    expect(statusOf(await sendBytes(bytes))).toBe(status);
  });

  test('a body that is announced too large is refused before it is sent', async () => {
    const answer = await sendBytes(`${head}Expect: 100-continue\r\nContent-Length: 99999999999\r\n\r\n`);
    expect(statusOf(answer)).toBe(413);
    expect(answer).toMatch(/connection: close/i);
    expect(answer).not.toContain('100 Continue');
  });

  test('a body that turns out too large is refused, and the client sees the answer', async () => {
    const piece = `100000\r\n${'a'.repeat(0x100000)}\r\n`;
    const answer = await sendBytes(`${head}Transfer-Encoding: chunked\r\n\r\n${piece.repeat(74)}0\r\n\r\n`);
    expect(statusOf(answer)).toBe(413);
    expect(answer).toMatch(/connection: close/i);
  });

  test('a client that goes away in the middle is nobody’s bug', async () => {
    expect(await sendBytes(`${head}Content-Length: 100\r\n\r\nabc`, endpoint, true)).not.toContain('HTTP/1.1 5');
  });
});

describe('a target', () => {
  const get = (line: string, host = 'localhost') =>
    sendBytes(`GET ${line} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`);

  test('in absolute form is taken for its path', async () => {
    expect(await get(`http://localhost/_pilvi/health`)).toContain('"status": "running"');
  });

  test.each([
    '//_pilvi/../../etc/passwd',
    '/_pilvi/../../etc/passwd',
    '/..%2f..%2fetc/passwd',
    '/_pilvi/%2e%2e/%2e%2e/etc/passwd',
    '/_pilvi\\..\\..\\etc',
    '/_pilvi//[',
  ])('%s leads nowhere', async (line) => {
    const answer = await get(line);
    expect([403, 404]).toContain(statusOf(answer));
    expect(answer).not.toContain('root:');
  });

  test('whose host name leads to a private address or the host itself is no way in', async () => {
    for (const name of [
      'ec2-127-0-0-1.compute.localhost',
      'ec2-10-0-0-1.compute.localhost',
      'ec2-169-254-169-254.compute.localhost',
    ])
      expect(statusOf(await get('/_pilvi/nope', name))).toBe(404);
  });
});
