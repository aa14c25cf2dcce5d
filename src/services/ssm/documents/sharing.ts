/** With whom an account shares its documents. Source: User Guide, "Sharing SSM documents"; API Reference, ModifyDocumentPermission, DescribeDocumentPermission. */
import type { SSM } from '@aws-sdk/client-ssm';
import { pageOf } from '../../../base/paging.ts';
import type { Context } from '../../../kernel/context.ts';
import { parameterNotImplemented } from '../../../kernel/errors.ts';
import { RequestCheck } from '../../../kernel/request-check.ts';
import type { HandlersOf } from '../../../kernel/service.ts';
import { documentPermissionLimit, invalidDocument, invalidNextToken, invalidPermissionType } from '../errors.ts';
import { ownName } from './names.ts';
import { Documents } from './state.ts';

const accountsPerCallMax = 20;
const accountsMax = 1000;
const publicDocumentsMax = 5;
const pageItemsMax = 200;

function check(ids: Readonly<Record<string, readonly string[] | undefined>>, permissionType: string | undefined): void {
  if (permissionType !== 'Share') throw invalidPermissionType();
  const request = new RequestCheck();
  for (const [member, list] of Object.entries(ids)) {
    request.count(member, list, 0, accountsPerCallMax);
    for (const id of list ?? []) request.pattern(member, id, /^(all|[0-9]{12})$/i, '(?i)all|[0-9]{12}');
  }
  request.done();
}

async function requireRow(ctx: Pick<Context, 'table'>, name: string) {
  const row = await ctx.table(Documents).get(name);
  if (row === undefined) throw invalidDocument(name);
  return row;
}

const plain = (id: string): string => id.toLowerCase();

export const sharingHandlers: HandlersOf<SSM> = {
  /** What is added and removed in one request is removed. */
  async ModifyDocumentPermission(input, ctx) {
    if (input.SharedDocumentVersion !== undefined && input.SharedDocumentVersion !== '$DEFAULT')
      throw parameterNotImplemented('ModifyDocumentPermission', `SharedDocumentVersion ${input.SharedDocumentVersion}`);
    check({ accountIdsToAdd: input.AccountIdsToAdd, accountIdsToRemove: input.AccountIdsToRemove }, input.PermissionType);
    await ctx.transact(async (tx) => {
      const row = await requireRow(tx, ownName(ctx, input.Name));
      const gone = new Set((input.AccountIdsToRemove ?? []).map(plain));
      const before = row.sharedWith ?? [];
      const added = (input.AccountIdsToAdd ?? []).map(plain);
      const sharedWith = [...new Set([...before, ...added])].filter((id) => !gone.has(id));
      if (sharedWith.length > accountsMax) throw documentPermissionLimit(`with a maximum of ${accountsMax} accounts`);
      if (sharedWith.includes('all') && !before.includes('all')) {
        const open = (await tx.table(Documents).list()).filter((one) => one.sharedWith?.includes('all'));
        if (open.length >= publicDocumentsMax) throw documentPermissionLimit(`publicly up to ${publicDocumentsMax} documents`);
      }
      await tx.table(Documents).put({ ...row, sharedWith });
    });
    return {};
  },

  async DescribeDocumentPermission(input, ctx) {
    if (input.PermissionType !== 'Share') throw invalidPermissionType();
    new RequestCheck().range('maxResults', input.MaxResults, 1, pageItemsMax).done();
    const row = await requireRow(ctx, ownName(ctx, input.Name));
    const page = pageOf([...(row.sharedWith ?? [])].sort(), (id) => [id], {
      scope: `DescribeDocumentPermission ${row.name}`,
      token: input.NextToken,
      limit: input.MaxResults ?? pageItemsMax,
    });
    if (page === undefined) throw invalidNextToken();
    const AccountSharingInfoList = page.items.map((AccountId) => ({ AccountId, SharedDocumentVersion: '$DEFAULT' }));
    return { AccountIds: page.items, AccountSharingInfoList, NextToken: page.nextToken };
  },
};
