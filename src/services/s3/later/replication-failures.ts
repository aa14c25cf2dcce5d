/** Why a replication failed, by the names that events and completion reports tell ("Amazon S3 replication failure reasons"). */
import { AwsError } from '../../../kernel/errors.ts';

export type FailureReason =
  | 'AssumeRoleNotPermitted'
  | 'DstBucketNotFound'
  | 'DstBucketObjectLockConfigMissing'
  | 'DstBucketUnversioned'
  | 'DstDelObjNotPermitted'
  | 'DstPutObjectNotPermitted'
  | 'DstPutTaggingNotPermitted'
  | 'SrcGetObjectNotPermitted'
  | 'SrcGetTaggingNotPermitted'
  | 'SrcObjectNotEligible';

/** A replication that cannot be, with the reason as its code. */
export class ReplicationFailure extends AwsError {
  constructor(reason: FailureReason, message: string) {
    super(reason, message, { status: 400 });
  }
}

/** What the work resolves with; its refusal becomes a failure with this reason. */
export async function failsWith<T>(reason: FailureReason, work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    if (!(error instanceof AwsError) || error instanceof ReplicationFailure || error.status >= 500) throw error;
    throw new ReplicationFailure(reason, error.message);
  }
}
