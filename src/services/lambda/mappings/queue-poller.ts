/**
 * A queue's messages to a function: received in batches under the role's rights, deleted when the function has taken them, left to come back when it has not
 * ("Using Lambda with Amazon SQS": batching, reporting batch item failures, maximum concurrency).
 */
import type { Message } from '@aws-sdk/client-sqs';
import type { Millis } from '../../../base/clock.ts';
import type { Context } from '../../../kernel/context.ts';
import { AwsError } from '../../../kernel/errors.ts';
import { actBy, queueUrl } from '../asynchronous/destinations.ts';
import { call } from '../execution/call.ts';
import { requireTarget, type Target } from '../lookup.ts';
import type { MappingRow } from '../state.ts';
import { filterOf, queueRecord } from './events.ts';
import type { Beat } from './pollers.ts';

/**
 * "Lambda starts processing five batches at a time", and five more each second while messages wait ("up to 300 more concurrent invokes per minute"). AWS
 * goes on to 1,250; one machine has no room for as many environments.
 */
const batchesFirst = 5;
const batchesMore = 5;
const growthMillis: Millis = 1000;
const batchesMost = 60;
/** What an event may have, with room for what surrounds the records. */
const batchBytesMax = 6_000_000;
const receiveMax = 10;
/** Seconds of the cloud's time that a receive waits for messages. */
const waitSeconds = 5;
/** Real milliseconds to rest after a refusal of the queue or of the function. */
const refusalMillis = 1000;
/** Real milliseconds after a receive that found nothing. */
const emptyMillis = 10;

/** Receives and hands on until it is told to stop. */
export async function pollQueue(ctx: Context, beat: Beat): Promise<void> {
  const running = new Set<Promise<void>>();
  let [allowed, since] = [batchesFirst, ctx.clock.now()];
  try {
    for (;;) {
      const mapping = await beat.mapping();
      if (mapping === undefined) return;
      if (running.size >= Math.min(allowed, mapping.concurrencyMax ?? batchesMost)) {
        await Promise.race([...running, ctx.clock.pause(growthMillis, beat.stopped)]);
        if (ctx.clock.now() - since >= growthMillis)
          [allowed, since] = [Math.min(batchesMost, allowed + batchesMore), ctx.clock.now()];
        continue;
      }
      try {
        const target = await targetOf(ctx, mapping);
        const began = ctx.clock.now();
        const messages = await gather(ctx, mapping, target, beat);
        if (messages.length === 0) {
          // A queue that answers at once (its service is being stopped) must not keep the process from all else.
          if (ctx.clock.now() - began < waitSeconds * 1000) await ctx.clock.pause(emptyMillis, beat.stopped);
          [allowed, since] = [batchesFirst, ctx.clock.now()];
        }
        for (const part of byBytes(messages)) {
          const work = ctx.underWay(process(ctx, mapping, target, part, beat).finally(() => running.delete(work)));
          running.add(work);
        }
      } catch (error) {
        if (!(error instanceof AwsError)) throw error;
        beat.note(`PROBLEM: ${error.message}`);
        await ctx.clock.pause(refusalMillis, beat.stopped);
      }
    }
  } finally {
    await Promise.allSettled(running);
  }
}

/** The function of a mapping. Throws ResourceNotFoundException. */
export function targetOf(ctx: Context, mapping: MappingRow): Promise<Target> {
  return requireTarget(ctx, { account: ctx.account, region: ctx.region, name: mapping.function, qualifier: mapping.qualifier });
}

async function sqsOf(ctx: Context, mapping: MappingRow, target: Target) {
  const [, , , region = '', account = '', name = ''] = mapping.sourceArn.split(':');
  const acting = await actBy(ctx, target.version.role, target.ref.name);
  return { sqs: acting.inScope({ region }).call('sqs'), QueueUrl: queueUrl(ctx, region, account, name) };
}

/** A batch: full, or what came until its window has passed. */
async function gather(ctx: Context, mapping: MappingRow, target: Target, beat: Beat): Promise<Message[]> {
  const { sqs, QueueUrl } = await sqsOf(ctx, mapping, target);
  const batch: Message[] = [];
  const ends = ctx.clock.now() + mapping.windowSeconds * 1000;
  do {
    const left = Math.ceil((ends - ctx.clock.now()) / 1000);
    const { Messages = [] } = await sqs.receiveMessage({
      QueueUrl,
      MaxNumberOfMessages: Math.min(receiveMax, mapping.batchSize - batch.length),
      WaitTimeSeconds: batch.length === 0 ? waitSeconds : Math.max(0, Math.min(waitSeconds, left)),
      MessageSystemAttributeNames: ['All'],
      MessageAttributeNames: ['All'],
    });
    batch.push(...Messages);
    if (batch.length === 0) return batch;
  } while (batch.length < mapping.batchSize && ctx.clock.now() < ends && !beat.stopped.aborted);
  return batch;
}

/** Messages as batches that an event can hold. */
function byBytes(messages: readonly Message[]): Message[][] {
  const all: Message[][] = [];
  let bytes = Number.POSITIVE_INFINITY;
  for (const message of messages) {
    const size = Buffer.byteLength(JSON.stringify(queueRecord(message, '')));
    if (bytes + size > batchBytesMax) [bytes, all[all.length]] = [0, []];
    bytes += size;
    all.at(-1)?.push(message);
  }
  return all;
}

async function process(ctx: Context, mapping: MappingRow, target: Target, messages: Message[], beat: Beat): Promise<void> {
  try {
    const wanted = filterOf(mapping.filters);
    const pairs = messages.map((message) => ({ message, record: queueRecord(message, mapping.sourceArn) }));
    const passed = pairs.filter(({ record }) => wanted(record));
    const done = new Set(pairs.filter((pair) => !passed.includes(pair)).map(({ message }) => message));
    if (passed.length > 0) {
      const payload = Buffer.from(JSON.stringify({ Records: passed.map(({ record }) => record) }));
      const result = await call(ctx, target, { payload, requestId: ctx.uuid() });
      const failed =
        result.functionError === undefined
          ? failedItems(
              mapping,
              result.payload,
              passed.map(({ message }) => message.MessageId ?? ''),
            )
          : 'all';
      for (const { message } of passed) if (failed !== 'all' && !failed.has(message.MessageId ?? '')) done.add(message);
    }
    await remove(ctx, mapping, target, [...done]);
    beat.note('OK');
  } catch (error) {
    // What the function never got comes back by itself, too.
    if (!(error instanceof AwsError)) throw error;
    beat.note(`PROBLEM: ${error.message}`);
    await ctx.clock.pause(refusalMillis, beat.stopped);
  }
}

/** Ids of a batch that a function reports as failed; an answer that makes no sense fails all, an empty one none. */
export function failedItems(mapping: MappingRow, answer: Uint8Array, ids: readonly string[]): Set<string> | 'all' {
  if (!mapping.reportFailures) return new Set();
  let failures: unknown;
  try {
    failures =
      (JSON.parse(Buffer.from(answer).toString('utf8')) as { batchItemFailures?: unknown } | null)?.batchItemFailures ?? [];
  } catch {
    return new Set();
  }
  if (!Array.isArray(failures)) return 'all';
  const named = failures.map((one) => (one as { itemIdentifier?: unknown } | null)?.itemIdentifier);
  if (named.some((id) => typeof id !== 'string' || !ids.includes(id))) return 'all';
  return new Set(named as string[]);
}

async function remove(ctx: Context, mapping: MappingRow, target: Target, messages: readonly Message[]): Promise<void> {
  const { sqs, QueueUrl } = await sqsOf(ctx, mapping, target);
  for (let at = 0; at < messages.length; at += receiveMax) {
    const Entries = messages.slice(at, at + receiveMax).map(({ ReceiptHandle }, index) => ({ Id: String(index), ReceiptHandle }));
    await sqs.deleteMessageBatch({ QueueUrl, Entries });
  }
}
