/** Streams that mappings read, shard by shard, with the rights of the function's role. */
import type { Millis } from '../../../base/clock.ts';
import type { Context } from '../../../kernel/context.ts';
import { actBy } from '../asynchronous/destinations.ts';
import type { Target } from '../lookup.ts';
import type { MappingRow } from '../state.ts';
import { kinesisRecord, plain, tableRecord } from './events.ts';
import { sourceKind } from './mappings.ts';

export interface Entry {
  sequence: string;
  at: Millis;
  /** Records of the same key keep their order. */
  lane: string;
  record: object;
}

export interface Shard {
  id: string;
  parents: readonly string[];
}

export interface Source {
  shards(): Promise<readonly Shard[]>;
  /** An iterator behind the last record that was read, or where the mapping begins. `again`: it has begun before, so that nothing since then may be left out. */
  open(from: { shard: string; sequence: string | undefined; since: Millis; again: boolean }): Promise<string | undefined>;
  /** `next` is undefined when the shard is closed and has been read. */
  read(shard: string, iterator: string, limit: number): Promise<{ entries: Entry[]; next: string | undefined }>;
}

/** Where the records are, read with the role's rights. */
export async function sourceOf(ctx: Context, mapping: MappingRow, target: Target): Promise<Source> {
  const arn = mapping.sourceArn;
  const acting = (await actBy(ctx, target.version.role, target.ref.name)).inScope({ region: arn.split(':')[3] ?? ctx.region });
  return sourceKind(arn) === 'kinesis' ? kinesisSource(acting, mapping, target) : tableSource(acting, mapping);
}

function kinesisSource(acting: Context, mapping: MappingRow, target: Target): Source {
  const kinesis = acting.call('kinesis');
  const StreamARN = mapping.sourceArn;
  return {
    async shards() {
      const { Shards = [] } = await kinesis.listShards({ StreamARN });
      return Shards.map(({ ShardId: id = '', ParentShardId, AdjacentParentShardId }) => ({
        id,
        parents: [ParentShardId, AdjacentParentShardId].filter((parent) => parent !== undefined),
      }));
    },
    async open({ shard, sequence }) {
      const from =
        sequence !== undefined
          ? { ShardIteratorType: 'AFTER_SEQUENCE_NUMBER' as const, StartingSequenceNumber: sequence }
          : mapping.position === 'TRIM_HORIZON'
            ? { ShardIteratorType: 'TRIM_HORIZON' as const }
            : { ShardIteratorType: 'AT_TIMESTAMP' as const, Timestamp: new Date(mapping.positionAt ?? mapping.modified) };
      return (await kinesis.getShardIterator({ StreamARN, ShardId: shard, ...from })).ShardIterator;
    },
    async read(shard, ShardIterator, Limit) {
      const { Records = [], NextShardIterator } = await kinesis.getRecords({ ShardIterator, Limit });
      const entries = Records.map((record) => ({
        sequence: record.SequenceNumber ?? '',
        at: record.ApproximateArrivalTimestamp?.getTime() ?? 0,
        lane: record.PartitionKey ?? '',
        record: kinesisRecord(record, shard, StreamARN, target.version.role),
      }));
      return { entries, next: NextShardIterator };
    },
  };
}

function tableSource(acting: Context, mapping: MappingRow): Source {
  const streams = acting.call('dynamodb-streams');
  const StreamArn = mapping.sourceArn;
  /** Where a shard is read from its beginning because it was being read before: what is older than this is not the mapping's. */
  const begun = new Map<string, Millis>();
  return {
    async shards() {
      const { StreamDescription } = await streams.describeStream({ StreamArn });
      return (StreamDescription?.Shards ?? []).map(({ ShardId: id = '', ParentShardId }) => ({
        id,
        parents: ParentShardId === undefined ? [] : [ParentShardId],
      }));
    },
    async open({ shard, sequence, since, again }) {
      const latest = mapping.position === 'LATEST' && since > 0 && !again;
      // Streams tell times in whole seconds.
      begun.set(shard, mapping.position === 'LATEST' ? Math.floor(since / 1000) * 1000 : 0);
      const from =
        sequence === undefined
          ? { ShardIteratorType: latest ? ('LATEST' as const) : ('TRIM_HORIZON' as const) }
          : { ShardIteratorType: 'AFTER_SEQUENCE_NUMBER' as const, SequenceNumber: sequence };
      return (await streams.getShardIterator({ StreamArn, ShardId: shard, ...from })).ShardIterator;
    },
    async read(shard, ShardIterator, limit) {
      const { Records = [], NextShardIterator } = await streams.getRecords({ ShardIterator, Limit: Math.min(limit, 1000) });
      const entries = Records.map((record) => ({
        sequence: record.dynamodb?.SequenceNumber ?? '',
        at: record.dynamodb?.ApproximateCreationDateTime?.getTime() ?? 0,
        lane: JSON.stringify(plain(record.dynamodb?.Keys)),
        record: tableRecord(record, StreamArn),
      }));
      return { entries: entries.filter(({ at }) => at >= (begun.get(shard) ?? 0)), next: NextShardIterator };
    },
  };
}
