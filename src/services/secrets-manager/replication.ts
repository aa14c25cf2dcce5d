/**
 * Replicas: copies of a secret in other Regions, under keys of those Regions, that follow every change of the primary. A task copies the whole
 * secret, so that a first copy, a change and a retry are one path. Source: User Guide, "Replicate AWS Secrets Manager secrets across Regions".
 */
import type { ReplicaRegionType, ReplicationStatusType, SecretsManager } from '@aws-sdk/client-secrets-manager';
import type { Millis } from '../../base/clock.ts';
import { findRegion } from '../../base/regions.ts';
import type { Context, Scope, Transaction } from '../../kernel/context.ts';
import { AwsError } from '../../kernel/errors.ts';
import type { HandlersOf, Task } from '../../kernel/service.ts';
import { invalidParameter, invalidRequest } from './errors.ts';
import { checkNoReplica } from './rules.ts';
import { inTransaction, requireSecret, secretArn } from './secret-ids.ts';
import { type ReplicaFacts, type SecretRow, Secrets, type ValueRow, Values } from './state.ts';
import { openValue, sealValue } from './values.ts';

/** Regions of a request. Throws InvalidParameterException. */
export function readReplicas(
  { region }: Scope,
  wanted: readonly ReplicaRegionType[] | undefined,
  overwrite: boolean | undefined,
): ReplicaFacts[] {
  return (wanted ?? []).map(({ Region: to = '', KmsKeyId: kmsKeyId }, at, all) => {
    if (to === region) throw invalidParameter('Invalid replica region: the secret is already in this region.');
    if (findRegion(to) === undefined) throw invalidParameter(`Invalid replica region: ${to}`);
    if (all.findIndex(({ Region }) => Region === to) !== at) throw invalidParameter(`Duplicate replica region: ${to}`);
    return { region: to, kmsKeyId, overwrite: overwrite === true, status: 'InProgress', message: '' };
  });
}

export function describeReplication({ replicas }: SecretRow): ReplicationStatusType[] {
  return (replicas ?? []).map(({ region, kmsKeyId, status, message }) => ({
    Region: region,
    KmsKeyId: kmsKeyId ?? 'alias/aws/secretsmanager',
    Status: status,
    StatusMessage: message === '' ? undefined : message,
  }));
}

/** Lets the replicas follow soon, when there are any. */
export async function scheduleReplication(tx: Transaction, { name, replicas }: SecretRow, now: Millis): Promise<void> {
  if (replicas !== undefined && replicas.length > 0) await tx.schedule({ task: 'replicate', key: name, due: now });
}

/** Copies a secret to one Region. Returns why it could not. */
async function copyTo(ctx: Context, row: SecretRow, { region, kmsKeyId, overwrite }: ReplicaFacts): Promise<string> {
  const there = ctx.inScope({ region });
  const existing = await there.table(Secrets).get(row.name);
  if (existing !== undefined && existing.primaryRegion !== ctx.region && !overwrite)
    return 'Replication failed: Secret name simple already exists in region';
  const from = secretArn(ctx, row);
  const to = secretArn(there, row);
  const kept = await there.table(Values).list({ prefix: [row.name] });
  const values: ValueRow[] = [];
  try {
    for (const { version } of await ctx.table(Values).list({ prefix: [row.name] })) {
      if (existing?.suffix === row.suffix && kept.some((value) => value.version === version)) continue;
      const value = await openValue(ctx, ctx, row.name, from, version);
      values.push(await sealValue(there, { name: row.name, arn: to, kmsKeyId }, version, value));
    }
  } catch (error) {
    if (error instanceof AwsError) return `Replication failed: ${error.message}`;
    throw error;
  }
  const { policy: _own, replicas: _primary, rotation: _primaries, ...copy } = row;
  await there.transact(async (tx) => {
    const policy = (await tx.table(Secrets).get(row.name))?.policy;
    for (const { version } of kept)
      if (row.versions[version] === undefined || existing?.suffix !== row.suffix)
        await tx.table(Values).delete(row.name, version);
    for (const value of values) await tx.table(Values).put(value);
    await tx.table(Secrets).put({ ...copy, kmsKeyId, policy, primaryRegion: ctx.region });
  });
  return '';
}

/** Brings all replicas of a secret up to date. */
export const replicate: Task = async ({ key: name }, ctx) => {
  const row = await ctx.table(Secrets).get(name);
  const done = new Map<string, string>();
  for (const replica of row?.replicas ?? []) if (row !== undefined) done.set(replica.region, await copyTo(ctx, row, replica));
  await ctx.transact((tx) =>
    tx.table(Secrets).update([name], (now) => ({
      ...now,
      replicas: now.replicas?.map((replica) => {
        const message = done.get(replica.region);
        if (message === undefined) return replica;
        return { ...replica, message, status: message === '' ? ('InSync' as const) : ('Failed' as const) };
      }),
    })),
  );
};

async function drop(tx: Transaction, scope: Scope, name: string, primary: string): Promise<void> {
  const row = await tx.tableIn(scope, Secrets).get(name);
  if (row?.primaryRegion !== primary) return;
  for (const { version } of await tx.tableIn(scope, Values).list({ prefix: [name] }))
    await tx.tableIn(scope, Values).delete(name, version);
  await tx.tableIn(scope, Secrets).delete(name);
}

export const replicationHandlers: HandlersOf<SecretsManager> = {
  async ReplicateSecretToRegions(input, ctx) {
    const added = readReplicas(ctx, input.AddReplicaRegions, input.ForceOverwriteReplicaSecret);
    return ctx.transact(async (tx) => {
      const { row, arn } = await requireSecret(inTransaction(ctx, tx), input.SecretId);
      checkNoReplica(row, ctx.region);
      const regions = new Set(added.map(({ region }) => region));
      const replicas = [...(row.replicas ?? []).filter(({ region }) => !regions.has(region)), ...added];
      const changed = { ...row, replicas, primaryRegion: ctx.region };
      await tx.table(Secrets).put(changed);
      await scheduleReplication(tx, changed, ctx.now);
      return { ARN: arn, ReplicationStatus: describeReplication(changed) };
    });
  },

  /** Deletes the replicas there at once. */
  async RemoveRegionsFromReplication(input, ctx) {
    const gone = new Set(input.RemoveReplicaRegions);
    return ctx.transact(async (tx) => {
      const { row, arn } = await requireSecret(inTransaction(ctx, tx), input.SecretId);
      checkNoReplica(row, ctx.region);
      for (const region of gone) {
        if (!row.replicas?.some((replica) => replica.region === region))
          throw invalidParameter(`There is no replica in region ${region}.`);
        await drop(tx, { account: ctx.account, region }, row.name, ctx.region);
      }
      const replicas = row.replicas?.filter(({ region }) => !gone.has(region)) ?? [];
      const { primaryRegion: _alone, ...single } = row;
      const changed = replicas.length === 0 ? { ...single, replicas: undefined } : { ...row, replicas };
      await tx.table(Secrets).put(changed);
      return { ARN: arn, ReplicationStatus: describeReplication(changed) };
    });
  },

  /** Called in the replica's Region: it becomes a secret of its own. */
  async StopReplicationToReplica(input, ctx) {
    return ctx.transact(async (tx) => {
      const { row, arn } = await requireSecret(inTransaction(ctx, tx), input.SecretId);
      const primary = row.primaryRegion;
      if (primary === undefined || primary === ctx.region)
        throw invalidRequest('Operation is only permitted on a replica secret.');
      await tx.tableIn({ account: ctx.account, region: primary }, Secrets).update([row.name], (old) => ({
        ...old,
        replicas: old.replicas?.filter(({ region }) => region !== ctx.region),
      }));
      await tx.table(Secrets).put({ ...row, primaryRegion: undefined });
      return { ARN: arn };
    });
  },
};
