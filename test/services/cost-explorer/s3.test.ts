/** What S3 costs, as Cost Explorer shows it, by the clock of a cloud of one's own. */
import { CostExplorer, type Expression } from '@aws-sdk/client-cost-explorer';
import { S3Control } from '@aws-sdk/client-s3-control';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { advanceClock, eventually, freshAccount, type OwnCloud, refused, startOwnCloud } from '../../support/cloud.ts';
import { clientOf, freshName } from '../s3/support.ts';
import { dayFrom, hour, usageOf } from './support.ts';

const mebibyte = 1024 * 1024;
type StorageClass = 'STANDARD' | 'STANDARD_IA' | 'GLACIER_IR' | 'GLACIER' | 'DEEP_ARCHIVE';

let cloud: OwnCloud;
beforeAll(async () => {
  cloud = await startOwnCloud();
}, 40_000);
afterAll(() => cloud.stop());

async function ownBucket() {
  const account = freshAccount(cloud.endpoint);
  const s3 = clientOf(account);
  const costs = new CostExplorer(account.config());
  const Bucket = freshName(account);
  await s3.createBucket({ Bucket });
  const usage = (Filter?: Expression) => usageOf(account, Filter);
  const put = (Key: string, Class: StorageClass = 'STANDARD') =>
    s3.putObject({ Bucket, Key, StorageClass: Class, Body: Buffer.alloc(mebibyte, Key) });
  const get = async (Key: string, from = Bucket, Range?: string) =>
    (await (await s3.getObject({ Bucket: from, Key, Range })).Body?.transformToByteArray())?.length;
  return { account, s3, costs, Bucket, usage, put, get };
}

const storageOf = {
  STANDARD: 'ByteHrs',
  STANDARD_IA: 'SIA-ByteHrs',
  GLACIER_IR: 'GIR-ByteHrs',
  GLACIER: 'GlacierByteHrs',
  DEEP_ARCHIVE: 'GDA-ByteHrs',
};
const codes = { STANDARD: '', STANDARD_IA: 'SIA-', GLACIER_IR: 'GIR-', GLACIER: 'GLACIER-', DEEP_ARCHIVE: 'GDA-' };
const classes = Object.keys(storageOf) as StorageClass[];

test('S3-029 GLAC-006 the faster a class, the dearer its storage and the cheaper its requests; deep archives come back last', async () => {
  const { s3, Bucket, usage, put, get } = await ownBucket();
  for (const name of classes) for (let i = 0; i < 4; i += 1) await put(`${name}/${i}`, name);
  await advanceClock(cloud.endpoint, 24 * hour);
  const found = await eventually(
    async () => {
      const figures = await usage();
      for (const name of classes) {
        expect(figures.get(`TimedStorage-${storageOf[name]}`)?.unit).toBe('GB-Mo');
        expect(figures.get(`Requests-${codes[name]}Tier1`)?.amount).toBe(name === 'STANDARD' ? 5 : 4);
      }
      return figures;
    },
    { why: 'a day of storage and the requests are metered' },
  );
  const storage = classes.map((name) => found.get(`TimedStorage-${storageOf[name]}`)!);
  const bytes = storage.map(({ amount }) => amount);
  // Amounts are rounded to ten decimals.
  expect(bytes.every((amount) => Math.abs(amount - bytes[0]!) < 1e-9 && amount > 1e-4)).toBe(true);
  const falling = storage.map(({ cost }) => cost);
  expect(falling).toEqual([...falling].sort((a, b) => b - a));
  expect(new Set(falling).size).toBe(classes.length);
  const rising = classes.map((name) => {
    const { cost, amount } = found.get(`Requests-${codes[name]}Tier1`)!;
    return cost / amount;
  });
  expect(rising).toEqual([...rising].sort((a, b) => a - b));
  expect(new Set(rising).size).toBe(classes.length);

  const archived = ['GLACIER', 'DEEP_ARCHIVE'] as const;
  const RestoreRequest = { Days: 2, GlacierJobParameters: { Tier: 'Standard' as const } };
  for (const name of archived) await s3.restoreObject({ Bucket, Key: `${name}/0`, RestoreRequest });
  await advanceClock(cloud.endpoint, 5 * hour);
  expect(await get('GLACIER/0')).toBe(mebibyte);
  await refused(get('DEEP_ARCHIVE/0'), 'InvalidObjectState');
  await advanceClock(cloud.endpoint, 7 * hour);
  expect(await get('DEEP_ARCHIVE/0')).toBe(mebibyte);
});

test('S3-030 GLAC-002 infrequent classes charge for what is read, Glacier Instant Retrieval more than Standard-IA', async () => {
  const { s3, Bucket, usage, put, get } = await ownBucket();
  for (const name of classes) await put(name, name);
  const before = performance.now();
  expect(await get('GLACIER_IR')).toBe(mebibyte);
  expect(performance.now() - before).toBeLessThan(1000);
  for (const name of ['STANDARD', 'STANDARD_IA'] as const) expect(await get(name)).toBe(mebibyte);
  expect(await get('STANDARD_IA', Bucket, 'bytes=0-524287')).toBe(mebibyte / 2);
  await refused(get('GLACIER'), 'InvalidObjectState');
  await s3.restoreObject({ Bucket, Key: 'GLACIER', RestoreRequest: { Days: 1, GlacierJobParameters: { Tier: 'Standard' } } });
  await advanceClock(cloud.endpoint, 24 * hour);
  const found = await eventually(
    async () => {
      const figures = await usage();
      expect(figures.get('Requests-Tier2')?.amount).toBe(1);
      expect(figures.get('Standard-Retrieval-Bytes')?.amount).toBeCloseTo(1 / 1024);
      expect(figures.get('TimedStorage-GIR-ByteHrs')).toBeDefined();
      return figures;
    },
    { why: 'all is metered' },
  );
  expect(found.get('Retrieval-SIA')?.amount).toBeCloseTo(1.5 / 1024, 6);
  expect(found.get('Retrieval-GIR')?.amount).toBeCloseTo(1 / 1024, 6);
  const retrievals = [...found.keys()].filter((key) => key.includes('Retrieval'));
  expect(retrievals.sort()).toEqual(['Retrieval-GIR', 'Retrieval-SIA', 'Standard-Retrieval-Bytes']);
  const rate = (key: string) => found.get(key)!.cost / found.get(key)!.amount;
  expect(rate('Retrieval-GIR')).toBeGreaterThan(rate('Retrieval-SIA'));
  expect(rate('TimedStorage-GIR-ByteHrs')).toBeLessThan(rate('TimedStorage-SIA-ByteHrs'));
});

test('S3-021 requests through an access point are ordinary requests, and the access point costs nothing', async () => {
  const { account, Bucket, usage, put, get } = await ownBucket();
  const control = new S3Control({
    ...account.config(),
    // The client would put the account's number before the address.
    endpointProvider: () => ({ url: new URL(cloud.endpoint) }),
    disableHostPrefix: true,
  });
  const { Alias = '' } = await control.createAccessPoint({ AccountId: account.id, Name: 'entrance', Bucket });
  await put('k');
  for (let i = 0; i < 3; i += 1) expect(await get('k', Alias)).toBe(mebibyte);
  expect(await get('k')).toBe(mebibyte);
  await advanceClock(cloud.endpoint, 24 * hour);
  await eventually(
    async () => {
      const figures = await usage();
      expect([...figures.keys()].sort()).toEqual(['Requests-Tier1', 'Requests-Tier2', 'TimedStorage-ByteHrs']);
      expect(figures.get('Requests-Tier2')).toMatchObject({ amount: 4, unit: 'Requests' });
      // CreateBucket and PutObject.
      expect(figures.get('Requests-Tier1')?.amount).toBe(2);
    },
    { why: 'four requests are metered' },
  );
});

test('cost and usage come by day or month, grouped and filtered; what is not known is refused', async () => {
  const { costs, usage, put, get, account } = await ownBucket();
  await put('a');
  await get('a');
  await eventually(async () => expect((await usage()).get('Requests-Tier2')?.amount).toBe(1), { why: 'a read is metered' });
  expect([...(await usage({ Dimensions: { Key: 'OPERATION', Values: ['GetObject'] } })).keys()]).toEqual(['Requests-Tier2']);
  const not = { Not: { Dimensions: { Key: 'SERVICE' as const, Values: ['Amazon Simple Storage Service'] } } };
  expect((await usage(not)).size).toBe(0);
  const TimePeriod = { Start: dayFrom(-3), End: dayFrom(10) };
  const daily = await costs.getCostAndUsage({
    TimePeriod,
    Granularity: 'DAILY',
    Metrics: ['UnblendedCost'],
    GroupBy: [
      { Type: 'DIMENSION', Key: 'REGION' },
      { Type: 'DIMENSION', Key: 'LINKED_ACCOUNT' },
    ],
  });
  expect(daily.ResultsByTime).toHaveLength(13);
  const keys = daily.ResultsByTime?.flatMap(({ Groups = [] }) => Groups.map((group) => group.Keys));
  expect(new Set(keys?.map(String))).toEqual(new Set([`us-east-1,${account.id}`]));
  const { ResultsByTime: [whole] = [] } = await costs.getCostAndUsage({
    TimePeriod: { Start: TimePeriod.Start, End: dayFrom(-2) },
    Granularity: 'DAILY',
    Metrics: ['UnblendedCost'],
  });
  expect(whole?.Total).toEqual({ UnblendedCost: { Amount: '0', Unit: 'USD' } });

  const ask = (over: object) => costs.getCostAndUsage({ TimePeriod, Granularity: 'DAILY', Metrics: ['UnblendedCost'], ...over });
  const backwards = { TimePeriod: { Start: TimePeriod.End, End: TimePeriod.Start } };
  await refused(ask(backwards), 'ValidationException', 'Start date (and hour) should be before end date (and hour)', 400);
  await refused(ask({ Metrics: [] }), 'ValidationException', 'At least one metric must be specified.');
  await refused(ask({ Granularity: 'HOURLY' }), 'NotImplemented', undefined, 501);
  await refused(ask({ GroupBy: [{ Type: 'TAG', Key: 'team' }] }), 'NotImplemented');
  await refused(ask({ NextPageToken: 'x' }), 'InvalidNextTokenException', 'The pagination token is invalid.');
});
