/** The console's S3 pages: buckets, and the objects of one. */
import type { ListBucketsOutput, ListObjectsV2Output } from '@aws-sdk/client-s3';
import type { Caller } from '../kernel/caller.ts';
import type { Kernel } from '../kernel/kernel.ts';
import { base, bucketPage, bucketsPage } from './pages.ts';
import { type Answer, goTo, invoke, shown, type Visit, wordsOf } from './visit.ts';

/** Buckets answer by their own Region; the list of them, by any. */
const listRegion = 'us-east-1';
/** Buckets that a page shows: the most that one answer holds. Asked for in so many words, S3 tells their Regions too. */
const bucketsMax = 10_000;
/** Objects that a page shows. */
const objectsMax = 1000;

async function listBuckets(kernel: Kernel, caller: Caller): Promise<NonNullable<ListBucketsOutput['Buckets']>> {
  return (
    ((await invoke(kernel, ['s3', 'ListBuckets'], listRegion, caller, { MaxBuckets: bucketsMax })) as ListBucketsOutput)
      .Buckets ?? []
  );
}

/** All buckets of the account, each with a way to delete it. */
export async function showBuckets(kernel: Kernel, caller: Caller, refused?: string): Promise<Answer> {
  const failures = refused === undefined ? [] : [refused];
  const buckets = await listBuckets(kernel, caller).catch((error) => {
    failures.push(wordsOf(error));
    return [];
  });
  return shown(bucketsPage(caller, buckets, failures), failures.length > 0 ? 403 : 200);
}

/** Deletes the bucket that the form names; S3 refuses one that is not empty. */
export async function deleteBucket(kernel: Kernel, caller: Caller, { form }: Visit): Promise<Answer> {
  const name = form.get('bucket') ?? '';
  try {
    const region = (await listBuckets(kernel, caller)).find(({ Name }) => Name === name)?.BucketRegion ?? listRegion;
    await invoke(kernel, ['s3', 'DeleteBucket'], region, caller, { Bucket: name });
  } catch (error) {
    return showBuckets(kernel, caller, wordsOf(error));
  }
  return goTo(`${base}/s3/buckets`);
}

/** The objects of the bucket that the address names. */
export async function showObjects(kernel: Kernel, caller: Caller, { url }: Visit): Promise<Answer> {
  const name = url.searchParams.get('name') ?? '';
  try {
    const region = (await listBuckets(kernel, caller)).find(({ Name }) => Name === name)?.BucketRegion ?? listRegion;
    const input = { Bucket: name, MaxKeys: objectsMax };
    const found = (await invoke(kernel, ['s3', 'ListObjectsV2'], region, caller, input)) as ListObjectsV2Output;
    return shown(bucketPage(caller, name, found.Contents ?? []));
  } catch (error) {
    return shown(bucketPage(caller, name, [], wordsOf(error)), 403);
  }
}
