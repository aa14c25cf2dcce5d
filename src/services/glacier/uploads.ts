/** Archives in parts ("Uploading Large Archives in Parts"): begun, uploaded in any order, completed into one archive, or given up after a day of silence. */
import type { Glacier } from '@aws-sdk/client-glacier';
import type { Context, Transaction } from '../../kernel/context.ts';
import { discardContent, keepContent } from '../../kernel/sealed-bytes.ts';
import type { HandlersOf, Task } from '../../kernel/service.ts';
import { dropArchive, newKey, openKey, storeBody } from './bytes.ts';
import { invalidParameter, missingParameter, notFound } from './errors.ts';
import { atAccount, pageRows, type Reading, requireVault, vaultArn } from './lookup.ts';
import { checkDescription, day, limits, readByteRange, readPartSize } from './rules.ts';
import { Archives, Contents, type PartRow, Parts, type UploadRow, Uploads } from './state.ts';
import { joinHashes } from './tree-hash.ts';
import { noteChange } from './inventories.ts';

async function requireUpload(
  reading: Reading,
  ask: { vaultName?: string | undefined; uploadId?: string | undefined },
): Promise<UploadRow> {
  const row = await reading.table(Uploads).get(ask.vaultName ?? '', ask.uploadId ?? '');
  if (row === undefined) throw notFound(`The upload ID was not found: ${ask.uploadId}`);
  return row;
}

/** "An in-progress multipart upload expires 24 hours after the last part." */
async function waitForParts(tx: Transaction, { vault, id }: UploadRow, now: number): Promise<void> {
  await tx.schedule({ task: 'uploadExpired', key: `${vault}/${id}`, due: now + day, payload: { vault, id } });
}

/** Removes an upload with its parts and their bytes, but those that `kept` names. */
export async function dropUpload(tx: Transaction, { vault, id }: UploadRow, kept: ReadonlySet<string>): Promise<void> {
  for (const part of await tx.table(Parts).list({ prefix: [id] })) {
    await tx.table(Parts).delete(id, part.start);
    if (!kept.has(part.content.id)) await dropArchive(tx, { contents: [part.content] });
  }
  await tx.table(Uploads).delete(vault, id);
  await tx.unschedule('uploadExpired', `${vault}/${id}`);
}

export const uploadExpired: Task = async ({ payload }, ctx) => {
  const { vault, id } = payload as { vault: string; id: string };
  await ctx.transact(async (tx) => {
    const upload = await tx.table(Uploads).get(vault, id);
    if (upload !== undefined) await dropUpload(tx, upload, new Set());
  });
};

/** `bytes 0-1048575/*` of an upload. Throws MissingParameterValueException, InvalidParameterValueException. */
function readPartRange(text: string | undefined, { partBytes }: UploadRow): { start: number; end: number } {
  if (text === undefined) throw missingParameter('Content-Range');
  const range = readByteRange(text.replace(/\/\*$/, ''), 'bytes ');
  const valid = range !== undefined && range.start % partBytes === 0 && range.end - range.start <= partBytes;
  if (!valid || range.start / partBytes >= limits.parts) throw invalidParameter(`Invalid Content-Range: ${text}`);
  return range;
}

function describe(scope: Context, row: UploadRow) {
  return {
    MultipartUploadId: row.id,
    VaultARN: vaultArn(scope, row.vault),
    ArchiveDescription: row.description,
    PartSizeInBytes: row.partBytes,
    CreationDate: new Date(row.created).toISOString(),
  };
}

/** The parts must follow each other from zero to the size that the client says, all but the last of full size. */
function checkWhole(parts: readonly PartRow[], { partBytes }: UploadRow, bytes: number, asked: string): void {
  const gap = parts.some((part, i) => part.start !== i * partBytes || (i < parts.length - 1 && part.bytes !== partBytes));
  if (gap || parts.length === 0 || String(bytes) !== asked) throw invalidParameter(`Invalid archive size: ${asked}`);
}

export const uploadHandlers: HandlersOf<Glacier> = {
  async InitiateMultipartUpload(input, ctx) {
    const at = atAccount(ctx, input);
    const { archiveDescription: description = '' } = input;
    checkDescription('archive description', description);
    const partBytes = readPartSize(input.partSize);
    const id = ctx.id('archiveJob');
    const { wrapped } = newKey(ctx);
    const vault = await at.transact(async (tx) => {
      const { name } = await requireVault(tx, at, input);
      const row = { vault: name, id, created: ctx.now, description, partBytes, wrapped };
      await tx.table(Uploads).put(row);
      await waitForParts(tx, row, ctx.now);
      return name;
    });
    return { location: `/${at.account}/vaults/${vault}/multipart-uploads/${id}`, uploadId: id };
  },

  /** A part that is sent again replaces the one before. */
  async UploadMultipartPart(input, ctx) {
    const at = atAccount(ctx, input);
    await requireVault(at, at, input);
    const upload = await requireUpload(at, input);
    const { start, end } = readPartRange(input.range, upload);
    const { row, bytes, treeHash } = await storeBody(ctx, input, openKey(ctx, upload.wrapped), upload.partBytes);
    try {
      if (bytes !== end - start)
        throw invalidParameter(`Content-Range: ${input.range} is incompatible with Content-Length: ${bytes}`);
      await at.transact(async (tx) => {
        await requireUpload(tx, input);
        const before = await tx.table(Parts).get(upload.id, start);
        if (before !== undefined) await dropArchive(tx, { contents: [before.content] });
        await tx.table(Contents).put(row);
        await tx.table(Parts).put({ uploadId: upload.id, start, bytes, treeHash, content: { id: row.id, bytes } });
        await waitForParts(tx, upload, ctx.now);
      });
    } catch (error) {
      await discardContent(ctx, row);
      throw error;
    }
    await keepContent(ctx, row);
    return { checksum: treeHash };
  },

  /** Throws InvalidParameterValueException for a gap, another size, or another tree hash than that of the whole. */
  async CompleteMultipartUpload(input, ctx) {
    const at = atAccount(ctx, input);
    const { archiveSize: size, checksum } = input;
    if (size === undefined) throw missingParameter('x-amz-archive-size');
    if (checksum === undefined) throw missingParameter('x-amz-sha256-tree-hash');
    const id = ctx.id('archive');
    const vault = await at.transact(async (tx) => {
      const found = await requireVault(tx, at, input);
      const upload = await requireUpload(tx, input);
      const parts = await tx.table(Parts).list({ prefix: [upload.id] });
      const bytes = parts.reduce((sum, part) => sum + part.bytes, 0);
      checkWhole(parts, upload, bytes, size);
      const treeHash = joinHashes(parts.map((part) => Buffer.from(part.treeHash, 'hex')));
      if (treeHash !== checksum.toLowerCase()) throw invalidParameter(`Invalid x-amz-sha256-tree-hash: ${checksum}`);
      const { description, wrapped } = upload;
      const contents = parts.map(({ content }) => content);
      await tx.table(Archives).put({ vault: found.name, id, created: ctx.now, description, bytes, treeHash, contents, wrapped });
      await dropUpload(tx, upload, new Set(contents.map((content) => content.id)));
      await noteChange(tx, found, ctx.now);
      return found.name;
    });
    return { location: `/${at.account}/vaults/${vault}/archives/${id}`, checksum: checksum.toLowerCase(), archiveId: id };
  },

  async AbortMultipartUpload(input, ctx) {
    const at = atAccount(ctx, input);
    await at.transact(async (tx) => {
      await requireVault(tx, at, input);
      await dropUpload(tx, await requireUpload(tx, input), new Set());
    });
    return {};
  },

  async ListMultipartUploads(input, ctx) {
    const at = atAccount(ctx, input);
    const { name } = await requireVault(at, at, input);
    const rows = await at.table(Uploads).list({ prefix: [name] });
    const { items, marker } = pageRows(rows, (row) => [row.id], `ListMultipartUploads ${name}`, input);
    return { UploadsList: items.map((row) => describe(at, row)), ...marker };
  },

  async ListParts(input, ctx) {
    const at = atAccount(ctx, input);
    await requireVault(at, at, input);
    const upload = await requireUpload(at, input);
    const rows = await at.table(Parts).list({ prefix: [upload.id] });
    const { items, marker } = pageRows(rows, (row) => [row.start], `ListParts ${upload.id}`, input);
    const parts = items.map((part) => ({
      RangeInBytes: `${part.start}-${part.start + part.bytes - 1}`,
      SHA256TreeHash: part.treeHash,
    }));
    return { ...describe(at, upload), Parts: parts, ...marker };
  },
};
