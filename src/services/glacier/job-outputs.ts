/** What jobs give: the bytes of archives, and inventories as JSON or CSV. */
import type { GetJobOutputCommandOutput, Glacier } from '@aws-sdk/client-glacier';
import type { Context, Transaction } from '../../kernel/context.ts';
import { keepContent } from '../../kernel/sealed-bytes.ts';
import type { HandlersOf } from '../../kernel/service.ts';
import { newKey, openBytes, storeBytes } from './bytes.ts';
import { invalidParameter, notFound } from './errors.ts';
import { atAccount, requireVault, vaultArn } from './lookup.ts';
import { readByteRange } from './rules.ts';
import { type ArchiveRow, Archives, Contents, type JobRow, Jobs, type VaultRow } from './state.ts';
import { isTreeAligned, TreeHash } from './tree-hash.ts';

/** Rows read in one go. */
const batchRows = 1000;

/** What a job has become, and how it is written: `commit` runs in the transaction that stores the row. */
export interface Finished {
  row: JobRow;
  commit: (tx: Transaction, row: JobRow) => Promise<JobRow>;
}

/** The tree hash of a range, when one node covers it. */
async function hashRange(ctx: Context, archive: ArchiveRow, start: number, end: number): Promise<string | undefined> {
  if (!isTreeAligned(start, end, archive.bytes)) return undefined;
  if (start === 0 && end === archive.bytes) return archive.treeHash;
  const hash = new TreeHash();
  for await (const piece of await openBytes(ctx, archive.contents, archive.wrapped, start, end)) hash.update(piece);
  return hash.digest();
}

/** An archive that was deleted meanwhile cannot be had any more. */
export async function finishArchive(ctx: Context, job: JobRow): Promise<Finished> {
  const wanted = job.archive;
  if (wanted === undefined) throw new TypeError('A job without an archive.');
  const archive = await ctx.table(Archives).get(job.vault, wanted.id);
  const gone = archive === undefined || archive.deleted !== undefined;
  const rangeHash = gone ? undefined : await hashRange(ctx, archive, wanted.start, wanted.end);
  return {
    row: { ...job, archive: { ...wanted, rangeHash } },
    async commit(tx, row) {
      const now = await tx.table(Archives).get(job.vault, wanted.id);
      if (now === undefined || now.deleted !== undefined)
        return { ...row, status: 'Failed', message: `The archive ID was not found: ${wanted.id}` };
      return { ...row, status: 'Succeeded', message: 'Succeeded' };
    },
  };
}

/** Archives of the last inventory, in order of their ids, as far as the job asks for them. */
async function* listArchives(ctx: Context, vault: VaultRow, job: JobRow): AsyncGenerator<ArchiveRow> {
  const { from = 0, until = Number.POSITIVE_INFINITY, marker } = job.inventory ?? {};
  const at = vault.inventory?.at ?? 0;
  let after: { after?: string[] } = marker === undefined ? {} : { after: [vault.name, marker] };
  for (;;) {
    const rows = await ctx.table(Archives).list({ prefix: [vault.name], ...after, limit: batchRows });
    for (const row of rows) {
      const there = row.created <= at && (row.deleted === undefined || row.deleted > at);
      if (there && row.created >= from && row.created < until) yield row;
    }
    const last = rows.at(-1);
    if (last === undefined || rows.length < batchRows) return;
    after = { after: [vault.name, last.id] };
  }
}

function csvField(text: string): string {
  return `"${text.replaceAll('"', '""')}"`;
}

/** The inventory as text, in pieces; `stopped` hears of the last archive when there are more than the job's limit. */
async function* writeInventory(
  ctx: Context,
  vault: VaultRow,
  job: JobRow,
  stopped: (last: string) => void,
): AsyncGenerator<Uint8Array> {
  const csv = job.inventory?.format === 'CSV';
  const limit = job.inventory?.limit ?? Number.POSITIVE_INFINITY;
  const date = new Date(vault.inventory?.at ?? 0).toISOString();
  const head = `{"VaultARN":${JSON.stringify(vaultArn(ctx, vault.name))},"InventoryDate":"${date}","ArchiveList":[`;
  yield Buffer.from(csv ? 'ArchiveId,ArchiveDescription,CreationDate,Size,SHA256TreeHash\r\n' : head);
  let count = 0;
  let last = '';
  for await (const row of listArchives(ctx, vault, job)) {
    if (count === limit) {
      stopped(last);
      break;
    }
    const created = new Date(row.created).toISOString();
    const line = csv
      ? `${row.id},${csvField(row.description)},${created},${row.bytes},${row.treeHash}\r\n`
      : `${count === 0 ? '' : ','}${JSON.stringify({
          ArchiveId: row.id,
          ArchiveDescription: row.description,
          CreationDate: created,
          Size: row.bytes,
          SHA256TreeHash: row.treeHash,
        })}`;
    yield Buffer.from(line);
    count += 1;
    last = row.id;
  }
  if (!csv) yield Buffer.from(']}');
}

/** Writes the inventory down as it is now: the next one does not change it. */
export async function finishInventory(ctx: Context, vault: VaultRow, job: JobRow): Promise<Finished> {
  const { key, wrapped } = newKey(ctx);
  let next: string | undefined;
  const stopped = (last: string) => {
    next = last;
  };
  const { row: content, bytes } = await storeBytes(ctx, writeInventory(ctx, vault, job, stopped), key);
  if (content === undefined) throw new Error('An inventory is never empty.');
  const inventory = job.inventory && { ...job.inventory, next };
  return {
    row: { ...job, inventory, output: { contents: [{ id: content.id, bytes }], bytes, wrapped } },
    async commit(tx, row) {
      await tx.table(Contents).put(content);
      await keepContent(ctx, content);
      return { ...row, status: 'Succeeded', message: 'Succeeded' };
    },
  };
}

/** `bytes=0-1048575` of an output; undefined for the whole. Throws InvalidParameterValueException. */
function readOutputRange(text: string | undefined, bytes: number): { start: number; end: number } | undefined {
  if (text === undefined) return undefined;
  const range = readByteRange(text, 'bytes=');
  if (range === undefined || range.start >= bytes) throw invalidParameter(`Invalid range: ${text}`);
  return { start: range.start, end: Math.min(range.end, bytes) };
}

export const outputHandlers: HandlersOf<Glacier> = {
  /** Throws InvalidParameterValueException while the job is on its way, ResourceNotFoundException once it has expired. */
  async GetJobOutput(input, ctx) {
    const at = atAccount(ctx, input);
    const vault = await requireVault(at, at, input);
    const job = await at.table(Jobs).get(vault.name, input.jobId ?? '');
    if (job === undefined) throw notFound(`The job ID was not found: ${input.jobId}`);
    if (job.status !== 'Succeeded') throw invalidParameter(`The job is not currently available for download: ${job.id}`);
    const bytes = job.output?.bytes ?? (job.archive?.end ?? 0) - (job.archive?.start ?? 0);
    const asked = readOutputRange(input.range, bytes);
    const { start, end } = asked ?? { start: 0, end: bytes };
    const ranged = asked && { status: 206, contentRange: `bytes ${start}-${end - 1}/${bytes}` };
    const status = { status: 200, acceptRanges: 'bytes', ...ranged };
    if (job.output !== undefined) {
      const { contents, wrapped } = job.output;
      const contentType = job.inventory?.format === 'CSV' ? 'text/csv' : 'application/json';
      return { ...status, contentType, body: bodyOf(await openBytes(at, contents, wrapped, start, end)) };
    }
    const archive = await at.table(Archives).get(vault.name, job.archive?.id ?? '');
    if (archive === undefined) throw new Error('The archive of a finished job is missing.');
    const offset = job.archive?.start ?? 0;
    const checksum = await hashRange(at, archive, offset + start, offset + end);
    return {
      ...status,
      contentType: 'application/octet-stream',
      ...(checksum === undefined ? {} : { checksum }),
      ...(archive.description === '' ? {} : { archiveDescription: archive.description }),
      body: bodyOf(await openBytes(at, archive.contents, archive.wrapped, offset + start, offset + end)),
    };
  },
};

/** The wire layer takes pieces; the client's type knows only what a client gets. */
function bodyOf(pieces: AsyncIterable<Uint8Array>): NonNullable<GetJobOutputCommandOutput['body']> {
  return pieces as unknown as NonNullable<GetJobOutputCommandOutput['body']>;
}
