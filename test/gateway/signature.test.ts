/** Who signed a request decides who it is from; what cannot be proven is refused in the words of the service that was called. */
import { execFile } from 'node:child_process';
import { Readable } from 'node:stream';
import { promisify } from 'node:util';
import { DynamoDBClient, ListTablesCommand } from '@aws-sdk/client-dynamodb';
import { DescribeVpcsCommand, EC2Client } from '@aws-sdk/client-ec2';
import { CreateAccessKeyCommand, CreateUserCommand, IAMClient, UpdateAccessKeyCommand } from '@aws-sdk/client-iam';
import { LambdaClient, ListFunctionsCommand } from '@aws-sdk/client-lambda';
import { CreateBucketCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { GetCallerIdentityCommand, STSClient } from '@aws-sdk/client-sts';
import { SignatureV4 } from '@smithy/signature-v4';
import { describe, expect, inject, test } from 'vitest';
import { type ClientConfig, freshAccount, refused } from '../support/cloud.ts';
import { Sha256 } from '../support/sign.ts';

const run = promisify(execFile);
const endpoint = inject('endpoint');
const account = freshAccount();
const root = `arn:aws:iam::${account.id}:root`;
const mismatch =
  'The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. ' +
  'Consult the service documentation for details.';

const whoAmI = (config: ClientConfig) => new STSClient(config).send(new GetCallerIdentityCommand({}));

/** One call in each family of protocols. None of them needs the service behind to be there: the signature is judged first. */
const calls: Readonly<Record<string, (config: ClientConfig) => Promise<unknown>>> = {
  sts: whoAmI,
  ec2: (config) => new EC2Client(config).send(new DescribeVpcsCommand({})),
  dynamodb: (config) => new DynamoDBClient(config).send(new ListTablesCommand({})),
  lambda: (config) => new LambdaClient(config).send(new ListFunctionsCommand({})),
  s3: (config) =>
    new S3Client({ ...config, forcePathStyle: true }).send(new PutObjectCommand({ Bucket: 'b', Key: 'k', Body: 'x' })),
};

describe('ACCESS-004 a key', () => {
  test('that is right makes the request its owner’s', async () => {
    expect((await whoAmI(account.config())).Arn).toBe(root);
  });

  const wrong = account.config({ credentials: { accessKeyId: account.id, secretAccessKey: 'wrong' } });
  const unknown = account.config({ credentials: { accessKeyId: 'AKIAUNKNOWNUNKNOWN00', secretAccessKey: 'test' } });
  const invalid = 'The security token included in the request is invalid.';
  const notValidated = 'AWS was not able to validate the provided access credentials';
  const s3Mismatch =
    'The request signature we calculated does not match the signature you provided. Check your key and signing method.';

  test.each([
    ['sts', 'SignatureDoesNotMatch', mismatch, 403],
    ['ec2', 'AuthFailure', notValidated, 401],
    ['dynamodb', 'InvalidSignatureException', mismatch, 400],
    ['lambda', 'InvalidSignatureException', mismatch, 403],
    ['s3', 'SignatureDoesNotMatch', s3Mismatch, 403],
  ])('whose secret is wrong is refused by %s', async (service, code, message, status) => {
    await refused(calls[service]!(wrong), code, message, status);
  });

  test.each([
    ['sts', 'InvalidClientTokenId', invalid, 403],
    ['ec2', 'AuthFailure', notValidated, 401],
    ['dynamodb', 'UnrecognizedClientException', invalid, 400],
    ['lambda', 'UnrecognizedClientException', invalid, 403],
    ['s3', 'InvalidAccessKeyId', 'The AWS Access Key Id you provided does not exist in our records.', 403],
  ])('that nobody has is refused by %s', async (service, code, message, status) => {
    await refused(calls[service]!(unknown), code, message, status);
  });

  test('that is inactive is refused, and works again when it is active', async () => {
    const iam = new IAMClient(account.config());
    await iam.send(new CreateUserCommand({ UserName: 'anna' }));
    const { AccessKey } = await iam.send(new CreateAccessKeyCommand({ UserName: 'anna' }));
    const anna = account.configFor(AccessKey!);
    expect((await whoAmI(anna)).Arn).toBe(`arn:aws:iam::${account.id}:user/anna`);
    const status = (Status: 'Active' | 'Inactive') =>
      iam.send(new UpdateAccessKeyCommand({ UserName: 'anna', AccessKeyId: AccessKey!.AccessKeyId, Status }));
    await status('Inactive');
    await refused(whoAmI(anna), 'InvalidClientTokenId', invalid, 403);
    await status('Active');
    expect((await whoAmI(anna)).UserId).toMatch(/^AIDA/);
  });
});

describe('a request', () => {
  test('without a signature is refused', async () => {
    const answer = await fetch(endpoint, {
      method: 'POST',
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: 'Action=GetCallerIdentity&Version=2011-06-15',
    });
    expect(answer.status).toBe(403);
    expect(await answer.text()).toContain('<Code>MissingAuthenticationToken</Code>');
  });

  test('of an hour ago is refused, and says what time it is here', async () => {
    const late = { ...account.config(), systemClockOffset: -3_600_000 };
    await refused(
      whoAmI(late),
      'SignatureDoesNotMatch',
      /^Signature expired: \d{8}T\d{6}Z is now earlier than \d{8}T\d{6}Z \(\d{8}T\d{6}Z - 15 min\.\)$/,
      403,
    );
    await refused(
      calls['s3']!(late),
      'RequestTimeTooSkewed',
      'The difference between the request time and the current time is too large.',
      403,
    );
    await refused(calls['ec2']!(late), 'RequestExpired', 'Request has expired.', 400);
  });

  test('with a changed body is refused', async () => {
    const body = 'Action=GetCallerIdentity&Version=2011-06-15';
    const { host, hostname, port } = new URL(endpoint);
    const signer = new SignatureV4({
      service: 'sts',
      region: 'us-east-1',
      sha256: Sha256,
      credentials: account.config().credentials,
    });
    const headers = { host, 'content-type': 'application/x-www-form-urlencoded' };
    const signed = await signer.sign({
      method: 'POST',
      protocol: 'http:',
      hostname,
      port: Number(port),
      path: '/',
      headers,
      body,
    });
    const { host: _host, ...sent } = signed.headers;
    const good = await fetch(endpoint, { method: 'POST', headers: sent, body });
    expect(await good.text()).toContain(root);
    const bad = await fetch(endpoint, { method: 'POST', headers: sent, body: `${body}&x=y` });
    expect([bad.status, await bad.text()]).toEqual([403, expect.stringContaining('<Code>SignatureDoesNotMatch</Code>')]);
  });

  test('whose stream does not have the promised checksum is refused', async () => {
    const Body = Readable.from([Buffer.from('hello')]);
    const s3 = new S3Client({ ...account.config(), forcePathStyle: true });
    s3.middlewareStack.add(
      (next) => (call) => {
        // The trailer is announced under another checksum than the one that comes.
        const request = call.request as { headers: Record<string, string> };
        request.headers['x-amz-trailer'] = 'x-amz-checksum-sha1';
        return next(call);
      },
      { step: 'build', priority: 'low' },
    );
    const Bucket = `signature-${account.id}`;
    await new S3Client({ ...account.config(), forcePathStyle: true }).send(new CreateBucketCommand({ Bucket }));
    const upload = s3.send(new PutObjectCommand({ Bucket, Key: 'k', Body, ContentLength: 5 }));
    await refused(
      upload,
      'MalformedTrailerError',
      'The request contained trailing data that was not well-formed or did not conform to our published schema.',
      400,
    );
  });

  test('may be presigned, as the clients of EKS do it', async () => {
    const { host, hostname, port } = new URL(endpoint);
    const signer = new SignatureV4({
      service: 'sts',
      region: 'us-east-1',
      sha256: Sha256,
      credentials: account.config().credentials,
    });
    const url = await signer.presign(
      {
        method: 'GET',
        protocol: 'http:',
        hostname,
        port: Number(port),
        path: '/',
        query: { Action: 'GetCallerIdentity', Version: '2011-06-15' },
        headers: { host, 'x-k8s-aws-id': 'my cluster' },
      },
      { expiresIn: 60, unhoistableHeaders: new Set(['x-k8s-aws-id']) },
    );
    const target = `${endpoint}/?${new URLSearchParams(url.query as Record<string, string>)}`;
    const good = await fetch(target, { headers: { 'x-k8s-aws-id': 'my cluster' } });
    expect(await good.text()).toContain(root);
    const bad = await fetch(target, { headers: { 'x-k8s-aws-id': 'another' } });
    expect([bad.status, await bad.text()]).toEqual([403, expect.stringContaining('<Code>SignatureDoesNotMatch</Code>')]);
  });
});

describe('a client of another make', () => {
  test('the aws command line', async (context) => {
    const found = await run('aws', ['--version']).catch((error: Error) => error);
    context.skip(found instanceof Error, 'the aws command line is not on this machine');
    const { stdout } = await run('aws', ['sts', 'get-caller-identity', '--output', 'json'], { env: account.env() });
    expect((JSON.parse(stdout) as { Arn: string }).Arn).toBe(root);
    const wrong = run('aws', ['sts', 'get-caller-identity'], { env: account.env({ AWS_SECRET_ACCESS_KEY: 'wrong' }) });
    await expect(wrong).rejects.toThrow(
      `An error occurred (SignatureDoesNotMatch) when calling the GetCallerIdentity operation: ${mismatch}`,
    );
  });

  test('boto3', async (context) => {
    const found = await run('python3', ['-c', 'import boto3']).catch((error: Error) => error);
    context.skip(found instanceof Error, 'python3 with boto3 is not on this machine');
    const script =
      "import boto3; print(boto3.client('sts').get_caller_identity()['Arn']); print(boto3.client('ec2').describe_vpcs()['ResponseMetadata']['HTTPStatusCode'])";
    const { stdout } = await run('python3', ['-c', script], { env: account.env() });
    expect(stdout.trim().split('\n')).toEqual([root, '200']);
  });

  test('curl', async (context) => {
    const help = await run('curl', ['--help', 'auth']).catch((error: Error) => error);
    context.skip(help instanceof Error || !help.stdout.includes('--aws-sigv4'), 'there is no curl here that can sign');
    const parameters = ['-s', '--user', `${account.id}:test`, '--aws-sigv4', 'aws:amz:us-east-1:sts'];
    const { stdout } = await run('curl', [...parameters, '-d', 'Action=GetCallerIdentity&Version=2011-06-15', `${endpoint}/`]);
    expect(stdout).toContain(root);
  });
});
