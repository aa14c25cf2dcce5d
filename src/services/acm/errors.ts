/** ACM's wire errors (API Reference, "Errors" of each operation). */
import { AwsError } from '../../kernel/errors.ts';

export function notFound(arn: string): AwsError {
  return new AwsError('ResourceNotFoundException', `Could not find certificate ${arn}.`);
}

export function validation(message: string): AwsError {
  return new AwsError('ValidationException', message);
}

export function invalidArn(arn: string): AwsError {
  return new AwsError('InvalidArnException', `Invalid ARN: ${arn}`);
}

export function invalidDomain(message: string): AwsError {
  return new AwsError('InvalidDomainValidationOptionsException', message);
}

export function resourceInUse(arn: string): AwsError {
  return new AwsError('ResourceInUseException', `Certificate ${arn} is in use.`);
}

export function inProgress(arn: string): AwsError {
  return new AwsError('RequestInProgressException', `Certificate ${arn} is not issued yet.`);
}

export function invalidTag(message: string): AwsError {
  return new AwsError('InvalidTagException', message);
}
