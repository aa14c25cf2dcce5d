/** The lifecycle configuration of a bucket; what it makes happen is later/lifecycle.ts's. */
import type { S3 } from '@aws-sdk/client-s3';
import type { Context } from '../../../kernel/context.ts';
import type { AuthorisationsOf, HandlersOf } from '../../../kernel/service.ts';
import { bucketCheck } from '../access/checks.ts';
import { invalidArgument, invalidRequest, s3Error } from '../errors.ts';
import { scheduleSweep } from '../later/lifecycle.ts';
import { abortOf, describeRule, expiryOf, noLifecycle, readLifecycle, type Subject } from '../later/lifecycle-rules.ts';
import { lifecycleOf } from '../later/lifecycle.ts';
import { atBucket, findBucket, requireBucket } from '../lookup.ts';
import { Configs, type LifecycleConfig } from '../state.ts';
import type { Value } from '../../../store/store.ts';

/** `x-amz-expiration` of an object, or undefined: `expiry-date="…", rule-id="…"`. */
export async function expirationHeader(
  ctx: Context,
  bucket: string,
  row: Subject & { created: number },
): Promise<string | undefined> {
  const config = await lifecycleOf(ctx, bucket);
  const expiry = config && expiryOf(config, row);
  return expiry && `expiry-date="${new Date(expiry.at).toUTCString()}", rule-id="${encodeURIComponent(expiry.rule)}"`;
}

/** When an upload will be given up, as answers tell it. */
export async function abortMembers(
  ctx: Context,
  bucket: string,
  upload: { key: string; initiated: number },
): Promise<{ AbortDate?: Date; AbortRuleId?: string }> {
  const config = await lifecycleOf(ctx, bucket);
  const abort = config && abortOf(config, upload);
  return abort === undefined ? {} : { AbortDate: new Date(abort.at), AbortRuleId: abort.rule };
}

export const lifecycleHandlers: HandlersOf<S3> = {
  /** Replaces all rules. */
  async PutBucketLifecycleConfiguration(input, ctx) {
    const bucket = await requireBucket(ctx, input);
    const minimumSize = input.TransitionDefaultMinimumObjectSize ?? 'all_storage_classes_128K';
    if (minimumSize !== 'all_storage_classes_128K' && minimumSize !== 'varies_by_storage_class') {
      throw invalidArgument(
        `Invalid TransitionDefaultMinimumObjectSize found: ${String(minimumSize)}`,
        'x-amz-transition-default-minimum-object-size',
      );
    }
    const rules = input.LifecycleConfiguration?.Rules ?? [];
    // "Directory buckets … support only expiration" (Working with S3 Lifecycle for directory buckets).
    if (bucket.zone !== undefined && rules.some((rule) => rule.Transitions !== undefined))
      throw invalidRequest('Directory buckets do not support lifecycle transitions.');
    const makeId = () => Buffer.from(ctx.uuid()).toString('base64');
    const config: LifecycleConfig = { rules: readLifecycle(input.LifecycleConfiguration?.Rules, makeId), minimumSize };
    await atBucket(ctx, bucket).transact(async (tx) => {
      const { mfaDelete } = await findBucket(tx, input);
      // "Lifecycle configuration on MFA-enabled buckets": what goes by itself brings no code.
      if (mfaDelete === 'Enabled') {
        const text = 'Lifecycle configuration on multi-factor authentication (MFA)-enabled buckets is not supported.';
        throw s3Error('InvalidBucketState', text, 409);
      }
      await tx.table(Configs).put({ bucket: bucket.name, kind: 'lifecycle', id: '', config: config as unknown as Value });
      await scheduleSweep(tx, bucket.name, ctx.now);
    });
    return { TransitionDefaultMinimumObjectSize: minimumSize };
  },

  async GetBucketLifecycleConfiguration(input, ctx) {
    const { name } = await requireBucket(ctx, input);
    const config = await lifecycleOf(ctx, name);
    if (config === undefined) throw noLifecycle(name);
    return { Rules: config.rules.map(describeRule), TransitionDefaultMinimumObjectSize: config.minimumSize };
  },

  async DeleteBucketLifecycle(input, ctx) {
    const bucket = await requireBucket(ctx, input);
    await atBucket(ctx, bucket).transact(async (tx) => {
      await tx.table(Configs).delete(bucket.name, 'lifecycle', '');
      await tx.unschedule('lifecycle', bucket.name);
    });
    return {};
  },
};

export const lifecycleChecks: AuthorisationsOf<S3> = {
  PutBucketLifecycleConfiguration: async (input, ctx) => [await bucketCheck(ctx, input, 's3:PutLifecycleConfiguration')],
  GetBucketLifecycleConfiguration: async (input, ctx) => [await bucketCheck(ctx, input, 's3:GetLifecycleConfiguration')],
  DeleteBucketLifecycle: async (input, ctx) => [await bucketCheck(ctx, input, 's3:PutLifecycleConfiguration')],
};
