/**
 * Traces: what happened to a request, stage by stage, for `pilvi trace <request-id>`. A ring in memory: a trace explains a fresh surprise, it is
 * no record (CloudTrail is).
 */
import type { Millis } from '../base/clock.ts';

/** How many of the latest requests can be traced. */
const tracesKeptMax = 2000;
/** Lines per request; more are counted, not kept. */
const linesPerTraceMax = 200;

export interface TraceLine {
  /** Real milliseconds since the request began. */
  at: number;
  text: string;
}

/** The lines of one request. */
export class Trace {
  readonly requestId: string;
  readonly lines: TraceLine[] = [];
  readonly began: Millis;
  readonly #now: () => Millis;
  dropped = 0;

  constructor(requestId: string, now: () => Millis) {
    this.requestId = requestId;
    this.#now = now;
    this.began = now();
  }

  /** Adds a line with the time since the request began. */
  add(text: string): void {
    if (this.lines.length >= linesPerTraceMax) this.dropped += 1;
    else this.lines.push({ at: this.#now() - this.began, text });
  }
}

/** The latest traces, in a ring: beginning one happens with every request and must be cheap, finding one may look at all. */
export class Traces {
  readonly #ring: Trace[] = [];
  #next = 0;
  readonly #now: () => Millis;

  constructor(now: () => Millis) {
    this.#now = now;
  }

  /** Begins a trace; the oldest is dropped when there are too many. */
  begin(requestId: string): Trace {
    const trace = new Trace(requestId, this.#now);
    this.#ring[this.#next] = trace;
    this.#next = (this.#next + 1) % tracesKeptMax;
    return trace;
  }

  /** The trace of a request, unless it is too long ago. */
  find(requestId: string): Trace | undefined {
    return this.#ring.find((trace) => trace.requestId === requestId);
  }
}
