/** Auto Scaling's wire errors, in AWS's wording (Auto Scaling API Reference, and what the service answers). */
import { AwsError } from '../../kernel/errors.ts';

export function validationError(message: string): AwsError {
  return new AwsError('ValidationError', message);
}

export function groupNotFound(name: string | undefined): AwsError {
  return validationError(`AutoScalingGroup name not found - AutoScalingGroup: ${name} not found`);
}

export function alreadyExists(message: string): AwsError {
  return new AwsError('AlreadyExists', message);
}

export function resourceInUse(message: string): AwsError {
  return new AwsError('ResourceInUse', message);
}

export function activityInProgress(message: string): AwsError {
  return new AwsError('ScalingActivityInProgress', message);
}

export function invalidToken(token: string): AwsError {
  return new AwsError('InvalidNextToken', `The token '${token}' is invalid.`);
}

export function instanceNotFound(id: string | undefined): AwsError {
  return validationError(`Instance Id not found - No managed instance found for instance ID: ${id}`);
}

export function limitExceeded(message: string): AwsError {
  return new AwsError('LimitExceeded', message);
}

/** Accounts made since 1 October 2024 ("Auto Scaling launch configurations"). */
export function creationNotAvailable(): AwsError {
  return new AwsError(
    'UnsupportedOperation',
    'The Launch Configuration creation operation is not available in your account. Use launch templates to create configuration templates for your Auto Scaling groups.',
  );
}
