/** What jobs do to each object, with the rights of their role ("Operations supported by S3 Batch Operations"). */
import type {
  JobOperation,
  LambdaInvokeOperation,
  S3CopyObjectOperation,
  S3Grant,
  S3SetObjectAclOperation,
} from '@aws-sdk/client-s3-control';
import type { CopyObjectCommandInput, Grant } from '@aws-sdk/client-s3';
import type { Context } from '../../../kernel/context.ts';
import { AwsError, parameterNotImplemented } from '../../../kernel/errors.ts';
import type { S3Api } from '../../s3/api.ts';
import type { EntryRow } from './state.ts';

const known = [
  ...(['S3PutObjectCopy', 'S3PutObjectAcl', 'S3PutObjectTagging', 'S3DeleteObjectTagging', 'S3InitiateRestoreObject'] as const),
  ...(['S3PutObjectRetention', 'S3PutObjectLegalHold', 'S3ReplicateObject', 'LambdaInvoke'] as const),
];
/** "…the task is retried before the job completes" ("Writing response codes for a function"): attempts in all. */
const attemptsMax = 3;

function invalid(message: string): AwsError {
  return new AwsError('InvalidRequest', message);
}

/** Name of a job's operation; empty when it has none. */
export function nameOf(operation: JobOperation | undefined): string {
  return Object.entries(operation ?? {}).find(([, value]) => value !== undefined)?.[0] ?? '';
}

/** Throws InvalidRequest unless there is exactly one operation; 501 for those, and parameters of them, that are not implemented. */
export function checkOperation(operation: JobOperation | undefined): void {
  const [name, ...more] = Object.entries(operation ?? {}).flatMap(([key, value]) => (value === undefined ? [] : [key]));
  if (name === undefined || more.length > 0) throw invalid('Exactly one operation must be specified.');
  if (!(known as readonly string[]).includes(name)) throw parameterNotImplemented('CreateJob', `Operation.${name}`);
  const { S3PutObjectCopy: copy, LambdaInvoke: invoke, S3InitiateRestoreObject: restore } = operation ?? {};
  if (copy !== undefined) checkCopy(copy);
  if (invoke !== undefined) checkInvoke(invoke);
  // "S3 Batch Operations doesn't support the Expedited retrieval tier."
  if (restore !== undefined && restore.GlacierJobTier !== 'BULK' && restore.GlacierJobTier !== 'STANDARD')
    throw invalid('The tier of a restore must be BULK or STANDARD.');
}

function checkCopy(copy: S3CopyObjectOperation): void {
  if (!/^arn:aws:s3:::[a-z0-9.-]+$/.test(copy.TargetResource ?? ''))
    throw invalid('The target of a copy must be the ARN of a bucket.');
  const { ContentLength, ContentMD5, RequesterCharged } = copy.NewObjectMetadata ?? {};
  for (const [name, value] of Object.entries({ ContentLength, ContentMD5, RequesterCharged }))
    if (value !== undefined) throw parameterNotImplemented('CreateJob', `Operation.S3PutObjectCopy.NewObjectMetadata.${name}`);
}

function checkInvoke({ InvocationSchemaVersion: version = '1.0', UserArguments: given }: LambdaInvokeOperation): void {
  if (version !== '1.0' && version !== '2.0') throw invalid(`Unknown invocation schema version: ${version}`);
  if (given !== undefined && version !== '2.0') throw invalid('User arguments need the invocation schema version 2.0.');
}

function encoded(key: string): string {
  return encodeURIComponent(key).replaceAll('%2F', '/');
}

interface InvocationResult {
  taskId: string;
  resultCode: string;
  resultString?: string;
}

async function invokeOnce(ctx: Context, job: string, asked: LambdaInvokeOperation, entry: EntryRow): Promise<InvocationResult> {
  const taskId = `${job}-${entry.index}`;
  const { InvocationSchemaVersion: version = '1.0', UserArguments: userArguments } = asked;
  const bucket = version === '2.0' ? { s3Bucket: entry.bucket } : { s3BucketArn: `arn:aws:s3:::${entry.bucket}` };
  const event = {
    invocationSchemaVersion: version,
    invocationId: ctx.uuid(),
    job: { id: job, ...(userArguments === undefined ? {} : { userArguments }) },
    tasks: [{ taskId, s3Key: encoded(entry.key), s3VersionId: entry.versionId ?? null, ...bucket }],
  };
  const Payload = Buffer.from(JSON.stringify(event));
  const answer = await ctx.call('lambda').invoke({ FunctionName: asked.FunctionArn ?? '', Payload });
  const text = Buffer.from(answer.Payload ?? new Uint8Array()).toString();
  if (answer.FunctionError !== undefined) return { taskId, resultCode: 'PermanentFailure', resultString: text };
  const { results = [], treatMissingKeysAs } = JSON.parse(text) as { results?: InvocationResult[]; treatMissingKeysAs?: string };
  const result = results.find((one) => one.taskId === taskId);
  return (
    result ?? { taskId, resultCode: treatMissingKeysAs ?? 'PermanentFailure', resultString: 'The function named no result.' }
  );
}

async function invokeFunction(ctx: Context, job: string, asked: LambdaInvokeOperation, entry: EntryRow): Promise<string> {
  for (let attempt = 1; ; attempt += 1) {
    const { resultCode, resultString } = await invokeOnce(ctx, job, asked, entry);
    if (resultCode === 'Succeeded') return resultString ?? '';
    if (resultCode !== 'TemporaryFailure' || attempt === attemptsMax) throw new AwsError(resultCode, resultString ?? '');
  }
}

/** Grants as CopyObject takes them: a header for each permission. */
function grantHeaders(grants: readonly S3Grant[] = []): Partial<CopyObjectCommandInput> {
  const members = {
    FULL_CONTROL: 'GrantFullControl',
    READ: 'GrantRead',
    READ_ACP: 'GrantReadACP',
    WRITE: undefined,
    WRITE_ACP: 'GrantWriteACP',
  } as const;
  const headers: Partial<Record<'GrantFullControl' | 'GrantRead' | 'GrantReadACP' | 'GrantWriteACP', string>> = {};
  for (const { Grantee: grantee, Permission: permission = 'READ' } of grants) {
    const member = members[permission];
    if (member === undefined) throw invalid('Objects have no permission WRITE.');
    const text = `${grantee?.TypeIdentifier}="${grantee?.Identifier}"`;
    headers[member] = headers[member] === undefined ? text : `${headers[member]}, ${text}`;
  }
  return headers;
}

/** What a copy sets beside the object's bytes. */
function copyChanges(copy: S3CopyObjectOperation): Partial<CopyObjectCommandInput> {
  const { NewObjectMetadata: metadata, NewObjectTagging: tags, SSEAwsKmsKeyId: key } = copy;
  const algorithm = key !== undefined || metadata?.SSEAlgorithm === 'KMS' ? 'aws:kms' : metadata?.SSEAlgorithm;
  const pairs = tags?.map(({ Key = '', Value = '' }) => `${encodeURIComponent(Key)}=${encodeURIComponent(Value)}`);
  return {
    ...grantHeaders(copy.AccessControlGrants),
    ACL: copy.CannedAccessControlList,
    MetadataDirective: copy.MetadataDirective ?? (metadata === undefined ? undefined : 'REPLACE'),
    CacheControl: metadata?.CacheControl,
    ContentDisposition: metadata?.ContentDisposition,
    ContentEncoding: metadata?.ContentEncoding,
    ContentLanguage: metadata?.ContentLanguage,
    ContentType: metadata?.ContentType,
    Metadata: metadata?.UserMetadata,
    Expires: metadata?.HttpExpiresDate,
    ServerSideEncryption: algorithm,
    SSEKMSKeyId: key,
    ...(pairs === undefined ? {} : { TaggingDirective: 'REPLACE', Tagging: pairs.join('&') }),
    WebsiteRedirectLocation: copy.RedirectLocation,
    StorageClass: copy.StorageClass as CopyObjectCommandInput['StorageClass'],
    ObjectLockLegalHoldStatus: copy.ObjectLockLegalHoldStatus,
    ObjectLockMode: copy.ObjectLockMode,
    ObjectLockRetainUntilDate: copy.ObjectLockRetainUntilDate,
    BucketKeyEnabled: copy.BucketKeyEnabled,
    ChecksumAlgorithm: copy.ChecksumAlgorithm,
  };
}

async function copyObject(ctx: Context, copy: S3CopyObjectOperation, entry: EntryRow): Promise<void> {
  const version = entry.versionId === undefined ? '' : `?versionId=${entry.versionId}`;
  const sent: CopyObjectCommandInput = {
    ...copyChanges(copy),
    Bucket: (copy.TargetResource ?? '').replace(/^arn:aws:s3:::/, ''),
    Key: copy.TargetKeyPrefix === undefined ? entry.key : `${copy.TargetKeyPrefix}/${entry.key}`,
    CopySource: `${entry.bucket}/${encodeURIComponent(entry.key)}${version}`,
    CopySourceIfModifiedSince: copy.ModifiedSinceConstraint,
    CopySourceIfUnmodifiedSince: copy.UnModifiedSinceConstraint,
    RequestPayer: copy.RequesterPays === true ? 'requester' : undefined,
  };
  const given = Object.entries(sent).filter(([, value]) => value !== undefined);
  await ctx.call('s3').copyObject(Object.fromEntries(given) as unknown as CopyObjectCommandInput);
}

/** An ACL as S3's own requests have it. */
function aclOf({ AccessControlPolicy: asked }: S3SetObjectAclOperation) {
  const { CannedAccessControlList: ACL, AccessControlList: list } = asked ?? {};
  if (list === undefined) return { ACL };
  const Grants = (list.Grants ?? []).map(({ Grantee: grantee, Permission }): Grant => {
    const { TypeIdentifier: type, Identifier: id } = grantee ?? {};
    if (type === 'uri') return { Grantee: { Type: 'Group', URI: id }, Permission };
    if (type === 'emailAddress') return { Grantee: { Type: 'AmazonCustomerByEmail', EmailAddress: id }, Permission };
    return { Grantee: { Type: 'CanonicalUser', ID: id }, Permission };
  });
  return { AccessControlPolicy: { Owner: { ID: list.Owner?.ID }, Grants } };
}

/** Does it to one object; resolves with the message of the report. Throws what is refused. */
export async function carryOut(ctx: Context, job: string, operation: JobOperation, entry: EntryRow): Promise<string> {
  const s3 = ctx.call('s3');
  const version = entry.versionId === undefined ? {} : { VersionId: entry.versionId };
  const place = { Bucket: entry.bucket, Key: entry.key, ...version };
  const { S3PutObjectTagging: tagging, S3InitiateRestoreObject: restore, S3PutObjectRetention: retention } = operation;
  if (operation.LambdaInvoke !== undefined) return invokeFunction(ctx, job, operation.LambdaInvoke, entry);
  if (operation.S3PutObjectCopy !== undefined) await copyObject(ctx, operation.S3PutObjectCopy, entry);
  else if (tagging !== undefined) {
    const TagSet = (tagging.TagSet ?? []).map(({ Key, Value }) => ({ Key, Value }));
    await s3.putObjectTagging({ ...place, Tagging: { TagSet } });
  } else if (operation.S3DeleteObjectTagging !== undefined) await s3.deleteObjectTagging(place);
  else if (restore !== undefined) {
    const Tier = restore.GlacierJobTier === 'BULK' ? 'Bulk' : 'Standard';
    await s3.restoreObject({ ...place, RestoreRequest: { Days: restore.ExpirationInDays, GlacierJobParameters: { Tier } } });
  } else if (operation.S3PutObjectAcl !== undefined) await s3.putObjectAcl({ ...place, ...aclOf(operation.S3PutObjectAcl) });
  else if (operation.S3PutObjectLegalHold !== undefined) {
    await s3.putObjectLegalHold({ ...place, LegalHold: { Status: operation.S3PutObjectLegalHold.LegalHold?.Status } });
  } else if (retention !== undefined) {
    const bypass = retention.BypassGovernanceRetention === true ? { BypassGovernanceRetention: true } : {};
    await s3.putObjectRetention({ ...place, ...bypass, Retention: { ...retention.Retention } });
  } else await (await ctx.internal<S3Api>('s3')).replicateObject(place, ctx.caller);
  return 'Successful';
}
