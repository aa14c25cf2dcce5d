/** What the console needs of the services that know identities; boot joins the two, because the console knows no service by its code. */
import type { Millis } from '../base/clock.ts';
import type { Identity } from '../kernel/caller.ts';

interface Known {
  identity: Identity;
  /** MFA devices that a code must come from; none when there are none. */
  devices: readonly { readonly serial: string }[];
}

export interface Door {
  /** What the password of an IAM user leads to; `wrong` covers users that are not there. */
  checkUser(
    account: string,
    userName: string,
    password: string,
  ): Promise<{ state: 'wrong' } | ({ state: 'valid' | 'change' | 'expired' } & Known)>;
  /** The same for a root user, and from when on it must have an MFA device. */
  checkRoot(email: string, password: string): Promise<{ state: 'wrong' } | ({ state: 'valid'; mfaDemandedAt: Millis } & Known)>;
  /** Takes a code of one of the identity's devices: true once for a right one. */
  takeCode(identity: Identity, serial: string, code: string): Promise<boolean>;
  /** Credentials that the console acts by; they end after the given seconds of the cloud's clock. */
  openSession(identity: Identity, seconds: number, mfa: boolean): Promise<{ accessKeyId: string; expires: Millis }>;
}
