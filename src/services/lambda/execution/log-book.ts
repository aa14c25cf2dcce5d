/**
 * The log of one call: its lines with those of the platform around them, written to CloudWatch Logs under the role's rights, as AWS does it: a role that
 * may not write them leaves no log.
 */
import type { Context } from '../../../kernel/context.ts';
import type { EnvironmentFacts, LogLine, Outcome } from '../../../planes/functions/types.ts';
import type { VersionRow } from '../state.ts';
import { type Entry, writeLater } from './log-writer.ts';

/** "Returns the last 4 KB of the execution log." */
const tailBytes = 4096;
/** Lines and bytes of one call that wait for its end to be written; what a program prints beyond that is dropped. */
const waitingMax = 50_000;
const waitingBytesMax = 16 * 1024 * 1024;

export interface CallEnd {
  outcome: Outcome;
  billedMillis: number;
  line?: string | undefined;
  status?: string | undefined;
}

export class LogBook {
  readonly #ctx: Context;
  readonly #version: VersionRow;
  readonly #requestId: string;
  readonly #entries: Entry[] = [];
  #bytes = 0;
  #dropped = 0;

  constructor(ctx: Context, version: VersionRow, requestId: string) {
    this.#ctx = ctx;
    this.#version = version;
    this.#requestId = requestId;
  }

  /** Takes a line that an environment printed. */
  take({ text }: LogLine): void {
    this.#bytes += text.length;
    if (this.#entries.length < waitingMax && this.#bytes <= waitingBytesMax)
      this.#entries.push({ at: this.#ctx.clock.now(), text });
    else this.#dropped += 1;
  }

  start(environment: EnvironmentFacts, before: readonly LogLine[], version: string): void {
    if (environment.cold && this.#version.logging.format === 'Text')
      this.#entries.push({ at: this.#ctx.clock.now(), text: `INIT_START Runtime Version: ${this.#version.runtime}` });
    for (const line of before) this.take(line);
    this.#platform(`START RequestId: ${this.#requestId} Version: ${version}`, 'platform.start', { version });
  }

  /** Closes the log of the call and has it written; returns its end. */
  end({ outcome, billedMillis, line, status }: CallEnd): string {
    const { environment } = outcome;
    const entry = (text: string): void => void this.#entries.push({ at: this.#ctx.clock.now(), text });
    if (line !== undefined)
      entry(outcome.kind === 'timeout' ? `${new Date(this.#ctx.clock.now()).toISOString()} ${this.#requestId} ${line}` : line);
    if (this.#dropped > 0) entry(`[pilvi] ${this.#dropped} more lines were dropped: one call keeps 50,000 lines or 16 MB.`);
    if (this.#version.logging.format === 'Text') entry(`END RequestId: ${this.#requestId}`);
    const init = environment?.cold === true && environment.initMillis > 0 ? environment.initMillis : undefined;
    const { memory } = this.#version;
    const used = Math.max(1, outcome.memoryUsedMiB);
    const parts = [
      `REPORT RequestId: ${this.#requestId}`,
      `Duration: ${outcome.millis.toFixed(2)} ms`,
      `Billed Duration: ${billedMillis} ms`,
      `Memory Size: ${memory} MB`,
      `Max Memory Used: ${used} MB`,
      ...(init === undefined ? [] : [`Init Duration: ${init.toFixed(2)} ms`]),
      ...(status === undefined ? [] : [`Status: ${status}`]),
    ];
    this.#platform(`${parts.join('\t')}\t`, 'platform.report', {
      status: status === undefined ? 'success' : status.split('\t')[0],
      metrics: {
        durationMs: Number(outcome.millis.toFixed(3)),
        billedDurationMs: billedMillis,
        memorySizeMB: memory,
        maxMemoryUsedMB: used,
        ...(init === undefined ? {} : { initDurationMs: Number(init.toFixed(3)) }),
      },
    });
    const tail = tailOf(this.#entries);
    if (environment !== undefined) writeLater(this.#ctx, this.#version, environment.label, this.#entries);
    return tail;
  }

  #platform(text: string, type: string, record: Record<string, unknown>): void {
    const at = this.#ctx.clock.now();
    const json = { time: new Date(at).toISOString(), type, record: { requestId: this.#requestId, ...record } };
    this.#entries.push({ at, text: this.#version.logging.format === 'JSON' ? JSON.stringify(json) : text });
  }
}

function tailOf(entries: readonly Entry[]): string {
  let all = '';
  for (let index = entries.length - 1; index >= 0 && all.length < tailBytes; index--)
    all = `${(entries[index] as Entry).text.slice(-tailBytes)}\n${all}`;
  return Buffer.from(all).subarray(-tailBytes).toString('utf8');
}
