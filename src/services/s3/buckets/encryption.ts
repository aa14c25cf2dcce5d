/** Default encryption of a bucket ("Setting default server-side encryption behavior for Amazon S3 buckets"). */
import type { S3, ServerSideEncryptionRule } from '@aws-sdk/client-s3';
import type { AuthorisationsOf, HandlersOf } from '../../../kernel/service.ts';
import { bucketCheck } from '../access/checks.ts';
import { invalidArgument, malformedXml } from '../errors.ts';
import { requireBucket } from '../lookup.ts';
import type { DefaultEncryption } from '../state.ts';
import { changeBucket } from './settings.ts';

/** What a new bucket has: SSE-S3, and SSE-C blocked. */
export const firstEncryption: DefaultEncryption = { algorithm: 'AES256', bucketKey: false, blocksCustomerKeys: true };

function readRule(rule: ServerSideEncryptionRule, before: DefaultEncryption): DefaultEncryption {
  const { SSEAlgorithm: algorithm = before.algorithm, KMSMasterKeyID: kmsKeyId } = rule.ApplyServerSideEncryptionByDefault ?? {};
  if (algorithm !== 'AES256' && algorithm !== 'aws:kms' && algorithm !== 'aws:kms:dsse') throw malformedXml();
  if (algorithm === 'AES256' && kmsKeyId !== undefined) {
    throw invalidArgument('a KMSMasterKeyID is not applicable if the default sse algorithm is not aws:kms or aws:kms:dsse');
  }
  const blocked = rule.BlockedEncryptionTypes?.EncryptionType;
  const blocksCustomerKeys = blocked === undefined ? before.blocksCustomerKeys : blocked.includes('SSE-C');
  return { algorithm, kmsKeyId, bucketKey: rule.BucketKeyEnabled === true, blocksCustomerKeys };
}

export const encryptionHandlers: HandlersOf<S3> = {
  async PutBucketEncryption(input, ctx) {
    const rules = input.ServerSideEncryptionConfiguration?.Rules ?? [];
    const rule = rules[0];
    if (rules.length !== 1 || rule === undefined) throw malformedXml();
    await changeBucket(ctx, input, (row) => ({ ...row, encryption: readRule(rule, row.encryption) }));
    return {};
  },

  async GetBucketEncryption(input, ctx) {
    const { encryption } = await requireBucket(ctx, input);
    const { algorithm, kmsKeyId, bucketKey, blocksCustomerKeys } = encryption;
    const byDefault = { SSEAlgorithm: algorithm, ...(kmsKeyId === undefined ? {} : { KMSMasterKeyID: kmsKeyId }) };
    const rule: ServerSideEncryptionRule = {
      ApplyServerSideEncryptionByDefault: byDefault,
      BucketKeyEnabled: bucketKey,
      BlockedEncryptionTypes: { EncryptionType: [blocksCustomerKeys ? 'SSE-C' : 'NONE'] },
    };
    return { ServerSideEncryptionConfiguration: { Rules: [rule] } };
  },

  /** There is no bucket without encryption: the default of new buckets comes back. */
  async DeleteBucketEncryption(input, ctx) {
    await changeBucket(ctx, input, (row) => ({ ...row, encryption: firstEncryption }));
    return {};
  },
};

export const encryptionChecks: AuthorisationsOf<S3> = {
  PutBucketEncryption: async (input, ctx) => [await bucketCheck(ctx, input)],
  GetBucketEncryption: async (input, ctx) => [await bucketCheck(ctx, input)],
  DeleteBucketEncryption: async (input, ctx) => [await bucketCheck(ctx, input)],
};
