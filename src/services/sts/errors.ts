/** STS's wire errors, in AWS's wording (STS API Reference, and what the service answers). */
import { AwsError } from '../../kernel/errors.ts';

/** A member breaks a rule of the request. */
export function validationError(message: string): AwsError {
  return new AwsError('ValidationError', message);
}

/** Refused by the operation itself, or by a role's trust policy. */
export function accessDenied(message: string): AwsError {
  return new AwsError('AccessDenied', message, { status: 403 });
}

/** The caller may not assume the role; the same whether the role exists or not. */
export function notAuthorized(arn: string, action: string, resource: string): AwsError {
  return accessDenied(`User: ${arn} is not authorized to perform: ${action} on resource: ${resource}`);
}

/** Web identity and SAML callers have no name yet. */
export function notAuthorizedToPerform(action: string): AwsError {
  return accessDenied(`Not authorized to perform ${action}`);
}

/** Operations that temporary credentials cannot call ("Compare AWS STS credentials"). */
export function notWithSession(operation: string): AwsError {
  return accessDenied(`Cannot call ${operation} with session credentials`);
}

/** Session policy that IAM's grammar refuses. */
export function malformedPolicyDocument(message: string): AwsError {
  return new AwsError('MalformedPolicyDocument', message);
}

/** Session policies and tags take more room than a session has. */
export function packedPolicyTooLarge(percent: number): AwsError {
  return new AwsError('PackedPolicyTooLarge', `Packed policy consumes ${percent}% of allotted space, please use smaller policy.`);
}

/** A message that DecodeAuthorizationMessage did not write for this account. */
export function invalidAuthorizationMessage(): AwsError {
  return new AwsError('InvalidAuthorizationMessageException', 'Message is not valid');
}

/** A token or assertion that is no such thing, is not signed by its provider, or names another audience. */
export function invalidIdentityToken(message: string): AwsError {
  return new AwsError('InvalidIdentityToken', message);
}

/** A token or assertion whose time is over. */
export function expiredToken(message: string): AwsError {
  return new AwsError('ExpiredTokenException', message);
}

/** The provider's keys could not be fetched. */
export function idpCommunication(message: string, cause?: unknown): AwsError {
  return new AwsError('IDPCommunicationError', message, cause === undefined ? {} : { cause });
}
