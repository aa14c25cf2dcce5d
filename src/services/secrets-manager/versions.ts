/** Versions of secrets: values, staging labels, reading. Source: User Guide, "What's in a Secrets Manager secret?", "Version". */
import type { SecretsManager, SecretValueEntry, SecretVersionsListEntry } from '@aws-sdk/client-secrets-manager';
import { pageOf } from '../../base/paging.ts';
import type { Context } from '../../kernel/context.ts';
import { AwsError } from '../../kernel/errors.ts';
import { RequestCheck } from '../../kernel/request-check.ts';
import type { HandlersOf } from '../../kernel/service.ts';
import { invalidNextToken, invalidParameter, invalidRequest, resourceExists, valueNotFound } from './errors.ts';
import { acceptsFilters, pageSecrets } from './filters.ts';
import { scheduleReplication } from './replication.ts';
import { checkRotationToken, rotatedByHand, scheduleRotation } from './rotation-state.ts';
import {
  checkNoReplica,
  current,
  limits,
  moveStages,
  readToken,
  readValue,
  type SecretValue,
  stageHolder,
  surplusVersions,
} from './rules.ts';
import { type FoundSecret, inTransaction, requireAny, requireSecret, secretArn } from './secret-ids.ts';
import { type SecretRow, Secrets, Values } from './state.ts';
import { openValue, sealValue } from './values.ts';

const day = 86_400_000;

/** A repeated request is no error if it says the same. Throws ResourceExistsException. */
export async function checkRetry(ctx: Context, row: SecretRow, version: string, value: SecretValue): Promise<void> {
  const arn = secretArn(ctx, row);
  const old = await openValue(ctx.asService(), ctx, row.name, arn, version);
  if (old.kind === value.kind && Buffer.from(old.bytes).equals(value.bytes)) return;
  throw resourceExists(
    `You can't use ClientRequestToken ${version} because that value is already in use for a version of secret ${arn}.`,
  );
}

export interface NewVersion {
  version: string;
  value: SecretValue;
  stages: readonly string[];
  /** What else of the secret changes with it. */
  changes?: Partial<Pick<SecretRow, 'description' | 'kmsKeyId'>>;
}

/** Adds a version with labels. The same version with the same value again changes nothing. Returns its labels. */
export async function addVersion(ctx: Context, id: string | undefined, made: NewVersion): Promise<readonly string[]> {
  const { version, value, stages, changes = {} } = made;
  const { scope, arn, row } = await requireSecret(ctx, id);
  checkNoReplica(row, ctx.region);
  const existing = row.versions[version];
  // A version without a value is the one that a rotation waits for.
  if (existing !== undefined && (await ctx.tableIn(scope, Values).get(row.name, version)) !== undefined) {
    await checkRetry(ctx.inScope(scope), row, version, value);
    return existing.stages;
  }
  const kmsKeyId = 'kmsKeyId' in changes ? changes.kmsKeyId : row.kmsKeyId;
  const sealed = await sealValue(ctx, { name: row.name, arn, kmsKeyId }, version, value);
  return ctx.transact(async (tx) => {
    const { row: now } = await requireSecret(inTransaction(ctx, tx), id);
    const waiting = now.versions[version];
    const added = { ...now.versions, [version]: waiting ?? { created: ctx.now, stages: [] } };
    // The first value of a secret is its current one, whatever labels were asked for.
    const labels = Object.keys(now.versions).length === 0 ? [...new Set([...stages, current])] : stages;
    const versions = { ...moveStages(added, version, labels) };
    for (const surplus of surplusVersions(versions)) {
      delete versions[surplus];
      await tx.tableIn(scope, Values).delete(now.name, surplus);
    }
    const rotation =
      labels.includes(current) && version !== now.rotation?.pending?.version ? rotatedByHand(now, ctx.now) : now.rotation;
    const changed = { ...now, ...changes, versions, rotation, changed: ctx.now };
    if (rotation?.next?.due !== now.rotation?.next?.due) await scheduleRotation(tx, changed);
    await tx.tableIn(scope, Values).put(sealed);
    await tx.tableIn(scope, Secrets).put(changed);
    await scheduleReplication(tx, changed, ctx.now);
    return versions[version]?.stages ?? [];
  });
}

/** The version that a request means: by id, by label, by both, or the current one. Throws ResourceNotFoundException, InvalidRequestException. */
function findVersion({ versions }: SecretRow, id: string | undefined, stage: string | undefined): string {
  if (id === undefined) {
    const label = stage ?? current;
    const holder = stageHolder(versions, label);
    if (holder === undefined) throw valueNotFound(`staging label: ${label}`);
    return holder;
  }
  const facts = versions[id];
  if (facts === undefined) throw valueNotFound(`VersionId: ${id}`);
  if (stage !== undefined && !facts.stages.includes(stage))
    throw invalidRequest('You provided a VersionStage that is not associated to the provided VersionId.');
  return id;
}

/** Reads a value and notes the day of the reading. */
async function readSecret(ctx: Context, found: FoundSecret, version: string): Promise<SecretValueEntry> {
  const { scope, arn, row } = found;
  const { kind, bytes } = await openValue(ctx, scope, row.name, arn, version);
  const today = ctx.now - (ctx.now % day);
  const facts = row.versions[version];
  if (row.accessed !== today || facts?.accessed !== today) {
    await ctx.transact((tx) =>
      tx.tableIn(scope, Secrets).update([row.name], (now) => {
        const old = now.versions[version];
        const versions = old === undefined ? now.versions : { ...now.versions, [version]: { ...old, accessed: today } };
        return { ...now, accessed: today, versions };
      }),
    );
  }
  return {
    ARN: arn,
    Name: row.name,
    VersionId: version,
    ...(kind === 'string' ? { SecretString: Buffer.from(bytes).toString() } : { SecretBinary: bytes }),
    VersionStages: [...(facts?.stages ?? [])],
    CreatedDate: new Date(facts?.created ?? row.created),
  };
}

/** Which secrets a batch names: listed, or found by filters. */
async function batchIds(
  ctx: Context,
  input: Parameters<SecretsManager['batchGetSecretValue']>[0],
): Promise<{ ids: string[]; token?: string }> {
  const { SecretIdList: list, Filters: filters, MaxResults: limit } = input;
  if ((list === undefined) === (filters === undefined))
    throw invalidParameter("Either 'SecretIdList' or 'Filters' must be provided, but not both.");
  new RequestCheck().count('secretIdList', list, 1, limits.batchMax).range('maxResults', limit, 1, limits.batchMax).done();
  if (list !== undefined) {
    if (limit !== undefined) throw invalidParameter("'Filters' is required to use 'MaxResults'.");
    return { ids: list };
  }
  const rows = (await ctx.table(Secrets).list()).filter((row) => row.deleted === undefined && acceptsFilters(row, filters));
  const { items, token } = pageSecrets(rows, { ...input, MaxResults: limit ?? limits.batchMax });
  return { ids: items.map((row) => secretArn(ctx, row)), ...(token === undefined ? {} : { token }) };
}

export const versionHandlers: HandlersOf<SecretsManager> = {
  async PutSecretValue(input, ctx) {
    const value = readValue(input);
    if (value === undefined) throw invalidRequest('You must provide either SecretString or SecretBinary.');
    new RequestCheck().count('versionStages', input.VersionStages, 1, limits.stagesPerVersionMax).done();
    const version = readToken(input.ClientRequestToken, () => ctx.uuid());
    const { arn, row } = await requireSecret(ctx, input.SecretId);
    checkRotationToken(row, version, input.RotationToken);
    const stages = await addVersion(ctx, input.SecretId, { version, value, stages: input.VersionStages ?? [current] });
    return { ARN: arn, Name: row.name, VersionId: version, VersionStages: [...stages] };
  },

  async GetSecretValue(input, ctx) {
    const found = await requireSecret(ctx, input.SecretId);
    return readSecret(ctx, found, findVersion(found.row, input.VersionId, input.VersionStage));
  },

  /** Each secret is asked for as GetSecretValue would be, with the caller's rights; refusals stand beside the values. */
  async BatchGetSecretValue(input, ctx) {
    const { ids, token } = await batchIds(ctx, input);
    const values: SecretValueEntry[] = [];
    const errors: { SecretId: string; ErrorCode: string; Message: string }[] = [];
    for (const id of ids) {
      try {
        values.push(await ctx.call('secrets-manager').getSecretValue({ SecretId: id }));
      } catch (error) {
        if (!(error instanceof AwsError) || error.status >= 500) throw error;
        errors.push({ SecretId: id, ErrorCode: error.code, Message: error.message });
      }
    }
    return { SecretValues: values, Errors: errors, ...(token === undefined ? {} : { NextToken: token }) };
  },

  async ListSecretVersionIds(input, ctx) {
    new RequestCheck().range('maxResults', input.MaxResults, 1, limits.pageItemsMax).done();
    const { scope, arn, row } = await requireAny(ctx, input.SecretId);
    const shown = Object.entries(row.versions)
      .filter(([, { stages }]) => input.IncludeDeprecated === true || stages.length > 0)
      .sort(([a], [b]) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
    const page = pageOf(shown, ([id]) => [id], {
      scope: `ListSecretVersionIds ${arn}`,
      token: input.NextToken,
      limit: input.MaxResults ?? limits.pageItemsMax,
    });
    if (page === undefined) throw invalidNextToken();
    const versions: SecretVersionsListEntry[] = [];
    for (const [id, facts] of page.items) {
      const value = await ctx.tableIn(scope, Values).get(row.name, id);
      versions.push({
        VersionId: id,
        CreatedDate: new Date(facts.created),
        ...(facts.stages.length === 0 ? {} : { VersionStages: [...facts.stages] }),
        ...(facts.accessed === undefined ? {} : { LastAccessedDate: new Date(facts.accessed) }),
        ...(value === undefined ? {} : { KmsKeyIds: [row.kmsKeyId === undefined ? 'DefaultEncryptionKey' : value.kmsKey] }),
      });
    }
    return {
      Versions: versions,
      ARN: arn,
      Name: row.name,
      ...(page.nextToken === undefined ? {} : { NextToken: page.nextToken }),
    };
  },

  /** Moves, adds or removes a label. Taking one from the version that has it needs that version's name. */
  async UpdateSecretVersionStage(input, ctx) {
    const { VersionStage: stage = '', RemoveFromVersionId: from, MoveToVersionId: to } = input;
    new RequestCheck().length('versionStage', stage, 1, 256).done();
    return ctx.transact(async (tx) => {
      const { scope, arn, row } = await requireSecret(inTransaction(ctx, tx), input.SecretId);
      checkNoReplica(row, ctx.region);
      for (const id of [from, to])
        if (id !== undefined && row.versions[id] === undefined) throw valueNotFound(`VersionId: ${id}`);
      const changed = { ...row, versions: relabel(row, stage, from, to), changed: ctx.now };
      await tx.tableIn(scope, Secrets).put(changed);
      await scheduleReplication(tx, changed, ctx.now);
      return { ARN: arn, Name: row.name };
    });
  },
};

function relabel(
  { versions }: SecretRow,
  stage: string,
  from: string | undefined,
  to: string | undefined,
): SecretRow['versions'] {
  const holder = stageHolder(versions, stage);
  if (from !== undefined && holder !== from)
    throw invalidParameter(`The version that you want to remove the staging label ${stage} from does not have it: ${from}.`);
  if (to === undefined) {
    if (from === undefined) throw invalidParameter('You must specify RemoveFromVersionId, MoveToVersionId, or both.');
    if (stage === current)
      throw invalidParameter(`You can't remove the staging label ${current} from a version; move it to another.`);
    const facts = versions[from];
    return facts === undefined
      ? versions
      : { ...versions, [from]: { ...facts, stages: facts.stages.filter((one) => one !== stage) } };
  }
  if (holder !== undefined && holder !== to && from === undefined)
    throw invalidParameter(
      `The parameter RemoveFromVersionId can't be empty. Staging label ${stage} is currently attached to version ${holder}, so you must explicitly reference that version in RemoveFromVersionId.`,
    );
  return moveStages(versions, to, [stage]);
}
