/**
 * Records of a stream to a function: a reader for each shard, so that one that is held up holds up no other; a shard's children begin when it is done
 * ("How Lambda processes records from stream and queue-based event sources").
 */
import type { Context } from '../../../kernel/context.ts';
import { AwsError } from '../../../kernel/errors.ts';
import { Positions } from '../state.ts';
import type { Beat } from './pollers.ts';
import { targetOf } from './queue-poller.ts';
import { ShardReader } from './shard-reader.ts';
import { sourceOf } from './stream-sources.ts';

/** Real milliseconds between two looks at what shards there are, and after a refusal. */
const lookMillis = 500;
const refusalMillis = 1000;

interface Reading {
  stop: AbortController;
  work: Promise<void>;
}

/** Reads and hands on until it is told to stop. */
export async function pollStream(ctx: Context, uuid: string, beat: Beat): Promise<void> {
  const readings = new Map<string, Reading>();
  let settings: number | undefined;
  let current = new AbortController();
  const stopAll = async (): Promise<void> => {
    for (const { stop } of readings.values()) stop.abort();
    await Promise.allSettled([...readings.values()].map(({ work }) => work));
    readings.clear();
  };
  const onStop = (): void => {
    for (const { stop } of readings.values()) stop.abort();
  };
  beat.stopped.addEventListener('abort', onStop);
  try {
    for (;;) {
      // A shard that has been read to its end lets its children begin at once.
      current = new AbortController();
      const mapping = await beat.mapping();
      if (mapping === undefined) return;
      // With other settings all begins again where it stands.
      if (mapping.modified !== settings) await stopAll();
      settings = mapping.modified;
      try {
        const target = await targetOf(ctx, mapping);
        const source = await sourceOf(ctx, mapping, target);
        const shards = await source.shards();
        const positions = new Map((await ctx.table(Positions).list({ prefix: [uuid] })).map((row) => [row.shard, row]));
        const done = (shard: string): boolean => positions.get(shard)?.ended === true;
        for (const { id, parents } of shards) {
          if (readings.has(id) || done(id)) continue;
          // A shard's children are read after it, so that keys keep their order.
          if (parents.some((parent) => shards.some((shard) => shard.id === parent) && !done(parent))) continue;
          const stop = new AbortController();
          // Shards that were there when the mapping began are read from where it begins, later ones whole.
          const since = positions.size === 0 ? ctx.clock.now() : 0;
          const position = positions.get(id) ?? { mapping: uuid, shard: id, ended: false, since };
          const reader = new ShardReader({ ctx, mapping, target, source, beat, stopped: stop.signal }, position);
          const work = reader.run().finally(() => readings.delete(id));
          const onRead = (): void => current.abort();
          work.then(onRead, (error: unknown) => {
            beat.note(`PROBLEM: ${(error as Error).message}`);
            if (!(error instanceof AwsError)) ctx.trace(`The reader of ${id} broke by a bug of Pilvi: ${String(error)}`);
          });
          readings.set(id, { stop, work });
        }
      } catch (error) {
        if (!(error instanceof AwsError)) throw error;
        beat.note(`PROBLEM: ${error.message}`);
        await ctx.clock.pause(refusalMillis, beat.stopped);
      }
      await ctx.rest(lookMillis, AbortSignal.any([beat.stopped, current.signal]));
    }
  } finally {
    beat.stopped.removeEventListener('abort', onStop);
    await stopAll();
  }
}
