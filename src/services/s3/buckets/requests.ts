/** Who pays for requests, and whether they may come by an edge location. */
import type { S3 } from '@aws-sdk/client-s3';
import type { Context } from '../../../kernel/context.ts';
import type { AuthorisationsOf, HandlersOf } from '../../../kernel/service.ts';
import { bucketCheck } from '../access/checks.ts';
import { invalidRequest, malformedXml } from '../errors.ts';
import { type BucketAsk, findBucket, requireBucket } from '../lookup.ts';
import { changeBucket } from './settings.ts';

export const requestHandlers: HandlersOf<S3> = {
  async PutBucketRequestPayment(input, ctx) {
    const payer = input.RequestPaymentConfiguration?.Payer;
    if (payer !== 'Requester' && payer !== 'BucketOwner') throw malformedXml();
    await changeBucket(ctx, input, (row) => ({ ...row, requesterPays: payer === 'Requester' }));
    return {};
  },

  async GetBucketRequestPayment(input, ctx) {
    return { Payer: (await requireBucket(ctx, input)).requesterPays ? 'Requester' : 'BucketOwner' };
  },

  /** Without a status until it has been set once. */
  async GetBucketAccelerateConfiguration(input, ctx) {
    const { acceleration } = await requireBucket(ctx, input);
    return acceleration === undefined ? {} : { Status: acceleration };
  },

  /** Opens or closes BUCKET.s3-accelerate. The way there is the same as to the Region: this machine has no edge locations. */
  async PutBucketAccelerateConfiguration(input, ctx) {
    const status = input.AccelerateConfiguration?.Status;
    if (status !== 'Enabled' && status !== 'Suspended') throw malformedXml();
    const { name } = await requireBucket(ctx, input);
    if (name.includes('.'))
      throw invalidRequest('S3 Transfer Acceleration is not supported for buckets with periods (.) in their names');
    await changeBucket(ctx, input, (row) => ({ ...row, acceleration: status }));
    return {};
  },
};

/** Refuses a request at the accelerated endpoint of a bucket that has none. Throws InvalidRequest ("Requirements for using Transfer Acceleration"). */
export async function checkAcceleration(ctx: Context, ask: BucketAsk): Promise<void> {
  if (ask.Bucket === undefined || !isAccelerated(ctx)) return;
  if ((await findBucket(ctx, { Bucket: ask.Bucket })).acceleration === 'Enabled') return;
  throw invalidRequest('S3 Transfer Acceleration is not configured on this bucket');
}

/** Whether a request came to BUCKET.s3-accelerate. */
export function isAccelerated(ctx: Context): boolean {
  return ctx.caller.endpoint?.includes('.s3-accelerate.') === true;
}

export const requestChecks: AuthorisationsOf<S3> = {
  PutBucketRequestPayment: async (input, ctx) => [await bucketCheck(ctx, input)],
  GetBucketRequestPayment: async (input, ctx) => [await bucketCheck(ctx, input)],
  PutBucketAccelerateConfiguration: async (input, ctx) => [await bucketCheck(ctx, input)],
  GetBucketAccelerateConfiguration: async (input, ctx) => [await bucketCheck(ctx, input)],
};
