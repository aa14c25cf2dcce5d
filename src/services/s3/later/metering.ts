/**
 * What of S3 is paid for: storage by class once a day, requests by class and tier, and bytes retrieved from the classes that
 * charge for it ("Understanding your AWS billing and usage reports for Amazon S3"). Requests are counted from the record of calls, after they were
 * answered, so that nobody waits for it; what is gone again by then is not counted as retrieved. Refused requests cost nothing here.
 */
import type { Millis } from '../../../base/clock.ts';
import type { Context } from '../../../kernel/context.ts';
import { AwsError } from '../../../kernel/errors.ts';
import type { CallRecord } from '../../../kernel/service.ts';
import { charge, type UsageLine } from '../../../kernel/usage.ts';
import { findVersion } from '../lookup.ts';
import { readRange } from '../objects/get.ts';
import { AccessPoints, type BucketRow, Buckets, Objects, type VersionRow } from '../state.ts';
import { parseArn } from '../../../base/arn.ts';

const service = 'Amazon Simple Storage Service';
const gigabyte = 1024 ** 3;

/** What bills call the classes. */
const classCodes: Readonly<Record<string, string>> = {
  STANDARD_IA: 'SIA',
  ONEZONE_IA: 'ZIA',
  GLACIER_IR: 'GIR',
  GLACIER: 'GLACIER',
  DEEP_ARCHIVE: 'GDA',
  INTELLIGENT_TIERING: 'INT',
};

/** Usage types of storage, by CloudWatch's storage types. */
const storageUsage: Readonly<Record<string, string>> = {
  StandardStorage: 'TimedStorage-ByteHrs',
  ReducedRedundancyStorage: 'TimedStorage-RRS-ByteHrs',
  StandardIAStorage: 'TimedStorage-SIA-ByteHrs',
  OneZoneIAStorage: 'TimedStorage-ZIA-ByteHrs',
  GlacierInstantRetrievalStorage: 'TimedStorage-GIR-ByteHrs',
  GlacierStorage: 'TimedStorage-GlacierByteHrs',
  DeepArchiveStorage: 'TimedStorage-GDA-ByteHrs',
  IntelligentTieringFAStorage: 'TimedStorage-INT-FA-ByteHrs',
  IntelligentTieringIAStorage: 'TimedStorage-INT-IA-ByteHrs',
  IntelligentTieringAIAStorage: 'TimedStorage-INT-AIA-ByteHrs',
  IntelligentTieringAAStorage: 'TimedStorage-INT-AA-ByteHrs',
  IntelligentTieringDAAStorage: 'TimedStorage-INT-DAA-ByteHrs',
};

/** One day's storage of a bucket, as of its end. A month's price is spread over its days. */
export function storageLines(bucket: BucketRow, bytes: ReadonlyMap<string, number>, end: Millis): UsageLine[] {
  const at = end - 1;
  const date = new Date(at);
  const days = new Date(Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1, 0)).getUTCDate();
  return [...bytes].map(([type, sum]) => ({
    account: bucket.account,
    region: bucket.region,
    at,
    service,
    usageType: storageUsage[type] ?? 'TimedStorage-ByteHrs',
    operation: type,
    amount: sum / gigabyte / days,
  }));
}

/** What is known of an object that was asked for. */
type Held = Pick<VersionRow, 'bytes' | 'storageClass'>;

interface Named {
  Bucket?: string;
  Key?: string;
  VersionId?: string;
  Range?: string;
  StorageClass?: string;
  RestoreRequest?: { Tier?: string; GlacierJobParameters?: { Tier?: string } };
}

/** PUT, COPY, POST and LIST requests are of the first tier, others of the second; DELETE and CANCEL are free ("Amazon S3 pricing"). */
function tierOf(operation: string): 1 | 2 | undefined {
  if (/^(Delete|Abort)/.test(operation)) return undefined;
  return /^(Put|Copy|Create|Complete|Upload|Restore|Rename|List)/.test(operation) ? 1 : 2;
}

/** The bucket of a record: inputs are recorded as they were sent, so it may be named by an access point. */
async function bucketOf(ctx: Context, name: string): Promise<BucketRow | undefined> {
  const found = await ctx.table(Buckets).get(name);
  if (found !== undefined) return found;
  const arn = parseArn(name);
  const point =
    arn === undefined
      ? (await ctx.table(AccessPoints).byIndex('byAlias', [name], { limit: 1 }))[0]
      : await ctx.table(AccessPoints).get(arn.account, arn.region, arn.resource.replace(/^accesspoint[/:]/, ''));
  return point && ctx.table(Buckets).get(point.bucket);
}

function rangeBytes(range: string | undefined, bytes: number): number {
  try {
    const { start, end } = readRange(range, bytes) ?? { start: 0, end: bytes };
    return end - start;
  } catch (error) {
    // The object has become shorter since.
    if (error instanceof AwsError) return 0;
    throw error;
  }
}

/** Bytes retrieved at a charge, as a usage type and how many. */
function retrievalOf(operation: string, input: Named, row: Held): [usageType: string, bytes: number] | undefined {
  const code = classCodes[row.storageClass];
  if (operation === 'RestoreObject') {
    const tier = input.RestoreRequest?.GlacierJobParameters?.Tier ?? input.RestoreRequest?.Tier ?? 'Standard';
    if (code !== 'GLACIER' && code !== 'GDA') return undefined;
    return [`${tier}-Retrieval-Bytes${code === 'GDA' ? '-GDA' : ''}`, row.bytes];
  }
  if (operation !== 'GetObject' || code === undefined || !['SIA', 'ZIA', 'GIR'].includes(code)) return undefined;
  return [`Retrieval-${code}`, rangeBytes(input.Range, row.bytes)];
}

/** What is found while one batch is counted: requests of a moment are often for the same things. */
class Found {
  readonly #ctx: Context;
  readonly #buckets = new Map<string, Promise<BucketRow | undefined>>();
  readonly #objects = new Map<string, Promise<Held | undefined>>();

  constructor(ctx: Context) {
    this.#ctx = ctx;
  }

  bucket(name: string): Promise<BucketRow | undefined> {
    const known = this.#buckets.get(name) ?? bucketOf(this.#ctx, name);
    this.#buckets.set(name, known);
    return known;
  }

  object(bucket: string, key: string, version: string | undefined): Promise<Held | undefined> {
    const name = JSON.stringify([bucket, key, version]);
    const known = this.#objects.get(name) ?? this.#read(bucket, key, version);
    this.#objects.set(name, known);
    return known;
  }

  async #read(bucket: string, key: string, version: string | undefined): Promise<Held | undefined> {
    if (version === undefined) return this.#ctx.table(Objects).get(bucket, key);
    const row = await findVersion(this.#ctx, bucket, key, version);
    return row?.marker === true ? undefined : row;
  }
}

async function linesOf(found: Found, record: CallRecord): Promise<UsageLine[]> {
  const input = (record.input ?? {}) as Named;
  const tier = tierOf(record.operation);
  const bucket = input.Bucket === undefined || tier === undefined ? undefined : await found.bucket(input.Bucket);
  if (bucket === undefined || bucket.zone !== undefined) return [];
  const { Key: key, VersionId: version } = input;
  const row = key === undefined ? undefined : await found.object(bucket.name, key, version);
  const code = classCodes[input.StorageClass ?? row?.storageClass ?? ''];
  const account = bucket.requesterPays && record.identity.account !== '' ? record.identity.account : bucket.account;
  const { operation, at } = record;
  const line = { account, region: bucket.region, at, service, operation };
  const request = { ...line, usageType: code === undefined ? `Requests-Tier${tier}` : `Requests-${code}-Tier${tier}`, amount: 1 };
  const retrieved = row === undefined ? undefined : retrievalOf(operation, input, row);
  if (retrieved === undefined) return [request];
  const [usageType, bytes] = retrieved;
  return [request, { ...line, usageType, amount: bytes / gigabyte }];
}

/** Counts a batch of finished calls. */
export async function meterRequests(batch: readonly CallRecord[], ctx: Context): Promise<void> {
  const sums = new Map<string, UsageLine>();
  const found = new Found(ctx);
  for (const record of batch) {
    if (record.service !== 's3' || record.errorCode !== undefined) continue;
    for (const line of await linesOf(found, record)) {
      const kind = [line.account, line.region, line.usageType, line.operation, Math.floor(line.at / 86_400_000)].join(' ');
      sums.set(kind, { ...line, amount: line.amount + (sums.get(kind)?.amount ?? 0) });
    }
  }
  if (sums.size > 0) await ctx.transact((tx) => charge(tx, [...sums.values()]));
}
