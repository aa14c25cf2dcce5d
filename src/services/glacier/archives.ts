/** Archives: uploaded whole, and deleted ("Working with Archives"). */
import type { Glacier } from '@aws-sdk/client-glacier';
import { discardContent, keepContent } from '../../kernel/sealed-bytes.ts';
import type { HandlersOf } from '../../kernel/service.ts';
import { dropArchive, newKey, readyJobs, storeBody } from './bytes.ts';
import { atAccount, requireArchive, requireVault } from './lookup.ts';
import { checkDescription, limits } from './rules.ts';
import { Archives, Contents } from './state.ts';
import { noteChange } from './inventories.ts';

export const archiveHandlers: HandlersOf<Glacier> = {
  /** Up to 4 GiB at once. Throws ResourceNotFoundException, InvalidParameterValueException, MissingParameterValueException. */
  async UploadArchive(input, ctx) {
    const at = atAccount(ctx, input);
    const { name: vault } = await requireVault(at, at, input);
    const { archiveDescription: description = '' } = input;
    checkDescription('archive description', description);
    const { key, wrapped } = newKey(ctx);
    const { row, bytes, treeHash } = await storeBody(ctx, input, key, limits.archiveBytesMax);
    const id = ctx.id('archive');
    try {
      await at.transact(async (tx) => {
        const found = await requireVault(tx, at, input);
        await tx.table(Contents).put(row);
        const contents = [{ id: row.id, bytes }];
        await tx.table(Archives).put({ vault, id, created: ctx.now, description, bytes, treeHash, contents, wrapped });
        await noteChange(tx, found, ctx.now);
      });
    } catch (error) {
      await discardContent(ctx, row);
      throw error;
    }
    await keepContent(ctx, row);
    return { location: `/${at.account}/vaults/${vault}/archives/${id}`, checksum: treeHash, archiveId: id };
  },

  /** Idempotent: "you can delete an archive that you have already deleted". What a job has ready can be downloaded to the job's end. */
  async DeleteArchive(input, ctx) {
    const at = atAccount(ctx, input);
    const { archiveId: id = '' } = input;
    await at.transact(async (tx) => {
      const vault = await requireVault(tx, at, input);
      const known = await tx.table(Archives).get(vault.name, id);
      if (known?.deleted !== undefined) return;
      const row = await requireArchive(tx, vault.name, id);
      const held = (await readyJobs(tx, vault.name, id)).length > 0;
      if (!held) await dropArchive(tx, row);
      await tx.table(Archives).put({ ...row, deleted: ctx.now, ...(held ? {} : { contents: [] }) });
      await noteChange(tx, vault, ctx.now);
    });
    return {};
  },
};
