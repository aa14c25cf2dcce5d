/** CloudWatch Logs' wire errors, in AWS's wording (CloudWatch Logs API Reference, and what the service answers). */
import { AwsError } from '../../kernel/errors.ts';

export function invalidParameter(message: string): AwsError {
  return new AwsError('InvalidParameterException', message);
}

/** `what`: `log group`, `log stream`, `metric filter`, `subscription filter`. */
export function notFound(what: string): AwsError {
  return new AwsError('ResourceNotFoundException', `The specified ${what} does not exist.`);
}

export function alreadyExists(what: string): AwsError {
  return new AwsError('ResourceAlreadyExistsException', `The specified ${what} already exists`);
}

export function limitExceeded(message: string): AwsError {
  return new AwsError('LimitExceededException', message);
}

/** `2` of `PutMetricFilter` and others: the pattern cannot be read. */
export function invalidPattern(): AwsError {
  return invalidParameter('Invalid filter pattern');
}
