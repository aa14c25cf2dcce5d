/** Batch jobs: made, shown, listed, confirmed, cancelled, given another priority ("Managing S3 Batch Operations jobs"). */
import type {
  CreateJobRequest,
  JobDescriptor,
  JobManifest,
  JobManifestGenerator,
  JobOperation,
  JobReport,
  OperationName,
  S3Control,
} from '@aws-sdk/client-s3-control';
import { pageOf } from '../../../base/paging.ts';
import type { Context, Transaction } from '../../../kernel/context.ts';
import { AwsError } from '../../../kernel/errors.ts';
import type { AuthorisationsOf, Check, HandlersOf } from '../../../kernel/service.ts';
import { requireOwn } from '../requests.ts';
import { checkGenerator, generatedFormat } from './generator.ts';
import { placeOfArn } from './manifests.ts';
import { checkOperation, nameOf } from './operations.ts';
import { end, report, runSoon } from './run.ts';
import { BatchJobs, type JobRow, type JobStatus, packed, unpacked } from './state.ts';
import { readJobTags, requestConditions, resourceConditions } from './tags.ts';

const priorityMax = 2_147_483_647;
const pageMax = 1000;
const suspendedCause = 'AwaitingConfirmation';
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

/** "Jobs must be created with either a manifest file or a ManifestGenerator, but not both" (CreateJob). */
function checkList({ Manifest: manifest, ManifestGenerator: generator, Operation: operation }: CreateJobRequest): void {
  if (manifest === undefined && generator === undefined) throw invalid('A manifest must be specified.');
  if (manifest !== undefined && generator !== undefined)
    throw invalid('Either a manifest or a manifest generator must be specified, but not both.');
  if (generator !== undefined) checkGenerator(generator);
  if (manifest === undefined) return;
  checkManifest(manifest);
  // "…the manifest must include version IDs" ("Specifying a manifest for a Batch Replication job").
  const { Format: format, Fields: fields = [] } = manifest.Spec ?? {};
  const isCsv = format === 'S3BatchOperations_CSV_20180820';
  if (operation?.S3ReplicateObject !== undefined && isCsv && !fields.includes('VersionId'))
    throw invalid('The manifest of a replication must contain VersionId.');
}

function checkManifest(manifest: JobManifest): void {
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
  if (!/^arn:aws:s3:::[a-z0-9.-]+$/.test(asked.Bucket ?? '')) throw invalid('The report must name the ARN of a bucket.');
  if (asked.Format !== 'Report_CSV_20180820') throw invalid(`Unknown report format: ${asked.Format}`);
  if (asked.ReportScope !== 'AllTasks' && asked.ReportScope !== 'FailedTasksOnly') throw invalid('The report must have a scope.');
}

function readJob(input: CreateJobRequest, ctx: Context): JobRow {
  checkOperation(input.Operation);
  checkList(input);
  checkReport(input.Report);
  return {
    id: ctx.uuid(),
    created: ctx.now,
    status: 'New',
    priority: checkPriority(input.Priority),
    roleArn: input.RoleArn ?? '',
    operation: packed(input.Operation),
    manifest: input.Manifest && packed(input.Manifest),
    generator: input.ManifestGenerator && packed(input.ManifestGenerator),
    report: packed(input.Report),
    tags: readJobTags(input.Tags ?? []),
    description: input.Description,
    // A job that does not say it needs none waits for it ("Updating job status").
    confirmation: input.ConfirmationRequired !== false,
    token: input.ClientRequestToken ?? '',
    total: 0,
    succeeded: 0,
    failed: 0,
    activeMillis: 0,
  };
}

function describe(ctx: Context, row: JobRow): JobDescriptor {
  const { generated } = row;
  return {
    JobId: row.id,
    JobArn: jobArn(ctx, row.id),
    ConfirmationRequired: row.confirmation,
    Description: row.description,
    Status: row.status,
    Manifest: unpacked<JobManifest | undefined>(row.manifest),
    ManifestGenerator: unpacked<JobManifestGenerator | undefined>(row.generator),
    GeneratedManifestDescriptor: generated && {
      Format: generatedFormat,
      Location: { ObjectArn: generated.arn, ETag: generated.etag },
    },
    Operation: unpacked<JobOperation>(row.operation),
    Report: unpacked<JobReport>(row.report),
    Priority: row.priority,
    ProgressSummary: {
      ...summaryOf(row),
      Timers: { ElapsedTimeInActiveSeconds: Math.floor((row.activeMillis + ctx.now - (row.activeSince ?? ctx.now)) / 1000) },
    },
    StatusUpdateReason: row.statusReason,
    FailureReasons: row.failure === undefined ? [] : [{ FailureCode: row.failure.code, FailureReason: row.failure.reason }],
    CreationTime: new Date(row.created),
    TerminationDate: row.ended === undefined ? undefined : new Date(row.ended),
    RoleArn: row.roleArn,
    SuspendedDate: row.suspended === undefined ? undefined : new Date(row.suspended),
    SuspendedCause: row.suspended === undefined ? undefined : suspendedCause,
  };
}

function summaryOf({ total, succeeded, failed }: JobRow) {
  return { TotalNumberOfTasks: total, NumberOfTasksSucceeded: succeeded, NumberOfTasksFailed: failed };
}

async function setTags(ctx: Context, id: string | undefined, tags: Readonly<Record<string, string>>): Promise<void> {
  await ctx.transact(async (tx) => {
    await tx.table(BatchJobs).put({ ...(await requireJob(tx, id)), tags });
  });
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
      Operation: nameOf(unpacked<JobOperation>(row.operation)) as OperationName,
      Priority: row.priority,
      Status: row.status,
      CreationTime: new Date(row.created),
      TerminationDate: row.ended === undefined ? undefined : new Date(row.ended),
      ProgressSummary: summaryOf(row),
    }));
    return { Jobs, ...(page.nextToken === undefined ? {} : { NextToken: page.nextToken }) };
  },

  /** The tags that are given replace those that were. */
  async PutJobTagging(input, ctx) {
    requireOwn(ctx, input.AccountId);
    await setTags(ctx, input.JobId, readJobTags(input.Tags ?? []));
    return {};
  },

  async GetJobTagging(input, ctx) {
    requireOwn(ctx, input.AccountId);
    const { tags } = await requireJob(ctx, input.JobId);
    return { Tags: Object.entries(tags).map(([Key, Value]) => ({ Key, Value })) };
  },

  async DeleteJobTagging(input, ctx) {
    requireOwn(ctx, input.AccountId);
    await setTags(ctx, input.JobId, {});
    return {};
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
      await runSoon(tx, ctx.now);
      if (asked === 'Cancelled') return end(tx, { ...row, statusReason }, 'Cancelled', ctx.now);
      const next: JobRow = { ...row, status: 'Ready', statusReason };
      await tx.table(BatchJobs).put(next);
      return next;
    });
    if (asked === 'Cancelled') await report(ctx.asService(), changed);
    return { JobId: changed.id, Status: changed.status, StatusUpdateReason: statusReason };
  },
};

/** The job that a request names, with what policies may ask of it. */
async function onJob(
  input: { JobId?: string | undefined },
  ctx: Context,
  more: NonNullable<Check['conditions']> = {},
): Promise<Check[]> {
  const row = await ctx.table(BatchJobs).get(input.JobId ?? '');
  const existing =
    row === undefined
      ? {}
      : {
          ...resourceConditions(row.tags),
          's3:ExistingJobPriority': String(row.priority),
          's3:ExistingJobOperation': nameOf(unpacked<JobOperation>(row.operation)),
          's3:JobSuspendedCause': row.status === 'Suspended' ? suspendedCause : undefined,
        };
  return [{ resource: jobArn(ctx, input.JobId ?? ''), conditions: { ...existing, ...more } }];
}

export const jobChecks: AuthorisationsOf<S3Control> = {
  CreateJob: (input, ctx) => {
    const conditions = {
      's3:RequestJobPriority': String(input.Priority),
      's3:RequestJobOperation': nameOf(input.Operation),
      ...requestConditions(input.Tags),
    };
    const role = { resource: input.RoleArn ?? '', conditions: { 'iam:PassedToService': 'batchoperations.s3.amazonaws.com' } };
    const tags = { action: 's3:PutJobTagging', resource: jobArn(ctx, '*'), conditions };
    return [
      { resource: '*', conditions },
      ...((input.Tags ?? []).length === 0 ? [] : [tags]),
      { action: 'iam:PassRole', ...role },
    ];
  },
  DescribeJob: (input, ctx) => onJob(input, ctx),
  UpdateJobPriority: (input, ctx) => onJob(input, ctx, { 's3:RequestJobPriority': String(input.Priority) }),
  UpdateJobStatus: (input, ctx) => onJob(input, ctx),
  PutJobTagging: (input, ctx) => onJob(input, ctx, requestConditions(input.Tags)),
  GetJobTagging: (input, ctx) => onJob(input, ctx),
  DeleteJobTagging: (input, ctx) => onJob(input, ctx),
};
