/** Loss of a zone, in a cloud of one's own: what lies in one zone only, and what does not. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { admin, freshAccount, type OwnCloud, refused, startOwnCloud } from '../../support/cloud.ts';
import { clientOf, freshName, textOf } from './support.ts';

let cloud: OwnCloud;
beforeAll(async () => {
  cloud = await startOwnCloud();
}, 40_000);
afterAll(() => cloud.stop());

const setZone = (zone: string, down: boolean) => admin('POST', 'chaos/zone', { zone, down }, cloud.endpoint);
const lost = 'Service is unable to handle request.';

test('S3-028 objects of One Zone-IA are out of reach while their zone is down, all others are read', async () => {
  const account = freshAccount(cloud.endpoint);
  const s3 = clientOf(account, { region: 'ap-northeast-2' });
  const Bucket = freshName(account);
  await s3.createBucket({ Bucket, CreateBucketConfiguration: { LocationConstraint: 'ap-northeast-2' } });
  const keys = Array.from({ length: 24 }, (_, index) => `key-${index}`);
  for (const StorageClass of ['STANDARD', 'STANDARD_IA', 'ONEZONE_IA'] as const)
    for (const key of keys) await s3.putObject({ Bucket, Key: `${StorageClass}/${key}`, Body: key, StorageClass });
  const readable = async (prefix: string): Promise<string[]> => {
    const found: string[] = [];
    for (const key of keys) {
      const read = textOf(s3, { Bucket, Key: `${prefix}/${key}` });
      const text = await read.catch(() => undefined);
      if (text === key) found.push(key);
      else await refused(read, 'ServiceUnavailable', lost, 503);
    }
    return found;
  };
  const held: string[] = [];
  for (const zone of ['a', 'b', 'c', 'd'].map((letter) => `ap-northeast-2${letter}`)) {
    await setZone(zone, true);
    for (const prefix of ['STANDARD', 'STANDARD_IA']) expect(await readable(prefix)).toEqual(keys);
    const left = await readable('ONEZONE_IA');
    const missing = keys.filter((key) => !left.includes(key));
    expect(missing.length).toBeGreaterThan(0);
    held.push(...missing);
    // What is written now goes to a zone that works, and a copy of what is lost cannot be made.
    for (const key of ['new-1', 'new-2', 'new-3', 'new-4']) {
      await s3.putObject({ Bucket, Key: `${zone}-${key}`, Body: key, StorageClass: 'ONEZONE_IA' });
      expect(await textOf(s3, { Bucket, Key: `${zone}-${key}` })).toBe(key);
    }
    const CopySource = `${Bucket}/ONEZONE_IA/${missing[0]}`;
    await refused(s3.copyObject({ Bucket, Key: 'copy', CopySource }), 'ServiceUnavailable', lost, 503);
    await setZone(zone, false);
    expect(await readable('ONEZONE_IA')).toEqual(keys);
  }
  // Every object is in exactly one zone.
  expect(held.sort()).toEqual([...keys].sort());
});
