/** Secrets: making, describing, listing, changing, deleting and restoring. Versions and values have a file of their own. */
import type { DescribeSecretResponse, SecretListEntry, SecretsManager, Tag } from '@aws-sdk/client-secrets-manager';
import type { Context, Transaction } from '../../kernel/context.ts';
import { parameterNotImplemented } from '../../kernel/errors.ts';
import { RequestCheck } from '../../kernel/request-check.ts';
import type { HandlersOf, Task } from '../../kernel/service.ts';
import type { KmsApi } from '../kms/api.ts';
import { alreadyExists, invalidParameter, invalidRequest, limitExceeded } from './errors.ts';
import { acceptsFilters, pageSecrets } from './filters.ts';
import { describeReplication, readReplicas, scheduleReplication } from './replication.ts';
import { scheduleRotation, stopRotation } from './rotation-state.ts';
import { describeRotation } from './rotation-rules.ts';
import { checkName, checkNoReplica, current, limits, readRecoveryWindow, readTags, readToken, readValue } from './rules.ts';
import { inTransaction, requireAny, requireSecret, secretArn } from './secret-ids.ts';
import { type SecretRow, Secrets, type TagMap, type ValueRow, Values } from './state.ts';
import { sealValue } from './values.ts';
import { addVersion, checkRetry } from './versions.ts';

const day = 86_400_000;

function describeTags(tags: TagMap): Tag[] {
  return Object.entries(tags).map(([Key, Value]) => ({ Key, Value }));
}

/** Labels by version; deprecated versions are not shown. */
function stagesOf({ versions }: SecretRow): Record<string, string[]> | undefined {
  const labelled = Object.entries(versions).filter(([, { stages }]) => stages.length > 0);
  return labelled.length === 0 ? undefined : Object.fromEntries(labelled.map(([id, { stages }]) => [id, [...stages]]));
}

const date = (time: number | undefined): Date | undefined => (time === undefined ? undefined : new Date(time));

/** What DescribeSecret and ListSecrets show alike. */
function describeSecret(scope: { account: string; region: string }, row: SecretRow): SecretListEntry {
  const shown: SecretListEntry = {
    ARN: secretArn(scope, row),
    Name: row.name,
    Description: row.description,
    KmsKeyId: row.kmsKeyId,
    LastChangedDate: date(row.changed),
    LastAccessedDate: date(row.accessed),
    DeletedDate: date(row.deleted?.at),
    CreatedDate: date(row.created),
    PrimaryRegion: row.primaryRegion,
    ...describeRotation(row.rotation),
    Tags: Object.keys(row.tags).length === 0 ? undefined : describeTags(row.tags),
    SecretVersionsToStages: stagesOf(row),
  };
  return Object.fromEntries(Object.entries(shown).filter(([, value]) => value !== undefined));
}

/** Refuses a key that is not there or cannot encrypt. Throws InvalidParameterException. */
async function checkKey(ctx: Context, keyId: string | undefined): Promise<void> {
  if (keyId === undefined) return;
  new RequestCheck().length('kmsKeyId', keyId, 0, 2048).done();
  const kms = await ctx.internal<KmsApi>('kms');
  const key = await kms.resolveKey(ctx, keyId);
  if (key !== undefined && key.spec !== 'SYMMETRIC_DEFAULT')
    throw invalidParameter(`The KMS key ${keyId} is not a symmetric encryption key.`);
}

/** Removes a secret and its values. */
async function removeSecret(tx: Transaction, name: string): Promise<void> {
  for (const value of await tx.table(Values).list({ prefix: [name] })) await tx.table(Values).delete(name, value.version);
  await tx.table(Secrets).delete(name);
  await stopRotation(tx, name);
}

/** A deletion becomes final. */
export const purge: Task = async ({ key: name, due }, ctx) => {
  await ctx.transact(async (tx) => {
    const row = await tx.table(Secrets).get(name);
    if (row?.deleted?.due === due) await removeSecret(tx, name);
  });
};

/** Where a creation finds its name taken. Throws ResourceExistsException, InvalidRequestException. */
function checkFree(found: SecretRow | undefined): void {
  if (found === undefined) return;
  if (found.deleted === undefined) throw alreadyExists(found.name);
  throw invalidRequest("You can't create this secret because a secret with this name is already scheduled for deletion.");
}

export const secretHandlers: HandlersOf<SecretsManager> = {
  /** Idempotent by token: the same name, token and value again answer as the first time. */
  async CreateSecret(input, ctx) {
    const { Name: name = '', Description: description, KmsKeyId: kmsKeyId } = input;
    if (input.Type !== undefined) throw parameterNotImplemented('CreateSecret', 'Type');
    checkName(name);
    new RequestCheck().length('description', description, 0, limits.descriptionCharsMax).done();
    const value = readValue(input);
    const version = readToken(input.ClientRequestToken, () => ctx.uuid());
    const tags = readTags(input.Tags);
    await checkKey(ctx, kmsKeyId);
    const replicas = readReplicas(ctx, input.AddReplicaRegions, input.ForceOverwriteReplicaSecret);
    const existing = await ctx.table(Secrets).get(name);
    if (existing?.versions[version] !== undefined && existing.deleted === undefined && value !== undefined) {
      await checkRetry(ctx, existing, version, value);
      return { ARN: secretArn(ctx, existing), Name: name, VersionId: version };
    }
    checkFree(existing);
    const suffix = ctx.id('secretSuffix');
    const arn = secretArn(ctx, { name, suffix });
    const sealed: ValueRow | undefined = value && (await sealValue(ctx, { name, arn, kmsKeyId }, version, value));
    const row: SecretRow = {
      name,
      suffix,
      description,
      kmsKeyId,
      created: ctx.now,
      changed: ctx.now,
      tags,
      versions: sealed === undefined ? {} : { [version]: { created: ctx.now, stages: [current] } },
      ...(replicas.length === 0 ? {} : { replicas, primaryRegion: ctx.region }),
    };
    await ctx.transact(async (tx) => {
      checkFree(await tx.table(Secrets).get(name));
      if ((await tx.table(Secrets).count()) >= limits.secretsMax)
        throw limitExceeded(`The account has reached the quota of ${limits.secretsMax} secrets.`);
      await tx.table(Secrets).put(row);
      if (sealed !== undefined) await tx.table(Values).put(sealed);
      await scheduleReplication(tx, row, ctx.now);
    });
    return {
      ARN: arn,
      Name: name,
      ...(sealed === undefined ? {} : { VersionId: version }),
      ...(replicas.length === 0 ? {} : { ReplicationStatus: describeReplication(row) }),
    };
  },

  async DescribeSecret(input, ctx) {
    const { scope, row } = await requireAny(ctx, input.SecretId);
    const { SecretVersionsToStages, ...shown } = describeSecret(scope, row);
    const answer: DescribeSecretResponse = { ...shown };
    if (SecretVersionsToStages !== undefined) answer.VersionIdsToStages = SecretVersionsToStages;
    if (row.replicas !== undefined) answer.ReplicationStatus = describeReplication(row);
    return answer;
  },

  async ListSecrets(input, ctx) {
    const rows = (await ctx.table(Secrets).list()).filter(
      (row) => (input.IncludePlannedDeletion === true || row.deleted === undefined) && acceptsFilters(row, input.Filters),
    );
    const { items, token } = pageSecrets(rows, input);
    return { SecretList: items.map((row) => describeSecret(ctx, row)), ...(token === undefined ? {} : { NextToken: token }) };
  },

  /** With a value: a new version, as PutSecretValue makes it. A new key is used from the next value on. */
  async UpdateSecret(input, ctx) {
    if (input.Type !== undefined) throw parameterNotImplemented('UpdateSecret', 'Type');
    const { Description: description, KmsKeyId: kmsKeyId } = input;
    new RequestCheck().length('description', description, 0, limits.descriptionCharsMax).done();
    const value = readValue(input);
    const { row: found, arn } = await requireSecret(ctx, input.SecretId);
    checkNoReplica(found, ctx.region);
    await checkKey(ctx, kmsKeyId);
    const version = value && readToken(input.ClientRequestToken, () => ctx.uuid());
    const changes = {
      ...(description === undefined ? {} : { description }),
      ...(kmsKeyId === undefined ? {} : { kmsKeyId: kmsKeyId === '' ? undefined : kmsKeyId }),
    };
    if (value === undefined || version === undefined) {
      await changeSecret(ctx, input.SecretId, (row) => ({ ...row, ...changes, changed: ctx.now }));
      return { ARN: arn, Name: found.name };
    }
    await addVersion(ctx, input.SecretId, { version, value, stages: [current], changes });
    return { ARN: arn, Name: found.name, VersionId: version };
  },

  /** Deletion waits for its window, 30 days unless told; forced, it is done at once, and deleting what is not there succeeds. */
  async DeleteSecret(input, ctx) {
    const days = readRecoveryWindow(input.RecoveryWindowInDays, input.ForceDeleteWithoutRecovery);
    return ctx.transact(async (tx) => {
      const { row, arn } = await requireAny(inTransaction(ctx, tx), input.SecretId);
      checkNoReplica(row, ctx.region);
      if (row.replicas !== undefined && row.replicas.length > 0)
        throw invalidRequest("You can't delete secret that still has replica regions. Remove the replica regions first.");
      const names = { ARN: arn, Name: row.name };
      if (days === undefined) {
        await removeSecret(tx, row.name);
        return { ...names, DeletionDate: new Date(ctx.now) };
      }
      if (row.deleted !== undefined)
        throw invalidRequest("You can't perform this operation on the secret because it was already scheduled for deletion.");
      const due = ctx.now + days * day;
      await tx.table(Secrets).put({ ...row, deleted: { at: ctx.now, due } });
      await stopRotation(tx, row.name);
      await tx.schedule({ task: 'purge', key: row.name, due });
      return { ...names, DeletionDate: new Date(due) };
    });
  },

  async RestoreSecret(input, ctx) {
    return ctx.transact(async (tx) => {
      const { row, arn } = await requireAny(inTransaction(ctx, tx), input.SecretId);
      await tx.unschedule('purge', row.name);
      await tx.table(Secrets).put({ ...row, deleted: undefined });
      await scheduleRotation(tx, row);
      return { ARN: arn, Name: row.name };
    });
  },

  async TagResource(input, ctx) {
    await changeSecret(ctx, input.SecretId, (row) => ({ ...row, tags: readTags(input.Tags, row.tags) }));
    return {};
  },

  async UntagResource(input, ctx) {
    const gone = new Set(input.TagKeys);
    await changeSecret(ctx, input.SecretId, (row) => ({
      ...row,
      tags: Object.fromEntries(Object.entries(row.tags).filter(([key]) => !gone.has(key))),
    }));
    return {};
  },
};

/** Changes a secret that is not deleted and no replica, and lets its replicas follow. Returns its ARN and name. */
async function changeSecret(
  ctx: Context,
  id: string | undefined,
  change: (row: SecretRow) => SecretRow,
): Promise<{ ARN: string; Name: string }> {
  return ctx.transact(async (tx) => {
    const { scope, row, arn } = await requireSecret(inTransaction(ctx, tx), id);
    checkNoReplica(row, ctx.region);
    const changed = change(row);
    await tx.tableIn(scope, Secrets).put(changed);
    await scheduleReplication(tx, changed, ctx.now);
    return { ARN: arn, Name: row.name };
  });
}
