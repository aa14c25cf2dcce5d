/** Listings: order, prefixes, pages, encodings, versions. */
import { beforeAll, describe, expect, test } from 'vitest';
import { refused } from '../../support/cloud.ts';
import { freshBucket, type TestBucket } from './support.ts';

async function putAll({ s3, Bucket }: TestBucket, keys: readonly string[]): Promise<void> {
  for (let from = 0; from < keys.length; from += 50) {
    await Promise.all(keys.slice(from, from + 50).map((Key) => s3.putObject({ Bucket, Key, Body: 'x' })));
  }
}

describe('a listing', () => {
  test('is in the order of UTF-8 bytes', async () => {
    const at = await freshBucket();
    const keys = ['Z', 'a', 'z', 'é', '\u{ffee}', '😀', 'a/b', 'a-b', 'a0', ' '];
    await putAll(at, keys);
    const listed = (await at.s3.listObjectsV2({ Bucket: at.Bucket, EncodingType: 'url' })).Contents ?? [];
    const decoded = listed.map(({ Key }) => decodeURIComponent((Key ?? '').replaceAll('+', ' ')));
    expect(decoded).toEqual([...keys].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b))));
  });

  test('S3-005 of thousands of keys comes in pages of at most 1,000', async () => {
    const at = await freshBucket();
    const { s3, Bucket } = at;
    const keys = Array.from({ length: 2300 }, (_, index) => `key-${String(index).padStart(5, '0')}`);
    await putAll(at, keys);
    const seen: string[] = [];
    const sizes: number[] = [];
    let ContinuationToken: string | undefined;
    do {
      const page = await s3.listObjectsV2({ Bucket, ContinuationToken, MaxKeys: 5000 });
      seen.push(...(page.Contents ?? []).map(({ Key }) => Key ?? ''));
      sizes.push(page.KeyCount ?? 0);
      ContinuationToken = page.NextContinuationToken;
    } while (ContinuationToken !== undefined);
    expect(seen).toEqual(keys);
    expect(sizes).toEqual([1000, 1000, 300]);
  }, 60_000);
});

describe('of a tree of keys a listing', () => {
  let at: TestBucket;
  const keys: string[] = [];
  beforeAll(async () => {
    at = await freshBucket();
    for (let folder = 0; folder < 7; folder += 1) for (let file = 0; file < 12; file += 1) keys.push(`d${folder}/f${file}`);
    keys.push('d3', 'd3-', 'top', 'd\u{10ffff}/x', `d1/\u{10ffff}`);
    await putAll(at, keys);
  });

  /** What any listing must give, by its definition. */
  function expected(prefix: string, delimiter: string, after: string): string[] {
    const order = (a: string, b: string): number => Buffer.compare(Buffer.from(a), Buffer.from(b));
    const entries = new Set<string>();
    for (const key of [...keys].sort(order)) {
      if (!key.startsWith(prefix) || order(key, after) <= 0) continue;
      const cut = delimiter === '' ? -1 : key.indexOf(delimiter, prefix.length);
      entries.add(cut < 0 ? key : key.slice(0, cut + delimiter.length));
    }
    return [...entries].sort(order);
  }

  test.each([
    ['', '', 1000],
    ['', '/', 1000],
    ['', '/', 1],
    ['', '/', 3],
    ['d', '/', 2],
    ['d3', '/', 2],
    ['d3/', '/', 5],
    ['d3/f1', '', 1],
    ['', 'f', 4],
    ['none', '/', 10],
    ['d1/', '', 4],
  ])('with prefix %j, delimiter %j and pages of %d gives each entry once', async (Prefix, Delimiter, MaxKeys) => {
    const { s3, Bucket } = at;
    const v2: string[] = [];
    let ContinuationToken: string | undefined;
    do {
      const page = await s3.listObjectsV2({ Bucket, Prefix, Delimiter, MaxKeys, ContinuationToken });
      const rows = [
        ...(page.Contents ?? []).map(({ Key }) => Key ?? ''),
        ...(page.CommonPrefixes ?? []).map((one) => one.Prefix ?? ''),
      ];
      expect(rows.length).toBeLessThanOrEqual(MaxKeys);
      expect(page.KeyCount).toBe(rows.length);
      v2.push(...rows);
      ContinuationToken = page.NextContinuationToken;
    } while (ContinuationToken !== undefined);
    expect(v2.toSorted()).toEqual(expected(Prefix, Delimiter, '').toSorted());
    const v1: string[] = [];
    let Marker: string | undefined;
    for (;;) {
      const page = await s3.listObjects({ Bucket, Prefix, Delimiter, MaxKeys, Marker });
      v1.push(
        ...(page.Contents ?? []).map(({ Key }) => Key ?? ''),
        ...(page.CommonPrefixes ?? []).map((one) => one.Prefix ?? ''),
      );
      if (page.IsTruncated !== true) break;
      Marker = page.NextMarker ?? page.Contents?.at(-1)?.Key;
    }
    expect(v1.toSorted()).toEqual(expected(Prefix, Delimiter, '').toSorted());
  });

  test('starts after a key', async () => {
    const { s3, Bucket } = at;
    const page = await s3.listObjectsV2({ Bucket, StartAfter: 'd5/f9' });
    expect(page.Contents?.map(({ Key }) => Key)).toEqual(expected('', '', 'd5/f9'));
  });

  test('refuses what it cannot do', async () => {
    const { s3, Bucket } = at;
    await refused(
      s3.listObjectsV2({ Bucket, ContinuationToken: 'x' }),
      'InvalidArgument',
      'The continuation token provided is incorrect',
      400,
    );
    await refused(
      s3.listObjectsV2({ Bucket, MaxKeys: -1 }),
      'InvalidArgument',
      /must be an integer between 0 and 2147483647$/,
      400,
    );
    await refused(
      s3.listObjectsV2({ Bucket, EncodingType: 'x' as 'url' }),
      'InvalidArgument',
      'Invalid Encoding Method specified in Request',
      400,
    );
    await refused(s3.listObjectsV2({ Bucket: `${Bucket}-none` }), 'NoSuchBucket', 'The specified bucket does not exist', 404);
    expect(await s3.listObjectsV2({ Bucket, MaxKeys: 0 })).toMatchObject({ KeyCount: 0, IsTruncated: false });
  });
});

describe('of versions', () => {
  test.each([1, 2, 3, 1000])('a listing in pages of %d gives each once, newest first', async (MaxKeys) => {
    const { s3, Bucket } = await freshBucket();
    await s3.putBucketVersioning({ Bucket, VersioningConfiguration: { Status: 'Enabled' } });
    const wanted: string[] = [];
    for (const Key of ['a', 'b', 'dir/c']) {
      const ids: string[] = [];
      for (let count = 0; count < 3; count += 1) ids.unshift((await s3.putObject({ Bucket, Key, Body: 'x' })).VersionId ?? '');
      if (Key === 'b') ids.unshift((await s3.deleteObject({ Bucket, Key })).VersionId ?? '');
      wanted.push(...ids.map((id) => `${Key} ${id}`));
    }
    const seen: string[] = [];
    let markers: { KeyMarker?: string; VersionIdMarker?: string } = {};
    for (;;) {
      const page = await s3.listObjectVersions({ Bucket, MaxKeys, ...markers });
      const all = [...(page.Versions ?? []), ...(page.DeleteMarkers ?? [])].map(({ Key, VersionId }) => `${Key} ${VersionId}`);
      seen.push(...all.sort((x, y) => wanted.indexOf(x) - wanted.indexOf(y)));
      if (page.IsTruncated !== true) break;
      markers = {
        KeyMarker: page.NextKeyMarker ?? '',
        ...(page.NextVersionIdMarker === undefined ? {} : { VersionIdMarker: page.NextVersionIdMarker }),
      };
    }
    expect(seen).toEqual(wanted);
    const rolled = await s3.listObjectVersions({ Bucket, Delimiter: '/' });
    expect(rolled.CommonPrefixes).toEqual([{ Prefix: 'dir/' }]);
    const latest = [...(rolled.Versions ?? []), ...(rolled.DeleteMarkers ?? [])].filter(({ IsLatest }) => IsLatest);
    expect(latest).toHaveLength(2);
  });
});
