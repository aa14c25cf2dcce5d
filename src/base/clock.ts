/**
 * Time. Everything in Pilvi reads time from a `Clock`; `Date.now`, `new Date()` and timers are lint errors elsewhere (design, "Honest time").
 *
 * Two kinds of time exist. Cloud time is what users see and can move: it is `real × speed + offset`, or stands still when frozen.
 * Real time is for host input and output (socket timeouts, signature skew, retry pauses). Rejected: patching the globals, because it
 * moves the host's own waits too.
 */

/** Milliseconds since the epoch. */
export type Millis = number;

export interface ClockState {
  /** Cloud milliseconds per real millisecond; 0 when frozen. */
  speed: number;
  /** Cloud time at `realAnchor`. */
  cloudAnchor: Millis;
  realAnchor: Millis;
}

export interface Clock {
  /** Cloud time now. */
  now(): Millis;
  /** Real time now. */
  realNow(): Millis;
  /** How cloud time follows from real time, for processes that cannot ask. */
  readonly state: ClockState;
  /** Calls back whenever `state` changes; returns how to forget it. */
  onMove(listener: () => void): () => void;
  /** Calls back once cloud time has reached `due`, however it gets there; returns a cancel function. Precision of a timer. */
  at(due: Millis, callback: () => void): () => void;
  /** Resolves after `real` milliseconds of real time, or as soon as `signal` aborts. For host input and output, and retries. */
  pause(real: Millis, signal?: AbortSignal): Promise<void>;
}

interface Waiter {
  due: Millis;
  callback: () => void;
}

/** Where cloud time ends: the last moment that a four-digit year, and so every wire format, can carry. */
const timeMax = Date.UTC(9999, 11, 31, 23, 59, 59);
/** Fastest clock: a day in less than a tenth of a second. */
const speedMax = 1_000_000;
/** `setTimeout` overflows above this many milliseconds. */
const timerMax = 2 ** 31 - 1;

/** The cloud's clock. Starts at real time and real speed; `advance`, `setSpeed` and `freeze` move it. Never goes backwards. */
export class CloudClock implements Clock {
  #state: ClockState;
  #waiters = new Set<Waiter>();
  #listeners = new Set<() => void>();
  #timer: NodeJS.Timeout | undefined;
  readonly #real: () => Millis;

  constructor(saved?: ClockState, real: () => Millis = Date.now) {
    this.#real = real;
    this.#state = saved ?? { speed: 1, cloudAnchor: real(), realAnchor: real() };
  }

  now(): Millis {
    const { speed, cloudAnchor, realAnchor } = this.#state;
    return Math.min(timeMax, Math.floor(cloudAnchor + Math.max(0, this.#real() - realAnchor) * speed));
  }

  realNow(): Millis {
    return this.#real();
  }

  /** What to persist so that a restart continues from the same cloud time. */
  get state(): ClockState {
    return this.#state;
  }

  /** Moves cloud time forward. Throws RangeError for a negative amount, because time never goes back, and for one beyond the year 9999. */
  advance(by: Millis): void {
    if (!(by >= 0)) throw new RangeError('The clock only moves forward.');
    if (this.now() + by > timeMax) throw new RangeError('The clock ends with the year 9999.');
    this.#rebase(this.#state.speed, by);
  }

  /** Sets cloud milliseconds per real millisecond; 0 freezes. Throws RangeError for a negative speed, or one above a million. */
  setSpeed(speed: number): void {
    if (!(speed >= 0)) throw new RangeError('Speed must be zero or positive.');
    if (speed > speedMax) throw new RangeError(`Speed must be at most ${speedMax}.`);
    this.#rebase(speed, 0);
  }

  onMove(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
    };
  }

  at(due: Millis, callback: () => void): () => void {
    const waiter = { due, callback };
    this.#waiters.add(waiter);
    this.#arm();
    return () => {
      this.#waiters.delete(waiter);
    };
  }

  pause(real: Millis, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      if (signal?.aborted) return resolve();
      const done = () => {
        clearTimeout(timer);
        signal?.removeEventListener('abort', done);
        resolve();
      };
      const timer = setTimeout(done, Math.min(real, timerMax));
      signal?.addEventListener('abort', done, { once: true });
    });
  }

  #rebase(speed: number, by: Millis): void {
    this.#state = { speed, cloudAnchor: this.now() + by, realAnchor: this.#real() };
    for (const listener of this.#listeners) listener();
    this.#fire();
  }

  #fire(): void {
    const now = this.now();
    const ready = [...this.#waiters].filter((waiter) => waiter.due <= now).sort((a, b) => a.due - b.due);
    for (const waiter of ready) {
      this.#waiters.delete(waiter);
      waiter.callback();
    }
    this.#arm();
  }

  #arm(): void {
    clearTimeout(this.#timer);
    if (this.#waiters.size === 0 || this.#state.speed === 0) return;
    let next = Number.POSITIVE_INFINITY;
    for (const { due } of this.#waiters) next = Math.min(next, due);
    const real = Math.ceil((next - this.now()) / this.#state.speed);
    this.#timer = setTimeout(() => this.#fire(), Math.min(Math.max(real, 0), timerMax));
    this.#timer.unref();
  }
}
