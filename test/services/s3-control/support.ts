/** What tests of S3 Control share: clients, a role for batch jobs, manifests and jobs. */
import { IAM } from '@aws-sdk/client-iam';
import { type CreateJobRequest, type JobManifestFieldName, type JobStatus, S3Control } from '@aws-sdk/client-s3-control';
import { expect } from 'vitest';
import { eventually, type TestAccount } from '../../support/cloud.ts';
import { freshBucket, freshName } from '../s3/support.ts';

/** A client of S3 Control: the official one would put the account's number before the address. */
export function controlOf(account: TestAccount, overrides: Parameters<TestAccount['config']>[0] = {}): S3Control {
  const config = account.config(overrides);
  return new S3Control({ ...config, endpointProvider: () => ({ url: new URL(config.endpoint) }), disableHostPrefix: true });
}

/** A bucket with its account, and how to run jobs there. */
export async function batch(input: Parameters<typeof freshBucket>[0] = {}) {
  const { account, s3, Bucket } = await freshBucket(input);
  const control = controlOf(account);
  const iam = new IAM(account.config());
  const AccountId = account.id;
  const trust = {
    Effect: 'Allow',
    Principal: { Service: ['batchoperations.s3.amazonaws.com', 's3.amazonaws.com'] },
    Action: 'sts:AssumeRole',
  };
  const AssumeRolePolicyDocument = JSON.stringify({ Version: '2012-10-17', Statement: [trust] });
  const { Role } = await iam.createRole({ RoleName: 'batch', AssumeRolePolicyDocument });
  const grant = (Action: string | string[]) =>
    iam.putRolePolicy({
      RoleName: 'batch',
      PolicyName: 'p',
      PolicyDocument: JSON.stringify({ Version: '2012-10-17', Statement: [{ Effect: 'Allow', Action, Resource: '*' }] }),
    });
  await grant(['s3:*']);
  const lists = freshName(account);
  await s3.createBucket({ Bucket: lists });
  const manifest = async (
    text: string,
    Fields: JobManifestFieldName[] = ['Bucket', 'Key'],
  ): Promise<CreateJobRequest['Manifest']> => {
    // One of its own for each job: another in its place would be refused for its ETag.
    const Key = `${freshName(account)}.csv`;
    const { ETag } = await s3.putObject({ Bucket: lists, Key, Body: text });
    const Location = { ObjectArn: `arn:aws:s3:::${lists}/${Key}`, ETag };
    return { Spec: { Format: 'S3BatchOperations_CSV_20180820', Fields }, Location };
  };
  const report = (ReportScope: 'AllTasks' | 'FailedTasksOnly' = 'AllTasks') =>
    ({ Enabled: true, Bucket: `arn:aws:s3:::${lists}`, Prefix: 'reports', Format: 'Report_CSV_20180820', ReportScope }) as const;
  const create = (over: Partial<CreateJobRequest>) =>
    control.createJob({
      ...{ AccountId, Priority: 1, RoleArn: Role?.Arn, Report: { Enabled: false }, ConfirmationRequired: false },
      ...over,
    } as CreateJobRequest);
  const job = async (JobId: string | undefined) => (await control.describeJob({ AccountId, JobId })).Job;
  const reaches = (JobId: string | undefined, status: JobStatus) =>
    eventually(
      async () => {
        const found = await job(JobId);
        expect(found?.Status, JSON.stringify(found?.FailureReasons ?? [])).toBe(status);
        return found;
      },
      { why: `the job becomes ${status}`, timeoutMs: 60_000 },
    );
  return { account, role: Role?.Arn ?? '', s3, Bucket, control, AccountId, lists, manifest, report, create, job, reaches, grant };
}
