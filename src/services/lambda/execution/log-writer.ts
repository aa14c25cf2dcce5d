/** Writes what environments have logged, one writer for each stream: what comes while it writes goes with the next batch, in order. */
import type { Context } from '../../../kernel/context.ts';
import { AwsError } from '../../../kernel/errors.ts';
import type { StsApi } from '../../sts/api.ts';
import type { VersionRow } from '../state.ts';

export interface Entry {
  at: number;
  text: string;
}

/** A PutLogEvents takes 1 MiB and 10,000 events, each with 26 bytes of its own. */
const batchBytesMax = 1_000_000;
const batchEventsMax = 10_000;
const eventBytes = 26;
/** Entries of a stream that wait; a function that prints faster than they are written loses the rest. */
const waitingMax = 200_000;

/** Entries that wait for the writer of their stream, by cloud. Rebuildable: it only ever holds what is being written. */
const writersCache = new WeakMap<object, Map<string, Entry[]>>();

/** Hands entries to the writer of a stream. What the logs refuse is lost, as in AWS. */
export function writeLater(ctx: Context, version: VersionRow, stream: string, entries: readonly Entry[]): void {
  const writers = writersCache.get(ctx.clock) ?? new Map<string, Entry[]>();
  writersCache.set(ctx.clock, writers);
  const waiting = writers.get(stream);
  if (waiting !== undefined) {
    if (waiting.length < waitingMax) for (const entry of entries) waiting.push(entry);
    return;
  }
  const queue = [...entries];
  writers.set(stream, queue);
  void drain(ctx, version, stream, queue)
    .catch((error: unknown) => ctx.trace(`The log ${stream} could not be written: ${String(error)}`))
    .finally(() => writers.delete(stream));
}

async function drain(ctx: Context, version: VersionRow, stream: string, queue: Entry[]): Promise<void> {
  while (queue.length > 0) for (const batch of batches(queue.splice(0))) await put(ctx, version, stream, batch);
}

/** Writes under the role's rights; makes stream and group when they are missing. */
async function put(ctx: Context, version: VersionRow, logStreamName: string, batch: readonly Entry[]): Promise<void> {
  const logGroupName = version.logging.group;
  const sts = await ctx.internal<StsApi>('sts');
  const identity = await sts.roleIdentity({ roleArn: version.role, sessionName: version.function, service: 'lambda' });
  const logs = ctx.asIdentity(identity).call('cloudwatch-logs');
  const logEvents = batch.map(({ at, text }) => ({ timestamp: at, message: text === '' ? ' ' : text }));
  const write = () => logs.putLogEvents({ logGroupName, logStreamName, logEvents });
  const isMissing = (error: unknown): boolean => error instanceof AwsError && error.code === 'ResourceNotFoundException';
  const exists = (error: unknown): void => {
    if (!(error instanceof AwsError) || error.code !== 'ResourceAlreadyExistsException') throw error;
  };
  try {
    await write();
  } catch (error) {
    if (!isMissing(error)) throw error;
    await logs.createLogStream({ logGroupName, logStreamName }).catch(async (refusal: unknown) => {
      if (!isMissing(refusal)) return exists(refusal);
      await logs.createLogGroup({ logGroupName }).catch(exists);
      await logs.createLogStream({ logGroupName, logStreamName }).catch(exists);
    });
    await write();
  }
}

function batches(entries: readonly Entry[]): Entry[][] {
  const all: Entry[][] = [];
  let bytes = Number.POSITIVE_INFINITY;
  for (const entry of entries) {
    const size = Buffer.byteLength(entry.text) + eventBytes;
    const current = all.at(-1);
    if (current === undefined || bytes + size > batchBytesMax || current.length >= batchEventsMax) {
      all.push([entry]);
      bytes = size;
    } else {
      current.push(entry);
      bytes += size;
    }
  }
  return all;
}
