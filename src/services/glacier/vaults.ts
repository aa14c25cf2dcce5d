/** Vaults: made, shown, listed, deleted when empty ("Working with Vaults"). */
import type { DescribeVaultOutput, Glacier } from '@aws-sdk/client-glacier';
import type { Millis } from '../../base/clock.ts';
import type { Context, Scope } from '../../kernel/context.ts';
import type { HandlersOf } from '../../kernel/service.ts';
import { dropArchive } from './bytes.ts';
import { invalidParameter, limitExceeded } from './errors.ts';
import { atAccount, requireOwn, requireVault, vaultArn } from './lookup.ts';
import { checkVaultName, limits, readLimit } from './rules.ts';
import { Archives, Jobs, Parts, Uploads, type VaultRow, Vaults } from './state.ts';
import { dropJob } from './jobs.ts';
import { dropUpload } from './uploads.ts';

function iso(at: Millis): string {
  return new Date(at).toISOString();
}

function describe(scope: Scope, row: VaultRow): DescribeVaultOutput {
  return {
    VaultARN: vaultArn(scope, row.name),
    VaultName: row.name,
    CreationDate: iso(row.created),
    ...(row.inventory === undefined ? {} : { LastInventoryDate: iso(row.inventory.at) }),
    NumberOfArchives: row.inventory?.count ?? 0,
    SizeInBytes: row.inventory?.bytes ?? 0,
  };
}

export const vaultHandlers: HandlersOf<Glacier> = {
  /** Making a vault that is there already changes nothing. */
  async CreateVault(input, ctx) {
    const { vaultName: name = '' } = input;
    const at = atAccount(ctx, input);
    checkVaultName(name);
    await at.transact(async (tx) => {
      const vaults = tx.table(Vaults);
      if ((await vaults.get(name)) !== undefined) return;
      if ((await vaults.count()) >= limits.vaults) throw limitExceeded(`Vault count exceeds the limit: ${limits.vaults}`);
      await vaults.put({ name, created: ctx.now, tags: {} });
    });
    return { location: `/${at.account}/vaults/${name}` };
  },

  async DescribeVault(input, ctx) {
    const at = atAccount(ctx, input);
    return describe(at, await requireVault(at, at, input));
  },

  /** The marker is the ARN of the vault at which the list goes on. */
  async ListVaults(input, ctx) {
    requireOwn(ctx, input);
    const limit = readLimit(input.limit, limits.vaultPageMax);
    const rows = await ctx.table(Vaults).list();
    const { marker } = input;
    const start = marker === undefined ? 0 : rows.findIndex(({ name }) => vaultArn(ctx, name) >= marker);
    if (marker !== undefined && !marker.startsWith(vaultArn(ctx, ''))) throw invalidParameter(`Invalid marker: ${marker}`);
    const page = start < 0 ? [] : rows.slice(start, start + limit);
    const next = start < 0 ? undefined : rows[start + limit];
    return {
      VaultList: page.map((row) => describe(ctx, row)),
      ...(next === undefined ? {} : { Marker: vaultArn(ctx, next.name) }),
    };
  },

  /**
   * Only when it was empty at the last inventory and nothing was written since; a vault that is not there is deleted already. Throws
   * InvalidParameterValueException.
   */
  async DeleteVault(input, ctx) {
    const at = atAccount(ctx, input);
    await at.transact(async (tx) => {
      const row = await tx.table(Vaults).get(input.vaultName ?? '');
      if (row === undefined) return;
      if (row.changed !== undefined || (row.inventory?.count ?? 0) > 0)
        throw invalidParameter(`Vault not empty or recently written to: ${vaultArn(at, row.name)}`);
      for (const upload of await tx.table(Uploads).list({ prefix: [row.name] })) await dropUpload(tx, upload, new Set());
      for (const job of await tx.table(Jobs).list({ prefix: [row.name] })) await dropJob(tx, job);
      for (const archive of await tx.table(Archives).list({ prefix: [row.name] })) {
        await dropArchive(tx, archive);
        await tx.table(Archives).delete(row.name, archive.id);
      }
      await tx.unschedule('inventory', row.name);
      await tx.table(Vaults).delete(row.name);
    });
    return {};
  },
};

/** Before an account's rows go: their bytes. */
export async function dropBytes(account: string, ctx: Context): Promise<void> {
  const mine = <Row extends { scope: Scope }>(rows: readonly Row[]) => rows.filter(({ scope }) => scope.account === account);
  const contents = [
    ...mine(await ctx.everywhere(Archives)).flatMap(({ row }) => row.contents),
    ...mine(await ctx.everywhere(Parts)).map(({ row }) => row.content),
    ...mine(await ctx.everywhere(Jobs)).flatMap(({ row }) => row.output?.contents ?? []),
  ];
  await ctx.transact((tx) => dropArchive(tx, { contents }));
}
