/** Versioning, MFA delete and object lock of a bucket ("Using versioning in S3 buckets", "Configuring MFA delete", "Locking objects with Object Lock"). */
import type { ObjectLockRule, S3 } from '@aws-sdk/client-s3';
import type { AuthorisationsOf, HandlersOf } from '../../../kernel/service.ts';
import { bucketCheck } from '../access/checks.ts';
import { mfaMissing, requireMfa, takeMfa } from '../access/mfa.ts';
import { invalidArgument, malformedXml, s3Error } from '../errors.ts';
import { requireBucket } from '../lookup.ts';
import type { BucketRow } from '../state.ts';
import { changeBucket, readConfig } from './settings.ts';

/** Longest default retention: a hundred years ("Object Lock considerations"). */
const retentionDaysMax = 36_500;
const retentionYearsMax = 100;

function readRule(rule: ObjectLockRule | undefined): BucketRow['lockRule'] {
  if (rule === undefined) return undefined;
  const { Mode: mode, Days: days, Years: years } = rule.DefaultRetention ?? {};
  if ((mode !== 'GOVERNANCE' && mode !== 'COMPLIANCE') || (days === undefined) === (years === undefined)) throw malformedXml();
  if ((days ?? 1) <= 0 || (years ?? 1) <= 0) throw invalidArgument('Default retention period must be a positive integer value.');
  if ((days ?? 0) > retentionDaysMax || (years ?? 0) > retentionYearsMax) {
    throw invalidArgument(
      `Default retention period too long. Maximum is ${days === undefined ? retentionYearsMax : retentionDaysMax}.`,
    );
  }
  return { mode, days, years };
}

export const versioningHandlers: HandlersOf<S3> = {
  /** Once on, versioning can be suspended and not removed; object lock needs it on. With MFA delete on, or to turn it on, a code is needed. */
  async PutBucketVersioning(input, ctx) {
    const { Status: status, MFADelete: mfaDelete } = input.VersioningConfiguration ?? {};
    if (mfaDelete !== undefined && mfaDelete !== 'Enabled' && mfaDelete !== 'Disabled') throw malformedXml();
    if (status !== 'Enabled' && status !== 'Suspended') {
      throw s3Error('IllegalVersioningConfigurationException', 'The Versioning element must be specified', 400);
    }
    if (status === 'Suspended' && (await readConfig(ctx, input, 'replication')) !== undefined) {
      const text = 'A replication configuration is present on this bucket, so the versioning state cannot be changed.';
      throw s3Error('InvalidBucketState', text, 409);
    }
    const mfa = await takeMfa(ctx, await requireBucket(ctx, input), input.MFA);
    if (mfaDelete === 'Enabled') {
      if (!mfa) throw mfaMissing();
      if ((await readConfig(ctx, input, 'lifecycle')) !== undefined) {
        const text =
          'Mfa Authentication is not supported on a bucket with lifecycle configuration. Delete lifecycle configuration before enabling Mfa Authentication.';
        throw s3Error('InvalidBucketState', text, 409);
      }
    }
    await changeBucket(ctx, input, (row) => {
      requireMfa(row, mfa);
      if (row.lockEnabled && status === 'Suspended') {
        const text = 'An Object Lock configuration is present on this bucket, so the versioning state cannot be changed.';
        throw s3Error('InvalidBucketState', text, 409);
      }
      return { ...row, versioning: status, mfaDelete: mfaDelete ?? row.mfaDelete };
    });
    return {};
  },

  async GetBucketVersioning(input, ctx) {
    const { versioning, mfaDelete } = await requireBucket(ctx, input);
    if (versioning === undefined) return {};
    return { Status: versioning, ...(mfaDelete === undefined ? {} : { MFADelete: mfaDelete }) };
  },

  async PutObjectLockConfiguration(input, ctx) {
    const { ObjectLockEnabled: enabled, Rule: rule } = input.ObjectLockConfiguration ?? {};
    if (enabled !== 'Enabled') throw malformedXml();
    const lockRule = readRule(rule);
    await changeBucket(ctx, input, (row) => {
      if (row.versioning !== 'Enabled') {
        throw s3Error(
          'InvalidBucketState',
          "Versioning must be 'Enabled' on the bucket to apply a Object Lock configuration",
          409,
        );
      }
      return { ...row, lockEnabled: true, lockRule };
    });
    return {};
  },

  async GetObjectLockConfiguration(input, ctx) {
    const { lockEnabled, lockRule, name } = await requireBucket(ctx, input);
    if (!lockEnabled) {
      const text = 'Object Lock configuration does not exist for this bucket';
      throw s3Error('ObjectLockConfigurationNotFoundError', text, 404, { BucketName: name });
    }
    const rule = lockRule && { DefaultRetention: { Mode: lockRule.mode, Days: lockRule.days, Years: lockRule.years } };
    return { ObjectLockConfiguration: { ObjectLockEnabled: 'Enabled', ...(rule === undefined ? {} : { Rule: rule }) } };
  },
};

export const versioningChecks: AuthorisationsOf<S3> = {
  PutBucketVersioning: async (input, ctx) => [await bucketCheck(ctx, input)],
  GetBucketVersioning: async (input, ctx) => [await bucketCheck(ctx, input)],
  PutObjectLockConfiguration: async (input, ctx) => [await bucketCheck(ctx, input)],
  GetObjectLockConfiguration: async (input, ctx) => [await bucketCheck(ctx, input)],
};
