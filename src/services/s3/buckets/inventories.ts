/** Which inventories a bucket has made of itself ("Configuring Amazon S3 Inventory"). */
import type { InventoryConfiguration, InventoryEncryption, InventoryOptionalField, S3 } from '@aws-sdk/client-s3';
import type { Transaction } from '../../../kernel/context.ts';
import { parameterNotImplemented } from '../../../kernel/errors.ts';
import type { AuthorisationsOf, HandlersOf } from '../../../kernel/service.ts';
import type { Value } from '../../../store/store.ts';
import { bucketCheck } from '../access/checks.ts';
import { invalidArgument, malformedXml, noSuchSetting, s3Error } from '../errors.ts';
import { scheduleInventory } from '../later/inventory.ts';
import { inventoryFields } from '../later/inventory-columns.ts';
import { atBucket, findBucket, requireBucket } from '../lookup.ts';
import { Configs, type InventoryConfig } from '../state.ts';

const kind = 'inventory';
const operation = 'PutBucketInventoryConfiguration';
const configsMax = 1000;
const pageMax = 100;

/** Optional fields that S3 knows and this cloud does not fill. */
const otherFields: ReadonlySet<string> = new Set(['ObjectLockEventHoldDuration', 'ObjectLockEventHoldStatus']);

function readFields(asked: readonly InventoryOptionalField[] | undefined): string[] {
  for (const field of asked ?? []) {
    if (otherFields.has(field)) throw parameterNotImplemented(operation, `OptionalFields ${field}`);
    if (!inventoryFields.includes(field)) throw malformedXml();
  }
  return inventoryFields.filter((field) => asked?.includes(field as InventoryOptionalField));
}

/** Exactly one of both kinds; KMS needs a key. */
function readEncryption(asked: InventoryEncryption | undefined): InventoryConfig['encryption'] {
  if (asked === undefined) return undefined;
  const { SSES3: own, SSEKMS: kms } = asked;
  if ((own === undefined) === (kms === undefined) || kms?.KeyId === '') throw malformedXml();
  return kms === undefined ? {} : { kmsKeyId: kms.KeyId };
}

function readConfig(id: string, asked: InventoryConfiguration | undefined): InventoryConfig {
  const { Id, Destination, IsEnabled: enabled, Filter, IncludedObjectVersions: versions, Schedule } = asked ?? {};
  const destination = Destination?.S3BucketDestination;
  const frequency = Schedule?.Frequency;
  if (Id === undefined || enabled === undefined || destination === undefined) throw malformedXml();
  if (Id !== id) throw invalidArgument('The ID in the request does not match the ID in the configuration', 'Id', id);
  if (versions !== 'All' && versions !== 'Current') throw malformedXml();
  if (frequency !== 'Daily' && frequency !== 'Weekly') throw malformedXml();
  const { Bucket: arn = '', Format: format, Prefix: prefix = '', Encryption: encryption } = destination;
  if (format !== 'CSV' && format !== 'ORC' && format !== 'Parquet') throw malformedXml();
  const [, target] = /^arn:aws:s3:::([a-z0-9.-]+)$/.exec(arn) ?? [];
  if (target === undefined) throw s3Error('InvalidS3DestinationBucket', 'Invalid bucket ARN.', 400);
  return {
    enabled,
    target,
    targetAccount: destination.AccountId,
    targetPrefix: prefix,
    prefix: Filter?.Prefix ?? '',
    allVersions: versions === 'All',
    fields: readFields(asked?.OptionalFields),
    weekly: frequency === 'Weekly',
    format,
    encryption: readEncryption(encryption),
    asked: asked as unknown as Value,
  };
}

function noConfiguration(bucket: string): Error {
  return noSuchSetting('NoSuchConfiguration', 'The specified configuration does not exist.', bucket);
}

/** Removes a configuration and what waits for it. Returns whether there was one. */
async function remove(tx: Transaction, bucket: string, id: string): Promise<boolean> {
  await tx.unschedule('inventory', `${bucket}/${id}`);
  return tx.table(Configs).delete(bucket, kind, id);
}

export const inventoryHandlers: HandlersOf<S3> = {
  async PutBucketInventoryConfiguration(input, ctx) {
    const bucket = await requireBucket(ctx, input);
    const id = input.Id ?? '';
    const config = readConfig(id, input.InventoryConfiguration);
    await atBucket(ctx, bucket).transact(async (tx) => {
      const { name } = await findBucket(tx, input);
      const configs = tx.table(Configs);
      if ((await configs.count([name, kind])) >= configsMax && (await configs.get(name, kind, id)) === undefined) {
        const text = 'You are attempting to create a new configuration but have already reached the 1,000-configuration limit.';
        throw s3Error('TooManyConfigurations', text, 400);
      }
      await remove(tx, name, id);
      await configs.put({ bucket: name, kind, id, config: config as unknown as Value });
      if (config.enabled) await scheduleInventory(tx, name, id, config, ctx.now);
    });
    return {};
  },

  async GetBucketInventoryConfiguration(input, ctx) {
    const { name } = await requireBucket(ctx, input);
    const row = await ctx.table(Configs).get(name, kind, input.Id ?? '');
    if (row === undefined) throw noConfiguration(name);
    return { InventoryConfiguration: (row.config as unknown as InventoryConfig).asked as unknown as InventoryConfiguration };
  },

  async DeleteBucketInventoryConfiguration(input, ctx) {
    const bucket = await requireBucket(ctx, input);
    const there = await atBucket(ctx, bucket).transact((tx) => remove(tx, bucket.name, input.Id ?? ''));
    if (!there) throw noConfiguration(bucket.name);
    return {};
  },

  /** A hundred at a time; the token is the id of the last one. */
  async ListBucketInventoryConfigurations(input, ctx) {
    const { name } = await requireBucket(ctx, input);
    const token = input.ContinuationToken;
    const after = token === undefined ? {} : { after: [name, kind, Buffer.from(token, 'base64url').toString()] };
    const rows = await ctx.table(Configs).list({ prefix: [name, kind], ...after, limit: pageMax + 1 });
    const page = rows.slice(0, pageMax);
    const more = rows.length > pageMax;
    return {
      IsTruncated: more,
      ...(token === undefined ? {} : { ContinuationToken: token }),
      ...(more ? { NextContinuationToken: Buffer.from(page.at(-1)?.id ?? '').toString('base64url') } : {}),
      InventoryConfigurationList: page.map(
        ({ config }) => (config as unknown as InventoryConfig).asked as unknown as InventoryConfiguration,
      ),
    };
  },
};

const write = 's3:PutInventoryConfiguration';
const read = 's3:GetInventoryConfiguration';

export const inventoryChecks: AuthorisationsOf<S3> = {
  PutBucketInventoryConfiguration: async (input, ctx) => [await bucketCheck(ctx, input, write)],
  GetBucketInventoryConfiguration: async (input, ctx) => [await bucketCheck(ctx, input, read)],
  DeleteBucketInventoryConfiguration: async (input, ctx) => [await bucketCheck(ctx, input, write)],
  ListBucketInventoryConfigurations: async (input, ctx) => [await bucketCheck(ctx, input, read)],
};
