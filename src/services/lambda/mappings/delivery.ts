/**
 * A batch of records to a function, until it is done with: a batch that fails is tried again, whole or halved, until it succeeds, has been tried often
 * enough, or is too old; then its place goes to the failure destination ("Retain discarded batch records").
 */
import type { Millis } from '../../../base/clock.ts';
import type { Context } from '../../../kernel/context.ts';
import { AwsError } from '../../../kernel/errors.ts';
import { sendTo } from '../asynchronous/destinations.ts';
import { call, type CallResult } from '../execution/call.ts';
import { putMetrics } from '../execution/metrics.ts';
import { functionArn, versionName } from '../names.ts';
import type { MappingRow, WindowState } from '../state.ts';
import { filterOf } from './events.ts';
import { sourceKind } from './mappings.ts';
import { failedItems, targetOf } from './queue-poller.ts';
import type { Lane } from './shard-reader.ts';
import type { Entry } from './stream-sources.ts';

const retryMillisMin: Millis = 500;
const retryMillisMax: Millis = 60_000;

export interface Window extends WindowState {
  final?: boolean;
  /** Its state has outgrown what it may be. */
  early?: boolean;
}

export interface DeliveryOptions {
  window?: Window | undefined;
  /** Told the state that the function has answered, as JSON, before what it is of is done. */
  onState?: (state: string) => void;
  onDone(entries: readonly Entry[]): Promise<void>;
}

interface Attempt {
  /** Undefined when all went well, else the first entry that has to come again. */
  failedAt?: Entry | undefined;
  failed: boolean;
  result?: CallResult | undefined;
}

export class Delivery {
  readonly #lane: Lane;
  readonly #shard: string;
  readonly #wanted: (record: object) => boolean;

  constructor(lane: Lane, shard: string) {
    this.#lane = lane;
    this.#shard = shard;
    this.#wanted = filterOf(lane.mapping.filters);
  }

  /** Hands entries on until all are done with, or the reader is stopped. An empty batch ends a window. */
  async deliver(entries: readonly Entry[], options: DeliveryOptions): Promise<'done' | 'stopped'> {
    const { ctx, mapping, target, beat, stopped } = this.#lane;
    /** Parts still to be done, in order: bisecting puts two for one. */
    const parts: { entries: readonly Entry[]; failed: number }[] = [{ entries, failed: 0 }];
    let { window } = options;
    for (let part = parts.shift(); part !== undefined; part = parts.shift()) {
      if (stopped.aborted) return 'stopped';
      const passed = part.entries.filter(({ record }) => this.#wanted(record));
      if (passed.length === 0 && part.entries.length > 0) {
        await options.onDone(part.entries);
        continue;
      }
      const aged = tooOld(ctx, mapping, passed);
      const outcome: Attempt = aged ? { failed: true } : await this.#attempt(passed, window);
      if (!outcome.failed) {
        const state = window === undefined ? undefined : stateOf(outcome.result);
        if (window !== undefined && state !== undefined) {
          window = { ...window, state };
          options.onState?.(state);
        }
        await options.onDone(part.entries);
        beat.note('OK');
        continue;
      }
      const failed = part.failed + 1;
      // A partial failure that got further is progress: what comes before it is done with.
      const from = outcome.failedAt === undefined ? 0 : Math.max(0, part.entries.indexOf(outcome.failedAt));
      if (from > 0) await options.onDone(part.entries.slice(0, from));
      const left = part.entries.slice(from);
      if (!aged && mapping.bisect === true && left.length > 1 && from === 0) {
        const half = Math.ceil(left.length / 2);
        // "Bisecting does not count towards the retry quota."
        parts.unshift({ entries: left.slice(0, half), failed: part.failed }, { entries: left.slice(half), failed: part.failed });
        continue;
      }
      if (aged || exhausted(mapping, failed)) {
        if (left.length > 0)
          await this.#discard(
            left,
            aged ? 'RecordAgeExceeded' : 'RetryAttemptsExhausted',
            part.failed + (aged ? 0 : 1),
            outcome.result,
          );
        await options.onDone(left);
        continue;
      }
      beat.note('PROBLEM: Function call failed');
      putMetrics(ctx, target, [
        { name: 'IteratorAge', value: ctx.clock.now() - (left[0]?.at ?? ctx.clock.now()), unit: 'Milliseconds' },
      ]);
      parts.unshift({ entries: left, failed });
      await this.#rest(failed);
    }
    return 'done';
  }

  /** Waits by the cloud's clock before the next attempt, longer each time. */
  async #rest(failed: number): Promise<void> {
    const { ctx, stopped } = this.#lane;
    const due = ctx.clock.now() + Math.min(retryMillisMax, retryMillisMin * 2 ** Math.min(failed, 10));
    await new Promise<void>((resolve) => {
      const done = (): void => {
        cancel();
        stopped.removeEventListener('abort', done);
        resolve();
      };
      const cancel = ctx.clock.at(due, done);
      stopped.addEventListener('abort', done);
    });
  }

  #event(entries: readonly Entry[], window: Window | undefined): Buffer {
    const Records = entries.map(({ record }) => record);
    if (window === undefined) return Buffer.from(JSON.stringify({ Records }));
    const time = (at: Millis): string => new Date(at).toISOString().replace('.000', '');
    const about = {
      window: { start: time(window.start), end: time(window.end) },
      state: JSON.parse(window.state) as unknown,
      shardId: this.#shard,
      eventSourceARN: this.#lane.mapping.sourceArn,
      isFinalInvokeForWindow: window.final === true,
      isWindowTerminatedEarly: window.early === true,
    };
    return Buffer.from(JSON.stringify({ Records, ...about }));
  }

  async #attempt(entries: readonly Entry[], window: Window | undefined): Promise<Attempt> {
    const { ctx, mapping } = this.#lane;
    const [first] = entries;
    let { target } = this.#lane;
    let result: CallResult;
    try {
      // As it is now: new code is the usual cure for what fails.
      target = await targetOf(ctx, mapping);
      result = await call(ctx, target, { payload: this.#event(entries, window), requestId: ctx.uuid() });
    } catch (error) {
      if (!(error instanceof AwsError)) throw error;
      ctx.trace(`Shard ${this.#shard}: ${error.message}`);
      return { failed: true, failedAt: first };
    }
    const age = entries.length === 0 ? 0 : ctx.clock.now() - (entries.at(-1)?.at ?? 0);
    putMetrics(ctx, target, [{ name: 'IteratorAge', value: Math.max(0, age), unit: 'Milliseconds' }]);
    if (result.functionError !== undefined) return { failed: true, failedAt: first, result };
    // "If the response does not contain a state property, Lambda considers this a failed invocation."
    if (window !== undefined && window.final !== true && window.early !== true && stateOf(result) === undefined)
      return { failed: true, failedAt: first, result };
    const failed = failedItems(
      mapping,
      result.payload,
      entries.map(({ sequence }) => sequence),
    );
    if (failed === 'all') return { failed: true, failedAt: first, result };
    // "Lambda uses the lowest sequence number as the checkpoint."
    const failedAt = entries.find(({ sequence }) => failed.has(sequence));
    return { failed: failedAt !== undefined, failedAt, result };
  }

  /** Tells the failure destination which records were given up: their place, not their content. */
  async #discard(entries: readonly Entry[], condition: string, attempts: number, result: CallResult | undefined): Promise<void> {
    const { ctx, mapping, target } = this.#lane;
    if (mapping.onFailure === undefined) return;
    const [first, last] = [entries[0] as Entry, entries.at(-1) as Entry];
    const arn = functionArn(target.ref);
    const requestId = ctx.uuid();
    const member = sourceKind(mapping.sourceArn) === 'kinesis' ? 'KinesisBatchInfo' : 'DDBStreamBatchInfo';
    const time = (at: Millis): string => new Date(at).toISOString();
    const { number } = target.version;
    const body = JSON.stringify({
      requestContext: { requestId, functionArn: arn, condition, approximateInvokeCount: attempts },
      ...(result === undefined
        ? {}
        : { responseContext: { statusCode: 200, executedVersion: versionName(number), functionError: result.functionError } }),
      version: '1.0',
      timestamp: time(ctx.clock.now()),
      [member]: {
        shardId: this.#shard,
        startSequenceNumber: first.sequence,
        endSequenceNumber: last.sequence,
        approximateArrivalOfFirstRecord: time(first.at),
        approximateArrivalOfLastRecord: time(last.at),
        batchSize: entries.length,
        streamArn: mapping.sourceArn,
      },
    });
    const source = `${mapping.uuid}/${this.#shard}`;
    const record = { functionArn: arn, success: false, body, requestId, source };
    await sendTo(ctx, target.version.role, target.ref.name, mapping.onFailure, record).catch((error: unknown) => {
      if (!(error instanceof AwsError)) throw error;
      putMetrics(ctx, target, [{ name: 'DestinationDeliveryFailures', value: 1, unit: 'Count' }]);
    });
  }
}

/** The state that an answer carries, as JSON; undefined when it carries none. */
function stateOf(result: CallResult | undefined): string | undefined {
  try {
    const { state } = JSON.parse(Buffer.from(result?.payload ?? '').toString('utf8')) as { state?: unknown };
    return typeof state === 'object' && state !== null ? JSON.stringify(state) : undefined;
  } catch {
    return undefined;
  }
}

function exhausted({ retries = -1 }: MappingRow, failed: number): boolean {
  return retries >= 0 && failed > retries;
}

function tooOld(ctx: Context, { ageSeconds = -1 }: MappingRow, entries: readonly Entry[]): boolean {
  const [oldest] = entries;
  return oldest !== undefined && ageSeconds >= 0 && ctx.clock.now() - oldest.at > ageSeconds * 1000;
}
