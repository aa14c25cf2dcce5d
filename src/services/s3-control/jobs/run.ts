/**
 * How jobs run: the manifest becomes rows, then a few rows at a time are worked on, always those of the job of highest priority, so that a job can be
 * overtaken, cancelled, and go on after a crash. An object that was worked on just before a crash is worked on again.
 */
import { createHash } from 'node:crypto';
import type { JobManifest, JobOperation, JobReport } from '@aws-sdk/client-s3-control';
import type { Context, Transaction } from '../../../kernel/context.ts';
import { AwsError } from '../../../kernel/errors.ts';
import type { Task } from '../../../kernel/service.ts';
import type { StsApi } from '../../sts/api.ts';
import { readManifest } from './manifests.ts';
import { carryOut } from './operations.ts';
import { BatchEntries, BatchJobs, type EntryRow, type JobRow } from './state.ts';

/** Objects between two looks at what comes first. */
const batchSize = 50;
/** "If more than 50 percent of a job's tasks fail after at least 1,000 have been attempted, the job fails." */
const attemptsMin = 1000;

/** Has the waiting jobs of an account and Region run. */
export async function runSoon(tx: Transaction, now: number): Promise<void> {
  await tx.schedule({ task: 'runJobs', key: 'run', due: now });
}

async function asRole(ctx: Context, { roleArn, id }: JobRow): Promise<Context> {
  const sts = await ctx.internal<StsApi>('sts');
  return ctx.asIdentity(await sts.roleIdentity({ roleArn, sessionName: `s3-batch-${id}`, service: 'batchoperations.s3' }));
}

/** Reads the manifest. A job whose manifest cannot be read has failed. */
export const prepareJob: Task = async ({ key: id }, ctx) => {
  const job = await ctx.table(BatchJobs).get(id);
  if (job?.status !== 'Preparing') return;
  let total = 0;
  try {
    let batch: EntryRow[] = [];
    const flush = async (): Promise<void> => {
      const rows = batch;
      batch = [];
      await ctx.transact(async (tx) => {
        for (const row of rows) await tx.table(BatchEntries).put(row);
      });
    };
    for await (const entry of readManifest(await asRole(ctx, job), job.manifest as unknown as JobManifest)) {
      batch.push({ job: id, index: total, ...entry });
      total += 1;
      if (batch.length === 1000) await flush();
    }
    await flush();
  } catch (error) {
    if (!(error instanceof AwsError || error instanceof SyntaxError || error instanceof URIError)) throw error;
    const code = error instanceof AwsError ? error.code : 'InvalidManifest';
    const failure = { code, reason: `Manifest could not be read: ${error.message}` };
    await ctx.transact((tx) =>
      tx.table(BatchJobs).update([id], (row) => ({ ...row, status: 'Failed', failure, ended: ctx.now })),
    );
    return;
  }
  await ctx.transact(async (tx) => {
    await tx.table(BatchJobs).update([id], (row) => {
      if (row.status !== 'Preparing') return row;
      return row.confirmation ? { ...row, total, status: 'Suspended', suspended: ctx.now } : { ...row, total, status: 'Ready' };
    });
    await runSoon(tx, ctx.now);
  });
};

/** A role that is gone, or does not trust the service any more, fails every task with that. */
function refusalOf(error: unknown): AwsError {
  if (error instanceof AwsError) return error;
  throw error;
}

async function workOn(acting: Context | AwsError, job: JobRow, entry: EntryRow): Promise<EntryRow> {
  try {
    if (acting instanceof AwsError) throw acting;
    const message = await carryOut(acting, job.id, job.operation as unknown as JobOperation, entry);
    return { ...entry, outcome: { ok: true, code: '', status: '200', message } };
  } catch (error) {
    if (!(error instanceof AwsError)) throw error;
    return { ...entry, outcome: { ok: false, code: error.code, status: String(error.status), message: error.message } };
  }
}

/** One batch of the job that comes first. */
export const runJobs: Task = async (_fired, ctx) => {
  const job = await ctx.table(BatchJobs).firstByIndex('waiting', []);
  if (job === undefined) return;
  const done = job.succeeded + job.failed;
  const entries = await ctx.table(BatchEntries).list({ prefix: [job.id], after: [job.id, done - 1], limit: batchSize });
  const acting = entries.length === 0 ? ctx : await asRole(ctx, job).catch((error: unknown) => refusalOf(error));
  const worked: EntryRow[] = [];
  for (const entry of entries) worked.push(await workOn(acting, job, entry));
  const ended = await ctx.transact(async (tx) => {
    for (const row of worked) await tx.table(BatchEntries).put(row);
    const ok = worked.filter(({ outcome }) => outcome?.ok === true).length;
    const now = await tx.table(BatchJobs).update([job.id], (row) => {
      const [succeeded, failed] = [row.succeeded + ok, row.failed + worked.length - ok];
      const counted = { ...row, succeeded, failed };
      if (row.status === 'Cancelled') return counted;
      const attempts = succeeded + failed;
      const failure = { code: 'JobFailureThresholdExceeded', reason: 'More than half of the tasks have failed.' };
      if (attempts >= attemptsMin && failed > attempts / 2) return { ...counted, status: 'Failed', failure, ended: ctx.now };
      return attempts >= row.total ? { ...counted, status: 'Complete', ended: ctx.now } : { ...counted, status: 'Active' };
    });
    await runSoon(tx, ctx.now);
    return now?.ended === undefined ? undefined : now;
  });
  if (ended !== undefined) await report(ctx, ended);
};

function field(text: string): string {
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** Writes the completion report with the role's rights: a file for what succeeded, one for what failed, and their manifest. */
export async function report(ctx: Context, job: JobRow): Promise<void> {
  const asked = job.report as unknown as JobReport;
  if (asked.Enabled !== true) return;
  const Bucket = (asked.Bucket ?? '').replace(/^arn:aws:s3:::/, '');
  const folder = `${asked.Prefix === undefined ? '' : `${asked.Prefix}/`}job-${job.id}`;
  const entries = (await ctx.table(BatchEntries).list({ prefix: [job.id] })).filter(({ outcome }) => outcome !== undefined);
  try {
    const s3 = (await asRole(ctx, job)).call('s3');
    const Results: object[] = [];
    for (const ok of asked.ReportScope === 'FailedTasksOnly' ? [false] : [true, false]) {
      const TaskExecutionStatus = ok ? 'succeeded' : 'failed';
      const rows = entries.filter(({ outcome }) => outcome?.ok === ok);
      if (rows.length === 0) continue;
      const lines = rows.map(({ bucket, key, versionId = '', outcome }) =>
        [
          bucket,
          encodeURIComponent(key).replaceAll('%2F', '/'),
          versionId,
          TaskExecutionStatus,
          outcome?.code ?? '',
          outcome?.status ?? '',
          outcome?.message ?? '',
        ]
          .map(field)
          .join(','),
      );
      const Body = Buffer.from(`${lines.join('\n')}\n`);
      const MD5Checksum = createHash('md5').update(Body).digest('hex');
      const Key = `${folder}/results/${createHash('sha1').update(`${job.id}${TaskExecutionStatus}`).digest('hex')}.csv`;
      await s3.putObject({ Bucket, Key, Body });
      Results.push({ TaskExecutionStatus, Bucket, MD5Checksum, Key });
    }
    const manifest = {
      Format: 'Report_CSV_20180820',
      ReportCreationDate: new Date(ctx.now).toISOString(),
      Results,
      ReportSchema: 'Bucket, Key, VersionId, TaskStatus, ErrorCode, HTTPStatusCode, ResultMessage',
    };
    await s3.putObject({ Bucket, Key: `${folder}/manifest.json`, Body: Buffer.from(JSON.stringify(manifest)) });
  } catch (error) {
    if (!(error instanceof AwsError) || error.status >= 500) throw error;
    const failure = { code: error.code, reason: `The report could not be written: ${error.message}` };
    await ctx.transact((tx) => tx.table(BatchJobs).update([job.id], (row) => ({ ...row, failure })));
  }
}
