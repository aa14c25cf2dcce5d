/** Kinesis' wire errors, in AWS's wording. */
import { AwsError } from '../../kernel/errors.ts';

export function streamNotFound(name: string, account: string): AwsError {
  return new AwsError('ResourceNotFoundException', `Stream ${name} under account ${account} not found.`);
}

export function streamExists(name: string, account: string): AwsError {
  return new AwsError('ResourceInUseException', `Stream ${name} under account ${account} already exists.`);
}

export function streamBusy(name: string, account: string, status: string): AwsError {
  return new AwsError('ResourceInUseException', `Stream ${name} under account ${account} not ACTIVE, instead in state ${status}`);
}

export function shardNotFound(shard: string, name: string, account: string): AwsError {
  return new AwsError('ResourceNotFoundException', `Could not find shard ${shard} in stream ${name} under account ${account}.`);
}

export function invalidArgument(message: string): AwsError {
  return new AwsError('InvalidArgumentException', message);
}

export function limitExceeded(message: string): AwsError {
  return new AwsError('LimitExceededException', message);
}

export function rateExceeded(shard: string, stream: string, account: string): AwsError {
  return new AwsError(
    'ProvisionedThroughputExceededException',
    `Rate exceeded for shard ${shard} in stream ${stream} under account ${account}.`,
  );
}

export function expiredIterator(created: number, now: number): AwsError {
  const [made, read] = [created, now].map((at) => new Date(at).toUTCString());
  return new AwsError(
    'ExpiredIteratorException',
    `Iterator expired. The iterator was created at time ${made} while right now it is ${read} which is further in the future than the tolerated delay of 300000 milliseconds.`,
  );
}

export function consumerNotFound(name: string, stream: string, account: string): AwsError {
  return new AwsError('ResourceNotFoundException', `Consumer ${name} under stream ${stream} under account ${account} not found.`);
}

export function consumerExists(name: string, stream: string, account: string): AwsError {
  return new AwsError('ResourceInUseException', `Consumer ${name} under stream ${stream} already exists for account ${account}.`);
}

/** What KMS refuses, by Kinesis' names ("StartStreamEncryption", Errors). */
export function kmsError(error: AwsError): AwsError {
  const names: Readonly<Record<string, string>> = {
    AccessDeniedException: 'KMSAccessDeniedException',
    DisabledException: 'KMSDisabledException',
    NotFoundException: 'KMSNotFoundException',
  };
  return new AwsError(names[error.code] ?? error.code, error.message);
}
