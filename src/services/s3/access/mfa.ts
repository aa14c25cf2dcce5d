/**
 * MFA delete: a bucket that has it gives up versions, and its versioning, only to the root user of its account, with a code of one of root's devices
 * in the header `x-amz-mfa: SERIAL CODE` ("Configuring MFA delete"). AWS takes that header, as keys of customers (SSE-C), by HTTPS only. Pilvi takes both
 * by HTTP too: it listens on loopback, and inside on addresses that never leave the host, and most clients reach it without TLS.
 */
import type { Context } from '../../../kernel/context.ts';
import type { IamApi } from '../../iam/api.ts';
import { accessDenied, invalidArgument, s3Error } from '../errors.ts';
import type { BucketRow } from '../state.ts';

/**
 * Whether the request brings a right code; false when it brings none. The code is taken: it works once. Throws InvalidArgument for another form,
 * AccessDenied for anybody but the bucket owner's root user, NotDeviceOwnerError and TokenCodeInvalidError ("List of error codes").
 */
export async function takeMfa(ctx: Context, bucket: BucketRow, header: string | undefined): Promise<boolean> {
  if (header === undefined) return false;
  const [, serial = '', code = ''] = /^(\S+) (\d{6})$/.exec(header) ?? [];
  if (serial === '') {
    const text = 'Mfa header is invalid -- the header should be formatted as {serialNumber}(space){tokenCode}';
    throw invalidArgument(text, 'x-amz-mfa', header);
  }
  const { account, kind } = ctx.caller;
  if (kind !== 'root' || account !== bucket.account)
    throw accessDenied('This operation may only be performed by the bucket owner');
  const iam = await ctx.internal<IamApi>('iam');
  if (!(await iam.hasMfaDevice(account, account, serial))) {
    const text = `The device with serial number ${serial} that generated token ${code} is not owned by the authenticated user`;
    throw s3Error('NotDeviceOwnerError', text, 400);
  }
  if (await iam.takeMfaCode(account, account, serial, code)) return true;
  throw s3Error('TokenCodeInvalidError', 'The serial number and/or token code you provided is not valid.', 400);
}

/** Throws AccessDenied where the bucket has MFA delete and the request brought no code. */
export function requireMfa(bucket: BucketRow, mfa: boolean): void {
  if (bucket.mfaDelete === 'Enabled' && !mfa) throw mfaMissing();
}

/** What must not be done without a code was asked for without one. */
export function mfaMissing(): Error {
  return accessDenied('Mfa Authentication must be used for this request');
}
