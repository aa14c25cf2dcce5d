/** Access points: entrances of a bucket with names, policies and networks of their own. */
import https from 'node:https';
import {
  CreateAccessKeyCommand,
  CreateRoleCommand,
  CreateUserCommand,
  IAMClient,
  PutUserPolicyCommand,
} from '@aws-sdk/client-iam';
import { S3, type S3ServiceException } from '@aws-sdk/client-s3';
import { S3Control } from '@aws-sdk/client-s3-control';
import { AssumeRoleCommand, STSClient } from '@aws-sdk/client-sts';
import { NodeHttpHandler } from '@smithy/node-http-handler';
import { describe, expect, inject, test } from 'vitest';
import { freshAccount, refused, type TestAccount } from '../../support/cloud.ts';
import { clientOf, freshBucket, type TestBucket, textOf } from './support.ts';

const open = { BlockPublicAcls: false, IgnorePublicAcls: false, BlockPublicPolicy: false, RestrictPublicBuckets: false };

function controlOf(account: TestAccount): S3Control {
  const { endpoint } = account.config();
  // The client would put the account's number before the address.
  return new S3Control({ ...account.config(), endpointProvider: () => ({ url: new URL(endpoint) }), disableHostPrefix: true });
}

type Config = ReturnType<TestAccount['config']>;

/** A client that takes access points by ARN: it goes to NAME-ACCOUNT.s3-accesspoint.REGION.localhost, over TLS unless told otherwise. */
function pointClient(config: Config, scheme: 'http' | 'https' = 'https'): S3 {
  const { port } = new URL(inject('endpoint'));
  const lookup = (_host: string, options: { all?: boolean }, done: (...args: unknown[]) => void): void =>
    options.all === true ? done(null, [{ address: '127.0.0.1', family: 4 }]) : done(null, '127.0.0.1', 4);
  const httpsAgent = new https.Agent({ lookup: lookup as never, rejectUnauthorized: false });
  return new S3({
    ...config,
    endpoint: `${scheme}://s3-accesspoint.us-east-1.localhost:${port}`,
    requestHandler: new NodeHttpHandler({ httpsAgent, httpAgent: { lookup: lookup as never } }),
  });
}

async function userOf(
  account: TestAccount,
  UserName: string,
  statements: object[] = [],
): Promise<{ arn: string; config: Config }> {
  const iam = new IAMClient(account.config());
  const { User } = await iam.send(new CreateUserCommand({ UserName }));
  if (statements.length > 0) {
    const PolicyDocument = JSON.stringify({ Version: '2012-10-17', Statement: statements });
    await iam.send(new PutUserPolicyCommand({ UserName, PolicyName: 'p', PolicyDocument }));
  }
  const { AccessKey } = await iam.send(new CreateAccessKeyCommand({ UserName }));
  return { arn: User?.Arn ?? '', config: account.configFor(AccessKey ?? {}) };
}

function policyOf(...Statement: object[]): string {
  return JSON.stringify({ Version: '2012-10-17', Statement });
}

/** A bucket that leaves all to the access points of its account. */
async function delegating(): Promise<TestBucket & { control: S3Control }> {
  const at = await freshBucket();
  const { account, s3, Bucket } = at;
  const Condition = { StringEquals: { 's3:DataAccessPointAccount': account.id } };
  const Resource = [`arn:aws:s3:::${Bucket}`, `arn:aws:s3:::${Bucket}/*`];
  const Policy = policyOf({ Effect: 'Allow', Principal: { AWS: '*' }, Action: '*', Resource, Condition });
  await s3.putBucketPolicy({ Bucket, Policy });
  return { ...at, control: controlOf(account) };
}

describe('an access point', () => {
  test('S3-017 is an entrance with a policy of its own, by host, ARN and alias', async () => {
    const { account, s3, Bucket, control } = await delegating();
    const AccountId = account.id;
    for (const Key of ['a/1', 'b/1']) await s3.putObject({ Bucket, Key, Body: Key });
    const made = await control.createAccessPoint({ AccountId, Name: 'entrance', Bucket });
    const arn = `arn:aws:s3:us-east-1:${AccountId}:accesspoint/entrance`;
    expect(made).toMatchObject({ AccessPointArn: arn, Alias: expect.stringMatching(/^entrance-[a-z0-9]{34}-s3alias$/) });
    const user = await userOf(account, 'reader');
    const Statement = { Effect: 'Allow', Principal: { AWS: user.arn }, Action: 's3:GetObject', Resource: `${arn}/object/a/*` };
    await control.putAccessPointPolicy({ AccountId, Name: 'entrance', Policy: policyOf(Statement) });
    const byPath = new S3({ ...user.config, forcePathStyle: true });
    for (const [client, name] of [
      [pointClient(user.config), arn],
      [byPath, made.Alias ?? ''],
    ] as const) {
      expect(await textOf(client, { Bucket: name, Key: 'a/1' })).toBe('a/1');
      const text = `User: ${user.arn} is not authorized to perform: s3:GetObject on resource: "${arn}/object/b/1" because no identity-based policy allows the s3:GetObject action`;
      await refused(client.getObject({ Bucket: name, Key: 'b/1' }), 'AccessDenied', text, 403);
      await refused(client.putObject({ Bucket: name, Key: 'a/1', Body: 'x' }), 'AccessDenied', /s3:PutObject/, 403);
      await refused(client.listObjectsV2({ Bucket: name }), 'AccessDenied', /s3:ListBucket on resource: "arn:aws:s3:us-east-1:/);
    }
    await refused(byPath.getObject({ Bucket, Key: 'a/1' }), 'AccessDenied', /on resource: "arn:aws:s3:::/, 403);
    // The owner may all, by either way, and cannot see what is no operation of access points.
    const owner = pointClient(account.config());
    await owner.putObject({ Bucket: arn, Key: 'new', Body: 'written' });
    expect(await textOf(s3, { Bucket, Key: 'new' })).toBe('written');
    expect((await owner.listObjectsV2({ Bucket: arn })).Contents?.map(({ Key }) => Key)).toEqual(['a/1', 'b/1', 'new']);
    expect(await s3.headBucket({ Bucket: made.Alias ?? '' })).toMatchObject({ AccessPointAlias: true });
    await owner.copyObject({ Bucket: arn, Key: 'copy', CopySource: `${arn}/object/new` });
    await s3.copyObject({ Bucket, Key: 'copy2', CopySource: `${made.Alias}/new` });
    expect([await textOf(s3, { Bucket, Key: 'copy' }), await textOf(s3, { Bucket, Key: 'copy2' })]).toEqual([
      'written',
      'written',
    ]);
    const deleted = await owner.deleteObjects({ Bucket: arn, Delete: { Objects: [{ Key: 'copy' }, { Key: 'copy2' }] } });
    expect(deleted.Deleted).toHaveLength(2);
    await refused(
      s3.putBucketVersioning({ Bucket: made.Alias ?? '', VersioningConfiguration: { Status: 'Enabled' } }),
      'MethodNotAllowed',
    );
  });

  test('S3-018 has a policy of 20 KB at most, and answers over TLS only', async () => {
    const { account, s3, Bucket, control } = await delegating();
    const AccountId = account.id;
    await s3.putObject({ Bucket, Key: 'k', Body: 'secret' });
    await control.createAccessPoint({ AccountId, Name: 'sized', Bucket });
    const arn = `arn:aws:s3:us-east-1:${AccountId}:accesspoint/sized`;
    const sized = (bytes: number): string => {
      const text = (Sid: string): string =>
        policyOf({ Sid, Effect: 'Allow', Principal: { AWS: AccountId }, Action: 's3:GetObject', Resource: `${arn}/object/*` });
      return text('x'.repeat(bytes - text('').length));
    };
    const put = (Policy: string) => control.putAccessPointPolicy({ AccountId, Name: 'sized', Policy });
    await refused(put(sized(20_481)), 'PolicyTooLarge', 'Policy exceeds the maximum allowed document size.', 400);
    await put(sized(20_480));
    expect((await control.getAccessPointPolicy({ AccountId, Name: 'sized' })).Policy).toHaveLength(20_480);
    expect(await textOf(pointClient(account.config()), { Bucket: arn, Key: 'k' })).toBe('secret');
    const plain = await pointClient(account.config(), 'http')
      .getObject({ Bucket: arn, Key: 'k' })
      .then(
        () => expect.fail('The object came over http.'),
        (error: S3ServiceException) => error,
      );
    expect([plain.name, plain.$metadata.httpStatusCode]).toEqual(['TemporaryRedirect', 307]);
    expect(plain.$response?.headers['location']).toMatch(/^https:\/\/sized-\d{12}\.s3-accesspoint\.us-east-1\.localhost:\d+\/k$/);
  });

  test('S3-020 permits only what comes through it, and the bucket must permit it too', async () => {
    const { account, s3, Bucket, control } = await delegating();
    const AccountId = account.id;
    await s3.putObject({ Bucket, Key: 'k', Body: 'text' });
    const iam = new IAMClient(account.config());
    const sessions: Record<string, Config> = {};
    for (const RoleName of ['A', 'B']) {
      const Trust = policyOf({ Effect: 'Allow', Principal: { AWS: AccountId }, Action: 'sts:AssumeRole' });
      const { Role } = await iam.send(new CreateRoleCommand({ RoleName, AssumeRolePolicyDocument: Trust }));
      const caller = await userOf(account, `caller-${RoleName}`, [{ Effect: 'Allow', Action: 'sts:AssumeRole', Resource: '*' }]);
      const assumed = await new STSClient(caller.config).send(
        new AssumeRoleCommand({ RoleArn: Role?.Arn ?? '', RoleSessionName: 'session' }),
      );
      sessions[RoleName] = account.configFor(assumed.Credentials ?? {});
    }
    const arnOf = (name: string): string => `arn:aws:s3:us-east-1:${AccountId}:accesspoint/${name}`;
    for (const [Name, role, Action] of [
      ['ap1', 'A', 's3:GetObject'],
      ['ap2', 'B', 's3:PutObject'],
    ] as const) {
      await control.createAccessPoint({ AccountId, Name, Bucket });
      const Principal = { AWS: `arn:aws:iam::${AccountId}:role/${role}` };
      const Policy = policyOf({ Effect: 'Allow', Principal, Action, Resource: `${arnOf(Name)}/object/*` });
      await control.putAccessPointPolicy({ AccountId, Name, Policy });
    }
    const [a, b] = [pointClient(sessions['A']!), pointClient(sessions['B']!)];
    expect(await textOf(a, { Bucket: arnOf('ap1'), Key: 'k' })).toBe('text');
    await refused(a.getObject({ Bucket: arnOf('ap2'), Key: 'k' }), 'AccessDenied', /accesspoint\/ap2\/object\/k/, 403);
    await refused(a.putObject({ Bucket: arnOf('ap1'), Key: 'k', Body: 'x' }), 'AccessDenied', /s3:PutObject/, 403);
    await b.putObject({ Bucket: arnOf('ap2'), Key: 'k', Body: 'changed' });
    const direct = new S3({ ...sessions['A']!, forcePathStyle: true });
    await refused(direct.getObject({ Bucket, Key: 'k' }), 'AccessDenied', /on resource: "arn:aws:s3:::/, 403);
    // Without the bucket's delegation the access point's policy is worth nothing.
    await s3.deleteBucketPolicy({ Bucket });
    await refused(a.getObject({ Bucket: arnOf('ap1'), Key: 'k' }), 'AccessDenied', /on resource: "arn:aws:s3:::/, 403);
  });

  test('lets another account in when both policies do', async () => {
    const { account, s3, Bucket, control } = await delegating();
    const AccountId = account.id;
    await s3.putObject({ Bucket, Key: 'k', Body: 'shared' });
    await control.createAccessPoint({ AccountId, Name: 'shared', Bucket });
    const arn = `arn:aws:s3:us-east-1:${AccountId}:accesspoint/shared`;
    const user = await userOf(freshAccount(), 'u', [{ Effect: 'Allow', Action: 's3:GetObject', Resource: `${arn}/object/*` }]);
    const client = pointClient(user.config);
    await refused(client.getObject({ Bucket: arn, Key: 'k' }), 'AccessDenied', 'Access Denied', 403);
    const allow = { Effect: 'Allow', Principal: { AWS: user.arn }, Action: 's3:GetObject', Resource: `${arn}/object/*` };
    await control.putAccessPointPolicy({ AccountId, Name: 'shared', Policy: policyOf(allow) });
    expect(await textOf(client, { Bucket: arn, Key: 'k' })).toBe('shared');
    await s3.deleteBucketPolicy({ Bucket });
    await refused(client.getObject({ Bucket: arn, Key: 'k' }), 'AccessDenied', undefined, 403);
  });

  test('of a VPC refuses all that comes from outside', async () => {
    const { account, s3, Bucket, control } = await delegating();
    const AccountId = account.id;
    await s3.putObject({ Bucket, Key: 'k', Body: 'x' });
    const VpcConfiguration = { VpcId: 'vpc-0123456789abcdef0' };
    const { Alias = '' } = await control.createAccessPoint({ AccountId, Name: 'inner', Bucket, VpcConfiguration });
    expect(await control.getAccessPoint({ AccountId, Name: 'inner' })).toMatchObject({ NetworkOrigin: 'VPC', VpcConfiguration });
    await refused(s3.getObject({ Bucket: Alias, Key: 'k' }), 'AccessDenied', 'Access Denied', 403);
  });

  test('has a block of public access of its own, which never changes', async () => {
    const { account, s3, Bucket, control } = await delegating();
    const AccountId = account.id;
    await s3.putPublicAccessBlock({ Bucket, PublicAccessBlockConfiguration: open });
    await s3.putObject({ Bucket, Key: 'k', Body: 'public' });
    const everybody = (name: string): string =>
      policyOf({
        Effect: 'Allow',
        Principal: '*',
        Action: 's3:GetObject',
        Resource: `arn:aws:s3:us-east-1:${AccountId}:accesspoint/${name}/object/*`,
      });
    await control.createAccessPoint({ AccountId, Name: 'closed', Bucket });
    await refused(control.putAccessPointPolicy({ AccountId, Name: 'closed', Policy: everybody('closed') }), 'AccessDenied');
    const made = await control.createAccessPoint({ AccountId, Name: 'open', Bucket, PublicAccessBlockConfiguration: open });
    await control.putAccessPointPolicy({ AccountId, Name: 'open', Policy: everybody('open') });
    expect((await control.getAccessPointPolicyStatus({ AccountId, Name: 'open' })).PolicyStatus).toEqual({ IsPublic: true });
    const visit = async (): Promise<number> => (await fetch(`${inject('endpoint')}/${made.Alias}/k`)).status;
    expect(await visit()).toBe(200);
    await control.putPublicAccessBlock({
      AccountId,
      PublicAccessBlockConfiguration: { ...open, RestrictPublicBuckets: true },
    });
    expect(await visit()).toBe(403);
  });

  test('is made for a bucket that is there, once, listed by pages, and goes before its bucket', async () => {
    const { account, s3, Bucket } = await freshBucket();
    const control = controlOf(account);
    const AccountId = account.id;
    const make = (Name: string, more: object = {}) => control.createAccessPoint({ AccountId, Name, Bucket, ...more });
    for (const Name of ['Upper', 'a', '-ab', 'ab-', 'under_score', 'x-s3alias'])
      await refused(make(Name), 'InvalidRequest', 'Your Amazon S3 AccessPoint name is invalid', 400);
    const missing = 'Amazon S3 AccessPoint can only be created for existing bucket';
    await refused(make('one', { Bucket: 'no-such-bucket-anywhere' }), 'InvalidRequest', missing, 400);
    const other = await freshBucket();
    await refused(make('one', { Bucket: other.Bucket }), 'AccessDenied', 'Access Denied', 403);
    await make('theirs', { Bucket: other.Bucket, BucketAccountId: other.account.id });
    for (const Name of ['one', 'two', 'three']) await make(Name);
    await refused(make('one'), 'AccessPointAlreadyOwnedByYou', /you already own it/, 409);
    const first = await control.listAccessPoints({ AccountId, Bucket, MaxResults: 2 });
    expect(first.AccessPointList?.map(({ Name }) => Name)).toEqual(['one', 'three']);
    const { NextToken } = first;
    const second = await control.listAccessPoints({ AccountId, Bucket, MaxResults: 2, NextToken });
    expect(second.AccessPointList).toMatchObject([{ Name: 'two', NetworkOrigin: 'Internet', Bucket }]);
    expect((await control.listAccessPoints({ AccountId })).AccessPointList).toHaveLength(4);
    const bad = policyOf({ Effect: 'Allow', Principal: '*', Action: 's3:GetObject', Resource: `arn:aws:s3:::${Bucket}/*` });
    await refused(
      control.putAccessPointPolicy({ AccountId, Name: 'one', Policy: bad }),
      'MalformedPolicy',
      'Policy has invalid resource',
    );
    await refused(control.getAccessPointPolicy({ AccountId, Name: 'one' }), 'NoSuchAccessPointPolicy', undefined, 404);
    const gone = 'The specified accesspoint does not exist';
    await refused(control.getAccessPoint({ AccountId, Name: 'none' }), 'NoSuchAccessPoint', gone, 404);
    await refused(control.deleteAccessPoint({ AccountId, Name: 'none' }), 'NoSuchAccessPoint', gone, 404);
    await refused(s3.deleteBucket({ Bucket }), 'BucketHasAccessPointsAttached', /access points attached/, 400);
    for (const Name of ['one', 'two', 'three']) await control.deleteAccessPoint({ AccountId, Name });
    await s3.deleteBucket({ Bucket });
    const arn = `arn:aws:s3:us-east-1:${AccountId}:accesspoint/one`;
    await refused(pointClient(account.config()).getObject({ Bucket: arn, Key: 'k' }), 'NoSuchAccessPoint', gone, 404);
    await refused(clientOf(account).getObject({ Bucket: 'one-nobody-s3alias', Key: 'k' }), 'NoSuchBucket', undefined, 404);
  });
});
