/** What browsers ask: websites, cross-origin requests, HTML forms. */
import { createHmac } from 'node:crypto';
import http from 'node:http';
import { describe, expect, inject, test } from 'vitest';
import { refused } from '../../support/cloud.ts';
import { freshBucket, type TestBucket, textOf } from './support.ts';

const open = { BlockPublicAcls: false, IgnorePublicAcls: false, BlockPublicPolicy: false, RestrictPublicBuckets: false };

/** A public bucket. */
async function publicBucket(): Promise<TestBucket> {
  const at = await freshBucket();
  const { s3, Bucket } = at;
  await s3.putPublicAccessBlock({ Bucket, PublicAccessBlockConfiguration: open });
  const Statement = [{ Effect: 'Allow', Principal: '*', Action: 's3:GetObject', Resource: `arn:aws:s3:::${Bucket}/*` }];
  await s3.putBucketPolicy({ Bucket, Policy: JSON.stringify({ Version: '2012-10-17', Statement }) });
  return at;
}

interface Page {
  status: number;
  body: string;
  headers: http.IncomingHttpHeaders;
}

/** A visit of a website by its host name. */
function browse(Bucket: string, path: string, method = 'GET'): Promise<Page> {
  const { hostname, port } = new URL(inject('endpoint'));
  return new Promise((resolve, reject) => {
    const headers = { host: `${Bucket}.s3-website.localhost:${port}` };
    const request = http.request({ hostname, port, path, method, headers, agent: false }, (answer) => {
      const chunks: Buffer[] = [];
      answer.on('data', (chunk: Buffer) => chunks.push(chunk));
      answer.on('end', () =>
        resolve({ status: answer.statusCode ?? 0, body: Buffer.concat(chunks).toString(), headers: answer.headers }),
      );
    });
    request.on('error', reject).end();
  });
}

describe('a website', () => {
  test('S3-007 shows its index document, and its error document for what is missing', async () => {
    const { s3, Bucket } = await publicBucket();
    await s3.putObject({ Bucket, Key: 'index.html', Body: '<h1>home</h1>', ContentType: 'text/html' });
    await s3.putObject({ Bucket, Key: 'error.html', Body: '<h1>lost</h1>', ContentType: 'text/html' });
    await s3.putObject({ Bucket, Key: 'docs/index.html', Body: '<h1>docs</h1>', ContentType: 'text/html' });
    expect(await browse(Bucket, '/')).toMatchObject({
      status: 404,
      body: expect.stringContaining('<li>Code: NoSuchWebsiteConfiguration</li>'),
    });
    const WebsiteConfiguration = { IndexDocument: { Suffix: 'index.html' }, ErrorDocument: { Key: 'error.html' } };
    await s3.putBucketWebsite({ Bucket, WebsiteConfiguration });
    expect((await s3.getBucketWebsite({ Bucket })).IndexDocument).toEqual({ Suffix: 'index.html' });
    expect(await browse(Bucket, '/')).toMatchObject({
      status: 200,
      body: '<h1>home</h1>',
      headers: { 'content-type': 'text/html', server: 'AmazonS3' },
    });
    expect(await browse(Bucket, '/docs/')).toMatchObject({ status: 200, body: '<h1>docs</h1>' });
    const slash = { location: '/docs/', server: 'AmazonS3' };
    expect(await browse(Bucket, '/docs')).toMatchObject({ status: 302, headers: slash });
    // Without the right to list, what is missing is forbidden, as everywhere.
    expect(await browse(Bucket, '/none.html')).toMatchObject({
      status: 403,
      body: '<h1>lost</h1>',
      headers: { server: 'AmazonS3' },
    });
    const { Policy = '' } = await s3.getBucketPolicy({ Bucket });
    const policy = JSON.parse(Policy) as { Statement: object[] };
    policy.Statement.push({ Effect: 'Allow', Principal: '*', Action: 's3:ListBucket', Resource: `arn:aws:s3:::${Bucket}` });
    await s3.putBucketPolicy({ Bucket, Policy: JSON.stringify(policy) });
    expect(await browse(Bucket, '/none.html')).toMatchObject({ status: 404, body: '<h1>lost</h1>' });
    expect((await browse(Bucket, '/', 'POST')).status).toBe(405);
    await s3.deleteBucketWebsite({ Bucket });
    await refused(
      s3.getBucketWebsite({ Bucket }),
      'NoSuchWebsiteConfiguration',
      'The specified bucket does not have a website configuration',
      404,
    );
  });

  test('redirects', async () => {
    const { s3, Bucket } = await publicBucket();
    const RoutingRules = [
      { Condition: { KeyPrefixEquals: 'old/' }, Redirect: { ReplaceKeyPrefixWith: 'new/', HttpRedirectCode: '302' } },
    ];
    await s3.putBucketWebsite({ Bucket, WebsiteConfiguration: { IndexDocument: { Suffix: 'i' }, RoutingRules } });
    expect(await browse(Bucket, '/old/page')).toMatchObject({
      status: 302,
      headers: { location: expect.stringMatching(/\/new\/page$/) },
    });
    await s3.putObject({ Bucket, Key: 'moved', Body: '', WebsiteRedirectLocation: '/there' });
    expect(await browse(Bucket, '/moved')).toMatchObject({ status: 301, headers: { location: '/there' } });
    await s3.putBucketWebsite({
      Bucket,
      WebsiteConfiguration: { RedirectAllRequestsTo: { HostName: 'example.com', Protocol: 'https' } },
    });
    expect(await browse(Bucket, '/a?b')).toMatchObject({ status: 301, headers: { location: 'https://example.com/a' } });
    await refused(
      s3.putBucketWebsite({ Bucket, WebsiteConfiguration: { IndexDocument: { Suffix: 'a/b' } } }),
      'InvalidArgument',
      'The IndexDocument Suffix is not well formed',
      400,
    );
    await refused(s3.putBucketWebsite({ Bucket, WebsiteConfiguration: {} }), 'InvalidArgument', undefined, 400);
  });
});

describe('across origins', () => {
  const preflight = (Bucket: string, headers: Record<string, string>) =>
    fetch(`${inject('endpoint')}/${Bucket}/k`, { method: 'OPTIONS', headers });

  test('rules decide', async () => {
    const { s3, Bucket } = await publicBucket();
    await s3.putObject({ Bucket, Key: 'k', Body: 'x' });
    const ask = {
      origin: 'http://app.example.com',
      'access-control-request-method': 'PUT',
      'access-control-request-headers': 'x-one, Content-Type',
    };
    const off = await preflight(Bucket, ask);
    expect([off.status, await off.text()]).toEqual([
      403,
      expect.stringContaining('<Message>CORSResponse: CORS is not enabled for this bucket.</Message>'),
    ]);
    await refused(s3.getBucketCors({ Bucket }), 'NoSuchCORSConfiguration', 'The CORS configuration does not exist', 404);
    const rule = {
      AllowedMethods: ['GET', 'PUT'],
      AllowedOrigins: ['http://*.example.com'],
      AllowedHeaders: ['*'],
      ExposeHeaders: ['ETag'],
      MaxAgeSeconds: 60,
    };
    await s3.putBucketCors({ Bucket, CORSConfiguration: { CORSRules: [rule] } });
    const allowed = await preflight(Bucket, ask);
    expect(allowed.status).toBe(200);
    expect(Object.fromEntries(allowed.headers)).toMatchObject({
      'access-control-allow-origin': 'http://app.example.com',
      'access-control-allow-methods': 'GET, PUT',
      'access-control-allow-headers': 'x-one, content-type',
      'access-control-expose-headers': 'ETag',
      'access-control-max-age': '60',
    });
    for (const other of [
      { ...ask, origin: 'http://example.org' },
      { ...ask, 'access-control-request-method': 'DELETE' },
    ]) {
      const denied = await preflight(Bucket, other);
      expect([denied.status, await denied.text()]).toEqual([403, expect.stringContaining('<Code>AccessForbidden</Code>')]);
    }
    expect((await preflight(Bucket, { 'access-control-request-method': 'GET' })).status).toBe(400);
    const got = await fetch(`${inject('endpoint')}/${Bucket}/k`, { headers: { origin: 'http://app.example.com' } });
    expect([got.headers.get('access-control-allow-origin'), await got.text()]).toEqual(['http://app.example.com', 'x']);
    const stranger = await fetch(`${inject('endpoint')}/${Bucket}/k`, { headers: { origin: 'http://example.org' } });
    expect([stranger.headers.get('access-control-allow-origin'), stranger.status]).toEqual([null, 200]);
    await refused(
      s3.putBucketCors({ Bucket, CORSConfiguration: { CORSRules: [{ AllowedMethods: ['PATCH'], AllowedOrigins: ['*'] }] } }),
      'InvalidRequest',
      'Found unsupported HTTP method in CORS config. Unsupported method is PATCH',
      400,
    );
  });
});

describe('an HTML form', () => {
  const day = new Date().toISOString().slice(0, 10).replaceAll('-', '');
  const hmac = (key: string | Buffer, text: string): Buffer => createHmac('sha256', key).update(text).digest();

  function formOf(
    { account, Bucket }: TestBucket,
    conditions: unknown[],
    fields: Record<string, string>,
    body: string,
  ): FormData {
    const credential = `${account.id}/${day}/us-east-1/s3/aws4_request`;
    const signed = { 'x-amz-algorithm': 'AWS4-HMAC-SHA256', 'x-amz-credential': credential, 'x-amz-date': `${day}T000000Z` };
    const all = [{ bucket: Bucket }, ...conditions, ...Object.entries(signed).map(([name, value]) => ({ [name]: value }))];
    const expiration = new Date(Date.now() + 60_000).toISOString();
    const policy = Buffer.from(JSON.stringify({ expiration, conditions: all })).toString('base64');
    const key = ['us-east-1', 's3', 'aws4_request'].reduce((before, part) => hmac(before, part), hmac('AWS4test', day));
    const form = new FormData();
    for (const [name, value] of Object.entries({
      ...fields,
      ...signed,
      policy,
      'x-amz-signature': hmac(key, policy).toString('hex'),
    }))
      form.append(name, value);
    form.append('file', new Blob([body]), 'name.txt');
    return form;
  }
  const post = (Bucket: string, body: FormData) =>
    fetch(`${inject('endpoint')}/${Bucket}`, { method: 'POST', body, redirect: 'manual' });

  test('uploads what its policy allows', async () => {
    const at = await freshBucket();
    const { s3, Bucket } = at;
    const conditions = [
      ['starts-with', '$key', 'user/'],
      ['content-length-range', 1, 10],
      { success_action_status: '201' },
      ['starts-with', '$x-amz-meta-tag', ''],
    ];
    const fields = { key: 'user/${filename}', success_action_status: '201', 'x-amz-meta-tag': 'm' };
    const good = await post(Bucket, formOf(at, conditions, fields, 'content'));
    expect([good.status, await good.text()]).toEqual([201, expect.stringContaining('<Key>user/name.txt</Key>')]);
    expect(await textOf(s3, { Bucket, Key: 'user/name.txt' })).toBe('content');
    expect((await s3.headObject({ Bucket, Key: 'user/name.txt' })).Metadata).toEqual({ tag: 'm' });
    const refusals: [FormData, number, string][] = [
      [formOf(at, conditions, { ...fields, key: 'other/x' }, 'content'), 403, 'AccessDenied'],
      [formOf(at, conditions, fields, 'too much content'), 400, 'EntityTooLarge'],
      [formOf(at, conditions, { ...fields, acl: 'public-read' }, 'content'), 403, 'AccessDenied'],
      [formOf({ ...at, Bucket: 'another' }, conditions, fields, 'content'), 403, 'AccessDenied'],
    ];
    const forged = formOf(at, conditions, fields, 'content');
    forged.set('x-amz-signature', '0'.repeat(64));
    refusals.push([forged, 403, 'SignatureDoesNotMatch']);
    const unsigned = new FormData();
    unsigned.append('key', 'k');
    unsigned.append('file', new Blob(['x']), 'f');
    refusals.push([unsigned, 403, 'AccessDenied']);
    for (const [form, status, code] of refusals) {
      const answer = await post(Bucket, form);
      expect([answer.status, await answer.text()]).toEqual([status, expect.stringContaining(`<Code>${code}</Code>`)]);
    }
    const redirected = await post(
      Bucket,
      formOf(
        at,
        [
          ['starts-with', '$key', ''],
          ['starts-with', '$success_action_redirect', 'http'],
        ],
        { key: 'k', success_action_redirect: 'http://example.com/done' },
        'x',
      ),
    );
    expect([redirected.status, redirected.headers.get('location')]).toEqual([
      303,
      expect.stringContaining('http://example.com/done?bucket='),
    ]);
  });
});
