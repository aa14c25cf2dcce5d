/** The errors of Cognito user pools, in AWS's wording (API Reference, "Errors" of each operation, and what the service answers). */
import { AwsError } from '../../kernel/errors.ts';

export function invalidParameter(message: string): AwsError {
  return new AwsError('InvalidParameterException', message);
}

export function notAuthorized(message: string): AwsError {
  return new AwsError('NotAuthorizedException', message);
}

export function noSuchPool(id: string): AwsError {
  return new AwsError('ResourceNotFoundException', `User pool ${id} does not exist.`);
}

export function noSuchClient(id: string): AwsError {
  return new AwsError('ResourceNotFoundException', `User pool client ${id} does not exist.`);
}

export function noSuchUser(message = 'User does not exist.'): AwsError {
  return new AwsError('UserNotFoundException', message);
}

export function noSuchGroup(): AwsError {
  return new AwsError('ResourceNotFoundException', 'Group not found.');
}

export function wrongPassword(): AwsError {
  return notAuthorized('Incorrect username or password.');
}

export function invalidPassword(reason: string): AwsError {
  return new AwsError('InvalidPasswordException', `Password did not conform with policy: ${reason}`);
}

export function usernameExists(message: string): AwsError {
  return new AwsError('UsernameExistsException', message);
}

/** `attribute` is `email` or `phone_number`. */
export function aliasExists(attribute: string): AwsError {
  return new AwsError('AliasExistsException', `An account with the given ${attribute} already exists.`);
}

export function codeMismatch(): AwsError {
  return new AwsError('CodeMismatchException', 'Invalid verification code provided, please try again.');
}

export function codeExpired(): AwsError {
  return new AwsError('ExpiredCodeException', 'Invalid code provided, please request a code again.');
}

export function notConfirmed(): AwsError {
  return new AwsError('UserNotConfirmedException', 'User is not confirmed.');
}

export function resetRequired(): AwsError {
  return new AwsError('PasswordResetRequiredException', 'Password reset required for the user');
}
