/** What DynamoDB offers to other services inside the process: its streams, for the streams endpoint and for event source mappings. Types only may be imported. */
import type { _Record as StreamRecord, StreamDescription } from '@aws-sdk/client-dynamodb-streams';
import type { Context, Scope } from '../../kernel/context.ts';
import type { StreamRow } from './state.ts';
import { describeStream, type IteratorType, listStreams, openIterator, readRecords, requireStream } from './streams/read.ts';

export interface DynamodbApi {
  /** Streams of a scope in order of table and label. */
  listStreams(scope: Scope, table?: string): Promise<readonly Pick<StreamRow, 'arn' | 'table' | 'label'>[]>;
  /** Throws ResourceNotFoundException, ValidationException. */
  describeStream(
    scope: Scope,
    arn: string,
    page: { limit?: number | undefined; after?: string | undefined },
  ): Promise<StreamDescription>;
  /** Throws ResourceNotFoundException, TrimmedDataAccessException, ValidationException. */
  openIterator(
    scope: Scope,
    arn: string,
    from: { shard: string | undefined; type: IteratorType; sequence?: string | undefined },
  ): Promise<string>;
  /** Throws ExpiredIteratorException, ResourceNotFoundException, TrimmedDataAccessException, ValidationException. */
  readRecords(
    scope: Scope,
    iterator: string,
    limit?: number,
  ): Promise<{ Records: StreamRecord[]; NextShardIterator?: string | undefined }>;
}

/** The api over a context of DynamoDB's own. */
export function createApi(system: Context): DynamodbApi {
  return {
    listStreams: (scope, table) => listStreams(system.inScope(scope), table),
    async describeStream(scope, arn, page) {
      const ctx = system.inScope(scope);
      return describeStream(ctx, await requireStream(ctx, arn), page);
    },
    async openIterator(scope, arn, from) {
      const ctx = system.inScope(scope);
      return openIterator(ctx, await requireStream(ctx, arn), from);
    },
    readRecords: (scope, iterator, limit) => readRecords(system.inScope(scope), iterator, limit),
  };
}
