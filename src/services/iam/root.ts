/**
 * The root user's way into the console. An account of this cloud is there as soon as somebody names its twelve digits, so nobody has chosen a
 * root e-mail address and password: both follow from the account id, as the root user's access keys do. MFA is the root user's own choice at
 * first, and demanded 35 days after the account began ("Multi-factor authentication for the AWS account root user").
 */
import type { Millis } from '../../base/clock.ts';
import { type Identity, rootIdentity } from '../../kernel/caller.ts';
import type { Context } from '../../kernel/context.ts';
import { setUpAccount } from './account.ts';
import { devicesOf } from './mfa.ts';
import { AccountSettings, type MfaDeviceRow } from './state.ts';

/** The secret of the root user's access keys too (design, section 4). */
const rootPassword = 'test';
const emailForm = /^root@(\d{12})\.localhost$/i;
/** How long a root user may put off registering a device. */
const mfaGrace: Millis = 35 * 86_400_000;

export type RootAnswer =
  | { state: 'wrong' }
  | { state: 'valid'; identity: Identity; devices: readonly MfaDeviceRow[]; mfaDemandedAt: Millis };

/** What e-mail address (`root@ACCOUNT.localhost`) and password lead to. `system` is a context of IAM's own, in any account. */
export async function checkRootPassword(system: Context, email: string, password: string): Promise<RootAnswer> {
  const account = emailForm.exec(email)?.[1];
  if (account === undefined || password !== rootPassword) return { state: 'wrong' };
  const ctx = system.inScope({ account });
  // Signing in may be the first that is heard of the account.
  await setUpAccount(ctx);
  const settings = await ctx.table(AccountSettings).get('settings');
  return {
    state: 'valid',
    identity: rootIdentity(account),
    devices: await devicesOf(ctx, account),
    mfaDemandedAt: (settings?.created ?? ctx.now) + mfaGrace,
  };
}
