/** Customer managed policies and their versions; reading of AWS's own. Neither name nor path of a policy ever changes. */
import type { IAM, Policy, PolicyVersion } from '@aws-sdk/client-iam';
import type { Context, Transaction } from '../../kernel/context.ts';
import type { AuthorisationsOf, HandlersOf } from '../../kernel/service.ts';
import { policyArn } from './arns.ts';
import { onNewPolicy, onPath, onPolicy } from './authorise.ts';
import { awsManagedPolicies } from './aws-managed.ts';
import { dateOf } from './dates.ts';
import { checkDocument, encodeDocument } from './documents.ts';
import {
  accessDenied,
  deleteConflict,
  entityAlreadyExists,
  limitExceeded,
  noSuchEntity,
  policyNotFound,
  quotaExceeded,
} from './errors.ts';
import { checkPolicyArn, countAttachments, countBoundaryUses, type FoundPolicy, findPolicy } from './managed-policies.ts';
import { pageItems } from './paging.ts';
import { policySize, quotas, RequestCheck, sizes } from './rules.ts';
import { Policies, type PolicyRow, type PolicyVersionRow, PolicyVersions, type Reading } from './state.ts';
import {
  checkNewTags,
  checkTagKeys,
  checkTagMembers,
  describeTags,
  describeTagsIfAny,
  pageTags,
  readTags,
  withoutTags,
  withTags,
} from './tags.ts';

const versionForm = /^v[1-9][0-9]*(\.[A-Za-z0-9-]*)?$/;
const versionPattern = 'v[1-9][0-9]*(\\.[A-Za-z0-9-]*)?';
const descriptionLengthMax = 1000;

const versionId = (number: number): string => `v${number}`;
const versionNumber = (id: string): number => Number(/^v([1-9][0-9]*)$/.exec(id)?.[1] ?? Number.NaN);

/** A policy as lists show it: without description and tags. */
async function describePolicy(reading: Reading, account: string, { row, aws, ...found }: FoundPolicy): Promise<Policy> {
  const times =
    row === undefined
      ? { UpdateDate: dateOf(aws?.updated ?? 0), CreateDate: aws?.version === 'v1' ? dateOf(aws.updated) : undefined }
      : { UpdateDate: dateOf(row.updated), CreateDate: dateOf(row.created) };
  const arn = row === undefined ? found.arn : policyArn(account, row);
  return {
    PolicyName: found.name,
    PolicyId: row?.id ?? aws?.id,
    Arn: arn,
    Path: found.path,
    DefaultVersionId: row === undefined ? aws?.version : versionId(row.defaultVersion),
    AttachmentCount: await countAttachments(reading, arn),
    PermissionsBoundaryUsageCount: await countBoundaryUses(reading, arn),
    IsAttachable: true,
    ...times,
  };
}

function describeVersion(row: PolicyVersionRow, defaultVersion: number, withDocument: boolean): PolicyVersion {
  return {
    VersionId: versionId(row.number),
    IsDefaultVersion: row.number === defaultVersion,
    CreateDate: dateOf(row.created),
    Document: withDocument ? encodeDocument(row.document) : undefined,
  };
}

/** A policy of this account's own, for a change. Throws AccessDenied for AWS's policies, NoSuchEntity. */
async function requireOwn(tx: Reading, ctx: Context, arn: string, missing: () => Error): Promise<PolicyRow> {
  const found = await findPolicy(tx, ctx.account, arn);
  if (found?.aws !== undefined) {
    throw accessDenied(`User: ${ctx.caller.arn} is not authorized to perform: iam:${ctx.operation} on resource: policy ${arn}`);
  }
  if (found?.row === undefined) throw missing();
  return found.row;
}

function checkSize(document: string): void {
  if (policySize(document) > sizes.managedPolicy) throw quotaExceeded('PolicySize', sizes.managedPolicy);
}

function noSuchVersion(arn: string, id: string): Error {
  return noSuchEntity(`Policy ${arn} version ${id} does not exist or is not attachable.`);
}

function checkVersion(arn: string | undefined, id: string): string {
  new RequestCheck().length('policyArn', arn, 20, 2048).pattern('versionId', id, versionForm, versionPattern).done();
  return checkPolicyArn(arn);
}

/** Every policy that the account sees, its own first, each group in order of names. */
async function listAll(ctx: Context, scope: string): Promise<FoundPolicy[]> {
  const own = scope === 'AWS' ? [] : await ctx.table(Policies).list();
  const aws = scope === 'Local' ? [] : [...awsManagedPolicies().values()];
  return [
    ...own.map((row) => ({ arn: policyArn(ctx.account, row), name: row.name, path: row.path, row })),
    ...aws.map((policy) => ({ arn: policy.arn, name: policy.name, path: policy.path, aws: policy })),
  ];
}

/** Which counts ListPolicies filters by. */
async function isUsed(ctx: Context, arn: string, onlyAttached: boolean, usage: string | undefined): Promise<boolean> {
  if (usage === 'PermissionsPolicy') return (await countAttachments(ctx, arn)) > 0;
  if (usage === 'PermissionsBoundary') return (await countBoundaryUses(ctx, arn)) > 0;
  if (!onlyAttached) return true;
  return (await countAttachments(ctx, arn)) + (await countBoundaryUses(ctx, arn)) > 0;
}

export const policyHandlers: HandlersOf<IAM> = {
  /** Names are unique in the account, whatever the path. Throws ValidationError, InvalidInput, MalformedPolicyDocument, EntityAlreadyExists, LimitExceeded. */
  async CreatePolicy(input, ctx) {
    const { PolicyName: name = '', Path: path = '/', PolicyDocument: document = '', Description: description } = input;
    const check = new RequestCheck()
      .name('policyName', name, sizes.policyName)
      .policyPath('path', path)
      .length('description', description, 0, descriptionLengthMax);
    const tags = checkNewTags(check, input.Tags, 'sensitive');
    checkDocument(document, 'identity');
    checkSize(document);
    const times = { created: ctx.now, updated: ctx.now };
    const row: PolicyRow = { name, path, id: ctx.id('policy'), description, ...times, defaultVersion: 1, lastVersion: 1, tags };
    await ctx.transact(async (tx) => {
      const policies = tx.table(Policies);
      if ((await policies.get(name.toLowerCase())) !== undefined) {
        throw entityAlreadyExists(`A policy called ${name} already exists. Duplicate names are not allowed.`);
      }
      if ((await policies.count()) >= quotas.PoliciesPerAccount) {
        throw quotaExceeded('PoliciesPerAccount', quotas.PoliciesPerAccount);
      }
      await policies.put(row);
      await putVersion(tx, { policy: row.id, number: 1, document, created: ctx.now });
    });
    const found = { arn: policyArn(ctx.account, row), name, path, row };
    return { Policy: { ...(await describePolicy(ctx, ctx.account, found)), Tags: describeTagsIfAny(tags) } };
  },

  async GetPolicy({ PolicyArn }, ctx) {
    const arn = checkPolicyArn(PolicyArn);
    const found = await findPolicy(ctx, ctx.account, arn);
    if (found === undefined) throw policyNotFound(arn);
    return {
      Policy: {
        ...(await describePolicy(ctx, ctx.account, found)),
        Description: found.row === undefined ? found.aws?.description : found.row.description,
        Tags: describeTags(found.row?.tags ?? {}),
      },
    };
  },

  async ListPolicies(input, ctx) {
    const {
      Scope: scope = 'All',
      PathPrefix: prefix = '/',
      OnlyAttached: onlyAttached = false,
      PolicyUsageFilter: usage,
    } = input;
    new RequestCheck()
      .oneOf('scope', scope, ['All', 'AWS', 'Local'])
      .policyPath('pathPrefix', prefix)
      .oneOf('policyUsageFilter', usage, ['PermissionsPolicy', 'PermissionsBoundary'])
      .paging(input)
      .done();
    const chosen: FoundPolicy[] = [];
    for (const found of await listAll(ctx, scope)) {
      if (found.path.startsWith(prefix) && (await isUsed(ctx, found.arn, onlyAttached, usage))) chosen.push(found);
    }
    const keyOf = ({ aws, name }: FoundPolicy) => (aws === undefined ? [0, name.toLowerCase()] : [1, aws.arn]);
    const paging = `ListPolicies ${scope} ${prefix} ${onlyAttached} ${usage ?? ''}`;
    const { items, page } = pageItems(paging, chosen, keyOf, input);
    const Policies: Policy[] = [];
    for (const found of items) Policies.push(await describePolicy(ctx, ctx.account, found));
    return { Policies, ...page };
  },

  /** A policy goes only when nothing uses it and no version but the default is left. Throws DeleteConflict. */
  async DeletePolicy({ PolicyArn }, ctx) {
    const arn = checkPolicyArn(PolicyArn);
    await ctx.transact(async (tx) => {
      const row = await requireOwn(tx, ctx, arn, () => policyNotFound(arn));
      if ((await countAttachments(tx, arn)) + (await countBoundaryUses(tx, arn)) > 0) {
        throw deleteConflict('Cannot delete a policy attached to entities.');
      }
      const versions = await tx.table(PolicyVersions).list({ prefix: [row.id] });
      if (versions.length > 1) {
        throw deleteConflict(
          "This policy has more than one version. Before you delete a policy, you must delete the policy's versions. The default version is deleted with the policy.",
        );
      }
      for (const { number } of versions) await tx.table(PolicyVersions).delete(row.id, number);
      await tx.table(Policies).delete(row.name.toLowerCase());
    });
    return {};
  },

  async TagPolicy({ PolicyArn, Tags }, ctx) {
    checkTagMembers(new RequestCheck(), Tags).done();
    const arn = checkPolicyArn(PolicyArn);
    const added = readTags(Tags, 'sensitive');
    await ctx.transact(async (tx) => {
      const row = await requireOwn(tx, ctx, arn, () => policyNotFound(arn));
      await tx.table(Policies).put({ ...row, tags: withTags(row.tags, added, 'sensitive') });
    });
    return {};
  },

  async UntagPolicy({ PolicyArn, TagKeys = [] }, ctx) {
    checkTagKeys(new RequestCheck(), TagKeys);
    const arn = checkPolicyArn(PolicyArn);
    await ctx.transact(async (tx) => {
      const row = await requireOwn(tx, ctx, arn, () => policyNotFound(arn));
      await tx.table(Policies).put({ ...row, tags: withoutTags(row.tags, TagKeys, 'sensitive') });
    });
    return {};
  },

  async ListPolicyTags(input, ctx) {
    new RequestCheck().paging(input).done();
    const arn = checkPolicyArn(input.PolicyArn);
    const found = await findPolicy(ctx, ctx.account, arn);
    if (found === undefined) throw policyNotFound(arn);
    return pageTags(`ListPolicyTags ${arn}`, found.row?.tags ?? {}, input);
  },
};

async function putVersion(tx: Transaction, row: PolicyVersionRow): Promise<void> {
  const versions = tx.table(PolicyVersions);
  if ((await versions.count()) >= quotas.PolicyVersionsInUse) {
    throw quotaExceeded('PolicyVersionsInUse', quotas.PolicyVersionsInUse);
  }
  await versions.put(row);
}

export const policyVersionHandlers: HandlersOf<IAM> = {
  /** Numbers go up for ever: a deleted version's is not given again. Throws LimitExceeded for a sixth version. */
  async CreatePolicyVersion({ PolicyArn, PolicyDocument: document = '', SetAsDefault: asDefault = false }, ctx) {
    const arn = checkPolicyArn(PolicyArn);
    checkDocument(document, 'identity');
    checkSize(document);
    return ctx.transact(async (tx) => {
      const row = await requireOwn(tx, ctx, arn, () => policyNotFound(arn));
      if ((await tx.table(PolicyVersions).count([row.id])) >= quotas.VersionsPerPolicy) {
        throw limitExceeded(
          `A managed policy can have up to ${quotas.VersionsPerPolicy} versions. Before you create a new version, you must delete an existing version.`,
        );
      }
      const version: PolicyVersionRow = { policy: row.id, number: row.lastVersion + 1, document, created: ctx.now };
      const defaultVersion = asDefault ? version.number : row.defaultVersion;
      await putVersion(tx, version);
      await tx.table(Policies).put({ ...row, lastVersion: version.number, defaultVersion, updated: ctx.now });
      return { PolicyVersion: describeVersion(version, defaultVersion, false) };
    });
  },

  async GetPolicyVersion({ PolicyArn, VersionId: id = '' }, ctx) {
    const arn = checkVersion(PolicyArn, id);
    const found = await findPolicy(ctx, ctx.account, arn);
    if (found?.aws !== undefined && found.aws.version === id) {
      const { document, updated } = found.aws;
      const CreateDate = dateOf(updated);
      return { PolicyVersion: { Document: encodeDocument(document), VersionId: id, IsDefaultVersion: true, CreateDate } };
    }
    const version =
      found?.row === undefined ? undefined : await ctx.table(PolicyVersions).get(found.row.id, versionNumber(id) || 0);
    if (found?.row === undefined || version === undefined) throw noSuchVersion(arn, id);
    return { PolicyVersion: describeVersion(version, found.row.defaultVersion, true) };
  },

  /** Latest first. */
  async ListPolicyVersions(input, ctx) {
    new RequestCheck().paging(input).done();
    const arn = checkPolicyArn(input.PolicyArn);
    const found = await findPolicy(ctx, ctx.account, arn);
    if (found === undefined) throw policyNotFound(arn);
    if (found.aws !== undefined) {
      const { version, updated } = found.aws;
      return { Versions: [{ VersionId: version, IsDefaultVersion: true, CreateDate: dateOf(updated) }], IsTruncated: false };
    }
    const { id = '', defaultVersion = 0 } = found.row ?? {};
    const rows = await ctx.table(PolicyVersions).list({ prefix: [id], reverse: true });
    const { items, page } = pageItems(`ListPolicyVersions ${id}`, rows, (row) => [-row.number], input);
    return { Versions: items.map((row) => describeVersion(row, defaultVersion, false)), ...page };
  },

  async SetDefaultPolicyVersion({ PolicyArn, VersionId: id = '' }, ctx) {
    const arn = checkVersion(PolicyArn, id);
    await ctx.transact(async (tx) => {
      const row = await requireOwn(tx, ctx, arn, () => noSuchVersion(arn, id));
      const version = await tx.table(PolicyVersions).get(row.id, versionNumber(id) || 0);
      if (version === undefined) throw noSuchVersion(arn, id);
      await tx.table(Policies).put({ ...row, defaultVersion: version.number, updated: ctx.now });
    });
    return {};
  },

  async DeletePolicyVersion({ PolicyArn, VersionId: id = '' }, ctx) {
    const arn = checkVersion(PolicyArn, id);
    await ctx.transact(async (tx) => {
      const row = await requireOwn(tx, ctx, arn, () => noSuchVersion(arn, id));
      const number = versionNumber(id);
      if (number === row.defaultVersion) throw deleteConflict('Cannot delete the default version of a policy.');
      if (!(await tx.table(PolicyVersions).delete(row.id, number || 0))) throw noSuchVersion(arn, id);
    });
    return {};
  },
};

export const policyChecks: AuthorisationsOf<IAM> = {
  CreatePolicy: onNewPolicy,
  GetPolicy: onPolicy,
  ListPolicies: onPath('policy'),
  DeletePolicy: onPolicy,
  TagPolicy: onPolicy,
  UntagPolicy: onPolicy,
  ListPolicyTags: onPolicy,
  CreatePolicyVersion: onPolicy,
  GetPolicyVersion: onPolicy,
  ListPolicyVersions: onPolicy,
  SetDefaultPolicyVersion: onPolicy,
  DeletePolicyVersion: onPolicy,
  ListEntitiesForPolicy: onPolicy,
};
