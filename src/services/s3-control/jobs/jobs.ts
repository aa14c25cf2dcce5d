/** Batch jobs: made, shown, listed, confirmed, cancelled, given another priority ("Managing S3 Batch Operations jobs"). */
import type {
  CreateJobRequest,
  JobDescriptor,
  JobManifest,
  JobOperation,
  JobReport,
  S3Control,
} from '@aws-sdk/client-s3-control';
import { pageOf } from '../../../base/paging.ts';
import type { Context, Transaction } from '../../../kernel/context.ts';
import { AwsError, parameterNotImplemented } from '../../../kernel/errors.ts';
import type { AuthorisationsOf, Check, HandlersOf } from '../../../kernel/service.ts';
import { requireOwn } from '../requests.ts';
import { placeOfArn } from './manifests.ts';
import { checkOperation } from './operations.ts';
import { report, runSoon } from './run.ts';
import { BatchJobs, type JobRow, type JobStatus } from './state.ts';

const priorityMax = 2_147_483_647;
const pageMax = 1000;
const final: readonly JobStatus[] = ['Complete', 'Failed', 'Cancelled'];

function invalid(message: string): AwsError {
  return new AwsError('InvalidRequest', message);
}

function jobArn({ region, account }: Context, id: string): string {
  return `arn:aws:s3:${region}:${account}:job/${id}`;
}

async function requireJob(reading: Pick<Context, 'table'> | Pick<Transaction, 'table'>, id: string | undefined): Promise<JobRow> {
  const row = await reading.table(BatchJobs).get(id ?? '');
  if (row === undefined) throw new AwsError('NoSuchJob', 'The specified job does not exist.', { status: 404 });
  return row;
}

function checkPriority(priority: number | undefined): number {
  if (priority === undefined || !Number.isInteger(priority) || priority < 0 || priority > priorityMax)
    throw invalid(`The priority must be between 0 and ${priorityMax}.`);
  return priority;
}

function checkManifest(manifest: JobManifest | undefined): void {
  if (manifest === undefined) throw invalid('A manifest must be specified.');
  const { Spec: spec, Location: location } = manifest;
  placeOfArn(location?.ObjectArn);
  if (spec?.Format === 'S3InventoryReport_CSV_20161130') return;
  if (spec?.Format !== 'S3BatchOperations_CSV_20180820') throw invalid(`Unknown manifest format: ${spec?.Format}`);
  const fields = spec.Fields ?? [];
  if (!fields.includes('Bucket') || !fields.includes('Key'))
    throw invalid('The fields of a manifest must contain Bucket and Key.');
}

function checkReport(asked: JobReport | undefined): void {
  if (asked?.Enabled !== true) return;
  if (asked.ExpectedBucketOwner !== undefined) throw parameterNotImplemented('CreateJob', 'Report.ExpectedBucketOwner');
  if (!/^arn:aws:s3:::[a-z0-9.-]+$/.test(asked.Bucket ?? '')) throw invalid('The report must name the ARN of a bucket.');
  if (asked.Format !== 'Report_CSV_20180820') throw invalid(`Unknown report format: ${asked.Format}`);
  if (asked.ReportScope !== 'AllTasks' && asked.ReportScope !== 'FailedTasksOnly') throw invalid('The report must have a scope.');
}

function readJob(input: CreateJobRequest, ctx: Context): JobRow {
  if (input.ManifestGenerator !== undefined) throw parameterNotImplemented('CreateJob', 'ManifestGenerator');
  if ((input.Tags ?? []).length > 0) throw parameterNotImplemented('CreateJob', 'Tags');
  checkOperation(input.Operation);
  checkManifest(input.Manifest);
  checkReport(input.Report);
  return {
    id: ctx.uuid(),
    created: ctx.now,
    status: 'Preparing',
    priority: checkPriority(input.Priority),
    roleArn: input.RoleArn ?? '',
    operation: input.Operation as unknown as JobRow['operation'],
    manifest: input.Manifest as unknown as JobRow['manifest'],
    report: input.Report as unknown as JobRow['report'],
    description: input.Description,
    // "… confirmation is only required for jobs created through the Amazon S3 console": off unless asked for.
    confirmation: input.ConfirmationRequired === true,
    token: input.ClientRequestToken ?? '',
    total: 0,
    succeeded: 0,
    failed: 0,
  };
}

function describe(ctx: Context, row: JobRow): JobDescriptor {
  return {
    JobId: row.id,
    JobArn: jobArn(ctx, row.id),
    ConfirmationRequired: row.confirmation,
    Description: row.description,
    Status: row.status,
    Manifest: row.manifest as unknown as JobManifest,
    Operation: row.operation as unknown as JobOperation,
    Report: row.report as unknown as JobReport,
    Priority: row.priority,
    ProgressSummary: summaryOf(row),
    StatusUpdateReason: row.statusReason,
    FailureReasons: row.failure === undefined ? [] : [{ FailureCode: row.failure.code, FailureReason: row.failure.reason }],
    CreationTime: new Date(row.created),
    TerminationDate: row.ended === undefined ? undefined : new Date(row.ended),
    RoleArn: row.roleArn,
    SuspendedDate: row.suspended === undefined ? undefined : new Date(row.suspended),
    SuspendedCause: row.suspended === undefined ? undefined : 'AwaitingConfirmation',
  };
}

function summaryOf({ total, succeeded, failed }: JobRow) {
  return { TotalNumberOfTasks: total, NumberOfTasksSucceeded: succeeded, NumberOfTasksFailed: failed };
}

export const jobHandlers: HandlersOf<S3Control> = {
  /** The same request token gives the same job. */
  async CreateJob(input, ctx) {
    requireOwn(ctx, input.AccountId);
    const row = readJob(input, ctx);
    const id = await ctx.transact(async (tx) => {
      const known = row.token === '' ? undefined : await tx.table(BatchJobs).firstByIndex('byToken', [row.token]);
      if (known !== undefined) return known.id;
      await tx.table(BatchJobs).put(row);
      await tx.schedule({ task: 'prepareJob', key: row.id, due: ctx.now });
      return row.id;
    });
    return { JobId: id };
  },

  async DescribeJob(input, ctx) {
    requireOwn(ctx, input.AccountId);
    return { Job: describe(ctx, await requireJob(ctx, input.JobId)) };
  },

  async ListJobs(input, ctx) {
    const account = requireOwn(ctx, input.AccountId);
    const { JobStatuses: statuses, NextToken: token, MaxResults: limit = pageMax } = input;
    const rows = (await ctx.table(BatchJobs).list()).filter(
      ({ status }) => (statuses ?? []).length === 0 || statuses?.includes(status),
    );
    const page = pageOf(rows, (row) => [row.id], {
      scope: `ListJobs ${account} ${statuses}`,
      token,
      limit: Math.min(limit, pageMax),
    });
    if (page === undefined) throw new AwsError('InvalidNextTokenException', 'The continuation token provided is incorrect');
    const Jobs = page.items.map((row) => ({
      JobId: row.id,
      Description: row.description,
      Operation: Object.keys(row.operation as object)[0] as 'LambdaInvoke',
      Priority: row.priority,
      Status: row.status,
      CreationTime: new Date(row.created),
      TerminationDate: row.ended === undefined ? undefined : new Date(row.ended),
      ProgressSummary: summaryOf(row),
    }));
    return { Jobs, ...(page.nextToken === undefined ? {} : { NextToken: page.nextToken }) };
  },

  async UpdateJobPriority(input, ctx) {
    requireOwn(ctx, input.AccountId);
    const priority = checkPriority(input.Priority);
    await ctx.transact(async (tx) => {
      const row = await requireJob(tx, input.JobId);
      if (final.includes(row.status))
        throw new AwsError('JobStatusException', `The priority of a job cannot change when it is ${row.status}.`);
      await tx.table(BatchJobs).put({ ...row, priority });
    });
    return { JobId: input.JobId ?? '', Priority: priority };
  },

  /** Confirms a job that waits for it, or cancels one; what was done stays done, and is reported. */
  async UpdateJobStatus(input, ctx) {
    requireOwn(ctx, input.AccountId);
    const { RequestedJobStatus: asked, StatusUpdateReason: statusReason } = input;
    if (asked !== 'Ready' && asked !== 'Cancelled') throw invalid('The requested status must be Ready or Cancelled.');
    const changed = await ctx.transact(async (tx) => {
      const row = await requireJob(tx, input.JobId);
      const allowed = asked === 'Ready' ? row.status === 'Suspended' : !final.includes(row.status);
      if (!allowed) throw new AwsError('JobStatusException', `A job that is ${row.status} cannot become ${asked}.`);
      const next: JobRow = { ...row, status: asked, statusReason, ...(asked === 'Cancelled' ? { ended: ctx.now } : {}) };
      await tx.table(BatchJobs).put(next);
      await runSoon(tx, ctx.now);
      return next;
    });
    if (asked === 'Cancelled') await report(ctx.asService(), changed);
    return { JobId: changed.id, Status: changed.status, StatusUpdateReason: statusReason };
  },
};

const onJob = (input: { JobId?: string | undefined }, ctx: Context): Check[] => [{ resource: jobArn(ctx, input.JobId ?? '') }];

export const jobChecks: AuthorisationsOf<S3Control> = {
  CreateJob: (input) => [
    {
      resource: '*',
      conditions: {
        's3:RequestJobPriority': String(input.Priority),
        's3:RequestJobOperation': Object.keys(input.Operation ?? {})[0],
      },
    },
    {
      action: 'iam:PassRole',
      resource: input.RoleArn ?? '',
      conditions: { 'iam:PassedToService': 'batchoperations.s3.amazonaws.com' },
    },
  ],
  DescribeJob: onJob,
  UpdateJobPriority: onJob,
  UpdateJobStatus: onJob,
};
