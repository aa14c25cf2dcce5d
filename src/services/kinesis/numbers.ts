/** Shard ids, sequence numbers and hash keys: pure. */
import { createHash } from 'node:crypto';
import { invalidArgument } from './errors.ts';
import type { ShardRow } from './state.ts';

const hashKeyMax = 2n ** 128n - 1n;
const indexDigits = 30;

export function shardId(number: number): string {
  return `shardId-${String(number).padStart(12, '0')}`;
}

/** The number in a shard id; undefined for what is none. */
export function shardNumber(id: string): number | undefined {
  const [, digits] = /^shardId-(\d{12})$/.exec(id) ?? [];
  return digits === undefined ? undefined : Number(digits);
}

/** 56 digits that grow: when the shard was made, its number, and the record's place in it. */
export function sequenceNumber({ created, number }: Pick<ShardRow, 'created' | 'number'>, index: number): string {
  return `49${String(created).padStart(14, '0')}${String(number).padStart(10, '0')}${String(index).padStart(indexDigits, '0')}`;
}

/** The place that a sequence number of this shard means. Throws InvalidArgumentException for another shard's, or what is none. */
export function indexOf(shard: ShardRow, sequence: string): number {
  if (/^\d+$/.test(sequence) && sequenceNumber(shard, 0).slice(0, -indexDigits) === sequence.slice(0, -indexDigits))
    return Number(sequence.slice(-indexDigits));
  throw invalidArgument(
    `StartingSequenceNumber ${sequence} used in GetShardIterator on shard ${shardId(shard.number)} is invalid.`,
  );
}

/** Where a record goes: the MD5 of its partition key as a number, unless it says itself. */
export function hashKeyOf(partitionKey: string, explicit: string | undefined): bigint {
  if (explicit === undefined) return BigInt(`0x${createHash('md5').update(partitionKey).digest('hex')}`);
  const key = /^(?:0|[1-9]\d{0,38})$/.test(explicit) ? BigInt(explicit) : -1n;
  if (key < 0n || key > hashKeyMax)
    throw invalidArgument(
      `Invalid ExplicitHashKey. ExplicitHashKey must be in the range: [0, 2^128-1]. Specified value was ${explicit}`,
    );
  return key;
}

/** Ranges of hash keys of so many equal shards. */
export function equalRanges(count: number): { from: string; to: string }[] {
  const size = (hashKeyMax + 1n) / BigInt(count);
  return Array.from({ length: count }, (_, i) => ({
    from: String(size * BigInt(i)),
    to: String(i === count - 1 ? hashKeyMax : size * BigInt(i + 1) - 1n),
  }));
}
