/**
 * Moves the cloud's clock on the user's word. An advance does not jump: it stops wherever something is due, has that happen with the clock standing there,
 * waits until all that follows has settled, and goes on. So a wait that begins when another ends counts from that end, a retry backs off from the failure,
 * and every firing of a cron rule sees its own time, all within one advance.
 *
 * **Bounds.** What is due within a very short time has one stop. After `exactStops` stops the rest of the way is divided among the stops that remain, so a
 * day with ten thousand due jobs takes no longer than its jobs; jobs still get the time at which they were due. Watches (health checks, samples, evaluations of
 * alarms), which go on for ever and catch up by themselves, have `watchStops` stops in an advance, whatever its length: each check of a minute in an hour, every
 * 24 minutes of a day. What is under way at a stop (a function, a slow endpoint) is waited for so long in real time and no longer. The answer says when a bound was met.
 *
 * **A crash.** Each stop is written before the clock stands there, so nothing ever happens at a time that a restart would come to again. What was due by then
 * lies in its row; the way that was left is not gone by itself: the user, whose call has failed, asks again.
 *
 * Rejected: a stop for each look of everything that watches (a year of health checks is a million probes); stopping by a budget of real time (the
 * same test would come out otherwise on a busy machine).
 */
import type { CloudClock, ClockState, Millis } from '../base/clock.ts';
import type { Store, Value } from '../store/store.ts';
import type { Activity } from './activity.ts';
import type { Reconcilers } from './reconcile.ts';
import type { Recorder } from './recorder.ts';
import type { Scheduler } from './scheduler.ts';

const clockKey = ['k', 'clock'] as const;

/** Stops of which each is exactly where something is due, and stops in all. */
const exactStops = 1000;
const stopsMax = 2000;
/** Stops at which watches look. */
const watchStops = 60;
/** Stops at which those that look now and then (readers of streams) are asked to, and how often at one while something comes of it. */
const lookedStops = 200;
const looksMax = 10;
/** What is due within this time of a stop may wait for the next: a millionth of the way, at most so much. */
const smallGrainMax: Millis = 100;
const smallGrainShare = 1_000_000;
/** Real milliseconds that one stop waits for what does not settle, and all stops of an advance together. */
const stopPatience: Millis = 3000;
const patienceMax: Millis = 15_000;

/** How an advance went. */
export interface Advanced {
  /** Times at which the clock stood still on its way, the last included. */
  stops: number;
  /** Cloud milliseconds within which what was due had one stop, where more was due than stops were left; 0 when each had its own. */
  grainMillis: Millis;
  /** Stops that were left before all that had begun there was done. */
  unsettled: number;
}

export interface ClockMoverOptions {
  store: Store;
  clock: CloudClock;
  scheduler: Scheduler;
  reconcilers: Reconcilers;
  activity: Activity;
  recorder: Recorder;
}

/** The clock of a store as it was left; undefined in a new one. */
export async function readClock(store: Store): Promise<ClockState | undefined> {
  return (await store.get(clockKey)) as ClockState | undefined;
}

async function writeClock(store: Store, state: ClockState): Promise<void> {
  await store.transact((tx) => tx.put(clockKey, state as unknown as Value));
}

/** One advance on its way. */
interface Way {
  start: Millis;
  goal: Millis;
  stops: number;
  lastWatch: Millis;
  grain: Millis;
  unsettled: number;
  patienceLeft: Millis;
}

export class ClockMover {
  readonly #options: ClockMoverOptions;
  /** Ends when all that was asked for so far has been done: one move at a time. */
  #tail: Promise<unknown> = Promise.resolve();

  constructor(options: ClockMoverOptions) {
    this.#options = options;
  }

  /** Writes the clock down as it is. */
  save(): Promise<void> {
    return writeClock(this.#options.store, this.#options.clock.lasting);
  }

  /** Sets the speed; resolves when it is written and what was due has happened. Throws RangeError for what no clock can do. */
  setSpeed(speed: number): Promise<void> {
    return this.#inTurn(async () => {
      this.#options.clock.setSpeed(speed);
      await this.save();
      await this.#rest();
    });
  }

  /** Moves time forward; resolves when it is there and what became due on the way has happened. Throws RangeError for what no clock can do. */
  advance(by: Millis): Promise<Advanced> {
    return this.#inTurn(() => this.#advance(by));
  }

  #inTurn<T>(move: () => Promise<T>): Promise<T> {
    const turn = this.#tail.then(move);
    this.#tail = turn.catch(() => undefined);
    return turn;
  }

  async #advance(by: Millis): Promise<Advanced> {
    const { clock, scheduler } = this.#options;
    clock.hold(by);
    const start = clock.now();
    const goal = clock.heading;
    const way: Way = {
      ...{ start, goal, stops: 0, lastWatch: Number.NEGATIVE_INFINITY },
      ...{ grain: 0, unsettled: 0, patienceLeft: patienceMax },
    };
    try {
      // What has just begun belongs to the present.
      scheduler.holdWatches(true);
      await this.#settle(way);
      while (clock.now() < goal) {
        const { at, watches } = await this.#nextStop(way);
        way.stops += 1;
        if (watches) way.lastWatch = at;
        await writeClock(this.#options.store, { ...clock.lasting, cloudAnchor: at, realAnchor: clock.realNow() });
        scheduler.holdWatches(!watches);
        clock.stepTo(at);
        await this.#settle(way);
      }
      await writeClock(this.#options.store, clock.after);
    } finally {
      scheduler.holdWatches(false);
      clock.release();
    }
    await this.#rest();
    return { stops: way.stops, grainMillis: way.grain, unsettled: way.unsettled };
  }

  /** Where to stop next, and whether watches look there; the goal when nothing is due before it. */
  async #nextStop(way: Way): Promise<{ at: Millis; watches: boolean }> {
    const { clock, scheduler } = this.#options;
    const { goal, start, stops } = way;
    const now = clock.now();
    const upcoming = await scheduler.upcoming(goal);
    const due = Math.min(upcoming.job, clock.nextStop());
    const left = goal - now;
    const coarse = stops >= exactStops ? Math.ceil(left / Math.max(1, stopsMax - stops)) : 0;
    const grain = Math.max(1, Math.min(smallGrainMax, (goal - start) / smallGrainShare), coarse);
    const job = Math.max(due, stops === 0 ? now : now + grain);
    const watch = Math.max(upcoming.watch, way.lastWatch + (goal - start) / watchStops, now);
    const at = Math.ceil(Math.min(job, watch));
    if (at >= goal) return { at: goal, watches: true };
    if (coarse > 0 && job > due && job <= watch) way.grain = Math.max(way.grain, coarse);
    return { at, watches: watch <= at };
  }

  /** Resolves when all that this stop has begun is done, or was waited for long enough. */
  async #settle(way: Way): Promise<void> {
    const { clock, activity } = this.#options;
    const began = clock.realNow();
    const patience = Math.min(stopPatience, way.patienceLeft);
    let looks = way.stops <= lookedStops ? looksMax : 0;
    let looked = false;
    while (clock.realNow() - began < patience || patience === 0) {
      if (patience > 0) await this.#within(patience - (clock.realNow() - began));
      // What wakes somebody who waits, or is handed from one to the next, is under way again only a moment later.
      await clock.turn();
      await clock.turn();
      if (!this.#busy) {
        // Nothing has come of a look, or there is nobody to look.
        if (looked || looks === 0 || !activity.look()) return;
        looks -= 1;
        looked = true;
        await clock.turn();
      } else {
        looked = false;
        if (patience === 0) break;
      }
    }
    way.patienceLeft = Math.max(0, way.patienceLeft - (clock.realNow() - began));
    way.unsettled += 1;
    activity.forgive();
  }

  get #busy(): boolean {
    const { scheduler, reconcilers, activity } = this.#options;
    return scheduler.busy || reconcilers.busy || activity.busy;
  }

  /** Waits until nothing is at work, at most so many real milliseconds. */
  async #within(millis: Millis): Promise<void> {
    const { clock, scheduler, reconcilers, activity, recorder } = this.#options;
    const over = new AbortController();
    const still = async (): Promise<void> => {
      await scheduler.idle();
      await reconcilers.idle();
      await activity.idle();
      await recorder.flush();
    };
    await Promise.race([still().finally(() => over.abort()), clock.pause(Math.max(1, millis), over.signal)]);
    over.abort();
  }

  /** What became due has happened when this resolves, so that a test needs no waiting after a move. */
  async #rest(): Promise<void> {
    await this.#options.scheduler.idle();
    await this.#options.reconcilers.idle();
  }
}
