/** EventBridge Scheduler's wire errors, in AWS's wording. */
import { AwsError } from '../../kernel/errors.ts';

export function validation(message: string): AwsError {
  return new AwsError('ValidationException', message);
}

export function scheduleNotFound(name: string): AwsError {
  return new AwsError('ResourceNotFoundException', `Schedule ${name} does not exist.`, { status: 404 });
}

export function groupNotFound(name: string): AwsError {
  return new AwsError('ResourceNotFoundException', `Schedule group ${name} does not exist.`, { status: 404 });
}

export function conflict(what: 'Schedule' | 'Schedule group', name: string): AwsError {
  return new AwsError('ConflictException', `${what} ${name} already exists.`, { status: 409 });
}

export function quotaExceeded(what: string): AwsError {
  return new AwsError('ServiceQuotaExceededException', `The ${what} quota was exceeded.`, { status: 402 });
}
