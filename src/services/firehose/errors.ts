/** Firehose's wire errors, in AWS's wording. */
import { AwsError } from '../../kernel/errors.ts';

export function streamNotFound(name: string, account: string): AwsError {
  return new AwsError('ResourceNotFoundException', `Firehose ${name} under account ${account} not found.`);
}

export function streamExists(name: string, account: string): AwsError {
  return new AwsError('ResourceInUseException', `Firehose ${name} under accountId ${account} already exists`);
}

export function streamBusy(name: string, account: string, status: string): AwsError {
  return new AwsError(
    'ResourceInUseException',
    `Firehose ${name} under account ${account} is not ACTIVE, instead in state ${status}.`,
  );
}

export function invalidArgument(message: string): AwsError {
  return new AwsError('InvalidArgumentException', message);
}

export function limitExceeded(message: string): AwsError {
  return new AwsError('LimitExceededException', message);
}

export function versionMismatch(name: string, current: number, given: string): AwsError {
  return new AwsError(
    'ConcurrentModificationException',
    `Cannot update firehose: ${name} since the current version id: ${current} and specified version id: ${given} do not match`,
  );
}
