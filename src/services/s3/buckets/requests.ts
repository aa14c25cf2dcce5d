/** Who pays for requests, and whether they may come by an edge location. */
import type { S3 } from '@aws-sdk/client-s3';
import type { AuthorisationsOf, HandlersOf } from '../../../kernel/service.ts';
import { bucketCheck } from '../access/checks.ts';
import { malformedXml } from '../errors.ts';
import { requireBucket } from '../lookup.ts';
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

  /** There are no edge locations here; what can be said truly is that it is off. */
  async GetBucketAccelerateConfiguration(input, ctx) {
    await requireBucket(ctx, input);
    return {};
  },

  /** Access logs are not delivered; a bucket has none, and asking for them (PutBucketLogging) is refused. */
  async GetBucketLogging(input, ctx) {
    await requireBucket(ctx, input);
    return {};
  },
};

export const requestChecks: AuthorisationsOf<S3> = {
  PutBucketRequestPayment: async (input, ctx) => [await bucketCheck(ctx, input)],
  GetBucketRequestPayment: async (input, ctx) => [await bucketCheck(ctx, input)],
  GetBucketAccelerateConfiguration: async (input, ctx) => [await bucketCheck(ctx, input)],
  GetBucketLogging: async (input, ctx) => [await bucketCheck(ctx, input)],
};
