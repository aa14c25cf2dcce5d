/**
 * Managed prefix lists: named sets of blocks for routes and security groups ("Managed prefix lists", VPC User Guide). Each change of entries makes a
 * new version; all versions can be read and restored. AWS's own lists can be read and named, not changed.
 */
import type { AddPrefixListEntry, EC2, ManagedPrefixList } from '@aws-sdk/client-ec2';
import { canonicalCidr, parseCidr4, parseCidr6 } from '../../../base/cidr.ts';
import type { Context, Transaction } from '../../../kernel/context.ts';
import { AwsError, parameterNotImplemented } from '../../../kernel/errors.ts';
import type { AuthorisationsOf, HandlersOf } from '../../../kernel/service.ts';
import { invalidParameterCombination, invalidParameterValue, missingParameter, notFound } from '../errors.ts';
import { applyFilters } from '../filters.ts';
import { page } from '../paging.ts';
import { SecurityGroupRules, SecurityGroups } from '../security-groups/state.ts';
import { checkTagged, describeTags, requestTagConditions, tagsFor } from '../tags.ts';
import { RouteTables } from '../vpc/state.ts';
import { awsPrefixLists } from './aws-lists.ts';
import { requirePrefixList } from './lookup.ts';
import { entriesOf, type PrefixEntryRow, type PrefixListRow, PrefixLists } from './state.ts';

/** Per Region, entries per list, and entries per call ("Amazon VPC quotas"; ModifyManagedPrefixList). */
const listsPerRegionMax = 100;
const entriesPerListMax = 1000;
const entriesPerCallMax = 100;
const nameLengthMax = 255;
const awsOwner = 'AWS';

/** ARN of a list; AWS's own belong to `aws`. */
function listArn(ctx: Pick<Context, 'region' | 'account'>, id: string): string {
  const aws = awsPrefixLists(ctx.region).some((list) => list.id === id);
  return `arn:aws:ec2:${ctx.region}:${aws ? 'aws' : ctx.account}:prefix-list/${id}`;
}

function describeList(ctx: Context, row: PrefixListRow): ManagedPrefixList {
  const aws = awsPrefixLists(ctx.region).some((list) => list.id === row.id);
  return {
    PrefixListId: row.id,
    PrefixListName: row.name,
    PrefixListArn: listArn(ctx, row.id),
    AddressFamily: row.family,
    OwnerId: aws ? awsOwner : ctx.account,
    State: row.state,
    ...(aws ? {} : { MaxEntries: row.entriesMax, Version: row.versions.length }),
    Tags: describeTags(row.tags),
  };
}

function checkName(name: string | undefined): string {
  if (name === undefined || name === '') throw missingParameter('PrefixListName');
  if (name.length > nameLengthMax || name.startsWith('com.amazonaws'))
    throw invalidParameterValue(`Value (${name}) for parameter PrefixListName is invalid.`);
  return name;
}

function checkMax(entries: number | undefined): number {
  if (entries === undefined) throw missingParameter('MaxEntries');
  if (entries < 1 || entries > entriesPerListMax)
    throw invalidParameterValue(`Value (${entries}) for parameter MaxEntries is invalid.`);
  return entries;
}

/** Entries of a request in canonical form. Throws InvalidParameterValue for blocks of the other family, malformed or doubled ones. */
function parseEntries(given: readonly AddPrefixListEntry[] | undefined, family: PrefixListRow['family']): PrefixEntryRow[] {
  if ((given?.length ?? 0) > entriesPerCallMax)
    throw invalidParameterValue(`You can't add or remove more than ${entriesPerCallMax} entries in one request.`);
  const entries = (given ?? []).map(({ Cidr = '', Description }): PrefixEntryRow => {
    const fits = family === 'IPv4' ? parseCidr4(Cidr) !== undefined : parseCidr6(Cidr) !== undefined;
    if (!fits) throw invalidParameterValue(`The CIDR (${Cidr}) is not a valid ${family} CIDR block.`);
    return { cidr: canonicalCidr(Cidr)!, description: Description };
  });
  if (new Set(entries.map(({ cidr }) => cidr)).size < entries.length)
    throw new AwsError('InvalidRequest', 'The request contains duplicate CIDR blocks.');
  return entries;
}

function checkCount(count: number, most: number): void {
  if (count > most)
    throw new AwsError(
      'PrefixListMaxEntriesExceeded',
      `You've reached the maximum number of entries for the prefix list (${most}).`,
    );
}

async function requireOwnList(tx: Transaction, ctx: Context, id: string | undefined): Promise<PrefixListRow> {
  const row = await requirePrefixList(tx, ctx.region, id);
  if (awsPrefixLists(ctx.region).some((list) => list.id === row.id))
    throw new AwsError('UnauthorizedOperation', 'You are not authorized to perform this operation.', { status: 403 });
  return row;
}

interface Users {
  tables: readonly { id: string; vpcId: string; count: number }[];
  groups: readonly { id: string; vpcId: string; count: number }[];
}

/** Route tables and security groups that name the list. */
async function usersOf(source: Pick<Context | Transaction, 'table'>, id: string): Promise<Users> {
  const tables = (await source.table(RouteTables).list()).filter((table) => table.routes.some((one) => one.destination === id));
  const counts = new Map<string, number>();
  for (const rule of await source.table(SecurityGroupRules).byIndex('byPrefixList', [id]))
    counts.set(rule.groupId, (counts.get(rule.groupId) ?? 0) + 1);
  const groups = await Promise.all(
    [...counts].map(async ([groupId, count]) => {
      const group = await source.table(SecurityGroups).get(groupId);
      return { id: groupId, vpcId: group?.vpcId ?? '', count };
    }),
  );
  return { tables: tables.map(({ id: tableId, vpcId }) => ({ id: tableId, vpcId, count: 1 })), groups };
}

async function putVersion(
  tx: Transaction,
  row: PrefixListRow,
  change: Partial<PrefixListRow>,
  entries: readonly PrefixEntryRow[] | undefined,
): Promise<PrefixListRow> {
  const next = { ...row, ...change, versions: entries === undefined ? row.versions : [...row.versions, entries] };
  await tx.table(PrefixLists).put(next);
  const { tables, groups } = await usersOf(tx, row.id);
  for (const { vpcId } of [...tables, ...groups]) tx.hint('networks', vpcId);
  return next;
}

function checkVersion(row: PrefixListRow, version: number | undefined): void {
  if (version !== undefined && version !== row.versions.length)
    throw new AwsError(
      'PrefixListVersionMismatch',
      `The prefix list has the current version ${row.versions.length} and the version specified in the request ${version} does not match.`,
    );
}

export const prefixListHandlers: HandlersOf<EC2> = {
  /** Throws MissingParameter, InvalidParameterValue, PrefixListMaxEntriesExceeded, PrefixListLimitExceeded. */
  async CreateManagedPrefixList(input, ctx) {
    if (input.ClientToken !== undefined && input.ClientToken.length > 64)
      throw invalidParameterValue(`Value (${input.ClientToken}) for parameter clientToken is invalid.`);
    const name = checkName(input.PrefixListName);
    const entriesMax = checkMax(input.MaxEntries);
    const family = input.AddressFamily;
    if (family !== 'IPv4' && family !== 'IPv6')
      throw family === undefined
        ? missingParameter('AddressFamily')
        : invalidParameterValue(`Value (${family}) for parameter AddressFamily is invalid.`);
    const entries = parseEntries(input.Entries, family);
    checkCount(entries.length, entriesMax);
    const tags = tagsFor('prefix-list', input.TagSpecifications);
    const row: PrefixListRow = {
      id: ctx.id('prefixList'),
      name,
      family,
      entriesMax,
      versions: [entries],
      state: 'create-complete',
      tags,
    };
    await ctx.transact(async (tx) => {
      if ((await tx.table(PrefixLists).count()) >= listsPerRegionMax)
        throw new AwsError('PrefixListLimitExceeded', 'The maximum number of prefix lists has been reached.');
      await tx.table(PrefixLists).put(row);
    });
    return { PrefixList: { ...describeList(ctx, row), State: 'create-in-progress' } };
  },

  async DescribeManagedPrefixLists(input, ctx) {
    const all = [...awsPrefixLists(ctx.region), ...(await ctx.table(PrefixLists).list())];
    const missing = (input.PrefixListIds ?? []).filter((id) => !all.some((row) => row.id === id));
    if (missing.length > 0) throw notFound('prefixList', ...missing);
    const rows = all.filter((row) => input.PrefixListIds === undefined || input.PrefixListIds.includes(row.id));
    const passing = applyFilters(
      rows.map((row) => ({ ...row, shown: describeList(ctx, row) })),
      input.Filters,
      {
        'owner-id': (row) => row.shown.OwnerId,
        'prefix-list-id': (row) => row.id,
        'prefix-list-name': (row) => row.name,
      },
    ).sort((a, b) => (a.id < b.id ? -1 : 1));
    const found = page('DescribeManagedPrefixLists', passing, (row) => row.id, input, { least: 1 });
    return { PrefixLists: found.rows.map((row) => row.shown), NextToken: found.nextToken };
  },

  /** The older call: AWS's own lists with their blocks. */
  async DescribePrefixLists(input, ctx) {
    const all = awsPrefixLists(ctx.region);
    const missing = (input.PrefixListIds ?? []).filter((id) => !all.some((row) => row.id === id));
    if (missing.length > 0) throw notFound('prefixList', ...missing);
    const rows = all.filter((row) => input.PrefixListIds === undefined || input.PrefixListIds.includes(row.id));
    const passing = applyFilters(rows, input.Filters, {
      'prefix-list-id': (row) => row.id,
      'prefix-list-name': (row) => row.name,
    }).sort((a, b) => (a.id < b.id ? -1 : 1));
    const found = page('DescribePrefixLists', passing, (row) => row.id, input, { least: 1 });
    return {
      PrefixLists: found.rows.map((row) => ({
        PrefixListId: row.id,
        PrefixListName: row.name,
        Cidrs: entriesOf(row).map(({ cidr }) => cidr),
      })),
      NextToken: found.nextToken,
    };
  },

  async GetManagedPrefixListEntries(input, ctx) {
    const row = await requirePrefixList(ctx, ctx.region, input.PrefixListId);
    const { TargetVersion: version = row.versions.length } = input;
    const entries = row.versions[version - 1];
    if (entries === undefined) throw invalidParameterValue(`Value (${version}) for parameter TargetVersion is invalid.`);
    const found = page(
      'GetManagedPrefixListEntries',
      [...entries].sort((a, b) => (a.cidr < b.cidr ? -1 : 1)),
      (entry) => entry.cidr,
      input,
      { least: 1 },
    );
    return {
      Entries: found.rows.map(({ cidr, description }) => ({ Cidr: cidr, Description: description })),
      NextToken: found.nextToken,
    };
  },

  async GetManagedPrefixListAssociations(input, ctx) {
    const row = await requirePrefixList(ctx, ctx.region, input.PrefixListId);
    const { tables, groups } = await usersOf(ctx, row.id);
    const ids = [...tables, ...groups].map(({ id }) => ({ id })).sort((a, b) => (a.id < b.id ? -1 : 1));
    const found = page('GetManagedPrefixListAssociations', ids, ({ id }) => id, input, { least: 5 });
    return {
      PrefixListAssociations: found.rows.map(({ id }) => ({ ResourceId: id, ResourceOwner: ctx.account })),
      NextToken: found.nextToken,
    };
  },

  /** Entries and size do not change in one call. Users of the list take each entry of its size as a rule, so a larger size must fit them. */
  async ModifyManagedPrefixList(input, ctx) {
    if (input.IpamPrefixListResolverSyncEnabled !== undefined)
      throw parameterNotImplemented('ModifyManagedPrefixList', 'IpamPrefixListResolverSyncEnabled');
    const { AddEntries: added, RemoveEntries: removed, MaxEntries: most } = input;
    const touches = (added?.length ?? 0) + (removed?.length ?? 0) > 0;
    if (touches && most !== undefined)
      throw invalidParameterCombination('You cannot modify the entries of a prefix list and its size in the same request.');
    const row = await ctx.transact(async (tx) => {
      const list = await requireOwnList(tx, ctx, input.PrefixListId);
      if (touches && input.CurrentVersion === undefined) throw missingParameter('CurrentVersion');
      checkVersion(list, input.CurrentVersion);
      const name = input.PrefixListName === undefined ? list.name : checkName(input.PrefixListName);
      const entriesMax = most === undefined ? list.entriesMax : checkMax(most);
      if (!touches) {
        checkCount(entriesOf(list).length, entriesMax);
        return putVersion(tx, list, { name, entriesMax, state: 'modify-complete' }, undefined);
      }
      const gone = (removed ?? []).map(({ Cidr = '' }) => canonicalCidr(Cidr) ?? Cidr);
      const missing = gone.find((cidr) => !entriesOf(list).some((entry) => entry.cidr === cidr));
      if (missing !== undefined)
        throw new AwsError('InvalidRequest', `The CIDR ${missing} is not an entry of the prefix list ${list.id}.`);
      const come = parseEntries(added, list.family);
      // An entry that is there is given another description.
      const kept = entriesOf(list).filter(({ cidr }) => !gone.includes(cidr) && !come.some((entry) => entry.cidr === cidr));
      const entries = [...kept, ...come];
      checkCount(entries.length, list.entriesMax);
      return putVersion(tx, list, { name, state: 'modify-complete' }, entries);
    });
    return { PrefixList: { ...describeList(ctx, row), State: 'modify-in-progress' } };
  },

  async RestoreManagedPrefixListVersion(input, ctx) {
    const row = await ctx.transact(async (tx) => {
      const list = await requireOwnList(tx, ctx, input.PrefixListId);
      checkVersion(list, input.CurrentVersion);
      const entries = list.versions[(input.PreviousVersion ?? 0) - 1];
      if (entries === undefined)
        throw invalidParameterValue(`Value (${input.PreviousVersion}) for parameter PreviousVersion is invalid.`);
      return putVersion(tx, list, { state: 'restore-complete' }, entries);
    });
    return { PrefixList: { ...describeList(ctx, row), State: 'restore-in-progress' } };
  },

  /** Refused while a route or a rule names it. */
  async DeleteManagedPrefixList(input, ctx) {
    const row = await ctx.transact(async (tx) => {
      const list = await requireOwnList(tx, ctx, input.PrefixListId);
      const { tables, groups } = await usersOf(tx, list.id);
      if (tables.length + groups.length > 0)
        throw new AwsError('PrefixListInUse', `The prefix list '${list.id}' is in use and cannot be deleted.`);
      await tx.table(PrefixLists).delete(list.id);
      return list;
    });
    return { PrefixList: { ...describeList(ctx, row), State: 'delete-in-progress' } };
  },
};

const checkList = (input: { PrefixListId?: string | undefined }, ctx: Context) => checkTagged([input.PrefixListId ?? ''], ctx);

export const prefixListAuthorisations: AuthorisationsOf<EC2> = {
  CreateManagedPrefixList: (input, ctx) => [
    {
      resource: listArn(ctx, '*'),
      conditions: requestTagConditions(input.TagSpecifications?.flatMap(({ Tags = [] }) => Tags)),
    },
  ],
  GetManagedPrefixListEntries: checkList,
  GetManagedPrefixListAssociations: checkList,
  ModifyManagedPrefixList: checkList,
  RestoreManagedPrefixListVersion: checkList,
  DeleteManagedPrefixList: checkList,
};
