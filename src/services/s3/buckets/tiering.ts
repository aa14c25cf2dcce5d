/** Which objects of Intelligent-Tiering go to the archive tiers, and after how many days ("Enabling the S3 Intelligent-Tiering Archive Access tiers"). */
import type { IntelligentTieringConfiguration, S3 } from '@aws-sdk/client-s3';
import type { Context, Transaction } from '../../../kernel/context.ts';
import type { AuthorisationsOf, HandlersOf } from '../../../kernel/service.ts';
import type { Value } from '../../../store/store.ts';
import { bucketCheck } from '../access/checks.ts';
import { invalidArgument, malformedXml, noSuchSetting, s3Error } from '../errors.ts';
import { findBucket, requireBucket } from '../lookup.ts';
import { Configs, type TieringConfig } from '../state.ts';

const kind = 'tiering';
const endedKind = 'ended-tiering';
const configsMax = 1000;
/** "Archive Access: a minimum of 90 days … Deep Archive Access: 180 days", both up to two years. */
const daysMin: Readonly<Record<string, number>> = { ARCHIVE_ACCESS: 90, DEEP_ARCHIVE_ACCESS: 180 };
const daysMax = 730;

function readConfig(id: string, asked: IntelligentTieringConfiguration | undefined): TieringConfig {
  const { Id, Status: status, Tierings: tierings = [], Filter: filter } = asked ?? {};
  if (Id === undefined || (status !== 'Enabled' && status !== 'Disabled') || tierings.length === 0) throw malformedXml();
  if (Id !== id) throw invalidArgument('The ID in the request does not match the ID in the configuration', 'Id', id);
  const days: Record<string, number> = {};
  for (const { AccessTier: tier = '', Days: count = 0 } of tierings) {
    const min = daysMin[tier];
    if (min === undefined || days[tier] !== undefined) throw malformedXml();
    if (!Number.isInteger(count) || count < min || count > daysMax) {
      throw invalidArgument(`'Days' for ${tier} must be between ${min} and ${daysMax}`, 'Days', String(count));
    }
    days[tier] = count;
  }
  const tags = [...(filter?.Tag === undefined ? [] : [filter.Tag]), ...(filter?.And?.Tags ?? [])];
  return {
    enabled: status === 'Enabled',
    prefix: filter?.Prefix ?? filter?.And?.Prefix ?? '',
    tags: tags.map(({ Key: key = '', Value: value = '' }) => ({ key, value })),
    archiveDays: days['ARCHIVE_ACCESS'],
    deepArchiveDays: days['DEEP_ARCHIVE_ACCESS'],
    asked: asked as unknown as Value,
  };
}

/** All configurations that bear on a bucket's objects, ended ones included. */
export async function tieringsOf(reading: Pick<Context, 'table'>, bucket: string): Promise<TieringConfig[]> {
  const rows = [
    ...(await reading.table(Configs).list({ prefix: [bucket, kind] })),
    ...(await reading.table(Configs).list({ prefix: [bucket, endedKind] })),
  ];
  return rows.map(({ config }) => config as unknown as TieringConfig);
}

/** Ends a configuration. Returns whether there was one. */
async function endConfig(tx: Transaction, ctx: Context, bucket: string, id: string): Promise<boolean> {
  const configs = tx.table(Configs);
  const old = (await configs.get(bucket, kind, id))?.config as unknown as TieringConfig | undefined;
  if (old === undefined) return false;
  await configs.delete(bucket, kind, id);
  const ended: TieringConfig = { ...old, ended: ctx.now };
  if (old.enabled) await configs.put({ bucket, kind: endedKind, id: ctx.uuid(), config: ended as unknown as Value });
  return true;
}

function describe({ asked }: TieringConfig): IntelligentTieringConfiguration {
  return asked as unknown as IntelligentTieringConfiguration;
}

function noConfiguration(bucket: string): Error {
  return noSuchSetting('NoSuchConfiguration', 'The specified configuration does not exist.', bucket);
}

export const tieringHandlers: HandlersOf<S3> = {
  async PutBucketIntelligentTieringConfiguration(input, ctx) {
    const { name } = await requireBucket(ctx, input);
    const id = input.Id ?? '';
    const config = readConfig(id, input.IntelligentTieringConfiguration);
    await ctx.transact(async (tx) => {
      await findBucket(tx, input);
      const configs = tx.table(Configs);
      if ((await configs.count([name, kind])) >= configsMax && (await configs.get(name, kind, id)) === undefined) {
        const text = 'You are attempting to create a new configuration but have already reached the 1,000-configuration limit.';
        throw s3Error('TooManyConfigurations', text, 400);
      }
      await endConfig(tx, ctx, name, id);
      await configs.put({ bucket: name, kind, id, config: config as unknown as Value });
    });
    return {};
  },

  async GetBucketIntelligentTieringConfiguration(input, ctx) {
    const { name } = await requireBucket(ctx, input);
    const row = await ctx.table(Configs).get(name, kind, input.Id ?? '');
    if (row === undefined) throw noConfiguration(name);
    return { IntelligentTieringConfiguration: describe(row.config as unknown as TieringConfig) };
  },

  async DeleteBucketIntelligentTieringConfiguration(input, ctx) {
    const { name } = await requireBucket(ctx, input);
    const there = await ctx.transact((tx) => endConfig(tx, ctx, name, input.Id ?? ''));
    if (!there) throw noConfiguration(name);
    return {};
  },

  /** All at once: a bucket has at most a thousand. */
  async ListBucketIntelligentTieringConfigurations(input, ctx) {
    const { name } = await requireBucket(ctx, input);
    if (input.ContinuationToken !== undefined) {
      throw invalidArgument('The continuation token provided is incorrect', 'continuation-token', input.ContinuationToken);
    }
    const rows = await ctx.table(Configs).list({ prefix: [name, kind] });
    const list = rows.map(({ config }) => describe(config as unknown as TieringConfig));
    return { IsTruncated: false, IntelligentTieringConfigurationList: list };
  },
};

const write = 's3:PutIntelligentTieringConfiguration';
const read = 's3:GetIntelligentTieringConfiguration';

export const tieringChecks: AuthorisationsOf<S3> = {
  PutBucketIntelligentTieringConfiguration: async (input, ctx) => [await bucketCheck(ctx, input, write)],
  GetBucketIntelligentTieringConfiguration: async (input, ctx) => [await bucketCheck(ctx, input, read)],
  DeleteBucketIntelligentTieringConfiguration: async (input, ctx) => [await bucketCheck(ctx, input, write)],
  ListBucketIntelligentTieringConfigurations: async (input, ctx) => [await bucketCheck(ctx, input, read)],
};
