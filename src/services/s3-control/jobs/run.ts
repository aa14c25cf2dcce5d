/**
 * How jobs run: the manifest becomes rows, then a few rows at a time are worked on, always those of the job of highest priority, so that a job can be
 * overtaken, cancelled, and go on after a crash. An object that was worked on just before a crash is worked on again.
 */
import { createHash } from 'node:crypto';
import type { JobManifest, JobManifestGenerator, JobOperation, JobReport } from '@aws-sdk/client-s3-control';
import type { Millis } from '../../../base/clock.ts';
import type { Context, Transaction } from '../../../kernel/context.ts';
import { AwsError } from '../../../kernel/errors.ts';
import type { Task } from '../../../kernel/service.ts';
import type { StsApi } from '../../sts/api.ts';
import { generateManifest, writeManifest } from './generator.ts';
import { type ManifestEntry, readManifest } from './manifests.ts';
import { carryOut } from './operations.ts';
import { BatchEntries, BatchJobs, type EntryRow, type JobRow, unpacked } from './state.ts';

/** Objects between two looks at what comes first. */
const batchSize = 50;
/** "If more than 50 percent of a job's tasks fail after at least 1,000 have been attempted, the job fails." */
const attemptsMin = 1000;
/** "Jobs are automatically deleted 90 days after reaching a terminal state." */
const keptMillis = 90 * 86_400_000;
/** Rows of a job that are removed in one transaction. */
const removedRows = 500;

/** Has the waiting jobs of an account and Region run. */
export async function runSoon(tx: Transaction, now: Millis): Promise<void> {
  await tx.schedule({ task: 'runJobs', key: 'run', due: now });
}

async function asRole(ctx: Context, { roleArn, id }: JobRow): Promise<Context> {
  const sts = await ctx.internal<StsApi>('sts');
  return ctx.asIdentity(await sts.roleIdentity({ roleArn, sessionName: `s3-batch-${id}`, service: 'batchoperations.s3' }));
}

/** The job as it is once it has ended; it is forgotten in time. */
export async function end(
  tx: Transaction,
  job: JobRow,
  status: 'Complete' | 'Failed' | 'Cancelled',
  now: Millis,
): Promise<JobRow> {
  const ended = { ...stopped(job, now), status, ended: now };
  await tx.table(BatchJobs).put(ended);
  await tx.schedule({ task: 'forgetJob', key: job.id, due: now + keptMillis });
  return ended;
}

/** Active no more: the time that it was is added up. */
function stopped(job: JobRow, now: Millis): JobRow {
  const { activeSince = now, ...rest } = job;
  return { ...rest, activeMillis: job.activeMillis + now - activeSince };
}

/** Removes a job that ended long ago, with what it had done. */
export const forgetJob: Task = async ({ key: id }, ctx) => {
  for (;;) {
    const rows = await ctx.table(BatchEntries).list({ prefix: [id], limit: removedRows });
    await ctx.transact(async (tx) => {
      for (const { index } of rows) await tx.table(BatchEntries).delete(id, index);
      if (rows.length < removedRows) await tx.table(BatchJobs).delete(id);
    });
    if (rows.length < removedRows) return;
  }
};

function entriesOf(acting: Context, job: JobRow): AsyncIterable<ManifestEntry> {
  if (job.manifest !== undefined) return readManifest(acting, unpacked<JobManifest>(job.manifest));
  return generateManifest(acting, unpacked<JobManifestGenerator>(job.generator));
}

/** Writes a row for each object of the job, with the rights of its role. Resolves with what the job knows then. */
async function listObjects(ctx: Context, job: JobRow): Promise<Pick<JobRow, 'total' | 'generated'>> {
  let total = 0;
  let batch: EntryRow[] = [];
  const flush = async (): Promise<void> => {
    const rows = batch;
    batch = [];
    await ctx.transact(async (tx) => {
      for (const row of rows) await tx.table(BatchEntries).put(row);
    });
  };
  const acting = await asRole(ctx, job);
  for await (const entry of entriesOf(acting, job)) {
    batch.push({ job: job.id, index: total, ...entry });
    total += 1;
    if (batch.length === 1000) await flush();
  }
  await flush();
  const asked = unpacked<JobManifestGenerator | undefined>(job.generator)?.S3JobManifestGenerator;
  const output = asked?.EnableManifestOutput === true ? asked.ManifestOutputLocation : undefined;
  if (output === undefined) return { total };
  return { total, generated: await writeManifest(acting, job.id, asked?.SourceBucket ?? '', output) };
}

/** Reads or makes the list of objects. A job whose list cannot be had has failed. */
export const prepareJob: Task = async ({ key: id }, ctx) => {
  const job = await ctx.transact((tx) =>
    tx.table(BatchJobs).update([id], (row) => (row.status === 'New' ? { ...row, status: 'Preparing' } : row)),
  );
  if (job?.status !== 'Preparing') return;
  try {
    const known = await listObjects(ctx, job);
    await ctx.transact(async (tx) => {
      await tx.table(BatchJobs).update([id], (row) => {
        if (row.status !== 'Preparing') return row;
        const waiting = { status: 'Suspended', suspended: ctx.now } as const;
        return { ...row, ...known, ...(row.confirmation ? waiting : { status: 'Ready' as const }) };
      });
      await runSoon(tx, ctx.now);
    });
  } catch (error) {
    if (!(error instanceof AwsError || error instanceof SyntaxError || error instanceof URIError)) throw error;
    const code = error instanceof AwsError ? error.code : 'InvalidManifest';
    const failure = { code, reason: `Manifest could not be read: ${error.message}` };
    await ctx.transact(async (tx) => {
      const row = await tx.table(BatchJobs).get(id);
      if (row?.status === 'Preparing') await end(tx, { ...row, failure }, 'Failed', ctx.now);
    });
  }
};

/** A role that is gone, or does not trust the service any more, fails every task with that. */
function refusalOf(error: unknown): AwsError {
  if (error instanceof AwsError) return error;
  throw error;
}

async function workOn(acting: Context | AwsError, job: JobRow, entry: EntryRow): Promise<EntryRow> {
  try {
    if (acting instanceof AwsError) throw acting;
    const message = await carryOut(acting, job.id, unpacked<JobOperation>(job.operation), entry);
    return { ...entry, outcome: { ok: true, code: '', status: '200', message } };
  } catch (error) {
    if (!(error instanceof AwsError)) throw error;
    return { ...entry, outcome: { ok: false, code: error.code, status: String(error.status), message: error.message } };
  }
}

/** The job that comes first, Active; those that were and have been overtaken are Paused. */
async function takeNext(tx: Transaction, now: Millis): Promise<JobRow | undefined> {
  const [first, ...others] = await tx.table(BatchJobs).byIndex('waiting', []);
  for (const other of others)
    if (other.status === 'Active') await tx.table(BatchJobs).put({ ...stopped(other, now), status: 'Paused' });
  if (first === undefined || first.status === 'Active') return first;
  const active: JobRow = { ...first, status: 'Active', activeSince: now };
  await tx.table(BatchJobs).put(active);
  return active;
}

/** One batch of the job that comes first. */
export const runJobs: Task = async (_fired, ctx) => {
  const job = await ctx.transact((tx) => takeNext(tx, ctx.now));
  if (job === undefined) return;
  const done = job.succeeded + job.failed;
  const entries = await ctx.table(BatchEntries).list({ prefix: [job.id], after: [job.id, done - 1], limit: batchSize });
  const acting = entries.length === 0 ? ctx : await asRole(ctx, job).catch((error: unknown) => refusalOf(error));
  const worked: EntryRow[] = [];
  for (const entry of entries) worked.push(await workOn(acting, job, entry));
  // Rows are read without a pause, so a long job would leave no room for what else the cloud is asked.
  await ctx.clock.pause(1);
  const ended = await ctx.transact((tx) => count(tx, job.id, worked, ctx.now));
  if (ended !== undefined) await report(ctx, ended);
};

/** Writes down what was worked on. Returns the job when it has ended by that. */
async function count(tx: Transaction, id: string, worked: readonly EntryRow[], now: Millis): Promise<JobRow | undefined> {
  for (const row of worked) await tx.table(BatchEntries).put(row);
  const ok = worked.filter(({ outcome }) => outcome?.ok === true).length;
  await runSoon(tx, now);
  const counted = await tx.table(BatchJobs).update([id], (row) => {
    return { ...row, succeeded: row.succeeded + ok, failed: row.failed + worked.length - ok };
  });
  if (counted === undefined || counted.status === 'Cancelled') return undefined;
  const attempts = counted.succeeded + counted.failed;
  if (attempts >= attemptsMin && counted.failed > attempts / 2) {
    const failure = { code: 'JobFailureThresholdExceeded', reason: 'More than half of the tasks have failed.' };
    return end(tx, { ...counted, failure }, 'Failed', now);
  }
  return attempts >= counted.total ? end(tx, counted, 'Complete', now) : undefined;
}

function field(text: string): string {
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** Writes the completion report with the role's rights: a file for what succeeded, one for what failed, and their manifest. */
export async function report(ctx: Context, job: JobRow): Promise<void> {
  const asked = unpacked<JobReport>(job.report);
  if (asked.Enabled !== true) return;
  const Bucket = (asked.Bucket ?? '').replace(/^arn:aws:s3:::/, '');
  const folder = `${asked.Prefix === undefined ? '' : `${asked.Prefix}/`}job-${job.id}`;
  const entries = (await ctx.table(BatchEntries).list({ prefix: [job.id] })).filter(({ outcome }) => outcome !== undefined);
  try {
    const s3 = (await asRole(ctx, job)).call('s3');
    const owner = asked.ExpectedBucketOwner;
    const put = (Key: string, Body: Uint8Array) =>
      s3.putObject({ Bucket, Key, Body, ...(owner === undefined ? {} : { ExpectedBucketOwner: owner }) });
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
      await put(Key, Body);
      Results.push({ TaskExecutionStatus, Bucket, MD5Checksum, Key });
    }
    const manifest = {
      Format: 'Report_CSV_20180820',
      ReportCreationDate: new Date(ctx.now).toISOString(),
      Results,
      ReportSchema: 'Bucket, Key, VersionId, TaskStatus, ErrorCode, HTTPStatusCode, ResultMessage',
    };
    await put(`${folder}/manifest.json`, Buffer.from(JSON.stringify(manifest)));
  } catch (error) {
    if (!(error instanceof AwsError) || error.status >= 500) throw error;
    const failure = { code: error.code, reason: `The report could not be written: ${error.message}` };
    await ctx.transact((tx) => tx.table(BatchJobs).update([job.id], (row) => ({ ...row, failure })));
  }
}
