/** Jobs: archives and inventories made ready in the time of their tier, by the cloud's clock, and to be had for a day ("Retrieving Archives"). */
import type { Glacier, InitiateJobInput, JobParameters } from '@aws-sdk/client-glacier';
import type { Context, Transaction } from '../../kernel/context.ts';
import { parameterNotImplemented } from '../../kernel/errors.ts';
import type { HandlersOf, Task } from '../../kernel/service.ts';
import { dropArchive, readyJobs } from './bytes.ts';
import { invalidParameter, missingParameter, notFound } from './errors.ts';
import { enforceRetrieval } from './retrieval-policies.ts';
import { describeJob } from './job-descriptions.ts';
import { finishArchive, finishInventory } from './job-outputs.ts';
import { checkTopic, tellLater } from './notifications.ts';
import { atAccount, pageRows, type Reading, requireArchive, requireVault, vaultArn } from './lookup.ts';
import { checkDescription, day, readByteRange, waits } from './rules.ts';
import { Archives, type ArchiveRow, type InventoryAsk, type JobRow, Jobs, type VaultRow, Vaults } from './state.ts';
import { leafBytes } from './tree-hash.ts';

/** The job of a request. Throws ResourceNotFoundException. */
async function requireJob(
  reading: Reading,
  ask: { vaultName?: string | undefined; jobId?: string | undefined },
): Promise<JobRow> {
  const row = await reading.table(Jobs).get(ask.vaultName ?? '', ask.jobId ?? '');
  if (row === undefined) throw notFound(`The job ID was not found: ${ask.jobId}`);
  return row;
}

/** Removes a job with what it gave. */
export async function dropJob(tx: Transaction, row: JobRow): Promise<void> {
  await tx.table(Jobs).delete(row.vault, row.id);
  const key = `${row.vault}/${row.id}`;
  for (const task of ['finishJob', 'jobExpired']) await tx.unschedule(task, key);
  if (row.output !== undefined) await dropArchive(tx, row.output);
  if (row.archive === undefined || (await readyJobs(tx, row.vault, row.archive.id)).length > 0) return;
  // The last that had a deleted archive ready.
  const archive = await tx.table(Archives).get(row.vault, row.archive.id);
  if (archive?.deleted === undefined) return;
  await dropArchive(tx, archive);
  await tx.table(Archives).put({ ...archive, contents: [] });
}

/** "… if it's not the whole archive, the range must be megabyte aligned". */
function readRange(asked: string | undefined, { bytes }: ArchiveRow): { start: number; end: number } {
  if (asked === undefined) return { start: 0, end: bytes };
  const range = readByteRange(asked);
  const aligned = range !== undefined && range.start % leafBytes === 0 && (range.end % leafBytes === 0 || range.end === bytes);
  if (!aligned || range.end > bytes) throw invalidParameter(`Invalid retrieval byte range: ${asked}`);
  return range;
}

function readDate(name: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const at = Date.parse(text);
  if (Number.isNaN(at)) throw invalidParameter(`Invalid ${name}: ${text}`);
  return at;
}

function readInventoryAsk({ Format: format = 'JSON', InventoryRetrievalParameters: asked }: JobParameters): InventoryAsk {
  if (format !== 'JSON' && format !== 'CSV') throw invalidParameter(`Invalid Format: ${format}`);
  const limit = asked?.Limit === undefined ? undefined : Number(asked.Limit);
  if (limit !== undefined && (!Number.isInteger(limit) || limit < 1)) throw invalidParameter(`Invalid Limit: ${asked?.Limit}`);
  return {
    format,
    from: readDate('StartDate', asked?.StartDate),
    until: readDate('EndDate', asked?.EndDate),
    limit,
    marker: asked?.Marker,
  };
}

type Draft = Pick<JobRow, 'action' | 'archive' | 'inventory'>;

/** What a job is for. Throws for what the vault does not have. */
async function readDraft(tx: Transaction, at: Context, vault: VaultRow, asked: JobParameters): Promise<Draft> {
  switch (asked.Type) {
    case 'archive-retrieval': {
      if (asked.ArchiveId === undefined) throw missingParameter('ArchiveId');
      if (asked.Format !== undefined) throw invalidParameter('Format is not valid for an archive-retrieval job.');
      const row = await requireArchive(tx, vault.name, asked.ArchiveId);
      const { id, bytes, treeHash } = row;
      return { action: 'ArchiveRetrieval', archive: { id, bytes, treeHash, ...readRange(asked.RetrievalByteRange, row) } };
    }
    case 'inventory-retrieval': {
      for (const name of ['ArchiveId', 'RetrievalByteRange'] as const)
        if (asked[name] !== undefined) throw invalidParameter(`${name} is not valid for an inventory-retrieval job.`);
      if (vault.inventory === undefined)
        throw notFound(`There are currently no inventories available for ${vaultArn(at, vault.name)}`);
      return { action: 'InventoryRetrieval', inventory: readInventoryAsk(asked) };
    }
    case undefined:
      throw missingParameter('Type');
    default:
      throw invalidParameter(`Invalid job type: ${asked.Type}`);
  }
}

function readJob(input: InitiateJobInput): JobParameters & { Tier: string } {
  const asked = input.jobParameters ?? {};
  for (const name of ['SelectParameters', 'OutputLocation'] as const)
    if (asked[name] !== undefined) throw parameterNotImplemented('InitiateJob', `jobParameters.${name}`);
  const tier = asked.Tier ?? 'Standard';
  if (waits[tier] === undefined) throw invalidParameter(`Invalid tier: ${tier}`);
  checkDescription('job description', asked.Description ?? '');
  if (asked.SNSTopic !== undefined) checkTopic(asked.SNSTopic);
  return { ...asked, Tier: tier };
}

export const jobHandlers: HandlersOf<Glacier> = {
  /**
   * Throws ResourceNotFoundException for an archive that is not there and for an inventory before the first, PolicyEnforcedException where the
   * account's retrieval policy leaves no room.
   */
  async InitiateJob(input, ctx) {
    const at = atAccount(ctx, input);
    const asked = readJob(input);
    const id = ctx.id('archiveJob');
    const vault = await at.transact(async (tx) => {
      const found = await requireVault(tx, at, input);
      const draft = await readDraft(tx, at, found, asked);
      if (draft.archive !== undefined) await enforceRetrieval(tx, ctx.now, asked.Tier, draft.archive);
      const { Description: description, SNSTopic: topic, Tier: tier } = asked;
      await tx
        .table(Jobs)
        .put({ vault: found.name, id, created: ctx.now, description, topic, tier, status: 'InProgress', ...draft });
      const due = ctx.now + (waits[tier] ?? 0);
      await tx.schedule({ task: 'finishJob', key: `${found.name}/${id}`, due, payload: { vault: found.name, id } });
      return found.name;
    });
    return { location: `/${at.account}/vaults/${vault}/jobs/${id}`, jobId: id };
  },

  async DescribeJob(input, ctx) {
    const at = atAccount(ctx, input);
    await requireVault(at, at, input);
    return describeJob(at, await requireJob(at, input));
  },

  /** Jobs in progress and those of the last day. */
  async ListJobs(input, ctx) {
    const at = atAccount(ctx, input);
    const { name } = await requireVault(at, at, input);
    const { statuscode, completed } = input;
    if (statuscode !== undefined && !['InProgress', 'Succeeded', 'Failed'].includes(statuscode))
      throw invalidParameter(`Invalid status code: ${statuscode}`);
    if (completed !== undefined && completed !== 'true' && completed !== 'false')
      throw invalidParameter(`Invalid completed: ${completed}`);
    const rows = (await at.table(Jobs).list({ prefix: [name] })).filter(
      ({ status }) =>
        (statuscode === undefined || status === statuscode) &&
        (completed === undefined || (status !== 'InProgress') === (completed === 'true')),
    );
    const scope = `ListJobs ${name} ${statuscode} ${completed}`;
    const { items, marker } = pageRows(rows, (row) => [row.id], scope, input);
    return { JobList: items.map((row) => describeJob(at, row)), ...marker };
  },
};

/** The tier's time is over: what was asked for is ready, or can no longer be. */
export const finishJob: Task = async ({ payload, due }, ctx) => {
  const { vault: name, id } = payload as { vault: string; id: string };
  const [vault, job] = [await ctx.table(Vaults).get(name), await ctx.table(Jobs).get(name, id)];
  if (vault === undefined || job?.status !== 'InProgress') return;
  const ready = job.inventory === undefined ? finishArchive(ctx, job) : finishInventory(ctx, vault, job);
  const { commit, row } = await ready;
  await ctx.transact(async (tx) => {
    const done = await commit(tx, { ...row, completed: due });
    await tx.table(Jobs).put(done);
    await tx.schedule({ task: 'jobExpired', key: `${name}/${id}`, due: due + day, payload: { vault: name, id } });
    await tellLater(tx, vault, done);
  });
};

/** "Job output is not expired for at least 24 hours after completion." */
export const jobExpired: Task = async ({ payload }, ctx) => {
  const { vault, id } = payload as { vault: string; id: string };
  await ctx.transact(async (tx) => {
    const row = await tx.table(Jobs).get(vault, id);
    if (row !== undefined) await dropJob(tx, row);
  });
};
