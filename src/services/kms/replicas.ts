/**
 * Multi-Region keys: one primary and its replicas, each a key of its own Region with its own policy, tags and aliases, all with the same id and
 * material. Source: AWS KMS Developer Guide, "Multi-Region keys in AWS KMS".
 */
import type { KMS } from '@aws-sdk/client-kms';
import { findRegion } from '../../base/regions.ts';
import type { Context } from '../../kernel/context.ts';
import { RequestCheck } from '../../kernel/request-check.ts';
import type { HandlersOf } from '../../kernel/service.ts';
import { alreadyExists, unsupportedOperation, validationError } from './errors.ts';
import { checkUsable, keyArn, ownKeyId } from './key-ids.ts';
import { requireRow, showKey } from './keys.ts';
import { checkPolicy, defaultPolicy } from './policies.ts';
import { limits } from './rules.ts';
import { type KeyRow, Keys, Materials, type MultiRegion } from './state.ts';
import { describeTags, readTags } from './tags.ts';

/** The primary that a request names, usable. Throws UnsupportedOperationException for other keys. */
function requirePrimary(ctx: Context, row: KeyRow): MultiRegion {
  const arn = keyArn(ctx, row.id);
  if (row.multiRegion?.primary !== ctx.region) throw unsupportedOperation(`${arn} is not a multi-Region primary key.`);
  checkUsable({ scope: ctx, arn, row: row.state === 'PendingImport' ? { ...row, state: 'Enabled' } : row });
  return row.multiRegion;
}

function checkRegion(region: string | undefined): string {
  new RequestCheck().length('region', region, 1, 32).done();
  if (region === undefined || findRegion(region) === undefined) throw validationError(`${region} is not a valid Region.`);
  return region;
}

export const replicaHandlers: HandlersOf<KMS> = {
  /** Throws AlreadyExistsException, UnsupportedOperationException, ValidationException, MalformedPolicyDocumentException, TagException. */
  async ReplicateKey(input, ctx) {
    const region = checkRegion(input.ReplicaRegion);
    new RequestCheck().length('description', input.Description, 0, limits.descriptionCharsMax).done();
    const tags = readTags(input.Tags);
    const id = ownKeyId(ctx, input.KeyId);
    requirePrimary(ctx, await requireRow(ctx, id));
    const there = ctx.inScope({ region });
    const policy = input.Policy ?? defaultPolicy(ctx.account);
    if (input.Policy !== undefined) await checkPolicy(ctx, policy, keyArn(there, id), input.BypassPolicyLockoutSafetyCheck);
    const replica = await ctx.transact(async (tx) => {
      const primary = await requireRow(ctx, id, tx);
      const family = requirePrimary(ctx, primary);
      if (region === family.primary || family.replicas.includes(region))
        throw alreadyExists(`A key with the ID ${id} already exists in Region ${region}.`);
      const multiRegion = { primary: ctx.region, replicas: [...family.replicas, region] };
      const external = primary.origin === 'EXTERNAL';
      const row: KeyRow = {
        ...primary,
        created: ctx.now,
        description: input.Description ?? '',
        policy,
        tags,
        multiRegion,
        state: external ? 'PendingImport' : 'Enabled',
        rotation: undefined,
        rotationsOnDemand: undefined,
      };
      await tx.tableIn(there, Keys).put(row);
      // Imported material is imported again at each replica; the row without its bytes says which material that must be.
      for (const material of await tx.table(Materials).list({ prefix: [id] }))
        await tx.tableIn(there, Materials).put(external ? { ...material, sealed: undefined, imported: {} } : material);
      for (const member of [family.primary, ...family.replicas])
        await tx.tableIn({ account: ctx.account, region: member }, Keys).update([id], (key) => ({ ...key, multiRegion }));
      return row;
    });
    return {
      ReplicaKeyMetadata: await showKey(ctx, { scope: { account: ctx.account, region }, row: replica }),
      ReplicaPolicy: policy,
      ReplicaTags: describeTags(tags),
    };
  },

  /** Makes a replica the primary and the primary a replica. Rotation goes along. */
  async UpdatePrimaryRegion(input, ctx) {
    const region = checkRegion(input.PrimaryRegion);
    const id = ownKeyId(ctx, input.KeyId);
    await ctx.transact(async (tx) => {
      const old = await requireRow(ctx, id, tx);
      const family = requirePrimary(ctx, old);
      if (!family.replicas.includes(region))
        throw validationError(`There is no replica of key ${keyArn(ctx, id)} in Region ${region}.`);
      const multiRegion = { primary: region, replicas: [ctx.region, ...family.replicas.filter((one) => one !== region)] };
      for (const member of [family.primary, ...family.replicas]) {
        await tx.tableIn({ account: ctx.account, region: member }, Keys).update([id], (row) => ({
          ...row,
          multiRegion,
          rotation: member === region ? old.rotation : undefined,
          rotationsOnDemand: member === region ? old.rotationsOnDemand : undefined,
        }));
      }
      await tx.unschedule('rotateKey', id);
    });
    await ctx.inScope({ region }).transact(async (tx) => {
      const rotation = (await tx.table(Keys).get(id))?.rotation;
      if (rotation !== undefined) await tx.schedule({ task: 'rotateKey', key: id, due: rotation.next });
    });
    return {};
  },
};
