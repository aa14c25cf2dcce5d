/** Multi-Region Access Points: one entrance to buckets of several Regions, in a cloud of its own, because Regions go down and clients have places. */
import https from 'node:https';
import tls from 'node:tls';
import '@aws-sdk/signature-v4a';
import { IAM } from '@aws-sdk/client-iam';
import { S3 } from '@aws-sdk/client-s3';
import type { S3Control } from '@aws-sdk/client-s3-control';
import { NodeHttpHandler } from '@smithy/node-http-handler';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { admin, eventually, freshAccount, type OwnCloud, refused, startOwnCloud, type TestAccount } from '../../support/cloud.ts';
import { clientOf, freshName, textOf } from '../s3/support.ts';
import { controlOf } from './support.ts';

const regions = ['us-east-1', 'eu-west-1', 'ap-northeast-2'] as const;
type Region = (typeof regions)[number];

let cloud: OwnCloud;
beforeAll(async () => {
  cloud = await startOwnCloud();
}, 40_000);
afterAll(() => cloud.stop());

type Config = ReturnType<TestAccount['config']>;

/** A client as users have it: it goes to ALIAS.accesspoint.s3-global.amazonaws.com, which is this cloud here, and signs for all Regions. */
function globalClient({ endpoint: _endpoint, ...config }: Config): S3 {
  const port = Number(new URL(cloud.endpoint).port);
  const httpsAgent = new https.Agent();
  const connect = (options: tls.ConnectionOptions) =>
    tls.connect({ ...options, host: '127.0.0.1', port, rejectUnauthorized: false });
  Object.assign(httpsAgent, { createConnection: connect });
  return new S3({ ...config, requestHandler: new NodeHttpHandler({ httpsAgent }) });
}

interface Entrance {
  account: TestAccount;
  control: S3Control;
  AccountId: string;
  Name: string;
  buckets: Record<Region, string>;
  sides: Record<Region, S3>;
  /** ARN and alias of the entrance. */
  arn: string;
  alias: string;
  finished: (RequestTokenARN: string | undefined, status?: string) => Promise<void>;
}

async function entrance(): Promise<Entrance> {
  const account = freshAccount(cloud.endpoint);
  const control = controlOf(account, { region: 'us-west-2' });
  const [AccountId, Name] = [account.id, 'everywhere'];
  const sides = Object.fromEntries(regions.map((region) => [region, clientOf(account, { region })])) as Record<Region, S3>;
  const buckets = Object.fromEntries(regions.map((region) => [region, freshName(account)])) as Record<Region, string>;
  for (const region of regions) {
    const place = region === 'us-east-1' ? {} : { CreateBucketConfiguration: { LocationConstraint: region } };
    await sides[region].createBucket({ Bucket: buckets[region], ...place });
  }
  const finished = async (RequestTokenARN: string | undefined, status = 'SUCCEEDED') => {
    await eventually(
      async () => {
        const { AsyncOperation } = await control.describeMultiRegionAccessPointOperation({ AccountId, RequestTokenARN });
        expect(AsyncOperation?.RequestStatus).toBe(status);
      },
      { why: `the request becomes ${status}` },
    );
  };
  const Details = { Name, Regions: regions.map((region) => ({ Bucket: buckets[region] })) };
  const { RequestTokenARN } = await control.createMultiRegionAccessPoint({ AccountId, ClientToken: 'once', Details });
  const again = await control.createMultiRegionAccessPoint({ AccountId, ClientToken: 'once', Details });
  expect(again.RequestTokenARN).toBe(RequestTokenARN);
  await finished(RequestTokenARN);
  const { AccessPoint } = await control.getMultiRegionAccessPoint({ AccountId, Name });
  const alias = AccessPoint?.Alias ?? '';
  return {
    account,
    control,
    AccountId,
    Name,
    buckets,
    sides,
    arn: `arn:aws:s3::${AccountId}:accesspoint/${alias}`,
    alias,
    finished,
  };
}

test('an entrance to three Regions is made, shown, given a policy, and removed', async () => {
  const { account, control, AccountId, Name, buckets, arn, alias, finished } = await entrance();
  expect(alias).toMatch(/^[a-z0-9]{13}\.mrap$/);
  const { AccessPoint } = await control.getMultiRegionAccessPoint({ AccountId, Name });
  expect(AccessPoint).toMatchObject({ Status: 'READY', PublicAccessBlock: { BlockPublicAcls: true } });
  expect(AccessPoint?.Regions).toEqual(
    regions.map((region) => ({ Bucket: buckets[region], Region: region, BucketAccountId: AccountId })),
  );
  expect((await control.listMultiRegionAccessPoints({ AccountId })).AccessPoints?.map((one) => one.Name)).toEqual([Name]);

  // Its own policy lets a user in, whom the bucket's leaves to it.
  const iam = new IAM(account.config());
  const { User } = await iam.createUser({ UserName: 'reader' });
  const { AccessKey } = await iam.createAccessKey({ UserName: 'reader' });
  const reader = globalClient(account.configFor(AccessKey!));
  const root = globalClient(account.config());
  await root.putObject({ Bucket: arn, Key: 'in/a', Body: 'x' });
  await refused(reader.getObject({ Bucket: arn, Key: 'in/a' }), 'AccessDenied', undefined, 403);
  const Statement = [{ Effect: 'Allow', Principal: { AWS: User?.Arn }, Action: 's3:GetObject', Resource: `${arn}/object/in/*` }];
  const Policy = JSON.stringify({ Version: '2012-10-17', Statement });
  const put = await control.putMultiRegionAccessPointPolicy({ AccountId, Details: { Name, Policy } });
  await finished(put.RequestTokenARN);
  expect((await control.getMultiRegionAccessPointPolicy({ AccountId, Name })).Policy).toEqual({
    Established: { Policy },
    Proposed: { Policy },
  });
  const status = await control.getMultiRegionAccessPointPolicyStatus({ AccountId, Name });
  expect(status.Established?.IsPublic).toBe(false);
  const delegate = {
    ...{ Effect: 'Allow', Principal: { AWS: '*' }, Action: 's3:*', Resource: `arn:aws:s3:::${buckets['us-east-1']}/*` },
    Condition: { StringEquals: { 's3:DataAccessPointArn': arn } },
  };
  const delegated = JSON.stringify({ Version: '2012-10-17', Statement: [delegate] });
  await clientOf(account).putBucketPolicy({ Bucket: buckets['us-east-1'], Policy: delegated });
  expect(await textOf(reader, { Bucket: arn, Key: 'in/a' })).toBe('x');
  await refused(reader.getObject({ Bucket: arn, Key: 'out/a' }), 'AccessDenied', undefined, 403);

  const open = JSON.stringify({ Version: '2012-10-17', Statement: [{ ...Statement[0], Principal: '*' }] });
  const blocked = control.putMultiRegionAccessPointPolicy({ AccountId, Details: { Name, Policy: open } });
  await refused(blocked, 'AccessDenied', undefined, 403);
  const broken = control.putMultiRegionAccessPointPolicy({ AccountId, Details: { Name, Policy: 'x' } });
  await refused(broken, 'MalformedPolicy', undefined, 400);

  const gone = await control.deleteMultiRegionAccessPoint({ AccountId, Details: { Name } });
  await refused(root.getObject({ Bucket: arn, Key: 'in/a' }), 'NoSuchMultiRegionAccessPoint', undefined, 404);
  await finished(gone.RequestTokenARN);
  const missing = 'The specified Multi-Region Access Point does not exist.';
  await refused(control.getMultiRegionAccessPoint({ AccountId, Name }), 'NoSuchMultiRegionAccessPoint', missing, 404);
}, 30_000);

test('requests go to the nearest active Region, fail over by a route, and by themselves when a Region is lost', async () => {
  const { account, control, AccountId, buckets, sides, arn, alias } = await entrance();
  const client = globalClient(account.config());
  let sent = 0;
  const servedBy = async (): Promise<Region | undefined> => {
    sent += 1;
    const Key = `k-${sent}`;
    await client.putObject({ Bucket: arn, Key, Body: 'x' });
    for (const region of regions) {
      const found = await sides[region].headObject({ Bucket: buckets[region], Key }).then(
        () => true,
        () => false,
      );
      if (found) return region;
    }
    return undefined;
  };
  const dial = (region: Region, TrafficDialPercentage: number, at: 'us-east-1' | 'eu-west-1' = 'us-east-1') =>
    controlOf(account, { region: at }).submitMultiRegionAccessPointRoutes({
      AccountId,
      Mrap: arn,
      RouteUpdates: [{ Region: region, TrafficDialPercentage }],
    });
  expect(await servedBy()).toBe('us-east-1');
  const seoul = { cidr: '127.0.0.0/8', continent: 'AS', country: 'KR', latitude: 37.5, longitude: 127 };
  await admin('POST', 'places', { places: [seoul] }, cloud.endpoint);
  expect(await servedBy()).toBe('ap-northeast-2');

  await dial('ap-northeast-2', 0);
  expect(await servedBy()).toBe('eu-west-1');
  const { Routes } = await controlOf(account).getMultiRegionAccessPointRoutes({ AccountId, Mrap: arn });
  expect(Routes?.map((route) => route.TrafficDialPercentage)).toEqual([100, 100, 0]);
  await dial('us-east-1', 0, 'eu-west-1');
  await refused(dial('eu-west-1', 0), 'InvalidRequest', 'At least one Region must be active.', 400);
  await refused(dial('eu-west-1', 50), 'InvalidRequest', 'The traffic dial percentage must be 0 or 100.', 400);
  await refused(dial('us-west-1' as Region, 100), 'InvalidRequest', /has no route to us-west-1/, 400);
  for (const region of regions) await dial(region, 100);

  // The loss of a Region, as its clients see it: the next request goes elsewhere.
  expect(await servedBy()).toBe('ap-northeast-2');
  await admin('POST', 'chaos/region', { region: 'ap-northeast-2', down: true }, cloud.endpoint);
  const began = performance.now();
  await client.putObject({ Bucket: arn, Key: 'after', Body: 'x' });
  expect(performance.now() - began).toBeLessThan(10_000);
  expect(await textOf(sides['eu-west-1'], { Bucket: buckets['eu-west-1'], Key: 'after' })).toBe('x');
  await admin('POST', 'chaos/region', { region: 'ap-northeast-2', down: false }, cloud.endpoint);
  expect(await servedBy()).toBe('ap-northeast-2');

  // What goes to buckets only, and what is signed for one Region.
  await refused(client.getBucketTagging({ Bucket: arn }), 'MethodNotAllowed', undefined, 405);
  const { UploadId } = await client.createMultipartUpload({ Bucket: arn, Key: 'parts' });
  const part = await client.uploadPart({ Bucket: arn, Key: 'parts', UploadId, PartNumber: 1, Body: 'part' });
  const MultipartUpload = { Parts: [{ ETag: part.ETag, PartNumber: 1 }] };
  await client.completeMultipartUpload({ Bucket: arn, Key: 'parts', UploadId, MultipartUpload });
  expect(await textOf(client, { Bucket: arn, Key: 'parts' })).toBe('part');
  expect((await client.listObjectsV2({ Bucket: arn, Prefix: 'parts' })).KeyCount).toBe(1);
  const text = 'The authorization mechanism you have provided is not supported. Please use AWS4-ECDSA-P256-SHA256.';
  await refused(sides['us-east-1'].listObjectsV2({ Bucket: alias }), 'InvalidRequest', text, 400);
  const wrong = globalClient(account.config({ credentials: { accessKeyId: 'AKIAIOSFODNN7EXAMPLE', secretAccessKey: 'no' } }));
  await refused(wrong.listObjectsV2({ Bucket: arn }), 'InvalidAccessKeyId', undefined, 403);
  const user = await new IAM(account.config()).createUser({ UserName: 'liar' });
  const { AccessKey } = await new IAM(account.config()).createAccessKey({ UserName: user.User?.UserName });
  const liar = globalClient(account.configFor({ ...AccessKey, SecretAccessKey: 'x'.repeat(40) }));
  await refused(liar.listObjectsV2({ Bucket: arn }), 'SignatureDoesNotMatch', undefined, 403);
  const absent = arn.replace(alias, 'aaaaaaaaaaaaa.mrap');
  await refused(client.listObjectsV2({ Bucket: absent }), 'NoSuchMultiRegionAccessPoint', undefined, 404);
  expect((await control.getMultiRegionAccessPointRoutes({ AccountId, Mrap: alias })).Routes).toHaveLength(3);
}, 60_000);

test('entrances that cannot be are refused', async () => {
  const { account, control, AccountId, Name, buckets, finished } = await entrance();
  const create = (more: object, by = control) =>
    by.createMultiRegionAccessPoint({
      AccountId,
      Details: { Name: 'another', Regions: [{ Bucket: buckets['us-east-1'] }], ...more },
    });
  const elsewhere = /^This API operation is only available in the following Regions: us-west-2\./;
  await refused(create({}, controlOf(account)), 'PermanentRedirect', elsewhere, 301);
  const far = controlOf(account, { region: 'sa-east-1' }).getMultiRegionAccessPointRoutes({ AccountId, Mrap: 'x.mrap' });
  await refused(far, 'PermanentRedirect', /ap-northeast-1,ap-southeast-2,eu-west-1,us-east-1,us-west-2/, 301);
  await refused(create({ Name: 'Big' }), 'InvalidRequest', 'Your Multi-Region Access Point name is invalid', 400);
  await refused(create({ Regions: [] }), 'InvalidRequest', /must have between 1 and 17 buckets/, 400);
  await refused(create({ Name }), 'MultiRegionAccessPointAlreadyOwnedByYou', undefined, 409);
  const other = control.listMultiRegionAccessPoints({ AccountId: '123456789012' });
  await refused(other, 'AccessDenied', undefined, 403);
  const RequestTokenARN = `arn:aws:s3:us-west-2:${AccountId}:async-request/mrap/create/none`;
  const unknown = control.describeMultiRegionAccessPointOperation({ AccountId, RequestTokenARN });
  await refused(unknown, 'NoSuchAsyncRequest', 'The specified async request does not exist.', 404);
  // What is wrong with the buckets is found later.
  const { RequestTokenARN: failing } = await create({ Regions: [{ Bucket: 'nobodys-bucket-at-all' }] });
  await finished(failing, 'FAILED');
  const { AsyncOperation } = await control.describeMultiRegionAccessPointOperation({ AccountId, RequestTokenARN: failing });
  expect(AsyncOperation?.ResponseDetails?.ErrorDetails?.Code).toBe('NoSuchBucket');
  expect(AsyncOperation?.RequestParameters?.CreateMultiRegionAccessPointRequest?.Name).toBe('another');
  await refused(
    control.getMultiRegionAccessPoint({ AccountId, Name: 'another' }),
    'NoSuchMultiRegionAccessPoint',
    undefined,
    404,
  );
}, 30_000);
