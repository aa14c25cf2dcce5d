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
  /** Where time is being moved to; the present when nobody moves it. What would fill a long past by itself need not begin before. */
  readonly heading: Millis;
  /**
   * Calls back once cloud time has reached `due`, however it gets there; returns a cancel function. Precision of a timer. Time that is being moved stops
   * there, so that what follows counts from it, unless `passing` says that it need not: nothing but the wait ends then.
   */
  at(due: Millis, callback: () => void, passing?: 'passing'): () => void;
  /** Resolves after `real` milliseconds of real time, or as soon as `signal` aborts. For host input and output, and retries. */
  pause(real: Millis, signal?: AbortSignal): Promise<void>;
  /** Resolves when all that could go on without waiting has gone on. */
  turn(): Promise<void>;
}

interface Waiter {
  due: Millis;
  passing: boolean;
  callback: () => void;
}

/** Where cloud time ends: the last moment that a four-digit year, and so every wire format, can carry. */
const timeMax = Date.UTC(9999, 11, 31, 23, 59, 59);
/** Fastest clock: a day in less than a tenth of a second. */
const speedMax = 1_000_000;
/** `setTimeout` overflows above this many milliseconds. */
const timerMax = 2 ** 31 - 1;

/**
 * The cloud's clock. Starts at real time and real speed; `advance`, `setSpeed` and `freeze` move it. Never goes backwards. It jumps; who wants what is due on
 * the way to happen in its own time holds it, takes it from stop to stop and releases it (kernel/clock-mover.ts).
 */
export class CloudClock implements Clock {
  #state: ClockState;
  /** While it is held: where it is being moved to, and how it goes on after. */
  #held: { goal: Millis; after: ClockState } | undefined;
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

  get state(): ClockState {
    return this.#state;
  }

  /** What to persist so that a restart continues from the same cloud time: of a held clock, from there at the speed from before. */
  get lasting(): ClockState {
    return this.#held === undefined ? this.#state : { ...this.#state, speed: this.#held.after.speed };
  }

  get heading(): Millis {
    return Math.max(this.now(), this.#held?.goal ?? 0);
  }

  /** Time stands still until `release`, but for `stepTo`. Throws RangeError as `advance` does. Resolves nothing by itself. */
  hold(by: Millis): void {
    this.#checkAmount(by);
    const { speed } = this.lasting;
    this.#rebase(0, 0);
    const { cloudAnchor, realAnchor } = this.#state;
    const goal = cloudAnchor + by;
    this.#held = { goal, after: { speed, cloudAnchor: goal, realAnchor } };
  }

  /** Takes a held clock on to a time; never back. */
  stepTo(at: Millis): void {
    this.#rebase(0, Math.max(0, at - this.now()));
  }

  /** How a held clock goes on: the real time for which it was held has passed for it too, so that an advance adds its amount and no less. */
  get after(): ClockState {
    return this.#held?.after ?? this.#state;
  }

  /** A held clock goes on; from where it stands when that is not yet its goal. */
  release(): void {
    const held = this.#held;
    if (held === undefined) return;
    this.#held = undefined;
    if (this.now() < held.goal) this.#rebase(held.after.speed, 0);
    else this.#set(held.after);
  }

  /** The earliest time at which somebody waits to go on; Infinity when nobody does. */
  nextStop(): Millis {
    let next = Number.POSITIVE_INFINITY;
    for (const { due, passing } of this.#waiters) if (!passing) next = Math.min(next, due);
    return next;
  }

  /** Moves cloud time forward. Throws RangeError for a negative amount, because time never goes back, and for one beyond the year 9999. */
  advance(by: Millis): void {
    this.#checkAmount(by);
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

  at(due: Millis, callback: () => void, passing?: 'passing'): () => void {
    const waiter = { due, callback, passing: passing !== undefined };
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

  turn(): Promise<void> {
    return new Promise((resolve) => setImmediate(resolve));
  }

  #checkAmount(by: Millis): void {
    if (!(by >= 0)) throw new RangeError('The clock only moves forward.');
    if (this.now() + by > timeMax) throw new RangeError('The clock ends with the year 9999.');
  }

  #rebase(speed: number, by: Millis): void {
    this.#set({ speed, cloudAnchor: this.now() + by, realAnchor: this.#real() });
  }

  #set(state: ClockState): void {
    this.#state = state;
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
