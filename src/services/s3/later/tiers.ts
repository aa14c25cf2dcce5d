/**
 * Intelligent-Tiering: an object's tier follows from when it was last read, so nothing waits and nothing is moved ("How S3 Intelligent-Tiering works",
 * "Archive Access tier", "Deep Archive Access tier"). Pure.
 */
import type { Millis } from '../../../base/clock.ts';
import type { TieringConfig, VersionRow } from '../state.ts';

const dayMillis = 86_400_000;
/** "Objects smaller than 128 KB … are always charged at the Frequent Access tier rates". */
const watchedBytesMin = 128 * 1024;
const infrequentDays = 30;
const archiveInstantDays = 90;

export type AccessTier = 'FREQUENT' | 'INFREQUENT' | 'ARCHIVE_INSTANT' | 'ARCHIVE_ACCESS' | 'DEEP_ARCHIVE_ACCESS';

type Watched = Pick<VersionRow, 'key' | 'tags' | 'bytes' | 'created' | 'accessed' | 'storageClass'>;

/** The tier of an object now; undefined for objects of other classes. The archive tiers need a configuration of the bucket. */
export function tierOf(row: Watched, configs: readonly TieringConfig[], now: Millis): AccessTier | undefined {
  if (row.storageClass !== 'INTELLIGENT_TIERING') return undefined;
  if (row.bytes < watchedBytesMin) return 'FREQUENT';
  const idleDaysAt = (at: Millis) => (at - (row.accessed ?? row.created)) / dayMillis;
  const mine = configs.filter(({ enabled, prefix, tags }) => {
    return enabled && row.key.startsWith(prefix) && tags.every(({ key, value }) => row.tags[key] === value);
  });
  const reaches = (days: number | undefined, ended = now) => days !== undefined && idleDaysAt(ended) >= days;
  if (mine.some(({ deepArchiveDays, ended }) => reaches(deepArchiveDays, ended))) return 'DEEP_ARCHIVE_ACCESS';
  if (mine.some(({ archiveDays, ended }) => reaches(archiveDays, ended))) return 'ARCHIVE_ACCESS';
  const idleDays = idleDaysAt(now);
  if (idleDays >= archiveInstantDays) return 'ARCHIVE_INSTANT';
  return idleDays >= infrequentDays ? 'INFREQUENT' : 'FREQUENT';
}

/** The tier, when it is one whose objects must be restored before they are read. */
export function archiveTierOf(
  row: Watched,
  configs: readonly TieringConfig[],
  now: Millis,
): 'ARCHIVE_ACCESS' | 'DEEP_ARCHIVE_ACCESS' | undefined {
  const tier = tierOf(row, configs, now);
  return tier === 'ARCHIVE_ACCESS' || tier === 'DEEP_ARCHIVE_ACCESS' ? tier : undefined;
}

/** Names that CloudWatch's storage metrics have for classes and tiers ("Amazon S3 CloudWatch dimensions", StorageType). */
const storageTypes: Readonly<Record<string, string>> = {
  STANDARD: 'StandardStorage',
  REDUCED_REDUNDANCY: 'ReducedRedundancyStorage',
  STANDARD_IA: 'StandardIAStorage',
  ONEZONE_IA: 'OneZoneIAStorage',
  GLACIER_IR: 'GlacierInstantRetrievalStorage',
  GLACIER: 'GlacierStorage',
  DEEP_ARCHIVE: 'DeepArchiveStorage',
  FREQUENT: 'IntelligentTieringFAStorage',
  INFREQUENT: 'IntelligentTieringIAStorage',
  ARCHIVE_INSTANT: 'IntelligentTieringAIAStorage',
  ARCHIVE_ACCESS: 'IntelligentTieringAAStorage',
  DEEP_ARCHIVE_ACCESS: 'IntelligentTieringDAAStorage',
};

/** As which storage type the bytes of a version count. */
export function storageTypeOf(row: Watched, configs: readonly TieringConfig[], now: Millis): string {
  return storageTypes[tierOf(row, configs, now) ?? row.storageClass] ?? 'StandardStorage';
}
