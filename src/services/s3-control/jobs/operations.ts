/** What jobs do to each object, with the rights of their role ("Operations supported by S3 Batch Operations"). */
import type { JobOperation } from '@aws-sdk/client-s3-control';
import type { Context } from '../../../kernel/context.ts';
import { AwsError, parameterNotImplemented } from '../../../kernel/errors.ts';
import type { EntryRow } from './state.ts';

const known = [
  'S3PutObjectCopy',
  'S3PutObjectTagging',
  'S3DeleteObjectTagging',
  'S3InitiateRestoreObject',
  'LambdaInvoke',
] as const;
/** Members of a copy that are carried out; the others are refused by name. */
const copyMembers = new Set(['TargetResource', 'StorageClass', 'TargetKeyPrefix', 'MetadataDirective', 'BucketKeyEnabled']);

/** Throws InvalidRequest unless there is exactly one operation; 501 for those, and parameters of them, that are not implemented. */
export function checkOperation(operation: JobOperation | undefined): void {
  const [name, ...more] = Object.entries(operation ?? {}).flatMap(([key, value]) => (value === undefined ? [] : [key]));
  if (name === undefined || more.length > 0) throw new AwsError('InvalidRequest', 'Exactly one operation must be specified.');
  if (!(known as readonly string[]).includes(name)) throw parameterNotImplemented('CreateJob', `Operation.${name}`);
  const { S3PutObjectCopy: copy, LambdaInvoke: invoke } = operation ?? {};
  for (const [member, value] of Object.entries(copy ?? {}))
    if (value !== undefined && !copyMembers.has(member))
      throw parameterNotImplemented('CreateJob', `Operation.S3PutObjectCopy.${member}`);
  if (copy !== undefined && !/^arn:aws:s3:::[a-z0-9.-]+$/.test(copy.TargetResource ?? ''))
    throw new AwsError('InvalidRequest', 'The target of a copy must be the ARN of a bucket.');
  if (copy?.MetadataDirective === 'REPLACE')
    throw parameterNotImplemented('CreateJob', 'Operation.S3PutObjectCopy.MetadataDirective');
  for (const name of ['InvocationSchemaVersion', 'UserArguments'] as const)
    if (invoke?.[name] !== undefined) throw parameterNotImplemented('CreateJob', `Operation.LambdaInvoke.${name}`);
}

async function invokeFunction(ctx: Context, job: string, FunctionName: string, entry: EntryRow): Promise<string> {
  const taskId = `${job}-${entry.index}`;
  const event = {
    invocationSchemaVersion: '1.0',
    invocationId: ctx.uuid(),
    job: { id: job },
    tasks: [
      {
        taskId,
        s3Key: encodeURIComponent(entry.key).replaceAll('%2F', '/'),
        s3VersionId: entry.versionId ?? null,
        s3BucketArn: `arn:aws:s3:::${entry.bucket}`,
      },
    ],
  };
  const answer = await ctx.call('lambda').invoke({ FunctionName, Payload: Buffer.from(JSON.stringify(event)) });
  const text = Buffer.from(answer.Payload ?? new Uint8Array()).toString();
  if (answer.FunctionError !== undefined) throw new AwsError('PermanentFailure', text);
  const { results = [] } = JSON.parse(text) as { results?: { taskId: string; resultCode: string; resultString?: string }[] };
  const result = results.find((one) => one.taskId === taskId);
  if (result?.resultCode !== 'Succeeded')
    throw new AwsError(result?.resultCode ?? 'PermanentFailure', result?.resultString ?? 'The function named no result.');
  return result.resultString ?? '';
}

/** Does it to one object; resolves with the message of the report. Throws what is refused. */
export async function carryOut(ctx: Context, job: string, operation: JobOperation, entry: EntryRow): Promise<string> {
  const s3 = ctx.call('s3');
  const place = { Bucket: entry.bucket, Key: entry.key, VersionId: entry.versionId };
  const {
    S3PutObjectCopy: copy,
    S3PutObjectTagging: tagging,
    S3InitiateRestoreObject: restore,
    LambdaInvoke: invoke,
  } = operation;
  if (copy !== undefined) {
    const version = entry.versionId === undefined ? '' : `?versionId=${entry.versionId}`;
    await s3.copyObject({
      Bucket: (copy.TargetResource ?? '').replace(/^arn:aws:s3:::/, ''),
      Key: copy.TargetKeyPrefix === undefined ? entry.key : `${copy.TargetKeyPrefix}/${entry.key}`,
      CopySource: `${entry.bucket}/${encodeURIComponent(entry.key)}${version}`,
      StorageClass: copy.StorageClass as 'STANDARD' | undefined,
      BucketKeyEnabled: copy.BucketKeyEnabled,
    });
  } else if (tagging !== undefined) {
    const TagSet = (tagging.TagSet ?? []).map(({ Key, Value }) => ({ Key, Value }));
    await s3.putObjectTagging({ ...place, Tagging: { TagSet } });
  } else if (restore !== undefined) {
    const Tier = restore.GlacierJobTier === 'BULK' ? 'Bulk' : 'Standard';
    await s3.restoreObject({ ...place, RestoreRequest: { Days: restore.ExpirationInDays, GlacierJobParameters: { Tier } } });
  } else if (invoke !== undefined) {
    return invokeFunction(ctx, job, invoke.FunctionArn ?? '', entry);
  } else {
    await s3.deleteObjectTagging(place);
  }
  return 'Successful';
}
