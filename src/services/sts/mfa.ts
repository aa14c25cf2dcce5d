/** Codes of MFA devices that come with a request. */
import type { Context } from '../../kernel/context.ts';
import type { IamApi } from '../iam/api.ts';
import { accessDenied } from './errors.ts';

export interface MfaInput {
  SerialNumber?: string | undefined;
  TokenCode?: string | undefined;
}

/**
 * Whether the request carries a right code of one of the caller's devices; false when it carries none at all. Takes the code: it works once. Throws
 * AccessDenied for a wrong code, a device that is not the caller's, or one member without the other.
 */
export async function takeMfa(ctx: Context, { SerialNumber: serial, TokenCode: code }: MfaInput): Promise<boolean> {
  if (serial === undefined && code === undefined) return false;
  if (serial === undefined || code === undefined) {
    throw accessDenied('MultiFactorAuthentication failed, must provide both MFA serial number and one time pass code.');
  }
  const iam = await ctx.internal<IamApi>('iam');
  const { account, userId } = ctx.caller;
  if (!(await iam.hasMfaDevice(account, userId, serial))) {
    throw accessDenied(
      'MultiFactorAuthentication failed, unable to validate MFA code.  Please verify your MFA serial number is valid and associated with this user.',
    );
  }
  if (!(await iam.takeMfaCode(account, userId, serial, code)))
    throw accessDenied('MultiFactorAuthentication failed with invalid MFA one time pass code. ');
  return true;
}
