/** Records put into a delivery stream's buffer. Source: Firehose API Reference, PutRecord and PutRecordBatch; "Amazon Data Firehose Quota". */
import type { Firehose, _Record } from '@aws-sdk/client-firehose';
import type { Context, Transaction } from '../../kernel/context.ts';
import { RequestCheck } from '../../kernel/request-check.ts';
import type { AuthorisationsOf, HandlersOf } from '../../kernel/service.ts';
import { invalidArgument, streamNotFound } from './errors.ts';
import { onStream, requireActive } from './lookup.ts';
import { Buffers, Records, type StreamRow, Streams } from './state.ts';

const recordBytesMax = 1_024_000;
const batchRecordsMax = 500;
const batchBytesMax = 4_194_304;
const idDigits = 20;

/** Bytes at which, and milliseconds after which, a stream's buffer is delivered. */
export function hintsOf({ s3, http }: StreamRow): { bytes: number; millis: number } {
  const { sizeMb, intervalSeconds } = http ?? s3;
  return { bytes: sizeMb * 1_048_576, millis: intervalSeconds * 1000 };
}

/** Adds records to the stream's buffer, and sees that it will be delivered. Throws ResourceNotFoundException when the stream is gone. */
export async function append(
  ctx: Context,
  tx: Transaction,
  stream: StreamRow,
  records: readonly Uint8Array[],
): Promise<readonly number[]> {
  const buffer = await tx.table(Buffers).get(stream.id);
  if (buffer === undefined) throw streamNotFound(stream.name, ctx.account);
  const at = ctx.clock.now();
  let { last, bytes } = buffer;
  const indexes: number[] = [];
  for (const data of records) {
    last += 1;
    bytes += data.byteLength;
    indexes.push(last);
    await tx.table(Records).put({ stream: stream.id, index: last, data, at });
  }
  const oldest = buffer.oldest ?? at;
  await tx.table(Buffers).put({ ...buffer, last, bytes, oldest });
  const hints = hintsOf(stream);
  // While its destination refuses, the next attempt waits already.
  if (buffer.failing !== undefined) return indexes;
  if (bytes >= hints.bytes) await tx.schedule({ task: 'flush', key: stream.name, due: at });
  else if (buffer.oldest === undefined) await tx.schedule({ task: 'flush', key: stream.name, due: oldest + hints.millis });
  return indexes;
}

async function put(ctx: Context, name: string | undefined, records: readonly Uint8Array[]): Promise<string[]> {
  const stream = await requireActive(ctx, name);
  if (stream.type === 'KinesisStreamAsSource')
    throw invalidArgument('This operation is not permitted on KinesisStreamAsSource delivery stream type.');
  const indexes = await ctx.transact(async (tx) => {
    const now = await tx.table(Streams).get(stream.name);
    return append(ctx, tx, now?.id === stream.id ? now : stream, records);
  });
  return indexes.map((index) => Buffer.from(`${stream.id}${String(index).padStart(idDigits, '0')}`).toString('base64'));
}

function dataOf(record: _Record | undefined): Uint8Array {
  return record?.Data ?? new Uint8Array();
}

export const recordHandlers: HandlersOf<Firehose> = {
  async PutRecord({ DeliveryStreamName, Record }, ctx) {
    new RequestCheck().size('record.data', Record?.Data, 0, recordBytesMax).done();
    const [RecordId] = await put(ctx, DeliveryStreamName, [dataOf(Record)]);
    return { RecordId, Encrypted: false };
  },

  async PutRecordBatch({ DeliveryStreamName, Records: given = [] }, ctx) {
    const check = new RequestCheck();
    if (given.length < 1 || given.length > batchRecordsMax) check.range('records', given.length, 1, batchRecordsMax);
    for (const [i, { Data }] of given.entries()) check.size(`records.${i + 1}.member.data`, Data, 0, recordBytesMax);
    check.done();
    const records = given.map(dataOf);
    if (records.reduce((sum, { byteLength }) => sum + byteLength, 0) > batchBytesMax)
      throw invalidArgument('Records size exceeds 4 MB limit');
    const ids = await put(ctx, DeliveryStreamName, records);
    return { FailedPutCount: 0, Encrypted: false, RequestResponses: ids.map((RecordId) => ({ RecordId })) };
  },
};

export const recordChecks: AuthorisationsOf<Firehose> = { PutRecord: onStream, PutRecordBatch: onStream };
