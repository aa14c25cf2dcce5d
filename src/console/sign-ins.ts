/**
 * Who is signed in, by the random value of a cookie. Kept in memory only, as a cache: a restart signs everyone out. The rights of a signed-in
 * user hang on temporary credentials of STS, so a user who is deleted, or whose cloud is reset, is out at once.
 */
import type { Millis } from '../base/clock.ts';
import type { Identity } from '../kernel/caller.ts';

/** Sign-ins kept; the oldest goes first. */
const signInsMax = 10_000;
/** Names whose failures are remembered; the oldest goes first. */
const failuresMax = 10_000;
/** Failures after which answers slow down. */
const freeFailures = 5;
/** Longest wait in real milliseconds. */
const waitMax: Millis = 60_000;

/** A password was right; a code of one of these devices is still to come. */
export interface HalfSignIn {
  step: 'code';
  identity: Identity;
  serials: readonly string[];
  mustChange: boolean;
  mfaDemandedAt?: Millis | undefined;
  expires: Millis;
}

/** Signed in; with `mustChange` nothing but setting a new password is allowed. */
export interface SignIn {
  step: 'in';
  identity: Identity;
  accessKeyId: string;
  mustChange: boolean;
  /** A root user without MFA device is asked to register one first; from then on it can no longer be put off. */
  mfaDemandedAt?: Millis | undefined;
  /** The device that is being registered; its seed is shown until the codes are right. */
  registering?: { serial: string; seed: string; picture: Uint8Array } | undefined;
  expires: Millis;
}

interface Failures {
  count: number;
  /** Real time before which no further try is looked at. */
  until: Millis;
}

/** Removes the oldest entries of a map until there is room for one more. */
function makeRoom(map: Map<string, unknown>, max: number): void {
  for (const key of map.keys()) {
    if (map.size < max) return;
    map.delete(key);
  }
}

export class SignIns {
  readonly #signInsCache = new Map<string, HalfSignIn | SignIn>();
  readonly #failuresCache = new Map<string, Failures>();

  /** The sign-in behind a cookie at a time of the cloud, or undefined when there is none any more. */
  find(cookie: string, now: Millis): HalfSignIn | SignIn | undefined {
    const found = this.#signInsCache.get(cookie);
    if (found !== undefined && found.expires > now) return found;
    this.#signInsCache.delete(cookie);
    return undefined;
  }

  keep(cookie: string, signIn: HalfSignIn | SignIn): void {
    makeRoom(this.#signInsCache, signInsMax);
    this.#signInsCache.set(cookie, signIn);
  }

  forget(cookie: string): void {
    this.#signInsCache.delete(cookie);
  }

  /**
   * Counts a try before it is looked at, so that tries sent at once count too. False when the name must wait: after five failures a second, then
   * twice as long each time, at most a minute.
   */
  mayTry(name: string, realNow: Millis): boolean {
    const count = this.#failuresCache.get(name)?.count ?? 0;
    if ((this.#failuresCache.get(name)?.until ?? 0) > realNow) return false;
    const wait = count + 1 < freeFailures ? 0 : Math.min(1000 * 2 ** (count + 1 - freeFailures), waitMax);
    this.#failuresCache.delete(name);
    makeRoom(this.#failuresCache, failuresMax);
    this.#failuresCache.set(name, { count: count + 1, until: realNow + wait });
    return true;
  }

  /** A try was right: the name starts afresh. */
  succeeded(name: string): void {
    this.#failuresCache.delete(name);
  }
}
